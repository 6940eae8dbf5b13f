/*
 * loop.h - the event loop of a process: descriptors, timers, signals, and one hook
 * that runs once per turn after all of them.
 *
 * It is the only owner of libev. A private loop is used, never the default one: that
 * installs a SIGCHLD handler which reaps every child and loses exit states.
 *
 * A turn is: callbacks of ready descriptors and due timers, then the turn hook
 * (`work`), then `may_sleep` right before blocking. Work belongs into `work`, never
 * into `may_sleep`: what that produced would wait until something else wakes us.
 *
 * Thread rule: the thread that runs the loop; loop_wake() may come from any thread.
 * Ownership: watches and timers are freed by their owner before the loop.
 */
#ifndef AIEX_LOOP_H
#define AIEX_LOOP_H

#include <stdint.h>

#define LOOP_READ  1u
#define LOOP_WRITE 2u

struct loop;
struct loop_watch;
struct loop_timer;

struct loop *loop_new(void); /* NULL: no memory or no epoll */
void loop_free(struct loop *loop);
/* Runs until loop_stop(). */
void loop_run(struct loop *loop);
/* One turn; waits for an event at most `wait_ms` (0 = does not wait). */
void loop_once(struct loop *loop, uint64_t wait_ms);
void loop_stop(struct loop *loop);
/* Monotonic milliseconds, read at most once per turn. */
uint64_t loop_now_ms(struct loop *loop);
/* Makes a sleeping loop turn once. [any thread] */
void loop_wake(struct loop *loop);

struct loop_hooks {
    void (*awake)(void *arg);    /* right after the poll, before any callback */
    int (*work)(void *arg);      /* after all callbacks; 1 = has more to do at once */
    int (*may_sleep)(void *arg); /* right before blocking; 0 = turn again */
};
/* One set of hooks per loop; NULL removes them. */
void loop_hook(struct loop *loop, const struct loop_hooks *hooks, void *arg);

/* Calls fn while fd is ready. events 0 = not yet. */
struct loop_watch *loop_watch_new(struct loop *loop, int fd, unsigned events,
                                  void (*fn)(void *arg, unsigned events), void *arg);
void loop_watch_set(struct loop_watch *watch, unsigned events);
void loop_watch_free(struct loop_watch *watch);

struct loop_timer *loop_timer_new(struct loop *loop, void (*fn)(void *arg), void *arg);
/* Fires after after_ms, then every every_ms if that is not 0. */
void loop_timer_set(struct loop_timer *timer, uint64_t after_ms, uint64_t every_ms);
void loop_timer_stop(struct loop_timer *timer);
void loop_timer_free(struct loop_timer *timer);

/* Calls fn in the loop when the signal arrives. At most 8 signals. 0 or -ENOSPC. */
int loop_signal(struct loop *loop, int signum, void (*fn)(void *arg), void *arg);

#endif

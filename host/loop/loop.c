/*
 * loop.c - see loop.h. The turn hook runs from an ev_check watcher of the lowest
 * priority, i.e. after the callbacks of this turn; ev_prepare only asks whether the
 * process may sleep and starts an idle watcher when it may not.
 */
#include "loop/loop.h"

#include "base/clock.h"

#include <errno.h>
#include <ev.h>
#include <stdlib.h>

#define MAX_SIGNALS 8

struct loop_watch {
    ev_io io;
    struct loop *loop;
    unsigned events;
    void (*fn)(void *arg, unsigned events);
    void *arg;
};

struct loop_timer {
    ev_timer timer;
    struct loop *loop;
    void (*fn)(void *arg);
    void *arg;
};

struct signal_watch {
    ev_signal signal;
    void (*fn)(void *arg);
    void *arg;
};

struct loop {
    struct ev_loop *ev;
    ev_prepare prepare;
    ev_check woke;  /* first after the poll */
    ev_check check; /* after all callbacks of the turn */
    ev_idle idle;
    ev_async async;
    ev_timer limit;
    int more;
    uint64_t now_ms; /* 0 = not asked for in this turn */
    int (*work)(void *arg);
    int (*may_sleep)(void *arg);
    void (*awake)(void *arg);
    void *arg;
    struct signal_watch signals[MAX_SIGNALS];
    int n_signals;
};

static void on_prepare(struct ev_loop *ev, ev_prepare *w, int revents)
{
    struct loop *loop = w->data;

    loop->now_ms = 0;
    if (loop->work && (loop->more || (loop->may_sleep && !loop->may_sleep(loop->arg))))
        ev_idle_start(ev, &loop->idle);
}

static void on_check(struct ev_loop *ev, ev_check *w, int revents)
{
    struct loop *loop = w->data;

    ev_idle_stop(ev, &loop->idle);
    if (loop->work)
        loop->more = loop->work(loop->arg);
}

static void on_woke(struct ev_loop *ev, ev_check *w, int revents)
{
    struct loop *loop = w->data;

    loop->now_ms = 0; /* may_sleep() may have asked: it has been long since */
    if (loop->awake)
        loop->awake(loop->arg);
}

static void on_idle(struct ev_loop *ev, ev_idle *w, int revents)
{
    ev_idle_stop(ev, w);
}

static void on_async(struct ev_loop *ev, ev_async *w, int revents)
{
}

static void on_limit(struct ev_loop *ev, ev_timer *w, int revents)
{
}

struct loop *loop_new(void)
{
    struct loop *loop = calloc(1, sizeof(*loop));

    if (!loop)
        return NULL;
    loop->ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    if (!loop->ev) {
        free(loop);
        return NULL;
    }
    ev_prepare_init(&loop->prepare, on_prepare);
    loop->prepare.data = loop;
    ev_prepare_start(loop->ev, &loop->prepare);
    ev_check_init(&loop->woke, on_woke);
    loop->woke.data = loop;
    ev_set_priority(&loop->woke, EV_MAXPRI);
    ev_check_start(loop->ev, &loop->woke);
    ev_check_init(&loop->check, on_check);
    loop->check.data = loop;
    ev_set_priority(&loop->check, EV_MINPRI);
    ev_check_start(loop->ev, &loop->check);
    ev_idle_init(&loop->idle, on_idle);
    ev_async_init(&loop->async, on_async);
    ev_async_start(loop->ev, &loop->async);
    ev_init(&loop->limit, on_limit);
    return loop;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    for (int i = 0; i < loop->n_signals; i++)
        ev_signal_stop(loop->ev, &loop->signals[i].signal);
    ev_async_stop(loop->ev, &loop->async);
    ev_idle_stop(loop->ev, &loop->idle);
    ev_check_stop(loop->ev, &loop->check);
    ev_check_stop(loop->ev, &loop->woke);
    ev_prepare_stop(loop->ev, &loop->prepare);
    ev_loop_destroy(loop->ev);
    free(loop);
}

void loop_run(struct loop *loop)
{
    ev_run(loop->ev, 0);
}

void loop_once(struct loop *loop, uint64_t wait_ms)
{
    if (wait_ms) {
        ev_timer_set(&loop->limit, (double)wait_ms / 1000, 0);
        ev_timer_start(loop->ev, &loop->limit);
    }
    ev_run(loop->ev, wait_ms ? EVRUN_ONCE : EVRUN_NOWAIT);
    if (wait_ms)
        ev_timer_stop(loop->ev, &loop->limit);
}

void loop_stop(struct loop *loop)
{
    ev_break(loop->ev, EVBREAK_ALL);
}

uint64_t loop_now_ms(struct loop *loop)
{
    if (!loop->now_ms)
        loop->now_ms = clock_ms();
    return loop->now_ms;
}

void loop_wake(struct loop *loop)
{
    ev_async_send(loop->ev, &loop->async);
}

void loop_hook(struct loop *loop, const struct loop_hooks *hooks, void *arg)
{
    loop->work = hooks ? hooks->work : NULL;
    loop->may_sleep = hooks ? hooks->may_sleep : NULL;
    loop->awake = hooks ? hooks->awake : NULL;
    loop->arg = arg;
}

static void on_io(struct ev_loop *ev, ev_io *w, int revents)
{
    struct loop_watch *watch = w->data;

    watch->fn(watch->arg, (revents & EV_READ ? LOOP_READ : 0) | (revents & EV_WRITE ? LOOP_WRITE : 0));
}

struct loop_watch *loop_watch_new(struct loop *loop, int fd, unsigned events,
                                  void (*fn)(void *arg, unsigned events), void *arg)
{
    struct loop_watch *watch = calloc(1, sizeof(*watch));

    if (!watch)
        return NULL;
    watch->loop = loop;
    watch->fn = fn;
    watch->arg = arg;
    ev_io_init(&watch->io, on_io, fd, 0);
    watch->io.data = watch;
    loop_watch_set(watch, events);
    return watch;
}

void loop_watch_set(struct loop_watch *watch, unsigned events)
{
    if (watch->events == events)
        return;
    if (watch->events)
        ev_io_stop(watch->loop->ev, &watch->io);
    watch->events = events;
    if (!events)
        return;
    ev_io_set(&watch->io, watch->io.fd,
              (events & LOOP_READ ? EV_READ : 0) | (events & LOOP_WRITE ? EV_WRITE : 0));
    ev_io_start(watch->loop->ev, &watch->io);
}

void loop_watch_free(struct loop_watch *watch)
{
    if (!watch)
        return;
    loop_watch_set(watch, 0);
    free(watch);
}

static void on_timer(struct ev_loop *ev, ev_timer *w, int revents)
{
    struct loop_timer *timer = w->data;

    timer->fn(timer->arg);
}

struct loop_timer *loop_timer_new(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    struct loop_timer *timer = calloc(1, sizeof(*timer));

    if (!timer)
        return NULL;
    timer->loop = loop;
    timer->fn = fn;
    timer->arg = arg;
    ev_init(&timer->timer, on_timer);
    timer->timer.data = timer;
    return timer;
}

void loop_timer_set(struct loop_timer *timer, uint64_t after_ms, uint64_t every_ms)
{
    ev_timer_stop(timer->loop->ev, &timer->timer);
    /* from the real now: the cached one may be a long callback old */
    ev_now_update(timer->loop->ev);
    ev_timer_set(&timer->timer, (double)after_ms / 1000, (double)every_ms / 1000);
    ev_timer_start(timer->loop->ev, &timer->timer);
}

void loop_timer_stop(struct loop_timer *timer)
{
    ev_timer_stop(timer->loop->ev, &timer->timer);
}

void loop_timer_free(struct loop_timer *timer)
{
    if (!timer)
        return;
    ev_timer_stop(timer->loop->ev, &timer->timer);
    free(timer);
}

static void on_signal(struct ev_loop *ev, ev_signal *w, int revents)
{
    struct signal_watch *watch = w->data;

    watch->fn(watch->arg);
}

int loop_signal(struct loop *loop, int signum, void (*fn)(void *arg), void *arg)
{
    struct signal_watch *watch;

    if (loop->n_signals == MAX_SIGNALS)
        return -ENOSPC;
    watch = &loop->signals[loop->n_signals++];
    watch->fn = fn;
    watch->arg = arg;
    ev_signal_init(&watch->signal, on_signal, signum);
    watch->signal.data = watch;
    ev_signal_start(loop->ev, &watch->signal);
    return 0;
}

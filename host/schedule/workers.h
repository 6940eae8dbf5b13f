/*
 * workers.h - a pool of workers that grows and shrinks with its work: which task runs
 * where, when to start or stop a worker, when to refuse. Pure: the caller brings the
 * monotonic clock and performs the actions. No allocation after workers_new().
 *
 * Tasks are the caller's 64-bit tokens. A task runs at once on an idle worker, waits in
 * one of three bounded queues, or is refused. Queues are served by weight (high 8 : normal
 * 3 : low 1 while all wait), each in order of arrival, so that no priority starves. Workers are
 * added one per waiting task up to `max_children` and stopped after `idle_ms` without work
 * down to `min_children`. A worker that dies before it was up is replaced after 50 ms x 2^n,
 * at most 30 s.
 */
#ifndef AIEX_SCHEDULE_WORKERS_H
#define AIEX_SCHEDULE_WORKERS_H

#include <stdint.h>

#define WORKERS_MAX       256u
#define WORKERS_MAX_QUEUE 65536u
#define WORKERS_NEVER     UINT64_MAX

/* As aiex_request.priority. */
enum workers_priority { WORKERS_NORMAL, WORKERS_HIGH, WORKERS_LOW, WORKERS_N_PRIORITIES };

struct workers_spec {
    uint32_t min_children; /* 0..max_children */
    uint32_t max_children; /* 1..WORKERS_MAX */
    uint32_t queue_max;    /* tasks that may wait beyond those for which a worker starts, all
                              priorities together; 0..WORKERS_MAX_QUEUE */
    uint32_t idle_ms;      /* > 0 */
};

enum workers_do {
    WORKERS_START, /* make worker `worker`, then workers_up() or workers_down() */
    WORKERS_STOP,  /* end worker `worker`, then workers_down() */
    WORKERS_RUN,   /* task `task` on worker `worker`, then workers_done() or workers_down() */
    WORKERS_LOST   /* task `task` ended with its worker */
};

struct workers_action {
    uint32_t what; /* enum workers_do */
    uint32_t worker;
    uint64_t task;
};

/* Room for the most that one call gives. */
struct workers_actions {
    uint32_t n;
    struct workers_action at[2 * WORKERS_MAX + 2];
};

struct workers_count {
    uint32_t starting, idle, busy, stopping;
    uint32_t queued[WORKERS_N_PRIORITIES];
};

struct workers;

/* NULL = no memory, or a value out of range. */
struct workers *workers_new(const struct workers_spec *);
void workers_free(struct workers *);

/* Every function below overwrites `out`. Worker numbers are 0..max_children - 1 and used again
 * after workers_down(). */

/* Makes the first min_children. */
void workers_begin(struct workers *, uint64_t now_ms, struct workers_actions *out);
/* 0 = runs or waits; -EBUSY = queue full; -EINVAL = no such priority; -ESHUTDOWN. */
int workers_submit(struct workers *, uint32_t priority, uint64_t task, uint64_t now_ms,
                   struct workers_actions *out);
/* A waiting task is given up: 0, or -ENOENT (it runs, or is unknown). */
int workers_cancel(struct workers *, uint64_t task);
/* Reports about a worker. One that does not fit its state is ignored. */
void workers_up(struct workers *, uint32_t worker, uint64_t now_ms, struct workers_actions *out);
void workers_done(struct workers *, uint32_t worker, uint64_t now_ms, struct workers_actions *out);
void workers_down(struct workers *, uint32_t worker, uint64_t now_ms, struct workers_actions *out);
/* Time went by: idle workers, delayed starts. */
void workers_tick(struct workers *, uint64_t now_ms, struct workers_actions *out);
/* No more tasks; waiting ones are LOST, workers STOP when they are done. Queued tasks may exceed
 * `out`: call again until out->n is 0. */
void workers_close(struct workers *, uint64_t now_ms, struct workers_actions *out);
/* When workers_tick() is due, WORKERS_NEVER = not. */
uint64_t workers_next_deadline(const struct workers *);
struct workers_count workers_count(const struct workers *);

#endif

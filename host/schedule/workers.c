#include "schedule/workers.h"

#include <errno.h>
#include <stdlib.h>

#define START_DELAY_MS     50u
#define START_DELAY_CAP_MS 30000u

enum life { FREE, STARTING, IDLE, BUSY, STOPPING };

struct worker {
    enum life life;
    uint64_t task;       /* BUSY */
    uint64_t idle_since; /* IDLE */
};

struct task {
    uint64_t token;
    int32_t next;
};

/* A queue is a list in the shared pool of tasks, oldest first. */
struct queue {
    int32_t head, tail;
    uint32_t n;
    uint32_t credit; /* turns left in this round */
};

struct workers {
    struct workers_spec spec;
    struct worker workers[WORKERS_MAX];
    struct queue queues[WORKERS_N_PRIORITIES];
    uint64_t start_after; /* no worker is started before */
    uint32_t n_failed;    /* starts in a row */
    int32_t free_task;
    int begun, closed;
    struct task tasks[];
};

/* Served in this order while a queue has credit; a round gives each its weight. */
static const struct {
    enum workers_priority priority;
    uint32_t weight;
} turns[] = {{WORKERS_HIGH, 8}, {WORKERS_NORMAL, 3}, {WORKERS_LOW, 1}};

struct workers *workers_new(const struct workers_spec *spec)
{
    struct workers *w;
    uint32_t n_tasks; /* one for each worker to come, and those that may wait */

    if (spec->max_children == 0 || spec->max_children > WORKERS_MAX ||
        spec->min_children > spec->max_children || spec->queue_max > WORKERS_MAX_QUEUE ||
        spec->idle_ms == 0)
        return NULL;
    n_tasks = spec->queue_max + spec->max_children;
    w = calloc(1, sizeof *w + n_tasks * sizeof w->tasks[0]);
    if (!w)
        return NULL;
    w->spec = *spec;
    for (uint32_t i = 0; i < WORKERS_N_PRIORITIES; i++)
        w->queues[i].head = w->queues[i].tail = -1;
    w->free_task = -1;
    for (uint32_t i = n_tasks; i-- > 0;) {
        w->tasks[i].next = w->free_task;
        w->free_task = (int32_t)i;
    }
    return w;
}

void workers_free(struct workers *w)
{
    free(w);
}

static void emit(struct workers_actions *out, enum workers_do what, uint32_t worker, uint64_t task)
{
    out->at[out->n++] = (struct workers_action){
        .what = (uint32_t)what, .worker = worker, .task = task};
}

static uint32_t count(const struct workers *w, enum life life)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < w->spec.max_children; i++)
        n += w->workers[i].life == life;
    return n;
}

static uint32_t n_queued(const struct workers *w)
{
    return w->queues[0].n + w->queues[1].n + w->queues[2].n;
}

/* ---- Queues --------------------------------------------------------------------- */

static int push(struct workers *w, uint32_t priority, uint64_t token)
{
    struct queue *q = &w->queues[priority];
    int32_t i = w->free_task;

    if (i < 0)
        return -EBUSY;
    w->free_task = w->tasks[i].next;
    w->tasks[i] = (struct task){.token = token, .next = -1};
    if (q->tail >= 0)
        w->tasks[q->tail].next = i;
    else
        q->head = i;
    q->tail = i;
    q->n++;
    return 0;
}

/* Takes the task after `before` (-1 = the first) out of its queue. */
static uint64_t unlink_after(struct workers *w, struct queue *q, int32_t before)
{
    int32_t i = before < 0 ? q->head : w->tasks[before].next;
    int32_t next = w->tasks[i].next;

    if (before < 0)
        q->head = next;
    else
        w->tasks[before].next = next;
    if (q->tail == i)
        q->tail = before;
    w->tasks[i].next = w->free_task;
    w->free_task = i;
    q->n--;
    return w->tasks[i].token;
}

static int pop(struct workers *w, uint64_t *ret_token)
{
    if (n_queued(w) == 0)
        return 0;
    for (;;) {
        for (unsigned i = 0; i < WORKERS_N_PRIORITIES; i++) {
            struct queue *q = &w->queues[turns[i].priority];
            if (q->n == 0 || q->credit == 0)
                continue;
            q->credit--;
            *ret_token = unlink_after(w, q, -1);
            return 1;
        }
        for (unsigned i = 0; i < WORKERS_N_PRIORITIES; i++)
            w->queues[turns[i].priority].credit = turns[i].weight;
    }
}

/* ---- Workers -------------------------------------------------------------------- */

static void run(struct workers *w, uint32_t i, uint64_t task, struct workers_actions *out)
{
    w->workers[i].life = BUSY;
    w->workers[i].task = task;
    emit(out, WORKERS_RUN, i, task);
}

/* Gives waiting tasks to idle workers, then starts workers for what still waits. */
static void settle(struct workers *w, uint64_t now, struct workers_actions *out)
{
    uint32_t starting, alive, wanted;
    uint64_t task;

    for (uint32_t i = 0; i < w->spec.max_children; i++)
        if (w->workers[i].life == IDLE && pop(w, &task))
            run(w, i, task, out);
    starting = count(w, STARTING);
    alive = w->spec.max_children - count(w, FREE) - count(w, STOPPING);
    wanted = n_queued(w) > starting ? n_queued(w) - starting : 0;
    if (w->begun && alive < w->spec.min_children && wanted < w->spec.min_children - alive)
        wanted = w->spec.min_children - alive;
    if (w->closed || now < w->start_after)
        return;
    w->start_after = 0;
    for (uint32_t i = 0; i < w->spec.max_children && wanted > 0; i++)
        if (w->workers[i].life == FREE) {
            w->workers[i].life = STARTING;
            emit(out, WORKERS_START, i, 0);
            wanted--;
        }
}

static void stop(struct workers *w, uint32_t i, struct workers_actions *out)
{
    w->workers[i].life = STOPPING;
    emit(out, WORKERS_STOP, i, 0);
}

void workers_begin(struct workers *w, uint64_t now_ms, struct workers_actions *out)
{
    out->n = 0;
    w->begun = 1;
    settle(w, now_ms, out);
}

int workers_submit(struct workers *w, uint32_t priority, uint64_t task, uint64_t now_ms,
                   struct workers_actions *out)
{
    out->n = 0;
    if (priority >= WORKERS_N_PRIORITIES)
        return -EINVAL;
    if (w->closed)
        return -ESHUTDOWN;
    if (n_queued(w) == 0) /* else an idle worker would have taken what waits */
        for (uint32_t i = 0; i < w->spec.max_children; i++)
            if (w->workers[i].life == IDLE) {
                run(w, i, task, out);
                return 0;
            }
    if (n_queued(w) >= w->spec.queue_max + count(w, STARTING) + count(w, FREE) ||
        push(w, priority, task) < 0)
        return -EBUSY;
    settle(w, now_ms, out);
    return 0;
}

int workers_cancel(struct workers *w, uint64_t task)
{
    for (unsigned p = 0; p < WORKERS_N_PRIORITIES; p++) {
        struct queue *q = &w->queues[p];
        for (int32_t before = -1, i = q->head; i >= 0; before = i, i = w->tasks[i].next)
            if (w->tasks[i].token == task) {
                unlink_after(w, q, before);
                return 0;
            }
    }
    return -ENOENT;
}

/* The worker has nothing to do now. */
static void becomes_idle(struct workers *w, uint32_t i, uint64_t now, struct workers_actions *out)
{
    if (w->closed) {
        stop(w, i, out);
        return;
    }
    w->workers[i].life = IDLE;
    w->workers[i].idle_since = now;
    settle(w, now, out);
}

void workers_up(struct workers *w, uint32_t worker, uint64_t now_ms, struct workers_actions *out)
{
    out->n = 0;
    if (worker >= w->spec.max_children || w->workers[worker].life != STARTING)
        return;
    w->n_failed = 0;
    w->start_after = 0;
    becomes_idle(w, worker, now_ms, out);
}

void workers_done(struct workers *w, uint32_t worker, uint64_t now_ms, struct workers_actions *out)
{
    out->n = 0;
    if (worker < w->spec.max_children && w->workers[worker].life == BUSY)
        becomes_idle(w, worker, now_ms, out);
}

void workers_down(struct workers *w, uint32_t worker, uint64_t now_ms, struct workers_actions *out)
{
    enum life was;

    out->n = 0;
    if (worker >= w->spec.max_children || w->workers[worker].life == FREE)
        return;
    was = w->workers[worker].life;
    w->workers[worker].life = FREE;
    if (was == BUSY)
        emit(out, WORKERS_LOST, worker, w->workers[worker].task);
    if (was == STARTING) {
        uint32_t delay = w->n_failed < 10 ? START_DELAY_MS << w->n_failed : START_DELAY_CAP_MS;
        w->n_failed++;
        w->start_after = now_ms + (delay < START_DELAY_CAP_MS ? delay : START_DELAY_CAP_MS);
    }
    settle(w, now_ms, out);
}

void workers_tick(struct workers *w, uint64_t now_ms, struct workers_actions *out)
{
    uint32_t alive = count(w, STARTING) + count(w, IDLE) + count(w, BUSY);

    out->n = 0;
    for (uint32_t i = w->spec.max_children; i-- > 0 && alive > w->spec.min_children;)
        if (w->workers[i].life == IDLE && now_ms - w->workers[i].idle_since >= w->spec.idle_ms) {
            stop(w, i, out);
            alive--;
        }
    settle(w, now_ms, out);
}

void workers_close(struct workers *w, uint64_t now_ms, struct workers_actions *out)
{
    uint64_t task;

    (void)now_ms;
    out->n = 0;
    w->closed = 1;
    for (uint32_t i = 0; i < w->spec.max_children; i++)
        if (w->workers[i].life == IDLE)
            stop(w, i, out);
    while (out->n < 2 * WORKERS_MAX && pop(w, &task))
        emit(out, WORKERS_LOST, UINT32_MAX, task);
}

uint64_t workers_next_deadline(const struct workers *w)
{
    uint64_t next = WORKERS_NEVER;
    uint32_t alive = count(w, STARTING) + count(w, IDLE) + count(w, BUSY);

    if (w->closed)
        return WORKERS_NEVER;
    if (w->start_after && (n_queued(w) || (w->begun && alive < w->spec.min_children)))
        next = w->start_after;
    for (uint32_t i = 0; alive > w->spec.min_children && i < w->spec.max_children; i++)
        if (w->workers[i].life == IDLE && w->workers[i].idle_since + w->spec.idle_ms < next)
            next = w->workers[i].idle_since + w->spec.idle_ms;
    return next;
}

struct workers_count workers_count(const struct workers *w)
{
    return (struct workers_count){
        .starting = count(w, STARTING),
        .idle = count(w, IDLE),
        .busy = count(w, BUSY),
        .stopping = count(w, STOPPING),
        .queued = {w->queues[0].n, w->queues[1].n, w->queues[2].n},
    };
}

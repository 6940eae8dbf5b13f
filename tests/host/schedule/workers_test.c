#include "schedule/workers.h"
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct workers *pool;
static struct workers_actions out;

static void make(uint32_t min, uint32_t max, uint32_t queue)
{
    pool = workers_new(&(struct workers_spec){
        .min_children = min, .max_children = max, .queue_max = queue, .idle_ms = 1000});
    CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
    workers_begin(pool, 0, &out);
}

static uint32_t n_of(enum workers_do what)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < out.n; i++)
        n += out.at[i].what == (uint32_t)what;
    return n;
}

static void grows_with_work_and_refuses_when_full(void)
{
    make(0, 2, 3);
    CU_ASSERT_EQUAL(out.n, 0);
    for (uint64_t task = 1; task <= 5; task++)
        CU_ASSERT_EQUAL(workers_submit(pool, WORKERS_NORMAL, task, 0, &out), 0);
    CU_ASSERT_EQUAL(workers_count(pool).starting, 2);
    CU_ASSERT_EQUAL(workers_submit(pool, WORKERS_NORMAL, 6, 0, &out), -EBUSY);
    CU_ASSERT_EQUAL(out.n, 0);
    workers_up(pool, 0, 1, &out);
    CU_ASSERT_EQUAL(out.at[0].what, WORKERS_RUN);
    CU_ASSERT_EQUAL(out.at[0].task, 1);
    workers_up(pool, 1, 1, &out);
    CU_ASSERT_EQUAL(out.at[0].task, 2);
    CU_ASSERT_EQUAL(workers_submit(pool, WORKERS_NORMAL, 6, 1, &out), -EBUSY);
    workers_done(pool, 1, 2, &out);
    CU_ASSERT_EQUAL(out.at[0].task, 3);
    CU_ASSERT_EQUAL(out.at[0].worker, 1);
    CU_ASSERT_EQUAL(workers_submit(pool, WORKERS_NORMAL, 6, 2, &out), 0);
    workers_free(pool);
}

static void without_a_queue_every_worker_still_gets_a_task(void)
{
    make(0, 2, 0);
    CU_ASSERT_EQUAL(workers_submit(pool, WORKERS_LOW, 1, 0, &out), 0);
    CU_ASSERT_EQUAL(n_of(WORKERS_START), 1);
    CU_ASSERT_EQUAL(workers_submit(pool, WORKERS_LOW, 2, 0, &out), 0);
    CU_ASSERT_EQUAL(workers_submit(pool, WORKERS_LOW, 3, 0, &out), -EBUSY);
    workers_free(pool);
}

static void idle_worker_runs_at_once(void)
{
    make(1, 2, 3);
    CU_ASSERT_EQUAL(n_of(WORKERS_START), 1);
    workers_up(pool, 0, 0, &out);
    CU_ASSERT_EQUAL(out.n, 0);
    CU_ASSERT_EQUAL(workers_submit(pool, WORKERS_LOW, 9, 1, &out), 0);
    CU_ASSERT_EQUAL(out.n, 1);
    CU_ASSERT_EQUAL(out.at[0].what, WORKERS_RUN);
    workers_free(pool);
}

static void idle_ones_stop_down_to_min(void)
{
    make(1, 3, 9);
    for (uint64_t task = 1; task <= 3; task++)
        workers_submit(pool, WORKERS_NORMAL, task, 0, &out);
    for (uint32_t i = 0; i < 3; i++)
        workers_up(pool, i, 0, &out);
    for (uint32_t i = 0; i < 3; i++)
        workers_done(pool, i, 100 * i, &out);
    CU_ASSERT_EQUAL(workers_next_deadline(pool), 1000);
    workers_tick(pool, 999, &out);
    CU_ASSERT_EQUAL(out.n, 0);
    workers_tick(pool, 1200, &out);
    CU_ASSERT_EQUAL(n_of(WORKERS_STOP), 2);
    workers_down(pool, out.at[0].worker, 1201, &out);
    CU_ASSERT_EQUAL(out.n, 0);
    CU_ASSERT_EQUAL(workers_next_deadline(pool), WORKERS_NEVER);
    CU_ASSERT_EQUAL(workers_count(pool).idle, 1);
    workers_free(pool);
}

/* 40 of each wait; of every 12 served 8 are high, 3 normal, 1 low. */
static void weights_starve_nobody(void)
{
    uint32_t served[WORKERS_N_PRIORITIES] = {0};
    uint64_t last[WORKERS_N_PRIORITIES] = {0};

    make(0, 1, 200);
    for (uint64_t i = 0; i < 40; i++)
        for (uint32_t p = 0; p < WORKERS_N_PRIORITIES; p++)
            CU_ASSERT_EQUAL(workers_submit(pool, p, p * 1000 + i + 1, 0, &out), 0);
    workers_up(pool, 0, 0, &out);
    for (int i = 0; i < 48; i++) {
        uint32_t p;
        CU_ASSERT_EQUAL_FATAL(n_of(WORKERS_RUN), 1);
        p = (uint32_t)(out.at[0].task / 1000);
        CU_ASSERT(out.at[0].task > last[p]); /* in order of arrival */
        last[p] = out.at[0].task;
        served[p]++;
        workers_done(pool, 0, 0, &out);
    }
    CU_ASSERT_EQUAL(served[WORKERS_HIGH], 32);
    CU_ASSERT_EQUAL(served[WORKERS_NORMAL], 12);
    CU_ASSERT_EQUAL(served[WORKERS_LOW], 4);
    workers_free(pool);
}

static void cancel_takes_a_waiting_task_out(void)
{
    make(0, 1, 9);
    for (uint64_t task = 1; task <= 4; task++)
        workers_submit(pool, WORKERS_NORMAL, task, 0, &out);
    CU_ASSERT_EQUAL(workers_cancel(pool, 1), 0); /* first */
    CU_ASSERT_EQUAL(workers_cancel(pool, 3), 0); /* middle */
    CU_ASSERT_EQUAL(workers_cancel(pool, 4), 0); /* last */
    CU_ASSERT_EQUAL(workers_cancel(pool, 4), -ENOENT);
    workers_submit(pool, WORKERS_NORMAL, 5, 0, &out);
    workers_up(pool, 0, 0, &out);
    CU_ASSERT_EQUAL(out.at[0].task, 2);
    CU_ASSERT_EQUAL(workers_cancel(pool, 2), -ENOENT);
    workers_done(pool, 0, 0, &out);
    CU_ASSERT_EQUAL(out.at[0].task, 5);
    workers_free(pool);
}

static void dead_worker_loses_its_task_only(void)
{
    make(0, 1, 9);
    workers_submit(pool, WORKERS_NORMAL, 1, 0, &out);
    workers_submit(pool, WORKERS_NORMAL, 2, 0, &out);
    workers_up(pool, 0, 0, &out);
    workers_down(pool, 0, 5, &out);
    CU_ASSERT_EQUAL(out.at[0].what, WORKERS_LOST);
    CU_ASSERT_EQUAL(out.at[0].task, 1);
    CU_ASSERT_EQUAL(out.at[1].what, WORKERS_START); /* for the one that waits */
    workers_up(pool, 0, 6, &out);
    CU_ASSERT_EQUAL(out.at[0].task, 2);
    workers_free(pool);
}

static void failing_starts_are_delayed(void)
{
    uint64_t now = 1000, delay = 50;

    make(0, 4, 9);
    workers_submit(pool, WORKERS_NORMAL, 1, now, &out);
    for (int i = 0; i < 12; i++) {
        uint64_t expected = delay < 30000 ? delay : 30000;
        workers_down(pool, 0, now, &out);
        CU_ASSERT_EQUAL(n_of(WORKERS_START), 0);
        CU_ASSERT_EQUAL(workers_next_deadline(pool), now + expected);
        workers_tick(pool, now + expected - 1, &out);
        CU_ASSERT_EQUAL(n_of(WORKERS_START), 0);
        now += expected;
        workers_tick(pool, now, &out);
        CU_ASSERT_EQUAL_FATAL(n_of(WORKERS_START), 1);
        CU_ASSERT_EQUAL(workers_next_deadline(pool), WORKERS_NEVER);
        delay *= 2;
    }
    workers_up(pool, 0, now, &out);
    CU_ASSERT_EQUAL(out.at[0].task, 1); /* it was not lost */
    workers_free(pool);
}

static void close_ends_everything(void)
{
    make(2, 2, 9);
    workers_up(pool, 0, 0, &out);
    workers_up(pool, 1, 0, &out);
    workers_submit(pool, WORKERS_HIGH, 1, 0, &out);
    workers_submit(pool, WORKERS_HIGH, 2, 0, &out);
    workers_submit(pool, WORKERS_LOW, 3, 0, &out);
    workers_close(pool, 1, &out);
    CU_ASSERT_EQUAL(n_of(WORKERS_LOST), 1);
    CU_ASSERT_EQUAL(n_of(WORKERS_STOP), 0); /* both are busy */
    CU_ASSERT_EQUAL(workers_submit(pool, WORKERS_HIGH, 4, 1, &out), -ESHUTDOWN);
    workers_done(pool, 0, 2, &out);
    CU_ASSERT_EQUAL(n_of(WORKERS_STOP), 1);
    workers_down(pool, 0, 3, &out);
    workers_down(pool, 1, 3, &out);
    CU_ASSERT_EQUAL(n_of(WORKERS_LOST), 1);
    CU_ASSERT_EQUAL(n_of(WORKERS_START), 0);
    CU_ASSERT_EQUAL(workers_next_deadline(pool), WORKERS_NEVER);
    workers_free(pool);
}

static void reports_that_do_not_fit_are_ignored(void)
{
    make(1, 1, 1);
    workers_done(pool, 0, 0, &out);
    CU_ASSERT_EQUAL(out.n, 0);
    workers_up(pool, 7, 0, &out);
    workers_down(pool, 7, 0, &out);
    CU_ASSERT_EQUAL(out.n, 0);
    workers_up(pool, 0, 0, &out);
    workers_up(pool, 0, 0, &out);
    CU_ASSERT_EQUAL(workers_count(pool).idle, 1);
    CU_ASSERT_EQUAL(workers_submit(pool, 3, 1, 0, &out), -EINVAL);
    workers_free(pool);
    workers_free(NULL);
}

static void refused_values(void)
{
    static const struct workers_spec wrong[] = {{0, 0, 1, 1},
                                                {2, 1, 1, 1},
                                                {0, WORKERS_MAX + 1, 1, 1},
                                                {0, 1, WORKERS_MAX_QUEUE + 1, 1},
                                                {0, 1, 1, 0}};

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CU_ASSERT_PTR_NULL(workers_new(&wrong[i]));
}

/* Random work against a count by hand: every accepted task ends exactly once. */
static void every_task_ends_once(void)
{
    static uint8_t fate[20001]; /* 1 waits, 2 runs, 3 ended */
    uint64_t on[8] = {0}, n = 0;
    uint32_t dice = 1, waiting = 0;
    uint8_t life[8] = {0}; /* 1 starting, 2 up, 3 stopping */

    memset(fate, 0, sizeof fate);
    make(1, 8, 16);
    for (int i = 0; i < 60000; i++) {
        uint64_t now = (uint64_t)i * 7;
        dice = dice * 1664525u + 1013904223u;
        uint32_t worker = dice >> 10 & 7, roll = dice >> 20 & 15;
        if (i > 0 && roll < 6 && n < 20000) {
            if (workers_submit(pool, roll % 3, ++n, now, &out) == 0) {
                fate[n] = 1;
                waiting++;
            }
        } else if (i > 0 && roll < 12) {
            if (life[worker] == 1) {
                life[worker] = 2;
                workers_up(pool, worker, now, &out);
            } else if (life[worker] == 2 && on[worker]) {
                fate[on[worker]] = 3;
                on[worker] = 0;
                workers_done(pool, worker, now, &out);
            } else {
                out.n = 0;
            }
        } else if (i > 0 && roll == 12 && life[worker]) {
            life[worker] = 0;
            workers_down(pool, worker, now, &out);
        } else if (i > 0) {
            workers_tick(pool, now, &out);
        }
        for (uint32_t k = 0; k < out.n; k++) {
            const struct workers_action *a = &out.at[k];
            if (a->what == WORKERS_START) {
                CU_ASSERT_EQUAL(life[a->worker], 0);
                life[a->worker] = 1;
            } else if (a->what == WORKERS_STOP) {
                CU_ASSERT(life[a->worker] == 2 && on[a->worker] == 0);
                life[a->worker] = 3;
            } else if (a->what == WORKERS_RUN) {
                CU_ASSERT(life[a->worker] == 2 && on[a->worker] == 0 && fate[a->task] == 1);
                fate[a->task] = 2;
                on[a->worker] = a->task;
                waiting--;
            } else {
                CU_ASSERT(on[a->worker] == a->task && fate[a->task] == 2);
                fate[a->task] = 3;
                on[a->worker] = 0;
            }
        }
        out.n = 0;
        struct workers_count count = workers_count(pool);
        CU_ASSERT_EQUAL_FATAL(count.queued[0] + count.queued[1] + count.queued[2], waiting);
        CU_ASSERT(waiting <= 16 + 8);
    }
    CU_ASSERT(n > 1000);
    workers_free(pool);
}

const struct test_case tests[] = {
    {"grows_with_work_and_refuses_when_full", grows_with_work_and_refuses_when_full},
    {"without_a_queue_every_worker_still_gets_a_task",
     without_a_queue_every_worker_still_gets_a_task},
    {"idle_worker_runs_at_once", idle_worker_runs_at_once},
    {"idle_ones_stop_down_to_min", idle_ones_stop_down_to_min},
    {"weights_starve_nobody", weights_starve_nobody},
    {"cancel_takes_a_waiting_task_out", cancel_takes_a_waiting_task_out},
    {"dead_worker_loses_its_task_only", dead_worker_loses_its_task_only},
    {"failing_starts_are_delayed", failing_starts_are_delayed},
    {"close_ends_everything", close_ends_everything},
    {"reports_that_do_not_fit_are_ignored", reports_that_do_not_fit_are_ignored},
    {"refused_values", refused_values},
    {"every_task_ends_once", every_task_ends_once},
    {0},
};

/* handles_test.c - timers, watches and posts of plugins: by number, and old numbers are refused. */
#include "base/clock.h"
#include "runner/runner_private.h"
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct runner runner;
static struct instance instance;
static struct aiex_host host;
static unsigned fired, ready;
static uint64_t own;

static void begin(void)
{
    memset(&runner, 0, sizeof(runner));
    runner.loop = loop_new();
    runner.thread = pthread_self();
    pthread_mutex_init(&runner.posts_lock, NULL);
    instance = (struct instance){.runner = &runner};
    host = (struct aiex_host){.struct_size = sizeof(host), .ctx = &instance};
    fired = ready = 0;
}

/* A runner never ends its handles: its process ends. */
static void finish(void)
{
    for (uint32_t i = 0; i < runner.n_handles; i++) {
        for (uint32_t generation = 1; generation < 300; generation++)
            handle_unwatch(&host, (uint64_t)generation << 32 | (i + 1));
        free(runner.handles[i]);
    }
    free(runner.handles);
    loop_free(runner.loop);
    pthread_mutex_destroy(&runner.posts_lock);
}

static void turn(unsigned until)
{
    uint64_t began = clock_ms();

    while (fired + ready < until && clock_ms() - began < 20000)
        loop_once(runner.loop, 1000);
}

static void on_time(void *arg)
{
    fired++;
}

static void on_time_stop(void *arg)
{
    fired++;
    CU_ASSERT_EQUAL(handle_unwatch(&host, own), 0);
}

static void on_time_once(void *arg)
{
    fired++;
    CU_ASSERT_EQUAL(handle_unwatch(&host, own), -ENOENT); /* it has ended by firing */
    CU_ASSERT_EQUAL(handle_timer(&host, 0, 0, on_time, NULL, &own), 0);
}

static void test_timers(void)
{
    uint64_t once, every, old;

    begin();
    CU_ASSERT_EQUAL(handle_timer(&host, 0, 0, NULL, NULL, &once), -EINVAL);
    CU_ASSERT_EQUAL(handle_timer(&host, 0, 0, on_time, NULL, &once), 0);
    turn(1);
    CU_ASSERT_EQUAL(fired, 1);
    CU_ASSERT_EQUAL(handle_unwatch(&host, once), -ENOENT);
    CU_ASSERT_EQUAL(handle_timer(&host, 1, 1, on_time, NULL, &every), 0);
    CU_ASSERT_NOT_EQUAL(every, once); /* another generation of the slot */
    CU_ASSERT_EQUAL(handle_rewatch(&host, every, AIEX_WATCH_READ), -ENOENT); /* not a watch */
    turn(4);
    CU_ASSERT(fired >= 4);
    old = every;
    CU_ASSERT_EQUAL(handle_unwatch(&host, every), 0);
    CU_ASSERT_EQUAL(handle_unwatch(&host, old), -ENOENT);
    fired = 0;
    CU_ASSERT_EQUAL(handle_timer(&host, 1, 1, on_time_stop, NULL, &own), 0);
    turn(1);
    loop_once(runner.loop, 0);
    CU_ASSERT_EQUAL(fired, 1);
    fired = 0;
    CU_ASSERT_EQUAL(handle_timer(&host, 0, 0, on_time_once, NULL, &own), 0);
    turn(2);
    CU_ASSERT_EQUAL(fired, 2);
    CU_ASSERT_EQUAL(handle_timer(&host, 0, 0, on_time, NULL, NULL),
                    0); /* nobody wants its number */
    turn(3);
    CU_ASSERT_EQUAL(fired, 3);
    CU_ASSERT_EQUAL(handle_unwatch(&host, 0), -ENOENT);
    CU_ASSERT_EQUAL(handle_unwatch(&host, UINT64_MAX), -ENOENT);
    CU_ASSERT_EQUAL(handle_unwatch(&host, 12345), -ENOENT);
    finish();
}

static void on_ready(void *arg, uint32_t events)
{
    ready++;
    CU_ASSERT_EQUAL(events, AIEX_WATCH_WRITE);
    if (arg)
        CU_ASSERT_EQUAL(handle_unwatch(&host, own), 0);
}

static void test_watches(void)
{
    uint64_t watch;
    int pipes[2];

    begin();
    CU_ASSERT_EQUAL_FATAL(pipe(pipes), 0);
    CU_ASSERT_EQUAL(handle_watch(&host, -1, AIEX_WATCH_READ, on_ready, NULL, &watch), -EINVAL);
    CU_ASSERT_EQUAL(handle_watch(&host, pipes[1], AIEX_WATCH_READ, NULL, NULL, &watch), -EINVAL);
    CU_ASSERT_EQUAL(handle_watch(&host, pipes[1], 0, on_ready, NULL, &watch), 0);
    loop_once(runner.loop, 0);
    CU_ASSERT_EQUAL(ready, 0);
    CU_ASSERT_EQUAL(handle_rewatch(&host, watch, AIEX_WATCH_WRITE | 0xff00), 0);
    turn(1);
    CU_ASSERT_EQUAL(ready, 1);
    CU_ASSERT_EQUAL(handle_rewatch(&host, watch, 0), 0);
    loop_once(runner.loop, 0);
    CU_ASSERT_EQUAL(ready, 1);
    CU_ASSERT_EQUAL(handle_unwatch(&host, watch), 0);
    CU_ASSERT_EQUAL(handle_rewatch(&host, watch, AIEX_WATCH_WRITE), -ENOENT);
    CU_ASSERT_EQUAL(handle_watch(&host, pipes[1], AIEX_WATCH_WRITE, on_ready, &own, &own), 0);
    turn(2);
    loop_once(runner.loop, 0);
    CU_ASSERT_EQUAL(ready, 2); /* ended inside its callback */
    close(pipes[0]);
    close(pipes[1]);
    finish();
}

static void test_many(void)
{
    uint64_t ids[200];

    begin();
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 200; i++) {
            CU_ASSERT_EQUAL(handle_timer(&host, 60000, 0, on_time, NULL, &ids[i]), 0);
            for (int k = 0; k < i; k++)
                CU_ASSERT_FATAL(ids[k] != ids[i]);
        }
        for (int i = 0; i < 200; i++)
            CU_ASSERT_EQUAL(handle_unwatch(&host, ids[i]), 0);
    }
    CU_ASSERT_EQUAL(runner.n_handles, 200);
    finish();
}

/* ---- Posts ---- */

#define POSTS 20000

static unsigned last[2];

static void on_post(void *arg)
{
    uintptr_t v = (uintptr_t)arg;

    CU_ASSERT_EQUAL_FATAL(v >> 1, last[v & 1]); /* in the order of each thread */
    last[v & 1]++;
}

static void *post_many(void *arg)
{
    for (uintptr_t i = 0; i < POSTS; i++)
        if (posts_add(&host, on_post, (void *)(i << 1 | (uintptr_t)arg)) < 0)
            abort();
    return NULL;
}

static void post_again(void *arg)
{
    if (++fired < 5)
        posts_add(&host, post_again, NULL);
}

static void test_posts(void)
{
    pthread_t threads[2];
    uint64_t began = clock_ms();

    begin();
    last[0] = last[1] = 0;
    for (uintptr_t i = 0; i < 2; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, post_many, (void *)i), 0);
    while (last[0] + last[1] < 2 * POSTS && clock_ms() - began < 20000) {
        posts_run(&runner);
        loop_once(runner.loop, 1);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CU_ASSERT_EQUAL(last[0] + last[1], 2 * POSTS);
    CU_ASSERT_EQUAL(posts_run(&runner), 0);
    /* one that posts itself does not keep the loop from its other work */
    posts_add(&host, post_again, NULL);
    for (int i = 0; i < 10 && fired < 5; i++)
        posts_run(&runner);
    CU_ASSERT_EQUAL(fired, 5);
    finish();
}

const struct test_case tests[] = {
    {"timers", test_timers},
    {"watches", test_watches},
    {"many", test_many},
    {"posts", test_posts},
    {0},
};

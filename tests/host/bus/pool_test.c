/* pool_test.c - an instance with several ports: calls wait for their owner, who gives them out. */
#include "base/text.h"
#include "bus/bus_private.h"
#include "host/bus/cells.h"
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct cells all;
static struct cell_rig *caller, *a, *b;
static struct bus_instance *pool;
static uint32_t gone[16];
static unsigned n_gone;

static void on_gone(void *arg, uint32_t call)
{
    if (n_gone < 16)
        gone[n_gone++] = call;
}

static int stay(struct cell_rig *cell, unsigned instance, const struct aiex_message *m)
{
    return 0;
}

/* Two ports, a and b, of one instance "a". */
static void begin(void)
{
    struct cell_rig like;

    cells_init(&all);
    n_gone = 0;
    caller = cells_add(&all, "caller", 1);
    a = cells_add(&all, "a", 1);
    pool = a->instances[0];
    like = (struct cell_rig){.n = 1, .names = {"a"}, .instances = {pool}};
    b = cells_successor(&all, &like);
    bus_pool(pool, on_gone, NULL);
    bus_pool_up(pool);
}

static void finish(void)
{
    struct bus_stats stats;

    CU_ASSERT_EQUAL(caller->violations + a->violations + b->violations, 0);
    bus_stats(all.bus, &stats);
    CU_ASSERT_EQUAL(stats.open_calls, 0);
    CU_ASSERT_EQUAL(bus_instance_stats(pool)->waiting, 0);
    CU_ASSERT_EQUAL(bus_instance_stats(pool)->in_flight, 0);
    cells_done(&all);
}

static void call_n(unsigned n, struct seen_answer *seen, uint32_t priority)
{
    struct aiex_request more = {.priority = priority};

    for (unsigned i = 0; i < n; i++) {
        struct aiex_slice body = cells_body(i, i == 1 ? 50000 : 10);

        seen_init(&seen[i]);
        CU_ASSERT_EQUAL(cells_call(caller, "a", "m", body, &more, &seen[i]), 0);
        free((void *)body.data);
    }
    cells_run(&all);
}

static void test_given_out(void)
{
    struct seen_answer seen[3];
    unsigned priority = 9;
    uint32_t id[3], none_left;

    begin();
    call_n(3, seen, 2);
    CU_ASSERT_EQUAL(a->requests + b->requests, 0); /* nobody has said where */
    CU_ASSERT_EQUAL(bus_instance_stats(pool)->waiting, 3);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(bus_pool_next(pool, &id[i], &priority), 1);
        CU_ASSERT_EQUAL(priority, 2);
    }
    CU_ASSERT_EQUAL(bus_pool_next(pool, &none_left, &priority), 0);
    CU_ASSERT_EQUAL(bus_pool_run(pool, id[0], b->port), 0);
    CU_ASSERT_EQUAL(bus_pool_run(pool, id[0], a->port), -ENOENT); /* once */
    CU_ASSERT_EQUAL(bus_pool_run(pool, 12345, a->port), -ENOENT);
    CU_ASSERT_EQUAL(bus_pool_run(pool, id[1], a->port), 0);
    cells_run(&all);
    CU_ASSERT_EQUAL(a->requests, 1);
    CU_ASSERT_EQUAL(b->requests, 1);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_STRING_EQUAL(seen[i].code, "ok");
        CU_ASSERT_EQUAL(cells_body_n((struct aiex_slice){seen[i].body.data, seen[i].body.len}), i);
    }
    bus_pool_refuse(pool, id[2]);
    cells_run(&all);
    CU_ASSERT_STRING_EQUAL(seen[2].code, AIEX_E_BUSY);
    CU_ASSERT_EQUAL(n_gone, 0); /* its owner knew */
    for (int i = 0; i < 3; i++)
        seen_done(&seen[i]);
    finish();
}

/* Ends before it was run: the owner is told, of those it was given. */
static void test_gone(void)
{
    struct seen_answer seen[4];
    uint32_t id[2];
    unsigned priority;

    begin();
    call_n(4, seen, 0);
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(bus_pool_next(pool, &id[i], &priority), 1);
    endpoint_cancel(caller->endpoint, seen[0].call);
    endpoint_cancel(caller->endpoint, seen[2].call); /* never given */
    cells_run(&all);
    CU_ASSERT_EQUAL(n_gone, 1);
    CU_ASSERT_EQUAL(gone[0], id[0]);
    CU_ASSERT_EQUAL(bus_pool_run(pool, id[0], a->port), -ENOENT);
    cells_tick(&all, 11000);
    cells_run(&all);
    CU_ASSERT_EQUAL(n_gone, 2);
    CU_ASSERT_EQUAL(gone[1], id[1]);
    CU_ASSERT_STRING_EQUAL(seen[1].code, AIEX_E_TIMEOUT);
    CU_ASSERT_STRING_EQUAL(seen[3].code, AIEX_E_TIMEOUT);
    CU_ASSERT_EQUAL(bus_pool_next(pool, &id[0], &priority), 0);
    for (int i = 0; i < 4; i++)
        seen_done(&seen[i]);
    finish();
}

/* Given, not run, asked for again: in the order they came, before later ones. */
static void test_again(void)
{
    struct seen_answer seen[5];
    uint32_t id[5], again[5];
    unsigned priority;

    begin();
    call_n(5, seen, 0);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(bus_pool_next(pool, &id[i], &priority), 1);
    bus_pool_again(pool);
    for (int i = 0; i < 5; i++) {
        CU_ASSERT_EQUAL(bus_pool_next(pool, &again[i], &priority), 1);
        CU_ASSERT(i >= 3 || again[i] == id[i]);
        CU_ASSERT_EQUAL(bus_pool_run(pool, again[i], i % 2 ? a->port : b->port), 0);
    }
    cells_run(&all);
    for (int i = 0; i < 5; i++) {
        CU_ASSERT_STRING_EQUAL(seen[i].code, "ok");
        seen_done(&seen[i]);
    }
    CU_ASSERT_EQUAL(n_gone, 0);
    finish();
}

static void test_one_port_dies(void)
{
    struct seen_answer seen[2];
    uint32_t id[2];
    unsigned priority;

    begin();
    a->handle = stay;
    call_n(2, seen, 0);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(bus_pool_next(pool, &id[i], &priority), 1);
        CU_ASSERT_EQUAL(bus_pool_run(pool, id[i], i ? b->port : a->port), 0);
    }
    cells_run(&all);
    cells_kill(a);
    cells_run(&all);
    CU_ASSERT_STRING_EQUAL(seen[0].code, AIEX_E_CRASHED);
    CU_ASSERT_STRING_EQUAL(seen[1].code, "ok");
    CU_ASSERT_EQUAL(bus_instance_serving(pool), BUS_UP);
    seen_done(&seen[0]);
    seen_done(&seen[1]);
    finish();
}

static void test_down(void)
{
    struct seen_answer seen[4];
    uint32_t id[2];
    unsigned priority;

    begin();
    call_n(4, seen, 0);
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(bus_pool_next(pool, &id[i], &priority), 1);
    bus_instance_unbind(pool, BUS_DOWN, "all workers failed");
    cells_run(&all);
    CU_ASSERT_EQUAL(n_gone, 2);
    for (int i = 0; i < 4; i++) {
        CU_ASSERT_STRING_EQUAL(seen[i].code, AIEX_E_UNAVAILABLE);
        seen_done(&seen[i]);
    }
    finish();
}

/* A pool becomes a plain instance again, and back, with calls waiting. */
static void test_changes(void)
{
    struct seen_answer seen[4];
    uint32_t id;
    unsigned priority;

    begin();
    call_n(4, seen, 0);
    CU_ASSERT_EQUAL(bus_pool_next(pool, &id, &priority), 1);
    bus_pool(pool, NULL, NULL);
    CU_ASSERT_EQUAL(bus_pool_next(pool, &id, &priority), 0);
    bus_pool(pool, on_gone, NULL);
    CU_ASSERT_EQUAL(bus_pool_next(pool, &id, &priority), 1);
    bus_pool(pool, NULL, NULL);
    bus_instance_bind(pool, a->port, 0);
    cells_run(&all);
    CU_ASSERT_EQUAL(a->requests, 4);
    for (int i = 0; i < 4; i++) {
        CU_ASSERT_STRING_EQUAL(seen[i].code, "ok");
        seen_done(&seen[i]);
    }
    CU_ASSERT_EQUAL(n_gone, 0);
    finish();
}

static void join(struct cell_rig *cell, const char *name)
{
    cells_raw(cell, &(struct record){.kind = RECORD_JOIN, .len = (uint32_t)strlen(name)}, name);
}

/* A name its workers took stays with the pool, whoever of them goes. */
static struct bus_instance *resolve(const char *name)
{
    return bus_resolve(all.bus, name, text_hash(name, strlen(name)));
}

static void test_names(void)
{
    begin();
    join(a, "alias");
    join(b, "alias");
    CU_ASSERT_PTR_EQUAL(resolve("alias"), pool);
    cells_kill(b);
    CU_ASSERT_PTR_EQUAL(resolve("alias"), pool);
    cells_kill(a);
    CU_ASSERT_PTR_EQUAL(resolve("alias"), pool);
    finish();
}

const struct test_case tests[] = {
    {"given_out", test_given_out}, {"gone", test_gone},
    {"again", test_again},         {"one_port_dies", test_one_port_dies},
    {"down", test_down},           {"changes", test_changes},
    {"names", test_names},         {0},
};

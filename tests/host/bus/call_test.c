/* call_test.c - how calls end when nobody answers them: time, death, full queues. */
#include "bus/bus_private.h"
#include "host/bus/three_cells.h"
#include "test.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Deadlines ---- */

static void test_deadlines(void)
{
    static const uint32_t ms[] = {1, 19, 20, 21, 100, 999, 5000, 20480, 20500, 100000, 3000000000u};
    struct seen_answer seen[11];

    begin();
    a->handle = stay;
    for (unsigned i = 0; i < 11; i++) {
        seen_init(&seen[i]);
        cells_call(caller, "a", "m", none, &(struct aiex_request){.timeout_ms = ms[i]}, &seen[i]);
    }
    cells_run(&all);
    for (uint64_t t = 0; t < 110000; t += 7) {
        cells_tick(&all, 7);
        cells_run(&all);
        for (unsigned i = 0; i < 11; i++) {
            CU_ASSERT_FATAL(seen[i].ends <= 1);
            CU_ASSERT_FATAL(!seen[i].ends || t + 7 >= ms[i]);              /* never early */
            CU_ASSERT_FATAL(seen[i].ends || t + 7 < (uint64_t)ms[i] + 30); /* hardly late */
        }
    }
    cells_tick(&all, 3000000000u); /* a leap over more than the whole wheel */
    cells_run(&all);
    for (unsigned i = 0; i < 11; i++) {
        CU_ASSERT_EQUAL(seen[i].ends, 1);
        CU_ASSERT_STRING_EQUAL(seen[i].code, AIEX_E_TIMEOUT);
        seen_done(&seen[i]);
    }
    CU_ASSERT_EQUAL(a->cancels, 11);
    finish();
}

/* A child never has more time than its parent, and a waiting call has its time too. */
static int ask_b(struct cell_rig *cell, unsigned instance, const struct aiex_message *m)
{
    static struct seen_answer child;
    struct aiex_request more = {.parent = m->id, .timeout_ms = 60000};

    if (m->kind == AIEX_MSG_REQUEST)
        cells_call(cell, "b", "m", none, &more, &child);
    return 0;
}

static void test_deadline_of_parent(void)
{
    struct seen_answer seen;

    begin();
    seen_init(&seen);
    a->handle = ask_b;
    b->handle = stay;
    cells_call(caller, "a", "m", none, &(struct aiex_request){.timeout_ms = 400}, &seen);
    cells_run(&all);
    CU_ASSERT_EQUAL(b->last_timeout_ms, 400);
    cells_tick(&all, 450);
    cells_run(&all);
    CU_ASSERT_STRING_EQUAL(seen.code, AIEX_E_TIMEOUT);
    CU_ASSERT_EQUAL(a->cancels, 1);
    CU_ASSERT_EQUAL(b->cancels, 1);
    seen_done(&seen);
    finish();
}

static void test_deadline_while_waiting(void)
{
    struct seen_answer seen;

    begin();
    seen_init(&seen);
    bus_instance_unbind(a->instances[0], BUS_SOON, "starting");
    cells_call(caller, "a", "m", none, &(struct aiex_request){.timeout_ms = 400}, &seen);
    cells_run(&all);
    cells_tick(&all, 450);
    cells_run(&all);
    CU_ASSERT_STRING_EQUAL(seen.code, AIEX_E_TIMEOUT);
    CU_ASSERT_EQUAL(bus_instance_stats(a->instances[0])->waiting, 0);
    bus_instance_bind(a->instances[0], a->port, 0);
    cells_run(&all);
    CU_ASSERT_EQUAL(a->requests, 0);
    seen_done(&seen);
    finish();
}

/* ---- Who goes away ---- */

static void test_caller_dies(void)
{
    struct seen_answer seen;

    begin();
    seen_init(&seen);
    a->handle = ask_b;
    b->handle = stay;
    cells_call(caller, "a", "m", none, NULL, &seen);
    cells_run(&all);
    CU_ASSERT_EQUAL(bus_port_owed(a->port), 1);
    CU_ASSERT_EQUAL(bus_port_owed(b->port), 1);
    cells_kill(caller);
    cells_run(&all);
    CU_ASSERT_EQUAL(a->cancels, 1);
    CU_ASSERT_EQUAL(b->cancels, 1);
    CU_ASSERT_EQUAL(bus_port_owed(a->port), 0);
    CU_ASSERT_EQUAL(seen.ends, 0);
    seen_done(&seen);
    finish();
}

static void test_callee_dies(void)
{
    struct seen_answer seen;

    begin();
    seen_init(&seen);
    a->handle = stay;
    cells_call(caller, "a", "m", none, NULL, &seen);
    cells_run(&all);
    cells_kill(a);
    cells_run(&all);
    CU_ASSERT_EQUAL(seen.ends, 1);
    CU_ASSERT_STRING_EQUAL(seen.code, AIEX_E_CRASHED);
    CU_ASSERT_STRING_EQUAL(seen.text, "it was killed by the test");
    CU_ASSERT_EQUAL(bus_instance_stats(a->instances[0])->crashed, 1);
    seen_done(&seen);
    finish();
}

static void test_instance_removed(void)
{
    struct seen_answer seen[3];

    begin();
    a->handle = stay;
    for (int i = 0; i < 3; i++)
        seen_init(&seen[i]);
    cells_call(caller, "a:1", "m", none, NULL, &seen[0]);
    cells_call(caller, "a", "m", none, NULL, &seen[1]);
    cells_run(&all);
    bus_instance_unbind(a->instances[1], BUS_SOON, "moving");
    cells_call(caller, "a:1", "m", none, NULL, &seen[2]);
    cells_run(&all);
    join(a, 1, "alias", AIEX_NAME_GROUP);
    bus_instance_free(a->instances[1]);
    cells_run(&all);
    CU_ASSERT_STRING_EQUAL(seen[0].code, AIEX_E_UNAVAILABLE);
    CU_ASSERT_STRING_EQUAL(seen[2].code, AIEX_E_UNAVAILABLE);
    CU_ASSERT_EQUAL(seen[1].ends, 0);
    CU_ASSERT_EQUAL(a->cancels, 1);
    CU_ASSERT_STRING_EQUAL(call_once("a:1", NULL), AIEX_E_UNAVAILABLE);
    CU_ASSERT_STRING_EQUAL(call_once("alias", NULL), AIEX_E_UNAVAILABLE);
    endpoint_cancel(caller->endpoint, seen[1].call);
    cells_run(&all);
    /* the name is free again */
    a->instances[1] = bus_instance_new(all.bus, "a:1", &(struct bus_instance_options){0});
    CU_ASSERT_PTR_NOT_NULL_FATAL(a->instances[1]);
    CU_ASSERT_EQUAL(bus_instance_serving(a->instances[1]), BUS_DOWN);
    CU_ASSERT_PTR_NULL(bus_instance_new(all.bus, "a:1", &(struct bus_instance_options){0}));
    CU_ASSERT_PTR_NULL(bus_instance_new(all.bus, "bad name", &(struct bus_instance_options){0}));
    for (int i = 0; i < 3; i++)
        seen_done(&seen[i]);
    finish();
}

/* ---- Names of the dead ---- */

/* A unique name waits with its instance for the successor; what that does not take again is free.
 */
static void test_name_outlives_process(void)
{
    struct cell_rig *successor;
    struct seen_answer seen;

    begin();
    seen_init(&seen);
    join(a, 1, "svc", AIEX_NAME_UNIQUE);
    join(a, 1, "many", AIEX_NAME_GROUP);
    CU_ASSERT_STRING_EQUAL(call_once("svc", NULL), "ok");
    cells_kill(a);
    cells_call(caller, "svc", "m", none, NULL, &seen);
    cells_run(&all);
    CU_ASSERT_EQUAL(seen.ends, 0);
    CU_ASSERT_STRING_EQUAL(call_once("many", NULL), AIEX_E_UNAVAILABLE);
    successor = cells_successor(&all, a);
    cells_run(&all);
    CU_ASSERT_EQUAL(seen.ends, 1);
    CU_ASSERT_STRING_EQUAL(seen.code, "ok");
    CU_ASSERT_STRING_EQUAL(call_once("svc", NULL), AIEX_E_UNAVAILABLE); /* it did not take it */
    join(successor, 1, "svc", AIEX_NAME_UNIQUE);
    CU_ASSERT_STRING_EQUAL(call_once("svc", NULL), "ok");
    seen_done(&seen);
    finish();
}

/* A name that is only kept goes to the first who asks for it. */
static void test_kept_name_is_taken_over(void)
{
    begin();
    join(a, 1, "svc", AIEX_NAME_UNIQUE);
    cells_kill(a);
    join(caller, 0, "svc", AIEX_NAME_UNIQUE);
    CU_ASSERT_STRING_EQUAL(call_once("svc", NULL), "ok");
    CU_ASSERT_EQUAL(caller->requests, 1);
    finish();
}

/* ---- Full queues ---- */

static void test_callee_queue_full(void)
{
    begin();
    a->room = 1;
    a->stopped = 1;
    CU_ASSERT_STRING_EQUAL(call_once("a", NULL), AIEX_E_BUSY);
    a->room = 0;
    a->stopped = 0;
    CU_ASSERT_STRING_EQUAL(call_once("a", NULL), "ok"); /* and its name was told */
    finish();
}

/* An answer that does not fit into the caller's queue ends as "busy", not in silence. */
static void test_caller_queue_full(void)
{
    struct aiex_slice body = cells_body(1, 60000);
    struct seen_answer seen;

    begin();
    seen_init(&seen);
    cells_call(caller, "a", "echo", body, NULL, &seen);
    caller->room = 20000; /* one piece, and a short record */
    caller->stopped = 1;
    cells_run(&all);
    caller->room = 0;
    caller->stopped = 0;
    cells_run(&all);
    CU_ASSERT_EQUAL(seen.ends, 1);
    CU_ASSERT_STRING_EQUAL(seen.code, AIEX_E_BUSY);
    seen_done(&seen);
    free((void *)body.data);
    finish();
}

/* Whose queue does not even take the end of a call is not reading, and is ended. */
static void test_caller_never_reads(void)
{
    struct seen_answer seen;

    begin();
    seen_init(&seen);
    cells_call(caller, "a", "echo", none, NULL, &seen);
    caller->stopped = 1;
    caller->room = 1;
    cells_run(&all);
    CU_ASSERT_EQUAL(caller->violations, 1);
    caller->violations = 0;
    cells_kill(caller);
    seen_done(&seen);
    finish();
}

/* A callee that broke the protocol is being ended: calls say "unavailable", also with new names. */
static void test_broken_callee(void)
{
    begin();
    CU_ASSERT_STRING_EQUAL(call_once("a", NULL), "ok");
    cells_raw(a, &(struct record){.kind = RECORD_HELLO}, NULL);
    CU_ASSERT_EQUAL(a->violations, 1);
    a->violations = 0;
    CU_ASSERT_STRING_EQUAL(call_once("a", NULL), AIEX_E_UNAVAILABLE);
    CU_ASSERT_STRING_EQUAL(call_once("a:1", NULL), AIEX_E_UNAVAILABLE);
    finish();
}

const struct test_case tests[] = {
    {"deadlines", test_deadlines},
    {"deadline_of_parent", test_deadline_of_parent},
    {"deadline_while_waiting", test_deadline_while_waiting},
    {"caller_dies", test_caller_dies},
    {"callee_dies", test_callee_dies},
    {"instance_removed", test_instance_removed},
    {"name_outlives_process", test_name_outlives_process},
    {"kept_name_is_taken_over", test_kept_name_is_taken_over},
    {"callee_queue_full", test_callee_queue_full},
    {"caller_queue_full", test_caller_queue_full},
    {"caller_never_reads", test_caller_never_reads},
    {"broken_callee", test_broken_callee},
    {0},
};

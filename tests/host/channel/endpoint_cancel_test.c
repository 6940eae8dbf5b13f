/* endpoint_cancel_test.c - calls that are given up: by their caller, with their parent, by time. */
#include "channel/endpoint_private.h"
#include "host/bus/cells.h"
#include "test.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct cells all;
static struct cell_rig *caller, *callee;

static void begin(void)
{
    cells_init(&all);
    caller = cells_add(&all, "caller", 1);
    callee = cells_add(&all, "callee", 2);
}

static void finish(void)
{
    CU_ASSERT_EQUAL(caller->violations + callee->violations, 0);
    CU_ASSERT_EQUAL(caller->proto_errors + callee->proto_errors, 0);
    CU_ASSERT_EQUAL(endpoint_serving(callee->endpoint, UINT32_MAX), 0);
    cells_done(&all);
}

static const struct aiex_slice none;

static int hold(struct cell_rig *cell, unsigned instance, const struct aiex_message *m)
{
    return 0;
}

/* ---- Cancelling ---- */

static int answer_a_cancel(struct cell_rig *cell, unsigned instance, const struct aiex_message *m)
{
    if (m->kind == AIEX_MSG_CANCEL) {
        CU_ASSERT_EQUAL(endpoint_stream(cell->endpoint, m->id, none), -ENOENT);
        CU_ASSERT_EQUAL(endpoint_reply(cell->endpoint, m->id, none), -ENOENT);
        CU_ASSERT_EQUAL(endpoint_fail(cell->endpoint, m->id, AIEX_E_CANCELLED, "", 0, none),
                        -ENOENT);
    }
    return 0;
}

static void test_cancel(void)
{
    struct bus_stats stats;
    struct seen_answer seen;

    begin();
    seen_init(&seen);
    callee->handle = answer_a_cancel;
    cells_call(caller, "callee", "m", none, NULL, &seen);
    cells_run(&all);
    CU_ASSERT_EQUAL(endpoint_cancel(caller->endpoint, seen.call), 0);
    CU_ASSERT_EQUAL(endpoint_cancel(caller->endpoint, seen.call), -ENOENT);
    cells_run(&all);
    CU_ASSERT_EQUAL(callee->cancels, 1);
    CU_ASSERT_EQUAL(seen.ends, 0);
    bus_stats(all.bus, &stats);
    CU_ASSERT_EQUAL(stats.open_calls, 0);
    seen_done(&seen);
    finish();
}

/* The answer and the cancel cross on the way. */
static void test_cancel_crosses_answer(void)
{
    struct seen_answer seen, next;

    begin();
    seen_init(&seen);
    seen_init(&next);
    callee->handle = hold;
    cells_call(caller, "callee", "m", none, NULL, &seen);
    cells_run(&all);
    endpoint_reply(callee->endpoint, callee->last_id, none);
    endpoint_cancel(caller->endpoint, seen.call);
    callee->handle = NULL;
    cells_call(caller, "callee", "m", none, NULL, &next); /* in the same slot */
    CU_ASSERT_EQUAL(next.call & 0xffff, seen.call & 0xffff);
    CU_ASSERT_NOT_EQUAL(next.call, seen.call);
    cells_run(&all);
    CU_ASSERT_EQUAL(seen.ends, 0);
    CU_ASSERT_EQUAL(next.ends, 1);
    seen_done(&seen);
    seen_done(&next);
    finish();
}

/* Cancelled while its pieces are under way: neither half a request nor the next one is harmed. */
static void test_cancel_between_pieces(void)
{
    struct aiex_slice body = cells_body(3, 100000);
    struct seen_answer seen, next;
    struct kept *k;

    begin();
    seen_init(&seen);
    seen_init(&next);
    cells_call(caller, "callee", "m", body, NULL, &seen);
    endpoint_cancel(caller->endpoint, seen.call);
    /* the last piece follows the cancel */
    for (k = caller->to_bus.first; k->next->next; k = k->next)
        ;
    CU_ASSERT_EQUAL(k->next->head.kind, RECORD_CANCEL);
    k->next->next = k;
    caller->to_bus.last = k;
    for (struct kept *p = caller->to_bus.first; p; p = p->next)
        if (p->next == k) {
            p->next = k->next;
            break;
        }
    k->next = NULL;
    cells_call(caller, "callee", "m", body, NULL, &next);
    cells_run(&all);
    CU_ASSERT_EQUAL(seen.ends, 0);
    CU_ASSERT_EQUAL(next.ends, 1);
    CU_ASSERT_EQUAL(callee->requests, 1);
    CU_ASSERT_EQUAL(cells_body_n((struct aiex_slice){next.body.data, next.body.len}), 3);
    seen_done(&seen);
    seen_done(&next);
    free((void *)body.data);
    finish();
}

static void cancel_on_part(void *arg, const struct aiex_answer *a)
{
    struct seen_answer *seen = arg;

    seen_on(arg, a);
    if (seen->parts == 1)
        CU_ASSERT_EQUAL(endpoint_cancel(caller->endpoint, a->call), 0);
}

static int three_parts(struct cell_rig *cell, unsigned instance, const struct aiex_message *m)
{
    if (m->kind != AIEX_MSG_REQUEST)
        return 0;
    for (int i = 0; i < 3; i++)
        endpoint_stream(cell->endpoint, m->id, (struct aiex_slice){(const uint8_t *)"abc", 3});
    return endpoint_reply(cell->endpoint, m->id, none);
}

static void test_cancel_inside_part(void)
{
    struct aiex_request req = {.struct_size = sizeof(req), .service = "callee", .method = "m"};
    struct seen_answer seen;
    uint64_t call;

    begin();
    seen_init(&seen);
    callee->handle = three_parts;
    CU_ASSERT_EQUAL(endpoint_call(caller->endpoint, 0, &req, cancel_on_part, &seen, &call), 0);
    cells_run(&all);
    CU_ASSERT_EQUAL(seen.parts, 1);
    CU_ASSERT_EQUAL(seen.ends, 0);
    seen_done(&seen);
    finish();
}

static struct seen_answer chained[3];

static void call_on_end(void *arg, const struct aiex_answer *a)
{
    struct seen_answer *seen = arg;
    struct aiex_request req = {.struct_size = sizeof(req), .service = "callee", .method = "m"};

    seen_on(arg, a);
    if (a->kind != AIEX_ANSWER_END)
        return;
    CU_ASSERT_EQUAL(endpoint_cancel(caller->endpoint, a->call), -ENOENT); /* it is over */
    if (seen + 1 < chained + 3)
        CU_ASSERT_EQUAL(endpoint_call(caller->endpoint, 0, &req, call_on_end, seen + 1, NULL), 0);
}

static void test_call_inside_end(void)
{
    struct aiex_request req = {.struct_size = sizeof(req), .service = "callee", .method = "m"};

    begin();
    for (int i = 0; i < 3; i++)
        seen_init(&chained[i]);
    endpoint_call(caller->endpoint, 0, &req, call_on_end, &chained[0], NULL);
    cells_run(&all);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(chained[i].ends, 1);
        CU_ASSERT_EQUAL(chained[i].after_end, 0);
        seen_done(&chained[i]);
    }
    finish();
}

/* A call made for another one ends with it. */
static uint64_t child_calls[2];

static int call_deeper(struct cell_rig *cell, unsigned instance, const struct aiex_message *m)
{
    struct aiex_request req = {
        .struct_size = sizeof(req), .service = "deep", .method = "m", .parent = m->id};

    if (m->kind == AIEX_MSG_REQUEST)
        for (int i = 0; i < 2; i++)
            endpoint_call(cell->endpoint, 0, &req, seen_on, &chained[i], &child_calls[i]);
    return 0;
}

static void test_cancel_goes_down(void)
{
    struct cell_rig *deep;
    struct bus_stats stats;
    struct seen_answer seen;

    begin();
    seen_init(&seen);
    for (int i = 0; i < 2; i++)
        seen_init(&chained[i]);
    deep = cells_add(&all, "deep", 1);
    deep->handle = hold;
    callee->handle = call_deeper;
    cells_call(caller, "callee", "m", none, &(struct aiex_request){.trace = 42}, &seen);
    cells_run(&all);
    CU_ASSERT_EQUAL(deep->requests, 2);
    CU_ASSERT_EQUAL(deep->last_trace, 42); /* the parent's */
    endpoint_cancel(caller->endpoint, seen.call);
    cells_run(&all);
    CU_ASSERT_EQUAL(callee->cancels, 1);
    CU_ASSERT_EQUAL(deep->cancels, 2);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(chained[i].ends, 0);
        CU_ASSERT_EQUAL(endpoint_cancel(callee->endpoint, child_calls[i]), -ENOENT);
        seen_done(&chained[i]);
    }
    bus_stats(all.bus, &stats);
    CU_ASSERT_EQUAL(stats.open_calls, 0);
    CU_ASSERT_EQUAL(endpoint_serving(deep->endpoint, UINT32_MAX), 0);
    seen_done(&seen);
    finish();
}

static void test_timeout(void)
{
    struct seen_answer seen;

    begin();
    seen_init(&seen);
    callee->handle = hold;
    cells_call(caller, "callee", "m", none, &(struct aiex_request){.timeout_ms = 500}, &seen);
    cells_run(&all);
    CU_ASSERT_EQUAL(callee->last_timeout_ms, 500);
    cells_tick(&all, 490);
    cells_run(&all);
    CU_ASSERT_EQUAL(seen.ends, 0);
    cells_tick(&all, 40);
    cells_run(&all);
    CU_ASSERT_EQUAL(seen.ends, 1);
    CU_ASSERT_STRING_EQUAL(seen.code, AIEX_E_TIMEOUT);
    CU_ASSERT_EQUAL(callee->cancels, 1);
    CU_ASSERT_EQUAL(endpoint_reply(callee->endpoint, callee->last_id, none), -ENOENT);
    seen_done(&seen);
    finish();
}

const struct test_case tests[] = {
    {"cancel", test_cancel},
    {"cancel_crosses_answer", test_cancel_crosses_answer},
    {"cancel_between_pieces", test_cancel_between_pieces},
    {"cancel_inside_part", test_cancel_inside_part},
    {"call_inside_end", test_call_inside_end},
    {"cancel_goes_down", test_cancel_goes_down},
    {"timeout", test_timeout},
    {0},
};

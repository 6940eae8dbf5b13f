/* endpoint_local_test.c - calls inside one process: a function call, with the same promises. */
#include "channel/endpoint_private.h"
#include "host/bus/cells.h"
#include "test.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct cells all;
static struct cell_rig *cell, *other;
static const struct aiex_slice none;

static void begin(void)
{
    cells_init(&all);
    cell = cells_add(&all, "cell", 3);
    other = cells_add(&all, "other", 1);
    cell->local = 1;
}

static void finish(void)
{
    CU_ASSERT_EQUAL(cell->violations + other->violations, 0);
    CU_ASSERT_EQUAL(endpoint_serving(cell->endpoint, UINT32_MAX), 0);
    cells_done(&all);
}

static int stay(struct cell_rig *c, unsigned instance, const struct aiex_message *m)
{
    return 0;
}

static void test_call(void)
{
    struct aiex_slice body = cells_body(4, 5 << 20);
    struct seen_answer seen;

    begin();
    seen_init(&seen);
    CU_ASSERT_EQUAL(
        cells_call(cell, "cell:1", "m", body, &(struct aiex_request){.trace = 7}, &seen), 0);
    CU_ASSERT_EQUAL(seen.ends, 1); /* before call() returned */
    CU_ASSERT_EQUAL(cells_body_n((struct aiex_slice){seen.body.data, seen.body.len}), 4);
    CU_ASSERT_EQUAL(cell->last_instance, 1);
    CU_ASSERT_EQUAL(cell->last_trace, 7);
    CU_ASSERT_EQUAL(cell->begun, 1);
    CU_ASSERT_EQUAL(cells_run(&all), 0);
    seen_done(&seen);
    free((void *)body.data);
    finish();
}

static void test_later(void)
{
    struct seen_answer seen;

    begin();
    seen_init(&seen);
    cell->handle = stay;
    cells_call(cell, "cell:1", "m", none, NULL, &seen);
    CU_ASSERT_EQUAL(endpoint_serving(cell->endpoint, 1), 1);
    CU_ASSERT_EQUAL(endpoint_fail(cell->endpoint, cell->last_id, AIEX_E_DENIED, "no", 3, none), 0);
    CU_ASSERT_EQUAL(endpoint_reply(cell->endpoint, cell->last_id, none), -ENOENT);
    CU_ASSERT_STRING_EQUAL(seen.code, AIEX_E_DENIED);
    CU_ASSERT_STRING_EQUAL(seen.text, "no");
    CU_ASSERT_EQUAL(seen.retry_after_ms, 3);
    seen_done(&seen);
    finish();
}

static int refuse_all(struct cell_rig *c, unsigned instance, const struct aiex_message *m)
{
    return !strcmp(m->method, "nosys") ? -ENOSYS : -EIO;
}

static void test_errors(void)
{
    struct seen_answer seen;

    begin();
    cell->handle = refuse_all;
    seen_init(&seen);
    cells_call(cell, "cell:1", "nosys", none, NULL, &seen);
    CU_ASSERT_STRING_EQUAL(seen.code, AIEX_E_NOT_FOUND);
    cells_call(cell, "cell:1", "m", none, NULL, &seen);
    CU_ASSERT_STRING_EQUAL(seen.code, AIEX_E_INTERNAL);
    cells_call(cell, "cell:1", "m", (struct aiex_slice){(const uint8_t *)"x", 1}, NULL, &seen);
    CU_ASSERT_STRING_EQUAL(seen.code, AIEX_E_INVALID);
    CU_ASSERT_EQUAL(seen.ends, 3);
    CU_ASSERT_EQUAL(cell->requests, 2);
    seen_done(&seen);
    finish();
}

static int reply_not_a_map(struct cell_rig *c, unsigned instance, const struct aiex_message *m)
{
    return endpoint_reply(c->endpoint, m->id, (struct aiex_slice){(const uint8_t *)"\xa1x", 2});
}

static void test_reply_not_a_map(void)
{
    struct seen_answer seen;

    begin();
    cell->handle = reply_not_a_map;
    seen_init(&seen);
    cells_call(cell, "cell:1", "m", none, NULL, &seen);
    CU_ASSERT_EQUAL(seen.ends, 1);
    CU_ASSERT_STRING_EQUAL(seen.code, AIEX_E_INTERNAL); /* as from another process */
    CU_ASSERT_EQUAL(seen.body.len, 0);
    seen_done(&seen);
    finish();
}

/* Casts, good and bad, leave nothing behind and send no record anywhere. */
static void test_cast(void)
{
    begin();
    CU_ASSERT_EQUAL(cells_call(cell, "cell:1", "m", none, NULL, NULL), 0);
    CU_ASSERT_EQUAL(cell->casts, 1);
    CU_ASSERT_EQUAL(cell->last_id, 0);
    CU_ASSERT_EQUAL(
        cells_call(cell, "cell:1", "m", (struct aiex_slice){(const uint8_t *)"x", 1}, NULL, NULL),
        0);
    CU_ASSERT_EQUAL(cell->casts, 1);
    CU_ASSERT_PTR_NULL(cell->to_bus.first);
    cell->handle = refuse_all;
    CU_ASSERT_EQUAL(cells_call(cell, "cell:1", "m", none, NULL, NULL), 0);
    CU_ASSERT_PTR_NULL(cell->to_bus.first);
    finish();
}

/* A bad local cast must not end the remote call that happens to have its number. */
static void test_cast_ends_no_other(void)
{
    struct seen_answer seen[40];

    begin();
    cell->handle = stay;
    for (int i = 0; i < 40; i++) {
        seen_init(&seen[i]);
        cells_call(other, "cell", "m", none, NULL, &seen[i]);
    }
    cells_run(&all);
    for (int i = 0; i < 40; i++)
        cells_call(cell, "cell:1", "m", (struct aiex_slice){(const uint8_t *)"x", 1}, NULL, NULL);
    cells_run(&all);
    for (int i = 0; i < 40; i++) {
        CU_ASSERT_EQUAL(seen[i].ends, 0);
        endpoint_cancel(other->endpoint, seen[i].call);
        seen_done(&seen[i]);
    }
    cells_run(&all);
    finish();
}

static int answer_cancel(struct cell_rig *c, unsigned instance, const struct aiex_message *m)
{
    if (m->kind == AIEX_MSG_CANCEL) {
        CU_ASSERT_EQUAL(endpoint_stream(c->endpoint, m->id, none), -ENOENT);
        CU_ASSERT_EQUAL(endpoint_reply(c->endpoint, m->id, none), -ENOENT);
    }
    return 0;
}

static void test_cancel(void)
{
    struct seen_answer seen, next[3];

    begin();
    cell->handle = answer_cancel;
    seen_init(&seen);
    cells_call(cell, "cell:1", "m", none, NULL, &seen);
    CU_ASSERT_EQUAL(endpoint_cancel(cell->endpoint, seen.call), 0);
    CU_ASSERT_EQUAL(endpoint_cancel(cell->endpoint, seen.call), -ENOENT);
    CU_ASSERT_EQUAL(cell->cancels, 1);
    CU_ASSERT_EQUAL(seen.ends, 0);
    /* three calls after it have three ids */
    for (int i = 0; i < 3; i++) {
        seen_init(&next[i]);
        cells_call(cell, "cell:1", "m", none, NULL, &next[i]);
    }
    CU_ASSERT_NOT_EQUAL(next[0].call, next[1].call);
    CU_ASSERT_NOT_EQUAL(next[1].call, next[2].call);
    CU_ASSERT_NOT_EQUAL(next[0].call, next[2].call);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(endpoint_cancel(cell->endpoint, next[i].call), 0);
        seen_done(&next[i]);
    }
    seen_done(&seen);
    finish();
}

/* The caller cancels inside the callback of a part, while the callee streams. */
static uint64_t stream_call;

static void cancel_on_part(void *arg, const struct aiex_answer *a)
{
    seen_on(arg, a);
    CU_ASSERT_EQUAL(endpoint_cancel(cell->endpoint, a->call), 0);
}

static int stream_on(struct cell_rig *c, unsigned instance, const struct aiex_message *m)
{
    struct aiex_slice part = {(const uint8_t *)"abc", 3};

    if (m->kind != AIEX_MSG_REQUEST)
        return 0;
    endpoint_stream(c->endpoint, m->id, part);
    CU_ASSERT_EQUAL(endpoint_stream(c->endpoint, m->id, part), -ENOENT);
    return endpoint_reply(c->endpoint, m->id, none) == -ENOENT ? 0 : -1;
}

static void test_cancel_inside_part(void)
{
    struct aiex_request req = {.struct_size = sizeof(req), .service = "cell:1", .method = "m"};
    struct seen_answer seen;

    begin();
    cell->handle = stream_on;
    seen_init(&seen);
    CU_ASSERT_EQUAL(endpoint_call(cell->endpoint, 0, &req, cancel_on_part, &seen, &stream_call), 0);
    CU_ASSERT_EQUAL(seen.parts, 1);
    CU_ASSERT_EQUAL(seen.ends, 0);
    seen_done(&seen);
    finish();
}

/* other -> cell -> cell:1 -> cell:2, all waiting: the first cancel ends them all. */
static struct seen_answer inner[2];

static int go_deeper(struct cell_rig *c, unsigned instance, const struct aiex_message *m)
{
    struct aiex_request req = {.struct_size = sizeof(req),
                               .service = instance == 0 ? "cell:1" : "cell:2",
                               .method = "m",
                               .parent = m->id};

    if (m->kind == AIEX_MSG_REQUEST && instance < 2)
        CU_ASSERT_EQUAL(endpoint_call(c->endpoint, instance, &req, seen_on, &inner[instance], NULL),
                        0);
    return 0;
}

static void test_chain(void)
{
    struct seen_answer seen;

    begin();
    cell->handle = go_deeper;
    seen_init(&seen);
    seen_init(&inner[0]);
    seen_init(&inner[1]);
    cells_call(other, "cell", "m", none, &(struct aiex_request){.trace = 99}, &seen);
    cells_run(&all);
    CU_ASSERT_EQUAL(cell->requests, 3);
    CU_ASSERT_EQUAL(cell->last_trace, 99);
    CU_ASSERT_EQUAL(endpoint_serving(cell->endpoint, UINT32_MAX), 3);
    endpoint_cancel(other->endpoint, seen.call);
    cells_run(&all);
    CU_ASSERT_EQUAL(cell->cancels, 3);
    CU_ASSERT_EQUAL(inner[0].ends + inner[1].ends + seen.ends, 0);
    seen_done(&inner[0]);
    seen_done(&inner[1]);
    seen_done(&seen);
    finish();
}

static void test_table_full(void)
{
    struct seen_answer seen;
    unsigned n = 0;
    int r;

    begin();
    cell->handle = stay;
    seen_init(&seen);
    while ((r = cells_call(cell, "cell:1", "m", none, NULL, &seen)) == 0)
        n++;
    CU_ASSERT_EQUAL(r, -EBUSY);
    CU_ASSERT_EQUAL(n, BOOK_MAX);
    for (uint64_t slot = 0; slot < BOOK_MAX; slot++)
        CU_ASSERT_EQUAL(endpoint_reply(cell->endpoint, LOCAL_ID | 1u << 16 | slot, none), 0);
    CU_ASSERT_EQUAL(seen.ends, BOOK_MAX);
    cell->handle = NULL;
    CU_ASSERT_EQUAL(cells_call(cell, "cell:1", "m", none, NULL, &seen), 0);
    CU_ASSERT_EQUAL(seen.ends, BOOK_MAX + 1);
    seen_done(&seen);
    finish();
}

const struct test_case tests[] = {
    {"call", test_call},
    {"later", test_later},
    {"errors", test_errors},
    {"reply_not_a_map", test_reply_not_a_map},
    {"cast", test_cast},
    {"cast_ends_no_other", test_cast_ends_no_other},
    {"cancel", test_cancel},
    {"cancel_inside_part", test_cancel_inside_part},
    {"chain", test_chain},
    {"table_full", test_table_full},
    {0},
};

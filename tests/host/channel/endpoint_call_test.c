/* endpoint_call_test.c - calls between two processes: bodies, errors, casts, cancels, limits. */
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

static void test_bodies(void)
{
    static const size_t sizes[] = {0, 1, 100, 16300, 16384, 40000, 1 << 20, 5 << 20, 31 << 20};

    begin();
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct aiex_slice body = cells_body(i, sizes[i]);
        struct seen_answer seen;

        seen_init(&seen);
        CU_ASSERT_EQUAL(cells_call(caller, "callee", "echo", body, NULL, &seen), 0);
        cells_run(&all);
        CU_ASSERT_EQUAL(seen.ends, 1);
        CU_ASSERT_STRING_EQUAL(seen.code, "ok");
        CU_ASSERT_EQUAL(cells_body_n((struct aiex_slice){seen.body.data, seen.body.len}), i);
        CU_ASSERT_EQUAL(seen.body.len, body.len);
        CU_ASSERT_STRING_EQUAL(callee->last_service, "callee");
        CU_ASSERT_STRING_EQUAL(callee->last_method, "echo");
        seen_done(&seen);
        free((void *)body.data);
    }
    CU_ASSERT_EQUAL(callee->begun, sizeof(sizes) / sizeof(sizes[0]));
    finish();
}

static void test_too_large(void)
{
    uint8_t *mem = calloc(1, AIEX_MAX_BODY + 1);
    struct seen_answer seen;

    begin();
    seen_init(&seen);
    callee->handle = hold;
    CU_ASSERT_EQUAL(
        cells_call(caller, "callee", "m", (struct aiex_slice){mem, AIEX_MAX_BODY + 1}, NULL, &seen),
        -EMSGSIZE);
    CU_ASSERT_EQUAL(cells_call(caller, "callee", "m", none, NULL, &seen), 0);
    cells_run(&all);
    CU_ASSERT_EQUAL(endpoint_reply(callee->endpoint, callee->last_id,
                                   (struct aiex_slice){mem, AIEX_MAX_BODY + 1}),
                    -EMSGSIZE);
    CU_ASSERT_EQUAL(endpoint_stream(callee->endpoint, callee->last_id,
                                    (struct aiex_slice){mem, AIEX_MAX_BODY + 1}),
                    -EMSGSIZE);
    CU_ASSERT_EQUAL(endpoint_reply(callee->endpoint, callee->last_id, none), 0);
    cells_run(&all);
    CU_ASSERT_STRING_EQUAL(seen.code, "ok");
    seen_done(&seen);
    free(mem);
    finish();
}

static void test_arguments(void)
{
    struct aiex_request splice = {.flags = AIEX_CALL_SPLICE};
    struct seen_answer seen;
    char name[80];

    begin();
    seen_init(&seen);
    memset(name, 'x', sizeof(name));
    name[AIEX_MAX_NAME + 1] = 0;
    CU_ASSERT_EQUAL(cells_call(caller, NULL, "m", none, NULL, &seen), -EINVAL);
    CU_ASSERT_EQUAL(cells_call(caller, "callee", NULL, none, NULL, &seen), -EINVAL);
    CU_ASSERT_EQUAL(cells_call(caller, "callee", "", none, NULL, &seen), -EINVAL);
    CU_ASSERT_EQUAL(cells_call(caller, name, "m", none, NULL, &seen), -EINVAL);
    CU_ASSERT_EQUAL(cells_call(caller, "callee", name, none, NULL, &seen), -EINVAL);
    CU_ASSERT_EQUAL(cells_call(caller, "callee", "m", none, &splice, &seen),
                    -EINVAL); /* no parent */
    CU_ASSERT_EQUAL(endpoint_reply(callee->endpoint, 0, none), -ENOENT);
    CU_ASSERT_EQUAL(endpoint_reply(callee->endpoint, 12345, none), -ENOENT);
    CU_ASSERT_EQUAL(endpoint_stream(callee->endpoint, UINT64_MAX, none), -ENOENT);
    CU_ASSERT_EQUAL(endpoint_cancel(caller->endpoint, 0), -ENOENT);
    CU_ASSERT_EQUAL(endpoint_cancel(caller->endpoint, UINT64_MAX), -ENOENT);
    CU_ASSERT_EQUAL(endpoint_credit(caller->endpoint, 77, 1), -ENOENT);
    CU_ASSERT_EQUAL(cells_run(&all), 0);
    CU_ASSERT_EQUAL(seen.ends, 0);
    seen_done(&seen);
    finish();
}

static int fail_it(struct cell_rig *cell, unsigned instance, const struct aiex_message *m)
{
    static char text[3000];
    struct aiex_slice detail = {0};

    if (!strcmp(m->method, "enosys"))
        return -ENOSYS;
    if (!strcmp(m->method, "eio"))
        return -EIO;
    if (!strcmp(m->method, "after")) { /* a result that comes too late to matter */
        endpoint_reply(cell->endpoint, m->id, none);
        return -EIO;
    }
    if (!strcmp(m->method, "strange"))
        return endpoint_fail(cell->endpoint, m->id, "no such code", NULL, 0, none);
    if (!strcmp(m->method, "long")) {
        memset(text, 'e', sizeof(text) - 1);
        return endpoint_fail(cell->endpoint, m->id, AIEX_E_UPSTREAM, text, 1500, none);
    }
    if (!strcmp(m->method, "detail")) {
        detail = cells_body(5, 1 << 20);
        endpoint_fail(cell->endpoint, m->id, AIEX_E_CONFLICT, "version 3", 0, detail);
        free((void *)detail.data);
        return 0;
    }
    if (!strcmp(m->method, "not a map"))
        return endpoint_reply(cell->endpoint, m->id,
                              (struct aiex_slice){(const uint8_t *)"\xa1x", 2});
    return endpoint_fail(cell->endpoint, m->id, AIEX_E_BUSY, "full", UINT32_MAX, none);
}

static void test_errors(void)
{
    static const struct {
        const char *method, *code, *text;
        uint32_t retry;
    } rows[] = {
        {"enosys", AIEX_E_NOT_FOUND, "callee has no method 'enosys'", 0},
        {"eio", AIEX_E_INTERNAL, "callee failed on 'eio'", 0},
        {"after", "ok", "", 0},
        {"strange", AIEX_E_INTERNAL, "", 0},
        {"long", AIEX_E_UPSTREAM, NULL, 1500},
        {"detail", AIEX_E_CONFLICT, "version 3", 0},
        {"not a map", AIEX_E_INTERNAL, "the answer's body is not one msgpack map", 0},
        {"busy", AIEX_E_BUSY, "full", UINT32_MAX},
    };

    begin();
    callee->handle = fail_it;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct seen_answer seen;

        seen_init(&seen);
        CU_ASSERT_EQUAL(cells_call(caller, "callee", rows[i].method, none, NULL, &seen), 0);
        cells_run(&all);
        CU_ASSERT_EQUAL(seen.ends, 1);
        CU_ASSERT_STRING_EQUAL(seen.code, rows[i].code);
        CU_ASSERT_EQUAL(seen.retry_after_ms, rows[i].retry);
        if (rows[i].text)
            CU_ASSERT_STRING_EQUAL(seen.text, rows[i].text);
        if (!strcmp(rows[i].method, "detail"))
            CU_ASSERT_EQUAL(cells_body_n((struct aiex_slice){seen.body.data, seen.body.len}), 5);
        seen_done(&seen);
    }
    finish();
}

/* A request whose body is not a map never reaches the plugin. */
static void test_request_not_a_map(void)
{
    static const char *const bodies[] = {"x", "\x81\xa1x", "\x80\x80", "\xc0", "\x93\x01\x02\x03"};

    begin();
    for (unsigned i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct aiex_slice body = {(const uint8_t *)bodies[i], strlen(bodies[i])};
        struct seen_answer seen;

        seen_init(&seen);
        cells_call(caller, "callee", "m", body, NULL, &seen);
        cells_call(caller, "callee", "m", body, NULL, NULL); /* and not as a cast */
        cells_run(&all);
        CU_ASSERT_EQUAL(seen.ends, 1);
        CU_ASSERT_STRING_EQUAL(seen.code, AIEX_E_INVALID);
        seen_done(&seen);
    }
    CU_ASSERT_EQUAL(callee->requests + callee->casts, 0);
    finish();
}

static void test_cast(void)
{
    struct aiex_slice small = cells_body(1, 100), large = cells_body(2, 200000);
    struct bus_stats stats;

    begin();
    CU_ASSERT_EQUAL(cells_call(caller, "callee", "note", small, NULL, NULL), 0);
    cells_run(&all);
    CU_ASSERT_EQUAL(callee->casts, 1);
    CU_ASSERT_EQUAL(callee->last_id, 0);
    CU_ASSERT_EQUAL(
        cells_body_n((struct aiex_slice){callee->last_body.data, callee->last_body.len}), 1);
    /* one that does not fit into a record arrives too, whole */
    CU_ASSERT_EQUAL(cells_call(caller, "callee", "note", large, NULL, NULL), 0);
    cells_run(&all);
    CU_ASSERT_EQUAL(callee->casts + callee->requests, 2);
    CU_ASSERT_EQUAL(
        cells_body_n((struct aiex_slice){callee->last_body.data, callee->last_body.len}), 2);
    bus_stats(all.bus, &stats);
    CU_ASSERT_EQUAL(stats.open_calls, 0);
    free((void *)small.data);
    free((void *)large.data);
    finish();
}

static void test_answer_later(void)
{
    struct seen_answer seen;
    uint64_t id;

    begin();
    seen_init(&seen);
    callee->handle = hold;
    cells_call(caller, "callee:1", "m", none, NULL, &seen);
    cells_run(&all);
    CU_ASSERT_EQUAL(seen.ends, 0);
    CU_ASSERT_EQUAL(callee->last_instance, 1);
    CU_ASSERT_EQUAL(callee->last_timeout_ms, 10000);
    CU_ASSERT_EQUAL(endpoint_serving(callee->endpoint, 1), 1);
    CU_ASSERT_EQUAL(endpoint_serving(callee->endpoint, 0), 0);
    CU_ASSERT_EQUAL(endpoint_serving(callee->endpoint, UINT32_MAX), 1);
    id = callee->last_id;
    CU_ASSERT_EQUAL(endpoint_reply(callee->endpoint, id, none), 0);
    CU_ASSERT_EQUAL(endpoint_reply(callee->endpoint, id, none), -ENOENT); /* once only */
    CU_ASSERT_EQUAL(endpoint_fail(callee->endpoint, id, AIEX_E_BUSY, "x", 0, none), -ENOENT);
    CU_ASSERT_EQUAL(endpoint_stream(callee->endpoint, id, none), -ENOENT);
    cells_run(&all);
    CU_ASSERT_EQUAL(seen.ends, 1);
    CU_ASSERT_EQUAL(callee->cancels, 0);
    seen_done(&seen);
    finish();
}

/* ---- Limits ---- */

static void test_table_full(void)
{
    struct seen_answer seen;
    unsigned n = 0;
    int r;

    begin();
    seen_init(&seen);
    while ((r = cells_call(caller, "callee", "m", none, NULL, &seen)) == 0)
        n++;
    CU_ASSERT_EQUAL(r, -EBUSY);
    CU_ASSERT_EQUAL(n, BOOK_MAX);
    cells_run(&all);
    CU_ASSERT_EQUAL(seen.ends, n); /* 4096 answers, and "busy" */
    CU_ASSERT_EQUAL(cells_call(caller, "callee", "m", none, NULL, &seen), 0);
    cells_run(&all);
    CU_ASSERT_EQUAL(seen.ends, n + 1);
    CU_ASSERT_STRING_EQUAL(seen.code, "ok");
    seen_done(&seen);
    finish();
}

/* 70000 calls through one slot: the id is never 0, which means "no call". */
static void test_generations(void)
{
    struct seen_answer seen;
    unsigned zero = 0;

    begin();
    seen_init(&seen);
    for (unsigned i = 0; i < 70000; i++) {
        cells_call(caller, "callee", "m", none, NULL, &seen);
        zero += seen.call == 0;
        cells_run(&all);
    }
    cells_run(&all);
    CU_ASSERT_EQUAL(zero, 0);
    CU_ASSERT_EQUAL(seen.ends, 70000);
    seen_done(&seen);
    finish();
}

/* A queue that is full refuses the call, and the name it would have introduced is sent again later.
 */
static void test_full_queue(void)
{
    struct seen_answer seen;

    begin();
    seen_init(&seen);
    caller->room_out = 1;
    CU_ASSERT_EQUAL(cells_call(caller, "callee", "fresh", none, NULL, &seen), -EBUSY);
    CU_ASSERT_EQUAL(endpoint_subscribe(caller->endpoint, 0, "a.b"), -ENOBUFS);
    CU_ASSERT(
        endpoint_publish(caller->endpoint, 0, &(struct aiex_event){.topic = "t", .type = "x"}) < 0);
    caller->room_out = 0;
    CU_ASSERT_EQUAL(cells_call(caller, "callee", "fresh", none, NULL, &seen), 0);
    CU_ASSERT_EQUAL(endpoint_subscribe(caller->endpoint, 0, "t"), 0);
    CU_ASSERT_EQUAL(endpoint_subscribe(caller->endpoint, 0, "a.b"), 0);
    cells_run(&all);
    CU_ASSERT_EQUAL(
        endpoint_publish(caller->endpoint, 0, &(struct aiex_event){.topic = "t", .type = "x"}), 0);
    CU_ASSERT_EQUAL(
        endpoint_publish(callee->endpoint, 0, &(struct aiex_event){.topic = "a.b", .type = "x"}),
        0);
    cells_run(&all);
    CU_ASSERT_EQUAL(seen.ends, 1);
    CU_ASSERT_STRING_EQUAL(seen.code, "ok");
    CU_ASSERT_EQUAL(caller->events, 2);
    seen_done(&seen);
    finish();
}

const struct test_case tests[] = {
    {"bodies", test_bodies},
    {"too_large", test_too_large},
    {"arguments", test_arguments},
    {"errors", test_errors},
    {"request_not_a_map", test_request_not_a_map},
    {"cast", test_cast},
    {"answer_later", test_answer_later},
    {"table_full", test_table_full},
    {"generations", test_generations},
    {"full_queue", test_full_queue},
    {0},
};

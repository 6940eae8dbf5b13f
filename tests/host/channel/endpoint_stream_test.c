/*
 * endpoint_stream_test.c - parts and windows: a producer is paused, resumed and refused, and
 * no byte is lost or doubled by it.
 */
#include "channel/endpoint_private.h"
#include "host/bus/cells.h"
#include "test.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct cells all;
static const struct aiex_slice none;
static uint8_t bytes[8u << 20];

/* Streams `left` bytes in parts of `step`, stopping at AIEX_PAUSE, and then replies. */
struct producer {
    struct cell_rig *cell;
    uint64_t id;
    size_t left, step, sent;
    unsigned pauses, refused, cancelled;
    const char *fail_first; /* code to end with before the first part */
    const char *fail_last;  /* ... behind the last one */
};

static struct producer producer;
static uint32_t producer_flags;

static void produce(void)
{
    struct producer *p = &producer;

    while (p->left) {
        size_t n = p->left < p->step ? p->left : p->step;
        int r = endpoint_stream(p->cell->endpoint, p->id,
                                (struct aiex_slice){bytes + p->sent % 251, n});

        if (r == -ENOBUFS) {
            p->refused++;
            return;
        }
        if (r < 0)
            return;
        p->sent += n;
        p->left -= n;
        if (r == AIEX_PAUSE) {
            p->pauses++;
            return;
        }
    }
    if (p->fail_last)
        endpoint_fail(p->cell->endpoint, p->id, p->fail_last, "late", 0, none);
    else
        endpoint_reply(p->cell->endpoint, p->id, none);
    p->id = 0;
}

static int on_produce(struct cell_rig *cell, unsigned instance, const struct aiex_message *m)
{
    if (m->kind == AIEX_MSG_REQUEST) {
        producer.cell = cell;
        producer.id = m->id;
        producer_flags = m->flags;
        if (producer.fail_first) {
            const char *code = producer.fail_first;
            struct aiex_slice detail = cells_body(9, 40000);

            producer.fail_first = NULL;
            endpoint_fail(cell->endpoint, m->id, code, "early", 20, detail);
            free((void *)detail.data);
            return 0;
        }
        produce();
    } else if (m->kind == AIEX_MSG_RESUME && m->id == producer.id) {
        produce();
    } else if (m->kind == AIEX_MSG_CANCEL) {
        producer.cancelled++;
        producer.id = 0;
    }
    return 0;
}

static void fill(void)
{
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i % 251);
    producer = (struct producer){.step = 1};
}

static int streamed_right(const struct seen_answer *s)
{
    for (size_t i = 0; i < s->streamed.len; i++)
        if (s->streamed.data[i] != (uint8_t)(i % 251))
            return 0;
    return 1;
}

static void settle(struct cell_rig *const *cells, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        CU_ASSERT_EQUAL(cells[i]->violations, 0);
        CU_ASSERT_EQUAL(cells[i]->proto_errors, 0);
        CU_ASSERT_EQUAL(endpoint_serving(cells[i]->endpoint, UINT32_MAX), 0);
    }
}

static void nothing_open(void)
{
    struct bus_stats stats;

    bus_stats(all.bus, &stats);
    CU_ASSERT_EQUAL(stats.open_calls, 0);
    settle(all.cells, all.n);
    cells_done(&all);
}

/* ---- Windows ---- */

static void test_window(void)
{
    static const uint32_t windows[] = {0, 1, 4095, 4096, 5000, 65536, 1 << 20};

    for (unsigned i = 0; i < sizeof(windows) / sizeof(windows[0]); i++)
        for (int local = 0; local < 2; local++) {
            struct cell_rig *a, *b;
            struct seen_answer seen;
            uint32_t window = windows[i] ? windows[i] : RECORD_WINDOW_DEFAULT;
            struct aiex_request more = {.window_bytes = windows[i], .flags = AIEX_CALL_MANUAL};

            fill();
            cells_init(&all);
            a = cells_add(&all, "a", 2);
            b = local ? a : cells_add(&all, "b", 2);
            a->local = local;
            b->handle = on_produce;
            seen_init(&seen);
            producer.left = 3u << 20;
            producer.step = 1000;
            CU_ASSERT_EQUAL(cells_call(a, b->names[1], "m", none, &more, &seen), 0);
            cells_run(&all);
            /* paused at the window, rounded up to pages and parts at most */
            CU_ASSERT(seen.part_bytes >= (window < 1000 ? 1000 : window));
            CU_ASSERT(seen.part_bytes <= window + 4096 + 1000);
            CU_ASSERT_EQUAL(producer.pauses, 1);
            CU_ASSERT_EQUAL(seen.ends, 0);
            for (unsigned turns = 0; turns < 5000 && !seen.ends; turns++) {
                size_t before = seen.part_bytes;

                CU_ASSERT_EQUAL(endpoint_credit(a->endpoint, seen.call, (uint32_t)before), 0);
                cells_run(&all);
                if (seen.part_bytes == before && !seen.ends) {
                    CU_FAIL("credit does not resume the stream");
                    break;
                }
            }
            CU_ASSERT_EQUAL(seen.ends, 1);
            CU_ASSERT_EQUAL(seen.part_bytes, 3u << 20);
            CU_ASSERT_EQUAL(producer.refused, 0);
            seen_done(&seen);
            nothing_open();
        }
}

static void test_large_part(void)
{
    struct cell_rig *a, *b;
    struct seen_answer seen;

    fill();
    cells_init(&all);
    a = cells_add(&all, "a", 1);
    b = cells_add(&all, "b", 1);
    b->handle = on_produce;
    seen_init(&seen);
    producer.left = 3 * (5u << 20);
    producer.step = 5u << 20;
    CU_ASSERT_EQUAL(cells_call(a, "b", "m", none, NULL, &seen), 0);
    cells_run(&all);
    CU_ASSERT_EQUAL(seen.ends, 1);
    CU_ASSERT_STRING_EQUAL(seen.code, "ok");
    CU_ASSERT_EQUAL(seen.parts, 3);
    CU_ASSERT_EQUAL(seen.largest_part, 5u << 20);
    CU_ASSERT_EQUAL(seen.part_bytes, 15u << 20);
    CU_ASSERT_EQUAL(memcmp(seen.streamed.data, bytes, 5u << 20), 0);
    seen_done(&seen);
    nothing_open();
}

/* A part that the full queue refuses is not taken: it counts for nothing and can be sent again. */
static int stay(struct cell_rig *cell, unsigned instance, const struct aiex_message *m)
{
    return 0;
}

static void test_refused_part(void)
{
    struct aiex_request more = {.window_bytes = 65536};
    struct cell_rig *a, *b;
    struct seen_answer seen;
    uint64_t id;

    fill();
    cells_init(&all);
    a = cells_add(&all, "a", 1);
    b = cells_add(&all, "b", 1);
    b->handle = stay;
    seen_init(&seen);
    cells_call(a, "b", "m", none, &more, &seen);
    cells_run(&all);
    id = b->last_id;
    b->room_out = 1;
    for (int i = 0; i < 100; i++)
        CU_ASSERT_EQUAL(endpoint_stream(b->endpoint, id, (struct aiex_slice){bytes, 60000}),
                        -ENOBUFS);
    b->room_out = 0;
    CU_ASSERT_EQUAL(endpoint_stream(b->endpoint, id, (struct aiex_slice){bytes, 60000}), 0);
    CU_ASSERT_EQUAL(
        endpoint_stream(b->endpoint, id, (struct aiex_slice){bytes + 60000 % 251, 60000}),
        AIEX_PAUSE);
    cells_run(&all);
    CU_ASSERT_EQUAL(b->resumes, 1);
    endpoint_reply(b->endpoint, id, none);
    cells_run(&all);
    CU_ASSERT_EQUAL(seen.parts, 2);
    CU_ASSERT_EQUAL(seen.part_bytes, 120000);
    CU_ASSERT(streamed_right(&seen));
    seen_done(&seen);
    nothing_open();
}

static void test_hard_limit(void)
{
    struct aiex_request more = {.window_bytes = 65536, .flags = AIEX_CALL_MANUAL};
    struct cell_rig *a, *b;
    struct seen_answer seen;
    size_t taken = 0;
    uint64_t id;
    int r;

    fill();
    cells_init(&all);
    a = cells_add(&all, "a", 1);
    b = cells_add(&all, "b", 1);
    b->handle = stay;
    seen_init(&seen);
    cells_call(a, "b", "m", none, &more, &seen);
    cells_run(&all);
    id = b->last_id;
    while ((r = endpoint_stream(b->endpoint, id,
                                (struct aiex_slice){bytes + taken % 251, 10000})) >= 0)
        taken += 10000;
    CU_ASSERT_EQUAL(r, -ENOBUFS);
    CU_ASSERT(taken > 65536 + (1u << 20) && taken < 65536 + (1u << 20) + 20000);
    cells_run(&all);
    CU_ASSERT_EQUAL(seen.part_bytes, taken);
    CU_ASSERT_EQUAL(b->resumes, 0);
    endpoint_credit(a->endpoint, seen.call, (uint32_t)taken);
    cells_run(&all);
    CU_ASSERT_EQUAL(b->resumes, 1);
    CU_ASSERT_EQUAL(
        endpoint_stream(b->endpoint, id, (struct aiex_slice){bytes + taken % 251, 10000}), 0);
    endpoint_reply(b->endpoint, id, none);
    cells_run(&all);
    CU_ASSERT(streamed_right(&seen));
    CU_ASSERT_EQUAL(seen.ends, 1);
    seen_done(&seen);
    nothing_open();
}

const struct test_case tests[] = {
    {"window", test_window},
    {"large_part", test_large_part},
    {"refused_part", test_refused_part},
    {"hard_limit", test_hard_limit},
    {0},
};

/*
 * endpoint_stream_test.c - parts and windows: a producer is paused, resumed and refused, and
 * no byte is lost or doubled by it.
 */
#include "channel/endpoint_private.h"
#include "host/channel/endpoint_producer.h"
#include "test.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

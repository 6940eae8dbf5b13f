/*
 * endpoint_splice_test.c - splices. Each runs in all places: the middle may share a process with
 * who it serves, with who serves it, with both or with neither, and nobody may be able to tell.
 */
#include "channel/endpoint_private.h"
#include "host/channel/endpoint_producer.h"
#include "test.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Splices ---- */

static struct seen_answer middle; /* what the middle saw of its own call */
static const char *producer_name;
static uint32_t middle_window;
static int retry_on_error;
static uint64_t middle_id, middle_call;

static void on_middle_answer(void *arg, const struct aiex_answer *a);

static void splice_call(struct cell_rig *cell)
{
    struct aiex_request req = {.struct_size = sizeof(req),
                               .service = producer_name,
                               .method = "m",
                               .flags = AIEX_CALL_SPLICE,
                               .parent = middle_id,
                               .window_bytes = middle_window};

    CU_ASSERT_EQUAL(endpoint_call(cell->endpoint, 0, &req, on_middle_answer, cell, &middle_call),
                    0);
}

static void on_middle_answer(void *arg, const struct aiex_answer *a)
{
    struct cell_rig *cell = arg;

    seen_on(&middle, a);
    if (a->kind == AIEX_ANSWER_END && !(a->flags & AIEX_AF_SPLICED)) {
        if (retry_on_error-- > 0)
            splice_call(cell); /* the parent is still open */
        else
            endpoint_fail(cell->endpoint, middle_id, AIEX_E_UPSTREAM, "given up", 0, none);
    }
}

/* Instance 1 of a cell is the middle, instance 2 produces. */
static int on_spliced(struct cell_rig *cell, unsigned instance, const struct aiex_message *m)
{
    if (instance == 2)
        return on_produce(cell, instance, m);
    if (m->kind == AIEX_MSG_REQUEST) {
        middle_id = m->id;
        splice_call(cell);
    }
    return 0;
}

/* place: bit 0 = the middle is in the caller's process, bit 1 = the producer is in the middle's. */
static struct cell_rig *caller_rig, *middle_rig, *producer_rig;

static void place_all(int place)
{
    fill();
    cells_init(&all);
    seen_init(&middle);
    retry_on_error = 0;
    middle_window = 0;
    caller_rig = cells_add(&all, "a", 3);
    middle_rig = place & 1 ? caller_rig : cells_add(&all, "b", 3);
    producer_rig = place & 2 ? middle_rig : cells_add(&all, "c", 3);
    for (unsigned i = 0; i < all.n; i++) {
        all.cells[i]->local = 1;
        all.cells[i]->handle = on_spliced;
    }
    producer_name = producer_rig->names[2];
}

static void call_spliced(struct seen_answer *seen, uint32_t window, uint32_t flags)
{
    seen_init(seen);
    CU_ASSERT_EQUAL(cells_call(caller_rig, middle_rig->names[1], "m", none,
                               &(struct aiex_request){.window_bytes = window, .flags = flags},
                               seen),
                    0);
    cells_run(&all);
}

static void spliced_done(struct seen_answer *seen)
{
    CU_ASSERT_EQUAL(seen->after_end, 0);
    CU_ASSERT_EQUAL(middle.after_end, 0);
    seen_done(seen);
    seen_done(&middle);
    nothing_open();
}

static void test_splice(void)
{
    static const size_t sizes[][2] = {{0, 1},         {1, 1},           {1000, 10},
                                      {300000, 7000}, {8 << 20, 60000}, {9 << 20, 3 << 20}};

    for (int place = 0; place < 4; place++)
        for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            struct seen_answer seen;

            place_all(place);
            producer.left = sizes[i][0];
            producer.step = sizes[i][1];
            call_spliced(&seen, 0, 0);
            CU_ASSERT_EQUAL(seen.ends, 1);
            CU_ASSERT_STRING_EQUAL(seen.code, "ok");
            CU_ASSERT_EQUAL(seen.part_bytes, sizes[i][0]);
            CU_ASSERT(sizes[i][1] > 251 || streamed_right(&seen));
            CU_ASSERT_EQUAL(middle.ends, 1);
            CU_ASSERT_EQUAL(middle.parts, 0);
            CU_ASSERT_STRING_EQUAL(middle.code, "ok");
            CU_ASSERT_EQUAL(middle.flags & AIEX_AF_SPLICED, AIEX_AF_SPLICED);
            if (place != 1) /* there the middle's process passes the parts on */
                CU_ASSERT_EQUAL(producer_flags & AIEX_MF_SPLICED, AIEX_MF_SPLICED);
            spliced_done(&seen);
        }
}

/* Whatever windows caller and middle chose, the stream flows: with credits at once, and by hand. */
static void test_splice_windows(void)
{
    static const uint32_t windows[][2] = {
        {1 << 20, 16384}, {16384, 1 << 20}, {0, 4096}, {4096, 0}, {65536, 65536}};

    for (int place = 0; place < 4; place++)
        for (unsigned i = 0; i < sizeof(windows) / sizeof(windows[0]); i++)
            for (int manual = 0; manual < 2; manual++) {
                struct seen_answer seen;
                unsigned rounds = 0;

                place_all(place);
                middle_window = windows[i][1];
                producer.left = 6u << 20;
                producer.step = 2510;
                call_spliced(&seen, windows[i][0], manual ? AIEX_CALL_MANUAL : 0);
                for (size_t before = 0; manual && !seen.ends && rounds < 5000; rounds++) {
                    size_t got = seen.part_bytes - before;

                    before = seen.part_bytes;
                    if (!got)
                        break;
                    endpoint_credit(caller_rig->endpoint, seen.call, (uint32_t)got);
                    cells_run(&all);
                }
                CU_ASSERT_EQUAL(seen.ends, 1);
                CU_ASSERT_STRING_EQUAL(seen.code, "ok");
                CU_ASSERT_EQUAL(seen.part_bytes, 6u << 20);
                CU_ASSERT(streamed_right(&seen));
                CU_ASSERT_EQUAL(middle.ends, 1);
                CU_ASSERT_EQUAL(producer.refused, 0);
                if (seen.ends)
                    spliced_done(&seen);
                else
                    return;
            }
}

/* An error before the first part belongs to the middle: it may try again. */
static void test_splice_early_error(void)
{
    for (int place = 0; place < 4; place++)
        for (int retry = 0; retry < 2; retry++) {
            struct seen_answer seen;

            place_all(place);
            retry_on_error = retry;
            producer.fail_first = AIEX_E_BUSY;
            producer.left = 50000;
            producer.step = 251;
            call_spliced(&seen, 0, 0);
            CU_ASSERT_EQUAL(seen.ends, 1);
            CU_ASSERT_STRING_EQUAL(seen.code, retry ? "ok" : AIEX_E_UPSTREAM);
            CU_ASSERT_EQUAL(seen.part_bytes, retry ? 50000 : 0);
            CU_ASSERT_EQUAL(middle.ends, 1u + (unsigned)retry);
            CU_ASSERT_EQUAL(middle.retry_after_ms, retry ? 0 : 20);
            if (!retry) {
                CU_ASSERT_STRING_EQUAL(middle.code, AIEX_E_BUSY);
                CU_ASSERT_STRING_EQUAL(middle.text, "early");
                /* with its detail, that takes several records */
                CU_ASSERT_EQUAL(
                    cells_body_n((struct aiex_slice){middle.body.data, middle.body.len}), 9);
            }
            if (retry)
                middle.after_end = 0; /* two calls, one book */
            spliced_done(&seen);
        }
}

/* An error behind the first part ends both. */
static void test_splice_late_error(void)
{
    for (int place = 0; place < 4; place++) {
        struct seen_answer seen;

        place_all(place);
        producer.left = 5000;
        producer.step = 251;
        producer.fail_last = AIEX_E_UPSTREAM;
        call_spliced(&seen, 0, 0);
        CU_ASSERT_EQUAL(seen.ends, 1);
        CU_ASSERT_STRING_EQUAL(seen.code, AIEX_E_UPSTREAM);
        CU_ASSERT_STRING_EQUAL(seen.text, "late");
        CU_ASSERT_EQUAL(seen.part_bytes, 5000);
        CU_ASSERT_EQUAL(middle.ends, 1);
        CU_ASSERT_STRING_EQUAL(middle.code, AIEX_E_UPSTREAM);
        CU_ASSERT_EQUAL(middle.flags & AIEX_AF_SPLICED, AIEX_AF_SPLICED);
        spliced_done(&seen);
    }
}

static void test_splice_cancel(void)
{
    for (int place = 0; place < 4; place++) {
        struct seen_answer seen;

        place_all(place);
        producer.left = 2u << 20;
        producer.step = 2510;
        call_spliced(&seen, 0, AIEX_CALL_MANUAL); /* stops at the window */
        CU_ASSERT_EQUAL(seen.ends, 0);
        CU_ASSERT_EQUAL(endpoint_cancel(caller_rig->endpoint, seen.call), 0);
        cells_run(&all);
        CU_ASSERT_EQUAL(producer.cancelled, 1);
        CU_ASSERT_EQUAL(seen.ends, 0);
        CU_ASSERT_EQUAL(middle.ends, 0);
        spliced_done(&seen);
    }
}

/* The caller gives up inside the callback of a spliced part. */
static void cancel_at_first(void *arg, const struct aiex_answer *a)
{
    seen_on(arg, a);
    endpoint_cancel(caller_rig->endpoint, a->call);
}

static void test_splice_cancel_inside_part(void)
{
    for (int place = 0; place < 4; place++) {
        struct aiex_request req = {.struct_size = sizeof(req), .method = "m"};
        struct seen_answer seen, other;

        place_all(place);
        seen_init(&seen);
        seen_init(&other);
        producer.left = 2u << 20;
        producer.step = 2510;
        req.service = middle_rig->names[1];
        CU_ASSERT_EQUAL(endpoint_call(caller_rig->endpoint, 0, &req, cancel_at_first, &seen, NULL),
                        0);
        cells_run(&all);
        CU_ASSERT_EQUAL(seen.parts, 1);
        CU_ASSERT_EQUAL(seen.ends, 0);
        CU_ASSERT_EQUAL(producer.cancelled, 1);
        CU_ASSERT(producer.sent < 1u << 20);
        /* the tables are whole: the next one works */
        producer = (struct producer){.left = 1000, .step = 10};
        call_spliced(&other, 0, 0);
        CU_ASSERT_EQUAL(other.part_bytes, 1000);
        CU_ASSERT_EQUAL(other.ends, 1);
        seen_done(&other);
        middle.after_end = 0;
        spliced_done(&seen);
    }
}

/* The middle gives its producer up in the middle of a body, and tells the rest itself. */
static void test_splice_taken_back(void)
{
    static const uint8_t text[40000] = "tail";

    struct seen_answer seen;
    struct kept *k;

    place_all(0);
    producer.left = 50000;
    producer.step = 50000;
    seen_init(&seen);
    CU_ASSERT_EQUAL(cells_call(caller_rig, middle_rig->names[1], "m", none, NULL, &seen), 0);
    while (!producer_rig->to_bus.first && cells_step(&all))
        ;
    /* the first piece of the part gets out, the rest is lost with whatever follows */
    k = producer_rig->to_bus.first;
    CU_ASSERT_PTR_NOT_NULL_FATAL(k);
    CU_ASSERT_EQUAL(k->head.kind, RECORD_STREAM);
    CU_ASSERT_EQUAL(k->head.flags & RECORD_MORE, RECORD_MORE);
    while (k->next) {
        struct kept *gone = k->next;

        k->next = gone->next;
        free(gone);
    }
    producer_rig->to_bus.last = k;
    producer_rig->to_bus.bytes = k->head.len + sizeof(k->head);
    cells_run(&all);
    CU_ASSERT_EQUAL(seen.parts, 0);
    endpoint_cancel(middle_rig->endpoint, middle_call);
    cells_run(&all);
    CU_ASSERT_EQUAL(
        endpoint_stream(middle_rig->endpoint, middle_id, (struct aiex_slice){text, sizeof(text)}),
        0);
    endpoint_reply(middle_rig->endpoint, middle_id, none);
    cells_run(&all);
    CU_ASSERT_EQUAL(seen.ends, 1);
    CU_ASSERT_EQUAL(seen.parts, 1);
    CU_ASSERT_EQUAL(seen.largest_part, sizeof(text));
    CU_ASSERT_EQUAL(memcmp(seen.streamed.data, text, sizeof(text)), 0);
    spliced_done(&seen);
}

const struct test_case tests[] = {
    {"splice", test_splice},
    {"splice_windows", test_splice_windows},
    {"splice_early_error", test_splice_early_error},
    {"splice_late_error", test_splice_late_error},
    {"splice_cancel", test_splice_cancel},
    {"splice_cancel_inside_part", test_splice_cancel_inside_part},
    {"splice_taken_back", test_splice_taken_back},
    {0},
};

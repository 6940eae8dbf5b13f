/*
 * endpoint_splice_chain_test.c - splices through several instances of one process: gateway ->
 * coordinator -> provider, where the first two share a cell. Their cell must not see one part.
 */
#include "channel/endpoint_private.h"
#include "host/channel/endpoint_producer.h"
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MIDDLES_MAX 3

/* Instances 1..depth of the middle cell; each calls the next one, the last the producer. */
struct middle {
    unsigned number;
    uint64_t id, call; /* served; made */
    unsigned cancelled;
    struct seen_answer seen;
};

static struct middle middles[MIDDLES_MAX + 1];
static unsigned depth;
static struct cell_rig *caller_rig, *middle_rig, *producer_rig;
static const char *producer_name;
static unsigned order[8], n_order; /* of the ends that the middles saw */

/* What a scene asks of the middles. */
static unsigned plain;       /* this one calls without splice and passes parts on itself */
static int retries;          /* of the innermost one after an early error */
static const char *own_text; /* then it streams this itself */
static int answer_too_late;  /* every middle replies once more in its last callback */
static uint32_t window_of_middles;

static void on_answer(void *arg, const struct aiex_answer *a);

static void call_next(struct middle *m)
{
    struct aiex_request req = {.struct_size = sizeof(req),
                               .service = m->number == depth ? producer_name
                                                             : middle_rig->names[m->number + 1],
                               .method = "m",
                               .flags = m->number == plain ? 0 : AIEX_CALL_SPLICE,
                               .window_bytes = window_of_middles,
                               .parent = m->id};

    CU_ASSERT_EQUAL(endpoint_call(middle_rig->endpoint, m->number, &req, on_answer, m, &m->call),
                    0);
}

static void answer_self(struct middle *m)
{
    struct aiex_slice text = {(const uint8_t *)own_text, strlen(own_text)};

    CU_ASSERT_EQUAL(endpoint_stream(middle_rig->endpoint, m->id, text), 0);
    CU_ASSERT_EQUAL(endpoint_stream(middle_rig->endpoint, m->id, text), 0);
    CU_ASSERT_EQUAL(endpoint_reply(middle_rig->endpoint, m->id, none), 0);
}

static void on_answer(void *arg, const struct aiex_answer *a)
{
    struct middle *m = arg;

    seen_on(&m->seen, a);
    if (a->kind == AIEX_ANSWER_PART) {
        CU_ASSERT_EQUAL(m->number, plain);
        endpoint_stream(middle_rig->endpoint, m->id, a->body);
        return;
    }
    if (n_order < 8)
        order[n_order++] = m->number;
    if (a->flags & AIEX_AF_SPLICED) {
        if (answer_too_late) {
            CU_ASSERT_EQUAL(endpoint_stream(middle_rig->endpoint, m->id, none), -ENOENT);
            CU_ASSERT_EQUAL(endpoint_reply(middle_rig->endpoint, m->id, none), -ENOENT);
            CU_ASSERT_EQUAL(endpoint_fail(middle_rig->endpoint, m->id, AIEX_E_BUSY, "", 0, none),
                            -ENOENT);
        }
    } else if (!a->code) {
        endpoint_reply(middle_rig->endpoint, m->id, a->body);
    } else if (m->number == depth && retries-- > 0) {
        call_next(m);
    } else if (m->number == depth && own_text) {
        answer_self(m);
    } else {
        endpoint_fail(middle_rig->endpoint, m->id, a->code, a->text, 0, none);
    }
}

static int on_message(struct cell_rig *cell, unsigned instance, const struct aiex_message *m)
{
    struct middle *me = &middles[instance <= depth ? instance : 0];

    if (cell != middle_rig || instance == 0 || instance > depth)
        return on_produce(cell, instance, m);
    if (m->kind == AIEX_MSG_REQUEST) {
        me->id = m->id;
        call_next(me);
    } else if (m->kind == AIEX_MSG_CANCEL) {
        me->cancelled++;
        me->id = 0;
    }
    return 0;
}

/* inside: bit 0 = the caller is in the middle cell, bit 1 = the producer is (depth 2 only). */
static void place(unsigned n_middles, int inside)
{
    fill();
    cells_init(&all);
    depth = n_middles;
    plain = 0;
    retries = 0;
    own_text = NULL;
    answer_too_late = 0;
    window_of_middles = 0;
    n_order = 0;
    for (unsigned i = 0; i <= MIDDLES_MAX; i++) {
        middles[i] = (struct middle){.number = i};
        seen_init(&middles[i].seen);
    }
    middle_rig = cells_add(&all, "b", 4);
    caller_rig = inside & 1 ? middle_rig : cells_add(&all, "a", 1);
    producer_rig = inside & 2 ? middle_rig : cells_add(&all, "c", 1);
    producer_name = producer_rig->names[inside & 2 ? 3 : 0];
    for (unsigned i = 0; i < all.n; i++) {
        all.cells[i]->local = 1;
        all.cells[i]->handle = on_message;
    }
}

static void call(struct seen_answer *seen, uint32_t window, uint32_t flags)
{
    seen_init(seen);
    CU_ASSERT_EQUAL(cells_call(caller_rig, middle_rig->names[1], "m", none,
                               &(struct aiex_request){.window_bytes = window, .flags = flags},
                               seen),
                    0);
    cells_run(&all);
}

static void middles_done(void)
{
    for (unsigned i = 0; i <= MIDDLES_MAX; i++) {
        CU_ASSERT(retries < 0 || middles[i].seen.after_end == 0);
        seen_done(&middles[i].seen);
    }
}

static void finish(struct seen_answer *seen)
{
    CU_ASSERT_EQUAL(seen->after_end, 0);
    seen_done(seen);
    middles_done();
    nothing_open();
}

/* All combinations of places; `inside` 2 has room for two middles only. */
#define EACH_PLACE(n, inside)                                                                      \
    for (unsigned n = 2; n <= MIDDLES_MAX; n++)                                                    \
        for (int inside = 0; inside < (n == 2 ? 4 : 2); inside++)

/* Every middle got one end with these marks, the innermost first. */
static void each_got_a_copy(const char *code)
{
    CU_ASSERT_EQUAL(n_order, depth);
    for (unsigned i = 0; i < n_order; i++)
        CU_ASSERT_EQUAL(order[i], depth - i);
    for (unsigned i = 1; i <= depth; i++) {
        CU_ASSERT_EQUAL(middles[i].seen.ends, 1);
        CU_ASSERT_EQUAL(middles[i].seen.parts, 0);
        CU_ASSERT_STRING_EQUAL(middles[i].seen.code, code);
        CU_ASSERT_EQUAL(middles[i].seen.flags & AIEX_AF_SPLICED, AIEX_AF_SPLICED);
    }
}

static void test_parts_pass_by(void)
{
    static const size_t sizes[][2] = {{0, 1}, {1, 1}, {300000, 7000}, {9 << 20, 3 << 20}};

    EACH_PLACE(n, inside)
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct seen_answer seen;

        place(n, inside);
        answer_too_late = 1;
        producer.left = sizes[i][0];
        producer.step = sizes[i][1];
        call(&seen, 0, 0);
        CU_ASSERT_EQUAL(seen.ends, 1);
        CU_ASSERT_STRING_EQUAL(seen.code, "ok");
        CU_ASSERT_EQUAL(seen.part_bytes, sizes[i][0]);
        CU_ASSERT(sizes[i][1] > 251 || streamed_right(&seen));
        if (inside == 0) {
            each_got_a_copy("ok");
            CU_ASSERT_EQUAL(middle_rig->stream_records, 0);
            CU_ASSERT(sizes[i][0] == 0 || caller_rig->stream_records > 0);
        } else {
            CU_ASSERT_EQUAL(middles[n].seen.ends, 1);
        }
        finish(&seen);
    }
}

static void test_windows(void)
{
    static const uint32_t windows[][2] = {{1 << 20, 16384}, {16384, 1 << 20}, {0, 0}};

    EACH_PLACE(n, inside)
    for (unsigned i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
        struct seen_answer seen;
        size_t before = 0;

        place(n, inside);
        window_of_middles = windows[i][1];
        producer.left = 3u << 20;
        producer.step = 2510;
        call(&seen, windows[i][0], AIEX_CALL_MANUAL);
        CU_ASSERT(producer.pauses > 0 && seen.ends == 0);
        for (unsigned rounds = 0; !seen.ends && rounds < 5000; rounds++) {
            size_t got = seen.part_bytes - before;

            before = seen.part_bytes;
            if (!got)
                break;
            endpoint_credit(caller_rig->endpoint, seen.call, (uint32_t)got);
            cells_run(&all);
        }
        CU_ASSERT_EQUAL(seen.ends, 1);
        CU_ASSERT_EQUAL(seen.part_bytes, 3u << 20);
        CU_ASSERT(streamed_right(&seen));
        CU_ASSERT_EQUAL(producer.refused, 0);
        finish(&seen);
    }
}

/* An error before the first part comes to the innermost alone, which may try again. */
static void test_early_error(void)
{
    EACH_PLACE(n, inside)
    for (int again = 0; again < 2; again++) {
        struct seen_answer seen;

        place(n, inside);
        retries = again;
        producer.fail_first = AIEX_E_BUSY;
        producer.left = 50000;
        producer.step = 251;
        call(&seen, 0, 0);
        CU_ASSERT_EQUAL(seen.ends, 1);
        CU_ASSERT_STRING_EQUAL(seen.code, again ? "ok" : AIEX_E_BUSY);
        CU_ASSERT_EQUAL(seen.part_bytes, again ? 50000 : 0);
        CU_ASSERT_EQUAL(middles[n].seen.ends, 1u + (unsigned)again);
        CU_ASSERT_EQUAL(middles[1].seen.ends, 1);
        CU_ASSERT_EQUAL(order[0], n);
        if (inside == 0)
            CU_ASSERT_EQUAL(middle_rig->stream_records, 0);
        retries = -1; /* two calls, one book */
        finish(&seen);
    }
}

/* After a failed attempt the innermost answers by itself, from a cache. */
static void test_answers_self(void)
{
    EACH_PLACE(n, inside)
    {
        struct seen_answer seen;

        place(n, inside);
        own_text = "cached ";
        producer.fail_first = AIEX_E_UNAVAILABLE;
        call(&seen, 0, 0);
        CU_ASSERT_EQUAL(seen.ends, 1);
        CU_ASSERT_STRING_EQUAL(seen.code, "ok");
        CU_ASSERT_EQUAL(seen.parts, 2);
        CU_ASSERT_EQUAL_FATAL(seen.streamed.len, 14);
        CU_ASSERT_EQUAL(memcmp(seen.streamed.data, "cached cached ", 14), 0);
        CU_ASSERT_EQUAL(middles[1].seen.ends, 1);
        CU_ASSERT_EQUAL(middles[1].seen.flags & AIEX_AF_SPLICED, AIEX_AF_SPLICED);
        finish(&seen);
    }
}

static void test_late_error(void)
{
    EACH_PLACE(n, inside)
    {
        struct seen_answer seen;

        place(n, inside);
        producer.left = 5000;
        producer.step = 251;
        producer.fail_last = AIEX_E_UPSTREAM;
        call(&seen, 0, 0);
        CU_ASSERT_EQUAL(seen.ends, 1);
        CU_ASSERT_STRING_EQUAL(seen.code, AIEX_E_UPSTREAM);
        CU_ASSERT_STRING_EQUAL(seen.text, "late");
        CU_ASSERT_EQUAL(seen.part_bytes, 5000);
        if (inside == 0)
            each_got_a_copy(AIEX_E_UPSTREAM);
        finish(&seen);
    }
}

static void test_cancel(void)
{
    EACH_PLACE(n, inside)
    {
        struct seen_answer seen;

        place(n, inside);
        producer.left = 2u << 20;
        producer.step = 2510;
        call(&seen, 0, AIEX_CALL_MANUAL); /* stops at the window */
        CU_ASSERT_EQUAL(seen.ends, 0);
        CU_ASSERT_EQUAL(endpoint_cancel(caller_rig->endpoint, seen.call), 0);
        cells_run(&all);
        CU_ASSERT_EQUAL(producer.cancelled, 1);
        for (unsigned i = 1; i <= n; i++) {
            CU_ASSERT_EQUAL(middles[i].cancelled, 1);
            CU_ASSERT_EQUAL(middles[i].seen.ends, 0);
        }
        CU_ASSERT_EQUAL(seen.ends, 0);
        finish(&seen);
    }
}

/* The deadline of the client's call ends all of it, though nobody on the way has one. */
static void test_deadline(void)
{
    struct seen_answer seen;

    place(2, 0);
    producer.left = 2u << 20;
    producer.step = 2510;
    seen_init(&seen);
    CU_ASSERT_EQUAL(cells_call(caller_rig, middle_rig->names[1], "m", none,
                               &(struct aiex_request){.flags = AIEX_CALL_MANUAL, .timeout_ms = 500},
                               &seen),
                    0);
    cells_run(&all);
    CU_ASSERT_EQUAL(seen.ends, 0);
    cells_tick(&all, 1000);
    cells_run(&all);
    CU_ASSERT_EQUAL(seen.ends, 1);
    CU_ASSERT_STRING_EQUAL(seen.code, AIEX_E_TIMEOUT);
    CU_ASSERT_EQUAL(producer.cancelled, 1);
    finish(&seen);
}

/* A middle that gives the one behind it up leaves the client's call open. */
static void test_given_up_inside(void)
{
    EACH_PLACE(n, inside)
    {
        struct seen_answer seen;

        place(n, inside);
        producer.left = 2u << 20;
        producer.step = 2510;
        call(&seen, 0, AIEX_CALL_MANUAL);
        CU_ASSERT_EQUAL(endpoint_cancel(middle_rig->endpoint, middles[1].call), 0);
        cells_run(&all);
        CU_ASSERT_EQUAL(producer.cancelled, 1);
        CU_ASSERT_EQUAL(middles[1].cancelled, 0);
        CU_ASSERT_EQUAL(middles[n].cancelled, 1);
        CU_ASSERT_EQUAL(seen.ends, 0);
        CU_ASSERT_EQUAL(
            endpoint_fail(middle_rig->endpoint, middles[1].id, AIEX_E_TIMEOUT, "no more", 0, none),
            0);
        cells_run(&all);
        CU_ASSERT_EQUAL(seen.ends, 1);
        CU_ASSERT_STRING_EQUAL(seen.code, AIEX_E_TIMEOUT);
        finish(&seen);
    }
}

/* Where one link is no splice its maker passes the parts on, and all else holds. */
static void test_one_link_is_no_splice(void)
{
    EACH_PLACE(n, inside)
    for (unsigned link = 1; link <= n; link++)
        for (int late = 0; late < 2; late++) {
            struct seen_answer seen;

            place(n, inside);
            plain = link;
            producer.left = 100000;
            producer.step = 251;
            producer.fail_last = late ? AIEX_E_UPSTREAM : NULL;
            call(&seen, 0, 0);
            CU_ASSERT_EQUAL(seen.ends, 1);
            CU_ASSERT_STRING_EQUAL(seen.code, late ? AIEX_E_UPSTREAM : "ok");
            CU_ASSERT_EQUAL(seen.part_bytes, 100000);
            CU_ASSERT(streamed_right(&seen));
            CU_ASSERT(middles[link].seen.parts > 0);
            finish(&seen);
        }
}

/* A process that dies in mid-stream: the caller is told, who produces is told to stop. */
static void test_the_middle_dies(void)
{
    for (unsigned n = 1; n <= MIDDLES_MAX; n++) { /* with one middle the rule is the same */
        struct seen_answer seen;

        place(n, 0);
        producer.left = 2u << 20;
        producer.step = 2510;
        call(&seen, 0, AIEX_CALL_MANUAL);
        CU_ASSERT(seen.parts > 0 && seen.ends == 0);
        cells_kill(middle_rig);
        cells_run(&all);
        CU_ASSERT_EQUAL(seen.ends, 1);
        CU_ASSERT_STRING_EQUAL(seen.code, AIEX_E_CRASHED);
        CU_ASSERT_EQUAL(producer.cancelled, 1);
        CU_ASSERT_EQUAL(seen.after_end, 0);
        CU_ASSERT_EQUAL(endpoint_serving(producer_rig->endpoint, UINT32_MAX), 0);
        CU_ASSERT_EQUAL(caller_rig->violations + producer_rig->violations, 0);
        seen_done(&seen);
        middles_done();
        cells_done(&all);
    }
}

/* The producer dies: before the first part it is the innermost's matter, then everybody's. */
static void test_the_producer_dies(void)
{
    for (int begun = 0; begun < 2; begun++)
        for (unsigned n = 2; n <= MIDDLES_MAX; n++) {
            struct seen_answer seen;

            place(n, 0);
            own_text = begun ? NULL : "offline ";
            producer.left = begun ? 2u << 20 : 0;
            producer.step = 2510;
            producer_rig->stopped = !begun;
            call(&seen, 0, AIEX_CALL_MANUAL);
            CU_ASSERT_EQUAL(seen.ends, 0);
            cells_kill(producer_rig);
            cells_run(&all);
            CU_ASSERT_EQUAL(seen.ends, 1);
            CU_ASSERT_STRING_EQUAL(seen.code, begun ? AIEX_E_CRASHED : "ok");
            CU_ASSERT_EQUAL(endpoint_serving(middle_rig->endpoint, UINT32_MAX), 0);
            if (begun)
                each_got_a_copy(AIEX_E_CRASHED);
            else
                CU_ASSERT_EQUAL(seen.part_bytes, 16);
            seen_done(&seen);
            middles_done();
            cells_done(&all);
        }
}

const struct test_case tests[] = {
    {"parts pass by", test_parts_pass_by},
    {"windows", test_windows},
    {"early error", test_early_error},
    {"answers self", test_answers_self},
    {"late error", test_late_error},
    {"cancel", test_cancel},
    {"deadline", test_deadline},
    {"given up inside", test_given_up_inside},
    {"one link is no splice", test_one_link_is_no_splice},
    {"the middle dies", test_the_middle_dies},
    {"the producer dies", test_the_producer_dies},
    {0},
};

/*
 * hostile_test.c - a cell that says what no runner would: it loses its own calls at
 * most, and is reported when it breaks the protocol; nobody else notices.
 */
#include "bus/bus_private.h"
#include "host/bus/cells.h"
#include "test.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct cells all;
static struct cell_rig *caller, *callee, *bad;
static const struct aiex_slice none;
static uint8_t piece[RECORD_BODY_MAX];

static int stay(struct cell_rig *cell, unsigned instance, const struct aiex_message *m)
{
    return 0;
}

static void begin(void)
{
    cells_init(&all);
    caller = cells_add(&all, "caller", 1);
    callee = cells_add(&all, "callee", 1);
    bad = cells_add(&all, "bad", 1);
    cells_raw(bad, &(struct record){.kind = RECORD_NAME, .name = 0, .len = 8}, "callee\0m");
}

static void finish(void)
{
    struct bus_stats stats;

    CU_ASSERT_EQUAL(caller->violations + callee->violations, 0);
    CU_ASSERT_EQUAL(caller->proto_errors + callee->proto_errors, 0);
    cells_kill(bad);
    cells_run(&all);
    bus_stats(all.bus, &stats);
    CU_ASSERT_EQUAL(stats.open_calls, 0);
    cells_done(&all);
}

static void raw(unsigned kind, uint64_t id, unsigned flags, const void *body, size_t len)
{
    cells_raw(bad,
              &(struct record){
                  .kind = (uint8_t)kind, .id = id, .flags = (uint8_t)flags, .len = (uint32_t)len},
              body);
}

struct breach {
    const char *what;
    struct record head;
    const char *body;
};

static void test_violations(void)
{
    static const struct breach rows[] = {
        {"kind 0", {.kind = 0}, ""},
        {"hello", {.kind = RECORD_HELLO}, ""},
        {"stop", {.kind = RECORD_STOP}, ""},
        {"kind 200", {.kind = 200}, ""},
        {"name twice", {.kind = RECORD_NAME, .name = 0, .len = 3}, "s\0m"},
        {"name out of bounds", {.kind = RECORD_NAME, .name = NAMES_MAX, .len = 3}, "s\0m"},
        {"name without method", {.kind = RECORD_NAME, .name = 1, .len = 2}, "sm"},
        {"undefined name", {.kind = RECORD_REQ, .name = 7, .id = 1}, ""},
        {"cast in pieces", {.kind = RECORD_REQ, .flags = RECORD_CAST | RECORD_MORE}, ""},
        {"event without topic", {.kind = RECORD_EVENT, .name = 9}, ""},
        {"event in pieces", {.kind = RECORD_EVENT, .name = 0, .flags = RECORD_MORE}, ""},
        {"event continued", {.kind = RECORD_EVENT, .name = 0, .flags = RECORD_CONT}, ""},
        {"join of no instance", {.kind = RECORD_JOIN, .aux = 1, .len = 1}, "x"},
        {"join far out", {.kind = RECORD_JOIN, .aux = 0xffff, .len = 1}, "x"},
        {"join of no name", {.kind = RECORD_JOIN, .len = 3}, "a b"},
        {"join of nothing", {.kind = RECORD_JOIN, .len = 0}, ""},
        {"join too long",
         {.kind = RECORD_JOIN, .len = 64},
         "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
        {"bad topic", {.kind = RECORD_SUB, .status = 1, .len = 2}, "a*"},
        {"topic too long",
         {.kind = RECORD_SUB, .status = 1, .len = 64},
         "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin();
        cells_raw(bad, &rows[i].head, rows[i].body);
        if (bad->violations != 1)
            printf("%s ", rows[i].what);
        CU_ASSERT_EQUAL(bad->violations, 1);
        CU_ASSERT(bad->why[0] != 0);
        cells_raw(bad, &rows[i].head, rows[i].body); /* told once, then deaf */
        raw(RECORD_REQ, 1, 0, "\x80", 1);
        CU_ASSERT_EQUAL(bad->violations, 1);
        cells_run(&all);
        CU_ASSERT_EQUAL(callee->requests + callee->casts, 0);
        finish();
    }
}

/* Not worth an end: records about calls that are not there. */
static void test_ignored(void)
{
    begin();
    for (uint64_t id = 0; id < 100; id++)
        for (unsigned kind = RECORD_STREAM; kind <= RECORD_CANCEL; kind++)
            for (unsigned flags = 0; flags < 4; flags++)
                raw(kind, id | id << 16 | id << 40, flags, "\x80", 1);
    raw(RECORD_REQ, 5, RECORD_CONT, "\x80", 1);
    cells_raw(bad, &(struct record){.kind = RECORD_SUB, .status = 0, .len = 1}, "a");
    CU_ASSERT_EQUAL(bad->violations, 0);
    CU_ASSERT_EQUAL(cells_run(&all), 0);
    finish();
}

/* Another's call can neither be answered, nor cancelled, nor credited, nor made a parent. */
static void test_not_its_own(void)
{
    struct seen_answer seen;
    uint32_t id;

    begin();
    seen_init(&seen);
    callee->handle = stay;
    cells_call(caller, "callee", "m", none, NULL, &seen);
    cells_run(&all);
    id = (uint32_t)callee->last_id;
    raw(RECORD_STREAM, id, 0, "x", 1);
    raw(RECORD_REP, id, 0, "\x80", 1);
    raw(RECORD_CANCEL, seen.call, 0, NULL, 0);
    raw(RECORD_CREDIT, seen.call, 0, NULL, 0);
    raw(RECORD_REQ, 1 | (uint64_t)id << 32, RECORD_SPLICE, "\x80", 1);
    cells_run(&all);
    CU_ASSERT_EQUAL(seen.ends + seen.parts, 0);
    CU_ASSERT_EQUAL(callee->cancels, 0);
    CU_ASSERT_EQUAL(callee->last_flags & AIEX_MF_SPLICED, 0);
    endpoint_reply(callee->endpoint, id, none);
    cells_run(&all);
    CU_ASSERT_EQUAL(seen.ends, 1);
    seen_done(&seen);
    finish();
}

/* One slot, many generations: the older call is given up; when the cell dies nothing points at it.
 */
static void test_slot_reused(void)
{
    uint64_t first;

    begin();
    callee->handle = stay;
    raw(RECORD_REQ, 3 | 1 << 16, 0, "\x80", 1);
    cells_run(&all);
    first = callee->last_id;
    raw(RECORD_REQ, 3 | 2 << 16, 0, "\x80", 1);
    cells_run(&all);
    CU_ASSERT_EQUAL(callee->requests, 2);
    CU_ASSERT_EQUAL(callee->cancels, 1);
    CU_ASSERT_EQUAL(endpoint_reply(callee->endpoint, first, none), -ENOENT);
    raw(RECORD_REQ, 3 | 2 << 16, 0, "\x80", 1); /* the very same id */
    cells_run(&all);
    CU_ASSERT_EQUAL(callee->cancels, 2);
    CU_ASSERT_EQUAL(bus_port_owed(callee->port), 1);
    cells_kill(bad);
    cells_run(&all);
    CU_ASSERT_EQUAL(callee->cancels, 3);
    CU_ASSERT_EQUAL(bus_port_owed(callee->port), 0);
    finish();
}

/* The same with a callee that answers late, when the caller's memory is gone. */
static void test_slot_reused_then_dead(void)
{
    begin();
    callee->handle = stay;
    callee->stopped = 1;
    for (unsigned generation = 1; generation < 50; generation++)
        raw(RECORD_REQ, 3 | generation << 16, 0, "\x80", 1);
    cells_kill(bad);
    callee->stopped = 0;
    callee->handle = NULL; /* echo */
    cells_run(&all);
    CU_ASSERT_EQUAL(bus_port_owed(callee->port), 0);
    finish();
}

static void test_request_too_large(void)
{
    int n = 0;

    begin();
    raw(RECORD_REQ, 1, RECORD_MORE, piece, sizeof(piece));
    while (n++ < 2100) {
        raw(RECORD_REQ, 1, RECORD_MORE | RECORD_CONT, piece, sizeof(piece));
        cells_run(&all);
    }
    CU_ASSERT_EQUAL(bad->violations, 0);
    CU_ASSERT_EQUAL(callee->requests, 0);
    CU_ASSERT_EQUAL(bus_port_owed(callee->port), 0);
    finish();
}

/* Empty pieces of a request that waits cost memory as well. */
static void test_empty_pieces(void)
{
    struct bus_stats stats;
    unsigned n = 0;

    begin();
    bus_instance_unbind(callee->instances[0], BUS_SOON, "starting");
    raw(RECORD_REQ, 1, RECORD_MORE, NULL, 0);
    for (bus_stats(all.bus, &stats); stats.open_calls && n < 2000000; n++) {
        raw(RECORD_REQ, 1, RECORD_MORE | RECORD_CONT, NULL, 0);
        if (n % 1000 == 0)
            bus_stats(all.bus, &stats);
    }
    CU_ASSERT(n < 2000000);
    CU_ASSERT_EQUAL(stats.open_calls, 0);
    finish();
}

/* Parts for ever, without credit: the callee's fault, the caller keeps its life. */
static void test_overrun(void)
{
    struct seen_answer seen;
    unsigned n = 0;

    begin();
    seen_init(&seen);
    bad->handle = stay;
    cells_call(caller, "bad", "m", none, &(struct aiex_request){.flags = AIEX_CALL_MANUAL}, &seen);
    cells_run(&all);
    while (!bad->violations && n++ < 4000)
        raw(RECORD_STREAM, bad->last_id, 0, piece, sizeof(piece));
    CU_ASSERT_EQUAL(bad->violations, 1);
    CU_ASSERT(n * sizeof(piece) > AIEX_MAX_BODY);
    cells_kill(bad);
    cells_run(&all);
    CU_ASSERT_EQUAL(seen.ends, 1);
    CU_ASSERT_STRING_EQUAL(seen.code, AIEX_E_CRASHED);
    seen_done(&seen);
    finish();
}

/* A body of more than 32 MiB in pieces, as a part and as an end. */
static void test_endless_body(void)
{
    static const unsigned kinds[] = {RECORD_STREAM, RECORD_REP};

    for (unsigned k = 0; k < 2; k++) {
        struct seen_answer seen;
        unsigned n = 0;

        begin();
        seen_init(&seen);
        bad->handle = stay;
        cells_call(caller, "bad", "m", none, NULL, &seen);
        cells_run(&all);
        while (!bad->violations && n < 4000) {
            raw(kinds[k], bad->last_id, RECORD_MORE | (n ? RECORD_CONT : 0), piece, sizeof(piece));
            n++;
            cells_run(&all);
        }
        CU_ASSERT_EQUAL(bad->violations, 1);
        CU_ASSERT_EQUAL(n, AIEX_MAX_BODY / sizeof(piece) + 1);
        CU_ASSERT_EQUAL(caller->proto_errors, 0);
        cells_kill(bad);
        cells_run(&all);
        CU_ASSERT_EQUAL(seen.ends, 1);
        CU_ASSERT_STRING_EQUAL(seen.code, AIEX_E_CRASHED);
        seen_done(&seen);
        finish();
    }
}

/* Changing the status between the pieces of an end does not confuse who is ended. */
static struct seen_answer middle_seen;

static int splice_to_bad(struct cell_rig *cell, unsigned instance, const struct aiex_message *m)
{
    struct aiex_request more = {.parent = m->id, .flags = AIEX_CALL_SPLICE};

    if (m->kind == AIEX_MSG_REQUEST)
        cells_call(cell, "bad", "m", none, &more, &middle_seen);
    return 0;
}

static void test_status_changes(void)
{
    for (int first = 0; first < 2; first++) {
        struct seen_answer seen;

        begin();
        seen_init(&seen);
        seen_init(&middle_seen);
        callee->handle = splice_to_bad;
        bad->handle = stay;
        cells_call(caller, "callee", "m", none, NULL, &seen);
        cells_run(&all);
        cells_raw(bad,
                  &(struct record){.kind = RECORD_REP,
                                   .id = bad->last_id,
                                   .flags = RECORD_MORE,
                                   .len = 1,
                                   .status = first ? WIRE_OK : WIRE_BUSY},
                  "\x80");
        cells_raw(bad,
                  &(struct record){.kind = RECORD_REP,
                                   .id = bad->last_id,
                                   .flags = RECORD_CONT,
                                   .status = first ? WIRE_BUSY : WIRE_OK},
                  "");
        cells_run(&all);
        CU_ASSERT_EQUAL(middle_seen.ends, 1);
        CU_ASSERT_EQUAL(seen.ends, first ? 1u : 0u); /* joined by the first piece, or not at all */
        if (!first) {
            CU_ASSERT_EQUAL(endpoint_reply(callee->endpoint, callee->last_id, none), 0);
            cells_run(&all);
            CU_ASSERT_EQUAL(seen.ends, 1);
        }
        seen_done(&middle_seen);
        seen_done(&seen);
        finish();
    }
}

/* As many calls as it likes: its own limit, not the host's. */
static void test_many_calls(void)
{
    struct seen_answer seen;
    struct bus_stats stats;

    begin();
    seen_init(&seen);
    callee->handle = stay;
    for (uint32_t i = 0; i < 70000; i++) {
        raw(RECORD_REQ, i & 0xffff, 0, "\x80", 1);
        if (i % 1000 == 0)
            cells_run(&all);
    }
    bus_stats(all.bus, &stats);
    CU_ASSERT_EQUAL(stats.open_calls, 4096);
    callee->handle = NULL;
    cells_call(caller, "callee", "m", none, NULL, &seen);
    cells_run(&all);
    CU_ASSERT_STRING_EQUAL(seen.code, "ok");
    seen_done(&seen);
    finish();
}

/* A chain of calls as long as two cells can make it ends without exhausting the stack. */
static void test_long_chain(void)
{
    uint64_t parent = 0;

    begin();
    callee->handle = stay;
    cells_raw(callee, &(struct record){.kind = RECORD_NAME, .name = 900, .len = 5}, "bad\0m");
    for (uint32_t i = 0; i < 8000; i++) {
        struct cell_rig *from = i % 2 ? callee : bad, *to = i % 2 ? bad : callee;

        cells_raw(from,
                  &(struct record){.kind = RECORD_REQ,
                                   .name = i % 2 ? 900 : 0,
                                   .id = (i + 1) | parent << 32,
                                   .len = 1},
                  "\x80");
        to->handle = stay;
        cells_run(&all);
        parent = to->last_id;
    }
    CU_ASSERT_EQUAL(bus_port_owed(bad->port), 4000);
    cells_raw(bad, &(struct record){.kind = RECORD_CANCEL, .id = 1}, NULL);
    cells_run(&all);
    CU_ASSERT_EQUAL(bus_port_owed(bad->port), 0);
    CU_ASSERT_EQUAL(bus_port_owed(callee->port), 0);
    finish();
}

const struct test_case tests[] = {
    {"violations", test_violations},
    {"ignored", test_ignored},
    {"not_its_own", test_not_its_own},
    {"slot_reused", test_slot_reused},
    {"slot_reused_then_dead", test_slot_reused_then_dead},
    {"request_too_large", test_request_too_large},
    {"empty_pieces", test_empty_pieces},
    {"overrun", test_overrun},
    {"endless_body", test_endless_body},
    {"status_changes", test_status_changes},
    {"many_calls", test_many_calls},
    {"long_chain", test_long_chain},
    {0},
};

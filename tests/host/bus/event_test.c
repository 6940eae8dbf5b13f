/* event_test.c - one record per interested cell, bounded backlogs, counted losses. */
#include "bus/bus_private.h"
#include "host/bus/cells.h"
#include "test.h"

#include <aiex/aiex_pack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct cells all;
static struct cell_rig *from, *x, *y;

static void begin(void)
{
    cells_init(&all);
    from = cells_add(&all, "from", 1);
    x = cells_add(&all, "x", 3);
    y = cells_add(&all, "y", 1);
}

static void finish(void)
{
    CU_ASSERT_EQUAL(from->violations + x->violations + y->violations, 0);
    CU_ASSERT_EQUAL(from->proto_errors + x->proto_errors + y->proto_errors, 0);
    cells_done(&all);
}

static void publish_n(const char *topic, int n, size_t len)
{
    struct aiex_slice data = cells_body(n, len);

    CU_ASSERT_EQUAL(
        endpoint_publish(from->endpoint, 0,
                         &(struct aiex_event){.topic = topic, .type = "t", .data = data}),
        0);
    free((void *)data.data);
}

static int64_t seen_n(const struct cell_rig *cell)
{
    struct aiex_slice s = {cell->last_body.data, cell->last_body.len}, data;

    return aiex_get_whole(s, "data", &data) == 1 ? cells_body_n(data) : -9;
}

static int64_t missed_of(const struct cell_rig *cell)
{
    int64_t missed = 0;

    aiex_get_int((struct aiex_slice){cell->last_body.data, cell->last_body.len}, "missed", &missed);
    return missed;
}

static void test_one_record_per_cell(void)
{
    struct bus_stats stats;

    begin();
    for (unsigned i = 0; i < 3; i++)
        endpoint_subscribe(x->endpoint, i, "a.*");
    endpoint_subscribe(x->endpoint, 0, "a.b");
    endpoint_subscribe(y->endpoint, 0, "other.*");
    endpoint_subscribe(from->endpoint, 0, "a.b"); /* hears itself */
    cells_run(&all);
    publish_n("a.b", 1, 10);
    cells_run(&all);
    CU_ASSERT_EQUAL(x->events, 3);
    CU_ASSERT_EQUAL(y->events, 0);
    CU_ASSERT_EQUAL(from->events, 1);
    bus_stats(all.bus, &stats);
    CU_ASSERT_EQUAL(stats.events, 1);
    CU_ASSERT_EQUAL(stats.deliveries, 2);
    /* counted per instance: the cell is interested until the last one leaves */
    endpoint_unsubscribe(x->endpoint, 0, "a.*");
    endpoint_unsubscribe(x->endpoint, 0, "a.b");
    endpoint_unsubscribe(x->endpoint, 1, "a.*");
    cells_run(&all);
    publish_n("a.b", 2, 10);
    cells_run(&all);
    CU_ASSERT_EQUAL(x->events, 4);
    endpoint_unsubscribe(x->endpoint, 2, "a.*");
    cells_run(&all);
    publish_n("a.b", 3, 10);
    cells_run(&all);
    CU_ASSERT_EQUAL(x->events, 4);
    bus_stats(all.bus, &stats);
    CU_ASSERT_EQUAL(stats.deliveries, 5); /* and its own */
    finish();
}

/* Who comes and goes between two events of one topic is seen. */
static void test_ports_change(void)
{
    struct cell_rig *late;

    begin();
    endpoint_subscribe(x->endpoint, 0, "t");
    cells_run(&all);
    publish_n("t", 1, 10);
    cells_run(&all);
    late = cells_add(&all, "late", 1);
    endpoint_subscribe(late->endpoint, 0, "t");
    cells_run(&all);
    publish_n("t", 2, 10);
    cells_run(&all);
    CU_ASSERT_EQUAL(late->events, 1);
    cells_kill(x);
    publish_n("t", 3, 10);
    cells_run(&all);
    CU_ASSERT_EQUAL(late->events, 2);
    CU_ASSERT_EQUAL(x->events, 2);
    finish();
}

/* A slow cell: newest events are kept within the bound, in order, and it is told what it missed. */
static void test_backlog(void)
{
    struct bus_stats stats;
    unsigned before;

    begin();
    endpoint_subscribe(x->endpoint, 0, "t");
    endpoint_subscribe(y->endpoint, 0, "t");
    cells_run(&all);
    publish_n("t", 0, 10);
    cells_run(&all);
    x->stopped = 1;
    x->room = 4000;
    for (int i = 1; i <= 500; i++) {
        publish_n("t", i, 1000);
        cells_run(&all);
    }
    CU_ASSERT_EQUAL(y->events, 501); /* not held up */
    CU_ASSERT_EQUAL(missed_of(y), 0);
    bus_stats(all.bus, &stats);
    CU_ASSERT(stats.events_dropped > 300 && stats.events_dropped < 500);
    before = x->events;
    x->stopped = 0;
    cells_run(&all);
    CU_ASSERT_EQUAL(seen_n(x), 500);
    CU_ASSERT_EQUAL(x->events - before, 500 - stats.events_dropped);
    x->room = 0;
    publish_n("t", 501, 10);
    cells_run(&all);
    CU_ASSERT_EQUAL(seen_n(x), 501);
    CU_ASSERT_EQUAL(missed_of(x), 0);
    CU_ASSERT_EQUAL(all.bus->backlog, 0);
    finish();
}

/* Every event is either delivered, in order, or counted as missed before the next one. */
static uint64_t expected, sum_missed, wrong;

static int check_order(struct cell_rig *cell, unsigned instance, const struct aiex_message *m)
{
    uint64_t missed = (uint64_t)missed_of(cell);

    expected += missed;
    sum_missed += missed;
    wrong += (uint64_t)seen_n(cell) != expected;
    expected++;
    return 0;
}

static void test_missed_is_exact(void)
{
    unsigned seed = 5;

    begin();
    expected = sum_missed = wrong = 0;
    x->handle = check_order;
    endpoint_subscribe(x->endpoint, 0, "t");
    cells_run(&all);
    for (int i = 0; i < 3000; i++) {
        seed = seed * 1664525u + 1013904223u;
        if (seed >> 24 < 10)
            x->stopped = !x->stopped;
        x->room = 8000;
        publish_n("t", i, 10 + (seed >> 16) % 3000);
        cells_run(&all);
    }
    x->stopped = 0;
    x->room = 0;
    cells_run(&all);
    publish_n("t", 3000, 10);
    cells_run(&all);
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(expected, 3001);
    CU_ASSERT(sum_missed > 100);
    finish();
}

/* A slow cell dies with its backlog. */
static void test_dies_with_backlog(void)
{
    begin();
    endpoint_subscribe(x->endpoint, 0, "t");
    cells_run(&all);
    x->stopped = 1;
    x->room = 4000;
    for (int i = 0; i < 50; i++)
        publish_n("t", i, 1000);
    cells_run(&all);
    CU_ASSERT_EQUAL(all.bus->backlog, 1);
    cells_kill(x);
    CU_ASSERT_EQUAL(all.bus->backlog, 0);
    CU_ASSERT_EQUAL(bus_flush(all.bus), 0);
    finish();
}

/* More patterns than a cell may have: the first ones hold, and nothing breaks. */
static void test_many_patterns(void)
{
    char topic[64];

    begin();
    for (unsigned i = 0; i < PATTERNS_MAX + 50; i++) {
        snprintf(topic, sizeof(topic), "p.%u", i);
        cells_raw(x,
                  &(struct record){.kind = RECORD_SUB, .status = 1, .len = (uint32_t)strlen(topic)},
                  topic);
    }
    for (unsigned i = 0; i < PATTERNS_MAX + 50; i++) {
        snprintf(topic, sizeof(topic), "p.%u", i);
        cells_raw(x,
                  &(struct record){.kind = RECORD_SUB, .status = 0, .len = (uint32_t)strlen(topic)},
                  topic);
        cells_raw(x,
                  &(struct record){.kind = RECORD_SUB, .status = 0, .len = (uint32_t)strlen(topic)},
                  topic);
    }
    CU_ASSERT_EQUAL(x->port->n_patterns, 0);
    finish();
}

const struct test_case tests[] = {
    {"one_record_per_cell", test_one_record_per_cell},
    {"ports_change", test_ports_change},
    {"backlog", test_backlog},
    {"missed_is_exact", test_missed_is_exact},
    {"dies_with_backlog", test_dies_with_backlog},
    {"many_patterns", test_many_patterns},
    {0},
};

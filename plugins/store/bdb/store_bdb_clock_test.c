/*
 * store_bdb_clock_test.c - a wall clock that is set back and forward by an hour, while the store
 * runs and while it does not: order, versions, positions and what is kept do not depend on it.
 */
#include "store_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HOUR_S 3600

static const struct aiex_fake_pair kept[] = {
    {"log_file", "9M"}, {"ballast", "0"}, {"archive", "1G"}, {"keep_backups", "2"}, {0}};

static int shift_s; /* of the wall clock, for the whole process */

int __real_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t);

int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
    int r = __real_clock_gettime(clock, t);

    if (r == 0 && clock == CLOCK_REALTIME)
        t->tv_sec += __atomic_load_n(&shift_s, __ATOMIC_SEQ_CST);
    return r;
}

static void set_clock(int seconds)
{
    __atomic_store_n(&shift_s, seconds, __ATOMIC_SEQ_CST);
}

static long long ms_of(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static const int shifts[] = {-HOUR_S, 0, HOUR_S, -HOUR_S, HOUR_S, 0};

#define N_SHIFTS (sizeof(shifts) / sizeof(*shifts))

static int n_events;

/* Each is acknowledged within a second, with the next version. */
static void append_some(int n)
{
    for (int i = 0; i < n; i++) {
        long long began = ms_of(CLOCK_MONOTONIC);
        const char *a = ask(
            "store.append",
            "{'stream': 's', 'expected': %d, 'events': [{'id': 'e%d', 'type': 't'}]}", n_events,
            n_events);

        n_events++;
        CU_ASSERT_EQUAL(number(a, "version"), n_events);
        CU_ASSERT_TRUE(ms_of(CLOCK_MONOTONIC) - began < 1000);
    }
}

static void all_is_there(void)
{
    HAS(ask("store.verify", "{}"), "'faults':0");
    CU_ASSERT_EQUAL(number(ask("store.read", "{'stream': 's'}"), "events"), n_events);
    CU_ASSERT_EQUAL(number(ask("store.append", "{'stream': 's', 'events': [{'id': 'e0', 'type': "
                                               "'t'}]}"),
                           "version"),
                    1); /* known, and not stored again */
}

static void test_while_it_runs(void)
{
    uint64_t id;
    const char *at;
    int sequence = 0;

    n_events = 0;
    rig_begin(kept);
    id = begin("store.subscribe", "{'name': 'n', 'window': 10000}");
    for (size_t i = 0; i < N_SHIFTS; i++) {
        set_clock(shifts[i]);
        append_some(10);
        all_is_there();
    }
    at = parts_of(id);
    while ((at = strstr(at, "'sequence':")) != NULL) {
        at += strlen("'sequence':");
        CU_ASSERT_EQUAL(atoi(at), ++sequence);
    }
    CU_ASSERT_EQUAL(sequence, n_events);
    rig_close();
    rig_end();
}

static void test_over_restarts(void)
{
    n_events = 0;
    set_clock(0);
    rig_begin(kept);
    for (size_t i = 0; i < N_SHIFTS; i++) {
        append_some(10);
        rig_close();
        set_clock(shifts[i]);
        rig_open(kept);
        CU_ASSERT_TRUE(comes("store.health", "'healthy':true"));
        all_is_there();
    }
    rig_close();
    rig_end();
}

/* What lives for a time lives that long by the clock on the wall. */
static void test_expiry(void)
{
    set_clock(0);
    rig_begin(kept);
    HAS(ask("store.transact",
            "{'operations': [{'op': 'put', 'table': 't', 'key': 'k', 'value': 'v', 'ttl_ms': %d}]}",
            HOUR_S * 1000 / 2),
        "'version'");
    set_clock(-HOUR_S);
    HAS(ask("store.range", "{'table': 't'}"), "'rows':1");
    set_clock(HOUR_S);
    HAS(ask("store.range", "{'table': 't'}"), "'rows':0");
    set_clock(0);
    HAS(ask("store.verify", "{}"), "'faults':0");
    rig_close();
    rig_end();
}

/* The newest ones are kept, not those with the latest times; each point can be had by sequence. */
static void test_backups(void)
{
    const char *list;

    n_events = 0;
    set_clock(0);
    rig_begin(kept);
    for (int i = 0; i < 4; i++) {
        append_some(10);
        set_clock(-i * HOUR_S);
        HAS(ask("store.backup", "{'path': 'b%d'}", i), "'verified':true");
    }
    list = ask("store.backups", "{}");
    CU_ASSERT_FALSE(strstr(list, "'path':'b0'") || strstr(list, "'path':'b1'"));
    CU_ASSERT_TRUE(strstr(list, "'path':'b2'") < strstr(list, "'path':'b3'"));
    CU_ASSERT_PTR_NOT_NULL(strstr(list, "'path':'b2'"));
    append_some(10);
    set_clock(-5 * HOUR_S);
    append_some(10);
    CU_ASSERT_EQUAL(number(ask("store.restore", "{'path': 'b3', 'to_sequence': 55}"), "sequence"),
                    55);
    n_events = 55;
    append_some(10);
    all_is_there();
    rig_close();
    rig_open(kept);
    all_is_there();
    rig_close();
    rig_end();
}

/* A point by time ends before the first transaction that is later, also when earlier times follow.
 */
static void test_point_by_time(void)
{
    long long then;

    n_events = 0;
    set_clock(0);
    rig_begin(kept);
    append_some(10);
    HAS(ask("store.backup", "{'path': 'b'}"), "'verified':true");
    append_some(10);
    then = ms_of(CLOCK_REALTIME) + HOUR_S * 500;
    set_clock(HOUR_S);
    append_some(10);
    set_clock(0);
    append_some(10);
    CU_ASSERT_EQUAL(
        number(ask("store.restore", "{'path': 'b', 'to_time': %lld}", then), "sequence"), 20);
    n_events = 20;
    all_is_there();
    rig_close();
    rig_end();
}

const struct test_case tests[] = {
    {"while it runs", test_while_it_runs},
    {"over restarts", test_over_restarts},
    {"expiry", test_expiry},
    {"backups", test_backups},
    {"point by time", test_point_by_time},
    {0},
};

/*
 * store_bdb_point_test.c - restores to a point in time: exactly what was there, streams and tables,
 * whatever came after; and what there is to choose from.
 */
#include "store_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const struct aiex_fake_pair kept[] = {
    {"log_file", "9M"}, {"checkpoint", "1M"}, {"ballast", "0"}, {"archive", "1G"}, {0}};

static int n;

/* One event and a row that says how many there are, one transaction each, all at once. */
static void write_some(int count)
{
    uint64_t last = 0;

    for (int i = 0; i < count; i++) {
        n++;
        last = begin("store.transact",
                     "{'operations': [{'op': 'append', 'stream': 's%d', 'events': [{'id': 'e%d', "
                     "'type': 't', 'data': '%0800d'}]}, {'op': 'put', 'table': 'count', 'key': "
                     "'n', 'value': '%d'}, {'op': 'put', 'table': 'rows', 'key': '%d'}]}",
                     n % 5, n, n, n, n);
    }
    HAS(end_of(last), "'version'");
    aiex_fake_forget(h);
}

static int is_base64(const char *json, int value)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char plain[16] = "", wanted[64] = "'value':'", *out = wanted + strlen(wanted);
    int len = snprintf(plain, sizeof(plain), "%d", value);

    for (int i = 0; i < len; i += 3) {
        unsigned bits = (unsigned)plain[i] << 16 | (unsigned)plain[i + 1] << 8 |
                        (i + 2 < len ? (unsigned)plain[i + 2] : 0);

        *out++ = digits[bits >> 18 & 63];
        *out++ = digits[bits >> 12 & 63];
        *out++ = i + 1 < len ? digits[bits >> 6 & 63] : '=';
        *out++ = i + 2 < len ? digits[bits & 63] : '=';
    }
    *out = 0;
    return strstr(json, wanted) != NULL;
}

/* The store is what it was behind event `at`. */
static void is_at(int at)
{
    const char *row;

    CU_ASSERT_EQUAL(number(ask("store.read", "{}"), "events"), at);
    CU_ASSERT_EQUAL(number(ask("store.range", "{'table': 'rows', 'limit': 1000}"), "rows") > 0, 1);
    CU_ASSERT_EQUAL(number(ask("store.status", "{}"), "sequence"), at);
    row = ask("store.get", "{'table': 'count', 'key': 'n'}");
    if (!is_base64(row, at)) {
        printf("\n  at %d: %s\n", at, row);
        CU_FAIL("the table is that of another point");
    }
    HAS(ask("store.get", "{'table': 'rows', 'key': '%d'}", at), "'found':true");
    HAS(ask("store.get", "{'table': 'rows', 'key': '%d'}", at + 1), "'found':false");
    HAS(ask("store.verify", "{}"), "'faults':0");
    CU_ASSERT_TRUE(comes("store.health", "'healthy':true"));
    aiex_fake_forget(h);
}

static void test_to_sequence(void)
{
    static const int points[] = {777, 200, 512, 999, 201};

    n = 0;
    rig_begin(kept);
    write_some(200);
    HAS(ask("store.backup", "{'path': 'b'}"), "'verified':true");
    for (int i = 0; i < 8; i++)
        write_some(100);
    is_at(1000);
    HAS(ask("store.restore", "{'path': 'b', 'to_sequence': 700, 'dry_run': true}"),
        "'sequence':700");
    HAS(ask("store.restore", "{'path': 'b', 'to_sequence': 700, 'dry_run': true}"),
        "'present':1000,'lost_events':300,'lost_transactions':300,'dry_run':true");
    is_at(1000);
    for (size_t i = 0; i < sizeof(points) / sizeof(*points); i++) {
        const char *a = ask("store.restore", "{'path': 'b', 'to_sequence': %d}", points[i]);

        CU_ASSERT_EQUAL(number(a, "sequence"), points[i]);
        is_at(points[i]);
        n = points[i]; /* another history from here on */
        write_some(3);
        is_at(points[i] + 3);
    }
    rig_close();
    rig_open(kept);
    is_at(204);
    rig_close();
    rig_end();
}

const struct test_case tests[] = {
    {"to a sequence", test_to_sequence},
    {0},
};

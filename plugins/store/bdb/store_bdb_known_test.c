/*
 * store_bdb_known_test.c - ids that are new are known to be new without a look at the tree, and one
 * that is stored is never taken for new: right after it came, after a restart, while the filter is
 * made, and when there is none.
 */
#include "store_rig.h"

#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IDS_STORED 5000
#define PER_BATCH  500

static int is_made(void *arg)
{
    return atomic_load(&((struct store *)arg)->known.is_made);
}

static void wait_until_made(void)
{
    CU_ASSERT_EQUAL(aiex_fake_poll_until(h, is_made, self, RIG_WAIT_MS), 0);
}

/* Scattered over the order of all. */
static unsigned scattered(int n)
{
    return (unsigned)n * 2654435761u;
}

static void append_all(int duplicates)
{
    for (int n = 0; n < IDS_STORED;) {
        static char body[PER_BATCH * 40 + 100];
        int len = snprintf(body, sizeof(body), "{'stream': 's', 'events': [");
        const char *a;

        for (int i = 0; i < PER_BATCH; i++, n++)
            len += snprintf(body + len, sizeof(body) - (size_t)len, "%s{'id': '%08x', 'type': 't'}",
                            i ? "," : "", scattered(n));
        snprintf(body + len, sizeof(body) - (size_t)len, "]}");
        a = ask("store.append", "%s", body);
        HAS(a, duplicates ? "'duplicate':true" : "'duplicate':false");
        CU_ASSERT_EQUAL(number(a, "version"), n);
    }
}

/* How many of as many ids that are not stored need a look. */
static int looks(void)
{
    uint8_t key[10] = "e";
    int n = 0;

    for (int i = IDS_STORED; i < 2 * IDS_STORED; i++) {
        snprintf((char *)key + 1, 9, "%08x", scattered(i));
        n += !known_absent(self, key, 9);
    }
    return n;
}

static void test_what_is_stored_is_found(void)
{
    rig_begin(NULL);
    wait_until_made();
    append_all(0);
    append_all(1);
    CU_ASSERT_TRUE(looks() < IDS_STORED / 50);
    rig_close();
    rig_open(NULL);
    append_all(1); /* while the filter is made */
    wait_until_made();
    append_all(1);
    CU_ASSERT_TRUE(looks() < IDS_STORED / 50);
    ((struct store *)self)->known.too_many = 1;
    append_all(1);
    CU_ASSERT_EQUAL(looks(), IDS_STORED);
    HAS(ask("store.verify", "{}"), "'faults':0");
    rig_close();
    rig_end();
}

/* A batch that is taken back leaves its ids, which costs a look and nothing else. */
static void test_taken_back(void)
{
    rig_begin(NULL);
    wait_until_made();
    HAS(ask("store.append", "{'stream': 's', 'expected': 7, 'events': [{'id': 'a', 'type': 't'}]}"),
        "conflict");
    HAS(ask("store.append", "{'stream': 's', 'events': [{'id': 'a', 'type': 't'}]}"),
        "'duplicate':false");
    HAS(ask("store.append", "{'stream': 'other', 'events': [{'id': 'a', 'type': 't'}]}"),
        "conflict: event id 'a' is one of another stream");
    HAS(ask("store.transact", "{'operations': [{'op': 'append', 'stream': 's', 'events': [{'id': "
                              "'b', 'type': 't'}]}, "
                              "{'op': 'append', 'stream': 's', 'expected': 99, 'events': [{'id': "
                              "'c', 'type': 't'}]}]}"),
        "conflict");
    HAS(ask("store.append", "{'stream': 's', 'events': [{'id': 'b', 'type': 't'}]}"),
        "'duplicate':false");
    CU_ASSERT_EQUAL(number(ask("store.read", "{}"), "events"), 2);
    rig_close();
    rig_end();
}

/* Filters are added until there are too many ids; then everything is looked for. */
static void test_many(void)
{
    static struct store s;
    const uint32_t n = 400000;
    uint32_t missed = 0, looked = 0, more = 0;
    uint8_t key[5] = "e";

    known_begin(&s, 0);
    atomic_store(&s.known.is_made, 1);
    for (uint32_t i = 0; i < n; i++) {
        memcpy(key + 1, &i, 4);
        known_add(&s, key, 5);
    }
    for (uint32_t i = 0; i < 2 * n; i++) {
        memcpy(key + 1, &i, 4);
        missed += i < n && known_absent(&s, key, 5);
        looked += i >= n && !known_absent(&s, key, 5);
    }
    CU_ASSERT_EQUAL(missed, 0);
    CU_ASSERT_TRUE(looked < n / 25);
    CU_ASSERT_EQUAL(s.known.n_more, 3);
    while (!s.known.too_many && more < 20000000) {
        more++;
        memcpy(key + 1, &more, 4);
        known_add(&s, key, 5);
    }
    CU_ASSERT_TRUE(s.known.too_many && more < 20000000);
    CU_ASSERT_FALSE(known_absent(&s, (const uint8_t *)"never", 5));
    known_end(&s);
}

const struct test_case tests[] = {
    {"what is stored is found", test_what_is_stored_is_found},
    {"taken back", test_taken_back},
    {"many", test_many},
    {0},
};

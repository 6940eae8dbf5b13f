/*
 * store_bdb_ids_test.c - an id that is stored is known, wherever it is kept: in memory, young or
 * old, half filed, or in the tree; also after a restart, after its neighbours were erased, and in a
 * store of before, when all were in the tree.
 */
#include "store_rig.h"

#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 500

static struct store *store(void)
{
    return self;
}

/* Scattered over the order of all. */
static unsigned scattered(int n)
{
    return (unsigned)n * 2654435761u;
}

static int next; /* events that are there */

/* As many more. */
static void append(int events)
{
    static char body[CHUNK * 40 + 100];
    int end = next + events;

    while (next < end) {
        int len = snprintf(body, sizeof(body), "{'stream': 's', 'events': [");

        for (int i = 0; i < CHUNK && next < end; i++, next++)
            len += snprintf(body + len, sizeof(body) - (size_t)len, "%s{'id': '%08x', 'type': 't'}",
                            i ? "," : "", scattered(next));
        snprintf(body + len, sizeof(body) - (size_t)len, "]}");
        HAS(ask("store.append", "%s", body), "'duplicate':false");
    }
}

static const char *again(int n)
{
    return ask("store.append", "{'stream': 's', 'events': [{'id': '%08x', 'type': 't'}]}",
               scattered(n));
}

/* Every so many of them are sent again. */
static void are_known(int step)
{
    for (int n = 0; n < next; n += step) {
        const char *a = again(n);

        HAS(a, "'duplicate':true");
        CU_ASSERT_EQUAL(number(a, "sequence"), n + 1);
    }
}

static void is_sound(void)
{
    HAS(ask("store.verify", "{}"), "'faults':0");
}

/* Ids that only memory has. */
static int in_memory(void)
{
    return (int)(store()->writer.tail.sequence - store()->writer.tail.filed);
}

static void test_each_age(void)
{
    rig_begin(NULL);
    next = 0;
    for (int i = 0; i < 7; i++) { /* a run and a half: the old one is half filed, and so on */
        append(IDS_RUN / 2);
        are_known(397);
        is_sound();
        CU_ASSERT_TRUE(in_memory() <= (int)IDS_MOST);
        rig_close();
        rig_open(NULL);
        are_known(389);
        is_sound();
    }
    CU_ASSERT_TRUE(store()->writer.tail.filed >= IDS_RUN);
    rig_close();
    rig_end();
}

/* An erased event's id is free; the others' are not. */
static void is_erased(int n)
{
    HAS(ask("store.erase", "{'stream': 's', 'from': %d, 'to': %d}", n + 1, n + 1), "'removed':1");
    HAS(again(n - 1), "'duplicate':true");
    HAS(again(n + 1), "'duplicate':true");
    HAS(again(n), "'duplicate':false");
    HAS(again(n), "'duplicate':true");
    is_sound();
}

static void test_erased(void)
{
    static const unsigned ages[] = {10, IDS_RUN - 10, IDS_RUN + 10};

    for (int i = 0; i < 3; i++) { /* the first erasing finds them where they are */
        rig_begin(NULL);
        next = 0;
        append(IDS_RUN * 3 / 2); /* an old run, half filed, and a young one */
        CU_ASSERT_TRUE(in_memory() > (int)IDS_RUN);
        is_erased((int)ages[i % 3]);
        CU_ASSERT_TRUE(in_memory() < 10);
        is_erased((int)ages[(i + 1) % 3]);
        if (i == 0) { /* and the rest of them comes behind it */
            int before = next;

            append(IDS_RUN);
            for (int n = before; n < next; n += 97)
                HAS(again(n), "'duplicate':true");
            is_sound();
        }
        rig_close();
        rig_open(NULL);
        HAS(again((int)ages[i % 3]), "'duplicate':true");
        is_sound();
        rig_close();
        rig_end();
    }
}

/* A batch that could not be written is none, and its ids are free. */
static void test_taken_back(void)
{
    rig_begin(NULL);
    next = 0;
    append(200);
    state_set(self, UNSURE, "the test says so");
    HAS(again(next), "read_only");
    state_clear(self, UNSURE);
    HAS(ask("store.transact",
            "{'operations': [{'op': 'append', 'stream': 's', 'events': [{'id': '%08x', 'type': "
            "'t'}]}, {'op': 'append', 'stream': 's', 'expected': 9, 'events': [{'id': 'x', 'type': "
            "'t'}]}]}",
            scattered(next)),
        "conflict");
    append(1);
    are_known(1);
    rig_close();
    rig_end();
}

/* Its counters are without the one of ids. */
static void make_older(void)
{
    static const uint8_t key[1] = {'T'};
    uint8_t tail[200];
    int n = env_get(&store()->env, META, NULL, key, 1, tail, sizeof(tail));

    CU_ASSERT_TRUE_FATAL(n > (int)EVENT_HASH + 8);
    memmove(tail + n - EVENT_HASH - 8, tail + n - EVENT_HASH, EVENT_HASH);
    CU_ASSERT_EQUAL(env_put(&store()->env, META, NULL, key, 1, tail, (size_t)n - 8, 0), 0);
}

static void test_store_of_before(void)
{
    rig_begin(NULL);
    next = 0;
    append(1000);
    HAS(ask("store.erase", "{'stream': 's', 'from': 1000, 'to': 1000}"), "'removed':1");
    next--;
    CU_ASSERT_EQUAL(in_memory(), 0); /* as if each had been put with its event */
    make_older();
    rig_close();
    rig_open(NULL);
    are_known(7);
    is_sound();
    rig_close();
    rig_end();
}

const struct test_case tests[] = {
    {"each age", test_each_age},
    {"erased", test_erased},
    {"taken back", test_taken_back},
    {"store of before", test_store_of_before},
    {0},
};

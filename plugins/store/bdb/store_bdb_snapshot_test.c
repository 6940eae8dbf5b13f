/*
 * store_bdb_snapshot_test.c - store.snapshot: one state over two streams and a table while writers
 * run. The writers move amounts between the rows of a table and say so in two streams, all in one
 * transaction; so in every state the sum is the same, and the row `count` says how many events each
 * of the streams has.
 */
#include "store_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS  300
#define START 1000

struct bank {
    long balance[ROWS];
    int there[ROWS], moves;
    unsigned dice;
};

static char text[8000];

static const char *value_of(long balance)
{
    static char out[4][3000];
    static unsigned turn;
    char *v = out[turn++ % 4];

    snprintf(v, 3000, "%ld ", balance);
    memset(v + strlen(v), 'x', 2000);
    v[2010] = 0;
    return v;
}

static unsigned roll(struct bank *b, unsigned n)
{
    b->dice = b->dice * 1103515245u + 12345u;
    return (b->dice >> 8) % n;
}

/* Moves an amount, all of it one time in three: then the row is deleted. One that gets something is
 * made. So rows come and go, but do not become few. */
static uint64_t move(struct bank *b)
{
    unsigned from = roll(b, ROWS), to = roll(b, ROWS);
    long amount = roll(b, 3) ? b->balance[from] / 2 : b->balance[from];
    size_t n;

    if (from == to || !b->there[from] || !amount)
        return 0;
    b->balance[to] += amount;
    b->balance[from] -= amount;
    b->there[from] = b->balance[from] != 0;
    b->there[to] = 1;
    b->moves++;
    n = (size_t)snprintf(text, sizeof(text),
                         "{'operations': [{'op': 'append', 'stream': 'left', 'events': [{'id': "
                         "'l%d', 'type': 'move'}]}, ",
                         b->moves);
    n += b->there[from]
             ? (size_t)snprintf(text + n, sizeof(text) - n,
                                "{'op': 'put', 'table': 'bank', 'key': 'row%03u', 'value': '%s'}",
                                from, value_of(b->balance[from]))
             : (size_t)snprintf(text + n, sizeof(text) - n,
                                "{'op': 'delete', 'table': 'bank', 'key': 'row%03u'}", from);
    n += (size_t)snprintf(text + n, sizeof(text) - n,
                          ", {'op': 'put', 'table': 'bank', 'key': 'row%03u', 'value': '%s'}, "
                          "{'op': 'put', 'table': 'count', 'key': 'moves', 'value': '%d'}, ",
                          to, value_of(b->balance[to]), b->moves);
    snprintf(text + n, sizeof(text) - n,
             "{'op': 'append', 'stream': 'right', 'events': [{'id': 'r%d', 'type': 'move'}]}]}",
             b->moves);
    return begin("store.transact", "%s", text);
}

static void moves(struct bank *b, int n)
{
    uint64_t last = 0;

    for (int i = 0; i < n; i++) {
        uint64_t id = move(b);

        last = id ? id : last;
    }
    if (last)
        HAS(end_of(last), "'version':");
}

static void fill(struct bank *b)
{
    memset(b, 0, sizeof(*b));
    b->dice = 7;
    for (int i = 0; i < ROWS; i++) {
        b->balance[i] = START;
        b->there[i] = 1;
        HAS(ask("store.transact",
                "{'operations': [{'op': 'put', 'table': 'bank', 'key': 'row%03d', 'value': '%s'}]}",
                i, value_of(START)),
            "'version':");
    }
    HAS(ask("store.transact",
            "{'operations': [{'op': 'put', 'table': 'count', 'key': 'moves', 'value': '0'}, {'op': "
            "'put', 'table': 'other', 'key': 'k', 'value': 'v'}]}"),
        "'version':");
}

/* ---- What a snapshot said ---- */

struct seen {
    long sum, count;
    int rows, parts, tables;
    uint64_t sequence;
    char last[64]; /* key, to see the order */
    int disorder;
};

static void see_row(struct seen *s, struct aiex_slice row, int is_bank)
{
    struct aiex_slice key = {NULL, 0}, value = {NULL, 0};
    char digits[32] = "", name[64] = "";

    CU_ASSERT_EQUAL(aiex_get_bytes(row, "key", &key), 1);
    CU_ASSERT_EQUAL(aiex_get_bytes(row, "value", &value), 1);
    memcpy(digits, value.data, value.len < 31 ? value.len : 31);
    memcpy(name, key.data, key.len < 63 ? key.len : 63);
    if (is_bank) {
        s->disorder += strcmp(s->last, name) >= 0;
        strcpy(s->last, name);
        s->sum += strtol(digits, NULL, 10);
    } else if (strcmp(name, "moves") == 0) {
        s->count = strtol(digits, NULL, 10);
    }
    s->rows++;
}

static void see_part(struct seen *s, struct aiex_slice part)
{
    struct aiex_value rows;
    struct aiex_slice table = {NULL, 0};
    int64_t sequence = 0;

    s->parts++;
    if (aiex_get_int(part, "sequence", &sequence) == 1) {
        s->sequence = (uint64_t)sequence;
        CU_ASSERT_EQUAL(aiex_get(part, "tables", &rows), 1);
        s->tables = (int)rows.count;
        return;
    }
    CU_ASSERT_EQUAL_FATAL(aiex_get_str(part, "table", &table), 1);
    CU_ASSERT_EQUAL_FATAL(aiex_get(part, "rows", &rows), 1);
    for (uint32_t i = 0; i < rows.count; i++) {
        struct aiex_slice row = rows.bytes;

        CU_ASSERT_EQUAL_FATAL(aiex_r_skip(&rows.bytes), 0);
        row.len -= rows.bytes.len;
        see_row(s, row, aiex_slice_is(table, "bank"));
    }
}

static struct seen seen_of(uint64_t id)
{
    struct seen s = {0};
    const struct aiex_fake_record *r;

    for (size_t i = 0; (r = aiex_fake_nth(h, AIEX_FAKE_STREAM, i)) != NULL; i++)
        if (r->id == id)
            see_part(&s, r->body);
    return s;
}

/* Events of a stream up to the snapshot. */
static long events_upto(const char *stream, uint64_t sequence)
{
    const char *at;
    char wanted[64];
    long n = 0;

    if (!sequence) /* before the first: to 0 would be all of them */
        return 0;
    at = ask_all("store.read", "{'to': %llu}", (unsigned long long)sequence);
    snprintf(wanted, sizeof(wanted), "'stream':'%s'", stream);
    for (; (at = strstr(at, wanted)) != NULL; at++)
        n++;
    return n;
}

static void is_one_state(uint64_t id)
{
    struct seen s = seen_of(id);

    CU_ASSERT_EQUAL(s.sum, (long)ROWS * START);
    CU_ASSERT_EQUAL(s.disorder, 0);
    CU_ASSERT_EQUAL(events_upto("left", s.sequence), s.count);
    CU_ASSERT_EQUAL(events_upto("right", s.sequence), s.count);
}

/* ---- Tests ---- */

static int is_answered(void *arg)
{
    return aiex_fake_answer(h, *(uint64_t *)arg) != NULL;
}

/* Between any two parts some moves are made, and all of them are acknowledged. */
static void test_moves_between_parts(void)
{
    struct bank b;
    uint64_t id;

    rig_begin(NULL);
    fill(&b);
    moves(&b, 40);
    for (int round = 0; round < 3; round++) {
        aiex_fake_window(h, 1);
        id = begin("store.snapshot", "{'tables': ['bank', 'coun*']}");
        while (!is_answered(&id)) {
            moves(&b, 25);
            aiex_fake_resume(h, id);
            aiex_fake_poll(h, 5);
        }
        aiex_fake_window(h, 0);
        HAS(end_of(id), "'noted_bytes':");
        CU_ASSERT_TRUE(number(end_of(id), "noted_bytes") > 0);
        CU_ASSERT_TRUE(seen_of(id).parts > 2); /* rows merge as they move */
        CU_ASSERT_EQUAL(seen_of(id).tables, 2);
        is_one_state(id);
        CU_ASSERT_TRUE(seen_of(id).count < b.moves);
    }
    rig_close();
    rig_end();
}

/* Nothing waits: moves are on their way while the parts are made. */
static void test_moves_meanwhile(void)
{
    struct bank b;
    uint64_t id;

    rig_begin(NULL);
    fill(&b);
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 20; i++)
            move(&b);
        id = begin("store.snapshot", "{'tables': ['bank', 'count']}");
        for (int i = 0; i < 100 && !is_answered(&id); i++) {
            move(&b);
            aiex_fake_poll(h, 0);
        }
        HAS(end_of(id), "'rows':");
        is_one_state(id);
    }
    moves(&b, 1);
    rig_close();
    rig_end();
}

static void test_all_tables_and_none(void)
{
    struct bank b;
    uint64_t id;

    rig_begin(NULL);
    id = begin("store.snapshot", "{}");
    HAS(end_of(id), "'sequence':0");
    CU_ASSERT_EQUAL(seen_of(id).tables, 0);
    fill(&b);
    id = begin("store.snapshot", "{}");
    HAS(end_of(id), "'rows':302");
    CU_ASSERT_EQUAL(seen_of(id).tables, 3);
    id = begin("store.snapshot", "{'tables': []}");
    HAS(end_of(id), "'rows':0");
    HAS(ask("store.snapshot", "{'tables': 'bank'}"), "invalid: field 'tables'");
    HAS(ask("store.snapshot", "{'tables': [1]}"), "invalid: field 'tables'");
    rig_close();
    rig_end();
}

/* Rows that are over when it is taken are not in it. */
static void test_expired(void)
{
    rig_begin(NULL);
    ask("store.transact", "{'operations': [{'op': 'put', 'table': 't', 'key': 'short', 'value': "
                          "'v', 'ttl_ms': 1}, {'op': 'put', 'table': 't', 'key': 'long', 'value': "
                          "'v', 'ttl_ms': 100000000}]}");
    while (strstr(ask("store.get", "{'table': 't', 'key': 'short'}"), "true"))
        ;
    HAS(ask("store.snapshot", "{}"), "'rows':1");
    rig_close();
    rig_end();
}

/* One that is given up, or waits for ever, holds nobody up. */
static void test_given_up(void)
{
    struct bank b;
    uint64_t id[5];

    rig_begin(NULL);
    fill(&b);
    aiex_fake_window(h, 1);
    for (int i = 0; i < 5; i++) {
        id[i] = begin("store.snapshot", "{}");
        aiex_fake_poll(h, 1000);
    }
    HAS(end_of(id[4]), "busy: 4 snapshots are being read already");
    moves(&b, 50);
    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(aiex_fake_cancel(h, id[i]), 0);
    aiex_fake_window(h, 0);
    moves(&b, 50);
    id[0] = begin("store.snapshot", "{'tables': ['bank', 'count']}");
    HAS(end_of(id[0]), "'rows':");
    is_one_state(id[0]);
    aiex_fake_window(h, 1);
    begin("store.snapshot", "{}"); /* open while it closes */
    moves(&b, 5);
    rig_close();
    rig_end();
}

/* More changes than are noted: it says so, and the next one works. */
static void test_lost(void)
{
    static char large[1 << 20];
    uint64_t id;

    memset(large, 'y', sizeof(large) - 1);
    rig_begin(NULL);
    for (int i = 0; i < 70; i++)
        ask("store.transact",
            "{'operations': [{'op': 'put', 'table': 'big', 'key': 'k%02d', 'value': '%s'}]}", i,
            large);
    aiex_fake_window(h, 1);
    id = begin("store.snapshot", "{'tables': ['big']}");
    aiex_fake_poll(h, 1000);
    for (int i = 0; i < 70; i++)
        ask("store.transact", "{'operations': [{'op': 'delete', 'table': 'big', 'key': 'k%02d'}]}",
            i);
    aiex_fake_window(h, 0);
    while (!is_answered(&id)) {
        aiex_fake_resume(h, id);
        aiex_fake_poll(h, 5);
    }
    HAS(end_of(id), "busy: more than 64 MiB changed");
    HAS(ask("store.snapshot", "{'tables': ['big']}"), "'rows':0");
    rig_close();
    rig_end();
}

/* Many megabytes of rows that are gone come in parts of a few. */
static void test_deleted_since(void)
{
    static char large[1 << 20];
    uint64_t id;
    size_t longest = 0;
    const struct aiex_fake_record *r;

    memset(large, 'y', sizeof(large) - 1);
    rig_begin(NULL);
    for (int i = 0; i < 20; i++)
        ask("store.transact",
            "{'operations': [{'op': 'put', 'table': 'big', 'key': 'k%02d', 'value': '%s'}]}", i,
            large);
    aiex_fake_window(h, 1);
    id = begin("store.snapshot", "{'tables': ['big']}");
    aiex_fake_poll(h, 1000);
    for (int i = 0; i < 20; i++)
        ask("store.transact", "{'operations': [{'op': 'delete', 'table': 'big', 'key': 'k%02d'}]}",
            i);
    while (!is_answered(&id)) {
        aiex_fake_resume(h, id);
        aiex_fake_poll(h, 5);
    }
    HAS(end_of(id), "'rows':20");
    for (size_t i = 0; (r = aiex_fake_nth(h, AIEX_FAKE_STREAM, i)) != NULL; i++)
        longest = r->body.len > longest ? r->body.len : longest;
    CU_ASSERT_TRUE(longest < (4u << 20));
    rig_close();
    rig_end();
}

const struct test_case tests[] = {
    {"moves between parts", test_moves_between_parts},
    {"moves meanwhile", test_moves_meanwhile},
    {"all tables, and none", test_all_tables_and_none},
    {"rows that are over", test_expired},
    {"given up", test_given_up},
    {"too much changed", test_lost},
    {"deleted since", test_deleted_since},
    {0},
};

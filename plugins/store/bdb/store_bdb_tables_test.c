/* store_bdb_tables_test.c - tables: conditions, indexes, ranges, expiry, snapshots. */
#include "store_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFINE                                                                                     \
    "{'table': 'users', 'indexes': [{'name': 'by_age', 'field': 'age', 'type': 'int'}, {'name': "  \
    "'by_name', 'field': 'name', 'type': 'str'}]}"

/* A row whose value is the map {name, age}. */
static uint64_t put_user(const char *key, const char *name, int64_t age, int64_t ttl_ms)
{
    uint8_t mem[1024], value[512];
    struct aiex_writer w, v;

    aiex_writer_init(&v, value, sizeof(value));
    aiex_w_map(&v, name ? 2 : 1);
    if (name)
        aiex_w_key_str(&v, "name", name);
    aiex_w_key_int(&v, "age", age);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_str(&w, "operations");
    aiex_w_array(&w, 1);
    aiex_w_map(&w, ttl_ms ? 5 : 4);
    aiex_w_key_str(&w, "op", "put");
    aiex_w_key_str(&w, "table", "users");
    aiex_w_key_str(&w, "key", key);
    aiex_w_key_bin(&w, "value", value, v.len);
    if (ttl_ms)
        aiex_w_key_int(&w, "ttl_ms", ttl_ms);
    return aiex_fake_request(h, p, self, "store.transact", aiex_written(&w), 0);
}

static void test_conditions(void)
{
    static const char *const format =
        "{'conditions': [{'table': 't', 'key': 'k', 'version': %lld}], 'operations': [{'op': '%s', "
        "'table': 't', 'key': 'k', 'value': 'v'}, {'op': 'put', 'table': 'u', 'key': 'x'}]}";
    long long version;

    rig_begin(NULL);
    HAS(ask("store.transact", format, 5ll, "put"), "conflict: condition 0: the row has version 0");
    HAS(ask("store.get", "{'table': 'u', 'key': 'x'}"), "{'found':false}");
    version = number(ask("store.transact", format, 0ll, "put"), "version");
    HAS(ask("store.transact", format, 0ll, "put"), "'failed':0");
    CU_ASSERT_EQUAL(number(ask("store.get", "{'table': 't', 'key': 'k'}"), "version"), version);
    HAS(ask("store.transact", format, version, "delete"), "'version':");
    HAS(ask("store.get", "{'table': 't', 'key': 'k'}"), "{'found':false}");
    HAS(ask("store.transact", format, 0ll, "put"), "'version':");
    /* a row that was deleted and made again is another one */
    HAS(ask("store.transact", format, version, "put"), "conflict");
    rig_close();
    rig_open(NULL);
    HAS(ask("store.get", "{'table': 't', 'key': 'k'}"), "'value':'dg=='");
    HAS(ask("store.status", "{}"), "'tables':2");
    rig_close();
    rig_end();
}

static void test_define(void)
{
    rig_begin(NULL);
    IS(ask("store.define", DEFINE), "{}");
    IS(ask("store.define", DEFINE), "{}");
    HAS(ask("store.define", "{'table': 'users'}"), "conflict: table 'users' is defined with other");
    HAS(ask("store.define", "{'table': 'x', 'indexes': [{'name': 'a', 'field': 'f', 'type': 'int'},"
                            "{'name': 'a', 'field': 'g', 'type': 'int'}]}"),
        "invalid: index 'a' is defined twice");
    rig_close();
    rig_open(NULL);
    IS(ask("store.define", DEFINE), "{}");
    HAS(end_of(put_user("k", "name", 7, 0)), "'version'");
    HAS(ask("store.transact",
            "{'operations': [{'op': 'put', 'table': 'users', 'key': 'k', 'value': 'no map'}]}"),
        "invalid: field 'age' of the value is no int");
    HAS(ask("store.verify", "{}"), "'faults':0");
    rig_close();
    rig_end();
}

static void test_ranges(void)
{
    static const int ages[] = {-5, 300, 0, 42, 7, -1000000, 42};
    char key[8], name[8];

    rig_begin(NULL);
    ask("store.define", DEFINE);
    for (int i = 0; i < 7; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        snprintf(name, sizeof(name), "n%d", 6 - i);
        end_of(put_user(key, i == 3 ? NULL : name, ages[i], 0));
    }
    HAS(ask_all("store.range", "{'table': 'users', 'index': 'by_age', 'limit': 1}"),
        "'key':'azU='");
    HAS(ask("store.range", "{'table': 'users', 'index': 'by_age', 'from': 0, 'to': 43}"),
        "{'rows':4,'end':true}");
    HAS(ask("store.range", "{'table': 'users', 'index': 'by_age', 'from': 42, 'to': 43}"),
        "{'rows':2,'end':true}");
    HAS(ask_all("store.range",
                "{'table': 'users', 'index': 'by_age', 'backwards': true, 'limit': 1}"),
        "'key':'azE='");
    HAS(ask("store.range", "{'table': 'users', 'index': 'by_name'}"), "'rows':6");
    HAS(ask("store.range", "{'table': 'users', 'index': 'by_name', 'from': 'n4', 'to': 'n6'}"),
        "'rows':2");
    HAS(ask("store.range", "{'table': 'users', 'from': 'k2', 'to': 'k5'}"), "'rows':3");
    HAS(ask("store.range", "{'table': 'users', 'from': 'k2', 'to': 'k5', 'backwards': true}"),
        "'rows':3");
    HAS(ask("store.range", "{'table': 'users', 'index': 'none'}"), "not_found: table 'users' has");
    HAS(ask("store.range", "{'table': 'users', 'index': 'by_age', 'from': 'x'}"), "invalid");
    HAS(ask("store.range", "{'table': 'none'}"), "{'rows':0,'end':true}");
    /* a changed field moves, a deleted row goes */
    end_of(put_user("k0", "n6", 1000, 0));
    HAS(ask_all("store.range",
                "{'table': 'users', 'index': 'by_age', 'backwards': true, 'limit': 1}"),
        "'key':'azA='");
    ask("store.transact", "{'operations': [{'op': 'delete', 'table': 'users', 'key': 'k0'}]}");
    HAS(ask("store.range", "{'table': 'users', 'index': 'by_age', 'from': 1000}"), "'rows':0");
    HAS(ask("store.verify", "{}"), "'faults':0");
    rig_close();
    rig_end();
}

/* The whole of a table through tokens, both ways, and back-pressure between the parts. */
static void test_pages(void)
{
    char *value = malloc(4001);
    uint64_t last = 0;

    memset(value, 'v', 4000);
    value[4000] = 0;
    rig_begin(NULL);
    for (int i = 0; i < 3000; i++)
        last = begin("store.transact",
                     "{'level': 'written', 'operations': [{'op': 'put', 'table': 't', "
                     "'key': 'k%05d', 'value': '%s'}]}",
                     i, value);
    HAS(end_of(last), "'version'");
    for (int backwards = 0; backwards < 2; backwards++) {
        uint8_t mem[4096];
        struct aiex_slice next = {NULL, 0};
        int64_t rows = 0, got = 0;
        int end = 0, pages = 0;

        while (!end && ++pages < 100) {
            struct aiex_writer w;
            const struct aiex_fake_record *r;
            uint64_t id;

            aiex_writer_init(&w, mem, sizeof(mem));
            aiex_w_map(&w, 3);
            aiex_w_key_str(&w, "table", "t");
            aiex_w_key_bool(&w, "backwards", backwards);
            aiex_w_key_bin(&w, "token", next.data, next.len);
            aiex_fake_window(h, pages == 1 ? 1 : 0);
            id = aiex_fake_request(h, p, self, "store.range", aiex_written(&w), 0);
            while (!aiex_fake_answer(h, id)) {
                aiex_fake_poll(h, 100);
                aiex_fake_resume(h, id);
            }
            r = aiex_fake_answer(h, id);
            CU_ASSERT_EQUAL_FATAL(r->kind, AIEX_FAKE_REPLY);
            CU_ASSERT_EQUAL(aiex_get_int(r->body, "rows", &got), 1);
            aiex_get_bool(r->body, "end", &end);
            rows += got;
            if (!end)
                CU_ASSERT_EQUAL_FATAL(aiex_get_bytes(r->body, "next", &next), 1);
        }
        CU_ASSERT_EQUAL(rows, 3000);
        CU_ASSERT_EQUAL(pages, 6);
    }
    HAS(ask("store.range", "{'table': 't', 'limit': 3000}"), "'rows':5");
    rig_close();
    rig_end();
    free(value);
}

static void test_expiry(void)
{
    rig_begin(NULL);
    ask("store.define", DEFINE);
    end_of(put_user("short", "a", 1, 1));
    end_of(put_user("long", "b", 2, 100000));
    end_of(put_user("turned", "c", 3, 1));
    end_of(put_user("turned", "c", 3, 0)); /* for ever after all */
    CU_ASSERT_TRUE(comes("store.status", "'phase':'open'"));
    while (!strstr(ask("store.get", "{'table': 'users', 'key': 'short'}"), "'found':false"))
        aiex_fake_poll(h, 1);
    HAS(ask("store.range", "{'table': 'users'}"), "'rows':2");
    HAS(ask("store.range", "{'table': 'users', 'index': 'by_age'}"), "'rows':2");
    /* a row that is over does not exist for conditions, swept or not */
    HAS(ask("store.transact",
            "{'conditions': [{'table': 'users', 'key': 'short', 'version': 0}], 'operations': "
            "[{'op': 'delete', 'table': 'users', 'key': 'nothing'}]}"),
        "'version'");
    HAS(ask("store.get", "{'table': 'users', 'key': 'turned'}"), "'expires':0");
    /* the sweep removes what is over, its index entries, and nothing else */
    for (int i = 0; i < 1000 && number(ask("store.verify", "{}"), "checked") != 6; i++)
        aiex_fake_poll(h, 10);
    CU_ASSERT_EQUAL(number(ask("store.verify", "{}"), "checked"), 6); /* 2 rows, 4 fields */
    rig_close();
    rig_end();
}

/* Sums over two rows that are always changed together. */
static void test_one_state(void)
{
    uint64_t ranges[200];

    rig_begin(NULL);
    ask("store.transact", "{'operations': [{'op': 'put', 'table': 't', 'key': 'a', 'value': '0'},"
                          "{'op': 'put', 'table': 't', 'key': 'b', 'value': '0'}]}");
    for (int i = 0; i < 200; i++) {
        begin("store.transact",
              "{'operations': [{'op': 'put', 'table': 't', 'key': 'a', 'value': '%d'}, {'op': "
              "'put', 'table': 't', 'key': 'b', 'value': '%d'}]}",
              i, i);
        ranges[i] = begin("store.range", "{'table': 't'}");
    }
    for (int i = 0; i < 200; i++) {
        char a[32] = "", b[32] = "";
        const char *rows, *at;

        HAS(end_of(ranges[i]), "'rows':2");
        rows = parts_of(ranges[i]);
        at = strstr(rows, "'value':'");
        CU_ASSERT_EQUAL_FATAL(at && sscanf(at, "'value':'%31[^']", a), 1);
        at = strstr(at + 1, "'value':'");
        CU_ASSERT_EQUAL_FATAL(at && sscanf(at, "'value':'%31[^']", b), 1);
        CU_ASSERT_STRING_EQUAL(a, b);
    }
    rig_close();
    rig_end();
}

/* Far more batches than transactions may be open, in a cache that holds a few of the pages. */
static void test_many_batches(void)
{
    rig_begin((struct aiex_fake_pair[]){{"cache", "2M"}, {0}});
    for (int i = 0; i < 1200; i++) {
        HAS(ask("store.transact",
                "{'level': 'written', 'operations': [{'op': 'put', 'table': 't', 'key': '%d', "
                "'value': '%0500d'}]}",
                i * 7919 % 1001, i),
            "'version'");
        if (i % 50 == 0)
            HAS(ask("store.range", "{'table': 't', 'limit': 10}"), "'rows'");
        if (i % 100 == 0)
            aiex_fake_forget(h);
    }
    HAS(ask("store.range", "{'table': 't'}"), "{'rows':1001,'end':true}");
    rig_close();
    rig_end();
}

/* Values of 8 MiB, the most there is, and one byte more. */
static void test_large_values(void)
{
    const size_t most = 8u << 20;
    uint8_t *mem = malloc(most + 1000), *value = malloc(most + 1);

    memset(value, 'V', most + 1);
    rig_begin(NULL);
    for (size_t n = most; n <= most + 1; n++) {
        struct aiex_writer w;
        const char *a;

        aiex_writer_init(&w, mem, most + 1000);
        aiex_w_map(&w, 1);
        aiex_w_str(&w, "operations");
        aiex_w_array(&w, 1);
        aiex_w_map(&w, 4);
        aiex_w_key_str(&w, "op", "put");
        aiex_w_key_str(&w, "table", "t");
        aiex_w_key_str(&w, "key", "k");
        aiex_w_key_bin(&w, "value", value, n);
        a = end_of(aiex_fake_request(h, p, self, "store.transact", aiex_written(&w), 0));
        HAS(a, n == most ? "'version':1" : "invalid: field 'value'");
    }
    for (int i = 0; i < 2; i++) {
        uint64_t id = begin(i ? "store.range" : "store.get", "{'table': 't', 'key': 'k'}");

        end_of(id);
        CU_ASSERT_EQUAL_FATAL(aiex_fake_answer(h, id)->kind, AIEX_FAKE_REPLY);
        CU_ASSERT_TRUE(i ? aiex_fake_parts(h, id).len > most
                         : aiex_fake_answer(h, id)->body.len > most);
    }
    HAS(ask("store.verify", "{}"), "'faults':0");
    rig_close();
    rig_end();
    free(value);
    free(mem);
}

const struct test_case tests[] = {
    {"conditions", test_conditions},
    {"define", test_define},
    {"ranges", test_ranges},
    {"pages", test_pages},
    {"expiry", test_expiry},
    {"one state", test_one_state},
    {"many batches", test_many_batches},
    {"large values", test_large_values},
    {0},
};

/*
 * store_bdb_load_test.c - everything at once: 64 writers, and readers of every way beside them.
 * Nobody waits for ever, nobody sees what can not be.
 */
#include "store_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WRITERS 64
#define ROUNDS  40

static const char *const reads[][2] = {
    {"store.read", "{}"},
    {"store.read", "{'backwards': true}"},
    {"store.read", "{'stream': 's3'}"},
    {"store.read", "{'stream': 's3', 'backwards': true}"},
    {"store.read", "{'type': 't1'}"},
    {"store.read", "{'type': 't1', 'backwards': true}"},
    {"store.read", "{'correlation': 'c2'}"},
    {"store.read", "{'from_time': 10, 'to_time': 20}"},
    {"store.range", "{'table': 'rows'}"},
    {"store.range", "{'table': 'rows', 'backwards': true}"},
    {"store.range", "{'table': 'rows', 'index': 'by_n'}"},
    {"store.range", "{'table': 'rows', 'index': 'by_n', 'backwards': true}"},
    {"store.get", "{'table': 'rows', 'key': '5'}"},
    {"store.verify", "{}"},
    {"store.status", "{}"},
};

#define N_READS (sizeof(reads) / sizeof(*reads))

static uint64_t put(int w, int n)
{
    uint8_t mem[1024], value[64];
    struct aiex_writer out, v;
    char text[32];

    aiex_writer_init(&v, value, sizeof(value));
    aiex_w_map(&v, 1);
    aiex_w_key_int(&v, "n", n * 7919 % 1000);
    aiex_writer_init(&out, mem, sizeof(mem));
    aiex_w_map(&out, 1);
    aiex_w_str(&out, "operations");
    aiex_w_array(&out, 2);
    aiex_w_map(&out, 4);
    aiex_w_key_str(&out, "op", "put");
    aiex_w_key_str(&out, "table", "rows");
    snprintf(text, sizeof(text), "%d", w);
    aiex_w_key_str(&out, "key", text);
    aiex_w_key_bin(&out, "value", value, v.len);
    aiex_w_map(&out, 3);
    aiex_w_key_str(&out, "op", "append");
    snprintf(text, sizeof(text), "s%d", w % 5);
    aiex_w_key_str(&out, "stream", text);
    aiex_w_str(&out, "events");
    aiex_w_array(&out, 1);
    aiex_w_map(&out, 4);
    snprintf(text, sizeof(text), "%d.%d", w, n);
    aiex_w_key_str(&out, "id", text);
    aiex_w_key_str(&out, "type", n % 2 ? "t1" : "t0");
    aiex_w_key_int(&out, "time", n);
    aiex_w_key_str(&out, "correlation", n % 3 ? "c1" : "c2");
    return aiex_fake_request(h, p, self, "store.transact", aiex_written(&out), 0);
}

static void test_all_at_once(void)
{
    uint64_t writes[WRITERS], asked[N_READS] = {0}, erasing = 0;
    int answers = 0;

    rig_begin((struct aiex_fake_pair[]){
        {"cache", "1M"}, {"checkpoint", "1M"}, {"readers", "4"}, {"ballast", "0"}, {0}});
    ask("store.define", "{'table': 'rows', 'indexes': [{'name': 'by_n', 'field': 'n', 'type': "
                        "'int'}]}");
    begin("store.subscribe", "{'name': 'all', 'window': 10000}");
    for (int n = 0; n < ROUNDS; n++) {
        for (int w = 0; w < WRITERS; w++)
            writes[w] = put(w, n);
        for (size_t i = 0; i < N_READS; i++)
            if (!asked[i] || aiex_fake_answer(h, asked[i])) {
                answers += asked[i] != 0;
                if (asked[i])
                    CU_ASSERT_EQUAL(aiex_fake_answer(h, asked[i])->kind, AIEX_FAKE_REPLY);
                asked[i] = begin(reads[i][0], "%s", reads[i][1]);
            }
        if (n % 8 == 7)
            erasing = begin("store.compact", "{'stream': 's1', 'keep_from': %d}", n * 5);
        for (int w = 0; w < WRITERS; w++)
            HAS(end_of(writes[w]), "'version'");
    }
    HAS(end_of(erasing), "'removed'");
    for (size_t i = 0; i < N_READS; i++)
        CU_ASSERT_PTR_NULL(strstr(end_of(asked[i]), ": "));
    CU_ASSERT_TRUE(answers > 0);
    HAS(ask("store.verify", "{}"), "'faults':0");
    CU_ASSERT_EQUAL(number(ask("store.status", "{}"), "sequence"), WRITERS * ROUNDS);
    HAS(ask("store.range", "{'table': 'rows', 'index': 'by_n'}"), "'rows':64");
    rig_close();
    rig_end();
}

const struct test_case tests[] = {
    {"all at once", test_all_at_once},
    {0},
};

/* service_context_interactions_test.c - rows of requests to models: from the ledger's records to
 * the store, once each, whatever fails between; and how they are read. */
#include "context_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct aiex_fake_pair on[] = {{"interactions", "on"}, {0}};

/* One record as the ledger tails it; it began at `time`. */
static void record(int n, int64_t time, const char *user, const char *model)
{
    uint8_t mem[512];
    char id[20];
    struct aiex_writer w;

    snprintf(id, sizeof(id), "%016x", n);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 7);
    aiex_w_key_str(&w, "id", id);
    aiex_w_key_int(&w, "time", time);
    aiex_w_key_int(&w, "ticket", n);
    aiex_w_str(&w, "principal");
    aiex_w_map(&w, 1);
    aiex_w_key_str(&w, "user", user);
    aiex_w_key_str(&w, "model", model);
    aiex_w_key_int(&w, "total_ms", 10);
    aiex_w_key_int(&w, "cost", n);
    CU_ASSERT_EQUAL_FATAL(aiex_fake_answer_part(h, rig_tail, aiex_written(&w)), 0);
}

static size_t rows(void)
{
    return fake_store_rows(store, "llm_interaction");
}

/* Until the ledger was asked. */
static void begin_tail(const struct aiex_fake_pair *pairs)
{
    rig_tail = 0;
    rig_begin(pairs);
    rig_advance(2000);
    CU_ASSERT_FATAL(rig_tail != 0);
}

static void records_become_rows(void)
{
    const struct aiex_fake_record *call;
    const char *a;

    begin_tail(on);
    call = aiex_fake_find(h, AIEX_FAKE_CALL, "ledger.tail", 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    CU_ASSERT_TRUE(call->flags & AIEX_CALL_MANUAL);
    record(1, now - 3000, "ada", "m1");
    record(2, now - 2000, "bob", "m1");
    record(3, now - 1000, "ada", "m2");
    CU_ASSERT_TRUE(aiex_fake_uncredited(h, rig_tail) > 0); /* not before they are written */
    rig_advance(2000);
    CU_ASSERT_EQUAL(rows(), 3);
    CU_ASSERT_EQUAL(aiex_fake_uncredited(h, rig_tail), 0);
    a = ask("context.interactions", "{}");
    CU_ASSERT_TRUE(strstr(a, "'cost':3") < strstr(a, "'cost':2"));
    HAS(a, "'cost':1");
    a = ask("context.interactions", "{'user':'ada'}");
    HAS(a, "'cost':3");
    HAS(a, "'cost':1");
    CU_ASSERT_PTR_NULL(strstr(a, "'cost':2"));
    HAS(ask("context.interactions", "{'model':'m2'}"), "'user':'ada'");
    a = ask("context.interactions", "{'model':'m1','to_time':%lld}", (long long)now - 4500);
    HAS(a, "'cost':1");
    CU_ASSERT_PTR_NULL(strstr(a, "'cost':2"));
    HAS(ask("context.interactions", "{'user':'nobody'}"), "'interactions':[]");
    HAS(ask("context.interactions", "{'user':'a','model':'b'}"), "invalid");
    HAS(ask("context.interactions", "{'limit':0}"), "invalid");
    CU_ASSERT_EQUAL(number(ask("context.stats", "{}"), "interactions"), 3);
    rig_end();
}

static void off_means_that_nobody_is_asked(void)
{
    struct aiex_error err;

    rig_tail = 0;
    rig_begin(NULL);
    rig_advance(3000);
    CU_ASSERT_EQUAL(rig_tail, 0);
    CU_ASSERT_EQUAL(aiex_fake_reload(h, p, self, on, &err), 0);
    rig_advance(3000);
    CU_ASSERT_TRUE_FATAL(rig_tail != 0);
    record(1, now, "ada", "m");
    CU_ASSERT_EQUAL(aiex_fake_reload(h, p, self, NULL, &err), 0);
    rig_advance(3000);
    CU_ASSERT_EQUAL(aiex_fake_answer_part(h, rig_tail, (struct aiex_slice){NULL, 0}), -ENOENT);
    rig_end();
}

static void many_go_in_batches(void)
{
    begin_tail(on);
    for (int i = 0; i < 1000; i++)
        record(i, now - 1000 + i / 3, "ada", "m");
    rig_advance(20000);
    CU_ASSERT_EQUAL(rows(), 1000);
    CU_ASSERT_EQUAL(aiex_fake_uncredited(h, rig_tail), 0);
    rig_end();
}

static void a_page_goes_on_where_the_last_one_ended(void)
{
    uint8_t body[512], seen[30] = {0};
    struct aiex_slice next = {NULL, 0};
    int pages = 0, all = 0;

    begin_tail(on);
    for (int i = 0; i < 30; i++)
        record(i, now - 1000, "ada", "m"); /* all in one millisecond */
    rig_advance(3000);
    do {
        const struct aiex_fake_record *end;
        struct aiex_value list;
        struct aiex_writer w;
        uint64_t id;

        aiex_writer_init(&w, body, sizeof(body));
        aiex_w_map(&w, 2 + (next.len != 0));
        aiex_w_key_str(&w, "user", "ada");
        aiex_w_key_int(&w, "limit", 7);
        if (next.len)
            aiex_w_key_bin(&w, "next", next.data, next.len);
        id = begin_body("context.interactions", aiex_written(&w));
        rig_advance(200);
        end = aiex_fake_answer(h, id);
        CU_ASSERT_TRUE_FATAL(end && end->kind == AIEX_FAKE_REPLY);
        CU_ASSERT_EQUAL_FATAL(aiex_get(end->body, "interactions", &list), 1);
        for (uint32_t i = 0; i < list.count; i++) {
            struct aiex_slice row = list.bytes;
            int64_t cost = -1;

            aiex_r_skip(&list.bytes);
            row.len -= list.bytes.len;
            aiex_get_int(row, "cost", &cost);
            CU_ASSERT_FATAL(cost >= 0 && cost < 30 && !seen[cost]);
            seen[cost] = 1;
            all++;
        }
        next = (struct aiex_slice){NULL, 0};
        aiex_get_bytes(end->body, "next", &next);
    } while (next.len && ++pages < 10);
    CU_ASSERT_EQUAL(all, 30);
    rig_end();
}

/* The process ends; the ledger sends again what it has. */
static void a_restart_writes_each_once(void)
{
    int64_t then;

    begin_tail(on);
    then = now;
    for (int i = 0; i < 10; i++)
        record(i, then - 500000 + i, "ada", "m"); /* long ago */
    for (int i = 10; i < 20; i++)
        record(i, then + i, "ada", "m");
    rig_advance(3000);
    CU_ASSERT_EQUAL(rows(), 20);
    for (int i = 20; i < 25; i++)
        record(i, then + i, "ada", "m"); /* sent, not written */
    rig_kill();
    rig_tail = 0;
    rig_open(on);
    rig_advance(3000);
    CU_ASSERT_TRUE_FATAL(rig_tail != 0);
    for (int i = 0; i < 25; i++)
        record(i, i < 10 ? then - 500000 + i : then + i, "ada", "m");
    rig_advance(3000);
    CU_ASSERT_EQUAL(rows(), 25);
    CU_ASSERT_EQUAL(number(ask("context.stats", "{}"), "interactions"), 15); /* not the old ones */
    rig_end();
}

static void whatever_the_store_says(void)
{
    for (int f = FATE_BUSY; f < N_FATES; f++)
        for (unsigned at = 1; at < 4; at++) {
            begin_tail(on);
            for (int i = 0; i < 100; i++)
                record(i, now - 100 + i, "ada", "m");
            fate = (enum fate)f;
            fate_at = at;
            rig_advance(30000);
            fate_at = 0;
            CU_ASSERT_EQUAL(rows(), 100);
            CU_ASSERT_EQUAL(aiex_fake_uncredited(h, rig_tail), 0);
            rig_end();
        }
}

static void the_ledger_comes_and_goes(void)
{
    unsigned before;

    begin_tail(on);
    record(1, now, "ada", "m");
    aiex_fake_answer_error(h, rig_tail, AIEX_E_CRASHED, "gone", 0, (struct aiex_slice){NULL, 0});
    before = rig_tails;
    rig_advance(3000);
    CU_ASSERT_EQUAL(rig_tails, before + 1);
    record(1, now - 3000, "ada", "m");
    record(2, now, "ada", "m");
    rig_advance(3000);
    CU_ASSERT_TRUE(rows() >= 2);
    rig_end();
}

static void odd_records(void)
{
    static const char *const odd[] = {"",     "\xc0",        "\x80", "\x81\xa4time\x05",
                                      "\x01", "\xdf\xff\xff"};

    begin_tail(on);
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
        aiex_fake_answer_part(h, rig_tail,
                              (struct aiex_slice){(const uint8_t *)odd[i], strlen(odd[i])});
    CU_ASSERT_EQUAL(aiex_fake_uncredited(h, rig_tail), 0);
    rig_advance(2000);
    CU_ASSERT_EQUAL(rows(), 0);
    rig_end();
}

static void old_rows_go(void)
{
    begin_tail((struct aiex_fake_pair[]){
        {"interactions", "on"}, {"interactions_keep", "1h"}, {"sweep", "1s"}, {0}});
    for (int i = 0; i < 600; i++)
        record(i, now - 30000, "ada", "m");
    rig_advance(5000);
    record(1000, now + 3600000, "ada", "m");
    rig_advance(2000);
    CU_ASSERT_EQUAL(rows(), 601);
    now += 3600000;
    rig_advance(10000);
    CU_ASSERT_EQUAL(rows(), 1);
    rig_end();
}

const struct test_case tests[] = {
    {"records_become_rows", records_become_rows},
    {"off_means_that_nobody_is_asked", off_means_that_nobody_is_asked},
    {"many_go_in_batches", many_go_in_batches},
    {"a_page_goes_on_where_the_last_one_ended", a_page_goes_on_where_the_last_one_ended},
    {"a_restart_writes_each_once", a_restart_writes_each_once},
    {"whatever_the_store_says", whatever_the_store_says},
    {"the_ledger_comes_and_goes", the_ledger_comes_and_goes},
    {"odd_records", odd_records},
    {"old_rows_go", old_rows_go},
    {0},
};

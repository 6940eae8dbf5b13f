/* tier_hot through its descriptor: the contract, the limit in bytes, reload, memory that fails. */
#include "tier_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);

#define LEN 12345u

/* An entry with a value of LEN bytes and the answer with it are a little larger; what the rig and
 * the fake host allocate for such a request is not between these. */
static int fails;

void *__wrap_malloc(size_t n)
{
    return fails && n > LEN + 75 && n <= LEN + 128 ? NULL : __real_malloc(n);
}

static const struct aiex_fake_pair small[] = {{"max_bytes", "1M"}, {0}};

static void keeps(void)
{
    tier_open(NULL);
    contract_keeps();
    tier_close();
}

static void ends_in_time(void)
{
    tier_open(NULL);
    contract_ends_in_time();
    tier_close();
}

static void refuses(void)
{
    tier_open(NULL);
    contract_refuses();
    tier_close();
}

static void candidates(void)
{
    tier_open(NULL);
    contract_candidates();
    tier_close();
}

static void metrics(void)
{
    tier_open(NULL);
    contract_metrics("hot");
    tier_close();
}

static void agrees_with_the_model(void)
{
    tier_open(NULL);
    contract_model(4000, 1);
    tier_close();
    tier_open(small);
    contract_model(4000, 0);
    tier_close();
}

static void fill(int n, size_t len)
{
    static uint8_t value[1 << 20];
    char key[16];

    for (int i = 0; i < n; i++) {
        sprintf(key, "%d", i);
        CU_ASSERT_STRING_EQUAL(
            tier_put(&(struct tier_put){.key = key, .value = value, .value_len = len}), "");
    }
}

static void holds_no_more_than_it_may(void)
{
    static uint8_t big[1 << 20];
    struct aiex_slice a;

    tier_open(small);
    fill(500, 5000);
    CU_ASSERT_TRUE(tier_stat("bytes") <= 1 << 20);
    CU_ASSERT_TRUE(tier_stat("bytes") > 1000000);
    CU_ASSERT_EQUAL(tier_stat("evictions") + tier_stat("entries"), 500);
    a = tier_answer(
        tier_put_begin(&(struct tier_put){.key = "large", .value = big, .value_len = 100000}));
    CU_ASSERT_TRUE(tier_number(a, "evicted") >= 19);
    CU_ASSERT_EQUAL(tier_number(a, "bytes"), tier_stat("bytes"));
    CU_ASSERT_STRING_EQUAL(
        tier_put(&(struct tier_put){.key = "k", .value = big, .value_len = sizeof(big)}), "busy");
    CU_ASSERT_STRING_NOT_EQUAL(tier_get("large"), "-");
    tier_close();
}

static void shrinks(void)
{
    uint8_t mem[32];
    struct aiex_writer w;
    struct aiex_slice a;
    int64_t before;

    tier_open(NULL);
    fill(500, 5000);
    before = tier_stat("bytes");
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_key_int(&w, "bytes", 1000000);
    a = tier_answer(tier_ask_begin("tier.shrink", aiex_written(&w)));
    CU_ASSERT_TRUE(tier_number(a, "freed") >= 1000000);
    CU_ASSERT_EQUAL(tier_number(a, "bytes"), before - tier_number(a, "freed"));
    CU_ASSERT_TRUE(tier_stat("entries") > 250);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_key_int(&w, "bytes", INT64_MAX);
    tier_answer(tier_ask_begin("tier.shrink", aiex_written(&w)));
    CU_ASSERT_EQUAL(tier_stat("entries"), 0);
    tier_close();
}

static void takes_new_limits_and_keeps_entries(void)
{
    struct aiex_error err = {""};

    tier_open(NULL);
    fill(100, 5000);
    CU_ASSERT_EQUAL(
        aiex_fake_reload(h, p, self, (struct aiex_fake_pair[]){{"max_bytes", "2M"}, {0}}, &err), 0);
    CU_ASSERT_EQUAL(tier_stat("entries"), 100);
    CU_ASSERT_EQUAL(tier_stat("max_bytes"), 2 << 20);
    CU_ASSERT_EQUAL(
        aiex_fake_reload(h, p, self, (struct aiex_fake_pair[]){{"max_entries", "40"}, {0}}, &err),
        0);
    CU_ASSERT_EQUAL(tier_stat("entries"), 40);
    tier_close();
}

static void starts_with_little_memory(void)
{
    for (size_t n = 1; n < 6; n++) {
        struct aiex_error err = {""};

        p = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
        h = aiex_fake_host_new(p->name);
        aiex_fake_fail_alloc(h, n);
        if (aiex_fake_start(h, p, NULL, &self, &err) == 0)
            aiex_fake_stop(h, p, self);
        else
            CU_ASSERT_STRING_NOT_EQUAL(err.text, "");
        CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
    }
}

static void says_busy_without_memory(void)
{
    static uint8_t value[LEN];
    struct tier_put put = {.key = "k", .value = value, .value_len = LEN};

    tier_open(NULL);
    tier_put_text("k", "old");
    fails = 1;
    CU_ASSERT_STRING_EQUAL(tier_put(&put), "busy");
    CU_ASSERT_STRING_EQUAL(tier_get("k"), "old");
    fails = 0;
    CU_ASSERT_STRING_EQUAL(tier_put(&put), "");
    fails = 1;
    CU_ASSERT_STRING_EQUAL(tier_get("k"), "!busy");
    fails = 0;
    CU_ASSERT_EQUAL(tier_number(tier_get_whole("k", 0, 1), "uses"), 3);
    tier_close();
}

const struct test_case tests[] = {
    {"keeps", keeps},
    {"ends_in_time", ends_in_time},
    {"refuses", refuses},
    {"candidates", candidates},
    {"metrics", metrics},
    {"agrees_with_the_model", agrees_with_the_model},
    {"holds_no_more_than_it_may", holds_no_more_than_it_may},
    {"shrinks", shrinks},
    {"takes_new_limits_and_keeps_entries", takes_new_limits_and_keeps_entries},
    {"starts_with_little_memory", starts_with_little_memory},
    {"says_busy_without_memory", says_busy_without_memory},
    {0},
};

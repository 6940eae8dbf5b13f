/* tier_warm through its descriptor: the contract with and without compression, what it saves. */
#include "tier_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct aiex_fake_pair small[] = {{"max_bytes", "1M"}, {0}};
static const struct aiex_fake_pair all[] = {{"compress_above", "1"}, {0}};
static const struct aiex_fake_pair plain[] = {{"compress_above", "0"}, {0}};

static void keeps_the_contract(void)
{
    static void (*const cases[])(void) = {contract_keeps, contract_ends_in_time, contract_refuses,
                                          contract_candidates};

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        tier_open(i % 2 ? NULL : all);
        cases[i]();
        tier_close();
    }
    tier_open(NULL);
    contract_metrics("warm");
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

static uint8_t value[400000];

static void put(const char *key, size_t len)
{
    CU_ASSERT_STRING_EQUAL(
        tier_put(&(struct tier_put){.key = key, .value = value, .value_len = len}), "");
}

static int same(const char *key, size_t len)
{
    struct aiex_slice got = {NULL, 0};

    aiex_get_bytes(tier_get_whole(key, 0, 1), "value", &got);
    return got.len == len && memcmp(got.data, value, len) == 0;
}

static void compresses_what_pays(void)
{
    uint64_t x = 88172645463325252ull;
    int64_t before;

    memset(value, 'x', sizeof(value));
    tier_open(NULL);
    before = tier_stat("bytes");
    put("small", 1023);
    CU_ASSERT_EQUAL(tier_stat("packed"), 0);
    put("text", 100000);
    CU_ASSERT_EQUAL(tier_stat("packed"), 1);
    CU_ASSERT_EQUAL(tier_stat("packed_from"), 100000);
    CU_ASSERT_TRUE(tier_stat("bytes") < before + 4000);
    put("huge", 300000); /* would hold up others */
    CU_ASSERT_EQUAL(tier_stat("packed"), 1);
    CU_ASSERT_TRUE(same("small", 1023) && same("text", 100000) && same("huge", 300000));
    for (size_t i = 0; i < 50000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        value[i] = (uint8_t)(x >> 32);
    }
    put("noise", 50000); /* gets no smaller */
    CU_ASSERT_EQUAL(tier_stat("packed"), 1);
    CU_ASSERT_TRUE(same("noise", 50000));
    tier_close();
    tier_open(plain);
    put("text", 100000);
    CU_ASSERT_EQUAL(tier_stat("packed"), 0);
    CU_ASSERT_TRUE(same("text", 100000));
    tier_close();
}

static void keeps_packed_values_over_a_reload(void)
{
    struct aiex_error err = {""};

    memset(value, 'y', sizeof(value));
    tier_open(NULL);
    put("text", 100000);
    CU_ASSERT_EQUAL(aiex_fake_reload(h, p, self, plain, &err), 0);
    CU_ASSERT_TRUE(same("text", 100000));
    put("more", 100000);
    CU_ASSERT_EQUAL(tier_stat("packed"), 1);
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

const struct test_case tests[] = {
    {"keeps_the_contract", keeps_the_contract},
    {"agrees_with_the_model", agrees_with_the_model},
    {"compresses_what_pays", compresses_what_pays},
    {"keeps_packed_values_over_a_reload", keeps_packed_values_over_a_reload},
    {"starts_with_little_memory", starts_with_little_memory},
    {0},
};

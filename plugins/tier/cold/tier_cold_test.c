/* tier_cold through its descriptor: the contract, what survives a restart, order, bounds, drain. */
#include "cold_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void keeps_the_contract(void)
{
    static void (*const cases[])(void) = {contract_keeps, contract_ends_in_time, contract_refuses,
                                          contract_candidates};

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        cold_begin(NULL);
        cold_ready();
        cases[i]();
        cold_end();
    }
    cold_begin(NULL);
    contract_metrics("cold");
    cold_end();
}

static void agrees_with_the_model(void)
{
    cold_begin(NULL);
    contract_model(1500, 1);
    cold_end();
    cold_begin(small_store);
    contract_model(1500, 0);
    CU_ASSERT_TRUE(tier_stat("bytes") <= 4 << 20);
    cold_end();
}

static void survives_a_restart(void)
{
    struct aiex_slice a, meta = {NULL, 0};
    char key[16], value[32];

    cold_begin(NULL);
    for (int i = 0; i < 300; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        snprintf(value, sizeof(value), "value %d", i);
        CU_ASSERT_STRING_EQUAL(tier_put_text(key, "old"), "");
        CU_ASSERT_STRING_EQUAL(
            tier_put(&(struct tier_put){
                .key = key, .value = value, .uses = i, .meta = "m", .ttl_ms = i % 2 ? 10000 : 0}),
            "");
    }
    CU_ASSERT_EQUAL(tier_delete("k7"), 1);
    cold_restart(NULL, 4000);
    CU_ASSERT_STRING_EQUAL(tier_get("k7"), "-");
    CU_ASSERT_STRING_EQUAL(tier_get("k8"), "value 8");
    a = tier_get_whole("k9", 0, 0);
    CU_ASSERT_EQUAL(tier_number(a, "uses"), 9);
    CU_ASSERT_EQUAL(tier_number(a, "age_ms"), 4000);
    CU_ASSERT_EQUAL(tier_number(a, "ttl_ms"), 6000);
    CU_ASSERT_EQUAL(aiex_get_whole(a, "meta", &meta), 1);
    CU_ASSERT_EQUAL(tier_stat("entries"), 299);
    CU_ASSERT_EQUAL(tier_stat("damaged"), 0);
    cold_restart(NULL, 6000); /* to the millisecond */
    CU_ASSERT_STRING_EQUAL(tier_get("k9"), "-");
    CU_ASSERT_STRING_EQUAL(tier_get("k10"), "value 10");
    CU_ASSERT_EQUAL(tier_stat("entries"), 150);
    CU_ASSERT_FALSE(cold_logged("damage"));
    cold_end();
}

static void large_values(void)
{
    static uint8_t noise[5 << 20];
    uint64_t x = 88172645463325252ull;
    struct aiex_slice got = {NULL, 0};

    for (size_t i = 0; i + 8 <= sizeof(noise); i += 8) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(noise + i, &x, 8);
    }
    cold_begin(NULL);
    CU_ASSERT_STRING_EQUAL(
        tier_put(&(struct tier_put){.key = "large", .value = noise, .value_len = sizeof(noise)}),
        "");
    for (int i = 0; i < 2; i++) {
        aiex_get_bytes(tier_get_whole("large", 0, 1), "value", &got);
        CU_ASSERT_EQUAL(got.len, sizeof(noise));
        CU_ASSERT_TRUE(got.len == sizeof(noise) && memcmp(got.data, noise, sizeof(noise)) == 0);
        cold_restart(NULL, 0);
    }
    cold_end();
    cold_begin(small_store);
    CU_ASSERT_STRING_EQUAL(
        tier_put(&(struct tier_put){.key = "large", .value = noise, .value_len = sizeof(noise)}),
        "busy");
    CU_ASSERT_STRING_EQUAL(
        tier_put(&(struct tier_put){.key = "half", .value = noise, .value_len = 1900000}), "");
    CU_ASSERT_STRING_EQUAL(
        tier_put(&(struct tier_put){.key = "half", .value = noise + 1, .value_len = 1900000}), "");
    CU_ASSERT_STRING_EQUAL(
        tier_put(&(struct tier_put){.key = "half", .value = noise + 2, .value_len = 1900000}), "");
    aiex_get_bytes(tier_get_whole("half", 0, 1), "value", &got);
    CU_ASSERT_TRUE(got.len == 1900000 && memcmp(got.data, noise + 2, 1900000) == 0);
    CU_ASSERT_TRUE(tier_stat("bytes") <= 4 << 20);
    cold_end();
}

/* Many at once: few syncs, all in order, if_absent decided in order. */
static void groups_what_comes_together(void)
{
    uint64_t ids[200], same[20], absent[20];
    unsigned before, wins = 0;
    char key[16], value[16];

    cold_begin(NULL);
    cold_ready();
    before = syncs;
    for (int i = 0; i < 200; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        ids[i] = tier_put_begin(&(struct tier_put){.key = key, .value = "v"});
    }
    for (int i = 0; i < 20; i++) {
        snprintf(value, sizeof(value), "%d", i);
        same[i] = tier_put_begin(&(struct tier_put){.key = "same", .value = value});
        absent[i] = tier_put_begin(
            &(struct tier_put){.key = "once", .value = value, .if_absent = 1});
    }
    for (int i = 0; i < 200; i++)
        CU_ASSERT_STRING_EQUAL(tier_wait(ids[i]), "");
    for (int i = 0; i < 20; i++) {
        CU_ASSERT_STRING_EQUAL(tier_wait(same[i]), "");
        wins += !*tier_wait(absent[i]);
    }
    CU_ASSERT_TRUE(syncs - before < 100);
    CU_ASSERT_EQUAL(wins, 1);
    CU_ASSERT_STRING_EQUAL(tier_get("same"), "19");
    CU_ASSERT_STRING_EQUAL(tier_get("once"), "0");
    cold_restart(NULL, 0);
    CU_ASSERT_STRING_EQUAL(tier_get("same"), "19");
    CU_ASSERT_STRING_EQUAL(tier_get("once"), "0");
    cold_end();
}

static void forgets_who_left(void)
{
    cold_begin(NULL);
    cold_ready();
    for (int i = 0; i < 50; i++) {
        uint64_t id = tier_put_begin(&(struct tier_put){.key = "k", .value = "v"});

        if (!aiex_fake_answer(h, id))
            CU_ASSERT_EQUAL(aiex_fake_cancel(h, id), 0);
    }
    CU_ASSERT_STRING_EQUAL(tier_put_text("k", "w"), "");
    CU_ASSERT_STRING_EQUAL(tier_get("k"), "w");
    cold_end(); /* counts what was answered in vain as misuse */
}

/* Puts `n` values that do not get smaller, all at once: few syncs, also on a slow disk. */
static void put_noise(const char *prefix, int from, int n, size_t len)
{
    static uint64_t x = 88172645463325252ull;
    static uint8_t value[20000];
    uint64_t ids[50];
    char key[16];

    for (int i = 0; i < n; i++) {
        for (size_t k = 0; k + 8 <= len; k += 8) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            memcpy(value + k, &x, 8);
        }
        snprintf(key, sizeof(key), "%s%d", prefix, from + i);
        ids[i] = tier_put_begin(
            &(struct tier_put){.key = from < 0 ? prefix : key, .value = value, .value_len = len});
    }
    for (int i = 0; i < n; i++)
        CU_ASSERT_STRING_EQUAL(tier_wait(ids[i]), "");
}

static void is_bounded_and_keeps_what_is_used(void)
{
    char key[16];
    int left = 0;

    cold_begin(small_store);
    for (int i = 0; i < 1500; i += 10) {
        put_noise("k", i, 10, 20000);
        CU_ASSERT_TRUE(tier_stat("bytes") <= 4 << 20);
        for (int k = 0; k < 20 && k <= i; k++) { /* the first twenty are in use */
            snprintf(key, sizeof(key), "k%d", k);
            tier_get_whole(key, 0, 1);
        }
        aiex_fake_forget(h);
    }
    CU_ASSERT_TRUE(tier_stat("evictions") > 1000);
    CU_ASSERT_TRUE(tier_stat("entries") > 100);
    for (int k = 0; k < 20; k++) {
        snprintf(key, sizeof(key), "k%d", k);
        left += strcmp(tier_get(key), "-") != 0;
    }
    CU_ASSERT_EQUAL(left, 20);
    cold_restart(small_store, 0);
    for (int k = 0; k < 20; k++) {
        snprintf(key, sizeof(key), "k%d", k);
        CU_ASSERT_STRING_NOT_EQUAL(tier_get(key), "-");
    }
    cold_end();
}

/* One key over and over: the dead space goes, and what lives stays. */
static void compacts(void)
{
    unsigned most = 0;

    cold_begin(small_store);
    tier_put_text("keep", "me");
    tier_put_text("gone", "x");
    tier_delete("gone");
    for (int i = 0; i < 200; i++) {
        put_noise("hot", -1, 20, 3000);
        if (tier_stat("segments") > most)
            most = (unsigned)tier_stat("segments");
        aiex_fake_forget(h);
    }
    CU_ASSERT_TRUE(tier_stat("bytes") < 2 << 20);
    CU_ASSERT_TRUE(most < 12);
    CU_ASSERT_EQUAL(tier_stat("evictions"), 0);
    CU_ASSERT_STRING_EQUAL(tier_get("keep"), "me");
    CU_ASSERT_STRING_EQUAL(tier_get("gone"), "-");
    cold_restart(small_store, 0);
    CU_ASSERT_STRING_EQUAL(tier_get("keep"), "me");
    CU_ASSERT_STRING_EQUAL(tier_get("gone"), "-");
    CU_ASSERT_EQUAL(tier_stat("entries"), 2);
    cold_end();
}

static int is_drained(void *arg)
{
    return aiex_fake_drained(arg);
}

/* A successor starts while this one works, waits for the files, and has everything. */
static void hands_over(void)
{
    struct aiex_fake_host *old = h;
    void *old_self;
    uint64_t early;

    cold_begin(NULL);
    old = h;
    old_self = self;
    tier_put_text("a", "1");
    tier_open(NULL);
    early = tier_put_begin(&(struct tier_put){.key = "b", .value = "early"});
    CU_ASSERT_EQUAL(
        aiex_fake_cancel(h, tier_put_begin(&(struct tier_put){.key = "c", .value = "cancelled"})),
        0);
    CU_ASSERT_PTR_NULL(aiex_fake_answer(h, early));
    aiex_fake_drain(old, p, old_self);
    CU_ASSERT_EQUAL(aiex_fake_poll_until(old, is_drained, old, 60000), 0);
    CU_ASSERT_STRING_EQUAL(tier_wait(early), "");
    CU_ASSERT_STRING_EQUAL(tier_get("a"), "1");
    CU_ASSERT_STRING_EQUAL(tier_get("b"), "early");
    CU_ASSERT_STRING_EQUAL(tier_get("c"), "-");
    aiex_fake_stop(old, p, old_self);
    CU_ASSERT_EQUAL(aiex_fake_host_free(old), 0);
    cold_end();
}

static void drains_what_is_open(void)
{
    uint64_t ids[50];
    char key[16];

    cold_begin(NULL);
    for (int i = 0; i < 50; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        ids[i] = tier_put_begin(&(struct tier_put){.key = key, .value = "v"});
    }
    aiex_fake_drain(h, p, self);
    CU_ASSERT_EQUAL(aiex_fake_poll_until(h, is_drained, h, 60000), 0);
    for (int i = 0; i < 50; i++)
        CU_ASSERT_STRING_EQUAL(tier_wait(ids[i]), "");
    cold_restart(NULL, 0);
    CU_ASSERT_STRING_EQUAL(tier_get("k49"), "v");
    cold_end();
}

static void says_why_it_can_not_open(void)
{
    char names[4][32], path[400], aside[400];

    cold_begin(NULL);
    tier_put_text("a", "v");
    tier_close();
    CU_ASSERT_EQUAL(cold_segments(names, 4), 1);
    snprintf(path, sizeof(path), "%s", tier_path(names[0]));
    snprintf(aside, sizeof(aside), "%s", tier_path("aside"));
    CU_ASSERT_EQUAL(rename(path, aside), 0);
    CU_ASSERT_EQUAL(mkdir(path, 0700), 0); /* no file there */
    tier_open(NULL);
    CU_ASSERT_STRING_EQUAL(tier_get("a"), "!unavailable");
    CU_ASSERT_TRUE(cold_logged("can not be opened"));
    CU_ASSERT_EQUAL(rmdir(path), 0);
    CU_ASSERT_EQUAL(rename(aside, path), 0);
    while (strcmp(tier_get("a"), "!unavailable") == 0) /* tried again by itself */
        aiex_fake_poll(h, 10);
    CU_ASSERT_STRING_EQUAL(tier_get("a"), "v");
    cold_end();
}

static void starts_with_little_memory(void)
{
    tier_folder();
    for (size_t n = 1; n < 8; n++) {
        struct aiex_error err = {""};

        p = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
        h = aiex_fake_host_new(p->name);
        aiex_fake_data_dir(h, tier_dir);
        aiex_fake_fail_alloc(h, n);
        if (aiex_fake_start(h, p, NULL, &self, &err) == 0) {
            uint64_t id = tier_put_begin(&(struct tier_put){.key = "a", .value = "v"});

            for (int i = 0; !aiex_fake_answer(h, id) && i < 3000; i++) {
                aiex_fake_poll(h, 10); /* when post() fails the timer answers */
                aiex_fake_advance(h, 250);
            }
            CU_ASSERT_STRING_EQUAL(tier_wait(id), "");
            aiex_fake_stop(h, p, self);
        }
        CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
    }
    tier_folder_gone();
    p = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    h = aiex_fake_host_new(p->name);
    CU_ASSERT_EQUAL(aiex_fake_start(h, p, NULL, &self, NULL), -EINVAL); /* no folder */
    aiex_fake_host_free(h);
}

static void takes_new_limits(void)
{
    static uint8_t value[10000];
    struct aiex_error err = {""};
    uint64_t x = 1;
    char key[16];

    cold_begin(NULL);
    for (int i = 0; i < 1000; i++) {
        for (size_t k = 0; k < sizeof(value); k++)
            value[k] = (uint8_t)((x = x * 6364136223846793005u + 1442695040888963407u) >> 56);
        snprintf(key, sizeof(key), "k%d", i);
        tier_put(&(struct tier_put){.key = key, .value = value, .value_len = sizeof(value)});
    }
    CU_ASSERT_TRUE(tier_stat("bytes") > 9 << 20);
    CU_ASSERT_EQUAL(aiex_fake_reload(h, p, self, small_store, &err), 0);
    CU_ASSERT_STRING_EQUAL(tier_put_text("k", "v"), "");
    CU_ASSERT_TRUE(tier_stat("bytes") <= 4 << 20);
    CU_ASSERT_STRING_EQUAL(tier_get("k"), "v");
    cold_end();
}

const struct test_case tests[] = {
    {"keeps_the_contract", keeps_the_contract},
    {"agrees_with_the_model", agrees_with_the_model},
    {"survives_a_restart", survives_a_restart},
    {"large_values", large_values},
    {"groups_what_comes_together", groups_what_comes_together},
    {"forgets_who_left", forgets_who_left},
    {"is_bounded_and_keeps_what_is_used", is_bounded_and_keeps_what_is_used},
    {"compacts", compacts},
    {"hands_over", hands_over},
    {"drains_what_is_open", drains_what_is_open},
    {"says_why_it_can_not_open", says_why_it_can_not_open},
    {"starts_with_little_memory", starts_with_little_memory},
    {"takes_new_limits", takes_new_limits},
    {0},
};

/*
 * Memory is short: a tier in memory gives back to a colder one, in its turn and to its share, and
 * loses nothing that the colder one takes. The test plays that one: quick, slow, full, silent.
 */
#include "tier_rig.h"

#include <stdio.h>
#include <string.h>

#define VALUE 5000
#define N     180 /* some 900 KB of 1 MiB */

static const struct aiex_fake_pair small[] = {{"max_bytes", "1M"}, {0}};

/* ---- The host ---- */

static void memory_is(const char *level, int step)
{
    uint8_t mem[128];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "type", level);
    aiex_w_str(&w, "data");
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "level", level);
    aiex_w_key_int(&w, "step", step);
    CU_ASSERT_EQUAL(aiex_fake_event(h, p, self, "host.memory", aiex_written(&w)), 0);
}

/* A field of what the host was told last. */
static int64_t told(const char *field)
{
    const struct aiex_fake_record *last = NULL, *r;

    for (size_t i = 0; (r = aiex_fake_find(h, AIEX_FAKE_CAST, "host.memory_use", i)) != NULL; i++)
        last = r;
    return last ? tier_number(last->body, field) : -1;
}

/* ---- The colder tier ---- */

static char seen[N][16]; /* keys that it has */
static int n_seen;
static const char *refusal; /* NULL: it takes */
static unsigned silent;     /* 1 = the test answers later */

static int colder(void *arg, struct aiex_fake_host *host, const struct aiex_fake_record *call)
{
    struct aiex_slice key = {NULL, 0}, value = {NULL, 0};

    (void)arg;
    if (strcmp(call->name, "tier.put") != 0)
        return 0;
    CU_ASSERT_STRING_EQUAL(call->service, "tier_cold");
    if (silent)
        return 0;
    if (refusal)
        return aiex_fake_answer_error(host, call->id, refusal, "no", 0, (struct aiex_slice){0});
    CU_ASSERT_EQUAL(aiex_get_bytes(call->body, "key", &key), 1);
    CU_ASSERT_EQUAL(aiex_get_bytes(call->body, "value", &value), 1);
    CU_ASSERT_EQUAL(value.len, VALUE);
    CU_ASSERT_FATAL(n_seen < N && key.len < 16);
    memcpy(seen[n_seen], key.data, key.len);
    seen[n_seen++][key.len] = 0;
    return aiex_fake_answer_ok(host, call->id, (struct aiex_slice){NULL, 0});
}

static void begin(void)
{
    static uint8_t value[VALUE];
    char key[16];

    n_seen = 0;
    refusal = NULL;
    silent = 0;
    tier_open(small);
    aiex_fake_on_call(h, colder, NULL);
    for (int i = 0; i < N; i++) {
        snprintf(key, sizeof(key), "%d", i);
        tier_put(&(struct tier_put){
            .key = key, .value = value, .value_len = VALUE, .ttl_ms = 3600000, .meta = "m"});
    }
    CU_ASSERT_EQUAL(tier_stat("entries"), N);
}

static int is_there(int i)
{
    char key[16];

    snprintf(key, sizeof(key), "%d", i);
    return *tier_get(key) != '-';
}

/* Each entry is here or in the colder tier. */
static int nothing_is_lost(void)
{
    int lost = 0;

    for (int i = 0; i < N; i++) {
        char key[16];
        int elsewhere = 0;

        snprintf(key, sizeof(key), "%d", i);
        for (int k = 0; k < n_seen; k++)
            elsewhere |= strcmp(seen[k], key) == 0;
        lost += !elsewhere && !is_there(i);
    }
    return lost == 0;
}

/* ---- Cases ---- */

static void registers(void)
{
    begin();
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(h, AIEX_FAKE_SUBSCRIBE, "host.memory", 0));
    CU_ASSERT_EQUAL(told("order"), 3);
    CU_ASSERT_EQUAL(told("percent"), 100);
    CU_ASSERT_EQUAL(told("limit"), 1 << 20);
    tier_close();
}

/* Not before its turn, as much as the level says, and all again afterwards. */
static void gives_in_its_turn_and_to_its_share(void)
{
    static const struct {
        const char *level;
        int64_t percent;
    } t[] = {{"elevated", 50}, {"high", 25}, {"critical", 10}};

    for (size_t i = 0; i < 3; i++) {
        begin();
        memory_is(t[i].level, 2);
        CU_ASSERT_EQUAL(tier_stat("entries"), N);
        memory_is(t[i].level, 3);
        CU_ASSERT_TRUE(tier_stat("bytes") <= (1 << 20) * t[i].percent / 100);
        CU_ASSERT_TRUE(tier_stat("entries") > 0);
        CU_ASSERT_EQUAL(tier_stat("entries") + n_seen, N);
        CU_ASSERT_EQUAL(tier_stat("demotions"), n_seen);
        CU_ASSERT_EQUAL(tier_stat("demotions_lost"), 0);
        CU_ASSERT_TRUE(nothing_is_lost());
        CU_ASSERT_EQUAL(told("percent"), t[i].percent);
        CU_ASSERT_EQUAL(told("bytes"), tier_stat("bytes"));
        CU_ASSERT_TRUE(told("given") > (1 << 20) / 3);
        memory_is(t[i].level, 4); /* nothing more to do */
        CU_ASSERT_EQUAL(tier_stat("entries") + n_seen, N);
        memory_is("ok", 2);
        CU_ASSERT_EQUAL(tier_stat("max_bytes"), 1 << 20);
        CU_ASSERT_EQUAL(told("percent"), 100);
        tier_close();
    }
}

static void what_is_used_most_stays(void)
{
    begin();
    for (int k = 0; k < 3; k++)
        for (int i = 100; i < 110; i++)
            is_there(i);
    memory_is("critical", 9);
    for (int i = 100; i < 110; i++)
        CU_ASSERT_TRUE(is_there(i));
    tier_close();
}

/* Nothing goes before the colder tier has answered; what is put anew meanwhile stays. */
static void waits_for_the_answers(void)
{
    const struct aiex_fake_record *call;
    int64_t held;
    size_t n = 0;

    begin();
    silent = 1;
    held = tier_stat("bytes");
    memory_is("elevated", 3);
    CU_ASSERT_EQUAL(tier_stat("bytes"), held);
    CU_ASSERT_PTR_NOT_NULL_FATAL(call = aiex_fake_find(h, AIEX_FAKE_CALL, "tier.put", 0));
    while (aiex_fake_find(h, AIEX_FAKE_CALL, "tier.put", n))
        n++;
    CU_ASSERT_EQUAL(n, 64); /* and no more at once */
    {
        struct aiex_slice key = {NULL, 0};
        char name[16] = "";

        aiex_get_bytes(call->body, "key", &key);
        memcpy(name, key.data, key.len);
        aiex_fake_advance(h, 1);
        tier_put_text(name, "new");
        silent = 0;
        aiex_fake_answer_ok(h, call->id, (struct aiex_slice){NULL, 0});
        CU_ASSERT_STRING_EQUAL(tier_get(name), "new");
        for (size_t i = 1; i < n; i++)
            aiex_fake_answer_ok(h, aiex_fake_find(h, AIEX_FAKE_CALL, "tier.put", i)->id,
                                (struct aiex_slice){NULL, 0});
    }
    CU_ASSERT_TRUE(tier_stat("bytes") <= 1 << 19);
    tier_close();
}

/* A colder tier that is away, full, or says nothing at all: memory goes before the cache. */
static void does_without_a_colder_tier(void)
{
    static const char *const codes[] = {"unavailable", "read_only", "denied", "busy"};
    static const struct aiex_fake_pair none[] = {{"max_bytes", "1M"}, {"demote_to", ""}, {0}};
    struct aiex_error err;

    for (size_t i = 0; i < 4; i++) {
        begin();
        refusal = codes[i];
        memory_is("high", 3);
        CU_ASSERT_TRUE(tier_stat("bytes") <= 1 << 18);
        CU_ASSERT_TRUE(tier_stat("demotions_lost") > 0);
        CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(h, AIEX_FAKE_LOG, "were dropped", 0));
        tier_close();
    }
    begin();
    CU_ASSERT_EQUAL(aiex_fake_reload(h, p, self, none, &err), 0);
    memory_is("high", 3);
    CU_ASSERT_TRUE(tier_stat("bytes") <= 1 << 18);
    CU_ASSERT_EQUAL(n_seen, 0);
    tier_close();
}

static void does_not_wait_for_ever(void)
{
    begin();
    silent = 1;
    memory_is("critical", 9);
    aiex_fake_advance(h, 2500);
    CU_ASSERT_EQUAL(tier_stat("entries"), N);
    aiex_fake_advance(h, 1000);
    CU_ASSERT_TRUE(tier_stat("bytes") <= (1 << 20) / 10);
    CU_ASSERT_EQUAL(aiex_fake_count(h, AIEX_FAKE_CANCEL), 64);
    tier_close();
}

/* It is over before it was done: nothing more goes. */
static void stops_when_it_is_over(void)
{
    begin();
    silent = 1;
    memory_is("high", 6);
    memory_is("ok", 0);
    for (size_t i = 0; i < 64; i++)
        aiex_fake_answer_ok(h, aiex_fake_find(h, AIEX_FAKE_CALL, "tier.put", i)->id,
                            (struct aiex_slice){NULL, 0});
    CU_ASSERT_EQUAL(tier_stat("entries"), N - 64);
    CU_ASSERT_EQUAL(tier_stat("max_bytes"), 1 << 20);
    CU_ASSERT_NOT_EQUAL(tier_put_text("more", "x")[0], '!');
    tier_close();
}

static void ends_in_the_middle(void)
{
    begin();
    silent = 1;
    memory_is("high", 6);
    tier_close(); /* which looks for what is left behind */
}

static void odd_events_change_nothing(void)
{
    static const char *const levels[] = {"", "worse", "HIGH"};
    uint8_t mem[16];
    struct aiex_writer w;

    begin();
    for (size_t i = 0; i < 3; i++)
        memory_is(levels[i], 9);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 0);
    CU_ASSERT_EQUAL(aiex_fake_event(h, p, self, "host.memory", aiex_written(&w)), 0);
    CU_ASSERT_EQUAL(aiex_fake_event(h, p, self, "host.plugin", aiex_written(&w)), 0);
    CU_ASSERT_EQUAL(tier_stat("entries"), N);
    tier_close();
}

const struct test_case tests[] = {
    {"registers", registers},
    {"gives_in_its_turn_and_to_its_share", gives_in_its_turn_and_to_its_share},
    {"what_is_used_most_stays", what_is_used_most_stays},
    {"waits_for_the_answers", waits_for_the_answers},
    {"does_without_a_colder_tier", does_without_a_colder_tier},
    {"does_not_wait_for_ever", does_not_wait_for_ever},
    {"stops_when_it_is_over", stops_when_it_is_over},
    {"ends_in_the_middle", ends_in_the_middle},
    {"odd_events_change_nothing", odd_events_change_nothing},
    {0},
};

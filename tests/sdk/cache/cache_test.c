/* The cache by hand: what is there, for how long, in how many bytes, who goes, who is a candidate.
 */
#include "test.h"

#include <aiex_cache.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct aiex_cache *c;
static uint64_t now;

static struct aiex_slice text(const char *t)
{
    return (struct aiex_slice){(const uint8_t *)t, strlen(t)};
}

static void begin(size_t max_bytes)
{
    now = 1000;
    c = aiex_cache_new(&(struct aiex_cache_options){.max_bytes = max_bytes});
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
}

static struct aiex_cache_stats stats(void)
{
    struct aiex_cache_stats s;

    aiex_cache_stats(c, &s);
    CU_ASSERT_TRUE(s.bytes <= s.max_bytes);
    return s;
}

static int put(const char *key, const char *value, uint64_t ttl_ms)
{
    return aiex_cache_put(
        c, &(struct aiex_cache_put){.key = text(key), .value = text(value), .ttl_ms = ttl_ms}, now,
        NULL);
}

static char seen[64];
static struct aiex_cache_view last;

static void see(void *arg, const struct aiex_cache_view *v)
{
    snprintf(seen, sizeof(seen), "%.*s", (int)v->value.len, v->value.data);
    last = *v;
    CU_ASSERT_PTR_EQUAL(arg, seen);
}

/* The value, or "-". */
static const char *get(const char *key)
{
    strcpy(seen, "-");
    aiex_cache_get(c, text(key), AIEX_CACHE_TOUCH, now, see, seen);
    return seen;
}

static void keeps_what_was_put(void)
{
    begin(1 << 20);
    CU_ASSERT_STRING_EQUAL(get("a"), "-");
    CU_ASSERT_EQUAL(put("a", "one", 0), 0);
    CU_ASSERT_EQUAL(put("", "empty key", 0), 0);
    CU_ASSERT_STRING_EQUAL(get("a"), "one");
    CU_ASSERT_STRING_EQUAL(get(""), "empty key");
    CU_ASSERT_EQUAL(put("a", "two", 0), 0);
    CU_ASSERT_STRING_EQUAL(get("a"), "two");
    CU_ASSERT_EQUAL(put("a", "something that is far longer than what stood there before it", 0), 0);
    CU_ASSERT_STRING_EQUAL(get("a"),
                           "something that is far longer than what stood there before it");
    CU_ASSERT_EQUAL(stats().entries, 2);
    CU_ASSERT_EQUAL(stats().hits, 4);
    CU_ASSERT_EQUAL(stats().misses, 1);
    CU_ASSERT_EQUAL(aiex_cache_delete(c, text("a"), now), 1);
    CU_ASSERT_EQUAL(aiex_cache_delete(c, text("a"), now), 0);
    CU_ASSERT_STRING_EQUAL(get("a"), "-");
    aiex_cache_free(c);
}

static void carries_meta_tag_and_uses(void)
{
    struct aiex_cache_put p = {
        .key = text("k"), .value = text("v"), .meta = text("m"), .tag = 7, .uses = 41};

    begin(1 << 20);
    CU_ASSERT_EQUAL(aiex_cache_put(c, &p, now, NULL), 0);
    now += 5;
    CU_ASSERT_EQUAL(aiex_cache_get(c, text("k"), 0, now, see, seen), 1);
    CU_ASSERT_EQUAL(last.uses, 41);
    get("k");
    CU_ASSERT_EQUAL(last.uses, 42);
    CU_ASSERT_EQUAL(last.tag, 7);
    CU_ASSERT_EQUAL(last.meta.len, 1);
    CU_ASSERT_EQUAL(last.created_ms, now - 5);
    p.if_absent = 1;
    CU_ASSERT_EQUAL(aiex_cache_put(c, &p, now, NULL), -EEXIST);
    aiex_cache_free(c);
}

static void ends_entries_to_the_millisecond(void)
{
    begin(1 << 20);
    put("a", "x", 100);
    put("b", "x", UINT64_MAX);
    now += 99;
    CU_ASSERT_STRING_EQUAL(get("a"), "x");
    now += 1;
    CU_ASSERT_EQUAL(stats().entries, 2);
    CU_ASSERT_STRING_EQUAL(get("a"), "-");
    CU_ASSERT_EQUAL(stats().entries, 1);
    CU_ASSERT_EQUAL(stats().expired, 1);
    CU_ASSERT_STRING_EQUAL(get("b"), "x");
    put("a", "y", 100);
    now += 100;
    CU_ASSERT_EQUAL(aiex_cache_delete(c, text("a"), now), 0);
    put("a", "z", 100);
    now += 100;
    CU_ASSERT_EQUAL(
        aiex_cache_put(
            c, &(struct aiex_cache_put){.key = text("a"), .value = text("w"), .if_absent = 1}, now,
            NULL),
        0);
    put("a", "forever", 0);
    now += 1000000;
    CU_ASSERT_STRING_EQUAL(get("a"), "forever");
    aiex_cache_free(c);
}

static void sweeps_in_steps(void)
{
    char key[16];
    uint64_t gone = 0, rounds = 0, before;

    begin(1 << 20);
    before = stats().bytes;
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "%d", i);
        put(key, "v", i % 2 ? 10 : 0);
    }
    now += 10;
    while (gone < 500 && rounds++ < 100)
        gone += aiex_cache_sweep(c, 64, now);
    CU_ASSERT_EQUAL(gone, 500);
    CU_ASSERT_TRUE(rounds > 1);
    CU_ASSERT_EQUAL(stats().entries, 500);
    CU_ASSERT_EQUAL(stats().expired, 500);
    CU_ASSERT_EQUAL(aiex_cache_sweep(c, 100000, now), 0);
    for (int i = 0; i < 1000; i += 2) {
        snprintf(key, sizeof(key), "%d", i);
        CU_ASSERT_EQUAL(aiex_cache_delete(c, text(key), now), 1);
    }
    aiex_cache_shrink(c, 1 << 20, now);
    CU_ASSERT_EQUAL(stats().bytes, before); /* every byte came back */
    aiex_cache_free(c);
}

static void sweeps_every_shard(void)
{
    char key[16];

    c = aiex_cache_new(&(struct aiex_cache_options){.max_bytes = 1 << 20, .shards = 8});
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    for (int i = 0; i < 200; i++) {
        snprintf(key, sizeof(key), "%d", i);
        put(key, "v", 10);
    }
    now += 10;
    for (int i = 0; i < 20; i++)
        aiex_cache_sweep(c, 64, now);
    CU_ASSERT_EQUAL(stats().entries, 0);
    aiex_cache_free(c);
}

static void never_holds_more_than_it_may(void)
{
    static uint8_t big[40000];
    char key[16];
    uint64_t evicted = 0, all = 0;

    begin(65536);
    for (int i = 0; i < 5000; i++) {
        struct aiex_cache_put p = {.value = {big, (size_t)(i * 7919) % 9000}};

        snprintf(key, sizeof(key), "%d", i);
        p.key = text(key);
        CU_ASSERT_EQUAL(aiex_cache_put(c, &p, now, &evicted), 0);
        all += evicted;
        CU_ASSERT_TRUE(stats().bytes <= 65536);
        CU_ASSERT_EQUAL(aiex_cache_get(c, p.key, 0, now, NULL, NULL), 1);
    }
    CU_ASSERT_TRUE(all > 4000);
    CU_ASSERT_EQUAL(stats().evictions, all);
    CU_ASSERT_EQUAL(stats().entries + all, 5000);
    aiex_cache_free(c);
}

static void refuses_what_never_fits(void)
{
    static uint8_t big[1 << 20];
    struct aiex_cache_put p = {.key = text("big"), .value = {big, 65536}};
    uint64_t evicted = 9;

    begin(65536);
    put("small", "v", 0);
    CU_ASSERT_EQUAL(aiex_cache_put(c, &p, now, &evicted), -EFBIG);
    CU_ASSERT_EQUAL(evicted, 0);
    CU_ASSERT_STRING_EQUAL(get("small"), "v");
    p.key.len = 65536;
    p.key.data = big;
    p.value.len = 1;
    CU_ASSERT_EQUAL(aiex_cache_put(c, &p, now, NULL), -EINVAL);
    p.key.len = 1;
    p.meta = (struct aiex_slice){big, 65536};
    CU_ASSERT_EQUAL(aiex_cache_put(c, &p, now, NULL), -EINVAL);
    CU_ASSERT_EQUAL(stats().entries, 1);
    aiex_cache_free(c);
    CU_ASSERT_PTR_NULL(aiex_cache_new(&(struct aiex_cache_options){.max_bytes = 1000}));
    CU_ASSERT_PTR_NULL(
        aiex_cache_new(&(struct aiex_cache_options){.max_bytes = 1 << 20, .shards = 3}));
    CU_ASSERT_PTR_NULL(
        aiex_cache_new(&(struct aiex_cache_options){.max_bytes = 1 << 30, .shards = 512}));
}

/* One pass over many keys does not push out those that are in use. */
static void survives_a_scan(void)
{
    char key[16];
    int left = 0;

    begin(65536);
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 100; i++) {
            snprintf(key, sizeof(key), "hot%d", i);
            if (strcmp(get(key), "-") == 0)
                put(key, "v", 0);
        }
    for (int i = 0; i < 20000; i++) {
        snprintf(key, sizeof(key), "scan%d", i);
        put(key, "v", 0);
    }
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof(key), "hot%d", i);
        left += strcmp(get(key), "-") != 0;
    }
    CU_ASSERT_EQUAL(left, 100);
    aiex_cache_free(c);
}

static void counts_entries_too(void)
{
    char key[16];

    c = aiex_cache_new(&(struct aiex_cache_options){.max_bytes = 1 << 20, .max_entries = 10});
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof(key), "%d", i);
        put(key, "v", 0);
        put(key, "a longer value that needs memory of its own, really it does", 0);
    }
    CU_ASSERT_EQUAL(stats().entries, 10);
    CU_ASSERT_EQUAL(stats().evictions, 90);
    aiex_cache_free(c);
}

static void takes_other_limits(void)
{
    static uint8_t value[1000];
    char key[16];
    size_t before;

    begin(4 << 20);
    for (int i = 0; i < 2000; i++) {
        snprintf(key, sizeof(key), "%d", i);
        aiex_cache_put(c, &(struct aiex_cache_put){.key = text(key), .value = {value, 1000}}, now,
                       NULL);
    }
    CU_ASSERT_EQUAL(stats().entries, 2000);
    aiex_cache_resize(c, 1 << 20, 0, now);
    CU_ASSERT_TRUE(stats().bytes <= 1 << 20);
    CU_ASSERT_TRUE(stats().entries > 700);
    before = stats().bytes;
    CU_ASSERT_TRUE(aiex_cache_shrink(c, 500000, now) >= 500000);
    CU_ASSERT_TRUE(stats().bytes <= before - 500000);
    aiex_cache_resize(c, 8 << 20, 50, now);
    CU_ASSERT_EQUAL(stats().entries, 50);
    aiex_cache_resize(c, 1, 0, now); /* the least that a table needs */
    CU_ASSERT_EQUAL(stats().max_bytes, AIEX_CACHE_MIN_BYTES);
    put("still", "works", 0);
    CU_ASSERT_STRING_EQUAL(get("still"), "works");
    aiex_cache_free(c);
}

static void use(const char *key, int times)
{
    while (times--)
        get(key);
}

static void finds_candidates(void)
{
    struct aiex_cache_candidate *list;
    char key[16];
    size_t n;

    begin(1 << 20);
    CU_ASSERT_EQUAL(aiex_cache_candidates(c, AIEX_CACHE_UP, 10, now, &list, &n), 0);
    CU_ASSERT_EQUAL(n, 0);
    CU_ASSERT_PTR_NULL(list);
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof(key), "%02d", i);
        put(key, "v", i == 99 ? 10 : 0);
        use(key, i);
    }
    now += 10; /* the most used one is over */
    CU_ASSERT_EQUAL_FATAL(aiex_cache_candidates(c, AIEX_CACHE_UP, 200, now, &list, &n), 0);
    CU_ASSERT_EQUAL(n, 99);
    for (size_t i = 0; i < n; i++)
        CU_ASSERT_EQUAL(list[i].uses, 98 - i);
    CU_ASSERT_NSTRING_EQUAL(list[0].key.data, "98", 2);
    CU_ASSERT_TRUE(list[0].bytes > 80);
    free(list);
    CU_ASSERT_EQUAL_FATAL(aiex_cache_candidates(c, AIEX_CACHE_DOWN, 4, now, &list, &n), 0);
    CU_ASSERT_EQUAL(n, 4);
    for (size_t i = 0; i < n; i++)
        CU_ASSERT_EQUAL(list[i].uses, i);
    CU_ASSERT_NSTRING_EQUAL(list[3].key.data, "03", 2);
    free(list);
    CU_ASSERT_EQUAL_FATAL(aiex_cache_candidates(c, AIEX_CACHE_UP, 5, now, &list, &n), 0);
    for (size_t i = 0; i < n; i++)
        CU_ASSERT_TRUE(list[i].uses >= 64);
    free(list);
    aiex_cache_free(c);
}

static char removals[256];

static void removed(void *arg, const struct aiex_cache_view *v, int why)
{
    size_t n = strlen(removals);

    snprintf(removals + n, sizeof(removals) - n, "%.*s%d ", (int)v->key.len, v->key.data, why);
    CU_ASSERT_PTR_EQUAL(arg, removals);
}

static void change(void *arg, const struct aiex_cache_view *v, uint8_t *value)
{
    CU_ASSERT_EQUAL(v->value.len, 1);
    *value = *(char *)arg;
}

static void tells_who_goes(void)
{
    char to = 'w';

    removals[0] = 0;
    now = 0;
    c = aiex_cache_new(&(struct aiex_cache_options){
        .max_bytes = 1 << 20, .max_entries = 2, .removed = removed, .arg = removals});
    put("a", "v", 0);
    put("a", "w", 0);
    put("a", "much longer than that, so that it needs a block of its own memory, which", 0);
    aiex_cache_delete(c, text("a"), now);
    put("b", "v", 5);
    now += 5;
    get("b");
    put("c", "v", 0);
    put("d", "v", 0);
    put("e", "v", 0);
    CU_ASSERT_STRING_EQUAL(removals, "a3 a3 a4 b2 c1 ");
    CU_ASSERT_EQUAL(aiex_cache_edit(c, text("e"), now, change, &to), 1);
    CU_ASSERT_STRING_EQUAL(get("e"), "w");
    CU_ASSERT_EQUAL(aiex_cache_edit(c, text("c"), now, change, &to), 0);
    aiex_cache_free(c);
}

static int is_odd(void *arg, const struct aiex_cache_view *v)
{
    ++*(int *)arg;
    return (v->key.data[v->key.len - 1] - '0') % 2;
}

static void prunes(void)
{
    char key[16];
    int seen_all = 0;

    begin(1 << 20);
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "%d", i);
        CU_ASSERT_EQUAL(
            aiex_cache_put(c, &(struct aiex_cache_put){.key = text(key), .age_ms = 400}, now, NULL),
            0);
    }
    CU_ASSERT_EQUAL(aiex_cache_prune(c, is_odd, &seen_all, AIEX_CACHE_DELETED), 500);
    CU_ASSERT_TRUE(seen_all >= 1000);
    CU_ASSERT_EQUAL(stats().entries, 500);
    CU_ASSERT_EQUAL(aiex_cache_get(c, text("7"), 0, now, see, seen), 0);
    CU_ASSERT_EQUAL(aiex_cache_get(c, text("8"), 0, now, see, seen), 1);
    CU_ASSERT_EQUAL(last.created_ms, now - 400);
    aiex_cache_free(c);
}

const struct test_case tests[] = {
    {"prunes", prunes},
    {"keeps_what_was_put", keeps_what_was_put},
    {"carries_meta_tag_and_uses", carries_meta_tag_and_uses},
    {"ends_entries_to_the_millisecond", ends_entries_to_the_millisecond},
    {"sweeps_in_steps", sweeps_in_steps},
    {"sweeps_every_shard", sweeps_every_shard},
    {"never_holds_more_than_it_may", never_holds_more_than_it_may},
    {"refuses_what_never_fits", refuses_what_never_fits},
    {"survives_a_scan", survives_a_scan},
    {"counts_entries_too", counts_entries_too},
    {"takes_other_limits", takes_other_limits},
    {"finds_candidates", finds_candidates},
    {"tells_who_goes", tells_who_goes},
    {0},
};

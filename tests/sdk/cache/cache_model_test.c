/*
 * Random operations against a plain array, with memory that fails now and then: what the cache
 * returns is always what was put last, and every byte that the allocator gave is counted.
 */
#include "test.h"

#include <aiex_cache.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_realloc(void *mem, size_t n);
void *__wrap_realloc(void *mem, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);

static unsigned fail_at; /* the n-th allocation from now on fails; 0 = none */

static int fails(void)
{
    return fail_at && --fail_at == 0;
}

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *mem, size_t n)
{
    return fails() ? NULL : __real_realloc(mem, n);
}

void *__wrap_aligned_alloc(size_t align, size_t n)
{
    return fails() ? NULL : __real_aligned_alloc(align, n);
}

#define KEYS 500u

/* What a key must have, when it has anything. */
static struct model {
    uint64_t expires;
    uint32_t uses, len;
    uint8_t fill;
    int there; /* 0 = surely not */
    int sure;  /* it was never evicted, so its uses are known */
} model[KEYS];

static uint64_t chance = 88172645463325252ull;

static uint32_t any(uint32_t n)
{
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    return (uint32_t)(chance >> 20) % n;
}

static uint8_t key_bytes[KEYS][40], value[20000];

static struct aiex_slice key_of(uint32_t k)
{
    memset(key_bytes[k], (int)k, sizeof(key_bytes[k]));
    memcpy(key_bytes[k], &k, sizeof(k));
    return (struct aiex_slice){key_bytes[k], 4 + k % 30};
}

static void check(void *arg, const struct aiex_cache_view *v)
{
    const struct model *m = arg;
    size_t right = 0;

    CU_ASSERT_EQUAL(v->value.len, m->len);
    while (right < v->value.len && v->value.data[right] == m->fill)
        right++;
    CU_ASSERT_EQUAL(right, v->value.len);
    if (m->sure)
        CU_ASSERT_EQUAL(v->uses, m->uses);
    CU_ASSERT_EQUAL(v->expires_ms, m->expires);
}

/* `roomy`: nothing is ever evicted, so what was put must be there. */
static void get(struct aiex_cache *c, uint32_t k, uint64_t now, int roomy)
{
    struct model *m = &model[k];
    int live = m->there && (!m->expires || m->expires > now), r;

    m->uses++;
    r = aiex_cache_get(c, key_of(k), AIEX_CACHE_TOUCH, now, check, m);
    if (!live)
        CU_ASSERT_EQUAL(r, 0);
    if (roomy)
        CU_ASSERT_EQUAL(r, live);
    if (!r)
        m->there = 0;
}

static void put(struct aiex_cache *c, uint32_t k, uint64_t now, int roomy)
{
    struct model *m = &model[k];
    struct aiex_cache_put p = {.key = key_of(k),
                               .ttl_ms = any(3) ? 0 : 1 + any(200),
                               .uses = any(4),
                               .if_absent = any(8) == 0};
    int live = m->there && (!m->expires || m->expires > now), r;
    uint8_t fill = (uint8_t)any(256);

    p.value = (struct aiex_slice){value, any(5) ? any(200) : any(sizeof(value))};
    memset(value, fill, p.value.len);
    r = aiex_cache_put(c, &p, now, NULL);
    if (r == -EEXIST)
        CU_ASSERT_TRUE(live && p.if_absent);
    if (roomy && p.if_absent && live)
        CU_ASSERT_TRUE(r == -EEXIST);
    if (live && m->uses > p.uses)
        p.uses = m->uses;
    if (r == 0)
        *m = (struct model){.there = 1,
                            .len = (uint32_t)p.value.len,
                            .fill = fill,
                            .uses = p.uses,
                            .sure = roomy,
                            .expires = p.ttl_ms ? now + p.ttl_ms : 0};
    else
        CU_ASSERT_TRUE(r == -EEXIST || r == -ENOMEM);
}

static void run(size_t max_bytes, unsigned shards, int failing)
{
    struct aiex_cache *c = aiex_cache_new(
        &(struct aiex_cache_options){.max_bytes = max_bytes, .shards = shards});
    int roomy = max_bytes > 50u << 20;
    struct aiex_cache_stats s;
    uint64_t now = 1;

    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    memset(model, 0, sizeof(model));
    for (int i = 0; i < 60000; i++) {
        uint32_t k = any(4) ? any(KEYS) : any(20), what = any(100);

        now += any(10) == 0;
        fail_at = failing && any(3) == 0 ? 1 + any(3) : 0;
        if (what < 55) {
            get(c, k, now, roomy);
        } else if (what < 90) {
            put(c, k, now, roomy);
        } else if (what < 96) {
            aiex_cache_delete(c, key_of(k), now);
            model[k].there = 0;
        } else if (what < 99) {
            aiex_cache_sweep(c, any(300), now);
        } else if (!roomy) {
            aiex_cache_shrink(c, any(10000), now);
        }
        aiex_cache_stats(c, &s);
        CU_ASSERT_TRUE(s.bytes <= s.max_bytes);
    }
    fail_at = 0;
    for (uint32_t k = 0; k < KEYS; k++)
        get(c, k, now, roomy);
    aiex_cache_free(c);
}

static void agrees_with_the_model(void)
{
    run(64u << 20, 1, 0);
    run(64u << 20, 16, 0);
}

static void agrees_while_evicting(void)
{
    run(1 << 17, 1, 0);
    run(1 << 19, 16, 0);
}

static void agrees_while_memory_fails(void)
{
    run(64u << 20, 4, 1);
    run(1 << 18, 4, 1);
}

static void begins_without_memory(void)
{
    for (unsigned n = 1; n <= 5; n++) {
        fail_at = n;
        CU_ASSERT_PTR_NULL(
            aiex_cache_new(&(struct aiex_cache_options){.max_bytes = 1 << 20, .shards = 4}));
    }
    fail_at = 0;
}

static void candidates_without_memory(void)
{
    struct aiex_cache *c = aiex_cache_new(&(struct aiex_cache_options){.max_bytes = 1 << 20});
    struct aiex_cache_candidate *list;
    size_t n;
    int r = -ENOMEM;

    for (uint32_t k = 0; k < KEYS; k++)
        aiex_cache_put(c, &(struct aiex_cache_put){.key = key_of(k)}, 1, NULL);
    for (unsigned i = 1; r != 0 && i < 20; i++) {
        fail_at = i;
        r = aiex_cache_candidates(c, AIEX_CACHE_UP, 400, 1, &list, &n);
        CU_ASSERT_TRUE(r == 0 || (r == -ENOMEM && !list && !n));
    }
    fail_at = 0;
    CU_ASSERT_EQUAL(n, 400);
    free(list);
    aiex_cache_free(c);
}

/* The figure is the allocator's own: what it says is in use, within the links of its lists. */
static void counts_what_the_allocator_gave(void)
{
#if !defined(__SANITIZE_ADDRESS__)
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd, held;
    struct aiex_cache *c = aiex_cache_new(&(struct aiex_cache_options){.max_bytes = 32 << 20});
    struct aiex_cache_stats s;

    for (uint32_t k = 0; k < KEYS; k++)
        aiex_cache_put(c, &(struct aiex_cache_put){.key = key_of(k), .value = {value, k * 37}}, 1,
                       NULL);
    aiex_cache_stats(c, &s);
    held = mallinfo2().uordblks + mallinfo2().hblkhd - before;
    CU_ASSERT_TRUE(s.bytes + 256 > held && s.bytes < held + 256);
    aiex_cache_free(c);
#else
    CU_ASSERT_TRUE(1 > 0); /* the sanitizer's allocator keeps no such books */
#endif
}

const struct test_case tests[] = {
    {"counts_what_the_allocator_gave",
     counts_what_the_allocator_gave}, /* first: with a fresh heap */
    {"agrees_with_the_model", agrees_with_the_model},
    {"agrees_while_evicting", agrees_while_evicting},
    {"agrees_while_memory_fails", agrees_while_memory_fails},
    {"begins_without_memory", begins_without_memory},
    {"candidates_without_memory", candidates_without_memory},
    {0},
};

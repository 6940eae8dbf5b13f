/*
 * Many threads in one small cache: values are never mixed, the limit always holds, sums agree at
 * the end. Also built with ThreadSanitizer, which finds what this can not see.
 */
#include "test.h"

#include <aiex_cache.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 4
#define ROUNDS  30000

static struct aiex_cache *c;
static atomic_uint wrong, over, clock_ms, hits;

/* A value is its key's number, over and over. */
static void check(void *arg, const struct aiex_cache_view *v)
{
    uint32_t key = *(const uint32_t *)arg, n;

    atomic_fetch_add(&hits, 1);
    for (size_t i = 0; i + 4 <= v->value.len; i += 4) {
        memcpy(&n, v->value.data + i, 4);
        if (n != key)
            atomic_fetch_add(&wrong, 1);
    }
}

static void put(uint32_t key, uint32_t words)
{
    uint32_t value[64];

    for (uint32_t i = 0; i < words; i++)
        value[i] = key;
    aiex_cache_put(c,
                   &(struct aiex_cache_put){.key = {(const uint8_t *)&key, 4},
                                            .value = {(const uint8_t *)value, words * 4},
                                            .ttl_ms = key % 3 ? 0 : 50},
                   atomic_load(&clock_ms), NULL);
}

static void others(uint32_t x)
{
    struct aiex_cache_candidate *list = NULL;
    uint64_t now = atomic_load(&clock_ms);
    size_t n;

    if (x % 4 == 0)
        aiex_cache_sweep(c, 100, now);
    else if (x % 4 == 1)
        aiex_cache_resize(c, (x & 64 ? 200u : 150u) << 10, 0, now);
    else if (x % 4 == 2 && aiex_cache_candidates(c, (int)(x / 4 % 2), 20, now, &list, &n) == 0)
        free(list);
    else
        aiex_cache_shrink(c, 5000, now);
}

static void *work(void *arg)
{
    uint64_t x = 88172645463325252ull + (uintptr_t)arg;
    struct aiex_cache_stats s;

    for (int i = 0; i < ROUNDS; i++) {
        uint32_t key, what;

        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        key = (uint32_t)(x >> 20) % 2000;
        what = (uint32_t)(x >> 44) % 200;
        atomic_fetch_add(&clock_ms, i % 100 == 0);
        if (what < 100)
            aiex_cache_get(c, (struct aiex_slice){(const uint8_t *)&key, 4}, AIEX_CACHE_TOUCH,
                           atomic_load(&clock_ms), check, &key);
        else if (what < 185)
            put(key, (uint32_t)(x >> 52) % 64);
        else if (what < 198)
            aiex_cache_delete(c, (struct aiex_slice){(const uint8_t *)&key, 4},
                              atomic_load(&clock_ms));
        else
            others((uint32_t)(x >> 40));
        if (what == 7) {
            aiex_cache_stats(c, &s);
            if (s.bytes > 200u << 10)
                atomic_fetch_add(&over, 1);
        }
    }
    return NULL;
}

static void keeps_threads_apart(void)
{
    pthread_t threads[THREADS];
    struct aiex_cache_stats s;

    c = aiex_cache_new(&(struct aiex_cache_options){.max_bytes = 200 << 10, .shards = 8});
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    for (size_t i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL(pthread_create(&threads[i], NULL, work, (void *)(i * 77)), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CU_ASSERT_EQUAL(atomic_load(&wrong), 0);
    CU_ASSERT_EQUAL(atomic_load(&over), 0);
    CU_ASSERT_TRUE(atomic_load(&hits) > 1000);
    aiex_cache_stats(c, &s);
    CU_ASSERT_EQUAL(s.hits, atomic_load(&hits));
    aiex_cache_shrink(c, SIZE_MAX, atomic_load(&clock_ms));
    aiex_cache_stats(c, &s);
    CU_ASSERT_EQUAL(s.entries, 0);
    CU_ASSERT_TRUE(s.bytes < 32 << 10); /* the empty tables */
    aiex_cache_free(c);
}

const struct test_case tests[] = {
    {"keeps_threads_apart", keeps_threads_apart},
    {0},
};

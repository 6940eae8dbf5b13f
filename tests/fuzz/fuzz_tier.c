/* link: aiex_sdk_tier */
/*
 * fuzz_tier.c - bodies from strangers as requests of kind tier/1; what is taken works on a small
 * cache, which never holds more than it may.
 */
#include <aiex_tier.h>
#include <stdint.h>
#include <stdlib.h>

#define MOST (64u << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct aiex_slice body, struct aiex_slice part)
{
    if (part.len && (part.data < body.data || part.data + part.len > body.data + body.len))
        abort();
}

static void work(struct aiex_cache *c, struct aiex_slice body, uint64_t now)
{
    struct aiex_cache_candidate *list;
    struct aiex_error err = {""};
    struct aiex_cache_put put;
    struct aiex_slice key;
    size_t n;
    int on;

    if (aiex_tier_read_put(body, &put, &err) == 0) {
        inside(body, put.key);
        inside(body, put.value);
        inside(body, put.meta);
        if (put.key.len > AIEX_TIER_MAX_KEY || put.meta.len > AIEX_TIER_MAX_META)
            abort();
        aiex_cache_put(c, &put, now, NULL);
    } else if (!err.text[0]) {
        abort();
    }
    if (aiex_tier_read_key(body, &key, &on, &err) == 0) {
        inside(body, key);
        aiex_cache_get(c, key, on ? AIEX_CACHE_TOUCH : 0, now, NULL, NULL);
    }
    if (aiex_tier_read_candidates(body, &on, &n, &err) == 0 &&
        aiex_cache_candidates(c, on, n, now, &list, &n) == 0)
        free(list);
    if (aiex_tier_read_shrink(body, &n, &err) == 0)
        aiex_cache_shrink(c, n, now);
}

/* Bodies of 1 to 256 bytes one behind the other, each behind its length; the last takes the rest.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct aiex_cache *c = aiex_cache_new(&(struct aiex_cache_options){.max_bytes = MOST});
    struct aiex_cache_stats s;

    for (uint64_t now = 1; c && size > 1; now += 10) {
        size_t n = data[0] == 0 || data[0] > size - 1 ? size - 1 : data[0];

        work(c, (struct aiex_slice){data + 1, n}, now);
        aiex_cache_sweep(c, 16, now);
        aiex_cache_stats(c, &s);
        if (s.bytes > MOST)
            abort();
        data += n + 1;
        size -= n + 1;
    }
    aiex_cache_free(c);
    return 0;
}

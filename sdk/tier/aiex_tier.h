/*
 * aiex_tier.h - what tiers repeat: the messages of kind tier/1 (sdk/kinds/tier.md), and a whole
 * tier in memory.
 *
 * A tier of its own kind reads requests and writes answers with the first half and does in between
 * what it is. A tier in memory is the second half with a name:
 *
 *     static int create(const struct aiex_host *host, const void *config, void **ret_self, ...)
 *     {
 *         return aiex_tier_memory_create(host, "hot", &limits_of(config), NULL, ret_self, err);
 *     }
 *     .start = aiex_tier_memory_start, .handle = aiex_tier_memory_handle, ...
 *
 * Static library aiex_sdk_tier (alias aiex::tier). Threads: the loop thread. Slices that were read
 * point into the message's body and die with it.
 */
#ifndef AIEX_TIER_H
#define AIEX_TIER_H

#include <aiex_cache.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AIEX_TIER_MAX_KEY        1024u
#define AIEX_TIER_MAX_META       4096u
#define AIEX_TIER_MAX_CANDIDATES 1000u

/* ---- Requests. 0, or -EINVAL with a reason for AIEX_E_INVALID ---- */

/* tier.get and tier.delete; `*ret_touch` may be NULL. */
int aiex_tier_read_key(struct aiex_slice body, struct aiex_slice *ret_key, int *ret_touch,
                       struct aiex_error *err);
int aiex_tier_read_put(struct aiex_slice body, struct aiex_cache_put *ret_put,
                       struct aiex_error *err);
/* AIEX_CACHE_UP or AIEX_CACHE_DOWN, and at most AIEX_TIER_MAX_CANDIDATES. */
int aiex_tier_read_candidates(struct aiex_slice body, int *ret_direction, size_t *ret_limit,
                              struct aiex_error *err);
int aiex_tier_read_shrink(struct aiex_slice body, size_t *ret_bytes, struct aiex_error *err);

/* ---- Answers. What reply() returned, or -ENOMEM; a cast (id 0) is not answered ---- */

struct aiex_tier_value {
    struct aiex_slice value, meta;
    uint32_t uses;
    uint64_t age_ms, ttl_ms; /* left; 0 = no end */
};

/* The end of tier.get on the heap: room for a value of `len` bytes that the caller writes at
 * *ret_value before it replies. free() *ret_body.data. 0, -ENOMEM. */
int aiex_tier_write_value(const struct aiex_tier_value *v, size_t len, uint8_t **ret_value,
                          struct aiex_slice *ret_body);
/* The whole answer; NULL: found is false. */
int aiex_tier_reply_value(const struct aiex_host *host, uint64_t id,
                          const struct aiex_tier_value *v);
int aiex_tier_reply_put(const struct aiex_host *host, uint64_t id, uint64_t evicted,
                        uint64_t bytes);
int aiex_tier_reply_found(const struct aiex_host *host, uint64_t id, int found);
int aiex_tier_reply_candidates(const struct aiex_host *host, uint64_t id,
                               const struct aiex_cache_candidate *list, size_t n, uint64_t now);
int aiex_tier_reply_shrink(const struct aiex_host *host, uint64_t id, uint64_t freed,
                           uint64_t bytes);

struct aiex_tier_stats {
    const char *level; /* hot, warm, cold */
    uint64_t entries, bytes, max_bytes, hits, misses, puts, evictions, expired;
    /* What only some tiers have: a number with a name in tier.stats and its series in
     * tier.metrics; ends with a name of NULL. May be NULL. */
    const struct aiex_tier_extra {
        const char *name, *series, *type, *help; /* series NULL = not in tier.metrics */
        uint64_t value;
    } * extra;
};

int aiex_tier_reply_stats(const struct aiex_host *host, uint64_t id,
                          const struct aiex_tier_stats *s);
/* Prometheus text of the aiex_tier_* series, labels `plugin` and `level`. */
int aiex_tier_reply_metrics(const struct aiex_host *host, uint64_t id,
                            const struct aiex_tier_stats *s);

/* ---- A tier in memory ----
 *
 * When memory is short (aiex_pressure.h) it gives back: what is used least moves to the tier
 * `demote_to`, and goes when that has answered, so that an only copy is not lost. Only when the
 * colder one can not take it, or takes longer than memory can wait, entries are dropped. */

struct aiex_tier_limits {
    uint64_t max_bytes, max_entries; /* max_entries 0 = no such limit */
    uint64_t compress_above;         /* bytes of a value; used with a codec only, 0 = never */
    int order;                       /* of giving back when memory is short: aiex_pressure.h */
    const char *demote_to;           /* tier that takes what has to go then; lives as long as the
                                        options, NULL or "" = none */
};

/* How values are made smaller. Called on the loop thread, for values of at most `max_bytes`. */
struct aiex_tier_codec {
    size_t max_bytes;
    /* Bytes written to `to` (of `from.len` bytes), or 0 when it does not get smaller. */
    size_t (*pack)(void *arg, struct aiex_slice from, uint8_t *to);
    /* 0 when exactly `len` bytes came out, else negative errno. */
    int (*unpack)(void *arg, struct aiex_slice from, uint8_t *to, size_t len);
    void *arg;
};

struct aiex_tier_memory;

/* `level` is static; the codec is copied and may be NULL. As a plugin's create(). */
int aiex_tier_memory_create(const struct aiex_host *host, const char *level,
                            const struct aiex_tier_limits *limits,
                            const struct aiex_tier_codec *codec, struct aiex_tier_memory **ret_tier,
                            struct aiex_error *err);
/* Joins the group `tier` and begins to sweep. */
int aiex_tier_memory_start(struct aiex_tier_memory *t, struct aiex_error *err);
int aiex_tier_memory_handle(struct aiex_tier_memory *t, const struct aiex_message *m);
/* Other limits; entries are kept as far as they allow. */
void aiex_tier_memory_reload(struct aiex_tier_memory *t, const struct aiex_tier_limits *limits);
/* NULL is fine. */
void aiex_tier_memory_free(struct aiex_tier_memory *t);

#ifdef __cplusplus
}
#endif

#endif /* AIEX_TIER_H */

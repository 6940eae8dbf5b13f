/* read.c - requests of kind tier/1: every field with its type and limit. */
#include "aiex_tier.h"

#include <aiex_service.h>
#include <errno.h>

static int read_key(struct aiex_slice body, struct aiex_slice *ret_key, struct aiex_error *err)
{
    if (!aiex_is_map(body))
        return aiex_failed(err, -EINVAL, "the request is no msgpack map");
    if (aiex_get_bytes(body, "key", ret_key) != 1 || ret_key->len == 0 ||
        ret_key->len > AIEX_TIER_MAX_KEY)
        return aiex_failed(err, -EINVAL, "field 'key' must be 1 to %u bytes", AIEX_TIER_MAX_KEY);
    return 0;
}

int aiex_tier_read_key(struct aiex_slice body, struct aiex_slice *ret_key, int *ret_touch,
                       struct aiex_error *err)
{
    int touch = 1, r = read_key(body, ret_key, err);

    if (r == 0 && aiex_get_bool(body, "touch", &touch) < 0)
        r = aiex_failed(err, -EINVAL, "field 'touch' must be true or false");
    if (ret_touch)
        *ret_touch = touch;
    return r;
}

/* A whole number from 0 on; `*out` stays when it is absent. */
static int read_count(struct aiex_slice body, const char *name, uint64_t *out,
                      struct aiex_error *err)
{
    int64_t v = 0;
    int r = aiex_get_int(body, name, &v);

    if (r < 0 || v < 0)
        return aiex_failed(err, -EINVAL, "field '%s' must be a whole number, 0 or more", name);
    if (r == 1)
        *out = (uint64_t)v;
    return 0;
}

static int read_meta(struct aiex_slice body, struct aiex_slice *ret_meta, struct aiex_error *err)
{
    struct aiex_value v;

    if (aiex_get(body, "meta", &v) != 1 || v.type == AIEX_T_NIL)
        return 0;
    if (v.type != AIEX_T_MAP || aiex_get_whole(body, "meta", ret_meta) != 1 ||
        ret_meta->len > AIEX_TIER_MAX_META)
        return aiex_failed(err, -EINVAL, "field 'meta' must be a map of at most %u bytes",
                           AIEX_TIER_MAX_META);
    return 0;
}

int aiex_tier_read_put(struct aiex_slice body, struct aiex_cache_put *ret_put,
                       struct aiex_error *err)
{
    struct aiex_cache_put p = {0};
    uint64_t uses = 0;
    int r = read_key(body, &p.key, err);

    if (r < 0)
        return r;
    if (aiex_get_bytes(body, "value", &p.value) != 1)
        return aiex_failed(err, -EINVAL, "field 'value' must be bytes");
    if (aiex_get_bool(body, "if_absent", &p.if_absent) < 0)
        return aiex_failed(err, -EINVAL, "field 'if_absent' must be true or false");
    if ((r = read_count(body, "ttl_ms", &p.ttl_ms, err)) < 0 ||
        (r = read_count(body, "uses", &uses, err)) < 0 || (r = read_meta(body, &p.meta, err)) < 0)
        return r;
    p.uses = uses < UINT32_MAX ? (uint32_t)uses : UINT32_MAX;
    *ret_put = p;
    return 0;
}

int aiex_tier_read_candidates(struct aiex_slice body, int *ret_direction, size_t *ret_limit,
                              struct aiex_error *err)
{
    struct aiex_slice direction = {NULL, 0};
    uint64_t limit = 100;

    if (!aiex_is_map(body) || aiex_get_str(body, "direction", &direction) != 1 ||
        (!aiex_slice_is(direction, "up") && !aiex_slice_is(direction, "down")))
        return aiex_failed(err, -EINVAL, "field 'direction' must be 'up' or 'down'");
    if (read_count(body, "limit", &limit, err) < 0)
        return -EINVAL;
    *ret_direction = aiex_slice_is(direction, "up") ? AIEX_CACHE_UP : AIEX_CACHE_DOWN;
    *ret_limit = limit < AIEX_TIER_MAX_CANDIDATES ? (size_t)limit : AIEX_TIER_MAX_CANDIDATES;
    return 0;
}

int aiex_tier_read_shrink(struct aiex_slice body, size_t *ret_bytes, struct aiex_error *err)
{
    int64_t v = 0;

    if (!aiex_is_map(body) || aiex_get_int(body, "bytes", &v) != 1 || v < 0)
        return aiex_failed(err, -EINVAL, "field 'bytes' must be a whole number, 0 or more");
    *ret_bytes = (size_t)v;
    return 0;
}

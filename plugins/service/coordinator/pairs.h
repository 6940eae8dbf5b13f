/*
 * pairs.h - writes a msgpack map whose number of pairs is known at its end only: its head is a
 * map 16, filled in by pairs_end(). Nested maps are written by their own pairs on one writer.
 */
#ifndef COORDINATOR_PAIRS_H
#define COORDINATOR_PAIRS_H

#include <aiex/aiex_pack.h>

struct pairs {
    struct aiex_writer *w;
    size_t head;
    uint32_t n;
};

static inline struct pairs pairs_begin(struct aiex_writer *w)
{
    struct pairs p = {w, w->len, 0};

    aiex_w_be(w, 0xde, 0, 2);
    return p;
}

static inline void pairs_end(struct pairs *p)
{
    if (p->head + 3 > p->w->cap)
        return;
    p->w->data[p->head + 1] = (uint8_t)(p->n >> 8);
    p->w->data[p->head + 2] = (uint8_t)p->n;
}

AIEX_PACK_INLINE void pairs_str(struct pairs *p, const char *key, const char *text)
{
    aiex_w_key_str(p->w, key, text);
    p->n++;
}

/* Nothing when the text is empty, for readers who take a missing one for that. */
AIEX_PACK_INLINE void pairs_text(struct pairs *p, const char *key, const char *text)
{
    if (*text)
        pairs_str(p, key, text);
}

AIEX_PACK_INLINE void pairs_slice(struct pairs *p, const char *key, struct aiex_slice text)
{
    aiex_w_key_strn(p->w, key, (const char *)text.data, text.len);
    p->n++;
}

AIEX_PACK_INLINE void pairs_int(struct pairs *p, const char *key, int64_t v)
{
    aiex_w_key_int(p->w, key, v);
    p->n++;
}

AIEX_PACK_INLINE void pairs_uint(struct pairs *p, const char *key, uint64_t v)
{
    aiex_w_key_uint(p->w, key, v);
    p->n++;
}

AIEX_PACK_INLINE void pairs_bool(struct pairs *p, const char *key, int v)
{
    aiex_w_key_bool(p->w, key, v);
    p->n++;
}

/* Nothing when it is false. */
AIEX_PACK_INLINE void pairs_true(struct pairs *p, const char *key, int v)
{
    if (v)
        pairs_bool(p, key, v);
}

/* A key; its value is written next, straight to the writer. */
AIEX_PACK_INLINE void pairs_key(struct pairs *p, const char *key)
{
    aiex_w_key(p->w, key);
    p->n++;
}

/* A whole value as it stands; nothing when it is empty. */
static inline void pairs_raw(struct pairs *p, const char *key, struct aiex_slice value)
{
    if (value.len == 0)
        return;
    pairs_key(p, key);
    aiex_w_raw(p->w, value.data, value.len);
}

#endif

/*
 * aiex_pack.h - reading and writing the msgpack maps that Aiex messages are.
 *
 * Optional: any msgpack library does as well. Everything is inline and allocates
 * nothing. The writer fills memory that the caller gives and only counts once it is
 * full, so one check at the end is enough:
 *
 *     uint8_t mem[256];
 *     struct aiex_writer w;
 *     aiex_writer_init(&w, mem, sizeof(mem));
 *     aiex_w_map(&w, 2);
 *     aiex_w_key_str(&w, "model", "small");
 *     aiex_w_key_bool(&w, "stream", 1);
 *     if (w.failed) ...                  too small: w.len says how much is needed
 *     host->reply(host, id, aiex_written(&w));
 *
 * The reader takes hostile bytes: every length is checked, nesting is limited to
 * AIEX_PACK_DEPTH, values are copied out and strings are slices into the body (valid
 * while the body is). A missing key and a wrong type are told apart.
 *
 * Format: https://github.com/msgpack/msgpack/blob/master/spec.md (types ext and
 * timestamp are skipped, never produced).
 */
#ifndef AIEX_PACK_H
#define AIEX_PACK_H

#include <aiex/aiex_plugin.h>
#include <string.h>

#define AIEX_PACK_DEPTH 32

/* Where a key is a literal, its length and its comparison are known when this is compiled. */
#if defined(__GNUC__)
#define AIEX_PACK_INLINE static inline __attribute__((always_inline))
#else
#define AIEX_PACK_INLINE static inline
#endif

/* ---- Writing ---- */

struct aiex_writer {
    uint8_t *data;
    size_t len; /* bytes needed so far, also beyond cap */
    size_t cap;
    int failed; /* did not fit */
};

static inline void aiex_writer_init(struct aiex_writer *w, void *mem, size_t cap)
{
    w->data = (uint8_t *)mem;
    w->len = 0;
    w->cap = cap;
    w->failed = 0;
}

static inline struct aiex_slice aiex_written(const struct aiex_writer *w)
{
    struct aiex_slice s;

    s.data = w->data;
    s.len = w->failed ? 0 : w->len;
    return s;
}

static inline void aiex_w_raw(struct aiex_writer *w, const void *bytes, size_t n)
{
    if (n > w->cap || w->len > w->cap - n)
        w->failed = 1;
    else if (n)
        memcpy(w->data + w->len, bytes, n);
    w->len += n;
}

static inline void aiex_w_byte(struct aiex_writer *w, unsigned b)
{
    if (w->len < w->cap)
        w->data[w->len] = (uint8_t)b;
    else
        w->failed = 1;
    w->len++;
}

/* One type byte followed by n big-endian bytes of v. */
AIEX_PACK_INLINE void aiex_w_be(struct aiex_writer *w, unsigned type, uint64_t v, unsigned n)
{
    unsigned i;

    if (w->len + n < w->cap) {
        w->data[w->len] = (uint8_t)type;
        for (i = 0; i < n; i++)
            w->data[w->len + 1 + i] = (uint8_t)(v >> (8 * (n - 1 - i)));
    } else {
        w->failed = 1;
    }
    w->len += 1 + (size_t)n;
}

static inline void aiex_w_map(struct aiex_writer *w, uint32_t pairs)
{
    if (pairs < 16)
        aiex_w_byte(w, 0x80u | pairs);
    else if (pairs < 65536)
        aiex_w_be(w, 0xde, pairs, 2);
    else
        aiex_w_be(w, 0xdf, pairs, 4);
}

static inline void aiex_w_array(struct aiex_writer *w, uint32_t items)
{
    if (items < 16)
        aiex_w_byte(w, 0x90u | items);
    else if (items < 65536)
        aiex_w_be(w, 0xdc, items, 2);
    else
        aiex_w_be(w, 0xdd, items, 4);
}

static inline void aiex_w_nil(struct aiex_writer *w)
{
    aiex_w_byte(w, 0xc0);
}

static inline void aiex_w_bool(struct aiex_writer *w, int v)
{
    aiex_w_byte(w, v ? 0xc3 : 0xc2);
}

static inline void aiex_w_uint(struct aiex_writer *w, uint64_t v)
{
    if (v < 128)
        aiex_w_byte(w, (unsigned)v);
    else if (v < 256)
        aiex_w_be(w, 0xcc, v, 1);
    else if (v < 65536)
        aiex_w_be(w, 0xcd, v, 2);
    else if (v < 4294967296u)
        aiex_w_be(w, 0xce, v, 4);
    else
        aiex_w_be(w, 0xcf, v, 8);
}

static inline void aiex_w_int(struct aiex_writer *w, int64_t v)
{
    if (v >= 0)
        aiex_w_uint(w, (uint64_t)v);
    else if (v >= -32)
        aiex_w_byte(w, (unsigned)(0x100 + v));
    else
        aiex_w_be(w, 0xd3, (uint64_t)v, 8);
}

static inline void aiex_w_real(struct aiex_writer *w, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, 8);
    aiex_w_be(w, 0xcb, bits, 8);
}

/* The head only; `len` bytes must follow with aiex_w_raw(). */
static inline void aiex_w_str_head(struct aiex_writer *w, size_t len)
{
    if (len < 32)
        aiex_w_byte(w, 0xa0u | (unsigned)len);
    else if (len < 256)
        aiex_w_be(w, 0xd9, len, 1);
    else if (len < 65536)
        aiex_w_be(w, 0xda, len, 2);
    else
        aiex_w_be(w, 0xdb, len, 4);
}

static inline void aiex_w_bin_head(struct aiex_writer *w, size_t len)
{
    if (len < 256)
        aiex_w_be(w, 0xc4, len, 1);
    else if (len < 65536)
        aiex_w_be(w, 0xc5, len, 2);
    else
        aiex_w_be(w, 0xc6, len, 4);
}

static inline void aiex_w_strn(struct aiex_writer *w, const char *text, size_t len)
{
    if (len < 32 && w->len + len < w->cap) { /* most often */
        w->data[w->len++] = (uint8_t)(0xa0u | len);
        if (len)
            memcpy(w->data + w->len, text, len);
        w->len += len;
        return;
    }
    aiex_w_str_head(w, len);
    aiex_w_raw(w, text, len);
}

AIEX_PACK_INLINE void aiex_w_str(struct aiex_writer *w, const char *text)
{
    aiex_w_strn(w, text, strlen(text));
}

static inline void aiex_w_bin(struct aiex_writer *w, const void *bytes, size_t len)
{
    aiex_w_bin_head(w, len);
    aiex_w_raw(w, bytes, len);
}

/* A key; its value is written next. Texts of less than 32 bytes in one step. */
AIEX_PACK_INLINE void aiex_w_key(struct aiex_writer *w, const char *key)
{
    size_t n = strlen(key);

    if (n < 32 && w->len + n < w->cap) {
        w->data[w->len] = (uint8_t)(0xa0u | n);
        memcpy(w->data + w->len + 1, key, n);
        w->len += n + 1;
    } else {
        aiex_w_strn(w, key, n);
    }
}

AIEX_PACK_INLINE void aiex_w_key_str(struct aiex_writer *w, const char *key, const char *text)
{
    aiex_w_key(w, key);
    aiex_w_str(w, text);
}

AIEX_PACK_INLINE void aiex_w_key_strn(struct aiex_writer *w, const char *key, const char *text,
                                      size_t len)
{
    aiex_w_key(w, key);
    aiex_w_strn(w, text, len);
}

AIEX_PACK_INLINE void aiex_w_key_bin(struct aiex_writer *w, const char *key, const void *bytes,
                                     size_t len)
{
    aiex_w_key(w, key);
    aiex_w_bin(w, bytes, len);
}

AIEX_PACK_INLINE void aiex_w_key_int(struct aiex_writer *w, const char *key, int64_t v)
{
    aiex_w_key(w, key);
    aiex_w_int(w, v);
}

AIEX_PACK_INLINE void aiex_w_key_uint(struct aiex_writer *w, const char *key, uint64_t v)
{
    aiex_w_key(w, key);
    aiex_w_uint(w, v);
}

AIEX_PACK_INLINE void aiex_w_key_bool(struct aiex_writer *w, const char *key, int v)
{
    aiex_w_key(w, key);
    aiex_w_bool(w, v);
}

AIEX_PACK_INLINE void aiex_w_key_real(struct aiex_writer *w, const char *key, double v)
{
    aiex_w_key(w, key);
    aiex_w_real(w, v);
}

/* ---- Reading ---- */

#define AIEX_T_NIL   0u
#define AIEX_T_BOOL  1u
#define AIEX_T_INT   2u /* fits int64_t */
#define AIEX_T_UINT  3u /* above INT64_MAX */
#define AIEX_T_REAL  4u
#define AIEX_T_STR   5u
#define AIEX_T_BIN   6u
#define AIEX_T_ARRAY 7u
#define AIEX_T_MAP   8u
#define AIEX_T_EXT   9u

struct aiex_value {
    uint32_t type;
    uint32_t count;          /* ARRAY: items, MAP: pairs */
    int64_t i;               /* BOOL, INT */
    uint64_t u;              /* INT (>= 0), UINT */
    double real;             /* REAL */
    struct aiex_slice bytes; /* STR, BIN: content; ARRAY, MAP: what follows the head */
};

/* n: 1, 2, 4 or 8. */
AIEX_PACK_INLINE uint64_t aiex_r_be(const uint8_t *p, unsigned n)
{
    if (n == 1)
        return p[0];
    if (n == 2)
        return (uint64_t)p[0] << 8 | p[1];
    if (n == 4)
        return (uint64_t)p[0] << 24 | (uint64_t)p[1] << 16 | (uint64_t)p[2] << 8 | p[3];
    return (uint64_t)p[0] << 56 | (uint64_t)p[1] << 48 | (uint64_t)p[2] << 40 |
           (uint64_t)p[3] << 32 | (uint64_t)p[4] << 24 | (uint64_t)p[5] << 16 |
           (uint64_t)p[6] << 8 | p[7];
}

/* Reads the head (and, for scalars and strings, the content) at *at and moves it on.
 * 0, or -1 when the bytes end early or are not msgpack. */
static inline int aiex_r_value(struct aiex_slice *at, struct aiex_value *v)
{
    const uint8_t *p = at->data;
    size_t left = at->len, n = 0;
    unsigned t, w;

    memset(v, 0, sizeof(*v));
    if (left == 0)
        return -1;
    t = *p++;
    left--;
    if (t >= 0xa0 && t < 0xc0) { /* most often; so it is done here */
        n = t & 31u;
        if (n > left)
            return -1;
        v->type = AIEX_T_STR;
        v->bytes.data = p;
        v->bytes.len = n;
        at->data = p + n;
        at->len = left - n;
        return 0;
    }
    if (t < 0x80 || t >= 0xe0) {
        v->type = AIEX_T_INT;
        v->i = t < 0x80 ? (int64_t)t : (int64_t)t - 256;
        v->u = t < 0x80 ? t : 0;
    } else if (t < 0x90) {
        v->type = AIEX_T_MAP;
        v->count = t & 15;
    } else if (t < 0xa0) {
        v->type = AIEX_T_ARRAY;
        v->count = t & 15;
    } else if (t == 0xc0) {
        v->type = AIEX_T_NIL;
    } else if (t == 0xc2 || t == 0xc3) {
        v->type = AIEX_T_BOOL;
        v->i = t & 1;
    } else if (t == 0xca || t == 0xcb) {
        uint64_t bits;
        uint32_t bits32;
        float f;

        w = t == 0xca ? 4 : 8;
        if (left < w)
            return -1;
        bits = aiex_r_be(p, w);
        bits32 = (uint32_t)bits;
        v->type = AIEX_T_REAL;
        if (w == 4) {
            memcpy(&f, &bits32, 4);
            v->real = (double)f;
        } else {
            memcpy(&v->real, &bits, 8);
        }
        p += w;
        left -= w;
    } else if (t >= 0xcc && t <= 0xcf) {
        w = 1u << (t - 0xcc);
        if (left < w)
            return -1;
        v->u = aiex_r_be(p, w);
        v->type = v->u > (uint64_t)INT64_MAX ? AIEX_T_UINT : AIEX_T_INT;
        v->i = v->type == AIEX_T_INT ? (int64_t)v->u : 0;
        p += w;
        left -= w;
    } else if (t >= 0xd0 && t <= 0xd3) {
        w = 1u << (t - 0xd0);
        if (left < w)
            return -1;
        v->u = aiex_r_be(p, w);
        if (w < 8 && (v->u >> (8 * w - 1)))
            v->u |= ~(uint64_t)0 << (8 * w);
        v->i = (int64_t)v->u;
        v->type = AIEX_T_INT;
        if (v->i < 0)
            v->u = 0;
        p += w;
        left -= w;
    } else if ((t >= 0xd9 && t <= 0xdb) || (t >= 0xc4 && t <= 0xc6)) {
        w = t >= 0xd9 ? 1u << (t - 0xd9) : 1u << (t - 0xc4);
        if (left < w)
            return -1;
        v->type = t >= 0xd9 ? AIEX_T_STR : AIEX_T_BIN;
        n = (size_t)aiex_r_be(p, w);
        p += w;
        left -= w;
    } else if (t == 0xdc || t == 0xdd || t == 0xde || t == 0xdf) {
        w = (t & 1) ? 4 : 2;
        if (left < w)
            return -1;
        v->type = t < 0xde ? AIEX_T_ARRAY : AIEX_T_MAP;
        v->count = (uint32_t)aiex_r_be(p, w);
        p += w;
        left -= w;
    } else if ((t >= 0xd4 && t <= 0xd8) || (t >= 0xc7 && t <= 0xc9)) {
        v->type = AIEX_T_EXT;
        if (t >= 0xd4) {
            n = ((size_t)1 << (t - 0xd4)) + 1;
        } else {
            w = 1u << (t - 0xc7);
            if (left < w)
                return -1;
            n = (size_t)aiex_r_be(p, w) + 1;
            p += w;
            left -= w;
        }
    } else {
        return -1;
    }
    if (n > left)
        return -1;
    if (v->type == AIEX_T_ARRAY || v->type == AIEX_T_MAP) {
        /* every item takes a byte at least: a count beyond that is a lie */
        if (v->count > left)
            return -1;
        v->bytes.data = p;
        v->bytes.len = left;
    } else if (v->type == AIEX_T_STR || v->type == AIEX_T_BIN || v->type == AIEX_T_EXT) {
        v->bytes.data = p;
        v->bytes.len = n;
        p += n;
        left -= n;
    }
    at->data = p;
    at->len = left;
    return 0;
}

/* Bytes of a value that holds no others; 0: it does, or it is broken or cut. left > 0. */
static inline size_t aiex_r_leaf(const uint8_t *p, size_t left)
{
    /* type bytes 0xc0 to 0xdb: bytes of the length that follows (0: none), bytes of content that
     * every value of the type has; 255 = no type */
    static const uint8_t width[28] = {0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 0, 0, 0, 0,
                                      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4};
    static const uint8_t fixed[28] = {0, 255, 0, 0, 0, 0, 0, 1, 1, 1, 4,  8, 1, 2,
                                      4, 8,   1, 2, 4, 8, 2, 3, 5, 9, 17, 0, 0, 0};
    unsigned t = *p, w;
    uint64_t n;

    if (t < 0x80 || t >= 0xe0)
        return 1;
    if (t < 0xa0 || t >= 0xdc)
        return 0;
    if (t < 0xc0) {
        n = t & 31u;
    } else {
        w = width[t - 0xc0];
        n = fixed[t - 0xc0];
        if (n == 255 || left <= w)
            return 0;
        n += w;
        if (w)
            n += aiex_r_be(p + 1, w);
    }
    return n < left ? (size_t)n + 1 : 0;
}

/* The head of a map or an array at *p: how many values it holds; -1: broken, or a lie. */
static inline int64_t aiex_r_nest(const uint8_t **p, size_t *left)
{
    unsigned t = *(*p)++, w;
    uint64_t count = t & 15u;
    int pairs = t < 0x90;

    --*left;
    if (t >= 0xdc && t < 0xe0) {
        w = (t & 1) ? 4 : 2;
        if (*left < w)
            return -1;
        count = aiex_r_be(*p, w);
        *p += w;
        *left -= w;
        pairs = t >= 0xde;
    } else if (t < 0x80 || t >= 0xa0) {
        return -1;
    }
    if (count > *left) /* every item takes a byte at least */
        return -1;
    return (int64_t)(pairs ? count * 2 : count);
}

/* Moves *at behind one whole value. 0, or -1: broken or nested deeper than AIEX_PACK_DEPTH. */
static inline int aiex_r_skip(struct aiex_slice *at)
{
    uint64_t open[AIEX_PACK_DEPTH];
    const uint8_t *p = at->data;
    size_t left = at->len, n;
    unsigned depth = 0;
    int64_t items;

    do {
        if (left == 0)
            return -1;
        n = aiex_r_leaf(p, left);
        if (n) {
            p += n;
            left -= n;
        } else {
            items = aiex_r_nest(&p, &left);
            if (items < 0 || depth == AIEX_PACK_DEPTH) /* an empty one is a level, too */
                return -1;
            if (items) {
                open[depth++] = (uint64_t)items;
                continue;
            }
        }
        while (depth && --open[depth - 1] == 0)
            depth--;
    } while (depth);
    at->data = p;
    at->len = left;
    return 0;
}

/* A key of a map whose head was read; its value is next. 0, or -1: broken, or no string. */
AIEX_PACK_INLINE int aiex_r_key(struct aiex_slice *at, struct aiex_slice *key)
{
    const uint8_t *p = at->data;
    const size_t left = at->len;
    struct aiex_value v;
    size_t n;

    if (left && (*p & 0xe0u) == 0xa0u && left > (n = *p & 31u)) {
        key->data = p + 1;
        key->len = n;
        at->data = p + n + 1;
        at->len = left - n - 1;
        return 0;
    }
    if (aiex_r_value(at, &v) != 0 || v.type != AIEX_T_STR)
        return -1;
    *key = v.bytes;
    return 0;
}

/* Reads one pair of a map whose head was read: the key and the whole value, which aiex_r_value()
 * reads. 0, or -1: broken, or a key that is no string. */
static inline int aiex_r_pair(struct aiex_slice *at, struct aiex_slice *key,
                              struct aiex_slice *value)
{
    if (aiex_r_key(at, key) != 0)
        return -1;
    *value = *at;
    if (aiex_r_skip(at) != 0)
        return -1;
    value->len -= at->len;
    return 0;
}

/* Reads a value and moves *at behind all of it. *whole: as it stands; for ARRAY and MAP v->bytes
 * are the items and no more. 0, or -1: broken. */
static inline int aiex_r_whole(struct aiex_slice *at, struct aiex_slice *whole,
                               struct aiex_value *v)
{
    *whole = *at;
    if (aiex_r_value(at, v) != 0)
        return -1;
    if (v->type == AIEX_T_ARRAY || v->type == AIEX_T_MAP) {
        *at = *whole;
        if (aiex_r_skip(at) != 0)
            return -1;
        v->bytes.len = (size_t)(at->data - v->bytes.data);
    }
    whole->len -= at->len;
    return 0;
}

/* One pair of a map, its value read. */
struct aiex_entry {
    struct aiex_slice key, whole;
    struct aiex_value v;
};

/* aiex_r_key() and aiex_r_whole(), for those who want most pairs of a map. */
static inline int aiex_r_entry(struct aiex_slice *at, struct aiex_entry *e)
{
    return aiex_r_key(at, &e->key) != 0 ? -1 : aiex_r_whole(at, &e->whole, &e->v);
}

/* A key of a reader's table, with its length. */
struct aiex_key {
    const char *text;
    size_t len;
};
#define AIEX_KEY(literal)                                                                          \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

/* Keys are short: two words that overlap are most of them. */
AIEX_PACK_INLINE int aiex_key_is(const struct aiex_key *k, struct aiex_slice s)
{
    uint64_t a, b, c, d;
    uint32_t e, f, g, h;

    if (k->len != s.len || k->text[0] != (char)s.data[0])
        return 0;
    if (s.len >= 4 && s.len < 8) {
        memcpy(&e, k->text, 4);
        memcpy(&f, s.data, 4);
        memcpy(&g, k->text + s.len - 4, 4);
        memcpy(&h, s.data + s.len - 4, 4);
        return e == f && g == h;
    }
    if (s.len < 8 || s.len > 16)
        return memcmp(k->text, s.data, s.len) == 0;
    memcpy(&a, k->text, 8);
    memcpy(&b, s.data, 8);
    memcpy(&c, k->text + s.len - 8, 8);
    memcpy(&d, s.data + s.len - 8, 8);
    return a == b && c == d;
}

/* The row of a table for a key, or n. Each of the n rows of `size` bytes begins with a struct
 * aiex_key that is not empty. Looked for from row `from` on and round: who gives the row behind the
 * last one finds it at once where the writer keeps to the order of the table. */
AIEX_PACK_INLINE size_t aiex_row_of(const void *rows, size_t size, size_t n, size_t from,
                                    struct aiex_slice key)
{
    size_t i, left, row = from < n ? from : 0;

    for (left = key.len ? n : 0; left; left--) {
        i = row;
        if (aiex_key_is((const struct aiex_key *)((const char *)rows + i * size), key))
            return i;
        row = i + 1 < n ? i + 1 : 0;
    }
    return n;
}

/* 1 when body is empty or exactly one whole msgpack map. */
static inline int aiex_is_map(struct aiex_slice body)
{
    struct aiex_slice at = body, head = body;
    struct aiex_value v;

    if (body.len == 0)
        return 1;
    return aiex_r_value(&head, &v) == 0 && v.type == AIEX_T_MAP && aiex_r_skip(&at) == 0 &&
           at.len == 0;
}

/* Moves *body to the value of `key` of n bytes. 1 found, 0 not there, -1 no map or broken. */
static inline int aiex_r_find(struct aiex_slice *body, const char *key, size_t n)
{
    struct aiex_value head;
    struct aiex_slice k;
    uint32_t i;

    if (body->len == 0)
        return 0;
    if (aiex_r_value(body, &head) != 0 || head.type != AIEX_T_MAP)
        return -1;
    for (i = 0; i < head.count; i++) {
        if (aiex_r_key(body, &k) != 0)
            return -1;
        if (k.len == n && memcmp(k.data, key, n) == 0)
            return 1;
        if (aiex_r_skip(body) != 0)
            return -1;
    }
    return 0;
}

/* Finds `key` in the map `body`. 1 found, 0 not there, -1 body is not a map or broken before it.
 * For an ARRAY or MAP value, v->bytes starts at its first item (walk with aiex_r_value/skip). */
static inline int aiex_get(struct aiex_slice body, const char *key, struct aiex_value *v)
{
    int r = aiex_r_find(&body, key, strlen(key));

    return r <= 0 ? r : aiex_r_value(&body, v) == 0 ? 1 : -1;
}

/* The bytes of one whole value (map, array, ...) under `key`, to pass on or to aiex_get() again. */
static inline int aiex_get_whole(struct aiex_slice body, const char *key, struct aiex_slice *out)
{
    int r = aiex_r_find(&body, key, strlen(key));
    struct aiex_slice start = body;

    if (r <= 0)
        return r;
    if (aiex_r_skip(&body) != 0)
        return -1;
    out->data = start.data;
    out->len = start.len - body.len;
    return 1;
}

/* Typed look-ups: 1 found, 0 missing or nil (out untouched), -1 wrong type or broken body. */
static inline int aiex_get_str(struct aiex_slice body, const char *key, struct aiex_slice *out)
{
    struct aiex_value v;
    int r = aiex_get(body, key, &v);

    if (r <= 0)
        return r;
    if (v.type == AIEX_T_NIL)
        return 0;
    if (v.type != AIEX_T_STR)
        return -1;
    *out = v.bytes;
    return 1;
}

/* STR or BIN. */
static inline int aiex_get_bytes(struct aiex_slice body, const char *key, struct aiex_slice *out)
{
    struct aiex_value v;
    int r = aiex_get(body, key, &v);

    if (r <= 0)
        return r;
    if (v.type == AIEX_T_NIL)
        return 0;
    if (v.type != AIEX_T_STR && v.type != AIEX_T_BIN)
        return -1;
    *out = v.bytes;
    return 1;
}

static inline int aiex_get_int(struct aiex_slice body, const char *key, int64_t *out)
{
    struct aiex_value v;
    int r = aiex_get(body, key, &v);

    if (r <= 0)
        return r;
    if (v.type == AIEX_T_NIL)
        return 0;
    if (v.type != AIEX_T_INT)
        return -1;
    *out = v.i;
    return 1;
}

static inline int aiex_get_bool(struct aiex_slice body, const char *key, int *out)
{
    struct aiex_value v;
    int r = aiex_get(body, key, &v);

    if (r <= 0)
        return r;
    if (v.type == AIEX_T_NIL)
        return 0;
    if (v.type != AIEX_T_BOOL)
        return -1;
    *out = (int)v.i;
    return 1;
}

/* Copies a string into out[size], always 0-terminated; -1 also when it does not fit or holds a 0.
 */
static inline int aiex_get_text(struct aiex_slice body, const char *key, char *out, size_t size)
{
    struct aiex_slice s;
    int r = aiex_get_str(body, key, &s);

    if (r <= 0)
        return r;
    if (s.len >= size || (s.len && memchr(s.data, 0, s.len)))
        return -1;
    if (s.len)
        memcpy(out, s.data, s.len);
    out[s.len] = 0;
    return 1;
}

AIEX_PACK_INLINE int aiex_slice_is(struct aiex_slice s, const char *text)
{
    size_t n;

    if (s.len && s.data[0] != (uint8_t)text[0]) /* so it is with most rows of a table */
        return 0;
    n = strlen(text);
    return s.len == n && (n == 0 || memcmp(s.data, text, n) == 0);
}

/* A trace id as logs and headers show it: 16 hexadecimal digits. */
static inline void aiex_hex64(char out[17], uint64_t v)
{
    static const char digits[] = "0123456789abcdef";
    unsigned i;

    for (i = 16; i > 0; v >>= 4)
        out[--i] = digits[v & 15];
    out[16] = 0;
}

#endif /* AIEX_PACK_H */

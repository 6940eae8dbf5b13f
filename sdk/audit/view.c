/* view.c - values of JSON against values of JSON or msgpack. */
#include "view.h"
#include "aiex_audit_check.h"
#include "note_text.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 32

/* ---- Texts ---- */

/* The characters of a string, malloced; NULL = no memory. */
static char *characters(const struct aiex_json_span *s, size_t *ret_len)
{
    char *out = malloc(s->len + 1);

    if (out)
        *ret_len = aiex_json_unescape(s->data + 1, s->len - 2, out);
    return out;
}

static int text_is(const struct aiex_json_span *s, const char *text, size_t len)
{
    char *mine;
    size_t n;
    int same;

    if (s->type != AIEX_JSON_STRING)
        return 0;
    if (s->len == len + 2 && memcmp(s->data + 1, text, len) == 0 && !memchr(text, '\\', len))
        return 1;
    mine = characters(s, &n);
    if (!mine)
        return -ENOMEM;
    same = n == len && memcmp(mine, text, n) == 0;
    free(mine);
    return same;
}

/* A number as JSON writes it. */
static double real_of(const struct aiex_json_span *s)
{
    char text[64];

    snprintf(text, sizeof(text), "%.*s", (int)(s->len < 63 ? s->len : 63), s->data);
    return strtod(text, NULL);
}

/* Bytes shown as hex or base64. */
static int bytes_are(const struct aiex_json_span *s, struct aiex_slice bytes)
{
    uint8_t *out;
    size_t n = 0;
    int same;

    if (s->type != AIEX_JSON_STRING)
        return 0;
    out = malloc(s->len + 1);
    if (!out)
        return -ENOMEM;
    same = aiex_unhex(s->data + 1, s->len - 2, out, bytes.len) == 0 ||
           (note_unbase64(s->data + 1, s->len - 2, out, s->len, &n) == 0 && n == bytes.len);
    same = same && (bytes.len == 0 || memcmp(out, bytes.data, bytes.len) == 0);
    free(out);
    return same;
}

/* ---- JSON and JSON ---- */

static int json_is(const struct aiex_json_span *a, const struct aiex_json_span *b, int depth);

static int members_are(const struct aiex_json_span *a, const struct aiex_json_span *b, int depth)
{
    struct aiex_json_span ka, kb, va, vb;
    size_t at_a = 0, at_b = 0;
    int same = 1, more_a, more_b;

    for (;;) {
        more_a = aiex_json_next(a, &at_a, &ka, &va);
        more_b = aiex_json_next(b, &at_b, &kb, &vb);
        if (!more_a || !more_b)
            return more_a == more_b;
        if (a->type == AIEX_JSON_OBJECT)
            same = json_is(&ka, &kb, depth);
        if (same == 1)
            same = json_is(&va, &vb, depth);
        if (same != 1)
            return same;
    }
}

static int json_is(const struct aiex_json_span *a, const struct aiex_json_span *b, int depth)
{
    int64_t x, y;
    char *text;
    size_t n;
    int same;

    if (a->type != b->type || depth == MAX_DEPTH)
        return 0;
    if (a->len == b->len && memcmp(a->data, b->data, a->len) == 0)
        return 1;
    switch (a->type) {
    case AIEX_JSON_STRING:
        text = characters(b, &n);
        if (!text)
            return -ENOMEM;
        same = text_is(a, text, n);
        free(text);
        return same;
    case AIEX_JSON_NUMBER:
        if (aiex_json_int(a, &x) == 0 && aiex_json_int(b, &y) == 0)
            return x == y;
        return real_of(a) == real_of(b);
    case AIEX_JSON_ARRAY:
    case AIEX_JSON_OBJECT:
        return members_are(a, b, depth + 1);
    default:
        return 1;
    }
}

/* ---- JSON and msgpack ---- */

static int pack_is(const struct aiex_json_span *s, struct aiex_slice whole, int depth);

static int array_is(const struct aiex_json_span *s, const struct aiex_value *v, int depth)
{
    struct aiex_slice at = v->bytes, item;
    struct aiex_json_span value;
    size_t json_at = 0;
    int same;

    if (s->type != AIEX_JSON_ARRAY)
        return 0;
    for (uint32_t i = 0; i < v->count; i++) {
        item = at;
        if (!aiex_json_next(s, &json_at, NULL, &value) || aiex_r_skip(&at) != 0)
            return 0;
        item.len -= at.len;
        same = pack_is(&value, item, depth);
        if (same != 1)
            return same;
    }
    return !aiex_json_next(s, &json_at, NULL, &value);
}

/* The value of a key that stands as a JSON string. 1, 0, -ENOMEM. */
static int pack_find(struct aiex_slice map, const struct aiex_json_span *key,
                     struct aiex_slice *ret_whole)
{
    struct aiex_value k;
    uint32_t pairs;
    int same;

    if (aiex_r_value(&map, &k) != 0 || k.type != AIEX_T_MAP)
        return 0;
    pairs = k.count;
    for (uint32_t i = 0; i < pairs; i++) {
        if (aiex_r_value(&map, &k) != 0 || k.type != AIEX_T_STR)
            return 0;
        same = text_is(key, (const char *)k.bytes.data, k.bytes.len);
        *ret_whole = map;
        if (same < 0 || aiex_r_skip(&map) != 0)
            return same < 0 ? same : 0;
        ret_whole->len -= map.len;
        if (same)
            return 1;
    }
    return 0;
}

static int map_is(const struct aiex_json_span *s, struct aiex_slice whole, uint32_t count,
                  int depth)
{
    struct aiex_json_span key, value;
    struct aiex_slice mine;
    size_t at = 0;
    uint32_t n = 0;
    int same = 1;

    if (s->type != AIEX_JSON_OBJECT)
        return 0;
    for (; same == 1 && aiex_json_next(s, &at, &key, &value); n++) {
        same = pack_find(whole, &key, &mine);
        if (same == 1)
            same = pack_is(&value, mine, depth);
    }
    return same == 1 ? n == count : same;
}

static int pack_is(const struct aiex_json_span *s, struct aiex_slice whole, int depth)
{
    struct aiex_slice at = whole;
    struct aiex_value v;
    int64_t n;

    if (depth == MAX_DEPTH || aiex_r_value(&at, &v) != 0)
        return 0;
    switch (v.type) {
    case AIEX_T_NIL:
        return s->type == AIEX_JSON_NULL;
    case AIEX_T_BOOL:
        return s->type == (v.i ? AIEX_JSON_TRUE : AIEX_JSON_FALSE);
    case AIEX_T_INT:
        return s->type == AIEX_JSON_NUMBER && aiex_json_int(s, &n) == 0 && n == v.i;
    case AIEX_T_UINT:
        return s->type == AIEX_JSON_NUMBER && real_of(s) == (double)v.u;
    case AIEX_T_REAL:
        return s->type == AIEX_JSON_NUMBER && real_of(s) == v.real;
    case AIEX_T_STR:
        return text_is(s, (const char *)v.bytes.data, v.bytes.len);
    case AIEX_T_BIN:
        return bytes_are(s, v.bytes);
    case AIEX_T_ARRAY:
        return array_is(s, &v, depth + 1);
    case AIEX_T_MAP:
        return map_is(s, whole, v.count, depth + 1);
    default:
        return 0;
    }
}

/* ---- The view ---- */

int view_check(const struct aiex_json_span *view, struct aiex_slice body, int encoding, char *key,
               size_t key_size)
{
    struct aiex_json_span whole = {AIEX_JSON_OBJECT, (const char *)body.data, body.len}, k, v, mine;
    struct aiex_slice packed;
    size_t at = 0;
    int same = 1;

    if (encoding == AIEX_BODY_JSON && view->len == body.len &&
        memcmp(view->data, body.data, body.len) == 0)
        return 0;
    if (encoding == AIEX_BODY_JSON && aiex_json_scan(body, 0, NULL, 0, NULL) != AIEX_JSON_OBJECT)
        return 0; /* told as a body that is not readable */
    while (same == 1 && aiex_json_next(view, &at, &k, &v)) {
        char name[256] = "";

        aiex_json_text(&k, name, sizeof(name));
        snprintf(key, key_size, "%s", name);
        if (encoding == AIEX_BODY_JSON)
            same = aiex_json_find(&whole, name, &mine) ? json_is(&v, &mine, 0) : 0;
        else
            same = (same = pack_find(body, &k, &packed)) == 1 ? pack_is(&v, packed, 0) : same;
    }
    return same == 1 ? 0 : same < 0 ? same : -EINVAL;
}

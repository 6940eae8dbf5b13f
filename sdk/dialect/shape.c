#include "shape.h"

#include <aiex_json.h>
#include <stdlib.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

void shapes_done(struct shapes *s)
{
    for (int i = 0; i < SHAPES; i++)
        free(s->s[i].bytes);
    *s = (struct shapes){0};
}

/* ---- Matching ---- */

/* First byte that is not plain ASCII inside of a string. */
static const uint8_t *plain_run(const uint8_t *p, const uint8_t *end)
{
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1f);

    while (end - p >= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i stop = _mm_or_si128(
            _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)),
            _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(v, control), v), v));
        int mask = _mm_movemask_epi8(stop);

        if (mask)
            return p + __builtin_ctz((unsigned)mask);
        p += 16;
    }
#endif
    while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\')
        p++;
    return p;
}

/* The quote that ends the string whose inside begins at p; NULL when it is not well-formed. */
static const uint8_t *string_end(const uint8_t *p, const uint8_t *end)
{
    const uint8_t *stop = plain_run(p, end), *quote = stop;

    if (stop == end || *stop == '"')
        return stop == end ? NULL : stop;
    for (;;) {
        const uint8_t *back;

        quote = memchr(quote, '"', (size_t)(end - quote));
        if (!quote)
            return NULL;
        for (back = quote; back > p && back[-1] == '\\';)
            back--;
        if ((quote - back) % 2 == 0)
            break;
        quote++;
    }
    if (aiex_json_scan((struct aiex_slice){p - 1, (size_t)(quote - p) + 2}, 0, NULL, 0, NULL) !=
        AIEX_JSON_STRING)
        return NULL;
    return quote;
}

static const uint8_t *digits_end(const uint8_t *p, const uint8_t *end, int64_t *v)
{
    const uint8_t *from = p;

    for (*v = 0; p < end && *p >= '0' && *p <= '9' && p - from < 18; p++)
        *v = *v * 10 + (*p - '0');
    /* a zero before other digits is no JSON number */
    return p == from || (*from == '0' && p - from > 1) ? NULL : p;
}

static int match(const struct shape *s, struct aiex_slice data, struct event *ret_event,
                 int64_t *ret_sequence)
{
    const uint8_t *p = data.data, *end = p + data.len, *piece = s->bytes;
    struct aiex_slice text = {NULL, 0};

    for (int i = 0;; i++) {
        const uint8_t *stop;
        int64_t number = 0;

        if ((size_t)(end - p) < s->pieces[i] || memcmp(p, piece, s->pieces[i]) != 0)
            return 0;
        p += s->pieces[i];
        piece += s->pieces[i];
        if (i == s->n_holes)
            break;
        stop = s->number[i] ? digits_end(p, end, &number) : string_end(p, end);
        if (!stop)
            return 0;
        if (i == s->text)
            text = (struct aiex_slice){p, (size_t)(stop - p)};
        if (i == s->sequence)
            *ret_sequence = number;
        p = stop;
    }
    if (p != end)
        return 0;
    *ret_event = s->event;
    ret_event->text = text;
    return 1;
}

int shapes_match(const struct shapes *s, struct aiex_slice data, struct event *ret_event,
                 int64_t *ret_sequence)
{
    *ret_sequence = -1; /* also of a shape that has none */
    for (int i = 0; i < SHAPES; i++)
        if (s->s[i].bytes && match(&s->s[i], data, ret_event, ret_sequence))
            return 1;
    return 0;
}

/* ---- Learning ---- */

/* Holes in the order of the text; 0 when they overlap, lie outside or are not closed by a quote. */
static int place(struct shape *s, struct aiex_slice data, const struct shape_hole *holes, int n,
                 int sequence)
{
    const uint8_t *from = data.data;

    for (int at = 0; at < n; at++) {
        int next = -1;

        for (int i = 0; i < n; i++)
            if (holes[i].at.data > from && (next < 0 || holes[i].at.data < holes[next].at.data))
                next = i;
        if (next < 0 || holes[next].at.data + holes[next].at.len >= data.data + data.len)
            return 0;
        s->pieces[at] = (size_t)(holes[next].at.data - from);
        s->number[at] = (uint8_t)holes[next].number;
        if (next == 0)
            s->text = at;
        if (next == sequence)
            s->sequence = at;
        from = holes[next].at.data + holes[next].at.len;
    }
    s->pieces[n] = (size_t)(data.data + data.len - from);
    return 1;
}

void shapes_learn(struct shapes *all, struct aiex_slice data, const struct event *e,
                  const struct shape_hole *holes, int n_holes, int sequence)
{
    struct shape s = {.n_holes = n_holes, .sequence = -1, .event = *e};
    const uint8_t *from = data.data;
    size_t len = 0;

    if (n_holes > SHAPE_MAX_HOLES || !place(&s, data, holes, n_holes, sequence))
        return;
    for (int i = 0; i <= n_holes; i++)
        len += s.pieces[i];
    if (len > SHAPE_MAX_BYTES)
        return;
    s.bytes = all->s[all->next].bytes;
    if (!s.bytes && !(s.bytes = malloc(SHAPE_MAX_BYTES)))
        return;
    len = 0;
    for (int i = 0; i <= n_holes; i++) {
        const uint8_t *hole = data.data + data.len;

        memcpy(s.bytes + len, from, s.pieces[i]);
        len += s.pieces[i];
        from += s.pieces[i];
        for (int k = 0; k < n_holes; k++)
            if (holes[k].at.data == from)
                hole = from + holes[k].at.len;
        from = hole;
    }
    s.event.text = s.event.id = s.event.name = s.event.space = (struct aiex_slice){NULL, 0};
    all->s[all->next] = s;
    all->next = (all->next + 1) % SHAPES;
}

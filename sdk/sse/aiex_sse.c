/*
 * aiex_sse.c - see aiex_sse.h.
 *
 * feed() looks for the blank line that ends an event. As long as nothing is held,
 * events are parsed where they lie; only the unfinished rest of a feed is copied. The
 * next feed then completes the held event first. Nearly all events are one data line
 * and the blank one: those are seen at once. Both line-end searches are memchr()
 * whose last result is remembered, so that bytes without the one kind of line end
 * are not searched for it again and again.
 */
#include "aiex_sse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A walk over lines. */
struct lines {
    const uint8_t *p, *end;
    const uint8_t *lf, *cr; /* the next ones at or behind p; `end` = none */
};

static const uint8_t *find(const uint8_t *from, const uint8_t *end, int c)
{
    const uint8_t *at = from < end ? memchr(from, c, (size_t)(end - from)) : NULL;

    return at ? at : end;
}

static struct lines lines_of(const uint8_t *p, const uint8_t *end)
{
    return (struct lines){p, end, find(p, end, '\n'), find(p, end, '\r')};
}

static void find_ends(struct lines *l)
{
    if (l->lf < l->p)
        l->lf = find(l->p, l->end, '\n');
    if (l->cr < l->p)
        l->cr = find(l->p, l->end, '\r');
}

/* The next line without its end, CR LF as one. 1, or 0 when no line end is left; `cr_last` tells
 * that the end was a CR and the very last byte: an LF that follows later belongs to it. */
static int next_line(struct lines *l, const uint8_t **line, size_t *len, int *cr_last)
{
    const uint8_t *stop;

    find_ends(l);
    stop = l->lf < l->cr ? l->lf : l->cr;
    if (stop == l->end)
        return 0;
    *line = l->p;
    *len = (size_t)(stop - l->p);
    *cr_last = *stop == '\r' && stop + 1 == l->end;
    l->p = stop + 1;
    if (*stop == '\r' && l->p < l->end && *l->p == '\n')
        l->p++;
    return 1;
}

void aiex_sse_init(struct aiex_sse *s, size_t max_event_bytes)
{
    *s = (struct aiex_sse){.max = max_event_bytes};
}

void aiex_sse_done(struct aiex_sse *s)
{
    free(s->held);
    free(s->joined);
    *s = (struct aiex_sse){.max = s->max};
}

size_t aiex_sse_pending(const struct aiex_sse *s)
{
    return s->held_len;
}

static int reserve(uint8_t **mem, size_t *cap, size_t need)
{
    size_t size = *cap ? *cap : 1024;
    uint8_t *grown;

    if (need <= *cap)
        return 0;
    while (size < need)
        size *= 2;
    grown = realloc(*mem, size);
    if (!grown)
        return -ENOMEM;
    *mem = grown;
    *cap = size;
    return 0;
}

static int hold(struct aiex_sse *s, const uint8_t *p, size_t n)
{
    int r;

    if (n > s->max || s->held_len > s->max - n)
        return -EMSGSIZE;
    r = reserve(&s->held, &s->held_cap, s->held_len + n);
    if (r == 0 && n) {
        memcpy(s->held + s->held_len, p, n);
        s->held_len += n;
    }
    return r;
}

/* Splits "name: value"; the value of a line without a colon is empty. */
static int is_field(const uint8_t *line, size_t len, const char *name, struct aiex_slice *value)
{
    size_t n = strlen(name);

    if (len < n || memcmp(line, name, n) != 0 || (len > n && line[n] != ':'))
        return 0;
    n += len > n;
    n += len > n && line[n] == ' ';
    *value = (struct aiex_slice){line + n, len - n};
    return 1;
}

/* One more data line behind those that were joined so far. */
static int join(struct aiex_sse *s, struct aiex_slice *data, struct aiex_slice more)
{
    int first = data->data != s->joined;
    int r = reserve(&s->joined, &s->joined_cap, data->len + 1 + more.len);

    if (r != 0)
        return r;
    if (first && data->len)
        memcpy(s->joined, data->data, data->len);
    s->joined[data->len] = '\n';
    if (more.len)
        memcpy(s->joined + data->len + 1, more.data, more.len);
    *data = (struct aiex_slice){s->joined, data->len + 1 + more.len};
    return 0;
}

static int is_plain(const struct aiex_sse_event *e)
{
    return e->raw.len == e->data.len + 8 && memcmp(e->raw.data, "data: ", 6) == 0 &&
           e->data.data == e->raw.data + 6 && memcmp(e->raw.data + 6 + e->data.len, "\n\n", 2) == 0;
}

/* One whole event: its lines up to and with the blank one. */
static int dispatch(struct aiex_sse *s, struct aiex_slice raw, aiex_sse_fn fn, void *arg)
{
    struct lines l = lines_of(raw.data, raw.data + raw.len);
    struct aiex_sse_event e = {.raw = raw, .in_place = raw.data != s->held};
    struct aiex_slice value;
    const uint8_t *line;
    int n_data = 0, cr_last, r = 0;
    size_t len;

    while (r == 0 && next_line(&l, &line, &len, &cr_last)) {
        if (is_field(line, len, "data", &value)) {
            if (n_data++ == 0)
                e.data = value;
            else
                r = join(s, &e.data, value);
        } else if (is_field(line, len, "event", &value)) {
            e.name = value;
        }
    }
    if (r != 0 || n_data == 0)
        return r;
    e.plain = n_data == 1 && is_plain(&e);
    e.in_place = e.in_place && n_data == 1;
    return fn(arg, &e);
}

/* Finds the end of the event that begins (or goes on) at l->p. 1 and l->p behind its blank line;
 * else 0. s->in_line says whether bytes of the first line were seen before. */
static int find_blank(struct aiex_sse *s, struct lines *l)
{
    const uint8_t *line;
    size_t len;
    int cr_last;

    while (next_line(l, &line, &len, &cr_last)) {
        int blank = len == 0 && !s->in_line;

        s->skip_lf = cr_last;
        s->in_line = 0;
        if (blank)
            return 1;
    }
    return 0;
}

/* Exactly "data: DATA\n\n" at l->p: 1, the event, and l->p behind it. */
static int plain_event(struct lines *l, struct aiex_sse_event *e)
{
    const uint8_t *from = l->p;

    if (l->end - from < 8 || memcmp(from, "data: ", 6) != 0)
        return 0;
    find_ends(l);
    if (l->end - l->lf < 2 || l->lf[1] != '\n' || l->cr < l->lf)
        return 0;
    l->p = l->lf + 2;
    *e = (struct aiex_sse_event){.raw = {from, (size_t)(l->p - from)},
                                 .data = {from + 6, (size_t)(l->lf - from) - 6},
                                 .plain = 1,
                                 .in_place = 1};
    return 1;
}

/* A byte order mark may come in pieces: what could still be one is held back. 1 = go on. */
static int skip_mark(struct aiex_sse *s, const uint8_t **p, const uint8_t *end)
{
    static const uint8_t mark[3] = {0xef, 0xbb, 0xbf};

    while (*p < end && s->held_len < 3) {
        if (**p != mark[s->held_len])
            break;
        s->held[s->held_len++] = *(*p)++;
    }
    if (*p == end && s->held_len < 3)
        return 0;
    if (s->held_len == 3)
        s->held_len = 0;
    s->in_line = s->held_len != 0;
    s->begun = 1;
    return 1;
}

int aiex_sse_feed(struct aiex_sse *s, struct aiex_slice bytes, aiex_sse_fn fn, void *arg)
{
    const uint8_t *p = bytes.data, *end = p + bytes.len;
    struct lines l;
    int r;

    if (bytes.len == 0)
        return 0;
    if (!s->begun) {
        if (s->max < 3)
            return -EMSGSIZE;
        if ((r = reserve(&s->held, &s->held_cap, 3)) != 0)
            return r;
        if (!skip_mark(s, &p, end))
            return 0;
    }
    if (s->skip_lf && p < end) {
        p += *p == '\n';
        s->skip_lf = 0;
    }
    for (l = lines_of(p, end); p < end; p = l.p) {
        struct aiex_slice raw = {p, 0};
        struct aiex_sse_event e;

        if (!s->held_len && !s->in_line && plain_event(&l, &e)) {
            r = e.raw.len > s->max ? -EMSGSIZE : fn(arg, &e);
            if (r != 0)
                return r;
            continue;
        }
        if (!find_blank(s, &l)) {
            s->in_line = l.p < end;
            return hold(s, p, (size_t)(end - p));
        }
        raw.len = (size_t)(l.p - p);
        if (s->held_len) {
            if ((r = hold(s, p, raw.len)) != 0)
                return r;
            raw = (struct aiex_slice){s->held, s->held_len};
        } else if (raw.len > s->max) {
            return -EMSGSIZE;
        }
        r = dispatch(s, raw, fn, arg);
        s->held_len = 0;
        if (r != 0)
            return r;
    }
    return 0;
}

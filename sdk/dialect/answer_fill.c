/*
 * answer_fill.c - the text between a prefix and a suffix, as a chat answered it.
 *
 * Models that are asked for nothing but the missing text still put it into a code fence now and
 * then, or begin and end it with line breaks that are there already. The fence that surrounds the
 * answer is taken off, with the line breaks that belong to it; without one, a line break at the
 * begin where the prefix ends with one, and at the end where the suffix begins with one.
 *
 * Of a stream only what may be such an end is held back: a begin until it is none of a fence, a
 * line break and what looks like a closing fence until more follows. Texts are JSON string content
 * and are never cut inside of an escape.
 */
#include "answer.h"

#define MAX_HEAD 64 /* bytes of an opening line; what is longer is text */
#define MAX_TAIL 64 /* of a closing one, with the white space behind it */
#define NONE     SIZE_MAX

enum unit { NEWLINE, TICK, SPACE, OTHER };

static enum unit escaped(const uint8_t *p, size_t n)
{
    static const struct {
        const char *code;
        enum unit unit;
    } rows[] = {{"\\n", NEWLINE},   {"\\u000a", NEWLINE}, {"\\u000A", NEWLINE}, {"\\u0060", TICK},
                {"\\t", SPACE},     {"\\r", SPACE},       {"\\u0009", SPACE},   {"\\u0020", SPACE},
                {"\\u000d", SPACE}, {"\\u000D", SPACE}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strlen(rows[i].code) == n && memcmp(rows[i].code, p, n) == 0)
            return rows[i].unit;
    return OTHER;
}

/* What stands at `at`; *n = its bytes. */
static enum unit unit_at(const struct bytes *b, size_t at, size_t *n)
{
    const uint8_t *p = b->data + at;
    size_t left = b->len - at;

    *n = 1;
    if (*p == '`')
        return TICK;
    if (*p != '\\')
        return *p == ' ' ? SPACE : OTHER;
    *n = left > 1 && p[1] == 'u' ? 6 : 2;
    if (*n > left)
        *n = left;
    return escaped(p, *n);
}

/* Past all units of a kind. */
static size_t skip(const struct bytes *b, size_t at, enum unit unit, unsigned *count)
{
    size_t n;

    for (*count = 0; at < b->len && unit_at(b, at, &n) == unit; at += n)
        ++*count;
    return at;
}

/* ---- The begin ---- */

/* 1 = known what begins: *ret_skip bytes go, f->ticks is the fence; 0 = more is needed. */
static int begin(struct fill *f, int drop_newline, int last, size_t *ret_skip)
{
    const struct bytes *b = &f->held;
    unsigned n_lines, n_ticks;
    size_t first = 0, at, n;
    int whole = last || b->len > MAX_HEAD;

    at = skip(b, 0, NEWLINE, &n_lines);
    if (n_lines)
        unit_at(b, 0, &first);
    at = skip(b, at, TICK, &n_ticks);
    *ret_skip = drop_newline ? first : 0;
    if (at == b->len && !whole)
        return 0;
    if (n_ticks < 3)
        return 1;
    for (n = 0; at < b->len; at += n) { /* the language */
        enum unit unit = unit_at(b, at, &n);

        if (unit == TICK || at > MAX_HEAD)
            return 1;
        if (unit != NEWLINE)
            continue;
        f->ticks = n_ticks;
        *ret_skip = at + n;
        return 1;
    }
    return whole;
}

/* ---- The end ---- */

/* From where a closing fence may have begun; the length when nowhere. */
static size_t closing(const struct fill *f)
{
    enum { TEXT, LINE, TICKS, BEHIND } state = f->fresh ? LINE : TEXT;
    size_t mark = f->fresh ? 0 : NONE, line = 0, behind = NONE, n;
    unsigned count = 0;

    for (size_t at = 0; at < f->held.len; at += n) {
        enum unit unit = unit_at(&f->held, at, &n);
        int closed;

        if (mark != NONE && at + n - mark > MAX_TAIL) {
            mark = NONE;
            state = TEXT;
        }
        closed = state == BEHIND || (state == TICKS && count == f->ticks);

        if (unit == NEWLINE) {
            if (!closed)
                mark = at;
            state = closed ? BEHIND : LINE;
            count = closed ? count : 0;
            line = at;
            behind = at + n;
        } else if (unit == TICK && (state == LINE || state == TICKS) && count < f->ticks) {
            state = TICKS;
            count++;
        } else if (unit == TICK && state == BEHIND && behind == at) {
            mark = line; /* that was one inside, perhaps this is the one */
            state = TICKS;
            count = 1;
        } else if (unit == SPACE && closed) {
            state = BEHIND;
        } else {
            mark = NONE;
            state = TEXT;
        }
    }
    return mark == NONE ? f->held.len : mark;
}

/* Where the last line break begins, when nothing is behind it. */
static size_t last_newline(const struct fill *f)
{
    size_t mark = f->held.len, n;

    for (size_t at = 0; at < f->held.len; at += n)
        mark = unit_at(&f->held, at, &n) == NEWLINE ? at : f->held.len;
    return mark;
}

/* ---- The way ---- */

static void drop(struct fill *f, size_t n)
{
    f->held.len -= n;
    if (n && f->held.len)
        memmove(f->held.data, f->held.data + n, f->held.len);
}

static int release(struct answer *a)
{
    struct fill *f = &a->fill;
    struct event e = {.kind = EVENT_TEXT, .text = bytes_all(&f->held)};
    int r;

    if (f->ticks)
        e.text.len = closing(f);
    else if (a->c->fill_tail)
        e.text.len = last_newline(f);
    if (!e.text.len)
        return 0;
    r = answer_deliver(a, &e);
    drop(f, e.text.len);
    f->fresh = 0;
    return r;
}

static int take(struct answer *a, int last)
{
    struct fill *f = &a->fill;
    size_t n = 0;

    if (!f->begun) {
        if (!begin(f, a->c->fill_head, last, &n))
            return 0;
        f->begun = 1;
        f->fresh = f->ticks != 0;
        drop(f, n);
    }
    return release(a);
}

int answer_fill_take(struct answer *a, struct aiex_slice text)
{
    bytes_slice(&a->fill.held, text);
    return a->fill.held.failed ? a->fill.held.failed : take(a, 0);
}

int answer_fill_end(struct answer *a)
{
    int r = take(a, 1);

    a->fill.held.len = 0;
    return r;
}

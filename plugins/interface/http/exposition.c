/* exposition.c - see exposition.h. */
#include "exposition.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The lines of one source that belong to one family: they stand together in its text. */
struct block {
    struct aiex_slice family, lines;
    uint32_t hash;
    int done;
};

struct blocks {
    struct block *all;
    size_t n, cap;
};

/* ---- Lines ---- */

static int is_name(uint8_t c, int first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' ||
           (!first && c >= '0' && c <= '9');
}

/* The name at the beginning; empty when there is none. */
static struct aiex_slice name_at(const uint8_t *p, const uint8_t *end)
{
    const uint8_t *from = p;

    while (p < end && is_name(*p, p == from))
        p++;
    return (struct aiex_slice){from, (size_t)(p - from)};
}

/* 1: what follows `p` are labels in braces, *p is set behind them; 0: none; -1: broken ones. */
static int skip_labels(const uint8_t **p, const uint8_t *end)
{
    int text = 0;

    if (*p == end || **p != '{')
        return 0;
    for (++*p; *p < end; ++*p) {
        if (text && **p == '\\' && *p + 1 < end)
            ++*p;
        else if (**p == '"')
            text = !text;
        else if (!text && **p == '}')
            return ++*p, 1;
    }
    return -1;
}

/* A number, or +Inf, -Inf, NaN; perhaps a time behind it. */
static int is_value(const uint8_t *p, const uint8_t *end)
{
    const uint8_t *from = p;

    for (; p < end; p++)
        if (!((*p >= '0' && *p <= '9') || memchr("+-.eEInfNa ", *p, 11)))
            return 0;
    return p > from;
}

enum line { BAD, SAMPLE, HEAD };

/* What the line is, and the name that it is about. */
static enum line read_line(const uint8_t *p, const uint8_t *end, struct aiex_slice *ret_name)
{
    if (end - p > 7 && (memcmp(p, "# HELP ", 7) == 0 || memcmp(p, "# TYPE ", 7) == 0)) {
        *ret_name = name_at(p + 7, end);
        p = ret_name->data + ret_name->len;
        return ret_name->len && p < end && *p == ' ' ? HEAD : BAD;
    }
    *ret_name = name_at(p, end);
    p += ret_name->len;
    if (!ret_name->len || skip_labels(&p, end) < 0 || p == end || *p != ' ')
        return BAD;
    return is_value(p + 1, end) ? SAMPLE : BAD;
}

/* Samples of a family have its name, or that with an ending when it is a histogram or summary. */
static int is_of(struct aiex_slice family, struct aiex_slice name)
{
    static const char *const endings[] = {"", "_bucket", "_sum", "_count"};

    if (name.len < family.len || memcmp(name.data, family.data, family.len) != 0)
        return 0;
    for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++)
        if (strlen(endings[i]) == name.len - family.len &&
            memcmp(name.data + family.len, endings[i], name.len - family.len) == 0)
            return 1;
    return 0;
}

/* ---- Blocks ---- */

static uint32_t hash_of(struct aiex_slice s)
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < s.len; i++)
        h = (h ^ s.data[i]) * 16777619u;
    return h;
}

static struct block *begin(struct blocks *b, struct aiex_slice family)
{
    if (b->n == b->cap) {
        size_t cap = b->cap ? b->cap * 2 : 256;
        struct block *all = cap <= EXPOSITION_BLOCKS ? realloc(b->all, cap * sizeof(*all)) : NULL;

        if (!all)
            return NULL;
        b->all = all;
        b->cap = cap;
    }
    b->all[b->n] = (struct block){.family = family, .hash = hash_of(family)};
    return &b->all[b->n++];
}

/* 0, or -ENOMEM: no room for more. */
static int cut(struct blocks *b, struct aiex_slice text)
{
    const uint8_t *p = text.data, *end = text.len ? p + text.len : p;
    struct block *open = NULL;

    while (p < end) {
        const uint8_t *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl ? nl : end;
        struct aiex_slice name = {NULL, 0};
        enum line is = read_line(p, stop, &name);

        if (is == BAD) {
            open = NULL; /* what follows begins anew, so the bad line is in no block */
        } else {
            int goes_on = open && (is == SAMPLE
                                       ? is_of(open->family, name)
                                       : name.len == open->family.len && is_of(open->family, name));

            if (!goes_on) {
                open = begin(b, name);
                if (!open)
                    return -ENOMEM;
                open->lines.data = p;
            }
            open->lines.len = (size_t)(stop - open->lines.data);
        }
        p = nl ? nl + 1 : end;
    }
    return 0;
}

/* ---- Writing ---- */

struct out {
    exposition_fn fn;
    void *arg;
    int r;
};

static void say(struct out *o, const uint8_t *bytes, size_t n)
{
    if (o->r == 0 && n)
        o->r = o->fn(o->arg, bytes, n);
}

/* Lines of one kind; HELP and TYPE go before the samples of all sources. */
static void write_lines(struct out *o, const struct block *b, enum line wanted)
{
    const uint8_t *p = b->lines.data, *end = p + b->lines.len;

    while (p < end) {
        const uint8_t *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl ? nl : end;

        if ((*p == '#' ? HEAD : SAMPLE) == wanted) {
            say(o, p, (size_t)(stop - p));
            say(o, (const uint8_t *)"\n", 1);
        }
        p = nl ? nl + 1 : end;
    }
}

static int is_same(const struct block *a, const struct block *b)
{
    return a->hash == b->hash && a->family.len == b->family.len &&
           memcmp(a->family.data, b->family.data, a->family.len) == 0;
}

static void write_family(struct out *o, struct blocks *b, size_t first)
{
    write_lines(o, &b->all[first], HEAD);
    for (size_t i = first; i < b->n; i++)
        if (!b->all[i].done && is_same(&b->all[i], &b->all[first])) {
            b->all[i].done = 1;
            write_lines(o, &b->all[i], SAMPLE);
        }
}

int exposition_merge(const struct aiex_slice *texts, size_t n_texts, exposition_fn fn, void *arg)
{
    struct blocks b = {NULL, 0, 0};
    struct out o = {fn, arg, 0};

    for (size_t i = 0; i < n_texts; i++)
        if (cut(&b, texts[i]) < 0) {
            o.r = b.n < EXPOSITION_BLOCKS ? -ENOMEM : 0;
            break;
        }
    for (size_t i = 0; i < b.n && o.r == 0; i++)
        if (!b.all[i].done)
            write_family(&o, &b, i);
    free(b.all);
    return o.r;
}

/* syntax.c - one pass from tag to tag; open conditions on a small stack. */
#include "syntax.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct open {
    size_t at; /* of its tag, for messages */
    int shown; /* what surrounds it is shown */
    int truth;
    int in_else;
};

struct run {
    const char *text;
    size_t len, at;
    syntax_value_fn value;
    void *arg;
    struct syntax_output *out;
    struct syntax_error *err;
    struct open open[MAX_NESTED];
    unsigned n_open;
};

static int wrong(struct run *r, size_t at, const char *what, const char *name, size_t n)
{
    struct syntax_error *e = r->err;

    e->line = e->column = 1;
    for (size_t i = 0; i < at; i++) {
        e->column++;
        if (r->text[i] == '\n') {
            e->line++;
            e->column = 1;
        }
    }
    if (n > MAX_VARIABLE)
        n = MAX_VARIABLE;
    snprintf(e->name, sizeof(e->name), "%.*s", (int)n, name);
    snprintf(e->text, sizeof(e->text), what, (int)n, name);
    return -EINVAL;
}

static int shown(const struct run *r)
{
    const struct open *o = r->n_open ? &r->open[r->n_open - 1] : NULL;

    return !o || (o->shown && o->truth != o->in_else);
}

static int put(struct run *r, const void *bytes, size_t n)
{
    struct syntax_output *out = r->out;

    if (!out || !n || !shown(r))
        return 0;
    if (n > MAX_OUTPUT - out->len)
        return -EMSGSIZE;
    if (out->len + n > out->size) {
        size_t size = (out->len + n) * 2;
        char *more = realloc(out->data, size);

        if (!more)
            return -ENOMEM;
        out->data = more;
        out->size = size;
    }
    memcpy(out->data + out->len, bytes, n);
    out->len += n;
    return 0;
}

int syntax_is_name(const char *name, size_t len)
{
    if (!len || len > MAX_VARIABLE || !(isalpha((unsigned char)*name) || *name == '_'))
        return 0;
    for (size_t i = 1; i < len; i++)
        if (!isalnum((unsigned char)name[i]) && !memchr("_.-", name[i], 3))
            return 0;
    return 1;
}

/* The value of a name; -EINVAL with a place when nobody knows it. */
static int look_up(struct run *r, size_t at, const char *name, size_t n,
                   struct aiex_slice *ret_text, int *ret_true)
{
    char copy[MAX_VARIABLE + 1];

    if (!syntax_is_name(name, n))
        return wrong(r, at, "'%.*s' can not be the name of a variable", name, n);
    memcpy(copy, name, n);
    copy[n] = 0;
    if (!r->value(r->arg, copy, ret_text, ret_true))
        return wrong(r, at, "the variable '%.*s' is not declared", name, n);
    return 0;
}

static int begin_if(struct run *r, size_t at, const char *name, size_t n)
{
    struct open *o = &r->open[r->n_open];
    struct aiex_slice text;
    int was = shown(r), truth = 0, e;

    if (r->n_open == MAX_NESTED)
        return wrong(r, at, "more than 32 {{#if}} inside of each other%.*s", "", 0);
    e = look_up(r, at, name, n, &text, &truth);
    if (e < 0)
        return e;
    *o = (struct open){at, was, truth != 0, 0};
    r->n_open++;
    return 0;
}

static int is(const char *a, size_t n, const char *word)
{
    return n == strlen(word) && memcmp(a, word, n) == 0;
}

/* {{#if x}}, {{else}}, {{/if}}: change what is shown. 1 when it was one of them. */
static int block_tag(struct run *r, size_t at, const char *tag, size_t n)
{
    int e;

    if (n > 3 && memcmp(tag, "#if", 3) == 0 && isspace((unsigned char)tag[3])) {
        for (tag += 3, n -= 3; n && isspace((unsigned char)*tag); n--)
            tag++;
        e = begin_if(r, at, tag, n);
        return e < 0 ? e : 1;
    }
    if (is(tag, n, "else")) {
        if (!r->n_open || r->open[r->n_open - 1].in_else)
            return wrong(r, at, "{{else}} without an {{#if}}%.*s", "", 0);
        r->open[r->n_open - 1].in_else = 1;
        return 1;
    }
    if (is(tag, n, "/if")) {
        if (!r->n_open)
            return wrong(r, at, "{{/if}} without an {{#if}}%.*s", "", 0);
        r->n_open--;
        return 1;
    }
    if (*tag == '#' || *tag == '/')
        return wrong(r, at, "'%.*s' is no tag; there are {{name}}, {{#if name}}, {{else}}, {{/if}}",
                     tag, n);
    return 0;
}

static int is_block(const char *tag, size_t n)
{
    return n && (*tag == '#' || *tag == '/' || is(tag, n, "else"));
}

/* 1 when nothing else stands on the lines of [begin, end); then the line's bounds. */
static int alone(const struct run *r, size_t begin, size_t end, size_t *ret_begin, size_t *ret_end)
{
    while (begin && (r->text[begin - 1] == ' ' || r->text[begin - 1] == '\t'))
        begin--;
    while (end < r->len && (r->text[end] == ' ' || r->text[end] == '\t' || r->text[end] == '\r'))
        end++;
    if ((begin && r->text[begin - 1] != '\n') || (end < r->len && r->text[end] != '\n'))
        return 0;
    *ret_begin = begin;
    *ret_end = end < r->len ? end + 1 : end;
    return 1;
}

/* The tag at `at`; `from` is where the text before it begins that is not put out yet. */
static int take_tag(struct run *r, size_t at, size_t from)
{
    const char *end = memmem(r->text + at, r->len - at, "}}", 2), *tag = r->text + at + 2;
    size_t behind, begin = at, n;
    struct aiex_slice value = {NULL, 0};
    int truth, e;

    if (!end)
        return wrong(r, at, "{{ without }}; write \\{{ for plain braces%.*s", "", 0);
    behind = (size_t)(end - r->text) + 2;
    for (n = (size_t)(end - tag); n && isspace((unsigned char)*tag); n--)
        tag++;
    while (n && isspace((unsigned char)tag[n - 1]))
        n--;
    if (is_block(tag, n))
        alone(r, at, behind, &begin, &behind);
    if (begin < from)
        begin = from;
    e = put(r, r->text + from, begin - from);
    if (e == 0 && n)
        e = block_tag(r, at, tag, n);
    if (e == 0)
        e = look_up(r, at, tag, n, &value, &truth);
    if (e == 0)
        e = put(r, value.data, value.len);
    r->at = behind;
    return e < 0 ? e : 0;
}

/* How many backslashes stand before `at`, not before `from`. */
static size_t backslashes(const struct run *r, size_t at, size_t from)
{
    size_t n = 0;

    while (at - n > from && r->text[at - n - 1] == '\\')
        n++;
    return n;
}

static int next(struct run *r)
{
    const char *tag = memmem(r->text + r->at, r->len - r->at, "{{", 2);
    size_t at = tag ? (size_t)(tag - r->text) : r->len, n = tag ? backslashes(r, at, r->at) : 0;
    int e;

    if (!tag) {
        e = put(r, r->text + r->at, r->len - r->at);
        r->at = r->len;
        return e;
    }
    if (n == 0)
        return take_tag(r, at, r->at);
    e = put(r, r->text + r->at, at - r->at - 1); /* one backslash less */
    r->at = at;
    if (n == 1) { /* \{{ */
        if (e == 0)
            e = put(r, "{{", 2);
        r->at += 2;
        return e;
    }
    return e < 0 ? e : take_tag(r, at, at);
}

int syntax_run(struct aiex_slice text, syntax_value_fn value, void *arg, struct syntax_output *out,
               struct syntax_error *err)
{
    struct run r = {.text = (const char *)text.data,
                    .len = text.len,
                    .value = value,
                    .arg = arg,
                    .out = out,
                    .err = err};
    int e = 0;

    if (out)
        *out = (struct syntax_output){NULL, 0, 0};
    while (e == 0 && r.at < r.len)
        e = next(&r);
    if (e == 0 && r.n_open)
        e = wrong(&r, r.open[r.n_open - 1].at, "{{#if}} without {{/if}}%.*s", "", 0);
    return e;
}

#include "explain.h"

#include <string.h>

#define MAX_QUOTED_LINES 60u
#define MAX_NAMES        16u
#define MAX_RETURNS      6u
#define MAX_LISTED       40u

struct name {
    const char *at;
    size_t len, count;
};

static int is_known(struct name *names, size_t n, const char *at, size_t len)
{
    for (size_t i = 0; i < n; i++)
        if (names[i].len == len && memcmp(names[i].at, at, len) == 0) {
            names[i].count++;
            return 1;
        }
    return 0;
}

static int is_name(const struct source *s, const struct definition *d, const char *at, size_t len)
{
    return len == d->name_len && memcmp(s->text + d->name, at, len) == 0;
}

static const char *trim(const char *from, const char **to)
{
    while (from < *to && strchr(" \t\r\n", *from))
        from++;
    while (*to > from && strchr(" \t\r\n;{", (*to)[-1]))
        (*to)--;
    return from;
}

/* As inline code on one line: white space runs become one blank. */
static void add_code(struct text *t, const char *from, const char *to, size_t max)
{
    const char *p = trim(from, &to);
    size_t n = 0;

    text_add(t, "`");
    for (; p < to && n < max; p++) {
        int blank = strchr(" \t\r\n", *p) != NULL;

        if (*p == '`' || (blank && p > from && strchr(" \t\r\n", p[-1]) && n))
            continue;
        text_addn(t, blank ? " " : p, 1);
        n++;
    }
    text_add(t, p < to ? "...`" : "`");
}

/* ---- Comment ---- */

/* Without the signs that make a line a comment. */
static const char *without_signs(const char *p, const char *end)
{
    while (p < end && strchr(" \t/*#!\"'", *p))
        p++;
    return p;
}

static int add_comment_lines(struct text *t, const char *p, const char *end)
{
    int lines = 0;

    for (const char *stop; p < end; p = stop + 1) {
        const char *from, *to;

        stop = memchr(p, '\n', (size_t)(end - p));
        if (!stop)
            stop = end;
        from = without_signs(p, stop);
        for (to = stop; to > from && strchr(" \t\r*/\"'", to[-1]);)
            to--;
        if (to == from || *from == '[')
            continue;
        text_add(t, "> ");
        text_addn(t, from, (size_t)(to - from));
        text_add(t, "\n");
        lines++;
    }
    return lines;
}

/* The doc string of Python stands first in the body. */
static void add_doc_string(struct text *t, const struct source *s, const struct definition *d)
{
    const char *p = s->text + d->body, *end = s->text + d->end, *stop;
    const char *mark;

    while (p < end && strchr(" \t\r\n", *p))
        p++;
    if (end - p < 6 || (memcmp(p, "\"\"\"", 3) != 0 && memcmp(p, "'''", 3) != 0))
        return;
    mark = *p == '"' ? "\"\"\"" : "'''";
    stop = memmem(p + 3, (size_t)(end - p - 3), mark, 3);
    text_add(t, "Its doc string says:\n\n");
    add_comment_lines(t, p + 3, stop ? stop : end);
    text_add(t, "\n");
}

static void add_doc(struct text *t, const struct source *s, const struct definition *d)
{
    struct text lines;

    text_init(&lines, 16384);
    if (d->doc < d->start && add_comment_lines(&lines, s->text + d->doc, s->text + d->start)) {
        text_add(t, "The comment above it says:\n\n");
        text_addn(t, lines.data, lines.len);
        text_add(t, "\n");
    }
    text_done(&lines);
    if (s->language->extent == BY_INDENT)
        add_doc_string(t, s, d);
}

/* ---- Signature ---- */

/* The arguments between the parentheses behind the name; 0 = none. */
static int arguments(const struct source *s, const struct definition *d, size_t *from, size_t *to)
{
    size_t at = d->name + d->name_len, depth = 0;

    while (at < d->end && s->masked[at] != '(' && s->masked[at] != '{' && s->masked[at] != '\n')
        at++;
    if (at >= d->end || s->masked[at] != '(')
        return 0;
    *from = at + 1;
    for (; at < d->end; at++) {
        depth += s->masked[at] == '(';
        if (s->masked[at] == ')' && --depth == 0) {
            *to = at;
            return 1;
        }
    }
    return 0;
}

static void add_parameters(struct text *t, const struct source *s, const struct definition *d)
{
    size_t from, to, depth = 0, start;
    unsigned n = 0;

    if (!arguments(s, d, &from, &to))
        return;
    text_add(t, "- Parameters: ");
    for (size_t at = start = from; at <= to; at++) {
        const char *p = s->text + start, *end = s->text + at;

        if (at < to) {
            depth += strchr("([{<", s->masked[at]) != NULL;
            depth -= strchr(")]}>", s->masked[at]) != NULL && depth;
            if (s->masked[at] != ',' || depth)
                continue;
        }
        start = at + 1;
        p = trim(p, &end);
        if (p == end || (end - p == 4 && memcmp(p, "void", 4) == 0))
            continue;
        text_add(t, n++ ? ", " : "");
        add_code(t, p, end, 120);
    }
    text_add(t, n ? "\n" : "none\n");
}

/* ---- Body ---- */

static int is_control(const struct source *s, const char *at, size_t len)
{
    char list[256] = " ";

    strncat(list, s->language->control, sizeof(list) - 2);
    return language_list_has(list, at, len);
}

struct facts {
    struct name calls[MAX_NAMES], control[MAX_NAMES];
    size_t n_calls, n_control, n_more;
    int recursive, frees;
};

static void note(struct name *names, size_t *n, size_t *more, const char *at, size_t len)
{
    if (is_known(names, *n, at, len))
        return;
    if (*n < MAX_NAMES)
        names[(*n)++] = (struct name){at, len, 1};
    else if (more)
        ++*more;
}

static void read_body(const struct source *s, const struct definition *d, struct facts *f)
{
    static const char skip[] =
        " sizeof return func fn function def lambda and or not in new typeof "
        "int char void defined elif ";

    for (size_t at = d->body; at < d->end;) {
        size_t from = at, end;

        if (!is_word(s->masked[at])) {
            at++;
            continue;
        }
        while (at < d->end && is_word(s->masked[at]))
            at++;
        for (end = at; end < d->end && (s->masked[end] == ' ' || s->masked[end] == '!');)
            end++;
        if (is_control(s, s->text + from, at - from)) {
            note(f->control, &f->n_control, NULL, s->text + from, at - from);
        } else if (end < d->end && s->masked[end] == '(' &&
                   !language_list_has(skip, s->text + from, at - from)) {
            if (is_name(s, d, s->text + from, at - from))
                f->recursive = 1;
            else
                note(f->calls, &f->n_calls, &f->n_more, s->text + from, at - from);
        }
        f->frees |= at - from == 4 && memcmp(s->text + from, "free", 4) == 0;
    }
}

static void add_calls(struct text *t, const struct facts *f)
{
    if (!f->n_calls && !f->recursive)
        return;
    text_add(t, "- Calls: ");
    for (size_t i = 0; i < f->n_calls; i++) {
        text_add(t, i ? ", `" : "`");
        text_addn(t, f->calls[i].at, f->calls[i].len);
        text_add(t, "`");
    }
    if (f->n_more)
        text_addf(t, " and more");
    if (f->recursive)
        text_add(t, f->n_calls ? "; it also calls itself (recursion)" : "itself (recursion)");
    text_add(t, "\n");
}

static void add_control(struct text *t, const struct facts *f)
{
    text_add(t, "- Control flow: ");
    for (size_t i = 0; i < f->n_control; i++)
        text_addf(t, "%s%zu `%.*s`", i ? ", " : "", f->control[i].count, (int)f->control[i].len,
                  f->control[i].at);
    text_add(t, f->n_control ? "\n" : "straight through, no branch and no loop\n");
}

static void add_returns(struct text *t, const struct source *s, const struct definition *d)
{
    unsigned n = 0;

    for (size_t at = d->body; at + 6 <= d->end; at++) {
        size_t end = at;

        if (memcmp(s->masked + at, "return", 6) != 0 || (at && is_word(s->masked[at - 1])) ||
            (at + 6 < d->end && is_word(s->masked[at + 6])))
            continue;
        while (end < d->end && s->masked[end] != ';' && s->masked[end] != '\n' &&
               s->masked[end] != '}')
            end++;
        if (++n <= MAX_RETURNS) {
            text_add(t, n == 1 ? "- Returns: " : ", ");
            add_code(t, s->text + at, s->text + end, 80);
        }
        at = end;
    }
    if (n > MAX_RETURNS)
        text_addf(t, " and %u more", n - MAX_RETURNS);
    if (n)
        text_add(t, "\n");
}

/* Certain as far as the text goes: it allocates here and does not free here. */
static void add_memory(struct text *t, const struct source *s, const struct facts *f)
{
    static const char allocators[] = " malloc calloc strdup strndup asprintf ";

    if (strcmp(s->language->name, "C") != 0 || f->frees)
        return;
    for (size_t i = 0; i < f->n_calls; i++)
        if (language_list_has(allocators, f->calls[i].at, f->calls[i].len)) {
            text_addf(
                t,
                "- Memory: it calls `%.*s` and never `free`; what it allocates is not freed here\n",
                (int)f->calls[i].len, f->calls[i].at);
            return;
        }
}

static void add_quote(struct text *t, const struct source *s, const struct definition *d)
{
    const char *p = s->text + d->start, *end = s->text + d->end, *stop = p;
    const char *fence = s->language->fences + 1;
    size_t lines = 0;

    while (stop < end && lines < MAX_QUOTED_LINES)
        lines += *stop++ == '\n';
    text_addf(t, "\n```%.*s\n", (int)strcspn(fence, " "), fence);
    text_addn(t, p, (size_t)(stop - p));
    if (stop == p || stop[-1] != '\n')
        text_add(t, "\n");
    text_add(t, "```\n");
    if (stop < end)
        text_addf(t, "(The first %u lines; it ends in line %zu.)\n", MAX_QUOTED_LINES,
                  d->last_line);
}

static int has_body(const struct definition *d)
{
    return strstr(d->kind, "function") || strstr(d->kind, "method") ||
           strcmp(d->kind, "macro") == 0;
}

void explain_definition(struct text *t, const struct source *s, const struct definition *d)
{
    struct facts f = {.n_calls = 0};

    text_addf(t, "`%.*s` is a %s %s, lines %zu to %zu of %s.\n\n", (int)d->name_len,
              s->text + d->name, s->language->name, d->kind, d->first_line, d->last_line, s->label);
    add_doc(t, s, d);
    text_add(t, "- Signature: ");
    add_code(t, s->text + d->start, s->text + (d->body > d->start ? d->body : d->end), 400);
    text_add(t, "\n");
    if (has_body(d)) {
        add_parameters(t, s, d);
        read_body(s, d, &f);
        add_calls(t, &f);
        add_control(t, &f);
        add_returns(t, s, d);
        add_memory(t, s, &f);
    }
    add_quote(t, s, d);
}

void explain_list(struct text *t, const struct source *s, const struct definition *but)
{
    unsigned n = 0;

    for (size_t i = 0; i < s->n_defs && n < MAX_LISTED; i++) {
        const struct definition *d = &s->defs[i];

        if (d == but)
            continue;
        if (n++ == 0)
            text_addf(t, "\n%s in %s:\n\n", but ? "Other definitions" : "Definitions", s->label);
        text_addf(t, "- line %zu, %s ", d->first_line, d->kind);
        add_code(t, s->text + d->start, s->text + (d->body > d->start ? d->body : d->end), 160);
        text_add(t, "\n");
    }
    if (s->n_defs > MAX_LISTED)
        text_addf(t, "- and more, %zu in all\n", s->n_defs);
}

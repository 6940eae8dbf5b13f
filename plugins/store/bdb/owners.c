/* owners.c - lines of the option `owner.*` become claims; names are looked up. See owners.h. */
#include "owners.h"

#include <aiex_service.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS " \t\r"

/* A name, or the begin of names. */
struct pattern {
    const char *text;
    size_t len;
    int more; /* any name that begins so */
};

struct claim {
    struct pattern name;
    const struct line *line;
};

struct claims {
    struct claim *all; /* the longest first */
    size_t n;
};

struct line {
    struct owner owner;
    struct pattern *callers;
    size_t n_callers;
};

struct owners {
    struct claims of[N_OWNED];
    struct line *lines;
    size_t n_lines;
    char *text; /* a copy of the option, cut into words */
    size_t n_names;
};

/* ---- Looking up ---- */

static int fits(const struct pattern *p, const void *name, size_t len)
{
    return (p->more ? len >= p->len : len == p->len) && memcmp(p->text, name, p->len) == 0;
}

static int is_for(const struct line *l, const char *caller)
{
    size_t len = strlen(caller);
    size_t stem = strcspn(caller, ":"); /* "service_x" of "service_x:two" */

    for (size_t i = 0; i < l->n_callers; i++)
        if (fits(&l->callers[i], caller, len) || fits(&l->callers[i], caller, stem))
            return 1;
    return 0;
}

const struct owner *owners_deny(const struct owners *o, enum owned kind, struct aiex_slice name,
                                const char *caller)
{
    const struct claims *c = &o->of[kind];

    for (size_t i = 0; i < c->n; i++)
        if (fits(&c->all[i].name, name.data, name.len))
            return is_for(c->all[i].line, caller) ? NULL : &c->all[i].line->owner;
    return NULL;
}

const char *owned_name(enum owned kind)
{
    static const char *const names[N_OWNED] = {"stream", "table", "epoch"};

    return names[kind];
}

/* ---- Reading the option ---- */

struct reading {
    struct owners *o;
    struct line *line;
    struct aiex_error *err;
    int claims; /* the line names something */
};

/* The word up to one of `stops`, cut out of the text; NULL = none is left. */
static char *next_word(char **at, const char *stops)
{
    char *word = *at + strspn(*at, stops);
    char *end = word + strcspn(word, stops);

    *at = *end ? end + 1 : end;
    *end = 0;
    return *word ? word : NULL;
}

/* The text may be changed afterwards; patterns point into it. */
static int read_pattern(struct reading *r, char *word, struct pattern *ret)
{
    size_t n = strlen(word), plain = strcspn(word, "*?[");
    int star = n && word[n - 1] == '*';

    if (plain + (size_t)star != n)
        return aiex_failed(r->err, -EINVAL,
                           "owner.%s: '%.80s' has a wildcard that is not a * at its end",
                           r->line->owner.key, word);
    *ret = (struct pattern){word, plain, star || word[n - 1] == '/'};
    return 0;
}

static int read_callers(struct reading *r, char *list)
{
    struct line *l = r->line;
    int failed = 0;
    char *word;

    if (l->owner.to)
        return aiex_failed(r->err, -EINVAL, "owner.%s has for= twice; name all in one",
                           l->owner.key);
    l->owner.to = strdup(list);
    l->callers = calloc(strlen(list) / 2 + 1, sizeof(*l->callers));
    if (!l->callers || !l->owner.to)
        return -ENOMEM;
    while (!failed && (word = next_word(&list, ",")) != NULL)
        failed = read_pattern(r, word, &l->callers[l->n_callers++]);
    return failed;
}

static int claim_is_same(const struct claim *a, const struct claim *b)
{
    return a->name.len == b->name.len && a->name.more == b->name.more &&
           memcmp(a->name.text, b->name.text, a->name.len) == 0;
}

/* Longer names first; of two that are equally long the one that is a whole name. */
static int goes_before(const struct claim *a, const struct claim *b)
{
    return a->name.len > b->name.len || (a->name.len == b->name.len && a->name.more < b->name.more);
}

static int add_claim(struct reading *r, enum owned kind, const struct claim *claim)
{
    struct claims *c = &r->o->of[kind];
    size_t at = c->n;
    struct claim *all;

    for (size_t i = 0; i < c->n; i++)
        if (claim_is_same(&c->all[i], claim))
            return aiex_failed(r->err, -EINVAL, "%s '%s' is claimed by owner.%s and owner.%s",
                               owned_name(kind), claim->name.text, c->all[i].line->owner.key,
                               claim->line->owner.key);
    if (r->o->n_names == MAX_CLAIMS)
        return aiex_failed(r->err, -EINVAL, "owner.%s: more than %u names are claimed; use *",
                           claim->line->owner.key, MAX_CLAIMS);
    all = realloc(c->all, (c->n + 1) * sizeof(*all));
    if (!all)
        return -ENOMEM;
    c->all = all;
    for (; at && goes_before(claim, &all[at - 1]); at--)
        all[at] = all[at - 1];
    all[at] = *claim;
    c->n++;
    r->o->n_names++;
    return 0;
}

static int read_claims(struct reading *r, enum owned kind, char *list)
{
    struct claim claim = {.line = r->line};
    int failed = 0;
    char *word;

    while (!failed && (word = next_word(&list, ",")) != NULL) {
        failed = read_pattern(r, word, &claim.name);
        failed = failed ? failed : add_claim(r, kind, &claim);
        r->claims = 1;
    }
    return failed;
}

static int read_word(struct reading *r, char *word)
{
    static const char *const heads[N_OWNED] = {"streams=", "tables=", "epochs="};

    if (strncmp(word, "for=", 4) == 0)
        return read_callers(r, word + 4);
    for (int kind = 0; kind < N_OWNED; kind++)
        if (strncmp(word, heads[kind], strlen(heads[kind])) == 0)
            return read_claims(r, kind, word + strlen(heads[kind]));
    return aiex_failed(r->err, -EINVAL,
                       "owner.%s: '%.80s' is none of streams=, tables=, epochs=, for=, each with "
                       "names and commas between them",
                       r->line->owner.key, word);
}

/* "key TAB value". An empty value claims nothing: a later file takes an earlier line back so. */
static int read_line(struct reading *r, char *text)
{
    char *value = strchr(text, '\t'), *word;
    int failed = 0;

    if (!value)
        return 0;
    *value++ = 0;
    r->line = &r->o->lines[r->o->n_lines++];
    r->line->owner.key = text;
    r->claims = 0;
    if (!value[strspn(value, BLANKS)])
        return 0;
    while (!failed && (word = next_word(&value, BLANKS)) != NULL)
        failed = read_word(r, word);
    if (!failed && (!r->claims || !r->line->n_callers))
        failed = aiex_failed(
            r->err, -EINVAL,
            "owner.%s says not %s; write owner.%s = streams=NAME,.. tables=NAME,.. "
            "for=INSTANCE,..",
            r->line->owner.key, r->claims ? "for whom" : "what is owned", r->line->owner.key);
    return failed;
}

static size_t count_lines(const char *text)
{
    size_t n = 1;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static int read_all(struct owners *o, const char *text, struct aiex_error *err)
{
    struct reading r = {.o = o, .err = err};
    char *at, *line;
    int failed = 0;

    o->text = strdup(text);
    o->lines = calloc(count_lines(text), sizeof(*o->lines));
    if (!o->text || !o->lines)
        return -ENOMEM;
    at = o->text;
    while (!failed && (line = next_word(&at, "\n")) != NULL)
        failed = read_line(&r, line);
    return failed;
}

int owners_new(const char *text, struct owners **ret_owners, struct aiex_error *err)
{
    struct owners *o = calloc(1, sizeof(*o));
    int failed = o ? read_all(o, text, err) : -ENOMEM;

    if (failed == -ENOMEM)
        aiex_failed(err, failed, "no memory for the owners of streams");
    if (failed)
        owners_free(o);
    else
        *ret_owners = o;
    return failed;
}

void owners_free(struct owners *o)
{
    if (!o)
        return;
    for (int kind = 0; kind < N_OWNED; kind++)
        free(o->of[kind].all);
    for (size_t i = 0; i < o->n_lines; i++) {
        free(o->lines[i].callers);
        free((void *)(uintptr_t)o->lines[i].owner.to);
    }
    free(o->lines);
    free(o->text);
    free(o);
}

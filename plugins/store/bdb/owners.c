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
    struct list {
        struct pattern *all;
        size_t n;
        int given;
    } callers, readers;
};

struct owners {
    struct claims of[N_OWNED];
    struct line *lines;
    size_t n_lines;
    char *text; /* a copy of the option, cut into words */
    size_t n_names;
    unsigned refs;
};

/* ---- Looking up ---- */

static int fits(const struct pattern *p, const void *name, size_t len)
{
    return (p->more ? len >= p->len : len == p->len) && memcmp(p->text, name, p->len) == 0;
}

static int is_in(const struct list *l, const char *caller)
{
    size_t len = strlen(caller);
    size_t stem = strcspn(caller, ":"); /* "service_x" of "service_x:two" */

    for (size_t i = 0; i < l->n; i++)
        if (fits(&l->all[i], caller, len) || fits(&l->all[i], caller, stem))
            return 1;
    return 0;
}

/* Whose the name is; NULL = everybody's. */
static const struct line *find(const struct owners *o, enum owned kind, struct aiex_slice name)
{
    const struct claims *c = &o->of[kind];

    for (size_t i = 0; i < c->n; i++)
        if (fits(&c->all[i].name, name.data, name.len))
            return c->all[i].line;
    return NULL;
}

const struct owner *owners_deny(const struct owners *o, enum owned kind, struct aiex_slice name,
                                const char *caller)
{
    const struct line *l = find(o, kind, name);

    return !l || is_in(&l->callers, caller) ? NULL : &l->owner;
}

static int is_hidden(const struct line *l, const char *caller)
{
    return l->readers.given && !is_in(&l->callers, caller) && !is_in(&l->readers, caller);
}

int owners_veil(const struct owners *o, const char *caller)
{
    for (size_t i = 0; i < o->n_lines; i++)
        if (is_hidden(&o->lines[i], caller))
            return 1;
    return 0;
}

int owners_hide(const struct owners *o, struct aiex_slice stream, const char *caller)
{
    const struct line *l = find(o, OWNED_STREAM, stream);

    return l && is_hidden(l, caller);
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
    unsigned claims; /* of the line: 1 << enum owned */
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

static int read_list(struct reading *r, const char *head, char *text, struct list *ret)
{
    int failed = 0;
    char *word;

    if (ret->given)
        return aiex_failed(r->err, -EINVAL, "owner.%s has %s twice; name all in one",
                           r->line->owner.key, head);
    ret->given = 1;
    ret->all = calloc(strlen(text) / 2 + 1, sizeof(*ret->all));
    if (!ret->all)
        return -ENOMEM;
    while (!failed && (word = next_word(&text, ",")) != NULL)
        failed = read_pattern(r, word, &ret->all[ret->n++]);
    return failed;
}

static int read_callers(struct reading *r, char *text)
{
    if (!r->line->owner.to)
        r->line->owner.to = strdup(text);
    return r->line->owner.to ? read_list(r, "for=", text, &r->line->callers) : -ENOMEM;
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
        r->claims |= 1u << kind;
    }
    return failed;
}

static int read_word(struct reading *r, char *word)
{
    static const char *const heads[N_OWNED] = {"streams=", "tables=", "epochs="};

    if (strncmp(word, "for=", 4) == 0)
        return read_callers(r, word + 4);
    if (strncmp(word, "readers=", 8) == 0)
        return read_list(r, "readers=", word + 8, &r->line->readers);
    for (int kind = 0; kind < N_OWNED; kind++)
        if (strncmp(word, heads[kind], strlen(heads[kind])) == 0)
            return read_claims(r, kind, word + strlen(heads[kind]));
    return aiex_failed(r->err, -EINVAL,
                       "owner.%s: '%.80s' is none of streams=, tables=, epochs=, for=, readers=, "
                       "each with names and commas between them",
                       r->line->owner.key, word);
}

static int is_whole(struct reading *r)
{
    const struct line *l = r->line;

    if (!r->claims || !l->callers.n)
        return aiex_failed(r->err, -EINVAL,
                           "owner.%s says not %s; write owner.%s = streams=NAME,.. tables=NAME,.. "
                           "for=INSTANCE,..",
                           l->owner.key, r->claims ? "for whom" : "what is owned", l->owner.key);
    if (l->readers.given && r->claims != 1u << OWNED_STREAM)
        return aiex_failed(r->err, -EINVAL,
                           "owner.%s has readers=, which only streams have; give tables and epochs "
                           "a line of their own",
                           l->owner.key);
    return 0;
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
    return failed ? failed : is_whole(r);
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
    if (o)
        o->refs = 1;
    if (failed)
        owners_unref(o);
    else
        *ret_owners = o;
    return failed;
}

struct owners *owners_ref(struct owners *o)
{
    o->refs++;
    return o;
}

void owners_unref(struct owners *o)
{
    if (!o || --o->refs)
        return;
    for (int kind = 0; kind < N_OWNED; kind++)
        free(o->of[kind].all);
    for (size_t i = 0; i < o->n_lines; i++) {
        free(o->lines[i].callers.all);
        free(o->lines[i].readers.all);
        free((void *)(uintptr_t)o->lines[i].owner.to);
    }
    free(o->lines);
    free(o->text);
    free(o);
}

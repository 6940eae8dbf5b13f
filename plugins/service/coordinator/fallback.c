#include "fallback.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int read_key(const struct line *l, const struct alias_table *aliases,
                    struct fallback_rule *r, struct aiex_error *err)
{
    const char *dot = memrchr(l->key, '.', l->key_len), *reason = dot ? dot + 1 : l->key;
    size_t n = l->key_len - (size_t)(reason - l->key), n_alias = dot ? (size_t)(dot - l->key) : 0;

    for (int i = 1; i < N_FALLBACKS; i++)
        if (strlen(fallback_names[i]) == n && memcmp(fallback_names[i], reason, n) == 0)
            r->why = (enum fallback_class)i;
    if (r->why == FALLBACK_NONE)
        return line_fail(
            l, err,
            "the key does not end with a reason; write overloaded, context_length, content_filter "
            "or unavailable, perhaps with an alias and a point before it");
    if (n_alias > ALIAS_NAME)
        return line_fail(l, err, "the name of the alias is longer than %u bytes", ALIAS_NAME);
    memcpy(r->alias, l->key, n_alias);
    if (n_alias && !alias_find(aliases, r->alias))
        return line_fail(l, err, "there is no alias '%s'; add alias.%s or leave its name out",
                         r->alias, r->alias);
    return 0;
}

static int read_rule(const struct line *l, const struct alias_table *aliases,
                     struct fallback_rule *r, struct aiex_error *err)
{
    struct cursor c = {l, 0, err};
    int result = read_key(l, aliases, r, err);

    if (result == 0)
        result = cursor_copy(&c, cursor_word(&c, ""), "target (an alias, MODEL or INSTANCE/MODEL)",
                             r->to, sizeof(r->to));
    if (result == 0 && !cursor_end(&c))
        return cursor_fail(&c, c.at, "one target only; make an alias of several and name that");
    if (result == 0 && strcmp(r->to, r->alias) == 0)
        return cursor_fail(&c, 0, "an alias can not be its own fallback; name another one");
    return result;
}

int fallback_parse(const char *text, const struct alias_table *aliases, struct fallback_table *ret,
                   struct aiex_error *err)
{
    struct fallback_table t = {NULL, 0};
    struct line l;
    size_t n = 0;
    int r = 0;

    for (const char *at = text; line_next(&at, "fallback", &l);)
        n++;
    if (n) {
        t.rules = calloc(n, sizeof(*t.rules));
        if (!t.rules)
            return -ENOMEM;
    }
    for (const char *at = text; r == 0 && line_next(&at, "fallback", &l);) {
        if (t.n == FALLBACK_MAX)
            r = line_fail(&l, err, "more than %u fallbacks", FALLBACK_MAX);
        else
            r = read_rule(&l, aliases, &t.rules[t.n++], err);
    }
    if (r != 0)
        fallback_done(&t);
    else
        *ret = t;
    return r;
}

void fallback_done(struct fallback_table *t)
{
    free(t->rules);
    *t = (struct fallback_table){NULL, 0};
}

const char *fallback_find(const struct fallback_table *t, const char *alias,
                          enum fallback_class why)
{
    const char *found = NULL;

    if (why == FALLBACK_NONE)
        return NULL;
    for (size_t i = 0; i < t->n; i++) {
        const struct fallback_rule *r = &t->rules[i];

        if (r->why != why)
            continue;
        if (r->alias[0] && strcmp(r->alias, alias) == 0)
            return r->to;
        if (!r->alias[0])
            found = r->to;
    }
    return found;
}

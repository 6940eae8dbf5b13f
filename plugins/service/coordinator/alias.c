#include "alias.h"

#include "needs.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *const validate_names[] = {"off", "json", "schema", "tools", NULL};

/* ---- Conditions ---- */

static int read_context(struct cursor *c, struct condition *ret)
{
    int above, equal;

    if (cursor_take(c, '>'))
        above = 1;
    else if (cursor_take(c, '<'))
        above = 0;
    else
        return cursor_fail(c, c->at, "'context' is to be compared: context>N, >=N, <N or <=N");
    equal = cursor_take(c, '=');
    if (cursor_number(c, cursor_word(c, ",|"), "context", 1, 1000000000, &ret->context) != 0)
        return -EINVAL;
    ret->kind = above ? IF_CONTEXT_ABOVE : IF_CONTEXT_BELOW;
    ret->context += !equal ? 0 : above ? -1 : 1;
    return 0;
}

static int read_tag(struct cursor *c, struct word w, struct condition *ret)
{
    struct word name = {w.text + 4, w.len - 4, w.column + 4};

    ret->kind = IF_TAG;
    if (!cursor_take(c, '='))
        return cursor_fail(c, c->at,
                           "'=' and a value are missing behind the tag; write tag:NAME=VALUE");
    if (cursor_copy(c, name, "tag's name", ret->tag, sizeof(ret->tag)) != 0)
        return -EINVAL;
    return cursor_copy(c, cursor_word(c, ",|"), "tag's value", ret->value, sizeof(ret->value));
}

static int read_condition(struct cursor *c, struct condition *ret)
{
    struct word w = cursor_word(c, ",|=<>");

    if (word_is(w, "not")) {
        ret->not = 1;
        w = cursor_word(c, ",|=<>");
    }
    if (word_is(w, "context"))
        return read_context(c, ret);
    if (w.len > 4 && memcmp(w.text, "tag:", 4) == 0)
        return read_tag(c, w, ret);
    if (word_is(w, "stream")) {
        ret->kind = IF_STREAM;
        return 0;
    }
    for (unsigned i = 0; i < N_NEEDS; i++) {
        if (!word_is(w, need_names[i]))
            continue;
        ret->kind = IF_NEED;
        ret->need = 1u << i;
        return 0;
    }
    return cursor_fail(
        c, w.column,
        "'%.*s' is no condition; write context>N, tools, vision, json, fim, embeddings, "
        "stream or tag:NAME=VALUE",
        (int)w.len, w.text);
}

static int read_conditions(struct cursor *c, struct target *t)
{
    struct cursor ahead;
    int r;

    do {
        if (t->n_conditions == ALIAS_CONDITIONS)
            return cursor_fail(c, c->at, "more than %u conditions on one target", ALIAS_CONDITIONS);
        r = read_condition(c, &t->conditions[t->n_conditions++]);
        if (r != 0)
            return r;
        ahead = *c;
    } while (word_is(cursor_word(&ahead, ",|"), "and") && (*c = ahead, 1));
    return 0;
}

/* ---- Targets ---- */

static int read_target(struct cursor *c, struct target *t)
{
    struct word w = cursor_word(c, ",|");
    int64_t weight = 1;

    if (cursor_copy(c, w, "target (INSTANCE/MODEL or MODEL)", t->model, sizeof(t->model)) != 0)
        return -EINVAL;
    if (t->model[0] == '/' || t->model[w.len - 1] == '/')
        return cursor_fail(c, w.column, "'%s' is half a target; write INSTANCE/MODEL or MODEL",
                           t->model);
    w = cursor_word(c, ",|=");
    if (word_is(w, "weight") && cursor_take(c, '=')) {
        if (cursor_number(c, cursor_word(c, ",|"), "weight", 0, 1000000, &weight) != 0)
            return -EINVAL;
        w = cursor_word(c, ",|=");
    }
    t->weight = (uint32_t)weight;
    if (word_is(w, "if"))
        return read_conditions(c, t);
    if (w.len)
        return cursor_fail(
            c, w.column,
            "'%.*s' is not understood; behind a target come weight=N, if CONDITION, a comma "
            "or |",
            (int)w.len, w.text);
    return 0;
}

static int read_targets(struct cursor *c, struct alias *a)
{
    do {
        struct target *grown;
        int r;

        if (a->n == ALIAS_TARGETS)
            return cursor_fail(c, c->at, "more than %u targets in one alias", ALIAS_TARGETS);
        grown = realloc(a->targets, (a->n + 1) * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        a->targets = grown;
        memset(&grown[a->n], 0, sizeof(*grown));
        r = read_target(c, &grown[a->n++]);
        if (r != 0)
            return r;
    } while (cursor_take(c, ','));
    return 0;
}

/* ---- Settings ---- */

int alias_read_hedge(struct cursor *c, struct word w, struct hedge *ret)
{
    int64_t percent;

    if (word_is(w, "off")) {
        *ret = (struct hedge){HEDGE_OFF, 0};
        return 0;
    }
    if (w.len > 1 && w.text[0] == 'p') {
        struct word n = {w.text + 1, w.len - 1, w.column + 1};

        if (cursor_number(c, n, "hedge=p", 50, 99, &percent) != 0)
            return -EINVAL;
        *ret = (struct hedge){HEDGE_QUANTILE, percent};
        return 0;
    }
    ret->kind = HEDGE_TIME;
    return cursor_duration(c, w, "hedge (off, p50 to p99, or a time)", &ret->value);
}

static int choice(struct cursor *c, struct word w, const char *name, const char *const *names,
                  int64_t *ret)
{
    for (int64_t i = 0; names[i]; i++)
        if (word_is(w, names[i])) {
            *ret = i;
            return 0;
        }
    return cursor_fail(c, w.column, "'%.*s' is no choice for %s; the first one is '%s'", (int)w.len,
                       w.text, name, names[0]);
}

static int read_setting(struct cursor *c, struct alias_settings *s)
{
    static const char *const switches[] = {"off", "on", NULL};
    struct word name = cursor_word(c, "="), w;

    if (!cursor_take(c, '='))
        return cursor_fail(c, name.column, "settings are NAME=VALUE, such as hedge=p95");
    w = cursor_word(c, "");
    if (word_is(name, "first_token"))
        return cursor_duration(c, w, "first_token", &s->first_token_ms);
    if (word_is(name, "idle"))
        return cursor_duration(c, w, "idle", &s->idle_ms);
    if (word_is(name, "total"))
        return cursor_duration(c, w, "total", &s->total_ms);
    if (word_is(name, "attempts"))
        return cursor_number(c, w, "attempts", 1, 16, &s->attempts);
    if (word_is(name, "hedge"))
        return alias_read_hedge(c, w, &s->hedge);
    if (word_is(name, "cache"))
        return choice(c, w, "cache", switches, &s->cache);
    if (word_is(name, "validate"))
        return choice(c, w, "validate", validate_names, &s->validate);
    return cursor_fail(
        c, name.column,
        "'%.*s' is no setting; write first_token= idle= total= attempts= hedge= cache= or "
        "validate=",
        (int)name.len, name.text);
}

static int read_alias(const struct line *l, struct alias *a, struct aiex_error *err)
{
    struct cursor c = {l, 0, err};
    int r;

    if (l->key_len == 0 || l->key_len > ALIAS_NAME)
        return line_fail(l, err, "the name of an alias has 1 to %u bytes", ALIAS_NAME);
    memcpy(a->name, l->key, l->key_len);
    a->settings = (struct alias_settings){-1, -1, -1, -1, -1, -1, {HEDGE_UNSET, 0}};
    if (cursor_end(&c))
        return cursor_fail(&c, 0, "a target is missing; write INSTANCE/MODEL, INSTANCE/MODEL");
    r = read_targets(&c, a);
    if (r == 0 && cursor_take(&c, '|'))
        while (r == 0 && !cursor_end(&c))
            r = read_setting(&c, &a->settings);
    if (r == 0 && !cursor_end(&c))
        return cursor_fail(&c, c.at, "a comma or | is missing here");
    return r;
}

static int read_strategy(const struct line *l, struct alias_table *t, struct aiex_error *err)
{
    struct cursor c = {l, 0, err};
    struct word w = cursor_word(&c, "");

    for (size_t i = 0; i < t->n; i++) {
        struct alias *a = &t->list[i];

        if (strlen(a->name) != l->key_len || memcmp(a->name, l->key, l->key_len) != 0)
            continue;
        for (int s = 0; s < N_STRATEGIES; s++)
            if (word_is(w, strategy_names[s]) && cursor_end(&c)) {
                a->strategy = (enum strategy)s;
                a->has_strategy = 1;
                return 0;
            }
        return cursor_fail(&c, w.column,
                           "that is no strategy; write ordered, weighted, round_robin, least_load, "
                           "lowest_cost, lowest_latency or affinity");
    }
    return line_fail(l, err, "there is no alias of that name; add alias.%.*s or remove this line",
                     (int)l->key_len, l->key);
}

static int check_nesting(const char *text, const struct alias_table *t, struct aiex_error *err)
{
    struct line l;

    for (size_t i = 0; i < t->n && line_next(&text, "alias", &l); i++)
        for (size_t k = 0; k < t->list[i].n; k++)
            if (alias_find(t, t->list[i].targets[k].model) &&
                strcmp(t->list[i].targets[k].model, t->list[i].name) != 0)
                return line_fail(&l, err,
                                 "'%s' is an alias; aliases do not nest, name its targets here",
                                 t->list[i].targets[k].model);
    return 0;
}

int alias_parse(const char *aliases, const char *strategies, struct alias_table *ret,
                struct aiex_error *err)
{
    struct alias_table t = {NULL, 0};
    struct line l;
    size_t n = 0;
    int r = 0;

    for (const char *at = aliases; line_next(&at, "alias", &l);)
        n++;
    if (n) {
        t.list = calloc(n, sizeof(*t.list));
        if (!t.list)
            return -ENOMEM;
    }
    for (const char *at = aliases; r == 0 && line_next(&at, "alias", &l);) {
        if (t.n == ALIAS_MAX)
            r = line_fail(&l, err, "more than %u aliases", ALIAS_MAX);
        else
            r = read_alias(&l, &t.list[t.n++], err);
    }
    for (const char *at = strategies; r == 0 && line_next(&at, "strategy", &l);)
        r = read_strategy(&l, &t, err);
    if (r == 0)
        r = check_nesting(aliases, &t, err);
    if (r != 0)
        alias_done(&t);
    else
        *ret = t;
    return r;
}

void alias_done(struct alias_table *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->list[i].targets);
    free(t->list);
    *t = (struct alias_table){NULL, 0};
}

struct alias *alias_find(const struct alias_table *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->list[i].name, name) == 0)
            return &t->list[i];
    return NULL;
}

/* ---- Use ---- */

static int holds(const struct condition *c, const struct asked *a)
{
    int64_t context = a->context > 0 ? a->context : 0;
    struct aiex_slice value = {NULL, 0};

    switch (c->kind) {
    case IF_NEED:
        return (a->needs & c->need) != 0;
    case IF_STREAM:
        return a->stream;
    case IF_CONTEXT_ABOVE:
        return context > c->context;
    case IF_CONTEXT_BELOW:
        return context < c->context;
    default:
        return a->tags.len && aiex_get_str(a->tags, c->tag, &value) == 1 &&
               aiex_slice_is(value, c->value);
    }
}

int alias_target_fits(const struct target *t, const struct asked *a)
{
    for (unsigned i = 0; i < t->n_conditions; i++)
        if (holds(&t->conditions[i], a) == t->conditions[i].not )
            return 0;
    return 1;
}

static int wants(const struct alias *a, enum condition_kind one, enum condition_kind other)
{
    for (size_t i = 0; i < a->n; i++)
        for (unsigned k = 0; k < a->targets[i].n_conditions; k++)
            if (a->targets[i].conditions[k].kind == one ||
                a->targets[i].conditions[k].kind == other)
                return 1;
    return 0;
}

int alias_wants_context(const struct alias *a)
{
    return wants(a, IF_CONTEXT_ABOVE, IF_CONTEXT_BELOW);
}

int alias_wants_needs(const struct alias *a)
{
    return wants(a, IF_NEED, IF_NEED);
}

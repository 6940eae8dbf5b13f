#include "price.h"

#include "pattern.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *const price_names[] = {"unknown", "known", "free"};

#define UNSET (-1)

/* ---- Reading ---- */

static int read_key(const struct line *l, struct price_rule *r, struct aiex_error *err)
{
    const char *slash = memchr(l->key, '/', l->key_len), *model = slash ? slash + 1 : l->key;
    size_t n_provider = slash ? (size_t)(slash - l->key) : 0;
    size_t n_model = l->key_len - (size_t)(model - l->key);

    if (n_model == 0 || n_model > PRICE_PATTERN || n_provider > AIEX_MAX_NAME)
        return line_fail(
            l, err,
            "the key is no model; write price.MODEL or price.INSTANCE/MODEL, with * for "
            "anything");
    memcpy(r->whole, l->key, l->key_len);
    memcpy(r->provider, l->key, n_provider);
    r->provider[n_provider] = 0;
    memcpy(r->model, model, n_model);
    r->model[n_model] = 0;
    for (size_t i = 0; i < n_model; i++)
        r->letters += model[i] != '*';
    return 0;
}

static int read_class(struct cursor *c, struct price_rule *r)
{
    struct {
        const char *name;
        int64_t *value;
    } classes[] = {{"input", &r->input},
                   {"cached", &r->cached},
                   {"cache_write", &r->cache_write},
                   {"output", &r->output}};
    struct word name = cursor_word(c, "=");

    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        if (!word_is(name, classes[i].name))
            continue;
        if (*classes[i].value != UNSET)
            return cursor_fail(c, name.column, "'%s' is there twice; leave one out",
                               classes[i].name);
        if (!cursor_take(c, '='))
            return cursor_fail(c, c->at, "'=' and dollars per million tokens are missing");
        return cursor_decimal(c, cursor_word(c, ""), classes[i].name, classes[i].value);
    }
    return cursor_fail(
        c, name.column,
        "'%.*s' is no class of tokens; write input= cached= cache_write= output= or free",
        (int)name.len, name.text);
}

static int read_rule(const struct line *l, struct price_rule *r, struct aiex_error *err)
{
    struct cursor c = {l, 0, err};
    int result = read_key(l, r, err);
    struct word first;

    if (result != 0)
        return result;
    first = cursor_word(&c, "=");
    if (word_is(first, "free") && cursor_end(&c)) {
        r->free = 1;
        return 0;
    }
    c.at = 0;
    r->input = r->cached = r->cache_write = r->output = UNSET;
    while (!cursor_end(&c)) {
        result = read_class(&c, r);
        if (result != 0)
            return result;
    }
    if (r->input == UNSET)
        return cursor_fail(&c, l->len,
                           "'input=' is missing; write dollars per million tokens, or free");
    if (r->output == UNSET)
        r->output = 0; /* embeddings have none */
    if (r->cached == UNSET)
        r->cached = r->input;
    if (r->cache_write == UNSET)
        r->cache_write = r->input;
    return 0;
}

int price_parse(const char *text, struct price_table *ret, struct aiex_error *err)
{
    struct price_table t = {NULL, 0};
    struct line l;
    size_t n = 0;
    int r = 0;

    for (const char *at = text; line_next(&at, "price", &l);)
        n++;
    if (n) {
        t.rules = calloc(n, sizeof(*t.rules));
        if (!t.rules)
            return -ENOMEM;
    }
    for (const char *at = text; r == 0 && line_next(&at, "price", &l);) {
        if (t.n == PRICE_MAX_RULES)
            r = line_fail(&l, err, "more than %u prices; use * to join models", PRICE_MAX_RULES);
        else
            r = read_rule(&l, &t.rules[t.n++], err);
    }
    if (r != 0)
        price_done(&t);
    else
        *ret = t;
    return r;
}

void price_done(struct price_table *t)
{
    free(t->rules);
    *t = (struct price_table){NULL, 0};
}

/* ---- Use ---- */

/* A slash may also belong to the model's own name: "meta-llama/Llama-3*". */
static int fits(const struct price_rule *r, const char *provider, const char *model)
{
    if (!r->provider[0])
        return pattern_fits(r->model, model);
    return (pattern_fits_instance(r->provider, provider) && pattern_fits(r->model, model)) ||
           pattern_fits(r->whole, model);
}

const struct price_rule *price_find(const struct price_table *t, const char *provider,
                                    const char *model)
{
    const struct price_rule *best = NULL;

    for (size_t i = 0; i < t->n; i++) {
        const struct price_rule *r = &t->rules[i];
        int named = r->provider[0] != 0;

        if (best && (named < (best->provider[0] != 0) ||
                     (named == (best->provider[0] != 0) && r->letters <= best->letters)))
            continue;
        if (fits(r, provider, model))
            best = r;
    }
    return best;
}

/* Tokens times price, both at most about 10^12, with room in 128 bits. */
static __int128 times(int64_t tokens, int64_t price)
{
    return (__int128)(tokens > 0 ? tokens : 0) * price;
}

int64_t price_cost(const struct price_rule *r, const struct price_tokens *used,
                   enum price_kind *ret_kind)
{
    int64_t input = used->input > 0 ? used->input : 0, cached = used->cached,
            write = used->cache_write;
    __int128 sum;

    if (ret_kind)
        *ret_kind = !r ? PRICE_UNKNOWN : r->free ? PRICE_FREE : PRICE_KNOWN;
    if (!r || r->free)
        return 0;
    cached = cached < 0 ? 0 : cached > input ? input : cached;
    write = write < 0 ? 0 : write > input - cached ? input - cached : write;
    sum = times(input - cached - write, r->input) + times(cached, r->cached) +
          times(write, r->cache_write) + times(used->output, r->output);
    sum = (sum + 999999) / 1000000;
    return sum > INT64_MAX ? INT64_MAX : (int64_t)sum;
}

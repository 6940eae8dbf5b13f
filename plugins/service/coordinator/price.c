#include "price.h"

#include "pattern.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *const price_names[] = {"unknown", "known", "free"};

#define UNSET (-1)

/* ---- Reading ---- */

/* "MODEL" or "INSTANCE/MODEL". 0, or -EINVAL without a sentence. */
static int set_pattern(struct price_rule *r, const char *text, size_t len)
{
    const char *slash = memchr(text, '/', len), *model = slash ? slash + 1 : text;
    size_t n_provider = slash ? (size_t)(slash - text) : 0;
    size_t n_model = len - (size_t)(model - text);

    if (n_model == 0 || n_model > PRICE_PATTERN || n_provider > AIEX_MAX_NAME)
        return -EINVAL;
    memset(r->whole, 0, sizeof(r->whole));
    memcpy(r->whole, text, len);
    memcpy(r->provider, text, n_provider);
    r->provider[n_provider] = 0;
    memcpy(r->model, model, n_model);
    r->model[n_model] = 0;
    r->letters = 0;
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

static int read_prices(struct cursor *c, struct price_rule *r)
{
    struct cursor ahead = *c;
    int result;

    if (word_is(cursor_word(&ahead, "="), "free") && cursor_end(&ahead)) {
        r->free = 1;
        return 0;
    }
    r->input = r->cached = r->cache_write = r->output = UNSET;
    while (!cursor_end(c)) {
        result = read_class(c, r);
        if (result != 0)
            return result;
    }
    if (r->input == UNSET)
        return cursor_fail(c, c->line->len,
                           "'input=' is missing; write dollars per million tokens, or free");
    if (r->output == UNSET)
        r->output = 0; /* embeddings have none */
    if (r->cached == UNSET)
        r->cached = r->input;
    if (r->cache_write == UNSET)
        r->cache_write = r->input;
    return 0;
}

static int full(const struct price_table *t, const struct line *l, struct aiex_error *err)
{
    if (t->n < PRICE_MAX_RULES)
        return 0;
    return line_fail(l, err, "more than %u prices; use * to join models", PRICE_MAX_RULES);
}

/* The patterns behind `for=`, each a rule without prices yet. */
static int read_patterns(struct cursor *c, struct price_table *t)
{
    do {
        struct word w = cursor_word(c, ",");

        if (full(t, c->line, c->err) != 0)
            return -EINVAL;
        if (set_pattern(&t->rules[t->n++], w.text, w.len) != 0)
            return cursor_fail(c, w.column,
                               "'%.*s' is no model; write MODEL or INSTANCE/MODEL, with * for "
                               "anything",
                               (int)(w.len < 80 ? w.len : 80), w.text);
    } while (cursor_take(c, ','));
    return 0;
}

/* A line makes one rule, or one for each of its patterns. The table has room for all. */
static int read_line(const struct line *l, struct price_table *t, struct aiex_error *err)
{
    struct cursor c = {l, 0, err}, ahead = c;
    struct price_rule prices = {.free = 0};
    size_t first = t->n;
    int r = full(t, l, err);

    if (r != 0)
        return r;
    if (word_is(cursor_word(&ahead, "="), "for") && cursor_take(&ahead, '=')) {
        c = ahead;
        r = read_patterns(&c, t);
    } else if (set_pattern(&t->rules[t->n++], l->key, l->key_len) != 0) {
        r = line_fail(l, err,
                      "the key is no model; write price.MODEL, or price.NAME = for=PATTERN ...");
    }
    if (r == 0)
        r = read_prices(&c, &prices);
    for (size_t i = first; r == 0 && i < t->n; i++) {
        t->rules[i].free = prices.free;
        t->rules[i].input = prices.input;
        t->rules[i].cached = prices.cached;
        t->rules[i].cache_write = prices.cache_write;
        t->rules[i].output = prices.output;
    }
    return r;
}

int price_parse(const char *text, struct price_table *ret, struct aiex_error *err)
{
    struct price_table t = {NULL, 0};
    struct line l;
    size_t n = 0;
    int r = 0;

    for (const char *at = text; line_next(&at, "price", &l);) {
        n++;
        for (size_t i = 0; i < l.len; i++)
            n += l.value[i] == ',';
    }
    if (n) {
        t.rules = calloc(n, sizeof(*t.rules));
        if (!t.rules)
            return -ENOMEM;
    }
    for (const char *at = text; r == 0 && line_next(&at, "price", &l);)
        r = read_line(&l, &t, err);
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

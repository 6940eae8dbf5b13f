#include "limit.h"

#include "pattern.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- Reading ---- */

static int read_value(struct cursor *c, struct limit_rule *r)
{
    struct {
        const char *name;
        int64_t *value, min, max;
    } names[] = {{"rpm", &r->rpm, 1, 10000000},
                 {"tpm", &r->tpm, 1, INT64_C(100000000000)},
                 {"concurrency", &r->concurrency, 1, 100000},
                 {"queue", &r->queue, 0, 100000}};
    struct word name = cursor_word(c, "=");

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!word_is(name, names[i].name))
            continue;
        if (!cursor_take(c, '='))
            return cursor_fail(c, c->at, "'=' and a number are missing behind '%s'", names[i].name);
        return cursor_number(c, cursor_word(c, ""), names[i].name, names[i].min, names[i].max,
                             names[i].value);
    }
    return cursor_fail(c, name.column,
                       "'%.*s' is no limit; write rpm= tpm= concurrency= or queue= with a number",
                       (int)name.len, name.text);
}

static int read_rule(const struct line *l, struct limit_rule *r, struct aiex_error *err)
{
    struct cursor c = {l, 0, err};
    int result;

    if (l->key_len == 0 || l->key_len > AIEX_MAX_NAME)
        return line_fail(l, err,
                         "the key is no instance; write limit.INSTANCE, as limit.provider_openai");
    memcpy(r->instance, l->key, l->key_len);
    r->queue = -1;
    if (cursor_end(&c))
        return cursor_fail(&c, 0,
                           "nothing is limited; write rpm= tpm= concurrency= or remove the line");
    while (!cursor_end(&c)) {
        result = read_value(&c, r);
        if (result != 0)
            return result;
    }
    return 0;
}

int limit_parse(const char *text, struct limit_table *ret, struct aiex_error *err)
{
    struct limit_table t = {NULL, 0};
    struct line l;
    size_t n = 0;
    int r = 0;

    for (const char *at = text; line_next(&at, "limit", &l);)
        n++;
    if (n) {
        t.rules = calloc(n, sizeof(*t.rules));
        if (!t.rules)
            return -ENOMEM;
    }
    for (const char *at = text; r == 0 && line_next(&at, "limit", &l);) {
        if (t.n == LIMIT_MAX_RULES)
            r = line_fail(&l, err, "more than %u limits; use * to join instances", LIMIT_MAX_RULES);
        else
            r = read_rule(&l, &t.rules[t.n++], err);
    }
    if (r != 0)
        limit_done(&t);
    else
        *ret = t;
    return r;
}

void limit_done(struct limit_table *t)
{
    free(t->rules);
    *t = (struct limit_table){NULL, 0};
}

const struct limit_rule *limit_find(const struct limit_table *t, const char *instance)
{
    static const struct limit_rule none = {.queue = -1};
    const struct limit_rule *best = &none;
    int best_fit = 0;

    for (size_t i = 0; i < t->n; i++) {
        int fit = pattern_fits_instance(t->rules[i].instance, instance);

        fit = fit ? fit * 2 + !strchr(t->rules[i].instance, '*') : 0;
        if (fit > best_fit) {
            best = &t->rules[i];
            best_fit = fit;
        }
    }
    return best;
}

/* ---- Counting ---- */

/* Drops what is older than a minute. The slice of `second - 60` still counts: part of it is
 * younger. */
static void move_on(struct limit *l, uint64_t now_ms)
{
    uint64_t now = now_ms / 1000, oldest;

    if (now <= l->second)
        return;
    if (now - l->second > LIMIT_SECONDS + 1) {
        memset(l->requests, 0, sizeof(l->requests));
        memset(l->tokens, 0, sizeof(l->tokens));
        l->sum_requests = 0;
        l->sum_tokens = 0;
        l->second = now;
        return;
    }
    while (l->second < now) {
        l->second++;
        if (l->second <= LIMIT_SECONDS)
            continue;
        oldest = (l->second - LIMIT_SECONDS - 1) % LIMIT_SLICES;
        l->sum_requests -= l->requests[oldest];
        l->sum_tokens -= l->tokens[oldest];
        l->requests[oldest] = 0;
        l->tokens[oldest] = 0;
    }
}

/* Milliseconds until enough slices are forgotten. */
static uint64_t until_room(const struct limit *l, const struct limit_rule *r, uint64_t now_ms,
                           int64_t tokens)
{
    uint64_t requests = l->sum_requests,
             first = l->second > LIMIT_SECONDS ? l->second - LIMIT_SECONDS : 0;
    int64_t sum = l->sum_tokens;

    for (uint64_t s = first; s <= l->second; s++) {
        int fits = (!r->rpm || requests < (uint64_t)r->rpm) &&
                   (!r->tpm || sum <= 0 || sum + tokens <= r->tpm);

        if (fits)
            return s == first ? 0 : (s + LIMIT_SECONDS) * 1000 - now_ms;
        requests -= l->requests[s % LIMIT_SLICES];
        sum -= l->tokens[s % LIMIT_SLICES];
    }
    return (l->second + 1 + LIMIT_SECONDS) * 1000 - now_ms;
}

uint64_t limit_wait_ms(struct limit *l, const struct limit_rule *r, uint64_t now_ms, int64_t tokens)
{
    uint64_t wait = l->wait_until_ms > now_ms ? l->wait_until_ms - now_ms : 0, room = 0;

    if (r->rpm || r->tpm) {
        move_on(l, now_ms);
        room = until_room(l, r, now_ms, tokens > 0 ? tokens : 0);
    }
    if (room > wait)
        wait = room;
    if (wait == 0 && r->concurrency && l->in_flight >= (uint64_t)r->concurrency)
        return LIMIT_AFTER_ANOTHER;
    return wait;
}

static void book(struct limit *l, uint64_t second, int64_t tokens)
{
    l->tokens[second % LIMIT_SLICES] += tokens;
    l->sum_tokens += tokens;
}

void limit_begin(struct limit *l, uint64_t now_ms, int64_t tokens)
{
    move_on(l, now_ms);
    l->requests[l->second % LIMIT_SLICES]++;
    l->sum_requests++;
    l->in_flight++;
    book(l, l->second, tokens > 0 ? tokens : 0);
}

void limit_end(struct limit *l, uint64_t now_ms, uint64_t begun_ms, int64_t booked, int64_t used)
{
    uint64_t begun = begun_ms / 1000;

    if (l->in_flight)
        l->in_flight--;
    move_on(l, now_ms);
    if (used < 0 || used == booked)
        return;
    if (begun + LIMIT_SECONDS >= l->second)
        book(l, begun, used - booked);
    else if (used > booked)
        book(l, l->second, used - booked);
}

void limit_bench(struct limit *l, uint64_t until_ms)
{
    if (until_ms > l->wait_until_ms)
        l->wait_until_ms = until_ms;
}

/*
 * metrics.c - coordinator.metrics: the series of models as Prometheus text (exposition format
 * 0.0.4). Labels are names of instances, models that were asked for, and fixed words, so their
 * number is bounded. Values of all providers of one series stand together, as the format demands.
 */
#include "coordinator.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TEXT   (4u * 1024u * 1024u)
#define MAX_STATES 1000u /* lanes that tell their breaker */

/* Upper bounds in seconds: of whole answers and first tokens; of gaps between tokens. */
static const double steps[HISTOGRAM_STEPS] = {0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
                                              2.5,  5,     10,   30,  60,   120, 300};
static const char *const step_names[HISTOGRAM_STEPS] = {
    "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "30", "60", "120", "300"};

void histogram_take(struct histogram *h, double seconds)
{
    unsigned i = 0;

    while (i < HISTOGRAM_STEPS && seconds > steps[i])
        i++;
    h->steps[i]++;
    h->count++;
    h->sum += seconds;
}

struct text {
    char *mem;
    size_t len, cap;
    int failed;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *format, ...)
{
    va_list args;
    int n;

    if (t->failed)
        return;
    for (;;) {
        char *grown;

        va_start(args, format);
        n = vsnprintf(t->mem + t->len, t->cap - t->len, format, args);
        va_end(args);
        if (n >= 0 && (size_t)n < t->cap - t->len) {
            t->len += (size_t)n;
            return;
        }
        grown = n < 0 || t->cap >= MAX_TEXT ? NULL : realloc(t->mem, t->cap * 2);
        if (!grown) {
            t->failed = 1;
            return;
        }
        t->mem = grown;
        t->cap *= 2;
    }
}

static void head(struct text *t, const char *name, const char *type, const char *help)
{
    put(t, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value: quotes, backslashes and line ends escaped; other control bytes become '?'. */
static const char *label(const char *from, char *out, size_t size)
{
    size_t n = 0;

    for (; *from && n + 3 < size; from++) {
        if (*from == '"' || *from == '\\')
            out[n++] = '\\';
        out[n++] = (unsigned char)*from < 32 ? '?' : *from;
    }
    out[n] = 0;
    return out;
}

/* ---- Series ---- */

struct series {
    const char *name, *type, *help;
    uint64_t (*value)(const struct member *m);
};

static uint64_t retries(const struct member *m)
{
    return m->stats.retries;
}

static uint64_t hedges(const struct member *m)
{
    return m->stats.hedges;
}

static uint64_t queued(const struct member *m)
{
    return m->queue.n + recover_waiting(m);
}

static uint64_t in_flight(const struct member *m)
{
    return m->in_flight;
}

static uint64_t healthy(const struct member *m)
{
    return m->healthy != 0;
}

static const struct series by_provider[] = {
    {"aiex_llm_retries_total", "counter",
     "Calls to a provider that had failed the same request before.", retries},
    {"aiex_llm_hedges_total", "counter", "Second requests because the first was slow to begin.",
     hedges},
    {"aiex_llm_queue_depth", "gauge", "Requests that wait for the limits of a provider.", queued},
    {"aiex_llm_in_flight", "gauge", "Calls to a provider that run.", in_flight},
    {"aiex_llm_provider_healthy", "gauge", "Whether the last probe found the provider healthy.",
     healthy},
};

static void put_results(struct text *t, const struct coordinator *c, const char *node)
{
    head(t, "aiex_llm_requests_total", "counter", "Calls to providers by how they ended.");
    for (size_t i = 0; i < c->n_members; i++)
        for (int k = 0; k < N_RESULTS; k++)
            if (c->members[i]->stats.results[k] || k == RESULT_OK)
                put(t, "aiex_llm_requests_total{provider=\"%s\",status=\"%s\",node=\"%s\"} %llu\n",
                    c->members[i]->name, result_names[k], node,
                    (unsigned long long)c->members[i]->stats.results[k]);
}

static void put_histogram(struct text *t, const char *name, const char *provider,
                          const struct histogram *h)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < HISTOGRAM_STEPS; i++) {
        sum += h->steps[i];
        put(t, "%s_bucket{provider=\"%s\",le=\"%s\"} %llu\n", name, provider, step_names[i],
            (unsigned long long)sum);
    }
    put(t, "%s_bucket{provider=\"%s\",le=\"+Inf\"} %llu\n", name, provider,
        (unsigned long long)h->count);
    put(t, "%s_sum{provider=\"%s\"} %.6f\n", name, provider, h->sum);
    put(t, "%s_count{provider=\"%s\"} %llu\n", name, provider, (unsigned long long)h->count);
}

static void put_histograms(struct text *t, const struct coordinator *c)
{
    static const struct {
        const char *name, *help;
        size_t offset;
    } rows[] = {
        {"aiex_llm_request_duration_seconds", "Time of whole requests, from arrival to end.",
         offsetof(struct member_stats, duration)},
        {"aiex_llm_first_token_seconds", "Time to the first part of an answer.",
         offsetof(struct member_stats, first)},
        {"aiex_llm_inter_token_seconds", "Mean time between the tokens of a streamed answer.",
         offsetof(struct member_stats, between)},
    };

    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        head(t, rows[r].name, "histogram", rows[r].help);
        for (size_t i = 0; i < c->n_members; i++)
            put_histogram(t, rows[r].name, c->members[i]->name,
                          (const struct histogram *)((const uint8_t *)&c->members[i]->stats +
                                                     rows[r].offset));
    }
}

static void put_tokens(struct text *t, const struct coordinator *c)
{
    head(t, "aiex_llm_tokens_total", "counter",
         "Tokens by direction; cached and cache_write are parts of input.");
    for (size_t i = 0; i < c->n_members; i++) {
        const struct member_stats *s = &c->members[i]->stats;
        const struct {
            const char *name;
            uint64_t n;
        } rows[] = {{"input", s->input_tokens},
                    {"output", s->output_tokens},
                    {"cached", s->cached_tokens},
                    {"cache_write", s->cache_write_tokens}};

        for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++)
            put(t, "aiex_llm_tokens_total{provider=\"%s\",direction=\"%s\"} %llu\n",
                c->members[i]->name, rows[k].name, (unsigned long long)rows[k].n);
    }
    head(t, "aiex_llm_cost_dollars_total", "counter", "Cost of calls with a known price.");
    for (size_t i = 0; i < c->n_members; i++)
        put(t, "aiex_llm_cost_dollars_total{provider=\"%s\"} %.6f\n", c->members[i]->name,
            (double)c->members[i]->stats.cost / 1e6);
}

static void put_breakers(struct text *t, const struct coordinator *c)
{
    uint64_t now = c->host->now_ms(c->host);
    unsigned n = 0;
    char model[2 * MAX_MODEL];

    head(t, "aiex_llm_breaker_state", "gauge", "Circuit breaker: 0 closed, 1 open, 2 half open.");
    for (size_t i = 0; i < c->n_members; i++)
        for (const struct lane *l = c->members[i]->lanes; l && n < MAX_STATES; l = l->next, n++)
            put(t, "aiex_llm_breaker_state{provider=\"%s\",model=\"%s\"} %d\n", c->members[i]->name,
                label(l->model, model, sizeof(model)), (int)breaker_state(&l->breaker, now));
}

static void put_totals(struct text *t, const struct coordinator *c)
{
    const struct stats *s = &c->stats;

    head(t, "aiex_llm_fallbacks_total", "counter", "Requests that went to a fallback, by reason.");
    for (int i = 1; i < N_FALLBACKS; i++)
        put(t, "aiex_llm_fallbacks_total{reason=\"%s\"} %llu\n", fallback_names[i],
            (unsigned long long)s->fallbacks[i]);
    put(t, "aiex_llm_fallbacks_total{reason=\"offline\"} %llu\n", (unsigned long long)s->offline);
    put(t, "aiex_llm_fallbacks_total{reason=\"cached\"} %llu\n", (unsigned long long)s->stale);
    head(t, "aiex_llm_cache_requests_total", "counter",
         "Requests to the exact cache by what came of it.");
    put(t, "aiex_llm_cache_requests_total{result=\"hit\"} %llu\n",
        (unsigned long long)s->cache_hits);
    put(t, "aiex_llm_cache_requests_total{result=\"miss\"} %llu\n",
        (unsigned long long)s->cache_misses);
    put(t, "aiex_llm_cache_requests_total{result=\"coalesced\"} %llu\n",
        (unsigned long long)s->coalesced);
    head(t, "aiex_llm_cache_bytes", "gauge", "Bytes of answers in the exact cache.");
    put(t, "aiex_llm_cache_bytes %zu\n", c->cache ? cache_bytes(c->cache) : 0);
    head(t, "aiex_llm_cache_entries", "gauge", "Answers in the exact cache.");
    put(t, "aiex_llm_cache_entries %zu\n", c->cache ? cache_count(c->cache) : 0);
    head(t, "aiex_llm_cache_evictions_total", "counter", "Answers that left it for room.");
    put(t, "aiex_llm_cache_evictions_total %llu\n",
        c->cache ? (unsigned long long)cache_evictions(c->cache) : 0);
    head(t, "aiex_llm_repairs_total", "counter",
         "Answers that were asked for again because they were invalid.");
    put(t, "aiex_llm_repairs_total %llu\n", (unsigned long long)s->repairs);
}

int metrics_reply(struct coordinator *c, uint64_t id)
{
    struct text t = {.mem = malloc(16384), .cap = 16384};
    char node[2 * AIEX_MAX_NAME + 4];
    struct aiex_writer w;
    uint8_t *mem = NULL;
    int r = -ENOMEM;

    if (!t.mem)
        return -ENOMEM;
    put_results(&t, c, label(c->host->node, node, sizeof(node)));
    put_histograms(&t, c);
    put_tokens(&t, c);
    put_breakers(&t, c);
    for (size_t k = 0; k < sizeof(by_provider) / sizeof(by_provider[0]); k++) {
        head(&t, by_provider[k].name, by_provider[k].type, by_provider[k].help);
        for (size_t i = 0; i < c->n_members; i++)
            put(&t, "%s{provider=\"%s\"} %llu\n", by_provider[k].name, c->members[i]->name,
                (unsigned long long)by_provider[k].value(c->members[i]));
    }
    put_totals(&t, c);
    if (!t.failed)
        mem = malloc(t.len + 32);
    if (mem) {
        aiex_writer_init(&w, mem, t.len + 32);
        aiex_w_map(&w, 1);
        aiex_w_key_strn(&w, "text", t.mem, t.len);
        r = c->host->reply(c->host, id, aiex_written(&w));
    }
    free(mem);
    free(t.mem);
    return r;
}

/* metrics.c - gateway.metrics: Prometheus text. One table; series are bounded: no key has one. */
#include "jobs.h"

#include <stdarg.h>
#include <stdio.h>

#define TEXT_BYTES 8192u

struct text {
    char bytes[TEXT_BYTES];
    size_t len;
};

static void add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *t, const char *format, ...)
{
    va_list ap;
    int n;

    va_start(ap, format);
    n = vsnprintf(t->bytes + t->len, sizeof(t->bytes) - t->len, format, ap);
    va_end(ap);
    if (n > 0 && (size_t)n < sizeof(t->bytes) - t->len)
        t->len += (size_t)n;
}

static void head(struct text *t, const char *name, const char *type, const char *help)
{
    add(t, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void add_simple(struct text *t, const struct gateway *g)
{
    const struct {
        const char *name, *type, *help;
        double value;
    } rows[] = {
        {"aiex_gateway_admitted_total", "counter", "Requests that were admitted.",
         (double)g->admitted},
        {"aiex_gateway_keys", "gauge", "API keys, revoked ones included.", (double)g->keys.by_id.n},
        {"aiex_gateway_in_flight", "gauge", "Requests that run now.", (double)g->flights.in_flight},
        {"aiex_gateway_reserved_dollars", "gauge",
         "Money reserved for requests that are not settled.", (double)g->flights.reserved / 1e6},
        {"aiex_gateway_unsettled", "gauge", "Requests that are admitted and not settled.",
         (double)g->flights.n_used},
        {"aiex_gateway_unpriced_total", "counter", "Settled requests of unknown price.",
         (double)g->unpriced},
        {"aiex_gateway_parked", "gauge", "Requests that wait for the ledger.", (double)g->n_parked},
        {"aiex_gateway_async_requests", "gauge", "Asynchronous requests that are kept.",
         (double)g->jobs->n},
        {"aiex_gateway_async_bytes", "gauge", "Bytes of their answers.", (double)g->jobs->bytes},
        {"aiex_gateway_interfaces", "gauge", "Interfaces that have registered.",
         (double)faces_count(g)},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        head(t, rows[i].name, rows[i].type, rows[i].help);
        add(t, "%s %.15g\n", rows[i].name, rows[i].value);
    }
}

int report_metrics(struct gateway *g, uint64_t id)
{
    uint8_t mem[TEXT_BYTES + 32];
    struct text t = {.len = 0};
    struct aiex_writer w;

    add_simple(&t, g);
    head(&t, "aiex_gateway_refused_total", "counter", "Requests that were refused.");
    for (int i = 0; i < N_REFUSED; i++)
        add(&t, "aiex_gateway_refused_total{reason=\"%s\"} %llu\n", refused_names[i],
            (unsigned long long)g->refused[i]);
    head(&t, "aiex_gateway_settled_total", "counter", "Requests settled, by what.");
    add(&t, "aiex_gateway_settled_total{by=\"record\"} %llu\n", (unsigned long long)g->settled);
    add(&t, "aiex_gateway_settled_total{by=\"estimate\"} %llu\n",
        (unsigned long long)g->estimated_settles);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_key_strn(&w, "text", t.bytes, t.len);
    g->host->reply(g->host, id, aiex_written(&w));
    return 0;
}

/*
 * metrics.c - own numbers: counting, and telling them as Prometheus text.
 *
 * Format: https://prometheus.io/docs/instrumenting/exposition_formats/ (text 0.0.4).
 * Counting a request is two additions; everything else happens when somebody asks.
 */
#include "server.h"
#include "tls.h"

#include <aiex_session.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

/* Upper ends of the duration histogram. */
static const struct {
    uint64_t us;
    const char *seconds;
} buckets[N_BUCKETS] = {
    {1000, "0.001"},  {2500, "0.0025"}, {5000, "0.005"},  {10000, "0.01"},    {25000, "0.025"},
    {50000, "0.05"},  {100000, "0.1"},  {250000, "0.25"}, {500000, "0.5"},    {1000000, "1"},
    {2500000, "2.5"}, {10000000, "10"}, {30000000, "30"}, {120000000, "120"},
};

int metrics_init(struct server *s)
{
    s->numbers.routes = s->host->alloc(s->host, (routes_count() + 1) * sizeof(*s->numbers.routes));
    return s->numbers.routes ? 0 : -ENOMEM;
}

void metrics_done(struct server *s)
{
    s->host->release(s->host, s->numbers.routes);
    s->numbers.routes = NULL;
}

uint64_t metrics_now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void log_access(const struct conn *c, uint64_t us)
{
    const struct aiex_http1_head *head = aiex_http1_head(c->parser);
    const struct aiex_host *host = c->server->host;
    char text[320];

    snprintf(text, sizeof(text), "%s %s %.200s %d %" PRIu64 ".%03u ms", c->peer,
             head ? head->method : "-", head ? head->path : "-", c->status, us / 1000,
             (unsigned)(us % 1000));
    host->log(host, AIEX_LOG_INFO, c->trace, text);
}

void metrics_request(struct conn *c)
{
    struct route_numbers *n = &c->server->numbers.routes[routes_index(c->route)];
    uint64_t us = c->begun_us ? metrics_now_us() - c->begun_us : 0;
    int i = 0;

    n->by_status[c->status > 0 && c->status < 600 ? c->status : 0]++;
    while (i < N_BUCKETS && us > buckets[i].us)
        i++;
    n->buckets[i]++;
    n->total_us += us;
    if (c->server->config->access_log)
        log_access(c, us);
}

void metrics_totals(const struct server *s, uint64_t *ret_requests, uint64_t *ret_errors)
{
    *ret_requests = *ret_errors = 0;
    for (size_t i = 0; i <= routes_count(); i++) {
        for (int status = 0; status < 600; status++) {
            uint64_t n = s->numbers.routes[i].by_status[status];

            *ret_requests += n;
            *ret_errors += status >= 400 ? n : 0;
        }
    }
}

/* ---- The page ---- */

__attribute__((format(printf, 2, 3))) static void print(struct aiex_json_out *w, const char *format,
                                                        ...)
{
    char line[256];
    va_list ap;
    int n;

    va_start(ap, format);
    n = vsnprintf(line, sizeof(line), format, ap);
    va_end(ap);
    if (n > 0)
        aiex_jw_rawn(w, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

static const char *label(size_t i)
{
    return i < routes_count() ? routes_at(i)->path : "other";
}

static void write_requests(struct aiex_json_out *w, const struct numbers *n)
{
    print(w, "# HELP aiex_http_requests_total Requests answered, 499 = the client left first.\n"
             "# TYPE aiex_http_requests_total counter\n");
    for (size_t i = 0; i <= routes_count(); i++) {
        for (int status = 0; status < 600; status++) {
            if (n->routes[i].by_status[status])
                print(w, "aiex_http_requests_total{route=\"%s\",code=\"%d\"} %" PRIu64 "\n",
                      label(i), status, n->routes[i].by_status[status]);
        }
    }
}

/* All requests of a route. */
static uint64_t requests_of(const struct route_numbers *r)
{
    uint64_t n = 0;

    for (int b = 0; b <= N_BUCKETS; b++)
        n += r->buckets[b];
    return n;
}

/* Routes that nobody has asked for are left out. */
static void write_durations(struct aiex_json_out *w, const struct numbers *n)
{
    print(w, "# HELP aiex_http_request_duration_seconds From the request's head to the last byte "
             "of its answer.\n"
             "# TYPE aiex_http_request_duration_seconds histogram\n");
    for (size_t i = 0; i <= routes_count(); i++) {
        const struct route_numbers *r = &n->routes[i];
        uint64_t sum = 0;

        if (!requests_of(r))
            continue;
        for (int b = 0; b < N_BUCKETS; b++) {
            sum += r->buckets[b];
            print(w,
                  "aiex_http_request_duration_seconds_bucket{route=\"%s\",le=\"%s\"} %" PRIu64 "\n",
                  label(i), buckets[b].seconds, sum);
        }
        sum += r->buckets[N_BUCKETS];
        print(w,
              "aiex_http_request_duration_seconds_bucket{route=\"%s\",le=\"+Inf\"} %" PRIu64
              "\naiex_http_request_duration_seconds_sum{route=\"%s\"} %.6f\n",
              label(i), sum, label(i), (double)r->total_us / 1e6);
        print(w, "aiex_http_request_duration_seconds_count{route=\"%s\"} %" PRIu64 "\n", label(i),
              sum);
    }
}

static void write_one(struct aiex_json_out *w, const char *name, const char *type, const char *help,
                      uint64_t value)
{
    print(w, "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64 "\n", name, help, name, type, name, value);
}

static void write_turns(struct aiex_json_out *w, const struct server *s)
{
    struct aiex_turns_numbers n;

    if (!s->turns)
        return;
    aiex_turns_numbers(s->turns, &n);
    print(w,
          "# HELP aiex_http_session_turns_total Requests of sessions, and whether the session has "
          "them.\n# TYPE aiex_http_session_turns_total counter\n"
          "aiex_http_session_turns_total{outcome=\"recorded\"} %" PRIu64 "\n"
          "aiex_http_session_turns_total{outcome=\"failed\"} %" PRIu64 "\n",
          n.recorded, n.failed);
    write_one(w, "aiex_http_session_turns_open", "gauge",
              "Requests of sessions that are not recorded yet.", n.open);
}

void metrics_write(struct aiex_json_out *w, const struct server *s)
{
    const struct numbers *n = &s->numbers;

    write_requests(w, n);
    write_durations(w, n);
    write_one(w, "aiex_http_connections", "gauge", "Connections that are open.",
              (uint64_t)s->n_conns);
    write_one(w, "aiex_http_connections_total", "counter", "Connections accepted.", n->accepted);
    write_one(w, "aiex_http_accept_failures_total", "counter",
              "Connections not accepted for want of memory or descriptors.", n->refused);
    write_one(w, "aiex_http_received_bytes_total", "counter", "Bytes received from clients.",
              n->received_bytes);
    write_one(w, "aiex_http_sent_bytes_total", "counter", "Bytes sent to clients.", n->sent_bytes);
    write_one(w, "aiex_http_client_gone_total", "counter",
              "Clients that left before their request was answered.", n->client_gone);
    write_one(w, "aiex_http_timeouts_total", "counter",
              "Requests that arrived, or answers that were taken, too slowly.", n->timeouts);
    write_one(w, "aiex_http_cut_streams_total", "counter",
              "Streams that ended with an error after their first part.", n->cut_streams);
    write_turns(w, s);
    if (!s->tls)
        return;
    write_one(w, "aiex_http_tls_handshakes_total", "counter", "TLS connections set up.",
              n->handshakes);
    write_one(w, "aiex_http_tls_handshake_failures_total", "counter",
              "TLS connections that came to nothing.", n->handshake_failures);
    write_one(w, "aiex_http_tls_certificate_expiry_timestamp_seconds", "gauge",
              "When the certificate ends, in seconds since 1970.", (uint64_t)tls_expires(s->tls));
}

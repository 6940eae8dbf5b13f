/*
 * health.c - is the vendor there? GET /models every probe_interval (with jitter, and
 * sooner while it is down: after 0.5 s, 1 s, 2 s, 4 s, then every 5 s), and what chats find out on
 * the way: two connections in a row that fail mark it down at once, an answer marks it up.
 */
#include "openai.h"

#include <stdio.h>
#include <string.h>

#define PROBE_TOTAL_MS   15000u
#define DOWN_FIRST_MS    500
#define DOWN_INTERVAL_MS 5000
#define MAX_FAILURES     2
#define MAX_LIST_BYTES   (8u * 1024u * 1024u)

static void publish(struct openai *o, const char *type)
{
    struct aiex_event e = {.struct_size = sizeof(e), .topic = "provider.health", .type = type};
    struct aiex_writer w;
    uint8_t mem[256];

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_key_str(&w, "reason", o->health.reason);
    e.subject = o->host->instance;
    e.data = aiex_written(&w);
    o->host->publish(o->host, &e);
}

static void found(struct openai *o, enum openai_state state, const char *reason)
{
    struct health *h = &o->health;
    int changed = h->state != state;

    h->state = state;
    h->checked_ms = o->host->now_ms(o->host);
    snprintf(h->reason, sizeof(h->reason), "%s", reason);
    if (state == OPENAI_UP)
        h->connect_failures = 0;
    h->down_probes = state == OPENAI_UP || changed ? 0 : h->down_probes + (h->down_probes < 8);
    if (!changed)
        return;
    openai_log(o, state == OPENAI_UP ? AIEX_LOG_INFO : AIEX_LOG_WARN, 0, "%s is %s: %s",
               o->config->base_url, state == OPENAI_UP ? "up" : "down", reason);
    publish(o, state == OPENAI_UP ? "up" : "down");
}

static void on_timer(void *arg)
{
    struct openai *o = arg;

    o->health.timer = 0;
    health_probe(o);
}

/* interval plus or minus a tenth, so that many instances do not probe in step */
static uint64_t jittered(struct health *h, uint64_t interval)
{
    h->random = h->random * 6364136223846793005u + 1442695040888963407u;
    return interval - interval / 10 + (h->random >> 33) % (interval / 5 + 1);
}

static int64_t down_interval(const struct health *h)
{
    return h->down_probes > 3 ? DOWN_INTERVAL_MS : (int64_t)DOWN_FIRST_MS << h->down_probes;
}

static void schedule(struct openai *o)
{
    struct health *h = &o->health;
    int64_t interval = o->config->probe_interval;

    if (h->timer) {
        o->host->unwatch(o->host, h->timer);
        h->timer = 0;
    }
    if (interval == 0)
        return;
    if (h->state == OPENAI_DOWN && interval > down_interval(h))
        interval = down_interval(h);
    o->host->timer(o->host, jittered(h, (uint64_t)interval), 0, on_timer, o, &h->timer);
}

void health_saw_status(struct openai *o, int status)
{
    if (status < 500 && status != 401)
        found(o, OPENAI_UP, "answers");
    else
        o->health.connect_failures = 0;
}

void health_saw_no_connection(struct openai *o, const char *text)
{
    char reason[160];

    if (++o->health.connect_failures < MAX_FAILURES)
        return;
    snprintf(reason, sizeof(reason), "no connection: %s", text ? text : "");
    if (o->health.state == OPENAI_DOWN)
        return;
    found(o, OPENAI_DOWN, reason);
    schedule(o);
}

/* ---- The probe ---- */

static int on_head(void *arg, int status, const struct aiex_http_header *headers, size_t n)
{
    struct openai *o = arg;

    o->health.probe_status = status;
    return 0;
}

static int on_body(void *arg, struct aiex_slice bytes)
{
    struct openai *o = arg;

    return collect_add(&o->health.probe_body, bytes.data, bytes.len);
}

static void on_end(void *arg, uint32_t result, int sent, const char *text)
{
    struct openai *o = arg;
    struct health *h = &o->health;
    int status = h->probe_status, fresh = 0;
    char reason[160];

    h->probe = 0;
    if (!status) {
        snprintf(reason, sizeof(reason), "no answer: %s", text ? text : "");
        found(o, OPENAI_DOWN, reason);
    } else if (status == 401 || status == 403) {
        snprintf(reason, sizeof(reason), "the api key was refused (status %d)", status);
        found(o, OPENAI_DOWN, reason);
    } else if (status >= 500) {
        snprintf(reason, sizeof(reason), "GET /models answered with status %d", status);
        found(o, OPENAI_DOWN, reason);
    } else {
        found(o, OPENAI_UP, "answers");
        if (status >= 200 && status <= 299 && result == AIEX_HTTP_OK)
            fresh = models_read(o, collect_slice(&h->probe_body)) == 0;
    }
    collect_done(&h->probe_body);
    models_settle(o, fresh);
    schedule(o);
}

void health_probe(struct openai *o)
{
    static const struct aiex_http_handler handler = {sizeof(handler), 0, on_head, on_body, on_end};
    struct health *h = &o->health;
    struct aiex_error err = {""};
    struct openai_texts t;
    struct aiex_http_request q;
    int r;

    if (h->probe || openai_blocked(o))
        return;
    openai_request(o, "/models", "application/json", &t, &q);
    q.total_ms = PROBE_TOTAL_MS;
    q.max_body_bytes = MAX_LIST_BYTES;
    h->probe_status = 0;
    h->probe_body.max = MAX_LIST_BYTES;
    r = o->http->request(o->host, &q, &handler, o, &h->probe, &err);
    explicit_bzero(t.bearer, sizeof(t.bearer));
    if (r == 0)
        return;
    h->probe = 0;
    found(o, OPENAI_DOWN, err.text[0] ? err.text : "no memory for a probe");
    models_settle(o, 0);
    schedule(o);
}

void health_start(struct openai *o)
{
    const char *blocked = openai_blocked(o);

    o->health.random = o->host->now_ms(o->host);
    for (const char *p = o->host->instance; *p; p++)
        o->health.random = o->health.random * 31 + (unsigned char)*p;
    if (blocked)
        found(o, OPENAI_DOWN, blocked);
    else
        health_probe(o);
}

void health_stop(struct openai *o)
{
    struct health *h = &o->health;

    if (h->timer)
        o->host->unwatch(o->host, h->timer);
    if (h->probe)
        o->http->cancel(o->host, h->probe);
    h->timer = h->probe = 0;
    collect_done(&h->probe_body);
}

void health_again(struct openai *o)
{
    health_stop(o);
    o->health.connect_failures = 0;
    if (openai_blocked(o)) {
        models_settle(o, 0);
        found(o, OPENAI_DOWN, openai_blocked(o));
    } else {
        health_probe(o);
    }
}

int health_answer(struct openai *o, uint64_t id)
{
    const struct health *h = &o->health;
    int known = h->state != OPENAI_UNKNOWN;
    struct aiex_writer w;
    uint8_t mem[320];

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 3);
    aiex_w_key_bool(&w, "healthy", h->state != OPENAI_DOWN);
    aiex_w_key_str(&w, "reason", known ? h->reason : "not probed yet");
    aiex_w_key_int(&w, "checked_ms",
                   known ? (int64_t)(o->host->now_ms(o->host) - h->checked_ms) : -1);
    o->host->reply(o->host, id, aiex_written(&w));
    return 0;
}

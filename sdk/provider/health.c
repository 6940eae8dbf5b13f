/*
 * health.c - is the vendor there? The request for its models every probe_interval (with jitter, and
 * sooner while it is down: after 0.5 s, 1 s, 2 s, 4 s, then every 5 s), and what calls find out on
 * the way: two connections in a row that fail mark it down at once, an answer marks it up. Faults
 * of a client never mark it down.
 */
#include "engine.h"

#include <stdio.h>
#include <string.h>

#define DOWN_FIRST_MS    500
#define DOWN_INTERVAL_MS 5000
#define MAX_FAILURES     2

static void publish(struct aiex_provider *p, const char *type)
{
    struct aiex_event e = {.struct_size = sizeof(e), .topic = "provider.health", .type = type};
    struct aiex_writer w;
    uint8_t mem[256];

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_key_str(&w, "reason", p->health.reason);
    e.subject = p->host->instance;
    e.data = aiex_written(&w);
    p->host->publish(p->host, &e);
}

static int is_here(const char *base)
{
    const char *host = strstr(base, "://");

    host = host ? host + 3 : base;
    return strncmp(host, "127.", 4) == 0 || strncmp(host, "localhost", 9) == 0 ||
           strncmp(host, "[::1]", 5) == 0;
}

/* Neither a local server that never ran nor a vendor without a key is a fault. */
static uint32_t loudness(const struct aiex_provider *p)
{
    if (p->health.state == PROVIDER_UP || provider_blocked(p))
        return AIEX_LOG_INFO;
    if ((p->vendor->flags & AIEX_VENDOR_LOCAL) && !p->health.seen_up && is_here(p->base))
        return AIEX_LOG_DEBUG;
    return AIEX_LOG_WARN;
}

static void found(struct aiex_provider *p, enum provider_state state, const char *reason)
{
    struct health *h = &p->health;
    int changed = h->state != state;

    h->state = state;
    h->checked_ms = p->host->now_ms(p->host);
    snprintf(h->reason, sizeof(h->reason), "%s", reason);
    if (state == PROVIDER_UP) {
        h->connect_failures = 0;
        h->seen_up = 1;
    }
    h->down_probes = state == PROVIDER_UP || changed ? 0 : h->down_probes + (h->down_probes < 8);
    if (!changed)
        return;
    provider_log(p, loudness(p), 0, "%s is %s: %s", p->base, state == PROVIDER_UP ? "up" : "down",
                 reason);
    publish(p, state == PROVIDER_UP ? "up" : "down");
}

static void on_timer(void *arg);

/* interval plus or minus a tenth, so that many instances do not probe in step */
static uint64_t jittered(struct aiex_provider *p, uint64_t interval)
{
    return interval - interval / 10 + (provider_random(p) >> 3) % (interval / 5 + 1);
}

static int64_t down_interval(const struct health *h)
{
    return h->down_probes > 3 ? DOWN_INTERVAL_MS : (int64_t)DOWN_FIRST_MS << h->down_probes;
}

static void schedule(struct aiex_provider *p)
{
    struct health *h = &p->health;
    int64_t interval = p->options->probe_interval;

    if (h->timer) {
        p->host->unwatch(p->host, h->timer);
        h->timer = 0;
    }
    if (interval == 0)
        return;
    if (h->state == PROVIDER_DOWN && interval > down_interval(h))
        interval = down_interval(h);
    p->host->timer(p->host, jittered(p, (uint64_t)interval), 0, on_timer, p, &h->timer);
}

static void on_timer(void *arg)
{
    struct aiex_provider *p = arg;

    p->health.timer = 0;
    if (p->models.http)
        schedule(p); /* a long list is still being read */
    else
        models_ask(p);
}

void health_probed(struct aiex_provider *p, int status, const char *text)
{
    char reason[160];

    if (!status) {
        snprintf(reason, sizeof(reason), "no answer: %s", text ? text : "");
        found(p, PROVIDER_DOWN, reason);
    } else if (status == 401) { /* 403: keys that may chat need not be allowed to list */
        snprintf(reason, sizeof(reason), "the api key was refused (status %d)", status);
        found(p, PROVIDER_DOWN, reason);
    } else if (status >= 500) {
        snprintf(reason, sizeof(reason), "GET %s answered with status %d", p->vendor->models_path,
                 status);
        found(p, PROVIDER_DOWN, reason);
    } else {
        found(p, PROVIDER_UP, "answers");
    }
    schedule(p);
}

void health_saw_status(struct aiex_provider *p, int status)
{
    if (status == 401 || status >= 500) {
        p->health.connect_failures = 0;
        if (status == 401 && p->health.state == PROVIDER_UP)
            models_ask(p); /* is it the key? */
    } else if (p->health.state == PROVIDER_UP) {
        p->health.checked_ms = p->host->now_ms(p->host);
        p->health.connect_failures = 0;
    } else {
        found(p, PROVIDER_UP, "answers");
    }
}

void health_saw_no_connection(struct aiex_provider *p, const char *text)
{
    char reason[160];

    if (++p->health.connect_failures < MAX_FAILURES)
        return;
    snprintf(reason, sizeof(reason), "no connection: %s", text ? text : "");
    if (p->health.state == PROVIDER_DOWN)
        return;
    found(p, PROVIDER_DOWN, reason);
    schedule(p);
}

void health_start(struct aiex_provider *p)
{
    const char *blocked = provider_blocked(p);

    if (blocked)
        found(p, PROVIDER_DOWN, blocked);
    else
        models_ask(p);
}

void health_stop(struct aiex_provider *p)
{
    if (p->health.timer)
        p->host->unwatch(p->host, p->health.timer);
    p->health.timer = 0;
    models_stop(p);
}

void health_again(struct aiex_provider *p)
{
    health_stop(p);
    p->health.connect_failures = 0;
    if (provider_blocked(p))
        models_settle(p, 0);
    health_start(p);
}

int health_answer(struct aiex_provider *p, uint64_t id)
{
    const struct health *h = &p->health;
    int known = h->state != PROVIDER_UNKNOWN;
    struct aiex_writer w;
    uint8_t mem[320];

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 3);
    aiex_w_key_bool(&w, "healthy", h->state != PROVIDER_DOWN);
    aiex_w_key_str(&w, "reason", known ? h->reason : "not probed yet");
    aiex_w_key_int(&w, "checked_ms",
                   known ? (int64_t)(p->host->now_ms(p->host) - h->checked_ms) : -1);
    p->host->reply(p->host, id, aiex_written(&w));
    return 0;
}

/*
 * deadline.c - what takes too long ends.
 *
 * All connections of one phase wait equally long, so a list per phase that grows at
 * its end is in order of deadlines, and one timer at the earliest of all list heads
 * serves every connection. Entering a phase costs two pointer writes.
 */
#include "server.h"

#include <stddef.h>

#define LINGER_MS 2000

static void answer_late(struct conn *c)
{
    c->server->numbers.timeouts++;
    respond_no_keep_alive(c, 1);
    error_respond(c, 408, "request_timeout", NULL, "the request did not arrive within %llu s",
                  (unsigned long long)deadline_limit(c->server, c->phase) / 1000);
}

static void close_late(struct conn *c)
{
    if (c->phase == PHASE_SEND || c->phase == PHASE_HANDSHAKE)
        c->server->numbers.timeouts++;
    conn_close(c);
}

/* How long each phase may last and what happens then. */
static const struct {
    size_t limit; /* offset in struct config, 0 = `fixed_ms` */
    uint64_t fixed_ms;
    void (*expire)(struct conn *c);
} phases[N_PHASES] = {
    [PHASE_HANDSHAKE] = {offsetof(struct config, head_timeout), 0, close_late},
    [PHASE_IDLE] = {offsetof(struct config, idle_timeout), 0, close_late},
    [PHASE_HEAD] = {offsetof(struct config, head_timeout), 0, answer_late},
    [PHASE_BODY] = {offsetof(struct config, body_timeout), 0, answer_late},
    [PHASE_ANSWER] = {0, 0, NULL},
    [PHASE_SEND] = {offsetof(struct config, write_timeout), 0, close_late},
    [PHASE_LINGER] = {0, LINGER_MS, close_late},
    [PHASE_CLOSED] = {0, 0, NULL},
};

uint64_t deadline_limit(const struct server *s, enum phase phase)
{
    if ((phase == PHASE_IDLE || phase == PHASE_HANDSHAKE) && s->draining)
        return (uint64_t)s->config->drain_grace;
    if (!phases[phase].limit)
        return phases[phase].fixed_ms;
    return (uint64_t) *
           (const int64_t *)(const void *)((const char *)s->config + phases[phase].limit);
}

void deadline_drop(struct conn *c)
{
    struct deadline_list *list = &c->server->deadlines[c->phase];

    if (!c->listed)
        return;
    if (c->earlier)
        c->earlier->later = c->later;
    else
        list->first = c->later;
    if (c->later)
        c->later->earlier = c->earlier;
    else
        list->last = c->earlier;
    c->earlier = c->later = NULL;
    c->listed = 0;
}

static void on_time(void *arg);

/* Makes the timer fire at the earliest deadline; one that fires too early costs nothing but itself,
 * so it is only moved forward. */
static void arm(struct server *s)
{
    uint64_t first = UINT64_MAX, now;

    for (int i = 0; i < N_PHASES; i++) {
        if (s->deadlines[i].first && s->deadlines[i].first->deadline_ms < first)
            first = s->deadlines[i].first->deadline_ms;
    }
    if (first == UINT64_MAX || (s->timer && s->timer_at_ms <= first))
        return;
    if (s->timer)
        s->host->unwatch(s->host, s->timer);
    s->timer = 0;
    now = s->host->now_ms(s->host);
    s->timer_at_ms = first;
    if (s->host->timer(s->host, first > now ? first - now : 0, 0, on_time, s, &s->timer) != 0)
        s->timer = 0; /* no memory: tried again with the next phase that begins */
}

static void on_time(void *arg)
{
    struct server *s = arg;
    uint64_t now = s->host->now_ms(s->host);

    s->timer = 0;
    for (int i = 0; i < N_PHASES; i++) {
        while (s->deadlines[i].first && s->deadlines[i].first->deadline_ms <= now) {
            struct conn *c = s->deadlines[i].first;

            phases[i].expire(c);
            if (s->deadlines[i].first == c) /* whatever happened, it must not happen twice */
                deadline_drop(c);
        }
    }
    conn_reap(s);
    arm(s);
}

void deadline_phase(struct conn *c, enum phase phase)
{
    struct server *s = c->server;
    struct deadline_list *list = &s->deadlines[phase];
    uint64_t limit = deadline_limit(s, phase);

    deadline_drop(c);
    c->phase = phase;
    c->deadline_ms = limit ? s->host->now_ms(s->host) + limit : UINT64_MAX;
    c->earlier = list->last;
    c->later = NULL;
    if (list->last)
        list->last->later = c;
    else
        list->first = c;
    list->last = c;
    c->listed = 1;
    if (limit && (!s->timer || c->deadline_ms < s->timer_at_ms))
        arm(s);
}

void deadline_clamp(struct server *s, enum phase phase, uint64_t limit_ms)
{
    uint64_t until = s->host->now_ms(s->host) + limit_ms;

    for (struct conn *c = s->deadlines[phase].first; c; c = c->later) {
        if (c->deadline_ms > until)
            c->deadline_ms = until;
    }
    arm(s);
}

void deadline_stop(struct server *s)
{
    if (s->timer)
        s->host->unwatch(s->host, s->timer);
    s->timer = 0;
}

/*
 * wait.c - requests that wait: for the limits of a provider, in its queue; for a while, before the
 * same provider is asked again; for the first part, before a second provider is asked as well.
 * recover.c has those that wait for a breaker.
 */
#include "route.h"

#include <errno.h>
#include <stddef.h>

static struct route *route_of(struct queued *q)
{
    return (struct route *)((uint8_t *)q - offsetof(struct route, queued));
}

/* ---- One timer per route ---- */

static void on_pause(void *arg)
{
    struct route *r = arg;

    r->timer = 0;
    r->state = ROUTE_NEW;
    r->same_now = 1;
    leg_next(r);
}

static void on_hedge(void *arg)
{
    struct route *r = arg;

    r->timer = 0;
    leg_hedge(r);
}

static void set_timer(struct route *r, uint64_t ms, void (*fn)(void *arg))
{
    if (r->c->host->timer(r->c->host, ms, 0, fn, r, &r->timer) != 0)
        r->timer = 0;
}

void wait_pause(struct route *r, uint64_t ms)
{
    uint64_t now = route_now(r);

    if (r->deadline_ms != UINT64_MAX && now + ms > r->deadline_ms)
        ms = r->deadline_ms - now;
    r->state = ROUTE_PAUSED;
    set_timer(r, ms, on_pause);
    if (!r->timer)
        ends_fail(r, AIEX_E_INTERNAL, 500, "server", "no memory for a timer", 0);
}

void wait_hedge(struct route *r, uint64_t ms)
{
    set_timer(r, ms, on_hedge); /* without one there is no second request */
}

void wait_stop(struct route *r)
{
    if (r->timer)
        r->c->host->unwatch(r->c->host, r->timer);
    r->timer = 0;
    if (r->queued_in)
        queue_remove(r->queued_in, &r->queued, 0);
    r->queued_in = NULL;
}

/* ---- Queues ---- */

static void on_wake(void *arg);

/* Wakes the queue when its next one may go, or when one has waited too long. */
static void arm(struct member *m, uint64_t next_ms)
{
    const struct aiex_host *host = m->c->host;
    uint64_t now = host->now_ms(host), at = queue_deadline(&m->queue);

    if (next_ms != LIMIT_AFTER_ANOTHER && now + next_ms < at)
        at = now + next_ms;
    if (at == UINT64_MAX || (m->wake_timer && m->wake_ms <= at && m->wake_ms > now))
        return;
    if (m->wake_timer)
        host->unwatch(host, m->wake_timer);
    m->wake_timer = 0;
    m->wake_ms = at;
    if (host->timer(host, at > now ? at - now : 1, 0, on_wake, m, &m->wake_timer) != 0)
        m->wake_timer = 0; /* the next end wakes it */
}

static struct route *take_out(struct queued *q, int served)
{
    struct route *r = route_of(q);

    queue_remove(r->queued_in, q, served);
    r->queued_in = NULL;
    r->state = ROUTE_NEW;
    return r;
}

static void drop_overdue(struct member *m)
{
    struct queued *q;

    while ((q = queue_overdue(&m->queue, m->c->host->now_ms(m->c->host))) != NULL) {
        struct route *r = take_out(q, 0);
        uint64_t wait = limit_wait_ms(&m->limit, members_rule(m), route_now(r), route_prompt(r, 0));

        if (r->error.rank)
            ends_pass_on(r);
        else
            ends_fail(r, AIEX_E_BUSY, 429, "rate_limit",
                      "waited too long for the limits of the provider",
                      wait && wait != LIMIT_AFTER_ANOTHER ? (uint32_t)wait : 1000);
    }
}

/* Ends inside come back here: the loop on the stack goes on for them. */
void wait_drain(struct member *m)
{
    struct queued *q;

    if (m->draining)
        return;
    m->draining = 1;
    while ((q = queue_next(&m->queue)) != NULL) {
        struct route *r = route_of(q);
        uint64_t wait = limit_wait_ms(&m->limit, members_rule(m), route_now(r), route_prompt(r, 0));

        if (wait) {
            arm(m, wait);
            break;
        }
        take_out(q, 1);
        r->pass_queue = 1;
        leg_next(r);
    }
    m->draining = 0;
}

static void on_wake(void *arg)
{
    struct member *m = arg;

    m->wake_timer = 0;
    drop_overdue(m);
    wait_drain(m);
}

void wait_flush(struct member *m)
{
    size_t n = m->queue.n; /* some may come back */
    struct queued *q;

    if (m->draining) {
        arm(m, 0);
        return;
    }
    m->draining = 1;
    for (; n > 0 && (q = queue_next(&m->queue)) != NULL; n--)
        leg_next(take_out(q, 0));
    m->draining = 0;
}

int wait_for_limits(struct route *r, struct member *m, uint64_t wait_ms)
{
    const struct limit_rule *rule = members_rule(m);
    uint64_t now = route_now(r), until = now + (uint64_t)r->c->config->queue_time;
    size_t max = (size_t)(rule->queue >= 0 ? rule->queue : r->c->config->queue);

    if (r->deadline_ms < until)
        until = r->deadline_ms;
    if (wait_ms != LIMIT_AFTER_ANOTHER && now + wait_ms > until)
        return -EBUSY;
    r->queued.deadline_ms = until;
    if (queue_add(&m->queue, &r->queued, max) != 0)
        return -EBUSY;
    r->queued_in = &m->queue;
    r->state = ROUTE_QUEUED;
    r->c->stats.queued++;
    arm(m, wait_ms);
    return 0;
}

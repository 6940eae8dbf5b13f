/*
 * recover.c - requests that wait for an open breaker, because no other provider fits.
 *
 * A breaker that opened lets a probe through after a few seconds. Those are less to a person than
 * an answer without a model, so that a request waits for the probe when it is soon (option
 * breaker_wait) and leaves at least half of its own time for the answer. The first in line is the
 * probe; the others wait for what it finds, as long again. When it is good all go; when it fails
 * all give up at once, and nobody waits again before the breaker has been closed: a provider that
 * is dead costs one wait, not one for each request.
 *
 * Each lane has a line of its own, fair like that for limits (queue.h), and one timer.
 */
#include "route.h"

#include <errno.h>
#include <stddef.h>

static struct route *route_of(struct queued *q)
{
    return (struct route *)((uint8_t *)q - offsetof(struct route, queued));
}

static uint64_t least_of(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* It failed for the first time since it was well: the next probe may find it so. */
static int may_recover(const struct lane *l)
{
    return l->m->present && l->m->healthy && l->breaker.opened == 1;
}

static void on_wake(void *arg)
{
    struct lane *l = arg;

    l->wake_timer = 0;
    recover_drain(l);
}

/* Wakes the line when the breaker lets a probe through, or when somebody has waited too long. */
static int arm(struct lane *l)
{
    const struct aiex_host *host = l->m->c->host;
    uint64_t now = host->now_ms(host), at = queue_deadline(&l->barred);
    uint64_t probe = breaker_wait_ms(&l->breaker, now), timer = 0;

    if (probe)
        at = least_of(at, now + probe);
    if (l->wake_timer && l->wake_ms <= at)
        return 0;
    if (host->timer(host, at > now ? at - now : 1, 0, on_wake, l, &timer) != 0)
        return -ENOMEM; /* the old one stays */
    if (l->wake_timer)
        host->unwatch(host, l->wake_timer);
    l->wake_timer = timer;
    l->wake_ms = at;
    return 0;
}

static void send_on(struct lane *l, struct queued *q)
{
    struct route *r = route_of(q);

    queue_remove(&l->barred, q, 1);
    r->queued_in = NULL;
    r->state = ROUTE_NEW;
    leg_next(r);
}

static void give_up(struct lane *l, struct queued *q)
{
    route_of(q)->patient_until_ms = route_now(route_of(q));
    send_on(l, q);
}

static void drop_overdue(struct lane *l, uint64_t now)
{
    struct queued *q;

    while ((q = queue_overdue(&l->barred, now)) != NULL)
        give_up(l, q);
}

/* Ends inside come back here: the loop on the stack goes on for them. */
void recover_drain(struct lane *l)
{
    uint64_t now = l->m->c->host->now_ms(l->m->c->host);
    struct queued *q;

    if (l->draining || !l->barred.n)
        return;
    l->draining = 1;
    drop_overdue(l, now);
    while ((q = queue_next(&l->barred)) != NULL) {
        if (breaker_allows(&l->breaker, &route_of(q)->plan->breaker, now))
            send_on(l, q);
        else if (!may_recover(l))
            give_up(l, q);
        else
            break;
    }
    if (l->barred.n && arm(l) != 0)
        while ((q = queue_next(&l->barred)) != NULL)
            give_up(l, q); /* nobody would wake them */
    l->draining = 0;
}

/* Requests that go on look lanes up, which changes their order: each time from the first one. */
void recover_drain_all(struct member *m)
{
    for (struct lane *l = m->lanes; l;) {
        if (!l->barred.n || l->draining || may_recover(l)) {
            l = l->next;
            continue;
        }
        recover_drain(l);
        l = m->lanes;
    }
}

size_t recover_waiting(const struct member *m)
{
    size_t n = 0;

    for (const struct lane *l = m->lanes; l; l = l->next)
        n += l->barred.n;
    return n;
}

/* How long r waits for breakers in all. */
static uint64_t patience_ms(const struct route *r, uint64_t now)
{
    const struct config *config = r->c->config;
    uint64_t left = r->deadline_ms > now ? r->deadline_ms - now : 0;

    return least_of(least_of(2 * (uint64_t)config->breaker_wait, (uint64_t)config->queue_time),
                    left / 2);
}

int recover_wait(struct route *r, struct lane *l)
{
    const struct config *config = r->c->config;
    uint64_t now = route_now(r), wait = breaker_wait_ms(&l->breaker, now);

    if (r->op == OP_COUNT || !may_recover(l) || wait > (uint64_t)config->breaker_wait)
        return 0;
    if (!r->patient_until_ms)
        r->patient_until_ms = now + patience_ms(r, now);
    if (now + wait >= r->patient_until_ms)
        return 0;
    r->queued.deadline_ms = r->patient_until_ms;
    if (queue_add(&l->barred, &r->queued, (size_t)config->queue) != 0)
        return 0;
    if (!l->draining && arm(l) != 0) {
        queue_remove(&l->barred, &r->queued, 0);
        return 0;
    }
    r->queued_in = &l->barred;
    r->state = ROUTE_QUEUED;
    r->pass_queue = 0;
    r->c->stats.queued++;
    return 1;
}

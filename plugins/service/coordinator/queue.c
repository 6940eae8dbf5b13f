#include "queue.h"

#include <errno.h>

static uint64_t step_of(int priority)
{
    return priority == QUEUE_HIGH ? 1 : priority == QUEUE_LOW ? 16 : 4;
}

int queue_add(struct queue *q, struct queued *e, size_t max)
{
    struct queued **at = &q->first;
    uint64_t behind = q->served;

    if (q->n >= max)
        return -EBUSY;
    for (; *at; at = &(*at)->next)
        if ((*at)->flow == e->flow && (*at)->priority == e->priority && (*at)->tag > behind)
            behind = (*at)->tag;
    e->tag = behind + step_of(e->priority);
    e->next = NULL;
    *at = e;
    q->n++;
    return 0;
}

struct queued *queue_next(const struct queue *q)
{
    struct queued *best = q->first;

    for (struct queued *e = best; e; e = e->next)
        if (e->tag < best->tag || (e->tag == best->tag && e->deadline_ms < best->deadline_ms))
            best = e;
    return best;
}

int queue_remove(struct queue *q, struct queued *e, int served)
{
    struct queued **at = &q->first;

    while (*at && *at != e)
        at = &(*at)->next;
    if (!*at)
        return -ENOENT;
    *at = e->next;
    q->n--;
    if (served && e->tag > q->served)
        q->served = e->tag;
    return 0;
}

struct queued *queue_overdue(const struct queue *q, uint64_t now_ms)
{
    for (struct queued *e = q->first; e; e = e->next)
        if (e->deadline_ms <= now_ms)
            return e;
    return NULL;
}

uint64_t queue_deadline(const struct queue *q)
{
    uint64_t first = UINT64_MAX;

    for (const struct queued *e = q->first; e; e = e->next)
        if (e->deadline_ms < first)
            first = e->deadline_ms;
    return first;
}

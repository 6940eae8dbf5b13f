/*
 * queue.h - requests that wait for one provider instance.
 *
 * Fair in two ways at once: every request gets a tag, and the smallest tag goes first. A tag is
 * one step behind the last one of the same flow (an API key) and priority, and never behind what
 * is being served (start-time fair queueing, Goyal 1996). A key that sends a thousand requests so
 * waits behind itself, not in front of others. High priority takes small steps and low priority
 * large ones: 16 high go for 4 normal for 1 low, and nobody starves. Of equal tags the earlier
 * deadline goes first.
 *
 * Bounded by the caller's `max`. Linear in its length, which is at most some hundred. Pure: no
 * clock, no memory; entries belong to the caller and are linked in.
 */
#ifndef COORDINATOR_QUEUE_H
#define COORDINATOR_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#define QUEUE_NORMAL 0
#define QUEUE_HIGH   1
#define QUEUE_LOW    2

struct queued {
    struct queued *next;
    uint64_t flow;        /* who: hash of the key */
    int priority;         /* QUEUE_* */
    uint64_t deadline_ms; /* UINT64_MAX = none */
    uint64_t tag;
};

struct queue {
    struct queued *first; /* in order of arrival */
    size_t n;
    uint64_t served; /* tag of the last one taken */
};

/* 0, or -EBUSY when `max` wait already. flow, priority and deadline_ms are set by the caller. */
int queue_add(struct queue *q, struct queued *e, size_t max);
/* Who goes next, or NULL; queue_remove() it when it went. */
struct queued *queue_next(const struct queue *q);
/* Takes it out; `served` = it goes to the provider now. 0, or -ENOENT. */
int queue_remove(struct queue *q, struct queued *e, int served);
/* The first one whose deadline has passed, or NULL. */
struct queued *queue_overdue(const struct queue *q, uint64_t now_ms);
/* The earliest deadline, UINT64_MAX when none. */
uint64_t queue_deadline(const struct queue *q);

#endif

#include "decision.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

/* UUID version 7 (RFC 9562): sorts by time, as the store's index of ids likes it. */
static int make_id(char out[EVENT_ID])
{
    struct timespec t;
    uint64_t ms, random[2];

    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return -EIO;
    clock_gettime(CLOCK_REALTIME, &t);
    ms = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
    snprintf(out, EVENT_ID, "%08" PRIx64 "-%04" PRIx64 "-7%03" PRIx64 "-%04" PRIx64 "-%012" PRIx64,
             ms >> 16 & 0xffffffff, ms & 0xffff, random[0] & 0xfff,
             (random[0] >> 12 & 0x3fff) | 0x8000, random[1] & 0xffffffffffff);
    return 0;
}

int aiex_decide(struct aiex_decision *d, const char *type, struct aiex_slice data)
{
    const struct aiex_host *host = d->host;
    struct decided *e;
    void *copy;

    if (!*type || strlen(type) > EVENT_TYPE)
        return -EINVAL;
    if (d->n == AIEX_COMMAND_EVENTS || data.len > AIEX_COMMAND_BYTES - d->bytes)
        return -E2BIG;
    if (!d->events)
        d->events = host->alloc(host, AIEX_COMMAND_EVENTS * sizeof(*d->events));
    copy = d->events ? host->alloc(host, data.len + 1) : NULL;
    if (!copy)
        return -ENOMEM;
    e = &d->events[d->n];
    if (data.len)
        memcpy(copy, data.data, data.len);
    e->data.data = copy;
    e->data.len = data.len;
    d->n++;
    d->bytes += data.len;
    memcpy(e->type, type, strlen(type) + 1);
    return make_id(e->id);
}

void ev_decision_clear(struct aiex_decision *d)
{
    while (d->n)
        d->host->release(d->host, (void *)(uintptr_t)d->events[--d->n].data.data);
    d->bytes = 0;
}

void ev_decision_done(struct aiex_decision *d)
{
    ev_decision_clear(d);
    d->host->release(d->host, d->events);
    d->events = NULL;
}

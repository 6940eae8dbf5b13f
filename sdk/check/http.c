/* http.c - takes requests, never connects; the end comes from the loop, as in the real one. */
#include "http.h"

#include <aiex/aiex_http.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_REQUESTS 256

struct slot {
    uint64_t id; /* 0 = free */
    const struct aiex_http_handler *handler;
    void *arg;
};

struct dead_http {
    struct slot slots[MAX_REQUESTS];
    uint64_t last_id;
    struct aiex_fake_host *host;
    struct dead_http *next;
};

static struct dead_http *all; /* found again by host: a checking child has a few, one at a time */

static struct dead_http *of(const struct aiex_host *t)
{
    struct dead_http *d = all;

    while (d && d->host != aiex_fake_host_of(t))
        d = d->next;
    return d;
}

static struct slot *find(struct dead_http *d, uint64_t id)
{
    for (size_t i = 0; d && i < MAX_REQUESTS; i++) {
        if (d->slots[i].id == id)
            return &d->slots[i];
    }
    return NULL;
}

static int request(const struct aiex_host *t, const struct aiex_http_request *rq,
                   const struct aiex_http_handler *handler, void *arg, uint64_t *ret_id,
                   struct aiex_error *err)
{
    struct dead_http *d = of(t);
    struct slot *s = find(d, 0);

    if (!rq->url || (strncmp(rq->url, "http://", 7) != 0 && strncmp(rq->url, "https://", 8) != 0)) {
        if (err)
            snprintf(err->text, sizeof(err->text), "url '%.200s' is not http:// or https://",
                     rq->url ? rq->url : "");
        return -EINVAL;
    }
    if (!s)
        return -ENOMEM;
    s->id = ++d->last_id;
    s->handler = handler;
    s->arg = arg;
    if (ret_id)
        *ret_id = s->id;
    return 0;
}

static int hold(const struct aiex_host *t, uint64_t id, int on)
{
    return id && find(of(t), id) ? 0 : -ENOENT;
}

static int cancel(const struct aiex_host *t, uint64_t id)
{
    struct slot *s = id ? find(of(t), id) : NULL;

    if (!s)
        return -ENOENT;
    s->id = 0;
    return 0;
}

static const struct aiex_http table = {
    .struct_size = sizeof(struct aiex_http),
    .request = request,
    .pause = hold,
    .cancel = cancel,
};

struct dead_http *dead_http_new(struct aiex_fake_host *h)
{
    struct dead_http *d = calloc(1, sizeof(*d));

    if (!d)
        return NULL;
    d->host = h;
    d->next = all;
    all = d;
    aiex_fake_extension(h, AIEX_HTTP_ID, &table);
    return d;
}

void dead_http_free(struct dead_http *d)
{
    struct dead_http **at = &all;

    while (*at && *at != d)
        at = &(*at)->next;
    if (*at)
        *at = d->next;
    free(d);
}

size_t dead_http_run(struct dead_http *d)
{
    size_t n = 0;

    for (size_t i = 0; i < MAX_REQUESTS; i++) {
        struct slot s = d->slots[i];

        if (!s.id)
            continue;
        d->slots[i].id = 0;
        s.handler->end(s.arg, AIEX_HTTP_CONNECT, 0, "no peer can be reached in aiex-check");
        n++;
    }
    return n;
}

size_t dead_http_open(const struct dead_http *d)
{
    size_t n = 0;

    for (size_t i = 0; i < MAX_REQUESTS; i++)
        n += d->slots[i].id != 0;
    return n;
}

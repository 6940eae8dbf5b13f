/* recast.c - see aiex_recast.h. */
#include "aiex_recast.h"

#include <stdlib.h>
#include <string.h>

#define TOPIC "host.plugin"

struct aiex_recast_kept {
    struct aiex_recast_kept *next;
    uint64_t at_ms, trace;
    size_t size; /* of this allocation */
    struct aiex_slice body;
    const char *service, *method; /* behind the struct, as is the body */
};

int aiex_recast_init(struct aiex_recast *r, const struct aiex_host *host, size_t max_bytes,
                     uint32_t keep_ms)
{
    *r = (struct aiex_recast){.host = host, .max_bytes = max_bytes, .keep_ms = keep_ms};
    return host->subscribe(host, TOPIC);
}

static void drop_first(struct aiex_recast *r)
{
    struct aiex_recast_kept *k = r->first;

    r->first = k->next;
    if (!r->first)
        r->last = NULL;
    r->bytes -= k->size;
    free(k);
}

void aiex_recast_done(struct aiex_recast *r)
{
    while (r->first)
        drop_first(r);
}

static void drop_old(struct aiex_recast *r, uint64_t now)
{
    while (r->first && (r->bytes > r->max_bytes || now - r->first->at_ms > r->keep_ms))
        drop_first(r);
}

void aiex_recast_keep(struct aiex_recast *r, const struct aiex_request *q)
{
    size_t service = strlen(q->service) + 1, method = strlen(q->method) + 1;
    struct aiex_recast_kept *k;
    size_t size = sizeof(*k) + service + method + q->body.len;
    uint64_t now = r->host->now_ms(r->host);
    char *at;

    k = size <= r->max_bytes ? malloc(size) : NULL;
    if (!k)
        return;
    at = (char *)(k + 1);
    *k = (struct aiex_recast_kept){.at_ms = now, .trace = q->trace, .size = size};
    k->service = memcpy(at, q->service, service);
    k->method = memcpy(at + service, q->method, method);
    k->body = (struct aiex_slice){(uint8_t *)at + service + method, q->body.len};
    if (q->body.len)
        memcpy(at + service + method, q->body.data, q->body.len);
    if (r->last)
        r->last->next = k;
    else
        r->first = k;
    r->last = k;
    r->bytes += size;
    drop_old(r, now);
}

static int cast(struct aiex_recast *r, const char *service, const char *method, uint64_t trace,
                struct aiex_slice body)
{
    struct aiex_request q = {.struct_size = sizeof(q),
                             .flags = AIEX_CALL_LAZY,
                             .service = service,
                             .method = method,
                             .trace = trace,
                             .body = body};

    return r->host->call(r->host, &q, NULL, NULL, NULL);
}

int aiex_recast_send(struct aiex_recast *r, const struct aiex_request *q)
{
    aiex_recast_keep(r, q);
    return cast(r, q->service, q->method, q->trace, q->body);
}

void aiex_recast_event(struct aiex_recast *r, const struct aiex_message *m)
{
    struct aiex_slice type = {NULL, 0};
    struct aiex_recast_kept *all;

    if (strcmp(m->method, TOPIC) != 0 || aiex_get_str(m->body, "type", &type) != 1 ||
        !aiex_slice_is(type, "up"))
        return;
    drop_old(r, r->host->now_ms(r->host));
    all = r->first; /* a receiver in this cell may answer by keeping more */
    r->first = r->last = NULL;
    r->bytes = 0;
    while (all) {
        struct aiex_recast_kept *k = all;

        all = k->next;
        cast(r, k->service, k->method, k->trace, k->body);
        free(k);
    }
}

/*
 * endpoint_local.c - a call between two instances of one process: no record, no
 * copy, the callee's handle() runs inside the caller's call(). The books have the same
 * entries as for remote calls, with pointers at each other.
 */
#include "channel/endpoint_private.h"

#include <errno.h>
#include <stdlib.h>

static struct served *local_entry(struct endpoint *ep)
{
    unsigned cap, slot;

    for (slot = 0; slot < ep->local_cap; slot++)
        if (!ep->local[slot]->id)
            break;
    if (slot == ep->local_cap) {
        struct served **grown;
        uint16_t *generations;

        cap = ep->local_cap ? ep->local_cap * 2 : 16;
        if (cap > BOOK_MAX)
            return NULL;
        grown = realloc(ep->local, cap * sizeof(struct served *));
        if (!grown)
            return NULL;
        ep->local = grown;
        generations = realloc(ep->local_generation, cap * sizeof(*generations));
        if (!generations)
            return NULL;
        ep->local_generation = generations;
        for (unsigned i = ep->local_cap; i < cap; i++) {
            ep->local[i] = calloc(1, sizeof(struct served));
            ep->local_generation[i] = 0;
            if (!ep->local[i])
                return NULL;
            ep->local_cap = i + 1;
        }
    }
    ep->local_generation[slot]++;
    ep->local[slot]->id = LOCAL_ID | slot | (uint64_t)ep->local_generation[slot] << 16;
    return ep->local[slot];
}

int endpoint_call_local(struct endpoint *ep, struct out *o, unsigned callee,
                        const struct aiex_request *req)
{
    struct served *s = local_entry(ep);
    int cast = !o->fn;

    if (!s) {
        endpoint_out_release(ep, o);
        return -EBUSY;
    }
    s->trace = req->trace;
    s->instance = callee;
    s->timeout_ms = req->timeout_ms;
    s->flags = (req->flags & AIEX_CALL_IDEMPOTENT ? AIEX_MF_IDEMPOTENT : 0) |
               (o->relay ? AIEX_MF_SPLICED : 0);
    s->window = (struct window){.size = o->window};
    s->cast = cast;
    s->assembling = 0;
    s->caller = cast ? NULL : o;
    o->callee = cast ? 0 : s->id;
    if (cast)
        endpoint_out_release(ep, o);
    endpoint_dispatch(ep, s, req->service, req->method, req->body);
    return 0;
}

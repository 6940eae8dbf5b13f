/*
 * endpoint_local.c - a call between two instances of one process: no record, no
 * copy, the callee's handle() runs inside the caller's call(). The books have the same
 * entries as for remote calls, with pointers at each other.
 */
#include "channel/endpoint_private.h"

#include <errno.h>
#include <stdlib.h>

static void more_entries(struct endpoint *ep)
{
    unsigned cap = ep->local_cap ? ep->local_cap * 2 : 16;
    struct served **grown;

    if (cap > BOOK_MAX || !(grown = realloc(ep->local, cap * sizeof(struct served *))))
        return;
    ep->local = grown;
    while (ep->local_cap < cap) {
        struct served *s = calloc(1, sizeof(*s));

        if (!s)
            return;
        s->slot = ep->local_cap;
        s->next_free = ep->local_free;
        ep->local_free = ep->local[ep->local_cap++] = s;
    }
}

static struct served *local_entry(struct endpoint *ep)
{
    struct served *s;

    if (!ep->local_free)
        more_entries(ep);
    s = ep->local_free;
    if (!s)
        return NULL;
    ep->local_free = s->next_free;
    s->generation++;
    s->id = LOCAL_ID | s->slot | (uint64_t)s->generation << 16;
    return s;
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
    s->asker = ep->ops.instance_name(ep->arg, o->instance);
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

/*
 * endpoint_splice.c - splices that lead through several instances of one process.
 *
 *     client --A--> [ gateway --local--> coordinator ] --remote--> provider
 *
 * All three calls are splices: no part concerns this process. So the last one goes out as
 * a splice onto A, and the host moves its parts as if gateway and coordinator were one.
 * What happens inside stays as with one middle: an early error comes to the innermost
 * caller alone; after a joined end every caller on the way gets a copy.
 */
#include "channel/endpoint_private.h"

struct served *endpoint_splice_root(struct endpoint *ep, struct served *parent)
{
    struct served *s = parent;

    if (!(parent->id & LOCAL_ID))
        return parent;
    while (s && (s->id & LOCAL_ID)) {
        const struct out *o = s->caller;

        /* who has begun to stream goes on through here, so that nothing overtakes it */
        if (!o || !o->relay || o->relayed)
            return NULL;
        s = endpoint_served_of(ep, o->parent);
    }
    return s && !s->streamed ? s : NULL;
}

void endpoint_splice_end(struct endpoint *ep, struct out *o, struct aiex_answer *end)
{
    uint64_t id = o->parent;
    struct served *s;

    /* all first: an answer from within a callback is too late */
    while ((s = endpoint_served_of(ep, id)) != NULL) {
        id = s->caller ? s->caller->parent : 0;
        endpoint_served_release(ep, s);
    }
    while (o) {
        aiex_answer_fn fn = o->fn;
        void *arg = o->arg;
        uint32_t outer = o->outer;

        end->call = endpoint_out_id(o);
        endpoint_out_release(ep, o);
        if (fn)
            fn(arg, end);
        o = outer ? endpoint_out_of(ep, outer) : NULL;
    }
}

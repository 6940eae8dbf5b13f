/* endpoint_private.h - the two books, shared by endpoint*.c only. */
#ifndef AIEX_CHANNEL_ENDPOINT_PRIVATE_H
#define AIEX_CHANNEL_ENDPOINT_PRIVATE_H

#include "base/buf.h"
#include "channel/endpoint.h"
#include "channel/names.h"

#define BOOK_MAX      16384u             /* calls in one book */
#define LOCAL_ID      ((uint64_t)1 << 32) /* set in ids of calls served inside this process */
#define HARD_OVERRUN  (1024u * 1024u)    /* bytes beyond the window before a part is refused */

/* Where a running call's window stands, on the producing side. */
struct window {
    uint32_t size;
    uint64_t outstanding; /* bytes sent and not credited */
    int paused;
};

/* A call this process serves. */
struct served {
    uint64_t id; /* 0 = free; LOCAL_ID set: caller is `caller` in our own out book */
    uint64_t trace;
    unsigned instance;
    uint32_t timeout_ms;
    uint32_t flags; /* AIEX_MF_* */
    const char *asker; /* name of who asks, in names_in or of an instance here; never NULL */
    struct window window;
    struct served *next_free; /* local entries: */
    uint32_t slot;
    uint16_t generation;
    struct out *caller;
    struct out *relay; /* the call whose parts this endpoint passes on as ours */
    int streamed;      /* a part of our own went to the host */
    int joined;        /* a splice has ended it: its instance has nothing to say any more */
    int assembling;
    int cast;
    struct record first; /* header of the first piece */
    struct buf body;
};

/* A call this process made. */
struct out {
    uint32_t slot, generation;
    int live;
    struct out *next_free;
    unsigned instance;
    uint32_t flags; /* AIEX_CALL_* */
    aiex_answer_fn fn;
    void *arg;
    uint64_t parent;
    uint32_t outer;  /* spliced: the call of this process that `parent` serves, or 0 */
    int relay;       /* spliced by this endpoint: parts go to `parent` */
    int relayed;     /* ... and some went */
    uint64_t callee; /* served id when inside this process, else 0 */
    uint32_t window;
    uint32_t uncredited; /* bytes used up and not yet told */
    int assembling; /* kind of the record whose pieces are in body, or 0 */
    struct buf body;
};

struct subscription {
    unsigned instance;
    char pattern[AIEX_MAX_NAME + 1];
};

#define SUBSCRIPTIONS_MAX 256u

struct endpoint {
    struct endpoint_ops ops;
    void *arg;
    char node[AIEX_MAX_NAME + 1];
    struct names_out *names_out;
    struct names_in *names_in;
    struct served **remote; /* by the host's slot */
    unsigned remote_cap;
    struct served **local; /* by own slot */
    unsigned local_cap;
    struct served *local_free; /* list of free entries, the last used first */
    struct out **outs;
    unsigned outs_cap;
    struct out *out_free; /* list of free entries, the last used first */
    unsigned n_outs;
    unsigned n_serving;
    uint64_t random;
    struct subscription subscriptions[SUBSCRIPTIONS_MAX];
    unsigned n_subscriptions;
};

static inline uint32_t endpoint_out_id(const struct out *o)
{
    return o->slot | o->generation << 16;
}
struct out *endpoint_out_of(struct endpoint *ep, uint64_t call);
struct out *endpoint_out_new(struct endpoint *ep);
void endpoint_out_release(struct endpoint *ep, struct out *o);
struct served *endpoint_served_of(struct endpoint *ep, uint64_t id);
/* The entry for an id of the host, made when missing. NULL: no memory. */
struct served *endpoint_served_at(struct endpoint *ep, uint32_t id);
void endpoint_served_release(struct endpoint *ep, struct served *s);

/* Hands a whole request to its instance and judges the result. */
void endpoint_dispatch(struct endpoint *ep, struct served *s, const char *service,
                       const char *method, struct aiex_slice body);
/* Delivers a part or the end of a call this process made. END releases o. */
void endpoint_answer_part(struct endpoint *ep, struct out *o, struct aiex_slice part);
void endpoint_answer_end(struct endpoint *ep, struct out *o, int32_t status, const char *text,
                         uint32_t retry_after_ms, struct aiex_slice body, uint32_t flags);
/* Bytes of a call we serve were used up by its consumer. */
void endpoint_credited(struct endpoint *ep, struct served *s, uint32_t bytes);
/* The caller is gone: tells the instance and forgets the call. */
void endpoint_cancelled(struct endpoint *ep, struct served *s);

/* endpoint_splice.c */
/* The call of the host that parts of a splice onto `parent` belong to: `parent` itself, or what a
 * chain of splices inside this process leads to. NULL: this process has to pass the parts on. */
struct served *endpoint_splice_root(struct endpoint *ep, struct served *parent);
/* The host has answered the root of a splice made by o. Releases all calls and entries on the way
 * and tells the callers, the innermost first. */
void endpoint_splice_end(struct endpoint *ep, struct out *o, struct aiex_answer *end);

/* endpoint_local.c: a call to an instance of this process. */
int endpoint_call_local(struct endpoint *ep, struct out *o, unsigned callee,
                        const struct aiex_request *req);
/* endpoint_event.c */
void endpoint_event_record(struct endpoint *ep, const struct record *head, const uint8_t *body);

#endif

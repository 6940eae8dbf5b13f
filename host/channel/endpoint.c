/*
 * endpoint.c - the two books and what happens at their entries. Records come in
 * through endpoint_record(); calls inside the process (endpoint_local.c) use the same
 * entries and the same endings, so that an instance cannot tell the difference.
 */
#include "channel/endpoint_private.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* ---- The books ---- */

struct endpoint *endpoint_new(const struct endpoint_ops *ops, void *arg, const char *node)
{
    struct endpoint *ep = calloc(1, sizeof(*ep));

    if (!ep)
        return NULL;
    ep->ops = *ops;
    ep->arg = arg;
    snprintf(ep->node, sizeof(ep->node), "%s", node);
    ep->names_out = names_out_new();
    ep->names_in = names_in_new();
    if (getrandom(&ep->random, sizeof(ep->random), 0) != sizeof(ep->random))
        ep->random = (uint64_t)(uintptr_t)ep;
    if (!ep->names_out || !ep->names_in) {
        endpoint_free(ep);
        return NULL;
    }
    return ep;
}

void endpoint_node(struct endpoint *ep, const char *node)
{
    snprintf(ep->node, sizeof(ep->node), "%s", node);
}

void endpoint_free(struct endpoint *ep)
{
    if (!ep)
        return;
    for (unsigned i = 0; i < ep->remote_cap; i++)
        if (ep->remote[i]) {
            buf_done(&ep->remote[i]->body);
            free(ep->remote[i]);
        }
    for (unsigned i = 0; i < ep->local_cap; i++)
        free(ep->local[i]);
    for (unsigned i = 0; i < ep->n_outs; i++) {
        buf_done(&ep->outs[i]->body);
        free(ep->outs[i]);
    }
    free(ep->remote);
    free(ep->local);
    free(ep->outs);
    names_out_free(ep->names_out);
    names_in_free(ep->names_in);
    free(ep);
}

/* splitmix64: ids that must differ, not secrets */
uint64_t endpoint_new_trace(struct endpoint *ep)
{
    uint64_t z = (ep->random += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return z ? z : 1;
}

struct out *endpoint_out_new(struct endpoint *ep)
{
    struct out *o;

    if (ep->out_free) {
        o = ep->out_free;
        ep->out_free = o->next_free;
    } else {
        if (ep->n_outs == BOOK_MAX)
            return NULL;
        if (ep->n_outs == ep->outs_cap) {
            unsigned cap = ep->outs_cap ? ep->outs_cap * 2 : 16;
            struct out **outs = realloc(ep->outs, cap * sizeof(struct out *));

            if (!outs)
                return NULL;
            ep->outs = outs;
            ep->outs_cap = cap;
        }
        o = calloc(1, sizeof(*o));
        if (!o)
            return NULL;
        o->slot = ep->n_outs;
        ep->outs[ep->n_outs++] = o;
        buf_init(&o->body, AIEX_MAX_BODY);
    }
    o->generation = (o->generation + 1) & 0xffff;
    if (!o->generation)
        o->generation = 1; /* id 0 means no call */
    o->live = 1;
    o->assembling = 0;
    o->relay = o->relayed = 0;
    o->outer = 0;
    o->callee = 0;
    o->uncredited = 0;
    return o;
}

struct out *endpoint_out_of(struct endpoint *ep, uint64_t call)
{
    uint32_t slot = (uint32_t)call & 0xffff;

    if (call >> 32 || slot >= ep->n_outs || !ep->outs[slot]->live || endpoint_out_id(ep->outs[slot]) != call)
        return NULL;
    return ep->outs[slot];
}

void endpoint_out_release(struct endpoint *ep, struct out *o)
{
    struct served *parent = o->relay ? endpoint_served_of(ep, o->parent) : NULL;

    if (parent && parent->relay == o)
        parent->relay = NULL;
    o->live = 0;
    buf_done(&o->body);
    o->next_free = ep->out_free;
    ep->out_free = o;
}

struct served *endpoint_served_of(struct endpoint *ep, uint64_t id)
{
    uint32_t slot = (uint32_t)id & 0xffff;
    struct served *s = NULL;

    if (id & LOCAL_ID)
        s = slot < ep->local_cap ? ep->local[slot] : NULL;
    else
        s = slot < ep->remote_cap ? ep->remote[slot] : NULL;
    return s && s->id == id && id ? s : NULL;
}

/* The entry for a request the host numbered; its slot may hold a finished call's memory. */
struct served *endpoint_served_at(struct endpoint *ep, uint32_t id)
{
    uint32_t slot = id & 0xffff;
    struct served *s;

    if (slot >= ep->remote_cap) {
        unsigned cap = ep->remote_cap ? ep->remote_cap : 16;
        struct served **grown;

        while (cap <= slot)
            cap *= 2;
        grown = realloc(ep->remote, cap * sizeof(*grown));
        if (!grown)
            return NULL;
        memset(grown + ep->remote_cap, 0, (cap - ep->remote_cap) * sizeof(*grown));
        ep->remote = grown;
        ep->remote_cap = cap;
    }
    s = ep->remote[slot];
    if (!s) {
        s = ep->remote[slot] = calloc(1, sizeof(*s));
        if (!s)
            return NULL;
        buf_init(&s->body, AIEX_MAX_BODY);
    }
    return s;
}

void endpoint_served_release(struct endpoint *ep, struct served *s)
{
    if (!s->assembling)
        ep->n_serving--;
    if (s->id & LOCAL_ID) {
        s->next_free = ep->local_free;
        ep->local_free = s;
    }
    s->id = 0;
    s->assembling = 0;
    s->caller = NULL;
    s->relay = NULL;
    s->joined = 0;
    buf_done(&s->body);
}

unsigned endpoint_serving(const struct endpoint *ep, unsigned instance)
{
    unsigned n = 0;

    if (instance == UINT32_MAX)
        return ep->n_serving;
    for (unsigned i = 0; i < ep->remote_cap; i++)
        n += ep->remote[i] && ep->remote[i]->id && ep->remote[i]->instance == instance;
    for (unsigned i = 0; i < ep->local_cap; i++)
        n += ep->local[i] && ep->local[i]->id && ep->local[i]->instance == instance;
    return n;
}

/* ---- Serving ---- */

void endpoint_dispatch(struct endpoint *ep, struct served *s, const char *service,
                       const char *method, struct aiex_slice body)
{
    struct aiex_message m = {.struct_size = sizeof(m),
                             .kind = s->cast ? AIEX_MSG_CAST : AIEX_MSG_REQUEST,
                             .flags = s->flags,
                             .timeout_ms = s->timeout_ms,
                             .id = s->cast ? 0 : s->id,
                             .trace = s->trace,
                             .service = service,
                             .method = method,
                             .body = body,
                             .caller = s->asker};
    uint64_t id = s->id;
    unsigned instance = s->instance;
    char text[160];
    int r;

    ep->n_serving++;
    if (!aiex_is_map(body)) {
        if (s->cast)
            endpoint_served_release(ep, s);
        else
            endpoint_fail(ep, id, AIEX_E_INVALID, "the request's body is not one msgpack map", 0,
                          (struct aiex_slice){0});
        return;
    }
    if (s->cast)
        endpoint_served_release(ep, s);
    if (ep->ops.begin)
        ep->ops.begin(ep->arg);
    r = ep->ops.message(ep->arg, instance, &m);
    if (r >= 0 || m.kind == AIEX_MSG_CAST)
        return;
    snprintf(text, sizeof(text), r == -ENOSYS ? "%.63s has no method '%.63s'" : "%.63s failed on '%.63s'",
             ep->ops.instance_name(ep->arg, instance), method);
    endpoint_fail(ep, id, r == -ENOSYS ? AIEX_E_NOT_FOUND : AIEX_E_INTERNAL, text, 0,
                  (struct aiex_slice){0});
}

static const char *asker_of(struct endpoint *ep, const struct record *head)
{
    uint32_t number = record_id_high(head);
    const struct name *name = number ? names_in_get(ep->names_in, number - 1) : NULL;

    return name ? name->service : "";
}

static int on_request(struct endpoint *ep, const struct record *head, const uint8_t *body)
{
    uint32_t id = record_id_low(head);
    struct served *s = endpoint_served_at(ep, id);
    const struct name *name;
    struct aiex_slice whole = {body, head->len};

    if (!s)
        return -ENOMEM;
    if (!(head->flags & RECORD_CONT)) {
        if (s->id)
            endpoint_served_release(ep, s); /* the host reused the slot: the old call is over */
        s->id = id;
        s->trace = head->trace;
        s->instance = record_instance(head);
        s->timeout_ms = (uint32_t)head->status;
        s->flags = (head->flags & RECORD_IDEMPOTENT ? AIEX_MF_IDEMPOTENT : 0) |
                   (head->flags & RECORD_SPLICE ? AIEX_MF_SPLICED : 0);
        s->window = (struct window){.size = record_window(head)};
        s->cast = !!(head->flags & RECORD_CAST);
        s->assembling = 1;
        s->asker = asker_of(ep, head);
        s->caller = NULL;
        s->streamed = 0;
        s->first = *head;
    } else if (s->id != id || !s->assembling) {
        return 0; /* cancelled while its pieces were under way */
    }
    if (head->flags & (RECORD_MORE | RECORD_CONT)) {
        if (buf_add(&s->body, body, head->len) < 0)
            return -EPROTO;
        if (head->flags & RECORD_MORE)
            return 0;
        whole = (struct aiex_slice){s->body.data, s->body.len};
    }
    name = names_in_get(ep->names_in, s->first.name);
    if (!name)
        return -EPROTO;
    s->assembling = 0;
    if (s->body.len) {
        /* the joined body outlives the entry if the instance answers at once */
        uint8_t *mem = s->body.data;

        buf_init(&s->body, AIEX_MAX_BODY);
        endpoint_dispatch(ep, s, name->service, name->method, whole);
        free(mem);
        return 0;
    }
    endpoint_dispatch(ep, s, name->service, name->method, whole);
    return 0;
}

int endpoint_stream(struct endpoint *ep, uint64_t id, struct aiex_slice part)
{
    struct served *s = endpoint_served_of(ep, id);
    int r;

    if (!s || s->assembling || s->joined)
        return -ENOENT;
    if (part.len > AIEX_MAX_BODY)
        return -EMSGSIZE;
    if (s->window.outstanding > (uint64_t)s->window.size + HARD_OVERRUN)
        return -ENOBUFS;
    if (!s->caller) {
        r = ep->ops.send(ep->arg,
                         &(struct record){.kind = RECORD_STREAM, .id = (uint32_t)id, .trace = s->trace},
                         part.data, part.len);
        if (r < 0)
            return r;
        s->streamed = 1;
    }
    s->window.outstanding += part.len;
    if (s->caller) {
        endpoint_answer_part(ep, s->caller, part);
        s = endpoint_served_of(ep, id);
        if (!s)
            return 0; /* the consumer has cancelled; the next one is told -ENOENT */
    }
    /* only now: the credit of a consumer in this process must not say RESUME before PAUSE */
    if (s->window.outstanding >= s->window.size)
        s->window.paused = 1;
    return s->window.paused ? AIEX_PAUSE : 0;
}

static const char not_a_map[] = "the answer's body is not one msgpack map";

/* Ends a served call with a status; `body` is what a REP carries. */
static int end_served(struct endpoint *ep, uint64_t id, int32_t status, const char *text,
                      uint32_t retry_after_ms, struct aiex_slice body)
{
    struct served *s = endpoint_served_of(ep, id);
    struct record head = {.kind = RECORD_REP, .id = (uint32_t)id, .status = status};
    uint8_t *packed = NULL;
    struct out *caller;
    int r;

    if (!s || s->assembling)
        return -ENOENT;
    caller = s->caller;
    head.trace = s->trace;
    endpoint_served_release(ep, s);
    if (caller && status == WIRE_OK && !aiex_is_map(body)) {
        endpoint_answer_end(ep, caller, WIRE_INTERNAL, not_a_map, 0, (struct aiex_slice){0}, 0);
        return 0;
    }
    if (caller) {
        endpoint_answer_end(ep, caller, status, text, retry_after_ms, body, 0);
        return 0;
    }
    if (status != WIRE_OK) {
        size_t size = body.len + 2048;

        packed = malloc(size);
        if (packed)
            body = (struct aiex_slice){
                packed, wire_error_pack(packed, size, text ? text : "", retry_after_ms, body.data, body.len)};
        else
            body = (struct aiex_slice){0};
    }
    r = ep->ops.send(ep->arg, &head, body.data, body.len);
    free(packed);
    return r;
}

static int is_joined(struct endpoint *ep, uint64_t id)
{
    const struct served *s = endpoint_served_of(ep, id);

    return s && s->joined;
}

int endpoint_reply(struct endpoint *ep, uint64_t id, struct aiex_slice body)
{
    if (is_joined(ep, id))
        return -ENOENT;
    if (body.len > AIEX_MAX_BODY)
        return -EMSGSIZE;
    return end_served(ep, id, WIRE_OK, NULL, 0, body);
}

int endpoint_fail(struct endpoint *ep, uint64_t id, const char *code, const char *text,
                  uint32_t retry_after_ms, struct aiex_slice detail)
{
    if (is_joined(ep, id))
        return -ENOENT;
    if (detail.len > AIEX_MAX_BODY - 4096)
        detail.len = 0;
    return end_served(ep, id, wire_status_of(code), text, retry_after_ms, detail);
}

static void give_credit(struct endpoint *ep, struct out *o, uint32_t bytes);

void endpoint_credited(struct endpoint *ep, struct served *s, uint32_t bytes)
{
    struct aiex_message m = {.struct_size = sizeof(m), .kind = AIEX_MSG_RESUME, .id = s->id,
                             .trace = s->trace, .service = "", .method = "", .caller = ""};
    int paused = s->window.paused;

    s->window.outstanding -= bytes < s->window.outstanding ? bytes : s->window.outstanding;
    if (paused && s->window.outstanding <= s->window.size / 2)
        s->window.paused = 0;
    if (s->relay) {
        /* who produces the parts is another: the window is his */
        give_credit(ep, s->relay, bytes);
        return;
    }
    if (paused && !s->window.paused)
        ep->ops.message(ep->arg, s->instance, &m);
}

void endpoint_cancelled(struct endpoint *ep, struct served *s)
{
    struct aiex_message m = {.struct_size = sizeof(m), .kind = AIEX_MSG_CANCEL, .id = s->id,
                             .trace = s->trace, .service = "", .method = "", .caller = ""};
    unsigned instance = s->instance;
    int begun = !s->assembling;

    endpoint_served_release(ep, s); /* first: an answer from within the handler is too late */
    if (!begun)
        return;
    ep->ops.message(ep->arg, instance, &m);
    /* what it had asked for is not wanted either */
    for (unsigned i = 0; i < ep->n_outs; i++)
        if (ep->outs[i]->live && ep->outs[i]->parent == m.id)
            endpoint_cancel(ep, endpoint_out_id(ep->outs[i]));
}

/* ---- Calling ---- */

/* `parent` is a call of the host, or 0; o is NULL for a cast. */
static int send_request(struct endpoint *ep, unsigned instance, struct out *o,
                        const struct aiex_request *req, uint64_t parent)
{
    struct record head = {.kind = RECORD_REQ, .trace = req->trace, .status = (int32_t)req->timeout_ms};
    char text[NAME_TEXT_MAX];
    int fresh, number, r;
    size_t len;

    number = names_out_get(ep->names_out, req->service, req->method, &fresh, text, &len);
    if (number < 0)
        return number;
    if (fresh) {
        r = ep->ops.send(ep->arg,
                         &(struct record){.kind = RECORD_NAME, .name = (uint16_t)number,
                                          .flags = RECORD_LAZY},
                         text, len);
        if (r < 0) {
            names_out_undo(ep->names_out);
            return r;
        }
    }
    head.name = (uint16_t)number;
    head.id = (o ? endpoint_out_id(o) : 0) | parent << 32;
    head.aux = instance | (o ? o->window / RECORD_WINDOW_UNIT : 0) << 16;
    head.flags = (uint8_t)((req->flags & AIEX_CALL_IDEMPOTENT ? RECORD_IDEMPOTENT : 0) |
                           (req->flags & AIEX_CALL_LAZY ? RECORD_LAZY : 0) | (o ? 0 : RECORD_CAST) |
                           (req->priority & 3) << RECORD_PRIO_SHIFT);
    if (o && (req->flags & AIEX_CALL_SPLICE) && !o->relay)
        head.flags |= RECORD_SPLICE;
    return ep->ops.send(ep->arg, &head, req->body.data, req->body.len);
}

/* A window as a REQ can say it: whole units, at least one. */
static uint32_t wire_window(uint32_t bytes)
{
    uint32_t units = bytes / RECORD_WINDOW_UNIT + (bytes % RECORD_WINDOW_UNIT != 0);

    return (units > 0xffff ? 0xffff : units) * RECORD_WINDOW_UNIT;
}

int endpoint_call(struct endpoint *ep, unsigned instance, const struct aiex_request *req,
                  aiex_answer_fn fn, void *arg, uint64_t *ret_call)
{
    struct served *parent = endpoint_served_of(ep, req->parent), *root = NULL;
    uint64_t remote = req->parent & LOCAL_ID ? 0 : req->parent;
    struct aiex_request copy = *req;
    int local, r;
    struct out *o;

    if (!req->service || !req->method || ((req->flags & AIEX_CALL_SPLICE) && !parent))
        return -EINVAL;
    if (req->body.len > AIEX_MAX_BODY)
        return -EMSGSIZE;
    copy.trace = req->trace ? req->trace : parent ? parent->trace : endpoint_new_trace(ep);
    local = ep->ops.local ? ep->ops.local(ep->arg, req->service) : -1;
    /* pieces are joined by their call's id: a cast of several is a call nobody listens to */
    if (!fn && local < 0 && req->body.len <= RECORD_BODY_MAX)
        return send_request(ep, instance, NULL, &copy, remote);
    o = endpoint_out_new(ep);
    if (!o)
        return -EBUSY;
    o->instance = instance;
    o->flags = req->flags;
    o->fn = fn;
    o->arg = arg;
    o->parent = parent ? parent->id : 0;
    o->window = req->window_bytes ? req->window_bytes : RECORD_WINDOW_DEFAULT;
    if (req->flags & AIEX_CALL_SPLICE) {
        o->outer = parent->caller ? endpoint_out_id(parent->caller) : 0;
        root = local < 0 ? endpoint_splice_root(ep, parent) : NULL;
    }
    if (root) {
        remote = root->id;
    } else if (req->flags & AIEX_CALL_SPLICE) {
        o->relay = 1;
        o->window = parent->window.size;
        parent->relay = o;
    }
    if (local < 0)
        o->window = wire_window(o->window);
    if (ret_call)
        *ret_call = endpoint_out_id(o);
    if (local >= 0)
        return endpoint_call_local(ep, o, (unsigned)local, &copy);
    r = send_request(ep, instance, o, &copy, remote);
    if (r < 0)
        endpoint_out_release(ep, o);
    return r == -ENOBUFS ? -EBUSY : r;
}

/* Window back to the producer, gathered until it is worth a record. */
static void give_credit(struct endpoint *ep, struct out *o, uint32_t bytes)
{
    o->uncredited += bytes;
    if (o->callee) {
        struct served *s = endpoint_served_of(ep, o->callee);
        uint32_t all = o->uncredited;

        o->uncredited = 0;
        if (s)
            endpoint_credited(ep, s, all);
        return;
    }
    if (o->uncredited < o->window / 4)
        return;
    ep->ops.send(ep->arg,
                 &(struct record){.kind = RECORD_CREDIT, .id = endpoint_out_id(o), .aux = o->uncredited}, NULL, 0);
    o->uncredited = 0;
}

int endpoint_credit(struct endpoint *ep, uint64_t call, uint32_t bytes)
{
    struct out *o = endpoint_out_of(ep, call);

    if (!o)
        return -ENOENT;
    give_credit(ep, o, bytes);
    return 0;
}

/* Tells who serves a call of ours, here or elsewhere, that it is over. */
static void cancel_callee(struct endpoint *ep, uint64_t callee, uint32_t call)
{
    struct served *s = callee ? endpoint_served_of(ep, callee) : NULL;

    if (s)
        endpoint_cancelled(ep, s);
    else if (!callee)
        ep->ops.send(ep->arg, &(struct record){.kind = RECORD_CANCEL, .id = call}, NULL, 0);
}

int endpoint_cancel(struct endpoint *ep, uint64_t call)
{
    struct out *o = endpoint_out_of(ep, call);
    uint64_t callee;

    if (!o)
        return -ENOENT;
    callee = o->callee;
    endpoint_out_release(ep, o);
    cancel_callee(ep, callee, (uint32_t)call);
    return 0;
}

void endpoint_answer_part(struct endpoint *ep, struct out *o, struct aiex_slice part)
{
    struct aiex_answer a = {.struct_size = sizeof(a), .kind = AIEX_ANSWER_PART, .call = endpoint_out_id(o),
                            .body = part};

    if (o->relay) {
        /* credit comes when the parent's consumer gives it: endpoint_credited() */
        o->relayed = 1;
        if (endpoint_stream(ep, o->parent, part) >= 0 || endpoint_out_of(ep, a.call) != o)
            return;
        cancel_callee(ep, o->callee, endpoint_out_id(o));
        if (endpoint_out_of(ep, a.call) == o)
            endpoint_answer_end(ep, o, WIRE_BUSY, "the caller does not take its answer fast enough", 0,
                                (struct aiex_slice){0}, 0);
        return;
    }
    if (o->fn)
        o->fn(o->arg, &a);
    if (!(o->flags & AIEX_CALL_MANUAL) && endpoint_out_of(ep, a.call) == o)
        give_credit(ep, o, (uint32_t)part.len);
}

void endpoint_answer_end(struct endpoint *ep, struct out *o, int32_t status, const char *text,
                         uint32_t retry_after_ms, struct aiex_slice body, uint32_t flags)
{
    struct aiex_answer a = {.struct_size = sizeof(a),
                            .kind = AIEX_ANSWER_END,
                            .call = endpoint_out_id(o),
                            .code = wire_code(status),
                            .text = text ? text : "",
                            .retry_after_ms = retry_after_ms,
                            .flags = flags,
                            .body = body};
    aiex_answer_fn fn = o->fn;
    void *arg = o->arg;
    uint64_t parent = o->parent;
    int joined = o->relay && (status == WIRE_OK || o->relayed);
    struct served *s;

    if ((flags & AIEX_AF_SPLICED) && !o->relay) {
        endpoint_splice_end(ep, o, &a);
        return;
    }
    endpoint_out_release(ep, o);
    s = joined ? endpoint_served_of(ep, parent) : NULL;
    if (joined)
        a.flags |= AIEX_AF_SPLICED;
    if (s)
        s->joined = 1;
    if (fn)
        fn(arg, &a);
    if (joined)
        end_served(ep, parent, status, text, retry_after_ms, body);
}

/* Joins the pieces of an answer. 1: *whole is all of it, *ret_mem to be freed after use; 0: not yet,
 * or the rest of something that was given up; -EPROTO: larger than a body may be. */
static int join(struct out *o, const struct record *head, const uint8_t *body, struct aiex_slice *whole,
                uint8_t **ret_mem)
{
    *whole = (struct aiex_slice){body, head->len};
    *ret_mem = NULL;
    if (!(head->flags & RECORD_CONT)) {
        o->body.len = 0;
        o->assembling = head->flags & RECORD_MORE ? head->kind : 0;
        if (!o->assembling)
            return 1;
    } else if (o->assembling != head->kind) {
        return 0;
    }
    if (buf_add(&o->body, body, head->len) < 0)
        return -EPROTO;
    if (head->flags & RECORD_MORE)
        return 0;
    o->assembling = 0;
    *whole = (struct aiex_slice){o->body.data, o->body.len};
    *ret_mem = o->body.data;
    buf_init(&o->body, AIEX_MAX_BODY);
    return 1;
}

static int on_part(struct endpoint *ep, const struct record *head, const uint8_t *body, struct out *o)
{
    struct aiex_slice whole;
    uint8_t *mem;
    int r = join(o, head, body, &whole, &mem);

    if (r > 0)
        endpoint_answer_part(ep, o, whole);
    free(mem);
    return r < 0 ? r : 0;
}

static int on_end(struct endpoint *ep, const struct record *head, const uint8_t *body, struct out *o)
{
    uint32_t flags = head->flags & RECORD_SPLICE ? AIEX_AF_SPLICED : 0;
    struct aiex_slice whole, text = {0}, detail = {0};
    char reason[1025] = "";
    int64_t retry = 0;
    uint8_t *mem;
    int r = join(o, head, body, &whole, &mem);

    if (r < 0 || (r == 0 && (head->flags & RECORD_MORE)))
        return r;
    if (r == 0) {
        endpoint_answer_end(ep, o, WIRE_INTERNAL, "pieces of the answer are missing", 0,
                            (struct aiex_slice){0}, flags);
        return 0;
    }
    if (!aiex_is_map(whole)) {
        endpoint_answer_end(ep, o, WIRE_INTERNAL, not_a_map, 0, (struct aiex_slice){0}, flags);
    } else if (head->status == WIRE_OK) {
        endpoint_answer_end(ep, o, WIRE_OK, NULL, 0, whole, flags);
    } else {
        if (aiex_get_str(whole, "text", &text) == 1)
            snprintf(reason, sizeof(reason), "%.*s", (int)(text.len < 1024 ? text.len : 1024),
                     (const char *)text.data);
        aiex_get_int(whole, "retry_after_ms", &retry);
        aiex_get_whole(whole, "detail", &detail);
        endpoint_answer_end(ep, o, head->status, reason,
                            retry > 0 && retry <= UINT32_MAX ? (uint32_t)retry : 0,
                            aiex_is_map(detail) ? detail : (struct aiex_slice){0}, flags);
    }
    free(mem);
    return 0;
}

/* A call of ours that the host may answer: not one that is served in this process. */
static struct out *answered_outside(struct endpoint *ep, uint32_t call)
{
    struct out *o = endpoint_out_of(ep, call);

    return o && !o->callee ? o : NULL;
}

int endpoint_record(struct endpoint *ep, const struct record *head, const uint8_t *body)
{
    struct served *s;
    struct out *o;

    switch (head->kind) {
    case RECORD_NAME:
        return names_in_define(ep->names_in, head->name, body, head->len) < 0 ? -EPROTO : 0;
    case RECORD_REQ:
        return on_request(ep, head, body);
    case RECORD_STREAM:
        o = answered_outside(ep, record_id_low(head));
        return o ? on_part(ep, head, body, o) : 0;
    case RECORD_REP:
        o = answered_outside(ep, record_id_low(head));
        return o ? on_end(ep, head, body, o) : 0;
    case RECORD_CREDIT:
        s = endpoint_served_of(ep, record_id_low(head));
        if (s && !s->assembling)
            endpoint_credited(ep, s, head->aux);
        return 0;
    case RECORD_CANCEL:
        s = endpoint_served_of(ep, record_id_low(head));
        if (s)
            endpoint_cancelled(ep, s);
        return 0;
    case RECORD_EVENT:
        endpoint_event_record(ep, head, body);
        return 0;
    default:
        return -EPROTO;
    }
}

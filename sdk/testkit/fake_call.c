/* fake_call.c - plays the services that a plugin calls, with splice as the host does it. */
#include "fake.h"

static struct fake_call *find_open(struct aiex_fake_host *h, uint64_t id)
{
    struct fake_call *c = h->calls;

    while (c && c->id != id)
        c = c->next;
    return c && c->open ? c : NULL;
}

static int refusal(struct aiex_fake_host *h, const struct aiex_request *rq)
{
    if (!rq->service || !*rq->service || !rq->method || !*rq->method)
        return -EINVAL;
    if (strlen(rq->service) > AIEX_MAX_NAME || strlen(rq->method) > AIEX_MAX_NAME)
        return -EINVAL;
    if ((rq->flags & AIEX_CALL_SPLICE) && !fake_request_open(h, rq->parent))
        return -EINVAL;
    return rq->body.len > AIEX_MAX_BODY ? -EMSGSIZE : 0;
}

static uint64_t trace_of(struct aiex_fake_host *h, const struct aiex_request *rq, uint64_t id)
{
    struct fake_request *parent = rq->parent ? fake_request_open(h, rq->parent) : NULL;

    if (rq->trace)
        return rq->trace;
    return parent ? parent->trace : (0x7ace000000000000u | id);
}

static struct fake_call *remember(struct aiex_fake_host *h, const struct aiex_request *rq,
                                  aiex_answer_fn fn, void *arg, uint64_t id)
{
    struct fake_call *c = fake_must(calloc(1, sizeof(*c)));

    c->id = id;
    c->parent = rq->parent;
    c->flags = rq->flags;
    c->fn = fn;
    c->arg = arg;
    c->open = 1;
    c->next = h->calls;
    h->calls = c;
    return c;
}

int fake_call(const struct aiex_host *t, const struct aiex_request *rq, aiex_answer_fn fn,
              void *arg, uint64_t *ret_call)
{
    struct aiex_fake_host *h = fake_of(t);
    struct aiex_fake_record r = {.kind = fn ? AIEX_FAKE_CALL : AIEX_FAKE_CAST,
                                 .flags = rq->flags,
                                 .timeout_ms = rq->timeout_ms,
                                 .window_bytes = rq->window_bytes,
                                 .priority = rq->priority,
                                 .parent = rq->parent,
                                 .service = rq->service,
                                 .name = rq->method,
                                 .body = rq->body};
    const struct aiex_fake_record *kept;
    struct fake_call *c;

    fake_loop_only(h, "call");
    r.id = fake_id(h);
    r.trace = trace_of(h, rq, r.id);
    r.result = fake_short(h) ? -ENOMEM : refusal(h, rq);
    if (r.result == -EMSGSIZE)
        r.body.len = 0;
    if (r.result < 0 || !fn) {
        if (!fn)
            r.id = 0;
        kept = fake_record(h, &r);
        if (kept->result == 0 && ret_call)
            *ret_call = 0;
        return kept->result;
    }
    c = remember(h, rq, fn, arg, r.id);
    kept = fake_record(h, &r);
    if (ret_call)
        *ret_call = r.id;
    if (h->on_call) {
        int result = h->on_call(h->on_call_arg, h, kept);

        if (result < 0) {
            c->open = 0;
            return result;
        }
    }
    return 0;
}

void aiex_fake_on_call(struct aiex_fake_host *h, aiex_fake_call_fn fn, void *arg)
{
    h->on_call = fn;
    h->on_call_arg = arg;
}

int fake_credit(const struct aiex_host *t, uint64_t call, uint32_t bytes)
{
    struct aiex_fake_host *h = fake_of(t);
    struct fake_call *c = find_open(h, call);
    struct aiex_fake_record r = {.kind = AIEX_FAKE_CREDIT, .id = call, .bytes = bytes};

    fake_loop_only(h, "credit");
    if (!c)
        r.result = -ENOENT;
    else
        c->uncredited -= bytes < c->uncredited ? bytes : c->uncredited;
    return fake_record(h, &r)->result;
}

size_t aiex_fake_uncredited(struct aiex_fake_host *h, uint64_t call)
{
    struct fake_call *c = find_open(h, call);

    return c ? c->uncredited : 0;
}

int fake_cancel_call(const struct aiex_host *t, uint64_t call)
{
    struct aiex_fake_host *h = fake_of(t);
    struct fake_call *c = find_open(h, call);
    struct aiex_fake_record r = {.kind = AIEX_FAKE_CANCEL, .id = call};

    fake_loop_only(h, "cancel");
    if (!c)
        r.result = -ENOENT;
    else
        c->open = 0;
    return fake_record(h, &r)->result;
}

/* ---- Answers ---- */

int aiex_fake_answer_part(struct aiex_fake_host *h, uint64_t call, struct aiex_slice part)
{
    struct fake_call *c = find_open(h, call);
    struct aiex_answer a = {
        .struct_size = sizeof(a), .kind = AIEX_ANSWER_PART, .call = call, .body = part};

    if (!c)
        return -ENOENT;
    c->started = 1;
    if (c->flags & AIEX_CALL_SPLICE) {
        struct aiex_fake_record r = {
            .kind = AIEX_FAKE_STREAM, .by_host = 1, .id = c->parent, .body = part};

        if (!fake_request_open(h, c->parent))
            return -ENOENT;
        fake_record(h, &r);
        return 0;
    }
    if (c->flags & AIEX_CALL_MANUAL)
        c->uncredited += part.len;
    c->fn(c->arg, &a);
    return 0;
}

static int answer_end(struct aiex_fake_host *h, struct aiex_answer *a)
{
    struct fake_call *c = find_open(h, a->call);

    if (!c)
        return -ENOENT;
    a->struct_size = sizeof(*a);
    a->kind = AIEX_ANSWER_END;
    c->open = 0;
    if ((c->flags & AIEX_CALL_SPLICE) && (!a->code || c->started)) {
        a->flags = AIEX_AF_SPLICED;
        fake_request_end_by_host(h, c->parent, a->code, a->text, a->retry_after_ms, a->body);
    }
    c->fn(c->arg, a);
    return 0;
}

int aiex_fake_answer_ok(struct aiex_fake_host *h, uint64_t call, struct aiex_slice body)
{
    struct aiex_answer a = {.call = call, .body = body};

    return answer_end(h, &a);
}

int aiex_fake_answer_error(struct aiex_fake_host *h, uint64_t call, const char *code,
                           const char *text, uint32_t retry_after_ms, struct aiex_slice body)
{
    struct aiex_answer a = {
        .call = call, .code = code, .text = text, .retry_after_ms = retry_after_ms, .body = body};

    return answer_end(h, &a);
}

/* The request `parent` was cancelled: what it had asked for is not wanted either. As with the
 * plugin's own cancel(), nobody is called back. */
void fake_calls_cancel_below(struct aiex_fake_host *h, uint64_t parent)
{
    for (struct fake_call *c = h->calls; c; c = c->next) {
        struct aiex_fake_record r = {.kind = AIEX_FAKE_CANCEL, .by_host = 1, .id = c->id};

        if (!c->open || c->parent != parent)
            continue;
        c->open = 0;
        fake_record(h, &r);
    }
}

void fake_calls_free(struct aiex_fake_host *h)
{
    struct fake_call *c;

    while ((c = h->calls) != NULL) {
        h->calls = c->next;
        free(c);
    }
}

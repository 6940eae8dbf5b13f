/* fake_request.c - plays the callers: delivers messages, takes parts and answers. */
#include "fake.h"

#define PAUSED_LIMIT (1024u * 1024u) /* bytes beyond the window; aiex_plugin.h "stream" */

static struct fake_request *find(struct aiex_fake_host *h, uint64_t id)
{
    struct fake_request *r = h->requests;

    while (r && r->id != id)
        r = r->next;
    return r;
}

struct fake_request *fake_request_open(struct aiex_fake_host *h, uint64_t id)
{
    struct fake_request *r = find(h, id);

    return r && r->open ? r : NULL;
}

/* ---- What the plugin calls ---- */

static int tell_consumer(struct aiex_fake_host *h, const struct aiex_fake_record *part)
{
    uint64_t id = part->id;
    int result = part->result;

    if (result < 0 || !h->on_part)
        return result;
    h->on_part(h->on_part_arg, h, part);
    return fake_request_open(h, id) ? result : 0;
}

int fake_stream(const struct aiex_host *t, uint64_t id, struct aiex_slice part)
{
    struct aiex_fake_host *h = fake_of(t);
    struct fake_request *rq = fake_request_open(h, id);
    struct aiex_fake_record r = {.kind = AIEX_FAKE_STREAM, .id = id, .body = part};

    fake_loop_only(h, "stream");
    if (!rq) {
        r.result = -ENOENT;
    } else if (part.len > AIEX_MAX_BODY) {
        r.result = -EMSGSIZE;
        r.body.len = 0;
    } else if (rq->paused && rq->untaken > h->window + PAUSED_LIMIT) {
        r.result = -ENOBUFS;
    } else {
        rq->untaken += part.len;
        if (h->window && rq->untaken >= h->window) {
            rq->paused = 1;
            r.result = AIEX_PAUSE;
        }
    }
    return tell_consumer(h, fake_record(h, &r));
}

void aiex_fake_on_part(struct aiex_fake_host *h, aiex_fake_part_fn fn, void *arg)
{
    h->on_part = fn;
    h->on_part_arg = arg;
}

static int end(struct aiex_fake_host *h, struct aiex_fake_record *r)
{
    struct fake_request *rq = fake_request_open(h, r->id);

    if (!rq) {
        r->result = -ENOENT;
    } else if (r->body.len > AIEX_MAX_BODY) {
        r->result = -EMSGSIZE;
        r->body.len = 0;
    } else {
        rq->open = 0;
    }
    return fake_record(h, r)->result;
}

int fake_reply(const struct aiex_host *t, uint64_t id, struct aiex_slice body)
{
    struct aiex_fake_record r = {.kind = AIEX_FAKE_REPLY, .id = id, .body = body};

    fake_loop_only(fake_of(t), "reply");
    return end(fake_of(t), &r);
}

int fake_fail(const struct aiex_host *t, uint64_t id, const char *code, const char *text,
              uint32_t retry_after_ms, struct aiex_slice body)
{
    struct aiex_fake_record r = {.kind = AIEX_FAKE_FAIL,
                                 .id = id,
                                 .code = code,
                                 .text = text,
                                 .retry_after_ms = retry_after_ms,
                                 .body = body};

    fake_loop_only(fake_of(t), "fail");
    return end(fake_of(t), &r);
}

void fake_request_end_by_host(struct aiex_fake_host *h, uint64_t id, const char *code,
                              const char *text, uint32_t retry_after_ms, struct aiex_slice body)
{
    struct aiex_fake_record r = {.kind = code ? AIEX_FAKE_FAIL : AIEX_FAKE_REPLY,
                                 .by_host = 1,
                                 .id = id,
                                 .code = code,
                                 .text = text,
                                 .retry_after_ms = retry_after_ms,
                                 .body = body};

    end(h, &r);
}

/* ---- What the test calls ---- */

static int handle(const struct aiex_plugin *p, void *self, const struct aiex_message *m)
{
    if (!AIEX_HAS(p, struct aiex_plugin, handle))
        return -ENOSYS;
    return p->handle(self, m);
}

uint64_t aiex_fake_deliver(struct aiex_fake_host *h, const struct aiex_plugin *p, void *self,
                           const struct aiex_message *given)
{
    struct aiex_message m = *given;
    struct fake_request *rq = fake_must(calloc(1, sizeof(*rq)));
    const struct aiex_slice nothing = {0};
    int result;

    m.struct_size = sizeof(m);
    m.kind = AIEX_MSG_REQUEST;
    m.id = fake_id(h);
    if (!m.trace)
        m.trace = 0x7ace000000000000u | m.id;
    if (!m.timeout_ms)
        m.timeout_ms = 30000;
    if (!m.service)
        m.service = h->instance;
    if (!m.caller)
        m.caller = "host.control";
    rq->plugin = p;
    rq->self = self;
    rq->id = m.id;
    rq->trace = m.trace;
    rq->open = 1;
    rq->next = h->requests;
    h->requests = rq;
    result = handle(p, self, &m);
    if (result < 0 && rq->open)
        fake_request_end_by_host(h, m.id, result == -ENOSYS ? AIEX_E_NOT_FOUND : AIEX_E_INTERNAL,
                                 strerror(-result), 0, nothing);
    return m.id;
}

uint64_t aiex_fake_request(struct aiex_fake_host *h, const struct aiex_plugin *p, void *self,
                           const char *method, struct aiex_slice body, uint32_t flags)
{
    struct aiex_message m = {.flags = flags, .method = method, .body = body};

    return aiex_fake_deliver(h, p, self, &m);
}

int aiex_fake_cast(struct aiex_fake_host *h, const struct aiex_plugin *p, void *self,
                   const char *method, struct aiex_slice body)
{
    struct aiex_message m = {.struct_size = sizeof(m),
                             .kind = AIEX_MSG_CAST,
                             .trace = 0x7ace000000000000u | fake_id(h),
                             .service = h->instance,
                             .method = method,
                             .body = body,
                             .caller = "host.control"};

    return handle(p, self, &m);
}

int aiex_fake_event(struct aiex_fake_host *h, const struct aiex_plugin *p, void *self,
                    const char *topic, struct aiex_slice envelope)
{
    struct aiex_message m = {.struct_size = sizeof(m),
                             .kind = AIEX_MSG_EVENT,
                             .trace = 0x7ace000000000000u | fake_id(h),
                             .service = h->instance,
                             .method = topic,
                             .body = envelope};

    return handle(p, self, &m);
}

/* CANCEL and RESUME carry the id of a request, nothing else. */
static void notify(struct aiex_fake_host *h, struct fake_request *rq, uint32_t kind)
{
    struct aiex_message m = {.struct_size = sizeof(m),
                             .kind = kind,
                             .id = rq->id,
                             .trace = rq->trace,
                             .service = h->instance,
                             .method = ""};

    handle(rq->plugin, rq->self, &m);
}

int aiex_fake_cancel(struct aiex_fake_host *h, uint64_t id)
{
    struct fake_request *rq = fake_request_open(h, id);

    if (!rq)
        return -ENOENT;
    rq->open = 0;
    notify(h, rq, AIEX_MSG_CANCEL);
    fake_calls_cancel_below(h, id);
    return 0;
}

int aiex_fake_resume(struct aiex_fake_host *h, uint64_t id)
{
    struct fake_request *rq = fake_request_open(h, id);
    int paused;

    if (!rq)
        return -ENOENT;
    paused = rq->paused;
    rq->paused = 0;
    rq->untaken = 0;
    if (paused)
        notify(h, rq, AIEX_MSG_RESUME);
    return paused;
}

void aiex_fake_window(struct aiex_fake_host *h, size_t bytes)
{
    h->window = bytes;
}

void fake_requests_free(struct aiex_fake_host *h)
{
    struct fake_request *rq;

    while ((rq = h->requests) != NULL) {
        h->requests = rq->next;
        free(rq);
    }
}

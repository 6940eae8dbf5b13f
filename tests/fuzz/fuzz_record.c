/* link: aiex_channel */
/*
 * fuzz_record.c - an endpoint among records from a hostile host, and plugins that do
 * whatever the input says in between. Promises that must hold whatever comes: at most one
 * end per call, nothing after it or after a cancel, ids that are over are refused.
 */
#include "channel/endpoint.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CALLS 64

struct state {
    struct endpoint *ep;
    const uint8_t *at, *end;
    struct call {
        struct state *state;
        uint64_t id;
        int over;
    } calls[CALLS];
    unsigned n_calls, depth;
    uint64_t served[16];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned byte(struct state *s)
{
    return s->at < s->end ? *s->at++ : 0;
}

static struct aiex_slice bytes(struct state *s, size_t most)
{
    size_t n = byte(s), left = (size_t)(s->end - s->at);
    struct aiex_slice out = {s->at, n < left ? n : left};

    if (out.len > most)
        out.len = most;
    s->at += out.len;
    return out;
}

static void act(struct state *s);

static void on_answer(void *arg, const struct aiex_answer *a)
{
    struct call *c = arg;

    if (c->over)
        abort();
    if (a->kind == AIEX_ANSWER_END)
        c->over = 1;
    act(c->state);
}

static int on_send(void *arg, const struct record *head, const void *body, size_t len)
{
    struct state *s = arg;

    return byte(s) == 255 ? -ENOBUFS : 0;
}

static int on_message(void *arg, unsigned instance, const struct aiex_message *m)
{
    static const int results[] = {0, 0, 0, -ENOSYS, -EIO};
    struct state *s = arg;

    if (m->kind == AIEX_MSG_REQUEST)
        s->served[m->id & 15] = m->id;
    if (!aiex_is_map(m->body))
        abort();
    act(s);
    return results[byte(s) % 5];
}

static int on_local(void *arg, const char *service)
{
    return service[0] == 'l' ? 1 : -1;
}

static const char *on_name(void *arg, unsigned instance)
{
    return "x";
}

static void call(struct state *s)
{
    static const char *const services[] = {"far", "local", ""};
    struct call *c = &s->calls[s->n_calls % CALLS];
    struct aiex_request req = {.struct_size = sizeof(req), .method = "m"};

    if (s->n_calls == CALLS)
        return;
    s->n_calls++;
    c->state = s;
    req.flags = byte(s) & 15;
    req.service = services[byte(s) % 3];
    req.parent = s->served[byte(s) & 15];
    req.window_bytes = byte(s) << 8;
    req.body = bytes(s, 64);
    if (endpoint_call(s->ep, 0, &req, byte(s) % 8 ? on_answer : NULL, c, &c->id) < 0)
        c->over = 1;
}

/* What a plugin may do at any moment. */
static void act(struct state *s)
{
    struct call *c = &s->calls[byte(s) % CALLS];
    uint64_t id = s->served[byte(s) & 15];
    struct aiex_slice body;

    if (s->depth > 8)
        return;
    s->depth++;
    switch (byte(s) % 10) {
    case 0:
        call(s);
        break;
    case 1:
        if (endpoint_cancel(s->ep, c->id) == 0)
            c->over = 1;
        break;
    case 2:
        endpoint_credit(s->ep, c->id, byte(s) << byte(s) % 24);
        break;
    case 3:
        endpoint_stream(s->ep, id, bytes(s, 255));
        break;
    case 4:
        if (endpoint_reply(s->ep, id, bytes(s, 255)) == 0 &&
            endpoint_reply(s->ep, id, (struct aiex_slice){0}) == 0)
            abort();
        break;
    case 5:
        body = bytes(s, 64);
        endpoint_fail(s->ep, id, byte(s) % 2 ? AIEX_E_BUSY : "?", "text", byte(s), body);
        break;
    case 6:
        endpoint_subscribe(s->ep, byte(s) % 3, byte(s) % 2 ? "a.*" : "a.b");
        break;
    case 7:
        endpoint_unsubscribe(s->ep, byte(s) % 3, byte(s) % 2 ? "a.*" : "a.b");
        break;
    case 8:
        body = bytes(s, 64);
        endpoint_publish(s->ep, 0, &(struct aiex_event){.topic = "a.b", .type = "t", .data = body});
        break;
    default:
        break;
    }
    s->depth--;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct endpoint_ops ops = {on_send, NULL, on_message, on_local, on_name};
    struct state s = {.at = data, .end = data + size};
    int r = 0;

    s.ep = endpoint_new(&ops, &s, "node");
    endpoint_record(s.ep, &(struct record){.kind = RECORD_NAME, .len = 3}, (const uint8_t *)"s\0m");
    endpoint_record(s.ep, &(struct record){.kind = RECORD_NAME, .name = 1, .len = 4},
                    (const uint8_t *)"\0a.b");
    while (s.at < s.end && r == 0) {
        struct record head = {.kind = (uint8_t)byte(&s),
                              .flags = (uint8_t)byte(&s),
                              .name = (uint16_t)(byte(&s) % 4)};
        struct aiex_slice body;

        head.id = byte(&s) % 32 | (uint64_t)(1 + byte(&s) % 3) << 16;
        head.status = (int32_t)byte(&s) - 8;
        head.aux = byte(&s) | byte(&s) << 16;
        body = bytes(&s, 255);
        head.len = (uint32_t)body.len;
        if (head.kind < 128)
            act(&s);
        head.kind &= 15;
        r = endpoint_record(s.ep, &head, body.data);
    }
    endpoint_free(s.ep);
    return 0;
}

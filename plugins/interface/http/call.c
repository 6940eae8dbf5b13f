/*
 * call.c - requests to the services behind this interface.
 *
 * A model request is the largest thing that passes here. Its bytes are copied once,
 * from the receive buffer to their place in the message: room for the head of the map is
 * kept free at the front, and all other fields, known only when the body was scanned,
 * come behind. (The order of keys in a map is free.)
 */
#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FRONT_ROOM 32
#define TAIL_ROOM  1024
#define FIRST_ROOM (62 * 1024) /* taken at once for a body whose length is announced */
#define EARNED     4           /* times what has come of it is taken for more that is announced */
#define CHECK_MS   10000

int call_prepare(struct conn *c, int64_t expected_bytes)
{
    size_t hint = expected_bytes < 0            ? 0
                  : expected_bytes < FIRST_ROOM ? (size_t)expected_bytes
                                                : FIRST_ROOM;

    buffer_drop(&c->server->pool, &c->body);
    if (!buffer_room(&c->server->pool, &c->body, FRONT_ROOM + hint + TAIL_ROOM, SIZE_MAX / 2))
        return -ENOMEM;
    c->body.len = FRONT_ROOM;
    return 0;
}

int call_take(struct conn *c, const void *bytes, size_t n, int64_t expected_bytes)
{
    struct pool *pool = &c->server->pool;
    size_t come = c->body.len + n;

    if (come > c->body.cap && expected_bytes > 0) {
        size_t all = FRONT_ROOM + (size_t)expected_bytes + TAIL_ROOM;
        size_t want = all < EARNED * come ? all : EARNED * come;

        if (want > come && !buffer_room(pool, &c->body, want - c->body.len, SIZE_MAX / 2))
            return -ENOMEM;
    }
    return buffer_add(pool, &c->body, bytes, n, SIZE_MAX / 2);
}

struct aiex_slice call_body(const struct conn *c)
{
    return (struct aiex_slice){c->body.data + FRONT_ROOM, c->body.len - FRONT_ROOM};
}

int call_replace_body(struct conn *c, const struct aiex_slice *pieces, size_t n)
{
    struct pool *pool = &c->server->pool;
    struct buffer made = {0};
    size_t len = 0;

    for (size_t i = 0; i < n; i++)
        len += pieces[i].len;
    if (len > AIEX_MAX_BODY)
        return -EMSGSIZE;
    if (!buffer_room(pool, &made, FRONT_ROOM + len + TAIL_ROOM, SIZE_MAX / 2))
        return -ENOMEM;
    made.len = FRONT_ROOM;
    for (size_t i = 0; i < n; i++) {
        if (pieces[i].len)
            memcpy(made.data + made.len, pieces[i].data, pieces[i].len);
        made.len += pieces[i].len;
    }
    buffer_drop(pool, &c->body);
    c->body = made;
    return 0;
}

/* Writes the fields behind the body; how many, or a negative errno. Few and small ones are written
 * aside first: then the buffer grows only when it must. */
static int append_fields(struct conn *c, const struct call_shape *shape)
{
    uint8_t mem[CALLER_BYTES], *tail = mem;
    struct aiex_writer w;
    uint32_t pairs;

    if (shape->room > sizeof(mem)) {
        tail = buffer_room(&c->server->pool, &c->body, shape->room, SIZE_MAX / 2);
        if (!tail)
            return -ENOMEM;
    }
    aiex_writer_init(&w, tail, tail == mem ? sizeof(mem) : shape->room);
    pairs = shape->fields(c, shape->arg, &w);
    if (w.failed)
        return -EMSGSIZE;
    if (tail != mem)
        c->body.len += w.len;
    else if (buffer_add(&c->server->pool, &c->body, mem, w.len, SIZE_MAX / 2) != 0)
        return -ENOMEM;
    return (int)pairs;
}

/* Puts the fields behind the body and the head of the map before it. */
static int wrap_body(struct conn *c, const struct call_shape *shape, struct aiex_slice *ret)
{
    size_t n_body = c->body.len - FRONT_ROOM;
    int pairs = append_fields(c, shape);
    uint8_t front[FRONT_ROOM];
    struct aiex_writer w;

    if (pairs < 0)
        return pairs;
    aiex_writer_init(&w, front, sizeof(front));
    aiex_w_map(&w, (uint32_t)pairs + 1);
    aiex_w_str(&w, "body");
    aiex_w_bin_head(&w, n_body);
    c->body.off = FRONT_ROOM - w.len;
    memcpy(c->body.data + c->body.off, front, w.len);
    *ret = (struct aiex_slice){c->body.data + c->body.off, buffer_size(&c->body)};
    return ret->len > AIEX_MAX_BODY ? -EMSGSIZE : 0;
}

static void on_answer(void *arg, const struct aiex_answer *answer)
{
    struct conn *c = arg;

    c->call = answer->call; /* may come before call() has returned it */
    if (answer->kind == AIEX_ANSWER_END) {
        c->calling = 0;
        c->call = 0;
    }
    c->answer(c, answer);
}

/* A call that did not begin ends like one that failed. */
static void refuse_call(struct conn *c, int error)
{
    struct aiex_answer answer = {.struct_size = sizeof(answer),
                                 .kind = AIEX_ANSWER_END,
                                 .code = AIEX_E_INTERNAL,
                                 .text = "the request could not be passed on"};

    if (error == -EMSGSIZE) {
        error_respond(c, 413, "request_too_large", NULL, "the request is larger than %u bytes",
                      AIEX_MAX_BODY);
        return;
    }
    if (error == -EBUSY) {
        answer.code = AIEX_E_BUSY;
        answer.text = "too many requests are running";
    } else if (error == -ENOMEM) {
        answer.code = AIEX_E_UNAVAILABLE;
        answer.text = "no memory for the request";
    }
    c->answer(c, &answer);
}

static void start(struct conn *c, struct aiex_request *r, answer_fn fn)
{
    const struct aiex_host *host = c->server->host;
    uint64_t id = 0;
    int error;

    r->struct_size = sizeof(*r);
    r->trace = c->trace;
    c->answer = fn;
    c->calling = 1;
    c->call = 0;
    error = host->call(host, r, on_answer, c, &id);
    if (error < 0) {
        c->calling = 0;
        refuse_call(c, error);
    } else if (c->calling && !c->call) { /* else it, or one after it, was answered within */
        c->call = id;
    }
}

void call_with_body(struct conn *c, const struct call_shape *shape, answer_fn fn)
{
    const struct config *config = c->server->config;
    struct aiex_request r = {.flags = shape->flags,
                             .service = shape->service,
                             .method = shape->method,
                             .timeout_ms = shape->timeout_ms ? shape->timeout_ms
                                                             : (uint32_t)config->timeout,
                             .window_bytes = (uint32_t)config->write_high_water};
    struct buffer sent;
    int error = wrap_body(c, shape, &r.body);

    conn_uncount_body(c);
    sent = c->body; /* kept until the call has copied it, also when it is answered within */
    c->body = (struct buffer){0};
    c->window = r.window_bytes;
    c->answer = fn;
    if (error < 0)
        refuse_call(c, error);
    else
        start(c, &r, fn);
    buffer_drop(&c->server->pool, &sent);
}

void call_plain(struct conn *c, const char *service, const char *method, struct aiex_slice body,
                uint32_t timeout_ms, answer_fn fn)
{
    struct aiex_request r = {.flags = AIEX_CALL_IDEMPOTENT,
                             .service = service,
                             .method = method,
                             .body = body,
                             .timeout_ms = timeout_ms};

    start(c, &r, fn);
}

void call_gateway(struct conn *c, const char *method, const char *key, const char *value,
                  answer_fn fn)
{
    uint8_t mem[CALLER_BYTES], head[8];
    struct aiex_writer w, front;
    uint32_t pairs;

    aiex_writer_init(&w, mem + sizeof(head), sizeof(mem) - sizeof(head));
    pairs = caller_identity(c, &w);
    if (key) {
        aiex_w_key_str(&w, key, value);
        pairs++;
    }
    aiex_writer_init(&front, head, sizeof(head));
    aiex_w_map(&front, pairs);
    memcpy(mem + sizeof(head) - front.len, head, front.len);
    call_plain(c, c->server->config->gateway, method,
               (struct aiex_slice){mem + sizeof(head) - front.len, front.len + w.len}, CHECK_MS,
               fn);
}

static void on_checked(struct conn *c, const struct aiex_answer *answer)
{
    struct aiex_slice principal = {0};

    if (answer->kind != AIEX_ANSWER_END)
        return;
    if (answer->code)
        error_answer(c, answer);
    else if (aiex_get_whole(answer->body, "principal", &principal) != 1 || principal.len < 1)
        error_respond(c, 502, "upstream_error", NULL, "the gateway named no principal");
    else
        c->then(c, principal);
}

void call_check(struct conn *c, const char *permission,
                void (*then)(struct conn *c, struct aiex_slice principal))
{
    c->then = then;
    call_gateway(c, "gateway.check", "permission", permission, on_checked);
}

void call_drop(struct conn *c)
{
    const struct aiex_host *host = c->server->host;

    if (c->calling && c->call)
        host->cancel(host, c->call);
    c->calling = 0;
    c->call = 0;
}

void call_drop_work(struct conn *c)
{
    struct work *w = c->work;

    session_drop(c);
    c->work = NULL;
    if (w)
        w->drop(c, w);
}

/*
 * call.c - requests to the services behind this interface.
 *
 * A chat request is the largest thing that passes here. Its bytes are copied once,
 * from the receive buffer to their place in the message: room for the fields before
 * them is kept free at the front, and `model` and `stream`, known only when the body
 * was scanned, come behind. (The order of keys in a map is free.)
 */
#include "server.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <string.h>

#define FRONT_ROOM 128
#define TAIL_ROOM  512
#define FIRST_ROOM (63 * 1024) /* taken at once for a body whose length is announced */

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

struct aiex_slice call_body(const struct conn *c)
{
    return (struct aiex_slice){c->body.data + FRONT_ROOM, c->body.len - FRONT_ROOM};
}

/* Puts the fields before and behind the body. */
static int wrap_body(struct conn *c, const char *model, size_t model_len, struct aiex_slice *ret)
{
    uint8_t front[FRONT_ROOM], *tail;
    struct aiex_writer w;
    size_t n_body = c->body.len - FRONT_ROOM;

    aiex_writer_init(&w, front, sizeof(front));
    aiex_w_map(&w, 5);
    aiex_w_key_str(&w, "dialect", "openai.chat");
    aiex_w_key_str(&w, "client", c->peer);
    aiex_w_str(&w, "body");
    aiex_w_bin_head(&w, n_body);
    if (w.failed)
        return -EMSGSIZE;
    c->body.off = FRONT_ROOM - w.len;
    memcpy(c->body.data + c->body.off, front, w.len);

    tail = buffer_room(&c->server->pool, &c->body, TAIL_ROOM, SIZE_MAX / 2);
    if (!tail)
        return -ENOMEM;
    aiex_writer_init(&w, tail, TAIL_ROOM);
    aiex_w_key_strn(&w, "model", model, model_len);
    aiex_w_key_bool(&w, "stream", c->stream);
    if (w.failed)
        return -EMSGSIZE;
    c->body.len += w.len;
    *ret = (struct aiex_slice){c->body.data + c->body.off, buffer_size(&c->body)};
    return 0;
}

static void on_answer(void *arg, const struct aiex_answer *answer)
{
    struct conn *c = arg;

    c->call = answer->call; /* may come before call() has returned it */
    if (answer->kind == AIEX_ANSWER_END) {
        c->calling = 0;
        c->call = 0;
    }
    c->route->answer(c, answer);
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
    c->route->answer(c, &answer);
}

static void start(struct conn *c, struct aiex_request *r)
{
    const struct aiex_host *host = c->server->host;
    uint64_t id = 0;
    int error;

    r->struct_size = sizeof(*r);
    r->trace = c->trace;
    c->calling = 1;
    c->call = 0;
    error = host->call(host, r, on_answer, c, &id);
    if (error < 0) {
        c->calling = 0;
        refuse_call(c, error);
    } else if (c->calling) {
        c->call = id;
    }
}

void call_chat(struct conn *c, const char *model, size_t model_len)
{
    const struct config *config = c->server->config;
    struct aiex_request r = {.flags = AIEX_CALL_MANUAL,
                             .service = config->coordinator,
                             .method = "coordinator.chat",
                             .timeout_ms = (uint32_t)config->timeout,
                             .window_bytes = (uint32_t)config->write_high_water};
    int error = wrap_body(c, model, model_len, &r.body);

    c->window = r.window_bytes;
    if (error < 0)
        refuse_call(c, error);
    else
        start(c, &r);
    buffer_drop(&c->server->pool, &c->body);
}

void call_plain(struct conn *c, const char *service, const char *method, uint32_t timeout_ms)
{
    struct aiex_request r = {.flags = AIEX_CALL_IDEMPOTENT,
                             .service = service,
                             .method = method,
                             .timeout_ms = timeout_ms};

    start(c, &r);
}

/*
 * added_call.c - a request for another plugin's path, and its answer.
 *
 * The plugin gets what was asked, without the client's credentials: who asks is told as the
 * gateway's principal when the route demands a permission.
 */
#include "added.h"

#include <errno.h>
#include <string.h>

/* Bytes of keys and lengths around the texts of one header or field. */
#define FRAME 16

struct asked {
    struct aiex_slice principal; /* empty: nobody was asked */
    int stream;
};

static int is_secret(const char *name)
{
    return strcmp(name, "authorization") == 0 || strcmp(name, "proxy-authorization") == 0 ||
           strcmp(name, "x-api-key") == 0 || strcmp(name, "api-key") == 0;
}

/* True of the bytes on the wire; the plugin gets the body decoded and in one piece. */
static int is_framing(const char *name)
{
    return strcmp(name, "content-encoding") == 0 || strcmp(name, "content-length") == 0 ||
           strcmp(name, "transfer-encoding") == 0;
}

/* The first header of each name, without secrets and framing. */
static int is_told(const struct aiex_http1_head *head, size_t i)
{
    const char *name = head->headers[i].name;

    if (is_secret(name) || is_framing(name))
        return 0;
    for (size_t k = 0; k < i; k++) {
        if (strcmp(head->headers[k].name, name) == 0)
            return 0;
    }
    return 1;
}

static void write_headers(const struct aiex_http1_head *head, struct aiex_writer *w)
{
    uint32_t n = 0;

    for (size_t i = 0; i < head->n_headers; i++)
        n += (uint32_t)is_told(head, i);
    aiex_w_str(w, "headers");
    aiex_w_map(w, n);
    for (size_t i = 0; i < head->n_headers; i++) {
        if (is_told(head, i))
            aiex_w_key_str(w, head->headers[i].name, head->headers[i].value);
    }
}

static uint32_t write_fields(const struct conn *c, const void *arg, struct aiex_writer *w)
{
    const struct aiex_http1_head *head = aiex_http1_head(c->parser);
    const struct asked *asked = arg;
    uint32_t n = 6;

    aiex_w_key_str(w, "method", head->method);
    aiex_w_key_str(w, "path", head->path);
    aiex_w_key_str(w, "query", head->query);
    aiex_w_key_str(w, "client", c->peer);
    aiex_w_key_bool(w, "stream", asked->stream);
    write_headers(head, w);
    if (asked->principal.len) {
        aiex_w_str(w, "principal");
        aiex_w_raw(w, asked->principal.data, asked->principal.len);
        n++;
    }
    return n;
}

static size_t room_for(const struct aiex_http1_head *head, struct aiex_slice principal)
{
    size_t n = 512 + strlen(head->path) + strlen(head->query) + principal.len;

    for (size_t i = 0; i < head->n_headers; i++)
        n += FRAME + strlen(head->headers[i].name) + strlen(head->headers[i].value);
    return n;
}

/* ---- The answer ---- */

static void end_whole(struct conn *c, struct aiex_slice end)
{
    struct reply reply = {.status = 200};
    struct aiex_slice body = {0};
    char type[ADDED_TYPE + 1];
    int64_t status;

    if (aiex_get_int(end, "status", &status) == 1 && status >= 200 && status < 600)
        reply.status = (int)status;
    if (aiex_get_text(end, "type", type, sizeof(type)) == 1)
        reply.type = type;
    if (aiex_get_whole(end, "headers", &reply.extra) != 1)
        reply.extra = (struct aiex_slice){0};
    if (aiex_get_bytes(end, "body", &body) == 1 && respond_piece(c, body) != 0) {
        error_respond(c, 502, "answer_too_large", NULL, "the answer of this path is too large");
        return;
    }
    if (c->out.len || respond_begin(c) == 0)
        respond_end(c, &reply);
}

static void take_part(struct conn *c, struct aiex_slice part)
{
    const struct added *a = added_of(c);

    if (!part.len)
        return;
    if (!c->stream) {
        if (respond_piece(c, part) == -EMSGSIZE) {
            call_drop(c);
            error_respond(c, 502, "answer_too_large", NULL, "the answer of this path is too large");
        }
        return;
    }
    if (!c->status && respond_stream(c, a ? a->type : "application/octet-stream") != 0)
        return;
    if (c->head_only) { /* the head was all that is wanted */
        call_drop(c);
        respond_stream_end(c);
        return;
    }
    respond_part(c, part);
}

/* Events can say what went wrong, other streams can only stop. */
static void cut_stream(struct conn *c, const struct aiex_answer *answer)
{
    const struct added *a = added_of(c);

    if (a && strncmp(a->type, "text/event-stream", 17) == 0)
        error_in_stream(c, answer, NULL);
    else
        respond_cut(c);
}

static void on_answer(struct conn *c, const struct aiex_answer *answer)
{
    if (answer->kind == AIEX_ANSWER_PART)
        take_part(c, answer->body);
    else if (c->status && answer->code)
        cut_stream(c, answer);
    else if (answer->code)
        error_answer(c, answer);
    else if (c->status)
        respond_stream_end(c);
    else
        end_whole(c, answer->body);
}

/* ---- The request ---- */

static void go(struct conn *c, struct aiex_slice principal)
{
    const struct added *a = added_of(c);
    const struct asked asked = {principal, a && a->stream};
    struct call_shape shape = {.flags = AIEX_CALL_MANUAL, .fields = write_fields, .arg = &asked};

    if (!a) {
        error_respond(c, 404, "unknown_url", NULL, "the plugin that served this path has left");
        return;
    }
    shape.service = a->service;
    shape.method = a->call;
    shape.room = room_for(aiex_http1_head(c->parser), principal);
    c->stream = a->stream != 0;
    call_with_body(c, &shape, on_answer);
}

void added_begin(struct conn *c)
{
    const struct added *a = added_of(c);

    if (a && a->permission[0])
        call_check(c, a->permission, go);
    else
        go(c, (struct aiex_slice){0});
}

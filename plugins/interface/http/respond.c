/*
 * respond.c - answers: whole ones, and streams in chunks. head.c writes their heads.
 *
 * A whole answer is built body first: respond_begin() leaves room at the front of the
 * output, and respond_end(), when the length is known, puts the head right before the
 * body, so nothing is copied twice and head and body leave in one send.
 */
#include "content.h"
#include "head.h"

#include <errno.h>
#include <string.h>

#define HEAD_ROOM 2048

int respond_begin(struct conn *c)
{
    struct pool *pool = &c->server->pool;

    if (c->phase == PHASE_CLOSED)
        return -EPIPE;
    buffer_drop(pool, &c->out);
    if (!buffer_room(pool, &c->out, HEAD_ROOM, HEAD_ROOM)) {
        conn_close(c);
        return -ENOMEM;
    }
    c->out.off = c->out.len = HEAD_ROOM;
    return 0;
}

void respond_end(struct conn *c, const struct reply *reply)
{
    struct reply r = *reply;
    struct aiex_http1_writer w;
    uint8_t head[HEAD_ROOM];

    if (c->phase == PHASE_CLOSED)
        return;
    if (!head_has_body(
            r.status)) /* whatever a plugin put there would be taken for the next answer */
        c->out.len = c->out.off;
    content_answer(c, c->out.data + c->out.off, buffer_size(&c->out));
    content_end(c);
    r.encoding = compress_output(c);
    aiex_http1_writer_init(&w, head, sizeof(head));
    head_write(c, &w, &r, buffer_size(&c->out));
    if (w.failed) { /* too much, or what is no header value: better without it than not at all */
        aiex_http1_writer_init(&w, head, sizeof(head));
        c->origin = NULL;
        r = (struct reply){.status = r.status, .type = r.type, .encoding = r.encoding};
        head_write(c, &w, &r, buffer_size(&c->out));
    }
    if (c->head_only)
        c->out.len = c->out.off;
    c->out.off -= w.len;
    memcpy(c->out.data + c->out.off, head, w.len);
    c->status = r.status;
    c->ended = 1;
    if (c->phase != PHASE_ANSWER && c->phase != PHASE_SEND)
        deadline_phase(c, PHASE_ANSWER);
    output_soon(c);
}

void respond(struct conn *c, const struct reply *reply, const void *body, size_t len)
{
    if (respond_begin(c) == 0 && output_add(c, body, len) == 0)
        respond_end(c, reply);
}

void respond_json(struct conn *c, const struct reply *reply,
                  void (*write)(struct aiex_json_out *w, const void *arg), const void *arg)
{
    struct aiex_json_out w;
    size_t need;
    uint8_t *at;

    aiex_jw_init(&w, NULL, 0); /* first only to count */
    write(&w, arg);
    need = w.len;
    if (respond_begin(c) != 0)
        return;
    at = buffer_room(&c->server->pool, &c->out, need, SIZE_MAX / 2);
    if (!at) {
        conn_close(c);
        return;
    }
    aiex_jw_init(&w, at, need);
    write(&w, arg);
    c->out.len += need;
    respond_end(c, reply);
}

/* Memory is bounded by max_body here, so the window may go back at once. */
int respond_piece(struct conn *c, struct aiex_slice part)
{
    size_t max = (size_t)c->server->config->max_body;
    int r;

    if (!c->out.len && respond_begin(c) != 0)
        return -EPIPE;
    if (part.len > max || buffer_size(&c->out) > max - part.len)
        return -EMSGSIZE;
    r = output_add(c, part.data, part.len);
    if (r == 0)
        output_credit(c, part.len);
    return r == 0 ? 0 : -EPIPE;
}

int respond_stream(struct conn *c, const char *type)
{
    struct aiex_http1_writer w;
    uint8_t head[HEAD_ROOM];

    if (c->http10)
        c->keep_alive = 0; /* only closing can end it */
    aiex_http1_writer_init(&w, head, sizeof(head));
    head_write_stream(c, &w, type);
    if (w.failed) {
        conn_close(c);
        return -EMSGSIZE;
    }
    c->status = 200;
    c->chunked = !c->http10 && !c->head_only;
    return output_add(c, head, w.len);
}

void respond_part(struct conn *c, struct aiex_slice part)
{
    if (output_chunk(c, part.data, part.len) != 0)
        return;
    c->unwritten += part.len;
    output_soon(c);
}

void respond_stream_end(struct conn *c)
{
    if (c->chunked && output_add(c, AIEX_HTTP1_CHUNK_END, sizeof(AIEX_HTTP1_CHUNK_END) - 1) != 0)
        return;
    content_end(c);
    c->ended = 1;
    output_soon(c);
}

void respond_cut(struct conn *c)
{
    c->server->numbers.cut_streams++;
    content_end(c);
    respond_no_keep_alive(c, 1);
    c->ended = 1;
    output_soon(c);
}

void respond_no_keep_alive(struct conn *c, int linger)
{
    c->keep_alive = 0;
    c->linger = linger != 0;
}

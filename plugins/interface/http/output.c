/*
 * output.c - bytes on their way to the client.
 *
 * Answers are collected in c->out; connections with something new are sent to once,
 * at the end of the loop turn, so that many parts of a stream become one system call.
 * A call gets its window back only for bytes that the socket took: a client that does
 * not read stops its producer, and memory stays within the window.
 */
#include "content.h"

#include <errno.h>
#include <string.h>

/* A window of parts, the one part that may exceed it, and framing. */
#define OUT_MAX(s) ((size_t)(s)->config->write_high_water + AIEX_MAX_BODY + POOL_SMALLEST)

static void end_of_turn(void *arg)
{
    struct server *s = arg;
    struct conn *c = s->dirty;

    s->turn_posted = 0;
    s->dirty = NULL;
    s->dirty_end = &s->dirty;
    while (c) {
        struct conn *next = c->next_dirty;

        c->next_dirty = NULL;
        c->dirty = 0;
        output_flush(c);
        c = next;
    }
    conn_reap(s);
}

int output_turn(struct server *s)
{
    if (!s->turn_posted && s->host->post(s->host, end_of_turn, s) == 0)
        s->turn_posted = 1;
    return s->turn_posted;
}

void output_soon(struct conn *c)
{
    struct server *s = c->server;

    if (c->dirty)
        return;
    if (!output_turn(s) && c->phase != PHASE_CLOSED) {
        conn_close(c);
        return;
    }
    c->dirty = 1;
    *s->dirty_end = c;
    s->dirty_end = &c->next_dirty;
}

int output_add(struct conn *c, const void *bytes, size_t n)
{
    int r = c->phase == PHASE_CLOSED
                ? -EPIPE
                : buffer_add(&c->server->pool, &c->out, bytes, n, OUT_MAX(c->server));

    if (r != 0)
        conn_close(c);
    return r;
}

static int add_chunk(struct conn *c, const void *bytes, size_t n)
{
    char head[AIEX_HTTP1_CHUNK_HEAD];
    uint8_t *at;
    size_t n_head;

    n_head = aiex_http1_chunk_head(head, n);
    at = c->phase == PHASE_CLOSED
             ? NULL
             : buffer_room(&c->server->pool, &c->out, n_head + n + 2, OUT_MAX(c->server));
    if (!at) {
        conn_close(c);
        return -ENOMEM;
    }
    memcpy(at, head, n_head);
    memcpy(at + n_head, bytes, n);
    memcpy(at + n_head + n, "\r\n", 2);
    c->out.len += n_head + n + 2;
    return 0;
}

int output_chunk(struct conn *c, const void *bytes, size_t n)
{
    int r = n && c->chunked ? add_chunk(c, bytes, n) : output_add(c, bytes, n);

    if (r == 0)
        content_answer(c, bytes, n);
    return r;
}

void output_credit(struct conn *c, size_t bytes)
{
    const struct aiex_host *host = c->server->host;

    c->owed += bytes;
    if (c->owed < c->window / 4 || !c->calling || !c->call)
        return;
    host->credit(host, c->call, (uint32_t)c->owed);
    c->owed = 0;
}

/* After `sent` bytes left: what is surely written goes back to the producer. Framing counts as
 * parts here, so at most that is told too late, and nothing too early. */
static void after_send(struct conn *c, size_t sent)
{
    size_t left, written;

    c->server->numbers.sent_bytes += sent;
    c->out.off += sent;
    left = buffer_size(&c->out);
    if (!left)
        buffer_drop(&c->server->pool, &c->out);
    written = c->unwritten > left ? c->unwritten - left : 0;
    c->unwritten -= written;
    if (written)
        output_credit(c, written);
}

/* Moves what is left to the front once more was sent than is left: the buffer need not grow. */
static void close_gap(struct buffer *b)
{
    if (b->off < buffer_size(b))
        return;
    memmove(b->data, b->data + b->off, buffer_size(b));
    b->len -= b->off;
    b->off = 0;
}

static void wait_for_client(struct conn *c, ssize_t sent)
{
    close_gap(&c->out);
    if (c->phase != PHASE_SEND || sent > 0)
        deadline_phase(c, PHASE_SEND);
    conn_watch(c, c->watched | AIEX_WATCH_WRITE);
}

void output_flush(struct conn *c)
{
    ssize_t sent;

    if (c->phase == PHASE_CLOSED || c->phase == PHASE_LINGER || !c->status)
        return; /* without a status the head is still to come */
    if (buffer_size(&c->out)) {
        sent = io_send(c, c->out.data + c->out.off, buffer_size(&c->out));
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            c->server->numbers.client_gone++;
            conn_close(c);
            return;
        }
        if (sent > 0)
            after_send(c, (size_t)sent);
        if (buffer_size(&c->out)) {
            wait_for_client(c, sent);
            return;
        }
    }
    if (c->watched & AIEX_WATCH_WRITE)
        conn_watch(c, c->watched & ~AIEX_WATCH_WRITE);
    if (c->ended)
        conn_finish(c);
    else if (c->phase == PHASE_SEND)
        deadline_phase(c, PHASE_ANSWER);
}

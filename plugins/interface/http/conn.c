/*
 * conn.c - a connection: reads, parses, hands complete requests to their route, closes.
 *
 * One request at a time is answered; what a client pipelines behind it is held back,
 * up to HELD_BYTES, then left in the socket. While a request is being answered we go
 * on reading, because that is how a client that leaves is noticed at once.
 */
#include "added.h"
#include "content.h"
#include "session.h"
#include "tls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FREE_CONNS    64
#define IGNORED_BYTES 65536 /* of a body that nobody asked for */
#define SMALL_BYTES   65536 /* of a body: those are bounded by max_connections */

/* ---- The head and body arrive (callbacks of the parser) ---- */

/* Remembers why; the answer is given when the parser has returned. */
static int refuse_later(struct conn *c, int status, const char *why)
{
    c->refuse_status = status;
    c->refuse_why = why;
    return 1;
}

/* The client waits for leave to send its body. Short and first, so it goes out directly. */
static int send_continue(struct conn *c)
{
    size_t n = sizeof(AIEX_HTTP1_100) - 1;

    if (io_send(c, AIEX_HTTP1_100, n) == (ssize_t)n)
        return 0;
    io_break(c);
    return refuse_later(c, 503, "the connection took no interim answer");
}

static void begin_request(struct conn *c, const struct aiex_http1_head *head)
{
    c->trace = c->server->next_trace++;
    c->begun_us = metrics_now_us();
    c->keep_alive = (head->flags & AIEX_HTTP1_KEEP_ALIVE) != 0;
    c->head_only = strcmp(head->method, "HEAD") == 0;
    c->http10 = head->minor == 0;
}

/* The dialect is the route's; where two vendors have the same path, the headers tell. */
static void choose_dialect(struct conn *c, const struct aiex_http1_head *head)
{
    c->dialect = c->route->dialect;
    if ((c->route->flags & ROUTE_EITHER) &&
        (aiex_http1_get(head, "anthropic-version") || aiex_http1_get(head, "x-api-key")))
        c->dialect = AIEX_ANTHROPIC_MESSAGES;
}

/* 0, or the status with which the request is refused. */
static int find_route(struct conn *c, const struct aiex_http1_head *head, const char **ret_why)
{
    int status = access_check(c, head, ret_why);

    if (status)
        return status;
    c->route = routes_find(head->method, head->path, &status);
    if (status == 404)
        status = added_find(c, head);
    if (!status)
        choose_dialect(c, head);
    return status;
}

/* Makes ready for the body. 0, or a status. */
static int expect_body(struct conn *c, const struct aiex_http1_head *head, const char **ret_why)
{
    const char *coding = aiex_http1_get(head, "content-encoding");
    int status = coding ? inflate_begin(c, coding, ret_why) : 0;

    if (status == 0 && call_prepare(c, c->inflater ? -1 : head->content_length) != 0) {
        *ret_why = "no memory for the request";
        status = 503;
    }
    return status;
}

static int on_head(void *arg, const struct aiex_http1_head *head)
{
    struct conn *c = arg;
    const char *why = NULL;
    int status;

    begin_request(c, head);
    status = find_route(c, head, &why);
    if (!status && (c->route->flags & ROUTE_BODY))
        status = expect_body(c, head, &why);
    if (status) {
        if (!c->route)
            c->dialect = routes_dialect(head);
        refuse_later(c, status, why);
        return (head->flags & AIEX_HTTP1_HAS_BODY) != 0;
    }
    return head->flags & AIEX_HTTP1_CONTINUE ? send_continue(c) : 0;
}

void conn_uncount_body(struct conn *c)
{
    c->server->n_bodies -= c->n_counted;
    c->n_counted = 0;
}

static void drop_body(struct conn *c)
{
    conn_uncount_body(c);
    buffer_drop(&c->server->pool, &c->body);
}

/* The body has grown. Nobody has been asked for a key yet, so all of them together have a limit. */
static int count_body(struct conn *c)
{
    struct server *s = c->server;

    if (c->body.cap <= SMALL_BYTES || c->body.cap == c->n_counted)
        return 0;
    s->n_bodies += c->body.cap - c->n_counted;
    c->n_counted = c->body.cap;
    if (s->n_bodies <= (size_t)s->config->max_bodies)
        return 0;
    return refuse_later(c, 503, "too many bytes of request bodies are coming in; try again");
}

static int on_body(void *arg, const uint8_t *bytes, size_t n)
{
    struct conn *c = arg;

    if (!(c->route->flags & ROUTE_BODY)) {
        c->n_ignored += n;
        return c->n_ignored > IGNORED_BYTES ? refuse_later(c, 413, "this path takes no body") : 0;
    }
    if (c->inflater) {
        const char *why = NULL;
        int status = inflate_feed(c, bytes, n, &why);

        return status ? refuse_later(c, status, why) : count_body(c);
    }
    if (call_take(c, bytes, n, aiex_http1_head(c->parser)->content_length) != 0)
        return refuse_later(c, 503, "no memory for the request");
    return count_body(c);
}

static const struct aiex_http1_events events = {.head = on_head, .body = on_body};

/* ---- From bytes to answers ---- */

static void refuse(struct conn *c)
{
    const struct aiex_http1_head *head = aiex_http1_head(c->parser);
    struct reply reply = {.status = c->refuse_status, .preflight = 1};
    char allow[64];

    routes_allow(c->server, head->path, allow, sizeof(allow));
    if (c->refuse_status == 204) {
        reply.allow = allow;
        respond(c, &reply, NULL, 0);
    } else if (c->refuse_status == 404) {
        error_respond(c, 404, "unknown_url", NULL, "unknown request url: %s %.200s", head->method,
                      head->path);
    } else if (c->refuse_status == 405) {
        error_respond(c, 405, "method_not_allowed", NULL, "%s is not allowed on %.200s, only %s",
                      head->method, head->path, allow);
    } else {
        error_respond(c, c->refuse_status, NULL, NULL, "%s", c->refuse_why);
    }
}

/* Bytes of a message that is not complete: begins or renews the time that it may take. */
static void wait_for_more(struct conn *c)
{
    if (aiex_http1_head(c->parser))
        deadline_phase(c, PHASE_BODY);
    else if (c->phase != PHASE_HEAD && !aiex_http1_is_idle(c->parser))
        deadline_phase(c, PHASE_HEAD);
}

/* The request is complete. */
static void begin(struct conn *c)
{
    const char *why = NULL;
    int status = c->inflater && !c->refuse_status ? inflate_end(c, &why) : 0;

    if (status)
        refuse_later(c, status, why);
    if (c->refuse_status)
        refuse(c);
    else if (content_begin(c) != 0)
        error_respond(c, 503, "unavailable", NULL, "the hashes of this request can not be made");
    else
        c->route->begin(c);
}

/* Feeds until one request is complete. Returns how many bytes are used up. */
static size_t feed(struct conn *c, const uint8_t *bytes, size_t n)
{
    size_t used = n;
    int r = aiex_http1_feed(c->parser, bytes, n, &used);

    if (r == AIEX_HTTP1_MORE) {
        wait_for_more(c);
        return n;
    }
    deadline_phase(c, PHASE_ANSWER);
    if (r == AIEX_HTTP1_DONE) {
        begin(c);
        return used;
    }
    drop_body(c);
    respond_no_keep_alive(c, 1);
    if (r == AIEX_HTTP1_STOP)
        refuse(c);
    else
        error_respond(c, aiex_http1_status(c->parser), NULL, NULL, "%s",
                      aiex_http1_text(c->parser));
    return n;
}

/* ---- Reading ---- */

static int is_answering(const struct conn *c)
{
    return c->phase == PHASE_ANSWER || c->phase == PHASE_SEND;
}

/* Keeps what belongs to later requests; stops reading when that is enough. */
static void hold(struct conn *c, const uint8_t *bytes, size_t n)
{
    if (c->phase == PHASE_CLOSED)
        return;
    if (c->held.off) {
        memmove(c->held.data, c->held.data + c->held.off, buffer_size(&c->held));
        c->held.len -= c->held.off;
        c->held.off = 0;
    }
    if (buffer_add(&c->server->pool, &c->held, bytes, n, 2 * SCRATCH_BYTES) != 0)
        conn_close(c);
    else if (buffer_size(&c->held) >= HELD_BYTES)
        conn_watch(c, c->watched & ~AIEX_WATCH_READ);
}

/* The client closed its side. Whoever waits for an answer that is not complete has left: a client
 * that half-closes and reads on is treated so too, as by nginx. */
static void on_end(struct conn *c)
{
    if (is_answering(c) && c->ended) {
        c->keep_alive = 0;
        conn_watch(c, c->watched & ~AIEX_WATCH_READ);
        return;
    }
    if (is_answering(c)) {
        c->status = 499;
        metrics_request(c);
    }
    if (c->phase != PHASE_IDLE && c->phase != PHASE_LINGER)
        c->server->numbers.client_gone++;
    conn_close(c);
}

static void receive(struct conn *c)
{
    struct server *s = c->server;
    ssize_t n = io_receive(c, s->scratch, is_answering(c) ? HELD_BYTES : SCRATCH_BYTES);
    size_t used;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        on_end(c);
        return;
    }
    s->numbers.received_bytes += (uint64_t)n;
    if (c->phase == PHASE_LINGER)
        return;
    used = is_answering(c) ? 0 : feed(c, s->scratch, (size_t)n);
    if (used < (size_t)n)
        hold(c, s->scratch + used, (size_t)n - used);
    if (c->tls_ended && c->phase != PHASE_CLOSED) /* said under TLS; the socket may stay silent */
        on_end(c);
}

/* Somebody speaks HTTP where TLS is spoken: he is told in plain words. */
static void refuse_plain(struct conn *c)
{
    tls_detach(c);
    deadline_phase(c, PHASE_ANSWER);
    respond_no_keep_alive(c, 1);
    error_respond(c, 400, "tls_required", NULL, "this port speaks TLS: use https://");
}

static void shake_hands(struct conn *c)
{
    switch (tls_handshake(c)) {
    case TLS_DONE:
        c->server->numbers.handshakes++;
        deadline_phase(c, PHASE_IDLE);
        receive(c);
        break;
    case TLS_PLAIN:
        refuse_plain(c);
        break;
    case TLS_FAILED:
        c->server->numbers.handshake_failures++;
        conn_close(c);
        break;
    default:
        break;
    }
}

static void on_ready(void *arg, uint32_t ready)
{
    struct conn *c = arg;

    if (c->phase == PHASE_HANDSHAKE) {
        shake_hands(c);
        return;
    }
    if (ready & AIEX_WATCH_WRITE)
        output_flush(c);
    if ((ready & AIEX_WATCH_READ) && (c->watched & AIEX_WATCH_READ) && c->phase != PHASE_CLOSED)
        receive(c);
}

void conn_watch(struct conn *c, uint32_t wanted)
{
    if (c->watched == wanted || c->phase == PHASE_CLOSED)
        return;
    c->watched = wanted;
    c->server->host->rewatch(c->server->host, c->watch, wanted);
}

/* ---- Life ---- */

static void free_conn(struct conn *c)
{
    tls_detach(c);
    aiex_http1_free(c->parser);
    c->server->host->release(c->server->host, c);
}

static struct conn *new_conn(struct server *s)
{
    struct aiex_http1_limits limits = {.head_bytes = (uint32_t)s->config->max_head};
    struct conn *c = s->free;

    if (c) {
        s->free = c->next_free;
        s->n_free--;
        return c;
    }
    c = s->host->alloc(s->host, sizeof(*c));
    if (!c)
        return NULL;
    c->server = s;
    c->parser = aiex_http1_new(AIEX_HTTP1_REQUEST, &limits, &events, c);
    if (!c->parser) {
        free_conn(c);
        return NULL;
    }
    return c;
}

/* A message to the gateway is a little longer than the body in it. */
uint64_t conn_body_limit(const struct server *s)
{
    uint64_t most = AIEX_MAX_BODY - 8192;

    return (uint64_t)s->config->max_body < most ? (uint64_t)s->config->max_body : most;
}

static void clear_request(struct conn *c)
{
    call_drop_work(c);
    inflate_drop(c);
    drop_body(c); /* of a request that was refused: it would wait here for the next one */
    c->route = NULL;
    c->answer = NULL;
    c->dialect = AIEX_OPENAI_CHAT;
    c->origin = NULL;
    c->trace = c->begun_us = c->call = 0;
    c->unwritten = c->owed = c->n_ignored = 0;
    c->status = c->refuse_status = 0;
    c->refuse_why = NULL;
    c->calling = c->stream = c->chunked = c->head_only = c->http10 = 0;
    c->keep_alive = c->ended = c->linger = 0;
    aiex_http1_next(c->parser);
    aiex_http1_bind(c->parser, c, conn_body_limit(c->server));
}

int conn_open(struct server *s, int fd, const struct listener *from, const char *peer)
{
    struct conn *c = new_conn(s);

    if (c)
        c->fd = fd;
    if (!c || (from->tls && tls_attach(c) != 0) ||
        s->host->watch(s->host, fd, AIEX_WATCH_READ, on_ready, c, &c->watch) != 0) {
        if (c)
            free_conn(c);
        close(fd);
        return -ENOMEM;
    }
    c->watched = AIEX_WATCH_READ;
    c->check_host = from->loopback;
    c->local = from->local != 0;
    snprintf(c->peer, sizeof(c->peer), "%s", peer);
    clear_request(c);
    s->n_conns++;
    s->numbers.accepted++;
    deadline_phase(c, c->tls ? PHASE_HANDSHAKE : PHASE_IDLE);
    return 0;
}

void conn_next(struct conn *c)
{
    size_t used;

    clear_request(c);
    deadline_phase(c, PHASE_IDLE);
    conn_watch(c, c->watched | AIEX_WATCH_READ);
    if (!buffer_size(&c->held))
        return;
    used = feed(c, c->held.data + c->held.off, buffer_size(&c->held));
    c->held.off += used;
    if (c->phase != PHASE_CLOSED && !buffer_size(&c->held))
        buffer_drop(&c->server->pool, &c->held);
}

static void drop_buffers(struct conn *c)
{
    buffer_drop(&c->server->pool, &c->held);
    buffer_drop(&c->server->pool, &c->body);
    buffer_drop(&c->server->pool, &c->out);
}

void conn_close(struct conn *c)
{
    struct server *s = c->server;

    if (c->phase == PHASE_CLOSED)
        return;
    content_end(c);
    call_drop(c);
    call_drop_work(c);
    conn_uncount_body(c);
    if (c->tls && c->phase == PHASE_IDLE)
        io_end(c);
    deadline_drop(c);
    c->phase = PHASE_CLOSED;
    s->host->unwatch(s->host, c->watch);
    close(c->fd);
    c->fd = -1;
    c->next_free = s->ended;
    s->ended = c;
    s->n_conns--;
    output_turn(s);
    listen_update(s);
}

void conn_finish(struct conn *c)
{
    metrics_request(c);
    if (c->keep_alive) {
        conn_next(c);
    } else if (c->linger || buffer_size(&c->held)) {
        io_end(c);
        conn_watch(c, AIEX_WATCH_READ);
        deadline_phase(c, PHASE_LINGER);
    } else {
        if (c->tls)
            io_end(c);
        conn_close(c);
    }
}

void conn_reap(struct server *s)
{
    void (*drained)(void *arg) = s->drained;
    struct conn *c = s->ended, *next;

    for (s->ended = NULL; c; c = next) {
        next = c->next_free;
        if (c->dirty) { /* the next turn still has it in its list */
            c->next_free = s->ended;
            s->ended = c;
            continue;
        }
        drop_buffers(c);
        inflate_drop(c);
        tls_detach(c);
        aiex_http1_next(c->parser);
        if (s->n_free >= FREE_CONNS) {
            free_conn(c);
            continue;
        }
        c->next_free = s->free;
        s->free = c;
        s->n_free++;
    }
    if (s->draining && drained && s->n_conns == 0 && !session_any_open(s)) {
        s->drained = NULL;
        drained(s->drained_arg);
    }
}

void conn_free_all(struct server *s)
{
    for (int i = 0; i < N_PHASES; i++) {
        while (s->deadlines[i].first)
            conn_close(s->deadlines[i].first);
    }
    for (struct conn *c = s->dirty; c; c = c->next_dirty)
        c->dirty = 0;
    conn_reap(s);
    while (s->free) {
        struct conn *c = s->free;

        s->free = c->next_free;
        free_conn(c);
    }
    s->n_free = 0;
}

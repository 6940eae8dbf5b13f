/*
 * conn.c - connections: sending, reading, the watch, and the pool of idle ones.
 *
 * Plain connections use the socket that libcurl opened directly; TLS goes through
 * curl_easy_send/recv. A connection has one watch for its whole life, changed only when
 * what it waits for changes. An idle connection stays watched: the first thing that
 * happens on it (the peer closes, or speaks unasked) closes it.
 */
#include "client.h"

#include <sys/socket.h>

#define READS_PER_TURN 16

/* ---- Origins ---- */

static int same_ca(const struct origin *o, const char *ca, size_t n)
{
    return n == o->n_ca && (n == 0 || memcmp(o->ca, ca, n) == 0);
}

struct origin *origin_get(struct client *cl, const struct url *u, int verify, const char *ca)
{
    size_t n_ca = ca && u->tls && verify ? strlen(ca) : 0;
    struct origin *o;

    list_each (it, &cl->origins) {
        o = list_of(it, struct origin, link);
        if (o->port == u->port && o->tls == u->tls && o->verify == verify &&
            strcmp(o->host, u->host) == 0 && same_ca(o, ca, n_ca)) {
            o->n_refs++;
            return o;
        }
    }
    o = cl->host->alloc(cl->host, sizeof(*o));
    if (o && n_ca)
        o->ca = cl->host->alloc(cl->host, n_ca);
    if (!o || (n_ca && !o->ca)) {
        cl->host->release(cl->host, o);
        return NULL;
    }
    if (n_ca)
        memcpy(o->ca, ca, n_ca);
    o->n_ca = n_ca;
    list_append(&cl->origins, &o->link);
    list_init(&o->idle);
    o->n_refs = 1;
    o->tls = u->tls;
    o->verify = verify;
    o->literal = u->literal;
    o->port = u->port;
    strcpy(o->host, u->host);
    o->cl = cl;
    return o;
}

void origin_unref(struct origin *o)
{
    if (!o || --o->n_refs)
        return;
    list_remove(&o->link);
    o->cl->host->release(o->cl->host, o->ca);
    o->cl->host->release(o->cl->host, o);
}

/* ---- Life ---- */

static void on_idle_end(struct deadline *d)
{
    conn_close(list_of(d, struct conn, idle_end));
}

struct conn *conn_new(struct client *cl, struct origin *o)
{
    struct conn *c;

    if (cl->n_conns >= MAX_CONNS && !list_empty(&cl->idle))
        conn_close(list_of(cl->idle.next, struct conn, lru));
    if (cl->n_conns >= MAX_CONNS)
        return NULL;
    c = cl->host->alloc(cl->host, sizeof(*c));
    if (!c)
        return NULL;
    c->parser = aiex_http1_new(AIEX_HTTP1_RESPONSE, NULL, &answer_events, c);
    if (!c->parser || deadline_init(cl, &c->idle_end, on_idle_end) != 0) {
        aiex_http1_free(c->parser);
        cl->host->release(cl->host, c);
        return NULL;
    }
    c->cl = cl;
    c->fd = -1;
    c->origin = o;
    o->n_refs++;
    list_append(&cl->conns, &c->all);
    list_init(&c->idle);
    list_init(&c->lru);
    cl->n_conns++;
    return c;
}

static void conn_free(struct conn *c)
{
    aiex_http1_free(c->parser);
    origin_unref(c->origin);
    c->cl->host->release(c->cl->host, c);
}

static void leave_pool(struct conn *c)
{
    if (c->phase != CONN_IDLE)
        return;
    list_remove(&c->idle);
    list_remove(&c->lru);
    c->origin->n_idle--;
    c->cl->n_idle--;
    deadline_drop(c->cl, &c->idle_end);
    c->phase = CONN_ACTIVE;
}

void conn_close(struct conn *c)
{
    struct client *cl = c->cl;

    if (c->dead)
        return;
    leave_pool(c);
    if (c->req)
        c->req->conn = NULL;
    c->req = NULL;
    if (c->watch)
        cl->host->unwatch(cl->host, c->watch);
    c->watch = 0;
    connect_stop(c); /* closes the socket */
    deadline_done(cl, &c->idle_end);
    list_remove(&c->all);
    cl->n_conns--;
    c->dead = 1;
    if (!c->reading)
        conn_free(c);
}

struct conn *conn_take(struct client *cl, struct origin *o)
{
    struct conn *c;

    if (list_empty(&o->idle))
        return NULL;
    c = list_of(o->idle.next, struct conn, idle);
    leave_pool(c);
    c->reused = 1;
    return c;
}

void conn_release(struct conn *c, int keep)
{
    struct client *cl = c->cl;

    if (c->req)
        c->req->conn = NULL;
    c->req = NULL;
    if (!keep || c->origin->n_idle >= IDLE_PER_ORIGIN) {
        conn_close(c);
        return;
    }
    if (cl->n_idle >= IDLE_TOTAL)
        conn_close(list_of(cl->idle.next, struct conn, lru));
    aiex_http1_next(c->parser);
    c->phase = CONN_IDLE;
    c->idle.next = c->origin->idle.next; /* newest first: the oldest may run out */
    c->idle.prev = &c->origin->idle;
    c->origin->idle.next->prev = &c->idle;
    c->origin->idle.next = &c->idle;
    list_append(&cl->idle, &c->lru);
    c->origin->n_idle++;
    cl->n_idle++;
    deadline_set(cl, &c->idle_end, cl->host->now_ms(cl->host) + IDLE_MS);
    conn_rewatch(c);
}

/* ---- Watch ---- */

static void on_ready(void *arg, uint32_t events)
{
    struct conn *c = arg;

    if (c->phase == CONN_IDLE) {
        conn_close(c);
        return;
    }
    c->reading++; /* keeps c while both directions are served */
    if (events & AIEX_WATCH_WRITE)
        conn_write(c);
    if (!c->dead && (events & AIEX_WATCH_READ))
        conn_read(c);
    if (c->req && c->req->paused)
        conn_rewatch(c);
    if (--c->reading == 0 && c->dead)
        conn_free(c);
}

void conn_rewatch(struct conn *c)
{
    struct request *r = c->req;
    uint32_t want = AIEX_WATCH_READ;

    if (c->dead)
        return;
    if (r && r->paused && r->off_out == r->n_out)
        want = 0;
    else if (r && r->paused)
        want = AIEX_WATCH_WRITE;
    else if (r && r->off_out < r->n_out)
        want |= AIEX_WATCH_WRITE;
    if (want == c->events)
        return;
    c->events = want;
    c->cl->host->rewatch(c->cl->host, c->watch, want);
}

int conn_open(struct conn *c, int fd)
{
    int r;

    c->fd = fd;
    c->phase = CONN_ACTIVE;
    c->events = AIEX_WATCH_READ;
    r = c->cl->host->watch(c->cl->host, fd, c->events, on_ready, c, &c->watch);
    if (r != 0)
        c->watch = 0;
    return r;
}

/* ---- Bytes: > 0, 0 = the peer closed (reading), -EAGAIN, or another negative errno ---- */

static ssize_t send_some(struct conn *c, struct iovec *v, int n)
{
    struct msghdr m = {.msg_iov = v, .msg_iovlen = (size_t)n};
    size_t done = 0;
    ssize_t k;
    CURLcode r;

    if (!c->origin->tls) {
        k = n == 1 ? send(c->fd, v->iov_base, v->iov_len, MSG_NOSIGNAL)
                   : sendmsg(c->fd, &m, MSG_NOSIGNAL);
        return k >= 0 ? k : errno == EINTR || errno == EWOULDBLOCK ? -EAGAIN : -errno;
    }
    r = curl_easy_send(c->easy, v->iov_base, v->iov_len, &done);
    return r == CURLE_OK ? (ssize_t)done : r == CURLE_AGAIN ? -EAGAIN : -EPIPE;
}

static ssize_t receive_some(struct conn *c)
{
    size_t n = 0;
    ssize_t k;
    CURLcode r;

    if (!c->origin->tls) {
        k = recv(c->fd, module->in, sizeof(module->in), 0);
        return k >= 0 ? k : errno == EINTR || errno == EWOULDBLOCK ? -EAGAIN : -errno;
    }
    r = curl_easy_recv(c->easy, module->in, sizeof(module->in), &n);
    return r == CURLE_OK ? (ssize_t)n : r == CURLE_AGAIN ? -EAGAIN : -ECONNRESET;
}

void conn_write(struct conn *c)
{
    struct request *r = c->req;
    struct iovec rest[2];
    size_t before;
    ssize_t n = 0;

    if (!r || r->off_out == r->n_out)
        return;
    before = r->off_out;
    while (r->off_out < r->n_out) {
        n = send_some(c, rest, request_rest(r, rest));
        if (n <= 0)
            break;
        r->off_out += (size_t)n;
        r->sent = 1;
    }
    if (n < 0 && n != -EAGAIN) {
        /* What the peer said before it closed is still worth reading: reading decides. */
        r->off_out = r->n_out;
        r->cut_short = 1;
        request_kick(r);
    }
    if (r->off_out == r->n_out)
        request_sent(r);
    else if (r->off_out > before)
        request_progress(r);
    conn_rewatch(c);
}

void conn_read(struct conn *c)
{
    ssize_t n = 0;

    c->reading++;
    for (int i = 0; !c->dead && c->req && !c->req->paused; i++) {
        if (i == READS_PER_TURN) { /* others want to be served; TLS may hold bytes unseen by poll */
            request_kick(c->req);
            break;
        }
        n = receive_some(c);
        if (n == -EAGAIN)
            break;
        answer_feed(c, module->in, n > 0 ? (size_t)n : 0);
        if (n <= 0 || (!c->origin->tls && (size_t)n < sizeof(module->in)))
            break;
    }
    if (--c->reading == 0 && c->dead)
        conn_free(c);
}

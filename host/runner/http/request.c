/*
 * request.c - a request: how its bytes are made, how it is found, how it ends.
 *
 * Head and body stand in one buffer, so that a request is one send. The buffer is kept
 * until the answer begins, for a pooled connection that turns out to be dead gives the
 * request one more try. Objects and buffers are recycled: a steady stream of requests
 * allocates nothing.
 */
#include "client.h"

#include <stdarg.h>

#define CONNECT_MS    10000u
#define FIRST_BYTE_MS 60000u
#define IDLE_LIMIT_MS 60000u
#define CA_PEM_MAX    (256u * 1024u)

static const char awaiting_head[] = "no first byte of the answer";

static const struct aiex_host *host_of(const struct request *r)
{
    return r->cl->host;
}

/* ---- Time limits ---- */

static void set_limits(struct request *r)
{
    uint64_t due = r->phase_at;

    if (r->total_at && (due == 0 || r->total_at < due))
        due = r->total_at;
    deadline_set(r->cl, &r->end, due);
}

static void begin_phase(struct request *r, const char *name, uint32_t ms)
{
    r->phase_name = name;
    r->phase_ms = ms;
    r->phase_at = name ? host_of(r)->now_ms(host_of(r)) + ms : 0;
    set_limits(r);
}

static void on_deadline(struct deadline *d)
{
    struct request *r = list_of(d, struct request, end);
    char text[128];

    if (r->total_at && host_of(r)->now_ms(host_of(r)) >= r->total_at)
        snprintf(text, sizeof(text), "not complete within total_ms");
    else
        snprintf(text, sizeof(text), "%s within %u ms",
                 r->phase_name == awaiting_head && r->received ? "no whole head of the answer"
                                                               : r->phase_name,
                 r->phase_ms);
    request_end(r, AIEX_HTTP_TIMEOUT, text);
}

void request_progress(struct request *r)
{
    if (r->paused && r->off_out == r->n_out)
        begin_phase(r, NULL, 0);
    else if (r->has_head || r->off_out < r->n_out)
        begin_phase(r, "no further bytes moved", r->idle_ms);
    else if (!r->received || r->phase_name != awaiting_head)
        begin_phase(r, awaiting_head, r->first_byte_ms);
    /* else: interim answers, or a head that drips in, do not put it off */
}

/* ---- The bytes ---- */

/* Names are compared by length first: few get further. */
static int is_name(const char *name, size_t n, const char *wanted)
{
    return strlen(wanted) == n && strcasecmp(name, wanted) == 0;
}

/* What the framing needs is added here and can not be given twice or differently. */
static int check_headers(const struct aiex_http_request *q, struct aiex_error *err)
{
    static const char *const own[] = {"host",       "content-length", "transfer-encoding",
                                      "connection", "upgrade",        "expect",
                                      "te",         "trailer"};

    for (size_t i = 0; i < q->n_headers; i++) {
        size_t n = strlen(q->headers[i].name);

        for (size_t k = 0; k < sizeof(own) / sizeof(own[0]); k++) {
            if (is_name(q->headers[i].name, n, own[k]))
                return fail(err, -EINVAL, "header '%s' is set by the host; leave it out", own[k]);
        }
    }
    return 0;
}

static int has_header(const struct aiex_http_request *q, const char *name)
{
    for (size_t i = 0; i < q->n_headers; i++) {
        if (is_name(q->headers[i].name, strlen(q->headers[i].name), name))
            return 1;
    }
    return 0;
}

static void write_head(struct aiex_http1_writer *w, struct client *cl,
                       const struct aiex_http_request *q, const struct url *u)
{
    const char *slash = *u->target == '/' ? "" : "/";

    /* method and target were checked by the caller, so raw writing injects nothing */
    aiex_http1_w_raw(w, q->method, strlen(q->method));
    aiex_http1_w_raw(w, " ", 1);
    aiex_http1_w_raw(w, slash, strlen(slash));
    aiex_http1_w_raw(w, u->target, u->n_target);
    aiex_http1_w_raw(w, " HTTP/1.1\r\n", 11);
    aiex_http1_w_header(w, "Host", cl->known.authority);
    for (size_t i = 0; i < q->n_headers; i++)
        aiex_http1_w_header(w, q->headers[i].name, q->headers[i].value);
    if (*cl->user_agent && !has_header(q, "user-agent"))
        aiex_http1_w_header(w, "User-Agent", cl->user_agent);
    if ((q->flags & AIEX_HTTP_DECODE) && !has_header(q, "accept-encoding"))
        aiex_http1_w_header(w, "Accept-Encoding", "gzip");
    if (q->body.len || strcmp(q->method, "POST") == 0 || strcmp(q->method, "PUT") == 0 ||
        strcmp(q->method, "PATCH") == 0)
        aiex_http1_w_number(w, "Content-Length", q->body.len);
    aiex_http1_w_end(w);
}

static int out_room(struct request *r, size_t need)
{
    uint8_t *mem;

    if (need <= r->cap_out)
        return 0;
    mem = host_of(r)->alloc(host_of(r), need);
    if (!mem)
        return -ENOMEM;
    host_of(r)->release(host_of(r), r->out);
    r->out = mem;
    r->cap_out = need;
    return 0;
}

static int fill_out(struct request *r, const struct aiex_http_request *q, const struct url *u,
                    struct aiex_error *err)
{
    size_t borrowed = q->flags & AIEX_HTTP_BORROW ? q->body.len : 0;
    struct aiex_http1_writer w;
    int tries = 0;

    if (q->body.len > AIEX_MAX_BODY)
        return fail(err, -EINVAL, "request body of %zu bytes is larger than %u", q->body.len,
                    AIEX_MAX_BODY);
    do {
        aiex_http1_writer_init(&w, r->out, r->cap_out);
        write_head(&w, r->cl, q, u);
        aiex_http1_w_raw(&w, q->body.data, q->body.len - borrowed);
        if (w.failed == AIEX_HTTP1_W_BAD)
            return fail(err, -EINVAL, "a header name or value holds a byte that is not allowed");
        if (w.failed && out_room(r, w.len + w.len / 4 + 512) != 0)
            return fail(err, -ENOMEM, "no memory for a request of %zu bytes", w.len);
    } while (w.failed && ++tries < 2);
    r->n_out = w.len + borrowed;
    r->body = borrowed ? q->body : (struct aiex_slice){NULL, 0};
    return 0;
}

int request_rest(const struct request *r, struct iovec v[2])
{
    size_t n_head = r->n_out - r->body.len, off = r->off_out;
    int n = 0;

    if (off < n_head)
        v[n++] = (struct iovec){r->out + off, n_head - off};
    off = off > n_head ? off - n_head : 0;
    if (off < r->body.len)
        v[n++] = (struct iovec){(void *)(uintptr_t)(r->body.data + off), r->body.len - off};
    return n;
}

int request_keep_body(struct request *r)
{
    size_t n_head = r->n_out - r->body.len;
    uint8_t *all;

    if (!r->body.len)
        return 0;
    if (r->off_out < r->n_out) {
        all = host_of(r)->alloc(host_of(r), r->n_out);
        if (!all)
            return -ENOMEM;
        memcpy(all, r->out, n_head);
        memcpy(all + n_head, r->body.data, r->body.len);
        host_of(r)->release(host_of(r), r->out);
        r->out = all;
        r->cap_out = r->n_out;
    }
    r->body = (struct aiex_slice){NULL, 0};
    return 0;
}

static int check(struct client *cl, const struct aiex_http_request *q, struct url *u,
                 struct aiex_error *err)
{
    if (!q->method || !q->url)
        return fail(err, -EINVAL, "request has no method or no url");
    if (*q->method == 0 || strlen(q->method) > 16 ||
        q->method[strspn(q->method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")])
        return fail(err, -EINVAL, "method '%.20s' is not an upper case word", q->method);
    if (strcmp(q->method, "CONNECT") == 0)
        return fail(err, -EINVAL, "method CONNECT is not supported");
    if (q->ca_pem && strnlen(q->ca_pem, CA_PEM_MAX + 1) > CA_PEM_MAX)
        return fail(err, -EINVAL, "ca_pem is longer than %u bytes", CA_PEM_MAX);
    if (q->ca_pem && !strstr(q->ca_pem, "-----BEGIN CERTIFICATE-----"))
        return fail(err, -EINVAL,
                    "ca_pem holds no certificate; give PEM text, such as file:ca.pem");
    if (url_look_up(&cl->known, q->url, u, err) != 0)
        return -EINVAL;
    return check_headers(q, err);
}

/* ---- The table ---- */

static int more_slots(struct client *cl)
{
    const struct aiex_host *host = cl->host;
    uint32_t n = cl->n_slots ? cl->n_slots * 2 : 64;
    struct request **slots;
    uint32_t *generations, *free_slots;

    if (n > MAX_REQUESTS)
        return -EBUSY;
    slots = host->alloc(host, n * sizeof(struct request *));
    generations = host->alloc(host, n * sizeof(*generations));
    free_slots = host->alloc(host, n * sizeof(*free_slots));
    if (!slots || !generations || !free_slots) {
        host->release(host, slots);
        host->release(host, generations);
        host->release(host, free_slots);
        return -ENOMEM;
    }
    if (cl->n_slots) {
        memcpy(slots, cl->slots, cl->n_slots * sizeof(struct request *));
        memcpy(generations, cl->generations, cl->n_slots * sizeof(*generations));
    }
    host->release(host, cl->slots);
    host->release(host, cl->generations);
    host->release(host, cl->free_slots);
    cl->slots = slots;
    cl->generations = generations;
    cl->free_slots = free_slots;
    for (uint32_t i = n; i > cl->n_slots; i--)
        cl->free_slots[cl->n_free++] = i - 1;
    cl->n_slots = n;
    return 0;
}

struct request *request_find(struct client *cl, uint64_t id)
{
    uint32_t slot = (uint32_t)id;

    if (slot >= cl->n_slots || !cl->slots[slot] || cl->slots[slot]->id != id)
        return NULL;
    return cl->slots[slot];
}

static struct request *take_object(struct client *cl)
{
    struct request *r;

    if (cl->n_spare)
        return cl->spare[--cl->n_spare];
    r = cl->host->alloc(cl->host, sizeof(*r));
    if (!r)
        return NULL;
    r->cl = cl;
    if (deadline_init(cl, &r->end, on_deadline) != 0) {
        cl->host->release(cl->host, r);
        return NULL;
    }
    return r;
}

void request_free_object(struct request *r)
{
    const struct aiex_host *host = host_of(r);

    deadline_done(r->cl, &r->end);
    host->release(host, r->out);
    host->release(host, r);
}

/* Makes a used object as good as new, and keeps it while there is room. */
static void recycle(struct request *r)
{
    struct client *cl = r->cl;
    uint8_t *out = r->out;
    size_t cap = r->cap_out;

    gzip_free(r->gzip);
    cl->host->release(cl->host, r->spill);
    if (cl->n_spare == N_SPARE) {
        request_free_object(r);
        return;
    }
    if (cap > OUT_KEPT) {
        cl->host->release(cl->host, out);
        out = NULL;
        cap = 0;
    }
    deadline_drop(cl, &r->end);
    memset(r, 0, sizeof(*r));
    r->cl = cl;
    r->end.fn = on_deadline;
    r->out = out;
    r->cap_out = cap;
    cl->spare[cl->n_spare++] = r;
}

/* Takes the request out of everything; only the object is left. */
static void detach(struct request *r)
{
    struct client *cl = r->cl;

    if (r->conn)
        conn_close(r->conn);
    list_remove(&r->kick);
    deadline_drop(cl, &r->end);
    origin_unref(r->origin);
    r->origin = NULL;
    cl->slots[r->slot] = NULL;
    cl->generations[r->slot]++;
    cl->free_slots[cl->n_free++] = r->slot;
}

void request_drop(struct request *r)
{
    detach(r);
    recycle(r);
}

void request_end(struct request *r, uint32_t result, const char *text)
{
    detach(r);
    r->handler.end(r->arg, result, r->sent, text);
    recycle(r);
}

void request_fail(struct request *r, uint32_t result, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(r->text, sizeof(r->text), format, ap);
    va_end(ap);
    r->result = result;
    r->ending = 1;
    request_kick(r);
}

/* ---- The kick: work that must not happen inside a call of the plugin ---- */

static void on_kick(void *arg)
{
    struct client *cl = arg;
    struct list todo;

    cl->kick_timer = 0;
    list_init(&todo);
    while (!list_empty(&cl->kicked)) {
        struct list *first = cl->kicked.next;

        list_remove(first);
        list_append(&todo, first);
    }
    while (!list_empty(&todo)) {
        struct request *r = list_of(todo.next, struct request, kick);
        uint64_t id = r->id;

        list_remove(&r->kick);
        if (r->ending) {
            request_end(r, r->result, r->text);
            continue;
        }
        if (!r->paused)
            answer_resume(r);
        if (request_find(cl, id) == r && r->conn && r->conn->phase == CONN_ACTIVE)
            conn_read(r->conn);
    }
}

void request_kick(struct request *r)
{
    struct client *cl = r->cl;

    list_remove(&r->kick);
    list_append(&cl->kicked, &r->kick);
    if (!cl->kick_timer && cl->host->timer(cl->host, 0, 0, on_kick, cl, &cl->kick_timer) != 0)
        cl->kick_timer = 0;
}

/* ---- Life with a connection ---- */

static void attach(struct request *r, struct conn *c)
{
    r->conn = c;
    c->req = r;
}

void request_connected(struct request *r)
{
    aiex_http1_bind(r->conn->parser, r->conn, r->max_body);
    if (r->is_head)
        aiex_http1_expect_head(r->conn->parser);
    request_progress(r);
    conn_write(r->conn);
}

void request_sent(struct request *r)
{
    if (!r->received)
        request_progress(r);
}

static void connect_fresh(struct request *r)
{
    struct conn *c = conn_new(r->cl, r->origin);

    begin_phase(r, "no connection", r->connect_ms);
    if (!c) {
        request_fail(r, AIEX_HTTP_CONNECT, "no memory or more than %u connections", MAX_CONNS);
        return;
    }
    attach(r, c);
    connect_start(c);
}

void request_broken(struct request *r, const char *text)
{
    struct conn *c = r->conn;

    if (!c->reused || r->received || r->retried) {
        request_end(r, AIEX_HTTP_CUT, text);
        return;
    }
    conn_close(c);
    r->retried = 1;
    r->off_out = 0;
    r->cut_short = 0;
    connect_fresh(r);
}

static void set_up(struct request *r, const struct aiex_http_request *q,
                   const struct aiex_http_handler *h, void *arg)
{
    memcpy(&r->handler, h, h->struct_size < sizeof(*h) ? h->struct_size : sizeof(*h));
    r->arg = arg;
    r->flags = q->flags;
    r->is_head = strcmp(q->method, "HEAD") == 0;
    r->connect_ms = q->connect_ms ? q->connect_ms : CONNECT_MS;
    r->first_byte_ms = q->first_byte_ms ? q->first_byte_ms : FIRST_BYTE_MS;
    r->idle_ms = q->idle_ms ? q->idle_ms : IDLE_LIMIT_MS;
    r->max_body = q->max_body_bytes ? q->max_body_bytes : AIEX_MAX_BODY;
    r->total_at = q->total_ms ? host_of(r)->now_ms(host_of(r)) + q->total_ms : 0;
    list_init(&r->kick);
}

static uint64_t take_slot(struct request *r)
{
    struct client *cl = r->cl;

    r->slot = cl->free_slots[--cl->n_free];
    cl->slots[r->slot] = r;
    r->id = (uint64_t)(cl->generations[r->slot] + 1) << 32 | r->slot;
    return r->id;
}

int request_new(struct client *cl, const struct aiex_http_request *q,
                const struct aiex_http_handler *h, void *arg, uint64_t *ret_id,
                struct aiex_error *err)
{
    struct request *r;
    struct conn *c;
    struct url u;
    int e = check(cl, q, &u, err);

    if (e != 0)
        return e;
    if (!h || h->struct_size < sizeof(*h) || !h->end)
        return fail(err, -EINVAL, "request has no end handler");
    if (cl->n_free == 0 && (e = more_slots(cl)) != 0)
        return fail(err, -ENOMEM, "no memory for one more request, or more than %u", MAX_REQUESTS);
    r = take_object(cl);
    if (!r)
        return fail(err, -ENOMEM, "no memory for a request");
    e = fill_out(r, q, &u, err);
    if (e == 0 && !(r->origin = origin_get(cl, &u, !(q->flags & AIEX_HTTP_NO_VERIFY), q->ca_pem)))
        e = fail(err, -ENOMEM, "no memory for a request");
    if (e != 0) {
        recycle(r);
        return e;
    }
    set_up(r, q, h, arg);
    *ret_id = take_slot(r);
    c = conn_take(cl, r->origin);
    if (c) {
        attach(r, c);
        request_connected(r);
    } else {
        connect_fresh(r);
    }
    return 0;
}

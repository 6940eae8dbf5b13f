/* content.c - see content.h. */
#include "content.h"

#include "gateway.h"

#include <stdlib.h>
#include <string.h>

#define HASH_BYTES 32u
#define MORE_BYTES 512u /* that the hashes add to a record at most */

struct content {
    struct map_node node;
    struct content *next; /* of those that have a record */
    uint64_t trace, until_ms;
    int64_t n_request, n_answer;
    uint8_t request[HASH_BYTES], answer[HASH_BYTES], salt[HASH_BYTES];
    uint8_t salted, answered, orphan; /* orphan: its flight is over */
    uint8_t *record;                  /* NULL: it did not come yet */
    size_t n_record;
};

/* ---- The record ---- */

static void write_hex(struct aiex_writer *w, const char *key, const uint8_t bytes[HASH_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    char hex[2 * HASH_BYTES];

    for (size_t i = 0; i < HASH_BYTES; i++) {
        hex[2 * i] = digits[bytes[i] >> 4];
        hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    aiex_w_key_strn(w, key, hex, sizeof(hex));
}

static void write_more(struct aiex_writer *w, const struct content *c)
{
    aiex_w_key_str(w, "hash", c->salted ? "salted" : "sha256");
    write_hex(w, "request_hash", c->request);
    aiex_w_key_int(w, "request_bytes", c->n_request);
    if (c->answered) {
        write_hex(w, "answer_hash", c->answer);
        aiex_w_key_int(w, "answer_bytes", c->n_answer);
    }
    if (c->salted)
        write_hex(w, "salt", c->salt);
}

static void send_with(struct gateway *g, const struct content *c, struct aiex_slice record)
{
    struct aiex_slice pairs = record;
    uint8_t *mem = malloc(record.len + MORE_BYTES);
    struct aiex_value head;
    struct aiex_writer w;

    if (mem && aiex_r_value(&pairs, &head) == 0 && head.type == AIEX_T_MAP) {
        aiex_writer_init(&w, mem, record.len + MORE_BYTES);
        aiex_w_map(&w, head.count + 3 + 2u * c->answered + c->salted);
        aiex_w_raw(&w, pairs.data, pairs.len);
        write_more(&w, c);
        record = aiex_written(&w);
    } else {
        g->host->log(g->host, AIEX_LOG_WARN, c->trace,
                     "no memory for the hashes of a usage record; it goes without them");
    }
    settle_send(g, record, c->trace);
    free(mem);
}

/* ---- Life ---- */

static struct content *find(struct gateway *g, uint64_t trace)
{
    struct map_node *n = map_first(&g->contents.by_trace, map_hash_number(trace));

    for (; n; n = map_next(n)) {
        struct content *c = map_entry(n, struct content, node);

        if (c->trace == trace)
            return c;
    }
    return NULL;
}

static void drop(struct gateway *g, struct content *c)
{
    map_remove(&g->contents.by_trace, &c->node);
    explicit_bzero(c->salt, sizeof(c->salt));
    free(c->record);
    free(c);
}

static void unhold(struct gateway *g, struct content *c)
{
    struct contents *all = &g->contents;
    struct content **at = &all->held, *before = NULL;

    while (*at && *at != c) {
        before = *at;
        at = &(*at)->next;
    }
    if (!*at)
        return;
    *at = c->next;
    if (all->held_last == c)
        all->held_last = before;
    all->n_held--;
}

/* It is on its way; there is nothing more to wait for. */
static void release(struct gateway *g, struct content *c)
{
    unhold(g, c);
    send_with(g, c, (struct aiex_slice){c->record, c->n_record});
    free(c->record);
    c->record = NULL;
    if (c->orphan)
        drop(g, c);
}

static void arm(struct gateway *g);

static void on_timer(void *arg)
{
    struct gateway *g = arg;
    uint64_t now = g->host->now_ms(g->host);

    g->contents.timer = 0;
    while (g->contents.held && g->contents.held->until_ms <= now)
        release(g, g->contents.held);
    arm(g);
    gateway_maybe_drained(g);
}

static void arm(struct gateway *g)
{
    struct contents *all = &g->contents;
    uint64_t now = g->host->now_ms(g->host), until = all->held ? all->held->until_ms : 0;

    if (all->timer || !all->held)
        return;
    if (g->host->timer(g->host, until > now ? until - now : 1, 0, on_timer, g, &all->timer) < 0)
        contents_send(g); /* nobody would look after them */
}

int contents_init(struct gateway *g)
{
    return map_init(&g->contents.by_trace, g->host, 64);
}

void contents_send(struct gateway *g)
{
    while (g->contents.held)
        release(g, g->contents.held);
}

void contents_done(struct gateway *g)
{
    if (g->contents.timer)
        g->host->unwatch(g->host, g->contents.timer);
    map_done(&g->contents.by_trace);
}

/* ---- What comes ---- */

static int read_hash(struct aiex_slice map, const char *key, uint8_t out[HASH_BYTES])
{
    struct aiex_slice bytes;

    if (aiex_get_bytes(map, key, &bytes) != 1 || bytes.len != HASH_BYTES)
        return -1;
    memcpy(out, bytes.data, HASH_BYTES);
    return 0;
}

/* 0, or -1: nothing that is known here. */
static int read_promise(struct content *c, struct aiex_slice field)
{
    struct aiex_slice hash;

    if (aiex_get_str(field, "hash", &hash) != 1 || read_hash(field, "request", c->request) != 0 ||
        aiex_get_int(field, "bytes", &c->n_request) != 1 || c->n_request < 0)
        return -1;
    c->salted = aiex_slice_is(hash, "salted");
    return c->salted ? read_hash(field, "salt", c->salt) : aiex_slice_is(hash, "sha256") - 1;
}

struct content *content_promised(struct gateway *g, uint64_t trace, struct aiex_slice field)
{
    struct content *c;

    if (!field.len || find(g, trace)) /* a trace is one request's; a second one has no hashes */
        return NULL;
    c = calloc(1, sizeof(*c));
    if (!c) {
        g->host->log(g->host, AIEX_LOG_WARN, trace,
                     "no memory for the hashes of a request; its usage record goes without them");
        return NULL;
    }
    c->trace = trace;
    if (read_promise(c, field) != 0) {
        free(c);
        return NULL;
    }
    map_put(&g->contents.by_trace, &c->node, map_hash_number(trace));
    return c;
}

void content_told(struct gateway *g, struct aiex_slice body)
{
    struct aiex_value trace;
    struct content *c;

    if (aiex_get(body, "trace", &trace) != 1 ||
        (trace.type != AIEX_T_INT && trace.type != AIEX_T_UINT))
        return;
    c = find(g, trace.u);
    if (!c || c->answered || read_hash(body, "answer", c->answer) != 0 ||
        aiex_get_int(body, "bytes", &c->n_answer) != 1 || c->n_answer < 0)
        return;
    c->answered = 1;
    if (c->record)
        release(g, c);
    gateway_maybe_drained(g);
}

void content_record(struct gateway *g, struct content *c, struct aiex_slice record)
{
    struct contents *all = &g->contents;
    uint8_t *copy = c->answered || c->record ? NULL : malloc(record.len);

    if (!copy) {
        send_with(g, c, record);
        return;
    }
    memcpy(copy, record.data, record.len);
    c->record = copy;
    c->n_record = record.len;
    c->until_ms = g->host->now_ms(g->host) + CONTENT_WAIT_MS;
    c->next = NULL;
    if (all->held)
        all->held_last->next = c;
    else
        all->held = c;
    all->held_last = c;
    if (++all->n_held > MAX_HELD)
        release(g, all->held);
    arm(g);
}

void content_leave(struct gateway *g, struct content *c)
{
    if (!c)
        return;
    c->orphan = 1;
    if (!c->record)
        drop(g, c);
}

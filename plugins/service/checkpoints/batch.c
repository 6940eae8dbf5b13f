/*
 * batch.c - changes of a restore on their way to the store.
 *
 * Operations are gathered until a transaction is worth its flush. Each row has the condition that
 * it still has the version that was compared, each event the version of its stream: what somebody
 * else wrote meanwhile is never overwritten. A transaction that is refused is sent again without
 * the change that the store names, or in halves when it names none.
 */
#include "checkpoints.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_CHANGES 256u
#define MAX_BYTES   (2u << 20) /* after which it is sent; one value may be longer */
#define REPLAYED    N_CHANGES  /* an event that the caller counts */

struct planned {
    size_t begin, len, key_at, key_len; /* in mem: the operation; key of a row, or stream */
    int is_event, dropped;
    int change;
    char part[MAX_PART + 1], table[MAX_TABLE + 1];
    int64_t version; /* condition of a row; of the stream behind an event */
};

int batch_begin(struct batch *b, struct job *j, struct tally *t, int dry)
{
    uint8_t nonce[8];

    memset(b, 0, sizeof(*b));
    b->job = j;
    b->tally = t;
    b->dry = dry;
    randombytes_buf(nonce, sizeof(nonce));
    sodium_bin2hex(b->nonce, sizeof(b->nonce), nonce, sizeof(nonce));
    b->all = calloc(MAX_CHANGES, sizeof(*b->all));
    return b->all ? 0 : job_errno(j, -ENOMEM, "the list of changes");
}

void batch_done(struct batch *b)
{
    free(b->all);
    free(b->mem);
    b->all = NULL;
    b->mem = NULL;
}

static struct aiex_slice key_of(const struct batch *b, const struct planned *p)
{
    return (struct aiex_slice){b->mem + p->key_at, p->key_len};
}

/* ---- What is sent ---- */

struct range {
    struct batch *batch;
    uint32_t from, to;
    char id[48];
};

static uint32_t count(const struct range *x, int rows_only)
{
    uint32_t n = 0;

    for (uint32_t i = x->from; i < x->to; i++)
        n += !x->batch->all[i].dropped && !(rows_only && x->batch->all[i].is_event);
    return n;
}

static void write_condition(struct aiex_writer *w, const struct batch *b, const struct planned *p)
{
    struct aiex_slice key = key_of(b, p);

    aiex_w_map(w, 3);
    aiex_w_key_str(w, "table", p->table);
    aiex_w_key_bin(w, "key", key.data, key.len);
    aiex_w_key_int(w, "version", p->version);
}

static void write_transact(struct aiex_writer *w, const void *arg)
{
    const struct range *x = arg;
    const struct batch *b = x->batch;

    aiex_w_map(w, 3);
    aiex_w_key_str(w, "id", x->id);
    aiex_w_str(w, "conditions");
    aiex_w_array(w, count(x, 1));
    for (uint32_t i = x->from; i < x->to; i++)
        if (!b->all[i].dropped && !b->all[i].is_event)
            write_condition(w, b, &b->all[i]);
    aiex_w_str(w, "operations");
    aiex_w_array(w, count(x, 0));
    for (uint32_t i = x->from; i < x->to; i++)
        if (!b->all[i].dropped)
            aiex_w_raw(w, b->mem + b->all[i].begin, b->all[i].len);
}

/* ---- What became of it ---- */

static int tell(struct batch *b, const struct planned *p, enum change change, const char *detail)
{
    return tally_add(b->tally, p->part, change, key_of(b, p), detail);
}

/* A stream with a conflict gets none of the events that follow, now or later. */
static int drop_stream(struct batch *b, const struct planned *p)
{
    const struct head *head = b->streams ? heads_find(b->streams, key_of(b, p)) : NULL;
    struct head marked;

    for (uint32_t i = 0; i < b->n; i++)
        if (b->all[i].is_event && slice_order(key_of(b, &b->all[i]), key_of(b, p)) == 0)
            b->all[i].dropped = 1;
    if (!head)
        return tell(b, p, CONFLICT, "somebody wrote to it meanwhile");
    marked = *head;
    marked.events = STREAM_CONFLICT;
    return heads_put(b->streams, &marked) < 0 ? job_errno(b->job, -ENOMEM, "a stream") : 0;
}

static int drop(struct batch *b, struct planned *p)
{
    p->dropped = 1;
    return p->is_event ? drop_stream(b, p) : tell(b, p, CONFLICT, "somebody wrote it meanwhile");
}

/* The store says which condition, or which operation. They are never in one transaction. */
static struct planned *refused_one(const struct range *x, const struct call *c)
{
    const struct aiex_slice body = {c->body, c->body_len};
    int64_t failed = -1;

    if (body.len)
        aiex_get_int(body, "failed", &failed);
    if (failed < 0 && count(x, 0) == 1)
        failed = 0;
    for (uint32_t i = x->from; i < x->to && failed >= 0; i++)
        if (!x->batch->all[i].dropped && failed-- == 0)
            return &x->batch->all[i];
    return NULL;
}

/* An event that the store knows from elsewhere is not put again: its stream is not at the version.
 */
static int check_versions(struct range *x, const struct call *c)
{
    struct batch *b = x->batch;
    struct aiex_value v;
    int r = 0;

    if (aiex_get((struct aiex_slice){c->body, c->body_len}, "appends", &v) != 1 ||
        v.type != AIEX_T_ARRAY)
        return 0;
    for (uint32_t i = x->from; i < x->to && r == 0; i++) {
        struct planned *p = &b->all[i];
        struct aiex_slice one = v.bytes;
        int64_t version = 0;

        if (p->dropped || !p->is_event || aiex_r_skip(&v.bytes) != 0)
            continue;
        one.len -= v.bytes.len;
        if (aiex_get_int(one, "version", &version) == 1 && version != p->version)
            r = drop(b, p);
    }
    return r;
}

static int send_range(struct range *x);

static int halve(const struct range *x)
{
    uint32_t middle = x->from + (x->to - x->from) / 2;
    struct range half = {.batch = x->batch, .from = x->from, .to = middle};
    int r = send_range(&half);

    half.from = middle;
    half.to = x->to;
    return r ? r : send_range(&half);
}

static int send_range(struct range *x)
{
    struct batch *b = x->batch;
    int r = 0;

    while (r == 0 && count(x, 0)) {
        struct planned *p = NULL;
        struct call c = {0};

        snprintf(x->id, sizeof(x->id), "cp-%s-%llu", b->nonce, (unsigned long long)b->number++);
        r = ask(b->job, &c, b->job->s->config->store, "store.transact", write_transact, x);
        if (r == 0) {
            r = check_versions(x, &c);
            call_done(&c);
            return r;
        }
        if (r == -EREMOTEIO && strcmp(c.code, AIEX_E_CONFLICT) == 0) {
            p = refused_one(x, &c);
            r = p ? drop(b, p) : 1;
        } else if (r == -EREMOTEIO)
            r = job_refused_by(b->job, &c, "the changes can not be written");
        call_done(&c);
    }
    return r == 1 ? halve(x) : r < 0 ? job_errno(b->job, r, "the changes can not be written") : 0;
}

int batch_flush(struct batch *b)
{
    struct range all = {.batch = b, .from = 0, .to = b->n};
    int r = b->dry || !b->n ? 0 : send_range(&all);

    for (uint32_t i = 0; i < b->n && r == 0; i++)
        if (!b->all[i].dropped && b->all[i].change != REPLAYED)
            r = tell(b, &b->all[i], (enum change)b->all[i].change, NULL);
    b->n = 0;
    b->len = 0;
    return r;
}

/* ---- What is gathered ---- */

static int room(struct batch *b, size_t n)
{
    size_t size = b->size ? b->size : 64u << 10;
    uint8_t *mem;

    while (size < b->len + n)
        size *= 2;
    if (size == b->size)
        return 0;
    mem = realloc(b->mem, size);
    if (!mem)
        return job_errno(b->job, -ENOMEM, "the changes");
    b->mem = mem;
    b->size = size;
    return 0;
}

/* Begins one of at most `n` bytes; told. */
static int begin(struct batch *b, int is_event, struct aiex_slice key, size_t n,
                 struct planned **ret)
{
    int r = 0;

    if (b->n && (b->n == MAX_CHANGES || b->len + n > MAX_BYTES || b->all[0].is_event != is_event))
        r = batch_flush(b);
    r = r ? r : room(b, n + key.len);
    if (r < 0)
        return r;
    *ret = &b->all[b->n];
    memset(*ret, 0, sizeof(**ret));
    (*ret)->is_event = is_event;
    (*ret)->key_at = b->len;
    (*ret)->key_len = key.len;
    memcpy(b->mem + b->len, key.data, key.len);
    b->len += key.len;
    (*ret)->begin = b->len;
    return 0;
}

static int end(struct batch *b, struct planned *p, const struct aiex_writer *w)
{
    if (w->failed)
        return job_fail(b->job, AIEX_E_INTERNAL, "a change is longer than it should be");
    p->len = w->len;
    b->len += w->len;
    b->n++;
    return 0;
}

int batch_row(struct batch *b, const char *table, struct aiex_slice key, struct aiex_slice value,
              int64_t expires, int64_t version)
{
    size_t n = key.len + value.len + MAX_TABLE + 128;
    struct aiex_writer w;
    struct planned *p = NULL;
    int64_t ttl = expires ? expires - wall_ms() : 0;
    int r = begin(b, 0, key, n, &p);

    if (r < 0)
        return r;
    snprintf(p->part, sizeof(p->part), "table:%s", table);
    snprintf(p->table, sizeof(p->table), "%s", table);
    p->version = version;
    p->change = !value.data ? REMOVED : version ? CHANGED : ADDED;
    aiex_writer_init(&w, b->mem + b->len, n);
    aiex_w_map(&w, 3 + (value.data != NULL) + (expires != 0 && value.data));
    aiex_w_key_str(&w, "op", value.data ? "put" : "delete");
    aiex_w_key_str(&w, "table", table);
    aiex_w_key_bin(&w, "key", key.data, key.len);
    if (value.data)
        aiex_w_key_bin(&w, "value", value.data, value.len);
    if (value.data && expires)
        aiex_w_key_int(&w, "ttl_ms", ttl > 0 ? ttl : 1);
    return end(b, p, &w);
}

int batch_event(struct batch *b, struct aiex_slice stream, int64_t expected,
                struct aiex_slice event, int marks)
{
    size_t n = stream.len + event.len + 128;
    struct aiex_writer w;
    struct planned *p = NULL;
    int r = begin(b, 1, stream, n, &p);

    if (r < 0)
        return r;
    stream_part(stream, p->part);
    p->version = expected + 1;
    p->change = marks ? MARKED : (int)REPLAYED;
    aiex_writer_init(&w, b->mem + b->len, n);
    aiex_w_map(&w, 4);
    aiex_w_key_str(&w, "op", "append");
    aiex_w_key_strn(&w, "stream", (const char *)stream.data, stream.len);
    aiex_w_key_int(&w, "expected", expected);
    aiex_w_str(&w, "events");
    aiex_w_array(&w, 1);
    aiex_w_raw(&w, event.data, event.len);
    return end(b, p, &w);
}

/* methods.c - requests become jobs of the threads, finished jobs become answers; on the loop. */
#include "cold.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- Jobs ---- */

static void open_add(struct cold *c, struct job *j)
{
    j->open_older = c->open;
    if (c->open)
        c->open->open_newer = j;
    c->open = j;
    c->n_open++;
    c->open_bytes += j->cost;
}

static void open_take(struct cold *c, struct job *j)
{
    *(j->open_newer ? &j->open_newer->open_older : &c->open) = j->open_older;
    if (j->open_older)
        j->open_older->open_newer = j->open_newer;
    c->n_open--;
    c->open_bytes -= j->cost;
}

/* A copy of the request; NULL: busy was answered. `extra` are bytes of its answer. */
static struct job *job_new(struct cold *c, const struct aiex_message *m, int kind,
                           const struct aiex_cache_put *p, size_t extra)
{
    size_t len = p->key.len + p->meta.len + p->value.len, cost = len + extra;
    struct job *j = NULL;
    uint8_t *at;

    if (c->n_open < MAX_OPEN && (!c->n_open || cost <= MAX_OPEN_BYTES - c->open_bytes))
        j = calloc(1, sizeof(*j) + len);
    if (!j) {
        if (m->id)
            c->host->fail(c->host, m->id, AIEX_E_BUSY,
                          "too many requests wait for the disk; ask again later", 50,
                          (struct aiex_slice){NULL, 0});
        return NULL;
    }
    j->kind = kind;
    j->id = m->id;
    j->cost = cost;
    j->wall_ms = wall_ms(c->host);
    j->now_ms = c->host->now_ms(c->host);
    j->put = *p;
    at = j->bytes;
    memcpy(at, p->key.data, p->key.len);
    j->put.key.data = at;
    at += p->key.len;
    if (p->meta.len)
        memcpy(at, p->meta.data, p->meta.len);
    j->put.meta.data = at;
    at += p->meta.len;
    if (p->value.len)
        memcpy(at, p->value.data, p->value.len);
    j->put.value.data = at;
    open_add(c, j);
    return j;
}

static int refuse(const struct cold *c, const struct aiex_message *m, const struct aiex_error *err)
{
    return aiex_refuse(c->host, m->id, AIEX_E_INVALID, "%s", err->text);
}

static void copy_reason(struct cold *c, char out[300])
{
    pthread_mutex_lock(&c->lock);
    snprintf(out, 300, "%s", c->reason);
    pthread_mutex_unlock(&c->lock);
}

static int refuse_write(struct cold *c, uint64_t id)
{
    char why[300];

    copy_reason(c, why);
    return aiex_refuse(c->host, id, AIEX_E_READ_ONLY, "%s", why[0] ? why : "the disk failed");
}

/* 1 when the request was dealt with: it waits, or was refused. */
static int not_open(struct cold *c, const struct aiex_message *m, int *ret)
{
    int state = atomic_load(&c->state);
    char why[300];

    if (state != OPENING && !c->replaying)
        waiting_run(c); /* what came before goes before */
    if (state == OPEN)
        return 0;
    if (state == OPENING) {
        *ret = wait_for_opening(c, m);
        return 1;
    }
    copy_reason(c, why);
    *ret = aiex_refuse(c->host, m->id, AIEX_E_UNAVAILABLE, "%s", why);
    return 1;
}

/* ---- Requests ---- */

struct found {
    struct where where;
    uint32_t uses;
    uint64_t expires_ms;
};

static void take_place(void *arg, const struct aiex_cache_view *e)
{
    struct found *f = arg;

    memcpy(&f->where, e->value.data, sizeof(f->where));
    f->uses = e->uses;
    f->expires_ms = e->expires_ms;
}

static int on_get(void *self, const struct aiex_message *m)
{
    struct cold *c = self;
    uint64_t now = c->host->now_ms(c->host);
    struct aiex_cache_put p = {0};
    struct aiex_error err = {""};
    struct found f;
    struct job *j;
    int touch, r;

    if (aiex_tier_read_key(m->body, &p.key, &touch, &err) < 0)
        return refuse(c, m, &err);
    if (not_open(c, m, &r))
        return r;
    if (!aiex_cache_get(c->index, p.key, touch ? AIEX_CACHE_TOUCH : 0, now, take_place, &f))
        return aiex_tier_reply_found(c->host, m->id, 0);
    p.ttl_ms = f.expires_ms ? f.expires_ms - now : 0;
    j = job_new(c, m, JOB_GET, &p, f.where.value_len);
    if (!j)
        return 0;
    j->where = f.where;
    j->uses = f.uses;
    j->found = 1;
    job_send(&c->reader, j);
    return 0;
}

static int on_put(void *self, const struct aiex_message *m)
{
    struct cold *c = self;
    struct aiex_cache_put p;
    struct aiex_error err = {""};
    struct job *j;
    int r;

    if (aiex_tier_read_put(m->body, &p, &err) < 0)
        return refuse(c, m, &err);
    if (not_open(c, m, &r))
        return r;
    if (atomic_load(&c->read_only))
        return refuse_write(c, m->id);
    j = job_new(c, m, JOB_PUT, &p, 0);
    if (j)
        job_send(&c->writer, j);
    return 0;
}

static int on_delete(void *self, const struct aiex_message *m)
{
    struct cold *c = self;
    struct aiex_cache_put p = {0};
    struct aiex_error err = {""};
    struct job *j;
    int r;

    if (aiex_tier_read_key(m->body, &p.key, NULL, &err) < 0)
        return refuse(c, m, &err);
    if (not_open(c, m, &r))
        return r;
    if (atomic_load(&c->read_only))
        return refuse_write(c, m->id);
    j = job_new(c, m, JOB_DELETE, &p, 0);
    if (j)
        job_send(&c->writer, j);
    return 0;
}

/* Bytes of candidates are those on the disk. */
static void take_size(void *arg, const struct aiex_cache_view *e)
{
    struct where w;

    memcpy(&w, e->value.data, sizeof(w));
    ((struct aiex_cache_candidate *)arg)->bytes = (size_t)w.bytes;
}

static int on_candidates(void *self, const struct aiex_message *m)
{
    struct cold *c = self;
    uint64_t now = c->host->now_ms(c->host);
    struct aiex_cache_candidate *list;
    struct aiex_error err = {""};
    size_t limit, n;
    int direction, r;

    if (aiex_tier_read_candidates(m->body, &direction, &limit, &err) < 0)
        return refuse(c, m, &err);
    if (not_open(c, m, &r))
        return r;
    r = aiex_cache_candidates(c->index, direction, limit, now, &list, &n);
    if (r < 0)
        return aiex_refuse(c->host, m->id, AIEX_E_BUSY, "no memory for %zu candidates", limit);
    for (size_t i = 0; i < n; i++)
        aiex_cache_get(c->index, list[i].key, 0, now, take_size, &list[i]);
    r = aiex_tier_reply_candidates(c->host, m->id, list, n, now);
    free(list);
    return r;
}

/* What is on the disk costs no memory, and the index must stay: only what the allocator keeps. */
static int on_shrink(void *self, const struct aiex_message *m)
{
    struct cold *c = self;
    struct aiex_error err = {""};
    size_t bytes;

    if (aiex_tier_read_shrink(m->body, &bytes, &err) < 0)
        return refuse(c, m, &err);
    malloc_trim(0);
    return aiex_tier_reply_shrink(c->host, m->id, 0, atomic_load(&c->disk_bytes));
}

/* ---- Numbers ---- */

#define N_EXTRA 8

static uint64_t live_bytes(struct cold *c, unsigned *ret_segments)
{
    uint64_t live = 0;

    pthread_mutex_lock(&c->lock);
    *ret_segments = c->n_segments;
    for (unsigned i = 0; i < c->n_segments; i++)
        live += atomic_load(&c->segments[i]->live);
    pthread_mutex_unlock(&c->lock);
    return live;
}

static void read_stats(struct cold *c, struct aiex_tier_stats *ret,
                       struct aiex_tier_extra extra[N_EXTRA + 1])
{
    struct aiex_cache_stats s;
    unsigned segments;
    uint64_t live = live_bytes(c, &segments);

    aiex_cache_stats(c->index, &s);
    *ret = (struct aiex_tier_stats){.level = "cold",
                                    .entries = s.entries,
                                    .bytes = atomic_load(&c->disk_bytes),
                                    .max_bytes = atomic_load(&c->max_bytes),
                                    .hits = s.hits,
                                    .misses = s.misses,
                                    .puts = c->puts,
                                    .evictions = atomic_load(&c->evicted),
                                    .expired = s.expired,
                                    .extra = extra};
    const struct aiex_tier_extra all[N_EXTRA + 1] = {
        {"live_bytes", "aiex_tier_live_bytes", "gauge", "Bytes on disk that entries need.", live},
        {"segments", "aiex_tier_segments", "gauge", "Files.", segments},
        {"index_bytes", "aiex_tier_index_bytes", "gauge", "Memory of the index.", s.bytes},
        {"damaged", "aiex_tier_damaged_total", "counter", "Damages that were found.",
         atomic_load(&c->damaged)},
        {"read_only", "aiex_tier_read_only", "gauge", "1 while the disk takes no writes.",
         (uint64_t)atomic_load(&c->read_only)},
        {"packed_from", "aiex_tier_packed_from_bytes_total", "counter",
         "Bytes of values that were put.", atomic_load(&c->raw_bytes)},
        {"packed_to", "aiex_tier_packed_to_bytes_total", "counter", "The same on the disk.",
         atomic_load(&c->packed_bytes)},
        {"dictionary", NULL, NULL, NULL, (uint64_t)(atomic_load(&c->current) >= 0)},
        {0}};

    memcpy(extra, all, sizeof(all));
}

static int on_stats(void *self, const struct aiex_message *m)
{
    struct cold *c = self;
    struct aiex_tier_extra extra[N_EXTRA + 1];
    struct aiex_tier_stats s;

    read_stats(c, &s, extra);
    return aiex_tier_reply_stats(c->host, m->id, &s);
}

static int on_metrics(void *self, const struct aiex_message *m)
{
    struct cold *c = self;
    struct aiex_tier_extra extra[N_EXTRA + 1];
    struct aiex_tier_stats s;

    read_stats(c, &s, extra);
    return aiex_tier_reply_metrics(c->host, m->id, &s);
}

static int on_health(void *self, const struct aiex_message *m)
{
    struct cold *c = self;
    int state = atomic_load(&c->state);
    char why[300];

    pthread_mutex_lock(&c->lock);
    snprintf(why, sizeof(why), "%s",
             state == OPENING      ? "the store is being opened"
             : c->reason[0]        ? c->reason
             : c->findings.text[0] ? c->findings.text
                                   : "entries are on the disk");
    pthread_mutex_unlock(&c->lock);
    return aiex_reply_health(c->host, m->id, state == OPEN && !atomic_load(&c->read_only), why);
}

static const struct aiex_method methods[] = {
    {"tier.get", on_get},
    {"tier.put", on_put},
    {"tier.delete", on_delete},
    {"tier.candidates", on_candidates},
    {"tier.shrink", on_shrink},
    {"tier.stats", on_stats},
    {"tier.metrics", on_metrics},
    {"tier.health", on_health},
    {"service.health", on_health},
    {"service.metrics", on_metrics},
    {0},
};

static void cancel(struct cold *c, uint64_t id)
{
    waiting_cancel(c, id);
    for (struct job *j = c->open; j; j = j->open_older)
        if (j->id == id) {
            j->id = 0;
            return;
        }
}

int cold_handle(struct cold *c, const struct aiex_message *m)
{
    if (m->kind == AIEX_MSG_REQUEST || m->kind == AIEX_MSG_CAST)
        return aiex_dispatch(methods, c, m);
    if (m->kind == AIEX_MSG_CANCEL)
        cancel(c, m->id);
    return 0;
}

/* ---- Answers ---- */

static void answer_error(struct cold *c, const struct job *j)
{
    if (j->error == -EROFS)
        refuse_write(c, j->id);
    else if (j->error == -EEXIST)
        aiex_refuse(c->host, j->id, AIEX_E_CONFLICT, "the key is there already");
    else if (j->error == -EFBIG)
        aiex_refuse(c->host, j->id, AIEX_E_BUSY,
                    "a value of %zu bytes does not fit: max_bytes is %llu", j->put.value.len,
                    (unsigned long long)atomic_load(&c->max_bytes));
    else if (j->error == -ENOMEM)
        aiex_refuse(c->host, j->id, AIEX_E_BUSY, "no memory for the entry; ask again later");
    else
        aiex_refuse(c->host, j->id, AIEX_E_INTERNAL, "%s",
                    j->text[0] ? j->text : strerror(-j->error));
}

/* The disk may have taken longer than the entry had left. */
static int is_over(const struct cold *c, const struct job *j)
{
    return j->put.ttl_ms && c->host->now_ms(c->host) - j->now_ms >= j->put.ttl_ms;
}

static void answer(struct cold *c, const struct job *j)
{
    c->puts += j->kind == JOB_PUT && j->error == 0;
    if (!j->id)
        return;
    if (j->error < 0)
        answer_error(c, j);
    else if (j->kind == JOB_PUT)
        aiex_tier_reply_put(c->host, j->id, j->evicted, atomic_load(&c->disk_bytes));
    else if (j->kind == JOB_DELETE || !j->found)
        aiex_tier_reply_found(c->host, j->id, j->found);
    else if (is_over(c, j))
        aiex_tier_reply_found(c->host, j->id, 0);
    else
        c->host->reply(c->host, j->id, j->body);
}

void answer_done(void *cold)
{
    struct cold *c = cold;
    struct job *j;

    pthread_mutex_lock(&c->lock);
    j = c->done;
    c->done = NULL;
    c->done_end = &c->done;
    c->posted = 0;
    pthread_mutex_unlock(&c->lock);
    while (j) {
        struct job *next = j->next;

        open_take(c, j);
        answer(c, j);
        free((void *)(uintptr_t)j->body.data);
        free(j);
        j = next;
    }
    waiting_run(c);
    drained_if_idle(c);
}

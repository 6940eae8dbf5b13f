/*
 * write.c - the writer: what has gathered while it was busy is one batch with one fdatasync(2).
 *
 * A batch is appended, synced, entered into the index and answered, in this order. A record that
 * the disk does not take (ENOSPC) fails alone. When the sync fails, nothing of the batch counts:
 * the file is cut back and never used again for writing, since its pages may be marked clean and be
 * lost.
 */
#include "cold.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define BATCH       256
#define BATCH_BYTES (8u << 20)

/* ---- Appending ---- */

static uint64_t segment_size(const struct cold *c)
{
    uint64_t n = atomic_load(&c->max_bytes) / 32;

    return n < 131072 ? 131072 : n > 256u << 20 ? 256u << 20 : n;
}

static int roll(struct cold *c, uint64_t bytes)
{
    struct segment *s = segment_newest(c);

    if (s && !c->sync_failed &&
        (s->log.end + bytes <= segment_size(c) || s->log.end < 2 * RECORD_HEAD))
        return 0;
    if (s && !c->sync_failed && aiex_rlog_sync(&s->log) != 0) {
        c->sync_failed = c->batch_failed = 1;
        return -EIO;
    }
    if (segment_new(c) != 0)
        return -ENOSPC;
    c->sync_failed = 0;
    return 0;
}

/* One record with its head. */
static int add(struct cold *c, struct record *r, struct aiex_slice data, uint64_t *ret_offset)
{
    struct segment *s = segment_newest(c);
    uint8_t head[RECORD_HEAD];
    struct aiex_slice pieces[] = {{head, sizeof(head)}, r->key, r->meta, data};
    int e;

    r->recall = c->recall;
    r->recall.number++;
    record_head(r, head);
    e = aiex_rlog_add(&s->log, pieces, 4, ret_offset, NULL);
    if (e < 0)
        return e;
    recall_add(&c->recall, r->kind == RECORD_PUT || r->kind == RECORD_DELETE ? key_sum(r->key) : 0);
    atomic_fetch_add(&c->disk_bytes, s->log.end - s->size);
    s->size = s->log.end;
    return 0;
}

/* What was added since goes again. */
static void undo(struct cold *c, struct segment *s, uint64_t end, const struct recall *recall)
{
    if (ftruncate(s->log.fd, (off_t)end) != 0)
        c->sync_failed = 1; /* a new file: what is too much is at the end of the old one */
    atomic_fetch_sub(&c->disk_bytes, s->size - end);
    s->size = s->log.end = end;
    c->recall = *recall;
}

static int add_pieces(struct cold *c, struct record *r, struct aiex_slice data)
{
    struct record piece = {.kind = RECORD_PIECE};

    for (size_t at = 0; at < data.len; at += PIECE, r->pieces++) {
        size_t n = data.len - at < PIECE ? data.len - at : PIECE;
        uint64_t offset;
        int e = add(c, &piece, (struct aiex_slice){data.data + at, n}, &offset);

        if (e < 0)
            return e;
        if (at == 0)
            r->first_piece = offset;
    }
    return 0;
}

int append(struct cold *c, struct record *r, struct aiex_slice data, struct where *ret)
{
    uint64_t n_pieces = data.len > PIECE ? (data.len + PIECE - 1) / PIECE : 0;
    uint64_t bytes = (n_pieces + 1) * (RECORD_HEAD + AIEX_RLOG_FRAME) + r->key.len + r->meta.len +
                     data.len;
    struct recall before;
    struct segment *s;
    uint64_t begin, offset = 0;
    int e = roll(c, bytes);

    if (e < 0)
        return e;
    s = segment_newest(c);
    before = c->recall;
    begin = s->log.end;
    r->packed_len = (uint32_t)data.len;
    r->pieces = 0;
    e = n_pieces ? add_pieces(c, r, data) : 0;
    if (e == 0)
        e = add(c, r, n_pieces ? (struct aiex_slice){NULL, 0} : data, &offset);
    if (e < 0) {
        undo(c, s, begin, &before);
        return e;
    }
    if (ret)
        *ret = (struct where){.segment = s->number,
                              .offset = offset,
                              .bytes = s->log.end - begin,
                              .uses_then = r->uses,
                              .sum = key_sum(r->key),
                              .value_len = r->value_len};
    return 0;
}

/* ---- A full disk ---- */

void set_read_only(struct cold *c, int error)
{
    int before = atomic_exchange(&c->read_only, error != 0);

    pthread_mutex_lock(&c->lock);
    if (error)
        snprintf(c->reason, sizeof(c->reason), "%s takes no more: %s; only reading until it does",
                 c->host->data_dir, strerror(-error));
    else
        c->reason[0] = 0;
    pthread_mutex_unlock(&c->lock);
    if (error && !before)
        aiex_logf(c->host, AIEX_LOG_ERROR, 0, "%s", c->reason);
    else if (!error && before)
        aiex_logf(c->host, AIEX_LOG_NOTICE, 0, "%s takes writes again", c->host->data_dir);
}

/* Is there room again? Something is written and synced: other answers are guesses. */
static void probe(struct cold *c)
{
    static const uint8_t zeros[4096];
    struct record r = {.kind = RECORD_NOTHING};

    if (append(c, &r, (struct aiex_slice){zeros, sizeof(zeros)}, NULL) != 0)
        return;
    if (aiex_rlog_sync(&segment_newest(c)->log) != 0) {
        c->sync_failed = 1;
        return;
    }
    mark_write(c);
    set_read_only(c, 0);
}

/* ---- A batch ---- */

static int is_pending(const struct job *first, const struct job *until)
{
    int there = -1;

    for (const struct job *j = first; j != until; j = j->next)
        if (j->error == 0 && j->put.key.len == until->put.key.len &&
            memcmp(j->put.key.data, until->put.key.data, j->put.key.len) == 0)
            there = j->kind == JOB_PUT;
    return there; /* -1 = this batch has not touched the key */
}

static int is_there(struct cold *c, const struct job *first, const struct job *j)
{
    int pending = is_pending(first, j);

    return pending >= 0
               ? pending
               : aiex_cache_get(c->index, j->put.key, 0, c->host->now_ms(c->host), NULL, NULL);
}

static void take_uses(void *arg, const struct aiex_cache_view *e)
{
    uint32_t *uses = arg;

    if (*uses < e->uses)
        *uses = e->uses;
}

static int write_put(struct cold *c, struct job *j)
{
    uint64_t wall = j->wall_ms, evicted = atomic_load(&c->evicted);
    struct record r = {.kind = RECORD_PUT,
                       .uses = j->put.uses,
                       .key = j->put.key,
                       .meta = j->put.meta,
                       .value_len = (uint32_t)j->put.value.len,
                       .created = wall};
    struct aiex_slice data = j->put.value;
    uint8_t *packed;
    size_t len;
    int slot, e;

    aiex_cache_get(c->index, j->put.key, 0, j->now_ms, take_uses, &r.uses);
    if (j->put.ttl_ms)
        r.expires = j->put.ttl_ms > INT64_MAX - wall ? INT64_MAX : wall + j->put.ttl_ms;
    e = pack(c, data, &packed, &len, &slot);
    if (e < 0)
        return e;
    if (packed) {
        r.flags = RECORD_PACKED;
        r.dict = slot >= 0 ? c->dicts[slot].id : 0;
        data = (struct aiex_slice){packed, len};
    }
    e = make_room(c, data.len + data.len / 512 + 4096);
    if (e == 0)
        e = append(c, &r, data, &j->where);
    if (e == 0 && slot >= 0)
        segment_newest(c)->dicts |= 1u << slot;
    if (e == 0 && !c->batch_first)
        c->batch_first = j->where.segment;
    if (e == 0) {
        atomic_fetch_add(&c->raw_bytes, j->put.value.len);
        atomic_fetch_add(&c->packed_bytes, data.len);
    }
    j->evicted = atomic_load(&c->evicted) - evicted;
    free(packed);
    return e;
}

static void write_job(struct cold *c, struct job *first, struct job *j)
{
    struct record r = {.kind = RECORD_DELETE, .key = j->put.key};

    if (atomic_load(&c->read_only)) {
        j->error = -EROFS;
    } else if (j->kind == JOB_DELETE) {
        j->found = is_there(c, first, j);
        j->error = make_room(c, 4096);
        if (j->error == 0)
            j->error = append(c, &r, (struct aiex_slice){NULL, 0}, &j->where);
        if (j->error == 0 && !c->batch_first)
            c->batch_first = j->where.segment;
    } else if (j->put.if_absent && is_there(c, first, j)) {
        j->error = -EEXIST;
    } else {
        j->error = write_put(c, j);
    }
    if (j->error == -ENOSPC || j->error == -EIO || j->error == -EDQUOT) {
        set_read_only(c, j->error);
        j->error = -EROFS;
    }
}

static int enter_put(struct cold *c, struct job *j, uint64_t now)
{
    uint64_t took = now - j->now_ms, evicted = atomic_load(&c->evicted);
    struct aiex_cache_put p = {.key = j->put.key,
                               .value = {(const uint8_t *)&j->where, sizeof(j->where)},
                               .ttl_ms = j->put.ttl_ms ? j->put.ttl_ms - took : 0,
                               .age_ms = took,
                               .uses = j->put.uses};
    int e;

    if (j->put.ttl_ms && j->put.ttl_ms <= took) { /* over before it was written */
        aiex_cache_delete(c->index, j->put.key, now);
        return 0;
    }
    e = aiex_cache_put(c->index, &p, now, NULL);
    if (e < 0) { /* it is on disk, but can not be found: no version may be */
        aiex_cache_delete(c->index, j->put.key, now);
        return -ENOMEM;
    }
    segment_live(c, j->where.segment, (int64_t)j->where.bytes);
    j->evicted += atomic_load(&c->evicted) - evicted;
    return 0;
}

/* On disk: from now on gets see it. */
static void enter(struct cold *c, struct job *j)
{
    uint64_t now = c->host->now_ms(c->host);

    if (j->error != 0)
        return;
    if (j->kind == JOB_DELETE)
        aiex_cache_delete(c->index, j->put.key, now);
    else
        j->error = enter_put(c, j, now);
}

/* The first appended record of the batch stood here. */
struct before {
    uint64_t segment, end; /* number; 0 = there was none */
    struct recall recall;
};

static int commit(struct cold *c, const struct before *b)
{
    struct segment *s = segment_newest(c);
    int e = c->batch_failed ? -EIO : 0;

    c->batch_failed = 0;
    if (!s || (s->number == b->segment && s->log.end == b->end))
        return 0; /* nothing was written */
    if (e == 0)
        e = aiex_rlog_sync(&s->log); /* never a second time after it failed */
    if (e == 0) {
        mark_write(c);
        return 0;
    }
    if (s->number == b->segment && !c->batch_copied)
        undo(c, s, b->end, &b->recall);
    mark_write(c); /* cleaning may have told more */
    c->sync_failed = 1;
    set_read_only(c, e);
    return -EROFS;
}

static void run_batch(struct cold *c, struct job *first)
{
    struct segment *s = segment_newest(c);
    struct before b = {s ? s->number : 0, s ? s->log.end : 0, c->recall};
    int e;

    c->batch_failed = c->batch_copied = 0;
    for (struct job *j = first; j; j = j->next)
        write_job(c, first, j);
    e = commit(c, &b);
    for (struct job *j = first; j; j = j->next) {
        if (e < 0 && j->error == 0)
            j->error = e;
        enter(c, j);
        if (j->error == 0 && j->kind == JOB_PUT)
            sample(c, j->put.value);
    }
    c->batch_first = 0;
}

/* ---- The thread ---- */

/* Up to BATCH jobs, and no more than a small part of the store. With the lock held. */
static struct job *take_batch(struct worker *w)
{
    uint64_t most = atomic_load(&w->cold->max_bytes) / 32;
    struct job *first = w->jobs.first, *last = first;
    size_t bytes = first ? first->cost : 0;

    for (int n = 1; last && last->next && n < BATCH; n++, last = last->next) {
        bytes += last->next->cost;
        if (bytes > BATCH_BYTES || bytes > most)
            break;
    }
    if (last) {
        w->jobs.first = last->next;
        last->next = NULL;
    }
    return first;
}

static void wait_a_while(struct worker *w)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += PROBE_MS * 1000000l;
    t.tv_sec += t.tv_nsec / 1000000000l;
    t.tv_nsec %= 1000000000l;
    pthread_cond_timedwait(&w->wake, &w->cold->lock, &t);
}

static void adopt(struct cold *c, struct aiex_slice bytes)
{
    int r = dict_adopt(c, bytes);

    if (r == 0)
        aiex_logf(c->host, AIEX_LOG_INFO, 0, "a dictionary of %zu bytes for small values",
                  bytes.len);
    free((void *)(uintptr_t)bytes.data);
}

/* Until it is open or has to stop. With the lock held. */
static void open_it(struct worker *w)
{
    struct cold *c = w->cold;
    struct aiex_error err = {""};

    while (!c->stop && atomic_load(&c->state) != OPEN) {
        int r;

        pthread_mutex_unlock(&c->lock);
        r = store_open(c, &err);
        if (r < 0 && r != -EAGAIN && atomic_load(&c->state) == OPENING)
            aiex_logf(c->host, AIEX_LOG_ERROR, 0, "%s; trying again", err.text);
        pthread_mutex_lock(&c->lock);
        if (r < 0 && r != -EAGAIN)
            snprintf(c->reason, sizeof(c->reason), "%s", err.text);
        if (r == 0 || r != -EAGAIN) {
            atomic_store(&c->state, r == 0 ? OPEN : FAILED);
            if (!c->posted)
                c->posted = c->host->post(c->host, answer_done, c) == 0;
        }
        if (r < 0 && !c->stop)
            wait_a_while(w);
    }
}

/* With the lock held; without it meanwhile. 1 = there is more to do than to wait. */
static int turn(struct worker *w)
{
    struct cold *c = w->cold;
    struct job *batch = take_batch(w);
    struct aiex_slice trained = c->trained;
    int more;

    c->trained = (struct aiex_slice){NULL, 0};
    pthread_mutex_unlock(&c->lock);
    if (batch) {
        run_batch(c, batch);
        jobs_done(c, batch);
    }
    if (trained.data)
        adopt(c, trained);
    if (atomic_load(&c->read_only))
        probe(c);
    more = clean(c);
    pthread_mutex_lock(&c->lock);
    return more || w->jobs.first || c->trained.data;
}

void *writer_main(void *worker)
{
    struct worker *w = worker;
    struct cold *c = w->cold;

    pthread_mutex_lock(&c->lock);
    open_it(w);
    while (!c->stop) {
        if (turn(w) || c->stop)
            continue;
        if (atomic_load(&c->read_only))
            wait_a_while(w);
        else
            pthread_cond_wait(&w->wake, &c->lock);
    }
    pthread_mutex_unlock(&c->lock);
    clean_stop(c);
    return NULL;
}

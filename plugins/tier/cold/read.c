/*
 * read.c - one entry from the disk, on the reader's thread.
 *
 * The record's checksum covers every byte and its place; key and lengths are compared with what the
 * index says on top of it. What does not agree is told with its place and is not in the index any
 * more; no byte of it is returned.
 */
#include "cold.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int gather(const struct segment *s, const struct record *r, uint8_t **ret_mem)
{
    uint64_t at = r->first_piece;
    uint8_t *whole = malloc(r->packed_len ? r->packed_len : 1);
    size_t n = 0;
    int e = whole ? 0 : -ENOMEM;

    for (unsigned i = 0; i < r->pieces && e == 0; i++) {
        struct aiex_rlog_item item;
        struct record piece;
        uint8_t *mem;

        e = aiex_rlog_get(&s->log, at, &mem, &item);
        if (e < 0)
            break;
        if (record_parse(item.body, &piece) < 0 || piece.kind != RECORD_PIECE ||
            piece.data.len > r->packed_len - n)
            e = -EBADMSG;
        else
            memcpy(whole + n, piece.data.data, piece.data.len);
        n += e == 0 ? piece.data.len : 0;
        at = item.offset + item.bytes;
        free(mem);
    }
    if (e == 0 && n != r->packed_len)
        e = -EBADMSG;
    if (e < 0)
        free(whole);
    else
        *ret_mem = whole;
    return e;
}

/* The answer, from a record whose checksum held. */
static int answer(struct cold *c, const struct segment *s, const struct record *r, struct job *j)
{
    uint64_t wall = wall_ms(c->host);
    struct aiex_tier_value v = {.meta = r->meta,
                                .uses = j->uses,
                                .age_ms = wall > r->created ? wall - r->created : 0,
                                .ttl_ms = j->put.ttl_ms};
    struct aiex_slice packed = r->data;
    uint8_t *at, *whole = NULL;
    int e = 0;

    if (r->pieces) {
        e = gather(s, r, &whole);
        packed = (struct aiex_slice){whole, r->packed_len};
    }
    if (e == 0)
        e = aiex_tier_write_value(&v, r->value_len, &at, &j->body);
    if (e == 0 && (r->flags & RECORD_PACKED))
        e = unpack(c, r->dict, packed, at, r->value_len);
    else if (e == 0 && packed.len != r->value_len)
        e = -EBADMSG;
    else if (e == 0 && packed.len)
        memcpy(at, packed.data, packed.len);
    free(whole);
    return e;
}

static int read_at(struct cold *c, const struct segment *s, struct job *j)
{
    struct aiex_rlog_item item;
    struct record r;
    uint8_t *mem;
    int e = aiex_rlog_get(&s->log, j->where.offset, &mem, &item);

    if (e < 0)
        return e;
    if (record_parse(item.body, &r) < 0 || r.kind != RECORD_PUT || r.key.len != j->put.key.len ||
        memcmp(r.key.data, j->put.key.data, r.key.len) != 0)
        e = -EBADMSG;
    else
        e = answer(c, s, &r, j);
    free(mem);
    return e;
}

struct look {
    struct where where;
    int same; /* as the job has it */
};

static void look(void *arg, const struct aiex_cache_view *e)
{
    struct look *l = arg;
    struct where w;

    memcpy(&w, e->value.data, sizeof(w));
    l->same = w.segment == l->where.segment && w.offset == l->where.offset;
    l->where = w;
}

/* Told once, with where; the key is not there any more. */
static void damaged(struct cold *c, struct job *j, int error)
{
    char path[512];

    segment_path(c, j->where.segment, path);
    snprintf(j->text, sizeof(j->text), "segment %llu is damaged at %llu: %s",
             (unsigned long long)j->where.segment, (unsigned long long)j->where.offset,
             error == -ENOENT ? "its dictionary is lost" : strerror(-error));
    damage(c, "%s is damaged at %llu (%s): the entry is lost", path,
           (unsigned long long)j->where.offset, strerror(-error));
    aiex_cache_delete(c->index, j->put.key, c->host->now_ms(c->host));
}

/* Cleaning may have moved the entry meanwhile: then it is read where it is now. */
static void run(struct cold *c, struct job *j)
{
    for (int tries = 0; tries < 8; tries++) {
        struct segment *s = segment_ref(c, j->where.segment);
        struct look l = {.where = j->where};

        j->error = s ? read_at(c, s, j) : -ENOENT;
        segment_unref(s);
        if (j->error == 0 || j->error == -ENOMEM)
            return;
        free((void *)(uintptr_t)j->body.data);
        j->body = (struct aiex_slice){NULL, 0};
        if (aiex_cache_get(c->index, j->put.key, 0, c->host->now_ms(c->host), look, &l) == 0) {
            j->found = 0; /* gone meanwhile */
            j->error = 0;
            return;
        }
        if (l.same && s) {
            damaged(c, j, j->error);
            return;
        }
        j->where = l.where;
    }
    j->found = j->error = 0;
}

void *reader_main(void *worker)
{
    struct worker *w = worker;
    struct cold *c = w->cold;

    pthread_mutex_lock(&c->lock);
    while (!c->stop) {
        struct job *j = w->jobs.first;

        if (!j) {
            pthread_cond_wait(&w->wake, &c->lock);
            continue;
        }
        w->jobs.first = j->next;
        j->next = NULL;
        pthread_mutex_unlock(&c->lock);
        run(c, j);
        jobs_done(c, j);
        pthread_mutex_lock(&c->lock);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

/*
 * verify.c - checkpoints.verify: is it whole, and could it be restored?
 *
 * Everything is read as a restore reads it: each chunk has the content that its name says, and the
 * number of values; rows stand in the order of their keys and events in that of their sequences,
 * none beyond the moment; each stream's events are counted again and must end where the list of
 * streams says. A fault is a part of the answer with its place.
 */
#include "checkpoints.h"

#include <stdarg.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct verification {
    struct job *job;
    const struct manifest *m;
    struct heads *heads; /* as the events say */
    int quiet;
    int64_t chunks, events, rows, streams, faults;
};

struct fault {
    const char *where;
    char what[300];
};

static void write_fault(struct aiex_writer *w, const void *arg)
{
    const struct fault *f = arg;

    aiex_w_map(w, 2);
    aiex_w_key_str(w, "where", f->where);
    aiex_w_key_str(w, "what", f->what);
}

static int tell_fault(struct verification *v, const char *where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int tell_fault(struct verification *v, const char *where, const char *format, ...)
{
    struct fault f = {.where = where};
    va_list args;

    va_start(args, format);
    vsnprintf(f.what, sizeof(f.what), format, args);
    va_end(args);
    v->faults++;
    return v->quiet ? 0 : job_say_by(v->job, write_fault, &f);
}

typedef int (*check_fn)(struct verification *v, struct aiex_slice value, void *arg);

/* Reads one chunk by itself, so that a damaged one does not hide the others. */
static int check_chunk(struct verification *v, const char *where, const struct chunk_ref *ref,
                       check_fn check, void *arg)
{
    const struct chunk_list one = {(struct chunk_ref *)(uintptr_t)ref, 1, 1};
    struct aiex_error err = {""};
    struct aiex_slice value;
    struct walk walk;
    int r;

    v->chunks++;
    walk_begin(&walk, &v->job->s->chunks, &one);
    while ((r = walk_next(&walk, &value, &err)) == 1) {
        r = check(v, value, arg);
        if (r < 0)
            break;
    }
    walk_done(&walk);
    if (r == -EBADMSG || r == -ENOENT || r == -EIO)
        return tell_fault(v, where, "%.250s",
                          err.text[0] ? err.text : "a value that can not be restored");
    return r < 0 ? job_errno(v->job, r, err.text) : 0;
}

static int check_list(struct verification *v, const char *where, const struct chunk_list *list,
                      check_fn check, void *arg)
{
    int r = 0;

    for (size_t i = 0; i < list->n && r == 0; i++)
        r = check_chunk(v, where, &list->all[i], check, arg);
    return r;
}

/* ---- Tables ---- */

struct keys {
    uint8_t last[1024];
    size_t len;
};

static int check_row(struct verification *v, struct aiex_slice value, void *arg)
{
    struct keys *k = arg;
    struct aiex_slice key = {NULL, 0}, content = {NULL, 0};
    int64_t expires = 0;

    v->rows++;
    if (aiex_get_bytes(value, "key", &key) != 1 || !key.len || key.len > sizeof(k->last) ||
        aiex_get_bytes(value, "value", &content) != 1 ||
        aiex_get_int(value, "expires", &expires) < 0 || expires < 0 ||
        slice_order((struct aiex_slice){k->last, k->len}, key) >= 0)
        return -EBADMSG;
    memcpy(k->last, key.data, key.len);
    k->len = key.len;
    return 0;
}

static int check_table(struct verification *v, const struct table_part *t)
{
    struct keys keys = {.len = 0};
    char where[MAX_PART + 1];
    int64_t before = v->rows, faults = v->faults;
    int r;

    snprintf(where, sizeof(where), "table:%s", t->name);
    r = check_list(v, where, &t->chunks, check_row, &keys);
    if (r == 0 && faults == v->faults && v->rows - before != t->rows)
        r = tell_fault(v, where, "it has %lld rows, not %lld", (long long)(v->rows - before),
                       (long long)t->rows);
    return r;
}

/* ---- Streams ---- */

static int check_event(struct verification *v, struct aiex_slice value, void *arg)
{
    int64_t *last = arg, sequence = 0;

    v->events++;
    if (aiex_get_int(value, "sequence", &sequence) != 1 || sequence <= *last ||
        sequence > v->m->about.sequence)
        return -EBADMSG;
    *last = sequence;
    return heads_see(v->heads, value);
}

static int check_head(struct verification *v, struct aiex_slice value, void *arg)
{
    struct head said;
    const struct head *found;
    int r = head_read(value, &said);

    (void)arg;
    v->streams++;
    if (r < 0)
        return r;
    found = heads_find(v->heads, said.stream);
    if (found && found->version == said.version && found->events == said.events &&
        slice_order(found->id, said.id) == 0)
        return 0;
    return tell_fault(v, "streams", "stream '%.*s' ends at version %lld, its events at %lld",
                      (int)said.stream.len, (const char *)said.stream.data, (long long)said.version,
                      found ? (long long)found->version : 0ll);
}

static int check_streams(struct verification *v)
{
    int64_t last = 0;
    int r = check_list(v, "events", &v->m->events, check_event, &last);

    if (r == 0 && !v->faults && v->events != v->m->about.events)
        r = tell_fault(v, "events", "it has %lld events, not %lld", (long long)v->events,
                       (long long)v->m->about.events);
    if (r < 0 || v->faults)
        return r; /* the streams would all be wrong with it */
    r = check_list(v, "streams", &v->m->heads, check_head, NULL);
    if (r == 0 && !v->faults && (size_t)v->streams != heads_count(v->heads))
        r = tell_fault(v, "streams", "%zu streams have events, %lld are listed",
                       heads_count(v->heads), (long long)v->streams);
    return r;
}

/* ---- The whole ---- */

static void write_verified(struct aiex_writer *w, const void *arg)
{
    const struct verification *v = arg;

    aiex_w_map(w, 7);
    aiex_w_key_str(w, "name", v->m->about.name);
    aiex_w_key_bool(w, "whole", v->faults == 0);
    aiex_w_key_int(w, "faults", v->faults);
    aiex_w_key_int(w, "chunks", v->chunks);
    aiex_w_key_int(w, "events", v->events);
    aiex_w_key_int(w, "rows", v->rows);
    aiex_w_key_int(w, "streams", v->streams);
}

static int verify(struct verification *v)
{
    int r = 0;

    v->heads = heads_new((size_t)v->job->s->config->max_streams);
    if (!v->heads)
        return job_errno(v->job, -ENOMEM, "the list of streams");
    for (int64_t i = 0; i < v->m->about.n_tables && r == 0; i++)
        r = check_table(v, &v->m->tables[i]);
    r = r ? r : check_streams(v);
    heads_free(v->heads);
    return r < 0 ? job_errno(v->job, r, "the checkpoint can not be verified") : 0;
}

int verify_all(struct job *j, const struct manifest *m, int quiet, int64_t *ret_faults)
{
    struct verification v = {.job = j, .m = m, .quiet = quiet};
    int r = verify(&v);

    *ret_faults = v.faults;
    return r;
}

int run_verify(struct job *j)
{
    struct manifest m;
    struct verification v = {.job = j, .m = &m};
    int r = job_manifest(j, "name", &m);

    r = r ? r : verify(&v);
    r = r ? r : job_end_by(j, write_verified, &v);
    if (r == 0)
        atomic_fetch_add(&j->s->verified, 1);
    manifest_done(&m);
    return r;
}

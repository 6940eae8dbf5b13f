/*
 * gather.c - the state of the store at one moment, as chunks.
 *
 * store.snapshot pins the tables at a moment and says its sequence; rows come first. The events up
 * to that sequence never change, so they are read afterwards, at leisure, and only those that the
 * parent does not have. When the snapshot is lost on the way (the store went away, or too much
 * changed) the tables are begun anew; what was cut already has the same names.
 */
#include "checkpoints.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define ROWS_PER_CHUNK   256u
#define EVENTS_PER_CHUNK 512u
#define HEADS_PER_CHUNK  1024u
#define SNAPSHOT_MS      600000u
#define TELL_MS          200u

/* ---- Progress ---- */

struct progress {
    const char *phase;
    int64_t done, total;
};

static void write_progress(struct aiex_writer *w, const void *arg)
{
    const struct progress *p = arg;

    aiex_w_map(w, 3);
    aiex_w_key_str(w, "phase", p->phase);
    aiex_w_key_int(w, "done", p->done);
    aiex_w_key_int(w, "total", p->total);
}

int tell_progress(struct making *k, const char *phase, int64_t done, int64_t total)
{
    const struct aiex_host *host = k->job->s->host;
    const struct progress p = {phase, done, total};
    uint64_t now = host->now_ms(host);

    if (k->told && now < k->told + TELL_MS && done != total)
        return 0;
    k->told = now;
    return job_say_by(k->job, write_progress, &p);
}

/* ---- Tables ---- */

struct tables {
    struct making *k;
    struct choice choice;
    struct table_part *table; /* that is being cut */
    struct cut cut;
};

static void write_snapshot(struct aiex_writer *w, const void *arg)
{
    aiex_w_map(w, choice_has_tables(arg) ? 0 : 1);
    if (choice_has_tables(arg))
        return;
    aiex_w_str(w, "tables");
    aiex_w_array(w, 0);
}

static int broken(struct tables *t)
{
    return job_fail(t->k->job, AIEX_E_INTERNAL, "the store's snapshot is not what it should be");
}

static int add_table(struct tables *t, struct aiex_slice map)
{
    char name[MAX_TABLE + 1] = "";
    struct table_part *part;

    if (aiex_get_text(map, "table", name, sizeof(name)) != 1 || map.len > MAX_DEFINITION)
        return broken(t);
    if (!choice_has_table(&t->choice, name))
        return 0;
    part = manifest_add_table(t->k->m, name);
    if (part)
        part->definition = malloc(map.len);
    if (!part || !part->definition)
        return job_errno(t->k->job, -ENOMEM, "the list of tables");
    memcpy(part->definition, map.data, map.len);
    part->definition_len = map.len;
    return 0;
}

static int take_first(struct tables *t, struct aiex_slice part)
{
    struct about *a = &t->k->m->about;
    struct aiex_value v;
    int r = 0;

    if (aiex_get_int(part, "sequence", &a->sequence) != 1 ||
        aiex_get_int(part, "version", &a->version) != 1 || aiex_get(part, "tables", &v) != 1 ||
        v.type != AIEX_T_ARRAY)
        return broken(t);
    for (uint32_t i = 0; i < v.count && r == 0; i++) {
        struct aiex_slice one = v.bytes;

        if (aiex_r_skip(&v.bytes) != 0)
            return broken(t);
        one.len -= v.bytes.len;
        r = add_table(t, one);
    }
    return r;
}

/* Ends the table that was cut. */
static int close_table(struct tables *t)
{
    struct aiex_error err = {""};
    struct about *a = &t->k->m->about;
    int r;

    if (!t->table)
        return 0;
    r = cut_end(&t->cut, &err);
    t->table->rows = t->cut.total_items;
    a->rows += t->cut.total_items;
    a->raw_bytes += t->cut.raw;
    t->table = NULL;
    cut_done(&t->cut);
    return r < 0 ? job_errno(t->k->job, r, err.text) : 0;
}

static int open_table(struct tables *t, struct aiex_slice name)
{
    int r;

    if (t->table && aiex_slice_is(name, t->table->name))
        return 0;
    r = close_table(t);
    for (int64_t i = 0; i < t->k->m->about.n_tables && !t->table; i++)
        if (aiex_slice_is(name, t->k->m->tables[i].name))
            t->table = &t->k->m->tables[i];
    if (t->table)
        cut_begin(&t->cut, &t->k->job->s->chunks, &t->table->chunks);
    return r;
}

/* Key, value and end of life; the version is the store's own affair. */
static int add_row(struct tables *t, struct aiex_slice row)
{
    struct aiex_slice key = {NULL, 0}, value = {NULL, 0};
    struct aiex_error err = {""};
    struct aiex_writer w;
    int64_t expires = 0;
    uint8_t *mem;
    int r;

    if (aiex_get_bytes(row, "key", &key) != 1 || !key.len ||
        aiex_get_bytes(row, "value", &value) != 1 || aiex_get_int(row, "expires", &expires) < 0)
        return broken(t);
    mem = malloc(row.len + 64);
    if (!mem)
        return job_errno(t->k->job, -ENOMEM, "a row");
    aiex_writer_init(&w, mem, row.len + 64);
    aiex_w_map(&w, expires ? 3 : 2);
    aiex_w_key_bin(&w, "key", key.data, key.len);
    aiex_w_key_bin(&w, "value", value.data, value.len);
    if (expires)
        aiex_w_key_int(&w, "expires", expires);
    r = cut_add(&t->cut, aiex_written(&w), ends_at(key, ROWS_PER_CHUNK), &err);
    free(mem);
    return r < 0 ? job_errno(t->k->job, r, err.text) : 0;
}

static int take_rows(struct tables *t, struct aiex_slice part)
{
    struct aiex_slice name = {NULL, 0};
    struct aiex_value v;
    int r;

    if (aiex_get_str(part, "table", &name) != 1 || aiex_get(part, "rows", &v) != 1 ||
        v.type != AIEX_T_ARRAY)
        return broken(t);
    r = open_table(t, name);
    for (uint32_t i = 0; i < v.count && r == 0 && t->table; i++) {
        struct aiex_slice one = v.bytes;

        if (aiex_r_skip(&v.bytes) != 0)
            return broken(t);
        one.len -= v.bytes.len;
        r = add_row(t, one);
        t->k->done++;
    }
    return r ? r : tell_progress(t->k, "tables", t->k->done, 0);
}

static void forget_tables(struct making *k)
{
    struct about *a = &k->m->about;
    struct chunk_list events = k->m->events, heads = k->m->heads;

    k->m->events = k->m->heads = (struct chunk_list){NULL, 0, 0};
    manifest_done(k->m);
    k->m->events = events;
    k->m->heads = heads;
    a->rows = a->raw_bytes = 0;
    k->done = 0;
}

static int take_tables(struct tables *t, struct call *c)
{
    struct making *k = t->k;
    struct aiex_slice part;
    int first = 1, r;

    r = call_begin(k->job, c, k->job->s->config->store, "store.snapshot", write_snapshot,
                   &t->choice, SNAPSHOT_MS);
    while (r == 0) {
        r = call_part(c, &part);
        if (r != 1)
            break;
        r = first ? take_first(t, part) : take_rows(t, part);
        first = 0;
    }
    if (r == 0 && first)
        r = broken(t);
    return r ? r : close_table(t);
}

/* 0 = read, 1 = to be read anew, negative: told. */
static int try_tables(struct tables *t, struct patience *p)
{
    struct job *j = t->k->job;
    struct call c = {0};
    int r, again = 0;

    forget_tables(t->k);
    r = take_tables(t, &c);
    cut_done(&t->cut);
    t->table = NULL;
    if (r == -EREMOTEIO && !j->code) {
        again = is_passing(c.code);
        if (again)
            r = try_later(j, p, c.retry_ms);
        if (r == -EREMOTEIO || r == -ETIMEDOUT)
            r = job_refused_by(j, &c, "the tables can not be read");
    }
    call_done(&c);
    if (r < 0)
        return job_errno(j, r, "the tables can not be read");
    return again;
}

int gather_tables(struct making *k)
{
    struct tables t = {.k = k, .choice = {k->m->about.parts, k->m->about.n_parts}};
    struct patience p = {0};
    int r;

    do
        r = try_tables(&t, &p);
    while (r == 1);
    return r;
}

/* ---- Events ---- */

struct events {
    struct making *k;
    struct choice choice;
    struct cut cut;
};

static int see_event(void *arg, struct aiex_slice event)
{
    struct events *e = arg;
    struct making *k = e->k;
    struct about *a = &k->m->about;
    struct aiex_slice stream = {NULL, 0}, id = {NULL, 0};
    struct aiex_error err = {""};
    int64_t sequence = 0;
    int r;

    if (aiex_get_int(event, "sequence", &sequence) != 1 ||
        aiex_get_str(event, "stream", &stream) != 1)
        return job_fail(k->job, AIEX_E_INTERNAL, "an event of the store has no sequence or stream");
    if (aiex_get_str(event, "id", &id) == 1 && id.len <= MAX_EVENT_ID) {
        memcpy(a->last_id, id.data, id.len);
        a->last_id[id.len] = 0;
    }
    k->done = sequence;
    if (!choice_has_stream(&e->choice, stream))
        return 0;
    r = heads_see(k->heads, event);
    if (r == -E2BIG)
        return job_fail(k->job, AIEX_E_BUSY, "more than %lld streams; see option max_streams",
                        (long long)k->job->s->config->max_streams);
    if (r < 0)
        return job_errno(k->job, r, "the versions of a stream are not in order");
    a->events++;
    r = cut_add(&e->cut, event, sequence % EVENTS_PER_CHUNK == 0, &err);
    if (r < 0)
        return job_errno(k->job, r, err.text);
    return tell_progress(k, "events", sequence, a->sequence);
}

static int take_over(struct chunk_list *to, const struct chunk_list *from)
{
    int r = 0;

    for (size_t i = 0; i < from->n && r == 0; i++)
        r = chunk_list_add(to, &from->all[i]);
    return r;
}

/* ---- Heads: those of the parent, and what happened since ---- */

static int add_head(struct making *k, struct cut *cut, const struct head *head)
{
    uint8_t mem[MAX_STREAM + MAX_EVENT_ID + 128];
    struct aiex_error err = {""};
    struct aiex_writer w;
    int r;

    aiex_writer_init(&w, mem, sizeof(mem));
    head_write(&w, head);
    k->m->about.streams++;
    r = cut_add(cut, aiex_written(&w), ends_at(head->stream, HEADS_PER_CHUNK), &err);
    return r < 0 ? job_errno(k->job, r, err.text) : 0;
}

/* One head of the parent; what was read now of the same stream goes on from it. */
static int merge_old(struct making *k, struct cut *cut, const struct head *old, size_t *at)
{
    const struct head *now;
    int r = 0;

    while (r == 0 && (now = heads_at(k->heads, *at)) != NULL &&
           slice_order(now->stream, old->stream) < 0) {
        r = add_head(k, cut, now);
        ++*at;
    }
    now = heads_at(k->heads, *at);
    if (r == 0 && now && slice_order(now->stream, old->stream) == 0) {
        struct head both = *now;

        both.events += old->events;
        ++*at;
        return add_head(k, cut, &both);
    }
    return r ? r : add_head(k, cut, old);
}

static int cut_heads(struct making *k, struct cut *cut)
{
    struct aiex_error err = {""};
    struct aiex_slice value;
    struct head old;
    const struct chunk_list none = {NULL, 0, 0};
    struct walk walk;
    size_t at = 0;
    int r = 0;

    heads_sort(k->heads);
    if (heads_count(k->heads) && !heads_at(k->heads, 0))
        return job_errno(k->job, -ENOMEM, "the order of the streams");
    walk_begin(&walk, &k->job->s->chunks, k->parent ? &k->parent->heads : &none);
    while (k->parent && r == 0 && (r = walk_next(&walk, &value, &err)) == 1) {
        r = head_read(value, &old);
        r = r ? r : merge_old(k, cut, &old, &at);
    }
    walk_done(&walk);
    if (r < 0)
        return job_errno(k->job, r, err.text[0] ? err.text : "the parent's streams");
    for (; r == 0 && heads_at(k->heads, at); at++)
        r = add_head(k, cut, heads_at(k->heads, at));
    r = r ? r : cut_end(cut, &err);
    return r < 0 ? job_errno(k->job, r, err.text) : 0;
}

int gather_events(struct making *k)
{
    struct about *a = &k->m->about;
    struct events e = {.k = k, .choice = {a->parts, a->n_parts}};
    struct aiex_error err = {""};
    struct cut heads;
    int64_t from = k->parent ? k->parent->about.sequence + 1 : 1;
    int r = 0;

    cut_begin(&e.cut, &k->job->s->chunks, &k->m->events);
    cut_begin(&heads, &k->job->s->chunks, &k->m->heads);
    if (k->parent) {
        r = take_over(&k->m->events, &k->parent->events);
        a->events = k->parent->about.events;
        memcpy(a->last_id, k->parent->about.last_id, sizeof(a->last_id));
    }
    if (r == 0 && a->sequence >= from)
        r = read_events(k->job, NULL, from, a->sequence, see_event, &e);
    r = r ? r : cut_end(&e.cut, &err);
    r = r ? r : cut_heads(k, &heads);
    cut_done(&e.cut);
    cut_done(&heads);
    return r < 0 ? job_errno(k->job, r, err.text[0] ? err.text : "the list of chunks") : 0;
}

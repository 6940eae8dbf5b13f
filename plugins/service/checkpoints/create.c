/*
 * create.c - checkpoints.create: a full checkpoint, or what changed since another one.
 *
 * Without a word an incremental one is made when there is a checkpoint of the same choice whose
 * last event is still in the store where it was; else a full one, which reads everything anew. Both
 * share chunks with whatever has the same content.
 */
#include "checkpoints.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <time.h>

/* ---- The request ---- */

static int read_tags(struct job *j, struct about *a)
{
    struct aiex_value v, item;
    int r = aiex_get(j->body, "tags", &v);

    if (r == 0 || (r == 1 && v.type == AIEX_T_NIL))
        return 0;
    if (r != 1 || v.type != AIEX_T_ARRAY || v.count > MAX_TAGS)
        return job_fail(j, AIEX_E_INVALID, "field 'tags' must be an array of at most %u texts",
                        MAX_TAGS);
    for (uint32_t i = 0; i < v.count; i++) {
        char *tag = a->tags[i];

        if (aiex_r_value(&v.bytes, &item) != 0 || item.type != AIEX_T_STR ||
            item.bytes.len > MAX_TAG || memchr(item.bytes.data, 0, item.bytes.len))
            return job_fail(j, AIEX_E_INVALID, "a tag has 1 to %u bytes", MAX_TAG);
        memcpy(tag, item.bytes.data, item.bytes.len);
        if (!name_is_good(tag))
            return job_fail(j, AIEX_E_INVALID,
                            "tag '%s' has others than letters, digits, -_.:", tag);
        a->n_tags++;
    }
    return 0;
}

/* By the clock, to the second, with a number when that is taken. */
static void make_name(struct cps *s, struct about *a)
{
    time_t at = (time_t)(a->created / 1000);
    struct about other;
    struct tm tm;
    char base[32];

    gmtime_r(&at, &tm);
    strftime(base, sizeof(base), "%Y%m%d-%H%M%S", &tm);
    snprintf(a->name, sizeof(a->name), "%s", base);
    for (unsigned i = 2; catalog_find(&s->catalog, a->name, &other) == 0; i++)
        snprintf(a->name, sizeof(a->name), "%s.%u", base, i);
}

static int read_name(struct job *j, struct about *a)
{
    struct about other;
    int r = job_text(j, "name", a->name, sizeof(a->name));

    if (r < 0)
        return r;
    if (!a->name[0])
        make_name(j->s, a);
    if (!name_is_good(a->name))
        return job_fail(j, AIEX_E_INVALID,
                        "name '%s' must be 1 to %u letters, digits and - _ . : and begin with a "
                        "letter or digit",
                        a->name, MAX_NAME);
    if (catalog_find(&j->s->catalog, a->name, &other) == 0)
        return job_fail(j, AIEX_E_CONFLICT, "there is a checkpoint '%s' already", a->name);
    return 0;
}

static int read_request(struct job *j, struct about *a)
{
    int r;

    a->created = wall_ms();
    r = read_name(j, a);
    r = r ? r : read_tags(j, a);
    if (r == 0)
        r = job_text(j, "description", a->description, sizeof(a->description));
    return r < 0 ? r : choice_read(j, a->parts, &a->n_parts);
}

static int check_room(struct job *j)
{
    struct cps *s = j->s;
    const int64_t left = s->config->max_bytes - chunks_total(&s->chunks);
    struct statvfs fs;

    if (s->catalog.n >= (size_t)s->config->max_checkpoints)
        return job_fail(j, AIEX_E_BUSY, "there are %zu checkpoints already; delete some",
                        s->catalog.n);
    if (left <= 0)
        return job_fail(
            j, AIEX_E_READ_ONLY,
            "all checkpoints together have %lld MiB, nothing was begun; delete some, or "
            "see option max_bytes",
            (long long)s->config->max_bytes >> 20);
    s->chunks.room = left;
    if (statvfs(s->host->data_dir, &fs) != 0)
        return 0;
    if ((int64_t)(fs.f_bavail * fs.f_frsize) >= s->config->min_free)
        return 0;
    return job_fail(j, AIEX_E_READ_ONLY,
                    "the disk has less than %lld MiB free, nothing was begun; see option min_free",
                    (long long)s->config->min_free >> 20);
}

/* ---- The parent ---- */

static int is_same_choice(void *arg, const struct about *a)
{
    const struct about *wanted = arg;

    if (a->n_parts != wanted->n_parts)
        return 0;
    for (uint32_t i = 0; i < a->n_parts; i++)
        if (strcmp(a->parts[i], wanted->parts[i]) != 0)
            return 0;
    return 1;
}

int goes_on(struct job *j, const struct about *a)
{
    struct aiex_slice event = {NULL, 0}, id = {NULL, 0};
    struct call c = {0};
    int64_t sequence = 0;
    int r;

    if (!a->sequence)
        return 1;
    r = read_one(j, NULL, a->sequence, &c, &event);
    if (r == 1) {
        aiex_get_int(event, "sequence", &sequence);
        aiex_get_str(event, "id", &id);
        r = aiex_slice_is(id, a->last_id) && sequence <= a->sequence;
    }
    call_done(&c);
    return r;
}

/* The parent's manifest, when there is to be one. 1, 0 or negative, told. */
static int choose_parent(struct job *j, struct about *a, struct manifest *parent)
{
    struct aiex_error err = {""};
    struct about found;
    char name[MAX_NAME + 1] = "";
    int full = 0, r = job_bool(j, "full", &full);

    if (r >= 0)
        r = job_text(j, "parent", name, sizeof(name));
    if (r < 0 || (full && !name[0]))
        return r < 0 ? r : 0;
    if (name[0] && catalog_find(&j->s->catalog, name, &found) < 0)
        return job_fail(j, AIEX_E_NOT_FOUND, "there is no checkpoint '%s' to go on from", name);
    if (name[0] && !is_same_choice(a, &found))
        return job_fail(j, AIEX_E_INVALID, "checkpoint '%s' has other parts; name the same", name);
    if (!name[0] && catalog_newest(&j->s->catalog, is_same_choice, a, &found) < 0)
        return 0;
    r = goes_on(j, &found);
    if (r == 0 && name[0])
        return job_fail(j, AIEX_E_CONFLICT, "the store's events do not go on from checkpoint '%s'",
                        name);
    if (r != 1)
        return r < 0 ? job_errno(j, r, "the store can not be read") : 0;
    r = manifest_read(j->s->manifests, found.name, parent, &err);
    return r < 0 ? job_errno(j, r, err.text) : 1;
}

/* ---- The whole ---- */

static int by_hash(const void *a, const void *b)
{
    return memcmp(a, b, CHUNK_HASH);
}

/* Bytes of the files that it needs, each counted once. */
static int count_stored(struct manifest *m, const struct chunk_list *fresh)
{
    struct chunk_list all = {NULL, 0, 0};
    int r = 0;

    for (int64_t t = -2; t < m->about.n_tables && r == 0; t++) {
        const struct chunk_list *list = t == -2   ? &m->events
                                        : t == -1 ? &m->heads
                                                  : &m->tables[t].chunks;

        for (size_t i = 0; i < list->n && r == 0; i++)
            r = chunk_list_add(&all, &list->all[i]);
    }
    if (all.n)
        qsort(all.all, all.n, sizeof(*all.all), by_hash);
    m->about.raw_bytes = m->about.stored_bytes = m->about.new_bytes = 0;
    for (size_t i = 0; i < all.n; i++) {
        m->about.raw_bytes += all.all[i].raw;
        if (i == 0 || by_hash(&all.all[i], &all.all[i - 1]) != 0)
            m->about.stored_bytes += all.all[i].stored;
    }
    for (size_t i = 0; i < fresh->n; i++)
        m->about.new_bytes += fresh->all[i].stored;
    chunk_list_done(&all);
    return r;
}

static int finish(struct making *k)
{
    struct cps *s = k->job->s;
    struct about *a = &k->m->about;
    struct aiex_error err = {""};
    int r = count_stored(k->m, &s->chunks.fresh);

    if (r < 0)
        return job_errno(k->job, r, "the list of chunks");
    a->took_ms = wall_ms() - a->created;
    if (a->took_ms < 0)
        a->took_ms = 0;
    if (catalog_reserve(&s->catalog) < 0)
        return job_errno(k->job, -ENOMEM, "the catalog");
    r = chunks_sync(&s->chunks, &err);
    r = r ? r : manifest_write(s->manifests, k->m, &err);
    if (r < 0)
        return job_errno(k->job, r, err.text);
    chunks_keep_fresh(&s->chunks);
    catalog_add(&s->catalog, a);
    return 0;
}

static int make(struct making *k)
{
    int r = gather_tables(k);

    r = r ? r : gather_events(k);
    if (r == 0 && k->if_changed)
        r = is_same_state(k);
    return r ? r : finish(k);
}

static int make_from(struct job *j, struct manifest *m, const struct manifest *parent,
                     int if_changed)
{
    struct making k = {.job = j, .m = m, .parent = parent, .if_changed = if_changed};
    int r;

    if (parent) {
        m->about.incremental = 1;
        strcpy(m->about.parent, parent->about.name);
    }
    k.heads = heads_new((size_t)j->s->config->max_streams);
    r = k.heads ? make(&k) : job_errno(j, -ENOMEM, "the list of streams");
    heads_free(k.heads);
    j->s->chunks.room = INT64_MAX;
    if (r != 0) {
        chunks_drop_fresh(&j->s->chunks);
        return r;
    }
    atomic_fetch_add(&j->s->created, 1);
    tell_log(j, "checkpoint.created", &m->about);
    return 0;
}

int create_now(struct job *j, struct manifest *m, int if_changed)
{
    struct about *a = &m->about;
    struct manifest parent;
    uint8_t id[16];
    int r;

    memset(&parent, 0, sizeof(parent));
    randombytes_buf(id, sizeof(id));
    sodium_bin2hex(a->id, sizeof(a->id), id, sizeof(id));
    snprintf(a->node, sizeof(a->node), "%.64s", j->s->host->node ? j->s->host->node : "");
    a->number = catalog_next(&j->s->catalog);
    r = check_room(j);
    if (r == 0)
        r = choose_parent(j, a, &parent);
    if (r >= 0)
        r = make_from(j, m, r == 1 ? &parent : NULL, if_changed);
    manifest_done(&parent);
    return r;
}

static void write_made(struct aiex_writer *w, const void *arg)
{
    about_write(w, arg);
}

static void write_skipped(struct aiex_writer *w, const void *arg)
{
    const struct about *a = arg;

    aiex_w_map(w, 2);
    aiex_w_key_bool(w, "skipped", 1);
    aiex_w_key_str(w, "parent", a->parent);
}

int run_create(struct job *j)
{
    struct manifest m;
    int if_changed = 0, r;

    memset(&m, 0, sizeof(m));
    r = job_bool(j, "if_changed", &if_changed);
    r = r < 0 ? r : read_request(j, &m.about);
    r = r ? r : create_now(j, &m, if_changed);
    if (r == 0)
        job_done_by(j, write_made, &m.about);
    if (r == 1) {
        aiex_logf(j->s->host, AIEX_LOG_NOTICE, j->trace,
                  "nothing has changed since checkpoint '%s', so no other one was made",
                  m.about.parent);
        job_done_by(j, write_skipped, &m.about);
    }
    manifest_done(&m);
    return r < 0 ? r : 0;
}

/* ---- The log ---- */

struct line {
    const char *type;
    const struct about *about;
    char id[80];
};

static void write_data(struct aiex_writer *w, const struct about *a)
{
    aiex_w_map(w, 5);
    aiex_w_key_str(w, "name", a->name);
    aiex_w_key_str(w, "id", a->id);
    aiex_w_key_int(w, "sequence", a->sequence);
    aiex_w_key_int(w, "events", a->events);
    aiex_w_key_int(w, "rows", a->rows);
}

static void write_line(struct aiex_writer *w, const void *arg)
{
    const struct line *l = arg;
    struct aiex_writer count;

    aiex_writer_init(&count, NULL, 0);
    write_data(&count, l->about);
    aiex_w_map(w, 2);
    aiex_w_key_str(w, "stream", OWN_LOG);
    aiex_w_str(w, "events");
    aiex_w_array(w, 1);
    aiex_w_map(w, 3);
    aiex_w_key_str(w, "id", l->id);
    aiex_w_key_str(w, "type", l->type);
    aiex_w_str(w, "data");
    aiex_w_bin_head(w, count.len);
    write_data(w, l->about);
}

void tell_log(struct job *j, const char *type, const struct about *a)
{
    struct line l = {.type = type, .about = a};
    struct call c = {0};
    char what = type[strlen("checkpoint.")];

    snprintf(l.id, sizeof(l.id), "cp-%s-%c", a->id, what);
    if (ask(j, &c, j->s->config->store, "store.append", write_line, &l) < 0)
        aiex_logf(j->s->host, AIEX_LOG_WARN, j->trace, "%s '%s' is not in the stream %s: %.200s",
                  type, a->name, OWN_LOG, c.text);
    call_done(&c);
}

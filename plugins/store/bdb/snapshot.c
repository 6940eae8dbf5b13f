/*
 * snapshot.c - store.snapshot: many tables as they were at one moment, which is also a place in the
 * order of events.
 *
 * The moment lies between two batches: all tables are pinned there (pins.h), and the first part
 * says the sequence behind which the next event will stand. Events up to it never change, so a
 * store.read up to that sequence, whenever it is made, belongs to the same state. The rows then
 * come in slices, each read between two batches of its table; rows that changed since are what the
 * pin noted of them.
 */
#include "pins.h"
#include "store.h"

#include "bytes.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdlib.h>

#define SLICE_ROWS 1024u

struct snapshot {
    struct job job;
    uint8_t *request;
    size_t request_len;
    struct pin *pin;
    struct table **tables; /* by id */
    uint32_t n_tables, at; /* the one that is read */
    int64_t taken;         /* wall ms */
    uint64_t sequence, version, rows;
    size_t peak;
    /* place in the table, and one slice of it */
    uint8_t from[ROW_KEY_MAX];
    size_t from_len;
    struct raw {
        size_t key, key_len, value, value_len; /* in mem */
    } raw[SLICE_ROWS];
    uint32_t n_raw;
    int last;              /* the slice reaches the table's end */
    uint8_t done[MAX_KEY]; /* the last key that was dealt with, */
    size_t done_len;
    int full; /* with which the part was long enough */
    uint8_t *mem;
    size_t mem_len, mem_size;
};

/* ---- Which tables ---- */

/* A name, or the begin of names when it ends in '*'. */
static int fits(struct aiex_slice wanted, const char *name)
{
    size_t n = strlen(name);

    if (wanted.len && wanted.data[wanted.len - 1] == '*')
        return n >= wanted.len - 1 && memcmp(wanted.data, name, wanted.len - 1) == 0;
    return n == wanted.len && memcmp(wanted.data, name, n) == 0;
}

static int is_wanted(const struct snapshot *q, const char *name)
{
    const struct aiex_slice body = {q->request, q->request_len};
    struct aiex_value v, item;

    if (aiex_get(body, "tables", &v) != 1 || v.type != AIEX_T_ARRAY)
        return 1;
    for (uint32_t i = 0; i < v.count; i++) {
        if (aiex_r_value(&v.bytes, &item) != 0)
            return 0;
        if (fits(item.bytes, name))
            return 1;
    }
    return 0;
}

static int by_id(const void *a, const void *b)
{
    const struct table *x = *(struct table *const *)a, *y = *(struct table *const *)b;

    return x->id < y->id ? -1 : x->id > y->id;
}

static int choose(struct snapshot *q)
{
    struct tables *t = &q->job.s->tables;

    q->tables = calloc(MAX_TABLES, sizeof(struct table *));
    if (!q->tables)
        return -ENOMEM;
    pthread_rwlock_rdlock(&t->lock);
    for (uint32_t i = 0; i < t->n; i++)
        if (is_wanted(q, t->all[i]->name))
            q->tables[q->n_tables++] = t->all[i];
    pthread_rwlock_unlock(&t->lock);
    qsort(q->tables, q->n_tables, sizeof(struct table *), by_id);
    return 0;
}

/* ---- The first part ---- */

static void write_table(struct aiex_writer *w, const struct table *t)
{
    aiex_w_map(w, 3);
    aiex_w_key_str(w, "table", t->name);
    aiex_w_key_bool(w, "defined", t->defined);
    aiex_w_str(w, "indexes");
    aiex_w_array(w, t->n_indexes);
    for (uint32_t i = 0; i < t->n_indexes; i++) {
        aiex_w_map(w, 3);
        aiex_w_key_str(w, "name", t->indexes[i].name);
        aiex_w_key_str(w, "field", t->indexes[i].field);
        aiex_w_key_str(w, "type", field_type_name(t->indexes[i].type));
    }
}

static void write_first(struct aiex_writer *w, const struct snapshot *q)
{
    aiex_w_map(w, 4);
    aiex_w_key_uint(w, "sequence", q->sequence);
    aiex_w_key_uint(w, "version", q->version);
    aiex_w_key_int(w, "time", q->taken);
    aiex_w_str(w, "tables");
    aiex_w_array(w, q->n_tables);
    for (uint32_t i = 0; i < q->n_tables; i++)
        write_table(w, q->tables[i]);
}

static int put_first(struct snapshot *q)
{
    struct aiex_writer w;

    aiex_writer_init(&w, NULL, 0);
    write_first(&w, q);
    if (job_room(&q->job, w.len) < 0)
        return -ENOMEM;
    aiex_writer_init(&w, q->job.part, q->job.part_size);
    write_first(&w, q);
    q->job.part_len = w.len;
    q->job.out = (struct aiex_slice){q->job.part, w.len};
    return 0;
}

static enum job_step begin(struct snapshot *q)
{
    struct store *s = q->job.s;
    int r;

    gate_enter(&s->gate);
    r = choose(q);
    r = r ? r : pin_set(s, q->tables, q->n_tables, &q->pin);
    q->taken = wall_ms();
    q->sequence = atomic_load(&s->visible);
    q->version = atomic_load(&s->transactions);
    gate_leave(&s->gate);
    if (r == -EBUSY)
        return job_refused(&q->job, AIEX_E_BUSY, "%u snapshots are being read already", MAX_PINS);
    r = r ? r : put_first(q);
    return r < 0 ? job_failed(&q->job, r, "rows.db") : JOB_PART;
}

/* ---- One slice ---- */

static int keep_raw(struct snapshot *q, const DBT *k, const DBT *v)
{
    struct raw *raw = &q->raw[q->n_raw];
    size_t need = q->mem_len + k->size - 4 + v->size;

    if (v->size < ROW_HEAD)
        return -EBADMSG;
    if (need > q->mem_size) {
        uint8_t *mem = realloc(q->mem, need + PART_BYTES);

        if (!mem)
            return -ENOMEM;
        q->mem = mem;
        q->mem_size = need + PART_BYTES;
    }
    *raw = (struct raw){q->mem_len, k->size - 4, q->mem_len + k->size - 4, v->size};
    memcpy(q->mem + raw->key, (const uint8_t *)k->data + 4, raw->key_len);
    memcpy(q->mem + raw->value, v->data, raw->value_len);
    q->mem_len = need;
    q->n_raw++;
    return 0;
}

static int value_get(struct snapshot *q, DBC *c, DBT *k, DBT *v, uint32_t how)
{
    struct reader *reader = q->job.reader;
    int r;

    for (;;) {
        uint8_t *more;

        *v = env_room(reader->bulk, reader->bulk_size);
        r = env_errno(&q->job.s->env, c->get(c, k, v, how));
        if (r != -ENOBUFS)
            return r;
        more = realloc(reader->bulk, reader->bulk_size * 4);
        if (!more)
            return -ENOMEM;
        reader->bulk = more;
        reader->bulk_size *= 4;
    }
}

static int walk(struct snapshot *q, DBC *c)
{
    const uint32_t id = q->tables[q->at]->id;
    uint8_t key[ROW_KEY_MAX];
    DBT k = env_room(key, sizeof(key)), v;
    int r;

    memcpy(key, q->from, q->from_len);
    k.size = (uint32_t)q->from_len;
    r = value_get(q, c, &k, &v, DB_SET_RANGE);
    while (r == 0 && k.size > 4 && get_be(key, 4) == id) {
        if (q->n_raw == SLICE_ROWS || q->mem_len >= PART_BYTES)
            return 0;
        r = keep_raw(q, &k, &v);
        r = r ? r : value_get(q, c, &k, &v, DB_NEXT);
    }
    q->last = r == 0 || r == -ENOENT;
    return r == -ENOENT ? 0 : r;
}

static int read_slice(void *arg)
{
    struct snapshot *q = arg;
    struct env *e = &q->job.s->env;
    DB *db = env_file(e, ROWS);
    struct reader *reader = q->job.reader;
    DBC *c;
    int r = env_read_begin(e, &reader->txn);

    q->n_raw = 0;
    q->mem_len = 0;
    q->last = 0;
    r = r ? r : env_errno(e, db->cursor(db, reader->txn, &c, 0));
    if (r == 0) {
        r = walk(q, c);
        c->close(c);
    }
    env_read_end(reader->txn);
    reader->txn = NULL;
    return r;
}

static void forget_slice(void *arg)
{
    ((struct snapshot *)arg)->n_raw = 0;
}

/* ---- What is found and what was noted, in order ---- */

static int put_row(struct snapshot *q, const struct pinned_row *row, uint32_t *n)
{
    struct job *j = &q->job;
    struct aiex_writer w;

    if (!row->exists || (row->expires && row->expires <= (uint64_t)q->taken))
        return 0;
    if (job_room(j, row->key.len + row->value.len + 64) < 0)
        return -ENOMEM;
    aiex_writer_init(&w, j->part + j->part_len, j->part_size - j->part_len);
    aiex_w_map(&w, 4);
    aiex_w_key_bin(&w, "key", row->key.data, row->key.len);
    aiex_w_key_bin(&w, "value", row->value.data, row->value.len);
    aiex_w_key_uint(&w, "version", row->version);
    aiex_w_key_uint(&w, "expires", row->expires);
    j->part_len += w.len;
    ++*n;
    return 0;
}

static struct pinned_row raw_row(const struct snapshot *q, uint32_t i)
{
    const struct raw *raw = &q->raw[i];
    const uint8_t *value = q->mem + raw->value;

    return (struct pinned_row){.key = {q->mem + raw->key, raw->key_len},
                               .exists = 1,
                               .version = get_be(value, 8),
                               .expires = get_be(value + 8, 8),
                               .value = {value + ROW_HEAD, raw->value_len - ROW_HEAD}};
}

static int order(struct aiex_slice a, struct aiex_slice b)
{
    int r = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);

    return r ? r : a.len < b.len ? -1 : a.len > b.len;
}

/* A note before or at the next row that was found takes its place. */
static int merge(struct snapshot *q, uint32_t *n)
{
    struct table *t = q->tables[q->at];
    const struct pinned_row *noted = pin_first(q->pin, t);
    size_t begin = q->job.part_len;
    uint32_t i = 0;
    int r = 0;

    q->full = 0;
    while (r == 0 && !q->full && (i < q->n_raw || (q->last && noted))) {
        struct pinned_row found = i < q->n_raw ? raw_row(q, i) : (struct pinned_row){.exists = 0};
        int side = i == q->n_raw ? -1 : noted ? order(noted->key, found.key) : 1;

        r = put_row(q, side > 0 ? &found : noted, n);
        q->done_len = side > 0 ? found.key.len : noted->key.len;
        memcpy(q->done, side > 0 ? found.key.data : noted->key.data, q->done_len);
        q->full = q->job.part_len - begin >= RANGE_BYTES;
        i += side >= 0 && i < q->n_raw;
        if (side <= 0) {
            pin_pass(q->pin);
            noted = pin_first(q->pin, t);
        }
    }
    return r;
}

/* The next slice begins behind the last row that was dealt with. */
static void step_on(struct snapshot *q)
{
    struct table *t = q->tables[q->at];
    struct aiex_slice key;

    if (q->last && !q->full) {
        pin_read(q->pin, t, NULL);
        q->at++;
        q->from_len = 0;
        return;
    }
    key = (struct aiex_slice){q->done, q->done_len};
    pin_read(q->pin, t, &key);
    q->from_len = row_key(t, key, q->from);
    q->from[q->from_len++] = 0;
}

/* {table, rows}: the head is written last, before the rows. */
static int put_part(struct snapshot *q)
{
    const char *name = q->tables[q->at]->name;
    struct job *j = &q->job;
    size_t head = strlen(name) + 32, used;
    struct aiex_writer w;
    uint32_t n = 0;
    int r = job_room(j, head);

    j->part_len = head;
    pin_lock(q->pin);
    r = r ? r : pin_is_lost(q->pin) ? -EOVERFLOW : merge(q, &n);
    q->peak = pin_peak(q->pin);
    if (r == 0)
        step_on(q);
    pin_unlock(q->pin);
    if (r < 0)
        return r;
    aiex_writer_init(&w, NULL, 0);
    for (int pass = 0; pass < 2; pass++) {
        used = w.len;
        if (pass)
            aiex_writer_init(&w, j->part + head - used, used);
        aiex_w_map(&w, 2);
        aiex_w_key_str(&w, "table", name);
        aiex_w_str(&w, "rows");
        aiex_w_array(&w, n);
    }
    q->rows += n;
    j->out = (struct aiex_slice){j->part + head - used, n ? j->part_len - head + used : 0};
    return 0;
}

static enum job_step slice(struct snapshot *q)
{
    struct table *t = q->tables[q->at];
    int r;

    if (!q->from_len) {
        put_be(q->from, t->id, 4);
        q->from_len = 4;
    }
    q->job.part_len = 0;
    r = read_quietly(q->job.s, t, read_slice, forget_slice, q);
    r = r ? r : put_part(q);
    if (r == -EOVERFLOW)
        return job_refused(&q->job, AIEX_E_BUSY,
                           "more than %u MiB changed while the tables were read; try again",
                           PIN_BYTES >> 20);
    return r < 0 ? job_failed(&q->job, r, "rows.db") : JOB_PART;
}

/* ---- The job ---- */

static enum job_step step(struct job *j)
{
    struct snapshot *q = (struct snapshot *)j;

    if (!q->pin)
        return begin(q);
    if (q->at < q->n_tables)
        return slice(q);
    gate_enter(&j->s->gate);
    pin_end(j->s, q->pin);
    gate_leave(&j->s->gate);
    q->pin = NULL;
    q->n_tables = 0;
    return JOB_END;
}

static void write_end(struct aiex_writer *w, const void *arg)
{
    const struct snapshot *q = arg;

    aiex_w_map(w, 4);
    aiex_w_key_uint(w, "sequence", q->sequence);
    aiex_w_key_uint(w, "version", q->version);
    aiex_w_key_uint(w, "rows", q->rows);
    aiex_w_key_uint(w, "noted_bytes", q->peak);
}

static void answer(struct job *j)
{
    store_reply(j->s, j->id, write_end, j);
}

static void done(struct job *j)
{
    struct snapshot *q = (struct snapshot *)j;

    if (q->pin)
        pin_drop(q->pin);
    free(q->request);
    free(q->tables);
    free(q->mem);
}

static int check_tables(struct aiex_slice body)
{
    struct aiex_value v, item;
    int r = aiex_get(body, "tables", &v);

    if (r == 0 || (r == 1 && v.type == AIEX_T_NIL))
        return 0;
    if (r != 1 || v.type != AIEX_T_ARRAY || v.count > MAX_TABLES)
        return -EINVAL;
    for (uint32_t i = 0; i < v.count; i++)
        if (aiex_r_value(&v.bytes, &item) != 0 || item.type != AIEX_T_STR || !item.bytes.len ||
            item.bytes.len > MAX_TABLE + 1)
            return -EINVAL;
    return 0;
}

int snapshot_take(void *self, const struct aiex_message *m)
{
    struct store *s = self;
    struct snapshot *q;

    if (check_tables(m->body) < 0)
        return aiex_refuse(
            s->host, m->id, AIEX_E_INVALID,
            "field 'tables' must be an array of at most %u names of tables, with a * "
            "at the end for all that begin so",
            MAX_TABLES);
    q = job_new(s, m->id, sizeof(*q), step);
    if (!q)
        return 0;
    q->request = malloc(m->body.len + 1);
    if (!q->request) {
        job_stop(&q->job, AIEX_E_BUSY, "no memory for the request");
        return 0;
    }
    if (m->body.len)
        memcpy(q->request, m->body.data, m->body.len);
    q->request_len = m->body.len;
    q->job.answer = answer;
    q->job.done = done;
    job_go(&q->job);
    return 0;
}

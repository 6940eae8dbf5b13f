/*
 * verify.c - store.verify: everything against everything, while writes go on.
 *
 * In stages over one file each, a slice at a time: events (order, chain, and that each is found in
 * its stream, by its id, type and correlation), then streams, ids, marks, heads, rows and fields
 * the other way round, so that an entry too many is found as well as one that is missing. What is
 * newer than the beginning is left out. What was erased meanwhile is looked at twice before it
 * is called a fault.
 */
#include "verify.h"

#include "bytes.h"

#include <aiex/aiex_pack.h>
#include <stdarg.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLICE     1000u
#define MAX_FOUND 1000u /* findings that are told; the rest is counted */
#define KEY_MAX   FIELD_KEY_MAX

/* One entry of a stage. 0, negative errno = the file can not be read. */
typedef int (*check_fn)(struct verify *v, const DBT *key, const DBT *data);

void verify_init(struct verify *v, struct store *s, uint64_t bound)
{
    memset(v, 0, sizeof(*v));
    v->s = s;
    v->bound = bound;
}

void verify_done(struct verify *v)
{
    free(v->found);
}

static void fault(struct verify *v, enum file file, uint64_t sequence, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static void fault(struct verify *v, enum file file, uint64_t sequence, const char *format, ...)
{
    char text[200];
    uint8_t mem[400], *grown;
    struct aiex_writer w;
    va_list args;

    if (v->faults++ >= MAX_FOUND)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 3);
    aiex_w_key_str(&w, "file", env_file_name(file));
    aiex_w_key_uint(&w, "sequence", sequence);
    aiex_w_key_str(&w, "what", text);
    grown = realloc(v->found, v->found_len + w.len);
    if (!grown)
        return;
    v->found = grown;
    memcpy(v->found + v->found_len, mem, w.len);
    v->found_len += w.len;
    v->n_found++;
}

/* ---- Look-ups ---- */

static int is_there(struct verify *v, enum file file, const void *key, size_t len)
{
    DBT k = env_dbt(key, len);
    DB *db = env_file(&v->s->env, file);
    int r = env_errno(&v->s->env, db->exists(db, v->txn, &k, 0));

    return r == 0 ? 1 : r == -ENOENT ? 0 : r;
}

/* The event with a sequence, in mem (env_grows(), free its data). */
static int event_of(struct verify *v, uint64_t sequence, DBT *mem, struct event_view *view)
{
    struct run_entry event;
    int r = events_get(&v->s->env, v->txn, sequence, mem, &event);

    return r ? r : event_view(event.record, event.len, sequence, view);
}

/* ---- Events ---- */

static int check_mark(struct verify *v, const struct event_view *e, const char *field, char letter)
{
    uint8_t key[MARK_KEY];
    struct aiex_slice text = {NULL, 0};
    int r;

    if (e->sequence > atomic_load(&v->s->marked) || aiex_get_str(e->map, field, &text) != 1 ||
        text.len > MAX_CORRELATION)
        return 0;
    r = marks_have(&v->s->env, v->txn, key, mark_key(letter, text, e->sequence, key));
    if (r == 0)
        fault(v, MARKS, e->sequence, "the event's %s is not in the index", field);
    return r < 0 ? r : 0;
}

static int check_id(struct verify *v, const struct event_view *e)
{
    uint8_t key[ID_KEY], value[8];
    struct aiex_slice id = {NULL, 0};
    int n, filed = e->sequence <= atomic_load(&v->s->filed);

    if (aiex_get_str(e->map, "id", &id) != 1 || id.len > MAX_ID) {
        fault(v, EVENTS, e->sequence, "the event has no id");
        return 0;
    }
    n = env_get(&v->s->env, IDS, v->txn, key, id_key(id, key), value, 8);
    if ((n == -ENOENT && filed) || (n == 8 && get_be(value, 8) != e->sequence))
        fault(v, IDS, e->sequence, "the event's id leads %s",
              n == 8 ? "to another event" : "nowhere");
    return n < 0 && n != -ENOENT ? n : 0;
}

/* 1 when a run of the stream has a copy of the version, 0 when not, or negative errno. */
static int copy_of(struct verify *v, uint64_t number, uint64_t version, DBT *mem,
                   struct run_entry *ret_copy)
{
    uint64_t last;
    int r = stream_run(&v->s->env, v->txn, number, version, mem, &last);

    if (r == 0)
        r = run_find((struct aiex_slice){mem->data, mem->size}, version, ret_copy);
    if (r == 1)
        r = ret_copy->number == version;
    return r == -ENOENT ? 0 : r;
}

/* 1 when the tail of its stream has the event, 0 when not, or negative errno. */
static int in_tail(struct verify *v, struct aiex_slice stream, uint64_t version, uint64_t sequence)
{
    struct head h;
    int r = head_get(&v->s->env, v->txn, stream, &h);

    if (r < 0)
        return r;
    return h.is.exists && version > h.base && version <= h.is.version &&
           h.tail[version - h.base - 1] == sequence;
}

static int is_other(const struct run_entry *entry, const struct event_view *e)
{
    struct event_view copy;

    return event_view_copy(entry->record, entry->len, e->version, &copy) < 0 ||
           copy.sequence != e->sequence ||
           (!copy.flags &&
            (copy.map.len != e->map.len || memcmp(copy.map.data, e->map.data, e->map.len) != 0));
}

static int check_copy(struct verify *v, const struct event_view *e)
{
    struct aiex_slice stream = {NULL, 0};
    struct run_entry entry;
    DBT mem = env_grows();
    int r = copy_of(v, e->number, e->version, &mem, &entry), tail = 0;

    if (r == 0 && aiex_get_str(e->map, "stream", &stream) == 1)
        tail = in_tail(v, stream, e->version, e->sequence);
    if (r == 0 && tail == 0) /* its tail became a run in between */
        r = copy_of(v, e->number, e->version, &mem, &entry);
    if (r == 0 && tail == 0)
        fault(v, STREAMS, e->sequence, "the event is not in its stream, version %llu",
              (unsigned long long)e->version);
    else if (r == 1 && is_other(&entry, e))
        fault(v, STREAMS, e->sequence, "the event in its stream is another one");
    free(mem.data);
    return r < 0 ? r : tail < 0 ? tail : 0;
}

/* Erased since its slice was begun? Then its entries are rightly gone. */
static int is_erased(struct verify *v, uint64_t sequence)
{
    struct event_view view;
    DBT mem = env_grows();
    int r = event_of(v, sequence, &mem, &view);

    free(mem.data);
    return r == 0 && view.flags & EVENT_ERASED;
}

static int check_places(struct verify *v, const struct event_view *e)
{
    uint64_t faults = v->faults;
    size_t len = v->found_len, n = v->n_found;
    int r = check_copy(v, e);

    r = r ? r : check_id(v, e);
    r = r ? r : check_mark(v, e, "type", 't');
    r = r ? r : check_mark(v, e, "correlation", 'c');
    if (r == 0 && v->faults != faults && is_erased(v, e->sequence)) {
        v->faults = faults;
        v->found_len = len;
        v->n_found = n;
    }
    return r;
}

static int check_record(struct verify *v, const struct run_entry *entry)
{
    uint64_t sequence = entry->number;
    struct event_view e;

    if (sequence > v->bound)
        return 1;
    if (sequence != v->last + 1)
        fault(v, EVENTS, v->last + 1, "sequences %llu to %llu are missing",
              (unsigned long long)v->last + 1, (unsigned long long)sequence - 1);
    v->last = sequence;
    v->checked++;
    if (event_view(entry->record, entry->len, sequence, &e) < 0) {
        fault(v, EVENTS, sequence, "the event can not be read");
        return 0;
    }
    event_chain(&e, v->chain);
    if (memcmp(v->chain, e.chain, EVENT_HASH) != 0) {
        fault(v, EVENTS, sequence, "the event is not the one the chain was made of");
        memcpy(v->chain, e.chain, EVENT_HASH);
    }
    return e.flags & EVENT_ERASED ? 0 : check_places(v, &e);
}

/* A run whose entries can not be told apart. */
static int torn(struct verify *v, enum file file, uint64_t sequence)
{
    fault(v, file, sequence, "a run of events can not be read");
    return 0;
}

static int check_events(struct verify *v, const DBT *key, const DBT *data)
{
    struct aiex_slice run = {data->data, data->size};
    struct run_entry entry = {0};
    int r;

    if (key->size != 8)
        return 0; /* the stamp */
    while ((r = run_next(&run, &entry)) == 1) {
        r = check_record(v, &entry);
        if (r != 0)
            return r;
    }
    if (r < 0)
        return torn(v, EVENTS, v->last + 1);
    if (entry.number != get_be(key->data, 8))
        fault(v, EVENTS, entry.number, "a run of events does not end where its key says");
    return 0;
}

/* ---- The other way round ---- */

/* What leads to an event: an entry of a run (STREAMS, number, version), of a tail (HEADS, the
 * same), of a piece (MARKS), or a key. */
struct lead {
    enum file file;
    const DBT *key;
    uint64_t sequence, number, version;
};

static int mark_is_there(struct verify *v, const struct lead *l)
{
    uint8_t key[MARK_KEY];

    memcpy(key, l->key->data, l->key->size);
    put_be(key + l->key->size - 8, l->sequence, 8);
    return marks_have(&v->s->env, v->txn, key, l->key->size);
}

static int leads_still(struct verify *v, const struct lead *l)
{
    struct aiex_slice name = {l->key->data, l->key->size};
    struct run_entry copy;
    DBT mem = env_grows();
    int r;

    if (l->file == HEADS)
        return in_tail(v, name, l->version, l->sequence);
    if (l->file == MARKS)
        return mark_is_there(v, l);
    if (l->file != STREAMS)
        return is_there(v, l->file, l->key->data, l->key->size);
    r = copy_of(v, l->number, l->version, &mem, &copy);
    free(mem.data);
    return r;
}

/* When the event is erased, what leads to it is looked up again. */
static int check_lead(struct verify *v, const struct lead *l)
{
    struct event_view e;
    DBT mem = env_grows();
    int r;

    if (!l->sequence || l->sequence > v->bound)
        return 0;
    v->checked++;
    r = event_of(v, l->sequence, &mem, &e);
    if (r == -ENOENT || r == -EBADMSG)
        fault(v, l->file, l->sequence, "an entry leads to an event that is not there");
    else if (r == 0 && e.flags & EVENT_ERASED && leads_still(v, l) == 1)
        fault(v, l->file, l->sequence, "an entry leads to an event that was erased");
    else if (r == 0 && l->number && (e.number != l->number || e.version != l->version))
        fault(v, l->file, l->sequence, "an entry leads to another stream's event");
    free(mem.data);
    return r == -ENOENT || r == -EBADMSG ? 0 : r;
}

static int check_stream(struct verify *v, const DBT *key, const DBT *data)
{
    struct aiex_slice run = {data->data, data->size};
    struct lead l = {.file = STREAMS, .key = key};
    struct run_entry entry;
    int r;

    if (key->size != 16)
        return 0;
    l.number = get_be(key->data, 8);
    while ((r = run_next(&run, &entry)) == 1) {
        if (entry.len < EVENT_COPY)
            return torn(v, STREAMS, 0);
        l.version = entry.number;
        l.sequence = get_be(entry.record + 16, 8);
        r = check_lead(v, &l);
        if (r < 0)
            return r;
    }
    return r < 0 ? torn(v, STREAMS, 0) : 0;
}

static int check_known(struct verify *v, const DBT *key, const DBT *data)
{
    struct lead l = {.file = IDS, .key = key};

    if (*(uint8_t *)key->data != 'e' || data->size != 8)
        return 0;
    l.sequence = get_be(data->data, 8);
    return check_lead(v, &l);
}

static int check_index(struct verify *v, const DBT *key, const DBT *data)
{
    struct lead l = {.file = MARKS, .key = key};
    struct piece piece;
    int r = 0;

    if (key->size < 10)
        return 0; /* the stamp */
    if (key->size > MARK_KEY || piece_read(key, data, &piece) < 0) {
        fault(v, MARKS, 0, "a piece of the index can not be read");
        return 0;
    }
    for (unsigned i = 0; i < piece.n && r == 0; i++) {
        l.sequence = piece.sequences[i];
        r = check_lead(v, &l);
    }
    return r;
}

/* The last event of a stream is where its head says. */
static int check_end(struct verify *v, const DBT *key, const struct head *h)
{
    uint64_t sequence = h->is.last_sequence;
    int shown = (int)(key->size > 60 ? 60 : key->size), r;
    struct event_view e;
    DBT mem = env_grows();

    if (!sequence || sequence > v->bound)
        return 0;
    v->checked++;
    r = event_of(v, sequence, &mem, &e);
    if (r == 0 && (e.number != h->is.number || e.version != h->is.version))
        fault(v, HEADS, sequence, "stream '%.*s' ends at version %llu, its last event has %llu",
              shown, (char *)key->data, (unsigned long long)h->is.version,
              (unsigned long long)e.version);
    if (r == -ENOENT)
        fault(v, HEADS, sequence, "stream '%.*s' ends at an event that is not there", shown,
              (char *)key->data);
    free(mem.data);
    return r == -ENOENT ? 0 : r;
}

static int check_head(struct verify *v, const DBT *key, const DBT *data)
{
    struct lead l = {.file = HEADS, .key = key};
    struct head h;
    int r;

    if (data->size == 8 && key->size == 1) /* the stamp */
        return 0;
    if (head_read(data->data, data->size, &h) < 0) {
        fault(v, HEADS, 0, "the head of stream '%.*s' can not be read",
              (int)(key->size > 60 ? 60 : key->size), (char *)key->data);
        return 0;
    }
    r = check_end(v, key, &h);
    l.number = h.is.number;
    for (l.version = h.base + 1; l.version <= h.is.version && r == 0; l.version++) {
        l.sequence = h.tail[l.version - h.base - 1];
        r = check_lead(v, &l);
    }
    return r;
}

/* ---- Tables ---- */

static int check_row(struct verify *v, const DBT *key, const DBT *data)
{
    struct table *t = key->size > 4 ? tables_by_id(&v->s->tables, (uint32_t)get_be(key->data, 4))
                                    : NULL;
    struct aiex_slice name = {(uint8_t *)key->data + 4, key->size - 4};
    struct aiex_slice value = {(uint8_t *)data->data + ROW_HEAD, data->size - ROW_HEAD};
    uint8_t field[FIELD_KEY_MAX];
    int r = 0;

    if (key->size <= 4)
        return 0;
    v->checked++;
    if (!t || data->size < ROW_HEAD) {
        fault(v, ROWS, 0, "a row of table %llu, which is not defined",
              (unsigned long long)get_be(key->data, 4));
        return 0;
    }
    for (uint32_t i = 0; i < t->n_indexes && r == 0; i++) {
        int n = field_key(t, i, value, name, field);

        r = n > 0 ? is_there(v, FIELDS, field, (size_t)n) : 1;
        if (r == 0 && is_there(v, ROWS, key->data, key->size) == 1)
            fault(v, FIELDS, 0, "a row of table '%s' is not in index '%s'", t->name,
                  t->indexes[i].name);
        r = r < 0 ? r : 0;
    }
    return r;
}

static int check_field(struct verify *v, const DBT *key, const DBT *data)
{
    const uint8_t *k = key->data;
    uint32_t id = key->size >= 6 ? (uint32_t)get_be(k, 4) : 0;
    struct table *t = id ? tables_by_id(&v->s->tables, id) : NULL;
    uint32_t index = id ? (uint32_t)get_be(k + 4, 2) : 0;
    struct aiex_slice name;
    uint8_t row[ROW_KEY_MAX];
    int r;

    (void)data;
    if (!id) /* the stamp, and what expires: the sweep removes both halves */
        return 0;
    v->checked++;
    if (!t || index >= t->n_indexes || field_row(t, index, k, key->size, &name) < 0 ||
        name.len > MAX_KEY) {
        fault(v, FIELDS, 0, "an entry of table %u that no index has", id);
        return 0;
    }
    r = is_there(v, ROWS, row, row_key(t, name, row));
    if (r == 0 && is_there(v, FIELDS, k, key->size) == 1)
        fault(v, FIELDS, 0, "index '%s' of table '%s' leads to a row that is not there",
              t->indexes[index].name, t->name);
    return r < 0 ? r : 0;
}

/* ---- Stages ---- */

static const struct stage {
    enum file file;
    check_fn check;
} stages[] = {{EVENTS, check_events}, {STREAMS, check_stream}, {IDS, check_known},
              {MARKS, check_index},   {HEADS, check_head},     {ROWS, check_row},
              {FIELDS, check_field}};

#define N_STAGES (sizeof(stages) / sizeof(*stages))

/* One entry; when a lock was lost (-EAGAIN) it is as if it had not been looked at. */
static int check_once(struct verify *v, const struct stage *stage, const DBT *key, const DBT *data)
{
    uint64_t last = v->last, checked = v->checked, faults = v->faults;
    size_t len = v->found_len, n = v->n_found;
    uint8_t chain[EVENT_HASH];
    int r;

    memcpy(chain, v->chain, sizeof(chain));
    r = stage->check(v, key, data);
    if (r == -EAGAIN) {
        v->last = last;
        v->checked = checked;
        v->faults = faults;
        v->found_len = len;
        v->n_found = n;
        memcpy(v->chain, chain, sizeof(chain));
        return r;
    }
    v->key_len = key->size < KEY_MAX ? key->size : KEY_MAX;
    memcpy(v->key, key->data, v->key_len);
    return r;
}

/* 1 = the stage is over, 0 = more, negative errno. */
static int slice(struct verify *v, const struct stage *stage, DBC *c)
{
    DBT key = {.flags = DB_DBT_REALLOC}, data = {.flags = DB_DBT_REALLOC};
    int r, over = 0;

    key.data = malloc(KEY_MAX);
    if (!key.data)
        return -ENOMEM;
    memcpy(key.data, v->key, v->key_len);
    key.size = (uint32_t)v->key_len;
    r = env_errno(&v->s->env, c->get(c, &key, &data, DB_SET_RANGE));
    for (unsigned i = 0; i < SLICE && r == 0 && !over; i++) {
        if (key.size != v->key_len || memcmp(key.data, v->key, v->key_len) != 0)
            over = check_once(v, stage, &key, &data);
        env_look(stage->file);
        if (over == 0)
            r = env_errno(&v->s->env, c->get(c, &key, &data, DB_NEXT));
    }
    free(key.data);
    free(data.data);
    if (r == -ENOENT)
        return 1;
    return over ? over : r;
}

/* The events end where they should. */
static void end_events(struct verify *v)
{
    if (v->last != v->bound)
        fault(v, EVENTS, v->last + 1, "sequences %llu to %llu are missing",
              (unsigned long long)v->last + 1, (unsigned long long)v->bound);
}

int verify_slice(struct verify *v)
{
    const struct stage *stage = &stages[v->stage];
    DB *db = env_file(&v->s->env, stage->file);
    DBC *c;
    int r = env_read_begin(&v->s->env, &v->txn);

    r = r ? r : env_errno(&v->s->env, db->cursor(db, v->txn, &c, 0));
    if (r == 0) {
        r = slice(v, stage, c);
        c->close(c);
    }
    env_read_end(v->txn);
    if (r == -EAGAIN)
        return 0;
    if (r == -EUCLEAN || r == -EBADMSG) {
        fault(v, stage->file, v->last + 1, "damaged page: %.120s", v->s->env.said);
        return r;
    }
    if (r <= 0)
        return r;
    if (stage->file == EVENTS)
        end_events(v);
    v->key_len = 0;
    return ++v->stage == N_STAGES;
}

/* ---- store.verify ---- */

struct verify_job {
    struct job job;
    struct verify v;
    int begun;
};

/* Each finding is a part of its own kind: one map. They go out one slice at a time, in one array.
 */
static int hand_over(struct job *j, struct verify *v)
{
    j->part_len = 0;
    j->out.len = 0;
    if (!v->n_found)
        return 0;
    if (job_room(j, v->found_len + 5) < 0)
        return -ENOMEM;
    j->part[0] = 0xdd; /* array 32 */
    put_be(j->part + 1, v->n_found, 4);
    memcpy(j->part + 5, v->found, v->found_len);
    j->part_len = v->found_len + 5;
    j->out = (struct aiex_slice){j->part, j->part_len};
    v->n_found = v->found_len = 0;
    return 0;
}

static enum job_step step(struct job *j)
{
    struct verify_job *q = (struct verify_job *)j;
    int r;

    if (!q->begun)
        verify_init(&q->v, j->s, atomic_load(&j->s->visible));
    q->begun = 1;
    r = verify_slice(&q->v);
    if (hand_over(j, &q->v) < 0)
        return job_failed(j, -ENOMEM, "the findings");
    if (r == -EUCLEAN || r == -EBADMSG) { /* found: that is what it is for */
        state_damage(j->s, env_file_name(stages[q->v.stage].file));
        return JOB_END;
    }
    return r < 0 ? job_failed(j, r, env_file_name(stages[q->v.stage].file))
           : r   ? JOB_END
                 : JOB_PART;
}

static void write_end(struct aiex_writer *w, const void *arg)
{
    const struct verify *v = &((const struct verify_job *)arg)->v;

    aiex_w_map(w, 4);
    aiex_w_key_uint(w, "checked", v->checked);
    aiex_w_key_uint(w, "faults", v->faults);
    aiex_w_key_uint(w, "sequence", v->bound);
    aiex_w_key_bool(w, "whole", v->stage == N_STAGES);
}

static void answer(struct job *j)
{
    store_reply(j->s, j->id, write_end, j);
}

static void done(struct job *j)
{
    verify_done(&((struct verify_job *)j)->v);
}

int verify_take(void *self, const struct aiex_message *m)
{
    struct store *s = self;
    struct verify_job *q = job_new(s, m->id, sizeof(*q), step);

    if (!q)
        return 0;
    q->job.slow = 1;
    q->job.answer = answer;
    q->job.done = done;
    job_go(&q->job);
    return 0;
}

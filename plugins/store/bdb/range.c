/*
 * range.c - tables: store.get and store.range.
 *
 * What one request reads is one state, and is on the disk. A table's `turn` is odd while a batch
 * changes it; who finds it even, and the same after reading, has read between two batches. Who is
 * overtaken reads again while it holds the writer up, which is why a range gathers RANGE_BYTES at
 * most, at once; they are then sent as their reader takes them.
 */
#include "store.h"

#include "bytes.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdlib.h>

#define PART_ROWS 4096u

struct range {
    struct job job;
    char table[MAX_TABLE + 1], index[MAX_TABLE + 1];
    uint8_t *request; /* copy of the body: the bounds lie in it */
    size_t request_len;
    int64_t limit;
    int backwards;
    /* reader */
    struct table *t;
    int at_index; /* -1 = by key */
    uint8_t from[FIELD_KEY_MAX], to[FIELD_KEY_MAX], next[FIELD_KEY_MAX];
    size_t from_len, to_len, next_len;
    struct cut {
        size_t begin, rows;
    } * cuts; /* parts within job.part */
    size_t n_cuts, sent, total;
    uint64_t rows;
    int gathered, end;
};

/* One row; malloc()ed value. 0, -ENOENT, ... */
static int row_read(struct store *s, DB_TXN *txn, const uint8_t *key, size_t len, DBT *v)
{
    DBT k = env_dbt(key, len);
    DB *db = env_file(&s->env, ROWS);
    int r;

    *v = (DBT){.flags = DB_DBT_MALLOC};
    r = env_errno(&s->env, db->get(db, txn, &k, v, 0));
    if (r == 0 && v->size < ROW_HEAD) {
        free(v->data);
        v->data = NULL;
        r = -EBADMSG;
    }
    return r;
}

int read_quietly(struct store *s, struct table *t, int (*read)(void *), void (*forget)(void *),
                 void *arg)
{
    unsigned turn = atomic_load(&t->turn);
    int r;

    if (!(turn & 1)) {
        r = read(arg);
        if (atomic_load(&t->turn) == turn && r != -EAGAIN)
            return r;
        forget(arg);
    }
    gate_enter(&s->gate);
    r = read(arg);
    gate_leave(&s->gate);
    return r;
}

static int is_over(const uint8_t *row)
{
    uint64_t expires = get_be(row + 8, 8);

    return expires && expires <= (uint64_t)wall_ms();
}

/* ---- store.get ---- */

struct get {
    struct job job;
    char table[MAX_TABLE + 1];
    uint8_t key[MAX_KEY];
    size_t key_len;
    struct table *t;
    DBT value;
    int found;
};

static int get_read(void *arg)
{
    struct get *g = arg;
    uint8_t key[ROW_KEY_MAX];

    return row_read(g->job.s, NULL, key,
                    row_key(g->t, (struct aiex_slice){g->key, g->key_len}, key), &g->value);
}

static void get_forget(void *arg)
{
    struct get *g = arg;

    free(g->value.data);
    g->value.data = NULL;
}

static enum job_step get_step(struct job *j)
{
    struct get *g = (struct get *)j;
    const struct aiex_slice name = {(const uint8_t *)g->table, strlen(g->table)};
    int r;

    g->t = tables_find(&j->s->tables, name);
    if (!g->t)
        return JOB_END;
    r = read_quietly(j->s, g->t, get_read, get_forget, g);
    if (r < 0 && r != -ENOENT)
        return job_failed(j, r, "rows.db");
    g->found = r == 0 && !is_over(g->value.data);
    return JOB_END;
}

static void write_get(struct aiex_writer *w, const void *arg)
{
    const struct get *g = arg;
    const uint8_t *row = g->value.data;

    aiex_w_map(w, g->found ? 4 : 1);
    aiex_w_key_bool(w, "found", g->found);
    if (!g->found)
        return;
    aiex_w_key_bin(w, "value", row + ROW_HEAD, g->value.size - ROW_HEAD);
    aiex_w_key_uint(w, "version", get_be(row, 8));
    aiex_w_key_uint(w, "expires", get_be(row + 8, 8));
}

static void get_answer(struct job *j)
{
    store_reply(j->s, j->id, write_get, j);
}

static void get_done(struct job *j)
{
    free(((struct get *)j)->value.data);
}

int get_take(void *self, const struct aiex_message *m)
{
    struct store *s = self;
    struct aiex_slice key = {NULL, 0};
    char table[MAX_TABLE + 1];
    struct get *g;

    if (aiex_get_text(m->body, "table", table, sizeof(table)) != 1)
        return aiex_refuse(s->host, m->id, AIEX_E_INVALID,
                           "field 'table' must be text of at most %u bytes", MAX_TABLE);
    if (aiex_get_bytes(m->body, "key", &key) != 1 || !key.len || key.len > MAX_KEY)
        return aiex_refuse(s->host, m->id, AIEX_E_INVALID, "field 'key' must have 1 to %u bytes",
                           MAX_KEY);
    g = job_new(s, m->id, sizeof(*g), get_step);
    if (!g)
        return 0;
    memcpy(g->table, table, sizeof(table));
    memcpy(g->key, key.data, key.len);
    g->key_len = key.len;
    g->job.answer = get_answer;
    g->job.done = get_done;
    job_go(&g->job);
    return 0;
}

/* ---- store.range: bounds ---- */

/* A bound as a key of the file that is read; 0 = there is none, -EINVAL. */
static int bound(struct range *q, const char *field, uint8_t out[FIELD_KEY_MAX])
{
    const struct aiex_slice body = {q->request, q->request_len};
    struct aiex_value v;
    int r = aiex_get(body, field, &v);

    if (r <= 0 || v.type == AIEX_T_NIL)
        return r < 0 ? -EINVAL : 0;
    if (q->at_index >= 0)
        return field_bound(q->t, (uint32_t)q->at_index, &v, out);
    if ((v.type != AIEX_T_STR && v.type != AIEX_T_BIN) || v.bytes.len > MAX_KEY)
        return -EINVAL;
    return (int)row_key(q->t, v.bytes, out);
}

/* The first key behind all of a prefix; its length. */
static size_t behind(uint8_t *key, size_t len)
{
    while (len && key[len - 1] == 255)
        len--;
    if (len)
        key[len - 1]++;
    return len;
}

static int find_index(struct range *q)
{
    q->at_index = -1;
    if (!q->index[0])
        return 0;
    for (uint32_t i = 0; i < q->t->n_indexes; i++)
        if (strcmp(q->t->indexes[i].name, q->index) == 0) {
            q->at_index = (int)i;
            return 0;
        }
    return -ENOENT;
}

static size_t prefix(const struct range *q, uint8_t *out)
{
    if (q->at_index >= 0)
        return field_prefix(q->t, (uint32_t)q->at_index, out);
    put_be(out, q->t->id, 4);
    return 4;
}

static int bounds(struct range *q)
{
    const struct aiex_slice body = {q->request, q->request_len};
    struct aiex_slice token = {NULL, 0};
    int from = bound(q, "from", q->from), to = bound(q, "to", q->to);

    if (from < 0 || to < 0 || aiex_get_bytes(body, "token", &token) < 0 ||
        token.len > FIELD_KEY_MAX)
        return -EINVAL;
    q->from_len = from ? (size_t)from : prefix(q, q->from);
    q->to_len = to ? (size_t)to : behind(q->to, prefix(q, q->to));
    if (!token.len)
        return 0;
    if (q->backwards) { /* a token is a key that comes next */
        memcpy(q->to, token.data, token.len);
        q->to[token.len] = 0;
        q->to_len = token.len + 1;
    } else {
        memcpy(q->from, token.data, token.len);
        q->from_len = token.len;
    }
    return q->to_len <= FIELD_KEY_MAX ? 0 : -EINVAL;
}

/* ---- store.range: rows ---- */

static int less(const uint8_t *a, size_t n, const uint8_t *b, size_t m)
{
    int r = memcmp(a, b, n < m ? n : m);

    return r ? r < 0 : n < m;
}

static int cut_begin(struct range *q)
{
    struct cut *cuts = realloc(q->cuts, (q->n_cuts + 1) * sizeof(*cuts));

    if (!cuts)
        return -ENOMEM;
    q->cuts = cuts;
    if (job_room(&q->job, 5) < 0)
        return -ENOMEM;
    q->cuts[q->n_cuts++] = (struct cut){q->job.part_len, 0};
    q->job.part_len += 5;
    return 0;
}

static int add_row(struct range *q, struct aiex_slice key, const uint8_t *row, size_t len)
{
    struct job *j = &q->job;
    struct cut *cut = q->n_cuts ? &q->cuts[q->n_cuts - 1] : NULL;
    struct aiex_writer w;
    int r = 0;

    if (!cut || cut->rows == PART_ROWS || j->part_len - cut->begin >= PART_BYTES)
        r = cut_begin(q);
    r = r ? r : job_room(j, key.len + len + 64);
    if (r < 0)
        return r;
    aiex_writer_init(&w, j->part + j->part_len, j->part_size - j->part_len);
    aiex_w_map(&w, 4);
    aiex_w_key_bin(&w, "key", key.data, key.len);
    aiex_w_key_bin(&w, "value", row + ROW_HEAD, len - ROW_HEAD);
    aiex_w_key_uint(&w, "version", get_be(row, 8));
    aiex_w_key_uint(&w, "expires", get_be(row + 8, 8));
    j->part_len += w.len;
    q->cuts[q->n_cuts - 1].rows++;
    q->rows++;
    return 0;
}

/* The row that a key of the file that is read stands for. */
static int take_row(struct range *q, const DBT *k, const DBT *v)
{
    struct aiex_slice key = {(const uint8_t *)k->data + 4, k->size - 4};
    uint8_t row[ROW_KEY_MAX];
    DBT found;
    int r;

    if (q->at_index < 0)
        return is_over(v->data) ? 0 : add_row(q, key, v->data, v->size);
    r = field_row(q->t, (uint32_t)q->at_index, k->data, k->size, &key);
    if (r < 0 || key.len > MAX_KEY)
        return -EBADMSG;
    r = row_read(q->job.s, q->job.reader->txn, row, row_key(q->t, key, row), &found);
    if (r < 0)
        return r == -ENOENT ? -EBADMSG : r;
    r = is_over(found.data) ? 0 : add_row(q, key, found.data, found.size);
    free(found.data);
    return r;
}

static int cursor_get(struct range *q, DBC *c, DBT *k, DBT *v, uint32_t how)
{
    struct reader *reader = q->job.reader;
    struct env *e = &q->job.s->env;
    int r;

    for (;;) {
        *v = env_room(reader->bulk, reader->bulk_size);
        r = env_errno(e, c->get(c, k, v, how));
        if (r != -ENOBUFS)
            return r;
        reader->bulk_size *= 4;
        free(reader->bulk);
        reader->bulk = malloc(reader->bulk_size);
        if (!reader->bulk) {
            reader->bulk_size = 0;
            return -ENOMEM;
        }
    }
}

static int first_get(struct range *q, DBC *c, DBT *k, DBT *v)
{
    int r;

    k->size = (uint32_t)(q->backwards ? q->to_len : q->from_len);
    memcpy(k->data, q->backwards ? q->to : q->from, k->size);
    r = cursor_get(q, c, k, v, DB_SET_RANGE);
    if (!q->backwards)
        return r;
    if (r == -ENOENT)
        return cursor_get(q, c, k, v, DB_LAST);
    return r < 0 ? r : cursor_get(q, c, k, v, DB_PREV);
}

static int inside(const struct range *q, const DBT *k)
{
    return q->backwards ? !less(k->data, k->size, q->from, q->from_len)
                        : less(k->data, k->size, q->to, q->to_len);
}

/* Rows until the range, the limit or the memory ends. */
static int gather(struct range *q, DBC *c)
{
    uint8_t key[FIELD_KEY_MAX];
    DBT k = env_room(key, sizeof(key)), v;
    int r = first_get(q, c, &k, &v);

    while (r == 0 && inside(q, &k)) {
        if ((q->limit && q->rows == (uint64_t)q->limit) || q->job.part_len >= RANGE_BYTES) {
            memcpy(q->next, key, k.size);
            q->next_len = k.size;
            return 0;
        }
        r = take_row(q, &k, &v);
        env_look(q->at_index < 0 ? ROWS : FIELDS);
        r = r ? r : cursor_get(q, c, &k, &v, q->backwards ? DB_PREV : DB_NEXT);
    }
    q->end = r == 0 || r == -ENOENT;
    return r == -ENOENT ? 0 : r;
}

static int gather_all(void *arg)
{
    struct range *q = arg;
    struct env *e = &q->job.s->env;
    DB *db = env_file(e, q->at_index < 0 ? ROWS : FIELDS);
    struct reader *reader = q->job.reader;
    DBC *c;
    int r = env_read_begin(e, &reader->txn);

    r = r ? r : env_errno(e, db->cursor(db, reader->txn, &c, 0));
    if (r == 0) {
        r = gather(q, c);
        c->close(c);
    }
    env_read_end(reader->txn);
    reader->txn = NULL;
    return r;
}

static void gather_forget(void *arg)
{
    struct range *q = arg;

    q->n_cuts = q->rows = q->job.part_len = q->next_len = 0;
    q->end = 0;
}

static enum job_step begin(struct range *q)
{
    struct job *j = &q->job;
    const struct aiex_slice name = {(const uint8_t *)q->table, strlen(q->table)};
    int r;

    q->gathered = 1;
    q->t = tables_find(&j->s->tables, name);
    if (!q->t) {
        q->end = 1;
        return JOB_END;
    }
    if (find_index(q) < 0)
        return job_refused(j, AIEX_E_NOT_FOUND, "table '%s' has no index '%s'", q->table, q->index);
    if (bounds(q) < 0)
        return job_refused(j, AIEX_E_INVALID,
                           "'from' and 'to' must be of the index's type, or keys; 'token' as "
                           "'next' of an answer was");
    r = read_quietly(j->s, q->t, gather_all, gather_forget, q);
    q->total = j->part_len; /* the loop forgets it with the first part */
    return r < 0 ? job_failed(j, r, "rows.db") : JOB_PART;
}

static enum job_step step(struct job *j)
{
    struct range *q = (struct range *)j;
    size_t begins, ends;

    if (!q->gathered) {
        enum job_step first = begin(q);

        if (first == JOB_END)
            return first;
    }
    if (q->sent == q->n_cuts)
        return JOB_END;
    begins = q->cuts[q->sent].begin;
    j->part[begins] = 0xdd; /* array 32 */
    put_be(j->part + begins + 1, q->cuts[q->sent].rows, 4);
    q->sent++;
    ends = q->sent < q->n_cuts ? q->cuts[q->sent].begin : q->total;
    j->out = (struct aiex_slice){j->part + begins, ends - begins};
    return q->sent == q->n_cuts ? JOB_END : JOB_PART;
}

static void write_end(struct aiex_writer *w, const void *arg)
{
    const struct range *q = arg;

    aiex_w_map(w, q->end ? 2 : 3);
    aiex_w_key_uint(w, "rows", q->rows);
    aiex_w_key_bool(w, "end", q->end);
    if (!q->end)
        aiex_w_key_bin(w, "next", q->next, q->next_len);
}

static void answer(struct job *j)
{
    store_reply(j->s, j->id, write_end, j);
}

static void done(struct job *j)
{
    free(((struct range *)j)->request);
    free(((struct range *)j)->cuts);
}

int range_take(void *self, const struct aiex_message *m)
{
    struct store *s = self;
    char table[MAX_TABLE + 1] = "", index[MAX_TABLE + 1] = "";
    int64_t limit = 0;
    int backwards = 0;
    struct range *q;

    if (aiex_get_text(m->body, "table", table, sizeof(table)) != 1 ||
        aiex_get_text(m->body, "index", index, sizeof(index)) < 0)
        return aiex_refuse(s->host, m->id, AIEX_E_INVALID,
                           "'table' (and 'index') must be text of at most %u bytes", MAX_TABLE);
    if (aiex_get_int(m->body, "limit", &limit) < 0 || limit < 0 ||
        aiex_get_bool(m->body, "backwards", &backwards) < 0)
        return aiex_refuse(s->host, m->id, AIEX_E_INVALID,
                           "'limit' must be a number of rows, 'backwards' a bool");
    q = job_new(s, m->id, sizeof(*q), step);
    if (!q)
        return 0;
    q->request = malloc(m->body.len);
    if (!q->request) {
        job_stop(&q->job, AIEX_E_BUSY, "no memory for the request");
        return 0;
    }
    memcpy(q->request, m->body.data, m->body.len);
    q->request_len = m->body.len;
    memcpy(q->table, table, sizeof(table));
    memcpy(q->index, index, sizeof(index));
    q->limit = limit;
    q->backwards = backwards;
    q->job.answer = answer;
    q->job.done = done;
    job_go(&q->job);
    return 0;
}

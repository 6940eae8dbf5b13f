/*
 * relate.c - context.relate, context.unrelate: typed relations, one row for each way.
 *
 * A row names the births of both entries. An entry that was deleted and put again is another one:
 * relations of the old one do not hold for it, whether the sweeper has been there or not.
 */
#include "context.h"

#include <errno.h>

#define TRIES 3 /* when an entry changes meanwhile */

struct relate {
    char from[MAX_ID + 1], to[MAX_ID + 1], type[MAX_TYPE + 1];
    int64_t from_version, to_version, from_born, to_born;
    int undo, tries, rows, known;
    struct transact transact;
};

static size_t relation_key(uint8_t *out, char way, const char *a, const char *type, const char *b)
{
    size_t n = strlen(a), m = strlen(type), l = strlen(b);

    out[0] = (uint8_t)way;
    memcpy(out + 1, a, n + 1);
    memcpy(out + n + 2, type, m + 1);
    memcpy(out + n + m + 3, b, l);
    return n + m + l + 3;
}

#define KEY_MAX (2 * MAX_ID + MAX_TYPE + 4)

static void write_undo(struct aiex_writer *w, const void *arg)
{
    const struct relate *q = arg;
    uint8_t key[KEY_MAX];

    write_transact(w, &q->transact, 0);
    write_operations(w, 2);
    write_delete(w, "context_relation", key, relation_key(key, 'f', q->from, q->type, q->to));
    write_delete(w, "context_relation", key, relation_key(key, 'r', q->to, q->type, q->from));
}

static void write_row(struct aiex_writer *w, const struct relate *q, const uint8_t *key, size_t len,
                      int64_t from, int64_t to)
{
    uint8_t mem[64];
    struct aiex_writer value;

    (void)q;
    aiex_writer_init(&value, mem, sizeof(mem));
    aiex_w_map(&value, 2);
    aiex_w_key_int(&value, "from", from);
    aiex_w_key_int(&value, "to", to);
    write_put(w, "context_relation", key, len);
    aiex_w_bin(w, mem, value.len);
}

static void write_both(struct aiex_writer *w, const void *arg)
{
    const struct relate *q = arg;
    uint8_t key[KEY_MAX];
    size_t n;

    write_transact(w, &q->transact, 2);
    write_condition(w, "context_entry", q->from, strlen(q->from), q->from_version);
    write_condition(w, "context_entry", q->to, strlen(q->to), q->to_version);
    write_operations(w, 2);
    n = relation_key(key, 'f', q->from, q->type, q->to);
    write_row(w, q, key, n, q->from_born, q->to_born);
    n = relation_key(key, 'r', q->to, q->type, q->from);
    write_row(w, q, key, n, q->from_born, q->to_born);
}

static void write_nothing(struct aiex_writer *w, const void *arg)
{
    (void)arg;
    aiex_w_map(w, 0);
}

static void relate_begin(struct work *w);

static void on_related(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct work *w = a->arg;

    if (!end->code) {
        w->c->count.relates++;
        work_reply(w, write_nothing, NULL);
    } else if (strcmp(end->code, AIEX_E_CONFLICT) == 0 && !look_fenced(w->c, end) &&
               w->relate->tries++ < TRIES) {
        relate_begin(w);
    } else {
        work_store_failed(w, end, "the relation was not written");
    }
}

static const struct entry *find_live(struct work *w, const char *id)
{
    const struct entry *e = index_find(&w->c->index, id, strlen(id));

    return e && entry_is_live(e) ? e : NULL;
}

static void relate_write(struct work *w)
{
    struct relate *q = w->relate;
    const struct entry *from = find_live(w, q->from), *to = find_live(w, q->to);

    if (!from || !to) {
        work_fail(w, AIEX_E_NOT_FOUND, "there is no context '%s'", from ? q->to : q->from);
        return;
    }
    q->from_version = from->version;
    q->to_version = to->version;
    q->from_born = from->born;
    q->to_born = to->born;
    transact_id(w->c, &q->transact);
    work_write(w, write_both, q, on_related);
}

static void count_row(void *arg, const struct row_seen *row)
{
    struct relate *q = arg;
    uint8_t key[KEY_MAX];
    size_t n = relation_key(key, 'f', q->from, q->type, q->to);

    q->rows++;
    q->known |= row->key.len == n && memcmp(row->key.data, key, n) == 0;
}

static int on_part(struct aiex_ask *a, struct aiex_slice part)
{
    struct relate *q = ((struct work *)a->arg)->relate;

    if (part.data)
        rows_each(part, count_row, q);
    else
        q->rows = q->known = 0;
    return 0;
}

static void on_counted(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct work *w = a->arg;
    struct relate *q = w->relate;

    if (end->code)
        work_store_failed(w, end, "the relations could not be read");
    else if (q->rows >= MAX_OUT && !q->known)
        work_fail(w, AIEX_E_BUSY, "%d relations begin at '%s', no more fit", q->rows, q->from);
    else
        relate_write(w);
}

static void relate_begin(struct work *w)
{
    struct relate *q = w->relate;
    uint8_t from[MAX_ID + 2], to[MAX_ID + 2];
    size_t n = strlen(q->from);
    struct range r = {
        .table = "context_relation", .from = {from, n + 2}, .to = {to, n + 2}, .limit = MAX_OUT};

    from[0] = to[0] = 'f';
    memcpy(from + 1, q->from, n + 1);
    memcpy(to + 1, q->from, n + 1);
    to[n + 1] = 1;
    q->rows = q->known = 0;
    w->ask.part = on_part;
    w->ask.end = on_counted;
    w->ask.late = NULL;
    ask_by(&w->ask, "store.range", write_range, &r);
}

static void relate_run(struct work *w)
{
    if (!w->relate->undo) {
        relate_begin(w);
        return;
    }
    transact_id(w->c, &w->relate->transact);
    work_write(w, write_undo, w->relate, on_related);
}

static int take(void *self, const struct aiex_message *m, int undo)
{
    struct work *w = work_new(self, m, sizeof(struct relate));
    struct aiex_error err = {""};
    int r;

    if (!w)
        return 0;
    w->relate->undo = undo;
    r = field_text(m->body, "from", w->relate->from, MAX_ID + 1, 1, &err);
    r = r ? r : field_text(m->body, "to", w->relate->to, MAX_ID + 1, 1, &err);
    r = r ? r : field_text(m->body, "type", w->relate->type, MAX_TYPE + 1, 1, &err);
    if (r == 0 && strcmp(w->relate->from, w->relate->to) == 0)
        r = aiex_failed(&err, -EINVAL, "a context is not related to itself ('%s')",
                        w->relate->from);
    if (r < 0)
        work_fail(w, AIEX_E_INVALID, "%s", err.text);
    else
        work_go(w, relate_run);
    return 0;
}

int relate_take(void *self, const struct aiex_message *m)
{
    return take(self, m, 0);
}

int unrelate_take(void *self, const struct aiex_message *m)
{
    return take(self, m, 1);
}

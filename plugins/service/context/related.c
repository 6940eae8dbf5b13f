/*
 * related.c - context.related: a walk along relations, nearest first.
 *
 * Each entry is met once, MAX_RELATED of them in MAX_DEPTH steps at most; of one entry ROWS
 * relations each way are looked at. Relations to what is gone or over are passed by.
 */
#include "context.h"

#include <errno.h>

#define ROWS 400

struct met {
    char id[MAX_ID + 1], type[MAX_TYPE + 1];
    char way; /* f: from its via, r: to it */
    uint8_t depth;
    uint16_t via;
};

struct walk {
    struct context *c;
    char type[MAX_TYPE + 1]; /* "" = all */
    int64_t depth, limit;
    int ways; /* 1 out, 2 in */
    int cut;
    char way; /* that is read now */
    unsigned at, n;
    struct met met[MAX_RELATED + 1]; /* the first one is the start */
};

static void node_begin(struct work *w);

static int is_met(const struct walk *k, const uint8_t *id, size_t len)
{
    for (unsigned i = 0; i < k->n; i++)
        if (strlen(k->met[i].id) == len && memcmp(k->met[i].id, id, len) == 0)
            return 1;
    return 0;
}

/* Both entries are those that were related. */
static int holds(const struct walk *k, struct aiex_slice value, const struct entry *other)
{
    const char *id = k->met[k->at].id;
    const struct entry *here = index_find(&k->c->index, id, strlen(id));
    int64_t from = 0, to = 0;

    aiex_get_int(value, "from", &from);
    aiex_get_int(value, "to", &to);
    return here && here->born == (k->way == 'f' ? from : to) &&
           other->born == (k->way == 'f' ? to : from);
}

static void meet(struct walk *k, const uint8_t *type, size_t type_len, const struct entry *e)
{
    struct met *m = &k->met[k->n];

    if (k->n > (unsigned)k->limit) {
        k->cut = 1;
        return;
    }
    memset(m, 0, sizeof(*m));
    memcpy(m->id, e->id, e->id_len);
    memcpy(m->type, type, type_len);
    m->way = k->way;
    m->depth = (uint8_t)(k->met[k->at].depth + 1);
    m->via = (uint16_t)k->at;
    k->n++;
}

static void take_row(void *arg, const struct row_seen *row)
{
    struct walk *k = arg;
    size_t n = strlen(k->met[k->at].id) + 2, type_len;
    const uint8_t *type = row->key.data + n, *end = row->key.data + row->key.len, *id;
    const struct entry *e;

    if (row->key.len <= n || !(id = memchr(type, 0, (size_t)(end - type))))
        return;
    type_len = (size_t)(id++ - type);
    if (type_len > MAX_TYPE ||
        (k->type[0] && (strlen(k->type) != type_len || memcmp(k->type, type, type_len) != 0)))
        return;
    if (is_met(k, id, (size_t)(end - id)))
        return;
    e = index_find(&k->c->index, (const char *)id, (size_t)(end - id));
    if (e && entry_is_live(e) && holds(k, row->value, e))
        meet(k, type, type_len, e);
}

static int on_part(struct aiex_ask *a, struct aiex_slice part)
{
    rows_each(part, take_row, ((struct work *)a->arg)->walk); /* twice changes nothing */
    return 0;
}

static void write_walk(struct aiex_writer *w, const void *arg)
{
    const struct walk *k = arg;

    aiex_w_map(w, 2);
    aiex_w_str(w, "entries");
    aiex_w_array(w, k->n - 1);
    for (unsigned i = 1; i < k->n; i++) {
        aiex_w_map(w, 5);
        aiex_w_key_str(w, "id", k->met[i].id);
        aiex_w_key_str(w, "type", k->met[i].type);
        aiex_w_key_str(w, "direction", k->met[i].way == 'f' ? "out" : "in");
        aiex_w_key_int(w, "depth", k->met[i].depth);
        aiex_w_key_str(w, "via", k->met[k->met[i].via].id);
    }
    aiex_w_key_bool(w, "cut", k->cut);
}

static void on_end(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct work *w = a->arg;
    struct walk *k = w->walk;
    int is_end = 1;

    if (end->code) {
        work_store_failed(w, end, "the relations could not be read");
        return;
    }
    aiex_get_bool(end->body, "end", &is_end);
    k->cut |= !is_end;
    if (k->way == 'f' && (k->ways & 2)) {
        k->way = 'r';
    } else {
        k->at++;
        k->way = k->ways & 1 ? 'f' : 'r';
    }
    node_begin(w);
}

static void node_begin(struct work *w)
{
    struct walk *k = w->walk;
    uint8_t from[MAX_ID + 2], to[MAX_ID + 2];
    struct range r = {.table = "context_relation", .limit = ROWS};
    size_t n;

    if (k->at == k->n || k->met[k->at].depth >= k->depth || (k->cut && k->n > (unsigned)k->limit)) {
        w->c->count.walks++;
        work_reply(w, write_walk, k);
        return;
    }
    n = strlen(k->met[k->at].id);
    from[0] = to[0] = (uint8_t)k->way;
    memcpy(from + 1, k->met[k->at].id, n + 1);
    memcpy(to + 1, k->met[k->at].id, n + 1);
    to[n + 1] = 1;
    r.from = (struct aiex_slice){from, n + 2};
    r.to = (struct aiex_slice){to, n + 2};
    w->ask.part = on_part;
    w->ask.end = on_end;
    w->ask.late = NULL;
    ask_by(&w->ask, "store.range", write_range, &r);
}

static void walk_run(struct work *w)
{
    const char *id = w->walk->met[0].id;
    const struct entry *e = index_find(&w->c->index, id, strlen(id));

    if (!e || !entry_is_live(e))
        work_fail(w, AIEX_E_NOT_FOUND, "there is no context '%s'", id);
    else
        node_begin(w);
}

static int read_walk(struct work *w, struct aiex_error *err)
{
    struct walk *k = w->walk;
    char direction[8];
    int r = field_text(w->body, "id", k->met[0].id, MAX_ID + 1, 1, err);

    k->c = w->c;
    k->n = 1;
    k->depth = 1;
    k->limit = 50;
    r = r ? r : field_text(w->body, "type", k->type, sizeof(k->type), 0, err);
    r = r ? r : field_text(w->body, "direction", direction, sizeof(direction), 0, err);
    r = r ? r : field_number(w->body, "depth", 1, MAX_DEPTH, &k->depth, err);
    r = r ? r : field_number(w->body, "limit", 1, MAX_RELATED, &k->limit, err);
    if (r < 0)
        return r;
    k->ways = strcmp(direction, "out") == 0 ? 1 : strcmp(direction, "in") == 0 ? 2 : 3;
    if (k->ways == 3 && direction[0] && strcmp(direction, "both") != 0)
        return aiex_failed(err, -EINVAL, "field 'direction' must be out, in or both");
    k->way = k->ways & 1 ? 'f' : 'r';
    return 0;
}

int related_take(void *self, const struct aiex_message *m)
{
    struct work *w = work_new(self, m, sizeof(struct walk));
    struct aiex_error err = {""};

    if (!w)
        return 0;
    if (read_walk(w, &err) < 0)
        work_fail(w, AIEX_E_INVALID, "%s", err.text);
    else
        work_go(w, walk_run);
    return 0;
}

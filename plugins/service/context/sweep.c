/*
 * sweep.c - takes away what is over or dead, in slices, while nobody waits.
 *
 * Over: entries whose time has passed are deleted as a caller would do it, at most EXPIRING at
 * once. Dead: a row of context_dead names a doc; its postings go, then the relations of an entry
 * that is gone, and last its text, words and the row itself. Every step may be repeated, so a crash
 * between two of them costs nothing.
 */
#include "context.h"

#include <errno.h>
#include <stdlib.h>

#define SLICE    900u
#define EXPIRING 64
#define PAGE     400 /* relations, two rows each */

static void next_dead(struct context *c);
static void postings_begin(struct context *c);
static void relations_begin(struct context *c);

static void ask_sweep(struct context *c, const char *method, aiex_write_fn write, const void *arg,
                      void (*end)(struct aiex_ask *, const struct aiex_answer *))
{
    struct aiex_ask *a = &c->sweep.ask;

    a->owner = c;
    a->part = NULL;
    a->late = NULL;
    a->end = end;
    ask_by(a, method, write, arg);
}

static void rest(struct context *c)
{
    struct sweep *s = &c->sweep;

    free(s->words);
    s->words = NULL;
    s->words_len = s->words_at = 0;
    s->running = 0;
    if (s->again)
        sweep_soon(c);
}

/* The next tick tries again. */
static int is_stopped(struct context *c, const struct aiex_answer *end)
{
    if (!end->code)
        return 0;
    look_fenced(c, end);
    c->sweep.again = 0;
    rest(c);
    return 1;
}

/* ---- Last: the rows of the doc ---- */

static void write_last(struct aiex_writer *w, const void *arg)
{
    static const char *const tables[] = {"context_text", "context_words", "context_dead"};
    const struct sweep *s = arg;
    uint8_t key[8];

    doc_key(s->doc, key);
    write_transact(w, &s->transact, 0);
    write_operations(w, 3);
    for (int i = 0; i < 3; i++)
        write_delete(w, tables[i], key, sizeof(key));
}

static void on_last(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct context *c = a->owner;

    if (is_stopped(c, end))
        return;
    c->sweep.cleaned++;
    next_dead(c);
}

static void last_begin(struct context *c)
{
    transact_id(c, &c->sweep.transact);
    ask_sweep(c, "store.transact", write_last, &c->sweep, on_last);
}

/* ---- Relations of an entry that is gone ---- */

static int keep_key(struct sweep *s, struct aiex_slice key)
{
    if (s->keys_len + key.len + 2 > s->keys_cap) {
        size_t cap = s->keys_cap ? s->keys_cap * 2 : 65536;
        uint8_t *more = realloc(s->keys, cap);

        if (!more)
            return -ENOMEM;
        s->keys = more;
        s->keys_cap = cap;
    }
    s->keys[s->keys_len] = (uint8_t)(key.len >> 8);
    s->keys[s->keys_len + 1] = (uint8_t)key.len;
    memcpy(s->keys + s->keys_len + 2, key.data, key.len);
    s->keys_len += 2 + key.len;
    s->n_keys++;
    return 0;
}

/* The row of the other way: "f A 0 type 0 B" and "r B 0 type 0 A". */
static size_t turn_key(struct aiex_slice key, uint8_t out[512])
{
    const uint8_t *a = key.data + 1, *end = key.data + key.len;
    const uint8_t *type = memchr(a, 0, (size_t)(end - a));
    const uint8_t *b = type ? memchr(type + 1, 0, (size_t)(end - type - 1)) : NULL;
    size_t n = 0;

    if (!b || key.len > 512)
        return 0;
    out[n++] = key.data[0] == 'f' ? 'r' : 'f';
    memcpy(out + n, b + 1, (size_t)(end - b - 1));
    n += (size_t)(end - b - 1);
    memcpy(out + n, type, (size_t)(b - type + 1));
    n += (size_t)(b - type + 1);
    memcpy(out + n, a, (size_t)(type - a));
    return n + (size_t)(type - a);
}

static void take_relation(void *arg, const struct row_seen *row)
{
    struct sweep *s = arg;
    int64_t born = 0;

    if (row->key.len <= sizeof(s->at) - 1) {
        memcpy(s->at, row->key.data, row->key.len);
        s->at[row->key.len] = 0; /* behind this one */
        s->at_len = row->key.len + 1;
    }
    aiex_get_int(row->value, s->way == 0 ? "from" : "to", &born);
    if (born == s->born && row->key.len <= 512 && keep_key(s, row->key) < 0)
        s->no_memory = 1;
}

static int on_relations_part(struct aiex_ask *a, struct aiex_slice part)
{
    struct sweep *s = &((struct context *)a->owner)->sweep;

    if (part.data)
        rows_each(part, take_relation, s);
    else
        s->keys_len = s->n_keys = 0;
    return 0;
}

static void write_relations(struct aiex_writer *w, const void *arg)
{
    const struct sweep *s = arg;
    uint32_t n = 0;

    for (size_t at = 0; at < s->keys_len; n++)
        at += 2 + ((size_t)s->keys[at] << 8 | s->keys[at + 1]);
    write_transact(w, &s->transact, 0);
    write_operations(w, n * 2);
    for (size_t at = 0; at < s->keys_len;) {
        struct aiex_slice key = {s->keys + at + 2, (size_t)s->keys[at] << 8 | s->keys[at + 1]};
        uint8_t turned[512];
        size_t len = turn_key(key, turned);

        write_delete(w, "context_relation", key.data, key.len);
        write_delete(w, "context_relation", len ? turned : key.data, len ? len : key.len);
        at += 2 + key.len;
    }
}

/* The next page, or the other way. */
static void relations_next(struct context *c)
{
    if (!c->sweep.more) {
        c->sweep.way++;
        c->sweep.at_len = 0;
    }
    relations_begin(c);
}

static void on_relations_gone(struct aiex_ask *a, const struct aiex_answer *end)
{
    if (is_stopped(a->owner, end))
        return;
    relations_next(a->owner);
}

static void on_relations(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct context *c = a->owner;
    struct sweep *s = &c->sweep;
    int is_end = 1;

    if (is_stopped(c, end))
        return;
    if (s->no_memory) {
        s->no_memory = 0;
        s->again = 0;
        rest(c);
        return;
    }
    aiex_get_bool(end->body, "end", &is_end);
    s->more = !is_end;
    if (s->n_keys) {
        transact_id(c, &s->transact);
        ask_sweep(c, "store.transact", write_relations, s, on_relations_gone);
    } else {
        relations_next(c);
    }
}

static void relations_begin(struct context *c)
{
    struct sweep *s = &c->sweep;
    uint8_t from[MAX_ID + 2], to[MAX_ID + 2];
    size_t n = strlen(s->id);
    struct range r = {
        .table = "context_relation", .from = {from, n + 2}, .to = {to, n + 2}, .limit = PAGE};

    if (s->way > 1 || !s->gone || !n) {
        last_begin(c);
        return;
    }
    from[0] = to[0] = s->way == 0 ? 'f' : 'r';
    memcpy(from + 1, s->id, n);
    memcpy(to + 1, s->id, n);
    from[n + 1] = 0;
    to[n + 1] = 1;
    if (s->at_len)
        r.from = (struct aiex_slice){s->at, s->at_len};
    s->keys_len = s->n_keys = 0;
    s->ask.owner = c;
    s->ask.end = on_relations;
    s->ask.part = on_relations_part;
    s->ask.late = NULL;
    ask_by(&s->ask, "store.range", write_range, &r);
}

/* ---- Postings ---- */

static uint32_t slice_end(const struct sweep *s, size_t *ret_at)
{
    size_t at = s->words_at;
    uint32_t n = 0;

    while (n < SLICE && at < s->words_len && s->words[at] <= WORD_MAX &&
           at + 1 + s->words[at] <= s->words_len) {
        at += 1u + s->words[at];
        n++;
    }
    *ret_at = at;
    return n;
}

static void write_postings(struct aiex_writer *w, const void *arg)
{
    const struct sweep *s = arg;
    size_t end, at = s->words_at;
    uint32_t n = slice_end(s, &end);

    write_transact(w, &s->transact, 0);
    write_operations(w, n);
    for (; at < end; at += 1u + s->words[at]) {
        uint8_t key[WORD_MAX + 9];
        size_t len = s->words[at];

        memcpy(key, s->words + at + 1, len);
        key[len] = 0;
        doc_key(s->doc, key + len + 1);
        write_delete(w, "context_posting", key, len + 9);
    }
}

static void on_postings(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct sweep *s = &((struct context *)a->owner)->sweep;

    if (is_stopped(a->owner, end))
        return;
    slice_end(s, &s->words_at);
    postings_begin(a->owner);
}

static void postings_begin(struct context *c)
{
    struct sweep *s = &c->sweep;
    size_t end;

    if (!slice_end(s, &end)) {
        s->way = 0;
        s->at_len = 0;
        relations_begin(c);
        return;
    }
    transact_id(c, &s->transact);
    ask_sweep(c, "store.transact", write_postings, s, on_postings);
}

static void on_words(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct context *c = a->owner;
    struct sweep *s = &c->sweep;
    struct aiex_slice value = {NULL, 0};

    if (is_stopped(c, end))
        return;
    free(s->words);
    s->words = NULL;
    s->words_len = s->words_at = 0;
    aiex_get_bytes(end->body, "value", &value);
    if (value.len) {
        s->words = malloc(value.len);
        if (!s->words) {
            s->again = 0;
            rest(c);
            return;
        }
        memcpy(s->words, value.data, value.len);
        s->words_len = value.len;
    }
    postings_begin(c);
}

/* ---- The dead, one by one ---- */

static void take_dead(void *arg, const struct row_seen *row)
{
    struct context *c = arg;
    struct sweep *s = &c->sweep;
    uint64_t doc = 0;

    if (row->key.len != 8)
        return;
    memcpy(s->from, row->key.data, 8);
    s->from[8] = 0; /* behind this one */
    s->from_len = 9;
    for (int i = 0; i < 8; i++)
        doc = doc << 8 | row->key.data[i];
    s->doc = (int64_t)doc;
    s->born = s->gone = 0;
    aiex_get_int(row->value, "born", &s->born);
    aiex_get_bool(row->value, "gone", &s->gone);
    if (aiex_get_text(row->value, "id", s->id, sizeof(s->id)) != 1)
        s->id[0] = 0;
}

static int on_dead_part(struct aiex_ask *a, struct aiex_slice part)
{
    rows_each(part, take_dead, a->owner);
    return 0;
}

static void on_dead(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct context *c = a->owner;
    struct sweep *s = &c->sweep;
    uint8_t key[8];

    if (is_stopped(c, end))
        return;
    if (!s->doc) {
        rest(c);
        return;
    }
    if (put_is_staging(c, s->doc) || index_doc(&c->index, s->doc)) {
        next_dead(c); /* not yet, or not at all */
        return;
    }
    doc_key(s->doc, key);
    s->ask.owner = c;
    s->ask.end = on_words;
    s->ask.part = NULL;
    s->ask.late = NULL;
    ask_row(&s->ask, "context_words", key, sizeof(key));
}

static void next_dead(struct context *c)
{
    struct sweep *s = &c->sweep;
    struct range r = {.table = "context_dead", .from = {s->from, s->from_len}, .limit = 1};

    s->doc = 0;
    s->ask.owner = c;
    s->ask.end = on_dead;
    s->ask.part = on_dead_part;
    s->ask.late = NULL;
    ask_by(&s->ask, "store.range", write_range, &r);
}

static void dead_begin(void *arg)
{
    struct context *c = arg;
    struct sweep *s = &c->sweep;

    s->again = 0;
    s->from_len = 0;
    if (c->phase == READY && !c->draining)
        next_dead(c);
    else
        s->running = 0;
}

void sweep_soon(struct context *c)
{
    struct sweep *s = &c->sweep;

    s->again = 1;
    if (s->running || c->phase != READY || c->draining)
        return;
    s->running = 1;
    if (c->host->post(c->host, dead_begin, c) != 0)
        s->running = 0; /* the next tick */
}

/* ---- What is over ---- */

static void take_over(void *arg, const struct row_seen *row)
{
    struct context *c = arg;
    struct entry *e = index_find(&c->index, (const char *)row->key.data, row->key.len);

    if (e && e->doc && !e->first && !entry_is_live(e) && c->sweep.expiring < EXPIRING)
        remove_over(c, e);
}

static int on_over_part(struct aiex_ask *a, struct aiex_slice part)
{
    rows_each(part, take_over, a->owner);
    return 0;
}

static void on_over(struct aiex_ask *a, const struct aiex_answer *end)
{
    (void)a;
    (void)end; /* the next tick asks again */
}

void sweep_tick(struct context *c)
{
    struct range r = {.table = "context_entry",
                      .index = "expires",
                      .ints = 1,
                      .from_int = 1,
                      .to_int = wall_ms() + 1,
                      .limit = EXPIRING};
    struct aiex_ask *a = &c->sweep.over;

    sweep_soon(c);
    if (a->active || c->sweep.expiring || c->phase != READY || c->draining)
        return;
    a->owner = c;
    a->end = on_over;
    a->part = on_over_part;
    a->late = NULL;
    ask_by(a, "store.range", write_range, &r);
}

void sweep_stop(struct context *c)
{
    struct sweep *s = &c->sweep;

    if (s->ask.owner)
        aiex_ask_stop(&s->ask);
    if (s->over.owner)
        aiex_ask_stop(&s->over);
    free(s->words);
    free(s->keys);
    s->words = s->keys = NULL;
    s->keys_len = s->keys_cap = s->words_len = 0;
    s->running = 0;
}

/*
 * put.c - context.put: a new entry, another content of one, or the same again.
 *
 * What is put with hash, kind, session, project, path and title as they are refreshes time and
 * expiry alone. Anything else is a new content with its own doc. Up to INLINE_WORDS postings are
 * in the transaction that makes it visible; more go ahead in stages, after the doc was written down
 * as dead, so that whatever happens between is taken away by the sweeper.
 */
#include "context.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define TRIES 3 /* with a row that turned out to be another one */

enum found { ADDED, REPLACED, REFRESHED };

struct put {
    struct row row, old;             /* old.doc 0 = there is none */
    struct aiex_slice content, meta; /* whole values within the request */
    int searchable, tries, born_anew;
    int64_t ttl_ms;
    struct words words;
    uint32_t staged, upto; /* postings that are in the store; and with this transaction */
    struct transact transact;
    enum found found;
};

static void final_begin(struct work *w);
static void put_begin(struct work *w);

static void put_done(struct work *w)
{
    if (w->put->words.n > INLINE_WORDS)
        sweep_soon(w->c); /* perhaps of no use now */
    words_done(&w->put->words);
}

int put_is_staging(const struct context *c, int64_t doc)
{
    for (const struct work *w = c->first; w; w = w->next)
        if (w->done == put_done && w->put->row.doc == doc)
            return 1;
    return 0;
}

/* ---- The request ---- */

static int read_content(struct put *p, struct aiex_slice body, struct aiex_error *err)
{
    struct aiex_slice text = {NULL, 0}, meta = {NULL, 0};
    struct aiex_value v;

    if (aiex_get_bytes(body, "content", &text) != 1 || text.len > MAX_CONTENT)
        return aiex_failed(err, -EINVAL, "field 'content' must be text or bytes, at most %u",
                           MAX_CONTENT);
    aiex_get_whole(body, "content", &p->content);
    if (aiex_get_whole(body, "meta", &meta) == 1 && aiex_get(body, "meta", &v) == 1 &&
        v.type != AIEX_T_NIL) {
        if (v.type != AIEX_T_MAP || meta.len > MAX_META)
            return aiex_failed(err, -EINVAL, "field 'meta' must be a map of at most %u bytes",
                               MAX_META);
        p->meta = meta;
    }
    p->row.bytes = (int64_t)(text.len + p->meta.len);
    return 0;
}

/* Without an id: one that follows from project, kind and path, or a random one. */
static void make_id(struct row *row)
{
    uint8_t out[16];
    char key[MAX_ORDER + MAX_KIND];
    size_t n;

    if (row->id[0])
        return;
    n = path_key(key, row->project, row->path);
    if (row->path[0]) {
        n += (size_t)snprintf(key + n, sizeof(key) - n, "\x01%s", row->kind);
        crypto_generichash(out, sizeof(out), (const uint8_t *)key, n, NULL, 0);
    } else {
        randombytes_buf(out, sizeof(out));
    }
    sodium_bin2hex(row->id, 33, out, sizeof(out));
}

static void make_hash(struct row *row, struct aiex_slice body)
{
    struct aiex_slice text = {NULL, 0};
    uint8_t out[32];

    if (row->hash[0])
        return;
    aiex_get_bytes(body, "content", &text);
    crypto_generichash(out, sizeof(out), text.data, text.len, NULL, 0);
    sodium_bin2hex(row->hash, 65, out, sizeof(out));
}

static int read_put(struct work *w, struct aiex_error *err)
{
    struct put *p = w->put;
    struct row *row = &p->row;
    struct aiex_slice b = w->body;
    int r = field_text(b, "id", row->id, sizeof(row->id), 0, err);

    p->searchable = 1;
    p->ttl_ms = w->c->config->ttl;
    r = r ? r : field_text(b, "kind", row->kind, sizeof(row->kind), 1, err);
    r = r ? r : field_text(b, "session", row->session, sizeof(row->session), 0, err);
    r = r ? r : field_text(b, "project", row->project, sizeof(row->project), 0, err);
    r = r ? r : field_text(b, "path", row->path, sizeof(row->path), 0, err);
    r = r ? r : field_text(b, "title", row->title, sizeof(row->title), 0, err);
    r = r ? r : field_text(b, "hash", row->hash, sizeof(row->hash), 0, err);
    r = r ? r : field_number(b, "ttl_ms", 0, (int64_t)1 << 46, &p->ttl_ms, err);
    if (r == 0 && aiex_get_bool(b, "search", &p->searchable) < 0)
        r = aiex_failed(err, -EINVAL, "field 'search' must be a bool");
    r = r ? r : read_content(p, b, err);
    if (r < 0)
        return r;
    make_id(row);
    make_hash(row, b);
    return 0;
}

/* ---- Words ---- */

static struct aiex_slice slice_of(const char *text)
{
    return (struct aiex_slice){(const uint8_t *)text, strlen(text)};
}

static int find_words(struct work *w)
{
    struct put *p = w->put;
    struct aiex_slice content = {NULL, 0};
    int r;

    words_done(&p->words);
    words_init(&p->words, (uint32_t)w->c->config->max_words);
    if (!p->searchable)
        return 0;
    aiex_get_bytes(w->body, "content", &content);
    r = words_add(&p->words, slice_of(p->row.title));
    r = r ? r : words_add(&p->words, slice_of(p->row.path));
    return r ? r : words_add(&p->words, content);
}

/* ---- Transactions ---- */

static void write_posting(struct aiex_writer *w, const struct put *p, const struct word *word)
{
    uint8_t key[WORD_MAX + 9], n[4];

    memcpy(key, p->words.text + word->at, word->len);
    key[word->len] = 0;
    doc_key(p->row.doc, key + word->len + 1);
    for (int i = 0; i < 4; i++)
        n[i] = (uint8_t)(word->n >> (24 - 8 * i));
    write_put(w, "context_posting", key, word->len + 9u);
    aiex_w_bin(w, n, 4);
}

static void write_words(struct aiex_writer *w, const struct put *p)
{
    uint8_t key[8];

    doc_key(p->row.doc, key);
    write_put(w, "context_words", key, 8);
    aiex_w_bin_head(w, p->words.text_len + p->words.n);
    for (uint32_t i = 0; i < p->words.n; i++) {
        const struct word *word = &p->words.all[i];

        aiex_w_byte(w, word->len);
        aiex_w_raw(w, p->words.text + word->at, word->len);
    }
}

static void write_dead(struct aiex_writer *w, int64_t doc, const char *id, int64_t born, int gone)
{
    uint8_t key[8], mem[256];
    struct aiex_writer value;

    doc_key(doc, key);
    aiex_writer_init(&value, mem, sizeof(mem));
    aiex_w_map(&value, 3);
    aiex_w_key_str(&value, "id", id);
    aiex_w_key_int(&value, "born", born);
    aiex_w_key_bool(&value, "gone", gone);
    write_put(w, "context_dead", key, 8);
    aiex_w_bin(w, mem, value.len);
}

/* The words of a doc that is not visible yet, and that it is to be taken away. */
static void write_intent(struct aiex_writer *w, const void *arg)
{
    const struct put *p = arg;

    write_transact(w, &p->transact, 0);
    write_operations(w, 2);
    write_dead(w, p->row.doc, p->row.id, 0, 0);
    write_words(w, p);
}

static void write_stage(struct aiex_writer *w, const void *arg)
{
    const struct put *p = arg;

    write_transact(w, &p->transact, 0);
    write_operations(w, p->upto - p->staged);
    for (uint32_t i = p->staged; i < p->upto; i++)
        write_posting(w, p, &p->words.all[i]);
}

static void write_entry(struct aiex_writer *w, const struct put *p)
{
    uint8_t mem[8192];
    struct aiex_writer value;

    aiex_writer_init(&value, mem, sizeof(mem));
    row_write(&value, &p->row);
    write_put(w, "context_entry", p->row.id, strlen(p->row.id));
    aiex_w_bin(w, mem, value.failed ? 0 : value.len);
}

static void write_text(struct aiex_writer *w, const struct put *p)
{
    uint8_t key[8], head[32];
    struct aiex_writer value;

    doc_key(p->row.doc, key);
    aiex_writer_init(&value, head, sizeof(head));
    aiex_w_map(&value, p->meta.len ? 2 : 1);
    aiex_w_str(&value, "content");
    write_put(w, "context_text", key, 8);
    aiex_w_bin_head(w, value.len + p->content.len + (p->meta.len ? 5 + p->meta.len : 0));
    aiex_w_raw(w, head, value.len);
    aiex_w_raw(w, p->content.data, p->content.len);
    if (!p->meta.len)
        return;
    aiex_w_str(w, "meta");
    aiex_w_raw(w, p->meta.data, p->meta.len);
}

static void write_final(struct aiex_writer *w, const void *arg)
{
    const struct put *p = arg;
    int ahead = p->words.n > INLINE_WORDS, words = !ahead && p->words.n;
    uint8_t key[8];

    write_transact(w, &p->transact, 1);
    write_condition(w, "context_entry", p->row.id, strlen(p->row.id), p->old.version);
    write_operations(w, 2 + (uint32_t)words + (p->upto - p->staged) + (p->old.doc != 0) +
                            (uint32_t)ahead);
    write_entry(w, p);
    write_text(w, p);
    if (words)
        write_words(w, p);
    for (uint32_t i = p->staged; i < p->upto; i++)
        write_posting(w, p, &p->words.all[i]);
    if (p->old.doc)
        write_dead(w, p->old.doc, p->row.id, p->old.born, p->born_anew);
    if (ahead) {
        doc_key(p->row.doc, key);
        write_delete(w, "context_dead", key, 8);
    }
}

static void write_refresh(struct aiex_writer *w, const void *arg)
{
    const struct put *p = arg;

    write_transact(w, &p->transact, 1);
    write_condition(w, "context_entry", p->row.id, strlen(p->row.id), p->old.version);
    write_operations(w, 1);
    write_entry(w, p);
}

/* ---- The answer ---- */

static void write_answer(struct aiex_writer *w, const void *arg)
{
    static const char *const said[] = {"added", "replaced", "refreshed"};
    const struct put *p = arg;

    aiex_w_map(w, 6);
    aiex_w_key_str(w, "id", p->row.id);
    aiex_w_key_str(w, "hash", p->row.hash);
    aiex_w_key_str(w, "stored", said[p->found]);
    aiex_w_key_int(w, "words", p->row.words);
    aiex_w_key_bool(w, "cut", p->row.cut);
    aiex_w_key_int(w, "expires", p->row.expires);
}

static void stored(struct work *w, const struct aiex_answer *end)
{
    struct context *c = w->c;
    struct put *p = w->put;

    aiex_get_int(end->body, "version", &p->row.version);
    entry_take(c, w->entry, &p->row);
    c->count.puts++;
    c->count.refreshes += p->found == REFRESHED;
    c->count.replaces += p->found == REPLACED;
    if (p->old.doc && p->found != REFRESHED) {
        tiers_forget(c, p->old.doc);
        sweep_soon(c);
    }
    work_reply(w, write_answer, p);
}

static void on_stored(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct work *w = a->arg;

    if (!end->code) {
        stored(w, end);
    } else if (strcmp(end->code, AIEX_E_CONFLICT) == 0 && !look_fenced(w->c, end) &&
               w->put->tries++ < TRIES) {
        put_begin(w); /* the row is another one than we knew: look again */
    } else {
        work_store_failed(w, end, "the entry was not written");
    }
}

/* ---- Stages ---- */

static void stage_begin(struct work *w);

static void on_stage(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct work *w = a->arg;
    struct put *p = w->put;

    if (end->code) {
        work_store_failed(w, end, "the words were not written");
        return;
    }
    p->staged = p->upto;
    stage_begin(w);
}

static void stage_begin(struct work *w)
{
    struct put *p = w->put;
    uint32_t left = p->words.n - p->staged;

    transact_id(w->c, &p->transact);
    p->upto = p->staged + (left < INLINE_WORDS ? left : INLINE_WORDS);
    if (left <= INLINE_WORDS)
        work_write(w, write_final, p, on_stored);
    else
        work_write(w, write_stage, p, on_stage);
}

/* ---- What there is already ---- */

static int64_t expiry(const struct put *p)
{
    return p->ttl_ms ? wall_ms() + p->ttl_ms : 0;
}

static int is_same(const struct row *a, const struct row *b)
{
    return strcmp(a->hash, b->hash) == 0 && strcmp(a->kind, b->kind) == 0 &&
           strcmp(a->session, b->session) == 0 && strcmp(a->project, b->project) == 0 &&
           strcmp(a->path, b->path) == 0 && strcmp(a->title, b->title) == 0;
}

static void refresh(struct work *w)
{
    struct put *p = w->put;

    p->row = p->old;
    p->row.updated = wall_ms();
    p->row.rank = next_rank(w->c);
    p->row.expires = expiry(p);
    p->found = REFRESHED;
    transact_id(w->c, &p->transact);
    work_write(w, write_refresh, p, on_stored);
}

static int has_room(const struct work *w)
{
    const struct context *c = w->c;
    int64_t before = w->put->old.doc ? w->put->old.bytes : 0;

    return (w->put->old.doc || (int64_t)c->index.n_live < c->config->max_entries) &&
           c->bytes - before + w->put->row.bytes <= c->config->max_bytes;
}

/* p->old says what there is; the words are found anew, the doc is a new one. */
static void final_begin(struct work *w)
{
    struct put *p = w->put;
    struct row *row = &p->row;

    if (!has_room(w)) {
        work_fail(w, AIEX_E_BUSY,
                  "%zu entries with %lld bytes are stored; raise max_entries or max_bytes, or "
                  "delete some",
                  w->c->index.n_live, (long long)w->c->bytes);
        return;
    }
    if (kind_number(w->c, row->kind) < 0) {
        work_fail(w, AIEX_E_BUSY, "%u kinds are in use, no more fit", MAX_KINDS);
        return;
    }
    if (find_words(w) < 0) {
        work_fail(w, AIEX_E_BUSY, "no memory for the words of the entry");
        return;
    }
    randombytes_buf(&row->doc, sizeof(row->doc));
    row->doc = (row->doc & INT64_MAX) | 1;
    p->born_anew = !p->old.doc || row_is_over(&p->old);
    p->found = p->born_anew ? ADDED : REPLACED;
    row->born = p->born_anew ? row->doc : p->old.born;
    row->updated = wall_ms();
    row->created = p->born_anew ? row->updated : p->old.created;
    row->rank = next_rank(w->c);
    row->expires = expiry(p);
    row->length = (int64_t)p->words.length;
    row->words = p->words.n;
    row->cut = p->words.cut;
    p->staged = p->upto = 0;
    if (p->words.n <= INLINE_WORDS) {
        stage_begin(w);
        return;
    }
    transact_id(w->c, &p->transact);
    work_write(w, write_intent, p, on_stage);
}

static void on_old(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct work *w = a->arg;
    struct put *p = w->put;
    struct aiex_slice value = {NULL, 0};
    int64_t version = 0;
    int found = 0;

    if (end->code) {
        work_store_failed(w, end, "the entry could not be read");
        return;
    }
    aiex_get_bool(end->body, "found", &found);
    memset(&p->old, 0, sizeof(p->old));
    if (found && (aiex_get_bytes(end->body, "value", &value) != 1 ||
                  aiex_get_int(end->body, "version", &version) != 1 ||
                  row_read(value, version, &p->old) < 0)) {
        work_fail(w, AIEX_E_INTERNAL, "the entry '%s' can not be read; see store.verify",
                  p->row.id);
        return;
    }
    if (found && !row_is_over(&p->old) && is_same(&p->row, &p->old))
        refresh(w);
    else
        final_begin(w);
}

static void put_begin(struct work *w)
{
    struct put *p = w->put;

    if (w->entry->doc || p->tries) {
        w->ask.end = on_old;
        w->ask.part = NULL;
        w->ask.late = NULL;
        ask_row(&w->ask, "context_entry", p->row.id, strlen(p->row.id));
    } else {
        final_begin(w);
    }
}

static void put_run(struct work *w)
{
    const char *id = w->put->row.id;
    struct entry *e = index_make(&w->c->index, id, strlen(id));

    if (!e)
        work_fail(w, AIEX_E_BUSY, "no memory for the entry");
    else
        work_enter(w, e, put_begin);
}

int put_take(void *self, const struct aiex_message *m)
{
    struct work *w = work_new(self, m, sizeof(struct put));
    struct aiex_error err = {""};

    if (!w)
        return 0;
    w->done = put_done;
    if (read_put(w, &err) < 0)
        work_fail(w, AIEX_E_INVALID, "%s", err.text);
    else
        work_go(w, put_run);
    return 0;
}

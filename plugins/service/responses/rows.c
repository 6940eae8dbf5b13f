/*
 * rows.c - responses in a store: a row for the head, rows of PIECE bytes for what it says.
 *
 * Everything about one response happens in one transaction on the condition that its head has the
 * version that was seen. A conflict therefore says that another process (one that is being
 * replaced, or was) wrote it: what is known of it is dropped, and it is found anew (-ESTALE).
 */
#include "rows.h"

#include <aiex_crc32c.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define REMOVAL_MS   10000u
#define MAX_HEAD_ROW 1024u

/* ---- What is written ---- */

static uint32_t pieces_of(uint64_t bytes)
{
    return bytes ? (uint32_t)((bytes + PIECE - 1) / PIECE) : 1;
}

static void write_piece_place(struct aiex_writer *w, const char *id, uint32_t n)
{
    char key[PIECE_KEY];

    snprintf(key, sizeof(key), "%s/%03u", id, n);
    rows_write_place(w, PIECES, key);
}

static void write_head_value(struct aiex_writer *w, const struct entry *e)
{
    aiex_w_map(w, 6);
    aiex_w_key_str(w, "owner", e->key);
    aiex_w_key_str(w, "previous", e->previous);
    aiex_w_key_int(w, "created", e->created);
    aiex_w_key_uint(w, "input", e->input_len);
    aiex_w_key_uint(w, "response", e->response_len);
    aiex_w_key_uint(w, "crc", e->crc);
}

static void write_ttl(struct aiex_writer *w, const struct responses *r)
{
    if (r->config->ttl)
        aiex_w_key_int(w, "ttl_ms", r->config->ttl);
}

/* The bytes from..to of a and b, one behind the other. */
static void write_across(struct aiex_writer *w, struct aiex_slice a, struct aiex_slice b,
                         size_t from, size_t to)
{
    aiex_w_bin_head(w, to - from);
    if (from < a.len)
        aiex_w_raw(w, a.data + from, (to < a.len ? to : a.len) - from);
    if (to > a.len) {
        from = from > a.len ? from - a.len : 0;
        aiex_w_raw(w, b.data + from, to - a.len - from);
    }
}

static void write_put_head(struct aiex_writer *w, const struct work *work)
{
    const struct responses *r = work->r;
    uint8_t mem[MAX_HEAD_ROW];
    struct aiex_writer value;

    aiex_writer_init(&value, mem, sizeof(mem));
    write_head_value(&value, work->fresh);
    aiex_w_map(w, 4u + (r->config->ttl != 0));
    aiex_w_key_str(w, "op", "put");
    rows_write_place(w, HEADS, work->fresh->id);
    write_ttl(w, r);
    aiex_w_key_bin(w, "value", mem, value.len);
}

static void write_put_piece(struct aiex_writer *w, const struct work *work, uint32_t n)
{
    const size_t all = work->input.len + work->response.len, from = (size_t)n * PIECE;

    aiex_w_map(w, 4u + (work->r->config->ttl != 0));
    aiex_w_key_str(w, "op", "put");
    write_piece_place(w, work->fresh->id, n);
    write_ttl(w, work->r);
    aiex_w_str(w, "value");
    write_across(w, work->input, work->response, from, from + PIECE < all ? from + PIECE : all);
}

static void write_delete_piece(struct aiex_writer *w, const char *id, uint32_t n)
{
    aiex_w_map(w, 3);
    aiex_w_key_str(w, "op", "delete");
    write_piece_place(w, id, n);
}

/* Opens the map of a transaction; its operations follow. */
static void write_transaction(struct aiex_writer *w, const struct responses *r, const char *level,
                              const char *id, int64_t version)
{
    char name[48];

    snprintf(name, sizeof(name), "responses-%s-%llu", r->life,
             (unsigned long long)r->n_transactions);
    aiex_w_map(w, 4);
    aiex_w_key_str(w, "id", name);
    aiex_w_key_str(w, "level", level);
    aiex_w_str(w, "conditions");
    aiex_w_array(w, 1);
    aiex_w_map(w, 3);
    rows_write_place(w, HEADS, id);
    aiex_w_key_int(w, "version", version);
    aiex_w_str(w, "operations");
}

static void write_put(struct aiex_writer *w, const void *arg)
{
    const struct work *work = arg;
    const struct entry *old = work->e;
    const uint32_t now = pieces_of(work->input.len + work->response.len);
    const uint32_t before = old ? pieces_of((uint64_t)old->input_len + old->response_len) : 0;

    write_transaction(w, work->r, "synced", work->fresh->id, old ? old->version : 0);
    aiex_w_array(w, 1 + (before > now ? before : now));
    write_put_head(w, work);
    for (uint32_t i = 0; i < now; i++)
        write_put_piece(w, work, i);
    for (uint32_t i = now; i < before; i++)
        write_delete_piece(w, work->fresh->id, i);
}

static void write_removal(struct aiex_writer *w, const struct responses *r, const char *level,
                          const struct doomed *d)
{
    const uint32_t n = pieces_of(d->bytes);

    write_transaction(w, r, level, d->id, d->version);
    aiex_w_array(w, 1 + n);
    aiex_w_map(w, 3);
    aiex_w_key_str(w, "op", "delete");
    rows_write_place(w, HEADS, d->id);
    for (uint32_t i = 0; i < n; i++)
        write_delete_piece(w, d->id, i);
}

/* ---- Writing ---- */

static void on_written(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct work *w = a->owner;
    const int conflict = end->code && strcmp(end->code, AIEX_E_CONFLICT) == 0;

    /* whatever became of it: what was known is no longer sure */
    rows_drop_known(w, w->name);
    if (conflict) {
        w->error = -ESTALE;
        aiex_failed(&w->err, 0, "response '%s' is written by another process, too", w->name);
        snprintf(w->code, sizeof(w->code), "%s", AIEX_E_CONFLICT);
    } else if (end->code) {
        rows_failed(w, end);
    } else if (w->fresh) {
        aiex_get_int(end->body, "version", &w->fresh->version);
        if (index_add(w->r, w->fresh) == 0) /* without memory it is looked up when it is wanted */
            room_trim(w->r);
        w->fresh = NULL;
    }
    work_next(w, w->then);
}

void rows_put(struct work *w)
{
    struct entry *e = w->fresh;

    e->input_len = (uint32_t)w->input.len;
    e->response_len = (uint32_t)w->response.len;
    e->crc = aiex_crc32c(aiex_crc32c(0, w->input.data, w->input.len), w->response.data,
                         w->response.len);
    w->r->n_transactions++;
    rows_ask(w, "store.transact", write_put, NULL, on_written);
}

static void write_delete(struct aiex_writer *w, const void *arg)
{
    const struct work *work = arg;
    struct doomed d = {.version = work->e->version,
                       .bytes = (uint64_t)work->e->input_len + work->e->response_len};

    strcpy(d.id, work->e->id);
    write_removal(w, work->r, "synced", &d);
}

void rows_delete(struct work *w)
{
    w->r->n_transactions++;
    rows_ask(w, "store.transact", write_delete, NULL, on_written);
}

/* ---- What has to go ---- */

static void write_doomed(struct aiex_writer *w, const void *arg)
{
    const struct responses *r = arg;

    write_removal(w, r, "written", r->doomed);
}

static void remove_doomed(struct responses *r);

static void on_removed(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct responses *r = a->owner;
    struct doomed *d = r->doomed;

    r->removal_failed = end->code && strcmp(end->code, AIEX_E_CONFLICT) != 0;
    if (r->removal_failed) /* rows_tick() tries again */
        return;
    r->doomed = d->next;
    if (!d->next)
        r->last_doomed = &r->doomed;
    r->n_doomed--;
    free(d);
    remove_doomed(r);
}

/* One after the other, without a stack of them when the store answers at once. */
static void remove_doomed(struct responses *r)
{
    if (r->removing)
        return;
    r->removing = 1;
    while (r->doomed && !r->removal.active && !r->removal_failed) {
        r->n_transactions++;
        r->removal = (struct aiex_ask){.host = r->host,
                                       .service = r->config->store,
                                       .method = "store.transact",
                                       .wait_ms = REMOVAL_MS,
                                       .end = on_removed,
                                       .owner = r};
        aiex_ask_by(&r->removal, write_doomed, r);
    }
    r->removing = 0;
}

void rows_forget(struct responses *r, const struct entry *e)
{
    struct doomed *d = calloc(1, sizeof(*d));

    if (!d) /* the next start finds it again */
        return;
    strcpy(d->id, e->id);
    d->version = e->version;
    d->bytes = (uint64_t)e->input_len + e->response_len;
    *r->last_doomed = d;
    r->last_doomed = &d->next;
    r->n_doomed++;
    remove_doomed(r);
}

void rows_tick(struct responses *r)
{
    r->removal_failed = 0;
    remove_doomed(r);
}

void rows_stop(struct responses *r)
{
    struct doomed *d;

    aiex_ask_stop(&r->load);
    aiex_ask_stop(&r->removal);
    if (r->load_timer)
        r->host->unwatch(r->host, r->load_timer);
    while ((d = r->doomed)) {
        r->doomed = d->next;
        free(d);
    }
}

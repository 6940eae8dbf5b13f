/*
 * rows_read.c - a head is looked up, its pieces are read page by page.
 *
 * Head and pieces are two questions: what is written between them is noticed by version and
 * checksum, and both are asked again.
 */
#include "rows.h"

#include <aiex_crc32c.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_REREADS 3

void rows_write_place(struct aiex_writer *w, const char *table, const char *key)
{
    aiex_w_key_str(w, "table", table);
    aiex_w_key_bin(w, "key", key, strlen(key));
}

int rows_cut_one(struct aiex_slice *at, struct aiex_slice *ret)
{
    *ret = *at;
    if (aiex_r_skip(at) != 0)
        return 0;
    ret->len -= at->len;
    return 1;
}

/* ---- Questions of a work ---- */

void rows_ask(struct work *w, const char *method, aiex_write_fn write, aiex_ask_part_fn part,
              aiex_ask_end_fn end)
{
    const struct config *config = w->r->config;

    w->ask = (struct aiex_ask){
        .host = w->r->host,
        .service = config->store,
        .method = method,
        .trace = w->trace,
        .wait_ms = (uint32_t)(w->writes ? config->put_wait : config->store_wait),
        .part = part,
        .end = end,
        .owner = w};
    aiex_ask_by(&w->ask, write, w);
}

/* The store's own word for being away would read as if this service were not there. */
void rows_failed(struct work *w, const struct aiex_answer *end)
{
    const int away = strcmp(end->code, AIEX_E_UNAVAILABLE) == 0;

    w->error = -EIO;
    w->e = NULL;
    snprintf(w->code, sizeof(w->code), "%s", away ? AIEX_E_TIMEOUT : end->code);
    aiex_failed(&w->err, 0, "the store of responses does not answer: %s",
                end->text ? end->text : end->code);
}

void rows_drop_known(struct work *w, const char *id)
{
    struct entry *e = index_find(w->r, id);

    if (e)
        index_remove(w->r, e);
    w->e = NULL;
}

struct entry *rows_take_head(struct responses *r, const char *id, struct aiex_slice value,
                             int64_t version)
{
    struct entry *e = index_find(r, id);
    int64_t input = -1, response = -1, crc = 0;

    if (e)
        return e;
    e = calloc(1, sizeof(*e));
    if (!e)
        return NULL;
    strcpy(e->id, id);
    e->version = version;
    e->meta_len = (uint32_t)value.len;
    if (!aiex_is_map(value) || aiex_get_text(value, "owner", e->key, sizeof(e->key)) != 1 ||
        aiex_get_text(value, "previous", e->previous, sizeof(e->previous)) < 0 ||
        aiex_get_int(value, "created", &e->created) != 1 ||
        aiex_get_int(value, "input", &input) != 1 || input < 0 || input > MAX_STORED ||
        aiex_get_int(value, "response", &response) != 1 || response < 0 || response > MAX_STORED ||
        aiex_get_int(value, "crc", &crc) != 1) {
        aiex_logf(r->host, AIEX_LOG_WARN, 0, "the head of response '%s' in the store is damaged",
                  id);
        r->damaged++;
        free(e);
        return NULL;
    }
    e->input_len = (uint32_t)input;
    e->response_len = (uint32_t)response;
    e->crc = (uint32_t)crc;
    return index_add(r, e) == 0 ? e : NULL;
}

/* ---- Finding ---- */

static void write_get(struct aiex_writer *w, const void *arg)
{
    const struct work *work = arg;

    aiex_w_map(w, 2);
    rows_write_place(w, HEADS, work->wanted);
}

static void on_head(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct work *w = a->owner;
    struct aiex_slice value = {NULL, 0};
    int64_t version = 0;
    int found = 0;

    w->e = NULL;
    if (end->code) {
        rows_failed(w, end);
    } else {
        aiex_get_bool(end->body, "found", &found);
        aiex_get_int(end->body, "version", &version);
        if (found && aiex_get_bytes(end->body, "value", &value) == 1)
            w->e = rows_take_head(w->r, w->wanted, value, version);
        if (w->e && room_is_over(w->r, w->e)) {
            w->r->expired++;
            keep_forget(w->r, w->e);
            w->e = NULL;
        }
    }
    work_next(w, w->then);
}

void rows_find(struct work *w)
{
    rows_ask(w, "store.get", write_get, NULL, on_head);
}

/* ---- Reading ---- */

static void read_page(struct work *w);

static void write_range(struct aiex_writer *w, const void *arg)
{
    const struct work *work = arg;
    char from[PIECE_KEY], to[PIECE_KEY];

    snprintf(from, sizeof(from), "%s/", work->wanted);
    snprintf(to, sizeof(to), "%s0", work->wanted); /* 0 stands behind / */
    aiex_w_map(w, work->next_len ? 4 : 3);
    aiex_w_key_str(w, "table", PIECES);
    aiex_w_key_bin(w, "from", from, strlen(from));
    aiex_w_key_bin(w, "to", to, strlen(to));
    if (work->next_len)
        aiex_w_key_bin(w, "token", work->next_page, work->next_len);
}

/* More than the head says is not kept, only counted. */
static void add_piece(struct work *w, struct aiex_slice row)
{
    struct aiex_slice value = {NULL, 0};

    if (aiex_get_bytes(row, "value", &value) != 1)
        return;
    if (value.len <= w->cap - w->len)
        memcpy(w->mem + w->len, value.data, value.len);
    w->len = value.len <= w->cap - w->len ? w->len + value.len : w->cap + 1;
}

static int on_pieces(struct aiex_ask *a, struct aiex_slice part)
{
    struct work *w = a->owner;
    struct aiex_value v;
    struct aiex_slice one;

    if (!part.data) {
        w->len = w->page_at;
        return 0;
    }
    if (aiex_r_value(&part, &v) != 0 || v.type != AIEX_T_ARRAY)
        return 0;
    for (uint32_t i = 0; i < v.count && w->len <= w->cap && rows_cut_one(&part, &one); i++)
        add_piece(w, one);
    return 0;
}

/* The head was seen before the pieces: it may be that of an earlier response of that id. */
static void on_seen_again(struct work *w)
{
    struct responses *r = w->r;

    w->then = w->after;
    if (w->error || !w->e) {
        w->error = w->error ? w->error : -ENOENT;
    } else if (w->e->version != w->version && w->tries++ < MAX_REREADS) {
        rows_read(w);
        return;
    } else {
        r->damaged++;
        aiex_logf(r->host, AIEX_LOG_WARN, w->trace,
                  "response '%s' in the store is damaged; removed", w->wanted);
        keep_forget(r, w->e);
        w->e = NULL;
        w->error = -EBADMSG;
    }
    work_next(w, w->then);
}

static void all_read(struct work *w)
{
    struct entry *e = index_find(w->r, w->wanted);

    w->input = (struct aiex_slice){w->mem, w->input.len};
    w->response = (struct aiex_slice){w->mem + w->input.len, w->response.len};
    w->e = e && e->version == w->version ? e : NULL;
    if (w->len == w->cap && aiex_crc32c(0, w->mem, w->len) == w->crc) {
        work_next(w, w->then);
        return;
    }
    rows_drop_known(w, w->wanted);
    w->after = w->then;
    keep_find(w, w->wanted, on_seen_again);
}

static void on_page(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct work *w = a->owner;
    struct aiex_slice next = {NULL, 0};

    if (end->code) {
        rows_failed(w, end);
        work_next(w, w->then);
        return;
    }
    w->next_len = 0;
    if (aiex_get_bytes(end->body, "next", &next) == 1 && next.len <= sizeof(w->next_page)) {
        memcpy(w->next_page, next.data, next.len);
        w->next_len = next.len;
    }
    if (w->next_len && w->len <= w->cap)
        work_next(w, read_page);
    else
        work_next(w, all_read);
}

static void read_page(struct work *w)
{
    w->page_at = w->len;
    rows_ask(w, "store.range", write_range, on_pieces, on_page);
}

void rows_read(struct work *w)
{
    const struct entry *e = w->e;

    strcpy(w->wanted, e->id);
    w->cap = (size_t)e->input_len + e->response_len;
    w->input.len = e->input_len;
    w->response.len = e->response_len;
    w->version = e->version;
    w->crc = e->crc;
    w->len = 0;
    w->next_len = 0;
    free(w->mem);
    w->mem = malloc(w->cap + 1);
    if (!w->mem) {
        w->error = aiex_failed(&w->err, -ENOMEM, "no memory for the response");
        work_next(w, w->then);
        return;
    }
    read_page(w);
}

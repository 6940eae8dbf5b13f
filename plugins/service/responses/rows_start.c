/*
 * rows_start.c - what is in the store when the process begins: found in the background, in pages.
 *
 * Nobody has to wait for it, since what the index does not know is looked up; it is for what may
 * be kept, by count and by bytes.
 */
#include "rows.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#define PAGE_ROWS  1000
#define LOAD_MS    10000u
#define LOAD_AGAIN 1000u

static void load_page(void *arg);

static void write_load(struct aiex_writer *w, const void *arg)
{
    const struct responses *r = arg;

    aiex_w_map(w, r->load_next_len ? 3 : 2);
    aiex_w_key_str(w, "table", HEADS);
    aiex_w_key_int(w, "limit", PAGE_ROWS);
    if (r->load_next_len)
        aiex_w_key_bin(w, "token", r->load_next, r->load_next_len);
}

static void load_row(struct responses *r, struct aiex_slice row)
{
    struct aiex_slice key, value;
    int64_t version = 0;
    char id[MAX_ID + 1];

    aiex_get_int(row, "version", &version);
    if (aiex_get_bytes(row, "key", &key) != 1 || aiex_get_bytes(row, "value", &value) != 1 ||
        key.len > MAX_ID)
        return;
    memcpy(id, key.data, key.len);
    id[key.len] = 0;
    if (keep_is_id(id))
        rows_take_head(r, id, value, version);
}

static int on_heads(struct aiex_ask *a, struct aiex_slice part)
{
    struct aiex_value v;
    struct aiex_slice one;

    if (!part.data || aiex_r_value(&part, &v) != 0 || v.type != AIEX_T_ARRAY)
        return 0;
    for (uint32_t i = 0; i < v.count && rows_cut_one(&part, &one); i++)
        load_row(a->owner, one);
    return 0;
}

static void on_loaded(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct responses *r = a->owner;
    struct aiex_slice next = {NULL, 0};
    uint32_t pause = 0;

    if (end->code)
        pause = LOAD_AGAIN; /* from where it was */
    else if (aiex_get_bytes(end->body, "next", &next) == 1 && next.len <= sizeof(r->load_next))
        memcpy(r->load_next, next.data, next.len);
    if (!end->code)
        r->load_next_len = next.len <= sizeof(r->load_next) ? next.len : 0;
    if (end->code || r->load_next_len) {
        if (r->host->timer(r->host, pause, 0, load_page, r, &r->load_timer) != 0)
            aiex_logf(r->host, AIEX_LOG_ERROR, 0,
                      "no memory for a timer; earlier responses are found, but do not count");
        return;
    }
    r->loaded = 1;
    index_order(r);
    room_trim(r);
}

static void load_page(void *arg)
{
    struct responses *r = arg;

    r->load_timer = 0;
    r->load = (struct aiex_ask){.host = r->host,
                                .service = r->config->store,
                                .method = "store.range",
                                .wait_ms = LOAD_MS,
                                .part = on_heads,
                                .end = on_loaded,
                                .owner = r};
    aiex_ask_by(&r->load, write_load, r);
}

int rows_start(struct responses *r)
{
    uint64_t life;

    if (getrandom(&life, sizeof(life), 0) != sizeof(life))
        return -EIO;
    snprintf(r->life, sizeof(r->life), "%016llx", (unsigned long long)life);
    load_page(r);
    return 0;
}

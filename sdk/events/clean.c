/*
 * clean.c - rows of earlier generations go, some at a time: their keys are read, then deleted. What
 * a process that ended left behind is found by the next one, which looks once at its beginning.
 */
#include "projection.h"

#include <errno.h>

#define CLEAN_ROWS 200

static void write_range(struct aiex_writer *w, const void *arg)
{
    const struct projection *p = arg;
    const struct aiex_slice nothing = {NULL, 0};
    uint8_t end[GENERATION_BYTES];

    ev_place_key(end, p->generation, nothing);
    aiex_w_map(w, 3);
    aiex_w_key_str(w, "table", p->table);
    aiex_w_key_bin(w, "to", end, sizeof(end));
    aiex_w_key_int(w, "limit", CLEAN_ROWS);
}

static void write_deletes(struct aiex_writer *w, const void *arg)
{
    const struct projection *p = arg;
    struct aiex_slice at = p->doomed, key = {NULL, 0};

    aiex_w_map(w, 2);
    aiex_w_key_str(w, "level", "applied");
    aiex_w_str(w, "operations");
    aiex_w_array(w, p->n_doomed);
    for (uint32_t i = 0; i < p->n_doomed; i++) {
        struct aiex_slice row = at;

        aiex_r_skip(&at);
        row.len -= at.len;
        aiex_get_bytes(row, "key", &key);
        aiex_w_map(w, 3);
        aiex_w_key_str(w, "op", "delete");
        aiex_w_key_str(w, "table", p->table);
        aiex_w_key_bin(w, "key", key.data, key.len);
    }
}

static void drop(struct projection *p)
{
    p->ask.host->release(p->ask.host, (void *)(uintptr_t)p->doomed.data);
    memset(&p->doomed, 0, sizeof(p->doomed));
    p->n_doomed = 0;
}

/* Rows that stay are in nobody's way; the next process tries again. */
static void on_deleted(void *owner, const struct aiex_answer *answer)
{
    struct projection *p = owner;

    if (answer->kind != AIEX_ANSWER_END)
        return;
    drop(p);
    if (!answer->code)
        ev_projection_clean(p);
}

/* The first part, copied; every item is a map with a key. */
static void take_rows(struct projection *p, struct aiex_slice part)
{
    struct aiex_slice key = {NULL, 0}, at = part;
    struct aiex_value v = {0};
    uint32_t n = 0;
    uint8_t *copy;

    if (aiex_r_value(&at, &v) != 0 || v.type != AIEX_T_ARRAY)
        return;
    part = at;
    for (; n < v.count && n < CLEAN_ROWS; n++) {
        struct aiex_slice row = at;

        if (aiex_r_skip(&at) != 0)
            break;
        row.len -= at.len;
        if (aiex_get_bytes(row, "key", &key) != 1)
            break;
    }
    copy = n ? p->ask.host->alloc(p->ask.host, part.len) : NULL;
    if (!copy)
        return;
    memcpy(copy, part.data, part.len);
    p->doomed.data = copy;
    p->doomed.len = part.len;
    p->n_doomed = n;
}

static void on_rows(void *owner, const struct aiex_answer *answer)
{
    struct projection *p = owner;

    if (answer->kind == AIEX_ANSWER_PART) {
        if (!p->doomed.data)
            take_rows(p, answer->body);
        return;
    }
    if (answer->code || !p->n_doomed) {
        drop(p);
        return;
    }
    p->ask.fn = on_deleted;
    if (ev_asking_call(&p->ask, "store.transact", write_deletes, p) != 0)
        drop(p);
}

void ev_projection_clean(struct projection *p)
{
    p->ask.fn = on_rows;
    ev_asking_call(&p->ask, "store.range", write_range, p);
}

/*
 * interaction_list.c - context.interactions: rows of `llm_interaction`, newest first, of a user, of
 * a model, or of a time. A page is one range of the store, and its token is where the next begins.
 */
#include "context.h"

#include <errno.h>
#include <stdlib.h>

#define MAX_TOKEN 1024u

struct interaction_list {
    char user[MAX_NAME + 1], model[MAX_NAME + 1];
    int64_t from_time, to_time, limit;
    struct aiex_slice token; /* of the request, or nothing */
    uint8_t *shown;
    size_t len, cap;
    uint32_t n;
    int no_memory;
    struct aiex_slice next; /* within the store's end */
};

static void list_done(struct work *w)
{
    free(w->interactions->shown);
}

static void take_row(void *arg, const struct row_seen *row)
{
    struct interaction_list *l = arg;
    size_t need = l->len + row->value.len;

    if (l->no_memory || !aiex_is_map(row->value))
        return;
    if (need > l->cap) {
        size_t cap = need > 2 * l->cap ? need : 2 * l->cap;
        uint8_t *more = realloc(l->shown, cap);

        if (!more) {
            l->no_memory = 1;
            return;
        }
        l->shown = more;
        l->cap = cap;
    }
    memcpy(l->shown + l->len, row->value.data, row->value.len);
    l->len = need;
    l->n++;
}

static int on_part(struct aiex_ask *a, struct aiex_slice part)
{
    struct interaction_list *l = ((struct work *)a->arg)->interactions;

    if (part.data) {
        rows_each(part, take_row, l);
    } else {
        l->len = 0;
        l->n = 0;
    }
    return 0;
}

static void write_list(struct aiex_writer *w, const void *arg)
{
    const struct interaction_list *l = arg;

    aiex_w_map(w, 1 + (l->next.len != 0));
    aiex_w_str(w, "interactions");
    aiex_w_array(w, l->n);
    aiex_w_raw(w, l->shown, l->len);
    if (l->next.len)
        aiex_w_key_bin(w, "next", l->next.data, l->next.len);
}

static void on_list(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct work *w = a->arg;
    struct interaction_list *l = w->interactions;
    int is_end = 1;

    if (end->code) {
        work_store_failed(w, end, "the interactions could not be listed");
        return;
    }
    aiex_get_bool(end->body, "end", &is_end);
    if (!is_end)
        aiex_get_bytes(end->body, "next", &l->next);
    if (l->no_memory)
        work_fail(w, AIEX_E_BUSY, "no memory for the list");
    else
        work_reply(w, write_list, l);
}

static void list_run(struct work *w)
{
    struct interaction_list *l = w->interactions;
    const char *name = l->user[0] ? l->user : l->model[0] ? l->model : NULL;
    char from[MAX_ORDER], to[MAX_ORDER];
    uint8_t first[8], last[8];
    struct range r = {
        .table = INTERACTION_TABLE, .token = l->token, .backwards = 1, .limit = (int)l->limit};

    if (name) {
        r.index = l->user[0] ? "user" : "model";
        r.from = (struct aiex_slice){(uint8_t *)from, order_key(from, name, l->from_time)};
        r.to = (struct aiex_slice){(uint8_t *)to, order_key(to, name, l->to_time)};
    } else {
        doc_key(l->from_time, first);
        doc_key(l->to_time, last);
        r.from = (struct aiex_slice){first, 8};
        r.to = (struct aiex_slice){last, 8};
    }
    w->ask.part = on_part;
    w->ask.end = on_list;
    w->ask.late = NULL;
    ask_by(&w->ask, "store.range", write_range, &r);
}

static int read_list(struct work *w, struct aiex_error *err)
{
    struct interaction_list *l = w->interactions;
    struct aiex_slice b = w->body;
    int r = field_text(b, "user", l->user, sizeof(l->user), 0, err);

    l->limit = 50;
    l->to_time = INT64_MAX;
    r = r ? r : field_text(b, "model", l->model, sizeof(l->model), 0, err);
    r = r ? r : field_number(b, "from_time", 0, INT64_MAX, &l->from_time, err);
    r = r ? r : field_number(b, "to_time", 0, INT64_MAX, &l->to_time, err);
    r = r ? r : field_number(b, "limit", 1, MAX_PAGE, &l->limit, err);
    if (r == 0 && aiex_get_bytes(b, "next", &l->token) == 1 && l->token.len > MAX_TOKEN)
        r = aiex_failed(err, -EINVAL, "field 'next' is not of an answer before");
    if (r == 0 && l->user[0] && l->model[0])
        r = aiex_failed(err, -EINVAL, "ask for a 'user' or for a 'model', not for both");
    return r;
}

int interactions_take(void *self, const struct aiex_message *m)
{
    struct work *w = work_new(self, m, sizeof(struct interaction_list));
    struct aiex_error err = {""};

    if (!w)
        return 0;
    w->done = list_done;
    if (read_list(w, &err) < 0)
        work_fail(w, AIEX_E_INVALID, "%s", err.text);
    else
        work_go(w, list_run);
    return 0;
}

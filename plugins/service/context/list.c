/*
 * list.c - context.list: newest first, by session, project, kind, or time alone.
 *
 * The narrowest index is read page by page; what else was asked is looked at in the rows. The rank
 * of the last entry shown is where the next page begins, so entries that come and go between two
 * pages neither double nor hide others.
 */
#include "context.h"

#include <errno.h>
#include <stdlib.h>

#define PAGE_ROWS 200
#define MAX_SCAN  5000 /* rows read for one answer */

struct listing {
    char kind[MAX_KIND + 1], session[MAX_NAME + 1], project[MAX_NAME + 1];
    int64_t from_time, to_time, next, limit;
    const char *index, *name; /* that is read, and the name looked for in it */
    int64_t below;            /* ranks that are left */
    int rows, scanned, full;
    uint8_t *shown; /* maps */
    size_t len, cap;
    uint32_t n;
    int64_t last; /* rank of the last one that was looked at */
    int no_memory;
    struct {
        size_t len;
        uint32_t n;
        int64_t last;
    } before; /* this page, in case that it is read again */
};

static void list_done(struct work *w)
{
    free(w->list->shown);
}

static void page_begin(struct work *w);

static void write_one(struct aiex_writer *w, const void *row)
{
    aiex_w_map(w, ROW_SHOWN);
    row_show(w, row);
}

static int show(struct listing *l, const struct row *row)
{
    uint8_t mem[8192];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    write_one(&w, row);
    if (l->len + w.len > l->cap) {
        size_t cap = l->cap ? l->cap * 2 + w.len : 16384;
        uint8_t *more = realloc(l->shown, cap);

        if (!more)
            return -ENOMEM;
        l->shown = more;
        l->cap = cap;
    }
    memcpy(l->shown + l->len, mem, w.len);
    l->len += w.len;
    l->n++;
    return 0;
}

static int is_wanted(const struct listing *l, const struct row *row)
{
    return !row_is_over(row) && (!l->kind[0] || strcmp(l->kind, row->kind) == 0) &&
           (!l->session[0] || strcmp(l->session, row->session) == 0) &&
           (!l->project[0] || strcmp(l->project, row->project) == 0);
}

static void take_row(void *arg, const struct row_seen *seen)
{
    struct listing *l = arg;
    struct row row;

    if (l->n == l->limit)
        l->full = 1;
    if (l->full)
        return;
    l->rows++;
    if (row_read(seen->value, seen->version, &row) < 0)
        return;
    l->last = row.rank;
    if (is_wanted(l, &row) && show(l, &row) < 0)
        l->no_memory = 1;
}

static void page_reset(struct listing *l)
{
    l->len = l->before.len;
    l->n = l->before.n;
    l->last = l->before.last;
    l->rows = l->full = 0;
}

static int on_part(struct aiex_ask *a, struct aiex_slice part)
{
    struct work *w = a->arg;

    if (part.data)
        rows_each(part, take_row, w->list);
    else
        page_reset(w->list);
    return 0;
}

static void write_list(struct aiex_writer *w, const void *arg)
{
    const struct listing *l = arg;

    aiex_w_map(w, 1 + (l->next != 0));
    aiex_w_str(w, "entries");
    aiex_w_array(w, l->n);
    aiex_w_raw(w, l->shown, l->len);
    if (l->next)
        aiex_w_key_int(w, "next", l->next);
}

static void on_page(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct work *w = a->arg;
    struct listing *l = w->list;
    int is_end = 1;

    if (end->code) {
        work_store_failed(w, end, "the entries could not be listed");
        return;
    }
    aiex_get_bool(end->body, "end", &is_end);
    l->scanned += l->rows;
    if (l->no_memory) {
        work_fail(w, AIEX_E_BUSY, "no memory for the list");
    } else if (is_end && !l->full) {
        l->next = 0;
        work_reply(w, write_list, l);
    } else if (l->full || l->n == l->limit || l->scanned >= MAX_SCAN || !l->rows) {
        l->next = l->last;
        work_reply(w, write_list, l);
    } else {
        l->below = l->last;
        page_begin(w);
    }
}

static void page_begin(struct work *w)
{
    struct listing *l = w->list;
    char from[MAX_ORDER], to[MAX_ORDER];
    int64_t least = l->from_time * 1024;
    struct range r = {.table = "context_entry",
                      .index = l->index,
                      .ints = !l->name,
                      .from_int = least,
                      .to_int = l->below,
                      .backwards = 1,
                      .limit = PAGE_ROWS};

    if (l->name) {
        r.from = (struct aiex_slice){(uint8_t *)from, order_key(from, l->name, least)};
        r.to = (struct aiex_slice){(uint8_t *)to, order_key(to, l->name, l->below)};
    }
    l->before.len = l->len;
    l->before.n = l->n;
    l->before.last = l->last;
    l->rows = 0;
    w->ask.part = on_part;
    w->ask.end = on_page;
    w->ask.late = NULL;
    ask_by(&w->ask, "store.range", write_range, &r);
}

static void list_run(struct work *w)
{
    struct listing *l = w->list;

    l->index = l->session[0] ? "session" : l->project[0] ? "project" : l->kind[0] ? "kind" : "time";
    l->name = l->session[0] ? l->session : l->project[0] ? l->project : l->kind[0] ? l->kind : NULL;
    l->below = l->to_time == INT64_MAX / 1024 ? INT64_MAX : l->to_time * 1024;
    if (l->next && l->next < l->below)
        l->below = l->next;
    w->c->count.lists++;
    page_begin(w);
}

static int read_list(struct work *w, struct aiex_error *err)
{
    struct listing *l = w->list;
    struct aiex_slice b = w->body;
    int r = field_text(b, "kind", l->kind, sizeof(l->kind), 0, err);

    l->limit = 50;
    l->to_time = INT64_MAX / 1024;
    r = r ? r : field_text(b, "session", l->session, sizeof(l->session), 0, err);
    r = r ? r : field_text(b, "project", l->project, sizeof(l->project), 0, err);
    r = r ? r : field_number(b, "from_time", 0, INT64_MAX / 1024, &l->from_time, err);
    r = r ? r : field_number(b, "to_time", 0, INT64_MAX / 1024, &l->to_time, err);
    r = r ? r : field_number(b, "next", 0, INT64_MAX, &l->next, err);
    return r ? r : field_number(b, "limit", 1, MAX_PAGE, &l->limit, err);
}

int list_take(void *self, const struct aiex_message *m)
{
    struct work *w = work_new(self, m, sizeof(struct listing));
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

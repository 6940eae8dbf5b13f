/*
 * list.c - sessions that match, from the one that changed last: live ones out of memory, archived,
 * expired and deleted ones from their shelf in the table. What is looked at for one page is
 * bounded, so a page may be short, and even empty, and still have a `next`.
 */
#include "sessions.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define SCAN_LIVE 100000u
#define SCAN_ROWS 200 /* of one read */
#define MAX_READS 8u

struct list {
    struct row rows[MAX_PAGE];
    uint32_t n;
    char next[MAX_ORDER]; /* order of the last one that was looked at */
    int more, full;
    unsigned reads;
};

static int is_part(const char *text, const char *wanted)
{
    size_t n = strlen(wanted);

    for (; *text; text++) {
        size_t i = 0;

        while (i < n && tolower((unsigned char)text[i]) == tolower((unsigned char)wanted[i]))
            i++;
        if (i == n)
            return 1;
    }
    return n == 0;
}

static int matches(const struct work *w, const struct row *row)
{
    if (!work_sees(w, row))
        return 0;
    if (w->user[0] && strcmp(w->user, row->user) != 0)
        return 0;
    if (w->project[0] && strcmp(w->project, row->project) != 0)
        return 0;
    if (w->find_state[0] && state_named(w->find_state) != row->state)
        return 0;
    return is_part(row->title, w->title);
}

static void write_list(struct aiex_writer *w, const void *arg)
{
    const struct list *l = arg;

    aiex_w_map(w, 1u + (uint32_t)l->more);
    if (l->more)
        aiex_w_key_str(w, "next", l->next);
    aiex_w_str(w, "sessions");
    aiex_w_array(w, l->n);
    for (uint32_t i = 0; i < l->n; i++) {
        aiex_w_map(w, ROW_SHOWN);
        row_show(w, &l->rows[i]);
    }
}

/* ---- Live ones ---- */

static void list_live(struct work *w, struct list *l)
{
    const struct index *x = &w->s->index;
    unsigned long long rank = INT64_MAX;
    const struct entry *e;
    size_t looked = 0;

    if (w->next_page[0] && sscanf(w->next_page, "live/%16llx", &rank) != 1) {
        work_refuse(w, AIEX_E_INVALID, "field 'next' is not what an answer said");
        return;
    }
    for (e = index_below(x, (int64_t)rank); e && l->n < (uint32_t)w->limit && looked < SCAN_LIVE;
         e = e->older, looked++) {
        entry_read(e, &l->rows[l->n]);
        row_order(&l->rows[l->n], l->next);
        l->n += (uint32_t)matches(w, &l->rows[l->n]);
    }
    l->more = e != NULL;
    work_reply(w, write_list, l);
}

/* ---- A shelf of the table ---- */

static void read_shelf(struct work *w);

static void take(struct work *w, struct list *l, struct aiex_slice map)
{
    struct aiex_slice value = {NULL, 0};
    struct row *row = &l->rows[l->n];

    aiex_get_bytes(map, "value", &value);
    aiex_get_text(value, "order", l->next, sizeof(l->next));
    if (row_read(value, row) == 0)
        l->n += (uint32_t)matches(w, row);
}

static int on_part(struct aiex_ask *a, struct aiex_slice part)
{
    struct work *w = a->arg;
    struct list *l = w->reading;
    struct aiex_value v, head;

    if (!part.data || aiex_r_value(&part, &v) != 0 || v.type != AIEX_T_ARRAY)
        return 0;
    for (uint32_t i = 0; i < v.count; i++) {
        struct aiex_slice one = part, peek = part;

        if (l->n == (uint32_t)w->limit) {
            l->full = 1;
            return 1;
        }
        if (aiex_r_value(&peek, &head) != 0 || aiex_r_skip(&part) != 0)
            return 1;
        one.len -= part.len;
        if (head.type == AIEX_T_MAP)
            take(w, l, one);
    }
    return 0;
}

static void on_end(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct work *w = a->arg;
    struct list *l = w->reading;
    int is_end = 0;

    if (end->code) {
        work_fail(w, end, "the sessions can not be read");
        return;
    }
    aiex_get_bool(end->body, "end", &is_end);
    l->more = l->full || !is_end;
    if (l->more && l->n < (uint32_t)w->limit && ++l->reads < MAX_READS)
        read_shelf(w);
    else
        work_reply(w, write_list, l);
}

static void write_range(struct aiex_writer *w, const void *arg)
{
    const struct work *work = arg;
    const struct list *l = work->reading;
    char from[MAX_ORDER], to[MAX_ORDER];

    shelf_bounds(work->find_state, from, to);
    aiex_w_map(w, 6);
    aiex_w_key_str(w, "table", "session");
    aiex_w_key_str(w, "index", "order");
    aiex_w_key_str(w, "from", from);
    aiex_w_key_str(w, "to", l->next[0] ? l->next : to);
    aiex_w_key_bool(w, "backwards", 1);
    aiex_w_key_int(w, "limit", SCAN_ROWS);
}

static void read_shelf(struct work *w)
{
    w->ask.method = "store.range";
    w->ask.part = on_part;
    w->ask.end = on_end;
    ask_by(&w->ask, write_range, w);
}

static int shelf_token(const struct work *w, struct list *l)
{
    char from[MAX_ORDER], to[MAX_ORDER];

    if (!w->next_page[0])
        return 0;
    shelf_bounds(w->find_state, from, to);
    if (strncmp(w->next_page, from, strlen(from)) != 0 || strlen(w->next_page) >= sizeof(l->next))
        return -1;
    strcpy(l->next, w->next_page);
    return 0;
}

void run_list(struct work *w)
{
    int state = w->find_state[0] ? state_named(w->find_state) : OPEN;

    if (work_page(w, sizeof(struct list)) < 0)
        return;
    if (state_is_live((unsigned)state))
        list_live(w, w->reading);
    else if (shelf_token(w, w->reading) < 0)
        work_refuse(w, AIEX_E_INVALID, "field 'next' is not what an answer said");
    else
        read_shelf(w);
}

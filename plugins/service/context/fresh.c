/* fresh.c - context.fresh: whether what is stored of a path, or under an id, was made from this
 * content. */
#include "context.h"

#include <errno.h>

#define MAX_SAME_PATH 64

struct fresh {
    char id[MAX_ID + 1], project[MAX_NAME + 1], path[MAX_PATH + 1], hash[MAX_HASH + 1];
    char found[MAX_ID + 1];
    int64_t entries;
    int fresh;
};

static void look(struct fresh *f, struct aiex_slice value)
{
    struct row row;

    if (row_read(value, 0, &row) < 0 || row_is_over(&row))
        return;
    f->entries++;
    if (f->fresh)
        return;
    f->fresh = strcmp(row.hash, f->hash) == 0;
    memcpy(f->found, row.id, sizeof(f->found));
}

static void take_row(void *arg, const struct row_seen *row)
{
    look(arg, row->value);
}

static int on_part(struct aiex_ask *a, struct aiex_slice part)
{
    struct fresh *f = ((struct work *)a->arg)->state;

    if (part.data)
        rows_each(part, take_row, f);
    else
        f->fresh = 0, f->entries = 0, f->found[0] = 0;
    return 0;
}

static void write_fresh(struct aiex_writer *w, const void *arg)
{
    const struct fresh *f = arg;

    aiex_w_map(w, 4);
    aiex_w_key_bool(w, "known", f->entries > 0);
    aiex_w_key_bool(w, "fresh", f->fresh);
    aiex_w_key_int(w, "entries", f->entries);
    aiex_w_key_str(w, "id", f->found);
}

static void on_end(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct work *w = a->arg;
    struct fresh *f = w->state;
    struct aiex_slice value;

    if (end->code) {
        work_store_failed(w, end, "the entry could not be read");
        return;
    }
    if (f->id[0] && aiex_get_bytes(end->body, "value", &value) == 1)
        look(f, value);
    w->c->count.fresh += f->fresh != 0;
    w->c->count.stale += f->fresh == 0;
    work_reply(w, write_fresh, f);
}

static void fresh_run(struct work *w)
{
    struct fresh *f = w->state;
    char from[MAX_ORDER], to[MAX_ORDER + 1];
    size_t n = path_key(from, f->project, f->path);
    struct range r = {.table = "context_entry",
                      .index = "path",
                      .from = {(uint8_t *)from, n},
                      .to = {(uint8_t *)to, n + 1},
                      .limit = MAX_SAME_PATH};

    memcpy(to, from, n);
    to[n] = 1;
    w->ask.end = on_end;
    w->ask.late = NULL;
    w->ask.part = f->id[0] ? NULL : on_part;
    if (f->id[0])
        ask_row(&w->ask, "context_entry", f->id, strlen(f->id));
    else
        ask_by(&w->ask, "store.range", write_range, &r);
}

int fresh_take(void *self, const struct aiex_message *m)
{
    struct work *w = work_new(self, m, sizeof(struct fresh));
    struct aiex_error err = {""};
    struct fresh *f = w ? w->state : NULL;
    int r;

    if (!w)
        return 0;
    r = field_text(m->body, "id", f->id, sizeof(f->id), 0, &err);
    r = r ? r : field_text(m->body, "project", f->project, sizeof(f->project), 0, &err);
    r = r ? r : field_text(m->body, "path", f->path, sizeof(f->path), 0, &err);
    r = r ? r : field_text(m->body, "hash", f->hash, sizeof(f->hash), 1, &err);
    if (r == 0 && !f->id[0] && !f->path[0])
        r = aiex_failed(&err, -EINVAL, "field 'path' or 'id' must say what is meant");
    if (r < 0)
        work_fail(w, AIEX_E_INVALID, "%s", err.text);
    else
        work_go(w, fresh_run);
    return 0;
}

/* get.c - context.get: what is known about an entry, and its content. */
#include "context.h"

#include <errno.h>

#define TRIES 3 /* when the entry is replaced between two reads */

struct get {
    char id[MAX_ID + 1];
    struct row row;
    struct aiex_slice text; /* the row of context_text, within its answer */
    int content, tries;
};

static void write_got(struct aiex_writer *w, const void *arg)
{
    const struct get *g = arg;
    struct aiex_slice content = {NULL, 0}, meta = {NULL, 0};

    aiex_get_whole(g->text, "content", &content);
    aiex_get_whole(g->text, "meta", &meta);
    aiex_w_map(w, ROW_SHOWN + (content.len != 0) + (meta.len != 0));
    row_show(w, &g->row);
    if (content.len) {
        aiex_w_str(w, "content");
        aiex_w_raw(w, content.data, content.len);
    }
    if (meta.len) {
        aiex_w_str(w, "meta");
        aiex_w_raw(w, meta.data, meta.len);
    }
}

static void get_run(struct work *w);

static void not_found(struct work *w)
{
    work_fail(w, AIEX_E_NOT_FOUND, "there is no context '%s'", w->get->id);
}

static void on_text(struct work *w, struct aiex_slice text)
{
    struct get *g = w->get;

    if (!text.data && g->tries++ < TRIES) {
        get_run(w); /* it was replaced or deleted meanwhile */
    } else if (!text.data || !aiex_is_map(text)) {
        work_fail(w, AIEX_E_INTERNAL, "the content of '%s' can not be read; see store.verify",
                  g->id);
    } else {
        g->text = text;
        work_reply(w, write_got, g);
    }
}

static void on_row(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct work *w = a->arg;
    struct get *g = w->get;
    struct aiex_slice value = {NULL, 0};
    int64_t version = 0;
    int found = 0;

    if (end->code) {
        work_store_failed(w, end, "the entry could not be read");
        return;
    }
    aiex_get_bool(end->body, "found", &found);
    if (!found) {
        not_found(w);
    } else if (aiex_get_bytes(end->body, "value", &value) != 1 ||
               aiex_get_int(end->body, "version", &version) != 1 ||
               row_read(value, version, &g->row) < 0) {
        work_fail(w, AIEX_E_INTERNAL, "the entry '%s' can not be read; see store.verify", g->id);
    } else if (row_is_over(&g->row)) {
        not_found(w);
    } else if (!g->content) {
        work_reply(w, write_got, g);
    } else {
        fetch(w, g->row.doc, g->row.expires, on_text);
    }
}

static void get_run(struct work *w)
{
    struct get *g = w->get;
    const struct entry *e = index_find(&w->c->index, g->id, strlen(g->id));

    if (!e || !entry_is_live(e)) {
        not_found(w);
        return;
    }
    w->ask.end = on_row;
    w->ask.part = NULL;
    w->ask.late = NULL;
    ask_row(&w->ask, "context_entry", g->id, strlen(g->id));
}

int get_take(void *self, const struct aiex_message *m)
{
    struct work *w = work_new(self, m, sizeof(struct get));
    struct aiex_error err = {""};
    int r;

    if (!w)
        return 0;
    w->get->content = 1;
    r = field_text(m->body, "id", w->get->id, MAX_ID + 1, 1, &err);
    if (r == 0 && aiex_get_bool(m->body, "content", &w->get->content) < 0)
        r = aiex_failed(&err, -EINVAL, "field 'content' must be a bool");
    if (r < 0)
        work_fail(w, AIEX_E_INVALID, "%s", err.text);
    else
        work_go(w, get_run);
    return 0;
}

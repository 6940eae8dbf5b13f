/* remove.c - context.delete, and what is over: the entry goes at once, what belonged to it is
 * written down for the sweeper in the same transaction. */
#include "context.h"

#include <errno.h>

struct removal {
    char id[MAX_ID + 1];
    int64_t version, doc, born; /* as they were */
    struct transact transact;
    int over; /* only if it is over */
};

static void write_removal(struct aiex_writer *w, const void *arg)
{
    const struct removal *d = arg;
    uint8_t key[8], mem[256];
    struct aiex_writer value;

    doc_key(d->doc, key);
    aiex_writer_init(&value, mem, sizeof(mem));
    aiex_w_map(&value, 3);
    aiex_w_key_str(&value, "id", d->id);
    aiex_w_key_int(&value, "born", d->born);
    aiex_w_key_bool(&value, "gone", 1);
    write_transact(w, &d->transact, 1);
    write_condition(w, "context_entry", d->id, strlen(d->id), d->version);
    write_operations(w, 2);
    write_delete(w, "context_entry", d->id, strlen(d->id));
    write_put(w, "context_dead", key, 8);
    aiex_w_bin(w, mem, value.len);
}

static void write_found(struct aiex_writer *w, const void *found)
{
    aiex_w_map(w, 1);
    aiex_w_key_bool(w, "found", *(const int *)found);
}

/* The row is not in the store, whatever we knew of it: somebody restored a backup. */
static int is_gone_already(struct work *w, const struct aiex_answer *end)
{
    int64_t version = -1;

    return end->code && strcmp(end->code, AIEX_E_CONFLICT) == 0 && !look_fenced(w->c, end) &&
           aiex_get_int(end->body, "version", &version) == 1 && version == 0;
}

static void on_removed(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct work *w = a->arg;
    struct context *c = w->c;
    const int found = !w->removal->over && !end->code;

    if (is_gone_already(w, end)) {
        entry_drop(c, w->entry);
        work_reply(w, write_found, &found);
        return;
    }
    if (end->code) {
        work_store_failed(w, end, "the entry was not deleted");
        return;
    }
    if (w->removal->over)
        c->sweep.expired++;
    else
        c->count.deletes++;
    entry_drop(c, w->entry);
    tiers_forget(c, w->removal->doc);
    sweep_soon(c);
    work_reply(w, write_found, &found);
}

static void removal_begin(struct work *w)
{
    struct removal *d = w->removal;
    const struct entry *e = w->entry;
    const int found = 0;
    int is_over = e->doc && e->expires && e->expires <= wall_ms();

    if (!e->doc || (d->over && !is_over)) {
        work_reply(w, write_found, &found);
        return;
    }
    d->over |= is_over;
    d->version = e->version;
    d->doc = e->doc;
    d->born = e->born;
    transact_id(w->c, &d->transact);
    work_write(w, write_removal, d, on_removed);
}

static void delete_run(struct work *w)
{
    const char *id = w->removal->id;
    struct entry *e = index_find(&w->c->index, id, strlen(id));
    const int found = 0;

    if (e)
        work_enter(w, e, removal_begin);
    else
        work_reply(w, write_found, &found);
}

int delete_take(void *self, const struct aiex_message *m)
{
    struct work *w = work_new(self, m, sizeof(struct removal));
    struct aiex_error err = {""};

    if (!w)
        return 0;
    if (field_text(m->body, "id", w->removal->id, MAX_ID + 1, 1, &err) < 0)
        work_fail(w, AIEX_E_INVALID, "%s", err.text);
    else
        work_go(w, delete_run);
    return 0;
}

static void over_done(struct work *w)
{
    w->c->sweep.expiring--;
}

void remove_over(struct context *c, struct entry *e)
{
    struct work *w = work_inside(c, sizeof(struct removal));

    if (!w)
        return; /* the next sweep comes */
    memcpy(w->removal->id, e->id, e->id_len);
    w->removal->over = 1;
    w->done = over_done;
    w->started = 1;
    c->sweep.expiring++;
    work_enter(w, e, removal_begin);
}

/*
 * stored_import.c - what is here and not in the stream.
 *
 * A version is there when the stream has one of that name with the same text and time, whatever
 * its number: so an import that was cut off goes on where it was, and a number that another node
 * has given away becomes a later one. What the stream knows to be removed stays removed.
 */
#include "stored.h"

#include <errno.h>
#include <stdlib.h>

#define PER_APPEND 50u

static int is_same(struct aiex_slice a, struct aiex_slice b)
{
    struct aiex_slice text_a = {NULL, 0}, text_b = {NULL, 0};
    int64_t created_a = 0, created_b = 0;

    aiex_get_int(a, "created", &created_a);
    aiex_get_int(b, "created", &created_b);
    aiex_get_str(a, "text", &text_a);
    aiex_get_str(b, "text", &text_b);
    return created_a == created_b && text_a.len == text_b.len &&
           (!text_a.len || memcmp(text_a.data, text_b.data, text_a.len) == 0);
}

static int is_there(const struct template *there, const struct version *v)
{
    if (!there)
        return 0;
    if (!there->n && there->last >= v->number)
        return 1; /* removed since */
    for (size_t i = 0; i < there->n; i++)
        if (is_same((struct aiex_slice){there->versions[i]->record, there->versions[i]->len},
                    (struct aiex_slice){v->record, v->len}))
            return 1;
    return 0;
}

struct copy {
    struct aiex_slice record;
    int64_t number;
    const char *caller;
};

/* The record with another number. */
static void write_copy(struct aiex_writer *w, const void *arg)
{
    static const char *const same[] = {"name",        "user", "created",
                                       "description", "text", "variables"};
    const struct copy *c = arg;
    struct aiex_slice value;
    uint32_t n = 2;

    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
        n += aiex_get_whole(c->record, same[i], &value) == 1;
    aiex_w_map(w, n);
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
        if (aiex_get_whole(c->record, same[i], &value) == 1) {
            aiex_w_str(w, same[i]);
            aiex_w_raw(w, value.data, value.len);
        }
    aiex_w_key_int(w, "version", c->number);
    aiex_w_key_str(w, "caller", c->caller);
}

static int import_version(struct templates *t, struct aiex_decision *d, const struct version *v,
                          int64_t next)
{
    const struct copy copy = {.record = {v->record, v->len},
                              .number = v->number > next ? v->number : next,
                              .caller = t->host->instance};
    struct aiex_slice whole = {NULL, 0};
    int r = aiex_write_alloc(write_copy, &copy, &whole);

    if (r == 0)
        r = aiex_decide(d, "template.imported", whole);
    free((void *)(uintptr_t)whole.data);
    return r;
}

static int import_removal(struct templates *t, struct aiex_decision *d, const struct template *e)
{
    struct aiex_writer w;
    uint8_t mem[512];

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 5);
    aiex_w_key_str(&w, "name", e->name);
    aiex_w_key_str(&w, "user", e->user);
    aiex_w_key_bool(&w, "removed", 1);
    aiex_w_key_int(&w, "last", e->last);
    aiex_w_key_str(&w, "caller", t->host->instance);
    return aiex_decide(d, "template.removed", aiex_written(&w));
}

/* What the stream lacks of one template: a version at a time, so that its numbers follow. 1: there
 * was something. */
static int import_one(struct templates *t, struct aiex_decision *d, const struct template *e)
{
    const struct template *there = table_find(&t->fresh, e->name, e->user);
    int r;

    if (!e->n && e->last && t->was_stored && there && there->n && there->last <= e->last) {
        r = import_removal(t, d, e);
        return r < 0 ? r : 1;
    }
    for (size_t i = 0; i < e->n; i++)
        if (!is_there(there, e->versions[i])) {
            r = import_version(t, d, e->versions[i], table_next(&t->fresh, e->name, e->user));
            return r < 0 ? r : 1;
        }
    return 0;
}

static int decide(void *arg, struct aiex_decision *d, struct aiex_error *err)
{
    struct templates *t = arg;
    unsigned n = 0;

    for (size_t i = 0; i < t->table.n && n < PER_APPEND; i++) {
        int r = import_one(t, d, t->table.all[i]);

        if (r < 0 && (r != -E2BIG || !n)) /* else the rest comes next */
            return r;
        if (r < 0)
            break;
        n += (unsigned)r;
    }
    return 0;
}

static void complete(struct templates *t)
{
    table_done(&t->table);
    t->table = t->fresh;
    t->fresh = (struct table){.all = NULL};
    t->is_complete = t->was_cache = 1;
    store_cache_anew(t);
    kept_go(t);
}

/* A failure is told by the fold; the next tick tries again. */
static void on_end(void *arg, const struct aiex_fold_end *end)
{
    struct templates *t = arg;

    t->is_importing = 0;
    if (end->code || t->is_complete)
        return;
    if (end->n_events)
        import_begin(t);
    else
        complete(t);
}

void import_begin(struct templates *t)
{
    if (t->is_complete || t->is_importing)
        return;
    t->is_importing = 1;
    if (aiex_fold_change(t->fold, decide, on_end, t, 0, NULL) < 0)
        t->is_importing = 0;
}

/* restore.c - see restore.h. */
#include "restore.h"
#include "admin.h"
#include "recorded.h"
#include "restored_then.h"

#include <aiex_service.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_CHANGES 500u
#define IDLE_MS      600000u

enum what { NONE, ADDED, CHANGED, REMOVED, LEFT, CONFLICT };
static const char *const what_names[] = {"", "added", "changed", "removed", "left", "conflicts"};

struct told {
    enum what what;
    enum scope scope;
    char name[MAX_LABEL + 1], detail[160];
};

struct restoring {
    struct then *then;
    struct told page[PAGE_CHANGES]; /* that was decided on last */
    uint32_t n;
    int more;
};

void restore_done(struct gateway *g)
{
    if (!g->stored->restoring)
        return;
    then_free(g->stored->restoring->then);
    free(g->stored->restoring);
    g->stored->restoring = NULL;
}

void restore_tick(struct gateway *g)
{
    const struct restoring *x = g->stored->restoring;

    if (x && g->host->now_ms(g->host) >= x->then->used_ms + IDLE_MS)
        restore_done(g);
}

static int failed(struct gateway *g, const struct aiex_message *m, const char *code,
                  const char *text)
{
    g->host->fail(g->host, m->id, code, text, 0, NOTHING);
    return 0;
}

/* Without a store there is no stream that could go back. */
static int has_store(struct gateway *g, const struct aiex_message *m)
{
    if (!stored_is_on(g))
        failed(g, m, AIEX_E_INVALID, "keys and limits are kept without a store here");
    return stored_is_on(g);
}

/* ---- What was then ---- */

static int begin_anew(struct gateway *g, const char *id, int stream)
{
    struct restoring *x;

    restore_done(g);
    x = calloc(1, sizeof(*x));
    if (x)
        x->then = then_new(g->host, id, stream);
    if (x && !x->then) {
        free(x);
        x = NULL;
    }
    g->stored->restoring = x;
    return x ? 0 : -ENOMEM;
}

static int take_events(struct gateway *g, struct aiex_slice body)
{
    struct then *t = g->stored->restoring->then;
    struct aiex_value v;
    int since = 0, r = 0;

    if (aiex_get_bool(body, "since", &since) < 0 || aiex_get(body, "events", &v) != 1 ||
        v.type != AIEX_T_ARRAY)
        return -EBADMSG;
    for (uint32_t i = 0; i < v.count && r == 0; i++) {
        struct aiex_slice one = v.bytes;

        if (aiex_r_skip(&v.bytes) != 0)
            return -EBADMSG;
        one.len -= v.bytes.len;
        r = then_take(t, g, one, since);
    }
    t->n_events += v.count;
    t->used_ms = g->host->now_ms(g->host);
    return r;
}

static int refuse_events(struct gateway *g, const struct aiex_message *m, int r)
{
    restore_done(g);
    if (r == -ENOMEM)
        return failed(g, m, AIEX_E_BUSY, "no memory for what was then");
    return failed(g, m, AIEX_E_INVALID,
                  r == -ENOSPC    ? "there were more keys or limits than there may be"
                  : r == -ENOTSUP ? "an event of then is of a later version of Aiex"
                  : r == -EKEYREJECTED
                      ? "the keys of then were made with another pepper than those "
                        "here, nobody could use them"
                      : "an event of then can not be read");
}

/* The fields that both methods have. The stream, or -1. */
static int read_stream(struct aiex_slice body, char id[MAX_RESTORE_ID + 1])
{
    struct aiex_slice stream = NOTHING;

    if (aiex_get_text(body, "restore", id, MAX_RESTORE_ID + 1) != 1 || !id[0] ||
        aiex_get_str(body, "of", &stream) != 1)
        return -1;
    for (int s = 0; s < N_STREAMS; s++)
        if (aiex_slice_is(stream, stream_names[s]))
            return s;
    return -1;
}

static int is_given(const struct gateway *g, const char *id, int stream, int64_t n)
{
    const struct restoring *x = g->stored->restoring;

    return x && strcmp(x->then->id, id) == 0 && x->then->stream == stream && x->then->n_events == n;
}

int restore_from(struct gateway *g, const struct aiex_message *m)
{
    char id[MAX_RESTORE_ID + 1] = "";
    int64_t at = -1;
    int stream, r;

    if (!admin_who(g, m) || !has_store(g, m))
        return 0;
    stream = read_stream(m->body, id);
    if (stream < 0 || aiex_get_int(m->body, "at", &at) != 1 || at < 0)
        return refuse_form(g, m->id, NOTHING,
                           "gateway.restore_from takes of, restore (texts) and at (a number)");
    r = at == 0 ? begin_anew(g, id, stream) : 0;
    if (r == 0 && !is_given(g, id, stream, at))
        return failed(g, m, AIEX_E_CONFLICT, "the events before are not here; begin anew");
    r = r ? r : take_events(g, m->body);
    if (r < 0)
        return refuse_events(g, m, r);
    g->host->reply(g->host, m->id, NOTHING);
    return 0;
}

/* ---- One page ---- */

struct page {
    struct gateway *g;
    struct restoring *x;
    int dry, keep_added;
    int64_t skip;
    struct record_note note;
};

static struct aiex_slice slice(const char *text)
{
    return (struct aiex_slice){(const uint8_t *)text, strlen(text)};
}

/* 1: it is to be decided on, and the caller does; 0: it stays, or was told before; -E2BIG. */
static int begin_change(struct page *p, enum what what)
{
    const int stays = p->dry || what == LEFT || what == CONFLICT;

    if (what == NONE || (stays && p->skip-- > 0))
        return 0;
    return p->x->n == PAGE_CHANGES ? -E2BIG : 1;
}

static void tell(struct page *p, enum what what, enum scope scope, const char *name,
                 const char *detail)
{
    struct told *t = &p->x->page[p->x->n++];

    t->what = what;
    t->scope = scope;
    snprintf(t->name, sizeof(t->name), "%s", name);
    snprintf(t->detail, sizeof(t->detail), "%s", detail);
}

/* ---- Limits ---- */

static int settle_limits(struct page *p, enum scope scope, const char *name,
                         const struct limits *then)
{
    const struct account *a = keys_account(&p->g->keys, scope, slice(name));
    const struct limits none = {0}, *now = a ? &a->limits : &none;
    enum what what = !limits_are_set(now) ? ADDED : limits_are_set(then) ? CHANGED : REMOVED;
    uint8_t mem[512];
    char detail[160];
    int r;

    if (memcmp(then, now, sizeof(*then)) == 0 || (what == REMOVED && p->keep_added))
        return 0;
    if (!a && !p->dry && !keys_account_at(&p->g->keys, scope, slice(name)))
        what = CONFLICT;
    r = begin_change(p, what);
    if (r == 1 && !p->dry && what != CONFLICT) {
        r = change_restored(
            p->g, "limit.set",
            limits_record_pack(scope, slice(name), then, &p->note, mem, sizeof(mem)));
        r = r ? r : 1;
    }
    if (r == 1) {
        limits_differ(now, then, detail, sizeof(detail));
        tell(p, what, scope, name, what == CONFLICT ? "there is no room for it" : detail);
    }
    return r < 0 ? r : 0;
}

/* Those that the checkpoint does not know were not limited then. */
static int settle_new_limits(struct page *p)
{
    const struct limits none = {0};
    struct map_node *node = NULL;
    size_t at = 0;
    int r = 0;

    while (r == 0 && (node = map_walk(&p->g->keys.accounts, &at, node)) != NULL) {
        const struct account *a = map_entry(node, struct account, node);

        if (limits_are_set(&a->limits) && !then_find(p->x->then, a->scope, slice(a->name)))
            r = settle_limits(p, a->scope, a->name, &none);
    }
    return r;
}

static int settle_all_limits(struct page *p)
{
    int r = 0;

    for (const struct then_entry *e = p->x->then->first; e && r == 0; e = e->next) {
        struct aiex_slice name = NOTHING;
        struct limits limits = {0};
        enum scope scope;

        if (limits_record_unpack(e->record, &scope, &name, &limits) == 0)
            r = settle_limits(p, e->scope, e->name, &limits);
    }
    return r ? r : settle_new_limits(p);
}

/* ---- Keys ---- */

static int decide_key(struct page *p, const struct key_record *r, const char *type)
{
    uint8_t mem[JOURNAL_MAX_RECORD];
    struct key_parts parts;
    int result = keys_prepare(&p->g->keys, r, &parts); /* what is stored must be applied */

    if (result < 0)
        return result;
    keys_abandon(&p->g->keys, &parts);
    return change_restored(p->g, type, key_record_pack(r, &p->note, mem, sizeof(mem)));
}

static int settle_key_as(struct page *p, enum what what, const struct key_record *r,
                         const char *detail)
{
    int result = begin_change(p, what);

    if (result == 1 && !p->dry && what != LEFT) {
        result = decide_key(p, r, what == ADDED ? "key.imported" : "key.changed");
        result = result ? result : 1;
    }
    if (result == 1)
        tell(p, what, SCOPE_KEY, r->id, detail);
    return result < 0 ? result : 0;
}

static int settle_key(struct page *p, const struct then_entry *e)
{
    const struct key *now = keys_by_id(&p->g->keys, slice(e->name));
    struct key_record then, r;
    char detail[160];

    if (key_record_unpack(e->record, &then) != 0 || then.revoked)
        return 0;
    if (!now && !e->revoked) {
        then.old_until = 0;
        snprintf(detail, sizeof(detail), "%s... of then again", then.prefix);
        return settle_key_as(p, ADDED, &then, detail);
    }
    if (!now || now->revoked)
        return settle_key_as(p, LEFT, &then, "it was revoked since and stays so");
    if (memcmp(&now->account.limits, &then.limits, sizeof(then.limits)) == 0)
        return 0;
    key_record_of(now, &r);
    limits_differ(&r.limits, &then.limits, detail, sizeof(detail));
    r.limits = then.limits;
    return settle_key_as(p, CHANGED, &r, detail);
}

static int settle_all_keys(struct page *p)
{
    int r = 0;

    for (const struct then_entry *e = p->x->then->first; e && r == 0; e = e->next)
        r = settle_key(p, e);
    for (const struct key *k = p->g->keys.first; k && r == 0; k = k->next) {
        struct key_record made = {.id = ""};

        snprintf(made.id, sizeof(made.id), "%.*s", (int)KEY_ID, k->account.name);
        if (!k->revoked && !then_find(p->x->then, SCOPE_KEY, slice(made.id)))
            r = settle_key_as(p, LEFT, &made, "it was made since and stays");
    }
    return r;
}

/* ---- The answer ---- */

static void write_page(struct aiex_writer *w, const void *arg)
{
    const struct restoring *x = arg;
    char key[MAX_LABEL + 16];

    aiex_w_map(w, 2);
    aiex_w_key_bool(w, "more", x->more);
    aiex_w_str(w, "changes");
    aiex_w_array(w, x->n);
    for (uint32_t i = 0; i < x->n; i++) {
        const struct told *t = &x->page[i];

        snprintf(key, sizeof(key), "%s %s", scope_names[t->scope], t->name);
        aiex_w_map(w, 3);
        aiex_w_key_str(w, "key", key);
        aiex_w_key_str(w, "change", what_names[t->what]);
        aiex_w_key_str(w, "detail", t->detail);
    }
}

static void answer(struct gateway *g, uint64_t id)
{
    struct restoring *x = g->stored->restoring;

    aiex_reply_by(g->host, id, write_page, x);
    if (!x->more)
        restore_done(g);
}

void restore_stored(struct gateway *g, uint64_t id, const char *by, uint64_t trace)
{
    const struct restoring *x = g->stored->restoring;

    for (uint32_t i = 0; x && i < x->n; i++) {
        const struct told *t = &x->page[i];
        const struct key *key = keys_by_id(&g->keys, slice(t->name));

        if (t->what == LEFT || t->what == CONFLICT)
            continue;
        if (t->scope != SCOPE_KEY)
            audit_limits(g, t->scope, t->name, by, trace);
        else if (key)
            audit_key(g, "restored", key, by, trace);
    }
    if (x && id)
        answer(g, id);
    else if (id)
        g->host->fail(g->host, id, AIEX_E_CONFLICT, "what was then is not here; begin anew", 0,
                      NOTHING);
}

/* ---- The request ---- */

static int read_page(struct page *p, const struct aiex_message *m, char *by, size_t size)
{
    char id[MAX_RESTORE_ID + 1] = "", checkpoint[MAX_RESTORE_ID + 1] = "";
    int stream = read_stream(m->body, id);
    int64_t n = -1;

    if (stream < 0 || aiex_get_int(m->body, "events", &n) != 1 ||
        aiex_get_text(m->body, "checkpoint", checkpoint, sizeof(checkpoint)) < 0 ||
        aiex_get_bool(m->body, "dry_run", &p->dry) < 0 ||
        aiex_get_bool(m->body, "keep_added", &p->keep_added) < 0 ||
        aiex_get_int(m->body, "skip", &p->skip) < 0 || p->skip < 0) {
        refuse_form(p->g, m->id, NOTHING,
                    "gateway.restore takes of, restore, checkpoint (texts), events, skip "
                    "(numbers), dry_run and keep_added (bools)");
        return 0;
    }
    if (!is_given(p->g, id, stream, n)) {
        failed(p->g, m, AIEX_E_CONFLICT, "what was then is not here; begin anew");
        return 0;
    }
    snprintf(by, size, "checkpoint %.50s", checkpoint);
    p->x = p->g->stored->restoring;
    p->x->then->used_ms = p->g->host->now_ms(p->g->host);
    p->x->n = 0;
    p->x->more = 0;
    return 1;
}

/* Also within a change of the store (change.c): then nothing is answered here that was decided. */
static int run(struct gateway *g, const struct aiex_message *m)
{
    char by[MAX_LABEL + 1] = "";
    struct page p = {.g = g, .note = {.by = by, .caller = g->asker}};
    int decided = 0, r;

    if (!admin_who(g, m) || !read_page(&p, m, by, sizeof(by)))
        return 0;
    r = p.dry ? 0 : change_restores(g, by);
    if (r == 0)
        r = p.x->then->stream == STREAM_KEYS ? settle_all_keys(&p) : settle_all_limits(&p);
    p.x->more = r == -E2BIG;
    if (r < 0 && r != -E2BIG)
        return r;
    for (uint32_t i = 0; i < p.x->n && !p.dry; i++)
        decided |= p.x->page[i].what != LEFT && p.x->page[i].what != CONFLICT;
    if (!decided)
        answer(g, m->id);
    return 0;
}

int restore_take(struct gateway *g, const struct aiex_message *m)
{
    char id[MAX_RESTORE_ID + 1] = "";
    int stream = read_stream(m->body, id), dry = 0;

    if (!has_store(g, m))
        return 0;
    if (aiex_get_bool(m->body, "dry_run", &dry) == 1 && dry && !stored_is_complete(g))
        return failed(g, m, AIEX_E_BUSY, "the store does not know all keys and limits yet");
    if (dry || stream < 0)
        return run(g, m);
    return recorded_run(g, m, stream == STREAM_KEYS ? "key.restore" : "limit.restore", run);
}

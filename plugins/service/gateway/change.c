/*
 * change.c - a change of keys or limits as an event of the store.
 *
 * The request is kept, and run when its turn has come: what its method wants to write is decided on
 * then, appended, applied by stored.c, and only then answered. A method that refuses has answered
 * itself and decided nothing. Its caller may leave until the append has been sent.
 *
 * No change overtakes the import (stored_import.c): until the streams are known to hold what is
 * here it waits, as long as it would for the store.
 */
#include "admin.h"
#include "restore.h"
#include "stored.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct change {
    struct change *next;
    struct gateway *g;
    uint64_t fold_id, deadline_ms;
    int is_given; /* the fold has it */
    int stream;
    struct aiex_message m; /* body and asker are its own */
    char asker[AIEX_MAX_NAME + 1];
    int (*run)(struct gateway *g, const struct aiex_message *m);
    int gone;                /* nobody waits for the answer */
    int restores, has_first; /* ... of which the stream's first events are decided on */
    /* while its method runs */
    struct aiex_decision *decision;
    int result;
    /* what was decided */
    char type[16], by[MAX_LABEL + 1], key[KEY_ID + 1], secret[SECRET_TEXT + 1];
    enum scope scope;
    char name[MAX_LABEL + 1];
    size_t len;
    uint8_t body[]; /* may have a credential: wiped */
};

static void forget(struct change *c)
{
    struct change **at = &c->g->stored->changes;

    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    c->g->stored->n_changes--;
    secret_wipe(c, sizeof(*c) + c->len);
    free(c);
}

/* ---- Deciding ---- */

int stored_is_complete(const struct gateway *g)
{
    return g->stored->is_complete[STREAM_KEYS] && g->stored->is_complete[STREAM_LIMITS];
}

static int decide(void *arg, struct aiex_decision *d, struct aiex_error *err)
{
    struct change *c = arg;
    struct gateway *g = c->g;
    int r;

    if (!stored_is_complete(g)) { /* the streams are others since */
        snprintf(err->text, sizeof(err->text),
                 "the store does not know all keys and limits of this gateway yet; try again");
        return -EAGAIN;
    }
    c->decision = d;
    c->result = 0;
    c->type[0] = 0;
    g->stored->deciding = c;
    g->asker = c->asker;
    r = c->run(g, &c->m);
    g->asker = "";
    g->stored->deciding = NULL;
    c->decision = NULL;
    if (r < 0) {
        snprintf(err->text, sizeof(err->text), "the change could not be made: %s", strerror(-r));
        return -EAGAIN;
    }
    return c->result;
}

static struct record_note note_of(const struct gateway *g, const struct key *by)
{
    return (struct record_note){.by = by->account.name, .caller = g->asker};
}

static void remember(struct change *c, const char *type, const struct key *by)
{
    snprintf(c->type, sizeof(c->type), "%s", type);
    snprintf(c->by, sizeof(c->by), "%s", by->account.name);
}

int change_key(struct gateway *g, const struct key_record *r, const struct key *by,
               const char *type, const char *secret)
{
    struct change *c = g->stored->deciding;
    struct record_note note = note_of(g, by);
    uint8_t mem[JOURNAL_MAX_RECORD];
    struct key_parts parts;
    char full[32];

    remember(c, type, by);
    memcpy(c->key, r->id, sizeof(c->key));
    snprintf(c->secret, sizeof(c->secret), "%s", secret ? secret : "");
    c->result = keys_prepare(&g->keys, r, &parts); /* first: what is stored must be applied */
    if (c->result < 0)
        return 0;
    keys_abandon(&g->keys, &parts);
    snprintf(full, sizeof(full), "key.%s", type);
    c->result = import_decide_first(g, c->decision);
    if (c->result == 0)
        c->result = aiex_decide(c->decision, full, key_record_pack(r, &note, mem, sizeof(mem)));
    return 0;
}

int change_limits(struct gateway *g, enum scope scope, struct aiex_slice name,
                  const struct limits *limits, const struct key *by)
{
    struct change *c = g->stored->deciding;
    struct record_note note = note_of(g, by);
    uint8_t mem[512];

    remember(c, "limits", by);
    c->scope = scope;
    snprintf(c->name, sizeof(c->name), "%.*s", (int)name.len, (const char *)name.data);
    c->result = keys_account_at(&g->keys, scope, name) ? 0 : -ENOSPC;
    if (c->result == 0)
        c->result = aiex_decide(c->decision, "limit.set",
                                limits_record_pack(scope, name, limits, &note, mem, sizeof(mem)));
    return 0;
}

int change_restores(struct gateway *g, const char *by)
{
    struct change *c = g->stored->deciding;

    if (!c)
        return -EINVAL;
    c->restores = 1;
    c->has_first = c->stream != STREAM_KEYS;
    snprintf(c->by, sizeof(c->by), "%s", by);
    return 0;
}

int change_restored(struct gateway *g, const char *type, struct aiex_slice record)
{
    struct change *c = g->stored->deciding;
    int r = c->has_first ? 0 : import_decide_first(g, c->decision);

    c->has_first = 1;
    return r ? r : aiex_decide(c->decision, type, record);
}

/* ---- The end ---- */

static void fail(struct change *c, const struct aiex_fold_end *end)
{
    const struct aiex_host *host = c->g->host;
    char text[480];

    snprintf(text, sizeof(text),
             end->unknown ? "it is not known whether this change was made; list to see. %s"
                          : "nothing was changed: %s",
             end->text);
    host->fail(host, c->m.id, end->code, text, 0, NOTHING);
}

/* Events of the bus and the audit log are told of what happened, also when nobody waits. */
static void done(struct change *c)
{
    struct gateway *g = c->g;
    struct key *key;

    if (c->restores) {
        restore_stored(g, c->gone ? 0 : c->m.id, c->by, c->m.trace);
        return;
    }
    if (c->stream == STREAM_LIMITS) {
        audit_limits(g, c->scope, c->name, c->by, c->m.trace);
        if (!c->gone)
            g->host->reply(g->host, c->m.id, NOTHING);
        return;
    }
    key = keys_by_id(&g->keys, (struct aiex_slice){(const uint8_t *)c->key, strlen(c->key)});
    if (key)
        audit_key(g, c->type, key, c->by, c->m.trace);
    if (!c->gone)
        admin_reply_key(g, c->m.id, c->key, c->secret[0] ? c->secret : NULL);
}

static void on_end(void *arg, const struct aiex_fold_end *end)
{
    struct change *c = arg;
    struct gateway *g = c->g;

    if (end->code && !c->gone)
        fail(c, end);
    else if (!end->code && end->n_events)
        done(c);
    forget(c);
    gateway_maybe_drained(g);
}

/* ---- Beginning ---- */

static struct change *make(struct gateway *g, const struct aiex_message *m, int stream)
{
    struct change *c = g->stored->n_changes < MAX_CHANGES ? calloc(1, sizeof(*c) + m->body.len)
                                                          : NULL;

    if (!c)
        return NULL;
    c->g = g;
    c->stream = stream;
    c->m = *m;
    c->m.service = c->m.method = "gateway"; /* the host's names die with this call */
    c->len = m->body.len;
    if (c->len)
        memcpy(c->body, m->body.data, c->len);
    c->m.body = (struct aiex_slice){c->body, c->len};
    snprintf(c->asker, sizeof(c->asker), "%s", g->asker);
    c->next = g->stored->changes;
    g->stored->changes = c;
    g->stored->n_changes++;
    return c;
}

static void refuse_change(struct change *c, const char *code, const char *text)
{
    if (!c->gone)
        c->g->host->fail(c->g->host, c->m.id, code, text, 0, NOTHING);
    forget(c);
}

static void give(struct change *c)
{
    struct gateway *g = c->g;
    uint64_t id = 0;

    c->is_given = 1;
    /* it may be over, and gone, before this returns */
    if (aiex_fold_change(g->stored->folds[c->stream], decide, on_end, c, c->m.trace, &id) < 0) {
        refuse_change(c, AIEX_E_BUSY, "too many changes wait for the store");
        return;
    }
    for (struct change *it = g->stored->changes; it; it = it->next)
        if (it == c)
            it->fold_id = id;
}

static struct change *next_waiting(const struct gateway *g)
{
    struct change *oldest = NULL; /* the list has the newest first */

    for (struct change *c = g->stored->changes; c; c = c->next)
        if (!c->is_given)
            oldest = c;
    return oldest;
}

void change_go(struct gateway *g)
{
    struct change *c;

    while (stored_is_complete(g) && (c = next_waiting(g)) != NULL)
        give(c);
}

void change_tick(struct gateway *g)
{
    uint64_t now = g->host->now_ms(g->host);
    char text[480];
    struct change *c;

    change_go(g);
    while ((c = next_waiting(g)) != NULL && now >= c->deadline_ms) {
        snprintf(text, sizeof(text),
                 "nothing was changed: the store does not know all keys and limits of this gateway "
                 "yet%s%.300s",
                 stored_trouble(g)[0] ? ": " : "", stored_trouble(g));
        refuse_change(c, AIEX_E_UNAVAILABLE, text);
    }
    gateway_maybe_drained(g);
}

int change_run(struct gateway *g, const struct aiex_message *m, const char *act,
               int (*run)(struct gateway *g, const struct aiex_message *m))
{
    const int is_limit = strcmp(act, "key.limit") == 0 || strcmp(act, "limit.restore") == 0;
    const int stream = is_limit ? STREAM_LIMITS : STREAM_KEYS;
    struct change *c;

    if (!stored_is_on(g))
        return run(g, m);
    c = make(g, m, stream);
    if (!c) {
        g->host->fail(g->host, m->id, AIEX_E_BUSY, "too many changes wait for the store", 0,
                      NOTHING);
        return 0;
    }
    c->run = run;
    c->deadline_ms = g->host->now_ms(g->host) + (uint64_t)g->config->store_wait;
    change_go(g);
    return 0;
}

void change_cancel(struct gateway *g, uint64_t id)
{
    struct change *c = g->stored->changes;

    while (c && (c->m.id != id || c->gone))
        c = c->next;
    if (!c)
        return;
    c->gone = 1;
    if (!c->is_given || aiex_fold_cancel(g->stored->folds[c->stream], c->fold_id) == 0)
        forget(c);
}

void change_stop(struct gateway *g)
{
    while (g->stored->changes)
        forget(g->stored->changes);
}

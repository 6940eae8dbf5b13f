/*
 * owned.c - what a restore does to streams whose owner can go back: templates, limits, API keys.
 *
 * The owner is given the stream's events as the checkpoint has them (X.restore_from, page by page)
 * and then asked to append what leads from its present state to the one that they make (X.restore,
 * a page of changes at a time, until there are no more). He knows what an event means, who may
 * change what and what is to be recorded; here is only carried. The events come from the checkpoint
 * and not from the store, so it does not matter whether the store still has them.
 *
 * An owner that was started anew in between does not have them any more: then all begins anew, and
 * what was changed already is found and not changed again.
 */
#include "checkpoints.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGE_BYTES  (1u << 20)
#define PAGE_EVENTS 1000u
#define MAX_TRIES   8

static const struct owner {
    const char *stream, *part, *from, *method;
    size_t service; /* in struct config */
    int is_keys;
} owners[] = {
    {"templates", "templates", "templates.restore_from", "templates.restore",
     offsetof(struct config, templates), 0},
    {"gateway/limits", "limits", "gateway.restore_from", "gateway.restore",
     offsetof(struct config, gateway), 0},
    {"gateway/keys", "keys", "gateway.restore_from", "gateway.restore",
     offsetof(struct config, gateway), 1},
};

static const struct owner *owner_of(struct aiex_slice stream)
{
    for (size_t i = 0; i < sizeof(owners) / sizeof(*owners); i++)
        if (aiex_slice_is(stream, owners[i].stream))
            return &owners[i];
    return NULL;
}

int restore_is_owned(const struct restore *x, struct aiex_slice stream)
{
    const struct owner *o = owner_of(stream);

    return o && (!o->is_keys || x->keys);
}

int restore_is_keys(struct aiex_slice stream)
{
    const struct owner *o = owner_of(stream);

    return o && o->is_keys;
}

/* ---- Questions ---- */

struct asked {
    struct restore *x;
    const struct owner *owner;
    int64_t at;    /* events that were given */
    int64_t skip;  /* changes that were told and stay to be told again */
    int since;     /* the events are later ones than the checkpoint's */
    uint8_t *page; /* events behind each other */
    size_t len, size;
    uint32_t n;
};

static void write_page(struct aiex_writer *w, const void *arg)
{
    const struct asked *a = arg;

    aiex_w_map(w, 6);
    aiex_w_key_bool(w, "local", 1);
    aiex_w_key_str(w, "of", a->owner->stream);
    aiex_w_key_str(w, "restore", a->x->id);
    aiex_w_key_int(w, "at", a->at);
    aiex_w_key_bool(w, "since", a->since);
    aiex_w_str(w, "events");
    aiex_w_array(w, a->n);
    if (a->len)
        aiex_w_raw(w, a->page, a->len);
}

static void write_apply(struct aiex_writer *w, const void *arg)
{
    const struct asked *a = arg;

    aiex_w_map(w, 9);
    aiex_w_key_bool(w, "local", 1);
    aiex_w_key_str(w, "of", a->owner->stream);
    aiex_w_key_str(w, "restore", a->x->id);
    aiex_w_key_str(w, "checkpoint", a->x->m.about.name);
    aiex_w_key_str(w, "name", a->x->m.about.name); /* of the act in the audit log */
    aiex_w_key_int(w, "events", a->at);
    aiex_w_key_int(w, "skip", a->skip);
    aiex_w_key_bool(w, "dry_run", a->x->dry);
    aiex_w_key_bool(w, "keep_added", a->x->keep_added);
}

/* 1 = the answer is in c, 0 = he does not (told), -EAGAIN = all begins anew, others negative. */
static int ask_owner(struct asked *a, struct call *c, const char *method, aiex_write_fn write)
{
    struct job *j = a->x->job;
    const struct aiex_slice key = {(const uint8_t *)a->owner->stream, strlen(a->owner->stream)};
    const char *service;
    int r;

    memcpy(&service, (const char *)j->s->config + a->owner->service, sizeof(service));
    r = ask(j, c, service, method, write, a);
    if (r == 0)
        return 1;
    if (r != -EREMOTEIO)
        return job_errno(j, r, "the owner of a stream");
    if (strcmp(c->code, AIEX_E_CONFLICT) == 0)
        return -EAGAIN;
    return tally_add(&a->x->tally, a->owner->part, CONFLICT, key, c->text);
}

/* ---- What was then ---- */

static int give_page(struct asked *a)
{
    struct call c = {0};
    int r = ask_owner(a, &c, a->owner->from, write_page);

    call_done(&c);
    a->at += a->n;
    a->n = 0;
    a->len = 0;
    return r;
}

static int add_event(struct asked *a, struct aiex_slice event)
{
    size_t size = a->size ? a->size : 64u << 10;
    uint8_t *page;
    int r = 1;

    if (a->n && (a->n == PAGE_EVENTS || a->len + event.len > PAGE_BYTES))
        r = give_page(a);
    if (r != 1)
        return r;
    while (size < a->len + event.len)
        size *= 2;
    page = size > a->size ? realloc(a->page, size) : a->page;
    if (!page)
        return job_errno(a->x->job, -ENOMEM, "the events of a stream");
    a->page = page;
    a->size = size;
    memcpy(a->page + a->len, event.data, event.len);
    a->len += event.len;
    a->n++;
    return 1;
}

/* 1, or what ended it. */
static int give_then(struct asked *a)
{
    struct aiex_error err = {""};
    struct aiex_slice event, stream = {NULL, 0};
    struct walk walk;
    int given = 1, r;

    walk_begin(&walk, &a->x->job->s->chunks, &a->x->m.events);
    while (given == 1 && (r = walk_next(&walk, &event, &err)) == 1)
        if (aiex_get_str(event, "stream", &stream) == 1 && aiex_slice_is(stream, a->owner->stream))
            given = add_event(a, event);
    walk_done(&walk);
    if (given != 1)
        return given;
    return r < 0 ? job_errno(a->x->job, r, err.text) : give_page(a);
}

struct later {
    struct asked *asked;
    int given;
};

static int see_later(void *arg, struct aiex_slice event)
{
    struct later *l = arg;

    l->given = add_event(l->asked, event);
    return l->given == 1 ? 0 : -ECANCELED;
}

/* What became of keys since: one that was revoked and forgotten must not come back. */
static int give_since(struct asked *a, int64_t from)
{
    struct later l = {a, 1};
    int r;

    a->since = 1;
    r = read_events(a->x->job, a->owner->stream, from, 0, see_later, &l);
    r = l.given != 1 ? l.given : r < 0 ? job_errno(a->x->job, r, "the events since") : give_page(a);
    a->since = 0;
    return r;
}

/* ---- What he did, or would do ---- */

static int tell_change(struct asked *a, struct aiex_slice one)
{
    static const struct {
        const char *name;
        enum change change;
    } changes[] = {{"added", ADDED},
                   {"changed", CHANGED},
                   {"removed", REMOVED},
                   {"left", LEFT},
                   {"conflicts", CONFLICT}};
    struct aiex_slice key = {NULL, 0}, change = {NULL, 0};
    char detail[200] = "";

    aiex_get_str(one, "key", &key);
    aiex_get_str(one, "change", &change);
    aiex_get_text(one, "detail", detail, sizeof(detail));
    for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
        if (!aiex_slice_is(change, changes[i].name))
            continue;
        a->skip += a->x->dry || changes[i].change == LEFT || changes[i].change == CONFLICT;
        return tally_add(&a->x->tally, a->owner->part, changes[i].change, key, detail);
    }
    return job_fail(a->x->job, AIEX_E_INTERNAL, "%s tells of a change that is none",
                    a->owner->method);
}

/* 1 = that was all, 2 = there is more, negative. */
static int tell_changes(struct asked *a, struct aiex_slice body)
{
    struct aiex_value v;
    int more = 0, r = 0;

    if (aiex_get(body, "changes", &v) != 1 || v.type != AIEX_T_ARRAY ||
        aiex_get_bool(body, "more", &more) < 0 || (more && !v.count))
        return job_fail(a->x->job, AIEX_E_INTERNAL, "the answer of %s is no list of changes",
                        a->owner->method);
    for (uint32_t i = 0; r == 0 && i < v.count; i++) {
        struct aiex_slice one = v.bytes;

        if (aiex_r_skip(&v.bytes) != 0)
            return job_fail(a->x->job, AIEX_E_INTERNAL, "a list of changes is cut");
        one.len -= v.bytes.len;
        r = tell_change(a, one);
    }
    return r < 0 ? r : more ? 2 : 1;
}

static int apply(struct asked *a)
{
    int r = 2;

    while (r == 2) {
        struct call c = {0};

        r = ask_owner(a, &c, a->owner->method, write_apply);
        if (r == 1)
            r = tell_changes(a, (struct aiex_slice){c.body, c.body_len});
        call_done(&c);
    }
    return r;
}

static int give_and_apply(struct asked *a, int64_t since)
{
    int r;

    a->at = 0;
    a->n = 0;
    a->len = 0;
    r = give_then(a);
    if (r == 1 && a->owner->is_keys)
        r = give_since(a, since);
    return r == 1 ? apply(a) : r;
}

int restore_owned(struct restore *x, struct aiex_slice stream, int64_t then)
{
    struct asked a = {.x = x, .owner = owner_of(stream)};
    const struct aiex_slice key = {(const uint8_t *)a.owner->stream, strlen(a.owner->stream)};
    int r = -EAGAIN;

    for (int i = 0; i < MAX_TRIES && r == -EAGAIN; i++)
        r = give_and_apply(&a, x->same_store ? then + 1 : 1);
    free(a.page);
    if (r == -EAGAIN)
        r = tally_add(&x->tally, a.owner->part, CONFLICT, key,
                      "its service forgets what it was given; the same request does the rest");
    return r < 0 ? r : 0;
}

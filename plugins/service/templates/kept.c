/*
 * kept.c - requests that wait for the store.
 *
 * A change is given to the fold when the stream is known to hold what is here; its record is made
 * when its turn has come. Its caller may leave until the append has been sent.
 */
#include "restore.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void forget(struct kept *k)
{
    struct templates *t = k->t;
    struct kept **at = &t->kept;

    while (*at != k)
        at = &(*at)->next;
    *at = k->next;
    if (t->last_kept == &k->next)
        t->last_kept = at;
    t->n_kept--;
    t->kept_bytes -= k->m.body.len;
    free(k);
}

static int is_put(const struct kept *k)
{
    return strcmp(k->method, "templates.put") == 0;
}

static int is_restore(const struct kept *k)
{
    return strcmp(k->method, RESTORE_METHOD) == 0;
}

/* ---- Changes ---- */

static int decide(void *arg, struct aiex_decision *d, struct aiex_error *err)
{
    struct kept *k = arg;
    struct aiex_slice record = {NULL, 0};
    int r;

    if (!k->t->is_complete)
        return aiex_failed(err, -EAGAIN,
                           "the store does not have all templates of this node yet; try again");
    if (is_restore(k))
        return restore_decide(k->t, &k->m, d, err);
    r = method_record(k->t, &k->m, &record, &k->number, err);
    if (r == 0)
        r = aiex_decide(d, is_put(k) ? "template.put" : "template.removed", record);
    free((void *)(uintptr_t)record.data);
    return r == -ENOSPC || r == -ENOMEM ? -EAGAIN : r;
}

static void refuse(struct kept *k, const struct aiex_fold_end *end)
{
    if (!k->gone)
        aiex_refuse(k->t->host, k->m.id, end->code,
                    end->unknown ? "it is not known whether this change was made; list to see. %s"
                                 : "%s",
                    end->text);
}

static void on_end(void *arg, const struct aiex_fold_end *end)
{
    struct kept *k = arg;
    struct templates *t = k->t;

    if (end->code)
        refuse(k, end);
    else if (!k->gone && is_restore(k))
        restore_reply(t, k->m.id);
    else if (!k->gone)
        method_reply(t, k->m.id, is_put(k), k->number);
    forget(k);
    kept_drain(t);
}

static void begin_change(struct kept *k)
{
    struct templates *t = k->t;
    uint64_t id = 0;

    k->is_given = 1;
    /* it may be over, and gone, before this returns */
    if (aiex_fold_change(t->fold, decide, on_end, k, k->m.trace, &id) < 0) {
        aiex_refuse(t->host, k->m.id, AIEX_E_BUSY, "too many changes wait for the store");
        forget(k);
        return;
    }
    for (struct kept *it = t->kept; it; it = it->next)
        if (it == k)
            it->fold_id = id;
}

/* ---- Waiting ---- */

int kept_add(struct templates *t, const struct aiex_message *m,
             int (*run)(void *self, const struct aiex_message *m))
{
    struct kept *k = NULL;

    if (t->n_kept < MAX_KEPT && t->kept_bytes + m->body.len <= MAX_KEPT_BYTES)
        k = calloc(1, sizeof(*k) + m->body.len);
    if (!k)
        return aiex_refuse(t->host, m->id, AIEX_E_BUSY, "too many requests wait for the store");
    k->t = t;
    k->run = run;
    memcpy(&k->m, m, m->struct_size < sizeof(k->m) ? m->struct_size : sizeof(k->m));
    snprintf(k->method, sizeof(k->method), "%s", m->method);
    if (AIEX_HAS(m, struct aiex_message, caller))
        snprintf(k->caller, sizeof(k->caller), "%s", m->caller);
    k->m.struct_size = sizeof(k->m);
    k->m.service = STREAM; /* the host's names die with this call */
    k->m.method = k->method;
    k->m.caller = k->caller;
    if (m->body.len)
        memcpy(k->body, m->body.data, m->body.len);
    k->m.body.data = k->body;
    k->deadline_ms = t->host->now_ms(t->host) + (uint64_t)t->config->store_wait;
    *t->last_kept = k;
    t->last_kept = &k->next;
    t->n_kept++;
    t->kept_bytes += m->body.len;
    kept_go(t);
    return 0;
}

/* 1: it was handled, and the list is another one. */
static int go_one(struct kept *k)
{
    struct templates *t = k->t;

    if (k->run && stored_knows(t)) {
        int (*run)(void *self, const struct aiex_message *m) = k->run;

        k->run = NULL;
        k->is_given = 1; /* it may be kept anew meanwhile, as a change */
        if (run(t, &k->m) < 0)
            aiex_refuse(t->host, k->m.id, AIEX_E_INTERNAL, "the request could not be handled");
        forget(k);
        return 1;
    }
    if (k->run || k->is_given || !t->is_complete)
        return 0;
    begin_change(k);
    return 1;
}

void kept_go(struct templates *t)
{
    struct kept *k = t->kept;

    while (k)
        k = go_one(k) ? t->kept : k->next;
    kept_drain(t);
}

void kept_tick(struct templates *t)
{
    uint64_t now = t->host->now_ms(t->host);
    struct kept *next;

    for (struct kept *k = t->kept; k; k = next) {
        next = k->next;
        if (k->is_given || now < k->deadline_ms)
            continue;
        aiex_refuse(t->host, k->m.id, AIEX_E_UNAVAILABLE,
                    "the store does not answer, so it is not known which templates there are%s%s",
                    stored_trouble(t)[0] ? ": " : "", stored_trouble(t));
        forget(k);
    }
    kept_drain(t);
}

void kept_cancel(struct templates *t, uint64_t id)
{
    struct kept *k = t->kept;

    while (k && (k->m.id != id || k->gone))
        k = k->next;
    if (!k)
        return;
    k->gone = 1;
    if (!k->is_given || aiex_fold_cancel(t->fold, k->fold_id) == 0)
        forget(k);
    kept_drain(t);
}

void kept_stop(struct templates *t)
{
    while (t->kept)
        forget(t->kept);
}

void kept_drain(struct templates *t)
{
    void (*done)(void *arg) = t->drained;

    if (!done || t->kept)
        return;
    t->drained = NULL;
    done(t->drained_arg);
}

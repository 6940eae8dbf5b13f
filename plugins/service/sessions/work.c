/*
 * work.c - one request from begin to end, and the lanes in which writes of one session wait for
 * each other. A work ends by its answer; a client that went away only takes the answer with it
 * when something is being written.
 */
#include "sessions.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- Life ---- */

static void link_in(struct work *w)
{
    struct sessions *s = w->s;

    w->next = s->works;
    if (s->works)
        s->works->prev = w;
    s->works = w;
    s->n_works++;
    s->work_bytes += w->body_len;
}

static struct work *work_new(struct sessions *s, const struct verb *verb, struct aiex_slice body)
{
    struct work *w = s->host->alloc(s->host, sizeof(*w) + body.len);

    if (!w)
        return NULL;
    w->s = s;
    w->verb = verb;
    w->act = verb->act;
    w->ask.owner = s;
    w->ask.arg = w;
    w->body = (uint8_t *)(w + 1);
    w->body_len = body.len;
    if (body.len)
        memcpy(w->body, body.data, body.len);
    w->begun = s->host->now_ms(s->host);
    link_in(w);
    return w;
}

struct work *work_own(struct sessions *s, const struct verb *verb, const char *session)
{
    struct work *w = work_new(s, verb, (struct aiex_slice){NULL, 0});

    if (!w)
        return NULL;
    w->expected = w->ttl = -1;
    snprintf(w->session, sizeof(w->session), "%s", session);
    return w;
}

static void unwait(struct work *w)
{
    struct sessions *s = w->s;
    struct work **at = &s->waiting;

    while (*at != w)
        at = &(*at)->behind;
    if (s->waiting_end == &w->behind)
        s->waiting_end = at;
    *at = w->behind;
    w->waits = 0;
}

static void lane_leave(struct work *w);

static void drained(struct sessions *s)
{
    if (s->draining && !s->works && s->drained) {
        void (*done)(void *arg) = s->drained;

        s->drained = NULL;
        done(s->drained_arg);
    }
}

void work_free(struct work *w)
{
    struct sessions *s = w->s;

    aiex_ask_stop(&w->ask);
    if (w->waits)
        unwait(w);
    if (w->fresh)
        entry_free(&s->index, w->fresh);
    free(w->reading);
    free(w->memory);
    s->n_pages -= (size_t)w->has_page;
    *(w->prev ? &w->prev->next : &s->works) = w->next;
    if (w->next)
        w->next->prev = w->prev;
    s->n_works--;
    s->work_bytes -= w->body_len;
    if (w->lane)
        lane_leave(w);
    s->host->release(s->host, w);
    drained(s);
}

/* ---- Ends ---- */

void work_reply(struct work *w, aiex_write_fn write, const void *arg)
{
    if (w->id && aiex_reply_by(w->s->host, w->id, write, arg) == -ENOMEM)
        aiex_refuse(w->s->host, w->id, AIEX_E_BUSY, "no memory for the answer");
    work_free(w);
}

void work_refuse(struct work *w, const char *code, const char *format, ...)
{
    char text[400];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (w->id)
        aiex_refuse(w->s->host, w->id, code, "%s", text);
    work_free(w);
}

void work_fail(struct work *w, const struct aiex_answer *end, const char *what)
{
    const char *code = strcmp(end->code, AIEX_E_NOT_FOUND) == 0 ? AIEX_E_UNAVAILABLE : end->code;

    work_refuse(w, code, "%s: the store says %s: %s", what, end->code, end->text ? end->text : "");
}

static void on_handed(void *arg, const struct aiex_answer *answer)
{
    struct work *w = arg;

    if (answer->kind != AIEX_ANSWER_END)
        return;
    if (answer->flags & AIEX_AF_SPLICED)
        work_free(w);
    else
        work_refuse(w, answer->code ? answer->code : AIEX_E_INTERNAL, "%s",
                    answer->text ? answer->text : "the new owner did not answer");
}

int work_hand_on(struct work *w)
{
    const struct aiex_host *host = w->s->host;
    const struct aiex_request rq = {.struct_size = sizeof(rq),
                                    .flags = AIEX_CALL_SPLICE,
                                    .service = "sessions",
                                    .method = w->verb->method,
                                    .body = {w->body, w->body_len},
                                    .parent = w->id,
                                    .trace = w->trace,
                                    .timeout_ms = (uint32_t)w->s->config->store_wait};

    uint64_t call;

    w->handed_on = 1; /* from now on the host ends the call with its parent */
    return host->call(host, &rq, on_handed, w, &call);
}

int work_page(struct work *w, size_t bytes)
{
    if (w->s->n_pages >= MAX_PAGES) {
        work_refuse(w, AIEX_E_BUSY, "%u histories and lists are being read already", MAX_PAGES);
        return -1;
    }
    w->reading = calloc(1, bytes);
    if (!w->reading) {
        work_refuse(w, AIEX_E_BUSY, "no memory for a page");
        return -1;
    }
    w->has_page = 1;
    w->s->n_pages++;
    return 0;
}

/* ---- Lanes ---- */

static void lane_leave(struct work *w)
{
    struct sessions *s = w->s;
    struct lane *lane = w->lane;
    struct work **at = &lane->first;
    int was_first = lane->first == w;

    while (*at != w)
        at = &(*at)->behind;
    *at = w->behind;
    if (lane->end == &w->behind)
        lane->end = at;
    lane->n--;
    w->lane = NULL;
    if (lane->first) {
        if (was_first)
            act_run(lane->first);
        return;
    }
    lane->e->lane = NULL;
    guest_leave(s, lane->e);
    s->host->release(s->host, lane);
}

void lane_enter(struct work *w, struct entry *e)
{
    struct sessions *s = w->s;
    struct lane *lane = e->lane;

    if (lane && lane->n >= MAX_LANE) {
        work_refuse(w, AIEX_E_BUSY, "%u writes of session '%s' wait already", MAX_LANE, w->session);
        return;
    }
    if (!lane) {
        lane = s->host->alloc(s->host, sizeof(*lane));
        if (!lane) {
            guest_leave(s, e);
            work_refuse(w, AIEX_E_BUSY, "no memory for the request");
            return;
        }
        lane->e = e;
        lane->end = &lane->first;
        e->lane = lane;
    }
    w->lane = lane;
    w->behind = NULL;
    *lane->end = w;
    lane->end = &w->behind;
    lane->n++;
    if (lane->first == w)
        act_run(w);
}

/* ---- Coming in ---- */

void work_begin(struct work *w)
{
    struct sessions *s = w->s;

    if (s->phase == FENCED) {
        work_refuse(w, AIEX_E_CONFLICT,
                    "%s (this one had epoch %lld); ask again, the new owner answers", fenced_by(s),
                    (long long)s->epoch);
    } else if (s->phase == LOADING) {
        w->waits = 1;
        w->behind = NULL;
        *s->waiting_end = w;
        s->waiting_end = &w->behind;
    } else {
        w->verb->run(w);
    }
}

void ask_by(struct aiex_ask *a, aiex_write_fn write, const void *arg)
{
    const struct sessions *s = a->owner;

    a->host = s->host;
    a->service = s->config->store;
    a->wait_ms = (uint32_t)s->config->store_wait;
    aiex_ask_by(a, write, arg);
}

int work_take(struct sessions *s, const struct verb *verb, const struct aiex_message *m)
{
    struct aiex_error err = {""};
    struct work *w;

    if (s->draining)
        return aiex_refuse(s->host, m->id, AIEX_E_UNAVAILABLE, "the sessions service is closing");
    if (s->n_works >= MAX_WORKS || s->work_bytes + m->body.len > MAX_WORK_BYTES)
        return aiex_refuse(s->host, m->id, AIEX_E_BUSY, "%zu requests are under way already",
                           s->n_works);
    w = work_new(s, verb, m->body);
    if (!w)
        return aiex_refuse(s->host, m->id, AIEX_E_BUSY, "no memory for the request");
    w->id = m->id;
    w->trace = w->ask.trace = m->trace;
    if (request_read(w, &err) < 0)
        work_refuse(w, AIEX_E_INVALID, "%s", err.text);
    else
        work_begin(w);
    return 0;
}

void works_begin(struct sessions *s)
{
    struct work *w;

    while ((w = s->waiting) != NULL) {
        s->waiting = w->behind;
        if (!s->waiting)
            s->waiting_end = &s->waiting;
        w->waits = 0;
        w->behind = NULL;
        w->verb->run(w);
    }
}

void works_end(struct sessions *s, uint64_t before, const char *text)
{
    struct work *w, *next;

    for (w = s->waiting; w; w = next) {
        next = w->behind;
        if (w->begun < before)
            work_refuse(w, AIEX_E_UNAVAILABLE, "%s", text);
    }
}

void work_cancel(struct sessions *s, uint64_t id)
{
    struct work *w = s->works;

    while (w && w->id != id)
        w = w->next;
    if (!w)
        return;
    w->id = 0;
    if (w->waits || w->handed_on || !(w->verb->fields & F_WRITE))
        work_free(w);
}

/* Without answers and without what follows from an end: the instance is over. */
void works_drop(struct sessions *s)
{
    while (s->works) {
        struct work *w = s->works;
        struct lane *lane = w->lane;

        w->lane = NULL;
        if (lane && --lane->n == 0) {
            lane->e->lane = NULL;
            s->host->release(s->host, lane);
        }
        work_free(w);
    }
}

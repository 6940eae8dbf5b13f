/* work.c - a request from begin to end: copied, bounded, run when the service is ready, one writer
 * of an entry at a time. */
#include "context.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- Begin ---- */

static struct work *make(struct context *c, size_t state_bytes)
{
    struct work *w = calloc(1, sizeof(*w));
    void *state = state_bytes ? calloc(1, state_bytes) : NULL;

    if (!w || (state_bytes && !state)) {
        free(w);
        free(state);
        return NULL;
    }
    w->c = c;
    w->state = state;
    w->ask.owner = c;
    w->ask.arg = w;
    w->since = c->host->now_ms(c->host);
    w->next = c->first;
    if (w->next)
        w->next->prev = w;
    c->first = w;
    c->n_works++;
    return w;
}

struct work *work_inside(struct context *c, size_t state_bytes)
{
    struct work *w = make(c, state_bytes);

    if (w)
        w->internal = 1;
    return w;
}

struct work *work_new(struct context *c, const struct aiex_message *m, size_t state_bytes)
{
    uint8_t *copy;
    struct work *w;

    if (c->draining || c->phase == FENCED) {
        aiex_refuse(c->host, m->id, AIEX_E_UNAVAILABLE, "%s",
                    c->draining ? "the contexts are closing"
                                : "another instance keeps the contexts now");
        return NULL;
    }
    if (c->n_works >= MAX_WORKS || c->work_bytes + m->body.len > MAX_WORK_BYTES) {
        aiex_refuse(c->host, m->id, AIEX_E_BUSY, "%zu requests (%zu bytes) are under way",
                    c->n_works, c->work_bytes);
        return NULL;
    }
    copy = malloc(m->body.len + 1);
    w = copy ? make(c, state_bytes) : NULL;
    if (!w) {
        free(copy);
        aiex_refuse(c->host, m->id, AIEX_E_BUSY, "no memory for the request");
        return NULL;
    }
    if (m->body.len)
        memcpy(copy, m->body.data, m->body.len);
    w->body = (struct aiex_slice){copy, m->body.len};
    c->work_bytes += m->body.len;
    w->id = m->id;
    w->trace = w->ask.trace = m->trace;
    return w;
}

void work_go(struct work *w, work_fn run)
{
    w->run = run;
    if (w->c->phase == LOADING)
        return;
    w->started = 1;
    run(w);
}

static struct work *not_started(struct context *c)
{
    struct work *found = NULL;

    for (struct work *w = c->first; w; w = w->next) /* the oldest is last */
        if (!w->started)
            found = w;
    return found;
}

void works_begin(struct context *c)
{
    struct work *w;

    while ((w = not_started(c))) {
        w->started = 1;
        w->run(w);
    }
}

/* ---- Lanes ---- */

void work_enter(struct work *w, struct entry *e, work_fn run)
{
    w->entry = e;
    w->run = run;
    if (e->last)
        e->last->lane_next = w;
    else
        e->first = w;
    e->last = w;
    if (e->first == w)
        run(w);
}

static void leave(struct work *w)
{
    struct entry *e = w->entry;
    struct work **at = &e->first, *before = NULL;
    int was_first = e->first == w;

    while (*at != w) {
        before = *at;
        at = &(*at)->lane_next;
    }
    *at = w->lane_next;
    if (e->last == w)
        e->last = before;
    w->entry = NULL;
    if (e->first && was_first)
        e->first->run(e->first);
    else if (!e->first && !e->doc)
        index_drop(&w->c->index, e);
}

/* ---- End ---- */

void work_end(struct work *w)
{
    struct context *c = w->c;

    aiex_ask_stop(&w->ask);
    if (w->flight)
        fetch_leave(w);
    if (w->done)
        w->done(w);
    if (w->prev)
        w->prev->next = w->next;
    else
        c->first = w->next;
    if (w->next)
        w->next->prev = w->prev;
    c->n_works--;
    c->work_bytes -= w->body.len;
    free((void *)(uintptr_t)w->body.data);
    w->body = (struct aiex_slice){NULL, 0};
    if (w->entry)
        leave(w); /* the next one runs inside of this */
    free(w->state);
    free(w);
    if (c->draining && c->drained && !c->first) {
        void (*drained)(void *) = c->drained;

        c->drained = NULL;
        drained(c->drained_arg);
    }
}

void work_reply(struct work *w, aiex_write_fn write, const void *arg)
{
    aiex_reply_by(w->c->host, w->id, write, arg);
    w->id = 0;
    work_end(w);
}

void work_fail(struct work *w, const char *code, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    aiex_refuse(w->c->host, w->id, code, "%s", text);
    w->id = 0;
    work_end(w);
}

static void write_unknown(struct aiex_writer *w, const void *arg)
{
    (void)arg;
    aiex_w_map(w, 1);
    aiex_w_key_bool(w, "unknown", 1);
}

static void fail_unknown(struct work *w)
{
    uint8_t mem[16];
    struct aiex_writer body;

    aiex_writer_init(&body, mem, sizeof(mem));
    write_unknown(&body, NULL);
    if (w->id)
        w->c->host->fail(w->c->host, w->id, AIEX_E_TIMEOUT,
                         "the store has not said whether it was written; ask again, the same put "
                         "or delete does no harm",
                         0, aiex_written(&body));
    w->id = 0;
}

void work_store_failed(struct work *w, const struct aiex_answer *end, const char *doing)
{
    const struct context *c = w->c;
    int unknown = w->ask.unknown && w->ask.late;

    w->c->count.failed++;
    if (look_fenced(w->c, end) && !unknown)
        work_fail(w, AIEX_E_UNAVAILABLE, "another instance keeps the contexts now; ask again");
    else if (unknown && strcmp(end->code, AIEX_E_CONFLICT) != 0) {
        fail_unknown(w);
        work_end(w);
    } else if (strcmp(end->code, AIEX_E_INVALID) == 0)
        work_fail(w, AIEX_E_INTERNAL, "%s: the store refused it: %s", doing,
                  end->text ? end->text : "");
    else {
        if (w->id)
            c->host->fail(c->host, w->id, end->code, end->text ? end->text : "",
                          end->retry_after_ms, (struct aiex_slice){NULL, 0});
        w->id = 0;
        work_end(w);
    }
}

/* ---- Asking ---- */

void work_ask(struct work *w, const char *method, aiex_write_fn write, const void *arg,
              void (*end)(struct aiex_ask *a, const struct aiex_answer *end))
{
    w->ask.end = end;
    w->ask.part = NULL;
    w->ask.late = NULL;
    ask_by(&w->ask, method, write, arg);
}

static void on_late(struct aiex_ask *a)
{
    struct work *w = a->arg;

    fail_unknown(w);
    if (w->c->draining)
        work_end(w); /* the next life sees what became of it */
}

void work_write(struct work *w, aiex_write_fn write, const void *arg,
                void (*end)(struct aiex_ask *a, const struct aiex_answer *end))
{
    w->ask.end = end;
    w->ask.part = NULL;
    w->ask.late = on_late;
    ask_by(&w->ask, "store.transact", write, arg);
}

/* ---- From outside ---- */

void works_cancel(struct context *c, uint64_t id)
{
    for (struct work *w = c->first; w; w = w->next)
        if (w->id == id) {
            w->id = 0;
            if (!w->ask.active || !w->ask.late)
                if (!w->entry || w->entry->first != w)
                    work_end(w); /* nothing of it is in the store */
            return;
        }
}

void works_drain(struct context *c)
{
    struct work *w = c->first;

    works_refuse(c, "the contexts are closing");
    while (w && !w->ask.is_late)
        w = w->next;
    if (!w)
        return;
    work_end(w); /* its caller knows that it is not known */
    works_drain(c);
}

void works_refuse(struct context *c, const char *why)
{
    struct work *w;

    while ((w = not_started(c)))
        work_fail(w, AIEX_E_UNAVAILABLE, "%s", why);
}

static struct work *waits_too_long(struct context *c, uint64_t now)
{
    for (struct work *w = c->first; w; w = w->next)
        if (now - w->since >= (uint64_t)c->config->store_wait &&
            (!w->started || (w->entry && w->entry->first != w)))
            return w;
    return NULL;
}

void works_look(struct context *c)
{
    uint64_t now = c->host->now_ms(c->host);
    struct work *w;

    if (c->phase == FENCED)
        works_refuse(c, "another instance keeps the contexts now");
    while ((w = waits_too_long(c, now)))
        if (w->started)
            work_fail(w, AIEX_E_BUSY, "an earlier write of '%s' is not finished", w->entry->id);
        else
            work_fail(w, AIEX_E_UNAVAILABLE, "%s",
                      c->boot.trouble[0] ? c->boot.trouble : "the contexts are being loaded");
}

void works_stop(struct context *c)
{
    for (struct work *w = c->first; w; w = w->next)
        if (w->entry) {
            w->entry->first = w->entry->last = NULL; /* nobody runs any more */
            w->entry = NULL;
        }
    while (c->first)
        work_end(c->first);
}

/* ---- Fields ---- */

int field_text(struct aiex_slice body, const char *key, char *out, size_t size, int required,
               struct aiex_error *err)
{
    int r;

    out[0] = 0;
    r = aiex_get_text(body, key, out, size);
    if (r < 0 || (required && !out[0]))
        return aiex_failed(err, -EINVAL, "field '%s' must be text of %d to %zu bytes", key,
                           required != 0, size - 1);
    for (const char *p = out; *p; p++)
        if ((unsigned char)*p < 32)
            return aiex_failed(err, -EINVAL, "field '%s' has a control character", key);
    return 0;
}

int field_number(struct aiex_slice body, const char *key, int64_t min, int64_t max, int64_t *out,
                 struct aiex_error *err)
{
    if (aiex_get_int(body, key, out) < 0 || *out < min || *out > max)
        return aiex_failed(err, -EINVAL, "field '%s' must be a number from %lld to %lld", key,
                           (long long)min, (long long)max);
    return 0;
}

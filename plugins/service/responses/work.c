/* work.c - a request from its arrival to its answer: one step after the other. */
#include "responses.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct work *work_new(struct responses *r, const struct aiex_message *m,
                      void (*step)(struct work *w))
{
    struct work *w = r->n_works < MAX_WORKS ? calloc(1, sizeof(*w)) : NULL;

    if (!w) {
        aiex_refuse(r->host, m->id, AIEX_E_BUSY, "too many requests for responses are under way");
        return NULL;
    }
    w->r = r;
    w->id = m->id;
    w->trace = m->trace;
    w->step = step;
    w->at = r->last_work;
    *w->at = w;
    r->last_work = &w->next;
    r->n_works++;
    return w;
}

static void unlink_work(struct work *w)
{
    struct responses *r = w->r;

    *w->at = w->next;
    if (w->next)
        w->next->at = w->at;
    else
        r->last_work = w->at;
    r->n_works--;
    r->pending -= w->pending;
}

static void free_work(struct work *w)
{
    unlink_work(w);
    aiex_ask_stop(&w->ask);
    chain_free(w->chain);
    free(w->fresh);
    free(w->mem);
    free(w);
}

/* What waited for it goes on. */
static void wake(struct responses *r)
{
    struct work *w;

    do {
        for (w = r->works; w && !(w->waits && !work_is_written(w, w->wanted)); w = w->next)
            ;
        if (w) {
            w->waits = 0;
            work_run(w);
        }
    } while (w);
}

static void end(struct work *w)
{
    struct responses *r = w->r;
    int writes = w->writes;

    free_work(w);
    if (writes)
        wake(r);
    if (!r->works && r->drained) {
        void (*drained)(void *arg) = r->drained;

        r->drained = NULL;
        drained(r->drained_arg);
    }
}

void work_run(struct work *w)
{
    w->again = 1;
    if (w->running)
        return;
    w->running = 1;
    while (w->again && !w->over) {
        w->again = 0;
        w->step(w);
    }
    w->running = 0;
    if (w->over)
        end(w);
}

void work_next(struct work *w, void (*step)(struct work *w))
{
    w->step = step;
    work_run(w);
}

/* ---- Ends ---- */

void work_reply(struct work *w, aiex_write_fn write, const void *arg)
{
    const struct aiex_host *host = w->r->host;

    if (w->id && !write)
        aiex_reply_done(host, w->id);
    else if (w->id && aiex_reply_by(host, w->id, write, arg) == -ENOMEM)
        aiex_refuse(host, w->id, AIEX_E_INTERNAL, "no memory for the answer");
    w->over = 1;
}

void work_refuse(struct work *w, const char *code, const char *format, ...)
{
    char text[400];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    aiex_refuse(w->r->host, w->id, code, "%s", text);
    w->over = 1;
}

void work_fail(struct work *w)
{
    const char *code = w->error == -EINVAL || w->error == -EMSGSIZE || w->error == -ELOOP ||
                               w->error == -EFBIG
                           ? AIEX_E_INVALID
                       : w->error == -ENOENT                        ? AIEX_E_NOT_FOUND
                       : w->error == -ENOSPC || w->error == -EDQUOT ? AIEX_E_UNAVAILABLE
                                                                    : AIEX_E_INTERNAL;

    work_refuse(w, w->code[0] ? w->code : code, "%s", w->err.text);
}

/* ---- Others ---- */

int work_is_written(const struct work *w, const char *id)
{
    for (const struct work *o = w->r->works; o && o != w; o = o->next)
        if (o->writes && !o->over && strcmp(o->name, id) == 0)
            return 1;
    return 0;
}

/* A write goes on without anybody waiting. */
void work_cancel(struct responses *r, uint64_t id)
{
    struct work *w = r->works;

    while (w && w->id != id)
        w = w->next;
    if (!w)
        return;
    w->id = 0;
    w->over = !w->writes;
    if (w->over && !w->running)
        end(w);
}

void works_drop(struct responses *r)
{
    r->drained = NULL;
    while (r->works) {
        aiex_refuse(r->host, r->works->id, AIEX_E_UNAVAILABLE, "the responses service has ended");
        free_work(r->works);
    }
}

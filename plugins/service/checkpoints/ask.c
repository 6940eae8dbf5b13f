/* ask.c - questions of the worker to the store and others, asked again while that may help. */
#include "checkpoints.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_PAUSE_MS 50u
#define LONG_PAUSE_MS  1000u
#define READ_MS        600000u /* one answer of store.read */

int is_passing(const char *code)
{
    static const char *const passing[] = {AIEX_E_BUSY, AIEX_E_UNAVAILABLE, AIEX_E_TIMEOUT,
                                          AIEX_E_CRASHED, NULL};

    for (const char *const *p = passing; *p; p++)
        if (strcmp(code, *p) == 0)
            return 1;
    return 0;
}

int try_later(struct job *j, struct patience *p, uint32_t retry_ms)
{
    const struct aiex_host *host = j->s->host;
    uint64_t now = host->now_ms(host);
    uint32_t pause;

    if (!p->until) {
        p->until = now + (uint64_t)j->s->config->store_wait;
        p->pause = FIRST_PAUSE_MS;
    }
    pause = p->pause > retry_ms ? p->pause : retry_ms;
    if (now + pause >= p->until)
        return -ETIMEDOUT;
    p->pause = p->pause * 2 > LONG_PAUSE_MS ? LONG_PAUSE_MS : p->pause * 2;
    return job_pause(j, pause);
}

int job_refused_by(struct job *j, const struct call *c, const char *what)
{
    static const char *const codes[] = {AIEX_E_TIMEOUT,     AIEX_E_CRASHED,   AIEX_E_BUSY,
                                        AIEX_E_UNAVAILABLE, AIEX_E_INVALID,   AIEX_E_DENIED,
                                        AIEX_E_CONFLICT,    AIEX_E_READ_ONLY, NULL};
    const char *code = AIEX_E_INTERNAL;

    for (const char *const *p = codes; *p; p++)
        if (strcmp(c->code, *p) == 0)
            code = *p;
    return job_fail(j, code, "%s: %s (%s)", what, c->text, c->code);
}

int ask(struct job *j, struct call *c, const char *service, const char *method, aiex_write_fn write,
        const void *arg)
{
    struct patience p = {0};
    struct aiex_slice part;
    int r;

    for (;;) {
        r = call_begin(j, c, service, method, write, arg, (uint32_t)j->s->config->store_wait);
        while (r == 0 && (r = call_part(c, &part)) == 1)
            r = 0;
        if (r == -EREMOTEIO && !is_passing(c->code))
            return r;
        if (r != -EREMOTEIO && r != -EBUSY)
            return r;
        if (r == -EBUSY) {
            snprintf(c->code, sizeof(c->code), "%s", AIEX_E_BUSY);
            snprintf(c->text, sizeof(c->text), "too many calls are under way");
        }
        r = try_later(j, &p, c->retry_ms);
        if (r < 0)
            return r == -ETIMEDOUT ? -EREMOTEIO : r;
        call_done(c);
    }
}

/* ---- store.read ---- */

struct reading {
    struct job *job;
    const char *stream;
    int64_t from, to;
    see_event_fn see;
    void *arg;
    int64_t last; /* version or sequence of the last event that was seen; 0 = none */
};

static void write_read(struct aiex_writer *w, const void *arg)
{
    const struct reading *r = arg;

    aiex_w_map(w, r->stream ? 3 : 2);
    aiex_w_key_int(w, "from", r->from);
    aiex_w_key_int(w, "to", r->to);
    if (r->stream)
        aiex_w_key_str(w, "stream", r->stream);
}

static int see_part(struct reading *x, struct aiex_slice part)
{
    struct aiex_value v;
    int r = 0;

    if (aiex_r_value(&part, &v) != 0 || v.type != AIEX_T_ARRAY)
        return job_fail(x->job, AIEX_E_INTERNAL, "the store's answer is no array of events");
    for (uint32_t i = 0; i < v.count && r == 0; i++) {
        struct aiex_slice one = part;

        if (aiex_r_skip(&part) != 0 || (one.len -= part.len, 0) ||
            aiex_get_int(one, x->stream ? "version" : "sequence", &x->last) != 1)
            return job_fail(x->job, AIEX_E_INTERNAL, "the store's answer is no array of events");
        r = x->see(x->arg, one);
    }
    return r;
}

/* One answer. 0, -EREMOTEIO: c says why. */
static int read_once(struct reading *x, struct call *c)
{
    struct aiex_slice part;
    int r = call_begin(x->job, c, x->job->s->config->store, "store.read", write_read, x, READ_MS);

    while (r == 0) {
        r = call_part(c, &part);
        if (r != 1)
            return r;
        r = see_part(x, part);
        if (r < 0)
            c->ended = -1; /* not the store's fault */
    }
    return r;
}

int read_events(struct job *j, const char *stream, int64_t from, int64_t to, see_event_fn see,
                void *arg)
{
    struct reading x = {j, stream, from, to, see, arg, 0};
    struct patience p = {0};
    struct call c = {0};
    int r;

    if (to && from > to)
        return 0;
    for (;;) {
        r = read_once(&x, &c);
        if (r != -EREMOTEIO || c.ended < 0)
            break;
        if (is_passing(c.code))
            r = try_later(j, &p, c.retry_ms);
        if (r == -EREMOTEIO || r == -ETIMEDOUT)
            r = job_refused_by(j, &c, "events can not be read");
        if (r < 0)
            break;
        call_done(&c);
        if (x.last >= x.from) { /* it went on: patience begins anew */
            x.from = x.last + 1;
            p.until = 0;
        }
        if (to && x.from > to)
            return 0;
    }
    call_done(&c);
    return r;
}

static void write_one(struct aiex_writer *w, const void *arg)
{
    const struct reading *r = arg;

    aiex_w_map(w, r->stream ? 4 : 3);
    aiex_w_key_int(w, "from", r->from);
    aiex_w_key_int(w, "limit", 1);
    aiex_w_key_bool(w, "backwards", 1);
    if (r->stream)
        aiex_w_key_str(w, "stream", r->stream);
}

int read_one(struct job *j, const char *stream, int64_t at, struct call *c,
             struct aiex_slice *ret_event)
{
    const struct reading x = {j, stream, at, 0, NULL, NULL, 0};
    struct patience p = {0};
    struct aiex_slice part = {NULL, 0};
    struct aiex_value v;
    int r;

    for (;;) {
        r = call_begin(j, c, j->s->config->store, "store.read", write_one, &x,
                       (uint32_t)j->s->config->store_wait);
        while (r == 0 && (r = call_part(c, &part)) == 1) {
            if (aiex_r_value(&part, &v) != 0 || v.type != AIEX_T_ARRAY)
                return job_fail(j, AIEX_E_INTERNAL, "the store's answer is no array of events");
            if (v.count) {
                *ret_event = part;
                return 1;
            }
            r = 0;
        }
        if (r != -EREMOTEIO)
            return r;
        if (is_passing(c->code))
            r = try_later(j, &p, c->retry_ms);
        if (r == -EREMOTEIO || r == -ETIMEDOUT)
            return job_refused_by(j, c, "an event can not be read");
        if (r < 0)
            return r;
        call_done(c);
    }
}

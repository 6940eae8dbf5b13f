/* jobs.c - the table of asynchronous requests and what becomes of each; see jobs.h. */
#include "job_store.h"

#include <aiex_chat.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SWEEP_MS 1000u

const char *const job_states[] = {[JOB_QUEUED] = "queued",
                                  [JOB_RUNNING] = "running",
                                  [JOB_DONE] = "done",
                                  [JOB_FAILED] = "failed",
                                  [JOB_CANCELLED] = "cancelled"};

/* ---- Life ---- */

int jobs_init(struct gateway *g)
{
    struct jobs *all = g->host->alloc(g->host, sizeof(*all));

    if (!all)
        return -ENOMEM;
    g->jobs = all;
    all->gateway = g;
    if (map_init(&all->by_id, g->host, 64) < 0 || map_init(&all->waiters, g->host, 64) < 0)
        return -ENOMEM;
    return 0;
}

void jobs_done(struct gateway *g)
{
    struct jobs *all = g->jobs;

    if (!all)
        return;
    while (all->first) {
        all->first->flight = NULL; /* the flights go on their own */
        job_free(all->first);
    }
    map_done(&all->by_id);
    map_done(&all->waiters);
    if (all->timer)
        g->host->unwatch(g->host, all->timer);
    g->host->release(g->host, all);
    g->jobs = NULL;
}

static void drop_parts(struct job *job)
{
    while (job->first) {
        struct part *next = job->first->next;

        free(job->first);
        job->first = next;
    }
    job->gateway->jobs->bytes -= job->bytes;
    job->last = NULL;
    job->bytes = 0;
}

void job_free(struct job *job)
{
    struct jobs *all = job->gateway->jobs;

    if (job->flight)
        chat_abort(job->flight);
    feed_drop_all(job);
    drop_parts(job);
    free(job->end);
    map_remove(&all->by_id, &job->by_id);
    if (job->prev)
        job->prev->next = job->next;
    else
        all->first = job->next;
    if (job->next)
        job->next->prev = job->prev;
    else
        all->last = job->prev;
    all->n--;
    all->gateway->host->release(all->gateway->host, job);
}

int job_is_over(const struct job *job)
{
    return job->state >= JOB_DONE;
}

/* ---- Room ---- */

/* The oldest that is over and that nobody listens to; NULL = none. */
static struct job *oldest_over(const struct jobs *all)
{
    for (struct job *j = all->first; j; j = j->next)
        if (job_is_over(j) && !j->waiters && !j->pinned)
            return j;
    return NULL;
}

static int free_oldest(struct jobs *all)
{
    struct job *old = oldest_over(all);

    if (old)
        job_free(old);
    return old ? 0 : -ENOSPC;
}

static int room_for_job(struct jobs *all)
{
    while (all->n >= (size_t)all->gateway->config->results_max)
        if (free_oldest(all) < 0)
            return -ENOSPC;
    return 0;
}

static int room_for_bytes(struct jobs *all, size_t bytes)
{
    while (all->bytes + bytes > (size_t)all->gateway->config->results_bytes)
        if (free_oldest(all) < 0)
            return -ENOSPC;
    return 0;
}

static void sweep(void *arg)
{
    struct jobs *all = arg;
    const struct aiex_host *host = all->gateway->host;
    uint64_t now = host->now_ms(host), ttl = (uint64_t)all->gateway->config->result_ttl;
    struct job *next;

    for (struct job *j = all->first; j; j = next) {
        next = j->next;
        if (job_is_over(j) && !j->waiters && !j->pinned && now - j->ended_ms >= ttl)
            job_free(j);
    }
    if (all->n || !all->timer)
        return;
    host->unwatch(host, all->timer);
    all->timer = 0;
}

static struct job *find(const struct jobs *all, uint64_t id)
{
    struct map_node *n = map_first(&all->by_id, map_hash_number(id));

    for (; n; n = map_next(n))
        if (map_entry(n, struct job, by_id)->id == id)
            return map_entry(n, struct job, by_id);
    return NULL;
}

/* 0 = that is no id. */
static uint64_t id_of(struct aiex_slice hex)
{
    uint64_t id = 0;

    if (hex.len != 16)
        return 0;
    for (size_t i = 0; i < 16; i++) {
        uint8_t c = hex.data[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return 0;
        id = id << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return id;
}

struct job *job_by_text(struct gateway *g, struct aiex_slice hex)
{
    uint64_t id = id_of(hex);

    return id ? find(g->jobs, id) : NULL;
}

static void put_last(struct jobs *all, struct job *job)
{
    job->prev = all->last;
    if (all->last)
        all->last->next = job;
    else
        all->first = job;
    all->last = job;
    all->n++;
    map_put(&all->by_id, &job->by_id, map_hash_number(job->id));
}

static int keep_sweeping(struct jobs *all)
{
    const struct aiex_host *host = all->gateway->host;

    return all->timer ? 0 : host->timer(host, SWEEP_MS, SWEEP_MS, sweep, all, &all->timer);
}

struct job *job_new(struct gateway *g, struct key *key, uint64_t trace, struct aiex_slice model,
                    struct refusal *r)
{
    struct jobs *all = g->jobs;
    struct job *job = NULL;

    if (room_for_job(all) == 0)
        job = g->host->alloc(g->host, sizeof(*job));
    if (job && keep_sweeping(all) < 0) {
        g->host->release(g->host, job);
        job = NULL;
    }
    if (!job) {
        refuse(r, REFUSED_BUSY, AIEX_E_BUSY, 503, AIEX_REASON_OVERLOADED,
               "%zu asynchronous requests are kept and none can make room", all->n);
        r->retry_after_ms = SWEEP_MS;
        return NULL;
    }
    job->gateway = g;
    job->key = key;
    job->id = trace;
    while (job->id == 0 || find(all, job->id)) /* one request id may submit several times */
        secret_random(&job->id, sizeof(job->id));
    job->begun_ms = g->host->now_ms(g->host);
    memcpy(job->model, model.data, model.len);
    put_last(all, job);
    return job;
}

struct job *job_adopt(struct gateway *g, struct key *key, struct aiex_slice hex,
                      struct aiex_slice model, uint64_t age_ms)
{
    struct jobs *all = g->jobs;
    uint64_t id = id_of(hex), now = g->host->now_ms(g->host);
    struct job *job;

    if (!id || model.len > MAX_MODEL || room_for_job(all) < 0 || keep_sweeping(all) < 0)
        return NULL;
    job = g->host->alloc(g->host, sizeof(*job));
    if (!job)
        return NULL;
    job->gateway = g;
    job->key = key;
    job->id = id;
    job->state = JOB_RUNNING;
    job->is_foreign = job->recorded = 1;
    job->begun_ms = now > age_ms ? now - age_ms : 0;
    snprintf(job->model, sizeof(job->model), "%.*s", (int)model.len,
             model.len ? (const char *)model.data : "");
    put_last(all, job);
    return job;
}

/* ---- What becomes of it ---- */

void job_begun(struct job *job, struct flight *f)
{
    job->flight = f;
    job->state = JOB_RUNNING;
}

static void end(struct job *job, enum job_state state)
{
    job->flight = NULL;
    job->state = state;
    job->ended_ms = job->gateway->host->now_ms(job->gateway->host);
    job_store_end(job->gateway, job);
    if (state != JOB_CANCELLED)
        feed_all(job);
}

static void fail_own(struct job *job, const char *code, int http_status, const char *text)
{
    struct flight *f = job->flight;

    job->flight = NULL;
    if (f)
        chat_abort(f);
    job->code = code;
    job->http_status = http_status;
    snprintf(job->text, sizeof(job->text), "%s", text);
    end(job, JOB_FAILED);
}

int job_keep_part(struct gateway *g, struct job *job, struct aiex_slice bytes)
{
    struct part *p;

    if (room_for_bytes(g->jobs, bytes.len) < 0)
        return -ENOSPC;
    p = malloc(sizeof(*p) + bytes.len);
    if (!p)
        return -ENOMEM;
    p->next = NULL;
    p->len = bytes.len;
    if (bytes.len)
        memcpy(p->bytes, bytes.data, bytes.len);
    if (job->last)
        job->last->next = p;
    else
        job->first = p;
    job->last = p;
    job->bytes += bytes.len;
    g->jobs->bytes += bytes.len;
    return 0;
}

void job_part(struct gateway *g, struct job *job, struct aiex_slice bytes)
{
    int r;

    if (job->bytes + bytes.len > (size_t)g->config->result_bytes) {
        fail_own(job, AIEX_E_BUSY, 507, "the answer is larger than 'result_bytes' allows");
        return;
    }
    r = job_keep_part(g, job, bytes);
    if (r < 0)
        fail_own(job, AIEX_E_BUSY, 507,
                 r == -ENOSPC ? "the results of asynchronous requests fill 'results_bytes'"
                              : "no memory for the answer");
    else
        feed_all(job);
}

static void keep_end(struct job *job, const char *code, const char *text, uint32_t retry_after_ms,
                     struct aiex_slice body)
{
    job->code = code;
    job->retry_after_ms = retry_after_ms;
    snprintf(job->text, sizeof(job->text), "%s", text ? text : "");
    job->http_status = code ? 0 : 200;
    aiex_get_int(body, "http_status", &job->http_status);
    job->end = body.len ? malloc(body.len) : NULL;
    job->end_len = job->end ? body.len : 0;
    if (job->end)
        memcpy(job->end, body.data, body.len);
}

/* Codes are constants of the contract; those of an answer die with it. */
static const char *constant(const char *code)
{
    static const char *const codes[] = {AIEX_E_TIMEOUT,   AIEX_E_CRASHED,     AIEX_E_BUSY,
                                        AIEX_E_CANCELLED, AIEX_E_UNAVAILABLE, AIEX_E_INVALID,
                                        AIEX_E_DENIED,    AIEX_E_NOT_FOUND,   AIEX_E_CONFLICT,
                                        AIEX_E_READ_ONLY, AIEX_E_UPSTREAM,    AIEX_E_INTERNAL};

    for (size_t i = 0; code && i < sizeof(codes) / sizeof(codes[0]); i++)
        if (strcmp(codes[i], code) == 0)
            return codes[i];
    return code ? AIEX_E_INTERNAL : NULL;
}

void job_end(struct gateway *g, struct job *job, const struct aiex_answer *a)
{
    keep_end(job, constant(a->code), a->text, a->retry_after_ms, a->body);
    end(job, a->code ? JOB_FAILED : JOB_DONE);
}

void job_refused(struct gateway *g, struct job *job, const struct refusal *r,
                 struct aiex_slice dialect)
{
    uint8_t mem[REFUSAL_BODY];

    keep_end(job, r->code, r->text,
             (uint32_t)(r->retry_after_ms > UINT32_MAX ? UINT32_MAX : r->retry_after_ms),
             refusal_body(r, dialect, mem, sizeof(mem)));
    end(job, JOB_FAILED);
}

void job_cancel(struct job *job)
{
    struct flight *f = job->flight;

    if (job_is_over(job))
        return;
    job->flight = NULL;
    if (f)
        chat_abort(f);
    keep_end(job, AIEX_E_CANCELLED, "the request was cancelled", 0, NOTHING);
    job->http_status = 499;
    end(job, JOB_CANCELLED);
    feed_all(job);
}

int job_keep_end(struct job *job, struct aiex_slice end_body)
{
    free(job->end);
    job->end_len = 0;
    job->end = end_body.len ? malloc(end_body.len) : NULL;
    if (!job->end)
        return end_body.len ? -ENOMEM : 0;
    memcpy(job->end, end_body.data, end_body.len);
    job->end_len = end_body.len;
    return 0;
}

void job_end_foreign(struct job *job, struct aiex_slice state, struct aiex_slice code,
                     struct aiex_slice text, int64_t http_status, uint64_t age_ms)
{
    uint64_t now = job->gateway->host->now_ms(job->gateway->host);
    char name[32];

    snprintf(name, sizeof(name), "%.*s", (int)(code.len < 31 ? code.len : 31),
             (const char *)code.data);
    job->code = code.len ? constant(name) : NULL;
    snprintf(job->text, sizeof(job->text), "%.*s", (int)(text.len < 500 ? text.len : 500),
             text.len ? (const char *)text.data : "");
    if (job->code && !job->text[0])
        snprintf(job->text, sizeof(job->text),
                 "the gateway has ended since, and this answer was not kept");
    job->http_status = http_status;
    job->recorded = 0; /* that it has ended is known */
    job->pinned++;
    end(job, aiex_slice_is(state, job_states[JOB_DONE])        ? JOB_DONE
             : aiex_slice_is(state, job_states[JOB_CANCELLED]) ? JOB_CANCELLED
                                                               : JOB_FAILED);
    if (job->state == JOB_CANCELLED)
        feed_all(job);
    job->ended_ms = now > age_ms ? now - age_ms : 0;
    job->pinned--;
}

void jobs_cancel_request(struct gateway *g, uint64_t id)
{
    feed_cancel(g, id);
}

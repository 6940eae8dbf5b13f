/*
 * job_feed.c - those who wait for a job: polls, which want one answer when it is over or their
 * time is, and subscribers, which want every part from the first one on and the end.
 *
 * A consumer in this cell may pause, resume, cancel or ask again while a part is being handed to
 * it; `busy` and `gone` keep the waiter's memory until the call has come back.
 */
#include "jobs.h"

#include <aiex_chat.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- The list ---- */

static struct waiter *waiter_of(const struct jobs *all, uint64_t request)
{
    struct map_node *n = map_first(&all->waiters, map_hash_number(request));

    for (; n; n = map_next(n))
        if (map_entry(n, struct waiter, by_request)->id == request)
            return map_entry(n, struct waiter, by_request);
    return NULL;
}

static void unlink_waiter(struct waiter *w)
{
    struct waiter **at = &w->job->waiters;

    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
}

static void waiter_free(struct waiter *w)
{
    struct gateway *g = w->job->gateway;

    if (!w->gone) {
        w->gone = 1;
        unlink_waiter(w);
        map_remove(&g->jobs->waiters, &w->by_request);
        if (w->timer)
            g->host->unwatch(g->host, w->timer);
        w->timer = 0;
    }
    if (!w->busy)
        g->host->release(g->host, w);
}

static struct waiter *waiter_new(struct job *job, uint64_t request, struct refusal *r)
{
    struct gateway *g = job->gateway;
    struct waiter *w = NULL;

    if (g->jobs->waiters.n < MAX_WAITERS)
        w = g->host->alloc(g->host, sizeof(*w));
    if (!w) {
        refuse(r, REFUSED_BUSY, AIEX_E_BUSY, 503, AIEX_REASON_OVERLOADED,
               "too many wait for asynchronous requests");
        r->retry_after_ms = CONCURRENCY_RETRY_MS;
        return NULL;
    }
    w->job = job;
    w->id = request;
    w->next = job->waiters;
    job->waiters = w;
    map_put(&g->jobs->waiters, &w->by_request, map_hash_number(request));
    return w;
}

/* ---- Polls ---- */

static void write_whole(struct aiex_writer *w, const struct job *job)
{
    aiex_w_str(w, "body");
    aiex_w_bin_head(w, job->bytes);
    for (const struct part *p = job->first; p; p = p->next)
        aiex_w_raw(w, p->bytes, p->len);
}

/* Warnings of soft limits ride along here: an end that is spliced can not carry them. */
static void write_state(struct aiex_writer *w, const struct job *job)
{
    int done = job->state == JOB_DONE, failed = job->code != NULL;
    int warned = job_is_over(job) && warnings_write(NULL, job->key) > 0;

    aiex_w_map(w, 1u + (unsigned)done + (failed ? 3u : 0u) + (job->end_len ? 1u : 0u) +
                      (unsigned)warned);
    aiex_w_key_str(w, "state", job_states[job->state]);
    if (done)
        write_whole(w, job);
    if (failed) {
        aiex_w_key_str(w, "code", job->code);
        aiex_w_key_str(w, "text", job->text);
        aiex_w_key_int(w, "http_status", job->http_status);
    }
    if (job->end_len) {
        aiex_w_str(w, "end");
        aiex_w_raw(w, job->end, job->end_len);
    }
    if (warned)
        warnings_write(w, job->key);
}

void feed_reply_state(struct job *job, uint64_t request)
{
    const struct aiex_host *host = job->gateway->host;
    size_t size = job->bytes + job->end_len + sizeof(job->text) + WARNINGS_BYTES + 256;
    uint8_t *mem = malloc(size);
    struct aiex_writer w;

    if (!mem) {
        host->fail(host, request, AIEX_E_BUSY, "no memory for the answer", 0, NOTHING);
        return;
    }
    aiex_writer_init(&w, mem, size);
    write_state(&w, job);
    host->reply(host, request, aiex_written(&w));
    free(mem);
}

static void answer_poll(struct waiter *w)
{
    struct job *job = w->job;
    uint64_t request = w->id;

    waiter_free(w);
    feed_reply_state(job, request);
}

static void on_wait_over(void *arg)
{
    struct waiter *w = arg;

    w->timer = 0;
    answer_poll(w);
}

int feed_wait(struct job *job, uint64_t request, uint64_t wait_ms, struct refusal *r)
{
    const struct aiex_host *host = job->gateway->host;
    struct waiter *w = waiter_new(job, request, r);

    if (!w)
        return -1;
    if (host->timer(host, wait_ms, 0, on_wait_over, w, &w->timer) < 0)
        answer_poll(w); /* without a timer: now instead of later */
    return 0;
}

/* ---- Subscribers ---- */

static void end_feed(struct waiter *w)
{
    const struct aiex_host *host = w->job->gateway->host;
    const struct job *job = w->job;
    uint64_t request = w->id;
    struct aiex_slice body = {job->end, job->end_len};

    if (job->code)
        host->fail(host, request, job->code, job->text, job->retry_after_ms, body);
    else
        host->reply(host, request, body);
}

static int sent_all(const struct waiter *w)
{
    return w->at ? !w->at->next : !w->job->first;
}

/* Parts that were not sent, until the consumer's window is full. Negative: it is gone. */
static int feed_parts(struct waiter *w)
{
    const struct aiex_host *host = w->job->gateway->host;

    while (!w->gone && !w->paused && !sent_all(w)) {
        struct part *next = w->at ? w->at->next : w->job->first;
        int r;

        w->at = next;
        r = host->stream(host, w->id, (struct aiex_slice){next->bytes, next->len});
        if (r < 0)
            return r;
        w->paused = r == AIEX_PAUSE;
    }
    return w->gone ? -ENOENT : 0;
}

/* Hands on what is new, and the end. May free w. */
static void feed(struct waiter *w)
{
    struct job *job = w->job;
    int over;

    if (w->busy)
        return;
    job->pinned++;
    w->busy = 1;
    over = feed_parts(w) < 0;
    if (!over && job_is_over(job) && sent_all(w)) {
        over = 1;
        end_feed(w);
    }
    w->busy = 0;
    if (over)
        waiter_free(w);
    job->pinned--;
}

int feed_subscribe(struct job *job, uint64_t request, struct refusal *r)
{
    struct waiter *w = waiter_new(job, request, r);

    if (!w)
        return -1;
    w->feeding = 1;
    feed(w);
    return 0;
}

/* ---- Events ---- */

/* One that was not served in this round. Serving one may free another. */
static struct waiter *unserved(const struct job *job, unsigned round)
{
    struct waiter *w = job->waiters;

    while (w && w->round == round)
        w = w->next;
    return w;
}

void feed_all(struct job *job)
{
    unsigned round = ++job->round;
    struct waiter *w;

    job->pinned++;
    while ((w = unserved(job, round)) != NULL) {
        w->round = round;
        if (w->feeding)
            feed(w);
        else if (job_is_over(job))
            answer_poll(w);
    }
    job->pinned--;
}

void feed_resume(struct gateway *g, uint64_t request)
{
    struct waiter *w = waiter_of(g->jobs, request);

    if (!w)
        return;
    w->paused = 0;
    feed(w);
}

void feed_cancel(struct gateway *g, uint64_t request)
{
    struct waiter *w = waiter_of(g->jobs, request);

    if (w)
        waiter_free(w);
}

void feed_drop_all(struct job *job)
{
    const struct aiex_host *host = job->gateway->host;

    while (job->waiters) {
        uint64_t request = job->waiters->id;

        waiter_free(job->waiters);
        host->fail(host, request, AIEX_E_NOT_FOUND, "the result is no longer kept", 0, NOTHING);
    }
}

/* job_store.c - a submit is stored before it is answered, an end soon after. See job_store.h. */
#include "job_store.h"
#include "job_events.h"
#include "stored.h"

#include <aiex_ask.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STREAM        "gateway/requests"
#define COMPACT_AFTER 256u /* ends */
#define LOST_AT_ONCE  50u

/* A submit that is being stored. */
struct submission {
    struct submission *next;
    struct gateway *g;
    struct job *job;
    struct aiex_message m; /* the body is its own */
    char asker[AIEX_MAX_NAME + 1];
    int gone;
    size_t len;
    uint8_t body[]; /* may have a credential: wiped */
};

struct job_store {
    struct gateway *gateway;
    struct aiex_fold *fold;
    char run[17];
    uint64_t started_ms;
    int is_looked; /* for what a predecessor left behind */
    int is_looking;
    struct submission *submissions;
    size_t n_submissions, n_telling;
    unsigned ends; /* told since the stream was compacted */
    struct aiex_ask compact;
};

/* ---- Reading ---- */

static int apply(void *arg, const struct aiex_stored_event *e)
{
    struct gateway *g = arg;

    if (aiex_slice_is(e->type, "request.submitted"))
        return job_events_submitted(g, g->job_store->run, e);
    if (aiex_slice_is(e->type, "request.ended"))
        return job_events_ended(g, e);
    return 0; /* of a later version */
}

/* ---- Submits ---- */

static void forget(struct submission *s)
{
    struct submission **at = &s->g->job_store->submissions;

    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    s->g->job_store->n_submissions--;
    secret_wipe(s, sizeof(*s) + s->len);
    free(s);
}

static int decide_submitted(void *arg, struct aiex_decision *d, struct aiex_error *err)
{
    const struct submission *s = arg;

    return job_events_decide_submitted(d, s->job, s->g->job_store->run, s->asker);
}

static void on_submitted(void *arg, const struct aiex_fold_end *end)
{
    struct submission *s = arg;
    struct gateway *g = s->g;
    struct job *job = s->job;

    job->recorded = !end->code || end->unknown;
    if (job_is_over(job)) /* somebody else has cancelled it meanwhile */
        job_store_end(g, job);
    if (s->gone)
        job_cancel(job);
    else
        async_launch(g, &s->m, job);
    job->pinned--;
    forget(s);
    gateway_maybe_drained(g);
}

static int is_there(const struct job_store *st)
{
    struct aiex_fold_state state;

    if (!st->fold)
        return 0;
    aiex_fold_state(st->fold, &state);
    return state.live && !state.trouble[0];
}

static struct submission *make(struct gateway *g, const struct aiex_message *m, struct job *job)
{
    struct submission *s = g->job_store->n_submissions < MAX_SUBMISSIONS
                               ? calloc(1, sizeof(*s) + m->body.len)
                               : NULL;

    if (!s)
        return NULL;
    s->g = g;
    s->job = job;
    s->m = *m;
    s->m.service = "gateway"; /* the host's names die with this call */
    s->m.method = "gateway.submit";
    s->len = m->body.len;
    if (s->len)
        memcpy(s->body, m->body.data, s->len);
    s->m.body = (struct aiex_slice){s->body, s->len};
    snprintf(s->asker, sizeof(s->asker), "%s", g->asker);
    s->next = g->job_store->submissions;
    g->job_store->submissions = s;
    g->job_store->n_submissions++;
    return s;
}

int job_store_submit(struct gateway *g, const struct aiex_message *m, struct job *job)
{
    struct submission *s = is_there(g->job_store) ? make(g, m, job) : NULL;

    if (!s)
        return 0;
    job->pinned++;
    if (aiex_fold_change(g->job_store->fold, decide_submitted, on_submitted, s, job->id, NULL) == 0)
        return 1;
    job->pinned--;
    forget(s);
    return 0;
}

/* The event may be stored already: the job ends as cancelled then, which is another one. */
void job_store_cancel(struct gateway *g, uint64_t request)
{
    for (struct submission *s = g->job_store->submissions; s; s = s->next)
        if (s->m.id == request)
            s->gone = 1;
}

/* ---- Ends ---- */

static void compact_if_due(struct gateway *g);

static int decide_ended(void *arg, struct aiex_decision *d, struct aiex_error *err)
{
    const struct job *job = arg;

    return job_events_decide_ended(d, job);
}

static void on_ended(void *arg, const struct aiex_fold_end *end)
{
    struct job *job = arg;
    struct gateway *g = job->gateway;

    job->pinned--;
    job->is_telling = 0;
    job->to_tell = end->code && !end->unknown;
    g->job_store->n_telling--;
    if (!job->to_tell) {
        g->job_store->ends++;
        compact_if_due(g);
    }
    gateway_maybe_drained(g);
}

static void tell(struct gateway *g, struct job *job)
{
    struct job_store *st = g->job_store;

    if (!is_there(st) || job->is_telling)
        return;
    job->is_telling = 1;
    job->pinned++;
    st->n_telling++;
    if (aiex_fold_change(st->fold, decide_ended, on_ended, job, job->id, NULL) == 0)
        return;
    job->is_telling = 0;
    job->pinned--;
    st->n_telling--;
}

void job_store_end(struct gateway *g, struct job *job)
{
    if (!job->recorded)
        return;
    job->to_tell = 1;
    tell(g, job);
}

/* ---- What nobody will end any more ---- */

static int decide_lost(void *arg, struct aiex_decision *d, struct aiex_error *err)
{
    struct gateway *g = arg;
    unsigned n = 0;
    int r = 0;

    for (struct job *j = g->jobs->first; j && r == 0 && n < LOST_AT_ONCE; j = j->next)
        if (j->is_foreign && !job_is_over(j)) {
            r = job_events_decide_lost(d, j);
            n++;
        }
    return r;
}

static void on_lost(void *arg, const struct aiex_fold_end *end)
{
    struct gateway *g = arg;

    g->job_store->is_looking = 0;
    g->job_store->is_looked = !end->code && !end->n_events;
    if (g->job_store->is_looked)
        compact_if_due(g);
}

static void look_for_lost(struct gateway *g)
{
    struct job_store *st = g->job_store;

    if (st->is_looked || st->is_looking || g->host->now_ms(g->host) - st->started_ms < FOREIGN_MS)
        return;
    st->is_looking = 1;
    if (aiex_fold_change(st->fold, decide_lost, on_lost, g, 0, NULL) < 0)
        st->is_looking = 0;
}

/* ---- Compaction ---- */

static void write_compact(struct aiex_writer *w, const void *arg)
{
    aiex_w_map(w, 2);
    aiex_w_key_str(w, "stream", STREAM);
    aiex_w_key_int(w, "keep_from", *(const int64_t *)arg);
}

/* It is done with the next one then. */
static void on_compacted(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct gateway *g = a->owner;

    if (end->code)
        g->host->log(g->host, AIEX_LOG_INFO, 0,
                     "the stream '" STREAM "' could not be compacted; tried again later");
}

static void compact_if_due(struct gateway *g)
{
    struct job_store *st = g->job_store;
    struct aiex_fold_state state;
    int64_t from;

    if (st->compact.active || (st->ends < COMPACT_AFTER && !(st->is_looked && !st->compact.host)))
        return;
    aiex_fold_state(st->fold, &state);
    from = state.version;
    for (const struct job *j = g->jobs->first; j; j = j->next)
        if (j->version && j->version < from)
            from = j->version;
    st->ends = 0;
    st->compact = (struct aiex_ask){.host = g->host,
                                    .service = g->config->store,
                                    .method = "store.compact",
                                    .wait_ms = RECORD_MS,
                                    .end = on_compacted,
                                    .owner = g};
    if (from > 1)
        aiex_ask_by(&st->compact, write_compact, &from);
}

/* ---- Life ---- */

int job_store_init(struct gateway *g)
{
    uint64_t run;

    g->job_store = g->host->alloc(g->host, sizeof(*g->job_store));
    if (!g->job_store)
        return -ENOMEM;
    g->job_store->gateway = g;
    secret_random(&run, sizeof(run));
    snprintf(g->job_store->run, sizeof(g->job_store->run), "%016llx", (unsigned long long)run);
    return 0;
}

void job_store_start(struct gateway *g)
{
    const struct aiex_fold_setting setting = {.host = g->host,
                                              .store = g->config->store,
                                              .stream = STREAM,
                                              .level = "written",
                                              .wait_ms = RECORD_MS,
                                              .max_changes = 2 * MAX_SUBMISSIONS,
                                              .apply = apply,
                                              .arg = g};

    if (!stored_is_on(g) || g->job_store->fold)
        return;
    g->job_store->started_ms = g->host->now_ms(g->host);
    if (aiex_fold_new(&setting, &g->job_store->fold) < 0)
        g->host->log(g->host, AIEX_LOG_WARN, 0,
                     "no memory to record asynchronous requests; tried again");
}

void job_store_tick(struct gateway *g)
{
    if (stored_knows(g))
        job_store_start(g);
    if (!g->job_store->fold)
        return;
    look_for_lost(g);
    for (struct job *j = g->jobs->first; j; j = j->next)
        if (j->to_tell)
            tell(g, j);
}

int job_store_is_quiet(const struct gateway *g)
{
    const struct job_store *st = g->job_store;

    return !st->n_submissions && (!st->n_telling || !is_there(st));
}

void job_store_done(struct gateway *g)
{
    struct job_store *st = g->job_store;

    if (!st)
        return;
    aiex_fold_free(st->fold);
    if (st->compact.host)
        aiex_ask_stop(&st->compact);
    while (st->submissions)
        forget(st->submissions);
    g->host->release(g->host, st);
    g->job_store = NULL;
}

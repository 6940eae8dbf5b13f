/* async.c - the methods of asynchronous requests; jobs.h keeps them. */
#include "job_store.h"

#include <aiex_chat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Submit ---- */

static void reply_id(struct gateway *g, uint64_t request, uint64_t id)
{
    char hex[17];
    struct aiex_writer w;
    uint8_t mem[64];

    snprintf(hex, sizeof(hex), "%016llx", (unsigned long long)id);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_key_str(&w, "id", hex);
    g->host->reply(g->host, request, aiex_written(&w));
}

static const char *wrong_submit(const struct ask *a)
{
    const char *wrong = ask_chat(a);

    if (!wrong && !chat_method_known(a->method))
        wrong = "field 'method' is not chat, complete or embed";
    return wrong;
}

/* The id is told before the call is made: a poll must not be needed to learn of a refusal, and the
 * coordinator may answer at once. */
int async_launch(struct gateway *g, const struct aiex_message *m, struct job *job)
{
    struct aiex_message own = *m;
    struct refusal r;
    struct ask a;

    ask_read(m, &a);
    own.id = 0;
    own.trace = job->id;
    own.timeout_ms = (uint32_t)g->config->job_timeout;
    job->pinned++;
    reply_id(g, m->id, job->id);
    if (!job_is_over(job) && chat_submit(g, &own, &a, job->key, job, &r) < 0)
        job_refused(g, job, &r, a.dialect);
    job->pinned--;
    return 0;
}

static int launch(struct gateway *g, const struct aiex_message *m, const struct ask *a,
                  struct key *key)
{
    struct refusal r;
    struct job *job = job_new(g, key, m->trace, a->model, &r);

    if (!job)
        return refusal_send(g, m->id, &r, a->dialect);
    return job_store_submit(g, m, job) ? 0 : async_launch(g, m, job);
}

int async_submit(struct gateway *g, const struct aiex_message *m)
{
    struct refusal r;
    const char *wrong;
    struct key *key;
    struct ask a;

    wrong = ask_read(m, &a);
    if (!wrong)
        wrong = wrong_submit(&a);
    if (wrong)
        return refuse_form(g, m->id, a.dialect, wrong);
    key = who(g, &a, MAY_CHAT, &r);
    if (!key || who_model(key, a.model, &r) < 0)
        return refusal_send(g, m->id, &r, a.dialect);
    if (!g->ledger_ready && admit_needs_price(key))
        return spent_park(g, m, &r) < 0 ? refusal_send(g, m->id, &r, a.dialect) : 0;
    return chat_templated(g, m, &a, key) ? 0 : launch(g, m, &a, key);
}

/* ---- Questions about one ---- */

/* The job that this message is about, if the caller may ask; else the request is answered. What is
 * not his is not_found, as what never was. */
static struct job *job_of(struct gateway *g, const struct aiex_message *m)
{
    struct aiex_slice id = NOTHING;
    struct refusal r;
    struct key *key;
    struct job *job;
    struct ask a;
    const char *wrong = ask_read(m, &a);

    if (wrong || aiex_get_str(m->body, "id", &id) != 1) {
        refuse_form(g, m->id, NOTHING, wrong ? wrong : "field 'id' (str) is missing");
        return NULL;
    }
    key = who(g, &a, MAY_CHAT, &r);
    if (!key) {
        refusal_send(g, m->id, &r, NOTHING);
        return NULL;
    }
    job = job_by_text(g, id);
    if (job && (job->key == key || key->role == ROLE_ADMIN))
        return job;
    refuse(&r, REFUSED_INVALID, AIEX_E_NOT_FOUND, 404, AIEX_REASON_REQUEST,
           "no asynchronous request has this id; results are kept for a time only and not over a "
           "restart");
    refusal_send(g, m->id, &r, NOTHING);
    return NULL;
}

int async_poll(struct gateway *g, const struct aiex_message *m)
{
    struct job *job = job_of(g, m);
    int64_t wait_ms = 0;
    struct refusal r;

    if (!job)
        return 0;
    if (aiex_get_int(m->body, "wait_ms", &wait_ms) < 0 || wait_ms < 0)
        return refuse_form(g, m->id, NOTHING, "field 'wait_ms' is not a number of milliseconds");
    if (wait_ms > MAX_WAIT_MS)
        wait_ms = MAX_WAIT_MS;
    if (wait_ms + 100 > (int64_t)m->timeout_ms) /* an answer that is too late is none */
        wait_ms = m->timeout_ms > 200 ? (int64_t)m->timeout_ms - 100 : 0;
    if (wait_ms == 0 || job_is_over(job))
        feed_reply_state(job, m->id);
    else if (feed_wait(job, m->id, (uint64_t)wait_ms, &r) < 0)
        return refusal_send(g, m->id, &r, NOTHING);
    return 0;
}

int async_subscribe(struct gateway *g, const struct aiex_message *m)
{
    struct job *job = job_of(g, m);
    struct refusal r;

    if (job && feed_subscribe(job, m->id, &r) < 0)
        return refusal_send(g, m->id, &r, NOTHING);
    return 0;
}

int async_cancel(struct gateway *g, const struct aiex_message *m)
{
    struct job *job = job_of(g, m);

    if (!job)
        return 0;
    job->pinned++;
    job_cancel(job);
    feed_reply_state(job, m->id);
    job->pinned--;
    return 0;
}

/* ---- The list ---- */

static void write_job(struct aiex_writer *w, const struct job *job, uint64_t now)
{
    char hex[17];

    snprintf(hex, sizeof(hex), "%016llx", (unsigned long long)job->id);
    aiex_w_map(w, 5);
    aiex_w_key_str(w, "id", hex);
    aiex_w_key_str(w, "state", job_states[job->state]);
    aiex_w_key_str(w, "model", job->model);
    aiex_w_key_str(w, "key", job->key->account.name);
    aiex_w_key_uint(w, "age_ms", now - job->begun_ms);
}

static void write_jobs(struct aiex_writer *w, const struct gateway *g, const struct key *key)
{
    uint64_t now = g->host->now_ms(g->host);
    uint32_t n = 0;

    for (const struct job *j = g->jobs->first; j; j = j->next)
        n += j->key == key || key->role == ROLE_ADMIN;
    aiex_w_map(w, 1);
    aiex_w_str(w, "requests");
    aiex_w_array(w, n);
    for (const struct job *j = g->jobs->first; j; j = j->next)
        if (j->key == key || key->role == ROLE_ADMIN)
            write_job(w, j, now);
}

int async_requests(struct gateway *g, const struct aiex_message *m)
{
    struct aiex_writer w;
    struct refusal r;
    struct key *key;
    struct ask a;
    const char *wrong = ask_read(m, &a);
    uint8_t *mem;

    if (wrong)
        return refuse_form(g, m->id, NOTHING, wrong);
    key = who(g, &a, MAY_CHAT, &r);
    if (!key)
        return refusal_send(g, m->id, &r, NOTHING);
    aiex_writer_init(&w, NULL, 0);
    write_jobs(&w, g, key);
    mem = malloc(w.len);
    if (!mem)
        return -1;
    aiex_writer_init(&w, mem, w.len);
    write_jobs(&w, g, key);
    g->host->reply(g->host, m->id, aiex_written(&w));
    free(mem);
    return 0;
}

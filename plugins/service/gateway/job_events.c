/* job_events.c - see job_events.h. */
#include "job_events.h"
#include "job_store.h"

#include <aiex_chat.h>
#include <aiex_service.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Writing ---- */

struct ended {
    const struct job *job;
    const char *state, *code, *text;
    int64_t http_status;
    int kept;
};

static void id_text(const struct job *job, char hex[17])
{
    snprintf(hex, 17, "%016llx", (unsigned long long)job->id);
}

static void write_whose(struct aiex_writer *w, const struct job *job)
{
    char hex[17];

    id_text(job, hex);
    aiex_w_key_str(w, "id", hex);
    aiex_w_key_str(w, "key", job->key->account.name);
    aiex_w_key_str(w, "model", job->model);
}

static void write_answer(struct aiex_writer *w, const struct job *job)
{
    uint32_t n = 0;

    aiex_w_str(w, "end");
    if (job->end_len)
        aiex_w_raw(w, job->end, job->end_len);
    else
        aiex_w_map(w, 0);
    for (const struct part *p = job->first; p; p = p->next)
        n++;
    aiex_w_str(w, "parts");
    aiex_w_array(w, n);
    for (const struct part *p = job->first; p; p = p->next)
        aiex_w_bin(w, p->bytes, p->len);
}

static void write_ended(struct aiex_writer *w, const void *arg)
{
    const struct ended *e = arg;

    aiex_w_map(w, e->kept ? 10 : 8);
    write_whose(w, e->job);
    aiex_w_key_str(w, "state", e->state);
    aiex_w_key_str(w, "code", e->code ? e->code : "");
    aiex_w_key_str(w, "text", e->text);
    aiex_w_key_int(w, "http_status", e->http_status);
    aiex_w_key_bool(w, "kept", e->kept);
    if (e->kept)
        write_answer(w, e->job);
}

static int decide_ended(struct aiex_decision *d, const struct ended *e)
{
    struct aiex_slice data = NOTHING;
    int r = aiex_write_alloc(write_ended, e, &data);

    if (r == 0)
        r = aiex_decide(d, "request.ended", data);
    free((void *)(uintptr_t)data.data);
    return r;
}

int job_events_decide_ended(struct aiex_decision *d, const struct job *job)
{
    const struct ended e = {.job = job,
                            .state = job_states[job->state],
                            .code = job->code,
                            .text = job->text,
                            .http_status = job->http_status,
                            .kept = job->bytes + job->end_len <= MAX_STORED_BYTES};

    return decide_ended(d, &e);
}

int job_events_decide_lost(struct aiex_decision *d, const struct job *job)
{
    const struct ended e = {.job = job,
                            .state = job_states[JOB_FAILED],
                            .code = AIEX_E_CRASHED,
                            .text = "the gateway ended while this request ran",
                            .http_status = 502};

    return decide_ended(d, &e);
}

int job_events_decide_submitted(struct aiex_decision *d, const struct job *job, const char *run,
                                const char *caller)
{
    uint8_t mem[MAX_MODEL + 512];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 5);
    write_whose(&w, job);
    aiex_w_key_str(&w, "run", run);
    aiex_w_key_str(&w, "caller", caller);
    return aiex_decide(d, "request.submitted", aiex_written(&w));
}

/* ---- Reading ---- */

/* Wall time of the event, as an age; 0 for what was just decided here. */
static uint64_t age_of(struct gateway *g, const struct aiex_stored_event *e)
{
    calendar_look(&g->calendar);
    return e->time && e->time < g->calendar.now_ms ? (uint64_t)(g->calendar.now_ms - e->time) : 0;
}

/* Whose it is; of a key that is not known any more only operators may ask. */
static struct key *key_of(struct gateway *g, struct aiex_slice data)
{
    struct aiex_slice id = NOTHING;
    struct key *key = NULL;

    aiex_get_str(data, "key", &id);
    if (aiex_slice_is(id, g->keys.open->account.name))
        key = g->keys.open;
    else if (!aiex_slice_is(id, g->keys.local->account.name))
        key = keys_by_id(&g->keys, id);
    return key ? key : g->keys.local;
}

static struct job *known(struct gateway *g, struct aiex_slice data, struct aiex_slice *ret_id)
{
    *ret_id = NOTHING;
    aiex_get_str(data, "id", ret_id);
    return job_by_text(g, *ret_id);
}

int job_events_submitted(struct gateway *g, const char *run, const struct aiex_stored_event *e)
{
    struct aiex_slice id, whose = NOTHING, model = NOTHING;
    struct job *job = known(g, e->data, &id);
    uint64_t age = age_of(g, e);

    aiex_get_str(e->data, "run", &whose);
    aiex_get_str(e->data, "model", &model);
    if (!job && !aiex_slice_is(whose, run) &&
        age < (uint64_t)(g->config->job_timeout + g->config->result_ttl))
        job = job_adopt(g, key_of(g, e->data), id, model, age);
    if (job)
        job->version = e->version;
    return 0;
}

static int take_answer(struct gateway *g, struct job *job, struct aiex_slice data)
{
    struct aiex_slice end = NOTHING, part;
    struct aiex_value v = {0};
    int r = 0;

    if (aiex_get_whole(data, "end", &end) == 1 && aiex_is_map(end))
        r = job_keep_end(job, end);
    if (aiex_get(data, "parts", &v) != 1 || v.type != AIEX_T_ARRAY)
        return r;
    for (uint32_t i = 0; i < v.count && r == 0; i++) {
        struct aiex_value p = {0};

        if (aiex_r_value(&v.bytes, &p) != 0)
            return 0;
        part = p.bytes;
        if (p.type == AIEX_T_BIN || p.type == AIEX_T_STR)
            r = job_keep_part(g, job, part);
    }
    return r;
}

int job_events_ended(struct gateway *g, const struct aiex_stored_event *e)
{
    struct aiex_slice id, state = NOTHING, code = NOTHING, text = NOTHING;
    struct job *job = known(g, e->data, &id);
    int64_t http_status = 0;
    int kept = 0;

    if (!job || !job->is_foreign || job_is_over(job))
        return 0;
    aiex_get_str(e->data, "state", &state);
    aiex_get_str(e->data, "code", &code);
    aiex_get_str(e->data, "text", &text);
    aiex_get_int(e->data, "http_status", &http_status);
    aiex_get_bool(e->data, "kept", &kept);
    if (kept)
        kept = take_answer(g, job, e->data) == 0;
    if (!kept && aiex_slice_is(state, job_states[JOB_DONE])) {
        state = (struct aiex_slice){(const uint8_t *)"failed", 6};
        code = (struct aiex_slice){(const uint8_t *)AIEX_E_CRASHED, strlen(AIEX_E_CRASHED)};
        text = (struct aiex_slice){(const uint8_t *)"", 0};
        http_status = 502;
    }
    job_end_foreign(job, state, code, text, http_status, age_of(g, e));
    return 0;
}

/*
 * tail.c - ledger.tail.
 *
 * A tail is a position in the ring of recent records: it looks back until it has seen `limit`
 * that pass its filters, then goes forward, reading each record from its segment, and waits at the
 * end when it follows. So a slow reader costs nothing; when it is more than the ring behind, the
 * next record says in `missed` how many it did not get.
 */
#include "ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LIMIT 10000

struct tail {
    struct job job;
    struct {
        enum column column;
        char text[MAX_COLUMN + 1];
    } filters[4];
    unsigned n_filters;
    int failed, follow, back, paused;
    int64_t limit;
    uint64_t at;     /* back: looks at the one before; forward: the next */
    uint64_t missed; /* not yet told */
    uint64_t last;   /* without follow: stops here */
};

static int passes(const struct tail *t, struct aiex_slice record)
{
    struct facts f;

    if (facts_read(record, &f) != 0 || (t->failed && !f.failed))
        return 0;
    for (unsigned i = 0; i < t->n_filters; i++)
        if (!aiex_slice_is(f.columns[t->filters[i].column], t->filters[i].text))
            return 0;
    return 1;
}

/* 1 and the record when the one with this number passes, 0 when not (or it can not be read). */
static int look(struct tail *t, uint64_t number, uint8_t **ret_mem, struct aiex_slice *ret_record)
{
    struct ledger *l = t->job.l;

    if (days_get(l, &l->recent.ring[number % RECENT], ret_mem, ret_record) != 0)
        return 0;
    if (passes(t, *ret_record))
        return 1;
    free(*ret_mem);
    return 0;
}

static int step_back(struct tail *t)
{
    uint64_t first = recent_first(&t->job.l->recent);
    struct aiex_slice record;
    uint8_t *mem;

    for (unsigned i = 0; i < SLICE_ITEMS && t->limit > 0 && t->at > first; i++) {
        t->at--;
        if (look(t, t->at, &mem, &record)) {
            t->limit--;
            free(mem);
        }
    }
    t->back = t->limit > 0 && t->at > first;
    return JOB_AGAIN;
}

/* The record with one key more. */
static int send_marked(struct tail *t, struct aiex_slice record)
{
    struct aiex_slice at = record;
    struct aiex_value map;
    struct aiex_writer w;
    uint8_t *mem = malloc(record.len + 32);
    int r;

    if (!mem || aiex_r_value(&at, &map) != 0) {
        free(mem);
        return -ENOMEM;
    }
    aiex_writer_init(&w, mem, record.len + 32);
    aiex_w_map(&w, map.count + 1);
    aiex_w_raw(&w, at.data, at.len);
    aiex_w_key_uint(&w, "missed", t->missed);
    r = t->job.l->host->stream(t->job.l->host, t->job.id, aiex_written(&w));
    free(mem);
    if (r >= 0)
        t->missed = 0;
    return r;
}

static int send_record(struct tail *t, struct aiex_slice record)
{
    const struct aiex_host *host = t->job.l->host;

    return t->missed ? send_marked(t, record) : host->stream(host, t->job.id, record);
}

static int step_forward(struct tail *t)
{
    struct ledger *l = t->job.l;
    uint64_t first = recent_first(&l->recent), end = t->follow ? l->recent.next : t->last;
    struct aiex_slice record;
    uint8_t *mem;

    if (t->at < first) {
        t->missed += first - t->at;
        t->at = first;
    }
    for (unsigned i = 0; i < SLICE_ITEMS && t->at < end; i++) {
        int r = 0;

        if (look(t, t->at, &mem, &record)) {
            r = send_record(t, record);
            free(mem);
        }
        if (r < 0 && r != -ENOENT)
            aiex_refuse(l->host, t->job.id, AIEX_E_INTERNAL, "a record can not be sent: %s",
                        strerror(-r));
        if (r < 0)
            return JOB_DONE;
        t->at++;
        t->paused = r == AIEX_PAUSE;
        if (t->paused)
            return JOB_WAIT;
    }
    if (t->at < end)
        return JOB_AGAIN;
    if (t->follow)
        return JOB_WAIT;
    aiex_reply_done(l->host, t->job.id);
    return JOB_DONE;
}

static int tail_step(struct job *job)
{
    struct tail *t = (struct tail *)job;

    if (t->paused) /* woken for new records, but the reader has no room: only RESUME goes on */
        return JOB_WAIT;
    return t->back ? step_back(t) : step_forward(t);
}

static void tail_free(struct job *job)
{
    struct tail *t = (struct tail *)job;

    job->l->followers -= t->follow;
    free(t);
}

static int read_filters(struct tail *t, struct aiex_slice body)
{
    static const enum column columns[] = {COL_KEY, COL_USER, COL_MODEL, COL_PROVIDER};

    for (unsigned i = 0; i < 4; i++) {
        char *text = t->filters[t->n_filters].text;
        int r = aiex_get_text(body, column_names[columns[i]], text, sizeof(t->filters[0].text));

        if (r < 0)
            return -EINVAL;
        t->filters[t->n_filters].column = columns[i];
        t->n_filters += r == 1 && text[0];
    }
    return 0;
}

int tail_take(void *self, const struct aiex_message *m)
{
    struct ledger *l = self;
    struct tail *t = calloc(1, sizeof(*t));

    if (!t)
        return -ENOMEM;
    t->job = (struct job){.l = l, .id = m->id, .step = tail_step, .free = tail_free};
    t->limit = 20;
    t->back = 1;
    t->at = t->last = l->recent.next;
    if (!m->id || aiex_get_int(m->body, "limit", &t->limit) < 0 || t->limit < 0 ||
        t->limit > MAX_LIMIT || aiex_get_bool(m->body, "follow", &t->follow) < 0 ||
        aiex_get_bool(m->body, "failed", &t->failed) < 0 || read_filters(t, m->body) != 0) {
        free(t);
        return aiex_refuse(l->host, m->id, AIEX_E_INVALID,
                           "ledger.tail takes limit (0 to %d), follow, failed (true or false) and "
                           "key, user, model, provider (texts of at most %u bytes)",
                           MAX_LIMIT, MAX_COLUMN);
    }
    if (job_begin(&t->job) != 0) {
        free(t);
        return aiex_refuse(l->host, m->id, AIEX_E_BUSY,
                           "%u reports and tails are running; try again later", MAX_JOBS);
    }
    l->followers += t->follow;
    return 0;
}

/* RESUME: the reader has room again. */
void tail_resume(struct ledger *l, uint64_t id)
{
    struct job *job = job_find(l, id);

    if (!job || job->step != tail_step)
        return;
    ((struct tail *)job)->paused = 0;
    job_wake(job);
}

/* read.c - store.read: what is asked, and what the end of the answer says. */
#include "store.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct read {
    struct job job;
    struct scan scan;
};

/* ---- Fields ---- */

static int text_field(struct aiex_slice body, const char *key, char *out, size_t size,
                      struct aiex_error *err)
{
    if (aiex_get_text(body, key, out, size) >= 0)
        return 0;
    return aiex_failed(err, -EINVAL, "field '%s' must be text of at most %zu bytes", key, size - 1);
}

int filter_read(struct aiex_slice body, struct filter *f, struct aiex_error *err)
{
    int r = text_field(body, "stream", f->stream, sizeof(f->stream), err);

    r = r ? r : text_field(body, "type", f->type, sizeof(f->type), err);
    r = r ? r : text_field(body, "correlation", f->correlation, sizeof(f->correlation), err);
    f->from_time = 0;
    f->to_time = INT64_MAX;
    if (r == 0 && (aiex_get_int(body, "from_time", &f->from_time) < 0 ||
                   aiex_get_int(body, "to_time", &f->to_time) < 0))
        r = aiex_failed(err, -EINVAL, "'from_time' and 'to_time' must be wall milliseconds");
    return r;
}

/* "bound.position", as `next` of an answer said. */
static int token_read(struct aiex_slice body, struct scan *c, struct aiex_error *err)
{
    char text[64] = "";
    unsigned long long bound, at;
    int end = 0;

    if (aiex_get_text(body, "token", text, sizeof(text)) < 0 ||
        (text[0] && (sscanf(text, "%llu.%llu%n", &bound, &at, &end) != 2 || text[end])))
        return aiex_failed(err, -EINVAL, "field 'token' is not what 'next' of an answer was");
    if (text[0]) {
        c->bound = bound;
        c->at = at;
    }
    return 0;
}

static int range_read(struct aiex_slice body, struct scan *c, struct aiex_error *err)
{
    int64_t from = 0, to = 0;

    c->left = 0;
    if (aiex_get_bool(body, "backwards", &c->backwards) < 0)
        return aiex_failed(err, -EINVAL, "field 'backwards' must be a bool");
    if (aiex_get_int(body, "from", &from) < 0 || aiex_get_int(body, "to", &to) < 0 || from < 0 ||
        to < 0)
        return aiex_failed(err, -EINVAL, "'from' and 'to' must be versions or sequences, 0 = none");
    if (aiex_get_int(body, "limit", &c->left) < 0 || c->left < 0)
        return aiex_failed(err, -EINVAL, "field 'limit' must be a number of events, 0 = all");
    if (c->left == 0)
        c->left = -1;
    c->at = from ? (uint64_t)from : c->backwards ? UINT64_MAX - 1 : 1;
    c->to = to ? (uint64_t)to : c->backwards ? 1 : UINT64_MAX - 1;
    return token_read(body, c, err);
}

/* ---- The job ---- */

static enum job_step step(struct job *j)
{
    struct scan *c = &((struct read *)j)->scan;
    int r = scan_slice(j, c);

    if (r < 0)
        return job_failed(j, r, c->filter.stream[0] ? "streams.db" : "events.db");
    return c->end || c->left == 0 ? JOB_END : JOB_PART;
}

static void write_end(struct aiex_writer *w, const void *arg)
{
    const struct scan *c = &((const struct read *)arg)->scan;
    char next[64];

    aiex_w_map(w, c->end ? 4 : 5);
    aiex_w_key_uint(w, "events", c->shown);
    aiex_w_key_uint(w, "last", c->at < INT64_MAX ? c->at : 0);
    aiex_w_key_bool(w, "end", c->end);
    aiex_w_key_uint(w, "sequence", c->bound);
    if (c->end)
        return;
    snprintf(next, sizeof(next), "%llu.%llu", (unsigned long long)c->bound,
             (unsigned long long)c->at);
    aiex_w_key_str(w, "next", next);
}

static void answer(struct job *j)
{
    store_reply(j->s, j->id, write_end, j);
}

int read_take(void *self, const struct aiex_message *m)
{
    struct store *s = self;
    struct aiex_error err = {""};
    struct scan scan = {0};
    struct read *j;

    if (filter_read(m->body, &scan.filter, &err) < 0 || range_read(m->body, &scan, &err) < 0)
        return aiex_refuse(s->host, m->id, AIEX_E_INVALID, "%s", err.text);
    j = job_new(s, m->id, sizeof(*j), step);
    if (!j)
        return 0;
    j->scan = scan;
    j->job.answer = answer;
    job_veil(&j->job, m);
    job_go(&j->job);
    return 0;
}

/*
 * sessions.c - what a restore does to sessions of the same store: their service rolls them back.
 *
 * History and values go back to the version of then, labels and state are set as they were. The
 * later events stay in the stream, hidden; going back to a later version shows them again. A
 * session that was made since is archived. One that was deleted since is gone: its events were
 * erased.
 */
#include "checkpoints.h"

#include <errno.h>
#include <stdio.h>

#define MAX_LABEL 160u

struct session {
    char id[MAX_STREAM + 1], state[16];
    char title[MAX_LABEL + 1], user[MAX_LABEL + 1], project[MAX_LABEL + 1];
    int64_t ttl;
};

static void read_labels(struct aiex_slice map, struct session *s)
{
    aiex_get_text(map, "title", s->title, sizeof(s->title));
    aiex_get_text(map, "user", s->user, sizeof(s->user));
    aiex_get_text(map, "project", s->project, sizeof(s->project));
    aiex_get_int(map, "ttl_ms", &s->ttl);
}

/* ---- As it was then ---- */

static int see_then(void *arg, struct aiex_slice event)
{
    static const struct {
        const char *type, *state;
    } states[] = {{"session.created", "open"},
                  {"session.closed", "closed"},
                  {"session.restored", "open"},
                  {"session.archived", "archived"},
                  {"session.expired", "expired"}};
    struct session *s = arg;
    struct aiex_slice type = {NULL, 0}, data = {NULL, 0};

    aiex_get_str(event, "type", &type);
    for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++)
        if (aiex_slice_is(type, states[i].type))
            strcpy(s->state, states[i].state);
    if ((aiex_slice_is(type, "session.created") || aiex_slice_is(type, "session.changed")) &&
        aiex_get_bytes(event, "data", &data) == 1 && data.len)
        read_labels(data, s);
    return 0;
}

static int read_then(struct restore *x, const struct head *then, struct session *ret)
{
    char stream[MAX_STREAM + 1];

    memset(ret, 0, sizeof(*ret));
    ret->ttl = -1;
    strcpy(ret->state, "open");
    snprintf(stream, sizeof(stream), "%.*s", (int)then->stream.len,
             (const char *)then->stream.data);
    return read_events(x->job, stream, 1, then->version, see_then, ret);
}

/* ---- What its service is asked ---- */

struct step {
    const struct session *session;
    const char *method;
    int64_t version;  /* rollback: to this one */
    int labels, read; /* what goes along */
    char request[40];
};

static void write_step(struct aiex_writer *w, const void *arg)
{
    const struct step *s = arg;

    aiex_w_map(w, 2 + (s->version != 0) + (s->labels ? 4 : 0));
    aiex_w_key_str(w, "session", s->session->id);
    if (s->read)
        aiex_w_key_bool(w, "with_values", 0);
    else
        aiex_w_key_str(w, "request", s->request);
    if (s->version)
        aiex_w_key_int(w, "version", s->version);
    if (!s->labels)
        return;
    aiex_w_key_str(w, "title", s->session->title);
    aiex_w_key_str(w, "user", s->session->user);
    aiex_w_key_str(w, "project", s->session->project);
    aiex_w_key_int(w, "ttl_ms", s->session->ttl); /* -1: the default again */
}

static int count(struct restore *x, const struct session *s, enum change change, const char *what)
{
    const struct aiex_slice key = {(const uint8_t *)s->id, strlen(s->id)};

    return tally_add(&x->tally, "sessions", change, key, what);
}

/* 1 = done, 0 = its service does not want to (counted), negative. `now` is read when not NULL. */
static int ask_service(struct restore *x, struct step *s, struct session *now)
{
    struct job *j = x->job;
    struct call c = {0};
    int r;

    snprintf(s->request, sizeof(s->request), "cp-%.24s-%.7s", x->id, strchr(s->method, '.') + 1);
    r = ask(j, &c, j->s->config->sessions, s->method, write_step, s);
    if (r == 0 && now) {
        aiex_get_text((struct aiex_slice){c.body, c.body_len}, "state", now->state,
                      sizeof(now->state));
        read_labels((struct aiex_slice){c.body, c.body_len}, now);
    }
    if (r == -EREMOTEIO &&
        (strcmp(c.code, AIEX_E_CONFLICT) == 0 || strcmp(c.code, AIEX_E_INVALID) == 0 ||
         strcmp(c.code, AIEX_E_NOT_FOUND) == 0))
        r = count(x, s->session, CONFLICT, c.text);
    else if (r == -EREMOTEIO)
        r = job_refused_by(j, &c, "a session can not be rolled back");
    else if (r == 0)
        r = 1;
    call_done(&c);
    return r < 0 ? job_errno(j, r, "a session") : r;
}

static int change(struct restore *x, const struct session *s, const char *method, int64_t version,
                  int labels)
{
    struct step step = {.session = s, .method = method, .version = version, .labels = labels};

    return x->dry ? 1 : ask_service(x, &step, NULL);
}

/* ---- What is to be done ---- */

struct diff {
    int roll, labels, state;
};

static int is_any(const struct diff *d)
{
    return d->roll || d->labels || d->state;
}

static void differ(const struct session *was, const struct session *now, const struct head *then,
                   const struct head *head, struct diff *d)
{
    d->roll = head->content && head->back_to != then->version;
    d->labels = strcmp(was->title, now->title) != 0 || strcmp(was->user, now->user) != 0 ||
                strcmp(was->project, now->project) != 0 || was->ttl != now->ttl;
    d->state = strcmp(was->state, now->state) != 0;
}

/* From open to the state of then. */
static int enter_state(struct restore *x, const struct session *was)
{
    static const char *const ways[][2] = {{"closed", "sessions.close"},
                                          {"archived", "sessions.archive"},
                                          {"expired", "sessions.expire"}};

    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
        if (strcmp(was->state, ways[i][0]) == 0)
            return change(x, was, ways[i][1], 0, 0);
    return 1;
}

static int apply(struct restore *x, const struct session *was, const struct session *now,
                 const struct diff *d, int64_t version)
{
    int r = strcmp(now->state, "open") != 0 ? change(x, was, "sessions.restore", 0, 0) : 1;

    if (r == 1 && d->roll)
        r = change(x, was, "sessions.rollback", version, 0);
    if (r == 1 && d->labels)
        r = change(x, was, "sessions.set", 0, 1);
    return r == 1 ? enter_state(x, was) : r;
}

static int tell(struct restore *x, const struct session *was, const struct session *now,
                const struct diff *d, const struct head *then, const struct head *head)
{
    char what[160] = "", versions[64] = "", states[64] = "";

    if (d->roll)
        snprintf(versions, sizeof(versions), "version %lld -> that of %lld",
                 (long long)head->version, (long long)then->version);
    if (d->state)
        snprintf(states, sizeof(states), "%s -> %s", now->state, was->state);
    snprintf(what, sizeof(what), "%s%s%s%s%s", versions, d->roll && d->labels ? ", " : "",
             d->labels ? "labels" : "", (d->roll || d->labels) && d->state ? ", " : "", states);
    return count(x, was, ROLLED_BACK, what);
}

static int end_new(struct restore *x, const struct session *now)
{
    int r = 1;

    if (x->keep_added || (strcmp(now->state, "open") != 0 && strcmp(now->state, "closed") != 0))
        return 0;
    r = change(x, now, "sessions.archive", 0, 0);
    return r == 1 ? count(x, now, REMOVED, "made since: it is archived") : r;
}

int restore_session(struct restore *x, const struct head *then, const struct head *head)
{
    struct session now = {.ttl = -1}, was;
    struct step get = {.session = &now, .method = "sessions.get", .read = 1};
    struct diff d;
    int r;

    snprintf(now.id, sizeof(now.id), "%.*s", (int)(head->stream.len - strlen(SESSIONS)),
             (const char *)head->stream.data + strlen(SESSIONS));
    r = ask_service(x, &get, &now);
    if (r != 1)
        return r;
    if (!then)
        return end_new(x, &now);
    r = read_then(x, then, &was);
    if (r < 0)
        return job_errno(x->job, r, "a session");
    strcpy(was.id, now.id);
    if (strcmp(now.state, "deleted") == 0)
        return count(x, &now, LEFT, "it was deleted since, its events are erased");
    differ(&was, &now, then, head, &d);
    if (!is_any(&d))
        return 0;
    r = apply(x, &was, &now, &d, then->version);
    return r == 1 ? tell(x, &was, &now, &d, then, head) : r;
}

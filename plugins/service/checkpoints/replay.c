/*
 * replay.c - what a restore does to streams.
 *
 * Streams are append-only and what happened has happened. On the store that the checkpoint is from,
 * its events are all still there, so nothing of them is to be put: sessions are rolled back by
 * their service, templates and limits by theirs (owned.c), other streams are left as they are, with
 * a word about each. Those that the request
 * names and wants marked get an event `stream.restored` {to, checkpoint} at their end, for owners
 * that go back by it; others would stumble over an event that they do not know.
 *
 * On another store (or one that lost events since) what is missing is appended in the order of
 * then, under the same ids. A stream that is here already must end with an event that the
 * checkpoint has; it goes on from there. One that has other events is a conflict and is not
 * touched.
 */
#include "checkpoints.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- Streams that are here ---- */

static int see(void *arg, struct aiex_slice event)
{
    struct restore *x = arg;
    struct aiex_slice stream = {NULL, 0};
    int r;

    if (aiex_get_str(event, "stream", &stream) != 1)
        return job_fail(x->job, AIEX_E_INTERNAL, "an event of the store has no stream");
    if (!restore_has_stream(x, stream))
        return 0;
    r = heads_see(x->here, event);
    if (r == -E2BIG)
        return job_fail(x->job, AIEX_E_BUSY, "more than %lld streams; see option max_streams",
                        (long long)x->job->s->config->max_streams);
    return r < 0 ? job_errno(x->job, r, "the versions of a stream are not in order") : 0;
}

static int read_here(struct restore *x)
{
    int64_t from = x->same_store ? x->m.about.sequence + 1 : 1;
    int r = 0;

    x->here = heads_new((size_t)x->job->s->config->max_streams);
    if (!x->here)
        return job_errno(x->job, -ENOMEM, "the list of streams");
    if (x->now >= from)
        r = read_events(x->job, NULL, from, x->now, see, x);
    if (r < 0)
        return job_errno(x->job, r, "the streams that are here");
    heads_sort(x->here);
    return heads_count(x->here) && !heads_at(x->here, 0)
               ? job_errno(x->job, -ENOMEM, "the order of the streams")
               : 0;
}

static int is_session(struct aiex_slice stream)
{
    return stream.len > strlen(SESSIONS) && memcmp(stream.data, SESSIONS, strlen(SESSIONS)) == 0;
}

/* ---- The same store ---- */

static void write_mark(struct aiex_writer *w, const struct restore *x, int64_t to)
{
    aiex_w_map(w, 3);
    aiex_w_key_int(w, "to", to);
    aiex_w_key_str(w, "checkpoint", x->m.about.name);
    aiex_w_key_str(w, "restore", x->id);
}

static int mark(struct restore *x, const struct head *now, int64_t to)
{
    uint8_t data[256], event[512];
    struct aiex_writer d, w;
    char id[MAX_EVENT_ID + 1];

    /* a restore that goes on after a crash marks nothing twice */
    snprintf(id, sizeof(id), "cp-%s-%llx", x->id, (unsigned long long)heads_number(now->stream));
    aiex_writer_init(&d, data, sizeof(data));
    write_mark(&d, x, to);
    aiex_writer_init(&w, event, sizeof(event));
    aiex_w_map(&w, 3);
    aiex_w_key_str(&w, "id", id);
    aiex_w_key_str(&w, "type", STREAM_RESTORED);
    aiex_w_key_bin(&w, "data", data, d.len);
    return batch_event(&x->batch, now->stream, now->version, aiex_written(&w), 1);
}

static int go_back(struct restore *x, const struct head *then, const struct head *now)
{
    char part[MAX_PART + 1], detail[160];
    int64_t to = then ? then->version : 0;

    if (is_session(now->stream))
        return restore_session(x, then, now);
    if (restore_is_owned(x, now->stream))
        return restore_owned(x, now->stream, to);
    if (now->back_to == to)
        return 0;
    if (restore_marks(x, now->stream))
        return mark(x, now, to);
    stream_part(now->stream, part);
    snprintf(detail, sizeof(detail), "version %lld then, %lld now: its later events stay%s",
             (long long)to, (long long)now->version,
             restore_is_keys(now->stream) ? "; see keys" : "");
    return tally_add(&x->tally, part, LEFT, now->stream, detail);
}

/* Those that changed since, each with how it was: both lists are in order. */
static int go_back_all(struct restore *x)
{
    struct aiex_error err = {""};
    struct aiex_slice value;
    struct head then;
    struct walk walk;
    int r = 1, order = -1;

    walk_begin(&walk, &x->job->s->chunks, &x->m.heads);
    for (size_t i = 0; i < heads_count(x->here) && r >= 0; i++) {
        const struct head *now = heads_at(x->here, i);

        if (i)
            order = r ? slice_order(then.stream, now->stream) : 1;
        while (r == 1 && order < 0) {
            r = walk_next(&walk, &value, &err);
            if (r == 1)
                r = head_read(value, &then) < 0 ? -EBADMSG : 1;
            order = r == 1 ? slice_order(then.stream, now->stream) : 1;
        }
        if (r >= 0 && go_back(x, order == 0 ? &then : NULL, now) < 0)
            r = -EREMOTEIO;
    }
    walk_done(&walk);
    return r < 0 ? job_errno(x->job, r, err.text[0] ? err.text : "the list of streams") : 0;
}

/* ---- Another store ---- */

static int all_unknown(struct restore *x)
{
    int r = 0;

    for (size_t i = 0; i < heads_count(x->here) && r == 0; i++) {
        struct head head = *heads_at(x->here, i);

        head.events = STREAM_UNKNOWN;
        head.back_to = head.version; /* as it was found */
        r = heads_put(x->here, &head);
    }
    return r < 0 ? job_errno(x->job, r, "the list of streams") : 0;
}

/* What store.append takes of an event as store.read gives it. */
static int copy_event(struct aiex_slice event, uint8_t *mem, size_t size, struct aiex_slice *ret)
{
    static const char *const keys[] = {"id",          "type",      "time", "data",
                                       "correlation", "causation", "meta", NULL};
    struct aiex_slice value;
    struct aiex_writer w;
    uint32_t n = 0;

    for (const char *const *k = keys; *k; k++)
        n += aiex_get_whole(event, *k, &value) == 1;
    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, n);
    for (const char *const *k = keys; *k; k++)
        if (aiex_get_whole(event, *k, &value) == 1) {
            aiex_w_str(&w, *k);
            aiex_w_raw(&w, value.data, value.len);
        }
    *ret = aiex_written(&w);
    return w.failed ? -EMSGSIZE : 0;
}

static int append(struct restore *x, const struct head *here, struct aiex_slice event)
{
    size_t size = event.len + 64;
    uint8_t *mem = malloc(size);
    struct aiex_slice copy;
    int r;

    if (!mem)
        return job_errno(x->job, -ENOMEM, "an event");
    r = copy_event(event, mem, size, &copy);
    r = r ? job_errno(x->job, r, "an event")
          : batch_event(&x->batch, here->stream, here->version, copy, 0);
    free(mem);
    return r;
}

static int replay_event(struct restore *x, struct aiex_slice event)
{
    struct aiex_slice stream = {NULL, 0}, id = {NULL, 0};
    const struct head *found;
    struct head here;
    int r;

    if (aiex_get_str(event, "stream", &stream) != 1 || aiex_get_str(event, "id", &id) != 1)
        return job_fail(x->job, AIEX_E_INTERNAL, "an event has no id; see checkpoints.verify");
    if (!restore_has_stream(x, stream))
        return 0;
    found = heads_find(x->here, stream);
    here = found ? *found : (struct head){stream, 0, STREAM_GOES_ON, id, 0, 0};
    if (here.events == STREAM_CONFLICT ||
        (here.events == STREAM_UNKNOWN && slice_order(here.id, id) != 0))
        return 0;
    if (here.events == STREAM_GOES_ON) {
        r = append(x, &here, event);
        found = heads_find(x->here, stream);
        if (r < 0 || (found && found->events == STREAM_CONFLICT))
            return r; /* what was sent before it was refused */
        here.version++;
    }
    here.events = STREAM_GOES_ON;
    r = heads_put(x->here, &here);
    return r < 0 ? job_errno(x->job, r, "the list of streams; see option max_streams") : 0;
}

static int replay_all(struct restore *x)
{
    struct aiex_error err = {""};
    struct aiex_slice event;
    struct walk walk;
    int r;

    x->batch.streams = x->here;
    walk_begin(&walk, &x->job->s->chunks, &x->m.events);
    while ((r = walk_next(&walk, &event, &err)) == 1)
        if (replay_event(x, event) < 0) {
            r = -EREMOTEIO;
            break;
        }
    walk_done(&walk);
    return r < 0 ? job_errno(x->job, r, err.text) : batch_flush(&x->batch);
}

/* Says what became of a stream. */
static int tell_stream(struct restore *x, const struct head *then)
{
    const struct head *here = heads_find(x->here, then->stream);
    char part[MAX_PART + 1], detail[160];
    struct head other;

    stream_part(then->stream, part);
    if (!here || here->events == STREAM_UNKNOWN || here->events == STREAM_CONFLICT) {
        if (here && restore_is_owned(x, then->stream))
            return restore_owned(x, then->stream, 0);
        snprintf(detail, sizeof(detail), "it has other events here, up to version %lld",
                 here ? (long long)here->version : 0ll);
        return tally_add(&x->tally, part, CONFLICT, then->stream, detail);
    }
    if (here->version == here->back_to)
        return 0;
    if (is_session(then->stream))
        restore_touches(x, SESSION_TABLE);
    snprintf(detail, sizeof(detail), "version %lld -> %lld%s", (long long)here->back_to,
             (long long)here->version,
             here->version == then->version ? "" : ", other numbers than then");
    if (here->version != then->version) { /* a session's row would say other numbers */
        other = *here;
        other.events = STREAM_CONFLICT;
        if (heads_put(x->here, &other) < 0)
            return job_errno(x->job, -ENOMEM, "a stream");
    }
    return tally_add(&x->tally, part, here->back_to ? APPENDED : ADDED, then->stream, detail);
}

static int tell_streams(struct restore *x)
{
    struct aiex_error err = {""};
    struct aiex_slice value;
    struct head then;
    struct walk walk;
    int r;

    walk_begin(&walk, &x->job->s->chunks, &x->m.heads);
    while ((r = walk_next(&walk, &value, &err)) == 1) {
        if (head_read(value, &then) < 0) {
            r = job_fail(x->job, AIEX_E_INTERNAL, "the list of streams is damaged");
            break;
        }
        if (restore_has_stream(x, then.stream) && tell_stream(x, &then) < 0) {
            r = -EREMOTEIO;
            break;
        }
    }
    walk_done(&walk);
    return r < 0 ? job_errno(x->job, r, err.text) : 0;
}

int replayed_session(const struct restore *x, struct aiex_slice session)
{
    char stream[MAX_STREAM + 1];
    const struct head *here;
    int n = snprintf(stream, sizeof(stream), "%s%.*s", SESSIONS, (int)session.len,
                     (const char *)session.data);

    if (!x->here || n < 0 || (size_t)n >= sizeof(stream))
        return 0;
    here = heads_find(x->here, (struct aiex_slice){(uint8_t *)stream, (size_t)n});
    return here && here->events == STREAM_GOES_ON;
}

int restore_streams(struct restore *x)
{
    int r = read_here(x);

    if (r < 0)
        return r;
    if (x->same_store) {
        r = go_back_all(x);
        return r ? r : batch_flush(&x->batch);
    }
    r = all_unknown(x);
    r = r ? r : replay_all(x);
    return r ? r : tell_streams(x);
}

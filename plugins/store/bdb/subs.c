/* subs.c - consumers of subscriptions on the loop, and their reads. See subs.h. */
#include "subs.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct consumer {
    struct job job;
    struct consumer *next, **at;
    struct subscription u;
    struct scan scan;
    int active;      /* the one that reads; else it waits */
    int made;        /* the subscription is known to be there */
    uint64_t *shown; /* sequences without acknowledgement, number n at n % window */
    atomic_uint_fast64_t n_shown, n_acked;
};

/* ---- Reader thread ---- */

static void note_shown(struct scan *scan, uint64_t sequence)
{
    struct consumer *c = (struct consumer *)((char *)scan - offsetof(struct consumer, scan));
    uint64_t n = atomic_load(&c->n_shown);

    c->shown[n % c->u.window] = sequence;
    atomic_store(&c->n_shown, n + 1);
}

static enum job_step step(struct job *j)
{
    struct consumer *c = (struct consumer *)j;
    struct scan *scan = &c->scan;
    int r;

    scan->begun = scan->end = 0;
    scan->bound = 0;
    scan->to = UINT64_MAX - 1;
    scan->left = (int64_t)(c->u.window - (atomic_load(&c->n_shown) - atomic_load(&c->n_acked)));
    if (scan->left <= 0)
        return JOB_IDLE;
    r = scan_slice(j, scan);
    if (r < 0)
        return job_failed(j, r, "events.db");
    return scan->end || scan->left == 0 ? JOB_IDLE : JOB_PART;
}

/* ---- Loop: who reads ---- */

static int is_rival(const struct consumer *a, const struct consumer *b)
{
    return strcmp(a->u.name, b->u.name) == 0 && a->u.filter.partition == b->u.filter.partition;
}

static struct consumer *active_of(struct store *s, const struct consumer *like)
{
    struct consumer *c = s->consumers;

    while (c && (c == like || !c->active || !is_rival(c, like)))
        c = c->next;
    return c;
}

static struct consumer *consumer_find(struct store *s, uint64_t id)
{
    struct consumer *c = s->consumers;

    while (c && (c->job.id != id || c->job.cancelled))
        c = c->next;
    return c;
}

static void make(struct store *s, struct consumer *c)
{
    const struct aiex_slice nothing = {NULL, 0};
    struct write *w = write_new(&subscription_kind, c->job.id, nothing);

    c->active = 1;
    if (w)
        w->arg = malloc(sizeof(c->u));
    if (!w || !w->arg) {
        if (w)
            write_free(w);
        job_stop(&c->job, AIEX_E_BUSY, "no memory for a subscription");
        return;
    }
    memcpy(w->arg, &c->u, sizeof(c->u));
    write_submit(s, w);
}

/* The consumer is gone: the one that waited longest is next. */
static void done(struct job *j)
{
    struct consumer *c = (struct consumer *)j, *oldest = NULL;
    struct store *s = j->s;

    *c->at = c->next;
    if (c->next)
        c->next->at = c->at;
    s->n_consumers--;
    for (struct consumer *o = s->consumers; o && c->active; o = o->next)
        if (!o->active && !o->job.cancelled && is_rival(o, c))
            oldest = o; /* new ones stand in front */
    free(c->shown);
    if (oldest)
        make(s, oldest);
}

void subscription_made(struct store *s, struct write *w)
{
    struct consumer *c = consumer_find(s, w->id);

    if (!c)
        return; /* it left meanwhile */
    if (w->code) {
        job_stop(&c->job, w->code, w->text);
        return;
    }
    c->made = 1;
    c->scan.at = w->a + 1;
    c->scan.behind = c->u.filter.stream[0] ? w->a : 0;
    if (c->u.filter.stream[0])
        c->scan.at = 1;
    job_go(&c->job);
}

void subs_wake(struct store *s)
{
    for (struct consumer *c = s->consumers; c; c = c->next)
        if (c->made && !c->job.cancelled)
            job_wake(&c->job);
}

/* ---- store.subscribe ---- */

static int partition_read(struct aiex_slice body, struct filter *f, struct aiex_error *err)
{
    int64_t partition = 0, partitions = 1;

    if (aiex_get_int(body, "partitions", &partitions) < 0 || partitions < 1 ||
        partitions > MAX_PARTITIONS || aiex_get_int(body, "partition", &partition) < 0 ||
        partition < 0 || partition >= partitions)
        return aiex_failed(err, -EINVAL,
                           "'partitions' must be 1 to %d, 'partition' one of them from 0 on",
                           MAX_PARTITIONS);
    f->partition = (uint32_t)partition;
    f->partitions = (uint32_t)partitions;
    return 0;
}

static int name_read(struct aiex_slice body, char *out, struct aiex_error *err)
{
    if (aiex_get_text(body, "name", out, MAX_SUBSCRIPTION + 1) == 1 && *out)
        return 0;
    return aiex_failed(err, -EINVAL, "field 'name' must be text of 1 to %u bytes",
                       MAX_SUBSCRIPTION);
}

static int subscription_read(struct aiex_slice body, struct subscription *u, struct aiex_error *err)
{
    int64_t window = 100;
    int r = name_read(body, u->name, err);

    r = r ? r : filter_read(body, &u->filter, err);
    r = r ? r : partition_read(body, &u->filter, err);
    u->filter.from_time = 0;
    u->filter.to_time = INT64_MAX;
    if (r == 0 && (aiex_get_int(body, "from", &u->from) < 0 || u->from < -1))
        r = aiex_failed(err, -EINVAL,
                        "field 'from' must be a sequence, 0 (the start) or -1 (the end)");
    if (r == 0 && (aiex_get_int(body, "window", &window) < 0 || window < 1 || window > MAX_WINDOW))
        r = aiex_failed(err, -EINVAL, "field 'window' must be 1 to %d events", MAX_WINDOW);
    if (r == 0 && aiex_get_bool(body, "wait", &u->waits) < 0)
        r = aiex_failed(err, -EINVAL, "field 'wait' must be a bool");
    u->window = (uint32_t)window;
    return r;
}

static struct consumer *consumer_new(struct store *s, uint64_t id, const struct subscription *u)
{
    struct consumer *c = job_new(s, id, sizeof(*c), step);

    if (!c)
        return NULL;
    c->u = *u;
    c->scan.filter = u->filter;
    c->scan.note = note_shown;
    c->job.want = 1;
    c->next = s->consumers;
    c->at = &s->consumers;
    if (c->next)
        c->next->at = &c->next;
    s->consumers = c;
    s->n_consumers++;
    c->job.done = done;
    c->shown = calloc(u->window, sizeof(*c->shown));
    if (c->shown)
        return c;
    job_stop(&c->job, AIEX_E_BUSY, "no memory for the window");
    return NULL;
}

int subscribe_take(void *self, const struct aiex_message *m)
{
    struct store *s = self;
    struct aiex_error err = {""};
    struct subscription u = {0};
    struct consumer *c, *rival;

    if (!m->id)
        return 0;
    if (subscription_read(m->body, &u, &err) < 0)
        return aiex_refuse(s->host, m->id, AIEX_E_INVALID, "%s", err.text);
    c = consumer_new(s, m->id, &u);
    if (!c)
        return 0;
    job_veil(&c->job, m);
    rival = active_of(s, c);
    if (!rival)
        make(s, c);
    else if (rival->u.filter.partitions != u.filter.partitions)
        job_stop(&c->job, AIEX_E_CONFLICT, "the subscription has another number of partitions");
    else if (!u.waits && !rival->job.cancelled)
        job_stop(&c->job, AIEX_E_CONFLICT,
                 "this partition of the subscription has a consumer; 'wait' stands by for it");
    return 0;
}

/* ---- store.ack ---- */

/* Takes acknowledged events out of the window. -EINVAL: that one was not shown. */
static int window_ack(struct consumer *c, uint64_t sequence)
{
    uint64_t acked = atomic_load(&c->n_acked), shown = atomic_load(&c->n_shown);

    if (shown == acked)
        return 0; /* again */
    if (sequence > c->shown[(shown - 1) % c->u.window])
        return -EINVAL;
    while (acked < shown && c->shown[acked % c->u.window] <= sequence)
        acked++;
    atomic_store(&c->n_acked, acked);
    return 0;
}

static int ack_consumer(struct store *s, const struct subscription *u, uint64_t sequence)
{
    struct consumer like = {.u = *u}, *c = active_of(s, &like);
    int r = c && c->made ? window_ack(c, sequence) : 0;

    if (r == 0 && c && c->made && !c->job.cancelled)
        job_wake(&c->job);
    return r;
}

void subscription_acked(struct store *s, struct write *w)
{
    if (w->code)
        write_refused(s, w);
    else
        aiex_reply_done(s->host, w->id);
}

static int submit(struct store *s, const struct aiex_message *m, const struct write_kind *kind,
                  const struct subscription *u, uint64_t sequence)
{
    const struct aiex_slice nothing = {NULL, 0};
    struct write *w = write_new(kind, m->id, nothing);

    if (w)
        w->arg = malloc(sizeof(*u));
    if (!w || !w->arg) {
        if (w)
            write_free(w);
        return aiex_refuse(s->host, m->id, AIEX_E_BUSY, "no memory for the request");
    }
    memcpy(w->arg, u, sizeof(*u));
    w->a = sequence;
    w->level = WRITTEN; /* a position that a power failure takes back only shows events again */
    write_submit(s, w);
    return 0;
}

int ack_take(void *self, const struct aiex_message *m)
{
    struct store *s = self;
    struct aiex_error err = {""};
    struct subscription u = {0};
    int64_t sequence = 0, partition = 0;

    if (name_read(m->body, u.name, &err) < 0)
        return aiex_refuse(s->host, m->id, AIEX_E_INVALID, "%s", err.text);
    if (aiex_get_int(m->body, "partition", &partition) < 0 || partition < 0 ||
        partition >= MAX_PARTITIONS)
        return aiex_refuse(s->host, m->id, AIEX_E_INVALID, "field 'partition' must be 0 to %d",
                           MAX_PARTITIONS - 1);
    u.filter.partition = (uint32_t)partition;
    if (aiex_get_int(m->body, "sequence", &sequence) != 1 || sequence < 1 ||
        (uint64_t)sequence > atomic_load(&s->visible) ||
        ack_consumer(s, &u, (uint64_t)sequence) < 0)
        return aiex_refuse(s->host, m->id, AIEX_E_INVALID,
                           "field 'sequence' must be that of an event that was shown");
    return submit(s, m, &ack_kind, &u, (uint64_t)sequence);
}

/* ---- store.unsubscribe ---- */

void subscription_dropped(struct store *s, struct write *w)
{
    subscription_acked(s, w);
}

int unsubscribe_take(void *self, const struct aiex_message *m)
{
    struct store *s = self;
    struct aiex_error err = {""};
    struct subscription u = {0};
    struct consumer *next;

    if (name_read(m->body, u.name, &err) < 0)
        return aiex_refuse(s->host, m->id, AIEX_E_INVALID, "%s", err.text);
    for (struct consumer *c = s->consumers; c; c = c->next) /* nobody is next */
        c->active |= strcmp(c->u.name, u.name) == 0;
    for (struct consumer *c = s->consumers; c; c = next) {
        next = c->next;
        if (strcmp(c->u.name, u.name) == 0)
            job_stop(&c->job, AIEX_E_UNAVAILABLE, "the subscription was removed");
    }
    return submit(s, m, &drop_kind, &u, 0);
}

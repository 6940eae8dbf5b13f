/*
 * remote.c - what only the loop may do, for the worker.
 *
 * The worker has one wish at a time, puts it down under the lock, wakes the loop by an eventfd and
 * waits. Parts of answers are copied to the seat of their call, at most a window of them, and the
 * window is given back as the worker takes them. A seat is memory of the instance: an answer that
 * comes late finds a seat without a call, never the worker's stack.
 *
 * Every wait ends when the job is cancelled or the instance stops. A wish that nobody waits for any
 * more is taken back; one that the loop is just fulfilling (`serving`) is waited for, since that
 * never blocks.
 */
#include "checkpoints.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct piece {
    struct piece *next;
    size_t len;
    uint8_t data[];
};

struct seat {
    struct remote *remote;
    struct call *call; /* NULL = free, or nobody listens */
    uint64_t id;       /* host's; 0 = none */
    int lost;          /* a part did not fit into memory */
    uint32_t owed;     /* bytes to be credited */
    struct piece *first, **end;
};

enum wish { NOTHING, CALL, DROP, SAY, PAUSE };

struct remote {
    struct cps *s;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    int fd, stopping, serving;
    uint64_t watch, timer;
    enum wish wish;
    struct job *job; /* who wishes */
    int result;
    int paused; /* SAY: the part is out, its consumer has no room */
    struct aiex_slice bytes;
    struct aiex_request request;
    struct seat *seat;
    uint32_t ms;
    struct seat seats[MAX_CALLS];
    struct job *landed, **landed_end;
};

pthread_mutex_t *work_lock(struct cps *s)
{
    return &s->remote->lock;
}

pthread_cond_t *work_cond(struct cps *s)
{
    return &s->remote->cond;
}

int work_is_stopping(struct cps *s)
{
    return s->remote->stopping;
}

static void ring(struct remote *r)
{
    const uint64_t one = 1;
    ssize_t n = write(r->fd, &one, sizeof(one));

    (void)n; /* it is readable already */
}

/* ---- Answers: loop ---- */

static void pieces_free(struct seat *seat)
{
    while (seat->first) {
        struct piece *p = seat->first;

        seat->first = p->next;
        free(p);
    }
    seat->end = &seat->first;
}

static void take_part(struct seat *seat, struct aiex_slice body)
{
    struct piece *p = malloc(sizeof(*p) + body.len);

    if (!p) {
        seat->lost = 1;
        return;
    }
    p->next = NULL;
    p->len = body.len;
    if (body.len)
        memcpy(p->data, body.data, body.len);
    *seat->end = p;
    seat->end = &p->next;
}

static void take_end(struct seat *seat, const struct aiex_answer *a)
{
    struct call *c = seat->call;

    seat->id = 0;
    c->ended = 1;
    c->retry_ms = a->retry_after_ms;
    snprintf(c->code, sizeof(c->code), "%s", a->code ? a->code : "");
    snprintf(c->text, sizeof(c->text), "%s", a->code && a->text ? a->text : "");
    c->body = malloc(a->body.len + 1);
    if (c->body && a->body.len)
        memcpy(c->body, a->body.data, a->body.len);
    c->body_len = c->body ? a->body.len : 0;
    seat->lost |= !c->body;
}

static void on_answer(void *arg, const struct aiex_answer *a)
{
    struct seat *seat = arg;
    struct remote *r = seat->remote;

    pthread_mutex_lock(&r->lock);
    if (seat->call && a->kind == AIEX_ANSWER_PART)
        take_part(seat, a->body);
    else if (seat->call)
        take_end(seat, a);
    else if (a->kind == AIEX_ANSWER_END)
        seat->id = 0;
    pthread_cond_broadcast(&r->cond);
    pthread_mutex_unlock(&r->lock);
}

/* ---- Wishes: loop, with the lock; it is let go for the host's functions ---- */

static void fulfilled(struct remote *r, int result)
{
    r->result = result;
    r->wish = NOTHING;
    pthread_cond_broadcast(&r->cond);
}

static int make_call(struct remote *r)
{
    const struct aiex_host *host = r->s->host;
    struct seat *seat = r->seat;
    struct aiex_request rq = r->request;
    uint64_t id = 0;
    int result;

    pthread_mutex_unlock(&r->lock);
    result = host->call(host, &rq, on_answer, seat, &id);
    pthread_mutex_lock(&r->lock);
    if (result == 0 && seat->call && !seat->call->ended)
        seat->id = id;
    return result;
}

static int drop_call(struct remote *r)
{
    const struct aiex_host *host = r->s->host;
    uint64_t id = r->seat->id;

    r->seat->id = 0;
    r->seat->owed = 0;
    pthread_mutex_unlock(&r->lock);
    if (id)
        host->cancel(host, id);
    pthread_mutex_lock(&r->lock);
    return 0;
}

static void on_time(void *arg)
{
    struct remote *r = arg;

    pthread_mutex_lock(&r->lock);
    r->timer = 0;
    if (r->wish == PAUSE)
        fulfilled(r, 0);
    pthread_mutex_unlock(&r->lock);
}

static int begin_pause(struct remote *r)
{
    const struct aiex_host *host = r->s->host;

    if (r->timer)
        host->unwatch(host, r->timer);
    r->timer = 0;
    return host->timer(host, r->ms, 0, on_time, r, &r->timer);
}

static void say(struct remote *r)
{
    const struct aiex_host *host = r->s->host;
    struct aiex_slice bytes = r->bytes;
    uint64_t id = r->job->id;
    int result;

    pthread_mutex_unlock(&r->lock);
    result = id ? host->stream(host, id, bytes) : 0;
    pthread_mutex_lock(&r->lock);
    if (r->wish != SAY)
        return; /* its consumer took it, or gave up, within stream() */
    if (result == AIEX_PAUSE)
        r->paused = 1;
    else
        fulfilled(r, result < 0 ? -ECANCELED : 0);
}

static void serve_wish(struct remote *r)
{
    int result;

    r->serving = 1;
    switch (r->wish) {
    case CALL:
        fulfilled(r, make_call(r));
        break;
    case DROP:
        fulfilled(r, drop_call(r));
        break;
    case SAY:
        if (!r->paused)
            say(r);
        break;
    case PAUSE:
        result = r->timer ? 0 : begin_pause(r);
        if (result < 0)
            fulfilled(r, result);
        break;
    case NOTHING:
        break;
    }
    r->serving = 0;
    pthread_cond_broadcast(&r->cond);
}

static void credit_all(struct remote *r)
{
    const struct aiex_host *host = r->s->host;

    for (unsigned i = 0; i < MAX_CALLS; i++) {
        struct seat *seat = &r->seats[i];
        uint32_t owed = seat->owed;
        uint64_t id = seat->id;

        seat->owed = 0;
        if (!owed || !id)
            continue;
        pthread_mutex_unlock(&r->lock);
        host->credit(host, id, owed);
        pthread_mutex_lock(&r->lock);
    }
}

static void land_all(struct remote *r)
{
    struct job *j = r->landed;

    r->landed = NULL;
    r->landed_end = &r->landed;
    pthread_mutex_unlock(&r->lock);
    while (j) {
        struct job *next = j->next;

        work_land(r->s, j);
        j = next;
    }
    pthread_mutex_lock(&r->lock);
}

static void on_ready(void *arg, uint32_t events)
{
    struct remote *r = arg;
    uint64_t count;
    ssize_t n = read(r->fd, &count, sizeof(count));

    (void)n;
    (void)events;
    pthread_mutex_lock(&r->lock);
    serve_wish(r);
    credit_all(r);
    land_all(r);
    pthread_mutex_unlock(&r->lock);
}

void remote_resume(struct cps *s, uint64_t id)
{
    struct remote *r = s->remote;

    pthread_mutex_lock(&r->lock);
    if (r->wish == SAY && r->paused && r->job->id == id)
        fulfilled(r, 0);
    pthread_mutex_unlock(&r->lock);
}

void remote_wake(struct cps *s)
{
    pthread_mutex_lock(&s->remote->lock);
    pthread_cond_broadcast(&s->remote->cond);
    pthread_mutex_unlock(&s->remote->lock);
}

/* ---- The worker ---- */

static int is_over(const struct remote *r, const struct job *j)
{
    return r->stopping || j->cancelled;
}

/* With the lock: wishes and waits. `must`: also for a job that is over, and at a stop it is given
 * up. */
static int wish(struct remote *r, struct job *j, enum wish what, int must)
{
    if (must ? r->stopping : is_over(r, j))
        return -ECANCELED;
    r->wish = what;
    r->job = j;
    r->paused = 0;
    ring(r);
    while (r->wish != NOTHING && (r->serving || !(must ? r->stopping : is_over(r, j))))
        pthread_cond_wait(&r->cond, &r->lock);
    if (r->wish == NOTHING)
        return r->result;
    r->wish = NOTHING;
    return -ECANCELED;
}

static struct seat *free_seat(struct remote *r)
{
    for (unsigned i = 0; i < MAX_CALLS; i++)
        if (!r->seats[i].call && !r->seats[i].id)
            return &r->seats[i];
    return NULL;
}

int call_begin(struct job *j, struct call *c, const char *service, const char *method,
               aiex_write_fn write, const void *arg, uint32_t timeout_ms)
{
    struct remote *r = j->s->remote;
    struct aiex_slice body = {NULL, 0};
    int result;

    memset(c, 0, sizeof(*c));
    c->job = j;
    if (aiex_write_alloc(write, arg, &body) < 0)
        return -ENOMEM;
    pthread_mutex_lock(&r->lock);
    c->seat = free_seat(r);
    if (c->seat) {
        *c->seat = (struct seat){.remote = r, .call = c};
        c->seat->end = &c->seat->first;
        r->seat = c->seat;
        r->request = (struct aiex_request){.struct_size = sizeof(r->request),
                                           .flags = AIEX_CALL_MANUAL,
                                           .service = service,
                                           .method = method,
                                           .body = body,
                                           .trace = j->trace,
                                           .timeout_ms = timeout_ms,
                                           .window_bytes = WINDOW};
    }
    result = c->seat ? wish(r, j, CALL, 0) : -EBUSY;
    pthread_mutex_unlock(&r->lock);
    free((void *)(uintptr_t)body.data);
    return result;
}

static int next_part(struct call *c, struct aiex_slice *ret)
{
    struct remote *r = c->job->s->remote;
    struct seat *seat = c->seat;

    while (!seat->first && !c->ended && !seat->lost && !is_over(r, c->job))
        pthread_cond_wait(&r->cond, &r->lock);
    if (is_over(r, c->job))
        return -ECANCELED;
    if (seat->lost)
        return -ENOMEM;
    if (!seat->first)
        return c->code[0] ? -EREMOTEIO : 0;
    c->shown = seat->first;
    seat->first = c->shown->next;
    if (!seat->first)
        seat->end = &seat->first;
    *ret = (struct aiex_slice){c->shown->data, c->shown->len};
    return 1;
}

int call_part(struct call *c, struct aiex_slice *ret_part)
{
    struct remote *r = c->job->s->remote;
    int result;

    pthread_mutex_lock(&r->lock);
    if (c->shown && c->seat->id) {
        c->seat->owed += (uint32_t)c->shown->len;
        ring(r);
    }
    free(c->shown);
    c->shown = NULL;
    result = next_part(c, ret_part);
    pthread_mutex_unlock(&r->lock);
    return result;
}

void call_done(struct call *c)
{
    struct remote *r;

    if (!c->job)
        return;
    r = c->job->s->remote;
    pthread_mutex_lock(&r->lock);
    if (c->seat) {
        pieces_free(c->seat);
        if (c->seat->id) {
            r->seat = c->seat;
            wish(r, c->job, DROP, 1);
        }
        pieces_free(c->seat);
        c->seat->call = NULL;
    }
    pthread_mutex_unlock(&r->lock);
    free(c->shown);
    free(c->body);
    memset(c, 0, sizeof(*c));
}

int job_say(struct job *j, struct aiex_slice part)
{
    struct remote *r = j->s->remote;
    int result;

    if (!j->id)
        return 0;
    pthread_mutex_lock(&r->lock);
    r->bytes = part;
    result = wish(r, j, SAY, 0);
    pthread_mutex_unlock(&r->lock);
    return result;
}

int job_say_by(struct job *j, aiex_write_fn write, const void *arg)
{
    struct aiex_slice part = {NULL, 0};
    int r;

    if (!j->id)
        return 0;
    if (aiex_write_alloc(write, arg, &part) < 0)
        return -ENOMEM;
    r = job_say(j, part);
    free((void *)(uintptr_t)part.data);
    return r;
}

int job_pause(struct job *j, uint32_t ms)
{
    struct remote *r = j->s->remote;
    int result;

    pthread_mutex_lock(&r->lock);
    r->ms = ms;
    result = wish(r, j, PAUSE, 0);
    pthread_mutex_unlock(&r->lock);
    return result;
}

void work_land_later(struct cps *s, struct job *j)
{
    struct remote *r = s->remote;

    pthread_mutex_lock(&r->lock);
    j->next = NULL;
    *r->landed_end = j;
    r->landed_end = &j->next;
    s->now = NULL;
    ring(r);
    pthread_mutex_unlock(&r->lock);
}

/* ---- Life ---- */

int remote_start(struct cps *s, struct aiex_error *err)
{
    struct remote *r = calloc(1, sizeof(*r));

    if (!r)
        return aiex_failed(err, -ENOMEM, "no memory");
    s->remote = r;
    r->s = s;
    r->landed_end = &r->landed;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->cond, NULL);
    r->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (r->fd < 0)
        return aiex_failed(err, -errno, "no eventfd: %s", strerror(errno));
    if (s->host->watch(s->host, r->fd, AIEX_WATCH_READ, on_ready, r, &r->watch) != 0)
        return aiex_failed(err, -ENOMEM, "no memory for a watch");
    return 0;
}

void remote_stop(struct cps *s)
{
    if (!s->remote)
        return;
    pthread_mutex_lock(&s->remote->lock);
    s->remote->stopping = 1;
    pthread_cond_broadcast(&s->remote->cond);
    pthread_mutex_unlock(&s->remote->lock);
}

void remote_done(struct cps *s)
{
    const struct aiex_host *host = s->host;
    struct remote *r = s->remote;

    if (!r)
        return;
    for (unsigned i = 0; i < MAX_CALLS; i++) {
        if (r->seats[i].id)
            host->cancel(host, r->seats[i].id);
        pieces_free(&r->seats[i]);
    }
    while (r->landed) {
        struct job *j = r->landed;

        r->landed = j->next;
        free(j->end);
        free(j);
    }
    if (r->timer)
        host->unwatch(host, r->timer);
    if (r->watch)
        host->unwatch(host, r->watch);
    if (r->fd >= 0)
        close(r->fd);
    pthread_cond_destroy(&r->cond);
    pthread_mutex_destroy(&r->lock);
    free(r);
    s->remote = NULL;
}

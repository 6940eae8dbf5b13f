/*
 * jobs.c - reads in slices. A reader thread makes one part, the loop streams it, and only when the
 * consumer has room does the job go back into the queue, behind the others. So one read holds one
 * part, however slow its consumer is, and a long read never stands before a short one.
 */
#include "store.h"

#include <stdarg.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BULK_BYTES (256u << 10)

/* ---- Loop ---- */

void *job_new(struct store *s, uint64_t id, size_t size, enum job_step (*step)(struct job *))
{
    struct job *j;

    if (s->draining) {
        aiex_refuse(s->host, id, AIEX_E_UNAVAILABLE, "the store is closing");
        return NULL;
    }
    j = s->jobs.n < MAX_JOBS ? calloc(1, size) : NULL;
    if (!j) {
        aiex_refuse(s->host, id, AIEX_E_BUSY, "%zu reads run already", s->jobs.n);
        return NULL;
    }
    j->s = s;
    j->id = id;
    j->step = step;
    j->want = 1;
    j->next_all = s->jobs.all;
    j->at_all = &s->jobs.all;
    if (j->next_all)
        j->next_all->at_all = &j->next_all;
    s->jobs.all = j;
    s->jobs.n++;
    atomic_fetch_add(&s->reads, 1);
    return j;
}

static void job_free(struct job *j)
{
    if (j->done)
        j->done(j);
    *j->at_all = j->next_all;
    if (j->next_all)
        j->next_all->at_all = j->at_all;
    j->s->jobs.n--;
    owners_unref(j->veil);
    free(j->part);
    free(j);
}

static void queue_put(struct jobs *jobs, struct queue *q, struct job *j)
{
    pthread_mutex_lock(&jobs->lock);
    j->next = NULL;
    *q->end = j;
    q->end = &j->next;
    pthread_cond_signal(&q->wake);
    pthread_mutex_unlock(&jobs->lock);
}

void job_go(struct job *j)
{
    if (j->queued || j->paused || !j->want)
        return;
    j->queued = 1;
    j->want = 0;
    queue_put(&j->s->jobs, j->slow ? &j->s->jobs.slow : &j->s->jobs.quick, j);
}

void job_wake(struct job *j)
{
    if (j->queued) {
        j->woken = 1;
        return;
    }
    j->want = 1;
    job_go(j);
}

struct job *job_find(struct store *s, uint64_t id)
{
    struct job *j = s->jobs.all;

    while (j && (j->id != id || j->cancelled))
        j = j->next_all;
    return j;
}

void job_resume(struct store *s, uint64_t id)
{
    struct job *j = job_find(s, id);

    if (!j)
        return;
    j->paused = 0;
    job_go(j);
}

void job_stop(struct job *j, const char *code, const char *text)
{
    if (j->cancelled)
        return;
    j->cancelled = 1;
    if (code)
        aiex_refuse(j->s->host, j->id, code, "%s", text);
    if (!j->queued)
        job_free(j);
}

void jobs_end(struct store *s, const char *code, const char *text)
{
    struct job *j = s->jobs.all;

    while (j) { /* from the start again: the end of one may be the end of another */
        if (j->cancelled) {
            j = j->next_all;
            continue;
        }
        job_stop(j, code, text);
        j = s->jobs.all;
    }
}

/* Streams what there is. 0, or -ENOENT: nobody wants it any more. */
static int send_part(struct job *j)
{
    struct aiex_slice out = j->out;
    int r;

    j->out.len = 0;
    if (!out.len)
        return 0;
    r = j->s->host->stream(j->s->host, j->id, out);
    atomic_fetch_add(&j->s->parts, 1);
    j->part_len = 0;
    if (r == AIEX_PAUSE)
        j->paused = 1;
    return r < 0 ? -ENOENT : 0;
}

static void finish(struct job *j)
{
    if (j->code)
        aiex_refuse(j->s->host, j->id, j->code, "%s", j->text);
    else
        j->answer(j);
    job_free(j);
}

static void land(struct store *s, struct note *note)
{
    struct job *j = (struct job *)note;
    enum job_step stepped = j->stepped;
    int r = j->cancelled ? -ENOENT : send_part(j); /* which may come back: wake, resume, cancel */

    (void)s;
    j->queued = 0;
    if (r < 0 || j->cancelled) {
        job_free(j);
        return;
    }
    if (stepped == JOB_END) {
        finish(j);
        return;
    }
    j->want |= stepped == JOB_PART || j->woken;
    j->woken = 0;
    job_go(j);
}

/* ---- Readers ---- */

int job_room(struct job *j, size_t n)
{
    size_t size = j->part_size ? j->part_size : PART_BYTES + 4096;
    uint8_t *mem;

    if (j->part_len + n <= j->part_size)
        return 0;
    while (size < j->part_len + n)
        size *= 2;
    mem = realloc(j->part, size);
    if (!mem)
        return -ENOMEM;
    j->part = mem;
    j->part_size = size;
    return 0;
}

enum job_step job_refused(struct job *j, const char *code, const char *format, ...)
{
    va_list args;

    j->code = code;
    va_start(args, format);
    vsnprintf(j->text, sizeof(j->text), format, args);
    va_end(args);
    j->out.len = 0;
    return JOB_END;
}

enum job_step job_failed(struct job *j, int r, const char *what)
{
    if (r == -ENOMEM)
        return job_refused(j, AIEX_E_BUSY, "no memory to read %s", what);
    if (r == -EUCLEAN || r == -EBADMSG) {
        state_damage(j->s, what);
        return job_refused(j, AIEX_E_UNAVAILABLE, "damage in %.160s",
                           j->s->env.said[0] ? j->s->env.said : what);
    }
    return job_refused(j, AIEX_E_INTERNAL, "reading %.60s: %s", what, strerror(-r));
}

struct job *queue_take(struct store *s, struct queue *q, int64_t ms)
{
    struct jobs *jobs = &s->jobs;
    struct timespec until;
    struct job *j;
    int r = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&jobs->lock);
    while (!q->first && !jobs->stop && !q->nudged && r == 0)
        r = ms < 0 ? pthread_cond_wait(&q->wake, &jobs->lock)
                   : pthread_cond_timedwait(&q->wake, &jobs->lock, &until);
    q->nudged = 0;
    j = q->first;
    if (j) {
        q->first = j->next;
        if (!q->first)
            q->end = &q->first;
    }
    pthread_mutex_unlock(&jobs->lock);
    return j;
}

void queue_nudge(struct store *s, struct queue *q)
{
    pthread_mutex_lock(&s->jobs.lock);
    q->nudged = 1;
    pthread_cond_signal(&q->wake);
    pthread_mutex_unlock(&s->jobs.lock);
}

/* One large event must not keep its memory for ever. */
static void bulk_shrink(struct reader *reader)
{
    uint8_t *small = reader->bulk_size > 4 * BULK_BYTES ? malloc(BULK_BYTES) : NULL;

    if (!small)
        return;
    free(reader->bulk);
    reader->bulk = small;
    reader->bulk_size = BULK_BYTES;
}

void job_run(struct reader *reader, struct job *j)
{
    struct store *s = reader->s;
    char why[STATE_TEXT];
    enum phase phase;

    j->reader = reader;
    for (;;) { /* a restore closes and opens in between */
        state_wait(&s->state);
        pthread_rwlock_rdlock(&s->use);
        phase = state_told(&s->state, why);
        if (phase != OPENING)
            break;
        pthread_rwlock_unlock(&s->use);
    }
    if (phase != OPEN || !s->env.env)
        j->stepped = job_refused(j, AIEX_E_UNAVAILABLE, "%s", why[0] ? why : "the store is closed");
    else
        j->stepped = j->step(j);
    pthread_rwlock_unlock(&s->use);
    bulk_shrink(reader);
    j->note.land = land;
    box_put(s, &j->note);
}

static void *reader_main(void *arg)
{
    struct reader *reader = arg;
    struct job *j;

    while ((j = queue_take(reader->s, &reader->s->jobs.quick, -1)) != NULL)
        job_run(reader, j);
    return NULL;
}

/* ---- Life ---- */

static int reader_start(struct store *s, unsigned i, void *(*fn)(void *), struct aiex_error *err)
{
    struct reader *reader = &s->jobs.readers[i];
    int r;

    reader->s = s;
    reader->bulk_size = BULK_BYTES;
    reader->bulk = malloc(BULK_BYTES);
    r = reader->bulk ? thread_start(&reader->thread, fn, reader) : -ENOMEM;
    if (r < 0)
        return aiex_failed(err, r, "no thread for reads: %s", strerror(-r));
    reader->running = 1;
    return 0;
}

int jobs_start(struct store *s, struct aiex_error *err)
{
    int r = 0;

    for (unsigned i = 0; i < (unsigned)s->config.readers && r == 0; i++)
        r = reader_start(s, i, reader_main, err);
    return r ? r : reader_start(s, MAX_READERS, care_main, err);
}

void jobs_stop(struct store *s)
{
    struct jobs *jobs = &s->jobs;

    pthread_mutex_lock(&jobs->lock);
    jobs->stop = 1;
    pthread_cond_broadcast(&jobs->quick.wake);
    pthread_cond_broadcast(&jobs->slow.wake);
    pthread_mutex_unlock(&jobs->lock);
    for (unsigned i = 0; i <= MAX_READERS; i++) {
        struct reader *reader = &jobs->readers[i];

        if (reader->running)
            pthread_join(reader->thread, NULL);
        reader->running = 0;
        free(reader->bulk);
        reader->bulk = NULL;
    }
}

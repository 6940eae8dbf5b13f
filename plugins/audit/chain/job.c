/* job.c - long answers: a worker makes a part, the loop sends it, and so on; what jobs read. */
#include "chain.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void run_done(void *arg)
{
    struct chain *c = arg;

    pthread_mutex_lock(&c->workers.lock);
    c->workers.posted = 0;
    pthread_mutex_unlock(&c->workers.lock);
    jobs_done(c);
}

/* ---- Workers ---- */

static void *worker_main(void *arg)
{
    struct chain *c = arg;
    struct workers *w = &c->workers;
    struct job *j;

    pthread_mutex_lock(&w->lock);
    while (!w->stop) {
        j = w->queue;
        if (!j) {
            pthread_cond_wait(&w->wake, &w->lock);
            continue;
        }
        w->queue = j->next_work;
        if (!w->queue)
            w->queue_end = &w->queue;
        pthread_mutex_unlock(&w->lock);
        j->result = j->step(j);
        pthread_mutex_lock(&w->lock);
        j->next_work = NULL;
        *w->done_end = j;
        w->done_end = &j->next_work;
        if (!w->posted && c->host->post(c->host, run_done, c) == 0)
            w->posted = 1;
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

int workers_start(struct chain *c, struct aiex_error *err)
{
    static const int own[] = {SIGSYS, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
    struct workers *w = &c->workers;
    sigset_t all, old;
    int r = 0;

    w->queue_end = &w->queue;
    w->done_end = &w->done;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    sigfillset(&all);
    for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
        sigdelset(&all, own[i]);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    while (r == 0 && w->n_threads < N_WORKERS) {
        r = pthread_create(&w->threads[w->n_threads], NULL, worker_main, c);
        w->n_threads += r == 0;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return r ? aiex_failed(err, -r, "no thread for reading the log: %s", strerror(r)) : 0;
}

void workers_stop(struct chain *c)
{
    struct workers *w = &c->workers;

    if (!w->n_threads)
        return;
    pthread_mutex_lock(&w->lock);
    w->stop = 1;
    pthread_cond_broadcast(&w->wake);
    pthread_mutex_unlock(&w->lock);
    while (w->n_threads)
        pthread_join(w->threads[--w->n_threads], NULL);
}

/* ---- Jobs, on the loop ---- */

struct job *job_new(struct chain *c, uint64_t id, size_t size)
{
    struct job *j = c->n_jobs < MAX_JOBS ? calloc(1, size) : NULL;

    if (!j) {
        if (id)
            aiex_refuse(c->host, id, AIEX_E_BUSY, "%u reads of the audit log run already",
                        MAX_JOBS);
        return NULL;
    }
    j->chain = c;
    j->id = id;
    j->next = c->jobs;
    c->jobs = j;
    c->n_jobs++;
    return j;
}

static void job_free(struct job *j)
{
    struct job **at = &j->chain->jobs;

    while (*at != j)
        at = &(*at)->next;
    *at = j->next;
    j->chain->n_jobs--;
    free(j->part);
    j->free(j); /* frees the job as well */
}

void job_begin(struct job *j)
{
    struct workers *w = &j->chain->workers;

    j->working = 1;
    j->part_len = 0;
    pthread_mutex_lock(&w->lock);
    j->next_work = NULL;
    *w->queue_end = j;
    w->queue_end = &j->next_work;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

void job_refuse(struct job *j, const char *code, const char *text)
{
    if (j->id && !j->cancelled)
        aiex_refuse(j->chain->host, j->id, code, "%s", text);
    job_free(j);
}

static void end_job(struct job *j)
{
    const struct aiex_host *host = j->chain->host;

    if (j->ended)
        j->ended(j);
    else if (j->id && j->code)
        aiex_refuse(host, j->id, j->code, "%s", j->text);
    else if (j->id)
        host->reply(host, j->id, (struct aiex_slice){j->end, j->end_len});
    job_free(j);
}

static void go_on(struct job *j)
{
    const struct aiex_host *host = j->chain->host;
    int r = 0;

    j->working = 0;
    if (j->part_len && j->id && !j->cancelled) {
        r = host->stream(host, j->id, (struct aiex_slice){j->part, j->part_len});
        if (r < 0 && r != -ENOENT && !j->cancelled) {
            j->result = JOB_DONE;
            job_fail(j, AIEX_E_INTERNAL, "a part could not be sent: %s", strerror(-r));
        }
    }
    if (j->cancelled || r == -ENOENT)
        job_free(j);
    else if (j->result == JOB_DONE)
        end_job(j);
    else if (r == AIEX_PAUSE)
        j->paused = 1;
    else
        job_begin(j);
}

void jobs_done(struct chain *c)
{
    struct workers *w = &c->workers;
    struct job *list;

    pthread_mutex_lock(&w->lock);
    list = w->done;
    w->done = NULL;
    w->done_end = &w->done;
    pthread_mutex_unlock(&w->lock);
    while (list) {
        struct job *j = list;

        list = j->next_work;
        go_on(j);
    }
}

static struct job *find(struct chain *c, uint64_t id)
{
    struct job *j = c->jobs;

    while (j && (j->id != id || j->cancelled))
        j = j->next;
    return j;
}

void job_cancel(struct chain *c, uint64_t id)
{
    struct job *j = find(c, id);

    if (!j)
        return;
    j->cancelled = 1;
    if (j->paused)
        job_free(j); /* else it is with a worker, or waits for a head, and comes back */
}

void job_resume(struct chain *c, uint64_t id)
{
    struct job *j = find(c, id);

    if (!j || !j->paused)
        return;
    j->paused = 0;
    job_begin(j);
}

void jobs_end(struct chain *c, int tell)
{
    struct job *next;

    for (struct job *j = c->jobs; j; j = next) {
        next = j->next;
        if (tell && j->id && !j->cancelled)
            aiex_refuse(c->host, j->id, AIEX_E_UNAVAILABLE, "the audit log is stopping");
        j->cancelled = 1;
        if (!tell || j->paused)
            job_free(j);
    }
}

/* ---- For steps ---- */

int job_room(struct job *j, size_t n)
{
    size_t room = j->part_room ? j->part_room : PART_BYTES;
    uint8_t *grown;

    if (j->part_len + n <= j->part_room)
        return 0;
    while (room < j->part_len + n)
        room *= 2;
    grown = realloc(j->part, room);
    if (!grown)
        return -ENOMEM;
    j->part = grown;
    j->part_room = room;
    return 0;
}

int job_fail(struct job *j, const char *code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(j->text, sizeof(j->text), format, args);
    va_end(args);
    j->code = code;
    j->part_len = 0;
    return JOB_DONE;
}

/* ---- Entries in order ---- */

int view_take(struct chain *c, struct view *v)
{
    struct log *l = &c->log;
    int r = 0;

    memset(v, 0, sizeof(*v));
    pthread_mutex_lock(&l->lock);
    v->size = l->size;
    v->heads_end = l->heads_end;
    v->n_segments = l->n_segments;
    v->segments = malloc(l->n_segments * sizeof(*v->segments) + 1);
    if (v->segments && l->n_segments)
        memcpy(v->segments, l->segments, l->n_segments * sizeof(*v->segments));
    else if (!v->segments)
        r = -ENOMEM;
    pthread_mutex_unlock(&l->lock);
    return r;
}

void view_done(struct view *v)
{
    free(v->segments);
    memset(v, 0, sizeof(*v));
}

static int open_scan(struct walk *w, uint64_t offset)
{
    const struct segment *s = &w->view.segments[w->segment];
    int r = scan_begin(&w->scan, s->fd, s->salt, offset, s->end);

    w->scanning = r == 0;
    return r;
}

int walk_begin(struct chain *c, struct walk *w, uint64_t from)
{
    uint8_t item[INDEX_ITEM];
    uint64_t offset = SEGMENT_HEAD;
    int r;

    memset(w, 0, sizeof(*w));
    r = view_take(c, &w->view);
    if (r < 0)
        return r;
    w->segment = w->view.n_segments;
    if (from >= w->view.size)
        return 0;
    pthread_mutex_lock(&c->log.lock);
    w->segment = log_segment_of(&c->log, from);
    r = index_read(&c->log.index, from, 1, item);
    pthread_mutex_unlock(&c->log.lock);
    if (r < 0)
        return r;
    if (from > w->view.segments[w->segment].first && index_offset(item) != INDEX_NOWHERE)
        offset = index_offset(item);
    return open_scan(w, offset);
}

int walk_next(struct walk *w, struct record *r)
{
    while (w->segment < w->view.n_segments) {
        int kind = w->scanning ? 0 : open_scan(w, SEGMENT_HEAD);

        if (kind == 0)
            kind = scan_next(&w->scan, r);
        if (kind != 0)
            return kind;
        scan_done(&w->scan);
        w->scanning = 0;
        w->segment++;
    }
    return 0;
}

void walk_done(struct walk *w)
{
    if (w->scanning)
        scan_done(&w->scan);
    view_done(&w->view);
}

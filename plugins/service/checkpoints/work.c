/*
 * work.c - requests become jobs; one worker thread runs them in turn.
 *
 * Jobs that only look at the catalog are run on the loop once it is loaded, so that a list does not
 * wait behind a long create. Before its first job the worker reads the catalog, then waits for the
 * lock file, collects what a crash left, and goes on with a restore that was not finished.
 */
#include "checkpoints.h"

#include <stdarg.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>

#define LOCK_PAUSE_MS 20u

const struct verb verbs[] = {
    {"checkpoints.list", run_list, 1},
    {"checkpoints.show", run_show, 1},
    {"checkpoints.create", run_create, 0},
    {"checkpoints.delete", run_delete, 0},
    {"checkpoints.prune", run_prune, 0},
    {"checkpoints.verify", run_verify, 0},
    {"checkpoints.compare", run_compare, 0},
    {"checkpoints.restore", run_restore, 0},
    {"checkpoints.export", run_export, 0},
    {"checkpoints.import", run_import, 0},
    {0},
};

/* ---- Outcomes ---- */

int job_fail(struct job *j, const char *code, const char *format, ...)
{
    va_list args;

    j->code = code;
    va_start(args, format);
    vsnprintf(j->text, sizeof(j->text), format, args);
    va_end(args);
    return -EREMOTEIO;
}

int job_errno(struct job *j, int r, const char *what)
{
    if (r == -EREMOTEIO && j->code)
        return r;
    if (r == -ECANCELED)
        return job_fail(j, AIEX_E_CANCELLED, "it was given up"), r;
    if (r == -EDQUOT)
        return job_fail(j, AIEX_E_READ_ONLY, "nothing was kept: %.400s", what);
    if (r == -ENOSPC || r == -EFBIG)
        return job_fail(j, AIEX_E_READ_ONLY, "the disk is full, nothing was kept: %.400s", what);
    if (r == -ENOMEM)
        return job_fail(j, AIEX_E_BUSY, "no memory: %.400s", what);
    return job_fail(j, AIEX_E_INTERNAL, "%.470s", what);
}

int job_end_by(struct job *j, aiex_write_fn write, const void *arg)
{
    struct aiex_slice body = {NULL, 0};

    if (aiex_write_alloc(write, arg, &body) < 0)
        return job_errno(j, -ENOMEM, "the answer");
    free(j->end);
    j->end = (uint8_t *)(uintptr_t)body.data;
    j->end_len = body.len;
    return 0;
}

void job_done_by(struct job *j, aiex_write_fn write, const void *arg)
{
    if (job_end_by(j, write, arg) == 0)
        return;
    j->code = NULL;
    free(j->end);
    j->end = NULL;
    j->end_len = 0;
}

/* ---- Fields ---- */

int job_text(struct job *j, const char *key, char *out, size_t size)
{
    int r = aiex_get_text(j->body, key, out, size);

    if (r < 0)
        return job_fail(j, AIEX_E_INVALID, "field '%s' must be text of at most %zu bytes", key,
                        size - 1);
    return r;
}

int job_bool(struct job *j, const char *key, int *out)
{
    int r = aiex_get_bool(j->body, key, out);

    return r < 0 ? job_fail(j, AIEX_E_INVALID, "field '%s' must be true or false", key) : r;
}

int job_manifest(struct job *j, const char *key, struct manifest *ret)
{
    struct aiex_error err = {""};
    struct about about;
    char name[MAX_NAME + 1] = "";
    int r = job_text(j, key, name, sizeof(name));

    memset(ret, 0, sizeof(*ret));
    if (r < 0)
        return r;
    if (!name[0])
        return job_fail(j, AIEX_E_INVALID, "field '%s' must name a checkpoint", key);
    if (catalog_find(&j->s->catalog, name, &about) < 0)
        return job_fail(j, AIEX_E_NOT_FOUND, "there is no checkpoint '%s'", name);
    r = manifest_read(j->s->manifests, name, ret, &err);
    return r < 0 ? job_errno(j, r, err.text) : 0;
}

/* ---- Loop ---- */

static struct job *job_new(struct cps *s, const struct verb *verb, const struct aiex_message *m)
{
    size_t len = m ? m->body.len : 0;
    struct job *j = calloc(1, sizeof(*j) + len);

    if (!j)
        return NULL;
    j->s = s;
    j->verb = verb;
    j->body = (struct aiex_slice){j->mem, len};
    if (!m)
        return j;
    j->id = m->id;
    j->trace = m->trace;
    if (len)
        memcpy(j->mem, m->body.data, len);
    return j;
}

void work_land(struct cps *s, struct job *j)
{
    const struct aiex_host *host = s->host;
    const struct aiex_slice none = {NULL, 0};

    if (j->id && !j->cancelled && j->code)
        host->fail(host, j->id, j->code, j->text, 0, none);
    else if (j->id && !j->cancelled)
        host->reply(host, j->id, (struct aiex_slice){j->end, j->end_len});
    free(j->end);
    free(j);
    if (s->draining && s->drained && !s->first && !s->now) {
        s->drained(s->drained_arg);
        s->drained = NULL;
    }
}

static int queue(struct cps *s, struct job *j)
{
    int r = 0;

    pthread_mutex_lock(work_lock(s));
    if (s->n_jobs >= MAX_JOBS) {
        r = -EBUSY;
    } else {
        *s->end = j;
        s->end = &j->next;
        s->n_jobs++;
        pthread_cond_broadcast(work_cond(s));
    }
    pthread_mutex_unlock(work_lock(s));
    return r;
}

static int is_loaded(struct cps *s)
{
    int loaded;

    pthread_mutex_lock(&s->catalog.lock);
    loaded = s->catalog.loaded;
    pthread_mutex_unlock(&s->catalog.lock);
    return loaded;
}

int work_take(struct cps *s, const struct aiex_message *m)
{
    const struct verb *verb = verbs;
    struct job *j;

    while (verb->method && strcmp(verb->method, m->method) != 0)
        verb++;
    if (!verb->method)
        return -ENOSYS;
    if (s->draining)
        return aiex_refuse(s->host, m->id, AIEX_E_UNAVAILABLE, "the service is closing");
    j = job_new(s, verb, m);
    if (!j)
        return aiex_refuse(s->host, m->id, AIEX_E_BUSY, "no memory for the request");
    if (verb->quick && is_loaded(s)) {
        verb->run(j);
        work_land(s, j);
        return 0;
    }
    if (queue(s, j) < 0) {
        free(j);
        aiex_refuse(s->host, m->id, AIEX_E_BUSY, "%u jobs wait already", MAX_JOBS);
    }
    return 0;
}

void work_cancel(struct cps *s, uint64_t id)
{
    struct job **at = &s->first, *gone = NULL;

    pthread_mutex_lock(work_lock(s));
    if (s->now && s->now->id == id)
        s->now->cancelled = 1;
    while (*at && (*at)->id != id)
        at = &(*at)->next;
    if (*at) {
        gone = *at;
        *at = gone->next;
        if (!*at)
            s->end = at;
        s->n_jobs--;
    }
    pthread_cond_broadcast(work_cond(s));
    pthread_mutex_unlock(work_lock(s));
    free(gone);
}

void work_refuse_queued(struct cps *s, const char *text)
{
    for (;;) {
        struct job *j;

        pthread_mutex_lock(work_lock(s));
        j = s->first;
        if (j) {
            s->first = j->next;
            s->n_jobs--;
            if (!s->first)
                s->end = &s->first;
        }
        pthread_mutex_unlock(work_lock(s));
        if (!j)
            return;
        if (j->id)
            aiex_refuse(s->host, j->id, AIEX_E_UNAVAILABLE, "%s", text);
        free(j);
    }
}

/* ---- The worker ---- */

static struct job *next_job(struct cps *s)
{
    struct job *j = NULL;

    pthread_mutex_lock(work_lock(s));
    while (!s->first && !work_is_stopping(s))
        pthread_cond_wait(work_cond(s), work_lock(s));
    if (!work_is_stopping(s)) {
        j = s->first;
        s->first = j->next;
        if (!s->first)
            s->end = &s->first;
        s->n_jobs--;
        s->now = j;
    }
    pthread_mutex_unlock(work_lock(s));
    return j;
}

/* One that came before the catalog was there. */
static struct job *next_quick(struct cps *s)
{
    struct job **at = &s->first, *j;

    pthread_mutex_lock(work_lock(s));
    while (*at && !(*at)->verb->quick)
        at = &(*at)->next;
    j = *at;
    if (j) {
        *at = j->next;
        if (!*at)
            s->end = at;
        s->n_jobs--;
        s->now = j;
    }
    pthread_mutex_unlock(work_lock(s));
    return j;
}

static void run(struct job *j)
{
    struct cps *s = j->s;
    int r = atomic_load(&s->ready) || j->verb->quick
                ? j->verb->run(j)
                : job_fail(j, AIEX_E_UNAVAILABLE, "the data folder can not be used; see the log");

    if (r < 0 && !j->code)
        job_errno(j, r, strerror(-r));
    if (r < 0 && !j->verb->quick)
        atomic_fetch_add(&s->failed, 1);
    work_land_later(s, j);
}

/* Until the process that we replace is gone. What the catalog can answer does not wait for it. */
static int wait_for_lock(struct job *j)
{
    struct cps *s = j->s;
    struct job *quick;
    int told = 0, r = 0;

    while (r == 0 && flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -errno;
        if (!told++)
            aiex_logf(s->host, AIEX_LOG_NOTICE, 0,
                      "another process of this instance is at work; waiting for its end");
        while ((quick = next_quick(s)) != NULL)
            run(quick);
        r = job_pause(j, LOCK_PAUSE_MS);
    }
    return r;
}

static int begin_all(struct job *j)
{
    struct cps *s = j->s;
    struct aiex_error err = {""};
    char dir[420];
    size_t n = 0;
    int64_t bytes = 0;
    int r = catalog_load(s);

    if (r == 0)
        r = wait_for_lock(j);
    snprintf(dir, sizeof(dir), "%s/chunks", s->host->data_dir);
    r = r ? r : chunks_open(&s->chunks, dir, (int)s->config->level, &err);
    r = r ? r : catalog_load(s); /* what the other one did last */
    r = r ? r : folder_sync(s->host->data_dir);
    if (r < 0)
        return job_errno(j, r, err.text[0] ? err.text : strerror(-r));
    carry_clean(s);
    r = catalog_collect(j, &n, &bytes);
    if (r == 0 && n)
        aiex_logf(s->host, AIEX_LOG_NOTICE, 0,
                  "%zu files (%lld bytes) of an unfinished checkpoint were removed", n,
                  (long long)bytes);
    atomic_store(&s->ready, 1);
    return r;
}

static void resume(struct cps *s)
{
    struct job *j = job_new(s, NULL, NULL);

    if (!j)
        return;
    if (run_resume(j) < 0 && j->code && strcmp(j->code, AIEX_E_CANCELLED) != 0)
        aiex_logf(s->host, AIEX_LOG_WARN, 0, "a restore was not gone on with: %.400s", j->text);
    free(j->end);
    free(j);
}

void *work_main(void *arg)
{
    struct cps *s = arg;
    struct job *j = job_new(s, NULL, NULL);

    if (!j)
        return NULL;
    if (begin_all(j) < 0 && !work_is_stopping(s))
        aiex_logf(s->host, AIEX_LOG_ERROR, 0, "checkpoints can not be made: %.400s", j->text);
    free(j->end);
    free(j);
    if (atomic_load(&s->ready))
        resume(s);
    while ((j = next_job(s)) != NULL)
        run(j);
    return NULL;
}

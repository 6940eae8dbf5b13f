/*
 * care.c - the thread for what comes back or takes long: room on the disk, checkpoints, rows that
 * are over, and the jobs of verify and backup.
 *
 * A checkpoint: first the writer stamps all files in a transaction of its own, then Berkeley DB
 * writes its dirty pages, then the side record learns the stamp. In that order a file without
 * the stamp is an older copy, never one that was not yet written.
 */
#include "store.h"

#include "archive.h"
#include "page_hooks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TICK_MS       100
#define SPACE_MS      200
#define SWEEP_MS      1000
#define SYNC_MS       1000
#define CHECKPOINT_MS 60000
#define HOLD_AT       4 /* times `checkpoint`: the writer waits */

static int64_t mono_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* A write of the store's own; `flag` is up while it is on its way. */
static void begin_write(struct store *s, const struct write_kind *kind, atomic_int *flag)
{
    const struct aiex_slice nothing = {NULL, 0};
    struct write *w;

    if (atomic_exchange(flag, 1))
        return;
    w = write_new(kind, 0, nothing);
    if (w && writer_put(s, w) == 0)
        return;
    if (w)
        write_free(w);
    atomic_store(flag, 0);
}

/* ---- Room ---- */

static void look_at_space(struct store *s)
{
    struct space *sp = &s->space;

    if (!space_enough(sp)) {
        state_set(s, FULL, "less than %lld bytes are free for '%.150s'", (long long)sp->min_free,
                  sp->folder);
        return;
    }
    /* writing again needs the ballast back, or the next full disk finds none */
    if (space_fill(sp) == 0)
        state_clear(s, FULL);
}

/* ---- Checkpoints ---- */

static uint64_t log_bytes(struct store *s)
{
    DB_LOG_STAT *stat;
    uint64_t bytes;

    if (s->env.env->log_stat(s->env.env, &stat, 0) != 0)
        return 0;
    bytes = (uint64_t)stat->st_w_mbytes << 20 | stat->st_w_bytes;
    free(stat);
    return bytes;
}

static uint64_t due_bytes(struct store *s)
{
    return (uint64_t)__atomic_load_n(&s->config.checkpoint, __ATOMIC_RELAXED);
}

void care_pace(struct store *s)
{
    struct care *care = &s->care;
    uint64_t behind = log_bytes(s) - atomic_load(&care->begun);

    if (behind < due_bytes(s))
        return;
    if (!atomic_exchange(&care->hurrying, 1))
        queue_nudge(s, &s->jobs.slow);
    if (behind < HOLD_AT * due_bytes(s))
        return;
    pthread_mutex_lock(&care->running);
    pthread_mutex_unlock(&care->running);
}

/* Everything dirty to its place. 0 or negative errno. */
static int checkpoint(struct store *s, uint64_t stamp)
{
    DB_ENV *env = s->env.env;
    int64_t began = mono_ms();
    uint64_t bytes = log_bytes(s);
    int r;

    hooks_hurry(1);
    r = env_errno(&s->env, env->txn_checkpoint(env, 0, 0, DB_FORCE));
    hooks_hurry(0);
    if (r < 0)
        return r;
    aiex_logf(s->host, AIEX_LOG_DEBUG, 0, "checkpoint %llu took %lld ms", (unsigned long long)stamp,
              (long long)(mono_ms() - began));
    fail_pass(&s->fail, FAIL_CHECKPOINT);
    archive_logs(s);
    pthread_mutex_lock(&s->side_lock);
    s->acknowledged.stamp = stamp;
    r = side_write(&s->side, &s->acknowledged);
    r = r ? r : side_sync(&s->side);
    pthread_mutex_unlock(&s->side_lock);
    s->care.checked = stamp;
    s->care.log_bytes = log_bytes(s);
    atomic_store(&s->care.begun, bytes);
    atomic_store(&s->care.hurrying, 0);
    atomic_fetch_add(&s->checkpoints, 1);
    return r;
}

static void checkpoint_failed(struct store *s, int r)
{
    if (r == -ENOMEM || r == -EAGAIN) /* the log has it all; the next look tries again */
        aiex_logf(s->host, AIEX_LOG_WARN, 0, "no memory or locks for a checkpoint; trying again");
    else if (r == -EUCLEAN)
        state_damage(s, "the database, found by a checkpoint");
    else
        state_set(s, r == -ENOSPC ? FULL : UNSURE, "a checkpoint failed: %s", strerror(-r));
}

static void look_at_log(struct store *s, int64_t now)
{
    struct care *care = &s->care;
    uint64_t stamped = atomic_load(&care->stamped), bytes = log_bytes(s);
    int due = bytes - atomic_load(&care->begun) >= due_bytes(s) ||
              (now >= care->next_checkpoint_ms && bytes != care->log_bytes);
    int r = 0;

    atomic_store(&s->log_bytes, bytes);
    if (stamped != care->checked) {
        fail_pass(&s->fail, FAIL_STAMP);
        pthread_mutex_lock(&care->running);
        r = checkpoint(s, stamped);
        pthread_mutex_unlock(&care->running);
        care->next_checkpoint_ms = now + CHECKPOINT_MS;
    } else if (due && state_writes(&s->state, NULL, 0)) {
        begin_write(s, &stamp_kind, &care->stamping);
    } else if (due && state_has(&s->state, FULL) && !state_has(&s->state, DAMAGE)) {
        /* logs that are done with give room; a stamp would want some */
        r = env_errno(&s->env, s->env.env->txn_checkpoint(s->env.env, 0, 0, 0));
        archive_logs(s);
        care->next_checkpoint_ms = now + SYNC_MS;
    }
    if (r < 0)
        checkpoint_failed(s, r);
}

/* ---- The thread ---- */

/* 1 = it is to look again at once. */
static int look(struct store *s)
{
    struct care *care = &s->care;
    int64_t now = mono_ms();
    int r;

    if (now >= care->next_space_ms) {
        care->next_space_ms = now + SPACE_MS;
        look_at_space(s);
    }
    look_at_log(s, now);
    if (now >= care->next_sync_ms) {
        care->next_sync_ms = now + SYNC_MS;
        side_sync(&s->side);
    }
    if (now >= care->next_sweep_ms && state_writes(&s->state, NULL, 0)) {
        care->next_sweep_ms = now + SWEEP_MS;
        begin_write(s, &sweep_kind, &care->sweeping);
    }
    r = known_scan(s);
    if (r == -EUCLEAN)
        state_damage(s, "ids.db");
    return r == 1;
}

void *care_main(void *arg)
{
    struct reader *reader = arg;
    struct store *s = reader->s;
    int stop = 0, scanning = 0;

    s->care.next_checkpoint_ms = mono_ms();
    state_wait(&s->state);
    while (!stop) {
        struct job *j = queue_take(s, &s->jobs.slow, scanning ? 1 : TICK_MS);

        if (j)
            job_run(reader, j);
        pthread_rwlock_rdlock(&s->use);
        if (s->env.env && !atomic_load(&s->env.panicked) && state_now(&s->state) == OPEN)
            scanning = look(s);
        pthread_rwlock_unlock(&s->use);
        pthread_mutex_lock(&s->jobs.lock);
        stop = s->jobs.stop && !s->jobs.slow.first;
        pthread_mutex_unlock(&s->jobs.lock);
    }
    return NULL;
}

/*
 * writer.c - the one thread that writes: queue, batch, commit, flush, answers.
 *
 * A batch is what lies in the queue when the batch before it is done. Its requests are applied in
 * the order in which they came. When the database loses a lock to a reader (rare: readers give way)
 * the whole batch is applied again from the same counters. When it can not be committed at all,
 * nothing of it is there and everybody is told so; when the flush fails, nobody knows, which is
 * what everybody is told, and nothing is written until a restart has looked at what there is: a
 * kernel that failed an fdatasync once may have forgotten the pages.
 */
#include "store.h"

#include "restore_point.h"

#include <stdarg.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define TRIES   40  /* of a batch that lost a lock; with the pauses, most of a second */
#define WAIT_MS 5   /* between looks whether the process that we replace is gone */
#define FULL_MS 200 /* between openings on a full disk */

int64_t wall_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static uint64_t now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

int refuse(struct write *w, const char *code, const char *format, ...)
{
    va_list args;

    w->code = code;
    va_start(args, format);
    vsnprintf(w->text, sizeof(w->text), format, args);
    va_end(args);
    return REFUSED;
}

uint8_t *writer_mem(struct store *s, size_t size)
{
    struct writer *wr = &s->writer;

    if (size > wr->mem_size) {
        uint8_t *mem = realloc(wr->mem, size + 4096);

        if (!mem)
            return NULL;
        wr->mem = mem;
        wr->mem_size = size + 4096;
    }
    return wr->mem;
}

void gate_enter(struct gate *g)
{
    pthread_mutex_lock(&g->turn);
    pthread_mutex_lock(&g->inside);
    pthread_mutex_unlock(&g->turn);
}

void gate_leave(struct gate *g)
{
    pthread_mutex_unlock(&g->inside);
}

/* ---- The queue ---- */

int writer_put(struct store *s, struct write *w)
{
    struct writer *wr = &s->writer;
    int r = 0;

    w->next = NULL;
    pthread_mutex_lock(&wr->lock);
    if (wr->over || wr->n >= QUEUE_WRITES || (wr->n && wr->bytes + w->bytes > QUEUE_BYTES)) {
        r = -EBUSY;
    } else {
        *wr->end = w;
        wr->end = &w->next;
        wr->bytes += w->bytes;
        if (wr->n++ == 0)
            pthread_cond_signal(&wr->wake);
    }
    pthread_mutex_unlock(&wr->lock);
    return r;
}

/* With the lock: the requests of the next batch. */
static struct write *cut(struct writer *wr)
{
    struct write *first = wr->first, **end = &wr->first;
    size_t n = 0, bytes = 0, events = 0;

    while (*end && n < BATCH_WRITES && events < BATCH_EVENTS && bytes < BATCH_BYTES) {
        if (n && ((*end)->kind->alone || first->kind->alone))
            break;
        n++;
        bytes += (*end)->bytes;
        events += (*end)->events;
        end = &(*end)->next;
    }
    wr->first = *end;
    if (!wr->first)
        wr->end = &wr->first;
    *end = NULL;
    wr->n -= n;
    wr->bytes -= bytes;
    return n ? first : NULL;
}

/* NULL: stop, nothing is left. */
static struct write *next_batch(struct writer *wr)
{
    struct write *batch;

    pthread_mutex_lock(&wr->lock);
    while (!wr->first && !wr->stop)
        pthread_cond_wait(&wr->wake, &wr->lock);
    batch = cut(wr);
    wr->over = !batch;
    pthread_mutex_unlock(&wr->lock);
    return batch;
}

/* ---- The outcome ---- */

static void land(struct store *s, struct note *note)
{
    struct write *w = (struct write *)note;

    if (w->code)
        atomic_fetch_add(&s->conflicts, !strcmp(w->code, AIEX_E_CONFLICT));
    if (w->kind->answer)
        w->kind->answer(s, w);
    write_free(w);
}

static void hand_out(struct store *s, struct write *batch)
{
    struct note *first = &batch->note, **end = &first;

    fail_pass(&s->fail, FAIL_ANSWER);
    for (struct write *w = batch; w; w = w->next) {
        w->note.land = land;
        *end = &w->note;
        end = &w->note.next;
    }
    *end = NULL;
    box_put_all(s, first, end);
}

/* Nothing of the batch is there (or nobody knows: `unknown`). */
static void fail_all(struct write *batch, const char *code, const char *text, int unknown)
{
    for (struct write *w = batch; w; w = w->next) {
        if (w->code) /* refused before by what it asked for */
            continue;
        refuse(w, code, "%s", text);
        w->unknown = unknown;
    }
}

static int wants_room(int r)
{
    return r == -ENOSPC || r == -EDQUOT || r == -EFBIG;
}

/* The disk refused or the database is damaged; what does it mean for the store? */
static void fall(struct store *s, struct write *batch, int r, int unknown)
{
    const char *code = AIEX_E_READ_ONLY;
    char text[320];

    if (unknown && wants_room(r)) {
        state_set(s, UNSURE, "a flush of the log failed (%s); the store is opened anew",
                  strerror(-r));
        space_drop(&s->space);
        s->writer.reopens = 1;
    } else if (unknown) {
        state_set(s, UNSURE, "a flush of the log failed (%s); restart the store", strerror(-r));
    } else if (wants_room(r)) {
        space_drop(&s->space);
        state_set(s, FULL, "the disk of '%.150s' is full", s->space.folder);
    } else if (r == -EUCLEAN || r == -EBADMSG || r == -EEXIST || r == -ENOENT) {
        state_damage(s, "the database, found while writing");
    } else if (r == -EAGAIN || r == -ENOMEM) {
        fail_all(batch, AIEX_E_BUSY, "the database is out of locks or memory; try again", 0);
        return;
    } else {
        state_set(s, UNSURE, "the database can not be written: %s; restart the store",
                  strerror(-r));
    }
    state_writes(&s->state, text, sizeof(text));
    if (unknown)
        code = AIEX_E_TIMEOUT;
    fail_all(batch, code, text, unknown);
}

/* ---- One batch ---- */

static int apply_one(struct store *s, DB_TXN *txn, struct write *w)
{
    int r;

    w->code = NULL;
    w->unknown = w->duplicate = 0;
    w->failed = -1;
    r = epoch_check(s, txn, w);
    if (r == 0)
        r = w->kind->apply(s, txn, w);
    if (r == 0)
        r = epoch_put(s, txn, w);
    return r;
}

/* A restore can end here. */
static int put_point(struct store *s, const struct tail *t)
{
    const struct restore_point point = {.time_ms = (uint64_t)wall_ms(),
                                        .sequence = t->sequence,
                                        .commits = t->commits,
                                        .transactions = t->transactions};

    return restore_point_put(&s->env, &point);
}

/* What earlier batches left for later: ids and marks. The same results as of apply_all(). */
static int file_late(struct store *s, DB_TXN *txn)
{
    int ids = ids_file(s, txn), marks = ids < 0 ? ids : marks_flush(s, txn);

    return marks == UNCHANGED ? ids : marks;
}

/* 0 = something was put, UNCHANGED = nothing was, or negative errno. */
static int apply_all(struct store *s, DB_TXN *txn, struct write *batch)
{
    int result;

    s->writer.draft = s->writer.tail;
    events_drop(s);
    result = file_late(s, txn);
    if (result < 0)
        return result;
    for (struct write *w = batch; w; w = w->next) {
        int r = apply_one(s, txn, w);

        if (r < 0)
            return r;
        if (r == 0)
            result = 0;
    }
    if (result == 0) {
        s->writer.draft.commits++;
        result = events_flush(s, txn);
        result = result ? result : tail_put(s, txn, &s->writer.draft);
        if (result == 0 && s->lineage[0])
            result = put_point(s, &s->writer.draft);
    }
    return result;
}

static enum level highest(const struct write *batch)
{
    enum level level = APPLIED;

    for (; batch; batch = batch->next)
        if (!batch->code && batch->level > level)
            level = batch->level;
    return level;
}

/* The log on the disk, when somebody waits for that, and the side record. */
static int settle(struct store *s, enum level level)
{
    DB_ENV *env = s->env.env;
    uint64_t began;
    int r = 0;

    if (level == SYNCED) {
        began = now_us();
        r = env_errno(&s->env, env->log_flush(env, NULL));
        atomic_fetch_add(&s->flushes, 1);
        atomic_fetch_add(&s->flush_us, now_us() - began);
    }
    fail_pass(&s->fail, FAIL_FLUSH);
    if (r == 0)
        r = store_acknowledge(s, &s->writer.draft);
    fail_pass(&s->fail, FAIL_SIDE);
    return r;
}

/* *ret_sure: it failed, and is not there. */
static int finish(struct store *s, DB_TXN *txn, enum level level, int *ret_sure)
{
    int r;

    *ret_sure = 1;
    r = env_errno(&s->env, txn->commit(txn, DB_TXN_WRITE_NOSYNC));
    if (r == 0) {
        *ret_sure = 0;
        fail_pass(&s->fail, FAIL_COMMIT);
        r = settle(s, level);
    }
    /* a quorum would be waited for here: the log is on our disk and no lock of the database held */
    return r;
}

static void publish(struct store *s)
{
    struct tail *t = &s->writer.tail;

    *t = s->writer.draft;
    atomic_store(&s->visible, t->sequence);
    atomic_store(&s->marked, t->marked);
    atomic_store(&s->filed, t->filed);
    atomic_store(&s->streams, t->streams);
    atomic_store(&s->bytes, t->events_bytes);
    atomic_store(&s->transactions, t->transactions);
    atomic_store(&s->epoch, t->epoch);
    atomic_fetch_add(&s->batches, 1);
}

/* 0, -EAGAIN (again), or what fall() is told. */
static int try_batch(struct store *s, struct write *batch, int *ret_sure)
{
    DB_TXN *txn;
    int r = env_errno(&s->env, s->env.env->txn_begin(s->env.env, NULL, &txn, 0));

    *ret_sure = 1;
    if (r < 0)
        return r;
    r = apply_all(s, txn, batch);
    if (r != 0) {
        streams_forget(s);
        txn->abort(txn);
        return r == UNCHANGED ? 0 : r;
    }
    fail_pass(&s->fail, FAIL_BATCH);
    r = finish(s, txn, highest(batch), ret_sure);
    if (r == 0)
        publish(s);
    else
        streams_forget(s);
    for (struct write *w = batch; w && r == 0; w = w->next)
        if (!w->code && w->kind->committed)
            w->kind->committed(s, w);
    return r;
}

/* Before the nth try. A reader that lost its lock may not have run since, on a busy machine: then
 * it still holds what the batch wants. */
static void before_try(int n)
{
    struct timespec pause = {.tv_nsec = n * 1000 * 1000};

    if (n)
        nanosleep(&pause, NULL);
}

/* ---- The same with an archive ---- */

/* One request as a transaction of its own, so that a restore can end behind it. */
static int commit_one(struct store *s, struct write *w)
{
    DB_TXN *txn;
    int r = env_errno(&s->env, s->env.env->txn_begin(s->env.env, NULL, &txn, 0));

    if (r < 0)
        return r;
    r = apply_all(s, txn, w);
    if (r != 0) {
        streams_forget(s);
        txn->abort(txn);
        return r == UNCHANGED ? 0 : r;
    }
    fail_pass(&s->fail, FAIL_BATCH);
    r = env_errno(&s->env, txn->commit(txn, DB_TXN_WRITE_NOSYNC));
    if (r == 0)
        s->writer.tail = s->writer.draft;
    else
        streams_forget(s);
    fail_pass(&s->fail, FAIL_COMMIT);
    return r;
}

/* Up to the first that can not be committed; *ret_rest: it and those behind, NULL = none. */
static int commit_each(struct store *s, struct write *batch, struct write **ret_rest)
{
    int r = 0;

    for (struct write *w = batch; w; w = w->next) {
        struct write *next = w->next;

        w->next = NULL; /* a batch of one */
        for (int i = 0; i < TRIES && (i == 0 || r == -EAGAIN); i++) {
            before_try(i);
            r = commit_one(s, w);
        }
        w->next = next;
        *ret_rest = r < 0 ? w : NULL;
        if (r < 0)
            break;
    }
    s->writer.draft = s->writer.tail; /* of the last one that was committed */
    return r;
}

/* One flush for all that were committed. */
static void run_each(struct store *s, struct write *batch)
{
    struct write *rest = NULL, *done = batch, **cut_at = &done;
    int r, settled = 0;

    gate_enter(&s->gate);
    r = commit_each(s, batch, &rest);
    while (*cut_at != rest)
        cut_at = &(*cut_at)->next;
    *cut_at = NULL;
    if (done)
        settled = settle(s, highest(done));
    if (settled == 0)
        publish(s);
    else
        streams_forget(s);
    for (struct write *w = done; w && settled == 0; w = w->next)
        if (!w->code && w->kind->committed)
            w->kind->committed(s, w);
    rows_release(s);
    gate_leave(&s->gate);
    if (settled < 0)
        fall(s, done, settled, 1);
    if (r < 0)
        fall(s, rest, r, 0);
    *cut_at = rest;
    hand_out(s, batch);
}

static void run_batch(struct store *s, struct write *batch)
{
    char why[320];
    int r = 0, sure = 1;

    if (batch->kind->run) {
        batch->kind->run(s, batch);
        hand_out(s, batch);
        return;
    }
    if (!state_writes(&s->state, why, sizeof(why)) && batch->kind != &accept_kind) {
        fail_all(batch, AIEX_E_READ_ONLY, why, 0);
        hand_out(s, batch);
        return;
    }
    care_pace(s);
    for (struct write *w = batch; w && r == 0; w = w->next)
        r = tables_prepare(s, w);
    if (s->lineage[0] && r == 0) {
        run_each(s, batch);
        return;
    }
    for (int i = 0; i < TRIES && (i == 0 ? r == 0 : r == -EAGAIN); i++) {
        before_try(i);
        gate_enter(&s->gate);
        r = try_batch(s, batch, &sure);
        rows_release(s);
        gate_leave(&s->gate);
    }
    if (r < 0)
        fall(s, batch, r, !sure);
    hand_out(s, batch);
}

/* ---- The thread ---- */

static int is_stopped(struct writer *wr)
{
    int stop;

    pthread_mutex_lock(&wr->lock);
    stop = wr->stop;
    pthread_mutex_unlock(&wr->lock);
    return stop;
}

/* What was queued while the disk was thought to have room. */
static void refuse_queued(struct store *s)
{
    struct write *batch;
    char why[320];

    state_writes(&s->state, why, sizeof(why));
    do {
        pthread_mutex_lock(&s->writer.lock);
        batch = cut(&s->writer);
        pthread_mutex_unlock(&s->writer.lock);
        if (batch) {
            fail_all(batch, AIEX_E_READ_ONLY, why, 0);
            hand_out(s, batch);
        }
    } while (batch);
}

/* 0 = open, -EAGAIN = the disk is full, or was a moment ago: later. Else negative errno. */
static int try_open(struct store *s, unsigned *strikes)
{
    struct aiex_error err = {""};
    int r;

    /* what gave up does not give back all its memory: not again without hope */
    if (state_has(&s->state, FULL) && !space_enough(&s->space))
        return -EAGAIN;
    r = store_open(s, &err);
    if (r == -ENOSPC) {
        *strikes = 0;
        state_set(s, FULL, "the disk is too full to open the store: %.150s", err.text);
        refuse_queued(s);
        return -EAGAIN;
    }
    if (r < 0 && state_has(&s->state, FULL) && ++*strikes < 3)
        return -EAGAIN;
    if (r < 0)
        state_phase(&s->state, FAILED, err.text);
    return r;
}

/* Until the process that we replace is gone, and until the disk has room to recover. */
static int wait_to_open(struct store *s, int held)
{
    struct timespec pause = {.tv_nsec = WAIT_MS * 1000 * 1000};
    unsigned strikes = 0;
    int r = -EAGAIN;

    for (;;) {
        held = held == LOCK_TAKEN ? held : lock_try(&s->lock, s->host->instance);
        if (held == LOCK_TAKEN)
            r = try_open(s, &strikes);
        if (r != -EAGAIN)
            return r;
        if (is_stopped(&s->writer)) {
            state_phase(&s->state, FAILED, "the store is closing and was not open yet");
            return -ECANCELED;
        }
        nanosleep(&pause, NULL);
        pause.tv_nsec = (held == LOCK_TAKEN ? FULL_MS : WAIT_MS) * 1000 * 1000;
    }
}

/* What is behind a failed flush is known to the log alone: as a restart would, but at once. */
static int reopen(struct store *s)
{
    s->writer.reopens = 0;
    state_phase(&s->state, OPENING, NULL); /* before, so that nobody begins in between */
    store_close(s);
    state_clear(s, UNSURE);
    return wait_to_open(s, LOCK_TAKEN);
}

static void land_closed(struct store *s, struct note *note)
{
    (void)note; /* it is part of the store */
    if (s->drained)
        s->drained(s->drained_arg);
    s->drained = NULL;
}

static void *writer_main(void *arg)
{
    struct store *s = arg;
    struct write *batch;
    int r = wait_to_open(s, LOCK_WAITING);

    if (r < 0 && r != -ECANCELED)
        aiex_logf(s->host, AIEX_LOG_ERROR, 0, "the store is not open: %.400s", s->state.failed);
    while ((batch = next_batch(&s->writer)) != NULL) {
        if (r == 0 || (batch->kind->run && r != -ECANCELED)) {
            run_batch(s, batch);
            r = s->writer.reopens ? reopen(s) : state_now(&s->state) == OPEN ? 0 : -EIO;
        } else {
            fail_all(batch, AIEX_E_UNAVAILABLE, s->state.failed, 0);
            hand_out(s, batch);
        }
    }
    store_close(s);
    lock_close(&s->lock);
    state_phase(&s->state, CLOSED, "the store is closed");
    s->closed.land = land_closed;
    box_put(s, &s->closed);
    return NULL;
}

int thread_start(pthread_t *thread, void *(*fn)(void *), void *arg)
{
    /* what a thread causes by itself must not be blocked: aiex_plugin.h, AIEX_NEED_THREADS */
    static const int own[] = {SIGSYS, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
    sigset_t all, old;
    int r;

    sigfillset(&all);
    for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
        sigdelset(&all, own[i]);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    r = pthread_create(thread, NULL, fn, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return -r;
}

int writer_start(struct store *s, struct aiex_error *err)
{
    int r = thread_start(&s->writer.thread, writer_main, s);

    if (r < 0)
        return aiex_failed(err, r, "no thread for the writer: %s", strerror(-r));
    s->writer.running = 1;
    return 0;
}

void writer_end(struct store *s)
{
    pthread_mutex_lock(&s->writer.lock);
    s->writer.stop = 1;
    pthread_cond_signal(&s->writer.wake);
    pthread_mutex_unlock(&s->writer.lock);
}

void writer_stop(struct store *s)
{
    if (!s->writer.running)
        return;
    writer_end(s);
    pthread_join(s->writer.thread, NULL);
    s->writer.running = 0;
    free(s->writer.mem);
    s->writer.mem = NULL;
    events_done(s);
    streams_done(s);
    marks_done(s);
    ids_done(s);
}

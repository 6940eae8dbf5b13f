/*
 * writer.c - the thread that owns the log. It takes all ops that came while it was writing as the
 * next batch; nothing waits for a batch to fill.
 */
#include "chain.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RETRY_MS 200u /* how often a full disk and the files are looked at */
#define LOOK_MS  400u
#define WAIT_MS  50

/* What one turn of the thread knows. */
struct turn {
    struct chain *c;
    struct op *batch, **batch_end; /* added, not committed */
    uint64_t looked, retried, headed, head_size;
};

static void run_done(void *arg)
{
    struct chain *c = arg;

    pthread_mutex_lock(&c->writer.lock);
    c->writer.posted = 0;
    pthread_mutex_unlock(&c->writer.lock);
    append_done(c);
}

/* With the lock held. A post that fails is made up for by the tick. */
static void post_done(struct chain *c)
{
    if (!c->writer.posted && c->host->post(c->host, run_done, c) == 0)
        c->writer.posted = 1;
}

static void give_back(struct chain *c, struct op *first)
{
    struct writer_thread *w = &c->writer;

    if (!first)
        return;
    pthread_mutex_lock(&w->lock);
    *w->done_end = first;
    while (*w->done_end)
        w->done_end = &(*w->done_end)->next;
    w->size = c->log.size;
    post_done(c);
    pthread_mutex_unlock(&w->lock);
}

static void give_one(struct chain *c, struct op *op, int result, const char *why)
{
    op->result = result;
    op->next = NULL;
    snprintf(op->why, sizeof(op->why), "%s", why);
    give_back(c, op);
}

static void set_state(struct chain *c, enum state state, const char *reason)
{
    struct writer_thread *w = &c->writer;

    pthread_mutex_lock(&w->lock);
    if (w->state != STATE_FAULT && w->state != STATE_DEAD) { /* these stay */
        w->state = state;
        snprintf(w->reason, sizeof(w->reason), "%s", reason);
    }
    w->size = c->log.size;
    post_done(c);
    pthread_mutex_unlock(&w->lock);
}

static enum state get_state(struct chain *c)
{
    enum state s;

    pthread_mutex_lock(&c->writer.lock);
    s = c->writer.state;
    pthread_mutex_unlock(&c->writer.lock);
    return s;
}

/* ---- Batches ---- */

static void fail_batch(struct turn *t, int result, const char *why)
{
    for (struct op *op = t->batch; op; op = op->next) {
        op->result = result;
        snprintf(op->why, sizeof(op->why), "%s", why);
    }
}

/* Erases what the entries of this batch say. */
static void erase_batch(struct turn *t)
{
    for (struct op *op = t->batch; op; op = op->next)
        if (op->kind == OP_REDACT) {
            op->result = log_erase(&t->c->log, (uint64_t)op->target, op->entry.seq);
            if (op->result < 0)
                snprintf(op->why, sizeof(op->why),
                         "entry %" PRIu64 " records it, but the payload could not be erased: %s; "
                         "ask again",
                         op->entry.seq, strerror(-op->result));
        }
}

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void commit(struct turn *t)
{
    struct chain *c = t->c;
    struct op *batch;
    uint64_t began = now_us();
    int r = log_commit(&c->log);

    pthread_mutex_lock(&c->writer.lock);
    c->writer.commits++;
    c->writer.commit_us += now_us() - began;
    pthread_mutex_unlock(&c->writer.lock);
    if (r < 0) {
        char why[400];

        snprintf(why, sizeof(why), "the log in '%s' takes nothing: %s", c->log.dir, strerror(-r));
        set_state(c, STATE_FULL, why);
        fail_batch(t, r, why);
    } else {
        erase_batch(t);
    }
    if (c->log.faulty)
        set_state(c, STATE_FAULT, c->log.fault);
    batch = t->batch;
    t->batch = NULL;
    t->batch_end = &t->batch;
    give_back(c, batch);
}

static void add(struct turn *t, struct op *op)
{
    struct chain *c = t->c;
    enum state state = get_state(c);
    int r = 0;

    if (state != STATE_OK) {
        give_one(c, op, -EROFS, c->writer.reason);
        return;
    }
    if (op->kind == OP_REDACT) {
        commit(t); /* its target may be in this batch */
        r = log_can_erase(&c->log, (uint64_t)op->target);
    }
    if (r == 0)
        r = log_add(&c->log, &op->entry);
    if (r == -ENOBUFS) {
        commit(t);
        r = get_state(c) == STATE_OK ? log_add(&c->log, &op->entry) : -EROFS;
    }
    if (r < 0) {
        give_one(c, op, r, r == -E2BIG ? "too many writers" : strerror(-r));
        return;
    }
    op->next = NULL;
    *t->batch_end = op;
    t->batch_end = &op->next;
}

/* ---- Heads ---- */

static char *key_text(const struct aiex_note_key *key)
{
    char text[AIEX_NOTE_KEY];

    aiex_note_key_text(key, text);
    return strdup(text);
}

static void make_head(struct turn *t, struct op *op)
{
    struct chain *c = t->c;

    op->note = malloc(AIEX_NOTE_MAX);
    if (!op->note) {
        give_one(c, op, -ENOMEM, "no memory");
        return;
    }
    op->note[log_head(&c->log, op->note, &op->size, op->root)] = 0;
    op->cosigned = c->log.heads.cosigned ? strdup(c->log.heads.cosigned) : NULL;
    op->key = key_text(&c->log.signer.key);
    op->heads_end = c->log.heads.end;
    t->head_size = op->size;
    give_one(c, op, 0, "");
}

static void rotate(struct turn *t, struct op *op)
{
    struct chain *c = t->c;
    struct aiex_error err = {""};
    enum state state = get_state(c);
    int r = state == STATE_OK ? keys_rotate(&c->log, &op->entry, &err) : -EROFS;

    if (state != STATE_OK)
        snprintf(err.text, sizeof(err.text), "%.400s", c->writer.reason);
    op->key = key_text(&c->log.signer.key);
    t->head_size = c->log.heads.size;
    give_one(c, op, r, err.text);
}

/* op->note is a checked note that witnesses signed; only its root is not compared yet. */
static void cosign(struct turn *t, struct op *op)
{
    struct log *l = &t->c->log;
    uint8_t root[AIEX_HASH];
    int r;

    pthread_mutex_lock(&l->lock);
    r = aiex_tree_root_at(&l->tree, op->size, root);
    pthread_mutex_unlock(&l->lock);
    if (r == 0 && memcmp(root, op->root, AIEX_HASH) != 0)
        r = -EBADMSG;
    if (r == 0 && !l->faulty)
        r = heads_store(&l->heads, (struct aiex_slice){(uint8_t *)op->note, strlen(op->note)});
    pthread_mutex_lock(&l->lock);
    l->heads_end = l->heads.end;
    pthread_mutex_unlock(&l->lock);
    give_one(t->c, op, r,
             r == -EBADMSG || r == -ERANGE ? "the head is not one of this log" : strerror(-r));
}

static void head_due(struct turn *t, uint64_t now)
{
    struct chain *c = t->c;
    uint64_t interval = (uint64_t)__atomic_load_n(&c->head_interval, __ATOMIC_RELAXED);
    uint64_t entries = (uint64_t)__atomic_load_n(&c->head_entries, __ATOMIC_RELAXED);
    uint8_t root[AIEX_HASH];
    char *note;

    if (c->log.size == t->head_size || get_state(c) != STATE_OK ||
        (now - t->headed < interval && c->log.size - t->head_size < entries))
        return;
    note = malloc(AIEX_NOTE_MAX);
    if (!note)
        return;
    log_head(&c->log, note, &t->head_size, root);
    t->headed = now;
    free(note);
}

/* ---- What goes on beside ---- */

static struct aiex_slice text(const char *s)
{
    return (struct aiex_slice){(const uint8_t *)s, strlen(s)};
}

/* The log's own entry; committed at once. */
static int record_own(struct chain *c, const char *type, const char *reason)
{
    struct entry e = {.writer = text("audit"),
                      .type = text(type),
                      .actor = text("audit"),
                      .reason = text(reason),
                      .time = wall_ms(),
                      .redacts = -1};
    int r = log_add(&c->log, &e);

    return r == 0 ? log_commit(&c->log) : r;
}

/* Whether there is room again is found out by recording what was missed meanwhile. */
static void retry_full(struct turn *t, uint64_t now)
{
    struct chain *c = t->c;
    char reason[200];
    uint64_t lost, refused;

    if (get_state(c) != STATE_FULL || now - t->retried < RETRY_MS)
        return;
    t->retried = now;
    pthread_mutex_lock(&c->writer.lock);
    lost = c->writer.lost;
    refused = c->writer.refused;
    pthread_mutex_unlock(&c->writer.lock);
    snprintf(reason, sizeof(reason),
             "nothing could be recorded; %" PRIu64 " acts were lost, %" PRIu64 " refused", lost,
             refused);
    if (record_own(c, "audit.resumed", reason) == 0) {
        pthread_mutex_lock(&c->writer.lock);
        c->writer.lost -= lost;
        c->writer.refused -= refused;
        pthread_mutex_unlock(&c->writer.lock);
        set_state(c, STATE_OK, "");
    }
}

static void look_at_files(struct turn *t, uint64_t now)
{
    struct chain *c = t->c;
    struct aiex_error err = {""};

    if (now - t->looked < LOOK_MS)
        return;
    t->looked = now;
    if (get_state(c) == STATE_OK && log_look(&c->log, &err) != 0) {
        log_fault(&c->log, "%s", err.text);
        set_state(c, STATE_FAULT, err.text);
    }
}

static void take_fault(struct chain *c)
{
    struct writer_thread *w = &c->writer;
    char reason[400] = "";

    pthread_mutex_lock(&w->lock);
    if (w->fault_asked)
        strcpy(reason, w->fault_text);
    w->fault_asked = 0;
    pthread_mutex_unlock(&w->lock);
    if (!*reason)
        return;
    log_fault(&c->log, "%s", reason);
    set_state(c, STATE_FAULT, reason);
}

/* ---- The thread ---- */

static void run(struct turn *t, struct op *list)
{
    struct chain *c = t->c;
    uint64_t now = mono_ms(c->host);

    take_fault(c);
    look_at_files(t, now);
    retry_full(t, now);
    while (list) {
        struct op *op = list;

        list = op->next;
        op->next = NULL;
        if (op->kind == OP_APPEND || op->kind == OP_REDACT) {
            add(t, op);
            continue;
        }
        commit(t);
        if (op->kind == OP_HEAD)
            make_head(t, op);
        else if (op->kind == OP_ROTATE)
            rotate(t, op);
        else
            cosign(t, op);
    }
    if (t->batch)
        commit(t);
    head_due(t, now);
}

/* What came, or NULL after a while; *ret_stop when it is over. */
static struct op *wait_for(struct writer_thread *w, int *ret_stop)
{
    struct timespec until;
    struct op *list;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += WAIT_MS * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&w->lock);
    while (!w->queue && !w->stop && !w->fault_asked)
        if (pthread_cond_timedwait(&w->wake, &w->lock, &until) != 0)
            break;
    list = w->queue;
    w->queue = NULL;
    w->queue_end = &w->queue;
    w->n_queued = w->queued_bytes = 0;
    *ret_stop = w->stop;
    pthread_mutex_unlock(&w->lock);
    return list;
}

/* Another process may hold the folder, as while the plugin is replaced. */
static int take_folder(struct chain *c, struct aiex_error *err)
{
    const struct timespec pause = {0, 20 * 1000000};
    int r, told = 0;

    while ((r = log_lock(&c->log, err)) == -EBUSY && !__atomic_load_n(&c->stop, __ATOMIC_ACQUIRE)) {
        if (!told++)
            set_state(c, STATE_OPENING, err->text);
        nanosleep(&pause, NULL);
    }
    if (r == 0) /* who held it may have changed the key */
        r = keys_load(&c->log, &c->source, err);
    if (r == 0)
        r = log_open(&c->log, &c->stop, err);
    if (r == 0)
        r = keys_open(&c->log, &c->source, err);
    aiex_note_wipe(&c->source, sizeof(c->source));
    return r;
}

static void *thread_main(void *arg)
{
    struct turn t = {.c = arg};
    struct chain *c = arg;
    struct aiex_error err = {""};
    int stop = 0, r;

    t.batch_end = &t.batch;
    r = take_folder(c, &err);
    if (r < 0)
        set_state(c, STATE_DEAD, err.text[0] ? err.text : strerror(-r));
    else if (c->log.faulty)
        set_state(c, STATE_FAULT, c->log.fault);
    else
        set_state(c, STATE_OK, "");
    t.head_size = c->log.heads.size;
    while (!stop) {
        struct op *list = wait_for(&c->writer, &stop);

        if (r == 0)
            run(&t, list);
        while (r < 0 && list) {
            struct op *op = list;

            list = op->next;
            give_one(c, op, -EROFS, err.text);
        }
    }
    if (r == 0 && get_state(c) == STATE_OK)
        log_save(&c->log);
    return NULL;
}

/* ---- The loop's side ---- */

int writer_start(struct chain *c, struct aiex_error *err)
{
    /* what a thread causes by itself must not be blocked: aiex_plugin.h, AIEX_NEED_THREADS */
    static const int own[] = {SIGSYS, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
    struct writer_thread *w = &c->writer;
    pthread_condattr_t monotonic;
    sigset_t all, old;
    int r;

    w->queue_end = &w->queue;
    w->done_end = &w->done;
    strcpy(w->reason, "the log is being opened");
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&w->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    sigfillset(&all);
    for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
        sigdelset(&all, own[i]);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    r = pthread_create(&w->thread, NULL, thread_main, c);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r != 0)
        return aiex_failed(err, -r, "no thread for the log: %s", strerror(r));
    w->running = 1;
    return 0;
}

void writer_stop(struct chain *c)
{
    struct writer_thread *w = &c->writer;

    __atomic_store_n(&c->stop, 1, __ATOMIC_RELEASE);
    if (!w->running)
        return;
    pthread_mutex_lock(&w->lock);
    w->stop = 1;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    w->running = 0;
}

int writer_push(struct chain *c, struct op *op)
{
    struct writer_thread *w = &c->writer;
    int r = 0;

    pthread_mutex_lock(&w->lock);
    if (w->n_queued == MAX_QUEUED_OPS || w->queued_bytes + op->n_bytes > MAX_QUEUED_BYTES) {
        r = -EBUSY;
    } else {
        op->next = NULL;
        if (!w->queue)
            pthread_cond_signal(&w->wake);
        *w->queue_end = op;
        w->queue_end = &op->next;
        w->n_queued++;
        w->queued_bytes += op->n_bytes;
    }
    pthread_mutex_unlock(&w->lock);
    return r;
}

void writer_fault(struct chain *c, const char *why)
{
    pthread_mutex_lock(&c->writer.lock);
    c->writer.fault_asked = 1;
    snprintf(c->writer.fault_text, sizeof(c->writer.fault_text), "%s", why);
    pthread_cond_signal(&c->writer.wake);
    pthread_mutex_unlock(&c->writer.lock);
}

enum state writer_state(struct chain *c, char reason[400], uint64_t *ret_size)
{
    enum state s;

    pthread_mutex_lock(&c->writer.lock);
    s = c->writer.state;
    strcpy(reason, c->writer.reason);
    *ret_size = c->writer.size;
    pthread_mutex_unlock(&c->writer.lock);
    return s;
}

/*
 * shrink.c - store.shrink: gives room back to the system while reads and writes go on, and lets
 * nothing of what was erased stay behind.
 *
 * The trees are gone through a piece at a time: pages that are half empty are brought together,
 * free ones at the end of a file are cut off, in as many passes as there is something to move. A
 * piece holds the writer's gate, so it never meets a batch, and is small, so a batch does not wait
 * for long; between two pieces the gate is free for as long as it was held. A pass ends at the key
 * that was the last when it began, and there is none more when writers leave as many half-empty
 * pages behind as it finds: so it ends also while they are faster. Then the log is filled
 * until a new file begins, a checkpoint is made, and the files before it go, or, with an archive,
 * go there. With `forget` also the archive and what the last restore put aside are removed.
 */
#include "store.h"

#include "archive.h"
#include "exchange.h"
#include "folder.h"
#include "restore_point.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PIECE_ROWS  400u /* the first one; then as many as take PIECE_US */
#define MOST_ROWS   20000u
#define PIECE_US    2000
#define PIECE_PAGES 64u
#define PASSES      10u
#define FILL_BYTES  (256u << 10)
#define TRIES       50
#define LAST_KEY    2048u

struct shrink {
    struct job job;
    int forget;
    enum file file;
    uint8_t *from, *before_from; /* keys at which the next piece begins, and the last one began */
    size_t from_len, before_len;
    uint8_t last[LAST_KEY]; /* of the file when the pass began */
    size_t last_len;
    unsigned rows;                        /* of the next piece */
    unsigned passes, moved, moved_before; /* through this file; pages that this one freed */
    int tries;
    uint32_t log_file; /* the one that was written when the files were done */
    int64_t before, after;
};

static int64_t mono_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* As long as the gate was held. The next piece is to hold it for about PIECE_US. */
static void pause_for(struct shrink *h, int64_t us)
{
    const struct timespec pause = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};

    if (us > 2 * PIECE_US && h->rows > PIECE_ROWS / 8)
        h->rows /= 2;
    else if (us < PIECE_US / 2 && h->rows < MOST_ROWS)
        h->rows *= 2;
    nanosleep(&pause, NULL);
}

/* ---- One piece of a tree ---- */

/* The key h->rows behind `from`, to be freed; NULL and -ENOENT at the end of the file. */
static int piece_end(struct shrink *h, DBT *end)
{
    struct env *e = &h->job.s->env;
    DBT none = {.flags = DB_DBT_USERMEM | DB_DBT_PARTIAL};
    DB_TXN *txn;
    DBC *c;
    int r = env_read_begin(e, &txn);

    if (r < 0)
        return r;
    *end = (DBT){.flags = DB_DBT_REALLOC};
    end->data = malloc(h->from_len + 1);
    if (!end->data) {
        env_read_end(txn);
        return -ENOMEM;
    }
    end->size = (uint32_t)h->from_len;
    if (h->from_len)
        memcpy(end->data, h->from, h->from_len);
    r = env_errno(e, env_file(e, h->file)->cursor(e->files[h->file], txn, &c, 0));
    if (r == 0) {
        r = env_errno(e, c->get(c, end, &none, h->from_len ? DB_SET_RANGE : DB_FIRST));
        for (unsigned i = 0; i < h->rows && r == 0; i++)
            r = env_errno(e, c->get(c, end, &none, DB_NEXT));
        c->close(c);
    }
    env_read_end(txn);
    if (r < 0) {
        free(end->data);
        end->data = NULL;
    }
    return r;
}

static int is_behind(const DBT *key, const uint8_t *other, size_t len)
{
    size_t n = key->size < len ? key->size : len;
    int order = n ? memcmp(key->data, other, n) : 0;

    return key->data && key->size && (order > 0 || (order == 0 && key->size > len));
}

/*
 * `end` becomes the key at which it stopped, when that is before: enough pages were freed. The last
 * piece has the one before in it, too: a page that stands alone is not moved, and while it
 * stands at the end of the file nothing is cut off.
 */
static int compact(struct shrink *h, DBT *end)
{
    struct env *e = &h->job.s->env;
    DB_COMPACT how = {.compact_pages = PIECE_PAGES};
    DBT from = end->data ? env_dbt(h->from, h->from_len) : env_dbt(h->before_from, h->before_len);
    DBT stopped = {.flags = DB_DBT_MALLOC};
    DB *db = env_file(e, h->file);
    DB_TXN *txn;
    int r = env_errno(e, e->env->txn_begin(e->env, NULL, &txn, 0));

    if (r < 0)
        return r;
    r = env_errno(e, db->compact(db, txn, from.size ? &from : NULL, end->data ? end : NULL, &how,
                                 DB_FREE_SPACE, &stopped));
    if (r < 0)
        txn->abort(txn);
    else
        r = env_errno(e, txn->commit(txn, DB_TXN_NOSYNC));
    h->moved += how.compact_pages_free + how.compact_pages_truncated;
    /* otherwise the same piece would come again for ever */
    if (r == 0 && how.compact_pages_free >= PIECE_PAGES &&
        is_behind(&stopped, h->from, h->from_len)) {
        free(end->data);
        *end = stopped;
    } else {
        free(stopped.data);
    }
    return r;
}

static int begin_pass(struct shrink *h)
{
    int n = env_last(&h->job.s->env, h->file, h->last, sizeof(h->last), NULL);

    if (n < 0)
        return n;
    h->last_len = (size_t)n;
    h->rows = h->rows ? h->rows : PIECE_ROWS;
    return 0;
}

/* 1 = the pass is done, 0, or negative errno. */
static int piece(struct shrink *h)
{
    struct store *s = h->job.s;
    int64_t held;
    DBT end = {0};
    int r, is_last;

    if (!h->from && (r = begin_pass(h)) < 0)
        return r;
    r = piece_end(h, &end);
    if (r < 0 && r != -ENOENT)
        return r;
    gate_enter(&s->gate);
    held = mono_us();
    r = compact(h, &end);
    held = mono_us() - held;
    gate_leave(&s->gate);
    pause_for(h, held);
    if (r < 0) {
        free(end.data);
        return r;
    }
    is_last = !end.data || is_behind(&end, h->last, h->last_len);
    if (is_last) {
        free(end.data);
        end.data = NULL;
    }
    free(h->before_from);
    h->before_from = end.data ? h->from : NULL;
    h->before_len = end.data ? h->from_len : 0;
    if (!end.data)
        free(h->from);
    h->from = end.data;
    h->from_len = end.data ? end.size : 0;
    return is_last;
}

/* What became free in one pass is moved to the end, and cut off, in the next. 1 = the file is done.
 */
static int pass_done(struct shrink *h)
{
    int fewer = h->moved >= PIECE_PAGES && h->moved <= h->moved_before / 2;
    int again = h->moved && ++h->passes < PASSES && (h->passes < 3 || fewer);

    h->moved_before = h->moved;
    h->moved = 0;
    if (!again)
        h->passes = 0;
    return !again;
}

/* ---- The log ---- */

static uint32_t log_file(struct store *s)
{
    DB_LOG_STAT *stat;
    uint32_t n;

    if (s->env.env->log_stat(s->env.env, &stat, 0) != 0)
        return 0;
    n = stat->st_cur_file;
    free(stat);
    return n;
}

/* 1 = the files of before are gone, 0 = more, or negative errno. */
static int turn_log(struct shrink *h)
{
    struct store *s = h->job.s;
    int r = 0;

    if (log_file(s) == h->log_file)
        return restore_point_fill(&s->env, FILL_BYTES);
    r = env_errno(&s->env, s->env.env->txn_checkpoint(s->env.env, 0, 0, DB_FORCE));
    if (r < 0)
        return r;
    r = pages_wipe(s->env.pages);
    if (r < 0)
        return r;
    archive_logs(s);
    if (h->forget) {
        archive_forget(s);
        exchange_drop_old(s->host->data_dir);
    }
    return 1;
}

/* ---- store.shrink ---- */

static enum job_step ended(struct shrink *h, int r)
{
    struct job *j = &h->job;

    const char *what = h->file < N_FILES ? env_file_name(h->file) : "the log";

    if (r == -EAGAIN && ++h->tries < TRIES)
        return JOB_PART;
    if (r == -ENOSPC)
        return job_refused(j, AIEX_E_READ_ONLY, "the disk is full");
    return r == -EAGAIN ? job_refused(j, AIEX_E_BUSY, "others hold %s; try again", what)
                        : job_failed(j, r, what);
}

static enum job_step step(struct job *j)
{
    struct shrink *h = (struct shrink *)j;
    struct store *s = j->s;
    char why[240];
    int r;

    if (!state_writes(&s->state, why, sizeof(why)))
        return job_refused(j, AIEX_E_READ_ONLY, "%s", why);
    if (!h->before)
        h->before = folder_bytes(s->home);
    r = h->file < N_FILES ? piece(h) : turn_log(h);
    if (r < 0)
        return ended(h, r);
    h->tries = 0;
    if (h->file == N_FILES && r) {
        h->after = folder_bytes(s->home);
        return JOB_END;
    }
    if (h->file < N_FILES && r && pass_done(h) && ++h->file == N_FILES)
        h->log_file = log_file(s);
    return JOB_PART;
}

static void write_end(struct aiex_writer *w, const void *arg)
{
    const struct shrink *h = arg;

    aiex_w_map(w, 2);
    aiex_w_key_int(w, "freed", h->before > h->after ? h->before - h->after : 0);
    aiex_w_key_int(w, "bytes", h->after);
}

static void answer(struct job *j)
{
    store_reply(j->s, j->id, write_end, j);
}

static void done(struct job *j)
{
    free(((struct shrink *)j)->from);
    free(((struct shrink *)j)->before_from);
}

int shrink_take(void *self, const struct aiex_message *m)
{
    struct store *s = self;
    struct shrink *h;
    int forget = 0;

    if (aiex_get_bool(m->body, "forget", &forget) < 0)
        return aiex_refuse(s->host, m->id, AIEX_E_INVALID, "field 'forget' must be a bool");
    h = job_new(s, m->id, sizeof(*h), step);
    if (!h)
        return 0;
    h->forget = forget;
    h->job.slow = 1;
    h->job.answer = answer;
    h->job.done = done;
    job_go(&h->job);
    return 0;
}

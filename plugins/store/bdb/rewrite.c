/*
 * rewrite.c - store.rewrite: all that is stored into new files, under the key that the options
 * name now.
 *
 * So encryption is turned on or off, and a key is changed: the options are set, the store starts,
 * finds its files under the key before and opens nothing, and this writes them anew: everything is
 * copied in order, compared (verify.c) and exchanged. The files before, and the log that was kept
 * of them, are removed: they would say the same in the clear. Backups stay as they are.
 */
#include "restore.h"

#include "archive.h"
#include "copy.h"
#include "exchange.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROWS_AT_ONCE 500u
#define COPY_CACHE   (16ll << 20)
#define LOG_AT_ONCE  (32u << 10) /* KiB of log between two checkpoints */

/* ---- One file ---- */

/* Up to ROWS_AT_ONCE entries from the cursor on. 1 = there are more, 0, or negative errno. */
static int copy_some(struct env *to, enum file file, DBC *c, DBT *key, DBT *data)
{
    DB_TXN *txn;
    int r = env_errno(to, to->env->txn_begin(to->env, NULL, &txn, 0)), got = 0;

    if (r < 0)
        return r;
    for (unsigned i = 0; i < ROWS_AT_ONCE && r == 0 && got == 0; i++) {
        got = c->get(c, key, data, DB_NEXT);
        if (got == 0)
            r = env_put(to, file, txn, key->data, key->size, data->data, data->size, 0);
    }
    if (got != 0 && got != DB_NOTFOUND)
        r = got > 0 ? -got : -EUCLEAN;
    if (r < 0) {
        txn->abort(txn);
        return r;
    }
    r = env_errno(to, txn->commit(txn, DB_TXN_NOSYNC));
    return r ? r : got == 0;
}

static int copy_file(struct env *from, struct env *to, enum file file)
{
    DBT key = {.flags = DB_DBT_REALLOC}, data = {.flags = DB_DBT_REALLOC};
    DBC *c;
    int r = env_errno(from, env_file(from, file)->cursor(from->files[file], NULL, &c, 0)), more = 1;

    if (r < 0)
        return r;
    while (more > 0) {
        more = copy_some(to, file, c, &key, &data);
        r = more < 0 ? more : env_errno(to, to->env->txn_checkpoint(to->env, LOG_AT_ONCE, 0, 0));
        more = r < 0 ? r : more;
    }
    c->close(c);
    free(key.data);
    free(data.data);
    return more < 0 ? more : 0;
}

static int copy_all(struct env *from, struct env *to, struct aiex_error *err)
{
    for (enum file f = 0; f < N_FILES; f++) {
        int r = copy_file(from, to, f);

        if (r < 0)
            return aiex_failed(err, r, "%s can not be written anew: %s; %.80s %.80s",
                               env_file_name(f), strerror(-r), from->said, to->said);
    }
    return 0;
}

/* ---- All of it ---- */

static int open_pair(struct store *s, const char *home, struct env *from, struct env *to,
                     const struct cipher *next, struct aiex_error *err)
{
    struct env_options options = store_options(s, COPY_CACHE);
    int r = env_open(from, s->home, &options, s->host, err);

    options.password = cipher_password(next);
    options.keep_log = 0;
    if (r == 0 && mkdir(home, 0700) != 0)
        r = aiex_failed(err, -errno, "folder '%.300s': %s", home, strerror(errno));
    return r ? r : env_open(to, home, &options, s->host, err);
}

/* The side record says what was acknowledged: less than that is not written anew. */
static int compare(struct store *s, const struct tail *t, struct aiex_error *err)
{
    struct side_record record = {0};
    char path[400];
    int r;

    snprintf(path, sizeof(path), "%s/side", s->host->data_dir);
    r = side_open(&s->side, path, &record, err);
    side_close(&s->side);
    if (r != 1)
        return r < 0 ? r : aiex_failed(err, -EBADMSG, "'%.300s' is missing", path);
    if (record.sequence <= t->sequence && record.commits <= t->commits)
        return 0;
    return aiex_failed(err, -EBADMSG,
                       "sequence %llu was acknowledged and the database ends at %llu; restore a "
                       "backup first",
                       (unsigned long long)record.sequence, (unsigned long long)t->sequence);
}

static int make(struct store *s, const char *folder, struct aiex_error *err)
{
    struct env *both = calloc(2, sizeof(*both));
    struct cipher next = {0};
    struct tail tail = {0};
    char home[600];
    int r = both ? cipher_make(folder, s->config.encrypt ? s->config.key : NULL, &next, err)
                 : aiex_failed(err, -ENOMEM, "no memory to write the store anew");

    snprintf(home, sizeof(home), "%s/db", folder);
    if (r == 0) {
        r = open_pair(s, home, &both[0], &both[1], &next, err);
        r = r ? r : copy_all(&both[0], &both[1], err);
        if (both[0].env && !atomic_load(&both[0].panicked))
            both[0].env->txn_checkpoint(both[0].env, 0, 0, DB_FORCE);
        env_close(&both[1]);
        env_close(&both[0]);
    }
    r = r ? r : copy_try(s, folder, cipher_password(&next), 0, &tail, err);
    r = r ? r : compare(s, &tail, err);
    cipher_wipe(&next);
    free(both);
    return r;
}

/* The key that the files are under now. */
static int read_cipher(struct store *s, struct aiex_error *err)
{
    const char *const keys[] = {s->config.key, s->config.old_key};

    return cipher_read(s->host->data_dir, keys, 2, &s->cipher, err);
}

static void run(struct store *s, struct write *w)
{
    struct aiex_error err = {""}, ignored = {""};
    char folder[500];
    int r;

    state_phase(&s->state, OPENING, NULL);
    store_close(s);
    r = exchange_finish(s->host->data_dir, &err);
    r = r < 0 ? r : read_cipher(s, &err);
    r = r ? r : exchange_begin(s->host->data_dir, folder, sizeof(folder), &err);
    r = r ? r : make(s, folder, &err);
    if (r == 0)
        r = restore_swap(s, &err);
    else if (store_open(s, &ignored) < 0)
        state_phase(&s->state, FAILED, ignored.text);
    exchange_forget(s->host->data_dir);
    if (r == 0) {
        exchange_drop_old(s->host->data_dir);
        archive_forget(s);
        w->version = s->writer.tail.sequence;
    } else {
        refuse(w, r == -EKEYREJECTED ? AIEX_E_INVALID : AIEX_E_INTERNAL, "%.190s",
               err.text[0] ? err.text : strerror(-r));
    }
}

static void write_end(struct aiex_writer *out, const void *arg)
{
    const struct write *w = arg;

    aiex_w_map(out, 2);
    aiex_w_key_uint(out, "sequence", w->version);
    aiex_w_key_bool(out, "encrypted", w->c != 0);
}

static void answer(struct store *s, struct write *w)
{
    if (w->code) {
        write_refused(s, w);
        return;
    }
    w->c = s->config.encrypt != 0;
    store_reply(s, w->id, write_end, w);
}

const struct write_kind rewrite_kind = {.answer = answer, .alone = 1, .run = run};

int rewrite_take(void *self, const struct aiex_message *m)
{
    struct store *s = self;
    struct write *w = write_new(&rewrite_kind, m->id, m->body);

    if (!w)
        return aiex_refuse(s->host, m->id, AIEX_E_BUSY, "no memory for the request");
    jobs_end(s, AIEX_E_UNAVAILABLE, "the store is being written anew");
    write_submit(s, w);
    return 0;
}

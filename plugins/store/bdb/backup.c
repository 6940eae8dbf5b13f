/*
 * backup.c - store.backup and store.restore.
 *
 * A backup is taken while writes go on, by Berkeley DB itself, on the care thread, so that no
 * checkpoint removes a log that it needs. Then it is opened as a store of its own, recovered, and
 * verified from the first event to the last, with its chain and all indexes; only then does it
 * get a side record and the answer says `verified`. What lies there is a data folder that can be
 * opened as it is: `db` and `side`.
 *
 * A restore puts copies of the two in the place of the store's own, which are kept beside
 * them as `db.replaced` and `side.replaced` until the next restore.
 */
#include "folder.h"
#include "verify.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_CACHE (16ll << 20)
#define MAX_PATH   180u

/* A folder of ours by its relative name, or NULL. */
static const char *folder_name(struct aiex_slice body, char out[MAX_PATH + 1])
{
    static const char *const own[] = {"db", "side", "lock", "ballast", "db.replaced"};

    if (aiex_get_text(body, "path", out, MAX_PATH + 1) != 1 || !out[0] || out[0] == '/' ||
        out[0] == '.' || strstr(out, ".."))
        return NULL;
    for (const char *c = out; *c; c++)
        if ((unsigned char)*c <= ' ')
            return NULL;
    for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
        if (strncmp(out, own[i], strlen(own[i])) == 0 && !strchr(out, '/'))
            return NULL;
    return out;
}

/* ---- The copy as a store of its own ---- */

static int copy_verify(struct store *copy, struct verify *v, struct aiex_error *err)
{
    struct tail tail;
    int r = tail_get(copy, &tail);

    r = r ? r : tables_load(copy);
    if (r < 0)
        return aiex_failed(err, r, "the copy can not be read: %s", copy->env.said);
    copy->writer.tail = tail;
    verify_init(v, copy, tail.sequence);
    do
        r = verify_slice(v);
    while (r == 0);
    if (r < 0 || v->faults || memcmp(v->chain, tail.chain, EVENT_HASH) != 0)
        return aiex_failed(err, -EBADMSG, "the copy has %llu faults up to sequence %llu",
                           (unsigned long long)v->faults, (unsigned long long)tail.sequence);
    return 0;
}

static int copy_side(struct store *copy, const char *path, struct aiex_error *err)
{
    struct tail *t = &copy->writer.tail;
    struct side_record record = {.sequence = t->sequence,
                                 .commits = t->commits,
                                 .stamp = t->stamp,
                                 .epoch = t->epoch,
                                 .opens = t->opens};
    int r;

    memcpy(record.head, t->chain, SIDE_HASH);
    r = side_open(&copy->side, path, &record, err);
    if (r != 0)
        return r < 0 ? r : -EEXIST;
    r = side_write(&copy->side, &record);
    r = r ? r : side_sync(&copy->side);
    side_close(&copy->side);
    return r < 0 ? aiex_failed(err, r, "side record '%.200s': %s", path, strerror(-r)) : 0;
}

/* Opens, verifies and closes what was copied. *ret_sequence: of its last event. */
static int copy_try(struct store *s, const char *folder, uint64_t *ret_sequence,
                    struct aiex_error *err)
{
    const struct env_options options = {COPY_CACHE, s->config.log_file};
    struct store *copy = calloc(1, sizeof(*copy));
    struct verify v = {0};
    char path[600];
    int r;

    if (!copy)
        return -ENOMEM;
    copy->host = s->host;
    copy->side.fd = -1;
    tables_init(&copy->tables);
    snprintf(path, sizeof(path), "%s/db", folder);
    r = env_open(&copy->env, path, &options, s->host, err);
    r = r ? r : copy_verify(copy, &v, err);
    if (r == 0) {
        r = env_errno(&copy->env, copy->env.env->txn_checkpoint(copy->env.env, 0, 0, DB_FORCE));
        *ret_sequence = copy->writer.tail.sequence;
    }
    env_close(&copy->env);
    r = r ? r : folder_sync(path);
    snprintf(path, sizeof(path), "%s/side", folder);
    r = r ? r : copy_side(copy, path, err);
    verify_done(&v);
    tables_done(&copy->tables);
    free(copy);
    return r;
}

/* ---- store.backup ---- */

struct backup {
    struct job job;
    char folder[500];
    uint64_t sequence;
    int64_t bytes;
};

static int take_copy(struct store *s, const char *folder, struct aiex_error *err)
{
    DB_ENV *env = s->env.env;
    char path[600];
    int r;

    if (mkdir(folder, 0700) != 0)
        return aiex_failed(err, -errno, "folder '%.300s': %s; give a new one", folder,
                           strerror(errno));
    snprintf(path, sizeof(path), "%s/db", folder);
    if (mkdir(path, 0700) != 0)
        return aiex_failed(err, -errno, "folder '%.300s': %s", path, strerror(errno));
    r = env_errno(&s->env, env->backup(env, path, DB_BACKUP_SINGLE_DIR | DB_BACKUP_FILES));
    return r < 0 ? aiex_failed(err, r, "'%.200s' can not be written: %s; %.100s", path,
                               strerror(-r), s->env.said)
                 : 0;
}

static void forget_copy(const char *folder)
{
    char path[600];

    snprintf(path, sizeof(path), "%s/db", folder);
    folder_remove(path);
    snprintf(path, sizeof(path), "%s/side", folder);
    unlink(path);
    rmdir(folder);
}

static enum job_step step(struct job *j)
{
    struct backup *b = (struct backup *)j;
    struct store *s = j->s;
    struct aiex_error err = {"the copy could not be checked"};
    uint64_t least = atomic_load(&s->visible);
    char path[600];
    int r = take_copy(s, b->folder, &err);

    if (r == -EEXIST)
        return job_refused(j, AIEX_E_CONFLICT, "%s", err.text);
    r = r ? r : copy_try(s, b->folder, &b->sequence, &err);
    if (r == 0 && b->sequence < least)
        r = aiex_failed(&err, -EBADMSG, "the copy ends at sequence %llu, before %llu",
                        (unsigned long long)b->sequence, (unsigned long long)least);
    if (r < 0) {
        forget_copy(b->folder);
        if (r == -EUCLEAN && atomic_load(&s->env.panicked))
            state_damage(s, "a file, found by a backup");
        return job_refused(j, AIEX_E_INTERNAL, "no backup: %s", err.text);
    }
    snprintf(path, sizeof(path), "%s/db", b->folder);
    b->bytes = folder_bytes(path);
    atomic_store(&s->last_backup, b->sequence);
    return JOB_END;
}

static void write_end(struct aiex_writer *w, const void *arg)
{
    const struct backup *b = arg;

    aiex_w_map(w, 3);
    aiex_w_key_uint(w, "sequence", b->sequence);
    aiex_w_key_int(w, "bytes", b->bytes);
    aiex_w_key_bool(w, "verified", 1);
}

static void answer(struct job *j)
{
    aiex_reply_by(j->s->host, j->id, write_end, j);
}

static int refuse_path(struct store *s, uint64_t id)
{
    return aiex_refuse(s->host, id, AIEX_E_INVALID,
                       "field 'path' must name a folder below the store's data folder, relative, "
                       "of at most %u bytes",
                       MAX_PATH);
}

int backup_take(void *self, const struct aiex_message *m)
{
    struct store *s = self;
    char path[MAX_PATH + 1];
    struct backup *b;

    if (!folder_name(m->body, path))
        return refuse_path(s, m->id);
    b = job_new(s, m->id, sizeof(*b), step);
    if (!b)
        return 0;
    snprintf(b->folder, sizeof(b->folder), "%s/%s", s->host->data_dir, path);
    b->job.slow = 1;
    b->job.answer = answer;
    job_go(&b->job);
    return 0;
}

/* ---- store.restore: on the writer thread, instead of a batch ---- */

struct paths {
    char db[300], db_kept[320], side[320], side_kept[330], from_db[600], from_side[600];
};

static void name_paths(struct store *s, const char *from, struct paths *p)
{
    const char *dir = s->host->data_dir;

    snprintf(p->db, sizeof(p->db), "%s", s->home);
    snprintf(p->db_kept, sizeof(p->db_kept), "%s.replaced", s->home);
    snprintf(p->side, sizeof(p->side), "%s/side", dir);
    snprintf(p->side_kept, sizeof(p->side_kept), "%s/side.replaced", dir);
    snprintf(p->from_db, sizeof(p->from_db), "%s/%s/db", dir, from);
    snprintf(p->from_side, sizeof(p->from_side), "%s/%s/side", dir, from);
}

/* The new copies stand ready as *.new before the old ones are moved away. */
static int exchange(const struct paths *p, struct aiex_error *err)
{
    char db_new[320], side_new[340];
    int r;

    snprintf(db_new, sizeof(db_new), "%s.new", p->db);
    snprintf(side_new, sizeof(side_new), "%s.new", p->side);
    folder_remove(db_new);
    unlink(side_new);
    r = folder_copy(p->from_db, db_new, err);
    if (r < 0)
        return r;
    r = folder_copy_file(p->from_side, side_new);
    if (r < 0)
        return aiex_failed(err, r, "'%.300s': %s; is it a backup?", p->from_side, strerror(-r));
    folder_remove(p->db_kept);
    unlink(p->side_kept);
    if (rename(p->db, p->db_kept) != 0 || rename(p->side, p->side_kept) != 0 ||
        rename(db_new, p->db) != 0 || rename(side_new, p->side) != 0)
        return aiex_failed(err, -errno, "'%.200s' can not be exchanged: %s", p->db,
                           strerror(errno));
    return 0;
}

void restore_run(struct store *s, struct write *w)
{
    struct aiex_error err = {""};
    struct paths p;
    int r;

    name_paths(s, w->arg, &p);
    state_phase(&s->state, OPENING, NULL); /* before, so that nobody begins in between */
    store_close(s);
    r = exchange(&p, &err);
    if (r == 0)
        for (enum cause c = 0; c < N_CAUSES; c++)
            if (c != OPERATOR)
                state_clear(s, c);
    if (store_open(s, r < 0 ? &(struct aiex_error){""} : &err) < 0) {
        state_phase(&s->state, FAILED, err.text[0] ? err.text : "the store could not be opened");
        r = r ? r : -EIO;
    }
    if (r < 0)
        refuse(w, AIEX_E_INTERNAL, "%.190s", err.text);
    w->version = s->writer.tail.sequence;
}

static void write_restored(struct aiex_writer *out, const void *arg)
{
    aiex_w_map(out, 1);
    aiex_w_key_uint(out, "sequence", ((const struct write *)arg)->version);
}

static void restore_answer(struct store *s, struct write *w)
{
    if (w->code)
        write_refused(s, w);
    else
        aiex_reply_by(s->host, w->id, write_restored, w);
}

const struct write_kind restore_kind = {.answer = restore_answer, .alone = 1};

int restore_take(void *self, const struct aiex_message *m)
{
    struct store *s = self;
    char path[MAX_PATH + 1];
    struct write *w;

    if (!folder_name(m->body, path))
        return refuse_path(s, m->id);
    w = write_new(&restore_kind, m->id, m->body);
    if (!w)
        return aiex_refuse(s->host, m->id, AIEX_E_BUSY, "no memory for the request");
    w->arg = strdup(path);
    jobs_end(s, AIEX_E_UNAVAILABLE, "a backup is being restored");
    write_submit(s, w);
    return 0;
}

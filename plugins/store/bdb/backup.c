/*
 * backup.c - store.backup and store.backups.
 *
 * A backup is taken while writes go on, by Berkeley DB itself, on the care thread, so that no
 * checkpoint removes a log that it needs. Then it is opened as a store of its own, recovered, and
 * verified from the first event to the last, with its chain and all indexes; only then does it
 * get a side record, a manifest, and its name, and the answer says `verified`. What lies there is a
 * data folder that can be opened as it is: `db`, `side`, `cipher`.
 */
#include "archive.h"
#include "backup.h"
#include "copy.h"
#include "folder.h"
#include "manifest.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAKING "backup.new"

/* A folder of ours by its relative name. */
const char *backup_name(struct aiex_slice body, char out[BACKUP_PATH + 1])
{
    if (aiex_get_text(body, "path", out, BACKUP_PATH + 1) != 1 || !out[0] || out[0] == '/' ||
        out[0] == '.' || strstr(out, ".."))
        return NULL;
    for (const char *c = out; *c; c++)
        if ((unsigned char)*c <= ' ')
            return NULL;
    if (manifest_is_own(out))
        return NULL;
    return out;
}

/* ---- store.backup ---- */

struct backup {
    struct job job;
    char folder[500], making[500]; /* what it is to be, and until then */
    struct manifest manifest;
};

/* An empty folder of that name, so that nobody else takes it. 0 or negative errno. */
static int reserve(const char *folder, struct aiex_error *err)
{
    rmdir(folder); /* of a backup that did not come to its end */
    return mkdir(folder, 0700) == 0
               ? 0
               : aiex_failed(err, -errno, "folder '%.300s': %s; give a new one", folder,
                             strerror(errno));
}

static int take_copy(struct store *s, const char *folder, struct aiex_error *err)
{
    DB_ENV *env = s->env.env;
    char path[600];
    int r;

    if (mkdir(folder, 0700) != 0)
        return aiex_failed(err, -errno, "folder '%.300s': %s", folder, strerror(errno));
    snprintf(path, sizeof(path), "%s/db", folder);
    if (mkdir(path, 0700) != 0)
        return aiex_failed(err, -EIO, "folder '%.300s': %s", path, strerror(errno));
    r = env_errno(&s->env, env->backup(env, path, DB_BACKUP_SINGLE_DIR | DB_BACKUP_FILES));
    if (r < 0)
        return aiex_failed(err, r, "'%.200s' can not be written: %s; %.100s", path, strerror(-r),
                           s->env.said);
    r = cipher_copy(s->host->data_dir, folder);
    return r < 0
               ? aiex_failed(err, r, "'%.200s/cipher' can not be written: %s", folder, strerror(-r))
               : 0;
}

void backup_forget(const char *data_dir)
{
    char path[500];

    snprintf(path, sizeof(path), "%.400s/" MAKING, data_dir);
    folder_remove(path);
}

/* By its name it is none from one moment to the next; what is left goes at the next start. */
static void remove_backup(const char *data_dir, const char *folder)
{
    char path[500];

    snprintf(path, sizeof(path), "%.400s/" MAKING, data_dir);
    folder_remove(path);
    if (rename(folder, path) == 0)
        folder_remove(path);
}

/* The whole copy on the disk, and under its name. */
static int settle(const struct backup *b, struct aiex_error *err)
{
    char db[600];
    int r;

    snprintf(db, sizeof(db), "%s/db", b->making);
    r = folder_sync(db);
    r = r ? r : folder_sync(b->making);
    if (r < 0)
        return aiex_failed(err, r, "'%.200s' can not be put on the disk: %s", b->making,
                           strerror(-r));
    return folder_settle(b->making, b->folder, err);
}

/* Behind all there are. 0 or negative errno. */
static int next_number(const struct store *s, uint64_t *ret)
{
    struct backup_entry *all = NULL;
    size_t n = 0;
    int r = manifest_list(s->host->data_dir, &all, &n);

    *ret = n ? all[n - 1].manifest.number + 1 : 1;
    free(all);
    return r;
}

/* What the copy is, after it was verified. */
static int describe(struct store *s, const char *folder, const struct tail *t, struct manifest *m)
{
    char path[600];
    int r;

    snprintf(path, sizeof(path), "%s/db/lineage", folder);
    unlink(path); /* opened as it is, it begins one of its own */
    snprintf(path, sizeof(path), "%s/db", folder);
    m->sequence = t->sequence;
    m->commits = t->commits;
    m->transactions = t->transactions;
    m->time_ms = wall_ms();
    m->bytes = folder_bytes(path);
    m->verified = 1;
    m->encrypted = s->cipher.on;
    m->first_log = archive_first(path);
    memcpy(m->lineage, s->lineage, sizeof(m->lineage));
    r = next_number(s, &m->number);
    return r ? r : manifest_write(folder, m);
}

/* All but the newest `keep_backups` go, and the log that only they could use. */
static void retain(struct store *s)
{
    struct backup_entry *all = NULL;
    size_t n = 0, keep = (size_t)s->config.keep_backups;
    char folder[500];

    if (keep && manifest_list(s->host->data_dir, &all, &n) == 0)
        for (size_t i = 0; i + keep < n; i++) {
            aiex_logf(s->host, AIEX_LOG_INFO, 0, "backup '%s' goes: keep_backups is %zu",
                      all[i].path, keep);
            snprintf(folder, sizeof(folder), "%s/%s", s->host->data_dir, all[i].path);
            remove_backup(s->host->data_dir, folder);
        }
    free(all);
    if (s->lineage[0])
        archive_prune(s);
}

static enum job_step step(struct job *j)
{
    struct backup *b = (struct backup *)j;
    struct store *s = j->s;
    struct aiex_error err = {"the copy could not be checked"};
    uint64_t least = atomic_load(&s->visible);
    struct tail tail = {0};
    int r = reserve(b->folder, &err);

    if (r == -EEXIST)
        return job_refused(j, AIEX_E_CONFLICT, "%s", err.text);
    backup_forget(s->host->data_dir);
    r = r ? r : take_copy(s, b->making, &err);
    r = r ? r : copy_try(s, b->making, cipher_password(&s->cipher), 0, &tail, &err);
    if (r == 0 && tail.sequence < least)
        r = aiex_failed(&err, -EBADMSG, "the copy ends at sequence %llu, before %llu",
                        (unsigned long long)tail.sequence, (unsigned long long)least);
    r = r ? r : describe(s, b->making, &tail, &b->manifest);
    r = r ? r : settle(b, &err);
    if (r < 0) {
        backup_forget(s->host->data_dir);
        rmdir(b->folder);
        if (r == -EUCLEAN && atomic_load(&s->env.panicked))
            state_damage(s, "a file, found by a backup");
        return job_refused(j, AIEX_E_INTERNAL, "no backup: %s", err.text);
    }
    atomic_store(&s->last_backup, tail.sequence);
    retain(s);
    return JOB_END;
}

static void write_end(struct aiex_writer *w, const void *arg)
{
    const struct manifest *m = &((const struct backup *)arg)->manifest;

    aiex_w_map(w, 5);
    aiex_w_key_uint(w, "sequence", m->sequence);
    aiex_w_key_int(w, "time", m->time_ms);
    aiex_w_key_int(w, "bytes", m->bytes);
    aiex_w_key_bool(w, "verified", m->verified);
    aiex_w_key_bool(w, "encrypted", m->encrypted);
}

static void answer(struct job *j)
{
    store_reply(j->s, j->id, write_end, j);
}

int backup_refuse_name(struct store *s, uint64_t id)
{
    return aiex_refuse(s->host, id, AIEX_E_INVALID,
                       "field 'path' must name a folder below the store's data folder, relative, "
                       "of at most %u bytes",
                       BACKUP_PATH);
}

int backup_take(void *self, const struct aiex_message *m)
{
    struct store *s = self;
    char path[BACKUP_PATH + 1];
    struct backup *b;

    if (!backup_name(m->body, path))
        return backup_refuse_name(s, m->id);
    b = job_new(s, m->id, sizeof(*b), step);
    if (!b)
        return 0;
    snprintf(b->folder, sizeof(b->folder), "%s/%s", s->host->data_dir, path);
    snprintf(b->making, sizeof(b->making), "%s/" MAKING, s->host->data_dir);
    b->job.slow = 1;
    b->job.answer = answer;
    job_go(&b->job);
    return 0;
}

/* ---- store.backups ---- */

struct list {
    struct job job;
    struct backup_entry *all;
    size_t n;
    uint8_t *reaches; /* one for each */
};

static enum job_step list_step(struct job *j)
{
    struct list *l = (struct list *)j;
    int r = manifest_list(j->s->host->data_dir, &l->all, &l->n);

    l->reaches = r == 0 ? calloc(1, l->n + 1) : NULL;
    if (!l->reaches)
        return job_refused(j, r ? AIEX_E_INTERNAL : AIEX_E_BUSY,
                           "the backups can not be listed: %s", strerror(r ? -r : ENOMEM));
    for (size_t i = 0; i < l->n; i++)
        l->reaches[i] = (uint8_t)archive_reaches(j->s, l->all[i].manifest.lineage,
                                                 l->all[i].manifest.first_log);
    return JOB_END;
}

static void write_backup(struct aiex_writer *w, const struct backup_entry *e, int reaches)
{
    aiex_w_map(w, 7);
    aiex_w_key_str(w, "path", e->path);
    aiex_w_key_uint(w, "sequence", e->manifest.sequence);
    aiex_w_key_int(w, "time", e->manifest.time_ms);
    aiex_w_key_int(w, "bytes", e->manifest.bytes);
    aiex_w_key_bool(w, "verified", e->manifest.verified);
    aiex_w_key_bool(w, "encrypted", e->manifest.encrypted);
    aiex_w_key_bool(w, "points", reaches);
}

static void write_list(struct aiex_writer *w, const void *arg)
{
    const struct list *l = arg;

    aiex_w_map(w, 1);
    aiex_w_str(w, "backups");
    aiex_w_array(w, (uint32_t)l->n);
    for (size_t i = 0; i < l->n; i++)
        write_backup(w, &l->all[i], l->reaches[i]);
}

static void list_answer(struct job *j)
{
    store_reply(j->s, j->id, write_list, j);
}

static void list_done(struct job *j)
{
    struct list *l = (struct list *)j;

    free(l->all);
    free(l->reaches);
}

int backups_take(void *self, const struct aiex_message *m)
{
    struct store *s = self;
    struct list *l = job_new(s, m->id, sizeof(*l), list_step);

    if (!l)
        return 0;
    l->job.slow = 1;
    l->job.answer = list_answer;
    l->job.done = list_done;
    job_go(&l->job);
    return 0;
}

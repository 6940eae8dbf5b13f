/*
 * point.c - the store as it was at a point: a backup, and the log of what followed up to there.
 *
 * The files of the database come from the backup, the log from the archive and, when the history is
 * still the present one, from the database itself. The log is cut where the first transaction
 * begins that is too late (restore_point.h), and recovery repeats all of it: what had no commit by
 * then is taken back. The result must have the counters of the point, and is verified like a
 * backup.
 */
#include "restore.h"

#include "archive.h"
#include "copy.h"
#include "folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The log as it is on the disk right now. */
static int flush(struct store *s)
{
    return s->env.env && !atomic_load(&s->env.panicked)
               ? env_errno(&s->env, s->env.env->log_flush(s->env.env, NULL))
               : 0;
}

/* ---- Which point ---- */

static int check(struct restore *r, const struct manifest *m, struct aiex_error *err)
{
    const struct restore_point_search *p = &r->point;

    if (!p->by_time && p->limit > m->sequence && (!p->points || p->last.sequence < p->limit))
        return aiex_failed(err, -EINVAL, "the log ends at sequence %llu, before %llu",
                           (unsigned long long)(p->points ? p->last.sequence : m->sequence),
                           (unsigned long long)p->limit);
    if (!p->found || p->target.commits < m->commits)
        return aiex_failed(err, -EINVAL,
                           "the backup is of sequence %llu, and later than the point; take an "
                           "older one",
                           (unsigned long long)m->sequence);
    r->sequence = p->target.sequence;
    r->transactions = p->target.transactions;
    r->time_ms = (int64_t)p->target.time_ms;
    return 0;
}

/* ---- The cut ---- */

static int shorten(const char *folder, const DB_LSN *at)
{
    char path[600], name[24];
    int fd, r = 0;

    archive_log_name(name, at->file);
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)at->offset) != 0)
        r = -errno;
    if (fd >= 0)
        close(fd);
    return r;
}

static int cut(const char *folder, const DB_LSN *at, uint64_t last, struct aiex_error *err)
{
    char path[600], name[24];
    int r = 0;

    for (uint64_t n = last; n > at->file && r == 0; n--) {
        archive_log_name(name, n);
        snprintf(path, sizeof(path), "%s/%s", folder, name);
        if (unlink(path) != 0 && errno != ENOENT)
            r = -errno;
    }
    r = r ? r : shorten(folder, at);
    return r < 0
               ? aiex_failed(err, r, "the log in '%.200s' can not be cut: %s", folder, strerror(-r))
               : 0;
}

/* ---- The files ---- */

static int copy_files(const char *from, const char *to, struct aiex_error *err)
{
    char source[700], target[700];
    int r = 0;

    for (enum file f = 0; f < N_FILES && r == 0; f++) {
        snprintf(source, sizeof(source), "%s/db/%s", from, env_file_name(f));
        snprintf(target, sizeof(target), "%s/%s", to, env_file_name(f));
        r = folder_copy_file(source, target);
    }
    return r < 0 ? aiex_failed(err, r, "'%.200s' can not be copied to '%.200s': %s", source, target,
                               strerror(-r))
                 : 0;
}

/* Commits without a point, of an opening, may stand between the two. */
static int compare(const struct restore *r, const struct tail *t, struct aiex_error *err)
{
    const struct restore_point *m = &r->point.target;

    if (t->sequence == m->sequence && t->transactions == m->transactions &&
        t->commits >= m->commits && (!r->point.cut || t->commits < r->point.next.commits))
        return 0;
    return aiex_failed(err, -EBADMSG,
                       "the log gives sequence %llu (commit %llu) instead of %llu (%llu); the "
                       "archive is damaged",
                       (unsigned long long)t->sequence, (unsigned long long)t->commits,
                       (unsigned long long)m->sequence, (unsigned long long)m->commits);
}

int point_make(struct store *s, struct restore *r, const char *from, const char *to,
               const struct manifest *m, const char *password, struct aiex_error *err)
{
    struct tail tail = {0};
    uint64_t last = 0;
    char db[600];
    int got = flush(s);

    if (!m->lineage[0])
        return aiex_failed(err, -EINVAL,
                           "the backup was taken without an archive of the log (option 'archive'); "
                           "restore it as it is");
    snprintf(db, sizeof(db), "%s/db", to);
    if (got == 0 && mkdir(db, 0700) != 0)
        got = aiex_failed(err, -errno, "folder '%.300s': %s", db, strerror(errno));
    got = got ? got : archive_collect(s, m->lineage, m->first_log, db, &last, err);
    got = got ? got : restore_point_find(db, password, s->host, &r->point, err);
    got = got ? got : check(r, m, err);
    if (got < 0 || r->dry_run)
        return got;
    if (r->point.cut)
        got = cut(db, &r->point.next.at, last, err);
    got = got ? got : copy_files(from, db, err);
    got = got ? got : copy_try(s, to, password, 1, &tail, err);
    return got ? got : compare(r, &tail, err);
}

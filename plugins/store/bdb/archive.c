/* archive.c - see archive.h. */
#include "archive.h"

#include "folder.h"
#include "manifest.h"

#include <aiex_file.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES    500u
#define LINEAGE_BYTES 28u

void archive_log_name(char out[24], uint64_t number)
{
    snprintf(out, 24, "log.%010" PRIu64, number % 10000000000u);
}

/* The number of a log file's name, 0 = it is none. */
static uint64_t log_number(const char *name)
{
    char *end;
    uint64_t n;

    if (strncmp(name, "log.", 4) != 0 || strlen(name) != 14)
        return 0;
    n = strtoull(name + 4, &end, 10);
    return *end ? 0 : n;
}

static void lineage_path(char out[PATH_BYTES], const struct store *s, const char *lineage)
{
    snprintf(out, PATH_BYTES, "%s/archive%s%s", s->host->data_dir, *lineage ? "/" : "", lineage);
}

/* First and last number in a folder; 0 and 0 = it has none. */
static void log_range(const char *folder, uint64_t *ret_first, uint64_t *ret_last)
{
    DIR *d = opendir(folder);
    struct dirent *e;

    *ret_first = *ret_last = 0;
    while (d && (e = readdir(d)) != NULL) {
        uint64_t n = log_number(e->d_name);

        if (n && (!*ret_first || n < *ret_first))
            *ret_first = n;
        if (n > *ret_last)
            *ret_last = n;
    }
    if (d)
        closedir(d);
}

uint64_t archive_first(const char *folder)
{
    uint64_t first, last;

    log_range(folder, &first, &last);
    return first;
}

/* ---- The lineage ---- */

/* "" when there is none. */
static void lineage_read(struct store *s, const char *path)
{
    uint8_t *data = NULL;
    size_t len = 0;

    s->lineage[0] = 0;
    if (aiex_file_read(path, LINEAGE_TEXT, &data, &len) == 0 && len == LINEAGE_BYTES) {
        memcpy(s->lineage, data, len);
        s->lineage[len] = 0;
        if (strspn(s->lineage, "0123456789abcdef") != LINEAGE_BYTES)
            s->lineage[0] = 0;
    }
    free(data);
}

static int lineage_new(struct store *s, const char *path, struct aiex_error *err)
{
    struct aiex_slice piece = {(const uint8_t *)s->lineage, 0};
    uint8_t bytes[8];

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return aiex_failed(err, -EIO, "no random bytes for the name of a lineage");
    snprintf(s->lineage, sizeof(s->lineage), "%012" PRIx64, (uint64_t)wall_ms());
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(s->lineage + 12 + 2 * i, 3, "%02x", bytes[i]);
    piece.len = strlen(s->lineage);
    return aiex_file_replace(path, &piece, 1, AIEX_FILE_SYNC, err);
}

int archive_begin(struct store *s, struct aiex_error *err)
{
    char path[PATH_BYTES];
    int r = 0;

    snprintf(path, sizeof(path), "%s/lineage", s->home);
    s->lineage[0] = 0;
    if (!s->config.archive)
        return unlink(path) == 0 || errno == ENOENT ? 0 : -errno;
    lineage_read(s, path);
    if (!s->lineage[0])
        r = lineage_new(s, path, err);
    if (r < 0)
        return r;
    for (const char *name = "";; name = s->lineage) {
        lineage_path(path, s, name);
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return aiex_failed(err, -errno, "folder '%.300s': %s", path, strerror(errno));
        if (*name)
            return 0;
    }
}

/* ---- Into the archive ---- */

/* as_copy: the database's folder is to stay what it is, and may grow on when nothing comes of it;
 * then the copy is not looked at (log_place()), and is replaced in the end. */
static int keep(struct store *s, const char *name, int as_copy)
{
    char from[PATH_BYTES], to[PATH_BYTES + 32], fresh[PATH_BYTES + 32], folder[PATH_BYTES];
    int r = 0;

    snprintf(from, sizeof(from), "%s/%s", s->home, name);
    lineage_path(folder, s, s->lineage);
    snprintf(to, sizeof(to), "%s/%s", folder, name);
    snprintf(fresh, sizeof(fresh), "%s/copy", folder);
    if (as_copy) {
        unlink(fresh); /* of one that was killed */
        r = folder_copy_file(from, fresh);
    }
    return r == 0 && rename(as_copy ? fresh : from, to) != 0 ? -errno : r;
}

static int sync_archive(struct store *s)
{
    char folder[PATH_BYTES];

    lineage_path(folder, s, s->lineage);
    return folder_sync(folder);
}

/* Moves what the database is done with. How many, or negative errno. */
static int keep_done(struct store *s)
{
    char **list = NULL;
    int r = env_errno(&s->env, s->env.env->log_archive(s->env.env, &list, 0)), n = 0;

    for (char **name = list; r == 0 && name && *name; name++, n++)
        r = keep(s, *name, 0);
    free(list);
    if (r == 0 && n)
        r = sync_archive(s);
    return r ? r : n;
}

void archive_logs(struct store *s)
{
    int n = s->lineage[0] ? keep_done(s) : 0;

    if (n < 0) {
        aiex_logf(s->host, AIEX_LOG_ERROR, 0,
                  "log files can not be put into the archive (%s); they stay where they are",
                  strerror(-n));
        return;
    }
    if (n)
        archive_prune(s);
    else if (!s->lineage[0])
        s->env.env->log_archive(s->env.env, NULL, DB_ARCH_REMOVE);
}

int archive_close(struct store *s)
{
    char path[PATH_BYTES];
    struct dirent *e;
    int r = 0;
    DIR *d;

    snprintf(path, sizeof(path), "%s/lineage", s->home);
    if (!s->lineage[0] && s->config.archive)
        lineage_read(s, path); /* it could not be opened */
    if (!s->lineage[0])
        return 0;
    d = opendir(s->home);
    while (d && r == 0 && (e = readdir(d)) != NULL)
        if (log_number(e->d_name))
            r = keep(s, e->d_name, 1);
    if (d)
        closedir(d);
    return r ? r : sync_archive(s);
}

/* ---- Out of the archive ---- */

/* Where the file of that number is: 2 = in the database's folder, 1 = in the archive, 0 = nowhere.
 * In this order: the care thread moves it from there to here. */
static int log_place(struct store *s, const char *lineage, uint64_t number, char path[PATH_BYTES])
{
    char folder[PATH_BYTES - 32], kept[PATH_BYTES], name[24];
    struct stat st;

    archive_log_name(name, number);
    snprintf(folder, sizeof(folder), "%s/archive/%s", s->host->data_dir, lineage);
    snprintf(kept, sizeof(kept), "%s/%s", folder, name);
    snprintf(path, PATH_BYTES, "%s/%s", s->home, name);
    if (strcmp(lineage, s->lineage) == 0 && stat(path, &st) == 0)
        return 2;
    memcpy(path, kept, PATH_BYTES);
    return stat(kept, &st) == 0;
}

static uint64_t last_of(struct store *s, const char *lineage)
{
    char folder[PATH_BYTES];
    uint64_t first, last, here = 0;

    lineage_path(folder, s, lineage);
    log_range(folder, &first, &last);
    if (strcmp(lineage, s->lineage) == 0)
        log_range(s->home, &first, &here);
    return here > last ? here : last;
}

int archive_reaches(struct store *s, const char *lineage, uint64_t first)
{
    char path[PATH_BYTES];
    uint64_t last = lineage[0] ? last_of(s, lineage) : 0;

    if (!first || last < first)
        return 0;
    for (uint64_t n = first; n <= last; n++)
        if (!log_place(s, lineage, n, path))
            return 0;
    return 1;
}

/* One of them into `at`; again when it was moved meanwhile. */
static int bring(struct store *s, const char *lineage, uint64_t number, const char *at)
{
    char from[PATH_BYTES];
    int r = -ENOENT;

    for (int i = 0; i < 3 && r == -ENOENT; i++) {
        if (!log_place(s, lineage, number, from))
            return -ENOENT;
        r = folder_copy_file(from, at);
    }
    return r;
}

int archive_collect(struct store *s, const char *lineage, uint64_t first, const char *to,
                    uint64_t *ret_last, struct aiex_error *err)
{
    uint64_t last = last_of(s, lineage);
    char at[PATH_BYTES + 32], name[24];

    if (!first || last < first)
        return aiex_failed(err, -ENOENT,
                           "the archive has no log of this backup; restore it as it "
                           "is, without a point");
    for (uint64_t n = first; n <= last; n++) {
        int r;

        archive_log_name(name, n);
        snprintf(at, sizeof(at), "%s/%s", to, name);
        r = bring(s, lineage, n, at);
        if (r == -ENOENT)
            return aiex_failed(err, r,
                               "file %s is not in the archive any more; take a later backup", name);
        if (r < 0)
            return aiex_failed(err, r, "%s can not be brought to '%.200s': %s", name, at,
                               strerror(-r));
    }
    *ret_last = last;
    return 0;
}

/* ---- What goes ---- */

struct kept {
    char lineage[LINEAGE_TEXT];
    uint64_t number;
    int64_t bytes;
    int present; /* of the lineage that goes on */
};

struct pile {
    struct kept *all;
    size_t n, room;
    int64_t bytes;
};

static int is_needed(const struct kept *k, const struct backup_entry *backups, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(backups[i].manifest.lineage, k->lineage) == 0 &&
            backups[i].manifest.first_log <= k->number)
            return 1;
    return 0;
}

static void drop(struct store *s, struct pile *p, const struct kept *k)
{
    char path[PATH_BYTES + 32], folder[PATH_BYTES], name[24];

    lineage_path(folder, s, k->lineage);
    archive_log_name(name, k->number);
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    unlink(path);
    p->bytes -= k->bytes;
}

static int pile_add(struct pile *p, const struct kept *k)
{
    if (p->n == p->room) {
        struct kept *all = realloc(p->all, (p->room * 2 + 64) * sizeof(*all));

        if (!all)
            return -ENOMEM;
        p->all = all;
        p->room = p->room * 2 + 64;
    }
    p->all[p->n++] = *k;
    p->bytes += k->bytes;
    return 0;
}

static int pile_lineage(struct store *s, struct pile *p, const char *lineage)
{
    char folder[PATH_BYTES], path[PATH_BYTES + 300];
    struct kept k = {.present = strcmp(lineage, s->lineage) == 0};
    struct dirent *e;
    struct stat st;
    int r = 0;
    DIR *d;

    snprintf(k.lineage, sizeof(k.lineage), "%s", lineage);
    lineage_path(folder, s, lineage);
    d = opendir(folder);
    while (d && r == 0 && (e = readdir(d)) != NULL) {
        k.number = log_number(e->d_name);
        snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
        if (!k.number || stat(path, &st) != 0)
            continue;
        k.bytes = (int64_t)st.st_size;
        r = pile_add(p, &k);
    }
    if (d)
        closedir(d);
    return r;
}

static int pile_all(struct store *s, struct pile *p)
{
    char folder[PATH_BYTES];
    struct dirent *e;
    int r = 0;
    DIR *d;

    lineage_path(folder, s, "");
    d = opendir(folder);
    while (d && r == 0 && (e = readdir(d)) != NULL)
        if (e->d_name[0] != '.' && strlen(e->d_name) < LINEAGE_TEXT)
            r = pile_lineage(s, p, e->d_name);
    if (d)
        closedir(d);
    return r;
}

/* One lineage ends where the next one begins, and its name is when that was; a clock that is set
 * back moves none that is used. */
static int by_age(const void *a, const void *b)
{
    const struct kept *x = a, *y = b;
    int r = x->present - y->present;

    r = r ? r : strcmp(x->lineage, y->lineage);
    return r ? r : (x->number > y->number) - (x->number < y->number);
}

/* Folders of lineages that have nothing left. */
static void remove_empty(struct store *s)
{
    char folder[PATH_BYTES], path[PATH_BYTES + 300];
    struct dirent *e;
    DIR *d;

    lineage_path(folder, s, "");
    d = opendir(folder);
    while (d && (e = readdir(d)) != NULL) {
        snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
        if (e->d_name[0] != '.' && strcmp(e->d_name, s->lineage) != 0)
            rmdir(path);
    }
    if (d)
        closedir(d);
}

static void prune(struct store *s, int64_t most, const struct backup_entry *backups, size_t n)
{
    struct pile p = {0};

    if (pile_all(s, &p) == 0) {
        if (p.n)
            qsort(p.all, p.n, sizeof(*p.all), by_age);
        for (size_t i = 0; i < p.n; i++)
            if (p.bytes > most || !is_needed(&p.all[i], backups, n))
                drop(s, &p, &p.all[i]);
        remove_empty(s);
    }
    free(p.all);
}

void archive_prune(struct store *s)
{
    struct backup_entry *backups = NULL;
    size_t n = 0;

    if (manifest_list(s->host->data_dir, &backups, &n) == 0)
        prune(s, s->config.archive, backups, n);
    free(backups);
}

void archive_forget(struct store *s)
{
    prune(s, 0, NULL, 0);
}

/* manifest.c - see manifest.h. */
#include "manifest.h"

#include "folder.h"
#include "side.h"

#include <aiex_file.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_TEXT 1024u

static void path_in(char *out, size_t size, const char *folder, const char *name)
{
    snprintf(out, size, "%s/%s", folder, name);
}

int manifest_write(const char *folder, const struct manifest *m)
{
    char path[700], text[MAX_TEXT];
    int n = snprintf(text, sizeof(text),
                     "aiex-backup 1\nsequence %llu\ncommits %llu\ntransactions %llu\ntime %lld\n"
                     "bytes %lld\nencrypted %d\nfirst_log %llu\nlineage %s\nnumber %llu\n",
                     (unsigned long long)m->sequence, (unsigned long long)m->commits,
                     (unsigned long long)m->transactions, (long long)m->time_ms,
                     (long long)m->bytes, m->encrypted, (unsigned long long)m->first_log,
                     m->lineage[0] ? m->lineage : "-", (unsigned long long)m->number);
    const struct aiex_slice piece = {(const uint8_t *)text, (size_t)n};
    struct aiex_error err;

    path_in(path, sizeof(path), folder, "manifest");
    return aiex_file_replace(path, &piece, 1, AIEX_FILE_SYNC, &err);
}

/* ---- Reading ---- */

static int take_line(struct manifest *m, const char *name, const char *value)
{
    const struct {
        const char *name;
        uint64_t *to;
    } numbers[] = {{"sequence", &m->sequence},
                   {"commits", &m->commits},
                   {"transactions", &m->transactions},
                   {"time", (uint64_t *)&m->time_ms},
                   {"bytes", (uint64_t *)&m->bytes},
                   {"first_log", &m->first_log},
                   {"number", &m->number}};
    char *end = NULL;

    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        if (strcmp(name, numbers[i].name) == 0) {
            *numbers[i].to = strtoull(value, &end, 10);
            return *value && !*end ? 0 : -EBADMSG;
        }
    if (strcmp(name, "encrypted") == 0)
        m->encrypted = *value == '1';
    else if (strcmp(name, "lineage") == 0 && strcmp(value, "-") != 0 &&
             strspn(value, "0123456789abcdef") == strlen(value) && strlen(value) < LINEAGE_TEXT)
        strcpy(m->lineage, value);
    return 0;
}

static int parse(char *text, struct manifest *m)
{
    char *line, *rest = text, *value;
    int r = 0, lines = 0;

    while (r == 0 && (line = strsep(&rest, "\n")) != NULL && *line) {
        value = strchr(line, ' ');
        if (!value)
            return -EBADMSG;
        *value++ = 0;
        if (lines++ == 0)
            r = strcmp(line, "aiex-backup") == 0 && strcmp(value, "1") == 0 ? 0 : -EBADMSG;
        else
            r = take_line(m, line, value);
    }
    m->verified = r == 0;
    return r || !lines ? -EBADMSG : 0;
}

static int read_old(const char *folder, struct manifest *m)
{
    struct side_record record;
    struct side side = {.fd = -1};
    struct aiex_error err;
    struct stat st;
    char path[700];
    int r;

    path_in(path, sizeof(path), folder, "db/meta.db");
    if (stat(path, &st) != 0)
        return -ENOENT;
    path_in(path, sizeof(path), folder, "side");
    if (stat(path, &st) != 0)
        return -ENOENT;
    r = side_open(&side, path, &record, &err);
    side_close(&side);
    if (r != 1)
        return r < 0 ? r : -EBADMSG;
    m->sequence = record.sequence;
    m->commits = record.commits;
    m->time_ms = (int64_t)st.st_mtime * 1000;
    path_in(path, sizeof(path), folder, "db");
    m->bytes = folder_bytes(path);
    return 0;
}

int manifest_read(const char *folder, struct manifest *m)
{
    uint8_t *data = NULL;
    char path[700], *text;
    size_t len = 0;
    int r;

    memset(m, 0, sizeof(*m));
    path_in(path, sizeof(path), folder, "manifest");
    r = aiex_file_read(path, MAX_TEXT, &data, &len);
    if (r == -ENOENT)
        return read_old(folder, m);
    if (r < 0)
        return r;
    text = strndup((const char *)data, len);
    free(data);
    r = text ? parse(text, m) : -ENOMEM;
    free(text);
    return r;
}

/* ---- All of them ---- */

struct listing {
    const char *data_dir;
    struct backup_entry *all;
    size_t n;
};

int manifest_is_own(const char *path)
{
    static const char *const own[] = {
        "db",      "side",    "cipher",   "db.replaced", "side.replaced", "cipher.replaced", "lock",
        "archive", "ballast", "manifest", "restore.new", "restore.ready", "backup.new"};
    size_t n = strcspn(path, "/");

    for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
        if (strlen(own[i]) == n && memcmp(path, own[i], n) == 0)
            return 1;
    return 0;
}

static int take_folder(struct listing *l, const char *name)
{
    struct backup_entry *all = l->all, *e;
    char path[600];
    struct manifest m;
    int r;

    path_in(path, sizeof(path), l->data_dir, name);
    r = strlen(name) > BACKUP_PATH || l->n == MAX_BACKUPS ? -ENOENT : manifest_read(path, &m);
    if (r < 0)
        return r == -ENOMEM ? r : -ENOENT;
    if ((l->n & (l->n + 1)) == 0) { /* room for twice as many */
        all = realloc(l->all, (l->n + 1) * 2 * sizeof(*all));
        if (!all)
            return -ENOMEM;
        l->all = all;
    }
    e = &all[l->n++];
    snprintf(e->path, sizeof(e->path), "%s", name);
    e->manifest = m;
    return 0;
}

/* Backups lie in the data folder or in a folder there. */
static int walk(struct listing *l, const char *below)
{
    char path[600], name[600];
    struct dirent *e;
    int r = 0;
    DIR *d;

    path_in(path, sizeof(path), l->data_dir, below);
    d = opendir(path);
    while (d && r == 0 && (e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.' || (!below[0] && manifest_is_own(e->d_name)))
            continue;
        snprintf(name, sizeof(name), "%s%s%s", below, below[0] ? "/" : "", e->d_name);
        r = take_folder(l, name);
        if (r == -ENOENT)
            r = below[0] ? 0 : walk(l, name);
    }
    if (d)
        closedir(d);
    return r;
}

static int by_age(const void *a, const void *b)
{
    const struct manifest *m = &((const struct backup_entry *)a)->manifest;
    const struct manifest *n = &((const struct backup_entry *)b)->manifest;

    if (m->number != n->number)
        return m->number < n->number ? -1 : 1;
    return m->time_ms < n->time_ms ? -1 : m->time_ms > n->time_ms;
}

int manifest_list(const char *data_dir, struct backup_entry **ret_all, size_t *ret_n)
{
    struct listing l = {.data_dir = data_dir};
    int r = walk(&l, "");

    if (r < 0) {
        free(l.all);
        return r;
    }
    if (l.n)
        qsort(l.all, l.n, sizeof(*l.all), by_age);
    *ret_all = l.all;
    *ret_n = l.n;
    return 0;
}

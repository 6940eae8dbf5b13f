/* folder.c - see folder.h. */
#include "folder.h"

#include <aiex_service.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE (1u << 20)

static int is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Calls fn for each entry until one fails. */
static int each(const char *path, int (*fn)(const char *path, const char *name, void *arg),
                void *arg)
{
    DIR *d = opendir(path);
    struct dirent *e;
    char inside[700];
    int r = 0;

    if (!d)
        return -errno;
    while (r == 0 && (e = readdir(d)) != NULL) {
        if (is_dots(e->d_name))
            continue;
        snprintf(inside, sizeof(inside), "%s/%s", path, e->d_name);
        r = fn(inside, e->d_name, arg);
    }
    closedir(d);
    return r;
}

static int pour(int in, int out)
{
    char *mem = malloc(PIECE);
    ssize_t n = 1;
    int r = mem ? 0 : -ENOMEM;

    while (r == 0 && n > 0) {
        n = read(in, mem, PIECE);
        for (ssize_t at = 0; n > 0 && at < n && r == 0;) {
            ssize_t m = write(out, mem + at, (size_t)(n - at));

            r = m < 0 ? -errno : 0;
            at += m;
        }
    }
    r = r == 0 && n < 0 ? -errno : r;
    free(mem);
    return r;
}

int folder_copy_file(const char *from, const char *to)
{
    int in = open(from, O_RDONLY | O_CLOEXEC), out, r;

    if (in < 0)
        return -errno;
    out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    r = out < 0 ? -errno : pour(in, out);
    if (r == 0 && fdatasync(out) != 0)
        r = -errno;
    if (out >= 0)
        close(out);
    close(in);
    return r;
}

static int copy_one(const char *path, const char *name, void *arg)
{
    char to[700];

    snprintf(to, sizeof(to), "%s/%s", (const char *)arg, name);
    return folder_copy_file(path, to);
}

int folder_copy(const char *from, const char *to, struct aiex_error *err)
{
    int r = mkdir(to, 0700) == 0 ? 0 : -errno;

    if (r == 0) {
        r = each(from, copy_one, (void *)(uintptr_t)to);
        r = r ? r : folder_sync(to);
        if (r < 0)
            folder_remove(to);
    }
    if (r < 0)
        aiex_failed(err, r, "'%.180s' can not be copied to '%.180s': %s", from, to, strerror(-r));
    return r;
}

static int sync_one(const char *path, const char *name, void *arg)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), r;

    (void)name;
    (void)arg;
    if (fd < 0)
        return -errno;
    r = fsync(fd) == 0 ? 0 : -errno;
    close(fd);
    return r;
}

int folder_sync(const char *path)
{
    int r = each(path, sync_one, NULL);

    return r ? r : sync_one(path, "", NULL);
}

int folder_sync_names(const char *path)
{
    return sync_one(path, "", NULL);
}

int folder_settle(const char *from, const char *to, struct aiex_error *err)
{
    const char *end = strrchr(to, '/');
    char parent[700];
    int r = folder_sync_names(from);

    snprintf(parent, sizeof(parent), "%.*s", end ? (int)(end - to) : 1, end ? to : ".");
    if (r == 0 && rename(from, to) != 0)
        r = -errno;
    r = r ? r : folder_sync_names(parent);
    return r < 0
               ? aiex_failed(err, r, "'%.200s' can not become '%.200s': %s", from, to, strerror(-r))
               : 0;
}

static int count_one(const char *path, const char *name, void *arg)
{
    struct stat st;

    (void)name;
    if (stat(path, &st) == 0)
        *(int64_t *)arg += (int64_t)st.st_blocks * 512;
    return 0;
}

int64_t folder_bytes(const char *path)
{
    int64_t bytes = 0;

    each(path, count_one, &bytes);
    return bytes;
}

/* Also a folder; a link is only unlinked. */
static int remove_one(const char *path, const char *name, void *arg)
{
    (void)name;
    (void)arg;
    if (unlink(path) != 0)
        folder_remove(path);
    return 0;
}

int folder_remove(const char *path)
{
    int r = each(path, remove_one, NULL);

    if (r == 0 && rmdir(path) != 0)
        r = -errno;
    return r;
}

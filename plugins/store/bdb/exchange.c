/* exchange.c - see exchange.h. */
#include "exchange.h"

#include "folder.h"

#include <aiex_service.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES 500u

static const char *const parts[] = {"db", "side", "cipher"};

#define N_PARTS (sizeof(parts) / sizeof(*parts))

static void path_of(char out[PATH_BYTES], const char *dir, const char *folder, const char *part)
{
    snprintf(out, PATH_BYTES, "%.300s/%s%s", dir, folder, part);
}

static int is_there(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

/* A file, or a folder of files. */
static void remove_part(const char *path)
{
    if (unlink(path) != 0)
        folder_remove(path);
}

int exchange_begin(const char *data_dir, char *ret_folder, size_t size, struct aiex_error *err)
{
    exchange_forget(data_dir);
    snprintf(ret_folder, size, "%s/restore.new", data_dir);
    if (mkdir(ret_folder, 0700) != 0)
        return aiex_failed(err, -errno, "folder '%.300s': %s", ret_folder, strerror(errno));
    return 0;
}

void exchange_forget(const char *data_dir)
{
    char path[PATH_BYTES];

    path_of(path, data_dir, "restore.new", "");
    folder_remove(path);
}

int exchange_decide(const char *data_dir, struct aiex_error *err)
{
    char from[PATH_BYTES], to[PATH_BYTES];

    path_of(from, data_dir, "restore.new", "");
    path_of(to, data_dir, "restore.ready", "");
    return folder_settle(from, to, err);
}

/* The old part aside, the new one into its place; either may be done already. */
static int move_part(const char *dir, const char *part)
{
    char fresh[PATH_BYTES], place[PATH_BYTES], old[PATH_BYTES + 16];

    path_of(fresh, dir, "restore.ready/", part);
    path_of(place, dir, "", part);
    snprintf(old, sizeof(old), "%s.replaced", place);
    if (!is_there(fresh))
        return 0;
    if (is_there(place)) {
        remove_part(old);
        if (rename(place, old) != 0)
            return -errno;
    }
    return rename(fresh, place) == 0 ? 0 : -errno;
}

int exchange_finish(const char *data_dir, struct aiex_error *err)
{
    char ready[PATH_BYTES];
    int r = 0;

    path_of(ready, data_dir, "restore.ready", "");
    if (!is_there(ready))
        return 0;
    for (size_t i = 0; i < N_PARTS && r == 0; i++)
        r = move_part(data_dir, parts[i]);
    r = r ? r : folder_sync_names(data_dir);
    if (r == 0 && rmdir(ready) != 0)
        r = -errno;
    return r < 0 ? aiex_failed(err, r, "what '%.200s' holds can not be put in its place: %s", ready,
                               strerror(-r))
                 : 1;
}

void exchange_drop_old(const char *data_dir)
{
    char path[PATH_BYTES];

    for (size_t i = 0; i < N_PARTS; i++) {
        snprintf(path, sizeof(path), "%.300s/%s.replaced", data_dir, parts[i]);
        remove_part(path);
    }
}

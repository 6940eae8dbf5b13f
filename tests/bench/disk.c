/* disk.c - see disk.h. */
#include "disk.h"

#include "measure.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EVENT     700u
#define MAX_BATCH 64

void disk_folder(char dir[DISK_PATH])
{
    const char *tmp = getenv("BENCH_DIR");

    snprintf(dir, DISK_PATH, "%.40s/aiex_bench_XXXXXX", tmp ? tmp : "/var/tmp");
    if (!mkdtemp(dir))
        give_up("%s: %s", dir, strerror(errno));
}

void disk_remove(const char *dir)
{
    char command[DISK_PATH + 20];

    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    if (system(command) != 0)
        note("%s stays", dir);
}

static void raw_path(char path[DISK_PATH + 10], const char *dir)
{
    snprintf(path, DISK_PATH + 10, "%s/raw", dir);
}

int disk_raw_open(const char *dir)
{
    char path[DISK_PATH + 10];
    int fd;

    raw_path(path, dir);
    fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    if (fd < 0)
        give_up("%s: %s", path, strerror(errno));
    return fd;
}

uint64_t disk_raw_append(int fd, int batch, long count)
{
    static const char mem[MAX_BATCH * EVENT];
    uint64_t start = now_ns();

    for (long i = 0; i < count; i += batch)
        if (write(fd, mem, (size_t)batch * EVENT) < 0 || fdatasync(fd) != 0)
            give_up("the raw file: %s", strerror(errno));
    return now_ns() - start;
}

void disk_raw_close(int fd, const char *dir)
{
    char path[DISK_PATH + 10];

    raw_path(path, dir);
    close(fd);
    unlink(path);
}

void disk_limit(const char *name, const char *dir, int batch, long count)
{
    int fd = disk_raw_open(dir);

    row(name, (double)count * 1e9 / (double)disk_raw_append(fd, batch, count), "events/s");
    disk_raw_close(fd, dir);
}

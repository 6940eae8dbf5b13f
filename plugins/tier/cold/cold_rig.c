/* cold_rig.c - see cold_rig.h. */
#include "cold_rig.h"

#include "cold.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

ssize_t __real_pwritev(int fd, const struct iovec *v, int n, off_t offset);
ssize_t __wrap_pwritev(int fd, const struct iovec *v, int n, off_t offset);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

_Atomic long disk_room = -1;
_Atomic int sync_fails;
_Atomic unsigned syncs;
long wall_step;

static uint64_t wall_base;
static uint64_t host_base; /* where clocks of fake hosts begin */

const struct aiex_fake_pair small_store[] = {{"max_bytes", "4M"}, {0}};

/* A full disk takes what still fits. The test changes the room while the writer tries by itself: one
 * look at it counts, and what the test said meanwhile stands. */
ssize_t __wrap_pwritev(int fd, const struct iovec *v, int n, off_t offset)
{
    size_t len = 0;
    long room = disk_room;
    uint8_t *flat;
    ssize_t w;

    if (room < 0)
        return __real_pwritev(fd, v, n, offset);
    if (room == 0) {
        errno = ENOSPC;
        return -1;
    }
    for (int i = 0; i < n; i++)
        len += v[i].iov_len;
    flat = malloc(len + 1);
    len = 0;
    for (int i = 0; i < n; len += v[i++].iov_len)
        if (v[i].iov_len)
            memcpy(flat + len, v[i].iov_base, v[i].iov_len);
    w = pwrite(fd, flat, (long)len > room ? (size_t)room : len, offset);
    if (w > 0)
        atomic_compare_exchange_strong(&disk_room, &room, room - w);
    free(flat);
    return w;
}

int __wrap_fdatasync(int fd)
{
    syncs++;
    if (sync_fails > 0) {
        sync_fails--;
        errno = EIO;
        return -1;
    }
    return __real_fdatasync(fd);
}

uint64_t wall_ms(const struct aiex_host *host)
{
    return wall_base + (uint64_t)wall_step + host->now_ms(host) - host_base;
}

static uint64_t first_ms(void)
{
    struct aiex_fake_host *fresh = aiex_fake_host_new("clock");
    const struct aiex_host *table = aiex_fake_host_table(fresh);
    uint64_t now = table->now_ms(table);

    aiex_fake_host_free(fresh);
    return now;
}

void cold_begin(const struct aiex_fake_pair *pairs)
{
    disk_room = -1;
    sync_fails = 0;
    wall_step = 0;
    wall_base = 1795262400000ull;
    tier_folder();
    host_base = first_ms();
    tier_open(pairs);
}

void cold_end(void)
{
    tier_close();
    tier_folder_gone();
}

void cold_restart(const struct aiex_fake_pair *pairs, unsigned ms)
{
    uint64_t wall = wall_ms(aiex_fake_host_table(h)) - (uint64_t)wall_step;

    tier_close();
    wall_base = wall + ms;
    tier_open(pairs);
}

void cold_ready(void)
{
    tier_get("no such key");
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

unsigned cold_segments(char names[][32], unsigned most)
{
    DIR *d = opendir(tier_dir);
    struct dirent *e;
    unsigned n = 0;

    while (d && (e = readdir(d)) && n < most)
        if (strlen(e->d_name) == 12 && strcmp(e->d_name + 8, ".seg") == 0)
            snprintf(names[n++], 32, "%s", e->d_name);
    if (d)
        closedir(d);
    qsort(names, n, 32, by_name);
    return n;
}

long cold_size(const char *name)
{
    struct stat st;

    return stat(tier_path(name), &st) == 0 ? (long)st.st_size : -1;
}

void cold_flip(const char *name, long at)
{
    int fd = open(tier_path(name), O_RDWR);
    char c;

    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(pread(fd, &c, 1, at), 1);
    c ^= 0x10;
    CU_ASSERT_EQUAL(pwrite(fd, &c, 1, at), 1);
    close(fd);
}

void cold_cut(const char *name, long bytes_less)
{
    CU_ASSERT_EQUAL(truncate(tier_path(name), cold_size(name) - bytes_less), 0);
}

int cold_logged(const char *words)
{
    return aiex_fake_find(h, AIEX_FAKE_LOG, words, 0) != NULL;
}

void cold_killed(const struct aiex_fake_pair *pairs, void (*work)(void))
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        tier_open(pairs);
        work();
        kill(getpid(), SIGKILL);
    }
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* lock_file.c - see lock_file.h. */
#include "lock_file.h"

#include <aiex_file.h>
#include <aiex_service.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define OWNER_TEXT 160

static int say_owner(struct lock_file *l, const char *instance)
{
    char text[OWNER_TEXT];
    int n = snprintf(text, sizeof(text), "%ld %ld %.100s\n", (long)getpid(), (long)getppid(),
                     instance);
    int r = aiex_file_pwrite(l->fd, text, (size_t)n, 0);

    if (r == 0 && ftruncate(l->fd, n) != 0)
        r = -errno;
    return r;
}

/* 1 when the holder is a process of our host that is not this one. */
static int is_predecessor(struct lock_file *l, long *ret_pid)
{
    char text[OWNER_TEXT] = "";
    size_t got = 0;
    long pid = 0, parent = 0;

    *ret_pid = 0;
    if (aiex_file_pread(l->fd, text, sizeof(text) - 1, 0, &got) != 0 || !got)
        return 0;
    text[got] = 0;
    if (sscanf(text, "%ld %ld", &pid, &parent) != 2)
        return 0;
    *ret_pid = pid;
    return pid != (long)getpid() && parent == (long)getppid();
}

int lock_try(struct lock_file *l, const char *instance)
{
    int r;

    if (flock(l->fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK || errno == EINTR ? LOCK_WAITING : -errno;
    r = say_owner(l, instance);
    return r == 0 || r == -ENOSPC ? LOCK_TAKEN : r;
}

int lock_open(struct lock_file *l, const char *path, const char *instance, struct aiex_error *err)
{
    long pid;
    int r;

    l->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (l->fd < 0)
        return aiex_failed(err, -errno, "lock file '%.200s': %s", path, strerror(errno));
    r = lock_try(l, instance);
    if (r == LOCK_WAITING && !is_predecessor(l, &pid)) {
        lock_close(l);
        return aiex_failed(err, -EBUSY,
                           "the store in '%.200s' is open in process %ld; one process at a time",
                           path, pid);
    }
    if (r < 0) {
        lock_close(l);
        return aiex_failed(err, r, "lock file '%.200s': %s", path, strerror(-r));
    }
    return r;
}

void lock_close(struct lock_file *l)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}

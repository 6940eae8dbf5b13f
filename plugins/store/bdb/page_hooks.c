/* page_hooks.c - see page_hooks.h. */
#include "page_hooks.h"

#include <db.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_PAUSE_US 1000L
#define MAX_FD       4096
#define MAX_HOMES    8u

/* What an open descriptor of Berkeley DB is. */
struct guarded {
    struct pages *pages;
    unsigned file;
};

static struct {
    pthread_mutex_t lock;
    struct pages *homes[MAX_HOMES];
    _Atomic(struct guarded *) by_fd[MAX_FD];
} process = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct guarded *guarded_of(int fd)
{
    return fd >= 0 && fd < MAX_FD ? atomic_load(&process.by_fd[fd]) : NULL;
}

/* ---- Opening and closing ---- */

/* With the lock of the process. A new file of the log, when it is one. */
static void fill_log(int fd, const char *path)
{
    const char *name;
    struct stat st;

    for (unsigned i = 0; i < MAX_HOMES; i++) {
        struct pages *p = process.homes[i];
        int64_t bytes = p ? pages_log_bytes(p) : 0;

        if (!bytes || !pages_has(p, path, &name) || strncmp(name, "log.", 4) != 0)
            continue;
        if (fstat(fd, &st) == 0 && st.st_size == 0 && fallocate(fd, 0, 0, bytes) != 0 &&
            ftruncate(fd, 0) != 0)
            return; /* it is as long as it is: zeros end a log */
    }
}

static int is_database(const char *name)
{
    size_t n = strlen(name);

    return n > 3 && strcmp(name + n - 3, ".db") == 0;
}

/* With the lock of the process. 0, or -1 with errno: it can not be guarded. */
static int guard(int fd, const char *path)
{
    const char *name;

    for (unsigned i = 0; i < MAX_HOMES; i++) {
        struct pages *p = process.homes[i];
        struct guarded *g;
        int file;

        if (!p || !pages_has(p, path, &name) || !is_database(name))
            continue;
        file = pages_file(p, name);
        g = file < 0 || fd >= MAX_FD ? NULL : malloc(sizeof(*g));
        if (!g) {
            errno = file < 0 || fd >= MAX_FD ? EMFILE : ENOMEM;
            return -1;
        }
        *g = (struct guarded){p, (unsigned)file};
        atomic_store(&process.by_fd[fd], g);
    }
    return 0;
}

static _Thread_local int met_full_disk;

int hooks_met_full_disk(void)
{
    int met = met_full_disk;

    met_full_disk = 0;
    return met;
}

/* What goes wrong in a function of ours. */
static void failed(int r)
{
    met_full_disk |= r == -ENOSPC || r == -EDQUOT || r == -EFBIG;
    errno = -r;
}

static int on_open(const char *path, int flags, ...)
{
    va_list args;
    int fd, r, mode;

    va_start(args, flags);
    mode = va_arg(args, int);
    va_end(args);
    fd = open(path, flags, mode);
    if (fd < 0) {
        failed(-errno);
        return fd;
    }
    pthread_mutex_lock(&process.lock);
    r = guard(fd, path);
    if (flags & O_CREAT)
        fill_log(fd, path);
    pthread_mutex_unlock(&process.lock);
    if (r == 0)
        return fd;
    close(fd);
    return -1;
}

static int on_close(int fd)
{
    if (fd >= 0 && fd < MAX_FD)
        free(atomic_exchange(&process.by_fd[fd], NULL));
    return close(fd);
}

/* ---- Reading and writing ---- */

static ssize_t on_pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    struct guarded *g = guarded_of(fd);
    ssize_t n;
    int r;

    if (!g) {
        n = pwrite(fd, bytes, len, at);
        if (n < 0)
            failed(-errno);
        return n;
    }
    r = pages_write(g->pages, g->file, bytes, len, (uint64_t)at);
    failed(r);
    return r ? -1 : (ssize_t)len;
}

static ssize_t on_pread(int fd, void *bytes, size_t len, off_t at)
{
    struct guarded *g = guarded_of(fd);

    return g ? pages_read(g->pages, g->file, fd, bytes, len, at) : pread(fd, bytes, len, at);
}

/* Berkeley DB takes less than the whole for an error here. It comes here also when a pwrite failed.
 */
static ssize_t on_write(int fd, const void *bytes, size_t len)
{
    off_t at = guarded_of(fd) ? lseek(fd, 0, SEEK_CUR) : -1;
    size_t done = 0;

    if (at >= 0)
        return on_pwrite(fd, bytes, len, at);
    while (done < len) {
        ssize_t n = write(fd, (const char *)bytes + done, len - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            failed(-errno);
            return -1;
        }
        done += (size_t)n;
    }
    return (ssize_t)len;
}

/* What this and the next one return goes through as an error of Berkeley DB: no -1. */
static int on_fsync(int fd)
{
    struct guarded *g = guarded_of(fd);
    int r = g ? pages_flush(g->pages) : fdatasync(fd) == 0 ? 0 : -errno;

    failed(r);
    return -r;
}

/* What is held of the file goes to its place before: nothing of it may come back behind its end. */
static int on_ftruncate(int fd, off_t size)
{
    struct guarded *g = guarded_of(fd);
    int r;

    if (!g)
        return ftruncate(fd, size) == 0 ? 0 : errno;
    r = pages_cut(g->pages, g->file, fd, size);
    failed(r);
    return -r;
}

/* ---- Its pauses ---- */

static _Thread_local int hurries;

void hooks_hurry(int on)
{
    hurries = on;
}

/* Elsewhere than in a checkpoint pauses are counted, and end with an error. */
static int on_yield(unsigned long seconds, unsigned long us)
{
    struct timespec pause = {.tv_sec = (time_t)(seconds + us / 1000000),
                             .tv_nsec = (long)(us % 1000000 * 1000)};

    if (hurries && (seconds || us > MAX_PAUSE_US))
        pause = (struct timespec){.tv_nsec = MAX_PAUSE_US * 1000};
    return nanosleep(&pause, NULL) == 0 ? 0 : errno;
}

/* ---- Life ---- */

static void set_functions(void)
{
    db_env_set_func_open(on_open);
    db_env_set_func_close(on_close);
    db_env_set_func_write(on_write);
    db_env_set_func_pread(on_pread);
    db_env_set_func_pwrite(on_pwrite);
    db_env_set_func_fsync(on_fsync);
    db_env_set_func_yield(on_yield);
    db_env_set_func_ftruncate(on_ftruncate);
}

int hooks_begin(struct pages *p)
{
    int r = -ENFILE;

    pthread_mutex_lock(&process.lock);
    for (unsigned i = 0; i < MAX_HOMES && r < 0; i++)
        if (!process.homes[i]) {
            process.homes[i] = p;
            r = 0;
        }
    set_functions();
    pthread_mutex_unlock(&process.lock);
    return r;
}

void hooks_end(struct pages *p)
{
    pthread_mutex_lock(&process.lock);
    for (unsigned i = 0; i < MAX_HOMES; i++)
        if (process.homes[i] == p)
            process.homes[i] = NULL;
    for (int fd = 0; fd < MAX_FD; fd++) { /* what a panic has left open */
        struct guarded *g = atomic_load(&process.by_fd[fd]);

        if (g && g->pages == p)
            free(atomic_exchange(&process.by_fd[fd], NULL));
    }
    pthread_mutex_unlock(&process.lock);
}

/*
 * faults_rig.c - the clock of the tests, and the n-th file operation or allocation of the worker
 * thread, which fails or ends the process. Linked with --wrap for the functions below.
 */
#include "checkpoints_rig.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

int64_t wall_ms(void);
ssize_t __real_pwrite(int fd, const void *bytes, size_t n, off_t at);
ssize_t __real_write(int fd, const void *bytes, size_t n);
int __real_fdatasync(int fd);
int __real_fsync(int fd);
int __real_rename(const char *from, const char *to);
int __real_unlink(const char *path);
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *mem, size_t n);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t at);
ssize_t __wrap_write(int fd, const void *bytes, size_t n);
int __wrap_fdatasync(int fd);
int __wrap_fsync(int fd);
int __wrap_rename(const char *from, const char *to);
int __wrap_unlink(const char *path);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *mem, size_t n);

int64_t wall_off;
static pthread_t loop;
static atomic_int kind, left, seen;

int64_t wall_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000 + wall_off;
}

void fault_at(enum fault fault, int n)
{
    loop = pthread_self();
    atomic_store(&seen, 0);
    atomic_store(&left, n);
    atomic_store(&kind, fault);
}

int fault_count(void)
{
    return atomic_load(&seen);
}

/* 1 = this one. */
static int strikes(enum fault fault)
{
    if (atomic_load(&kind) != (int)fault || pthread_equal(pthread_self(), loop))
        return 0;
    atomic_fetch_add(&seen, 1);
    return atomic_fetch_sub(&left, 1) == 1;
}

/* A full disk stays full for what is written; one that dies takes all with it. */
static int file_fails(int writes)
{
    if (strikes(FILE_DIES))
        raise(SIGKILL);
    return writes && strikes(FILE_FULL);
}

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    if (file_fails(1)) {
        errno = ENOSPC;
        return -1;
    }
    return __real_pwrite(fd, bytes, n, at);
}

/* Also how the worker rings for the loop: 8 bytes. */
ssize_t __wrap_write(int fd, const void *bytes, size_t n)
{
    if (n != 8 && file_fails(1)) {
        errno = ENOSPC;
        return -1;
    }
    return __real_write(fd, bytes, n);
}

int __wrap_fdatasync(int fd)
{
    file_fails(0);
    return __real_fdatasync(fd);
}

int __wrap_fsync(int fd)
{
    file_fails(0);
    return __real_fsync(fd);
}

int __wrap_rename(const char *from, const char *to)
{
    file_fails(0);
    return __real_rename(from, to);
}

int __wrap_unlink(const char *path)
{
    file_fails(0);
    return __real_unlink(path);
}

void *__wrap_malloc(size_t n)
{
    return strikes(ALLOC_FAILS) ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return strikes(ALLOC_FAILS) ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *mem, size_t n)
{
    return strikes(ALLOC_FAILS) ? NULL : __real_realloc(mem, n);
}

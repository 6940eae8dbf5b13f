/* file.c - files read and replaced whole; reads and writes that are not cut short. */
#include "aiex_file.h"
#include "aiex_service.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int aiex_file_pwrite(int fd, const void *bytes, size_t n, uint64_t offset)
{
    const uint8_t *p = bytes;

    while (n) {
        ssize_t w = pwrite(fd, p, n, (off_t)offset);

        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return w < 0 ? -errno : -EIO;
        p += w;
        n -= (size_t)w;
        offset += (uint64_t)w;
    }
    return 0;
}

int aiex_file_pread(int fd, void *mem, size_t n, uint64_t offset, size_t *ret_got)
{
    size_t got = 0;

    while (got < n) {
        ssize_t r = pread(fd, (uint8_t *)mem + got, n - got, (off_t)(offset + got));

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        if (r == 0)
            break;
        got += (size_t)r;
    }
    *ret_got = got;
    return 0;
}

static int write_all(int fd, const struct aiex_slice *pieces, size_t n, unsigned flags)
{
    uint64_t at = 0;

    for (size_t i = 0; i < n; i++) {
        int r = aiex_file_pwrite(fd, pieces[i].data, pieces[i].len, at);

        if (r < 0)
            return r;
        at += pieces[i].len;
    }
    return (flags & AIEX_FILE_SYNC) && fdatasync(fd) != 0 ? -errno : 0;
}

/* The rename itself is on the disk when its folder is. */
static void sync_folder(const char *path)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int fd;

    snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

int aiex_file_replace(const char *path, const struct aiex_slice *pieces, size_t n_pieces,
                      unsigned flags, struct aiex_error *err)
{
    char tmp[PATH_MAX];
    int fd, r;

    if (snprintf(tmp, sizeof(tmp), "%s.tmp", path) >= (int)sizeof(tmp))
        return aiex_failed(err, -ENAMETOOLONG, "file '%.200s' has too long a path", path);
    fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        r = -errno;
        return aiex_failed(err, r, "file '%s' can not be written: %s", tmp, strerror(-r));
    }
    r = write_all(fd, pieces, n_pieces, flags);
    if (close(fd) != 0 && r == 0)
        r = -errno;
    if (r == 0 && rename(tmp, path) != 0)
        r = -errno;
    if (r < 0) {
        unlink(tmp);
        return aiex_failed(err, r, "file '%s' can not be written: %s", path, strerror(-r));
    }
    if (flags & AIEX_FILE_SYNC)
        sync_folder(path);
    return 0;
}

int aiex_file_read(const char *path, size_t max, uint8_t **ret_data, size_t *ret_len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), r = 0;
    uint8_t *mem = NULL;
    size_t got = 0;
    struct stat st;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) != 0)
        r = -errno;
    else if (st.st_size < 0 || (uint64_t)st.st_size > max)
        r = -EFBIG;
    else if (!(mem = malloc((size_t)st.st_size + 1)))
        r = -ENOMEM;
    else
        r = aiex_file_pread(fd, mem, (size_t)st.st_size, 0, &got);
    close(fd);
    if (r < 0) {
        free(mem);
        return r;
    }
    mem[got] = 0;
    *ret_data = mem;
    *ret_len = got;
    return 0;
}

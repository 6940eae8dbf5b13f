/* space.c - see space.h. */
#include "space.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

void space_init(struct space *sp, const char *folder, int64_t min_free, int64_t ballast)
{
    snprintf(sp->folder, sizeof(sp->folder), "%s", folder);
    snprintf(sp->path, sizeof(sp->path), "%s/ballast", folder);
    sp->min_free = min_free;
    sp->ballast = ballast;
}

int64_t space_free(const struct space *sp)
{
    struct statvfs v;

    if (statvfs(sp->folder, &v) != 0)
        return INT64_MAX;
    return (int64_t)v.f_bavail * (int64_t)v.f_frsize;
}

int space_fill(const struct space *sp)
{
    struct stat st;
    int fd, r;

    if (!sp->ballast || (stat(sp->path, &st) == 0 && st.st_size >= sp->ballast))
        return 0;
    if (space_free(sp) < sp->min_free + sp->ballast)
        return -ENOSPC;
    fd = open(sp->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    r = fallocate(fd, 0, 0, sp->ballast) == 0 ? 0 : -errno;
    close(fd);
    if (r < 0)
        unlink(sp->path);
    return r == -EOPNOTSUPP ? 0 : r;
}

int space_drop(const struct space *sp)
{
    return unlink(sp->path) == 0;
}

int space_enough(const struct space *sp)
{
    return space_free(sp) >= sp->min_free;
}

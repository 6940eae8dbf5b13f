#include "own_path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int own_folder(char *out, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", out, size);
    char *slash;

    if (n < 0)
        return -errno;
    if ((size_t)n >= size)
        return -ENAMETOOLONG;
    out[n] = 0;
    slash = strrchr(out, '/');
    if (!slash)
        return -ENOENT;
    *slash = 0;
    return 0;
}

int own_sibling(const char *name, char *out, size_t size)
{
    int failed = own_folder(out, size);
    size_t used;

    if (failed)
        return failed;
    used = strlen(out);
    if ((size_t)snprintf(out + used, size - used, "/%s", name) >= size - used)
        return -ENAMETOOLONG;
    return access(out, X_OK) == 0 ? 0 : -ENOENT;
}

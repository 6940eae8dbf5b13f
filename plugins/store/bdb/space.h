/*
 * space.h - room on the disk: a limit below which nothing is written, and a ballast.
 *
 * A database that runs into a full disk can not even recover. So the store stops writing while
 * `min_free` bytes are left, and keeps a file of `ballast` bytes that it gives back when the limit
 * did not help (others fill the same disk), so that the log can be finished and cleaned up.
 */
#ifndef SPACE_H
#define SPACE_H

#include <aiex/aiex_plugin.h>

struct space {
    char folder[300], path[320];
    int64_t min_free, ballast;
};

void space_init(struct space *sp, const char *folder, int64_t min_free, int64_t ballast);
/* Bytes that are free for us; INT64_MAX when nobody knows. */
int64_t space_free(const struct space *sp);
/* Makes the ballast when it is not there and the disk has room beyond the limit. 0, -ENOSPC. */
int space_fill(const struct space *sp);
/* Gives the ballast back. 1 when there was one. */
int space_drop(const struct space *sp);
/* 1 when there is room to write. */
int space_enough(const struct space *sp);

#endif

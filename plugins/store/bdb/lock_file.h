/*
 * lock_file.h - one process for one data folder.
 *
 * The file says who holds the lock: process, its parent (the host), instance. A lock that is held
 * by another process of the same host means that this one is to replace it: it waits. Everybody
 * else is refused at once. The kernel gives the lock back when its process ends, however it ends.
 */
#ifndef LOCK_FILE_H
#define LOCK_FILE_H

#include <aiex/aiex_plugin.h>

#define LOCK_TAKEN   1 /* it is ours */
#define LOCK_WAITING 0 /* held by the process that this one replaces */

struct lock_file {
    int fd; /* -1 = none */
};

/* Opens (and makes) the file and tries once. LOCK_*, -EBUSY with the holder's name, or another
 * errno; then nothing is left open. */
int lock_open(struct lock_file *l, const char *path, const char *instance, struct aiex_error *err);
/* Tries again. LOCK_* or negative errno. */
int lock_try(struct lock_file *l, const char *instance);
/* Gives it back and closes; -1 is fine. */
void lock_close(struct lock_file *l);

#endif

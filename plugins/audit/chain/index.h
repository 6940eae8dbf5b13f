/*
 * index.h - where each entry is and which leaf was recorded for it: `index`, 40 bytes for each.
 *
 *     leaf (32), offset in its segment u64
 *
 * It is written behind the entries and not synced: after a loss of power it is shorter and is
 * filled up from the segments. It never is ahead of them, so an index with more entries than the
 * segments says that their end was cut off. What could not be written waits in memory; nothing else
 * is appended before.
 */
#ifndef INDEX_H
#define INDEX_H

#include <aiex_merkle.h>

#define INDEX_ITEM    40u
#define INDEX_NOWHERE UINT64_MAX /* offset of an entry that is damaged or missing */

struct index_file {
    int fd;     /* 0 or less = none */
    uint64_t n; /* entries, with those that wait */
    uint64_t written;
    uint8_t *waiting; /* of entries written .. n - 1 */
    size_t room;
};

/* 0 or negative errno with a reason. */
int index_open(struct index_file *x, const char *path, struct aiex_error *err);
void index_close(struct index_file *x);
/* 0, -ENOMEM. Nothing is written. */
int index_add(struct index_file *x, const uint8_t leaf[AIEX_HASH], uint64_t offset);
/* Writes what waits. 0 or negative errno: it goes on waiting. index_write() may take long and
 * leaves the struct as it is, so that others may read meanwhile; index_kept() then says so. */
int index_write(const struct index_file *x);
void index_kept(struct index_file *x);
int index_flush(struct index_file *x); /* both */
/* Items first .. first + n - 1 into out (n * INDEX_ITEM bytes). 0, -ERANGE, negative errno. */
int index_read(const struct index_file *x, uint64_t first, size_t n, uint8_t *out);
uint64_t index_offset(const uint8_t *item);
/* Item n, which is on the disk, as it must be: 1 when it is; 0 when it was made so, since a loss of
 * power had left zeros in it (512 bytes at a time); -EBADMSG when it says something else, negative
 * errno. */
int index_mend(struct index_file *x, uint64_t n, const uint8_t leaf[AIEX_HASH], uint64_t offset);

#endif

/*
 * side.h - what the store has acknowledged, kept outside of the database.
 *
 * Damage in the middle of its log makes Berkeley DB drop everything behind it without a word: the
 * end of an undamaged log looks the same. So after each flush, and before anybody is answered,
 * this record is written beside the database: how far it went and the head of the chain of
 * hashes there. An open that finds less than the record says is damage, not an empty end.
 *
 * Two slots of one sector, written in turn, each with its checksum: a torn write costs the one that
 * was being written. No fdatasync of its own after a flush: what the record claims is on the disk
 * already, so an older record is true, too, and a killed process loses none of its writes.
 *
 *     0 "AIEXSIDE"   8 crc u32 of the rest   12 format u32   16 count u64   24 the record
 */
#ifndef SIDE_H
#define SIDE_H

#include <aiex/aiex_plugin.h>

#define SIDE_HASH 32u

struct side_record {
    uint64_t sequence;       /* of the last event on the disk */
    uint64_t commits;        /* transactions on the disk */
    uint64_t stamp;          /* of the last checkpoint: all files bear it or a later one */
    uint64_t epoch;          /* of the store's writer */
    uint64_t opens;          /* times the store was opened for writing */
    uint8_t head[SIDE_HASH]; /* chain of hashes up to `sequence` */
};

struct side {
    int fd; /* -1 = none */
    uint64_t count;
};

/* Opens the file, makes it when there is none. 1 and *ret_record when a slot is whole, 0 when the
 * file is new, -EBADMSG when no slot is, other negative errno. */
int side_open(struct side *s, const char *path, struct side_record *ret_record,
              struct aiex_error *err);
/* One pwrite. 0 or negative errno. */
int side_write(struct side *s, const struct side_record *record);
/* 0 or negative errno. */
int side_sync(struct side *s);
void side_close(struct side *s);

#endif

/*
 * journal.h - what must survive: an append-only file of records in the instance's data folder.
 *
 *     pepper   32 random bytes, made once
 *     keys     one frame after the other: "AKF1", length (4), sequence (8), check sum (16),
 * payload. The first one's payload is the fingerprint of the pepper
 *
 * An append is on disk (fsync) before it returns. Compaction writes a new file beside the old
 * one and renames it over, so that at any moment one of them is whole. On opening every frame is
 * checked. A beginning of a frame at the end of the file is a write that never was answered: it is
 * cut off and said in the log. Everything else that is broken is damage: the journal refuses to
 * open, so that nobody's revocation is silently lost.
 *
 * Two processes may have it open for a moment, while a successor of this plugin starts and the old
 * one still answers. Writes are made under flock(); who finds that the other one has written
 * (-ESTALE, journal_changed()) opens it again and takes every record anew.
 *
 * With a store (stored.h) the file is a cache of what the store's streams say: appends are not
 * synced, and a damaged one is emptied, because everything comes again.
 *
 * Numbers are little-endian. Thread rule: loop thread; the few small writes block it, and nothing
 * that is written per request comes here.
 */
#ifndef GATEWAY_JOURNAL_H
#define GATEWAY_JOURNAL_H

#include "secret.h"

#define JOURNAL_MAX_RECORD 16384u

struct journal {
    const struct aiex_host *host;
    char folder[512];
    uint8_t pepper[PEPPER_BYTES];
    int fd;            /* -1 = closed */
    uint64_t sequence; /* of the last frame */
    uint64_t size;     /* bytes of good frames */
    size_t frames;     /* in the file */
    int cache;         /* 1: a cache, see above. Set while the file is read, or by its user */
    int emptied;       /* it was a damaged cache when it was opened */
    char broken[160];  /* why nothing can be written any more, until the next start; "" = fine */
};

/* Gets every record in order. Negative: the record makes no sense, stop. */
typedef int (*journal_take)(void *arg, struct aiex_slice record);
/* Gives the n-th record of a compacted file; an empty slice ends it. */
typedef struct aiex_slice (*journal_give)(void *arg, size_t n);

/* Makes what is missing, reads what is there. 0, or a negative errno and a reason; then
 * journal_close() is not needed. */
int journal_open(struct journal *j, const struct aiex_host *host, journal_take take, void *arg,
                 struct aiex_error *err);
/* 1 when another process has written since it was opened or written here. */
int journal_changed(const struct journal *j);
/* 0 when the record is on disk; -ESTALE: journal_changed(); else -ENOSPC, -EIO ... and a reason,
 * and the file is as before. */
int journal_append(struct journal *j, struct aiex_slice record, struct aiex_error *err);
/* Another process has written, and what it wrote is known: goes on behind it. 0, or a reason. */
int journal_attach(struct journal *j, struct aiex_error *err);
/* Throws all records away and takes another pepper. 0, or a reason. */
int journal_adopt(struct journal *j, const uint8_t pepper[PEPPER_BYTES], struct aiex_error *err);
/* Writes a new file that holds what `give` gives. On failure the old one goes on. */
int journal_compact(struct journal *j, journal_give give, void *arg, struct aiex_error *err);
void journal_close(struct journal *j);

#endif

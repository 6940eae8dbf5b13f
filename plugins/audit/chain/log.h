/*
 * log.h - the log on the disk: segments, index, tree, writers, heads.
 *
 * One thread, the writer, calls everything here but what says "readers". It adds entries to a batch
 * and commits it: one write, one fdatasync, then the entries are in the log, or none of them is.
 * Readers see what is on the disk and nothing else; `lock` guards what they share with the writer.
 *
 *     log_open.c   what is in the folder: counted from the file `state` on, compared with index and
 * heads   keys.c       the signing key, and how the next one takes over
 *     log.c        batches, segments, erasing, heads body.c       an entry as JSON record.c
 * segments as bytes
 *
 * A log that is damaged is opened, for reading only: `faulty` says why.
 */
#ifndef LOG_H
#define LOG_H

#include "heads.h"
#include "index.h"
#include "keys.h"
#include "record.h"
#include "writers.h"

#include <pthread.h>

#define MAX_SEGMENTS  2048u
#define BATCH_ENTRIES 4096u
#define BATCH_BYTES   (8u << 20)

struct segment {
    int fd;
    uint64_t first, salt;
    uint64_t end; /* bytes that are on the disk */
};

/* What is to be recorded. Slices are the caller's. */
struct entry {
    struct aiex_slice writer, type, actor, subject, correlation, reason;
    struct aiex_slice payload; /* empty = none */
    int64_t time;
    int64_t redacts; /* -1 = nothing */
    /* filled by log_add() */
    uint64_t seq;
    uint8_t leaf[AIEX_HASH];
};

struct log {
    const struct aiex_host *host;
    char dir[512];
    int64_t segment_size; /* atomic */

    pthread_mutex_t lock; /* writer and readers: */
    struct aiex_note_signer signer;
    struct log_key *keys; /* that signed or sign; AIEX_AUDIT_KEYS of room */
    size_t n_keys;
    struct segment *segments;
    size_t n_segments;
    uint64_t size; /* entries on the disk */
    struct aiex_tree tree;
    struct index_file index;
    struct redactions redactions;
    uint64_t heads_end;

    /* the writer's own */
    int key_is_secret;         /* of the configuration, not of a file */
    char named[AIEX_NOTE_KEY]; /* the key that keys_rotate() made */
    struct writers writers;
    struct heads heads;
    uint8_t *batch, *leaves; /* bytes of the records; leaf and offset of each */
    uint64_t *offsets;
    size_t n_batch, batch_len;
    uint64_t state_size; /* entries that the file `state` covers */
    int lock_fd;
    int faulty;
    char fault[400];               /* the first one */
    uint64_t n_faults, disk_since; /* mono_ms() when the disk was asked; 0 = it is idle. Atomic */
};

/* ---- log_open.c ---- */

/* Takes the folder for this process alone. 0, -EBUSY (another one has it), negative errno. */
int log_lock(struct log *l, struct aiex_error *err);
/* Reads what is there. 0 also when it is faulty; negative errno: it can not be read at all. `stop`
 * is looked at now and then. */
int log_open(struct log *l, const int *stop, struct aiex_error *err);
void log_close(struct log *l);
void log_fault(struct log *l, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- log_segments.c ---- */

/* A segment that goes on at seq `first`. 0 or negative errno. */
int log_segment_new(struct log *l, uint64_t first);
/* Opens all that are there, and makes the first one. A damaged head is a fault. 0 or negative
 * errno. */
int segments_open(struct log *l);

/* ---- log_tail.c ---- */

/* Cuts off what was never finished at the end of the last segment, which is read from byte `from`
 * and entry l->size on; the index has `indexed` entries. 0 or negative errno. */
int tail_cut(struct log *l, struct segment *s, uint64_t from, uint64_t indexed);

/* ---- log.c ---- */

/* Adds to the batch. 0, -E2BIG (too many writers), -ENOBUFS (the batch is full: commit), -EIO. */
int log_add(struct log *l, struct entry *e);
/* 0, or negative errno: nothing of the batch was recorded. */
int log_commit(struct log *l);
/* Writes zeros over the payload of `seq` and keeps that entry `by` says so. 0 or negative errno. */
int log_erase(struct log *l, uint64_t seq, uint64_t by);
/* 0, -ENOENT (no such entry, or without payload), -EALREADY, negative errno. */
int log_can_erase(struct log *l, uint64_t seq);
/* A signed head of all that is there into out (AIEX_NOTE_MAX); stored when the last stored one is
 * smaller. Its length; *ret_size entries. */
long log_head(struct log *l, char *out, uint64_t *ret_size, uint8_t root[AIEX_HASH]);
/* Writes the file `state`. */
int log_save(struct log *l);
/* The files are still there, under their names. 0, or -ESTALE and why in err. */
int log_look(struct log *l, struct aiex_error *err);

/* ---- readers ---- */

/* The record of an entry into mem[MAX_RECORD]. 0, -ERANGE, -EBADMSG (damaged). */
int log_read(struct log *l, uint64_t seq, uint8_t *mem, struct record *r, uint8_t leaf[AIEX_HASH]);
/* Number of the segment with entry `seq`. With the lock held. */
size_t log_segment_of(const struct log *l, uint64_t seq);

/* ---- clock.c ---- */

/* Milliseconds that only go forwards. */
uint64_t mono_ms(const struct aiex_host *host);
int64_t wall_ms(void);

/* ---- body.c ---- */

/* The exact bytes of the leaf into out (MAX_BODY); commit may be NULL. Its length, -EMSGSIZE. */
long body_write(const struct entry *e, const struct writer *w, const uint8_t *commit, char *out);

#endif

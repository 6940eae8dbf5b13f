/*
 * aiex_record_log.h - an append-only file of records that tells what happened to it.
 *
 * Each record has a mark, its length and a CRC-32C. Mark and checksum depend on the file's
 * random salt, the checksum on the record's place, too: bytes inside a body, or a record copied
 * from elsewhere, never pass for a record. aiex_rlog_add() is one write(2): what it accepted
 * survives the end of the process (kill -9); aiex_rlog_sync() is for the loss of power.
 *
 *     file    "AIEXLOG1", salt u64, crc of the 16 bytes u32, zero u32         24 bytes
 *     record  low half of the salt u32, length u32, crc u32 of salt, offset, length, body; body
 *     (numbers little-endian)
 *
 * Rule of the torn tail: bytes at the end without one whole record behind them are what a
 * crash left of the last write; opening for writing cuts them off. Damage with a whole record
 * behind it is a hole: reported with place and length, and stepped over. Readers see
 *
 *     while ((r = aiex_rlog_next(&at, &what)) > 0)
 *         if (r == AIEX_RLOG_RECORD) ... what.body
 *         else                       ... AIEX_RLOG_HOLE or AIEX_RLOG_TORN: what.offset, what.bytes
 *
 * Two processes may append to one file, which happens while a plugin is replaced: each append
 * takes an advisory lock (flock), and what the other one added meanwhile is shown to `see` first.
 * One thread at a time for each struct; a cursor may read a file that is being written.
 */
#ifndef AIEX_RECORD_LOG_H
#define AIEX_RECORD_LOG_H

#include <aiex/aiex_plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AIEX_RLOG_HEAD       24u        /* bytes before the first record */
#define AIEX_RLOG_FRAME      12u        /* bytes before each body */
#define AIEX_RLOG_MAX_RECORD (1u << 20) /* bytes of a body */
#define AIEX_RLOG_ADD_MAX    64u        /* records of one aiex_rlog_add_all() */

/* What is at a place in the file. */
#define AIEX_RLOG_RECORD 1
#define AIEX_RLOG_HOLE   2 /* damaged bytes, a whole record follows */
#define AIEX_RLOG_TORN   3 /* damaged bytes up to the end */

struct aiex_rlog_item {
    uint64_t offset;        /* where it begins */
    uint64_t bytes;         /* how long it is, with its frame */
    uint32_t crc;           /* RECORD: its checksum */
    struct aiex_slice body; /* RECORD: valid until the next call */
};

/* ---- Reading ---- */

struct aiex_rlog_cursor {
    int fd;        /* its own; 0 or less = none */
    uint64_t salt; /* names the file */
    uint64_t at;   /* next place to read */
    uint64_t end;  /* reading stops here */
    uint8_t *mem;  /* bytes [mem_at, mem_at + mem_len) of the file */
    size_t mem_size, mem_len;
    uint64_t mem_at;
};

/* Opens for reading from the first record to the file's present end; set `at` and `end` to read
 * less. 0, -EBADMSG (not such a file), -ENOENT and other errno. */
int aiex_rlog_read(struct aiex_rlog_cursor *c, const char *path, struct aiex_error *err);
/* The next item: AIEX_RLOG_*, 0 at the end, negative errno when the disk refuses or memory is
 * short (the place is kept: try again). */
int aiex_rlog_next(struct aiex_rlog_cursor *c, struct aiex_rlog_item *ret_item);
/* Closes and frees; also a zeroed cursor, and one whose opening failed. */
void aiex_rlog_read_done(struct aiex_rlog_cursor *c);

/* ---- Writing ---- */

/* Sees each record, hole and torn tail (kind AIEX_RLOG_*) that this process did not write: while
 * the file is opened, and later when another process appended. Negative ends that with this error.
 */
typedef int (*aiex_rlog_see_fn)(void *arg, int kind, const struct aiex_rlog_item *item);

struct aiex_rlog {
    int fd; /* 0 or less = none */
    uint64_t salt;
    uint64_t end; /* where the next record goes */
    int held;     /* by aiex_rlog_hold() */
    aiex_rlog_see_fn see;
    void *arg;
};

/* Opens for writing, makes the file when there is none, shows `see` (may be NULL; kept, with arg,
 * until the log is closed) all from `from` on (0 = the first record; else the offset of a record),
 * and cuts a torn tail off. A head that a crash left unfinished (no record can be behind it) is
 * written anew. 0, -EBADMSG (another kind of file), negative errno with a reason. */
int aiex_rlog_open(struct aiex_rlog *log, const char *path, uint64_t from, aiex_rlog_see_fn see,
                   void *arg, struct aiex_error *err);
/* Appends one record made of the pieces. On failure (-ENOSPC, -EMSGSIZE, -ENOMEM ...) nothing was
 * added and the next call may work again. *ret_offset and *ret_crc may be NULL. */
int aiex_rlog_add(struct aiex_rlog *log, const struct aiex_slice *pieces, size_t n_pieces,
                  uint64_t *ret_offset, uint32_t *ret_crc);
/* Appends up to AIEX_RLOG_ADD_MAX records with one write, all or none. items[].body says what they
 * are; the AIEX_RLOG_FRAME bytes before each body are the caller's too, and are filled here. The other
 * fields of the items are set, also on failure. Errors as aiex_rlog_add(). */
int aiex_rlog_add_all(struct aiex_rlog *log, struct aiex_rlog_item *items, size_t n);
/* Takes in what another process appended, without appending (which does it, too). 0 or negative
 * errno. */
int aiex_rlog_catch_up(struct aiex_rlog *log);
/* Keeps others from appending, after taking in what they did, so that looking and appending are one.
 * They wait meanwhile, also in this process: release it before anything else is done. 0 or
 * negative errno; a second hold is nothing. */
int aiex_rlog_hold(struct aiex_rlog *log);
void aiex_rlog_release(struct aiex_rlog *log);
/* One record by its offset: malloc()ed into *ret_mem (free() it), body inside. 0, -EBADMSG, ... */
int aiex_rlog_get(const struct aiex_rlog *log, uint64_t offset, uint8_t **ret_mem,
                  struct aiex_rlog_item *ret_item);
/* fdatasync(2): may take long. 0 or negative errno. */
int aiex_rlog_sync(const struct aiex_rlog *log);
/* Closes; also a struct whose opening failed. */
void aiex_rlog_close(struct aiex_rlog *log);

#ifdef __cplusplus
}
#endif

#endif /* AIEX_RECORD_LOG_H */

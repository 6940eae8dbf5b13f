/*
 * record.h - segments: files of entries, append only but for payloads that are erased in place.
 *
 *     segment  "AIEXAUD1", salt u64, seq of the first entry u64, crc u32, zero u32      32 bytes
 *     record   low half of the salt u32, bytes of the body u32, of salt and payload u32 (0 = none),
 *              crc u32 of segment salt, offset, all other fields and the body; seq u64,
 *              place in its batch u16, records of the batch u16                         28 bytes
 *              body (the exact leaf bytes), 32 bytes of salt and the payload
 *     (numbers little-endian)
 *
 * A batch is one write and one fdatasync; the next one is written when that has returned. So
 * whatever a loss of power left of a batch that is not whole was never answered, if no whole batch
 * is behind it.
 *
 * Salt and payload are outside the crc: erasing writes zeros over them and touches nothing else;
 * the entry's commitment says whether they are whole. The record log of sdk/service has one
 * checksum over all of a record, which is why it is not used here.
 */
#ifndef RECORD_H
#define RECORD_H

#include <aiex/aiex_plugin.h>

#define SEGMENT_HEAD 32u
#define RECORD_HEAD  28u
#define RECORD_SALT  32u
#define MAX_BODY     (32u << 10)
#define MAX_PAYLOAD  (64u << 10)
#define MAX_RECORD   (RECORD_HEAD + MAX_BODY + RECORD_SALT + MAX_PAYLOAD)

struct record {
    uint64_t seq, offset, bytes; /* in its segment, with its head */
    uint16_t at, count;          /* place in its batch, and how many that has */
    struct aiex_slice body;
    struct aiex_slice secret; /* salt and payload; empty = the entry has none */
};

/* 1 when salt and payload were erased: nothing but zeros. */
int record_is_erased(const struct record *r);

void segment_head_write(uint64_t salt, uint64_t first, uint8_t out[SEGMENT_HEAD]);
/* 0, -EBADMSG. */
int segment_head_read(const uint8_t head[SEGMENT_HEAD], uint64_t *ret_salt, uint64_t *ret_first);

void record_head_write(uint64_t salt, const struct record *r, uint8_t out[RECORD_HEAD]);
/* The same for a record whose head and body stand at `bytes`, when its batch is known. */
void record_seal(uint64_t salt, uint64_t offset, uint16_t at, uint16_t count, uint8_t *bytes);

/* ---- Reading one behind the other ---- */

#define SCAN_RECORD 1
#define SCAN_HOLE   2 /* damaged bytes with a whole record behind them */
#define SCAN_TORN   3 /* damaged bytes up to the end */

struct scan {
    int fd; /* not the scan's own */
    uint64_t salt, at, end;
    uint8_t *mem;
    uint64_t mem_at;
    size_t mem_len;
};

/* Reads bytes at .. end of a segment. 0, -ENOMEM. */
int scan_begin(struct scan *s, int fd, uint64_t salt, uint64_t at, uint64_t end);
/* SCAN_*, 0 at the end, negative errno when the disk refuses. A record lives until the next call; a
 * hole says offset and bytes. */
int scan_next(struct scan *s, struct record *r);
void scan_done(struct scan *s);

/* One record by its place into mem[MAX_RECORD]. 0, -EBADMSG, negative errno. */
int record_read(int fd, uint64_t salt, uint64_t offset, uint8_t *mem, struct record *r);

#endif

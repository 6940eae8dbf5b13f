/*
 * record.h - what stands in a segment: records with one head for all kinds.
 *
 *     kind u8, flags u8, key length u16, meta length u16, pieces u16          8
 *     number u64, sums of the keys of the records before it u32 x RECALL     40
 *     uses u32, length of the value u32, of the packed one u32, dictionary u32   16
 *     created i64, expires i64 (wall ms, 0 = never), first piece u64         24
 *     key, meta, packed value
 *
 * Little-endian. A value of more than PIECE bytes stands in `pieces` records of kind PIECE before
 * the put, one behind the other from offset `first piece` on. A segment's first record is of kind
 * SEGMENT and has its number in `first piece`.
 */
#ifndef COLD_RECORD_H
#define COLD_RECORD_H

#include <aiex/aiex_plugin.h>

#define RECALL      8u
#define RECORD_HEAD 88u

enum { RECORD_PUT = 1, RECORD_DELETE, RECORD_PIECE, RECORD_SEGMENT, RECORD_NOTHING };

#define RECORD_PACKED 1u /* flag: the value is a Zstandard frame */

/* The number of the last record and the sums of the last keys, the newest first; 0 = no key. */
struct recall {
    uint64_t number;
    uint32_t sums[RECALL];
};

struct record {
    uint8_t kind, flags;
    uint16_t pieces;
    struct recall recall; /* its own number, the keys before it */
    uint32_t uses, value_len, packed_len, dict;
    uint64_t created, expires, first_piece;
    struct aiex_slice key, meta;
    struct aiex_slice data; /* parse: what follows meta */
};

uint32_t key_sum(struct aiex_slice key); /* never 0 */
/* Remembers one more record. */
void recall_add(struct recall *r, uint32_t sum);
void record_head(const struct record *r, uint8_t out[RECORD_HEAD]);
/* Slices into body. 0, -EBADMSG. */
int record_parse(struct aiex_slice body, struct record *ret);
void recall_write(const struct recall *r, uint8_t out[40]);
void recall_read(struct recall *r, const uint8_t in[40]);

#endif

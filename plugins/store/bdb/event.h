/*
 * event.h - an event as it lies in the files, and the chain of hashes through all of them.
 *
 * What a reader is sent is made once, when the event is stored: a msgpack map with its stream,
 * version and sequence. Reading is copying.
 *
 *     head, both files:  0 format u8 | 1 flags u8 | 2 length of the type u8 | 3 zero |
 *                        4 place of the type in the map u32 | 8 time i64 |
 *     in events:        16 version u64 | 24 stream u64 | 32 chain 32 | 64 salt 16 | 80 map
 *     erased:           the same, but at 64 the digest (32), and no map
 *     in streams:       16 sequence u64 | 24 map
 *     large in streams: EVENT_ELSEWHERE, 16 sequence u64, no map: it is read from events
 *
 *     digest = BLAKE2b-256(salt, map)        chain = BLAKE2b-256(chain before, sequence, digest)
 *
 * The salt goes with the map when an event is erased: the digest that stays, and so the chain,
 * says nothing about what it was.
 */
#ifndef EVENT_H
#define EVENT_H

#include <aiex/aiex_plugin.h>

#define EVENT_FORMAT    1u
#define EVENT_ERASED    1u
#define EVENT_ELSEWHERE 2u
#define EVENT_HASH      32u
#define EVENT_SALT      16u
#define EVENT_HEAD      80u   /* before the map in events */
#define EVENT_TOMBSTONE 96u   /* an erased event */
#define EVENT_COPY      24u   /* before the map in streams */
#define EVENT_INLINE    8192u /* longer maps are not copied into streams */

/* As the caller sent it; points into the request. */
struct event {
    struct aiex_slice id, type, data, correlation, causation, meta;
    int64_t time;
    int has_data;
};

/* Where it was put. */
struct event_place {
    struct aiex_slice stream;
    uint64_t number; /* of the stream */
    uint64_t version, sequence;
};

/* What reading finds. */
struct event_view {
    unsigned flags;
    int64_t time;
    uint64_t version, number, sequence;
    const uint8_t *chain;  /* in events only */
    const uint8_t *salt;   /* in events, not erased */
    const uint8_t *digest; /* erased */
    struct aiex_slice type, map;
};

/* Bytes that event_write() needs at most. */
size_t event_room(const struct event *e, const struct event_place *p);
/* Writes the record for events; chain[] is moved on. Its length. */
size_t event_write(uint8_t *out, size_t size, const struct event *e, const struct event_place *p,
                   const uint8_t *salt, uint8_t chain[EVENT_HASH]);
/* The record for streams out of one for events, of event_copy_len() bytes. Its length. */
size_t event_copy(uint8_t *out, const uint8_t *record, size_t len, uint64_t sequence);
static inline size_t event_copy_len(size_t len)
{
    size_t map = len - EVENT_HEAD;

    return EVENT_COPY + (map > EVENT_INLINE ? 0 : map);
}
/* The tombstone that stays of a record; out has EVENT_TOMBSTONE bytes. */
void event_tombstone(const uint8_t *record, size_t len, uint8_t *out);

/* Reads a record of events (`sequence` is its key) or of streams. 0, -EBADMSG. */
int event_view(const uint8_t *record, size_t len, uint64_t sequence, struct event_view *ret_view);
int event_view_copy(const uint8_t *record, size_t len, uint64_t version,
                    struct event_view *ret_view);
/* Moves the chain on by a viewed record. */
void event_chain(const struct event_view *v, uint8_t chain[EVENT_HASH]);

#endif

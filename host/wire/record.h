/*
 * record.h - what travels between the host and a cell: a 32-byte header and a body.
 *
 * The host routes by the header alone. Fields by kind (c>h = from cell to host):
 *
 *   kind    id low 32      id high 32   name            status       aux
 *   HELLO   -              -            -               ABI major    number of instances
 *   FAULT   -              -            -               exit code    instance   body: text
 *   NAME    -              -            index defined   -            -          body: service\0method
 *   REQ     caller's call  c>h parent   service+method  timeout ms   instance | window/4096 << 16
 *                          h>c caller: number of its name + 1, 0 = unknown
 *   STREAM  callee's call  -            -               -            -
 *   REP     callee's call  -            -               wire_status  -          body: map
 *   CREDIT  caller's call  -            -               -            bytes
 *   CANCEL  c>h caller's call, h>c callee's call
 *   RESUME  (not on the wire: made by the endpoint)
 *   EVENT   -              -            topic           -            events missed before this one
 *   JOIN    -              -            -               flags        instance   body: name
 *   SUB     -              -            -               1 on, 0 off  instance   body: pattern
 *   STATE   h>c            -            -               wire_state   instance   (reload: body = options)
 *   LOG     -              trace        -               level        instance   body: text
 *   STOP    h>c: drain and end; c>h: drained
 *
 * Call ids are slot | generation << 16 in the table of who issued them: a caller's id is the
 * caller's, the id under which a callee answers is the host's. Names are small integers that the
 * sender of a direction defines with NAME before it uses them.
 *
 * A body longer than one record may carry (RECORD_BODY_MAX) is sent as several records of the same
 * kind and id: all but the last have RECORD_MORE, all but the first RECORD_CONT.
 */
#ifndef AIEX_WIRE_RECORD_H
#define AIEX_WIRE_RECORD_H

#include <stddef.h>
#include <stdint.h>

struct record {
    uint32_t len; /* bytes of the body */
    uint8_t kind;
    uint8_t flags;
    uint16_t name;
    uint64_t id;
    uint64_t trace;
    int32_t status;
    uint32_t aux;
};

_Static_assert(sizeof(struct record) == 32, "the record header is part of the wire format");

enum record_kind {
    RECORD_HELLO = 1,
    RECORD_FAULT,
    RECORD_NAME,
    RECORD_REQ,
    RECORD_STREAM,
    RECORD_REP,
    RECORD_CREDIT,
    RECORD_CANCEL,
    RECORD_EVENT,
    RECORD_JOIN,
    RECORD_SUB,
    RECORD_STATE,
    RECORD_LOG,
    RECORD_STOP,
    RECORD_KINDS
};

#define RECORD_MORE       1u  /* another piece of this body follows */
#define RECORD_CONT       2u  /* continues the body before it */
#define RECORD_LAZY       4u  /* published without a wake-up */
#define RECORD_IDEMPOTENT 8u  /* REQ: may be started again after a crash */
#define RECORD_SPLICE     16u /* REQ: the stream goes to the parent's caller. REP: copy of an end */
#define RECORD_CAST       32u /* REQ: nobody waits for an answer; one record, never pieces */
#define RECORD_PRIO_SHIFT 6   /* REQ: two bits of priority */

#define RECORD_BODY_MAX (16u * 1024u - sizeof(struct record)) /* bytes of body in one record */
#define RECORD_WINDOW_UNIT 4096u                               /* REQ aux high half counts these */
#define RECORD_WINDOW_DEFAULT (256u * 1024u)

static inline uint32_t record_id_low(const struct record *r)
{
    return (uint32_t)r->id;
}

static inline uint32_t record_id_high(const struct record *r)
{
    return (uint32_t)(r->id >> 32);
}

static inline uint32_t record_instance(const struct record *r)
{
    return r->aux & 0xffffu;
}

static inline uint32_t record_window(const struct record *r)
{
    uint32_t units = r->aux >> 16;

    return units ? units * RECORD_WINDOW_UNIT : RECORD_WINDOW_DEFAULT;
}

/* Statuses of a REP and their codes; 0 is success. Indexes are part of the wire format. */
enum wire_status {
    WIRE_OK,
    WIRE_TIMEOUT,
    WIRE_CRASHED,
    WIRE_BUSY,
    WIRE_CANCELLED,
    WIRE_UNAVAILABLE,
    WIRE_INVALID,
    WIRE_DENIED,
    WIRE_NOT_FOUND,
    WIRE_CONFLICT,
    WIRE_READ_ONLY,
    WIRE_UPSTREAM,
    WIRE_INTERNAL,
    WIRE_STATUSES
};

/* The AIEX_E_* word of a status, NULL for WIRE_OK; unknown numbers read as "internal". */
const char *wire_code(int32_t status);
/* The status of a word; unknown words are WIRE_INTERNAL. */
int32_t wire_status_of(const char *code);

/* Body of a failing REP: {text, retry_after_ms, detail}. Writes at most `size` bytes, returns the
 * length; a detail that does not fit is left out. `detail` is a map or empty. */
size_t wire_error_pack(uint8_t *out, size_t size, const char *text, uint32_t retry_after_ms,
                       const uint8_t *detail, size_t detail_len);

#endif

/*
 * frame.h - the frames of the control socket, without the socket.
 *
 * A frame is a little-endian u32 length and that many bytes, one msgpack map of at most FRAME_MAX
 * bytes. The reader takes bytes as they come, in any pieces, from a peer that may be broken or
 * hostile: memory grows with what has arrived, not with what a length promises.
 *
 * Ownership: slices in a reply point into the reader and die at the next frame_feed() or
 * frame_next(). Not thread-safe.
 */
#ifndef AIEX_CLI_FRAME_H
#define AIEX_CLI_FRAME_H

#include <aiex/aiex_plugin.h>

#define FRAME_MAX (32u * 1024u * 1024u) /* bytes after the length */

struct frame_reader {
    uint8_t *data;
    size_t len; /* bytes held */
    size_t cap;
    size_t taken; /* of them already handed out */
};

enum frame_kind { FRAME_PART, FRAME_END };

/* One answer frame of the host. */
struct frame_reply {
    int64_t id;
    enum frame_kind kind;
    struct aiex_slice body; /* PART: bytes. END: a msgpack map or empty */
    struct aiex_slice code; /* END: empty on success */
    struct aiex_slice text; /* END with code */
    uint32_t retry_after_ms;
};

void frame_reader_init(struct frame_reader *r);
void frame_reader_done(struct frame_reader *r);
/* 0, -ENOMEM. */
int frame_feed(struct frame_reader *r, const void *bytes, size_t n);
/* 1 = *ret_reply is set, 0 = more bytes are needed, -EMSGSIZE = a frame beyond FRAME_MAX,
 * -EPROTO = not a reply of this protocol. After an error the stream can not be read on. */
int frame_next(struct frame_reader *r, struct frame_reply *ret_reply);

/* Frames of the client, length included, in malloc'ed memory that the caller frees.
 * 0, -ENOMEM, -EMSGSIZE. body: a msgpack map, or empty for an empty one. */
struct frame_call {
    int64_t id;
    const char *service;
    const char *method;
    struct aiex_slice body;
    uint32_t timeout_ms; /* 0 = the service's default */
};
int frame_make_call(const struct frame_call *call, uint8_t **ret_bytes, size_t *ret_len);

#define FRAME_SMALL 64 /* bytes that hold any credit or cancel frame */
/* Write into out[FRAME_SMALL]; return the length. */
size_t frame_make_credit(int64_t id, uint64_t bytes, uint8_t *out);
size_t frame_make_cancel(int64_t id, uint8_t *out);

#endif

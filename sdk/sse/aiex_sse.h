/*
 * aiex_sse.h - server-sent events out of a byte stream that is cut anywhere.
 *
 * A provider feeds what the network gives; the splitter calls back once per whole
 * event. Lines may end with LF, CRLF or CR, several data lines make one event,
 * comments and unknown fields are dropped, one byte order mark at the start is
 * skipped. What is unfinished is kept until the next feed and never handed out: bytes
 * that a closed connection left behind are no event (aiex_sse_pending() tells them).
 *
 *     struct aiex_sse sse;
 *     aiex_sse_init(&sse, AIEX_SSE_MAX_EVENT);
 *     r = aiex_sse_feed(&sse, bytes, on_event, arg);      0, or why it stopped
 *     aiex_sse_done(&sse);
 *
 * Cost: an event that lies whole in the fed bytes is not copied. Source: WHATWG HTML,
 * "Server-sent events", 9.2.5 and 9.2.6.
 *
 * Static library aiex_sdk_sse (alias aiex::sse). Thread rule: one splitter, one thread
 * at a time; no globals. Ownership: slices of an event die when the callback returns.
 */
#ifndef AIEX_SSE_H
#define AIEX_SSE_H

#include <aiex/aiex_plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AIEX_SSE_MAX_EVENT (1024u * 1024u) /* bytes of one event that providers accept */

struct aiex_sse_event {
    struct aiex_slice data; /* the data lines joined by LF, without a last one */
    struct aiex_slice name; /* of the "event" field, empty when there was none */
    struct aiex_slice raw;  /* the event as it came, from its first byte behind its blank line */
    int plain;              /* raw is exactly "data: " data LF LF: may be passed on as it is */
    int in_place;           /* raw and data point into the bytes given to feed() */
};

/* 0 = go on; anything else ends feed(), which returns it. */
typedef int (*aiex_sse_fn)(void *arg, const struct aiex_sse_event *event);

/* Fields are the splitter's own. */
struct aiex_sse {
    uint8_t *held; /* an unfinished event */
    size_t held_len, held_cap;
    uint8_t *joined; /* several data lines */
    size_t joined_cap;
    size_t max;
    int begun;   /* the place of a byte order mark is passed */
    int in_line; /* the last held byte is inside a line */
    int skip_lf; /* the last byte was CR: an LF belongs to it */
};

/* `max_event_bytes` bounds the memory that foreign bytes can take: four times that. */
void aiex_sse_init(struct aiex_sse *s, size_t max_event_bytes);
/* Frees. Safe on a zeroed struct and to call twice. */
void aiex_sse_done(struct aiex_sse *s);
/* 0, what the callback returned, -EMSGSIZE (an event is longer than the maximum), -ENOMEM. After
 * anything but 0 the splitter is good for aiex_sse_done() only. */
int aiex_sse_feed(struct aiex_sse *s, struct aiex_slice bytes, aiex_sse_fn fn, void *arg);
/* Bytes of an event that has begun and not ended. */
size_t aiex_sse_pending(const struct aiex_sse *s);

#ifdef __cplusplus
}
#endif

#endif /* AIEX_SSE_H */

/*
 * content.h - hashes of what a client asked and was answered, on their way into the usage record.
 *
 * An interface that hashes says so with the request (field `content`: the request's hash), and
 * casts `gateway.content` when all of the answer has gone to the client. The record comes from the
 * coordinator at about the same time, before or after. Whichever is first waits for the other: the
 * hash in the flight, as long as that lives; the record here, at most CONTENT_WAIT_MS, then it goes
 * to the ledger without the answer's hash. Settling does not wait: money is counted at once.
 *
 * The record gets `hash` str (`sha256` or `salted`), `request_hash` `answer_hash` str (hex),
 * `request_bytes` `answer_bytes` int and, salted, `salt` str (hex).
 *
 * Thread rule: loop thread. Ownership: a content is its flight's until content_leave(), then its
 * own until its record is sent.
 */
#ifndef GATEWAY_CONTENT_H
#define GATEWAY_CONTENT_H

#include "map.h"

#define CONTENT_WAIT_MS 1000u
#define MAX_HELD        4096u /* records that wait; with more the oldest goes as it is */

struct gateway;
struct content;

struct contents {
    struct map by_trace;              /* all of them */
    struct content *held, *held_last; /* those with a record, oldest first */
    uint32_t n_held;
    uint64_t timer;
};

int contents_init(struct gateway *g); /* 0, -ENOMEM */
/* What waits for its answer's hash goes to the ledger without it. */
void contents_send(struct gateway *g);
/* After contents_send() and the end of all flights. Safe when nothing was begun. */
void contents_done(struct gateway *g);
/* What the field `content` of a request says. NULL: none is promised, it says nothing that is
 * known, or there is no memory (logged). */
struct content *content_promised(struct gateway *g, uint64_t trace, struct aiex_slice field);
/* Cast `gateway.content`: {`trace` uint, `answer` bin 32, `bytes` int}. */
void content_told(struct gateway *g, struct aiex_slice body);
/* The record of its request: sent on, now or later. */
void content_record(struct gateway *g, struct content *c, struct aiex_slice record);
/* Its flight is over. NULL is fine. */
void content_leave(struct gateway *g, struct content *c);

#endif

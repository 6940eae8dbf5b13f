/*
 * flight.h - many calls at once over one connection, for verbs that stream through.
 *
 * Calls are queued and go out in the order in which they were queued; the host applies those of one
 * client in that order. Their ends come to one function, in whatever order they come; parts are
 * dropped. flight_turn() is the one place that waits: for the socket, for the input and for a
 * signal. While it is used control_call() must not be.
 *
 * Bounds: the host takes FLIGHT_CALLS open calls of a client; how many bytes wait to be sent is the
 * caller's choice (flight_queued()).
 */
#ifndef AIEX_CLI_FLIGHT_H
#define AIEX_CLI_FLIGHT_H

#include "control.h"

#define FLIGHT_CALLS 240 /* a little below what the host allows */

struct flight;

/* An end; what it points to dies at return. */
struct flight_end {
    int64_t call;
    struct aiex_slice code, text, body; /* code is empty on success */
    uint32_t retry_after_ms;
};
typedef void (*flight_end_fn)(void *arg, const struct flight_end *end);

/* The connection stays the caller's. NULL = out of memory. */
struct flight *flight_new(struct control *c, flight_end_fn fn, void *arg);
void flight_free(struct flight *f);
/* Queues a call; *ret_call is its number. 0, -EMSGSIZE (beyond 32 MiB), -ENOMEM, said in err. */
int flight_call(struct flight *f, const struct control_request *request, int64_t *ret_call,
                struct aiex_error *err);
/* Bytes that were not sent yet. */
size_t flight_queued(const struct flight *f);

/* Sends what goes, takes what is there, and waits for one of them, for `input` (-1 = none) or a
 * signal, until `deadline_ms` (monotonic, -1 = none). *ret_readable: input can be read. 0, -EINTR
 * (a signal came; unless `stopping`), -ETIMEDOUT, or as control_call(): nothing can follow. */
int flight_turn(struct flight *f, int input, int64_t deadline_ms, int stopping, int *ret_readable,
                struct aiex_error *err);

#endif

/*
 * acks.h - what became of appended lines, printed in order.
 *
 * Every line of the input is entered when it was sent, or at once with its fault when it could not
 * be. One line of JSON per event is printed as soon as its outcome is known and all earlier lines
 * of the same streams have been printed. An outcome that nobody knows is "unknown", never a
 * failure: the same ids may be sent again.
 */
#ifndef AIEX_CLI_ACKS_H
#define AIEX_CLI_ACKS_H

#include "append_line.h"
#include "flight.h"
#include "left_out.h"
#include "outcome.h"

#include <stdio.h>

struct acks {
    struct ack *first, **end;
    size_t n_open;  /* without outcome */
    size_t n_over;  /* with one, not yet printed */
    size_t n_bytes; /* of the open ones */
    int only_failures;
    int skips_denied;         /* a line of one stream that is denied is left out, no failure */
    struct left_out left_out; /* of these */
    uint64_t n_events, n_failed, n_duplicate; /* that were printed, or left out as good ones */
    enum outcome outcome;                     /* of the first failure */
    char first_fault[600];
};

void acks_init(struct acks *a);
void acks_done(struct acks *a);
/* A line that was sent as `call`; it is owned from now on, also on failure. 0, -ENOMEM. */
int acks_add(struct acks *a, struct append_line *line, uint64_t number, int64_t call,
             int64_t deadline_ms);
/* A line that could not be sent: `stream` (may be NULL) is where it would have gone. 0, -ENOMEM. */
int acks_add_fault(struct acks *a, const char *stream, uint64_t number, const char *text);
/* The outcome of a call; unknown calls are ignored. */
void acks_end(struct acks *a, const struct flight_end *end);
/* All that is open is unknown now. */
void acks_give_up(struct acks *a, const char *text);
/* When the oldest open one is overdue; -1 = none is open. */
int64_t acks_deadline(const struct acks *a);
/* Prints what may be printed. */
void acks_print(struct acks *a, FILE *to);

#endif

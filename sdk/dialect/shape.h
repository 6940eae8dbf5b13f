/*
 * shape.h - recognising an event by the bytes around its text.
 *
 * The events of a stream differ in little but the text: the same keys, ids and model around
 * it. After one event was read in full, its shape is kept: the bytes between the values that
 * change. The next event with the same bytes around well-formed values needs no JSON scan:
 * it is the same document with other values. Values that may change are the delta itself
 * and, where a dialect has them, times, sequence numbers and padding.
 */
#ifndef DIALECT_SHAPE_H
#define DIALECT_SHAPE_H

#include "event.h"

#define SHAPE_MAX_BYTES 1024u /* of the bytes around */
#define SHAPE_MAX_HOLES 4
#define SHAPES          2 /* kept at a time: text and tool arguments take turns */

struct shape {
    uint8_t *bytes; /* the pieces, one behind the other */
    size_t pieces[SHAPE_MAX_HOLES + 1];
    int n_holes;
    int text;                        /* which hole is the delta */
    int sequence;                    /* which one is a sequence number, -1 = none */
    uint8_t number[SHAPE_MAX_HOLES]; /* digits, else the inside of a string */
    struct event event;
};

struct shapes {
    struct shape s[SHAPES];
    int next;
};

/* One value of an event that was read: string content, or the digits of a number. */
struct shape_hole {
    struct aiex_slice at;
    int number;
};

void shapes_done(struct shapes *s);
/* Keeps an event's shape; holes in any order, the first one is the delta, `sequence` the place of
 * the sequence number among them or -1. Does nothing when it can not be kept. */
void shapes_learn(struct shapes *s, struct aiex_slice data, const struct event *e,
                  const struct shape_hole *holes, int n_holes, int sequence);
/* 1 and the event and its sequence number, -1 when the shape has none; else 0. */
int shapes_match(const struct shapes *s, struct aiex_slice data, struct event *ret_event,
                 int64_t *ret_sequence);

#endif

/*
 * left_out.h - streams that the store denied to an import which goes on without them: their names,
 * and how many events of each. Names beyond LEFT_OUT_STREAMS are counted as one.
 */
#ifndef AIEX_CLI_LEFT_OUT_H
#define AIEX_CLI_LEFT_OUT_H

#include <stdint.h>
#include <stdio.h>

#define LEFT_OUT_STREAMS 64

struct left_out {
    struct left_out_stream {
        char *name;
        uint64_t n;
    } streams[LEFT_OUT_STREAMS];
    uint32_t n_streams;
    uint64_t n_events; /* of all */
    uint64_t n_others; /* of those, of streams that have no name here */
};

void left_out_add(struct left_out *l, const char *stream, uint64_t n_events);
/* {"a":3,"b":1,"...":7}; the last one are the others. */
void left_out_json(const struct left_out *l, FILE *to);
void left_out_done(struct left_out *l);

#endif

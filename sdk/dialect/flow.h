/*
 * flow.h - whether tool arguments that come in fragments are one whole JSON text.
 *
 * Fragments are JSON string content as a stream carries it (escaped once). Nothing is
 * kept: a push-down automaton of a few bytes, one bit for each open container.
 */
#ifndef DIALECT_FLOW_H
#define DIALECT_FLOW_H

#include <aiex/aiex_plugin.h>

struct flow {
    uint8_t state, depth, left, begun;
    uint8_t top; /* first character of the text: '{', '[', ... */
    const char *word;
    uint64_t objects;
};

/* 0, or -EINVAL: no continuation can make this JSON (or it is nested deeper than 64). */
int flow_feed(struct flow *f, struct aiex_slice raw);
/* A zeroed flow has seen nothing. White space counts as nothing. */
static inline int flow_empty(const struct flow *f)
{
    return !f->begun;
}
int flow_whole(const struct flow *f);

#endif

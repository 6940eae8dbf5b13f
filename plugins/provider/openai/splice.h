/*
 * splice.h - the client's request body with only what policy must change changed.
 *
 * Everything else goes to the vendor byte for byte: unknown keys, order, white space.
 */
#ifndef OPENAI_SPLICE_H
#define OPENAI_SPLICE_H

#include <aiex/aiex_plugin.h>

struct splice {
    const char *model; /* what the vendor is to read as `model` */
    int stream;        /* and as `stream` */
    int force_usage;   /* a stream must report its usage: stream_options.include_usage = true */
};

struct spliced {
    uint8_t *mem;           /* free() it; NULL when nothing had to be changed */
    struct aiex_slice body; /* mem, or the body that was given */
    int usage_asked;        /* the client itself asked for the usage of its stream */
};

/* 0; -EINVAL and a reason (the body is no JSON object, or says a key twice); -ENOMEM. */
int splice_body(struct aiex_slice body, const struct splice *want, struct spliced *ret,
                struct aiex_error *err);

#endif

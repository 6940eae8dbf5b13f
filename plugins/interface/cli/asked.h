/*
 * asked.h - the request of cli.ask read and checked, and made into the one of gateway.chat.
 */
#ifndef AIEX_CLI_ASKED_H
#define AIEX_CLI_ASKED_H

#include "chat_request.h"

#define ASKED_MAX_FILES 256u

/* Slices point into the body it was read from, or into the defaults. */
struct asked {
    struct chat_request request;
    struct chat_file files[ASKED_MAX_FILES];
    struct aiex_slice session;
    int64_t history; /* bytes of the session's history that go along */
    int stream;
};

struct asked_defaults {
    const char *model; /* "" = auto */
    const char *system;
    int64_t history;
};

/* `a` is zeroed by the caller. NULL, or what is wrong as a sentence for the caller. */
const char *asked_read(struct asked *a, struct aiex_slice body, const struct asked_defaults *d);
/* The JSON document alone: *ret_mem to free(). 0, -EMSGSIZE, -ENOMEM. */
int asked_document(const struct asked *a, char **ret_mem, struct aiex_slice *ret_document);
/* The body of gateway.chat, asked by this interface for an operator. 0 and *ret_mem to free() when
 * the body is not needed any more, -EMSGSIZE (above AIEX_MAX_BODY), -ENOMEM. */
int asked_pack(const struct asked *a, const char *interface, uint8_t **ret_mem,
               struct aiex_slice *ret_body);

#endif

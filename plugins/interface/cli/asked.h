/*
 * asked.h - the request of cli.ask read and checked, and made into the one of coordinator.chat.
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
    int stream;
};

struct asked_defaults {
    const char *model; /* "" = none */
    const char *system;
};

/* `a` is zeroed by the caller. NULL, or what is wrong as a sentence for the caller. */
const char *asked_read(struct asked *a, struct aiex_slice body, const struct asked_defaults *d);
/* The body of coordinator.chat. 0 and *ret_mem to free() when the body is not needed any more,
 * -EMSGSIZE (above AIEX_MAX_BODY), -ENOMEM. */
int asked_pack(const struct asked *a, uint8_t **ret_mem, struct aiex_slice *ret_body);
/* The id of the first model in the answer of coordinator.models, preferring one whose provider is
 * not an offline one. out is "" when there is none that fits. */
void asked_choose_model(struct aiex_slice answer, char *out, size_t size);

#endif

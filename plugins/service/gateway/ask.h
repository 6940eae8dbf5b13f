/*
 * ask.h - a request to the gateway, read in one pass over its map.
 *
 * Thread rule: any. Ownership: slices point into the message's body and live as long as it does.
 */
#ifndef GATEWAY_ASK_H
#define GATEWAY_ASK_H

#include <aiex/aiex_plugin.h>

#define MAX_MODEL     256u
#define MAX_DIALECT   32u
#define MAX_INTERFACE 63u
#define MAX_TAGS      2048u /* bytes of the map */
#define MAX_HEADERS   9216u /* bytes of the map: 8 of 1 KiB and their names */
#define MAX_CONTENT   256u  /* bytes of the map */
#define MAX_PASSED    12u   /* fields that ask.c passes on */

struct ask {
    struct aiex_slice credential, interface, address, dialect, model, body, method;
    struct aiex_slice tags, content; /* the whole maps, empty = none */
    int local, demand_key, stream;
    int template; /* the body has the key `aiex_template`: 0, 1, -1 = nobody has looked */
    /* pairs of key and value that go on to the coordinator as they came */
    struct aiex_slice passed[MAX_PASSED];
    uint32_t n_passed;
    size_t passed_bytes;
};

/* NULL, or a sentence that says what is wrong. `local` counts when the message has a caller (see
 * vouched() in gateway.c). Unknown keys are ignored, and none of them is passed
 * on: what the gateway says of a caller can not come from the caller. */
const char *ask_read(const struct aiex_message *m, struct ask *ret);
/* What gateway.chat and its like need beyond that. */
const char *ask_chat(const struct ask *a);

#endif

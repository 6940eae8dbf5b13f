/* asked.h - a request as it came, and what of it a route keeps. */
#ifndef COORDINATOR_ASKED_H
#define COORDINATOR_ASKED_H

#include "route.h"

/* The fields of a request as whole msgpack values, found in one walk. */
struct wanted {
    struct aiex_slice dialect, model, body, stream, session, priority, cache, principal, ticket,
        settle, tags, interface, headers;
};

void asked_find(struct aiex_slice body, struct wanted *q);
/* Checks what must be right; NULL, or a sentence for the client. */
const char *asked_check(const struct wanted *q);
/* Copies what outlives the message. 0, -ENOMEM. */
int asked_fill(struct route *r, const struct aiex_message *m, const struct wanted *q);

#endif

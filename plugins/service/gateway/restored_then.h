/*
 * restored_then.h - what a checkpoint says of limits or of keys: the last event of each.
 * Thread rule: loop thread.
 */
#ifndef GATEWAY_RESTORED_THEN_H
#define GATEWAY_RESTORED_THEN_H

#include "stored.h"

#define MAX_RESTORE_ID 64u

struct then_entry {
    struct map_node node;
    struct then_entry *next;
    enum scope scope; /* SCOPE_KEY: a key, whose id is the name */
    char name[MAX_LABEL + 1];
    struct aiex_slice record; /* its own */
    int revoked;              /* later than the checkpoint */
};

struct then {
    const struct aiex_host *host;
    char id[MAX_RESTORE_ID + 1];
    int stream;
    int64_t n_events;
    struct map entries;
    struct then_entry *first, **last;
    uint64_t used_ms;
};

/* NULL: no memory. */
struct then *then_new(const struct aiex_host *host, const char *id, int stream);
void then_free(struct then *t);
struct then_entry *then_find(const struct then *t, enum scope scope, struct aiex_slice name);
/* One event of the stream. `since`: behind the checkpoint. 0, -EBADMSG, -ENOTSUP (of a later
 * version), -EKEYREJECTED (another pepper), -ENOSPC, -ENOMEM. */
int then_take(struct then *t, const struct gateway *g, struct aiex_slice event, int since);

#endif

/* acts_private.h - between the files that tell the audit log; see acts.h. */
#ifndef AIEX_ADMIN_ACTS_PRIVATE_H
#define AIEX_ADMIN_ACTS_PRIVATE_H

#include "admin/acts.h"
#include "base/buf.h"
#include "wire/pack.h"

#define ACTS_SERVICE    "audit"
#define ACTS_TIMEOUT_MS 900u /* the log itself refuses after 800 ms */

struct acts {
    struct node *node;
    struct endpoint *endpoint;
    unsigned part;
    /* acts_queue.c */
    struct buf kept;         /* packed acts, oldest first */
    uint32_t n_kept, n_sent; /* sent: of the request that is open */
    uint32_t n_alone;        /* of those sent together one is invalid: so many go one by one */
    size_t sent_len;
    int64_t nonce;  /* says who numbers them */
    uint64_t first; /* number of the oldest that is kept */
    uint64_t call; /* 0 = none */
    struct loop_timer *timer;
    int waiting; /* the log took nothing; tried again after a pause */
    uint64_t lost, lost_told;
};

/* One act as the map that audit.append takes. `must` only when it is 1; time 0 = the log's clock. */
void acts_pack(struct pack *p, const char *type, const char *actor, const char *subject,
               struct aiex_slice payload, int64_t time, int must);

#endif

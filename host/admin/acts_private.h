/* acts_private.h - between the files that tell the audit log; see acts.h. */
#ifndef AIEX_ADMIN_ACTS_PRIVATE_H
#define AIEX_ADMIN_ACTS_PRIVATE_H

#include "admin/acts.h"
#include "base/buf.h"
#include "wire/pack.h"

#define ACTS_SERVICE    "audit"
#define ACTS_TIMEOUT_MS 900u /* the log itself refuses after 800 ms */

#define COUNTED_ROWS 64u

struct act_count {
    const char *type; /* NULL: free */
    uint64_t n[N_ACT_OUTCOMES];
    char actor[32], subject[256];
};

/* acts_count.c: its timer. */
void acts_count_due(void *acts);

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
    uint64_t call;  /* 0 = none */
    struct loop_timer *timer;
    int waiting; /* the log took nothing; tried again after a pause */
    uint64_t lost, lost_told;
    struct act_count counts[COUNTED_ROWS + 1]; /* acts_count.c; the last one: all others */
    struct loop_timer *count_timer;
    int counting; /* it runs */
};

/* One act as the map that audit.append takes. `must` only when it is 1; time 0 = the log's clock. */
void acts_pack(struct pack *p, const char *type, const char *actor, const char *subject,
               struct aiex_slice payload, int64_t time, int must);

#endif

/*
 * aiex_recast.h - casts that survive the death of who was to read them.
 *
 * A lazy cast (AIEX_CALL_LAZY) costs almost nothing, but a receiver that is killed may have taken
 * it from its ring and not have done anything with it, and a copy of a spliced end that was never
 * read is gone with the ring. Where such a record is money, its sender keeps it for a moment and
 * sends it again when any plugin comes up anew. Receivers know what they have had (an id in the
 * record), so a record may come twice and counts once.
 *
 *     aiex_recast_init(&r, host, 256 << 10, 1000);    in start(): subscribes to host.plugin
 *     aiex_recast_send(&r, &request);                 casts now and keeps, or
 *     aiex_recast_keep(&r, &request);                 keeps only: what else told the receiver
 *     case AIEX_MSG_EVENT: aiex_recast_event(&r, m);  sends again
 *     aiex_recast_done(&r);
 *
 * Part of aiex_sdk_service. Threads: the loop thread. Memory: at most `max_bytes`; beyond it and
 * after `keep_ms` the oldest go. What lies kept when the sender itself is killed is lost with it,
 * which costs nothing as long as the receiver lives.
 */
#ifndef AIEX_RECAST_H
#define AIEX_RECAST_H

#include <aiex/aiex_pack.h>

#ifdef __cplusplus
extern "C" {
#endif

struct aiex_recast_kept;

/* Fields are the keeper's own. */
struct aiex_recast {
    const struct aiex_host *host;
    struct aiex_recast_kept *first, *last; /* oldest first */
    size_t bytes, max_bytes;
    uint32_t keep_ms;
};

/* 0, or why the topic host.plugin could not be subscribed to. */
int aiex_recast_init(struct aiex_recast *r, const struct aiex_host *host, size_t max_bytes,
                     uint32_t keep_ms);
/* Frees. Safe on a zeroed struct. */
void aiex_recast_done(struct aiex_recast *r);

/* Keeps a copy of service, method, trace and body. Without memory it is not kept. */
void aiex_recast_keep(struct aiex_recast *r, const struct aiex_request *q);
/* The same and casts it, lazily. 0, or as host->call(). */
int aiex_recast_send(struct aiex_recast *r, const struct aiex_request *q);
/* Any event. When it says that a plugin is up, all that is kept is cast again. */
void aiex_recast_event(struct aiex_recast *r, const struct aiex_message *m);

#ifdef __cplusplus
}
#endif

#endif /* AIEX_RECAST_H */

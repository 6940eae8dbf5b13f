/* hub_private.h - what channel.c and hub.c know of each other. Nobody else includes it. */
#ifndef AIEX_CHANNEL_HUB_PRIVATE_H
#define AIEX_CHANNEL_HUB_PRIVATE_H

#include "channel/channel.h"

struct channel {
    struct hub *hub;
    int side;
    struct channel_fds fds;
    struct channel_ops ops;
    void *arg;
    struct ring tx, rx;
    uint64_t ring_bytes;
    struct loop_watch *watch;
    struct queued *queue, *queue_tail;
    size_t queue_bytes, queue_max;
    uint64_t reading_end; /* ring position behind the record being handled */
    int urgent;           /* the peer must be woken at the next flush */
    int unwoken;          /* lazy records were published and nobody was woken since */
    int hold;
    int broken;
};

struct hub {
    struct loop *loop;
    struct channel **list;
    int n, cap;
    int turning; /* inside hub turn: removals leave a NULL */
    int (*after)(void *arg);
    void *after_arg;
    uint32_t spin_us;
    struct hub_stats stats;
};

int hub_add(struct hub *hub, struct channel *ch);
void hub_remove(struct hub *hub, struct channel *ch);

int channel_turn(struct channel *ch, int budget);
void channel_flush(struct channel *ch);
void channel_wake_lazy(struct channel *ch);
int channel_pending(struct channel *ch);
void channel_sleeping(struct channel *ch, int on);

#endif

/*
 * channel.h - a duplex channel between two processes: two rings and two eventfds,
 * and the hub that drives all channels of a process once per loop turn.
 *
 * Sending never blocks and never drops: what does not fit into the ring waits in a
 * queue of at most `queue_max` bytes, in order, and follows when the peer has made
 * room. -ENOBUFS at that bound is the sender's sign to answer "busy". A hub drains
 * and flushes its channels together until dry; wake-ups are coalesced per turn, and
 * RECORD_LAZY records wait for the next urgent one, for hub_wake_lazy(), or until 32 KiB are unread.
 *
 * Bodies longer than a record are cut by channel_send() and joined by whoever reads
 * (endpoint.h); a router hands the pieces on as they are.
 *
 * Thread rule: the loop's thread. Ownership: channel_new() takes the descriptors; a
 * channel is never freed from its own callbacks.
 */
#ifndef AIEX_CHANNEL_H
#define AIEX_CHANNEL_H

#include "channel/ring.h"
#include "loop/loop.h"

struct hub;
struct channel;

struct channel_ops {
    /* One record; body is valid during the call and may be rewritten by a hostile peer while it
     * is read: copy out what is acted upon. */
    void (*record)(void *arg, const struct record *head, const uint8_t *body);
    /* The peer broke the protocol: nothing more is read. Called once, from the hub's turn. */
    void (*broken)(void *arg);
};

struct channel_fds {
    int memory;  /* sealed memfd */
    int wake[2]; /* eventfd read by side 0, by side 1 */
};

/* Makes the shared memory and eventfds of a channel; ring_bytes per direction. */
int channel_make(uint64_t ring_bytes, struct channel_fds *ret);
void channel_fds_close(struct channel_fds *fds);

struct hub *hub_new(struct loop *loop);
void hub_free(struct hub *hub);
/* Called after the rings of a turn were drained and before they are flushed: for output that is
 * gathered per turn. Returns 1 when it did something. May be called several times a turn. */
void hub_after(struct hub *hub, int (*fn)(void *arg), void *arg);
/* Wakes every peer that sleeps on lazy records: to be called now and then, so that they wait for an
 * urgent one only so long. */
void hub_wake_lazy(struct hub *hub);
/* Microseconds to look for work before sleeping; 0 = off (default). */
void hub_spin(struct hub *hub, uint32_t spin_us);

/* side: which end this process is. NULL and *ret_error on failure (fds are then still the
 * caller's). */
struct channel *channel_new(struct hub *hub, const struct channel_fds *fds, int side,
                            uint64_t ring_bytes, const struct channel_ops *ops, void *arg,
                            int *ret_error);
void channel_free(struct channel *ch);

/* Sends a record or, when len exceeds one record, its pieces. head->len is set here.
 * 0, -ENOBUFS (nothing was sent), -EPIPE (broken). */
int channel_send(struct channel *ch, const struct record *head, const void *body, size_t len);
/* Publishes what was sent and wakes the peer now, without waiting for the hub's turn. */
void channel_push(struct channel *ch);
/* Bytes that wait in the queue. */
size_t channel_queued(const struct channel *ch);
void channel_queue_max(struct channel *ch, size_t bytes);
/* Stops (1) or resumes (0) handing out records: back-pressure towards the peer. */
void channel_hold(struct channel *ch, int on);
/* Takes what the peer published before it ended; for a dead peer. */
void channel_drain(struct channel *ch);
/* Reader's side of crash accounting: a request ending at the record just read begins now. */
void channel_started(struct channel *ch);
/* What a dead peer had not begun, in order: from its mark on in the ring, then what waited for room.
 * The peer could write into the ring: ids and flags are hints, lengths are checked. */
void channel_each_unstarted(struct channel *ch,
                            void (*fn)(void *arg, const struct record *head, const uint8_t *body),
                            void *arg);
/* Watchdog: feeds (own side) and reads (peer) the progress words. */
void channel_progress(struct channel *ch);
uint64_t channel_peer_progress(struct channel *ch);
int channel_peer_sleeping(struct channel *ch);
/* 1 after broken(), with the reason in words. */
const char *channel_broken_why(const struct channel *ch);

/* Positions for a new process image that takes the channel over (re-exec): only when the queue is
 * empty and nothing is half read. */
struct channel_state {
    struct channel_fds fds;
    uint64_t ring_bytes, tx_pos, rx_pos;
};
int channel_save(struct channel *ch, struct channel_state *state);
struct channel *channel_load(struct hub *hub, const struct channel_state *state, int side,
                             const struct channel_ops *ops, void *arg, int *ret_error);

struct hub_stats {
    uint64_t records_in, records_out, wakes_out, wakes_in, turns;
};
void hub_stats(const struct hub *hub, struct hub_stats *out);

#endif

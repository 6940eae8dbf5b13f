/*
 * channel.c - one channel: sending with overflow queue, receiving within a budget,
 * publishing and waking. The hub (hub.c) calls channel_turn() and channel_flush().
 */
#include "channel/channel.h"
#include "channel/hub_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define QUEUE_MAX_DEFAULT (64u * 1024u * 1024u)
#define TURN_BUDGET       256 /* records of one channel before the others get their turn */

#define SHORT_RECORD      4096u
#define LAZY_BYTES        (32u * 1024u) /* so many unread ones wake the peer after all */

/* A record that waits for room in the ring. */
struct queued {
    struct queued *next;
    struct record head;
    uint8_t body[];
};

int channel_make(uint64_t ring_bytes, struct channel_fds *ret)
{
    struct channel_fds fds = {-1, {-1, -1}};
    int r;

    fds.memory = memfd_create("aiex-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    fds.wake[0] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    fds.wake[1] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fds.memory < 0 || fds.wake[0] < 0 || fds.wake[1] < 0 ||
        ftruncate(fds.memory, (off_t)ring_file_bytes(ring_bytes)) < 0 ||
        fcntl(fds.memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        r = -errno;
        channel_fds_close(&fds);
        return r;
    }
    *ret = fds;
    return 0;
}

void channel_fds_close(struct channel_fds *fds)
{
    int all[3] = {fds->memory, fds->wake[0], fds->wake[1]};

    for (int i = 0; i < 3; i++)
        if (all[i] >= 0)
            close(all[i]);
    *fds = (struct channel_fds){-1, {-1, -1}};
}

/* The eventfd's counter is read away; the records are taken in the hub's turn. */
static void on_wake(void *arg, unsigned events)
{
    struct channel *ch = arg;
    uint64_t count;

    ch->hub->stats.wakes_in++;
    if (read(ch->fds.wake[ch->side], &count, sizeof(count)) < 0) {
        /* EAGAIN: someone was faster */
    }
}

struct channel *channel_new(struct hub *hub, const struct channel_fds *fds, int side,
                            uint64_t ring_bytes, const struct channel_ops *ops, void *arg,
                            int *ret_error)
{
    struct channel *ch = calloc(1, sizeof(*ch));
    int r = -ENOMEM;

    if (!ch)
        goto failed;
    *ch = (struct channel){.hub = hub, .side = side, .fds = *fds, .ops = *ops, .arg = arg,
                           .queue_max = QUEUE_MAX_DEFAULT, .ring_bytes = ring_bytes};
    r = ring_map(&ch->tx, fds->memory, side, ring_bytes);
    if (r == 0)
        r = ring_map(&ch->rx, fds->memory, 1 - side, ring_bytes);
    if (r < 0)
        goto failed;
    ch->watch = loop_watch_new(hub->loop, fds->wake[side], LOOP_READ, on_wake, ch);
    r = ch->watch ? hub_add(hub, ch) : -ENOMEM;
    if (r < 0)
        goto failed;
    return ch;
failed:
    if (ch) {
        loop_watch_free(ch->watch);
        ring_unmap(&ch->tx);
        ring_unmap(&ch->rx);
        free(ch);
    }
    if (ret_error)
        *ret_error = r;
    return NULL;
}

void channel_free(struct channel *ch)
{
    struct queued *q;

    if (!ch)
        return;
    hub_remove(ch->hub, ch);
    loop_watch_free(ch->watch);
    ring_unmap(&ch->tx);
    ring_unmap(&ch->rx);
    channel_fds_close(&ch->fds);
    while ((q = ch->queue)) {
        ch->queue = q->next;
        free(q);
    }
    free(ch);
}

static int enqueue(struct channel *ch, const struct record *head, const void *body)
{
    struct queued *q = malloc(sizeof(*q) + head->len);

    if (!q)
        return -ENOMEM;
    q->next = NULL;
    q->head = *head;
    if (head->len)
        memcpy(q->body, body, head->len);
    if (ch->queue)
        ch->queue_tail->next = q;
    else
        ch->queue = q;
    ch->queue_tail = q;
    ch->queue_bytes += ring_need(head->len);
    return 0;
}

/* One piece, into the ring or behind what waits already. */
static int send_piece(struct channel *ch, const struct record *head, const void *body)
{
    uint8_t *to = ch->queue ? NULL : ring_reserve(&ch->tx, head->len);

    ch->hub->stats.records_out++;
    if (!(head->flags & RECORD_LAZY))
        ch->urgent = 1;
    if (!to)
        return ch->tx.bad ? -EPIPE : enqueue(ch, head, body);
    if (head->len)
        memcpy(to, body, head->len);
    ring_commit(&ch->tx, head);
    return 0;
}

/* Ends, cancels, credits and the like may go a little over the bound, so that a full queue can still be
 * told about; what asks for work may not. */
static int may_exceed(const struct record *head, size_t len)
{
    return len <= SHORT_RECORD && head->kind != RECORD_REQ && head->kind != RECORD_STREAM &&
           head->kind != RECORD_EVENT;
}

int channel_send(struct channel *ch, const struct record *head, const void *body, size_t len)
{
    struct record piece = *head;
    const uint8_t *at = body;
    int r;

    if (ch->broken || ch->tx.bad)
        return -EPIPE;
    /* all or nothing: the pieces of one body are never cut off by the bound */
    if (ch->queue_bytes + len > ch->queue_max + (may_exceed(head, len) ? ch->queue_max / 8 : 0))
        return -ENOBUFS;
    do {
        piece.len = (uint32_t)(len > RECORD_BODY_MAX ? RECORD_BODY_MAX : len);
        piece.flags = (uint8_t)(head->flags | (len > piece.len ? RECORD_MORE : 0) |
                                (at != body ? RECORD_CONT : 0));
        r = send_piece(ch, &piece, at);
        if (r < 0)
            return r;
        at += piece.len;
        len -= piece.len;
    } while (len);
    return 0;
}

size_t channel_queued(const struct channel *ch)
{
    return ch->queue_bytes;
}

void channel_queue_max(struct channel *ch, size_t bytes)
{
    ch->queue_max = bytes;
}

void channel_hold(struct channel *ch, int on)
{
    ch->hold = on;
}

/* Moves waiting records into the ring. want_space is set before the last look, so that a peer that
 * frees room in between wakes us. */
static int unqueue(struct channel *ch)
{
    int moved = 0;

    while (ch->queue) {
        struct queued *q = ch->queue;
        uint8_t *to = ring_reserve(&ch->tx, q->head.len);

        if (!to && !ch->tx.bad) {
            atomic_store(&ch->tx.control->want_space, 1);
            atomic_thread_fence(memory_order_seq_cst); /* our flag before its index */
            to = ring_reserve(&ch->tx, q->head.len);
        }
        if (!to)
            break;
        if (q->head.len)
            memcpy(to, q->body, q->head.len);
        ring_commit(&ch->tx, &q->head);
        ch->queue = q->next;
        ch->queue_bytes -= ring_need(q->head.len);
        ch->urgent = 1; /* also for lazy ones: who waited for room may be waited for */
        free(q);
        moved = 1;
    }
    if (!ch->queue)
        ch->queue_bytes = 0;
    return moved;
}

static void judge(struct channel *ch)
{
    if (ch->broken || (!ch->rx.bad && !ch->tx.bad))
        return;
    ch->broken = 1;
    ch->ops.broken(ch->arg);
}

static int receive(struct channel *ch, int budget)
{
    struct record head;
    const uint8_t *body;
    int n = 0;

    while (n < budget && !ch->hold && !ch->broken && !ch->tx.bad && (body = ring_peek(&ch->rx, &head))) {
        n++;
        ch->reading_end = ch->rx.pos + ring_need(head.len);
        ch->ops.record(ch->arg, &head, body);
        ring_consume(&ch->rx, &head);
    }
    ch->hub->stats.records_in += (uint64_t)n;
    return n;
}

int channel_turn(struct channel *ch, int budget)
{
    int n = receive(ch, budget);

    if (ch->queue)
        n += unqueue(ch);
    judge(ch);
    return n > 0;
}

/* Many lazy records at once would keep the peer, and who shares its processor, busy for long. */
static int is_piled_up(const struct channel *ch)
{
    uint64_t head = atomic_load_explicit(&ch->tx.control->head, memory_order_relaxed);

    return ch->tx.published - head > LAZY_BYTES;
}

void channel_flush(struct channel *ch)
{
    int published = ch->tx.published != ch->tx.pos, released = ch->rx.published != ch->rx.pos;
    uint64_t one = 1;

    if (!published && !released && !ch->urgent)
        return;
    ring_publish(&ch->tx);
    ring_release(&ch->rx);
    atomic_thread_fence(memory_order_seq_cst); /* our indexes before the peer's flags */
    if (released && atomic_load_explicit(&ch->rx.control->want_space, memory_order_relaxed)) {
        atomic_store_explicit(&ch->rx.control->want_space, 0, memory_order_relaxed);
        ch->urgent = 1;
    }
    ch->unwoken |= published;
    if (ch->unwoken && published && is_piled_up(ch))
        ch->urgent = 1;
    if (!ch->urgent)
        return;
    ch->urgent = ch->unwoken = 0;
    if (atomic_load_explicit(&ch->tx.control->sleeping, memory_order_relaxed) &&
        atomic_exchange_explicit(&ch->tx.control->sleeping, 0, memory_order_acq_rel)) {
        ch->hub->stats.wakes_out++;
        if (write(ch->fds.wake[1 - ch->side], &one, sizeof(one)) < 0) {
            /* EAGAIN: it is readable already */
        }
    }
}

void channel_wake_lazy(struct channel *ch)
{
    if (!ch->unwoken)
        return;
    ch->unwoken = 0;
    if (atomic_load_explicit(&ch->tx.control->head, memory_order_relaxed) == ch->tx.published)
        return; /* it came by for another reason */
    ch->urgent = 1;
    channel_flush(ch);
}

void channel_push(struct channel *ch)
{
    channel_flush(ch);
}

int channel_pending(struct channel *ch)
{
    if (ch->broken)
        return 0;
    if (!ch->hold && ring_readable(&ch->rx))
        return 1;
    return ch->queue && !ch->tx.bad &&
           atomic_load_explicit(&ch->tx.control->want_space, memory_order_relaxed) == 0;
}

void channel_sleeping(struct channel *ch, int on)
{
    atomic_store_explicit(&ch->rx.control->sleeping, (uint32_t)on, memory_order_relaxed);
}

void channel_drain(struct channel *ch)
{
    ch->hold = 0;
    /* its ring takes nothing more: what waits stays where channel_each_unstarted() finds it */
    while (!ch->broken && receive(ch, TURN_BUDGET))
        ring_release(&ch->rx);
    judge(ch);
}

void channel_started(struct channel *ch)
{
    ring_publish(&ch->tx); /* a crash in this request must not take the answers before it along */
    atomic_store_explicit(&ch->rx.control->started, ch->reading_end, memory_order_release);
    channel_progress(ch);
}

/* Where the dead peer stopped: behind the last request it began while that is still in the ring, else
 * behind what it gave back. Both marks are its own and may be lies. */
static uint64_t stopped_at(struct channel *ch)
{
    uint64_t head = atomic_load_explicit(&ch->tx.control->head, memory_order_acquire);
    uint64_t started = atomic_load_explicit(&ch->tx.control->started, memory_order_acquire);
    uint64_t pos = ch->tx.pos;

    if (pos - started <= ch->tx.size && !(started & 7))
        return started;
    return pos - head <= ch->tx.size && !(head & 7) ? head : pos;
}

void channel_each_unstarted(struct channel *ch,
                            void (*fn)(void *arg, const struct record *head, const uint8_t *body),
                            void *arg)
{
    struct record head;

    for (uint64_t at = stopped_at(ch); at != ch->tx.pos; at += ring_need(head.len)) {
        const uint8_t *record = ch->tx.data + (at & (ch->tx.size - 1));

        memcpy(&head, record, sizeof(head));
        if (head.len > RECORD_BODY_MAX || ring_need(head.len) > ch->tx.pos - at)
            break; /* it wrote into the ring it should only read */
        fn(arg, &head, record + sizeof(head));
    }
    for (struct queued *q = ch->queue; q; q = q->next)
        fn(arg, &q->head, q->body);
}

void channel_progress(struct channel *ch)
{
    atomic_fetch_add_explicit(&ch->rx.control->progress, 1, memory_order_relaxed);
}

uint64_t channel_peer_progress(struct channel *ch)
{
    return atomic_load_explicit(&ch->tx.control->progress, memory_order_relaxed);
}

int channel_peer_sleeping(struct channel *ch)
{
    return (int)atomic_load_explicit(&ch->tx.control->sleeping, memory_order_relaxed);
}

const char *channel_broken_why(const struct channel *ch)
{
    return ch->rx.bad ? "records or indexes out of bounds in its ring"
           : ch->tx.bad ? "index out of bounds in the host's ring"
                        : "";
}

int channel_save(struct channel *ch, struct channel_state *state)
{
    if (ch->queue || ch->broken)
        return -EBUSY;
    channel_flush(ch);
    ring_publish(&ch->tx);
    ring_release(&ch->rx);
    *state = (struct channel_state){ch->fds, ch->ring_bytes, ch->tx.pos, ch->rx.pos};
    return 0;
}

struct channel *channel_load(struct hub *hub, const struct channel_state *state, int side,
                             const struct channel_ops *ops, void *arg, int *ret_error)
{
    struct channel *ch = channel_new(hub, &state->fds, side, state->ring_bytes, ops, arg, ret_error);

    if (!ch)
        return NULL;
    ring_resume(&ch->tx, state->tx_pos, 1);
    ring_resume(&ch->rx, state->rx_pos, 0);
    ch->urgent = 1;
    return ch;
}

/*
 * channel_test.c - both ends of a channel in this process, each with a loop and a hub of
 * its own, turned by hand. A spy maps the same memory: it sees, and sets, the shared
 * words that a peer would.
 */
#include "base/clock.h"
#include "channel/channel.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct side {
    struct loop *loop;
    struct hub *hub;
    struct channel *channel;
    uint64_t expect; /* id of the next record */
    uint64_t records, bytes, wrong;
    int broken;
    int rounds; /* of after() */
};

struct both {
    struct side a, b;
    struct ring spy[2]; /* ring 0: a writes; ring 1: b writes */
    struct channel_fds fds;
};

static uint8_t pattern(uint64_t id, uint64_t at)
{
    return (uint8_t)(id * 31 + at);
}

static void on_record(void *arg, const struct record *head, const uint8_t *body)
{
    struct side *s = arg;

    s->records++;
    s->wrong += head->id != s->expect;
    for (uint32_t i = 0; i < head->len; i++)
        s->wrong += body[i] != pattern(head->id, s->bytes + i);
    s->bytes += head->len;
    if (!(head->flags & RECORD_MORE)) {
        s->expect++;
        s->bytes = 0;
    }
}

static void on_broken(void *arg)
{
    struct side *s = arg;

    s->broken++;
}

static const struct channel_ops ops = {on_record, on_broken};

static void dup_fds(const struct channel_fds *from, struct channel_fds *to)
{
    to->memory = fcntl(from->memory, F_DUPFD_CLOEXEC, 0);
    to->wake[0] = fcntl(from->wake[0], F_DUPFD_CLOEXEC, 0);
    to->wake[1] = fcntl(from->wake[1], F_DUPFD_CLOEXEC, 0);
}

static void side_init(struct side *s, const struct channel_fds *fds, int which)
{
    struct channel_fds own;
    int r = 0;

    memset(s, 0, sizeof(*s));
    dup_fds(fds, &own);
    s->loop = loop_new();
    s->hub = hub_new(s->loop);
    s->channel = channel_new(s->hub, &own, which, RING_MIN, &ops, s, &r);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s->channel);
}

static void side_done(struct side *s)
{
    channel_free(s->channel);
    hub_free(s->hub);
    loop_free(s->loop);
    s->channel = NULL;
}

static void both_init(struct both *t)
{
    CU_ASSERT_EQUAL_FATAL(channel_make(RING_MIN, &t->fds), 0);
    side_init(&t->a, &t->fds, 0);
    side_init(&t->b, &t->fds, 1);
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL_FATAL(ring_map(&t->spy[i], t->fds.memory, i, RING_MIN), 0);
}

static void both_done(struct both *t)
{
    if (t->a.channel)
        side_done(&t->a);
    if (t->b.channel)
        side_done(&t->b);
    for (int i = 0; i < 2; i++)
        ring_unmap(&t->spy[i]);
    channel_fds_close(&t->fds);
}

/* Turns both loops until nothing moves any more. */
static void turn(struct both *t)
{
    uint64_t before, now = t->a.records + t->b.records;

    do {
        before = now;
        for (int i = 0; i < 3; i++) {
            loop_once(t->a.loop, 0);
            loop_once(t->b.loop, 0);
        }
        now = t->a.records + t->b.records;
    } while (now != before);
}

static int send_kind(struct side *s, unsigned kind, uint64_t id, size_t len, unsigned flags)
{
    uint8_t *body = malloc(len + 1);
    int r;

    for (size_t i = 0; i < len; i++)
        body[i] = pattern(id, i);
    r = channel_send(s->channel,
                     &(struct record){.kind = (uint8_t)kind, .id = id, .flags = (uint8_t)flags},
                     body, len);
    free(body);
    return r;
}

static int send_pattern(struct side *s, uint64_t id, size_t len, unsigned flags)
{
    return send_kind(s, RECORD_LOG, id, len, flags);
}

static int readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

static void test_bodies(void)
{
    static const size_t sizes[] = {0,
                                   1,
                                   7,
                                   8,
                                   RECORD_BODY_MAX - 1,
                                   RECORD_BODY_MAX,
                                   RECORD_BODY_MAX + 1,
                                   2 * RECORD_BODY_MAX,
                                   100000,
                                   5 << 20,
                                   32 << 20};
    struct both t;

    both_init(&t);
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        CU_ASSERT_EQUAL(send_pattern(&t.a, i, sizes[i], 0), 0);
        turn(&t);
        CU_ASSERT_EQUAL(t.b.expect, i + 1);
        CU_ASSERT_EQUAL(channel_queued(t.a.channel), 0);
    }
    CU_ASSERT_EQUAL(t.b.wrong, 0);
    both_done(&t);
}

/* Hundreds of records per turn, one wake-up; none for who is awake. */
static void test_wakes(void)
{
    struct hub_stats stats;
    struct both t;

    both_init(&t);
    turn(&t);
    for (int i = 0; i < 200; i++)
        send_pattern(&t.a, (uint64_t)i, 16, 0);
    atomic_store(&t.spy[0].control->sleeping, 1); /* b blocks */
    loop_once(t.a.loop, 0);
    hub_stats(t.a.hub, &stats);
    CU_ASSERT_EQUAL(stats.wakes_out, 1);
    CU_ASSERT_EQUAL(stats.records_out, 200);
    CU_ASSERT(readable(t.fds.wake[1]));
    CU_ASSERT_EQUAL(atomic_load(&t.spy[0].control->sleeping), 0);
    for (int i = 200; i < 300; i++)
        send_pattern(&t.a, (uint64_t)i, 16, 0);
    loop_once(t.a.loop, 0);
    hub_stats(t.a.hub, &stats);
    CU_ASSERT_EQUAL(stats.wakes_out, 1); /* b has been told already */
    turn(&t);
    CU_ASSERT_EQUAL(t.b.expect, 300);
    CU_ASSERT_EQUAL(t.b.wrong, 0);
    CU_ASSERT(!readable(t.fds.wake[1]));
    both_done(&t);
}

/* Lazy records are published at once and wake nobody; the next urgent one does. */
static void test_lazy(void)
{
    struct hub_stats stats;
    struct both t;

    both_init(&t);
    turn(&t);
    atomic_store(&t.spy[0].control->sleeping, 1);
    send_pattern(&t.a, 0, 16, RECORD_LAZY);
    loop_once(t.a.loop, 0);
    hub_stats(t.a.hub, &stats);
    CU_ASSERT_EQUAL(stats.wakes_out, 0);
    CU_ASSERT_EQUAL(atomic_load(&t.spy[0].control->tail), ring_need(16));
    send_pattern(&t.a, 1, 16, 0);
    loop_once(t.a.loop, 0);
    hub_stats(t.a.hub, &stats);
    CU_ASSERT_EQUAL(stats.wakes_out, 1);
    turn(&t);
    CU_ASSERT_EQUAL(t.b.expect, 2);
    both_done(&t);
}

/* Who has slept on lazy records for a while is woken; who has read them is left alone. */
static void test_lazy_for_a_while(void)
{
    struct hub_stats stats;
    struct both t;

    both_init(&t);
    turn(&t);
    atomic_store(&t.spy[0].control->sleeping, 1);
    send_pattern(&t.a, 0, 16, RECORD_LAZY);
    loop_once(t.a.loop, 0);
    hub_wake_lazy(t.a.hub);
    hub_stats(t.a.hub, &stats);
    CU_ASSERT_EQUAL(stats.wakes_out, 1);
    CU_ASSERT(readable(t.fds.wake[1]));
    turn(&t);
    CU_ASSERT_EQUAL(t.b.expect, 1);
    send_pattern(&t.a, 1, 16, RECORD_LAZY);
    turn(&t);
    CU_ASSERT_EQUAL(t.b.expect, 2);
    atomic_store(&t.spy[0].control->sleeping, 1);
    hub_wake_lazy(t.a.hub);
    hub_wake_lazy(t.a.hub);
    hub_stats(t.a.hub, &stats);
    CU_ASSERT_EQUAL(stats.wakes_out, 1);
    both_done(&t);
}

/* Lazy records do not pile up: from 32 KiB on their reader is woken, once. */
static void test_lazy_piles_up(void)
{
    struct hub_stats stats;
    struct both t;

    both_init(&t);
    turn(&t);
    atomic_store(&t.spy[0].control->sleeping, 1);
    for (uint64_t i = 0; i < 8; i++) {
        send_pattern(&t.a, i, 4000, RECORD_LAZY);
        loop_once(t.a.loop, 0);
    }
    hub_stats(t.a.hub, &stats);
    CU_ASSERT_EQUAL(stats.wakes_out, 0);
    send_pattern(&t.a, 8, 4000, RECORD_LAZY);
    loop_once(t.a.loop, 0);
    send_pattern(&t.a, 9, 4000, RECORD_LAZY);
    loop_once(t.a.loop, 0);
    hub_stats(t.a.hub, &stats);
    CU_ASSERT_EQUAL(stats.wakes_out, 1);
    turn(&t);
    CU_ASSERT_EQUAL(t.b.expect, 10);
    both_done(&t);
}

/* channel_push() does at once what the turn does later. */
static void test_push(void)
{
    struct both t;

    both_init(&t);
    turn(&t);
    atomic_store(&t.spy[0].control->sleeping, 1);
    send_pattern(&t.a, 0, 16, 0);
    CU_ASSERT_EQUAL(atomic_load(&t.spy[0].control->tail), 0);
    channel_push(t.a.channel);
    CU_ASSERT(atomic_load(&t.spy[0].control->tail) > 0);
    CU_ASSERT(readable(t.fds.wake[1]));
    both_done(&t);
}

/* More than the ring holds waits, in order, also behind a lazy record, and follows. */
static void test_overflow_order(void)
{
    struct hub_stats stats;
    struct both t;

    both_init(&t);
    turn(&t);
    for (uint64_t i = 0; i < 400; i++)
        CU_ASSERT_EQUAL(
            send_pattern(&t.a, i, i % 7 ? i * 11 % 3000 : 40000, i % 3 ? 0 : RECORD_LAZY), 0);
    CU_ASSERT(channel_queued(t.a.channel) > 1000000);
    loop_once(t.a.loop, 0);
    CU_ASSERT_EQUAL(atomic_load(&t.spy[0].control->want_space), 1);
    /* b reads: it must wake a, who sleeps until there is room */
    atomic_store(&t.spy[1].control->sleeping, 1);
    hub_stats(t.b.hub, &stats);
    CU_ASSERT_EQUAL(stats.wakes_out, 0);
    loop_once(t.b.loop, 0);
    hub_stats(t.b.hub, &stats);
    CU_ASSERT_EQUAL(stats.wakes_out, 1);
    CU_ASSERT_EQUAL(atomic_load(&t.spy[0].control->want_space), 0);
    CU_ASSERT(readable(t.fds.wake[0]));
    turn(&t);
    CU_ASSERT_EQUAL(t.b.expect, 400);
    CU_ASSERT_EQUAL(t.b.wrong, 0);
    CU_ASSERT_EQUAL(channel_queued(t.a.channel), 0);
    both_done(&t);
}

/* What leaves the queue wakes its reader, although only lazy records wait there. */
static void test_queued_lazy_wakes(void)
{
    struct hub_stats stats;
    struct both t;

    both_init(&t);
    turn(&t);
    while (!channel_queued(t.a.channel))
        send_pattern(&t.a, t.a.records++, 4000, RECORD_LAZY);
    loop_once(t.a.loop, 0);
    loop_once(t.b.loop, 0);
    atomic_store(&t.spy[0].control->sleeping, 1);
    loop_once(t.a.loop, 0); /* the queue moves into the ring */
    CU_ASSERT_EQUAL(channel_queued(t.a.channel), 0);
    hub_stats(t.a.hub, &stats);
    CU_ASSERT_EQUAL(stats.wakes_out, 1);
    CU_ASSERT(readable(t.fds.wake[1]));
    both_done(&t);
}

static void test_queue_bound(void)
{
    struct both t;
    uint64_t id = 0;
    int r;

    both_init(&t);
    turn(&t);
    channel_queue_max(t.a.channel, 200000);
    while ((r = send_pattern(&t.a, id, 10000, 0)) == 0)
        id++;
    CU_ASSERT_EQUAL(r, -ENOBUFS);
    CU_ASSERT(channel_queued(t.a.channel) <= 200000);
    CU_ASSERT_EQUAL(send_pattern(&t.a, id, 5000000, 0), -ENOBUFS); /* whole or not at all */
    while (send_kind(&t.a, RECORD_REQ, id, 100, 0) == 0)
        id++;
    CU_ASSERT(channel_queued(t.a.channel) <= 200000);
    while ((r = send_kind(&t.a, RECORD_REP, id, 100, 0)) == 0) /* ends may go a little over */
        id++;
    CU_ASSERT(channel_queued(t.a.channel) > 220000);
    CU_ASSERT_EQUAL(r, -ENOBUFS);
    CU_ASSERT(channel_queued(t.a.channel) <= 226000);
    turn(&t);
    CU_ASSERT_EQUAL(t.b.expect, id);
    CU_ASSERT_EQUAL(send_pattern(&t.a, id, 10000, 0), 0);
    turn(&t);
    CU_ASSERT_EQUAL(t.b.expect, id + 1);
    CU_ASSERT_EQUAL(t.b.wrong, 0);
    both_done(&t);
}

static void test_hold(void)
{
    struct both t;

    both_init(&t);
    turn(&t);
    channel_hold(t.b.channel, 1);
    for (uint64_t i = 0; i < 10; i++)
        send_pattern(&t.a, i, 16, 0);
    turn(&t);
    CU_ASSERT_EQUAL(t.b.records, 0);
    channel_hold(t.b.channel, 0);
    turn(&t);
    CU_ASSERT_EQUAL(t.b.records, 10);
    both_done(&t);
}

/* A peer that writes nonsense into its ring, or into ours, is told about once and cut off. */
static void test_broken(void)
{
    for (int mine = 0; mine < 2; mine++) {
        struct both t;

        both_init(&t);
        turn(&t);
        CU_ASSERT_STRING_EQUAL(channel_broken_why(t.b.channel), "");
        if (mine) { /* b's own ring, whose head a gives back */
            for (int i = 0; i < 2000; i++)
                send_pattern(&t.b, (uint64_t)i, 64, 0);
            atomic_store(&t.spy[1].control->head, 12);
        } else {
            send_pattern(&t.a, 0, 64, 0);
            channel_push(t.a.channel);
            t.spy[0].data[4] = 0; /* its kind */
        }
        loop_once(t.b.loop, 0);
        loop_once(t.b.loop, 0);
        CU_ASSERT_EQUAL(t.b.broken, 1);
        CU_ASSERT_EQUAL(t.b.records, 0);
        CU_ASSERT(strlen(channel_broken_why(t.b.channel)) > 10);
        CU_ASSERT_EQUAL(send_pattern(&t.b, 0, 8, 0), -EPIPE);
        send_pattern(&t.a, 1, 64, 0);
        turn(&t);
        CU_ASSERT_EQUAL(t.b.broken, 1);
        CU_ASSERT_EQUAL(t.b.records, 0);
        both_done(&t);
    }
}

struct seen {
    uint64_t ids[64];
    unsigned n;
};

static void see(void *arg, const struct record *head, const uint8_t *body)
{
    struct seen *s = arg;

    if (s->n < 64)
        s->ids[s->n++] = head->id;
}

/* A peer died: what it published is read, and what it had not begun is found, in order: first what
 * is in the ring, then what waited. */
static void test_dead_peer(void)
{
    struct seen seen = {.n = 0};
    struct both t;
    uint64_t id;

    both_init(&t);
    turn(&t);
    for (uint64_t i = 0; i < 5; i++)
        send_pattern(&t.b, i, 100, 0);
    channel_push(t.b.channel);
    /* b has read two of a's records and begun one */
    send_pattern(&t.a, 0, 100, 0);
    send_pattern(&t.a, 1, 100, 0);
    turn(&t);
    atomic_store(&t.spy[0].control->started, ring_need(100));
    for (id = 2; id < 10; id++)
        send_pattern(&t.a, id, 15000, 0);
    CU_ASSERT(channel_queued(t.a.channel) > 0);
    side_done(&t.b);
    channel_drain(t.a.channel);
    CU_ASSERT_EQUAL(t.a.records, 5);
    CU_ASSERT_EQUAL(t.a.wrong, 0);
    channel_each_unstarted(t.a.channel, see, &seen);
    CU_ASSERT_EQUAL_FATAL(seen.n, 9);
    for (unsigned i = 0; i < seen.n; i++)
        CU_ASSERT_EQUAL(seen.ids[i], i + 1);
    both_done(&t);
}

/* The same with a mark and bytes that a hostile peer chose: nothing outside is touched. */
static void test_dead_hostile_peer(void)
{
    static const uint64_t marks[] = {
        0, 8, 32, 40, RING_MIN, 2 * RING_MIN, UINT64_MAX, UINT64_MAX - 7, 13, (uint64_t)1 << 63};

    for (unsigned m = 0; m < sizeof(marks) / sizeof(marks[0]); m++) {
        struct seen seen = {.n = 0};
        struct both t;

        both_init(&t);
        turn(&t);
        for (uint64_t id = 0; id < 30; id++)
            send_pattern(&t.a, id, 3000, 0);
        channel_push(t.a.channel);
        if (m & 1)
            memset(t.spy[0].data, 0xff, RING_MIN);
        atomic_store(&t.spy[0].control->started, marks[m]);
        atomic_store(&t.spy[0].control->head, marks[m]);
        atomic_store(&t.spy[1].control->tail, marks[m]);
        side_done(&t.b);
        channel_drain(t.a.channel);
        channel_each_unstarted(t.a.channel, see, &seen);
        CU_ASSERT(seen.n <= 30);
        for (unsigned i = 1; i < seen.n && !(m & 1); i++)
            CU_ASSERT(seen.ids[i] > seen.ids[i - 1]);
        both_done(&t);
    }
}

/* Another process image takes the channel over in the middle of a conversation. */
static void test_save_load(void)
{
    struct channel_state state;
    struct both t;
    int r = 0;

    both_init(&t);
    for (uint64_t i = 0; i < 100; i++)
        send_pattern(&t.a, i, 1000, 0);
    CU_ASSERT_EQUAL(channel_save(t.a.channel, &state), -EBUSY); /* a queue waits */
    turn(&t);
    for (uint64_t i = 0; i < 10; i++)
        send_pattern(&t.b, i, 500, 0);
    send_pattern(&t.a, 100, 900, 0);
    channel_push(t.b.channel);
    CU_ASSERT_EQUAL(channel_save(t.a.channel, &state), 0);
    dup_fds(&state.fds, &state.fds);
    channel_free(t.a.channel);
    t.a.channel = channel_load(t.a.hub, &state, 0, &ops, &t.a, &r);
    CU_ASSERT_PTR_NOT_NULL_FATAL(t.a.channel);
    send_pattern(&t.a, 101, 900, 0);
    turn(&t);
    CU_ASSERT_EQUAL(t.a.expect, 10);
    CU_ASSERT_EQUAL(t.b.expect, 102);
    CU_ASSERT_EQUAL(t.a.wrong + t.b.wrong, 0);
    both_done(&t);
}

/* Output gathered by hub_after() reaches the ring in the same turn, before the process sleeps. */
static int after(void *arg)
{
    struct side *s = arg;

    if (s->rounds++)
        return 0;
    send_pattern(s, 0, 16, 0);
    return 1;
}

static void test_after_is_flushed(void)
{
    struct both t;

    both_init(&t);
    hub_after(t.a.hub, after, &t.a);
    atomic_store(&t.spy[0].control->sleeping, 1);
    loop_once(t.a.loop, 0);
    CU_ASSERT(atomic_load(&t.spy[0].control->tail) > 0);
    CU_ASSERT(readable(t.fds.wake[1]));
    CU_ASSERT(t.a.rounds >= 2);
    both_done(&t);
}

/* Sent while no turn runs (a timer, before the loop ran): published before the loop blocks. */
static void test_sent_outside_of_a_turn(void)
{
    struct both t;
    uint64_t began = clock_ms();

    both_init(&t);
    atomic_store(&t.spy[0].control->sleeping, 1);
    send_pattern(&t.a, 0, 16, 0);
    loop_once(t.a.loop, 1);
    CU_ASSERT(atomic_load(&t.spy[0].control->tail) > 0);
    CU_ASSERT(readable(t.fds.wake[1]));
    CU_ASSERT(clock_ms() - began < 5000);
    both_done(&t);
}

const struct test_case tests[] = {
    {"bodies", test_bodies},
    {"wakes", test_wakes},
    {"lazy", test_lazy},
    {"lazy for a while", test_lazy_for_a_while},
    {"lazy piles up", test_lazy_piles_up},
    {"push", test_push},
    {"overflow_order", test_overflow_order},
    {"queued_lazy_wakes", test_queued_lazy_wakes},
    {"queue_bound", test_queue_bound},
    {"hold", test_hold},
    {"broken", test_broken},
    {"dead_peer", test_dead_peer},
    {"dead_hostile_peer", test_dead_hostile_peer},
    {"save_load", test_save_load},
    {"after_is_flushed", test_after_is_flushed},
    {"sent_outside_of_a_turn", test_sent_outside_of_a_turn},
    {0},
};

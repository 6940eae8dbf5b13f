/*
 * race_test.c - both ends of a channel in two threads, each with a loop of its own: no wake-up is
 * lost and no record comes out of order.
 */
#include "base/clock.h"
#include "channel/channel.h"
#include "test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct side {
    struct loop *loop;
    struct hub *hub;
    struct channel *channel;
    uint64_t expect; /* id of the next record */
    uint64_t wrong;
    int broken;
};

static void on_broken(void *arg)
{
    struct side *s = arg;

    s->broken++;
}

static void dup_fds(const struct channel_fds *from, struct channel_fds *to)
{
    to->memory = fcntl(from->memory, F_DUPFD_CLOEXEC, 0);
    to->wake[0] = fcntl(from->wake[0], F_DUPFD_CLOEXEC, 0);
    to->wake[1] = fcntl(from->wake[1], F_DUPFD_CLOEXEC, 0);
}

static void side_done(struct side *s)
{
    channel_free(s->channel);
    hub_free(s->hub);
    loop_free(s->loop);
    s->channel = NULL;
}

/* ---- The search for lost wake-ups: two threads, both sides asleep as often as possible ---- */

#define TOKENS   4
#define BURSTS   4000
#define STUCK_MS 20000

struct racer {
    struct side side;
    unsigned seed;
    uint64_t next; /* id of the next record sent */
    unsigned bursts, done;
    uint64_t received, bytes_sent;
    int stuck;
};

static unsigned roll(unsigned *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* Some records, lazy or not, and one urgent at the end that asks for an answer. */
static void burst(struct racer *r)
{
    unsigned n = 1 + roll(&r->seed) % (roll(&r->seed) % 8 ? 8 : 600);
    unsigned size = roll(&r->seed) % 32 ? 64 : 16000;
    static const uint8_t body[16000];

    if (size > 64)
        n %= 24;
    for (unsigned i = 0; i <= n; i++) {
        struct record head = {.kind = RECORD_LOG, .id = r->next++, .aux = i == n};

        if (i < n && roll(&r->seed) % 2)
            head.flags = RECORD_LAZY;
        if (channel_send(r->side.channel, &head, body, roll(&r->seed) % size) < 0)
            r->side.wrong++;
    }
    r->bursts++;
}

static void on_race(void *arg, const struct record *head, const uint8_t *body)
{
    struct racer *r = arg;

    r->received++;
    r->side.wrong += head->id != r->side.expect++;
    if (!head->aux)
        return;
    r->done++;
    if (r->bursts < BURSTS)
        burst(r);
}

static void *race(void *arg)
{
    struct racer *r = arg;
    uint64_t before;

    for (int i = 0; i < TOKENS / 2; i++)
        burst(r);
    while (r->done < BURSTS && !r->side.broken) {
        uint64_t began = clock_ms();

        before = r->received;
        loop_once(r->side.loop, STUCK_MS);
        if (r->received == before && clock_ms() - began >= STUCK_MS) {
            r->stuck = 1;
            break;
        }
    }
    /* the last burst may still wait for room */
    for (uint64_t began = clock_ms();
         channel_queued(r->side.channel) && clock_ms() - began < STUCK_MS;)
        loop_once(r->side.loop, 100);
    channel_push(r->side.channel);
    return NULL;
}

static void test_no_wake_is_lost(void)
{
    static const struct channel_ops race_ops = {on_race, on_broken};
    struct racer r[2] = {{.seed = 1}, {.seed = 99}};
    struct channel_fds fds;
    pthread_t threads[2];

    CU_ASSERT_EQUAL_FATAL(channel_make(RING_MIN, &fds), 0);
    for (int i = 0; i < 2; i++) {
        struct channel_fds own;

        dup_fds(&fds, &own);
        r[i].side.loop = loop_new();
        r[i].side.hub = hub_new(r[i].side.loop);
        r[i].side.channel = channel_new(r[i].side.hub, &own, i, RING_MIN, &race_ops, &r[i], NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(r[i].side.channel);
    }
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, race, &r[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(r[i].stuck, 0);
        CU_ASSERT_EQUAL(r[i].side.wrong, 0);
        CU_ASSERT_EQUAL(r[i].side.broken, 0);
        CU_ASSERT_EQUAL(r[i].done, BURSTS);
        CU_ASSERT_EQUAL(r[i].received, r[1 - i].next);
        side_done(&r[i].side);
    }
    channel_fds_close(&fds);
}

/* ---- A million small records each way ---- */

#define MANY 1000000u

struct streamer {
    struct side side;
    uint32_t sent;
};

static void on_many(void *arg, const struct record *head, const uint8_t *body)
{
    struct streamer *s = arg;

    s->side.wrong += head->id != s->side.expect++ || head->len != head->id % 40 ||
                     (head->len && body[0] != (uint8_t)head->id);
}

/* Keeps 64 KB waiting behind the ring, as a producer without back-pressure of its own would. */
static int produce(void *arg)
{
    struct streamer *s = arg;
    uint8_t body[40];
    int did = 0;

    while (s->sent < MANY && channel_queued(s->side.channel) < 65536) {
        struct record head = {.kind = RECORD_LOG,
                              .id = s->sent,
                              .flags = s->sent % 5 && s->sent != MANY - 1 ? RECORD_LAZY : 0};

        memset(body, (int)(s->sent & 0xff), sizeof(body));
        if (channel_send(s->side.channel, &head, body, s->sent % 40) < 0)
            s->side.wrong++;
        s->sent++;
        did = 1;
    }
    return did;
}

static void *stream(void *arg)
{
    struct streamer *s = arg;
    uint64_t last = 0, moved = clock_ms();

    while (s->sent < MANY || s->side.expect < MANY || channel_queued(s->side.channel)) {
        loop_once(s->side.loop, 1000);
        if (s->side.expect + s->sent != last) {
            last = s->side.expect + s->sent;
            moved = clock_ms();
        } else if (clock_ms() - moved > STUCK_MS) {
            break;
        }
    }
    channel_push(s->side.channel);
    return NULL;
}

static void test_million(void)
{
    static const struct channel_ops many_ops = {on_many, on_broken};
    struct streamer s[2] = {{.sent = 0}};
    struct channel_fds fds;
    pthread_t threads[2];

    CU_ASSERT_EQUAL_FATAL(channel_make(RING_MIN, &fds), 0);
    for (int i = 0; i < 2; i++) {
        struct channel_fds own;

        dup_fds(&fds, &own);
        s[i].side.loop = loop_new();
        s[i].side.hub = hub_new(s[i].side.loop);
        hub_after(s[i].side.hub, produce, &s[i]);
        s[i].side.channel = channel_new(s[i].side.hub, &own, i, RING_MIN, &many_ops, &s[i], NULL);
    }
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, stream, &s[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(s[i].side.expect, MANY);
        CU_ASSERT_EQUAL(s[i].side.wrong, 0);
        CU_ASSERT_EQUAL(s[i].side.broken, 0);
        side_done(&s[i].side);
    }
    channel_fds_close(&fds);
}

const struct test_case tests[] = {
    {"no_wake_is_lost", test_no_wake_is_lost},
    {"million", test_million},
    {0},
};

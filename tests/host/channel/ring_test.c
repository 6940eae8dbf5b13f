/*
 * ring_test.c - one ring, producer and consumer in this process: what fits, what wraps,
 * and what a hostile peer may write into the shared words and bytes.
 */
#include "channel/channel.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct pair {
    struct channel_fds fds;
    struct ring tx, rx;
};

static void pair_init(struct pair *p)
{
    CU_ASSERT_EQUAL_FATAL(channel_make(RING_MIN, &p->fds), 0);
    CU_ASSERT_EQUAL_FATAL(ring_map(&p->tx, p->fds.memory, 0, RING_MIN), 0);
    CU_ASSERT_EQUAL_FATAL(ring_map(&p->rx, p->fds.memory, 0, RING_MIN), 0);
}

static void pair_done(struct pair *p)
{
    ring_unmap(&p->tx);
    ring_unmap(&p->rx);
    channel_fds_close(&p->fds);
}

static int put(struct ring *tx, uint32_t len, uint64_t id)
{
    uint8_t *to = ring_reserve(tx, len);

    if (!to)
        return 0;
    memset(to, (int)(id & 0xff), len);
    ring_commit(tx, &(struct record){.len = len, .kind = RECORD_LOG, .id = id});
    return 1;
}

static int get(struct ring *rx, uint32_t *len, uint64_t *id)
{
    struct record head;
    const uint8_t *body = ring_peek(rx, &head);

    if (!body)
        return 0;
    for (uint32_t i = 0; i < head.len; i++)
        if (body[i] != (uint8_t)head.id)
            return -1;
    *len = head.len;
    *id = head.id;
    ring_consume(rx, &head);
    return 1;
}

static void test_sizes(void)
{
    struct channel_fds fds;
    struct ring r;

    CU_ASSERT_EQUAL_FATAL(channel_make(RING_MIN, &fds), 0);
    CU_ASSERT_EQUAL(ring_map(&r, fds.memory, 0, RING_MIN / 2), -EINVAL);
    CU_ASSERT_EQUAL(ring_map(&r, fds.memory, 0, RING_MAX * 2), -EINVAL);
    CU_ASSERT_EQUAL(ring_map(&r, fds.memory, 0, RING_MIN + 4096), -EINVAL);
    CU_ASSERT(ring_map(&r, -1, 0, RING_MIN) < 0);
    CU_ASSERT_PTR_NULL(r.data);
    /* sealed: a peer can neither shrink it under us nor lift the seals */
    CU_ASSERT_EQUAL(ftruncate(fds.memory, 4096), -1);
    CU_ASSERT_EQUAL(ftruncate(fds.memory, 64 * 1024 * 1024), -1);
    CU_ASSERT_EQUAL(fcntl(fds.memory, F_ADD_SEALS, F_SEAL_WRITE), -1);
    channel_fds_close(&fds);
    CU_ASSERT_EQUAL(fds.memory, -1);
    channel_fds_close(&fds); /* twice is harmless */
}

/* Every body length, several times round the ring. */
static void test_all_lengths(void)
{
    struct pair p;
    uint64_t id = 0, got_id = 0;
    uint32_t got_len = 0;
    int bad = 0;

    pair_init(&p);
    for (uint32_t len = 0; len <= RECORD_BODY_MAX; len++) {
        bad += put(&p.tx, len, len) != 1;
        ring_publish(&p.tx);
        bad += get(&p.rx, &got_len, &got_id) != 1;
        bad += got_len != len || got_id != len;
        ring_release(&p.rx);
        id++;
    }
    CU_ASSERT_EQUAL(bad, 0);
    CU_ASSERT(p.tx.pos > 100 * (uint64_t)RING_MIN);
    CU_ASSERT_PTR_NULL(ring_reserve(&p.tx, RECORD_BODY_MAX + 1));
    CU_ASSERT_EQUAL(p.tx.bad, 0);
    pair_done(&p);
}

static void test_fill(void)
{
    struct pair p;
    uint32_t len;
    uint64_t id;
    unsigned n = 0;

    pair_init(&p);
    while (put(&p.tx, 0, n))
        n++;
    CU_ASSERT_EQUAL(n, RING_MIN / 32);         /* to the last byte */
    CU_ASSERT_EQUAL(get(&p.rx, &len, &id), 0); /* nothing is published yet */
    ring_publish(&p.tx);
    CU_ASSERT_EQUAL(get(&p.rx, &len, &id), 1);
    CU_ASSERT_EQUAL(put(&p.tx, 0, n), 0); /* consumed but not released */
    ring_release(&p.rx);
    CU_ASSERT_EQUAL(put(&p.tx, 8, n), 0); /* 40 bytes do not fit into 32 */
    CU_ASSERT_EQUAL(put(&p.tx, 0, n), 1);
    for (unsigned i = 1; i < n; i++) {
        CU_ASSERT_EQUAL_FATAL(get(&p.rx, &len, &id), 1);
        CU_ASSERT_EQUAL_FATAL(id, i);
    }
    CU_ASSERT_EQUAL(get(&p.rx, &len, &id), 0);
    ring_publish(&p.tx);
    CU_ASSERT_EQUAL(get(&p.rx, &len, &id), 1);
    CU_ASSERT_EQUAL(id, n);
    pair_done(&p);
}

/* What the consumer must refuse: the index of a hostile producer. */
static void test_hostile_tail(void)
{
    static const uint64_t tails[] = {RING_MIN + 8,     4, 33, 36, 8, 24, UINT64_MAX, UINT64_MAX - 7,
                                     (uint64_t)1 << 63};

    for (unsigned i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
        struct record head;
        struct pair p;

        pair_init(&p);
        memset(p.tx.data, 0xff, RING_MIN);
        atomic_store(&p.tx.control->tail, tails[i]);
        CU_ASSERT_PTR_NULL(ring_peek(&p.rx, &head));
        CU_ASSERT_EQUAL(p.rx.bad, 1);
        atomic_store(&p.tx.control->tail, 64); /* too late to be good */
        CU_ASSERT_PTR_NULL(ring_peek(&p.rx, &head));
        pair_done(&p);
    }
}

static void test_tail_goes_back(void)
{
    struct record head;
    struct pair p;
    uint32_t len;
    uint64_t id;

    pair_init(&p);
    put(&p.tx, 0, 1);
    ring_publish(&p.tx);
    CU_ASSERT_EQUAL(get(&p.rx, &len, &id), 1);
    atomic_store(&p.tx.control->tail, 0);
    CU_ASSERT_PTR_NULL(ring_peek(&p.rx, &head));
    CU_ASSERT_EQUAL(p.rx.bad, 1);
    pair_done(&p);
}

/* What the consumer must refuse: lengths and kinds. */
static void test_hostile_record(void)
{
    static const struct record heads[] = {
        {.len = 8, .kind = RECORD_LOG},          /* longer than what is published */
        {.len = UINT32_MAX, .kind = RECORD_LOG}, /* wraps when rounded up */
        {.len = UINT32_MAX - 31, .kind = RECORD_LOG},
        {.len = RECORD_BODY_MAX + 1, .kind = RECORD_LOG},
        {.len = 0, .kind = 0},
        {.len = 0, .kind = RECORD_KINDS},
        {.len = 0, .kind = 255},
    };

    for (unsigned i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        struct record head;
        struct pair p;

        pair_init(&p);
        memcpy(p.tx.data, &heads[i], sizeof(head));
        atomic_store(&p.tx.control->tail, heads[i].len == RECORD_BODY_MAX + 1 ? RING_MIN : 32);
        CU_ASSERT_PTR_NULL(ring_peek(&p.rx, &head));
        CU_ASSERT_EQUAL(p.rx.bad, 1);
        pair_done(&p);
    }
}

/* What the producer must refuse: the index of a hostile consumer. */
static void test_hostile_head(void)
{
    static const uint64_t heads[] = {RING_MIN + 8,   RING_MIN * 2,     4, 1,
                                     UINT64_MAX - 7, (uint64_t)1 << 40};

    for (unsigned i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        struct pair p;

        pair_init(&p);
        while (put(&p.tx, 0, i))
            ;
        CU_ASSERT_EQUAL(p.tx.bad, 0);
        atomic_store(&p.tx.control->head, heads[i]);
        CU_ASSERT_EQUAL(put(&p.tx, 0, i), 0);
        CU_ASSERT_EQUAL(p.tx.bad, 1);
        atomic_store(&p.tx.control->head, 64);
        CU_ASSERT_EQUAL(put(&p.tx, 0, i), 0);
        pair_done(&p);
    }
}

/* A header that is rewritten after it was looked at changes nothing. */
static void test_header_is_copied(void)
{
    struct record head;
    struct pair p;

    pair_init(&p);
    put(&p.tx, 16, 7);
    put(&p.tx, 0, 8);
    ring_publish(&p.tx);
    CU_ASSERT_PTR_NOT_NULL(ring_peek(&p.rx, &head));
    memset(p.tx.data, 0xff, 32);
    ring_consume(&p.rx, &head);
    CU_ASSERT_PTR_NOT_NULL(ring_peek(&p.rx, &head));
    CU_ASSERT_EQUAL(head.id, 8);
    pair_done(&p);
}

static void test_resume(void)
{
    struct pair p, q;
    uint32_t len;
    uint64_t id;

    pair_init(&p);
    for (int i = 0; i < 3000; i++) {
        put(&p.tx, 0, 1);
        ring_publish(&p.tx);
        get(&p.rx, &len, &id);
        ring_release(&p.rx);
    }
    put(&p.tx, 8, 5);
    ring_publish(&p.tx);
    q.fds = p.fds;
    CU_ASSERT_EQUAL_FATAL(ring_map(&q.tx, p.fds.memory, 0, RING_MIN), 0);
    CU_ASSERT_EQUAL_FATAL(ring_map(&q.rx, p.fds.memory, 0, RING_MIN), 0);
    ring_resume(&q.tx, p.tx.pos, 1);
    ring_resume(&q.rx, p.rx.pos, 0);
    put(&q.tx, 8, 6);
    ring_publish(&q.tx);
    CU_ASSERT_EQUAL(get(&q.rx, &len, &id), 1);
    CU_ASSERT_EQUAL(id, 5);
    CU_ASSERT_EQUAL(get(&q.rx, &len, &id), 1);
    CU_ASSERT_EQUAL(id, 6);
    CU_ASSERT_EQUAL(get(&q.rx, &len, &id), 0);
    ring_resume(&q.tx, p.tx.pos + 2 * RING_MIN, 1);
    CU_ASSERT_EQUAL(q.tx.bad, 1);
    ring_unmap(&q.tx);
    ring_unmap(&q.rx);
    pair_done(&p);
}

const struct test_case tests[] = {
    {"sizes", test_sizes},
    {"all_lengths", test_all_lengths},
    {"fill", test_fill},
    {"hostile_tail", test_hostile_tail},
    {"tail_goes_back", test_tail_goes_back},
    {"hostile_record", test_hostile_record},
    {"hostile_head", test_hostile_head},
    {"header_is_copied", test_header_is_copied},
    {"resume", test_resume},
    {0},
};

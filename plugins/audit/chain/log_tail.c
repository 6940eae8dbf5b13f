/*
 * log_tail.c - what a crash or a loss of power left of the last batch.
 *
 * A batch is written when the one before it is on the disk. So damage with a whole batch behind it
 * is damage; without one it is a batch that was never finished, unless index or heads know of its
 * entries.
 */
#include "log.h"

#include <aiex_service.h>
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

/* Where the whole batches of the last segment end, and whether one stands behind what is not whole.
 */
struct tail {
    uint64_t end, seq;    /* bytes and entries of whole batches in a row */
    uint64_t begin, next; /* the batch that is being looked at: its first seq, the next one of it */
    int in_batch, is_broken, goes_on;
};

/* A record that is whole. */
static void tail_record(struct tail *t, const struct record *r)
{
    int follows = t->in_batch && r->seq == t->next && r->at == r->seq - t->begin;

    if (r->at == 0) {
        t->is_broken |= t->in_batch || (r->seq != t->seq && !t->is_broken);
        t->begin = r->seq;
        t->in_batch = 1;
    } else if (!follows) {
        t->is_broken = 1;
        t->in_batch = 0;
        return;
    }
    t->next = r->seq + 1;
    if ((uint32_t)r->at + 1 < r->count)
        return;
    t->in_batch = 0;
    if (t->is_broken) {
        t->goes_on = 1; /* a whole batch behind damage: that was no loss of power */
    } else {
        t->end = r->offset + r->bytes;
        t->seq = t->next;
    }
}

static int look_at_tail(const struct segment *s, struct tail *t)
{
    struct record rec;
    struct scan scan;
    int kind = 0, r = scan_begin(&scan, s->fd, s->salt, t->end, s->end);

    while (r == 0 && (kind = scan_next(&scan, &rec)) > 0) {
        if (kind == SCAN_RECORD) {
            tail_record(t, &rec);
        } else {
            t->is_broken = 1;
            t->in_batch = 0;
        }
    }
    scan_done(&scan);
    return r < 0 ? r : kind < 0 ? kind : 0;
}

int tail_cut(struct log *l, struct segment *s, uint64_t from, uint64_t indexed)
{
    struct tail t = {.end = from, .seq = l->size};
    int r = s->end > from ? look_at_tail(s, &t) : 0;

    if (r < 0 || t.end >= s->end || t.goes_on || l->faulty || t.seq < indexed ||
        t.seq < l->heads.size)
        return r;
    aiex_logf(l->host, AIEX_LOG_NOTICE, 0,
              "audit log: %" PRIu64 " bytes of a write that never finished are cut off",
              s->end - t.end);
    if (ftruncate(s->fd, (off_t)t.end) != 0)
        return -errno;
    s->end = t.end;
    return 0;
}

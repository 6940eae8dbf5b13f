/* endpoint_producer.h - an instance that streams until it is paused, and the checks behind it. */
#ifndef ENDPOINT_PRODUCER_H
#define ENDPOINT_PRODUCER_H

#include "channel/endpoint_private.h"
#include "host/bus/cells.h"
#include "test.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct cells all;
static const struct aiex_slice none;
static uint8_t bytes[8u << 20];

/* Streams `left` bytes in parts of `step`, stopping at AIEX_PAUSE, and then replies. */
struct producer {
    struct cell_rig *cell;
    uint64_t id;
    size_t left, step, sent;
    unsigned pauses, refused, cancelled;
    const char *fail_first; /* code to end with before the first part */
    const char *fail_last;  /* ... behind the last one */
};

static struct producer producer;
static uint32_t producer_flags;

static void produce(void)
{
    struct producer *p = &producer;

    while (p->left) {
        size_t n = p->left < p->step ? p->left : p->step;
        int r = endpoint_stream(p->cell->endpoint, p->id,
                                (struct aiex_slice){bytes + p->sent % 251, n});

        if (r == -ENOBUFS) {
            p->refused++;
            return;
        }
        if (r < 0)
            return;
        p->sent += n;
        p->left -= n;
        if (r == AIEX_PAUSE) {
            p->pauses++;
            return;
        }
    }
    if (p->fail_last)
        endpoint_fail(p->cell->endpoint, p->id, p->fail_last, "late", 0, none);
    else
        endpoint_reply(p->cell->endpoint, p->id, none);
    p->id = 0;
}

static int on_produce(struct cell_rig *cell, unsigned instance, const struct aiex_message *m)
{
    if (m->kind == AIEX_MSG_REQUEST) {
        producer.cell = cell;
        producer.id = m->id;
        producer_flags = m->flags;
        if (producer.fail_first) {
            const char *code = producer.fail_first;
            struct aiex_slice detail = cells_body(9, 40000);

            producer.fail_first = NULL;
            endpoint_fail(cell->endpoint, m->id, code, "early", 20, detail);
            free((void *)detail.data);
            return 0;
        }
        produce();
    } else if (m->kind == AIEX_MSG_RESUME && m->id == producer.id) {
        produce();
    } else if (m->kind == AIEX_MSG_CANCEL) {
        producer.cancelled++;
        producer.id = 0;
    }
    return 0;
}

static void fill(void)
{
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i % 251);
    producer = (struct producer){.step = 1};
}

static int streamed_right(const struct seen_answer *s)
{
    for (size_t i = 0; i < s->streamed.len; i++)
        if (s->streamed.data[i] != (uint8_t)(i % 251))
            return 0;
    return 1;
}

static void settle(struct cell_rig *const *cells, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        CU_ASSERT_EQUAL(cells[i]->violations, 0);
        CU_ASSERT_EQUAL(cells[i]->proto_errors, 0);
        CU_ASSERT_EQUAL(endpoint_serving(cells[i]->endpoint, UINT32_MAX), 0);
    }
}

static void nothing_open(void)
{
    struct bus_stats stats;

    bus_stats(all.bus, &stats);
    CU_ASSERT_EQUAL(stats.open_calls, 0);
    settle(all.cells, all.n);
    cells_done(&all);
}

#endif

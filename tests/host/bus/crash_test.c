/*
 * crash_test.c - a cell behind a real channel dies: what it had published counts, what it
 * had not begun goes to its successor, what it had begun is told or sent again once.
 */
#include "bus/bus_private.h"
#include "host/bus/cells.h"
#include "loop/loop.h"
#include "test.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A cell with its two ends of a ring: ours in the bus, its own with an endpoint. */
struct process {
    struct loop *loop, *its_loop;
    struct hub *hub, *its_hub;
    struct channel *channel, *its_channel;
    struct bus_port *port;
    struct endpoint *endpoint;
    struct bus_instance *instance;
    uint64_t ids[64];
    int64_t ns[64];
    unsigned n, begun, casts;
    unsigned take;         /* requests it begins before it stops reading */
    unsigned take_records; /* or records, when not 0 */
    int broken;
};

static struct cells all;
static struct cell_rig *caller;
static struct process p;

static int to_cell(void *arg, const struct record *head, const void *body, size_t len)
{
    return channel_send(p.channel, head, body, len);
}

static size_t waiting_to_cell(void *arg)
{
    return channel_queued(p.channel);
}

static void on_violation(void *arg, const char *why)
{
    CU_FAIL("violation");
}

static void on_host_record(void *arg, const struct record *head, const uint8_t *body)
{
    bus_port_record(p.port, head, body);
}

static void on_broken(void *arg)
{
    p.broken++;
}

static void on_cell_record(void *arg, const struct record *head, const uint8_t *body)
{
    CU_ASSERT_EQUAL(endpoint_record(p.endpoint, head, body), 0);
    if (p.take_records && --p.take_records == 0)
        channel_hold(p.its_channel, 1);
}

static int endpoint_out(void *arg, const struct record *head, const void *body, size_t len)
{
    return channel_send(p.its_channel, head, body, len);
}

static void on_begin(void *arg)
{
    channel_started(p.its_channel);
    if (++p.begun == p.take)
        channel_hold(p.its_channel, 1); /* and never reads on */
}

static int on_message(void *arg, unsigned instance, const struct aiex_message *m)
{
    p.casts += m->kind == AIEX_MSG_CAST;
    if (m->kind == AIEX_MSG_REQUEST && p.n < 64) {
        p.ids[p.n] = m->id;
        p.ns[p.n++] = cells_body_n(m->body);
    }
    return 0;
}

static const char *on_name(void *arg, unsigned instance)
{
    return "cell";
}

static void begin(unsigned take)
{
    static const struct bus_port_ops port_ops = {to_cell, waiting_to_cell, on_violation};
    static const struct endpoint_ops endpoint_ops = {endpoint_out, on_begin, on_message, NULL,
                                                     on_name};
    static const struct channel_ops host_ops = {on_host_record, on_broken},
                                    cell_ops = {on_cell_record, on_broken};
    struct channel_fds fds, its;

    cells_init(&all);
    caller = cells_add(&all, "caller", 1);
    memset(&p, 0, sizeof(p));
    p.take = take;
    CU_ASSERT_EQUAL_FATAL(channel_make(RING_MIN, &fds), 0);
    its = (struct channel_fds){dup(fds.memory), {dup(fds.wake[0]), dup(fds.wake[1])}};
    p.loop = loop_new();
    p.its_loop = loop_new();
    p.hub = hub_new(p.loop);
    p.its_hub = hub_new(p.its_loop);
    p.channel = channel_new(p.hub, &fds, 0, RING_MIN, &host_ops, NULL, NULL);
    p.its_channel = channel_new(p.its_hub, &its, 1, RING_MIN, &cell_ops, NULL, NULL);
    CU_ASSERT_FATAL(p.channel && p.its_channel);
    p.endpoint = endpoint_new(&endpoint_ops, NULL, "test");
    p.port = bus_port_new(all.bus, &port_ops, NULL);
    p.instance = bus_instance_new(all.bus, "cell", &(struct bus_instance_options){0});
    bus_port_instance(p.port, 0, p.instance);
    bus_instance_bind(p.instance, p.port, 0);
}

static void turn(void)
{
    for (int i = 0; i < 10; i++) {
        cells_run(&all);
        loop_once(p.loop, 0);
        loop_once(p.its_loop, 0);
    }
    cells_run(&all);
}

/* It is gone: what it published is read first, as the host does. */
static void die(void)
{
    channel_push(p.its_channel);
    channel_free(p.its_channel);
    hub_free(p.its_hub);
    loop_free(p.its_loop);
    endpoint_free(p.endpoint);
    channel_drain(p.channel);
    bus_port_dead(p.port, p.channel, "it crashed");
    channel_free(p.channel);
    cells_run(&all);
}

/* A successor that answers everything. */
static struct cell_rig *succeed(void)
{
    struct cell_rig like = {.n = 1, .names = {"cell"}, .instances = {p.instance}};
    struct cell_rig *next = cells_successor(&all, &like);

    cells_run(&all);
    return next;
}

static void finish(void)
{
    struct bus_stats stats;

    bus_stats(all.bus, &stats);
    CU_ASSERT_EQUAL(stats.open_calls, 0);
    CU_ASSERT_EQUAL(p.broken, 0);
    CU_ASSERT_EQUAL(bus_instance_stats(p.instance)->in_flight, 0);
    CU_ASSERT_EQUAL(bus_instance_stats(p.instance)->waiting, 0);
    hub_free(p.hub);
    loop_free(p.loop);
    cells_done(&all);
}

static void call_n(int n, size_t len, uint32_t flags, struct seen_answer *seen)
{
    struct aiex_slice body = cells_body(n, len);

    if (seen)
        seen_init(seen);
    CU_ASSERT_EQUAL(
        cells_call(caller, "cell", "m", body, &(struct aiex_request){.flags = flags}, seen), 0);
    free((void *)body.data);
}

#define N 12

/* Three begun, the rest in the ring or, with large bodies, in the queue behind it. */
static void not_begun(size_t len)
{
    struct seen_answer seen[N];
    struct cell_rig *next;
    struct bus_stats stats;

    begin(3);
    for (int i = 0; i < N; i++)
        call_n(i, len, 0, &seen[i]);
    turn();
    CU_ASSERT_EQUAL(p.n, 3);
    if (len > 10000)
        CU_ASSERT(channel_queued(p.channel) > 0);
    /* one of them is answered, and that is published before it dies */
    endpoint_reply(p.endpoint, p.ids[1], (struct aiex_slice){0});
    die();
    for (int i = 0; i < N; i++)
        CU_ASSERT_EQUAL(seen[i].ends, i < 3);
    CU_ASSERT_STRING_EQUAL(seen[0].code, AIEX_E_CRASHED);
    CU_ASSERT_STRING_EQUAL(seen[1].code, "ok");
    CU_ASSERT_STRING_EQUAL(seen[2].code, AIEX_E_CRASHED);
    next = succeed();
    CU_ASSERT_EQUAL(next->requests, N - 3);
    for (int i = 3; i < N; i++) {
        CU_ASSERT_EQUAL(seen[i].ends, 1);
        CU_ASSERT_STRING_EQUAL(seen[i].code, "ok");
        CU_ASSERT_EQUAL(cells_body_n((struct aiex_slice){seen[i].body.data, seen[i].body.len}), i);
    }
    bus_stats(all.bus, &stats);
    CU_ASSERT_EQUAL(stats.redispatched, N - 3);
    for (int i = 0; i < N; i++)
        seen_done(&seen[i]);
    finish();
}

static void test_in_the_ring(void)
{
    not_begun(100);
}

static void test_in_the_queue(void)
{
    not_begun(15000);
}

/* Requests that waited for room, went into the ring when there was some, and were not begun. */
static void test_through_the_queue(void)
{
    struct seen_answer seen[N];
    struct cell_rig *next;

    begin(4);
    for (int i = 0; i < N; i++)
        call_n(i, 15000, 0, &seen[i]);
    cells_run(&all);
    CU_ASSERT(channel_queued(p.channel) > 0);
    turn(); /* four begun and released: as many move up */
    CU_ASSERT_EQUAL(p.n, 4);
    die();
    next = succeed();
    CU_ASSERT_EQUAL(next->requests, N - 4);
    for (int i = 0; i < N; i++) {
        CU_ASSERT_EQUAL(seen[i].ends, 1);
        CU_ASSERT_STRING_EQUAL(seen[i].code, i < 4 ? AIEX_E_CRASHED : "ok");
        seen_done(&seen[i]);
    }
    finish();
}

/* Begun and idempotent: sent again, but only once. */
static void test_idempotent(void)
{
    struct seen_answer seen;
    struct cell_rig *next;

    begin(1);
    call_n(7, 30000, AIEX_CALL_IDEMPOTENT, &seen);
    turn();
    CU_ASSERT_EQUAL(p.begun, 1);
    die();
    CU_ASSERT_EQUAL(seen.ends, 0);
    next = succeed();
    CU_ASSERT_EQUAL(next->requests, 1);
    CU_ASSERT_EQUAL(seen.ends, 1);
    CU_ASSERT_STRING_EQUAL(seen.code, "ok");
    CU_ASSERT_EQUAL(cells_body_n((struct aiex_slice){seen.body.data, seen.body.len}), 7);
    seen_done(&seen);
    finish();
}

static int stay(struct cell_rig *cell, unsigned instance, const struct aiex_message *m)
{
    return 0;
}

static void test_idempotent_crashes_again(void)
{
    struct cell_rig like, *next;
    struct seen_answer seen;

    begin(1);
    call_n(7, 100, AIEX_CALL_IDEMPOTENT, &seen);
    turn();
    die();
    like = (struct cell_rig){.n = 1, .names = {"cell"}, .instances = {p.instance}, .handle = stay};
    next = cells_successor(&all, &like);
    cells_run(&all);
    CU_ASSERT_EQUAL(next->requests, 1);
    cells_kill(next);
    cells_run(&all);
    CU_ASSERT_EQUAL(seen.ends, 1);
    CU_ASSERT_STRING_EQUAL(seen.code, AIEX_E_CRASHED);
    seen_done(&seen);
    finish();
}

/* A part had gone out: sending it again would double it. */
static void test_idempotent_with_parts(void)
{
    struct seen_answer seen;

    begin(1);
    call_n(7, 100, AIEX_CALL_IDEMPOTENT, &seen);
    turn();
    endpoint_stream(p.endpoint, p.ids[0], (struct aiex_slice){(const uint8_t *)"abc", 3});
    die();
    CU_ASSERT_EQUAL(seen.parts, 1);
    CU_ASSERT_EQUAL(seen.ends, 1);
    CU_ASSERT_STRING_EQUAL(seen.code, AIEX_E_CRASHED);
    seen_done(&seen);
    finish();
}

/* A request in pieces that was not begun goes on as well. */
static void test_pieces(void)
{
    struct seen_answer seen, whole;
    struct cell_rig *next;

    begin(1);
    call_n(1, 10, 0, &whole);
    call_n(2, 30000, 0, &seen);
    turn();
    CU_ASSERT_EQUAL(p.begun, 1);
    die();
    CU_ASSERT_STRING_EQUAL(whole.code, AIEX_E_CRASHED);
    next = succeed();
    CU_ASSERT_EQUAL(next->requests, 1);
    CU_ASSERT_STRING_EQUAL(seen.code, "ok");
    CU_ASSERT_EQUAL(cells_body_n((struct aiex_slice){seen.body.data, seen.body.len}), 2);
    seen_done(&seen);
    seen_done(&whole);
    finish();
}

/* One whose first pieces are overwritten already can not be put together: it is told. */
static void test_pieces_gone(void)
{
    struct seen_answer seen;

    begin(0);
    call_n(1, 150000, 0, &seen);
    p.take_records = 8; /* its name, and pieces that take more than the ring in all */
    turn();
    CU_ASSERT_EQUAL(p.begun, 0);
    die();
    CU_ASSERT_EQUAL(seen.ends, 1);
    CU_ASSERT_STRING_EQUAL(seen.code, AIEX_E_CRASHED);
    seen_done(&seen);
    finish();
}

/* The caller still sends its pieces when the callee dies: they follow to the successor. */
static void test_pieces_under_way(void)
{
    struct aiex_slice body = cells_body(3, 60000);
    struct seen_answer seen;
    struct cell_rig *next;

    begin(0);
    seen_init(&seen);
    CU_ASSERT_EQUAL(cells_call(caller, "cell", "m", body, NULL, &seen), 0);
    for (int i = 0; i < 3; i++) { /* its name and two pieces */
        struct kept *k = caller->to_bus.first;

        caller->to_bus.first = k->next;
        caller->to_bus.bytes -= k->head.len + sizeof(k->head);
        bus_port_record(caller->port, &k->head, k->body);
        free(k);
    }
    loop_once(p.loop, 0);
    loop_once(p.its_loop, 0);
    CU_ASSERT_EQUAL(p.begun, 0);
    channel_push(p.its_channel);
    die(); /* the rest comes now */
    next = succeed();
    CU_ASSERT_EQUAL(next->requests, 1);
    CU_ASSERT_STRING_EQUAL(seen.code, "ok");
    CU_ASSERT_EQUAL(cells_body_n((struct aiex_slice){seen.body.data, seen.body.len}), 3);
    seen_done(&seen);
    free((void *)body.data);
    finish();
}

/* The successor serves already (an upgrade): the rest goes to it at once. */
static void test_successor_is_up(void)
{
    struct seen_answer seen[4];
    struct cell_rig *next;

    begin(1);
    for (int i = 0; i < 4; i++)
        call_n(i, 100, 0, &seen[i]);
    turn();
    next = succeed();
    CU_ASSERT_EQUAL(next->requests, 0);
    die();
    CU_ASSERT_EQUAL(next->requests, 3);
    for (int i = 0; i < 4; i++) {
        CU_ASSERT_STRING_EQUAL(seen[i].code, i ? "ok" : AIEX_E_CRASHED);
        seen_done(&seen[i]);
    }
    finish();
}

/* It will not come back: what it had not begun is "unavailable", not "crashed". */
static void test_down_for_good(void)
{
    struct seen_answer seen[2];

    begin(1);
    for (int i = 0; i < 2; i++)
        call_n(i, 100, 0, &seen[i]);
    turn();
    bus_instance_unbind(p.instance, BUS_DOWN, "it failed too often");
    die();
    CU_ASSERT_STRING_EQUAL(seen[0].code, AIEX_E_CRASHED);
    CU_ASSERT_STRING_EQUAL(seen[1].code, AIEX_E_UNAVAILABLE);
    seen_done(&seen[0]);
    seen_done(&seen[1]);
    finish();
}

/* Cancelled and timed out calls are not brought back to life. */
static void test_ended_before(void)
{
    struct seen_answer seen[4];
    struct cell_rig *next;

    begin(1);
    for (int i = 0; i < 4; i++)
        call_n(i, 100, 0, &seen[i]);
    turn();
    endpoint_cancel(caller->endpoint, seen[2].call);
    cells_run(&all);
    die();
    next = succeed();
    CU_ASSERT_EQUAL(next->requests, 2);
    CU_ASSERT_EQUAL(seen[2].ends, 0);
    for (int i = 0; i < 4; i++)
        seen_done(&seen[i]);
    finish();
}

/* The caller dies with the callee: nothing is left to send. */
static void test_caller_too(void)
{
    struct seen_answer seen[4];
    struct cell_rig *next;

    begin(1);
    for (int i = 0; i < 4; i++)
        call_n(i, 100, 0, &seen[i]);
    turn();
    die();
    cells_kill(caller);
    next = succeed();
    CU_ASSERT_EQUAL(next->requests, 0);
    for (int i = 0; i < 4; i++)
        seen_done(&seen[i]);
    finish();
}

const struct test_case tests[] = {
    {"in_the_ring", test_in_the_ring},
    {"in_the_queue", test_in_the_queue},
    {"through_the_queue", test_through_the_queue},
    {"idempotent", test_idempotent},
    {"idempotent_crashes_again", test_idempotent_crashes_again},
    {"idempotent_with_parts", test_idempotent_with_parts},
    {"pieces", test_pieces},
    {"pieces_gone", test_pieces_gone},
    {"pieces_under_way", test_pieces_under_way},
    {"successor_is_up", test_successor_is_up},
    {"down_for_good", test_down_for_good},
    {"ended_before", test_ended_before},
    {"caller_too", test_caller_too},
    {0},
};

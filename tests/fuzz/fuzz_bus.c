/* link: aiex_bus */
/*
 * fuzz_bus.c - the bus among hostile ports: records as the input says, ports that die,
 * refuse and come again, instances that go. In the end nothing may be open.
 */
#include "bus/bus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PORTS 3u

struct input {
    const uint8_t *at, *end;
};

struct peer {
    struct input *in;
    struct bus_port *port;
    int violated;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned byte(struct input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static int on_send(void *arg, const struct record *head, const void *body, size_t len)
{
    struct peer *p = arg;

    if (p->violated || len > RECORD_BODY_MAX)
        abort(); /* nothing goes to a port that was given up */
    return byte(p->in) == 255 ? -ENOBUFS : 0;
}

static size_t on_queued(void *arg)
{
    struct peer *p = arg;

    return byte(p->in) & 1;
}

static void on_violation(void *arg, const char *why)
{
    struct peer *p = arg;

    if (p->violated++)
        abort();
}

static void start(struct bus *bus, struct peer *p, struct bus_instance **instances, unsigned index)
{
    static const struct bus_port_ops ops = {on_send, on_queued, on_violation};
    static const char *const names[] = {"i0\0m", "i1\0m", "i2\0m", "\0a.b", "pool\0m"};

    p->violated = 0;
    p->port = bus_port_new(bus, &ops, p);
    bus_port_instance(p->port, 0, instances[index]);
    for (unsigned i = 0; i < 5; i++)
        bus_port_record(
            p->port,
            &(struct record){.kind = RECORD_NAME, .name = (uint16_t)i, .len = i == 4 ? 6 : 4},
            (const uint8_t *)names[i]);
}

static void say(struct peer *p)
{
    struct record head = {.kind = (uint8_t)(byte(p->in) % 15), .flags = (uint8_t)byte(p->in)};
    size_t left;

    head.name = (uint16_t)(byte(p->in) % 6);
    head.id = byte(p->in) % 16 | (uint64_t)(1 + byte(p->in) % 2) << 16;
    head.id |= (uint64_t)(byte(p->in) % 16 | (1 + byte(p->in) % 2) << 16) << 32;
    head.status = (int32_t)byte(p->in); /* ms, or how a call ends */
    head.aux = byte(p->in) % 3 | byte(p->in) << 16;
    head.len = byte(p->in);
    left = (size_t)(p->in->end - p->in->at);
    if (head.len > left)
        head.len = (uint32_t)left;
    bus_port_record(p->port, &head, p->in->at);
    p->in->at += head.len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct bus_limits limits = {
        .timeout_ms = 100, .calls_max = 20, .queue_max = 4, .events_max = 1000};
    static char name[] = "i0";
    struct input in = {data, data + size};
    struct bus *bus = bus_new(&limits, 1000);
    struct bus_instance *instances[PORTS];
    struct peer peers[PORTS];
    struct bus_stats stats;
    uint64_t now = 1000;

    for (unsigned i = 0; i < PORTS; i++) {
        name[1] = (char)('0' + i);
        instances[i] = bus_instance_new(bus, name, &(struct bus_instance_options){0});
    }
    for (unsigned i = 0; i < PORTS; i++) {
        peers[i] = (struct peer){.in = &in};
        start(bus, &peers[i], instances, i);
        bus_instance_bind(instances[i], peers[i].port, 0);
    }
    while (in.at < in.end) {
        unsigned what = byte(&in), i = what % PORTS;

        if (what < 220)
            say(&peers[i]);
        else if (what < 230)
            bus_tick(bus, now += byte(&in));
        else if (what < 238)
            bus_instance_unbind(instances[i], what & 1 ? BUS_SOON : BUS_DOWN, "why");
        else if (what < 246)
            bus_instance_bind(instances[i], peers[i].port, 0);
        else if (what < 250)
            bus_flush(bus);
        else
            peers[i].violated += !peers[i].violated; /* dies below */
        for (i = 0; i < PORTS; i++)
            if (peers[i].violated) {
                peers[i].violated = 0;
                bus_port_dead(peers[i].port, NULL, "dead");
                start(bus, &peers[i], instances, i);
            }
    }
    in.at = in.end;
    for (unsigned i = 0; i < 20000; i += 20)
        bus_tick(bus, now += 20);
    bus_stats(bus, &stats);
    if (stats.open_calls)
        abort();
    for (unsigned i = 0; i < PORTS; i++)
        bus_port_dead(peers[i].port, NULL, "end");
    bus_free(bus);
    return 0;
}

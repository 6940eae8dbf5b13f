/*
 * random_test.c - a hundred thousand random operations against the bus, with a model of
 * what each port knows: every call ends exactly once, at its caller, or not at all when
 * the caller cancelled it or died; nothing arrives for a call that is over.
 *
 * Ports are made of this test: what the bus sends is entered into the model at once.
 */
#include "bus/bus_private.h"
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPERATIONS 100000
#define PORTS      6u
#define PER_PORT   2u /* instances of a port */
#define SLOTS      64u
#define SERVED_MAX 4096u

enum state { FREE, OPEN, ENDED, GONE, CLOSING }; /* CLOSING: to be cancelled, with its parent */

/* A call a port made. */
struct made {
    enum state state;
    uint16_t generation;
    uint32_t parent;       /* call it serves, for which it made this one */
    uint32_t whole_pieces; /* pieces of the request still to be sent */
    int joining;           /* an end is coming in pieces */
};

/* A call a port serves. */
struct serving {
    uint32_t id;
    int whole, ending;
};

struct peer {
    unsigned index;
    struct bus_port *port;
    struct made made[SLOTS];
    struct serving serving[SERVED_MAX];
    unsigned n_serving;
    uint8_t named[NAMES_MAX]; /* numbers the bus has defined towards it */
    unsigned n_names;         /* numbers it has defined */
    int violated;
};

static struct bus *bus;
static struct peer peers[PORTS];
static struct bus_instance *instances[PORTS * PER_PORT];
static enum bus_serving serving_now[PORTS * PER_PORT];
static uint64_t now_ms, seed;
static unsigned refuse_one_in; /* of the records sent to ports; 0 = none */
static struct {
    uint64_t calls, ends, cancelled, died, stray_end, stray_part, unknown_name, bad_piece, parts,
        crashes, spliced;
} count;

static unsigned roll(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

static uint32_t made_id(const struct peer *p, unsigned slot)
{
    return slot | (uint32_t)p->made[slot].generation << 16;
}

static struct made *made_of(struct peer *p, uint32_t id)
{
    unsigned slot = id & 0xffff;

    return slot < SLOTS && p->made[slot].state == OPEN && made_id(p, slot) == id ? &p->made[slot]
                                                                                 : NULL;
}

static int closing(const struct peer *p, uint32_t id)
{
    return (id & 0xffff) < SLOTS && p->made[id & 0xffff].state == CLOSING;
}

static struct serving *serving_of(struct peer *p, uint32_t id)
{
    for (unsigned i = 0; i < p->n_serving; i++)
        if (p->serving[i].id == id)
            return &p->serving[i];
    return NULL;
}

static void forget(struct peer *p, struct serving *s)
{
    *s = p->serving[--p->n_serving];
}

static void got_request(struct peer *p, const struct record *head)
{
    struct serving *s = serving_of(p, record_id_low(head));

    count.unknown_name += !p->named[head->name];
    if (head->flags & RECORD_CONT) {
        count.bad_piece += !s || s->whole;
        if (s)
            s->whole = !(head->flags & RECORD_MORE);
        return;
    }
    if (head->flags & RECORD_CAST)
        return;
    if (!s && p->n_serving < SERVED_MAX)
        s = &p->serving[p->n_serving++];
    if (s)
        *s = (struct serving){.id = record_id_low(head), .whole = !(head->flags & RECORD_MORE)};
}

static void got_end(struct peer *p, const struct record *head)
{
    struct made *m = made_of(p, record_id_low(head));

    if (!m) {
        count.stray_end += !closing(p, record_id_low(head));
        return;
    }
    count.bad_piece += (head->flags & RECORD_CONT) && !m->joining;
    m->joining = head->flags & RECORD_MORE;
    if (m->joining)
        return;
    m->state = ENDED;
    count.ends++;
    count.spliced += !!(head->flags & RECORD_SPLICE);
}

static int on_send(void *arg, const struct record *head, const void *body, size_t len)
{
    struct peer *p = arg;
    struct serving *s;

    if (refuse_one_in && roll(refuse_one_in) == 0)
        return -ENOBUFS;
    switch (head->kind) {
    case RECORD_NAME:
        count.bad_piece += p->named[head->name];
        p->named[head->name] = 1;
        break;
    case RECORD_REQ:
        got_request(p, head);
        break;
    case RECORD_STREAM:
        count.parts++;
        count.stray_part += !made_of(p, record_id_low(head)) && !closing(p, record_id_low(head));
        break;
    case RECORD_REP:
        got_end(p, head);
        break;
    case RECORD_CANCEL:
        if ((s = serving_of(p, record_id_low(head))))
            forget(p, s);
        /* as an endpoint does: what was asked for it is not wanted either */
        for (unsigned i = 0; i < SLOTS; i++)
            if (p->made[i].state == OPEN && p->made[i].parent == record_id_low(head))
                p->made[i].state = CLOSING;
        break;
    default:
        break;
    }
    return 0;
}

static void on_violation(void *arg, const char *why)
{
    struct peer *p = arg;

    p->violated = 1;
}

/* ---- What happens ---- */

static void record(struct peer *p, const struct record *head)
{
    static const uint8_t body[RECORD_BODY_MAX];

    bus_port_record(p->port, head, body);
}

static void peer_start(struct peer *p)
{
    static const struct bus_port_ops ops = {on_send, NULL, on_violation};
    char text[64];

    memset(p->made, 0, sizeof(p->made));
    memset(p->named, 0, sizeof(p->named));
    p->n_serving = p->n_names = 0;
    p->violated = 0;
    p->port = bus_port_new(bus, &ops, p);
    for (unsigned i = 0; i < PER_PORT; i++)
        bus_port_instance(p->port, i, instances[p->index * PER_PORT + i]);
    /* names: every instance, the groups, and one that nobody has */
    for (unsigned i = 0; i < PORTS * PER_PORT + 3; i++) {
        int n = i < PORTS * PER_PORT
                    ? snprintf(text, sizeof(text), "i%u", i)
                    : snprintf(text, sizeof(text), "group%u", i - PORTS * PER_PORT);

        text[n + 1] = 'm';
        bus_port_record(p->port,
                        &(struct record){.kind = RECORD_NAME,
                                         .name = (uint16_t)p->n_names++,
                                         .len = (uint32_t)n + 2},
                        (const uint8_t *)text);
    }
}

static void bind_all(struct peer *p)
{
    for (unsigned i = 0; i < PER_PORT; i++) {
        unsigned n = p->index * PER_PORT + i;

        bus_instance_bind(instances[n], p->port, i);
        serving_now[n] = BUS_UP;
    }
}

static void join_group(struct peer *p, unsigned instance, unsigned group)
{
    char name[8] = "group0";

    name[5] = (char)('0' + group);
    bus_port_record(
        p->port,
        &(struct record){.kind = RECORD_JOIN, .aux = instance, .len = 6, .status = AIEX_NAME_GROUP},
        (const uint8_t *)name);
}

static void peer_dies(struct peer *p)
{
    bus_port_dead(p->port, NULL, "dead");
    for (unsigned i = 0; i < SLOTS; i++)
        count.died += p->made[i].state == OPEN || p->made[i].state == CLOSING;
    for (unsigned i = 0; i < PER_PORT; i++)
        if (serving_now[p->index * PER_PORT + i] == BUS_UP)
            serving_now[p->index * PER_PORT + i] = BUS_SOON;
    count.crashes++;
    peer_start(p);
}

static void make_call(struct peer *p)
{
    struct record head = {.kind = RECORD_REQ,
                          .name = (uint16_t)roll(PORTS * PER_PORT + 3),
                          .status = (int32_t)roll(3000),
                          .aux = roll(PER_PORT) | roll(4) << 16,
                          .len = roll(200)};
    unsigned slot = roll(SLOTS);
    struct made *m = &p->made[slot];

    if (roll(8) == 0) {
        head.flags = RECORD_CAST | (roll(2) ? RECORD_IDEMPOTENT : 0);
        record(p, &head);
        return;
    }
    if (m->state == OPEN || m->state == CLOSING)
        return;
    m->parent = 0;
    m->generation++;
    m->state = OPEN;
    m->joining = 0;
    m->whole_pieces = roll(4) ? 0 : 1 + roll(3);
    head.id = made_id(p, slot);
    head.flags = (uint8_t)((roll(3) ? 0 : RECORD_IDEMPOTENT) | (m->whole_pieces ? RECORD_MORE : 0));
    if (p->n_serving && roll(2)) { /* for a call it serves */
        m->parent = p->serving[roll(p->n_serving)].id;
        head.id |= (uint64_t)m->parent << 32;
        if (roll(2))
            head.flags |= RECORD_SPLICE;
    }
    count.calls++;
    record(p, &head);
}

static void continue_call(struct peer *p)
{
    unsigned slot = roll(SLOTS);
    struct made *m = &p->made[slot];

    if (m->state != OPEN || !m->whole_pieces)
        return;
    m->whole_pieces--;
    record(p, &(struct record){.kind = RECORD_REQ,
                               .id = made_id(p, slot),
                               .len = roll(200),
                               .flags = RECORD_CONT | (m->whole_pieces ? RECORD_MORE : 0)});
}

static void answer(struct peer *p)
{
    struct serving *s = p->n_serving ? &p->serving[roll(p->n_serving)] : NULL;
    struct record head;

    if (!s || (!s->whole && roll(10)))
        return;
    head = (struct record){.kind = RECORD_STREAM, .id = s->id, .len = roll(2000)};
    if (roll(2) && !s->ending) {
        record(p, &head);
        return;
    }
    head.kind = RECORD_REP;
    head.status = roll(3) ? WIRE_OK : (int32_t)roll(WIRE_STATUSES);
    head.flags = (uint8_t)((s->ending ? RECORD_CONT : 0) | (roll(4) ? 0 : RECORD_MORE));
    s->ending = 1;
    if (!(head.flags & RECORD_MORE))
        forget(p, s);
    record(p, &head);
}

static void cancel(struct peer *p)
{
    unsigned slot = roll(SLOTS);

    if (p->made[slot].state != OPEN)
        return;
    p->made[slot].state = GONE;
    count.cancelled++;
    record(p, &(struct record){.kind = RECORD_CANCEL, .id = made_id(p, slot)});
}

static void nonsense(struct peer *p)
{
    static const uint8_t kinds[] = {RECORD_STREAM, RECORD_REP, RECORD_CREDIT, RECORD_CANCEL};
    struct record head = {.kind = kinds[roll(4)],
                          .id = roll(1 << 18),
                          .aux = roll(1 << 30),
                          .flags = (uint8_t)roll(4)};

    if (head.kind == RECORD_CANCEL && made_of(p, record_id_low(&head)))
        return;
    if (serving_of(p, record_id_low(&head)))
        return; /* that would be an answer */
    record(p, &head);
}

static void rebind(void)
{
    unsigned n = roll(PORTS * PER_PORT);

    switch (roll(4)) {
    case 0:
        bus_instance_unbind(instances[n], BUS_SOON, "soon");
        serving_now[n] = BUS_SOON;
        break;
    case 1:
        bus_instance_unbind(instances[n], BUS_DOWN, "down");
        serving_now[n] = BUS_DOWN;
        break;
    default:
        bus_instance_bind(instances[n], peers[n / PER_PORT].port, n % PER_PORT);
        serving_now[n] = BUS_UP;
    }
}

static void instance_removed(void)
{
    unsigned n = roll(PORTS * PER_PORT);
    char name[16];

    bus_instance_free(instances[n]);
    snprintf(name, sizeof(name), "i%u", n);
    instances[n] = bus_instance_new(
        bus, name,
        &(struct bus_instance_options){.queue_max = 20, .in_flight_max = n % 3 ? 0 : 30});
    CU_ASSERT_PTR_NOT_NULL_FATAL(instances[n]);
    bus_port_instance(peers[n / PER_PORT].port, n % PER_PORT, instances[n]);
    serving_now[n] = BUS_DOWN;
}

/* What the ports do about what they were told. */
static void settle(void)
{
    for (unsigned i = 0; i < PORTS; i++)
        for (unsigned slot = 0; slot < SLOTS; slot++)
            if (peers[i].made[slot].state == CLOSING) {
                peers[i].made[slot].state = GONE;
                count.cancelled++;
                record(&peers[i],
                       &(struct record){.kind = RECORD_CANCEL, .id = made_id(&peers[i], slot)});
            }
    for (unsigned i = 0; i < PORTS; i++)
        if (peers[i].violated)
            peer_dies(&peers[i]);
}

static void operate(void)
{
    struct peer *p = &peers[roll(PORTS)];
    unsigned what = roll(1000);

    if (what < 350)
        make_call(p);
    else if (what < 450)
        continue_call(p);
    else if (what < 800)
        answer(p);
    else if (what < 840)
        cancel(p);
    else if (what < 880)
        record(p, &(struct record){
                      .kind = RECORD_CREDIT, .id = made_id(p, roll(SLOTS)), .aux = roll(5000)});
    else if (what < 920)
        nonsense(p);
    else if (what < 960)
        bus_tick(bus, now_ms += roll(60));
    else if (what < 985)
        rebind();
    else if (what < 992)
        join_group(p, roll(PER_PORT), roll(2));
    else if (what < 996)
        instance_removed();
    else {
        peer_dies(p);
        if (roll(2))
            bind_all(p);
    }
    settle();
}

/* What the bus counts must be what the model has. */
static void check_figures(void)
{
    struct bus_stats stats;
    uint32_t open = 0, owed = 0;

    bus_stats(bus, &stats);
    for (unsigned i = 0; i < PORTS; i++) {
        unsigned n = 0;

        for (unsigned s = 0; s < SLOTS; s++)
            n += peers[i].made[s].state == OPEN;
        CU_ASSERT_EQUAL_FATAL(peers[i].port->n_out, n);
        open += n;
        owed += bus_port_owed(peers[i].port);
    }
    CU_ASSERT_FATAL(stats.open_calls >= open);
    CU_ASSERT_FATAL(stats.open_calls >= owed);
    for (unsigned i = 0; i < PORTS * PER_PORT; i++) {
        const struct bus_instance_stats *s = bus_instance_stats(instances[i]);

        CU_ASSERT_FATAL(s->in_flight <= stats.open_calls);
        CU_ASSERT_FATAL(s->waiting <= stats.open_calls);
        CU_ASSERT_FATAL(serving_now[i] != BUS_UP || s->waiting == 0);
    }
}

static void run(uint64_t with_seed, unsigned refuse)
{
    static const struct bus_limits limits = {
        .timeout_ms = 2000, .calls_max = 50, .queue_max = 30, .events_max = 10000};
    struct bus_stats stats;
    char name[16];

    seed = with_seed;
    now_ms = 5000;
    refuse_one_in = 0;
    memset(&count, 0, sizeof(count));
    bus = bus_new(&limits, now_ms);
    for (unsigned i = 0; i < PORTS * PER_PORT; i++) {
        snprintf(name, sizeof(name), "i%u", i);
        instances[i] = bus_instance_new(bus, name, &(struct bus_instance_options){0});
    }
    for (unsigned i = 0; i < PORTS; i++) {
        peers[i].index = i;
        peer_start(&peers[i]);
        bind_all(&peers[i]);
    }
    refuse_one_in = refuse;
    for (int i = 0; i < OPERATIONS; i++) {
        operate();
        if (i % 500 == 0)
            check_figures();
    }
    /* everything ends: nobody answers any more, and time passes */
    refuse_one_in = 0;
    for (int i = 0; i < 400; i++)
        bus_tick(bus, now_ms += 20);
    settle();
    bus_stats(bus, &stats);
    CU_ASSERT_EQUAL(stats.open_calls, 0);
    for (unsigned i = 0; i < PORTS; i++) {
        CU_ASSERT_EQUAL(bus_port_owed(peers[i].port), 0);
        for (unsigned s = 0; s < SLOTS; s++)
            CU_ASSERT_NOT_EQUAL(peers[i].made[s].state, OPEN);
    }
    for (unsigned i = 0; i < PORTS * PER_PORT; i++) {
        CU_ASSERT_EQUAL(bus_instance_stats(instances[i])->in_flight, 0);
        CU_ASSERT_EQUAL(bus_instance_stats(instances[i])->waiting, 0);
    }
    CU_ASSERT_EQUAL(count.ends + count.cancelled + count.died, count.calls);
    CU_ASSERT_EQUAL(count.stray_end, 0);
    CU_ASSERT_EQUAL(count.stray_part, 0);
    CU_ASSERT_EQUAL(count.unknown_name, 0);
    CU_ASSERT_EQUAL(count.bad_piece, 0);
    /* and something did happen */
    CU_ASSERT(count.calls > 10000 && count.ends > 5000 && count.parts > 1000 &&
              count.spliced > 100);
    CU_ASSERT(count.crashes > 100 && count.cancelled > 100);
    for (unsigned i = 0; i < PORTS; i++)
        bus_port_dead(peers[i].port, NULL, "end");
    bus_free(bus);
}

static void test_calls_end_once(void)
{
    for (uint64_t s = 1; s <= 3; s++)
        run(s, 0);
}

static void test_with_full_queues(void)
{
    for (uint64_t s = 1; s <= 3; s++)
        run(s * 77, 100);
}

const struct test_case tests[] = {
    {"calls_end_once", test_calls_end_once},
    {"with_full_queues", test_with_full_queues},
    {0},
};

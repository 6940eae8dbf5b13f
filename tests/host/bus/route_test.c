/* route_test.c - where a request goes, waits or is refused. */
#include "bus/bus_private.h"
#include "host/bus/three_cells.h"
#include "test.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_names(void)
{
    begin();
    CU_ASSERT_STRING_EQUAL(call_once("a", NULL), "ok");
    CU_ASSERT_STRING_EQUAL(call_once("a:1", NULL), "ok");
    CU_ASSERT_EQUAL(a->last_instance, 1);
    CU_ASSERT_STRING_EQUAL(call_once("nobody", NULL), AIEX_E_UNAVAILABLE);
    CU_ASSERT_STRING_EQUAL(call_once("", NULL), AIEX_E_UNAVAILABLE);
    join(a, 1, "alias", AIEX_NAME_UNIQUE);
    CU_ASSERT_STRING_EQUAL(call_once("alias", NULL), "ok");
    CU_ASSERT_STRING_EQUAL(a->last_service, "alias");
    /* a second holder of a unique name, and one that would make it a group, do not get it */
    join(b, 0, "alias", AIEX_NAME_UNIQUE);
    join(b, 0, "alias", AIEX_NAME_GROUP);
    join(b, 0, "a", AIEX_NAME_GROUP);
    join(b, 0, "caller", AIEX_NAME_UNIQUE);
    b->requests = 0;
    for (int i = 0; i < 4; i++)
        CU_ASSERT_STRING_EQUAL(call_once("alias", NULL), "ok");
    CU_ASSERT_STRING_EQUAL(call_once("a", NULL), "ok");
    CU_ASSERT_EQUAL(b->requests, 0);
    /* it waits with its instance for the next process, unless another takes it */
    cells_kill(a);
    CU_ASSERT_STRING_EQUAL(call_once("alias", NULL), "");
    CU_ASSERT_STRING_EQUAL(call_once("a", NULL), ""); /* waits: it will be back */
    join(b, 0, "alias", AIEX_NAME_UNIQUE);
    CU_ASSERT_STRING_EQUAL(call_once("alias", NULL), "ok");
    CU_ASSERT_EQUAL(b->requests, 1);
    finish();
}

/* The successor takes the name while the old process still holds it: it stays when the old one
 * goes. */
static void test_name_survives_upgrade(void)
{
    struct cell_rig *next;

    begin();
    join(a, 0, "alias", AIEX_NAME_UNIQUE);
    next = cells_successor(&all, a);
    join(next, 0, "alias", AIEX_NAME_UNIQUE);
    cells_kill(a);
    CU_ASSERT_STRING_EQUAL(call_once("alias", NULL), "ok");
    CU_ASSERT_EQUAL(next->requests, 1);
    finish();
}

struct names {
    char text[512];
};

static void add_name(void *arg, const char *name, int group, const char *holder)
{
    struct names *n = arg;
    size_t len = strlen(n->text);

    snprintf(n->text + len, sizeof(n->text) - len, " %s=%s%s", name, holder, group ? "+" : "");
}

static void test_each_name(void)
{
    struct names n = {""};

    begin();
    join(a, 0, "pool", AIEX_NAME_GROUP);
    join(b, 0, "pool", AIEX_NAME_GROUP);
    bus_each_name(all.bus, add_name, &n);
    CU_ASSERT_PTR_NOT_NULL(strstr(n.text, " a=a"));
    CU_ASSERT_PTR_NOT_NULL(strstr(n.text, " pool=a+"));
    CU_ASSERT_PTR_NOT_NULL(strstr(n.text, " pool=b+"));
    CU_ASSERT_PTR_NOT_NULL(bus_instance_find(all.bus, "a:1"));
    CU_ASSERT_PTR_NULL(bus_instance_find(all.bus, "pool"));
    finish();
}

/* A group: in turn while all are idle, the least loaded when not, the living before the starting.
 */
static void test_group(void)
{
    struct seen_answer seen[6];

    begin();
    join(a, 0, "pool", AIEX_NAME_GROUP);
    join(a, 1, "pool", AIEX_NAME_GROUP);
    join(b, 0, "pool", AIEX_NAME_GROUP);
    join(b, 0, "pool", AIEX_NAME_GROUP); /* twice is once */
    for (int i = 0; i < 30; i++)
        call_once("pool", NULL);
    CU_ASSERT_EQUAL(a->requests, 20);
    CU_ASSERT_EQUAL(b->requests, 10);
    b->handle = stay;
    a->handle = stay;
    for (int i = 0; i < 6; i++) {
        seen_init(&seen[i]);
        cells_call(caller, "pool", "m", none, NULL, &seen[i]);
    }
    cells_run(&all);
    CU_ASSERT_EQUAL(bus_instance_stats(a->instances[0])->in_flight, 2);
    CU_ASSERT_EQUAL(bus_instance_stats(a->instances[1])->in_flight, 2);
    CU_ASSERT_EQUAL(bus_instance_stats(b->instances[0])->in_flight, 2);
    for (int i = 0; i < 6; i++)
        endpoint_cancel(caller->endpoint, seen[i].call);
    cells_run(&all);
    bus_instance_unbind(a->instances[0], BUS_SOON, "restarting");
    bus_instance_unbind(a->instances[1], BUS_DOWN, "failed");
    b->handle = NULL;
    b->requests = 0;
    for (int i = 0; i < 10; i++)
        CU_ASSERT_STRING_EQUAL(call_once("pool", NULL), "ok");
    CU_ASSERT_EQUAL(b->requests, 10);
    bus_instance_unbind(b->instances[0], BUS_DOWN, "failed");
    CU_ASSERT_STRING_EQUAL(call_once("pool", NULL), ""); /* the one that is starting */
    bus_instance_unbind(a->instances[0], BUS_DOWN, "failed");
    CU_ASSERT_STRING_EQUAL(call_once("pool", NULL), AIEX_E_UNAVAILABLE);
    for (int i = 0; i < 6; i++)
        seen_done(&seen[i]);
    finish();
}

/* ---- Waiting ---- */

static char order[64];
static unsigned n_order;

static int note_order(struct cell_rig *cell, unsigned instance, const struct aiex_message *m)
{
    if (m->kind == AIEX_MSG_REQUEST && n_order < sizeof(order)) {
        order[n_order++] = (char)cells_body_n(m->body);
        return endpoint_reply(cell->endpoint, m->id, none);
    }
    return 0;
}

static void test_waiting(void)
{
    struct seen_answer seen[10];
    struct cell_rig *next;

    begin();
    n_order = 0;
    a->handle = note_order;
    bus_instance_unbind(a->instances[0], BUS_SOON, "starting");
    for (int i = 0; i < 10; i++) {
        struct aiex_slice body = cells_body(i, i == 4 ? 100000 : 10); /* one in pieces */

        seen_init(&seen[i]);
        cells_call(caller, "a", "m", body, NULL, &seen[i]);
        free((void *)body.data);
    }
    cells_run(&all);
    CU_ASSERT_EQUAL(n_order, 0);
    CU_ASSERT_EQUAL(bus_instance_stats(a->instances[0])->waiting, 10);
    CU_ASSERT_EQUAL(bus_port_owed(a->port), 0);
    endpoint_cancel(caller->endpoint, seen[7].call);
    cells_run(&all);
    CU_ASSERT_EQUAL(bus_instance_stats(a->instances[0])->waiting, 9);
    next = cells_successor(&all, a);
    cells_run(&all);
    CU_ASSERT_EQUAL(n_order, 9);
    for (unsigned i = 0; i < 9; i++)
        CU_ASSERT_EQUAL(order[i], (char)(i < 7 ? i : i + 1));
    for (int i = 0; i < 10; i++) {
        CU_ASSERT_EQUAL(seen[i].ends, i != 7);
        seen_done(&seen[i]);
    }
    CU_ASSERT_EQUAL(bus_instance_stats(a->instances[0])->waiting, 0);
    CU_ASSERT_EQUAL(bus_port_owed(next->port), 0);
    finish();
}

static void test_waiting_bound(void)
{
    struct seen_answer seen[8];

    begin();
    bus_instance_options(a->instances[0], &(struct bus_instance_options){.queue_max = 5});
    bus_instance_unbind(a->instances[0], BUS_SOON, "starting");
    for (int i = 0; i < 7; i++) {
        seen_init(&seen[i]);
        cells_call(caller, "a", "m", none, NULL, &seen[i]);
    }
    seen_init(&seen[7]);
    cells_run(&all);
    for (int i = 0; i < 7; i++)
        CU_ASSERT_EQUAL(seen[i].ends, i >= 5);
    CU_ASSERT_STRING_EQUAL(seen[5].code, AIEX_E_BUSY);
    CU_ASSERT(seen[5].retry_after_ms > 0);
    CU_ASSERT_EQUAL(bus_instance_stats(a->instances[0])->refused, 2);
    bus_instance_unbind(a->instances[0], BUS_DOWN, "it failed five times");
    cells_run(&all);
    for (int i = 0; i < 5; i++) {
        CU_ASSERT_EQUAL(seen[i].ends, 1);
        CU_ASSERT_STRING_EQUAL(seen[i].code, AIEX_E_UNAVAILABLE);
        CU_ASSERT_PTR_NOT_NULL(strstr(seen[i].text, "it failed five times"));
    }
    cells_call(caller, "a", "m", none, NULL, &seen[7]);
    cells_run(&all);
    CU_ASSERT_STRING_EQUAL(seen[7].code, AIEX_E_UNAVAILABLE);
    for (int i = 0; i < 8; i++)
        seen_done(&seen[i]);
    finish();
}

/* The largest request allowed may wait, and travels whole when the instance is up. */
static void test_waiting_large(void)
{
    struct aiex_slice body = cells_body(1, AIEX_MAX_BODY - 64);
    struct seen_answer seen;

    begin();
    seen_init(&seen);
    bus_instance_unbind(a->instances[0], BUS_SOON, "starting");
    CU_ASSERT_EQUAL(cells_call(caller, "a", "m", body,
                               &(struct aiex_request){.flags = AIEX_CALL_IDEMPOTENT}, &seen),
                    0);
    cells_run(&all);
    CU_ASSERT_EQUAL(seen.ends, 0);
    bus_instance_bind(a->instances[0], a->port, 0);
    cells_run(&all);
    CU_ASSERT_STRING_EQUAL(seen.code, "ok");
    CU_ASSERT_EQUAL(cells_body_n((struct aiex_slice){seen.body.data, seen.body.len}), 1);
    seen_done(&seen);
    free((void *)body.data);
    finish();
}

static void test_waiting_casts(void)
{
    static const struct aiex_request idempotent = {.flags = AIEX_CALL_IDEMPOTENT};
    struct bus_stats stats;

    begin();
    bus_instance_unbind(a->instances[0], BUS_SOON, "starting");
    for (int i = 0; i < 6; i++)
        CU_ASSERT_EQUAL(cells_call(caller, "a", "m", none, i % 2 ? &idempotent : NULL, NULL), 0);
    cells_run(&all);
    CU_ASSERT_EQUAL(a->casts, 0);
    bus_instance_bind(a->instances[0], a->port, 0);
    cells_run(&all);
    CU_ASSERT_EQUAL(a->casts, 6);
    CU_ASSERT_EQUAL(bus_port_owed(a->port), 0);
    bus_stats(all.bus, &stats);
    CU_ASSERT_EQUAL(stats.open_calls, 0);
    finish();
}

static void test_limits(void)
{
    struct seen_answer seen[3];

    begin();
    a->handle = stay;
    bus_instance_options(a->instances[0],
                         &(struct bus_instance_options){.in_flight_max = 2, .timeout_ms = 700});
    for (int i = 0; i < 3; i++) {
        seen_init(&seen[i]);
        cells_call(caller, "a", "m", none, NULL, &seen[i]);
    }
    cells_run(&all);
    CU_ASSERT_EQUAL(a->last_timeout_ms, 700);
    CU_ASSERT_EQUAL(seen[0].ends + seen[1].ends, 0);
    CU_ASSERT_STRING_EQUAL(seen[2].code, AIEX_E_BUSY);
    CU_ASSERT_EQUAL(cells_call(caller, "a", "m", none, NULL, NULL), 0);
    endpoint_cancel(caller->endpoint, seen[0].call);
    cells_run(&all);
    CU_ASSERT_STRING_EQUAL(call_once("a", NULL), "");
    endpoint_cancel(caller->endpoint, seen[1].call);
    cells_run(&all);
    for (int i = 0; i < 3; i++)
        seen_done(&seen[i]);
    finish();
}

/* ---- Figures ---- */

struct tapped {
    unsigned to, from;
    char method[64];
};

static void on_tap(void *arg, int to_instance, const struct record *head, const char *service,
                   const char *method)
{
    struct tapped *t = arg;

    *(to_instance ? &t->to : &t->from) += 1;
    snprintf(t->method, sizeof(t->method), "%s/%s", service, method);
}

static void test_figures(void)
{
    struct tapped t = {0};
    const struct bus_instance_stats *s;
    struct bus_stats stats;
    uint64_t n = 0;

    begin();
    bus_tap(a->instances[0], on_tap, &t);
    for (int i = 0; i < 5; i++)
        call_once("a", NULL);
    bus_tap(a->instances[0], NULL, NULL);
    call_once("a", NULL);
    call_once("nobody", NULL);
    cells_call(caller, "a", "m", none, NULL, NULL);
    cells_run(&all);
    CU_ASSERT_EQUAL(t.to, 5);
    CU_ASSERT_EQUAL(t.from, 5);
    CU_ASSERT_STRING_EQUAL(t.method, "a/m");
    s = bus_instance_stats(a->instances[0]);
    CU_ASSERT_EQUAL(s->calls, 6);
    CU_ASSERT_EQUAL(s->casts, 1);
    CU_ASSERT_EQUAL(s->errors, 0);
    CU_ASSERT_EQUAL(s->in_flight, 0);
    for (int i = 0; i < 16; i++)
        n += s->latency_bucket[i];
    CU_ASSERT_EQUAL(n, 6);
    bus_stats(all.bus, &stats);
    CU_ASSERT_EQUAL(stats.calls, 6);
    CU_ASSERT_EQUAL(stats.casts, 1);
    CU_ASSERT_EQUAL(stats.ports, 3);
    CU_ASSERT_EQUAL(stats.instances, 4);
    finish();
}

const struct test_case tests[] = {
    {"names", test_names},
    {"name_survives_upgrade", test_name_survives_upgrade},
    {"each_name", test_each_name},
    {"group", test_group},
    {"waiting", test_waiting},
    {"waiting_bound", test_waiting_bound},
    {"waiting_large", test_waiting_large},
    {"waiting_casts", test_waiting_casts},
    {"limits", test_limits},
    {"figures", test_figures},
    {0},
};

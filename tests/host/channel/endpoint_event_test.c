/* endpoint_event_test.c - topics, envelopes, and who is told. */
#include "channel/endpoint_private.h"
#include "host/bus/cells.h"
#include "test.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct cells all;
static struct cell_rig *from, *to;
static unsigned told[CELL_PARTS];

static int count(struct cell_rig *cell, unsigned instance, const struct aiex_message *m)
{
    CU_ASSERT_EQUAL(m->kind, AIEX_MSG_EVENT);
    told[instance]++;
    return 0;
}

static int leave_at_once(struct cell_rig *cell, unsigned instance, const struct aiex_message *m)
{
    told[instance]++;
    CU_ASSERT_EQUAL(endpoint_unsubscribe(cell->endpoint, instance, "a.b"), 0);
    return 0;
}

static int join_more(struct cell_rig *cell, unsigned instance, const struct aiex_message *m)
{
    char topic[32];

    snprintf(topic, sizeof(topic), "more.%u", told[instance]++);
    CU_ASSERT_EQUAL(endpoint_subscribe(cell->endpoint, instance, topic), 0);
    return 0;
}

static void begin(void)
{
    cells_init(&all);
    from = cells_add(&all, "from", 1);
    to = cells_add(&all, "to", 4);
    to->handle = count;
    memset(told, 0, sizeof(told));
}

static void finish(void)
{
    CU_ASSERT_EQUAL(from->violations + to->violations + (unsigned)to->proto_errors, 0);
    cells_done(&all);
}

static int publish(const char *topic)
{
    int r = endpoint_publish(from->endpoint, 0, &(struct aiex_event){.topic = topic, .type = "t"});

    cells_run(&all);
    return r;
}

static void test_envelope(void)
{
    struct aiex_slice data = cells_body(12, 30), s;
    struct aiex_event e = {.topic = "a.b",
                           .type = "opened",
                           .subject = "it",
                           .data = data,
                           .trace = 0xab,
                           .causation = 0xcd};
    char id[2][64], text[64];
    int64_t now = 0;

    begin();
    CU_ASSERT_EQUAL(endpoint_subscribe(to->endpoint, 2, "a.*"), 0);
    cells_run(&all);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(endpoint_publish(from->endpoint, 0, &e), 0);
        cells_run(&all);
        s = (struct aiex_slice){to->last_body.data, to->last_body.len};
        CU_ASSERT(aiex_is_map(s));
        CU_ASSERT_EQUAL(aiex_get_text(s, "id", id[i], sizeof(id[i])), 1);
        CU_ASSERT_EQUAL(strlen(id[i]), 36);
        CU_ASSERT_EQUAL(id[i][14], '7');
        CU_ASSERT(strchr("89ab", id[i][19]) != NULL);
    }
    CU_ASSERT_STRING_NOT_EQUAL(id[0], id[1]);
    CU_ASSERT_EQUAL(to->last_instance, 2);
    CU_ASSERT_EQUAL(to->last_trace, 0xab);
    CU_ASSERT_STRING_EQUAL(to->last_method, "a.b");
    CU_ASSERT_EQUAL(aiex_get_text(s, "type", text, sizeof(text)), 1);
    CU_ASSERT_STRING_EQUAL(text, "opened");
    CU_ASSERT_EQUAL(aiex_get_text(s, "correlation", text, sizeof(text)), 1);
    CU_ASSERT_STRING_EQUAL(text, "00000000000000ab");
    CU_ASSERT_EQUAL(aiex_get_text(s, "causation", text, sizeof(text)), 1);
    CU_ASSERT_STRING_EQUAL(text, "00000000000000cd");
    CU_ASSERT_EQUAL(aiex_get_text(s, "node", text, sizeof(text)), 1);
    CU_ASSERT_STRING_EQUAL(text, "test");
    CU_ASSERT_EQUAL(aiex_get_int(s, "time", &now), 1);
    CU_ASSERT(now > 1600000000000);
    CU_ASSERT_EQUAL(aiex_get_int(s, "missed", &now), 0);
    CU_ASSERT_EQUAL(aiex_get_whole(s, "data", &s), 1);
    CU_ASSERT_EQUAL(cells_body_n(s), 12);
    free((void *)data.data);
    finish();
}

static void test_refused(void)
{
    static uint8_t large[RECORD_BODY_MAX] = {0xc6, 0, 0, 0x30, 0};
    char subject[600];
    struct aiex_event e = {.topic = "a", .type = "t"};

    begin();
    memset(subject, 's', sizeof(subject));
    subject[599] = 0;
    CU_ASSERT_EQUAL(endpoint_publish(from->endpoint, 0, &(struct aiex_event){.topic = "a"}),
                    -EINVAL);
    CU_ASSERT_EQUAL(endpoint_publish(from->endpoint, 0, &(struct aiex_event){.type = "a"}),
                    -EINVAL);
    CU_ASSERT_EQUAL(
        endpoint_publish(from->endpoint, 0, &(struct aiex_event){.type = "a", .topic = "a.*"}),
        -EINVAL);
    e.type = subject;
    CU_ASSERT_EQUAL(endpoint_publish(from->endpoint, 0, &e), -EINVAL);
    e.type = "t";
    e.subject = subject;
    CU_ASSERT_EQUAL(endpoint_publish(from->endpoint, 0, &e), -EINVAL);
    subject[512] = 0;
    CU_ASSERT_EQUAL(endpoint_publish(from->endpoint, 0, &e), 0);
    e.data = (struct aiex_slice){(const uint8_t *)"\x80\x80", 2}; /* two values */
    CU_ASSERT_EQUAL(endpoint_publish(from->endpoint, 0, &e), -EINVAL);
    e.data = (struct aiex_slice){(const uint8_t *)"\x81", 1};
    CU_ASSERT_EQUAL(endpoint_publish(from->endpoint, 0, &e), -EINVAL);
    e.data = (struct aiex_slice){large, 5 + 0x3000};
    CU_ASSERT_EQUAL(endpoint_publish(from->endpoint, 0, &e), 0);
    large[3] = 0x3f;
    e.data = (struct aiex_slice){large, 5 + 0x3f00};
    CU_ASSERT_EQUAL(endpoint_publish(from->endpoint, 0, &e), -EMSGSIZE);
    CU_ASSERT_EQUAL(endpoint_subscribe(from->endpoint, 0, "a*"), -EINVAL);
    CU_ASSERT_EQUAL(endpoint_unsubscribe(from->endpoint, 0, "a"), -ENOENT);
    finish();
}

static void test_fan_out(void)
{
    begin();
    /* twice and by two patterns: told once */
    endpoint_subscribe(to->endpoint, 0, "a.b");
    endpoint_subscribe(to->endpoint, 0, "a.b");
    endpoint_subscribe(to->endpoint, 1, "a.*");
    endpoint_subscribe(to->endpoint, 1, "a.b");
    endpoint_subscribe(to->endpoint, 2, "other");
    endpoint_subscribe(to->endpoint, 3, "*");
    cells_run(&all);
    publish("a.b");
    CU_ASSERT_EQUAL(told[0], 1);
    CU_ASSERT_EQUAL(told[1], 1);
    CU_ASSERT_EQUAL(told[2], 0);
    CU_ASSERT_EQUAL(told[3], 1);
    endpoint_unsubscribe(to->endpoint, 1, "a.*");
    cells_run(&all);
    publish("a.c");
    publish("a.b");
    CU_ASSERT_EQUAL(told[0], 2);
    CU_ASSERT_EQUAL(told[1], 2);
    CU_ASSERT_EQUAL(told[3], 3);
    for (unsigned i = 0; i < 4; i++) {
        endpoint_unsubscribe(to->endpoint, i, "a.b");
        endpoint_unsubscribe(to->endpoint, i, "other");
        endpoint_unsubscribe(to->endpoint, i, "*");
    }
    cells_run(&all);
    publish("a.b");
    CU_ASSERT_EQUAL(told[0] + told[1] + told[2] + told[3], 7);
    finish();
}

/* Who unsubscribes inside its handler takes the event from nobody else. */
static void test_unsubscribe_inside(void)
{
    begin();
    to->handle = leave_at_once;
    for (unsigned i = 0; i < 4; i++)
        endpoint_subscribe(to->endpoint, i, "a.b");
    cells_run(&all);
    publish("a.b");
    for (unsigned i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(told[i], 1);
    publish("a.b");
    for (unsigned i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(told[i], 1);
    finish();
}

static void test_subscribe_inside(void)
{
    begin();
    to->handle = join_more;
    for (unsigned i = 0; i < 4; i++)
        endpoint_subscribe(to->endpoint, i, "a.b");
    cells_run(&all);
    for (int i = 0; i < 5; i++)
        publish("a.b");
    for (unsigned i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(told[i], 5);
    finish();
}

static void test_too_many(void)
{
    char topic[32];

    begin();
    for (unsigned i = 0; i < SUBSCRIPTIONS_MAX; i++) {
        snprintf(topic, sizeof(topic), "t.%u", i);
        CU_ASSERT_EQUAL(endpoint_subscribe(to->endpoint, i % 4, topic), 0);
    }
    CU_ASSERT_EQUAL(endpoint_subscribe(to->endpoint, 0, "one.more"), -ENOSPC);
    cells_run(&all);
    publish("t.255");
    CU_ASSERT_EQUAL(told[3], 1);
    CU_ASSERT_EQUAL(endpoint_unsubscribe(to->endpoint, 0, "t.0"), 0);
    CU_ASSERT_EQUAL(endpoint_subscribe(to->endpoint, 0, "one.more"), 0);
    cells_run(&all);
    publish("one.more");
    CU_ASSERT_EQUAL(told[0], 1);
    finish();
}

static void test_missed(void)
{
    int64_t missed = 0;
    struct aiex_slice body;

    begin();
    endpoint_subscribe(to->endpoint, 0, "a.b");
    cells_run(&all);
    publish("a.b");
    to->room = 1;
    for (int i = 0; i < 5; i++)
        publish("a.b");
    to->room = 0;
    publish("a.b");
    body = (struct aiex_slice){to->last_body.data, to->last_body.len};
    CU_ASSERT(aiex_is_map(body));
    CU_ASSERT_EQUAL(aiex_get_int(body, "missed", &missed), 1);
    CU_ASSERT_EQUAL(missed, 5);
    publish("a.b");
    body = (struct aiex_slice){to->last_body.data, to->last_body.len};
    CU_ASSERT_EQUAL(aiex_get_int(body, "missed", &missed), 0);
    CU_ASSERT_EQUAL(told[0], 3);
    finish();
}

const struct test_case tests[] = {
    {"envelope", test_envelope},
    {"refused", test_refused},
    {"fan_out", test_fan_out},
    {"unsubscribe_inside", test_unsubscribe_inside},
    {"subscribe_inside", test_subscribe_inside},
    {"too_many", test_too_many},
    {"missed", test_missed},
    {0},
};

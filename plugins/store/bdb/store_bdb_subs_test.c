/* store_bdb_subs_test.c - durable subscriptions: from where, once each, windows, partitions. */
#include "store_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int n_ids;

static void append_some(const char *stream, int n)
{
    uint64_t last = 0;

    for (int i = 0; i < n; i++)
        last = begin("store.append",
                     "{'stream': '%s', 'level': 'written', 'events': [{'id': 'e%d', 'type': '%s', "
                     "'correlation': 'c'}]}",
                     stream, n_ids++, i % 2 ? "odd" : "even");
    HAS(end_of(last), "'version'");
}

static void start(void)
{
    n_ids = 0;
    rig_begin(NULL);
}

/* How often the parts of a call hold a text. */
static int count(uint64_t id, const char *text)
{
    const char *at = parts_of(id);
    int n = 0;

    while ((at = strstr(at, text)) != NULL) {
        n++;
        at += strlen(text);
    }
    return n;
}

static int events(uint64_t id)
{
    return count(id, "'sequence':");
}

static int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Until a consumer was shown n events; they must not become more while others are served. */
static void shows(uint64_t id, int n)
{
    int64_t end = now_ms() + RIG_WAIT_MS;

    while (events(id) < n && now_ms() < end)
        aiex_fake_poll(h, 20);
    ask("store.read", "{}"); /* a reader that comes after whatever was queued */
    ask("store.read", "{}");
    CU_ASSERT_EQUAL(events(id), n);
}

/* The sequences of what was shown are these, in order, each once. */
static void in_order(uint64_t id, int from)
{
    const char *at = parts_of(id);

    while ((at = strstr(at, "'sequence':")) != NULL) {
        at += strlen("'sequence':");
        CU_ASSERT_EQUAL(atoi(at), from);
        from++;
    }
}

static void test_catch_up_and_live(void)
{
    uint64_t id;

    start();
    append_some("s", 300);
    id = begin("store.subscribe", "{'name': 'n', 'window': 10000}");
    append_some("s", 300);
    shows(id, 600);
    append_some("t", 1);
    shows(id, 601);
    in_order(id, 1);
    CU_ASSERT_PTR_NULL(aiex_fake_answer(h, id));
    aiex_fake_cancel(h, id);
    rig_close();
    rig_end();
}

static void test_from(void)
{
    uint64_t at_end, at_seven, of_type, of_stream, of_correlation;

    start();
    append_some("s", 10);
    at_end = begin("store.subscribe", "{'name': 'end', 'from': -1}");
    at_seven = begin("store.subscribe", "{'name': 'seven', 'from': 7}");
    of_type = begin("store.subscribe", "{'name': 'type', 'type': 'odd'}");
    of_stream = begin("store.subscribe", "{'name': 'stream', 'stream': 't', 'from': 12}");
    of_correlation = begin("store.subscribe", "{'name': 'correlation', 'correlation': 'none'}");
    shows(at_seven, 4);
    append_some("t", 4);
    shows(at_end, 4);
    shows(at_seven, 8);
    shows(of_type, 7);
    shows(of_stream, 3);
    shows(of_correlation, 0);
    in_order(at_end, 11);
    in_order(at_seven, 7);
    in_order(of_stream, 12);
    HAS(ask("store.subscribe", "{'name': 'type', 'type': 'even'}"), "conflict");
    rig_close();
    rig_end();
}

static void test_position_is_kept(void)
{
    uint64_t id;

    start();
    append_some("s", 20);
    id = begin("store.subscribe", "{'name': 'n'}");
    shows(id, 20);
    IS(ask("store.ack", "{'name': 'n', 'sequence': 12}"), "{}");
    HAS(ask("store.ack", "{'name': 'n', 'sequence': 21}"), "invalid: field 'sequence'");
    IS(ask("store.ack", "{'name': 'n', 'sequence': 5}"), "{}"); /* never back */
    rig_close();
    rig_open(NULL);
    id = begin("store.subscribe", "{'name': 'n'}");
    shows(id, 8);
    in_order(id, 13);
    aiex_fake_cancel(h, id); /* leaves without an acknowledgement: the next one sees it again */
    id = begin("store.subscribe", "{'name': 'n'}");
    shows(id, 8);
    IS(ask("store.unsubscribe", "{'name': 'n'}"), "{}");
    HAS(end_of(id), "unavailable: the subscription was removed");
    HAS(ask("store.unsubscribe", "{'name': 'n'}"), "not_found");
    HAS(ask("store.ack", "{'name': 'n', 'sequence': 3}"), "not_found");
    id = begin("store.subscribe", "{'name': 'n', 'from': 20}");
    shows(id, 1);
    rig_close();
    rig_end();
}

static void test_window(void)
{
    uint64_t id;

    start();
    append_some("s", 50);
    id = begin("store.subscribe", "{'name': 'n', 'window': 7}");
    shows(id, 7);
    ask("store.ack", "{'name': 'n', 'sequence': 3}");
    shows(id, 10);
    for (int at = 10; at <= 50; at += 5) { /* what was not shown yet can not be acknowledged */
        ask("store.ack", "{'name': 'n', 'sequence': %d}", at);
        shows(id, at + 7 < 50 ? at + 7 : 50);
    }
    in_order(id, 1);
    rig_close();
    rig_end();
}

/* Takes nothing: one part is made and no more, whatever comes. */
static void test_slow_consumer(void)
{
    uint64_t id;

    start();
    append_some("s", 5);
    aiex_fake_window(h, 1);
    id = begin("store.subscribe", "{'name': 'n', 'window': 10000}");
    shows(id, 5);
    append_some("s", 500);
    shows(id, 5);
    aiex_fake_window(h, 0);
    CU_ASSERT_EQUAL(aiex_fake_resume(h, id), 1);
    shows(id, 505);
    in_order(id, 1);
    rig_close();
    rig_end();
}

static void test_one_consumer(void)
{
    uint64_t first, waits, waits_too;

    start();
    append_some("s", 5);
    first = begin("store.subscribe", "{'name': 'n'}");
    shows(first, 5);
    HAS(ask("store.subscribe", "{'name': 'n'}"), "conflict");
    waits = begin("store.subscribe", "{'name': 'n', 'wait': true}");
    waits_too = begin("store.subscribe", "{'name': 'n', 'wait': true}");
    append_some("s", 5);
    shows(first, 10);
    CU_ASSERT_EQUAL(events(waits), 0);
    ask("store.ack", "{'name': 'n', 'sequence': 4}");
    aiex_fake_cancel(h, first);
    shows(waits, 6);
    in_order(waits, 5);
    CU_ASSERT_EQUAL(events(waits_too), 0);
    aiex_fake_cancel(h, waits_too);
    rig_close();
    rig_end();
}

static void test_partitions(void)
{
    uint64_t ids[3];
    int total = 0;

    start();
    for (int i = 0; i < 3; i++)
        ids[i] = begin("store.subscribe",
                       "{'name': 'n', 'partitions': 3, 'partition': %d, 'window': 1000}", i);
    for (int i = 0; i < 30; i++) {
        char stream[16];

        snprintf(stream, sizeof(stream), "s%d", i);
        append_some(stream, 4);
    }
    for (int64_t end = now_ms() + RIG_WAIT_MS; total < 120 && now_ms() < end;) {
        aiex_fake_poll(h, 20);
        total = events(ids[0]) + events(ids[1]) + events(ids[2]);
    }
    CU_ASSERT_EQUAL(total, 120);
    for (int i = 0; i < 30; i++) { /* a stream has one consumer */
        char stream[24];
        int owners = 0;

        snprintf(stream, sizeof(stream), "'stream':'s%d'", i);
        for (int c = 0; c < 3; c++) {
            int n = count(ids[c], stream);

            CU_ASSERT_TRUE(n == 0 || n == 4);
            owners += n == 4;
        }
        CU_ASSERT_EQUAL(owners, 1);
    }
    HAS(ask("store.subscribe", "{'name': 'n', 'partitions': 2, 'partition': 1, 'wait': true}"),
        "conflict");
    HAS(ask("store.ack", "{'name': 'n', 'partition': 7, 'sequence': 1}"), "not_found");
    rig_close();
    rig_end();
}

/* A consumer in the same cell leaves inside of stream(). */
static void leave(void *arg, struct aiex_fake_host *host, const struct aiex_fake_record *part)
{
    uint64_t id = part->id; /* the record dies with others */

    ++*(int *)arg;
    aiex_fake_cancel(host, id);
}

static void test_leaves_in_the_middle(void)
{
    int parts = 0;

    start();
    append_some("s", 10);
    aiex_fake_on_part(h, leave, &parts);
    begin("store.subscribe", "{'name': 'n'}");
    begin("store.read", "{}");
    for (int64_t end = now_ms() + RIG_WAIT_MS; parts < 2 && now_ms() < end;)
        aiex_fake_poll(h, 20);
    CU_ASSERT_EQUAL(parts, 2);
    aiex_fake_on_part(h, NULL, NULL);
    append_some("s", 10);
    HAS(ask("store.status", "{}"), "'running':0,'consumers':0");
    rig_close();
    rig_end();
}

/* The sequence of the first event that it was shown. */
static int first_of(uint64_t id)
{
    const char *at = strstr(parts_of(id), "'sequence':");

    return at ? atoi(at + strlen("'sequence':")) : 0;
}

enum step { ASKED, SHOWN, ACK_ON_ITS_WAY, ACKED, STORE_ENDS, N_STEPS };

/* A consumer with a window of 4 that ends at this step. What it acknowledged, or wanted to. */
static int consume_until(enum step step, int *shown, int certain)
{
    uint64_t id = begin("store.subscribe", "{'name': 'n', 'window': 4}");
    int first, want = 0;

    if (step != ASKED) {
        for (int64_t end = now_ms() + RIG_WAIT_MS; events(id) == 0 && now_ms() < end;)
            aiex_fake_poll(h, 20);
        first = first_of(id);
        in_order(id, first);
        CU_ASSERT_TRUE(first > certain && first <= *shown + 1); /* no gap, nothing acknowledged */
        want = first + events(id) - 1;
        *shown = want > *shown ? want : *shown;
        if (step == ACK_ON_ITS_WAY || step == STORE_ENDS)
            begin("store.ack", "{'name': 'n', 'sequence': %d}", first);
        else if (step == ACKED)
            IS(ask("store.ack", "{'name': 'n', 'sequence': %d}", first), "{}");
        want = step == SHOWN ? 0 : first;
    }
    if (step == STORE_ENDS) {
        rig_close();
        rig_open(NULL);
    } else {
        aiex_fake_cancel(h, id);
        aiex_fake_forget(h);
    }
    return want;
}

/* Each event is seen, in order; what was acknowledged never again, what was not for certain. */
static void test_ends_at_each_step(void)
{
    int shown = 0, certain = 0, rounds = 0;

    start();
    append_some("s", 30);
    while (certain < 30 && ++rounds < 1000) {
        enum step step = (enum step)(rounds % N_STEPS);
        int acked = consume_until(step, &shown, certain);

        if (step == ACKED || step == STORE_ENDS) /* a store that ends has ended what it took */
            certain = acked;
    }
    CU_ASSERT_EQUAL(shown, 30);
    CU_ASSERT_TRUE(rounds < 100);
    rig_close();
    rig_end();
}

const struct test_case tests[] = {
    {"catch up and live", test_catch_up_and_live},
    {"from", test_from},
    {"position is kept", test_position_is_kept},
    {"window", test_window},
    {"slow consumer", test_slow_consumer},
    {"one consumer", test_one_consumer},
    {"partitions", test_partitions},
    {"ends at each step", test_ends_at_each_step},
    {"leaves in the middle", test_leaves_in_the_middle},
    {0},
};

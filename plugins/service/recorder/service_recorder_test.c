/* service_recorder through its descriptor: what is kept, in which order, and what while it is not.
 */
#include "test.h"

#include <aiex/aiex_pack.h>
#include <aiex_fake_host.h>
#include <memory_store.h>
#include <stdio.h>
#include <string.h>

static struct aiex_fake_host *h;
static const struct aiex_plugin *p;
static void *self;
static struct memory_store *store;

static void begin(const struct aiex_fake_pair *pairs)
{
    struct aiex_error err = {""};

    store = memory_store_new();
    h = aiex_fake_host_new("service_recorder");
    aiex_fake_on_call(h, memory_store_call, store);
    p = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    if (aiex_fake_start(h, p, pairs, &self, &err) != 0)
        CU_FAIL_FATAL(err.text);
}

static void finish(void)
{
    aiex_fake_stop(h, p, self);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
    memory_store_free(store);
}

static void pass(uint64_t ms)
{
    for (; ms > 0; ms -= 100)
        aiex_fake_advance(h, 100);
}

static void publish(const char *topic, const char *type, const char *id, size_t size)
{
    static uint8_t mem[20000], filler[16000];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 7);
    aiex_w_key_str(&w, "id", id);
    aiex_w_key_str(&w, "type", type);
    aiex_w_key_str(&w, "topic", topic);
    aiex_w_key_int(&w, "time", 1795262400000);
    aiex_w_key_str(&w, "correlation", "00000000000000ab");
    aiex_w_key_str(&w, "subject", "store_bdb");
    aiex_w_str(&w, "data");
    aiex_w_map(&w, 1);
    aiex_w_key_bin(&w, "filler", filler, size);
    CU_ASSERT_EQUAL(aiex_fake_event(h, p, self, topic, aiex_written(&w)), 0);
}

static const char *field(const char *stream, unsigned n, const char *key)
{
    static char text[4][128];
    static unsigned turn;
    char *out = text[turn++ % 4];
    struct aiex_slice map;

    strcpy(out, "none");
    if (memory_store_event(store, stream, n, &map))
        aiex_get_text(map, key, out, sizeof(text[0]));
    return out;
}

static int64_t status(const char *key)
{
    uint64_t id = aiex_fake_request(h, p, self, "recorder.status", (struct aiex_slice){NULL, 0}, 0);
    int64_t v = -1;

    aiex_get_int(aiex_fake_answer(h, id)->body, key, &v);
    return v;
}

static int is_healthy(void)
{
    uint64_t id = aiex_fake_request(h, p, self, "service.health", (struct aiex_slice){NULL, 0}, 0);
    int v = -1;

    aiex_get_bool(aiex_fake_answer(h, id)->body, "healthy", &v);
    return v;
}

static void an_event_is_kept(void)
{
    struct aiex_slice map = {NULL, 0}, data = {NULL, 0};
    char subject[32] = "";
    int64_t time = 0;

    begin(NULL);
    publish("host.config", "options", "e1", 3);
    publish("host.job", "done", "e2", 0);
    CU_ASSERT_EQUAL(memory_store_events(store, "host/config"), 1);
    CU_ASSERT_STRING_EQUAL(field("host/config", 0, "type"), "options");
    CU_ASSERT_STRING_EQUAL(field("host/config", 0, "id"), "e1");
    CU_ASSERT_STRING_EQUAL(field("host/config", 0, "correlation"), "00000000000000ab");
    CU_ASSERT_STRING_EQUAL(field("host/job", 0, "type"), "done");
    CU_ASSERT_EQUAL_FATAL(memory_store_event(store, "host/config", 0, &map), 1);
    CU_ASSERT_EQUAL(aiex_get_int(map, "time", &time), 1);
    CU_ASSERT_EQUAL(time, 1795262400000);
    CU_ASSERT_EQUAL(aiex_get_bytes(map, "data", &data), 1);
    CU_ASSERT_EQUAL(aiex_get_text(data, "subject", subject, sizeof(subject)), 1);
    CU_ASSERT_STRING_EQUAL(subject, "store_bdb");
    CU_ASSERT_EQUAL(status("recorded"), 2);
    finish();
}

/* Away, then there, in the order of their coming; an answer that was lost makes no second one. */
static void what_waits_is_kept_in_order(void)
{
    char id[16];

    begin(NULL);
    memory_store_fail(store, NULL, 0, 1000000, AIEX_E_UNAVAILABLE, NOT_DONE);
    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof(id), "e%d", i);
        publish("host.job", "done", id, 10);
    }
    pass(10000);
    CU_ASSERT_EQUAL(status("waiting"), 20);
    CU_ASSERT_EQUAL(memory_store_events(store, "host/job"), 0);
    memory_store_heal(store);
    memory_store_fail(store, "store.append", 3, 2, AIEX_E_CRASHED, DONE);
    pass(10000);
    CU_ASSERT_EQUAL_FATAL(memory_store_events(store, "host/job"), 20);
    for (unsigned i = 0; i < 20; i++) {
        snprintf(id, sizeof(id), "e%u", i);
        CU_ASSERT_STRING_EQUAL(field("host/job", i, "id"), id);
    }
    CU_ASSERT_EQUAL(status("missed"), 0);
    finish();
}

static void what_does_not_fit_is_counted(void)
{
    char id[16];

    begin((struct aiex_fake_pair[]){{"queue", "32k"}, {0}});
    memory_store_fail(store, NULL, 0, 1000000, AIEX_E_UNAVAILABLE, NOT_DONE);
    for (int i = 0; i < 6; i++) {
        snprintf(id, sizeof(id), "e%d", i);
        publish("host.config", "options", id, 15000);
    }
    CU_ASSERT_EQUAL(status("missed"), 4);
    CU_ASSERT_EQUAL(is_healthy(), 0);
    memory_store_heal(store);
    pass(10000);
    publish("host.config", "options", "later", 1);
    CU_ASSERT_EQUAL(memory_store_events(store, "host/config"), 4);
    CU_ASSERT_STRING_EQUAL(field("host/config", 2, "type"), "recorder.missed");
    CU_ASSERT_STRING_EQUAL(field("host/config", 3, "id"), "later");
    CU_ASSERT_EQUAL(is_healthy(), 1);
    finish();
}

/* While something waits for a store that is away, that is told. */
static void a_store_that_is_away_is_told(void)
{
    begin(NULL);
    CU_ASSERT_EQUAL(is_healthy(), 1);
    memory_store_fail(store, NULL, 0, 1000000, AIEX_E_UNAVAILABLE, NOT_DONE);
    publish("host.config", "options", "waits", 1);
    pass(10000);
    CU_ASSERT_EQUAL(is_healthy(), 0);
    memory_store_heal(store);
    pass(10000);
    CU_ASSERT_EQUAL(memory_store_events(store, "host/config"), 1);
    CU_ASSERT_EQUAL(is_healthy(), 1);
    finish();
}

static void what_is_not_taken_holds_nothing_up(void)
{
    begin(NULL);
    memory_store_fail(store, "store.append", 0, 1, AIEX_E_INVALID, NOT_DONE);
    publish("host.job", "done", "bad", 1);
    publish("host.job", "done", "good", 1);
    CU_ASSERT_EQUAL(memory_store_events(store, "host/job"), 1);
    CU_ASSERT_STRING_EQUAL(field("host/job", 0, "id"), "good");
    CU_ASSERT_EQUAL(status("missed"), 1);
    publish("", "done", "x", 1);
    publish("host.job", "done", "", 1);
    CU_ASSERT_EQUAL(status("recorded"), 1);
    CU_ASSERT_EQUAL(aiex_fake_event(h, p, self, "host.job", (struct aiex_slice){NULL, 0}), 0);
    finish();
}

static void a_drain_waits_for_the_store(void)
{
    begin(NULL);
    memory_store_fail(store, NULL, 0, 1000000, AIEX_E_UNAVAILABLE, NOT_DONE);
    publish("host.job", "done", "e", 1);
    CU_ASSERT_EQUAL(aiex_fake_drain(h, p, self), 0);
    pass(3000);
    CU_ASSERT_EQUAL(aiex_fake_drained(h), 0);
    memory_store_heal(store);
    pass(10000);
    CU_ASSERT_EQUAL(aiex_fake_drained(h), 1);
    CU_ASSERT_EQUAL(memory_store_events(store, "host/job"), 1);
    finish();
}

static void wrong_topics_are_refused(void)
{
    struct aiex_error err = {""};
    struct aiex_fake_host *host = aiex_fake_host_new("service_recorder");
    char topics[200];
    const struct aiex_fake_pair pairs[] = {{"topics", topics}, {0}};

    self = NULL;
    memset(topics, 'a', sizeof(topics) - 1);
    topics[sizeof(topics) - 1] = 0;
    p = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    CU_ASSERT_NOT_EQUAL(aiex_fake_start(host, p, pairs, &self, &err), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "can not be subscribed to"));
    aiex_fake_stop(host, p, self);
    CU_ASSERT_EQUAL(aiex_fake_host_free(host), 0);
}

static void memory_ends(void)
{
    for (size_t n = 1; n < 8; n++) {
        begin(NULL);
        aiex_fake_fail_alloc(h, n);
        publish("host.job", "done", "e", 1);
        aiex_fake_fail_alloc(h, 0);
        pass(10000);
        CU_ASSERT_EQUAL(memory_store_events(store, "host/job"), 1);
        finish();
    }
}

const struct test_case tests[] = {
    {"an_event_is_kept", an_event_is_kept},
    {"what_waits_is_kept_in_order", what_waits_is_kept_in_order},
    {"what_does_not_fit_is_counted", what_does_not_fit_is_counted},
    {"a store that is away is told", a_store_that_is_away_is_told},
    {"what_is_not_taken_holds_nothing_up", what_is_not_taken_holds_nothing_up},
    {"a_drain_waits_for_the_store", a_drain_waits_for_the_store},
    {"wrong_topics_are_refused", wrong_topics_are_refused},
    {"memory_ends", memory_ends},
    {0},
};

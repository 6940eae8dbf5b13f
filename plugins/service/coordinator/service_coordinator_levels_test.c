/*
 * service_coordinator with the colder levels of its cache: answers survive a restart, tiers that
 * are away cost one wait, equal requests look together.
 */
#include "coordinator_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- A tier that the test plays: it is on disk, the node's one has nothing ---- */

static struct {
    uint8_t key[128], value[4096], meta[64];
    size_t key_len, value_len, meta_len;
    int64_t ttl;
    int silent, gets;
    uint64_t open; /* the last get of a silent one */
} disk;

static struct aiex_slice found(uint8_t *to, size_t size)
{
    struct aiex_writer w;

    aiex_writer_init(&w, to, size);
    aiex_w_map(&w, 5);
    aiex_w_key_bool(&w, "found", 1);
    aiex_w_key_bin(&w, "value", disk.value, disk.value_len);
    aiex_w_key_int(&w, "uses", 1);
    aiex_w_key_int(&w, "ttl_ms", disk.ttl);
    aiex_w_str(&w, "meta");
    aiex_w_raw(&w, disk.meta, disk.meta_len);
    return aiex_written(&w);
}

static const struct aiex_slice nothing_found = {(const uint8_t *)"\x81\xa5"
                                                                 "found\xc2",
                                                8};

static int on_tier(const struct aiex_fake_record *r, int *ret)
{
    uint8_t to[8192];
    struct aiex_slice key;

    *ret = 0;
    if (strcmp(r->name, "tier.get") != 0)
        return 0;
    if (strcmp(r->service, "tier_warm") == 0) {
        aiex_fake_answer_ok(h, r->id, nothing_found);
        return 1;
    }
    CU_ASSERT_STRING_EQUAL(r->service, "tier_cold");
    CU_ASSERT_EQUAL(aiex_get_bytes(r->body, "key", &key), 1);
    disk.gets++;
    if (disk.silent)
        disk.open = r->id;
    else if (disk.key_len == key.len && memcmp(disk.key, key.data, key.len) == 0)
        aiex_fake_answer_ok(h, r->id, found(to, sizeof(to)));
    else
        aiex_fake_answer_ok(h, r->id, nothing_found);
    return 1;
}

static void take(uint8_t *to, size_t size, size_t *len, struct aiex_slice from)
{
    CU_ASSERT_FATAL(from.len <= size);
    memcpy(to, from.data, from.len);
    *len = from.len;
}

/* The n-th put that was cast to that tier is on the disk now. */
static void keep_put(const char *tier, size_t n)
{
    const struct aiex_fake_record *r = aiex_fake_find(h, AIEX_FAKE_CAST, "tier.put", n);
    struct aiex_slice s;

    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    CU_ASSERT_STRING_EQUAL(r->service, tier);
    CU_ASSERT_EQUAL_FATAL(aiex_get_bytes(r->body, "key", &s), 1);
    take(disk.key, sizeof(disk.key), &disk.key_len, s);
    CU_ASSERT_EQUAL_FATAL(aiex_get_bytes(r->body, "value", &s), 1);
    take(disk.value, sizeof(disk.value), &disk.value_len, s);
    CU_ASSERT_EQUAL_FATAL(aiex_get_whole(r->body, "meta", &s), 1);
    take(disk.meta, sizeof(disk.meta), &disk.meta_len, s);
    CU_ASSERT_EQUAL(aiex_get_int(r->body, "ttl_ms", &disk.ttl), 1);
}

static void start(void)
{
    world = (struct world){.providers = {{"provider_a", "provider_openai", 1, {"m"}, NULL}},
                           .other = on_tier};
    begin((struct aiex_fake_pair[]){
        {"cache", "on"}, {"cache_levels", "on"}, {"price.m", "input=1 output=1"}, {0}});
}

/* An answer of two parts was given before, by a coordinator that is gone. */
static void start_with_an_answer(void)
{
    memset(&disk, 0, sizeof(disk));
    start();
    chat("m");
    answer_part(0, "one ");
    answer_part(0, "two");
    answer_end(0, 10, 2);
    keep_put("tier_warm", 0);
    keep_put("tier_cold", 1);
    finish();
    start();
    disk.gets = 0;
}

static int is_cached(uint64_t id)
{
    struct aiex_slice as = NOTHING;

    return aiex_fake_answer(h, id) && aiex_is_map(aiex_fake_answer(h, id)->body) &&
           aiex_get_str(aiex_fake_answer(h, id)->body, "cached", &as) == 1 &&
           aiex_slice_is(as, "exact");
}

/* ---- Cases ---- */

static void an_answer_survives_a_restart(void)
{
    uint64_t id;

    start_with_an_answer();
    CU_ASSERT_EQUAL(disk.ttl, 600000);
    id = chat("m");
    ended_well(id);
    CU_ASSERT_PTR_NULL(made(0));
    CU_ASSERT(is_cached(id) && parts_of(id, "one two"));
    CU_ASSERT(is(record_of(0), "cached", "exact") && is(record_of(0), "price", "free"));
    CU_ASSERT_EQUAL(number(record_of(0)->body, "cost"), 0);
    id = chat("m"); /* from the process now */
    CU_ASSERT(is_cached(id) && disk.gets == 1);
    finish();
}

static void its_time_goes_on(void)
{
    uint64_t id;

    start_with_an_answer();
    disk.ttl = 5000;
    id = chat("m");
    CU_ASSERT(is_cached(id));
    disk.key_len = 0;
    aiex_fake_advance(h, 5000);
    id = chat("m");
    CU_ASSERT(is_cached(id)); /* that old it may be just so */
    aiex_fake_advance(h, 1);
    chat("m");
    CU_ASSERT_PTR_NOT_NULL(made(0));
    answer_ok(0);
    finish();
}

static void others_do_not_get_it(void)
{
    start_with_an_answer();
    ask(&(struct ask){.model = "m", .key = "another"});
    ask(&(struct ask){.model = "m", .body = "{\"x\":2}"});
    ask(&(struct ask){.model = "m", .unary = 1});
    ask(&(struct ask){.model = "m", .dialect = "anthropic.messages"});
    ask(&(struct ask){.model = "m", .beta = "b"});
    ask(&(struct ask){.model = "provider_a/m"});
    CU_ASSERT_EQUAL(disk.gets, 6);
    for (size_t i = 0; i < 6; i++) {
        CU_ASSERT_PTR_NOT_NULL_FATAL(made(i));
        answer_ok(i);
    }
    finish();
}

static void a_shorter_time_to_live_holds(void)
{
    struct aiex_error err;
    uint64_t id;

    start_with_an_answer();
    disk.ttl = 500000; /* it is 100 s old */
    CU_ASSERT_EQUAL(
        aiex_fake_reload(h, p, self,
                         (struct aiex_fake_pair[]){
                             {"cache", "on"}, {"cache_levels", "on"}, {"cache_ttl", "90s"}, {0}},
                         &err),
        0);
    id = chat("m");
    CU_ASSERT(!is_cached(id));
    answer_ok(0);
    finish();
}

static void equal_requests_look_together(void)
{
    uint64_t a, b;
    uint8_t to[8192];

    start_with_an_answer();
    disk.silent = 1;
    a = chat("m");
    b = chat("m");
    CU_ASSERT_EQUAL(disk.gets, 1);
    aiex_fake_answer_ok(h, disk.open, found(to, sizeof(to)));
    CU_ASSERT(is_cached(a) && is_cached(b) && parts_of(a, "one two") && parts_of(b, "one two"));
    finish();
}

static void equal_requests_miss_together(void)
{
    uint64_t a, b;

    start_with_an_answer();
    disk.silent = 1;
    a = chat("m");
    b = chat("m");
    aiex_fake_answer_ok(h, disk.open, nothing_found);
    CU_ASSERT_PTR_NOT_NULL_FATAL(made(0));
    answer_ok(0);
    CU_ASSERT_PTR_NULL(made(1));
    ended_well(a);
    ended_well(b);
    finish();
}

static void who_leaves_while_it_looks(void)
{
    uint64_t a, b;

    start_with_an_answer();
    disk.silent = 1;
    a = chat("m");
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, a), 0);
    CU_ASSERT_EQUAL(aiex_fake_last(h, AIEX_FAKE_CANCEL)->id, disk.open);
    CU_ASSERT(is(record_of(0), "code", "cancelled"));
    a = chat("m");
    b = chat("m");
    aiex_fake_cancel(h, a); /* the other one goes on */
    aiex_fake_answer_ok(h, disk.open, nothing_found);
    CU_ASSERT_PTR_NOT_NULL_FATAL(made(0));
    answer_ok(0);
    ended_well(b);
    chat("m");
    finish(); /* and who looks when all ends */
}

static void ends_while_it_looks(void)
{
    start_with_an_answer();
    disk.silent = 1;
    ask(&(struct ask){.model = "m", .body = "{\"y\":1}"});
    aiex_fake_stop(h, p, self);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 1); /* the request, which nobody answers any more */
    memset(&world, 0, sizeof(world));
}

static void only_from_the_levels(void)
{
    uint64_t id;

    start_with_an_answer();
    id = ask(&(struct ask){.model = "m", .cache = "only"});
    CU_ASSERT(is_cached(id));
    id = ask(&(struct ask){.model = "m", .cache = "only", .body = "{\"z\":1}"});
    failed(id, "not_found");
    CU_ASSERT_PTR_NULL(made(0));
    finish();
}

static void a_tier_that_is_away_costs_some_waits(void)
{
    char body[32];

    start_with_an_answer();
    disk.silent = 1;
    for (size_t i = 0; i < 3; i++) {
        snprintf(body, sizeof(body), "{\"y\":%zu}", i);
        ask(&(struct ask){.model = "m", .body = body});
        CU_ASSERT(aiex_fake_last(h, AIEX_FAKE_CALL)->timeout_ms <= 5);
        aiex_fake_answer_error(h, disk.open, "timeout", "no answer", 0, NOTHING);
        CU_ASSERT_PTR_NOT_NULL_FATAL(made(i));
        answer_ok(i);
    }
    ask(&(struct ask){.model = "m", .body = "{\"z\":1}"});
    CU_ASSERT_EQUAL(disk.gets, 3);
    CU_ASSERT_PTR_NOT_NULL_FATAL(made(3));
    answer_ok(3);
    finish();
}

static void what_is_no_answer_is_a_miss(void)
{
    start_with_an_answer();
    memset(disk.value, 0xc1, disk.value_len);
    chat("m");
    CU_ASSERT_PTR_NOT_NULL_FATAL(made(0));
    answer_ok(0);
    finish();
}

static void off_means_that_nobody_is_asked(void)
{
    memset(&disk, 0, sizeof(disk));
    world = (struct world){.providers = {{"provider_a", "provider_openai", 1, {"m"}, NULL}},
                           .other = on_tier};
    begin((struct aiex_fake_pair[]){{"cache", "on"}, {0}});
    chat("m");
    answer_ok(0);
    CU_ASSERT_EQUAL(disk.gets, 0);
    CU_ASSERT_PTR_NULL(aiex_fake_find(h, AIEX_FAKE_CAST, "tier.put", 0));
    finish();
}

static void memory_is_given_back(void)
{
    uint8_t body[128], event[256];
    char text[64];
    struct aiex_slice answer;
    struct aiex_writer w;
    uint64_t id;

    memset(&disk, 0, sizeof(disk));
    world = (struct world){.providers = {{"provider_a", "provider_openai", 1, {"m"}, NULL}}};
    begin((struct aiex_fake_pair[]){{"cache", "on"}, {"cache_bytes", "64k"}, {0}});
    for (size_t i = 0; i < 100; i++) {
        snprintf(text, sizeof(text), "{\"x\":%zu}", i);
        ask(&(struct ask){.model = "m", .body = text});
        answer_ok(i);
    }
    aiex_writer_init(&w, body, sizeof(body));
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "level", "critical");
    aiex_w_key_int(&w, "step", 9);
    answer = aiex_written(&w);
    aiex_writer_init(&w, event, sizeof(event));
    aiex_w_map(&w, 1);
    aiex_w_str(&w, "data");
    aiex_w_raw(&w, answer.data, answer.len);
    aiex_fake_event(h, p, self, "host.memory", aiex_written(&w));
    id = aiex_fake_request(h, p, self, "coordinator.metrics", NOTHING, 0);
    CU_ASSERT_EQUAL_FATAL(aiex_get_str(aiex_fake_answer(h, id)->body, "text", &answer), 1);
    snprintf(text, sizeof(text), "\naiex_llm_cache_bytes ");
    CU_ASSERT(atoi(strstr((const char *)answer.data, text) + strlen(text)) <= 6553);
    CU_ASSERT_EQUAL(number(aiex_fake_last(h, AIEX_FAKE_CAST)->body, "percent"), 10);
    CU_ASSERT(number(aiex_fake_last(h, AIEX_FAKE_CAST)->body, "given") > 10000);
    id = aiex_fake_request(h, p, self, "service.metrics", NOTHING, 0);
    CU_ASSERT_EQUAL(aiex_get_str(aiex_fake_answer(h, id)->body, "text", &answer), 1);
    finish();
}

const struct test_case tests[] = {
    {"an_answer_survives_a_restart", an_answer_survives_a_restart},
    {"its_time_goes_on", its_time_goes_on},
    {"others_do_not_get_it", others_do_not_get_it},
    {"a_shorter_time_to_live_holds", a_shorter_time_to_live_holds},
    {"equal_requests_look_together", equal_requests_look_together},
    {"equal_requests_miss_together", equal_requests_miss_together},
    {"who_leaves_while_it_looks", who_leaves_while_it_looks},
    {"ends_while_it_looks", ends_while_it_looks},
    {"only_from_the_levels", only_from_the_levels},
    {"a_tier_that_is_away_costs_some_waits", a_tier_that_is_away_costs_some_waits},
    {"what_is_no_answer_is_a_miss", what_is_no_answer_is_a_miss},
    {"off_means_that_nobody_is_asked", off_means_that_nobody_is_asked},
    {"memory_is_given_back", memory_is_given_back},
    {0},
};

/*
 * service_coordinator where parts go through it: hedged second requests, the exact cache, equal
 * requests under way, slow clients.
 */
#include "coordinator_rig.h"

#include <stdio.h>
#include <string.h>

static const char *const first = "provider_a", *const second = "provider_b";

static void two(const struct aiex_fake_pair *pairs)
{
    world = (struct world){
        .providers = {{"provider_a", "provider_openai", 1, {"m"}, NULL},
                      {"provider_b", "provider_openai", 1, {"m"}, NULL},
                      {"provider_offline", "provider_offline", 1, {"aiex-offline"}, NULL}}};
    begin(pairs);
}

static uint64_t cached(const char *body)
{
    return ask(&(struct ask){.model = "m", .cache = "on", .body = body});
}

static const char *went(size_t n)
{
    return made(n) ? made(n)->service : "nobody";
}

/* ---- Hedges ---- */

static void hedged(void)
{
    two((struct aiex_fake_pair[]){{"hedge", "300ms"}, {"price.m", "input=1 output=1"}, {0}});
}

static void the_second_one_may_win(void)
{
    uint64_t id;

    hedged();
    id = chat("m");
    CU_ASSERT_EQUAL(made(0)->flags & AIEX_CALL_SPLICE, 0);
    aiex_fake_advance(h, 299);
    CU_ASSERT_PTR_NULL(made(1));
    aiex_fake_advance(h, 1);
    CU_ASSERT_STRING_EQUAL(went(1), second);
    answer_part(1, "hello ");
    CU_ASSERT_EQUAL(aiex_fake_last(h, AIEX_FAKE_CANCEL)->id, made(0)->id); /* the loser */
    answer_part(1, "world");
    answer_end(1, 10, 2);
    ended_well(id);
    CU_ASSERT(parts_of(id, "hello world"));
    CU_ASSERT_PTR_NULL(record_of(0)); /* the loser's bill is to come */
    bill(0, 10, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(record_of(0));
    CU_ASSERT(is(record_of(0), "provider", second) && is(record_of(0), "code", ""));
    CU_ASSERT_EQUAL(number(record_of(0)->body, "cost"), 22); /* both */
    finish();
}

static void the_first_one_may_win(void)
{
    uint64_t id;

    hedged();
    id = chat("m");
    aiex_fake_advance(h, 300);
    bill(1, 5, 5); /* nothing to bill yet: no harm */
    answer_ok(0);
    ended_well(id);
    CU_ASSERT(parts_of(id, "part"));
    bill(1, 10, 0);
    CU_ASSERT(is(record_of(0), "provider", first));
    finish();
}

static void no_second_one_for_a_quick_answer(void)
{
    hedged();
    chat("m");
    answer_part(0, "x");
    aiex_fake_advance(h, 1000);
    CU_ASSERT_PTR_NULL(made(1));
    answer_end(0, 1, 1);
    CU_ASSERT_PTR_NOT_NULL(record_of(0));
    finish();
}

static void one_of_two_may_fail(void)
{
    uint64_t id;

    hedged();
    id = chat("m");
    aiex_fake_advance(h, 300);
    answer_error(0, "upstream", first);
    CU_ASSERT_PTR_NULL(aiex_fake_answer(h, id));
    CU_ASSERT_PTR_NULL(made(2));
    answer_ok(1);
    ended_well(id);
    finish();
    hedged();
    id = chat("m");
    aiex_fake_advance(h, 300);
    answer_error(1, "invalid", second);
    answer_error(0, "invalid", first);
    failed(id, "invalid");
    finish();
}

static void leaving_cancels_both(void)
{
    uint64_t id;

    hedged();
    id = chat("m");
    aiex_fake_advance(h, 300);
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, id), 0);
    CU_ASSERT_EQUAL(aiex_fake_count(h, AIEX_FAKE_CANCEL), 2);
    CU_ASSERT_EQUAL(status(first, "in_flight") + status(second, "in_flight"), 0);
    bill(0, 10, 0);
    CU_ASSERT_PTR_NULL(record_of(0));
    bill(1, 10, 0);
    CU_ASSERT_EQUAL(number(record_of(0)->body, "cost"), 20);
    finish();
}

static void a_quantile_needs_samples(void)
{
    uint64_t id;

    two((struct aiex_fake_pair[]){{"alias.x", "a/m, b/m | hedge=p95"}, {0}});
    for (size_t i = 0; i < 20; i++) {
        chat("x");
        CU_ASSERT(made(i)->flags & AIEX_CALL_SPLICE); /* none yet: straight through */
        aiex_fake_advance(h, 100);
        answer_ok(i); /* first_ms 5 */
    }
    id = chat("x");
    aiex_fake_advance(h, 4);
    CU_ASSERT_PTR_NULL(made(21));
    aiex_fake_advance(h, 10);
    CU_ASSERT_STRING_EQUAL(went(21), second);
    answer_ok(21);
    ended_well(id);
    finish();
}

static void cancel_it(void *arg, struct aiex_fake_host *host, const struct aiex_fake_record *part)
{
    CU_ASSERT_EQUAL(aiex_fake_cancel(host, part->id), 0);
}

/* In one cell a caller may leave inside of stream(): alone, joined, and at a hit. */
static void callers_leave_while_they_are_given_a_part(void)
{
    two(NULL);
    cached("{\"q\":1}");
    aiex_fake_on_part(h, cancel_it, NULL);
    answer_part(0, "one"); /* nobody is left: the provider is told */
    CU_ASSERT(aiex_fake_count(h, AIEX_FAKE_CANCEL) > 0);
    aiex_fake_on_part(h, NULL, NULL);
    cached("{\"q\":2}");
    answer_part(1, "one");
    aiex_fake_on_part(h, cancel_it, NULL);
    cached("{\"q\":2}"); /* joins, and leaves when it gets what was said */
    aiex_fake_on_part(h, NULL, NULL);
    answer_part(1, "two");
    answer_end(1, 10, 2);
    aiex_fake_on_part(h, cancel_it, NULL);
    cached("{\"q\":2}"); /* a hit */
    aiex_fake_on_part(h, NULL, NULL);
    ended_well(cached("{\"q\":2}"));
    finish();
}

/* Headers that change what a vendor does go to every provider that is tried. */
static void headers_go_to_providers(void)
{
    struct aiex_slice headers = {NULL, 0}, beta = {NULL, 0};

    two(NULL);
    ask(&(struct ask){.model = "m", .tag = "gold", .beta = "b1,b2"});
    answer_error(0, "upstream", "provider_a");
    for (size_t i = 0; i < 2; i++) {
        CU_ASSERT_PTR_NOT_NULL_FATAL(made(i));
        CU_ASSERT(aiex_is_map(made(i)->body));
        CU_ASSERT_EQUAL(aiex_get_whole(made(i)->body, "headers", &headers), 1);
        CU_ASSERT_EQUAL(aiex_get_str(headers, "anthropic-beta", &beta), 1);
        CU_ASSERT(aiex_slice_is(beta, "b1,b2"));
    }
    answer_ok(1);
    finish();
}

/* ---- Cache ---- */

static void a_hit_is_the_same_answer(void)
{
    struct aiex_slice cached_as = NOTHING;
    uint64_t id;

    two((struct aiex_fake_pair[]){{"price.m", "input=1 output=1"}, {0}});
    cached("{\"q\": 1}");
    answer_part(0, "one ");
    answer_part(0, "two");
    answer_end(0, 10, 2);
    id = cached("{\"q\":1}");
    ended_well(id);
    CU_ASSERT_PTR_NULL(made(1));
    CU_ASSERT(parts_of(id, "one two"));
    CU_ASSERT_EQUAL(aiex_get_str(aiex_fake_answer(h, id)->body, "cached", &cached_as), 1);
    CU_ASSERT(aiex_slice_is(cached_as, "exact"));
    CU_ASSERT(aiex_is_map(aiex_fake_answer(h, id)->body));
    CU_ASSERT(is(record_of(1), "cached", "exact"));
    CU_ASSERT_EQUAL(number(record_of(1)->body, "cost"), 0);
    CU_ASSERT(is(record_of(1), "price", "free"));
    finish();
}

static void what_differs_is_no_hit(void)
{
    static const struct ask others[] = {
        {.model = "m", .cache = "on", .body = "{\"q\":2}"},
        {.model = "m", .cache = "on", .body = "{\"q\":1}", .unary = 1},
        {.model = "m", .cache = "on", .body = "{\"q\":1}", .key = "another"},
        {.model = "m", .cache = "on", .body = "{\"q\":1}", .dialect = "anthropic.messages"},
        {.model = "m", .cache = "on", .body = "{\"q\":1}", .beta = "b1"},
        {.model = "m", .cache = "on", .body = "{\"q\":1}", .beta = "b2"},
        {.model = "a/m", .cache = "on", .body = "{\"q\":1}"},
        {.model = "m", .cache = "off", .body = "{\"q\":1}"},
        {.model = "m", .body = "{\"q\":1}"},
    };

    two(NULL);
    cached("{\"q\":1}");
    answer_ok(0);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        ask(&others[i]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(made(i + 1));
        answer_ok(i + 1);
    }
    finish();
}

static void shared_between_keys_when_told_so(void)
{
    uint64_t id;

    two((struct aiex_fake_pair[]){{"cache", "on"}, {"cache_scope", "shared"}, {0}});
    ask(&(struct ask){.model = "m", .key = "k1"});
    answer_ok(0);
    id = ask(&(struct ask){.model = "m", .key = "k2"});
    ended_well(id);
    CU_ASSERT_PTR_NULL(made(1));
    finish();
}

static void only_good_whole_answers_are_kept(void)
{
    struct aiex_writer w;
    uint8_t body[64];

    two((struct aiex_fake_pair[]){{"attempts", "1"}, {"fallback", "none"}, {0}});
    cached("{}");
    answer_part(0, "half");
    answer_error(0, "upstream", first);
    cached("{}");
    aiex_writer_init(&w, body, sizeof(body));
    aiex_w_map(&w, 1);
    aiex_w_key_str(&w, "finish", "length");
    answer_part(1, "cut");
    aiex_fake_answer_ok(h, made(1)->id, aiex_written(&w));
    cached("{}");
    CU_ASSERT_PTR_NOT_NULL(made(2));
    answer_ok(2);
    finish();
}

static void it_ages(void)
{
    struct aiex_slice as = NOTHING;
    uint64_t id;

    two((struct aiex_fake_pair[]){{"cache_ttl", "1s"}, {"attempts", "1"}, {0}});
    cached("{}");
    answer_ok(0);
    aiex_fake_advance(h, 1001);
    id = cached("{}");
    CU_ASSERT_PTR_NOT_NULL_FATAL(made(1));
    answer_error(1, "upstream", first); /* an old answer is better than none */
    ended_well(id);
    CU_ASSERT(parts_of(id, "part"));
    aiex_get_str(aiex_fake_answer(h, id)->body, "cached", &as);
    CU_ASSERT(aiex_slice_is(as, "fallback"));
    CU_ASSERT(is(record_of(1), "cached", "fallback"));
    id = cached("{}");
    answer_error(2, "invalid", first); /* but no answer to a wrong question */
    failed(id, "invalid");
    finish();
}

static void an_old_answer_for_all_who_wait(void)
{
    uint64_t a, b;

    two((struct aiex_fake_pair[]){{"cache_ttl", "1s"}, {"attempts", "1"}, {0}});
    cached("{}");
    answer_ok(0);
    aiex_fake_advance(h, 1001);
    a = cached("{}");
    b = cached("{}");
    answer_error(1, "upstream", first);
    ended_well(a);
    ended_well(b);
    CU_ASSERT(parts_of(a, "part") && parts_of(b, "part"));
    CU_ASSERT_PTR_NOT_NULL(record_of(2)); /* each has its own */
    CU_ASSERT_PTR_NULL(record_of(3));
    finish();
}

static void only_from_the_cache(void)
{
    uint64_t id;

    two(NULL);
    id = ask(&(struct ask){.model = "m", .cache = "only"});
    failed(id, "not_found");
    cached(NULL);
    answer_ok(0);
    id = ask(&(struct ask){.model = "m", .cache = "only"});
    ended_well(id);
    CU_ASSERT_PTR_NULL(made(1));
    finish();
}

/* ---- Equal requests under way ---- */

static void followers_get_the_same_parts(void)
{
    struct aiex_slice as = NOTHING;
    uint64_t a, b, c;

    two((struct aiex_fake_pair[]){{"price.m", "input=1 output=1"}, {0}});
    a = cached("{}");
    b = cached("{}");
    answer_part(0, "one ");
    c = cached("{}"); /* late, but not too late */
    answer_part(0, "two");
    answer_end(0, 10, 2);
    CU_ASSERT_PTR_NULL(made(1));
    ended_well(a);
    ended_well(b);
    ended_well(c);
    CU_ASSERT(parts_of(a, "one two") && parts_of(b, "one two") && parts_of(c, "one two"));
    aiex_get_str(aiex_fake_answer(h, b)->body, "cached", &as);
    CU_ASSERT(aiex_slice_is(as, "coalesced"));
    CU_ASSERT_EQUAL(number(aiex_fake_answer(h, a)->body, "input_tokens"), 10);
    CU_ASSERT_PTR_NOT_NULL_FATAL(record_of(2));
    CU_ASSERT_PTR_NULL(record_of(3));
    CU_ASSERT(is(record_of(0), "cached", "coalesced") && is(record_of(1), "cached", "coalesced"));
    CU_ASSERT(lacks(record_of(2), "cached"));
    CU_ASSERT_EQUAL(number(record_of(0)->body, "cost"), 0);
    CU_ASSERT_EQUAL(number(record_of(2)->body, "cost"), 12);
    finish();
}

static void the_leader_may_leave(void)
{
    uint64_t a, b;

    two(NULL);
    a = cached("{}");
    b = cached("{}");
    answer_part(0, "one ");
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, a), 0);
    CU_ASSERT_EQUAL(aiex_fake_count(h, AIEX_FAKE_CANCEL), 0);
    answer_part(0, "two");
    answer_end(0, 10, 2);
    ended_well(b);
    CU_ASSERT(parts_of(b, "one two"));
    CU_ASSERT(is(record_of(1), "code", "cancelled")); /* who asked first pays, and left */
    finish();
    two(NULL);
    a = cached("{}");
    b = cached("{}");
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, b), 0);
    CU_ASSERT_EQUAL(aiex_fake_count(h, AIEX_FAKE_CANCEL), 0);
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, a), 0);
    CU_ASSERT_EQUAL(aiex_fake_count(h, AIEX_FAKE_CANCEL), 1); /* nobody listens any more */
    bill(0, 1, 1);
    CU_ASSERT(is(record_of(1), "code", "cancelled"));
    finish();
}

static void all_share_an_error(void)
{
    uint64_t a, b;

    two((struct aiex_fake_pair[]){{"attempts", "1"}, {"fallback", "none"}, {0}});
    a = cached("{}");
    b = cached("{}");
    answer_error(0, "invalid", first);
    failed(a, "invalid");
    failed(b, "invalid");
    CU_ASSERT_PTR_NOT_NULL(record_of(1));
    finish();
}

/* ---- Slow clients ---- */

static void a_slow_client_slows_its_stream(void)
{
    static char large[70000];
    uint64_t id;

    two((struct aiex_fake_pair[]){{"cache_entry", "1k"}, {0}});
    aiex_fake_window(h, 100000);
    memset(large, 'x', sizeof(large) - 1);
    id = cached("{}");
    answer_part(0, large);
    CU_ASSERT_EQUAL(aiex_fake_uncredited(h, made(0)->id), 0);
    answer_part(0, large); /* the window is full */
    CU_ASSERT_EQUAL(aiex_fake_uncredited(h, made(0)->id), sizeof(large) - 1);
    answer_part(0, "more");
    CU_ASSERT_EQUAL(aiex_fake_uncredited(h, made(0)->id), sizeof(large) + 3);
    CU_ASSERT_EQUAL(aiex_fake_resume(h, id), 1);
    CU_ASSERT_EQUAL(aiex_fake_uncredited(h, made(0)->id), 0);
    answer_end(0, 1, 1);
    ended_well(id);
    CU_ASSERT_EQUAL(aiex_fake_parts(h, id).len, 2 * (sizeof(large) - 1) + 4);
    finish();
}

static void who_never_reads_is_dropped(void)
{
    static char large[600000];
    uint64_t id;

    two(NULL);
    aiex_fake_window(h, 1000);
    memset(large, 'x', sizeof(large) - 1);
    id = cached("{}");
    for (int i = 0; i < 4 && !aiex_fake_answer(h, id); i++)
        answer_part(0, large);
    failed(id, "busy");
    CU_ASSERT_EQUAL(aiex_fake_last(h, AIEX_FAKE_CANCEL)->id, made(0)->id);
    bill(0, 1, 1);
    CU_ASSERT_PTR_NOT_NULL(record_of(0));
    finish();
}

const struct test_case tests[] = {
    {"the_second_one_may_win", the_second_one_may_win},
    {"the_first_one_may_win", the_first_one_may_win},
    {"no_second_one_for_a_quick_answer", no_second_one_for_a_quick_answer},
    {"one_of_two_may_fail", one_of_two_may_fail},
    {"leaving_cancels_both", leaving_cancels_both},
    {"a_quantile_needs_samples", a_quantile_needs_samples},
    {"callers_leave_while_they_are_given_a_part", callers_leave_while_they_are_given_a_part},
    {"headers_go_to_providers", headers_go_to_providers},
    {"a_hit_is_the_same_answer", a_hit_is_the_same_answer},
    {"what_differs_is_no_hit", what_differs_is_no_hit},
    {"shared_between_keys_when_told_so", shared_between_keys_when_told_so},
    {"only_good_whole_answers_are_kept", only_good_whole_answers_are_kept},
    {"it_ages", it_ages},
    {"an_old_answer_for_all_who_wait", an_old_answer_for_all_who_wait},
    {"only_from_the_cache", only_from_the_cache},
    {"followers_get_the_same_parts", followers_get_the_same_parts},
    {"the_leader_may_leave", the_leader_may_leave},
    {"all_share_an_error", all_share_an_error},
    {"a_slow_client_slows_its_stream", a_slow_client_slows_its_stream},
    {"who_never_reads_is_dropped", who_never_reads_is_dropped},
    {0},
};

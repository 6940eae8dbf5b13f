/*
 * service_coordinator: the usage record of every kind of end, and the bills of cancelled calls.
 */
#include "coordinator_rig.h"

#include <stdio.h>
#include <string.h>

static const struct aiex_fake_pair prices[] = {
    {"price.m", "input=2 cached=1 output=10"}, {"price.b/m", "input=4 output=20"}, {0}};

static void two(const struct aiex_fake_pair *pairs)
{
    world = (struct world){
        .providers = {{"provider_a", "provider_openai", 1, {"m"}, NULL},
                      {"provider_b", "provider_openai", 1, {"m"}, NULL},
                      {"provider_offline", "provider_offline", 1, {"aiex-offline"}, NULL}}};
    begin(pairs);
}

static const struct aiex_fake_record *record(size_t n)
{
    const struct aiex_fake_record *r = record_of(n);

    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    CU_ASSERT(aiex_is_map(r->body));
    CU_ASSERT_STRING_EQUAL(r->service, "gateway");
    CU_ASSERT(r->flags & AIEX_CALL_LAZY);
    CU_ASSERT_PTR_NULL(record_of(n + 1));
    return r;
}

/* The n-th row of `attempts`. */
static struct aiex_fake_record attempt(const struct aiex_fake_record *r, uint32_t n)
{
    struct aiex_fake_record row = {.body = NOTHING};
    struct aiex_value list = {0};
    struct aiex_slice at;

    CU_ASSERT_EQUAL_FATAL(aiex_get(r->body, "attempts", &list), 1);
    CU_ASSERT_FATAL(n < list.count);
    at = list.bytes;
    for (uint32_t i = 0; i <= n; i++) {
        row.body = at;
        aiex_r_skip(&at);
        row.body.len -= at.len;
    }
    return row;
}

static uint32_t attempts(const struct aiex_fake_record *r)
{
    struct aiex_value list = {.count = 99};

    aiex_get(r->body, "attempts", &list);
    return list.count;
}

static int has_text(const struct aiex_fake_record *r, const char *key, const char *part)
{
    struct aiex_slice s = NOTHING;

    return aiex_get_str(r->body, key, &s) == 1 && memmem(s.data, s.len, part, strlen(part)) != NULL;
}

static void a_good_request(void)
{
    const struct aiex_fake_record *r;
    struct aiex_slice principal, key;
    struct aiex_fake_record row;
    struct aiex_writer w;
    uint8_t body[256];

    two(prices);
    ask(&(struct ask){.model = "m", .key = "k1", .ticket = 77, .tag = "gold"});
    aiex_fake_advance(h, 40);
    aiex_writer_init(&w, body, sizeof(body));
    aiex_w_map(&w, 6);
    aiex_w_key_int(&w, "input_tokens", 1000);
    aiex_w_key_int(&w, "cached_tokens", 400);
    aiex_w_key_int(&w, "output_tokens", 50);
    aiex_w_key_int(&w, "first_ms", 15);
    aiex_w_key_str(&w, "finish", "stop");
    aiex_w_key_str(&w, "model", "m-2026");
    answer_part(0, "x");
    aiex_fake_answer_ok(h, made(0)->id, aiex_written(&w));
    r = record(0);
    CU_ASSERT(is(r, "operation", "chat") && is(r, "dialect", "openai.chat") && is(r, "asked", "m"));
    CU_ASSERT(is(r, "provider", "provider_a") && is(r, "model", "m-2026") && is(r, "code", ""));
    CU_ASSERT(is(r, "strategy", "ordered") && lacks(r, "alias") && is(r, "finish", "stop"));
    CU_ASSERT(is(r, "price", "known") && lacks(r, "cached"));
    CU_ASSERT_EQUAL(number(r->body, "cost"), (600 * 2 + 400 * 1 + 50 * 10));
    CU_ASSERT_EQUAL(number(r->body, "ticket"), 77);
    CU_ASSERT_EQUAL(number(r->body, "input_tokens"), 1000);
    CU_ASSERT_EQUAL(number(r->body, "cached_tokens"), 400);
    CU_ASSERT_EQUAL(number(r->body, "reasoning_tokens"), -999); /* not said */
    CU_ASSERT_EQUAL(number(r->body, "first_ms"), 15);
    CU_ASSERT_EQUAL(number(r->body, "total_ms"), 40);
    CU_ASSERT_EQUAL(number(r->body, "http_status"), 200);
    CU_ASSERT(number(r->body, "time") > 1600000000000);
    CU_ASSERT_EQUAL(aiex_get_whole(r->body, "principal", &principal), 1);
    CU_ASSERT(aiex_get_str(principal, "key", &key) == 1 && aiex_slice_is(key, "k1"));
    CU_ASSERT_EQUAL(aiex_get_whole(r->body, "tags", &principal), 1);
    CU_ASSERT(has_text(r, "why", "first in order of 2 that fit"));
    CU_ASSERT_EQUAL(attempts(r), 1);
    row = attempt(r, 0);
    CU_ASSERT(is(&row, "provider", "provider_a") && is(&row, "model", "m") && is(&row, "code", ""));
    CU_ASSERT_EQUAL(number(row.body, "cost"), 2100);
    finish();
}

/* A provider may say any number; sums of them must stay numbers. */
static void absurd_counts_stay_numbers(void)
{
    two((struct aiex_fake_pair[]){{"price.m", "input=2 output=10"}, {0}});
    chat("m");
    answer_part(0, "x");
    answer_end(0, INT64_MAX, INT64_MAX);
    CU_ASSERT_EQUAL(number(record(0)->body, "input_tokens"), INT64_C(1000000000000));
    CU_ASSERT_EQUAL(number(record(0)->body, "output_tokens"), INT64_C(1000000000000));
    CU_ASSERT_EQUAL(number(record(0)->body, "cost"), INT64_C(12000000000000));
    finish();
}

static void unknown_prices_are_never_nothing(void)
{
    two(NULL);
    chat("m");
    answer_ok(0);
    CU_ASSERT(is(record(0), "price", "unknown"));
    CU_ASSERT_EQUAL(number(record(0)->body, "cost"), -999);
    finish();
}

static void failed_attempts_are_accounted(void)
{
    struct aiex_fake_record row;
    struct aiex_writer w;
    uint8_t body[256];

    two(prices);
    chat("m");
    aiex_fake_advance(h, 10);
    aiex_writer_init(&w, body, sizeof(body));
    aiex_w_map(&w, 4);
    aiex_w_key_str(&w, "provider", "provider_a");
    aiex_w_key_str(&w, "reason", "server");
    aiex_w_key_int(&w, "input_tokens", 500);
    aiex_w_key_bool(&w, "started", 1);
    aiex_fake_answer_error(h, made(0)->id, "upstream", "it broke", 0, aiex_written(&w));
    answer_ok(1);
    CU_ASSERT_EQUAL(attempts(record(0)), 2);
    CU_ASSERT_EQUAL(number(record(0)->body, "cost"), 500 * 2 + 10 * 4 + 3 * 20);
    row = attempt(record(0), 0);
    CU_ASSERT(is(&row, "provider", "provider_a") && is(&row, "code", "upstream"));
    CU_ASSERT(is(&row, "reason", "server") && is(&row, "text", "it broke"));
    CU_ASSERT_EQUAL(number(row.body, "ms"), 10);
    CU_ASSERT_EQUAL(number(row.body, "cost"), 1000);
    row = attempt(record(0), 1);
    CU_ASSERT_EQUAL(number(row.body, "at_ms"), 10);
    CU_ASSERT(is(record(0), "provider", "provider_b"));
    CU_ASSERT(has_text(record(0), "why",
                       "the only one that fits; provider_a was passed over: it was tried"));
    finish();
}

static void errors_have_records(void)
{
    two(prices);
    chat("m");
    answer_error(0, "invalid", "provider_a");
    CU_ASSERT(is(record(0), "code", "invalid") && is(record(0), "provider", "provider_a"));
    CU_ASSERT_EQUAL(number(record(0)->body, "http_status"), 499);
    CU_ASSERT_EQUAL(number(record(0)->body, "cost"), 0);
    finish();
    two(prices);
    chat("nobody-has-it");
    CU_ASSERT(is(record(0), "code", "not_found") && is(record(0), "provider", ""));
    CU_ASSERT(has_text(record(0), "why", "nobody was asked"));
    finish();
}

static void a_stream_that_broke_off(void)
{
    struct aiex_writer w;
    uint8_t body[256];

    two(prices);
    chat("m");
    answer_part(0, "half");
    aiex_writer_init(&w, body, sizeof(body));
    aiex_w_map(&w, 4);
    aiex_w_key_str(&w, "provider", "provider_a");
    aiex_w_key_int(&w, "input_tokens", 100);
    aiex_w_key_int(&w, "output_tokens", 20);
    aiex_w_key_bool(&w, "estimated", 1);
    aiex_fake_answer_error(h, made(0)->id, "upstream", "cut", 0, aiex_written(&w));
    CU_ASSERT(is(record(0), "code", "upstream"));
    CU_ASSERT_EQUAL(number(record(0)->body, "cost"), 400);
    CU_ASSERT_EQUAL(number(record(0)->body, "output_tokens"), 20);
    finish();
}

static void a_crash_is_estimated(void)
{
    int estimated = 0;

    two(prices);
    chat("m");
    answer_part(0, "half");
    aiex_fake_answer_error(h, made(0)->id, "crashed", "killed", 0, NOTHING);
    CU_ASSERT(is(record(0), "code", "crashed"));
    CU_ASSERT(number(record(0)->body, "input_tokens") > 0);
    CU_ASSERT(number(record(0)->body, "cost") > 0);
    aiex_get_bool(record(0)->body, "estimated", &estimated);
    CU_ASSERT_EQUAL(estimated, 1);
    finish();
}

static void a_cancelled_request_waits_for_its_bill(void)
{
    uint64_t id;

    two(prices);
    id = ask(&(struct ask){.model = "m", .ticket = 9});
    answer_part(0, "half");
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, id), 0);
    CU_ASSERT_PTR_NULL(record_of(0));
    bill(0, 100, 7);
    CU_ASSERT(is(record(0), "code", "cancelled"));
    CU_ASSERT_EQUAL(number(record(0)->body, "ticket"), 9);
    CU_ASSERT_EQUAL(number(record(0)->body, "cost"), 270);
    CU_ASSERT_EQUAL(number(record(0)->body, "http_status"), 499);
    bill(0, 100, 7); /* twice: one record */
    record(0);
    finish();
}

static void without_a_bill_the_prompt_is_estimated(void)
{
    uint64_t id;

    two(prices);
    id = chat("m");
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, id), 0);
    aiex_fake_advance(h, 4000);
    CU_ASSERT_PTR_NULL(record_of(0));
    aiex_fake_advance(h, 3000);
    CU_ASSERT(is(record(0), "code", "cancelled"));
    CU_ASSERT(number(record(0)->body, "input_tokens") > 0);
    bill(0, 100, 7); /* too late */
    record(0);
    finish();
    two(prices);
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, chat("m")), 0);
    aiex_fake_stop(h, p, self); /* the coordinator ends before the bill comes */
    CU_ASSERT(is(record(0), "code", "cancelled"));
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
    memset(&world, 0, sizeof(world));
}

static void a_bill_for_an_earlier_life(void)
{
    uint8_t kept[4096];
    struct aiex_slice account = NOTHING;
    struct aiex_writer w;
    uint8_t body[8192];

    two(prices);
    ask(&(struct ask){.model = "m", .ticket = 31, .key = "k9"});
    aiex_get_bytes(made(0)->body, "account", &account);
    CU_ASSERT_FATAL(account.len > 0 && account.len <= 2048);
    memcpy(kept, account.data, account.len);
    account.data = kept;
    answer_ok(0);
    finish();
    two(prices);
    aiex_writer_init(&w, body, sizeof(body));
    aiex_w_map(&w, 5);
    aiex_w_key_bin(&w, "account", account.data, account.len);
    aiex_w_key_str(&w, "provider", "provider_b");
    aiex_w_key_str(&w, "model", "m");
    aiex_w_key_int(&w, "input_tokens", 10);
    aiex_w_key_int(&w, "output_tokens", 1);
    aiex_fake_cast(h, p, self, "coordinator.settle", aiex_written(&w));
    CU_ASSERT(is(record(0), "code", "cancelled") && is(record(0), "provider", "provider_b"));
    CU_ASSERT(is(record(0), "asked", "m"));
    CU_ASSERT_EQUAL(number(record(0)->body, "ticket"), 31);
    CU_ASSERT_EQUAL(number(record(0)->body, "cost"), 60);
    finish();
}

/* A coordinator before this one wrote its own part as a map that stands as it is. */
static void a_bill_with_an_account_of_old(void)
{
    static const uint8_t account[] = "\x82\xa1_\x84\xa6serial\x01\xa4"
                                     "cell\x02\xa5trace\x09\xa6settle\xa7gateway"
                                     "\xa6ticket\x1f";
    struct aiex_writer w;
    uint8_t body[256];

    two(prices);
    aiex_writer_init(&w, body, sizeof(body));
    aiex_w_map(&w, 4);
    aiex_w_key_bin(&w, "account", account, sizeof(account) - 1);
    aiex_w_key_str(&w, "provider", "provider_b");
    aiex_w_key_str(&w, "model", "m");
    aiex_w_key_int(&w, "input_tokens", 10);
    aiex_fake_cast(h, p, self, "coordinator.settle", aiex_written(&w));
    CU_ASSERT(is(record(0), "id", "0000000000000009") && is(record(0), "model", "m"));
    CU_ASSERT_EQUAL(number(record(0)->body, "ticket"), 31);
    finish();
}

static void bills_of_nonsense(void)
{
    struct aiex_writer w;
    uint8_t body[256];

    two(prices);
    aiex_fake_cast(h, p, self, "coordinator.settle", NOTHING);
    for (size_t n = 0; n < 55; n++) {
        aiex_writer_init(&w, body, sizeof(body));
        aiex_w_map(&w, 2);
        aiex_w_key_bin(&w, "account",
                       "\x81\xa1_\x82\xa6"
                       "serial\x01\xa4"
                       "cell\x02"
                       "abcdefghijklmnopqrstuvwxyzabcdefghijklmno",
                       n);
        aiex_w_key_str(&w, "provider", "provider_a");
        aiex_fake_cast(h, p, self, "coordinator.settle", aiex_written(&w));
    }
    for (size_t n = 0; n < 22; n++) { /* cut within what the bin holds, whose length is right */
        aiex_writer_init(&w, body, sizeof(body));
        aiex_w_map(&w, 2);
        aiex_w_str(&w, "account");
        aiex_w_bin_head(&w, n + 5);
        aiex_w_raw(&w, "\x81\xa1_", 3);
        aiex_w_bin(&w,
                   "\x82\xa4"
                   "cell\x02\xa6serial\xcf\x00\x00\x00\x00\x00\x00",
                   n);
        aiex_w_key_str(&w, "provider", "provider_a");
        aiex_fake_cast(h, p, self, "coordinator.settle", aiex_written(&w));
    }
    CU_ASSERT_PTR_NULL(record_of(0)); /* nobody to tell */
    finish();
}

static void offline_answers_are_free_and_marked(void)
{
    int offline = 0;

    two(prices);
    chat("m");
    answer_error(0, "crashed", NULL);
    answer_error(1, "crashed", NULL);
    went_to(2, "provider_offline", "m");
    answer_ok(2);
    aiex_get_bool(record(0)->body, "offline", &offline);
    CU_ASSERT_EQUAL(offline, 1);
    CU_ASSERT(has_text(record(0), "why", "no provider could answer"));
    finish();
}

static void aliases_and_fallbacks_are_told(void)
{
    struct aiex_fake_record row;

    two((struct aiex_fake_pair[]){{"alias.big", "a/m"},
                                  {"alias.small", "b/m"},
                                  {"strategy.small", "least_load"},
                                  {"fallback.big.overloaded", "small"},
                                  {0}});
    chat("big");
    answer_fault(0, &(struct fault){.code = "busy", .reason = "overloaded"});
    answer_ok(1);
    CU_ASSERT(is(record(0), "asked", "big") && is(record(0), "alias", "small"));
    CU_ASSERT(is(record(0), "strategy", "least_load"));
    row = attempt(record(0), 1);
    CU_ASSERT(has_text(&row, "why", "fallback for overloaded"));
    finish();
}

static void counting_is_no_request(void)
{
    struct aiex_writer w;
    uint8_t body[64];
    uint64_t id;

    two(prices);
    id = ask(&(struct ask){.method = "coordinator.count", .model = "m"});
    CU_ASSERT_STRING_EQUAL(made(0)->name, "provider.count");
    aiex_writer_init(&w, body, sizeof(body));
    aiex_w_map(&w, 1);
    aiex_w_key_int(&w, "input_tokens", 12);
    aiex_fake_answer_ok(h, made(0)->id, aiex_written(&w));
    ended_well(id);
    CU_ASSERT_PTR_NULL(record_of(0));
    finish();
}

static void prices_are_told(void)
{
    struct aiex_writer w;
    uint8_t body[128];
    uint64_t id;
    int known;
    static const struct {
        const char *model;
        int64_t cost;
        int known;
        int64_t input, output; /* prices; -999 = not told */
    } rows[] = {{"m", 4 * 100 + 20 * 10, 1, 4000000, 20000000},
                {"a/m", 2 * 100 + 10 * 10, 1, 2000000, 10000000},
                {"provider_b/m", 400 + 200, 1, 4000000, 20000000},
                {"both", 600, 1, 4000000, 20000000}, /* the dearest */
                {"unpriced", 0, 0, -999, -999}};

    two((struct aiex_fake_pair[]){{"price.m", "input=2 output=10"},
                                  {"price.b/m", "input=4 output=20"},
                                  {"alias.both", "a/m, b/m"},
                                  {0}});
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        aiex_writer_init(&w, body, sizeof(body));
        aiex_w_map(&w, 3);
        aiex_w_key_str(&w, "model", rows[i].model);
        aiex_w_key_int(&w, "input_tokens", 100);
        aiex_w_key_int(&w, "output_tokens", 10);
        id = aiex_fake_request(h, p, self, "coordinator.price", aiex_written(&w), 0);
        ended_well(id);
        CU_ASSERT_EQUAL(number(aiex_fake_answer(h, id)->body, "cost"), rows[i].cost);
        aiex_get_bool(aiex_fake_answer(h, id)->body, "known", &known);
        CU_ASSERT_EQUAL(known, rows[i].known);
        CU_ASSERT_EQUAL(number(aiex_fake_answer(h, id)->body, "input_price"), rows[i].input);
        CU_ASSERT_EQUAL(number(aiex_fake_answer(h, id)->body, "output_price"), rows[i].output);
    }
    failed(aiex_fake_request(h, p, self, "coordinator.price", NOTHING, 0), "invalid");
    finish();
}

static void metrics_are_clean(void)
{
    struct aiex_slice text = NOTHING;
    char copy[65536], *line, *save = NULL;
    uint64_t id;

    two(prices);
    chat("m");
    answer_error(0, "upstream", "provider_a");
    answer_ok(1);
    id = aiex_fake_request(h, p, self, "coordinator.metrics", NOTHING, 0);
    ended_well(id);
    CU_ASSERT_EQUAL(aiex_get_str(aiex_fake_answer(h, id)->body, "text", &text), 1);
    CU_ASSERT_FATAL(text.len < sizeof(copy));
    memcpy(copy, text.data, text.len);
    copy[text.len] = 0;
    CU_ASSERT_PTR_NOT_NULL(strstr(
        copy,
        "aiex_llm_requests_total{provider=\"provider_a\",status=\"upstream\",node=\"fake\"} 1\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(
        copy, "aiex_llm_requests_total{provider=\"provider_b\",status=\"ok\",node=\"fake\"} 1\n"));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(copy, "aiex_llm_tokens_total{provider=\"provider_b\",direction=\"output\"} 3\n"));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(copy, "aiex_llm_cost_dollars_total{provider=\"provider_b\"} 0.000100\n"));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(copy, "aiex_llm_breaker_state{provider=\"provider_a\",model=\"m\"} 0\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(
        copy, "aiex_llm_request_duration_seconds_bucket{provider=\"provider_b\",le=\"+Inf\"} 1\n"));
    /* each line is a comment or NAME{...} VALUE, and each series stands below its own TYPE */
    for (line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        static char type[128];
        size_t n = strcspn(line, "{ ");

        if (strncmp(line, "# TYPE ", 7) == 0)
            snprintf(type, sizeof(type), "%.*s", (int)strcspn(line + 7, " "), line + 7);
        if (line[0] == '#')
            continue;
        CU_ASSERT(strncmp(line, type, strlen(type)) == 0);
        CU_ASSERT(n >= strlen(type));
        CU_ASSERT_PTR_NOT_NULL(strrchr(line, ' '));
    }
    finish();
}

const struct test_case tests[] = {
    {"a_good_request", a_good_request},
    {"absurd_counts_stay_numbers", absurd_counts_stay_numbers},
    {"unknown_prices_are_never_nothing", unknown_prices_are_never_nothing},
    {"failed_attempts_are_accounted", failed_attempts_are_accounted},
    {"errors_have_records", errors_have_records},
    {"a_stream_that_broke_off", a_stream_that_broke_off},
    {"a_crash_is_estimated", a_crash_is_estimated},
    {"a_cancelled_request_waits_for_its_bill", a_cancelled_request_waits_for_its_bill},
    {"without_a_bill_the_prompt_is_estimated", without_a_bill_the_prompt_is_estimated},
    {"a_bill_for_an_earlier_life", a_bill_for_an_earlier_life},
    {"a_bill_with_an_account_of_old", a_bill_with_an_account_of_old},
    {"bills_of_nonsense", bills_of_nonsense},
    {"offline_answers_are_free_and_marked", offline_answers_are_free_and_marked},
    {"aliases_and_fallbacks_are_told", aliases_and_fallbacks_are_told},
    {"counting_is_no_request", counting_is_no_request},
    {"prices_are_told", prices_are_told},
    {"metrics_are_clean", metrics_are_clean},
    {0},
};

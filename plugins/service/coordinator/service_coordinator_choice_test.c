/*
 * service_coordinator: aliases, strategies, conditions, capabilities, warm places, limits and
 * queues as a client and an operator see them; options and reload.
 */
#include "coordinator_rig.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const first = "provider_a", *const second = "provider_b";

static void two(const struct aiex_fake_pair *pairs)
{
    world = (struct world){.providers = {{"provider_a", "provider_openai", 1, {"m", "x"}, NULL},
                                         {"provider_b", "provider_openai", 1, {"m", "y"}, NULL}}};
    begin(pairs);
}

/* Where n requests for a model went; each is answered before the next. */
static const char *places(const char *model, int n)
{
    static char out[64];
    static size_t at;

    at = 0;
    while (made(at))
        at++;
    for (int i = 0; i < n; i++) {
        char session[16];

        snprintf(session, sizeof(session), "s%d", i);
        ask(&(struct ask){.model = model, .session = session});
        if (!made(at)) {
            out[i] = '-';
            continue;
        }
        out[i] = made(at)->service[strlen("provider_")];
        answer_ok(at++);
    }
    out[n] = 0;
    return out;
}

static void aliases_name_models(void)
{
    two((struct aiex_fake_pair[]){
        {"alias.fast", "b/other-name, provider_a/x"}, {"alias.m", "y"}, {0}});
    chat("fast");
    went_to(0, second, "other-name");
    answer_error(0, "upstream", second);
    went_to(1, first, "x");
    answer_ok(1);
    chat("m"); /* an alias hides the model of that name */
    went_to(2, second, "y");
    answer_ok(2);
    finish();
}

static void conditions_steer(void)
{
    static const char tools[] =
        "{\"tools\":[{}],\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}";
    static char large[40000];

    two((struct aiex_fake_pair[]){
        {"alias.c", "a/t if tools, b/gold if tag:tier=gold, b/big if context>5k, a/small"}, {0}});
    ask(&(struct ask){.model = "c", .body = tools});
    CU_ASSERT(is(made(0), "model", "t"));
    answer_ok(0);
    ask(&(struct ask){.model = "c", .tag = "gold"});
    went_to(1, second, "gold");
    answer_ok(1);
    snprintf(large, sizeof(large), "{\"messages\":[{\"role\":\"user\",\"content\":\"%030000d\"}]}",
             7);
    ask(&(struct ask){.model = "c", .body = large});
    CU_ASSERT(is(made(2), "model", "big"));
    answer_ok(2);
    chat("c");
    went_to(3, first, "small");
    answer_ok(3);
    finish();
    two((struct aiex_fake_pair[]){{"alias.c", "a/t if tools"}, {0}});
    failed(chat("c"), "unavailable"); /* nothing fits */
    finish();
}

static void strategies_spread(void)
{
    int a = 0;

    two((struct aiex_fake_pair[]){{"strategy", "round_robin"}, {0}});
    CU_ASSERT_STRING_EQUAL(places("m", 4), "abab");
    finish();
    two((struct aiex_fake_pair[]){{"strategy", "lowest_cost"},
                                  {"price.a", "for=a/* input=5 output=5"},
                                  {"price.b", "for=b/* input=1"},
                                  {0}});
    CU_ASSERT_STRING_EQUAL(places("m", 2), "bb");
    finish();
    two((struct aiex_fake_pair[]){{"strategy", "least_load"}, {0}});
    chat("x");
    CU_ASSERT_STRING_EQUAL(places("m", 2), "bb");
    answer_ok(0);
    finish();
    two((struct aiex_fake_pair[]){{"alias.w", "a/m weight=1, b/m weight=9"},
                                  {"strategy.w", "weighted"},
                                  {"affinity", "0"},
                                  {0}});
    for (int i = 0; i < 20; i++)
        a += places("w", 10)[0] == 'a';
    CU_ASSERT(a < 15);
    finish();
}

static void latency_is_learned(void)
{
    two((struct aiex_fake_pair[]){
        {"strategy", "lowest_latency"}, {"affinity", "0"}, {"hedge", "1m"}, {0}});
    chat("m");
    aiex_fake_advance(h, 500);
    answer_ok(0); /* a is slow */
    chat("m");
    CU_ASSERT_STRING_EQUAL(made(1)->service, second);
    aiex_fake_advance(h, 10);
    answer_ok(1);
    CU_ASSERT_STRING_EQUAL(places("m", 3), "bbb");
    finish();
}

static void what_is_loaded_goes_first(void)
{
    world = (struct world){
        .providers = {{"provider_a", "provider_openai", 1, {"m"}, NULL},
                      {"provider_ollama", "provider_ollama", 1, {"m"}, NULL},
                      {"provider_lmstudio", "provider_lmstudio", 1, {"m"}, NULL}},
        .models = {[2] = {.loaded = 1}}};
    begin((struct aiex_fake_pair[]){{"strategy", "affinity"}, {"affinity", "0"}, {0}});
    chat("m");
    went_to(0, "provider_lmstudio", "m");
    answer_error(0, "upstream", "provider_lmstudio");
    went_to(1, "provider_ollama", "m");
    answer_ok(1);
    finish();
}

static void a_conversation_stays_where_it_is_warm(void)
{
    two((struct aiex_fake_pair[]){{"strategy", "round_robin"}, {0}});
    for (size_t i = 0; i < 4; i++) {
        ask(&(struct ask){.model = "m", .session = "mine"});
        went_to(i, first, "m");
        answer_ok(i);
    }
    ask(&(struct ask){.model = "m", .session = "mine", .key = "another"}); /* not his */
    CU_ASSERT_STRING_EQUAL(made(4)->service, first);
    answer_ok(4);
    aiex_fake_advance(h, 400000); /* cold */
    ask(&(struct ask){.model = "m", .session = "mine"});
    went_to(5, second, "m");
    answer_ok(5);
    ask(&(struct ask){.model = "m", .session = "mine"});
    went_to(6, second, "m"); /* it moved */
    answer_fault(6,
                 &(struct fault){.code = "busy", .reason = "rate_limit", .retry_after_ms = 5000});
    went_to(7, first, "m");
    answer_ok(7);
    finish();
}

static void capabilities_and_context(void)
{
    static char large[40000];
    static const char tools[] = "{\"tools\":[{}]}";

    world = (struct world){.providers = {{"provider_a", "provider_openai", 1, {"m"}, NULL},
                                         {"provider_b", "provider_openai", 1, {"m"}, NULL}},
                           .models = {{"vision", 4096, 0}, {"tools", 100000, 0}}};
    begin(NULL);
    ask(&(struct ask){.model = "m", .body = tools});
    CU_ASSERT_STRING_EQUAL(made(0)->service, second);
    answer_ok(0);
    snprintf(large, sizeof(large), "{\"messages\":[{\"role\":\"user\",\"content\":\"%030000d\"}]}",
             7);
    ask(&(struct ask){.model = "m", .body = large});
    CU_ASSERT_STRING_EQUAL(made(1)->service, second);
    answer_ok(1);
    chat("m");
    went_to(2, first, "m");
    answer_ok(2);
    ask(&(struct ask){.model = "a/m",
                      .body = tools}); /* who asks for it gets it: the vendor says no best */
    CU_ASSERT_STRING_EQUAL(made(3)->service, first);
    answer_ok(3);
    finish();
}

/* Who does not have the model is no better than one whose model can not do all of it. */
static void the_only_one_with_the_model_is_asked(void)
{
    world = (struct world){.providers = {{"provider_a", "provider_openai", 1, {"m"}, NULL},
                                         {"provider_b", "provider_openai", 1, {"y"}, NULL}},
                           .models = {{"vision", 4096, 0}, {NULL, 0, 0}}};
    begin(NULL);
    ask(&(struct ask){.model = "m", .body = "{\"tools\":[{}]}"});
    CU_ASSERT_PTR_NOT_NULL_FATAL(made(0));
    CU_ASSERT_STRING_EQUAL(made(0)->service, first);
    answer_ok(0);
    finish();
}

static void limits_spill_over_and_queue(void)
{
    uint64_t low, high;

    two((struct aiex_fake_pair[]){
        {"limit.a", "concurrency=1"}, {"limit.b", "concurrency=1 queue=2"}, {0}});
    chat("m");
    chat("m");
    CU_ASSERT_STRING_EQUAL(made(0)->service, first);
    CU_ASSERT_STRING_EQUAL(made(1)->service, second); /* a may not: b does */
    low = ask(&(struct ask){.model = "y", .priority = 2});
    high = ask(&(struct ask){.model = "y", .priority = 1});
    failed(ask(&(struct ask){.model = "y"}), "busy"); /* the queue is full */
    CU_ASSERT_EQUAL(number(aiex_fake_last(h, AIEX_FAKE_FAIL)->body, "http_status"), 429);
    CU_ASSERT(aiex_fake_last(h, AIEX_FAKE_FAIL)->retry_after_ms > 0);
    CU_ASSERT_EQUAL(status(second, "queued"), 2);
    answer_ok(1);
    answer_ok(2);
    ended_well(high);
    CU_ASSERT_PTR_NULL(aiex_fake_answer(h, low));
    answer_ok(3);
    ended_well(low);
    answer_ok(0);
    finish();
}

static void requests_per_minute(void)
{
    world = (struct world){.providers = {{"provider_a", "provider_openai", 1, {"m"}, NULL}}};
    begin((struct aiex_fake_pair[]){{"limit.a", "rpm=2"}, {"queue_time", "2m"}, {0}});
    ask(&(struct ask){.model = "m", .timeout_ms = 120000});
    ask(&(struct ask){.model = "m", .timeout_ms = 120000});
    ask(&(struct ask){.model = "m", .timeout_ms = 120000});
    answer_ok(0);
    answer_ok(1);
    CU_ASSERT_PTR_NULL(made(2));
    aiex_fake_advance(h, 59000);
    CU_ASSERT_PTR_NULL(made(2));
    aiex_fake_advance(h, 3000);
    CU_ASSERT_PTR_NOT_NULL_FATAL(made(2));
    answer_ok(2);
    finish();
}

static void the_queue_goes_elsewhere_when_the_provider_dies(void)
{
    struct aiex_writer w;
    uint8_t body[128];

    two((struct aiex_fake_pair[]){{"limit.a", "concurrency=1"}, {"limit.b", "concurrency=1"}, {0}});
    chat("m");
    chat("m");
    ask(&(struct ask){.model = "m"}); /* waits for a */
    CU_ASSERT_EQUAL(status(first, "queued"), 1);
    answer_ok(1);
    aiex_writer_init(&w, body, sizeof(body));
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "type", "down");
    aiex_w_key_str(&w, "subject", first);
    aiex_fake_event(h, p, self, "provider.health", aiex_written(&w));
    CU_ASSERT_PTR_NOT_NULL_FATAL(made(2));
    CU_ASSERT_STRING_EQUAL(made(2)->service, second);
    answer_ok(2);
    answer_ok(0);
    finish();
}

static void other_operations(void)
{
    uint64_t id;

    two(NULL);
    id = ask(&(struct ask){
        .method = "coordinator.embed", .dialect = "openai.embeddings", .model = "m", .unary = 1});
    CU_ASSERT_STRING_EQUAL(made(0)->name, "provider.embed");
    answer_ok(0);
    ended_well(id);
    CU_ASSERT(is(record_of(0), "operation", "embed"));
    ask(&(struct ask){
        .method = "coordinator.complete", .dialect = "openai.completions", .model = "m"});
    CU_ASSERT_STRING_EQUAL(made(1)->name, "provider.complete");
    answer_error(1, "crashed", NULL);
    answer_error(2, "crashed", NULL);
    failed(aiex_fake_last(h, AIEX_FAKE_FAIL)->id, "crashed");
    finish();
}

static void aliases_are_listed(void)
{
    struct aiex_value list = {0}, targets;
    struct aiex_slice at, id;
    int alias = 0;
    uint64_t call;

    two((struct aiex_fake_pair[]){{"alias.fast", "a/x, b/y"}, {0}});
    call = aiex_fake_request(h, p, self, "coordinator.models", NOTHING, 0);
    CU_ASSERT_EQUAL_FATAL(aiex_get(aiex_fake_answer(h, call)->body, "models", &list), 1);
    CU_ASSERT_EQUAL(list.count, 4);
    at = list.bytes;
    aiex_r_skip(&at);
    at = (struct aiex_slice){list.bytes.data, list.bytes.len - at.len};
    CU_ASSERT(aiex_get_str(at, "id", &id) == 1 && aiex_slice_is(id, "fast"));
    CU_ASSERT(aiex_get_bool(at, "alias", &alias) == 1 && alias == 1);
    CU_ASSERT(aiex_get(at, "targets", &targets) == 1 && targets.count == 2);
    finish();
}

static void a_bad_reload_changes_nothing(void)
{
    struct aiex_error err = {""};

    two((struct aiex_fake_pair[]){{"alias.fast", "b/y"}, {0}});
    CU_ASSERT_EQUAL(aiex_fake_reload(h, p, self,
                                     (struct aiex_fake_pair[]){{"alias.fast", "a/x wei=3"}, {0}},
                                     &err),
                    -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(err.text, "alias.fast = 'a/x wei=3': column 5: 'wei' is not understood"));
    chat("fast");
    went_to(0, second, "y");
    CU_ASSERT_EQUAL(
        aiex_fake_reload(h, p, self, (struct aiex_fake_pair[]){{"alias.fast", "a/x"}, {0}}, &err),
        0);
    answer_ok(0); /* what runs keeps its plan */
    chat("fast");
    went_to(1, first, "x");
    CU_ASSERT_EQUAL(aiex_fake_reload(h, p, self, (struct aiex_fake_pair[]){{0}}, &err), 0);
    answer_ok(1);
    failed(chat("fast"), "not_found");
    finish();
}

static void prices_and_limits_reload(void)
{
    struct aiex_error err = {""};

    two((struct aiex_fake_pair[]){{"limit.a", "concurrency=1"}, {"price.m", "input=1"}, {0}});
    ask(&(struct ask){.model = "a/m"});
    ask(&(struct ask){.model = "a/m"});
    CU_ASSERT_PTR_NULL(made(1));
    CU_ASSERT_EQUAL(aiex_fake_reload(h, p, self,
                                     (struct aiex_fake_pair[]){
                                         {"limit.a", "concurrency=2"}, {"price.m", "input=3"}, {0}},
                                     &err),
                    0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(made(1)); /* who waited goes at once */
    answer_ok(0);
    answer_ok(1);
    ask(&(struct ask){.model = "a/m"});
    answer_ok(2);
    CU_ASSERT_EQUAL(number(record_of(2)->body, "cost"), 30);
    finish();
}

static void wrong_options(void)
{
    static const struct {
        const char *name, *text, *says;
    } rows[] = {
        {"alias.a", "| hedge=off", "a target (INSTANCE/MODEL or MODEL) is missing"},
        {"strategy.a", "ordered", "there is no alias of that name"},
        {"limit.a", "rpm", "'=' and a number are missing"},
        {"price.a", "cheap", "'cheap' is no class of tokens"},
        {"fallback.sometimes", "a", "the key does not end with a reason"},
        {"hedge", "p99 p50", "option.hedge"},
        {"hedge", "often", "'often' is no time for hedge"},
        {"local", "a_name_that_is_far_longer_than_the_sixty_three_bytes_of_names_allowed",
         "option 'local'"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct aiex_error err = {""};

        h = aiex_fake_host_new("service_coordinator");
        p = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
        CU_ASSERT_EQUAL(
            aiex_fake_start(h, p, (struct aiex_fake_pair[]){{rows[i].name, rows[i].text}, {0}},
                            &self, &err),
            -EINVAL);
        if (!strstr(err.text, rows[i].says)) {
            printf("\n'%s' lacks '%s'\n", err.text, rows[i].says);
            CU_FAIL("another sentence");
        }
        CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
    }
}

static void starts_without_memory(void)
{
    struct aiex_error err;

    for (size_t n = 1; n < 4; n++) {
        h = aiex_fake_host_new("service_coordinator");
        p = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
        aiex_fake_fail_alloc(h, n);
        CU_ASSERT(aiex_fake_start(h, p, (struct aiex_fake_pair[]){{0}}, &self, &err) < 0);
        CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
    }
}

const struct test_case tests[] = {
    {"aliases_name_models", aliases_name_models},
    {"conditions_steer", conditions_steer},
    {"strategies_spread", strategies_spread},
    {"latency_is_learned", latency_is_learned},
    {"what_is_loaded_goes_first", what_is_loaded_goes_first},
    {"a_conversation_stays_where_it_is_warm", a_conversation_stays_where_it_is_warm},
    {"capabilities_and_context", capabilities_and_context},
    {"the_only_one_with_the_model_is_asked", the_only_one_with_the_model_is_asked},
    {"limits_spill_over_and_queue", limits_spill_over_and_queue},
    {"requests_per_minute", requests_per_minute},
    {"the_queue_goes_elsewhere_when_the_provider_dies",
     the_queue_goes_elsewhere_when_the_provider_dies},
    {"other_operations", other_operations},
    {"aliases_are_listed", aliases_are_listed},
    {"a_bad_reload_changes_nothing", a_bad_reload_changes_nothing},
    {"prices_and_limits_reload", prices_and_limits_reload},
    {"wrong_options", wrong_options},
    {"starts_without_memory", starts_without_memory},
    {0},
};

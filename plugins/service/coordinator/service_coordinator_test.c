/* service_coordinator: who is asked, what follows from errors, news. */
#include "coordinator_rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Choice ---- */

static void goes_to_who_has_the_model(void)
{
    uint64_t id;

    two_and_offline();
    id = chat("m2");
    went_to(0, "provider_openai:b", "m2");
    CU_ASSERT_EQUAL(number(made(0)->body, "attempt"), 1);
    CU_ASSERT_EQUAL(status("provider_openai:b", "in_flight"), 1);
    answer_ok(0);
    CU_ASSERT_EQUAL(aiex_fake_answer(h, id)->kind, AIEX_FAKE_REPLY);
    CU_ASSERT_EQUAL(aiex_fake_parts(h, id).len, 4);
    CU_ASSERT_EQUAL(status("provider_openai:b", "in_flight"), 0);
    CU_ASSERT_EQUAL(status("provider_openai:b", "requests"), 1);
    CU_ASSERT_EQUAL(status("provider_openai:b", "input_tokens"), 10);
    CU_ASSERT_EQUAL(status("provider_openai:b", "output_tokens"), 3);
    chat("both");
    went_to(1, "provider_openai:a", "both");
    answer_ok(1);
    chat("aiex-offline");
    went_to(2, "provider_offline", "aiex-offline");
    answer_ok(2);
    failed(chat("nobody-has-it"), "not_found");
    CU_ASSERT_EQUAL(number(aiex_fake_last(h, AIEX_FAKE_FAIL)->body, "http_status"), 404);
    finish();
}

static void a_provider_can_be_named(void)
{
    two_and_offline();
    chat("provider_openai:b/anything");
    went_to(0, "provider_openai:b", "anything");
    answer_ok(0);
    chat("openai:a/x/y");
    went_to(1, "provider_openai:a", "x/y");
    answer_error(1, "upstream", "provider_openai:a");
    CU_ASSERT_PTR_NULL(made(2)); /* b is not asked: the client chose; a is, after a pause */
    aiex_fake_advance(h, 1000);
    went_to(2, "provider_openai:a", "x/y");
    answer_error(2, "invalid", "provider_openai:a");
    failed(aiex_fake_last(h, AIEX_FAKE_FAIL)->id, "invalid");
    failed(chat("unknown/model"), "not_found");
    failed(chat("openai:a/"), "not_found");
    finish();
    world = (struct world){
        .providers = {{"provider_openai:a", "provider_openai", 1, {"m"}, NULL},
                      {"provider_router", "provider_openai", 1, {"openai:a/m"}, NULL}}};
    begin(NULL);
    chat("openai:a/m"); /* listed as a whole: the list wins */
    went_to(0, "provider_router", "openai:a/m");
    answer_ok(0);
    finish();
}

static void unlisted_models_may_pass(void)
{
    world = (struct world){
        .providers = {{"provider_openai:a", "provider_openai", 1, {"m1"}, NULL}}};
    begin((struct aiex_fake_pair[]){{"unlisted", "pass"}, {0}});
    chat("alias");
    went_to(0, "provider_openai:a", "alias");
    answer_ok(0);
    finish();
}

static void auto_takes_the_first_listed(void)
{
    world = (struct world){
        .providers = {{"provider_offline", "provider_offline", 1, {"aiex-offline"}, NULL},
                      {"provider_openai:a", "provider_openai", 0, {"down"}, NULL},
                      {"provider_openai:b", "provider_openai", 1, {"z-first", "a-second"}, NULL}}};
    begin(NULL);
    chat("auto");
    went_to(0, "provider_openai:b", "z-first");
    answer_ok(0);
    finish();
}

static void auto_stands_for_an_option(void)
{
    world = (struct world){
        .providers = {{"provider_openai:a", "provider_openai", 1, {"m1", "m2"}, NULL}}};
    begin((struct aiex_fake_pair[]){{"auto_model", "m2"}, {0}});
    chat("auto");
    went_to(0, "provider_openai:a", "m2");
    answer_ok(0);
    finish();
}

static void order_of_the_option(void)
{
    world = (struct world){
        .providers = {{"provider_openai:a", "provider_openai", 1, {"both"}, NULL},
                      {"provider_openai:b", "provider_openai", 1, {"both"}, NULL},
                      {"provider_offline", "provider_offline", 1, {"aiex-offline"}, NULL}}};
    begin((struct aiex_fake_pair[]){{"providers", "provider_openai:b, provider_openai:a"}, {0}});
    CU_ASSERT_PTR_NULL(aiex_fake_find(h, AIEX_FAKE_CALL, "host.plugins", 0));
    chat("both");
    went_to(0, "provider_openai:b", "both");
    answer_error(0, "unavailable", NULL);
    went_to(1, "provider_openai:a", "both");
    answer_error(1, "unavailable", NULL);
    went_to(2, "provider_offline", "both");
    answer_ok(2);
    finish();
}

/* ---- Errors ---- */

static void other_provider_then_offline(void)
{
    uint64_t id;

    two_and_offline();
    id = chat("both");
    answer_error(0, "unavailable", "provider_openai:a");
    went_to(1, "provider_openai:b", "both");
    CU_ASSERT_EQUAL(number(made(1)->body, "attempt"), 2);
    answer_error(1, "crashed", NULL);
    aiex_fake_advance(h, 200); /* a may be there again */
    went_to(2, "provider_openai:a", "both");
    answer_error(2, "unavailable", "provider_openai:a");
    went_to(3, "provider_offline", "both");
    answer_ok(3);
    CU_ASSERT_EQUAL(aiex_fake_answer(h, id)->kind, AIEX_FAKE_REPLY);
    CU_ASSERT_EQUAL(status("provider_openai:a", "errors"), 2);
    CU_ASSERT_EQUAL(status("provider_openai:b", "healthy"), 1); /* the host restarts it at once */
    CU_ASSERT_EQUAL(status("provider_openai:a", "healthy"), 1); /* its own probe decides */
    finish();
}

static void explicit_errors_reach_the_client(void)
{
    static const char *const codes[] = {"invalid",   "busy",     "denied",   "upstream", "timeout",
                                        "not_found", "internal", "conflict", "surprise"};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        uint64_t id;

        two_and_offline();
        id = chat(
            "m1"); /* only a lists it; b has a list without it, offline is no answer to this */
        exhaust(0, &(struct fault){.code = codes[i], .retry_after_ms = 1500});
        failed(id, codes[i]);
        CU_ASSERT_EQUAL(number(aiex_fake_answer(h, id)->body, "http_status"), 499);
        CU_ASSERT_EQUAL(aiex_fake_answer(h, id)->retry_after_ms, 1500);
        CU_ASSERT_STRING_EQUAL(aiex_fake_answer(h, id)->text, "the reason");
        finish();
    }
}

static void invalid_is_not_repeated(void)
{
    two_and_offline();
    failed((chat("both"), answer_error(0, "invalid", "provider_openai:a"),
            aiex_fake_last(h, AIEX_FAKE_FAIL)->id),
           "invalid");
    CU_ASSERT_PTR_NULL(made(1));
    finish();
}

static void the_telling_error_wins(void)
{
    uint64_t id;

    two_and_offline();
    id = chat("both");
    answer_error(0, "busy", "provider_openai:a");
    went_to(1, "provider_openai:b", "both");
    answer_error(1, "unavailable", NULL);
    failed(id, "busy"); /* and not offline: a is there, it only is busy */
    finish();
}

static void upstream_of_a_provider_that_went_down(void)
{
    struct aiex_writer w;
    uint8_t body[128];
    uint64_t id;

    two_and_offline();
    id = chat("m1");
    aiex_writer_init(&w, body, sizeof(body));
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "type", "down");
    aiex_w_key_str(&w, "subject", "provider_openai:a");
    aiex_fake_event(h, p, self, "provider.health", aiex_written(&w));
    answer_error(0, "upstream", "provider_openai:a");
    went_to(1, "provider_offline", "m1");
    answer_ok(1);
    CU_ASSERT_EQUAL(aiex_fake_answer(h, id)->kind, AIEX_FAKE_REPLY);
    finish();
}

static void no_fallback(void)
{
    world = (struct world){
        .providers = {{"provider_openai:a", "provider_openai", 0, {NULL}, NULL},
                      {"provider_offline", "provider_offline", 1, {"aiex-offline"}, NULL}}};
    begin((struct aiex_fake_pair[]){{"fallback", "none"}, {0}});
    failed(chat("m"), "unavailable");
    CU_ASSERT_EQUAL(number(aiex_fake_last(h, AIEX_FAKE_FAIL)->body, "http_status"), 503);
    finish();
}

static void attempts_are_limited(void)
{
    world = (struct world){
        .providers = {{"provider_a", "provider_openai", 1, {"m"}, NULL},
                      {"provider_b", "provider_openai", 1, {"m"}, NULL},
                      {"provider_c", "provider_openai", 1, {"m"}, NULL},
                      {"provider_offline", "provider_offline", 1, {"aiex-offline"}, NULL}}};
    begin((struct aiex_fake_pair[]){{"attempts", "2"}, {0}});
    chat("m");
    answer_error(0, "unavailable", NULL);
    answer_error(1, "unavailable", NULL);
    went_to(2, "provider_offline", "m");
    answer_error(2, "internal", "provider_offline");
    failed(aiex_fake_last(h, AIEX_FAKE_FAIL)->id, "internal");
    finish();
}

static void errors_inside_call(void)
{
    uint64_t id;

    world = (struct world){.providers = {{"provider_a", "provider_openai", 1, {"m"}, "unavailable"},
                                         {"provider_b", "provider_openai", 1, {"m"}, "refused"},
                                         {"provider_c", "provider_openai", 1, {"m"}, "denied"}}};
    begin(NULL);
    id = chat("m");
    failed(id, "busy");
    CU_ASSERT_PTR_NOT_NULL(made(2));
    CU_ASSERT_EQUAL(status("provider_b", "in_flight"), 0);
    world.providers[0].chat = "invalid";
    aiex_fake_advance(h, 10000); /* a is asked again: healthy */
    failed(chat("m"), "invalid");
    finish();
}

static void after_the_first_part(void)
{
    uint64_t id;

    two_and_offline();
    id = chat("both");
    aiex_fake_answer_part(h, made(0)->id, (struct aiex_slice){(const uint8_t *)"part", 4});
    answer_error(0, "upstream", "provider_openai:a");
    failed(id, "upstream");
    CU_ASSERT(aiex_fake_answer(h, id)->by_host);
    CU_ASSERT_PTR_NULL(made(1));
    CU_ASSERT_EQUAL(status("provider_openai:a", "errors"), 1);
    CU_ASSERT_EQUAL(status("provider_openai:a", "in_flight"), 0);
    finish();
}

static void caller_leaves(void)
{
    uint64_t id;

    two_and_offline();
    id = chat("both");
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, id), 0);
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_nth(h, AIEX_FAKE_CANCEL, 0));
    CU_ASSERT_EQUAL(status("provider_openai:a", "in_flight"), 0);
    chat("both"); /* destroy() drops it */
    aiex_fake_stop(h, p, self);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 1);
    memset(&world, 0, sizeof(world));
}

static void deadline_is_shared(void)
{
    uint64_t id;

    two_and_offline();
    id = chat("both");
    CU_ASSERT_EQUAL(made(0)->timeout_ms, 30000);
    aiex_fake_advance(h, 20000);
    answer_error(0, "upstream", "provider_openai:a");
    CU_ASSERT_EQUAL(made(1)->timeout_ms, 10000);
    aiex_fake_advance(h, 10000);
    answer_error(1, "unavailable", NULL);
    failed(id, "timeout");
    finish();
}

/* ---- The first round, news ---- */

static void requests_wait_for_the_first_round(void)
{
    uint64_t id, models, left;

    world = (struct world){.silent = 1,
                           .providers = {{"provider_openai", "provider_openai", 1, {"m"}, NULL}}};
    begin(NULL);
    id = chat("m");
    left = chat("m");
    models = aiex_fake_request(h, p, self, "coordinator.models", NOTHING, 0);
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, left), 0);
    CU_ASSERT_PTR_NULL(made(0));
    world.silent = 0;
    aiex_fake_answer_ok(h, aiex_fake_find(h, AIEX_FAKE_CALL, "host.plugins", 0)->id,
                        plugins_answer());
    went_to(0, "provider_openai", "m");
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_answer(h, models));
    answer_ok(0);
    CU_ASSERT_EQUAL(aiex_fake_answer(h, id)->kind, AIEX_FAKE_REPLY);
    finish();
}

static void but_not_for_ever(void)
{
    uint64_t id;

    world = (struct world){.silent = 1};
    begin(NULL);
    id = chat("m");
    CU_ASSERT_PTR_NULL(aiex_fake_answer(h, id));
    aiex_fake_advance(h, 2000);
    failed(id, "unavailable");
    finish();
}

static void event(const char *type, const char *subject)
{
    struct aiex_writer w;
    uint8_t body[256];

    aiex_writer_init(&w, body, sizeof(body));
    aiex_w_map(&w, 3);
    aiex_w_key_str(&w, "type", type);
    aiex_w_key_str(&w, "subject", subject);
    aiex_w_str(&w, "data");
    aiex_w_map(&w, 1);
    aiex_w_key_str(&w, "reason", "news");
    aiex_fake_event(h, p, self, "provider.health", aiex_written(&w));
}

static void events_change_the_choice(void)
{
    two_and_offline();
    event("down", "provider_openai:a");
    chat("both");
    went_to(0, "provider_openai:b", "both");
    answer_ok(0);
    event("up", "provider_openai:a");
    chat("both");
    went_to(1, "provider_openai:a", "both");
    answer_ok(1);
    world.providers[3].name = "provider_new"; /* a stranger speaks: who is there is asked again */
    world.providers[3].plugin = "provider_openai";
    world.providers[3].healthy = 1;
    world.providers[3].models[0] = "m9";
    event("up", "provider_new");
    chat("m9");
    went_to(2, "provider_new", "m9");
    answer_ok(2);
    event("down", "provider_openai:b");
    event("down", "provider_openai:a");
    event("down", "provider_new");
    chat("m1"); /* everybody who could is away */
    went_to(3, "provider_offline", "m1");
    answer_ok(3);
    aiex_fake_event(h, p, self, "provider.health", NOTHING);
    finish();
}

static void models_are_united(void)
{
    struct aiex_value list = {0};
    struct aiex_slice at, id = {0}, who = {0};
    char seen[256] = "";
    uint64_t call;

    two_and_offline();
    call = aiex_fake_request(h, p, self, "coordinator.models", NOTHING, 0);
    CU_ASSERT_EQUAL_FATAL(aiex_get(aiex_fake_answer(h, call)->body, "models", &list), 1);
    CU_ASSERT(aiex_is_map(aiex_fake_answer(h, call)->body));
    at = list.bytes;
    for (uint32_t i = 0; i < list.count; i++) {
        struct aiex_slice entry = at;

        aiex_r_skip(&at);
        entry.len -= at.len;
        CU_ASSERT_EQUAL(aiex_get_str(entry, "id", &id), 1);
        CU_ASSERT_EQUAL(aiex_get_str(entry, "provider", &who), 1);
        CU_ASSERT_EQUAL(number(entry, "created"), 7);
        snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%.*s=%.*s ", (int)id.len,
                 (const char *)id.data, (int)who.len, (const char *)who.data);
    }
    CU_ASSERT_STRING_EQUAL(seen, "m1=provider_openai:a both=provider_openai:a "
                                 "m2=provider_openai:b aiex-offline=provider_offline ");
    CU_ASSERT_EQUAL(status("provider_openai:a", "models"), 2);
    finish();
}

static void health(void)
{
    int healthy = -1;
    uint64_t id;

    two_and_offline();
    id = aiex_fake_request(h, p, self, "service.health", NOTHING, 0);
    CU_ASSERT_EQUAL(aiex_get_bool(aiex_fake_answer(h, id)->body, "healthy", &healthy), 1);
    CU_ASSERT_EQUAL(healthy, 1);
    CU_ASSERT(is(aiex_fake_answer(h, id), "reason", "a provider is healthy"));
    event("down", "provider_openai:a");
    event("down", "provider_openai:b");
    id = aiex_fake_request(h, p, self, "service.health", NOTHING, 0);
    CU_ASSERT(is(aiex_fake_answer(h, id), "reason", "only the offline provider answers"));
    finish();
}

static void accounting(void)
{
    const struct aiex_fake_record *r;

    world = (struct world){.providers = {{"provider_a", "provider_openai", 1, {"m"}, NULL}}};
    begin((struct aiex_fake_pair[]){{"accounting_events", "yes"}, {0}});
    chat("m");
    answer_ok(0);
    r = aiex_fake_find(h, AIEX_FAKE_PUBLISH, "coordinator.call", 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    CU_ASSERT(is(r, "provider", "provider_a") && is(r, "model", "m") && is(r, "code", ""));
    CU_ASSERT_EQUAL(number(r->body, "output_tokens"), 3);
    CU_ASSERT_EQUAL(number(r->body, "attempts"), 1);
    finish();
}

static void wrong_requests(void)
{
    uint64_t id;

    two_and_offline();
    failed(aiex_fake_request(h, p, self, "coordinator.chat", NOTHING, 0), "invalid");
    failed(chat(""), "invalid");
    id = aiex_fake_request(h, p, self, "coordinator.sing", NOTHING, 0);
    failed(id, "not_found");
    aiex_fake_fail_alloc(h, 1);
    failed(chat("m1"), "internal");
    CU_ASSERT_PTR_NULL(made(0));
    finish();
}

static void wrong_options(void)
{
    struct aiex_error err = {""};

    h = aiex_fake_host_new("service_coordinator");
    p = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    CU_ASSERT_EQUAL(
        aiex_fake_start(h, p, (struct aiex_fake_pair[]){{"fallback", ""}, {0}}, &self, &err),
        -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "fallback"));
    CU_ASSERT_EQUAL(
        aiex_fake_start(
            h, p,
            (struct aiex_fake_pair[]){
                {"providers",
                 "a_name_that_is_far_longer_than_the_sixty_three_bytes_of_names_allowed"},
                {0}},
            &self, &err),
        -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "providers"));
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

const struct test_case tests[] = {
    {"goes_to_who_has_the_model", goes_to_who_has_the_model},
    {"a_provider_can_be_named", a_provider_can_be_named},
    {"unlisted_models_may_pass", unlisted_models_may_pass},
    {"auto_takes_the_first_listed", auto_takes_the_first_listed},
    {"auto_stands_for_an_option", auto_stands_for_an_option},
    {"order_of_the_option", order_of_the_option},
    {"other_provider_then_offline", other_provider_then_offline},
    {"explicit_errors_reach_the_client", explicit_errors_reach_the_client},
    {"invalid_is_not_repeated", invalid_is_not_repeated},
    {"the_telling_error_wins", the_telling_error_wins},
    {"upstream_of_a_provider_that_went_down", upstream_of_a_provider_that_went_down},
    {"no_fallback", no_fallback},
    {"attempts_are_limited", attempts_are_limited},
    {"errors_inside_call", errors_inside_call},
    {"after_the_first_part", after_the_first_part},
    {"caller_leaves", caller_leaves},
    {"deadline_is_shared", deadline_is_shared},
    {"requests_wait_for_the_first_round", requests_wait_for_the_first_round},
    {"but_not_for_ever", but_not_for_ever},
    {"events_change_the_choice", events_change_the_choice},
    {"models_are_united", models_are_united},
    {"health", health},
    {"accounting", accounting},
    {"wrong_requests", wrong_requests},
    {"wrong_options", wrong_options},
    {0}};

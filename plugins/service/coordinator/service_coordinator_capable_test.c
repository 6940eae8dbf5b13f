/*
 * service_coordinator when a provider does not have the operation: embeddings and completions go
 * to one that has both the model and the method, and what was learned is kept.
 */
#include "coordinator_rig.h"

#include <stdio.h>
#include <string.h>

static const char *const first = "provider_a", *const second = "provider_b";
static const struct fault no_method = {.code = "not_found",
                                       .reason = "request",
                                       .text = "this provider does not have that method",
                                       .http_status = 404};
static const struct fault no_model = {
    .code = "not_found", .reason = "model", .text = "no such model", .http_status = 404};

/* Two providers that list "m"; what they tell of their models, NULL = nothing. */
static void two(const char *a_can, const char *b_can, const struct aiex_fake_pair *pairs)
{
    world = (struct world){.providers = {{"provider_a", "provider_anthropic", 1, {"m", "x"}, NULL},
                                         {"provider_b", "provider_openai", 1, {"m", "e"}, NULL}},
                           .models = {{.can = a_can}, {.can = b_can}}};
    begin(pairs);
}

static uint64_t embed(const char *model)
{
    return ask(&(struct ask){
        .method = "coordinator.embed", .dialect = "openai.embeddings", .model = model, .unary = 1});
}

static uint64_t fill_in(const char *model)
{
    return ask(&(struct ask){.method = "coordinator.complete",
                             .dialect = "openai.completions",
                             .body = "{\"prompt\":\"a\",\"suffix\":\"b\"}",
                             .model = model});
}

/* The n-th call went there for that model, and it was the last one. */
static void asked_there(size_t n, const char *provider, const char *model)
{
    CU_ASSERT_PTR_NOT_NULL_FATAL(made(n));
    CU_ASSERT_STRING_EQUAL(made(n)->service, provider);
    CU_ASSERT(is(made(n), "model", model));
    CU_ASSERT_PTR_NULL(made(n + 1));
}

static int why_says(size_t record, const char *words)
{
    struct aiex_slice why = NOTHING;

    CU_ASSERT_PTR_NOT_NULL_FATAL(record_of(record));
    aiex_get_str(record_of(record)->body, "why", &why);
    return why.len && memmem(why.data, why.len, words, strlen(words)) != NULL;
}

static void lists_say_who_can(void)
{
    two("tools", "embeddings", NULL);
    embed("m");
    asked_there(0, second, "m");
    answer_end(0, 5, 0);
    CU_ASSERT(why_says(0, "provider_a was passed over: its model can not do what is asked"));
    finish();
    two("tools", "fim", NULL);
    fill_in("m");
    asked_there(0, second, "m");
    answer_ok(0);
    finish();
}

static void an_alias_leads_to_another_provider_of_its_model(void)
{
    const struct aiex_fake_pair alias[] = {{"alias.fast", "a/m"}, {0}};

    two("tools", "embeddings", alias);
    embed("fast");
    asked_there(0, second, "m");
    answer_end(0, 5, 0);
    CU_ASSERT(why_says(0, "has the model and can do this"));
    chat("fast"); /* for everything else it means what it says */
    went_to(1, first, "m");
    answer_ok(1);
    finish();
    two("tools", NULL, alias); /* nothing known is better than known not to */
    embed("fast");
    asked_there(0, second, "m");
    answer_end(0, 5, 0);
    finish();
    two("embeddings", "embeddings", alias); /* nobody leaves his provider without need */
    embed("fast");
    asked_there(0, first, "m");
    answer_end(0, 5, 0);
    finish();
    two("tools", "fim", alias);
    fill_in("fast");
    asked_there(0, second, "m");
    answer_ok(0);
    finish();
}

/* What stands before a slash is not always an instance. */
static void names_with_a_slash_are_whole(void)
{
    world = (struct world){.providers = {{"provider_a", "provider_openai", 1, {"org/m"}, NULL},
                                         {"provider_b", "provider_openai", 1, {"m"}, NULL}},
                           .models = {{.can = "tools"}, {.can = "embeddings"}}};
    begin((struct aiex_fake_pair[]){{"alias.fast", "org/m"}, {0}});
    embed("fast");
    asked_there(0, first, "org/m");
    answer_end(0, 5, 0);
    finish();
}

static void who_lacks_the_method_says_so_once(void)
{
    uint64_t id;

    two(NULL, NULL, (struct aiex_fake_pair[]){{"alias.fast", "a/m"}, {"attempts", "1"}, {0}});
    id = embed("fast");
    asked_there(0, first, "m");
    answer_fault(0, &no_method);
    asked_there(1, second, "m"); /* that was no attempt */
    answer_end(1, 5, 0);
    ended_well(id);
    embed("fast");
    asked_there(2, second, "m");
    answer_end(2, 5, 0);
    CU_ASSERT(why_says(1, "provider_a was passed over: it does not have that method"));
    embed("m");
    asked_there(3, second, "m");
    answer_end(3, 5, 0);
    chat("fast");
    went_to(4, first, "m");
    answer_ok(4);
    fill_in("fast"); /* learned for one operation, not for all */
    asked_there(5, first, "m");
    answer_ok(5);
    finish();
}

static void a_method_that_the_host_misses_counts_as_well(void)
{
    two(NULL, NULL, NULL);
    embed("m");
    answer_fault(0, &(struct fault){.code = "not_found",
                                    .text = "provider_a has no method 'provider.embed'",
                                    .by_host = 1});
    asked_there(1, second, "m");
    answer_end(1, 5, 0);
    embed("m");
    asked_there(2, second, "m");
    answer_end(2, 5, 0);
    finish();
}

static void a_missing_model_is_no_missing_method(void)
{
    two(NULL, NULL, NULL);
    embed("m");
    answer_fault(0, &no_model);
    asked_there(1, second, "m");
    answer_end(1, 5, 0);
    embed("m");
    asked_there(2, first, "m");
    answer_end(2, 5, 0);
    finish();
}

static void health(const char *type)
{
    struct aiex_writer w;
    uint8_t body[128];

    aiex_writer_init(&w, body, sizeof(body));
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "type", type);
    aiex_w_key_str(&w, "subject", first);
    aiex_fake_event(h, p, self, "provider.health", aiex_written(&w));
}

static void who_comes_back_may_have_learned_it(void)
{
    two(NULL, NULL, NULL);
    embed("m");
    answer_fault(0, &no_method);
    answer_end(1, 5, 0);
    health("down");
    health("up");
    embed("m");
    asked_there(2, first, "m");
    answer_end(2, 5, 0);
    finish();
}

static void a_named_provider_is_asked_and_answers(void)
{
    uint64_t id;

    two("tools", "embeddings", (struct aiex_fake_pair[]){{"embed_model", "b/e"}, {0}});
    for (size_t n = 0; n < 2; n++) {
        id = embed("a/m");
        asked_there(n, first, "m");
        answer_fault(n, &no_method);
        failed(id, "not_found");
    }
    finish();
}

static void embed_model_stands_in(void)
{
    uint64_t id;

    two("tools", NULL, (struct aiex_fake_pair[]){{"embed_model", "b/e"}, {0}});
    id = embed("x"); /* only a has it, and a can not */
    asked_there(0, second, "e");
    answer_end(0, 5, 0);
    ended_well(id);
    CU_ASSERT(is(record_of(0), "asked", "x"));
    CU_ASSERT(why_says(0, "embeddings, which the model asked for can not make"));
    fill_in("x"); /* for embeddings only */
    asked_there(1, first, "x");
    answer_ok(1);
    failed(embed("nobody-has-it"), "not_found");
    finish();
}

static void embed_model_stands_in_for_who_is_found_out(void)
{
    two(NULL, NULL, (struct aiex_fake_pair[]){{"embed_model", "b/e"}, {0}});
    embed("x");
    asked_there(0, first, "x");
    answer_fault(0, &no_method);
    asked_there(1, second, "e");
    answer_fault(1, &no_method); /* nor can that one: once is enough */
    failed(aiex_fake_last(h, AIEX_FAKE_FAIL)->id, "not_found");
    CU_ASSERT_PTR_NULL(made(2));
    finish();
}

static void nobody_can(void)
{
    uint64_t id;

    two(NULL, NULL, NULL);
    id = embed("x");
    answer_fault(0, &no_method);
    failed(id, "not_found"); /* as the provider says it */
    CU_ASSERT_EQUAL(number(aiex_fake_answer(h, id)->body, "http_status"), 404);
    id = embed("x");
    failed(id, "not_found");
    CU_ASSERT_PTR_NOT_NULL(strstr(aiex_fake_answer(h, id)->text, "embed_model"));
    CU_ASSERT_PTR_NULL(made(1));
    finish();
    two("tools", "tools", NULL); /* lists may be wrong: the last resort is to ask */
    embed("m");
    asked_there(0, first, "m");
    answer_end(0, 5, 0);
    finish();
}

static void the_offline_provider_is_no_reason(void)
{
    uint64_t id;

    world = (struct world){
        .providers = {{"provider_a", "provider_openai", 0, {"m"}, NULL},
                      {"provider_offline", "provider_offline", 1, {"aiex-offline"}, NULL}}};
    begin(NULL);
    for (int i = 0; i < 2; i++) { /* it is asked once only */
        id = fill_in("m");
        if (i == 0)
            answer_fault(0, &no_method);
        failed(id, "unavailable");
    }
    CU_ASSERT_PTR_NULL(made(1));
    id = fill_in("aiex-offline");
    asked_there(1, "provider_offline", "aiex-offline");
    answer_fault(1, &no_method);
    failed(id, "not_found");
    finish();
}

const struct test_case tests[] = {
    {"lists_say_who_can", lists_say_who_can},
    {"an_alias_leads_to_another_provider_of_its_model",
     an_alias_leads_to_another_provider_of_its_model},
    {"names_with_a_slash_are_whole", names_with_a_slash_are_whole},
    {"who_lacks_the_method_says_so_once", who_lacks_the_method_says_so_once},
    {"a_method_that_the_host_misses_counts_as_well", a_method_that_the_host_misses_counts_as_well},
    {"a_missing_model_is_no_missing_method", a_missing_model_is_no_missing_method},
    {"who_comes_back_may_have_learned_it", who_comes_back_may_have_learned_it},
    {"a_named_provider_is_asked_and_answers", a_named_provider_is_asked_and_answers},
    {"embed_model_stands_in", embed_model_stands_in},
    {"embed_model_stands_in_for_who_is_found_out", embed_model_stands_in_for_who_is_found_out},
    {"nobody_can", nobody_can},
    {"the_offline_provider_is_no_reason", the_offline_provider_is_no_reason},
    {0},
};

/*
 * provider_end_test.c - how calls end besides by an answer: the caller leaves at any moment, is
 * slow, or memory is short; and what is said about what was used up.
 */
#include "scripted.h"

static const struct rig_call settled = {.account = "acc-1", .settle = "coordinator", .attempt = 2};

/* The n-th cast about a cancelled call, or NULL. */
static const struct aiex_fake_record *told(size_t n)
{
    return aiex_fake_find(rig.host, AIEX_FAKE_CAST, "coordinator.settle", n);
}

static void check_told(const struct aiex_fake_record *r)
{
    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    CU_ASSERT_STRING_EQUAL(r->service, "coordinator");
    CU_ASSERT(rig_is(r, "account", "acc-1") && rig_is(r, "provider", "provider_scripted"));
    CU_ASSERT(rig_is(r, "code", "cancelled"));
    CU_ASSERT(rig_number(r, "total_ms") >= rig_number(r, "first_ms"));
}

/* ---- The caller leaves ---- */

static void leaves_before_the_head(void)
{
    for (int client = 0; client < N_CHATS; client++) {
        uint64_t id;

        scripted_begin(0, NULL, NULL);
        id = scripted_call(client, 1, &settled);
        aiex_fake_advance(rig.host, 40);
        CU_ASSERT_EQUAL(aiex_fake_cancel(rig.host, id), 0);
        CU_ASSERT(!scripted_request(0)->open);
        check_told(told(0));
        CU_ASSERT(rig_is(told(0), "model", "m"));
        CU_ASSERT(rig_number(told(0), "input_tokens") > 0);
        CU_ASSERT_EQUAL(rig_number(told(0), "output_tokens"), 0);
        CU_ASSERT_EQUAL(rig_truth(told(0), "estimated"), 1);
        CU_ASSERT_EQUAL(rig_number(told(0), "total_ms"), 40);
        rig_finish();
    }
}

static void leaves_before_the_first_token(void)
{
    for (int native = 0; native < N_CHATS; native++) {
        uint64_t id;

        scripted_begin(native, NULL, NULL);
        id = scripted_call(0, 1, &settled);
        scripted_head(native);
        CU_ASSERT_EQUAL(aiex_fake_cancel(rig.host, id), 0);
        CU_ASSERT(!scripted_request(native)->open);
        check_told(told(0));
        CU_ASSERT_EQUAL(rig_number(told(0), "output_tokens"), 0);
        rig_finish();
    }
}

static void leaves_in_the_stream(void)
{
    for (int native = 0; native < N_CHATS; native++) {
        uint64_t id;

        scripted_begin(native, NULL, NULL);
        id = scripted_call(0, 1, &settled);
        scripted_head(native);
        scripted_send(native, scripts[native].start);
        scripted_send(native, scripts[native].text);
        CU_ASSERT_EQUAL(aiex_fake_cancel(rig.host, id), 0);
        CU_ASSERT(!scripted_request(native)->open);
        check_told(told(0));
        CU_ASSERT(rig_is(told(0), "model", "m-1"));
        CU_ASSERT(rig_number(told(0), "output_tokens") > 0);
        if (native == 2) /* message_start has told the input already */
            CU_ASSERT_EQUAL(rig_number(told(0), "input_tokens"), 11);
        rig_finish();
    }
}

static void leaves_while_it_is_slow(void)
{
    uint64_t id;

    scripted_begin(0, NULL, NULL);
    aiex_fake_window(rig.host, 10);
    id = scripted_call(0, 1, &settled);
    scripted_head(0);
    scripted_send(0, scripts[0].start);
    CU_ASSERT(scripted_request(0)->paused);
    CU_ASSERT_EQUAL(aiex_fake_cancel(rig.host, id), 0);
    CU_ASSERT(!scripted_request(0)->open);
    check_told(told(0));
    /* and with an answer that has wholly come */
    id = scripted_call(0, 0, &settled);
    fake_http_answer(scripted_request(0), 200, "application/json", scripts[0].whole);
    rig_good(id);
    CU_ASSERT_EQUAL(aiex_fake_cancel(rig.host, id), -ENOENT);
    CU_ASSERT_PTR_NULL(told(1));
    rig_finish();
}

static void cancel_it(void *arg, struct aiex_fake_host *h, const struct aiex_fake_record *part)
{
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, part->id), 0);
}

/* A caller in the same cell may leave while a part is being handed to it: in the stream, with a
 * whole answer, and when what was held back for it goes out. */
static void leaves_while_it_is_given_a_part(void)
{
    for (int native = 0; native < N_CHATS; native++) {
        for (int client = 0; client < N_CHATS; client++) {
            scripted_begin(native, NULL, NULL);
            aiex_fake_on_part(rig.host, cancel_it, NULL);
            scripted_call(client, 1, &settled);
            scripted_head(native);
            scripted_send(native, scripts[native].start);
            scripted_send(native, scripts[native].text);
            CU_ASSERT(scripted_request(native)->gave_up);
            fake_http_end(scripted_request(native), AIEX_HTTP_OK, 1, NULL);
            check_told(told(0));
            CU_ASSERT_PTR_NULL(told(1));
            scripted_call(client, 0, &settled);
            fake_http_answer(scripted_request(native), 200, "application/json",
                             scripts[native].whole);
            check_told(told(1));
            CU_ASSERT_PTR_NULL(told(2));
            rig_finish();
        }
    }
}

static void leaves_while_it_is_given_what_was_held(void)
{
    uint64_t id;

    scripted_begin(0, NULL, NULL);
    aiex_fake_window(rig.host, 10);
    id = scripted_call(0, 1, &settled);
    scripted_head(0);
    scripted_send(0, scripts[0].start);
    CU_ASSERT(scripted_request(0)->paused);
    scripted_send(0, scripts[0].text);
    aiex_fake_on_part(rig.host, cancel_it, NULL);
    aiex_fake_resume(rig.host, id);
    CU_ASSERT(!scripted_request(0)->open);
    check_told(told(0));
    CU_ASSERT_PTR_NULL(told(1));
    rig_finish();
}

static void nobody_is_told_of_ends(void)
{
    uint64_t id;

    scripted_begin(0, NULL, NULL);
    id = scripted_call(0, 1, &settled);
    fake_http_answer(scripted_request(0), 500, "text/plain", "");
    rig_failed(id, "upstream", 500);
    CU_ASSERT_EQUAL(rig_number(aiex_fake_answer(rig.host, id), "attempts"), 2);
    id = scripted_chat(0, 1); /* without `settle` */
    CU_ASSERT_EQUAL(aiex_fake_cancel(rig.host, id), 0);
    CU_ASSERT_PTR_NULL(told(0));
    rig_finish();
}

/* ---- Usage ---- */

static void usage_that_is_missing_is_estimated(void)
{
    for (int native = 0; native < N_CHATS; native++) {
        const struct aiex_fake_record *r;
        uint64_t id;

        if (!scripts[native].mute_end)
            continue;
        scripted_begin(native, NULL, NULL);
        id = scripted_chat(0, 1);
        scripted_head(native);
        scripted_send(native, scripts[native].start);
        scripted_send(native, scripts[native].text);
        scripted_send(native, scripts[native].mute_end);
        fake_http_end(scripted_request(native), AIEX_HTTP_OK, 1, NULL);
        r = rig_good(id);
        CU_ASSERT(rig_number(r, "input_tokens") > 0 && rig_number(r, "output_tokens") > 0);
        CU_ASSERT_EQUAL(rig_truth(r, "estimated"), 1);
        rig_finish();
    }
}

static void usage_that_makes_no_sense_is_estimated(void)
{
    static const char whole[] =
        "{\"id\":\"c1\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"m-1\",\"choices\":"
        "[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"hello\"},"
        "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":-5,\"completion_tokens\":"
        "\"many\"}}";
    const struct aiex_fake_record *r;
    uint64_t id;

    scripted_begin(0, NULL, NULL);
    id = scripted_chat(0, 0);
    fake_http_answer(scripted_request(0), 200, "application/json", whole);
    r = rig_good(id);
    CU_ASSERT(rig_number(r, "input_tokens") > 0 && rig_number(r, "output_tokens") > 0);
    CU_ASSERT_EQUAL(rig_truth(r, "estimated"), 1);
    rig_finish();
}

/* ---- A slow caller ---- */

static void slow_callers_stop_the_reading(void)
{
    for (int native = 0; native < N_CHATS; native++)
        for (int client = 0; client < N_CHATS; client++) {
            uint64_t id;

            scripted_begin(native, NULL, NULL);
            aiex_fake_window(rig.host, 1);
            id = scripted_chat(client, 1);
            scripted_head(native);
            scripted_send(native, scripts[native].start);
            scripted_send(native, scripts[native].text);
            scripted_send(native, scripts[native].end); /* was on its way when reading stopped */
            CU_ASSERT(scripted_request(native)->paused);
            CU_ASSERT_PTR_NULL(aiex_fake_answer(rig.host, id));
            for (int i = 0; i < 100 && aiex_fake_resume(rig.host, id) == 1; i++)
                ;
            rig_good(id);
            CU_ASSERT(rig_parts_have(id, "hello"));
            CU_ASSERT(rig_parts_have(id, scripts[client].whole_end));
            CU_ASSERT(!scripted_request(native)->paused);
            fake_http_end(scripted_request(native), AIEX_HTTP_OK, 1, NULL);
            rig_finish();
        }
}

/* ---- Memory ---- */

static void nth_allocation_fails(void)
{
    for (size_t n = 1; n < 12; n++) {
        uint64_t id;

        scripted_begin(0, NULL, NULL);
        aiex_fake_fail_alloc(rig.host, n);
        id = scripted_call(2, 1, &settled);
        if (!aiex_fake_answer(rig.host, id)) {
            scripted_head(0);
            scripted_send(0, scripts[0].start);
            scripted_send(0, scripts[0].text);
            scripted_send(0, scripts[0].end);
            fake_http_end(scripted_request(0), AIEX_HTTP_OK, 1, NULL);
        }
        CU_ASSERT_PTR_NOT_NULL(aiex_fake_answer(rig.host, id));
        rig_ask("provider.models");
        rig_ask("provider.health");
        fake_http_answer(fake_http_find("/models"), 200, "application/json",
                         "{\"data\":[{\"id\":\"m\"}]}");
        rig_finish();
    }
}

/* ---- Requests ---- */

static void client_headers(void)
{
    const struct rig_call beta = {.header = "anthropic-beta", .value = "context-1m-2025-08-07"};
    const struct rig_call bad = {.header = "anthropic-beta", .value = "a\r\nx-evil: 1"};
    const struct rig_call other = {.header = "x-evil", .value = "1"};

    scripted_begin(2, NULL, NULL);
    scripted_call(2, 0, &beta);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(scripted_request(2)->headers, "anthropic-beta: context-1m-2025-08-07\n"));
    fake_http_end(scripted_request(2), AIEX_HTTP_CUT, 1, "x");
    scripted_call(0, 0, &beta); /* another dialect means something else by it */
    CU_ASSERT_PTR_NULL(strstr(scripted_request(2)->headers, "beta"));
    fake_http_end(scripted_request(2), AIEX_HTTP_CUT, 1, "x");
    scripted_call(2, 0, &bad);
    CU_ASSERT_PTR_NULL(strstr(scripted_request(2)->headers, "evil"));
    fake_http_end(scripted_request(2), AIEX_HTTP_CUT, 1, "x");
    scripted_call(2, 0, &other);
    CU_ASSERT_PTR_NULL(strstr(scripted_request(2)->headers, "evil"));
    fake_http_end(scripted_request(2), AIEX_HTTP_CUT, 1, "x");
    rig_finish();
}

static void keys_are_not_logged(void)
{
    scripted_begin(0, NULL, NULL);
    fake_http_end(fake_http_find("/models"), AIEX_HTTP_CONNECT, 0, "refused");
    scripted_chat(0, 0);
    fake_http_answer(scripted_request(0), 401, "application/json", "{}");
    for (size_t i = 0; i < aiex_fake_count(rig.host, AIEX_FAKE_LOG); i++)
        CU_ASSERT_PTR_NULL(strstr(aiex_fake_nth(rig.host, AIEX_FAKE_LOG, i)->text, "sk-secret"));
    CU_ASSERT_PTR_NULL(strstr(aiex_fake_last(rig.host, AIEX_FAKE_FAIL)->text, "sk-secret"));
    CU_ASSERT_PTR_NOT_NULL(strstr(scripted_request(0)->headers, "sk-secret"));
    rig_finish();
}

static void methods_that_it_has_not(void)
{
    uint64_t id;

    scripted_begin(2, NULL, NULL);
    id = rig_call(&(struct rig_call){
        .dialect = "openai.embeddings", .model = "m", .body = "{\"input\":\"x\"}"});
    rig_failed(id, "not_found", 404);
    id = rig_call(&(struct rig_call){.method = "provider.embed",
                                     .dialect = "openai.chat",
                                     .model = "m",
                                     .body = "{\"input\":\"x\"}"});
    rig_failed(id, "not_found", 404);
    id = rig_call(&(struct rig_call){.method = "provider.complete",
                                     .dialect = "openai.chat",
                                     .model = "m",
                                     .body = "{\"input\":\"x\"}"});
    rig_failed(id, "invalid", 400);
    rig_finish();
}

static void counts_are_estimated(void)
{
    const struct aiex_fake_record *r;

    scripted_begin(0, NULL, NULL);
    for (int client = 0; client < N_CHATS; client++) {
        r = rig_good(scripted_call(client, 0, &(struct rig_call){.method = "provider.count"}));
        CU_ASSERT(rig_number(r, "input_tokens") > 0);
        CU_ASSERT_EQUAL(rig_truth(r, "exact"), 0);
    }
    rig_failed(
        rig_call(&(struct rig_call){
            .method = "provider.count", .dialect = "openai.chat", .model = "m", .body = "{"}),
        "invalid", 400);
    rig_finish();
}

const struct test_case tests[] = {
    {"leaves_before_the_head", leaves_before_the_head},
    {"leaves_before_the_first_token", leaves_before_the_first_token},
    {"leaves_in_the_stream", leaves_in_the_stream},
    {"leaves_while_it_is_slow", leaves_while_it_is_slow},
    {"leaves_while_it_is_given_a_part", leaves_while_it_is_given_a_part},
    {"leaves_while_it_is_given_what_was_held", leaves_while_it_is_given_what_was_held},
    {"nobody_is_told_of_ends", nobody_is_told_of_ends},
    {"usage_that_is_missing_is_estimated", usage_that_is_missing_is_estimated},
    {"usage_that_makes_no_sense_is_estimated", usage_that_makes_no_sense_is_estimated},
    {"slow_callers_stop_the_reading", slow_callers_stop_the_reading},
    {"nth_allocation_fails", nth_allocation_fails},
    {"client_headers", client_headers},
    {"keys_are_not_logged", keys_are_not_logged},
    {"methods_that_it_has_not", methods_that_it_has_not},
    {"counts_are_estimated", counts_are_estimated},
    {0}};

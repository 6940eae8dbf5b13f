/* provider_anthropic through its descriptor: headers, pages of models, counting. How calls behave
 * is tested with the provider kit. */
#include <aiex_json.h>
#include <rig.h>

#define PAGE_1                                                                                     \
    "{\"data\":[{\"type\":\"model\",\"id\":\"claude-a\",\"display_name\":\"Claude A\","            \
    "\"created_at\":\"2025-02-19T00:00:00Z\",\"max_input_tokens\":200000,\"max_tokens\":64000,"    \
    "\"capabilities\":{\"image_input\":{\"supported\":false},\"thinking\":{\"supported\":true}}}," \
    "{\"no\":1}],\"has_more\":true,\"first_id\":\"claude-a\",\"last_id\":\"claude-a\"}"
#define PAGE_2                                                                                     \
    "{\"data\":[{\"type\":\"model\",\"id\":\"claude-b\",\"display_name\":\"Claude B\","            \
    "\"created_at\":\"soon\"}],\"has_more\":false,\"last_id\":\"claude-b\"}"

static void begin(const struct aiex_fake_pair *pairs)
{
    static const struct aiex_fake_pair keyed[] = {{"api_key", "sk-ant-secret"}, {0}};

    unsetenv("ANTHROPIC_API_KEY");
    unsetenv("ANTHROPIC_AUTH_TOKEN");
    unsetenv("ANTHROPIC_BASE_URL");
    rig_begin(pairs ? pairs : keyed);
}

static uint64_t messages(int stream)
{
    return rig_call(&(struct rig_call){
        .dialect = "anthropic.messages",
        .model = "claude-a",
        .stream = stream,
        .header = "anthropic-beta",
        .value = "context-1m-2025-08-07",
        .body = "{\"model\":\"claude-a\",\"max_tokens\":9,\"system\":\"s\",\"messages\":[{\"role\":"
                "\"user\",\"content\":\"hi\"}],\"metadata\":{\"user_id\":\"u\"}}"});
}

static void requests_look_right(void)
{
    const struct fake_http_request *r;

    begin((struct aiex_fake_pair[]){{"api_key", "sk-ant-secret"},
                                    {"auth_token", "token-1"},
                                    {"base_url", "http://127.0.0.1:9/v1/"},
                                    {"version", "2024-01-01"},
                                    {0}});
    messages(1);
    r = fake_http_find("/messages");
    CU_ASSERT_STRING_EQUAL(r->url, "http://127.0.0.1:9/v1/messages");
    CU_ASSERT_PTR_NOT_NULL(strstr(r->headers, "x-api-key: sk-ant-secret\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(r->headers, "authorization: Bearer token-1\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(r->headers, "anthropic-version: 2024-01-01\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(r->headers, "anthropic-beta: context-1m-2025-08-07\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(r->body, "\"metadata\":{\"user_id\":\"u\"}"));
    fake_http_end(fake_http_find("/messages"), AIEX_HTTP_CUT, 1, "x");
    rig_finish();
}

static void a_client_of_openai(void)
{
    const struct aiex_fake_record *r;
    uint64_t id;

    begin(NULL);
    id = rig_call(&(struct rig_call){
        .dialect = "openai.chat",
        .model = "claude-a",
        .body = "{\"model\":\"x\",\"messages\":[{\"role\":\"system\",\"content\":\"be brief\"},"
                "{\"role\":\"user\",\"content\":\"hi\"}]}"});
    CU_ASSERT_PTR_NOT_NULL(strstr(fake_http_find("/messages")->body, "\"max_tokens\":"));
    CU_ASSERT_PTR_NOT_NULL(strstr(fake_http_find("/messages")->body, "\"model\":\"claude-a\""));
    fake_http_answer(fake_http_find("/messages"), 200, "application/json",
                     "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":"
                     "\"claude-a\",\"content\":[{\"type\":\"text\",\"text\":\"hello\"}],"
                     "\"stop_reason\":\"max_tokens\",\"stop_sequence\":null,\"usage\":{"
                     "\"input_tokens\":3,\"cache_read_input_tokens\":100,"
                     "\"cache_creation_input_tokens\":20,\"output_tokens\":4}}");
    r = rig_good(id);
    CU_ASSERT(rig_parts_have(id, "\"object\":\"chat.completion\""));
    CU_ASSERT_EQUAL(rig_number(r, "input_tokens"), 123);
    CU_ASSERT_EQUAL(rig_number(r, "cached_tokens"), 100);
    CU_ASSERT_EQUAL(rig_number(r, "cache_write_tokens"), 20);
    CU_ASSERT(rig_is(r, "finish", "length"));
    rig_finish();
}

static void limits_that_the_client_left_out(void)
{
    static const struct {
        const char *model, *limit;
    } rows[] = {{"claude-a", "\"max_tokens\":32000"},
                {"claude-b", "\"max_tokens\":4096"},
                {"claude-c", "\"max_tokens\":512"}};

    begin(NULL);
    fake_http_answer(&fake_http.requests[0], 200, "application/json",
                     "{\"data\":[{\"id\":\"claude-a\",\"max_tokens\":64000},{\"id\":\"claude-b\"},{"
                     "\"id\":\"claude-c\",\"max_tokens\":512}]}");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t id = rig_call(
            &(struct rig_call){.dialect = "openai.chat",
                               .model = rows[i].model,
                               .body = "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"});

        CU_ASSERT_PTR_NOT_NULL(strstr(fake_http.requests[fake_http.n - 1].body, rows[i].limit));
        CU_ASSERT_EQUAL(aiex_fake_cancel(rig.host, id), 0);
    }
    rig_finish();
}

static void code_in_the_middle(void)
{
    uint64_t id;

    begin(NULL);
    id = rig_call(&(struct rig_call){
        .dialect = "ollama.generate",
        .model = "claude-3-5-haiku",
        .body = "{\"prompt\":\"int x =\",\"suffix\":\";\",\"stream\":false,\"options\":{"
                "\"temperature\":0.5}}"});
    CU_ASSERT_PTR_NOT_NULL(strstr(fake_http_find("/messages")->body,
                                  "<prefix>\\nint x =</prefix>\\n<suffix>;</suffix>"));
    CU_ASSERT_PTR_NOT_NULL(strstr(fake_http_find("/messages")->body, "\"temperature\":0.5"));
    fake_http_answer(fake_http_find("/messages"), 200, "application/json",
                     "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":"
                     "\"claude-a\",\"content\":[{\"type\":\"text\",\"text\":\"```c\\n 42\\n```\"}],"
                     "\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":3,"
                     "\"output_tokens\":4}}");
    rig_good(id);
    CU_ASSERT(rig_parts_have(id, "\"response\":\" 42\""));
    rig_finish();
}

static void limits_that_the_model_can_not_keep(void)
{
    uint64_t id;

    begin(NULL);
    fake_http_answer(&fake_http.requests[0], 200, "application/json",
                     "{\"data\":[{\"id\":\"claude-a\",\"max_tokens\":8192}]}");
    id = rig_call(&(struct rig_call){.dialect = "openai.chat",
                                     .model = "claude-a",
                                     .body = "{\"max_tokens\":64000,\"messages\":[{\"role\":"
                                             "\"user\",\"content\":\"hi\"}]}"});
    CU_ASSERT_PTR_NOT_NULL(
        strstr(fake_http.requests[fake_http.n - 1].body, "\"max_tokens\":8192,"));
    CU_ASSERT_EQUAL(aiex_fake_cancel(rig.host, id), 0);
    rig_finish();
}

static void what_it_has_not(void)
{
    begin(NULL);
    rig_failed(rig_call(&(struct rig_call){
                   .dialect = "openai.embeddings", .model = "m", .body = "{\"input\":\"x\"}"}),
               "not_found", 404);
    CU_ASSERT_EQUAL(fake_http.n, 1); /* the probe */
    rig_finish();
}

/* ---- Models ---- */

static void models_come_in_pages(void)
{
    const struct aiex_fake_record *r;
    struct aiex_slice name = {NULL, 0};
    struct aiex_fake_record one;
    uint64_t id;

    begin(NULL);
    CU_ASSERT_STRING_EQUAL(fake_http.requests[0].url,
                           "https://api.anthropic.com/v1/models?limit=1000");
    id = rig_ask("provider.models");
    fake_http_answer(&fake_http.requests[0], 200, "application/json", PAGE_1);
    CU_ASSERT_EQUAL(rig_healthy(), 1); /* the first page is enough for that */
    CU_ASSERT_PTR_NULL(aiex_fake_answer(rig.host, id));
    CU_ASSERT_STRING_EQUAL(fake_http.requests[1].url,
                           "https://api.anthropic.com/v1/models?limit=1000&after_id=claude-a");
    fake_http_answer(&fake_http.requests[1], 200, "application/json", PAGE_2);
    r = rig_good(id);
    CU_ASSERT_EQUAL(rig_n_models(r), 2);
    CU_ASSERT_EQUAL(rig_truth(r, "complete"), 1);
    one.body = rig_model(r, 0);
    CU_ASSERT(rig_is(&one, "id", "claude-a") && rig_is(&one, "name", "Claude A"));
    CU_ASSERT_EQUAL(rig_number(&one, "created"), 1739923200);
    CU_ASSERT_EQUAL(rig_number(&one, "context"), 200000);
    CU_ASSERT_EQUAL(rig_number(&one, "output"), 64000);
    CU_ASSERT_EQUAL(aiex_get_whole(one.body, "capabilities", &name), 1);
    CU_ASSERT(memmem(name.data, name.len, "reasoning", 9) != NULL);
    CU_ASSERT(memmem(name.data, name.len, "vision", 6) == NULL);
    CU_ASSERT(memmem(name.data, name.len, "fim", 3) != NULL); /* emulated */
    one.body = rig_model(r, 1);
    CU_ASSERT_EQUAL(rig_number(&one, "created"), 0);
    rig_finish();
}

static void a_page_that_fails_keeps_the_old_list(void)
{
    static const char evil[] =
        "{\"data\":[{\"id\":\"x\"}],\"has_more\":true,\"last_id\":\"a&b=/..\"}";
    const struct aiex_fake_record *r;
    uint64_t id;

    begin(NULL);
    fake_http_answer(&fake_http.requests[0], 200, "application/json", PAGE_2);
    aiex_fake_advance(rig.host, 27000 + 6001);
    CU_ASSERT_EQUAL_FATAL(fake_http.n, 2);
    fake_http_answer(&fake_http.requests[1], 200, "application/json", evil);
    CU_ASSERT_EQUAL(fake_http.n, 2);
    aiex_fake_set_now(rig.host, 100000);
    id = rig_ask("provider.models");
    fake_http_answer(&fake_http.requests[2], 200, "application/json", PAGE_1);
    fake_http_end(&fake_http.requests[3], AIEX_HTTP_CUT, 1, "closed");
    r = rig_good(id);
    CU_ASSERT_EQUAL(rig_n_models(r), 1);
    CU_ASSERT_EQUAL(rig_truth(r, "complete"), 0);
    CU_ASSERT_EQUAL(rig_healthy(), 1);
    rig_finish();
}

static void no_key_is_unhealthy_and_quiet(void)
{
    begin((struct aiex_fake_pair[]){{0}});
    CU_ASSERT_EQUAL(fake_http.n, 0);
    CU_ASSERT_EQUAL(rig_healthy(), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(rig_failed(messages(0), "unavailable", 503)->text, "no api key"));
    rig_finish();
    begin((struct aiex_fake_pair[]){{"auth_token", "t"}, {0}});
    CU_ASSERT_EQUAL(fake_http.n, 1);
    rig_finish();
}

/* ---- Counting ---- */

static uint64_t count(const char *dialect, const char *body)
{
    return rig_call(&(struct rig_call){
        .method = "provider.count", .dialect = dialect, .model = "claude-a", .body = body});
}

#define CHAT "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"temperature\":1}"

static void counted_by_the_vendor(void)
{
    const struct aiex_fake_record *r;
    struct fake_http_request *q;
    uint64_t id;

    begin(NULL);
    id = count("anthropic.messages",
               "{\"max_tokens\":9,\"stream\":true,\"system\":\"s\",\"messages\":[{\"role\":"
               "\"user\",\"content\":\"hi\"}]}");
    q = fake_http_find("/v1/messages/count_tokens");
    CU_ASSERT_PTR_NOT_NULL_FATAL(q);
    CU_ASSERT_PTR_NULL(strstr(q->body, "max_tokens"));
    CU_ASSERT_PTR_NULL(strstr(q->body, "stream"));
    CU_ASSERT_PTR_NOT_NULL(strstr(q->body, "\"system\":\"s\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(q->body, "\"model\":\"claude-a\""));
    fake_http_answer(q, 200, "application/json", "{\"input_tokens\":14}");
    r = rig_good(id);
    CU_ASSERT_EQUAL(rig_number(r, "input_tokens"), 14);
    CU_ASSERT_EQUAL(rig_truth(r, "exact"), 1);
    /* as its SDK sends it */
    id = count("anthropic.messages",
               "{\"model\":\"x\",\"messages\":[{\"role\":\"user\",\"content\":"
               "\"hi\"}],\"tools\":[]}");
    fake_http_answer(fake_http_find("/count_tokens"), 200, "application/json",
                     "{\"input_tokens\":9}");
    CU_ASSERT_EQUAL(rig_number(rig_good(id), "input_tokens"), 9);
    id = count("openai.chat", CHAT);
    CU_ASSERT_PTR_NULL(strstr(fake_http_find("/count_tokens")->body, "temperature"));
    fake_http_answer(fake_http_find("/count_tokens"), 200, "application/json",
                     "{\"input_tokens\":15}");
    CU_ASSERT_EQUAL(rig_number(rig_good(id), "input_tokens"), 15);
    rig_finish();
}

/* All that a client can say of a chat; what counting takes of it. */
static void what_counting_is_told(void)
{
    static const char *const allowed[] = {"model",       "messages", "system",       "tools",
                                          "tool_choice", "thinking", "output_config"};
    static const char *const bodies[][2] = {
        {"openai.chat",
         "{\"model\":\"x\",\"max_tokens\":64000,\"stream\":true,\"stream_options\":{"
         "\"include_usage\":true},\"temperature\":0.5,\"top_p\":0.5,\"stop\":[\"x\"],\"user\":"
         "\"u\","
         "\"n\":1,\"seed\":1,\"reasoning_effort\":\"high\",\"tools\":[{\"type\":\"function\","
         "\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"object\"}}}],\"tool_choice\":"
         "\"auto\",\"parallel_tool_calls\":false,\"messages\":[{\"role\":\"system\",\"content\":"
         "\"s\"},{\"role\":\"user\",\"content\":\"hi\"}]}"},
        {"openai.responses",
         "{\"model\":\"x\",\"max_output_tokens\":64000,\"stream\":true,\"store\":true,\"input\":"
         "\"hi\",\"instructions\":\"s\",\"metadata\":{\"a\":\"b\"},\"text\":{\"format\":{\"type\":"
         "\"json_schema\",\"name\":\"n\",\"strict\":true,\"schema\":{\"type\":\"object\","
         "\"additionalProperties\":false}}}}"},
        {"ollama.chat",
         "{\"model\":\"x\",\"keep_alive\":1,\"options\":{\"num_predict\":5,\"top_k\":2},"
         "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"},
        {"anthropic.messages",
         "{\"model\":\"x\",\"max_tokens\":9,\"stream\":true,\"temperature\":1,\"top_k\":1,\"top_"
         "p\":1,"
         "\"stop_sequences\":[\"x\"],\"metadata\":{\"user_id\":\"u\"},\"service_tier\":\"auto\","
         "\"system\":\"s\",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024},"
         "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"}};

    begin(NULL);
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        uint64_t id = count(bodies[i][0], bodies[i][1]);
        struct fake_http_request *q = fake_http_find("/count_tokens");
        struct aiex_json_span whole = {AIEX_JSON_OBJECT, q->body, strlen(q->body)}, key, value;
        size_t at = 0, n = 0;

        while (aiex_json_next(&whole, &at, &key, &value)) {
            size_t k = 0;

            while (k < sizeof(allowed) / sizeof(allowed[0]) && !aiex_json_is(&key, allowed[k]))
                k++;
            CU_ASSERT(k < sizeof(allowed) / sizeof(allowed[0]));
            n++;
        }
        CU_ASSERT(n >= 2);
        fake_http_answer(q, 200, "application/json", "{\"input_tokens\":7}");
        CU_ASSERT_EQUAL(rig_number(rig_good(id), "input_tokens"), 7);
    }
    rig_finish();
}

static void counts_never_fail(void)
{
    static const struct {
        int status;
        const char *body;
    } rows[] = {{500, ""}, {200, "{\"input_tokens\":-1}"}, {200, "[]"}, {404, "{}"}};
    const struct aiex_fake_record *r;
    uint64_t id;

    begin(NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        id = count("openai.chat", CHAT);
        fake_http_answer(fake_http_find("/count_tokens"), rows[i].status, "application/json",
                         rows[i].body);
        r = rig_good(id);
        CU_ASSERT_EQUAL(rig_truth(r, "exact"), 0);
        CU_ASSERT(rig_number(r, "input_tokens") > 0);
    }
    id = count("openai.chat", CHAT);
    fake_http_end(fake_http_find("/count_tokens"), AIEX_HTTP_CONNECT, 0, "refused");
    rig_good(id);
    id = count("openai.chat", CHAT);
    CU_ASSERT_EQUAL(aiex_fake_cancel(rig.host, id), 0);
    CU_ASSERT(!fake_http_find("/count_tokens")->open);
    aiex_fake_fail_alloc(rig.host, 1);
    rig_good(count("openai.chat", CHAT));
    count("openai.chat", CHAT); /* left open: destroy() drops it */
    aiex_fake_stop(rig.host, rig.plugin, rig.self);
    CU_ASSERT_EQUAL(aiex_fake_host_free(rig.host), 1); /* the unanswered request only */
    fake_http_reset();
}

const struct test_case tests[] = {
    {"requests_look_right", requests_look_right},
    {"a_client_of_openai", a_client_of_openai},
    {"limits_that_the_client_left_out", limits_that_the_client_left_out},
    {"limits_that_the_model_can_not_keep", limits_that_the_model_can_not_keep},
    {"code_in_the_middle", code_in_the_middle},
    {"what_it_has_not", what_it_has_not},
    {"models_come_in_pages", models_come_in_pages},
    {"a_page_that_fails_keeps_the_old_list", a_page_that_fails_keeps_the_old_list},
    {"no_key_is_unhealthy_and_quiet", no_key_is_unhealthy_and_quiet},
    {"counted_by_the_vendor", counted_by_the_vendor},
    {"what_counting_is_told", what_counting_is_told},
    {"counts_never_fail", counts_never_fail},
    {0}};

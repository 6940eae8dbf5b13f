/* provider_lmstudio through its descriptor: paths, its own list of models, silence while it does
 * not run. How calls behave is tested with the provider kit. */
#include <rig.h>

#define LIST                                                                                       \
    "{\"object\":\"list\",\"data\":[{\"id\":\"qwen2.5-coder-7b\",\"object\":\"model\",\"type\":"   \
    "\"llm\",\"publisher\":\"lmstudio-community\",\"arch\":\"qwen2\",\"quantization\":\"Q4_K_M\"," \
    "\"state\":\"loaded\",\"max_context_length\":32768,\"loaded_context_length\":4096,"            \
    "\"capabilities\":[\"tool_use\"]},{\"id\":\"qwen2-vl\",\"type\":\"vlm\",\"state\":"            \
    "\"not-loaded\",\"max_context_length\":8192},{\"id\":\"nomic\",\"type\":\"embeddings\"}]}"

static void begin(const struct aiex_fake_pair *pairs)
{
    unsetenv("LMSTUDIO_BASE_URL");
    unsetenv("LMSTUDIO_API_KEY");
    rig_begin(pairs);
}

static int can(struct aiex_slice model, const char *what)
{
    struct aiex_slice list = {NULL, 0};

    return aiex_get_whole(model, "capabilities", &list) == 1 &&
           memmem(list.data, list.len, what, strlen(what)) != NULL;
}

static void its_own_list(void)
{
    struct aiex_fake_record one;
    const struct aiex_fake_record *r;
    uint64_t id;

    begin(NULL);
    CU_ASSERT_STRING_EQUAL(fake_http.requests[0].url, "http://127.0.0.1:1234/api/v0/models");
    CU_ASSERT_PTR_NULL(strstr(fake_http.requests[0].headers, "authorization"));
    id = rig_ask("provider.models");
    fake_http_answer(&fake_http.requests[0], 200, "application/json", LIST);
    r = rig_good(id);
    CU_ASSERT_EQUAL_FATAL(rig_n_models(r), 3);
    one.body = rig_model(r, 0);
    CU_ASSERT(rig_is(&one, "id", "qwen2.5-coder-7b") && rig_is(&one, "quantization", "Q4_K_M"));
    CU_ASSERT(rig_is(&one, "family", "qwen2") && rig_is(&one, "owned_by", "lmstudio-community"));
    CU_ASSERT_EQUAL(rig_number(&one, "context"), 4096); /* what it runs with */
    CU_ASSERT_EQUAL(rig_truth(&one, "loaded"), 1);
    CU_ASSERT(can(one.body, "tools") && can(one.body, "fim") && !can(one.body, "vision"));
    one.body = rig_model(r, 1);
    CU_ASSERT_EQUAL(rig_number(&one, "context"), 8192);
    CU_ASSERT_EQUAL(rig_truth(&one, "loaded"), 0);
    CU_ASSERT(can(one.body, "vision") && can(one.body, "tools")); /* it lists none at all */
    one.body = rig_model(r, 2);
    CU_ASSERT_EQUAL(rig_truth(&one, "loaded"), -1);
    CU_ASSERT(can(one.body, "embeddings") && !can(one.body, "chat"));
    rig_finish();
}

static void older_versions(void)
{
    static const struct {
        int status;
        const char *body;
    } rows[] = {{404, ""}, {200, "{\"error\":\"Unexpected endpoint or method.\"}"}};

    for (size_t i = 0; i < 2; i++) {
        uint64_t id;

        begin(NULL);
        id = rig_ask("provider.models");
        fake_http_answer(&fake_http.requests[0], rows[i].status, "application/json", rows[i].body);
        CU_ASSERT_EQUAL_FATAL(fake_http.n, 2);
        CU_ASSERT_STRING_EQUAL(fake_http.requests[1].url, "http://127.0.0.1:1234/v1/models");
        fake_http_answer(&fake_http.requests[1], 200, "application/json",
                         "{\"data\":[{\"id\":\"a\"}]}");
        CU_ASSERT_EQUAL(rig_n_models(rig_good(id)), 1);
        CU_ASSERT_EQUAL(rig_healthy(), 1);
        rig_finish();
    }
}

static void quiet_while_it_does_not_run(void)
{
    begin(NULL);
    for (int i = 0; i < 8; i++) {
        CU_ASSERT_EQUAL_FATAL(fake_http.n, i + 1);
        fake_http_end(&fake_http.requests[i], AIEX_HTTP_CONNECT, 0, "connection refused");
        CU_ASSERT_EQUAL(rig_healthy(), 0);
        aiex_fake_advance(rig.host, 5501);
    }
    for (size_t i = 0; i < aiex_fake_count(rig.host, AIEX_FAKE_LOG); i++)
        CU_ASSERT_EQUAL(aiex_fake_nth(rig.host, AIEX_FAKE_LOG, i)->level, AIEX_LOG_DEBUG);
    CU_ASSERT_STRING_EQUAL(rig_event(0), "down");
    CU_ASSERT_STRING_EQUAL(rig_event(1), "none");
    fake_http_answer(&fake_http.requests[8], 200, "application/json", LIST); /* it was started */
    CU_ASSERT_EQUAL(rig_healthy(), 1);
    CU_ASSERT_STRING_EQUAL(rig_event(1), "up");
    aiex_fake_advance(rig.host, 33001);
    fake_http_end(&fake_http.requests[9], AIEX_HTTP_CONNECT, 0, "connection refused");
    CU_ASSERT_EQUAL(aiex_fake_last(rig.host, AIEX_FAKE_LOG)->level, AIEX_LOG_WARN);
    rig_finish();
}

static void elsewhere_it_is_a_fault(void)
{
    begin((struct aiex_fake_pair[]){{"base_url", "http://desk.lan:1234/v1/"}, {0}});
    CU_ASSERT_STRING_EQUAL(fake_http.requests[0].url, "http://desk.lan:1234/api/v0/models");
    fake_http_end(&fake_http.requests[0], AIEX_HTTP_CONNECT, 0, "no route");
    CU_ASSERT_EQUAL(aiex_fake_last(rig.host, AIEX_FAKE_LOG)->level, AIEX_LOG_WARN);
    rig_finish();
}

static void call(const char *dialect, const char *body, const char *path)
{
    uint64_t id = rig_call(&(struct rig_call){.dialect = dialect, .model = "m", .body = body});
    const struct fake_http_request *r = &fake_http.requests[fake_http.n - 1];

    CU_ASSERT_PTR_NOT_NULL(strstr(r->url, path));
    CU_ASSERT_PTR_NOT_NULL(strstr(r->headers, "authorization: Bearer k\n"));
    CU_ASSERT_EQUAL(aiex_fake_cancel(rig.host, id), 0);
}

static void paths(void)
{
    begin((struct aiex_fake_pair[]){{"api_key", "k"}, {0}});
    call("openai.chat", "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
         ":1234/v1/chat/completions");
    call("openai.responses", "{\"input\":\"x\"}", ":1234/v1/chat/completions");
    call("openai.completions", "{\"prompt\":\"int \",\"suffix\":\";\"}", ":1234/v1/completions");
    CU_ASSERT_PTR_NOT_NULL(strstr(fake_http.requests[3].body, "\"suffix\""));
    call("openai.embeddings", "{\"input\":\"x\"}", ":1234/v1/embeddings");
    rig_finish();
    begin((struct aiex_fake_pair[]){{"api_key", "k"}, {"responses", "yes"}, {0}});
    call("openai.responses", "{\"input\":\"x\"}", ":1234/v1/responses");
    rig_finish();
}

const struct test_case tests[] = {{"its_own_list", its_own_list},
                                  {"older_versions", older_versions},
                                  {"quiet_while_it_does_not_run", quiet_while_it_does_not_run},
                                  {"elsewhere_it_is_a_fault", elsewhere_it_is_a_fault},
                                  {"paths", paths},
                                  {0}};

/* provider_openai and the dialects beside openai.chat: which endpoint takes what, completions with
 * a suffix, vectors. */
#include <rig.h>

static void begin(const char *base_url, const char *responses)
{
    unsetenv("OPENAI_API_KEY");
    unsetenv("OPENAI_BASE_URL");
    rig_begin((struct aiex_fake_pair[]){
        {"api_key", "k"}, {"base_url", base_url}, {"responses", responses}, {0}});
}

/* The url that a call of a dialect goes to. */
static const char *url_of(const char *dialect, const char *body)
{
    uint64_t id = rig_call(&(struct rig_call){.dialect = dialect, .model = "m", .body = body});

    CU_ASSERT_EQUAL(aiex_fake_cancel(rig.host, id), 0);
    return fake_http.requests[fake_http.n - 1].url;
}

static const char chat_body[] = "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}";

static void who_has_responses(void)
{
    static const struct {
        const char *base_url, *responses, *path;
    } rows[] = {
        {"https://api.openai.com/v1", "auto", "https://api.openai.com/v1/responses"},
        {"https://api.openai.com/v1", "no", "https://api.openai.com/v1/chat/completions"},
        {"https://api.openai.com.evil.example/v1", "auto",
         "https://api.openai.com.evil.example/v1/chat/completions"},
        {"http://127.0.0.1:8000/v1", "auto", "http://127.0.0.1:8000/v1/chat/completions"},
        {"http://127.0.0.1:8000/v1/", "yes", "http://127.0.0.1:8000/v1/responses"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin(rows[i].base_url, rows[i].responses);
        CU_ASSERT_STRING_EQUAL(url_of("openai.responses", "{\"input\":\"x\"}"), rows[i].path);
        CU_ASSERT_PTR_NOT_NULL(strstr(url_of("openai.chat", chat_body), "/chat/completions"));
        rig_finish();
    }
}

static void where_others_go(void)
{
    static const struct {
        const char *dialect, *body, *url;
    } rows[] = {
        {"anthropic.messages",
         "{\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
         "http://h/v1/chat/completions"},
        {"ollama.chat", chat_body, "http://h/v1/chat/completions"},
        {"openai.completions", "{\"prompt\":\"x\"}", "http://h/v1/completions"},
        {"ollama.generate", "{\"prompt\":\"x\"}", "http://h/v1/completions"},
        {"openai.embeddings", "{\"input\":\"x\"}", "http://h/v1/embeddings"},
        {"ollama.embed", "{\"input\":\"x\"}", "http://h/v1/embeddings"},
    };

    begin("http://h/v1", "auto");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        CU_ASSERT_STRING_EQUAL(url_of(rows[i].dialect, rows[i].body), rows[i].url);
    rig_finish();
}

static void code_in_the_middle(void)
{
    uint64_t id;

    begin("http://h/v1", "auto");
    id = rig_call(&(struct rig_call){.dialect = "openai.completions",
                                     .model = "m",
                                     .body = "{\"prompt\":\"int x =\",\"suffix\":\";\"}"});
    CU_ASSERT_PTR_NOT_NULL(strstr(fake_http_find("/completions")->body, "\"suffix\":\";\""));
    fake_http_answer(
        fake_http_find("/completions"), 200, "application/json",
        "{\"id\":\"cmpl-1\",\"object\":\"text_completion\",\"created\":1,\"model\":"
        "\"m\",\"choices\":[{\"index\":0,\"text\":\" 42\",\"finish_reason\":\"stop\"}],"
        "\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}");
    CU_ASSERT_EQUAL(rig_number(rig_good(id), "output_tokens"), 2);
    CU_ASSERT(rig_parts_have(id, "\"text\":\" 42\""));
    rig_finish();
}

static void vectors(void)
{
    static const char answer[] =
        "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":[0.5,"
        "-1]}],\"model\":\"m\",\"usage\":{\"prompt_tokens\":1,\"total_tokens\":1}}";
    static const char *const clients[] = {"openai.embeddings", "ollama.embed"};

    for (size_t i = 0; i < 2; i++) {
        const struct aiex_fake_record *r;
        uint64_t id;

        begin("http://h/v1", "auto");
        id = rig_call(
            &(struct rig_call){.dialect = clients[i], .model = "m", .body = "{\"input\":\"x\"}"});
        fake_http_answer(fake_http_find("/embeddings"), 200, "application/json", answer);
        r = rig_good(id);
        CU_ASSERT_EQUAL(rig_number(r, "input_tokens"), 1);
        CU_ASSERT(rig_number(r, "output_tokens") <= 0);
        CU_ASSERT(rig_parts_have(id, "[0.5,-1]"));
        rig_finish();
    }
}

static void a_dialect_of_another_method(void)
{
    begin("http://h/v1", "auto");
    rig_failed(rig_call(&(struct rig_call){.method = "provider.chat",
                                           .dialect = "openai.embeddings",
                                           .model = "m",
                                           .body = "{\"input\":\"x\"}"}),
               "invalid", 400);
    CU_ASSERT_EQUAL(fake_http.n, 1); /* the probe */
    rig_finish();
}

const struct test_case tests[] = {{"who_has_responses", who_has_responses},
                                  {"where_others_go", where_others_go},
                                  {"code_in_the_middle", code_in_the_middle},
                                  {"vectors", vectors},
                                  {"a_dialect_of_another_method", a_dialect_of_another_method},
                                  {0}};

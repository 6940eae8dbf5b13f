/* provider_ollama through its descriptor: addresses, its lists, its own endpoints. How calls behave
 * is tested with the provider kit. */
#include <aiex_json.h>
#include <rig.h>

#define TAGS                                                                                       \
    "{\"models\":[{\"name\":\"qwen2.5-coder:7b\",\"model\":\"qwen2.5-coder:7b\",\"size\":"         \
    "4683087332,\"digest\":\"aaa\",\"details\":{\"family\":\"qwen2\",\"parameter_size\":\"7.6B\"," \
    "\"quantization_level\":\"Q4_K_M\"}},{\"name\":\"nomic-embed-text:latest\",\"digest\":"        \
    "\"bbb\"},{\"nameless\":1}]}"
#define PS                                                                                         \
    "{\"models\":[{\"name\":\"qwen2.5-coder:7b\",\"context_length\":4096},{\"name\":\"gone\"}]}"
#define SHOW                                                                                       \
    "{\"model_info\":{\"general.architecture\":\"qwen2\",\"qwen2.context_length\":32768},"         \
    "\"capabilities\":[\"completion\",\"tools\",\"insert\",\"dreams\"]}"
#define SHOW_EMBED                                                                                 \
    "{\"model_info\":{\"nomic-bert.context_length\":2048},\"capabilities\":[\"embedding\"]}"

static void begin(const struct aiex_fake_pair *pairs)
{
    unsetenv("OLLAMA_HOST");
    unsetenv("OLLAMA_API_KEY");
    rig_begin(pairs);
}

static struct fake_http_request *nth(int n)
{
    CU_ASSERT_FATAL(fake_http.n > n);
    return &fake_http.requests[n];
}

static void answer(int n, const char *json)
{
    fake_http_answer(nth(n), 200, "application/json", json);
}

static int can(struct aiex_slice model, const char *what)
{
    struct aiex_slice list = {NULL, 0};

    return aiex_get_whole(model, "capabilities", &list) == 1 &&
           memmem(list.data, list.len, what, strlen(what)) != NULL;
}

/* ---- Addresses ---- */

static void addresses(void)
{
    static const struct {
        const char *base_url, *url;
    } rows[] = {{"127.0.0.1:11434", "http://127.0.0.1:11434/api/tags"},
                {"0.0.0.0", "http://127.0.0.1:11434/api/tags"},
                {"0.0.0.0:8080", "http://127.0.0.1:8080/api/tags"},
                {":8080", "http://127.0.0.1:8080/api/tags"},
                {"", "http://127.0.0.1:11434/api/tags"},
                {"[::]:8080", "http://[::1]:8080/api/tags"},
                {"[fe80::1]", "http://[fe80::1]:11434/api/tags"},
                {"gpu.lan", "http://gpu.lan:11434/api/tags"},
                {"gpu.lan/", "http://gpu.lan:11434/api/tags"},
                {"http://gpu.lan", "http://gpu.lan/api/tags"},
                {"https://0.0.0.0:1/v1/", "https://127.0.0.1:1/api/tags"},
                {"http://gpu.lan/ollama/", "http://gpu.lan/ollama/api/tags"}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin((struct aiex_fake_pair[]){{"base_url", rows[i].base_url}, {0}});
        CU_ASSERT_STRING_EQUAL(nth(0)->url, rows[i].url);
        rig_finish();
    }
    setenv("OLLAMA_HOST", "0.0.0.0:4000", 1);
    rig_begin(NULL);
    CU_ASSERT_STRING_EQUAL(nth(0)->url, "http://127.0.0.1:4000/api/tags");
    rig_finish();
    unsetenv("OLLAMA_HOST");
}

static void options_are_checked(void)
{
    static const struct aiex_fake_pair bad[][2] = {
        {{"base_url", "ftp://x"}, {0}}, {{"base_url", "[::1"}, {0}},     {{"port", "11434"}, {0}},
        {{"port", ":"}, {0}},           {{"num_ctx", "0"}, {0}},         {{"num_ctx", "-1"}, {0}},
        {{"num_ctx", "12k"}, {0}},      {{"num_ctx", "123456789"}, {0}}, {{"num_ctx", "yes"}, {0}}};

    rig.plugin = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct aiex_error err = {""};

        rig.host = aiex_fake_host_new("provider_ollama");
        aiex_fake_extension(rig.host, AIEX_HTTP_ID, &fake_http_table);
        CU_ASSERT_EQUAL(aiex_fake_start(rig.host, rig.plugin, bad[i], &rig.self, &err), -EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, bad[i][0].name));
        CU_ASSERT_EQUAL(aiex_fake_host_free(rig.host), 0);
    }
}

/* ---- Models ---- */

static void its_lists(void)
{
    struct aiex_fake_record one;
    const struct aiex_fake_record *r;
    uint64_t id;

    begin(NULL);
    id = rig_ask("provider.models");
    answer(0, TAGS);
    CU_ASSERT_STRING_EQUAL(nth(1)->url, "http://127.0.0.1:11434/api/ps");
    CU_ASSERT_STRING_EQUAL(nth(1)->method, "GET");
    answer(1, PS);
    CU_ASSERT_STRING_EQUAL(nth(2)->url, "http://127.0.0.1:11434/api/show");
    CU_ASSERT_STRING_EQUAL(nth(2)->method, "POST");
    CU_ASSERT_STRING_EQUAL(nth(2)->body, "{\"model\":\"qwen2.5-coder:7b\"}");
    answer(2, SHOW);
    answer(3, SHOW_EMBED);
    r = rig_good(id);
    CU_ASSERT_EQUAL_FATAL(rig_n_models(r), 2);
    one.body = rig_model(r, 0);
    CU_ASSERT(rig_is(&one, "family", "qwen2") && rig_is(&one, "parameters", "7.6B"));
    CU_ASSERT_EQUAL(rig_number(&one, "bytes"), 4683087332);
    CU_ASSERT_EQUAL(rig_truth(&one, "loaded"), 1);
    CU_ASSERT_EQUAL(rig_number(&one, "context"), 4096); /* what it runs with */
    CU_ASSERT(can(one.body, "fim") && can(one.body, "tools") && !can(one.body, "vision"));
    one.body = rig_model(r, 1);
    CU_ASSERT_EQUAL(rig_truth(&one, "loaded"), 0);
    CU_ASSERT_EQUAL(rig_number(&one, "context"), 2048);
    CU_ASSERT(can(one.body, "embeddings") && !can(one.body, "chat"));
    rig_finish();
}

static void details_are_asked_once(void)
{
    struct aiex_fake_record one;
    uint64_t id;

    begin(NULL);
    answer(0, TAGS);
    answer(1, PS);
    answer(2, SHOW);
    fake_http_answer(nth(3), 404, "application/json", "{}"); /* a model may be gone by then */
    aiex_fake_advance(rig.host, 33001);
    answer(4, TAGS);
    answer(5, "{\"models\":[]}");
    CU_ASSERT_STRING_EQUAL(nth(6)->body, "{\"model\":\"nomic-embed-text:latest\"}");
    fake_http_end(nth(6), AIEX_HTTP_CUT, 1, "closed");
    CU_ASSERT_EQUAL(fake_http.n, 7);
    id = rig_ask("provider.models");
    one.body = rig_model(rig_good(id), 0);
    CU_ASSERT_EQUAL(rig_truth(&one, "loaded"), 0);
    CU_ASSERT_EQUAL(rig_number(&one, "context"), 32768); /* what it could have */
    CU_ASSERT(can(one.body, "fim"));
    rig_finish();
}

static void broken_lists(void)
{
    uint64_t id;

    begin(NULL);
    id = rig_ask("provider.models");
    answer(0, "{\"models\":3}");
    CU_ASSERT_EQUAL(rig_truth(rig_good(id), "complete"), 0);
    CU_ASSERT_EQUAL(rig_healthy(), 1);
    id = rig_ask("provider.models");
    answer(1, TAGS);
    answer(2, "oops");
    answer(3, "[]");
    answer(4, "{\"capabilities\":7}");
    CU_ASSERT_EQUAL(rig_n_models(rig_good(id)), 2);
    rig_finish();
}

/* ---- Calls ---- */

static void native_paths(void)
{
    static const struct {
        const char *dialect, *body, *path;
    } rows[] = {
        {"ollama.chat", "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", "/api/chat"},
        {"openai.chat", "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", "/api/chat"},
        {"ollama.generate", "{\"prompt\":\"int \",\"suffix\":\";\"}", "/api/generate"},
        {"openai.completions", "{\"prompt\":\"int \",\"suffix\":\";\"}", "/api/generate"},
        {"ollama.embed", "{\"input\":\"x\"}", "/api/embed"},
        {"openai.embeddings", "{\"input\":\"x\"}", "/api/embed"}};

    begin(NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t id = rig_call(
            &(struct rig_call){.dialect = rows[i].dialect, .model = "m", .body = rows[i].body});
        const struct fake_http_request *r = &fake_http.requests[fake_http.n - 1];
        size_t n = strlen(r->url), m = strlen(rows[i].path);

        CU_ASSERT(n > m && strcmp(r->url + n - m, rows[i].path) == 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(r->body, "\"model\":\"m\""));
        if (strstr(rows[i].body, "suffix"))
            CU_ASSERT_PTR_NOT_NULL(strstr(r->body, "\"suffix\":\";\""));
        CU_ASSERT_EQUAL(aiex_fake_cancel(rig.host, id), 0);
    }
    rig_finish();
}

static void code_in_the_middle(void)
{
    const struct aiex_fake_record *r;
    uint64_t id;

    begin(NULL);
    id = rig_call(&(struct rig_call){.dialect = "openai.completions",
                                     .model = "m",
                                     .body = "{\"prompt\":\"int x =\",\"suffix\":\";\"}"});
    answer(1, "{\"model\":\"m\",\"created_at\":\"2026-01-01T00:00:00Z\",\"response\":\" 42\","
              "\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":5,\"eval_count\":2}");
    r = rig_good(id);
    CU_ASSERT(rig_parts_have(id, "\"text\":\" 42\""));
    CU_ASSERT_EQUAL(rig_number(r, "input_tokens"), 5);
    rig_finish();
}

/* ---- Context ---- */

/* Asks, and says what num_ctx the vendor was told; 0 = none. */
static int64_t context(const char *dialect, const char *body)
{
    uint64_t id = rig_call(
        &(struct rig_call){.dialect = dialect, .model = "qwen2.5-coder:7b", .body = body});
    const char *sent = fake_http.requests[fake_http.n - 1].body, *at = strstr(sent, "\"num_ctx\":");

    CU_ASSERT_EQUAL(
        aiex_json_scan((struct aiex_slice){(const uint8_t *)sent, strlen(sent)}, 0, NULL, 0, NULL),
        AIEX_JSON_OBJECT);
    CU_ASSERT(!at || !strstr(at + 1, "\"num_ctx\":"));
    CU_ASSERT_EQUAL(aiex_fake_cancel(rig.host, id), 0);
    return at ? strtoll(at + 10, NULL, 10) : 0;
}

#define SAYS(text) "\"messages\":[{\"role\":\"user\",\"content\":\"" text "\"}]"

/* {"messages": ...} of about `tokens`, in static memory. */
static const char *long_chat(int tokens, const char *more)
{
    static char body[400000];

    CU_ASSERT_FATAL((size_t)tokens * 3 + 200 < sizeof(body));
    snprintf(body, sizeof(body), "{%s" SAYS("%0*d") "}", more, tokens * 3, 0);
    return body;
}

static void lists(const char *loaded)
{
    rig_ask("provider.models");
    answer(0, TAGS);
    answer(1, loaded);
    answer(2, SHOW);
    answer(3, SHOW_EMBED);
}

static void context_that_fits(void)
{
    begin(NULL);
    lists("{\"models\":[]}");
    CU_ASSERT_EQUAL(context("openai.chat", long_chat(10, "")), 4096);
    CU_ASSERT_EQUAL(context("ollama.chat", long_chat(10, "\"stream\":true,")), 4096);
    CU_ASSERT_EQUAL(context("openai.chat", long_chat(2100, "")), 8192);
    CU_ASSERT_EQUAL(context("openai.chat", long_chat(10, "")),
                    8192); /* loaded so by the last one */
    CU_ASSERT_EQUAL(context("ollama.generate", "{\"prompt\":\"x\",\"options\":{}}"), 8192);
    CU_ASSERT_EQUAL(context("anthropic.messages", long_chat(5000, "\"max_tokens\":5000,")), 16384);
    /* the answer's limit counts, the model's context bounds */
    CU_ASSERT_EQUAL(context("anthropic.messages", long_chat(20000, "\"max_tokens\":64000,")),
                    32768);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(fake_http.requests[fake_http.n - 1].body, "\"num_predict\":127")); /* what is left */
    CU_ASSERT_EQUAL(context("openai.chat", long_chat(100000, "")), 32768);
    rig_finish();
}

static void context_of_the_client(void)
{
    begin(NULL);
    CU_ASSERT_EQUAL(context("ollama.chat", "{\"options\":{\"num_ctx\":77}," SAYS("x") "}"), 77);
    CU_ASSERT_EQUAL(context("ollama.chat", "{\"options\":null," SAYS("x") "}"), 4096);
    CU_ASSERT_EQUAL(context("ollama.chat", "{\"options\":7," SAYS("x") "}"), 0);
    CU_ASSERT_EQUAL(context("ollama.chat", "{\"options\":{\"num_predict\":6000}," SAYS("x") "}"),
                    8192);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(fake_http.requests[fake_http.n - 1].body, "\"num_predict\":6000"));
    CU_ASSERT_EQUAL(context("ollama.embed", "{\"input\":\"x\"}"), 0);
    rig_finish();
}

static void context_as_loaded(void)
{
    begin(NULL);
    lists("{\"models\":[{\"name\":\"qwen2.5-coder:7b\",\"context_length\":16384}]}");
    CU_ASSERT_EQUAL(context("openai.chat", long_chat(10, "")), 16384);
    CU_ASSERT_EQUAL(context("openai.chat", long_chat(20000, "")), 32768); /* more than loaded */
    rig_finish();
}

static void context_by_option(void)
{
    begin((struct aiex_fake_pair[]){{"num_ctx", "off"}, {0}});
    CU_ASSERT_EQUAL(context("openai.chat", long_chat(9000, "")), 0);
    CU_ASSERT_EQUAL(context("ollama.chat", long_chat(9000, "")), 0);
    rig_finish();
    begin((struct aiex_fake_pair[]){{"num_ctx", "12000"}, {0}});
    CU_ASSERT_EQUAL(context("openai.chat", long_chat(10, "")), 12000);
    CU_ASSERT_EQUAL(context("ollama.chat", "{\"options\":{\"num_ctx\":77}," SAYS("x") "}"), 77);
    rig_finish();
}

static void vectors(void)
{
    uint64_t id;

    begin(NULL);
    id = rig_call(&(struct rig_call){
        .dialect = "openai.embeddings", .model = "m", .body = "{\"input\":[\"a\",\"b\"]}"});
    answer(1, "{\"model\":\"m\",\"embeddings\":[[0.5,-1],[0.25,2]],\"prompt_eval_count\":2}");
    CU_ASSERT_EQUAL(rig_number(rig_good(id), "input_tokens"), 2);
    CU_ASSERT(rig_parts_have(id, "\"embedding\":[0.25,2]"));
    rig_finish();
}

const struct test_case tests[] = {{"addresses", addresses},
                                  {"options_are_checked", options_are_checked},
                                  {"its_lists", its_lists},
                                  {"details_are_asked_once", details_are_asked_once},
                                  {"broken_lists", broken_lists},
                                  {"native_paths", native_paths},
                                  {"code_in_the_middle", code_in_the_middle},
                                  {"context_that_fits", context_that_fits},
                                  {"context_of_the_client", context_of_the_client},
                                  {"context_as_loaded", context_as_loaded},
                                  {"context_by_option", context_by_option},
                                  {"vectors", vectors},
                                  {0}};

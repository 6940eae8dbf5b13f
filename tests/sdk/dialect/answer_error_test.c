/* Errors: what vendors' bodies mean, and how each dialect says them. */
#include "test.h"

#include <aiex_chat.h>
#include <aiex_json.h>
#include <stdio.h>
#include <string.h>

static struct aiex_slice text(const char *s)
{
    return (struct aiex_slice){(const uint8_t *)s, strlen(s)};
}

/* Bodies as the vendors send them. */
static const struct {
    const char *name;
    int status;
    const char *body;
    int reason, want_status;
} bodies[] = {
    {"openai context", 400,
     "{\"error\":{\"message\":\"This model's maximum context length is 8192 tokens. However, your "
     "messages resulted in 9012 "
     "tokens.\",\"type\":\"invalid_request_error\",\"param\":\"messages\","
     "\"code\":\"context_length_exceeded\"}}",
     AIEX_REASON_CONTEXT_LENGTH, 400},
    {"openai quota", 429,
     "{\"error\":{\"message\":\"You exceeded your current quota, please check your plan and "
     "billing "
     "details.\",\"type\":\"insufficient_quota\",\"param\":null,\"code\":\"insufficient_quota\"}}",
     AIEX_REASON_QUOTA, 429},
    {"openai rate", 429,
     "{\"error\":{\"message\":\"Rate limit reached for gpt-4o in organization org-x on tokens per "
     "min\",\"type\":\"tokens\",\"param\":null,\"code\":\"rate_limit_exceeded\"}}",
     AIEX_REASON_RATE_LIMIT, 429},
    {"openai key", 401,
     "{\"error\":{\"message\":\"Incorrect API key provided: "
     "sk-x.\",\"type\":\"invalid_request_error\","
     "\"param\":null,\"code\":\"invalid_api_key\"}}",
     AIEX_REASON_AUTH, 401},
    {"openai model", 404,
     "{\"error\":{\"message\":\"The model `gpt-9` does not exist or you do not have access to "
     "it.\","
     "\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"model_not_found\"}}",
     AIEX_REASON_MODEL, 404},
    {"openai server", 500,
     "{\"error\":{\"message\":\"The server had an error\",\"type\":\"server_error\",\"param\":null,"
     "\"code\":null}}",
     AIEX_REASON_SERVER, 500},
    {"anthropic too long", 400,
     "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"prompt is "
     "too "
     "long: 210000 tokens > 200000 maximum\"},\"request_id\":\"req_1\"}",
     AIEX_REASON_CONTEXT_LENGTH, 400},
    {"anthropic limit", 400,
     "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"input length "
     "and "
     "`max_tokens` exceed context limit: 190000 + 20000 > 200000\"}}",
     AIEX_REASON_CONTEXT_LENGTH, 400},
    {"anthropic overloaded", 529,
     "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}",
     AIEX_REASON_OVERLOADED, 529},
    {"anthropic overloaded in a stream", 200,
     "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}",
     AIEX_REASON_OVERLOADED, 529},
    {"anthropic rate", 429,
     "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"This request "
     "would "
     "exceed your organization's rate limit\"}}",
     AIEX_REASON_RATE_LIMIT, 429},
    {"anthropic money", 400,
     "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"Your credit "
     "balance is too low to access the Anthropic API.\"}}",
     AIEX_REASON_QUOTA, 400},
    {"anthropic model", 404,
     "{\"type\":\"error\",\"error\":{\"type\":\"not_found_error\",\"message\":\"model: "
     "claude-x\"}}",
     AIEX_REASON_MODEL, 404},
    {"anthropic filter", 400,
     "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"Output "
     "blocked by "
     "content filtering policy\"}}",
     AIEX_REASON_CONTENT_FILTER, 400},
    {"ollama model", 404, "{\"error\":\"model 'llama9' not found\"}", AIEX_REASON_MODEL, 404},
    {"ollama busy", 503,
     "{\"error\":\"server busy, please try again.  maximum pending requests exceeded\"}",
     AIEX_REASON_OVERLOADED, 503},
    {"ollama embed", 400, "{\"error\":\"the input length exceeds the context length\"}",
     AIEX_REASON_CONTEXT_LENGTH, 400},
    {"ollama stream", 200, "{\"error\":\"an error was encountered while running the model\"}",
     AIEX_REASON_SERVER, 500},
    {"lm studio context", 400,
     "{\"error\":\"Trying to keep the first 4533 tokens when context the overflows. However, the "
     "model is loaded with context length of only 4096 tokens, which is not enough.\"}",
     AIEX_REASON_CONTEXT_LENGTH, 400},
    {"lm studio none", 400,
     "{\"error\":{\"message\":\"No models loaded. Please load a model in the developer page.\","
     "\"type\":\"invalid_request_error\",\"param\":\"model\",\"code\":null}}",
     AIEX_REASON_MODEL, 400},
    {"vllm context", 400,
     "{\"object\":\"error\",\"message\":\"This model's maximum context length is 4096 tokens. "
     "However, you requested 5000 "
     "tokens.\",\"type\":\"BadRequestError\",\"param\":null,\"code\":400}",
     AIEX_REASON_CONTEXT_LENGTH, 400},
    {"vllm model", 404,
     "{\"object\":\"error\",\"message\":\"The model `x` does not "
     "exist.\",\"type\":\"NotFoundError\","
     "\"param\":null,\"code\":404}",
     AIEX_REASON_MODEL, 404},
    {"llama.cpp context", 400,
     "{\"error\":{\"code\":400,\"message\":\"the request exceeds the available context size, try "
     "increasing "
     "it\",\"type\":\"exceed_context_size_error\",\"n_prompt_tokens\":9000,\"n_ctx\":4096}}",
     AIEX_REASON_CONTEXT_LENGTH, 400},
    {"llama.cpp loading", 503,
     "{\"error\":{\"code\":503,\"message\":\"Loading model\",\"type\":\"unavailable_error\"}}",
     AIEX_REASON_OVERLOADED, 503},
    {"azure filter", 400,
     "{\"error\":{\"message\":\"The response was filtered due to the prompt triggering Azure "
     "OpenAI's "
     "content management policy.\",\"type\":null,\"param\":\"prompt\",\"code\":\"content_filter\","
     "\"status\":400,\"innererror\":{\"code\":\"ResponsibleAIPolicyViolation\"}}}",
     AIEX_REASON_CONTENT_FILTER, 400},
    {"google list", 429,
     "[{\"error\":{\"code\":429,\"message\":\"Resource has been exhausted\",\"status\":"
     "\"RESOURCE_EXHAUSTED\"}}]",
     AIEX_REASON_RATE_LIMIT, 429},
    {"fastapi", 422, "{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"field required\"}]}",
     AIEX_REASON_REQUEST, 422},
    {"responses failed", 200,
     "{\"type\":\"response.failed\",\"response\":{\"id\":\"resp_1\",\"error\":{\"code\":"
     "\"rate_limit_exceeded\",\"message\":\"slow\"}}}",
     AIEX_REASON_RATE_LIMIT, 429},
    {"responses error", 200,
     "{\"type\":\"error\",\"code\":\"server_error\",\"message\":\"m\",\"param\":null}",
     AIEX_REASON_SERVER, 500},
    {"number in a stream", 200, "{\"error\":{\"code\":429,\"message\":\"m\"}}",
     AIEX_REASON_RATE_LIMIT, 429},
    {"html", 502, "<html><body>Bad Gateway</body></html>", AIEX_REASON_SERVER, 502},
    {"empty", 503, "", AIEX_REASON_OVERLOADED, 503},
    {"redirect", 302, "", AIEX_REASON_SERVER, 502},
    {"other types", 500, "{\"error\":{\"message\":5,\"type\":[],\"code\":{}}}", AIEX_REASON_SERVER,
     500},
};

static void test_reads_vendors(void)
{
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct aiex_chat_error e;

        aiex_chat_read_error(AIEX_OPENAI_CHAT, bodies[i].status, text(bodies[i].body), &e);
        if (e.reason != bodies[i].reason || e.status != bodies[i].want_status)
            printf("\n%s: reason %s, status %d\n", bodies[i].name, aiex_reason_name(e.reason),
                   e.status);
        CU_ASSERT_EQUAL(e.reason, bodies[i].reason);
        CU_ASSERT_EQUAL(e.status, bodies[i].want_status);
        CU_ASSERT(e.message[0] != 0);
    }
}

static void test_keeps_words(void)
{
    struct aiex_chat_error e;

    aiex_chat_read_error(AIEX_OPENAI_CHAT, 400, text(bodies[0].body), &e);
    CU_ASSERT_STRING_EQUAL(e.type, "invalid_request_error");
    CU_ASSERT_STRING_EQUAL(e.code, "context_length_exceeded");
    CU_ASSERT_STRING_EQUAL(e.param, "messages");
    CU_ASSERT(strncmp(e.message, "This model's maximum", 20) == 0);
    aiex_chat_read_error(AIEX_OPENAI_CHAT, 502, text("nonsense"), &e);
    CU_ASSERT_STRING_EQUAL(e.message, "the model provider answered 502 Bad Gateway");
}

/* Cut at a character, an escape or a pair, never inside. */
static void test_long_message_is_cut(void)
{
    static const char *const units[] = {"a",   "\xc3\xa9", "\xf0\x9f\x90\x8e",
                                        "\\n", "\\u00e9",  "\\ud83d\\udc0e"};
    static char body[20000];

    for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
        struct aiex_chat_error e;
        struct aiex_json_out w;
        char back[8192];

        for (int pad = 0; pad < 4; pad++) {
            int n = snprintf(body, sizeof(body), "{\"error\":\"%.*s", pad, "xxx");

            for (int i = 0; i < 1200; i++)
                n += snprintf(body + n, sizeof(body) - (size_t)n, "%s", units[u]);
            snprintf(body + n, sizeof(body) - (size_t)n, "\"}");
            aiex_chat_read_error(AIEX_OLLAMA_CHAT, 500, text(body), &e);
            CU_ASSERT(strlen(e.message) > 150 && strlen(e.message) < sizeof(e.message));
            aiex_jw_init(&w, back, sizeof(back) - 1);
            aiex_jw_str(&w, e.message);
            back[w.len] = 0;
            CU_ASSERT(strstr(back, "\xef\xbf\xbd") == NULL);
        }
    }
}

static const struct aiex_chat_error overloaded = {529, AIEX_REASON_OVERLOADED, "", "",
                                                  "",  "too \"much\"",         ""};

static const char *document(int dialect, const struct aiex_chat_error *e)
{
    static char out[4096];
    size_t n = aiex_chat_write_error(dialect, e, out, sizeof(out) - 1);

    out[n] = 0;
    return out;
}

static void test_documents(void)
{
    struct aiex_chat_error e = {404, AIEX_REASON_MODEL, "not_found_error", "", "", "model: x", ""};

    CU_ASSERT_STRING_EQUAL(document(AIEX_OPENAI_CHAT, &overloaded),
                           "{\"error\":{\"message\":\"too \\\"much\\\"\",\"type\":\"server_error\","
                           "\"param\":null,\"code\":\"server_is_overloaded\"}}");
    CU_ASSERT_STRING_EQUAL(
        document(AIEX_ANTHROPIC_MESSAGES, &overloaded),
        "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":"
        "\"too \\\"much\\\"\"}}");
    CU_ASSERT_STRING_EQUAL(document(AIEX_OLLAMA_EMBED, &overloaded),
                           "{\"error\":\"too \\\"much\\\"\"}");
    CU_ASSERT_STRING_EQUAL(
        document(AIEX_OPENAI_RESPONSES, &e),
        "{\"error\":{\"message\":\"model: x\",\"type\":\"invalid_request_error\","
        "\"param\":null,\"code\":\"model_not_found\"}}");
    snprintf(e.request_id, sizeof(e.request_id), "0123\"");
    CU_ASSERT(strstr(document(AIEX_ANTHROPIC_MESSAGES, &e),
                     "\"model: x\"},\"request_id\":\"0123\\\"\"}") != NULL);
    CU_ASSERT(strstr(document(AIEX_OPENAI_CHAT, &e), "0123") == NULL);
    snprintf(e.type, sizeof(e.type), "BadRequestError");
    CU_ASSERT(strstr(document(AIEX_OPENAI_CHAT, &e), "\"type\":\"BadRequestError\"") != NULL);
    CU_ASSERT(strstr(document(AIEX_ANTHROPIC_MESSAGES, &e), "\"type\":\"not_found_error\"") !=
              NULL);
}

/* Each status has Anthropic's word for it. */
static void test_types_by_status(void)
{
    static const struct {
        int status;
        const char *type;
    } rows[] = {{400, "invalid_request_error"},
                {401, "authentication_error"},
                {402, "billing_error"},
                {403, "permission_error"},
                {404, "not_found_error"},
                {413, "request_too_large"},
                {429, "rate_limit_error"},
                {500, "api_error"},
                {502, "api_error"},
                {504, "timeout_error"},
                {529, "overloaded_error"}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct aiex_chat_error e = {.status = rows[i].status};
        char want[64];

        snprintf(want, sizeof(want), "\"type\":\"%s\"", rows[i].type);
        CU_ASSERT(strstr(document(AIEX_ANTHROPIC_MESSAGES, &e), want) != NULL);
    }
}

static void test_too_small_room(void)
{
    char out[10];

    CU_ASSERT_EQUAL(aiex_chat_write_error(AIEX_OLLAMA_CHAT, &overloaded, out, sizeof(out)), 24);
    CU_ASSERT_EQUAL(aiex_chat_write_error_event(AIEX_OLLAMA_CHAT, NULL, &overloaded, out, 0), 25);
}

static const char *event(int dialect, const struct aiex_chat_trail *t)
{
    static char out[4096];
    size_t n = aiex_chat_write_error_event(dialect, t, &overloaded, out, sizeof(out) - 1);

    out[n] = 0;
    return out;
}

static void test_events(void)
{
    CU_ASSERT(strncmp(event(AIEX_ANTHROPIC_MESSAGES, NULL),
                      "event: error\ndata: {\"type\":\"error\"", 34) == 0);
    CU_ASSERT(strncmp(event(AIEX_OPENAI_CHAT, NULL), "data: {\"error\":{", 16) == 0);
    CU_ASSERT(strncmp(event(AIEX_OPENAI_COMPLETIONS, NULL), "data: {\"error\":{", 16) == 0);
    CU_ASSERT_STRING_EQUAL(event(AIEX_OLLAMA_GENERATE, NULL), "{\"error\":\"too \\\"much\\\"\"}\n");
}

static void test_failed_response_goes_on_counting(void)
{
    static const char created[] =
        "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,"
        "\"response\":{\"id\":\"resp_7\",\"created_at\":17,\"model\":\"m-1\",\"output\":[]}}\n\n";
    static const char delta[] =
        "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\","
        "\"delta\":\"x \\\"sequence_number\\\":99\",\"sequence_number\":41}\n\n";
    struct aiex_chat_trail t = {0};
    const char *out;

    out = event(AIEX_OPENAI_RESPONSES, &t);
    CU_ASSERT(strstr(out, "\"sequence_number\":0,") != NULL);
    aiex_chat_trail_note(&t, AIEX_OPENAI_RESPONSES, text(created));
    CU_ASSERT(strstr(event(AIEX_OPENAI_RESPONSES, &t), "\"sequence_number\":1,") != NULL);
    aiex_chat_trail_note(&t, AIEX_OPENAI_RESPONSES, text(delta));
    CU_ASSERT_EQUAL(t.sequence, 41);
    out = event(AIEX_OPENAI_RESPONSES, &t);
    CU_ASSERT(strncmp(out, "event: response.failed\ndata: {", 30) == 0);
    CU_ASSERT(strstr(out, "\"sequence_number\":42,\"response\":{\"id\":\"resp_7\"") != NULL);
    CU_ASSERT(strstr(out, "\"created_at\":17,\"status\":\"failed\"") != NULL);
    CU_ASSERT(strstr(out, "\"model\":\"m-1\"") != NULL);
    CU_ASSERT(strstr(out, "\"code\":\"server_is_overloaded\"") != NULL);
}

static void test_trail_of_others_is_empty(void)
{
    struct aiex_chat_trail t = {0};

    aiex_chat_trail_note(&t, AIEX_OPENAI_CHAT, text("data: {\"sequence_number\":4}\n\n"));
    CU_ASSERT_EQUAL(t.sequence, 0);
    aiex_chat_trail_note(&t, AIEX_OPENAI_RESPONSES, text("\"sequence_number\":"));
    aiex_chat_trail_note(&t, AIEX_OPENAI_RESPONSES, text("data: not json"));
    aiex_chat_trail_note(&t, AIEX_OPENAI_RESPONSES, text(""));
    CU_ASSERT_EQUAL(t.sequence, 0);
}

static void test_names(void)
{
    for (int i = 1; i < AIEX_N_REASONS; i++)
        CU_ASSERT_EQUAL(aiex_reason_of(text(aiex_reason_name(i))), i);
    CU_ASSERT_EQUAL(aiex_reason_of(text("connect")), AIEX_REASON_UNKNOWN);
    CU_ASSERT_STRING_EQUAL(aiex_reason_name(77), "");
    for (int i = 1; i < AIEX_N_DIALECTS; i++)
        CU_ASSERT_EQUAL(aiex_dialect_of(text(aiex_dialect_name(i))), i);
    CU_ASSERT_EQUAL(aiex_dialect_of(text("openai")), AIEX_DIALECT_NONE);
    CU_ASSERT(aiex_dialect_bridges(AIEX_OPENAI_COMPLETIONS, AIEX_ANTHROPIC_MESSAGES));
    CU_ASSERT(!aiex_dialect_bridges(AIEX_ANTHROPIC_MESSAGES, AIEX_OPENAI_COMPLETIONS));
    CU_ASSERT(!aiex_dialect_bridges(AIEX_OPENAI_CHAT, AIEX_OLLAMA_EMBED));
    CU_ASSERT(!aiex_dialect_bridges(0, 0));
}

const struct test_case tests[] = {
    {"reads_vendors", test_reads_vendors},
    {"keeps_words", test_keeps_words},
    {"long_message_is_cut", test_long_message_is_cut},
    {"documents", test_documents},
    {"types_by_status", test_types_by_status},
    {"too_small_room", test_too_small_room},
    {"events", test_events},
    {"failed_response_goes_on_counting", test_failed_response_goes_on_counting},
    {"trail_of_others_is_empty", test_trail_of_others_is_empty},
    {"names", test_names},
    {0},
};

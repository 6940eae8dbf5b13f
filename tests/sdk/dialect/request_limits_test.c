/* Limits of answers and contexts: lowered where the model is known, asked for where Ollama would
 * take its small default. */
#include "request_rig.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

struct known {
    int64_t output, context, num_ctx, loaded, fallback;
};

/* The request for the vendor, in static memory; ' stands for ". */
static const char *sent(int client, int vendor, const char *model, const struct known *k,
                        const char *in)
{
    static char out[65536];
    struct aiex_chat_setup setup = {.struct_size = sizeof(setup),
                                    .client = client,
                                    .vendor = vendor,
                                    .stream = -1,
                                    .model = {(const uint8_t *)model, strlen(model)},
                                    .default_max_tokens = k->fallback,
                                    .max_output_tokens = k->output,
                                    .context_tokens = k->context,
                                    .num_ctx = k->num_ctx,
                                    .loaded_tokens = k->loaded};
    char *body = rig_quotes(in);
    struct aiex_chat *c = NULL;
    struct aiex_slice r;
    struct aiex_error err = {""};

    CU_ASSERT_EQUAL_FATAL(
        aiex_chat_new(&setup, (struct aiex_slice){(const uint8_t *)body, strlen(body)}, &c, &err),
        0);
    r = aiex_chat_request(c);
    snprintf(out, sizeof(out), "%.*s", (int)r.len, (const char *)r.data);
    CU_ASSERT(rig_span(out, strlen(out)).type == AIEX_JSON_OBJECT);
    CU_ASSERT_EQUAL(aiex_chat_result(c)->num_ctx != 0,
                    strstr(out, "num_ctx") != NULL && k->num_ctx);
    aiex_chat_free(c);
    free(body);
    return out;
}

#define HI    "'messages':[{'role':'user','content':'hi'}]"
#define AGENT "{'max_tokens':64000," HI "}"

static int64_t number(const char *json, const char *key)
{
    char name[64];
    const char *at;

    snprintf(name, sizeof(name), "\"%s\":", key);
    at = strstr(json, name);
    return at ? strtoll(at + strlen(name), NULL, 10) : -1;
}

static void test_a_limit_is_lowered(void)
{
    static const struct known small = {.output = 8192}, none = {0}, wide = {.output = 100000};
    static const int vendors[] = {AIEX_OPENAI_CHAT, AIEX_OPENAI_RESPONSES, AIEX_OLLAMA_CHAT};
    static const char *const keys[] = {"max_tokens", "max_output_tokens", "num_predict"};

    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(
            number(sent(AIEX_ANTHROPIC_MESSAGES, vendors[i], "m", &small, AGENT), keys[i]), 8192);
        CU_ASSERT_EQUAL(
            number(sent(AIEX_ANTHROPIC_MESSAGES, vendors[i], "m", &none, AGENT), keys[i]), 64000);
        CU_ASSERT_EQUAL(
            number(sent(AIEX_ANTHROPIC_MESSAGES, vendors[i], "m", &wide, AGENT), keys[i]), 64000);
        /* a client that sets none gets none */
        CU_ASSERT_EQUAL(number(sent(AIEX_OPENAI_CHAT, vendors[i], "m", &small, "{" HI "}"),
                               i ? keys[i] : "absent"),
                        -1);
    }
    CU_ASSERT_EQUAL(number(sent(AIEX_OPENAI_COMPLETIONS, AIEX_OLLAMA_GENERATE, "m", &small,
                                "{'prompt':'x','max_tokens':9000}"),
                           "num_predict"),
                    8192);
    /* equal dialects: bytes are the client's */
    CU_ASSERT_EQUAL(
        number(sent(AIEX_ANTHROPIC_MESSAGES, AIEX_ANTHROPIC_MESSAGES, "m", &small, AGENT),
               "max_tokens"),
        64000);
}

static void test_prompt_and_answer_share_the_context(void)
{
    static const struct known local = {.context = 8192}, both = {.output = 4096, .context = 8192};
    char body[40000];

    CU_ASSERT_EQUAL(
        number(sent(AIEX_ANTHROPIC_MESSAGES, AIEX_OPENAI_CHAT, "m", &local, AGENT), "max_tokens"),
        8192 - 8);
    CU_ASSERT_EQUAL(
        number(sent(AIEX_ANTHROPIC_MESSAGES, AIEX_OPENAI_CHAT, "m", &both, AGENT), "max_tokens"),
        4096);
    /* the prompt is an estimate: something is left for the answer */
    snprintf(body, sizeof(body), "{'max_tokens':64000,'system':'%030000d'," HI "}", 0);
    CU_ASSERT_EQUAL(number(sent(AIEX_ANTHROPIC_MESSAGES, AIEX_OLLAMA_CHAT, "m", &local,
                                "{'max_tokens':1000," HI "}"),
                           "num_predict"),
                    1000);
    CU_ASSERT_EQUAL(
        number(sent(AIEX_ANTHROPIC_MESSAGES, AIEX_OPENAI_CHAT, "m", &local, body), "max_tokens"),
        1024);
}

static void test_anthropic_thinks_within_its_limit(void)
{
    static const struct known tight = {.output = 8192, .fallback = 32000}, tiny = {.output = 1500};
    const char *out = sent(AIEX_OPENAI_CHAT, AIEX_ANTHROPIC_MESSAGES, "claude-sonnet-4-5", &tight,
                           "{'reasoning_effort':'high'," HI "}");

    CU_ASSERT_EQUAL(number(out, "max_tokens"), 8192);
    CU_ASSERT_EQUAL(number(out, "budget_tokens"), 4096);
    out = sent(AIEX_OPENAI_CHAT, AIEX_ANTHROPIC_MESSAGES, "claude-sonnet-4-5", &tiny,
               "{'reasoning_effort':'high'," HI "}");
    CU_ASSERT_EQUAL(number(out, "max_tokens"), 1500);
    CU_ASSERT_PTR_NULL(strstr(out, "thinking"));
    out = sent(AIEX_OPENAI_CHAT, AIEX_ANTHROPIC_MESSAGES, "claude-3-opus", &tight, "{" HI "}");
    CU_ASSERT_EQUAL(number(out, "max_tokens"), 8192);
}

static void test_ollama_is_told_its_context(void)
{
    static const struct known fit = {.num_ctx = AIEX_CHAT_FIT, .context = 40960},
                              small = {.num_ctx = AIEX_CHAT_FIT, .context = 2048},
                              blind = {.num_ctx = AIEX_CHAT_FIT}, fixed = {.num_ctx = 12000},
                              loaded = {
                                  .num_ctx = AIEX_CHAT_FIT, .context = 40960, .loaded = 30000};
    static const struct {
        const struct known *k;
        int client, vendor;
        const char *in;
        int64_t num_ctx;
    } rows[] = {
        {&fit, AIEX_OPENAI_CHAT, AIEX_OLLAMA_CHAT, "{" HI "}", 4096},
        {&fit, AIEX_OPENAI_CHAT, AIEX_OLLAMA_CHAT, "{'max_tokens':4088," HI "}", 4096},
        {&fit, AIEX_OPENAI_CHAT, AIEX_OLLAMA_CHAT, "{'max_tokens':4089," HI "}", 8192},
        {&fit, AIEX_ANTHROPIC_MESSAGES, AIEX_OLLAMA_CHAT, AGENT, 40960},
        {&small, AIEX_ANTHROPIC_MESSAGES, AIEX_OLLAMA_CHAT, AGENT, 2048},
        {&blind, AIEX_ANTHROPIC_MESSAGES, AIEX_OLLAMA_CHAT, AGENT, 65536},
        {&blind, AIEX_OPENAI_CHAT, AIEX_OLLAMA_CHAT, "{'max_tokens':9223372036854775807," HI "}",
         1 << 20},
        {&fixed, AIEX_OPENAI_CHAT, AIEX_OLLAMA_CHAT, "{" HI "}", 12000},
        {&loaded, AIEX_OPENAI_CHAT, AIEX_OLLAMA_CHAT, "{" HI "}", 30000},
        {&fit, AIEX_OPENAI_COMPLETIONS, AIEX_OLLAMA_GENERATE, "{'prompt':'x'}", 4096},
        {&fit, AIEX_OLLAMA_CHAT, AIEX_OLLAMA_CHAT, " \n{" HI "}", 4096},
        {&fit, AIEX_OLLAMA_CHAT, AIEX_OLLAMA_CHAT, "{'options' : { } ," HI "}", 4096},
        {&fit, AIEX_OLLAMA_CHAT, AIEX_OLLAMA_CHAT, "{'options':{'num_predict':5000}," HI "}", 8192},
        {&fit, AIEX_OLLAMA_CHAT, AIEX_OLLAMA_CHAT, "{'options':{'num_predict':-1}," HI "}", 4096},
        {&fit, AIEX_OLLAMA_CHAT, AIEX_OLLAMA_CHAT, "{'options':null," HI "}", 4096},
        {&fit, AIEX_OLLAMA_CHAT, AIEX_OLLAMA_CHAT, "{'options':[]," HI "}", -1},
        {&fit, AIEX_OPENAI_CHAT, AIEX_OPENAI_CHAT, "{" HI "}", -1},
        {&fit, AIEX_ANTHROPIC_MESSAGES, AIEX_OPENAI_CHAT, AGENT, -1},
        {&fit, AIEX_OLLAMA_EMBED, AIEX_OLLAMA_EMBED, "{'input':'x'}", -1},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *out = sent(rows[i].client, rows[i].vendor, "m", rows[i].k, rows[i].in);

        if (number(out, "num_ctx") != rows[i].num_ctx)
            printf("row %zu: %s\n", i, out);
        CU_ASSERT_EQUAL(number(out, "num_ctx"), rows[i].num_ctx);
    }
}

const struct test_case tests[] = {
    {"a_limit_is_lowered", test_a_limit_is_lowered},
    {"prompt_and_answer_share_the_context", test_prompt_and_answer_share_the_context},
    {"anthropic_thinks_within_its_limit", test_anthropic_thinks_within_its_limit},
    {"ollama_is_told_its_context", test_ollama_is_told_its_context},
    {0}};

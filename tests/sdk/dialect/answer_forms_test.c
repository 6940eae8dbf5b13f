/*
 * What each client dialect looks like in detail: order, ids, usage, tools that vendors know
 * under other names, completions, embeddings.
 */
#include "answer_run.h"
#include "test.h"

#include <aiex_json.h>
#include <aiex_sse.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define C(choice, rest)                                                                            \
    "data: {\"id\":\"c\",\"model\":\"m-1\",\"choices\":[" choice "]" rest "}\n\n"
#define D(delta) C("{\"index\":0,\"delta\":" delta ",\"finish_reason\":null}", "")
#define F(why)   C("{\"index\":0,\"delta\":{},\"finish_reason\":\"" why "\"}", "")
#define CALL(n, id, name, args)                                                                    \
    D("{\"tool_calls\":[{\"index\":" n ",\"id\":\"" id "\",\"type\":\"function\",\"function\":{"   \
      "\"name\":\"" name "\",\"arguments\":\"" args "\"}}]}")
#define ARGS(n, args)                                                                              \
    D("{\"tool_calls\":[{\"index\":" n ",\"function\":{\"arguments\":\"" args "\"}}]}")
#define USAGE(in, out) C("", ",\"usage\":{\"prompt_tokens\":" in ",\"completion_tokens\":" out "}")
#define DONE           "data: [DONE]\n\n"

static void in_order(const char *out, const char *const *wanted)
{
    for (const char *at = out; *wanted; wanted++) {
        const char *found = strstr(at, *wanted);

        if (!found)
            printf("\nnot found in order: %s\nin: %s\n", *wanted, at);
        CU_ASSERT_PTR_NOT_NULL_FATAL(found);
        at = found + strlen(*wanted);
    }
}

/* ---- openai.responses ---- */

struct numbers {
    int64_t next;
    char types[4096];
    int n_bad;
};

static int on_event(void *arg, const struct aiex_sse_event *e)
{
    struct numbers *n = arg;
    struct aiex_json_field f[] = {{.key = "sequence_number"}, {.key = "type"}};
    int64_t number = -1;

    if (aiex_json_scan(e->data, 0, f, 2, NULL) != AIEX_JSON_OBJECT)
        n->n_bad++;
    (void)aiex_json_int(&f[0].value, &number);
    n->n_bad += number != n->next++;
    n->n_bad += f[1].value.len != e->name.len + 2 ||
                memcmp(f[1].value.data + 1, e->name.data, e->name.len) != 0;
    if (!strstr(n->types, "response.created") ||
        strncmp(n->types + strlen(n->types) - e->name.len - 1, (const char *)e->name.data,
                e->name.len) != 0) {
        strncat(n->types, (const char *)e->name.data, e->name.len);
        strcat(n->types, " ");
    }
    return 0;
}

static void test_responses_order(void)
{
    static const char stream[] = D("{\"role\":\"assistant\",\"content\":\"\"}")
        D("{\"reasoning_content\":\"think\"}") D("{\"content\":\"Hel\"}") D("{\"content\":\"lo\"}")
            CALL("0", "call_1", "get", "{\\\"a\\\":") ARGS("0", "1}") F("tool_calls")
                USAGE("9", "4") DONE;
    static const char *const wanted[] = {
        "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,"
        "\"response\":{\"id\":\"resp_",
        "\"object\":\"response\",\"created_at\":1763732400,\"status\":\"in_progress\",\"error\":"
        "null,"
        "\"incomplete_details\":null,\"model\":\"m-1\",",
        "\"output\":[],\"usage\":null}}\n\n",
        "\"output_index\":0,\"item\":{\"id\":\"rs_",
        "\"type\":\"reasoning\",\"summary\":[]}}",
        "\"summary_index\":0,\"part\":{\"type\":\"summary_text\",\"text\":\"\"}}",
        "\"summary_index\":0,\"delta\":\"think\"}",
        "\"summary_index\":0,\"text\":\"think\"}",
        "\"summary\":[{\"type\":\"summary_text\",\"text\":\"think\"}]}}",
        "\"output_index\":1,\"item\":{\"id\":\"msg_",
        "\"type\":\"message\",\"status\":\"in_progress\",\"role\":\"assistant\",\"content\":[]}}",
        "\"content_index\":0,\"part\":{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],"
        "\"text\":\"\"}}",
        "\"content_index\":0,\"delta\":\"Hel\",\"logprobs\":[]}",
        "\"delta\":\"lo\"",
        "\"text\":\"Hello\",\"logprobs\":[]}",
        "\"status\":\"completed\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\","
        "\"annotations\":[],\"logprobs\":[],\"text\":\"Hello\"}]}}",
        "\"output_index\":2,\"item\":{\"id\":\"fc_",
        "\"type\":\"function_call\",\"status\":\"in_progress\",\"call_id\":\"call_1\",\"name\":"
        "\"get\","
        "\"arguments\":\"\"}}",
        "\"output_index\":2,\"delta\":\"{\\\"a\\\":\"}",
        "\"delta\":\"1}\"}",
        "\"name\":\"get\",\"arguments\":\"{\\\"a\\\":1}\"}",
        "\"status\":\"completed\",\"call_id\":\"call_1\",\"name\":\"get\",\"arguments\":\"{"
        "\\\"a\\\":1}\"}}",
        "event: response.completed\n",
        "\"status\":\"completed\",\"error\":null,\"incomplete_details\":null",
        "\"output\":[{\"id\":\"rs_",
        "},{\"id\":\"msg_",
        "},{\"id\":\"fc_",
        "\"usage\":{\"input_tokens\":9,\"input_tokens_details\":{\"cached_tokens\":0},\"output_"
        "tokens\":4,"
        "\"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":13}}}\n\n",
        NULL};
    static const char types[] =
        "response.created response.in_progress response.output_item.added "
        "response.reasoning_summary_part.added response.reasoning_summary_text.delta "
        "response.reasoning_summary_text.done response.reasoning_summary_part.done "
        "response.output_item.done response.output_item.added response.content_part.added "
        "response.output_text.delta response.output_text.done response.content_part.done "
        "response.output_item.done response.output_item.added "
        "response.function_call_arguments.delta response.function_call_arguments.done "
        "response.output_item.done response.completed ";
    struct run r = {.client = AIEX_OPENAI_RESPONSES, .vendor = AIEX_OPENAI_CHAT, .stream = 1};
    struct numbers n = {0};
    struct aiex_sse sse;
    char id[64] = "";

    run_all(&r, stream, 0);
    CU_ASSERT_EQUAL(r.result, 0);
    in_order(r.out, wanted);
    aiex_sse_init(&sse, AIEX_SSE_MAX_EVENT);
    aiex_sse_feed(&sse, (struct aiex_slice){(const uint8_t *)r.out, r.len}, on_event, &n);
    aiex_sse_done(&sse);
    CU_ASSERT_EQUAL(n.n_bad, 0);
    CU_ASSERT_STRING_EQUAL(n.types, types);
    /* an item has one id in all its events */
    snprintf(id, sizeof(id), "%.28s", strstr(r.out, "msg_"));
    for (const char *at = r.out; (at = strstr(at, "\"msg_")) != NULL; at += 5)
        CU_ASSERT_EQUAL(strncmp(at + 1, id, 28), 0);
    run_free(&r);
}

/* The seal of reasoning goes where it can come back from, and nowhere else. */
static void test_sealed_reasoning(void)
{
    static const char anthropic[] = "{\"type\":\"message\",\"model\":\"m\",\"content\":[{\"type\":"
                                    "\"thinking\",\"thinking\":\"\","
                                    "\"signature\":\"Sig==\"},{\"type\":\"redacted_thinking\","
                                    "\"data\":\"Red==\"},{\"type\":\"text\","
                                    "\"text\":\"hi\"}],\"stop_reason\":\"end_turn\",\"usage\":{"
                                    "\"input_tokens\":3,\"output_tokens\":2}}";
    static const char responses[] = "{\"id\":\"r\",\"model\":\"m\",\"status\":\"completed\","
                                    "\"output\":[{\"type\":\"reasoning\",\"id\":\"rs\","
                                    "\"summary\":[{\"type\":\"summary_text\",\"text\":\"a\"}],"
                                    "\"encrypted_content\":\"gAAAA\"}]}";
    static const struct {
        int vendor, client;
        const char *doc, *wanted;
    } rows[] = {
        {AIEX_ANTHROPIC_MESSAGES, AIEX_OPENAI_RESPONSES, anthropic,
         "\"type\":\"reasoning\",\"summary\":[],\"encrypted_content\":\"Sig==\"},{\"id\":\"msg_"},
        {AIEX_OPENAI_RESPONSES, AIEX_ANTHROPIC_MESSAGES, responses,
         "{\"type\":\"thinking\",\"thinking\":\"a\",\"signature\":\"gAAAA\"}"},
        {AIEX_ANTHROPIC_MESSAGES, AIEX_ANTHROPIC_MESSAGES, anthropic, anthropic},
        {AIEX_ANTHROPIC_MESSAGES, AIEX_OPENAI_CHAT, anthropic,
         "\"content\":\"hi\",\"refusal\":null},\"logprobs\""},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct run r = {.client = rows[i].client, .vendor = rows[i].vendor};

        run_all(&r, rows[i].doc, 0);
        CU_ASSERT_EQUAL(r.result, 0);
        if (!strstr(r.out, rows[i].wanted))
            printf("\n%s\n", r.out);
        CU_ASSERT(strstr(r.out, rows[i].wanted) != NULL);
        run_free(&r);
    }
}

/* An item of reasoning that has a seal and no text has no part either. */
static void test_sealed_stream(void)
{
    static const char stream[] =
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"m\"}}\n\n"
        "event: content_block_start\ndata: "
        "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{"
        "\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}\n\n"
        "event: content_block_delta\ndata: "
        "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
        "\"signature_delta\",\"signature\":\"Sig==\"}}\n\n"
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
        "event: message_delta\ndata: "
        "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n"
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    static const char *const wanted[] = {
        "event: response.output_item.added\n", "\"summary\":[]}}",
        "event: response.output_item.done\n",  "\"summary\":[],\"encrypted_content\":\"Sig==\"}}",
        "event: response.completed\n",         NULL};
    struct run r = {
        .client = AIEX_OPENAI_RESPONSES, .vendor = AIEX_ANTHROPIC_MESSAGES, .stream = 1};

    run_all(&r, stream, 0);
    CU_ASSERT_EQUAL(r.result, 0);
    in_order(r.out, wanted);
    CU_ASSERT(strstr(r.out, "summary_part") == NULL);
    run_free(&r);
}

/* What the request said comes back in the response object. */
static void test_responses_echo(void)
{
    static const char body[] = "{\"model\":\"asked\",\"input\":\"x\",\"instructions\":\"be "
                               "good\",\"metadata\":{\"k\":\"v\"}}";
    struct run r = {
        .client = AIEX_OPENAI_RESPONSES, .vendor = AIEX_ANTHROPIC_MESSAGES, .body = body};

    run_all(
        &r,
        "{\"type\":\"message\",\"model\":\"m\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}],"
        "\"stop_reason\":\"max_tokens\",\"usage\":{\"input_tokens\":3,\"output_tokens\":2}}",
        0);
    CU_ASSERT_EQUAL(r.result, 0);
    CU_ASSERT(strstr(r.out, "\"instructions\":\"be good\"") != NULL);
    CU_ASSERT(strstr(r.out, "\"metadata\":{\"k\":\"v\"}") != NULL);
    CU_ASSERT(strstr(r.out, "\"status\":\"incomplete\"") != NULL);
    CU_ASSERT(strstr(r.out, "\"incomplete_details\":{\"reason\":\"max_output_tokens\"}") != NULL);
    CU_ASSERT_EQUAL(
        aiex_json_scan((struct aiex_slice){(const uint8_t *)r.out, r.len}, 0, NULL, 0, NULL),
        AIEX_JSON_OBJECT);
    run_free(&r);
}

/* ---- Tools under other names ---- */

/* The name that the vendor was told for the nth tool. */
static void vendor_name(struct run *r, int nth, char *out, size_t size)
{
    struct aiex_slice body = aiex_chat_request(r->chat);
    struct aiex_json_field f[] = {{.key = "tools"}};
    struct aiex_json_span tool, function, name;
    size_t at = 0;

    CU_ASSERT_EQUAL_FATAL(aiex_json_scan(body, 0, f, 1, NULL), AIEX_JSON_OBJECT);
    for (int i = 0; i <= nth; i++)
        CU_ASSERT_FATAL(aiex_json_next(&f[0].value, &at, NULL, &tool));
    if (!aiex_json_find(&tool, "function", &function))
        function = tool;
    CU_ASSERT_FATAL(aiex_json_find(&function, "name", &name));
    CU_ASSERT_FATAL(aiex_json_text(&name, out, size) > 0);
}

static const char tools_body[] =
    "{\"model\":\"asked\",\"stream\":true,\"input\":\"x\",\"tools\":["
    "{\"type\":\"custom\",\"name\":\"apply_patch\",\"description\":\"d\"},"
    "{\"type\":\"namespace\",\"name\":\"space\",\"description\":\"d\",\"tools\":[{\"type\":"
    "\"function\","
    "\"name\":\"look\",\"parameters\":{\"type\":\"object\",\"properties\":{}}}]}]}";

static void test_custom_and_namespace(void)
{
    struct run r = {.client = AIEX_OPENAI_RESPONSES,
                    .vendor = AIEX_OPENAI_CHAT,
                    .stream = 1,
                    .body = tools_body};
    static const char *const wanted[] = {
        "\"item\":{\"id\":\"ctc_",
        "\"type\":\"custom_tool_call\",\"status\":\"in_progress\",\"call_id\":\"call_1\",\"name\":"
        "\"apply_patch\",\"input\":\"\"}}",
        "event: response.custom_tool_call_input.delta\n",
        "\"delta\":\"*** Begin \\\"x\\\"\\n+\\u00e9\"}",
        "event: response.custom_tool_call_input.done\n",
        "\"input\":\"*** Begin \\\"x\\\"\\n+\\u00e9\"}",
        "event: response.output_item.done\n",
        "\"type\":\"function_call\",\"status\":\"in_progress\",\"call_id\":\"call_2\",\"name\":"
        "\"look\",\"namespace\":\"space\",\"arguments\":\"\"}}",
        "\"arguments\":\"{}\"}",
        "event: response.completed\n",
        NULL};
    char stream[4096], first[128], second[128];

    CU_ASSERT_EQUAL_FATAL(run_new(&r), 0);
    vendor_name(&r, 0, first, sizeof(first));
    vendor_name(&r, 1, second, sizeof(second));
    snprintf(stream, sizeof(stream),
             CALL("0", "call_1", "%s", "{\\\"input\\\": \\\"*** Begin ")
                 ARGS("0", "\\\\\\\"x\\\\\\\"\\\\n+\\\\u00e9\\\"}") CALL("1", "call_2", "%s", "")
                     F("tool_calls") DONE,
             first, second);
    run_feed(&r, stream, strlen(stream));
    run_close(&r);
    CU_ASSERT_EQUAL(r.result, 0);
    in_order(r.out, wanted);
    run_free(&r);
}

/* Arguments without "input" go out as they are; a cut call says nothing. */
static void test_custom_without_input(void)
{
    static const struct {
        const char *args, *finish, *wanted;
    } rows[] = {{"{\\\"patch\\\":1}", "tool_calls", "\"input\":\"{\\\"patch\\\":1}\""},
                {"{\\\"input\\\":\\\"ab", "length", "\"status\":\"incomplete\""}};

    for (size_t i = 0; i < 2; i++) {
        struct run r = {.client = AIEX_OPENAI_RESPONSES,
                        .vendor = AIEX_OPENAI_CHAT,
                        .stream = 1,
                        .body = tools_body};
        char stream[4096], name[128];

        CU_ASSERT_EQUAL_FATAL(run_new(&r), 0);
        vendor_name(&r, 0, name, sizeof(name));
        snprintf(stream, sizeof(stream), CALL("0", "call_1", "%s", "%s") F("%s") DONE, name,
                 rows[i].args, rows[i].finish);
        run_feed(&r, stream, strlen(stream));
        run_close(&r);
        CU_ASSERT_EQUAL(r.result, 0);
        CU_ASSERT(strstr(r.out, rows[i].wanted) != NULL);
        CU_ASSERT(i == 0 || strstr(r.out, "input.delta") == NULL);
        run_free(&r);
    }
}

/* Structured output that the vendor was asked for as a tool comes back as text. */
static void test_json_tool(void)
{
    static const char body[] = "{\"model\":\"asked\",\"messages\":[{\"role\":\"user\",\"content\":"
                               "\"x\"}],\"response_format\":{"
                               "\"type\":\"json_schema\",\"json_schema\":{\"name\":\"out\","
                               "\"schema\":{\"type\":\"object\","
                               "\"properties\":{\"a\":{\"type\":\"integer\"}}}}}}";
    struct run r = {.client = AIEX_OPENAI_CHAT, .vendor = AIEX_ANTHROPIC_MESSAGES, .body = body};
    char doc[1024], name[128];

    CU_ASSERT_EQUAL_FATAL(run_new(&r), 0);
    vendor_name(&r, 0, name, sizeof(name));
    snprintf(
        doc, sizeof(doc),
        "{\"type\":\"message\",\"model\":\"m\",\"content\":[{\"type\":\"tool_use\",\"id\":\"t\","
        "\"name\":\"%s\",\"input\":{\"a\": 1}}],\"stop_reason\":\"tool_use\",\"usage\":{"
        "\"input_tokens\":3,\"output_tokens\":2}}",
        name);
    run_feed(&r, doc, strlen(doc));
    run_close(&r);
    CU_ASSERT_EQUAL(r.result, 0);
    CU_ASSERT(strstr(r.out, "\"content\":\"{\\\"a\\\": 1}\"") != NULL);
    CU_ASSERT(strstr(r.out, "\"finish_reason\":\"stop\"") != NULL);
    CU_ASSERT(strstr(r.out, "tool_calls") == NULL);
    CU_ASSERT_EQUAL(r.said.finish, AIEX_FINISH_STOP);
    run_free(&r);
}

/* A call without id gets one, the same for all its events and another for the next. */
static void test_made_up_ids(void)
{
    static const char doc[] =
        "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{"
        "\"function\":{"
        "\"name\":\"f\",\"arguments\":{\"a\":\"\\\"q\\\"\"}}},{\"function\":{\"name\":\"g\","
        "\"arguments\":{}}}]},"
        "\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":1,\"eval_count\":2}";
    struct run a = {.client = AIEX_OPENAI_CHAT, .vendor = AIEX_OLLAMA_CHAT};
    struct run b = a;
    const char *first, *second;

    b.random = 77;
    run_all(&a, doc, 0);
    run_all(&b, doc, 0);
    first = strstr(a.out, "\"id\":\"call_");
    CU_ASSERT_PTR_NOT_NULL_FATAL(first);
    second = strstr(first + 1, "\"id\":\"call_");
    CU_ASSERT_PTR_NOT_NULL_FATAL(second);
    CU_ASSERT(strncmp(first, second, 30) != 0);
    CU_ASSERT(strncmp(first, strstr(b.out, "\"id\":\"call_"), 30) != 0);
    CU_ASSERT(strstr(a.out, "\"arguments\":\"{\\\"a\\\":\\\"\\\\\\\"q\\\\\\\"\\\"}\"") != NULL);
    CU_ASSERT(strstr(a.out, "\"finish_reason\":\"tool_calls\"") != NULL);
    run_free(&a);
    run_free(&b);
}

/* ---- ollama ---- */

static void test_ollama_lines(void)
{
    static const char stream[] = D("{\"reasoning_content\":\"t\"}") D("{\"content\":\"Hi\"}")
        CALL("0", "call_1", "get", "{\\\"a\\\":") ARGS("0", "\\\"\\\\u00e9\\\"}") F("tool_calls")
            USAGE("9", "4") DONE;
    static const char *const wanted[] = {
        "{\"model\":\"m-1\",\"created_at\":\"2025-11-21T13:40:00Z\",\"message\":{\"role\":"
        "\"assistant\","
        "\"content\":\"\",\"thinking\":\"t\"},\"done\":false}\n",
        "\"message\":{\"role\":\"assistant\",\"content\":\"Hi\"},\"done\":false}\n",
        "\"content\":\"\",\"tool_calls\":[{\"id\":\"call_1\",\"function\":{\"index\":0,\"name\":"
        "\"get\","
        "\"arguments\":{\"a\":\"\\u00e9\"}}}]},\"done\":false}\n",
        "\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":"
        "\"stop\","
        "\"total_duration\":",
        ",\"load_duration\":0,\"prompt_eval_count\":9,\"prompt_eval_duration\":",
        ",\"eval_count\":4,\"eval_duration\":",
        "}\n",
        NULL};
    struct run r = {.client = AIEX_OLLAMA_CHAT, .vendor = AIEX_OPENAI_CHAT, .stream = 1};

    run_all(&r, stream, 0);
    CU_ASSERT_EQUAL(r.result, 0);
    in_order(r.out, wanted);
    run_free(&r);
}

/* ---- completions and generate ---- */

static const char generate_stream[] =
    "{\"model\":\"m\",\"created_at\":\"a\",\"response\":\"one\",\"done\":false}\n"
    "{\"model\":\"m\",\"created_at\":\"b\",\"response\":\" two\",\"done\":false}\n"
    "{\"model\":\"m\",\"created_at\":\"c\",\"response\":\"\",\"done\":true,\"done_reason\":"
    "\"length\","
    "\"prompt_eval_count\":5,\"eval_count\":6}\n";
static const char completion_stream[] = "data: "
                                        "{\"id\":\"x\",\"object\":\"text_completion\",\"model\":"
                                        "\"m\",\"choices\":[{\"index\":0,\"text\":\"one\","
                                        "\"finish_reason\":null}]}\n\n"
                                        "data: "
                                        "{\"id\":\"x\",\"object\":\"text_completion\",\"model\":"
                                        "\"m\",\"choices\":[{\"index\":0,\"text\":\" two\","
                                        "\"finish_reason\":\"length\"}],\"usage\":{\"prompt_"
                                        "tokens\":5,\"completion_tokens\":6}}\n\n" DONE;

static void test_completions(void)
{
    static const char *const as_completion[] = {
        "data: {\"id\":\"cmpl-",
        "\"object\":\"text_completion\",\"created\":1763732400,\"model\":\"m\"",
        "{\"text\":\"one\",\"index\":0,\"logprobs\":null,\"finish_reason\":null}]",
        "{\"text\":\" two\"",
        "{\"text\":\"\",\"index\":0,\"logprobs\":null,\"finish_reason\":\"length\"}]",
        "\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":6,\"total_tokens\":11}"
        "}\n\n",
        DONE,
        NULL};
    static const char *const as_generate[] = {
        "\"response\":\"one\",\"done\":false}\n", "\"response\":\" two\",\"done\":false}\n",
        "\"response\":\"\",\"done\":true,\"done_reason\":\"length\"", "\"eval_count\":6", NULL};
    struct run a = {.client = AIEX_OPENAI_COMPLETIONS, .vendor = AIEX_OLLAMA_GENERATE, .stream = 1};
    struct run b = {.client = AIEX_OLLAMA_GENERATE, .vendor = AIEX_OPENAI_COMPLETIONS, .stream = 1};
    struct run c = {
        .client = AIEX_OPENAI_COMPLETIONS, .vendor = AIEX_OPENAI_COMPLETIONS, .stream = 1};
    struct run d = {.client = AIEX_OLLAMA_GENERATE, .vendor = AIEX_OLLAMA_GENERATE, .stream = 1};

    run_all(&a, generate_stream, 3);
    CU_ASSERT_EQUAL(a.result, 0);
    in_order(a.out, as_completion);
    run_all(&b, completion_stream, 3);
    CU_ASSERT_EQUAL(b.result, 0);
    in_order(b.out, as_generate);
    run_all(&c, completion_stream, 2);
    CU_ASSERT_STRING_EQUAL(c.out, completion_stream);
    run_all(&d, generate_stream, 2);
    CU_ASSERT_STRING_EQUAL(d.out, generate_stream);
    CU_ASSERT_EQUAL(d.said.usage.output, 6);
    run_free(&a);
    run_free(&b);
    run_free(&c);
    run_free(&d);
}

static void test_completion_from_chat(void)
{
    static const char body[] = "{\"model\":\"asked\",\"prompt\":\"Say \\\"x\\\":\",\"echo\":true}";
    struct run r = {
        .client = AIEX_OPENAI_COMPLETIONS, .vendor = AIEX_ANTHROPIC_MESSAGES, .body = body};

    run_all(
        &r,
        "{\"type\":\"message\",\"model\":\"m\",\"content\":[{\"type\":\"text\",\"text\":\" y\"}],"
        "\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":3,\"output_tokens\":2}}",
        0);
    CU_ASSERT_EQUAL(r.result, 0);
    CU_ASSERT(strstr(r.out, "\"choices\":[{\"text\":\"Say \\\"x\\\": y\",\"index\":0,") != NULL);
    CU_ASSERT(strstr(r.out, "\"finish_reason\":\"stop\"") != NULL);
    run_free(&r);
}

/* ---- Embeddings ---- */

static void embed(int client, int vendor, const char *body, const char *doc, int result,
                  const char *wanted)
{
    struct run r = {.client = client, .vendor = vendor, .body = body};

    run_all(&r, doc, 0);
    CU_ASSERT_EQUAL(r.result, result);
    if (!strstr(result ? r.said.fault : r.out, wanted))
        printf("\nwanted: %s\ngot: %s %s\n", wanted, r.out, r.said.fault);
    CU_ASSERT(strstr(result ? r.said.fault : r.out, wanted) != NULL);
    run_free(&r);
}

static void test_embeddings(void)
{
    static const char two[] = "{\"model\":\"m\",\"input\":[\"a\",\"b\"]}";
    static const char base64[] =
        "{\"model\":\"m\",\"input\":[\"a\",\"b\"],\"encoding_format\":\"base64\"}";
    static const char floats[] = "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\","
                                 "\"index\":0,\"embedding\":[1,-0.5]},{"
                                 "\"object\":\"embedding\",\"index\":1,\"embedding\":[0.1,2e-3]}],"
                                 "\"model\":\"e\",\"usage\":{"
                                 "\"prompt_tokens\":4,\"total_tokens\":4}}";
    static const char strings[] =
        "{\"object\":\"list\",\"data\":[{\"index\":0,\"embedding\":\"AACAPwAAAL8=\"},{\"index\":1,"
        "\"embedding\":\"zczMPW8SAzs=\"}],\"model\":\"e\",\"usage\":{\"prompt_tokens\":4}}";
    static const char ollama[] =
        "{\"model\":\"e\",\"embeddings\":[[1,-0.5],[0.1,2e-3]],\"prompt_eval_count\":4}";
    const int o = AIEX_OPENAI_EMBEDDINGS, l = AIEX_OLLAMA_EMBED;

    embed(o, o, two, floats, 0, floats);
    embed(o, o, base64, strings, 0, strings);
    embed(
        o, o, base64, floats, 0,
        "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":"
        "\"AACAPwAAAL8=\"},{\"object\":\"embedding\",\"index\":1,\"embedding\":\"zczMPW8SAzs=\"}],"
        "\"model\":\"e\",\"usage\":{\"prompt_tokens\":4,\"total_tokens\":4}}");
    embed(o, o, two, strings, 0, "\"embedding\":[1,-0.5]},");
    embed(o, o, two, strings, 0, "\"embedding\":[0.100000001,0.00200000009]}");
    embed(o, l, two, ollama, 0,
          "\"embedding\":[0.1,2e-3]}],\"model\":\"e\",\"usage\":{\"prompt_tokens\":4");
    embed(o, l, base64, ollama, 0, "\"embedding\":\"zczMPW8SAzs=\"}]");
    embed(l, o, two, floats, 0,
          "{\"model\":\"e\",\"embeddings\":[[1,-0.5],[0.1,2e-3]],\"total_duration\":");
    embed(l, o, two, strings, 0, "\"embeddings\":[[1,-0.5],[");
    embed(l, o, two, floats, 0, "\"prompt_eval_count\":4}");
    embed(l, l, two, ollama, 0, ollama);
    embed(l, l, "{\"model\":\"m\",\"prompt\":\"a\"}",
          "{\"embeddings\":[[1,2]],\"prompt_eval_count\":1}", 0, "{\"embedding\":[1,2]}");
    embed(l, o, "{\"model\":\"m\",\"prompt\":\"a\"}",
          "{\"data\":[{\"embedding\":[1,2],\"index\":0}]}", 0, "{\"embedding\":[1,2]}");
}

static void test_broken_embeddings(void)
{
    static const char two[] = "{\"model\":\"m\",\"input\":[\"a\",\"b\"]}";
    static const char base64[] = "{\"model\":\"m\",\"input\":\"a\",\"encoding_format\":\"base64\"}";
    static const char one[] = "{\"model\":\"m\",\"input\":\"a\"}";
    const int o = AIEX_OPENAI_EMBEDDINGS, l = AIEX_OLLAMA_EMBED;

    embed(o, l, two, "{\"embeddings\":[[1]]}", -EPROTO, "1 embeddings for 2 inputs");
    embed(o, o, two, "{\"data\":[{\"embedding\":[1],\"index\":1},{\"embedding\":[1],\"index\":0}]}",
          -EPROTO, "embedding 1 comes where number 0 is due");
    embed(o, o, one, "{\"data\":[{\"embedding\":7}]}", -EPROTO, "not a list of numbers");
    embed(o, o, one, "{\"error\":{\"message\":\"no\"}}", -EPROTO, "error: no");
    embed(o, o, one, "{\"data\":[{\"embedding\":\"!!\"}]}", -EPROTO, "not base64");
    embed(o, o, one, "{\"data\":[{\"embedding\":\"AAAA\"}]}", -EPROTO, "does not hold float32");
    embed(o, o, one, "{\"data\":[{\"embedding\":\"AADAfw==\"}]}", -EPROTO, "not finite");
    embed(o, o, base64, "{\"data\":[{\"embedding\":[\"x\"]}]}", -EPROTO, "not a number");
    embed(o, o, base64, "{\"data\":[{\"embedding\":[1e99]}]}", -EPROTO, "beyond float32");
    embed(l, l, one, "{}", -EPROTO, "no list of embeddings");
}

/* ---- Usage ---- */

static void usage_of(const char *usage, struct aiex_usage want, int estimated)
{
    struct run r = {.client = AIEX_ANTHROPIC_MESSAGES, .vendor = AIEX_OPENAI_CHAT};
    char doc[1024];

    snprintf(
        doc, sizeof(doc),
        "{\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"content\":\"twelve bytes\"},"
        "\"finish_reason\":\"stop\"}]%s}",
        usage);
    run_all(&r, doc, 0);
    CU_ASSERT_EQUAL(r.result, 0);
    CU_ASSERT_EQUAL(r.said.usage_estimated, estimated);
    if (want.input >= 0)
        CU_ASSERT_EQUAL(r.said.usage.input, want.input);
    CU_ASSERT(r.said.usage.input > 0);
    CU_ASSERT_EQUAL(r.said.usage.output, want.output);
    CU_ASSERT_EQUAL(r.said.usage.cache_read, want.cache_read);
    CU_ASSERT_EQUAL(r.said.usage.reasoning, want.reasoning);
    run_free(&r);
}

static void test_usage(void)
{
#define U(...) ((struct aiex_usage){__VA_ARGS__})
    usage_of(",\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4,\"prompt_tokens_details\":{"
             "\"cached_tokens\":3},\"completion_tokens_details\":{\"reasoning_tokens\":2}}",
             U(9, 4, 3, -1, 2), 0);
    usage_of("", U(-1, 4, -1, -1, -1), 1);
    usage_of(",\"usage\":null", U(-1, 4, -1, -1, -1), 1);
    usage_of(",\"usage\":{\"prompt_tokens\":-9,\"completion_tokens\":4}", U(-1, 4, -1, -1, -1), 1);
    usage_of(",\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":0}", U(9, 4, -1, -1, -1), 1);
    usage_of(",\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":99999999999999}",
             U(9, 4, -1, -1, -1), 1);
    usage_of(",\"usage\":{\"prompt_tokens\":\"9\",\"completion_tokens\":4}", U(-1, 4, -1, -1, -1),
             1);
    usage_of(",\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4,\"prompt_tokens_details\":{"
             "\"cached_tokens\":10},\"completion_tokens_details\":{\"reasoning_tokens\":5}}",
             U(9, 4, -1, -1, -1), 1);
    CU_ASSERT_EQUAL(aiex_tokens_estimate(0), 0);
    CU_ASSERT_EQUAL(aiex_tokens_estimate(1), 1);
    CU_ASSERT_EQUAL(aiex_tokens_estimate(300), 100);
}

/* Anthropic says a prompt in three parts; together they must not become another number. */
static void test_usage_beyond_all_numbers(void)
{
    struct run r = {.client = AIEX_OPENAI_CHAT, .vendor = AIEX_ANTHROPIC_MESSAGES};

    run_all(
        &r,
        "{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[{"
        "\"type\":\"text\",\"text\":\"twelve bytes\"}],\"stop_reason\":\"end_turn\",\"usage\":{"
        "\"input_tokens\":9223372036854775807,\"cache_read_input_tokens\":"
        "9223372036854775807,\"cache_creation_input_tokens\":5,\"output_tokens\":4}}",
        0);
    CU_ASSERT_EQUAL(r.result, 0);
    CU_ASSERT_EQUAL(r.said.usage_estimated, 1);
    CU_ASSERT(r.said.usage.input > 0 && r.said.usage.input < 1000);
    CU_ASSERT_EQUAL(r.said.usage.output, 4);
    run_free(&r);
}

/* A stream that broke off has cost what it said, whatever the first counts were. */
static void test_usage_of_half_a_stream(void)
{
    static const char half[] =
        "event: message_start\ndata: "
        "{\"type\":\"message_start\",\"message\":{\"model\":\"m\",\"usage\":{"
        "\"input_tokens\":50,\"output_tokens\":1}}}\n\n"
        "event: content_block_start\ndata: "
        "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{"
        "\"type\":\"text\",\"text\":\"\"}}\n\n"
        "event: content_block_delta\ndata: "
        "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
        "\"text_delta\",\"text\":\"thirty bytes of text, more or.\"}}\n\n";
    struct run r = {
        .client = AIEX_ANTHROPIC_MESSAGES, .vendor = AIEX_ANTHROPIC_MESSAGES, .stream = 1};

    CU_ASSERT_EQUAL_FATAL(run_new(&r), 0);
    CU_ASSERT_EQUAL(aiex_chat_result(r.chat)->usage.input, -1);
    CU_ASSERT_EQUAL(aiex_chat_result(r.chat)->usage.output, -1);
    CU_ASSERT_EQUAL(aiex_chat_result(r.chat)->usage_estimated, 0);
    run_feed(&r, half, strlen(half));
    CU_ASSERT_EQUAL(r.said.usage.input, 50);
    CU_ASSERT_EQUAL(r.said.usage.output, 10);
    CU_ASSERT_EQUAL(r.said.usage_estimated, 1);
    run_free(&r);
}

const struct test_case tests[] = {
    {"responses_order", test_responses_order},
    {"sealed_reasoning", test_sealed_reasoning},
    {"sealed_stream", test_sealed_stream},
    {"responses_echo", test_responses_echo},
    {"custom_and_namespace", test_custom_and_namespace},
    {"custom_without_input", test_custom_without_input},
    {"json_tool", test_json_tool},
    {"made_up_ids", test_made_up_ids},
    {"ollama_lines", test_ollama_lines},
    {"completions", test_completions},
    {"completion_from_chat", test_completion_from_chat},
    {"embeddings", test_embeddings},
    {"broken_embeddings", test_broken_embeddings},
    {"usage", test_usage},
    {"usage_beyond_all_numbers", test_usage_beyond_all_numbers},
    {"usage_of_half_a_stream", test_usage_of_half_a_stream},
    {0},
};

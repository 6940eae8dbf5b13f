/* openai.chat: passed through, and to and from anthropic.messages. */
#include "answer_run.h"
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HEAD                                                                                       \
    "data: "                                                                                       \
    "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m-1\","         \
    "\"choices\":["
#define CHUNK(delta)                                                                               \
    HEAD "{\"index\":0,\"delta\":" delta ",\"logprobs\":null,\"finish_reason\":null}]}\n\n"
#define FINISH(why)                                                                                \
    HEAD "{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"" why "\"}]}\n\n"
#define USAGE                                                                                      \
    HEAD "],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4,\"total_tokens\":13,"           \
         "\"prompt_tokens_details\":{\"cached_tokens\":5}}}\n\n"
#define DONE "data: [DONE]\n\n"

static const char text_stream[] = CHUNK("{\"role\":\"assistant\",\"content\":\"\"}")
    CHUNK("{\"content\":\"Hel\"}") CHUNK("{\"content\":\"lo \\\"x\\\" \\u00e9\xc3\xa9\"}")
        FINISH("stop") USAGE DONE;

static const char tool_stream[] = CHUNK("{\"role\":\"assistant\",\"content\":null}") CHUNK(
    "{\"tool_calls\":[{\"index\":0,\"id\":\"call_1\",\"type\":\"function\",\"function\":{"
    "\"name\":\"get\",\"arguments\":\"\"}}]}")
    CHUNK("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"a\\\":\"}}]}")
        CHUNK("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"1}\"}}]}") CHUNK(
            "{\"tool_calls\":[{\"index\":1,\"id\":\"call_2\",\"type\":\"function\",\"function\":{"
            "\"name\":\"put\",\"arguments\":\"{}\"}}]}") FINISH("tool_calls") DONE;

static void test_passes_unchanged(void)
{
    for (size_t step = 0; step < 400; step++) {
        struct run r = {.client = AIEX_OPENAI_CHAT, .vendor = AIEX_OPENAI_CHAT, .stream = 1};

        run_all(&r, text_stream, step);
        CU_ASSERT_EQUAL(r.result, 0);
        CU_ASSERT_STRING_EQUAL(r.out, text_stream);
        CU_ASSERT(step || r.n_sinks == 1);
        CU_ASSERT_EQUAL(r.said.usage.input, 9);
        CU_ASSERT_EQUAL(r.said.usage.output, 4);
        CU_ASSERT_EQUAL(r.said.usage.cache_read, 5);
        CU_ASSERT_EQUAL(r.said.usage_estimated, 0);
        CU_ASSERT_EQUAL(r.said.finish, AIEX_FINISH_STOP);
        CU_ASSERT_STRING_EQUAL(r.said.model, "m-1");
        CU_ASSERT(aiex_chat_complete(r.chat));
        run_free(&r);
    }
}

static void test_usage_chunk_is_removed(void)
{
    static const char body[] =
        "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}";
    struct run r = {
        .client = AIEX_OPENAI_CHAT, .vendor = AIEX_OPENAI_CHAT, .stream = 1, .body = body};

    run_all(&r, text_stream, 0);
    CU_ASSERT_EQUAL(r.result, 0);
    CU_ASSERT(strstr(r.out, "prompt_tokens") == NULL);
    CU_ASSERT(strstr(r.out, DONE) != NULL);
    CU_ASSERT_EQUAL(r.said.usage.input, 9);
    run_free(&r);
}

static const char text_as_anthropic[] =
    "event: message_start\ndata: "
    "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_ID\",\"type\":"
    "\"message\",\"role\":\"assistant\",\"model\":\"m-1\",\"content\":[],\"stop_reason\":null,"
    "\"stop_sequence\":null,\"usage\":{\"input_tokens\":N,\"cache_creation_input_tokens\":0,"
    "\"cache_read_input_tokens\":0,\"output_tokens\":0}}}\n\n"
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"
    "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{"
    "\"type\":\"text_delta\",\"text\":\"Hel\"}}\n\n"
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{"
    "\"type\":\"text_delta\",\"text\":\"lo \\\"x\\\" \\u00e9\xc3\xa9\"}}\n\n"
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
    "event: message_delta\ndata: "
    "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\","
    "\"stop_sequence\":null},\"usage\":{\"input_tokens\":4,\"cache_creation_input_tokens\":0,"
    "\"cache_read_input_tokens\":5,\"output_tokens\":4}}\n\n"
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

/* Ids are made up, the first input_tokens is an estimate: both become words. */
static char *plain(const char *out)
{
    static char copy[16384];
    char *id, *n;
    size_t len = 0;

    snprintf(copy, sizeof(copy), "%s", out);
    id = strstr(copy, "\"msg_");
    if (id) {
        id += 5;
        len = strspn(id, "0123456789abcdef");
        memmove(id + 2, id + len, strlen(id + len) + 1);
        memcpy(id, "ID", 2);
    }
    n = strstr(copy, "\"input_tokens\":");
    if (n) {
        n += 15;
        len = strspn(n, "0123456789");
        memmove(n + 1, n + len, strlen(n + len) + 1);
        *n = 'N';
    }
    return copy;
}

static void test_text_to_anthropic(void)
{
    for (size_t step = 0; step < 300; step++) {
        struct run r = {.client = AIEX_ANTHROPIC_MESSAGES, .vendor = AIEX_OPENAI_CHAT, .stream = 1};

        run_all(&r, text_stream, step);
        CU_ASSERT_EQUAL(r.result, 0);
        CU_ASSERT_STRING_EQUAL(plain(r.out), text_as_anthropic);
        run_free(&r);
    }
}

static void test_tools_to_anthropic(void)
{
    struct run r = {.client = AIEX_ANTHROPIC_MESSAGES, .vendor = AIEX_OPENAI_CHAT, .stream = 1};
    static const char *const in_order[] = {
        "\"type\":\"tool_use\",\"id\":\"call_1\",\"name\":\"get\",\"input\":{}}}",
        "\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\\\":\"}}",
        "\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"1}\"}}",
        "{\"type\":\"content_block_stop\",\"index\":0}",
        "\"index\":1,\"content_block\":{\"type\":\"tool_use\",\"id\":\"call_2\"",
        "\"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{}\"}}",
        "{\"type\":\"content_block_stop\",\"index\":1}",
        "\"stop_reason\":\"tool_use\"",
        "message_stop",
    };
    const char *at;

    run_all(&r, tool_stream, 7);
    CU_ASSERT_EQUAL(r.result, 0);
    CU_ASSERT_EQUAL(r.said.usage_estimated, 1);
    at = r.out;
    for (size_t i = 0; i < sizeof(in_order) / sizeof(in_order[0]); i++) {
        at = strstr(at, in_order[i]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    }
    run_free(&r);
}

static const char anthropic_stream[] =
    "event: message_start\ndata: "
    "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":"
    "\"message\",\"role\":\"assistant\",\"model\":\"claude-1\",\"content\":[],\"stop_reason\":null,"
    "\"stop_sequence\":null,\"usage\":{\"input_tokens\":25,\"cache_read_input_tokens\":100,"
    "\"cache_creation_input_tokens\":10,\"output_tokens\":1}}}\n\n"
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"
    "\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}\n\n"
    "event: ping\ndata: {\"type\":\"ping\"}\n\n"
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{"
    "\"type\":\"thinking_delta\",\"thinking\":\"hm\"}}\n\n"
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{"
    "\"type\":\"signature_delta\",\"signature\":\"Sig==\"}}\n\n"
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":1,"
    "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{"
    "\"type\":\"text_delta\",\"text\":\"one \"}}\n\n"
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{"
    "\"type\":\"text_delta\",\"text\":\"two\"}}\n\n"
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":1}\n\n"
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":2,"
    "\"content_block\":{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"get\",\"input\":{}}}"
    "\n\n"
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{"
    "\"type\":\"input_json_delta\",\"partial_json\":\"\"}}\n\n"
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{"
    "\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\\\": \\\"b\"}}\n\n"
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{"
    "\"type\":\"input_json_delta\",\"partial_json\":\"\\\"}\"}}\n\n"
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":2}\n\n"
    "event: message_delta\ndata: "
    "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\","
    "\"stop_sequence\":null},\"usage\":{\"output_tokens\":89}}\n\n"
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

static void test_anthropic_passes(void)
{
    for (size_t step = 0; step < 300; step++) {
        struct run r = {
            .client = AIEX_ANTHROPIC_MESSAGES, .vendor = AIEX_ANTHROPIC_MESSAGES, .stream = 1};

        run_all(&r, anthropic_stream, step);
        CU_ASSERT_EQUAL(r.result, 0);
        CU_ASSERT_STRING_EQUAL(r.out, anthropic_stream);
        CU_ASSERT_EQUAL(r.said.usage.input, 135);
        CU_ASSERT_EQUAL(r.said.usage.output, 89);
        CU_ASSERT_EQUAL(r.said.usage.cache_read, 100);
        CU_ASSERT_EQUAL(r.said.usage.cache_write, 10);
        CU_ASSERT_EQUAL(r.said.finish, AIEX_FINISH_TOOL_CALLS);
        run_free(&r);
    }
}

static void test_anthropic_to_openai(void)
{
    static const char *const in_order[] = {
        "\"delta\":{\"role\":\"assistant\"",
        "\"delta\":{\"reasoning_content\":\"hm\"}",
        "\"delta\":{\"content\":\"one \"}",
        "\"delta\":{\"content\":\"two\"}",
        "\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"toolu_1\",\"type\":\"function\","
        "\"function\":{"
        "\"name\":\"get\",\"arguments\":\"\"}}]}",
        "{\"arguments\":\"{\\\"a\\\": \\\"b\"}",
        "{\"arguments\":\"\\\"}\"}",
        "\"finish_reason\":\"tool_calls\"",
        "\"choices\":[],\"usage\":{\"prompt_tokens\":135,\"completion_tokens\":89,\"total_tokens\":"
        "224,"
        "\"prompt_tokens_details\":{\"cached_tokens\":100}}}",
        DONE,
    };
    const char *at;

    for (size_t step = 0; step < 200; step++) {
        struct run r = {.client = AIEX_OPENAI_CHAT, .vendor = AIEX_ANTHROPIC_MESSAGES, .stream = 1};

        run_all(&r, anthropic_stream, step);
        CU_ASSERT_EQUAL(r.result, 0);
        at = r.out;
        for (size_t i = 0; i < sizeof(in_order) / sizeof(in_order[0]); i++) {
            at = strstr(at, in_order[i]);
            CU_ASSERT_PTR_NOT_NULL_FATAL(at);
        }
        CU_ASSERT(strstr(r.out, "Sig==") == NULL);
        run_free(&r);
    }
}

static void test_whole_answers(void)
{
    static const char openai[] =
        "{\"id\":\"c\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"m\",\"choices\":[{"
        "\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":"
        "\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"get\",\"arguments\":\"{"
        "\\\"a\\\":1}\"}}]"
        "},\"finish_reason\":\"tool_calls\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":"
        "2,"
        "\"total_tokens\":5}}";
    struct run r = {.client = AIEX_ANTHROPIC_MESSAGES, .vendor = AIEX_OPENAI_CHAT};
    struct run same = {.client = AIEX_OPENAI_CHAT, .vendor = AIEX_OPENAI_CHAT};

    run_all(&r, openai, 10);
    CU_ASSERT_EQUAL(r.result, 0);
    CU_ASSERT(strstr(r.out,
                     "\"content\":[{\"type\":\"tool_use\",\"id\":\"call_1\",\"name\":\"get\","
                     "\"input\":{\"a\":1}}],\"stop_reason\":\"tool_use\"") != NULL);
    CU_ASSERT(strstr(r.out, "\"input_tokens\":3") != NULL);
    run_free(&r);
    run_all(&same, openai, 3);
    CU_ASSERT_STRING_EQUAL(same.out, openai);
    run_free(&same);
}

static void test_no_done_is_allowed_by_flag(void)
{
    static const char stream[] = CHUNK("{\"content\":\"x\"}") FINISH("stop");
    struct run strict = {.client = AIEX_OPENAI_CHAT, .vendor = AIEX_OPENAI_CHAT, .stream = 1};
    struct run lax = strict;

    lax.flags = AIEX_CHAT_NO_DONE;
    run_all(&strict, stream, 0);
    CU_ASSERT_EQUAL(strict.result, -EPROTO);
    CU_ASSERT_STRING_EQUAL(strict.said.fault, "the stream ended without data: [DONE]");
    CU_ASSERT(!aiex_chat_complete(strict.chat));
    run_free(&strict);
    run_all(&lax, stream, 0);
    CU_ASSERT_EQUAL(lax.result, 0);
    CU_ASSERT_STRING_EQUAL(lax.out, CHUNK("{\"content\":\"x\"}") FINISH("stop") DONE);
    run_free(&lax);
}

/* Across, the end that the vendor did not say is made up as well. */
static void test_no_done_across(void)
{
    static const char stream[] = CHUNK("{\"content\":\"x\"}") FINISH("stop") USAGE;
    struct run r = {.client = AIEX_ANTHROPIC_MESSAGES,
                    .vendor = AIEX_OPENAI_CHAT,
                    .stream = 1,
                    .flags = AIEX_CHAT_NO_DONE};

    run_all(&r, stream, 0);
    CU_ASSERT_EQUAL(r.result, 0);
    CU_ASSERT(strstr(r.out, "\"output_tokens\":4}}\n\nevent: message_stop\n") != NULL);
    run_free(&r);
}

/* Several choices pass, and all of them must have ended. */
static void test_choices(void)
{
    static const char one[] = HEAD
        "{\"index\":0,\"delta\":{\"content\":\"a\"}},{\"index\":1,\"delta\":{"
        "\"content\":\"b\"}}]}\n\n" HEAD
        "{\"index\":1,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    char stream[4096];
    struct run bad = {.client = AIEX_OPENAI_CHAT, .vendor = AIEX_OPENAI_CHAT, .stream = 1};
    struct run good = bad;

    snprintf(stream, sizeof(stream), "%s%s", one, DONE);
    run_all(&bad, stream, 0);
    CU_ASSERT_EQUAL(bad.result, -EPROTO);
    run_free(&bad);
    snprintf(stream, sizeof(stream), "%s%s%s", one, FINISH("length"), DONE);
    run_all(&good, stream, 9);
    CU_ASSERT_EQUAL(good.result, 0);
    CU_ASSERT_STRING_EQUAL(good.out, stream);
    CU_ASSERT_EQUAL(good.said.finish, AIEX_FINISH_LENGTH);
    run_free(&good);
}

/* CR LF, comments and split data lines: the events are said again in the plain form. */
static void test_other_line_ends(void)
{
    struct run r = {.client = AIEX_OPENAI_CHAT, .vendor = AIEX_OPENAI_CHAT, .stream = 1};

    run_all(&r,
            ": hello\r\n\r\ndata: {\"choices\":[{\"index\":0,\r\ndata: "
            "\"delta\":{\"content\":\"x\"},\r\n"
            "data: \"finish_reason\":\"stop\"}]}\r\n\r\ndata: [DONE]\r\n\r\n",
            5);
    CU_ASSERT_EQUAL(r.result, 0);
    CU_ASSERT_STRING_EQUAL(r.out,
                           "data: {\"choices\":[{\"index\":0, \"delta\":{\"content\":\"x\"}, "
                           "\"finish_reason\":\"stop\"}]}\n\n" DONE);
    run_free(&r);
}

static void test_stopped_by_the_sink(void)
{
    struct run r = {
        .client = AIEX_OPENAI_CHAT, .vendor = AIEX_OPENAI_CHAT, .stream = 1, .stop_after = 1};

    run_all(&r, text_stream, 0);
    CU_ASSERT_EQUAL(r.result, -ECANCELED);
    CU_ASSERT_EQUAL(run_feed(&r, "x", 1), -ECANCELED);
    run_free(&r);
}

const struct test_case tests[] = {
    {"passes_unchanged", test_passes_unchanged},
    {"usage_chunk_is_removed", test_usage_chunk_is_removed},
    {"text_to_anthropic", test_text_to_anthropic},
    {"tools_to_anthropic", test_tools_to_anthropic},
    {"anthropic_passes", test_anthropic_passes},
    {"anthropic_to_openai", test_anthropic_to_openai},
    {"whole_answers", test_whole_answers},
    {"no_done_is_allowed_by_flag", test_no_done_is_allowed_by_flag},
    {"no_done_across", test_no_done_across},
    {"choices", test_choices},
    {"other_line_ends", test_other_line_ends},
    {"stopped_by_the_sink", test_stopped_by_the_sink},
    {0},
};

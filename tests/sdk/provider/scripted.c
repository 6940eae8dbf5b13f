/* scripted.c - what vendors of four dialects send, and the descriptor that plays them. */
#include "scripted.h"

#include <aiex_provider.h>

/* ---- The descriptor ---- */

struct config {
    struct aiex_provider_options common;
    int64_t native;
};

static const char *const natives[] = {"chat", "responses", "messages", "ollama", NULL};

static const struct aiex_option options[] = {
    AIEX_PROVIDER_OPTIONS(struct config, common, "http://127.0.0.1:9/v1", "sk-secret"),
    {"native", "chat", "dialect", AIEX_OPT_CHOICE, 0, 0, 0, natives,
     offsetof(struct config, native)},
    {0},
};

static const struct aiex_vendor_dialect dialects[] = {
    {AIEX_OPENAI_CHAT, "/chat/completions"},
    {AIEX_OPENAI_RESPONSES, "/responses"},
    {AIEX_ANTHROPIC_MESSAGES, "/messages"},
    {AIEX_OLLAMA_CHAT, "/chat"},
    {0, NULL},
};

static int speaks(const void *config, const char *base, int dialect)
{
    const struct config *c = config;

    return dialects[c->native].dialect == dialect;
}

static void headers(const void *config, struct aiex_provider_headers *h)
{
    const struct config *c = config;

    aiex_provider_header(h, "authorization", "Bearer %s", c->common.api_key);
}

static const char *const forward[] = {"anthropic-beta", NULL};

static const struct aiex_vendor vendor = {.dialects = dialects,
                                          .options = offsetof(struct config, common),
                                          .forward = forward,
                                          .models_path = "/models",
                                          .models = aiex_provider_openai_models,
                                          .headers = headers,
                                          .speaks = speaks};

static int create(const struct aiex_host *host, const void *config, void **ret_self,
                  struct aiex_error *err)
{
    return aiex_provider_create(&vendor, host, config, ret_self, err);
}

static const struct aiex_plugin plugin = {
    .magic = AIEX_ABI_MAGIC,
    .struct_size = sizeof(struct aiex_plugin),
    .abi_major = AIEX_ABI_MAJOR,
    .abi_minor = AIEX_ABI_MINOR,
    .option_size = sizeof(struct aiex_option),
    .name = "provider_scripted",
    .version = "0.1.0",
    .summary = "a vendor that a test plays",
    .kind = "provider/1",
    .options = options,
    .config_size = sizeof(struct config),
    .needs = AIEX_NEED_HTTP,
    .create = create,
    .start = aiex_provider_start,
    .handle = aiex_provider_handle,
    .reload = aiex_provider_reload,
    .destroy = aiex_provider_destroy,
};

const struct aiex_plugin *aiex_plugin_entry(uint32_t host_major, uint32_t host_minor)
{
    (void)host_major;
    (void)host_minor;
    return &plugin;
}

void scripted_begin(int native, const char *option, const char *value)
{
    struct aiex_fake_pair pairs[] = {{"native", natives[native]}, {option, value}, {0}};

    rig_begin(pairs);
}

uint64_t scripted_call(int client, int stream, const struct rig_call *more)
{
    struct rig_call c = more ? *more : (struct rig_call){0};

    c.dialect = scripts[client].dialect;
    c.model = "m";
    c.body = scripts[client].body;
    c.stream = stream;
    return rig_call(&c);
}

uint64_t scripted_chat(int client, int stream)
{
    return scripted_call(client, stream, NULL);
}

struct fake_http_request *scripted_request(int native)
{
    return fake_http_find(scripts[native].path);
}

void scripted_head(int native)
{
    fake_http_head(scripted_request(native), 200, scripts[native].head);
}

void scripted_send(int native, const char *bytes)
{
    fake_http_body(scripted_request(native), bytes, strlen(bytes), 0);
}

/* ---- What vendors send ---- */

#define CHUNK(rest)                                                                                \
    "data: "                                                                                       \
    "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m-1\"," rest    \
    "}\n\n"
#define CHOICE(delta, finish)                                                                      \
    CHUNK("\"choices\":[{\"index\":0,\"delta\":{" delta "},\"finish_reason\":" finish "}]")
#define NAMED(name, rest) "event: " name "\ndata: {\"type\":\"" name "\"" rest "}\n\n"
#define LINE(rest)        "{\"model\":\"m-1\",\"created_at\":\"2026-01-01T00:00:00Z\"," rest "}\n"
#define SAID(text, rest)  LINE("\"message\":{\"role\":\"assistant\",\"content\":\"" text "\"}," rest)

#define RESPONSE(status, output, usage)                                                            \
    "{\"id\":\"resp_1\",\"object\":\"response\",\"created_at\":1,\"status\":\"" status             \
    "\",\"model\":\"m-1\",\"error\":null,\"incomplete_details\":null,\"output\":[" output          \
    "],\"usage\":" usage "}"
#define ITEM(status, content)                                                                      \
    "{\"id\":\"msg_1\",\"type\":\"message\",\"status\":\"" status                                  \
    "\",\"role\":\"assistant\",\"content\":[" content "]}"
#define PART(text) "{\"type\":\"output_text\",\"text\":\"" text "\",\"annotations\":[]}"
#define R_USAGE                                                                                    \
    "{\"input_tokens\":11,\"input_tokens_details\":{\"cached_tokens\":0},\"output_tokens\":4,"     \
    "\"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":15}"
#define R_END(usage)                                                                               \
    NAMED("response.output_text.done",                                                             \
          ",\"sequence_number\":5,\"item_id\":\"msg_1\","                                          \
          "\"output_index\":0,\"content_index\":0,\"text\":\"hello\"")                             \
    NAMED("response.content_part.done",                                                            \
          ",\"sequence_number\":6,\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":0,"   \
          "\"part\":" PART("hello"))                                                               \
    NAMED("response.output_item.done",                                                             \
          ",\"sequence_number\":7,\"output_index\":0,\"item\":" ITEM("completed", PART("hello")))  \
    NAMED("response.completed", ",\"sequence_number\":8,\"response\":" RESPONSE(                   \
                                    "completed", ITEM("completed", PART("hello")), usage))

#define R_CALL(status, arguments)                                                                  \
    "{\"id\":\"fc_1\",\"type\":\"function_call\",\"status\":\"" status                             \
    "\",\"call_id\":\"call_1\",\"name\":\"write\",\"arguments\":\"" arguments "\"}"
#define HALF "{\\\"path\\\":\\\"a"

#define A_END(usage)                                                                               \
    NAMED("content_block_stop", ",\"index\":0")                                                    \
    NAMED("message_delta",                                                                         \
          ",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{" usage     \
          "}")                                                                                     \
    NAMED("message_stop", "")

const struct script scripts[N_CHATS] = {
    {
        .dialect = "openai.chat",
        .path = "/chat/completions",
        .head = SSE,
        .body = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"say hello\"}]}",
        .start = CHOICE("\"role\":\"assistant\",\"content\":\"\"", "null"),
        .text = CHOICE("\"content\":\"hello\"", "null"),
        .end = CHOICE("", "\"stop\"")
            CHUNK("\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":4,"
                  "\"total_tokens\":15}") "data: [DONE]\n\n",
        .mute_end = CHOICE("", "\"stop\"") "data: [DONE]\n\n",
        .broken = "data: {\"id\":\"c1\",\"choices\":[{\"delta\":{\"content\":\"rotten\"}]}\n\n",
        .half_tool = CHOICE("\"tool_calls\":[{\"index\":0,\"id\":\"call_1\",\"type\":\"function\","
                            "\"function\":{\"name\":\"write\",\"arguments\":\"\"}}]",
                            "null")
            CHOICE("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"path\\\":"
                   "\\\"a\"}}]",
                   "null") CHOICE("", "\"tool_calls\"") "data: [DONE]\n\n",
        .late_error = "data: {\"error\":{\"message\":\"The server is overloaded\",\"type\":"
                      "\"server_error\",\"code\":\"server_is_overloaded\"}}\n\n",
        .whole = "{\"id\":\"c1\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"m-1\","
                 "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"
                 "\"hello\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":11,"
                 "\"completion_tokens\":4,\"total_tokens\":15}}",
        .whole_end = "[DONE]",
        .too_long = "{\"error\":{\"message\":\"This model's maximum context length is 8192 "
                    "tokens.\",\"type\":\"invalid_request_error\",\"param\":\"messages\","
                    "\"code\":\"context_length_exceeded\"}}",
        .filtered = "{\"error\":{\"message\":\"flagged\",\"type\":\"invalid_request_error\","
                    "\"param\":null,\"code\":\"content_filter\"}}",
        .plain_error = "{\"error\":{\"message\":\"slow down\",\"type\":\"requests\",\"param\":"
                       "null,\"code\":\"rate_limit_exceeded\"}}",
        .error_shape = "{\"error\":{",
    },
    {
        .dialect = "openai.responses",
        .path = "/responses",
        .head = SSE,
        .body = "{\"model\":\"m\",\"input\":\"say hello\"}",
        .start = NAMED("response.created",
                       ",\"sequence_number\":0,\"response\":" RESPONSE("in_progress", "", "null"))
            NAMED("response.in_progress",
                  ",\"sequence_number\":1,\"response\":" RESPONSE("in_progress", "", "null"))
                NAMED("response.output_item.added",
                      ",\"sequence_number\":2,\"output_index\":0,\"item\":" ITEM("in_progress", ""))
                    NAMED("response.content_part.added",
                          ",\"sequence_number\":3,\"item_id\":\"msg_1\",\"output_index\":0,"
                          "\"content_index\":0,\"part\":" PART("")),
        .text = NAMED("response.output_text.delta",
                      ",\"sequence_number\":4,\"item_id\":\"msg_1\",\"output_index\":0,"
                      "\"content_index\":0,\"delta\":\"hello\""),
        .end = R_END(R_USAGE),
        .mute_end = R_END("null"),
        .broken = "event: response.output_text.delta\ndata: {\"delta\":\"rotten\n\n",
        .half_tool = NAMED(
            "response.output_item.added",
            ",\"sequence_number\":5,\"output_index\":1,\"item\":" R_CALL("in_progress", ""))
            NAMED("response.function_call_arguments.delta",
                  ",\"sequence_number\":6,\"item_id\":\"fc_1\",\"output_index\":1,\"delta\":\"" HALF
                  "\"") NAMED("response.function_call_arguments.done",
                              ",\"sequence_number\":7,\"item_id\":\"fc_1\",\"output_index\":1,"
                              "\"arguments\":\"" HALF "\"")
                NAMED(
                    "response.output_item.done",
                    ",\"sequence_number\":8,\"output_index\":1,\"item\":" R_CALL("completed", HALF))
                    NAMED("response.completed",
                          ",\"sequence_number\":9,\"response\":" RESPONSE(
                              "completed",
                              ITEM("completed", PART("hello")) "," R_CALL("completed", HALF),
                              R_USAGE)),
        .late_error = NAMED("error", ",\"sequence_number\":5,\"code\":\"server_is_overloaded\","
                                     "\"message\":\"The server is overloaded\",\"param\":null"),
        .whole = RESPONSE("completed", ITEM("completed", PART("hello")), R_USAGE),
        .whole_end = "response.completed",
        .too_long = "{\"error\":{\"message\":\"Your input exceeds the context window of this "
                    "model.\",\"type\":\"invalid_request_error\",\"param\":\"input\",\"code\":"
                    "\"context_length_exceeded\"}}",
        .filtered = "{\"error\":{\"message\":\"flagged\",\"type\":\"invalid_request_error\","
                    "\"param\":null,\"code\":\"content_filter\"}}",
        .plain_error = "{\"error\":{\"message\":\"slow down\",\"type\":\"requests\",\"param\":"
                       "null,\"code\":\"rate_limit_exceeded\"}}",
        .error_shape = "{\"error\":{",
    },
    {
        .dialect = "anthropic.messages",
        .path = "/messages",
        .head = SSE,
        .body = "{\"model\":\"m\",\"max_tokens\":64,\"messages\":[{\"role\":\"user\",\"content\":"
                "\"say hello\"}]}",
        .start = NAMED("message_start",
                       ",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\","
                       "\"model\":\"m-1\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":"
                       "null,\"usage\":{\"input_tokens\":11,\"output_tokens\":1}}")
            NAMED("content_block_start",
                  ",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}"),
        .text = NAMED("content_block_delta",
                      ",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"hello\"}"),
        .end = A_END("\"output_tokens\":4"),
        .mute_end = NULL,
        .broken = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
                  "\"delta\":{\"text\":\"rotten\"}\n\n",
        .half_tool = NAMED("content_block_stop", ",\"index\":0") NAMED(
            "content_block_start",
            ",\"index\":1,\"content_block\":{\"type\":\"tool_use\",\"id\":\"toolu_1\","
            "\"name\":\"write\",\"input\":{}}")
            NAMED("content_block_delta",
                  ",\"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":"
                  "\"{\\\"path\\\":\\\"a\"}") NAMED("content_block_stop", ",\"index\":1")
                NAMED("message_delta", ",\"delta\":{\"stop_reason\":\"tool_use\"},"
                                       "\"usage\":{\"output_tokens\":4}") NAMED("message_stop", ""),
        .late_error = NAMED("error", ",\"error\":{\"type\":\"overloaded_error\",\"message\":"
                                     "\"Overloaded\"}"),
        .whole = "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m-1\","
                 "\"content\":[{\"type\":\"text\",\"text\":\"hello\"}],\"stop_reason\":"
                 "\"end_turn\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":11,"
                 "\"output_tokens\":4}}",
        .whole_end = "message_stop",
        .too_long = "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\","
                    "\"message\":\"prompt is too long: 210000 tokens > 200000 maximum\"}}",
        .filtered = "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\","
                    "\"message\":\"Output blocked by content filtering policy\"}}",
        .plain_error = "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":"
                       "\"slow down\"}}",
        .error_shape = "\"type\":\"error\"",
    },
    {
        .dialect = "ollama.chat",
        .path = "/chat",
        .head = NDJSON,
        .body = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"say hello\"}]}",
        .start = SAID("", "\"done\":false"),
        .text = SAID("hello", "\"done\":false"),
        .end = SAID("", "\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":11,"
                        "\"eval_count\":4"),
        .mute_end = SAID("", "\"done\":true,\"done_reason\":\"stop\""),
        .broken = "{\"model\":\"m-1\",\"message\":{\"content\":\"rotten\"}\n",
        .late_error = "{\"error\":\"server busy, please try again.  maximum pending requests "
                      "exceeded\"}\n",
        .whole = "{\"model\":\"m-1\",\"created_at\":\"2026-01-01T00:00:00Z\",\"message\":{\"role\":"
                 "\"assistant\",\"content\":\"hello\"},\"done\":true,\"done_reason\":\"stop\","
                 "\"prompt_eval_count\":11,\"eval_count\":4}",
        .whole_end = "\"done\":true",
        .too_long = "{\"error\":\"the input length exceeds the context length\"}",
        .filtered = NULL,
        .plain_error = "{\"error\":\"too many requests\"}",
        .error_shape = "{\"error\":\"",
    },
};

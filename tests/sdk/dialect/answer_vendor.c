#include "answer_vendor.h"

#include <aiex_json.h>
#include <aiex_sse.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- Made-up answers ---- */

static unsigned next(unsigned *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 16 & 0x7fff;
}

static const char *const words[] = {
    "hello ",
    "world",
    "\\n\\n",
    " \\\"quoted\\\" ",
    "\\\\back",
    "\xc5\xbelu\xc5\xa5",
    "\xf0\x9f\x90\x8e",
    "\\u00e9",
    "\\ud83d\\udc0e",
    "a",
    " { \\\"x\\\": [1, 2] } ",
    "</tag>",
    "data: [DONE]",
    "\\tint main(void)\\n{\\n    return 0;\\n}\\n",
    "\\u0000",
    "\xe6\xbc\xa2\xe5\xad\x97",
};

static const char *const arguments[] = {
    "{\\\"city\\\":\\\"Brno\\\"}",
    "{\\\"a\\\": 1, \\\"b\\\": [true, null, -1e3], \\\"c\\\":{\\\"d\\\":\\\"\\\\n\\\\\\\"\\\"}}",
    "{}",
    "{\\\"text\\\":\\\"\xc5\xbe\\u017e \\\\u017e\\\"}",
};

/* Cuts behind whole escapes only, as a vendor does. */
static void cut(struct said_block *b, const char *raw, unsigned *seed)
{
    size_t at = 0, len = strlen(raw);

    b->n_pieces = 0;
    while (at < len) {
        size_t take = b->n_pieces == 7 ? len - at : 1 + next(seed) % 9, n = 0;

        while (n < take && at + n < len) {
            unsigned char c = (unsigned char)raw[at + n];

            n += c == '\\'  ? (raw[at + n + 1] == 'u' ? 6 : 2)
                 : c < 0x80 ? 1
                 : c < 0xe0 ? 2
                 : c < 0xf0 ? 3
                            : 4;
        }
        snprintf(b->pieces[b->n_pieces++], sizeof(b->pieces[0]), "%.*s", (int)n, raw + at);
        at += n;
    }
}

static void make_block(struct said_block *b, int kind, unsigned *seed)
{
    static const char *const names[] = {"get", "put_file", "x-1"};
    static const char *const ids[] = {"call_a1", "call_b2", "toolu_01", "call_d4"};

    *b = (struct said_block){.kind = kind};
    if (kind == SAID_CALL) {
        b->id = ids[next(seed) % 4];
        b->name = names[next(seed) % 3];
        cut(b, arguments[next(seed) % 4], seed);
        return;
    }
    b->n_pieces = 1 + (int)(next(seed) % 8);
    for (int i = 0; i < b->n_pieces; i++)
        snprintf(b->pieces[i], sizeof(b->pieces[0]), "%s", words[next(seed) % 16]);
}

void said_make(struct said *s, unsigned seed, int with_tools)
{
    static const char *const ids[] = {"call_0", "call_1", "call_2", "call_3"};
    int n_calls = 0;

    *s = (struct said){.input = 1 + (int)(next(&seed) % 900),
                       .output = 1 + (int)(next(&seed) % 99)};
    s->cached = (int)(next(&seed) % (unsigned)s->input);
    if (next(&seed) % 2)
        make_block(&s->blocks[s->n_blocks++], SAID_REASONING, &seed);
    if (next(&seed) % 4)
        make_block(&s->blocks[s->n_blocks++], SAID_TEXT, &seed);
    for (unsigned n = with_tools ? next(&seed) % 4 : 0; n > 0; n--) {
        make_block(&s->blocks[s->n_blocks], SAID_CALL, &seed);
        s->blocks[s->n_blocks++].id = ids[n_calls++];
    }
    if (!s->n_blocks)
        make_block(&s->blocks[s->n_blocks++], SAID_TEXT, &seed);
    s->finish = n_calls           ? AIEX_FINISH_TOOL_CALLS
                : next(&seed) % 3 ? AIEX_FINISH_STOP
                                  : AIEX_FINISH_LENGTH;
}

/* ---- Vendors ---- */

static char out[256 * 1024];
static size_t len;
static int sequence;

static void begin(void)
{
    len = 0;
    out[0] = 0;
    sequence = 0;
}

__attribute__((format(printf, 1, 2))) static void put(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    len += (size_t)vsnprintf(out + len, sizeof(out) - len, fmt, args);
    va_end(args);
}

static void put_all(const struct said_block *b)
{
    for (int i = 0; i < b->n_pieces; i++)
        put("%s", b->pieces[i]);
}

/* Tool arguments as an object: one level of escapes less. */
static void put_object(const struct said_block *b)
{
    char raw[1024] = "\"", text[1024];
    struct aiex_json_span span = {AIEX_JSON_STRING, raw, 0};

    for (int i = 0; i < b->n_pieces; i++)
        strcat(raw, b->pieces[i]);
    strcat(raw, "\"");
    span.len = strlen(raw);
    aiex_json_text(&span, text, sizeof(text));
    put("%s", text);
}

static const char *openai_finish(const struct said *s)
{
    return s->finish == AIEX_FINISH_LENGTH       ? "length"
           : s->finish == AIEX_FINISH_TOOL_CALLS ? "tool_calls"
                                                 : "stop";
}

static const char *anthropic_stop(const struct said *s)
{
    return s->finish == AIEX_FINISH_LENGTH       ? "max_tokens"
           : s->finish == AIEX_FINISH_TOOL_CALLS ? "tool_use"
                                                 : "end_turn";
}

#define CHAT_HEAD                                                                                  \
    "data: "                                                                                       \
    "{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\","            \
    "\"choices\":["

static void put_openai_usage(const struct said *s)
{
    put("\"usage\":{\"prompt_tokens\":%d,\"completion_tokens\":%d,\"total_tokens\":%d,"
        "\"prompt_tokens_details\":{\"cached_tokens\":%d}}",
        s->input, s->output, s->input + s->output, s->cached);
}

static void chat_call(const struct said_block *b, int index)
{
    put(CHAT_HEAD "{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":%d,\"id\":\"%s\",\"type\":"
                  "\"function\",\"function\":{\"name\":\"%s\",\"arguments\":\"\"}}]},"
                  "\"finish_reason\":null}]}\n\n",
        index, b->id, b->name);
    for (int i = 0; i < b->n_pieces; i++)
        put(CHAT_HEAD "{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":%d,\"function\":{"
                      "\"arguments\":\"%s\"}}]},\"finish_reason\":null}]}\n\n",
            index, b->pieces[i]);
}

static void chat_stream(const struct said *s)
{
    int calls = 0;

    put(CHAT_HEAD "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
                  "\"finish_reason\":null}]}\n\n");
    for (int i = 0; i < s->n_blocks; i++) {
        const struct said_block *b = &s->blocks[i];

        if (b->kind == SAID_CALL)
            chat_call(b, calls++);
        for (int k = 0; b->kind != SAID_CALL && k < b->n_pieces; k++)
            put(CHAT_HEAD "{\"index\":0,\"delta\":{\"%s\":\"%s\"},\"finish_reason\":null}]}\n\n",
                b->kind == SAID_TEXT ? "content" : "reasoning_content", b->pieces[k]);
    }
    put(CHAT_HEAD "{\"index\":0,\"delta\":{},\"finish_reason\":\"%s\"}]}\n\n", openai_finish(s));
    put(CHAT_HEAD "],");
    put_openai_usage(s);
    put("}\n\ndata: [DONE]\n\n");
}

static void chat_texts(const struct said *s, int kind, const char *key)
{
    put("\"%s\":\"", key);
    for (int i = 0; i < s->n_blocks; i++)
        if (s->blocks[i].kind == kind)
            put_all(&s->blocks[i]);
    put("\",");
}

static void chat_whole(const struct said *s)
{
    int calls = 0;

    put("{\"id\":\"c\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"m\",\"choices\":[{"
        "\"index\":0,\"message\":{");
    chat_texts(s, SAID_TEXT, "content");
    chat_texts(s, SAID_REASONING, "reasoning_content");
    put("\"tool_calls\":[");
    for (int i = 0; i < s->n_blocks; i++) {
        if (s->blocks[i].kind != SAID_CALL)
            continue;
        put("%s{\"id\":\"%s\",\"type\":\"function\",\"function\":{\"name\":\"%s\",\"arguments\":\"",
            calls++ ? "," : "", s->blocks[i].id, s->blocks[i].name);
        put_all(&s->blocks[i]);
        put("\"}}");
    }
    put("],\"role\":\"assistant\"},\"finish_reason\":\"%s\"}],", openai_finish(s));
    put_openai_usage(s);
    put("}");
}

static void anthropic_usage(const struct said *s, int output)
{
    put("\"usage\":{\"input_tokens\":%d,\"cache_read_input_tokens\":%d,"
        "\"cache_creation_input_tokens\":0,\"output_tokens\":%d}",
        s->input - s->cached, s->cached, output);
}

static void anthropic_block(const struct said_block *b, int index)
{
    static const char *const starts[] = {
        "", "{\"type\":\"text\",\"text\":\"\"}",
        "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}"};
    static const char *const types[] = {"", "text_delta", "thinking_delta", "input_json_delta"};
    static const char *const keys[] = {"", "text", "thinking", "partial_json"};

    put("event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":%d,"
        "\"content_block\":",
        index);
    if (b->kind == SAID_CALL)
        put("{\"type\":\"tool_use\",\"id\":\"%s\",\"name\":\"%s\",\"input\":{}}", b->id, b->name);
    else
        put("%s", starts[b->kind]);
    put("}\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\n");
    for (int i = 0; i < b->n_pieces; i++)
        put("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":%d,"
            "\"delta\":{\"type\":\"%s\",\"%s\":\"%s\"}}\n\n",
            index, types[b->kind], keys[b->kind], b->pieces[i]);
    if (b->kind == SAID_REASONING)
        put("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":%d,"
            "\"delta\":{\"type\":\"signature_delta\",\"signature\":\"c2ln\"}}\n\n",
            index);
    put("event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":%d}\n\n",
        index);
}

static void anthropic_stream(const struct said *s)
{
    put("event: message_start\ndata: "
        "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":"
        "\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"stop_reason\":null,"
        "\"stop_sequence\":null,");
    anthropic_usage(s, 1);
    put("}}\n\n");
    for (int i = 0; i < s->n_blocks; i++)
        anthropic_block(&s->blocks[i], i);
    put("event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"%s\","
        "\"stop_sequence\":null},\"usage\":{\"output_tokens\":%d}}\n\n"
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        anthropic_stop(s), s->output);
}

static void anthropic_whole(const struct said *s)
{
    put("{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":"
        "[");
    for (int i = 0; i < s->n_blocks; i++) {
        const struct said_block *b = &s->blocks[i];

        put("%s{\"type\":\"%s\",", i ? "," : "",
            b->kind == SAID_CALL   ? "tool_use"
            : b->kind == SAID_TEXT ? "text"
                                   : "thinking");
        if (b->kind == SAID_CALL) {
            put("\"id\":\"%s\",\"name\":\"%s\",\"input\":", b->id, b->name);
            put_object(b);
        } else {
            put("\"%s\":\"", b->kind == SAID_TEXT ? "text" : "thinking");
            put_all(b);
            put("\"");
        }
        put("}");
    }
    put("],\"stop_reason\":\"%s\",\"stop_sequence\":null,", anthropic_stop(s));
    anthropic_usage(s, s->output);
    put("}");
}

static void responses_usage(const struct said *s)
{
    put("\"usage\":{\"input_tokens\":%d,\"input_tokens_details\":{\"cached_tokens\":%d},"
        "\"output_tokens\":%d,\"output_tokens_details\":{\"reasoning_tokens\":0},"
        "\"total_tokens\":%d}",
        s->input, s->cached, s->output, s->input + s->output);
}

static void responses_item(const struct said_block *b, int index, int full)
{
    if (b->kind == SAID_CALL) {
        put("{\"type\":\"function_call\",\"id\":\"fc_%d\",\"call_id\":\"%s\",\"name\":\"%s\","
            "\"arguments\":\"",
            index, b->id, b->name);
        if (full)
            put_all(b);
        put("\",\"status\":\"%s\"}", full ? "completed" : "in_progress");
        return;
    }
    if (b->kind == SAID_TEXT)
        put("{\"type\":\"message\",\"id\":\"msg_%d\",\"role\":\"assistant\",\"status\":\"x\","
            "\"content\":[",
            index);
    else
        put("{\"type\":\"reasoning\",\"id\":\"rs_%d\",\"summary\":[", index);
    if (full) {
        put("{\"type\":\"%s\",\"text\":\"", b->kind == SAID_TEXT ? "output_text" : "summary_text");
        put_all(b);
        put("\"}");
    }
    put("]}");
}

__attribute__((format(printf, 2, 3))) static void responses_event(const char *type, const char *fmt,
                                                                  ...)
{
    va_list args;

    put("event: %s\ndata: {\"type\":\"%s\",\"sequence_number\":%d,", type, type, sequence++);
    va_start(args, fmt);
    len += (size_t)vsnprintf(out + len, sizeof(out) - len, fmt, args);
    va_end(args);
}

static void responses_block(const struct said_block *b, int index)
{
    static const char *const deltas[] = {"", "response.output_text.delta",
                                         "response.reasoning_summary_text.delta",
                                         "response.function_call_arguments.delta"};
    static const char *const dones[] = {"", "response.output_text.done",
                                        "response.reasoning_summary_text.done",
                                        "response.function_call_arguments.done"};

    responses_event("response.output_item.added", "\"output_index\":%d,\"item\":", index);
    responses_item(b, index, 0);
    put("}\n\n");
    if (b->kind == SAID_TEXT)
        responses_event("response.content_part.added",
                        "\"item_id\":\"msg_%d\",\"output_index\":%d,\"content_index\":0,\"part\":{"
                        "\"type\":\"output_text\",\"text\":\"\"}}\n\n",
                        index, index);
    if (b->kind == SAID_REASONING)
        responses_event("response.reasoning_summary_part.added",
                        "\"item_id\":\"rs_%d\",\"output_index\":%d,\"summary_index\":0,\"part\":{"
                        "\"type\":\"summary_text\",\"text\":\"\"}}\n\n",
                        index, index);
    for (int i = 0; i < b->n_pieces; i++)
        responses_event(deltas[b->kind],
                        "\"item_id\":\"i_%d\",\"output_index\":%d,\"content_index\":0,"
                        "\"summary_index\":0,\"delta\":\"%s\","
                        "\"logprobs\":[],\"obfuscation\":\"%.*s\"}\n\n",
                        index, index, b->pieces[i], i, "xyzxyzxyz");
    responses_event(dones[b->kind],
                    "\"item_id\":\"i_%d\",\"output_index\":%d,\"content_index\":0,\"summary_"
                    "index\":0,\"%s\":\"",
                    index, index, b->kind == SAID_CALL ? "arguments" : "text");
    put_all(b);
    put("\"}\n\n");
    responses_event("response.output_item.done", "\"output_index\":%d,\"item\":", index);
    responses_item(b, index, 1);
    put("}\n\n");
}

static void responses_object(const struct said *s, const char *status, int full)
{
    put("{\"id\":\"resp_1\",\"object\":\"response\",\"created_at\":1,\"status\":\"%s\",\"error\":"
        "null,"
        "\"incomplete_details\":%s,\"model\":\"m\",\"output\":[",
        status, strcmp(status, "incomplete") == 0 ? "{\"reason\":\"max_output_tokens\"}" : "null");
    for (int i = 0; full && i < s->n_blocks; i++) {
        put(i ? "," : "");
        responses_item(&s->blocks[i], i, 1);
    }
    put("],");
    if (full)
        responses_usage(s);
    else
        put("\"usage\":null");
    put("}");
}

static void responses_stream(const struct said *s)
{
    const char *status = s->finish == AIEX_FINISH_LENGTH ? "incomplete" : "completed";

    responses_event("response.created", "\"response\":");
    responses_object(s, "in_progress", 0);
    put("}\n\n");
    responses_event("response.in_progress", "\"response\":");
    responses_object(s, "in_progress", 0);
    put("}\n\n");
    for (int i = 0; i < s->n_blocks; i++)
        responses_block(&s->blocks[i], i);
    responses_event(*status == 'i' ? "response.incomplete" : "response.completed", "\"response\":");
    responses_object(s, status, 1);
    put("}\n\n");
}

/* One line; `piece` -1: all pieces. */
static void ollama_message(const struct said_block *b, int piece)
{
    if (b->kind == SAID_CALL) {
        put("\"message\":{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"id\":\"%s\","
            "\"function\":{\"name\":\"%s\",\"arguments\":",
            b->id, b->name);
        put_object(b);
        put("}}]}");
        return;
    }
    put("\"message\":{\"role\":\"assistant\",\"content\":\"%s\"",
        b->kind == SAID_TEXT ? b->pieces[piece] : "");
    if (b->kind == SAID_REASONING)
        put(",\"thinking\":\"%s\"", b->pieces[piece]);
    put("}");
}

static void ollama_tail(const struct said *s)
{
    put("\"done\":true,\"done_reason\":\"%s\",\"total_duration\":5,\"load_duration\":1,"
        "\"prompt_eval_count\":%d,\"prompt_eval_duration\":1,\"eval_count\":%d,\"eval_duration\":"
        "2}",
        s->finish == AIEX_FINISH_LENGTH ? "length" : "stop", s->input, s->output);
}

static void ollama_stream(const struct said *s)
{
    for (int i = 0; i < s->n_blocks; i++) {
        const struct said_block *b = &s->blocks[i];

        for (int k = 0; k < (b->kind == SAID_CALL ? 1 : b->n_pieces); k++) {
            put("{\"model\":\"m\",\"created_at\":\"2026-01-01T00:00:0%d.%dZ\",", k, i);
            ollama_message(b, k);
            put(",\"done\":false}\n");
        }
    }
    put("{\"model\":\"m\",\"created_at\":\"2026-01-01T00:00:09Z\",\"message\":{\"role\":"
        "\"assistant\","
        "\"content\":\"\"},");
    ollama_tail(s);
    put("\n");
}

static void ollama_whole(const struct said *s)
{
    int calls = 0;

    put("{\"model\":\"m\",\"created_at\":\"2026-01-01T00:00:09Z\",\"message\":{\"role\":"
        "\"assistant\",");
    chat_texts(s, SAID_TEXT, "content");
    chat_texts(s, SAID_REASONING, "thinking");
    put("\"tool_calls\":[");
    for (int i = 0; i < s->n_blocks; i++) {
        if (s->blocks[i].kind != SAID_CALL)
            continue;
        put("%s{\"id\":\"%s\",\"function\":{\"name\":\"%s\",\"arguments\":", calls++ ? "," : "",
            s->blocks[i].id, s->blocks[i].name);
        put_object(&s->blocks[i]);
        put("}}");
    }
    put("]},");
    ollama_tail(s);
}

const char *vendor_stream(const struct said *s, int dialect)
{
    begin();
    switch (dialect) {
    case AIEX_OPENAI_CHAT:
        chat_stream(s);
        break;
    case AIEX_OPENAI_RESPONSES:
        responses_stream(s);
        break;
    case AIEX_ANTHROPIC_MESSAGES:
        anthropic_stream(s);
        break;
    default:
        ollama_stream(s);
    }
    return out;
}

const char *vendor_whole(const struct said *s, int dialect)
{
    begin();
    switch (dialect) {
    case AIEX_OPENAI_CHAT:
        chat_whole(s);
        break;
    case AIEX_OPENAI_RESPONSES:
        responses_object(s, s->finish == AIEX_FINISH_LENGTH ? "incomplete" : "completed", 1);
        break;
    case AIEX_ANTHROPIC_MESSAGES:
        anthropic_whole(s);
        break;
    default:
        ollama_whole(s);
    }
    return out;
}

/* ---- What a client of openai.chat reads ---- */

static int wrong(const char *what)
{
    printf("\nclient: %s\n", what);
    return -1;
}

static void append(char *text, size_t size, const struct aiex_json_span *v)
{
    size_t n = strlen(text);

    if (v->type == AIEX_JSON_STRING)
        snprintf(text + n, size - n, "%.*s", (int)v->len - 2, v->data + 1);
}

static void hear_usage(const struct aiex_json_span *doc, struct heard *h)
{
    struct aiex_json_span usage, v;
    int64_t n;

    if (!aiex_json_find(doc, "usage", &usage) || usage.type != AIEX_JSON_OBJECT)
        return;
    if (aiex_json_find(&usage, "prompt_tokens", &v) && aiex_json_int(&v, &n) == 0)
        h->input = (long)n;
    if (aiex_json_find(&usage, "completion_tokens", &v) && aiex_json_int(&v, &n) == 0)
        h->output = (long)n;
    if (aiex_json_find(&usage, "prompt_tokens_details", &usage) &&
        aiex_json_find(&usage, "cached_tokens", &v) && aiex_json_int(&v, &n) == 0)
        h->cached = (long)n;
}

static int hear_calls(const struct aiex_json_span *message, struct heard *h, int whole)
{
    struct aiex_json_span calls, call, v, f;
    size_t at = 0;
    int64_t index;

    aiex_json_find(message, "tool_calls", &calls);
    while (aiex_json_next(&calls, &at, NULL, &call)) {
        index = h->n_calls;
        if (!whole && (!aiex_json_find(&call, "index", &v) || aiex_json_int(&v, &index) != 0))
            return wrong("a call without index");
        if (index > h->n_calls || index < h->n_calls - 1 || index > 15)
            return wrong("a call out of order");
        if (index == h->n_calls)
            h->n_calls++;
        if (aiex_json_find(&call, "id", &v))
            append(h->calls[index].id, sizeof(h->calls[0].id), &v);
        aiex_json_find(&call, "function", &f);
        if (aiex_json_find(&f, "name", &v))
            append(h->calls[index].name, sizeof(h->calls[0].name), &v);
        if (aiex_json_find(&f, "arguments", &v))
            append(h->calls[index].args, sizeof(h->calls[0].args), &v);
    }
    return 0;
}

static int hear_document(struct aiex_slice bytes, struct heard *h, int whole)
{
    struct aiex_json_span doc = {AIEX_JSON_OBJECT, (const char *)bytes.data, bytes.len};
    struct aiex_json_span choices, choice, message, v;
    size_t at = 0;

    if (aiex_json_scan(bytes, 0, NULL, 0, NULL) != AIEX_JSON_OBJECT)
        return wrong("not JSON");
    hear_usage(&doc, h);
    aiex_json_find(&doc, "choices", &choices);
    if (!aiex_json_next(&choices, &at, NULL, &choice))
        return 0;
    aiex_json_find(&choice, whole ? "message" : "delta", &message);
    if (h->n_finish && message.len > 2)
        return wrong("text after the finish");
    if (aiex_json_find(&message, "content", &v))
        append(h->text, sizeof(h->text), &v);
    if (aiex_json_find(&message, "reasoning_content", &v))
        append(h->reasoning, sizeof(h->reasoning), &v);
    if (aiex_json_find(&choice, "finish_reason", &v) && v.type == AIEX_JSON_STRING) {
        h->n_finish++;
        append(h->finish, sizeof(h->finish), &v);
    }
    return hear_calls(&message, h, whole);
}

static int on_event(void *arg, const struct aiex_sse_event *e)
{
    struct heard *h = arg;

    if (h->done)
        return wrong("an event after [DONE]");
    if (e->data.len == 6 && memcmp(e->data.data, "[DONE]", 6) == 0) {
        h->done = 1;
        return 0;
    }
    return hear_document(e->data, h, 0);
}

int heard_stream(const char *bytes, struct heard *ret)
{
    struct aiex_sse sse;
    int r;

    *ret = (struct heard){.input = -1, .output = -1};
    aiex_sse_init(&sse, AIEX_SSE_MAX_EVENT);
    r = aiex_sse_feed(&sse, (struct aiex_slice){(const uint8_t *)bytes, strlen(bytes)}, on_event,
                      ret);
    aiex_sse_done(&sse);
    return r;
}

int heard_whole(const char *bytes, struct heard *ret)
{
    *ret = (struct heard){.input = -1, .output = -1, .done = 1};
    return hear_document((struct aiex_slice){(const uint8_t *)bytes, strlen(bytes)}, ret, 1);
}

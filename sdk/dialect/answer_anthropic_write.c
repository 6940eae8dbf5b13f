/*
 * answer_anthropic_write.c - canonical events as anthropic.messages events, or as one message.
 *
 * A block is opened by its first delta and closed before the next one opens; the reason of
 * the end and the usage go out with the end. The prompt's tokens are in message_start as an
 * estimate where the vendor tells them only at the end; message_delta has the final numbers.
 */
#include "put.h"

#include <errno.h>

enum { NONE, TEXT, THINKING, TOOL };

static const char *stop_reason(const struct answer *a)
{
    switch (a->finish) {
    case AIEX_FINISH_LENGTH:
        return "max_tokens";
    case AIEX_FINISH_TOOL_CALLS:
        return "tool_use";
    case AIEX_FINISH_CONTENT_FILTER:
    case AIEX_FINISH_REFUSAL:
        return "refusal";
    case AIEX_FINISH_PAUSE:
        return "pause_turn";
    default:
        return "end_turn";
    }
}

/* Anthropic's input_tokens are those that no cache had. */
static void put_usage(struct answer *a, int64_t output)
{
    struct aiex_usage u = answer_usage(a);
    int64_t read = u.cache_read > 0 ? u.cache_read : 0;
    int64_t written = u.cache_write > 0 ? u.cache_write : 0;

    if (read + written > u.input)
        written = 0;
    bytes_str(&a->out, "\"usage\":{\"input_tokens\":");
    bytes_int(&a->out, u.input - read - written);
    bytes_str(&a->out, ",\"cache_creation_input_tokens\":");
    bytes_int(&a->out, written);
    bytes_str(&a->out, ",\"cache_read_input_tokens\":");
    bytes_int(&a->out, read);
    bytes_str(&a->out, ",\"output_tokens\":");
    bytes_int(&a->out, output < 0 ? u.output : output);
    bytes_str(&a->out, "}");
}

/* Without the closing brace. */
static void put_message(struct answer *a)
{
    bytes_str(&a->out, "{\"id\":\"");
    answer_put_id(a, &a->out, "msg_", 0);
    bytes_str(&a->out, "\",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
    answer_put_model(a, &a->out);
    bytes_str(&a->out, ",\"content\":[");
}

static void start(struct answer *a)
{
    bytes_str(&a->out, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":");
    put_message(a);
    bytes_str(&a->out, "],\"stop_reason\":null,\"stop_sequence\":null,");
    put_usage(a, 0);
    bytes_str(&a->out, "}}\n\n");
}

/* ---- Blocks ---- */

static void open_block(struct answer *a, int kind)
{
    a->w.open = kind;
    a->w.index++;
    bytes_str(&a->out,
              "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":");
    bytes_int(&a->out, a->w.index);
    bytes_str(&a->out, ",\"content_block\":");
}

static void close_block(struct answer *a)
{
    if (!a->w.open)
        return;
    a->w.open = NONE;
    bytes_str(&a->out,
              "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":");
    bytes_int(&a->out, a->w.index);
    bytes_str(&a->out, "}\n\n");
}

static void delta(struct answer *a, const char *words, struct aiex_slice text)
{
    bytes_str(&a->out,
              "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":");
    bytes_int(&a->out, a->w.index);
    bytes_str(&a->out, words);
    bytes_quote(&a->out, text);
    bytes_str(&a->out, "}}\n\n");
}

static void text(struct answer *a, const struct event *e)
{
    if (!a->w.open) {
        open_block(a, TEXT);
        bytes_str(&a->out, "{\"type\":\"text\",\"text\":\"\"}}\n\n");
    }
    delta(a, ",\"delta\":{\"type\":\"text_delta\",\"text\":", e->text);
}

static void thinking(struct answer *a, const struct event *e)
{
    if (!a->w.open) {
        open_block(a, THINKING);
        bytes_str(&a->out, "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}\n\n");
    }
    delta(a,
          e->kind == EVENT_SIGNATURE ? ",\"delta\":{\"type\":\"signature_delta\",\"signature\":"
                                     : ",\"delta\":{\"type\":\"thinking_delta\",\"thinking\":",
          e->text);
}

static void redacted(struct answer *a, const struct event *e)
{
    open_block(a, THINKING);
    bytes_str(&a->out, "{\"type\":\"redacted_thinking\",\"data\":");
    bytes_quote(&a->out, e->text);
    bytes_str(&a->out, "}}\n\n");
    close_block(a);
}

static void tool_begin(struct answer *a, const struct event *e)
{
    open_block(a, TOOL);
    bytes_str(&a->out, "{\"type\":\"tool_use\",\"id\":");
    bytes_quote(&a->out, e->id);
    bytes_str(&a->out, ",\"name\":");
    bytes_quote(&a->out, e->name);
    bytes_str(&a->out, ",\"input\":{}}}\n\n");
}

static void end(struct answer *a)
{
    bytes_str(&a->out, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":"
                       "{\"stop_reason\":\"");
    bytes_str(&a->out, stop_reason(a));
    bytes_str(&a->out, "\",\"stop_sequence\":null},");
    put_usage(a, -1);
    bytes_str(&a->out, "}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
}

static int on_event(struct answer *a, const struct event *e)
{
    switch (e->kind) {
    case EVENT_START:
        start(a);
        break;
    case EVENT_TEXT:
    case EVENT_REFUSAL:
        text(a, e);
        break;
    case EVENT_REASONING:
    case EVENT_SIGNATURE:
        thinking(a, e);
        break;
    case EVENT_REDACTED:
        redacted(a, e);
        break;
    case EVENT_TOOL_BEGIN:
        tool_begin(a, e);
        break;
    case EVENT_TOOL_ARGS:
        delta(a, ",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":", e->text);
        break;
    case EVENT_TOOL_END:
    case EVENT_BLOCK_END:
        close_block(a);
        break;
    case EVENT_END:
        end(a);
        break;
    default:
        break;
    }
    return a->out.failed;
}

/* ---- A whole message ---- */

static void whole_tool(struct answer *a, const struct block *b)
{
    bytes_str(&a->out, "{\"type\":\"tool_use\",\"id\":");
    bytes_quote(&a->out, store_side(&a->store, b->id));
    bytes_str(&a->out, ",\"name\":");
    bytes_quote(&a->out, store_side(&a->store, b->name));
    bytes_str(&a->out, ",\"input\":");
    bytes_unescape(&a->out, store_text(&a->store, b));
    bytes_str(&a->out, "}");
}

static void whole_block(struct answer *a, const struct block *b)
{
    switch (b->kind) {
    case BLOCK_TOOL:
        whole_tool(a, b);
        return;
    case BLOCK_REASONING:
        bytes_str(&a->out, "{\"type\":\"thinking\",\"thinking\":");
        bytes_quote(&a->out, store_text(&a->store, b));
        bytes_str(&a->out, ",\"signature\":");
        bytes_quote(&a->out, store_side(&a->store, b->signature));
        break;
    case BLOCK_REDACTED:
        bytes_str(&a->out, "{\"type\":\"redacted_thinking\",\"data\":");
        bytes_quote(&a->out, store_text(&a->store, b));
        break;
    default:
        bytes_str(&a->out, "{\"type\":\"text\",\"text\":");
        bytes_quote(&a->out, store_text(&a->store, b));
    }
    bytes_str(&a->out, "}");
}

/* A call that was cut in half has no input that could be said: it is left out, and stop_reason
 * says that there was no room for it. */
static int on_whole(struct answer *a)
{
    int n = 0;

    put_message(a);
    for (size_t i = 0; i < a->store.n; i++) {
        if (a->store.blocks[i].cut)
            continue;
        bytes_str(&a->out, n++ ? "," : "");
        whole_block(a, &a->store.blocks[i]);
    }
    bytes_str(&a->out, "],\"stop_reason\":\"");
    bytes_str(&a->out, stop_reason(a));
    bytes_str(&a->out, "\",\"stop_sequence\":null,");
    put_usage(a, -1);
    bytes_str(&a->out, "}");
    return a->out.failed;
}

const struct answer_writer answer_anthropic_writer = {on_event, on_whole, KEEP_NOTHING};

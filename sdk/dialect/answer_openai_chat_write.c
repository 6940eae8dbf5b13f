/*
 * answer_openai_chat_write.c - canonical events as openai.chat chunks, or as one completion.
 *
 * Reasoning goes out as `reasoning_content`, the name that most clients know. The reason of
 * the end waits for the end of the vendor's stream: a client must not read "stop" of an
 * answer that then breaks.
 */
#include "put.h"

#include <errno.h>

/* w.head: up to and with `"choices":[`; w.index: its length without the choices. */
static int start(struct answer *a)
{
    struct bytes *h = &a->w.head;

    bytes_str(h, "data: {\"id\":\"");
    answer_put_id(a, h, "chatcmpl-", 0);
    bytes_str(h, "\",\"object\":\"chat.completion.chunk\",\"created\":");
    bytes_int(h, (int64_t)a->c->setup.now_s);
    bytes_str(h, ",\"model\":");
    answer_put_model(a, h);
    bytes_str(h, ",\"choices\":[{\"index\":0,\"delta\":");
    return h->failed;
}

static void open_chunk(struct answer *a)
{
    bytes_slice(&a->out, bytes_all(&a->w.head));
}

static void close_chunk(struct answer *a, const char *finish)
{
    bytes_str(&a->out, ",\"logprobs\":null,\"finish_reason\":");
    if (finish)
        bytes_quote(&a->out, (struct aiex_slice){(const uint8_t *)finish, strlen(finish)});
    else
        bytes_str(&a->out, "null");
    bytes_str(&a->out, a->c->client_usage ? "}],\"usage\":null}\n\n" : "}]}\n\n");
}

static void delta(struct answer *a, const char *before, struct aiex_slice text)
{
    open_chunk(a);
    bytes_str(&a->out, before);
    bytes_quote(&a->out, text);
    bytes_str(&a->out, "}");
    close_chunk(a, NULL);
}

static void put_call(struct answer *a, const struct aiex_slice id, struct aiex_slice name,
                     int custom, struct aiex_slice args)
{
    bytes_str(&a->out, "\"id\":");
    bytes_quote(&a->out, id);
    bytes_str(&a->out, custom ? ",\"type\":\"custom\",\"custom\":{\"name\":"
                              : ",\"type\":\"function\",\"function\":{\"name\":");
    bytes_quote(&a->out, name);
    bytes_str(&a->out, custom ? ",\"input\":" : ",\"arguments\":");
    bytes_quote(&a->out, args);
    bytes_str(&a->out, "}}");
}

static void tool_begin(struct answer *a, const struct event *e)
{
    open_chunk(a);
    bytes_str(&a->out, "{\"tool_calls\":[{\"index\":");
    bytes_int(&a->out, e->tool);
    bytes_str(&a->out, ",");
    put_call(a, e->id, e->name, e->custom, (struct aiex_slice){NULL, 0});
    bytes_str(&a->out, "]}");
    close_chunk(a, NULL);
}

static void tool_args(struct answer *a, const struct event *e)
{
    open_chunk(a);
    bytes_str(&a->out, "{\"tool_calls\":[{\"index\":");
    bytes_int(&a->out, e->tool);
    bytes_str(&a->out, e->custom ? ",\"custom\":{\"input\":" : ",\"function\":{\"arguments\":");
    bytes_quote(&a->out, e->text);
    bytes_str(&a->out, "}}]}");
    close_chunk(a, NULL);
}

static void usage_chunk(struct answer *a)
{
    static const char choices[] = "[{\"index\":0,\"delta\":";

    bytes_add(&a->out, a->w.head.data, a->w.head.len - (sizeof(choices) - 1));
    bytes_str(&a->out, "[]");
    put_openai_usage(a, &a->out);
    bytes_str(&a->out, "}\n\n");
}

static void end(struct answer *a)
{
    open_chunk(a);
    bytes_str(&a->out, "{}");
    close_chunk(a, put_openai_finish(a));
    if (a->c->client_usage)
        usage_chunk(a);
    bytes_str(&a->out, "data: [DONE]\n\n");
}

static int on_event(struct answer *a, const struct event *e)
{
    switch (e->kind) {
    case EVENT_START:
        if (start(a) != 0)
            return a->w.head.failed;
        open_chunk(a);
        bytes_str(&a->out, "{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}");
        close_chunk(a, NULL);
        break;
    case EVENT_TEXT:
        delta(a, "{\"content\":", e->text);
        break;
    case EVENT_REASONING:
        delta(a, "{\"reasoning_content\":", e->text);
        break;
    case EVENT_REFUSAL:
        delta(a, "{\"refusal\":", e->text);
        break;
    case EVENT_TOOL_BEGIN:
        tool_begin(a, e);
        break;
    case EVENT_TOOL_ARGS:
        tool_args(a, e);
        break;
    case EVENT_END:
        end(a);
        break;
    default:
        break;
    }
    return a->out.failed;
}

static void whole_calls(struct answer *a)
{
    const char *comma = ",\"tool_calls\":[";

    for (size_t i = 0; i < a->store.n; i++) {
        const struct block *b = &a->store.blocks[i];

        if (b->kind != BLOCK_TOOL)
            continue;
        bytes_str(&a->out, comma);
        bytes_str(&a->out, "{");
        put_call(a, store_side(&a->store, b->id), store_side(&a->store, b->name), b->custom,
                 store_text(&a->store, b));
        comma = ",";
    }
    if (*comma && comma[1] == 0)
        bytes_str(&a->out, "]");
}

static int on_whole(struct answer *a)
{
    bytes_str(&a->out, "{\"id\":\"");
    answer_put_id(a, &a->out, "chatcmpl-", 0);
    bytes_str(&a->out, "\",\"object\":\"chat.completion\",\"created\":");
    bytes_int(&a->out, (int64_t)a->c->setup.now_s);
    bytes_str(&a->out, ",\"model\":");
    answer_put_model(a, &a->out);
    bytes_str(&a->out,
              ",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
    if (!put_has(a, BLOCK_TEXT) && !put_has(a, BLOCK_TOOL) && !put_has(a, BLOCK_REFUSAL))
        bytes_str(&a->out, "\"\""); /* nothing was said: clients read a string all the same */
    else
        put_joined(a, &a->out, BLOCK_TEXT);
    bytes_str(&a->out, ",\"refusal\":");
    put_joined(a, &a->out, BLOCK_REFUSAL);
    if (put_has(a, BLOCK_REASONING)) {
        bytes_str(&a->out, ",\"reasoning_content\":");
        put_joined(a, &a->out, BLOCK_REASONING);
    }
    whole_calls(a);
    bytes_str(&a->out, "},\"logprobs\":null,\"finish_reason\":\"");
    bytes_str(&a->out, put_openai_finish(a));
    bytes_str(&a->out, "\"}]");
    put_openai_usage(a, &a->out);
    bytes_str(&a->out, "}");
    return a->out.failed;
}

const struct answer_writer answer_openai_chat_writer = {on_event, on_whole, KEEP_NOTHING};

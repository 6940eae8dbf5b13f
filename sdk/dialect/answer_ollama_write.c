/*
 * answer_ollama_write.c - canonical events as lines of ollama.chat or ollama.generate, or as one
 * document of them.
 *
 * Tool calls go out when they are whole, as objects. One that was cut in half can not be said
 * in this dialect: it is left out, and done_reason "length" tells why. Durations are those that
 * were seen here, in nanoseconds.
 */
#include "put.h"

#include <errno.h>

static int is_chat(const struct answer *a)
{
    return a->c->setup.client == AIEX_OLLAMA_CHAT;
}

static void put_head(struct answer *a, struct bytes *b)
{
    bytes_str(b, "{\"model\":");
    answer_put_model(a, b);
    bytes_str(b, ",\"created_at\":");
    put_time(a, b);
    bytes_str(b,
              is_chat(a) ? ",\"message\":{\"role\":\"assistant\",\"content\":" : ",\"response\":");
}

static void open_line(struct answer *a)
{
    bytes_slice(&a->out, bytes_all(&a->w.head));
}

static void close_line(struct answer *a)
{
    bytes_str(&a->out, is_chat(a) ? "},\"done\":false}\n" : ",\"done\":false}\n");
}

static void delta(struct answer *a, const struct event *e)
{
    open_line(a);
    if (e->kind == EVENT_REASONING) {
        bytes_str(&a->out, "\"\",\"thinking\":");
        bytes_quote(&a->out, e->text);
    } else {
        bytes_quote(&a->out, e->text);
    }
    close_line(a);
}

static void put_call(struct answer *a, const struct block *b, int64_t index)
{
    bytes_str(&a->out, "{\"id\":");
    bytes_quote(&a->out, store_side(&a->store, b->id));
    bytes_str(&a->out, ",\"function\":{\"index\":");
    bytes_int(&a->out, index);
    bytes_str(&a->out, ",\"name\":");
    bytes_quote(&a->out, store_side(&a->store, b->name));
    bytes_str(&a->out, ",\"arguments\":");
    bytes_unescape(&a->out, store_text(&a->store, b));
    bytes_str(&a->out, "}}");
}

static void tool(struct answer *a)
{
    const struct block *b = store_last(&a->store);

    if (!b || b->cut || !is_chat(a))
        return;
    open_line(a);
    bytes_str(&a->out, "\"\",\"tool_calls\":[");
    put_call(a, b, a->w.tools++);
    bytes_str(&a->out, "]");
    close_line(a);
}

static void put_span(struct answer *a, const char *key, uint64_t from, uint64_t to)
{
    bytes_str(&a->out, key);
    bytes_int(&a->out, to > from ? (int64_t)(to - from) : 1);
}

/* The members of the last line, and its end. */
static void put_tail(struct answer *a)
{
    struct aiex_usage u = answer_usage(a);
    uint64_t now = answer_now_ns(), first = a->first_ns ? a->first_ns : now;

    bytes_str(&a->out, ",\"done\":true,\"done_reason\":\"");
    bytes_str(&a->out, a->finish == AIEX_FINISH_LENGTH ? "length" : "stop");
    put_span(a, "\",\"total_duration\":", a->begun_ns, now);
    bytes_str(&a->out, ",\"load_duration\":0,\"prompt_eval_count\":");
    bytes_int(&a->out, u.input);
    put_span(a, ",\"prompt_eval_duration\":", a->begun_ns, first);
    bytes_str(&a->out, ",\"eval_count\":");
    bytes_int(&a->out, u.output);
    put_span(a, ",\"eval_duration\":", first, now);
    bytes_str(&a->out, "}");
}

static void end(struct answer *a)
{
    open_line(a);
    bytes_str(&a->out, is_chat(a) ? "\"\"}" : "\"\"");
    put_tail(a);
    bytes_str(&a->out, "\n");
}

static int on_event(struct answer *a, const struct event *e)
{
    switch (e->kind) {
    case EVENT_START:
        put_head(a, &a->w.head);
        return a->w.head.failed;
    case EVENT_TEXT:
    case EVENT_REASONING:
    case EVENT_REFUSAL:
        delta(a, e);
        break;
    case EVENT_TOOL_END:
        tool(a);
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
    int64_t n = 0;

    for (size_t i = 0; i < a->store.n; i++) {
        const struct block *b = &a->store.blocks[i];

        if (b->kind != BLOCK_TOOL || b->cut)
            continue;
        bytes_str(&a->out, n ? "," : ",\"tool_calls\":[");
        put_call(a, b, n++);
    }
    if (n)
        bytes_str(&a->out, "]");
}

static int on_whole(struct answer *a)
{
    put_head(a, &a->out);
    put_said(a, &a->out);
    if (put_has(a, BLOCK_REASONING)) {
        bytes_str(&a->out, ",\"thinking\":");
        put_joined(a, &a->out, BLOCK_REASONING);
    }
    if (is_chat(a)) {
        whole_calls(a);
        bytes_str(&a->out, "}");
    }
    put_tail(a);
    return a->out.failed;
}

const struct answer_writer answer_ollama_writer = {on_event, on_whole, KEEP_TOOL};

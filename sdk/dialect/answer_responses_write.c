/*
 * answer_responses_write.c - canonical events as openai.responses events.
 *
 * Each block becomes an output item of its own; its number in a.store is its output_index.
 * All text is kept, because the ends of parts and items and the last event repeat it. The
 * objects themselves are made in answer_responses_object.c.
 */
#include "responses.h"

#include <errno.h>

/* `event: NAME` and the data up to behind the sequence number. */
static void open_event(struct answer *a, const char *type)
{
    bytes_str(&a->out, "event: ");
    bytes_str(&a->out, type);
    bytes_str(&a->out, "\ndata: {\"type\":\"");
    bytes_str(&a->out, type);
    bytes_str(&a->out, "\",\"sequence_number\":");
    bytes_int(&a->out, ++a->w.sequence - 1);
}

static void close_event(struct answer *a)
{
    bytes_str(&a->out, "}\n\n");
}

static void response_event(struct answer *a, const char *type, const char *status)
{
    open_event(a, type);
    bytes_str(&a->out, ",\"response\":");
    responses_put(a, status);
    close_event(a);
}

static struct block *open_item(const struct answer *a)
{
    return store_last(&a->store);
}

static int64_t open_index(const struct answer *a)
{
    return (int64_t)a->store.n - 1;
}

static void item_event(struct answer *a, const char *type, const char *status)
{
    open_event(a, type);
    bytes_str(&a->out, ",\"output_index\":");
    bytes_int(&a->out, open_index(a));
    bytes_str(&a->out, ",\"item\":");
    responses_put_item(a, open_item(a), open_index(a), status);
    close_event(a);
}

/* An event about the open item, up to behind its place. */
static void open_part(struct answer *a, const char *type, const char *place)
{
    open_event(a, type);
    bytes_str(&a->out, ",\"item_id\":\"");
    responses_put_id(a, &a->out, open_item(a), open_index(a));
    bytes_str(&a->out, "\",\"output_index\":");
    bytes_int(&a->out, open_index(a));
    bytes_str(&a->out, place);
}

static const struct words {
    const char *place, *added, *delta, *done, *done_key, *part_done;
} words[] = {
    [BLOCK_TEXT] = {",\"content_index\":0", "response.content_part.added",
                    "response.output_text.delta", "response.output_text.done", "text",
                    "response.content_part.done"},
    [BLOCK_REFUSAL] = {",\"content_index\":0", "response.content_part.added",
                       "response.refusal.delta", "response.refusal.done", "refusal",
                       "response.content_part.done"},
    [BLOCK_REASONING] = {",\"summary_index\":0", "response.reasoning_summary_part.added",
                         "response.reasoning_summary_text.delta",
                         "response.reasoning_summary_text.done", "text",
                         "response.reasoning_summary_part.done"},
    [BLOCK_TOOL] = {"", NULL, "response.function_call_arguments.delta",
                    "response.function_call_arguments.done", "arguments", NULL},
    [BLOCK_REDACTED] = {"", NULL, "", NULL, NULL, NULL},
};
static const struct words custom_words = {
    "",      NULL, "response.custom_tool_call_input.delta", "response.custom_tool_call_input.done",
    "input", NULL};

static const struct words *words_of(const struct block *b)
{
    return b->kind == BLOCK_TOOL && b->custom ? &custom_words : &words[b->kind];
}

/* ---- Items ---- */

static void begin_part(struct answer *a, const struct words *w)
{
    a->w.part = 1;
    open_part(a, w->added, w->place);
    bytes_str(&a->out, ",\"part\":");
    responses_put_part(a, open_item(a), 0);
    close_event(a);
}

/* Announces the open item and its part (reasoning may have none), and prepares what its deltas
 * begin with. */
static void begin_item(struct answer *a)
{
    const struct words *w = words_of(open_item(a));
    size_t from;

    a->w.open = 1;
    item_event(a, "response.output_item.added", "in_progress");
    a->w.part = 0;
    if (w->added && open_item(a)->text.len)
        begin_part(a, w);
    from = a->out.len;
    bytes_str(&a->out, ",\"item_id\":\"");
    responses_put_id(a, &a->out, open_item(a), open_index(a));
    bytes_str(&a->out, "\",\"output_index\":");
    bytes_int(&a->out, open_index(a));
    bytes_str(&a->out, w->place);
    bytes_str(&a->out, ",\"delta\":");
    a->w.head.len = 0;
    if (!a->out.failed)
        bytes_add(&a->w.head, a->out.data + from, a->out.len - from);
    a->out.len = from;
}

static void delta(struct answer *a, struct aiex_slice text)
{
    if (!a->w.open)
        begin_item(a);
    if (!a->w.part && words_of(open_item(a))->added)
        begin_part(a, words_of(open_item(a)));
    open_event(a, words_of(open_item(a))->delta);
    bytes_slice(&a->out, bytes_all(&a->w.head));
    bytes_quote(&a->out, text);
    if (open_item(a)->kind == BLOCK_TEXT)
        bytes_str(&a->out, ",\"logprobs\":[]");
    close_event(a);
}

static void end_text(struct answer *a, const struct words *w)
{
    const struct block *b = open_item(a);

    open_part(a, w->done, w->place);
    if (b->kind == BLOCK_TOOL && !b->custom) {
        bytes_str(&a->out, ",\"name\":");
        bytes_quote(&a->out, store_side(&a->store, b->name));
    }
    bytes_str(&a->out, ",\"");
    bytes_str(&a->out, w->done_key);
    bytes_str(&a->out, "\":");
    bytes_quote(&a->out, store_text(&a->store, b));
    if (b->kind == BLOCK_TEXT)
        bytes_str(&a->out, ",\"logprobs\":[]");
    close_event(a);
}

static void end_item(struct answer *a)
{
    const struct words *w;

    if (!a->w.open)
        return;
    w = words_of(open_item(a));
    if (w->done && (a->w.part || !w->added))
        end_text(a, w);
    if (a->w.part) {
        open_part(a, w->part_done, w->place);
        bytes_str(&a->out, ",\"part\":");
        responses_put_part(a, open_item(a), 1);
        close_event(a);
    }
    item_event(a, "response.output_item.done", open_item(a)->cut ? "incomplete" : "completed");
    a->w.open = 0;
}

/* ---- Events ---- */

static void start(struct answer *a)
{
    a->w.sequence = 0;
    response_event(a, "response.created", "in_progress");
    response_event(a, "response.in_progress", "in_progress");
}

static void end(struct answer *a)
{
    const char *status = responses_status(a);

    response_event(a,
                   strcmp(status, "incomplete") == 0 ? "response.incomplete" : "response.completed",
                   status);
}

static int on_event(struct answer *a, const struct event *e)
{
    switch (e->kind) {
    case EVENT_START:
        start(a);
        break;
    case EVENT_TEXT:
    case EVENT_REASONING:
    case EVENT_REFUSAL:
    case EVENT_TOOL_ARGS:
        delta(a, e->text);
        break;
    case EVENT_SIGNATURE:
        if (!a->w.open)
            begin_item(a);
        break;
    case EVENT_TOOL_BEGIN:
        begin_item(a);
        break;
    case EVENT_REDACTED:
        begin_item(a);
        end_item(a);
        break;
    case EVENT_TOOL_END:
    case EVENT_BLOCK_END:
        end_item(a);
        break;
    case EVENT_END:
        end(a);
        break;
    default:
        break;
    }
    return a->out.failed ? a->out.failed : a->w.head.failed;
}

static int on_whole(struct answer *a)
{
    responses_put(a, responses_status(a));
    return a->out.failed;
}

const struct answer_writer answer_responses_writer = {on_event, on_whole, KEEP_ALL};

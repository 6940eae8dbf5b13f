/*
 * answer_responses_read.c - openai.responses events and response objects as canonical events.
 *
 * Output items are numbered from 0 without gaps. Deltas and ends name an item that has begun
 * and not ended; sequence numbers only grow. A text that comes in its ".done" event only, or
 * in the finished item only, is taken from there.
 */
#include "get.h"

#include <errno.h>

enum { OTHER, MESSAGE, REASONING, FUNCTION, CUSTOM };

struct item {
    int kind, said, done;
    enum event_kind said_kind; /* of reasoning: summary and full text do not both count */
    const char *said_type;
    int64_t tool;
};

static size_t n_items(const struct answer *a)
{
    return a->r.items.len / sizeof(struct item);
}

static struct item *item_at(const struct answer *a, int64_t index)
{
    return index >= 0 && (uint64_t)index < n_items(a)
               ? (struct item *)(void *)a->r.items.data + index
               : NULL;
}

static int kind_of(struct aiex_slice type)
{
    static const char *const types[] = {"", "message", "reasoning", "function_call",
                                        "custom_tool_call"};

    for (int i = MESSAGE; i <= CUSTOM; i++)
        if (get_is(type, types[i]))
            return i;
    return OTHER;
}

static int finish_of(struct answer *a, const struct aiex_json_span *response, int incomplete)
{
    struct aiex_json_span details, reason;

    if (!incomplete)
        return a->r.tools                ? AIEX_FINISH_TOOL_CALLS
               : a->r.open_kind == OTHER ? AIEX_FINISH_STOP
                                         : AIEX_FINISH_REFUSAL;
    if (aiex_json_find(response, "incomplete_details", &details) &&
        aiex_json_find(&details, "reason", &reason) && aiex_json_is(&reason, "content_filter"))
        return AIEX_FINISH_CONTENT_FILTER;
    return AIEX_FINISH_LENGTH;
}

static void take_usage(const struct aiex_json_span *response, struct event *e)
{
    struct aiex_json_span usage, details;

    *e = (struct event){.kind = EVENT_USAGE, .usage = NO_USAGE};
    if (!aiex_json_find(response, "usage", &usage) || usage.type != AIEX_JSON_OBJECT)
        return;
    e->usage.input = get_count(&usage, "input_tokens");
    e->usage.output = get_count(&usage, "output_tokens");
    if (aiex_json_find(&usage, "input_tokens_details", &details))
        e->usage.cache_read = get_count(&details, "cached_tokens");
    if (aiex_json_find(&usage, "output_tokens_details", &details))
        e->usage.reasoning = get_count(&details, "reasoning_tokens");
}

/* ---- Items ---- */

static int say(struct answer *a, struct item *item, enum event_kind kind, struct aiex_slice text)
{
    struct event e = {.kind = kind,
                      .text = text,
                      .tool = item->tool,
                      .custom = item->kind == CUSTOM,
                      .block = (int64_t)n_items(a) - 1};

    if (!text.len)
        return 0;
    item->said = 1;
    if (kind == EVENT_REFUSAL)
        a->r.open_kind = MESSAGE; /* a refusal was said */
    return answer_emit(a, &e);
}

static int begin_item(struct answer *a, const struct aiex_json_span *object, struct item **ret)
{
    enum { TYPE, CALL_ID, NAME, SPACE, ID, N };
    struct aiex_json_field f[N] = {
        {.key = "type"}, {.key = "call_id"}, {.key = "name"}, {.key = "namespace"}, {.key = "id"}};
    struct event e = {.kind = EVENT_TOOL_BEGIN, .tool = a->r.tools};
    struct item item = {.tool = -1};
    struct aiex_slice type;

    if (object->type != AIEX_JSON_OBJECT)
        return answer_fault(a, -EPROTO, "an output item is not an object");
    if (n_items(a) == STORE_MAX_BLOCKS)
        return answer_fault(a, -EMSGSIZE, "the answer has more than %u items", STORE_MAX_BLOCKS);
    if (get_members(a, object, "an output item", f, N) != 0 ||
        get_string(a, &f[TYPE].value, "an output item's type", &type) != 0)
        return a->error;
    item.kind = kind_of(type);
    if (item.kind == FUNCTION || item.kind == CUSTOM) {
        if (get_string(a, &f[CALL_ID].value, "call_id", &e.id) != 0 ||
            get_string(a, &f[NAME].value, "a tool's name", &e.name) != 0 ||
            get_string(a, &f[SPACE].value, "namespace", &e.space) != 0)
            return a->error;
        if (!e.id.len && get_string(a, &f[ID].value, "id", &e.id) != 0)
            return a->error;
        if (!e.name.len || !e.id.len)
            return answer_fault(a, -EPROTO, "a tool call has no %s", e.id.len ? "name" : "call_id");
        item.tool = a->r.tools++;
    }
    bytes_add(&a->r.items, &item, sizeof(item));
    if (a->r.items.failed)
        return a->r.items.failed;
    *ret = item_at(a, (int64_t)n_items(a) - 1);
    e.custom = item.kind == CUSTOM;
    return item.tool >= 0 ? answer_emit(a, &e) : 0;
}

/* Texts of a finished message or reasoning item: [{"type", "text" or "refusal"}]. */
static int take_parts(struct answer *a, struct item *item, const struct aiex_json_span *parts)
{
    struct aiex_json_span part, value;
    struct aiex_slice text, refusal;
    size_t at = 0;
    int r = 0;

    while (r == 0 && parts->type == AIEX_JSON_ARRAY && aiex_json_next(parts, &at, NULL, &part)) {
        aiex_json_find(&part, "text", &value);
        if (get_string(a, &value, "a part's text", &text) != 0)
            return a->error;
        aiex_json_find(&part, "refusal", &value);
        if (get_string(a, &value, "a part's refusal", &refusal) != 0)
            return a->error;
        r = say(a, item, item->kind == REASONING ? EVENT_REASONING : EVENT_TEXT, text);
        r = r ? r : say(a, item, EVENT_REFUSAL, refusal);
    }
    return r;
}

/* What the finished item says and no delta said. */
static int take_rest(struct answer *a, struct item *item, const struct aiex_json_span *object)
{
    struct aiex_json_span value;
    struct aiex_slice text;
    int said = item->said, r = 0;

    if (item->kind == OTHER)
        return 0;
    if (item->kind == FUNCTION || item->kind == CUSTOM) {
        aiex_json_find(object, item->kind == CUSTOM ? "input" : "arguments", &value);
        if (said || get_string(a, &value, "a tool call's arguments", &text) != 0)
            return a->error;
        return say(a, item, EVENT_TOOL_ARGS, text);
    }
    if (!said) {
        aiex_json_find(object, item->kind == REASONING ? "summary" : "content", &value);
        r = take_parts(a, item, &value);
        if (r == 0 && item->kind == REASONING && !item->said) {
            aiex_json_find(object, "content", &value);
            r = take_parts(a, item, &value);
        }
    }
    aiex_json_find(object, "encrypted_content", &value);
    if (r != 0 || item->kind != REASONING || value.type != AIEX_JSON_STRING)
        return r;
    r = get_string(a, &value, "encrypted_content", &text);
    return r ? r : answer_text(a, EVENT_SIGNATURE, 0, text);
}

static int end_item(struct answer *a, struct item *item, const struct aiex_json_span *object)
{
    struct event e = {.kind = EVENT_TOOL_END, .tool = item->tool};
    int r = take_rest(a, item, object);

    item->done = 1;
    if (r != 0 || item->kind == OTHER)
        return r;
    return item->tool >= 0 ? answer_emit(a, &e) : answer_simple(a, EVENT_BLOCK_END);
}

static int take_output(struct answer *a, const struct aiex_json_span *output)
{
    struct aiex_json_span object;
    struct item *item = NULL;
    size_t at = 0;
    int r = 0;

    while (r == 0 && output->type == AIEX_JSON_ARRAY &&
           aiex_json_next(output, &at, NULL, &object)) {
        r = begin_item(a, &object, &item);
        r = r ? r : end_item(a, item, &object);
    }
    return r;
}

/* ---- Events ---- */

enum { TYPE, SEQUENCE, RESPONSE, INDEX, ITEM, DELTA, PADDING, SUMMARY_INDEX, N_EVENT };

static const struct delta {
    const char *type, *done, *key;
    int kind, other; /* of items where it may stand */
    enum event_kind event;
} deltas[] = {
    {"response.output_text.delta", "response.output_text.done", "text", MESSAGE, MESSAGE,
     EVENT_TEXT},
    {"response.function_call_arguments.delta", "response.function_call_arguments.done", "arguments",
     FUNCTION, FUNCTION, EVENT_TOOL_ARGS},
    {"response.reasoning_summary_text.delta", "response.reasoning_summary_text.done", "text",
     REASONING, REASONING, EVENT_REASONING},
    {"response.reasoning_text.delta", "response.reasoning_text.done", "text", REASONING, REASONING,
     EVENT_REASONING},
    {"response.custom_tool_call_input.delta", "response.custom_tool_call_input.done", "input",
     CUSTOM, CUSTOM, EVENT_TOOL_ARGS},
    {"response.refusal.delta", "response.refusal.done", "refusal", MESSAGE, MESSAGE, EVENT_REFUSAL},
};

/* The open item that an event is about; without an index the last one. */
static int find_item(struct answer *a, const struct aiex_json_span *index, struct item **ret)
{
    int64_t n = (int64_t)n_items(a) - 1;

    if (get_number(a, index, "output_index", &n) != 0)
        return a->error;
    *ret = item_at(a, n);
    if (!*ret || (*ret)->done)
        return answer_fault(a, -EPROTO, "an event is about output item %lld, which is not open",
                            (long long)n);
    if (!a->pass && n + 1 != (int64_t)n_items(a))
        return answer_fault(a, -EPROTO, "output item %lld goes on after item %lld began",
                            (long long)n, (long long)n_items(a) - 1);
    return 0;
}

static void learn(struct answer *a, struct aiex_slice data, const struct aiex_json_field *f)
{
    struct shape_hole holes[3] = {{.at = a->last.text}, {.at = {NULL, 0}, .number = 1}};
    const struct aiex_json_span *padding = &f[PADDING].value, *number = &f[SEQUENCE].value;
    int n = 2;

    if (a->n_emitted != 1 || number->type != AIEX_JSON_NUMBER)
        return;
    holes[1].at = get_all(number);
    if (padding->type == AIEX_JSON_STRING)
        holes[n++].at = (struct aiex_slice){(const uint8_t *)padding->data + 1, padding->len - 2};
    shapes_learn(&a->shapes, data, &a->last, holes, n, 1);
}

static int take_delta(struct answer *a, struct aiex_slice data, const struct delta *d,
                      const struct aiex_json_field *f)
{
    struct item *item;
    struct aiex_slice text;
    int r = find_item(a, &f[INDEX].value, &item);

    if (r != 0 || get_string(a, &f[DELTA].value, "delta", &text) != 0)
        return a->error;
    if (item->kind != d->kind)
        return answer_fault(a, -EPROTO, "a %s is about an item of another kind", d->type);
    if (item->said_type && item->said_type != d->type && d->event == EVENT_REASONING)
        return 0;
    item->said_type = d->type;
    r = say(a, item, d->event, text);
    if (r == 0)
        learn(a, data, f);
    return r;
}

/* The whole text again; news only when no delta came. */
static int take_done(struct answer *a, struct aiex_slice data, const struct delta *d,
                     const struct aiex_json_field *f)
{
    struct aiex_json_span doc = {AIEX_JSON_OBJECT, (const char *)data.data, data.len}, value;
    struct item *item;
    struct aiex_slice text;
    int r = find_item(a, &f[INDEX].value, &item);

    if (r != 0)
        return r;
    aiex_json_find(&doc, d->key, &value);
    if (get_string(a, &value, d->key, &text) != 0)
        return a->error;
    return item->said || item->kind != d->kind ? 0 : say(a, item, d->event, text);
}

static int item_added(struct answer *a, const struct aiex_json_field *f)
{
    int64_t index = (int64_t)n_items(a);
    struct item *item;

    if (get_number(a, &f[INDEX].value, "output_index", &index) != 0)
        return a->error;
    if (index != (int64_t)n_items(a))
        return answer_fault(a, -EPROTO, "output item %lld begins where number %lld is due",
                            (long long)index, (long long)n_items(a));
    if (a->machine.state[0] == STATE_NEW)
        return answer_fault(a, -EPROTO, "an output item begins before the response");
    return begin_item(a, &f[ITEM].value, &item);
}

static int started(struct answer *a, const struct aiex_json_span *response)
{
    struct event e = {.kind = EVENT_START};
    struct aiex_json_span id, model;

    if (response->type != AIEX_JSON_OBJECT)
        return answer_fault(a, -EPROTO, "response.created has no response");
    aiex_json_find(response, "id", &id);
    aiex_json_find(response, "model", &model);
    if (get_string(a, &id, "response.id", &e.id) != 0 ||
        get_string(a, &model, "response.model", &e.name) != 0)
        return a->error;
    return answer_emit(a, &e);
}

static int finished(struct answer *a, const struct aiex_json_span *response, int incomplete)
{
    struct aiex_json_span output;
    struct event usage;
    int r = 0;

    if (response->type != AIEX_JSON_OBJECT)
        return answer_fault(a, -EPROTO, "the last event has no response");
    for (size_t i = 0; !incomplete && i < n_items(a); i++)
        if (!item_at(a, (int64_t)i)->done)
            return answer_fault(a, -EPROTO, "the response is completed while item %zu is open", i);
    if (!n_items(a) && aiex_json_find(response, "output", &output))
        r = take_output(a, &output);
    take_usage(response, &usage);
    r = r ? r : answer_emit(a, &usage);
    r = r ? r : answer_finish(a, 0, finish_of(a, response, incomplete));
    return r ? r : answer_simple(a, EVENT_END);
}

/* Between the parts of a summary stands an empty line. */
static int summary_part(struct answer *a, const struct aiex_json_field *f)
{
    static const struct aiex_slice gap = {(const uint8_t *)"\\n\\n", 4};
    struct item *item;
    int r = find_item(a, &f[INDEX].value, &item);

    return r || !item->said || item->kind != REASONING ? r : say(a, item, EVENT_REASONING, gap);
}

static int take_event(struct answer *a, struct aiex_slice data, struct aiex_slice type,
                      const struct aiex_json_field *f)
{
    struct item *item;
    int r;

    for (size_t i = 0; i < sizeof(deltas) / sizeof(deltas[0]); i++) {
        if (get_is(type, deltas[i].type))
            return take_delta(a, data, &deltas[i], f);
        if (get_is(type, deltas[i].done))
            return take_done(a, data, &deltas[i], f);
    }
    if (get_is(type, "response.output_item.added"))
        return item_added(a, f);
    if (get_is(type, "response.output_item.done")) {
        r = find_item(a, &f[INDEX].value, &item);
        return r ? r : end_item(a, item, &f[ITEM].value);
    }
    if (get_is(type, "response.reasoning_summary_part.added"))
        return summary_part(a, f);
    if (get_is(type, "response.created"))
        return started(a, &f[RESPONSE].value);
    if (get_is(type, "response.completed") || get_is(type, "response.incomplete"))
        return finished(a, &f[RESPONSE].value, get_is(type, "response.incomplete"));
    if (get_is(type, "error") || get_is(type, "response.failed"))
        return answer_vendor_error(a, data);
    return get_is(type, "response.cancelled")
               ? answer_fault(a, -EPROTO, "the vendor cancelled the response")
               : 0;
}

static int check_sequence(struct answer *a, int64_t number)
{
    if (number <= a->r.sequence)
        return answer_fault(a, -EPROTO, "sequence_number goes from %lld to %lld",
                            (long long)a->r.sequence, (long long)number);
    a->r.sequence = number;
    return 0;
}

/* An event like one before, unless its item has ended since. */
static int known_event(struct answer *a, struct aiex_slice data, int *ret)
{
    struct event e;
    struct item *item;
    int64_t number;

    if (!shapes_match(&a->shapes, data, &e, &number))
        return 0;
    item = item_at(a, e.block);
    if (!item || item->done || e.block + 1 != (int64_t)n_items(a))
        return 0;
    *ret = check_sequence(a, number);
    if (*ret == 0 && e.text.len)
        *ret = answer_emit(a, &e);
    return 1;
}

static int on_event(struct answer *a, struct aiex_slice name, struct aiex_slice data)
{
    struct aiex_json_field f[N_EVENT] = {{.key = "type"},        {.key = "sequence_number"},
                                         {.key = "response"},    {.key = "output_index"},
                                         {.key = "item"},        {.key = "delta"},
                                         {.key = "obfuscation"}, {.key = "summary_index"}};
    struct aiex_slice type;
    int64_t number = -1;
    int r;

    if (known_event(a, data, &r))
        return r;
    a->n_emitted = 0;
    if (get_document(a, data, f, N_EVENT) != 0)
        return a->error;
    if (get_string(a, &f[TYPE].value, "type", &type) != 0 ||
        get_number(a, &f[SEQUENCE].value, "sequence_number", &number) != 0)
        return a->error;
    if (!type.len)
        return answer_vendor_error(a, data);
    if (name.len && (name.len != type.len || memcmp(name.data, type.data, type.len) != 0))
        return answer_fault(a, -EPROTO, "an event is named '%.*s' and says it is '%.*s'",
                            name.len > 60 ? 60 : (int)name.len, (const char *)name.data,
                            type.len > 60 ? 60 : (int)type.len, (const char *)type.data);
    if (get_has(&f[SEQUENCE].value) && !get_is(type, "error") && check_sequence(a, number) != 0)
        return a->error;
    return take_event(a, data, type, f);
}

static int on_whole(struct answer *a, struct aiex_slice doc)
{
    struct aiex_json_field f[] = {{.key = "status"}, {.key = "error"}, {.key = "output"}};
    struct aiex_json_span all = {AIEX_JSON_OBJECT, (const char *)doc.data, doc.len};
    struct aiex_slice status;
    int r;

    if (get_document(a, doc, f, 3) != 0 || get_string(a, &f[0].value, "status", &status) != 0)
        return a->error;
    if (get_has(&f[1].value) || get_is(status, "failed"))
        return answer_vendor_error(a, doc);
    if (f[2].value.type != AIEX_JSON_ARRAY)
        return answer_fault(a, -EPROTO, "the answer has no output");
    if (!a->pass && (get_is(status, "in_progress") || get_is(status, "queued")))
        return answer_fault(a, -EPROTO, "the answer is not complete: its status is '%.*s'",
                            (int)status.len, (const char *)status.data);
    r = started(a, &all);
    return r ? r : finished(a, &all, get_is(status, "incomplete"));
}

const struct answer_reader answer_responses_reader = {on_event, on_whole, "response.completed", 0};

/*
 * answer_anthropic_read.c - anthropic.messages events and messages as canonical events.
 *
 * Blocks are numbered from 0 without gaps and never overlap; each delta names its block and
 * must be of its kind. Blocks, deltas and events of kinds that are not known are skipped:
 * the API says that new ones may come at any time.
 */
#include "get.h"

#include <errno.h>

enum { NONE, TEXT, THINKING, TOOL, OTHER };

static const char *const kind_names[] = {"none", "text", "thinking", "tool_use", "another"};

static void take_usage(const struct aiex_json_span *usage, struct event *e)
{
    int64_t plain, read, written;

    *e = (struct event){.kind = EVENT_USAGE, .usage = NO_USAGE};
    if (usage->type != AIEX_JSON_OBJECT)
        return;
    plain = get_count(usage, "input_tokens");
    read = e->usage.cache_read = get_count(usage, "cache_read_input_tokens");
    written = e->usage.cache_write = get_count(usage, "cache_creation_input_tokens");
    e->usage.output = get_count(usage, "output_tokens");
    if (plain < -1 || read < -1 || written < -1)
        e->usage.input = -2;
    else if (plain >= 0)
        e->usage.input = plain + (read > 0 ? read : 0) + (written > 0 ? written : 0);
}

static int finish_of(struct aiex_slice word)
{
    static const struct {
        const char *word;
        int finish;
    } rows[] = {
        {"max_tokens", AIEX_FINISH_LENGTH},   {"model_context_window_exceeded", AIEX_FINISH_LENGTH},
        {"tool_use", AIEX_FINISH_TOOL_CALLS}, {"refusal", AIEX_FINISH_REFUSAL},
        {"pause_turn", AIEX_FINISH_PAUSE},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (get_is(word, rows[i].word))
            return rows[i].finish;
    return AIEX_FINISH_STOP; /* end_turn, stop_sequence */
}

/* ---- Blocks ---- */

/* A JSON object as the content of a string, the way tool arguments travel. */
static int object_args(struct answer *a, const struct aiex_json_span *object)
{
    struct event e = {.kind = EVENT_TOOL_ARGS, .tool = a->r.tools - 1};
    struct aiex_json_span any;
    size_t at = 0;

    if (object->type != AIEX_JSON_OBJECT || !aiex_json_next(object, &at, NULL, &any))
        return 0;
    a->scratch.len = 0;
    bytes_escape(&a->scratch, get_all(object));
    e.text = bytes_all(&a->scratch);
    return a->scratch.failed ? a->scratch.failed : answer_emit(a, &e);
}

enum { B_TYPE, B_TEXT, B_THINKING, B_SIGNATURE, B_DATA, B_ID, B_NAME, B_INPUT, N_BLOCK };

static int begin_tool(struct answer *a, struct aiex_slice *s, const struct aiex_json_span *input)
{
    struct event e = {
        .kind = EVENT_TOOL_BEGIN, .tool = a->r.tools, .id = s[B_ID], .name = s[B_NAME]};
    int r;

    if (!e.name.len || !e.id.len)
        return answer_fault(a, -EPROTO, "a tool_use block has no %s", e.id.len ? "name" : "id");
    r = answer_emit(a, &e);
    a->r.tools++;
    return r ? r : object_args(a, input);
}

static int begin_block(struct answer *a, const struct aiex_json_span *block)
{
    struct aiex_json_field f[N_BLOCK] = {{.key = "type"},      {.key = "text"}, {.key = "thinking"},
                                         {.key = "signature"}, {.key = "data"}, {.key = "id"},
                                         {.key = "name"},      {.key = "input"}};
    struct aiex_slice s[N_BLOCK];
    int r;

    if (get_members(a, block, "a content block", f, N_BLOCK) != 0)
        return a->error;
    if (get_string(a, &f[B_TYPE].value, "a content block's type", &s[B_TYPE]) != 0)
        return a->error;
    a->r.open_kind = get_is(s[B_TYPE], "text")       ? TEXT
                     : get_is(s[B_TYPE], "thinking") ? THINKING
                     : get_is(s[B_TYPE], "tool_use") ? TOOL
                                                     : OTHER;
    if (a->r.open_kind == OTHER && !get_is(s[B_TYPE], "redacted_thinking"))
        return 0;
    for (int i = B_TEXT; i <= B_NAME; i++)
        if (get_string(a, &f[i].value, f[i].key, &s[i]) != 0)
            return a->error;
    switch (a->r.open_kind) {
    case TEXT:
        return answer_text(a, EVENT_TEXT, 0, s[B_TEXT]);
    case THINKING:
        r = answer_text(a, EVENT_REASONING, 0, s[B_THINKING]);
        return r ? r : answer_text(a, EVENT_SIGNATURE, 0, s[B_SIGNATURE]);
    case TOOL:
        return begin_tool(a, s, &f[B_INPUT].value);
    default:
        return answer_text(a, EVENT_REDACTED, 0, s[B_DATA]);
    }
}

static int end_block(struct answer *a)
{
    struct event e = {.kind = EVENT_TOOL_END, .tool = a->r.tools - 1};
    int kind = a->r.open_kind;

    a->r.open = -1;
    a->r.open_kind = NONE;
    if (kind == TOOL)
        return answer_emit(a, &e);
    return kind == OTHER ? 0 : answer_simple(a, EVENT_BLOCK_END);
}

static const struct {
    const char *type, *key;
    int block;
    enum event_kind kind;
} deltas[] = {
    {"text_delta", "text", TEXT, EVENT_TEXT},
    {"input_json_delta", "partial_json", TOOL, EVENT_TOOL_ARGS},
    {"thinking_delta", "thinking", THINKING, EVENT_REASONING},
    {"signature_delta", "signature", THINKING, EVENT_SIGNATURE},
};

static int take_delta(struct answer *a, struct aiex_slice data, const struct aiex_json_span *delta)
{
    struct aiex_json_span value;
    struct event e = {.tool = 0};
    struct shape_hole hole = {.number = 0};
    struct aiex_slice type;
    size_t i, n = sizeof(deltas) / sizeof(deltas[0]);
    int r;

    if (delta->type != AIEX_JSON_OBJECT)
        return answer_fault(a, -EPROTO, "a content_block_delta has no delta");
    aiex_json_find(delta, "type", &value);
    if (get_string(a, &value, "a delta's type", &type) != 0)
        return a->error;
    for (i = 0; i < n && !get_is(type, deltas[i].type); i++)
        ;
    if (i == n || a->r.open_kind == OTHER)
        return 0;
    if (deltas[i].block != a->r.open_kind)
        return answer_fault(a, -EPROTO, "a %s stands inside of a block of kind %s", deltas[i].type,
                            kind_names[a->r.open_kind]);
    aiex_json_find(delta, deltas[i].key, &value);
    if (get_string(a, &value, deltas[i].key, &e.text) != 0 || !e.text.len)
        return a->error;
    e.kind = deltas[i].kind;
    e.tool = a->r.tools - 1;
    r = answer_emit(a, &e);
    if (r == 0) {
        e.custom = 0;
        e.block = a->r.open;
        hole.at = e.text;
        shapes_learn(&a->shapes, data, &e, &hole, 1, -1);
    }
    return r;
}

/* ---- Events ---- */

enum { TYPE, MESSAGE, BLOCK_INDEX, CONTENT_BLOCK, DELTA, USAGE, ERROR, N_EVENT };

static int message_start(struct answer *a, const struct aiex_json_span *message)
{
    enum { ID, MODEL, M_USAGE, N };
    struct aiex_json_field f[N] = {{.key = "id"}, {.key = "model"}, {.key = "usage"}};
    struct event e = {.kind = EVENT_START}, usage;
    int r;

    if (get_members(a, message, "message", f, N) != 0 ||
        get_string(a, &f[ID].value, "message.id", &e.id) != 0 ||
        get_string(a, &f[MODEL].value, "message.model", &e.name) != 0)
        return a->error;
    r = answer_emit(a, &e);
    take_usage(&f[M_USAGE].value, &usage);
    return r ? r : answer_emit(a, &usage);
}

static int block_start(struct answer *a, const struct aiex_json_field *f)
{
    int64_t index = -1;

    if (get_number(a, &f[BLOCK_INDEX].value, "index", &index) != 0)
        return a->error;
    if (a->machine.state[0] == STATE_NEW || a->machine.state[0] >= STATE_FINISHED)
        return answer_fault(a, -EPROTO, "a content block begins outside of the message");
    if (a->r.open >= 0)
        return answer_fault(a, -EPROTO, "content block %lld begins inside of block %lld",
                            (long long)index, (long long)a->r.open);
    if (index != a->r.next)
        return answer_fault(a, -EPROTO, "content block %lld begins where number %lld is due",
                            (long long)index, (long long)a->r.next);
    a->r.open = index;
    a->r.next = index + 1;
    return begin_block(a, &f[CONTENT_BLOCK].value);
}

/* Deltas and ends name the block that is open. */
static int check_open(struct answer *a, const struct aiex_json_span *index)
{
    int64_t n = -1;

    if (get_number(a, index, "index", &n) != 0)
        return a->error;
    if (a->r.open < 0 || n != a->r.open)
        return answer_fault(a, -EPROTO, "an event is about content block %lld, which is not open",
                            (long long)n);
    return 0;
}

static int message_delta(struct answer *a, const struct aiex_json_field *f)
{
    struct aiex_json_span value = {0, NULL, 0};
    struct aiex_slice stop;
    struct event usage;
    int r;

    if (a->r.open >= 0)
        return answer_fault(a, -EPROTO, "message_delta comes while content block %lld is open",
                            (long long)a->r.open);
    take_usage(&f[USAGE].value, &usage);
    r = answer_emit(a, &usage);
    if (f[DELTA].value.type == AIEX_JSON_OBJECT)
        aiex_json_find(&f[DELTA].value, "stop_reason", &value);
    if (r != 0 || get_string(a, &value, "stop_reason", &stop) != 0)
        return r ? r : a->error;
    return stop.len ? answer_finish(a, 0, finish_of(stop)) : 0;
}

static int take_event(struct answer *a, struct aiex_slice data, struct aiex_slice type,
                      const struct aiex_json_field *f)
{
    int r;

    if (get_is(type, "content_block_delta")) {
        r = check_open(a, &f[BLOCK_INDEX].value);
        return r ? r : take_delta(a, data, &f[DELTA].value);
    }
    if (get_is(type, "content_block_start"))
        return block_start(a, f);
    if (get_is(type, "content_block_stop")) {
        r = check_open(a, &f[BLOCK_INDEX].value);
        return r ? r : end_block(a);
    }
    if (get_is(type, "message_start"))
        return message_start(a, &f[MESSAGE].value);
    if (get_is(type, "message_delta"))
        return message_delta(a, f);
    if (get_is(type, "message_stop"))
        return answer_simple(a, EVENT_END);
    return get_is(type, "error") ? answer_vendor_error(a, data) : 0;
}

static int on_event(struct answer *a, struct aiex_slice name, struct aiex_slice data)
{
    struct aiex_json_field f[N_EVENT] = {
        {.key = "type"},  {.key = "message"}, {.key = "index"}, {.key = "content_block"},
        {.key = "delta"}, {.key = "usage"},   {.key = "error"}};
    struct aiex_slice type;
    struct event e;
    int64_t sequence;

    if (shapes_match(&a->shapes, data, &e, &sequence) && e.block == a->r.open)
        return e.text.len ? answer_emit(a, &e) : 0;
    if (get_document(a, data, f, N_EVENT) != 0)
        return a->error;
    if (get_string(a, &f[TYPE].value, "type", &type) != 0)
        return a->error;
    if (!type.len && get_has(&f[ERROR].value))
        return answer_vendor_error(a, data);
    if (!type.len)
        return answer_fault(a, -EPROTO, "an event has no type");
    if (name.len && (name.len != type.len || memcmp(name.data, type.data, type.len) != 0))
        return answer_fault(a, -EPROTO, "an event is named '%.*s' and says it is '%.*s'",
                            name.len > 60 ? 60 : (int)name.len, (const char *)name.data,
                            type.len > 60 ? 60 : (int)type.len, (const char *)type.data);
    return take_event(a, data, type, f);
}

static int on_whole(struct answer *a, struct aiex_slice doc)
{
    enum { W_TYPE, W_CONTENT, W_STOP, W_USAGE, W_ERROR, N };
    struct aiex_json_field f[N] = {{.key = "type"},
                                   {.key = "content"},
                                   {.key = "stop_reason"},
                                   {.key = "usage"},
                                   {.key = "error"}};
    struct aiex_json_span block, all = {AIEX_JSON_OBJECT, (const char *)doc.data, doc.len};
    struct aiex_slice stop;
    size_t at = 0;
    int r;

    if (get_document(a, doc, f, N) != 0)
        return a->error;
    if (get_error(&f[W_ERROR].value))
        return answer_vendor_error(a, doc);
    if (f[W_CONTENT].value.type != AIEX_JSON_ARRAY)
        return answer_fault(a, -EPROTO, "the answer has no content");
    if (get_string(a, &f[W_STOP].value, "stop_reason", &stop) != 0)
        return a->error;
    r = message_start(a, &all);
    while (r == 0 && aiex_json_next(&f[W_CONTENT].value, &at, NULL, &block)) {
        r = begin_block(a, &block);
        r = r ? r : end_block(a);
    }
    r = r ? r : answer_finish(a, 0, finish_of(stop));
    return r ? r : answer_simple(a, EVENT_END);
}

const struct answer_reader answer_anthropic_reader = {on_event, on_whole, "message_stop", 0};

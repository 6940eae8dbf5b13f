/*
 * answer_ollama_read.c - lines of ollama.chat and ollama.generate as canonical events.
 *
 * A tool call comes whole, with its arguments as an object and often without an id; the last
 * line says "done": true and has the counts.
 */
#include "get.h"

#include <errno.h>

enum {
    MODEL,
    CREATED,
    MESSAGE,
    RESPONSE,
    THINKING,
    DONE,
    DONE_REASON,
    PROMPT_COUNT,
    COUNT,
    ERROR,
    N_LINE
};

static int take_call(struct answer *a, const struct aiex_json_span *call)
{
    struct aiex_json_field f[] = {{.key = "id"}, {.key = "function"}};
    struct aiex_json_field g[] = {{.key = "name"}, {.key = "arguments"}};
    struct event e = {.kind = EVENT_TOOL_BEGIN, .tool = a->r.tools++};
    int r;

    if (get_members(a, call, "a tool call", f, 2) != 0 ||
        get_string(a, &f[0].value, "a tool call's id", &e.id) != 0 ||
        get_members(a, &f[1].value, "a tool call's function", g, 2) != 0 ||
        get_string(a, &g[0].value, "a tool's name", &e.name) != 0)
        return a->error;
    if (!e.name.len)
        return answer_fault(a, -EPROTO, "a tool call has no name");
    if (get_has(&g[1].value) && g[1].value.type != AIEX_JSON_OBJECT)
        return answer_fault(a, -EPROTO, "a tool call's arguments are not an object");
    if (!e.id.len) {
        a->name.len = 0;
        answer_put_id(a, &a->name, "call_", 1000 + (uint64_t)e.tool);
        e.id = bytes_all(&a->name);
    }
    r = a->name.failed ? a->name.failed : answer_emit(a, &e);
    if (r != 0)
        return r;
    a->scratch.len = 0;
    bytes_escape(&a->scratch, get_all(&g[1].value));
    e.kind = EVENT_TOOL_ARGS;
    e.text = bytes_all(&a->scratch);
    r = a->scratch.failed ? a->scratch.failed : e.text.len ? answer_emit(a, &e) : 0;
    e.kind = EVENT_TOOL_END;
    return r ? r : answer_emit(a, &e);
}

static int take_text(struct answer *a, const struct aiex_json_span *thinking,
                     const struct aiex_json_span *content)
{
    struct aiex_slice thought, text;
    int r;

    if (get_string(a, thinking, "thinking", &thought) != 0 ||
        get_string(a, content, "content", &text) != 0)
        return a->error;
    r = answer_text(a, EVENT_REASONING, 0, thought);
    return r ? r : answer_text(a, EVENT_TEXT, 0, text);
}

static int take_message(struct answer *a, const struct aiex_json_span *message)
{
    enum { CONTENT, M_THINKING, CALLS, N };
    struct aiex_json_field f[N] = {{.key = "content"}, {.key = "thinking"}, {.key = "tool_calls"}};
    struct aiex_json_span call;
    size_t at = 0;
    int r;

    if (get_members(a, message, "message", f, N) != 0)
        return a->error;
    r = take_text(a, &f[M_THINKING].value, &f[CONTENT].value);
    r = r ? r : get_array(a, &f[CALLS].value, "tool_calls");
    while (r == 0 && get_has(&f[CALLS].value) && aiex_json_next(&f[CALLS].value, &at, NULL, &call))
        r = take_call(a, &call);
    return r;
}

static int take_end(struct answer *a, const struct aiex_json_span *line,
                    const struct aiex_json_field *f)
{
    struct event usage = {.kind = EVENT_USAGE, .usage = NO_USAGE};
    struct aiex_slice why;
    int r;

    if (get_string(a, &f[DONE_REASON].value, "done_reason", &why) != 0)
        return a->error;
    usage.usage.input = get_count(line, "prompt_eval_count");
    usage.usage.output = get_count(line, "eval_count");
    r = answer_emit(a, &usage);
    r = r ? r : answer_finish(a, 0, get_is(why, "length") ? AIEX_FINISH_LENGTH : AIEX_FINISH_STOP);
    return r ? r : answer_simple(a, EVENT_END);
}

static int take_line(struct answer *a, struct aiex_slice data, int whole)
{
    struct aiex_json_field f[N_LINE] = {{.key = "model"},       {.key = "created_at"},
                                        {.key = "message"},     {.key = "response"},
                                        {.key = "thinking"},    {.key = "done"},
                                        {.key = "done_reason"}, {.key = "prompt_eval_count"},
                                        {.key = "eval_count"},  {.key = "error"}};
    struct aiex_json_span line = {AIEX_JSON_OBJECT, (const char *)data.data, data.len};
    struct event start = {.kind = EVENT_START};
    struct shape_hole hole = {.number = 0};
    int done, r = 0;

    a->n_emitted = 0;
    if (get_document(a, data, f, N_LINE) != 0)
        return a->error;
    if (get_error(&f[ERROR].value))
        return answer_vendor_error(a, data);
    if (get_string(a, &f[MODEL].value, "model", &start.name) != 0)
        return a->error;
    done = f[DONE].value.type;
    if (get_has(&f[DONE].value) && done != AIEX_JSON_TRUE && done != AIEX_JSON_FALSE)
        return answer_fault(a, -EPROTO, "done is neither true nor false");
    if (whole && done != AIEX_JSON_TRUE)
        return answer_fault(a, -EPROTO, "the answer does not say that it is done");
    if (a->machine.state[0] == STATE_NEW)
        r = answer_emit(a, &start);
    r = r ? r : take_message(a, &f[MESSAGE].value);
    r = r ? r : take_text(a, &f[THINKING].value, &f[RESPONSE].value);
    if (r != 0)
        return r;
    if (done == AIEX_JSON_TRUE)
        return take_end(a, &line, f);
    if (f[CREATED].value.type == AIEX_JSON_STRING)
        hole.at = (struct aiex_slice){(const uint8_t *)f[CREATED].value.data + 1,
                                      f[CREATED].value.len - 2};
    answer_learn(a, data, &hole);
    return 0;
}

static int on_event(struct answer *a, struct aiex_slice name, struct aiex_slice data)
{
    int r;

    (void)name;
    return answer_known(a, data, &r) ? r : take_line(a, data, 0);
}

static int on_whole(struct answer *a, struct aiex_slice doc)
{
    return take_line(a, doc, 1);
}

const struct answer_reader answer_ollama_reader = {on_event, on_whole, "a line with \"done\": true",
                                                   1};

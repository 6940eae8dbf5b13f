/*
 * answer_openai_chat_read.c - openai.chat chunks and completions as canonical events.
 *
 * Beside the letter of the API it takes what compatible servers do: `reasoning_content`
 * (DeepSeek, llama.cpp, LM Studio) or `reasoning` (OpenRouter, Ollama) for thinking, the
 * role in every delta, a tool call's id and name repeated in every delta, no `index` of a
 * tool call, usage in every chunk.
 */
#include "get.h"

#include <errno.h>

/* ---- Tool calls ---- */

enum { CALL_INDEX, CALL_ID, CALL_FUNCTION, CALL_CUSTOM, N_CALL };

static int begin_call(struct answer *a, struct event *e)
{
    if (!e->name.len)
        return answer_fault(a, -EPROTO, "a tool call begins without a name");
    if (e->tool != answer_n_calls(a, e->choice))
        return answer_fault(a, -EPROTO, "tool call %lld begins where number %lld is due",
                            (long long)e->tool, (long long)answer_n_calls(a, e->choice));
    if (!e->id.len) { /* some local servers have none, but answers to the call need one */
        a->name.len = 0;
        answer_put_id(a, &a->name, "call_", 1000 + (uint64_t)e->tool);
        e->id = bytes_all(&a->name);
    }
    e->kind = EVENT_TOOL_BEGIN;
    return a->name.failed ? a->name.failed : answer_emit(a, e);
}

/* The call that a fragment belongs to; a new id without an index is a new call. */
static int64_t place_call(struct answer *a, int choice, int64_t index, struct aiex_slice id)
{
    int64_t n = answer_n_calls(a, choice);
    const struct machine_call *last = n ? answer_call(a, choice, n - 1) : NULL;

    if (index >= 0)
        return index;
    return last && (!id.len || last->id == machine_hash(id)) ? n - 1 : n;
}

static int take_call(struct answer *a, int choice, const struct aiex_json_span *call, int whole)
{
    struct aiex_json_field f[N_CALL] = {
        {.key = "index"}, {.key = "id"}, {.key = "function"}, {.key = "custom"}};
    struct aiex_json_field g[] = {{.key = "name"}, {.key = "arguments"}, {.key = "input"}};
    struct event e = {.choice = choice};
    const struct machine_call *known;
    int64_t index = -1;
    int r;

    if (get_members(a, call, "a tool call", f, N_CALL) != 0 ||
        get_number(a, &f[CALL_INDEX].value, "a tool call's index", &index) != 0 ||
        get_string(a, &f[CALL_ID].value, "a tool call's id", &e.id) != 0)
        return a->error;
    e.custom = get_has(&f[CALL_CUSTOM].value);
    if (get_members(a, &f[e.custom ? CALL_CUSTOM : CALL_FUNCTION].value, "a tool call's function",
                    g, 3) != 0 ||
        get_string(a, &g[0].value, "a tool's name", &e.name) != 0 ||
        get_string(a, &g[e.custom ? 2 : 1].value, "a tool call's arguments", &e.text) != 0)
        return a->error;
    e.tool = whole ? answer_n_calls(a, choice) : place_call(a, choice, index, e.id);
    known = answer_call(a, choice, e.tool);
    if (known && e.id.len && known->id != machine_hash(e.id))
        return answer_fault(a, -EPROTO, "tool call %lld begins a second time", (long long)e.tool);
    r = known ? 0 : begin_call(a, &e);
    if (r != 0)
        return r;
    e.kind = EVENT_TOOL_ARGS;
    e.custom = known ? known->custom : e.custom;
    return e.text.len ? answer_emit(a, &e) : 0;
}

static int take_calls(struct answer *a, int choice, const struct aiex_json_span *calls, int whole)
{
    struct aiex_json_span call;
    size_t at = 0;
    int r = get_array(a, calls, "tool_calls");

    while (r == 0 && get_has(calls) && aiex_json_next(calls, &at, NULL, &call))
        r = take_call(a, choice, &call, whole);
    return r;
}

/* The way before tools: one call without id and index. */
static int take_function_call(struct answer *a, int choice, const struct aiex_json_span *call)
{
    struct aiex_json_field f[] = {{.key = "name"}, {.key = "arguments"}};
    struct event e = {.choice = choice};
    int r = 0;

    if (!get_has(call))
        return 0;
    if (get_members(a, call, "function_call", f, 2) != 0 ||
        get_string(a, &f[0].value, "function_call.name", &e.name) != 0 ||
        get_string(a, &f[1].value, "function_call.arguments", &e.text) != 0)
        return a->error;
    if (!answer_call(a, choice, 0))
        r = begin_call(a, &e);
    e.kind = EVENT_TOOL_ARGS;
    return r == 0 && e.text.len ? answer_emit(a, &e) : r;
}

/* ---- Messages ---- */

enum { CONTENT, REASONING_CONTENT, REASONING, REFUSAL, TOOL_CALLS, FUNCTION_CALL, N_MESSAGE };

/* Some servers send parts in place of a string. */
static int take_parts(struct answer *a, int choice, const struct aiex_json_span *parts)
{
    struct aiex_json_span part;
    size_t at = 0;
    int r = 0;

    while (r == 0 && aiex_json_next(parts, &at, NULL, &part)) {
        struct aiex_json_field f[] = {{.key = "text"}};
        struct aiex_slice text;

        if (get_members(a, &part, "a part of content", f, 1) != 0 ||
            get_string(a, &f[0].value, "the text of a part", &text) != 0)
            return a->error;
        r = answer_text(a, EVENT_TEXT, choice, text);
    }
    return r;
}

/* Extensions of compatible servers: some say both for the same text, some other things. */
static struct aiex_slice reasoning(const struct aiex_json_field *f)
{
    for (int i = REASONING_CONTENT; i <= REASONING; i++) {
        const struct aiex_json_span *v = &f[i].value;

        if (v->type == AIEX_JSON_STRING && v->len > 2)
            return (struct aiex_slice){(const uint8_t *)v->data + 1, v->len - 2};
    }
    return (struct aiex_slice){NULL, 0};
}

static int take_message(struct answer *a, int choice, const struct aiex_json_span *message,
                        int whole)
{
    struct aiex_json_field f[N_MESSAGE] = {{.key = "content"},    {.key = "reasoning_content"},
                                           {.key = "reasoning"},  {.key = "refusal"},
                                           {.key = "tool_calls"}, {.key = "function_call"}};
    struct aiex_slice text, refusal;
    int r;

    if (get_members(a, message, whole ? "message" : "delta", f, N_MESSAGE) != 0)
        return a->error;
    if (get_string(a, &f[REFUSAL].value, "refusal", &refusal) != 0)
        return a->error;
    r = answer_text(a, EVENT_REASONING, choice, reasoning(f));
    if (r == 0 && f[CONTENT].value.type == AIEX_JSON_ARRAY) {
        r = take_parts(a, choice, &f[CONTENT].value);
    } else if (r == 0) {
        r = get_string(a, &f[CONTENT].value, "content", &text);
        r = r ? r : answer_text(a, EVENT_TEXT, choice, text);
    }
    r = r ? r : answer_text(a, EVENT_REFUSAL, choice, refusal);
    r = r ? r : take_calls(a, choice, &f[TOOL_CALLS].value, whole);
    return r ? r : take_function_call(a, choice, &f[FUNCTION_CALL].value);
}

enum { INDEX, DELTA, MESSAGE, FINISH, N_CHOICE };

static int take_choice(struct answer *a, const struct event *start, struct aiex_json_span *choice,
                       int whole)
{
    struct aiex_json_field f[N_CHOICE] = {
        {.key = "index"}, {.key = "delta"}, {.key = "message"}, {.key = "finish_reason"}};
    struct event begin = *start;
    struct aiex_slice finish;
    int64_t index = 0;
    int r = 0;

    if (get_item(a, choice, "a choice", f, N_CHOICE) != 0 ||
        get_number(a, &f[INDEX].value, "a choice's index", &index) != 0 ||
        get_string(a, &f[FINISH].value, "finish_reason", &finish) != 0)
        return a->error;
    if (index >= MACHINE_MAX_CHOICES)
        return answer_fault(a, -EPROTO, "a choice has the index %lld", (long long)index);
    begin.choice = (int)index;
    if (get_is(finish, "error"))
        return answer_fault(a, -EPROTO, "the vendor reported an error without saying which");
    if (a->machine.state[index] == STATE_NEW)
        r = answer_emit(a, &begin);
    r = r ? r : take_message(a, begin.choice, &f[whole ? MESSAGE : DELTA].value, whole);
    if (r != 0 || (!finish.len && !whole))
        return r;
    return answer_finish(a, begin.choice, get_openai_finish(finish));
}

/* ---- Documents ---- */

enum { MODEL, CHOICES, USAGE, ERROR, PADDING, N_DOC };

/* OpenAI pads its chunks with a string of random length. */
static void learn(struct answer *a, struct aiex_slice data, const struct aiex_json_span *padding)
{
    struct shape_hole hole = {.number = 0};

    if (padding->type == AIEX_JSON_STRING)
        hole.at = (struct aiex_slice){(const uint8_t *)padding->data + 1, padding->len - 2};
    answer_learn(a, data, &hole);
}

static int take_document(struct answer *a, struct aiex_slice data, int whole)
{
    struct aiex_json_field f[N_DOC] = {{.key = "model"},
                                       {.key = "choices"},
                                       {.key = "usage"},
                                       {.key = "error"},
                                       {.key = "obfuscation"}};
    struct event start = {.kind = EVENT_START}, usage = {.kind = EVENT_USAGE};
    struct aiex_json_span choice;
    size_t at = 0;
    int n = 0, r;

    a->n_emitted = 0;
    if (get_document(a, data, f, N_DOC) != 0)
        return a->error;
    if (get_error(&f[ERROR].value))
        return answer_vendor_error(a, data);
    if (get_string(a, &f[MODEL].value, "model", &start.name) != 0 ||
        get_array(a, &f[CHOICES].value, "choices") != 0)
        return a->error;
    if (whole && !get_has(&f[CHOICES].value))
        return answer_fault(a, -EPROTO, "the answer has no choices");
    r = 0;
    while (r == 0 && get_has(&f[CHOICES].value) &&
           aiex_json_step(&f[CHOICES].value, &at, NULL, &choice)) {
        n++;
        r = take_choice(a, &start, &choice, whole);
        at = (size_t)(choice.data + choice.len - f[CHOICES].value.data);
    }
    if (r == 0 && get_openai_usage(&f[USAGE].value, &usage.usage)) {
        r = answer_emit(a, &usage);
        if (r == 0 && n == 0 && !whole && !a->c->client_usage &&
            !(a->c->setup.flags & AIEX_CHAT_NO_USAGE_ASK))
            return READ_DROP;
    }
    if (r == 0 && !whole)
        learn(a, data, &f[PADDING].value);
    return r ? r : READ_PASS;
}

static int on_event(struct answer *a, struct aiex_slice name, struct aiex_slice data)
{
    int r;

    (void)name;
    if (answer_known(a, data, &r))
        return r;
    if (get_is(data, "[DONE]"))
        return answer_simple(a, EVENT_END);
    return take_document(a, data, 0);
}

static int on_whole(struct answer *a, struct aiex_slice doc)
{
    int r = take_document(a, doc, 1);

    return r < 0 ? r : answer_simple(a, EVENT_END);
}

const struct answer_reader answer_openai_chat_reader = {on_event, on_whole, "data: [DONE]", 0};

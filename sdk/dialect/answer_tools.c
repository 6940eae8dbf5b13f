/*
 * answer_tools.c - tool calls as the client knows them.
 *
 * A vendor that knows functions only was given other tools in disguise (chat.tools): a tool
 * of a namespace under a joined name, free text as a function with one string "input", a
 * wanted format of the answer as a call that must be made (chat.json_tool). Here they get
 * their own form back. Arguments of free text are collected until their end, because a
 * string is only known once its closing quote is.
 */
#include "answer.h"

#include <errno.h>

static struct aiex_slice literal(const char *s)
{
    return (struct aiex_slice){(const uint8_t *)s, strlen(s)};
}

static const struct chat_tool *find_tool(const struct aiex_chat *c, struct aiex_slice raw)
{
    struct aiex_json_span name = {AIEX_JSON_STRING, NULL, raw.len + 2};
    char text[512];
    long n;

    if (!raw.len || !c->n_tools)
        return NULL;
    name.data = (const char *)raw.data - 1;
    n = aiex_json_text(&name, text, sizeof(text));
    for (size_t i = 0; n > 0 && i < c->n_tools; i++)
        if (c->tools[i].vendor_name.len == (size_t)n &&
            memcmp(c->tools[i].vendor_name.data, text, (size_t)n) == 0)
            return &c->tools[i];
    return NULL;
}

/* The client's name and name space, escaped again. */
static int rename_tool(struct answer *a, const struct chat_tool *t, struct event *e)
{
    size_t split;

    a->name.len = 0;
    bytes_escape(&a->name, t->name);
    split = a->name.len;
    bytes_escape(&a->name, t->space);
    if (a->name.failed || !a->name.len)
        return a->name.failed;
    e->name = (struct aiex_slice){a->name.data, split};
    e->space = (struct aiex_slice){a->name.data + split, a->name.len - split};
    return 0;
}

static int begin(struct answer *a, const struct event *e)
{
    const struct chat_tool *t = find_tool(a->c, e->name);
    struct event mine = *e;
    int r = t ? rename_tool(a, t, &mine) : 0;

    if (r != 0)
        return r;
    a->custom = t && t->custom && !e->custom;
    mine.custom = e->custom || a->custom;
    mine.tool = a->n_client_tools++;
    a->args.len = 0;
    return answer_deliver(a, &mine);
}

static int arguments(struct answer *a, struct aiex_slice text, int custom)
{
    struct event e = {
        .kind = EVENT_TOOL_ARGS, .tool = a->n_client_tools - 1, .text = text, .custom = custom};

    return answer_deliver(a, &e);
}

/* The string "input" of the collected object; what is no such object goes out as it is, and of
 * one that was cut in half nothing can be said. */
static int unwrap(struct answer *a)
{
    struct aiex_json_field f[] = {{.key = "input"}};
    struct aiex_slice text = {NULL, 0};

    if (!a->args.len)
        return 0;
    a->scratch.len = 0;
    bytes_unescape(&a->scratch, bytes_all(&a->args));
    if (a->scratch.failed)
        return a->scratch.failed;
    if (aiex_json_scan(bytes_all(&a->scratch), 0, f, 1, NULL) != AIEX_JSON_OBJECT)
        return 0;
    if (f[0].value.type == AIEX_JSON_STRING)
        text = (struct aiex_slice){(const uint8_t *)f[0].value.data + 1, f[0].value.len - 2};
    else
        text = bytes_all(&a->args);
    return text.len ? arguments(a, text, 1) : 0;
}

static int wants_object(int dialect)
{
    return dialect == AIEX_ANTHROPIC_MESSAGES || dialect == AIEX_OLLAMA_CHAT;
}

static int end(struct answer *a, const struct event *e)
{
    const struct machine_call *call = &a->machine.calls[a->machine.closed];
    int json = !call->custom, empty = flow_empty(&call->flow);
    struct event mine = *e;
    int r = 0;

    mine.cut = json && !empty && !flow_whole(&call->flow);
    if (a->custom)
        r = unwrap(a);
    else if (json && empty)
        r = arguments(a, literal("{}"), 0);
    else if (json && !mine.cut && call->flow.top != '{' && wants_object(a->c->setup.client))
        r = answer_fault(a, -EPROTO, "the arguments of a tool call are not an object");
    a->custom = 0;
    mine.tool = a->n_client_tools - 1;
    return r ? r : answer_deliver(a, &mine);
}

/* A call that is the answer: its arguments are the text. */
static int take_as_text(struct answer *a, const struct event *e)
{
    struct event text = *e;

    if (e->kind == EVENT_TOOL_BEGIN)
        return 0;
    text.kind = e->kind == EVENT_TOOL_ARGS ? EVENT_TEXT : EVENT_BLOCK_END;
    return answer_deliver(a, &text);
}

static int finish(struct answer *a, const struct event *e)
{
    struct event mine = *e;
    int r = a->c->fill ? answer_fill_end(a) : 0;

    if (r != 0)
        return r;
    if (a->as_text && mine.finish == AIEX_FINISH_TOOL_CALLS && !a->n_client_tools)
        mine.finish = AIEX_FINISH_STOP;
    else if (mine.finish == AIEX_FINISH_STOP && a->n_client_tools)
        mine.finish = AIEX_FINISH_TOOL_CALLS;
    else if (mine.finish == AIEX_FINISH_STOP && a->refused)
        mine.finish = AIEX_FINISH_REFUSAL;
    a->finish = a->c->result.finish = mine.finish;
    return answer_deliver(a, &mine);
}

static int is_tool(enum event_kind kind)
{
    return kind == EVENT_TOOL_BEGIN || kind == EVENT_TOOL_ARGS || kind == EVENT_TOOL_END;
}

/* The seal of a vendor's reasoning goes to clients that bring it back with the next request. */
static int takes_seal(int dialect)
{
    return dialect == AIEX_ANTHROPIC_MESSAGES || dialect == AIEX_OPENAI_RESPONSES;
}

int answer_tools_take(struct answer *a, const struct event *e)
{
    if (a->c->json_tool && is_tool(e->kind)) {
        a->as_text = 1;
        return take_as_text(a, e);
    }
    switch (e->kind) {
    case EVENT_TEXT:
        return a->c->fill ? answer_fill_take(a, e->text) : answer_deliver(a, e);
    case EVENT_TOOL_BEGIN:
        return begin(a, e);
    case EVENT_TOOL_ARGS:
        if (!a->custom)
            return e->text.len ? arguments(a, e->text, e->custom) : 0;
        bytes_slice(&a->args, e->text);
        return a->args.failed;
    case EVENT_TOOL_END:
        return end(a, e);
    case EVENT_FINISH:
        return finish(a, e);
    case EVENT_SIGNATURE:
        return takes_seal(a->c->setup.client) ? answer_deliver(a, e) : 0;
    case EVENT_REDACTED:
        return a->c->same ? answer_deliver(a, e) : 0;
    case EVENT_REFUSAL:
        a->refused = 1;
        return answer_deliver(a, e);
    default:
        return answer_deliver(a, e);
    }
}

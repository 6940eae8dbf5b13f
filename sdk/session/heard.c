/*
 * heard.c - what the model answered, out of the bytes that the client gets.
 *
 * An answer in another dialect is translated into OpenAI's by the library that translates for
 * clients; so one reader is enough. What comes behind something that is not understood is not heard
 * any more: the client's own library would not have understood it either.
 */
#include "turn.h"

#include <errno.h>
#include <stdio.h>

/* ---- One chunk, or one document ---- */

static void note_text(const struct aiex_json_span *object, const char *key, char *out, size_t size)
{
    struct aiex_json_span v;
    char text[MODEL_BYTES];

    if (aiex_json_find(object, key, &v) && aiex_json_text(&v, text, sizeof(text)) > 0)
        snprintf(out, size, "%.*s", (int)size - 1, text);
}

static void note_usage(struct heard *h, const struct aiex_json_span *doc)
{
    struct aiex_json_span usage, v;

    if (!aiex_json_find(doc, "usage", &usage) || usage.type != AIEX_JSON_OBJECT)
        return;
    if (aiex_json_find(&usage, "prompt_tokens", &v))
        aiex_json_int(&v, &h->input_tokens);
    if (aiex_json_find(&usage, "completion_tokens", &v))
        aiex_json_int(&v, &h->output_tokens);
}

static void take(struct heard *h, int r)
{
    h->cut |= r == -EMSGSIZE || r == -ENOMEM;
}

static struct tool_call *call_at(struct aiex_turn *t, const struct aiex_json_span *delta)
{
    const struct aiex_host *host = t->all->host;
    struct heard *h = &t->heard;
    struct aiex_json_span v;
    int64_t index = -1;

    if (aiex_json_find(delta, "index", &v))
        aiex_json_int(&v, &index);
    if (index < 0 || index >= MAX_CALLS)
        return NULL;
    if (!h->calls)
        h->calls = host->alloc(host, MAX_CALLS * sizeof(*h->calls));
    if (!h->calls)
        return NULL;
    if (index >= h->n_calls)
        h->n_calls = (unsigned)index + 1;
    return &h->calls[index];
}

static void add_call(struct aiex_turn *t, const struct aiex_json_span *delta)
{
    struct tool_call *call = call_at(t, delta);
    struct aiex_json_span function, v;

    if (!call) {
        t->heard.cut = 1;
        return;
    }
    if (aiex_json_find(delta, "id", &v) && !call->id.len)
        take(&t->heard, text_add_string(t->all, &call->id, &v, 256));
    if (!aiex_json_find(delta, "function", &function) || function.type != AIEX_JSON_OBJECT)
        return;
    if (aiex_json_find(&function, "name", &v) && !call->name.len)
        take(&t->heard, text_add_string(t->all, &call->name, &v, 256));
    if (aiex_json_find(&function, "arguments", &v))
        take(&t->heard, text_add_string(t->all, &call->args, &v, AIEX_TURN_MESSAGE / 2));
}

/* The part of a text that still fits, so that a long answer is kept up to its cut. */
static void add_content(struct aiex_turn *t, const struct aiex_json_span *v)
{
    if (!t->heard.cut)
        take(&t->heard, text_add_cut(t->all, &t->heard.content, v, AIEX_TURN_MESSAGE));
}

static void read_calls(struct aiex_turn *t, const struct aiex_json_span *calls, int whole)
{
    struct aiex_json_span one;
    size_t at = 0;

    if (whole && calls->type == AIEX_JSON_ARRAY && calls->len > 2)
        take(&t->heard, text_add(t->all, &t->heard.calls_json, calls->data, calls->len,
                                 AIEX_TURN_MESSAGE / 2));
    while (!whole && aiex_json_next(calls, &at, NULL, &one))
        add_call(t, &one);
}

static void read_choice(struct aiex_turn *t, const struct aiex_json_span *choice, int whole)
{
    struct aiex_json_span said, v;

    note_text(choice, "finish_reason", t->heard.finish, sizeof(t->heard.finish));
    if (!aiex_json_find(choice, whole ? "message" : "delta", &said) ||
        said.type != AIEX_JSON_OBJECT)
        return;
    if (aiex_json_find(&said, "content", &v) && v.type == AIEX_JSON_STRING)
        add_content(t, &v);
    else if (aiex_json_find(&said, "refusal", &v) && v.type == AIEX_JSON_STRING)
        add_content(t, &v);
    if (aiex_json_find(&said, "tool_calls", &v) && v.type == AIEX_JSON_ARRAY)
        read_calls(t, &v, whole);
}

static void read_document(struct aiex_turn *t, struct aiex_slice data, int whole)
{
    struct aiex_json_span doc = {AIEX_JSON_OBJECT, (const char *)data.data, data.len}, v, one;
    size_t at = 0;

    if (aiex_json_scan(data, AIEX_JSON_MAX_DEPTH, NULL, 0, NULL) != AIEX_JSON_OBJECT) {
        t->heard.broken = 1;
        return;
    }
    while (doc.len && *doc.data != '{') {
        doc.data++;
        doc.len--;
    }
    note_text(&doc, "model", t->heard.model, sizeof(t->heard.model));
    note_usage(&t->heard, &doc);
    if (aiex_json_find(&doc, "choices", &v) && v.type == AIEX_JSON_ARRAY &&
        aiex_json_next(&v, &at, NULL, &one) && one.type == AIEX_JSON_OBJECT)
        read_choice(t, &one, whole); /* of several choices the first */
}

/* ---- Bytes ---- */

static int on_event(void *arg, const struct aiex_sse_event *event)
{
    struct aiex_turn *t = arg;

    if (event->data.len && !aiex_slice_is(event->data, "[DONE]"))
        read_document(t, event->data, 0);
    return t->heard.broken;
}

/* Bytes in OpenAI's dialect. */
static int on_bytes(void *arg, struct aiex_slice bytes)
{
    struct aiex_turn *t = arg;
    struct heard *h = &t->heard;

    if (!t->stream)
        take(h, text_add(t->all, &h->doc, bytes.data, bytes.len, AIEX_MAX_BODY));
    else if (aiex_sse_feed(&h->sse, bytes, on_event, t) != 0)
        h->broken = 1;
    return h->broken;
}

int heard_init(struct aiex_turn *t)
{
    static const char body[] = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":"
                               "\"x\"}],\"stream_options\":{\"include_usage\":true}}";
    const struct aiex_chat_setup setup = {.struct_size = sizeof(setup),
                                          .client = AIEX_OPENAI_CHAT,
                                          .vendor = t->dialect,
                                          .stream = t->stream,
                                          .model = {(const uint8_t *)"m", 1}};
    int r = 0;

    t->heard.input_tokens = t->heard.output_tokens = -1;
    aiex_sse_init(&t->heard.sse, AIEX_SSE_MAX_EVENT);
    if (t->dialect != AIEX_OPENAI_CHAT)
        r = aiex_chat_new(&setup, (struct aiex_slice){(const uint8_t *)body, sizeof(body) - 1},
                          &t->heard.chat, NULL);
    if (r == 0 && t->heard.chat)
        aiex_chat_drop_request(t->heard.chat);
    return r;
}

void heard_part(struct aiex_turn *t, struct aiex_slice part)
{
    struct heard *h = &t->heard;

    if (h->broken)
        return;
    if (!h->chat)
        on_bytes(t, part);
    else if (aiex_chat_feed(h->chat, part, on_bytes, t) != 0)
        h->broken = 1;
}

void heard_end(struct aiex_turn *t)
{
    struct heard *h = &t->heard;

    if (h->chat && !h->broken)
        aiex_chat_close(h->chat, on_bytes, t); /* a cut answer has no proper end: never mind */
    if (!t->stream && h->doc.len)
        read_document(t, (struct aiex_slice){(const uint8_t *)h->doc.data, h->doc.len}, 1);
    text_drop(t->all, &h->doc);
}

void heard_done(struct aiex_turn *t)
{
    struct heard *h = &t->heard;

    aiex_chat_free(h->chat);
    aiex_sse_done(&h->sse);
    text_drop(t->all, &h->doc);
    text_drop(t->all, &h->content);
    text_drop(t->all, &h->calls_json);
    for (unsigned i = 0; i < h->n_calls; i++) {
        text_drop(t->all, &h->calls[i].id);
        text_drop(t->all, &h->calls[i].name);
        text_drop(t->all, &h->calls[i].args);
    }
    t->all->host->release(t->all->host, h->calls);
    h->calls = NULL;
    h->n_calls = 0;
}

/* ---- The message ---- */

struct out {
    struct aiex_turns *all;
    struct text *text;
    int r;
};

static void put(struct out *o, const char *json)
{
    if (o->r == 0)
        o->r = text_add(o->all, o->text, json, strlen(json), AIEX_TURN_SAID);
}

static void put_text(struct out *o, const struct text *t)
{
    if (o->r == 0)
        o->r = text_add_quoted(o->all, o->text, t->data ? t->data : "", t->len, AIEX_TURN_SAID);
}

int heard_json(struct aiex_turn *t, struct text *out)
{
    struct out o = {t->all, out, 0};
    const struct heard *h = &t->heard;

    put(&o, "{\"role\":\"assistant\",\"content\":");
    if (h->content.len)
        put_text(&o, &h->content);
    else
        put(&o, "null");
    put(&o, ",\"tool_calls\":");
    if (h->calls_json.len && o.r == 0)
        o.r = text_add(t->all, out, h->calls_json.data, h->calls_json.len, AIEX_TURN_SAID);
    for (unsigned i = 0; i < h->n_calls; i++) {
        put(&o, i ? ",{\"id\":" : "[{\"id\":");
        put_text(&o, &h->calls[i].id);
        put(&o, ",\"type\":\"function\",\"function\":{\"name\":");
        put_text(&o, &h->calls[i].name);
        put(&o, ",\"arguments\":");
        put_text(&o, &h->calls[i].args);
        put(&o, "}}");
    }
    put(&o, h->n_calls ? "]}" : "}");
    return o.r;
}

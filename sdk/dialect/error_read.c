/*
 * error_read.c - a vendor's error document, told apart by its shape.
 *
 *     {"error": {"message", "type", "param", "code"}}            OpenAI, Azure, llama.cpp, LM
 * Studio
 *     {"type": "error", "error": {"type", "message"}}            Anthropic
 *     {"error": "sentence"}                                      Ollama
 *     {"object": "error", "message", "type", "param", "code"}    vLLM
 *     {"type": "error", "code", "message", "param"}              OpenAI responses, in a stream
 *     {"type": "response.failed", "response": {"error": {...}}}  the same
 *     {"detail": "sentence"} or {"detail": [{"msg"}]}            servers on FastAPI
 *     [{"error": {...}}]                                         Google's OpenAI endpoint
 */
#include "error.h"

#include <aiex_json.h>
#include <stdio.h>
#include <string.h>

/* Raw bytes of the first character or escape at p; a surrogate pair is one. */
static size_t raw_step(const char *p, const char *end)
{
    unsigned char c = (unsigned char)*p;
    size_t n = 1;

    if (c == '\\')
        n = end - p > 1 && p[1] == 'u' ? 6 : 2;
    else if (c >= 0xc0)
        n = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    if (n == 6 && end - p >= 12 && (p[2] | 0x20) == 'd' && strchr("89abAB", p[3]) && p[6] == '\\')
        n = 12;
    return n < (size_t)(end - p) ? n : (size_t)(end - p);
}

/* The string, cut at a character where it does not fit. Nothing happens for other types. */
static void take_text(const struct aiex_json_span *span, char *out, size_t size)
{
    struct aiex_json_span part = *span;
    const char *p, *end;

    if (span->type != AIEX_JSON_STRING || span->len < 2)
        return;
    if (part.len > size) {
        end = span->data + span->len - 1;
        for (p = span->data + 1; p < end;) {
            size_t n = raw_step(p, end);

            if ((size_t)(p - span->data - 1) + n >= size)
                break;
            p += n;
        }
        part.len = (size_t)(p - span->data) + 1;
    }
    if (aiex_json_text(&part, out, size) < 0)
        out[0] = 0;
}

static void take_key(const struct aiex_json_span *object, const char *key, char *out, size_t size)
{
    struct aiex_json_span value;

    if (aiex_json_find(object, key, &value))
        take_text(&value, out, size);
}

/* A code that is a number is a status. */
static void take_code(const struct aiex_json_span *object, struct aiex_chat_error *e)
{
    struct aiex_json_span value;
    int64_t n;

    if (!aiex_json_find(object, "code", &value))
        return;
    take_text(&value, e->code, sizeof(e->code));
    if (aiex_json_int(&value, &n) == 0 && n >= 400 && n <= 599 && e->status < 400)
        e->status = (int)n;
}

static void take_details(const struct aiex_json_span *object, struct aiex_chat_error *e)
{
    struct aiex_json_span value;

    take_key(object, "message", e->message, sizeof(e->message));
    take_key(object, "type", e->type, sizeof(e->type));
    take_key(object, "param", e->param, sizeof(e->param));
    take_code(object, e);
    if (!e->code[0] && aiex_json_find(object, "innererror", &value))
        take_key(&value, "code", e->code, sizeof(e->code));
    if (!e->type[0])
        take_key(object, "status", e->type, sizeof(e->type));
}

static void take_detail(const struct aiex_json_span *detail, struct aiex_chat_error *e)
{
    struct aiex_json_span first;
    size_t at = 0;

    if (detail->type == AIEX_JSON_ARRAY && aiex_json_next(detail, &at, NULL, &first))
        take_key(&first, "msg", e->message, sizeof(e->message));
    else if (detail->type == AIEX_JSON_OBJECT)
        take_details(detail, e);
    else
        take_text(detail, e->message, sizeof(e->message));
}

/* The members that the document itself has; a nested "error" wins. */
static void take_document(const struct aiex_json_span *doc, struct aiex_chat_error *e)
{
    struct aiex_json_span value, inner;

    if (aiex_json_find(doc, "response", &value) && value.type == AIEX_JSON_OBJECT &&
        aiex_json_find(&value, "error", &inner) && inner.type == AIEX_JSON_OBJECT) {
        take_details(&inner, e);
    } else if (aiex_json_find(doc, "error", &value) && value.type == AIEX_JSON_OBJECT) {
        take_details(&value, e);
    } else if (value.type == AIEX_JSON_STRING) {
        take_text(&value, e->message, sizeof(e->message));
        take_key(doc, "code", e->code, sizeof(e->code));
    } else if (aiex_json_find(doc, "detail", &value)) {
        take_detail(&value, e);
    } else {
        take_details(doc, e);
    }
    if (strcmp(e->type, "error") == 0 || strncmp(e->type, "response.", 9) == 0)
        e->type[0] = 0;
}

static void say_status(int status, struct aiex_chat_error *e)
{
    const char *text = error_status_text(status);

    if (status >= 400)
        snprintf(e->message, sizeof(e->message), "the model provider answered %d%s%s", status,
                 *text ? " " : "", text);
    else
        snprintf(e->message, sizeof(e->message), "the model provider reported an error");
}

void aiex_chat_read_error(int dialect, int status, struct aiex_slice body,
                          struct aiex_chat_error *ret)
{
    struct aiex_json_span doc = {0, (const char *)body.data, body.len}, first;
    size_t at = 0;

    (void)dialect; /* gateways in between answer in other shapes than their vendor */
    *ret = (struct aiex_chat_error){.status = status};
    doc.type = body.len ? aiex_json_scan(body, 0, NULL, 0, NULL) : 0;
    while (doc.len && strchr(" \t\r\n", *doc.data)) {
        doc.data++;
        doc.len--;
    }
    if (doc.type == AIEX_JSON_ARRAY && aiex_json_next(&doc, &at, NULL, &first))
        doc = first;
    if (doc.type == AIEX_JSON_OBJECT)
        take_document(&doc, ret);
    else if (doc.type == AIEX_JSON_STRING)
        take_text(&doc, ret->message, sizeof(ret->message));
    ret->reason = error_reason(ret->status, ret->code, ret->type, ret->message);
    if (ret->status < 400 || ret->status > 599)
        ret->status = status >= 300 ? 502 : error_words(ret->reason, 0)->usual;
    if (!ret->message[0])
        say_status(status, ret);
}

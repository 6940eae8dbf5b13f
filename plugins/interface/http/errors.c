/*
 * errors.c - what went wrong, in the form that OpenAI's clients understand.
 *
 * {"error":{"message","type","param","code"}} with the status that makes their retry
 * rules work. A vendor's own error document is passed on as it is when it is JSON.
 * After the first part of a stream the status is gone: then an event `data:
 * {"error":...}` follows, on which the official SDKs raise, and the connection ends
 * without the last chunk, so that no client can take the answer for complete.
 */
#include "server.h"

#include <aiex/aiex_pack.h>
#include <aiex_json.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *code; /* on the wire */
    int status;
    const char *name;  /* `code` of the document */
    uint32_t retry_ms; /* told when the answer names no time; 0 = none */
} codes[] = {
    {AIEX_E_INVALID, 400, "invalid_request", 0},     {AIEX_E_DENIED, 403, "permission_denied", 0},
    {AIEX_E_NOT_FOUND, 404, "model_not_found", 0},   {AIEX_E_CONFLICT, 409, "conflict", 0},
    {AIEX_E_BUSY, 429, "rate_limit_exceeded", 1000}, {AIEX_E_CANCELLED, 499, "cancelled", 0},
    {AIEX_E_INTERNAL, 500, "internal_error", 0},     {AIEX_E_UPSTREAM, 502, "upstream_error", 0},
    {AIEX_E_CRASHED, 502, "provider_crashed", 0},    {AIEX_E_UNAVAILABLE, 503, "unavailable", 1000},
    {AIEX_E_READ_ONLY, 503, "read_only", 0},         {AIEX_E_TIMEOUT, 504, "timeout", 0},
};

#define N_CODES (sizeof(codes) / sizeof(codes[0]))

/* Unknown codes (of a newer host or plugin) are internal errors. */
static size_t find_code(const char *code)
{
    size_t internal = 0;

    for (size_t i = 0; i < N_CODES; i++) {
        if (strcmp(codes[i].code, code) == 0)
            return i;
        if (strcmp(codes[i].code, AIEX_E_INTERNAL) == 0)
            internal = i;
    }
    return internal;
}

int error_status(const char *code)
{
    return codes[find_code(code)].status;
}

static const char *type_of(int status)
{
    switch (status) {
    case 401:
        return "authentication_error";
    case 403:
        return "permission_error";
    case 429:
        return "rate_limit_error";
    default:
        return status < 500 ? "invalid_request_error" : "server_error";
    }
}

static void write_string_or_null(struct aiex_json_out *w, const char *name, const char *text)
{
    aiex_jw_raw(w, name);
    if (text)
        aiex_jw_str(w, text);
    else
        aiex_jw_raw(w, "null");
}

static void write_document(struct aiex_json_out *w, int status, const char *code, const char *param,
                           const char *text)
{
    aiex_jw_raw(w, "{\"error\":{\"message\":");
    aiex_jw_str(w, text);
    write_string_or_null(w, ",\"type\":", type_of(status));
    write_string_or_null(w, ",\"param\":", param);
    write_string_or_null(w, ",\"code\":", code);
    aiex_jw_raw(w, "}}");
}

void error_respond(struct conn *c, int status, const char *code, const char *param,
                   const char *format, ...)
{
    const struct aiex_http1_head *head = aiex_http1_head(c->parser);
    struct reply reply = {.status = status};
    char text[512], mem[4096], allow[64];
    struct aiex_json_out w;
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    if (status == 405 && head) {
        routes_allow(head->path, allow, sizeof(allow));
        reply.allow = allow;
    }
    aiex_jw_init(&w, mem, sizeof(mem)); /* 512 bytes escaped are at most 3 KiB */
    write_document(&w, status, code, param, text);
    respond(c, &reply, mem, w.len);
}

/* The status that the provider wants the client to see, or that of the code. */
static int status_of(const struct aiex_answer *answer)
{
    int64_t status;

    if (aiex_get_int(answer->body, "http_status", &status) == 1 && status >= 400 && status < 600)
        return (int)status;
    return error_status(answer->code);
}

static uint32_t retry_of(const struct aiex_answer *answer, int status)
{
    if (status != 429 && status != 503)
        return 0;
    return answer->retry_after_ms ? answer->retry_after_ms
                                  : codes[find_code(answer->code)].retry_ms;
}

static const char *text_of(const struct aiex_answer *answer)
{
    return answer->text && *answer->text ? answer->text : answer->code;
}

void error_answer(struct conn *c, const struct aiex_answer *answer)
{
    struct reply reply = {.status = status_of(answer)};
    struct aiex_slice vendor;
    struct aiex_json_out w;
    char mem[4096], text[512];

    reply.retry_after_ms = retry_of(answer, reply.status);
    if (aiex_get_bytes(answer->body, "body", &vendor) == 1 &&
        aiex_json_scan(vendor, 0, NULL, 0, NULL) == AIEX_JSON_OBJECT) {
        respond(c, &reply, vendor.data, vendor.len);
        return;
    }
    snprintf(text, sizeof(text), "%s", text_of(answer));
    aiex_jw_init(&w, mem, sizeof(mem));
    write_document(&w, reply.status, codes[find_code(answer->code)].name, NULL, text);
    respond(c, &reply, mem, w.len);
}

void error_in_stream(struct conn *c, const struct aiex_answer *answer)
{
    struct aiex_json_out w;
    char mem[4096], text[512];

    snprintf(text, sizeof(text), "%s", text_of(answer));
    aiex_jw_init(&w, mem, sizeof(mem));
    aiex_jw_raw(&w, "data: ");
    write_document(&w, status_of(answer), codes[find_code(answer->code)].name, NULL, text);
    aiex_jw_raw(&w, "\n\n");
    c->server->numbers.cut_streams++;
    respond_no_keep_alive(c, 1);
    if (output_chunk(c, mem, w.len) != 0)
        return;
    c->ended = 1;
    output_soon(c);
}

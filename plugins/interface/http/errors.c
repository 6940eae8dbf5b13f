/*
 * errors.c - what went wrong, in the form that the clients of each dialect understand.
 *
 * A status that makes their retry rules work, and the document that their libraries turn into
 * an exception. A vendor's own error document, which comes in the client's dialect, is passed on
 * as it is. After the first part of a stream the status is gone: then the dialect's error event
 * follows, on which the official libraries raise, and the connection ends without the last
 * chunk, so that no client can take the answer for complete.
 */
#include "server.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *code; /* on the wire */
    int status;
    const char *name;  /* `code` of a document of OpenAI's form; "" = the status says more */
    uint32_t retry_ms; /* told when the answer names no time; 0 = none */
} codes[] = {
    {AIEX_E_INVALID, 400, "invalid_request", 0},     {AIEX_E_DENIED, 403, "", 0},
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

#define DOCUMENT_BYTES 8192 /* 1 KiB of message, every byte escaped, and what is around it */

static void set_text(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text ? text : "");
}

/* The same as in the head. */
static void set_request_id(struct conn *c, struct aiex_chat_error *e)
{
    if (!c->trace)
        c->trace = c->server->next_trace++;
    snprintf(e->request_id, sizeof(e->request_id), "%016" PRIx64, c->trace);
}

void error_respond(struct conn *c, int status, const char *code, const char *param,
                   const char *format, ...)
{
    const struct aiex_http1_head *head = aiex_http1_head(c->parser);
    struct aiex_chat_error e = {.status = status};
    struct reply reply = {.status = status};
    char mem[DOCUMENT_BYTES], allow[64];
    va_list ap;

    va_start(ap, format);
    vsnprintf(e.message, sizeof(e.message), format, ap);
    va_end(ap);
    set_text(e.code, sizeof(e.code), code);
    set_text(e.param, sizeof(e.param), param);
    set_request_id(c, &e);
    if (status == 405 && head) {
        routes_allow(c->server, head->path, allow, sizeof(allow));
        reply.allow = allow;
    }
    respond(c, &reply, mem, aiex_chat_write_error(c->dialect, &e, mem, sizeof(mem)));
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
    if (status != 429 && status != 503 && status != 529)
        return answer->retry_after_ms;
    return answer->retry_after_ms ? answer->retry_after_ms
                                  : codes[find_code(answer->code)].retry_ms;
}

static void describe(const struct aiex_answer *answer, struct aiex_chat_error *e)
{
    struct aiex_slice reason;

    *e = (struct aiex_chat_error){.status = status_of(answer)};
    set_text(e->message, sizeof(e->message),
             answer->text && *answer->text ? answer->text : answer->code);
    if (aiex_get_str(answer->body, "reason", &reason) == 1)
        e->reason = aiex_reason_of(reason);
    if (!e->reason) /* our own word; with a reason the dialect has a better one */
        set_text(e->code, sizeof(e->code), codes[find_code(answer->code)].name);
}

void error_answer(struct conn *c, const struct aiex_answer *answer)
{
    struct reply reply = {.status = status_of(answer), .end = answer->body};
    struct aiex_slice vendor;
    struct aiex_chat_error e;
    char mem[DOCUMENT_BYTES];

    reply.retry_after_ms = retry_of(answer, reply.status);
    if (aiex_get_bytes(answer->body, "body", &vendor) == 1 &&
        aiex_json_scan(vendor, 0, NULL, 0, NULL) == AIEX_JSON_OBJECT) {
        respond(c, &reply, vendor.data, vendor.len);
        return;
    }
    describe(answer, &e);
    set_request_id(c, &e);
    respond(c, &reply, mem, aiex_chat_write_error(c->dialect, &e, mem, sizeof(mem)));
}

void error_in_stream(struct conn *c, const struct aiex_answer *answer,
                     const struct aiex_chat_trail *trail)
{
    static const struct aiex_chat_trail none;
    struct aiex_chat_error e;
    char mem[DOCUMENT_BYTES];
    size_t n;

    describe(answer, &e);
    set_request_id(c, &e);
    n = aiex_chat_write_error_event(c->dialect, trail ? trail : &none, &e, mem, sizeof(mem));
    if (output_chunk(c, mem, n) == 0)
        respond_cut(c);
}

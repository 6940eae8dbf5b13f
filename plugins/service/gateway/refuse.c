/* refuse.c - errors of the gateway's own: code, status, reason, and a document for the client. */
#include "gateway.h"

#include <aiex_chat.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *const refused_names[N_REFUSED] = {
    [REFUSED_AUTH] = "auth",     [REFUSED_ROLE] = "role",
    [REFUSED_MODEL] = "model",   [REFUSED_REQUESTS] = "requests",
    [REFUSED_TOKENS] = "tokens", [REFUSED_CONCURRENCY] = "concurrency",
    [REFUSED_BUDGET] = "budget", [REFUSED_PRICE] = "price",
    [REFUSED_BUSY] = "busy",     [REFUSED_LEDGER] = "ledger",
    [REFUSED_STORE] = "store",   [REFUSED_INVALID] = "invalid",
    [REFUSED_AUDIT] = "audit",
};

int refuse(struct refusal *r, enum refused counted, const char *code, int http_status, int reason,
           const char *format, ...)
{
    va_list ap;

    *r = (struct refusal){
        .counted = counted, .code = code, .http_status = http_status, .reason = reason};
    va_start(ap, format);
    vsnprintf(r->text, sizeof(r->text), format, ap);
    va_end(ap);
    return -1;
}

static size_t document(const struct refusal *r, struct aiex_slice dialect, char *out, size_t size)
{
    struct aiex_chat_error e = {.status = r->http_status, .reason = r->reason};
    int number = aiex_dialect_of(dialect);
    size_t n;

    if (number == AIEX_DIALECT_NONE)
        return 0;
    snprintf(e.message, sizeof(e.message), "%s", r->text);
    n = aiex_chat_write_error(number, &e, out, size);
    return n <= size ? n : 0;
}

struct aiex_slice refusal_body(const struct refusal *r, struct aiex_slice dialect, void *mem,
                               size_t size)
{
    char text[REFUSAL_BODY - 256];
    size_t n = document(r, dialect, text, sizeof(text));
    struct aiex_writer w;

    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, n ? 3 : 2);
    aiex_w_key_int(&w, "http_status", r->http_status);
    aiex_w_key_str(&w, "reason", aiex_reason_name(r->reason));
    if (n)
        aiex_w_key_bin(&w, "body", text, n);
    return aiex_written(&w);
}

static uint32_t wait_of(const struct refusal *r)
{
    return r->retry_after_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)r->retry_after_ms;
}

int refusal_send(struct gateway *g, uint64_t id, const struct refusal *r, struct aiex_slice dialect)
{
    uint8_t mem[REFUSAL_BODY];

    g->refused[r->counted]++;
    if (id)
        g->host->fail(g->host, id, r->code, r->text, wait_of(r),
                      refusal_body(r, dialect, mem, sizeof(mem)));
    return 0;
}

int refuse_form(struct gateway *g, uint64_t id, struct aiex_slice dialect, const char *text)
{
    struct refusal r;

    refuse(&r, REFUSED_INVALID, AIEX_E_INVALID, 400, AIEX_REASON_REQUEST, "%s", text);
    return refusal_send(g, id, &r, dialect);
}

/* ---- Errors of the host ---- */

static int reason_of(const char *code)
{
    return strcmp(code, AIEX_E_BUSY) == 0      ? AIEX_REASON_OVERLOADED
           : strcmp(code, AIEX_E_INVALID) == 0 ? AIEX_REASON_REQUEST
                                               : AIEX_REASON_SERVER;
}

static int status_of(const char *code)
{
    static const struct {
        const char *code;
        int status;
    } known[] = {{AIEX_E_INVALID, 400},  {AIEX_E_DENIED, 403},  {AIEX_E_NOT_FOUND, 404},
                 {AIEX_E_BUSY, 429},     {AIEX_E_TIMEOUT, 504}, {AIEX_E_INTERNAL, 500},
                 {AIEX_E_UPSTREAM, 502}, {AIEX_E_CRASHED, 502}};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(known[i].code, code) == 0)
            return known[i].status;
    return 503;
}

struct aiex_slice refusal_of_host(const char *code, const char *text, struct aiex_slice dialect,
                                  void *mem, size_t size)
{
    struct refusal r;

    refuse(&r, REFUSED_BUSY, code, status_of(code), reason_of(code), "%s",
           text && text[0] ? text : "the coordinator does not answer");
    return refusal_body(&r, dialect, mem, size);
}

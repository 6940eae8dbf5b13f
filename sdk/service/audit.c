/* audit.c - see aiex_audit.h. */
#include "aiex_audit.h"
#include "aiex_service.h"
#include "audit_act.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PAYLOAD (64u << 10)

struct aiex_audit_asked {
    const struct aiex_host *host;
    aiex_audit_fn fn;
    void *arg;
    uint64_t call;
    int must, needs_log, answered, asking;
};

static void put(struct aiex_writer *w, const char *key, const char *text, size_t max)
{
    size_t n = strlen(text);

    if (n > max) /* not within a character */
        for (n = max; n && ((uint8_t)text[n] & 0xc0) == 0x80;)
            n--;
    aiex_w_key_strn(w, key, text, n);
}

void audit_act_write(struct aiex_writer *w, const struct aiex_audit_act *a, int64_t time)
{
    int has_payload = a->payload.len && a->payload.len <= MAX_PAYLOAD;
    char trace[17];

    aiex_w_map(w, 2 + (a->subject != NULL) + (a->writer != NULL) + (uint32_t)has_payload +
                      (a->trace != 0) + (a->must != 0) + (time != 0));
    put(w, "type", a->type, 128);
    put(w, "actor", *a->actor ? a->actor : "unknown", 256);
    if (a->subject)
        put(w, "subject", a->subject, 1024);
    if (time)
        aiex_w_key_int(w, "time", time);
    if (a->writer)
        put(w, "writer", a->writer, 63);
    if (has_payload)
        aiex_w_key_bin(w, "payload", a->payload.data, a->payload.len);
    if (a->trace) {
        snprintf(trace, sizeof(trace), "%016llx", (unsigned long long)a->trace);
        aiex_w_key_str(w, "correlation", trace);
    }
    if (a->must)
        aiex_w_key_bool(w, "must", 1);
}

static void write_act(struct aiex_writer *w, const void *arg)
{
    audit_act_write(w, arg, 0);
}

static int call(const struct aiex_host *host, const char *service, const struct aiex_audit_act *act,
                aiex_answer_fn fn, void *arg, uint64_t *ret_call)
{
    struct aiex_request q = {.struct_size = sizeof(q),
                             .service = service,
                             .flags = AIEX_CALL_IDEMPOTENT, /* twice is better than not at all */
                             .method = "audit.append",
                             .trace = act->trace,
                             .timeout_ms = AIEX_AUDIT_TIMEOUT_MS};
    int r = aiex_write_alloc(write_act, act, &q.body);

    if (r < 0)
        return r;
    r = host->call(host, &q, fn, arg, ret_call);
    free((void *)(uintptr_t)q.body.data);
    return r;
}

int aiex_audit_cast(const struct aiex_host *host, const char *service,
                    const struct aiex_audit_act *act)
{
    uint64_t none;

    return call(host, service, act, NULL, NULL, &none);
}

/* Whether an act may happen that was not recorded. The log says it where it can. */
static int may_go(const struct aiex_audit_asked *a, const struct aiex_answer *end)
{
    char act[8] = "";

    if (aiex_get_text(end->body, "act", act, sizeof(act)) == 1)
        return strcmp(act, "may") == 0 && !a->must;
    return strcmp(end->code, AIEX_E_UNAVAILABLE) == 0 && !a->must && !a->needs_log;
}

static void on_answer(void *arg, const struct aiex_answer *answer)
{
    struct aiex_audit_asked *a = arg;
    int64_t seq = -1;

    if (answer->kind != AIEX_ANSWER_END)
        return;
    a->answered = 1;
    if (!answer->code) {
        aiex_get_int(answer->body, "seq", &seq);
        a->fn(a->arg, 1, seq, "");
    } else {
        a->fn(a->arg, may_go(a, answer), -1, answer->text ? answer->text : answer->code);
    }
    if (!a->asking)
        free(a);
}

int aiex_audit_ask(const struct aiex_host *host, const char *service,
                   const struct aiex_audit_act *act, aiex_audit_fn fn, void *arg,
                   struct aiex_audit_asked **ret_asked)
{
    struct aiex_audit_asked *a = calloc(1, sizeof(*a));
    int r;

    *ret_asked = NULL;
    if (!a)
        return -ENOMEM;
    a->host = host;
    a->fn = fn;
    a->arg = arg;
    a->must = act->must;
    a->needs_log = act->needs_log;
    a->asking = 1; /* the answer may come before call() returns */
    r = call(host, service, act, on_answer, a, &a->call);
    a->asking = 0;
    if (r < 0 || a->answered)
        free(a);
    else
        *ret_asked = a;
    return r;
}

void aiex_audit_cancel(struct aiex_audit_asked *a)
{
    if (!a)
        return;
    a->host->cancel(a->host, a->call);
    free(a);
}

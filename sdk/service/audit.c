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
    int must, answered, asking;
    char type[129];   /* until it is known whether it must be recorded */
    char reason[200]; /* why it was not */
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

static void finish(struct aiex_audit_asked *a, int may_go, int64_t seq, const char *reason)
{
    a->answered = 1;
    a->fn(a->arg, may_go, seq, reason);
    if (!a->asking)
        free(a);
}

/* {must}: what the configuration says of this type. A host that does not know the question holds up
 * nothing; one that is too busy to answer it might have said that the act must be recorded. */
static void on_policy(void *arg, const struct aiex_answer *answer)
{
    struct aiex_audit_asked *a = arg;
    int must = 0;

    if (answer->kind != AIEX_ANSWER_END)
        return;
    a->call = 0;
    if (answer->code)
        must = strcmp(answer->code, AIEX_E_NOT_FOUND) != 0;
    else
        aiex_get_bool(answer->body, "must", &must);
    finish(a, !must, -1, a->reason);
}

static void write_type(struct aiex_writer *w, const void *arg)
{
    const struct aiex_audit_asked *a = arg;

    aiex_w_map(w, 1);
    aiex_w_key_str(w, "type", a->type);
}

static int ask_policy(struct aiex_audit_asked *a, const char *code, const char *reason)
{
    struct aiex_request q = {.struct_size = sizeof(q),
                             .service = "host",
                             .method = "host.act_policy",
                             .timeout_ms = AIEX_AUDIT_TIMEOUT_MS};
    int r = aiex_write_alloc(write_type, a, &q.body);

    if (r < 0)
        return r;
    snprintf(a->reason, sizeof(a->reason), "not recorded: %s: %.120s",
             strcmp(code, AIEX_E_UNAVAILABLE) == 0 ? "no audit log runs"
                                                   : "the audit log does not answer",
             reason);
    r = a->host->call(a->host, &q, on_policy, a, &a->call);
    free((void *)(uintptr_t)q.body.data);
    return r;
}

/* It can not tell now; another error says that the act itself is wrong. */
static int is_away(const char *code)
{
    static const char *const codes[] = {AIEX_E_UNAVAILABLE, AIEX_E_TIMEOUT, AIEX_E_CRASHED,
                                        AIEX_E_BUSY};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (strcmp(code, codes[i]) == 0)
            return 1;
    return 0;
}

/* The log says itself what its refusal means for the act, where it can. */
static void on_answer(void *arg, const struct aiex_answer *answer)
{
    struct aiex_audit_asked *a = arg;
    const char *text = answer->text ? answer->text : answer->code;
    char act[8] = "";
    int64_t seq = -1;

    if (answer->kind != AIEX_ANSWER_END)
        return;
    if (!answer->code) {
        aiex_get_int(answer->body, "seq", &seq);
        finish(a, 1, seq, "");
    } else if (aiex_get_text(answer->body, "act", act, sizeof(act)) == 1) {
        finish(a, strcmp(act, "may") == 0 && !a->must, -1, text);
    } else if (a->must || !is_away(answer->code) || ask_policy(a, answer->code, text) < 0) {
        snprintf(a->reason, sizeof(a->reason),
                 "not recorded: the audit log does not answer: %.120s", text);
        finish(a, 0, -1, a->reason);
    }
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
    snprintf(a->type, sizeof(a->type), "%s", act->type);
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

#include "recording.h"

#include <aiex/aiex_pack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES 24u /* of a session */
#define TIMEOUT_MS 15000u

struct recording {
    const struct aiex_host *host;
    char session[NAME_BYTES + 1];
    char *prompt, *answer;
    size_t prompt_len, answer_len, answer_cap;
    int too_long, no_memory, ended;
    uint64_t call;
    recording_fn fn;
    void *arg;
};

/* As sdk/kinds/service.md has it: letters, digits, '-', '_', '.'. */
static int is_name(struct aiex_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned c = s.data[i], lower = c | 32;

        if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_' &&
            c != '.')
            return 0;
    }
    return s.len > 0 && s.len <= NAME_BYTES;
}

struct recording *recording_new(const struct aiex_host *host, struct aiex_slice session,
                                struct aiex_slice prompt)
{
    struct recording *r = is_name(session) ? calloc(1, sizeof(*r)) : NULL;

    if (!r)
        return NULL;
    r->host = host;
    memcpy(r->session, session.data, session.len);
    r->too_long = prompt.len > RECORDING_BYTES;
    r->prompt = malloc(prompt.len + 1);
    if (!r->prompt) {
        free(r);
        return NULL;
    }
    memcpy(r->prompt, prompt.data, prompt.len);
    r->prompt_len = prompt.len;
    return r;
}

void recording_free(struct recording *r)
{
    if (!r)
        return;
    if (r->call)
        r->host->cancel(r->host, r->call);
    free(r->prompt);
    free(r->answer);
    free(r);
}

void recording_add(struct recording *r, const char *text, size_t len)
{
    size_t cap = r->answer_cap ? r->answer_cap : 4096;
    char *grown;

    if (r->answer_len + len > RECORDING_BYTES) {
        r->too_long = 1;
        return;
    }
    while (cap < r->answer_len + len)
        cap *= 2;
    grown = cap > r->answer_cap ? realloc(r->answer, cap) : r->answer;
    if (!grown) {
        r->no_memory = 1;
        return;
    }
    r->answer = grown;
    r->answer_cap = cap;
    memcpy(r->answer + r->answer_len, text, len);
    r->answer_len += len;
}

/* ---- Sending ---- */

static void tell(struct recording *r, const char *code, const char *text)
{
    char trouble[300];

    r->ended = 1;
    r->call = 0;
    if (!code || strcmp(code, AIEX_E_NOT_FOUND) == 0 || strcmp(code, AIEX_E_UNAVAILABLE) == 0) {
        r->fn(r->arg, NULL);
        return;
    }
    snprintf(trouble, sizeof(trouble), "not recorded in session %s: %.200s", r->session, text);
    r->fn(r->arg, trouble);
}

static void on_answer(void *arg, const struct aiex_answer *answer)
{
    if (answer->kind == AIEX_ANSWER_END)
        tell(arg, answer->code, answer->text ? answer->text : "");
}

static void write_message(struct aiex_writer *w, const char *role, const char *text, size_t len)
{
    aiex_w_key_str(w, "role", role);
    aiex_w_key_strn(w, "content", text, len);
}

static void write_append(struct aiex_writer *w, const struct recording *r, uint64_t trace,
                         const char *model, int64_t input_tokens, int64_t output_tokens)
{
    int usage = input_tokens >= 0 && output_tokens >= 0;
    char request[17];

    snprintf(request, sizeof(request), "%016llx", (unsigned long long)trace);
    aiex_w_map(w, 3);
    aiex_w_key_str(w, "session", r->session);
    aiex_w_key_str(w, "request", request);
    aiex_w_str(w, "messages");
    aiex_w_array(w, 2);
    aiex_w_map(w, 2);
    write_message(w, "user", r->prompt, r->prompt_len);
    aiex_w_map(w, 3u + (uint32_t)usage);
    write_message(w, "assistant", r->answer ? r->answer : "", r->answer_len);
    aiex_w_key_str(w, "model", model);
    if (!usage)
        return;
    aiex_w_str(w, "usage");
    aiex_w_map(w, 2);
    aiex_w_key_int(w, "input_tokens", input_tokens);
    aiex_w_key_int(w, "output_tokens", output_tokens);
}

static void send_append(struct recording *r, uint64_t parent, uint64_t trace,
                        struct aiex_slice body)
{
    const struct aiex_request rq = {.struct_size = sizeof(rq),
                                    .flags = AIEX_CALL_IDEMPOTENT,
                                    .service = "sessions",
                                    .method = "sessions.append",
                                    .body = body,
                                    .parent = parent,
                                    .trace = trace,
                                    .timeout_ms = TIMEOUT_MS};
    uint64_t call = 0;
    int result = r->host->call(r->host, &rq, on_answer, r, &call);

    if (result < 0)
        tell(r, AIEX_E_BUSY, "too many calls are under way");
    else if (!r->ended) /* it may have ended during call() */
        r->call = call;
}

void recording_end(struct recording *r, uint64_t parent, uint64_t trace, const char *model,
                   int64_t input_tokens, int64_t output_tokens, recording_fn fn, void *arg)
{
    size_t size = r->prompt_len + r->answer_len + strlen(model) + 512;
    uint8_t *mem = malloc(size);
    struct aiex_writer w;

    r->fn = fn;
    r->arg = arg;
    if (r->too_long || r->no_memory || !mem) {
        free(mem);
        tell(r, AIEX_E_INVALID,
             r->too_long ? "question or answer are too long" : "there is no memory for it");
        return;
    }
    aiex_writer_init(&w, mem, size);
    write_append(&w, r, trace, model, input_tokens, output_tokens);
    send_append(r, parent, trace, aiex_written(&w));
    free(mem);
}

/*
 * ask.c - a model request of any dialect: what is looked at before the gateway gets it.
 *
 * The document is checked and a few of its keys are looked at; it goes on as it came. What
 * else a dialect demands is for those to judge who translate it.
 */
#include "content.h"
#include "session.h"

#include <stdio.h>
#include <string.h>

#define TYPE(t) (1u << (t))

/* What differs between the dialects here. */
static const struct {
    const char *subject; /* key of what is asked */
    int required;
    unsigned types;
    const char *types_text;
    const char *session; /* key of what keeps a conversation together */
    int streams;         /* when the client does not say; -1 = never */
} shapes[AIEX_N_DIALECTS] = {
    [AIEX_OPENAI_CHAT] = {"messages", 1, TYPE(AIEX_JSON_ARRAY), "an array", "prompt_cache_key", 0},
    [AIEX_OPENAI_RESPONSES] = {"input", 0, TYPE(AIEX_JSON_ARRAY) | TYPE(AIEX_JSON_STRING),
                               "a string or an array", "prompt_cache_key", 0},
    [AIEX_ANTHROPIC_MESSAGES] = {"messages", 1, TYPE(AIEX_JSON_ARRAY), "an array", "metadata", 0},
    [AIEX_OLLAMA_CHAT] = {"messages", 0, TYPE(AIEX_JSON_ARRAY), "an array", NULL, 1},
    [AIEX_OPENAI_COMPLETIONS] = {"prompt", 1, TYPE(AIEX_JSON_ARRAY) | TYPE(AIEX_JSON_STRING),
                                 "a string or an array", NULL, 0},
    [AIEX_OLLAMA_GENERATE] = {"prompt", 0, TYPE(AIEX_JSON_STRING), "a string", NULL, 1},
    [AIEX_OPENAI_EMBEDDINGS] = {"input", 1, TYPE(AIEX_JSON_ARRAY) | TYPE(AIEX_JSON_STRING),
                                "a string or an array", NULL, -1},
    [AIEX_OLLAMA_EMBED] = {"input", 0, TYPE(AIEX_JSON_ARRAY) | TYPE(AIEX_JSON_STRING),
                           "a string or an array", NULL, -1},
};

static const char *const methods[] = {
    [AIEX_OP_CHAT] = "gateway.chat",
    [AIEX_OP_COMPLETE] = "gateway.complete",
    [AIEX_OP_EMBED] = "gateway.embed",
};

/* ---- What is wrong with it ---- */

enum {
    MODEL,
    SUBJECT,
    STREAM,
    PREVIOUS,
    STORE,
    TEMPLATE,
    N_CHECKED,
    SESSION = N_CHECKED,
    N_FIELDS
};

static int refuse(struct conn *c, const char *param, const char *format, const char *a,
                  const char *b)
{
    char text[256];

    snprintf(text, sizeof(text), format, a, b);
    error_respond(c, 400, "invalid_value", param, "%s", text);
    return -1;
}

static int is_switch(int type)
{
    return type == AIEX_JSON_TRUE || type == AIEX_JSON_FALSE || type == AIEX_JSON_NULL;
}

static int check_subject(struct conn *c, const struct aiex_json_field *f)
{
    const unsigned types = shapes[c->dialect].types;

    if (!f->seen)
        return shapes[c->dialect].required ? refuse(c, f->key, "you must provide %s %s parameter",
                                                    strchr("aeiou", f->key[0]) ? "an" : "a", f->key)
                                           : 0;
    if (!(types & TYPE(f->value.type)) &&
        (shapes[c->dialect].required || f->value.type != AIEX_JSON_NULL))
        return refuse(c, f->key, "%s must be %s", f->key, shapes[c->dialect].types_text);
    return 0;
}

static int check_fields(struct conn *c, const struct aiex_json_field *f)
{
    for (int i = 0; i < N_CHECKED; i++) {
        if (f[i].seen > 1)
            return refuse(c, f[i].key, "the key occurs more than once%s%s", "", "");
    }
    if (!f[MODEL].seen)
        return refuse(c, "model", "you must provide a model parameter%s%s", "", "");
    if (f[MODEL].value.type != AIEX_JSON_STRING)
        return refuse(c, "model", "the model must be a string%s%s", "", "");
    if (check_subject(c, &f[SUBJECT]) != 0)
        return -1;
    if (f[STREAM].seen && !is_switch(f[STREAM].value.type))
        return refuse(c, "stream", "stream must be true or false%s%s", "", "");
    return 0;
}

static void refuse_malformed(struct conn *c, struct aiex_slice body,
                             const struct aiex_json_fault *fault)
{
    size_t line, column;

    aiex_json_where(body, fault->offset, &line, &column);
    error_respond(c, 400, "invalid_json", NULL,
                  "the request body is not valid JSON: %s at line %zu column %zu (byte %zu)",
                  fault->reason, line, column, fault->offset);
}

int ask_scan(struct conn *c, struct aiex_json_field *fields, size_t n)
{
    struct aiex_slice body = call_body(c);
    struct aiex_json_fault fault;
    int type = aiex_json_scan(body, 0, fields, n, &fault);

    if (type == AIEX_JSON_OBJECT)
        return 0;
    if (type < 0)
        refuse_malformed(c, body, &fault);
    else
        error_respond(c, 400, "invalid_json", NULL, "the request body must be a JSON object");
    return -1;
}

/* ---- Reading it ---- */

static void read_session(struct ask *ask, const struct aiex_json_span *value)
{
    struct aiex_json_span user = *value;

    if (value->type == AIEX_JSON_OBJECT && !aiex_json_find(value, "user_id", &user))
        return;
    if (aiex_json_text(&user, ask->session, sizeof(ask->session)) < 0)
        ask->session[0] = 0;
}

static int wants_stream(int dialect, const struct aiex_json_field *f)
{
    if (shapes[dialect].streams < 0)
        return 0;
    return !f->seen || f->value.type == AIEX_JSON_NULL ? shapes[dialect].streams
                                                       : f->value.type == AIEX_JSON_TRUE;
}

int ask_read(struct conn *c, struct ask *ask)
{
    struct aiex_json_field f[N_FIELDS] = {
        [MODEL] = {.key = "model"},
        [SUBJECT] = {.key = shapes[c->dialect].subject},
        [STREAM] = {.key = "stream"},
        [PREVIOUS] = {.key = "previous_response_id"},
        [STORE] = {.key = "store"},
        [TEMPLATE] = {.key = "aiex_template"},
        [SESSION] = {.key = shapes[c->dialect].session},
    };
    size_t n_fields = f[SESSION].key ? N_FIELDS : N_CHECKED;
    long n;

    if (ask_scan(c, f, n_fields) != 0 || check_fields(c, f) != 0)
        return -1;
    n = aiex_json_text(&f[MODEL].value, ask->model, sizeof(ask->model));
    if (n <= 0) {
        error_respond(c, 400, "invalid_value", "model", "the model must have 1 to %d bytes",
                      ASK_MODEL_BYTES);
        return -1;
    }
    ask->n_model = (size_t)n;
    ask->session[0] = 0;
    if (f[SESSION].seen)
        read_session(ask, &f[SESSION].value);
    ask->subject = f[SUBJECT].value;
    ask->previous = f[PREVIOUS].value;
    ask->store = f[STORE].value.type != AIEX_JSON_FALSE;
    ask->template = f[TEMPLATE].seen != 0;
    c->stream = wants_stream(c->dialect, &f[STREAM]);
    return 0;
}

/* ---- Sending it on ---- */

static uint32_t write_fields(const struct conn *c, const void *arg, struct aiex_writer *w)
{
    const struct ask *ask = arg;

    aiex_w_key_str(w, "dialect", aiex_dialect_name(c->dialect));
    aiex_w_key_strn(w, "model", ask->model, ask->n_model);
    aiex_w_key_bool(w, "stream", c->stream);
    aiex_w_key_str(w, "client", c->peer);
    aiex_w_key_bool(w, "template", ask->template);
    return 5 + content_fields(c, w) +
           caller_fields(
               c, (struct aiex_slice){(const uint8_t *)ask->session, strlen(ask->session)}, w);
}

void ask_send(struct conn *c, const struct ask *ask, answer_fn fn)
{
    const struct call_shape shape = {.service = c->server->config->gateway,
                                     .method = methods[aiex_dialect_op(c->dialect)],
                                     .flags = AIEX_CALL_MANUAL,
                                     .fields = write_fields,
                                     .arg = ask};

    call_with_body(c, &shape, fn);
}

void ask_begin(struct conn *c)
{
    struct ask ask;

    if (ask_read(c, &ask) == 0)
        session_ask(c, &ask, answer_take);
}

/* ---- POST /v1/messages/count_tokens ---- */

static void on_count(struct conn *c, const struct aiex_answer *answer)
{
    char text[64];
    int64_t n;

    if (answer->kind != AIEX_ANSWER_END)
        return;
    if (answer->code) {
        error_answer(c, answer);
    } else if (aiex_get_int(answer->body, "input_tokens", &n) != 1 || n < 0) {
        error_respond(c, 502, "upstream_error", NULL, "the gateway counted nothing");
    } else {
        snprintf(text, sizeof(text), "{\"input_tokens\":%lld}", (long long)n);
        respond(c, &(struct reply){.status = 200}, text, strlen(text));
    }
}

void ask_count(struct conn *c)
{
    struct ask ask;
    struct call_shape shape = {.service = c->server->config->gateway,
                               .method = "gateway.count",
                               .flags = AIEX_CALL_IDEMPOTENT,
                               .fields = write_fields,
                               .arg = &ask};

    if (ask_read(c, &ask) != 0)
        return;
    c->stream = 0;
    call_with_body(c, &shape, on_count);
}

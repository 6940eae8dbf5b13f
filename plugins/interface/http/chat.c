/*
 * chat.c - POST /v1/chat/completions.
 *
 * The document is checked and three of its keys are looked at; it goes on as it came.
 * Nothing is sent to the client before the first good part, so that the coordinator
 * may try elsewhere and an early error keeps its status.
 */
#include "server.h"

#include <aiex/aiex_pack.h>
#include <aiex_json.h>
#include <errno.h>
#include <stdio.h>

#define MODEL_BYTES 256 /* sdk/kinds/provider.md */

enum { MODEL, MESSAGES, STREAM, N_FIELDS };

/* What is wrong with the document, as the arguments of error_respond(). */
struct complaint {
    const char *param;
    const char *text;
};

static struct complaint check_fields(const struct aiex_json_field *f)
{
    const int stream = f[STREAM].value.type;

    for (int i = 0; i < N_FIELDS; i++) {
        if (f[i].seen > 1)
            return (struct complaint){f[i].key, "the key occurs more than once"};
    }
    if (!f[MODEL].seen)
        return (struct complaint){"model", "you must provide a model parameter"};
    if (f[MODEL].value.type != AIEX_JSON_STRING)
        return (struct complaint){"model", "the model must be a string"};
    if (!f[MESSAGES].seen)
        return (struct complaint){"messages", "you must provide a messages parameter"};
    if (f[MESSAGES].value.type != AIEX_JSON_ARRAY)
        return (struct complaint){"messages", "messages must be an array"};
    if (f[STREAM].seen && stream != AIEX_JSON_TRUE && stream != AIEX_JSON_FALSE &&
        stream != AIEX_JSON_NULL)
        return (struct complaint){"stream", "stream must be true or false"};
    return (struct complaint){0};
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

void chat_begin(struct conn *c)
{
    struct aiex_json_field f[N_FIELDS] = {{.key = "model"}, {.key = "messages"}, {.key = "stream"}};
    struct aiex_slice body = call_body(c);
    struct aiex_json_fault fault;
    struct complaint complaint;
    char model[MODEL_BYTES + 1];
    int type = aiex_json_scan(body, 0, f, N_FIELDS, &fault);
    long n;

    if (type < 0) {
        refuse_malformed(c, body, &fault);
        return;
    }
    if (type != AIEX_JSON_OBJECT) {
        error_respond(c, 400, "invalid_json", NULL, "the request body must be a JSON object");
        return;
    }
    complaint = check_fields(f);
    if (complaint.text) {
        error_respond(c, 400, "invalid_value", complaint.param, "%s", complaint.text);
        return;
    }
    n = aiex_json_text(&f[MODEL].value, model, sizeof(model));
    if (n <= 0) {
        error_respond(c, 400, "invalid_value", "model", "the model must have 1 to %d bytes",
                      MODEL_BYTES);
        return;
    }
    c->stream = f[STREAM].value.type == AIEX_JSON_TRUE;
    call_chat(c, model, (size_t)n);
}

/* ---- The answer ---- */

static void stream_part(struct conn *c, struct aiex_slice part)
{
    if (!c->status && respond_stream(c) != 0)
        return;
    if (output_chunk(c, part.data, part.len) != 0)
        return;
    c->unwritten += part.len;
    output_soon(c);
}

static void give_up(struct conn *c)
{
    const struct aiex_host *host = c->server->host;

    host->cancel(host, c->call);
    c->calling = 0;
    c->call = 0;
    error_respond(c, 502, "answer_too_large", NULL,
                  "the answer is larger than %lld bytes; ask for a stream",
                  (long long)c->server->config->max_body);
}

/* Memory is bounded by max_body here, so the window may go back at once. */
static void whole_part(struct conn *c, struct aiex_slice part)
{
    size_t max = (size_t)c->server->config->max_body;
    int r;

    if (!c->out.len && respond_begin(c) != 0)
        return;
    r = part.len > max || buffer_size(&c->out) > max - part.len
            ? -EMSGSIZE
            : output_add(c, part.data, part.len);
    if (r == -EMSGSIZE && c->phase != PHASE_CLOSED)
        give_up(c);
    else if (r == 0)
        output_credit(c, part.len);
}

static void end_well(struct conn *c, struct aiex_slice body)
{
    struct reply reply = {.status = 200};
    char provider[AIEX_MAX_NAME + 1];

    if (c->stream) {
        respond_stream_end(c);
        return;
    }
    if (aiex_get_text(body, "provider", provider, sizeof(provider)) == 1)
        reply.provider = provider;
    if (aiex_get_bool(body, "offline", &reply.offline) != 1)
        reply.offline = 0;
    respond_end(c, &reply);
}

void chat_answer(struct conn *c, const struct aiex_answer *answer)
{
    static const struct aiex_answer empty = {
        .kind = AIEX_ANSWER_END, .code = AIEX_E_UPSTREAM, .text = "the provider sent no answer"};
    int nothing = c->stream ? !c->status : buffer_size(&c->out) == 0;

    if (answer->kind == AIEX_ANSWER_PART) {
        if (answer->body.len == 0)
            return;
        if (c->stream)
            stream_part(c, answer->body);
        else
            whole_part(c, answer->body);
    } else if (c->stream && c->status && answer->code) {
        error_in_stream(c, answer);
    } else if (answer->code || nothing) {
        error_answer(c, answer->code ? answer : &empty);
    } else {
        end_well(c, answer->body);
    }
}

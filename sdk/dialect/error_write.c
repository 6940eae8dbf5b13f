/* error_write.c - an error in each dialect's own form: as a document, and in mid-stream. */
#include "error.h"

#include <aiex_json.h>
#include <string.h>

/* ---- Documents ---- */

static void put_nullable(struct aiex_json_out *w, const char *key, const char *text)
{
    aiex_jw_raw(w, key);
    if (text && *text)
        aiex_jw_str(w, text);
    else
        aiex_jw_raw(w, "null");
}

static void put_message(struct aiex_json_out *w, const struct aiex_chat_error *e)
{
    const char *text = error_status_text(e->status);

    if (e->message[0])
        aiex_jw_str(w, e->message);
    else
        aiex_jw_str(w, *text ? text : "request failed");
}

/* Anthropic's words say less than ours to a client of OpenAI. */
static const char *openai_type(const struct aiex_chat_error *e)
{
    const struct error_words *words = error_words(e->reason, e->status);

    return e->type[0] && !error_is_anthropic_type(e->type) ? e->type : words->type;
}

static const char *openai_code(const struct aiex_chat_error *e)
{
    return e->code[0] ? e->code : error_words(e->reason, e->status)->code;
}

static void put_openai(struct aiex_json_out *w, const struct aiex_chat_error *e)
{
    aiex_jw_raw(w, "{\"error\":{\"message\":");
    put_message(w, e);
    aiex_jw_raw(w, ",\"type\":");
    aiex_jw_str(w, openai_type(e));
    put_nullable(w, ",\"param\":", e->param);
    put_nullable(w, ",\"code\":", openai_code(e));
    aiex_jw_raw(w, "}}");
}

static void put_anthropic(struct aiex_json_out *w, const struct aiex_chat_error *e)
{
    const char *type = e->type;

    if (!error_is_anthropic_type(type))
        type = error_words(e->reason, e->status)->anthropic;
    aiex_jw_raw(w, "{\"type\":\"error\",\"error\":{\"type\":");
    aiex_jw_str(w, type);
    aiex_jw_raw(w, ",\"message\":");
    put_message(w, e);
    aiex_jw_raw(w, "}");
    if (e->request_id[0]) {
        aiex_jw_raw(w, ",\"request_id\":");
        aiex_jw_str(w, e->request_id);
    }
    aiex_jw_raw(w, "}");
}

static void put_ollama(struct aiex_json_out *w, const struct aiex_chat_error *e)
{
    aiex_jw_raw(w, "{\"error\":");
    put_message(w, e);
    aiex_jw_raw(w, "}");
}

static void put_document(struct aiex_json_out *w, int dialect, const struct aiex_chat_error *e)
{
    switch (dialect) {
    case AIEX_ANTHROPIC_MESSAGES:
        put_anthropic(w, e);
        break;
    case AIEX_OLLAMA_CHAT:
    case AIEX_OLLAMA_GENERATE:
    case AIEX_OLLAMA_EMBED:
        put_ollama(w, e);
        break;
    default:
        put_openai(w, e);
    }
}

size_t aiex_chat_write_error(int dialect, const struct aiex_chat_error *e, char *out, size_t size)
{
    struct aiex_json_out w;

    aiex_jw_init(&w, out, size);
    put_document(&w, dialect, e);
    return w.len;
}

/* ---- In mid-stream ---- */

/* What follows the last number that the client has seen; the first one is 0. */
static int64_t next_sequence(const struct aiex_chat_trail *t)
{
    return t->sequence || t->id[0] ? t->sequence + 1 : 0;
}

static void put_failed(struct aiex_json_out *w, const struct aiex_chat_trail *t,
                       const struct aiex_chat_error *e)
{
    const char *code = openai_code(e);

    aiex_jw_raw(w, "event: response.failed\ndata: {\"type\":\"response.failed\","
                   "\"sequence_number\":");
    aiex_jw_int(w, next_sequence(t));
    aiex_jw_raw(w, ",\"response\":{\"id\":");
    aiex_jw_str(w, t->id[0] ? t->id : "resp_failed");
    aiex_jw_raw(w, ",\"object\":\"response\",\"created_at\":");
    aiex_jw_int(w, t->created);
    aiex_jw_raw(w, ",\"status\":\"failed\",\"error\":{\"code\":");
    aiex_jw_str(w, code && *code ? code : "server_error");
    aiex_jw_raw(w, ",\"message\":");
    put_message(w, e);
    aiex_jw_raw(w,
                "},\"incomplete_details\":null,\"instructions\":null,\"metadata\":{},\"model\":");
    aiex_jw_str(w, t->model);
    aiex_jw_raw(w, ",\"output\":[],\"parallel_tool_calls\":true,\"temperature\":null,"
                   "\"tool_choice\":\"auto\",\"tools\":[],\"top_p\":null,\"usage\":null}}\n\n");
}

size_t aiex_chat_write_error_event(int dialect, const struct aiex_chat_trail *t,
                                   const struct aiex_chat_error *e, char *out, size_t size)
{
    static const struct aiex_chat_trail none;
    struct aiex_json_out w;

    aiex_jw_init(&w, out, size);
    switch (dialect) {
    case AIEX_OPENAI_RESPONSES:
        put_failed(&w, t ? t : &none, e);
        break;
    case AIEX_ANTHROPIC_MESSAGES:
        aiex_jw_raw(&w, "event: error\ndata: ");
        put_anthropic(&w, e);
        aiex_jw_raw(&w, "\n\n");
        break;
    case AIEX_OLLAMA_CHAT:
    case AIEX_OLLAMA_GENERATE:
    case AIEX_OLLAMA_EMBED:
        put_ollama(&w, e);
        aiex_jw_raw(&w, "\n");
        break;
    default:
        aiex_jw_raw(&w, "data: ");
        put_openai(&w, e);
        aiex_jw_raw(&w, "\n\n");
    }
    return w.len;
}

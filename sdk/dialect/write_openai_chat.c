/*
 * write_openai_chat.c - says a request as POST /v1/chat/completions.
 *
 * For OpenAI's own models and for the many servers that know less of this dialect: contents that
 * are texts only are one string, developers are "system", several system messages at the
 * start are one.
 */
#include "request.h"

static void open_message(struct writer *w, const char *role)
{
    grow_open(&w->g, '{');
    grow_key(&w->g, "role");
    grow_str(&w->g, role);
    grow_key(&w->g, "content");
}

/* ---- Parts ---- */

static void put_typed(struct writer *w, const char *type, const char *key)
{
    grow_open(&w->g, '{');
    grow_key(&w->g, "type");
    grow_str(&w->g, type);
    grow_key(&w->g, key);
}

static int put_image(struct writer *w, const struct part *p)
{
    if (p->ref.len)
        return read_fail(w->r, -ENOTSUP,
                         "an image that is kept by another provider (file_id) can "
                         "not be sent; send its data");
    put_typed(w, "image_url", "image_url");
    grow_open(&w->g, '{');
    grow_key(&w->g, "url");
    write_data_url(w, p, "image/png");
    write_text(w, "detail", p->detail);
    grow_lit(&w->g, "}}");
    return 0;
}

static int put_file(struct writer *w, const struct part *p)
{
    if (!p->data.len)
        return read_fail(w->r, -ENOTSUP,
                         "a file by URL or id can not be sent to this provider; send its data");
    put_typed(w, "file", "file");
    grow_open(&w->g, '{');
    grow_key(&w->g, "filename");
    grow_text(&w->g, p->file.len ? p->file : RAW("document.pdf"));
    grow_key(&w->g, "file_data");
    write_data_url(w, p, "application/pdf");
    grow_lit(&w->g, "}}");
    return 0;
}

static int put_part(struct writer *w, const struct part *p)
{
    switch (p->kind) {
    case PART_TEXT:
    case PART_REFUSAL:
        put_typed(w, "text", "text");
        grow_text(&w->g, p->text);
        grow_close(&w->g, '}');
        return 0;
    case PART_IMAGE:
        return put_image(w, p);
    case PART_FILE:
        return put_file(w, p);
    case PART_AUDIO:
        return read_fail(w->r, -ENOTSUP, "audio can not be sent to this provider");
    default:
        return 0;
    }
}

static int put_parts(struct writer *w, const struct part *parts)
{
    int rc = 0;

    grow_open(&w->g, '[');
    for (; parts && rc == 0; parts = parts->next)
        rc = put_part(w, parts);
    grow_close(&w->g, ']');
    return rc;
}

/* ---- Messages ---- */

static int put_result(struct writer *w, const struct part *p)
{
    open_message(w, "tool");
    if (!has_text(p->inside) && !only_texts(p->inside))
        grow_str(&w->g, "The result follows in the next message.");
    else if (!has_text(p->inside) && p->is_error)
        grow_str(&w->g, "error");
    else
        write_texts(w, p->inside);
    grow_key(&w->g, "tool_call_id");
    grow_text(&w->g, names_id(w, p->id));
    grow_close(&w->g, '}');
    return 0;
}

/* Images and files of results: the role "tool" takes text only. */
static int put_attachments(struct writer *w, const struct part *parts)
{
    int rc = 0, open = 0;

    for (const struct part *p = parts; p; p = p->next) {
        for (const struct part *in = p->kind == PART_RESULT ? p->inside : NULL; in && rc == 0;
             in = in->next) {
            if (in->kind == PART_TEXT)
                continue;
            if (!open)
                open_message(w, "user");
            if (!open)
                grow_open(&w->g, '[');
            open = 1;
            rc = put_part(w, in);
        }
    }
    if (open)
        grow_lit(&w->g, "]}");
    return rc;
}

static int put_user(struct writer *w, const struct message *m)
{
    size_t n_results = count_kind(m->parts, PART_RESULT);
    int rc = 0;

    for (const struct part *p = m->parts; p && rc == 0; p = p->next)
        if (p->kind == PART_RESULT)
            rc = put_result(w, p);
    if (rc == 0 && n_results)
        return put_attachments(w, m->parts); /* turns_settle(): results stand alone */
    open_message(w, "user");
    if (only_texts(m->parts))
        write_texts(w, m->parts);
    else
        rc = put_parts(w, m->parts);
    grow_close(&w->g, '}');
    return rc;
}

static void put_calls(struct writer *w, const struct part *parts)
{
    grow_key(&w->g, "tool_calls");
    grow_open(&w->g, '[');
    for (; parts; parts = parts->next) {
        if (parts->kind != PART_CALL)
            continue;
        grow_open(&w->g, '{');
        grow_key(&w->g, "id");
        grow_text(&w->g, names_id(w, parts->id));
        grow_lit(&w->g, ",\"type\":\"function\",\"function\":{\"name\":");
        grow_text(&w->g, names_call(w, parts));
        grow_key(&w->g, "arguments");
        args_string(w, parts);
        grow_lit(&w->g, "}}");
    }
    grow_close(&w->g, ']');
}

static void put_reasoning(struct writer *w, const struct part *parts)
{
    grow_key(&w->g, "reasoning_content");
    grow_quote(&w->g);
    for (; parts; parts = parts->next)
        if (parts->kind == PART_REASONING)
            grow_put(&w->g, parts->text.at, parts->text.len);
    grow_unquote(&w->g);
}

static void put_assistant(struct writer *w, const struct message *m)
{
    size_t n_calls = count_kind(m->parts, PART_CALL);
    int texts = count_kind(m->parts, PART_TEXT) + count_kind(m->parts, PART_REFUSAL) > 0;

    if (!n_calls && !texts && m->parts)
        return; /* it only thought */
    open_message(w, "assistant");
    if (texts || !n_calls)
        write_texts(w, m->parts);
    else
        grow_raw(&w->g, RAW("null"));
    if ((w->traits & MODEL_SHOWS_REASON) && count_kind(m->parts, PART_REASONING))
        put_reasoning(w, m->parts);
    if (n_calls)
        put_calls(w, m->parts);
    grow_close(&w->g, '}');
}

static int is_system(const struct message *m)
{
    return m && (m->role == ROLE_SYSTEM || m->role == ROLE_DEVELOPER);
}

/* All at the start are one message. */
static const struct message *put_first_system(struct writer *w, const struct message *m)
{
    int first = 1;

    if (!is_system(m))
        return m;
    open_message(w, "system");
    grow_quote(&w->g);
    for (; is_system(m); m = m->next) {
        for (const struct part *p = m->parts; p; p = p->next) {
            if (p->kind != PART_TEXT)
                continue;
            if (!first)
                grow_lit(&w->g, "\\n\\n");
            grow_put(&w->g, p->text.at, p->text.len);
            first = 0;
        }
    }
    grow_unquote(&w->g);
    grow_close(&w->g, '}');
    return m;
}

static int put_messages(struct writer *w)
{
    const struct message *m;
    int rc = 0;

    grow_key(&w->g, "messages");
    grow_open(&w->g, '[');
    for (m = put_first_system(w, w->v->messages); m && rc == 0; m = m->next) {
        if (m->role == ROLE_ASSISTANT) {
            put_assistant(w, m);
        } else if (is_system(m)) { /* templates of many models take them at the start only */
            open_message(w, w->traits & MODEL_OPENAI ? "system" : "user");
            write_texts(w, m->parts);
            grow_close(&w->g, '}');
        } else {
            rc = put_user(w, m);
        }
    }
    grow_close(&w->g, ']');
    return rc;
}

/* ---- The rest ---- */

static void put_tools(struct writer *w)
{
    grow_key(&w->g, "tools");
    grow_open(&w->g, '[');
    for (const struct tool *t = w->v->tools; t; t = t->next) {
        grow_open(&w->g, '{');
        grow_lit(&w->g, "\"type\":\"function\",\"function\":{\"name\":");
        grow_text(&w->g, t->vendor_name);
        if (t->description.len || t->custom) {
            grow_key(&w->g, "description");
            write_description(w, t);
        }
        grow_key(&w->g, "parameters");
        write_schema(w, t);
        if (t->strict == 1) {
            grow_key(&w->g, "strict");
            grow_bool(&w->g, 1);
        }
        grow_lit(&w->g, "}}");
    }
    grow_close(&w->g, ']');
}

static void put_choice(struct writer *w)
{
    static const char *const words[] = {
        [CHOICE_AUTO] = "auto", [CHOICE_NONE] = "none", [CHOICE_REQUIRED] = "required"};
    const struct conv *v = w->v;

    if (v->choice == CHOICE_ONE) {
        const struct tool *t = names_find(v, v->choice_name, v->choice_space);

        grow_key(&w->g, "tool_choice");
        grow_lit(&w->g, "{\"type\":\"function\",\"function\":{\"name\":");
        grow_text(&w->g, t->vendor_name);
        grow_lit(&w->g, "}}");
    } else if (v->choice != CHOICE_UNSET) {
        grow_key(&w->g, "tool_choice");
        grow_str(&w->g, words[v->choice]);
    }
    if (v->parallel == 0 && !(w->traits & MODEL_NO_PARALLEL)) {
        grow_key(&w->g, "parallel_tool_calls");
        grow_bool(&w->g, 0);
    }
}

static void put_format(struct writer *w)
{
    const struct conv *v = w->v;

    if (v->format == FORMAT_UNSET)
        return;
    grow_key(&w->g, "response_format");
    if (v->format == FORMAT_JSON) {
        grow_raw(&w->g, RAW("{\"type\":\"json_object\"}"));
        return;
    }
    grow_open(&w->g, '{');
    grow_lit(&w->g, "\"type\":\"json_schema\",\"json_schema\":{\"name\":");
    grow_text(&w->g, v->schema_name.len ? v->schema_name : RAW("answer"));
    write_text(w, "description", v->schema_text);
    if (v->schema_strict) {
        grow_key(&w->g, "strict");
        grow_bool(&w->g, 1);
    }
    grow_key(&w->g, "schema");
    grow_raw(&w->g, v->schema);
    grow_lit(&w->g, "}}");
}

static void put_sampling(struct writer *w)
{
    const struct conv *v = w->v;

    if (v->max_tokens) {
        grow_key(&w->g, w->traits & MODEL_NEW_LIMIT ? "max_completion_tokens" : "max_tokens");
        grow_int(&w->g, v->max_tokens);
    }
    if (!(w->traits & MODEL_NO_SAMPLING)) {
        write_number(w, "temperature", v->temperature);
        write_number(w, "top_p", v->top_p);
        write_number(w, "presence_penalty", v->presence);
        write_number(w, "frequency_penalty", v->frequency);
        write_stop(w, "stop", 4);
    }
    write_number(w, "seed", v->seed);
}

static void put_effort(struct writer *w)
{
    int effort = thinking_effort(w);

    if (effort != EFFORT_UNSET) {
        grow_key(&w->g, "reasoning_effort");
        grow_str(&w->g, effort_word(effort));
    }
}

static void put_stream(struct writer *w)
{
    grow_key(&w->g, "stream");
    grow_bool(&w->g, w->c->vendor_stream);
    if (w->c->vendor_stream && !(w->c->setup.flags & AIEX_CHAT_NO_USAGE_ASK)) {
        grow_key(&w->g, "stream_options");
        grow_raw(&w->g, RAW("{\"include_usage\":true}"));
    }
}

int write_openai_chat(struct writer *w)
{
    int rc;

    put_stream(w);
    rc = put_messages(w);
    if (w->v->tools)
        put_tools(w);
    put_choice(w);
    put_format(w);
    put_sampling(w);
    put_effort(w);
    if (w->v->user.len <= 64)
        write_text(w, "user", w->v->user);
    if (w->traits & MODEL_OPENAI) { /* other servers refuse keys that they do not know */
        write_text(w, "prompt_cache_key", w->v->cache_key);
        write_text(w, "verbosity", w->v->verbosity);
    }
    return rc;
}

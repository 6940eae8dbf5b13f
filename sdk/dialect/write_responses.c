/*
 * write_responses.c - says a request as POST /v1/responses.
 *
 * The client's dialect can not refer to what the vendor would store, so nothing is stored. Tools
 * say `strict` always: left out, the vendor takes it as true and refuses most schemas.
 */
#include "request.h"

#define MIN_OUTPUT 16 /* the vendor refuses less */

static int is_system(const struct message *m)
{
    return m->role == ROLE_SYSTEM || m->role == ROLE_DEVELOPER;
}

static void open_typed(struct writer *w, const char *type)
{
    grow_open(&w->g, '{');
    grow_key(&w->g, "type");
    grow_str(&w->g, type);
}

/* ---- Parts ---- */

static void put_image(struct writer *w, const struct part *p)
{
    open_typed(w, "input_image");
    if (p->ref.len) {
        write_text(w, "file_id", p->ref);
    } else {
        grow_key(&w->g, "image_url");
        write_data_url(w, p, "image/png");
    }
    write_text(w, "detail", p->detail);
    grow_close(&w->g, '}');
}

static void put_file(struct writer *w, const struct part *p)
{
    open_typed(w, "input_file");
    if (p->ref.len) {
        write_text(w, "file_id", p->ref);
    } else if (p->url.len) {
        write_text(w, "file_url", p->url);
    } else {
        grow_key(&w->g, "filename");
        grow_text(&w->g, p->file.len ? p->file : RAW("document.pdf"));
        grow_key(&w->g, "file_data");
        write_data_url(w, p, "application/pdf");
    }
    grow_close(&w->g, '}');
}

static int put_part(struct writer *w, const struct part *p)
{
    if (p->ref.len && w->c->setup.client != AIEX_OPENAI_CHAT)
        return read_fail(w->r, -ENOTSUP,
                         "what is kept by another provider (file_id) can not be "
                         "sent; send its data");
    if (p->kind == PART_AUDIO)
        return read_fail(w->r, -ENOTSUP, "audio can not be sent to this provider");
    if (p->kind == PART_TEXT || p->kind == PART_REFUSAL) {
        open_typed(w, "input_text");
        grow_key(&w->g, "text");
        grow_text(&w->g, p->text);
        grow_close(&w->g, '}');
    } else if (p->kind == PART_IMAGE) {
        put_image(w, p);
    } else if (p->kind == PART_FILE) {
        put_file(w, p);
    }
    return 0;
}

static int put_content(struct writer *w, const struct part *parts)
{
    int rc = 0;

    if (only_texts(parts)) {
        write_texts(w, parts);
        return 0;
    }
    grow_open(&w->g, '[');
    for (; parts && rc == 0; parts = parts->next)
        rc = put_part(w, parts);
    grow_close(&w->g, ']');
    return rc;
}

/* ---- Items ---- */

static int put_message(struct writer *w, const char *role, const struct part *parts)
{
    int rc;

    open_typed(w, "message");
    grow_key(&w->g, "role");
    grow_str(&w->g, role);
    grow_key(&w->g, "content");
    rc = put_content(w, parts);
    grow_close(&w->g, '}');
    return rc;
}

static int put_result(struct writer *w, const struct part *p)
{
    int rc;

    open_typed(w, "function_call_output");
    grow_key(&w->g, "call_id");
    grow_text(&w->g, names_id(w, p->id));
    grow_key(&w->g, "output");
    rc = put_content(w, p->inside);
    grow_close(&w->g, '}');
    return rc;
}

static void put_call(struct writer *w, const struct part *p)
{
    open_typed(w, "function_call");
    grow_key(&w->g, "call_id");
    grow_text(&w->g, names_id(w, p->id));
    grow_key(&w->g, "name");
    grow_text(&w->g, names_call(w, p));
    grow_key(&w->g, "arguments");
    args_string(w, p);
    grow_close(&w->g, '}');
}

static void put_reasoning(struct writer *w, const struct part *p)
{
    open_typed(w, "reasoning");
    grow_key(&w->g, "summary");
    grow_open(&w->g, '[');
    if (p->text.len) {
        open_typed(w, "summary_text");
        write_text(w, "text", p->text);
        grow_close(&w->g, '}');
    }
    grow_close(&w->g, ']');
    write_text(w, "encrypted_content", p->sealed);
    grow_close(&w->g, '}');
}

static void put_assistant(struct writer *w, const struct message *m)
{
    const struct part *p = m->parts;

    while (p) {
        if (p->kind == PART_TEXT || p->kind == PART_REFUSAL) {
            open_typed(w, "message");
            grow_key(&w->g, "role");
            grow_str(&w->g, "assistant");
            grow_key(&w->g, "content");
            p = write_text_run(w, p);
            grow_close(&w->g, '}');
            continue;
        }
        if (p->kind == PART_CALL)
            put_call(w, p);
        else if (sealed_by_openai(p))
            put_reasoning(w, p);
        p = p->next;
    }
}

static int put_user(struct writer *w, const struct message *m)
{
    int rc = 0;

    if (!count_kind(m->parts, PART_RESULT))
        return put_message(w, "user", m->parts);
    for (const struct part *p = m->parts; p && rc == 0; p = p->next)
        if (p->kind == PART_RESULT)
            rc = put_result(w, p);
    return rc;
}

static int put_input(struct writer *w)
{
    const struct message *m = w->v->messages;
    int rc = 0;

    if (m && m->role == ROLE_SYSTEM && m->next) {
        grow_key(&w->g, "instructions");
        write_texts(w, m->parts);
        m = m->next;
    }
    grow_key(&w->g, "input");
    grow_open(&w->g, '[');
    for (; m && rc == 0; m = m->next) {
        if (m->role == ROLE_ASSISTANT)
            put_assistant(w, m);
        else if (is_system(m))
            rc = put_message(w, m->role == ROLE_SYSTEM ? "system" : "developer", m->parts);
        else
            rc = put_user(w, m);
    }
    grow_close(&w->g, ']');
    return rc;
}

/* ---- The rest ---- */

static void put_tools(struct writer *w)
{
    if (!w->v->tools)
        return;
    grow_key(&w->g, "tools");
    grow_open(&w->g, '[');
    for (const struct tool *t = w->v->tools; t; t = t->next) {
        open_typed(w, "function");
        grow_key(&w->g, "name");
        grow_text(&w->g, t->vendor_name);
        if (t->description.len || t->custom) {
            grow_key(&w->g, "description");
            write_description(w, t);
        }
        grow_key(&w->g, "parameters");
        write_schema(w, t);
        grow_key(&w->g, "strict");
        grow_bool(&w->g, t->strict == 1);
        grow_close(&w->g, '}');
    }
    grow_close(&w->g, ']');
}

static void put_choice(struct writer *w)
{
    static const char *const words[] = {
        [CHOICE_AUTO] = "auto", [CHOICE_NONE] = "none", [CHOICE_REQUIRED] = "required"};
    const struct conv *v = w->v;

    if (v->choice != CHOICE_UNSET)
        grow_key(&w->g, "tool_choice");
    if (v->choice == CHOICE_ONE) {
        open_typed(w, "function");
        write_text(w, "name", names_find(v, v->choice_name, v->choice_space)->vendor_name);
        grow_close(&w->g, '}');
    } else if (v->choice != CHOICE_UNSET) {
        grow_str(&w->g, words[v->choice]);
    }
    if (v->parallel >= 0) {
        grow_key(&w->g, "parallel_tool_calls");
        grow_bool(&w->g, v->parallel);
    }
}

static void put_format(struct writer *w)
{
    const struct conv *v = w->v;

    grow_key(&w->g, "format");
    if (v->format == FORMAT_JSON) {
        grow_raw(&w->g, RAW("{\"type\":\"json_object\"}"));
        return;
    }
    open_typed(w, "json_schema");
    grow_key(&w->g, "name");
    grow_text(&w->g, v->schema_name.len ? v->schema_name : RAW("answer"));
    write_text(w, "description", v->schema_text);
    grow_key(&w->g, "strict");
    grow_bool(&w->g, v->schema_strict);
    grow_key(&w->g, "schema");
    grow_raw(&w->g, v->schema);
    grow_close(&w->g, '}');
}

static void put_text(struct writer *w)
{
    const struct conv *v = w->v;

    if (v->format == FORMAT_UNSET && !v->verbosity.len)
        return;
    grow_key(&w->g, "text");
    grow_open(&w->g, '{');
    if (v->format != FORMAT_UNSET)
        put_format(w);
    write_text(w, "verbosity", v->verbosity);
    grow_close(&w->g, '}');
}

static void put_settings(struct writer *w)
{
    const struct conv *v = w->v;
    int effort = thinking_effort(w);

    if (v->max_tokens) {
        grow_key(&w->g, "max_output_tokens");
        grow_int(&w->g, v->max_tokens < MIN_OUTPUT ? MIN_OUTPUT : v->max_tokens);
    }
    if (!(w->traits & MODEL_NO_SAMPLING)) {
        write_number(w, "temperature", v->temperature);
        write_number(w, "top_p", v->top_p);
    }
    if (effort != EFFORT_UNSET) {
        grow_key(&w->g, "reasoning");
        grow_open(&w->g, '{');
        grow_key(&w->g, "effort");
        grow_str(&w->g, effort_word(effort));
        grow_close(&w->g, '}');
    }
    if (w->c->setup.client == AIEX_ANTHROPIC_MESSAGES && (w->traits & MODEL_OPENAI) &&
        (w->traits & MODEL_EFFORT)) { /* comes back as a signature */
        grow_key(&w->g, "include");
        grow_raw(&w->g, RAW("[\"reasoning.encrypted_content\"]"));
    }
    if (v->metadata.len) {
        grow_key(&w->g, "metadata");
        grow_raw(&w->g, v->metadata);
    }
    if (v->user.len <= 64)
        write_text(w, "user", v->user);
    write_text(w, "prompt_cache_key", v->cache_key);
}

int write_responses(struct writer *w)
{
    int rc;

    grow_key(&w->g, "stream");
    grow_bool(&w->g, w->c->vendor_stream);
    grow_key(&w->g, "store");
    grow_bool(&w->g, 0);
    rc = put_input(w);
    put_tools(w);
    put_choice(w);
    put_text(w);
    put_settings(w);
    return rc;
}

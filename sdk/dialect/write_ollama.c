/*
 * write_ollama.c - says a request as POST /api/chat.
 *
 * Contents are one string, images stand beside it as base64, arguments are objects. There is no
 * tool_choice: "none" offers no tools, one certain tool is the only one offered.
 */
#include "request.h"

#include <limits.h>

static void open_message(struct writer *w, const char *role, const struct part *parts)
{
    grow_open(&w->g, '{');
    grow_key(&w->g, "role");
    grow_str(&w->g, role);
    grow_key(&w->g, "content");
    write_texts(w, parts);
}

/* ---- Messages ---- */

static int put_image(struct writer *w, const struct part *p, int *open)
{
    if (p->kind == PART_FILE)
        return read_fail(w->r, -ENOTSUP, "files can not be sent to this provider; send their text");
    if (p->kind == PART_AUDIO)
        return read_fail(w->r, -ENOTSUP, "audio can not be sent to this provider");
    if (p->kind != PART_IMAGE)
        return 0;
    if (!p->data.len)
        return read_fail(w->r, -ENOTSUP,
                         "an image by URL or id can not be sent to this provider; "
                         "send it as a data URL");
    if (!*open)
        grow_key(&w->g, "images");
    if (!*open)
        grow_open(&w->g, '[');
    *open = 1;
    grow_text(&w->g, p->data);
    return 0;
}

static int put_images(struct writer *w, const struct part *parts)
{
    int open = 0, rc = 0;

    for (; parts && rc == 0; parts = parts->next)
        rc = put_image(w, parts, &open);
    if (open)
        grow_close(&w->g, ']');
    return rc;
}

static int put_result(struct writer *w, const struct part *p)
{
    int rc;

    open_message(w, "tool", p->inside);
    rc = put_images(w, p->inside);
    if (p->name.len) {
        grow_key(&w->g, "tool_name");
        grow_text(&w->g, names_call(w, p));
    }
    write_text(w, "tool_call_id", names_id(w, p->id));
    grow_close(&w->g, '}');
    return rc;
}

static int put_plain(struct writer *w, const char *role, const struct message *m)
{
    int rc;

    open_message(w, role, m->parts);
    rc = put_images(w, m->parts);
    grow_close(&w->g, '}');
    return rc;
}

static int put_user(struct writer *w, const struct message *m)
{
    int rc = 0;

    if (!count_kind(m->parts, PART_RESULT))
        return put_plain(w, "user", m);
    for (const struct part *p = m->parts; p && rc == 0; p = p->next)
        if (p->kind == PART_RESULT)
            rc = put_result(w, p);
    return rc;
}

static void put_thinking(struct writer *w, const struct part *parts)
{
    grow_key(&w->g, "thinking");
    grow_quote(&w->g);
    for (; parts; parts = parts->next)
        if (parts->kind == PART_REASONING)
            grow_put(&w->g, parts->text.at, parts->text.len);
    grow_unquote(&w->g);
}

static void put_calls(struct writer *w, const struct part *parts)
{
    grow_key(&w->g, "tool_calls");
    grow_open(&w->g, '[');
    for (; parts; parts = parts->next) {
        if (parts->kind != PART_CALL)
            continue;
        grow_open(&w->g, '{');
        write_text(w, "id", names_id(w, parts->id));
        grow_key(&w->g, "function");
        grow_open(&w->g, '{');
        write_text(w, "name", names_call(w, parts));
        grow_key(&w->g, "arguments");
        args_object(w, parts);
        grow_lit(&w->g, "}}");
    }
    grow_close(&w->g, ']');
}

static void put_assistant(struct writer *w, const struct message *m)
{
    open_message(w, "assistant", m->parts);
    if (count_kind(m->parts, PART_REASONING))
        put_thinking(w, m->parts);
    if (count_kind(m->parts, PART_CALL))
        put_calls(w, m->parts);
    grow_close(&w->g, '}');
}

static int put_messages(struct writer *w)
{
    int rc = 0;

    grow_key(&w->g, "messages");
    grow_open(&w->g, '[');
    for (const struct message *m = w->v->messages; m && rc == 0; m = m->next) {
        if (m->role == ROLE_ASSISTANT)
            put_assistant(w, m);
        else if (m->role == ROLE_USER)
            rc = put_user(w, m);
        else
            rc = put_plain(w, "system", m);
    }
    grow_close(&w->g, ']');
    return rc;
}

/* ---- The rest ---- */

static void put_tool(struct writer *w, const struct tool *t)
{
    grow_open(&w->g, '{');
    grow_lit(&w->g, "\"type\":\"function\",\"function\":{\"name\":");
    grow_text(&w->g, t->vendor_name);
    if (t->description.len || t->custom) {
        grow_key(&w->g, "description");
        write_description(w, t);
    }
    grow_key(&w->g, "parameters");
    write_schema(w, t);
    grow_lit(&w->g, "}}");
}

static void put_tools(struct writer *w)
{
    const struct conv *v = w->v;
    const struct tool *only = v->choice == CHOICE_ONE
                                  ? names_find(v, v->choice_name, v->choice_space)
                                  : NULL;

    if (!v->tools || v->choice == CHOICE_NONE)
        return;
    grow_key(&w->g, "tools");
    grow_open(&w->g, '[');
    for (const struct tool *t = v->tools; t; t = t->next)
        if (!only || t == only)
            put_tool(w, t);
    grow_close(&w->g, ']');
}

/* Models think by themselves when they can; those that can not refuse to be asked. */
static void put_think(struct writer *w)
{
    const struct conv *v = w->v;
    int effort = v->effort > EFFORT_HIGH ? EFFORT_HIGH : v->effort;

    if (v->think == 0 || effort == EFFORT_NONE) {
        grow_key(&w->g, "think");
        grow_bool(&w->g, 0);
    } else if (effort != EFFORT_UNSET && (w->traits & MODEL_LEVELS)) {
        grow_key(&w->g, "think");
        grow_str(&w->g, effort_word(effort < EFFORT_LOW ? EFFORT_LOW : effort));
    }
}

void write_ollama_format(struct writer *w)
{
    const struct conv *v = w->v;

    if (v->format == FORMAT_UNSET)
        return;
    grow_key(&w->g, "format");
    if (v->format == FORMAT_SCHEMA)
        grow_raw(&w->g, v->schema);
    else
        grow_str(&w->g, "json");
}

void write_ollama_options(struct writer *w)
{
    const struct conv *v = w->v;
    size_t from = w->g.len;

    grow_key(&w->g, "options");
    grow_open(&w->g, '{');
    if (w->num_ctx) {
        grow_key(&w->g, "num_ctx");
        grow_int(&w->g, w->num_ctx);
    }
    if (v->max_tokens) {
        grow_key(&w->g, "num_predict");
        grow_int(&w->g, v->max_tokens);
    }
    write_number(w, "temperature", v->temperature);
    write_number(w, "top_p", v->top_p);
    write_number(w, "top_k", v->top_k);
    write_number(w, "seed", v->seed);
    write_number(w, "presence_penalty", v->presence);
    write_number(w, "frequency_penalty", v->frequency);
    write_stop(w, "stop", UINT_MAX);
    if (w->g.error == 0 && w->g.data[w->g.len - 1] == '{')
        w->g.len = from; /* none */
    else
        grow_close(&w->g, '}');
}

int write_ollama(struct writer *w)
{
    int rc;

    grow_key(&w->g, "stream");
    grow_bool(&w->g, w->c->vendor_stream);
    rc = put_messages(w);
    put_tools(w);
    write_ollama_format(w);
    put_think(w);
    write_ollama_options(w);
    return rc;
}

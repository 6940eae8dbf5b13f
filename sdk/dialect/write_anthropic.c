/*
 * write_anthropic.c - says a request as POST /v1/messages.
 *
 * The vendor is strict: turns alternate, texts are not blank, a last assistant text does not end in
 * white space, there is always a limit, thinking excludes temperature and forced tools.
 */
#include "request.h"

#define DEFAULT_MAX_TOKENS 4096
#define MIN_BUDGET         1024

static int is_system(const struct message *m)
{
    return m->role == ROLE_SYSTEM || m->role == ROLE_DEVELOPER;
}

/* ---- Blocks ---- */

static void open_block(struct writer *w, const char *type)
{
    grow_open(&w->g, '{');
    grow_key(&w->g, "type");
    grow_str(&w->g, type);
}

static void close_block(struct writer *w, const struct part *p)
{
    if (p->cache.len) {
        grow_key(&w->g, "cache_control");
        grow_raw(&w->g, p->cache);
    }
    grow_close(&w->g, '}');
}

static struct raw without_end(struct raw text)
{
    while (text.len) {
        struct raw end = {text.at + text.len - 1, 1};

        if (text.len > 1 && text.at[text.len - 2] == '\\' && memchr("nrt", *end.at, 3)) {
            size_t slashes = 0;

            while (slashes < text.len - 1 && text.at[text.len - 2 - slashes] == '\\')
                slashes++;
            if (slashes % 2 == 0)
                break;
            text.len -= 2;
        } else if (*end.at == ' ') {
            text.len--;
        } else {
            break;
        }
    }
    return text;
}

static void put_text(struct writer *w, const struct part *p, int last)
{
    if (raw_blank(p->text))
        return;
    open_block(w, "text");
    grow_key(&w->g, "text");
    grow_text(&w->g, last ? without_end(p->text) : p->text);
    close_block(w, p);
}

static void put_source(struct writer *w, const struct part *p, struct raw media)
{
    grow_key(&w->g, "source");
    grow_open(&w->g, '{');
    grow_key(&w->g, "type");
    grow_str(&w->g, p->url.len ? "url" : "base64");
    if (!p->url.len) {
        grow_key(&w->g, "media_type");
        grow_text(&w->g, media);
    }
    grow_key(&w->g, p->url.len ? "url" : "data");
    grow_text(&w->g, p->url.len ? p->url : p->data);
    grow_close(&w->g, '}');
}

static int put_image(struct writer *w, const struct part *p)
{
    struct raw media = p->media.len ? p->media : RAW("image/png");

    if (!p->url.len && !p->data.len)
        return read_fail(w->r, -ENOTSUP,
                         "an image that is kept by another provider (file_id) can "
                         "not be sent; send its data");
    open_block(w, "image");
    put_source(w, p, raw_is(media, "image/jpg") ? RAW("image/jpeg") : media);
    close_block(w, p);
    return 0;
}

static int put_file(struct writer *w, const struct part *p)
{
    if (!p->url.len && !p->data.len)
        return read_fail(w->r, -ENOTSUP,
                         "a file that is kept by another provider (file_id) can "
                         "not be sent; send its data");
    if (p->data.len && p->media.len && !raw_is(p->media, "application/pdf"))
        return read_fail(w->r, -ENOTSUP,
                         "files of type %.*s can not be sent to this provider; "
                         "use PDF or text",
                         (int)(p->media.len > 80 ? 80 : p->media.len), p->media.at);
    open_block(w, "document");
    put_source(w, p, RAW("application/pdf"));
    write_text(w, "title", p->file);
    close_block(w, p);
    return 0;
}

static int put_block(struct writer *w, const struct part *p, int last);

static int put_result(struct writer *w, const struct part *p)
{
    int rc = 0;

    open_block(w, "tool_result");
    grow_key(&w->g, "tool_use_id");
    grow_text(&w->g, names_id(w, p->id));
    if (only_texts(p->inside) && has_text(p->inside)) {
        grow_key(&w->g, "content");
        write_texts(w, p->inside);
    } else if (p->inside) {
        grow_key(&w->g, "content");
        grow_open(&w->g, '[');
        for (const struct part *in = p->inside; in && rc == 0; in = in->next)
            rc = put_block(w, in, 0);
        grow_close(&w->g, ']');
    }
    if (p->is_error) {
        grow_key(&w->g, "is_error");
        grow_bool(&w->g, 1);
    }
    close_block(w, p);
    return rc;
}

static void put_call(struct writer *w, const struct part *p)
{
    open_block(w, "tool_use");
    grow_key(&w->g, "id");
    grow_text(&w->g, names_id(w, p->id));
    grow_key(&w->g, "name");
    grow_text(&w->g, names_call(w, p));
    grow_key(&w->g, "input");
    args_object(w, p);
    grow_close(&w->g, '}');
}

static void put_thinking(struct writer *w, const struct part *p)
{
    open_block(w, "thinking");
    write_text(w, "thinking", p->text);
    write_text(w, "signature", p->sealed);
    grow_close(&w->g, '}');
}

static int put_block(struct writer *w, const struct part *p, int last)
{
    switch (p->kind) {
    case PART_TEXT:
    case PART_REFUSAL:
        put_text(w, p, last);
        return 0;
    case PART_IMAGE:
        return put_image(w, p);
    case PART_FILE:
        return put_file(w, p);
    case PART_RESULT:
        return put_result(w, p);
    case PART_CALL:
        put_call(w, p);
        return 0;
    case PART_AUDIO:
        return read_fail(w->r, -ENOTSUP, "audio can not be sent to this provider");
    default:
        if (sealed_by_anthropic(p))
            put_thinking(w, p);
        return 0;
    }
}

/* ---- Messages ---- */

static int says_something(const struct message *m)
{
    for (const struct part *p = m->parts; p; p = p->next)
        if (p->kind != PART_REASONING &&
            ((p->kind != PART_TEXT && p->kind != PART_REFUSAL) || !raw_blank(p->text)))
            return 1;
    return 0;
}

static int put_message(struct writer *w, const struct message *m, int last)
{
    const struct part *p;
    int rc = 0;

    for (p = m->parts; p && rc == 0; p = p->next)
        if (p->kind != PART_CALL)
            rc = put_block(w, p, last && m->role == ROLE_ASSISTANT);
    for (p = m->parts; p && rc == 0; p = p->next)
        if (p->kind == PART_CALL)
            rc = put_block(w, p, 0);
    return rc;
}

static void open_turn(struct writer *w, int role)
{
    grow_open(&w->g, '{');
    grow_key(&w->g, "role");
    grow_str(&w->g, role == ROLE_ASSISTANT ? "assistant" : "user");
    grow_key(&w->g, "content");
    grow_open(&w->g, '[');
}

/* The vendor wants the user to begin. */
static void put_placeholder(struct writer *w)
{
    grow_raw(&w->g, RAW("{\"role\":\"user\",\"content\":\".\"}"));
}

/* `as_user`: there are only system messages. */
static const struct message *next_said(const struct message *m, int as_user)
{
    while (m && ((is_system(m) && !as_user) || !says_something(m)))
        m = m->next;
    return m;
}

static int put_messages(struct writer *w, int as_user)
{
    const struct message *m = next_said(w->v->messages, as_user);
    int role = 0, rc = 0;

    grow_key(&w->g, "messages");
    grow_open(&w->g, '[');
    if (!m || m->role == ROLE_ASSISTANT)
        put_placeholder(w);
    while (m && rc == 0) {
        const struct message *next = next_said(m->next, as_user);
        int now = m->role == ROLE_ASSISTANT ? ROLE_ASSISTANT : ROLE_USER;

        if (now != role) {
            if (role)
                grow_lit(&w->g, "]}");
            open_turn(w, now);
            role = now;
        }
        rc = put_message(w, m, !next);
        m = next;
    }
    if (role)
        grow_lit(&w->g, "]}");
    grow_close(&w->g, ']');
    return rc;
}

static void put_format_words(struct writer *w)
{
    struct raw schema = w->v->schema;

    open_block(w, "text");
    grow_key(&w->g, "text");
    grow_quote(&w->g);
    grow_lit(&w->g, "Answer with one JSON object and nothing else: no words around it, no fence.");
    if (w->v->format == FORMAT_SCHEMA) {
        grow_lit(&w->g, " It must follow this JSON schema:\\n");
        grow_escape(&w->g, schema.at, schema.len);
    }
    grow_unquote(&w->g);
    grow_close(&w->g, '}');
}

static int put_system(struct writer *w, int as_user, int format_words)
{
    int open = 0;

    for (const struct message *m = w->v->messages; m && !as_user; m = m->next) {
        if (!is_system(m) || !says_something(m))
            continue;
        if (!open)
            grow_key(&w->g, "system");
        if (!open)
            grow_open(&w->g, '[');
        open = 1;
        for (const struct part *p = m->parts; p; p = p->next)
            if (p->kind == PART_TEXT)
                put_text(w, p, 0);
    }
    if (format_words) {
        if (!open)
            grow_key(&w->g, "system");
        if (!open)
            grow_open(&w->g, '[');
        open = 1;
        put_format_words(w);
    }
    if (open)
        grow_close(&w->g, ']');
    return 0;
}

/* ---- Tools ---- */

static void put_tool(struct writer *w, const struct tool *t)
{
    grow_open(&w->g, '{');
    grow_key(&w->g, "name");
    grow_text(&w->g, t->vendor_name);
    if (t->description.len || t->custom) {
        grow_key(&w->g, "description");
        write_description(w, t);
    }
    grow_key(&w->g, "input_schema");
    write_schema(w, t);
    if (t->cache.len) {
        grow_key(&w->g, "cache_control");
        grow_raw(&w->g, t->cache);
    }
    grow_close(&w->g, '}');
}

/* The answer as the input of a tool that must be called. */
static void put_json_tool(struct writer *w)
{
    struct tool t = {.vendor_name = RAW(JSON_TOOL), .schema = w->v->schema};

    t.description = w->v->schema_text.len ? w->v->schema_text : RAW("Gives the answer.");
    grow_key(&w->g, "tools");
    grow_open(&w->g, '[');
    put_tool(w, &t);
    grow_close(&w->g, ']');
    grow_key(&w->g, "tool_choice");
    grow_raw(&w->g, RAW("{\"type\":\"tool\",\"name\":\"" JSON_TOOL "\"}"));
}

static void put_choice(struct writer *w)
{
    static const char *const words[] = {[CHOICE_UNSET] = "auto",
                                        [CHOICE_AUTO] = "auto",
                                        [CHOICE_NONE] = "none",
                                        [CHOICE_REQUIRED] = "any",
                                        [CHOICE_ONE] = "tool"};
    const struct conv *v = w->v;

    if (v->choice == CHOICE_UNSET && v->parallel != 0)
        return;
    grow_key(&w->g, "tool_choice");
    open_block(w, words[v->choice]);
    if (v->choice == CHOICE_ONE)
        write_text(w, "name", names_find(v, v->choice_name, v->choice_space)->vendor_name);
    if (v->parallel == 0 && v->choice != CHOICE_NONE) {
        grow_key(&w->g, "disable_parallel_tool_use");
        grow_bool(&w->g, 1);
    }
    grow_close(&w->g, '}');
}

static void put_tools(struct writer *w)
{
    if (!w->v->tools)
        return;
    grow_key(&w->g, "tools");
    grow_open(&w->g, '[');
    for (const struct tool *t = w->v->tools; t; t = t->next)
        put_tool(w, t);
    grow_close(&w->g, ']');
    put_choice(w);
}

/* ---- Thinking, limits, sampling ---- */

static const struct message *last_said(const struct conv *v)
{
    const struct message *last = NULL;

    for (const struct message *m = next_said(v->messages, 0); m; m = next_said(m->next, 0))
        last = m;
    return last;
}

/* A turn with calls that was begun without signed thinking can not go on with it. */
static int in_tool_loop(const struct conv *v)
{
    const struct message *last = NULL;

    for (const struct message *m = v->messages; m; m = m->next)
        if (m->role == ROLE_ASSISTANT)
            last = m;
    return last && count_kind(last->parts, PART_CALL) > 0 && !sealed_by_anthropic(last->parts);
}

struct thought {
    int effort;     /* EFFORT_UNSET: do not think */
    int64_t budget; /* 0 = adaptive */
    int64_t max_tokens;
};

static void plan_thought(struct writer *w, struct thought *t)
{
    const struct conv *v = w->v;
    const struct message *last = last_said(v);
    int effort = v->effort != EFFORT_UNSET ? v->effort
                 : v->think == 1           ? EFFORT_MEDIUM
                                           : EFFORT_UNSET;
    int64_t limit = w->c->setup.default_max_tokens;

    if (limit <= 0)
        limit = DEFAULT_MAX_TOKENS;
    *t = (struct thought){.max_tokens = v->max_tokens ? v->max_tokens : limit};
    if (effort <= EFFORT_NONE || (w->traits & MODEL_NO_EFFORT) || w->c->json_tool ||
        v->choice == CHOICE_REQUIRED || v->choice == CHOICE_ONE ||
        (last && last->role == ROLE_ASSISTANT))
        return;
    if (w->traits & MODEL_ADAPTIVE) {
        t->effort = effort;
        return;
    }
    t->budget = budget_of_effort(effort);
    if (v->max_tokens && t->budget > v->max_tokens / 2)
        t->budget = v->max_tokens / 2;
    if (in_tool_loop(v) || t->budget < MIN_BUDGET)
        t->budget = 0;
    else
        t->effort = effort;
    if (!v->max_tokens && t->max_tokens <= t->budget)
        t->max_tokens = t->budget + limit;
}

static void put_output_config(struct writer *w, const struct thought *t, int schema)
{
    if (!schema && (t->effort == EFFORT_UNSET || t->budget))
        return;
    grow_key(&w->g, "output_config");
    grow_open(&w->g, '{');
    if (t->effort != EFFORT_UNSET && !t->budget) {
        grow_key(&w->g, "effort");
        grow_str(&w->g, effort_word(t->effort < EFFORT_LOW    ? EFFORT_LOW
                                    : t->effort > EFFORT_HIGH ? EFFORT_HIGH
                                                              : t->effort));
    }
    if (schema) {
        grow_key(&w->g, "format");
        grow_lit(&w->g, "{\"type\":\"json_schema\",\"schema\":");
        grow_raw(&w->g, w->v->schema);
        grow_close(&w->g, '}');
    }
    grow_close(&w->g, '}');
}

static void put_thought(struct writer *w, const struct thought *t)
{
    if (t->effort == EFFORT_UNSET)
        return;
    grow_key(&w->g, "thinking");
    grow_open(&w->g, '{');
    grow_key(&w->g, "type");
    grow_str(&w->g, t->budget ? "enabled" : "adaptive");
    if (t->budget) {
        grow_key(&w->g, "budget_tokens");
        grow_int(&w->g, t->budget);
    }
    grow_close(&w->g, '}');
}

/* openai's temperatures go to 2. */
static struct raw at_most_one(struct raw number)
{
    if (number.len && *number.at >= '1' && *number.at <= '9')
        return RAW("1");
    return number;
}

static void put_sampling(struct writer *w, const struct thought *t)
{
    const struct conv *v = w->v;

    if (t->effort != EFFORT_UNSET || (w->traits & MODEL_NO_SAMPLING))
        return;
    write_number(w, "temperature", at_most_one(v->temperature));
    if (!v->temperature.len) /* newer models refuse both */
        write_number(w, "top_p", v->top_p);
    write_number(w, "top_k", v->top_k);
}

/* Stop words of white space only are refused. */
static void put_stop(struct writer *w)
{
    struct aiex_json_span one;
    size_t at = 0;
    int open = 0;

    if (w->v->stop.type == AIEX_JSON_STRING && !raw_blank(text_of(&w->v->stop)))
        write_stop(w, "stop_sequences", 1);
    while (w->v->stop.type == AIEX_JSON_ARRAY && aiex_json_next(&w->v->stop, &at, NULL, &one)) {
        if (raw_blank(text_of(&one)))
            continue;
        if (!open)
            grow_key(&w->g, "stop_sequences");
        if (!open)
            grow_open(&w->g, '[');
        open = 1;
        grow_text(&w->g, text_of(&one));
    }
    if (open)
        grow_close(&w->g, ']');
}

/* The vendor takes schemas only whose objects say that they have no other members. */
static int is_closed(const struct conv *v)
{
    struct aiex_json_span schema = {AIEX_JSON_OBJECT, v->schema.at, v->schema.len}, value;

    return v->schema_strict || (aiex_json_find(&schema, "additionalProperties", &value) &&
                                value.type == AIEX_JSON_FALSE);
}

int write_anthropic(struct writer *w)
{
    struct conv *v = w->v;
    int schema = v->format == FORMAT_SCHEMA && (w->traits & MODEL_SCHEMA) && is_closed(v);
    int as_user = !next_said(v->messages, 0);
    struct thought t;
    int rc;

    w->c->json_tool = v->format == FORMAT_SCHEMA && !schema && !v->tools;
    plan_thought(w, &t);
    grow_key(&w->g, "max_tokens");
    grow_int(&w->g, t.max_tokens);
    grow_key(&w->g, "stream");
    grow_bool(&w->g, w->c->vendor_stream);
    rc = put_system(w, as_user, v->format != FORMAT_UNSET && !schema && !w->c->json_tool);
    if (w->c->json_tool)
        put_json_tool(w);
    else
        put_tools(w);
    if (rc == 0)
        rc = put_messages(w, as_user);
    put_thought(w, &t);
    put_output_config(w, &t, schema);
    put_sampling(w, &t);
    put_stop(w);
    if (v->user.len && v->user.len <= 256) {
        grow_key(&w->g, "metadata");
        grow_open(&w->g, '{');
        write_text(w, "user_id", v->user);
        grow_close(&w->g, '}');
    }
    return rc;
}

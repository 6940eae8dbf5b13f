/*
 * write_anthropic_turns.c - what is said in a POST /v1/messages: system text, turns, their blocks.
 *
 * Turns alternate and the user begins; texts are not blank; a last assistant text does not end in
 * white space; results stand before texts.
 */
#include "write_anthropic.h"

static int is_system(const struct message *m)
{
    return m->role == ROLE_SYSTEM || m->role == ROLE_DEVELOPER;
}

/* ---- Blocks ---- */

void anthropic_open(struct writer *w, const char *type)
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
    anthropic_open(w, "text");
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
    anthropic_open(w, "image");
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
    anthropic_open(w, "document");
    put_source(w, p, RAW("application/pdf"));
    write_text(w, "title", p->file);
    close_block(w, p);
    return 0;
}

static int put_block(struct writer *w, const struct part *p, int last);

static int put_result(struct writer *w, const struct part *p)
{
    int rc = 0;

    anthropic_open(w, "tool_result");
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
    anthropic_open(w, "tool_use");
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
    anthropic_open(w, "thinking");
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
const struct message *anthropic_next(const struct message *m, int as_user)
{
    while (m && ((is_system(m) && !as_user) || !says_something(m)))
        m = m->next;
    return m;
}

int anthropic_messages(struct writer *w, int as_user)
{
    const struct message *m = anthropic_next(w->v->messages, as_user);
    int role = 0, rc = 0;

    grow_key(&w->g, "messages");
    grow_open(&w->g, '[');
    if (!m || m->role == ROLE_ASSISTANT)
        put_placeholder(w);
    while (m && rc == 0) {
        const struct message *next = anthropic_next(m->next, as_user);
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

    anthropic_open(w, "text");
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

static void open_once(struct writer *w, const char *key, int *open)
{
    if (*open)
        return;
    grow_key(&w->g, key);
    grow_open(&w->g, '[');
    *open = 1;
}

void anthropic_system(struct writer *w, int as_user, int format_words)
{
    int open = 0;

    for (const struct message *m = w->v->messages; m && !as_user; m = m->next) {
        if (!is_system(m) || !says_something(m))
            continue;
        open_once(w, "system", &open);
        for (const struct part *p = m->parts; p; p = p->next)
            if (p->kind == PART_TEXT)
                put_text(w, p, 0);
    }
    if (format_words) {
        open_once(w, "system", &open);
        put_format_words(w);
    }
    if (open)
        grow_close(&w->g, ']');
}

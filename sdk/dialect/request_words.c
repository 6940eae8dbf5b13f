/*
 * request_words.c - what several writers say in the same words: texts of a message as one string,
 * descriptions and schemas of tools, lists of stop words.
 */
#include "request.h"

size_t count_kind(const struct part *parts, int kind)
{
    size_t n = 0;

    for (; parts; parts = parts->next)
        n += parts->kind == kind;
    return n;
}

static int is_text(const struct part *p)
{
    return p->kind == PART_TEXT || p->kind == PART_REFUSAL;
}

static void put_texts(struct writer *w, const struct part *from, const struct part *to)
{
    int first = 1;

    grow_quote(&w->g);
    for (; from != to; from = from->next) {
        if (!is_text(from))
            continue;
        if (!first && !from->glued)
            grow_lit(&w->g, "\\n\\n");
        grow_put(&w->g, from->text.at, from->text.len);
        first = 0;
    }
    grow_unquote(&w->g);
}

void write_texts(struct writer *w, const struct part *parts)
{
    put_texts(w, parts, NULL);
}

const struct part *write_text_run(struct writer *w, const struct part *parts)
{
    const struct part *end = parts;

    while (end && is_text(end))
        end = end->next;
    put_texts(w, parts, end);
    return end;
}

void write_description(struct writer *w, const struct tool *t)
{
    grow_quote(&w->g);
    grow_put(&w->g, t->description.at, t->description.len);
    if (t->custom) {
        if (t->description.len)
            grow_lit(&w->g, "\\n\\n");
        grow_lit(&w->g, "`input` is free text, not JSON.");
    }
    if (t->grammar.len) {
        grow_lit(&w->g, " It must follow this grammar (");
        grow_put(&w->g, t->syntax.at, t->syntax.len);
        grow_lit(&w->g, "):\\n");
        grow_put(&w->g, t->grammar.at, t->grammar.len);
    }
    grow_unquote(&w->g);
}

int only_texts(const struct part *parts)
{
    for (; parts; parts = parts->next)
        if (parts->kind != PART_TEXT && parts->kind != PART_REFUSAL)
            return 0;
    return 1;
}

int has_text(const struct part *parts)
{
    for (; parts; parts = parts->next)
        if ((parts->kind == PART_TEXT || parts->kind == PART_REFUSAL) && !raw_blank(parts->text))
            return 1;
    return 0;
}

/* Mostly the first member says it; the rest is not looked at then. */
static int has_type(struct raw schema)
{
    struct aiex_json_span whole = {AIEX_JSON_OBJECT, schema.at, schema.len}, key, value;
    size_t at = 0;

    while (aiex_json_next(&whole, &at, &key, &value))
        if (aiex_json_is(&key, "type"))
            return 1;
    return 0;
}

static int is_empty(struct raw object)
{
    struct aiex_json_span whole = {AIEX_JSON_OBJECT, object.at, object.len}, key, value;
    size_t at = 0;

    return !aiex_json_next(&whole, &at, &key, &value);
}

void write_schema(struct writer *w, const struct tool *t)
{
    if (t->custom) {
        grow_raw(&w->g, RAW("{\"type\":\"object\",\"properties\":{\"input\":{\"type\":\"string\"}},"
                            "\"required\":[\"input\"],\"additionalProperties\":false}"));
    } else if (is_empty(t->schema)) {
        grow_raw(&w->g, RAW("{\"type\":\"object\",\"properties\":{}}"));
    } else if (has_type(t->schema)) {
        grow_raw(&w->g, t->schema);
    } else {
        grow_raw(&w->g, RAW("{\"type\":\"object\""));
        grow_raw(&w->g, (struct raw){t->schema.at + 1, t->schema.len - 1});
    }
}

void write_number(struct writer *w, const char *key, struct raw number)
{
    if (!number.len)
        return;
    grow_key(&w->g, key);
    grow_raw(&w->g, number);
}

void write_text(struct writer *w, const char *key, struct raw text)
{
    if (!text.len)
        return;
    grow_key(&w->g, key);
    grow_text(&w->g, text);
}

void write_stop(struct writer *w, const char *key, unsigned max)
{
    const struct aiex_json_span *stop = &w->v->stop;
    struct aiex_json_span one;
    size_t at = 0;
    unsigned n = 0;

    if (stop->type == AIEX_JSON_STRING) {
        grow_key(&w->g, key);
        grow_open(&w->g, '[');
        grow_raw(&w->g, json_of(stop));
        grow_close(&w->g, ']');
        return;
    }
    while (n < max && aiex_json_next(stop, &at, NULL, &one)) {
        if (one.type != AIEX_JSON_STRING)
            continue;
        if (!n++) {
            grow_key(&w->g, key);
            grow_open(&w->g, '[');
        }
        grow_raw(&w->g, json_of(&one));
    }
    if (n)
        grow_close(&w->g, ']');
}

void write_data_url(struct writer *w, const struct part *p, const char *media)
{
    grow_quote(&w->g);
    if (p->url.len) {
        grow_put(&w->g, p->url.at, p->url.len);
    } else {
        grow_lit(&w->g, "data:");
        if (p->media.len)
            grow_put(&w->g, p->media.at, p->media.len);
        else
            grow_lit(&w->g, media);
        grow_lit(&w->g, ";base64,");
        grow_put(&w->g, p->data.at, p->data.len);
    }
    grow_unquote(&w->g);
}

/*
 * request_args.c - the arguments of a call: a string that holds JSON for one vendor, an object for
 * another.
 *
 * A history may hold arguments that are no JSON object: cut off, or a model's slip. Vendors
 * refuse a whole conversation for it, so they travel as {"raw_arguments": "..."}.
 */
#include "request.h"

/* The JSON object in a text, escapes undone; empty when it holds none. */
static struct raw object_in(struct writer *w, struct raw text)
{
    char *plain = arena_raw(w->c->arena, text.len + 4);
    struct raw object = RAW("");

    if (!plain) {
        w->g.error = w->g.error ? w->g.error : -ENOMEM;
        return object;
    }
    object = (struct raw){plain, aiex_json_unescape(text.at, text.len, plain)};
    while (object.len && memchr(" \n\r\t", *object.at, 4)) {
        object.at++;
        object.len--;
    }
    if (!object.len)
        return RAW("{}");
    if (aiex_json_scan((struct aiex_slice){(const uint8_t *)object.at, object.len},
                       AIEX_JSON_MAX_DEPTH, NULL, 0, NULL) != AIEX_JSON_OBJECT)
        return RAW("");
    return object;
}

static void put_wrapped(struct writer *w, const char *key, struct raw text)
{
    grow_open(&w->g, '{');
    grow_key(&w->g, key);
    grow_text(&w->g, text);
    grow_close(&w->g, '}');
}

void args_object(struct writer *w, const struct part *call)
{
    struct raw object = call->args;

    if (call->args_form == ARGS_TEXT) {
        put_wrapped(w, "input", call->args);
        return;
    }
    if (call->args_form == ARGS_STRING)
        object = object_in(w, call->args);
    if (object.len)
        grow_raw(&w->g, object);
    else
        put_wrapped(w, "raw_arguments", call->args);
}

static void put_wrapped_string(struct writer *w, const char *key, struct raw text)
{
    grow_quote(&w->g);
    grow_lit(&w->g, "{\\\"");
    grow_lit(&w->g, key);
    grow_lit(&w->g, "\\\":\\\"");
    grow_escape(&w->g, text.at, text.len);
    grow_lit(&w->g, "\\\"}");
    grow_unquote(&w->g);
}

void args_string(struct writer *w, const struct part *call)
{
    if (call->args_form == ARGS_TEXT) {
        put_wrapped_string(w, "input", call->args);
    } else if (call->args_form == ARGS_OBJECT) {
        grow_quote(&w->g);
        grow_escape(&w->g, call->args.at, call->args.len);
        grow_unquote(&w->g);
    } else if (raw_blank(call->args)) {
        grow_str(&w->g, "{}");
    } else if (object_in(w, call->args).len) {
        grow_text(&w->g, call->args);
    } else {
        put_wrapped_string(w, "raw_arguments", call->args);
    }
}

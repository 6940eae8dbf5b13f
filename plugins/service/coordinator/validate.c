#include "validate.h"

#include <aiex/aiex_pack.h>
#include <aiex_schema.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where each dialect has what is needed here. A step of digits is an index, `*` each item. */
static const struct form {
    const char *dialect;
    const char *format, *schema, *schema_too;    /* of the request: what says "JSON", and which */
    const char *tools, *tool_name, *tool_schema; /* list; within one item */
    const char *texts, *text;                    /* of the answer: list of pieces; within one */
    const char *calls, *call_name, *call_arguments;
    const char *refusal;
} forms[] = {
    {"openai.chat", "response_format.type", "response_format.json_schema.schema", NULL, "tools",
     "function.name", "function.parameters", "choices.0.message.content", NULL,
     "choices.0.message.tool_calls", "function.name", "function.arguments",
     "choices.0.message.refusal"},
    {"openai.responses", "text.format.type", "text.format.schema", NULL, "tools", "name",
     "parameters", "output", "content.0.text", "output", "name", "arguments", NULL},
    {"anthropic.messages", "output_config.format.type", "output_config.format.schema",
     "output_format.schema", "tools", "name", "input_schema", "content", "text", "content", "name",
     "input", NULL},
    {"ollama.chat", "format", "format", NULL, "tools", "function.name", "function.parameters",
     "message.content", NULL, "message.tool_calls", "function.name", "function.arguments", NULL},
};

/* ---- Finding ---- */

static struct aiex_json_span root_of(struct aiex_slice text)
{
    const char *at = (const char *)text.data, *end = at + text.len;

    if (aiex_json_scan(text, 0, NULL, 0, NULL) != AIEX_JSON_OBJECT)
        return (struct aiex_json_span){0};
    while (at < end && *at != '{')
        at++;
    return (struct aiex_json_span){AIEX_JSON_OBJECT, at, (size_t)(end - at)};
}

static int step(struct aiex_json_span *at, const char *name)
{
    struct aiex_json_span whole = *at;
    size_t pos = 0;

    if (at->type == AIEX_JSON_ARRAY)
        return strcmp(name, "0") == 0 && aiex_json_next(&whole, &pos, NULL, at);
    return at->type == AIEX_JSON_OBJECT && aiex_json_find(&whole, name, at);
}

/* 1 and the value at the end of a path of names joined by points. */
static int find(const struct aiex_json_span *from, const char *path, struct aiex_json_span *ret)
{
    char name[32];

    *ret = *from;
    while (path && *path) {
        size_t n = strcspn(path, ".");

        snprintf(name, sizeof(name), "%.*s", (int)n, path);
        if (!step(ret, name))
            return 0;
        path += n + (path[n] == '.');
    }
    return path != NULL;
}

static const struct form *form_of(struct aiex_slice dialect)
{
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        if (aiex_slice_is(dialect, forms[i].dialect))
            return &forms[i];
    return NULL;
}

/* The characters of a string in memory of its own, or NULL. */
static char *unescape(const struct aiex_json_span *string, size_t *ret_len)
{
    char *out = malloc(string->len + 1);
    long n = out ? aiex_json_text(string, out, string->len + 1) : -1;

    if (n < 0) {
        free(out);
        return NULL;
    }
    *ret_len = (size_t)n;
    return out;
}

static struct aiex_slice slice_of(const struct aiex_json_span *s)
{
    return (struct aiex_slice){(const uint8_t *)s->data, s->len};
}

/* ---- Text ---- */

static int fits(struct aiex_slice json, const struct aiex_json_span *schema_text, const char *what,
                char *fault, size_t size)
{
    struct aiex_schema schema;
    struct aiex_schema_fault f;

    if (aiex_schema_read(slice_of(schema_text), &schema, NULL) != 0)
        return 1; /* the vendor judges schemas */
    if (aiex_schema_check(&schema, json, &f) != -EINVAL)
        return 1;
    snprintf(fault, size, "%s does not fit its schema: at '%s': %s", what, f.pointer, f.text);
    return 0;
}

static int check_text(const struct form *form, const struct aiex_json_span *request,
                      const struct aiex_json_span *string, enum validate level, char *fault,
                      size_t size)
{
    struct aiex_json_span schema;
    struct aiex_json_fault why;
    size_t len = 0;
    char *text = unescape(string, &len);
    struct aiex_slice json = {(const uint8_t *)text, len};
    int r = 1;

    if (!text)
        return 1;
    if (aiex_json_scan(json, 0, NULL, 0, &why) < 0) {
        snprintf(fault, size, "the text is not JSON: %s at byte %zu", why.reason, why.offset);
        r = 0;
    } else if (level >= VALIDATE_SCHEMA &&
               (find(request, form->schema, &schema) || find(request, form->schema_too, &schema)) &&
               schema.type == AIEX_JSON_OBJECT) {
        r = fits(json, &schema, "the text", fault, size);
    }
    free(text);
    return r;
}

static int wants_json(const struct form *form, const struct aiex_json_span *request)
{
    struct aiex_json_span format;

    if (find(request, form->schema_too, &format))
        return 1;
    if (!find(request, form->format, &format))
        return 0;
    return format.type == AIEX_JSON_OBJECT || aiex_json_is(&format, "json") ||
           aiex_json_is(&format, "json_object") || aiex_json_is(&format, "json_schema");
}

/* The first piece of text, wherever the dialect has it. */
static int find_text(const struct form *form, const struct aiex_json_span *answer,
                     struct aiex_json_span *ret)
{
    struct aiex_json_span list, item;
    size_t pos = 0;

    if (!find(answer, form->texts, &list))
        return 0;
    if (list.type == AIEX_JSON_STRING) {
        *ret = list;
        return 1;
    }
    while (form->text && aiex_json_next(&list, &pos, NULL, &item))
        if (find(&item, form->text, ret) && ret->type == AIEX_JSON_STRING)
            return 1;
    return 0;
}

/* ---- Calls ---- */

static int same_text(const struct aiex_json_span *a, const struct aiex_json_span *b)
{
    char name[128];

    return aiex_json_text(a, name, sizeof(name)) >= 0 && aiex_json_is(b, name);
}

static int find_tool(const struct form *form, const struct aiex_json_span *request,
                     const struct aiex_json_span *name, struct aiex_json_span *ret_tool)
{
    struct aiex_json_span list, own;
    size_t pos = 0;

    if (!find(request, form->tools, &list))
        return 0;
    while (aiex_json_next(&list, &pos, NULL, ret_tool))
        if (find(ret_tool, form->tool_name, &own) && same_text(name, &own))
            return 1;
    return 0;
}

static int check_arguments(const struct form *form, const struct aiex_json_span *tool,
                           const struct aiex_json_span *arguments, const char *name, char *fault,
                           size_t size)
{
    struct aiex_json_span schema;
    struct aiex_slice json = slice_of(arguments);
    size_t len = 0;
    char *text = NULL, what[200];
    int r = 1;

    if (arguments->type == AIEX_JSON_STRING) {
        text = unescape(arguments, &len);
        if (!text)
            return 1;
        json = (struct aiex_slice){(const uint8_t *)(len ? text : "{}"), len ? len : 2};
    }
    snprintf(what, sizeof(what), "the arguments of the tool '%s'", name);
    if (aiex_json_scan(json, 0, NULL, 0, NULL) < 0) {
        snprintf(fault, size, "%s are not JSON", what);
        r = 0;
    } else if (find(tool, form->tool_schema, &schema) && schema.type == AIEX_JSON_OBJECT) {
        r = fits(json, &schema, what, fault, size);
    }
    free(text);
    return r;
}

static int check_calls(const struct form *form, const struct aiex_json_span *request,
                       const struct aiex_json_span *answer, size_t *ret_n, char *fault, size_t size)
{
    struct aiex_json_span list, item, name, arguments, tool;
    char text[128];
    size_t pos = 0;

    *ret_n = 0;
    if (!find(answer, form->calls, &list))
        return 1;
    while (aiex_json_next(&list, &pos, NULL, &item)) {
        if (!find(&item, form->call_name, &name) ||
            !find(&item, form->call_arguments, &arguments) ||
            aiex_json_text(&name, text, sizeof(text)) < 0)
            continue; /* another kind of item */
        ++*ret_n;
        if (!find_tool(form, request, &name, &tool)) {
            snprintf(fault, size, "there is no tool '%s'", text);
            return 0;
        }
        if (!check_arguments(form, &tool, &arguments, text, fault, size))
            return 0;
    }
    return 1;
}

int validate_answer(struct aiex_slice dialect, struct aiex_slice request, struct aiex_slice answer,
                    enum validate level, char *fault, size_t size)
{
    struct aiex_json_span asked = root_of(request), said = root_of(answer), text, refusal;
    const struct form *form = form_of(dialect);
    char ignored[256];
    size_t calls = 0;
    int good;

    if (!form || !asked.type || !said.type || level == VALIDATE_OFF)
        return 1;
    good = check_calls(form, &asked, &said, &calls, level >= VALIDATE_TOOLS ? fault : ignored,
                       level >= VALIDATE_TOOLS ? size : sizeof(ignored));
    if (level >= VALIDATE_TOOLS && !good)
        return 0;
    if (calls || !wants_json(form, &asked) ||
        (find(&said, form->refusal, &refusal) && refusal.type == AIEX_JSON_STRING))
        return 1;
    if (find_text(form, &said, &text))
        return check_text(form, &asked, &text, level, fault, size);
    snprintf(fault, size, "there is no text, and JSON was asked for");
    return 0;
}

/* ---- Repair ---- */

static void write_message(struct aiex_json_out *w, const char *fault)
{
    aiex_jw_raw(w, "{\"role\":\"user\",\"content\":\"Your last answer can not be used: ");
    aiex_jw_escape(w, fault, strlen(fault));
    aiex_jw_raw(w, ". Answer the request above again, exactly in the form that was asked for.\"}");
}

static void write_repaired(struct aiex_json_out *w, struct aiex_slice request,
                           const struct aiex_json_span *list, const char *fault)
{
    const char *text = (const char *)request.data, *end = list->data + list->len;
    struct aiex_json_span first;
    size_t pos = 0;

    if (list->type == AIEX_JSON_STRING) { /* openai.responses: one text */
        aiex_jw_rawn(w, text, (size_t)(list->data - text));
        aiex_jw_raw(w, "[{\"role\":\"user\",\"content\":");
        aiex_jw_rawn(w, list->data, list->len);
        aiex_jw_raw(w, "},");
        write_message(w, fault);
        aiex_jw_raw(w, "]");
    } else {
        aiex_jw_rawn(w, text, (size_t)(end - 1 - text));
        if (aiex_json_next(list, &pos, NULL, &first))
            aiex_jw_raw(w, ",");
        write_message(w, fault);
        aiex_jw_raw(w, "]");
    }
    aiex_jw_rawn(w, end, (size_t)(text + request.len - end));
}

int validate_repair(struct aiex_slice request, const char *fault, struct aiex_slice *ret)
{
    struct aiex_json_span root = root_of(request), list;
    size_t cap = request.len + 6 * strlen(fault) + 512;
    struct aiex_json_out w;
    char *mem;

    if (!root.type || (!find(&root, "messages", &list) && !find(&root, "input", &list)) ||
        (list.type != AIEX_JSON_ARRAY && list.type != AIEX_JSON_STRING))
        return -EINVAL;
    mem = malloc(cap);
    if (!mem)
        return -ENOMEM;
    aiex_jw_init(&w, mem, cap);
    write_repaired(&w, request, &list, fault);
    *ret = (struct aiex_slice){(uint8_t *)mem, w.len};
    return w.failed ? (free(mem), -ENOMEM) : 0;
}

/*
 * request_tools.c - tool definitions and tool_choice, as the openai dialects, ollama (which has
 * openai.chat's form) and anthropic give them.
 *
 * A tool is a function or takes free text (custom). Tools that the vendor of the client's dialect
 * runs itself (web_search, local_shell, computer_..., bash_...) can not be offered elsewhere and
 * are left out.
 */
#include "keys.h"
#include "request.h"

static int is_kind(const struct members *m, const char *type)
{
    return aiex_json_is(&m->of[K_type], type);
}

/* openai.chat wraps the definition under its type's name, responses does not. */
static void unwrap(const struct members *m, enum key under, struct members *ret)
{
    if (m->of[under].type == AIEX_JSON_OBJECT)
        members_read(&m->of[under], ret);
    else
        *ret = *m;
}

static struct raw object_of(const struct aiex_json_span *s)
{
    return s->type == AIEX_JSON_OBJECT ? json_of(s) : RAW("");
}

static int add_function(struct reader *r, const struct members *m, struct raw space,
                        struct raw cache)
{
    struct tool *t;
    int rc = 0;

    if (!text_of(&m->of[K_name]).len)
        return read_fail(r, -EINVAL, "tools: a function needs a name");
    t = add_tool(r, &rc);
    if (!t)
        return rc;
    t->name = text_of(&m->of[K_name]);
    t->space = space;
    t->description = text_of(&m->of[K_description]);
    t->schema = object_of(&m->of[K_parameters]);
    if (!t->schema.len)
        t->schema = object_of(&m->of[K_input_schema]);
    if (m->of[K_strict].type == AIEX_JSON_TRUE || m->of[K_strict].type == AIEX_JSON_FALSE)
        t->strict = m->of[K_strict].type == AIEX_JSON_TRUE;
    t->cache = cache;
    return 0;
}

/* format: {type: grammar, syntax, definition}, under `grammar` in openai.chat. */
static int add_custom(struct reader *r, const struct members *m, struct raw space)
{
    struct members format, grammar;
    struct tool *t;
    int rc = 0;

    if (!text_of(&m->of[K_name]).len)
        return read_fail(r, -EINVAL, "tools: a custom tool needs a name");
    t = add_tool(r, &rc);
    if (!t)
        return rc;
    t->custom = 1;
    t->name = text_of(&m->of[K_name]);
    t->space = space;
    t->description = text_of(&m->of[K_description]);
    members_read(&m->of[K_format], &format);
    unwrap(&format, K_grammar, &grammar);
    t->syntax = text_of(&grammar.of[K_syntax]);
    t->grammar = text_of(&grammar.of[K_definition]);
    return 0;
}

static int read_one(struct reader *r, const struct members *m, struct raw space);

static int read_list(struct reader *r, const struct aiex_json_span *list, struct raw space)
{
    struct aiex_json_span string;
    struct members tool;
    size_t at = 0;
    int rc = 0;

    while (rc == 0 && members_next(list, &at, &tool, &string)) {
        rc = count_piece(r);
        if (rc == 0)
            rc = read_one(r, &tool, space);
    }
    return rc;
}

static int read_one(struct reader *r, const struct members *m, struct raw space)
{
    struct members in;

    if (is_kind(m, "namespace"))
        return space.len ? 0 : read_list(r, &m->of[K_tools], text_of(&m->of[K_name]));
    if (is_kind(m, "custom") && m->of[K_input_schema].type != AIEX_JSON_OBJECT) {
        unwrap(m, K_custom, &in);
        return add_custom(r, &in, space);
    }
    if (is_kind(m, "function") || is_kind(m, "custom") ||
        (!m->of[K_type].type && (m->of[K_name].type || m->of[K_function].type))) {
        unwrap(m, K_function, &in);
        return add_function(r, &in, space, object_of(&m->of[K_cache_control]));
    }
    return 0;
}

int read_tools(struct reader *r, const struct aiex_json_span *list)
{
    return read_list(r, list, RAW(""));
}

static void choose(struct reader *r, int choice, const struct members *named)
{
    r->v.choice = choice;
    if (named) {
        r->v.choice_name = text_of(&named->of[K_name]);
        r->v.choice_space = text_of(&named->of[K_namespace]);
    }
}

static int choice_of(const struct aiex_json_span *word)
{
    static const struct {
        const char *word;
        int choice;
    } words[] = {{"auto", CHOICE_AUTO},
                 {"none", CHOICE_NONE},
                 {"required", CHOICE_REQUIRED},
                 {"any", CHOICE_REQUIRED}};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (aiex_json_is(word, words[i].word))
            return words[i].choice;
    return CHOICE_UNSET;
}

/* {type: allowed_tools, mode, tools}, wrapped in openai.chat. */
static void choose_allowed(struct reader *r, const struct members *m)
{
    struct members in;

    unwrap(m, K_allowed_tools, &in);
    r->v.choice = choice_of(&in.of[K_mode]);
    if (in.of[K_tools].type == AIEX_JSON_ARRAY)
        r->v.allowed = in.of[K_tools];
}

void read_choice(struct reader *r, const struct aiex_json_span *choice)
{
    struct members m, in;

    r->v.choice = choice_of(choice);
    if (choice->type != AIEX_JSON_OBJECT)
        return;
    members_read(choice, &m);
    if (is_kind(&m, "allowed_tools")) {
        choose_allowed(r, &m);
    } else if (is_kind(&m, "function") || is_kind(&m, "custom") || is_kind(&m, "tool") ||
               m.of[K_name].type) {
        unwrap(&m, is_kind(&m, "custom") ? K_custom : K_function, &in);
        choose(r, CHOICE_ONE, &in);
    } else {
        choose(r, choice_of(&m.of[K_type]), NULL);
    }
    if (m.of[K_disable_parallel_tool_use].type == AIEX_JSON_TRUE)
        r->v.parallel = 0;
}

static void allow(struct conv *v, const struct aiex_json_span *one)
{
    struct members m, in;

    members_read(one, &m);
    unwrap(&m, is_kind(&m, "custom") ? K_custom : K_function, &in);
    for (struct tool *t = v->tools; t; t = t->next)
        if (raw_same(text_of(&in.of[K_name]), t->name) &&
            (!in.of[K_namespace].type || raw_same(text_of(&in.of[K_namespace]), t->space)))
            t->allowed = 1;
}

void keep_allowed_tools(struct conv *v)
{
    struct aiex_json_span one;
    struct tool **to = &v->tools;
    size_t at = 0;

    for (unsigned n = 0; n < REQUEST_MAX_TOOLS && aiex_json_next(&v->allowed, &at, NULL, &one); n++)
        allow(v, &one);
    while (*to) {
        if ((*to)->allowed)
            to = &(*to)->next;
        else
            *to = (*to)->next;
    }
    v->tools_end = to;
}

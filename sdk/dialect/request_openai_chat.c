/*
 * request_openai_chat.c - reads POST /v1/chat/completions.
 *
 * Also what compatible servers and older clients have: `reasoning_content`, `functions` and
 * `function_call`, role "function", `max_tokens`.
 */
#include "keys.h"
#include "request.h"

static struct raw cache_of(const struct members *m)
{
    return m->of[K_cache_control].type == AIEX_JSON_OBJECT ? json_of(&m->of[K_cache_control])
                                                           : RAW("");
}

static int read_call(struct reader *r, struct message *msg, const struct members *m,
                     const struct place *place)
{
    int custom = m->of[K_custom].type == AIEX_JSON_OBJECT, rc = 0;
    struct members in;
    struct part *p;

    members_read(&m->of[custom ? K_custom : K_function], &in);
    if (!text_of(&in.of[K_name]).len)
        return read_fail(r, -EINVAL, "%s[%zu].tool_calls: a call needs function.name", place->list,
                         place->index);
    p = add_part(r, &msg->end, PART_CALL, &rc);
    if (!p)
        return rc;
    p->id = text_of(&m->of[K_id]);
    p->name = text_of(&in.of[K_name]);
    p->args_form = custom ? ARGS_TEXT : ARGS_STRING;
    p->args = text_of(&in.of[custom ? K_input : K_arguments]);
    if (in.of[K_arguments].type == AIEX_JSON_OBJECT) { /* not by the letter, but it is meant */
        p->args_form = ARGS_OBJECT;
        p->args = json_of(&in.of[K_arguments]);
    }
    return 0;
}

/* The call of the time before tools: {name, arguments}, without an id. */
static int read_old_call(struct reader *r, struct message *msg, const struct aiex_json_span *call)
{
    struct members m;
    struct part *p;
    int rc = 0;

    members_read(call, &m);
    if (!text_of(&m.of[K_name]).len)
        return 0;
    p = add_part(r, &msg->end, PART_CALL, &rc);
    if (!p)
        return rc;
    p->name = text_of(&m.of[K_name]);
    p->args_form = ARGS_STRING;
    p->args = text_of(&m.of[K_arguments]);
    return 0;
}

static int read_kind_text(struct reader *r, struct message *msg, int kind, struct raw text)
{
    struct part *p;
    int rc = 0;

    if (!text.len)
        return 0;
    p = add_part(r, &msg->end, kind, &rc);
    if (p)
        p->text = text;
    return rc;
}

static int read_assistant(struct reader *r, const struct members *m, const struct place *place)
{
    struct aiex_json_span string;
    struct members call;
    struct message *msg;
    struct raw why;
    size_t at = 0;
    int rc = 0;

    msg = add_message(r, ROLE_ASSISTANT, &rc);
    if (!msg)
        return rc;
    why = text_of(&m->of[m->of[K_reasoning_content].type ? K_reasoning_content : K_reasoning]);
    rc = read_kind_text(r, msg, PART_REASONING, why);
    if (rc == 0)
        rc = read_parts(r, &m->of[K_content], &msg->end, 1, place);
    if (rc == 0)
        rc = read_kind_text(r, msg, PART_REFUSAL, text_of(&m->of[K_refusal]));
    while (rc == 0 && members_next(&m->of[K_tool_calls], &at, &call, &string))
        rc = read_call(r, msg, &call, place);
    if (rc == 0 && m->of[K_function_call].type == AIEX_JSON_OBJECT)
        rc = read_old_call(r, msg, &m->of[K_function_call]);
    return rc;
}

static int read_result(struct reader *r, const struct members *m, const struct place *place)
{
    struct message *msg;
    struct part *p, **end;
    int rc = 0;

    msg = add_message(r, ROLE_USER, &rc);
    p = msg ? add_part(r, &msg->end, PART_RESULT, &rc) : NULL;
    if (!p)
        return rc;
    p->id = text_of(&m->of[K_tool_call_id]);
    p->name = text_of(&m->of[K_name]);
    p->cache = cache_of(m);
    end = &p->inside;
    return read_parts(r, &m->of[K_content], &end, 0, place);
}

static int read_plain(struct reader *r, const struct members *m, int role,
                      const struct place *place)
{
    struct message *msg;
    int rc = 0;

    msg = add_message(r, role, &rc);
    if (!msg)
        return rc;
    rc = read_parts(r, &m->of[K_content], &msg->end, 0, place);
    if (rc == 0 && msg->parts && m->of[K_cache_control].type)
        msg->parts->cache = cache_of(m);
    return rc;
}

static int read_message(struct reader *r, const struct members *m, const struct place *place)
{
    const struct aiex_json_span *role = &m->of[K_role];

    if (m->type != AIEX_JSON_OBJECT)
        return read_fail(r, -EINVAL, "%s[%zu]: a message is an object", place->list, place->index);
    if (aiex_json_is(role, "user"))
        return read_plain(r, m, ROLE_USER, place);
    if (aiex_json_is(role, "assistant"))
        return read_assistant(r, m, place);
    if (aiex_json_is(role, "tool") || aiex_json_is(role, "function"))
        return read_result(r, m, place);
    if (aiex_json_is(role, "system"))
        return read_plain(r, m, ROLE_SYSTEM, place);
    if (aiex_json_is(role, "developer"))
        return read_plain(r, m, ROLE_DEVELOPER, place);
    return read_fail(r, -EINVAL,
                     "%s[%zu].role: %.*s is no role; use system, developer, user, assistant or "
                     "tool",
                     place->list, place->index,
                     (int)(role->len > 40 ? 40
                           : role->type   ? role->len
                                          : 7),
                     role->type ? role->data : "nothing");
}

static int read_format(struct reader *r, const struct members *m)
{
    struct members format, schema;

    members_read(&m->of[K_response_format], &format);
    if (aiex_json_is(&format.of[K_type], "json_object"))
        r->v.format = FORMAT_JSON;
    if (!aiex_json_is(&format.of[K_type], "json_schema"))
        return 0;
    if (format.of[K_json_schema].type != AIEX_JSON_OBJECT)
        return read_fail(r, -EINVAL, "response_format.json_schema: an object is needed");
    members_read(&format.of[K_json_schema], &schema);
    read_schema(r, &schema);
    return 0;
}

/* Some servers take {reasoning: {effort}} instead. */
static int read_effort(const struct members *m)
{
    struct members reasoning;

    if (m->of[K_reasoning_effort].type)
        return effort_of(text_of(&m->of[K_reasoning_effort]));
    members_read(&m->of[K_reasoning], &reasoning);
    return effort_of(text_of(&reasoning.of[K_effort]));
}

static int read_limits(struct reader *r, const struct members *m)
{
    struct aiex_json_span one;
    size_t at = 0;
    int64_t n;

    while (m->of[K_modalities].type == AIEX_JSON_ARRAY &&
           aiex_json_next(&m->of[K_modalities], &at, NULL, &one))
        if (!aiex_json_is(&one, "text"))
            return read_fail(r, -ENOTSUP, "modalities: this provider answers in text only");

    if (aiex_json_int(&m->of[K_n], &n) == 0 && n != 1)
        return read_fail(r, -ENOTSUP, "n: the model's provider gives one answer, not %lld",
                         (long long)n);
    return 0;
}

int read_openai_chat(struct reader *r, const struct members *m)
{
    struct place place = {"messages", 0};
    struct aiex_json_span string;
    struct members message;
    size_t at = 0;
    int rc;

    if (m->of[K_messages].type != AIEX_JSON_ARRAY)
        return read_fail(r, -EINVAL, "messages: an array of messages is needed");
    rc = read_limits(r, m);
    for (; rc == 0 && members_next(&m->of[K_messages], &at, &message, &string); place.index++)
        rc = read_message(r, &message, &place);
    if (rc == 0)
        rc = read_tools(r, &m->of[m->of[K_tools].type ? K_tools : K_functions]);
    if (rc == 0)
        rc = read_format(r, m);
    read_choice(r, &m->of[m->of[K_tool_choice].type ? K_tool_choice : K_function_call]);
    read_sampling(r, m);
    r->v.effort = read_effort(m);
    r->v.verbosity = text_of(&m->of[K_verbosity]);
    return rc;
}

/*
 * request_responses.c - reads POST /v1/responses.
 *
 * Items become turns: what the model did in a row (reasoning, messages, calls) is one assistant
 * message, results in a row are one user message. Calls of the vendor's own client-side
 * tools (local_shell, shell, apply_patch, computer) are told as calls of functions of that name;
 * what ran at the vendor (web_search, file_search, ...) left its text in the answers and goes.
 */
#include "keys.h"
#include "request.h"

struct item {
    struct members m;
    struct place place;
};

/* The turn that goes on, or a new one. */
static struct message *open_turn(struct reader *r, int role, int *ret)
{
    struct message *last = r->last;

    if (last && last->role == role &&
        (role == ROLE_ASSISTANT || count_kind(last->parts, PART_RESULT)))
        return last;
    return add_message(r, role, ret);
}

/* ---- Messages and reasoning ---- */

static int read_message(struct reader *r, const struct item *i)
{
    const struct aiex_json_span *role = &i->m.of[K_role];
    struct message *msg;
    struct part **from;
    int who, rc = 0;

    who = aiex_json_is(role, "user")        ? ROLE_USER
          : aiex_json_is(role, "assistant") ? ROLE_ASSISTANT
          : aiex_json_is(role, "developer") ? ROLE_DEVELOPER
          : aiex_json_is(role, "system")    ? ROLE_SYSTEM
                                            : 0;
    if (!who)
        return read_fail(r, -EINVAL, "%s[%zu].role: use system, developer, user or assistant",
                         i->place.list, i->place.index);
    msg = who == ROLE_ASSISTANT ? open_turn(r, who, &rc) : add_message(r, who, &rc);
    if (!msg)
        return rc;
    from = msg->end;
    rc = read_parts(r, &i->m.of[K_content], &msg->end, who == ROLE_ASSISTANT, &i->place);
    if (*from)
        (*from)->glued = 0;
    return rc;
}

/* One summary with its seal is what anthropic's thinking was handed out as. */
static int read_reasoning(struct reader *r, const struct item *i)
{
    const struct aiex_json_span *said =
        &i->m.of[i->m.of[K_content].type == AIEX_JSON_ARRAY ? K_content : K_summary];
    struct message *msg;
    struct part **from;
    int rc = 0;

    msg = open_turn(r, ROLE_ASSISTANT, &rc);
    if (!msg)
        return rc;
    from = msg->end;
    rc = read_parts(r, said, &msg->end, 0, &i->place);
    for (struct part *p = *from; p; p = p->next)
        p->kind = PART_REASONING;
    if (*from && !(*from)->next)
        (*from)->sealed = text_of(&i->m.of[K_encrypted_content]);
    return rc;
}

/* ---- Calls and their results ---- */

static struct raw id_of(const struct item *i)
{
    return text_of(&i->m.of[i->m.of[K_call_id].type ? K_call_id : K_id]);
}

static int add_call(struct reader *r, const struct item *i, struct raw name, int form,
                    struct raw args)
{
    struct message *msg;
    struct part *p;
    int rc = 0;

    if (!name.len)
        return read_fail(r, -EINVAL, "%s[%zu].name: a call needs one", i->place.list,
                         i->place.index);
    msg = open_turn(r, ROLE_ASSISTANT, &rc);
    p = msg ? add_part(r, &msg->end, PART_CALL, &rc) : NULL;
    if (!p)
        return rc;
    p->id = id_of(i);
    p->name = name;
    p->space = text_of(&i->m.of[K_namespace]);
    p->args_form = form;
    p->args = args;
    return 0;
}

static int read_function_call(struct reader *r, const struct item *i)
{
    return add_call(r, i, text_of(&i->m.of[K_name]), ARGS_STRING, text_of(&i->m.of[K_arguments]));
}

static int read_custom_call(struct reader *r, const struct item *i)
{
    return add_call(r, i, text_of(&i->m.of[K_name]), ARGS_TEXT, text_of(&i->m.of[K_input]));
}

/* "local_shell_call" is told as a call of local_shell; its action is the arguments. */
static int read_builtin_call(struct reader *r, const struct item *i)
{
    struct raw name = text_of(&i->m.of[K_type]);
    const struct aiex_json_span *what =
        &i->m.of[i->m.of[K_operation].type ? K_operation : K_action];

    name.len -= strlen("_call");
    return add_call(r, i, name, ARGS_OBJECT,
                    what->type == AIEX_JSON_OBJECT ? json_of(what) : RAW("{}"));
}

/* An output is a text, parts, one part, or an object that is told as JSON. */
static int read_output_parts(struct reader *r, const struct item *i, struct part *p)
{
    const struct aiex_json_span *output = &i->m.of[K_output];
    struct part **end = &p->inside, *text;
    struct members m;
    int rc = 0;

    members_read(output, &m);
    if (output->type == AIEX_JSON_ARRAY || output->type == AIEX_JSON_STRING) {
        rc = read_parts(r, output, &end, 0, &i->place);
    } else if (m.of[K_content].type) {
        rc = read_parts(r, &m.of[K_content], &end, 0, &i->place);
    } else if (m.of[K_image_url].type) {
        text = add_part(r, &end, PART_IMAGE, &rc);
        if (text)
            part_from_url(text, text_of(&m.of[K_image_url]));
    }
    if (rc != 0 || p->inside || output->type < AIEX_JSON_ARRAY)
        return rc;
    text = add_part(r, &end, PART_TEXT, &rc);
    return text ? keep_text(r, output->data, output->len, &text->text) : rc;
}

static int read_output(struct reader *r, const struct item *i)
{
    struct message *msg;
    struct part *p;
    int rc = 0;

    msg = open_turn(r, ROLE_USER, &rc);
    p = msg ? add_part(r, &msg->end, PART_RESULT, &rc) : NULL;
    if (!p)
        return rc;
    p->id = id_of(i);
    return read_output_parts(r, i, p);
}

/* A call that the vendor made and answered itself. */
static int read_mcp_call(struct reader *r, const struct item *i)
{
    int rc = read_function_call(r, i);

    return rc != 0 ? rc : read_output(r, i);
}

static int read_more_tools(struct reader *r, const struct item *i)
{
    return read_tools(r, &i->m.of[K_tools]);
}

static int refuse_reference(struct reader *r, const struct item *i)
{
    return read_fail(r, -EINVAL,
                     "%s[%zu]: an item_reference can not be resolved here; send the item itself",
                     i->place.list, i->place.index);
}

static const struct {
    const char *type;
    int (*read)(struct reader *, const struct item *);
} kinds[] = {
    {"message", read_message},
    {"function_call", read_function_call},
    {"function_call_output", read_output},
    {"custom_tool_call", read_custom_call},
    {"custom_tool_call_output", read_output},
    {"reasoning", read_reasoning},
    {"local_shell_call", read_builtin_call},
    {"local_shell_call_output", read_output},
    {"shell_call", read_builtin_call},
    {"shell_call_output", read_output},
    {"apply_patch_call", read_builtin_call},
    {"apply_patch_call_output", read_output},
    {"computer_call", read_builtin_call},
    {"computer_call_output", read_output},
    {"mcp_call", read_mcp_call},
    {"additional_tools", read_more_tools},
    {"tool_search_output", read_more_tools},
    {"item_reference", refuse_reference},
};

static int read_item(struct reader *r, const struct item *i)
{
    if (i->m.type != AIEX_JSON_OBJECT)
        return read_fail(r, -EINVAL, "input[%zu]: an item is an object", i->place.index);
    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
        if (aiex_json_is(&i->m.of[K_type], kinds[k].type))
            return kinds[k].read(r, i);
    if (!i->m.of[K_type].type && i->m.of[K_role].type)
        return read_message(r, i);
    return i->m.of[K_type].type ? 0 : refuse_reference(r, i);
}

/* ---- The rest ---- */

static int read_input(struct reader *r, const struct aiex_json_span *input)
{
    struct item i = {.place = {"input", 0}};
    struct aiex_json_span string;
    struct message *msg;
    size_t at = 0;
    int rc = 0;

    if (input->type == AIEX_JSON_STRING) {
        msg = add_message(r, ROLE_USER, &rc);
        return msg ? read_parts(r, input, &msg->end, 0, &i.place) : rc;
    }
    if (input->type != AIEX_JSON_ARRAY)
        return read_fail(r, -EINVAL, "input: a string or an array of items is needed");
    for (; rc == 0 && members_next(input, &at, &i.m, &string); i.place.index++) {
        rc = count_piece(r);
        if (rc == 0)
            rc = read_item(r, &i);
    }
    return rc;
}

static int read_instructions(struct reader *r, const struct aiex_json_span *instructions)
{
    struct place place = {"instructions", 0};
    struct message *msg;
    int rc = 0;

    if (instructions->type != AIEX_JSON_STRING || instructions->len <= 2)
        return 0;
    msg = add_message(r, ROLE_SYSTEM, &rc);
    return msg ? read_parts(r, instructions, &msg->end, 0, &place) : rc;
}

static void read_text_settings(struct reader *r, const struct members *m)
{
    struct members text, format, reasoning;

    members_read(&m->of[K_text], &text);
    r->v.verbosity = text_of(&text.of[K_verbosity]);
    members_read(&text.of[K_format], &format);
    if (aiex_json_is(&format.of[K_type], "json_schema"))
        read_schema(r, &format);
    else if (aiex_json_is(&format.of[K_type], "json_object"))
        r->v.format = FORMAT_JSON;
    members_read(&m->of[K_reasoning], &reasoning);
    r->v.effort = effort_of(text_of(&reasoning.of[K_effort]));
}

int read_responses(struct reader *r, const struct members *m)
{
    int rc;

    if (m->of[K_prompt].type == AIEX_JSON_OBJECT || m->of[K_conversation].type >= AIEX_JSON_STRING)
        return read_fail(r, -ENOTSUP, "%s: this provider keeps none; send the input itself",
                         m->of[K_prompt].type == AIEX_JSON_OBJECT ? "prompt" : "conversation");
    rc = read_instructions(r, &m->of[K_instructions]);
    if (rc == 0)
        rc = read_tools(r, &m->of[K_tools]);
    if (rc == 0)
        rc = read_input(r, &m->of[K_input]);
    read_choice(r, &m->of[K_tool_choice]);
    read_sampling(r, m);
    read_text_settings(r, m);
    return rc;
}

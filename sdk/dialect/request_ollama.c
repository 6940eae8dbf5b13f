/*
 * request_ollama.c - reads POST /api/chat.
 *
 * Calls and results usually have no ids: request_turns.c makes them.
 */
#include "keys.h"
#include "request.h"

static int read_images(struct reader *r, struct message *msg, const struct aiex_json_span *images)
{
    struct aiex_json_span one;
    struct part *p;
    size_t at = 0;
    int rc = 0;

    while (images->type == AIEX_JSON_ARRAY && aiex_json_next(images, &at, NULL, &one)) {
        p = add_part(r, &msg->end, PART_IMAGE, &rc);
        if (!p)
            return rc;
        part_from_url(p, text_of(&one));
        if (!p->data.len) {
            p->data = p->url;
            p->url = RAW("");
        }
        if (!p->media.len)
            p->media = media_of_base64(p->data);
    }
    return 0;
}

static int read_call(struct reader *r, struct message *msg, const struct members *m)
{
    struct members in;
    struct part *p;
    int rc = 0;

    members_read(&m->of[K_function], &in);
    if (!text_of(&in.of[K_name]).len)
        return read_fail(r, -EINVAL, "messages: a tool call needs function.name");
    p = add_part(r, &msg->end, PART_CALL, &rc);
    if (!p)
        return rc;
    p->id = text_of(&m->of[K_id]);
    p->name = text_of(&in.of[K_name]);
    p->args_form = in.of[K_arguments].type == AIEX_JSON_STRING ? ARGS_STRING : ARGS_OBJECT;
    p->args = in.of[K_arguments].type == AIEX_JSON_OBJECT ? json_of(&in.of[K_arguments])
              : p->args_form == ARGS_STRING               ? text_of(&in.of[K_arguments])
                                                          : RAW("{}");
    return 0;
}

static int read_assistant(struct reader *r, struct message *msg, const struct members *m,
                          const struct place *place)
{
    struct aiex_json_span string;
    struct members call;
    struct part *p;
    size_t at = 0;
    int rc = 0;

    if (text_of(&m->of[K_thinking]).len) {
        p = add_part(r, &msg->end, PART_REASONING, &rc);
        if (!p)
            return rc;
        p->text = text_of(&m->of[K_thinking]);
    }
    rc = read_parts(r, &m->of[K_content], &msg->end, 1, place);
    while (rc == 0 && members_next(&m->of[K_tool_calls], &at, &call, &string))
        rc = read_call(r, msg, &call);
    return rc;
}

static int read_result(struct reader *r, struct message *msg, const struct members *m,
                       const struct place *place)
{
    struct message inside = {.end = &inside.parts};
    struct part *p;
    int rc = 0;

    p = add_part(r, &msg->end, PART_RESULT, &rc);
    if (!p)
        return rc;
    p->id = text_of(&m->of[K_tool_call_id]);
    p->name = text_of(&m->of[m->of[K_tool_name].type ? K_tool_name : K_name]);
    rc = read_parts(r, &m->of[K_content], &inside.end, 0, place);
    if (rc == 0)
        rc = read_images(r, &inside, &m->of[K_images]);
    p->inside = inside.parts;
    return rc;
}

static int read_message(struct reader *r, const struct members *m, const struct place *place)
{
    struct message *msg;
    int role, rc = 0;

    if (m->type != AIEX_JSON_OBJECT)
        return read_fail(r, -EINVAL, "messages[%zu]: a message is an object", place->index);
    role = aiex_json_is(&m->of[K_role], "assistant") ? ROLE_ASSISTANT
           : aiex_json_is(&m->of[K_role], "system")  ? ROLE_SYSTEM
           : aiex_json_is(&m->of[K_role], "user") || aiex_json_is(&m->of[K_role], "tool")
               ? ROLE_USER
               : 0;
    if (!role)
        return read_fail(r, -EINVAL, "messages[%zu].role: use system, user, assistant or tool",
                         place->index);
    msg = add_message(r, role, &rc);
    if (!msg)
        return rc;
    if (role == ROLE_ASSISTANT)
        return read_assistant(r, msg, m, place);
    if (aiex_json_is(&m->of[K_role], "tool"))
        return read_result(r, msg, m, place);
    rc = read_parts(r, &m->of[K_content], &msg->end, 0, place);
    return rc != 0 ? rc : read_images(r, msg, &m->of[K_images]);
}

void read_ollama_options(struct reader *r, const struct members *m)
{
    struct members options;
    struct raw word;

    members_read(&m->of[K_options], &options);
    read_sampling(r, &options);
    if (m->of[K_format].type == AIEX_JSON_OBJECT) {
        r->v.format = FORMAT_SCHEMA;
        r->v.schema = json_of(&m->of[K_format]);
    } else if (aiex_json_is(&m->of[K_format], "json")) {
        r->v.format = FORMAT_JSON;
    }
    word = text_of(&m->of[K_think]);
    r->v.effort = effort_of(word);
    if (m->of[K_think].type == AIEX_JSON_TRUE || word.len)
        r->v.think = 1;
    else if (m->of[K_think].type == AIEX_JSON_FALSE)
        r->v.think = 0;
}

int read_ollama(struct reader *r, const struct members *m)
{
    struct place place = {"messages", 0};
    struct aiex_json_span string;
    struct members message;
    size_t at = 0;
    int rc = 0;

    if (m->of[K_messages].type != AIEX_JSON_ARRAY)
        return read_fail(r, -EINVAL, "messages: an array of messages is needed");
    for (; rc == 0 && members_next(&m->of[K_messages], &at, &message, &string); place.index++)
        rc = read_message(r, &message, &place);
    if (rc == 0)
        rc = read_tools(r, &m->of[K_tools]);
    read_ollama_options(r, m);
    return rc;
}

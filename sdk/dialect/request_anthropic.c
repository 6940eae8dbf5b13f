/*
 * request_anthropic.c - reads POST /v1/messages.
 */
#include "keys.h"
#include "request.h"

/* An agent's note to its own vendor's accounts, different each time: it would spoil the prompt
 * caches of all others. */
static void drop_bill(struct message *msg)
{
    static const char bill[] = "x-anthropic-billing-header:";
    struct part *first = msg->parts;

    if (!first || first->text.len < sizeof(bill) - 1 ||
        memcmp(first->text.at, bill, sizeof(bill) - 1) != 0)
        return;
    msg->parts = first->next;
    if (!msg->parts)
        msg->end = &msg->parts;
}

static int read_system(struct reader *r, const struct members *m)
{
    struct place place = {"system", 0};
    struct message *msg;
    int rc = 0;

    if (!m->of[K_system].type || m->of[K_system].type == AIEX_JSON_NULL)
        return 0;
    msg = add_message(r, ROLE_SYSTEM, &rc);
    if (!msg)
        return rc;
    rc = read_parts(r, &m->of[K_system], &msg->end, 0, &place);
    drop_bill(msg);
    return rc;
}

static int read_message(struct reader *r, const struct members *m, const struct place *place)
{
    struct message *msg;
    int role, rc = 0;

    if (m->type != AIEX_JSON_OBJECT)
        return read_fail(r, -EINVAL, "messages[%zu]: a message is an object", place->index);
    role = aiex_json_is(&m->of[K_role], "user")        ? ROLE_USER
           : aiex_json_is(&m->of[K_role], "assistant") ? ROLE_ASSISTANT
           : aiex_json_is(&m->of[K_role], "system")    ? ROLE_SYSTEM
                                                       : 0;
    if (!role)
        return read_fail(r, -EINVAL, "messages[%zu].role: use user or assistant", place->index);
    msg = add_message(r, role, &rc);
    return msg ? read_parts(r, &m->of[K_content], &msg->end, role == ROLE_ASSISTANT, place) : rc;
}

static void read_thinking(struct reader *r, const struct members *m)
{
    struct members thinking, output, format;

    members_read(&m->of[K_thinking], &thinking);
    if (aiex_json_is(&thinking.of[K_type], "enabled") ||
        aiex_json_is(&thinking.of[K_type], "adaptive"))
        r->v.think = 1;
    else if (aiex_json_is(&thinking.of[K_type], "disabled"))
        r->v.think = 0;
    if (aiex_json_int(&thinking.of[K_budget_tokens], &r->v.budget) != 0 || r->v.budget < 0)
        r->v.budget = 0;
    members_read(&m->of[K_output_config], &output);
    r->v.effort = effort_of(text_of(&output.of[K_effort]));
    members_read(&output.of[output.of[K_format].type ? K_format : K_type], &format);
    if (!format.of[K_schema].type)
        members_read(&m->of[K_output_format], &format);
    if (format.of[K_schema].type)
        read_schema(r, &format);
}

int read_anthropic(struct reader *r, const struct members *m)
{
    struct place place = {"messages", 0};
    struct aiex_json_span string;
    struct members message, metadata;
    size_t at = 0;
    int rc;

    if (m->of[K_messages].type != AIEX_JSON_ARRAY)
        return read_fail(r, -EINVAL, "messages: an array of messages is needed");
    rc = read_system(r, m);
    for (; rc == 0 && members_next(&m->of[K_messages], &at, &message, &string); place.index++)
        rc = read_message(r, &message, &place);
    if (rc == 0)
        rc = read_tools(r, &m->of[K_tools]);
    read_choice(r, &m->of[K_tool_choice]);
    read_sampling(r, m);
    read_thinking(r, m);
    r->v.stop = m->of[K_stop_sequences];
    r->v.metadata = RAW("");
    members_read(&m->of[K_metadata], &metadata);
    r->v.user = text_of(&metadata.of[K_user_id]);
    return rc;
}

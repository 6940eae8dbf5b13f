/*
 * said.c - what the client said, out of its request.
 *
 * The request is brought into OpenAI's form by the library that translates for vendors. Its
 * messages behind the last answer are what is new: clients send what was said before along.
 */
#include "turn.h"

#include <errno.h>
#include <stdio.h>

/* The messages of a request as an array of OpenAI's. *ret_chat owns them, unless NULL. */
static int to_openai(struct aiex_turn *t, struct aiex_slice body, struct aiex_chat **ret_chat,
                     struct aiex_json_span *ret, struct aiex_error *err)
{
    const struct aiex_chat_setup setup = {.struct_size = sizeof(setup),
                                          .client = t->dialect,
                                          .vendor = AIEX_OPENAI_CHAT,
                                          .model = {(const uint8_t *)"m", 1}};
    struct aiex_json_field f[] = {{.key = "messages"}};
    int r = 0;

    *ret_chat = NULL;
    if (t->dialect != AIEX_OPENAI_CHAT) {
        r = aiex_chat_new(&setup, body, ret_chat, err);
        if (r == 0)
            body = aiex_chat_request(*ret_chat);
    }
    if (r < 0)
        return r;
    if (aiex_json_scan(body, AIEX_JSON_MAX_DEPTH, f, 1, NULL) != AIEX_JSON_OBJECT ||
        f[0].value.type != AIEX_JSON_ARRAY)
        return aiex_failed(err, -EINVAL, "the request has no messages");
    *ret = f[0].value;
    return 0;
}

/* Who speaks: "" = nobody whose words are recorded. */
static const char *role_of(const struct aiex_json_span *message)
{
    static const char *const roles[] = {"user", "assistant", "tool"};
    struct aiex_json_span v;

    if (message->type != AIEX_JSON_OBJECT || !aiex_json_find(message, "role", &v))
        return "";
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
        if (aiex_json_is(&v, roles[i]))
            return roles[i];
    return "";
}

static int add_map(struct aiex_turn *t, const char *role, int bin, const char *bytes, size_t n)
{
    uint8_t head[64];
    struct aiex_writer w;
    int r;

    aiex_writer_init(&w, head, sizeof(head));
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "role", role);
    aiex_w_str(&w, "content");
    if (bin)
        aiex_w_bin_head(&w, n);
    else
        aiex_w_str_head(&w, n);
    r = text_add(t->all, &t->said, head, w.len, AIEX_TURN_SAID);
    return r ? r : text_add(t->all, &t->said, bytes, n, AIEX_TURN_SAID);
}

static int add_plain(struct aiex_turn *t, const char *role, const struct aiex_json_span *content)
{
    struct text plain = {NULL, 0, 0};
    int r = text_add_string(t->all, &plain, content, AIEX_TURN_MESSAGE);

    if (r == 0)
        r = add_map(t, role, 0, plain.data, plain.len);
    text_drop(t->all, &plain);
    return r;
}

static int add_message(struct aiex_turn *t, const struct aiex_json_span *m, const char *role)
{
    struct aiex_json_span content, v;
    char note[80];
    int r, plain;

    plain = aiex_json_find(m, "content", &content) && content.type == AIEX_JSON_STRING &&
            !aiex_json_find(m, "tool_calls", &v) && !aiex_json_find(m, "tool_call_id", &v);
    if (m->len > AIEX_TURN_MESSAGE) {
        r = snprintf(note, sizeof(note), "[a message of %zu bytes, which is not kept]", m->len);
        r = add_map(t, role, 0, note, (size_t)r);
    } else {
        r = plain ? add_plain(t, role, &content) : add_map(t, role, 1, m->data, m->len);
    }
    t->n_said += r == 0;
    return r;
}

/* How many messages there are, and where the new ones begin. */
static void count(const struct aiex_json_span *messages, unsigned *ret_n, unsigned *ret_new)
{
    struct aiex_json_span m;
    size_t at = 0;

    *ret_n = *ret_new = 0;
    while (aiex_json_next(messages, &at, NULL, &m)) {
        (*ret_n)++;
        if (strcmp(role_of(&m), "assistant") == 0)
            *ret_new = *ret_n;
    }
}

static int read_from(struct aiex_turn *t, const struct aiex_json_span *messages, unsigned from)
{
    struct aiex_json_span m;
    size_t at = 0;
    int r = 0;

    t->said.len = 0;
    t->n_said = 0;
    for (unsigned i = 0; r == 0 && aiex_json_next(messages, &at, NULL, &m); i++)
        if (i >= from && role_of(&m)[0])
            r = t->n_said < MAX_SAID ? add_message(t, &m, role_of(&m)) : -EMSGSIZE;
    return r;
}

int said_read(struct aiex_turn *t, struct aiex_slice body, int everything, struct aiex_error *err)
{
    struct aiex_json_span messages;
    struct aiex_chat *chat;
    unsigned n, new;
    int r = to_openai(t, body, &chat, &messages, err);

    if (r == 0) {
        count(&messages, &n, &new);
        r = read_from(t, &messages, everything ? 0 : new);
        if (r == -EMSGSIZE && everything) /* an old conversation, longer than one write */
            r = read_from(t, &messages, new);
        if (r < 0)
            aiex_failed(err, r,
                        r == -EMSGSIZE ? "the messages of the request are too many or too long"
                                       : "no memory for the messages of the request");
    }
    aiex_chat_free(chat);
    if (r == 0 && !t->n_said)
        r = aiex_failed(err, -EINVAL, "the request has no message behind the last answer");
    return r;
}

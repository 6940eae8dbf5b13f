/* interface_cli_session_test.c - questions of a session: what goes along, what is recorded. */
#include "interface_cli_rig.h"

static uint64_t ask_in(struct bench *b, const char *session, int stream)
{
    uint8_t mem[512];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 3);
    aiex_w_key_str(&w, "prompt", "why?");
    aiex_w_key_str(&w, "session", session);
    aiex_w_key_bool(&w, "stream", stream);
    return aiex_fake_request(b->host, b->plugin, b->self, "cli.ask", aiex_written(&w), 0);
}

/* A sessions service that has the session "talk" with one turn, and can be told to fail. */
struct talk {
    const char *refuses, *code; /* this method, so */
};

static int is_kept(const char *method)
{
    return strncmp(method, "sessions.", 9) == 0;
}

static struct aiex_slice talk_row(struct aiex_writer *w)
{
    aiex_w_map(w, 4);
    aiex_w_key_str(w, "session", "talk");
    aiex_w_key_str(w, "title", "My talk");
    aiex_w_key_str(w, "state", "open");
    aiex_w_key_int(w, "messages", 2);
    return aiex_written(w);
}

static void talk_history(struct aiex_writer *w)
{
    static const char *const said[2][2] = {{"assistant", "b"}, {"user", "a"}};

    aiex_w_map(w, 1);
    aiex_w_str(w, "events");
    aiex_w_array(w, 2);
    for (int i = 0; i < 2; i++) {
        aiex_w_map(w, 2);
        aiex_w_key_str(w, "type", "session.message");
        aiex_w_str(w, "data");
        aiex_w_map(w, 2);
        aiex_w_key_str(w, "role", said[i][0]);
        aiex_w_key_str(w, "content", said[i][1]);
    }
}

static int serve_talk(void *arg, struct aiex_fake_host *host, const struct aiex_fake_record *call)
{
    const struct talk *t = arg;
    struct aiex_writer w;
    uint8_t mem[512];

    if (!is_kept(call->name))
        return 0;
    aiex_writer_init(&w, mem, sizeof(mem));
    if (t->refuses && strcmp(t->refuses, call->name) == 0) {
        aiex_fake_answer_error(host, call->id, t->code, "it is so", 0, empty);
        return 0;
    }
    if (strcmp(call->name, "sessions.find") == 0) {
        aiex_w_map(&w, 1);
        aiex_w_str(&w, "sessions");
        aiex_w_array(&w, 1);
    }
    if (strcmp(call->name, "sessions.history") == 0)
        talk_history(&w);
    else
        talk_row(&w);
    aiex_fake_answer_ok(host, call->id, aiex_written(&w));
    return 0;
}

/* Asks, and the model says "be" "cause". */
static uint64_t answered_in(struct bench *b, struct talk *t, const char *session, int stream)
{
    const struct aiex_fake_record *chat;
    uint64_t id;

    aiex_fake_on_call(b->host, serve_talk, t);
    id = ask_in(b, session, stream);
    chat = aiex_fake_find(b->host, AIEX_FAKE_CALL, "gateway.chat", 0);
    if (!chat)
        return id;
    say(b, chat->id,
        "data: {\"model\":\"m1-x\",\"choices\":[{\"delta\":{\"content\":\"be\"}}]}\n\n");
    say(b, chat->id, "data: {\"choices\":[{\"delta\":{\"content\":\"cause\"}}]}\n\n");
    finish(b, chat->id);
    return id;
}

static const struct aiex_fake_record *nth_append(struct bench *b, size_t n)
{
    const struct aiex_fake_record *r = aiex_fake_find(b->host, AIEX_FAKE_CALL, "sessions.append",
                                                      n);

    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    return r;
}

/* The one message of an append. */
static struct aiex_slice message_of(const struct aiex_fake_record *append)
{
    struct aiex_value v = {0};

    CU_ASSERT_EQUAL_FATAL(aiex_get(append->body, "messages", &v), 1);
    CU_ASSERT_EQUAL_FATAL(v.count, 1);
    return v.bytes;
}

static void a_session_is_gone_on_with(void)
{
    static const char body[] =
        "{\"model\":\"m1\",\"stream\":true,\"stream_options\":{\"include_usage\":true},"
        "\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":"
        "\"b\"},{\"role\":\"user\",\"content\":\"why?\"}]}";
    static const char *const names[] = {"talk", "My talk"};

    for (int i = 0; i < 4; i++) {
        struct talk t = {i > 1 ? "sessions.get" : NULL, AIEX_E_NOT_FOUND};
        const struct aiex_fake_record *chat;
        struct aiex_slice said;
        struct bench b;
        uint64_t id;

        set_up(&b, with_model);
        id = answered_in(&b, &t, names[i > 1], i & 1);
        chat = aiex_fake_find(b.host, AIEX_FAKE_CALL, "gateway.chat", 0);
        CU_ASSERT_PTR_NOT_NULL_FATAL(chat);
        CU_ASSERT(slice_is(str_of(chat->body, "body"), body));
        CU_ASSERT(slice_is(str_of(chat->body, "session"), "talk"));
        said = message_of(nth_append(&b, 0));
        CU_ASSERT(slice_is(str_of(said, "content"), "why?"));
        said = message_of(nth_append(&b, 1));
        CU_ASSERT(slice_is(str_of(said, "role"), "assistant"));
        CU_ASSERT(slice_is(str_of(said, "content"), "because"));
        CU_ASSERT(slice_is(str_of(said, "model"), "m1-x"));
        CU_ASSERT_EQUAL(aiex_fake_answer(b.host, id)->kind, AIEX_FAKE_REPLY);
        CU_ASSERT(slice_is(str_of(aiex_fake_answer(b.host, id)->body, "session"), "talk"));
        tear_down(&b);
    }
}

static void a_new_session_is_named_at_the_end(void)
{
    struct talk t = {NULL, NULL};
    struct bench b;
    uint64_t id;

    set_up(&b, with_model);
    id = answered_in(&b, &t, "new", 1);
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(b.host, AIEX_FAKE_CALL, "sessions.create", 0));
    CU_ASSERT(slice_is(str_of(aiex_fake_answer(b.host, id)->body, "session"), "talk"));
    tear_down(&b);
}

static void without_its_session_nothing_is_asked(void)
{
    static const struct {
        const char *refuses, *code, *says;
    } t[] = {
        {"sessions.get", AIEX_E_UNAVAILABLE, AIEX_E_UNAVAILABLE},
        {"sessions.get", AIEX_E_DENIED, AIEX_E_DENIED},
        {"sessions.history", AIEX_E_READ_ONLY, AIEX_E_READ_ONLY},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        struct talk talk = {t[i].refuses, t[i].code};
        const struct aiex_fake_record *end;
        struct bench b;

        set_up(&b, with_model);
        end = aiex_fake_answer(b.host, answered_in(&b, &talk, "talk", 1));
        CU_ASSERT_PTR_NOT_NULL_FATAL(end);
        CU_ASSERT_STRING_EQUAL(end->code, t[i].says);
        CU_ASSERT_PTR_NULL(aiex_fake_find(b.host, AIEX_FAKE_CALL, "gateway.chat", 0));
        tear_down(&b);
    }
}

static void what_is_not_recorded_is_said(void)
{
    struct talk t = {"sessions.append", AIEX_E_CONFLICT};
    struct bench b;
    uint64_t id;

    set_up(&b, with_model);
    id = answered_in(&b, &t, "talk", 1);
    CU_ASSERT(part_is(&b, 2, "notice", "not recorded in session talk: it is so"));
    CU_ASSERT_EQUAL(aiex_fake_answer(b.host, id)->kind, AIEX_FAKE_REPLY);
    tear_down(&b);
}

static void a_question_that_fails_is_recorded_so(void)
{
    struct talk t = {NULL, NULL};
    struct bench b;
    uint64_t id;

    set_up(&b, with_model);
    aiex_fake_on_call(b.host, serve_talk, &t);
    id = ask_in(&b, "talk", 1);
    aiex_fake_answer_error(b.host, aiex_fake_find(b.host, AIEX_FAKE_CALL, "gateway.chat", 0)->id,
                           AIEX_E_UPSTREAM, "no", 0, empty);
    CU_ASSERT_EQUAL(aiex_fake_answer(b.host, id)->kind, AIEX_FAKE_FAIL);
    CU_ASSERT(slice_is(str_of(message_of(nth_append(&b, 1)), "outcome"), "failed"));
    tear_down(&b);
    set_up(&b, with_model);
    aiex_fake_on_call(b.host, serve_talk, &t);
    id = ask_in(&b, "talk", 1);
    CU_ASSERT_EQUAL(aiex_fake_cancel(b.host, id), 0);
    CU_ASSERT(slice_is(str_of(message_of(nth_append(&b, 1)), "outcome"), "cancelled"));
    tear_down(&b);
    set_up(&b, with_model); /* while its session is looked for */
    id = ask_in(&b, "talk", 1);
    CU_ASSERT_EQUAL(aiex_fake_cancel(b.host, id), 0);
    tear_down(&b);
}

/* What the question took from the configuration of before is still there for it. */
static void asked_before_a_reload(void)
{
    static const struct aiex_fake_pair before[] = {
        {"model", "model-of-before"}, {"system", "be kind"}, {0}};
    static const struct aiex_fake_pair after[] = {{"model", "m2"}, {0}};
    struct talk talk = {NULL, NULL};
    const struct aiex_fake_record *chat;
    struct aiex_slice body = {NULL, 0};
    struct bench b;

    set_up(&b, before);
    ask_in(&b, "talk", 0);
    CU_ASSERT_EQUAL(aiex_fake_reload(b.host, b.plugin, b.self, after, NULL), 0);
    chat = aiex_fake_find(b.host, AIEX_FAKE_CALL, "sessions.get", 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(chat);
    aiex_fake_on_call(b.host, serve_talk, &talk);
    serve_talk(&talk, b.host, chat);
    chat = aiex_fake_find(b.host, AIEX_FAKE_CALL, "gateway.chat", 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(chat);
    CU_ASSERT_STRING_EQUAL(chat->service, "gateway");
    CU_ASSERT_EQUAL(aiex_get_bytes(chat->body, "body", &body), 1);
    CU_ASSERT_PTR_NOT_NULL(memmem(body.data, body.len, "model-of-before", 15));
    CU_ASSERT_PTR_NOT_NULL(memmem(body.data, body.len, "be kind", 7));
    finish(&b, chat->id);
    tear_down(&b);
}

const struct test_case tests[] = {
    {"asked_before_a_reload", asked_before_a_reload},
    {"a_session_is_gone_on_with", a_session_is_gone_on_with},
    {"a_new_session_is_named_at_the_end", a_new_session_is_named_at_the_end},
    {"without_its_session_nothing_is_asked", without_its_session_nothing_is_asked},
    {"a_question_that_fails_is_recorded_so", a_question_that_fails_is_recorded_so},
    {"what_is_not_recorded_is_said", what_is_not_recorded_is_said},
    {0},
};

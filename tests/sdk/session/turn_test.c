/* sdk/session: turns found, begun and recorded, in each dialect, and when the service fails. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASK "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi \\\"you\\\"\"}]}"

static struct aiex_slice slice(const char *text)
{
    return (struct aiex_slice){(const uint8_t *)text, strlen(text)};
}

static void a_turn_is_recorded(void)
{
    struct aiex_turns_numbers n;

    rig_begin();
    rig_turn((struct aiex_turn_setting){0}, ASK);
    CU_ASSERT_EQUAL(told.begun, 1);
    CU_ASSERT_STRING_EQUAL(told.session, "s1");
    HAS(rig_asked("sessions.get", 0), "'session':'s1','with_values':false");
    HAS(rig_asked("sessions.append", 0),
        "{'session':'s1','request':'0000000000000abc-b','turn':'0000000000000abc',"
        "'turn_state':'begin','messages':[{'role':'user','content':'hi ");
    rig_part("{\"model\":\"m-0\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",");
    rig_part("\"content\":\"hel\\u006co\"},\"finish_reason\":\"stop\"}],\"usage\":{"
             "\"prompt_tokens\":1,\"completion_tokens\":2}}");
    rig_finish(NULL);
    HAS(rig_asked("sessions.append", 1),
        "{'session':'s1','request':'0000000000000abc-e','turn':'0000000000000abc',"
        "'turn_state':'end','messages':[{'role':'assistant','content':'hello','model':'m-1',"
        "'usage':{'input_tokens':7,'output_tokens':3},'provider':'p1','finish':'stop'}]}");
    CU_ASSERT_EQUAL(told.done, 1);
    CU_ASSERT_STRING_EQUAL(told.not_recorded, "");
    aiex_turns_numbers(turns, &n);
    CU_ASSERT_EQUAL(n.recorded, 1);
    CU_ASSERT_EQUAL(n.open, 0);
    CU_ASSERT_EQUAL(n.bytes, 0);
    rig_end();
}

/* One question in each dialect, streamed and not: what is recorded is the same. */
static const struct {
    int dialect, stream;
    const char *ask, *parts[8];
} forms[] = {
    {AIEX_OPENAI_CHAT,
     1,
     ASK,
     {"data: {\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\","
      "\"content\":\"hel\"}}]}\n\nda",
      "ta: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"}}]}\n\n",
      "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: "
      "[DONE]\n\n"}},
    {AIEX_ANTHROPIC_MESSAGES,
     1,
     "{\"model\":\"m\",\"max_tokens\":9,\"system\":\"be kind\",\"messages\":[{\"role\":\"user\","
     "\"content\":\"hi \\\"you\\\"\"}]}",
     {"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"x\",\"type\":"
      "\"message\",\"role\":\"assistant\",\"content\":[],\"model\":\"m\",\"usage\":{"
      "\"input_tokens\":1,\"output_tokens\":1}}}\n\n",
      "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"
      "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: content_block_delta\ndata: "
      "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":"
      "\"hello\"}}\n\n",
      "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: "
      "message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},"
      "\"usage\":{\"output_tokens\":2}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}"
      "\n\n"}},
    {AIEX_ANTHROPIC_MESSAGES,
     0,
     "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
     "\"text\",\"text\":\"hi \\\"you\\\"\"}]}]}",
     {"{\"id\":\"x\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[{"
      "\"type\":\"text\",\"text\":\"hello\"}],\"stop_reason\":\"end_turn\",\"usage\":{"
      "\"input_tokens\":1,\"output_tokens\":1}}"}},
    {AIEX_OLLAMA_CHAT,
     1,
     ASK,
     {"{\"model\":\"m\",\"created_at\":\"2026-01-01T00:00:00Z\",\"message\":{\"role\":\"assistant\""
      ",\"content\":\"hel\"},\"done\":false}\n",
      "{\"model\":\"m\",\"created_at\":\"2026-01-01T00:00:00Z\",\"message\":{\"role\":\"assistant\""
      ",\"content\":\"lo\"},\"done\":false}\n{\"model\":\"m\",\"created_at\":"
      "\"2026-01-01T00:00:00Z\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":"
      "true,\"done_reason\":\"stop\",\"prompt_eval_count\":1,\"eval_count\":2}\n"}},
    {AIEX_OPENAI_RESPONSES,
     0,
     "{\"model\":\"m\",\"input\":\"hi \\\"you\\\"\"}",
     {"{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"completed\",\"model\":\"m\","
      "\"output\":[{\"type\":\"message\",\"id\":\"a\",\"status\":\"completed\",\"role\":"
      "\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"hello\",\"annotations\":[]}"
      "]}],\"usage\":{\"input_tokens\":1,\"output_tokens\":2,\"total_tokens\":3}}"}},
};

static void every_dialect_is_understood(void)
{
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        rig_begin();
        rig_turn((struct aiex_turn_setting){.dialect = forms[i].dialect, .stream = forms[i].stream},
                 forms[i].ask);
        CU_ASSERT_STRING_EQUAL(told.trouble, "");
        if (turn) {
            for (int k = 0; forms[i].parts[k]; k++)
                rig_part(forms[i].parts[k]);
            rig_finish(NULL);
            CU_ASSERT_STRING_EQUAL(rig_content(0, 0), "hi \"you\"");
            CU_ASSERT_STRING_EQUAL(rig_content(1, 0), "hello");
            CU_ASSERT_STRING_EQUAL(rig_content(1, 1), "no such message");
            HAS(rig_asked("sessions.append", 1), "'finish':'stop'}]}");
        }
        rig_end();
    }
}

static void tool_calls_are_kept_whole(void)
{
    static const char ask[] =
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"old\"},{\"role\":"
        "\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c0\",\"type\":\"function\","
        "\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":"
        "\"c0\",\"content\":\"42\"}]}";

    rig_begin();
    rig_answer("sessions.get", FULL);
    rig_turn((struct aiex_turn_setting){.stream = 1}, ask);
    CU_ASSERT_STRING_EQUAL(rig_content(0, 0),
                           "{\"role\":\"tool\",\"tool_call_id\":\"c0\",\"content\":\"42\"}");
    CU_ASSERT_STRING_EQUAL(rig_content(0, 1), "no such message");
    rig_part("data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":"
             "\"c1\",\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"\"}}]}}]}"
             "\n\n");
    rig_part("data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,"
             "\"function\":{\"arguments\":\"{\\\"a\\\":\"}},{\"index\":1,\"id\":\"c2\","
             "\"function\":{\"name\":\"k\",\"arguments\":\"{}\"}}]}}]}\n\n");
    rig_part("data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,"
             "\"function\":{\"arguments\":\"1}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\n");
    rig_finish(NULL);
    CU_ASSERT_STRING_EQUAL(
        rig_content(1, 0),
        "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c1\",\"type\":"
        "\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"{\\\"a\\\":1}\"}},{\"id\":"
        "\"c2\",\"type\":\"function\",\"function\":{\"name\":\"k\",\"arguments\":\"{}\"}}]}");
    rig_end();
}

static void a_session_without_messages_takes_the_whole_talk(void)
{
    static const char ask[] =
        "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\","
        "\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"},{\"role\":\"user\","
        "\"content\":\"c\"}]}";

    rig_begin();
    rig_turn((struct aiex_turn_setting){0}, ask);
    CU_ASSERT_STRING_EQUAL(rig_content(0, 0), "a");
    CU_ASSERT_STRING_EQUAL(rig_content(0, 2), "c");
    aiex_turn_drop(turn);
    rig_answer("sessions.get", FULL);
    rig_turn((struct aiex_turn_setting){.trace = 2}, ask);
    CU_ASSERT_STRING_EQUAL(rig_content(2, 0), "c");
    CU_ASSERT_STRING_EQUAL(rig_content(2, 1), "no such message");
    aiex_turn_drop(turn);
    rig_end();
}

static void what_was_cut_is_kept_up_to_there(void)
{
    static const char *const outcomes[] = {"failed", "cut", "cancelled"};

    for (int i = 0; i < 3; i++) {
        rig_begin();
        rig_turn((struct aiex_turn_setting){.stream = 1}, ASK);
        rig_part("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hal\"}}]}\n\ndata: {");
        rig_finish(outcomes[i]);
        CU_ASSERT_STRING_EQUAL(rig_content(1, 0), "hal");
        HAS(rig_asked("sessions.append", 1), outcomes[i]);
        rig_end();
    }
}

static void what_goes_away_is_not_recorded_or_as_cancelled(void)
{
    rig_begin();
    rig_answer("sessions.get", NULL);
    rig_turn((struct aiex_turn_setting){0}, ASK);
    CU_ASSERT_EQUAL(told.begun, 0);
    CU_ASSERT_STRING_EQUAL(aiex_turn_session(turn), "");
    aiex_turn_drop(turn);
    CU_ASSERT_EQUAL(rig_calls("sessions.append"), 0);
    CU_ASSERT_EQUAL(told.begun, 0);
    rig_answer("sessions.get", ROW);
    rig_answer("sessions.append", NULL);
    rig_turn((struct aiex_turn_setting){0}, ASK);
    aiex_turn_drop(turn);
    CU_ASSERT_EQUAL(rig_calls("sessions.append"), 1);
    rig_answer_open("sessions.append", "{'version':2}");
    CU_ASSERT_EQUAL(rig_calls("sessions.append"), 2);
    HAS(rig_asked("sessions.append", 1), "'outcome':'cancelled'");
    rig_end(); /* with a call open */
}

static void a_lost_question_comes_with_its_answer(void)
{
    rig_begin();
    rig_answer("sessions.append", "!unavailable away");
    rig_turn((struct aiex_turn_setting){0}, ASK);
    rig_answer("sessions.append", "{'version':3}");
    rig_part("{\"choices\":[{\"message\":{\"content\":\"hello\"}}]}");
    rig_finish(NULL);
    CU_ASSERT_STRING_EQUAL(rig_content(1, 0), "hi \"you\"");
    CU_ASSERT_STRING_EQUAL(rig_content(1, 1), "hello");
    CU_ASSERT_STRING_EQUAL(told.not_recorded, "");
    rig_end();
}

static void it_is_tried_again_and_then_told(void)
{
    struct aiex_turns_numbers n;

    rig_begin();
    rig_turn((struct aiex_turn_setting){0}, ASK);
    rig_answer("sessions.append", "!unavailable the store is away");
    rig_finish(NULL);
    CU_ASSERT_EQUAL(told.done, 0);
    aiex_fake_advance(h, 1000);
    rig_answer("sessions.append", "{'version':3}");
    aiex_fake_advance(h, 20000);
    CU_ASSERT_EQUAL(told.done, 1);
    CU_ASSERT_STRING_EQUAL(told.not_recorded, "");
    rig_turn((struct aiex_turn_setting){.trace = 2}, ASK);
    rig_answer("sessions.append", "!unavailable the store is away");
    rig_finish(NULL);
    aiex_fake_advance(h, 60000);
    CU_ASSERT_STRING_EQUAL(told.not_recorded, "not recorded in session s1: the store is away");
    rig_answer("sessions.append", "!conflict it is closed");
    rig_turn((struct aiex_turn_setting){.trace = 3}, ASK);
    rig_finish(NULL);
    CU_ASSERT_STRING_EQUAL(told.not_recorded, "not recorded in session s1: it is closed");
    aiex_turns_numbers(turns, &n);
    CU_ASSERT_EQUAL(n.recorded, 1);
    CU_ASSERT_EQUAL(n.failed, 2);
    rig_end();
}

static void which_session_is_meant(void)
{
    static const struct {
        const char *session, *get, *find, *code, *text;
        int by_title;
    } t[] = {
        {"nobody", "!not_found no", NULL, "not_found", "there is no session 'nobody'", 0},
        {"a talk", "!not_found no", NULL, "not_found", "there is no session", 0},
        {"s1", "{'session':'s1','state':'closed'}", NULL, "conflict", "session 's1' is closed", 0},
        {"s1", "!denied not yours", NULL, "denied", "not yours", 0},
        {"s1", "{'session':'s1','state':'open'}", NULL, "", "", 1},
        {"Talk", "!not_found no", "{'sessions':[]}", "not_found", "there is no session 'Talk'", 1},
        {"Talk", "!not_found no",
         "{'sessions':[{'session':'x','title':'Talk two'},{'session':'y','title':'Talk',"
         "'state':'open'}]}",
         "", "", 1},
        {"Talk", "!not_found no",
         "{'sessions':[{'session':'x','title':'Talk'},{'session':'y','title':'Talk'}]}", "conflict",
         "2 sessions have the title 'Talk'", 1},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        rig_begin();
        rig_answer("sessions.get", t[i].get);
        rig_answer("sessions.find", t[i].find);
        rig_turn(
            (struct aiex_turn_setting){.session = slice(t[i].session), .by_title = t[i].by_title},
            ASK);
        CU_ASSERT_EQUAL(told.begun, 1);
        CU_ASSERT_STRING_EQUAL(told.code, t[i].code);
        HAS(told.text, t[i].text);
        aiex_turn_drop(turn);
        rig_end();
    }
}

static void a_new_one_is_made_for_its_owner(void)
{
    static const uint8_t principal[] = "\x81\xa3key\xa2k1";

    rig_begin();
    rig_turn((struct aiex_turn_setting){.session = slice("new"),
                                        .title = slice("T"),
                                        .principal = {principal, sizeof(principal) - 1}},
             ASK);
    HAS(rig_asked("sessions.create", 0), "{'title':'T','principal':{'key':'k1'}}");
    HAS(rig_asked("sessions.append", 0), "'principal':{'key':'k1'}");
    CU_ASSERT_STRING_EQUAL(aiex_turn_session(turn), "s1");
    aiex_turn_drop(turn);
    rig_end();
}

static void a_service_that_is_away_does_not_matter(void)
{
    static const char *const away[] = {"!unavailable x", "!timeout x", "!busy x", "!read_only x"};

    for (int i = 0; i < 4; i++) {
        rig_begin();
        rig_answer("sessions.get", away[i]);
        rig_turn((struct aiex_turn_setting){0}, ASK);
        CU_ASSERT_STRING_EQUAL(told.code, "");
        CU_ASSERT_STRING_EQUAL(told.session, "");
        CU_ASSERT_STRING_EQUAL(told.trouble, "x");
        rig_turn((struct aiex_turn_setting){.history = 1, .history_bytes = 100}, ASK);
        CU_ASSERT_STRING_EQUAL(told.code, "unavailable");
        rig_end();
    }
}

static void what_can_not_be_recorded_is_told(void)
{
    static const char *const bodies[] = {
        "{\"model\":\"m\",\"messages\":[]}",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":\"x\"}]}",
        "{\"model\":\"m\"}",
        "[]",
        "",
    };

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        rig_begin();
        rig_answer("sessions.get", FULL);
        rig_turn((struct aiex_turn_setting){0}, bodies[i]);
        CU_ASSERT_STRING_EQUAL(told.code, "");
        CU_ASSERT_STRING_EQUAL(told.session, "");
        CU_ASSERT_TRUE(told.trouble[0] != 0);
        rig_end();
    }
}

static void what_is_too_long_is_cut(void)
{
    size_t n = AIEX_TURN_MESSAGE + 10;
    char *text = malloc(n + 200);
    int len = sprintf(text, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"");

    memset(text + len, 'x', n);
    strcpy(text + len + n, "\"}]}");
    rig_begin();
    rig_turn((struct aiex_turn_setting){.stream = 1}, text);
    HAS(rig_content(0, 0), "[a message of ");
    for (int i = 0; i < 600; i++) {
        len = sprintf(text, "data: {\"choices\":[{\"delta\":{\"content\":\"");
        memset(text + len, 'y', 1024);
        strcpy(text + len + 1024, "\"}}]}\n\n");
        rig_part(text);
    }
    rig_finish(NULL);
    CU_ASSERT_EQUAL(strlen(rig_content(1, 0)), AIEX_TURN_MESSAGE);
    HAS(rig_asked("sessions.append", 1), "too_long");
    free(text);
    rig_end();
}

/* A whole answer, of two-byte characters whose last one would be halved; then one whose calls do
 * not fit beside it. */
static void a_whole_answer_is_cut_at_a_character(void)
{
    static const char call[] = "\"}},{\"x\":0}]}", calls[] = "\",\"tool_calls\":[{\"id\":\"";
    size_t n = AIEX_TURN_MESSAGE + 11;
    char *text = malloc(n + 200);
    int len = sprintf(text, "{\"choices\":[{\"message\":{\"content\":\"z");

    for (size_t i = 0; i < n; i += 2)
        memcpy(text + len + i, "\xc3\xa4", 2);
    strcpy(text + len + n + 1, call);
    rig_begin();
    rig_turn((struct aiex_turn_setting){0}, ASK);
    rig_part(text);
    rig_finish(NULL);
    CU_ASSERT_EQUAL(strlen(rig_content(1, 0)), AIEX_TURN_MESSAGE - 1);
    HAS(rig_asked("sessions.append", 1), "too_long");
    rig_end();
    n = AIEX_TURN_MESSAGE / 2;
    memset(text + len, 'c', 2 * n);
    memcpy(text + len + n, calls, sizeof(calls) - 1);
    strcpy(text + len + n + n, "\"}]}}]}");
    rig_begin();
    rig_turn((struct aiex_turn_setting){0}, ASK);
    rig_part(text);
    rig_finish(NULL);
    CU_ASSERT_EQUAL(strlen(rig_content(1, 0)), n + 1);
    HAS(rig_asked("sessions.append", 1), "too_long");
    CU_ASSERT_STRING_EQUAL(told.not_recorded, "");
    rig_end();
    free(text);
}

/* Whatever lacks memory: the caller is told once, and nothing is left behind. */
static void memory_may_end_anywhere(void)
{
    for (size_t n = 1; n < 40; n++) {
        struct aiex_turn_setting s = {.dialect = AIEX_OPENAI_CHAT,
                                      .stream = 1,
                                      .body = slice(ASK),
                                      .session = slice("s1"),
                                      .trace = n};
        rig_begin();
        aiex_fake_fail_alloc(h, n);
        rig_turn(s, ASK);
        if (turn) {
            rig_part("data: {\"choices\":[{\"delta\":{\"content\":\"a\",\"tool_calls\":[{\"index\":"
                     "0,\"id\":\"i\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}}]}\n\n");
            rig_finish(NULL);
            aiex_fake_advance(h, 60000);
            CU_ASSERT_EQUAL(told.done, 1);
        } else {
            CU_ASSERT_TRUE(told.begun <= 1);
        }
        aiex_fake_fail_alloc(h, 0);
        rig_end();
    }
}

const struct test_case tests[] = {
    {"a_turn_is_recorded", a_turn_is_recorded},
    {"every_dialect_is_understood", every_dialect_is_understood},
    {"tool_calls_are_kept_whole", tool_calls_are_kept_whole},
    {"a_session_without_messages_takes_the_whole_talk",
     a_session_without_messages_takes_the_whole_talk},
    {"what_was_cut_is_kept_up_to_there", what_was_cut_is_kept_up_to_there},
    {"what_goes_away_is_not_recorded_or_as_cancelled",
     what_goes_away_is_not_recorded_or_as_cancelled},
    {"a_lost_question_comes_with_its_answer", a_lost_question_comes_with_its_answer},
    {"it_is_tried_again_and_then_told", it_is_tried_again_and_then_told},
    {"which_session_is_meant", which_session_is_meant},
    {"a_new_one_is_made_for_its_owner", a_new_one_is_made_for_its_owner},
    {"a_service_that_is_away_does_not_matter", a_service_that_is_away_does_not_matter},
    {"what_can_not_be_recorded_is_told", what_can_not_be_recorded_is_told},
    {"what_is_too_long_is_cut", what_is_too_long_is_cut},
    {"a_whole_answer_is_cut_at_a_character", a_whole_answer_is_cut_at_a_character},
    {"memory_may_end_anywhere", memory_may_end_anywhere},
    {0},
};

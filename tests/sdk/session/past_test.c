/* sdk/session: what was said before, as the request takes it: bounds, turns without an answer. */
#include "rig.h"

#include <stdio.h>
#include <string.h>

#define ASK "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"now\"}]}"

#define SAID(role, text, turn)                                                                     \
    "{'type':'session.message','data':{'role':'" role "','content':'" text "','turn':'" turn "'}}"

static void ask_history(int dialect, size_t bytes, const char *page)
{
    rig_begin();
    rig_answer("sessions.get", FULL);
    rig_answer("sessions.history", page);
    rig_turn((struct aiex_turn_setting){.dialect = dialect, .history = 1, .history_bytes = bytes},
             dialect == AIEX_OPENAI_RESPONSES ? "{\"model\":\"m\",\"input\":\"now\"}" : ASK);
    CU_ASSERT_STRING_EQUAL(told.text, "");
    aiex_turn_drop(turn);
}

static void the_oldest_stands_first(void)
{
    ask_history(AIEX_OPENAI_CHAT, 10000,
                "{'events':[" SAID("assistant", "d", "2") "," SAID("user", "c", "2") "," SAID(
                    "assistant", "b", "1") "," SAID("user", "a", "1") "]}");
    CU_ASSERT_STRING_EQUAL(told.history, "{\"role\":\"user\",\"content\":\"a\"},"
                                         "{\"role\":\"assistant\",\"content\":\"b\"},"
                                         "{\"role\":\"user\",\"content\":\"c\"},"
                                         "{\"role\":\"assistant\",\"content\":\"d\"}");
    rig_end();
}

static void the_newest_that_fit_and_whole_turns(void)
{
    const char *page = "{'events':[" SAID("assistant", "d", "2") "," SAID(
        "user", "c", "2") "," SAID("assistant", "b", "1") "," SAID("user", "a", "1") "]}";

    ask_history(AIEX_OPENAI_CHAT, 115, page); /* three would fit */
    CU_ASSERT_STRING_EQUAL(told.history, "{\"role\":\"user\",\"content\":\"c\"},"
                                         "{\"role\":\"assistant\",\"content\":\"d\"}");
    rig_end();
    ask_history(AIEX_OPENAI_CHAT, 10, page);
    CU_ASSERT_STRING_EQUAL(told.history, "");
    rig_end();
}

static void turns_without_an_answer_are_left_out(void)
{
    ask_history(
        AIEX_OPENAI_CHAT, 10000,
        "{'events':[" SAID("user", "never ended", "4") "," SAID("assistant", "", "3") "," SAID(
            "user", "failed",
            "3") ","
                 "{'type':'session.turn_lost','data':{'turn':'4'}}," SAID(
                     "assistant", "d",
                     "2") "," SAID("user", "c",
                                   "2") ","
                                        "{'type':'session.message','data':{'role':'user','content':"
                                        "'no turn'}},"
                                        "{'type':'session.message','data':{'role':'system','"
                                        "content':'s'}},"
                                        "{'type':'session.message','data':{'role':7}}]}");
    CU_ASSERT_STRING_EQUAL(told.history, "{\"role\":\"user\",\"content\":\"no turn\"},"
                                         "{\"role\":\"user\",\"content\":\"c\"},"
                                         "{\"role\":\"assistant\",\"content\":\"d\"}");
    rig_end();
}

static void pages_follow_each_other(void)
{
    rig_begin();
    rig_answer("sessions.get", FULL);
    rig_answer("sessions.history", NULL);
    rig_turn((struct aiex_turn_setting){.history = 1, .history_bytes = 10000}, ASK);
    rig_answer_open("sessions.history", "{'next':'n1','events':[" SAID("assistant", "b", "1") "]}");
    HAS(rig_asked("sessions.history", 1), "'next':'n1'");
    CU_ASSERT_EQUAL(told.begun, 0);
    rig_answer_open("sessions.history", "{'events':[" SAID("user", "a", "1") "]}");
    CU_ASSERT_EQUAL(told.begun, 1);
    HAS(told.history, "{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\"");
    aiex_turn_drop(turn);
    rig_end();
}

static void each_dialect_gets_its_own_form(void)
{
    static const struct {
        int dialect;
        const char *form;
    } t[] = {
        {AIEX_ANTHROPIC_MESSAGES, "\"role\":\"assistant\""},
        {AIEX_OLLAMA_CHAT, "{\"role\":\"user\",\"content\":\"a\"}"},
        {AIEX_OPENAI_RESPONSES, "\"role\":\"assistant\""},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        ask_history(t[i].dialect, 10000,
                    "{'events':[" SAID("assistant", "b", "1") "," SAID("user", "a", "1") "]}");
        HAS(told.history, t[i].form);
        CU_ASSERT_TRUE(told.history[0] == '{');
        rig_end();
    }
}

/* The next question waits until the answer to the last one has been recorded. */
static void an_answer_on_its_way_is_waited_for(void)
{
    rig_begin();
    rig_answer("sessions.get", FULL);
    rig_turn((struct aiex_turn_setting){.trace = 1}, ASK);
    rig_answer("sessions.append", NULL);
    rig_part("{\"choices\":[{\"message\":{\"content\":\"x\"}}]}");
    rig_finish(NULL);
    rig_answer("sessions.history", "{'events':[]}");
    rig_turn((struct aiex_turn_setting){.trace = 2, .history = 1, .history_bytes = 100}, ASK);
    CU_ASSERT_EQUAL(told.begun, 0);
    CU_ASSERT_EQUAL(rig_calls("sessions.history"), 0);
    rig_answer_open("sessions.append", "{'version':4}");
    CU_ASSERT_EQUAL(told.begun, 1);
    CU_ASSERT_EQUAL(rig_calls("sessions.history"), 1);
    rig_end();
}

static void a_history_that_can_not_be_read_is_an_error(void)
{
    rig_begin();
    rig_answer("sessions.get", FULL);
    rig_answer("sessions.history", "!read_only broken");
    rig_turn((struct aiex_turn_setting){.history = 1, .history_bytes = 100}, ASK);
    CU_ASSERT_STRING_EQUAL(told.code, "read_only");
    HAS(told.text, "the history of session 's1' can not be read: broken");
    rig_end();
}

static void memory_may_end_anywhere(void)
{
    for (size_t n = 1; n < 30; n++) {
        rig_begin();
        rig_answer("sessions.get", FULL);
        rig_answer("sessions.history",
                   "{'events':[" SAID("assistant", "b", "1") "," SAID("user", "a", "1") "]}");
        aiex_fake_fail_alloc(h, n);
        if (n > 2) { /* the first two are told by the function itself */
            rig_turn((struct aiex_turn_setting){.history = 1, .history_bytes = 1000}, ASK);
            CU_ASSERT_EQUAL(told.begun, 1);
            aiex_turn_drop(turn);
        }
        aiex_fake_fail_alloc(h, 0);
        rig_end();
    }
}

const struct test_case tests[] = {
    {"the_oldest_stands_first", the_oldest_stands_first},
    {"the_newest_that_fit_and_whole_turns", the_newest_that_fit_and_whole_turns},
    {"turns_without_an_answer_are_left_out", turns_without_an_answer_are_left_out},
    {"pages_follow_each_other", pages_follow_each_other},
    {"each_dialect_gets_its_own_form", each_dialect_gets_its_own_form},
    {"an_answer_on_its_way_is_waited_for", an_answer_on_its_way_is_waited_for},
    {"a_history_that_can_not_be_read_is_an_error", a_history_that_can_not_be_read_is_an_error},
    {"memory_may_end_anywhere", memory_may_end_anywhere},
    {0},
};

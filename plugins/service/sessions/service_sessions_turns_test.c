/* service_sessions through its descriptor: turns that are begun and ended, and those that are not.
 */
#include "sessions_rig.h"

#include <stdio.h>
#include <string.h>

#define BEGIN(session, turn)                                                                       \
    ask("sessions.append",                                                                         \
        "{'session':'%s','turn':'%s','turn_state':'begin','messages':[{'role':'user',"             \
        "'content':'asks'}]}",                                                                     \
        session, turn)
#define END(session, turn)                                                                         \
    ask("sessions.append",                                                                         \
        "{'session':'%s','turn':'%s','turn_state':'end','messages':[{'role':'assistant',"          \
        "'content':'says','provider':'p1','outcome':'cut','finish':'length'}]}",                   \
        session, turn)

static void a_turn_begins_and_ends(void)
{
    rig_begin(NULL);
    ask("sessions.create", "{'session':'s'}");
    HAS(BEGIN("s", "t1"), "'version':2,'messages':1");
    HAS(ask("sessions.get", "{'session':'s'}"), "'open_turns':1");
    HAS(BEGIN("s", "t2"), "'open_turns':2");
    HAS(END("s", "t1"), "'open_turns':1");
    HAS(END("s", "t2"), "'open_turns':0");
    HAS(END("s", "t9"), "'messages':5"); /* what was said is not lost with its begin */
    HAS(ask("sessions.history", "{'session':'s'}"),
        "'data':{'role':'assistant','content':'says','provider':'p1','outcome':'cut',"
        "'finish':'length','turn':'t2'}");
    HAS(ask("sessions.history", "{'session':'s'}"),
        "'data':{'role':'user','content':'asks','turn':'t1'}");
    rig_end();
}

static void a_turn_that_nobody_ends_is_marked(void)
{
    const struct aiex_fake_pair quick[] = {{"turn_timeout", "10s"}, {"sweep", "1s"}, {NULL, NULL}};

    rig_begin(quick);
    ask("sessions.create", "{'session':'s'}");
    ask("sessions.create", "{'session':'other'}");
    BEGIN("s", "t1");
    rig_pass(5000);
    BEGIN("s", "t2");
    rig_pass(3000);
    HAS(ask("sessions.get", "{'session':'s'}"), "'open_turns':2");
    rig_pass(4000);
    HAS(ask("sessions.get", "{'session':'s'}"), "'version':4,'messages':2");
    HAS(ask("sessions.get", "{'session':'s'}"), "'open_turns':1");
    HAS(ask("sessions.history", "{'session':'s','limit':1}"),
        "'type':'session.turn_lost','data':{'turn':'t1'}");
    HAS(ask("sessions.status", "{}"), "'lost_turns':1");
    HAS(END("s", "t2"), "'open_turns':0");
    rig_pass(30000);
    HAS(ask("sessions.status", "{}"), "'lost_turns':1");
    HAS(ask("sessions.get", "{'session':'other'}"), "'version':1");
    rig_end();
}

static void a_crash_forgets_no_open_turn(void)
{
    const struct aiex_fake_pair quick[] = {{"turn_timeout", "10s"}, {"sweep", "1s"}, {NULL, NULL}};

    rig_begin(quick);
    ask("sessions.create", "{'session':'s'}");
    BEGIN("s", "t1");
    rig_close();
    rig_open(quick);
    HAS(ask("sessions.get", "{'session':'s'}"), "'open_turns':1");
    rig_pass(12000);
    HAS(ask("sessions.history", "{'session':'s','limit':1}"), "'type':'session.turn_lost'");
    rig_close();
    rig_open(quick);
    rig_pass(12000);
    HAS(ask("sessions.get", "{'session':'s'}"), "'version':3");
    rig_end();
}

static void a_repeated_begin_is_one(void)
{
    const char *again = "{'session':'s','request':'r','turn':'t','turn_state':'begin','messages':"
                        "[{'role':'user','content':'x'}]}";
    uint64_t id;

    rig_begin(NULL);
    ask("sessions.create", "{'session':'s'}");
    HAS(ask("sessions.append", "%s", again), "'open_turns':1");
    HAS(ask("sessions.append", "%s", again), "'duplicate':true");
    memory_store_fail(store, "store.transact", 0, 1, "timeout", DONE);
    id = begin("sessions.append", "{'session':'s','turn':'t','turn_state':'end','messages':"
                                  "[{'role':'assistant','content':'y'}]}");
    rig_pass(1000);
    HAS(end_of(id), "'open_turns':0");
    HAS(ask("sessions.get", "{'session':'s'}"), "'messages':2");
    rig_end();
}

static void turns_of_forks_and_of_the_deleted(void)
{
    rig_begin(NULL);
    ask("sessions.create", "{'session':'s'}");
    BEGIN("s", "t1");
    HAS(ask("sessions.fork", "{'session':'s','as':'f'}"), "'open_turns':0");
    HAS(ask("sessions.turn_lost", "{'session':'s','turn':'t1'}"), "'open_turns':0");
    HAS(ask("sessions.turn_lost", "{'session':'s','turn':'t1'}"), "'version':3");
    BEGIN("s", "t2");
    HAS(ask("sessions.delete", "{'session':'s'}"), "'open_turns':0");
    rig_end();
}

static void wrong_turns_are_refused(void)
{
    static const char *const wrong[] = {
        "'turn':'t'",
        "'turn_state':'begin'",
        "'turn':'t','turn_state':'middle'",
        "'turn':'a b','turn_state':'end'",
        "'turn':'0123456789012345678901234','turn_state':'end'",
        "'turn':7,'turn_state':'end'",
    };

    rig_begin(NULL);
    ask("sessions.create", "{'session':'s'}");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        HAS(ask("sessions.append", "{'session':'s','messages':[{'role':'user','content':'x'}],%s}",
                wrong[i]),
            "invalid: ");
    HAS(ask("sessions.append",
            "{'session':'s','messages':[{'role':'user','content':'x','outcome':3}]}"),
        "invalid: message 0: 'outcome' must be text");
    HAS(ask("sessions.turn_lost", "{'session':'s'}"), "invalid: field 'turn' is missing");
    for (int i = 0; i < 4; i++) {
        char name[8];

        snprintf(name, sizeof(name), "t%d", i);
        HAS(BEGIN("s", name), "'open_turns'");
    }
    HAS(BEGIN("s", "t9"), "busy: 4 turns of session 's' are open");
    HAS(END("s", "t1"), "'open_turns':3");
    HAS(BEGIN("s", "t9"), "'open_turns':4");
    rig_end();
}

const struct test_case tests[] = {
    {"a_turn_begins_and_ends", a_turn_begins_and_ends},
    {"a_turn_that_nobody_ends_is_marked", a_turn_that_nobody_ends_is_marked},
    {"a_crash_forgets_no_open_turn", a_crash_forgets_no_open_turn},
    {"a_repeated_begin_is_one", a_repeated_begin_is_one},
    {"turns_of_forks_and_of_the_deleted", turns_of_forks_and_of_the_deleted},
    {"wrong_turns_are_refused", wrong_turns_are_refused},
    {0},
};

/* service_sessions when the store fails, at each call and in each way: what is told, what is kept,
 * what a repeated request does; two owners; restarts in the middle; no memory. */
#include "sessions_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define APPEND(request)                                                                            \
    "{'session':'s','request':'" request "','messages':[{'role':'user','content':'" request "'}]}"

static uint64_t say(const char *request)
{
    return begin("sessions.append",
                 "{'session':'s','request':'%s','messages':[{'role':'user','content':'x'}]}",
                 request);
}

static void a_lost_answer_is_asked_for_again(void)
{
    static const char *const codes[] = {AIEX_E_TIMEOUT, AIEX_E_CRASHED};

    for (size_t i = 0; i < 2; i++) {
        uint64_t id;

        rig_begin(NULL);
        ask("sessions.create", "{'session':'s'}");
        memory_store_fail(store, "store.transact", 0, 3, codes[i], DONE);
        id = say("r");
        CU_ASSERT_STRING_EQUAL(end_of(id), "open");
        rig_pass(2000);
        HAS(end_of(id), "'version':2,'messages':1");
        HAS(end_of(id), "'duplicate':false");
        CU_ASSERT_EQUAL(memory_store_events(store, "session/s"), 2);
        HAS(ask("sessions.append", APPEND("t")), "'version':3,'messages':2");
        rig_end();
    }
}

static void what_was_not_done_is_done_later(void)
{
    static const char *const codes[] = {AIEX_E_BUSY, AIEX_E_UNAVAILABLE};

    for (size_t i = 0; i < 2; i++) {
        uint64_t id;

        rig_begin(NULL);
        ask("sessions.create", "{'session':'s'}");
        memory_store_fail(store, "store.transact", 0, 4, codes[i], NOT_DONE);
        id = say("r");
        rig_pass(3000);
        HAS(end_of(id), "'version':2,'messages':1");
        memory_store_fail(store, "store.transact", 0, 1000, codes[i], NOT_DONE);
        id = say("t");
        rig_pass(11000);
        HAS(end_of(id), "nothing was changed: the store says");
        CU_ASSERT_EQUAL(strncmp(end_of(id), codes[i], strlen(codes[i])), 0);
        memory_store_heal(store);
        HAS(ask("sessions.append", APPEND("t")), "'version':3,'messages':2");
        rig_end();
    }
}

static void an_unknown_outcome_is_told_as_such(void)
{
    uint64_t id;

    for (int done = 0; done < 2; done++) {
        rig_begin(NULL);
        ask("sessions.create", "{'session':'s'}");
        memory_store_fail(store, "store.transact", 0, 1000, AIEX_E_TIMEOUT, done ? DONE : NOT_DONE);
        id = say("r");
        rig_pass(11000);
        HAS(end_of(id), "timeout: whether session 's' was changed is not known");
        HAS(end_of(id), "ask again with the same 'request' {'unknown':1}");
        memory_store_heal(store);
        HAS(ask("sessions.append", APPEND("r")), "'version':2,'messages':1");
        HAS(ask("sessions.append", APPEND("t")), "'version':3,'messages':2");
        CU_ASSERT_EQUAL(memory_store_events(store, "session/s"), 3);
        HAS(ask("sessions.status", "{}"), "'unknown':1");
        rig_end();
    }
}

/* Nobody repeats it; the next write stands on what is there. */
static void after_an_unknown_outcome_others_go_on(void)
{
    uint64_t id;

    rig_begin(NULL);
    ask("sessions.create", "{'session':'s'}");
    memory_store_fail(store, "store.transact", 0, 1000, AIEX_E_CRASHED, DONE);
    id = say("r");
    rig_pass(11000);
    HAS(end_of(id), "timeout: ");
    memory_store_heal(store);
    HAS(ask("sessions.append", APPEND("t")), "'version':3,'messages':2");
    rig_end();
}

static void an_end_without_an_answer_is_bounded(void)
{
    const struct aiex_fake_record *call;
    uint64_t id;

    rig_begin(NULL);
    ask("sessions.create", "{'session':'s'}");
    memory_store_fail(store, "store.transact", 0, 1, NULL, HANGS);
    id = say("r");
    call = aiex_fake_last(h, AIEX_FAKE_CALL);
    CU_ASSERT_EQUAL(call->timeout_ms, 5000);
    rig_pass(5000); /* the host ends it */
    aiex_fake_answer_error(h, call->id, AIEX_E_TIMEOUT, "late", 0, (struct aiex_slice){NULL, 0});
    rig_pass(1000);
    HAS(end_of(id), "'version':2");
    rig_end();
}

static void a_store_that_is_read_only_is_named(void)
{
    rig_begin(NULL);
    ask("sessions.create", "{'session':'s','title':'t'}");
    ask("sessions.create", "{'session':'v','values':{'a':1}}");
    memory_store_fail(store, NULL, 0, 1000000, AIEX_E_READ_ONLY, NOT_DONE);
    HAS(ask("sessions.append", APPEND("r")),
        "read_only: nothing was changed: the store says read_only: as the test wanted");
    HAS(ask("sessions.create", "{}"), "read_only: ");
    HAS(ask("sessions.get", "{'session':'s'}"), "'title':'t'"); /* needs no store */
    HAS(ask("sessions.list", "{}"), "'sessions':[{'session':'v'");
    HAS(ask("sessions.get", "{'session':'v','with_values':false}"), "'has_values':true");
    HAS(ask("sessions.get", "{'session':'v'}"), "read_only: the values of the session can not");
    HAS(ask("sessions.history", "{'session':'s'}"), "read_only: the history can not be read");
    HAS(ask("sessions.get", "{'session':'x'}"), "read_only: the session can not be looked up");
    memory_store_heal(store);
    HAS(ask("sessions.append", APPEND("r")), "'version':2");
    rig_end();
}

static void repeated_requests_are_one(void)
{
    rig_begin(NULL);
    HAS(ask("sessions.create", "{'session':'s','request':'c','title':'t'}"), "'duplicate':false");
    HAS(ask("sessions.create", "{'session':'s','request':'c','title':'t'}"), "'duplicate':true");
    HAS(ask("sessions.create", "{'session':'s','request':'d'}"), "conflict: there is a session");
    HAS(ask("sessions.append", APPEND("r")), "'version':2,'messages':1");
    HAS(ask("sessions.append", APPEND("t")), "'version':3,'messages':2");
    HAS(ask("sessions.append", APPEND("r")), "'version':3,'messages':2");
    HAS(ask("sessions.append", APPEND("r")), "'duplicate':true");
    rig_close();
    rig_open(NULL); /* also the next process knows */
    HAS(ask("sessions.append", APPEND("r")), "'duplicate':true");
    ask("sessions.fork", "{'session':'s','as':'f','request':'q'}");
    HAS(ask("sessions.fork", "{'session':'s','as':'f','request':'q'}"), "'duplicate':true");
    HAS(ask("sessions.rollback", "{'session':'s','version':2,'request':'b'}"), "'version':4");
    HAS(ask("sessions.rollback", "{'session':'s','version':2,'request':'b'}"), "'duplicate':true");
    /* with the version that was expected then, and in a state that does not allow it any more */
    HAS(ask("sessions.set", "{'session':'s','title':'n','request':'e','expected':4}"),
        "'version':5");
    HAS(ask("sessions.set", "{'session':'s','title':'n','request':'e','expected':4}"),
        "'duplicate':true");
    HAS(ask("sessions.set", "{'session':'s','title':'m','request':'g','expected':4}"),
        "conflict: session 's' has version 5, not 4");
    ask("sessions.close", "{'session':'s','request':'x'}");
    HAS(ask("sessions.append", APPEND("r")), "'state':'closed','version':6");
    HAS(ask("sessions.append", APPEND("new")), "conflict: session 's' is closed");
    HAS(ask("sessions.get", "{'session':'s'}"), "'title':'n'");
    CU_ASSERT_EQUAL(memory_store_events(store, "session/s"), 6);
    HAS(ask("sessions.append", "{'session':'s','request':'r','messages':["
                               "{'role':'user','content':'r'},{'role':'user','content':'y'}]}"),
        "conflict: ");
    rig_end();
}

static void writes_of_one_session_wait_for_each_other(void)
{
    uint64_t id[70];
    unsigned good = 0, busy = 0;
    const struct aiex_fake_record *call;
    char request[8];

    rig_begin(NULL);
    ask("sessions.create", "{'session':'s'}");
    memory_store_fail(store, "store.transact", 0, 1, NULL, HANGS);
    for (int i = 0; i < 70; i++) {
        snprintf(request, sizeof(request), "r%d", i);
        id[i] = say(request);
    }
    call = aiex_fake_last(h, AIEX_FAKE_CALL);
    HAS(ask("sessions.create", "{'session':'other'}"), "'version':1"); /* others go on */
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, id[3]), 0); /* its client went away; it is written */
    aiex_fake_answer_error(h, call->id, AIEX_E_CRASHED, "gone", 0, (struct aiex_slice){NULL, 0});
    rig_pass(1000);
    for (int i = 0; i < 70; i++) {
        good += strstr(end_of(id[i]), "'duplicate':false") != NULL;
        busy += strstr(end_of(id[i]), "busy: 64 writes of session 's' wait") != NULL;
    }
    CU_ASSERT_EQUAL(good, 63);
    CU_ASSERT_EQUAL(busy, 6);
    CU_ASSERT_EQUAL(memory_store_version(store, "session/s"), 65);
    HAS(end_of(id[63]), "'version':65,'messages':64");
    rig_end();
}

static void the_start_waits_for_the_store(void)
{
    static const char *const steps[] = {"store.define", "store.get", "store.transact",
                                        "store.range"};
    static const char *const codes[] = {AIEX_E_UNAVAILABLE, AIEX_E_TIMEOUT,   AIEX_E_CRASHED,
                                        AIEX_E_BUSY,        AIEX_E_READ_ONLY, AIEX_E_CONFLICT};

    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 6; k++)
            for (int done = 0; done < 2; done++) {
                uint64_t id, health;

                rig_begin(NULL);
                ask("sessions.create", "{'session':'s'}");
                rig_close();
                memory_store_fail(store, steps[i], 0, 30, codes[k], done ? DONE : NOT_DONE);
                rig_open(NULL);
                health = begin("service.health", "{}");
                id = begin("sessions.get", "{'session':'s'}");
                CU_ASSERT_STRING_EQUAL(end_of(id), "open");
                HAS(end_of(health), "'healthy':false");
                rig_pass(9000);
                memory_store_heal(store);
                rig_pass(11000);
                HAS(ask("sessions.append", APPEND("r")), "'version':2");
                HAS(ask("service.health", "{}"), "'healthy':true");
                HAS(ask("sessions.status", "{}"), "'phase':'ready'");
                rig_end();
            }
}

static void waiting_is_bounded(void)
{
    uint64_t id, gone;

    rig_begin(NULL);
    ask("sessions.create", "{'session':'s'}");
    rig_close();
    memory_store_fail(store, NULL, 0, 1000000, AIEX_E_UNAVAILABLE, NOT_DONE);
    rig_open((const struct aiex_fake_pair[]){{"load_wait", "3s"}, {0}});
    id = begin("sessions.get", "{'session':'s'}");
    gone = begin("sessions.get", "{'session':'s'}");
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, gone), 0);
    rig_pass(2000);
    CU_ASSERT_STRING_EQUAL(end_of(id), "open");
    rig_pass(2000);
    HAS(end_of(id), "unavailable: the sessions are still being read");
    for (int i = 0; i < 4096; i++)
        begin("sessions.get", "{'session':'s'}");
    HAS(ask("sessions.get", "{'session':'s'}"), "busy: 4096 requests are under way");
    rig_pass(12000);
    HAS(ask("sessions.status", "{}"), "'requests':0");
    HAS(ask("sessions.status", "{}"), "the table of sessions can not be defined");
    memory_store_heal(store);
    rig_pass(11000);
    HAS(ask("sessions.get", "{'session':'s'}"), "'version':1");
    rig_end();
}

static void a_later_owner_ends_the_earlier_one(void)
{
    struct aiex_fake_host *h1;
    void *self1;

    rig_begin(NULL);
    ask("sessions.create", "{'session':'s'}");
    ask("sessions.append", APPEND("a"));
    h1 = h;
    self1 = self;
    rig_open(NULL); /* the second one, on the same store */
    HAS(ask("sessions.status", "{}"), "'epoch':2");
    HAS(ask("sessions.append", APPEND("b")), "'version':3");
    {
        struct aiex_fake_host *h2 = h;
        void *self2 = self;

        h = h1;
        self = self1;
        HAS(ask("sessions.append", APPEND("c")),
            "conflict: another instance owns the sessions now (this one had epoch 1); nothing was "
            "changed");
        HAS(ask("sessions.create", "{}"), "conflict: another instance owns");
        HAS(ask("sessions.get", "{'session':'s'}"), "conflict: another instance owns");
        HAS(ask("service.health", "{}"), "'healthy':false,'reason':'another instance owns");
        CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(h, AIEX_FAKE_LOG, "writes no more", 0));
        rig_close();
        h = h2;
        self = self2;
    }
    HAS(ask("sessions.append", APPEND("c")), "'version':4,'messages':3");
    CU_ASSERT_EQUAL(memory_store_events(store, "session/s"), 4);
    rig_end();
}

/* Two configured instances: the second one takes nothing from the first. */
static void a_second_instance_stands_by(void)
{
    uint8_t mem[100];
    struct aiex_writer w;

    rig_begin(NULL);
    ask("sessions.create", "{'session':'s'}");
    rig_close();
    memory_store_elsewhere(store, "sessions");
    rig_open(NULL);
    for (int round = 0; round < 2; round++) {
        const struct aiex_fake_record *call = aiex_fake_last(h, AIEX_FAKE_CALL);

        CU_ASSERT_STRING_EQUAL(call->name, "sessions.status");
        aiex_writer_init(&w, mem, sizeof(mem));
        aiex_w_map(&w, 1);
        aiex_w_key_str(&w, "instance", round ? "service_sessions" : "service_sessions:other");
        aiex_fake_answer_ok(h, call->id, aiex_written(&w));
        if (round == 0) {
            HAS(ask("service.health", "{}"), "the instance 'service_sessions:other' serves them");
            HAS(ask("sessions.status", "{}"), "'phase':'loading','epoch':0");
            rig_pass(1100);
        }
    }
    HAS(ask("sessions.status", "{}"), "'phase':'ready','epoch':2"); /* itself, being replaced */
    rig_close();
    rig_open(NULL);
    rig_close(); /* while it asks */
    rig_open_cold(NULL);
    rig_end();
}

/* An older owner, whose stream version is right, is refused for the owner's row alone. */
static void only_the_row_decides_who_owns(void)
{
    uint8_t mem[100];
    struct aiex_writer w;

    rig_begin(NULL);
    ask("sessions.create", "{'session':'s'}");
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_int(&w, "epoch", 9);
    aiex_w_key_str(&w, "holder", "somebody");
    memory_store_put(store, "session_owner", "sessions", aiex_written(&w));
    HAS(ask("sessions.append", APPEND("c")), "conflict: another instance owns");
    CU_ASSERT_EQUAL(memory_store_events(store, "session/s"), 1);
    rig_close();
    rig_open(NULL);
    HAS(ask("sessions.status", "{}"), "'epoch':10");
    HAS(ask("sessions.append", APPEND("c")), "'version':2");
    rig_end();
}

/* Another one wrote into the stream (only the store's tools do that): it is taken up. */
static void a_stream_that_went_on_is_read_again(void)
{
    uint8_t mem[400];
    struct aiex_writer w;
    struct aiex_slice nothing = {NULL, 0};
    uint64_t id;

    rig_begin(NULL);
    ask("sessions.create", "{'session':'s'}");
    memory_store_fail(store, "store.transact", 0, 1, NULL, HANGS);
    id = say("late");
    aiex_writer_init(&w, mem, sizeof(mem));
    CU_ASSERT_STRING_EQUAL(end_of(id), "open");
    aiex_fake_answer_error(h, aiex_fake_last(h, AIEX_FAKE_CALL)->id, AIEX_E_CONFLICT, "odd", 0,
                           nothing);
    HAS(end_of(id), "conflict: the store refused the change: odd");
    HAS(ask("sessions.append", APPEND("r")), "'version':2");
    rig_end();
}

static void everything_is_there_after_a_crash(void)
{
    rig_begin(NULL);
    for (int i = 0; i < 1200; i++) {
        ask("sessions.create", "{'session':'s%d','title':'t%d','user':'u%d'}", i, i, i % 7);
        if (i % 100 == 0)
            ask("sessions.append", "{'session':'s%d','messages':[{'role':'user','content':'x'}]}",
                i);
        if (i % 10 == 3)
            ask("sessions.archive", "{'session':'s%d'}", i);
    }
    aiex_fake_forget(h);
    rig_close();
    rig_open(NULL);
    HAS(ask("sessions.status", "{}"), "'live':1080");
    HAS(ask("sessions.get", "{'session':'s200'}"), "'title':'t200','user':'u4'");
    HAS(ask("sessions.get", "{'session':'s200'}"), "'version':2,'messages':1");
    HAS(ask("sessions.get", "{'session':'s13'}"), "'state':'archived'");
    HAS(ask("sessions.list", "{'limit':1}"), "'session':'s1199'");
    rig_end();
}

/* In the middle of a write: the next process finds what the store has. */
static void a_crash_in_the_middle_leaves_all_or_nothing(void)
{
    for (int done = 0; done < 2; done++) {
        rig_begin(NULL);
        ask("sessions.create", "{'session':'s'}");
        memory_store_fail(store, "store.transact", 0, 1000, AIEX_E_CRASHED, done ? DONE : NOT_DONE);
        say("r");
        aiex_fake_stop(h, p, self);
        CU_ASSERT_EQUAL(aiex_fake_host_free(h), 1); /* an answer is owed */
        memory_store_heal(store);
        rig_open(NULL);
        HAS(ask("sessions.get", "{'session':'s'}"), done ? "'messages':1" : "'messages':0");
        HAS(ask("sessions.append", APPEND("r")), "'version':2,'messages':1");
        rig_end();
    }
}

static void draining_ends_what_is_under_way(void)
{
    uint64_t id;

    rig_begin(NULL);
    ask("sessions.create", "{'session':'s'}");
    memory_store_fail(store, "store.transact", 0, 1, AIEX_E_BUSY, NOT_DONE);
    id = say("r");
    CU_ASSERT_EQUAL(aiex_fake_drain(h, p, self), 0);
    HAS(ask("sessions.list", "{}"), "unavailable: the sessions service is closing");
    rig_pass(1000);
    HAS(end_of(id), "'version':2");
    CU_ASSERT_EQUAL(aiex_fake_drained(h), 1);
    rig_end();
}

/* The store was put back: it knows an owner of an earlier epoch, or none. */
static void an_older_store_is_told_apart(void)
{
    uint8_t mem[100];
    struct aiex_writer w;

    rig_begin(NULL);
    ask("sessions.create", "{'session':'s'}");
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_int(&w, "epoch", 0);
    aiex_w_key_str(&w, "holder", "the old one");
    memory_store_put(store, "session_owner", "sessions", aiex_written(&w));
    HAS(ask("sessions.append", APPEND("a")),
        "conflict: the store was put back to when it had another owner (this one had epoch 1); "
        "nothing was changed");
    HAS(ask("service.health", "{}"), "'healthy':false,'reason':'the store was put back");
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(h, AIEX_FAKE_LOG, "reload_on = store.restored", 0));
    rig_end();
}

/* What was queued when the new one took the epoch is answered by the new one. */
static void a_replaced_owner_hands_on(void)
{
    static const char *const ends[] = {"good", "error", "cancel", "short"};

    for (size_t i = 0; i < 4; i++) {
        const struct aiex_fake_record *call;
        uint8_t mem[100];
        struct aiex_writer w;
        uint64_t id;

        rig_begin(NULL);
        ask("sessions.create", "{'session':'s'}");
        memory_store_fail(store, "store.transact", 0, 1, NULL, HANGS);
        id = say("r");
        call = aiex_fake_last(h, AIEX_FAKE_CALL);
        CU_ASSERT_EQUAL(aiex_fake_drain(h, p, self), 0);
        aiex_writer_init(&w, mem, sizeof(mem));
        aiex_w_map(&w, 2);
        aiex_w_key_int(&w, "epoch", 2);
        aiex_w_key_str(&w, "holder", "the new one");
        memory_store_put(store, "session_owner", "sessions", aiex_written(&w));
        memory_store_elsewhere(store, "sessions");
        if (i == 3)
            aiex_fake_fail_alloc(h, 2); /* the second call from here is the one that hands on */
        aiex_fake_answer_error(h, call->id, AIEX_E_CONFLICT, "c", 0, (struct aiex_slice){NULL, 0});
        aiex_fake_fail_alloc(h, 0);
        call = aiex_fake_last(h, AIEX_FAKE_CALL);
        if (i < 3) {
            CU_ASSERT_STRING_EQUAL(call->service, "sessions");
            CU_ASSERT_STRING_EQUAL(call->name, "sessions.append");
            CU_ASSERT_EQUAL(call->flags, AIEX_CALL_SPLICE);
            CU_ASSERT_EQUAL(call->parent, id);
        }
        if (strcmp(ends[i], "good") == 0) {
            aiex_fake_answer_ok(h, call->id, aiex_written(&w));
            HAS(end_of(id), "{'epoch':2,'holder':'the new one'}");
        } else if (strcmp(ends[i], "error") == 0) {
            aiex_fake_answer_error(h, call->id, AIEX_E_BUSY, "later", 0,
                                   (struct aiex_slice){NULL, 0});
            HAS(end_of(id), "busy: later");
        } else if (strcmp(ends[i], "cancel") == 0) {
            CU_ASSERT_EQUAL(aiex_fake_cancel(h, id), 0);
        } else {
            HAS(end_of(id), "conflict: another instance owns");
        }
        CU_ASSERT_EQUAL(aiex_fake_drained(h), 1);
        rig_end();
    }
}

static void a_reader_that_went_away_costs_nothing(void)
{
    uint64_t id, many[32];

    rig_begin(NULL);
    ask("sessions.create", "{'session':'s'}");
    memory_store_fail(store, "store.read", 0, 1, NULL, HANGS);
    id = begin("sessions.history", "{'session':'s'}");
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, id), 0);
    HAS(ask("sessions.status", "{}"), "'requests':0");
    memory_store_fail(store, "store.read", 0, 100, NULL, HANGS);
    for (int i = 0; i < 32; i++)
        many[i] = begin("sessions.history", "{'session':'s'}");
    HAS(ask("sessions.history", "{'session':'s'}"), "busy: 32 histories and lists");
    for (int i = 0; i < 32; i++)
        CU_ASSERT_EQUAL(aiex_fake_cancel(h, many[i]), 0);
    memory_store_heal(store);
    HAS(ask("sessions.history", "{'session':'s'}"), "'events':[]");
    memory_store_fail(store, "store.get", 0, 1, NULL, HANGS);
    id = begin("sessions.get", "{'session':'x'}");
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, id), 0);
    HAS(ask("sessions.status", "{}"), "'requests':0");
    rig_end();
}

/* A read that is asked for again in the middle gives each message once. */
static void reads_are_repeated(void)
{
    uint64_t id;
    const char *json;

    rig_begin(NULL);
    ask("sessions.create", "{'session':'s'}");
    ask("sessions.append", APPEND("one"));
    memory_store_fail(store, "store.read", 0, 1, AIEX_E_CRASHED, DONE); /* parts, then the end */
    id = begin("sessions.history", "{'session':'s'}");
    rig_pass(1000);
    json = end_of(id);
    HAS(json, "'content':'one'");
    CU_ASSERT_PTR_NULL(strstr(strstr(json, "'content'") + 5, "'content'"));
    ask("sessions.archive", "{'session':'s'}");
    memory_store_fail(store, "store.range", 0, 1, AIEX_E_CRASHED, DONE);
    id = begin("sessions.list", "{'state':'archived'}");
    rig_pass(1000);
    json = end_of(id);
    HAS(json, "'session':'s'");
    CU_ASSERT_PTR_NULL(strstr(strstr(json, "'session':") + 5, "'session':"));
    rig_end();
}

static void put_row(const char *key, const char *id, const char *order, const char *state)
{
    uint8_t mem[300];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 4);
    aiex_w_key_str(&w, "id", id);
    aiex_w_key_str(&w, "order", order);
    aiex_w_key_str(&w, "state", state);
    aiex_w_key_int(&w, "version", 2);
    memory_store_put(store, "session", key, aiex_written(&w));
}

/* A table that is damaged, or was written by somebody else, costs that session and no other. */
static void rows_are_not_trusted(void)
{
    rig_begin(NULL);
    ask("sessions.create", "{'session':'s'}");
    ask("sessions.append", APPEND("a"));
    put_row("x", "s", "archived/1/x", "archived");
    HAS(ask("sessions.get", "{'session':'x'}"), "internal: the row of session 'x'");
    put_row("y", "y", "archived/2/y", "odd");
    HAS(ask("sessions.restore", "{'session':'y'}"), "internal: the row of session 'y'");
    put_row("z", "s", "live/00/z", "open");
    put_row("e", "s", "erase/1/e", "open"); /* only what is deleted is erased */
    rig_close();
    rig_open(NULL);
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(h, AIEX_FAKE_LOG, "is left out", 0));
    rig_pass(1000);
    CU_ASSERT_EQUAL(memory_store_events(store, "session/s"), 2);
    HAS(ask("sessions.append", APPEND("b")), "'version':3,'messages':2");
    HAS(ask("sessions.status", "{}"), "'live':1");
    rig_end();
}

static void without_memory_it_says_busy(void)
{
    static const struct {
        const char *method, *body;
    } calls[] = {
        {"sessions.create", "{'session':'n','request':'n'}"},
        {"sessions.append", APPEND("m")},
        {"sessions.set", "{'session':'s','title':'longer','request':'l'}"},
        {"sessions.fork", "{'session':'s','as':'f','request':'f'}"},
        {"sessions.rollback", "{'session':'s','version':1,'request':'b'}"},
        {"sessions.history", "{'session':'s'}"},
        {"sessions.get", "{'session':'a'}"},
        {"sessions.list", "{'state':'archived'}"},
        {"sessions.restore", "{'session':'a','request':'z'}"},
    };

    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        for (size_t n = 1; n < 12; n++) {
            uint64_t id;

            rig_begin(NULL);
            ask("sessions.create", "{'session':'s'}");
            ask("sessions.create", "{'session':'a'}");
            ask("sessions.archive", "{'session':'a'}");
            aiex_fake_fail_alloc(h, n);
            id = begin(calls[i].method, "%s", calls[i].body);
            rig_pass(3000);
            aiex_fake_fail_alloc(h, 0);
            if (strncmp(end_of(id), "busy: ", 6) != 0)
                HAS(end_of(id), "{'");
            id = begin(calls[i].method, "%s", calls[i].body);
            rig_pass(1000);
            CU_ASSERT_EQUAL(end_of(id)[0], '{');
            rig_end();
        }
}

static void the_start_survives_short_memory(void)
{
    for (size_t n = 1; n < 16; n++) {
        struct aiex_error err = {""};

        rig_begin(NULL);
        ask("sessions.create", "{'session':'s'}");
        rig_close();
        h = aiex_fake_host_new("service_sessions");
        aiex_fake_on_call(h, memory_store_call, store);
        aiex_fake_fail_alloc(h, n);
        if (aiex_fake_start(h, p, NULL, &self, &err) != 0) {
            HAS(err.text, "no memory");
            CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
            memory_store_free(store);
            continue;
        }
        aiex_fake_run_posts(h);
        rig_pass(3000);
        aiex_fake_fail_alloc(h, 0);
        HAS(ask("sessions.get", "{'session':'s'}"), "'version':1");
        rig_end();
    }
}

const struct test_case tests[] = {
    {"a_lost_answer_is_asked_for_again", a_lost_answer_is_asked_for_again},
    {"what_was_not_done_is_done_later", what_was_not_done_is_done_later},
    {"an_unknown_outcome_is_told_as_such", an_unknown_outcome_is_told_as_such},
    {"after_an_unknown_outcome_others_go_on", after_an_unknown_outcome_others_go_on},
    {"an_end_without_an_answer_is_bounded", an_end_without_an_answer_is_bounded},
    {"a_store_that_is_read_only_is_named", a_store_that_is_read_only_is_named},
    {"repeated_requests_are_one", repeated_requests_are_one},
    {"writes_of_one_session_wait_for_each_other", writes_of_one_session_wait_for_each_other},
    {"the_start_waits_for_the_store", the_start_waits_for_the_store},
    {"waiting_is_bounded", waiting_is_bounded},
    {"a_later_owner_ends_the_earlier_one", a_later_owner_ends_the_earlier_one},
    {"a_second_instance_stands_by", a_second_instance_stands_by},
    {"only_the_row_decides_who_owns", only_the_row_decides_who_owns},
    {"a_stream_that_went_on_is_read_again", a_stream_that_went_on_is_read_again},
    {"everything_is_there_after_a_crash", everything_is_there_after_a_crash},
    {"a_crash_in_the_middle_leaves_all_or_nothing", a_crash_in_the_middle_leaves_all_or_nothing},
    {"draining_ends_what_is_under_way", draining_ends_what_is_under_way},
    {"an_older_store_is_told_apart", an_older_store_is_told_apart},
    {"a_replaced_owner_hands_on", a_replaced_owner_hands_on},
    {"a_reader_that_went_away_costs_nothing", a_reader_that_went_away_costs_nothing},
    {"reads_are_repeated", reads_are_repeated},
    {"rows_are_not_trusted", rows_are_not_trusted},
    {"without_memory_it_says_busy", without_memory_it_says_busy},
    {"the_start_survives_short_memory", the_start_survives_short_memory},
    {0},
};

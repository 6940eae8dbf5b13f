/*
 * service_checkpoints_restore_test.c - restores through the door, on the real store and with the
 * real sessions: what a dry run says is what is done; what others write meanwhile is not
 * overwritten; a crash ends nothing.
 */
#include "checkpoints_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void put(const char *table, const char *key, const char *value)
{
    HAS(query(STORE, "store.transact",
              "{'operations': [{'op': 'put', 'table': '%s', 'key': '%s', 'value': '%s'}]}", table,
              key, value),
        "'version':");
}

static void drop(const char *table, const char *key)
{
    HAS(query(STORE, "store.transact",
              "{'operations': [{'op': 'delete', 'table': '%s', 'key': '%s'}]}", table, key),
        "'version':");
}

static void say(const char *stream, const char *id)
{
    HAS(query(STORE, "store.append",
              "{'stream': '%s', 'events': [{'id': '%s', 'type': 'said', 'data': 'what %s says'}]}",
              stream, id, id),
        "'version':");
}

static const char *value_of(const char *table, const char *key)
{
    return query(STORE, "store.get", "{'table': '%s', 'key': '%s'}", table, key);
}

static void keep(const char *name)
{
    HAS(query(CHECKPOINTS, "checkpoints.create", "{'name': '%s'}", name), "'sequence'");
}

/* ---- Tables ---- */

static void change_tables(void)
{
    put("people", "ann", "one");
    put("people", "bob", "two");
    HAS(query(STORE, "store.transact",
              "{'operations': [{'op': 'put', 'table': 'people', 'key': "
              "'soon', 'value': 'x', 'ttl_ms': 3600000}]}"),
        "'version'");
    keep("then");
    put("people", "ann", "other");
    put("people", "cid", "three");
    put("fresh", "k", "v");
    drop("people", "bob");
    drop("people", "soon");
}

static void test_tables(void)
{
    const char *dry, *done;

    rig_begin();
    rig_open(0);
    change_tables();
    dry = query_all(CHECKPOINTS, "checkpoints.restore", "{'name': 'then', 'dry_run': true}");
    HAS(dry, "{'part':'table:people','change':'changed','key':'ann'}");
    HAS(dry, "{'part':'table:people','change':'added','key':'bob'}");
    HAS(dry, "{'part':'table:people','change':'removed','key':'cid'}");
    HAS(dry, "{'part':'table:fresh','change':'removed','key':'k'}");
    HAS(dry, "'same_store':true");
    HAS(dry, "'total':{'added':2,'changed':1,'removed':2}");
    HAS(value_of("people", "ann"), "b3RoZXI=");
    HAS(query(CHECKPOINTS, "checkpoints.list", "{}"), "'broken':0");
    CU_ASSERT_EQUAL(files_below("checkpoints/manifests"), 1);
    done = query_all(CHECKPOINTS, "checkpoints.restore", "{'name': 'then'}");
    HAS(done, "'total':{'added':2,'changed':1,'removed':2}");
    HAS(done, "'before':'before-then'");
    HAS(value_of("people", "ann"), "'b25l'"); /* one */
    HAS(value_of("people", "bob"), "'dHdv'");
    HAS(value_of("people", "cid"), "'found':false");
    HAS(value_of("fresh", "k"), "'found':false");
    CU_ASSERT_TRUE(number(value_of("people", "soon"), "expires") > 0);
    /* again: nothing is left to do, and the time that is left is not counted as another one */
    HAS(query(CHECKPOINTS, "checkpoints.restore", "{'name': 'then', 'dry_run': true}"),
        "'total':{}");
    /* and back */
    done = query(CHECKPOINTS, "checkpoints.restore", "{'name': 'before-then'}");
    HAS(done, "'before':'before-before-then'");
    HAS(value_of("people", "ann"), "b3RoZXI=");
    HAS(value_of("people", "bob"), "'found':false");
    HAS(value_of("fresh", "k"), "'found':true");
    HAS(query(STORE, "store.read", "{'stream': 'checkpoint/restores'}"), "'events':4");
    rig_close();
    rig_end();
}

static void test_chosen(void)
{
    rig_begin();
    rig_open(0);
    put("a", "k", "1");
    put("b", "k", "1");
    keep("then");
    put("a", "k", "2");
    put("a", "l", "2");
    put("b", "k", "2");
    HAS(query(CHECKPOINTS, "checkpoints.restore",
              "{'name': 'then', 'parts': ['table:a'], 'keep_added': true, 'backup': false}"),
        "'before':'','dry_run':false,'same_store':true,'restart':[],'parts':[{'part':'table:a',"
        "'changed':1}]");
    HAS(value_of("a", "k"), "'MQ=='");
    HAS(value_of("a", "l"), "'Mg=='");
    HAS(value_of("b", "k"), "'Mg=='");
    HAS(query(CHECKPOINTS, "checkpoints.restore", "{'name': 'nobody'}"), "not_found: ");
    HAS(query(CHECKPOINTS, "checkpoints.restore", "{}"), "invalid: ");
    HAS(query(CHECKPOINTS, "checkpoints.restore", "{'name': 'then', 'parts': ['x']}"), "invalid: ");
    HAS(query(CHECKPOINTS, "checkpoints.restore", "{'name': 'then', 'dry_run': 1}"), "invalid: ");
    CU_ASSERT_EQUAL(files_below("checkpoints/manifests"), 1);
    rig_close();
    rig_end();
}

/* Somebody writes between the comparison and the transaction. */
static const char *write_between(enum place to, const char *method, int answered)
{
    static int busy;

    if (busy || answered || to != STORE || strcmp(method, "store.transact") != 0)
        return NULL;
    busy = 1;
    put("people", "ann", "meanwhile");
    busy = 0;
    return NULL;
}

static void test_meanwhile(void)
{
    const char *done;

    rig_begin();
    rig_open(0);
    change_tables();
    on_carry = write_between;
    done = query_all(CHECKPOINTS, "checkpoints.restore", "{'name': 'then'}");
    on_carry = NULL;
    HAS(done, "'change':'conflicts','key':'ann','detail':'somebody wrote it meanwhile'");
    HAS(done, "'total':{'added':2,'removed':2,'conflicts':1}");
    HAS(value_of("people", "ann"), "bWVhbndoaWxl");
    rig_close();
    rig_end();
}

/* ---- Streams ---- */

static void test_streams(void)
{
    const char *done;

    rig_begin();
    rig_open(0);
    say("talk", "a1");
    keep("then");
    say("talk", "a2");
    say("new", "n1");
    done = query_all(CHECKPOINTS, "checkpoints.restore", "{'name': 'then', 'backup': false}");
    HAS(done, "'change':'left','key':'talk','detail':'version 1 then, 2 now: its later events "
              "stay'");
    HAS(done, "'total':{'left':2}");
    done = query_all(CHECKPOINTS, "checkpoints.restore",
                     "{'name': 'then', 'backup': false, 'mark': true, 'parts': ['stream:talk', "
                     "'stream:new', 'table:*']}");
    HAS(done, "'total':{'marked':2}");
    HAS(query_all(STORE, "store.read", "{'stream': 'talk', 'type': 'stream.restored'}"),
        "'version':3");
    HAS(query(CHECKPOINTS, "checkpoints.restore", "{'name': 'then', 'mark': true}"),
        "invalid: field 'mark' needs parts");
    /* what is marked is marked */
    HAS(query(CHECKPOINTS, "checkpoints.restore",
              "{'name': 'then', 'backup': false, 'mark': true, 'parts': ['stream:talk', "
              "'stream:new', 'table:*']}"),
        "'total':{}");
    say("talk", "a3");
    HAS(query(CHECKPOINTS, "checkpoints.restore",
              "{'name': 'then', 'backup': false, 'mark': true, 'parts': ['stream:talk', "
              "'stream:new', 'table:*']}"),
        "'total':{'marked':1}");
    rig_close();
    rig_end();
}

/* ---- Sessions ---- */

static void speak(const char *session, const char *text)
{
    HAS(query(SESSIONS_ROOM, "sessions.append",
              "{'session': '%s', 'messages': [{'role': 'user', 'content': '%s'}]}", session, text),
        "'version'");
}

static void make(const char *session, const char *title)
{
    HAS(query(SESSIONS_ROOM, "sessions.create", "{'session': '%s', 'title': '%s', 'user': 'u'}",
              session, title),
        "'version'");
}

static void act(const char *method, const char *session)
{
    HAS(query(SESSIONS_ROOM, method, "{'session': '%s'}", session), "'state'");
}

static void test_sessions(void)
{
    const char *a, *dry;

    rig_begin();
    rig_open(1);
    make("s1", "first");
    speak("s1", "one");
    make("s2", "second");
    act("sessions.archive", "s2");
    make("s3", "third");
    make("s5", "fifth");
    keep("then");
    speak("s1", "two");
    HAS(query(SESSIONS_ROOM, "sessions.set",
              "{'session': 's1', 'title': 'renamed', 'ttl_ms': 90000}"),
        "'version'");
    act("sessions.close", "s1");
    act("sessions.restore", "s2");
    speak("s2", "three");
    act("sessions.delete", "s3");
    make("s4", "new");
    act("sessions.touch", "s5");
    dry = query_all(CHECKPOINTS, "checkpoints.restore", "{'name': 'then', 'dry_run': true}");
    HAS(dry, "'key':'s1','detail':'version 5 -> that of 2, labels, closed -> open'");
    HAS(dry, "'key':'s2','detail':'version 4 -> that of 2, open -> archived'");
    HAS(dry, "'key':'s3'");
    HAS(dry, "'change':'removed','key':'s4','detail':'made since: it is archived'");
    HAS_NOT(dry, "'key':'s5'");
    HAS(query(SESSIONS_ROOM, "sessions.get", "{'session': 's4'}"), "'state':'open'");
    a = query_all(CHECKPOINTS, "checkpoints.restore", "{'name': 'then'}");
    HAS(a, "'rolled_back':2");
    a = query(SESSIONS_ROOM, "sessions.get", "{'session': 's1'}");
    HAS(a, "'title':'first'");
    HAS(a, "'ttl_ms':-1");
    HAS(a, "'state':'open'");
    HAS(a, "'messages':1");
    a = query(SESSIONS_ROOM, "sessions.get", "{'session': 's2'}");
    HAS(a, "'state':'archived'");
    HAS(a, "'messages':0");
    HAS(query(SESSIONS_ROOM, "sessions.get", "{'session': 's4'}"), "'state':'archived'");
    dry = query_all(CHECKPOINTS, "checkpoints.restore", "{'name': 'then', 'dry_run': true}");
    HAS_NOT(dry, "'rolled_back'");
    HAS_NOT(dry, "'removed'");
    /* and back: what was hidden is shown again */
    a = query_all(CHECKPOINTS, "checkpoints.restore",
                  "{'name': 'before-then', 'parts': ['sessions'], 'backup': false}");
    a = query(SESSIONS_ROOM, "sessions.get", "{'session': 's1'}");
    HAS(a, "'title':'renamed'");
    HAS(a, "'state':'closed'");
    HAS(a, "'messages':2");
    HAS(query(SESSIONS_ROOM, "sessions.get", "{'session': 's4'}"), "'state':'open'");
    rig_close();
    rig_end();
}

/* ---- Another node ---- */

static void carry_away(const char *name)
{
    uint64_t id = begin(CHECKPOINTS, "checkpoints.export", "{'name': '%s'}", name);
    struct aiex_slice parts;
    struct aiex_writer w;
    uint8_t *mem;
    size_t size;

    HAS(end_of(CHECKPOINTS, id), "'bytes':");
    parts = bytes_of(CHECKPOINTS, id);
    size = parts.len + 200;
    mem = malloc(size);
    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, 3);
    aiex_w_key_str(&w, "upload", "u");
    aiex_w_key_bin(&w, "data", parts.data, parts.len);
    aiex_w_key_bool(&w, "end", 1);
    rig_close();
    room_move(CHECKPOINTS, "checkpoints2");
    room_move(STORE, "store2");
    room_move(SESSIONS_ROOM, "sessions2");
    rig_open(1);
    HAS(end_of(CHECKPOINTS, begin_bytes(CHECKPOINTS, "checkpoints.import", aiex_written(&w))),
        "'name'");
    free(mem);
}

static void test_elsewhere(void)
{
    const char *done;
    char name[24];

    rig_begin();
    rig_open(1);
    make("s1", "first");
    speak("s1", "one");
    HAS(query(STORE, "store.define",
              "{'table': 'people', 'indexes': [{'name': 'n', 'field': "
              "'name', 'type': 'str'}]}"),
        "{}");
    put("things", "k", "v");
    for (int i = 0; i < 600; i++) {
        snprintf(name, sizeof(name), "e%d", i);
        say(i % 3 ? "talk" : "keys", name);
    }
    say("mine", "m1");
    keep("then");
    carry_away("then");
    say("mine", "other");
    say("talk", "e1"); /* the begin of that stream is here already */
    say("talk", "e2");
    put("own", "k", "v");
    done = query_all(CHECKPOINTS, "checkpoints.restore", "{'name': 'then', 'dry_run': true}");
    HAS(done, "'same_store':false");
    HAS(done, "'change':'added','key':'keys','detail':'version 0 -> 200'");
    HAS(done, "'change':'appended','key':'talk','detail':'version 2 -> 400'");
    HAS(done, "'change':'conflicts','key':'mine'");
    done = query_all(CHECKPOINTS, "checkpoints.restore", "{'name': 'then', 'keep_added': true}");
    HAS(done, "'change':'added','key':'keys','detail':'version 0 -> 200'");
    HAS(done, "'change':'appended','key':'talk','detail':'version 2 -> 400'");
    HAS(done, "'change':'conflicts','key':'mine'");
    HAS(done, "'restart':['service_sessions']");
    HAS(query(STORE, "store.read", "{'stream': 'talk', 'from': 399}"), "'events':2,'last':401");
    HAS(value_of("things", "k"), "'dg=='");
    HAS(value_of("own", "k"), "'found':true");
    HAS(query(STORE, "store.define", "{'table': 'people', 'indexes': []}"), "conflict: ");
    room_close(SESSIONS_ROOM);
    room_open(SESSIONS_ROOM);
    CU_ASSERT_TRUE(comes(SESSIONS_ROOM, "sessions.status", "'phase':'ready'"));
    HAS(query(SESSIONS_ROOM, "sessions.get", "{'session': 's1'}"), "'title':'first'");
    HAS(query(SESSIONS_ROOM, "sessions.history", "{'session': 's1'}"), "'content':'one'");
    HAS(query(SESSIONS_ROOM, "sessions.list", "{}"), "'session':'s1'");
    speak("s1", "two");
    HAS(query(STORE, "store.verify", "{}"), "'whole':true");
    done = query(CHECKPOINTS, "checkpoints.restore",
                 "{'name': 'then', 'keep_added': true, 'parts': ['stream:talk', 'stream:keys', "
                 "'table:things']}");
    HAS(done, "'total':{}");
    rig_close();
    room_move(CHECKPOINTS, "checkpoints");
    room_move(STORE, "store");
    room_move(SESSIONS_ROOM, "sessions");
    rig_end();
}

/* ---- The store is away, answers are lost ---- */

static int nth, counted;
static enum { LOSE, REFUSE } how;

static const char *trouble(enum place to, const char *method, int answered)
{
    static const char *const codes[] = {AIEX_E_CRASHED, AIEX_E_TIMEOUT};

    (void)method;
    if (to != STORE || answered != (how == LOSE))
        return NULL;
    counted++;
    if (counted != nth)
        return NULL;
    return how == LOSE ? codes[nth % 2] : AIEX_E_UNAVAILABLE;
}

static void test_trouble(void)
{
    int went = 1;

    rig_begin();
    rig_open(0);
    change_tables();
    say("talk", "a1");
    for (nth = 1; went && nth < 60; nth++)
        for (how = LOSE; how <= REFUSE; how++) {
            counted = 0;
            on_carry = trouble;
            HAS(query(CHECKPOINTS, "checkpoints.restore",
                      "{'name': 'then', 'backup': false, 'mark': true, 'parts': ['stream:talk', "
                      "'stream:new', 'table:*']}"),
                "'restore'");
            went = counted >= nth;
            on_carry = NULL;
            HAS(query(CHECKPOINTS, "checkpoints.restore", "{'name': 'then', 'dry_run': true}"),
                "'total':{}");
            put("people", "ann", "other");
            drop("people", "bob");
            put("people", "cid", "three");
        }
    CU_ASSERT_TRUE(nth > 5);
    HAS(query(STORE, "store.verify", "{}"), "'whole':true");
    HAS(query(STORE, "store.read", "{'stream': 'talk', 'type': 'stream.restored'}"), "'events':1");
    rig_close();
    rig_end();
}

static void test_store_dies(void)
{
    uint64_t id;

    rig_begin();
    rig_open(0);
    change_tables();
    room_close(STORE);
    id = begin(CHECKPOINTS, "checkpoints.restore", "{'name': 'then'}");
    for (int i = 0; i < 200; i++)
        turn();
    CU_ASSERT_TRUE(is_open(CHECKPOINTS, id));
    room_open(STORE);
    HAS(end_of(CHECKPOINTS, id), "'total':{'added':2,'changed':1,'removed':2}");
    room_close(STORE);
    HAS(query(CHECKPOINTS, "checkpoints.restore", "{'name': 'then'}"), "unavailable: ");
    HAS(query(CHECKPOINTS, "checkpoints.create", "{'name': 'no'}"), "unavailable: ");
    HAS(query(CHECKPOINTS, "checkpoints.verify", "{'name': 'then'}"), "'whole':true");
    CU_ASSERT_EQUAL(files_below("checkpoints/manifests"), 2);
    room_open(STORE);
    rig_close();
    rig_end();
}

const struct test_case tests[] = {
    {"tables are as they were, and back", test_tables},
    {"chosen parts, and what is refused", test_chosen},
    {"what others write meanwhile stays", test_meanwhile},
    {"streams are left, or marked", test_streams},
    {"sessions are rolled back by their service", test_sessions},
    {"a checkpoint is restored on another node", test_elsewhere},
    {"each answer of the store gets lost once", test_trouble},
    {"the store goes and comes", test_store_dies},
    {0},
};

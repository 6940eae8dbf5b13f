/* store_bdb_test.c - streams: appends, expected versions, ids, levels, batches, reads. */
#include "store_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ONE "{'stream': '%s', 'events': [{'id': '%s', 'type': 'made', 'time': 5, 'data': 'x'}]}"

static const char *append(const char *stream, const char *id)
{
    return ask("store.append", ONE, stream, id);
}

static void test_append_and_read(void)
{
    rig_begin(NULL);
    IS(append("s", "a"), "{'version':1,'sequence':1,'duplicate':false}");
    IS(append("s", "b"), "{'version':2,'sequence':2,'duplicate':false}");
    IS(append("t", "c"), "{'version':1,'sequence':3,'duplicate':false}");
    IS(ask_all("store.read", "{'stream': 's'}"),
       "[{'stream':'s','version':1,'sequence':1,'id':'a','type':'made','time':5,'data':'eA=='},"
       "{'stream':'s','version':2,'sequence':2,'id':'b','type':'made','time':5,'data':'eA=='}]"
       " {'events':2,'last':3,'end':true,'sequence':3}");
    IS(ask_all("store.read", "{'stream': 'none'}"),
       " {'events':0,'last':1,'end':true,'sequence':3}");
    rig_close();
    rig_open(NULL);
    IS(append("s", "d"), "{'version':3,'sequence':4,'duplicate':false}");
    HAS(ask("store.status", "{}"), "'sequence':4,'streams':2");
    HAS(ask_all("store.read", "{}"), "'events':4");
    HAS(ask("store.verify", "{}"), "'faults':0");
    rig_close();
    rig_end();
}

static void test_expected(void)
{
    static const char *const format =
        "{'stream': '%s', 'expected': %d, 'events': [{'id': '%s', 'type': 't'}]}";

    rig_begin(NULL);
    HAS(ask("store.append", format, "s", -2, "1"), "conflict: stream 's' has version 0, not -2");
    HAS(ask("store.append", format, "s", 1, "1"), "{'version':0}");
    HAS(ask("store.append", format, "s", 0, "1"), "'version':1");
    HAS(ask("store.append", format, "s", 0, "2"), "conflict: stream 's' has version 1");
    HAS(ask("store.append", format, "s", -2, "2"), "'version':2");
    HAS(ask("store.append", format, "s", 2, "3"), "'version':3");
    HAS(ask("store.append", format, "s", -1, "4"), "'version':4");
    HAS(ask("store.append", format, "s", -3, "5"), "invalid: field 'expected'");
    HAS(ask("store.status", "{}"), "'sequence':4");
    rig_close();
    rig_end();
}

/* The answer was lost: the same request gets it again, whatever happened since. */
static void test_same_id(void)
{
    rig_begin(NULL);
    HAS(ask("store.append", "{'stream': 's', 'expected': 0, 'events': [{'id': 'a', 'type': 't'}, "
                            "{'id': 'b', 'type': 't'}]}"),
        "{'version':2,'sequence':2,'duplicate':false}");
    append("s", "c");
    HAS(ask("store.append", "{'stream': 's', 'expected': 0, 'events': [{'id': 'a', 'type': 't'}, "
                            "{'id': 'b', 'type': 't'}]}"),
        "{'version':2,'sequence':2,'duplicate':true}");
    HAS(ask("store.append", "{'stream': 's', 'events': [{'id': 'b', 'type': 't'}, "
                            "{'id': 'new', 'type': 't'}]}"),
        "conflict: 1 of the 2 events are stored already");
    HAS(append("other", "a"), "conflict: event id 'a' is one of another stream");
    HAS(ask("store.append", "{'stream': 's', 'events': [{'id': 'z', 'type': 't'}, "
                            "{'id': 'z', 'type': 't'}]}"),
        "invalid: event id 'z' comes twice");
    HAS(ask("store.status", "{}"), "'sequence':3,'streams':1");
    rig_close();
    rig_end();
}

static void test_levels(void)
{
    static const char *const format =
        "{'stream': 's', 'level': '%s', 'events': [{'id': '%s', 'type': 't'}]}";

    rig_begin(NULL);
    HAS(ask("store.append", format, "applied", "a"), "'version':1");
    HAS(ask("store.append", format, "written", "b"), "'version':2");
    CU_ASSERT_EQUAL(number(ask("store.status", "{}"), "flushes"), 0);
    HAS(ask("store.append", format, "synced", "c"), "'version':3");
    CU_ASSERT_EQUAL(number(ask("store.status", "{}"), "flushes"), 1);
    HAS(ask("store.append", format, "quorum", "d"), "invalid: level 'quorum'");
    HAS(ask("store.append", format, "soon", "d"), "invalid: level 'soon'");
    rig_close();
    rig_open(NULL);
    HAS(ask_all("store.read", "{}"), "'events':3");
    rig_close();
    rig_end();
}

/* Many requests in one batch: a conflict among them undoes no neighbour. */
static void test_neighbours(void)
{
    uint64_t ids[300];
    int conflicts = 0;

    rig_begin(NULL);
    for (int i = 0; i < 300; i++)
        ids[i] = begin("store.append",
                       "{'stream': 's%d', 'expected': %d, 'events': [{'id': 'e%d', 'type': 't'}]}",
                       i % 10, i % 3 == 0 ? 99 : -1, i);
    for (int i = 0; i < 300; i++)
        conflicts += strncmp(end_of(ids[i]), "conflict", 8) == 0;
    CU_ASSERT_EQUAL(conflicts, 100);
    HAS(ask("store.status", "{}"), "'sequence':200,'streams':10");
    HAS(ask("store.verify", "{}"), "'faults':0");
    rig_close();
    rig_end();
}

static void test_transact(void)
{
    static const char *const both =
        "{'id': '%s', 'operations': [{'op': 'append', 'stream': 'a', 'expected': 0, 'events': "
        "[{'id': '%s1', 'type': 't'}]}, {'op': 'append', 'stream': 'b', 'expected': %d, 'events': "
        "[{'id': '%s2', 'type': 't'}]}, {'op': 'append', 'stream': 'a', 'expected': 1, 'events': "
        "[{'id': '%s3', 'type': 't'}]}, {'op': 'put', 'table': 'x', 'key': 'k', 'value': 'v'}]}";

    rig_begin(NULL);
    HAS(ask("store.transact", both, "t1", "p", 7, "p", "p"), "{'version':0,'failed':1}");
    HAS(ask("store.status", "{}"), "'sequence':0,'streams':0");
    HAS(ask("store.get", "{'table': 'x', 'key': 'k'}"), "{'found':false}");
    IS(ask("store.transact", both, "t1", "q", 0, "q", "q"),
       "{'version':1,'duplicate':false,'appends':[{'stream':'a','version':1,'sequence':1},"
       "{'stream':'b','version':1,'sequence':2},{'stream':'a','version':2,'sequence':3}]}");
    IS(ask("store.transact", both, "t1", "q", 0, "q", "q"),
       "{'version':1,'duplicate':true,'appends':[{'stream':'a','version':1,'sequence':1},"
       "{'stream':'b','version':1,'sequence':2},{'stream':'a','version':2,'sequence':3}]}");
    HAS(ask("store.get", "{'table': 'x', 'key': 'k'}"), "'found':true,'value':'dg==','version':1");
    HAS(ask("store.verify", "{}"), "'faults':0");
    rig_close();
    rig_end();
}

/* ---- Reads ---- */

/* 60 events: streams a b c in turn, types even and odd, times 1000, 1001 ... */
static void fill(void)
{
    for (int i = 0; i < 60; i++)
        begin("store.append",
              "{'stream': '%c', 'level': 'written', 'events': [{'id': 'e%d', 'type': '%s', 'time': "
              "%d, 'correlation': 'c%d'}]}",
              'a' + i % 3, i, i % 2 ? "odd" : "even", 1000 + i, i / 20);
    append("last", "last");
}

static void test_ways(void)
{
    rig_begin(NULL);
    fill();
    HAS(ask_all("store.read", "{'stream': 'b', 'from': 3, 'to': 4}"),
        "[{'stream':'b','version':3,'sequence':8");
    HAS(ask("store.read", "{'stream': 'b', 'from': 3, 'to': 4}"), "'events':2,'last':5,'end':true");
    HAS(ask("store.read", "{'stream': 'b', 'type': 'odd'}"), "'events':10,");
    HAS(ask("store.read", "{'type': 'even'}"), "'events':30,");
    HAS(ask("store.read", "{'type': 'eve'}"), "'events':0,");
    HAS(ask("store.read", "{'correlation': 'c1'}"), "'events':20,");
    HAS(ask("store.read", "{'correlation': 'c1', 'type': 'odd'}"), "'events':10,");
    HAS(ask("store.read", "{'stream': 'a', 'correlation': 'c1'}"), "'events':7,");
    HAS(ask("store.read", "{'from_time': 1010, 'to_time': 1019}"), "'events':10,");
    HAS(ask("store.read", "{'from': 11, 'to': 20}"), "'events':10,");
    HAS(ask("store.read", "{'from': 11, 'to': 20, 'backwards': true}"), "'events':0,");
    HAS(ask("store.read", "{'from': 20, 'to': 11, 'backwards': true}"), "'events':10,");
    HAS(ask_all("store.read", "{'backwards': true, 'limit': 1}"), "[{'stream':'last'");
    HAS(ask_all("store.read", "{'stream': 'c', 'backwards': true, 'limit': 2}"),
        "[{'stream':'c','version':20,'sequence':60,");
    HAS(ask_all("store.read", "{'type': 'odd', 'backwards': true, 'limit': 1}"), "'id':'e59'");
    HAS(ask_all("store.read", "{'correlation': 'c0', 'backwards': true, 'limit': 1}"),
        "'id':'e19'");
    HAS(ask("store.read", "{'stream': 'a', 'backwards': true}"), "'events':20,'last':0,'end':true");
    rig_close();
    rig_end();
}

/* From page to page, in the state of the first one. */
static void test_continuation(void)
{
    static const char *const questions[] = {"'limit': 7",
                                            "'stream': 'a', 'limit': 7",
                                            "'type': 'odd', 'limit': 7",
                                            "'correlation': 'c1', 'limit': 7",
                                            "'limit': 7, 'backwards': true",
                                            "'stream': 'a', 'limit': 7, 'backwards': true",
                                            "'type': 'odd', 'limit': 7, 'backwards': true"};
    static const int counts[] = {61, 20, 30, 20, 61, 20, 30};

    rig_begin(NULL);
    fill();
    for (int q = 0; q < 7; q++) {
        char token[64] = "";
        int events = 0, pages = 0, end = 0;

        while (!end && ++pages < 20) {
            const char *a = ask("store.read", "{%s, 'token': '%s'}", questions[q], token);
            const char *next = strstr(a, "'next':'");

            events += (int)number(a, "events");
            end = strstr(a, "'end':true") != NULL;
            if (next)
                sscanf(next, "'next':'%63[0-9.]", token);
            if (q < 4)
                begin("store.append",
                      "{'stream': 'a', 'events': [{'id': 'x%d.%d', 'type': 'odd', "
                      "'correlation': 'c1'}]}",
                      q, pages);
        }
        if (q < 4)
            HAS(ask("store.read", "{'limit': 1, 'token': '5.900'}"), "'events':0");
        /* what came meanwhile is not seen by those who began before; later questions see it */
        CU_ASSERT_TRUE(events >= counts[q]);
        CU_ASSERT_TRUE(q > 0 || events == counts[q]);
    }
    HAS(ask("store.read", "{'token': 'x'}"), "invalid: field 'token'");
    rig_close();
    rig_end();
}

/* Long reads: parts one by one, a slow consumer, cancel, writes meanwhile. */
static void test_long_reads(void)
{
    uint64_t slow, gone, fast;
    char *data = malloc(2001);

    memset(data, 'd', 2000);
    data[2000] = 0;
    rig_begin(NULL);
    for (int i = 0; i < 2000; i++)
        begin(
            "store.append",
            "{'stream': 'long', 'level': 'written', 'events': [{'id': 'e%d', 'type': 't', 'data': "
            "'%s'}]}",
            i, data);
    append("x", "x");
    aiex_fake_window(h, 1);
    slow = begin("store.read", "{}");
    gone = begin("store.read", "{'stream': 'long'}");
    while (!aiex_fake_find(h, AIEX_FAKE_STREAM, "", 1))
        aiex_fake_poll(h, 100);
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, gone), 0);
    for (int i = 0; i < 50; i++) /* nothing more comes to one that is paused */
        HAS(append("x", "x"), "'duplicate':true");
    CU_ASSERT_EQUAL(aiex_fake_count(h, AIEX_FAKE_STREAM), 2);
    CU_ASSERT_PTR_NULL(aiex_fake_answer(h, slow));
    aiex_fake_window(h, 0);
    fast = begin("store.read", "{'stream': 'long'}");
    HAS(end_of(fast), "'events':2000,");
    CU_ASSERT_TRUE(aiex_fake_parts(h, fast).len > 4000000);
    aiex_fake_resume(h, slow);
    HAS(end_of(slow), "'events':2001,");
    HAS(ask("store.read", "{'stream': 'long', 'backwards': true}"), "'events':2000,");
    rig_close();
    rig_end();
    free(data);
}

static void test_large_events(void)
{
    char *data = malloc(900001);

    memset(data, 'L', 900000);
    data[900000] = 0;
    rig_begin(NULL);
    for (int i = 0; i < 4; i++)
        HAS(ask("store.append",
                "{'stream': 's', 'events': [{'id': 'e%d', 'type': 't', 'correlation': 'c', 'data': "
                "'%s'}]}",
                i, data + i * 1000 * 200),
            "'duplicate':false");
    HAS(ask("store.read", "{}"), "'events':4,");
    HAS(ask("store.read", "{'stream': 's'}"), "'events':4,");
    HAS(ask("store.read", "{'stream': 's', 'backwards': true}"), "'events':4,");
    HAS(ask("store.read", "{'correlation': 'c'}"), "'events':4,");
    HAS(ask("store.verify", "{}"), "'faults':0");
    rig_close();
    rig_open((struct aiex_fake_pair[]){{"max_event", "1k"}, {0}});
    HAS(ask("store.append", "{'stream': 's', 'events': [{'id': 'b', 'type': 't', 'data': '%s'}]}",
            data + 800000),
        "invalid: event 1: 100000 bytes of data and meta; max_event is 1024");
    rig_close();
    rig_end();
    free(data);
}

static void test_wrong(void)
{
    static const struct {
        const char *method, *body, *says;
    } wrong[] = {
        {"store.append", "{}", "invalid: field 'stream'"},
        {"store.append", "{'stream': ''}", "invalid: field 'stream'"},
        {"store.append", "{'stream': 7}", "invalid: field 'stream'"},
        {"store.append", "{'stream': 'a\\nb'}", "invalid: field 'stream'"},
        {"store.append", "{'stream': 's'}", "invalid: field 'events'"},
        {"store.append", "{'stream': 's', 'events': []}", "invalid: field 'events'"},
        {"store.append", "{'stream': 's', 'events': [7]}", "event 1 is no map"},
        {"store.append", "{'stream': 's', 'events': [{'type': 't'}]}", "event 1: 'id'"},
        {"store.append", "{'stream': 's', 'events': [{'id': 'x'}]}", "event 1: 'type'"},
        {"store.append", "{'stream': 's', 'events': [{'id': 'x', 'type': 't', 'time': 'now'}]}",
         "event 1: 'time' has the wrong type"},
        {"store.append", "{'stream': 's', 'events': [{'id': 'x', 'type': 't', 'meta': 1}]}",
         "event 1: 'meta' has the wrong type"},
        {"store.append", "{'stream': 's', 'epoch': 'x', 'events': [{'id': 'x', 'type': 't'}]}",
         "field 'epoch'"},
        {"store.transact", "{}", "'operations' must have 1 to 1000"},
        {"store.transact", "{'operations': [{'op': 'burn'}]}", "op 'burn' is none of"},
        {"store.transact", "{'operations': [{'op': 'put', 'table': 't'}]}", "field 'key'"},
        {"store.transact", "{'conditions': 5, 'operations': []}", "field 'conditions'"},
        {"store.read", "{'limit': -1}", "field 'limit'"},
        {"store.read", "{'from': 'x'}", "'from' and 'to'"},
        {"store.read", "{'stream': 5}", "field 'stream'"},
        {"store.get", "{'table': 't'}", "field 'key'"},
        {"store.range", "{}", "'table'"},
        {"store.define", "{'table': 't', 'indexes': [{'name': 'n', 'field': 'f', 'type': 'x'}]}",
         "'type' is none of"},
        {"store.subscribe", "{}", "field 'name'"},
        {"store.ack", "{'name': 'n', 'sequence': 9}", "field 'sequence'"},
        {"store.compact", "{'stream': 's'}", "field 'keep_from'"},
        {"store.nothing", "{}", "not_found"},
    };

    rig_begin(NULL);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        const char *a = ask(wrong[i].method, "%s", wrong[i].body);

        CU_ASSERT_TRUE(strncmp(a, "invalid: ", 9) == 0 || strncmp(a, "not_found", 9) == 0);
        HAS(a, wrong[i].says);
    }
    HAS(ask("store.status", "{}"), "'sequence':0");
    rig_close();
    rig_end();
}

static void test_epochs(void)
{
    static const char *const format =
        "{'stream': 's', 'owner': '%s', 'epoch': %d, 'events': [{'id': '%s', 'type': 't'}]}";

    rig_begin(NULL);
    HAS(ask("store.append", format, "", 3, "a"), "'version':1");
    HAS(ask("store.append", format, "", 2, "b"), "conflict: epoch 2");
    HAS(ask("store.append", format, "me", 1, "b"), "'version':2");
    HAS(ask("store.append", format, "me", 5, "c"), "'version':3");
    HAS(ask("store.append", format, "me", 4, "d"), "{'version':5}");
    rig_close();
    rig_open(NULL);
    HAS(ask("store.append", format, "", 2, "d"), "conflict: epoch 2");
    HAS(ask("store.append", format, "me", 4, "d"), "conflict: epoch 4 of 'me' is over, 5");
    HAS(ask("store.append", format, "me", 5, "d"), "'version':4");
    HAS(ask("store.status", "{}"), "'epoch':3");
    rig_close();
    rig_end();
}

/* Personal data goes, the chain stays. */
static void test_erase(void)
{
    rig_begin(NULL);
    fill();
    HAS(ask("store.compact", "{'stream': 'a', 'keep_from': 6}"), "{'removed':5}");
    HAS(ask_all("store.read", "{'stream': 'a', 'limit': 1}"), "'version':6");
    HAS(ask("store.read", "{}"), "'events':56,");
    HAS(ask("store.read", "{'type': 'even'}"), "'events':27,");
    HAS(ask("store.erase", "{'stream': 'b', 'from': 3, 'to': 3}"), "{'removed':1}");
    HAS(ask("store.erase", "{'stream': 'b', 'from': 3, 'to': 3}"), "{'removed':0}");
    HAS(ask("store.read", "{'stream': 'b'}"), "'events':19,");
    HAS(ask("store.erase", "{'stream': 'c', 'close': true}"), "{'removed':20}");
    HAS(append("c", "again"), "conflict: stream 'c' is closed");
    HAS(ask("store.erase", "{'stream': 'none'}"), "not_found");
    HAS(ask("store.verify", "{}"), "'faults':0");
    HAS(append("a", "goes on"), "'version':21");
    rig_close();
    rig_open(NULL);
    HAS(ask("store.verify", "{}"), "'faults':0");
    HAS(ask("store.read", "{'stream': 'a'}"), "'events':16,");
    rig_close();
    rig_end();
}

/* 1 when a file of the folder has the text, 0, or -1: not readable. */
static int file_has(const char *name, const char *text)
{
    FILE *f = fopen(rig_path(name), "r");
    char *mem = NULL;
    size_t size = 0;
    ssize_t n;
    int found = f ? 0 : -1;

    while (f && !found && (n = getdelim(&mem, &size, 0, f)) > 0)
        found = memmem(mem, (size_t)n, text, strlen(text)) != NULL;
    free(mem);
    if (f)
        fclose(f);
    return found;
}

/* A journal that keeps its blocks keeps pages, until store.shrink. */
static void test_journal_forgets(void)
{
    static const struct aiex_fake_pair small[] = {{"checkpoint", "1M"}, {NULL, NULL}};
    static const char secret[] = "what-nobody-may-know";
    char data[4000];

    rig_begin(small);
    memset(data, 'x', sizeof(data) - 1);
    data[sizeof(data) - 1] = 0;
    HAS(append("private", secret), "'version':1");
    for (int i = 0; i < 5000 && !file_has("db/pages.journal", secret); i++)
        HAS(ask("store.append",
                "{'stream': 's', 'events': [{'id': 'e%d', 'type': 't', 'data': '%s'}]}", i, data),
            "'duplicate':false");
    CU_ASSERT_EQUAL(file_has("db/pages.journal", secret), 1);
    HAS(ask("store.erase", "{'stream': 'private'}"), "'removed':1");
    HAS(ask("store.shrink", "{}"), "'freed'");
    CU_ASSERT_EQUAL(file_has("db/pages.journal", secret), 0);
    rig_close();
    rig_end();
}

const struct test_case tests[] = {
    {"append and read", test_append_and_read},
    {"expected", test_expected},
    {"same id", test_same_id},
    {"levels", test_levels},
    {"neighbours", test_neighbours},
    {"transact", test_transact},
    {"ways", test_ways},
    {"continuation", test_continuation},
    {"long reads", test_long_reads},
    {"large events", test_large_events},
    {"wrong", test_wrong},
    {"epochs", test_epochs},
    {"erase", test_erase},
    {"journal forgets", test_journal_forgets},
    {0},
};

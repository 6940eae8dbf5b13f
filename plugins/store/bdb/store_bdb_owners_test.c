/*
 * store_bdb_owners_test.c - whose streams, tables and epochs are: who may write, who is refused and
 * told what, which lines of the option are wrong, and that a reload and a restart change the list.
 */
#include "store_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct aiex_fake_pair listed[] = {
    {"owner.gateway", "streams=gateway/* for=service_gateway*,service_checkpoints"},
    {"owner.recorder", "streams=gateway/key,host/ for=service_recorder"},
    {"owner.templates", "streams=templates for=service_templates"},
    {"owner.context", "  for=service_context \t tables=context_*,llm  epochs=context "},
    {"owner.nobody", ""},
    {0}};

/* By one caller: 1 = it was done, 0 = it was denied (and nothing else happened). */
static int may_as(const char *caller, const char *method, const char *body)
{
    const char *answer;

    rig_caller = caller;
    answer = ask(method, "%s", body);
    rig_caller = NULL;
    if (strncmp(answer, "denied: ", 8) == 0)
        return 0;
    CU_ASSERT_PTR_NULL(strstr(answer, ": "));
    return strchr(answer, '{') == answer;
}

static int may_append(const char *caller, const char *stream)
{
    static int n;
    char body[200];

    snprintf(body, sizeof(body), "{'stream': '%s', 'events': [{'id': 'e%d', 'type': 't'}]}", stream,
             n++);
    return may_as(caller, "store.append", body);
}

static int may_put(const char *caller, const char *table)
{
    char body[200];

    snprintf(body, sizeof(body),
             "{'operations': [{'op': 'put', 'table': '%s', 'key': 'k', 'value': 'v'}]}", table);
    return may_as(caller, "store.transact", body);
}

static void test_streams(void)
{
    static const struct {
        const char *stream, *caller;
        int may;
    } rows[] = {
        {"gateway/keys", "service_gateway", 1},
        {"gateway/keys", "service_gateway:two", 1},
        {"gateway/keys", "service_checkpoints", 1},
        {"gateway/keys", "service_checkpoints2", 0},
        {"gateway/keys", "service_gatewa", 0},
        {"gateway/keys", "host.control", 0},
        {"gateway/keys", "service_recorder", 0},
        {"gateway/keys", "", 0},
        {"gateway/", "service_x", 0},
        {"gateway", "service_x", 1},
        {"Gateway/keys", "service_x", 1},
        {"gateway/key", "service_recorder", 1},
        {"gateway/key", "service_gateway", 0}, /* the longer claim holds */
        {"gateway/key/x", "service_recorder", 0},
        {"host/config", "service_recorder", 1},
        {"host/config", "host.control", 0},
        {"templates", "service_templates", 1},
        {"templates", "service_templates:two", 1},
        {"templates", "service_templates2", 0},
        {"templates2", "service_x", 1},
        {"mine", "service_x", 1},
        {"context_entry", "service_x", 1}, /* that is a table's name */
    };

    rig_begin(listed);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (may_append(rows[i].caller, rows[i].stream) != rows[i].may) {
            printf("\n%s by %s\n", rows[i].stream, rows[i].caller);
            CU_FAIL("another may it, or not");
        }
    HAS(ask("store.status", "{}"), "'denied':10");
    rig_close();
    rig_end();
}

static void test_words(void)
{
    rig_begin(listed);
    HAS(ask("store.append", "{'stream': 'gateway/keys', 'events': [{'id': 'a', 'type': 't'}]}"),
        "denied: stream 'gateway/keys' belongs to service_gateway*,service_checkpoints and not to "
        "'host.control'; who shall write to it is named in option owner.gateway of store_bdb");
    HAS(ask("store.define", "{'table': 'context_x', 'indexes': []}"),
        "denied: table 'context_x' belongs to service_context and not to 'host.control'");
    rig_close();
    rig_end();
}

/* Whatever changes a stream; reading is free. */
static void test_each_write(void)
{
    rig_begin(listed);
    CU_ASSERT_TRUE(may_append("service_gateway", "gateway/keys"));
    CU_ASSERT_FALSE(may_as("service_x", "store.erase", "{'stream': 'gateway/keys'}"));
    CU_ASSERT_FALSE(
        may_as("service_x", "store.compact", "{'stream': 'gateway/keys', 'keep_from': 2}"));
    CU_ASSERT_FALSE(may_as("service_x", "store.transact",
                           "{'operations': [{'op': 'append', 'stream': 'free', 'events': [{'id': "
                           "'x', 'type': 't'}]}, {'op': 'append', 'stream': 'gateway/limits', "
                           "'events': [{'id': 'y', 'type': 't'}]}]}"));
    HAS(ask_all("store.read", "{'stream': 'free'}"), "'events':0");
    HAS(ask_all("store.read", "{'stream': 'gateway/keys'}"), "'events':1");
    HAS(ask_all("store.read", "{}"), "'events':1");
    CU_ASSERT_TRUE(
        may_as("service_gateway", "store.compact", "{'stream': 'gateway/keys', 'keep_from': 2}"));
    CU_ASSERT_TRUE(may_as("service_gateway", "store.erase", "{'stream': 'gateway/keys'}"));
    HAS(ask("store.verify", "{}"), "'faults':0");
    rig_close();
    rig_end();
}

static void test_tables(void)
{
    rig_begin(listed);
    CU_ASSERT_TRUE(may_put("service_context", "context_entry"));
    CU_ASSERT_FALSE(may_put("service_x", "context_entry"));
    CU_ASSERT_FALSE(may_put("service_x", "llm"));
    CU_ASSERT_TRUE(may_put("service_x", "llm_interaction"));
    CU_ASSERT_TRUE(may_put("service_x", "gateway/keys")); /* that is a stream's name */
    CU_ASSERT_FALSE(may_as("service_x", "store.transact",
                           "{'operations': [{'op': 'delete', 'table': 'context_entry', 'key': "
                           "'k'}]}"));
    CU_ASSERT_FALSE(may_as("service_x", "store.define", "{'table': 'context_new'}"));
    CU_ASSERT_TRUE(may_as("service_context", "store.define", "{'table': 'context_new'}"));
    HAS(ask("store.get", "{'table': 'context_entry', 'key': 'k'}"), "'found':true");
    /* a condition only reads */
    CU_ASSERT_TRUE(
        may_as("service_x", "store.transact",
               "{'conditions': [{'table': 'context_entry', 'key': 'no', 'version': 0}], "
               "'operations': [{'op': 'put', 'table': 'x', 'key': 'k', 'value': 'v'}]}"));
    rig_close();
    rig_end();
}

/* Nobody else can raise an epoch, and lock its owner out. */
static void test_epochs(void)
{
    static const char *const put = "{'owner': '%s', 'epoch': %d, 'operations': [{'op': 'put', "
                                   "'table': 'x', 'key': 'k', 'value': 'v'}]}";
    char body[200];

    rig_begin(listed);
    snprintf(body, sizeof(body), put, "context", 99);
    CU_ASSERT_FALSE(may_as("service_x", "store.transact", body));
    snprintf(body, sizeof(body), put, "context", 3);
    CU_ASSERT_TRUE(may_as("service_context", "store.transact", body));
    snprintf(body, sizeof(body), put, "contexts", 99);
    CU_ASSERT_TRUE(may_as("service_x", "store.transact", body));
    rig_close();
    rig_end();
}

static void test_without_a_list(void)
{
    rig_begin(NULL);
    CU_ASSERT_TRUE(may_append("service_x", "gateway/keys"));
    CU_ASSERT_TRUE(may_put("", "context_entry"));
    rig_close();
    rig_end();
}

/* ---- Reading ---- */

static const struct aiex_fake_pair veiled[] = {
    {"owner.secret", "streams=secret/* for=service_secret readers=host.*"},
    {"owner.more", "streams=secret/open for=service_secret"},
    {0}};

static const char *read_as(const char *caller, const char *body)
{
    const char *answer;

    rig_caller = caller;
    answer = ask_all("store.read", "%s", body);
    rig_caller = NULL;
    return answer;
}

static void fill_veiled(void)
{
    static const char *const made =
        "{'stream': '%s', 'events': [{'id': '%s', 'type': 't', 'time': 5, 'data': 'x', "
        "'correlation': 'c', 'meta': {'data': 'm'}}]}";

    rig_caller = "service_secret";
    HAS(ask("store.append", made, "secret/a", "1"), "'version':1");
    HAS(ask("store.append", made, "secret/open", "2"), "'version':1");
    HAS(ask("store.append", made, "free", "3"), "'version':1");
    rig_caller = NULL;
}

#define HIDDEN                                                                                     \
    "{'stream':'secret/a','version':1,'sequence':1,'id':'1','type':'t','time':5,'correlation':"    \
    "'c','hidden':true}"
#define SHOWN                                                                                      \
    "{'stream':'secret/a','version':1,'sequence':1,'id':'1','type':'t','time':5,'data':'eA==',"    \
    "'correlation':'c','meta':{'data':'m'}}"

/* By all ways to events; positions and counts are those that everybody has. */
static void test_readers(void)
{
    static const char *const ways[] = {
        "{}",
        "{'stream': 'secret/a'}",
        "{'type': 't'}",
        "{'correlation': 'c'}",
        "{'backwards': true}",
        "{'stream': 'secret/a', 'backwards': true}",
    };

    rig_begin(veiled);
    fill_veiled();
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        HAS(read_as("service_x", ways[i]), HIDDEN);
        HAS(read_as("", ways[i]), HIDDEN);
        HAS(read_as("service_secret:2", ways[i]), SHOWN);
        HAS(read_as("host.control", ways[i]), SHOWN);
    }
    HAS(read_as("service_x", "{}"), "'id':'2','type':'t','time':5,'data':'eA=='");
    HAS(read_as("service_x", "{}"), "'id':'3','type':'t','time':5,'data':'eA=='");
    HAS(read_as("service_x", "{}"), "'events':3,'last':4");
    rig_close();
    rig_end();
}

/* What does not lie in the stream's run, and in many parts. */
static void test_readers_of_large_ones(void)
{
    static char data[60001];

    memset(data, 'x', sizeof(data) - 1);
    rig_begin(veiled);
    rig_caller = "service_secret";
    for (int i = 0; i < 20; i++)
        HAS(ask("store.append",
                "{'stream': 'secret/a', 'events': [{'id': 'e%d', 'type': 't', 'data': '%s'}]}", i,
                data),
            "'version'");
    HAS(ask("store.read", "{}"), "'events':20");
    rig_caller = NULL;
    CU_ASSERT_PTR_NULL(strstr(read_as("service_x", "{'stream': 'secret/a'}"), "data"));
    CU_ASSERT_PTR_NULL(strstr(read_as("service_x", "{}"), "data"));
    HAS(read_as("service_x", "{}"), "'events':20");
    CU_ASSERT_PTR_NOT_NULL(strstr(read_as("host.jobs", "{}"), "'data':'eHh4"));
    rig_close();
    rig_end();
}

static int has_parts(void *arg)
{
    return strstr(parts_of(*(uint64_t *)arg), "'id':'3'") != NULL;
}

/* A consumer that runs keeps what it began with, also when the list is another by then. */
static void test_subscriber(void)
{
    struct aiex_error err = {""};
    uint64_t id;

    rig_begin(veiled);
    rig_caller = "service_x";
    id = begin("store.subscribe", "{'name': 'mine'}");
    fill_veiled();
    CU_ASSERT_EQUAL(aiex_fake_reload(h, p, self, NULL, &err), 0);
    CU_ASSERT_EQUAL(aiex_fake_poll_until(h, has_parts, &id, RIG_WAIT_MS), 0);
    HAS(parts_of(id), HIDDEN);
    aiex_fake_cancel(h, id);
    HAS(read_as("service_x", "{}"), SHOWN);
    rig_close();
    rig_end();
}

/* ---- The list changes ---- */

static void test_reload(void)
{
    static const struct aiex_fake_pair more[] = {
        {"owner.gateway", "streams=gateway/* for=service_gateway*,host.control"},
        {"owner.mine", "streams=mine-* for=service_mine"},
        {0}};
    static const struct aiex_fake_pair wrong[] = {{"owner.gateway", "streams=gateway/*"}, {0}};
    struct aiex_error err = {""};

    rig_begin(listed);
    CU_ASSERT_FALSE(may_append("host.control", "gateway/keys"));
    CU_ASSERT_TRUE(may_append("service_x", "mine-1"));
    CU_ASSERT_EQUAL(aiex_fake_reload(h, p, self, more, &err), 0);
    CU_ASSERT_TRUE(may_append("host.control", "gateway/keys"));
    CU_ASSERT_FALSE(may_append("service_checkpoints", "gateway/keys"));
    CU_ASSERT_FALSE(may_append("service_x", "mine-1"));
    CU_ASSERT_TRUE(may_append("service_mine", "mine-1"));
    CU_ASSERT_TRUE(may_append("service_x", "templates"));
    /* a list that is wrong changes nothing */
    CU_ASSERT_TRUE(aiex_fake_reload(h, p, self, wrong, &err) < 0);
    HAS(err.text, "owner.gateway says not for whom; write owner.gateway = streams=NAME,..");
    CU_ASSERT_FALSE(may_append("service_x", "mine-1"));
    rig_close();
    rig_open(listed); /* a restart with the list of before: what was written stays */
    CU_ASSERT_FALSE(may_append("host.control", "gateway/keys"));
    CU_ASSERT_TRUE(may_append("service_x", "mine-1"));
    HAS(ask_all("store.read", "{'stream': 'mine-1'}"), "'events':3");
    rig_close();
    rig_end();
}

static void test_wrong_lists(void)
{
    static const struct {
        struct aiex_fake_pair pairs[3];
        const char *told;
    } rows[] = {
        {{{"owner.a", "streams=x"}}, "owner.a says not for whom"},
        {{{"owner.a", "streams=x for="}}, "owner.a says not for whom"},
        {{{"owner.a", "for=x"}}, "owner.a says not what is owned"},
        {{{"owner.a", "streams=,, for=x"}}, "owner.a says not what is owned"},
        {{{"owner.a", "streams=x for=y for=z"}}, "owner.a has for= twice; name all in one"},
        {{{"owner.a", "x for=y"}}, "owner.a: 'x' is none of streams=, tables=, epochs=, for="},
        {{{"owner.a", "tables=x for=y readers=z"}},
         "owner.a has readers=, which only streams have"},
        {{{"owner.a", "streams=x for=y readers= readers=z"}}, "owner.a has readers= twice"},
        {{{"owner.a", "streams=x*y for=z"}},
         "owner.a: 'x*y' has a wildcard that is not a * at its"},
        {{{"owner.a", "streams=x for=[ab]"}}, "owner.a: '[ab]' has a wildcard"},
        {{{"owner.a", "streams=x,x for=y"}}, "stream 'x' is claimed by owner.a and owner.a"},
        {{{"owner.a", "tables=x* for=y"}, {"owner.b", "tables=q,x* for=z"}},
         "table 'x*' is claimed by owner.a and owner.b"},
    };
    struct aiex_error err;

    strcpy(dir, "/tmp/aiex_store_XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CU_ASSERT_EQUAL(rig_try(rows[i].pairs, &err), -22);
        HAS(err.text, rows[i].told);
        CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
    }
    rig_end();
}

/* As many as there may be, and one more. */
static void test_many(void)
{
    static char text[16384];
    const struct aiex_fake_pair pairs[] = {{"owner.a", text}, {0}};
    struct aiex_error err;
    size_t n = (size_t)sprintf(text, "for=service_a streams=");

    for (int i = 0; i < 512; i++)
        n += (size_t)sprintf(text + n, "s%d*,", 1000 + i);
    rig_begin(pairs);
    CU_ASSERT_FALSE(may_append("service_x", "s1000"));
    CU_ASSERT_FALSE(may_append("service_x", "s1511x"));
    CU_ASSERT_TRUE(may_append("service_a", "s1511x"));
    CU_ASSERT_TRUE(may_append("service_x", "s1512"));
    rig_close();
    sprintf(text + n, "x");
    CU_ASSERT_EQUAL(rig_try(pairs, &err), -22);
    HAS(err.text, "owner.a: more than 512 names are claimed; use *");
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
    rig_end();
}

const struct test_case tests[] = {
    {"streams", test_streams},
    {"words", test_words},
    {"each write", test_each_write},
    {"tables", test_tables},
    {"epochs", test_epochs},
    {"without a list", test_without_a_list},
    {"readers", test_readers},
    {"readers of large ones", test_readers_of_large_ones},
    {"a subscriber", test_subscriber},
    {"reload", test_reload},
    {"wrong lists", test_wrong_lists},
    {"many", test_many},
    {0},
};

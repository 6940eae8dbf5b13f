/* service_sessions through its descriptor: life of a session, history, lists, forks, erasing. */
#include "sessions_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAY(session, text)                                                                         \
    ask("sessions.append", "{'session':'%s','messages':[{'role':'user','content':'%s'}]}",         \
        session, text)

/* The texts of a history, newest first, "c b a"; pages of `limit`. */
static const char *talk(const char *session, int limit)
{
    static char out[4][4096];
    static unsigned turn;
    char *mem = out[turn++ % 4], next[120] = "";
    size_t n = 0;

    mem[0] = 0;
    for (int page = 0; page < 200; page++) {
        const char *json = ask("sessions.history", "{'session':'%s','limit':%d,'next':'%s'}",
                               session, limit, next);
        const char *at = json;

        if (json[0] != '{')
            return json;
        while ((at = strstr(at, "'content':'")) != NULL) {
            at += strlen("'content':'");
            n += (size_t)snprintf(mem + n, 4096 - n, "%s%.*s", n ? " " : "", (int)strcspn(at, "'"),
                                  at);
        }
        snprintf(next, sizeof(next), "%s", word(json, "next"));
        if (!next[0])
            return mem;
    }
    return "it never ends";
}

static void a_session_is_made_and_found_again(void)
{
    const char *made;
    char id[40];

    rig_begin(NULL);
    made = ask("sessions.create", "{'title':'One','user':'ann','project':'p','values':{'a':1}}");
    HAS(made, "'state':'open','version':1,'messages':0");
    HAS(made, "'duplicate':false");
    snprintf(id, sizeof(id), "%s", word(made, "session"));
    CU_ASSERT_EQUAL(strlen(id), 16);
    HAS(ask("sessions.get", "{'session':'%s'}", id), "'title':'One','user':'ann','project':'p'");
    HAS(ask("sessions.get", "{'session':'%s'}", id), "'values':{'a':1}");
    CU_ASSERT_PTR_NULL(
        strstr(ask("sessions.get", "{'session':'%s','with_values':false}", id), "'values':"));
    HAS(ask("sessions.get", "{'session':'nobody'}"), "not_found: there is no session 'nobody'");
    rig_end();
}

static void messages_are_kept_and_read_backwards(void)
{
    rig_begin(NULL);
    HAS(ask("sessions.create", "{'session':'s'}"), "'session':'s'");
    HAS(SAY("s", "a"), "'version':2,'messages':1");
    HAS(ask("sessions.append", "{'session':'s','messages':[{'role':'assistant','content':'b',"
                               "'model':'m','usage':{'input':3}},{'role':'tool','content':'c'}],"
                               "'values':{'k':'v'}}"),
        "'version':5,'messages':3");
    CU_ASSERT_STRING_EQUAL(talk("s", 50), "c b a");
    CU_ASSERT_STRING_EQUAL(talk("s", 1), "c b a");
    CU_ASSERT_STRING_EQUAL(talk("s", 2), "c b a");
    HAS(ask("sessions.history", "{'session':'s'}"),
        "'data':{'role':'assistant','content':'b','model':'m','usage':{'input':3}}");
    HAS(ask("sessions.history", "{'session':'s','version':2}"), "'content':'a'");
    CU_ASSERT_PTR_NULL(
        strstr(ask("sessions.history", "{'session':'s','version':2}"), "'content':'b'"));
    HAS(ask("sessions.history", "{'session':'s','all':true}"), "'type':'session.values'");
    HAS(ask("sessions.get", "{'session':'s'}"), "'values':{'k':'v'}");
    rig_end();
}

static void states_allow_what_they_allow(void)
{
    static const struct {
        const char *verb, *answer;
    } steps[] = {
        {"close", "'state':'closed'"},
        {"close", "'state':'closed','version':2"},
        {"append", "conflict: session 's' is closed; sessions.restore opens it again"},
        {"rollback", "conflict: "},
        {"touch", "'state':'closed','version':3"},
        {"restore", "'state':'open'"},
        {"restore", "'state':'open','version':4"},
        {"archive", "'state':'archived'"},
        {"archive", "'state':'archived','version':5"},
        {"touch", "conflict: session 's' is archived"},
        {"close", "conflict: "},
        {"set", "conflict: "},
        {"expire", "conflict: "},
        {"restore", "'state':'open','version':6"},
        {"expire", "'state':'expired'"},
        {"append", "conflict: session 's' is expired"},
        {"archive", "'state':'archived'"},
        {"delete", "'state':'deleted'"},
        {"delete", "'state':'deleted'"},
        {"restore", "conflict: session 's' is deleted"},
        {"append", "conflict: session 's' is deleted"},
    };

    rig_begin(NULL);
    ask("sessions.create", "{'session':'s','title':'t'}");
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        char method[40];

        snprintf(method, sizeof(method), "sessions.%s", steps[i].verb);
        HAS(ask(method, "{'session':'s','title':'t','version':1,"
                        "'messages':[{'role':'user','content':'x'}]}"),
            steps[i].answer);
    }
    rig_end();
}

static void a_roll_back_hides_and_forgets_nothing(void)
{
    rig_begin(NULL);
    ask("sessions.create", "{'session':'s','values':{'n':0}}");
    SAY("s", "a");                                           /* 2 */
    ask("sessions.set", "{'session':'s','values':{'n':1}}"); /* 3 */
    SAY("s", "b");                                           /* 4 */
    SAY("s", "c");                                           /* 5 */
    HAS(ask("sessions.rollback", "{'session':'s','version':2}"), "'version':6,'messages':1");
    CU_ASSERT_STRING_EQUAL(talk("s", 50), "a");
    HAS(ask("sessions.get", "{'session':'s'}"), "'values':{'n':0}");
    SAY("s", "d"); /* 7 */
    CU_ASSERT_STRING_EQUAL(talk("s", 1), "d a");
    HAS(ask("sessions.rollback", "{'session':'s','version':5}"), "'version':8,'messages':3");
    CU_ASSERT_STRING_EQUAL(talk("s", 50), "c b a"); /* what was hidden is back */
    HAS(ask("sessions.get", "{'session':'s'}"), "'values':{'n':1}");
    HAS(ask("sessions.rollback", "{'session':'s','version':7}"), "'messages':2");
    CU_ASSERT_STRING_EQUAL(talk("s", 50), "d a");
    HAS(ask("sessions.history", "{'session':'s','all':true}"), "'data':{'to':5}");
    HAS(ask("sessions.rollback", "{'session':'s','version':99}"),
        "not_found: session 's' has no version 99");
    HAS(ask("sessions.rollback", "{'session':'s'}"), "invalid: field 'version' is missing");
    rig_end();
}

static void a_fork_begins_with_anothers_history(void)
{
    rig_begin(NULL);
    ask("sessions.create", "{'session':'s','title':'T','user':'u','values':{'n':0}}");
    SAY("s", "a");
    SAY("s", "b");
    HAS(ask("sessions.fork", "{'session':'s','as':'f','version':2}"),
        "'session':'f','title':'T','user':'u','project':'','state':'open','version':1,'messages':"
        "1");
    SAY("s", "c");
    SAY("f", "x");
    CU_ASSERT_STRING_EQUAL(talk("f", 50), "x a");
    CU_ASSERT_STRING_EQUAL(talk("f", 1), "x a");
    CU_ASSERT_STRING_EQUAL(talk("s", 50), "c b a");
    HAS(ask("sessions.get", "{'session':'f'}"), "'origin':'s','origin_at':2,'depth':1");
    HAS(ask("sessions.get", "{'session':'f'}"), "'values':{'n':0}");
    HAS(ask("sessions.fork", "{'session':'f','as':'g'}"), "'messages':2");
    CU_ASSERT_STRING_EQUAL(talk("g", 1), "x a");
    HAS(ask("sessions.rollback", "{'session':'g','version':1}"), "'messages':2");
    CU_ASSERT_STRING_EQUAL(talk("g", 50), "x a");
    HAS(ask("sessions.fork", "{'session':'s','as':'f'}"), "conflict: there is a session 'f'");
    HAS(ask("sessions.fork", "{'session':'s','version':77}"), "not_found: ");
    ask("sessions.archive", "{'session':'s'}");
    HAS(ask("sessions.fork", "{'session':'s','as':'h'}"), "'state':'open'");
    CU_ASSERT_STRING_EQUAL(talk("h", 2), "c b a");
    rig_end();
}

static void forks_of_forks_end_somewhere(void)
{
    char from[20] = "s0", to[20];

    rig_begin(NULL);
    ask("sessions.create", "{'session':'s0'}");
    SAY("s0", "a");
    for (int i = 1; i <= 32; i++) {
        snprintf(to, sizeof(to), "s%d", i);
        HAS(ask("sessions.fork", "{'session':'%s','as':'%s'}", from, to), "'state':'open'");
        strcpy(from, to);
    }
    CU_ASSERT_STRING_EQUAL(talk("s32", 50), "a");
    HAS(ask("sessions.fork", "{'session':'s32','as':'s33'}"), "invalid: session 's32' is a fork");
    rig_end();
}

static void deleting_erases_what_was_said(void)
{
    rig_begin(NULL);
    ask("sessions.create", "{'session':'s','title':'secret','user':'u'}");
    SAY("s", "a");
    ask("sessions.fork", "{'session':'s','as':'f'}");
    SAY("f", "b");
    HAS(ask("sessions.delete", "{'session':'s'}"), "'title':'','user':'','project':''");
    CU_ASSERT_EQUAL(memory_store_events(store, "session/s"), 3);
    rig_pass(1000);
    CU_ASSERT_EQUAL(memory_store_events(store, "session/s"), 1);
    HAS(ask("sessions.status", "{}"), "'erased':1");
    HAS(ask("sessions.get", "{'session':'s'}"), "'state':'deleted'");
    CU_ASSERT_STRING_EQUAL(talk("s", 50), "");
    CU_ASSERT_STRING_EQUAL(talk("f", 50), "b");
    HAS(ask("sessions.history", "{'session':'f'}"), "'gap':true");
    HAS(ask("sessions.create", "{'session':'s'}"), "conflict: there is a session 's'");
    HAS(ask("sessions.list", "{'state':'deleted'}"), "'session':'s'");
    HAS(ask("sessions.fork", "{'session':'s'}"), "not_found: ");
    rig_end();
}

static void erasing_goes_on_after_a_crash(void)
{
    rig_begin(NULL);
    ask("sessions.create", "{'session':'s'}");
    SAY("s", "a");
    ask("sessions.delete", "{'session':'s'}");
    rig_close();
    rig_open(NULL);
    memory_store_fail(store, "store.compact", 0, 1, AIEX_E_INTERNAL, NOT_DONE);
    rig_pass(1000);
    CU_ASSERT_EQUAL(memory_store_events(store, "session/s"), 3);
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(h, AIEX_FAKE_LOG, "can not be erased", 0));
    rig_pass(61000);
    CU_ASSERT_EQUAL(memory_store_events(store, "session/s"), 1);
    rig_end();
}

static void lists_are_paged_from_the_newest(void)
{
    const char *page;
    char next[80];

    rig_begin(NULL);
    for (int i = 0; i < 7; i++) {
        ask("sessions.create", "{'session':'s%d','title':'Talk %d','user':'%s','project':'%s'}", i,
            i, i % 2 ? "ann" : "bob", i < 3 ? "old" : "new");
        rig_pass(5);
    }
    ask("sessions.touch", "{'session':'s1'}");
    page = ask("sessions.list", "{'limit':2}");
    HAS(page, "'sessions':[{'session':'s1'");
    HAS(page, "{'session':'s6'");
    snprintf(next, sizeof(next), "%s", word(page, "next"));
    page = ask("sessions.list", "{'limit':2,'next':'%s'}", next);
    HAS(page, "'sessions':[{'session':'s5'");
    page = ask("sessions.find", "{'user':'ann','project':'new'}");
    HAS(page, "'sessions':[{'session':'s5'");
    HAS(page, "{'session':'s3'");
    CU_ASSERT_PTR_NULL(strstr(page, "'s1'"));
    CU_ASSERT_PTR_NULL(strstr(page, "'next'"));
    HAS(ask("sessions.find", "{'title':'tALK 4'}"), "'sessions':[{'session':'s4'");
    HAS(ask("sessions.find", "{'title':'none'}"), "'sessions':[]");
    ask("sessions.close", "{'session':'s2'}");
    HAS(ask("sessions.find", "{'state':'closed'}"), "'sessions':[{'session':'s2'");
    ask("sessions.archive", "{'session':'s2'}");
    ask("sessions.archive", "{'session':'s4'}");
    ask("sessions.archive", "{'session':'s5'}");
    HAS(ask("sessions.find", "{'state':'closed'}"), "'sessions':[]");
    page = ask("sessions.find", "{'state':'archived','limit':2}");
    HAS(page, "'sessions':[{'session':'s5'");
    HAS(page, "{'session':'s4'");
    page = ask("sessions.find", "{'state':'archived','limit':2,'next':'%s'}", word(page, "next"));
    HAS(page, "'sessions':[{'session':'s2'");
    HAS(ask("sessions.find", "{'state':'archived','user':'ann'}"), "'sessions':[{'session':'s5'");
    HAS(ask("sessions.find", "{'state':'odd'}"), "invalid: state 'odd' is none of");
    HAS(ask("sessions.list", "{'next':'odd'}"), "invalid: field 'next'");
    HAS(ask("sessions.list", "{'state':'archived','next':'live/1'}"), "invalid: field 'next'");
    rig_end();
}

static void what_is_not_used_expires(void)
{
    rig_begin((const struct aiex_fake_pair[]){{"ttl", "10m"}, {"sweep", "1m"}, {0}});
    for (int i = 0; i < 40; i++)
        ask("sessions.create", "{'session':'s%d'}", i);
    ask("sessions.create", "{'session':'short','ttl_ms':60000}");
    ask("sessions.create", "{'session':'long','ttl_ms':86400000}");
    ask("sessions.create", "{'session':'ever','ttl_ms':0}");
    rig_pass(122000);
    HAS(ask("sessions.status", "{}"), "'live':42");
    HAS(ask("sessions.get", "{'session':'short'}"), "'state':'expired'");
    ask("sessions.touch", "{'session':'s7'}");
    rig_pass(600000);
    HAS(ask("sessions.status", "{}"), "'live':3");
    HAS(ask("sessions.list", "{'limit':1}"), "'session':'s7'");
    HAS(ask("sessions.restore", "{'session':'s9'}"), "'state':'open','version':3");
    rig_wall(700000);
    HAS(ask("sessions.expire", "{}"), "'due':2");
    rig_pass(1000);
    HAS(ask("sessions.status", "{}"), "'live':2");
    HAS(ask("sessions.expire", "{'session':'ever'}"), "'state':'expired'");
    rig_end();
}

static void others_do_not_see_it(void)
{
#define ANN   "'principal':{'key':'k1','user':'ann','role':'user'}"
#define BOB   "'principal':{'key':'k2','role':'user'}"
#define OPEN  "'principal':{'key':'open','role':'user'}"
#define ADMIN "'principal':{'key':'k3','role':'admin'}"
    rig_begin(NULL);
    HAS(ask("sessions.create", "{'session':'a','user':'eve'," ANN "}"), "'user':'ann'");
    HAS(ask("sessions.create", "{'session':'b'," BOB "}"), "'user':'key:k2'");
    HAS(ask("sessions.get", "{'session':'a'," BOB "}"), "not_found: there is no session 'a'");
    HAS(ask("sessions.append",
            "{'session':'a','messages':[{'role':'user','content':'x'}]," BOB "}"),
        "not_found: ");
    HAS(ask("sessions.history", "{'session':'a'," BOB "}"), "not_found: ");
    HAS(ask("sessions.fork", "{'session':'a'," BOB "}"), "not_found: ");
    HAS(ask("sessions.list", "{" BOB "}"), "'sessions':[{'session':'b'");
    CU_ASSERT_PTR_NULL(strstr(ask("sessions.list", "{" BOB "}"), "'session':'a'"));
    HAS(ask("sessions.get", "{'session':'a'," ADMIN "}"), "'user':'ann'");
    HAS(ask("sessions.get", "{'session':'a'," ANN "}"), "'user':'ann'");
    HAS(ask("sessions.expire", "{" ANN "}"), "denied: ");
    HAS(ask("sessions.set", "{'session':'a','user':'bob'," ANN "}"), "invalid: only an operator");
    HAS(ask("sessions.set", "{'session':'a','title':'mine'," ANN "}"), "'user':'ann'");
    HAS(ask("sessions.history", "{'session':'b','next':'1/a/0123456789abcdef'," BOB "}"),
        "invalid: ");
    HAS(ask("sessions.get", "{'session':'a','principal':3}"), "invalid: field 'principal'");
    ask("sessions.archive", "{'session':'a'}");
    HAS(ask("sessions.restore", "{'session':'a'," BOB "}"), "not_found: ");
    ask("sessions.create", "{'session':'c'}"); /* an operator's, of nobody in particular */
    HAS(ask("sessions.get", "{'session':'c'," BOB "}"), "not_found: ");
    HAS(ask("sessions.get", "{'session':'c'," OPEN "}"), "'session':'c'");
    HAS(ask("sessions.get", "{'session':'b'," OPEN "}"), "not_found: ");
    HAS(ask("sessions.list", "{" OPEN "}"), "'sessions':[{'session':'c'");
    HAS(ask("sessions.status", "{}"), "'in_memory':2");
    rig_end();
}

static void what_is_wrong_is_said(void)
{
    static const struct {
        const char *method, *body, *answer;
    } wrong[] = {
        {"sessions.create", "{'session':'a b'}", "invalid: field 'session' must be letters"},
        {"sessions.create", "{'session':'0123456789012345678901234'}", "invalid: field 'session'"},
        {"sessions.create", "{'title':7}", "invalid: field 'title' must be text"},
        {"sessions.create", "{'title':'a\\nb'}", "invalid: field 'title'"},
        {"sessions.create", "{'values':[1]}", "invalid: field 'values' must be a map"},
        {"sessions.create", "{'ttl_ms':-1}", "invalid: field 'ttl_ms' must be a number from 0"},
        {"sessions.create", "{'request':'r'}", "invalid: 'request' needs 'session'"},
        {"sessions.fork", "{'session':'s','request':'r'}", "invalid: 'request' needs 'as'"},
        {"sessions.append", "{}", "invalid: field 'session' is missing"},
        {"sessions.append", "{'session':'s'}", "invalid: there are no 'messages'"},
        {"sessions.append", "{'session':'s','messages':{}}", "invalid: field 'messages'"},
        {"sessions.append", "{'session':'s','messages':[3]}", "invalid: message 0 is no map"},
        {"sessions.append", "{'session':'s','messages':[{'role':'boss','content':'x'}]}",
         "invalid: message 0: 'role' must be"},
        {"sessions.append", "{'session':'s','messages':[{'role':'user'}]}",
         "invalid: message 0: 'content' must be"},
        {"sessions.append", "{'session':'s','messages':[{'role':'user','content':'x','usage':3}]}",
         "invalid: message 0: 'usage'"},
        {"sessions.set", "{'session':'s'}", "invalid: there is nothing to set"},
        {"sessions.history", "{'session':'s','limit':201}", "invalid: field 'limit'"},
        {"sessions.history", "{'session':'s','version':0}", "invalid: field 'version'"},
        {"sessions.history", "{'session':'s','version':9}", "invalid: 'version' or 'next'"},
        {"sessions.get", "{'session':'s','with_values':3}", "invalid: "},
        {"sessions.touch", "{'session':'s','expected':7}",
         "conflict: session 's' has version 1, not 7"},
        {"sessions.touch", "{'session':'s','expected':-7}", "invalid: field 'expected'"},
        {"sessions.odd", "{}", "not_found: "},
    };

    rig_begin(NULL);
    ask("sessions.create", "{'session':'s'}");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        HAS(ask(wrong[i].method, "%s", wrong[i].body), wrong[i].answer);
    HAS(ask("sessions.touch", "{'session':'s','expected':7}"), "'version':1}");
    CU_ASSERT_EQUAL(memory_store_events(store, "session/s"), 1);
    rig_end();
}

/* Every cut of a good request, and a byte turned in each place, is answered. */
static void hostile_bytes_are_answered(void)
{
    uint8_t body[256], bad[256];
    struct aiex_writer w;

    rig_begin(NULL);
    ask("sessions.create", "{'session':'s'}");
    aiex_writer_init(&w, body, sizeof(body));
    aiex_w_map(&w, 4);
    aiex_w_key_str(&w, "session", "s");
    aiex_w_key_str(&w, "request", "r");
    aiex_w_str(&w, "values");
    aiex_w_map(&w, 1);
    aiex_w_key_int(&w, "a", 1);
    aiex_w_str(&w, "messages");
    aiex_w_array(&w, 1);
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "role", "user");
    aiex_w_key_bin(&w, "content", "{}", 2);
    for (size_t n = 0; n < w.len; n++) {
        uint8_t *exact = malloc(n ? n : 1);
        uint64_t id;

        memcpy(exact, body, n);
        id = aiex_fake_request(h, p, self, "sessions.append", (struct aiex_slice){exact, n}, 0);
        free(exact);
        HAS(end_of(id), "invalid: ");
    }
    for (size_t n = 0; n < w.len; n++)
        for (int bit = 0; bit < 8; bit++) {
            memcpy(bad, body, w.len);
            bad[n] ^= (uint8_t)(1 << bit);
            CU_ASSERT_STRING_NOT_EQUAL(
                end_of(aiex_fake_request(h, p, self, "sessions.append",
                                         (struct aiex_slice){bad, w.len}, 0)),
                "open");
        }
    HAS(ask("sessions.get", "{'session':'s'}"), "'state':'open'");
    rig_end();
}

static void what_is_too_much_is_refused(void)
{
    char *text = malloc(700000);

    rig_begin((const struct aiex_fake_pair[]){{"max_sessions", "3"}, {"max_message", "64K"}, {0}});
    memset(text, 'x', 700000);
    text[70000] = 0;
    ask("sessions.create", "{'session':'s'}");
    HAS(SAY("s", text), "invalid: message 0 has 7");
    text[60000] = 0;
    HAS(SAY("s", text), "'messages':1");
    text[20000] = 0;
    HAS(ask("sessions.set", "{'session':'s','values':{'k':'%s'}}", text),
        "invalid: field 'values' must be a map of at most 16384 bytes");
    text[161] = 0;
    HAS(ask("sessions.set", "{'session':'s','title':'%s'}", text), "invalid: field 'title'");
    text[160] = 0;
    HAS(ask("sessions.set", "{'session':'s','title':'%s'}", text), "'version':3");
    ask("sessions.create", "{'session':'t'}");
    ask("sessions.create", "{'session':'u'}");
    HAS(ask("sessions.create", "{'session':'v'}"), "busy: 3 sessions are live");
    HAS(ask("sessions.fork", "{'session':'s'}"), "busy: ");
    ask("sessions.archive", "{'session':'t'}");
    ask("sessions.create", "{'session':'v'}");
    HAS(ask("sessions.restore", "{'session':'t'}"), "busy: ");
    free(text);
    rig_end();
}

static void labels_change(void)
{
    rig_begin(NULL);
    ask("sessions.create", "{'session':'s','title':'a'}");
    HAS(ask("sessions.set", "{'session':'s','title':'b','project':'p','ttl_ms':5000}"),
        "'title':'b','user':'','project':'p','state':'open','version':2");
    HAS(ask("sessions.set", "{'session':'s','title':'','values':{'x':1},'expected':2}"),
        "'title':'','user':'','project':'p','state':'open','version':4");
    HAS(ask("sessions.get", "{'session':'s'}"), "'values':{'x':1}");
    HAS(ask("sessions.set", "{'session':'s','values':{}}"), "'version':5");
    HAS(ask("sessions.get", "{'session':'s'}"), "'values':{}");
    HAS(ask("sessions.get", "{'session':'s'}"), "'ttl_ms':5000");
    HAS(ask("sessions.set", "{'session':'s','ttl_ms':-1}"), "'ttl_ms':-1");
    HAS(ask("sessions.set", "{'session':'s','ttl_ms':-2}"), "invalid: field 'ttl_ms'");
    HAS(ask("sessions.list", "{}"), "'sessions':[{'session':'s','title':''");
    rig_end();
}

/* The n-th request to the audit log; the next one is sent a moment after the answer to the last. */
static const struct aiex_fake_record *told(size_t n)
{
    if (!aiex_fake_find(h, AIEX_FAKE_CALL, "audit.append_all", n))
        rig_pass(40);
    return aiex_fake_find(h, AIEX_FAKE_CALL, "audit.append_all", n);
}

/* The acts of all requests to the audit log, answered, as "type actor subject payload" lines. */
static const char *acts(void)
{
    static char out[65536];
    const struct aiex_fake_record *r;
    size_t at = 0;

    for (size_t n = 0; (r = told(n)); n++) {
        char actor[80] = "", subject[80] = "", type[80] = "", user[80] = "", method[80] = "";
        struct aiex_slice all, one, payload = {NULL, 0};
        struct aiex_value v;

        aiex_fake_answer_ok(h, r->id, (struct aiex_slice){NULL, 0});
        CU_ASSERT_EQUAL_FATAL(aiex_get_whole(r->body, "acts", &all), 1);
        CU_ASSERT_EQUAL_FATAL(aiex_r_value(&all, &v), 0);
        for (uint32_t i = 0; i < v.count; i++) {
            int64_t count = 0;

            one = all;
            CU_ASSERT_EQUAL_FATAL(aiex_r_skip(&all), 0);
            one.len -= all.len;
            aiex_get_text(one, "type", type, sizeof(type));
            aiex_get_text(one, "actor", actor, sizeof(actor));
            aiex_get_text(one, "subject", subject, sizeof(subject));
            aiex_get_bytes(one, "payload", &payload);
            aiex_get_text(payload, "user", user, sizeof(user));
            aiex_get_text(payload, "method", method, sizeof(method));
            aiex_get_int(payload, "count", &count);
            at += (size_t)snprintf(out + at, sizeof(out) - at, "%s %s %s %s %s %lld\n", type, actor,
                                   subject, user, method, (long long)count);
        }
    }
    out[at] = 0;
    aiex_fake_forget(h);
    return out;
}

/* The audit log answers when acts() looks, all others at once. */
static int on_call(void *arg, struct aiex_fake_host *host, const struct aiex_fake_record *r)
{
    (void)arg;
    return strcmp(r->service, "audit") == 0 ? 0 : memory_store_call(store, host, r);
}

static void begin_with_log(void)
{
    rig_begin((struct aiex_fake_pair[]){{"audit", "audit"}, {0}});
    aiex_fake_on_call(h, on_call, NULL);
}

static void who_asks_for_anothers_is_told(void)
{
    begin_with_log();
    ask("sessions.create", "{'session':'a'," ANN "}");
    ask("sessions.get", "{'session':'a'," ANN "}");
    ask("sessions.get", "{'session':'a'," ADMIN "}");
    HAS(ask("sessions.get", "{'session':'none'," BOB "}"), "not_found: ");
    CU_ASSERT_STRING_EQUAL(acts(), ""); /* his own, all of them, one that nobody has */
    HAS(ask("sessions.get", "{'session':'a'," BOB "}"), "not_found: ");
    CU_ASSERT_STRING_EQUAL(acts(), "session.denied k2 a key:k2 sessions.get 1\n");
    for (int i = 0; i < 100; i++)
        ask("sessions.history", "{'session':'a'," BOB "}");
    ask("sessions.fork", "{'session':'a','principal':{'user':'eve','role':'user'}}");
    CU_ASSERT_STRING_EQUAL(acts(), "session.denied unknown a eve sessions.fork 1\n");
    ask("sessions.delete", "{'session':'a','principal':{'user':'eve','role':'user'}}");
    rig_pass(60100);
    CU_ASSERT_STRING_EQUAL(acts(), "session.denied k2 a key:k2 sessions.get 100\n"
                                   "session.denied unknown a eve sessions.fork 1\n");
    ask("sessions.get", "{'session':'a'," BOB "}"); /* still the next minute */
    CU_ASSERT_STRING_EQUAL(acts(), "");
    rig_pass(60000);
    CU_ASSERT_STRING_EQUAL(acts(), "session.denied k2 a key:k2 sessions.get 1\n");
    rig_pass(120000);
    CU_ASSERT_STRING_EQUAL(acts(), "");
    ask("sessions.get", "{'session':'a'," BOB "}"); /* forgotten: told at once again */
    CU_ASSERT_STRING_EQUAL(acts(), "session.denied k2 a key:k2 sessions.get 1\n");
    CU_ASSERT_EQUAL(number(ask("sessions.status", "{}"), "denied"), 105);
    rig_end();
}

static void many_are_told_together(void)
{
    const char *found;
    int n = 0;

    begin_with_log();
    ask("sessions.create", "{'session':'a'," ANN "}");
    for (int i = 0; i < 200; i++)
        ask("sessions.get", "{'session':'a','principal':{'key':'k%d','role':'user'}}", 100 + i);
    for (found = acts(); (found = strchr(found, '\n')); found++)
        n++;
    CU_ASSERT_EQUAL(n, 65);
    rig_pass(60000);
    CU_ASSERT_STRING_EQUAL(acts(), "session.denied several others   135\n");
    rig_end();
}

static void nobody_is_told_without_a_log(void)
{
    rig_begin(NULL);
    ask("sessions.create", "{'session':'a'," ANN "}");
    HAS(ask("sessions.get", "{'session':'a'," BOB "}"), "not_found: ");
    CU_ASSERT_STRING_EQUAL(acts(), "");
    CU_ASSERT_EQUAL(number(ask("sessions.status", "{}"), "denied"), 1);
    rig_end();
}

/* What was counted when it ends is told; want of memory refuses all the same. */
static void denials_survive_an_end_and_want_of_memory(void)
{
    begin_with_log();
    ask("sessions.create", "{'session':'a'," ANN "}");
    ask("sessions.get", "{'session':'a'," BOB "}");
    CU_ASSERT_STRING_EQUAL(acts(), "session.denied k2 a key:k2 sessions.get 1\n");
    for (size_t n = 1; n < 6; n++) {
        aiex_fake_fail_alloc(h, n);
        HAS(ask("sessions.get", "{'session':'a','principal':{'key':'x%zu','role':'user'}}", n),
            ": ");
    }
    aiex_fake_fail_alloc(h, 0);
    acts();
    ask("sessions.get", "{'session':'a'," BOB "}");
    rig_end();
}

const struct test_case tests[] = {
    {"a_session_is_made_and_found_again", a_session_is_made_and_found_again},
    {"messages_are_kept_and_read_backwards", messages_are_kept_and_read_backwards},
    {"states_allow_what_they_allow", states_allow_what_they_allow},
    {"a_roll_back_hides_and_forgets_nothing", a_roll_back_hides_and_forgets_nothing},
    {"a_fork_begins_with_anothers_history", a_fork_begins_with_anothers_history},
    {"forks_of_forks_end_somewhere", forks_of_forks_end_somewhere},
    {"deleting_erases_what_was_said", deleting_erases_what_was_said},
    {"erasing_goes_on_after_a_crash", erasing_goes_on_after_a_crash},
    {"lists_are_paged_from_the_newest", lists_are_paged_from_the_newest},
    {"what_is_not_used_expires", what_is_not_used_expires},
    {"others_do_not_see_it", others_do_not_see_it},
    {"what_is_wrong_is_said", what_is_wrong_is_said},
    {"hostile_bytes_are_answered", hostile_bytes_are_answered},
    {"what_is_too_much_is_refused", what_is_too_much_is_refused},
    {"labels_change", labels_change},
    {"who_asks_for_anothers_is_told", who_asks_for_anothers_is_told},
    {"many_are_told_together", many_are_told_together},
    {"nobody_is_told_without_a_log", nobody_is_told_without_a_log},
    {"denials_survive_an_end_and_want_of_memory", denials_survive_an_end_and_want_of_memory},
    {0},
};

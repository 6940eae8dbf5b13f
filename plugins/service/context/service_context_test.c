/* service_context_test.c - entries: put, get, replace, refresh, delete, list, fresh, expire,
 * relate, search, restart; what is refused. */
#include "context_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PUT(id, ...)                                                                               \
    HAS(ask("context.put", "{'id':'" id "',"__VA_ARGS__                                            \
                           "}"),                                                                   \
        "'stored'")

static void put_and_get(void)
{
    const char *a;

    rig_begin(NULL);
    a = ask("context.put",
            "{'id':'a','kind':'analysis','session':'s1','project':'p','path':'src/a.c',"
            "'title':'Main','content':'int main(void) { return parseHeader(); }',"
            "'meta':{'lines':1}}");
    HAS(a, "'stored':'added'");
    HAS(a, "'cut':false");
    a = ask("context.get", "{'id':'a'}");
    HAS(a, "'kind':'analysis'");
    HAS(a, "'session':'s1'");
    HAS(a, "'path':'src/a.c'");
    HAS(a, "'content':'int main(void) { return parseHeader(); }'");
    HAS(a, "'meta':{'lines':1}");
    HAS(a, "'expires':0");
    a = ask("context.get", "{'id':'a','content':false}");
    CU_ASSERT_PTR_NULL(strstr(a, "'content'"));
    HAS(a, "'title':'Main'");
    HAS(ask("context.get", "{'id':'b'}"), "not_found: there is no context 'b'");
    rig_end();
}

static void same_hash_refreshes(void)
{
    const char *a;
    size_t rows;

    rig_begin(NULL);
    PUT("a", "'kind':'k','hash':'h1','content':'one two','ttl_ms':10000");
    rows = fake_store_rows(store, NULL);
    rig_advance(5000);
    HAS(ask("context.put",
            "{'id':'a','kind':'k','hash':'h1','content':'is not looked at','ttl_ms':10000}"),
        "'stored':'refreshed'");
    CU_ASSERT_EQUAL(fake_store_rows(store, NULL), rows);
    rig_advance(6000);
    a = ask("context.get", "{'id':'a'}");
    HAS(a, "'content':'one two'");
    HAS(ask("context.put", "{'id':'a','kind':'k','hash':'h2','content':'three','ttl_ms':10000}"),
        "'stored':'replaced'");
    HAS(ask("context.get", "{'id':'a'}"), "'content':'three'");
    rig_advance(200);
    CU_ASSERT_EQUAL(fake_store_rows(store, "context_text"), 1);
    CU_ASSERT_EQUAL(fake_store_rows(store, "context_posting"), 1);
    CU_ASSERT_EQUAL(fake_store_rows(store, "context_dead"), 0);
    rig_end();
}

static void content_gives_hash_and_path_gives_id(void)
{
    const char *a;
    char first[80];

    rig_begin(NULL);
    a = ask("context.put", "{'kind':'k','project':'p','path':'x.c','content':'one'}");
    HAS(a, "'stored':'added'");
    snprintf(first, sizeof(first), "%s", ids_of(a));
    a = ask("context.put", "{'kind':'k','project':'p','path':'x.c','content':'one'}");
    HAS(a, "'stored':'refreshed'");
    IS(ids_of(a), first);
    HAS(ask("context.put", "{'kind':'k','project':'p','path':'x.c','content':'two'}"),
        "'replaced'");
    HAS(ask("context.put", "{'kind':'k','content':'two'}"), "'added'");
    HAS(ask("context.put", "{'kind':'k','content':'two'}"), "'added'");
    CU_ASSERT_EQUAL(fake_store_rows(store, "context_entry"), 3);
    rig_end();
}

static void deleted_leaves_nothing(void)
{
    rig_begin(NULL);
    PUT("a", "'kind':'k','content':'alpha beta'");
    PUT("b", "'kind':'k','content':'alpha gamma'");
    IS(ask("context.relate", "{'from':'a','to':'b','type':'uses'}"), "{}");
    IS(ask("context.delete", "{'id':'a'}"), "{'found':true}");
    IS(ids_of(ask("context.search", "{'query':'alpha'}")), "b");
    HAS(ask("context.get", "{'id':'a'}"), "not_found");
    IS(ask("context.delete", "{'id':'a'}"), "{'found':false}");
    rig_advance(100);
    CU_ASSERT_EQUAL(fake_store_rows(store, "context_entry"), 1);
    CU_ASSERT_EQUAL(fake_store_rows(store, "context_text"), 1);
    CU_ASSERT_EQUAL(fake_store_rows(store, "context_words"), 1);
    CU_ASSERT_EQUAL(fake_store_rows(store, "context_posting"), 2);
    CU_ASSERT_EQUAL(fake_store_rows(store, "context_relation"), 0);
    CU_ASSERT_EQUAL(fake_store_rows(store, "context_dead"), 0);
    rig_end();
}

static void identifiers_are_found(void)
{
    rig_begin(NULL);
    PUT("camel", "'kind':'k','content':'void getUserName(HTTPServer *s);'");
    PUT("snake", "'kind':'k','content':'get_user_name(x)'");
    PUT("prose", "'kind':'k','content':'the user is here'");
    PUT("czech", "'kind':'k','content':'PŘÍLIŠ žluťoučký kůň'");
    PUT("hanzi", "'kind':'k','content':'搜索引擎'");
    IS(ids_of(ask("context.search", "{'query':'getUserName','all':true}")), "snake camel");
    IS(ids_of(ask("context.search", "{'query':'get_user_name','limit':1}")), "snake");
    HAS(ids_of(ask("context.search", "{'query':'user'}")), "prose");
    IS(ids_of(ask("context.search", "{'query':'server'}")), "camel");
    IS(ids_of(ask("context.search", "{'query':'HTTP'}")), "camel");
    IS(ids_of(ask("context.search", "{'query':'getUse*'}")),
       ids_of(ask("context.search", "{'query':'getUse*'}")));
    IS(ids_of(ask("context.search", "{'query':'serv*'}")), "camel");
    IS(ids_of(ask("context.search", "{'query':'příliš'}")), "czech");
    IS(ids_of(ask("context.search", "{'query':'ŽLUŤ*'}")), "czech");
    IS(ids_of(ask("context.search", "{'query':'引擎','all':true}")), "hanzi");
    IS(ids_of(ask("context.search", "{'query':'serve'}")), "");
    rig_end();
}

static void search_is_filtered(void)
{
    rig_begin(NULL);
    PUT("a", "'kind':'code','session':'s1','project':'p1','content':'needle'");
    PUT("b", "'kind':'code','session':'s2','project':'p1','content':'needle needle'");
    PUT("c", "'kind':'chat','session':'s2','project':'p2','content':'needle in hay'");
    PUT("d", "'kind':'chat','search':false,'content':'needle'");
    IS(ids_of(ask("context.search", "{'query':'needle','kind':'chat'}")), "c");
    IS(ids_of(ask("context.search", "{'query':'needle','session':'s1'}")), "a");
    IS(ids_of(ask("context.search", "{'query':'needle','project':'p1'}")), "b a");
    IS(ids_of(ask("context.search", "{'query':'needle hay','all':true}")), "c");
    IS(ids_of(ask("context.search", "{'query':'needle','kind':'none'}")), "");
    CU_ASSERT_EQUAL(number(ask("context.search", "{'query':'needle','limit':1}"), "found"), 3);
    rig_end();
}

static void lists_are_paged(void)
{
    char seen[4096] = "";
    long long next = 0;
    int pages = 0;

    rig_begin(NULL);
    for (int i = 0; i < 25; i++)
        HAS(ask("context.put",
                "{'id':'e%02d','kind':'%s','session':'%s','project':'p','content':'x'}", i,
                i % 2 ? "odd" : "even", i < 20 ? "early" : "late"),
            "added");
    do {
        const char *a = next ? ask("context.list", "{'project':'p','limit':10,'next':%lld}", next)
                             : ask("context.list", "{'project':'p','limit':10}");

        strcat(strcat(seen, ids_of(a)), " ");
        next = number(a, "next");
        if (pages++ == 0)
            ask("context.put", "{'id':'new','kind':'even','project':'p','content':'y'}");
    } while (next > 0 && pages < 10);
    CU_ASSERT_EQUAL(pages, 3);
    HAS(seen, "e24 e23 e22");
    HAS(seen, "e02 e01 e00 ");
    CU_ASSERT_PTR_NULL(strstr(seen, "new"));
    IS(ids_of(ask("context.list", "{'session':'late','kind':'odd'}")), "e23 e21");
    IS(ids_of(ask("context.list", "{'kind':'odd','limit':2}")), "e23 e21");
    IS(ids_of(ask("context.list", "{'limit':2}")), "new e24");
    IS(ids_of(ask("context.list", "{'to_time':%lld}", (long long)now - 100000)), "");
    IS(ask("context.list", "{'session':'lat'}"), "{'entries':[]}");
    rig_end();
}

static void freshness_by_hash(void)
{
    rig_begin(NULL);
    PUT("a", "'kind':'k','project':'p','path':'a.c','hash':'h1','content':'x'");
    PUT("b", "'kind':'l','project':'p','path':'a.c','hash':'h2','content':'x'");
    IS(ask("context.fresh", "{'project':'p','path':'a.c','hash':'h2'}"),
       "{'known':true,'fresh':true,'entries':2,'id':'b'}");
    HAS(ask("context.fresh", "{'project':'p','path':'a.c','hash':'h3'}"),
        "'known':true,'fresh':false");
    HAS(ask("context.fresh", "{'project':'p','path':'a.','hash':'h1'}"), "'known':false");
    HAS(ask("context.fresh", "{'path':'a.c','hash':'h1'}"), "'known':false");
    HAS(ask("context.fresh", "{'id':'a','hash':'h1'}"), "'fresh':true");
    HAS(ask("context.fresh", "{'id':'a','hash':'h2'}"), "'fresh':false");
    HAS(ask("context.fresh", "{'id':'c','hash':'h2'}"), "'known':false");
    rig_end();
}

static void over_is_gone_at_once_and_swept(void)
{
    rig_begin((struct aiex_fake_pair[]){{"sweep", "5s"}, {0}});
    PUT("a", "'kind':'k','content':'word','ttl_ms':1000,'path':'p'");
    PUT("b", "'kind':'k','content':'word'");
    now += 999;
    IS(ids_of(ask("context.search", "{'query':'word'}")), "b a"); /* a's path is a word as well */
    now += 1;
    IS(ids_of(ask("context.search", "{'query':'word'}")), "b");
    IS(ids_of(ask("context.list", "{}")), "b");
    HAS(ask("context.get", "{'id':'a'}"), "not_found");
    HAS(ask("context.fresh", "{'path':'p','hash':'x'}"), "'known':false");
    HAS(ask("context.relate", "{'from':'b','to':'a','type':'t'}"), "not_found");
    CU_ASSERT_EQUAL(fake_store_rows(store, "context_entry"), 2);
    rig_advance(6000);
    CU_ASSERT_EQUAL(fake_store_rows(store, "context_entry"), 1);
    CU_ASSERT_EQUAL(fake_store_rows(store, "context_posting"), 1);
    CU_ASSERT_EQUAL(fake_store_rows(store, "context_dead"), 0);
    CU_ASSERT_EQUAL(number(ask("context.stats", "{}"), "expired"), 1);
    rig_end();
}

static void relations_are_walked(void)
{
    const char *a;

    rig_begin(NULL);
    for (int i = 0; i < 6; i++)
        ask("context.put", "{'id':'n%d','kind':'k','content':'x'}", i);
    for (int i = 0; i < 5; i++)
        IS(ask("context.relate", "{'from':'n%d','to':'n%d','type':'calls'}", i, i + 1), "{}");
    IS(ask("context.relate", "{'from':'n5','to':'n0','type':'tests'}"), "{}");
    IS(ids_of(ask("context.related", "{'id':'n1','direction':'out'}")), "n2");
    IS(ids_of(ask("context.related", "{'id':'n1','direction':'in'}")), "n0");
    IS(ids_of(ask("context.related", "{'id':'n1'}")), "n2 n0");
    IS(ids_of(ask("context.related", "{'id':'n1','direction':'out','depth':3}")), "n2 n3 n4");
    a = ask("context.related", "{'id':'n0','depth':4}");
    IS(ids_of(a), "n1 n5 n2 n4 n3");
    HAS(a, "{'id':'n3','type':'calls','direction':'out','depth':3,'via':'n2'}");
    HAS(a, "'cut':false");
    IS(ids_of(ask("context.related", "{'id':'n0','type':'tests'}")), "n5");
    HAS(ask("context.related", "{'id':'n0','depth':4,'limit':2}"), "'cut':true");
    IS(ask("context.unrelate", "{'from':'n0','to':'n1','type':'calls'}"), "{}");
    IS(ids_of(ask("context.related", "{'id':'n0'}")), "n5");
    HAS(ask("context.relate", "{'from':'n0','to':'n0','type':'x'}"), "invalid");
    HAS(ask("context.relate", "{'from':'n0','to':'zz','type':'x'}"), "not_found");
    rig_end();
}

/* Relations of an entry that was deleted do not hold for the next one of that id. */
static void relations_end_with_their_entry(void)
{
    rig_begin(NULL);
    PUT("a", "'kind':'k','content':'x'");
    PUT("b", "'kind':'k','content':'y'");
    IS(ask("context.relate", "{'from':'a','to':'b','type':'t'}"), "{}");
    PUT("b", "'kind':'k','content':'another content'");
    IS(ids_of(ask("context.related", "{'id':'a'}")), "b");
    fate_all = FATE_SILENT; /* the sweeper gets no answer */
    fate_at = 2;
    begin("context.delete", "{'id':'b'}");
    rig_run();
    fate_all = FATE_GOOD;
    PUT("b", "'kind':'k','content':'y'");
    IS(ids_of(ask("context.related", "{'id':'a'}")), "");
    IS(ask("context.relate", "{'from':'b','to':'a','type':'new'}"), "{}");
    rig_advance(30000);
    IS(ids_of(ask("context.related", "{'id':'a'}")), "b");
    CU_ASSERT_EQUAL(fake_store_rows(store, "context_relation"), 2);
    CU_ASSERT_EQUAL(fake_store_rows(store, "context_dead"), 0);
    rig_end();
}

static void survives_a_restart(void)
{
    rig_begin(NULL);
    PUT("a", "'kind':'k','content':'first words','session':'s'");
    PUT("b", "'kind':'k','content':'second words'");
    ask("context.relate", "{'from':'a','to':'b','type':'t'}");
    rig_close();
    rig_open(NULL);
    IS(ids_of(ask("context.search", "{'query':'words'}")), "a b");
    IS(ids_of(ask("context.search", "{'query':'words','session':'s'}")), "a");
    IS(ids_of(ask("context.related", "{'id':'b'}")), "a");
    HAS(ask("context.get", "{'id':'a'}"), "'content':'first words'");
    HAS(ask("context.put", "{'id':'a','kind':'k','session':'s','content':'first words'}"),
        "refreshed");
    CU_ASSERT_EQUAL(number(ask("context.stats", "{}"), "entries"), 2);
    HAS(ask("context.stats", "{}"), "'kinds':{'k':2}");
    rig_end();
}

/* More words than fit into one transaction. */
static void large_entries_come_whole(void)
{
    static char text[200000];
    size_t n = 0;

    rig_begin((struct aiex_fake_pair[]){{"max_words", "5000"}, {0}});
    for (int i = 0; i < 4000; i++)
        n += (size_t)sprintf(text + n, "w%d ", i);
    HAS(ask("context.put", "{'id':'a','kind':'k','content':'%s'}", text),
        "'words':4000,'cut':false");
    CU_ASSERT_EQUAL(fake_store_rows(store, "context_posting"), 4000);
    CU_ASSERT_EQUAL(fake_store_rows(store, "context_dead"), 0);
    IS(ids_of(ask("context.search", "{'query':'w3999'}")), "a");
    for (int i = 0; i < 4000; i++)
        n += (size_t)sprintf(text + n, "v%d ", i);
    HAS(ask("context.put", "{'id':'a','kind':'k','content':'%s'}", text),
        "'words':5000,'cut':true");
    IS(ids_of(ask("context.search", "{'query':'w3999 v999','all':true}")), "a");
    rig_advance(100);
    CU_ASSERT_EQUAL(fake_store_rows(store, "context_posting"), 5000);
    IS(ask("context.delete", "{'id':'a'}"), "{'found':true}");
    rig_advance(100);
    CU_ASSERT_EQUAL(fake_store_rows(store, "context_posting"), 0);
    CU_ASSERT_EQUAL(fake_store_rows(store, "context_words"), 0);
    CU_ASSERT_EQUAL(fake_store_rows(store, "context_dead"), 0);
    rig_end();
}

static void writers_of_one_entry_take_turns(void)
{
    uint64_t ids[20];

    rig_begin(NULL);
    for (int i = 0; i < 20; i++)
        ids[i] = begin("context.put", "{'id':'a','kind':'k','content':'version%d'}", i);
    for (int i = 0; i < 20; i++)
        HAS(end_of(ids[i]), i ? "'replaced'" : "'added'");
    HAS(ask("context.get", "{'id':'a'}"), "'content':'version19'");
    rig_advance(200);
    CU_ASSERT_EQUAL(fake_store_rows(store, "context_posting"), 1);
    CU_ASSERT_EQUAL(fake_store_rows(store, "context_text"), 1);
    rig_end();
}

static void wrong_requests_are_refused(void)
{
    static uint8_t big[(2 << 20)];
    struct aiex_writer w;

    rig_begin(NULL);
    HAS(ask("context.put", "{'id':'a','content':'x'}"), "invalid: field 'kind'");
    HAS(ask("context.put", "{'id':'a','kind':'k'}"), "invalid: field 'content'");
    HAS(ask("context.put", "{'id':'a','kind':'k','content':5}"), "invalid: field 'content'");
    HAS(ask("context.put", "{'id':'a','kind':'k','content':'x','meta':[]}"),
        "invalid: field 'meta'");
    HAS(ask("context.put", "{'id':'a\\u0001','kind':'k','content':'x'}"), "control character");
    HAS(ask("context.put", "{'id':5,'kind':'k','content':'x'}"), "invalid: field 'id'");
    HAS(ask("context.put", "{'kind':'k','content':'x','ttl_ms':-1}"), "invalid: field 'ttl_ms'");
    HAS(ask("context.search", "{'query':''}"), "no word");
    HAS(ask("context.search", "{'query':'- + ***'}"), "no word");
    HAS(ask("context.search", "{}"), "invalid: field 'query'");
    HAS(ask("context.search", "{'query':'a b c d e f g h i j k l m n o p q'}"),
        "more than 16 words");
    HAS(ask("context.search", "{'query':'a','limit':101}"), "invalid: field 'limit'");
    HAS(ask("context.list", "{'limit':0}"), "invalid: field 'limit'");
    HAS(ask("context.list", "{'next':'x'}"), "invalid: field 'next'");
    HAS(ask("context.fresh", "{'hash':'x'}"), "invalid: field 'path' or 'id'");
    HAS(ask("context.fresh", "{'path':'x'}"), "invalid: field 'hash'");
    HAS(ask("context.related", "{'id':'a','depth':5}"), "invalid: field 'depth'");
    HAS(ask("context.related", "{'id':'a','direction':'up'}"), "invalid: field 'direction'");
    HAS(ask("context.get", "{}"), "invalid: field 'id'");
    HAS(ask("context.nothing", "{}"), "not_found");
    aiex_writer_init(&w, big, sizeof(big));
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "kind", "k");
    aiex_w_str(&w, "content");
    aiex_w_bin_head(&w, (1 << 20) + 1);
    w.len += (1 << 20) + 1;
    HAS(end_of(begin_body("context.put", aiex_written(&w))), "invalid: field 'content'");
    CU_ASSERT_EQUAL(fake_store_rows(store, "context_entry"), 0);
    rig_end();
}

static void limits_hold(void)
{
    rig_begin((struct aiex_fake_pair[]){{"max_entries", "2"}, {"max_bytes", "64k"}, {0}});
    PUT("a", "'kind':'k','content':'x'");
    PUT("b", "'kind':'k','content':'x'");
    HAS(ask("context.put", "{'id':'c','kind':'k','content':'x'}"), "busy: 2 entries");
    PUT("b", "'kind':'k','content':'y'");
    ask("context.delete", "{'id':'a'}");
    HAS(ask("context.put", "{'id':'c','kind':'k','content':'%070000d'}", 1), "busy: 1 entries");
    for (int i = 0; i < 63; i++)
        HAS(ask("context.put", "{'id':'b','kind':'k%d','content':'y'}", i), "replaced");
    HAS(ask("context.put", "{'id':'b','kind':'one more','content':'y'}"), "busy: 64 kinds");
    rig_end();
}

static void too_many_requests_are_busy(void)
{
    uint64_t ids[1100];
    int busy = 0;

    rig_begin(NULL);
    for (int i = 0; i < 1100; i++)
        ids[i] = begin("context.get", "{'id':'a'}"); /* the service is loading */
    for (int i = 0; i < 1100; i++)
        busy += strncmp(end_of(ids[i]), "busy", 4) == 0;
    CU_ASSERT_EQUAL(busy, 1100 - 1024);
    rig_end();
}

const struct test_case tests[] = {
    {"put_and_get", put_and_get},
    {"same_hash_refreshes", same_hash_refreshes},
    {"content_gives_hash_and_path_gives_id", content_gives_hash_and_path_gives_id},
    {"deleted_leaves_nothing", deleted_leaves_nothing},
    {"identifiers_are_found", identifiers_are_found},
    {"search_is_filtered", search_is_filtered},
    {"lists_are_paged", lists_are_paged},
    {"freshness_by_hash", freshness_by_hash},
    {"over_is_gone_at_once_and_swept", over_is_gone_at_once_and_swept},
    {"relations_are_walked", relations_are_walked},
    {"relations_end_with_their_entry", relations_end_with_their_entry},
    {"survives_a_restart", survives_a_restart},
    {"large_entries_come_whole", large_entries_come_whole},
    {"writers_of_one_entry_take_turns", writers_of_one_entry_take_turns},
    {"wrong_requests_are_refused", wrong_requests_are_refused},
    {"limits_hold", limits_hold},
    {"too_many_requests_are_busy", too_many_requests_are_busy},
    {0},
};

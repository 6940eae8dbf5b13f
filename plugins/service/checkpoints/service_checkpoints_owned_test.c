/*
 * service_checkpoints_owned_test.c - templates, limits and API keys go back through their real
 * owners, on the real store: what a dry run says is what is done, doing it again does nothing,
 * owners and this service may die in between.
 */
#include "checkpoints_rig.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void keep(const char *name)
{
    HAS(query(CHECKPOINTS, "checkpoints.create", "{'name': '%s'}", name), "'sequence'");
}

static void open_all(void)
{
    rig_open(0);
    room_open(TEMPLATES);
    room_open(GATEWAY);
    CU_ASSERT_TRUE(comes(TEMPLATES, "templates.list", "'templates':"));
}

static void put(const char *name, const char *user, const char *text)
{
    HAS(query(TEMPLATES, "templates.put",
              "{'name': '%s', 'user': '%s', 'scope': '%s', 'text': '%s'}", name, user,
              user[0] ? "user" : "system", text),
        "'version':");
}

static const char *text_of(const char *name, int version)
{
    return query(TEMPLATES, "templates.show", "{'name': '%s', 'version': %d}", name, version);
}

static const char *restore(const char *name, const char *more)
{
    return query_all(CHECKPOINTS, "checkpoints.restore", "{'name': '%s', 'backup': false%s}", name,
                     more);
}

#define RESTORED_ALL                                                                               \
    "{'part':'templates','added':1,'changed':1,'removed':1}],'total':{'added':1,'changed':1,"      \
    "'removed':1}}"

static void change_templates(void)
{
    put("greet", "", "one");
    put("greet", "", "two");
    put("mine", "ann", "first");
    put("mine", "ann", "second");
    put("gone", "", "was here");
    HAS(query(TEMPLATES, "templates.remove", "{'name': 'gone'}"), "{}");
    keep("then");
    put("greet", "", "three");
    put("greet", "", "four");
    HAS(query(TEMPLATES, "templates.remove", "{'name': 'mine', 'user': 'ann', 'scope': 'user'}"),
        "{}");
    put("fresh", "", "made since");
}

static void templates_are_as_then(void)
{
    HAS(text_of("greet", 0), "'text':'two'");
    HAS(text_of("greet", 1), "'text':'one'");
    HAS(text_of("greet", 3), "not_found: ");
    HAS(query(TEMPLATES, "templates.show", "{'name': 'mine', 'user': 'ann', 'version': 1}"),
        "'text':'first'");
    HAS(query(TEMPLATES, "templates.show", "{'name': 'mine', 'user': 'ann'}"), "'text':'second'");
    HAS(text_of("fresh", 0), "not_found: ");
    HAS(text_of("gone", 0), "not_found: ");
}

static void test_templates(void)
{
    const char *dry, *done;

    rig_begin();
    open_all();
    change_templates();
    dry = restore("then", ", 'dry_run': true");
    HAS(dry, "{'part':'templates','change':'changed','key':'greet','detail':'version 4 -> that of "
             "2'}");
    HAS(dry, "{'part':'templates','change':'added','key':'mine of ann','detail':'version 2 "
             "again'}");
    HAS(dry, "{'part':'templates','change':'removed','key':'fresh','detail':'made since'}");
    HAS(dry, RESTORED_ALL);
    HAS(text_of("greet", 0), "'text':'four'");
    done = restore("then", "");
    HAS(done, RESTORED_ALL);
    templates_are_as_then();
    HAS(query_all(STORE, "store.read", "{'stream': 'templates', 'type': 'template.withdrawn'}"),
        "'events':2");
    HAS(restore("then", ", 'dry_run': true"), "'total':{}");
    /* numbers are not used again, also not after a start from the file */
    put("greet", "", "five");
    HAS(text_of("greet", 5), "'text':'five'");
    HAS(restore("then", ", 'parts': ['templates']"), "'total':{'changed':1}");
    room_close(TEMPLATES);
    room_open(TEMPLATES);
    templates_are_as_then();
    put("greet", "", "six");
    HAS(text_of("greet", 6), "'text':'six'");
    rig_close();
    rig_end();
}

static void test_chosen(void)
{
    rig_begin();
    open_all();
    change_templates();
    HAS(restore("then", ", 'parts': ['sessions', 'limits']"), "'total':{}");
    HAS(restore("then", ", 'keep_added': true, 'parts': ['templates']"),
        "'total':{'added':1,'changed':1}");
    HAS(text_of("fresh", 0), "'made since'");
    HAS(restore("then", ", 'parts': ['stream:templates'], 'keys': 1"), "invalid: field 'keys'");
    HAS(restore("then", ", 'parts': ['stream:templates']"), "'total':{'removed':1}");
    templates_are_as_then();
    rig_close();
    rig_end();
}

/* ---- Limits ---- */

static void limit(const char *scope, const char *name, int rpm)
{
    HAS(query(GATEWAY, "gateway.limit_set",
              "{'local': true, 'scope': '%s', 'name': '%s', 'rpm': %d}", scope, name, rpm),
        "{}");
}

/* Of one user, team or project. */
static int rpm_of(const char *name)
{
    const char *all = query(GATEWAY, "gateway.limit_list", "{'local': true}");
    char wanted[80];

    snprintf(wanted, sizeof(wanted), "'name':'%s'", name);
    all = strstr(all, wanted);
    return all ? (int)number(all, "rpm") : -1;
}

static void change_limits(void)
{
    limit("user", "ann", 10);
    limit("team", "red", 20);
    limit("project", "gone", 30);
    limit("project", "gone", 0);
    keep("then");
    limit("user", "ann", 100);
    limit("team", "red", 0);
    limit("project", "fresh", 5);
}

static void limits_are_as_then(void)
{
    CU_ASSERT_EQUAL(rpm_of("ann"), 10);
    CU_ASSERT_EQUAL(rpm_of("red"), 20);
    CU_ASSERT_TRUE(rpm_of("fresh") <= 0);
    CU_ASSERT_TRUE(rpm_of("gone") <= 0);
}

static void test_limits(void)
{
    const char *dry;

    rig_begin();
    open_all();
    change_limits();
    dry = restore("then", ", 'dry_run': true");
    HAS(dry, "{'part':'limits','change':'changed','key':'user ann','detail':'rpm 100 -> 10'}");
    HAS(dry, "{'part':'limits','change':'added','key':'team red','detail':'rpm 0 -> 20'}");
    HAS(dry, "{'part':'limits','change':'removed','key':'project fresh','detail':'rpm 5 -> 0'}");
    HAS(dry, "'total':{'added':1,'changed':1,'removed':1}");
    CU_ASSERT_EQUAL(rpm_of("ann"), 100);
    HAS(restore("then", ", 'parts': ['limits'], 'keep_added': true"),
        "'total':{'added':1,'changed':1}");
    CU_ASSERT_EQUAL(rpm_of("fresh"), 5);
    HAS(restore("then", ""), "'total':{'removed':1}");
    limits_are_as_then();
    HAS(query_all(STORE, "store.read", "{'stream': 'gateway/limits', 'type': 'limit.set'}"),
        "'version':10");
    HAS(restore("then", ", 'dry_run': true"), "'total':{}");
    room_close(GATEWAY);
    room_open(GATEWAY);
    limits_are_as_then();
    rig_close();
    rig_end();
}

/* ---- Keys ---- */

static void key(const char *name, char id[16])
{
    const char *made = query(GATEWAY, "gateway.key_create", "{'local': true, 'name': '%s'}", name);
    const char *at = strstr(made, "'id':'");

    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    snprintf(id, 16, "%.12s", at + 6);
}

static const char *keys(void)
{
    return query(GATEWAY, "gateway.key_list", "{'local': true}");
}

static int is_revoked(const char *id)
{
    const char *at = strstr(keys(), id);

    at = at ? strstr(at, "'revoked':") : NULL;
    return at ? strncmp(at + 10, "true", 4) == 0 : -1;
}

static void test_keys(void)
{
    char stays[16], goes[16], fresh[16];
    const char *said;

    rig_begin();
    open_all();
    key("stays", stays);
    key("goes", goes);
    keep("then");
    HAS(query(GATEWAY, "gateway.key_revoke", "{'local': true, 'id': '%s'}", goes), "'id'");
    HAS(query(GATEWAY, "gateway.key_set", "{'local': true, 'id': '%s', 'rpm': 7, 'role': 'viewer'}",
              stays),
        "'id'");
    key("fresh", fresh);
    said = restore("then", "");
    HAS(said, "'change':'left','key':'gateway/keys'");
    HAS(said, "its later events stay; see keys'");
    HAS(said, "'total':{'left':1}");
    CU_ASSERT_EQUAL(is_revoked(goes), 1);
    CU_ASSERT_EQUAL(is_revoked(fresh), 0);
    /* told so: limits of keys go back, and nothing else may more than before */
    said = restore("then", ", 'keys': true, 'dry_run': true");
    HAS(said, "'detail':'rpm 7 -> 0'");
    HAS(said, "'detail':'it was revoked since and stays so'");
    HAS(said, "'detail':'it was made since and stays'");
    HAS(said, "'total':{'changed':1,'left':2}");
    HAS(restore("then", ", 'keys': true"), "'total':{'changed':1,'left':2}");
    CU_ASSERT_EQUAL(is_revoked(goes), 1);
    CU_ASSERT_EQUAL(is_revoked(fresh), 0);
    CU_ASSERT_EQUAL(is_revoked(stays), 0);
    HAS(strstr(keys(), stays), "'role':'viewer'");
    HAS(restore("then", ", 'keys': true, 'dry_run': true"), "'total':{'left':2}");
    rig_close();
    rig_end();
}

static long long size_of(const char *name)
{
    struct stat st;

    return stat(rig_path(name), &st) == 0 ? (long long)st.st_size : -1;
}

/* A key that was revoked and forgotten does not come back. */
static void test_forgotten_key(void)
{
    char stays[16], goes[16];

    rig_begin();
    open_all();
    key("stays", stays);
    key("goes", goes);
    keep("then");
    HAS(query(GATEWAY, "gateway.key_revoke", "{'local': true, 'id': '%s'}", goes), "'id'");
    for (int i = 0; i < 1100; i++) /* until its file is written anew */
        query(GATEWAY, "gateway.key_set", "{'local': true, 'id': '%s', 'tpm': %d}", stays, i);
    while (size_of("gateway/keys") > 100000)
        turn();
    room_close(GATEWAY);
    forgets = 1;
    room_open(GATEWAY);
    CU_ASSERT_EQUAL(is_revoked(goes), -1);
    HAS(restore("then", ", 'keys': true"), "'total':{'changed':1,'left':1}");
    CU_ASSERT_EQUAL(is_revoked(goes), -1);
    CU_ASSERT_EQUAL(is_revoked(stays), 0);
    forgets = 0;
    rig_close();
    rig_end();
}

/* On a node with another history of both, their owners decide, too. */
static void test_elsewhere(void)
{
    const char *done;

    rig_begin();
    open_all();
    put("greet", "", "one");
    put("greet", "", "two");
    limit("user", "ann", 100);
    limit("project", "fresh", 5);
    keep("then");
    rig_close();
    room_move(STORE, "store2");
    room_move(TEMPLATES, "templates2");
    room_move(GATEWAY, "gateway2");
    open_all();
    put("other", "", "of this node");
    limit("user", "ann", 77);
    put("greet", "ann", "hers");
    done = restore("then", "");
    HAS(done, "'same_store':false");
    HAS_NOT(done, "'conflicts'");
    HAS(text_of("greet", 0), "'text':'two'");
    HAS(text_of("other", 0), "not_found: ");
    HAS(done, "'change':'removed','key':'greet of ann'");
    CU_ASSERT_EQUAL(rpm_of("ann"), 100);
    CU_ASSERT_EQUAL(rpm_of("fresh"), 5);
    rig_close();
    rig_end();
}

/* ---- Failures ---- */

static int count_down;
static enum place dies;
static const char *the_method;

/* The n-th time the owner is killed, before or behind the step, and is there again. */
static const char *kill_owner(enum place to, const char *method, int answered)
{
    if (to != dies || strcmp(method, the_method) != 0 || count_down <= 0 || --count_down > 0)
        return NULL;
    (void)answered;
    room_kill(dies);
    room_open(dies);
    return AIEX_E_CRASHED;
}

static void test_owner_dies(void)
{
    static const char *const methods[] = {"templates.restore_from", "templates.restore",
                                          "gateway.restore_from", "gateway.restore"};

    for (int i = 0; i < 8; i++) {
        rig_begin();
        open_all();
        if (i % 4 < 2)
            change_templates();
        else
            change_limits();
        dies = i % 4 < 2 ? TEMPLATES : GATEWAY;
        the_method = methods[i % 4];
        count_down = 1 + i / 4;
        on_carry = kill_owner;
        HAS(restore("then", ""), "'total':");
        on_carry = NULL;
        HAS(restore("then", ", 'dry_run': true"), "'total':{}");
        if (i % 4 < 2)
            templates_are_as_then();
        else
            limits_are_as_then();
        rig_close();
        rig_end();
    }
}

/* What was appended before the answer got lost is not appended again. */
static const char *lose_answer(enum place to, const char *method, int answered)
{
    if (to != TEMPLATES || !answered || strcmp(method, "templates.restore") != 0 ||
        --count_down != 0)
        return NULL;
    return AIEX_E_TIMEOUT;
}

static void test_answer_lost(void)
{
    rig_begin();
    open_all();
    change_templates();
    count_down = 1;
    on_carry = lose_answer;
    HAS_NOT(restore("then", ""), "'conflicts'");
    on_carry = NULL;
    templates_are_as_then();
    HAS(query(STORE, "store.read", "{'stream': 'templates', 'type': 'template.withdrawn'}"),
        "'events':2");
    rig_close();
    rig_end();
}

static void test_owner_away(void)
{
    const char *done;

    rig_begin();
    open_all();
    change_templates();
    HAS(query(STORE, "store.transact",
              "{'operations': [{'op': 'put', 'table': 'people', 'key': 'a', 'value': 'x'}]}"),
        "'version':");
    room_close(TEMPLATES);
    done = restore("then", "");
    HAS(done, "'change':'conflicts','key':'templates','detail':'the test says so'");
    HAS(done, "'total':{'removed':1,'conflicts':1}"); /* the rest is done */
    room_open(TEMPLATES);
    HAS(restore("then", ""), RESTORED_ALL);
    templates_are_as_then();
    rig_close();
    rig_end();
}

/* This service dies in the middle and goes on at its next start. */
static int died;

static const char *die_between(enum place to, const char *method, int answered)
{
    if (to == TEMPLATES && answered && strcmp(method, "templates.restore") == 0)
        died = 1;
    return NULL;
}

static void test_we_die(void)
{
    rig_begin();
    open_all();
    change_templates();
    died = 0;
    on_carry = die_between;
    begin(CHECKPOINTS, "checkpoints.restore", "{'name': 'then', 'backup': false}");
    while (!died)
        turn();
    on_carry = NULL;
    room_kill(CHECKPOINTS);
    room_open(CHECKPOINTS);
    CU_ASSERT_TRUE(comes(CHECKPOINTS, "checkpoints.status", "'restored':1"));
    templates_are_as_then();
    HAS(restore("then", ", 'dry_run': true"), "'total':{}");
    rig_close();
    rig_end();
}

/* What owners are asked by others than this service. */
static void test_wrong_requests(void)
{
    static const struct {
        const char *method, *body, *wanted;
    } wrong[] = {
        {"restore_from", "{}", "invalid: "},
        {"restore_from", "{'restore': 'r', 'of': 'gateway/limits', 'at': 7, 'events': []}",
         "conflict: "},
        {"restore_from", "{'restore': 'r', 'of': 'gateway/limits', 'at': 0}", "invalid: "},
        {"restore_from", "{'restore': 'r', 'of': 'gateway/limits', 'at': 0, 'events': [5]}",
         "invalid: "},
        {"restore_from",
         "{'restore': 'r', 'of': 'gateway/limits', 'at': 0, 'events': [{'type': 'x.later'}]}",
         "invalid: an event of then is of a later version"},
        {"restore", "{'restore': 'r', 'of': 'gateway/limits', 'events': 0}", "conflict: "},
        {"restore", "{'restore': 'r', 'of': 'gateway/limits', 'events': 0, 'skip': -1}",
         "invalid: "},
    };

    rig_begin();
    open_all();
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char method[64], body[200];

        snprintf(method, sizeof(method), "templates.%s", wrong[i].method);
        HAS(query(TEMPLATES, method, "%s", wrong[i].body), wrong[i].wanted);
        snprintf(method, sizeof(method), "gateway.%s", wrong[i].method);
        snprintf(body, sizeof(body), "{'local': true%s%s", wrong[i].body[1] == '}' ? "" : ", ",
                 wrong[i].body + 1);
        HAS(query(GATEWAY, method, "%s", body), wrong[i].wanted);
    }
    rig_close();
    rig_end();
}

/* More than a page, of both kinds. */
static void test_many(void)
{
    char name[32];

    rig_begin();
    open_all();
    for (int i = 0; i < 150; i++) {
        snprintf(name, sizeof(name), "t%03d", i);
        put(name, "", "then");
    }
    keep("then");
    for (int i = 0; i < 150; i++) {
        snprintf(name, sizeof(name), "t%03d", i);
        if (i % 2)
            put(name, "", "now");
        else
            HAS(query(TEMPLATES, "templates.remove", "{'name': '%s'}", name), "{}");
    }
    HAS(restore("then", ", 'dry_run': true"), "'total':{'added':75,'changed':75}");
    HAS(restore("then", ""), "'total':{'added':75,'changed':75}");
    HAS(restore("then", ", 'dry_run': true"), "'total':{}");
    for (int i = 0; i < 150; i += 7) {
        snprintf(name, sizeof(name), "t%03d", i);
        HAS(text_of(name, 0), "'text':'then'");
    }
    rig_close();
    rig_end();
}

const struct test_case tests[] = {
    {"templates go back", test_templates},
    {"parts are chosen", test_chosen},
    {"limits go back", test_limits},
    {"keys stay unless it is said", test_keys},
    {"a key that was forgotten stays away", test_forgotten_key},
    {"another node's owners go back", test_elsewhere},
    {"the owner dies in the middle", test_owner_dies},
    {"an answer gets lost", test_answer_lost},
    {"the owner is away", test_owner_away},
    {"this service dies in the middle", test_we_die},
    {"many go back page by page", test_many},
    {"wrong requests are refused", test_wrong_requests},
    {0},
};

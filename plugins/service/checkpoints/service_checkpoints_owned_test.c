/*
 * service_checkpoints_owned_test.c - templates, limits and API keys go back through their real
 * owners, on the real store: what a dry run says is what is done, doing it again does nothing,
 * owners and this service may die in between.
 */
#include "checkpoints_rig.h"

#include <stdio.h>
#include <string.h>

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
    static const char *const methods[] = {"templates.restore_from", "templates.restore"};

    for (int i = 0; i < 4; i++) {
        rig_begin();
        open_all();
        change_templates();
        dies = TEMPLATES;
        the_method = methods[i % 2];
        count_down = 1 + i / 2;
        on_carry = kill_owner;
        HAS(restore("then", ""), "'total':");
        on_carry = NULL;
        HAS(restore("then", ", 'dry_run': true"), "'total':{}");
        templates_are_as_then();
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
    {"the owner dies in the middle", test_owner_dies},
    {"an answer gets lost", test_answer_lost},
    {"the owner is away", test_owner_away},
    {"this service dies in the middle", test_we_die},
    {"many go back page by page", test_many},
    {NULL, NULL},
};

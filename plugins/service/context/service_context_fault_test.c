/* service_context_fault_test.c - every call to the store fails in every way, the process ends at
 * every moment, callers leave at every moment: answers are true, and nothing is left behind. */
#include "context_rig.h"
#include "lean_memory.h"
#undef malloc
#undef calloc
#undef realloc

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Memory of the plugin: the n-th allocation from now on fails, once. */
static unsigned memory_left;

static int is_gone(void)
{
    return memory_left && --memory_left == 0;
}

void *lean_malloc(size_t n)
{
    return is_gone() ? NULL : malloc(n);
}

void *lean_calloc(size_t n, size_t size)
{
    return is_gone() ? NULL : calloc(n, size);
}

void *lean_realloc(void *mem, size_t n)
{
    return is_gone() ? NULL : realloc(mem, n);
}

/* Content number i: small, or with more words than one transaction has room for. */
static const char *content(int i)
{
    static char text[2][60000];
    static int turn;
    char *out = text[turn++ & 1];
    size_t n = 0;

    if (i % 2 == 0)
        return sprintf(out, "mark%d small", i), out;
    n = (size_t)sprintf(out, "mark%d ", i);
    for (int k = 0; k < 1000; k++)
        n += (size_t)sprintf(out + n, "w%dx%d ", i, k);
    return out;
}

/* Nothing is in the store but what belongs to entries that can be read and found. */
static void check_whole(void)
{
    const char *list;
    char ids[4096];
    long long words = 0;
    size_t n = 0;

    rig_advance(12000); /* the sweeper has been there */
    list = ask("context.list", "{}");
    snprintf(ids, sizeof(ids), "%s", ids_of(list));
    for (char *id = strtok(ids, " "); id; id = strtok(NULL, " ")) {
        const char *a = ask("context.get", "{'id':'%s'}", id);
        const char *mark = strstr(a, "'content':'mark");
        char found[200];

        n++;
        words += number(a, "words");
        CU_ASSERT_PTR_NOT_NULL_FATAL(mark);
        snprintf(found, sizeof(found), " %s ",
                 ids_of(ask("context.search", "{'query':'%.*s'}", (int)strcspn(mark + 11, " "),
                            mark + 11)));
        HAS(found, id);
    }
    CU_ASSERT_EQUAL(fake_store_rows(store, "context_entry"), n);
    CU_ASSERT_EQUAL(fake_store_rows(store, "context_text"), n);
    CU_ASSERT_EQUAL(fake_store_rows(store, "context_words"), n);
    CU_ASSERT_EQUAL(fake_store_rows(store, "context_dead"), 0);
    CU_ASSERT_EQUAL((long long)fake_store_rows(store, "context_posting"), words);
}

/* The n-th act; its id. */
#define N_ACTS 8
static uint64_t act(int n)
{
    switch (n) {
    case 0:
        return begin("context.put", "{'id':'a','kind':'k','path':'p','hash':'h0','content':'%s'}",
                     content(0));
    case 1:
        return begin("context.put", "{'id':'b','kind':'k','hash':'h1','content':'%s'}", content(1));
    case 2:
        return begin("context.relate", "{'from':'a','to':'b','type':'t'}");
    case 3:
        return begin("context.put", "{'id':'a','kind':'k','path':'p','hash':'h3','content':'%s'}",
                     content(3));
    case 4:
        return begin("context.put", "{'id':'a','kind':'k','path':'p','hash':'h3','content':'x'}");
    case 5:
        return begin("context.delete", "{'id':'b'}");
    case 6:
        return begin("context.put", "{'id':'b','kind':'k','hash':'h6','content':'%s'}", content(6));
    default:
        return begin("context.unrelate", "{'from':'a','to':'b','type':'t'}");
    }
}

static int is_good(const char *answer)
{
    return answer[0] == '{';
}

static int is_error(const char *answer)
{
    static const char *const codes[] = {
        "busy:", "unavailable:", "read_only:", "timeout:", "internal:", "crashed:", "not_found:"};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (strncmp(answer, codes[i], strlen(codes[i])) == 0)
            return 1;
    return 0;
}

static void all_acts_until_good(void)
{
    for (int i = 0; i < N_ACTS; i++) {
        const char *a = "";

        for (int k = 0; k < 5 && !is_good(a); k++) {
            a = end_of(act(i));
            CU_ASSERT_TRUE(is_good(a) || is_error(a) || !rig_text_has("", a));
        }
        CU_ASSERT_TRUE(is_good(a) || !rig_text_has("", a));
    }
}

static void check_end(void)
{
    HAS(ask("context.get", "{'id':'a'}"), "'hash':'h3'");
    HAS(ask("context.get", "{'id':'b'}"), "'content':'mark6 small'");
    IS(ids_of(ask("context.related", "{'id':'a'}")), "");
    check_whole();
    CU_ASSERT_EQUAL(fake_store_rows(store, "context_relation"), 0);
}

static unsigned calls_of_all(void)
{
    unsigned n;

    rig_begin(NULL);
    all_acts_until_good();
    rig_advance(500);
    n = store_calls;
    check_end();
    rig_end();
    return n;
}

static void each_call_fails_in_each_way(void)
{
    unsigned n = calls_of_all();

    CU_ASSERT_TRUE(n > 20 && n < 200);
    for (unsigned at = 1; at <= n; at++)
        for (int how = FATE_BUSY; how < N_FATES; how++) {
            rig_begin(NULL);
            fate_at = at;
            fate = (enum fate)how;
            all_acts_until_good();
            check_end();
            rig_end();
        }
}

/* Everything from the n-th call on fails, for a minute. */
static void the_store_is_away_for_a_minute(void)
{
    for (unsigned at = 1; at < 40; at += 3)
        for (int how = FATE_BUSY; how < N_FATES; how++) {
            rig_begin(NULL);
            fate_at = at;
            fate = fate_all = (enum fate)how;
            for (int i = 0; i < N_ACTS; i++) {
                const char *a = end_of(act(i));

                CU_ASSERT_TRUE(is_good(a) || is_error(a) || !rig_text_has("", a));
            }
            fate_all = FATE_GOOD;
            fate_at = 0;
            rig_advance(10000);
            all_acts_until_good();
            check_end();
            rig_end();
        }
}

/* What was acknowledged is there after the end at any moment; what was not is there or not. */
static void the_process_ends_at_each_moment(void)
{
    for (int moment = 0; moment < 60; moment++) {
        int done = -1, over = 0;
        uint64_t id = 0;

        rig_begin(NULL);
        for (int step = 0; step < moment && !over; step++) {
            if (!id)
                id = done + 1 < N_ACTS ? act(done + 1) : 0;
            over = !rig_step();
            if (id && aiex_fake_answer(h, id)) {
                done++;
                id = 0;
            }
        }
        rig_kill();
        rig_open(NULL);
        if (done >= 0)
            HAS(ask("context.get", "{'id':'a'}"), done >= 3 ? "'hash':'h3'" : "'hash':'h");
        if (done >= 6)
            HAS(ask("context.get", "{'id':'b'}"), "'hash':'h6'");
        if (done == 5)
            CU_ASSERT_PTR_NULL(strstr(ask("context.get", "{'id':'b'}"), "'hash':'h1'"));
        check_whole();
        all_acts_until_good();
        check_end();
        rig_end();
    }
}

static void callers_leave_at_each_moment(void)
{
    for (int n = 0; n < N_ACTS; n++)
        for (int moment = 0; moment < 8; moment++) {
            uint64_t id;

            rig_begin(NULL);
            for (int i = 0; i < n; i++)
                end_of(act(i));
            id = act(n);
            for (int i = 0; i < moment; i++)
                rig_step();
            aiex_fake_cancel(h, id);
            check_whole();
            all_acts_until_good();
            check_end();
            rig_end();
        }
}

static void readers_leave_at_each_moment(void)
{
    static const char *const asked[][2] = {
        {"context.get", "{'id':'a'}"},
        {"context.search", "{'query':'mark0 small w1x*','snippet':60}"},
        {"context.list", "{'kind':'k'}"},
        {"context.related", "{'id':'a','depth':3}"},
        {"context.fresh", "{'path':'p','hash':'h0'}"},
    };

    for (int n = 0; n < 5; n++)
        for (int moment = 0; moment < 6; moment++) {
            uint64_t ids[3];

            rig_begin(NULL);
            for (int i = 0; i < 3; i++)
                end_of(act(i));
            for (int i = 0; i < 3; i++)
                ids[i] = begin(asked[n][0], "%s", asked[n][1]);
            for (int i = 0; i < moment; i++)
                rig_step();
            aiex_fake_cancel(h, ids[0]);
            aiex_fake_cancel(h, ids[2]);
            CU_ASSERT_TRUE(is_good(end_of(ids[1])));
            rig_end();
        }
}

static void little_memory(void)
{
    for (size_t n = 1; n < 60; n++) {
        rig_begin(NULL);
        aiex_fake_fail_alloc(h, n);
        all_acts_until_good();
        check_end();
        aiex_fake_fail_alloc(h, 0);
        rig_end();
    }
    for (unsigned n = 1, left = 0; !left && n < 1000; n++) {
        rig_begin(NULL);
        memory_left = n;
        all_acts_until_good();
        rig_advance(2000);
        left = memory_left; /* all allocations have had their turn */
        memory_left = 0;
        CU_ASSERT_TRUE(n > 50 || !left);
        check_end();
        rig_end();
    }
}

static void answers_within_the_call(void)
{
    rig_begin(NULL);
    at_once = 1;
    all_acts_until_good();
    check_end();
    rig_end();
}

static void an_unknown_outcome_is_told_and_found_out(void)
{
    uint64_t first, second;
    const char *a;

    rig_begin(NULL);
    end_of(act(0));
    first = begin("context.put", "{'id':'n','kind':'k','content':'mark1'}");
    fate_at = 1;
    fate = FATE_LOST_ANSWER;
    fate_all = FATE_BUSY;
    a = end_of(first);
    HAS(a, "timeout:");
    HAS(a, "'unknown':true");
    second = begin("context.put", "{'id':'n','kind':'k','content':'mark2'}");
    HAS(end_of(second), "busy: an earlier write of 'n' is not finished");
    fate_all = FATE_GOOD;
    second = begin("context.put", "{'id':'n','kind':'k','content':'mark2'}");
    HAS(end_of(second), "'stored':'replaced'"); /* when the first one was known */
    HAS(ask("context.get", "{'id':'n'}"), "'content':'mark2'");
    rig_end();
}

static void reads_go_on_while_nothing_is_written(void)
{
    rig_begin(NULL);
    end_of(act(0));
    fate_all = FATE_READ_ONLY;
    HAS(end_of(act(3)), "read_only:");
    HAS(ask("context.delete", "{'id':'a'}"), "read_only:");
    HAS(ask("context.get", "{'id':'a'}"), "mark0 small");
    IS(ids_of(ask("context.search", "{'query':'small'}")), "a");
    rig_end();
}

static void a_newer_owner_fences(void)
{
    uint64_t id;

    rig_begin(NULL);
    end_of(act(0));
    fake_store_take(store, 1000);
    HAS(ask("service.health", "{}"), "'healthy':true");
    id = begin("context.list", "{}");
    HAS(end_of(act(3)), "unavailable:");
    HAS(end_of(id), "'entries'");
    HAS(ask("context.get", "{'id':'a'}"), "unavailable:");
    HAS(ask("service.health", "{}"), "'healthy':false");
    rig_close();
    rig_open(NULL); /* its successor takes a higher one */
    HAS(end_of(act(3)), "'replaced'");
    rig_end();
}

static void a_row_that_others_changed_is_read_again(void)
{
    rig_begin(NULL);
    end_of(act(0));
    CU_ASSERT_TRUE(fake_store_touch(store, "context_entry", "a", 1));
    HAS(end_of(act(3)), "'replaced'");
    HAS(ask("context.get", "{'id':'a'}"), "'hash':'h3'");
    check_whole();
    rig_end();
}

static void requests_wait_for_the_store_a_while(void)
{
    uint64_t id;

    rig_begin(NULL);
    fate_all = FATE_UNAVAILABLE;
    HAS(ask("context.get", "{'id':'a'}"), "unavailable: the tables can not be defined");
    HAS(ask("service.health", "{}"), "'healthy':false");
    id = act(0);
    rig_advance(2000);
    fate_all = FATE_GOOD;
    HAS(end_of(id), "'added'");
    HAS(ask("service.health", "{}"), "'healthy':true");
    rig_end();
}

static void what_runs_ends_before_the_instance(void)
{
    uint64_t put, late;

    rig_begin(NULL);
    end_of(act(0));
    put = act(1);
    rig_step();
    CU_ASSERT_EQUAL(aiex_fake_drain(h, p, self), 0);
    late = act(3);
    HAS(end_of(late), "unavailable:");
    HAS(end_of(put), "'added'");
    CU_ASSERT_EQUAL(aiex_fake_drained(h), 1);
    rig_close();
    rig_open(NULL);
    check_whole();
    CU_ASSERT_EQUAL(number(ask("context.stats", "{}"), "entries"), 2);
    rig_end();
}

/* A write whose outcome stays unknown does not hold up the end of the instance. */
static void an_unknown_outcome_does_not_delay_the_end(void)
{
    for (int early = 0; early < 2; early++) {
        uint64_t put;

        rig_begin(NULL);
        end_of(act(0));
        put = act(3);
        fate_at = 3;
        fate = FATE_LOST_ANSWER;
        fate_all = FATE_UNAVAILABLE;
        if (early)
            rig_run();
        else
            HAS(end_of(put), "'unknown':true");
        CU_ASSERT_EQUAL(aiex_fake_drain(h, p, self), !early);
        HAS(end_of(put), "'unknown':true");
        CU_ASSERT_EQUAL(aiex_fake_drained(h), 1);
        fate_all = FATE_GOOD;
        rig_close();
        rig_open(NULL);
        check_whole();
        all_acts_until_good();
        check_end();
        rig_end();
    }
}

/* A backup was restored: rows that we know are not there. */
static void rows_may_vanish(void)
{
    rig_begin(NULL);
    end_of(act(0));
    fake_store_lose(store, "context_entry", "a", 1);
    HAS(ask("context.get", "{'id':'a'}"), "not_found:");
    IS(ids_of(ask("context.search", "{'query':'small'}")), "");
    IS(ask("context.delete", "{'id':'a'}"), "{'found':false}");
    HAS(end_of(act(0)), "'added'");
    fake_store_lose(store, "context_entry", "a", 1);
    HAS(end_of(act(0)), "'added'");
    IS(ids_of(ask("context.search", "{'query':'small'}")), "a");
    rig_end();
}

const struct test_case tests[] = {
    {"each_call_fails_in_each_way", each_call_fails_in_each_way},
    {"the_store_is_away_for_a_minute", the_store_is_away_for_a_minute},
    {"the_process_ends_at_each_moment", the_process_ends_at_each_moment},
    {"callers_leave_at_each_moment", callers_leave_at_each_moment},
    {"readers_leave_at_each_moment", readers_leave_at_each_moment},
    {"little_memory", little_memory},
    {"answers_within_the_call", answers_within_the_call},
    {"an_unknown_outcome_is_told_and_found_out", an_unknown_outcome_is_told_and_found_out},
    {"reads_go_on_while_nothing_is_written", reads_go_on_while_nothing_is_written},
    {"a_newer_owner_fences", a_newer_owner_fences},
    {"a_row_that_others_changed_is_read_again", a_row_that_others_changed_is_read_again},
    {"requests_wait_for_the_store_a_while", requests_wait_for_the_store_a_while},
    {"what_runs_ends_before_the_instance", what_runs_ends_before_the_instance},
    {"an_unknown_outcome_does_not_delay_the_end", an_unknown_outcome_does_not_delay_the_end},
    {"rows_may_vanish", rows_may_vanish},
    {0},
};

/* service_context_tiers_test.c - contents read from tiers, moved between them by use, shared by
 * those who ask at the same time; tiers that fail. */
#include "context_rig.h"

#include <stdio.h>
#include <string.h>

enum { COLD, HOT, WARM }; /* places in the rig: not in the order of heat */

static const char *metric(const char *name)
{
    static char out[64];
    const char *a = ask("context.metrics", "{}"), *at;
    char wanted[256];
    size_t n = (size_t)sprintf(wanted, "\\n");

    for (; *name; name++) /* as it stands in JSON */
        n += (size_t)sprintf(wanted + n, *name == '\'' ? "\\%c" : "%c", *name);
    strcpy(wanted + n, " ");
    at = strstr(a, wanted);
    snprintf(out, sizeof(out), "%.*s", at ? (int)strcspn(at + strlen(wanted), "\\") : 1,
             at ? at + strlen(wanted) : "?");
    return out;
}

static void begin_with_tiers(void)
{
    rig_begin((struct aiex_fake_pair[]){{"balance", "1s"}, {0}});
    with_tiers = 1;
    rig_advance(1100);
    HAS(ask("context.put", "{'id':'a','kind':'k','content':'aaa'}"), "added");
    HAS(ask("context.put", "{'id':'b','kind':'k','content':'bbb'}"), "added");
}

static void get(const char *id)
{
    HAS(ask("context.get", "{'id':'%s'}", id), "'content'");
}

static void a_read_content_enters_warm_and_climbs(void)
{
    begin_with_tiers();
    CU_ASSERT_EQUAL(tiers[WARM].n + tiers[HOT].n + tiers[COLD].n, 0);
    get("a");
    CU_ASSERT_EQUAL(tiers[WARM].n, 1);
    get("a");
    CU_ASSERT_EQUAL(tiers[WARM].gets, 2);
    IS(metric("aiex_context_reads_total{plugin='service_context',level='warm',result='hit'}"), "1");
    IS(metric("aiex_context_reads_total{plugin='service_context',level='store',result='hit'}"),
       "1");
    rig_advance(1100);
    CU_ASSERT_EQUAL(tiers[HOT].n, 0); /* used once */
    get("a");
    rig_advance(1100);
    CU_ASSERT_EQUAL(tiers[HOT].n, 1);
    CU_ASSERT_EQUAL(tiers[WARM].n, 0);
    CU_ASSERT_EQUAL(tiers[HOT].all[0].uses, 2);
    get("a");
    IS(metric("aiex_context_reads_total{plugin='service_context',level='hot',result='hit'}"), "1");
    IS(metric("aiex_context_promoted_total{plugin='service_context'}"), "1");
    rig_end();
}

static void a_full_tier_gives_down(void)
{
    begin_with_tiers();
    get("a");
    get("b");
    CU_ASSERT_EQUAL(tiers[WARM].n, 2);
    tiers[WARM].max_bytes = 1;
    rig_advance(1100);
    CU_ASSERT_EQUAL(tiers[WARM].n, 0);
    CU_ASSERT_EQUAL(tiers[COLD].n, 2);
    IS(metric("aiex_context_demoted_total{plugin='service_context'}"), "2");
    tiers[WARM].max_bytes = 1 << 20;
    get("a");
    get("a");
    IS(metric("aiex_context_reads_total{plugin='service_context',level='cold',result='hit'}"), "2");
    rig_advance(1100);
    CU_ASSERT_EQUAL(tiers[COLD].n, 1);
    HAS(ask("context.stats", "{}"), "'level':'cold'");
    rig_end();
}

static void what_is_replaced_or_deleted_leaves_the_tiers(void)
{
    begin_with_tiers();
    get("a");
    get("b");
    HAS(ask("context.put", "{'id':'a','kind':'k','content':'new'}"), "replaced");
    HAS(ask("context.get", "{'id':'a'}"), "'content':'new'");
    IS(ask("context.delete", "{'id':'b'}"), "{'found':true}");
    CU_ASSERT_EQUAL(tiers[WARM].n, 1);
    rig_end();
}

static void many_readers_share_one_flight(void)
{
    uint64_t ids[50];
    unsigned before;

    begin_with_tiers();
    before = store_calls;
    for (int i = 0; i < 50; i++)
        ids[i] = begin("context.get", "{'id':'a'}");
    for (int i = 0; i < 50; i++)
        HAS(end_of(ids[i]), "'content':'aaa'");
    CU_ASSERT_EQUAL(store_calls - before, 51); /* 50 rows, one content */
    CU_ASSERT_EQUAL(tiers[HOT].gets, 1);
    IS(metric("aiex_context_shared_total{plugin='service_context'}"), "49");
    rig_end();
}

static void tiers_that_fail_are_passed_by(void)
{
    begin_with_tiers();
    get("a");
    for (int i = 0; i < RIG_TIERS; i++)
        tiers[i].down = 1;
    get("a");
    get("b");
    rig_advance(3000);
    get("a");
    IS(metric("aiex_context_reads_total{plugin='service_context',level='store',result='hit'}"),
       "4");
    for (int i = 0; i < RIG_TIERS; i++)
        tiers[i].down = 0;
    rig_advance(7000);
    get("a");
    IS(metric("aiex_context_reads_total{plugin='service_context',level='warm',result='hit'}"), "1");
    rig_end();
}

static void tiers_may_come_and_go(void)
{
    begin_with_tiers();
    get("a");
    with_tiers = 0;
    rig_advance(1100);
    get("a");
    IS(metric("aiex_context_reads_total{plugin='service_context',level='warm',result='hit'}"), "0");
    with_tiers = 1;
    rig_advance(1100);
    get("a");
    IS(metric("aiex_context_reads_total{plugin='service_context',level='warm',result='hit'}"), "1");
    rig_end();
}

static void named_tiers_and_none(void)
{
    rig_begin((struct aiex_fake_pair[]){{"balance", "1s"}, {"tiers", "tier_hot, tier_cold"}, {0}});
    rig_advance(1100);
    ask("context.put", "{'id':'a','kind':'k','content':'aaa'}");
    get("a");
    CU_ASSERT_EQUAL(tiers[HOT].n, 1); /* there is no warm one */
    rig_end();
    rig_begin((struct aiex_fake_pair[]){{"tiers", ""}, {0}});
    with_tiers = 1;
    rig_advance(11000);
    ask("context.put", "{'id':'a','kind':'k','content':'aaa'}");
    get("a");
    CU_ASSERT_EQUAL(tiers[HOT].n + tiers[WARM].n, 0);
    rig_end();
}

/* Moves are cut off anywhere: a content is in one tier at least, or in the store. */
static void moves_end_at_each_moment(void)
{
    for (int moment = 0; moment < 25; moment++) {
        begin_with_tiers();
        get("a");
        get("a");
        get("a");
        now += 1000;
        aiex_fake_advance(h, 1000);
        for (int i = 0; i < moment; i++)
            rig_step();
        rig_kill();
        CU_ASSERT_TRUE(tiers[WARM].n + tiers[HOT].n >= 1);
        rig_open((struct aiex_fake_pair[]){{"balance", "1s"}, {0}});
        rig_advance(2000);
        HAS(ask("context.get", "{'id':'a'}"), "'content':'aaa'");
        rig_end();
    }
}

static void all_within_the_call(void)
{
    begin_with_tiers();
    at_once = 1;
    for (int i = 0; i < 5; i++) {
        get("a");
        rig_advance(1100);
    }
    CU_ASSERT_EQUAL(tiers[HOT].n, 1);
    rig_end();
}

const struct test_case tests[] = {
    {"a_read_content_enters_warm_and_climbs", a_read_content_enters_warm_and_climbs},
    {"a_full_tier_gives_down", a_full_tier_gives_down},
    {"what_is_replaced_or_deleted_leaves_the_tiers", what_is_replaced_or_deleted_leaves_the_tiers},
    {"many_readers_share_one_flight", many_readers_share_one_flight},
    {"tiers_that_fail_are_passed_by", tiers_that_fail_are_passed_by},
    {"tiers_may_come_and_go", tiers_may_come_and_go},
    {"named_tiers_and_none", named_tiers_and_none},
    {"moves_end_at_each_moment", moves_end_at_each_moment},
    {"all_within_the_call", all_within_the_call},
    {0},
};

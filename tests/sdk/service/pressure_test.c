/* sdk/service: who gives memory back, when, and how much; what the host is told. */
#include "test.h"

#include <aiex/aiex_pack.h>
#include <aiex_fake_host.h>
#include <aiex_pressure.h>
#include <stdio.h>
#include <string.h>

static unsigned kept; /* what keep() was told last; 0 = nothing */

static void keep(void *arg, unsigned percent)
{
    (void)arg;
    kept = percent;
}

static void tell(void *arg, uint64_t *ret_bytes, uint64_t *ret_limit)
{
    (void)arg;
    *ret_bytes = 7;
    *ret_limit = 100;
}

static int event(struct aiex_pressure *p, const char *level, int step)
{
    uint8_t mem[128];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_str(&w, "data");
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "level", level);
    aiex_w_key_int(&w, "step", step);
    kept = 0;
    return aiex_pressure_event(p, &(struct aiex_message){.struct_size = sizeof(struct aiex_message),
                                                         .kind = AIEX_MSG_EVENT,
                                                         .method = "host.memory",
                                                         .body = aiex_written(&w)});
}

static int64_t told(struct aiex_fake_host *h, const char *field)
{
    const struct aiex_fake_record *r = aiex_fake_last(h, AIEX_FAKE_CAST);
    int64_t n = -1;

    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    CU_ASSERT_STRING_EQUAL(r->service, "host");
    CU_ASSERT_STRING_EQUAL(r->name, "host.memory_use");
    aiex_get_int(r->body, field, &n);
    return n;
}

/* Every order at every step of every level. */
static void all_of_the_table(void)
{
    static const char *const levels[] = {"ok", "elevated", "high", "critical"};
    static const unsigned shares[] = {50, 50, 25, 10}; /* ok with a step: on the way back */

    for (int order = 1; order <= 9; order++)
        for (int level = 0; level < 4; level++)
            for (int step = 0; step <= 9; step++) {
                struct aiex_fake_host *h = aiex_fake_host_new("t");
                struct aiex_pressure p = {.host = aiex_fake_host_table(h),
                                          .part = "x",
                                          .order = order,
                                          .keep = keep,
                                          .tell = tell};

                CU_ASSERT_EQUAL(aiex_pressure_start(&p), 0);
                CU_ASSERT_EQUAL(event(&p, levels[level], step), 1);
                CU_ASSERT_EQUAL(kept, step >= order ? shares[level] : 0);
                CU_ASSERT_EQUAL(told(h, "percent"), step >= order ? shares[level] : 100);
                event(&p, levels[level], step);
                CU_ASSERT_EQUAL(kept, 0); /* only another share is told */
                event(&p, "ok", 0);
                CU_ASSERT_EQUAL(kept, step >= order ? 100 : 0);
                aiex_fake_host_free(h);
            }
}

static void the_host_is_told(void)
{
    struct aiex_fake_host *h = aiex_fake_host_new("t");
    struct aiex_pressure p = {
        .host = aiex_fake_host_table(h), .part = "x", .order = 4, .keep = keep, .tell = tell};

    CU_ASSERT_EQUAL(event(&p, "high", 9), 1); /* before it began */
    CU_ASSERT_EQUAL(kept, 0);
    aiex_pressure_start(&p);
    CU_ASSERT_EQUAL(told(h, "order"), 4);
    CU_ASSERT_EQUAL(told(h, "bytes"), 7);
    CU_ASSERT_EQUAL(told(h, "limit"), 100);
    aiex_pressure_gave(&p, 30);
    aiex_pressure_gave(&p, 3);
    CU_ASSERT_EQUAL(told(h, "given"), 33);
    aiex_fake_host_free(h);
}

static void others_events_are_others(void)
{
    struct aiex_pressure p = {.order = 1, .percent = 100, .keep = keep, .tell = tell};
    const struct aiex_message m = {
        .struct_size = sizeof(m), .kind = AIEX_MSG_EVENT, .method = "host.plugin"};

    CU_ASSERT_EQUAL(aiex_pressure_event(&p, &m), 0);
}

const struct test_case tests[] = {
    {"all_of_the_table", all_of_the_table},
    {"the_host_is_told", the_host_is_told},
    {"others_events_are_others", others_events_are_others},
    {0},
};

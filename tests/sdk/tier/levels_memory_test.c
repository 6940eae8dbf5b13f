/* sdk/tier: a cache in levels when memory ends: a miss at worst, nobody waits for ever, nothing is
 * left behind. */
#include "lean_memory.h"
#undef malloc
#undef calloc

#include "test.h"

#include <aiex/aiex_pack.h>
#include <aiex_fake_host.h>
#include <aiex_levels.h>

#include <errno.h>
#include <string.h>

static unsigned fail_at; /* the n-th from now on; 0 = none */

static int is_over(void)
{
    return fail_at && --fail_at == 0;
}

void *lean_malloc(size_t n)
{
    return is_over() ? NULL : malloc(n);
}

void *lean_calloc(size_t n, size_t size)
{
    return is_over() ? NULL : calloc(n, size);
}

static struct aiex_fake_host *h;
static struct aiex_levels *l;

static const struct aiex_slice key = {(const uint8_t *)"key", 3};
static const struct aiex_slice value = {(const uint8_t *)"value", 5};

struct asker {
    struct aiex_levels_seat *seat;
    int ends, makes;
};

static void on_end(void *arg, int result, const struct aiex_levels_value *v)
{
    struct asker *a = arg;

    if (result == AIEX_LEVELS_MAKE) {
        a->makes++;
        return;
    }
    a->ends++;
    a->seat = NULL;
    CU_ASSERT(result == 0 && v->value.len == 5);
}

/* A tier that has nothing, at once. */
static int on_call(void *arg, struct aiex_fake_host *host, const struct aiex_fake_record *r)
{
    static const uint8_t no[] = "\x81\xa5"
                                "found\xc2";

    (void)arg;
    return aiex_fake_answer_ok(host, r->id, (struct aiex_slice){no, sizeof(no) - 1});
}

static int begin(void)
{
    h = aiex_fake_host_new("service_test");
    aiex_fake_on_call(h, on_call, NULL);
    l = aiex_levels_new(&(struct aiex_levels_options){.host = aiex_fake_host_table(h),
                                                      .name = "test",
                                                      .tiers = {"warm", "cold"},
                                                      .max_bytes = 1 << 16,
                                                      .wait_ms = 5});
    return l != NULL;
}

static void end(void)
{
    aiex_levels_free(l);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

static void no_beginning(void)
{
    fail_at = 1;
    CU_ASSERT_FALSE(begin());
    end();
}

/* Two ask, the first one makes it, the third finds it. */
static void one_round(void)
{
    struct asker a[3] = {{.seat = NULL}};
    int r[3];

    for (int i = 0; i < 2; i++) {
        r[i] = aiex_levels_get(l, key, 30000, on_end, &a[i], &a[i].seat);
        CU_ASSERT(r[i] == 0 || r[i] == -ENOMEM);
        CU_ASSERT(r[i] == 0 || (!a[i].seat && !a[i].ends && !a[i].makes));
    }
    for (int i = 0; i < 2; i++)
        if (a[i].makes)
            aiex_levels_land(l, a[i].seat, 0, value, 60000);
    CU_ASSERT(r[0] != 0 || a[0].makes + a[0].ends == 1);
    CU_ASSERT(r[1] != 0 || a[1].makes + a[1].ends == 1);
    r[2] = aiex_levels_get(l, key, 30000, on_end, &a[2], &a[2].seat);
    CU_ASSERT(r[2] == 0 || r[2] == -ENOMEM);
    CU_ASSERT(r[2] != 0 || a[2].ends + a[2].makes == 1);
    aiex_levels_leave(l, a[2].seat);
}

static void any_of_them_fails(void)
{
    unsigned n = 1, left;

    do {
        CU_ASSERT_TRUE_FATAL(begin());
        fail_at = n++;
        one_round();
        left = fail_at;
        fail_at = 0;
        one_round();
        end();
    } while (!left && n < 100);
    CU_ASSERT_TRUE(n > 4 && n < 100);
}

const struct test_case tests[] = {
    {"no_beginning", no_beginning},
    {"any_of_them_fails", any_of_them_fails},
    {0},
};

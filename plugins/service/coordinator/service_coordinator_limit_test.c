/* Limits of an instance: the table, the window under any load, Retry-After; and the fair queue. */
#include "limit.h"
#include "queue.h"
#include "strategy.h"
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void the_table(void)
{
    struct limit_table t;
    struct aiex_error err = {""};
    const struct limit_rule *r;

    CU_ASSERT_EQUAL_FATAL(limit_parse("provider_openai\trpm=500 tpm=200k concurrency=20 queue=0\n"
                                      "openai.work\trpm=7\n"
                                      "anthropic*\tconcurrency=2\n",
                                      &t, &err),
                          0);
    r = limit_find(&t, "provider_openai");
    CU_ASSERT(r->rpm == 500 && r->tpm == 200000 && r->concurrency == 20 && r->queue == 0);
    CU_ASSERT_EQUAL(limit_find(&t, "provider_openai:other")->rpm, 500); /* each on its own */
    CU_ASSERT_EQUAL(limit_find(&t, "provider_openai:work")->rpm, 7);
    CU_ASSERT_EQUAL(limit_find(&t, "provider_anthropic:a")->concurrency, 2);
    r = limit_find(&t, "provider_ollama");
    CU_ASSERT(r->rpm == 0 && r->tpm == 0 && r->concurrency == 0 && r->queue == -1);
    limit_done(&t);
}

static void faults_of_the_table(void)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"a\t\n", "nothing is limited"},
        {"a\trps=3\n", "column 1: 'rps' is no limit; write rpm="},
        {"a\trpm\n", "'=' and a number are missing behind 'rpm'"},
        {"a\trpm=0\n", "rpm may be from 1 to"},
        {"a\trpm=10 tpm=1.5\n", "column 12: '1.5' is no number for tpm"},
        {"\trpm=1\n", "the key is no instance"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct limit_table t;
        struct aiex_error err = {""};

        CU_ASSERT_EQUAL(limit_parse(rows[i].text, &t, &err), -EINVAL);
        if (!strstr(err.text, rows[i].says)) {
            printf("\n'%s' lacks '%s'\n", err.text, rows[i].says);
            CU_FAIL("another sentence");
        }
    }
}

static void concurrency(void)
{
    struct limit_rule r = {.concurrency = 2};
    struct limit l = {.second = 0};

    limit_begin(&l, 0, 5);
    CU_ASSERT_EQUAL(limit_wait_ms(&l, &r, 0, 5), 0);
    limit_begin(&l, 0, 5);
    CU_ASSERT_EQUAL(limit_wait_ms(&l, &r, 0, 5), LIMIT_AFTER_ANOTHER);
    limit_end(&l, 10, 0, 5, 5);
    CU_ASSERT_EQUAL(limit_wait_ms(&l, &r, 10, 5), 0);
}

static void retry_after_is_never_shortened(void)
{
    struct limit_rule r = {.rpm = 0};
    struct limit l = {.second = 0};

    limit_bench(&l, 5000);
    limit_bench(&l, 2000); /* an older answer that comes late */
    CU_ASSERT_EQUAL(limit_wait_ms(&l, &r, 1000, 0), 4000);
    limit_bench(&l, 6000);
    CU_ASSERT_EQUAL(limit_wait_ms(&l, &r, 1000, 0), 5000);
    CU_ASSERT_EQUAL(limit_wait_ms(&l, &r, 6000, 0), 0);
}

static void tokens_are_set_right(void)
{
    struct limit_rule r = {.tpm = 1000};
    struct limit l = {.second = 0};

    limit_begin(&l, 0, 900);
    CU_ASSERT(limit_wait_ms(&l, &r, 0, 200) > 0);
    limit_end(&l, 500, 0, 900, 100);
    CU_ASSERT_EQUAL(limit_wait_ms(&l, &r, 500, 200), 0);
    limit_begin(&l, 500, 200);
    limit_end(&l, 70000, 500, 200, 5000); /* its slice is forgotten: more than booked counts now */
    CU_ASSERT(limit_wait_ms(&l, &r, 70000, 1) > 0);
    CU_ASSERT_EQUAL(limit_wait_ms(&l, &r, 140000, 99999), 0); /* too large for ever: alone it may */
}

/* Requests come as fast as they are let: in no 60 seconds are there more than the limit; and after
 * the told wait one may go. */
static void no_minute_has_more_than_the_limit(void)
{
    static uint64_t times[20000];
    static int64_t sizes[20000];
    uint64_t state = 3;

    for (int round = 0; round < 20; round++) {
        struct limit_rule r = {.rpm = 1 + (int64_t)(strategy_random(&state) % 50),
                               .tpm = 1000 + (int64_t)(strategy_random(&state) % 5000)};
        struct limit l = {.second = 0};
        uint64_t now = strategy_random(&state) % 100000;
        size_t n = 0, first = 0;
        int64_t sum = 0;

        while (n < 400) {
            int64_t tokens = (int64_t)(strategy_random(&state) % 800);
            uint64_t wait = limit_wait_ms(&l, &r, now, tokens);

            CU_ASSERT(wait < 62000);
            now += wait;
            CU_ASSERT_EQUAL(limit_wait_ms(&l, &r, now, tokens), 0);
            limit_begin(&l, now, tokens);
            times[n] = now;
            sizes[n++] = tokens;
            for (sum += tokens; times[first] + 60000 <= now; first++)
                sum -= sizes[first];
            CU_ASSERT(n - first <= (size_t)r.rpm);
            CU_ASSERT(sum <= r.tpm);
            limit_end(&l, now, now, tokens, tokens);
            now += strategy_random(&state) % 3000;
        }
        CU_ASSERT_EQUAL(l.in_flight, 0);
    }
}

static void a_flood_waits_behind_itself(void)
{
    struct queue q = {.first = NULL};
    struct queued flood[100], one = {.flow = 2, .deadline_ms = UINT64_MAX};
    int before = 0;

    for (int i = 0; i < 100; i++) {
        flood[i] = (struct queued){.flow = 1, .deadline_ms = UINT64_MAX};
        CU_ASSERT_EQUAL(queue_add(&q, &flood[i], 101), 0);
    }
    CU_ASSERT_EQUAL(queue_add(&q, &one, 101), 0);
    while (queue_next(&q) != &one && ++before < 100)
        queue_remove(&q, queue_next(&q), 1);
    CU_ASSERT(before <= 1);
}

static void priorities_share_and_nobody_starves(void)
{
    struct queue q = {.first = NULL};
    struct queued e[3][64];
    int served[3] = {0, 0, 0};

    for (int p = 0; p < 3; p++)
        for (int i = 0; i < 64; i++) {
            e[p][i] = (struct queued){.flow = 5, .priority = p, .deadline_ms = UINT64_MAX};
            queue_add(&q, &e[p][i], 1000);
        }
    for (int i = 0; i < 42; i++) {
        struct queued *next = queue_next(&q);

        served[next->priority]++;
        queue_remove(&q, next, 1);
    }
    CU_ASSERT(served[QUEUE_HIGH] >= 30);
    CU_ASSERT(served[QUEUE_NORMAL] >= 6);
    CU_ASSERT(served[QUEUE_LOW] >= 1);
}

static void bounds_and_deadlines(void)
{
    struct queue q = {.first = NULL};
    struct queued a = {.flow = 1, .deadline_ms = 50}, b = {.flow = 2, .deadline_ms = 20},
                  c = {.flow = 3, .deadline_ms = 99};

    CU_ASSERT_EQUAL(queue_deadline(&q), UINT64_MAX);
    CU_ASSERT_PTR_NULL(queue_next(&q));
    CU_ASSERT_EQUAL(queue_add(&q, &a, 2), 0);
    CU_ASSERT_EQUAL(queue_add(&q, &b, 2), 0);
    CU_ASSERT_EQUAL(queue_add(&q, &c, 2), -EBUSY);
    CU_ASSERT_PTR_EQUAL(queue_next(&q), &b); /* equal tags: the earlier deadline */
    CU_ASSERT_EQUAL(queue_deadline(&q), 20);
    CU_ASSERT_PTR_NULL(queue_overdue(&q, 19));
    CU_ASSERT_PTR_EQUAL(queue_overdue(&q, 20), &b);
    CU_ASSERT_EQUAL(queue_remove(&q, &b, 0), 0);
    CU_ASSERT_EQUAL(queue_remove(&q, &b, 0), -ENOENT);
    CU_ASSERT_EQUAL(q.n, 1);
}

/* Each that was added comes out once, and waits for at most a bounded number of others of its kind.
 */
static void any_order(void)
{
    static struct queued e[2000];
    struct queue q = {.first = NULL};
    uint64_t state = 11;
    size_t added = 0, out = 0;

    while (out < 2000) {
        if (added < 2000 && (q.n == 0 || strategy_random(&state) % 2)) {
            e[added] = (struct queued){.flow = strategy_random(&state) % 5,
                                       .priority = (int)(strategy_random(&state) % 3),
                                       .deadline_ms = UINT64_MAX};
            CU_ASSERT_EQUAL(queue_add(&q, &e[added++], 4000), 0);
        } else {
            struct queued *next = queue_next(&q);

            for (const struct queued *o = q.first; o;
                 o = o->next) /* of one flow: first in, first out */
                CU_ASSERT(!(o->flow == next->flow && o->priority == next->priority && o < next));
            CU_ASSERT_EQUAL(queue_remove(&q, next, 1), 0);
            out++;
        }
    }
    CU_ASSERT_EQUAL(q.n, 0);
}

const struct test_case tests[] = {
    {"the_table", the_table},
    {"faults_of_the_table", faults_of_the_table},
    {"concurrency", concurrency},
    {"retry_after_is_never_shortened", retry_after_is_never_shortened},
    {"tokens_are_set_right", tokens_are_set_right},
    {"no_minute_has_more_than_the_limit", no_minute_has_more_than_the_limit},
    {"a_flood_waits_behind_itself", a_flood_waits_behind_itself},
    {"priorities_share_and_nobody_starves", priorities_share_and_nobody_starves},
    {"bounds_and_deadlines", bounds_and_deadlines},
    {"any_order", any_order},
    {0},
};

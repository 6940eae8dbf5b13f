/*
 * service_ledger_money_test.c - what was spent, as events of a store: it outlives the folder and
 * copies of it, is counted once however often it is told, and is one for all ledgers of a store.
 */
#include "ledger_rig.h"
#include "money.h"
#include "rig_folder.h"

#include <memory_store.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct aiex_fake_pair with_store[] = {{"store", "store"}, {0}};
static struct memory_store *store;

static void connect(void)
{
    aiex_fake_on_call(h, memory_store_call, store);
}

static void begin(void)
{
    store = memory_store_new();
    rig_prepare = connect;
    rig_begin(with_store);
    aiex_fake_run_posts(h);
}

static void finish(void)
{
    rig_close();
    rig_end();
    memory_store_free(store);
    rig_prepare = NULL;
}

static void reopen(void)
{
    rig_close();
    rig_open(with_store);
    aiex_fake_run_posts(h);
}

static void pass(int64_t ms)
{
    for (; ms > 0; ms -= 500) {
        now += 500;
        aiex_fake_advance(h, 500);
        aiex_fake_run_posts(h);
    }
}

/* Time for everything to be told, and read. */
static void told(void)
{
    pass(25000);
}

static void spend(const char *key, int64_t cost)
{
    static int64_t ticket;

    record(&(struct usage){.id = "r", .key = key, .cost = cost, .ticket = ++ticket, .time = now});
    aiex_fake_run_posts(h);
}

/* What the ledger says of a key. -1 = it does not know it, -2 = it does not say. */
static int64_t sum(const char *key, const char *period)
{
    uint64_t id = ASK("ledger.spent");
    struct aiex_slice a = answer_of(id);

    if (code_of(id)[0])
        return -2;
    for (uint32_t i = 0; i < items(a, "spent"); i++) {
        struct aiex_slice one = item(a, "spent", i);

        if (strcmp(text(one, "scope"), "key") == 0 && strcmp(text(one, "name"), key) == 0)
            return number(one, period);
    }
    return -1;
}

static void is(const char *key, int64_t day, int64_t month)
{
    int64_t is_day = sum(key, "day"), is_month = sum(key, "month");

    if (is_day != day || is_month != month)
        printf("\n  %s: %lld of the day, %lld of the month; wanted: %lld, %lld\n", key,
               (long long)is_day, (long long)is_month, (long long)day, (long long)month);
    CU_ASSERT(is_day == day && is_month == month);
}

/* The folder as it is, beside it; and back. */
static void copy_folder(const char *from, const char *to)
{
    char command[300];

    snprintf(command, sizeof(command), "rm -rf '%s' && cp -a '%s' '%s'", to, from, to);
    CU_ASSERT_EQUAL_FATAL(system(command), 0);
}

static void empty_folder(void)
{
    rig_close();
    CU_ASSERT_EQUAL(rig_folder_remove(dir), 0);
    CU_ASSERT_EQUAL_FATAL(mkdir(dir, 0700), 0);
    rig_open(with_store);
    aiex_fake_run_posts(h);
}

/* ---- One ledger ---- */

static void a_restart_counts_once(void)
{
    begin();
    spend("k", 50);
    for (int i = 0; i < 3; i++) {
        told();
        is("k", 50, 50);
        reopen();
        is("k", 50, 50);
    }
    spend("k", 7);
    reopen(); /* before it was told */
    is("k", 57, 57);
    told();
    is("k", 57, 57);
    finish();
}

/* So much of `k` is known, and what comes now is added to it, also after a restart. */
static void goes_on_from(int64_t known)
{
    is("k", known, known);
    spend("k", 5);
    is("k", known + 5, known + 5);
    told();
    is("k", known + 5, known + 5);
    reopen();
    is("k", known + 5, known + 5);
}

static void a_folder_is_lost(void)
{
    begin();
    spend("k", 100);
    spend("other", 3);
    told();
    empty_folder();
    is("other", 3, 3);
    goes_on_from(100);
    empty_folder();
    is("k", 105, 105);
    finish();
}

static void a_folder_is_put_back_to_a_copy(void)
{
    char copy[80];

    begin();
    snprintf(copy, sizeof(copy), "%s.copy", dir);
    spend("k", 80);
    told();
    rig_close();
    copy_folder(dir, copy);
    rig_open(with_store);
    spend("k", 20);
    told();
    rig_close();
    copy_folder(copy, dir);
    rig_open(with_store);
    aiex_fake_run_posts(h);
    goes_on_from(100);
    spend("k", 1);
    told();
    reopen();
    is("k", 106, 106);
    CU_ASSERT_EQUAL(rig_folder_remove(copy), 0);
    finish();
}

static void days_and_months_end(void)
{
    begin();
    spend("k", 10);
    told();
    now += 24 * HOUR;
    pass(1000);
    spend("k", 4);
    told();
    is("k", 4, 14);
    empty_folder();
    is("k", 4, 14);
    now += 10 * 24 * HOUR; /* December */
    pass(1000);
    CU_ASSERT_EQUAL(sum("k", "month"), -1);
    spend("k", 2);
    is("k", 2, 2);
    told();
    empty_folder();
    is("k", 2, 2);
    finish();
}

/* A store that came later is told of all days of the month. */
static void a_store_that_comes_later(void)
{
    static const struct aiex_fake_pair alone[] = {{0}};

    store = memory_store_new();
    rig_prepare = connect;
    rig_begin(alone);
    spend("k", 10);
    now += 24 * HOUR;
    spend("k", 4);
    now += 24 * HOUR;
    spend("k", 1);
    CU_ASSERT_EQUAL(memory_store_events(store, MONEY_STREAM), 0);
    reopen();
    told();
    empty_folder();
    is("k", 1, 15);
    finish();
}

/* ---- The store ---- */

static void the_store_is_away(void)
{
    begin();
    spend("k", 100);
    told();
    memory_store_fail(store, NULL, 0, 1000000, AIEX_E_UNAVAILABLE, NOT_DONE);
    empty_folder();
    CU_ASSERT_EQUAL(sum("k", "day"), -2); /* money is at stake: it is waited for a moment */
    pass(2000);
    CU_ASSERT_EQUAL(sum("k", "day"), -1);
    spend("k", 1);
    is("k", 1, 1);
    CU_ASSERT_PTR_NULL(aiex_fake_find(h, AIEX_FAKE_PUBLISH, "ledger.spent", 0));
    memory_store_heal(store);
    told();
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(h, AIEX_FAKE_PUBLISH, "ledger.spent", 0));
    is("k", 101, 101);
    finish();
}

static void the_store_is_put_back(void)
{
    begin();
    spend("k", 100);
    told();
    empty_folder();
    spend("k", 7);
    told();
    is("k", 107, 107);
    memory_store_forget(store, MONEY_STREAM, 0);
    told();
    is("k", 107, 107);
    empty_folder(); /* it was told again, also what was another folder's */
    is("k", 107, 107);
    finish();
}

static void the_stream_stays_short(void)
{
    unsigned most = 0;

    begin();
    spend("before", 9);
    told();
    empty_folder();
    for (unsigned i = 0; i < MONEY_EVENTS + 100; i++) {
        spend("k", 1);
        pass(11000);
        if (memory_store_events(store, MONEY_STREAM) > most)
            most = memory_store_events(store, MONEY_STREAM);
    }
    CU_ASSERT_TRUE(most <= MONEY_EVENTS + 10);
    CU_ASSERT_TRUE(memory_store_events(store, MONEY_STREAM) < 200);
    empty_folder();
    is("k", MONEY_EVENTS + 100, MONEY_EVENTS + 100);
    is("before", 9, 9);
    finish();
}

/* What somebody else wrote there is no reason to stop. */
static void a_strange_event(void)
{
    begin();
    spend("k", 3);
    told();
    memory_store_append(store, MONEY_STREAM, "strange", "money.spent");
    memory_store_append(store, MONEY_STREAM, "stranger", "other");
    told();
    spend("k", 4);
    told();
    empty_folder();
    is("k", 7, 7);
    finish();
}

/* ---- Two ledgers ---- */

static struct {
    struct aiex_fake_host *h;
    void *self;
    char dir[64];
} resting;

static void turn(void)
{
    struct aiex_fake_host *other = resting.h;
    void *other_self = resting.self;
    char other_dir[64];

    strcpy(other_dir, resting.dir);
    resting.h = h;
    resting.self = self;
    strcpy(resting.dir, dir);
    h = other;
    self = other_self;
    strcpy(dir, other_dir);
}

static void all_told(void)
{
    for (int i = 0; i < 4; i++) {
        told();
        turn();
    }
}

static void two_ledgers(void)
{
    begin();
    resting.h = h;
    resting.self = self;
    strcpy(resting.dir, dir);
    rig_begin(with_store);
    aiex_fake_run_posts(h);
    spend("k", 20);
    spend("mine", 1);
    turn();
    spend("k", 10);
    all_told();
    is("k", 30, 30);
    is("mine", 1, 1);
    turn();
    is("k", 30, 30);
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(h, AIEX_FAKE_PUBLISH, "ledger.spent", 0));
    spend("k", 5);
    reopen();
    all_told();
    is("k", 35, 35);
    turn();
    is("k", 35, 35);
    rig_close();
    rig_end();
    turn();
    finish();
}

const struct test_case tests[] = {
    {"a restart counts once", a_restart_counts_once},
    {"a folder is lost", a_folder_is_lost},
    {"a folder is put back to a copy", a_folder_is_put_back_to_a_copy},
    {"days and months end", days_and_months_end},
    {"a store that comes later", a_store_that_comes_later},
    {"the store is away", the_store_is_away},
    {"the store is put back", the_store_is_put_back},
    {"the stream stays short", the_stream_stays_short},
    {"a strange event", a_strange_event},
    {"two ledgers", two_ledgers},
    {0},
};

/*
 * store_bdb_memory_test.c - no memory, at every place and in every request: a clear answer, nothing
 * acknowledged is lost, and the next request is served.
 *
 * Three allocators are made to fail, one allocation at a time: the store's own and its share of
 * the SDK's (this program is linked with a copy of the store whose malloc() is ours), that of the
 * host, and that of Berkeley DB. When that one fails while it opens an environment or undoes a
 * transaction the library falls over: then the process ends, or must, and the next start has all.
 */
#include "store_rig.h"

#include <db.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#define MOST 400 /* allocations of one request that are tried */

static const struct aiex_fake_pair small[] = {
    {"log_file", "9M"},
    {"ballast", "0"},
    {"archive", "1G"},
    {"cache", "2M"},
    {"owner.a", "streams=mine/*,his tables=theirs for=service_a,service_b"},
    {0}};

/* ---- The allocators ---- */

void *starved_malloc(size_t size);
void *starved_calloc(size_t n, size_t size);
void *starved_realloc(void *mem, size_t size);
char *starved_strdup(const char *text);

static atomic_long left; /* until the one that fails; 0 = none does */

static int fails(void)
{
    return atomic_load(&left) > 0 && atomic_fetch_sub(&left, 1) == 1;
}

void *starved_malloc(size_t size)
{
    return fails() ? NULL : malloc(size);
}

void *starved_calloc(size_t n, size_t size)
{
    return fails() ? NULL : calloc(n, size);
}

void *starved_realloc(void *mem, size_t size)
{
    return fails() ? NULL : realloc(mem, size);
}

char *starved_strdup(const char *text)
{
    return fails() ? NULL : strdup(text);
}

static atomic_long library_left;

static int library_fails(void)
{
    return atomic_load(&library_left) > 0 && atomic_fetch_sub(&library_left, 1) == 1;
}

/* The library forgets in places what it could not make longer, so its memory is not counted. */
static void *not_counted(void *mem)
{
#ifdef __SANITIZE_ADDRESS__
    if (mem)
        __lsan_ignore_object(mem);
#endif
    return mem;
}

static void *library_malloc(size_t size)
{
    if (!library_fails())
        return not_counted(malloc(size));
    errno = ENOMEM; /* the library takes it from there */
    return NULL;
}

static void *library_realloc(void *mem, size_t size)
{
    if (!library_fails())
        return not_counted(realloc(mem, size));
    errno = ENOMEM;
    return NULL;
}

static void nothing_is_left(void)
{
#ifdef __SANITIZE_ADDRESS__
    CU_ASSERT_EQUAL(__lsan_do_recoverable_leak_check(), 0);
#endif
}

/* ---- What is asked ---- */

static int turn, appended; /* numbers for ids; events that were acknowledged */

static const struct {
    const char *method, *body; /* %d = a new number */
    int fragile;               /* what it does in the library falls over without memory */
} requests[] = {
    {"store.append", "{'stream': 's', 'events': [{'id': 'a%d', 'type': 't', 'correlation': 'c'}]}",
     0},
    {"store.transact",
     "{'id': 't%d', 'operations': [{'op': 'put', 'table': 'u', 'key': 'k', 'value': 'v'}]}", 0},
    {"store.transact", "{'operations': [{'op': 'put', 'table': 'new%d', 'key': 'k'}]}", 0},
    {"store.define", "{'table': 'd%d', 'indexes': [{'name': 'i', 'field': 'f', 'type': 'str'}]}",
     0},
    {"store.read", "{'stream': 's'}", 0},
    {"store.read", "{'type': 't', 'backwards': true}", 0},
    {"store.read", "{'limit': 2}", 0},
    {"store.get", "{'table': 'u', 'key': 'k'}", 0},
    {"store.range", "{'table': 'rows'}", 0},
    {"store.range", "{'table': 'rows', 'limit': 3, 'backwards': true}", 0},
    {"store.ack", "{'name': 'sub', 'sequence': 1}", 0},
    {"store.unsubscribe", "{'name': 'none%d'}", 0},
    {"store.compact", "{'stream': 'old', 'keep_from': 3}", 0},
    {"store.erase", "{'stream': 'old', 'from': 3, 'to': 4}", 0},
    {"store.verify", "{}", 0},
    {"store.backup", "{'path': 'b%d'}", 1},
    {"store.backups", "{}", 0},
    {"store.restore", "{'path': 'kept', 'to_sequence': 12, 'dry_run': true}", 1},
    {"store.shrink", "{}", 1},
    {"store.freeze", "{'on': false}", 0},
    {"store.accept", "{}", 0},
    {"store.status", "{}", 0},
    {"store.health", "{}", 0},
};

#define N_REQUESTS (sizeof(requests) / sizeof(*requests))

static void prepare(void)
{
    db_env_set_func_malloc(library_malloc);
    db_env_set_func_realloc(library_realloc);
    rig_begin(small);
    appended = 0;
    for (int i = 0; i < 10; i++) {
        HAS(ask("store.append", "{'stream': 'old', 'events': [{'id': 'o%d', 'type': 't'}]}", i),
            "'version'");
        HAS(ask("store.transact",
                "{'operations': [{'op': 'put', 'table': 'rows', 'key': 'r%d', 'value': 'x'}]}", i),
            "'version'");
    }
    HAS(ask("store.backup", "{'path': 'kept'}"), "'verified':true");
    for (int i = 0; i < 4; i++)
        HAS(ask("store.append", "{'stream': 'late', 'events': [{'id': 'l%d', 'type': 't'}]}", i),
            "'version'");
    begin("store.subscribe", "{'name': 'sub', 'window': 10000}");
    HAS(ask("store.ack", "{'name': 'sub', 'sequence': 0}"), "");
}

/* Whether it says what the matter is. */
static int is_clear(const char *answer)
{
    static const char *const codes[] = {"busy: ",    "internal: ",  "unavailable: ", "read_only: ",
                                        "timeout: ", "not_found: ", "conflict: ",    "invalid: "};

    if (answer[0] == '{')
        return 1;
    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
        if (strncmp(answer, codes[i], strlen(codes[i])) == 0 &&
            strlen(answer) > strlen(codes[i]) + 8)
            return 1;
    return 0;
}

/* The next request is served, and what was acknowledged is there. */
static int goes_on(const char *what, int nth, const char *before)
{
    const char *a = ask("store.append", "{'stream': 's', 'events': [{'id': 'n%d', 'type': 't'}]}",
                        ++turn);

    if (strstr(a, "'version'")) {
        appended++;
        return 1;
    }
    printf("\n  %s, allocation %d (%.200s), then: %s\n", what, nth, before, a);
    return 0;
}

/* 1 = the nth allocation came and failed. */
static int try_one(size_t i, int nth, atomic_long *which)
{
    uint64_t id;
    const char *a;
    int failed;

    atomic_store(which, nth);
    id = begin(requests[i].method, requests[i].body, ++turn);
    a = end_of(id);
    failed = atomic_exchange(which, 0) <= 0;
    if (i == 0 && strstr(a, "'version'"))
        appended++;
    if (!is_clear(a)) {
        printf("\n  %s, allocation %d: %s\n", requests[i].method, nth, a);
        CU_FAIL("an answer that is not clear");
    }
    CU_ASSERT_TRUE(goes_on(requests[i].method, nth, a));
    aiex_fake_forget(h);
    return failed;
}

static void check_all(void)
{
    long long n = number(ask("store.read", "{'stream': 's'}"), "events");

    CU_ASSERT_EQUAL(n, appended);
    HAS(ask("store.verify", "{}"), "'faults':0");
    CU_ASSERT_TRUE(comes("store.health", "'healthy':true"));
}

/* The host's own timers and threads take some, too: the end is where nothing failed any more. */
static void starve(atomic_long *which)
{
    int total = 0;

    prepare();
    for (size_t i = 0; i < N_REQUESTS; i++) {
        for (int nth = 1; nth < MOST && !(requests[i].fragile && which == &library_left) &&
                          try_one(i, nth, which);
             nth++)
            total++;
        HAS(ask("store.verify", "{}"), "'faults':0");
    }
    CU_ASSERT_TRUE(total > 60);
    check_all();
    rig_close();
    rig_open(small);
    check_all();
    rig_close();
    rig_end();
}

static void test_own(void)
{
    starve(&left);
    nothing_is_left();
}

static void test_library(void)
{
    starve(&library_left);
}

/* A subscription has no end of its own: its consumer is let go of. */
static void test_subscribe(void)
{
    int nth = 1, failed = 1;

    prepare();
    for (; nth < MOST && failed; nth++) {
        uint64_t id;
        const char *a;

        atomic_store(&left, nth);
        id = begin("store.subscribe", "{'name': 'x%d', 'window': 100}", ++turn);
        for (int i = 0; i < 20 && !aiex_fake_answer(h, id); i++)
            aiex_fake_poll(h, 1);
        failed = atomic_exchange(&left, 0) <= 0;
        if (!aiex_fake_answer(h, id))
            HAS(ask("store.unsubscribe", "{'name': 'x%d'}", turn), "");
        a = end_of(id);
        CU_ASSERT_TRUE(is_clear(a));
        CU_ASSERT_TRUE(goes_on("store.subscribe", nth, a));
        aiex_fake_forget(h);
    }
    CU_ASSERT_TRUE(nth > 3);
    check_all();
    rig_close();
    rig_end();
    nothing_is_left();
}

static void test_host(void)
{
    prepare();
    for (size_t i = 0; i < N_REQUESTS; i++)
        for (size_t nth = 1; nth < 4; nth++) {
            const char *a;

            aiex_fake_fail_alloc(h, nth);
            a = end_of(begin(requests[i].method, requests[i].body, ++turn));
            aiex_fake_fail_alloc(h, 0);
            if (i == 0 && strstr(a, "'version'"))
                appended++;
            CU_ASSERT_TRUE(is_clear(a));
            CU_ASSERT_TRUE(goes_on(requests[i].method, (int)nth, a));
            aiex_fake_forget(h);
        }
    check_all();
    rig_close();
    rig_end();
}

/* The start itself: it fails with a reason, or it comes up; never with less in it. */
static void test_start(void)
{
    int failures = 0, failed = 1;

    prepare();
    HAS(ask("store.append", "{'stream': 's', 'events': [{'id': 'first', 'type': 't'}]}"),
        "'version'");
    appended++;
    rig_close();
    for (int nth = 1; nth < MOST && failed; nth++) {
        struct aiex_error err = {""};
        int r;

        atomic_store(&left, nth);
        r = rig_try(small, &err);
        while (r == 0 && strstr(ask("store.status", "{}"), "'phase':'opening'"))
            aiex_fake_poll(h, 2);
        failed = atomic_exchange(&left, 0) <= 0;
        if (r == 0) {
            if (!strstr(ask("store.status", "{}"), "'phase':'open'"))
                HAS(ask("store.health", "{}"), "'healthy':false,'reason':'");
            rig_close();
        } else {
            CU_ASSERT_TRUE(err.text[0] != 0);
            aiex_fake_host_free(h);
        }
        failures += failed;
    }
    CU_ASSERT_TRUE(failures > 10);
    rig_open(small);
    check_all();
    rig_close();
    rig_end();
    nothing_is_left();
}

/* A list of owners that can not be read for want of memory leaves the one that holds. */
static void test_reload(void)
{
    static const struct aiex_fake_pair more[] = {
        {"owner.a", "streams=mine/*,yours/* tables=t epochs=e for=service_a"},
        {"owner.b", "streams=his for=service_b"},
        {0}};
    int failures = 0, failed = 1;

    prepare();
    for (int nth = 1; nth < MOST && failed; nth++) {
        struct aiex_error err = {""};
        int r;

        atomic_store(&left, nth);
        r = aiex_fake_reload(h, p, self, more, &err);
        failed = atomic_exchange(&left, 0) <= 0;
        CU_ASSERT_EQUAL(r, failed ? -ENOMEM : 0);
        CU_ASSERT_TRUE(!failed || err.text[0]);
        HAS(ask("store.append", "{'stream': 'mine/x', 'events': [{'id': 'o', 'type': 't'}]}"),
            failed ? "belongs to service_a,service_b" : "belongs to service_a and");
        failures += failed;
    }
    CU_ASSERT_TRUE(failures > 5);
    check_all();
    rig_close();
    rig_end();
    nothing_is_left();
}

const struct test_case tests[] = {
    {"the store's own", test_own},
    {"a subscription", test_subscribe},
    {"the host's", test_host},
    {"at the start", test_start},
    {"a reload", test_reload},
    {"the library's", test_library},
    {0},
};

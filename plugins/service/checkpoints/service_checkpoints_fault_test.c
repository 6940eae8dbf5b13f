/*
 * service_checkpoints_fault_test.c - the moments that are rare: killed at each file operation, the
 * disk full at each write, no memory at each allocation, given up at each turn. After each of them
 * a checkpoint is there whole or not at all, and the others are what they were.
 */
#include "checkpoints_rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST 400 /* moments of one kind */

static void put(const char *table, const char *key, const char *value)
{
    HAS(query(STORE, "store.transact",
              "{'operations': [{'op': 'put', 'table': '%s', 'key': '%s', 'value': '%s'}]}", table,
              key, value),
        "'version':");
}

static void fill(const char *value)
{
    char key[16];

    for (int i = 0; i < 6; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        put("people", key, value);
    }
    HAS(query(STORE, "store.append",
              "{'stream': 'talk', 'events': [{'id': 'id-%s', 'type': 'said'}]}", value),
        "'version':");
}

/* The checkpoints that are there: `always`, and perhaps another one. All are whole. */
static void all_whole(void)
{
    const char *list = query(CHECKPOINTS, "checkpoints.list", "{}");
    const char *at = list;
    char name[64];

    HAS(list, "'broken':0");
    HAS(list, "'name':'always'");
    while ((at = strstr(at, "'name':'")) != NULL) {
        at += strlen("'name':'");
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(at, "'"), at);
        HAS(query(CHECKPOINTS, "checkpoints.verify", "{'name': '%s'}", name), "'whole':true");
    }
}

/* ---- Killed ---- */

/* The whole rig in a process of its own, which dies at the n-th file operation. 1 = it did. */
static int dies_at(int n, void (*run)(void))
{
    int status = 0;
    pid_t child;

    fflush(NULL);
    child = fork();
    CU_ASSERT_FATAL(child >= 0);
    if (child == 0) {
        rig_open(0);
        fault_at(FILE_DIES, n);
        run();
        _exit(0);
    }
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static void prepare(void)
{
    rig_begin();
    rig_open(0);
    fill("one");
    HAS(query(CHECKPOINTS, "checkpoints.create", "{'name': 'always'}"), "'sequence'");
    fill("two");
    rig_close();
}

static void kill_at_each(void (*run)(void), void (*look)(void))
{
    int n = 1;

    prepare();
    while (n < MOST && dies_at(n, run)) {
        rig_open(0);
        all_whole();
        HAS(query(STORE, "store.verify", "{}"), "'whole':true");
        if (look)
            look();
        rig_close();
        n++;
    }
    CU_ASSERT_TRUE(n > 3);
    CU_ASSERT_TRUE(n < MOST);
    rig_end();
}

static void run_create(void)
{
    query(CHECKPOINTS, "checkpoints.create", "{'name': 'new'}");
}

/* With it nothing is left that nobody names. */
static void look_at_files(void)
{
    int there = strstr(query(CHECKPOINTS, "checkpoints.list", "{}"), "'name':'new'") != NULL;

    CU_ASSERT_EQUAL(files_below("checkpoints/manifests"), 1 + there);
    if (!there)
        CU_ASSERT_EQUAL(files_below("checkpoints/chunks"), 3);
    if (there)
        HAS(query(CHECKPOINTS, "checkpoints.delete", "{'name': 'new'}"), "'chunks'");
}

static void test_killed_create(void)
{
    kill_at_each(run_create, look_at_files);
}

static void run_delete(void)
{
    query(CHECKPOINTS, "checkpoints.create", "{'name': 'gone', 'full': true}");
    query(CHECKPOINTS, "checkpoints.delete", "{'name': 'gone'}");
    query(CHECKPOINTS, "checkpoints.prune", "{}");
}

static void look_after_delete(void)
{
    if (strstr(query(CHECKPOINTS, "checkpoints.list", "{}"), "'name':'gone'"))
        HAS(query(CHECKPOINTS, "checkpoints.delete", "{'name': 'gone'}"), "'chunks'");
    CU_ASSERT_EQUAL(files_below("checkpoints/chunks"), 3);
}

static void test_killed_delete(void)
{
    kill_at_each(run_delete, look_after_delete);
}

static void run_restore(void)
{
    query(CHECKPOINTS, "checkpoints.restore",
          "{'name': 'always', 'mark': true, 'parts': ['stream:talk', 'stream:new', 'table:*'], "
          "'backup': false}");
}

/* It is done, or was not begun; not half. */
static void look_at_rows(void)
{
    const char *left;

    CU_ASSERT_TRUE(comes(CHECKPOINTS, "checkpoints.status", "'waiting':0"));
    left = query(CHECKPOINTS, "checkpoints.restore",
                 "{'name': 'always', 'mark': true, 'parts': ['stream:talk', 'stream:new', "
                 "'table:*'], 'dry_run': true}");
    if (!strstr(left, "'total':{}"))
        HAS(left, "'total':{'changed':6,'marked':1}");
    HAS(query(STORE, "store.read", "{'stream': 'talk', 'type': 'stream.restored'}"),
        strstr(left, "'total':{}") ? "'events':1" : "'events':0");
}

static void test_killed_restore(void)
{
    kill_at_each(run_restore, look_at_rows);
}

/* ---- No room, no memory ---- */

static void fail_at_each(enum fault fault, const char *method, const char *body, const char *wanted)
{
    int n = 1, went = 1;

    prepare();
    rig_open(0);
    for (; went && n < 3000; n++) {
        uint64_t id;
        const char *a;

        fault_at(fault, n);
        id = begin(CHECKPOINTS, method, "%s", body);
        a = end_of(CHECKPOINTS, id);
        went = fault_count() >= n;
        fault_at(NO_FAULT, 0);
        if (strstr(a, ": "))
            HAS(a, wanted);
        if (strstr(query(CHECKPOINTS, "checkpoints.list", "{}"), "'name':'new'")) {
            CU_ASSERT_PTR_NULL(strstr(a, ": ")); /* it was made, so it was not refused */
            HAS(query(CHECKPOINTS, "checkpoints.delete", "{'name': 'new'}"), "'chunks'");
        }
        if (fault == FILE_FULL && strstr(a, wanted))
            CU_ASSERT_EQUAL(files_below("checkpoints/chunks"), 3);
    }
    all_whole();
    CU_ASSERT_TRUE(n > 3);
    CU_ASSERT_TRUE(n < 3000);
    HAS(query(CHECKPOINTS, "checkpoints.create", "{'name': 'new'}"), "'sequence'");
    HAS(query(CHECKPOINTS, "checkpoints.verify", "{'name': 'new'}"), "'whole':true");
    rig_close();
    rig_end();
}

static void test_full_disk(void)
{
    fail_at_each(FILE_FULL, "checkpoints.create", "{'name': 'new'}", "read_only: the disk is full");
}

static void test_no_memory(void)
{
    fail_at_each(ALLOC_FAILS, "checkpoints.create", "{'name': 'new'}", "busy: no memory");
}

static void test_no_memory_verify(void)
{
    fail_at_each(ALLOC_FAILS, "checkpoints.verify", "{'name': 'always'}", "busy: no memory");
}

static void test_no_memory_compare(void)
{
    fail_at_each(ALLOC_FAILS, "checkpoints.compare", "{'from': 'always', 'to': 'always'}",
                 "busy: no memory");
}

static void test_no_memory_restore(void)
{
    fail_at_each(ALLOC_FAILS, "checkpoints.restore",
                 "{'name': 'always', 'mark': true, 'parts': ['stream:talk', 'stream:new', "
                 "'table:*'], 'dry_run': true}",
                 "busy: no memory");
}

/* ---- Given up ---- */

static void test_given_up(void)
{
    static const char *const asked[][2] = {
        {"checkpoints.create", "{'name': 'new'}"},
        {"checkpoints.restore", "{'name': 'always', 'backup': false}"},
        {"checkpoints.verify", "{'name': 'always'}"},
        {"checkpoints.export", "{'name': 'always'}"},
    };
    int in_time = 0;

    prepare();
    rig_open(0);
    for (int n = 0; n < 60; n++) {
        const char *const *one = asked[n % 4];
        uint64_t id = begin(CHECKPOINTS, one[0], "%s", one[1]);

        for (int i = 0; i < n / 4 && is_open(CHECKPOINTS, id); i++)
            turn();
        if (is_open(CHECKPOINTS, id)) {
            give_up(CHECKPOINTS, id);
            in_time++;
        }
        CU_ASSERT_TRUE(comes(CHECKPOINTS, "checkpoints.status", "'running':''"));
        if (strstr(query(CHECKPOINTS, "checkpoints.list", "{}"), "'name':'new'"))
            HAS(query(CHECKPOINTS, "checkpoints.delete", "{'name': 'new'}"), "'chunks'");
        CU_ASSERT_EQUAL(files_below("checkpoints/restoring"), 0);
    }
    CU_ASSERT_TRUE(in_time > 8);
    all_whole();
    CU_ASSERT_EQUAL(files_below("checkpoints/chunks"), 3);
    rig_close();
    rig_end();
}

/* ---- Two at once, and the way out ---- */

static void test_many_wait(void)
{
    uint64_t id[70];
    int busy = 0;

    prepare();
    rig_open(0);
    id[0] = begin(CHECKPOINTS, "checkpoints.create", "{'name': 'first'}"); /* the loop must turn */
    for (int i = 1; i < 70; i++)
        id[i] = begin(CHECKPOINTS, "checkpoints.verify", "{'name': 'always'}");
    HAS(end_of(CHECKPOINTS, id[0]), "'name':'first'");
    for (int i = 1; i < 70; i++) {
        const char *a = end_of(CHECKPOINTS, id[i]);

        if (strstr(a, "busy: 64 jobs wait already"))
            busy++;
        else
            HAS(a, "'whole':true");
    }
    CU_ASSERT_TRUE(busy == 5 || busy == 6); /* the first one may have begun */
    id[0] = begin(CHECKPOINTS, "checkpoints.create", "{'name': 'new'}");
    id[1] = begin(CHECKPOINTS, "checkpoints.create", "{'name': 'newer'}");
    room_close(CHECKPOINTS); /* what runs is finished, what waits is refused */
    room_open(CHECKPOINTS);
    CU_ASSERT_TRUE(comes(CHECKPOINTS, "checkpoints.status", "'ready':true"));
    all_whole();
    room_kill(CHECKPOINTS);
    room_open(CHECKPOINTS);
    id[0] = begin(CHECKPOINTS, "checkpoints.create", "{'name': 'stopped', 'full': true}");
    turn();
    room_kill(CHECKPOINTS);
    room_open(CHECKPOINTS);
    CU_ASSERT_TRUE(comes(CHECKPOINTS, "checkpoints.status", "'ready':true"));
    all_whole();
    rig_close();
    rig_end();
}

/* ---- The process that is replaced still works ---- */

static void test_lock(void)
{
    uint64_t id;
    int fd;

    prepare();
    room_open(STORE);
    fd = open(rig_path("checkpoints/lock"), O_RDWR);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL_FATAL(flock(fd, LOCK_EX), 0);
    room_open(CHECKPOINTS);
    HAS(query(CHECKPOINTS, "checkpoints.list", "{}"), "'name':'always'");
    id = begin(CHECKPOINTS, "checkpoints.create", "{'name': 'new'}");
    for (int i = 0; i < 50; i++)
        turn();
    CU_ASSERT_TRUE(is_open(CHECKPOINTS, id));
    HAS(query(CHECKPOINTS, "checkpoints.status", "{}"), "'ready':false");
    HAS(query(CHECKPOINTS, "service.health", "{}"), "not taken over yet");
    close(fd);
    HAS(end_of(CHECKPOINTS, id), "'sequence'");
    all_whole();
    rig_close();
    rig_end();
}

const struct test_case tests[] = {
    {"killed at each file operation of a create", test_killed_create},
    {"killed at each file operation of a delete", test_killed_delete},
    {"killed at each file operation of a restore", test_killed_restore},
    {"the disk is full at each write", test_full_disk},
    {"no memory at each allocation of a create", test_no_memory},
    {"no memory while verifying", test_no_memory_verify},
    {"no memory while comparing", test_no_memory_compare},
    {"no memory while restoring", test_no_memory_restore},
    {"given up at each turn", test_given_up},
    {"too many wait, and the end", test_many_wait},
    {"who is replaced is waited for", test_lock},
    {0},
};

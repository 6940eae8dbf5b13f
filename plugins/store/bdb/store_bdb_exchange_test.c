/*
 * store_bdb_exchange_test.c - a restore and a rewrite that are killed: before the decision the
 * store is what it was, behind it what it was to be, and never anything between.
 */
#include "store_rig.h"

#include "exchange.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KEY   "correct-horse-battery-staple-123"
#define AFTER 60 /* events */
#define AT    20 /* of them in the backup */

static const struct aiex_fake_pair plain[] = {
    {"log_file", "9M"}, {"ballast", "0"}, {"archive", "1G"}, {"key", KEY}, {0}};
static const struct aiex_fake_pair locked[] = {
    {"log_file", "9M"}, {"ballast", "0"}, {"archive", "1G"}, {"encrypt", "on"}, {"key", KEY}, {0}};

static void append_some(int from, int n)
{
    uint64_t last = 0;

    for (int i = from; i < from + n; i++)
        last = begin(
            "store.transact",
            "{'operations': [{'op': 'append', 'stream': 's', 'events': [{'id': 'e%d', "
            "'type': 't', 'data': '%0500d'}]}, {'op': 'put', 'table': 'n', 'key': 'k%d'}]}",
            i, i, i);
    HAS(end_of(last), "'version'");
    aiex_fake_forget(h);
}

static void make(void)
{
    rig_begin(plain);
    append_some(0, AT);
    HAS(ask("store.backup", "{'path': 'b'}"), "'verified':true");
    append_some(AT, AFTER - AT);
    rig_close();
}

/* The number of events; the rows are those of the same moment, and all is right. */
static long long look(const struct aiex_fake_pair *with)
{
    long long n;

    rig_open(with);
    while (strstr(ask("store.status", "{}"), "'phase':'opening'"))
        aiex_fake_poll(h, 2);
    if (strstr(ask("store.status", "{}"), "'phase':'failed'")) {
        rig_close();
        return -1;
    }
    CU_ASSERT_TRUE(comes("store.health", "'healthy':true"));
    n = number(ask("store.read", "{}"), "events");
    CU_ASSERT_EQUAL(number(ask("store.range", "{'table': 'n'}"), "rows"), n);
    HAS(ask("store.verify", "{}"), "'faults':0");
    rig_close();
    return n;
}

static int64_t now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* Asks in a process of its own, which dies `us` later (0: lives). Microseconds until its answer, 0
 * = it had none. */
static int64_t ask_and_die(const struct aiex_fake_pair *with, const char *method, const char *body,
                           int64_t us)
{
    int64_t took = 0, began;
    int fds[2], status;
    pid_t pid;
    char c;

    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
    pid = fork();
    if (pid == 0) {
        alarm(60);
        rig_open(with);
        while (strstr(ask("store.status", "{}"), "'phase':'opening'"))
            aiex_fake_poll(h, 2);
        if (write(fds[1], "b", 1) != 1 || ask(method, "%s", body)[0] != '{' ||
            write(fds[1], "e", 1) != 1)
            _exit(1);
        pause();
    }
    close(fds[1]);
    CU_ASSERT_EQUAL(read(fds[0], &c, 1), 1);
    began = now_us();
    if (us) /* what it does is what is cut off: there is nothing to wait for */
        usleep((useconds_t)us);
    else if (read(fds[0], &c, 1) == 1)
        took = now_us() - began;
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    close(fds[0]);
    return took;
}

static void test_restore_is_killed(void)
{
    int64_t whole;
    int before = 0, behind = 0;

    make();
    whole = ask_and_die(plain, "store.restore", "{'path': 'b', 'to_sequence': 40}", 0);
    CU_ASSERT_TRUE(whole > 0);
    CU_ASSERT_EQUAL(look(plain), 40);
    for (int i = 1; i <= 16; i++) {
        int to = 40 + i % 2 * 10;
        char body[64];
        long long was = look(plain), is;

        snprintf(body, sizeof(body), "{'path': 'b', 'to_sequence': %d}", to);
        ask_and_die(plain, "store.restore", body, whole * i / 14);
        is = look(plain);
        CU_ASSERT_TRUE(is == was || is == to);
        before += is == was;
        behind += is == to;
    }
    CU_ASSERT_TRUE(before > 0 && behind > 0);
    rig_end();
}

static void test_rewrite_is_killed(void)
{
    const struct aiex_fake_pair *now = plain, *next = locked;
    int64_t whole;

    make();
    whole = ask_and_die(locked, "store.rewrite", "{}", 0);
    CU_ASSERT_TRUE(whole > 0);
    CU_ASSERT_EQUAL(look(plain), -1);
    CU_ASSERT_EQUAL(look(locked), AFTER);
    CU_ASSERT_EQUAL(ask_and_die(plain, "store.rewrite", "{}", 0) > 0, 1);
    for (int i = 1; i <= 10; i++) {
        long long a, b;

        ask_and_die(next, "store.rewrite", "{}", whole * i / 9);
        a = look(now);
        b = look(next);
        CU_ASSERT_TRUE((a == AFTER && b == -1) || (a == -1 && b == AFTER));
        if (b == AFTER) {
            const struct aiex_fake_pair *other = now;

            now = next;
            next = other;
        }
    }
    rig_end();
}

/* Every state in which the moving of the parts can stop. */
static void test_each_step(void)
{
    static const char *const parts[] = {"db", "side", "cipher"};
    char command[600];

    make();
    for (int done = 0; done <= 6; done++) {
        struct aiex_error err = {""};

        snprintf(
            command, sizeof(command),
            "cd %s && rm -rf *.replaced restore.* kept && mkdir kept restore.ready && cp -a db "
            "side kept/ && cp -a b/db b/side restore.ready/ && : > restore.ready/cipher && "
            "touch cipher",
            dir);
        CU_ASSERT_EQUAL(system(command), 0);
        for (int i = 0; i < done; i++) { /* aside, then into its place */
            snprintf(command, sizeof(command),
                     i % 2 ? "cd %s && mv restore.ready/%s %s" : "cd %s && mv %s %s.replaced", dir,
                     parts[i / 2], parts[i / 2]);
            CU_ASSERT_EQUAL(system(command), 0);
        }
        CU_ASSERT_EQUAL(exchange_finish(dir, &err), 0);
        CU_ASSERT_EQUAL(look(plain), AT);
        snprintf(command, sizeof(command), "cd %s && rm -rf db side && mv kept/* .", dir);
        CU_ASSERT_EQUAL(system(command), 0);
        CU_ASSERT_EQUAL(look(plain), AFTER);
    }
    rig_end();
}

/* What was being made, and not decided, is nothing. */
static void test_left_over(void)
{
    char command[300];

    make();
    snprintf(command, sizeof(command), "cd %s && mkdir restore.new && cp -a b/db restore.new/",
             dir);
    CU_ASSERT_EQUAL(system(command), 0);
    CU_ASSERT_EQUAL(look(plain), AFTER);
    rig_open(plain);
    CU_ASSERT_EQUAL(number(ask("store.restore", "{'path': 'b'}"), "sequence"), AT);
    rig_close();
    CU_ASSERT_NOT_EQUAL(access(rig_path("restore.new"), F_OK), 0);
    rig_end();
}

const struct test_case tests[] = {
    {"a restore is killed", test_restore_is_killed},
    {"a rewrite is killed", test_rewrite_is_killed},
    {"each step", test_each_step},
    {"left over", test_left_over},
    {0},
};

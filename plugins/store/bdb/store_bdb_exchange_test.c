/*
 * store_bdb_exchange_test.c - a restore, a rewrite and a backup that are killed: before the
 * decision all is what it was, behind it what it was to be, and never anything between.
 */
#include "store_rig.h"

#include "exchange.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

static int told; /* by the store that look() opened */

/* Whether others were told that the store is another one. */
static int was_told(void)
{
    const struct aiex_fake_record *r = aiex_fake_nth(h, AIEX_FAKE_PUBLISH, 0);

    return r && strcmp(r->name, "store.restored") == 0;
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
    told = was_told();
    rig_close();
    return n;
}

/* ---- A process that ends before its nth change to the disk ---- */

static int changes; /* so far; < 0 = not counted */
static int ends_at; /* 0 = never */

int __real_rename(const char *from, const char *to);
int __real_fsync(int fd);
int __real_fdatasync(int fd);
int __real_unlink(const char *path);
int __real_mkdir(const char *path, mode_t mode);
ssize_t __real_write(int fd, const void *bytes, size_t n);
ssize_t __real_pwrite(int fd, const void *bytes, size_t n, off_t at);
int __wrap_rename(const char *from, const char *to);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_unlink(const char *path);
int __wrap_mkdir(const char *path, mode_t mode);
ssize_t __wrap_write(int fd, const void *bytes, size_t n);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t at);

static void count(void)
{
    if (__atomic_load_n(&changes, __ATOMIC_SEQ_CST) >= 0 &&
        __atomic_add_fetch(&changes, 1, __ATOMIC_SEQ_CST) == ends_at)
        kill(getpid(), SIGKILL);
}

int __wrap_rename(const char *from, const char *to)
{
    count();
    return __real_rename(from, to);
}

int __wrap_fsync(int fd)
{
    count();
    return __real_fsync(fd);
}

int __wrap_fdatasync(int fd)
{
    count();
    return __real_fdatasync(fd);
}

int __wrap_unlink(const char *path)
{
    count();
    return __real_unlink(path);
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    count();
    return __real_mkdir(path, mode);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t n)
{
    if (n > 8) /* not a wake-up */
        count();
    return __real_write(fd, bytes, n);
}

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    count();
    return __real_pwrite(fd, bytes, n, at);
}

/* Asks in a process of its own, which ends before its `at`th change (0: behind its answer). The
 * number of changes until the answer; 0 = it had none. */
static int ask_and_die(const struct aiex_fake_pair *with, const char *method, const char *body,
                       int at)
{
    int fds[2], status, n = 0;
    const char *answer;
    pid_t pid;

    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
    changes = -1;
    ends_at = at;
    pid = fork();
    if (pid == 0) {
        alarm(60);
        rig_open(with);
        while (strstr(ask("store.status", "{}"), "'phase':'opening'"))
            aiex_fake_poll(h, 2);
        __atomic_store_n(&changes, 0, __ATOMIC_SEQ_CST);
        answer = ask(method, "%s", body);
        if (answer[0] != '{') {
            fprintf(stderr, "\n%s: %s\n", method, answer);
            _exit(1);
        }
        n = __atomic_load_n(&changes, __ATOMIC_SEQ_CST);
        if (write(fds[1], &n, sizeof(n)) != (ssize_t)sizeof(n))
            _exit(1);
        kill(getpid(), SIGKILL);
    }
    close(fds[1]);
    if (read(fds[0], &n, sizeof(n)) != (ssize_t)sizeof(n))
        n = 0;
    close(fds[0]);
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    CU_ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return n;
}

static void test_restore_is_killed(void)
{
    int whole, before = 0, behind = 0;

    make();
    whole = ask_and_die(plain, "store.restore", "{'path': 'b', 'to_sequence': 40}", 0);
    CU_ASSERT_TRUE(whole > 0);
    CU_ASSERT_EQUAL(look(plain), 40);
    for (int i = 1; i <= 16; i++) {
        int to = 40 + i % 2 * 10;
        char body[64];
        long long was = look(plain), is;
        int decided;

        snprintf(body, sizeof(body), "{'path': 'b', 'to_sequence': %d}", to);
        ask_and_die(plain, "store.restore", body, i == 1 ? 1 : whole * i / 14);
        decided = access(rig_path("restore.ready"), F_OK) == 0;
        is = look(plain);
        CU_ASSERT_EQUAL(told, decided); /* a restore that was not told is told by the next process */
        CU_ASSERT_TRUE(is == was || is == to);
        before += is == was;
        behind += is == to;
    }
    CU_ASSERT_TRUE(before > 0 && behind > 0);
    rig_end();
}

/* It goes on with the log of which there may be half a copy in the archive by now: each of its
 * states can still be had. */
static void test_restore_is_killed_and_forgotten(void)
{
    int n = AFTER, rounds = 0;

    make();
    for (;;) {
        ask_and_die(plain, "store.restore", "{'path': 'b', 'to_sequence': 40}", 1 + rounds++ * 4);
        if (look(plain) == 40)
            break;
        rig_open(plain);
        append_some(n, 5);
        n += 5;
        for (int to = n - 7; to <= n; to += 7)
            CU_ASSERT_EQUAL(number(ask("store.restore",
                                       "{'path': 'b', 'dry_run': true, 'to_sequence': %d}", to),
                                   "sequence"),
                            to);
        CU_ASSERT_EQUAL(number(ask("store.read", "{}"), "events"), n);
        rig_close();
    }
    CU_ASSERT_TRUE(rounds > 5);
    rig_end();
}

static void test_rewrite_is_killed(void)
{
    const struct aiex_fake_pair *now = plain, *next = locked;
    int whole, before = 0, behind = 0;

    make();
    whole = ask_and_die(locked, "store.rewrite", "{}", 0);
    CU_ASSERT_TRUE(whole > 0);
    CU_ASSERT_EQUAL(look(plain), -1);
    CU_ASSERT_EQUAL(look(locked), AFTER);
    CU_ASSERT_EQUAL(ask_and_die(plain, "store.rewrite", "{}", 0) > 0, 1);
    for (int i = 1; i <= 16; i++) {
        long long a, b;

        ask_and_die(next, "store.rewrite", "{}", i == 1 ? 1 : whole * i / 14);
        a = look(now);
        b = look(next);
        CU_ASSERT_TRUE((a == AFTER && b == -1) || (a == -1 && b == AFTER));
        before += a == AFTER;
        behind += b == AFTER;
        if (b == AFTER) {
            const struct aiex_fake_pair *other = now;

            now = next;
            next = other;
        }
    }
    CU_ASSERT_TRUE(before > 0 && behind > 0);
    rig_end();
}

/* Each time it is there whole, or not at all, and nothing of it is left. */
static void test_backup_is_killed(void)
{
    int whole, before = 0, behind = 0;

    make();
    whole = ask_and_die(plain, "store.backup", "{'path': 'k0'}", 0);
    CU_ASSERT_TRUE(whole > 0);
    for (int i = 1; i <= 16; i++) {
        char body[64], name[20];
        int is;

        snprintf(body, sizeof(body), "{'path': 'k%d'}", i);
        snprintf(name, sizeof(name), "'path':'k%d'", i);
        ask_and_die(plain, "store.backup", body, i == 1 ? 1 : whole * i / 14);
        CU_ASSERT_EQUAL(look(plain), AFTER);
        CU_ASSERT_NOT_EQUAL(access(rig_path("backup.new"), F_OK), 0);
        rig_open(plain);
        is = strstr(ask("store.backups", "{}"), name) != NULL;
        HAS(ask("store.backup", "%s", body), is ? "conflict: " : "'verified':true");
        rig_close();
        before += !is;
        behind += is;
    }
    CU_ASSERT_TRUE(before > 0 && behind > 0);
    rig_end();
}

/* The one that goes for it is whole, or none: what is left of it is never told as a backup. */
static void test_retention_is_killed(void)
{
    static const struct aiex_fake_pair one[] = {
        {"log_file", "9M"}, {"ballast", "0"}, {"keep_backups", "1"}, {"key", KEY}, {0}};
    int whole;

    make();
    ask_and_die(one, "store.backup", "{'path': 'r0'}", 0);
    whole = ask_and_die(one, "store.backup", "{'path': 'r1'}", 0);
    CU_ASSERT_TRUE(whole > 0);
    for (int i = 0; i < 40; i++) { /* the last changes are those of the removal */
        const char *list;
        char body[64];

        snprintf(body, sizeof(body), "{'path': 'k%d'}", i);
        ask_and_die(one, "store.backup", body, whole - 38 + i);
        rig_open(one);
        CU_ASSERT_TRUE(comes("store.health", "'healthy':true"));
        list = ask("store.backups", "{}");
        HAS(list, "'verified':true");
        CU_ASSERT_PTR_NULL(strstr(list, "'verified':false"));
        CU_ASSERT_NOT_EQUAL(access(rig_path("backup.new"), F_OK), 0);
        rig_close();
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
        CU_ASSERT_EQUAL(exchange_finish(dir, &err), 1);
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
    CU_ASSERT_FALSE(was_told());
    CU_ASSERT_EQUAL(number(ask("store.restore", "{'path': 'b'}"), "sequence"), AT);
    CU_ASSERT_TRUE(was_told());
    rig_close();
    CU_ASSERT_NOT_EQUAL(access(rig_path("restore.new"), F_OK), 0);
    rig_end();
}

const struct test_case tests[] = {
    {"a restore is killed", test_restore_is_killed},
    {"a restore is killed and forgotten", test_restore_is_killed_and_forgotten},
    {"a rewrite is killed", test_rewrite_is_killed},
    {"a backup is killed", test_backup_is_killed},
    {"retention is killed", test_retention_is_killed},
    {"each step", test_each_step},
    {"left over", test_left_over},
    {0},
};

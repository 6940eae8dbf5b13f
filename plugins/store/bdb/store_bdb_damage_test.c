/*
 * store_bdb_damage_test.c - what must be told: damaged, cut, exchanged and missing files, full
 * disks, a second opener. Never a store that is silently shorter.
 */
#include "store_rig.h"

#include "env.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct aiex_fake_pair small[] = {{"log_file", "9M"}, {"ballast", "0"}, {0}};

static void append_some(int from, int n, const char *level)
{
    uint64_t last = 0;

    for (int i = from; i < from + n; i++)
        last = begin("store.append",
                     "{'stream': 's%d', 'level': '%s', 'events': [{'id': 'e%d', 'type': 't', "
                     "'data': '%0200d'}]}",
                     i % 5, level, i, i);
    HAS(end_of(last), "'duplicate':false");
}

/* A folder with n events, closed; the database with or without a log to repeat. */
static void make(int n)
{
    rig_begin(small);
    append_some(0, n, "synced");
    rig_close();
}

static void make_killed(int n)
{
    int status, fds[2];
    pid_t pid;
    char c;

    strcpy(dir, "/tmp/aiex_store_XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
    pid = fork();
    if (pid == 0) {
        alarm(60);
        rig_open(small);
        while (number(ask("store.status", "{}"), "checkpoints") < 1) /* the one at the start */
            aiex_fake_poll(h, 5);
        for (int i = 0; i < n; i += 10) /* several batches */
            append_some(i, 10, "synced");
        if (write(fds[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    close(fds[1]);
    CU_ASSERT_EQUAL(read(fds[0], &c, 1), 1);
    close(fds[0]);
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
}

static long long size_of(const char *name)
{
    struct stat st;

    return stat(rig_path(name), &st) == 0 ? (long long)st.st_size : -1;
}

/* Where the last byte is that is not 0. */
static long long used_of(const char *name)
{
    FILE *f = fopen(rig_path(name), "r");
    long long at = 0, used = 0;
    int c;

    while (f && (c = getc(f)) != EOF) {
        at++;
        if (c)
            used = at;
    }
    if (f)
        fclose(f);
    return used;
}

static void turn_over(const char *name, long long at, int n)
{
    int fd = open(rig_path(name), O_RDWR);
    unsigned char bytes[64] = {0};

    CU_ASSERT_TRUE_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(pread(fd, bytes, (size_t)n, at), n);
    for (int i = 0; i < n; i++)
        bytes[i] ^= 0x5a;
    CU_ASSERT_EQUAL(pwrite(fd, bytes, (size_t)n, at), n);
    close(fd);
}

static void copy(const char *from, const char *to)
{
    char command[1000];

    snprintf(command, sizeof(command), "rm -rf '%s'; cp -a '%s' '%s'", rig_path(to), rig_path(from),
             rig_path(to));
    CU_ASSERT_EQUAL_FATAL(system(command), 0);
}

/* Opens; the store must not write, and say why. */
static void is_told(const char *why)
{
    rig_open(small);
    while (strstr(ask("store.status", "{}"), "'phase':'opening'"))
        aiex_fake_poll(h, 5);
    HAS(ask("store.status", "{}"), "'read_only':true");
    HAS(ask("store.status", "{}"), why);
    HAS(ask("store.health", "{}"), "'healthy':false");
    CU_ASSERT_PTR_NULL(
        strstr(ask("store.append", "{'stream': 's', 'events': [{'id': 'new', 'type': 't'}]}"),
               "'version':"));
    rig_close();
}

/* The place where recovery of Berkeley DB alone is silent. */
static void test_middle_of_the_log(void)
{
    long long used;

    make_killed(300);
    used = used_of("db/log.0000000001");
    CU_ASSERT_TRUE(used > 100000);
    turn_over("db/log.0000000001", used * 2 / 3, 8);
    is_told("to 300 were acknowledged and are gone");
    is_told("to 300 were acknowledged and are gone"); /* also the next time */
    rig_open(small);
    HAS(ask("store.read", "{}"), "'end':true"); /* what is there can be read */
    HAS(ask("store.verify", "{}"), "'faults':0");
    IS(ask("store.accept", "{}"), "{}");
    append_some(1000, 5, "synced");
    rig_close();
    rig_open(small);
    HAS(ask("store.health", "{}"), "'healthy'");
    CU_ASSERT_TRUE(comes("store.health", "'healthy':true"));
    rig_close();
    rig_end();
}

static void test_tables_count(void)
{
    long long used;

    make_killed(10);
    rig_open(small);
    CU_ASSERT_TRUE(comes("store.health", "'healthy':true"));
    rig_close();
    copy("side", "side.old");
    rig_open(small);
    HAS(ask("store.transact", "{'operations': [{'op': 'put', 'table': 't', 'key': 'k'}]}"),
        "'version'");
    copy("side", "side.new");
    rig_close();
    used = used_of("side");
    CU_ASSERT_TRUE(used > 0);
    /* a database without that transaction */
    copy("db", "db.kept");
    rig_open(small);
    HAS(ask("store.transact", "{'operations': [{'op': 'put', 'table': 't', 'key': 'l'}]}"),
        "'version'");
    rig_close();
    copy("db.kept", "db");
    is_told("were acknowledged and are gone");
    rig_end();
}

static void test_pages(void)
{
    static const char *const files[] = {"db/events.db", "db/streams.db"};

    for (int i = 0; i < 2; i++) {
        const char *a;

        make(2000);
        turn_over(files[i], size_of(files[i]) / 2 + 100, 4);
        rig_open(small);
        a = ask("store.verify", "{}");
        CU_ASSERT_TRUE(strncmp(a, "unavailable: damage in", 22) == 0 || number(a, "faults") > 0);
        CU_ASSERT_TRUE(comes("store.status", "'read_only':true"));
        HAS(ask("store.status", "{}"), files[i] + 3);
        HAS(ask("store.read", "{}"), "unavailable");
        HAS(ask("store.append", "{'stream': 's', 'events': [{'id': 'n', 'type': 't'}]}"),
            "read_only: damage");
        rig_close();
        rig_end();
    }
}

static void test_cut(void)
{
    make(2000);
    CU_ASSERT_EQUAL(truncate(rig_path("db/events.db"), size_of("db/events.db") / 2 / 4096 * 4096),
                    0);
    is_told("events.db");
    rig_end();
}

static void test_older_copies(void)
{
    make(50);
    copy("db", "old");
    rig_open(small);
    append_some(100, 50, "synced");
    rig_close();
    copy("db", "kept");
    for (enum file f = 0; f < N_FILES; f++) {
        char to[64], from[64];

        copy("kept", "db");
        snprintf(to, sizeof(to), "db/%s", env_file_name(f));
        snprintf(from, sizeof(from), "old/%s", env_file_name(f));
        copy(from, to);
        is_told("damage");
    }
    copy("old", "db");
    is_told("damage: sequences 51 to 100 were acknowledged and are gone");
    copy("kept", "db");
    rig_open(small);
    CU_ASSERT_TRUE(comes("store.health", "'healthy':true"));
    rig_close();
    rig_end();
}

static void test_missing_files(void)
{
    make(50);
    copy("db", "kept");
    for (enum file f = 0; f < N_FILES; f++) {
        char name[64];

        copy("kept", "db");
        snprintf(name, sizeof(name), "db/%s", env_file_name(f));
        CU_ASSERT_EQUAL(unlink(rig_path(name)), 0);
        is_told("damage");
    }
    rig_folder_remove(rig_path("db"));
    is_told("damage: sequences 1 to 50 were acknowledged and are gone");
    rig_end();
}

static void test_side_record(void)
{
    make(50);
    copy("side", "kept");
    for (int slot = 0; slot < 2; slot++) { /* the older one is true as well */
        copy("kept", "side");
        turn_over("side", slot * 512 + 30, 4);
        rig_open(small);
        CU_ASSERT_TRUE(comes("store.health", "'healthy':true"));
        rig_close();
    }
    turn_over("side", 30, 4);
    turn_over("side", 512 + 30, 4);
    is_told("the file 'side' beside the database is not readable");
    unlink(rig_path("side"));
    is_told("the file 'side' beside the database is missing");
    rig_end();
}

/* ---- Full disks ---- */

#define AGAIN_MS 1000 /* writes go on this soon after there is room again */

static int is_full;           /* what the disk says to all that is longer than a wake-up */
static const char *filled_by; /* the next write of a file so named fills the disk; NULL = none */

ssize_t __real_write(int fd, const void *bytes, size_t n);
ssize_t __real_pwrite(int fd, const void *bytes, size_t n, off_t at);
ssize_t __wrap_write(int fd, const void *bytes, size_t n);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t at);

ssize_t __wrap_write(int fd, const void *bytes, size_t n)
{
    if (n > 8 && __atomic_load_n(&is_full, __ATOMIC_SEQ_CST)) {
        errno = ENOSPC;
        return -1;
    }
    return __real_write(fd, bytes, n);
}

static int is_named(int fd, const char *part)
{
    char link[40], path[300] = "";

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    return readlink(link, path, sizeof(path) - 1) > 0 && strstr(path, part) != NULL;
}

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    const char *name = __atomic_load_n(&filled_by, __ATOMIC_SEQ_CST);

    if (name && is_named(fd, name)) {
        __atomic_store_n(&is_full, 1, __ATOMIC_SEQ_CST);
        __atomic_store_n(&filled_by, NULL, __ATOMIC_SEQ_CST);
    }
    if (__atomic_load_n(&is_full, __ATOMIC_SEQ_CST)) {
        errno = ENOSPC;
        return -1;
    }
    return __real_pwrite(fd, bytes, n, at);
}

static void set_full(int full)
{
    __atomic_store_n(&is_full, full, __ATOMIC_SEQ_CST);
}

static int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Appends until it works. Milliseconds. */
static int64_t until_writing(int id)
{
    int64_t began = now_ms();
    const char *a;

    do {
        a = ask("store.append", "{'stream': 'x', 'events': [{'id': 'f%d', 'type': 't'}]}", id);
        aiex_fake_poll(h, 5);
    } while (!strstr(a, "'version'") && now_ms() - began < RIG_WAIT_MS);
    HAS(a, "'version'");
    return now_ms() - began;
}

static void test_writes_fail(void)
{
    rig_begin(small);
    append_some(0, 50, "synced");
    for (int i = 0; i < 5; i++) {
        const char *a;

        set_full(1);
        a = ask("store.append", "{'stream': 's', 'events': [{'id': 'n%d', 'type': 't'}]}", i);
        HAS(a, "read_only: ");
        set_full(0);
        CU_ASSERT_TRUE(until_writing(i) < AGAIN_MS);
    }
    HAS(ask("store.read", "{}"), "'events':55");
    HAS(ask("store.verify", "{}"), "'faults':0");
    rig_close();
    rig_open(small);
    HAS(ask("store.read", "{}"), "'events':55");
    rig_close();
    rig_end();
}

/* Writes until the disk is full: the checkpoint that comes fills it. 1 = a write was refused. */
static int fill_by(const char *name, int id)
{
    int64_t began = now_ms();
    const char *a = "";

    __atomic_store_n(&filled_by, name, __ATOMIC_SEQ_CST);
    for (int n = 0; strncmp(a, "read_only: ", 11) != 0 && now_ms() - began < RIG_WAIT_MS; n++) {
        uint64_t last = 0;

        for (int k = 0; k < 100; k++)
            last = begin("store.append",
                         "{'stream': 's', 'level': 'written', 'events': [{'id': 'c%d.%d.%d', "
                         "'type': 't', 'data': '%0200d'}]}",
                         id, n, k, k);
        a = end_of(last);
        aiex_fake_forget(h);
    }
    return strncmp(a, "read_only: ", 11) == 0;
}

/* The disk becomes full while pages are on their way: to the journal, or to their places. */
static void test_checkpoint_on_full_disk(void)
{
    static const struct aiex_fake_pair often[] = {
        {"log_file", "9M"}, {"ballast", "0"}, {"checkpoint", "1M"}, {0}};

    rig_begin(often);
    for (int i = 0; i < 8; i++) {
        CU_ASSERT_TRUE(fill_by(i % 2 ? ".db" : "/pages.journal", i));
        CU_ASSERT_PTR_NULL(filled_by);
        set_full(0);
        CU_ASSERT_TRUE(until_writing(i) < AGAIN_MS);
        aiex_fake_forget(h);
    }
    HAS(ask("store.read", "{'stream': 'x'}"), "'events':8"); /* each of until_writing() */
    HAS(ask("store.verify", "{}"), "'faults':0");
    rig_close();
    rig_end();
}

static void test_limit(void)
{
    static const struct aiex_fake_pair large[] = {{"min_free", "1024G"}, {"ballast", "0"}, {0}};

    make(10);
    rig_open(large);
    CU_ASSERT_TRUE(comes("store.status", "bytes are free for"));
    HAS(ask("store.append", "{'stream': 's', 'events': [{'id': 'n', 'type': 't'}]}"), "read_only");
    HAS(ask("store.read", "{}"), "'events':10");
    rig_close();
    rig_open(small);
    until_writing(1);
    rig_close();
    rig_end();
}

/* A real one, where this user may mount: under load, at the opening, and when room comes back. */
static void test_full_disk(void)
{
    static const struct aiex_fake_pair tiny[] = {
        {"log_file", "9M"}, {"ballast", "4M"}, {"min_free", "1M"}, {"checkpoint", "4M"}, {0}};
    char *data = malloc(100001);
    char disk[] = "/tmp/aiex_store_disk_XXXXXX", fill[64];
    int acked = 0, refused = 0, fd;

    memset(data, 'd', 100000);
    data[100000] = 0;
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(disk));
    snprintf(fill, sizeof(fill), "%s/fill", disk);
    if (mount("tmpfs", disk, "tmpfs", 0, "size=64m") != 0) {
        rmdir(disk);
        free(data);
        return; /* test_writes_fail has the same by other means */
    }
    rig_begin_in(disk, tiny);
    for (int i = 0; i < 1000 && !refused; i++) {
        const char *a = ask("store.append",
                            "{'stream': 's', 'events': [{'id': 'b%d', 'type': 't', 'data': '%s'}]}",
                            i, data);

        acked += strstr(a, "'version'") != NULL;
        refused += strncmp(a, "read_only", 9) == 0;
        aiex_fake_forget(h);
    }
    CU_ASSERT_EQUAL(refused, 1);
    CU_ASSERT_EQUAL(number(ask("store.read", "{}"), "events"), acked);
    rig_close();
    fd = open(fill, O_CREAT | O_WRONLY, 0600);
    while (write(fd, data, 4096) > 0)
        ;
    close(fd);
    rig_open(tiny);
    CU_ASSERT_TRUE(comes("store.status", "'read_only':true"));
    HAS(ask("store.append", "{'stream': 's', 'events': [{'id': 'x', 'type': 't'}]}"), "read_only");
    unlink(fill);
    CU_ASSERT_EQUAL(mount("tmpfs", disk, "tmpfs", MS_REMOUNT, "size=256m"), 0);
    CU_ASSERT_TRUE(until_writing(1) < AGAIN_MS);
    CU_ASSERT_EQUAL(number(ask("store.read", "{}"), "events"), acked + 1);
    HAS(ask("store.verify", "{}"), "'faults':0");
    rig_close();
    umount(disk);
    rmdir(disk);
    free(data);
}

/* ---- Two at once ---- */

static void test_second_opener(void)
{
    struct aiex_fake_host *first;
    struct aiex_error err = {""};
    void *first_self;
    int64_t began;

    make(3);
    rig_open(small);
    CU_ASSERT_TRUE(comes("store.health", "'healthy':true"));
    first = h;
    first_self = self;
    began = now_ms();
    CU_ASSERT_EQUAL(rig_try(small, &err), -EBUSY);
    CU_ASSERT_TRUE(now_ms() - began < 1000);
    HAS(err.text, "one process at a time");
    aiex_fake_host_free(h);
    h = first;
    self = first_self;
    append_some(10, 1, "synced");
    rig_close();
    rig_open(small);
    HAS(ask("store.read", "{}"), "'events':4");
    rig_close();
    rig_end();
}

/* A cell that is replaced: the next one of the same host comes up, and waits. */
static void test_successor(void)
{
    pid_t old, new;
    int up[2], out[2], status;
    char text[200] = "";

    make(3);
    CU_ASSERT_EQUAL_FATAL(pipe(up) | pipe(out), 0);
    old = fork();
    if (old == 0) {
        alarm(60);
        rig_open(small);
        comes("store.health", "'healthy':true");
        if (write(up[1], "u", 1) == 1)
            pause();
        _exit(1);
    }
    CU_ASSERT_EQUAL(read(up[0], text, 1), 1);
    new = fork();
    if (new == 0) {
        uint64_t id;
        const char *a;

        alarm(60);
        rig_open(small);
        id = begin("store.append", "{'stream': 's', 'events': [{'id': 'n', 'type': 't'}]}");
        aiex_fake_poll(h, 50);
        if (aiex_fake_answer(h, id) || write(up[1], "w", 1) != 1)
            _exit(1);
        a = end_of(id);
        _exit(write(out[1], a, strlen(a)) > 0 ? 0 : 1);
    }
    CU_ASSERT_EQUAL(read(up[0], text, 1), 1);
    CU_ASSERT_EQUAL(text[0], 'w');
    kill(old, SIGKILL);
    waitpid(old, &status, 0);
    CU_ASSERT_TRUE(read(out[0], text, sizeof(text) - 1) > 0);
    HAS(text, "'version':1,'sequence':4");
    waitpid(new, &status, 0);
    CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    rig_end();
}

static void test_drain(void)
{
    uint64_t ids[50], reading;
    int done;

    rig_begin(small);
    reading = begin("store.subscribe", "{'name': 'n'}");
    for (int i = 0; i < 50; i++)
        ids[i] = begin("store.append", "{'stream': 's', 'events': [{'id': 'd%d', 'type': 't'}]}",
                       i);
    aiex_fake_drain(h, p, self);
    HAS(ask("store.append", "{'stream': 's', 'events': [{'id': 'n', 'type': 't'}]}"),
        "unavailable: the store is closing");
    HAS(end_of(reading), "unavailable");
    for (int i = 0; i < 50; i++)
        HAS(end_of(ids[i]), "'version'");
    while (!(done = aiex_fake_drained(h)))
        aiex_fake_poll(h, 1000);
    CU_ASSERT_EQUAL(done, 1);
    rig_close();
    rig_open(small);
    HAS(ask("store.read", "{}"), "'events':50");
    rig_close();
    rig_end();
}

static void test_freeze(void)
{
    rig_begin(small);
    IS(ask("store.freeze", "{}"), "{}");
    HAS(ask("store.append", "{'stream': 's', 'events': [{'id': 'n', 'type': 't'}]}"),
        "read_only: an operator");
    IS(ask("store.freeze", "{'on': false}"), "{}");
    HAS(ask("store.append", "{'stream': 's', 'events': [{'id': 'n', 'type': 't'}]}"), "'version'");
    rig_close();
    rig_end();
}

static void test_start_says_why(void)
{
    struct aiex_error err = {""};

    strcpy(dir, "");
    CU_ASSERT_EQUAL(rig_try(NULL, &err), -EINVAL);
    HAS(err.text, "no data folder");
    aiex_fake_host_free(h);
    strcpy(dir, "/tmp/aiex_no_such_folder/x");
    CU_ASSERT_EQUAL(rig_try(NULL, &err), -ENOENT);
    HAS(err.text, "lock file");
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
    setenv("AIEX_FAIL", "nowhere:1", 1);
    CU_ASSERT_EQUAL(rig_try(NULL, &err), -EINVAL);
    HAS(err.text, "AIEX_FAIL");
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
    unsetenv("AIEX_FAIL");
    strcpy(dir, "/tmp/aiex_store_XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    for (size_t n = 1; n <= 3; n++) {
        size_t lived;
        int r;

        h = aiex_fake_host_new("store_bdb");
        aiex_fake_data_dir(h, dir);
        aiex_fake_fail_alloc(h, n);
        r = aiex_fake_start(h, p, NULL, &self, &err);
        lived = aiex_fake_fail_alloc(h, 0);
        CU_ASSERT_EQUAL(r, lived >= n ? -ENOMEM : 0);
        if (r == 0)
            aiex_fake_stop(h, p, self);
        CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
    }
    rig_end();
}

const struct test_case tests[] = {
    {"middle of the log", test_middle_of_the_log},
    {"tables count", test_tables_count},
    {"pages", test_pages},
    {"cut", test_cut},
    {"older copies", test_older_copies},
    {"missing files", test_missing_files},
    {"side record", test_side_record},
    {"writes fail", test_writes_fail},
    {"checkpoint on a full disk", test_checkpoint_on_full_disk},
    {"limit", test_limit},
    {"full disk", test_full_disk},
    {"second opener", test_second_opener},
    {"successor", test_successor},
    {"drain", test_drain},
    {"freeze", test_freeze},
    {"start says why", test_start_says_why},
    {0},
};

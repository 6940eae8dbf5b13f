/*
 * What of the ledger's store survives: kill -9, torn and damaged files, a full disk, lost and
 * foreign summaries, a successor beside its predecessor.
 */
#include "ledger_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

ssize_t __real_pwritev(int fd, const struct iovec *v, int n, off_t offset);
ssize_t __wrap_pwritev(int fd, const struct iovec *v, int n, off_t offset);

static int disk_full, n_writes;
static size_t disk_room; /* when full: writes of at most so many bytes pass */

/* A full disk takes the first bytes of a record. */
ssize_t __wrap_pwritev(int fd, const struct iovec *v, int n, off_t offset)
{
    size_t len = 0;

    n_writes++;
    for (int i = 0; i < n; i++)
        len += v[i].iov_len;
    if (!disk_full || len <= disk_room)
        return __real_pwritev(fd, v, n, offset);
    if (disk_full++ % 2)
        return pwrite(fd, v[0].iov_base, v[0].iov_len / 2, offset);
    errno = ENOSPC;
    return -1;
}

/* In one turn of the loop with what comes next. */
static void give(const char *id, int64_t ticket, int64_t cost)
{
    struct usage u = {.id = id,
                      .key = "k1",
                      .user = "ada",
                      .model = "m",
                      .provider = "a",
                      .ticket = ticket,
                      .time = now,
                      .input = 1,
                      .cost = cost};

    CU_ASSERT_EQUAL(record(&u), 0);
}

static void put(const char *id, int64_t ticket, int64_t cost)
{
    give(id, ticket, cost);
    aiex_fake_run_posts(h);
}

static int64_t total(const char *what)
{
    return number(item(answer_of(ASK("ledger.report")), "rows", 0), what);
}

static int64_t month_spent(void)
{
    struct aiex_slice a = answer_of(ASK("ledger.spent"));

    return number(item(a, "spent", 0), "month");
}

static off_t size_of(const char *name)
{
    struct stat st;

    return stat(rig_path(name), &st) == 0 ? st.st_size : -1;
}

static void damage(const char *name, off_t at)
{
    int fd = open(rig_path(name), O_RDWR);
    char c;

    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(pread(fd, &c, 1, at), 1);
    c ^= 0x40;
    CU_ASSERT_EQUAL(pwrite(fd, &c, 1, at), 1);
    close(fd);
}

/* Runs `work` in a process that ends without a word, as by kill -9. */
static void in_killed_process(const struct aiex_fake_pair *pairs, void (*work)(void))
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        rig_open(pairs);
        work();
        kill(getpid(), SIGKILL);
    }
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT_TRUE(WIFSIGNALED(status));
}

static void hundred(void)
{
    char id[16];

    for (int i = 1; i <= 100; i++) {
        snprintf(id, sizeof(id), "r%d", i);
        put(id, i, 10);
    }
}

static void begin_killed(const struct aiex_fake_pair *pairs)
{
    rig_begin(NULL);
    rig_close();
    in_killed_process(pairs, hundred);
}

static void test_kill_loses_nothing(void)
{
    static const struct aiex_fake_pair often[] = {{"checkpoint", "4k"}, {0}};

    for (int i = 0; i < 2; i++) {
        begin_killed(i ? often : NULL);
        rig_open(NULL);
        CU_ASSERT_EQUAL(total("requests"), 100);
        CU_ASSERT_EQUAL(month_spent(), 1000);
        hundred(); /* all delivered once more */
        CU_ASSERT_EQUAL(total("requests"), 100);
        CU_ASSERT_EQUAL(total("cost"), 1000);
        CU_ASSERT_EQUAL(number(answer_of(ASK("ledger.show", "id", "r77")), "ticket"), 77);
        rig_close();
        rig_end();
    }
}

static void test_torn_tail(void)
{
    off_t size;

    begin_killed(NULL);
    size = size_of("2026-11-21.log");
    CU_ASSERT_EQUAL(truncate(rig_path("2026-11-21.log"), size - 3), 0);
    rig_open(NULL);
    CU_ASSERT_EQUAL(total("requests"), 99);
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(h, AIEX_FAKE_LOG, "never finished", 0));
    put("r100", 100, 10);
    CU_ASSERT_EQUAL(total("requests"), 100);
    CU_ASSERT_EQUAL(size_of("2026-11-21.log"), size);
    rig_close();
    rig_open(NULL);
    CU_ASSERT_EQUAL(total("requests"), 100);
    CU_ASSERT_EQUAL(number(answer_of(ASK("ledger.status")), "holes"), 0);
    rig_close();
    rig_end();
}

static void test_damage_in_the_middle(void)
{
    begin_killed(NULL);
    damage("2026-11-21.log", size_of("2026-11-21.log") / 2);
    rig_open(NULL);
    CU_ASSERT_EQUAL(total("requests"), 99);
    CU_ASSERT_EQUAL(number(answer_of(ASK("ledger.status")), "holes"), 1);
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(h, AIEX_FAKE_LOG, "2026-11-21.log' is damaged", 0));
    /* a report that reads the segment says it, too */
    CU_ASSERT_EQUAL(number(answer_of(ASK("ledger.report", "from", "#1")), "damaged"), 0);
    CU_ASSERT_EQUAL(number(answer_of(ASK("ledger.report", "to", "#1795262400001")), "damaged"), 1);
    rig_close();
    rig_end();
}

static void test_damaged_head(void)
{
    begin_killed(NULL);
    damage("2026-11-21.log", 10);
    rig_open(NULL);
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(h, AIEX_FAKE_LOG, "renamed to .damaged", 0));
    CU_ASSERT_TRUE(size_of("2026-11-21.log.damaged") > 100);
    put("n", 500, 1);
    CU_ASSERT_EQUAL(total("requests"), 1);
    rig_close();
    rig_end();
}

/* Whatever stands in a summary's place: the segment decides. */
static void test_bad_summaries(void)
{
    off_t size;

    begin_killed(NULL);
    rig_open(NULL);
    rig_close(); /* writes the summary */
    size = size_of("2026-11-21.sum");
    CU_ASSERT_TRUE_FATAL(size > 50);
    for (off_t at = 0; at < size; at += 7) {
        damage("2026-11-21.sum", at);
        rig_open(NULL);
        CU_ASSERT_EQUAL(total("requests"), 100);
        CU_ASSERT_EQUAL(month_spent(), 1000);
        rig_close();
        CU_ASSERT_EQUAL(size_of("2026-11-21.sum"), size);
    }
    for (off_t cut = size - 1; cut >= 0; cut -= 11) {
        CU_ASSERT_EQUAL(truncate(rig_path("2026-11-21.sum"), cut), 0);
        rig_open(NULL);
        CU_ASSERT_EQUAL(total("requests"), 100);
        rig_close();
    }
    unlink(rig_path("2026-11-21.log")); /* a summary of another segment */
    rig_open(NULL);
    put("n", 500, 1);
    CU_ASSERT_EQUAL(total("requests"), 1);
    rig_close();
    rig_end();
}

static const char *health(void)
{
    int good = -1;

    aiex_get_bool(answer_of(ASK("service.health")), "healthy", &good);
    return good == 1 ? "good" : good == 0 ? "bad" : "?";
}

static void test_full_disk(void)
{
    const struct aiex_fake_record *alarm;

    rig_begin(NULL);
    put("a", 1, 5);
    disk_full = 1;
    put("b", 2, 7);
    put("c", 3, 7);
    put("d", 4, 7);
    CU_ASSERT_STRING_EQUAL(health(), "bad");
    alarm = aiex_fake_find(h, AIEX_FAKE_PUBLISH, "ledger.alarm", 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(alarm);
    CU_ASSERT_STRING_EQUAL(alarm->type, "lost");
    CU_ASSERT_PTR_NOT_NULL(strstr(text(alarm->body, "reason"), "No space left"));
    CU_ASSERT_EQUAL(number(alarm->body, "lost"), 1);
    aiex_fake_advance(h, 1000); /* the others are told with the next tick */
    CU_ASSERT_EQUAL(number(aiex_fake_find(h, AIEX_FAKE_PUBLISH, "ledger.alarm", 1)->body, "lost"),
                    3);
    CU_ASSERT_EQUAL(number(answer_of(ASK("ledger.status")), "lost_cost"), 21);
    disk_full = 0;
    put("e", 5, 1); /* works again by itself */
    CU_ASSERT_STRING_EQUAL(health(), "good");
    CU_ASSERT_STRING_EQUAL(aiex_fake_last(h, AIEX_FAKE_PUBLISH)->type, "recovered");
    put("b", 2, 7); /* it was not counted: it may come again */
    CU_ASSERT_EQUAL(total("cost"), 13);
    rig_close();
    rig_open(NULL);
    CU_ASSERT_EQUAL(total("requests"), 3);
    CU_ASSERT_EQUAL(total("cost"), 13);
    CU_ASSERT_EQUAL(number(answer_of(ASK("ledger.status")), "holes"), 0);
    rig_close();
    rig_end();
}

/* ---- What comes in one turn is written together ---- */

static void test_one_write_a_turn(void)
{
    char id[16];

    rig_begin(NULL);
    put("first", 999, 1); /* the day is open */
    n_writes = 0;
    for (int i = 1; i <= 20; i++) {
        snprintf(id, sizeof(id), "r%d", i);
        give(id, i, 10);
    }
    give("r7", 7, 10); /* said twice in one turn */
    CU_ASSERT_EQUAL(n_writes, 0);
    CU_ASSERT_EQUAL(aiex_fake_run_posts(h), 1);
    CU_ASSERT_EQUAL(n_writes, 1);
    CU_ASSERT_EQUAL(total("cost"), 201);
    CU_ASSERT_EQUAL(number(answer_of(ASK("ledger.status")), "duplicates"), 1);
    CU_ASSERT_EQUAL(number(answer_of(ASK("ledger.show", "id", "r20")), "ticket"), 20);
    rig_close();
    rig_open(NULL);
    CU_ASSERT_EQUAL(total("requests"), 21);
    CU_ASSERT_EQUAL(number(answer_of(ASK("ledger.status")), "holes"), 0);
    rig_close();
    rig_end();
}

/* A question, the end of the process and a lack of memory do not wait for the end of the turn. */
static void test_turn_cut_short(void)
{
    rig_begin(NULL);
    give("asked", 1, 1);
    CU_ASSERT_EQUAL(number(answer_of(ASK("ledger.status")), "records"), 1);
    aiex_fake_run_posts(h);
    aiex_fake_fail_alloc(h, 1); /* its post() */
    give("no post", 2, 10);
    aiex_fake_fail_alloc(h, 0);
    CU_ASSERT_EQUAL(aiex_fake_run_posts(h), 0);
    give("at the end", 3, 100);
    rig_close();
    rig_open(NULL);
    CU_ASSERT_EQUAL(total("cost"), 111);
    rig_close();
    rig_end();
}

/* More than a batch takes, at midnight, with one that is as large as a record may be. */
static void test_many_in_a_turn(void)
{
    struct usage large = {.id = "large", .ticket = 5000, .padding = 900000};
    char id[16];

    rig_begin(NULL);
    for (int i = 1; i <= 1000; i++) {
        if (i == 500)
            now += 12 * HOUR;
        if (i == 700)
            CU_ASSERT_EQUAL(record(&large), 0);
        snprintf(id, sizeof(id), "r%d", i);
        give(id, i, 1);
    }
    CU_ASSERT_EQUAL(total("requests"), 1001);
    CU_ASSERT_TRUE(size_of("2026-11-21.log") > 0);
    CU_ASSERT_TRUE(size_of("2026-11-22.log") > 900000);
    CU_ASSERT_EQUAL(number(answer_of(ASK("ledger.show", "id", "large")), "ticket"), 5000);
    rig_close();
    rig_end();
}

/* Where the disk does not take all of a turn it takes what fits. */
static void test_full_disk_in_a_turn(void)
{
    struct usage large = {.id = "large", .ticket = 9, .time = now, .cost = 100, .padding = 5000};

    rig_begin(NULL);
    put("a", 1, 1);
    disk_full = 1;
    disk_room = 1000;
    give("b", 2, 10);
    CU_ASSERT_EQUAL(record(&large), 0);
    give("c", 3, 10);
    aiex_fake_run_posts(h);
    disk_full = 0;
    disk_room = 0;
    CU_ASSERT_EQUAL(total("cost"), 21);
    CU_ASSERT_EQUAL(number(answer_of(ASK("ledger.status")), "lost"), 1);
    CU_ASSERT_EQUAL(number(answer_of(ASK("ledger.status")), "lost_cost"), 100);
    rig_close();
    rig_open(NULL);
    CU_ASSERT_EQUAL(total("cost"), 21);
    CU_ASSERT_EQUAL(number(answer_of(ASK("ledger.status")), "holes"), 0);
    rig_close();
    rig_end();
}

/* Without traffic the ledger finds out itself that there is room again. */
static void test_recovers_without_records(void)
{
    rig_begin(NULL);
    disk_full = 2;
    put("a", 1, 5);
    CU_ASSERT_STRING_EQUAL(health(), "bad");
    disk_full = 0;
    aiex_fake_advance(h, 1000);
    CU_ASSERT_STRING_EQUAL(health(), "good");
    CU_ASSERT_EQUAL(size_of("probe"), -1);
    rig_close();
    rig_end();
}

static void test_retention(void)
{
    static const struct aiex_fake_pair three[] = {{"keep_days", "3"}, {0}};
    static const struct aiex_fake_pair two[] = {{"keep_days", "2"}, {0}};
    struct aiex_error err = {""};

    rig_begin(three);
    for (int i = 1; i <= 5; i++) {
        char id[16];

        snprintf(id, sizeof(id), "d%d", i);
        put(id, i, 1);
        now += 24 * HOUR;
        aiex_fake_advance(h, 1000);
    }
    /* it is the 26th: 24, 25 (and the 26th, without records) are kept */
    CU_ASSERT_EQUAL(size_of("2026-11-23.log"), -1);
    CU_ASSERT_EQUAL(size_of("2026-11-23.sum"), -1);
    CU_ASSERT_TRUE(size_of("2026-11-24.log") > 0);
    CU_ASSERT_TRUE(size_of("2026-11-24.sum") > 0); /* closed */
    CU_ASSERT_EQUAL(total("requests"), 2);
    CU_ASSERT_EQUAL(aiex_fake_reload(h, p, self, two, &err), 0);
    aiex_fake_advance(h, 1000);
    CU_ASSERT_EQUAL(size_of("2026-11-24.log"), -1);
    CU_ASSERT_EQUAL(total("requests"), 1);
    rig_close();
    rig_end();
}

/* Budgets survive: all days of the month count, with and without their summaries. */
static void test_month_after_restart(void)
{
    rig_begin(NULL);
    for (int i = 1; i <= 5; i++) {
        put("x", i, 100);
        now += 24 * HOUR;
    }
    rig_close();
    rig_open(NULL);
    CU_ASSERT_EQUAL(month_spent(), 500);
    rig_close();
    unlink(rig_path("2026-11-22.sum"));
    CU_ASSERT_EQUAL(truncate(rig_path("2026-11-23.log"), size_of("2026-11-23.log") - 1), 0);
    rig_open(NULL);
    CU_ASSERT_EQUAL(month_spent(), 400);
    CU_ASSERT_TRUE(size_of("2026-11-22.sum") > 0);
    CU_ASSERT_EQUAL(total("cost"), 400);
    rig_close();
    rig_end();
}

static void test_show_reads_old_days(void)
{
    uint64_t id;

    rig_begin(NULL);
    put("old", 1, 100);
    now += 20 * 24 * HOUR;
    rig_close();
    rig_open(NULL);
    put("new", 2, 1);
    id = ASK("ledger.show", "id", "old");
    CU_ASSERT_EQUAL(number(answer_of(id), "ticket"), 1);
    CU_ASSERT_STRING_EQUAL(code_of(ASK("ledger.show", "id", "none")), "not_found");
    id = ASK("ledger.tail", "limit", "#5");
    CU_ASSERT_EQUAL(parts(id), 1);
    rig_close();
    rig_end();
}

/* While a plugin is replaced two processes write: both keep what the other wrote, and count it. */
static void test_successor_beside_predecessor(void)
{
    struct aiex_fake_host *old_h, *new_h;
    void *old_self, *new_self;

    rig_begin(NULL);
    put("a", 1, 1);
    old_h = h;
    old_self = self;
    rig_open(NULL);
    new_h = h;
    new_self = self;
    put("b", 2, 10);
    h = old_h; /* the old one finishes what it has */
    self = old_self;
    put("c", 3, 100);
    CU_ASSERT_EQUAL(total("cost"), 111);
    rig_close();
    h = new_h;
    self = new_self;
    put("c", 3, 100); /* came to both */
    put("d", 4, 1000);
    CU_ASSERT_EQUAL(total("cost"), 1111);
    CU_ASSERT_EQUAL(month_spent(), 1111);
    rig_close();
    rig_open(NULL);
    CU_ASSERT_EQUAL(total("cost"), 1111);
    CU_ASSERT_EQUAL(number(answer_of(ASK("ledger.status")), "holes"), 0);
    rig_close();
    rig_end();
}

static void test_start_says_why(void)
{
    struct aiex_error err = {""};

    strcpy(dir, "/tmp/aiex_ledger_XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    p = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    h = aiex_fake_host_new("service_ledger");
    CU_ASSERT_EQUAL(aiex_fake_start(h, p, NULL, &self, &err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "data folder"));
    aiex_fake_host_free(h);
    h = aiex_fake_host_new("service_ledger");
    aiex_fake_data_dir(h, rig_path("nothing"));
    CU_ASSERT_EQUAL(aiex_fake_start(h, p, NULL, &self, &err), -ENOENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "can not be read"));
    aiex_fake_host_free(h);
    for (size_t n = 1; n <= 3; n++) {
        size_t lived;
        int r;

        h = aiex_fake_host_new("service_ledger");
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

/* More rows than one record of a summary holds; and what a crash left of another is gone. */
static void test_many_rows(void)
{
    struct aiex_slice a;

    rig_begin(NULL);
    for (int i = 1; i <= 3000; i++) {
        char name[16];
        struct usage u = {
            .id = "x", .key = "k1", .user = name, .ticket = i, .time = now, .cost = i};

        snprintf(name, sizeof(name), "user%d", i);
        record(&u);
    }
    rig_close();
    CU_ASSERT_TRUE(size_of("2026-11-21.sum") > 2 * 65536);
    fclose(fopen(rig_path("2026-11-21.sum.77.tmp"), "w"));
    rig_open(NULL);
    CU_ASSERT_EQUAL(size_of("2026-11-21.sum.77.tmp"), -1);
    CU_ASSERT_EQUAL(number(answer_of(ASK("ledger.status")), "rows"), 3000);
    a = answer_of(ASK("ledger.report", "by", "user"));
    CU_ASSERT_EQUAL(items(a, "rows"), 3000);
    CU_ASSERT_EQUAL(total("cost"), 3000 * 3001 / 2);
    CU_ASSERT_EQUAL(items(answer_of(ASK("ledger.spent")), "spent"), 3001);
    rig_close();
    rig_end();
}

static int is_drained(void *arg)
{
    return aiex_fake_drained(h);
}

static void test_drain_syncs(void)
{
    rig_begin(NULL);
    hundred();
    aiex_fake_drain(h, p, self);
    CU_ASSERT_EQUAL(aiex_fake_poll_until(h, is_drained, NULL, 20000), 0);
    CU_ASSERT_TRUE(size_of("2026-11-21.sum") > 0);
    rig_close();
    rig_end();
}

const struct test_case tests[] = {
    {"kill loses nothing", test_kill_loses_nothing},
    {"torn tail", test_torn_tail},
    {"damage in the middle", test_damage_in_the_middle},
    {"damaged head", test_damaged_head},
    {"bad summaries", test_bad_summaries},
    {"full disk", test_full_disk},
    {"one write a turn", test_one_write_a_turn},
    {"turn cut short", test_turn_cut_short},
    {"many in a turn", test_many_in_a_turn},
    {"full disk in a turn", test_full_disk_in_a_turn},
    {"recovers without records", test_recovers_without_records},
    {"retention", test_retention},
    {"month after restart", test_month_after_restart},
    {"show reads old days", test_show_reads_old_days},
    {"successor beside predecessor", test_successor_beside_predecessor},
    {"many rows", test_many_rows},
    {"start says why", test_start_says_why},
    {"drain syncs", test_drain_syncs},
    {0},
};

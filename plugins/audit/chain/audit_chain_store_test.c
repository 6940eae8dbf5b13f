/*
 * What of the log survives, and what is noticed: kill -9, losses of power, full and hung disks,
 * vanished files, many segments, a successor beside its predecessor.
 */
#include "chain_files.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- kill -9 ---- */

/* Appends as fast as it can and writes each acknowledged seq to `out`, until it is killed. */
static void load_until_killed(int out)
{
    uint64_t ids[64] = {0};
    uint64_t sent = 0;

    rig_open(NULL);
    for (;;) {
        for (int i = 0; i < 64; i++) {
            int64_t seq;

            if (ids[i] && strcmp(code_of(ids[i]), "open") == 0)
                continue;
            seq = ids[i] ? number(answer_of(ids[i]), "seq") : -1;
            if (seq >= 0 && write(out, &seq, sizeof(seq)) != sizeof(seq))
                _exit(1);
            ids[i] = SEND("audit.append", "type", "t", "actor", "a", "@payload", "some content");
            if (++sent % 512 == 0)
                SEND("audit.redact", "seq", "#3", "actor", "a", "reason", "r");
        }
        aiex_fake_poll(h, 10);
        aiex_fake_advance(h, 1);
    }
}

static void kill_once(uint64_t *acknowledged)
{
    int fds[2];
    pid_t child;
    int64_t seq;

    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
    child = fork();
    if (child == 0)
        load_until_killed(fds[1]);
    close(fds[1]);
    for (int i = 0; i < 700 && read(fds[0], &seq, sizeof(seq)) == sizeof(seq); i++)
        if ((uint64_t)seq + 1 > *acknowledged)
            *acknowledged = (uint64_t)seq + 1;
    kill(child, SIGKILL);
    while (read(fds[0], &seq, sizeof(seq)) == sizeof(seq))
        if ((uint64_t)seq + 1 > *acknowledged)
            *acknowledged = (uint64_t)seq + 1;
    close(fds[0]);
    CU_ASSERT_EQUAL(waitpid(child, NULL, 0), child);
}

static void test_kill_loses_nothing(void)
{
    uint64_t acknowledged = 0;

    rig_begin(NULL);
    put(5);
    rig_close();
    for (int i = 0; i < 8; i++) {
        kill_once(&acknowledged);
        rig_open(NULL);
        CU_ASSERT_TRUE(entries() >= acknowledged);
        CU_ASSERT_STRING_EQUAL(state(), "ok");
        CU_ASSERT_STRING_EQUAL(verify(), "");
        acknowledged = entries();
        rig_close();
    }
    CU_ASSERT_TRUE(acknowledged > 3000);
    rig_end();
}

/* What a crash left of the last write is cut off. */
static void test_torn_tail(void)
{
    off_t size;
    int fd;

    begin_twenty();
    size = size_of(SEGMENT);
    fd = open(rig_path(SEGMENT), O_WRONLY | O_APPEND);
    CU_ASSERT_EQUAL(write(fd, "a record that never was", 23), 23);
    close(fd);
    rig_open(NULL);
    CU_ASSERT_EQUAL(size_of(SEGMENT), size);
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(h, AIEX_FAKE_LOG, "never finished", 0));
    CU_ASSERT_EQUAL(put(1), 20);
    CU_ASSERT_STRING_EQUAL(verify(), "");
    rig_close();
    rig_end();
}

/* A loss of power: index and state are older than the segments. */
static void test_index_behind(void)
{
    struct image x, s;

    rig_begin(NULL);
    put(30);
    rig_close();
    x = load("index");
    x.n -= 3; /* the state speaks of more than the index has: that is no loss of power */
    save_image("index", x);
    rig_open(NULL);
    CU_ASSERT_STRING_EQUAL(state(), "fault");
    rig_close();
    rig_end();
    rig_begin(NULL);
    put(30);
    rig_close();
    s = load("state");
    rig_open(NULL);
    put(30);
    rig_close();
    x = load("index");
    x.n -= 20 * INDEX_ITEM + 3;
    save_image("index", x);
    save_image("state", s);
    rig_open(NULL);
    CU_ASSERT_EQUAL(entries(), 60);
    CU_ASSERT_STRING_EQUAL(verify(), "");
    CU_ASSERT_EQUAL(size_of("index"), 60 * INDEX_ITEM);
    rig_close();
    rig_end();
}

/* What was not synced is there or is not, 512 bytes at a time, and the file may be shorter. */
static void tear(const char *name, struct image old, struct image new, unsigned *chance)
{
    size_t n = new.n, from = old.n;
    uint8_t *data = malloc(new.n);

    memcpy(data, new.data, new.n);
    if (rand_r(chance) % 3 == 0 && n > from)
        n -= (size_t)rand_r(chance) % (n - from + 1);
    while (from < n) {
        size_t end = (from / 512 + 1) * 512 < n ? (from / 512 + 1) * 512 : n;

        if (rand_r(chance) % 2)
            memset(data + from, 0, end - from);
        from = end;
    }
    save(name, data, n);
    free(data);
}

/* A loss of power in the middle of a batch that nobody was answered for: nothing that was answered
 * is lost, and it is no fault. */
static void test_torn_batch(void)
{
    static const char *const names[] = {SEGMENT, "index", "heads"};
    struct image old[3], new[3], state_file;
    unsigned chance = 7;

    rig_begin((struct aiex_fake_pair[]){{"verify_interval", "0s"}, {0}});
    put(60);
    rig_close();
    state_file = load("state");
    rig_open((struct aiex_fake_pair[]){{"verify_interval", "0s"}, {0}});
    put(40);
    for (int i = 0; i < 3; i++)
        old[i] = load(names[i]);
    disk_hangs(1); /* the next ones are one batch */
    SEND("audit.append", "type", "t", "actor", "a");
    disk_entered();
    for (int i = 0; i < 30; i++)
        SEND("audit.append", "type", "t", "actor", "a", "@payload", "some content");
    disk_hangs(0);
    ASK("audit.head");
    rig_close();
    for (int i = 0; i < 3; i++)
        new[i] = load(names[i]);
    for (int round = 0; round < 60; round++) {
        struct image none = {old[1].data, 60 * INDEX_ITEM};

        tear(SEGMENT, old[0], new[0], &chance);
        tear("index", none, old[1], &chance); /* never synced since the state */
        tear("heads", old[2], round % 2 ? old[2] : new[2], &chance);
        if (round % 2 == 0 &&
            size_of("heads") > (off_t)old[2].n) /* a head is synced after its entries */
            save(SEGMENT, new[0].data, new[0].n);
        if (round % 3)
            save("state", state_file.data, state_file.n);
        else
            unlink(rig_path("state"));
        rig_open((struct aiex_fake_pair[]){{"verify_interval", "0s"}, {0}});
        CU_ASSERT_STRING_EQUAL(state(), "ok");
        CU_ASSERT_TRUE(entries() >= 100 && entries() <= 131);
        CU_ASSERT_STRING_EQUAL(verify(), "");
        CU_ASSERT_EQUAL((uint64_t)put(1) + 1, entries());
        CU_ASSERT_STRING_EQUAL(verify(), "");
        rig_close();
    }
    for (int i = 0; i < 3; i++) {
        free(old[i].data);
        free(new[i].data);
    }
    free(state_file.data);
    rig_end();
}

/* Between the entry that says so and the zeros. */
static void test_erasing_is_finished(void)
{
    struct image f, s;

    rig_begin(NULL);
    put(10);
    rig_close();
    s = load("state");
    f = load(SEGMENT);
    rig_open(NULL);
    CU_ASSERT_STRING_EQUAL(code_of(ASK("audit.redact", "seq", "#5", "actor", "a", "reason", "r")),
                           "");
    rig_close();
    {
        struct image after = load(SEGMENT);
        struct record r = nth(after, 5);

        memcpy(after.data, f.data, r.offset + r.bytes); /* the payload is back */
        save_image(SEGMENT, after);
    }
    free(f.data);
    save_image("state", s);
    rig_open(NULL);
    f = load(SEGMENT);
    CU_ASSERT_PTR_NULL(memmem(f.data, f.n, "content of 5", 12));
    CU_ASSERT_STRING_EQUAL(verify(), "");
    free(f.data);
    rig_close();
    rig_end();
}

/* ---- Disks ---- */

static uint64_t send_must(void)
{
    return SEND("audit.append", "type", "key.created", "actor", "ann");
}

static uint64_t send_may(void)
{
    return SEND("audit.append", "type", "file.read", "actor", "ann");
}

static void is_refused(uint64_t id, const char *act, const char *reason)
{
    CU_ASSERT_STRING_EQUAL(code_of(id), "read_only");
    CU_ASSERT_STRING_EQUAL(text(answer_of(id), "act"), act);
    CU_ASSERT_STRING_EQUAL(text(answer_of(id), "reason"), reason);
    CU_ASSERT_PTR_NOT_NULL(strstr(text_of(id), "not recorded: "));
}

static const char *last_alarm(void)
{
    const struct aiex_fake_record *r = NULL, *next;

    for (size_t n = 0; (next = aiex_fake_find(h, AIEX_FAKE_PUBLISH, "audit.alarm", n)); n++)
        r = next;
    return r ? r->type : "none";
}

static void full_disk(int error)
{
    uint64_t must, may;

    rig_begin(NULL);
    put(20);
    disk_fails(error);
    must = send_must();
    wait_end(must);
    is_refused(must, "must", "full");
    may = send_may(); /* at once now */
    is_refused(may, "may", "full");
    CU_ASSERT_STRING_EQUAL(last_alarm(), "stopped");
    CU_ASSERT_STRING_EQUAL(state(), "full");
    CU_ASSERT_EQUAL(number(answer_of(ASK("audit.status")), "lost"), 1);
    CU_ASSERT_EQUAL(number(answer_of(ASK("audit.status")), "refused"), 1);
    pass(1500);
    CU_ASSERT_STRING_EQUAL(last_alarm(), "lost");
    CU_ASSERT_STRING_EQUAL(code_of(ASK("audit.read")), "");
    disk_fails(0);
    wait_state("ok");
    CU_ASSERT_STRING_EQUAL(last_alarm(), "resumed");
    CU_ASSERT_EQUAL(put(1), 21); /* 20 says what was missed */
    CU_ASSERT_STRING_EQUAL(verify(), "");
    rig_close();
    rig_open(NULL);
    CU_ASSERT_EQUAL(entries(), 22);
    CU_ASSERT_STRING_EQUAL(verify(), "");
    rig_close();
    rig_end();
}

static void test_full_disk(void)
{
    full_disk(ENOSPC);
    full_disk(EIO);
    full_disk(EDQUOT);
}

/* At the start as well: what is there can be read. */
static void test_full_at_start(void)
{
    uint64_t id;

    begin_twenty();
    disk_fails(ENOSPC);
    rig_open(NULL);
    CU_ASSERT_EQUAL(entries(), 20);
    id = send_must();
    wait_end(id);
    is_refused(id, "must", "full");
    disk_fails(0);
    wait_state("ok");
    CU_ASSERT_EQUAL(put(1), 21);
    rig_close();
    rig_end();
}

/* fdatasync() does not return: told within a second, and what was refused may be in the log after
 * all. */
static void test_hung_disk(void)
{
    uint64_t must, may, late;

    rig_begin(NULL);
    put(5);
    disk_hangs(1);
    must = send_must();
    may = send_may();
    disk_entered();
    CU_ASSERT_TRUE(pass_until(must) <= 1000);
    is_refused(must, "must", "hung");
    CU_ASSERT_TRUE(pass_until(may) <= 1000);
    is_refused(may, "may", "hung");
    CU_ASSERT_STRING_EQUAL(last_alarm(), "stopped");
    late = send_must(); /* at once now */
    is_refused(late, "must", "hung");
    CU_ASSERT_STRING_EQUAL(text(answer_of(ASK("audit.health")), "reason") + 0,
                           text(answer_of(ASK("audit.status")), "reason"));
    CU_ASSERT_STRING_EQUAL(code_of(ASK("audit.read")), "");
    disk_hangs(0);
    late = ASK("audit.head");
    wait_state("ok");
    CU_ASSERT_STRING_EQUAL(last_alarm(), "resumed");
    CU_ASSERT_TRUE(put(1) >= 7);
    CU_ASSERT_STRING_EQUAL(verify(), "");
    rig_close();
    rig_end();
}

static void vanished(const char *name, int replaced)
{
    uint64_t id;

    rig_begin(NULL);
    put(5);
    if (replaced) {
        char aside[400];

        strcpy(aside, rig_path("aside"));
        CU_ASSERT_EQUAL(rename(rig_path(name), aside), 0);
        save(name, "something else", 14);
    } else {
        unlink(rig_path(name));
    }
    pass(600);
    id = send_must();
    wait_end(id);
    is_refused(id, "must", "fault");
    CU_ASSERT_STRING_EQUAL(last_alarm(), "stopped");
    CU_ASSERT_PTR_NOT_NULL(strstr(text_of(id), replaced ? "replaced" : "removed"));
    CU_ASSERT_STRING_EQUAL(code_of(ASK("audit.export")), ""); /* what was there can be saved */
    rig_close();
    rig_end();
}

static void test_vanished(void)
{
    vanished(SEGMENT, 0);
    vanished(SEGMENT, 1);
    vanished("index", 0);
    vanished("heads", 1);
}

/* ---- Segments, successors ---- */

static void test_segments(void)
{
    static const struct aiex_fake_pair small[] = {{"segment_size", "64k"}, {0}};

    rig_begin(small);
    for (int i = 0; i < 10; i++)
        put(100);
    CU_ASSERT_STRING_EQUAL(verify(), "");
    CU_ASSERT_STRING_EQUAL(check_export(NULL, NULL, NULL), "");
    CU_ASSERT_STRING_EQUAL(check_export("#700", "#705", NULL), "");
    rig_close();
    CU_ASSERT_TRUE(size_of(SEGMENT) < 200000);
    unlink(rig_path("state"));
    rig_open(small);
    CU_ASSERT_EQUAL(entries(), 1000);
    CU_ASSERT_STRING_EQUAL(verify(), "");
    put(200);
    rig_close();
    unlink(rig_path(SEGMENT)); /* the first of several */
    rig_open(small);
    CU_ASSERT_PTR_NOT_NULL(strstr(verify(), "sequence\n"));
    CU_ASSERT_EQUAL(strncmp(verify(), "0..", 3), 0);
    rig_close();
    rig_end();
}

/* The next process of the plugin starts while the first still has the folder. */
static void test_successor(void)
{
    struct aiex_fake_host *first;
    struct aiex_error err;
    void *first_self;
    uint64_t id;

    rig_begin(NULL);
    put(10);
    first = h;
    first_self = self;
    h = aiex_fake_host_new("audit_chain");
    aiex_fake_data_dir(h, dir);
    CU_ASSERT_EQUAL_FATAL(aiex_fake_start(h, p, NULL, &self, &err), 0);
    id = send_must();
    CU_ASSERT_TRUE(pass_until(id) <= 1000);
    is_refused(id, "must", "opening");
    id = send_must(); /* in time */
    aiex_fake_stop(first, p, first_self);
    CU_ASSERT_EQUAL(aiex_fake_host_free(first), 0);
    wait_end(id);
    CU_ASSERT_STRING_EQUAL(code_of(id), "");
    CU_ASSERT_STRING_EQUAL(verify(), "");
    rig_close();
    rig_end();
}

const struct test_case tests[] = {
    {"kill_loses_nothing", test_kill_loses_nothing},
    {"torn_tail", test_torn_tail},
    {"index_behind", test_index_behind},
    {"torn_batch", test_torn_batch},
    {"erasing_is_finished", test_erasing_is_finished},
    {"full_disk", test_full_disk},
    {"full_at_start", test_full_at_start},
    {"hung_disk", test_hung_disk},
    {"vanished", test_vanished},
    {"segments", test_segments},
    {"successor", test_successor},
    {0},
};

/* What must survive: restarts, torn tails, damage, full disks, two processes. */
#include "gateway_rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static uint8_t before[1 << 20];

static const char *path_of(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static size_t size_of(const char *name)
{
    struct stat st;

    return stat(path_of(name), &st) == 0 ? (size_t)st.st_size : 0;
}

static size_t load(const char *name)
{
    int fd = open(path_of(name), O_RDONLY);
    ssize_t n = read(fd, before, sizeof(before));

    close(fd);
    CU_ASSERT_FATAL(n >= 0);
    return (size_t)n;
}

static void store(const char *name, const uint8_t *bytes, size_t n)
{
    int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

    CU_ASSERT_EQUAL_FATAL(write(fd, bytes, n), (ssize_t)n);
    close(fd);
}

/* Tries to start on what the folder holds. */
static int starts(struct aiex_error *err)
{
    int r = try_restart(NULL, err);

    if (r < 0)
        CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
    return r;
}

static void keys_survive_a_restart(void)
{
    char key[64], id[16];
    struct aiex_error err = {""};

    begin(NULL);
    snprintf(key, sizeof(key), "%s", make_key(&(struct limits){.rpm = 9}, "ann", id));
    stop();
    restart(NULL);
    ok(ask("gateway.check", "credential", "s", key, NULL));
    failed(chat(NULL, 10, 10), "denied");
    CU_ASSERT_EQUAL(status("keys"), 1);
    ok(ask("gateway.key_revoke", "local", "b", 1, "id", "s", id, NULL));
    stop();
    CU_ASSERT_EQUAL_FATAL(try_restart(NULL, &err), 0);
    failed(ask("gateway.check", "credential", "s", key, NULL), "denied");
    {
        struct stat st;

        CU_ASSERT_EQUAL(stat(path_of("keys"), &st), 0);
        CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
        CU_ASSERT_EQUAL(stat(path_of("pepper"), &st), 0);
        CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
        CU_ASSERT_EQUAL(st.st_size, 32);
    }
    CU_ASSERT_PTR_NULL(memmem(before, load("keys"), key + 8, strlen(key) - 8));
    finish();
}

/* Cut at every byte of the last record: what was answered before is there, and a line says so. */
static void a_torn_tail_is_cut(void)
{
    size_t whole, first;
    char key[64];

    begin(NULL);
    snprintf(key, sizeof(key), "%s", make_key(NULL, NULL, NULL));
    first = size_of("keys");
    make_key(NULL, "bob", NULL);
    stop();
    whole = load("keys");
    for (size_t n = first + 1; n < whole; n++) {
        store("keys", before, n);
        restart(NULL);
        CU_ASSERT_EQUAL(status("keys"), 1);
        ok(ask("gateway.check", "credential", "s", key, NULL));
        CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(h, AIEX_FAKE_LOG, "not written whole", 0));
        CU_ASSERT_EQUAL(size_of("keys"), first);
        stop();
    }
    memset(before + first, 0, whole - first); /* the file had grown, its bytes had not come */
    store("keys", before, whole);
    restart(NULL);
    CU_ASSERT_EQUAL(size_of("keys"), first);
    make_key(NULL, "eve", NULL); /* and the file goes on from there */
    stop();
    restart(NULL);
    CU_ASSERT_EQUAL(status("keys"), 2);
    CU_ASSERT_PTR_NULL(aiex_fake_find(h, AIEX_FAKE_LOG, "not written whole", 0));
    finish();
}

/* Any byte of any record: the gateway refuses to start, and names the place. Only a length that
 * points beyond the end looks like a torn write, when it is the last record's. */
static void damage_is_refused(void)
{
    size_t whole, last = 0;

    begin(NULL);
    make_key(NULL, "ann", NULL);
    make_key(NULL, "bob", NULL);
    last = size_of("keys");
    make_key(NULL, "eve", NULL);
    stop();
    whole = load("keys");
    for (size_t i = 0; i < whole; i += 3) {
        struct aiex_error err = {""};

        if (i >= last + 4 && i < last + 8)
            continue;
        before[i] ^= 0x20;
        store("keys", before, whole);
        before[i] ^= 0x20;
        CU_ASSERT_EQUAL_FATAL(starts(&err), -EBADMSG);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "damaged at byte"));
        CU_ASSERT_EQUAL(size_of("keys"), whole); /* nothing was touched */
    }
    store("keys", before, whole);
    restart(NULL);
    CU_ASSERT_EQUAL(status("keys"), 3);
    finish();
}

static void a_record_that_is_missing_or_doubled_is_damage(void)
{
    struct aiex_error err = {""};
    size_t one, two, three;
    uint8_t *mem;

    begin(NULL);
    make_key(NULL, "ann", NULL);
    one = size_of("keys");
    make_key(NULL, "bob", NULL);
    two = size_of("keys");
    make_key(NULL, "eve", NULL);
    stop();
    three = load("keys");
    mem = malloc(three * 2);
    memcpy(mem, before, one);
    memcpy(mem + one, before + two, three - two);
    store("keys", mem, one + three - two);
    CU_ASSERT_EQUAL(starts(&err), -EBADMSG);
    memcpy(mem, before, three);
    memcpy(mem + three, before, one);
    store("keys", mem, three + one);
    CU_ASSERT_EQUAL(starts(&err), -EBADMSG);
    store("keys", before, three);
    free(mem);
    restart(NULL);
    finish();
}

static void the_pepper_belongs_to_the_keys(void)
{
    static const uint8_t other[32] = {1};
    struct aiex_error err = {""};
    uint8_t kept[32];

    begin(NULL);
    make_key(NULL, NULL, NULL);
    stop();
    CU_ASSERT_EQUAL(load("pepper"), 32);
    memcpy(kept, before, 32);
    unlink(path_of("pepper"));
    CU_ASSERT_EQUAL(starts(&err), -EBADMSG);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "is missing"));
    store("pepper", kept, 31);
    CU_ASSERT_EQUAL(starts(&err), -EBADMSG);
    store("pepper", other, 32);
    (void)load("keys");
    CU_ASSERT_EQUAL(starts(&err), -EBADMSG);
    store("pepper", kept, 32);
    restart(NULL);
    CU_ASSERT_EQUAL(status("keys"), 1);
    finish();
}

/* ---- Full disks ---- */

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;

    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The disk is full at any byte of a record: the change is refused, nothing else changes. */
static void a_full_disk_refuses_changes(void)
{
    char key[64], id[16];
    size_t full;

    signal(SIGXFSZ, SIG_IGN);
    begin(NULL);
    snprintf(key, sizeof(key), "%s", make_key(NULL, "ann", id));
    full = size_of("keys");
    for (size_t more = 0; more < 100; more += 7) {
        uint64_t r;

        limit_files(full + more);
        r = ask("gateway.key_revoke", "local", "b", 1, "id", "s", id, NULL);
        limit_files(RLIM_INFINITY);
        failed(r, "read_only");
        CU_ASSERT_EQUAL(size_of("keys"), full);
        ok(ask("gateway.check", "credential", "s", key, NULL));
        failed(ask("gateway.key_create", "credential", "s", key, NULL), "denied");
    }
    ok(ask("gateway.key_revoke", "local", "b", 1, "id", "s", id, NULL)); /* room again */
    failed(ask("gateway.check", "credential", "s", key, NULL), "denied");
    stop();
    restart(NULL);
    failed(ask("gateway.check", "credential", "s", key, NULL), "denied");
    CU_ASSERT_PTR_NULL(aiex_fake_find(h, AIEX_FAKE_LOG, "not written whole", 0));
    finish();
}

static void a_first_start_on_a_full_disk(void)
{
    struct aiex_error err = {""};

    signal(SIGXFSZ, SIG_IGN);
    begin(NULL);
    stop();
    for (rlim_t room = 5; room < 60;
         room += 10) { /* from 32 on the pepper fits, the first record not */
        unlink(path_of("pepper"));
        unlink(path_of("keys"));
        limit_files(room < 48 ? room : 47);
        CU_ASSERT(starts(&err) < 0);
        limit_files(RLIM_INFINITY);
        CU_ASSERT_EQUAL(size_of("pepper"), room < 32 ? 0 : 32);
        CU_ASSERT_EQUAL(size_of("keys"), 0);
    }
    restart(NULL);
    finish();
}

/* ---- Compaction ---- */

static void history_is_left_out(void)
{
    char id[16], key[64];
    size_t largest = 0;

    begin(NULL);
    snprintf(key, sizeof(key), "%s", make_key(NULL, "ann", id));
    ok(ask("gateway.limit_set", "local", "b", 1, "scope", "s", "team", "name", "s", "red", "rpm",
           "i", 77, NULL));
    for (int i = 0; i < 1200; i++) {
        ok(ask("gateway.key_set", "local", "b", 1, "id", "s", id, "rpm", "i", i + 1, NULL));
        if (size_of("keys") > largest)
            largest = size_of("keys");
        if (i % 100 == 0)
            aiex_fake_forget(h);
    }
    CU_ASSERT(size_of("keys") < largest / 2);
    CU_ASSERT_EQUAL(size_of("keys.new"), 0);
    stop();
    restart(NULL);
    CU_ASSERT_EQUAL(status("keys"), 1);
    ok(ask("gateway.check", "credential", "s", key, NULL));
    {
        struct aiex_slice end = ok(ask("gateway.key_list", "local", "b", 1, NULL));

        CU_ASSERT_PTR_NOT_NULL(memmem(end.data, end.len, "\xa3rpm\xcd\x04\xb0", 7)); /* 1200 */
        end = ok(ask("gateway.limit_list", "local", "b", 1, NULL));
        CU_ASSERT_PTR_NOT_NULL(memmem(end.data, end.len, "\xa3rpm\x4d", 5));
    }
    finish();
}

/* A compaction that has no room leaves the old file, and changes go on. */
static void compaction_may_fail(void)
{
    char id[16];
    int refused = 0;

    begin(NULL);
    make_key(NULL, "ann", id);
    for (int i = 0; i < 1100; i++) {
        if (i == 1000)
            CU_ASSERT_EQUAL(mkdir(path_of("keys.new"), 0700), 0); /* where the new file would be */
        ok(ask("gateway.key_set", "local", "b", 1, "id", "s", id, "rpm", "i", i + 1, NULL));
        if (i % 50 == 49) {
            refused += aiex_fake_find(h, AIEX_FAKE_LOG, "could not be compacted", 0) != NULL;
            aiex_fake_forget(h);
        }
    }
    CU_ASSERT(refused > 0);
    CU_ASSERT_EQUAL(rmdir(path_of("keys.new")), 0);
    stop();
    restart(NULL);
    CU_ASSERT_EQUAL(status("keys"), 1);
    finish();
}

static void old_revoked_keys_are_forgotten_and_the_door_stays_closed(void)
{
    char id[16];

    begin(NULL);
    wall_ms = 1000; /* revoked long ago, by the system's clock */
    make_key(NULL, "ann", id);
    ok(ask("gateway.key_revoke", "local", "b", 1, "id", "s", id, NULL));
    ok(ask("gateway.limit_set", "local", "b", 1, "scope", "s", "team", "name", "s", "red", "rpm",
           "i", 1, NULL));
    for (int i = 0; i < 1100; i++) {
        ok(ask("gateway.limit_set", "local", "b", 1, "scope", "s", "team", "name", "s", "red",
               "tpm", "i", i, NULL));
        if (i % 100 == 0)
            aiex_fake_forget(h);
    }
    stop();
    restart(NULL);
    CU_ASSERT_EQUAL(status("keys"), 0);
    CU_ASSERT_EQUAL(status("demanded"), 1);
    failed(chat(NULL, 10, 10), "denied");
    finish();
}

/* ---- Two processes ---- */

/* A successor starts while the old gateway still answers: what the old one writes is seen, and
 * the two do not write over each other. */
static void a_successor_sees_what_its_predecessor_writes(void)
{
    struct aiex_fake_host *old_host;
    void *old_self;
    char key[64], id[16];

    begin(NULL);
    snprintf(key, sizeof(key), "%s", make_key(NULL, "ann", id));
    old_host = h;
    old_self = self;
    restart(NULL); /* h and self are the successor's now */
    {
        uint8_t mem[64];
        struct aiex_slice body = pack(mem, sizeof(mem), "local", "b", 1, "id", "s", id, NULL);

        aiex_fake_request(old_host, p, old_self, "gateway.key_revoke", body, 0);
        CU_ASSERT_EQUAL(aiex_fake_last(old_host, AIEX_FAKE_REPLY)->kind, AIEX_FAKE_REPLY);
    }
    failed(ask("gateway.check", "credential", "s", key, NULL),
           "denied"); /* the first message looks */
    make_key(NULL, "bob", NULL);
    {
        uint8_t mem[64];
        struct aiex_slice body = pack(mem, sizeof(mem), "local", "b", 1, "user", "s", "eve", NULL);

        aiex_fake_request(old_host, p, old_self, "gateway.key_create", body, 0);
    }
    make_key(NULL, "mia", NULL); /* finds the file changed, reads it, then writes */
    CU_ASSERT_EQUAL(status("keys"), 4);
    aiex_fake_stop(old_host, p, old_self);
    CU_ASSERT_EQUAL(aiex_fake_host_free(old_host), 0);
    stop();
    restart(NULL);
    CU_ASSERT_EQUAL(status("keys"), 4);
    aiex_fake_advance(h, 20000);
    finish();
}

/* ---- Foreign bytes ---- */

static uint64_t seed = 7;

static size_t chance(size_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (size_t)((seed >> 33) % n);
}

/* Broken maps to every method: an answer each time, and nothing is read beyond the bytes. */
static void broken_maps(void)
{
    static const char *const methods[] = {
        "gateway.chat",       "gateway.count",     "gateway.models",  "gateway.check",
        "gateway.submit",     "gateway.poll",      "gateway.cancel",  "gateway.subscribe",
        "gateway.requests",   "gateway.register",  "gateway.send",    "gateway.settle",
        "gateway.key_create", "gateway.limit_set", "gateway.key_set", "gateway.key_rotate"};
    uint8_t mem[512];
    char id[16];

    begin(NULL);
    world.chat = CHAT_SETTLE_OK;
    make_key(NULL, NULL, id);
    for (int i = 0; i < 4000; i++) {
        struct aiex_slice whole = pack(
            mem, sizeof(mem), "local", "b", 1, "dialect", "s", "openai.chat", "model", "s", "m",
            "id", "s", id, "method", "s", "chat", "tags", "r",
            (struct aiex_slice){(const uint8_t *)"\x81\xa1k\xa1v", 5}, "body", "x",
            (struct aiex_slice){(const uint8_t *)"{\"n\":2}", 7}, "models", "r",
            (struct aiex_slice){(const uint8_t *)"\x91\xa1m", 3}, "rpm", "i", 5, "ticket", "i", 77,
            NULL);
        size_t len = chance(4) ? whole.len : chance(whole.len);
        uint8_t *exact = malloc(len + 1);
        uint64_t request;

        memcpy(exact, mem, len);
        for (size_t k = chance(4); k && len; k--)
            exact[chance(len)] = (uint8_t)chance(256);
        if (aiex_is_map((struct aiex_slice){exact, len})) { /* the host checks that much */
            request = aiex_fake_request(h, p, self, methods[chance(16)],
                                        (struct aiex_slice){exact, len}, 0);
            if (is_open(request))
                aiex_fake_cancel(h, request);
        }
        free(exact);
        if (i % 100 == 99)
            aiex_fake_forget(h);
    }
    CU_ASSERT_EQUAL(status("in_flight"), 0);
    finish();
}

/* A compaction that finds that another process has written leaves that one the lock. */
static void a_compaction_that_gives_way_gives_the_lock_back(void)
{
    struct aiex_error err = {""};
    int fd;

    begin(NULL);
    make_key(NULL, "ann", NULL);
    fd = open(path_of("keys"), O_WRONLY | O_APPEND);
    CU_ASSERT_EQUAL_FATAL(write(fd, "A", 1), 1);
    CU_ASSERT_EQUAL(journal_compact(&gw()->keys.journal, NULL, NULL, &err), -EBUSY);
    CU_ASSERT_EQUAL(flock(fd, LOCK_EX | LOCK_NB), 0);
    close(fd);
    finish();
}

const struct test_case tests[] = {
    {"keys_survive_a_restart", keys_survive_a_restart},
    {"a_torn_tail_is_cut", a_torn_tail_is_cut},
    {"damage_is_refused", damage_is_refused},
    {"a_record_that_is_missing_or_doubled_is_damage",
     a_record_that_is_missing_or_doubled_is_damage},
    {"the_pepper_belongs_to_the_keys", the_pepper_belongs_to_the_keys},
    {"a_full_disk_refuses_changes", a_full_disk_refuses_changes},
    {"a_first_start_on_a_full_disk", a_first_start_on_a_full_disk},
    {"history_is_left_out", history_is_left_out},
    {"compaction_may_fail", compaction_may_fail},
    {"old_revoked_keys_are_forgotten_and_the_door_stays_closed",
     old_revoked_keys_are_forgotten_and_the_door_stays_closed},
    {"a_successor_sees_what_its_predecessor_writes", a_successor_sees_what_its_predecessor_writes},
    {"a_compaction_that_gives_way_gives_the_lock_back",
     a_compaction_that_gives_way_gives_the_lock_back},
    {"broken_maps", broken_maps},
    {0},
};

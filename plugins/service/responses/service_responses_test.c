/* service_responses through its descriptor, in files and in a store: chains, owners, bounds, what
 * survives, what is torn. */
#include "responses_rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

ssize_t __real_pwrite(int fd, const void *bytes, size_t n, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t offset);

static int disk_full;

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t offset)
{
    if (!disk_full)
        return __real_pwrite(fd, bytes, n, offset);
    errno = ENOSPC;
    return -1;
}

static void chain(void)
{
    begin(NULL);
    CU_ASSERT_STRING_EQUAL(put("r1", "", " [ {\"i\":1}, {\"i\":2} ] ", R(1)), "");
    CU_ASSERT_STRING_EQUAL(put("r2", "r1", "[]", "{\"output\":[]}"), "");
    CU_ASSERT_STRING_EQUAL(put("r3", "r2", "[{\"i\":3}]", "\n{\"no\":\"output\"}"), "");
    CU_ASSERT_STRING_EQUAL(put("r4", "r3", "[\"],[\"]", R(4)), "");
    CU_ASSERT_STRING_EQUAL(history("r1"), "[{\"i\":1},{\"i\":2},{\"o\":1}]");
    CU_ASSERT_STRING_EQUAL(history("r4"),
                           "[{\"i\":1},{\"i\":2},{\"o\":1},{\"i\":3},\"],[\",{\"o\":4}]");
    CU_ASSERT_STRING_EQUAL(bytes(ask_as("k1", "responses.get", "r1"), "response"), R(1));
    CU_ASSERT_STRING_EQUAL(bytes(ask_as("k1", "responses.get", "r2"), "previous"), "r1");
    CU_ASSERT_STRING_EQUAL(bytes(ask_as("k1", "responses.items", "r3"), "items"), "[{\"i\":3}]");
    CU_ASSERT_STRING_EQUAL(code(ask_as("k1", "responses.delete", "r2")), "");
    CU_ASSERT_STRING_EQUAL(code(ask_as("k1", "responses.get", "r2")), "not_found");
    CU_ASSERT_STRING_EQUAL(history("r4"), "not_found");
    CU_ASSERT_PTR_NOT_NULL(strstr(aiex_fake_last(h, AIEX_FAKE_FAIL)->text, "'r2', which 'r3'"));
    CU_ASSERT_STRING_EQUAL(history("r1"), "[{\"i\":1},{\"i\":2},{\"o\":1}]");
    CU_ASSERT_EQUAL(status("responses"), 3);
    finish();
}

static void owners(void)
{
    static const char *const methods[] = {"responses.get", "responses.items", "responses.delete",
                                          "responses.history"};

    begin(NULL);
    put_as("local", "mine", "", "[]", R(1));
    for (int i = 0; i < 4; i++)
        CU_ASSERT_STRING_EQUAL(code(ask_as("k2", methods[i], "mine")), "not_found");
    CU_ASSERT_STRING_EQUAL(code(ask_as("local", "responses.get", "mine")), "");
    CU_ASSERT_STRING_EQUAL(code(put_as("k2", "mine", "", "[]", R(2))), "conflict");
    put_as("k2", "theirs", "mine", "[]", R(2)); /* another's may be named, but not read */
    CU_ASSERT_STRING_EQUAL(code(ask_as("k2", "responses.history", "theirs")), "not_found");
    CU_ASSERT_STRING_EQUAL(code(put_as("local", "mine", "", "[]", R(9))), ""); /* once more */
    CU_ASSERT_STRING_EQUAL(bytes(ask_as("local", "responses.get", "mine"), "response"), R(9));
    CU_ASSERT_EQUAL(status("responses"), 2);
    finish();
}

static void wrong_requests(void)
{
    static const char *const ids[] = {"", "a/b", "../x", "a.b", "a b", "\xc3\xa9"};
    char long_id[200];

    begin(NULL);
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        CU_ASSERT_STRING_EQUAL(put(ids[i], "", "[]", "{}"), "invalid");
    memset(long_id, 'x', 129);
    long_id[129] = 0;
    CU_ASSERT_STRING_EQUAL(put(long_id, "", "[]", "{}"), "invalid");
    CU_ASSERT_STRING_EQUAL(put(long_id + 1, "", "[]", "{}"), "");
    CU_ASSERT_STRING_EQUAL(put("a", "../b", "[]", "{}"), "invalid");
    CU_ASSERT_STRING_EQUAL(put("a", "a", "[]", "{}"), "invalid");
    CU_ASSERT_STRING_EQUAL(put("a", "", "{}", "{}"), "invalid");
    CU_ASSERT_STRING_EQUAL(put("a", "", "", "{}"), "invalid");
    CU_ASSERT_STRING_EQUAL(put("a", "", "[]", "[]"), "invalid");
    CU_ASSERT_STRING_EQUAL(put("a", "", "[1,]", "{}"), "invalid");
    CU_ASSERT_STRING_EQUAL(put("a", "", "[]", "{} {}"), "invalid");
    CU_ASSERT_STRING_EQUAL(code(put_as("", "a", "", "[]", "{}")), "invalid");
    CU_ASSERT_STRING_EQUAL(code(ask_as("k1", "responses.get", "a")), "not_found");
    CU_ASSERT_STRING_EQUAL(code(ask_as("k1", "responses.get", "../etc")), "invalid");
    CU_ASSERT_STRING_EQUAL(code(ask_as("", "responses.get", "a")), "invalid");
    CU_ASSERT_STRING_EQUAL(code(ask_as("k1", "responses.other", "a")), "not_found");
    CU_ASSERT_EQUAL(kept(), 1);
    finish();
}

static void restart(void)
{
    begin(NULL);
    put("r1", "", "[1]", R(1));
    now += 1000;
    put("r2", "r1", "[2]", R(2));
    close_it();
    if (!in_store) {
        fclose(fopen(path("left.resp.tmp"), "w"));
        fclose(fopen(path("notes.txt"), "w"));
    }
    open_it(NULL);
    CU_ASSERT_STRING_EQUAL(history("r2"), "[1,{\"o\":1},2,{\"o\":2}]");
    CU_ASSERT_EQUAL(kept(), in_store ? 2 : 3); /* the temporary one is gone, the notes stay */
    CU_ASSERT_EQUAL(status("bytes") > 0, 1);
    finish();
}

/* Cut at every length, and each byte changed: read right, or left out with a line in the log. */
static void test_torn_and_damaged(void)
{
    struct stat st;
    uint8_t whole[1024];
    size_t n;
    FILE *f;

    begin(NULL);
    put("r1", "", "[1]", R(1));
    close_it();
    f = fopen(path("r1.resp"), "rb");
    n = fread(whole, 1, sizeof(whole), f);
    fclose(f);
    CU_ASSERT_TRUE_FATAL(n > 60);
    for (size_t i = 0; i < 2 * n; i++) {
        size_t len = i < n ? i : n;

        f = fopen(path("r1.resp"), "wb");
        if (i >= n)
            whole[i - n] ^= 4;
        fwrite(whole, 1, len, f);
        if (i >= n)
            whole[i - n] ^= 4;
        fclose(f);
        open_it(NULL);
        CU_ASSERT_STRING_EQUAL(history("r1"), "not_found");
        CU_ASSERT_EQUAL(status("responses"), 0);
        CU_ASSERT_EQUAL(status("bytes"), 0);
        CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(h, AIEX_FAKE_LOG, "r1.resp", 0));
        CU_ASSERT_EQUAL(stat(path("r1.resp"), &st), -1);
        close_it();
    }
    open_it(NULL);
    finish();
}

static void least_recently_used_go(void)
{
    static const struct aiex_fake_pair pairs[] = {{"max_count", "3"}, {0}};

    begin(pairs);
    put("r1", "", "[1]", R(1));
    put("r2", "r1", "[2]", R(2));
    put("r3", "", "[3]", R(3));
    history("r2"); /* uses r1, too */
    put("r4", "", "[4]", R(4));
    CU_ASSERT_STRING_EQUAL(code(ask_as("k1", "responses.get", "r3")), "not_found");
    CU_ASSERT_STRING_EQUAL(history("r2"), "[1,{\"o\":1},2,{\"o\":2}]");
    CU_ASSERT_EQUAL(status("evicted"), 1);
    CU_ASSERT_EQUAL(kept(), 3);
    finish();
}

static void bytes_are_bounded(void)
{
    static const struct aiex_fake_pair pairs[] = {{"max_bytes", "4k"}, {0}};
    char large[5000] = "[\"";
    char id[8];

    begin(pairs);
    memset(large + 2, 'x', 1000);
    strcpy(large + 1002, "\"]");
    for (int i = 0; i < 10; i++) {
        snprintf(id, sizeof(id), "r%d", i);
        CU_ASSERT_STRING_EQUAL(put(id, "", large, "{}"), "");
        CU_ASSERT_TRUE(status("bytes") <= 4096);
    }
    CU_ASSERT_EQUAL(status("responses"), 3);
    CU_ASSERT_STRING_EQUAL(put("r9", "", large, "{}"), ""); /* in its own place */
    CU_ASSERT_EQUAL(status("responses"), 3);
    memset(large + 2, 'x', 4500);
    strcpy(large + 4502, "\"]");
    CU_ASSERT_STRING_EQUAL(put("big", "", large, "{}"), "invalid");
    CU_ASSERT_EQUAL(status("responses"), 3); /* nothing had to go for it */
    finish();
}

static void ttl(void)
{
    static const struct aiex_fake_pair hour[] = {{"ttl", "1h"}, {0}};

    begin(hour);
    put("r1", "", "[1]", R(1));
    now += 3000000;
    put("r2", "r1", "[2]", R(2));
    CU_ASSERT_STRING_EQUAL(history("r2"), "[1,{\"o\":1},2,{\"o\":2}]");
    now += 700000;
    CU_ASSERT_STRING_EQUAL(history("r2"), "not_found"); /* its beginning is over its time */
    CU_ASSERT_EQUAL(kept(), 1);
    now += 3000000;
    aiex_fake_advance(h, 10000);
    CU_ASSERT_EQUAL(kept(), 0);
    CU_ASSERT_EQUAL(status("expired"), 2);
    reload_it(NULL);
    put("r3", "", "[]", R(3));
    now += 24 * 3600000ll;
    CU_ASSERT_STRING_EQUAL(code(ask_as("k1", "responses.get", "r3")), "");
    finish();
}

static void history_is_bounded(void)
{
    size_t size = 9 << 20;
    char *large = malloc(size + 8), id[16], previous[16];

    begin(NULL);
    strcpy(large, "[\"");
    memset(large + 2, 'y', size);
    strcpy(large + 2 + size, "\"]");
    CU_ASSERT_STRING_EQUAL(put("a", "", large, "{}"), "");
    CU_ASSERT_STRING_EQUAL(put("b", "a", large, "{}"), "");
    CU_ASSERT_EQUAL(strlen(bytes(ask_as("k1", "responses.get", "a"), "response")), 2);
    CU_ASSERT_STRING_EQUAL(code(ask_as("k1", "responses.history", "a")), "");
    CU_ASSERT_STRING_EQUAL(history("b"), "invalid");
    CU_ASSERT_PTR_NOT_NULL(strstr(aiex_fake_last(h, AIEX_FAKE_FAIL)->text, "16 MiB"));
    /* most of it in the outputs: found out while reading */
    memcpy(large, "{\"output\":[\"", 12);
    strcpy(large + size, "\"]}");
    put("c", "", "[]", large);
    put("d", "c", "[]", large);
    CU_ASSERT_STRING_EQUAL(history("d"), "invalid");
    /* a circle, which only replacing can make */
    put("x", "y", "[]", "{}");
    put("y", "x", "[]", "{}");
    CU_ASSERT_STRING_EQUAL(history("x"), "invalid");
    CU_ASSERT_PTR_NOT_NULL(strstr(aiex_fake_last(h, AIEX_FAKE_FAIL)->text, "longer than 4096"));
    for (int i = 0; i < 300; i++) {
        snprintf(id, sizeof(id), "n%d", i);
        snprintf(previous, sizeof(previous), "n%d", i - 1);
        put(id, i ? previous : "", "[0]", "{}");
    }
    CU_ASSERT_EQUAL(strlen(history("n299")), 601);
    free(large);
    finish();
}

static void test_full_disk(void)
{
    uint64_t call;
    int healthy = 1;

    begin(NULL);
    disk_full = 1;
    CU_ASSERT_STRING_EQUAL(put("r1", "", "[1]", R(1)), "unavailable");
    CU_ASSERT_EQUAL(kept(), 0);
    call = aiex_fake_request(h, p, self, "service.health", (struct aiex_slice){0}, 0);
    CU_ASSERT_EQUAL(aiex_get_bool(aiex_fake_answer(h, call)->body, "healthy", &healthy), 1);
    CU_ASSERT_EQUAL(healthy, 0);
    disk_full = 0;
    CU_ASSERT_STRING_EQUAL(put("r1", "", "[1]", R(1)), "");
    call = aiex_fake_request(h, p, self, "service.health", (struct aiex_slice){0}, 0);
    aiex_get_bool(aiex_fake_answer(h, call)->body, "healthy", &healthy);
    CU_ASSERT_EQUAL(healthy, 1);
    CU_ASSERT_STRING_EQUAL(history("r1"), "[1,{\"o\":1}]");
    finish();
}

/* While the plugin is replaced: what the old one wrote late is found, what it deleted is not. */
static void test_successor_beside_predecessor(void)
{
    struct aiex_fake_host *old_h;
    void *old_self;

    begin(NULL);
    put("gone", "", "[]", R(0));
    old_h = h;
    old_self = self;
    open_it(NULL);
    {
        struct aiex_fake_host *new_h = h;
        void *new_self = self;

        h = old_h;
        self = old_self;
        put("late", "", "[1]", R(1));
        ask_as("k1", "responses.delete", "gone");
        close_it();
        h = new_h;
        self = new_self;
    }
    CU_ASSERT_STRING_EQUAL(history("late"), "[1,{\"o\":1}]");
    CU_ASSERT_STRING_EQUAL(code(ask_as("k1", "responses.get", "gone")), "not_found");
    CU_ASSERT_EQUAL(status("responses"), 1);
    finish();
}

static void test_start_says_why(void)
{
    static const struct aiex_fake_pair in_files[] = {{"store", ""}, {NULL, NULL}};
    struct aiex_error err = {""};

    p = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    h = aiex_fake_host_new("service_responses");
    CU_ASSERT_EQUAL(aiex_fake_start(h, p, in_files, &self, &err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "no data folder"));
    aiex_fake_host_free(h);
    h = aiex_fake_host_new("service_responses");
    aiex_fake_data_dir(h, "/tmp/aiex_no_such_folder/x");
    CU_ASSERT_EQUAL(aiex_fake_start(h, p, in_files, &self, &err), -ENOENT);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
    strcpy(dir, "/tmp/aiex_responses_XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    for (size_t n = 1; n <= 2; n++) {
        h = aiex_fake_host_new("service_responses");
        aiex_fake_data_dir(h, dir);
        aiex_fake_fail_alloc(h, n);
        CU_ASSERT_EQUAL(aiex_fake_start(h, p, in_files, &self, &err), -ENOMEM);
        CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
    }
    CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static void test_chain(void)
{
    in_both(chain);
}

static void test_owners(void)
{
    in_both(owners);
}

static void test_wrong_requests(void)
{
    in_both(wrong_requests);
}

static void test_restart(void)
{
    in_both(restart);
}

static void test_least_recently_used_go(void)
{
    in_both(least_recently_used_go);
}

static void test_bytes_are_bounded(void)
{
    in_both(bytes_are_bounded);
}

static void test_ttl(void)
{
    in_both(ttl);
}

static void test_history_is_bounded(void)
{
    in_both(history_is_bounded);
}

const struct test_case tests[] = {
    {"chain", test_chain},
    {"owners", test_owners},
    {"wrong requests", test_wrong_requests},
    {"restart", test_restart},
    {"torn and damaged", test_torn_and_damaged},
    {"least recently used go", test_least_recently_used_go},
    {"bytes are bounded", test_bytes_are_bounded},
    {"ttl", test_ttl},
    {"history is bounded", test_history_is_bounded},
    {"full disk", test_full_disk},
    {"successor beside predecessor", test_successor_beside_predecessor},
    {"start says why", test_start_says_why},
    {0},
};

/* service_responses through its descriptor: chains, owners, bounds, what survives, what is torn. */
#include "responses.h"
#include "test.h"

#include <aiex_fake_host.h>
#include <dirent.h>
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

static struct aiex_fake_host *h;
static const struct aiex_plugin *p;
static void *self;
static char dir[64];
static int64_t now;

int64_t wall_ms(void)
{
    return now;
}

static void open_it(const struct aiex_fake_pair *pairs)
{
    struct aiex_error err = {""};

    h = aiex_fake_host_new("service_responses");
    aiex_fake_data_dir(h, dir);
    p = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    if (aiex_fake_start(h, p, pairs, &self, &err) != 0)
        CU_FAIL_FATAL(err.text);
}

static void close_it(void)
{
    aiex_fake_stop(h, p, self);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

static void begin(const struct aiex_fake_pair *pairs)
{
    strcpy(dir, "/tmp/aiex_responses_XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    now = 1795262400000ll;
    open_it(pairs);
}

static const char *path(const char *name)
{
    static char out[400];

    snprintf(out, sizeof(out), "%s/%s", dir, name);
    return out;
}

static unsigned files(int remove_them)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    unsigned n = 0;

    while ((e = readdir(d)))
        if (e->d_name[0] != '.') {
            n++;
            if (remove_them)
                unlink(path(e->d_name));
        }
    closedir(d);
    return n;
}

static void finish(void)
{
    close_it();
    files(1);
    CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static uint64_t put_as(const char *key, const char *id, const char *previous, const char *input,
                       const char *response)
{
    size_t size = strlen(input) + strlen(response) + 1024;
    uint8_t *mem = malloc(size);
    struct aiex_writer w;
    uint64_t call;

    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, 5);
    aiex_w_key_str(&w, "id", id);
    aiex_w_str(&w, "principal");
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "user", "u");
    aiex_w_key_str(&w, "key", key);
    aiex_w_key_str(&w, "previous", previous);
    aiex_w_key_bin(&w, "input", input, strlen(input));
    aiex_w_key_bin(&w, "response", response, strlen(response));
    call = aiex_fake_request(h, p, self, "responses.put", aiex_written(&w), 0);
    free(mem);
    return call;
}

static const char *put(const char *id, const char *previous, const char *input,
                       const char *response)
{
    return aiex_fake_answer(h, put_as("k1", id, previous, input, response))->code;
}

static uint64_t ask_as(const char *key, const char *method, const char *id)
{
    uint8_t mem[1024];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "id", id);
    aiex_w_str(&w, "principal");
    aiex_w_map(&w, 1);
    aiex_w_key_str(&w, "key", key);
    return aiex_fake_request(h, p, self, method, aiex_written(&w), 0);
}

static const char *code(uint64_t call)
{
    return aiex_fake_answer(h, call)->code;
}

/* The bytes under a key as text, or the code of the refusal. */
static const char *bytes(uint64_t call, const char *key)
{
    static char out[4][65536];
    static unsigned turn;
    char *mem = out[turn++ % 4];
    struct aiex_slice s = {NULL, 0};

    if (code(call)[0])
        return code(call);
    aiex_get_bytes(aiex_fake_answer(h, call)->body, key, &s);
    snprintf(mem, 65536, "%.*s", (int)s.len, s.data ? (const char *)s.data : "");
    return mem;
}

static const char *history(const char *id)
{
    return bytes(ask_as("k1", "responses.history", id), "items");
}

static int64_t status(const char *key)
{
    uint64_t call = aiex_fake_request(h, p, self, "responses.status", (struct aiex_slice){0}, 0);
    int64_t v = -1;

    aiex_get_int(aiex_fake_answer(h, call)->body, key, &v);
    return v;
}

#define R(n) "{\"id\":\"r\",\"output\":[{\"o\":" #n "}]}"

static void test_chain(void)
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

static void test_owners(void)
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

static void test_wrong_requests(void)
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
    CU_ASSERT_EQUAL(files(0), 1);
    finish();
}

static void test_restart(void)
{
    begin(NULL);
    put("r1", "", "[1]", R(1));
    now += 1000;
    put("r2", "r1", "[2]", R(2));
    close_it();
    fclose(fopen(path("left.resp.tmp"), "w"));
    fclose(fopen(path("notes.txt"), "w"));
    open_it(NULL);
    CU_ASSERT_STRING_EQUAL(history("r2"), "[1,{\"o\":1},2,{\"o\":2}]");
    CU_ASSERT_EQUAL(files(0), 3); /* the temporary one is gone, what is not ours stays */
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

static void test_least_recently_used_go(void)
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
    CU_ASSERT_EQUAL(files(0), 3);
    finish();
}

static void test_bytes_are_bounded(void)
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

static void test_ttl(void)
{
    static const struct aiex_fake_pair hour[] = {{"ttl", "1h"}, {0}};
    struct aiex_error err = {""};

    begin(hour);
    put("r1", "", "[1]", R(1));
    now += 3000000;
    put("r2", "r1", "[2]", R(2));
    CU_ASSERT_STRING_EQUAL(history("r2"), "[1,{\"o\":1},2,{\"o\":2}]");
    now += 700000;
    CU_ASSERT_STRING_EQUAL(history("r2"), "not_found"); /* its beginning is over its time */
    CU_ASSERT_EQUAL(files(0), 1);
    now += 3000000;
    aiex_fake_advance(h, 10000);
    CU_ASSERT_EQUAL(files(0), 0);
    CU_ASSERT_EQUAL(status("expired"), 2);
    CU_ASSERT_EQUAL(aiex_fake_reload(h, p, self, NULL, &err), 0);
    put("r3", "", "[]", R(3));
    now += 24 * 3600000ll;
    CU_ASSERT_STRING_EQUAL(code(ask_as("k1", "responses.get", "r3")), "");
    finish();
}

static void test_history_is_bounded(void)
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
    CU_ASSERT_EQUAL(files(0), 0);
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
    struct aiex_error err = {""};

    p = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    h = aiex_fake_host_new("service_responses");
    CU_ASSERT_EQUAL(aiex_fake_start(h, p, NULL, &self, &err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "no data folder"));
    aiex_fake_host_free(h);
    h = aiex_fake_host_new("service_responses");
    aiex_fake_data_dir(h, "/tmp/aiex_no_such_folder/x");
    CU_ASSERT_EQUAL(aiex_fake_start(h, p, NULL, &self, &err), -ENOENT);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
    strcpy(dir, "/tmp/aiex_responses_XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    for (size_t n = 1; n <= 2; n++) {
        h = aiex_fake_host_new("service_responses");
        aiex_fake_data_dir(h, dir);
        aiex_fake_fail_alloc(h, n);
        CU_ASSERT_EQUAL(aiex_fake_start(h, p, NULL, &self, &err), -ENOMEM);
        CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
    }
    CU_ASSERT_EQUAL(rmdir(dir), 0);
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

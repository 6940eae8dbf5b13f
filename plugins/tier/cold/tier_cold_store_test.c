/*
 * The disk and the memory under tier_cold: full and free again, a sync that fails, allocations that
 * fail on the threads, dictionaries that are trained, used, lost and given up.
 */
#include "cold_rig.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

/* The n-th allocation of the plugin's threads fails; 0 = none. */
static _Atomic long fail_at;
static pthread_t test_thread;
static __thread int in_host; /* the fake host ends the program without memory */

static int fails(void)
{
    return fail_at > 0 && !in_host && !pthread_equal(pthread_self(), test_thread) && --fail_at == 0;
}

struct aiex_fake_record;
const void *__real_fake_record(void *fake, const struct aiex_fake_record *r);
const void *__wrap_fake_record(void *fake, const struct aiex_fake_record *r);
int __real_fake_post(const void *table, void (*fn)(void *arg), void *arg);
int __wrap_fake_post(const void *table, void (*fn)(void *arg), void *arg);

const void *__wrap_fake_record(void *fake, const struct aiex_fake_record *r)
{
    const void *made;

    in_host = 1;
    made = __real_fake_record(fake, r);
    in_host = 0;
    return made;
}

int __wrap_fake_post(const void *table, void (*fn)(void *arg), void *arg)
{
    int r;

    in_host = 1;
    r = __real_fake_post(table, fn, arg);
    in_host = 0;
    return r;
}

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

/* ---- The disk ---- */

static long now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static const char *health(void)
{
    static char reason[400];
    struct aiex_slice a = tier_answer(tier_ask_begin("tier.health", (struct aiex_slice){NULL, 0}));
    int healthy = 0;

    aiex_get_bool(a, "healthy", &healthy);
    aiex_get_text(a, "reason", reason, sizeof(reason));
    return healthy ? "" : reason;
}

/* Full at every byte of a record; what was acknowledged stays, and it is back within a second. */
static void goes_on_after_a_full_disk(void)
{
    long began;

    cold_begin(NULL);
    tier_put_text("a", "one");
    tier_put_text("b", "two");
    for (long room = 0; room < 105; room += 7) {
        disk_room = room;
        CU_ASSERT_STRING_EQUAL(tier_put_text("a", "another"), "read_only");
        CU_ASSERT_STRING_EQUAL(tier_put_text("a", "another"), "read_only");
        CU_ASSERT_PTR_NOT_NULL(strstr(health(), "takes no more"));
        CU_ASSERT_STRING_EQUAL(tier_get("a"), "one");
        CU_ASSERT_STRING_EQUAL(tier_get("b"), "two");
        disk_room = -1;
        began = now_ms();
        while (*health())
            aiex_fake_poll(h, 5);
        CU_ASSERT_TRUE(now_ms() - began < 1000);
        CU_ASSERT_STRING_EQUAL(tier_put_text("b", "two"), "");
    }
    CU_ASSERT_TRUE(cold_logged("takes writes again"));
    disk_room = 0; /* delete needs the disk, too */
    CU_ASSERT_STRING_EQUAL(tier_put_text("x", "y"), "read_only");
    CU_ASSERT_EQUAL(tier_delete("a"), -1);
    cold_restart(NULL, 0); /* full while it opens: reading works */
    CU_ASSERT_STRING_EQUAL(tier_get("a"), "one");
    CU_ASSERT_STRING_EQUAL(tier_put_text("x", "y"), "read_only");
    disk_room = -1;
    while (*health())
        aiex_fake_poll(h, 5);
    CU_ASSERT_STRING_EQUAL(tier_put_text("x", "y"), "");
    CU_ASSERT_EQUAL(tier_stat("damaged"), 0);
    cold_end();
}

/* The first write of all finds no room. */
static void begins_on_a_full_disk(void)
{
    cold_begin(NULL);
    disk_room = 0;
    CU_ASSERT_STRING_EQUAL(tier_put_text("a", "one"), "read_only");
    disk_room = 10;
    CU_ASSERT_STRING_EQUAL(tier_put_text("a", "one"), "read_only");
    disk_room = -1;
    while (*health())
        aiex_fake_poll(h, 5);
    CU_ASSERT_STRING_EQUAL(tier_put_text("a", "one"), "");
    cold_restart(NULL, 0);
    CU_ASSERT_STRING_EQUAL(tier_get("a"), "one");
    cold_end();
}

/* What could not be synced was not acknowledged, and the file is not written to again. */
static void does_not_trust_a_file_that_failed_to_sync(void)
{
    char names[8][32];

    cold_begin(NULL);
    tier_put_text("a", "one");
    sync_fails = 1;
    CU_ASSERT_STRING_EQUAL(tier_put_text("a", "two"), "read_only");
    CU_ASSERT_STRING_EQUAL(tier_get("a"), "one");
    while (*health())
        aiex_fake_poll(h, 5);
    CU_ASSERT_STRING_EQUAL(tier_put_text("a", "three"), "");
    CU_ASSERT_EQUAL(cold_segments(names, 8), 2);
    cold_restart(NULL, 0);
    CU_ASSERT_STRING_EQUAL(tier_get("a"), "three");
    CU_ASSERT_EQUAL(tier_stat("damaged"), 0);
    cold_end();
}

/* ---- Memory ---- */

static void lives_with_little_memory(void)
{
    static char value[3000];
    const char *code, *got;

    test_thread = pthread_self();
    memset(value, 'v', sizeof(value) - 1);
    cold_begin(small_store);
    CU_ASSERT_STRING_EQUAL(tier_put_text("a", "old"), "");
    for (long n = 1; n < 12; n++) {
        fail_at = n;
        code = tier_put_text("k", value);
        CU_ASSERT_TRUE(!*code || !strcmp(code, "busy"));
        fail_at = n;
        got = tier_get("k");
        CU_ASSERT_TRUE(!strcmp(got, value) || !strcmp(got, "-") || !strcmp(got, "!busy"));
        fail_at = 0;
        CU_ASSERT_STRING_EQUAL(tier_get("a"), "old");
    }
    CU_ASSERT_STRING_EQUAL(tier_put_text("k", value), "");
    CU_ASSERT_STRING_EQUAL(tier_get("k"), value);
    for (long n = 1; n < 25; n++) { /* while it opens: it is tried until it works */
        tier_close();
        fail_at = n;
        tier_open(small_store);
        do
            got = tier_get("k");
        while (strcmp(got, "!unavailable") == 0 && aiex_fake_poll(h, 10) < 1000);
        fail_at = 0;
        CU_ASSERT_TRUE(strcmp(got, value) == 0 || strcmp(got, "!busy") == 0);
        CU_ASSERT_STRING_EQUAL(tier_get("k"), value);
        CU_ASSERT_STRING_EQUAL(tier_get("a"), "old");
        CU_ASSERT_EQUAL(tier_stat("damaged"), 0);
    }
    cold_end();
}

/* ---- Dictionaries ---- */

static const char *small_value(int i)
{
    static char text[400];

    snprintf(text, sizeof(text),
             "{\"path\":\"src/module%d/file%d.c\",\"language\":\"c\",\"symbols\":[\"alpha_%d\","
             "\"beta_%d\"],\"lines\":%d,\"summary\":\"reads the table and answers\"}",
             i % 17, i, i * 7, i * 13 % 101, i % 500);
    return text;
}

/* Many at once, so that a slow disk is waited for a few times only. */
static void put_small(int from, int until)
{
    uint64_t ids[100];
    char key[16];

    for (int i = from; i < until; i += 100) {
        int n = until - i < 100 ? until - i : 100;

        for (int k = 0; k < n; k++) {
            snprintf(key, sizeof(key), "k%d", i + k);
            ids[k] = tier_put_begin(&(struct tier_put){.key = key, .value = small_value(i + k)});
        }
        for (int k = 0; k < n; k++)
            CU_ASSERT_STRING_EQUAL(tier_wait(ids[k]), "");
        aiex_fake_forget(h);
    }
}

static int all_right(int from, int until)
{
    char key[16];
    int right = 0;

    for (int i = from; i < until; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        right += strcmp(tier_get(key), small_value(i)) == 0;
    }
    return right;
}

static unsigned dictionary_files(char name[32])
{
    DIR *d = opendir(tier_dir);
    struct dirent *e;
    unsigned n = 0;

    while (d && (e = readdir(d)))
        if (strncmp(e->d_name, "dict-", 5) == 0) {
            snprintf(name, 32, "%s", e->d_name);
            n++;
        }
    if (d)
        closedir(d);
    return n;
}

static void train(void)
{
    put_small(0, 520);
    for (int i = 0; !tier_stat("dictionary") && i < 6000; i++)
        aiex_fake_poll(h, 10);
    CU_ASSERT_EQUAL_FATAL(tier_stat("dictionary"), 1);
}

static void trains_a_dictionary_that_pays(void)
{
    int64_t from, to, before, after;
    char name[32];

    cold_begin(NULL);
    train();
    CU_ASSERT_EQUAL(dictionary_files(name), 1);
    from = tier_stat("packed_from");
    to = tier_stat("packed_to");
    before = to * 1000 / from;
    put_small(520, 1000);
    after = (tier_stat("packed_to") - to) * 1000 / (tier_stat("packed_from") - from);
    CU_ASSERT_TRUE(after * 3 < before * 2); /* a third less at least */
    CU_ASSERT_EQUAL(all_right(0, 1000), 1000);
    cold_restart(NULL, 0);
    CU_ASSERT_EQUAL(all_right(0, 1000), 1000);
    CU_ASSERT_EQUAL(tier_stat("dictionary"), 1); /* goes on with it */
    cold_end();
}

static void says_when_a_dictionary_is_lost(void)
{
    char name[32];

    cold_begin(NULL);
    train();
    put_small(520, 620);
    tier_close();
    CU_ASSERT_EQUAL(dictionary_files(name), 1);
    cold_flip(name, 500);
    tier_open(NULL);
    CU_ASSERT_EQUAL(all_right(0, 500), 500);
    CU_ASSERT_STRING_EQUAL(tier_get("k600"), "-"); /* and no byte of it */
    CU_ASSERT_TRUE(cold_logged(name));
    CU_ASSERT_TRUE(tier_stat("damaged") > 0);
    tier_close();
    unlink(tier_path(name));
    tier_open(NULL);
    CU_ASSERT_STRING_EQUAL(tier_get("k600"), "-");
    CU_ASSERT_TRUE(cold_logged("need a dictionary that is lost"));
    cold_end();
}

/* When no segment has values of it any more, its file goes. */
static void gives_up_dictionaries(void)
{
    static const struct aiex_fake_pair tiny[] = {{"max_bytes", "4M"}, {0}};
    static char noise[20000];
    uint64_t x = 1;
    char name[32], other[32] = "dict-0000abcd", key[16], from[400], to[400];

    cold_begin(tiny);
    train();
    put_small(520, 540); /* with it */
    CU_ASSERT_EQUAL(dictionary_files(name), 1);
    tier_close();
    snprintf(from, sizeof(from), "%s", tier_path(name));
    snprintf(to, sizeof(to), "%s", tier_path(other)); /* one that nobody needs */
    CU_ASSERT_EQUAL(link(from, to), 0);
    tier_open(tiny);
    cold_ready();
    CU_ASSERT_EQUAL(dictionary_files(name), 1);
    CU_ASSERT_STRING_NOT_EQUAL(name, other);
    for (int i = 0; i < 400; i++) { /* pushes the old segments out; the current one stays */
        for (size_t k = 0; k < sizeof(noise); k++)
            noise[k] = (char)((x = x * 6364136223846793005u + 1442695040888963407u) >> 56);
        snprintf(key, sizeof(key), "n%d", i);
        tier_put(&(struct tier_put){.key = key, .value = noise, .value_len = sizeof(noise)});
    }
    CU_ASSERT_EQUAL(dictionary_files(name), 1);
    cold_restart(tiny, 0); /* no value has it, so it is not current any more */
    cold_ready();
    CU_ASSERT_EQUAL(dictionary_files(name), 0);
    cold_end();
}

/* A sync that fails when the batch goes on in a new file: the whole batch is not acknowledged. */
static void a_failed_sync_between_files(void)
{
    static char noise[70000];
    uint64_t ids[4], x = 7;
    char key[16];
    int refused = 0;

    for (size_t k = 0; k < sizeof(noise); k++)
        noise[k] = (char)((x = x * 6364136223846793005u + 1442695040888963407u) >> 56);
    cold_begin(small_store);
    tier_put_text("a", "one");
    sync_fails = 1;
    for (int i = 0; i < 4; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        ids[i] = tier_put_begin(
            &(struct tier_put){.key = key, .value = noise, .value_len = sizeof(noise)});
    }
    for (int i = 0; i < 4; i++)
        refused += strcmp(tier_wait(ids[i]), "read_only") == 0;
    CU_ASSERT_TRUE(refused > 0);
    while (*health())
        aiex_fake_poll(h, 5);
    CU_ASSERT_STRING_EQUAL(tier_get("a"), "one");
    CU_ASSERT_STRING_EQUAL(tier_put_text("a", "two"), "");
    cold_restart(small_store, 0);
    CU_ASSERT_STRING_EQUAL(tier_get("a"), "two");
    for (int i = 0; i < 4; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        CU_ASSERT_TRUE(*tier_get(key) != '!');
    }
    cold_end();
}

const struct test_case tests[] = {
    {"goes_on_after_a_full_disk", goes_on_after_a_full_disk},
    {"begins_on_a_full_disk", begins_on_a_full_disk},
    {"does_not_trust_a_file_that_failed_to_sync", does_not_trust_a_file_that_failed_to_sync},
    {"lives_with_little_memory", lives_with_little_memory},
    {"trains_a_dictionary_that_pays", trains_a_dictionary_that_pays},
    {"gives_up_dictionaries", gives_up_dictionaries},
    {"a_failed_sync_between_files", a_failed_sync_between_files},
    {"says_when_a_dictionary_is_lost", says_when_a_dictionary_is_lost},
    {0},
};

/*
 * What tier_cold survives and what it says about it: kill -9, torn tails, flipped bits, files that
 * are cut, swapped, lost or older copies. Whatever happens, what a get returns is what was put
 * last.
 */
#include "cold_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Values that do not get small: key and version all over. */
static const char *value_of(int key, int version)
{
    static char text[3000];
    uint64_t x = (uint64_t)key * 7919 + (uint64_t)version * 104729 + 1;
    int n = snprintf(text, sizeof(text), "%d/%d:", key, version);

    for (size_t i = (size_t)n; i + 1 < sizeof(text); i++)
        text[i] = (char)('!' + ((x = x * 6364136223846793005u + 1442695040888963407u) >> 57) % 90);
    return text;
}

static void put(int key, int version)
{
    char name[16];

    snprintf(name, sizeof(name), "k%d", key);
    CU_ASSERT_STRING_EQUAL(tier_put_text(name, value_of(key, version)), "");
}

/* 1: the version is there, 0: nothing is, -1: something else is. */
static int has(int key, int version)
{
    const char *got;
    char name[16];

    snprintf(name, sizeof(name), "k%d", key);
    got = tier_get(name);
    return strcmp(got, "-") == 0 ? 0 : strcmp(got, value_of(key, version)) == 0 ? 1 : -1;
}

/* How many of keys [0, n) have this version; asserts that none has another. */
static int count(int n, int version)
{
    int there = 0;

    for (int i = 0; i < n; i++) {
        int r = has(i, version);

        CU_ASSERT_TRUE(r >= 0);
        there += r == 1;
    }
    return there;
}

/* Two versions of each key. */
static void two_versions(int n)
{
    for (int version = 1; version <= 2; version++)
        for (int i = 0; i < n; i++)
            put(i, version);
}

#define MANY 150

static int newest(int key)
{
    return key % 5 < 3 ? 2 : 1;
}

/* Several segments, with so little that is dead that nothing is compacted. */
static unsigned many(char names[64][32])
{
    unsigned n;

    for (int version = 1; version <= 2; version++)
        for (int i = 0; i < MANY; i++)
            if (version <= newest(i))
                put(i, version);
    tier_close();
    n = cold_segments(names, 64);
    CU_ASSERT_TRUE_FATAL(n > 4);
    return n;
}

static int count_many(void)
{
    int there = 0;

    for (int i = 0; i < MANY; i++) {
        int r = has(i, newest(i));

        CU_ASSERT_TRUE(r >= 0);
        there += r == 1;
    }
    return there;
}

/* ---- kill -9 ---- */

static int (*acked)[64]; /* shared with the child: acknowledged versions */

static void write_until_killed(void)
{
    for (int version = 1;; version++)
        for (int key = 0; key < 64; key++) {
            char name[16];

            snprintf(name, sizeof(name), "k%d", key);
            if (*tier_put_text(name, value_of(key, version)))
                _exit(1);
            (*acked)[key] = version;
            if (version == 3 && key == 17)
                return; /* the rig kills */
        }
}

static void survives_kill_9(void)
{
    acked = mmap(NULL, sizeof(*acked), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cold_begin(small_store);
    tier_close();
    for (int round = 0; round < 5; round++) {
        memset(acked, 0, sizeof(*acked));
        cold_killed(small_store, write_until_killed);
        tier_open(small_store);
        for (int key = 0; key < 64; key++)
            CU_ASSERT_EQUAL(has(key, (*acked)[key]), 1);
        CU_ASSERT_EQUAL(tier_stat("damaged"), 0);
        tier_close();
    }
    tier_open(small_store);
    munmap(acked, sizeof(*acked));
    cold_end();
}

/* ---- The tail ---- */

static void cuts_a_torn_tail(void)
{
    char names[8][32];
    long size;
    int fd;

    cold_begin(NULL);
    two_versions(10);
    tier_close();
    CU_ASSERT_EQUAL(cold_segments(names, 8), 1);
    size = cold_size(names[0]);
    fd = open(tier_path(names[0]), O_WRONLY | O_APPEND);
    CU_ASSERT_EQUAL(write(fd, "half of a record that was never acknowledged", 44), 44);
    close(fd);
    tier_open(NULL);
    CU_ASSERT_EQUAL(count(10, 2), 10);
    CU_ASSERT_TRUE(cold_logged("the last 44 bytes"));
    CU_ASSERT_EQUAL(tier_stat("damaged"), 0);
    CU_ASSERT_EQUAL(cold_size(names[0]), size);
    cold_end();
}

/* What was acknowledged and is cut off is told, and older versions do not come back. */
static void notices_a_cut(void)
{
    char names[8][32];

    cold_begin(NULL);
    two_versions(10);
    tier_close();
    cold_segments(names, 8);
    cold_cut(names[0], 3100 * 3);
    tier_open(NULL);
    CU_ASSERT_TRUE(count(10, 2) == 6 || count(10, 2) == 7);
    CU_ASSERT_TRUE(cold_logged("records are missing"));
    CU_ASSERT_TRUE(tier_stat("damaged") > 0);
    put(9, 3); /* goes on */
    put(9, 2);
    cold_restart(NULL, 0);
    CU_ASSERT_EQUAL(has(9, 2), 1);
    CU_ASSERT_TRUE(count(10, 2) >= 6);
    cold_end();
}

static void notices_an_older_copy(void)
{
    char names[8][32], path[400];
    uint8_t *copy;
    long size;
    int fd;

    cold_begin(NULL);
    for (int i = 0; i < 10; i++)
        put(i, 1);
    tier_close();
    cold_segments(names, 8);
    size = cold_size(names[0]);
    snprintf(path, sizeof(path), "%s", tier_path(names[0]));
    copy = malloc((size_t)size);
    fd = open(path, O_RDONLY);
    CU_ASSERT_EQUAL(read(fd, copy, (size_t)size), size);
    close(fd);
    tier_open(NULL);
    for (int i = 0; i < 5; i++)
        put(i, 2);
    tier_close();
    fd = open(path, O_WRONLY | O_TRUNC);
    CU_ASSERT_EQUAL(write(fd, copy, (size_t)size), size);
    close(fd);
    free(copy);
    tier_open(NULL);
    for (int i = 0; i < 10; i++) /* version 1 of the first five is not the last one */
        CU_ASSERT_EQUAL(has(i, 1), i >= 5);
    CU_ASSERT_TRUE(cold_logged("records are missing"));
    cold_end();
}

/* ---- Damage in the middle ---- */

/* Every so many bytes one bit: only the entry there is lost, and never an old version is found. */
static void finds_flipped_bits(void)
{
    char names[64][32];
    unsigned n;

    cold_begin(small_store);
    n = many(names);
    for (unsigned i = 0; i < n; i++)
        /* not in the last record: opening cuts what looks like a torn tail (notices_a_cut) */
        for (long at = 5; at < cold_size(names[i]) - 3200; at += 20011) {
            int there;

            cold_flip(names[i], at);
            tier_open(small_store);
            there = count_many();
            /* a damaged head costs the whole file, anything else one entry */
            CU_ASSERT_TRUE(at < 30 || there >= MANY - 2);
            CU_ASSERT_TRUE(cold_logged(names[i]));
            CU_ASSERT_TRUE(tier_stat("damaged") > 0);
            tier_close();
            if (at >= 30) {
                cold_flip(names[i], at);
                continue;
            }
            CU_ASSERT_EQUAL(cold_size(names[i]), -1); /* put aside */
            {
                char from[400], to[400];

                snprintf(to, sizeof(to), "%s", tier_path(names[i]));
                snprintf(from, sizeof(from), "%s.bad", to);
                CU_ASSERT_EQUAL(rename(from, to), 0);
            }
            cold_flip(names[i], at);
        }
    tier_open(small_store);
    CU_ASSERT_EQUAL(count_many(), MANY);
    CU_ASSERT_EQUAL(tier_stat("damaged"), 0);
    cold_end();
}

/* While it runs: told with the place, not returned, and then not there. */
static void finds_damage_while_it_runs(void)
{
    char names[8][32];
    uint8_t body[] = "\x81\xa3key\xa2k3";
    uint64_t id;

    cold_begin(NULL);
    two_versions(10);
    cold_segments(names, 8);
    for (long at = cold_size(names[0]) / 2; at < cold_size(names[0]); at += 1000)
        cold_flip(names[0], at);
    id = tier_ask_begin("tier.get", (struct aiex_slice){body, sizeof(body) - 1});
    CU_ASSERT_STRING_EQUAL(tier_wait(id), "internal");
    CU_ASSERT_PTR_NOT_NULL(strstr(aiex_fake_answer(h, id)->text, "damaged at"));
    CU_ASSERT_TRUE(cold_logged(names[0]));
    CU_ASSERT_STRING_EQUAL(tier_get("k3"), "-");
    put(3, 4);
    CU_ASSERT_EQUAL(has(3, 4), 1);
    cold_restart(NULL, 0);
    CU_ASSERT_EQUAL(has(3, 4), 1);
    for (int i = 0; i < 10; i++)
        CU_ASSERT_NOT_EQUAL(has(i, i == 3 ? 4 : 2), -1);
    cold_end();
}

/* ---- Files ---- */

static void rename_segments(const char *a, const char *b)
{
    char from[400], to[400];

    snprintf(from, sizeof(from), "%s", tier_path(a));
    snprintf(to, sizeof(to), "%s", tier_path(b));
    CU_ASSERT_EQUAL(rename(from, to), 0);
}

static void notices_swapped_files(void)
{
    char names[64][32];
    unsigned n;

    cold_begin(small_store);
    n = many(names);
    rename_segments(names[1], "aside");
    rename_segments(names[n - 2], names[1]);
    rename_segments("aside", names[n - 2]);
    tier_open(small_store);
    CU_ASSERT_TRUE(count_many() > 0); /* and none has another version */
    CU_ASSERT_TRUE(cold_logged("says that it is another segment"));
    CU_ASSERT_TRUE(cold_logged(names[1]));
    CU_ASSERT_TRUE(cold_logged(names[n - 2]));
    put(5, 2);
    CU_ASSERT_EQUAL(has(5, 2), 1);
    cold_end();
}

static void notices_lost_and_foreign_files(void)
{
    char names[64][32];
    unsigned n;
    int fd;

    cold_begin(small_store);
    n = many(names);
    CU_ASSERT_EQUAL(unlink(tier_path(names[n - 2])), 0);
    fd = open(tier_path(names[1]), O_WRONLY | O_TRUNC);
    CU_ASSERT_EQUAL(write(fd, "this is something else entirely, not a log", 42), 42);
    close(fd);
    tier_open(small_store);
    CU_ASSERT_TRUE(count_many() > 0);
    CU_ASSERT_TRUE(cold_logged("records before it are missing"));
    CU_ASSERT_TRUE(cold_logged("does not begin as a segment"));
    put(50, 3);
    cold_restart(small_store, 0);
    CU_ASSERT_EQUAL(has(50, 3), 1);
    cold_end();
}

/* The newest file is lost: the mark knows. */
static void notices_a_lost_end(void)
{
    char names[64][32];
    unsigned n;

    cold_begin(small_store);
    n = many(names);
    unlink(tier_path(names[n - 1]));
    tier_open(small_store);
    (void)count_many();
    CU_ASSERT_TRUE(cold_logged(names[n - 1]));
    put(1, 3);
    cold_restart(small_store, 0);
    CU_ASSERT_EQUAL(has(1, 3), 1);
    cold_end();
}

/* ---- Anything ---- */

static uint64_t chance = 88172645463325252ull;

static uint32_t any(uint32_t n)
{
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    return (uint32_t)(chance >> 20) % n;
}

struct kept {
    char name[32];
    uint8_t *bytes;
    long size;
};

static void keep(struct kept *k, const char *name)
{
    int fd = open(tier_path(name), O_RDONLY);

    snprintf(k->name, sizeof(k->name), "%s", name);
    k->size = cold_size(name);
    k->bytes = malloc((size_t)k->size);
    CU_ASSERT_EQUAL(read(fd, k->bytes, (size_t)k->size), k->size);
    close(fd);
}

static void put_back(const struct kept *k)
{
    char path[400];
    int fd;

    snprintf(path, sizeof(path), "%s.bad", tier_path(k->name));
    unlink(path);
    fd = open(tier_path(k->name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CU_ASSERT_EQUAL(write(fd, k->bytes, (size_t)k->size), k->size);
    close(fd);
}

/* One wound of some kind. */
static void wound(const char *name)
{
    static const uint8_t zeros[9000];
    long size = cold_size(name), at;
    uint32_t kind = any(5);
    int fd;

    if (size < 100)
        return;
    at = (long)any((uint32_t)size);
    fd = open(tier_path(name), O_WRONLY);
    switch (kind) {
    case 0:
        CU_ASSERT_EQUAL(ftruncate(fd, at), 0);
        break;
    case 1:
        CU_ASSERT_TRUE(pwrite(fd, zeros, any(sizeof(zeros)), at) >= 0);
        break;
    case 2:
        CU_ASSERT_EQUAL(unlink(tier_path(name)), 0);
        break;
    default:
        for (uint32_t i = any(6) + 1; i--;)
            cold_flip(name, (long)any((uint32_t)size));
    }
    close(fd);
}

/* Some wounds at once, and what is found is the newest or nothing. */
static void never_returns_what_is_not_the_last(void)
{
    struct kept kept[65];
    char names[64][32];
    unsigned n, rounds = 0;

    cold_begin(small_store);
    n = many(names);
    for (unsigned i = 0; i < n; i++)
        keep(&kept[i], names[i]);
    keep(&kept[n], "mark");
    for (; rounds < 150; rounds++) {
        char now[64][32];
        unsigned left;

        for (uint32_t i = any(3) + 1; i--;)
            wound(names[any(n)]);
        tier_open(small_store);
        (void)count_many();
        put(MANY, 1); /* and it takes more */
        CU_ASSERT_EQUAL(has(MANY, 1), 1);
        cold_restart(small_store, 0);
        (void)count_many();
        CU_ASSERT_EQUAL(has(MANY, 1), 1);
        tier_close();
        left = cold_segments(now, 64);
        for (unsigned i = 0; i < left; i++)
            unlink(tier_path(now[i]));
        for (unsigned i = 0; i <= n; i++)
            put_back(&kept[i]);
    }
    tier_open(small_store);
    CU_ASSERT_EQUAL(count_many(), MANY);
    for (unsigned i = 0; i <= n; i++)
        free(kept[i].bytes);
    cold_end();
}

static void notices_a_lost_beginning(void)
{
    char names[64][32];

    cold_begin(small_store);
    (void)many(names);
    unlink(tier_path(names[0]));
    tier_open(small_store);
    CU_ASSERT_TRUE(count_many() > 0);
    CU_ASSERT_TRUE(cold_logged("is missing"));
    CU_ASSERT_TRUE(cold_logged(names[0]));
    cold_end();
}

/* A deleted key stays deleted, whatever is lost around it. */
static void deleted_stays_deleted(void)
{
    char names[8][32];
    long before;

    cold_begin(NULL);
    for (int i = 0; i < 10; i++)
        put(i, 1);
    cold_segments(names, 8);
    before = cold_size(names[0]);
    CU_ASSERT_EQUAL(tier_delete("k4"), 1);
    put(5, 2);
    tier_close();
    cold_flip(names[0], before + 30); /* in the mark of deletion */
    tier_open(NULL);
    CU_ASSERT_EQUAL(has(4, 1), 0);
    CU_ASSERT_EQUAL(has(5, 2), 1);
    CU_ASSERT_EQUAL(has(3, 1), 1);
    cold_end();
}

const struct test_case tests[] = {
    {"survives_kill_9", survives_kill_9},
    {"cuts_a_torn_tail", cuts_a_torn_tail},
    {"notices_a_cut", notices_a_cut},
    {"notices_an_older_copy", notices_an_older_copy},
    {"finds_flipped_bits", finds_flipped_bits},
    {"finds_damage_while_it_runs", finds_damage_while_it_runs},
    {"notices_swapped_files", notices_swapped_files},
    {"notices_lost_and_foreign_files", notices_lost_and_foreign_files},
    {"notices_a_lost_end", notices_a_lost_end},
    {"notices_a_lost_beginning", notices_a_lost_beginning},
    {"deleted_stays_deleted", deleted_stays_deleted},
    {"never_returns_what_is_not_the_last", never_returns_what_is_not_the_last},
    {0},
};

/*
 * store_bdb_shrink_test.c - room given back while writes go on, and that nothing of what was erased
 * is left in any file.
 */
#include "store_rig.h"

#include "env.h"
#include "scrub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct aiex_fake_pair small[] = {
    {"log_file", "9M"}, {"checkpoint", "1M"}, {"ballast", "0"}, {0}};
static const struct aiex_fake_pair kept[] = {
    {"log_file", "9M"}, {"checkpoint", "1M"}, {"ballast", "0"}, {"archive", "1G"}, {0}};

#define MANY 150000

static const char word[] = "SecretOfPaula";

/* Files in which the word is. */
static int leaks(const char *what)
{
    char command[200], text[400] = "";
    size_t n;
    FILE *f;

    snprintf(command, sizeof(command), "grep -rlaF '%s' %s", what, dir);
    f = popen(command, "r");
    n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
    if (f)
        pclose(f);
    return n != 0;
}

/* Every third event and row is about a person; the others stay. */
static void write_some(int from, int n)
{
    uint64_t last = 0;

    for (int i = from; i < from + n; i++) {
        const char *w = i % 3 ? "others" : word;

        last = begin(
            "store.transact",
            "{'operations': [{'op': 'append', 'stream': 'of-%s', 'events': [{'id': '%s-%d', "
            "'type': 't', 'correlation': 'c', 'data': '%s %0600d'}]}, {'op': 'put', "
            "'table': 'u', 'key': '%s-%d', 'value': '%s %0300d'}]}",
            i % 3 ? "others" : "paula", i % 3 ? "o" : "p", i, w, i, i % 3 ? "o" : "p", i, w, i);
    }
    HAS(end_of(last), "'version'");
    aiex_fake_forget(h);
}

static void erase_person(int n)
{
    uint64_t last = 0;

    HAS(ask("store.erase", "{'stream': 'of-paula'}"), "'removed'");
    for (int i = 0; i < n; i += 3)
        last = begin("store.transact",
                     "{'operations': [{'op': 'delete', 'table': 'u', 'key': 'p-%d'}]}", i);
    HAS(end_of(last), "'version'");
    aiex_fake_forget(h);
}

static void is_whole(int n)
{
    HAS(ask("store.verify", "{}"), "'faults':0");
    CU_ASSERT_EQUAL(number(ask("store.status", "{}"), "sequence"), n);
    CU_ASSERT_EQUAL(number(ask("store.read", "{'stream': 'of-others'}"), "events"), n * 2 / 3);
    HAS(ask("store.get", "{'table': 'u', 'key': 'o-%d'}", n - 2), "'found':true");
    HAS(ask("store.get", "{'table': 'u', 'key': 'p-0'}"), "'found':false");
    CU_ASSERT_TRUE(comes("store.health", "'healthy':true"));
    aiex_fake_forget(h);
}

static void test_nothing_is_left(void)
{
    rig_begin(small);
    for (int i = 0; i < 3; i++)
        write_some(i * 300, 300);
    CU_ASSERT_TRUE(leaks(word)); /* the search finds what is there */
    erase_person(900);
    CU_ASSERT_TRUE(leaks(word));
    HAS(ask("store.shrink", "{}"), "'freed'");
    CU_ASSERT_FALSE(leaks(word)); /* while it runs */
    CU_ASSERT_TRUE(leaks("others"));
    is_whole(900);
    rig_close();
    CU_ASSERT_FALSE(leaks(word));
    rig_open(small);
    is_whole(900);
    CU_ASSERT_FALSE(leaks(word));
    rig_close();
    rig_end();
}

/* What is kept for restores has it still, until it is told to forget. */
static void test_archive_forgets(void)
{
    rig_begin(kept);
    write_some(0, 300);
    HAS(ask("store.backup", "{'path': 'b'}"), "'verified':true");
    write_some(300, 300);
    erase_person(600);
    HAS(ask("store.shrink", "{}"), "'freed'");
    CU_ASSERT_TRUE(leaks(word));
    CU_ASSERT_EQUAL(number(ask("store.restore", "{'path': 'b', 'to_sequence': 500}"), "sequence"),
                    500);
    HAS(ask("store.get", "{'table': 'u', 'key': 'p-0'}"), "'found':true");
    CU_ASSERT_EQUAL(number(ask("store.restore", "{'path': 'b', 'to_sequence': 600}"), "sequence"),
                    600);
    erase_person(600);
    rig_folder_remove(rig_path("b"));
    HAS(ask("store.shrink", "{'forget': true}"), "'freed'");
    CU_ASSERT_FALSE(leaks(word));
    is_whole(600);
    rig_close();
    CU_ASSERT_FALSE(leaks(word));
    rig_end();
}

/* Without the log, whose files have their room from the beginning. */
static long long bytes_of_files(void)
{
    long long bytes = 0;
    struct stat st;
    char name[64];

    for (enum file f = 0; f < N_FILES; f++) {
        snprintf(name, sizeof(name), "db/%s", env_file_name(f));
        if (stat(rig_path(name), &st) == 0)
            bytes += (long long)st.st_blocks * 512;
    }
    return bytes;
}

/* Most of it is erased: the files become small, while others write and read. */
static void test_room_comes_back(void)
{
    uint64_t shrinking, writes = 0;
    long long before, after;
    const char *a;

    rig_begin(small);
    for (int i = 0; i < 10; i++)
        write_some(i * 600, 600);
    HAS(ask("store.shrink", "{}"), "'freed'"); /* all of it in the files */
    before = bytes_of_files();
    for (int i = 0; i < 2; i++)
        HAS(ask("store.erase", "{'stream': 'of-%s', 'close': true}", i ? "paula" : "others"),
            "'removed'");
    shrinking = begin("store.shrink", "{}");
    while (!aiex_fake_answer(h, shrinking) && writes < 100) {
        HAS(ask("store.append", "{'stream': 'live', 'events': [{'id': 'l%llu', 'type': 't'}]}",
                (unsigned long long)++writes),
            "'version'");
        HAS(ask("store.read", "{'stream': 'live', 'limit': 1}"), "'events':1");
    }
    a = end_of(shrinking);
    after = bytes_of_files();
    CU_ASSERT_TRUE(number(a, "freed") > 0);
    CU_ASSERT_TRUE(after > 0 && after < before / 2);
    CU_ASSERT_TRUE(number(ask("store.shrink", "{}"), "bytes") > 0);
    CU_ASSERT_TRUE(bytes_of_files() <= after + (1 << 20)); /* and what others wrote meanwhile */
    HAS(ask("store.verify", "{}"), "'faults':0");
    rig_close();
    rig_end();
}

static void test_refused(void)
{
    rig_begin(small);
    CU_ASSERT_TRUE(comes("store.health", "'healthy':true"));
    HAS(ask("store.shrink", "{'forget': 1}"), "invalid: field 'forget'");
    HAS(ask("store.freeze", "{}"), "");
    HAS(ask("store.shrink", "{}"), "read_only");
    HAS(ask("store.freeze", "{'on': false}"), "");
    HAS(ask("store.shrink", "{}"), "'freed'"); /* also an empty one */
    rig_close();
    rig_end();
}

/* ---- One page ---- */

static uint32_t plain_sum(const uint8_t *bytes, size_t len)
{
    uint32_t h32 = 0;

    for (size_t i = 0; i < len; i++)
        h32 = h32 * 33u + bytes[i];
    return h32;
}

static void put16(uint8_t *page, size_t at, uint16_t value)
{
    memcpy(page + at, &value, sizeof(value));
}

static void test_scrub_page(void)
{
    uint8_t page[512], before[512];
    uint32_t sum, wanted;

    memset(page, 'x', sizeof(page));
    page[25] = 5; /* a leaf with 3 entries, items from 400 on */
    put16(page, 20, 3);
    put16(page, 22, 400);
    CU_ASSERT_EQUAL(scrub_page(page, sizeof(page)), 1);
    CU_ASSERT_TRUE(page[37] == 'x' && page[38] == 0 && page[399] == 0 && page[400] == 'x');
    memcpy(&sum, page + 28, 4);
    memcpy(before, page, sizeof(page));
    memset(before + 28, 0, 4);
    wanted = plain_sum(before, sizeof(before));
    CU_ASSERT_EQUAL(sum, wanted);
    CU_ASSERT_EQUAL(scrub_page(page, sizeof(page)), 0); /* nothing is left to do */
    /* what can not be a page stays as it is */
    for (unsigned kind = 0; kind < 16; kind++) {
        memset(page, 0xee, sizeof(page));
        page[25] = (uint8_t)kind;
        memcpy(before, page, sizeof(page));
        CU_ASSERT_EQUAL(scrub_page(page, sizeof(page)), kind == 0);
        CU_ASSERT_TRUE(kind == 0 || memcmp(before, page, sizeof(page)) == 0);
    }
    CU_ASSERT_EQUAL(scrub_page(page, 100), 0);
}

/* Writers that never rest, with ids that fall everywhere, do not keep it from its end. */
static void test_ends_while_others_write(void)
{
    uint64_t last = 0, id;
    int n = 0;

    rig_begin(small);
    write_some(0, 600);
    erase_person(600);
    id = begin("store.shrink", "{}");
    while (!aiex_fake_answer(h, id) && n < MANY) {
        for (int i = 0; i < 64; i++, n++)
            last = begin("store.append",
                         "{'stream': 's%d', 'level': 'written', 'events': [{'id': '%08x', 'type': "
                         "'t', 'data': '%0200d'}]}",
                         n % 7, (unsigned)n * 2654435761u, n);
        end_of(last);
    }
    printf("%d events meanwhile ", n);
    CU_ASSERT_TRUE(n < MANY);
    HAS(end_of(id), "'freed':");
    HAS(ask("store.verify", "{}"), "'faults':0");
    rig_close();
    rig_end();
}

const struct test_case tests[] = {
    {"nothing is left", test_nothing_is_left},
    {"the archive forgets", test_archive_forgets},
    {"ends while others write", test_ends_while_others_write},
    {"room comes back", test_room_comes_back},
    {"refused", test_refused},
    {"a page", test_scrub_page},
    {0},
};

/*
 * store_bdb_cipher_test.c - encryption at rest: no text of ours in any file, the wrong key touches
 * nothing, backups under the same key, on and off and to another key by store.rewrite.
 */
#include "store_rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECRET "correct-horse-battery-staple-123"
#define OTHER  "another-key-of-enough-length-456"

#define BASE                                                                                       \
    {"log_file", "9M"}, {"checkpoint", "1M"}, {"ballast", "1M"},                                   \
    {                                                                                              \
        "min_free", "1M"                                                                           \
    }

static const struct aiex_fake_pair plain[] = {BASE, {0}};
static const struct aiex_fake_pair locked[] = {BASE, {"encrypt", "on"}, {"key", SECRET}, {0}};
static const struct aiex_fake_pair kept[] = {
    BASE, {"encrypt", "on"}, {"key", SECRET}, {"archive", "1G"}, {0}};
static const struct aiex_fake_pair wrong[] = {BASE, {"encrypt", "on"}, {"key", OTHER}, {0}};
static const struct aiex_fake_pair changed[] = {
    BASE, {"encrypt", "on"}, {"key", OTHER}, {"old_key", SECRET}, {0}};
static const struct aiex_fake_pair unlocked[] = {BASE, {"key", SECRET}, {0}};

static const char word[] = "PlainTextOfPeter";

static void write_some(int from, int n)
{
    uint64_t last = 0;

    for (int i = from; i < from + n; i++)
        last = begin("store.transact",
                     "{'operations': [{'op': 'append', 'stream': '%s-s%d', 'events': [{'id': "
                     "'%s-%d', 'type': '%s-t', 'correlation': '%s-c', 'data': '%s%0300d'}]}, "
                     "{'op': 'put', 'table': '%s-u', 'key': '%s-k%d', 'value': '%s-v'}]}",
                     word, i % 3, word, i, word, word, word, i, word, word, i, word);
    HAS(end_of(last), "'version'");
    aiex_fake_forget(h);
}

/* Files in which the word is, also inside of the folder's folders. */
static int leaks(void)
{
    char command[200], text[400] = "";
    size_t n;
    FILE *f;

    snprintf(command, sizeof(command), "grep -rlaF '%s' %s", word, dir);
    f = popen(command, "r");
    n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
    if (f)
        pclose(f);
    if (n)
        printf("\n  %s\n", text);
    return n != 0;
}

static unsigned long sum_of_files(void)
{
    char command[300], text[64] = "";
    FILE *f;

    snprintf(command, sizeof(command),
             "find %s -type f ! -name lock ! -name ballast | sort | xargs cksum | cksum", dir);
    f = popen(command, "r");
    if (f && !fgets(text, sizeof(text), f))
        text[0] = 0;
    if (f)
        pclose(f);
    return strtoul(text, NULL, 10);
}

static void has_all(int n)
{
    CU_ASSERT_EQUAL(number(ask("store.read", "{'stream': '%s-s0'}", word), "events"), (n + 2) / 3);
    CU_ASSERT_EQUAL(number(ask("store.read", "{}"), "events"), n);
    HAS(ask("store.get", "{'table': '%s-u', 'key': '%s-k%d'}", word, word, n - 1), "'found':true");
    HAS(ask("store.verify", "{}"), "'faults':0");
    CU_ASSERT_TRUE(comes("store.health", "'healthy':true"));
    aiex_fake_forget(h);
}

static void is_refused(const struct aiex_fake_pair *with, const char *why)
{
    unsigned long before = sum_of_files();

    rig_open(with);
    while (strstr(ask("store.status", "{}"), "'phase':'opening'"))
        aiex_fake_poll(h, 5);
    HAS(ask("store.status", "{}"), "'phase':'failed'");
    HAS(ask("store.health", "{}"), why);
    HAS(ask("store.read", "{}"), "unavailable");
    HAS(ask("store.append", "{'stream': 's', 'events': [{'id': 'n', 'type': 't'}]}"),
        "unavailable");
    CU_ASSERT_EQUAL(sum_of_files(), before);
    rig_close();
    CU_ASSERT_EQUAL(sum_of_files(), before);
}

static void test_nothing_in_the_clear(void)
{
    rig_begin(locked);
    write_some(0, 300);
    begin("store.subscribe", "{'name': '%s', 'window': 1}", word); /* its name is in a file, too */
    HAS(ask("store.ack", "{'name': '%s', 'sequence': 0}", word), "");
    CU_ASSERT_FALSE(leaks()); /* also while it runs: log, journal, side */
    rig_close();
    CU_ASSERT_FALSE(leaks());
    rig_open(locked);
    write_some(300, 300);
    HAS(ask("store.backup", "{'path': 'b'}"), "'encrypted':true");
    CU_ASSERT_FALSE(leaks());
    has_all(600);
    rig_close();
    CU_ASSERT_FALSE(leaks());
    rig_end();
    rig_begin(plain); /* the search finds something where there is something */
    write_some(0, 10);
    rig_close();
    CU_ASSERT_TRUE(leaks());
    rig_end();
}

static void test_wrong_key(void)
{
    struct aiex_error err = {""};
    static const struct aiex_fake_pair none[] = {BASE, {"encrypt", "on"}, {0}};
    static const struct aiex_fake_pair brief[] = {
        BASE, {"encrypt", "on"}, {"key", "tooshort"}, {0}};

    rig_begin(locked);
    write_some(0, 50);
    rig_close();
    is_refused(wrong, "encrypted under another key than the option 'key'; nothing was opened");
    is_refused(plain, "encrypted under another key");
    is_refused(unlocked, "the database is encrypted, and is to be not encrypted");
    is_refused(changed, "the database is encrypted under 'old_key'");
    CU_ASSERT_EQUAL(rig_try(none, &err), -EINVAL);
    HAS(err.text, "'key' has 0 bytes");
    aiex_fake_host_free(h);
    CU_ASSERT_EQUAL(rig_try(brief, &err), -EINVAL);
    HAS(err.text, "at least 16");
    aiex_fake_host_free(h);
    rig_open(locked);
    has_all(50);
    rig_close();
    rig_end();
    rig_begin(plain);
    write_some(0, 5);
    rig_close();
    is_refused(locked, "the database is not encrypted, and is to be encrypted under 'key'");
    rig_end();
}

static void test_on_off_and_other_key(void)
{
    rig_begin(plain);
    write_some(0, 200);
    HAS(ask("store.define",
            "{'table': 'd', 'indexes': [{'name': 'i', 'field': 'f', 'type': 'str'}]}"),
        "{}");
    rig_close();
    CU_ASSERT_TRUE(leaks());
    rig_open(locked);
    HAS(ask("store.rewrite", "{}"), "'sequence':200,'encrypted':true");
    CU_ASSERT_FALSE(leaks());
    has_all(200);
    write_some(200, 10);
    rig_close();
    rig_open(locked);
    has_all(210);
    rig_close();
    rig_open(changed);
    HAS(ask("store.rewrite", "{}"), "'sequence':210,'encrypted':true");
    has_all(210);
    rig_close();
    is_refused(locked, "another key");
    CU_ASSERT_FALSE(leaks());
    rig_open(wrong); /* which is the right one now */
    has_all(210);
    HAS(ask("store.rewrite", "{}"), "'sequence':210"); /* nothing changes but the files */
    has_all(210);
    rig_close();
    rig_open((const struct aiex_fake_pair[]){BASE, {"key", OTHER}, {0}});
    HAS(ask("store.rewrite", "{}"), "'sequence':210,'encrypted':false");
    has_all(210);
    rig_close();
    rig_open(plain);
    has_all(210);
    rig_close();
    rig_open(wrong);
    rig_close();
    is_refused(wrong, "is not encrypted");
    rig_end();
}

/* A backup, and what followed, on another machine with the key. */
static void test_elsewhere(void)
{
    char first[64], command[300];

    rig_begin(kept);
    write_some(0, 100);
    HAS(ask("store.backup", "{'path': 'b'}"), "'encrypted':true");
    write_some(100, 100);
    CU_ASSERT_EQUAL(number(ask("store.restore", "{'path': 'b', 'to_sequence': 150}"), "sequence"),
                    150);
    has_all(150);
    CU_ASSERT_FALSE(leaks());
    rig_close();
    strcpy(first, dir);
    rig_begin(wrong);
    rig_close();
    snprintf(command, sizeof(command), "cp -a %s/b %s/archive %s/", first, first, dir);
    CU_ASSERT_EQUAL(system(command), 0);
    rig_open(wrong);
    HAS(ask("store.restore", "{'path': 'b'}"), "invalid: the database in");
    HAS(ask("store.restore", "{'path': 'b'}"), "under another key");
    CU_ASSERT_TRUE(comes("store.health", "'healthy':true"));
    rig_close();
    rig_end();
    rig_begin(plain);
    snprintf(command, sizeof(command), "cp -a %s/b %s/", first, dir);
    CU_ASSERT_EQUAL(system(command), 0);
    HAS(ask("store.restore", "{'path': 'b'}"), "invalid");
    CU_ASSERT_TRUE(comes("store.health", "'healthy':true"));
    rig_close();
    rig_end();
    rig_begin(kept);
    snprintf(command, sizeof(command), "cp -a %s/b %s/archive %s/", first, first, dir);
    CU_ASSERT_EQUAL(system(command), 0);
    HAS(ask("store.backups", "{}"), "'encrypted':true,'points':true");
    CU_ASSERT_EQUAL(number(ask("store.restore", "{'path': 'b', 'to_sequence': 133}"), "sequence"),
                    133);
    has_all(133);
    CU_ASSERT_EQUAL(number(ask("store.restore", "{'path': 'b'}"), "sequence"), 100);
    has_all(100);
    CU_ASSERT_FALSE(leaks());
    rig_close();
    rig_end();
    rig_folder_remove(first);
}

const struct test_case tests[] = {
    {"nothing in the clear", test_nothing_in_the_clear},
    {"wrong key", test_wrong_key},
    {"on, off and another key", test_on_off_and_other_key},
    {"elsewhere", test_elsewhere},
    {0},
};

/* store_bdb_backup_test.c - backups while writes go on, each verified; restored here and elsewhere.
 */
#include "store_rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int n_ids;

static void append_some(int n)
{
    uint64_t last = 0;

    for (int i = 0; i < n; i++)
        last = begin("store.transact",
                     "{'level': 'written', 'operations': [{'op': 'append', 'stream': 's%d', "
                     "'events': [{'id': 'e%d', 'type': 't', 'data': '%0300d'}]}, {'op': 'put', "
                     "'table': 't', 'key': '%d', 'value': 'v'}]}",
                     n_ids % 5, n_ids, n_ids, n_ids);
    n_ids += n;
    (void)last;
    HAS(end_of(last), "'version'");
}

static void append_more(int n)
{
    for (int i = 0; i < n; i++, n_ids++)
        begin("store.append", "{'stream': 's', 'events': [{'id': 'e%d', 'type': 't'}]}", n_ids);
}

static void test_backup_and_restore(void)
{
    long long sequence;
    uint64_t id;

    n_ids = 0;
    rig_begin(NULL);
    for (int i = 0; i < 20; i++, n_ids++)
        append_some(1);
    sequence = number(ask("store.status", "{}"), "sequence");
    CU_ASSERT_TRUE(sequence > 0);
    id = begin("store.backup", "{'path': 'monday'}");
    append_more(200); /* meanwhile */
    HAS(end_of(id), "'verified':true");
    CU_ASSERT_TRUE(number(end_of(id), "sequence") >= sequence);
    sequence = number(end_of(id), "sequence");
    HAS(ask("store.status", "{}"), "'last_backup':");
    append_more(100);
    HAS(ask("store.backup", "{'path': 'monday'}"), "conflict");
    HAS(ask("store.backup", "{'path': '../x'}"), "invalid");
    HAS(ask("store.backup", "{'path': '/x'}"), "invalid");
    HAS(ask("store.backup", "{'path': 'db'}"), "invalid");
    HAS(ask("store.restore", "{'path': 'nothing'}"), "not_found");
    HAS(ask("store.health", "{}"), "'healthy':true");
    CU_ASSERT_EQUAL(number(ask("store.restore", "{'path': 'monday'}"), "sequence"), sequence);
    CU_ASSERT_EQUAL(number(ask("store.read", "{}"), "events"), sequence);
    HAS(ask("store.verify", "{}"), "'faults':0");
    append_more(5);
    HAS(ask("store.health", "{}"), "'healthy':true");
    rig_close();
    rig_open(NULL);
    CU_ASSERT_EQUAL(number(ask("store.read", "{}"), "events"), sequence + 5);
    rig_close();
    rig_end();
}

/* On another machine: the folder is a data folder. */
static void test_elsewhere(void)
{
    char first[64], command[300];
    long long sequence;
    const char *a;

    n_ids = 0;
    rig_begin(NULL);
    append_some(1);
    append_more(50);
    a = ask("store.backup", "{'path': 'b'}");
    HAS(a, "'verified':true");
    sequence = number(a, "sequence");
    rig_close();
    strcpy(first, dir);
    strcpy(dir, "/tmp/aiex_store_XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    snprintf(command, sizeof(command), "cp -a %s/b/. %s/", first, dir);
    CU_ASSERT_EQUAL(system(command), 0);
    rig_open(NULL);
    HAS(ask("store.verify", "{}"), "'faults':0");
    CU_ASSERT_EQUAL(number(ask("store.read", "{}"), "events"), sequence);
    CU_ASSERT_TRUE(comes("store.health", "'healthy':true"));
    rig_close();
    rig_end();
    rig_folder_remove(first);
}

/* The cure for a damaged store, without a restart. */
static void test_cure(void)
{
    struct stat st;
    int fd;

    n_ids = 0;
    rig_begin(NULL);
    append_more(1000);
    append_some(1); /* behind them */
    HAS(ask("store.backup", "{'path': 'b'}"), "'verified':true");
    rig_close();
    fd = open(rig_path("db/events.db"), O_RDWR);
    CU_ASSERT_EQUAL(fstat(fd, &st), 0);
    CU_ASSERT_EQUAL(pwrite(fd, "broken", 6, st.st_size / 2), 6);
    close(fd);
    rig_open(NULL);
    ask("store.verify", "{}");
    HAS(ask("store.health", "{}"), "damage: events.db");
    HAS(ask("store.restore", "{'path': 'b'}"), "'sequence':1001");
    HAS(ask("store.health", "{}"), "'healthy':true");
    HAS(ask("store.verify", "{}"), "'faults':0");
    append_more(1);
    rig_close();
    rig_end();
}

const struct test_case tests[] = {
    {"backup and restore", test_backup_and_restore},
    {"elsewhere", test_elsewhere},
    {"cure", test_cure},
    {0},
};

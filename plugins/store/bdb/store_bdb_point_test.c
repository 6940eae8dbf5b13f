/*
 * store_bdb_point_test.c - restores to a point in time: exactly what was there, streams and tables,
 * whatever came after; and what there is to choose from.
 */
#include "store_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const struct aiex_fake_pair kept[] = {
    {"log_file", "9M"}, {"checkpoint", "1M"}, {"ballast", "0"}, {"archive", "1G"}, {0}};

static int n;

/* One event and a row that says how many there are, one transaction each, all at once. */
static void write_some(int count)
{
    uint64_t last = 0;

    for (int i = 0; i < count; i++) {
        n++;
        last = begin("store.transact",
                     "{'operations': [{'op': 'append', 'stream': 's%d', 'events': [{'id': 'e%d', "
                     "'type': 't', 'data': '%0800d'}]}, {'op': 'put', 'table': 'count', 'key': "
                     "'n', 'value': '%d'}, {'op': 'put', 'table': 'rows', 'key': '%d'}]}",
                     n % 5, n, n, n, n);
    }
    HAS(end_of(last), "'version'");
    aiex_fake_forget(h);
}

/* The value of the row 'n'. */
static int count_row(void)
{
    uint64_t id = begin("store.get", "{'table': 'count', 'key': 'n'}");
    struct aiex_slice value = {NULL, 0};
    char text[16] = "";

    end_of(id);
    aiex_get_bytes(aiex_fake_answer(h, id)->body, "value", &value);
    if (value.len)
        memcpy(text, value.data, value.len < 15 ? value.len : 15);
    return atoi(text);
}

/* The store is what it was behind event `at`. */
static void is_at(int at)
{
    CU_ASSERT_EQUAL(number(ask("store.read", "{}"), "events"), at);
    CU_ASSERT_EQUAL(number(ask("store.range", "{'table': 'rows', 'limit': 1000}"), "rows") > 0, 1);
    CU_ASSERT_EQUAL(number(ask("store.status", "{}"), "sequence"), at);
    CU_ASSERT_EQUAL(count_row(), at);
    HAS(ask("store.get", "{'table': 'rows', 'key': '%d'}", at), "'found':true");
    HAS(ask("store.get", "{'table': 'rows', 'key': '%d'}", at + 1), "'found':false");
    HAS(ask("store.verify", "{}"), "'faults':0");
    CU_ASSERT_TRUE(comes("store.health", "'healthy':true"));
    aiex_fake_forget(h);
}

static void test_to_sequence(void)
{
    static const int points[] = {777, 200, 512, 999, 201};

    n = 0;
    rig_begin(kept);
    write_some(200);
    HAS(ask("store.backup", "{'path': 'b'}"), "'verified':true");
    for (int i = 0; i < 8; i++)
        write_some(100);
    is_at(1000);
    HAS(ask("store.restore", "{'path': 'b', 'to_sequence': 700, 'dry_run': true}"),
        "'sequence':700");
    HAS(ask("store.restore", "{'path': 'b', 'to_sequence': 700, 'dry_run': true}"),
        "'present':1000,'lost_events':300,'lost_transactions':300,'dry_run':true");
    is_at(1000);
    for (size_t i = 0; i < sizeof(points) / sizeof(*points); i++) {
        const char *a = ask("store.restore", "{'path': 'b', 'to_sequence': %d}", points[i]);

        CU_ASSERT_EQUAL(number(a, "sequence"), points[i]);
        is_at(points[i]);
        n = points[i]; /* another history from here on */
        write_some(3);
        is_at(points[i] + 3);
    }
    rig_close();
    rig_open(kept);
    is_at(204);
    rig_close();
    rig_end();
}

/* ---- Time ---- */

static long long wall(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Until the clock shows another millisecond than the one that is returned. */
static long long next_ms(void)
{
    long long now = wall();

    while (wall() == now)
        ;
    return now;
}

static void test_to_time(void)
{
    long long at[4];

    n = 0;
    rig_begin(kept);
    write_some(50);
    HAS(ask("store.backup", "{'path': 'b'}"), "'verified':true");
    for (int i = 0; i < 4; i++) {
        write_some(30);
        at[i] = next_ms();
    }
    for (int i = 3; i >= 0; i--) {
        const char *a = ask("store.restore", "{'path': 'b', 'to_time': %lld}", at[i]);

        CU_ASSERT_EQUAL(number(a, "sequence"), 80 + 30 * i);
        CU_ASSERT_TRUE(number(a, "time") <= at[i]);
        is_at(80 + 30 * i);
    }
    CU_ASSERT_EQUAL(number(ask("store.restore", "{'path': 'b', 'to_time': %lld}", wall() + 3600000),
                           "sequence"),
                    170); /* all there is */
    is_at(170);
    HAS(ask("store.restore", "{'path': 'b', 'to_time': %lld}", at[0] - 3600000),
        "invalid: the backup is of sequence 50, and later than the point");
    is_at(170);
    rig_close();
    rig_end();
}

/* ---- What can not be done, and leaves everything as it is ---- */

static void test_refused(void)
{
    static const struct aiex_fake_pair without[] = {{"log_file", "9M"}, {"ballast", "0"}, {0}};

    n = 0;
    rig_begin(without);
    write_some(20);
    HAS(ask("store.backup", "{'path': 'plain'}"), "'verified':true");
    HAS(ask("store.backups", "{}"), "'points':false");
    HAS(ask("store.restore", "{'path': 'plain', 'to_sequence': 20}"), "without an archive");
    rig_close();
    rig_open(kept);
    write_some(20);
    HAS(ask("store.restore", "{'path': 'plain', 'to_sequence': 30}"), "without an archive");
    HAS(ask("store.backup", "{'path': 'b'}"), "'verified':true");
    write_some(20);
    HAS(ask("store.restore", "{'path': 'b', 'to_sequence': 61}"),
        "invalid: the log ends at sequence 60, before 61");
    HAS(ask("store.restore", "{'path': 'b', 'to_sequence': 39}"), "later than the point");
    HAS(ask("store.restore", "{'path': 'b', 'to_sequence': 1, 'to_time': 1}"), "not both");
    HAS(ask("store.restore", "{'path': 'b', 'to_sequence': -7}"), "invalid");
    HAS(ask("store.restore", "{'path': 'b', 'to_sequence': 'x'}"), "invalid");
    HAS(ask("store.restore", "{'path': 'b', 'to_time': 'x'}"), "invalid");
    HAS(ask("store.restore", "{'path': 'b', 'dry_run': 1}"), "invalid");
    HAS(ask("store.restore", "{'path': 'restore.new', 'to_sequence': 1}"), "invalid");
    is_at(60);
    rig_close();
    rig_open(without); /* from here on nobody knows what the log says */
    write_some(20);
    rig_close();
    rig_open(kept);
    write_some(20);
    HAS(ask("store.restore", "{'path': 'b', 'to_sequence': 90}"),
        "not_found: the archive has no log of this backup");
    CU_ASSERT_EQUAL(number(ask("store.restore", "{'path': 'plain', 'dry_run': true}"), "sequence"),
                    20);
    is_at(100);
    rig_close();
    rig_end();
}

/* ---- Over many files of the log, starts and deaths ---- */

static void write_much(int files)
{
    char *data = malloc(700001);

    memset(data, 'x', 700000);
    data[700000] = 0;
    for (int i = 0; i < files * 8; i++)
        HAS(ask("store.transact",
                "{'operations': [{'op': 'put', 'table': 'big', 'key': '%d', 'value': '%s'}]}",
                i % 3, data),
            "'version'");
    free(data);
    aiex_fake_forget(h);
}

static int count_archived(void)
{
    char command[200], text[16] = "";
    FILE *f;

    snprintf(command, sizeof(command), "find %s/archive -name 'log.*' | wc -l", dir);
    f = popen(command, "r");
    if (f && !fgets(text, sizeof(text), f))
        text[0] = 0;
    if (f)
        pclose(f);
    return atoi(text);
}

/* Writes until so many files are there. */
static int archives(int files)
{
    for (int i = 0; i < 300 && count_archived() < files; i++) {
        write_much(1);
        aiex_fake_poll(h, 20);
    }
    return count_archived() >= files;
}

static void test_many_files(void)
{
    n = 0;
    rig_begin(kept);
    write_some(20);
    HAS(ask("store.backup", "{'path': 'b'}"), "'verified':true");
    for (int i = 0; i < 3; i++) {
        write_some(20);
        write_much(2);
        rig_close();
        rig_open(kept);
        write_some(20);
        CU_ASSERT_TRUE(comes("store.health", "'healthy':true"));
    }
    CU_ASSERT_EQUAL(n, 140);
    HAS(ask("store.backups", "{}"), "'points':true");
    CU_ASSERT_TRUE(archives(4));
    for (int at = 130; at > 20; at -= 25) {
        char wanted[32];

        snprintf(wanted, sizeof(wanted), "{'sequence':%d,", at);
        HAS(ask("store.restore", "{'path': 'b', 'to_sequence': %d}", at), wanted);
        is_at(at);
    }
    /* from a backup of the new history, too, and back to the old one */
    HAS(ask("store.backup", "{'path': 'c'}"), "'verified':true");
    n = 30;
    write_some(7);
    CU_ASSERT_EQUAL(number(ask("store.restore", "{'path': 'c', 'to_sequence': 33}"), "sequence"),
                    33);
    is_at(33);
    CU_ASSERT_EQUAL(number(ask("store.restore", "{'path': 'b', 'to_sequence': 140}"), "sequence"),
                    140);
    is_at(140);
    rig_close();
    rig_end();
}

/* A file of the archive that is gone is said, and nothing is done. */
static void test_missing_file(void)
{
    char command[300];

    n = 0;
    rig_begin(kept);
    write_some(20);
    HAS(ask("store.backup", "{'path': 'b'}"), "'verified':true");
    write_much(4);
    write_some(20);
    CU_ASSERT_TRUE(archives(3));
    snprintf(command, sizeof(command), "rm $(find %s/archive -name log.0000000002)", dir);
    CU_ASSERT_EQUAL(system(command), 0);
    HAS(ask("store.backups", "{}"), "'points':false");
    HAS(ask("store.restore", "{'path': 'b', 'to_sequence': 30}"),
        "not_found: file log.0000000002 is not in the archive any more");
    is_at(40);
    CU_ASSERT_EQUAL(number(ask("store.restore", "{'path': 'b'}"), "sequence"), 20);
    is_at(20);
    rig_close();
    rig_end();
}

/* ---- Retention ---- */

static void test_retention(void)
{
    static const struct aiex_fake_pair two[] = {{"log_file", "9M"},    {"checkpoint", "1M"},
                                                {"ballast", "0"},      {"archive", "1G"},
                                                {"keep_backups", "2"}, {0}};
    const char *a;
    int before;

    n = 0;
    rig_begin(two);
    for (int i = 0; i < 100 && number(ask("store.status", "{}"), "checkpoints") < 3; i++)
        write_much(1);
    CU_ASSERT_TRUE(count_archived() <= 1); /* no backup: nothing is kept */
    write_some(5);
    HAS(ask("store.backup", "{'path': 'one'}"), "'verified':true");
    write_much(3);
    CU_ASSERT_TRUE(archives(2));
    before = count_archived();
    HAS(ask("store.backup", "{'path': 'two'}"), "'verified':true");
    a = ask("store.backups", "{}");
    HAS(a, "[{'path':'one','sequence':5,");
    HAS(a, "{'path':'two','sequence':5,");
    HAS(a, "'verified':true,'encrypted':false,'points':true}");
    HAS(ask("store.backup", "{'path': 'three'}"), "'verified':true");
    a = ask("store.backups", "{}");
    CU_ASSERT_PTR_NULL(strstr(a, "'one'"));
    HAS(a, "[{'path':'two'");
    HAS(a, "{'path':'three'");
    CU_ASSERT_TRUE(count_archived() < before);
    CU_ASSERT_NOT_EQUAL(access(rig_path("one"), F_OK), 0);
    rig_close();
    rig_end();
}

/* The option is the limit of what the archive holds. */
static void test_limit(void)
{
    static const struct aiex_fake_pair tight[] = {
        {"log_file", "9M"}, {"checkpoint", "1M"}, {"ballast", "0"}, {"archive", "20M"}, {0}};

    n = 0;
    rig_begin(tight);
    write_some(5);
    HAS(ask("store.backup", "{'path': 'b'}"), "'verified':true");
    for (int i = 0; i < 100 && !strstr(ask("store.backups", "{}"), "'points':false"); i++)
        write_much(1);
    HAS(ask("store.backups", "{}"), "'points':false");
    CU_ASSERT_TRUE(count_archived() <= 2);
    HAS(ask("store.restore", "{'path': 'b', 'to_sequence': 5, 'dry_run': true}"), "not_found");
    CU_ASSERT_EQUAL(number(ask("store.restore", "{'path': 'b'}"), "sequence"), 5);
    rig_close();
    rig_end();
}

const struct test_case tests[] = {
    {"to a sequence", test_to_sequence},
    {"to a time", test_to_time},
    {"refused", test_refused},
    {"many files", test_many_files},
    {"missing file", test_missing_file},
    {"retention", test_retention},
    {"limit", test_limit},
    {0},
};

/* memory_files_test.c - what the system says about memory, from files as kernels write them, and
 * from those that no kernel would. */
#include "test.h"

#include "node/memory_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (1024 * 1024)

static char dir[64];

static void begin(void)
{
    snprintf(dir, sizeof(dir), "/tmp/aiex-memory-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
}

static const char *path_of(const char *name)
{
    static char paths[4][160];
    static int at;

    at = (at + 1) % 4;
    snprintf(paths[at], sizeof(paths[at]), "%s/%s", dir, name);
    return paths[at];
}

static void put(const char *name, const char *text)
{
    FILE *f = fopen(path_of(name), "w");

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(text, f);
    fclose(f);
}

static void end(void)
{
    static const char *const names[] = {
        "stall",       "info",        "memory.current",        "memory.max",
        "memory.high", "memory.stat", "memory.usage_in_bytes", "memory.limit_in_bytes"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        unlink(path_of(names[i]));
    CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static struct memory_reading look(const char *group)
{
    char stall[160], info[160];
    struct memory_reading r;

    snprintf(stall, sizeof(stall), "%s/stall", dir);
    snprintf(info, sizeof(info), "%s/info", dir);
    memory_read(&(struct memory_paths){stall, info, group}, &r);
    return r;
}

static void the_machine(void)
{
    struct memory_reading r;

    begin();
    r = look("");
    CU_ASSERT_EQUAL(r.used_percent, -1);
    CU_ASSERT_EQUAL(r.stall_percent, -1);
    CU_ASSERT_STRING_EQUAL(r.limited_by, "");
    put("info", "MemTotal:       1000 kB\nMemFree:         10 kB\nMemAvailable:    250 kB\n");
    put("stall", "some avg10=12.97 avg60=3.00 avg300=0.10 total=5\nfull avg10=0.00 avg60=0 x=1\n");
    r = look("");
    CU_ASSERT_EQUAL(r.used_percent, 75);
    CU_ASSERT_EQUAL(r.used_bytes, 750 * 1024);
    CU_ASSERT_EQUAL(r.limit_bytes, 1000 * 1024);
    CU_ASSERT_EQUAL(r.available_bytes, 250 * 1024);
    CU_ASSERT_EQUAL(r.stall_percent, 12);
    CU_ASSERT_STRING_EQUAL(r.limited_by, "machine");
    end();
}

static void what_is_odd_says_nothing(void)
{
    static const char *const infos[] = {"",
                                        "MemTotal:\nMemAvailable:\n",
                                        "MemTotal: 0 kB\n",
                                        "MemTotal: 10 kB\n",
                                        "MemTotal: -5\nMemAvailable: 1\n",
                                        "XMemTotal: 10\nMemAvailable: 1\n",
                                        "\n\n\n"};
    static const char *const stalls[] = {"",
                                         "some",
                                         "some avg10=",
                                         "some avg10=x",
                                         "full avg10=3",
                                         "some avg10=-4.0",
                                         "some avg10=1e9",
                                         "some avg10=nan"};

    begin();
    for (size_t i = 0; i < sizeof(infos) / sizeof(*infos); i++) {
        put("info", infos[i]);
        CU_ASSERT_EQUAL(look("").used_percent, -1);
    }
    for (size_t i = 0; i < sizeof(stalls) / sizeof(*stalls); i++) {
        put("stall", stalls[i]);
        CU_ASSERT_EQUAL(look("").stall_percent, -1);
    }
    end();
}

/* The nearer limit counts; files kept for speed alone do not. */
static void a_group(void)
{
    char text[64];
    struct memory_reading r;

    begin();
    put("info", "MemTotal: 1000 kB\nMemAvailable: 900 kB\n");
    snprintf(text, sizeof(text), "%d\n", 90 * MIB);
    put("memory.current", text);
    put("memory.stat", "anon 5\ninactive_file 10485760\n");
    put("memory.max", "max\n");
    CU_ASSERT_STRING_EQUAL(look(dir).limited_by, "machine");
    snprintf(text, sizeof(text), "%d\n", 160 * MIB);
    put("memory.max", text);
    r = look(dir);
    CU_ASSERT_STRING_EQUAL(r.limited_by, "group");
    CU_ASSERT_EQUAL(r.used_percent, 50);
    CU_ASSERT_EQUAL(r.used_bytes, 80 * MIB);
    snprintf(text, sizeof(text), "%d\n", 100 * MIB);
    put("memory.high", text);
    r = look(dir);
    CU_ASSERT_EQUAL(r.used_percent, 80);
    CU_ASSERT_EQUAL(r.limit_bytes, 100 * MIB);
    put("memory.high", "99999999999999999999999999\n");
    CU_ASSERT_EQUAL(look(dir).used_percent, 50);
    end();
}

static void a_group_of_version_1(void)
{
    begin();
    put("memory.usage_in_bytes", "5000\n");
    put("memory.limit_in_bytes", "10000\n");
    put("memory.stat", "inactive_file 4999\ntotal_inactive_file 1000\n");
    CU_ASSERT_EQUAL(look(dir).used_percent, 40);
    put("memory.limit_in_bytes", "9223372036854771712\n");
    CU_ASSERT_EQUAL(look(dir).used_percent, 0);
    end();
}

/* The files of this very machine, whatever they say. */
static void the_real_ones(void)
{
    const struct memory_paths paths = {"/proc/pressure/memory", "/proc/meminfo", "auto"};
    struct memory_reading r;

    memory_read(&paths, &r);
    CU_ASSERT_TRUE(r.used_percent >= 0 && r.used_percent <= 100);
    CU_ASSERT_TRUE(r.limit_bytes > 0 && r.available_bytes > 0);
    CU_ASSERT_TRUE(r.stall_percent >= -1 && r.stall_percent <= 100);
}

static void a_process(void)
{
    int64_t exact = memory_of_process((int)getpid(), 0);
    int64_t quick = memory_of_process((int)getpid(), 1);
    volatile char *more;
    pid_t gone = fork();

    if (gone == 0)
        _exit(0);
    waitpid(gone, NULL, 0);
    CU_ASSERT_EQUAL(memory_of_process((int)gone, 0), 0);
    CU_ASSERT_TRUE(exact > 0 && quick > 0);
    more = malloc(32 * MIB);
    CU_ASSERT_PTR_NOT_NULL_FATAL(more);
    for (size_t i = 0; i < 32 * MIB; i += 512)
        more[i] = 1;
    CU_ASSERT_TRUE(memory_of_process((int)getpid(), 0) > exact + 30 * MIB);
    CU_ASSERT_TRUE(memory_of_process((int)getpid(), 1) > quick + 30 * MIB);
    free((char *)more);
}

const struct test_case tests[] = {
    {"the_machine", the_machine},
    {"what_is_odd_says_nothing", what_is_odd_says_nothing},
    {"a_group", a_group},
    {"a_group_of_version_1", a_group_of_version_1},
    {"the_real_ones", the_real_ones},
    {"a_process", a_process},
    {0},
};

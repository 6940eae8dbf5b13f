/* The record log under every damage: cuts at each byte, each bit, forged records, a full disk. */
#include "test.h"

#include <aiex_file.h>
#include <aiex_record_log.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

ssize_t __real_pwritev(int fd, const struct iovec *v, int n, off_t offset);
ssize_t __wrap_pwritev(int fd, const struct iovec *v, int n, off_t offset);

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__real_realloc(void *mem, size_t n);
void *__wrap_realloc(void *mem, size_t n);

static unsigned fail_at; /* the n-th allocation from now on fails; 0 = none */

void *__wrap_malloc(size_t n)
{
    return fail_at && --fail_at == 0 ? NULL : __real_malloc(n);
}

void *__wrap_realloc(void *mem, size_t n)
{
    return fail_at && --fail_at == 0 ? NULL : __real_realloc(mem, n);
}

static long room = -1; /* bytes that the disk still takes; -1 = any */

ssize_t __wrap_pwritev(int fd, const struct iovec *v, int n, off_t offset)
{
    uint8_t flat[4096];
    size_t len = 0;

    if (room < 0)
        return __real_pwritev(fd, v, n, offset);
    if (room == 0) {
        errno = ENOSPC;
        return -1;
    }
    for (int i = 0; i < n; i++) {
        memcpy(flat + len, v[i].iov_base, v[i].iov_len);
        len += v[i].iov_len;
    }
    if ((long)len > room)
        len = (size_t)room;
    room -= (long)len;
    return pwrite(fd, flat, len, offset);
}

static char dir[64], path[96];

static void begin(void)
{
    strcpy(dir, "/tmp/aiex_rlog_XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/log", dir);
    room = -1;
}

static void finish(void)
{
    unlink(path);
    CU_ASSERT_EQUAL(rmdir(dir), 0);
}

/* What opening showed, as one string: "one two HOLE(36,15) TORN(51,2)". */
static char seen[512];

static int see(void *arg, int kind, const struct aiex_rlog_item *item)
{
    size_t n = strlen(seen);

    if (kind == AIEX_RLOG_RECORD)
        snprintf(seen + n, sizeof(seen) - n, "%.*s ", (int)item->body.len, item->body.data);
    else
        snprintf(seen + n, sizeof(seen) - n, "%s(%llu,%llu) ",
                 kind == AIEX_RLOG_HOLE ? "HOLE" : "TORN", (unsigned long long)item->offset,
                 (unsigned long long)item->bytes);
    return arg ? -ECANCELED : 0;
}

static int open_log(struct aiex_rlog *log)
{
    struct aiex_error err = {""};

    seen[0] = 0;
    return aiex_rlog_open(log, path, 0, see, NULL, &err);
}

static int add(struct aiex_rlog *log, const char *text)
{
    struct aiex_slice pieces[2] = {{(const uint8_t *)text, 1},
                                   {(const uint8_t *)text + 1, strlen(text) - 1}};

    return aiex_rlog_add(log, pieces, 2, NULL, NULL);
}

/* "one", "two", "three" at 24, 39, 54, end 71. */
static void three(void)
{
    struct aiex_rlog log;

    CU_ASSERT_EQUAL_FATAL(open_log(&log), 0);
    CU_ASSERT_EQUAL(add(&log, "one"), 0);
    CU_ASSERT_EQUAL(add(&log, "two"), 0);
    CU_ASSERT_EQUAL(add(&log, "three"), 0);
    CU_ASSERT_EQUAL(log.end, 71);
    CU_ASSERT_EQUAL(aiex_rlog_sync(&log), 0);
    aiex_rlog_close(&log);
}

static void damage(long offset, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "r+b");

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fseek(f, offset, SEEK_SET);
    fwrite(bytes, 1, n, f);
    fclose(f);
}

static void test_kept(void)
{
    struct aiex_rlog log;
    struct aiex_rlog_item item;
    uint8_t *mem;

    begin();
    three();
    CU_ASSERT_EQUAL(open_log(&log), 0);
    CU_ASSERT_STRING_EQUAL(seen, "one two three ");
    CU_ASSERT_EQUAL(aiex_rlog_get(&log, 39, &mem, &item), 0);
    CU_ASSERT_EQUAL(item.body.len, 3);
    CU_ASSERT_EQUAL(memcmp(item.body.data, "two", 3), 0);
    free(mem);
    CU_ASSERT_EQUAL(aiex_rlog_get(&log, 40, &mem, &item), -EBADMSG);
    CU_ASSERT_EQUAL(aiex_rlog_get(&log, 71, &mem, &item), -EBADMSG);
    aiex_rlog_close(&log);
    seen[0] = 0;
    CU_ASSERT_EQUAL(aiex_rlog_open(&log, path, 54, see, NULL, NULL), 0);
    CU_ASSERT_STRING_EQUAL(seen, "three ");
    aiex_rlog_close(&log);
    CU_ASSERT_EQUAL(aiex_rlog_open(&log, path, 0, see, path, NULL), -ECANCELED);
    finish();
}

/* A crash may leave any number of bytes: whole records stay, the rest is cut, writing goes on. */
static void test_cut_at_every_byte(void)
{
    for (long size = 0; size <= 71; size++) {
        struct aiex_rlog log;
        struct stat st;
        const char *want = size < 39   ? ""
                           : size < 54 ? "one "
                           : size < 71 ? "one two "
                                       : "one two three ";

        begin();
        three();
        CU_ASSERT_EQUAL(truncate(path, size), 0);
        CU_ASSERT_EQUAL_FATAL(open_log(&log), 0);
        CU_ASSERT_EQUAL(strncmp(seen, want, strlen(want)), 0);
        CU_ASSERT_EQUAL(strstr(seen, "TORN") != NULL,
                        size > 24 && size != 39 && size != 54 && size != 71);
        CU_ASSERT_EQUAL(stat(path, &st), 0);
        CU_ASSERT_EQUAL((uint64_t)st.st_size, log.end);
        CU_ASSERT_EQUAL(add(&log, "more"), 0);
        aiex_rlog_close(&log);
        CU_ASSERT_EQUAL(open_log(&log), 0);
        CU_ASSERT_EQUAL(strncmp(seen + strlen(want), "more ", 5), 0);
        CU_ASSERT_PTR_NULL(strstr(seen, "TORN"));
        aiex_rlog_close(&log);
        finish();
    }
}

/* Any byte of the middle record: a hole of its length, both neighbours stay. */
static void test_damage_in_the_middle(void)
{
    for (long at = 39; at < 54; at++) {
        struct aiex_rlog log;
        FILE *f;
        int byte;

        begin();
        three();
        f = fopen(path, "rb");
        fseek(f, at, SEEK_SET);
        byte = fgetc(f) ^ 0x10;
        fclose(f);
        damage(at, (uint8_t[]){(uint8_t)byte}, 1);
        CU_ASSERT_EQUAL_FATAL(open_log(&log), 0);
        CU_ASSERT_STRING_EQUAL(seen, "one HOLE(39,15) three ");
        CU_ASSERT_EQUAL(log.end, 71);
        aiex_rlog_close(&log);
        finish();
    }
}

/* A record inside a record's body, or moved, is none. */
static void test_forged_records(void)
{
    struct aiex_rlog log;
    uint8_t whole[71], frame[15];
    FILE *f;

    begin();
    three();
    f = fopen(path, "rb");
    CU_ASSERT_EQUAL(fread(whole, 1, 71, f), 71);
    fclose(f);
    memcpy(frame, whole + 24, 15);
    CU_ASSERT_EQUAL(open_log(&log), 0);
    CU_ASSERT_EQUAL(aiex_rlog_add(&log, &(struct aiex_slice){frame, 15}, 1, NULL, NULL), 0);
    CU_ASSERT_EQUAL(add(&log, "last"), 0);
    aiex_rlog_close(&log);
    damage(71, "XXXXXXXXXXXX", 12);
    CU_ASSERT_EQUAL(open_log(&log), 0);
    CU_ASSERT_STRING_EQUAL(seen, "one two three HOLE(71,27) last ");
    aiex_rlog_close(&log);
    damage(39, frame, 15); /* "one" again, where "two" was */
    CU_ASSERT_EQUAL(open_log(&log), 0);
    CU_ASSERT_STRING_EQUAL(seen, "one HOLE(39,15) three HOLE(71,27) last ");
    aiex_rlog_close(&log);
    finish();
}

static void test_full_disk(void)
{
    for (long left = 0; left < 16; left++) {
        struct aiex_rlog log;
        struct stat st;

        begin();
        three();
        CU_ASSERT_EQUAL(open_log(&log), 0);
        room = left;
        CU_ASSERT_EQUAL(add(&log, "four"), -ENOSPC);
        CU_ASSERT_EQUAL(add(&log, "five"), -ENOSPC);
        CU_ASSERT_EQUAL(log.end, 71);
        CU_ASSERT_EQUAL(stat(path, &st), 0);
        CU_ASSERT_EQUAL(st.st_size, 71);
        room = -1;
        CU_ASSERT_EQUAL(add(&log, "six"), 0);
        aiex_rlog_close(&log);
        CU_ASSERT_EQUAL(open_log(&log), 0);
        CU_ASSERT_STRING_EQUAL(seen, "one two three six ");
        aiex_rlog_close(&log);
        finish();
    }
}

/* Two writers of one file, as while a plugin is replaced: both see everything, nothing is torn. */
static void test_two_writers(void)
{
    struct aiex_rlog a, b, c;

    begin();
    three();
    CU_ASSERT_EQUAL(open_log(&a), 0);
    CU_ASSERT_EQUAL(open_log(&b), 0);
    CU_ASSERT_EQUAL(add(&a, "from a"), 0);
    seen[0] = 0;
    CU_ASSERT_EQUAL(add(&b, "from b"), 0);
    CU_ASSERT_STRING_EQUAL(seen, "from a ");
    CU_ASSERT_EQUAL(add(&b, "again b"), 0);
    CU_ASSERT_STRING_EQUAL(seen, "from a ");
    seen[0] = 0;
    CU_ASSERT_EQUAL(add(&a, "again a"), 0);
    CU_ASSERT_STRING_EQUAL(seen, "from b again b ");
    seen[0] = 0;
    CU_ASSERT_EQUAL(aiex_rlog_catch_up(&b), 0);
    CU_ASSERT_EQUAL(aiex_rlog_catch_up(&b), 0);
    CU_ASSERT_STRING_EQUAL(seen, "again a ");
    CU_ASSERT_EQUAL(open_log(&c), 0);
    CU_ASSERT_STRING_EQUAL(seen, "one two three from a from b again b again a ");
    aiex_rlog_close(&a);
    aiex_rlog_close(&b);
    aiex_rlog_close(&c);
    finish();
}

/* While one writer holds the file the other would wait; what it takes in comes before. */
static void test_held(void)
{
    struct aiex_rlog a, b;

    begin();
    three();
    CU_ASSERT_EQUAL(open_log(&a), 0);
    CU_ASSERT_EQUAL(open_log(&b), 0);
    CU_ASSERT_EQUAL(add(&a, "from a"), 0);
    seen[0] = 0;
    CU_ASSERT_EQUAL(aiex_rlog_hold(&b), 0);
    CU_ASSERT_EQUAL(aiex_rlog_hold(&b), 0);
    CU_ASSERT_STRING_EQUAL(seen, "from a ");
    CU_ASSERT_EQUAL(flock(a.fd, LOCK_EX | LOCK_NB), -1);
    CU_ASSERT_EQUAL(add(&b, "one b"), 0);
    CU_ASSERT_EQUAL(add(&b, "two b"), 0);
    CU_ASSERT_EQUAL(flock(a.fd, LOCK_EX | LOCK_NB), -1);
    aiex_rlog_release(&b);
    aiex_rlog_release(&b);
    seen[0] = 0;
    CU_ASSERT_EQUAL(add(&a, "again a"), 0);
    CU_ASSERT_STRING_EQUAL(seen, "one b two b ");
    CU_ASSERT_EQUAL(aiex_rlog_hold(&b), 0);
    aiex_rlog_close(&b); /* lets go, too */
    CU_ASSERT_EQUAL(add(&a, "last"), 0);
    aiex_rlog_close(&a);
    finish();
}

/* The other process died within its write: the next append cuts that off. */
static void test_torn_by_another(void)
{
    struct aiex_rlog log;

    begin();
    three();
    CU_ASSERT_EQUAL(open_log(&log), 0);
    damage(71, "half a record", 13);
    seen[0] = 0;
    CU_ASSERT_EQUAL(add(&log, "more"), 0);
    CU_ASSERT_STRING_EQUAL(seen, "TORN(71,13) ");
    aiex_rlog_close(&log);
    CU_ASSERT_EQUAL(open_log(&log), 0);
    CU_ASSERT_STRING_EQUAL(seen, "one two three more ");
    aiex_rlog_close(&log);
    finish();
}

static void test_foreign_files_are_left_alone(void)
{
    static const char text[] = "this is somebody's diary, not a log of records";
    struct aiex_slice piece = {(const uint8_t *)text, sizeof(text)};
    struct aiex_rlog log;
    struct aiex_error err = {""};
    struct stat st;

    begin();
    CU_ASSERT_EQUAL(aiex_file_replace(path, &piece, 1, 0, NULL), 0);
    CU_ASSERT_EQUAL(aiex_rlog_open(&log, path, 0, NULL, NULL, &err), -EBADMSG);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "is no record log"));
    CU_ASSERT_EQUAL(stat(path, &st), 0);
    CU_ASSERT_EQUAL(st.st_size, (off_t)sizeof(text));
    finish();
}

/* Bodies of every size around the window and the limit, with damage between them. */
static void test_sizes(void)
{
    static const size_t sizes[] = {0, 1, 65511, 65524, 65525, 200000, 3, AIEX_RLOG_MAX_RECORD};
    uint8_t *big = calloc(1, AIEX_RLOG_MAX_RECORD + 1);
    struct aiex_rlog_cursor c = {0};
    struct aiex_rlog_item item;
    struct aiex_rlog log;
    uint64_t at[8];

    begin();
    CU_ASSERT_EQUAL_FATAL(open_log(&log), 0);
    CU_ASSERT_EQUAL(
        aiex_rlog_add(&log, &(struct aiex_slice){big, AIEX_RLOG_MAX_RECORD + 1}, 1, NULL, NULL),
        -EMSGSIZE);
    for (int i = 0; i < 8; i++)
        CU_ASSERT_EQUAL(aiex_rlog_add(&log, &(struct aiex_slice){big, sizes[i]}, 1, &at[i], NULL),
                        0);
    aiex_rlog_close(&log);
    damage((long)at[5] + 100000, "x", 1);
    CU_ASSERT_EQUAL(aiex_rlog_read(&c, path, NULL), 0);
    for (int i = 0; i < 8; i++) {
        CU_ASSERT_EQUAL(aiex_rlog_next(&c, &item), i == 5 ? AIEX_RLOG_HOLE : AIEX_RLOG_RECORD);
        CU_ASSERT_EQUAL(item.offset, at[i]);
        CU_ASSERT_EQUAL(item.bytes, sizes[i] + AIEX_RLOG_FRAME);
    }
    CU_ASSERT_EQUAL(aiex_rlog_next(&c, &item), 0);
    aiex_rlog_read_done(&c);
    aiex_rlog_read_done(&c);
    free(big);
    finish();
}

/* Without memory a reader keeps its place, and nothing is taken for damage and cut off. */
static void test_no_memory(void)
{
    uint8_t *big = calloc(1, 200000), *mem = NULL;
    struct aiex_rlog_cursor c = {0};
    struct aiex_rlog_item item;
    struct aiex_rlog log;

    begin();
    CU_ASSERT_EQUAL(open_log(&log), 0);
    CU_ASSERT_EQUAL(add(&log, "one"), 0);
    CU_ASSERT_EQUAL(aiex_rlog_add(&log, &(struct aiex_slice){big, 200000}, 1, NULL, NULL), 0);
    fail_at = 1;
    CU_ASSERT_EQUAL(aiex_rlog_get(&log, 24, &mem, &item), -ENOMEM);
    aiex_rlog_close(&log);
    for (unsigned n = 1; n <= 2; n++) {
        fail_at = n;
        CU_ASSERT_EQUAL(open_log(&log), -ENOMEM);
        CU_ASSERT_EQUAL(fail_at, 0);
        CU_ASSERT_PTR_NULL(strstr(seen, "TORN"));
    }
    CU_ASSERT_EQUAL(aiex_rlog_read(&c, path, NULL), 0);
    fail_at = 2;
    CU_ASSERT_EQUAL(aiex_rlog_next(&c, &item), AIEX_RLOG_RECORD);
    CU_ASSERT_EQUAL(aiex_rlog_next(&c, &item), -ENOMEM);
    CU_ASSERT_EQUAL(aiex_rlog_next(&c, &item), AIEX_RLOG_RECORD);
    CU_ASSERT_EQUAL(item.body.len, 200000);
    aiex_rlog_read_done(&c);
    free(big);
    finish();
}

const struct test_case tests[] = {
    {"kept", test_kept},
    {"cut at every byte", test_cut_at_every_byte},
    {"damage in the middle", test_damage_in_the_middle},
    {"forged records", test_forged_records},
    {"full disk", test_full_disk},
    {"two writers", test_two_writers},
    {"held", test_held},
    {"torn by another", test_torn_by_another},
    {"foreign files are left alone", test_foreign_files_are_left_alone},
    {"sizes", test_sizes},
    {"no memory", test_no_memory},
    {0},
};

/*
 * store_bdb_power_test.c - power cuts, of which kill -9 says nothing: what was not synced is gone,
 * or any of its sectors is.
 *
 * The child's writes are seen on their way (write, pwrite, fdatasync are wrapped): what each of
 * them replaces goes into a file of its own. After the child's death the parent puts back what no
 * sync has made safe: all of it (a power cut), or each sector of 512 bytes by chance (a torn one).
 */
#include "crash_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR     512u
#define PATH_BYTES 200u

/* One write, or (len -1) a sync. The replaced bytes follow. */
struct note {
    char path[PATH_BYTES];
    int64_t at, len, old_len, old_size;
};

static char notes_path[64];
static int notes = -1; /* of the child */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int pages_left; /* pages in their place until the child dies, 0 = it does not */

ssize_t __real_write(int fd, const void *bytes, size_t n);
ssize_t __real_pwrite(int fd, const void *bytes, size_t n, off_t at);
int __real_fdatasync(int fd);
int __real_fsync(int fd);
ssize_t __wrap_write(int fd, const void *bytes, size_t n);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t at);
int __wrap_fdatasync(int fd);
int __wrap_fsync(int fd);

/* ---- The child's side ---- */

/* 1 when the descriptor is a file of the store. */
static int is_ours(int fd, struct note *n)
{
    char link[40];
    struct stat st;
    ssize_t len;

    memset(n, 0, sizeof(*n));
    if (notes < 0 || fd == notes || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return 0;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    len = readlink(link, n->path, sizeof(n->path) - 1);
    n->old_size = st.st_size;
    return len > 0 && strncmp(n->path, dir, strlen(dir)) == 0;
}

static void add_note(const struct note *n, const void *old)
{
    if (__real_write(notes, n, sizeof(*n)) != (ssize_t)sizeof(*n) ||
        (n->old_len > 0 && __real_write(notes, old, (size_t)n->old_len) != (ssize_t)n->old_len))
        abort();
}

static ssize_t noted_write(int fd, struct note *n, const void *bytes, size_t len, off_t at)
{
    char *old = malloc(len + 1);
    ssize_t r;

    pthread_mutex_lock(&lock);
    n->at = at;
    n->len = (int64_t)len;
    n->old_len = pread(fd, old, len, at);
    n->old_len = n->old_len < 0 ? 0 : n->old_len;
    add_note(n, old);
    r = __real_pwrite(fd, bytes, len, at);
    if (pages_left && strcmp(n->path + strlen(n->path) - 3, ".db") == 0 && --pages_left == 0)
        kill(getpid(), SIGKILL);
    pthread_mutex_unlock(&lock);
    free(old);
    return r;
}

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    struct note note;

    return is_ours(fd, &note) ? noted_write(fd, &note, bytes, n, at)
                              : __real_pwrite(fd, bytes, n, at);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t n)
{
    struct note note;
    off_t at;
    ssize_t r;

    if (!is_ours(fd, &note))
        return __real_write(fd, bytes, n);
    at = lseek(fd, 0, SEEK_CUR);
    r = noted_write(fd, &note, bytes, n, at);
    if (r > 0)
        lseek(fd, at + r, SEEK_SET);
    return r;
}

int __wrap_fdatasync(int fd)
{
    struct note note;

    if (!is_ours(fd, &note))
        return __real_fdatasync(fd);
    pthread_mutex_lock(&lock); /* what is on the disk from here on */
    note.len = -1;
    add_note(&note, NULL);
    pthread_mutex_unlock(&lock);
    return 0;
}

int __wrap_fsync(int fd)
{
    return __wrap_fdatasync(fd);
}

static void prepare(void)
{
    notes = open(notes_path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    if (notes < 0)
        abort();
}

/* ---- The parent's side ---- */

struct list {
    struct entry {
        struct note n;
        char *old;
        int safe;
    } * v;
    size_t n;
};

static void read_notes(struct list *l)
{
    FILE *f = fopen(notes_path, "r");
    struct note n;

    memset(l, 0, sizeof(*l));
    while (f && fread(&n, sizeof(n), 1, f) == 1) {
        struct entry *e;

        if (l->n % 1024 == 0)
            l->v = realloc(l->v, (l->n + 1024) * sizeof(*l->v));
        e = &l->v[l->n++];
        *e = (struct entry){.n = n, .old = malloc((size_t)n.old_len + 1)};
        if (n.old_len && fread(e->old, (size_t)n.old_len, 1, f) != 1)
            e->n.old_len = 0; /* the last one: killed before its write */
    }
    if (f)
        fclose(f);
}

/* What a later sync of its file has made safe. */
static void mark_safe(struct list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        if (l->v[i].n.len >= 0)
            continue;
        for (size_t k = i; k-- > 0 && l->v[k].safe != 2;) {
            if (strcmp(l->v[k].n.path, l->v[i].n.path) != 0)
                continue;
            if (l->v[k].n.len < 0)
                break;
            l->v[k].safe = 1;
        }
    }
}

static uint64_t mix(uint64_t x)
{
    x ^= x >> 31;
    x *= 0x9e3779b97f4a7c15u;
    return x ^ x >> 29;
}

/* Whether a sector survives: the same for all writes of one round. */
static int survives(const char *path, uint64_t sector, uint64_t round)
{
    uint64_t hash = round;

    for (; *path; path++)
        hash = mix(hash + (unsigned char)*path);
    return mix(hash + mix(sector)) & 1;
}

static void put_back(const struct entry *e, int torn, uint64_t round)
{
    int fd = open(e->n.path, O_RDWR);
    static const char zeros[SECTOR];

    if (fd < 0)
        return; /* renamed or removed since */
    for (int64_t at = e->n.at; at < e->n.at + e->n.len;) {
        int64_t end = (at / SECTOR + 1) * SECTOR, n;

        end = end < e->n.at + e->n.len ? end : e->n.at + e->n.len;
        n = end - at;
        if (!torn || !survives(e->n.path, (uint64_t)at / SECTOR, round)) {
            int64_t from = at - e->n.at, old = e->n.old_len - from;

            old = old < 0 ? 0 : old > n ? n : old;
            CU_ASSERT_EQUAL(__real_pwrite(fd, e->old + from, (size_t)old, at), old);
            CU_ASSERT_EQUAL(__real_pwrite(fd, zeros, (size_t)(n - old), at + old), n - old);
        }
        at = end;
    }
    if (!torn && e->n.old_size < e->n.at + e->n.len)
        CU_ASSERT_EQUAL(ftruncate(fd, e->n.old_size), 0);
    close(fd);
}

static size_t cut_power(int torn, uint64_t round)
{
    struct list l;
    size_t lost = 0;

    read_notes(&l);
    mark_safe(&l);
    for (size_t i = l.n; i-- > 0;) {
        if (!l.v[i].safe && l.v[i].n.len > 0) {
            put_back(&l.v[i], torn, round);
            lost++;
        }
        free(l.v[i].old);
    }
    free(l.v);
    unlink(notes_path);
    return lost;
}

static void cut_again_and_again(int torn)
{
    const char *text = getenv("AIEX_CRASH_ROUNDS");
    int rounds = text ? atoi(text) : 4;
    unsigned seed = 42;
    size_t lost = 0;

    crash_prepare = prepare;
    crash_begin();
    snprintf(notes_path, sizeof(notes_path), "%s.notes", dir);
    for (int i = 0; i < rounds; i++) {
        crash_run(NULL, 1 + (int)(rand_r(&seed) % 500), "synced");
        lost += cut_power(torn, mix((uint64_t)i + 77));
        crash_check();
    }
    CU_ASSERT_TRUE(lost > 0);
    crash_end();
    crash_prepare = NULL;
}

static void test_power(void)
{
    cut_again_and_again(0);
}

static void test_torn(void)
{
    cut_again_and_again(1);
}

/* In the middle of a checkpoint, where pages are half written. */
static void test_torn_pages(void)
{
    const char *text = getenv("AIEX_CRASH_ROUNDS");
    int rounds = text ? atoi(text) : 4;
    unsigned seed = 7;

    crash_prepare = prepare;
    crash_begin();
    snprintf(notes_path, sizeof(notes_path), "%s.notes", dir);
    crash_run(NULL, 300, "synced");
    cut_power(1, 1);
    for (int i = 0; i < rounds; i++) {
        pages_left = 1 + (int)(rand_r(&seed) % 40);
        crash_run(NULL, 0, "synced");
        pages_left = 0;
        cut_power(1, mix((uint64_t)i + 1234));
        crash_check();
    }
    crash_end();
    crash_prepare = NULL;
}

const struct test_case tests[] = {
    {"power", test_power},
    {"torn", test_torn},
    {"torn pages", test_torn_pages},
    {0},
};

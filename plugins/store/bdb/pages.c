/*
 * pages.c - see pages.h.
 *
 * `writing` is held by who adds to the journal or empties it; `map` guards the table of held pages.
 * A reader holds `map` over its read and the look into the table: a page that is being moved to
 * its place is still in the table, and wins. Lock order: writing, map.
 */
#include "pages.h"

#include "bytes.h"
#include "page_hooks.h"
#include "scrub.h"

#include <aiex_crc32c.h>
#include <aiex_file.h>
#include <aiex_service.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define FRAME      56u
#define NAME       24u
#define MAX_FILES  16u
#define MAX_PAGE   65536u
#define BUCKETS    4096u
#define MAX_HELD   (24u << 20)  /* then the next page waits until all are in their place */
#define MAX_SPARE  (12u << 20)  /* memory of pages that were held, for the next ones */
#define MAX_EMPTY  (32u << 20)  /* what an empty journal keeps of its file */
#define STEP_BYTES (256u << 10) /* on their way to the disk at a time */

struct page {
    struct page *next;
    unsigned file;
    uint64_t at;
    uint32_t len;
    uint8_t bytes[];
};

struct pages {
    char home[300];
    int journal;
    int64_t log_bytes;        /* of a new file of the log; 0 = it grows as it is written */
    uint64_t generation, end; /* where the journal ends */
    uint64_t settled;         /* up to here it was given to the disk */
    int replayed;             /* what an earlier process left in it is in its place */
    pthread_mutex_t writing;
    pthread_rwlock_t map;
    struct page *buckets[BUCKETS];
    size_t held, n_held, spare_bytes;
    struct page *spare;
    struct file {
        char name[NAME];
        int fd;        /* for writing in place, -1 = not opened yet */
        uint32_t page; /* bytes of its pages; 0 = none was written yet */
        int dirty;     /* written in place since its last sync */
    } files[MAX_FILES];
    unsigned n_files;
    int scrubs;
    uint8_t frame[FRAME + MAX_PAGE]; /* with `writing` */
};

static const char magic[8] = {'A', 'I', 'E', 'X', 'P', 'A', 'G', 'E'};

/* To the disk, in steps: what the log wants to write meanwhile waits for one of them, not for all.
 * What can not be written is told by the sync that follows. */
static void settle(int fd, uint64_t from, uint64_t to)
{
    sync_file_range(fd, (off_t)from, (off_t)(to - from),
                    SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
}

/* ---- The journal ---- */

static uint32_t frame_crc(const uint8_t *frame, const void *bytes, size_t len)
{
    uint32_t crc = aiex_crc32c(0, frame + 8, 8);

    return aiex_crc32c(aiex_crc32c(crc, frame + 20, FRAME - 20), bytes, len);
}

static int journal_add(struct pages *p, unsigned file, uint64_t at, const void *bytes, size_t len)
{
    uint8_t *frame = p->frame; /* and the page behind it: one write */
    int r;

    memset(frame, 0, FRAME);
    memcpy(frame, magic, 8);
    put_be(frame + 8, p->generation, 8);
    put_be(frame + 20, len, 4);
    put_be(frame + 24, at, 8);
    memcpy(frame + 32, p->files[file].name, NAME);
    memcpy(frame + FRAME, bytes, len);
    if (p->scrubs)
        scrub_page(frame + FRAME, len);
    put_be(frame + 16, frame_crc(frame, frame + FRAME, len), 4);
    r = aiex_file_pwrite(p->journal, frame, FRAME + len, p->end);
    if (r < 0)
        return r;
    p->end += FRAME + len;
    if (p->end - p->settled >= STEP_BYTES) {
        settle(p->journal, p->settled, p->end);
        p->settled = p->end;
    }
    return 0;
}

/* The next whole page of the journal: its length, 0 = there is none. */
static size_t journal_next(int fd, uint64_t at, uint64_t *generation, uint8_t *frame,
                           uint8_t *bytes)
{
    size_t got = 0, len;

    if (aiex_file_pread(fd, frame, FRAME, at, &got) != 0 || got != FRAME ||
        memcmp(frame, magic, 8) != 0)
        return 0;
    len = get_be(frame + 20, 4);
    if (!len || len > MAX_PAGE || frame[FRAME - 1] || strchr((char *)frame + 32, '/') ||
        aiex_file_pread(fd, bytes, len, at + FRAME, &got) != 0 || got != len ||
        get_be(frame + 16, 4) != frame_crc(frame, bytes, len))
        return 0;
    if (*generation && *generation != get_be(frame + 8, 8))
        return 0; /* left over from before it was emptied */
    *generation = get_be(frame + 8, 8);
    return len;
}

/* ---- In place ---- */

static int place_fd(struct pages *p, unsigned file)
{
    char path[400];

    if (p->files[file].fd < 0) {
        snprintf(path, sizeof(path), "%s/%s", p->home, p->files[file].name);
        p->files[file].fd = open(path, O_RDWR | O_CLOEXEC);
    }
    return p->files[file].fd;
}

static int file_number(struct pages *p, const char *name)
{
    for (unsigned i = 0; i < p->n_files; i++)
        if (strcmp(p->files[i].name, name) == 0)
            return (int)i;
    if (p->n_files == MAX_FILES || strlen(name) >= NAME)
        return -ENFILE;
    strcpy(p->files[p->n_files].name, name);
    p->files[p->n_files].fd = -1;
    return (int)p->n_files++;
}

static int sync_files(struct pages *p)
{
    int r = 0;

    for (unsigned i = 0; i < p->n_files && r == 0; i++)
        if (p->files[i].dirty) {
            r = fdatasync(p->files[i].fd) == 0 ? 0 : -errno;
            p->files[i].dirty = r < 0;
        }
    return r;
}

/* Its blocks are kept, so that writing it again needs no new ones; what is left in them bears an
 * older generation. Should the mark be lost in a power cut, the same pages are put in place once
 * more: nothing else was, before the next generation was synced over them. */
static int empty_journal(struct pages *p)
{
    static const uint8_t mark[FRAME] = {0};
    int r = p->end > MAX_EMPTY ? (ftruncate(p->journal, 0) == 0 ? 0 : -errno)
                               : aiex_file_pwrite(p->journal, mark, sizeof(mark), 0);

    if (r < 0)
        return r;
    p->end = p->settled = 0;
    p->generation++;
    return 0;
}

/* What an earlier process left. A file that is gone stays gone: others tell about that. */
static int replay(struct pages *p)
{
    uint8_t frame[FRAME], *bytes = malloc(MAX_PAGE);
    uint64_t at = 0, generation = 0;
    size_t len;
    int r = bytes ? 0 : -ENOMEM;

    while (r == 0 && (len = journal_next(p->journal, at, &generation, frame, bytes)) > 0) {
        int file = file_number(p, (char *)frame + 32);
        int fd = file < 0 ? -1 : place_fd(p, (unsigned)file);

        if (file < 0)
            r = file;
        else if (fd >= 0)
            r = aiex_file_pwrite(fd, bytes, len, get_be(frame + 24, 8));
        else
            r = errno == ENOENT ? 0 : -errno;
        if (fd >= 0)
            p->files[file].dirty = 1;
        at += FRAME + len;
    }
    free(bytes);
    r = r ? r : sync_files(p);
    return r ? r : empty_journal(p);
}

/* ---- The table of held pages ---- */

static struct page **bucket(struct pages *p, unsigned file, uint64_t at)
{
    return &p->buckets[((at / 512 + file) * 0x9e3779b97f4a7c15u >> 40) % BUCKETS];
}

static struct page *held(struct pages *p, unsigned file, uint64_t at)
{
    struct page *page = *bucket(p, file, at);

    while (page && (page->file != file || page->at != at))
        page = page->next;
    return page;
}

/* Memory for a page, of one that was held before when the last of them has its size. */
static struct page *page_new(struct pages *p, size_t len)
{
    struct page *page = p->spare;

    if (!page || page->len != len)
        return malloc(sizeof(*page) + len);
    p->spare = page->next;
    p->spare_bytes -= len;
    return page;
}

static void page_end(struct pages *p, struct page *page)
{
    if (p->spare_bytes + page->len > MAX_SPARE) {
        free(page);
        return;
    }
    page->next = p->spare;
    p->spare = page;
    p->spare_bytes += page->len;
}

static int hold(struct pages *p, unsigned file, uint64_t at, const void *bytes, size_t len)
{
    struct page *page = held(p, file, at), **head = bucket(p, file, at);

    if (!page) {
        page = page_new(p, len);
        if (!page)
            return -ENOMEM;
        page->file = file;
        page->at = at;
        page->len = (uint32_t)len;
        memcpy(page->bytes, bytes, len);
        page->next = *head;
        *head = page;
        p->held += len;
        p->n_held++;
        return 0;
    }
    memcpy(page->bytes, bytes, len);
    return 0;
}

static void forget(struct pages *p)
{
    for (unsigned i = 0; i < BUCKETS; i++)
        while (p->buckets[i]) {
            struct page *page = p->buckets[i];

            p->buckets[i] = page->next;
            page_end(p, page);
        }
    p->held = p->n_held = 0;
}

static int by_place(const void *a, const void *b)
{
    const struct page *x = *(struct page *const *)a, *y = *(struct page *const *)b;

    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* All held pages in the order of their places; free() it. NULL: no memory. */
static struct page **sorted(const struct pages *p, size_t *ret_n)
{
    struct page **all = malloc((p->n_held + 1) * sizeof(struct page *));
    size_t n = 0;

    for (unsigned i = 0; i < BUCKETS && all; i++)
        for (struct page *page = p->buckets[i]; page; page = page->next)
            all[n++] = page;
    if (all)
        qsort(all, n, sizeof(struct page *), by_place);
    *ret_n = n;
    return all;
}

static int put_in_place(struct pages *p)
{
    size_t n, first = 0, bytes = 0;
    struct page **all = sorted(p, &n);
    int r = all ? 0 : -ENOMEM;

    for (size_t i = 0; i < n && r == 0; i++) {
        const struct page *page = all[i];
        int fd = place_fd(p, page->file);

        p->files[page->file].dirty |= fd >= 0;
        r = fd < 0 ? -errno : aiex_file_pwrite(fd, page->bytes, page->len, page->at);
        bytes += page->len;
        if (r == 0 && (bytes >= STEP_BYTES || i + 1 == n || all[i + 1]->file != page->file)) {
            settle(fd, all[first]->at, page->at + page->len);
            first = i + 1;
            bytes = 0;
        }
    }
    free(all);
    return r ? r : sync_files(p);
}

/* With `writing`. */
static int flush(struct pages *p)
{
    int r = 0;

    if (!p->held)
        return sync_files(p);
    r = fdatasync(p->journal) == 0 ? 0 : -errno;
    r = r ? r : put_in_place(p);
    r = r ? r : empty_journal(p);
    if (r < 0)
        return r;
    pthread_rwlock_wrlock(&p->map);
    forget(p);
    pthread_rwlock_unlock(&p->map);
    return 0;
}

int pages_flush(struct pages *p)
{
    int r;

    pthread_mutex_lock(&p->writing);
    r = flush(p);
    pthread_mutex_unlock(&p->writing);
    return r;
}

int pages_wipe(struct pages *p)
{
    int r;

    pthread_mutex_lock(&p->writing);
    r = flush(p);
    if (r == 0 && ftruncate(p->journal, 0) != 0)
        r = -errno;
    if (r == 0)
        p->end = p->settled = 0;
    pthread_mutex_unlock(&p->writing);
    return r;
}

/* ---- What the hooks ask for ---- */

int pages_has(const struct pages *p, const char *path, const char **ret_name)
{
    size_t n = strlen(p->home);

    if (strncmp(path, p->home, n) != 0 || path[n] != '/' || strchr(path + n + 1, '/'))
        return 0;
    *ret_name = path + n + 1;
    return 1;
}

int pages_file(struct pages *p, const char *name)
{
    int file;

    pthread_mutex_lock(&p->writing);
    file = file_number(p, name);
    pthread_mutex_unlock(&p->writing);
    return file;
}

void pages_log(struct pages *p, int64_t bytes)
{
    p->log_bytes = bytes;
}

int64_t pages_log_bytes(const struct pages *p)
{
    return p->log_bytes;
}

/* 1 when it is one whole page as the others of its file are. */
static int is_page(struct file *f, size_t len, uint64_t at)
{
    if (!f->page && at % len == 0 && len >= 512 && len <= MAX_PAGE)
        f->page = (uint32_t)len;
    return f->page == len && at % len == 0;
}

/* With `writing`. */
static int take_page(struct pages *p, unsigned file, const void *bytes, size_t len, uint64_t at)
{
    int r = 0;

    if (!is_page(&p->files[file], len, at)) { /* the head of a file that is being made */
        r = flush(p);
        r = r ? r : place_fd(p, file) < 0 ? -errno : 0;
        p->files[file].dirty |= r == 0;
        return r ? r : aiex_file_pwrite(place_fd(p, file), bytes, len, at);
    }
    if (p->held >= MAX_HELD)
        r = flush(p);
    r = r ? r : journal_add(p, file, at, bytes, len);
    if (r == 0) {
        pthread_rwlock_wrlock(&p->map);
        r = hold(p, file, at, p->frame + FRAME, len); /* as it went into the journal */
        pthread_rwlock_unlock(&p->map);
    }
    return r;
}

int pages_write(struct pages *p, unsigned file, const void *bytes, size_t len, uint64_t at)
{
    int r;

    pthread_mutex_lock(&p->writing);
    r = take_page(p, file, bytes, len, at);
    pthread_mutex_unlock(&p->writing);
    return r;
}

/* Puts held pages over what was read; the length may grow behind the end of the file. */
static ssize_t patch(struct pages *p, unsigned file, uint8_t *bytes, size_t len, ssize_t got,
                     uint64_t at)
{
    uint64_t size = p->files[file].page;

    for (uint64_t x = at; size && x < at + len;) {
        struct page *page = held(p, file, x / size * size);
        uint64_t end = x / size * size + size;

        end = end < at + len ? end : at + len;
        if (page) {
            if ((uint64_t)got < x - at) /* a hole that was never written */
                memset(bytes + got, 0, x - at - (size_t)got);
            memcpy(bytes + (x - at), page->bytes + (x - page->at), end - x);
            got = (ssize_t)(end - at) > got ? (ssize_t)(end - at) : got;
        }
        x = end;
    }
    return got;
}

ssize_t pages_read(struct pages *p, unsigned file, int fd, void *bytes, size_t len, off_t at)
{
    ssize_t got;

    pthread_rwlock_rdlock(&p->map);
    got = pread(fd, bytes, len, at);
    if (got >= 0 && p->held)
        got = patch(p, file, bytes, len, got, (uint64_t)at);
    pthread_rwlock_unlock(&p->map);
    return got;
}

int pages_cut(struct pages *p, unsigned file, int fd, off_t size)
{
    int r;

    pthread_mutex_lock(&p->writing);
    r = flush(p);
    r = r ? r : ftruncate(fd, size) == 0 ? 0 : -errno;
    p->files[file].dirty |= r == 0 && place_fd(p, file) >= 0;
    pthread_mutex_unlock(&p->writing);
    return r;
}

/* ---- Life ---- */

void pages_scrub(struct pages *p)
{
    p->scrubs = 1;
}

int pages_begin(struct pages **ret_pages, const char *home, struct aiex_error *err)
{
    struct pages *p = calloc(1, sizeof(*p));
    char path[400];
    int r;

    if (!p)
        return aiex_failed(err, -ENOMEM, "no memory to guard '%.200s'", home);
    snprintf(p->home, sizeof(p->home), "%s", home);
    pthread_mutex_init(&p->writing, NULL);
    pthread_rwlock_init(&p->map, NULL);
    if (getrandom(&p->generation, sizeof(p->generation), 0) != sizeof(p->generation) ||
        !p->generation)
        p->generation = (uint64_t)time(NULL) << 20 | 1;
    snprintf(path, sizeof(path), "%s/pages.journal", home);
    p->journal = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    r = p->journal < 0 ? -errno : replay(p);
    p->replayed = r == 0;
    r = r ? r : hooks_begin(p);
    if (r < 0) {
        aiex_failed(err, r, "journal '%.250s': %s", path, strerror(-r));
        pages_end(p);
        return r;
    }
    *ret_pages = p;
    return 0;
}

void pages_end(struct pages *p)
{
    if (!p)
        return;
    hooks_end(p);
    if (p->replayed) /* else it has what is nowhere else */
        pages_wipe(p);
    if (p->journal >= 0)
        close(p->journal);
    for (unsigned i = 0; i < p->n_files; i++)
        if (p->files[i].fd >= 0)
            close(p->files[i].fd);
    forget(p);
    while (p->spare) {
        struct page *page = p->spare;

        p->spare = page->next;
        free(page);
    }
    pthread_mutex_destroy(&p->writing);
    pthread_rwlock_destroy(&p->map);
    free(p);
}

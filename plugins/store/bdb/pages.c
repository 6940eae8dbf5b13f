/*
 * pages.c - see pages.h.
 *
 * `writing` is held by who adds to the journal or empties it; `map` guards the table of held pages.
 * A reader holds `map` over its read and the look into the table: a page that is being moved to
 * its place is still in the table, and wins. Lock order: writing, map.
 */
#include "pages.h"

#include "bytes.h"
#include "scrub.h"

#include <aiex_crc32c.h>
#include <aiex_file.h>
#include <aiex_service.h>
#include <db.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FRAME        56u
#define NAME         24u
#define MAX_FILES    16u
#define MAX_PAGE     65536u
#define BUCKETS      4096u
#define MAX_HELD     (24u << 20)  /* then the next page waits until all are in their place */
#define MAX_SPARE    (12u << 20)  /* memory of pages that were held, for the next ones */
#define MAX_EMPTY    (32u << 20)  /* what an empty journal keeps of its file */
#define STEP_BYTES   (256u << 10) /* on their way to the disk at a time */
#define MAX_PAUSE_US 1000L
#define MAX_FD       4096
#define MAX_HOMES    8u

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

/* What an open descriptor of Berkeley DB is. */
struct guarded {
    struct pages *pages;
    unsigned file;
};

static struct {
    pthread_mutex_t lock;
    struct pages *homes[MAX_HOMES];
    _Atomic(struct guarded *) by_fd[MAX_FD];
} process = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const char magic[8] = {'A', 'I', 'E', 'X', 'P', 'A', 'G', 'E'};

static struct guarded *guarded_of(int fd)
{
    return fd >= 0 && fd < MAX_FD ? atomic_load(&process.by_fd[fd]) : NULL;
}

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

/* ---- What Berkeley DB calls ---- */

static int name_in(const struct pages *p, const char *path, const char **ret_name)
{
    size_t n = strlen(p->home), len = strlen(path);

    *ret_name = path + n + 1;
    return len > n + 4 && memcmp(path, p->home, n) == 0 && path[n] == '/' &&
           !strchr(*ret_name, '/') && strcmp(path + len - 3, ".db") == 0;
}

void pages_log(struct pages *p, int64_t bytes)
{
    p->log_bytes = bytes;
}

/* With the lock of the process. A new file of the log, when it is one. */
static void fill_log(int fd, const char *path)
{
    struct stat st;

    for (unsigned i = 0; i < MAX_HOMES; i++) {
        struct pages *p = process.homes[i];
        size_t n = p ? strlen(p->home) : 0;

        if (!p || !p->log_bytes || strncmp(path, p->home, n) != 0 ||
            strncmp(path + n, "/log.", 5) != 0)
            continue;
        if (fstat(fd, &st) == 0 && st.st_size == 0 && fallocate(fd, 0, 0, p->log_bytes) != 0 &&
            ftruncate(fd, 0) != 0)
            return; /* it is as long as it is: zeros end a log */
    }
}

/* With the lock of the process. 0, or -1 with errno: it can not be guarded. */
static int guard(int fd, const char *path)
{
    const char *name;

    for (unsigned i = 0; i < MAX_HOMES; i++) {
        struct pages *p = process.homes[i];
        struct guarded *g;
        int file;

        if (!p || !name_in(p, path, &name))
            continue;
        pthread_mutex_lock(&p->writing);
        file = file_number(p, name);
        pthread_mutex_unlock(&p->writing);
        g = file < 0 || fd >= MAX_FD ? NULL : malloc(sizeof(*g));
        if (!g) {
            errno = file < 0 || fd >= MAX_FD ? EMFILE : ENOMEM;
            return -1;
        }
        *g = (struct guarded){p, (unsigned)file};
        atomic_store(&process.by_fd[fd], g);
    }
    return 0;
}

static _Thread_local int met_full_disk;

int pages_met_full_disk(void)
{
    int met = met_full_disk;

    met_full_disk = 0;
    return met;
}

/* What goes wrong in a function of ours. */
static void failed(int r)
{
    met_full_disk |= r == -ENOSPC || r == -EDQUOT || r == -EFBIG;
    errno = -r;
}

static int on_open(const char *path, int flags, ...)
{
    va_list args;
    int fd, r, mode;

    va_start(args, flags);
    mode = va_arg(args, int);
    va_end(args);
    fd = open(path, flags, mode);
    if (fd < 0) {
        failed(-errno);
        return fd;
    }
    pthread_mutex_lock(&process.lock);
    r = guard(fd, path);
    if (flags & O_CREAT)
        fill_log(fd, path);
    pthread_mutex_unlock(&process.lock);
    if (r == 0)
        return fd;
    close(fd);
    return -1;
}

static int on_close(int fd)
{
    if (fd >= 0 && fd < MAX_FD)
        free(atomic_exchange(&process.by_fd[fd], NULL));
    return close(fd);
}

/* 1 when it is one whole page as the others of its file are. */
static int is_page(struct file *f, size_t len, uint64_t at)
{
    if (!f->page && at % len == 0 && len >= 512 && len <= MAX_PAGE)
        f->page = (uint32_t)len;
    return f->page == len && at % len == 0;
}

/* With `writing`. */
static int take_page(struct guarded *g, const void *bytes, size_t len, uint64_t at)
{
    struct pages *p = g->pages;
    int r = 0;

    if (!is_page(&p->files[g->file], len, at)) { /* the head of a file that is being made */
        r = flush(p);
        r = r ? r : place_fd(p, g->file) < 0 ? -errno : 0;
        p->files[g->file].dirty |= r == 0;
        return r ? r : aiex_file_pwrite(place_fd(p, g->file), bytes, len, at);
    }
    if (p->held >= MAX_HELD)
        r = flush(p);
    r = r ? r : journal_add(p, g->file, at, bytes, len);
    if (r == 0) {
        pthread_rwlock_wrlock(&p->map);
        r = hold(p, g->file, at, p->frame + FRAME, len); /* as it went into the journal */
        pthread_rwlock_unlock(&p->map);
    }
    return r;
}

static ssize_t on_pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    struct guarded *g = guarded_of(fd);
    ssize_t n;
    int r;

    if (!g) {
        n = pwrite(fd, bytes, len, at);
        if (n < 0)
            failed(-errno);
        return n;
    }
    pthread_mutex_lock(&g->pages->writing);
    r = take_page(g, bytes, len, (uint64_t)at);
    pthread_mutex_unlock(&g->pages->writing);
    failed(r);
    return r ? -1 : (ssize_t)len;
}

/* Puts held pages over what was read; the length may grow behind the end of the file. */
static ssize_t patch(struct guarded *g, uint8_t *bytes, size_t len, ssize_t got, uint64_t at)
{
    uint64_t size = g->pages->files[g->file].page;

    for (uint64_t x = at; size && x < at + len;) {
        struct page *page = held(g->pages, g->file, x / size * size);
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

static ssize_t on_pread(int fd, void *bytes, size_t len, off_t at)
{
    struct guarded *g = guarded_of(fd);
    ssize_t got;

    if (!g)
        return pread(fd, bytes, len, at);
    pthread_rwlock_rdlock(&g->pages->map);
    got = pread(fd, bytes, len, at);
    if (got >= 0 && g->pages->held)
        got = patch(g, bytes, len, got, (uint64_t)at);
    pthread_rwlock_unlock(&g->pages->map);
    return got;
}

/* Berkeley DB takes less than the whole for an error here. It comes here also when a pwrite failed.
 */
static ssize_t on_write(int fd, const void *bytes, size_t len)
{
    off_t at = guarded_of(fd) ? lseek(fd, 0, SEEK_CUR) : -1;
    size_t done = 0;

    if (at >= 0)
        return on_pwrite(fd, bytes, len, at);
    while (done < len) {
        ssize_t n = write(fd, (const char *)bytes + done, len - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            failed(-errno);
            return -1;
        }
        done += (size_t)n;
    }
    return (ssize_t)len;
}

/* What this and the next one return goes through as an error of Berkeley DB: no -1. */
static int on_fsync(int fd)
{
    struct guarded *g = guarded_of(fd);
    int r = g ? pages_flush(g->pages) : fdatasync(fd) == 0 ? 0 : -errno;

    failed(r);
    return -r;
}

static _Thread_local int hurries;

void pages_hurry(int on)
{
    hurries = on;
}

/* Its pauses. Elsewhere than in a checkpoint they are counted, and end with an error. */
static int on_yield(unsigned long seconds, unsigned long us)
{
    struct timespec pause = {.tv_sec = (time_t)(seconds + us / 1000000),
                             .tv_nsec = (long)(us % 1000000 * 1000)};

    if (hurries && (seconds || us > MAX_PAUSE_US))
        pause = (struct timespec){.tv_nsec = MAX_PAUSE_US * 1000};
    return nanosleep(&pause, NULL) == 0 ? 0 : errno;
}

/* What is held of the file goes to its place before: nothing of it may come back behind its end. */
static int on_ftruncate(int fd, off_t size)
{
    struct guarded *g = guarded_of(fd);
    int r;

    if (!g)
        return ftruncate(fd, size) == 0 ? 0 : errno;
    pthread_mutex_lock(&g->pages->writing);
    r = flush(g->pages);
    r = r ? r : ftruncate(fd, size) == 0 ? 0 : -errno;
    g->pages->files[g->file].dirty |= r == 0 && place_fd(g->pages, g->file) >= 0;
    pthread_mutex_unlock(&g->pages->writing);
    failed(r);
    return -r;
}

static void set_functions(void)
{
    db_env_set_func_open(on_open);
    db_env_set_func_close(on_close);
    db_env_set_func_write(on_write);
    db_env_set_func_pread(on_pread);
    db_env_set_func_pwrite(on_pwrite);
    db_env_set_func_fsync(on_fsync);
    db_env_set_func_yield(on_yield);
    db_env_set_func_ftruncate(on_ftruncate);
}

/* ---- Life ---- */

static int add_home(struct pages *p)
{
    int r = -ENFILE;

    pthread_mutex_lock(&process.lock);
    for (unsigned i = 0; i < MAX_HOMES && r < 0; i++)
        if (!process.homes[i]) {
            process.homes[i] = p;
            r = 0;
        }
    set_functions();
    pthread_mutex_unlock(&process.lock);
    return r;
}

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
    r = r ? r : add_home(p);
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
    pthread_mutex_lock(&process.lock);
    for (unsigned i = 0; i < MAX_HOMES; i++)
        if (process.homes[i] == p)
            process.homes[i] = NULL;
    for (int fd = 0; fd < MAX_FD; fd++) { /* what a panic has left open */
        struct guarded *g = atomic_load(&process.by_fd[fd]);

        if (g && g->pages == p)
            free(atomic_exchange(&process.by_fd[fd], NULL));
    }
    pthread_mutex_unlock(&process.lock);
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

/* journal_read.c - opens a journal: pepper, frames, and what to make of a broken one. */
#include "journal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE (256u * 1024u * 1024u)
#define PAGE     4096u

/* ---- Pepper ---- */

static int read_pepper(struct journal *j, const char *path, struct aiex_error *err)
{
    uint8_t bytes[PEPPER_BYTES + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return journal_fail(err, -errno, "can not open", path);
    n = read(fd, bytes, sizeof(bytes));
    close(fd);
    if (n != PEPPER_BYTES) {
        snprintf(err->text, sizeof(err->text),
                 "'%.300s' is not %u bytes long; without the right one no key can be recognised: "
                 "restore it from a backup",
                 path, PEPPER_BYTES);
        return -EBADMSG;
    }
    memcpy(j->pepper, bytes, PEPPER_BYTES);
    secret_wipe(bytes, sizeof(bytes));
    return 0;
}

int journal_write_pepper(struct journal *j, const char *path, struct aiex_error *err)
{
    char fresh[600];
    int fd, r;

    journal_path(j, PEPPER_FILE ".new", fresh);
    fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return journal_fail(err, -errno, "can not create", fresh);
    r = journal_write_all(fd, j->pepper, PEPPER_BYTES);
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    close(fd);
    if (r == 0 && rename(fresh, path) < 0)
        r = -errno;
    if (r == 0)
        r = journal_sync_folder(j);
    if (r < 0)
        unlink(fresh);
    return r < 0 ? journal_fail(err, r, "can not write", path) : 0;
}

static int make_pepper(struct journal *j, const char *path, struct aiex_error *err)
{
    if (secret_random(j->pepper, PEPPER_BYTES) != 0)
        return journal_fail(err, -EIO, "no random bytes for", path);
    return journal_write_pepper(j, path, err);
}

static int open_pepper(struct journal *j, const char *keys, struct aiex_error *err)
{
    struct stat st;
    char path[600];

    journal_path(j, PEPPER_FILE, path);
    if (stat(path, &st) == 0)
        return read_pepper(j, path, err);
    if (errno != ENOENT)
        return journal_fail(err, -errno, "can not look at", path);
    if (stat(keys, &st) == 0 && st.st_size > 0) {
        snprintf(err->text, sizeof(err->text),
                 "'%.200s' is missing, but '%.200s' is there and can not be read without it: "
                 "restore both from one backup",
                 path, keys);
        return -EBADMSG;
    }
    return make_pepper(j, path, err);
}

/* ---- Frames ---- */

static uint64_t get(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;

    while (n--)
        v = v << 8 | p[n];
    return v;
}

/* Length of the good frame at `p`, 0 = there is none. */
static size_t good_frame(const uint8_t *p, size_t left, uint64_t *ret_sequence)
{
    uint8_t sum[SECRET_SUM];
    uint64_t n;

    if (left < FRAME_HEAD || memcmp(p, frame_mark, 4) != 0)
        return 0;
    n = get(p + 4, 4);
    if (n == 0 || n > JOURNAL_MAX_RECORD || n > left - FRAME_HEAD)
        return 0;
    *ret_sequence = get(p + 8, 8);
    secret_sum(*ret_sequence, (struct aiex_slice){p + FRAME_HEAD, (size_t)n}, sum);
    return memcmp(sum, p + 16, SECRET_SUM) == 0 ? FRAME_HEAD + (size_t)n : 0;
}

static int all_zero(const uint8_t *p, size_t n)
{
    while (n && *p == 0) {
        p++;
        n--;
    }
    return n == 0;
}

/* Is this what a single write leaves that was cut short: the beginning of a frame, or pages of
 * zeros where its end should be? */
static int is_torn(const uint8_t *all, size_t at, size_t size)
{
    const uint8_t *p = all + at;
    size_t left = size - at, whole, page;

    if (all_zero(p, left))
        return left <= FRAME_HEAD + JOURNAL_MAX_RECORD;
    if (memcmp(p, frame_mark, left < 4 ? left : 4) != 0)
        return 0;
    if (left < FRAME_HEAD)
        return 1;
    whole = FRAME_HEAD + (size_t)get(p + 4, 4);
    if (whole > FRAME_HEAD + JOURNAL_MAX_RECORD || left > whole)
        return 0;
    page = (at / PAGE + 1) * PAGE;
    return left < whole || (page < size && all_zero(all + page, size - page));
}

static int damaged(const struct journal *j, size_t at, struct aiex_error *err)
{
    snprintf(err->text, sizeof(err->text),
             "'%.250s/%s' is damaged at byte %zu, so keys or revocations would be lost: restore it "
             "from a backup",
             j->folder, KEYS_FILE, at);
    return -EBADMSG;
}

static int other_pepper(const struct journal *j, struct aiex_error *err)
{
    snprintf(err->text, sizeof(err->text),
             "'%.200s/%s' is not the one that the keys beside it were made with: restore both from "
             "one backup",
             j->folder, PEPPER_FILE);
    return -EBADMSG;
}

/* What is left of a cache may be a key before it was revoked, or no key at all: none of it. */
static int empty_cache(struct journal *j, size_t at, struct aiex_error *err)
{
    char text[700];

    snprintf(text, sizeof(text), "%s/%s is damaged at byte %zu; all of it is read from the store",
             j->folder, KEYS_FILE, at);
    j->host->log(j->host, AIEX_LOG_WARN, 0, text);
    if (ftruncate(j->fd, 0) < 0)
        return journal_fail(err, -errno, "can not empty the file of keys in", j->folder);
    j->size = j->sequence = j->frames = 0;
    j->emptied = 1;
    return 0;
}

static int cut_tail(struct journal *j, size_t at, size_t size, struct aiex_error *err)
{
    char text[700];

    snprintf(text, sizeof(text),
             "%s/%s ended in a record that was not written whole; cutting its %zu bytes at %zu",
             j->folder, KEYS_FILE, size - at, at);
    j->host->log(j->host, AIEX_LOG_WARN, 0, text);
    if (ftruncate(j->fd, (off_t)at) < 0 || fsync(j->fd) < 0)
        return journal_fail(err, -errno, "can not cut the file of keys in", j->folder);
    return 0;
}

/* The first frame belongs to the journal, the others to its user. */
static int take_frame(struct journal *j, struct aiex_slice payload, journal_take take, void *arg,
                      struct aiex_error *err)
{
    uint8_t print[SECRET_SUM];
    int r;

    if (j->sequence == 1) {
        secret_fingerprint(j->pepper, print);
        r = payload.len == SECRET_SUM && memcmp(payload.data, print, SECRET_SUM) == 0;
        return r ? 0 : other_pepper(j, err);
    }
    r = take(arg, payload);
    return r < 0 ? journal_fail(err, r, "can not use a record of the file of keys in", j->folder)
                 : 0;
}

static int read_frames(struct journal *j, const uint8_t *all, size_t size, journal_take take,
                       void *arg, struct aiex_error *err)
{
    size_t at = 0, n;
    uint64_t sequence = 0;
    int r = 0;

    while (r == 0 && at < size) {
        n = good_frame(all + at, size - at, &sequence);
        if (n == 0 && is_torn(all, at, size)) {
            r = cut_tail(j, at, size, err);
            break;
        }
        if (j->cache && (n == 0 || sequence != j->sequence + 1))
            return empty_cache(j, at, err);
        if (n == 0 || sequence != j->sequence + 1)
            return damaged(j, at, err);
        j->sequence = sequence;
        r = take_frame(j, (struct aiex_slice){all + at + FRAME_HEAD, n - FRAME_HEAD}, take, arg,
                       err);
        at += n;
        if (++j->frames % 1024 == 0)
            j->host->alive(j->host);
    }
    j->size = at;
    return r;
}

int journal_write_first(struct journal *j, struct aiex_error *err)
{
    uint8_t print[SECRET_SUM];

    secret_fingerprint(j->pepper, print);
    return journal_append(j, (struct aiex_slice){print, sizeof(print)}, err);
}

static int read_file(struct journal *j, uint8_t **ret, size_t *ret_size)
{
    struct stat st;
    size_t got = 0;
    uint8_t *all;

    if (fstat(j->fd, &st) < 0)
        return -errno;
    if (st.st_size > MAX_FILE)
        return -EFBIG;
    all = malloc((size_t)st.st_size + 1);
    if (!all)
        return -ENOMEM;
    while (got < (size_t)st.st_size) {
        ssize_t r = read(j->fd, all + got, (size_t)st.st_size - got);

        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0) {
            free(all);
            return r < 0 ? -errno : -EIO;
        }
        got += (size_t)r;
    }
    *ret = all;
    *ret_size = got;
    return 0;
}

/* Opens the file and takes its lock: what another process is just writing is no torn tail. The
 * lock waits for one write of the other, or its compaction; then there is another file. */
static int open_locked(struct journal *j, const char *path)
{
    struct stat here, there;

    for (;;) {
        j->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (j->fd < 0 || flock(j->fd, LOCK_EX) < 0 || fstat(j->fd, &here) < 0)
            return -errno;
        if (stat(path, &there) == 0 && here.st_ino == there.st_ino)
            return 0;
        close(j->fd);
    }
}

static int read_keys(struct journal *j, const char *path, journal_take take, void *arg,
                     struct aiex_error *err)
{
    uint8_t *all = NULL;
    size_t size = 0;
    int r = read_file(j, &all, &size);

    if (r < 0)
        return journal_fail(err, r, "can not read", path);
    r = read_frames(j, all, size, take, arg, err);
    free(all);
    if (r == 0 && lseek(j->fd, (off_t)j->size, SEEK_SET) < 0)
        r = journal_fail(err, -errno, "can not go to the end of", path);
    return r;
}

static int open_keys(struct journal *j, const char *path, journal_take take, void *arg,
                     struct aiex_error *err)
{
    int r = open_locked(j, path), fresh;

    if (r < 0)
        return journal_fail(err, r, "can not open", path);
    r = read_keys(j, path, take, arg, err);
    fresh = j->frames == 0;
    if (r == 0 && fresh)
        r = journal_write_first(j, err); /* gives the lock back, too */
    if (r == 0 && fresh && (r = journal_sync_folder(j)) < 0)
        r = journal_fail(err, r, "can not sync", j->folder);
    if (r == 0)
        flock(j->fd, LOCK_UN);
    return r;
}

int journal_open(struct journal *j, const struct aiex_host *host, journal_take take, void *arg,
                 struct aiex_error *err)
{
    char keys[600];
    int r;

    *j = (struct journal){.host = host, .fd = -1};
    if (!host->data_dir || !host->data_dir[0] || strlen(host->data_dir) >= sizeof(j->folder)) {
        snprintf(err->text, sizeof(err->text),
                 "there is no data folder for the keys; start the host with --data DIR");
        return -ENOTDIR;
    }
    memcpy(j->folder, host->data_dir, strlen(host->data_dir) + 1);
    journal_path(j, KEYS_FILE, keys);
    r = open_pepper(j, keys, err);
    if (r == 0)
        r = open_keys(j, keys, take, arg, err);
    if (r < 0)
        journal_close(j);
    return r;
}

/* ---- A cache that another process writes, too ---- */

static int pass_over(void *arg, struct aiex_slice record)
{
    struct journal *j = arg;

    j->cache = 1;
    return 0;
}

int journal_attach(struct journal *j, struct aiex_error *err)
{
    struct journal new;
    int r = journal_open(&new, j->host, pass_over, &new, err);

    if (r < 0)
        return r;
    new.cache = j->cache;
    journal_close(j);
    *j = new;
    return 0;
}

/* In this order, so that whatever is left by a crash is a folder that starts. */
int journal_adopt(struct journal *j, const uint8_t pepper[PEPPER_BYTES], struct aiex_error *err)
{
    char path[600];
    int r = 0;

    if (flock(j->fd, LOCK_EX | LOCK_NB) < 0)
        return journal_fail(err, -EBUSY, "another process is writing to", j->folder);
    if (ftruncate(j->fd, 0) < 0 || lseek(j->fd, 0, SEEK_SET) < 0 || fsync(j->fd) < 0)
        r = -errno;
    flock(j->fd, LOCK_UN);
    if (r < 0)
        return journal_fail(err, r, "can not empty the file of keys in", j->folder);
    j->size = j->sequence = j->frames = 0;
    memcpy(j->pepper, pepper, PEPPER_BYTES);
    journal_path(j, PEPPER_FILE, path);
    r = journal_write_pepper(j, path, err);
    return r < 0 ? r : journal_write_first(j, err);
}

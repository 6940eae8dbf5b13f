/* journal_read.c - opens a journal: pepper, frames, and what to make of a broken one. */
#include "journal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE (256u * 1024u * 1024u)

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

static int make_pepper(struct journal *j, const char *path, struct aiex_error *err)
{
    char fresh[600];
    int fd, r;

    journal_path(j, PEPPER_FILE ".new", fresh);
    if (secret_random(j->pepper, PEPPER_BYTES) != 0)
        return journal_fail(err, -EIO, "no random bytes for", path);
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
static size_t good_frame(const struct journal *j, const uint8_t *p, size_t left, uint64_t *ret_sequence)
{
    uint8_t mac[SECRET_MAC];
    uint64_t n;

    if (left < FRAME_HEAD || memcmp(p, frame_mark, 4) != 0)
        return 0;
    n = get(p + 4, 4);
    if (n == 0 || n > JOURNAL_MAX_RECORD || n > left - FRAME_HEAD)
        return 0;
    *ret_sequence = get(p + 8, 8);
    secret_mac(j->pepper, *ret_sequence, (struct aiex_slice){p + FRAME_HEAD, (size_t)n}, mac);
    return memcmp(mac, p + 16, SECRET_MAC) == 0 ? FRAME_HEAD + (size_t)n : 0;
}

/* Offset of a good frame behind `from`, 0 = none. */
static size_t good_behind(const struct journal *j, const uint8_t *all, size_t from, size_t size)
{
    uint64_t sequence;

    for (size_t at = from + 1; at < size; at++) {
        const uint8_t *p = memchr(all + at, frame_mark[0], size - at);

        if (!p)
            return 0;
        at = (size_t)(p - all);
        if (good_frame(j, p, size - at, &sequence))
            return at;
    }
    return 0;
}

static int damaged(const struct journal *j, size_t at, size_t next, struct aiex_error *err)
{
    snprintf(err->text, sizeof(err->text),
             "'%.250s/%s' is damaged at byte %zu; good records follow at byte %zu, so keys or "
             "revocations would be lost: restore it from a backup",
             j->folder, KEYS_FILE, at, next);
    return -EBADMSG;
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

static int read_frames(struct journal *j, const uint8_t *all, size_t size, journal_take take, void *arg,
                       struct aiex_error *err)
{
    size_t at = 0, n, next;
    uint64_t sequence;
    int r;

    while (at < size) {
        n = good_frame(j, all + at, size - at, &sequence);
        if (n == 0 || sequence != j->sequence + 1) {
            next = n ? at : good_behind(j, all, at, size);
            if (n || next)
                return damaged(j, at, next, err);
            r = cut_tail(j, at, size, err);
            if (r < 0)
                return r;
            break;
        }
        r = take(arg, (struct aiex_slice){all + at + FRAME_HEAD, n - FRAME_HEAD});
        if (r < 0)
            return journal_fail(err, r, "can not use a record of the file of keys in", j->folder);
        at += n;
        j->sequence = sequence;
        if (++j->frames % 1024 == 0)
            j->host->alive(j->host);
    }
    j->size = at;
    return 0;
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

static int open_keys(struct journal *j, const char *path, journal_take take, void *arg,
                     struct aiex_error *err)
{
    uint8_t *all = NULL;
    size_t size = 0;
    int r;

    j->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (j->fd < 0)
        return journal_fail(err, -errno, "can not open", path);
    r = read_file(j, &all, &size);
    if (r < 0)
        return journal_fail(err, r, "can not read", path);
    r = read_frames(j, all, size, take, arg, err);
    free(all);
    if (r == 0 && lseek(j->fd, (off_t)j->size, SEEK_SET) < 0)
        r = journal_fail(err, -errno, "can not go to the end of", path);
    if (r == 0 && size == 0 && (r = journal_sync_folder(j)) < 0)
        r = journal_fail(err, r, "can not sync", j->folder);
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

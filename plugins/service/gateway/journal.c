/* journal.c - appending and compacting; journal_read.c opens and checks. */
#include "journal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int journal_fail(struct aiex_error *err, int error, const char *what, const char *where)
{
    snprintf(err->text, sizeof(err->text), "%s '%.300s': %s", what, where, strerror(-error));
    return error;
}

void journal_path(const struct journal *j, const char *name, char out[600])
{
    snprintf(out, 600, "%s/%s", j->folder, name);
}

int journal_write_all(int fd, const uint8_t *bytes, size_t n)
{
    while (n) {
        ssize_t r = write(fd, bytes, n);

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        if (r == 0)
            return -ENOSPC;
        bytes += r;
        n -= (size_t)r;
    }
    return 0;
}

int journal_sync_folder(const struct journal *j)
{
    int fd = open(j->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

    if (fd < 0)
        return -errno;
    r = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return r;
}

static void put(uint8_t *out, uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        out[i] = (uint8_t)(v >> 8 * i);
}

/* The frame in `out`, which holds FRAME_HEAD + record.len bytes. */
static void frame(uint64_t sequence, struct aiex_slice record, uint8_t *out)
{
    memcpy(out, frame_mark, 4);
    put(out + 4, record.len, 4);
    put(out + 8, sequence, 8);
    secret_sum(sequence, record, out + 16);
    memcpy(out + FRAME_HEAD, record.data, record.len);
}

/* Takes back a frame that is not whole or not known to be on disk. */
static void take_back(struct journal *j, int error)
{
    if (ftruncate(j->fd, (off_t)j->size) == 0 && lseek(j->fd, (off_t)j->size, SEEK_SET) >= 0)
        return;
    snprintf(j->broken, sizeof(j->broken), "a failed write could not be taken back: %s",
             strerror(-error));
}

int journal_changed(const struct journal *j)
{
    struct stat there, here;
    char path[600];

    journal_path(j, KEYS_FILE, path);
    if (stat(path, &there) < 0 || fstat(j->fd, &here) < 0)
        return 1;
    return there.st_ino != here.st_ino || (uint64_t)there.st_size != j->size;
}

/* Writes the frame under the lock. */
static int append_locked(struct journal *j, const uint8_t *bytes, size_t n)
{
    int r;

    if (flock(j->fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? -EBUSY : -errno;
    if (journal_changed(j)) {
        flock(j->fd, LOCK_UN);
        return -ESTALE;
    }
    r = journal_write_all(j->fd, bytes, n);
    if (r == 0 && !j->cache && fsync(j->fd) < 0) {
        r = -errno;
        /* what the kernel could not write it may have dropped: only a new start reads the truth */
        snprintf(j->broken, sizeof(j->broken), "fsync failed: %s", strerror(-r));
    }
    if (r < 0)
        take_back(j, r);
    flock(j->fd, LOCK_UN);
    return r;
}

int journal_append(struct journal *j, struct aiex_slice record, struct aiex_error *err)
{
    uint8_t bytes[FRAME_HEAD + JOURNAL_MAX_RECORD];
    int r;

    if (j->broken[0]) {
        snprintf(err->text, sizeof(err->text),
                 "the file of keys in '%.200s' is closed: %.160s; "
                 "free space and restart this plugin",
                 j->folder, j->broken);
        return -EROFS;
    }
    if (record.len == 0 || record.len > JOURNAL_MAX_RECORD)
        return journal_fail(err, -EMSGSIZE, "can not write a record of this size to", j->folder);
    frame(j->sequence + 1, record, bytes);
    r = append_locked(j, bytes, FRAME_HEAD + record.len);
    if (r < 0)
        return journal_fail(err, r, "can not write to the file of keys in", j->folder);
    j->sequence++;
    j->frames++;
    j->size += FRAME_HEAD + record.len;
    return 0;
}

/* ---- Compaction ---- */

static int write_one(struct journal *new, struct aiex_slice record)
{
    uint8_t bytes[FRAME_HEAD + JOURNAL_MAX_RECORD];

    if (record.len > JOURNAL_MAX_RECORD)
        return -EMSGSIZE;
    frame(++new->sequence, record, bytes);
    new->frames++;
    new->size += FRAME_HEAD + record.len;
    return journal_write_all(new->fd, bytes, FRAME_HEAD + record.len);
}

static int write_records(struct journal *new, journal_give give, void *arg)
{
    uint8_t print[SECRET_SUM];
    int r;

    secret_fingerprint(new->pepper, print);
    r = write_one(new, (struct aiex_slice){print, sizeof(print)});
    for (size_t i = 0; r == 0; i++) {
        struct aiex_slice record = give(arg, i);

        if (record.len == 0)
            return 0;
        r = write_one(new, record);
        if (i % 256 == 255)
            new->host->alive(new->host);
    }
    return r;
}

int journal_compact(struct journal *j, journal_give give, void *arg, struct aiex_error *err)
{
    struct journal new = *j;
    char path[600], final[600];
    int r;

    if (flock(j->fd, LOCK_EX | LOCK_NB) < 0)
        return journal_fail(err, -EBUSY, "another process is writing to", j->folder);
    if (journal_changed(j)) {
        flock(j->fd, LOCK_UN);
        return journal_fail(err, -EBUSY, "another process has written to", j->folder);
    }
    journal_path(j, KEYS_FILE ".new", path);
    journal_path(j, KEYS_FILE, final);
    new.size = new.frames = new.sequence = 0;
    new.fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (new.fd < 0) {
        r = journal_fail(err, -errno, "can not create", path);
        flock(j->fd, LOCK_UN);
        return r;
    }
    r = write_records(&new, give, arg);
    if (r == 0 && fsync(new.fd) < 0)
        r = -errno;
    if (r == 0 && rename(path, final) < 0)
        r = -errno;
    if (r < 0) {
        close(new.fd);
        unlink(path);
        flock(j->fd, LOCK_UN);
        return journal_fail(err, r, "can not write", path);
    }
    close(j->fd);
    *j = new;
    r = journal_sync_folder(j);
    if (r < 0) /* which of the two files the next start finds is not known: write to none */
        snprintf(j->broken, sizeof(j->broken), "the folder can not be synced: %s", strerror(-r));
    return r < 0 ? journal_fail(err, r, "can not sync", j->folder) : 0;
}

void journal_close(struct journal *j)
{
    if (j->fd >= 0)
        close(j->fd);
    j->fd = -1;
    secret_wipe(j->pepper, sizeof(j->pepper));
}

/* record_write.c - opening a record log for writing, appending, one record by its place. */
#include "aiex_file.h"
#include "aiex_service.h"
#include "record_frame.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_PIECES 8u

/* An empty file, or one whose head was not written to its end: no record can be in it. */
static int write_head(struct aiex_rlog *log)
{
    uint8_t head[AIEX_RLOG_HEAD] = RECORD_MAGIC;

    if (getrandom(&log->salt, sizeof(log->salt), 0) != sizeof(log->salt))
        return -EIO;
    put64(head + 8, log->salt);
    put32(head + 16, aiex_crc32c(0, head, 16));
    return aiex_file_pwrite(log->fd, head, sizeof(head), 0);
}

static void lock(int fd, int how)
{
    while (flock(fd, how) != 0 && errno == EINTR)
        ;
}

/* Shows what stands from `from` on and cuts what was never finished. With the lock held. */
static int take_in(struct aiex_rlog *log, uint64_t from, uint64_t size)
{
    struct aiex_rlog_cursor c = {.fd = log->fd, .salt = log->salt, .at = from, .end = size};
    struct aiex_rlog_item item;
    int kind, r = 0;

    log->end = c.end;
    while (r == 0 && (kind = aiex_rlog_next(&c, &item)) != 0) {
        if (kind == AIEX_RLOG_TORN)
            log->end = item.offset;
        r = kind < 0 ? kind : log->see ? log->see(log->arg, kind, &item) : 0;
    }
    c.fd = 0; /* the log's, not the cursor's */
    aiex_rlog_read_done(&c);
    if (r == 0 && log->end != size && ftruncate(log->fd, (off_t)log->end) != 0)
        r = -errno;
    return r < 0 ? r : 0;
}

static int open_locked(struct aiex_rlog *log, uint64_t from)
{
    struct stat st;
    int r = aiex_rlog_head(log->fd, &log->salt);

    if (r == -ENODATA)
        r = write_head(log);
    if (r == 0 && fstat(log->fd, &st) != 0)
        r = -errno;
    if (r < 0)
        return r;
    return take_in(log, from ? from : AIEX_RLOG_HEAD, (uint64_t)st.st_size);
}

int aiex_rlog_open(struct aiex_rlog *log, const char *path, uint64_t from, aiex_rlog_see_fn see,
                   void *arg, struct aiex_error *err)
{
    int r;

    memset(log, 0, sizeof(*log));
    log->see = see;
    log->arg = arg;
    log->fd = aiex_rlog_open_file(path, O_RDWR | O_CREAT);
    if (log->fd < 0)
        return aiex_failed(err, log->fd, "file '%s' can not be opened: %s", path,
                           strerror(-log->fd));
    lock(log->fd, LOCK_EX);
    r = open_locked(log, from);
    lock(log->fd, LOCK_UN);
    if (r == 0)
        return 0;
    aiex_rlog_close(log);
    if (r == -EBADMSG)
        return aiex_failed(err, r, "file '%s' is no record log; move it away", path);
    return aiex_failed(err, r, "file '%s' can not be taken in: %s", path, strerror(-r));
}

/* What another process appended comes first. With the lock held. */
static int catch_up(struct aiex_rlog *log)
{
    struct stat st;

    if (fstat(log->fd, &st) != 0)
        return -errno;
    return (uint64_t)st.st_size == log->end ? 0 : take_in(log, log->end, (uint64_t)st.st_size);
}

int aiex_rlog_hold(struct aiex_rlog *log)
{
    int r;

    if (log->held)
        return 0;
    lock(log->fd, LOCK_EX);
    r = catch_up(log);
    if (r == 0)
        log->held = 1;
    else
        lock(log->fd, LOCK_UN);
    return r;
}

void aiex_rlog_release(struct aiex_rlog *log)
{
    if (log->held)
        lock(log->fd, LOCK_UN);
    log->held = 0;
}

int aiex_rlog_catch_up(struct aiex_rlog *log)
{
    struct stat st;
    int r;

    if (log->held)
        return 0;
    if (fstat(log->fd, &st) == 0 && (uint64_t)st.st_size == log->end)
        return 0;
    lock(log->fd, LOCK_EX);
    r = catch_up(log);
    lock(log->fd, LOCK_UN);
    return r;
}

static void put_frame(const struct aiex_rlog *log, uint8_t *frame, uint32_t len, uint32_t crc)
{
    put32(frame, (uint32_t)log->salt);
    put32(frame + 4, len);
    put32(frame + 8, crc);
}

/* All of it at the end of the file, or nothing. With the lock held. */
static int write_end(struct aiex_rlog *log, const struct iovec *v, int n, size_t len)
{
    ssize_t w;
    int r;

    do
        w = pwritev(log->fd, v, n, (off_t)log->end);
    while (w < 0 && errno == EINTR);
    if (w == (ssize_t)len) {
        log->end += len;
        return 0;
    }
    r = w < 0 ? -errno : -ENOSPC; /* a disk takes less only when it is full */
    if (w > 0 && ftruncate(log->fd, (off_t)log->end) != 0)
        return r; /* the next append or opening cuts it */
    return r;
}

/* v[0] is the frame's. With the lock held. */
static int write_record(struct aiex_rlog *log, struct iovec *v, int n, size_t len,
                        uint32_t *ret_crc)
{
    uint32_t crc = record_seed(log->salt, log->end, (uint32_t)len);
    uint8_t frame[AIEX_RLOG_FRAME];

    for (int i = 1; i < n; i++)
        crc = aiex_crc32c(crc, v[i].iov_base, v[i].iov_len);
    put_frame(log, frame, (uint32_t)len, crc);
    v[0] = (struct iovec){frame, sizeof(frame)};
    *ret_crc = crc;
    return write_end(log, v, n, sizeof(frame) + len);
}

int aiex_rlog_add(struct aiex_rlog *log, const struct aiex_slice *pieces, size_t n_pieces,
                  uint64_t *ret_offset, uint32_t *ret_crc)
{
    struct iovec v[MAX_PIECES + 1];
    uint64_t offset = 0;
    uint32_t crc = 0;
    size_t len = 0;
    int held = log->held, r;

    if (n_pieces > MAX_PIECES)
        return -EINVAL;
    for (size_t i = 0; i < n_pieces; i++) {
        if (pieces[i].len > AIEX_RLOG_MAX_RECORD - len)
            return -EMSGSIZE;
        v[i + 1] = (struct iovec){(void *)(uintptr_t)pieces[i].data, pieces[i].len};
        len += pieces[i].len;
    }
    r = aiex_rlog_hold(log);
    offset = log->end;
    if (r == 0)
        r = write_record(log, v, (int)n_pieces + 1, len, &crc);
    if (!held)
        aiex_rlog_release(log);
    if (r < 0)
        return r;
    if (ret_offset)
        *ret_offset = offset;
    if (ret_crc)
        *ret_crc = crc;
    return 0;
}

int aiex_rlog_add_all(struct aiex_rlog *log, struct aiex_rlog_item *items, size_t n)
{
    struct iovec v[AIEX_RLOG_ADD_MAX];
    int held = log->held, r;
    uint64_t end;

    if (n == 0 || n > AIEX_RLOG_ADD_MAX)
        return n ? -EINVAL : 0;
    r = aiex_rlog_hold(log);
    end = log->end;
    for (size_t i = 0; r == 0 && i < n; i++) {
        struct aiex_slice body = items[i].body;
        uint8_t *frame = (uint8_t *)(uintptr_t)body.data - AIEX_RLOG_FRAME;
        uint32_t crc = record_seed(log->salt, end, (uint32_t)body.len);

        if (body.len > AIEX_RLOG_MAX_RECORD)
            r = -EMSGSIZE;
        crc = aiex_crc32c(crc, body.data, body.len);
        put_frame(log, frame, (uint32_t)body.len, crc);
        v[i] = (struct iovec){frame, AIEX_RLOG_FRAME + body.len};
        items[i] = (struct aiex_rlog_item){end, v[i].iov_len, crc, body};
        end += v[i].iov_len;
    }
    if (r == 0)
        r = write_end(log, v, (int)n, (size_t)(end - log->end));
    if (!held)
        aiex_rlog_release(log);
    return r;
}

int aiex_rlog_get(const struct aiex_rlog *log, uint64_t offset, uint8_t **ret_mem,
                  struct aiex_rlog_item *ret_item)
{
    uint8_t frame[AIEX_RLOG_FRAME], *mem;
    uint32_t len;
    size_t got;
    int r = aiex_file_pread(log->fd, frame, sizeof(frame), offset, &got);

    if (r < 0)
        return r;
    len = get32(frame + 4);
    if (got < sizeof(frame) || get32(frame) != (uint32_t)log->salt || len > AIEX_RLOG_MAX_RECORD)
        return -EBADMSG;
    mem = malloc((size_t)len + 1);
    if (!mem)
        return -ENOMEM;
    r = aiex_file_pread(log->fd, mem, len, offset + sizeof(frame), &got);
    if (r == 0 && (got < len ||
                   aiex_crc32c(record_seed(log->salt, offset, len), mem, len) != get32(frame + 8)))
        r = -EBADMSG;
    if (r < 0) {
        free(mem);
        return r;
    }
    *ret_mem = mem;
    *ret_item = (struct aiex_rlog_item){
        offset, sizeof(frame) + (uint64_t)len, get32(frame + 8), {mem, len}};
    return 0;
}

int aiex_rlog_sync(const struct aiex_rlog *log)
{
    return fdatasync(log->fd) == 0 ? 0 : -errno;
}

void aiex_rlog_close(struct aiex_rlog *log)
{
    aiex_rlog_release(log); /* a copy of the descriptor may live on */
    if (log->fd > 0)
        close(log->fd);
    memset(log, 0, sizeof(*log));
}

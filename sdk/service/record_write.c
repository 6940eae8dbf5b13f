/* record_write.c - opening a record log for writing, appending, one record by its place. */
#include "aiex_file.h"
#include "aiex_service.h"
#include "record_frame.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>
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

static int walk(struct aiex_rlog *log, const char *path, uint64_t from, aiex_rlog_see_fn see,
                void *arg, struct aiex_error *err)
{
    struct aiex_rlog_cursor c;
    struct aiex_rlog_item item;
    int kind, r = aiex_rlog_read(&c, path, err);

    if (r < 0)
        return r;
    if (from > c.at)
        c.at = from;
    log->end = c.end;
    while ((kind = aiex_rlog_next(&c, &item)) > 0) {
        if (kind == AIEX_RLOG_TORN)
            log->end = item.offset;
        r = see ? see(arg, kind, &item) : 0;
        if (r < 0)
            break;
    }
    aiex_rlog_read_done(&c);
    if (kind < 0)
        return aiex_failed(err, kind, "file '%s' can not be read: %s", path, strerror(-kind));
    if (r < 0)
        return aiex_failed(err, r, "file '%s' can not be taken in: %s", path, strerror(-r));
    return 0;
}

int aiex_rlog_open(struct aiex_rlog *log, const char *path, uint64_t from, aiex_rlog_see_fn see,
                   void *arg, struct aiex_error *err)
{
    int r;

    memset(log, 0, sizeof(*log));
    log->fd = record_open(path, O_RDWR | O_CREAT);
    if (log->fd < 0)
        return aiex_failed(err, log->fd, "file '%s' can not be opened: %s", path,
                           strerror(-log->fd));
    r = record_head(log->fd, &log->salt);
    if (r == -ENODATA)
        r = write_head(log);
    if (r == -EBADMSG)
        aiex_failed(err, r, "file '%s' is no record log; move it away", path);
    else if (r < 0)
        aiex_failed(err, r, "file '%s' can not be written: %s", path, strerror(-r));
    else
        r = walk(log, path, from, see, arg, err);
    if (r == 0 && ftruncate(log->fd, (off_t)log->end) != 0) {
        r = -errno;
        aiex_failed(err, r, "file '%s' can not be cut: %s", path, strerror(-r));
    }
    if (r < 0)
        aiex_rlog_close(log);
    return r;
}

int aiex_rlog_add(struct aiex_rlog *log, const struct aiex_slice *pieces, size_t n_pieces,
                  uint64_t *ret_offset, uint32_t *ret_crc)
{
    uint8_t frame[AIEX_RLOG_FRAME];
    struct iovec v[MAX_PIECES + 1] = {{frame, sizeof(frame)}};
    size_t len = 0;
    uint32_t crc;
    ssize_t w;

    if (n_pieces > MAX_PIECES)
        return -EINVAL;
    for (size_t i = 0; i < n_pieces; i++) {
        if (pieces[i].len > AIEX_RLOG_MAX_RECORD - len)
            return -EMSGSIZE;
        v[i + 1] = (struct iovec){(void *)(uintptr_t)pieces[i].data, pieces[i].len};
        len += pieces[i].len;
    }
    crc = record_seed(log->salt, log->end, (uint32_t)len);
    for (size_t i = 0; i < n_pieces; i++)
        crc = aiex_crc32c(crc, pieces[i].data, pieces[i].len);
    put32(frame, (uint32_t)log->salt);
    put32(frame + 4, (uint32_t)len);
    put32(frame + 8, crc);
    do
        w = pwritev(log->fd, v, (int)n_pieces + 1, (off_t)log->end);
    while (w < 0 && errno == EINTR);
    if (w != (ssize_t)(sizeof(frame) + len)) {
        int r = w < 0 ? -errno : -ENOSPC; /* a disk takes less only when it is full */

        if (w > 0 && ftruncate(log->fd, (off_t)log->end) != 0)
            return r; /* the next record overwrites it, or the next opening cuts it */
        return r;
    }
    if (ret_offset)
        *ret_offset = log->end;
    if (ret_crc)
        *ret_crc = crc;
    log->end += sizeof(frame) + len;
    return 0;
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
    if (log->fd > 0)
        close(log->fd);
    memset(log, 0, sizeof(*log));
}

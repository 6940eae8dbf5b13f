/*
 * record_read.c - a cursor over a record log.
 *
 * A window of the file is held in memory and grows to one record at most. What does not pass
 * as a record is searched byte by byte for the next mark; since the mark is random for each
 * file, a hit that is no record is as rare as one in four thousand million bytes.
 */
#include "aiex_file.h"
#include "aiex_service.h"
#include "record_frame.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define WINDOW 65536u

int aiex_rlog_open_file(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600), r;

    if (fd > 0)
        return fd;
    if (fd < 0)
        return -errno;
    r = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (r < 0)
        r = -errno;
    close(fd);
    return r;
}

int aiex_rlog_head(int fd, uint64_t *ret_salt)
{
    uint8_t head[AIEX_RLOG_HEAD];
    size_t got;
    int r = aiex_file_pread(fd, head, sizeof(head), 0, &got);

    if (r < 0)
        return r;
    if (got < sizeof(head))
        return -ENODATA;
    if (memcmp(head, RECORD_MAGIC, 8) != 0 || get32(head + 16) != aiex_crc32c(0, head, 16))
        return -EBADMSG;
    *ret_salt = get64(head + 8);
    return 0;
}

int aiex_rlog_read(struct aiex_rlog_cursor *c, const char *path, struct aiex_error *err)
{
    struct stat st;
    int r;

    memset(c, 0, sizeof(*c));
    c->fd = aiex_rlog_open_file(path, O_RDONLY);
    if (c->fd < 0)
        return aiex_failed(err, c->fd, "file '%s' can not be opened: %s", path, strerror(-c->fd));
    r = fstat(c->fd, &st) != 0 ? -errno : aiex_rlog_head(c->fd, &c->salt);
    if (r < 0) {
        aiex_rlog_read_done(c);
        if (r == -ENODATA || r == -EBADMSG)
            return aiex_failed(err, -EBADMSG, "file '%s' does not begin as a record log", path);
        return aiex_failed(err, r, "file '%s' can not be read: %s", path, strerror(-r));
    }
    c->at = AIEX_RLOG_HEAD;
    c->end = (uint64_t)st.st_size;
    return 0;
}

void aiex_rlog_read_done(struct aiex_rlog_cursor *c)
{
    if (c->fd > 0)
        close(c->fd);
    free(c->mem);
    memset(c, 0, sizeof(*c));
}

/* Makes the window hold the bytes from `at` on, `need` of them or all that there are. The number
 * that is there, or negative errno. */
static long fill(struct aiex_rlog_cursor *c, uint64_t at, size_t need)
{
    uint64_t left = c->end > at ? c->end - at : 0;
    size_t keep = 0, got;
    int r;

    if (need > left)
        need = (size_t)left;
    if (at >= c->mem_at && at + need <= c->mem_at + c->mem_len)
        return (long)(c->mem_at + c->mem_len - at);
    if (need > c->mem_size || !c->mem) {
        size_t size = need > WINDOW ? need : WINDOW;
        uint8_t *mem = realloc(c->mem, size);

        if (!mem)
            return -ENOMEM;
        c->mem = mem;
        c->mem_size = size;
    }
    if (at >= c->mem_at && at < c->mem_at + c->mem_len) {
        keep = (size_t)(c->mem_at + c->mem_len - at);
        memmove(c->mem, c->mem + (at - c->mem_at), keep);
    }
    c->mem_at = at;
    c->mem_len = keep;
    need = left < c->mem_size ? (size_t)left : c->mem_size;
    r = aiex_file_pread(c->fd, c->mem + keep, need - keep, at + keep, &got);
    if (r < 0)
        return r;
    c->mem_len += got;
    return (long)c->mem_len;
}

/* 1 when a whole record stands at `at`, 0 when not, negative errno. */
static int look(struct aiex_rlog_cursor *c, uint64_t at, struct aiex_rlog_item *item)
{
    long have = fill(c, at, AIEX_RLOG_FRAME);
    const uint8_t *p;
    uint32_t len;

    if (have < (long)AIEX_RLOG_FRAME)
        return have < 0 ? (int)have : 0;
    p = c->mem + (at - c->mem_at);
    len = get32(p + 4);
    if (get32(p) != (uint32_t)c->salt || len > AIEX_RLOG_MAX_RECORD)
        return 0;
    have = fill(c, at, AIEX_RLOG_FRAME + (size_t)len);
    if (have < (long)(AIEX_RLOG_FRAME + (size_t)len))
        return have < 0 ? (int)have : 0;
    p = c->mem + (at - c->mem_at);
    if (get32(p + 8) != aiex_crc32c(record_seed(c->salt, at, len), p + AIEX_RLOG_FRAME, len))
        return 0;
    item->offset = at;
    item->bytes = AIEX_RLOG_FRAME + (uint64_t)len;
    item->crc = get32(p + 8);
    item->body = (struct aiex_slice){p + AIEX_RLOG_FRAME, len};
    return 1;
}

/* The place of the next whole record behind `at`, or the end. */
static int search(struct aiex_rlog_cursor *c, uint64_t at, uint64_t *ret_found)
{
    struct aiex_rlog_item item;
    uint8_t mark[4];

    put32(mark, (uint32_t)c->salt);
    while (c->end - at >= AIEX_RLOG_FRAME) {
        long have = fill(c, at, AIEX_RLOG_FRAME);
        const uint8_t *p, *hit;
        int r;

        if (have < (long)AIEX_RLOG_FRAME) {
            if (have < 0)
                return (int)have;
            break;
        }
        p = c->mem + (at - c->mem_at);
        hit = memmem(p, (size_t)have, mark, sizeof(mark));
        if (!hit) {
            at += (uint64_t)have - (sizeof(mark) - 1);
            continue;
        }
        at += (uint64_t)(hit - p);
        r = look(c, at, &item);
        if (r < 0)
            return r;
        if (r == 1) {
            *ret_found = at;
            return 0;
        }
        at++;
    }
    *ret_found = c->end;
    return 0;
}

int aiex_rlog_next(struct aiex_rlog_cursor *c, struct aiex_rlog_item *ret_item)
{
    uint64_t found = c->end;
    int r;

    if (c->at >= c->end)
        return 0;
    r = look(c, c->at, ret_item);
    if (r < 0)
        return r;
    if (r == 1) {
        c->at += ret_item->bytes;
        return AIEX_RLOG_RECORD;
    }
    r = search(c, c->at + 1, &found);
    if (r < 0)
        return r;
    *ret_item = (struct aiex_rlog_item){.offset = c->at, .bytes = found - c->at};
    c->at = found;
    return found < c->end ? AIEX_RLOG_HOLE : AIEX_RLOG_TORN;
}

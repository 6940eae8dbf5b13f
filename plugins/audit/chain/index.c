/* index.c - see index.h. */
#include "index.h"

#include <aiex_file.h>
#include <aiex_service.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512u

int index_open(struct index_file *x, const char *path, struct aiex_error *err)
{
    struct stat st;

    memset(x, 0, sizeof(*x));
    x->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (x->fd < 0 || fstat(x->fd, &st) != 0)
        return aiex_failed(err, -errno, "file '%s' can not be opened: %s", path, strerror(errno));
    x->n = x->written = (uint64_t)st.st_size / INDEX_ITEM;
    return 0;
}

void index_close(struct index_file *x)
{
    if (x->fd > 0)
        close(x->fd);
    free(x->waiting);
    memset(x, 0, sizeof(*x));
}

static void put_item(uint8_t *item, const uint8_t *leaf, uint64_t offset)
{
    memcpy(item, leaf, AIEX_HASH);
    for (int i = 0; i < 8; i++)
        item[AIEX_HASH + i] = (uint8_t)(offset >> (8 * i));
}

int index_add(struct index_file *x, const uint8_t leaf[AIEX_HASH], uint64_t offset)
{
    size_t at = (size_t)(x->n - x->written) * INDEX_ITEM;

    if (at + INDEX_ITEM > x->room) {
        size_t room = x->room ? x->room * 2 : 4096 * INDEX_ITEM;
        uint8_t *grown = realloc(x->waiting, room);

        if (!grown)
            return -ENOMEM;
        x->waiting = grown;
        x->room = room;
    }
    put_item(x->waiting + at, leaf, offset);
    x->n++;
    return 0;
}

int index_write(const struct index_file *x)
{
    size_t bytes = (size_t)(x->n - x->written) * INDEX_ITEM;

    return bytes ? aiex_file_pwrite(x->fd, x->waiting, bytes, x->written * INDEX_ITEM) : 0;
}

void index_kept(struct index_file *x)
{
    x->written = x->n;
}

int index_flush(struct index_file *x)
{
    int r = index_write(x);

    if (r == 0)
        index_kept(x);
    return r;
}

int index_read(const struct index_file *x, uint64_t first, size_t n, uint8_t *out)
{
    uint64_t on_disk = first < x->written ? x->written - first : 0;
    size_t from_disk = on_disk < n ? (size_t)on_disk : n, got;
    int r;

    if (first + n > x->n)
        return -ERANGE;
    r = aiex_file_pread(x->fd, out, from_disk * INDEX_ITEM, first * INDEX_ITEM, &got);
    if (r < 0)
        return r;
    if (got < from_disk * INDEX_ITEM)
        return -EBADMSG; /* somebody made it shorter */
    if (n > from_disk)
        memcpy(out + got, x->waiting + (size_t)(first + from_disk - x->written) * INDEX_ITEM,
               (n - from_disk) * INDEX_ITEM);
    return 0;
}

static int is_zero(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i])
            return 0;
    return 1;
}

int index_mend(struct index_file *x, uint64_t n, const uint8_t leaf[AIEX_HASH], uint64_t offset)
{
    size_t first = SECTOR - (size_t)(n * INDEX_ITEM % SECTOR);
    uint8_t is[INDEX_ITEM], must[INDEX_ITEM];
    int r = index_read(x, n, 1, is);

    if (r < 0)
        return r;
    put_item(must, leaf, offset);
    if (memcmp(is, must, INDEX_ITEM) == 0)
        return 1;
    if (first > INDEX_ITEM)
        first = INDEX_ITEM;
    if ((memcmp(is, must, first) != 0 && !is_zero(is, first)) ||
        (memcmp(is + first, must + first, INDEX_ITEM - first) != 0 &&
         !is_zero(is + first, INDEX_ITEM - first)))
        return -EBADMSG;
    return aiex_file_pwrite(x->fd, must, INDEX_ITEM, n * INDEX_ITEM);
}

uint64_t index_offset(const uint8_t *item)
{
    uint64_t v = 0;

    for (int i = 7; i >= 0; i--)
        v = v << 8 | item[AIEX_HASH + i];
    return v;
}

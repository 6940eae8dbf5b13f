/* side.c - see side.h. */
#include "side.h"

#include "bytes.h"

#include <aiex_crc32c.h>
#include <aiex_file.h>
#include <aiex_service.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLOT   512u
#define FORMAT 1u

static const char magic[8] = {'A', 'I', 'E', 'X', 'S', 'I', 'D', 'E'};

static uint32_t slot_crc(const uint8_t *slot)
{
    return aiex_crc32c(0, slot + 12, SLOT - 12);
}

static void encode(uint8_t *slot, uint64_t count, const struct side_record *r)
{
    const uint64_t numbers[] = {count, r->sequence, r->commits, r->stamp, r->epoch, r->opens};

    memset(slot, 0, SLOT);
    memcpy(slot, magic, sizeof(magic));
    put_be(slot + 12, FORMAT, 4);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        put_be(slot + 16 + 8 * i, numbers[i], 8);
    memcpy(slot + 64, r->head, SIDE_HASH);
    put_be(slot + 8, slot_crc(slot), 4);
}

static int decode(const uint8_t *slot, uint64_t *ret_count, struct side_record *ret)
{
    if (memcmp(slot, magic, sizeof(magic)) != 0 || get_be(slot + 8, 4) != slot_crc(slot) ||
        get_be(slot + 12, 4) != FORMAT)
        return -EBADMSG;
    *ret_count = get_be(slot + 16, 8);
    ret->sequence = get_be(slot + 24, 8);
    ret->commits = get_be(slot + 32, 8);
    ret->stamp = get_be(slot + 40, 8);
    ret->epoch = get_be(slot + 48, 8);
    ret->opens = get_be(slot + 56, 8);
    memcpy(ret->head, slot + 64, SIDE_HASH);
    return 0;
}

/* The newer of the slots that are whole. */
static int choose(struct side *s, const uint8_t *slots, struct side_record *ret_record)
{
    int found = -EBADMSG;

    for (unsigned i = 0; i < 2; i++) {
        struct side_record one;
        uint64_t count;

        if (decode(slots + i * SLOT, &count, &one) != 0 || (found == 1 && count < s->count))
            continue;
        found = 1;
        s->count = count;
        *ret_record = one;
    }
    return found;
}

int side_open(struct side *s, const char *path, struct side_record *ret_record,
              struct aiex_error *err)
{
    uint8_t slots[2 * SLOT] = {0};
    size_t got = 0;
    int r;

    s->count = 0;
    s->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->fd < 0)
        return aiex_failed(err, -errno, "side record '%.200s': %s", path, strerror(errno));
    r = aiex_file_pread(s->fd, slots, sizeof(slots), 0, &got);
    if (r == 0 && got)
        r = choose(s, slots, ret_record);
    if (r < 0)
        aiex_failed(err, r, "side record '%.200s': %s", path,
                    r == -EBADMSG ? "neither of its two slots is whole" : strerror(-r));
    return r;
}

int side_write(struct side *s, const struct side_record *record)
{
    uint8_t slot[SLOT];
    int r;

    encode(slot, s->count + 1, record);
    r = aiex_file_pwrite(s->fd, slot, SLOT, (s->count + 1) % 2 * SLOT);
    if (r == 0)
        s->count++;
    return r;
}

int side_sync(struct side *s)
{
    return fdatasync(s->fd) == 0 ? 0 : -errno;
}

void side_close(struct side *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

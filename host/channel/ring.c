#include "channel/ring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

uint64_t ring_file_bytes(uint64_t size)
{
    return 2 * (uint64_t)RING_PAGE + 2 * size;
}

int ring_map(struct ring *r, int fd, int which, uint64_t size)
{
    off_t at = 2 * (off_t)RING_PAGE + (off_t)which * (off_t)size;
    uint8_t *area;
    void *page;

    memset(r, 0, sizeof(*r));
    if (size < RING_MIN || size > RING_MAX || (size & (size - 1)))
        return -EINVAL;
    page = mmap(NULL, RING_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, which * (off_t)RING_PAGE);
    if (page == MAP_FAILED)
        return -errno;
    r->control = page;
    area = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED)
        goto failed;
    r->data = area;
    r->size = size;
    for (int i = 0; i < 2; i++)
        if (mmap(area + (uint64_t)i * size, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
                 at) == MAP_FAILED)
            goto failed;
    (void)madvise(area, 2 * size, MADV_DONTDUMP); /* what passes may be secret */
    return 0;
failed:
    ring_unmap(r);
    return -ENOMEM;
}

void ring_unmap(struct ring *r)
{
    if (r->data)
        munmap(r->data, 2 * r->size);
    if (r->control)
        munmap(r->control, RING_PAGE);
    memset(r, 0, sizeof(*r));
}

void ring_resume(struct ring *r, uint64_t pos, int producer)
{
    r->pos = r->published = pos;
    r->peer = producer ? atomic_load_explicit(&r->control->head, memory_order_acquire) : pos;
    if (producer && pos - r->peer > r->size)
        r->bad = 1;
}

uint8_t *ring_reserve(struct ring *r, uint32_t len)
{
    uint64_t need = ring_need(len), head;

    if (r->bad || len > RECORD_BODY_MAX)
        return NULL;
    if (r->size - (r->pos - r->peer) < need) {
        head = atomic_load_explicit(&r->control->head, memory_order_acquire);
        if (r->pos - head > r->size || (head & 7)) {
            r->bad = 1;
            return NULL;
        }
        r->peer = head;
        if (r->size - (r->pos - r->peer) < need)
            return NULL;
    }
    return r->data + (r->pos & (r->size - 1)) + sizeof(struct record);
}

uint64_t ring_commit(struct ring *r, const struct record *head)
{
    uint64_t at = r->pos;

    memcpy(r->data + (r->pos & (r->size - 1)), head, sizeof(*head));
    r->pos += ring_need(head->len);
    return at;
}

void ring_publish(struct ring *r)
{
    if (r->published == r->pos)
        return;
    atomic_store_explicit(&r->control->tail, r->pos, memory_order_release);
    r->published = r->pos;
}

const uint8_t *ring_peek(struct ring *r, struct record *head)
{
    const uint8_t *at;
    uint64_t tail;

    if (r->bad)
        return NULL;
    if (r->peer == r->pos) {
        tail = atomic_load_explicit(&r->control->tail, memory_order_acquire);
        if (tail - r->pos > r->size || (tail & 7)) {
            r->bad = 1;
            return NULL;
        }
        r->peer = tail;
        if (tail == r->pos)
            return NULL;
    }
    at = r->data + (r->pos & (r->size - 1));
    if (r->peer - r->pos < sizeof(*head)) {
        r->bad = 1;
        return NULL;
    }
    memcpy(head, at, sizeof(*head));
    atomic_signal_fence(memory_order_seq_cst); /* the shared copy is not looked at again */
    if (head->len > RECORD_BODY_MAX || ring_need(head->len) > r->peer - r->pos || head->kind == 0 ||
        head->kind >= RECORD_KINDS) {
        r->bad = 1;
        return NULL;
    }
    return at + sizeof(*head);
}

void ring_consume(struct ring *r, const struct record *head)
{
    r->pos += ring_need(head->len);
}

void ring_release(struct ring *r)
{
    if (r->published == r->pos)
        return;
    atomic_store_explicit(&r->control->head, r->pos, memory_order_release);
    r->published = r->pos;
}

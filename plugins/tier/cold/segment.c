/* segment.c - the files of the store: list, references, the mark of what was acknowledged. */
#include "cold.h"

#include <aiex_crc32c.h>
#include <aiex_file.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void segment_path(const struct cold *c, uint64_t number, char path[512])
{
    snprintf(path, 512, "%s/%08llu.seg", c->host->data_dir, (unsigned long long)number);
}

int folder_sync(const struct cold *c)
{
    return fsync(c->folder_fd) == 0 ? 0 : -errno;
}

struct segment *segment_newest(const struct cold *c)
{
    return c->n_segments ? c->segments[c->n_segments - 1] : NULL;
}

/* The first record says which segment this is. */
static int write_first(struct cold *c, struct segment *s)
{
    struct record r = {.kind = RECORD_SEGMENT, .first_piece = s->number};
    uint8_t head[RECORD_HEAD];
    int e;

    r.recall = c->recall;
    r.recall.number++;
    record_head(&r, head);
    e = aiex_rlog_add(&s->log, &(struct aiex_slice){head, sizeof(head)}, 1, NULL, NULL);
    if (e == 0)
        recall_add(&c->recall, 0);
    return e;
}

int segment_new(struct cold *c)
{
    struct segment *s;
    struct recall before = c->recall;
    char path[512];
    int r;

    if (c->n_segments == MAX_SEGMENTS)
        return -ENOSPC;
    s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->number = c->last_number + 1;
    atomic_store(&s->refs, 1);
    segment_path(c, s->number, path);
    unlink(path); /* what an attempt that failed left */
    r = aiex_rlog_open(&s->log, path, 0, NULL, NULL, NULL);
    if (r == 0)
        r = aiex_rlog_hold(&s->log);
    if (r == 0)
        r = write_first(c, s);
    if (r == 0)
        r = folder_sync(c);
    if (r < 0) {
        c->recall = before;
        aiex_rlog_close(&s->log);
        unlink(path);
        free(s);
        return r;
    }
    s->size = s->log.end;
    c->last_number = s->number;
    atomic_fetch_add(&c->disk_bytes, s->size);
    pthread_mutex_lock(&c->lock);
    c->segments[c->n_segments++] = s;
    pthread_mutex_unlock(&c->lock);
    return 0;
}

static struct segment *find(const struct cold *c, uint64_t number)
{
    for (unsigned i = c->n_segments; i--;)
        if (c->segments[i]->number == number)
            return c->segments[i];
    return NULL;
}

struct segment *segment_ref(struct cold *c, uint64_t number)
{
    struct segment *s;

    pthread_mutex_lock(&c->lock);
    s = find(c, number);
    if (s)
        atomic_fetch_add(&s->refs, 1);
    pthread_mutex_unlock(&c->lock);
    return s;
}

void segment_unref(struct segment *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    aiex_rlog_close(&s->log);
    free(s);
}

/* ---- The mark ---- */

#define MARK_BYTES 68u /* oldest segment, newest one, its end, recall; checksum u32 */
#define MARK_SUM   64u /* where that stands */

static void put64(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get64(const uint8_t *p)
{
    uint64_t v = 0;

    for (int i = 0; i < 8; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static void mark_put(struct cold *c, uint64_t oldest)
{
    const struct segment *s = segment_newest(c);
    uint8_t mem[MARK_SUM + 8] = {0};

    if (c->mark_fd <= 0)
        return;
    put64(mem, oldest);
    put64(mem + 8, s->number);
    put64(mem + 16, s->log.end);
    recall_write(&c->recall, mem + 24);
    put64(mem + MARK_SUM, aiex_crc32c(0, mem, MARK_SUM));
    (void)aiex_file_pwrite(c->mark_fd, mem, MARK_BYTES, 0); /* without it, less is noticed */
}

void mark_write(struct cold *c)
{
    mark_put(c, c->segments[0]->number);
}

int mark_read(const struct cold *c, struct mark *ret)
{
    uint8_t mem[MARK_SUM + 8] = {0};
    size_t got;
    int r = aiex_file_pread(c->mark_fd, mem, MARK_BYTES, 0, &got);

    if (r < 0)
        return r;
    if (got == 0)
        return -ENOENT;
    if (got < MARK_BYTES || (uint32_t)get64(mem + MARK_SUM) != aiex_crc32c(0, mem, MARK_SUM))
        return -EBADMSG;
    ret->oldest = get64(mem);
    ret->segment = get64(mem + 8);
    ret->end = get64(mem + 16);
    recall_read(&ret->recall, mem + 24);
    return 0;
}

/* ---- The oldest ---- */

void segment_drop_oldest(struct cold *c)
{
    struct segment *s = c->segments[0];
    char path[512];

    mark_put(c, c->segments[1]->number);
    (void)fdatasync(c->mark_fd); /* or the file would be missed after a loss of power */
    pthread_mutex_lock(&c->lock);
    memmove(c->segments, c->segments + 1, --c->n_segments * sizeof(*c->segments));
    pthread_mutex_unlock(&c->lock);
    segment_path(c, s->number, path);
    unlink(path);
    (void)folder_sync(c); /* files go in order, or a deleted key could come back */
    atomic_fetch_sub(&c->disk_bytes, s->size);
    segment_unref(s);
    dicts_retire(c);
}

void segment_live(struct cold *c, uint64_t number, int64_t bytes)
{
    struct segment *s;

    pthread_mutex_lock(&c->lock);
    s = find(c, number);
    if (s)
        atomic_fetch_add(&s->live, (uint64_t)bytes);
    pthread_mutex_unlock(&c->lock);
}

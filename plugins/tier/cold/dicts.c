/*
 * dicts.c - Zstandard dictionaries: a file each, at most MAX_DICTS, kept as long as a segment has
 * values that need them.
 *
 *     file "dict-XXXXXXXX": "AIEXDIC1", length u32, CRC-32C of the bytes u32, bytes
 *
 * The file is on the disk before the first value uses it, and goes when no segment has such a
 * value.
 */
#include "cold.h"

#include <aiex_crc32c.h>
#include <aiex_file.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>
#include <zstd.h>

#define MAGIC     "AIEXDIC1"
#define HEAD      16u
#define MAX_BYTES (1u << 20)
#define LEVEL     3

static void dict_path(const struct cold *c, uint32_t id, char path[512])
{
    snprintf(path, 512, "%s/dict-%08x", c->host->data_dir, id);
}

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Locked. */
static int free_slot(const struct cold *c)
{
    for (int i = 0; i < (int)MAX_DICTS; i++)
        if (!c->dicts[i].id)
            return i;
    return -1;
}

static void release_slot(struct dict *d)
{
    ZSTD_freeCDict(d->in);
    ZSTD_freeDDict(d->out);
    memset(d, 0, sizeof(*d));
}

static int take_slot(struct cold *c, uint32_t id, struct aiex_slice bytes)
{
    struct dict d = {.id = id,
                     .in = ZSTD_createCDict(bytes.data, bytes.len, LEVEL),
                     .out = ZSTD_createDDict(bytes.data, bytes.len)};
    int slot;

    if (!d.in || !d.out) {
        ZSTD_freeCDict(d.in);
        ZSTD_freeDDict(d.out);
        return -ENOMEM;
    }
    pthread_mutex_lock(&c->lock);
    slot = free_slot(c);
    if (slot >= 0)
        c->dicts[slot] = d;
    pthread_mutex_unlock(&c->lock);
    if (slot < 0)
        release_slot(&d);
    return slot < 0 ? -ENOSPC : slot;
}

/* A damaged one is told; values that need it are then not found in time. */
static int load(struct cold *c, uint32_t id)
{
    struct aiex_slice bytes;
    char path[512];
    uint8_t *mem;
    size_t len;
    int r;

    dict_path(c, id, path);
    r = aiex_file_read(path, MAX_BYTES + HEAD, &mem, &len);
    if (r < 0)
        return r == -ENOMEM ? r : -EBADMSG;
    bytes = (struct aiex_slice){mem + HEAD, len - HEAD};
    if (len < HEAD || memcmp(mem, MAGIC, 8) != 0 || get32(mem + 8) != len - HEAD ||
        get32(mem + 12) != aiex_crc32c(0, mem + HEAD, len - HEAD))
        r = -EBADMSG;
    else
        r = take_slot(c, id, bytes);
    free(mem);
    return r == -ENOSPC ? -EBADMSG : r < 0 ? r : 0; /* more than there ever are */
}

int dicts_load(struct cold *c)
{
    DIR *d = opendir(c->host->data_dir);
    struct dirent *e;
    unsigned id;
    int r = 0, n;

    if (!d)
        return -errno;
    while (r == 0 && (e = readdir(d))) {
        if (sscanf(e->d_name, "dict-%8x%n", &id, &n) != 1 || e->d_name[n] || !id)
            continue;
        r = load(c, id);
        if (r != -EBADMSG)
            continue;
        r = 0;
        atomic_fetch_add(&c->damaged, 1);
        aiex_logf(c->host, AIEX_LOG_ERROR, 0,
                  "%s/%s is damaged; values that were compressed with it are lost",
                  c->host->data_dir, e->d_name);
    }
    closedir(d);
    return r;
}

void dicts_free(struct cold *c)
{
    for (unsigned i = 0; i < MAX_DICTS; i++)
        release_slot(&c->dicts[i]);
    atomic_store(&c->current, -1);
}

int dict_ref(struct cold *c, uint32_t id)
{
    int slot = -1;

    pthread_mutex_lock(&c->lock);
    for (int i = 0; i < (int)MAX_DICTS && slot < 0; i++)
        if (id && c->dicts[i].id == id) {
            c->dicts[i].refs++;
            slot = i;
        }
    pthread_mutex_unlock(&c->lock);
    return slot;
}

void dict_unref(struct cold *c, int slot)
{
    struct dict *d = &c->dicts[slot];

    pthread_mutex_lock(&c->lock);
    if (--d->refs == 0 && d->retired)
        release_slot(d);
    pthread_mutex_unlock(&c->lock);
}

static int write_file(struct cold *c, uint32_t id, struct aiex_slice bytes)
{
    uint8_t head[HEAD] = MAGIC;
    char path[512];
    int r;

    put32(head + 8, (uint32_t)bytes.len);
    put32(head + 12, aiex_crc32c(0, bytes.data, bytes.len));
    dict_path(c, id, path);
    r = aiex_file_replace(path, (struct aiex_slice[]){{head, HEAD}, bytes}, 2, AIEX_FILE_SYNC,
                          NULL);
    return r < 0 ? r : folder_sync(c);
}

int dict_adopt(struct cold *c, struct aiex_slice bytes)
{
    uint32_t id = 0;
    int slot, r;

    pthread_mutex_lock(&c->lock);
    slot = free_slot(c);
    pthread_mutex_unlock(&c->lock);
    if (slot < 0)
        return -ENOSPC;
    if (getrandom(&id, sizeof(id), 0) != sizeof(id) || !id)
        return -EIO;
    r = write_file(c, id, bytes);
    if (r < 0)
        return r;
    slot = take_slot(c, id, bytes);
    if (slot < 0)
        return slot;
    atomic_store(&c->current, slot);
    dicts_retire(c);
    return 0;
}

/* Its id, when it is to go; 0 = it stays. */
static uint32_t retire(struct cold *c, struct dict *d)
{
    uint32_t id = 0;

    pthread_mutex_lock(&c->lock);
    if (d->id && !d->retired) {
        id = d->id;
        d->retired = 1;
        if (!d->refs)
            release_slot(d);
    }
    pthread_mutex_unlock(&c->lock);
    return id;
}

void dicts_retire(struct cold *c)
{
    int current = atomic_load(&c->current);
    unsigned used = current >= 0 ? 1u << current : 0;
    char path[512];

    for (unsigned i = 0; i < c->n_segments; i++)
        used |= c->segments[i]->dicts;
    for (unsigned i = 0; i < MAX_DICTS; i++) {
        uint32_t id = used >> i & 1 ? 0 : retire(c, &c->dicts[i]);

        if (!id)
            continue;
        dict_path(c, id, path);
        unlink(path);
    }
}

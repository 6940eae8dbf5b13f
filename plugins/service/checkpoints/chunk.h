/*
 * chunk.h - bytes under their own name.
 *
 * A chunk is a run of whole msgpack values (events, rows, heads of streams), kept in a file that is
 * named by the BLAKE2b-256 of what it says. So what two checkpoints have in common is there once,
 * a damaged one betrays itself, and a checkpoint shares with its parent by naming the same chunks.
 *
 *     chunks/ab/abcdef...   "AIEXCHK1", length u32, form u32 (0 as it is, 1 zstd), the bytes
 *
 * Numbers are little-endian. A file is written beside its place, flushed and renamed, so it is
 * whole or not there; that its name survives a loss of power is chunks_sync()'s work, once for all.
 * Threads: one at a time. Nothing is kept between calls but what struct chunks says.
 */
#ifndef CHUNK_H
#define CHUNK_H

#include <aiex/aiex_plugin.h>

#define CHUNK_HASH 32u
#define CHUNK_HEAD 16u
#define CHUNK_CUT  (4u << 20)  /* bytes after which a chunk ends in any case */
#define CHUNK_MAX  (24u << 20) /* bytes of one: a cut and the largest value */

struct chunk_ref {
    uint8_t hash[CHUNK_HASH];
    uint32_t raw, stored, items; /* bytes, bytes of its file, values */
};

struct chunk_list {
    struct chunk_ref *all;
    size_t n, size;
};

/* 0, -ENOMEM. */
int chunk_list_add(struct chunk_list *list, const struct chunk_ref *ref);
void chunk_list_done(struct chunk_list *list);

/* The folder of chunks, and what one job put into it. */
struct chunks {
    char dir[400];
    int level;               /* of zstd */
    struct chunk_list fresh; /* written since chunks_begin() */
    uint8_t touched[256];    /* folders that must be synced */
    int64_t room;            /* bytes of files that may come; chunks_open(): no bound */
    uint8_t *mem;            /* of a file */
    size_t mem_size;
};

/* Makes the folders. 0, negative errno with a reason. */
int chunks_open(struct chunks *c, const char *dir, int level, struct aiex_error *err);
void chunks_done(struct chunks *c);

/* Puts one; *ref is filled, but for `items`. What is there already is read and compared, and
 * written anew when it is damaged. 0, -ENOSPC, -EDQUOT (no `room`), other errno with a reason. */
int chunk_put(struct chunks *c, struct aiex_slice raw, struct chunk_ref *ref,
              struct aiex_error *err);
/* What it says: *ret_raw is the caller's to free(). 0, -EBADMSG (damaged), -ENOENT, other errno. */
int chunk_get(struct chunks *c, const struct chunk_ref *ref, uint8_t **ret_raw,
              struct aiex_error *err);
/* Its file as it is. The same. *ret_len bytes. */
int chunk_file(struct chunks *c, const struct chunk_ref *ref, uint8_t **ret_file, size_t *ret_len,
               struct aiex_error *err);
/* A file as chunk_file() gives it, from elsewhere: checked and put. *ref is filled but `items`. */
int chunk_adopt(struct chunks *c, struct aiex_slice file, struct chunk_ref *ref,
                struct aiex_error *err);
/* What was made and removed in a folder is on the disk. 0, negative errno. */
int folder_sync(const char *path);
/* The folders are on the disk. */
int chunks_sync(struct chunks *c, struct aiex_error *err);
/* Bytes of all files. */
int64_t chunks_total(const struct chunks *c);
/* What is fresh stays, or goes. */
void chunks_keep_fresh(struct chunks *c);
void chunks_drop_fresh(struct chunks *c);
/* Removes files that `is_used` does not know, and what a crash left. How many; *ret_bytes. */
size_t chunks_collect(struct chunks *c, int (*is_used)(void *arg, const uint8_t *hash), void *arg,
                      int64_t *ret_bytes);

#endif

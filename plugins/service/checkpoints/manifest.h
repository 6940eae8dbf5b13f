/*
 * manifest.h - what a checkpoint is: one file that names its chunks.
 *
 *     manifests/NAME   "AIEXCKP1", a msgpack map, BLAKE2b-256 of all before
 *
 * It is written last, when all its chunks are on the disk, and is complete by itself: an
 * incremental checkpoint names the chunks that it shares, so that its parent can be deleted.
 * Unknown keys are ignored. Bytes of a manifest may come from elsewhere (import): everything is
 * checked.
 */
#ifndef MANIFEST_H
#define MANIFEST_H

#include "chunk.h"

#include <aiex/aiex_pack.h>

#define MAX_NAME        64u
#define MAX_TAG         32u
#define MAX_TAGS        16u
#define MAX_DESCRIPTION 512u
#define MAX_PARTS       32u
#define MAX_PART        264u /* "stream:" and a name */
#define MAX_TABLE       64u
#define MAX_STREAM      255u
#define MAX_EVENT_ID    64u
#define MAX_TABLES      1024u
#define MAX_DEFINITION  4096u
#define MAX_MANIFEST    (64u << 20)

struct table_part {
    char name[MAX_TABLE + 1];
    uint8_t *definition; /* map as store.snapshot says; NULL = none */
    size_t definition_len;
    int64_t rows;
    struct chunk_list chunks;
};

/* What lists show: no memory of its own. */
struct about {
    char name[MAX_NAME + 1], id[33], parent[MAX_NAME + 1], node[MAX_NAME + 1];
    char description[MAX_DESCRIPTION + 1];
    char tags[MAX_TAGS][MAX_TAG + 1];
    char parts[MAX_PARTS][MAX_PART + 1]; /* what was chosen; none = everything */
    uint32_t n_tags, n_parts;
    int incremental;
    int64_t number;                             /* in the order they were made; clocks go back */
    int64_t created, took_ms;                   /* wall ms; time it took */
    int64_t sequence, version;                  /* of the state */
    int64_t events, streams, rows, n_tables;    /* counts */
    int64_t raw_bytes, stored_bytes, new_bytes; /* of all chunks; of those that it did not share */
    char last_id[MAX_EVENT_ID + 1];             /* of the last event up to `sequence` */
};

struct manifest {
    struct about about;
    struct chunk_list events, heads;
    struct table_part *tables;
};

/* A name is 1 to 64 letters, digits and - _ . : and begins with none of the last three. */
int name_is_good(const char *name);

void manifest_done(struct manifest *m);
/* One more table; NULL: no memory, or too many. */
struct table_part *manifest_add_table(struct manifest *m, const char *name);
struct table_part *manifest_table(const struct manifest *m, const char *name);

/* The file's bytes; free() *ret_bytes. 0, -ENOMEM. */
int manifest_pack(const struct manifest *m, uint8_t **ret_bytes, size_t *ret_len);
/* 0, -EBADMSG with a reason, -ENOMEM. manifest_done() in any case. */
int manifest_unpack(struct aiex_slice bytes, struct manifest *ret, struct aiex_error *err);
/* The file of that name. -ENOENT. */
int manifest_read(const char *dir, const char *name, struct manifest *ret, struct aiex_error *err);
/* On the disk, whole, when it returns 0. */
int manifest_write(const char *dir, const struct manifest *m, struct aiex_error *err);

/* As callers see it: a map. */
void about_write(struct aiex_writer *w, const struct about *a);

#endif

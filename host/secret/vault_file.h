/*
 * vault_file.h - the bytes of a vault: read and checked, sealed and opened, written. What
 * the format is says vault.h; what happens when is vault.c's.
 */
#ifndef AIEX_SECRET_VAULT_FILE_H
#define AIEX_SECRET_VAULT_FILE_H

#include "secret/vault.h"

#include <stdint.h>

#define VAULT_ID_BYTES    16u
#define VAULT_NONCE_BYTES 24u
#define VAULT_TAG_BYTES   16u

struct sealed {
    char name[AIEX_MAX_NAME + 1];
    int64_t created_ms, changed_ms;
    uint64_t revision;
    uint8_t nonce[VAULT_NONCE_BYTES];
    uint8_t *bytes; /* value and tag */
    size_t len;
};

struct vault_file {
    uint8_t id[VAULT_ID_BYTES];
    uint8_t nonce[VAULT_NONCE_BYTES], tag[VAULT_TAG_BYTES];
    struct sealed *entries; /* in byte order of their names */
    size_t n;
};

/* An empty one with an id of its own, under `key`. 0, -ENOMEM. */
int vault_file_init(struct vault_file *f, const struct master_key *key);
void vault_file_done(struct vault_file *f);

/* 0; -EBADMSG and in words where the bytes stop being a vault; -ENOMEM. Nothing is opened. */
int vault_file_parse(const uint8_t *bytes, size_t len, struct vault_file *ret,
                     struct aiex_error *err);
/* The whole file; free() it. 0, -ENOMEM. */
int vault_file_pack(const struct vault_file *f, uint8_t **ret, size_t *ret_len);
/* To `path`: a new file, synced, renamed, its folder synced. 0, or -errno with a reason. */
int vault_file_write(const struct vault_file *f, const char *path, struct aiex_error *err);

/* 1 when the vault was made under this key. */
int vault_file_is_under(const struct vault_file *f, const struct master_key *key);
/* NULL when there is none. */
struct sealed *vault_file_find(struct vault_file *f, const char *name);
/* Room for one more, at its place; name and times are set. NULL: no memory. */
struct sealed *vault_file_add(struct vault_file *f, const char *name, int64_t now_ms);
void vault_file_drop(struct vault_file *f, struct sealed *entry);

/* Seals a value; everything else of the entry is set. 0, -ENOMEM. */
int vault_seal(const struct vault_file *f, struct sealed *entry, const struct master_key *key,
               const void *value, size_t len);
/* Opens it into locked memory, 0-terminated. 0, -EBADMSG (damaged), -ENOMEM. */
int vault_unseal(const struct vault_file *f, const struct sealed *entry,
                 const struct master_key *key, char **ret, size_t *ret_len);

#endif

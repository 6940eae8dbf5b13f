/*
 * vault.h - secrets by name in one encrypted file, DATA/secrets.
 *
 * File, version 1, all numbers little endian:
 *
 *     head     "AIEXVLT" 1 | id 16 | nonce 24 | tag 16      tag: the empty text under the master
 *                                                            key; tells a wrong key from damage
 *     count    u32
 *     entry    u16 length of name | u32 length of sealed | i64 created | i64 changed (wall ms) |
 *              u64 revision | nonce 24 | name | sealed       sealed = value and 16 bytes of tag
 *
 * Each entry is sealed by XChaCha20-Poly1305 (libsodium) under the master key with a random nonce;
 * magic, version, id and everything of the entry before `sealed` are authenticated with it, so
 * that nothing can be swapped between entries or vaults. Who can write the file can remove entries
 * or put old ones back, and nothing else.
 *
 * Writing: a new file beside it, to the disk, renamed over the old one: after a crash there is the
 * old or the new vault. A new master key of a file: written as FILE.new, then the vault, then
 * renamed; what a crash leaves in between is finished at the next opening.
 *
 * Values are opened one at a time, into locked memory, and only when a cell is to be told.
 *
 * Thread rule: loop thread. Everything reads the file again when it has changed.
 */
#ifndef AIEX_SECRET_VAULT_H
#define AIEX_SECRET_VAULT_H

#include "secret/master_key.h"

#define VAULT_FILE          "secrets"
#define VAULT_ENTRIES_MAX   256u
#define VAULT_VALUE_MAX     (12u * 1024u) /* with its frame it fits into one record */
#define VAULT_REVISION_TEXT 17u /* 16 hex digits and a 0 */

struct vault;

/* data_dir is the folder of the file. given (may be NULL) is borrowed: what the environment had.
 * Nothing is opened yet. NULL: no memory. */
struct vault *vault_new(const char *data_dir, const struct master_key *given);
void vault_free(struct vault *vault);
/* Where the master key is when it is in a file; "" = DATA/master.key. */
void vault_key_file(struct vault *vault, const char *file);

/* 1 for 1..63 of [A-Za-z0-9_.-] from a letter or digit. */
int vault_is_name(const char *name);

/* The functions below return 0, or with a reason that says what to do: -ENOENT (no such secret),
 * -EACCES (another master key), -EBADMSG (damaged), -EPERM (others may read the key or write the
 * file), -EINVAL, -ENOSPC, -ENOMEM, or what the system said. */

/* Whether the secret is there and can be opened; its revision differs after each vault_set(). */
int vault_look(struct vault *vault, const char *name, char ret_revision[VAULT_REVISION_TEXT],
               struct aiex_error *err);
/* Its value, in locked memory with a 0 behind it: locked_free(). */
int vault_open_value(struct vault *vault, const char *name, char **ret, size_t *ret_len,
                     struct aiex_error *err);
/* Stores a value of 1 to VAULT_VALUE_MAX bytes of text; makes vault and key file when missing. */
int vault_set(struct vault *vault, const char *name, const void *value, size_t len, int64_t now_ms,
              struct aiex_error *err);
int vault_remove(struct vault *vault, const char *name, struct aiex_error *err);
/* Seals everything under another master key: `key`, or a new one when that is NULL. A key that is
 * not in a file must be given, as it can not be written where it comes from. */
int vault_rotate(struct vault *vault, const struct master_key *key, struct aiex_error *err);

struct vault_entry {
    const char *name; /* the vault's */
    int64_t created_ms, changed_ms;
    int damaged;
};
/* 0, -ENOENT behind the last, or why the vault can not be read. */
int vault_at(struct vault *vault, size_t i, struct vault_entry *ret, struct aiex_error *err);
/* Where the master key comes from, for people; "" while there is none. */
const char *vault_key_source(struct vault *vault);
/* 1 when that is a file that vault_rotate() writes. */
int vault_key_is_in_file(const struct vault *vault);

/* Before and after an execve() of a new image that can not read the key itself. 0, -ENOMEM. */
int vault_hand_over(struct vault *vault);
void vault_keep(struct vault *vault);

#endif

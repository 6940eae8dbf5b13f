/*
 * master_key.h - the key of the vault, and where it comes from. The first of
 *
 *     1. what the image before this one handed over (an upgrade of the host)
 *     2. the systemd credential  $CREDENTIALS_DIRECTORY/aiex-master-key
 *     3. the environment         AIEX_MASTER_KEY
 *     4. a file                  master_key_file of [host], else DATA/master.key
 *
 * Only the file is ever made: 0600, when the first secret is stored. As text a key is 64
 * hex digits, with or without a line end; a file or credential may also hold the 32 bytes.
 *
 * The environment is read once, when the program starts, and wiped: cells inherit what
 * the host has there, and /proc shows it.
 *
 * Ownership: struct master_key owns locked memory until master_key_done().
 */
#ifndef AIEX_SECRET_MASTER_KEY_H
#define AIEX_SECRET_MASTER_KEY_H

#include <aiex/aiex_plugin.h>

#define MASTER_KEY_BYTES 32u
#define MASTER_KEY_FILE  "master.key" /* in the data folder */

enum master_key_source {
    MASTER_KEY_NONE,
    MASTER_KEY_HANDED_OVER,
    MASTER_KEY_CREDENTIAL,
    MASTER_KEY_ENVIRONMENT,
    MASTER_KEY_FROM_FILE
};

struct master_key {
    unsigned char *bytes; /* locked; NULL = none */
    enum master_key_source source;
    char where[600]; /* for people: the file's path, "$AIEX_MASTER_KEY" */
};

/* Takes what the environment has and wipes it there; to be called before any process is made. 0
 * (also when there is nothing), -EINVAL (not a key), -ENOMEM. */
int master_key_take_environment(struct master_key *ret, struct aiex_error *err);
/* Puts the key where master_key_take_environment() of the next image finds it: right before
 * execve(). 0, -ENOMEM. */
int master_key_hand_over(const struct master_key *key);
/* Takes that back when execve() failed. */
void master_key_keep(void);

/* The key that holds: a copy of `given` (from the environment) unless a credential goes before it,
 * else the file's. 0; -ENOENT: there is no file; else a reason with what to do. */
int master_key_open(const struct master_key *given, const char *file, struct master_key *ret,
                    struct aiex_error *err);
/* The key in one file. 0; -ENOENT without a reason; else with one: others may read it, it is no
 * key. */
int master_key_read(const char *file, struct master_key *ret, struct aiex_error *err);
/* A new random key, not written anywhere. 0, -ENOMEM. */
int master_key_make(struct master_key *ret);
/* A key from its text or its bytes. 0, -EINVAL, -ENOMEM. */
int master_key_parse(const void *text, size_t len, struct master_key *ret);
/* Writes a key into a new file of mode 0600, and to the disk. 0, or -errno with a reason. */
int master_key_write(const struct master_key *key, const char *file, struct aiex_error *err);

void master_key_done(struct master_key *key);

#endif

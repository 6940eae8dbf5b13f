/*
 * cipher.h - the key under which the database lies on the disk.
 *
 * Berkeley DB encrypts its pages and its log itself (AES-128 in CBC mode, each page and record with
 * an HMAC-SHA1), under a password. The password is made of the option `key`, with a salt, by
 * Argon2id; it is never the key itself. A file `cipher` beside the database, and in each backup,
 * has the salt and a value by which the right key is known before anything else is opened: with a
 * wrong one recovery would take the whole log for damage.
 *
 *     "AIEXCIPH" | format u32 = 1 | salt 16 | check 32          empty or missing: not encrypted
 */
#ifndef CIPHER_H
#define CIPHER_H

#include <aiex/aiex_plugin.h>

#define CIPHER_MIN_KEY 16u /* bytes */

struct cipher {
    int on;
    unsigned key;      /* which of the keys it was */
    char password[65]; /* "" = not encrypted */
};

/* How the database beside the file `folder`/cipher is to be opened. `keys`: those that may be
 * right; NULL and "" are skipped. 0, -EKEYREJECTED (none of them), -EBADMSG, other errno, with a
 * reason. */
int cipher_read(const char *folder, const char *const *keys, unsigned n_keys, struct cipher *ret,
                struct aiex_error *err);
/* Writes the file for a new database under `key` (NULL: not encrypted). */
int cipher_make(const char *folder, const char *key, struct cipher *ret, struct aiex_error *err);
/* Copies the file, an empty one when there is none. 0 or negative errno. */
int cipher_copy(const char *from, const char *to);
/* Overwrites the password. */
void cipher_wipe(struct cipher *c);
/* For an environment: NULL = not encrypted. */
const char *cipher_password(const struct cipher *c);

#endif

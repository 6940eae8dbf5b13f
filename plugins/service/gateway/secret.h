/*
 * secret.h - the secrets of keys: made, hashed, checked.
 *
 * A key as a client sends it is "ak-" and 43 characters of base64url: 32 random bytes. Nothing
 * but its hash is kept: BLAKE2b of the text, keyed with the installation's pepper (a file of its
 * own), so that a stolen list of hashes is of no use elsewhere. 256 random bits can not be
 * guessed, so a slow hash would protect nothing and cost every request.
 *
 * Thread rule: any. Memory: none.
 */
#ifndef GATEWAY_SECRET_H
#define GATEWAY_SECRET_H

#include <aiex/aiex_plugin.h>

#define SECRET_HASH   32u
#define SECRET_TEXT   46u /* "ak-" and 43 characters */
#define SECRET_PREFIX 8u  /* of the text, to recognise a key by: 30 of its 256 bits */
#define SECRET_SUM    16u
#define SECRET_MARK   16u
#define PEPPER_BYTES  32u

/* Loads the library's choice of code for this processor. 0, -EIO. */
int secret_init(void);
/* A new key, 0-terminated. 0, -EIO: the system gives no random bytes. */
int secret_new(char out[SECRET_TEXT + 1]);
int secret_random(void *out, size_t n);
/* 1 when this could be one of our keys: form only. */
int secret_form(struct aiex_slice text);
void secret_hash(const uint8_t pepper[PEPPER_BYTES], struct aiex_slice text,
                 uint8_t out[SECRET_HASH]);
/* A short mark of a text, for a table of those seen before: SipHash of 128 bits under a random key of
 * this process. Far cheaper than the hash, and of no use to anybody once the process is gone. */
void secret_mark(const uint8_t key[SECRET_MARK], struct aiex_slice text, uint8_t out[SECRET_MARK]);
/* 1 when equal; takes the same time whatever differs. */
int secret_equal(const uint8_t a[SECRET_HASH], const uint8_t b[SECRET_HASH]);
/* Check sum of stored bytes and their place, so that damage is seen. */
void secret_sum(uint64_t sequence, struct aiex_slice bytes, uint8_t out[SECRET_SUM]);
/* Tells one pepper from another without telling it. */
void secret_fingerprint(const uint8_t pepper[PEPPER_BYTES], uint8_t out[SECRET_SUM]);
/* Overwrites memory that held a secret. */
void secret_wipe(void *mem, size_t n);

#endif

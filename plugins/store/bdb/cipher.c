/* cipher.c - see cipher.h. */
#include "cipher.h"

#include "bytes.h"

#include <aiex_file.h>
#include <aiex_service.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT     1u
#define SALT_AT    12u
#define CHECK      32u
#define CHECK_AT   (SALT_AT + crypto_pwhash_SALTBYTES)
#define FILE_BYTES (CHECK_AT + CHECK)
#define OPERATIONS 3u
#define MEMORY     (16u << 20)

static const char magic[8] = {'A', 'I', 'E', 'X', 'C', 'I', 'P', 'H'};

static void path_in(char out[700], const char *folder)
{
    snprintf(out, 700, "%s/cipher", folder);
}

/* 0, or -ENOMEM. */
static int derive(const char *key, const uint8_t *salt, uint8_t check[CHECK], char password[65])
{
    uint8_t out[64];

    if (crypto_pwhash(out, sizeof(out), key, strlen(key), salt, OPERATIONS, MEMORY,
                      crypto_pwhash_ALG_ARGON2ID13) != 0)
        return -ENOMEM;
    crypto_generichash(check, CHECK, out, 32, NULL, 0);
    sodium_bin2hex(password, 65, out + 32, 32);
    sodium_memzero(out, sizeof(out));
    return 0;
}

void cipher_wipe(struct cipher *c)
{
    sodium_memzero(c, sizeof(*c));
}

const char *cipher_password(const struct cipher *c)
{
    return c->on ? c->password : NULL;
}

/* Tries the keys on what the file says. */
static int choose(const uint8_t *file, const char *const *keys, unsigned n, struct cipher *ret)
{
    uint8_t check[CHECK];
    int r = -EKEYREJECTED;

    for (unsigned i = 0; i < n && r == -EKEYREJECTED; i++) {
        if (!keys[i] || !keys[i][0])
            continue;
        r = derive(keys[i], file + SALT_AT, check, ret->password);
        if (r == 0 && sodium_memcmp(check, file + CHECK_AT, CHECK) != 0)
            r = -EKEYREJECTED;
        ret->key = i;
    }
    ret->on = 1;
    if (r < 0)
        cipher_wipe(ret);
    return r;
}

int cipher_read(const char *folder, const char *const *keys, unsigned n_keys, struct cipher *ret,
                struct aiex_error *err)
{
    uint8_t *data = NULL;
    char path[700];
    size_t len = 0;
    int r;

    memset(ret, 0, sizeof(*ret));
    path_in(path, folder);
    r = aiex_file_read(path, 4096, &data, &len);
    if (r == -ENOENT || (r == 0 && len == 0)) {
        free(data);
        return 0;
    }
    if (r == 0 && (len != FILE_BYTES || memcmp(data, magic, sizeof(magic)) != 0 ||
                   get_be(data + 8, 4) != FORMAT))
        r = -EBADMSG;
    r = r ? r : choose(data, keys, n_keys, ret);
    free(data);
    if (r == -EKEYREJECTED)
        return aiex_failed(err, r,
                           "the database in '%.200s' is encrypted under another key than the "
                           "option 'key'; nothing was opened",
                           folder);
    return r < 0
               ? aiex_failed(err, r, "'%.200s': %s", path,
                             r == -EBADMSG ? "it is damaged; take that of a backup" : strerror(-r))
               : 0;
}

int cipher_make(const char *folder, const char *key, struct cipher *ret, struct aiex_error *err)
{
    uint8_t file[FILE_BYTES];
    const struct aiex_slice piece = {file, key ? sizeof(file) : 0};
    char path[700];

    memset(ret, 0, sizeof(*ret));
    path_in(path, folder);
    if (key) {
        memcpy(file, magic, sizeof(magic));
        put_be(file + 8, FORMAT, 4);
        randombytes_buf(file + SALT_AT, crypto_pwhash_SALTBYTES);
        if (derive(key, file + SALT_AT, file + CHECK_AT, ret->password) < 0)
            return aiex_failed(err, -ENOMEM, "no memory to make a password of the key");
        ret->on = 1;
    }
    return aiex_file_replace(path, &piece, 1, AIEX_FILE_SYNC, err);
}

int cipher_copy(const char *from, const char *to)
{
    struct aiex_slice piece = {NULL, 0};
    uint8_t *data = NULL;
    char path[700];
    int r;

    path_in(path, from);
    r = aiex_file_read(path, 4096, &data, &piece.len);
    if (r == -ENOENT)
        r = 0;
    piece.data = data;
    path_in(path, to);
    r = r ? r : aiex_file_replace(path, &piece, 1, AIEX_FILE_SYNC, NULL);
    free(data);
    return r;
}

/* hash.c - SHA-256 with one byte in front that says what is hashed; hex. */
/* EVP allocates and looks up names for every digest, which costs more than these short hashes do;
   OpenSSL 3 calls the plain functions deprecated and keeps them. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "aiex_merkle.h"

#include <errno.h>
#include <openssl/sha.h>
#include <string.h>

static void hash(uint8_t domain, struct aiex_slice a, struct aiex_slice b, uint8_t *out)
{
    SHA256_CTX c;

    SHA256_Init(&c);
    SHA256_Update(&c, &domain, 1);
    if (a.len)
        SHA256_Update(&c, a.data, a.len);
    if (b.len)
        SHA256_Update(&c, b.data, b.len);
    SHA256_Final(out, &c);
}

/* Two hashes behind a byte, in one piece. */
static void hash_pair(uint8_t domain, const uint8_t *a, const uint8_t *b, uint8_t *out)
{
    uint8_t bytes[1 + 2 * AIEX_HASH];
    SHA256_CTX c;

    bytes[0] = domain;
    memcpy(bytes + 1, a, AIEX_HASH);
    memcpy(bytes + 1 + AIEX_HASH, b, AIEX_HASH);
    SHA256_Init(&c);
    SHA256_Update(&c, bytes, sizeof(bytes));
    SHA256_Final(out, &c);
}

void aiex_leaf_hash(struct aiex_slice body, uint8_t out[AIEX_HASH])
{
    hash(0, body, (struct aiex_slice){NULL, 0}, out);
}

void aiex_node_hash(const uint8_t left[AIEX_HASH], const uint8_t right[AIEX_HASH],
                    uint8_t out[AIEX_HASH])
{
    hash_pair(1, left, right, out);
}

void aiex_chain_hash(const uint8_t prev[AIEX_HASH], const uint8_t leaf[AIEX_HASH],
                     uint8_t out[AIEX_HASH])
{
    hash_pair(2, prev, leaf, out);
}

void aiex_commit_hash(struct aiex_slice salt, struct aiex_slice payload, uint8_t out[AIEX_HASH])
{
    hash(3, salt, payload, out);
}

void aiex_plain_hash(struct aiex_slice bytes, uint8_t out[AIEX_HASH])
{
    SHA256_CTX c;

    SHA256_Init(&c);
    if (bytes.len)
        SHA256_Update(&c, bytes.data, bytes.len);
    SHA256_Final(out, &c);
}

void aiex_hex(const uint8_t *bytes, size_t n, char *hex)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        hex[2 * i] = digits[bytes[i] >> 4];
        hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    hex[2 * n] = 0;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int aiex_unhex(const char *hex, size_t len, uint8_t *bytes, size_t n)
{
    if (len != 2 * n)
        return -EINVAL;
    for (size_t i = 0; i < n; i++) {
        int high = digit(hex[2 * i]), low = digit(hex[2 * i + 1]);

        if (high < 0 || low < 0)
            return -EINVAL;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

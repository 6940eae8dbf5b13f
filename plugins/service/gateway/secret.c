/* secret.c - see secret.h. */
#include "secret.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/random.h>

static const char head[] = "ak-";

#define HEAD (sizeof(head) - 1)

int secret_init(void)
{
    return sodium_init() < 0 ? -EIO : 0;
}

int secret_random(void *out, size_t n)
{
    return getrandom(out, n, 0) == (ssize_t)n ? 0 : -EIO;
}

int secret_new(char out[SECRET_TEXT + 1])
{
    uint8_t raw[32];

    if (secret_random(raw, sizeof(raw)) != 0)
        return -EIO;
    memcpy(out, head, HEAD);
    sodium_bin2base64(out + HEAD, SECRET_TEXT + 1 - HEAD, raw, sizeof(raw),
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(raw, sizeof(raw));
    return 0;
}

int secret_form(struct aiex_slice text)
{
    return text.len == SECRET_TEXT && memcmp(text.data, head, HEAD) == 0;
}

void secret_hash(const uint8_t pepper[PEPPER_BYTES], struct aiex_slice text,
                 uint8_t out[SECRET_HASH])
{
    crypto_generichash(out, SECRET_HASH, text.data, text.len, pepper, PEPPER_BYTES);
}

_Static_assert(SECRET_MARK == crypto_shorthash_siphashx24_BYTES, "libsodium's");
_Static_assert(SECRET_MARK == crypto_shorthash_siphashx24_KEYBYTES, "libsodium's");

void secret_mark(const uint8_t key[SECRET_MARK], struct aiex_slice text, uint8_t out[SECRET_MARK])
{
    crypto_shorthash_siphashx24(out, text.data, text.len, key);
}

int secret_equal(const uint8_t a[SECRET_HASH], const uint8_t b[SECRET_HASH])
{
    return sodium_memcmp(a, b, SECRET_HASH) == 0;
}

void secret_sum(uint64_t sequence, struct aiex_slice bytes, uint8_t out[SECRET_SUM])
{
    crypto_generichash_state state;
    uint8_t number[8];

    for (unsigned i = 0; i < 8; i++)
        number[i] = (uint8_t)(sequence >> 8 * i);
    crypto_generichash_init(&state, NULL, 0, SECRET_SUM);
    crypto_generichash_update(&state, number, sizeof(number));
    crypto_generichash_update(&state, bytes.data, bytes.len);
    crypto_generichash_final(&state, out, SECRET_SUM);
}

void secret_fingerprint(const uint8_t pepper[PEPPER_BYTES], uint8_t out[SECRET_SUM])
{
    static const char what[] = "fingerprint of the pepper";

    crypto_generichash(out, SECRET_SUM, (const uint8_t *)what, sizeof(what), pepper, PEPPER_BYTES);
}

void secret_wipe(void *mem, size_t n)
{
    sodium_memzero(mem, n);
}

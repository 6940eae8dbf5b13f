/* note_key.c - names, ids and texts of keys that sign notes. */
#include "aiex_note.h"
#include "note_text.h"

#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PRIVATE "PRIVATE+KEY+"

int aiex_note_begin(void)
{
    return sodium_init() < 0 ? -EIO : 0;
}

void aiex_note_wipe(void *mem, size_t n)
{
    sodium_memzero(mem, n);
}

int note_fail(struct aiex_error *err, const char *format, ...)
{
    va_list args;

    if (err) {
        va_start(args, format);
        vsnprintf(err->text, sizeof(err->text), format, args);
        va_end(args);
    }
    return -EINVAL;
}

int note_name_ok(const char *name, size_t len)
{
    if (len == 0 || len >= AIEX_NOTE_NAME)
        return 0;
    for (size_t i = 0; i < len; i++)
        if ((uint8_t)name[i] <= ' ' || name[i] == '+' || name[i] == 127)
            return 0;
    return 1;
}

int aiex_note_name_ok(const char *name)
{
    return note_name_ok(name, strlen(name));
}

static void make_id(struct aiex_note_key *k)
{
    uint8_t bytes[AIEX_NOTE_NAME + 34], hash[AIEX_HASH];
    size_t n = strlen(k->name);

    memcpy(bytes, k->name, n);
    bytes[n++] = '\n';
    bytes[n++] = k->type;
    memcpy(bytes + n, k->public_key, 32);
    aiex_plain_hash((struct aiex_slice){bytes, n + 32}, hash);
    memcpy(k->id, hash, sizeof(k->id));
}

int aiex_note_from_seed(struct aiex_note_signer *s, const char *name, uint8_t type,
                        const uint8_t seed[32])
{
    if (!aiex_note_name_ok(name))
        return -EINVAL;
    memset(s, 0, sizeof(*s));
    strcpy(s->key.name, name);
    s->key.type = type;
    crypto_sign_seed_keypair(s->key.public_key, s->secret, seed);
    make_id(&s->key);
    return 0;
}

int aiex_note_generate(struct aiex_note_signer *s, const char *name, uint8_t type)
{
    uint8_t seed[32];
    int r;

    randombytes_buf(seed, sizeof(seed));
    r = aiex_note_from_seed(s, name, type, seed);
    sodium_memzero(seed, sizeof(seed));
    return r;
}

static void write_text(const char *front, const struct aiex_note_key *k, const uint8_t *half,
                       char *out)
{
    char id[9], base64[NOTE_BASE64(33)];
    uint8_t bytes[33];

    aiex_hex(k->id, 4, id);
    bytes[0] = k->type;
    memcpy(bytes + 1, half, 32);
    sodium_bin2base64(base64, sizeof(base64), bytes, sizeof(bytes), sodium_base64_VARIANT_ORIGINAL);
    snprintf(out, AIEX_NOTE_KEY, "%s%s+%s+%s", front, k->name, id, base64);
    sodium_memzero(bytes, sizeof(bytes));
    sodium_memzero(base64, sizeof(base64));
}

void aiex_note_key_text(const struct aiex_note_key *k, char *out)
{
    write_text("", k, k->public_key, out);
}

void aiex_note_signer_text(const struct aiex_note_signer *s, char *out)
{
    write_text(PRIVATE, &s->key, s->secret, out); /* the seed comes first */
}

/* NAME+ID+BASE64; the base64 part may have plus signs, the name has none. */
static int split(const char *text, struct aiex_note_key *k, uint8_t half[32],
                 struct aiex_error *err)
{
    const char *id = strchr(text, '+'), *base64 = id ? strchr(id + 1, '+') : NULL;
    uint8_t bytes[33];
    size_t n;

    memset(k, 0, sizeof(*k));
    if (!base64 || !note_name_ok(text, (size_t)(id - text)) ||
        aiex_unhex(id + 1, (size_t)(base64 - id - 1), k->id, 4) != 0)
        return note_fail(err, "the key is not of the form NAME+ID+BASE64");
    if (note_unbase64(base64 + 1, strlen(base64 + 1), bytes, sizeof(bytes), &n) != 0 || n != 33)
        return note_fail(err, "the key's last part is not base64 of 33 bytes");
    if (bytes[0] != AIEX_KEY_ED25519 && bytes[0] != AIEX_KEY_WITNESS)
        return note_fail(err, "the key has type %u; 1 (Ed25519) and 4 (witness) are known",
                         bytes[0]);
    memcpy(k->name, text, (size_t)(id - text));
    k->type = bytes[0];
    memcpy(half, bytes + 1, 32);
    sodium_memzero(bytes, sizeof(bytes));
    return 0;
}

static int check_id(struct aiex_note_key *k, struct aiex_error *err)
{
    uint8_t said[4];

    memcpy(said, k->id, sizeof(said));
    make_id(k);
    return memcmp(said, k->id, sizeof(said)) == 0
               ? 0
               : note_fail(err, "the id of key '%s' does not belong to its bytes", k->name);
}

int aiex_note_key_read(struct aiex_note_key *k, const char *text, struct aiex_error *err)
{
    uint8_t half[32];
    int r;

    if (strncmp(text, PRIVATE, strlen(PRIVATE)) == 0)
        return note_fail(err, "this is a private key; give the public one");
    r = split(text, k, half, err);
    if (r == 0)
        memcpy(k->public_key, half, 32);
    return r == 0 ? check_id(k, err) : r;
}

int aiex_note_signer_read(struct aiex_note_signer *s, const char *text, struct aiex_error *err)
{
    struct aiex_note_key k;
    uint8_t seed[32];
    int r;

    if (strncmp(text, PRIVATE, strlen(PRIVATE)) != 0)
        return note_fail(err, "a private key begins with " PRIVATE);
    r = split(text + strlen(PRIVATE), &k, seed, err);
    if (r == 0)
        r = aiex_note_from_seed(s, k.name, k.type, seed);
    sodium_memzero(seed, sizeof(seed));
    if (r == 0 && memcmp(s->key.id, k.id, sizeof(k.id)) != 0)
        r = note_fail(err, "the id of key '%s' does not belong to its bytes", k.name);
    return r;
}

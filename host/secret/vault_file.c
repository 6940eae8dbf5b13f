/*
 * vault_file.c - the format of vault.h, byte for byte. Lengths are checked before they are
 * used; the order of names makes a file that was written twice the same.
 */
#include "secret/vault_file.h"

#include "base/auto.h"
#include "base/buf.h"
#include "base/err.h"
#include "secret/locked.h"

#include <fcntl.h>
#include <libgen.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC       "AIEXVLT\x01"
#define MAGIC_BYTES 8u
#define HEAD_BYTES  (MAGIC_BYTES + VAULT_ID_BYTES + VAULT_NONCE_BYTES + VAULT_TAG_BYTES + 4u)
#define ENTRY_BYTES (2u + 4u + 8u + 8u + 8u + VAULT_NONCE_BYTES) /* before the name */
#define AD_BYTES    (MAGIC_BYTES + VAULT_ID_BYTES + ENTRY_BYTES + AIEX_MAX_NAME)

_Static_assert(VAULT_NONCE_BYTES == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "format");
_Static_assert(VAULT_TAG_BYTES == crypto_aead_xchacha20poly1305_ietf_ABYTES, "format");
_Static_assert(MASTER_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "format");

/* ---- Numbers ---- */

static uint8_t *put(uint8_t *at, uint64_t v, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = (uint8_t)(v >> 8 * i);
    return at + bytes;
}

static uint64_t get(const uint8_t **at, size_t bytes)
{
    uint64_t v = 0;

    for (size_t i = 0; i < bytes; i++)
        v |= (uint64_t)(*at)[i] << 8 * i;
    *at += bytes;
    return v;
}

/* ---- Sealing ---- */

/* Everything of an entry before its sealed bytes; returns the end. */
static uint8_t *put_entry(uint8_t *at, const struct sealed *e)
{
    size_t n = strlen(e->name);

    at = put(at, n, 2);
    at = put(at, e->len, 4);
    at = put(at, (uint64_t)e->created_ms, 8);
    at = put(at, (uint64_t)e->changed_ms, 8);
    at = put(at, e->revision, 8);
    memcpy(at, e->nonce, sizeof(e->nonce));
    memcpy(at + sizeof(e->nonce), e->name, n);
    return at + sizeof(e->nonce) + n;
}

/* What is authenticated with a value: of which vault, and all about the entry. */
static size_t associated(const struct vault_file *f, const struct sealed *e, uint8_t out[AD_BYTES])
{
    uint8_t *at = out + MAGIC_BYTES + VAULT_ID_BYTES;

    memcpy(out, MAGIC, MAGIC_BYTES);
    memcpy(out + MAGIC_BYTES, f->id, VAULT_ID_BYTES);
    return (size_t)((e ? put_entry(at, e) : at) - out);
}

int vault_seal(const struct vault_file *f, struct sealed *entry, const struct master_key *key,
               const void *value, size_t len)
{
    uint8_t ad[AD_BYTES], *bytes = malloc(len + VAULT_TAG_BYTES);
    unsigned long long n;

    if (!bytes)
        return -ENOMEM;
    free(entry->bytes);
    entry->bytes = bytes;
    entry->len = len + VAULT_TAG_BYTES;
    randombytes_buf(entry->nonce, sizeof(entry->nonce));
    crypto_aead_xchacha20poly1305_ietf_encrypt(bytes, &n, value, len, ad, associated(f, entry, ad),
                                               NULL, entry->nonce, key->bytes);
    return 0;
}

int vault_unseal(const struct vault_file *f, const struct sealed *entry,
                 const struct master_key *key, char **ret, size_t *ret_len)
{
    char *value = locked_new(entry->len);
    unsigned long long n = 0;
    uint8_t ad[AD_BYTES];

    if (!value)
        return -ENOMEM;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt((unsigned char *)value, &n, NULL, entry->bytes,
                                                   entry->len, ad, associated(f, entry, ad),
                                                   entry->nonce, key->bytes) != 0) {
        locked_free(value);
        return -EBADMSG;
    }
    value[n] = 0;
    *ret = value;
    *ret_len = (size_t)n;
    return 0;
}

int vault_file_is_under(const struct vault_file *f, const struct master_key *key)
{
    unsigned char nothing[1];
    unsigned long long n;
    uint8_t ad[AD_BYTES];

    return crypto_aead_xchacha20poly1305_ietf_decrypt(nothing, &n, NULL, f->tag, sizeof(f->tag), ad,
                                                      associated(f, NULL, ad), f->nonce,
                                                      key->bytes) == 0;
}

int vault_file_init(struct vault_file *f, const struct master_key *key)
{
    unsigned long long n;
    uint8_t ad[AD_BYTES];

    *f = (struct vault_file){0};
    randombytes_buf(f->id, sizeof(f->id));
    randombytes_buf(f->nonce, sizeof(f->nonce));
    crypto_aead_xchacha20poly1305_ietf_encrypt(f->tag, &n, NULL, 0, ad, associated(f, NULL, ad),
                                               NULL, f->nonce, key->bytes);
    return 0;
}

/* ---- Entries ---- */

void vault_file_done(struct vault_file *f)
{
    for (size_t i = 0; i < f->n; i++)
        free(f->entries[i].bytes);
    free(f->entries);
    *f = (struct vault_file){0};
}

struct sealed *vault_file_find(struct vault_file *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->entries[i].name, name) == 0)
            return &f->entries[i];
    return NULL;
}

struct sealed *vault_file_add(struct vault_file *f, const char *name, int64_t now_ms)
{
    struct sealed *grown = realloc(f->entries, (f->n + 1) * sizeof(*grown));
    size_t i = 0;

    if (!grown)
        return NULL;
    f->entries = grown;
    while (i < f->n && strcmp(grown[i].name, name) < 0)
        i++;
    memmove(&grown[i + 1], &grown[i], (f->n - i) * sizeof(*grown));
    f->n++;
    grown[i] = (struct sealed){.created_ms = now_ms, .changed_ms = now_ms};
    (void)snprintf(grown[i].name, sizeof(grown[i].name), "%s", name);
    return &grown[i];
}

void vault_file_drop(struct vault_file *f, struct sealed *entry)
{
    size_t i = (size_t)(entry - f->entries);

    free(entry->bytes);
    f->n--;
    memmove(entry, entry + 1, (f->n - i) * sizeof(*entry));
}

/* ---- Bytes ---- */

static int parse_entry(const uint8_t **at, const uint8_t *end, struct vault_file *f)
{
    struct sealed e = {.bytes = NULL}, *new;
    size_t n_name;

    if ((size_t)(end - *at) < ENTRY_BYTES)
        return -EBADMSG;
    n_name = (size_t)get(at, 2);
    e.len = (size_t)get(at, 4);
    e.created_ms = (int64_t)get(at, 8);
    e.changed_ms = (int64_t)get(at, 8);
    e.revision = get(at, 8);
    memcpy(e.nonce, *at, sizeof(e.nonce));
    *at += sizeof(e.nonce);
    if (n_name == 0 || n_name > AIEX_MAX_NAME || e.len < VAULT_TAG_BYTES ||
        e.len > VAULT_VALUE_MAX + VAULT_TAG_BYTES || (size_t)(end - *at) < n_name + e.len)
        return -EBADMSG;
    memcpy(e.name, *at, n_name);
    *at += n_name;
    if (strlen(e.name) != n_name || !vault_is_name(e.name) ||
        (f->n && strcmp(f->entries[f->n - 1].name, e.name) >= 0))
        return -EBADMSG;
    new = vault_file_add(f, e.name, 0);
    e.bytes = new ? malloc(e.len) : NULL;
    if (new)
        *new = e;
    if (!e.bytes)
        return -ENOMEM;
    memcpy(e.bytes, *at, e.len);
    *at += e.len;
    return 0;
}

int vault_file_parse(const uint8_t *bytes, size_t len, struct vault_file *ret,
                     struct aiex_error *err)
{
    const uint8_t *at = bytes, *end = bytes + len;
    struct vault_file f = {0};
    uint64_t n;
    int r = 0;

    if (len < MAGIC_BYTES || memcmp(bytes, MAGIC, MAGIC_BYTES - 1) != 0)
        return fail(err, -EBADMSG, "it is no vault");
    if (bytes[MAGIC_BYTES - 1] != MAGIC[MAGIC_BYTES - 1])
        return fail(err, -EBADMSG, "it has version %u, this host knows 1", bytes[MAGIC_BYTES - 1]);
    if (len < HEAD_BYTES)
        return fail(err, -EBADMSG, "it ends after %zu bytes, within its head", len);
    at += MAGIC_BYTES;
    memcpy(f.id, at, sizeof(f.id));
    memcpy(f.nonce, at + sizeof(f.id), sizeof(f.nonce));
    memcpy(f.tag, at + sizeof(f.id) + sizeof(f.nonce), sizeof(f.tag));
    at += sizeof(f.id) + sizeof(f.nonce) + sizeof(f.tag);
    n = get(&at, 4);
    if (n > VAULT_ENTRIES_MAX)
        r = -EBADMSG;
    for (uint64_t i = 0; r == 0 && i < n; i++)
        r = parse_entry(&at, end, &f);
    if (r == 0 && at != end)
        r = -EBADMSG;
    if (r < 0) {
        size_t good = f.n;

        vault_file_done(&f);
        return r == -ENOMEM ? fail(err, r, "out of memory")
                            : fail(err, r, "it is torn or was changed behind entry %zu of %llu",
                                   good, (unsigned long long)n);
    }
    *ret = f;
    return 0;
}

int vault_file_pack(const struct vault_file *f, uint8_t **ret, size_t *ret_len)
{
    size_t len = HEAD_BYTES;
    uint8_t *at;

    for (size_t i = 0; i < f->n; i++)
        len += ENTRY_BYTES + strlen(f->entries[i].name) + f->entries[i].len;
    *ret = at = malloc(len);
    *ret_len = len;
    if (!at)
        return -ENOMEM;
    memcpy(at, MAGIC, MAGIC_BYTES);
    memcpy(at += MAGIC_BYTES, f->id, sizeof(f->id));
    memcpy(at += sizeof(f->id), f->nonce, sizeof(f->nonce));
    memcpy(at += sizeof(f->nonce), f->tag, sizeof(f->tag));
    at = put(at + sizeof(f->tag), f->n, 4);
    for (size_t i = 0; i < f->n; i++) {
        at = put_entry(at, &f->entries[i]);
        memcpy(at, f->entries[i].bytes, f->entries[i].len);
        at += f->entries[i].len;
    }
    return 0;
}

/* ---- The disk ---- */

static int write_all(int fd, const uint8_t *bytes, size_t len)
{
    while (len) {
        ssize_t n = write(fd, bytes, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        bytes += n;
        len -= (size_t)n;
    }
    return fsync(fd) < 0 ? -errno : 0;
}

/* So that a rename outlives the loss of power. */
static int sync_folder(const char *path)
{
    auto_free char *copy = strdup(path);
    auto_close int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int vault_file_write(const struct vault_file *f, const char *path, struct aiex_error *err)
{
    auto_free char *beside = NULL;
    auto_free uint8_t *bytes = NULL;
    auto_close int fd = -1;
    size_t len;
    int r;

    if (asprintf(&beside, "%s.tmp", path) < 0 || vault_file_pack(f, &bytes, &len) < 0)
        return fail(err, -ENOMEM, "out of memory for the vault");
    (void)unlink(beside);
    fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    r = fd < 0 ? -errno : write_all(fd, bytes, len);
    if (r == 0 && rename(beside, path) < 0)
        r = -errno;
    if (r == 0)
        r = sync_folder(path);
    if (r < 0) {
        (void)unlink(beside);
        return fail(err, r, "cannot write the vault '%.400s': %s", path, strerror(-r));
    }
    return 0;
}

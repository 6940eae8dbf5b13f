/* link: aiex_secret aiex_base */
/*
 * fuzz_vault.c - vault files from foreign bytes. Promised: no crash; what is taken can be written
 * again, byte for byte the same; nothing opens under a key that did not seal it.
 */
#include "secret/locked.h"
#include "secret/vault_file.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const struct vault_file *f, const uint8_t *data, size_t size)
{
    uint8_t *bytes;
    size_t len;

    if (vault_file_pack(f, &bytes, &len) < 0)
        return;
    if (len != size || memcmp(bytes, data, len) != 0)
        abort();
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct master_key key;
    struct aiex_error err = {""};
    struct vault_file f;

    if (!key.bytes && master_key_make(&key) < 0)
        return 0;
    if (vault_file_parse(data, size, &f, &err) < 0) {
        if (err.text[0] == 0)
            abort();
        return 0;
    }
    write_again(&f, data, size);
    if (vault_file_is_under(&f, &key))
        abort();
    for (size_t i = 0; i < f.n && i < 4; i++) {
        char *value;
        size_t len;

        if (vault_unseal(&f, &f.entries[i], &key, &value, &len) == 0)
            abort();
    }
    vault_file_done(&f);
    return 0;
}

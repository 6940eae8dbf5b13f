/* link: aiex_service_checkpoints */
/*
 * fuzz_checkpoints.c - what an imported checkpoint says, with a right checksum, so that the fuzzer
 * gets behind it: the first byte chooses between a manifest, and the values of chunks (heads of
 * streams, events). A manifest that is taken must come out of manifest_pack() as one that is taken.
 */
#include "checkpoints.h"

#include <sodium.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_manifest(struct aiex_slice said)
{
    size_t len = 8 + said.len + CHUNK_HASH, again_len = 0;
    uint8_t *bytes = malloc(len), *again = NULL;
    struct aiex_error err;
    struct manifest m, other;

    memcpy(bytes, "AIEXCKP1", 8);
    if (said.len)
        memcpy(bytes + 8, said.data, said.len);
    crypto_generichash(bytes + len - CHUNK_HASH, CHUNK_HASH, bytes, len - CHUNK_HASH, NULL, 0);
    if (manifest_unpack((struct aiex_slice){bytes, len}, &m, &err) == 0) {
        if (!name_is_good(m.about.name) || manifest_pack(&m, &again, &again_len) != 0 ||
            manifest_unpack((struct aiex_slice){again, again_len}, &other, &err) != 0 ||
            other.events.n != m.events.n || other.about.n_tables != m.about.n_tables)
            abort();
        manifest_done(&other);
    }
    manifest_done(&m);
    free(again);
    free(bytes);
}

static void try_values(struct aiex_slice left)
{
    struct heads *heads = heads_new(100);
    struct head head;

    while (left.len) {
        struct aiex_slice one = left;

        if (aiex_r_skip(&left) != 0)
            break;
        one.len -= left.len;
        heads_see(heads, one);
        if (head_read(one, &head) == 0 && head.stream.len > MAX_STREAM)
            abort();
    }
    heads_sort(heads);
    for (size_t i = 1; i < heads_count(heads); i++)
        if (slice_order(heads_at(heads, i - 1)->stream, heads_at(heads, i)->stream) >= 0)
            abort();
    heads_free(heads);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct aiex_slice said = {data + 1, size - 1};

    if (!size || size > 65536 || sodium_init() < 0)
        return 0;
    if (data[0] & 1)
        try_manifest(said);
    else
        try_values(said);
    return 0;
}

/* link: aiex_coordinator_tape */
/*
 * fuzz_tape.c - an answer as it comes back from a tier: whatever the bytes are, a tape that is read
 * from them is whole, and written it is read again as the same.
 */
#include "../../plugins/service/coordinator/tape.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(const struct tape *a, const struct tape *b)
{
    if (!b || a->n != b->n || a->len != b->len || a->end_len != b->end_len ||
        memcmp(a->end, b->end, a->end_len) != 0)
        abort();
    for (size_t i = 0; i < a->n; i++)
        if (tape_part(a, i).len != tape_part(b, i).len)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tape *t = tape_read((struct aiex_slice){data, size}, 1 << 20), *again;
    struct aiex_slice bytes;

    if (!t)
        return 0;
    if (t->len + t->end_len > size || tape_write(t, &bytes) != 0)
        abort();
    again = tape_read(bytes, 1 << 20);
    same(t, again);
    tape_unref(again);
    tape_unref(t);
    free((void *)(uintptr_t)bytes.data);
    return 0;
}

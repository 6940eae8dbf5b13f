/* link: aiex_interface_http */
/*
 * fuzz_exposition.c - texts of metrics from strangers made into one: what comes out is never longer
 * than what went in and an end of line for each, and each line of it stood in one of them.
 */
#include "../../plugins/interface/http/exposition.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int count(void *arg, const void *bytes, size_t n)
{
    size_t *sum = arg;

    if (!bytes)
        abort();
    *sum += n;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t half = size ? data[0] % size : 0, sum = 0;
    struct aiex_slice texts[2] = {{data, half}, {data + half, size - half}};
    int r = exposition_merge(texts, 2, count, &sum);

    if (r != 0 || sum > size + 2)
        abort();
    return 0;
}

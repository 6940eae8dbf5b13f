/*
 * fuzz_sse.c - the SSE splitter on hostile bytes. The first input byte chooses how the
 * rest is cut; the events must be those of the uncut bytes.
 */
/* link: aiex_sdk_sse */
#include <aiex_sse.h>
#include <stdlib.h>
#include <string.h>

struct digest {
    uint64_t hash;
    size_t n;
};

static int on_event(void *arg, const struct aiex_sse_event *e)
{
    struct digest *d = arg;

    d->n++;
    for (size_t i = 0; i < e->data.len; i++)
        d->hash = (d->hash ^ e->data.data[i]) * 1099511628211u;
    for (size_t i = 0; i < e->name.len; i++)
        d->hash = (d->hash ^ e->name.data[i]) * 1099511628211u;
    d->hash = (d->hash ^ e->data.len) * 1099511628211u;
    if (e->plain && memcmp(e->raw.data + 6, e->data.data, e->data.len) != 0)
        abort();
    return 0;
}

/* Two streams agree unless one of them hit the limit. */
static int run(struct aiex_slice bytes, size_t step, struct digest *d)
{
    struct aiex_sse sse;
    int r = 0;

    aiex_sse_init(&sse, 256);
    for (size_t at = 0; at < bytes.len && r == 0; at += step) {
        size_t n = bytes.len - at < step ? bytes.len - at : step;

        r = aiex_sse_feed(&sse, (struct aiex_slice){bytes.data + at, n}, on_event, d);
    }
    if (aiex_sse_pending(&sse) > 256)
        abort();
    aiex_sse_done(&sse);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct digest whole = {0, 0}, cut = {0, 0};
    struct aiex_slice bytes = {data + 1, size - 1};
    size_t step;
    int a, b;

    if (size < 2)
        return 0;
    step = data[0] % 64 + 1u;
    a = run(bytes, bytes.len, &whole);
    b = run(bytes, step, &cut);
    if (a == 0 && b == 0 && (whole.n != cut.n || whole.hash != cut.hash))
        abort();
    return 0;
}

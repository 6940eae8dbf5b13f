/* link: aiex_sdk_http */
/*
 * fuzz_http_request.c - bytes of a client: the parser must neither overrun nor depend on how the
 * bytes were cut. The first byte chooses the cut.
 */
#include <aiex_http1.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the parser said, folded into one number; bodies byte by byte, for pieces may differ. */
struct told {
    uint64_t sum;
    size_t n_messages;
};

static void fold(struct told *t, const void *bytes, size_t n)
{
    const uint8_t *b = bytes;

    for (size_t i = 0; i < n; i++)
        t->sum = (t->sum ^ b[i]) * 1099511628211u;
}

static int on_head(void *arg, const struct aiex_http1_head *h)
{
    fold(arg, h->method, strlen(h->method) + 1);
    fold(arg, h->path, strlen(h->path) + 1);
    fold(arg, h->query, strlen(h->query) + 1);
    fold(arg, &h->flags, sizeof(h->flags));
    fold(arg, &h->content_length, sizeof(h->content_length));
    for (size_t i = 0; i < h->n_headers; i++) {
        fold(arg, h->headers[i].name, strlen(h->headers[i].name) + 1);
        fold(arg, h->headers[i].value, strlen(h->headers[i].value) + 1);
    }
    return 0;
}

static int on_body(void *arg, const uint8_t *bytes, size_t n)
{
    fold(arg, bytes, n);
    return 0;
}

static struct told run(const uint8_t *data, size_t size, size_t piece)
{
    static const struct aiex_http1_events events = {on_head, on_body};
    struct aiex_http1_limits limits = {
        .head_bytes = 400, .n_headers = 8, .target_bytes = 60, .body_bytes = 300};
    struct told t = {14695981039346656037u, 0};
    struct aiex_http1 *p = aiex_http1_new(AIEX_HTTP1_REQUEST, &limits, &events, &t);
    size_t at = 0, n, used;
    int r = 0;

    while (p && at < size && r >= 0) {
        n = size - at < piece ? size - at : piece;
        r = aiex_http1_feed(p, data + at, n, &used);
        if (used > n)
            abort();
        at += used;
        if (r == AIEX_HTTP1_MORE && used != n)
            abort();
        if (r == AIEX_HTTP1_DONE) {
            t.n_messages++;
            aiex_http1_next(p);
        }
    }
    if (p && r < 0 && aiex_http1_status(p) < 400)
        abort();
    aiex_http1_free(p);
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct told whole, cut;

    if (size < 2)
        return 0;
    whole = run(data + 1, size - 1, size);
    cut = run(data + 1, size - 1, 1 + data[0] % 16);
    if (whole.n_messages != cut.n_messages || (whole.n_messages && whole.sum != cut.sum))
        abort();
    return 0;
}

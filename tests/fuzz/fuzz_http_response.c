/* link: aiex_sdk_http */
/*
 * fuzz_http_response.c - bytes of a server: no overrun, limits hold, and an end of file never makes
 * a complete message out of half of one. The first byte chooses cut and kind of request.
 */
#include <aiex_http1.h>

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BODY_LIMIT 300

struct seen {
    const struct aiex_http1_head *head;
    size_t n_body;
};

static int on_head(void *arg, const struct aiex_http1_head *h)
{
    struct seen *s = arg;

    if (h->status < 200 || h->status > 999)
        abort();
    s->head = h;
    return 0;
}

static int on_body(void *arg, const uint8_t *bytes, size_t n)
{
    struct seen *s = arg;
    volatile uint8_t touch = bytes[n - 1];

    (void)touch;
    s->n_body += n;
    if (n == 0 || s->n_body > BODY_LIMIT || !s->head || !(s->head->flags & AIEX_HTTP1_HAS_BODY))
        abort();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct aiex_http1_events events = {on_head, on_body};
    struct aiex_http1_limits limits = {.head_bytes = 400, .n_headers = 8, .body_bytes = BODY_LIMIT};
    struct seen s = {0};
    struct aiex_http1 *p;
    size_t at = 1, n, used, piece;
    int r = 0;

    if (size < 2 || !(p = aiex_http1_new(AIEX_HTTP1_RESPONSE, &limits, &events, &s)))
        return 0;
    piece = data[0] & 1 ? size : 1 + data[0] / 16;
    if (data[0] & 2)
        aiex_http1_expect_head(p);
    while (at < size && r == AIEX_HTTP1_MORE) {
        n = size - at < piece ? size - at : piece;
        r = aiex_http1_feed(p, data + at, n, &used);
        if (used > n || (r == AIEX_HTTP1_MORE && used != n))
            abort();
        at += used;
    }
    if (r == AIEX_HTTP1_MORE) {
        r = aiex_http1_eof(p);
        if (r == AIEX_HTTP1_DONE && !(s.head && s.head->flags & AIEX_HTTP1_UNTIL_EOF))
            abort();
    }
    if (r == AIEX_HTTP1_DONE && s.head && s.head->content_length > 0 &&
        s.head->flags & AIEX_HTTP1_HAS_BODY && s.n_body != (size_t)s.head->content_length)
        abort();
    aiex_http1_free(p);
    return 0;
}

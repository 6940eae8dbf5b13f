#include "ndjson.h"

#include <errno.h>

void ndjson_init(struct ndjson *n, size_t max_line_bytes)
{
    *n = (struct ndjson){.held.max = max_line_bytes};
}

void ndjson_done(struct ndjson *n)
{
    bytes_done(&n->held);
}

size_t ndjson_pending(const struct ndjson *n)
{
    return n->held.len;
}

static int is_blank(struct aiex_slice line)
{
    for (size_t i = 0; i < line.len; i++)
        if (line.data[i] != ' ' && line.data[i] != '\t')
            return 0;
    return 1;
}

static int give(struct aiex_slice raw, int in_place, ndjson_fn fn, void *arg)
{
    struct aiex_slice line = raw;

    if (line.len && line.data[line.len - 1] == '\n')
        line.len--;
    if (line.len && line.data[line.len - 1] == '\r')
        line.len--;
    return is_blank(line) ? 0 : fn(arg, line, raw, in_place);
}

int ndjson_feed(struct ndjson *n, struct aiex_slice bytes, ndjson_fn fn, void *arg)
{
    const uint8_t *p = bytes.data, *end = p + bytes.len, *lf;
    int r = 0;

    while (r == 0 && p < end && (lf = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        struct aiex_slice raw = {p, (size_t)(lf + 1 - p)};
        int held = n->held.len != 0;

        if (held) {
            bytes_slice(&n->held, raw);
            raw = bytes_all(&n->held);
        }
        if (n->held.failed || raw.len > n->held.max)
            return n->held.failed ? n->held.failed : -EMSGSIZE;
        r = give(raw, !held, fn, arg);
        n->held.len = 0;
        p = lf + 1;
    }
    if (r == 0 && p < end)
        bytes_add(&n->held, p, (size_t)(end - p));
    return r ? r : n->held.failed;
}

int ndjson_last(struct ndjson *n, ndjson_fn fn, void *arg)
{
    int r = n->held.len ? give(bytes_all(&n->held), 0, fn, arg) : 0;

    n->held.len = 0;
    return r;
}

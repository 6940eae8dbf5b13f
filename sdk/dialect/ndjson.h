/*
 * ndjson.h - lines out of a byte stream that is cut anywhere.
 *
 * Lines end with LF or CR LF; blank ones are no lines. A whole line that lies in the fed
 * bytes is not copied. What follows the last LF is kept; ndjson_last() hands it out once the
 * stream has ended, as a last line may lack its LF.
 */
#ifndef DIALECT_NDJSON_H
#define DIALECT_NDJSON_H

#include "bytes.h"

/* `line` without its end; `raw` with it; `in_place` = inside the bytes given to feed(). 0 = go on;
 * anything else ends feed(), which returns it. */
typedef int (*ndjson_fn)(void *arg, struct aiex_slice line, struct aiex_slice raw, int in_place);

struct ndjson {
    struct bytes held; /* its max bounds a line */
};

void ndjson_init(struct ndjson *n, size_t max_line_bytes);
void ndjson_done(struct ndjson *n);
/* 0, what the callback returned, -EMSGSIZE, -ENOMEM. */
int ndjson_feed(struct ndjson *n, struct aiex_slice bytes, ndjson_fn fn, void *arg);
int ndjson_last(struct ndjson *n, ndjson_fn fn, void *arg);
size_t ndjson_pending(const struct ndjson *n);

#endif

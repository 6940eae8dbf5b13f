/*
 * request_rig.h - conversions of requests, compared as JSON: order of members and white space do
 * not count. In the texts ' stands for ", so that JSON can be read in C; an apostrophe is "\u0027".
 */
#ifndef REQUEST_RIG_H
#define REQUEST_RIG_H

#include "chat.h"

#include <stdio.h>

struct row {
    int line;
    int client, vendor;
    const char *model; /* for the vendor */
    const char *in, *out;
};

/* Converts `in` (quotes already right). The chat is the caller's: rig_done(). */
int rig_convert(struct aiex_chat *c, int client, int vendor, const char *model, const char *in,
                size_t len, struct aiex_error *err);
void rig_done(struct aiex_chat *c);

/* Each row converts to its `out`; prints the first that does not. 0 when all do. */
int rig_rows(const struct row *rows, size_t n);
/* Each row is refused with -EINVAL or -ENOTSUP (`error`); `out` is part of the sentence. */
int rig_refusals(const struct row *rows, size_t n, int error);

/* malloc: ' becomes ". */
char *rig_quotes(const char *text);
/* 1 when two spans say the same. */
int rig_same(const struct aiex_json_span *a, const struct aiex_json_span *b);
struct aiex_json_span rig_span(const void *text, size_t len);

#endif

#include "bytes.h"

#include <aiex_json.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

void bytes_done(struct bytes *b)
{
    if (b->data) /* most of an answer's were never used */
        free(b->data);
    *b = (struct bytes){.max = b->max};
}

int bytes_reserve(struct bytes *b, size_t n)
{
    size_t cap = b->cap ? b->cap : 512;
    uint8_t *grown;

    if (b->failed)
        return b->failed;
    if (n > b->max || b->len > b->max - n)
        return b->failed = -EMSGSIZE;
    while (cap < b->len + n)
        cap *= 2;
    if (cap == b->cap)
        return 0;
    grown = realloc(b->data, cap);
    if (!grown)
        return b->failed = -ENOMEM;
    b->data = grown;
    b->cap = cap;
    return 0;
}

void bytes_int(struct bytes *b, int64_t v)
{
    char text[24], *p = text + sizeof(text);
    uint64_t left = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

    do
        *--p = (char)('0' + left % 10);
    while (left /= 10);
    if (v < 0)
        *--p = '-';
    bytes_add(b, p, (size_t)(text + sizeof(text) - p));
}

void bytes_quote(struct bytes *b, struct aiex_slice raw)
{
    if (bytes_reserve(b, raw.len + 2) != 0)
        return;
    b->data[b->len++] = '"';
    if (raw.len)
        memcpy(b->data + b->len, raw.data, raw.len);
    b->len += raw.len;
    b->data[b->len++] = '"';
}

void bytes_escape(struct bytes *b, struct aiex_slice text)
{
    struct aiex_json_out w;

    /* most texts need no escapes: try with the room of the text, then with what it needs */
    for (size_t room = text.len; room && bytes_reserve(b, room) == 0; room = w.len) {
        aiex_jw_init(&w, b->data + b->len, b->cap - b->len);
        aiex_jw_escape(&w, (const char *)text.data, text.len);
        if (!w.failed) {
            b->len += w.len;
            return;
        }
    }
}

void bytes_unescape(struct bytes *b, struct aiex_slice raw)
{
    struct aiex_json_span span = {AIEX_JSON_STRING, (const char *)raw.data - 1, raw.len + 2};
    long n;

    if (!raw.len || bytes_reserve(b, raw.len + 4) != 0)
        return;
    n = aiex_json_text(&span, (char *)b->data + b->len, b->cap - b->len);
    if (n > 0)
        b->len += (size_t)n;
}

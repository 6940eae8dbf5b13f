#include "frame.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdlib.h>

#define HEAD 4u

void frame_reader_init(struct frame_reader *r)
{
    memset(r, 0, sizeof(*r));
}

void frame_reader_done(struct frame_reader *r)
{
    free(r->data);
    frame_reader_init(r);
}

int frame_feed(struct frame_reader *r, const void *bytes, size_t n)
{
    if (n == 0)
        return 0;
    if (r->taken) {
        memmove(r->data, r->data + r->taken, r->len - r->taken);
        r->len -= r->taken;
        r->taken = 0;
    }
    if (n > r->cap - r->len) {
        size_t cap = r->cap ? r->cap : 4096;
        uint8_t *grown;

        while (cap - r->len < n)
            cap *= 2;
        grown = realloc(r->data, cap);
        if (!grown)
            return -ENOMEM;
        r->data = grown;
        r->cap = cap;
    }
    memcpy(r->data + r->len, bytes, n);
    r->len += n;
    return 0;
}

static int is_word(struct aiex_slice s, const char *word)
{
    return s.len == strlen(word) && memcmp(s.data, word, s.len) == 0;
}

static int parse_end(struct aiex_slice map, struct frame_reply *reply)
{
    int64_t retry = 0;

    if (aiex_get_str(map, "code", &reply->code) < 0 ||
        aiex_get_str(map, "text", &reply->text) < 0 ||
        aiex_get_int(map, "retry_after_ms", &retry) < 0 ||
        aiex_get_whole(map, "body", &reply->body) < 0)
        return -EPROTO;
    if (retry > 0)
        reply->retry_after_ms = retry > UINT32_MAX ? UINT32_MAX : (uint32_t)retry;
    if (reply->body.len == 1 && reply->body.data[0] == 0xc0) /* nil */
        reply->body.len = 0;
    return aiex_is_map(reply->body) ? 0 : -EPROTO;
}

static int parse(struct aiex_slice map, struct frame_reply *reply)
{
    struct aiex_slice kind;

    memset(reply, 0, sizeof(*reply));
    if (map.len == 0 || !aiex_is_map(map) || aiex_get_int(map, "id", &reply->id) != 1 ||
        aiex_get_str(map, "kind", &kind) != 1)
        return -EPROTO;
    if (is_word(kind, "part")) {
        reply->kind = FRAME_PART;
        return aiex_get_bytes(map, "body", &reply->body) == 1 ? 0 : -EPROTO;
    }
    if (!is_word(kind, "end"))
        return -EPROTO;
    reply->kind = FRAME_END;
    return parse_end(map, reply);
}

int frame_next(struct frame_reader *r, struct frame_reply *ret_reply)
{
    const uint8_t *at = r->data + r->taken;
    size_t held = r->len - r->taken, len;
    struct aiex_slice map;
    int failed;

    if (held < HEAD)
        return 0;
    len = (size_t)at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16 | (size_t)at[3] << 24;
    if (len > FRAME_MAX)
        return -EMSGSIZE;
    if (held - HEAD < len)
        return 0;
    map.data = at + HEAD;
    map.len = len;
    failed = parse(map, ret_reply);
    if (failed)
        return failed;
    r->taken += HEAD + len;
    return 1;
}

static void put_length(uint8_t *out, size_t len)
{
    for (unsigned i = 0; i < HEAD; i++)
        out[i] = (uint8_t)(len >> (8 * i));
}

static void write_call(struct aiex_writer *w, const struct frame_call *call)
{
    aiex_w_map(w, 6);
    aiex_w_key_int(w, "id", call->id);
    aiex_w_key_str(w, "op", "call");
    aiex_w_key_str(w, "service", call->service);
    aiex_w_key_str(w, "method", call->method);
    aiex_w_key_uint(w, "timeout_ms", call->timeout_ms);
    aiex_w_str(w, "body");
    if (call->body.len)
        aiex_w_raw(w, call->body.data, call->body.len);
    else
        aiex_w_map(w, 0);
}

int frame_make_call(const struct frame_call *call, uint8_t **ret_bytes, size_t *ret_len)
{
    struct aiex_writer w;
    uint8_t *bytes;

    aiex_writer_init(&w, NULL, 0);
    write_call(&w, call);
    if (w.len > FRAME_MAX)
        return -EMSGSIZE;
    bytes = malloc(HEAD + w.len);
    if (!bytes)
        return -ENOMEM;
    put_length(bytes, w.len);
    aiex_writer_init(&w, bytes + HEAD, w.len);
    write_call(&w, call);
    *ret_bytes = bytes;
    *ret_len = HEAD + w.len;
    return 0;
}

size_t frame_make_credit(int64_t id, uint64_t bytes, uint8_t *out)
{
    struct aiex_writer w;

    aiex_writer_init(&w, out + HEAD, FRAME_SMALL - HEAD);
    aiex_w_map(&w, 3);
    aiex_w_key_int(&w, "id", id);
    aiex_w_key_str(&w, "op", "credit");
    aiex_w_key_uint(&w, "bytes", bytes);
    put_length(out, w.len);
    return HEAD + w.len;
}

size_t frame_make_cancel(int64_t id, uint8_t *out)
{
    struct aiex_writer w;

    aiex_writer_init(&w, out + HEAD, FRAME_SMALL - HEAD);
    aiex_w_map(&w, 2);
    aiex_w_key_int(&w, "id", id);
    aiex_w_key_str(&w, "op", "cancel");
    put_length(out, w.len);
    return HEAD + w.len;
}

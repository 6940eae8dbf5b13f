/* event.c - see event.h. */
#include "event.h"

#include "bytes.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <sodium.h>

#define MAP_ROOM 160u /* keys, heads and numbers of the longest map */

size_t event_room(const struct event *e, const struct event_place *p)
{
    return EVENT_HEAD + MAP_ROOM + e->id.len + e->type.len + e->data.len + e->correlation.len +
           e->causation.len + e->meta.len + p->stream.len;
}

static void put_text(struct aiex_writer *w, const char *key, struct aiex_slice text)
{
    if (text.len)
        aiex_w_key_strn(w, key, (const char *)text.data, text.len);
}

/* Returns where the text of the type begins. */
static size_t put_map(struct aiex_writer *w, const struct event *e, const struct event_place *p)
{
    size_t type_at;

    aiex_w_map(w, 6u + (uint32_t)(e->has_data + (e->correlation.len != 0) +
                                  (e->causation.len != 0) + (e->meta.len != 0)));
    put_text(w, "stream", p->stream);
    aiex_w_key_uint(w, "version", p->version);
    aiex_w_key_uint(w, "sequence", p->sequence);
    put_text(w, "id", e->id);
    put_text(w, "type", e->type);
    type_at = w->len - e->type.len;
    aiex_w_key_int(w, "time", e->time);
    if (e->has_data)
        aiex_w_key_bin(w, "data", e->data.data, e->data.len);
    put_text(w, "correlation", e->correlation);
    put_text(w, "causation", e->causation);
    if (e->meta.len) {
        aiex_w_str(w, "meta");
        aiex_w_raw(w, e->meta.data, e->meta.len);
    }
    return type_at;
}

static void link_digest(uint64_t sequence, const uint8_t *digest, uint8_t chain[EVENT_HASH])
{
    uint8_t in[EVENT_HASH * 2 + 8];

    memcpy(in, chain, EVENT_HASH);
    put_be(in + EVENT_HASH, sequence, 8);
    memcpy(in + EVENT_HASH + 8, digest, EVENT_HASH);
    crypto_generichash(chain, EVENT_HASH, in, sizeof(in), NULL, 0);
}

size_t event_write(uint8_t *out, size_t size, const struct event *e, const struct event_place *p,
                   const uint8_t *salt, uint8_t chain[EVENT_HASH])
{
    struct aiex_writer w;
    uint8_t digest[EVENT_HASH];
    size_t type_at;

    aiex_writer_init(&w, out + EVENT_HEAD, size - EVENT_HEAD);
    type_at = put_map(&w, e, p);
    memcpy(out + 64, salt, EVENT_SALT);
    crypto_generichash(digest, EVENT_HASH, out + 64, EVENT_SALT + w.len, NULL, 0);
    link_digest(p->sequence, digest, chain);
    out[0] = EVENT_FORMAT;
    out[1] = 0;
    out[2] = (uint8_t)e->type.len;
    out[3] = 0;
    put_be(out + 4, type_at, 4);
    put_be(out + 8, (uint64_t)e->time, 8);
    put_be(out + 16, p->version, 8);
    put_be(out + 24, p->number, 8);
    memcpy(out + 32, chain, EVENT_HASH);
    return EVENT_HEAD + w.len;
}

size_t event_copy(uint8_t *out, const uint8_t *record, size_t len, uint64_t sequence)
{
    size_t n = event_copy_len(len);

    memcpy(out, record, 16);
    if (len - EVENT_HEAD > EVENT_INLINE)
        out[1] |= EVENT_ELSEWHERE;
    put_be(out + 16, sequence, 8);
    memcpy(out + EVENT_COPY, record + EVENT_HEAD, n - EVENT_COPY);
    return n;
}

void event_tombstone(const uint8_t *record, size_t len, uint8_t *out)
{
    memcpy(out, record, 64);
    out[1] = EVENT_ERASED;
    out[2] = 0;
    put_be(out + 4, 0, 4);
    crypto_generichash(out + 64, EVENT_HASH, record + 64, len - 64, NULL, 0);
}

static int set_type(const uint8_t *record, struct event_view *v)
{
    uint64_t at = get_be(record + 4, 4);

    v->time = (int64_t)get_be(record + 8, 8);
    if (v->flags) /* no map */
        return 0;
    v->type.len = record[2];
    if (at + v->type.len > v->map.len)
        return -EBADMSG;
    v->type.data = v->map.data + at;
    return 0;
}

int event_view(const uint8_t *record, size_t len, uint64_t sequence, struct event_view *ret_view)
{
    struct event_view *v = ret_view;

    memset(v, 0, sizeof(*v));
    if (len <= EVENT_HEAD || record[0] != EVENT_FORMAT)
        return -EBADMSG;
    v->flags = record[1];
    v->version = get_be(record + 16, 8);
    v->number = get_be(record + 24, 8);
    v->sequence = sequence;
    v->chain = record + 32;
    if (v->flags & EVENT_ERASED) {
        v->digest = record + 64;
        return len == EVENT_TOMBSTONE ? set_type(record, v) : -EBADMSG;
    }
    v->salt = record + 64;
    v->map.data = record + EVENT_HEAD;
    v->map.len = len - EVENT_HEAD;
    return set_type(record, v);
}

int event_view_copy(const uint8_t *record, size_t len, uint64_t version,
                    struct event_view *ret_view)
{
    struct event_view *v = ret_view;

    memset(v, 0, sizeof(*v));
    if (len < EVENT_COPY || record[0] != EVENT_FORMAT)
        return -EBADMSG;
    v->flags = record[1];
    v->version = version;
    v->sequence = get_be(record + 16, 8);
    v->map.data = record + EVENT_COPY;
    v->map.len = len - EVENT_COPY;
    return set_type(record, v);
}

void event_chain(const struct event_view *v, uint8_t chain[EVENT_HASH])
{
    uint8_t digest[EVENT_HASH];

    if (v->digest)
        memcpy(digest, v->digest, EVENT_HASH);
    else
        crypto_generichash(digest, EVENT_HASH, v->salt, EVENT_SALT + v->map.len, NULL, 0);
    link_digest(v->sequence, digest, chain);
}

/* pack.c - see pack.h: thin shapes over msgpack-c with limits. */
#include "wire/pack.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

static int sink(void *data, const char *bytes, size_t len)
{
    struct pack *p = data;

    if (p->failed || buf_add(&p->buf, bytes, len) < 0) {
        p->failed = 1;
        return -1;
    }
    return 0;
}

static msgpack_packer packer(struct pack *p)
{
    msgpack_packer k;

    msgpack_packer_init(&k, p, sink);
    return k;
}

void pack_init(struct pack *p, size_t max_bytes)
{
    buf_init(&p->buf, max_bytes);
    p->failed = 0;
}

void pack_done(struct pack *p)
{
    buf_done(&p->buf);
}

struct aiex_slice pack_slice(const struct pack *p)
{
    if (p->failed)
        return (struct aiex_slice){0};
    return (struct aiex_slice){p->buf.data, p->buf.len};
}

void pack_map(struct pack *p, size_t pairs)
{
    msgpack_packer k = packer(p);

    msgpack_pack_map(&k, pairs);
}

void pack_array(struct pack *p, size_t items)
{
    msgpack_packer k = packer(p);

    msgpack_pack_array(&k, items);
}

void pack_strn(struct pack *p, const char *text, size_t len)
{
    msgpack_packer k = packer(p);

    msgpack_pack_str(&k, len);
    msgpack_pack_str_body(&k, text, len);
}

void pack_str(struct pack *p, const char *text)
{
    pack_strn(p, text, strlen(text));
}

void pack_bin(struct pack *p, const void *bytes, size_t len)
{
    msgpack_packer k = packer(p);

    msgpack_pack_bin(&k, len);
    msgpack_pack_bin_body(&k, bytes, len);
}

void pack_int(struct pack *p, int64_t v)
{
    msgpack_packer k = packer(p);

    msgpack_pack_int64(&k, v);
}

void pack_bool(struct pack *p, int v)
{
    msgpack_packer k = packer(p);

    if (v)
        msgpack_pack_true(&k);
    else
        msgpack_pack_false(&k);
}

void pack_real(struct pack *p, double v)
{
    msgpack_packer k = packer(p);

    msgpack_pack_double(&k, v);
}

void pack_nil(struct pack *p)
{
    msgpack_packer k = packer(p);

    msgpack_pack_nil(&k);
}

void pack_whole(struct pack *p, struct aiex_slice msgpack)
{
    sink(p, (const char *)msgpack.data, msgpack.len);
}

void pack_key_str(struct pack *p, const char *key, const char *text)
{
    pack_str(p, key);
    pack_str(p, text);
}

void pack_key_int(struct pack *p, const char *key, int64_t v)
{
    pack_str(p, key);
    pack_int(p, v);
}

void pack_key_bool(struct pack *p, const char *key, int v)
{
    pack_str(p, key);
    pack_bool(p, v);
}

struct doc {
    msgpack_unpacked unpacked;
};

int doc_new(struct aiex_slice bytes, struct doc **ret)
{
    struct aiex_slice at = bytes;
    struct doc *d;
    size_t off = 0;

    /* depth and counts are checked before the tree builder may allocate for them */
    if (bytes.len == 0 || aiex_r_skip(&at) != 0 || at.len != 0)
        return -EBADMSG;
    d = calloc(1, sizeof(*d));
    if (!d)
        return -ENOMEM;
    msgpack_unpacked_init(&d->unpacked);
    if (msgpack_unpack_next(&d->unpacked, (const char *)bytes.data, bytes.len, &off) !=
        MSGPACK_UNPACK_SUCCESS) {
        doc_free(d);
        return -EBADMSG;
    }
    *ret = d;
    return 0;
}

void doc_free(struct doc *d)
{
    if (!d)
        return;
    msgpack_unpacked_destroy(&d->unpacked);
    free(d);
}

doc_value doc_root(const struct doc *d)
{
    return &d->unpacked.data;
}

doc_value doc_get(doc_value map, const char *key)
{
    const msgpack_object *o = map;
    size_t n = strlen(key);

    if (!o || o->type != MSGPACK_OBJECT_MAP)
        return NULL;
    for (uint32_t i = 0; i < o->via.map.size; i++) {
        const msgpack_object_kv *kv = &o->via.map.ptr[i];

        if (kv->key.type == MSGPACK_OBJECT_STR && kv->key.via.str.size == n &&
            !memcmp(kv->key.via.str.ptr, key, n))
            return kv->val.type == MSGPACK_OBJECT_NIL ? NULL : &kv->val;
    }
    return NULL;
}

doc_value doc_at(doc_value array, size_t index)
{
    const msgpack_object *o = array;

    if (!o || o->type != MSGPACK_OBJECT_ARRAY || index >= o->via.array.size)
        return NULL;
    return &o->via.array.ptr[index];
}

size_t doc_len(doc_value v)
{
    const msgpack_object *o = v;

    if (!o)
        return 0;
    return o->type == MSGPACK_OBJECT_ARRAY ? o->via.array.size
           : o->type == MSGPACK_OBJECT_MAP ? o->via.map.size
                                           : 0;
}

int doc_pair(doc_value map, size_t index, struct aiex_slice *key, doc_value *value)
{
    const msgpack_object *o = map;

    if (!o || o->type != MSGPACK_OBJECT_MAP || index >= o->via.map.size)
        return -1;
    *key = doc_bytes(&o->via.map.ptr[index].key);
    *value = &o->via.map.ptr[index].val;
    return 0;
}

int64_t doc_int(doc_value v, int64_t otherwise)
{
    const msgpack_object *o = v;

    if (o && o->type == MSGPACK_OBJECT_POSITIVE_INTEGER && o->via.u64 <= INT64_MAX)
        return (int64_t)o->via.u64;
    if (o && o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        return o->via.i64;
    return otherwise;
}

int doc_bool(doc_value v, int otherwise)
{
    const msgpack_object *o = v;

    return o && o->type == MSGPACK_OBJECT_BOOLEAN ? o->via.boolean : otherwise;
}

double doc_real(doc_value v, double otherwise)
{
    const msgpack_object *o = v;

    if (o && (o->type == MSGPACK_OBJECT_FLOAT64 || o->type == MSGPACK_OBJECT_FLOAT32))
        return o->via.f64;
    return otherwise;
}

struct aiex_slice doc_bytes(doc_value v)
{
    const msgpack_object *o = v;

    if (o && o->type == MSGPACK_OBJECT_STR)
        return (struct aiex_slice){(const uint8_t *)o->via.str.ptr, o->via.str.size};
    if (o && o->type == MSGPACK_OBJECT_BIN)
        return (struct aiex_slice){(const uint8_t *)o->via.bin.ptr, o->via.bin.size};
    return (struct aiex_slice){0};
}

const char *doc_text(doc_value v, char *out, size_t size, const char *otherwise)
{
    struct aiex_slice s = doc_bytes(v);

    if (!v || s.len >= size)
        snprintf(out, size, "%s", otherwise);
    else
        snprintf(out, size, "%.*s", (int)s.len, s.data ? (const char *)s.data : "");
    return out;
}

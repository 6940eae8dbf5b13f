/*
 * pack.h - msgpack documents in the host: what it says and reads itself (status,
 * start messages, saved state), as opposed to bodies, which it only forwards.
 *
 * The only owner of msgpack-c. Writing goes into a growing buffer with a maximum;
 * reading gives a tree whose strings point into the input, nested at most 32 deep,
 * with memory bounded by the input's length.
 *
 * Ownership: pack_done()/doc_free() free; a doc keeps no copy of the input bytes.
 */
#ifndef AIEX_WIRE_PACK_H
#define AIEX_WIRE_PACK_H

#include "base/buf.h"

#include <aiex/aiex_plugin.h>

struct pack {
    struct buf buf;
    int failed; /* an append did not fit: pack_slice() is then empty */
};

void pack_init(struct pack *p, size_t max_bytes);
void pack_done(struct pack *p);
struct aiex_slice pack_slice(const struct pack *p);
void pack_map(struct pack *p, size_t pairs);
void pack_array(struct pack *p, size_t items);
void pack_str(struct pack *p, const char *text);
void pack_strn(struct pack *p, const char *text, size_t len);
void pack_bin(struct pack *p, const void *bytes, size_t len);
void pack_int(struct pack *p, int64_t v);
void pack_bool(struct pack *p, int v);
void pack_real(struct pack *p, double v);
void pack_nil(struct pack *p);
/* Bytes that are msgpack already. */
void pack_whole(struct pack *p, struct aiex_slice msgpack);
void pack_key_str(struct pack *p, const char *key, const char *text);
void pack_key_int(struct pack *p, const char *key, int64_t v);
void pack_key_bool(struct pack *p, const char *key, int v);

struct doc;
typedef const void *doc_value; /* NULL = not there */

/* Reads one whole document. 0, -EBADMSG (not msgpack, trailing bytes, too deep), -ENOMEM. */
int doc_new(struct aiex_slice bytes, struct doc **ret);
void doc_free(struct doc *d);
doc_value doc_root(const struct doc *d);
/* Value under a key of a map; item of an array. NULL when missing or not a map/array. */
doc_value doc_get(doc_value map, const char *key);
doc_value doc_at(doc_value array, size_t index);
size_t doc_len(doc_value map_or_array);
/* Key and value of a map by position; 0 or -1. */
int doc_pair(doc_value map, size_t index, struct aiex_slice *key, doc_value *value);
/* The value, or `otherwise` when missing or of another type. */
int64_t doc_int(doc_value v, int64_t otherwise);
int doc_bool(doc_value v, int otherwise);
double doc_real(doc_value v, double otherwise);
struct aiex_slice doc_bytes(doc_value v); /* STR or BIN, else empty */
/* Copies a string, 0-terminated; `otherwise` when missing or too long. */
const char *doc_text(doc_value v, char *out, size_t size, const char *otherwise);

#endif

/*
 * tape_form.c - a tape as bytes: a msgpack array of its version, the length of each part, all parts
 * as one bin, and the end. They come back from other processes and from disks.
 */
#include "tape.h"

#include <aiex/aiex_pack.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VERSION  1
#define MAX_HEAD 9u /* of a msgpack value */

int tape_write(const struct tape *t, struct aiex_slice *ret)
{
    size_t size = 5 * MAX_HEAD + t->n * MAX_HEAD + t->len + t->end_len;
    uint8_t *mem = malloc(size);
    struct aiex_writer w;

    if (!mem)
        return -ENOMEM;
    aiex_writer_init(&w, mem, size);
    aiex_w_array(&w, 4);
    aiex_w_int(&w, VERSION);
    aiex_w_array(&w, (uint32_t)t->n);
    for (size_t i = 0; i < t->n; i++)
        aiex_w_int(&w, (int64_t)tape_part(t, i).len);
    aiex_w_bin(&w, t->data, t->len);
    aiex_w_bin(&w, t->end, t->end_len);
    *ret = aiex_written(&w);
    return 0;
}

static int take_int(struct aiex_slice *at, int64_t *ret)
{
    struct aiex_value v;

    if (aiex_r_value(at, &v) != 0 || v.type != AIEX_T_INT)
        return -1;
    *ret = v.i;
    return 0;
}

static int take_bin(struct aiex_slice *at, struct aiex_slice *ret)
{
    struct aiex_value v;

    if (aiex_r_value(at, &v) != 0 || v.type != AIEX_T_BIN)
        return -1;
    *ret = v.bytes;
    return 0;
}

/* Adds the parts whose lengths stand at `lengths`; they are all of `data`. */
static int add_parts(struct tape *t, struct aiex_slice lengths, uint32_t n, struct aiex_slice data)
{
    int64_t len;

    for (; n; n--) {
        if (take_int(&lengths, &len) < 0 || len < 0 || (uint64_t)len > data.len ||
            tape_add(t, (struct aiex_slice){data.data, (size_t)len}) != 0)
            return -1;
        data.data += len;
        data.len -= (size_t)len;
    }
    return data.len ? -1 : 0;
}

struct tape *tape_read(struct aiex_slice at, size_t max)
{
    struct aiex_slice lengths, data, end;
    struct aiex_value v;
    struct tape *t;
    int64_t version;
    uint32_t n;

    if (aiex_r_value(&at, &v) != 0 || v.type != AIEX_T_ARRAY || v.count != 4 ||
        take_int(&at, &version) < 0 || version != VERSION || aiex_r_value(&at, &v) != 0 ||
        v.type != AIEX_T_ARRAY)
        return NULL;
    n = v.count;
    lengths = at;
    for (uint32_t i = 0; i < n; i++) /* each is a byte at least: ends with the bytes */
        if (aiex_r_skip(&at) != 0)
            return NULL;
    if (take_bin(&at, &data) < 0 || take_bin(&at, &end) < 0 || at.len)
        return NULL;
    t = tape_new(max);
    if (t && add_parts(t, lengths, n, data) == 0 && tape_end(t, end) == 0)
        return t;
    tape_unref(t);
    return NULL;
}

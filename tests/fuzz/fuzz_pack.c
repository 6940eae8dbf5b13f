/* link: aiex_wire */
/*
 * fuzz_pack.c - msgpack from strangers: the SDK's reader and the host's document must agree
 * on what is a document, the writer must give back what was read, and the start message is
 * read without trust.
 */
#include "wire/pack.h"
#include "wire/start.h"

#include <aiex/aiex_pack.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(doc_value v, struct pack *out, unsigned depth)
{
    struct aiex_slice key, s = doc_bytes(v);
    doc_value value;

    if (depth > 32)
        abort();
    if (doc_len(v) == 0) {
        pack_bin(out, s.data, s.len);
        return;
    }
    pack_array(out, doc_len(v));
    for (size_t i = 0; i < doc_len(v); i++) {
        if (doc_pair(v, i, &key, &value) < 0)
            value = doc_at(v, i);
        walk(value, out, depth + 1);
    }
}

/* Copies one value with the SDK's reader and writer. */
static int copy(struct aiex_slice *at, struct aiex_writer *w)
{
    struct aiex_value v;

    if (aiex_r_value(at, &v) != 0)
        return -1;
    switch (v.type) {
    case AIEX_T_NIL:
        aiex_w_nil(w);
        return 0;
    case AIEX_T_BOOL:
        aiex_w_bool(w, (int)v.i);
        return 0;
    case AIEX_T_INT:
        aiex_w_int(w, v.i);
        return 0;
    case AIEX_T_UINT:
        aiex_w_uint(w, v.u);
        return 0;
    case AIEX_T_REAL:
        aiex_w_real(w, v.real);
        return 0;
    case AIEX_T_STR:
        aiex_w_strn(w, (const char *)v.bytes.data, v.bytes.len);
        return 0;
    case AIEX_T_BIN:
    case AIEX_T_EXT:
        aiex_w_bin(w, v.bytes.data, v.bytes.len);
        return 0;
    default:
        break;
    }
    if (v.type == AIEX_T_MAP)
        aiex_w_map(w, v.count);
    else
        aiex_w_array(w, v.count);
    for (uint64_t n = v.type == AIEX_T_MAP ? 2 * (uint64_t)v.count : v.count; n; n--)
        if (copy(at, w) < 0)
            return -1;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct aiex_slice body = {data, size}, at = body, out = {0};
    int whole = size && aiex_r_skip(&at) == 0 && at.len == 0;
    struct start_box *box = NULL;
    struct doc *doc = NULL;
    struct start start;
    struct pack again;
    char text[16];
    int64_t i = 0;

    if ((doc_new(body, &doc) == 0) != whole)
        abort();
    if (doc) {
        size_t room = size * 9 + 64;
        uint8_t *mem = malloc(room);
        struct aiex_writer w;

        pack_init(&again, 1 << 20);
        walk(doc_root(doc), &again, 0);
        pack_done(&again);
        aiex_writer_init(&w, mem, room);
        at = body;
        if (copy(&at, &w) < 0 || w.failed || at.len)
            abort();
        out = aiex_written(&w);
        if (aiex_r_skip(&out) != 0 || out.len)
            abort();
        free(mem);
    }
    doc_free(doc);
    aiex_get_int(body, "a", &i);
    aiex_get_text(body, "a", text, sizeof(text));
    if (aiex_get_whole(body, "a", &out) == 1 &&
        (out.data < data || out.data + out.len > data + size))
        abort();
    if (start_unpack(body, &start, &box) == 0) {
        for (size_t k = 0; k < start.n_instances; k++)
            for (size_t o = 0; o < start.instances[k].n_options; o++)
                if (strlen(start.instances[k].options[o].text) > size)
                    abort();
        start_done(box);
    }
    return 0;
}

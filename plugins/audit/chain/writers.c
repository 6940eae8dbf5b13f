/* writers.c - see writers.h. */
#include "writers.h"

#include <aiex/aiex_pack.h>
#include <aiex_crc32c.h>
#include <aiex_file.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define N_SLOTS   (MAX_WRITERS * 4u)
#define MAX_STATE (64u << 20)

int writers_init(struct writers *w)
{
    memset(w, 0, sizeof(*w));
    w->v = calloc(MAX_WRITERS, sizeof(*w->v));
    w->slots = calloc(N_SLOTS, sizeof(*w->slots));
    w->touched = calloc(MAX_WRITERS, sizeof(*w->touched));
    return w->v && w->slots && w->touched ? 0 : -ENOMEM;
}

void writers_done(struct writers *w)
{
    free(w->v);
    free(w->slots);
    free(w->touched);
    memset(w, 0, sizeof(*w));
}

static uint16_t *find_slot(struct writers *w, const char *name)
{
    size_t at = aiex_crc32c(0, name, strlen(name)) & (N_SLOTS - 1);

    while (w->slots[at] && strcmp(w->v[w->slots[at] - 1].name, name) != 0)
        at = (at + 1) & (N_SLOTS - 1);
    return &w->slots[at];
}

struct writer *writers_get(struct writers *w, const char *name)
{
    uint16_t *slot = find_slot(w, name);

    if (*slot)
        return &w->v[*slot - 1];
    if (w->n == MAX_WRITERS || strlen(name) >= WRITER_NAME)
        return NULL;
    strcpy(w->v[w->n].name, name);
    *slot = (uint16_t)(w->n + 1);
    return &w->v[w->n++];
}

void writers_step(struct writers *w, struct writer *one, const uint8_t leaf[AIEX_HASH])
{
    aiex_chain_hash(one->chain, leaf, one->chain);
    one->next++;
    if (!one->touched)
        w->touched[w->n_touched++] = (uint16_t)(one - w->v);
    one->touched = 1;
}

void writers_keep(struct writers *w)
{
    while (w->n_touched) {
        struct writer *one = &w->v[w->touched[--w->n_touched]];

        one->touched = 0;
        one->next_kept = one->next;
        memcpy(one->chain_kept, one->chain, AIEX_HASH);
    }
}

void writers_drop(struct writers *w)
{
    while (w->n_touched) {
        struct writer *one = &w->v[w->touched[--w->n_touched]];

        one->touched = 0;
        one->next = one->next_kept;
        memcpy(one->chain, one->chain_kept, AIEX_HASH);
    }
}

/* ---- Redactions ---- */

/* Number of the first one whose seq is not below. */
static size_t place_of(const struct redactions *l, uint64_t seq)
{
    size_t lo = 0, hi = l->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (l->v[mid].seq < seq)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

int redactions_add(struct redactions *l, uint64_t seq, uint64_t by)
{
    size_t at = place_of(l, seq);

    if (at < l->n && l->v[at].seq == seq)
        return 0;
    if (l->n == MAX_REDACTIONS)
        return -E2BIG;
    if (l->n == l->room) {
        size_t room = l->room ? l->room * 2 : 64;
        struct redaction *grown = realloc(l->v, room * sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        l->v = grown;
        l->room = room;
    }
    memmove(l->v + at + 1, l->v + at, (l->n - at) * sizeof(*l->v));
    l->v[at] = (struct redaction){seq, by};
    l->n++;
    return 0;
}

const struct redaction *redactions_find(const struct redactions *l, uint64_t seq)
{
    size_t at = place_of(l, seq);

    return at < l->n && l->v[at].seq == seq ? &l->v[at] : NULL;
}

/* ---- The file: a msgpack map and the checksum of it ---- */

static void write_map(struct aiex_writer *out, const struct saved *s, const struct writers *w,
                      const struct redactions *l)
{
    aiex_w_map(out, 5);
    aiex_w_key_uint(out, "size", s->size);
    aiex_w_key_uint(out, "segment", s->segment);
    aiex_w_key_uint(out, "offset", s->offset);
    aiex_w_str(out, "writers");
    aiex_w_array(out, (uint32_t)w->n);
    for (size_t i = 0; i < w->n; i++) {
        aiex_w_array(out, 3);
        aiex_w_str(out, w->v[i].name);
        aiex_w_uint(out, w->v[i].next_kept);
        aiex_w_bin(out, w->v[i].chain_kept, AIEX_HASH);
    }
    aiex_w_str(out, "redactions");
    aiex_w_array(out, (uint32_t)(2 * l->n));
    for (size_t i = 0; i < l->n; i++) {
        aiex_w_uint(out, l->v[i].seq);
        aiex_w_uint(out, l->v[i].by);
    }
}

int state_write(const char *path, const struct saved *s, const struct writers *w,
                const struct redactions *l)
{
    struct aiex_slice pieces[2];
    struct aiex_writer out;
    uint8_t crc[4], *mem;
    uint32_t v;
    int r;

    aiex_writer_init(&out, NULL, 0);
    write_map(&out, s, w, l);
    mem = malloc(out.len);
    if (!mem)
        return -ENOMEM;
    aiex_writer_init(&out, mem, out.len);
    write_map(&out, s, w, l);
    v = aiex_crc32c(0, mem, out.len);
    for (int i = 0; i < 4; i++)
        crc[i] = (uint8_t)(v >> (8 * i));
    pieces[0] = (struct aiex_slice){crc, 4};
    pieces[1] = (struct aiex_slice){mem, out.len};
    r = aiex_file_replace(path, pieces, 2, 0, NULL);
    free(mem);
    return r;
}

static int read_writers(struct aiex_slice map, struct writers *w)
{
    struct aiex_value list, v;

    if (aiex_get(map, "writers", &list) != 1 || list.type != AIEX_T_ARRAY ||
        list.count > MAX_WRITERS)
        return -EBADMSG;
    for (uint32_t i = 0; i < list.count; i++) {
        char name[WRITER_NAME] = "";
        struct writer *one;

        if (aiex_r_value(&list.bytes, &v) != 0 || v.type != AIEX_T_ARRAY || v.count != 3 ||
            aiex_r_value(&list.bytes, &v) != 0 || v.type != AIEX_T_STR ||
            v.bytes.len >= sizeof(name))
            return -EBADMSG;
        memcpy(name, v.bytes.data, v.bytes.len);
        one = writers_get(w, name);
        if (!one || aiex_r_value(&list.bytes, &v) != 0 || v.type != AIEX_T_INT)
            return -EBADMSG;
        one->next = one->next_kept = v.u;
        if (aiex_r_value(&list.bytes, &v) != 0 || v.bytes.len != AIEX_HASH)
            return -EBADMSG;
        memcpy(one->chain, v.bytes.data, AIEX_HASH);
        memcpy(one->chain_kept, v.bytes.data, AIEX_HASH);
    }
    return 0;
}

static int read_redactions(struct aiex_slice map, struct redactions *l)
{
    struct aiex_value list, seq, by;

    if (aiex_get(map, "redactions", &list) != 1 || list.type != AIEX_T_ARRAY || list.count % 2)
        return -EBADMSG;
    for (uint32_t i = 0; i < list.count / 2; i++)
        if (aiex_r_value(&list.bytes, &seq) != 0 || seq.type != AIEX_T_INT ||
            aiex_r_value(&list.bytes, &by) != 0 || by.type != AIEX_T_INT ||
            redactions_add(l, seq.u, by.u) != 0)
            return -EBADMSG;
    return 0;
}

static int read_map(struct aiex_slice map, struct saved *s, struct writers *w, struct redactions *l)
{
    int64_t size, segment, offset;

    if (!aiex_is_map(map) || aiex_get_int(map, "size", &size) != 1 ||
        aiex_get_int(map, "segment", &segment) != 1 || aiex_get_int(map, "offset", &offset) != 1)
        return -EBADMSG;
    s->size = (uint64_t)size;
    s->segment = (uint64_t)segment;
    s->offset = (uint64_t)offset;
    return read_writers(map, w) == 0 ? read_redactions(map, l) : -EBADMSG;
}

int state_read(const char *path, struct saved *s, struct writers *w, struct redactions *l)
{
    struct writers read_w;
    struct redactions read_l = {NULL, 0, 0};
    uint8_t *data;
    size_t len;
    uint32_t crc = 0;
    int r = aiex_file_read(path, MAX_STATE, &data, &len);

    if (r < 0)
        return r;
    for (int i = 3; i >= 0 && len > 4; i--)
        crc = crc << 8 | data[i];
    r = writers_init(&read_w);
    if (r == 0 && (len <= 4 || aiex_crc32c(0, data + 4, len - 4) != crc))
        r = -EBADMSG;
    if (r == 0)
        r = read_map((struct aiex_slice){data + 4, len - 4}, s, &read_w, &read_l);
    free(data);
    if (r < 0) {
        writers_done(&read_w);
        free(read_l.v);
        return r;
    }
    writers_done(w);
    free(l->v);
    *w = read_w;
    *l = read_l;
    return 0;
}

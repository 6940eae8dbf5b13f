/*
 * heads.c - streams by name: how far they are. A hash table while events are counted, a sorted list
 * when it is written down.
 */
#include "checkpoints.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#define SESSION_BACK "session.rolled_back"

struct entry {
    struct head head;
    struct entry *next;
    char text[]; /* stream, id (room for MAX_EVENT_ID) */
};

struct heads {
    struct entry **slots, **sorted;
    size_t n, n_slots, max;
    uint8_t key[crypto_shorthash_KEYBYTES];
};

int slice_order(struct aiex_slice a, struct aiex_slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int r = n ? memcmp(a.data, b.data, n) : 0;

    return r ? r : a.len < b.len ? -1 : a.len > b.len;
}

struct heads *heads_new(size_t max)
{
    struct heads *h = calloc(1, sizeof(*h));

    if (!h)
        return NULL;
    h->max = max;
    h->n_slots = 256;
    h->slots = calloc(h->n_slots, sizeof(struct entry *));
    randombytes_buf(h->key, sizeof(h->key));
    if (!h->slots) {
        free(h);
        return NULL;
    }
    return h;
}

void heads_free(struct heads *h)
{
    if (!h)
        return;
    for (size_t i = 0; i < h->n_slots; i++)
        while (h->slots[i]) {
            struct entry *e = h->slots[i];

            h->slots[i] = e->next;
            free(e);
        }
    free(h->slots);
    free(h->sorted);
    free(h);
}

static struct entry **slot_of(const struct heads *h, struct aiex_slice stream)
{
    uint64_t hash;

    crypto_shorthash((uint8_t *)&hash, stream.data, stream.len, h->key);
    return &h->slots[hash & (h->n_slots - 1)];
}

static void grow(struct heads *h)
{
    struct heads more = {.n_slots = h->n_slots * 4};

    memcpy(more.key, h->key, sizeof(h->key));
    more.slots = calloc(more.n_slots, sizeof(struct entry *));
    if (!more.slots)
        return; /* it only gets slower */
    for (size_t i = 0; i < h->n_slots; i++)
        while (h->slots[i]) {
            struct entry *e = h->slots[i], **at = slot_of(&more, e->head.stream);

            h->slots[i] = e->next;
            e->next = *at;
            *at = e;
        }
    free(h->slots);
    h->slots = more.slots;
    h->n_slots = more.n_slots;
}

static struct entry *find(const struct heads *h, struct aiex_slice stream)
{
    struct entry *e = *slot_of(h, stream);

    while (e && slice_order(e->head.stream, stream) != 0)
        e = e->next;
    return e;
}

const struct head *heads_find(const struct heads *h, struct aiex_slice stream)
{
    const struct entry *e = find(h, stream);

    return e ? &e->head : NULL;
}

size_t heads_count(const struct heads *h)
{
    return h->n;
}

static void set_id(struct entry *e, struct aiex_slice id)
{
    char *at = e->text + e->head.stream.len;

    e->head.id.len = id.len > MAX_EVENT_ID ? MAX_EVENT_ID : id.len;
    if (e->head.id.len)
        memmove(at, id.data, e->head.id.len); /* it may be our own */
    e->head.id.data = (uint8_t *)at;
}

static int make(struct heads *h, struct aiex_slice stream, struct entry **ret)
{
    struct entry *e, **at;

    if (h->n == h->max)
        return -E2BIG;
    if (h->n > h->n_slots * 2)
        grow(h);
    e = malloc(sizeof(*e) + stream.len + MAX_EVENT_ID);
    if (!e)
        return -ENOMEM;
    memset(&e->head, 0, sizeof(e->head));
    e->head.back_to = -1;
    if (stream.len)
        memcpy(e->text, stream.data, stream.len);
    e->head.stream = (struct aiex_slice){(uint8_t *)e->text, stream.len};
    at = slot_of(h, stream);
    e->next = *at;
    *at = e;
    h->n++;
    *ret = e;
    return 0;
}

int heads_put(struct heads *h, const struct head *head)
{
    struct entry *e = find(h, head->stream);
    int r = e ? 0 : make(h, head->stream, &e);

    if (r < 0)
        return r;
    e->head.version = head->version;
    e->head.events = head->events;
    e->head.back_to = head->back_to;
    e->head.content = head->content;
    set_id(e, head->id);
    return 0;
}

/* ---- Events ---- */

static int is_type(struct aiex_slice type, const char *begin)
{
    size_t n = strlen(begin);

    return type.len >= n && memcmp(type.data, begin, n) == 0;
}

/* What an event says about going back: only these leave the content of a version in force. */
static void see_back(struct head *head, struct aiex_slice event)
{
    struct aiex_slice type = {NULL, 0}, data = {NULL, 0};

    aiex_get_str(event, "type", &type);
    aiex_get_bytes(event, "data", &data);
    if (aiex_slice_is(type, STREAM_RESTORED) || aiex_slice_is(type, SESSION_BACK)) {
        head->back_to = -1;
        head->content = 1;
        if (data.len)
            aiex_get_int(data, "to", &head->back_to);
    } else if (!is_type(type, "session.") || is_type(type, "session.message") ||
               is_type(type, "session.values") || is_type(type, "session.created")) {
        head->back_to = -1;
        head->content = 1;
    }
}

int heads_see(struct heads *h, struct aiex_slice event)
{
    struct aiex_slice stream = {NULL, 0}, id = {NULL, 0};
    int64_t version = 0;
    struct entry *e;
    int r;

    if (aiex_get_str(event, "stream", &stream) != 1 || !stream.len || stream.len > MAX_STREAM ||
        aiex_get_int(event, "version", &version) != 1 || version < 1)
        return -EBADMSG;
    aiex_get_str(event, "id", &id);
    e = find(h, stream);
    r = e ? 0 : make(h, stream, &e);
    if (r < 0)
        return r;
    if (version <= e->head.version)
        return -EBADMSG;
    e->head.version = version;
    e->head.events++;
    set_id(e, id);
    see_back(&e->head, event);
    return 0;
}

uint64_t heads_number(struct aiex_slice stream)
{
    uint8_t out[crypto_generichash_BYTES_MIN];
    uint64_t n;

    crypto_generichash(out, sizeof(out), stream.data, stream.len, NULL, 0);
    memcpy(&n, out, sizeof(n));
    return n;
}

/* ---- Order ---- */

static int by_name(const void *a, const void *b)
{
    return slice_order((*(struct entry *const *)a)->head.stream,
                       (*(struct entry *const *)b)->head.stream);
}

void heads_sort(struct heads *h)
{
    size_t n = 0;

    free(h->sorted);
    h->sorted = malloc((h->n + 1) * sizeof(struct entry *));
    if (!h->sorted)
        return;
    for (size_t i = 0; i < h->n_slots; i++)
        for (struct entry *e = h->slots[i]; e; e = e->next)
            h->sorted[n++] = e;
    qsort(h->sorted, n, sizeof(struct entry *), by_name);
}

const struct head *heads_at(const struct heads *h, size_t i)
{
    return h->sorted && i < h->n ? &h->sorted[i]->head : NULL;
}

/* ---- As it is kept ---- */

void head_write(struct aiex_writer *w, const struct head *head)
{
    aiex_w_map(w, 4);
    aiex_w_key_strn(w, "stream", (const char *)head->stream.data, head->stream.len);
    aiex_w_key_int(w, "version", head->version);
    aiex_w_key_int(w, "events", head->events);
    aiex_w_key_strn(w, "id", (const char *)head->id.data, head->id.len);
}

int head_read(struct aiex_slice value, struct head *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->back_to = -1;
    if (aiex_get_str(value, "stream", &ret->stream) != 1 || !ret->stream.len ||
        ret->stream.len > MAX_STREAM || aiex_get_str(value, "id", &ret->id) != 1 ||
        ret->id.len > MAX_EVENT_ID || aiex_get_int(value, "version", &ret->version) != 1 ||
        ret->version < 1 || aiex_get_int(value, "events", &ret->events) != 1 || ret->events < 1)
        return -EBADMSG;
    return 0;
}

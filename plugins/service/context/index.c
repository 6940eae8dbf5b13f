/* index.c - see index.h. Two tables with chains; both double when there are more entries than
 * slots. */
#include "index.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 1024u

static uint64_t hash(const struct index *x, const void *bytes, size_t len)
{
    uint8_t out[crypto_shorthash_BYTES];
    uint64_t h;

    crypto_shorthash(out, bytes, len, x->key);
    memcpy(&h, out, sizeof(h));
    return h;
}

static struct entry **id_slot(const struct index *x, const char *id, size_t len)
{
    return &x->ids[hash(x, id, len) & (x->n_slots - 1)];
}

/* Docs are random numbers that nobody else chooses. */
static struct entry **doc_slot(const struct index *x, int64_t doc)
{
    return &x->docs[(uint64_t)doc & (x->n_slots - 1)];
}

int index_init(struct index *x)
{
    memset(x, 0, sizeof(*x));
    randombytes_buf(x->key, sizeof(x->key));
    x->ids = calloc(FIRST_SLOTS, sizeof(struct entry *));
    x->docs = calloc(FIRST_SLOTS, sizeof(struct entry *));
    x->n_slots = FIRST_SLOTS;
    return x->ids && x->docs ? 0 : -ENOMEM;
}

void index_done(struct index *x)
{
    for (size_t i = 0; x->ids && i < x->n_slots; i++)
        while (x->ids[i]) {
            struct entry *e = x->ids[i];

            x->ids[i] = e->id_next;
            free(e);
        }
    free(x->ids);
    free(x->docs);
    memset(x, 0, sizeof(*x));
}

struct entry *index_find(const struct index *x, const char *id, size_t len)
{
    struct entry *e = *id_slot(x, id, len);

    while (e && (e->id_len != len || memcmp(e->id, id, len) != 0))
        e = e->id_next;
    return e;
}

struct entry *index_doc(const struct index *x, int64_t doc)
{
    struct entry *e = *doc_slot(x, doc);

    while (e && e->doc != doc)
        e = e->doc_next;
    return e;
}

static void move_all(const struct index *from, struct index *to)
{
    for (size_t i = 0; i < from->n_slots; i++)
        for (struct entry *e = from->ids[i], *next; e; e = next) {
            struct entry **id = id_slot(to, e->id, e->id_len), **doc = doc_slot(to, e->doc);

            next = e->id_next;
            e->id_next = *id;
            *id = e;
            if (!e->doc)
                continue;
            e->doc_next = *doc;
            *doc = e;
        }
}

/* Without memory the chains get longer, that is all. */
static void grow(struct index *x)
{
    struct index to = *x;

    to.n_slots *= 2;
    to.ids = calloc(to.n_slots, sizeof(struct entry *));
    to.docs = calloc(to.n_slots, sizeof(struct entry *));
    if (!to.ids || !to.docs) {
        free(to.ids);
        free(to.docs);
        return;
    }
    move_all(x, &to);
    free(x->ids);
    free(x->docs);
    *x = to;
}

struct entry *index_make(struct index *x, const char *id, size_t len)
{
    struct entry *e = index_find(x, id, len), **slot;

    if (e)
        return e;
    e = calloc(1, sizeof(*e) + len + 1);
    if (!e)
        return NULL;
    memcpy(e->id, id, len);
    e->id_len = (uint8_t)len;
    if (x->n >= x->n_slots)
        grow(x);
    slot = id_slot(x, id, len);
    e->id_next = *slot;
    *slot = e;
    x->n++;
    return e;
}

static void leave_doc(struct index *x, struct entry *e)
{
    struct entry **at = doc_slot(x, e->doc);

    while (*at != e)
        at = &(*at)->doc_next;
    *at = e->doc_next;
    x->n_live--;
    x->length -= e->length;
}

void index_set_doc(struct index *x, struct entry *e, int64_t doc, uint32_t length)
{
    struct entry **slot = doc_slot(x, doc);

    if (e->doc)
        leave_doc(x, e);
    e->doc = doc;
    e->length = length;
    if (!doc)
        return;
    e->doc_next = *slot;
    *slot = e;
    x->n_live++;
    x->length += length;
}

void index_drop(struct index *x, struct entry *e)
{
    struct entry **at = id_slot(x, e->id, e->id_len);

    while (*at != e)
        at = &(*at)->id_next;
    *at = e->id_next;
    x->n--;
    free(e);
}

uint64_t index_hash(const struct index *x, const char *text)
{
    uint64_t h = text[0] ? hash(x, text, strlen(text)) : 0;

    return text[0] && !h ? 1 : h;
}

size_t index_bytes(const struct index *x)
{
    return x->n * (sizeof(struct entry) + 48) + 2 * x->n_slots * sizeof(struct entry *);
}

/*
 * store.h - the blocks of an answer, kept for clients that must be told the whole of it.
 *
 * Texts are JSON string content as they came. A block's text lies in one piece, because
 * only one block is open at a time.
 */
#ifndef DIALECT_STORE_H
#define DIALECT_STORE_H

#include "bytes.h"
#include "event.h"

#define STORE_MAX_BLOCKS 16384u

enum block_kind { BLOCK_TEXT, BLOCK_REASONING, BLOCK_REDACTED, BLOCK_REFUSAL, BLOCK_TOOL };

/* A piece of store.text or store.side. */
struct store_part {
    size_t at, len;
};

struct block {
    enum block_kind kind;
    int custom, cut;                              /* tools: free text; arguments are not whole */
    struct store_part text;                       /* in `text`; of BLOCK_REDACTED: the data */
    struct store_part signature, id, name, space; /* in `side` */
    uint64_t item;                                /* responses: number of its made-up id */
};

struct store {
    struct bytes text, side;
    struct block *blocks;
    size_t n, cap;
    int open; /* the last block takes more */
};

void store_init(struct store *s, size_t max_bytes);
void store_done(struct store *s);
/* Notes what an event says. 0, -ENOMEM, -EMSGSIZE. */
int store_take(struct store *s, const struct event *e);
/* Forgets all blocks, keeps the memory. */
void store_clear(struct store *s);

static inline struct block *store_last(const struct store *s)
{
    return s->n ? &s->blocks[s->n - 1] : NULL;
}

static inline struct aiex_slice store_text(const struct store *s, const struct block *b)
{
    return (struct aiex_slice){b->text.len ? s->text.data + b->text.at : NULL, b->text.len};
}

static inline struct aiex_slice store_side(const struct store *s, struct store_part p)
{
    return (struct aiex_slice){p.len ? s->side.data + p.at : NULL, p.len};
}

#endif

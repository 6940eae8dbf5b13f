#include "store.h"

#include <errno.h>
#include <stdlib.h>

void store_init(struct store *s, size_t max_bytes)
{
    *s = (struct store){.text.max = max_bytes, .side.max = max_bytes};
}

void store_done(struct store *s)
{
    bytes_done(&s->text);
    bytes_done(&s->side);
    free(s->blocks);
    s->blocks = NULL;
    s->n = s->cap = 0;
}

void store_clear(struct store *s)
{
    s->text.len = s->side.len = s->n = 0;
    s->open = 0;
}

static struct store_part put_side(struct store *s, struct aiex_slice bytes)
{
    struct store_part part = {s->side.len, bytes.len};

    bytes_slice(&s->side, bytes);
    return part;
}

static int add_block(struct store *s, enum block_kind kind)
{
    struct block *grown;

    if (s->n == STORE_MAX_BLOCKS)
        return -EMSGSIZE;
    if (s->n == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 4;

        grown = realloc(s->blocks, cap * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        s->blocks = grown;
        s->cap = cap;
    }
    s->blocks[s->n++] = (struct block){.kind = kind, .text.at = s->text.len};
    s->open = 1;
    return 0;
}

static int take_delta(struct store *s, enum block_kind kind, const struct event *e)
{
    int r = 0;

    if (!s->open || store_last(s)->kind != kind)
        r = add_block(s, kind);
    if (r != 0)
        return r;
    if (e->kind == EVENT_SIGNATURE) {
        struct block *b = store_last(s);

        if (!b->signature.len)
            b->signature.at = s->side.len;
        bytes_slice(&s->side, e->text);
        b->signature.len += e->text.len;
    } else {
        bytes_slice(&s->text, e->text);
        store_last(s)->text.len += e->text.len;
    }
    return 0;
}

static int take_tool(struct store *s, const struct event *e)
{
    int r = add_block(s, BLOCK_TOOL);
    struct block *b = store_last(s);

    if (r != 0)
        return r;
    b->custom = e->custom;
    b->id = put_side(s, e->id);
    b->name = put_side(s, e->name);
    b->space = put_side(s, e->space);
    return 0;
}

int store_take(struct store *s, const struct event *e)
{
    int r = 0;

    switch (e->kind) {
    case EVENT_TEXT:
        r = take_delta(s, BLOCK_TEXT, e);
        break;
    case EVENT_REASONING:
    case EVENT_SIGNATURE:
        r = take_delta(s, BLOCK_REASONING, e);
        break;
    case EVENT_REFUSAL:
        r = take_delta(s, BLOCK_REFUSAL, e);
        break;
    case EVENT_TOOL_ARGS:
        r = take_delta(s, BLOCK_TOOL, e);
        break;
    case EVENT_REDACTED:
        r = add_block(s, BLOCK_REDACTED);
        if (r == 0) {
            bytes_slice(&s->text, e->text);
            store_last(s)->text.len = e->text.len;
        }
        s->open = 0;
        break;
    case EVENT_TOOL_BEGIN:
        r = take_tool(s, e);
        break;
    case EVENT_TOOL_END:
        if (s->n)
            store_last(s)->cut = e->cut;
        s->open = 0;
        break;
    case EVENT_BLOCK_END:
        s->open = 0;
        break;
    default:
        break;
    }
    return r ? r : s->text.failed ? s->text.failed : s->side.failed;
}

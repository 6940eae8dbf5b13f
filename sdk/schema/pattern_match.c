/* pattern_match.c - runs a pattern's program over a text, all its threads in step. */
#include "pattern.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The instructions at which a thread stands, in the order in which they were reached. */
struct threads {
    uint32_t list[PATTERN_CODE];
    uint32_t n;
    uint8_t in[PATTERN_CODE];
};

struct run {
    const struct pattern *p;
    const char *text;
    size_t len;
    struct threads a, b;
    uint32_t stack[PATTERN_CODE * 2];
};

static int is_word(const char *text, size_t len, size_t at)
{
    unsigned char c = at < len ? (unsigned char)text[at] : ' ';

    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= 'a' && c <= 'z');
}

static int passes(const struct run *r, const struct inst *i, size_t at)
{
    int edge;

    switch (i->op) {
    case OP_BEGIN:
        return at == 0;
    case OP_END:
        return at == r->len;
    default:
        edge = (at > 0 && is_word(r->text, r->len, at - 1)) != is_word(r->text, r->len, at);
        return edge != i->not ;
    }
}

/* Adds a thread and all that it reaches without a character. 1 when that is the match. */
static int add(struct run *r, struct threads *t, uint32_t pc, size_t at)
{
    uint32_t n = 0;

    r->stack[n++] = pc;
    while (n) {
        const struct inst *i;

        pc = r->stack[--n];
        if (t->in[pc])
            continue;
        t->in[pc] = 1;
        t->list[t->n++] = pc;
        i = &r->p->code[pc];
        switch (i->op) {
        case OP_MATCH:
            return 1;
        case OP_JUMP:
            r->stack[n++] = i->x;
            break;
        case OP_SPLIT:
            r->stack[n++] = i->y;
            r->stack[n++] = i->x;
            break;
        case OP_BEGIN:
        case OP_END:
        case OP_EDGE:
            if (passes(r, i, at))
                r->stack[n++] = pc + 1;
            break;
        default:
            break;
        }
    }
    return 0;
}

static int takes(const struct pattern *p, const struct inst *i, uint32_t rune)
{
    switch (i->op) {
    case OP_CHAR:
        return i->x == rune;
    case OP_ANY:
        return rune != '\n' && rune != '\r' && rune != 0x2028 && rune != 0x2029;
    case OP_CLASS:
        for (uint32_t k = i->x; k < i->y; k++)
            if (rune >= p->ranges[k].from && rune <= p->ranges[k].to)
                return !i->not ;
        return i->not ;
    default:
        return 0;
    }
}

static void clear(struct threads *t)
{
    for (uint32_t i = 0; i < t->n; i++)
        t->in[t->list[i]] = 0;
    t->n = 0;
}

static int run_all(struct run *r, size_t *work)
{
    struct threads *here = &r->a, *next = &r->b, *swap;
    size_t at = 0;

    for (;;) {
        uint32_t rune;
        size_t n;

        if (add(r, here, 0, at)) /* a match may begin at every place */
            return 1;
        if (at == r->len)
            return 0;
        if (*work < here->n)
            return -E2BIG;
        *work -= here->n;
        n = schema_pattern_rune(r->text + at, r->len - at, &rune);
        for (uint32_t k = 0; k < here->n; k++)
            if (takes(r->p, &r->p->code[here->list[k]], rune) &&
                add(r, next, here->list[k] + 1, at + n))
                return 1;
        at += n;
        clear(here);
        swap = here;
        here = next;
        next = swap;
    }
}

int schema_pattern_match(const struct pattern *p, const char *text, size_t len, size_t *work)
{
    struct run *r = calloc(1, sizeof(*r));
    int found;

    if (!r)
        return -ENOMEM;
    r->p = p;
    r->text = text;
    r->len = len;
    found = run_all(r, work);
    free(r);
    return found;
}

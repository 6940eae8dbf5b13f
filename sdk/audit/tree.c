/* tree.c - leaves added on the right, complete subtrees kept from a level on; any subtree's hash.
 */
#include "tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void aiex_tree_init(struct aiex_tree *t, unsigned keep, aiex_leaves_fn leaves, void *arg)
{
    memset(t, 0, sizeof(*t));
    t->keep = keep;
    t->leaves = leaves;
    t->arg = arg;
}

void aiex_tree_done(struct aiex_tree *t)
{
    for (unsigned i = 0; i < 64; i++)
        free(t->levels[i].hashes);
    memset(t, 0, sizeof(*t));
}

/* Room for one more on every level that the next leaf completes. */
static int make_room(struct aiex_tree *t)
{
    for (unsigned level = t->keep; level < 64; level++) {
        struct aiex_tree_level *l = &t->levels[level];
        uint64_t room = l->room ? l->room * 2 : 16;
        uint8_t *grown;

        if (((t->n + 1) & (((uint64_t)1 << level) - 1)) != 0)
            break;
        if (l->n < l->room)
            continue;
        grown = realloc(l->hashes, room * AIEX_HASH);
        if (!grown)
            return -ENOMEM;
        l->hashes = grown;
        l->room = room;
    }
    return 0;
}

static void keep(struct aiex_tree *t, unsigned level, const uint8_t *hash)
{
    struct aiex_tree_level *l = &t->levels[level];

    if (level >= t->keep)
        memcpy(l->hashes + AIEX_HASH * l->n++, hash, AIEX_HASH);
}

int aiex_tree_add(struct aiex_tree *t, const uint8_t leaf[AIEX_HASH])
{
    uint8_t hash[AIEX_HASH];
    unsigned level = 0;
    int r = make_room(t);

    if (r < 0)
        return r;
    memcpy(hash, leaf, AIEX_HASH);
    keep(t, 0, hash);
    for (; t->n >> level & 1; level++) {
        aiex_node_hash(t->edge[level], hash, hash);
        keep(t, level + 1, hash);
    }
    memcpy(t->edge[level], hash, AIEX_HASH);
    t->n++;
    return 0;
}

void aiex_tree_root(const struct aiex_tree *t, uint8_t out[AIEX_HASH])
{
    int first = 1;

    if (t->n == 0)
        aiex_plain_hash((struct aiex_slice){NULL, 0}, out);
    for (unsigned level = 0; level < 64; level++) {
        if (!(t->n >> level & 1))
            continue;
        if (first)
            memcpy(out, t->edge[level], AIEX_HASH);
        else
            aiex_node_hash(t->edge[level], out, out);
        first = 0;
    }
}

void aiex_tree_mark(const struct aiex_tree *t, struct aiex_tree_mark *ret_mark)
{
    ret_mark->n = t->n;
    memcpy(ret_mark->edge, t->edge, sizeof(t->edge));
}

void aiex_tree_back(struct aiex_tree *t, const struct aiex_tree_mark *mark)
{
    t->n = mark->n;
    memcpy(t->edge, mark->edge, sizeof(t->edge));
    for (unsigned level = t->keep; level < 64; level++)
        t->levels[level].n = t->n >> level;
}

/* ---- Subtrees ---- */

void tree_view(struct tree_view *v, const struct aiex_tree *t)
{
    v->tree = t;
    v->n_leaves = 0;
}

/* The leaves of the kept block (or the begin of one) that `first` lies in. */
static int fetch(struct tree_view *v, uint64_t first, uint64_t n)
{
    const struct aiex_tree *t = v->tree;
    uint64_t size = (uint64_t)1 << t->keep;
    uint64_t begin = first & ~(size - 1), end = begin + size < t->n ? begin + size : t->n;
    int r;

    if (v->n_leaves && first >= v->first && first + n <= v->first + v->n_leaves)
        return 0;
    if (!t->leaves || t->keep > AIEX_TREE_BLOCK)
        return -ENOTSUP;
    v->n_leaves = 0;
    r = t->leaves(t->arg, begin, (uint32_t)(end - begin), v->leaves);
    if (r < 0)
        return r;
    v->first = begin;
    v->n_leaves = end - begin;
    return 0;
}

/* A complete subtree below the level that is kept: hashed up in place of a copy. */
static int hash_leaves(struct tree_view *v, uint64_t lo, unsigned level, uint8_t *out)
{
    uint8_t work[(size_t)AIEX_HASH << AIEX_TREE_BLOCK];
    uint64_t n = (uint64_t)1 << level;
    int r = fetch(v, lo, n);

    if (r < 0)
        return r;
    memcpy(work, v->leaves + AIEX_HASH * (lo - v->first), AIEX_HASH * n);
    for (; n > 1; n /= 2)
        for (uint64_t i = 0; i < n / 2; i++)
            aiex_node_hash(work + AIEX_HASH * 2 * i, work + AIEX_HASH * (2 * i + 1),
                           work + AIEX_HASH * i);
    memcpy(out, work, AIEX_HASH);
    return 0;
}

/* Largest power of two below n (n > 1), as a level. */
static unsigned split_level(uint64_t n)
{
    return 63u - (unsigned)__builtin_clzll(n - 1);
}

int tree_hash(struct tree_view *v, uint64_t lo, uint64_t n, uint8_t *out)
{
    const struct aiex_tree *t = v->tree;
    uint8_t right[AIEX_HASH];
    unsigned level;
    int r;

    if (n == 0) {
        aiex_plain_hash((struct aiex_slice){NULL, 0}, out);
        return 0;
    }
    if ((n & (n - 1)) == 0) {
        level = 63u - (unsigned)__builtin_clzll(n);
        if (level < t->keep)
            return hash_leaves(v, lo, level, out);
        memcpy(out, t->levels[level].hashes + AIEX_HASH * (lo >> level), AIEX_HASH);
        return 0;
    }
    level = split_level(n);
    r = tree_hash(v, lo, (uint64_t)1 << level, out);
    if (r == 0)
        r = tree_hash(v, lo + ((uint64_t)1 << level), n - ((uint64_t)1 << level), right);
    if (r == 0)
        aiex_node_hash(out, right, out);
    return r;
}

uint64_t tree_split(uint64_t n)
{
    return (uint64_t)1 << split_level(n);
}

int aiex_tree_root_at(const struct aiex_tree *t, uint64_t size, uint8_t out[AIEX_HASH])
{
    struct tree_view v;

    if (size > t->n)
        return -ERANGE;
    if (size == t->n) {
        aiex_tree_root(t, out);
        return 0;
    }
    tree_view(&v, t);
    return tree_hash(&v, 0, size, out);
}

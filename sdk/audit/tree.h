/* tree.h - subtrees of a tree, between tree.c and proof.c. */
#ifndef AUDIT_TREE_H
#define AUDIT_TREE_H

#include "aiex_merkle.h"

/* One look at a tree; keeps the leaves that it fetched last. */
struct tree_view {
    const struct aiex_tree *tree;
    uint64_t first, n_leaves;
    uint8_t leaves[(size_t)AIEX_HASH << AIEX_TREE_BLOCK];
};

void tree_view(struct tree_view *v, const struct aiex_tree *t);
/* Hash of leaves lo .. lo + n - 1; lo is a multiple of the power of two that is n or above it. 0,
 * or negative errno. */
int tree_hash(struct tree_view *v, uint64_t lo, uint64_t n, uint8_t *out);
/* Largest power of two below n, for n > 1. */
uint64_t tree_split(uint64_t n);

#endif

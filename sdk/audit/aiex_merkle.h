/*
 * aiex_merkle.h - the hashes of an audit log and the tree over its entries (RFC 6962, RFC 9162).
 *
 *     leaf        SHA-256(00 | body)             node        SHA-256(01 | left | right)
 *     chain       SHA-256(02 | prev | leaf)      commitment  SHA-256(03 | salt | payload)
 *
 * A tree of n leaves is kept as its complete subtrees of level `keep` and above, so that memory is
 * 64 bytes for each 2^keep leaves; hashes of leaves below come from a function that the owner
 * gives. Adding a leaf, and the root of the whole, cost one hash per level at most and need no such
 * function. With it the root and the proofs of every earlier size are there as well.
 *
 * Static library aiex_sdk_audit (alias aiex::audit); SHA-256 is OpenSSL's, which uses the
 * processor's instructions. Threads: no globals; one thread at a time for each tree.
 */
#ifndef AIEX_MERKLE_H
#define AIEX_MERKLE_H

#include <aiex/aiex_plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AIEX_HASH       32u /* bytes of every hash here */
#define AIEX_PROOF_MAX  65u /* hashes of a proof: 64 levels, and one more in a consistency proof */
#define AIEX_TREE_BLOCK 8u  /* a good `keep`: 256 leaves are fetched for what lies below */

void aiex_leaf_hash(struct aiex_slice body, uint8_t out[AIEX_HASH]);
void aiex_node_hash(const uint8_t left[AIEX_HASH], const uint8_t right[AIEX_HASH],
                    uint8_t out[AIEX_HASH]);
/* `prev` of a writer's first entry is 32 zero bytes. */
void aiex_chain_hash(const uint8_t prev[AIEX_HASH], const uint8_t leaf[AIEX_HASH],
                     uint8_t out[AIEX_HASH]);
void aiex_commit_hash(struct aiex_slice salt, struct aiex_slice payload, uint8_t out[AIEX_HASH]);
/* The root of no leaves is SHA-256 of nothing. */
void aiex_plain_hash(struct aiex_slice bytes, uint8_t out[AIEX_HASH]);

/* Lower case; hex is 2 * n characters and a 0. */
void aiex_hex(const uint8_t *bytes, size_t n, char *hex);
/* Exactly 2 * n digits of either case. 0, -EINVAL. */
int aiex_unhex(const char *hex, size_t len, uint8_t *bytes, size_t n);

/* ---- The tree ---- */

/* Writes the hashes of leaves first .. first + n - 1 (n <= 2^keep) into out. 0 or negative errno.
 */
typedef int (*aiex_leaves_fn)(void *arg, uint64_t first, uint32_t n, uint8_t *out);

struct aiex_tree_level {
    uint8_t *hashes; /* complete subtrees of this level, in order */
    uint64_t n, room;
};

struct aiex_tree {
    uint64_t n;                  /* leaves */
    uint8_t edge[64][AIEX_HASH]; /* right edge: the complete subtree for each bit of n */
    unsigned keep;
    struct aiex_tree_level levels[64];
    aiex_leaves_fn leaves; /* may be NULL: then only what needs no leaf is there */
    void *arg;
};

/* keep 0 = every leaf is kept, and `leaves` is not needed. */
void aiex_tree_init(struct aiex_tree *t, unsigned keep, aiex_leaves_fn leaves, void *arg);
void aiex_tree_done(struct aiex_tree *t);
/* 0, -ENOMEM (the tree is as before). */
int aiex_tree_add(struct aiex_tree *t, const uint8_t leaf[AIEX_HASH]);
/* The root of all leaves. */
void aiex_tree_root(const struct aiex_tree *t, uint8_t out[AIEX_HASH]);

/* Where to go back to when what was added did not get onto the disk. */
struct aiex_tree_mark {
    uint64_t n;
    uint8_t edge[64][AIEX_HASH];
};
void aiex_tree_mark(const struct aiex_tree *t, struct aiex_tree_mark *ret_mark);
void aiex_tree_back(struct aiex_tree *t, const struct aiex_tree_mark *mark);

/* ---- Of any size up to n ---- */

/* A list of hashes, from the leaf upwards. */
struct aiex_proof {
    uint32_t n;
    uint8_t hashes[AIEX_PROOF_MAX][AIEX_HASH];
};

/* 0, -ERANGE (size beyond n), -ENOTSUP (needs leaves), or what `leaves` returned. */
int aiex_tree_root_at(const struct aiex_tree *t, uint64_t size, uint8_t out[AIEX_HASH]);
/* Leaf `index` is in the tree of `size` leaves (RFC 9162 2.1.3.1). -ERANGE unless index < size <=
 * n. */
int aiex_tree_inclusion(const struct aiex_tree *t, uint64_t index, uint64_t size,
                        struct aiex_proof *ret_proof);
/* The first `size1` leaves of size2 are the tree of size1 (2.1.4.1). -ERANGE unless
 * size1 <= size2 <= n. */
int aiex_tree_consistency(const struct aiex_tree *t, uint64_t size1, uint64_t size2,
                          struct aiex_proof *ret_proof);

/* ---- Checking, with nothing but the proof ---- */

/* 0, or -EBADMSG: the proof does not lead from this leaf to this root (2.1.3.2). */
int aiex_inclusion_check(const struct aiex_proof *p, uint64_t index, uint64_t size,
                         const uint8_t leaf[AIEX_HASH], const uint8_t root[AIEX_HASH]);
/* 0, or -EBADMSG (2.1.4.2). Of size 0 everything is a continuation, by an empty proof. */
int aiex_consistency_check(const struct aiex_proof *p, uint64_t size1, uint64_t size2,
                           const uint8_t root1[AIEX_HASH], const uint8_t root2[AIEX_HASH]);

#ifdef __cplusplus
}
#endif

#endif /* AIEX_MERKLE_H */

/* proof.c - inclusion and consistency proofs of RFC 9162, made from a tree and checked without one.
 */
#include "tree.h"

#include <errno.h>
#include <string.h>

/* The walk from the root goes down, the proof goes up. */
static void reverse(struct aiex_proof *p)
{
    for (uint32_t i = 0; i < p->n / 2; i++) {
        uint8_t swap[AIEX_HASH];

        memcpy(swap, p->hashes[i], AIEX_HASH);
        memcpy(p->hashes[i], p->hashes[p->n - 1 - i], AIEX_HASH);
        memcpy(p->hashes[p->n - 1 - i], swap, AIEX_HASH);
    }
}

int aiex_tree_inclusion(const struct aiex_tree *t, uint64_t index, uint64_t size,
                        struct aiex_proof *ret_proof)
{
    uint64_t lo = 0, n = size;
    struct tree_view v;
    int r = 0;

    if (index >= size || size > t->n)
        return -ERANGE;
    tree_view(&v, t);
    ret_proof->n = 0;
    while (n > 1 && r == 0) {
        uint64_t k = tree_split(n);
        uint8_t *next = ret_proof->hashes[ret_proof->n++];

        if (index - lo < k) {
            r = tree_hash(&v, lo + k, n - k, next);
            n = k;
        } else {
            r = tree_hash(&v, lo, k, next);
            lo += k;
            n -= k;
        }
    }
    reverse(ret_proof);
    return r;
}

int aiex_tree_consistency(const struct aiex_tree *t, uint64_t size1, uint64_t size2,
                          struct aiex_proof *ret_proof)
{
    uint64_t lo = 0, m = size1, n = size2;
    int whole = 1, r = 0; /* whole: the old tree is a subtree of the new one, and known */
    struct tree_view v;

    if (size1 > size2 || size2 > t->n)
        return -ERANGE;
    tree_view(&v, t);
    ret_proof->n = 0;
    if (size1 == 0)
        return 0;
    while (m != n && r == 0) {
        uint64_t k = tree_split(n);
        uint8_t *next = ret_proof->hashes[ret_proof->n++];

        if (m <= k) {
            r = tree_hash(&v, lo + k, n - k, next);
            n = k;
        } else {
            r = tree_hash(&v, lo, k, next);
            lo += k;
            m -= k;
            n -= k;
            whole = 0;
        }
    }
    if (!whole && r == 0)
        r = tree_hash(&v, lo, n, ret_proof->hashes[ret_proof->n++]);
    reverse(ret_proof);
    return r;
}

/* ---- Checking ---- */

int aiex_inclusion_check(const struct aiex_proof *p, uint64_t index, uint64_t size,
                         const uint8_t leaf[AIEX_HASH], const uint8_t root[AIEX_HASH])
{
    uint64_t fn = index, sn = size - 1;
    uint8_t r[AIEX_HASH];

    if (index >= size)
        return -EBADMSG;
    memcpy(r, leaf, AIEX_HASH);
    for (uint32_t i = 0; i < p->n; i++) {
        if (sn == 0)
            return -EBADMSG;
        if ((fn & 1) || fn == sn) {
            aiex_node_hash(p->hashes[i], r, r);
            while (!(fn & 1) && fn) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            aiex_node_hash(r, p->hashes[i], r);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && memcmp(r, root, AIEX_HASH) == 0 ? 0 : -EBADMSG;
}

/* 2.1.4.2, steps 4 to 7, when `fr` and `sr` have their first value. */
static int walk(const struct aiex_proof *p, uint32_t i, uint64_t fn, uint64_t sn, uint8_t *fr,
                uint8_t *sr)
{
    for (; i < p->n; i++) {
        if (sn == 0)
            return -EBADMSG;
        if ((fn & 1) || fn == sn) {
            aiex_node_hash(p->hashes[i], fr, fr);
            aiex_node_hash(p->hashes[i], sr, sr);
            while (!(fn & 1) && fn) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            aiex_node_hash(sr, p->hashes[i], sr);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 ? 0 : -EBADMSG;
}

int aiex_consistency_check(const struct aiex_proof *p, uint64_t size1, uint64_t size2,
                           const uint8_t root1[AIEX_HASH], const uint8_t root2[AIEX_HASH])
{
    uint8_t fr[AIEX_HASH], sr[AIEX_HASH];
    uint64_t fn = size1 - 1, sn = size2 - 1;
    int is_power = size1 && (size1 & (size1 - 1)) == 0;

    if (size1 > size2)
        return -EBADMSG;
    if (size1 == 0)
        return p->n == 0 ? 0 : -EBADMSG;
    if (size1 == size2)
        return p->n == 0 && memcmp(root1, root2, AIEX_HASH) == 0 ? 0 : -EBADMSG;
    if (!is_power && p->n == 0)
        return -EBADMSG;
    for (; fn & 1; fn >>= 1)
        sn >>= 1;
    memcpy(fr, is_power ? root1 : p->hashes[0], AIEX_HASH);
    memcpy(sr, fr, AIEX_HASH);
    if (walk(p, !is_power, fn, sn, fr, sr) != 0 || memcmp(fr, root1, AIEX_HASH) != 0 ||
        memcmp(sr, root2, AIEX_HASH) != 0)
        return -EBADMSG;
    return 0;
}

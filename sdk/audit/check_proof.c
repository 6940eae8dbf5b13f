/* check_proof.c - the tree over the entries, heads against it, proofs, and what nothing covers. */
#include "check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Stands for the leaf of an entry that is not there. */
static const uint8_t unknown_leaf[AIEX_HASH];

static int keep_leaf(struct aiex_check *c, const uint8_t *leaf)
{
    if (c->n_leaves == c->leaves_room) {
        size_t room = c->leaves_room ? c->leaves_room * 2 : 1024;
        uint8_t *leaves = realloc(c->leaves, room * AIEX_HASH), *covered;

        if (!leaves)
            return -ENOMEM;
        c->leaves = leaves;
        covered = realloc(c->covered, room);
        if (!covered)
            return -ENOMEM;
        c->covered = covered;
        c->leaves_room = room;
    }
    c->covered[c->n_leaves] = 0;
    memcpy(c->leaves + AIEX_HASH * c->n_leaves++, leaf, AIEX_HASH);
    return 0;
}

int check_tree_add(struct aiex_check *c, uint64_t seq, const uint8_t *leaf)
{
    int r = 0;

    if (!leaf)
        leaf = unknown_leaf;
    if (c->setup.keep_leaves)
        r = keep_leaf(c, leaf);
    if (r == 0 && c->setup.first == 0 && seq == c->tree.n)
        r = aiex_tree_add(&c->tree, leaf);
    return r;
}

static int get_leaves(void *arg, uint64_t first, uint32_t n, uint8_t *out)
{
    const struct aiex_check *c = arg;

    if (first + n > c->n_leaves)
        return -ENOTSUP;
    memcpy(out, c->leaves + AIEX_HASH * first, (size_t)n * AIEX_HASH);
    return 0;
}

/* The root of `size` entries as they were fed. 0, or negative: that can not be said. */
static int root_of(struct aiex_check *c, uint64_t size, uint8_t root[AIEX_HASH])
{
    if (c->setup.first != 0 || size > c->tree.n || (c->tree_broken && size > c->broken_at))
        return -ERANGE;
    c->tree.leaves = c->setup.keep_leaves ? get_leaves : NULL;
    c->tree.arg = c;
    return aiex_tree_root_at(&c->tree, size, root);
}

/* ---- Heads ---- */

static int add_head(struct aiex_check *c, const struct aiex_checkpoint *p)
{
    if (c->n_heads == c->heads_room) {
        size_t room = c->heads_room ? c->heads_room * 2 : 16;
        struct check_head *grown = realloc(c->heads, room * sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        c->heads = grown;
        c->heads_room = room;
    }
    c->heads[c->n_heads].size = p->size;
    memcpy(c->heads[c->n_heads++].root, p->root, AIEX_HASH);
    return 0;
}

/* Entries that a head speaks of: behind the last good one. */
static void head_fault(struct aiex_check *c, uint64_t size, const char *kind, const char *text)
{
    uint64_t from = c->proven < size ? c->proven : 0;

    aiex_check_fault(c, kind, size > 0, from, size ? size - 1 : 0,
                     "head of %" PRIu64 " entries: %s", size, text);
}

static void check_root(struct aiex_check *c, const struct aiex_checkpoint *p)
{
    uint8_t root[AIEX_HASH];

    if (c->setup.first == 0 && p->size > c->next) {
        if (!c->setup.has_last || c->next != c->setup.last + 1) {
            c->is_cut = 1;
            aiex_check_fault(c, "cut", 1, c->next, p->size - 1,
                             "missing: a signed head has %" PRIu64 " entries, here are %" PRIu64,
                             p->size, c->next);
        }
        return;
    }
    if (root_of(c, p->size, root) != 0)
        return;
    if (memcmp(root, p->root, AIEX_HASH) != 0) {
        if (c->root_faults++ == 0) /* every later one is wrong for the same reason */
            head_fault(c, p->size, "head", "its root is not that of these entries");
        return;
    }
    if (p->size >= c->proven) {
        c->proven = p->size;
        memcpy(c->proven_root, root, AIEX_HASH);
    }
}

/* 1: a key signed it that was good at this size. 0: none; -EBADMSG: its signature is wrong. */
static int is_signed(const struct aiex_check *c, const struct aiex_note *note, uint64_t size)
{
    int r = c->n_keys == 0;

    for (size_t i = c->n_keys; i-- > 0 && r != 1;) {
        int s = size <= c->keys[i].until ? aiex_note_signed_by(note, &c->keys[i].key, NULL) : 0;

        if (s != 0)
            r = s;
    }
    return r;
}

int aiex_check_head(struct aiex_check *c, struct aiex_slice bytes)
{
    struct aiex_checkpoint p;
    struct aiex_error err;
    struct aiex_note note;
    int r;

    if (aiex_note_read(&note, bytes, &err) != 0 || aiex_checkpoint_read(&p, note.text, &err) != 0) {
        aiex_check_fault(c, "note", 0, 0, 0, "a head is not readable: %s", err.text);
        return 0;
    }
    if (!c->origin[0])
        strcpy(c->origin, p.origin);
    if (strcmp(c->origin, p.origin) != 0) {
        head_fault(c, p.size, "origin", "it is of another log");
        return 0;
    }
    r = is_signed(c, &note, p.size);
    if (r != 1) {
        head_fault(c, p.size, "signature",
                   r == 0 ? "it is not signed by the log's key" : "its signature is wrong");
        return 0;
    }
    r = add_head(c, &p);
    if (r == 0)
        check_root(c, &p);
    return r;
}

/* ---- Proofs ---- */

/* The root that `size` entries must have: from the entries, else from a head. 1, 0. */
static int known_root(struct aiex_check *c, uint64_t size, uint8_t root[AIEX_HASH])
{
    for (size_t i = 0; i < c->n_heads; i++)
        if (c->heads[i].size == size) {
            memcpy(root, c->heads[i].root, AIEX_HASH);
            return 1;
        }
    return root_of(c, size, root) == 0;
}

static int is_head(const struct aiex_check *c, uint64_t size)
{
    for (size_t i = 0; i < c->n_heads; i++)
        if (c->heads[i].size == size)
            return 1;
    return 0;
}

int aiex_check_inclusion(struct aiex_check *c, uint64_t index, uint64_t size,
                         const uint8_t leaf[AIEX_HASH], const struct aiex_proof *p)
{
    uint64_t at = index - c->setup.first;
    uint8_t root[AIEX_HASH];

    if (!known_root(c, size, root)) {
        if (!c->tree_broken)
            aiex_check_fault(c, "inclusion", 1, index, index,
                             "a proof speaks of %" PRIu64 " entries, of which no head is here",
                             size);
        return 0;
    }
    if (aiex_inclusion_check(p, index, size, leaf, root) != 0) {
        aiex_check_fault(c, "inclusion", 1, index, index,
                         "the proof does not lead to the root of %" PRIu64 " entries", size);
        return 0;
    }
    if (index < c->setup.first || at >= c->n_leaves || !c->setup.keep_leaves)
        return 0;
    if (memcmp(c->leaves + AIEX_HASH * at, unknown_leaf, AIEX_HASH) == 0)
        return 0; /* told as missing */
    if (memcmp(c->leaves + AIEX_HASH * at, leaf, AIEX_HASH) != 0)
        aiex_check_fault(c, "inclusion", 1, index, index,
                         "the entry is not the one that the proof was made for");
    else if (is_head(c, size))
        c->covered[at] = 1;
    return 0;
}

int aiex_check_consistency(struct aiex_check *c, uint64_t size1, uint64_t size2,
                           const struct aiex_proof *p)
{
    uint8_t root1[AIEX_HASH], root2[AIEX_HASH];
    uint64_t last = size2 ? size2 - 1 : 0;

    if (size1 == 0)
        aiex_plain_hash((struct aiex_slice){NULL, 0}, root1);
    if ((size1 && !known_root(c, size1, root1)) || !known_root(c, size2, root2)) {
        if (!c->tree_broken)
            aiex_check_fault(c, "consistency", 1, size1 < last ? size1 : last, last,
                             "a proof from %" PRIu64 " to %" PRIu64
                             " entries, of which no heads are here",
                             size1, size2);
        return 0;
    }
    if (aiex_consistency_check(p, size1, size2, root1, root2) != 0)
        aiex_check_fault(c, "consistency", 1, size1 < last ? size1 : last, last,
                         "%" PRIu64 " entries are not a continuation of %" PRIu64, size2, size1);
    return 0;
}

/* ---- What nothing speaks of ---- */

static int is_covered(const struct aiex_check *c, uint64_t seq)
{
    uint64_t at = seq - c->setup.first;

    return c->setup.keep_leaves && at < c->n_leaves && c->covered[at];
}

void check_cover_finish(struct aiex_check *c)
{
    uint64_t seq = c->proven > c->setup.first ? c->proven : c->setup.first;

    if (c->root_faults || c->tree_broken || c->is_cut)
        return; /* why they are not proven was told */
    for (; seq < c->next; seq++)
        if (!is_covered(c, seq))
            aiex_check_fault(c, "uncovered", 1, seq, seq,
                             "no signed head and no proof speaks of this; the end may be cut off");
}

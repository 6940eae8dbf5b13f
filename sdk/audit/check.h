/* check.h - the checker's state, between check.c, check_chain.c and check_proof.c. */
#ifndef AUDIT_CHECK_H
#define AUDIT_CHECK_H

#include "aiex_audit_check.h"

#define MAX_WRITERS 65536u

/* One writer's chain as far as it was seen. */
struct check_writer {
    char *name;
    uint64_t next;            /* wseq to come */
    uint8_t chain[AIEX_HASH]; /* what the next `prev` must be */
    uint64_t last;            /* seq of its last entry */
    int known;                /* 0: nothing of it was seen, next and chain say nothing */
    int broken;               /* the last entry did not fit its predecessor `before` */
    uint64_t before;
};

struct check_list {
    uint64_t *v;
    size_t n, room;
};

struct check_head {
    uint64_t size;
    uint8_t root[AIEX_HASH];
};

struct check_key {
    struct aiex_note_key key;
    uint64_t until; /* size of the last head that it may sign */
};

struct aiex_check {
    struct aiex_check_setup setup;
    struct check_key keys[AIEX_AUDIT_KEYS];
    size_t n_keys;               /* 0: signatures are not looked at */
    char origin[AIEX_NOTE_NAME]; /* "" = not known yet */
    uint64_t next;               /* seq to come */
    uint64_t gap;                /* seq behind the last unreadable entry + 1; 0 = none */
    uint64_t entries;
    /* tree */
    struct aiex_tree tree;
    uint8_t *leaves; /* keep_leaves: of setup.first .. next - 1 */
    uint8_t *covered;
    size_t n_leaves, leaves_room;
    int tree_broken; /* a leaf is not known: no later root can be compared */
    uint64_t broken_at;
    struct check_head *heads; /* good signatures, whatever their root */
    size_t n_heads, heads_room;
    uint64_t proven; /* size of the largest head whose root was right */
    uint8_t proven_root[AIEX_HASH];
    int root_faults, is_cut;
    /* chains */
    struct check_writer *writers;
    size_t n_writers, writers_room;
    uint32_t *slots; /* number of a writer + 1 */
    size_t n_slots;
    size_t last_writer;
    /* payloads */
    struct check_list missing, redactions, redacted; /* redacted: by entries of the log itself */
    /* the fault that may still grow */
    struct aiex_fault held;
    char held_text[400];
    int has_held;
    uint64_t faults;
    struct aiex_audit_body body;
};

int check_list_add(struct check_list *l, uint64_t v);
/* Sorts. */
void check_list_sort(struct check_list *l);
int check_list_has(const struct check_list *l, uint64_t v);

/* check_chain.c. 0, -ENOMEM, -E2BIG. */
int check_chain(struct aiex_check *c, uint64_t seq, const struct aiex_audit_body *b,
                const uint8_t *leaf);
/* What no later entry will explain. */
void check_chain_finish(struct aiex_check *c);
void check_chain_done(struct aiex_check *c);

/* check_proof.c. */
int check_tree_add(struct aiex_check *c, uint64_t seq, const uint8_t *leaf);
void check_cover_finish(struct aiex_check *c);

#endif

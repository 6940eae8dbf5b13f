/*
 * index.h - what is in memory of each entry, by id and by doc.
 *
 * An entry that is being put for the first time is here before it is live: works that write it wait
 * for each other in its lane. It is found by doc only while it has one.
 */
#ifndef CONTEXT_INDEX_H
#define CONTEXT_INDEX_H

#include <aiex/aiex_plugin.h>

struct work;

struct entry {
    struct entry *id_next, *doc_next;
    struct work *first, *last;           /* the lane; the first one runs */
    int64_t doc, born, version, expires; /* doc 0 = not in the store */
    uint64_t session, project;           /* hashes, 0 = none */
    uint32_t length, bytes;
    uint8_t kind, id_len;
    char id[];
};

struct index {
    struct entry **ids, **docs;
    size_t n_slots, n, n_live;
    uint64_t length; /* words of all that are live */
    uint8_t key[16];
};

/* 0, -ENOMEM. */
int index_init(struct index *x);
void index_done(struct index *x);
struct entry *index_find(const struct index *x, const char *id, size_t len);
struct entry *index_doc(const struct index *x, int64_t doc);
/* The entry of that id, made when there is none; NULL = no memory. */
struct entry *index_make(struct index *x, const char *id, size_t len);
/* Gives it another doc, 0 = none, with the length of its text. */
void index_set_doc(struct index *x, struct entry *e, int64_t doc, uint32_t length);
/* Takes out and frees an entry without doc and lane. */
void index_drop(struct index *x, struct entry *e);
/* The hash of a name; 0 for "". */
uint64_t index_hash(const struct index *x, const char *text);
/* Bytes that it holds. */
size_t index_bytes(const struct index *x);

#endif

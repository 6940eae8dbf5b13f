/* verify.h - the check of everything, for store.verify and for backups. See verify.c. */
#ifndef VERIFY_H
#define VERIFY_H

#include "store.h"

struct verify {
    struct store *s;
    uint64_t bound; /* sequences above it are left out */
    unsigned stage;
    DB_TXN *txn;                /* of the slice */
    uint8_t key[FIELD_KEY_MAX]; /* the last one that was looked at */
    size_t key_len;
    uint64_t last, checked, faults;
    uint8_t chain[EVENT_HASH];
    uint8_t *found; /* findings as msgpack maps, not handed over yet */
    size_t found_len, n_found;
};

void verify_init(struct verify *v, struct store *s, uint64_t bound);
void verify_done(struct verify *v);
/* Looks at the next entries. 0 = more, 1 = done, negative errno: it can not go on. */
int verify_slice(struct verify *v);

#endif

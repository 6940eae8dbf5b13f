/*
 * fake_store.h - tables of a store in memory, for the tests of the context service: versions,
 * conditions, transaction ids, epochs, indexes, pages and limits as sdk/kinds/store.md says, and
 * every way in which a call may fail.
 */
#ifndef FAKE_STORE_H
#define FAKE_STORE_H

#include <aiex_fake_host.h>

struct fake_store;

/* What becomes of a call. */
enum fate {
    FATE_GOOD,
    FATE_BUSY,         /* nothing was done */
    FATE_UNAVAILABLE,  /* nothing was done */
    FATE_READ_ONLY,    /* nothing was done; reads are good */
    FATE_LOST_REQUEST, /* `timeout`, nothing was done */
    FATE_LOST_ANSWER,  /* `timeout` with `unknown`, it was done; reads end half-way */
    FATE_CRASHED,      /* `crashed`, it was done; reads end half-way */
    FATE_INTERNAL,     /* `internal`, nothing was done */
    FATE_SILENT,       /* no answer at all, nothing was done */
    N_FATES
};

struct fake_store *fake_store_new(void);
void fake_store_free(struct fake_store *s);
/* Answers the call at once. `fate` is what happens to it. */
void fake_store_answer(struct fake_store *s, struct aiex_fake_host *h,
                       const struct aiex_fake_record *call, enum fate fate);
/* Rows of a table, and of all of them. */
size_t fake_store_rows(const struct fake_store *s, const char *table);
/* Raises the epoch, as a newer owner would. */
void fake_store_take(struct fake_store *s, int64_t epoch);
/* Changes a row's version behind everybody's back. 1 = there is such a row. */
int fake_store_touch(struct fake_store *s, const char *table, const void *key, size_t len);

/* Takes a row away behind everybody's back. */
void fake_store_lose(struct fake_store *s, const char *table, const void *key, size_t len);

#endif

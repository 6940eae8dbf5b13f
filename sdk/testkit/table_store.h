/*
 * table_store.h - a store of the tests with tables alone: conditions, transactions by their id,
 * ranges page by page, and failures on order. It outlives the instances that use it.
 */
#ifndef TABLE_STORE_H
#define TABLE_STORE_H

#include <aiex_fake_host.h>

struct table_store;

struct table_store *table_store_new(void);
void table_store_free(struct table_store *t);
/* For aiex_fake_on_call(h, table_store_call, t). */
int table_store_call(void *arg, struct aiex_fake_host *h, const struct aiex_fake_record *call);
/* The next `times` calls of the method (NULL = any) after `skip` end with code; `done`: what they
 * wanted is done all the same. Without code they are kept open. */
void table_store_fail(struct table_store *t, const char *method, unsigned skip, unsigned times,
                      const char *code, int done);
/* Does and answers what is open. */
void table_store_go_on(struct table_store *t, struct aiex_fake_host *h);
/* Rows of a table; bytes of all values. */
unsigned table_store_rows(const struct table_store *t, const char *table);
size_t table_store_bytes(const struct table_store *t);
/* The value of the n-th row of a table, to be damaged; NULL = there is none. */
uint8_t *table_store_value(struct table_store *t, const char *table, unsigned n, size_t *ret_len);
/* Deletes every row of the table, as its time would. */
void table_store_clear(struct table_store *t, const char *table);
/* 1 = every row of it has a time to live. */
int table_store_expires(const struct table_store *t, const char *table);
unsigned table_store_calls(const struct table_store *t, const char *method);
/* Rows of one page of a range (default 1000). */
void table_store_page(struct table_store *t, unsigned rows);

#endif

/*
 * memory_store.h - a store of the tests: in memory, honest about versions, conditions, conflicts
 * and event ids, and able to fail on order. It outlives the instances that use it.
 */
#ifndef MEMORY_STORE_H
#define MEMORY_STORE_H

#include <aiex_fake_host.h>

struct memory_store;

struct memory_store *memory_store_new(void);
void memory_store_free(struct memory_store *m);
/* For aiex_fake_on_call(h, memory_store_call, m). */
int memory_store_call(void *arg, struct aiex_fake_host *h, const struct aiex_fake_record *call);

enum when {
    NOT_DONE, /* it fails and nothing was done */
    DONE,     /* it is done, then the answer is `code` */
    HANGS     /* it is not done and nobody answers */
};
/* The next `times` calls of the method (NULL = any) after `skip` of them have that end. */
void memory_store_fail(struct memory_store *m, const char *method, unsigned skip, unsigned times,
                       const char *code, enum when when);
/* Calls of this service are not the store's: the test answers them. */
void memory_store_elsewhere(struct memory_store *m, const char *service);
void memory_store_heal(struct memory_store *m);
/* Calls of a method so far. */
unsigned memory_store_calls(const struct memory_store *m, const char *method);
/* Writes a row past every check, as another owner would. */
void memory_store_put(struct memory_store *m, const char *table, const char *key,
                      struct aiex_slice value);
/* The same of a row that is surely new. */
void memory_store_add(struct memory_store *m, const char *table, const char *key,
                      struct aiex_slice value);
/* Events that a stream has, erased ones not counted; its version. */
unsigned memory_store_events(const struct memory_store *m, const char *stream);
long long memory_store_version(const struct memory_store *m, const char *stream);
/* The n-th event (from 0), the map that was appended. 0 = there is none. */
int memory_store_event(const struct memory_store *m, const char *stream, unsigned n,
                       struct aiex_slice *ret_map);
/* Appends an event as another writer would; data is an empty map. */
void memory_store_append(struct memory_store *m, const char *stream, const char *id,
                         const char *type);
/* Puts a stream back to an earlier version, as a backup does. */
void memory_store_forget(struct memory_store *m, const char *stream, long long version);

#endif

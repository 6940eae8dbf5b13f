/*
 * mini_store.h - for tests: a service of kind store/1 in memory, played to a fake host.
 *
 * mini_answer() answers the calls that were recorded since, in their order, as a real store would;
 * casts are done, too. Faults are set before: the next call of a method fails, without or (as when
 * a store dies behind the write) with its effect.
 */
#ifndef AIEX_EVENTS_MINI_STORE_H
#define AIEX_EVENTS_MINI_STORE_H

#include <aiex/aiex_pack.h>
#include <aiex_fake_host.h>

struct mini_event {
    char stream[64], id[65], type[32];
    char data[64];
    int64_t version, sequence;
    int erased;
};

struct mini_row {
    char table[64];
    uint8_t key[128];
    size_t key_len;
    uint8_t value[512];
    size_t len;
    int64_t version;
};

struct mini_fault {
    const char *method, *code;
    int skip;  /* so many calls of it are served first */
    int times; /* then so many fail; 0 = none */
    int done;  /* the write happens all the same */
};

struct mini_store {
    struct aiex_fake_host *h;
    struct mini_event events[2048];
    size_t n_events;
    struct mini_row rows[512];
    size_t n_rows;
    int64_t transactions;
    struct mini_fault fault;
    size_t seen_calls, seen_casts;
    size_t reads, appends, transacts; /* calls of them */
    int64_t last_from;                /* of the last read */
    /* called before an append is done: a rival that is faster */
    void (*before_append)(struct mini_store *s);
};

struct mini_store *mini_new(struct aiex_fake_host *h);
void mini_free(struct mini_store *s);
/* Another host after a restart. */
void mini_host(struct mini_store *s, struct aiex_fake_host *h);
/* A host whose calls are answered before call() returns, as those of one cell may be. One at a
 * time. */
const struct aiex_host *mini_inline(struct mini_store *s);
/* Appends as another client would; the version. */
int64_t mini_append(struct mini_store *s, const char *stream, const char *type, const char *data);
/* Answers at most `max` calls; how many. */
size_t mini_answer(struct mini_store *s, size_t max);
/* Answers and moves the clock until nothing has happened for a second of it. */
void mini_settle(struct mini_store *s);
struct mini_row *mini_row(struct mini_store *s, const char *table, const void *key, size_t len);
size_t mini_count(const struct mini_store *s, const char *stream);
size_t mini_rows(const struct mini_store *s, const char *table);

#endif

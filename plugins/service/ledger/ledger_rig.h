/*
 * ledger_rig.h - what the two tests of the ledger share: an instance in a folder of its own, a
 * clock that the test sets, usage records, and questions with their answers.
 */
#ifndef LEDGER_RIG_H
#define LEDGER_RIG_H

#include "dates.h"
#include "test.h"

#include <aiex/aiex_pack.h>
#include <aiex_fake_host.h>

#define NOON 1795262400000ll /* 2026-11-21 12:00:00 UTC */
#define HOUR 3600000ll

extern struct aiex_fake_host *h;
extern const struct aiex_plugin *p;
extern void *self;
extern char dir[64];
extern int64_t now; /* what wall_ms() says */
extern void (*rig_prepare)(void); /* called when there is a host and no instance yet; may be NULL */

/* A folder and an instance in it; rig_open() and rig_close() are a restart between them. */
void rig_begin(const struct aiex_fake_pair *pairs);
void rig_end(void);
void rig_open(const struct aiex_fake_pair *pairs);
void rig_close(void);
/* A file of the folder: "2026-11-21.log". */
const char *rig_path(const char *name);

/* Fields of a usage record; what is NULL or 0 is left out, cost is left out when below 0. */
struct usage {
    const char *id, *key, *user, *team, *project, *model, *provider, *code, *tag, *price;
    int64_t ticket, time, input, output, cost;
    size_t padding; /* bytes of the field `why` */
};

struct aiex_slice usage_map(const struct usage *u);
/* As a cast; returns what handle() returned. */
int record(const struct usage *u);
/* A request with `n` pairs of text; values that begin with '#' are numbers, "true" is bool. Runs
 * all posts. Returns its id. */
uint64_t ask(const char *method, const char *const *pairs);
#define ASK(method, ...) ask(method, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})
struct aiex_slice answer_of(uint64_t id);
const char *code_of(uint64_t id);
int64_t number(struct aiex_slice map, const char *key);
/* Text of a key, in static memory; "?" when it has none. */
const char *text(struct aiex_slice map, const char *key);
/* The n-th map of an array; empty when there are fewer. */
struct aiex_slice item(struct aiex_slice map, const char *key, uint32_t n);
uint32_t items(struct aiex_slice map, const char *key);
/* The part with this number of a stream; empty when there are fewer. */
struct aiex_slice part(uint64_t id, size_t n);
size_t parts(uint64_t id);

#endif

/*
 * context_rig.h - what the tests of the context service share: an instance with a store in memory,
 * a clock that the test sets, tiers that it plays, questions and answers as JSON.
 */
#ifndef CONTEXT_RIG_H
#define CONTEXT_RIG_H

#include "fake_store.h"
#include "rig_text.h"
#include "test.h"

#include <aiex/aiex_pack.h>

extern struct aiex_fake_host *h;
extern const struct aiex_plugin *p;
extern void *self;
extern struct fake_store *store;
extern int64_t now; /* what wall_ms() says; moves with rig_advance() */

/* Which calls to the store fail: the n-th from now on (1 = the next), and `fate_all` those behind
 * it until it is FATE_GOOD again. */
extern unsigned fate_at;
extern enum fate fate, fate_all;
extern unsigned store_calls;
extern int at_once; /* the store answers within call() */

/* Tiers: their level by number; empty. */
#define RIG_TIERS 3
struct rig_tier {
    const char *name, *level;
    int down;
    struct {
        uint8_t key[16];
        uint8_t *value;
        size_t len;
        int64_t uses;
    } all[64];
    unsigned n, gets, puts;
    int64_t bytes, max_bytes;
};
extern struct rig_tier tiers[RIG_TIERS];
extern int with_tiers;

/* The last ledger.tail, which the test answers, and how many there were. */
extern uint64_t rig_tail;
extern unsigned rig_tails;

/* A store and an instance; rig_open() and rig_close() are a restart between them. */
void rig_begin(const struct aiex_fake_pair *pairs);
void rig_end(void);
void rig_open(const struct aiex_fake_pair *pairs);
void rig_close(void);
/* Answers all calls that wait and runs all posts, until there are none. */
void rig_run(void);
/* One post or one answer; 0 = there is nothing. */
int rig_step(void);
/* The process ends at once: what is under way is lost. */
void rig_kill(void);
/* rig_run() with the clock moved, 50 ms at a time. */
void rig_advance(int64_t ms);

/* Begins a question; its id. The body is JSON with ' for ". */
uint64_t begin(const char *method, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint64_t begin_body(const char *method, struct aiex_slice body);
/* Moves the clock until it has ended (30 s at most): its JSON with ' for ", after "code: " when it
 * failed. Static memory, four answers live. "open" when it has not ended. */
const char *end_of(uint64_t id);
const char *ask(const char *method, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The ids of `entries`, with a blank between. Static memory. */
const char *ids_of(const char *json);

#define HAS(text, part)   CU_ASSERT_TRUE(rig_text_has(text, part))
#define IS(text, wanted)  CU_ASSERT_TRUE(rig_text_is(text, wanted))
#define number(text, key) rig_text_number(text, key)

#endif

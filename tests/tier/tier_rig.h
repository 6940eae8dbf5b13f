/*
 * tier_rig.h - what tests of tiers share: an instance in the fake host, puts and gets as short
 * calls that wait for their answer, and (tier_contract.c) what kind tier/1 asks of every tier.
 */
#ifndef TIER_RIG_H
#define TIER_RIG_H

#include "test.h"

#include <aiex/aiex_pack.h>
#include <aiex_fake_host.h>

extern struct aiex_fake_host *h;
extern const struct aiex_plugin *p;
extern void *self;
extern char tier_dir[64]; /* "" = the tier has no folder */

/* An instance of the linked plugin. tier_folder() before it gives it a fresh folder. */
void tier_open(const struct aiex_fake_pair *pairs);
void tier_close(void);
void tier_folder(void);
void tier_folder_gone(void); /* with all its files */
/* A file of the folder, in static memory. */
const char *tier_path(const char *name);

/* "" and 0 = left out. */
struct tier_put {
    const void *key, *value;
    size_t key_len, value_len; /* 0 = text */
    int64_t ttl_ms, uses;
    const char *meta; /* becomes {"m": meta} */
    int if_absent;
};

/* Without waiting: the request's id. */
uint64_t tier_put_begin(const struct tier_put *put);
uint64_t tier_ask_begin(const char *method, struct aiex_slice body);
/* Waits for the end: "" when it is good, else its code. */
const char *tier_wait(uint64_t id);
struct aiex_slice tier_answer(uint64_t id);

const char *tier_put(const struct tier_put *put);
/* put of text under text: "" or the code. */
const char *tier_put_text(const char *key, const char *value);
/* The value as text in static memory, "-" when it is not there, "!code" on an error. */
const char *tier_get(const char *key);
/* The whole answer; waits. `touch` 1 is the default of the kind. */
struct aiex_slice tier_get_whole(const void *key, size_t key_len, int touch);
int tier_delete(const char *key);
/* A number of tier.stats. */
int64_t tier_stat(const char *name);
int64_t tier_number(struct aiex_slice map, const char *key);
/* Keys that tier.candidates names, one behind the other with a blank behind each. */
const char *tier_candidates(const char *direction, int limit);

/* ---- tier_contract.c: cases for every tier; between tier_open() and tier_close() ---- */

void contract_keeps(void);        /* value, meta, uses, age, ttl, if_absent, delete */
void contract_ends_in_time(void); /* ttl to the millisecond */
void contract_refuses(void);      /* wrong and hostile requests */
void contract_candidates(void);
void contract_metrics(const char *level);
/* Random operations against a plain model. `exact`: nothing may be lost. */
void contract_model(unsigned rounds, int exact);

#endif

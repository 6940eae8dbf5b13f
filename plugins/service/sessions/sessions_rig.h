/*
 * sessions_rig.h - what the tests of the sessions share: an instance on a store in memory, a clock
 * that the test moves, questions and answers as JSON with ' for ".
 */
#ifndef SESSIONS_RIG_H
#define SESSIONS_RIG_H

#include "rig_text.h"
#include "test.h"

#include <aiex/aiex_pack.h>
#include <memory_store.h>

extern struct aiex_fake_host *h;
extern const struct aiex_plugin *p;
extern void *self;
extern struct memory_store *store;

void rig_begin(const struct aiex_fake_pair *pairs);
void rig_end(void);
/* An instance on the store that is there; rig_close() ends it as a crash does. */
void rig_open(const struct aiex_fake_pair *pairs);
/* The same without running its start. */
void rig_open_cold(const struct aiex_fake_pair *pairs);
void rig_close(void);
/* Moves both clocks, a tick at a time. */
void rig_pass(int64_t ms);
void rig_wall(int64_t ms);

uint64_t begin(const char *method, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The answer as JSON, behind "code: text" when it failed; "open" when there is none. Four live. */
const char *end_of(uint64_t id);
const char *ask(const char *method, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The text of a field. Static, four live. */
const char *word(const char *json, const char *key);

#define HAS(text, part)   CU_ASSERT_TRUE(rig_text_has(text, part))
#define number(text, key) rig_text_number(text, key)

#endif

/*
 * store_rig.h - what the tests of the store share: an instance in a folder of its own, and
 * questions and answers as JSON (data comes back as base64).
 */
#ifndef STORE_RIG_H
#define STORE_RIG_H

#include "rig_folder.h"
#include "rig_text.h"
#include "test.h"

#include <aiex/aiex_pack.h>
#include <aiex_fake_host.h>

#define RIG_WAIT_MS 30000

extern struct aiex_fake_host *h;
extern const struct aiex_plugin *p;
extern void *self;
extern char dir[64];
extern const char *rig_caller; /* who asks; NULL = host.control */

/* A folder below `parent` (NULL: /tmp) and an instance in it; rig_open() and rig_close() are a
 * restart between them. */
void rig_begin(const struct aiex_fake_pair *pairs);
void rig_begin_in(const char *parent, const struct aiex_fake_pair *pairs);
void rig_end(void);
void rig_open(const struct aiex_fake_pair *pairs);
/* The same, but what start() says. */
int rig_try(const struct aiex_fake_pair *pairs, struct aiex_error *err);
void rig_close(void);
/* A file of the folder. */
const char *rig_path(const char *name);

/* Begins a question; its id. The body is JSON with ' for ". */
uint64_t begin(const char *method, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Waits for the end: its JSON with ' for ", after "code: " when it failed. Static memory, four
 * answers live. "open" when none came in time. */
const char *end_of(uint64_t id);
const char *ask(const char *method, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* All parts as one JSON text, an array behind the other. */
const char *parts_of(uint64_t id);
/* Asks and gives parts and end: "[..][..] {..}". */
const char *ask_all(const char *method, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Polls until the answer to `method` holds `part`. */
int comes(const char *method, const char *part);

#define HAS(text, part)   CU_ASSERT_TRUE(rig_text_has(text, part))
#define IS(text, wanted)  CU_ASSERT_TRUE(rig_text_is(text, wanted))
#define number(text, key) rig_text_number(text, key)

#endif

/*
 * checkpoints_rig.h - what the tests of the checkpoints service share: an instance of it, of the
 * real store and of the real services that go back, each in a fake host of its own, and calls
 * carried between them. Bodies are JSON with ' for ".
 *
 * Rooms can be killed between two calls (room_kill: what was under way ends with `crashed`),
 * answers can be lost, and the n-th file operation or allocation of the checkpoints' worker can
 * fail or end the process.
 */
#ifndef CHECKPOINTS_RIG_H
#define CHECKPOINTS_RIG_H

#include "rig_folder.h"
#include "rig_text.h"
#include "test.h"

#include <aiex/aiex_pack.h>
#include <aiex_fake_host.h>

#define RIG_WAIT_MS 60000

enum place { CHECKPOINTS, STORE, SESSIONS_ROOM, TEMPLATES, GATEWAY, N_PLACES };

/* A folder with a folder for each. rig_open() starts what `with_sessions` says, rig_close() ends
 * all; between them is a restart. */
void rig_begin(void);
void rig_open(int with_sessions);
void rig_close(void);
void rig_end(void);
/* One of them alone. A new node: its folder is another one. */
void room_open(enum place place);
void room_close(enum place place);
/* The same as kill -9, as far as one process can: no drain. */
void room_kill(enum place place);
void room_move(enum place place, const char *folder);
const char *rig_path(const char *name);
int files_below(const char *name);

/* Begins a question to one of them; its id. */
uint64_t begin(enum place place, const char *method, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
uint64_t begin_bytes(enum place place, const char *method, struct aiex_slice body);
/* Waits for the end: its JSON, after "code: text " when it failed. Eight answers live. */
const char *end_of(enum place place, uint64_t id);
int is_open(enum place place, uint64_t id);
void give_up(enum place place, uint64_t id);
/* All its parts as JSON, one behind the other; as they are. */
const char *parts_of(enum place place, uint64_t id);
struct aiex_slice bytes_of(enum place place, uint64_t id);
/* Parts of at most that many bytes until they are taken; 0 = no end. */
void narrow(enum place place, size_t bytes);
void widen(enum place place, uint64_t id);
const char *query(enum place place, const char *method, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Parts, a space, and the end. */
const char *query_all(enum place place, const char *method, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Everything goes on for a moment. */
void turn(void);
int comes(enum place place, const char *method, const char *part);

/* Called for each call before it is carried to `to`: 0 = carry on, else the code of the error that
 * it gets instead. `answered`: it was carried out, and the answer gets lost. */
extern const char *(*on_carry)(enum place to, const char *method, int answered);

int has_not(const char *text, const char *part);
#define number(text, key)   rig_text_number(text, key)
#define HAS(text, part)     CU_ASSERT_TRUE(rig_text_has(text, part))
#define HAS_NOT(text, part) CU_ASSERT_TRUE(has_not(text, part))

/* ---- Faults of the worker thread; n counts from 1, 0 = none ---- */

enum fault { NO_FAULT, FILE_FULL, FILE_DIES, ALLOC_FAILS };
void fault_at(enum fault fault, int n);
/* How many there were since. */
int fault_count(void);
extern int64_t wall_off;      /* added to the clock */
extern const char *max_bytes; /* option of the next start */
extern int forgets;           /* the gateway forgets revoked keys at its start */

#endif

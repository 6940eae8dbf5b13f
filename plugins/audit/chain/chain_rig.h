/*
 * chain_rig.h - what the tests of the audit log share: an instance in a folder of its own, a wall
 * clock that the test sets, a disk that is full or does not answer, requests and their answers.
 *
 * Link with --wrap=pwrite,--wrap=fdatasync.
 */
#ifndef CHAIN_RIG_H
#define CHAIN_RIG_H

#include "test.h"

#include <aiex/aiex_pack.h>
#include <aiex_fake_host.h>

#define NOON 1795262400000ll /* 2026-11-21 12:00:00 UTC */

extern struct aiex_fake_host *h;
extern const struct aiex_plugin *p;
extern void *self;
extern char dir[64];
extern int64_t now; /* what wall_ms() says */

/* A folder and an instance in it; rig_open() and rig_close() are a restart between them. */
void rig_begin(const struct aiex_fake_pair *pairs);
void rig_end(void);
void rig_open(const struct aiex_fake_pair *pairs);
void rig_close(void);
const char *rig_path(const char *name);

/* The disk: every write fails with this errno; 0 = it works. */
void disk_fails(int error);
/* fdatasync() does not return until this is called with 0. */
void disk_hangs(int hangs);
/* Waits until a thread is in fdatasync(). */
void disk_entered(void);
/* fdatasync() calls so far. */
unsigned disk_syncs(void);

/* Requests. Pairs of text; values that begin with '#' are numbers, "true" is bool, a key that
 * begins with '@' names bytes. Waits for the end and returns the id; send() does not wait. */
uint64_t send(const char *method, const char *const *pairs);
uint64_t ask(const char *method, const char *const *pairs);
#define SEND(method, ...) send(method, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})
#define ASK(method, ...)  ask(method, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})
/* Waits until the request is over. */
void wait_end(uint64_t id);
/* Lets `ms` pass in steps of the tick, with what threads post meanwhile. */
void pass(unsigned ms);
/* pass() until the request is over, at most 20 s of the fake clock. How long it took. What waits
 * for a thread is for wait_end(): the clock here runs ahead of a busy machine. */
unsigned pass_until(uint64_t id);
struct aiex_slice answer_of(uint64_t id);
const char *code_of(uint64_t id); /* "" = success, "open" */
const char *text_of(uint64_t id); /* of an error */
int64_t number(struct aiex_slice map, const char *key);
const char *text(struct aiex_slice map, const char *key); /* static memory; "?" */

/* n entries of type "file.read", one after the other or (n > 1) all at once; the last seq. */
int64_t put(unsigned n);
/* "where kind" of each fault that audit.verify tells, one per line, in static memory. */
const char *verify(void);
/* The same for the export, checked by the library. Also every line of it in *ret (free it). */
const char *check_export(const char *from, const char *to, char **ret);

#endif

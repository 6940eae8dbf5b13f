/*
 * gateway_rig.h - what the gateway's tests share: a gateway in the fake host, with a data folder
 * and a wall clock of its own, and the coordinator and ledger around it.
 */
#ifndef GATEWAY_RIG_H
#define GATEWAY_RIG_H

#include "gateway.h"
#include "test.h"

#include <aiex_fake_host.h>
#include <memory_store.h>

#define NOON INT64_C(1795262400000) /* 2026-11-21 12:00:00 UTC */

/* How the services around answer. Zero = a ledger that knows nothing, prices of 2 micro-dollars per
 * token, chats that stay open. */
struct rig_world {
    int ledger_silent, ledger_away; /* ledger.spent stays open; fails */
    int price_unknown, price_away, price_silent;
    int price_rates; /* the answer says the prices per million tokens, too */
    int64_t price;   /* per token; 0 = 2 */
    struct memory_store *store;
    struct aiex_slice spent; /* the answer of ledger.spent; empty = nothing was spent */
    /* what happens to a chat inside call() */
    enum { CHAT_OPEN, CHAT_OK, CHAT_SETTLE_OK, CHAT_ERROR, CHAT_ABSENT, CHAT_REFUSED } chat;
};

extern struct aiex_fake_host *h;
extern const struct aiex_plugin *p;
extern void *self;
extern struct rig_world world;
extern int64_t wall_ms;
extern char folder[64];

static inline struct gateway *gw(void)
{
    return self;
}

/* Starts with a fresh data folder; restart() keeps folder, world and wall clock. */
void begin(const struct aiex_fake_pair *pairs);
int try_restart(const struct aiex_fake_pair *pairs, struct aiex_error *err);
void restart(const struct aiex_fake_pair *pairs);
void stop(void);   /* without removing the folder */
void finish(void); /* stops, checks that nothing leaked, removes the folder */

/* A request whose map is made of name, type and value: "s" const char *, "i" int, "I" int64_t,
 * "b" int, "x" struct aiex_slice (bin), "r" struct aiex_slice (packed). NULL ends it. */
uint64_t ask(const char *method, ...);
/* The same by another instance than the control socket. */
uint64_t ask_as(const char *caller, const char *method, ...);
struct aiex_slice pack(void *mem, size_t size, ...);
int cast(const char *method, struct aiex_slice body);

/* The end of a request: ok() and failed() assert which it is. */
struct aiex_slice ok(uint64_t id);
struct aiex_slice failed(uint64_t id, const char *code);
uint32_t retry_after(uint64_t id);
int is_open(uint64_t id);
int64_t number(struct aiex_slice body, const char *key);
const char *text(struct aiex_slice body, const char *key); /* valid until the 8th call after */

/* A key with these limits (may be NULL); its secret, and its id in *ret_id. */
const char *make_key(const struct limits *limits, const char *user, char ret_id[16]);
/* A chat of that key (NULL = none) whose prompt counts as `input` tokens and asks for `output`. */
uint64_t chat(const char *key, int input, int output);
/* The n-th coordinator.chat that was made. */
const struct aiex_fake_record *made(size_t n);
int64_t ticket_of(size_t n);
/* The coordinator's record for the n-th chat. */
void settle(size_t n, int64_t cost, int64_t input, int64_t output);
void answer_ok(size_t n);
int64_t status(const char *key);
int64_t refused_by(const char *reason);

#endif

/*
 * coordinator_rig.h - service_coordinator through its descriptor. The fake host answers questions
 * to the host and to providers from a table; requests stay open until the test answers them.
 */
#ifndef COORDINATOR_RIG_H
#define COORDINATOR_RIG_H

#include "test.h"

#include <aiex/aiex_pack.h>
#include <aiex_fake_host.h>

#define NOTHING ((struct aiex_slice){NULL, 0})

extern struct aiex_fake_host *h;
extern const struct aiex_plugin *p;
extern void *self;

/* The world: providers as host.plugins, provider.health and provider.models tell them. */
extern struct world {
    struct {
        const char *name, *plugin;
        int healthy;
        const char *models[4]; /* none = unknown: complete false */
        const char *chat;      /* error code that answers a chat at once, inside call() */
    } providers[4];
    struct {             /* of all models of the provider with that index */
        const char *can; /* one capability */
        int64_t context;
        int loaded;
    } models[4];
    int silent; /* questions stay open */
    /* Calls and casts to others; 1 = it was for this one. May be NULL. */
    int (*other)(const struct aiex_fake_record *r, int *ret);
    int calls;
} world;

void begin(const struct aiex_fake_pair *pairs);
void finish(void);          /* and nothing was leaked */
void two_and_offline(void); /* two real ones (m1 both; m2 both) and the offline one */
struct aiex_slice plugins_answer(void);

struct ask {
    const char *method, *dialect, *model, *body, *session, *cache, *key, *tag, *beta;
    int unary, priority;
    int64_t ticket;
    uint32_t timeout_ms;
};
uint64_t ask(const struct ask *q);
uint64_t chat(const char *model);

/* The n-th call of provider.chat (embed, complete, count) that was made. */
const struct aiex_fake_record *made(size_t n);
int is(const struct aiex_fake_record *r, const char *key, const char *text);
int lacks(const struct aiex_fake_record *r, const char *key);
int64_t number(struct aiex_slice body, const char *key);
/* The n-th call went there with that model, and it was the last one. */
void went_to(size_t n, const char *provider, const char *model);

struct fault {
    const char *code, *reason, *text;
    uint32_t retry_after_ms;
    int http_status, started;
    int by_host; /* the provider said nothing */
};
void answer_fault(size_t n, const struct fault *f);
void answer_error(size_t n, const char *code,
                  const char *provider); /* provider NULL: by the host */
/* The same answer to all calls from the n-th on, until no other one comes; number of the last. */
size_t exhaust(size_t n, const struct fault *f);
void answer_part(size_t n, const char *part);
void answer_end(size_t n, int64_t input, int64_t output);
void answer_ok(size_t n); /* one part "part"; 10 tokens in, 3 out */

void ended_well(uint64_t id);

void failed(uint64_t id, const char *code);
/* One field of one provider in coordinator.status; -999 = no such field. */
int64_t status(const char *provider, const char *key);
/* The n-th usage record. */
const struct aiex_fake_record *record_of(size_t n);
size_t parts_of(uint64_t id, const char *text);
/* The provider of the n-th call casts what a cancelled call has cost. */
void bill(size_t n, int64_t input, int64_t output);

#endif

/*
 * flight.h - requests that were admitted, from admission until they are settled.
 *
 * A flight is taken from blocks that are kept for ever, so that a request allocates nothing. Its
 * ticket names it in the usage record that the coordinator sends: an epoch that differs between
 * incarnations of this plugin, a generation that differs between uses of the slot, and the slot.
 *
 *     FREE -> BEGUN -> RUNNING -> ENDED -> FREE      the record came before or after the end
 *                                 ENDED -> GHOST     it did not come in settle_grace: settled by
 *                                                    estimate; a late record still corrects it
 *                                 GHOST -> FREE      the oldest, when slots or ghosts run out
 *
 * Thread rule: loop thread. Ownership: a flight is its maker's until flight_release().
 */
#ifndef GATEWAY_FLIGHT_H
#define GATEWAY_FLIGHT_H

#include "price.h"
#include "ask.h"
#include "content.h"
#include "keys.h"

#define FLIGHTS_PER_BLOCK 64u
#define MAX_FLIGHTS       65536u
#define MAX_GHOSTS        1024u

struct gateway;
struct job;

enum flight_state { FLIGHT_FREE, FLIGHT_BEGUN, FLIGHT_RUNNING, FLIGHT_ENDED, FLIGHT_GHOST };

struct flight {
    struct map_node by_request; /* while `id` is not 0 */
    struct gateway *gateway;
    struct flight *next, *prev; /* free list; or those that wait for their record, oldest first */
    enum flight_state state;
    uint32_t slot, generation;
    uint64_t id, trace, call; /* call 0 = none, UINT64_MAX = call() has not returned */
    uint32_t timeout_ms;
    struct job *job; /* asynchronous: gets parts and end; NULL = request `id` does */
    struct key *key;
    struct account *accounts[N_SCOPES]; /* as they were at admission */
    struct use reserved, counted;       /* counted: by estimate, for a late record */
    int64_t input, output;              /* estimated; after the end what it said */
    int64_t begun_wall_ms;
    uint64_t settle_by_ms;
    uint8_t admitted, settled, in_place, waiting; /* waiting: in the list for records */
    uint8_t pricing, priced, price_known;
    uint8_t tokens_known, nothing_used, forwarded;
    uint8_t calling, over; /* callbacks may come inside call() */
    uint8_t filtered;      /* a list of models that this key may see only a part of */
    int64_t price;
    struct price_rates rates; /* that came with it */
    const char *method;
    struct content *content; /* hashes for its record; NULL = none are promised */
    uint8_t *message;        /* copy of the request, while its price is being asked for */
    size_t message_len;
    uint8_t dialect_len;
    uint8_t dialect[MAX_DIALECT];
};

struct flights {
    const struct aiex_host *host;
    struct flight *blocks[MAX_FLIGHTS / FLIGHTS_PER_BLOCK];
    uint32_t n_slots, n_used, n_ghosts;
    uint32_t epoch;
    struct flight *free;
    struct flight *waiting, *waiting_last; /* ENDED, without record */
    struct flight *ghosts, *ghosts_last;   /* oldest first */
    struct map by_request;
    uint64_t timer; /* runs while something waits */
    int64_t in_flight, reserved;
};

int flights_init(struct flights *f, const struct aiex_host *host); /* 0, -ENOMEM, -EIO */
void flights_done(struct flights *f);
/* A flight in state BEGUN, all else zero. NULL: no memory, or MAX_FLIGHTS are in use. */
struct flight *flight_new(struct gateway *g, struct flights *all, uint64_t request);
/* Frees what it holds and the slot. */
void flight_release(struct flights *all, struct flight *f);
/* Request `id` is answered or gone; the flight goes on without it. */
void flight_forget_request(struct flights *all, struct flight *f);
struct flight *flight_of_request(const struct flights *all, uint64_t id);
int64_t flight_ticket(const struct flights *all, const struct flight *f);
/* The flight of a ticket, settled or not. NULL: *ret_foreign tells a ticket of another incarnation
 * from one of ours that is used up. */
struct flight *flight_of_ticket(const struct flights *all, int64_t ticket, int *ret_foreign);
/* Into and out of the list of those that wait for their record. */
void flight_wait(struct flights *all, struct flight *f);
void flight_unwait(struct flights *all, struct flight *f);
/* From ENDED to GHOST; the oldest ghost is freed when there are too many. */
void flight_haunt(struct flights *all, struct flight *f);

#endif

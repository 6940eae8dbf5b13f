/*
 * record.h - the usage record of a request, and the account that makes it possible.
 *
 * The account is what is known when a request begins: who, what, for whom. It is packed once, goes
 * to the provider as its opaque `account`, and comes back with the bill of a cancelled call. The
 * record (sdk/kinds/service.md "Usage record") is the account and the outcome together. So a
 * record can be made from the account alone, by a coordinator that was restarted meanwhile. Pure:
 * bytes in, bytes out.
 */
#ifndef COORDINATOR_RECORD_H
#define COORDINATOR_RECORD_H

#include "price.h"
#include "text.h"

#include <aiex/aiex_pack.h>

#define ACCOUNT_MAX 4096u  /* provider.md */
#define RECORD_MAX  16000u /* a cast is one record of the ring */

/* Why a provider was chosen, and why another was not. */
enum why {
    WHY_NAMED,
    WHY_SOLE,
    WHY_ORDER,
    WHY_WEIGHT,
    WHY_TURN,
    WHY_LOAD,
    WHY_COST,
    WHY_LATENCY,
    WHY_LOCAL,
    WHY_WARM,
    WHY_AGAIN,
    WHY_HEDGE,
    WHY_OFFLINE,
    WHY_REPAIR,
    WHY_CAPABLE,
    N_WHY,
};
enum why_not {
    NOT_SKIPPED,
    NOT_HEALTHY,
    NOT_BREAKER,
    NOT_LIMITS,
    NOT_KEY,
    NOT_CAPABLE,
    NOT_CONTEXT,
    NOT_AGAIN,
    NOT_METHOD,
    N_WHY_NOT,
};

struct usage {
    int64_t input, output, cached, cache_write, reasoning; /* < 0 = not said */
    int estimated;
};

/* What an end, an error or a bill says, found in one walk. Absent numbers are -1, texts empty. */
struct facts {
    struct usage usage;
    int64_t first_ms, left_requests, left_tokens, reset_ms, http_status;
    int offline, started; /* started: -1 = not said */
    struct aiex_slice finish, model, reason;
};
void facts_read(struct aiex_slice body, struct facts *ret);

/* One call to a provider. Texts are borrowed except `text`. */
struct
try {
    const char *provider, *model, *fallback; /* fallback: reason that led here, or NULL */
    const char *code;                        /* "" = good, NULL = runs */
    char reason[20];
    char *text;
    enum why why;
    enum why_not why_not;
    const char *skipped; /* provider that came first and was passed over, or NULL */
    unsigned n;          /* how many there were */
    uint32_t at_ms, ms, first_ms;
    struct usage usage;
    int64_t cost;
    enum price_kind price;
    int awaits_bill; /* was cancelled */
    int blamed;      /* its failure counted for the breaker */
};

struct outcome {
    const char *alias, *strategy;             /* "" = none */
    const char *provider, *model;             /* who answered, or failed last */
    const char *code, *finish, *cached, *why; /* why NULL = that of the last try */
    char vendor_model[256];
    char finish_text[16];
    int http_status, offline;
    struct usage usage;
    int64_t first_ms, total_ms, cost;
    enum price_kind price;
};

struct account {
    uint64_t id, serial, cell; /* trace; number of the route; life of the coordinator */
    int64_t time_ms, ticket;
    const char *settle, *operation, *asked, *alias, *strategy;
    struct aiex_slice principal, tags, interface, dialect; /* as msgpack values; may be empty */
    int stream;
    int64_t prompt;
};

/* Writes the account: a map with the coordinator's own, packed, under its first key "_", then what
 * goes into the record as it stands. What does not fit in ACCOUNT_MAX (tags, then the principal) is
 * left out.
 */
void account_write(struct aiex_writer *w, const struct account *a);

/* The coordinator's own part of an account, or an empty slice. */
struct aiex_slice account_own(struct aiex_slice account);

/* Writes the record: no fields that would be empty, 0 or false, where that is what absence means.
 * Attempts are left out, oldest last, when it would be too large. */
void record_write(struct aiex_writer *w, uint64_t trace, struct aiex_slice account,
                  const struct outcome *o, const struct try *tries, unsigned n_tries);

/* "first in order of 3 that fit; provider_x was passed over: its breaker is open" */
void record_why(const struct try *t, char *out, size_t size);

#endif

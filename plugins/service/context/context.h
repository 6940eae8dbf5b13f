/*
 * context.h - the parts of the context service.
 *
 * A context is an entry: what a session, an analysis or an interaction with a model left behind
 * for later, with its kind, session, project, path and the hash of what it was made from. Entries
 * live in tables of the store:
 *
 *     context_entry     id              -> what is known about it (row.c), indexes for lists
 *     context_text      doc             -> {content, meta}
 *     context_words     doc             -> its distinct words, so that they can be taken away
 *     context_posting   word 0 doc      -> how often: the inverted index
 *     context_relation  f|r id 0 type 0 id -> who is related, both ways
 *     context_dead      doc             -> what the sweeper has to take away
 *     context_meta      "owner"         -> the epoch of who writes
 *     llm_interaction   time id ticket  -> a usage record
 *
 * Each content gets a random number, its `doc`, which is never used again: what is kept under it
 * never changes, in the tiers as well, so nothing has to be invalidated. A put is one transaction
 * that makes entry, text, words and postings visible; of an entry with more than INLINE_WORDS words
 * the postings go ahead in transactions of their own, which nobody sees because no entry has their
 * doc. What is replaced or deleted is written down as dead in the same transaction, and its
 * postings are taken away later, in slices. So a crash at any moment leaves whole entries and
 * perhaps something for the sweeper.
 *
 * In memory are a few dozen bytes of each entry (index.h): what a search needs to tell live from
 * dead and to rank. It is made from the table at the start. That it stays true is the epoch's work:
 * an older owner's write is refused by the store.
 *
 *     words.c fold.c stem.c  text to words   index.c  entries by id and by doc
 *     ask.c      what is asked of the store  boot.c   tables, epoch, index
 *     work.c     a request's life        row.c     an entry as a row and as callers see it
 *     put.c  remove.c  get.c  list.c  fresh.c     relate.c  related.c
 *     search.c   postings of a query     rank.c    BM25
 *     query.c    its words and terms       snippet.c  why a text was found
 *     sweep.c    what is over or dead    fetch.c   contents, once for all who wait
 *     tiers.c    who they are, get       balance.c what moves between them
 *     interactions.c interaction_list.c  requests to models, from the ledger
 *     stats.c    numbers
 *
 * Everything happens on the loop thread. A call may be answered before call() returns, so whatever
 * starts one does it last.
 */
#ifndef CONTEXT_H
#define CONTEXT_H

#include "index.h"
#include "words.h"

#include <aiex_ask.h>
#include <aiex_service.h>

#define MAX_ID         128u
#define MAX_KIND       32u
#define MAX_KINDS      64u
#define MAX_NAME       128u /* session, project */
#define MAX_PATH       512u
#define MAX_TITLE      256u
#define MAX_HASH       128u
#define MAX_CONTENT    (1u << 20)
#define MAX_META       (16u << 10)
#define MAX_TYPE       64u /* of a relation */
#define MAX_QUERY      1024u
#define MAX_HITS       100
#define MAX_PAGE       200
#define MAX_RELATED    200
#define MAX_DEPTH      4
#define MAX_OUT        256 /* relations that begin at one entry */
#define MAX_WORKS      1024u
#define MAX_WORK_BYTES (64u << 20)
#define INLINE_WORDS   900u /* postings in one transaction; a store takes 1000 operations */
#define MAX_TIERS      8u

struct config {
    int64_t max_entries, max_bytes, max_words, max_postings, ttl, sweep, store_wait;
    int64_t balance, promote_uses, level;
    int64_t interactions, interactions_keep;
    const char *store, *tiers;
};

int64_t wall_ms(void); /* clock.c */

struct context;
struct work;

/* ---- ask.c ---- */

/* Asks the store for `store_wait`, see aiex_ask.h; a->owner is the struct context. */
void ask_by(struct aiex_ask *a, const char *method, aiex_write_fn write, const void *arg);
/* A `store.get` of a row; the key of a doc. */
void ask_row(struct aiex_ask *a, const char *table, const void *key, size_t len);

/* A `store.range`, for ask_by(); empty slices = no bound. */
struct range {
    const char *table, *index; /* NULL = by key */
    struct aiex_slice from, to, token;
    int64_t from_int, to_int; /* bounds of an index of numbers when `ints` */
    int ints, backwards, limit;
};
void write_range(struct aiex_writer *w, const void *range);
struct row_seen {
    struct aiex_slice key, value;
    int64_t version;
};
/* Calls fn for each row of a part of a range. */
void rows_each(struct aiex_slice part, void (*fn)(void *arg, const struct row_seen *row),
               void *arg);

/* ---- Transactions ---- */

/* The head of a `store.transact` with owner, epoch, level and, when it has one, an id. */
struct transact {
    const struct context *c;
    char id[64];
};
void transact_id(struct context *c, struct transact *t);
/* Writes the map's head and what is common; conditions and operations must follow, as said. */
void write_transact(struct aiex_writer *w, const struct transact *t, uint32_t conditions);
void write_condition(struct aiex_writer *w, const char *table, const void *key, size_t len,
                     int64_t version);
void write_operations(struct aiex_writer *w, uint32_t n);
/* The head of a put: its value must follow as bin. */
void write_put(struct aiex_writer *w, const char *table, const void *key, size_t len);
void write_delete(struct aiex_writer *w, const char *table, const void *key, size_t len);
/* 1 = refused because an older epoch wrote: this instance is fenced from now on. */
int look_fenced(struct context *c, const struct aiex_answer *end);
void doc_key(int64_t doc, uint8_t out[8]);

/* ---- row.c ---- */

struct row {
    char id[MAX_ID + 1], kind[MAX_KIND + 1], session[MAX_NAME + 1], project[MAX_NAME + 1];
    char path[MAX_PATH + 1], title[MAX_TITLE + 1], hash[MAX_HASH + 1];
    int64_t doc, born, created, updated, expires; /* wall ms; expires 0 = never */
    int64_t rank; /* order of changes: unique, 1024 to the millisecond */
    int64_t length, words, bytes;
    int64_t version; /* of the row; not in it */
    int cut;
};

void row_write(struct aiex_writer *w, const struct row *row);
/* 0, -EBADMSG. */
int row_read(struct aiex_slice value, int64_t version, struct row *ret);
/* As callers see it: a map's pairs, ROW_SHOWN of them. */
#define ROW_SHOWN 13u
void row_show(struct aiex_writer *w, const struct row *row);
int row_is_over(const struct row *row);
/* Keys of the indexes: the bounds of all that have this name. */
#define MAX_ORDER (MAX_NAME + MAX_PATH + 24u)
size_t order_key(char out[MAX_ORDER], const char *name, int64_t rank);
size_t path_key(char out[MAX_ORDER], const char *project, const char *path);

/* ---- boot.c ---- */

enum phase { LOADING, READY, FENCED };

struct boot {
    struct aiex_ask ask;
    unsigned step;
    uint64_t timer;
    int64_t epoch, owner_version, holder; /* holder: a random number of this life */
    uint8_t *token;
    size_t token_len;
    int is_end, no_memory;
    char trouble[320];
};

void boot_start(struct context *c);
void boot_stop(struct context *c);

/* ---- work.c ---- */

typedef void (*work_fn)(struct work *w);

/* One request, or what the sweeper does in the manner of one (id 0). */
struct work {
    struct context *c;
    struct work *prev, *next; /* all */
    struct work *lane_next;   /* who writes the same entry afterwards */
    struct work *flight_next; /* who waits for the same content */
    struct entry *entry;      /* in whose lane it is */
    struct flight *flight;
    void (*found)(struct work *w, struct aiex_slice text);
    work_fn run;
    void (*done)(struct work *w); /* frees what it has besides; or NULL */
    uint64_t id, trace, since;
    struct aiex_slice body; /* a copy */
    struct aiex_ask ask;
    int started, internal;
    union {
        void *state; /* one allocation, freed with it */
        struct put *put;
        struct removal *removal;
        struct get *get;
        struct listing *list;
        struct relate *relate;
        struct walk *walk;
        struct search *search;
        struct interaction_list *interactions;
    };
};

/* A request: copied, and run as soon as the service is ready. `state_bytes` of zeroed memory come
 * along. Answers `busy` when there are too many. NULL: it was refused. */
struct work *work_new(struct context *c, const struct aiex_message *m, size_t state_bytes);
void work_go(struct work *w, work_fn run);
/* The same for the sweeper; NULL: no memory. */
struct work *work_inside(struct context *c, size_t state_bytes);
/* Ends. The work is gone afterwards. */
void work_reply(struct work *w, aiex_write_fn write, const void *arg);
void work_fail(struct work *w, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* What the store said, in the words of a caller of this service. */
void work_store_failed(struct work *w, const struct aiex_answer *end, const char *doing);
void work_end(struct work *w);
/* Writes the entry when those before it have ended; `run` may come before it returns. */
void work_enter(struct work *w, struct entry *e, work_fn run);
void work_ask(struct work *w, const char *method, aiex_write_fn write, const void *arg,
              void (*end)(struct aiex_ask *a, const struct aiex_answer *end));
/* As work_ask() for a transaction: an unknown outcome is told to the caller, and asked on. */
void work_write(struct work *w, aiex_write_fn write, const void *arg,
                void (*end)(struct aiex_ask *a, const struct aiex_answer *end));
void works_begin(struct context *c); /* those that waited for READY */
void works_cancel(struct context *c, uint64_t id);
void works_look(struct context *c);                    /* those that wait too long */
void works_refuse(struct context *c, const char *why); /* those that have not begun */
void works_drain(struct context *c);                   /* what has no end to wait for */
void works_stop(struct context *c);

/* ---- Fields of requests: each 0, or -EINVAL with a reason ---- */

int field_text(struct aiex_slice body, const char *key, char *out, size_t size, int required,
               struct aiex_error *err);
int field_number(struct aiex_slice body, const char *key, int64_t min, int64_t max, int64_t *out,
                 struct aiex_error *err);

/* ---- sweep.c ---- */

struct sweep {
    struct aiex_ask ask;
    struct transact transact;
    int running, again;
    int64_t doc; /* what is being taken away */
    char id[MAX_ID + 1];
    int64_t born;
    int gone;
    uint8_t *words; /* packed: length, bytes, ... */
    size_t words_len, words_at;
    uint8_t from[9]; /* where in the table of the dead it goes on */
    size_t from_len;
    unsigned way;    /* of relations: f, r */
    uint8_t at[520]; /* where among them it goes on */
    size_t at_len;
    uint8_t *keys; /* of relations to be taken away: length (2 bytes), key, ... */
    size_t keys_len, keys_cap;
    unsigned n_keys;
    int no_memory, more;
    uint64_t cleaned, expired;
    int expiring; /* deletes of expired entries that are under way */
    struct aiex_ask over;
};

void sweep_soon(struct context *c); /* something died */
void sweep_tick(struct context *c); /* look for what is over */
void sweep_stop(struct context *c);

/* ---- tiers.c, fetch.c, balance.c ---- */

enum level { HOT, WARM, COLD, STORE, N_LEVELS };
extern const char *const level_names[N_LEVELS];

struct tier {
    char name[AIEX_MAX_NAME + 1];
    enum level level;
    int known, present; /* known: it has said its level */
    uint64_t paused;    /* until then it is not asked: it failed */
    int64_t bytes, max_bytes;
};

/* A call to a tier, ended by one callback unless tier_stop() came first. */
struct tier_ask {
    struct context *c;
    struct tier *tier;
    uint64_t call;
    void (*end)(struct tier_ask *a, const struct aiex_answer *end);
    int *over;
    int active;
};
void tier_ask(struct tier_ask *a, struct tier *t, const char *method, aiex_write_fn write,
              const void *arg);
void tier_stop(struct tier_ask *a);
/* The next usable tier behind `after` (NULL = the first), from the hottest on. */
struct tier *tier_next(struct context *c, const struct tier *after);
void tiers_begin(struct context *c);
void tiers_tick(struct context *c);
void tiers_stop(struct context *c);
/* The key of a doc in all tiers. */
#define TIER_KEY 16u
void tier_key(int64_t doc, uint8_t out[TIER_KEY]);
/* Puts a content into a tier, or takes it away from all of them; nobody waits. */
void tier_put(struct context *c, struct tier *t, int64_t doc, struct aiex_slice value,
              int64_t expires);
void tiers_forget(struct context *c, int64_t doc);

/* The content of a doc, read once for all works that want it: `found` is called with a text that is
 * valid inside of it (data NULL: there is none), or the work has failed. */
void fetch(struct work *w, int64_t doc, int64_t expires,
           void (*found)(struct work *w, struct aiex_slice text));
void fetch_leave(struct work *w);
void flights_stop(struct context *c); /* after all works */

struct move {
    struct tier_ask ask;
    unsigned step;
    int running;
    struct tier *from, *to;
    struct candidate {
        int64_t doc, uses;
    } all[32];
    unsigned n, at;
    int demote;
    uint8_t *value;
    size_t value_len;
    int64_t uses, ttl_ms;
    uint64_t promoted, demoted;
};

void balance_tick(struct context *c);
void balance_stop(struct context *c);

/* ---- interactions.c ---- */

#define INTERACTION_TABLE "llm_interaction"

struct interactions {
    struct aiex_ask ask; /* of the store, one at a time */
    struct transact transact;
    uint64_t call;              /* ledger.tail; 0 = none */
    int ready, trouble, silent; /* table and position are known; said in the log */
    uint8_t *rows;
    size_t len, cap;
    unsigned n, n_sent;
    int64_t end, begun; /* wall ms: written up to there; before that it was when the tail began */
    struct {
        size_t len;
        uint8_t key[64];
    } * old;
    unsigned n_old;
    uint64_t written, pruned, missed, failures;
};

void interactions_tick(struct context *c);
void interactions_prune(struct context *c);
void interactions_stop(struct context *c);

/* ---- All of it ---- */

struct context {
    const struct aiex_host *host;
    const struct config *config;
    enum phase phase;
    int64_t epoch, last_rank;
    uint64_t transactions;
    struct index index;
    struct boot boot;
    struct work *first; /* works */
    size_t n_works, work_bytes;
    struct sweep sweep;
    struct flight *flights;
    struct tier tiers[MAX_TIERS];
    unsigned n_tiers;
    struct tier_ask members; /* host.plugins, then tier.stats of each */
    unsigned asking;
    struct move move;
    struct interactions interactions;
    char kinds[MAX_KINDS][MAX_KIND + 1];
    uint64_t kind_count[MAX_KINDS];
    unsigned n_kinds;
    int64_t bytes;
    uint64_t tick_timer, ticks;
    void (*drained)(void *arg);
    void *drained_arg;
    int draining;
    struct {
        uint64_t puts, refreshes, replaces, deletes, searches, partial, lists, relates, walks;
        unsigned searching;
        uint64_t fresh, stale, shared; /* shared: waited for somebody else's fetch */
        uint64_t hits[N_LEVELS], tier_misses[N_LEVELS], misses, failed;
    } count;
};

/* ---- rank.c: BM25 (Robertson, Zaragoza 2009), k1 1.2, b 0.75 ---- */

/* What a word is worth that `df` of n texts have. */
double rank_weight(uint64_t n, uint64_t df);
/* What `tf` of them in a text of `length` words add, where `average` is usual. */
double rank_term(double weight, double tf, uint32_t length, double average);

/* The number of a kind, made when it is new; -ENOSPC. */
int kind_number(struct context *c, const char *kind);
int64_t next_rank(struct context *c);
/* Takes a row that is now in the store into the memory. 0, -ENOMEM (nothing has changed). */
void entry_take(struct context *c, struct entry *e, const struct row *row);
void entry_drop(struct context *c, struct entry *e);
/* 1 = callers may see it now. */
int entry_is_live(const struct entry *e);

/* 1 = a put that runs has written postings of this doc ahead. */
int put_is_staging(const struct context *c, int64_t doc);

int put_take(void *self, const struct aiex_message *m);
int delete_take(void *self, const struct aiex_message *m);
int get_take(void *self, const struct aiex_message *m);
int list_take(void *self, const struct aiex_message *m);
int fresh_take(void *self, const struct aiex_message *m);
int relate_take(void *self, const struct aiex_message *m);
int unrelate_take(void *self, const struct aiex_message *m);
int related_take(void *self, const struct aiex_message *m);
int search_take(void *self, const struct aiex_message *m);
int interactions_take(void *self, const struct aiex_message *m);
int stats_take(void *self, const struct aiex_message *m);
int metrics_take(void *self, const struct aiex_message *m);
int health_take(void *self, const struct aiex_message *m);

/* For the sweeper: deletes the entry if it is over when its turn comes. */
void remove_over(struct context *c, struct entry *e);

#endif

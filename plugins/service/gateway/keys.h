/*
 * keys.h - who may come in: API keys, and the users, teams and projects that they belong to, with
 * their limits. In memory for every request, in the journal for the next start.
 *
 * A key_record is the whole of a key as plain data. It is what the journal holds, and every change
 * is made the same way: a record is filled from the key, changed, written (keys_write()), and only
 * then applied. Reading the journal applies the same records in order.
 *
 * Keys and accounts are never freed before the end, so that a request in flight may point at
 * them. Those that were revoked longer ago than `keep_revoked` are dropped at the next start.
 * Thread rule: loop thread.
 */
#ifndef GATEWAY_KEYS_H
#define GATEWAY_KEYS_H

#include "account.h"
#include "journal.h"

#define MAX_KEYS     100000u
#define MAX_ACCOUNTS 100000u
#define MAX_LABEL    63u   /* bytes of a user, team, project or a key's name */
#define MAX_PATTERNS 4096u /* bytes of all model patterns of a key */
#define KEY_ID       12u   /* hex digits */

enum role { ROLE_ADMIN, ROLE_USER, ROLE_VIEWER, N_ROLES };
extern const char *const role_names[N_ROLES];
extern const char *const scope_names[N_SCOPES];

enum permission { MAY_CHAT, MAY_MODELS, MAY_USAGE, MAY_ADMIN, N_PERMISSIONS };
extern const char *const permission_names[N_PERMISSIONS];
int role_may(enum role role, enum permission permission);

/* A number by its name, -1 for an unknown one. */
int name_index(const char *const *names, size_t n, struct aiex_slice name);

struct key_record {
    char id[KEY_ID + 1], prefix[SECRET_PREFIX + 1];
    char name[MAX_LABEL + 1], label[N_SCOPES][MAX_LABEL + 1]; /* label[SCOPE_USER ...] */
    int64_t role;
    struct limits limits;
    int64_t created, expires, revoked; /* wall ms, 0 = never */
    uint8_t hash[SECRET_HASH], old_hash[SECRET_HASH];
    int64_t old_until;         /* the old secret goes on until then; 0 = there is none */
    char models[MAX_PATTERNS]; /* patterns, each 0-terminated */
    int64_t models_len;
};

struct key;

struct secret {
    struct map_node node;
    uint8_t hash[SECRET_HASH];
    struct key *key;
    int in_map;
};

struct key {
    struct map_node by_id;
    struct key *next; /* in the order of creation */
    struct account account;
    struct account *shared[N_SCOPES]; /* SCOPE_USER ...; NULL where there is none */
    char prefix[SECRET_PREFIX + 1], name[MAX_LABEL + 1];
    enum role role;
    int64_t created, expires, revoked, old_until, last_used;
    struct secret now, old;
    char *models; /* patterns, each 0-terminated; NULL = all */
    size_t models_len;
    uint8_t *principal; /* packed map, made once for all requests */
    size_t principal_len;
};

/* Secrets that were found a moment ago; emptied whenever one is added or removed. */
struct known_secret {
    uint8_t mark[SECRET_MARK];
    struct secret *secret; /* NULL: a free place */
};

#define KNOWN_SECRETS 64u

/* What the store's streams are known to say. */
enum { STREAM_KEYS, STREAM_LIMITS, N_STREAMS };
struct position {
    int64_t version;
    char event[65];
};

struct keys {
    const struct aiex_host *host;
    struct position position[N_STREAMS]; /* keys_cache.c; all 0 without a store */
    int cached;                          /* with a store: the file is a cache */
    int was_cache;                       /* it was one already when it was read */
    int is_whole;                        /* ... and everything it was written with is there */
    int stale;                           /* it could not be written and is to be written anew */
    uint8_t mark_key[SECRET_MARK];
    struct known_secret known[KNOWN_SECRETS];
    struct journal journal;
    struct map by_secret, by_id, accounts;
    struct key *first, **last;
    struct key *local, *open; /* who needs no key; not in the maps */
    size_t live;              /* records that a compacted journal would hold */
    int demanded;             /* a key was made once: none may come without from then on */
    int64_t drop_before;      /* while loading: keys revoked before this are left out */
};

/* 0, or a negative errno and a reason. `now_ms` is wall time. */
int keys_open(struct keys *k, const struct aiex_host *host, int64_t now_ms, int64_t keep_revoked_ms,
              int cached, struct aiex_error *err);
void keys_close(struct keys *k); /* also after a failed keys_open() */

/* The key that a credential belongs to, valid or not; NULL = unknown. *ret_old says that it is the
 * secret before the last rotation. */
struct key *keys_find(struct keys *k, struct aiex_slice credential, int *ret_old);
/* Why a key is not good now: "revoked", "expired", "rotated"; NULL = it is good. */
const char *keys_refusal(const struct key *key, int old, int64_t now_ms);
struct key *keys_by_id(struct keys *k, struct aiex_slice id);
int key_may_use(const struct key *key, struct aiex_slice model);
struct account *keys_account(struct keys *k, enum scope scope, struct aiex_slice name);
/* Account i of a key: itself, then those that it shares; NULL where there is none. */
static inline struct account *key_account(struct key *key, int scope)
{
    return scope == SCOPE_KEY ? &key->account : key->shared[scope];
}

/* Reads what another process has written meanwhile, if it has. 0, or negative and a reason. */
int keys_refresh(struct keys *k, struct aiex_error *err);

/* ---- keys_write.c: changes ---- */

void key_record_of(const struct key *key, struct key_record *ret);
/* Writes the record to the journal and applies it. 0 and *ret_key (may be NULL), or -ENOSPC,
 * -EROFS, -ENOMEM ... and a reason, and nothing has changed. */
int keys_write(struct keys *k, const struct key_record *r, struct key **ret_key,
               struct aiex_error *err);
/* The limits of a user, team or project: the same. */
int keys_write_limits(struct keys *k, enum scope scope, struct aiex_slice name,
                      const struct limits *limits, struct aiex_error *err);

int limits_are_set(const struct limits *l);
/* What differs, for people: "rpm 60 -> 10, tpm 0 -> 5". Cut at `size`. */
void limits_differ(const struct limits *now, const struct limits *then, char *out, size_t size);
/* Writes the whole file anew. 0, or a reason. */
int keys_compact(struct keys *k, struct aiex_error *err);
int keys_should_compact(const struct keys *k);

/* ---- keys_cache.c: with a store ---- */

/* An event was applied: into the file. What fails is made up for by keys_cache_anew(). */
void keys_cache_key(struct keys *k, const struct key_record *r);
void keys_cache_limits(struct keys *k, enum scope scope, struct aiex_slice name,
                       const struct limits *limits);
void keys_cache_anew(struct keys *k);
/* Record `n` of those that say what the file is, for compaction: empty = no more. */
struct aiex_slice keys_cache_mark(void *mem, size_t size);
struct aiex_slice keys_cache_position(const struct keys *k, int stream, void *mem, size_t size);
/* A record of the file, to learn from where to read on. 1: it says nothing else. */
int keys_cache_take(struct keys *k, struct aiex_slice type, struct aiex_slice record);

/* ---- keys_record.c: records as msgpack maps ---- */

/* Overwrites what `body` has of the fields of a key that people may set. NULL, or a sentence. */
const char *key_record_read(struct aiex_slice body, struct key_record *r);
const char *limits_read(struct aiex_slice body, struct limits *l);
struct aiex_writer;
void limits_write(struct aiex_writer *w, const struct limits *l); /* LIMIT_FIELDS pairs */
#define LIMIT_FIELDS 6u

/* Where a record is written to: nothing set = the journal. */
struct record_note {
    const char *by, *caller; /* an event: who wanted it, through which instance */
    int64_t at;              /* the cache: version and id of the event that said so */
    const char *event;
};

/* At most JOURNAL_MAX_RECORD bytes. `note` may be NULL. */
struct aiex_slice key_record_pack(const struct key_record *r, const struct record_note *note,
                                  void *mem, size_t size);
struct aiex_slice limits_record_pack(enum scope scope, struct aiex_slice name,
                                     const struct limits *limits, const struct record_note *note,
                                     void *mem, size_t size);
/* 0, -EINVAL. *ret_scope is never SCOPE_KEY. */
int limits_record_unpack(struct aiex_slice record, enum scope *ret_scope,
                         struct aiex_slice *ret_name, struct limits *ret);
int key_record_unpack(struct aiex_slice record, struct key_record *r); /* 0, -EINVAL */

/* ---- keys_load.c: records into memory ---- */

/* Everything that applying a record needs, so that it happens whole or not at all. */
struct key_parts {
    struct key *key; /* new, or the one that is changed */
    int fresh;
    char *models;
    uint8_t *principal;
    size_t principal_len;
    struct account *shared[N_SCOPES];
};

/* 0, -ENOMEM, -ENOSPC (too many). Then either commit, which can not fail, or abandon. */
int keys_prepare(struct keys *k, const struct key_record *r, struct key_parts *ret);
struct key *keys_commit(struct keys *k, const struct key_record *r, struct key_parts *p);
void keys_abandon(struct keys *k, struct key_parts *p);
int keys_apply_limits(struct keys *k, enum scope scope, struct aiex_slice name,
                      const struct limits *limits);
int keys_take(void *arg, struct aiex_slice record); /* one record of the journal */
struct account *keys_account_at(struct keys *k, enum scope scope, struct aiex_slice name);

#endif

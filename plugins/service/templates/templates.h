/*
 * templates.h - the parts of the templates service.
 *
 *     table.c      names, owners and versions in memory
 *     store.c      ... in one record log
 *     stored.h     ... as events of a store, where there is one: stored.c, stored_import.c
 *     kept.c       requests that wait for that store
 *     restore.h    templates as a checkpoint has them
 *     builtin.c    the templates that come with Aiex, as a table
 *     syntax.c     the language          variables.c  declared variables and their values
 *     methods.c    list, show, put, remove, render
 *
 * A template belongs to the system (user "") or to one user; a version never changes. What is
 * built in is version 1 of the system's template of that name; stored ones begin behind it.
 * Removing a name hides its versions, and its numbers are not used again; a restore brings them
 * back.
 */
#ifndef TEMPLATES_H
#define TEMPLATES_H

#include "variables.h"

#include <aiex_record_log.h>
#include <aiex_service.h>

#define MAX_NAME      63u
#define MAX_USER      128u
#define MAX_TEMPLATES 8192u

struct config {
    const char *store;
    int64_t max_bytes, max_versions, store_wait;
};

/* One version: the map that was put, as it stands in the log. */
struct version {
    int64_t number;
    size_t len;
    uint8_t record[];
};

struct template
{
    char name[MAX_NAME + 1];
    char user[MAX_USER + 1];   /* "" = the system's */
    struct version **versions; /* by number; none = removed */
    size_t n, cap;
    int64_t last; /* highest number that was ever used */
};

struct table {
    struct template **all; /* by name, then user */
    size_t n, cap;
    size_t bytes; /* of all versions */
};

/* How much of the store's stream is in a table. */
struct position {
    int64_t version; /* 0 = not known */
    char event[65];
};

struct aiex_fold;
struct kept;
struct restoring;

struct templates {
    const struct aiex_host *host;
    const struct config *config;
    struct aiex_rlog log;
    struct table table;
    uint64_t holes;
    int is_open;   /* the log has been read */
    int was_cache; /* it was, when it was read */
    int stale;     /* it could not be written, and is to be written anew */
    /* with a store */
    struct position position; /* of `table` while complete, else of `fresh` */
    struct aiex_fold *fold;
    int is_live;     /* the stream was read once in this life */
    int is_complete; /* `table` is what the stream says; else it is compared with `fresh` */
    int is_importing;
    int was_stored; /* what is here came from the stream */
    struct table fresh;
    struct kept *kept, **last_kept;
    size_t n_kept, kept_bytes;
    struct restoring *restoring; /* restore.c: what was then; NULL = nothing */
    uint64_t timer;
    int looked;
    void (*drained)(void *arg);
    void *drained_arg;
};

/* ---- builtin.c ---- */

struct builtin {
    const char *name, *description;
    struct {
        const char *name, *type, *def; /* def NULL = required */
        const char *choices;           /* comma separated, for choice */
    } variables[6];
    const char *text;
};

extern const struct builtin builtins[];
const struct builtin *builtin_find(const char *name);
/* The same map as a stored version has: name, version 1, text, variables, description. */
void builtin_write(struct aiex_writer *w, const void *builtin);

/* ---- table.c ---- */

/* The entry (perhaps without versions), or NULL. */
struct template *table_find(const struct table *t, const char *name, const char *user);
struct template *table_make(struct table *t, const char *name, const char *user); /* NULL: memory */
/* Version by number, 0 = the latest; NULL when there is none. */
const struct version *table_version(const struct template *e, int64_t number);
/* Number that the next version of this name gets. */
int64_t table_next(const struct table *t, const char *name, const char *user);
/* A record: of a version, also one that is there again (`restored`), or {name, user, removed}, or
 * {name, user, version, withdrawn}: this version goes. 0, -ENOMEM, -EBADMSG. */
int table_take(struct table *t, struct aiex_slice record);
int table_add(struct table *t, struct template *e, int64_t number, struct aiex_slice record);
void table_drop(struct table *t, struct template *e); /* its versions */
void table_done(struct table *t);

/* ---- store.c ---- */

int store_open(struct templates *t, struct aiex_error *err);
void store_close(struct templates *t);
/* 0, or -ENOSPC, -ENOENT and a reason. */
int store_check_put(struct templates *t, const char *name, const char *user, size_t len,
                    struct aiex_error *err);
int store_check_remove(struct templates *t, const char *name, const char *user,
                       struct aiex_error *err);
/* Writes a record that was checked to the log and takes it. 0 or negative errno with a reason. */
int store_write(struct templates *t, struct aiex_slice record, struct aiex_error *err);
/* Takes in what another process wrote. */
void store_refresh(struct templates *t);
/* The record of an event (empty: it changes nothing), at `position`. What fails is made up for by
 * the other. */
void store_cache(struct templates *t, struct aiex_slice record);
void store_cache_anew(struct templates *t);

/* ---- methods.c ---- */

/* The event that a put or remove is: its whole record, on the heap, to be freed; *ret_number is the
 * version that a put makes. Negative and a reason: why not. */
int method_record(struct templates *t, const struct aiex_message *m, struct aiex_slice *ret_record,
                  int64_t *ret_number, struct aiex_error *err);
/* Ends the request as done. 0, or what reply() returned. */
int method_reply(struct templates *t, uint64_t id, int is_put, int64_t number);

int list_take(void *self, const struct aiex_message *m);
int show_take(void *self, const struct aiex_message *m);
int change_take(void *self, const struct aiex_message *m); /* put, remove, restore */
int render_take(void *self, const struct aiex_message *m);
int health_take(void *self, const struct aiex_message *m);

/* ---- stored.c ---- */

int stored_is_on(const struct templates *t);

#endif

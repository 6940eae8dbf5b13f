/*
 * templates.h - the parts of the templates service.
 *
 *     store.c      names, owners and versions, kept in one record log
 *     builtin.c    the templates that come with Aiex, as a table
 *     syntax.c     the language          variables.c  declared variables and their values
 *     methods.c    list, show, put, remove, render
 *
 * A template belongs to the system (user "") or to one user; a version never changes. What is
 * built in is version 1 of the system's template of that name; stored ones begin behind it.
 * Removing a name hides its versions, and its numbers are not used again.
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
    int64_t max_bytes, max_versions;
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

struct templates {
    const struct aiex_host *host;
    const struct config *config;
    struct aiex_rlog log;
    struct template **all; /* by name, then user */
    size_t n, cap;
    size_t bytes; /* of all versions in memory */
    uint64_t holes;
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

/* ---- store.c ---- */

int store_open(struct templates *t, struct aiex_error *err);
void store_close(struct templates *t);
/* The entry (perhaps without versions), or NULL. */
struct template *store_find(struct templates *t, const char *name, const char *user);
/* Version by number, 0 = the latest; NULL when there is none. */
const struct version *store_version(const struct template *e, int64_t number);
/* Writes a new version; `record` is its whole map, which has name, user and version in it. 0 or
 * negative errno with a reason. */
int store_put(struct templates *t, const char *name, const char *user, int64_t number,
              struct aiex_slice record, struct aiex_error *err);
/* Hides all versions. 0, -ENOENT or other errno with a reason. */
int store_remove(struct templates *t, const char *name, const char *user, struct aiex_error *err);
/* Number that the next version of this name gets. */
int64_t store_next(struct templates *t, const char *name, const char *user);
/* Takes in what another process wrote. */
void store_refresh(struct templates *t);

/* ---- methods.c ---- */

int list_take(void *self, const struct aiex_message *m);
int show_take(void *self, const struct aiex_message *m);
int put_take(void *self, const struct aiex_message *m);
int remove_take(void *self, const struct aiex_message *m);
int render_take(void *self, const struct aiex_message *m);
int health_take(void *self, const struct aiex_message *m);

#endif

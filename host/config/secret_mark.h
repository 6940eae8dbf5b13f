/*
 * secret_mark.h - what stands in a checked configuration where `secret:NAME` stood: a mark
 * with the secret's name and revision, never its value. Two configurations differ when the
 * value does, `config show` has nothing to hide, and a host that executes a new image of
 * itself carries none. The value is put there right before a cell is told (secret_mark_fill).
 *
 * A mark is 0x01 NAME 0x01 16 hex digits. No other value holds the byte 0x01: value.c
 * refuses it. In a family's text (option_gather) marks stand within the lines.
 */
#ifndef AIEX_CONFIG_SECRET_MARK_H
#define AIEX_CONFIG_SECRET_MARK_H

#include <aiex/aiex_plugin.h>

#define SECRET_MISPLACED                                                                           \
    "'secret:' can stand only in options of plugins that are secrets, such as api_key"

/* free() *ret. 0, -ENOMEM. */
int secret_mark_make(const char *name, const char *revision, char **ret);
int secret_mark_is_in(const char *text);

/* Calls fn for the name of each mark; stops at what is not 0 and returns it. */
int secret_mark_each(const char *text, int (*fn)(void *arg, const char *name), void *arg);
/* A copy of text in which the marks of one secret have another revision; free() it. NULL: no
 * memory. */
char *secret_mark_renew(const char *text, const char *name, const char *revision);

/* Gives a value; 0, or a negative errno with a reason. */
typedef int (*secret_value_fn)(void *arg, const char *name, char **ret, size_t *ret_len,
                               struct aiex_error *err);
struct secret_fill {
    secret_value_fn value; /* the value, 0-terminated, to be given back by `done` */
    void (*done)(void *value);
    void *(*memory)(size_t bytes); /* for the text; the caller gives it back */
    void *arg;
};
/* The text with all values in place, in memory of `fill`, which is the caller's also on failure (or
 * NULL); lines: no value may hold a line break. 0, or why not. */
int secret_mark_fill(const char *text, int lines, const struct secret_fill *fill, char **ret,
                     struct aiex_error *err);

#endif

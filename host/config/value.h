/*
 * value.h - what may stand in a value instead of the value itself.
 *
 *     ${NAME}             the environment variable; an error when it is not set
 *     ${NAME:-text}       the same, or `text` when it is not set or empty
 *     $${                 the two characters ${
 *     file:path           content of a file without its last line end; relative to `dir`
 *     secret:NAME         a secret of the vault; only for options that are secrets
 *
 * A secret itself never stands in a configuration. What it is expanded to is a mark, its
 * name and its revision; who tells a cell its options puts the value there (secret_mark.h).
 *
 * What comes out is not looked at again: neither an environment variable nor a file
 * can make the host read another one.
 */
#ifndef AIEX_CONFIG_VALUE_H
#define AIEX_CONFIG_VALUE_H

#include <aiex/aiex_plugin.h>

#define VALUE_MAX_BYTES (64u * 1024u) /* of an expanded value and of a file */

/* Looks an environment variable up; NULL = not set. */
typedef const char *(*value_env_fn)(void *arg, const char *name);

/* Whether a secret can be opened. 0 and its revision, 16 hex digits, which differs when its value does;
 * else a negative errno with a reason. key_file: of the master key, "" = the default. */
#define VALUE_REVISION_TEXT 17u
typedef int (*value_secret_fn)(void *arg, const char *key_file, const char *name,
                               char ret_revision[VALUE_REVISION_TEXT], struct aiex_error *err);

struct value_source {
    value_env_fn env; /* NULL = getenv() */
    void *env_arg;
    value_secret_fn secret; /* NULL: there is no vault */
    void *secret_arg;
    const char *key_file;
    const char *dir; /* for relative `file:` paths; NULL = the working directory */
};

/* 1 when the text is not meant literally. */
int value_is_reference(const char *text);
/* 1 for `secret:NAME`. */
int value_is_secret(const char *text);
/* The value that `text` stands for; *ret is the caller's to free(). 0, -ENOENT (a variable is not
 * set), -EINVAL, -EMSGSIZE, -ENOMEM, or why the file could not be read; err says all of it. */
int value_expand(const char *text, const struct value_source *source, char **ret,
                 struct aiex_error *err);

#endif

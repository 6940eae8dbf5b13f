/*
 * value.h - what may stand in a value instead of the value itself.
 *
 *     ${NAME}             the environment variable; an error when it is not set
 *     ${NAME:-text}       the same, or `text` when it is not set or empty
 *     $${                 the two characters ${
 *     file:path           content of a file without its last line end; relative to `dir`
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

struct value_source {
    value_env_fn env; /* NULL = getenv() */
    void *env_arg;
    const char *dir; /* for relative `file:` paths; NULL = the working directory */
};

/* 1 when the text is not meant literally. */
int value_is_reference(const char *text);
/* The value that `text` stands for; *ret is the caller's to free(). 0, -ENOENT (a variable is not
 * set), -EINVAL, -EMSGSIZE, -ENOMEM, or why the file could not be read; err says all of it. */
int value_expand(const char *text, const struct value_source *source, char **ret,
                 struct aiex_error *err);

#endif

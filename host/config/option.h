/*
 * option.h - one configured value, by the table that describes it.
 *
 * `struct aiex_option` tables say name, type, limits, default and place of every
 * option. This file turns texts into values by such a table, writes them into the
 * struct that the table's owner declared, and says what is wrong in words that an
 * operator can act on:
 *
 *     timeout = '30 parsecs': expected a duration such as 500ms, 30s or 2m, from 1s to 10m
 *     unknown option 'modle'; did you mean 'model'? (options: base_url, model, timeout)
 *
 * An option whose name ends in ".*" is a family: it takes every key with its prefix
 * (`alias.*`: alias.fast, alias.big ...) and its value is one text, see option_gather().
 *
 * The host uses it to check (option_check), the runner to build what create() gets
 * (option_values_new). A table of another minor has another stride: everything here
 * takes the stride and reads no byte beyond it.
 *
 * Thread rule: any thread; nothing is shared.
 */
#ifndef AIEX_CONFIG_OPTION_H
#define AIEX_CONFIG_OPTION_H

#include "base/buf.h"

#include <aiex/aiex_plugin.h>

#define OPTION_MAX_COUNT   256        /* options of one table */
#define OPTION_MAX_CHOICES 64         /* words of one CHOICE */
#define OPTION_MAX_CONFIG  (1u << 20) /* bytes of a plugin's config struct */

#define OPTION_FAMILY_KEYS  1024          /* keys of one family */
#define OPTION_FAMILY_BYTES (64u * 1024u) /* of its text */

/* A given option: as in a file, after `${}` and `file:` were replaced. Borrowed. */
struct option_text {
    const char *name;
    const char *text;
};

/* A parsed value. `text` is borrowed from the text that was parsed. */
struct option_value {
    int64_t whole;    /* INT BOOL SIZE DURATION CHOICE */
    double real;      /* REAL */
    const char *text; /* STRING SECRET */
};

/* The i-th option, whatever the minor of the table; .name is NULL at the end. A NULL table is
 * empty. Fields that the table is too old for are 0. Texts are the table's. */
struct aiex_option option_at(const struct aiex_option *table, size_t stride, size_t i);

/* Its index, or -ENOENT. */
int option_find(const struct aiex_option *table, size_t stride, const char *name);

/* The option that takes a key: the one of that name, else the family with the longest prefix of it.
 * Its index, or -ENOENT. */
int option_match(const struct aiex_option *table, size_t stride, const char *name);

/* 1 for a family, whose name ends in ".*". */
int option_is_family(const struct aiex_option *option);
/* 0, or -EINVAL when a family is of a type or has flags that it can not have. */
int option_family_check(const struct aiex_option *option, struct aiex_error *err);
/* Adds the line `rest-of-key TAB value` of one key to a family's text, after n_before others. 0,
 * -EINVAL (too many, too long, not one line), -ENOMEM. */
int option_gather(const struct aiex_option *family, const struct option_text *key, size_t n_before,
                  struct buf *out, struct aiex_error *err);
/* Takes the next line off a family's text: 1, or 0 at its end. The slices point into the text. */
int option_line(const char **at, struct aiex_slice *ret_rest, struct aiex_slice *ret_value);
/* The key that was meant by one that begins almost like a family's. 0, -ENOENT. */
int option_nearest_family(const char *name, const struct aiex_option *table, size_t stride,
                          char ret[AIEX_MAX_NAME + 1]);

/* 0 when the table can be trusted to write into config_size bytes: known types, sound offsets, no
 * name twice, defaults that parse. -EINVAL with the reason. Run once per table of a stranger. */
int option_table_check(const struct aiex_option *table, size_t stride, size_t config_size,
                       struct aiex_error *err);

/* One text by one option. 0, or -EINVAL and "NAME = 'TEXT': expected ..." (secrets are not shown).
 */
int option_parse(const struct aiex_option *option, const char *text, struct option_value *ret,
                 struct aiex_error *err);

/* The value's text form: yes/no, 64k, 30s, the choice's word; "***" for a secret that is set.
 * Parsing it again gives the same value (except secrets). 0, -ENOMEM, -EMSGSIZE. */
int option_format(const struct aiex_option *option, const struct option_value *value,
                  struct buf *out);

/* Puts "unknown option 'NAME'; did you mean 'X'? (options: ...)" into err. `also` is a
 * NULL-terminated list of names that are not listed but may be meant, or NULL. */
void option_unknown(const char *name, const struct aiex_option *table, size_t stride,
                    const char *const *also, struct aiex_error *err);

/* Tells one error; `index` is that of the given option, or SIZE_MAX for a missing one. */
typedef void (*option_error_fn)(void *arg, size_t index, const char *text);

/* Checks all given options and that no required one is missing. Returns the number of errors;
 * fn (may be NULL) is called for each, in the order given, then of the table. */
size_t option_check(const struct aiex_option *table, size_t stride, const struct option_text *given,
                    size_t n_given, const char *const *also, option_error_fn fn, void *arg);

/* A config struct with its strings: one object, freed by one call. */
struct option_values;

/* Builds the struct: given options over defaults. A default with `${NAME}` reads the environment
 * and counts as unset when that is missing. Options unset and without default are 0 and "".
 * 0, -EINVAL (the first error), -ENOMEM. */
int option_values_new(const struct aiex_option *table, size_t stride, size_t config_size,
                      const struct option_text *given, size_t n_given, struct option_values **ret,
                      struct aiex_error *err);

/* The struct; constant, aligned for any type, lives until option_values_free(). */
const void *option_values_data(const struct option_values *values);

/* Reads the value of an option back out of a config struct. */
struct option_value option_read(const struct aiex_option *option, const void *config);

/* Writes it; a text is stored as it is, borrowed. */
void option_write(const struct aiex_option *option, void *config, const struct option_value *value);

/* Wipes (secrets) and frees; NULL is fine. */
void option_values_free(struct option_values *values);

#endif

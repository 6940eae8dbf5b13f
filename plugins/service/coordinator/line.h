/*
 * line.h - one line of a table of the configuration, read word by word.
 *
 * A table option (`alias.*`, `price.*`, ...) reaches the plugin as text: a line "key\tvalue\n" for
 * each key, in the order of the file. Every parser of such a value walks it with a cursor, so that
 * every fault is told the same way: key, value, column, what was found, what to write instead.
 * Pure; nothing is copied, lines point into the table's text.
 */
#ifndef COORDINATOR_LINE_H
#define COORDINATOR_LINE_H

#include <aiex/aiex_plugin.h>

struct line {
    const char *table; /* "alias" */
    const char *key, *value;
    size_t key_len, len;
};

/* 1 and the next line behind *at, 0 at the end. Set *at to the table's text first. Lines without a
 * tab are passed over. */
int line_next(const char **at, const char *table, struct line *ret);

struct cursor {
    const struct line *line;
    size_t at;
    struct aiex_error *err;
};

struct word {
    const char *text;
    size_t len;
    size_t column; /* from 0 */
};

/* Always -EINVAL; err says key, value and column before the sentence. */
int cursor_fail(struct cursor *c, size_t column, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for the key of a line. */
int line_fail(const struct line *l, struct aiex_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Passes blanks; 1 when nothing follows. */
int cursor_end(struct cursor *c);
/* Passes blanks and `ch` when it is next: 1, else 0. */
int cursor_take(struct cursor *c, char ch);
/* Passes blanks and the word, which ends at a blank or one of `stops`. It may be empty. */
struct word cursor_word(struct cursor *c, const char *stops);
int word_is(struct word w, const char *text);

/* Values of a word; 0, or -EINVAL told by cursor_fail() with `name` as what it is for. */
int cursor_number(struct cursor *c, struct word w, const char *name, int64_t min, int64_t max,
                  int64_t *ret); /* 12, 100k, 2M (thousands) */
int cursor_duration(struct cursor *c, struct word w, const char *name,
                    int64_t *ret); /* 250ms, 5s */
/* A decimal in millionths: "2.50" is 2500000. */
int cursor_decimal(struct cursor *c, struct word w, const char *name, int64_t *ret);

/* Copies a word into fixed memory; 0, or -EINVAL when it is empty or too long. */
int cursor_copy(struct cursor *c, struct word w, const char *name, char *out, size_t size);

#endif

/*
 * ini.h - one .ini file as a list of sections and pairs with their places.
 *
 *     ; a comment            # a comment
 *     [section]
 *     key = value            ; a comment after a blank and a semicolon
 *
 * One line is one pair: there are no continuation lines, so an indented key is a
 * key. `=` separates, `:` does not. Sections and keys are names; the same key twice
 * in one section of one file is an error. Text is UTF-8 (a byte order mark is
 * skipped); lines end with LF or CRLF.
 *
 * Thread rule: loop thread only (the parser library has global switches).
 */
#ifndef AIEX_CONFIG_INI_H
#define AIEX_CONFIG_INI_H

#include "config/arena.h"
#include "config/report.h"

#include <stddef.h>

#define INI_MAX_FILE_BYTES (1024u * 1024u)
#define INI_MAX_LINE_BYTES (8u * 1024u) /* without the line's end */
#define INI_MAX_ENTRIES    8192u        /* of all files together */

struct ini_entry {
    const char *section;
    const char *key;   /* NULL: the section's head itself, so that empty sections are seen */
    const char *value; /* "" when nothing follows the `=` */
    struct place at;
};

/* All entries of all files, in order. Owns every text. */
struct ini {
    struct ini_entry *entries;
    size_t n, cap;
    struct arena texts;
};

void ini_init(struct ini *ini);
void ini_done(struct ini *ini);

/* Appends one file; everything wrong with it goes to the report. `path` is shown as given.
 * 0 (also when errors were reported), -ENOMEM. */
int ini_read_file(struct ini *ini, const char *path, struct report *report);
/* The same from memory; `path` only names it. */
int ini_read_bytes(struct ini *ini, const char *path, const void *bytes, size_t len,
                   struct report *report);

#endif

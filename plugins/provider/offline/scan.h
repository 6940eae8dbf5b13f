/*
 * scan.h - the definitions in a source text, by light patterns per line: no parser, but
 * strings and comments are masked first, so that braces and names inside them do not
 * count. Broken code gives fewer definitions, never an error.
 */
#ifndef OFFLINE_SCAN_H
#define OFFLINE_SCAN_H

#include "language.h"

#define SCAN_MAX_BYTES (256u * 1024u) /* the rest of a longer text is not looked at */
#define SCAN_MAX_DEFS  512u

struct definition {
    const char *kind;             /* "function", ... */
    size_t name, name_len;        /* offset in the text */
    size_t start, body, end;      /* first byte; behind the signature; behind the last byte */
    size_t doc;                   /* where the comment above begins; == start when there is none */
    size_t first_line, last_line; /* from 1 */
};

struct source {
    const char *text; /* the caller's */
    char *masked;     /* same length; comments and strings are blanks */
    size_t len;
    const struct language *language;
    char label[256]; /* "the code in the message", or a path */
    struct definition *defs;
    size_t n_defs;
    size_t work; /* bytes looked at so far */
};

/* 0 or -ENOMEM. `language` NULL = guess; no definitions when the guess fails. */
int source_init(struct source *s, const char *text, size_t len, const struct language *language,
                const char *label);
void source_done(struct source *s);

/* mask.c: a copy of the text in which comments and strings are blanks (line feeds stay).
 * malloc()ed; NULL = no memory. */
char *mask_text(const struct language *l, const char *text, size_t len);

static inline int is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (unsigned char)c >= 0x80;
}

#endif

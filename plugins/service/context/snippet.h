/*
 * snippet.h - the part of a text that shows why it was found: about as many bytes as wanted, with
 * most of the words that were looked for, as one line of whole characters.
 */
#ifndef CONTEXT_SNIPPET_H
#define CONTEXT_SNIPPET_H

#include <aiex/aiex_pack.h>

#define SNIPPET_MAX   1000u
#define SNIPPET_MARKS 16u

struct snippet {
    char text[SNIPPET_MAX + 8]; /* UTF-8, "..." where it was cut; no control characters */
    size_t len;
    struct {
        uint32_t at, len; /* bytes of `text` that were found */
    } marks[SNIPPET_MARKS];
    unsigned n_marks;
};

/* The number of the word in the query that this one of the text is, or -1. */
typedef int (*snippet_match_fn)(void *arg, const char *word, size_t len);

/* `bytes` is at most SNIPPET_MAX. Without a word in it: its beginning. */
void snippet_make(struct aiex_slice text, size_t bytes, snippet_match_fn match, void *arg,
                  struct snippet *ret);
/* A map's pairs, SNIPPET_SHOWN of them: `snippet` str, `marks` array of at, len, at, len ... */
#define SNIPPET_SHOWN 2u
void snippet_write(struct aiex_writer *w, const struct snippet *s);

#endif

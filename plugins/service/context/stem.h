/*
 * stem.h - what English words have in common: tests, tested, testing and test have the stem "test".
 *
 * Porter's steps 1 and 5 (Porter 1980, with the y of Porter 2), which take endings of grammar away
 * and leave the others: "parsing" and "parses" meet, "parser" does not. A stem need not be a word.
 * Words of another language lose endings, too, the same way each time, and are found as they are
 * written besides.
 */
#ifndef CONTEXT_STEM_H
#define CONTEXT_STEM_H

#include <stddef.h>

#define STEM_MAX 32u /* longer words have none */

/* The stem of a folded word, not longer than it; 0: it has none (shorter than 3, longer than
 * STEM_MAX, or not a to z alone). */
size_t stem_of(const char *word, size_t len, char out[STEM_MAX]);

#endif

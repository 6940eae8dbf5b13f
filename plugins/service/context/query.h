/*
 * query.h - the words of a search, and what is read for each.
 *
 * A word is read as it is written (`word*`: all that begin with it) and, when it has a stem
 * (stem.h), in the other forms of it. Each of that is a term: one range of the table of postings.
 * What is as written counts twice as much as a form.
 */
#ifndef CONTEXT_QUERY_H
#define CONTEXT_QUERY_H

#include "stem.h"
#include "words.h"

#define MAX_TERMS 16u /* words of a query */

#define AS_WRITTEN 1u
#define AS_FORM    2u

struct term {
    char text[WORD_MAX + 2];
    size_t len;
    int prefix;
    unsigned word, what; /* AS_* */
};

struct query_word {
    char text[WORD_MAX + 1], stem[STEM_MAX];
    size_t len, stem_len;
    int prefix, needed; /* needed: when all words are wanted */
    uint64_t df;
};

struct query {
    struct query_word words[MAX_TERMS];
    unsigned n_words;
    struct term terms[3 * MAX_TERMS];
    unsigned n_terms;
};

/* 0, also without a word; -E2BIG: there are more than MAX_TERMS. The struct is zeroed before. */
int query_read(struct query *q, struct aiex_slice text);
/* The number of the word that this one of a text is, or a form of; -1 = of none. For a snippet. */
int query_match(void *query, const char *word, size_t len);

#endif

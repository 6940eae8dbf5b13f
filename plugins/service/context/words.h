/*
 * words.h - text becomes words, the same way when it is stored and when it is looked for.
 *
 * A run of letters, digits and '_' is a word. Upper case is folded (fold.h). An identifier is
 * itself without its '_', and each of its parts besides: getUserName and get_user_name are both
 * "getusername", "get", "user", "name"; HTTPServer has "http" and "server". A character of East
 * Asian scripts is a word by itself. What is no UTF-8 divides words.
 *
 * Bounded: WORD_MAX bytes of a word, RUN_MAX bytes and PARTS_MAX parts of an identifier count, the
 * rest of it is passed over.
 */
#ifndef CONTEXT_WORDS_H
#define CONTEXT_WORDS_H

#include <aiex/aiex_plugin.h>

#define WORD_MAX  64u
#define RUN_MAX   256u
#define PARTS_MAX 16u

enum word_what { WORD_ONLY, WORD_WHOLE, WORD_PART };

struct word_seen {
    const char *text;
    size_t len;
    enum word_what what;
    int last;              /* the run ends with it */
    const uint8_t *from;   /* the first byte of the run */
    const uint8_t *behind; /* the first byte behind it */
};

/* Called for each word in order; the whole of an identifier comes before its parts. Not 0 ends the
 * scan. */
typedef int (*word_fn)(void *arg, const struct word_seen *word);
int words_scan(struct aiex_slice text, word_fn fn, void *arg);
/* Bytes of the character there; 0 = it is no UTF-8. `left` is not 0. */
size_t words_character(const uint8_t *p, size_t left);

/* Stems of English words (stem.h) that differ from the word are words of their own with this before
 * them, which no word has: how often their forms came. They do not count for `length`. */
#define WORD_STEM '~'

/* Distinct words with how often they came, in order of their first coming. */
struct word {
    uint32_t at, n; /* place in `text`, count */
    uint8_t len;
};

struct words {
    struct word *all;
    uint32_t n, cap, max;
    uint32_t *slots, n_slots; /* number in `all` plus one */
    char *text;
    size_t text_len, text_cap;
    uint64_t length; /* words that were counted, repeated ones each time */
    int cut;         /* words beyond `max` were left out */
    uint8_t key[16]; /* of the hash: nobody can make words that collide */
};

void words_init(struct words *w, uint32_t max);
void words_done(struct words *w);
/* 0, -ENOMEM. */
int words_add(struct words *w, struct aiex_slice text);

#endif

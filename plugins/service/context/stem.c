/* stem.c - see stem.h. */
#include "stem.h"

#include <string.h>

struct stem {
    char *b;
    size_t n;
};

static int is_vowel(const struct stem *s, size_t i)
{
    if (s->b[i] == 'y')
        return i > 0 && !is_vowel(s, i - 1);
    return memchr("aeiou", s->b[i], 5) != NULL;
}

/* How often a consonant follows a vowel in the first n letters. */
static unsigned measure(const struct stem *s, size_t n)
{
    unsigned m = 0;

    for (size_t i = 1; i < n; i++)
        m += !is_vowel(s, i) && is_vowel(s, i - 1);
    return m;
}

static int has_vowel(const struct stem *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (is_vowel(s, i))
            return 1;
    return 0;
}

/* Consonant, vowel, consonant other than w, x, y at the end of the first n letters: "hop". */
static int is_short(const struct stem *s, size_t n)
{
    return n >= 3 && !is_vowel(s, n - 3) && is_vowel(s, n - 2) && !is_vowel(s, n - 1) &&
           !memchr("wxy", s->b[n - 1], 3);
}

static int ends(const struct stem *s, const char *with)
{
    size_t len = strlen(with);

    return s->n >= len && memcmp(s->b + s->n - len, with, len) == 0;
}

static void plural(struct stem *s)
{
    if (ends(s, "sses") || ends(s, "ies"))
        s->n -= 2;
    else if (ends(s, "s") && !ends(s, "ss"))
        s->n--;
}

/* "hopp" of hopping, "creat" of creating, "fil" of filing. */
static void mend(struct stem *s)
{
    char last = s->b[s->n - 1];

    if (ends(s, "at") || ends(s, "bl") || ends(s, "iz"))
        s->b[s->n++] = 'e';
    else if (s->n >= 2 && last == s->b[s->n - 2] && !is_vowel(s, s->n - 1) &&
             !memchr("lsz", last, 3))
        s->n--;
    else if (measure(s, s->n) == 1 && is_short(s, s->n))
        s->b[s->n++] = 'e';
}

static void past(struct stem *s)
{
    size_t cut = ends(s, "ed") ? 2 : ends(s, "ing") ? 3 : 0;

    if (ends(s, "eed")) {
        s->n -= measure(s, s->n - 3) > 0;
    } else if (cut && has_vowel(s, s->n - cut)) {
        s->n -= cut;
        mend(s);
    }
}

static void last_letters(struct stem *s)
{
    unsigned m = measure(s, s->n - 1);

    if (ends(s, "y") && s->n > 2 && !is_vowel(s, s->n - 2))
        s->b[s->n - 1] = 'i';
    if (ends(s, "e") && (m > 1 || (m == 1 && !is_short(s, s->n - 1))))
        s->n--;
    if (ends(s, "ll") && measure(s, s->n - 1) > 1)
        s->n--;
}

size_t stem_of(const char *word, size_t len, char out[STEM_MAX])
{
    struct stem s = {out, len};

    if (len < 3 || len > STEM_MAX)
        return 0;
    for (size_t i = 0; i < len; i++)
        if (word[i] < 'a' || word[i] > 'z')
            return 0;
    memcpy(out, word, len);
    plural(&s);
    past(&s);
    last_letters(&s);
    return s.n;
}

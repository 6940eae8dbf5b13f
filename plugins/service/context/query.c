/* query.c - see query.h. */
#include "query.h"

#include <errno.h>
#include <string.h>

struct parse {
    struct query *q;
    const uint8_t *end;
    int too_many;
};

static int take_word(void *arg, const struct word_seen *seen)
{
    struct parse *p = arg;
    struct query *q = p->q;
    struct query_word *t = &q->words[q->n_words];
    int prefix = seen->last && seen->behind < p->end && *seen->behind == '*';

    for (unsigned i = 0; i < q->n_words; i++)
        if (q->words[i].len == seen->len && q->words[i].prefix == prefix &&
            memcmp(q->words[i].text, seen->text, seen->len) == 0) {
            q->words[i].needed |= seen->what != WORD_WHOLE;
            return 0;
        }
    if (q->n_words == MAX_TERMS)
        return p->too_many = 1;
    memcpy(t->text, seen->text, seen->len);
    t->len = seen->len;
    t->prefix = prefix;
    t->needed = seen->what != WORD_WHOLE; /* its parts are looked for as well */
    if (t->needed && !prefix)
        t->stem_len = stem_of(t->text, t->len, t->stem);
    q->n_words++;
    return 0;
}

static void add_term(struct query *q, unsigned word, const char *text, size_t len, unsigned what)
{
    struct term *t = &q->terms[q->n_terms++];

    *t = (struct term){.len = len, .word = word, .what = what, .prefix = q->words[word].prefix};
    memcpy(t->text, text, len);
}

/* "tests": as it is written; all that have its stem and are not the stem; "test". */
static void make_terms(struct query *q)
{
    for (unsigned i = 0; i < q->n_words; i++) {
        const struct query_word *t = &q->words[i];
        int same = t->stem_len == t->len && memcmp(t->stem, t->text, t->len) == 0;
        char forms[STEM_MAX + 1] = {WORD_STEM};

        add_term(q, i, t->text, t->len, AS_WRITTEN | (same || !t->stem_len ? AS_FORM : 0));
        if (!t->stem_len)
            continue;
        memcpy(forms + 1, t->stem, t->stem_len);
        add_term(q, i, forms, t->stem_len + 1, AS_FORM);
        if (!same)
            add_term(q, i, t->stem, t->stem_len, AS_FORM);
    }
}

int query_read(struct query *q, struct aiex_slice text)
{
    struct parse p = {.q = q, .end = text.data + text.len};

    words_scan(text, take_word, &p);
    if (p.too_many)
        return -E2BIG;
    make_terms(q);
    return 0;
}

static int is_word(const struct query_word *t, const char *word, size_t len)
{
    return len >= t->len && (len == t->len || t->prefix) && memcmp(word, t->text, t->len) == 0;
}

int query_match(void *query, const char *word, size_t len)
{
    const struct query *q = query;
    char stem[STEM_MAX];
    size_t n = stem_of(word, len, stem);

    for (unsigned i = 0; i < q->n_words; i++) {
        const struct query_word *t = &q->words[i];

        if (is_word(t, word, len) || (n && t->stem_len == n && memcmp(stem, t->stem, n) == 0))
            return (int)i;
    }
    return -1;
}

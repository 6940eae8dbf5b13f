/*
 * snippet.c - see snippet.h. The first MAX_FOUND places of the first MAX_LOOK bytes count; the
 * window with the most different words wins, then the one with more places, then the first.
 */
#include "snippet.h"

#include "words.h"

#include <string.h>

#define MAX_FOUND 512u
#define MAX_LOOK  (256u << 10) /* bytes of a text that are looked through */
#define TO_BLANK  24u          /* bytes that a cut moves to stand between words */

struct found {
    size_t from, behind;
    int word;
};

struct finding {
    snippet_match_fn match;
    void *arg;
    const uint8_t *text;
    struct found all[MAX_FOUND];
    unsigned n;
};

static int take_word(void *arg, const struct word_seen *seen)
{
    struct finding *f = arg;
    size_t from = (size_t)(seen->from - f->text), behind = (size_t)(seen->behind - f->text);
    int word = f->match(f->arg, seen->text, seen->len);

    if (word < 0)
        return 0;
    if (f->n && f->all[f->n - 1].from == from && f->all[f->n - 1].word == word)
        return 0; /* an identifier and its part */
    f->all[f->n++] = (struct found){from, behind, word};
    return f->n == MAX_FOUND;
}

/* How good the window is that begins with a place; *ret_end = where its last place ends. */
static unsigned worth(const struct finding *f, unsigned first, size_t bytes, size_t *ret_end)
{
    uint32_t words = 0;
    unsigned n = 0;

    for (unsigned i = first; i < f->n && f->all[i].behind <= f->all[first].from + bytes; i++) {
        words |= 1u << (f->all[i].word & 31);
        n++;
        *ret_end = f->all[i].behind;
    }
    return (unsigned)__builtin_popcount(words) * MAX_FOUND * 2 + n;
}

static int is_inside(const uint8_t *p)
{
    return (*p & 0xc0) == 0x80;
}

static int is_blank(uint8_t c)
{
    return c <= ' ' || c == 0x7f;
}

/* Where the snippet begins: what was found stands in its middle, whole words in front. */
static size_t beginning(struct aiex_slice text, const struct finding *f, size_t bytes)
{
    size_t begin, end = 0, best_end = 0;
    unsigned best = 0, at = 0, n;

    for (unsigned i = 0; i < f->n; i++)
        if ((n = worth(f, i, bytes, &end)) > best) {
            best = n;
            at = i;
            best_end = end;
        }
    if (!f->n)
        return 0;
    n = best_end - f->all[at].from < bytes ? (unsigned)(bytes - (best_end - f->all[at].from)) / 2
                                           : 0;
    begin = f->all[at].from > n ? f->all[at].from - n : 0;
    for (size_t i = begin; begin && i < f->all[at].from && i < begin + TO_BLANK; i++)
        if (is_blank(text.data[i]))
            return i + 1;
    while (begin < text.len && is_inside(text.data + begin))
        begin++;
    return begin;
}

static void put(struct snippet *s, const void *bytes, size_t len)
{
    memcpy(s->text + s->len, bytes, len);
    s->len += len;
}

/* One character; what is none, or does nothing for a line, is a blank, of several one. */
static void copy(struct snippet *s, const uint8_t *p, size_t n)
{
    if (n == 0 || (n == 1 && is_blank(*p)) || (n == 2 && *p == 0xc2 && p[1] < 0xa0)) {
        if (s->len && s->text[s->len - 1] != ' ')
            put(s, " ", 1);
    } else {
        put(s, p, n);
    }
}

static void mark(struct snippet *s, const struct finding *f, unsigned *next, size_t at)
{
    while (*next < f->n && f->all[*next].from < at)
        ++*next;
    if (*next < f->n && f->all[*next].from == at && s->n_marks < SNIPPET_MARKS) {
        s->marks[s->n_marks].at = (uint32_t)s->len;
        s->marks[s->n_marks++].len = (uint32_t)f->all[*next].behind; /* made a length later */
    }
}

void snippet_make(struct aiex_slice text, size_t bytes, snippet_match_fn match, void *arg,
                  struct snippet *ret)
{
    struct finding f = {.match = match, .arg = arg, .text = text.data};
    size_t at, n, end;
    unsigned next = 0, closed = 0;

    memset(ret, 0, sizeof(*ret));
    words_scan((struct aiex_slice){text.data, text.len < MAX_LOOK ? text.len : MAX_LOOK}, take_word,
               &f);
    at = beginning(text, &f, bytes);
    end = at + bytes < text.len ? at + bytes : text.len;
    if (at)
        put(ret, "...", 3);
    for (; at < end; at += n ? n : 1) {
        n = words_character(text.data + at, text.len - at);
        while (closed < ret->n_marks && ret->marks[closed].len <= at) {
            ret->marks[closed].len = (uint32_t)ret->len - ret->marks[closed].at;
            closed++;
        }
        if (at + n > end || ret->len + 4 > bytes + 3)
            break;
        mark(ret, &f, &next, at);
        copy(ret, text.data + at, n);
    }
    for (; closed < ret->n_marks; closed++)
        ret->marks[closed].len = (uint32_t)ret->len - ret->marks[closed].at;
    if (at < text.len)
        put(ret, "...", 3);
}

void snippet_write(struct aiex_writer *w, const struct snippet *s)
{
    aiex_w_key_strn(w, "snippet", s->text, s->len);
    aiex_w_str(w, "marks");
    aiex_w_array(w, 2 * s->n_marks);
    for (unsigned i = 0; i < s->n_marks; i++) {
        aiex_w_int(w, s->marks[i].at);
        aiex_w_int(w, s->marks[i].len);
    }
}

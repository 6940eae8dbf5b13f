/* words.c - see words.h. */
#include "words.h"

#include "fold.h"
#include "stem.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* ---- Characters ---- */

enum sort { NOTHING, LOWER, UPPER, DIGIT, JOINT, ALONE };

/* The length of the character at p (1 to 4), its number in *ret; 0 = no UTF-8. */
static size_t decode(const uint8_t *p, size_t left, uint32_t *ret)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = *p < 0x80 ? 1 : *p >= 0xc2 && *p < 0xe0 ? 2 : (*p & 0xf0) == 0xe0 ? 3 : 4;
    uint32_t cp;

    if (n == 1)
        return *ret = *p, 1;
    if ((n == 4 && (*p < 0xf0 || *p > 0xf4)) || n > left)
        return 0;
    cp = *p & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        cp = cp << 6 | (p[i] & 0x3f);
    }
    if (cp < least[n] || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
        return 0;
    *ret = cp;
    return n;
}

/* Bytes of its UTF-8. */
static size_t encode(uint32_t cp, char *out)
{
    size_t n = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;

    if (n == 1) {
        out[0] = (char)cp;
        return 1;
    }
    for (size_t i = n - 1; i; i--, cp >>= 6)
        out[i] = (char)(0x80 | (cp & 0x3f));
    out[0] = (char)((0xf00u >> n) | cp);
    return n;
}

static enum sort ascii(uint32_t cp)
{
    if (cp >= '0' && cp <= '9')
        return DIGIT;
    if (cp == '_')
        return JOINT;
    if (cp >= 'A' && cp <= 'Z')
        return UPPER;
    return cp >= 'a' && cp <= 'z' ? LOWER : NOTHING;
}

static int is_mark(uint32_t cp)
{
    return cp < 0xc0 || cp == 0xd7 || cp == 0xf7 || (cp >= 0x2000 && cp < 0x2e80) ||
           (cp >= 0x3000 && cp < 0x3040) || (cp >= 0xfe00 && cp < 0xff10) || cp == 0xfffd;
}

static enum sort sort_of(uint32_t cp)
{
    if (cp < 0x80)
        return ascii(cp);
    if (cp == 0xaa || cp == 0xb5 || cp == 0xba)
        return LOWER;
    if (is_mark(cp))
        return NOTHING;
    if (cp >= 0x2e80 && cp < 0xfe00)
        return ALONE;
    return fold_is_upper(cp) ? UPPER : LOWER;
}

size_t words_character(const uint8_t *p, size_t left)
{
    uint32_t cp;

    return decode(p, left, &cp);
}

/* ---- Runs ---- */

struct run {
    char text[RUN_MAX + 4]; /* folded, without '_' */
    size_t len, last_at;    /* of the last character */
    size_t parts[PARTS_MAX + 1], n_parts;
    enum sort before;
    const uint8_t *from; /* its first byte in the text */
};

static void part_begins(struct run *r, size_t at)
{
    if (r->n_parts < PARTS_MAX && (!r->n_parts || r->parts[r->n_parts - 1] < at))
        r->parts[r->n_parts++] = at;
}

static void add(struct run *r, enum sort c, const uint8_t *p, uint32_t cp)
{
    char letter[4];
    size_t n;

    if (!r->from)
        r->from = p;
    if (c == JOINT) {
        r->before = JOINT;
        return;
    }
    n = encode(fold_letter(cp), letter);
    if (r->len + n > RUN_MAX)
        return;
    if (!r->len || r->before == JOINT || (c == UPPER && r->before != UPPER))
        part_begins(r, r->len);
    else if (c == LOWER && r->before == UPPER)
        part_begins(r, r->last_at); /* HTTPServer: the S belongs to what follows */
    r->last_at = r->len;
    memcpy(r->text + r->len, letter, n);
    r->len += n;
    r->before = c;
}

/* At most WORD_MAX bytes, whole characters. */
static size_t cut(const char *text, size_t len)
{
    if (len <= WORD_MAX)
        return len;
    len = WORD_MAX;
    while (len && ((uint8_t)text[len] & 0xc0) == 0x80)
        len--;
    return len;
}

static int emit(const struct run *r, const uint8_t *behind, word_fn fn, void *arg)
{
    struct word_seen w = {r->text, cut(r->text, r->len), WORD_ONLY, 1, r->from, behind};
    int stop;

    if (r->n_parts < 2)
        return fn(arg, &w);
    w.what = WORD_WHOLE;
    stop = fn(arg, &w);
    w.what = WORD_PART;
    for (size_t i = 0; i < r->n_parts && !stop; i++) {
        size_t end = i + 1 < r->n_parts ? r->parts[i + 1] : r->len;

        w.text = r->text + r->parts[i];
        w.len = cut(w.text, end - r->parts[i]);
        w.last = i + 1 == r->n_parts;
        stop = fn(arg, &w);
    }
    return stop;
}

static void run_reset(struct run *r)
{
    r->len = r->last_at = r->n_parts = 0;
    r->before = NOTHING;
    r->from = NULL;
}

int words_scan(struct aiex_slice text, word_fn fn, void *arg)
{
    const uint8_t *p = text.data, *end = p + text.len;
    struct run r;
    int stop = 0;

    run_reset(&r);
    while (p < end && !stop) {
        uint32_t cp = 0;
        size_t n = decode(p, (size_t)(end - p), &cp);
        enum sort c = n ? sort_of(cp) : NOTHING;

        if (r.len && (c == NOTHING || c == ALONE)) {
            stop = emit(&r, p, fn, arg);
            run_reset(&r);
            continue; /* the same character again, as the first one */
        }
        if (c == NOTHING) {
            run_reset(&r); /* it may have been nothing but '_' */
        } else {
            add(&r, c, p, cp);
            if (c == ALONE) {
                stop = emit(&r, p + n, fn, arg);
                run_reset(&r);
            }
        }
        p += n ? n : 1;
    }
    return !stop && r.len ? emit(&r, end, fn, arg) : stop;
}

/* ---- Distinct words ---- */

static uint32_t hash(const struct words *w, const char *text, size_t len)
{
    uint8_t out[crypto_shorthash_BYTES];
    uint32_t h;

    crypto_shorthash(out, (const uint8_t *)text, len, w->key);
    memcpy(&h, out, sizeof(h));
    return h;
}

void words_init(struct words *w, uint32_t max)
{
    memset(w, 0, sizeof(*w));
    w->max = max;
    randombytes_buf(w->key, sizeof(w->key));
}

void words_done(struct words *w)
{
    free(w->all);
    free(w->slots);
    free(w->text);
    memset(w, 0, sizeof(*w));
}

/* The slot of the word, or the empty one where it belongs. */
static uint32_t *slot_of(struct words *w, const char *text, size_t len)
{
    for (uint32_t at = hash(w, text, len);; at++) {
        uint32_t *slot = &w->slots[at & (w->n_slots - 1)];
        const struct word *known = *slot ? &w->all[*slot - 1] : NULL;

        if (!known || (known->len == len && memcmp(w->text + known->at, text, len) == 0))
            return slot;
    }
}

static int grow(struct words *w)
{
    uint32_t cap = w->cap ? w->cap * 2 : 256;
    struct word *all = realloc(w->all, cap * sizeof(*all));
    uint32_t *slots = all ? calloc(cap * 2, sizeof(*slots)) : NULL;

    if (all)
        w->all = all;
    if (!slots)
        return -ENOMEM;
    free(w->slots);
    w->slots = slots;
    w->n_slots = cap * 2;
    w->cap = cap;
    for (uint32_t i = 0; i < w->n; i++)
        *slot_of(w, w->text + w->all[i].at, w->all[i].len) = i + 1;
    return 0;
}

static int keep_text(struct words *w, const char *text, size_t len)
{
    size_t cap = w->text_cap ? w->text_cap * 2 : 4096;
    char *mem;

    if (w->text_len + len > w->text_cap) {
        mem = realloc(w->text, cap);
        if (!mem)
            return -ENOMEM;
        w->text = mem;
        w->text_cap = cap;
    }
    memcpy(w->text + w->text_len, text, len);
    w->text_len += len;
    return 0;
}

/* 1, 0 when it was left out, -ENOMEM. */
static int count_word(struct words *w, const char *text, size_t len)
{
    uint32_t *slot;
    int r;

    if (w->n == w->cap && (r = grow(w)) < 0)
        return r;
    slot = slot_of(w, text, len);
    if (!*slot && w->n == w->max) {
        w->cut = 1;
        return 0;
    }
    if (*slot) {
        w->all[*slot - 1].n++;
        return 1;
    }
    r = keep_text(w, text, len);
    if (r < 0)
        return r;
    w->all[w->n] = (struct word){(uint32_t)(w->text_len - len), 1, (uint8_t)len};
    *slot = ++w->n;
    return 1;
}

static int count(void *arg, const struct word_seen *seen)
{
    struct words *w = arg;
    char stem[STEM_MAX + 1];
    size_t n;
    int r = count_word(w, seen->text, seen->len);

    if (r < 0)
        return r;
    w->length += (uint64_t)r;
    n = seen->what == WORD_WHOLE ? 0 : stem_of(seen->text, seen->len, stem + 1);
    if (!n || (n == seen->len && memcmp(stem + 1, seen->text, n) == 0))
        return 0;
    stem[0] = WORD_STEM;
    r = count_word(w, stem, n + 1);
    return r < 0 ? r : 0;
}

int words_add(struct words *w, struct aiex_slice text)
{
    return words_scan(text, count, w);
}

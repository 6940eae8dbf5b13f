/* words.c - see words.h. */
#include "words.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* ---- Characters ---- */

enum class { NOTHING, LOWER, UPPER, DIGIT, JOINT, ALONE };

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

/* Lower case; the length in UTF-8 stays the same. */
static uint32_t fold(uint32_t cp)
{
    if (cp < 0x80)
        return cp >= 'A' && cp <= 'Z' ? cp + 32 : cp;
    if (cp >= 0xc0 && cp <= 0xde)
        return cp == 0xd7 ? cp : cp + 32;
    if ((cp >= 0x100 && cp <= 0x137) || (cp >= 0x14a && cp <= 0x177))
        return cp | 1;
    if ((cp >= 0x139 && cp <= 0x148) || (cp >= 0x179 && cp <= 0x17e))
        return cp + (cp & 1);
    if ((cp >= 0x391 && cp <= 0x3a9 && cp != 0x3a2) || (cp >= 0x410 && cp <= 0x42f))
        return cp + 32;
    return cp >= 0x400 && cp <= 0x40f ? cp + 80 : cp;
}

static enum class class_of(uint32_t cp) {
    if (cp < 0x80){if (cp >= '0' && cp <= '9') return DIGIT; if (cp == '_') return JOINT;
                   if (cp >= 'A' && cp <= 'Z') return UPPER;
                   return cp >= 'a' && cp <= 'z' ? LOWER : NOTHING;}
if (cp < 0xc0 || cp == 0xd7 || cp == 0xf7 || (cp >= 0x2000 && cp < 0x2e80) ||
    (cp >= 0x3000 && cp < 0x3040) || (cp >= 0xfe00 && cp < 0xff10) || cp == 0xfffd) return cp ==
            0xaa ||
        cp == 0xb5 || cp == 0xba
    ? LOWER
    : NOTHING;
if (cp >= 0x2e80 && cp < 0xfe00)
    return ALONE;
return fold(cp) != cp ? UPPER : LOWER;
}

/* ---- Runs ---- */

struct run {
    char text[RUN_MAX + 4]; /* folded, without '_' */
    size_t len, last_at;    /* of the last character */
    size_t parts[PARTS_MAX + 1], n_parts;
    enum class before;
};

static void part_begins(struct run *r, size_t at)
{
    if (r->n_parts < PARTS_MAX && (!r->n_parts || r->parts[r->n_parts - 1] < at))
        r->parts[r->n_parts++] = at;
}

static void add(struct run *r, enum class c, const uint8_t *p, size_t n, uint32_t cp)
{
    if (c == JOINT) {
        r->before = JOINT;
        return;
    }
    if (r->len + n > RUN_MAX)
        return;
    if (!r->len || r->before == JOINT || (c == UPPER && r->before != UPPER))
        part_begins(r, r->len);
    else if (c == LOWER && r->before == UPPER)
        part_begins(r, r->last_at); /* HTTPServer: the S belongs to what follows */
    r->last_at = r->len;
    cp = fold(cp);
    if (n == 1) {
        r->text[r->len] = (char)cp;
    } else {
        memcpy(r->text + r->len, p, n);
        if (n == 2) {
            r->text[r->len] = (char)(0xc0 | cp >> 6);
            r->text[r->len + 1] = (char)(0x80 | (cp & 0x3f));
        }
    }
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
    struct word_seen w = {r->text, cut(r->text, r->len), WORD_ONLY, 1, behind};
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
        enum class c = n ? class_of(cp) : NOTHING;

        if (r.len && (c == NOTHING || c == ALONE)) {
            stop = emit(&r, p, fn, arg);
            run_reset(&r);
            continue; /* the same character again, as the first one */
        }
        if (c == NOTHING) {
            r.before = NOTHING;
        } else {
            add(&r, c, p, n, cp);
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

static int count(void *arg, const struct word_seen *seen)
{
    struct words *w = arg;
    uint32_t *slot;
    int r;

    if (w->n == w->cap && (r = grow(w)) < 0)
        return r;
    slot = slot_of(w, seen->text, seen->len);
    if (!*slot && w->n == w->max) {
        w->cut = 1;
        return 0;
    }
    w->length++;
    if (*slot) {
        w->all[*slot - 1].n++;
        return 0;
    }
    r = keep_text(w, seen->text, seen->len);
    if (r < 0)
        return r;
    w->all[w->n] = (struct word){(uint32_t)(w->text_len - seen->len), 1, (uint8_t)seen->len};
    *slot = ++w->n;
    return 0;
}

int words_add(struct words *w, struct aiex_slice text)
{
    return words_scan(text, count, w);
}

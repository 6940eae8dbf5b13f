/*
 * pattern.c - compiles a regular expression to a small program (Thompson 1968; the manner of
 * https://swtch.com/~rsc/regexp/regexp2.html). A quantifier compiles its atom again from the source
 * as often as it needs it, so counted repeats are plain code; program and work are bounded.
 */
#include "pattern.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define MAX_STEPS  20000u /* atoms compiled, also those that emit nothing */
#define MAX_NESTED 64u
#define MAX_RUNE   0x10ffffu
#define UNBOUNDED  UINT32_MAX

struct compiler {
    struct pattern *p;
    const char *text;
    size_t len, at;
    unsigned steps, nested;
    int error;
};

static int fail(struct compiler *c, int error)
{
    if (!c->error)
        c->error = error;
    return -1;
}

static int peek(const struct compiler *c)
{
    return c->at < c->len ? (unsigned char)c->text[c->at] : -1;
}

static int take(struct compiler *c, char ch)
{
    if (peek(c) != (unsigned char)ch)
        return 0;
    c->at++;
    return 1;
}

static uint32_t emit(struct compiler *c, enum op op, int not, uint32_t x, uint32_t y)
{
    if (c->p->n_code == PATTERN_CODE) {
        fail(c, -ENOTSUP);
        return 0;
    }
    c->p->code[c->p->n_code] = (struct inst){(uint8_t)op, (uint8_t) not, x, y};
    return c->p->n_code++;
}

size_t schema_pattern_rune(const char *text, size_t len, uint32_t *ret_rune)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t n = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
    uint32_t r = n == 1 ? *p : *p & (0x7fu >> n);

    if (n > len)
        n = len;
    for (size_t i = 1; i < n; i++)
        r = r << 6 | (p[i] & 0x3f);
    *ret_rune = r;
    return n;
}

static void add_range(struct compiler *c, uint32_t from, uint32_t to)
{
    if (c->p->n_ranges == PATTERN_RANGES) {
        fail(c, -ENOTSUP);
        return;
    }
    c->p->ranges[c->p->n_ranges].from = from;
    c->p->ranges[c->p->n_ranges++].to = to;
}

/* \d \w \s as sorted ranges, and their complements. */
static int add_set(struct compiler *c, int letter)
{
    static const struct {
        char letter;
        struct {
            uint32_t from, to;
        } ranges[11];
    } sets[] = {
        {'d', {{'0', '9'}}},
        {'w', {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
        {'s',
         {{9, 13},
          {32, 32},
          {0xa0, 0xa0},
          {0x1680, 0x1680},
          {0x2000, 0x200a},
          {0x2028, 0x2029},
          {0x202f, 0x202f},
          {0x205f, 0x205f},
          {0x3000, 0x3000},
          {0xfeff, 0xfeff}}},
    };
    uint32_t next = 0;

    for (size_t s = 0; s < sizeof(sets) / sizeof(sets[0]); s++) {
        if (sets[s].letter != tolower(letter))
            continue;
        for (int i = 0; sets[s].ranges[i].to; i++) {
            if (islower(letter))
                add_range(c, sets[s].ranges[i].from, sets[s].ranges[i].to);
            else
                add_range(c, next, sets[s].ranges[i].from - 1);
            next = sets[s].ranges[i].to + 1;
        }
        if (!islower(letter))
            add_range(c, next, MAX_RUNE);
        return 1;
    }
    return 0;
}

static int hex(struct compiler *c, int digits, uint32_t *ret)
{
    *ret = 0;
    while (digits--) {
        int ch = peek(c);

        if (!isxdigit(ch))
            return fail(c, -EINVAL);
        *ret = *ret << 4 | (uint32_t)(isdigit(ch) ? ch - '0' : tolower(ch) - 'a' + 10);
        c->at++;
    }
    return 0;
}

/* \uXXXX, a pair of them, \u{X}. */
static int unicode(struct compiler *c, uint32_t *ret)
{
    uint32_t low;

    if (take(c, '{')) {
        for (*ret = 0; peek(c) >= 0 && peek(c) != '}';) {
            uint32_t digit;

            if (hex(c, 1, &digit) != 0 || (*ret = *ret << 4 | digit) > MAX_RUNE)
                return fail(c, -EINVAL);
        }
        return take(c, '}') ? 0 : fail(c, -EINVAL);
    }
    if (hex(c, 4, ret) != 0)
        return -1;
    if (*ret >= 0xd800 && *ret < 0xdc00 && c->len - c->at >= 6 && c->text[c->at] == '\\' &&
        c->text[c->at + 1] == 'u') {
        c->at += 2;
        if (hex(c, 4, &low) != 0)
            return -1;
        *ret = 0x10000 + ((*ret - 0xd800) << 10) + (low - 0xdc00);
    }
    return *ret > MAX_RUNE ? fail(c, -EINVAL) : 0;
}

/* Behind a backslash: one character. */
static int escaped(struct compiler *c, uint32_t *ret)
{
    static const char from[] = "tnvfr", to[] = "\t\n\v\f\r";
    const char *simple;
    int ch = peek(c);

    if (ch < 0)
        return fail(c, -EINVAL);
    if (ch == 'u' || ch == 'x') {
        c->at++;
        return ch == 'u' ? unicode(c, ret) : hex(c, 2, ret);
    }
    if (ch == '0' && !(c->at + 1 < c->len && isdigit((unsigned char)c->text[c->at + 1]))) {
        c->at++;
        *ret = 0;
        return 0;
    }
    if (ch == 'c' && c->at + 1 < c->len && isalpha((unsigned char)c->text[c->at + 1])) {
        *ret = (uint32_t)c->text[c->at + 1] & 31;
        c->at += 2;
        return 0;
    }
    simple = ch ? strchr(from, ch) : NULL;
    if (!simple && isalnum(ch)) /* back-references, \p, \k ... */
        return fail(c, -ENOTSUP);
    if (simple) {
        *ret = (uint32_t)to[simple - from];
        c->at++;
        return 0;
    }
    c->at += schema_pattern_rune(c->text + c->at, c->len - c->at, ret);
    return 0;
}

/* One member of a class. 1 = a character in *ret, 0 = a set was added, -1. */
static int class_member(struct compiler *c, uint32_t *ret)
{
    if (!take(c, '\\')) {
        c->at += schema_pattern_rune(c->text + c->at, c->len - c->at, ret);
        return 1;
    }
    if (peek(c) > 0 && add_set(c, peek(c))) {
        c->at++;
        return 0;
    }
    if (take(c, 'b')) {
        *ret = 8;
        return 1;
    }
    if (take(c, '-')) {
        *ret = '-';
        return 1;
    }
    return escaped(c, ret) == 0 ? 1 : -1;
}

static void class(struct compiler *c)
{
    uint32_t begin = c->p->n_ranges, from, to;
    int not = take(c, '^');

    while (!c->error && !take(c, ']')) {
        int r;

        if (peek(c) < 0) {
            fail(c, -EINVAL);
            return;
        }
        r = class_member(c, &from);
        if (r <= 0)
            continue;
        to = from;
        if (peek(c) == '-' && c->at + 1 < c->len && c->text[c->at + 1] != ']') {
            c->at++;
            r = class_member(c, &to);
            if (r == 0) { /* [a-\d]: three members */
                add_range(c, '-', '-');
                to = from;
            } else if (to < from) {
                fail(c, -EINVAL);
            }
        }
        add_range(c, from, to);
    }
    emit(c, OP_CLASS, not, begin, c->p->n_ranges);
}

static void alternatives(struct compiler *c);

static void group(struct compiler *c)
{
    if (take(c, '?') && !take(c, ':')) {
        if (!take(c, '<') || peek(c) == '=' || peek(c) == '!') {
            fail(c, -ENOTSUP); /* look-around */
            return;
        }
        while (peek(c) >= 0 && !take(c, '>')) /* (?<name> */
            c->at++;
    }
    if (++c->nested > MAX_NESTED) {
        fail(c, -ENOTSUP);
        return;
    }
    alternatives(c);
    c->nested--;
    if (!take(c, ')'))
        fail(c, -EINVAL);
}

static void backslash(struct compiler *c)
{
    uint32_t begin = c->p->n_ranges, rune;

    if (peek(c) == 'b' || peek(c) == 'B') {
        emit(c, OP_EDGE, c->text[c->at++] == 'B', 0, 0);
    } else if (peek(c) > 0 && add_set(c, peek(c))) {
        c->at++;
        emit(c, OP_CLASS, 0, begin, c->p->n_ranges);
    } else if (escaped(c, &rune) == 0) {
        emit(c, OP_CHAR, 0, rune, 0);
    }
}

static void atom(struct compiler *c)
{
    uint32_t rune;

    if (++c->steps > MAX_STEPS) {
        fail(c, -ENOTSUP);
        return;
    }
    if (take(c, '('))
        group(c);
    else if (take(c, '['))
        class(c);
    else if (take(c, '\\'))
        backslash(c);
    else if (take(c, '.'))
        emit(c, OP_ANY, 0, 0, 0);
    else if (take(c, '^'))
        emit(c, OP_BEGIN, 0, 0, 0);
    else if (take(c, '$'))
        emit(c, OP_END, 0, 0, 0);
    else if (peek(c) == '*' || peek(c) == '+' || peek(c) == '?')
        fail(c, -EINVAL); /* nothing to repeat */
    else {
        c->at += schema_pattern_rune(c->text + c->at, c->len - c->at, &rune);
        emit(c, OP_CHAR, 0, rune, 0);
    }
}

static int count(struct compiler *c, uint32_t *ret)
{
    if (!isdigit(peek(c)))
        return 0;
    for (*ret = 0; isdigit(peek(c)); c->at++)
        if (*ret < 100000)
            *ret = *ret * 10 + (uint32_t)(peek(c) - '0');
    return 1;
}

/* *, +, ?, {n}, {n,}, {n,m}, each perhaps lazy. 1 when there is one. */
static int quantifier(struct compiler *c, uint32_t *ret_min, uint32_t *ret_max)
{
    size_t begin = c->at;

    if (take(c, '*')) {
        *ret_min = 0;
        *ret_max = UNBOUNDED;
    } else if (take(c, '+')) {
        *ret_min = 1;
        *ret_max = UNBOUNDED;
    } else if (take(c, '?')) {
        *ret_min = 0;
        *ret_max = 1;
    } else if (take(c, '{') && count(c, ret_min)) {
        *ret_max = *ret_min;
        if (take(c, ',') && !count(c, ret_max))
            *ret_max = UNBOUNDED;
        if (!take(c, '}')) {
            c->at = begin; /* a plain brace, as ECMA-262 annex B has it */
            return 0;
        }
        if (*ret_max < *ret_min)
            fail(c, -EINVAL);
    } else {
        c->at = begin;
        return 0;
    }
    take(c, '?');
    return 1;
}

static void again(struct compiler *c, size_t source)
{
    c->at = source;
    atom(c);
}

static void repeat(struct compiler *c, size_t source, uint32_t min, uint32_t max)
{
    size_t behind = c->at;
    uint32_t split, begin;

    for (uint32_t i = 0; i < min && !c->error; i++)
        again(c, source);
    if (max == UNBOUNDED) {
        begin = emit(c, OP_SPLIT, 0, c->p->n_code + 1, 0);
        again(c, source);
        emit(c, OP_JUMP, 0, begin, 0);
        c->p->code[begin].y = c->p->n_code;
    } else {
        for (uint32_t i = min; i < max && !c->error; i++) {
            split = emit(c, OP_SPLIT, 0, c->p->n_code + 1, 0);
            again(c, source);
            c->p->code[split].y = c->p->n_code;
        }
    }
    c->at = behind;
}

static void sequence(struct compiler *c)
{
    while (!c->error && peek(c) >= 0 && peek(c) != '|' && peek(c) != ')') {
        uint32_t code = c->p->n_code, ranges = c->p->n_ranges, min, max;
        size_t source = c->at;

        atom(c);
        if (c->error || !quantifier(c, &min, &max))
            continue;
        c->p->n_code = code;
        c->p->n_ranges = ranges;
        repeat(c, source, min, max);
    }
}

/* a|b|c: the split stands before what it splits, so each alternative is compiled from its source
 * once more when a bar follows. */
static void alternatives(struct compiler *c)
{
    uint32_t jumps[64], n = 0;

    for (;;) {
        uint32_t code = c->p->n_code, ranges = c->p->n_ranges, split;
        size_t source = c->at;

        sequence(c);
        if (c->error || peek(c) != '|')
            break;
        if (n == 64) {
            fail(c, -ENOTSUP);
            break;
        }
        c->p->n_code = code;
        c->p->n_ranges = ranges;
        c->at = source;
        split = emit(c, OP_SPLIT, 0, c->p->n_code + 1, 0);
        sequence(c);
        jumps[n++] = emit(c, OP_JUMP, 0, 0, 0);
        c->p->code[split].y = c->p->n_code;
        take(c, '|');
    }
    while (n)
        c->p->code[jumps[--n]].x = c->p->n_code;
}

int schema_pattern_compile(struct pattern *p, const char *text, size_t len)
{
    struct compiler c = {.p = p, .text = text, .len = len};

    p->n_code = p->n_ranges = 0;
    alternatives(&c);
    if (!c.error && c.at < len) /* a bracket that nobody opened */
        c.error = -EINVAL;
    emit(&c, OP_MATCH, 0, 0, 0);
    return c.error;
}

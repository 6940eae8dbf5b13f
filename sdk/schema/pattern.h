/* pattern.h - regular expressions of ECMA-262 without what needs backtracking; see pattern.c. */
#ifndef PATTERN_H
#define PATTERN_H

#include <stddef.h>
#include <stdint.h>

#define PATTERN_CODE   2048u /* instructions */
#define PATTERN_RANGES 1024u /* of all classes */

enum op {
    OP_CHAR,  /* x = code point */
    OP_ANY,   /* but line ends */
    OP_CLASS, /* ranges x to y; not = the others */
    OP_SPLIT, /* go on at x and at y */
    OP_JUMP,  /* x */
    OP_BEGIN,
    OP_END,
    OP_EDGE, /* of a word; not = none */
    OP_MATCH
};

struct inst {
    uint8_t op, not ;
    uint32_t x, y;
};

struct pattern {
    struct inst code[PATTERN_CODE];
    struct {
        uint32_t from, to;
    } ranges[PATTERN_RANGES];
    uint32_t n_code, n_ranges;
};

/* Compiles UTF-8. 0, -EINVAL (no regular expression), -ENOTSUP (what is not supported, or too
 * large). */
int schema_pattern_compile(struct pattern *p, const char *text, size_t len);

/* Whether it matches anywhere. 1, 0, -E2BIG (*work, which is counted down, is used up), -ENOMEM. */
int schema_pattern_match(const struct pattern *p, const char *text, size_t len, size_t *work);

/* One code point of UTF-8 that is well formed. Bytes taken. */
size_t schema_pattern_rune(const char *text, size_t len, uint32_t *ret_rune);

#endif

#include "flow.h"

#include <errno.h>
#include <string.h>

enum {
    VALUE, /* the begin of a value */
    FIRST_ITEM,
    FIRST_KEY,
    KEY,
    COLON,
    AFTER, /* behind a value, inside a container */
    WHOLE,
    STRING,
    ESCAPE,
    UNICODE,
    KEY_STRING,
    KEY_ESCAPE,
    KEY_UNICODE,
    WORD,
    MINUS,
    ZERO,
    DIGITS,
    POINT,
    FRACTION,
    EXPONENT,
    EXPONENT_SIGN,
    EXPONENT_DIGITS,
};

static int in_object(const struct flow *f)
{
    return f->depth && (f->objects >> (f->depth - 1) & 1);
}

static int is_space(unsigned c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static int is_digit(unsigned c)
{
    return c >= '0' && c <= '9';
}

static int value_ends(struct flow *f)
{
    f->state = f->depth ? AFTER : WHOLE;
    return 0;
}

static int open_container(struct flow *f, int object)
{
    if (f->depth == 64)
        return -EINVAL;
    f->objects &= ~((uint64_t)1 << f->depth);
    f->objects |= (uint64_t)object << f->depth;
    f->depth++;
    f->state = object ? FIRST_KEY : FIRST_ITEM;
    return 0;
}

static int close_container(struct flow *f, unsigned c)
{
    if (!f->depth || c != (in_object(f) ? '}' : ']'))
        return -EINVAL;
    f->depth--;
    return value_ends(f);
}

static int begin_word(struct flow *f, const char *rest)
{
    f->word = rest;
    f->state = WORD;
    return 0;
}

static int begin_value(struct flow *f, unsigned c)
{
    if (!f->begun)
        f->top = (uint8_t)c;
    f->begun = 1;
    switch (c) {
    case '{':
        return open_container(f, 1);
    case '[':
        return open_container(f, 0);
    case '"':
        f->state = STRING;
        return 0;
    case 't':
        return begin_word(f, "rue");
    case 'f':
        return begin_word(f, "alse");
    case 'n':
        return begin_word(f, "ull");
    case '-':
        f->state = MINUS;
        return 0;
    case '0':
        f->state = ZERO;
        return 0;
    default:
        f->state = DIGITS;
        return is_digit(c) ? 0 : -EINVAL;
    }
}

static int after_value(struct flow *f, unsigned c)
{
    if (f->state == WHOLE)
        return is_space(c) ? 0 : -EINVAL;
    if (is_space(c))
        return 0;
    if (c != ',')
        return close_container(f, c);
    f->state = in_object(f) ? KEY : VALUE;
    return 0;
}

/* `f->state` is STRING, ESCAPE, UNICODE or the same of a key. */
static int in_string(struct flow *f, unsigned c)
{
    uint8_t base = f->state >= KEY_STRING ? KEY_STRING : STRING;

    switch (f->state - base) {
    case 0:
        if (c == '"')
            return base == KEY_STRING ? (f->state = COLON, 0) : value_ends(f);
        if (c == '\\')
            f->state = (uint8_t)(base + 1);
        return c < 0x20 ? -EINVAL : 0;
    case 1:
        f->state = (uint8_t)(c == 'u' ? base + 2 : base);
        f->left = 4;
        return c && c < 0x80 && strchr("\"\\/bfnrtu", (int)c) ? 0 : -EINVAL;
    default:
        if (!is_digit(c) && ((c | 0x20) < 'a' || (c | 0x20) > 'f'))
            return -EINVAL;
        if (--f->left == 0)
            f->state = base;
        return 0;
    }
}

static int in_word(struct flow *f, unsigned c)
{
    if (c != (unsigned char)*f->word)
        return -EINVAL;
    return *++f->word ? 0 : value_ends(f);
}

/* A number ends with what follows it. */
static int in_number(struct flow *f, unsigned c)
{
    static const struct {
        uint8_t from, digits, point, exponent, whole;
    } rows[] = {
        {MINUS, DIGITS, 0, 0, 0},
        {ZERO, 0, POINT, EXPONENT, 1},
        {DIGITS, DIGITS, POINT, EXPONENT, 1},
        {POINT, FRACTION, 0, 0, 0},
        {FRACTION, FRACTION, 0, EXPONENT, 1},
        {EXPONENT, EXPONENT_DIGITS, 0, 0, 0},
        {EXPONENT_SIGN, EXPONENT_DIGITS, 0, 0, 0},
        {EXPONENT_DIGITS, EXPONENT_DIGITS, 0, 0, 1},
    };
    int row = f->state - MINUS;
    uint8_t next = 0;

    if (is_digit(c))
        next = f->state == MINUS && c == '0' ? ZERO : rows[row].digits;
    else if (c == '.')
        next = rows[row].point;
    else if (c == 'e' || c == 'E')
        next = rows[row].exponent;
    else if ((c == '+' || c == '-') && f->state == EXPONENT)
        next = EXPONENT_SIGN;
    else if (rows[row].whole) {
        value_ends(f);
        return after_value(f, c);
    }
    f->state = next;
    return next ? 0 : -EINVAL;
}

/* One character; what is not ASCII comes as 0x80. */
static int step(struct flow *f, unsigned c)
{
    switch (f->state) {
    case FIRST_ITEM:
        if (c == ']')
            return close_container(f, c);
        /* fall through */
    case VALUE:
        return is_space(c) ? 0 : begin_value(f, c);
    case FIRST_KEY:
        if (c == '}')
            return close_container(f, c);
        /* fall through */
    case KEY:
        if (c == '"')
            f->state = KEY_STRING;
        return c == '"' || is_space(c) ? 0 : -EINVAL;
    case COLON:
        if (c == ':')
            f->state = VALUE;
        return c == ':' || is_space(c) ? 0 : -EINVAL;
    case AFTER:
    case WHOLE:
        return after_value(f, c);
    case WORD:
        return in_word(f, c);
    case STRING:
    case ESCAPE:
    case UNICODE:
    case KEY_STRING:
    case KEY_ESCAPE:
    case KEY_UNICODE:
        return in_string(f, c);
    default:
        return in_number(f, c);
    }
}

static unsigned hex(unsigned char c)
{
    return c <= '9' ? c - (unsigned)'0' : (c | 0x20u) - 'a' + 10;
}

/* What the escape at p stands for; *n = its length. */
static unsigned unescape(const uint8_t *p, const uint8_t *end, size_t *n)
{
    static const char codes[] = "bfnrt", plain[] = "\b\f\n\r\t";
    const char *code;
    unsigned v;

    *n = end - p < 2 ? 1 : 2;
    if (*n == 1)
        return 0x80;
    if (p[1] != 'u') {
        code = memchr(codes, p[1], 5);
        return code ? (unsigned char)plain[code - codes] : p[1];
    }
    *n = end - p < 6 ? (size_t)(end - p) : 6;
    if (*n < 6)
        return 0x80;
    v = hex(p[2]) << 12 | hex(p[3]) << 8 | hex(p[4]) << 4 | hex(p[5]);
    return v < 0x80 ? v : 0x80;
}

int flow_feed(struct flow *f, struct aiex_slice raw)
{
    const uint8_t *p = raw.data, *end = p + raw.len;
    size_t n;

    while (p < end) {
        unsigned c = *p < 0x80 ? *p : 0x80;

        n = 1;
        if (c == '\\')
            c = unescape(p, end, &n);
        if (step(f, c) != 0)
            return -EINVAL;
        p += n;
    }
    return 0;
}

int flow_whole(const struct flow *f)
{
    return f->state == WHOLE ||
           (!f->depth && (f->state == ZERO || f->state == DIGITS || f->state == FRACTION ||
                          f->state == EXPONENT_DIGITS));
}

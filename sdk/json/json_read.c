/*
 * json_read.c - reading the spans that json_scan.c has accepted.
 *
 * Everything here trusts the grammar of its input but never its length, so that a
 * span from elsewhere can give wrong answers only, not reads beyond its end.
 */
#include "aiex_json.h"

#include <errno.h>
#include <string.h>

/* ---- Strings ---- */

static unsigned hex_digit(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10) & 15u;
}

static uint32_t hex4(const char *p)
{
    return hex_digit(p[0]) << 12 | hex_digit(p[1]) << 8 | hex_digit(p[2]) << 4 | hex_digit(p[3]);
}

static size_t put_utf8(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 63));
        out[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 63));
    out[2] = (char)(0x80 | (c >> 6 & 63));
    out[3] = (char)(0x80 | (c & 63));
    return 4;
}

/* "\uXXXX" at p, perhaps a pair; its length in the text. */
static size_t take_unicode(const char *p, const char *end, uint32_t *ret_char)
{
    uint32_t c, low;

    if (end - p < 6) {
        *ret_char = 0xfffd;
        return (size_t)(end - p);
    }
    c = hex4(p + 2);
    if (c >= 0xd800 && c < 0xdc00 && end - p >= 12 && p[6] == '\\' && p[7] == 'u') {
        low = hex4(p + 8);
        if (low >= 0xdc00 && low < 0xe000) {
            *ret_char = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
            return 12;
        }
    }
    *ret_char = c >= 0xd800 && c < 0xe000 ? 0xfffd : c;
    return 6;
}

/* One character (a byte of plain text, or what an escape stands for) into out[4]. */
static size_t take_char(const char **p, const char *end, char *out)
{
    static const char codes[] = "\"\\/bfnrt", plain[] = "\"\\/\b\f\n\r\t";
    const char *code;
    uint32_t c;

    if (**p != '\\' || end - *p < 2) {
        *out = *(*p)++;
        return 1;
    }
    if ((*p)[1] == 'u') {
        *p += take_unicode(*p, end, &c);
        return put_utf8(c, out);
    }
    code = memchr(codes, (*p)[1], sizeof(codes) - 1);
    *out = code ? plain[code - codes] : (*p)[1];
    *p += 2;
    return 1;
}

static int string_inside(const struct aiex_json_span *s, const char **ret_p, const char **ret_end)
{
    if (s->type != AIEX_JSON_STRING || s->len < 2)
        return -EINVAL;
    *ret_p = s->data + 1;
    *ret_end = s->data + s->len - 1;
    return 0;
}

long aiex_json_text(const struct aiex_json_span *string, char *out, size_t size)
{
    const char *p, *end;
    size_t len = 0, n;
    char one[4];

    if (string_inside(string, &p, &end) != 0)
        return -EINVAL;
    n = (size_t)(end - p);
    if (n < size && !memchr(p, '\\', n)) { /* most of them say what they mean */
        memcpy(out, p, n);
        out[n] = 0;
        return (long)n;
    }
    while (p < end) {
        n = take_char(&p, end, one);
        if (len + n >= size)
            return -ENOSPC;
        memcpy(out + len, one, n);
        len += n;
    }
    if (len >= size)
        return -ENOSPC;
    out[len] = 0;
    return (long)len;
}

size_t aiex_json_unescape(const char *inside, size_t len, char *out)
{
    const char *p = inside, *end;
    char *to = out;

    if (!len)
        return 0;
    for (end = inside + len; p < end;) {
        const char *from = p;
        char one[4];
        size_t n;

        while (p < end && *p != '\\')
            p++;
        memcpy(to, from, (size_t)(p - from));
        to += p - from;
        if (p == end)
            break;
        n = take_char(&p, end, one);
        memcpy(to, one, n);
        to += n;
    }
    return (size_t)(to - out);
}

void aiex_json_mend_surrogates(char *text, size_t len)
{
    char *p = text, *end = text + len;

    while (end - p >= 6 && (p = memchr(p, '\\', (size_t)(end - p)))) {
        uint32_t c;
        size_t n = 2;

        if (end - p >= 6 && p[1] == 'u') {
            n = take_unicode(p, end, &c);
            if (n == 6 && c == 0xfffd && (p[2] | 0x20) == 'd') /* a U+FFFD stays as it was said */
                memcpy(p, "\\ufffd", 6);
        }
        p += n;
    }
}

int aiex_json_is(const struct aiex_json_span *string, const char *plain)
{
    const char *p, *end;
    size_t left = strlen(plain), n;
    char one[4];

    if (string_inside(string, &p, &end) != 0)
        return 0;
    if (!memchr(p, '\\', (size_t)(end - p)))
        return (size_t)(end - p) == left && memcmp(p, plain, left) == 0;
    while (p < end) {
        n = take_char(&p, end, one);
        if (n > left || memcmp(one, plain, n) != 0)
            return 0;
        plain += n;
        left -= n;
    }
    return left == 0;
}

/* ---- Numbers ---- */

int aiex_json_int(const struct aiex_json_span *number, int64_t *out)
{
    const char *p, *end;
    int negative;
    int64_t v = 0;

    if (number->type != AIEX_JSON_NUMBER || !number->len)
        return -EINVAL;
    p = number->data;
    end = p + number->len;
    negative = *p == '-';
    if (negative && ++p == end)
        return -EINVAL;
    for (; p < end; p++) {
        if (*p < '0' || *p > '9')
            return -EINVAL;
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_sub_overflow(v, *p - '0', &v)) /* negative all along: INT64_MIN fits */
            return -ERANGE;
    }
    if (!negative && v == INT64_MIN)
        return -ERANGE;
    *out = negative ? v : -v;
    return 0;
}

/* ---- Walking ---- */

static int is_filler(char c)
{
    return c == ',' || c == ':' || c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static size_t skip_filler(const struct aiex_json_span *whole, size_t at)
{
    while (at < whole->len && is_filler(whole->data[at]))
        at++;
    return at;
}

/* From the opening quote to behind the closing one. Only quotes are looked for; whether one is
 * escaped is seen from the backslashes before it. */
static size_t skip_string(const struct aiex_json_span *whole, size_t at)
{
    const char *from = whole->data + at + 1, *end = whole->data + whole->len, *p = from;

    while (p < end && (p = memchr(p, '"', (size_t)(end - p))) != NULL) {
        const char *before = p;

        while (before > from && before[-1] == '\\')
            before--;
        p++;
        if ((p - before) % 2) /* an even number of backslashes, and the quote */
            return (size_t)(p - whole->data);
    }
    return whole->len;
}

static size_t skip_scalar(const struct aiex_json_span *whole, size_t at)
{
    while (at < whole->len && !is_filler(whole->data[at]) && whole->data[at] != ']' &&
           whole->data[at] != '}')
        at++;
    return at;
}

static size_t skip_container(const struct aiex_json_span *whole, size_t at)
{
    unsigned depth = 0;

    while (at < whole->len) {
        char c = whole->data[at];

        if (c == '"') {
            at = skip_string(whole, at);
            continue;
        }
        at++;
        if (c == '{' || c == '[')
            depth++;
        else if ((c == '}' || c == ']') && --depth == 0)
            break;
    }
    return at;
}

static int type_at(char c)
{
    switch (c) {
    case '"':
        return AIEX_JSON_STRING;
    case '{':
        return AIEX_JSON_OBJECT;
    case '[':
        return AIEX_JSON_ARRAY;
    case 't':
        return AIEX_JSON_TRUE;
    case 'f':
        return AIEX_JSON_FALSE;
    case 'n':
        return AIEX_JSON_NULL;
    default:
        return AIEX_JSON_NUMBER;
    }
}

static int is_container(const struct aiex_json_span *value)
{
    return value->type == AIEX_JSON_OBJECT || value->type == AIEX_JSON_ARRAY;
}

/* The value at or behind `at`, a container as its beginning only; 0 at the closing bracket. */
static int take_value(const struct aiex_json_span *whole, size_t *at, struct aiex_json_span *value)
{
    size_t from = skip_filler(whole, *at);

    *at = from;
    if (from >= whole->len || whole->data[from] == '}' || whole->data[from] == ']')
        return 0;
    value->type = type_at(whole->data[from]);
    value->data = whole->data + from;
    value->len = whole->len - from;
    if (is_container(value))
        return 1;
    *at = value->type == AIEX_JSON_STRING ? skip_string(whole, from) : skip_scalar(whole, from);
    value->len = *at - from;
    return value->len > 0;
}

void aiex_json_skip(const struct aiex_json_span *whole, size_t *at, struct aiex_json_span *value)
{
    if (!is_container(value))
        return;
    *at = skip_container(whole, (size_t)(value->data - whole->data));
    value->len = (size_t)(whole->data + *at - value->data);
}

int aiex_json_step(const struct aiex_json_span *whole, size_t *at, struct aiex_json_span *key,
                   struct aiex_json_span *value)
{
    struct aiex_json_span name;

    if (!is_container(whole))
        return 0;
    if (*at == 0)
        *at = 1;
    if (whole->type == AIEX_JSON_OBJECT) {
        key = key ? key : &name;
        if (!take_value(whole, at, key))
            return 0;
        aiex_json_skip(whole, at, key); /* no key, but it was not checked either */
    }
    return take_value(whole, at, value);
}

int aiex_json_next(const struct aiex_json_span *whole, size_t *at, struct aiex_json_span *key,
                   struct aiex_json_span *value)
{
    if (!aiex_json_step(whole, at, key, value))
        return 0;
    aiex_json_skip(whole, at, value);
    return 1;
}

int aiex_json_find(const struct aiex_json_span *object, const char *key,
                   struct aiex_json_span *value)
{
    struct aiex_json_span name, item;
    size_t at = 0;
    int found = 0;

    *value = (struct aiex_json_span){0};
    if (object->type != AIEX_JSON_OBJECT)
        return 0;
    while (aiex_json_next(object, &at, &name, &item)) {
        if (aiex_json_is(&name, key)) {
            *value = item;
            found = 1;
        }
    }
    return found;
}

void aiex_json_where(struct aiex_slice text, size_t offset, size_t *ret_line, size_t *ret_column)
{
    size_t line = 1, begin = 0;

    for (size_t i = 0; i < offset && i < text.len; i++) {
        if (text.data[i] == '\n') {
            line++;
            begin = i + 1;
        }
    }
    *ret_line = line;
    *ret_column = offset - begin + 1;
}

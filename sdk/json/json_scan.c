/*
 * json_scan.c - checks a JSON text in one pass and notes top-level fields.
 *
 * Three states, one loop, a bit per open container instead of recursion, so that
 * hostile nesting costs nothing. Most bytes of a real request lie inside long
 * strings: plain_run() steps over them 16 at a time where the processor can.
 */
#include "aiex_json.h"
#include "json_utf8.h"

#include <errno.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

struct scanner {
    const unsigned char *p, *start, *end;
    unsigned depth, max_depth;
    uint64_t objects[AIEX_JSON_MAX_DEPTH / 64]; /* bit set: that level is an object */
    int error;
    const char *reason;
};

static int refuse(struct scanner *s, int error, const char *reason)
{
    s->error = error;
    s->reason = s->p == s->end && error == -EINVAL ? "text ends too early" : reason;
    return error;
}

static void skip_space(struct scanner *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t'))
        s->p++;
}

/* Steps over characters that need no thought: ASCII but quote, backslash and controls. May stop
 * early, never late. */
static const unsigned char *plain_run(const unsigned char *p, const unsigned char *end)
{
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1f);

    while (end - p >= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i stop = _mm_or_si128(
            _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)),
            _mm_cmpeq_epi8(_mm_min_epu8(v, control), v));
        int mask = _mm_movemask_epi8(_mm_or_si128(stop, v)); /* v itself: its high bits */

        if (mask)
            return p + __builtin_ctz((unsigned)mask);
        p += 16;
    }
#endif
    while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\')
        p++;
    return p;
}

static int is_hex(unsigned char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* At the backslash. */
static int scan_escape(struct scanner *s)
{
    s->p++;
    if (s->p == s->end)
        return refuse(s, -EINVAL, "");
    if (*s->p == 'u') {
        for (int i = 0; i < 4; i++) {
            s->p++;
            if (s->p == s->end || !is_hex(*s->p))
                return refuse(s, -EINVAL, "expected four hex digits after '\\u'");
        }
    } else if (!memchr("\"\\/bfnrt", *s->p, 8)) {
        return refuse(s, -EINVAL, "unknown escape in a string");
    }
    s->p++;
    return 0;
}

/* At the opening quote; afterwards behind the closing one. */
static int scan_string(struct scanner *s)
{
    s->p++;
    for (;;) {
        s->p = plain_run(s->p, s->end);
        if (s->p == s->end)
            return refuse(s, -EINVAL, "");
        if (*s->p == '"') {
            s->p++;
            return 0;
        }
        if (*s->p == '\\') {
            if (scan_escape(s) != 0)
                return s->error;
        } else if (*s->p < 0x20) {
            return refuse(s, -EINVAL, "control character in a string");
        }
        while (s->p < s->end && *s->p >= 0x80) {
            size_t n = utf8_length(s->p, s->end);

            if (!n)
                return refuse(s, -EILSEQ, "broken UTF-8");
            s->p += n;
        }
    }
}

static int scan_digits(struct scanner *s)
{
    const unsigned char *from = s->p;

    while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
        s->p++;
    return s->p > from ? 0 : refuse(s, -EINVAL, "expected a digit");
}

static int scan_number(struct scanner *s)
{
    if (*s->p == '-')
        s->p++;
    if (s->p < s->end && *s->p == '0')
        s->p++;
    else if (scan_digits(s) != 0)
        return s->error;
    if (s->p < s->end && *s->p == '.') {
        s->p++;
        if (scan_digits(s) != 0)
            return s->error;
    }
    if (s->p < s->end && (*s->p | 0x20) == 'e') {
        s->p++;
        if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
            s->p++;
        if (scan_digits(s) != 0)
            return s->error;
    }
    return AIEX_JSON_NUMBER;
}

static int scan_word(struct scanner *s, const char *word, int type)
{
    for (; *word; word++, s->p++) {
        if (s->p == s->end || *s->p != (unsigned char)*word)
            return refuse(s, -EINVAL, "expected a value");
    }
    return type;
}

static int open_container(struct scanner *s, int type)
{
    uint64_t bit = (uint64_t)1 << (s->depth & 63);

    if (s->depth == s->max_depth)
        return refuse(s, -E2BIG, "nested too deeply");
    if (type == AIEX_JSON_OBJECT)
        s->objects[s->depth / 64] |= bit;
    else
        s->objects[s->depth / 64] &= ~bit;
    s->depth++;
    s->p++;
    return type;
}

/* A scalar completely, or the opening bracket of a container. Returns the type. */
static int scan_value(struct scanner *s)
{
    skip_space(s);
    if (s->p == s->end)
        return refuse(s, -EINVAL, "");
    switch (*s->p) {
    case '"':
        return scan_string(s) == 0 ? AIEX_JSON_STRING : s->error;
    case '{':
        return open_container(s, AIEX_JSON_OBJECT);
    case '[':
        return open_container(s, AIEX_JSON_ARRAY);
    case 't':
        return scan_word(s, "true", AIEX_JSON_TRUE);
    case 'f':
        return scan_word(s, "false", AIEX_JSON_FALSE);
    case 'n':
        return scan_word(s, "null", AIEX_JSON_NULL);
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return scan_number(s);
    default:
        return refuse(s, -EINVAL, "expected a value");
    }
}

static int in_object(const struct scanner *s)
{
    return s->depth && (s->objects[(s->depth - 1) / 64] >> ((s->depth - 1) & 63) & 1);
}

/* A key and its colon; at the top level, the field that waits for it or NULL. */
static int scan_key(struct scanner *s, struct aiex_json_field *fields, size_t n_fields,
                    struct aiex_json_field **ret_field)
{
    struct aiex_json_span key = {.type = AIEX_JSON_STRING};

    skip_space(s);
    if (s->p == s->end || *s->p != '"')
        return refuse(s, -EINVAL, "expected a key in quotes");
    key.data = (const char *)s->p;
    if (scan_string(s) != 0)
        return s->error;
    key.len = (size_t)((const char *)s->p - key.data);
    for (size_t i = 0; s->depth == 1 && i < n_fields; i++) {
        if (aiex_json_is(&key, fields[i].key)) {
            *ret_field = &fields[i];
            break;
        }
    }
    skip_space(s);
    if (s->p == s->end || *s->p != ':')
        return refuse(s, -EINVAL, "expected ':' after a key");
    s->p++;
    return 0;
}

/* Behind a value: closes what ends here. 1 = another member follows, 0 = the text is complete. */
static int scan_end_of_value(struct scanner *s, struct aiex_json_field **field)
{
    for (;;) {
        if (s->depth <= 1 && *field) {
            (*field)->value.len = (size_t)((const char *)s->p - (*field)->value.data);
            *field = NULL;
        }
        skip_space(s);
        if (!s->depth)
            return s->p == s->end ? 0 : refuse(s, -EINVAL, "something follows the document");
        if (s->p == s->end)
            return refuse(s, -EINVAL, "");
        if (*s->p == ',') {
            s->p++;
            return 1;
        }
        if (*s->p != (in_object(s) ? '}' : ']'))
            return refuse(s, -EINVAL, in_object(s) ? "expected ',' or '}'" : "expected ',' or ']'");
        s->p++;
        s->depth--;
    }
}

/* An opened container with nothing inside. */
static int is_empty(struct scanner *s)
{
    skip_space(s);
    return s->p < s->end && *s->p == (in_object(s) ? '}' : ']');
}

static int scan_text(struct scanner *s, struct aiex_json_field *fields, size_t n_fields)
{
    struct aiex_json_field *field = NULL;
    int top = 0, more = 1;

    while (more > 0) {
        unsigned depth;
        int type;

        if (in_object(s) && scan_key(s, fields, n_fields, &field) != 0)
            return s->error;
        skip_space(s);
        depth = s->depth;
        if (field && depth == 1)
            field->value.data = (const char *)s->p;
        type = scan_value(s);
        if (type < 0)
            return type;
        if (field && depth == 1) {
            field->value.type = type;
            field->seen++;
        }
        if (!top)
            top = type;
        if (s->depth > depth) {
            if (!is_empty(s))
                continue;
            s->p++;
            s->depth--;
        }
        more = scan_end_of_value(s, &field);
    }
    return more < 0 ? more : top;
}

int aiex_json_scan(struct aiex_slice text, unsigned max_depth, struct aiex_json_field *fields,
                   size_t n_fields, struct aiex_json_fault *fault)
{
    struct scanner s = {.max_depth = max_depth ? max_depth : AIEX_JSON_DEPTH};
    int type;

    s.p = s.start = text.data ? text.data : (const unsigned char *)"";
    s.end = s.p + text.len;
    if (s.max_depth > AIEX_JSON_MAX_DEPTH)
        s.max_depth = AIEX_JSON_MAX_DEPTH;
    for (size_t i = 0; i < n_fields; i++) {
        fields[i].seen = 0;
        fields[i].value = (struct aiex_json_span){0};
    }
    type = scan_text(&s, fields, n_fields);
    if (type < 0 && fault) {
        fault->offset = (size_t)(s.p - s.start);
        fault->reason = s.reason;
    }
    return type;
}

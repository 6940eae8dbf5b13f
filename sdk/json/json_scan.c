/*
 * json_scan.c - checks a JSON text in one pass and notes top-level fields.
 *
 * Three states, one loop, a bit per open container instead of recursion, so that
 * hostile nesting costs nothing. Most bytes of a real request lie inside long
 * strings: json_string.c steps over them 64 at a time where the processor can.
 */
#include "aiex_json.h"
#include "json_string.h"
#include "json_utf8.h"

#include <errno.h>
#include <string.h>

/* A string this long without a blank near its start is data, not text. */
#define DATA_MIN  1024
#define DATA_LOOK 128

struct scanner {
    const unsigned char *p, *start, *end;
    aiex_json_member member; /* NULL: fields are looked for */
    void *arg;
    struct aiex_json_span key;  /* of the member */
    struct aiex_json_field any; /* and its value */
    struct aiex_json_notes notes;
    unsigned depth, max_depth;
    int in_object;                              /* the innermost open container is one */
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

static void skip_blanks(struct scanner *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t'))
        s->p++;
}

static inline void skip_space(struct scanner *s)
{
    if (s->p < s->end && *s->p <= ' ') /* mostly there is none */
        skip_blanks(s);
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
            if (s->p == s->end || !json_is_hex(*s->p))
                return refuse(s, -EINVAL, "expected four hex digits after '\\u'");
        }
        if (json_is_surrogate(s->p - 5))
            s->notes.surrogates = 1;
    } else if (!json_is_short_escape(*s->p)) {
        return refuse(s, -EINVAL, "unknown escape in a string");
    }
    s->p++;
    return 0;
}

/* The quote that ends a string of plain characters which began at p, within 16 bytes: most keys
 * and words. NULL: not by this way. */
static inline const unsigned char *near_quote(const unsigned char *p, const unsigned char *end)
{
    if (end - p < 16)
        return NULL;
#if defined(__SSE2__)
    unsigned stops = json_stops16(p);

    if (!stops)
        return NULL;
    p += __builtin_ctz(stops);
#else
    for (int i = 0; i < 15 && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\'; i++)
        p++;
#endif
    return *p == '"' ? p : NULL;
}

/* Behind the opening quote; afterwards behind the closing one. */
static int scan_long_string(struct scanner *s)
{
    for (;;) {
        s->p = json_plain_run(s->p, s->end, &s->notes.surrogates);
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

/* At the opening quote; afterwards behind the closing one. */
static inline int scan_string(struct scanner *s)
{
    const unsigned char *quote = near_quote(++s->p, s->end);

    if (!quote)
        return scan_long_string(s);
    s->p = quote + 1;
    return 0;
}

static int scan_digits(struct scanner *s)
{
    const unsigned char *from = s->p, *p = from;

    while (p < s->end && *p >= '0' && *p <= '9')
        p++;
    s->p = p;
    return p > from ? 0 : refuse(s, -EINVAL, "expected a digit");
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

static int refuse_word(struct scanner *s, const char *word)
{
    while (s->p < s->end && *s->p == (unsigned char)*word) {
        s->p++;
        word++;
    }
    return refuse(s, -EINVAL, "expected a value");
}

static inline int scan_word(struct scanner *s, const char *word, size_t n, int type)
{
    if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
        return refuse_word(s, word);
    s->p += n;
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
    s->in_object = type == AIEX_JSON_OBJECT;
    s->depth++;
    s->p++;
    return type;
}

static int scan_string_value(struct scanner *s)
{
    const unsigned char *from = s->p;

    if (scan_string(s) != 0)
        return s->error;
    if (s->p - from > DATA_MIN && !memchr(from, ' ', DATA_LOOK))
        s->notes.data_bytes += (size_t)(s->p - from);
    return AIEX_JSON_STRING;
}

/* A scalar completely, or the opening bracket of a container; no blanks before it. Its type. */
static int scan_value(struct scanner *s)
{
    if (s->p == s->end)
        return refuse(s, -EINVAL, "");
    switch (*s->p) {
    case '"':
        return scan_string_value(s);
    case '{':
        return open_container(s, AIEX_JSON_OBJECT);
    case '[':
        return open_container(s, AIEX_JSON_ARRAY);
    case 't':
        return scan_word(s, "true", 4, AIEX_JSON_TRUE);
    case 'f':
        return scan_word(s, "false", 5, AIEX_JSON_FALSE);
    case 'n':
        return scan_word(s, "null", 4, AIEX_JSON_NULL);
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

/* At the closing bracket. */
static void close_container(struct scanner *s)
{
    s->p++;
    s->depth--;
    s->in_object = s->depth && (s->objects[(s->depth - 1) / 64] >> ((s->depth - 1) & 63) & 1);
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
    if (s->member && s->depth == 1) {
        s->key = key;
        *ret_field = &s->any;
    }
    for (size_t i = 0; s->depth == 1 && i < n_fields; i++) {
        if (aiex_json_key_is(key.data, key.len, fields[i].key)) {
            *ret_field = &fields[i];
            break;
        }
    }
    if (s->p < s->end && *s->p != ':')
        skip_blanks(s);
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
            if (s->member)
                s->member(s->arg, &s->key, &(*field)->value);
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
        if (*s->p != (s->in_object ? '}' : ']'))
            return refuse(s, -EINVAL, s->in_object ? "expected ',' or '}'" : "expected ',' or ']'");
        close_container(s);
    }
}

/* An opened container with nothing inside. */
static int is_empty(struct scanner *s)
{
    skip_space(s);
    return s->p < s->end && *s->p == (s->in_object ? '}' : ']');
}

static int scan_text(struct scanner *s, struct aiex_json_field *fields, size_t n_fields)
{
    struct aiex_json_field *field = NULL;
    int top = 0, more = 1;

    while (more > 0) {
        unsigned depth;
        int type;

        if (s->in_object && scan_key(s, fields, n_fields, &field) != 0)
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
            close_container(s);
        }
        more = scan_end_of_value(s, &field);
    }
    return more < 0 ? more : top;
}

static int scan_whole(struct scanner *s, struct aiex_slice text, struct aiex_json_field *fields,
                      size_t n_fields, struct aiex_json_fault *fault)
{
    int type;

    s->p = s->start = text.data ? text.data : (const unsigned char *)"";
    s->end = s->p + text.len;
    if (!s->max_depth)
        s->max_depth = AIEX_JSON_DEPTH;
    if (s->max_depth > AIEX_JSON_MAX_DEPTH)
        s->max_depth = AIEX_JSON_MAX_DEPTH;
    type = scan_text(s, fields, n_fields);
    if (type < 0 && fault) {
        fault->offset = (size_t)(s->p - s->start);
        fault->reason = s->reason;
    }
    return type;
}

int aiex_json_scan(struct aiex_slice text, unsigned max_depth, struct aiex_json_field *fields,
                   size_t n_fields, struct aiex_json_fault *fault)
{
    struct scanner s = {.max_depth = max_depth};

    for (size_t i = 0; i < n_fields; i++) {
        fields[i].seen = 0;
        fields[i].value = (struct aiex_json_span){0};
    }
    return scan_whole(&s, text, fields, n_fields, fault);
}

int aiex_json_scan_members(struct aiex_slice text, unsigned max_depth, aiex_json_member member,
                           void *arg, struct aiex_json_notes *notes, struct aiex_json_fault *fault)
{
    struct scanner s = {.max_depth = max_depth, .member = member, .arg = arg};
    int type = scan_whole(&s, text, NULL, 0, fault);

    if (notes)
        *notes = s.notes;
    return type;
}

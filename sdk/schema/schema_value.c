/* schema_value.c - strings, values and references where they stand in a text. */
#include "schema.h"
#include "pattern.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int schema_work_take(struct work *w, size_t steps)
{
    if (w->error)
        return 0;
    if (steps > w->left) {
        w->error = -E2BIG;
        return 0;
    }
    w->left -= steps;
    return 1;
}

char *schema_string_plain(const struct aiex_json_span *s, size_t *ret_len, struct work *w)
{
    size_t size = s->len * 2 + 1; /* a lone surrogate is six bytes before, three after */
    char *plain = schema_work_take(w, s->len) ? malloc(size) : NULL;
    long n;

    if (!plain) {
        w->error = w->error ? w->error : -ENOMEM;
        return NULL;
    }
    n = aiex_json_text(s, plain, size);
    *ret_len = n < 0 ? 0 : (size_t)n;
    return plain;
}

int schema_string_equal(const struct aiex_json_span *a, const struct aiex_json_span *b,
                        struct work *w)
{
    size_t n, m;
    char *x, *y;
    int same = 0;

    if (!memchr(a->data, '\\', a->len) && !memchr(b->data, '\\', b->len))
        return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
    x = schema_string_plain(a, &n, w);
    y = schema_string_plain(b, &m, w);
    if (x && y)
        same = n == m && memcmp(x, y, n) == 0;
    free(x);
    free(y);
    return same;
}

/* Code units of UTF-16 that an escape stands for come in pairs. */
static int is_high(const char *p, const char *end)
{
    return end - p >= 12 && p[1] == 'u' && (p[2] == 'd' || p[2] == 'D') && p[3] != 0 &&
           strchr("89abAB", p[3]) && p[6] == '\\' && p[7] == 'u' && (p[8] == 'd' || p[8] == 'D') &&
           p[9] != 0 && strchr("cdefCDEF", p[9]);
}

size_t schema_string_length(const struct aiex_json_span *s)
{
    const char *p = s->data + 1, *end = s->data + s->len - 1;
    size_t n = 0;

    while (p < end) {
        if (*p != '\\') {
            n += ((unsigned char)*p & 0xc0) != 0x80;
            p++;
            continue;
        }
        n++;
        p += is_high(p, end) ? 12 : p[1] == 'u' ? 6 : 2;
    }
    return n;
}

size_t schema_value_count(const struct aiex_json_span *whole)
{
    struct aiex_json_span value;
    size_t at = 0, n = 0;

    while (aiex_json_next(whole, &at, NULL, &value))
        n++;
    return n;
}

static int find_key(const struct aiex_json_span *object, const struct aiex_json_span *key,
                    struct aiex_json_span *ret, struct work *w)
{
    struct aiex_json_span name, value;
    size_t at = 0;
    int found = 0;

    while (aiex_json_next(object, &at, &name, &value))
        if (schema_string_equal(&name, key, w)) {
            *ret = value;
            found = 1;
        }
    return found;
}

static int arrays_equal(const struct aiex_json_span *a, const struct aiex_json_span *b,
                        struct work *w)
{
    struct aiex_json_span x, y;
    size_t i = 0, k = 0;

    for (;;) {
        int more = aiex_json_next(a, &i, NULL, &x);

        if (more != aiex_json_next(b, &k, NULL, &y))
            return 0;
        if (!more)
            return 1;
        if (!schema_value_equal(&x, &y, w))
            return 0;
    }
}

static int objects_equal(const struct aiex_json_span *a, const struct aiex_json_span *b,
                         struct work *w)
{
    struct aiex_json_span key, x, y;
    size_t at = 0;

    if (schema_value_count(a) != schema_value_count(b))
        return 0;
    while (aiex_json_next(a, &at, &key, &x))
        if (!schema_work_take(w, b->len) || !find_key(b, &key, &y, w) ||
            !schema_value_equal(&x, &y, w))
            return 0;
    return 1;
}

int schema_value_equal(const struct aiex_json_span *a, const struct aiex_json_span *b,
                       struct work *w)
{
    struct number x, y;

    if (a->type != b->type || !schema_work_take(w, 8 + (a->len < b->len ? a->len : b->len)))
        return 0;
    switch (a->type) {
    case AIEX_JSON_NUMBER:
        schema_number_read(a, &x);
        schema_number_read(b, &y);
        return schema_number_compare(&x, &y) == 0;
    case AIEX_JSON_STRING:
        return schema_string_equal(a, b, w);
    case AIEX_JSON_ARRAY:
        return arrays_equal(a, b, w);
    case AIEX_JSON_OBJECT:
        return objects_equal(a, b, w);
    default:
        return 1;
    }
}

int schema_pattern_check(const struct aiex_json_span *pattern, const struct aiex_json_span *string,
                         struct work *w)
{
    struct pattern *p = malloc(sizeof(*p));
    size_t n = 0, m = 0;
    char *text = schema_string_plain(pattern, &n, w);
    char *subject = string ? schema_string_plain(string, &m, w) : NULL;
    int r = 0;

    if (!p)
        w->error = -ENOMEM;
    if (!w->error && schema_work_take(w, 1024 + n)) /* compiling costs, too */
        r = schema_pattern_compile(p, text, n);
    if (!w->error && r == 0 && string) {
        r = schema_pattern_match(p, subject, m, &w->left);
        if (r < 0)
            w->error = r;
    }
    free(subject);
    free(text);
    free(p);
    return r;
}

/* One step of a JSON Pointer: "~1" is "/", "~0" is "~". */
static int step_into(struct aiex_json_span *at, const char *token, size_t len)
{
    struct aiex_json_span value;
    char name[256];
    size_t n = 0, index = 0, k = 0;

    for (size_t i = 0; i < len; i++) {
        if (n == sizeof(name) - 1)
            return 0;
        name[n] = token[i];
        if (token[i] == '~' && i + 1 < len)
            name[n] = token[++i] == '1' ? '/' : '~';
        n++;
    }
    name[n] = 0;
    if (at->type == AIEX_JSON_OBJECT) {
        if (!aiex_json_find(at, name, &value))
            return 0;
        *at = value;
        return 1;
    }
    if (at->type != AIEX_JSON_ARRAY || !n || n > 8 || strspn(name, "0123456789") != n)
        return 0;
    index = (size_t)atol(name);
    for (size_t i = 0; aiex_json_next(at, &k, NULL, &value); i++)
        if (i == index) {
            *at = value;
            return 1;
        }
    return 0;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
}

/* The pointer is the fragment of a URI: "%25" is "%". */
static void undo_percent(char *text)
{
    char *to = text;

    for (; *text; text++, to++) {
        *to = *text;
        if (*text == '%' && hex_digit(text[1]) >= 0 && hex_digit(text[2]) >= 0) {
            *to = (char)(hex_digit(text[1]) << 4 | hex_digit(text[2]));
            text += 2;
        }
    }
    *to = 0;
}

int schema_reference_find(const struct aiex_json_span *root, const struct aiex_json_span *ref,
                          struct aiex_json_span *ret)
{
    char text[512], *at;

    if (aiex_json_text(ref, text, sizeof(text)) < 0 || text[0] != '#')
        return 0;
    undo_percent(text);
    *ret = *root;
    at = text + 1;
    if (*at && *at != '/')
        return 0;
    while (*at == '/') {
        size_t n = strcspn(++at, "/");

        if (!step_into(ret, at, n))
            return 0;
        at += n;
    }
    return 1;
}

static void prepend(char *out, size_t *begin, const char *text, size_t n)
{
    if (n > *begin) {
        memcpy(out, text + (n - *begin), *begin);
        *begin = 0;
        return;
    }
    *begin -= n;
    memcpy(out + *begin, text, n);
}

/* Written from its end, so that what is cut is the front. */
void schema_place_write(const struct place *p, char out[256])
{
    size_t begin = 255;

    out[255] = 0;
    for (; p && begin; p = p->up) {
        char name[256];
        size_t n = 0;

        if (p->key) {
            char plain[120];
            long len = aiex_json_text(p->key, plain, sizeof(plain));

            if (len < 0)
                len = snprintf(plain, sizeof(plain), "(a long name)");
            for (long i = 0; i < len; i++) {
                if (plain[i] == '~' || plain[i] == '/')
                    name[n++] = '~';
                name[n++] = plain[i] == '~' ? '0' : plain[i] == '/' ? '1' : plain[i];
            }
        } else {
            n = (size_t)snprintf(name, sizeof(name), "%zu", p->index);
        }
        prepend(out, &begin, name, n);
        prepend(out, &begin, "/", begin ? 1 : 0);
    }
    if (!begin)
        memcpy(out, "...", 3);
    memmove(out, out + begin, 256 - begin);
}

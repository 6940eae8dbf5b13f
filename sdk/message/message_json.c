/* message_json.c - bodies as JSON text for people and scripts, and back. */
#include <aiex/aiex_message.h>

#include <aiex_json.h>

#include "base64.h"
#include "message_error.h"

#include <math.h>
#include <stdlib.h>

/* ---- msgpack to JSON ---- */

static void put_real(struct aiex_json_out *w, double v)
{
    char text[32];

    if (!isfinite(v)) {
        aiex_jw_raw(w, "null");
        return;
    }
    snprintf(text, sizeof(text), "%.17g", v);
    if (strtod(text, NULL) == v) {
        char shorter[32];

        snprintf(shorter, sizeof(shorter), "%.15g", v);
        if (strtod(shorter, NULL) == v)
            memcpy(text, shorter, sizeof(text));
    }
    aiex_jw_raw(w, text);
    /* 3.0 stays a real on the way back */
    if (!strpbrk(text, ".e"))
        aiex_jw_raw(w, ".0");
}

static void put_bin(struct aiex_json_out *w, struct aiex_slice bytes)
{
    char quad[4];

    aiex_jw_raw(w, "\"");
    for (size_t i = 0; i < bytes.len; i += 3) {
        base64_encode(bytes.data + i, bytes.len - i < 3 ? bytes.len - i : 3, quad);
        aiex_jw_rawn(w, quad, 4);
    }
    aiex_jw_raw(w, "\"");
}

static void put_uint(struct aiex_json_out *w, uint64_t v)
{
    char text[24];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
    aiex_jw_raw(w, text);
}

static void put_scalar(struct aiex_json_out *w, const struct aiex_value *v)
{
    switch (v->type) {
    case AIEX_T_BOOL:
        aiex_jw_raw(w, v->i ? "true" : "false");
        break;
    case AIEX_T_INT:
        aiex_jw_int(w, v->i);
        break;
    case AIEX_T_UINT:
        put_uint(w, v->u);
        break;
    case AIEX_T_REAL:
        put_real(w, v->real);
        break;
    case AIEX_T_STR:
        aiex_jw_strn(w, (const char *)v->bytes.data, v->bytes.len);
        break;
    case AIEX_T_BIN:
        put_bin(w, v->bytes);
        break;
    default:
        aiex_jw_raw(w, "null");
        break;
    }
}

/* JSON keys are strings: a number becomes its text, anything else stays recognisable. */
static void put_key(struct aiex_json_out *w, const struct aiex_value *v)
{
    if (v->type == AIEX_T_STR || v->type == AIEX_T_BIN) {
        put_scalar(w, v);
        return;
    }
    aiex_jw_raw(w, "\"");
    put_scalar(w, v);
    aiex_jw_raw(w, "\"");
}

static int put_value(struct aiex_json_out *w, struct aiex_slice *at, unsigned depth)
{
    struct aiex_value v, key;

    if (aiex_r_value(at, &v) != 0)
        return -EINVAL;
    if (v.type != AIEX_T_ARRAY && v.type != AIEX_T_MAP) {
        put_scalar(w, &v);
        return 0;
    }
    if (depth == 0)
        return -EINVAL;
    aiex_jw_raw(w, v.type == AIEX_T_MAP ? "{" : "[");
    for (uint32_t i = 0; i < v.count; i++) {
        if (i)
            aiex_jw_raw(w, ",");
        if (v.type == AIEX_T_MAP) {
            if (aiex_r_value(at, &key) != 0 || key.type == AIEX_T_ARRAY || key.type == AIEX_T_MAP)
                return -EINVAL;
            put_key(w, &key);
            aiex_jw_raw(w, ":");
        }
        if (put_value(w, at, depth - 1) < 0)
            return -EINVAL;
    }
    aiex_jw_raw(w, v.type == AIEX_T_MAP ? "}" : "]");
    return 0;
}

long aiex_message_to_json(struct aiex_slice body, char *out, size_t size)
{
    struct aiex_json_out w;

    aiex_jw_init(&w, out, size ? size - 1 : 0);
    if (body.len == 0)
        aiex_jw_raw(&w, "{}");
    else if (put_value(&w, &body, AIEX_PACK_DEPTH) < 0 || body.len)
        return -EINVAL;
    if (size)
        out[w.failed ? 0 : w.len] = 0;
    return (long)w.len;
}

/* ---- JSON to msgpack ---- */

struct reader {
    struct aiex_writer *w;
    struct aiex_error *err;
};

static int put_json(struct reader *r, const struct aiex_json_span *span,
                    const struct aiex_field *field);

/* The characters of a JSON string in memory of their own. Caller frees. */
static char *text_of(const struct aiex_json_span *span, size_t *ret_len)
{
    char *text = malloc(span->len + 1);
    long n = text ? aiex_json_text(span, text, span->len + 1) : -1;

    if (n < 0) {
        free(text);
        return NULL;
    }
    *ret_len = (size_t)n;
    return text;
}

static int put_text(struct reader *r, const struct aiex_json_span *span)
{
    size_t n;
    char *text = text_of(span, &n);

    if (!text)
        return -ENOMEM;
    aiex_w_strn(r->w, text, n);
    free(text);
    return 0;
}

static int put_base64(struct reader *r, const struct aiex_json_span *span, const char *name)
{
    size_t n;
    char *text = text_of(span, &n);
    uint8_t *bytes = text ? malloc(n / 4 * 3 + 1) : NULL;
    long len = bytes ? base64_decode(text, n, bytes) : -1;
    int result = 0;

    if (!bytes)
        result = -ENOMEM;
    else if (len < 0)
        result = message_error(r->err, "field '%s' is not base64", name);
    else
        aiex_w_bin(r->w, bytes, (size_t)len);
    free(bytes);
    free(text);
    return result;
}

static int put_number(struct reader *r, const struct aiex_json_span *span, int as_real)
{
    char text[400], *end;
    int64_t whole;
    double real;

    if (!as_real && aiex_json_int(span, &whole) == 0) {
        aiex_w_int(r->w, whole);
        return 0;
    }
    if (span->len >= sizeof(text))
        return message_error(r->err, "a number has %zu digits", span->len);
    memcpy(text, span->data, span->len);
    text[span->len] = 0;
    if (!as_real && !strpbrk(text, ".eE-")) {
        unsigned long long big;

        errno = 0;
        big = strtoull(text, &end, 10);
        if (!*end && !errno) {
            aiex_w_uint(r->w, big);
            return 0;
        }
    }
    real = strtod(text, &end);
    if (*end || !isfinite(real))
        return message_error(r->err, "number %.40s is out of range", text);
    aiex_w_real(r->w, real);
    return 0;
}

static uint32_t count_items(const struct aiex_json_span *span)
{
    struct aiex_json_span value;
    size_t at = 0;
    uint32_t n = 0;

    while (aiex_json_next(span, &at, NULL, &value))
        n++;
    return n;
}

static const struct aiex_field *field_of(const struct aiex_message_table *t,
                                         const struct aiex_json_span *key)
{
    for (size_t i = 0; t && i < t->n_fields; i++) {
        if (aiex_json_is(key, t->fields[i].name))
            return &t->fields[i];
    }
    return NULL;
}

static int put_object(struct reader *r, const struct aiex_json_span *span,
                      const struct aiex_message_table *t)
{
    struct aiex_json_span key, value;
    size_t at = 0;
    int result;

    aiex_w_map(r->w, count_items(span));
    while (aiex_json_next(span, &at, &key, &value)) {
        result = put_text(r, &key);
        if (result == 0)
            result = put_json(r, &value, field_of(t, &key));
        if (result < 0)
            return result;
    }
    return 0;
}

static int put_array(struct reader *r, const struct aiex_json_span *span,
                     const struct aiex_field *field)
{
    const struct aiex_message_table *t = field && field->type == AIEX_F_MAPS ? field->sub : NULL;
    struct aiex_json_span value;
    size_t at = 0;
    int result;

    aiex_w_array(r->w, count_items(span));
    while (aiex_json_next(span, &at, NULL, &value)) {
        result = value.type == AIEX_JSON_OBJECT ? put_object(r, &value, t)
                                                : put_json(r, &value, NULL);
        if (result < 0)
            return result;
    }
    return 0;
}

static int put_json(struct reader *r, const struct aiex_json_span *span,
                    const struct aiex_field *field)
{
    int as_bin = field && field->type == AIEX_F_BIN;

    switch (span->type) {
    case AIEX_JSON_FALSE:
    case AIEX_JSON_TRUE:
        aiex_w_bool(r->w, span->type == AIEX_JSON_TRUE);
        return 0;
    case AIEX_JSON_NUMBER:
        return put_number(r, span, field && field->type == AIEX_F_REAL);
    case AIEX_JSON_STRING:
        return as_bin ? put_base64(r, span, field->name) : put_text(r, span);
    case AIEX_JSON_ARRAY:
    case AIEX_JSON_OBJECT:
        if (as_bin) {
            aiex_w_bin(r->w, span->data, span->len);
            return 0;
        }
        if (span->type == AIEX_JSON_ARRAY)
            return put_array(r, span, field);
        return put_object(r, span, field ? field->sub : NULL);
    default:
        aiex_w_nil(r->w);
        return 0;
    }
}

int aiex_message_from_json(const struct aiex_message_table *t, struct aiex_slice json,
                           struct aiex_writer *w, struct aiex_error *err)
{
    struct reader r = {.w = w, .err = err};
    struct aiex_json_fault fault;
    struct aiex_json_span top;
    size_t start = w->len, line, column;
    int type = aiex_json_scan(json, AIEX_PACK_DEPTH, NULL, 0, &fault), result;

    if (type < 0) {
        aiex_json_where(json, fault.offset, &line, &column);
        return message_error(err, "line %zu, column %zu: %s", line, column, fault.reason);
    }
    if (t && type != AIEX_JSON_OBJECT)
        return message_error(err, "the message is not a JSON object");
    while (json.len && strchr(" \t\r\n", json.data[0])) {
        json.data++;
        json.len--;
    }
    while (json.len && strchr(" \t\r\n", json.data[json.len - 1]))
        json.len--;
    top = (struct aiex_json_span){.type = type, .data = (const char *)json.data, .len = json.len};
    result = t ? put_object(&r, &top, t) : put_json(&r, &top, NULL);
    if (result == -ENOMEM && err)
        snprintf(err->text, sizeof(err->text), "out of memory for a text of %zu bytes", json.len);
    if (result < 0 || w->failed || !t)
        return result;
    return aiex_message_check(t, (struct aiex_slice){w->data + start, w->len - start}, err);
}

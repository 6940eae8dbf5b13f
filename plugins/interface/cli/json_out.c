#include "json_out.h"

#include "base64.h"
#include "utf8.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

struct out {
    FILE *to;
    enum json_form form;
    unsigned depth;
};

static void put_escaped(FILE *to, uint8_t c)
{
    static const char *const named[128] = {
        ['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n",  ['\f'] = "\\f",
        ['\r'] = "\\r", ['"'] = "\\\"", ['\\'] = "\\\\",
    };

    if (named[c])
        fputs(named[c], to);
    else if (c < 0x20 || c == 0x7f)
        fprintf(to, "\\u%04x", c);
    else
        putc_unlocked(c, to);
}

void json_out_string(FILE *to, const void *text, size_t len)
{
    const uint8_t *p = text;

    putc_unlocked('"', to);
    for (size_t at = 0; at < len;) {
        unsigned n = utf8_len(p + at, len - at);

        if (n == 0)
            fputs("\xef\xbf\xbd", to);
        else if (n == 1)
            put_escaped(to, p[at]);
        else if (n == 2 && p[at] == 0xc2 && p[at + 1] < 0xa0)
            fprintf(to, "\\u%04x", p[at + 1]);
        else
            fwrite_unlocked(p + at, 1, n, to);
        at += n ? n : 1;
    }
    putc_unlocked('"', to);
}

static void put_base64(FILE *to, struct aiex_slice s)
{
    fputs("\"base64:", to);
    base64_write(to, s.data, s.len);
    putc_unlocked('"', to);
}

static void put_real(FILE *to, double v)
{
    char text[40];

    if (!isfinite(v)) {
        fputs("null", to);
        return;
    }
    /* the shortest of three that reads back as the same number */
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    fputs(text, to);
}

static void put_scalar(FILE *to, const struct aiex_value *v)
{
    if (v->type == AIEX_T_BOOL)
        fputs(v->i ? "true" : "false", to);
    else if (v->type == AIEX_T_INT)
        fprintf(to, "%" PRId64, v->i);
    else if (v->type == AIEX_T_UINT)
        fprintf(to, "%" PRIu64, v->u);
    else if (v->type == AIEX_T_REAL)
        put_real(to, v->real);
    else if (v->type == AIEX_T_STR ||
             (v->type == AIEX_T_BIN && utf8_is_text(v->bytes.data, v->bytes.len)))
        json_out_string(to, v->bytes.data, v->bytes.len);
    else if (v->type == AIEX_T_BIN)
        put_base64(to, v->bytes);
    else
        fputs("null", to);
}

static void put_break(const struct out *o)
{
    if (o->form == JSON_PRETTY)
        fprintf(o->to, "\n%*s", (int)o->depth * 2, "");
}

static void put_value(struct out *o, struct aiex_slice *at);

/* A map's key must be a string in JSON. */
static void put_key(struct out *o, struct aiex_slice *at)
{
    struct aiex_slice start = *at;
    struct aiex_value v;

    if (aiex_r_value(at, &v) != 0)
        return; /* json_out() has looked */
    if (v.type == AIEX_T_STR || v.type == AIEX_T_BIN) {
        put_scalar(o->to, &v);
    } else if (v.type == AIEX_T_ARRAY || v.type == AIEX_T_MAP) {
        *at = start;
        aiex_r_skip(at);
        fputs("\"?\"", o->to);
    } else {
        putc_unlocked('"', o->to);
        put_scalar(o->to, &v);
        putc_unlocked('"', o->to);
    }
    fputs(o->form == JSON_PRETTY ? ": " : ":", o->to);
}

static void put_value(struct out *o, struct aiex_slice *at)
{
    struct aiex_value v;
    int map;

    if (aiex_r_value(at, &v) != 0)
        return; /* json_out() has looked */
    map = v.type == AIEX_T_MAP;
    if (!map && v.type != AIEX_T_ARRAY) {
        put_scalar(o->to, &v);
        return;
    }
    putc_unlocked(map ? '{' : '[', o->to);
    o->depth++;
    for (uint32_t i = 0; i < v.count; i++) {
        if (i)
            putc_unlocked(',', o->to);
        put_break(o);
        if (map)
            put_key(o, at);
        put_value(o, at);
    }
    o->depth--;
    if (v.count)
        put_break(o);
    putc_unlocked(map ? '}' : ']', o->to);
}

int json_out(FILE *to, struct aiex_slice value, enum json_form form)
{
    struct out o = {.to = to, .form = form};
    struct aiex_slice check = value;

    if (value.len == 0) {
        fputs("{}", to);
        return 0;
    }
    if (aiex_r_skip(&check) != 0)
        return -EPROTO;
    put_value(&o, &value);
    return 0;
}

#include "json_in.h"

#include "reason.h"

#include <aiex/aiex_pack.h>
#include <aiex_json.h>
#include <errno.h>
#include <stdlib.h>

static uint32_t count_items(const struct aiex_json_span *whole)
{
    struct aiex_json_span value;
    uint32_t n = 0;
    size_t at = 0;

    while (aiex_json_next(whole, &at, NULL, &value))
        n++;
    return n;
}

static void pack_string(struct aiex_writer *w, const struct aiex_json_span *s)
{
    char *text = malloc(s->len + 1); /* undone escapes are never longer */
    long n = text ? aiex_json_text(s, text, s->len + 1) : -1;

    if (n < 0)
        w->failed = 1;
    else
        aiex_w_strn(w, text, (size_t)n);
    free(text);
}

static void pack_number(struct aiex_writer *w, const struct aiex_json_span *s)
{
    char text[64];
    int64_t whole;
    char *end;
    unsigned long long big;

    if (aiex_json_int(s, &whole) == 0) {
        aiex_w_int(w, whole);
        return;
    }
    snprintf(text, sizeof(text), "%.*s", (int)(s->len < 63 ? s->len : 63), s->data);
    errno = 0;
    big = strtoull(text, &end, 10);
    if (*text != '-' && !*end && errno == 0)
        aiex_w_uint(w, big);
    else
        aiex_w_real(w, strtod(text, NULL));
}

static void pack_value(struct aiex_writer *w, const struct aiex_json_span *s)
{
    struct aiex_json_span key, value;
    size_t at = 0;

    if (s->type == AIEX_JSON_OBJECT || s->type == AIEX_JSON_ARRAY) {
        if (s->type == AIEX_JSON_OBJECT)
            aiex_w_map(w, count_items(s));
        else
            aiex_w_array(w, count_items(s));
        while (aiex_json_next(s, &at, &key, &value)) {
            if (s->type == AIEX_JSON_OBJECT)
                pack_string(w, &key);
            pack_value(w, &value);
        }
    } else if (s->type == AIEX_JSON_STRING) {
        pack_string(w, s);
    } else if (s->type == AIEX_JSON_NUMBER) {
        pack_number(w, s);
    } else if (s->type == AIEX_JSON_NULL) {
        aiex_w_nil(w);
    } else {
        aiex_w_bool(w, s->type == AIEX_JSON_TRUE);
    }
}

int json_in(const char *text, size_t len, struct aiex_slice *ret_map, struct aiex_error *err)
{
    struct aiex_slice bytes = {(const uint8_t *)text, len};
    struct aiex_json_span whole = {AIEX_JSON_OBJECT, text, len};
    struct aiex_json_fault fault = {0, NULL};
    size_t line, column, cap = 3 * len + 16; /* the worst is "1e1,": nine bytes */
    struct aiex_writer w;
    void *mem;
    int type = aiex_json_scan(bytes, AIEX_PACK_DEPTH, NULL, 0, &fault);

    if (type < 0) {
        aiex_json_where(bytes, fault.offset, &line, &column);
        return fail(err, -EINVAL, "the JSON is wrong at line %zu, column %zu: %s", line, column,
                    fault.reason);
    }
    if (type != AIEX_JSON_OBJECT)
        return fail(err, -EINVAL, "the JSON must be an object, as in '{\"name\": \"x\"}'");
    while (whole.len && *whole.data != '{') { /* blanks around the value are no part of its span */
        whole.data++;
        whole.len--;
    }
    while (whole.len && whole.data[whole.len - 1] != '}')
        whole.len--;
    mem = malloc(cap);
    if (!mem)
        return fail(err, -ENOMEM, "out of memory");
    aiex_writer_init(&w, mem, cap);
    pack_value(&w, &whole);
    if (w.failed) {
        free(mem);
        return fail(err, -ENOMEM, "out of memory");
    }
    *ret_map = aiex_written(&w);
    return 0;
}

/* link: aiex_sdk_json */
/*
 * fuzz_json_scan.c - documents from strangers. The first byte chooses the depth limit. What the
 * scan accepts must read and walk without surprise, be accepted again field by field, and text
 * taken out of it must survive being written and read again; what it refuses must name a place.
 */
#include <aiex_json.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int ok)
{
    if (!ok)
        abort();
}

static int scan_span(const struct aiex_json_span *s, unsigned depth)
{
    return aiex_json_scan((struct aiex_slice){(const uint8_t *)s->data, s->len}, depth, NULL, 0,
                          NULL);
}

static void check_string(const struct aiex_json_span *s)
{
    size_t size = s->len * 3 + 1; /* a lone surrogate is 6 bytes in, 3 out */
    char *plain = malloc(size), *json = malloc(s->len * 6 + 16);
    struct aiex_json_out w;
    struct aiex_json_span again;
    char *back = malloc(size);
    long n = aiex_json_text(s, plain, size);

    check(plain && json && back && n >= 0);
    aiex_jw_init(&w, json, s->len * 6 + 16);
    aiex_jw_strn(&w, plain, (size_t)n);
    check(!w.failed);
    again = (struct aiex_json_span){AIEX_JSON_STRING, json, w.len};
    check(scan_span(&again, 1) == AIEX_JSON_STRING);
    check(aiex_json_text(&again, back, size) == n && memcmp(plain, back, (size_t)n) == 0);
    free(plain);
    free(json);
    free(back);
}

static void check_value(const struct aiex_json_span *s)
{
    struct aiex_json_span key, value;
    size_t at = 0;
    int64_t v;

    check(scan_span(s, AIEX_JSON_MAX_DEPTH) == s->type);
    if (s->type == AIEX_JSON_STRING)
        check_string(s);
    aiex_json_int(s, &v);
    while (aiex_json_next(s, &at, &key, &value)) {
        check(scan_span(&value, AIEX_JSON_MAX_DEPTH) == value.type);
        if (s->type == AIEX_JSON_OBJECT)
            check_string(&key);
    }
}

struct members {
    struct aiex_json_span whole;
    size_t at;
};

/* Each member is the one that the walk finds next. */
static void on_member(void *arg, const struct aiex_json_span *key,
                      const struct aiex_json_span *value)
{
    struct members *m = arg;
    struct aiex_json_span k, v;

    check(aiex_json_next(&m->whole, &m->at, &k, &v));
    check(k.data == key->data && k.len == key->len && v.type == value->type);
    check(v.data == value->data && v.len == value->len);
}

/* Mended text is still what it was, and has no lone surrogates: a second time changes nothing. */
static void check_mending(const struct aiex_json_span *whole, int surrogates)
{
    char *copy = malloc(whole->len), *again = malloc(whole->len);

    check(copy && again);
    memcpy(copy, whole->data, whole->len);
    aiex_json_mend_surrogates(copy, whole->len);
    check(surrogates || memcmp(copy, whole->data, whole->len) == 0);
    memcpy(again, copy, whole->len);
    aiex_json_mend_surrogates(again, whole->len);
    check(memcmp(copy, again, whole->len) == 0);
    check(scan_span(&(struct aiex_json_span){0, copy, whole->len}, AIEX_JSON_MAX_DEPTH) ==
          whole->type);
    free(copy);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct aiex_json_notes notes;
    struct members m = {.at = 0};
    struct aiex_json_field f[] = {{.key = "model"}, {.key = "messages"}, {.key = "a"}};
    struct aiex_json_fault fault = {.offset = (size_t)-1};
    struct aiex_json_span whole, found;
    struct aiex_slice text;
    size_t line, column;
    int type;

    if (!size)
        return 0;
    text = (struct aiex_slice){data + 1, size - 1};
    type = aiex_json_scan(text, data[0], f, 3, &fault);
    if (type < 0) {
        check(fault.offset <= text.len && fault.reason && *fault.reason);
        aiex_json_where(text, fault.offset, &line, &column);
        check(line >= 1 && column >= 1);
        return 0;
    }
    whole = (struct aiex_json_span){type, (const char *)text.data, text.len};
    while (whole.len && strchr(" \n\r\t", *whole.data)) {
        whole.data++;
        whole.len--;
    }
    check_value(&whole);
    m.whole = whole;
    check(aiex_json_scan_members(text, data[0], on_member, &m, &notes, NULL) == type);
    check_mending(&whole, notes.surrogates);
    for (int i = 0; i < 3; i++) {
        check(aiex_json_find(&whole, f[i].key, &found) == (f[i].seen > 0));
        check(found.data == f[i].value.data && found.len == f[i].value.len);
        if (f[i].seen)
            check_value(&f[i].value);
    }
    return 0;
}

#include "get.h"

#include <errno.h>
#include <string.h>

static int twice(struct answer *a, const struct aiex_json_field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (fields[i].seen > 1)
            return answer_fault(a, -EPROTO, "the answer says '%s' twice in one object",
                                fields[i].key);
    return 0;
}

int get_document(struct answer *a, struct aiex_slice data, struct aiex_json_field *fields, size_t n)
{
    struct aiex_json_fault fault = {0, NULL};
    const char *what = a->c->vendor_stream ? "an event of the answer" : "the answer";
    int type = aiex_json_scan(data, 0, fields, n, &fault);

    if (type < 0)
        return answer_fault(a, -EPROTO, "%s is not JSON: %s at byte %zu", what, fault.reason,
                            fault.offset);
    if (type != AIEX_JSON_OBJECT)
        return answer_fault(a, -EPROTO, "%s is JSON but not an object", what);
    return twice(a, fields, n);
}

/* ---- A walk over members that the scan has accepted ---- */

static const char *skip_space(const char *p)
{
    while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')
        p++;
    return p;
}

/* Behind the string that begins at p. Most bytes of an answer are in strings that nobody here
 * reads: only quotes are looked for, and whether one is escaped is seen from the backslashes before
 * it. */
static const char *skip_string(const char *p)
{
    for (;;) {
        const char *before;

        p = rawmemchr(p + 1, '"');
        for (before = p - 1; *before == '\\'; before--)
            ;
        if ((p - before) & 1)
            return p + 1;
    }
}

/* Behind the array or object that begins at p. */
static const char *skip_container(const char *p)
{
    unsigned depth = 0;

    for (;;) {
        char c = *p;

        if (c == '"') {
            p = skip_string(p);
            continue;
        }
        p++;
        if (c < '[') /* digits, commas, colons, blanks; brackets are behind all of them */
            continue;
        if (c == '{' || c == '[')
            depth++;
        else if ((c == '}' || c == ']') && --depth == 0)
            return p;
    }
}

static const char *skip_value(const char *p, int *ret_type)
{
    switch (*p) {
    case '"':
        *ret_type = AIEX_JSON_STRING;
        return skip_string(p);
    case '{':
    case '[':
        *ret_type = *p == '{' ? AIEX_JSON_OBJECT : AIEX_JSON_ARRAY;
        return skip_container(p);
    case 't':
        *ret_type = AIEX_JSON_TRUE;
        return p + 4;
    case 'f':
        *ret_type = AIEX_JSON_FALSE;
        return p + 5;
    case 'n':
        *ret_type = AIEX_JSON_NULL;
        return p + 4;
    default:
        *ret_type = AIEX_JSON_NUMBER;
        while (*p != ',' && *p != '}' && *p != ']' && (unsigned char)*p > ' ')
            p++;
        return p;
    }
}

/* The field of a key, or NULL. */
static inline struct aiex_json_field *find_field(const char *key, size_t len,
                                                 struct aiex_json_field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (aiex_json_key_is(key, len, fields[i].key))
            return &fields[i];
    return NULL;
}

/* Where it ends: at the closing brace. */
static const char *take_members(const char *p, struct aiex_json_field *fields, size_t n)
{
    for (p = skip_space(p + 1); *p == '"'; p = skip_space(p + 1)) {
        const char *key = p, *from;
        struct aiex_json_field *f;
        int type;

        p = skip_string(p);
        f = find_field(key, (size_t)(p - key), fields, n);
        from = skip_space(skip_space(p) + 1);
        p = skip_value(from, &type);
        if (f) {
            f->seen++;
            f->value = (struct aiex_json_span){type, from, (size_t)(p - from)};
        }
        p = skip_space(p);
        if (*p == '}')
            break;
    }
    return p;
}

int get_members(struct answer *a, const struct aiex_json_span *object, const char *what,
                struct aiex_json_field *fields, size_t n)
{
    struct aiex_json_span item = *object;

    return get_item(a, &item, what, fields, n);
}

int get_item(struct answer *a, struct aiex_json_span *object, const char *what,
             struct aiex_json_field *fields, size_t n)
{
    const char *p = object->data;

    for (size_t i = 0; i < n; i++) {
        fields[i].seen = 0;
        fields[i].value = (struct aiex_json_span){0, NULL, 0};
    }
    if (!get_has(object))
        return 0;
    if (object->type != AIEX_JSON_OBJECT)
        return answer_fault(a, -EPROTO, "%s is not an object", what);
    while (*p != '{') /* white space before a document */
        p++;
    object->len = (size_t)(take_members(p, fields, n) + 1 - object->data);
    return twice(a, fields, n);
}

int get_string(struct answer *a, const struct aiex_json_span *v, const char *what,
               struct aiex_slice *ret)
{
    *ret = (struct aiex_slice){NULL, 0};
    if (!get_has(v))
        return 0;
    if (v->type != AIEX_JSON_STRING)
        return answer_fault(a, -EPROTO, "%s is not a string", what);
    *ret = (struct aiex_slice){(const uint8_t *)v->data + 1, v->len - 2};
    return 0;
}

int get_number(struct answer *a, const struct aiex_json_span *v, const char *what, int64_t *ret)
{
    if (!get_has(v))
        return 0;
    if (aiex_json_int(v, ret) != 0 || *ret < 0)
        return answer_fault(a, -EPROTO, "%s is not a whole number", what);
    return 0;
}

int get_array(struct answer *a, const struct aiex_json_span *v, const char *what)
{
    if (get_has(v) && v->type != AIEX_JSON_ARRAY)
        return answer_fault(a, -EPROTO, "%s is not an array", what);
    return 0;
}

static int64_t count_of(const struct aiex_json_span *v)
{
    int64_t n;

    if (!get_has(v))
        return -1;
    return aiex_json_int(v, &n) == 0 && n >= 0 && n <= GET_MAX_COUNT ? n : -2;
}

int64_t get_count(const struct aiex_json_span *object, const char *key)
{
    struct aiex_json_field f = {.key = key};

    if (object->type == AIEX_JSON_OBJECT)
        take_members(object->data, &f, 1);
    return count_of(&f.value);
}

int get_openai_usage(const struct aiex_json_span *usage, struct aiex_usage *ret)
{
    struct aiex_json_field f[] = {{.key = "prompt_tokens"},
                                  {.key = "completion_tokens"},
                                  {.key = "prompt_tokens_details"},
                                  {.key = "completion_tokens_details"}};

    *ret = NO_USAGE;
    if (usage->type != AIEX_JSON_OBJECT)
        return 0;
    take_members(usage->data, f, 4);
    ret->input = count_of(&f[0].value);
    ret->output = count_of(&f[1].value);
    ret->cache_read = get_count(&f[2].value, "cached_tokens");
    ret->reasoning = get_count(&f[3].value, "reasoning_tokens");
    return 1;
}

int get_openai_finish(struct aiex_slice word)
{
    static const struct {
        const char *word;
        int finish;
    } rows[] = {
        {"stop", AIEX_FINISH_STOP},
        {"length", AIEX_FINISH_LENGTH},
        {"max_tokens", AIEX_FINISH_LENGTH},
        {"model_length", AIEX_FINISH_LENGTH},
        {"tool_calls", AIEX_FINISH_TOOL_CALLS},
        {"function_call", AIEX_FINISH_TOOL_CALLS},
        {"content_filter", AIEX_FINISH_CONTENT_FILTER},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (get_is(word, rows[i].word))
            return rows[i].finish;
    return AIEX_FINISH_STOP; /* other servers' words for a natural end */
}

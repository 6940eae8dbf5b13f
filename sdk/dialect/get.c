#include "get.h"

#include <errno.h>

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

static int same_key(const struct aiex_json_span *key, const char *plain)
{
    size_t n = strlen(plain);

    if (key->len == n + 2)
        return memcmp(key->data + 1, plain, n) == 0;
    return key->len > n && memchr(key->data, '\\', key->len) && aiex_json_is(key, plain);
}

int get_members(struct answer *a, const struct aiex_json_span *object, const char *what,
                struct aiex_json_field *fields, size_t n)
{
    struct aiex_json_span key, value;
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        fields[i].seen = 0;
        fields[i].value = (struct aiex_json_span){0, NULL, 0};
    }
    if (!get_has(object))
        return 0;
    if (object->type != AIEX_JSON_OBJECT)
        return answer_fault(a, -EPROTO, "%s is not an object", what);
    while (aiex_json_next(object, &at, &key, &value))
        for (size_t i = 0; i < n; i++)
            if (same_key(&key, fields[i].key)) {
                fields[i].seen++;
                fields[i].value = value;
                break;
            }
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

int64_t get_count(const struct aiex_json_span *object, const char *key)
{
    struct aiex_json_span v;
    int64_t n;

    if (!aiex_json_find(object, key, &v) || v.type == AIEX_JSON_NULL)
        return -1;
    return aiex_json_int(&v, &n) == 0 && n >= 0 ? n : -2;
}

int get_openai_usage(const struct aiex_json_span *usage, struct aiex_usage *ret)
{
    struct aiex_json_span details;

    *ret = NO_USAGE;
    if (usage->type != AIEX_JSON_OBJECT)
        return 0;
    ret->input = get_count(usage, "prompt_tokens");
    ret->output = get_count(usage, "completion_tokens");
    if (aiex_json_find(usage, "prompt_tokens_details", &details))
        ret->cache_read = get_count(&details, "cached_tokens");
    if (aiex_json_find(usage, "completion_tokens_details", &details))
        ret->reasoning = get_count(&details, "reasoning_tokens");
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
        {"tool_calls", AIEX_FINISH_TOOL_CALLS},
        {"function_call", AIEX_FINISH_TOOL_CALLS},
        {"content_filter", AIEX_FINISH_CONTENT_FILTER},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (get_is(word, rows[i].word))
            return rows[i].finish;
    return AIEX_FINISH_STOP; /* other servers' words for a natural end */
}

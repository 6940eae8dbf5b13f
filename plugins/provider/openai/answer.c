#include "answer.h"

#include <errno.h>

void answer_init(struct answer *a)
{
    *a = (struct answer){.input_tokens = -1, .output_tokens = -1, .cached_tokens = -1};
}

static void take_count(const struct aiex_json_span *object, const char *key, int64_t *out)
{
    struct aiex_json_span v;
    int64_t n;

    if (aiex_json_find(object, key, &v) && aiex_json_int(&v, &n) == 0 && n >= 0)
        *out = n;
}

static void take_usage(struct answer *a, const struct aiex_json_span *usage)
{
    struct aiex_json_span details;

    take_count(usage, "prompt_tokens", &a->input_tokens);
    take_count(usage, "completion_tokens", &a->output_tokens);
    if (aiex_json_find(usage, "prompt_tokens_details", &details))
        take_count(&details, "cached_tokens", &a->cached_tokens);
}

/* Number of choices; notes why they ended. */
static int take_choices(struct answer *a, const struct aiex_json_span *choices)
{
    struct aiex_json_span choice, finish;
    size_t at = 0;
    int n = 0;

    while (aiex_json_next(choices, &at, NULL, &choice)) {
        n++;
        if (aiex_json_find(&choice, "finish_reason", &finish) && finish.type == AIEX_JSON_STRING)
            (void)aiex_json_text(&finish, a->finish, sizeof(a->finish));
    }
    return n;
}

int answer_scan(struct answer *a, struct aiex_slice json, const char **why)
{
    enum { CHOICES, USAGE, ERROR, MODEL, N };
    struct aiex_json_field f[N] = {
        {.key = "choices"}, {.key = "usage"}, {.key = "error"}, {.key = "model"}};
    struct aiex_json_fault fault = {0, "it is not an object"};
    int choices = 0;

    if (aiex_json_scan(json, 0, f, N, &fault) != AIEX_JSON_OBJECT) {
        *why = fault.reason ? fault.reason : "it is not an object";
        return -EINVAL;
    }
    if (f[CHOICES].value.type == AIEX_JSON_ARRAY)
        choices = take_choices(a, &f[CHOICES].value);
    if (f[USAGE].value.type == AIEX_JSON_OBJECT)
        take_usage(a, &f[USAGE].value);
    if (!a->model[0] && f[MODEL].value.type == AIEX_JSON_STRING)
        if (aiex_json_text(&f[MODEL].value, a->model, sizeof(a->model)) < 0)
            a->model[0] = 0;
    if (choices == 0 && f[ERROR].seen && f[ERROR].value.type != AIEX_JSON_NULL)
        return ANSWER_ERROR;
    if (choices == 0 && f[CHOICES].seen && f[USAGE].value.type == AIEX_JSON_OBJECT)
        return ANSWER_USAGE_ONLY;
    return 0;
}

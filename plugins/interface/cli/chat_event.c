#include "chat_event.h"

#include <errno.h>
#include <string.h>

/* A string under a key; a missing one, null and other types leave type 0. */
static struct aiex_json_span text_of(const struct aiex_json_span *object, const char *key)
{
    struct aiex_json_span value = {0, NULL, 0};

    if (!aiex_json_find(object, key, &value) || value.type != AIEX_JSON_STRING)
        value.type = 0;
    return value;
}

static int64_t number_of(const struct aiex_json_span *object, const char *key)
{
    struct aiex_json_span value;
    int64_t n;

    return aiex_json_find(object, key, &value) && aiex_json_int(&value, &n) == 0 && n >= 0 ? n : -1;
}

static void read_choice(const struct aiex_json_span *choices, struct chat_event *e)
{
    struct aiex_json_span choice, delta;
    size_t at = 0;

    if (!aiex_json_next(choices, &at, NULL, &choice) || choice.type != AIEX_JSON_OBJECT)
        return;
    e->finish = text_of(&choice, "finish_reason");
    if (!aiex_json_find(&choice, "delta", &delta) || delta.type != AIEX_JSON_OBJECT)
        return;
    e->text = text_of(&delta, "content");
    e->reasoning = text_of(&delta, "reasoning_content");
    if (!e->reasoning.type)
        e->reasoning = text_of(&delta, "reasoning");
}

static void read_error(const struct aiex_json_span *error, struct chat_event *e)
{
    if (error->type == AIEX_JSON_NULL)
        return;
    e->failed = 1;
    e->error = error->type == AIEX_JSON_OBJECT ? text_of(error, "message") : *error;
    if (e->error.type != AIEX_JSON_STRING)
        e->error.type = 0;
}

int chat_event_read(struct aiex_slice data, struct chat_event *ret_event)
{
    enum { CHOICES, USAGE, ERROR, MODEL, N };
    struct aiex_json_field f[N] = {[CHOICES] = {.key = "choices"},
                                   [USAGE] = {.key = "usage"},
                                   [ERROR] = {.key = "error"},
                                   [MODEL] = {.key = "model"}};

    memset(ret_event, 0, sizeof(*ret_event));
    ret_event->input_tokens = ret_event->output_tokens = -1;
    if (data.len == 6 && memcmp(data.data, "[DONE]", 6) == 0) {
        ret_event->done = 1;
        return 0;
    }
    if (aiex_json_scan(data, 0, f, N, NULL) != AIEX_JSON_OBJECT)
        return -EINVAL;
    if (f[CHOICES].value.type == AIEX_JSON_ARRAY)
        read_choice(&f[CHOICES].value, ret_event);
    if (f[USAGE].value.type == AIEX_JSON_OBJECT) {
        ret_event->input_tokens = number_of(&f[USAGE].value, "prompt_tokens");
        ret_event->output_tokens = number_of(&f[USAGE].value, "completion_tokens");
    }
    if (f[ERROR].seen)
        read_error(&f[ERROR].value, ret_event);
    if (f[MODEL].value.type == AIEX_JSON_STRING)
        ret_event->model = f[MODEL].value;
    return 0;
}

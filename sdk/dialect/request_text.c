/*
 * request_text.c - how much text a request holds, for estimates of its tokens.
 *
 * One walk over all strings, in any dialect: data of images and files, ids and signatures do not
 * count, everything else that a model is shown does. Of tool definitions all bytes count,
 * since models are shown them as JSON.
 */
#include "keys.h"
#include "request.h"

#define MAX_DEPTH 16 /* deeper lies no text of a message; schemas are counted whole */

struct count {
    int64_t bytes;
    int n_images, n_messages;
};

static int is_data(enum key key)
{
    switch (key) {
    case K_data:
    case K_url:
    case K_image_url:
    case K_file_data:
    case K_file_url:
    case K_encrypted_content:
    case K_input_audio:
    case K_id:
    case K_call_id:
    case K_tool_call_id:
    case K_tool_use_id:
    case K_type:
    case K_model:
    case K_detail:
    case K_media_type:
    case K_file_id:
    case K_cache_control:
    case K_metadata:
    case K_user:
    case K_context:
    case K_prompt_cache_key:
        return 1;
    default:
        return 0;
    }
}

static size_t count_items(struct count *c, const struct aiex_json_span *whole, unsigned depth);

static void count_whole(struct count *c, enum key key, const struct aiex_json_span *value)
{
    struct aiex_json_span one;
    size_t at = 0;

    if (is_data(key))
        return;
    if (key == K_images)
        while (aiex_json_next(value, &at, NULL, &one))
            c->n_images++;
    else if (key == K_tools || key == K_functions || key == K_arguments)
        c->bytes += (int64_t)value->len;
    else if (value->type == AIEX_JSON_STRING)
        c->bytes += value->len < 2 ? 0 : (int64_t)value->len - 2; /* 1: cut off */
}

/* A value of aiex_json_step(); *at goes behind it. */
static void count_value(struct count *c, enum key key, const struct aiex_json_span *whole,
                        size_t *at, struct aiex_json_span *value, unsigned depth)
{
    int holds = value->type == AIEX_JSON_OBJECT || value->type == AIEX_JSON_ARRAY;

    if (key == K_image_url || (key == K_source && value->type == AIEX_JSON_OBJECT))
        c->n_images++;
    if (holds && depth < MAX_DEPTH && !is_data(key) && key != K_images && key != K_tools &&
        key != K_functions && key != K_arguments) {
        *at = (size_t)(value->data - whole->data) + count_items(c, value, depth + 1);
        return;
    }
    aiex_json_skip(whole, at, value);
    count_whole(c, key, value);
}

/* Bytes of the items and their closing bracket. */
static size_t count_items(struct count *c, const struct aiex_json_span *whole, unsigned depth)
{
    struct aiex_json_span name, value;
    int object = whole->type == AIEX_JSON_OBJECT;
    size_t at = 0;

    while (aiex_json_step(whole, &at, object ? &name : NULL, &value)) {
        enum key key = object ? key_of(&name) : N_KEYS;

        if (key == K_role)
            c->n_messages++;
        count_value(c, key, whole, &at, &value, depth);
    }
    return at + 1;
}

int64_t text_bytes(const struct aiex_json_span *body, int *n_images, int *n_messages)
{
    struct count c = {0};

    count_items(&c, body, 0);
    if (n_images)
        *n_images = c.n_images;
    if (n_messages)
        *n_messages = c.n_messages;
    return c.bytes;
}

/* ---- What a request may use ---- */

static int64_t positive(const struct aiex_json_span *v)
{
    int64_t n = 0;

    return aiex_json_int(v, &n) == 0 && n > 0 ? n : 0;
}

static void take_limit(struct aiex_chat_size *size, enum key key, const struct aiex_json_span *v)
{
    struct aiex_json_span predict = *v;

    switch (key) {
    case K_options:
        if (!aiex_json_find(v, "num_predict", &predict))
            return;
        /* fall through */
    case K_max_tokens:
    case K_max_completion_tokens:
    case K_max_output_tokens:
        if (positive(&predict) > size->output)
            size->output = positive(&predict);
        return;
    case K_n:
        if (positive(v))
            size->choices = positive(v);
        return;
    default:
        return;
    }
}

void aiex_chat_size(struct aiex_slice body, struct aiex_chat_size *ret)
{
    struct aiex_json_span whole = {AIEX_JSON_OBJECT, (const char *)body.data, body.len}, name,
                          value;
    struct count c = {0};
    size_t at = 0;

    *ret = (struct aiex_chat_size){.choices = 1};
    while (whole.len && *whole.data != '{') { /* white space, and a byte order mark at worst */
        whole.data++;
        whole.len--;
    }
    while (whole.len && aiex_json_step(&whole, &at, &name, &value)) {
        enum key key = key_of(&name);

        if (key == K_options)
            aiex_json_skip(&whole, &at, &value);
        take_limit(ret, key, &value);
        count_value(&c, key, &whole, &at, &value, 0);
    }
    ret->prompt = prompt_estimate(c.bytes, c.n_images, c.n_messages);
}

/* ---- Text ---- */

int64_t request_text_bytes(int dialect, struct aiex_slice body, int *n_images, int *n_messages)
{
    struct aiex_json_span whole;
    int type = aiex_json_scan(body, AIEX_JSON_MAX_DEPTH, NULL, 0, NULL);
    size_t at = 0;

    (void)dialect; /* keys mean the same in all */
    if (type < 0)
        return -1;
    while (memchr(" \t\r\n", body.data[at], 4))
        at++;
    whole = (struct aiex_json_span){type, (const char *)body.data + at, body.len - at};
    return text_bytes(&whole, n_images, n_messages);
}

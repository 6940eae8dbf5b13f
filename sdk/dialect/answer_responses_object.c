/* answer_responses_object.c - response objects, output items and parts; see responses.h. */
#include "responses.h"

static int in_progress(const char *status)
{
    return *status == 'i' && status[2] == '_';
}

const char *responses_status(const struct answer *a)
{
    if (a->finish == AIEX_FINISH_LENGTH || a->finish == AIEX_FINISH_CONTENT_FILTER ||
        (a->finish == AIEX_FINISH_REFUSAL && !a->refused))
        return "incomplete";
    return "completed";
}

static void put_usage(struct answer *a)
{
    struct aiex_usage u = answer_usage(a);

    bytes_str(&a->out, ",\"usage\":{\"input_tokens\":");
    bytes_int(&a->out, u.input);
    bytes_str(&a->out, ",\"input_tokens_details\":{\"cached_tokens\":");
    bytes_int(&a->out, u.cache_read > 0 ? u.cache_read : 0);
    bytes_str(&a->out, "},\"output_tokens\":");
    bytes_int(&a->out, u.output);
    bytes_str(&a->out, ",\"output_tokens_details\":{\"reasoning_tokens\":");
    bytes_int(&a->out, u.reasoning > 0 ? u.reasoning : 0);
    bytes_str(&a->out, "},\"total_tokens\":");
    bytes_int(&a->out, u.input + u.output);
    bytes_str(&a->out, "}");
}

static void put_why(struct answer *a, const char *status)
{
    if (strcmp(status, "incomplete") != 0)
        bytes_str(&a->out, "null");
    else if (a->finish == AIEX_FINISH_LENGTH)
        bytes_str(&a->out, "{\"reason\":\"max_output_tokens\"}");
    else
        bytes_str(&a->out, "{\"reason\":\"content_filter\"}");
}

void responses_put(struct answer *a, const char *status)
{
    bytes_str(&a->out, "{\"id\":\"");
    answer_put_id(a, &a->out, "resp_", 0);
    bytes_str(&a->out, "\",\"object\":\"response\",\"created_at\":");
    bytes_int(&a->out, (int64_t)a->c->setup.now_s);
    bytes_str(&a->out, ",\"status\":\"");
    bytes_str(&a->out, status);
    bytes_str(&a->out, "\",\"error\":null,\"incomplete_details\":");
    put_why(a, status);
    bytes_str(&a->out, ",\"model\":");
    answer_put_model(a, &a->out);
    if (a->c->echo.len) {
        bytes_str(&a->out, ",");
        bytes_slice(&a->out, a->c->echo);
    }
    bytes_str(&a->out, ",\"output\":[");
    for (size_t i = 0; !in_progress(status) && i < a->store.n; i++) {
        const struct block *b = &a->store.blocks[i];

        bytes_str(&a->out, i ? "," : "");
        responses_put_item(a, b, (int64_t)i, b->cut ? "incomplete" : "completed");
    }
    bytes_str(&a->out, "]");
    if (in_progress(status))
        bytes_str(&a->out, ",\"usage\":null");
    else
        put_usage(a);
    bytes_str(&a->out, "}");
}

/* ---- Items ---- */

void responses_put_id(struct answer *a, struct bytes *out, const struct block *b, int64_t index)
{
    static const char *const prefixes[] = {[BLOCK_TEXT] = "msg_",
                                           [BLOCK_REFUSAL] = "msg_",
                                           [BLOCK_REASONING] = "rs_",
                                           [BLOCK_REDACTED] = "rs_",
                                           [BLOCK_TOOL] = "fc_"};

    answer_put_id(a, out, b->kind == BLOCK_TOOL && b->custom ? "ctc_" : prefixes[b->kind],
                  1 + (uint64_t)index);
}

void responses_put_part(struct answer *a, const struct block *b, int with_text)
{
    static const char *const heads[] = {
        [BLOCK_TEXT] = "{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":",
        [BLOCK_REFUSAL] = "{\"type\":\"refusal\",\"refusal\":",
        [BLOCK_REASONING] = "{\"type\":\"summary_text\",\"text\":",
        [BLOCK_REDACTED] = "{\"type\":\"summary_text\",\"text\":",
        [BLOCK_TOOL] = "{",
    };
    struct aiex_slice none = {NULL, 0};

    bytes_str(&a->out, heads[b->kind]);
    bytes_quote(&a->out, with_text ? store_text(&a->store, b) : none);
    bytes_str(&a->out, "}");
}

static void put_message(struct answer *a, const struct block *b, const char *status)
{
    bytes_str(&a->out, "\",\"type\":\"message\",\"status\":\"");
    bytes_str(&a->out, status);
    bytes_str(&a->out, "\",\"role\":\"assistant\",\"content\":[");
    if (!in_progress(status))
        responses_put_part(a, b, 1);
    bytes_str(&a->out, "]}");
}

static void put_reasoning(struct answer *a, const struct block *b, const char *status)
{
    struct aiex_slice sealed = store_side(&a->store, b->signature);

    bytes_str(&a->out, "\",\"type\":\"reasoning\",\"summary\":[");
    if (!in_progress(status) && b->kind == BLOCK_REASONING && b->text.len)
        responses_put_part(a, b, 1);
    bytes_str(&a->out, "]");
    if (b->kind == BLOCK_REDACTED)
        sealed = store_text(&a->store, b);
    if (!in_progress(status) && sealed.len) {
        bytes_str(&a->out, ",\"encrypted_content\":");
        bytes_quote(&a->out, sealed);
    }
    bytes_str(&a->out, "}");
}

static void put_call(struct answer *a, const struct block *b, const char *status)
{
    struct aiex_slice none = {NULL, 0};

    bytes_str(&a->out, b->custom ? "\",\"type\":\"custom_tool_call\",\"status\":\""
                                 : "\",\"type\":\"function_call\",\"status\":\"");
    bytes_str(&a->out, status);
    bytes_str(&a->out, "\",\"call_id\":");
    bytes_quote(&a->out, store_side(&a->store, b->id));
    bytes_str(&a->out, ",\"name\":");
    bytes_quote(&a->out, store_side(&a->store, b->name));
    if (b->space.len) {
        bytes_str(&a->out, ",\"namespace\":");
        bytes_quote(&a->out, store_side(&a->store, b->space));
    }
    bytes_str(&a->out, b->custom ? ",\"input\":" : ",\"arguments\":");
    bytes_quote(&a->out, in_progress(status) ? none : store_text(&a->store, b));
    bytes_str(&a->out, "}");
}

void responses_put_item(struct answer *a, const struct block *b, int64_t index, const char *status)
{
    bytes_str(&a->out, "{\"id\":\"");
    responses_put_id(a, &a->out, b, index);
    switch (b->kind) {
    case BLOCK_TEXT:
    case BLOCK_REFUSAL:
        put_message(a, b, status);
        break;
    case BLOCK_REASONING:
    case BLOCK_REDACTED:
        put_reasoning(a, b, status);
        break;
    default:
        put_call(a, b, status);
    }
}

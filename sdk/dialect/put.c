#include "put.h"

#include <time.h>

static void put_part(struct bytes *b, const char *before, int64_t n, const char *behind)
{
    if (n < 0)
        return;
    bytes_str(b, before);
    bytes_int(b, n);
    bytes_str(b, behind);
}

void put_openai_usage(struct answer *a, struct bytes *b)
{
    struct aiex_usage u = answer_usage(a);

    bytes_str(b, ",\"usage\":{\"prompt_tokens\":");
    bytes_int(b, u.input);
    bytes_str(b, ",\"completion_tokens\":");
    bytes_int(b, u.output);
    bytes_str(b, ",\"total_tokens\":");
    bytes_int(b, u.input + u.output);
    put_part(b, ",\"prompt_tokens_details\":{\"cached_tokens\":", u.cache_read, "}");
    put_part(b, ",\"completion_tokens_details\":{\"reasoning_tokens\":", u.reasoning, "}");
    bytes_str(b, "}");
}

const char *put_openai_finish(const struct answer *a)
{
    switch (a->finish) {
    case AIEX_FINISH_LENGTH:
        return "length";
    case AIEX_FINISH_TOOL_CALLS:
        return "tool_calls";
    case AIEX_FINISH_CONTENT_FILTER:
        return "content_filter";
    case AIEX_FINISH_REFUSAL:
        return a->refused ? "stop" : "content_filter"; /* the refusal itself says it */
    default:
        return "stop";
    }
}

int put_has(const struct answer *a, enum block_kind kind)
{
    for (size_t i = 0; i < a->store.n; i++)
        if (a->store.blocks[i].kind == kind)
            return 1;
    return 0;
}

int put_joined(struct answer *a, struct bytes *b, enum block_kind kind)
{
    if (!put_has(a, kind)) {
        bytes_str(b, "null");
        return 0;
    }
    bytes_str(b, "\"");
    for (size_t i = 0; i < a->store.n; i++)
        if (a->store.blocks[i].kind == kind)
            bytes_slice(b, store_text(&a->store, &a->store.blocks[i]));
    bytes_str(b, "\"");
    return 1;
}

void put_said(struct answer *a, struct bytes *b)
{
    bytes_str(b, "\"");
    for (size_t i = 0; i < a->store.n; i++) {
        const struct block *block = &a->store.blocks[i];

        if (block->kind == BLOCK_TEXT || block->kind == BLOCK_REFUSAL)
            bytes_slice(b, store_text(&a->store, block));
    }
    bytes_str(b, "\"");
}

void put_time(struct answer *a, struct bytes *b)
{
    time_t now = (time_t)a->c->setup.now_s;
    char text[40];
    struct tm tm;

    if (!gmtime_r(&now, &tm) || !strftime(text, sizeof(text), "\"%Y-%m-%dT%H:%M:%SZ\"", &tm))
        bytes_str(b, "\"1970-01-01T00:00:00Z\"");
    else
        bytes_str(b, text);
}

#include "answer.h"

#include <aiex_json.h>
#include <inttypes.h>
#include <string.h>

#define PIECE_BYTES 48u

int64_t answer_tokens(size_t bytes)
{
    return bytes < 4 ? 1 : (int64_t)((bytes + 3) / 4);
}

static void add_string(struct text *out, const char *s, size_t n)
{
    char mem[1024];

    text_add(out, "\"");
    while (n) {
        size_t step = n < 128 ? n : 128;
        struct aiex_json_out w;

        while (step < n && ((unsigned char)s[step] & 0xc0) == 0x80 && step > 120)
            step--; /* not inside a character */
        aiex_jw_init(&w, mem, sizeof(mem));
        aiex_jw_escape(&w, s, step);
        text_addn(out, mem, w.len);
        s += step;
        n -= step;
    }
    text_add(out, "\"");
}

static void add_head(struct text *out, const struct answer *a, const char *object)
{
    text_addf(out,
              "{\"id\":\"chatcmpl-offline-%016" PRIx64 "\",\"object\":\"%s\",\"created\":%" PRId64
              ",\"model\":\"" OFFLINE_MODEL "\",\"system_fingerprint\":\"" OFFLINE_MODEL
              "\",\"aiex\":{\"offline\":true,\"usage_estimated\":true}",
              a->id, object, a->created);
}

static void add_usage(struct text *out, const struct answer *a)
{
    text_addf(out,
              "{\"prompt_tokens\":%" PRId64 ",\"completion_tokens\":%" PRId64
              ",\"total_tokens\":%" PRId64 "}",
              a->input_tokens, a->output_tokens, a->input_tokens + a->output_tokens);
}

void answer_unary(struct text *out, const struct answer *a)
{
    add_head(out, a, "chat.completion");
    text_add(out, ",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
    add_string(out, a->content, a->content_len);
    text_add(out, ",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":");
    add_usage(out, a);
    text_add(out, "}");
}

static void begin_chunk(struct text *out, const struct answer *a)
{
    text_add(out, "data: ");
    add_head(out, a, "chat.completion.chunk");
}

static void end_chunk(struct text *out, const struct answer *a)
{
    text_add(out, a->include_usage ? ",\"usage\":null}\n\n" : "}\n\n");
}

/* Ends behind the white space that follows a word, and never inside a character. */
static size_t piece(const char *s, size_t n)
{
    size_t at = PIECE_BYTES;

    if (n <= at)
        return n;
    while (at > PIECE_BYTES / 2 && !strchr(" \n\t", s[at - 1]))
        at--;
    if (strchr(" \n\t", s[at - 1]))
        return at;
    for (at = PIECE_BYTES; at > PIECE_BYTES - 4 && ((unsigned char)s[at] & 0xc0) == 0x80;)
        at--;
    return at;
}

void answer_stream(struct text *out, const struct answer *a)
{
    begin_chunk(out, a);
    text_add(out, ",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
                  "\"logprobs\":null,\"finish_reason\":null}]");
    end_chunk(out, a);
    for (size_t at = 0, n; at < a->content_len; at += n) {
        n = piece(a->content + at, a->content_len - at);
        begin_chunk(out, a);
        text_add(out, ",\"choices\":[{\"index\":0,\"delta\":{\"content\":");
        add_string(out, a->content + at, n);
        text_add(out, "},\"logprobs\":null,\"finish_reason\":null}]");
        end_chunk(out, a);
    }
    begin_chunk(out, a);
    text_add(out, ",\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":"
                  "\"stop\"}]");
    end_chunk(out, a);
    if (a->include_usage) {
        begin_chunk(out, a);
        text_add(out, ",\"choices\":[],\"usage\":");
        add_usage(out, a);
        text_add(out, "}\n\n");
    }
    text_add(out, "data: [DONE]\n\n");
}

#include "answer_run.h"

#include "test.h"

#include <stdio.h>
#include <string.h>

const char *run_body(int dialect, int stream)
{
    static const char *const bodies[AIEX_N_DIALECTS][2] = {
        [AIEX_OPENAI_CHAT] =
            {"{\"model\":\"asked\",\"messages\":[{\"role\":\"user\",\"content\":\"hello there\"}]}",
             "{\"model\":\"asked\",\"stream\":true,\"stream_options\":{\"include_usage\":true},"
             "\"messages\":[{\"role\":\"user\",\"content\":\"hello there\"}]}"},
        [AIEX_OPENAI_RESPONSES] =
            {"{\"model\":\"asked\",\"input\":\"hello there\"}",
             "{\"model\":\"asked\",\"input\":\"hello there\",\"stream\":true}"},
        [AIEX_ANTHROPIC_MESSAGES] =
            {"{\"model\":\"asked\",\"max_tokens\":99,\"messages\":[{\"role\":\"user\",\"content\":"
             "\"hello there\"}]}",
             "{\"model\":\"asked\",\"max_tokens\":99,\"stream\":true,\"messages\":[{\"role\":"
             "\"user\","
             "\"content\":\"hello there\"}]}"},
        [AIEX_OLLAMA_CHAT] =
            {"{\"model\":\"asked\",\"stream\":false,\"messages\":[{\"role\":\"user\",\"content\":"
             "\"hello there\"}]}",
             "{\"model\":\"asked\",\"messages\":[{\"role\":\"user\",\"content\":\"hello "
             "there\"}]}"},
        [AIEX_OPENAI_COMPLETIONS] =
            {"{\"model\":\"asked\",\"prompt\":\"hello there\"}",
             "{\"model\":\"asked\",\"prompt\":\"hello there\",\"stream\":true,\"stream_options\":{"
             "\"include_usage\":true}}"},
        [AIEX_OLLAMA_GENERATE] =
            {"{\"model\":\"asked\",\"prompt\":\"hello there\",\"stream\":false}",
             "{\"model\":\"asked\",\"prompt\":\"hello there\"}"},
        [AIEX_OPENAI_EMBEDDINGS] = {"{\"model\":\"asked\",\"input\":[\"a\",\"b\"]}",
                                    "{\"model\":\"asked\",\"input\":[\"a\",\"b\"]}"},
        [AIEX_OLLAMA_EMBED] = {"{\"model\":\"asked\",\"input\":[\"a\",\"b\"]}",
                               "{\"model\":\"asked\",\"input\":[\"a\",\"b\"]}"},
    };

    return bodies[dialect][stream != 0];
}

int run_new(struct run *r)
{
    const char *body = r->body ? r->body : run_body(r->client, r->stream);
    struct aiex_chat_setup setup = {.struct_size = sizeof(setup),
                                    .flags = r->flags,
                                    .client = r->client,
                                    .vendor = r->vendor,
                                    .stream = r->stream,
                                    .model = {(const uint8_t *)"sent", 4},
                                    .now_s = 1763732400,
                                    .random = r->random ? r->random : 42};
    struct aiex_error err = {""};

    r->result = aiex_chat_new(&setup, (struct aiex_slice){(const uint8_t *)body, strlen(body)},
                              &r->chat, &err);
    if (r->result != 0)
        printf("\n%s -> %s: %s\n", aiex_dialect_name(r->client), aiex_dialect_name(r->vendor),
               err.text);
    return r->result;
}

static int on_bytes(void *arg, struct aiex_slice bytes)
{
    struct run *r = arg;
    char *grown = realloc(r->out, r->len + bytes.len + 1);

    CU_ASSERT_FATAL(grown != NULL);
    CU_ASSERT(bytes.len > 0);
    r->out = grown;
    memcpy(r->out + r->len, bytes.data, bytes.len);
    r->len += bytes.len;
    r->out[r->len] = 0;
    r->n_sinks++;
    return r->stop_after && r->n_sinks >= r->stop_after;
}

static int note(struct run *r, int result)
{
    r->said = *aiex_chat_result(r->chat);
    if (r->result == 0)
        r->result = result;
    return result;
}

int run_feed(struct run *r, const char *bytes, size_t len)
{
    /* of its own, so that reads beyond the end are seen */
    uint8_t *copy = malloc(len ? len : 1);
    int result;

    CU_ASSERT_FATAL(copy != NULL);
    memcpy(copy, bytes, len);
    result = note(r, aiex_chat_feed(r->chat, (struct aiex_slice){copy, len}, on_bytes, r));
    free(copy);
    return result;
}

int run_close(struct run *r)
{
    return note(r, aiex_chat_close(r->chat, on_bytes, r));
}

void run_all(struct run *r, const char *bytes, size_t step)
{
    size_t len = strlen(bytes), at = 0;

    if (run_new(r) != 0)
        return;
    for (step = step ? step : len; at < len && r->result == 0; at += step)
        run_feed(r, bytes + at, len - at < step ? len - at : step);
    if (r->result == 0)
        run_close(r);
    if (!r->out && (r->out = calloc(1, 1)) == NULL)
        CU_FAIL_FATAL("no memory");
}

void run_free(struct run *r)
{
    aiex_chat_free(r->chat);
    free(r->out);
    r->chat = NULL;
    r->out = NULL;
    r->len = 0;
}

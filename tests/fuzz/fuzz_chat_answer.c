/*
 * fuzz_chat_answer.c - a vendor's hostile answer on its way to a client.
 *
 * The first two bytes choose the dialects, whether it streams, and where the rest is cut. Never
 * a crash; a clean end only when the vendor said that its answer is complete; what the client
 * got is well-formed in its dialect: a strict reader of that dialect takes it without a fault
 * up to its end.
 */
/* link: aiex_sdk_dialect aiex_sdk_json aiex_sdk_sse */
#include <aiex_chat.h>
#include <aiex_json.h>
#include <aiex_sse.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const bodies[AIEX_N_DIALECTS] = {
    [AIEX_OPENAI_CHAT] = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
    [AIEX_OPENAI_RESPONSES] =
        "{\"model\":\"m\",\"input\":\"x\",\"tools\":[{\"type\":\"custom\",\"name\":\"f\"}]}",
    [AIEX_ANTHROPIC_MESSAGES] =
        "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
    [AIEX_OLLAMA_CHAT] = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
    [AIEX_OPENAI_COMPLETIONS] = "{\"model\":\"m\",\"prompt\":\"x\",\"echo\":true}",
    [AIEX_OLLAMA_GENERATE] = "{\"model\":\"m\",\"prompt\":\"x\\n\",\"suffix\":\"\\ny\"}",
    [AIEX_OPENAI_EMBEDDINGS] =
        "{\"model\":\"m\",\"input\":[\"x\",\"y\"],\"encoding_format\":\"base64\"}",
    [AIEX_OLLAMA_EMBED] = "{\"model\":\"m\",\"input\":\"x\"}",
};

struct got {
    uint8_t data[1 << 16];
    size_t len;
    int full;
};

static int on_bytes(void *arg, struct aiex_slice bytes)
{
    struct got *g = arg;

    if (!bytes.len)
        abort();
    if (g->len + bytes.len > sizeof(g->data)) {
        g->full = 1;
        return 0;
    }
    memcpy(g->data + g->len, bytes.data, bytes.len);
    g->len += bytes.len;
    return 0;
}

static struct aiex_chat *chat(int client, int vendor, int stream, unsigned flags)
{
    struct aiex_chat_setup setup = {.struct_size = sizeof(setup),
                                    .flags = flags,
                                    .client = client,
                                    .vendor = vendor,
                                    .stream = stream};
    struct aiex_chat *c = NULL;
    struct aiex_error err;
    struct aiex_slice body = {(const uint8_t *)bodies[client], strlen(bodies[client])};

    return aiex_chat_new(&setup, body, &c, &err) == 0 ? c : NULL;
}

static int run(struct aiex_chat *c, struct aiex_slice bytes, size_t step, struct got *g)
{
    int r = 0;

    g->len = 0;
    g->full = 0;
    for (size_t at = 0; at < bytes.len && r == 0; at += step) {
        size_t n = bytes.len - at < step ? bytes.len - at : step;
        /* of its own, so that reads beyond the end are seen */
        uint8_t *copy = malloc(n);

        if (!copy)
            abort();
        memcpy(copy, bytes.data + at, n);
        r = aiex_chat_feed(c, (struct aiex_slice){copy, n}, on_bytes, g);
        free(copy);
    }
    if (r == 0)
        r = aiex_chat_close(c, on_bytes, g);
    if (r == 0 && !aiex_chat_complete(c))
        abort();
    if (r == -EPROTO && !aiex_chat_result(c)->fault[0])
        abort();
    return r;
}

static int whole_json(void *arg, const struct aiex_sse_event *e)
{
    (void)arg;
    if (e->data.len == 6 && memcmp(e->data.data, "[DONE]", 6) == 0)
        return 0;
    if (aiex_json_scan(e->data, 0, NULL, 0, NULL) != AIEX_JSON_OBJECT)
        abort();
    return 0;
}

/* Whole events, each of them JSON. */
static void check_events(const struct got *g)
{
    struct aiex_sse sse;

    aiex_sse_init(&sse, 4 << 20);
    if (aiex_sse_feed(&sse, (struct aiex_slice){g->data, g->len}, whole_json, NULL) != 0 ||
        aiex_sse_pending(&sse))
        abort();
    aiex_sse_done(&sse);
}

static void check_lines(const struct got *g)
{
    const uint8_t *p = g->data, *end = p + g->len, *lf;

    for (; p < end; p = lf + 1) {
        lf = memchr(p, '\n', (size_t)(end - p));
        if (!lf || aiex_json_scan((struct aiex_slice){p, (size_t)(lf - p)}, 0, NULL, 0, NULL) < 0)
            abort();
    }
}

static void check(int client, int stream, int r, const struct got *g)
{
    static struct got again;
    struct aiex_chat *c;

    if (g->full)
        return;
    if (!stream) {
        if (g->len && aiex_json_scan((struct aiex_slice){g->data, g->len}, 0, NULL, 0, NULL) !=
                          AIEX_JSON_OBJECT)
            abort();
    } else if (strcmp(aiex_dialect_stream_type(client), "text/event-stream") == 0) {
        check_events(g);
    } else {
        check_lines(g);
    }
    if (r != 0 || aiex_dialect_op(client) == AIEX_OP_EMBED)
        return;
    c = chat(client, client, stream, 0);
    if (!c || run(c, (struct aiex_slice){g->data, g->len}, g->len ? g->len : 1, &again) != 0)
        abort();
    aiex_chat_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct got one, two;
    struct aiex_chat *a, *b;
    int client, vendor, stream, r, s;

    if (size < 2)
        return 0;
    client = 1 + data[0] % 8;
    vendor = 1 + data[0] / 8 % 8;
    stream = data[0] >> 6 & 1;
    if (aiex_dialect_op(client) == AIEX_OP_EMBED)
        stream = 0;
    a = chat(client, vendor, stream, data[1] & 128 ? AIEX_CHAT_NO_DONE : 0);
    b = chat(client, vendor, stream, data[1] & 128 ? AIEX_CHAT_NO_DONE : 0);
    if (a && b) {
        r = run(a, (struct aiex_slice){data + 2, size - 2}, size, &one);
        check(client, stream, r, &one);
        s = run(b, (struct aiex_slice){data + 2, size - 2}, data[1] % 64 + 1u, &two);
        if (r != s || (r == 0 && !one.full && vendor == client &&
                       (one.len != two.len || memcmp(one.data, two.data, one.len) != 0)))
            abort();
    }
    aiex_chat_free(a);
    aiex_chat_free(b);
    return 0;
}

/*
 * Every allocation of an answer fails once, in turn: each run ends with -ENOMEM or does without,
 * leaks nothing (the sanitizer tells) and never ends cleanly with less than the whole answer.
 * And what one dialect's stream becomes where the client did not ask for one, and the reverse.
 */
#include "answer_run.h"
#include "answer_vendor.h"
#include "test.h"

#include <answer.h>
#include <errno.h>
#include <string.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t n);

static long left = -1; /* allocations until one fails; below 0: never */
static int failed;

static int fails(void)
{
    if (left < 0 || left-- != 0)
        return 0;
    failed = 1;
    return 1;
}

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t n)
{
    return fails() ? NULL : __real_realloc(old, n);
}

static char got[65536];
static size_t n_got;

static int on_bytes(void *arg, struct aiex_slice bytes)
{
    (void)arg;
    if (n_got + bytes.len < sizeof(got)) {
        memcpy(got + n_got, bytes.data, bytes.len);
        n_got += bytes.len;
    }
    got[n_got] = 0;
    return 0;
}

/* The answer in two pieces; what it came to. */
static int run_once(int vendor, int client, int stream, const char *body, const char *bytes)
{
    struct aiex_chat_setup setup = {.struct_size = sizeof(setup),
                                    .client = client,
                                    .vendor = vendor,
                                    .stream = stream,
                                    .model = {(const uint8_t *)"sent", 4}};
    struct aiex_chat *c = NULL;
    struct aiex_error err;
    size_t len = strlen(bytes), half = len / 2 + 3;
    int r = aiex_chat_new(&setup, (struct aiex_slice){(const uint8_t *)body, strlen(body)}, &c,
                          &err);

    n_got = 0;
    if (r != 0)
        return r;
    r = aiex_chat_feed(c, (struct aiex_slice){(const uint8_t *)bytes, half}, on_bytes, NULL);
    if (r == 0)
        r = aiex_chat_feed(c, (struct aiex_slice){(const uint8_t *)bytes + half, len - half},
                           on_bytes, NULL);
    if (r == 0)
        r = aiex_chat_close(c, on_bytes, NULL);
    aiex_chat_free(c);
    return r;
}

static void each_fails(int vendor, int client, int stream, const char *body, const char *bytes)
{
    static char whole[65536];

    CU_ASSERT_EQUAL(run_once(vendor, client, stream, body, bytes), 0);
    strcpy(whole, got);
    for (long n = 0;; n++) {
        int r;

        left = n;
        failed = 0;
        r = run_once(vendor, client, stream, body, bytes);
        left = -1;
        if (!failed)
            break;
        CU_ASSERT(r == -ENOMEM || r == 0);
        if (r == 0) /* durations are measured */
            CU_ASSERT(client == AIEX_OLLAMA_CHAT || strcmp(got, whole) == 0);
    }
}

static void test_each_allocation_fails(void)
{
    static char bytes[65536];
    struct said s;

    said_make(&s, 5, 1);
    for (int vendor = AIEX_OPENAI_CHAT; vendor <= AIEX_OLLAMA_CHAT; vendor++)
        for (int client = AIEX_OPENAI_CHAT; client <= AIEX_OLLAMA_CHAT; client++)
            for (int stream = 0; stream < 2; stream++) {
                strcpy(bytes, stream ? vendor_stream(&s, vendor) : vendor_whole(&s, vendor));
                each_fails(vendor, client, stream, run_body(client, stream), bytes);
            }
}

/* Calls side by side, of which one waits. */
static void test_each_allocation_fails_in_turn(void)
{
    static const char stream[] =
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"i\","
        "\"function\":{\"name\":\"f\",\"arguments\":\"{\"}},{\"index\":1,\"id\":\"j\","
        "\"function\":{\"name\":\"g\",\"arguments\":\"{\"}}]}}]}\n\n"
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,\"function\":{"
        "\"arguments\":\"}\"}},{\"index\":0,\"function\":{\"arguments\":\"}\"}}]},"
        "\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n";

    each_fails(AIEX_OPENAI_CHAT, AIEX_ANTHROPIC_MESSAGES, 1, run_body(AIEX_ANTHROPIC_MESSAGES, 1),
               stream);
}

/* An answer in a fence, for the middle of something. */
static void test_each_allocation_fails_in_the_middle(void)
{
    static const char body[] =
        "{\"model\":\"m\",\"prompt\":\"a\",\"suffix\":\"b\",\"stream\":true}";
    static const char stream[] =
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"```c\"}}]}\n\n"
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\nint x;\\n``\"}}]}\n\n"
        "data: "
        "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"`\"},\"finish_reason\":\"stop\"}]}"
        "\n\ndata: [DONE]\n\n";

    each_fails(AIEX_OPENAI_CHAT, AIEX_OPENAI_COMPLETIONS, 1, body, stream);
    CU_ASSERT(strstr(got, "\"text\":\"int x;\"") != NULL);
}

/* ---- Collecting and replaying ---- */

/* A chat whose vendor answers in another form than its client reads. */
static void go(const struct said *s, int vendor, int client, int stream)
{
    struct run first = {.client = client, .vendor = vendor, .stream = stream};
    struct run second = {.client = AIEX_OPENAI_CHAT, .vendor = client, .stream = stream};
    const char *bytes;
    struct heard h;

    CU_ASSERT_EQUAL_FATAL(run_new(&first), 0);
    answer_done(first.chat);
    first.chat->vendor_stream = !stream;
    CU_ASSERT_EQUAL_FATAL(answer_init(first.chat), 0);
    bytes = stream ? vendor_whole(s, vendor) : vendor_stream(s, vendor);
    run_feed(&first, bytes, strlen(bytes));
    run_close(&first);
    CU_ASSERT_EQUAL(first.result, 0);
    run_all(&second, first.out, 0);
    CU_ASSERT_EQUAL(second.result, 0);
    CU_ASSERT_EQUAL((stream ? heard_stream : heard_whole)(second.out, &h), 0);
    CU_ASSERT_EQUAL(h.input, s->input);
    CU_ASSERT_EQUAL(h.output, s->output);
    CU_ASSERT(h.done);
    CU_ASSERT(h.text[0] || h.reasoning[0] || h.n_calls);
    run_free(&first);
    run_free(&second);
}

static void test_collect_and_replay(void)
{
    for (unsigned seed = 1; seed < 20; seed++) {
        struct said s;

        said_make(&s, seed, 1);
        for (int vendor = AIEX_OPENAI_CHAT; vendor <= AIEX_OLLAMA_CHAT; vendor++)
            for (int client = AIEX_OPENAI_CHAT; client <= AIEX_OLLAMA_CHAT; client++) {
                go(&s, vendor, client, 0);
                go(&s, vendor, client, 1);
            }
    }
}

const struct test_case tests[] = {
    {"each_allocation_fails", test_each_allocation_fails},
    {"each_allocation_fails_in_turn", test_each_allocation_fails_in_turn},
    {"each_allocation_fails_in_the_middle", test_each_allocation_fails_in_the_middle},
    {"collect_and_replay", test_collect_and_replay},
    {0},
};

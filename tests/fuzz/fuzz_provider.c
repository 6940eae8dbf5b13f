/*
 * fuzz_provider.c - the provider kit on what a hostile vendor sends: the list of models, then the
 * answer to one chat. The first four bytes choose both dialects, stream or not, the status, and how
 * the rest is cut. However it goes, the call has one end, and nothing is left behind.
 */
/* link: aiex_sdk_provider aiex_testkit */
#include <aiex/aiex_pack.h>
#include <aiex_fake_host.h>
#include <aiex_provider.h>
#include <stdlib.h>
#include <string.h>

/* ---- A vendor that speaks one dialect ---- */

struct config {
    struct aiex_provider_options common;
    int64_t native;
};

static const char *const natives[] = {"0", "1", "2", "3", NULL};

static const struct aiex_option options[] = {
    AIEX_PROVIDER_OPTIONS(struct config, common, "http://127.0.0.1:9", ""),
    {"native", "0", "dialect", AIEX_OPT_CHOICE, 0, 0, 0, natives, offsetof(struct config, native)},
    {0},
};

static const struct aiex_vendor_dialect dialects[] = {{AIEX_OPENAI_CHAT, "/0"},
                                                      {AIEX_OPENAI_RESPONSES, "/1"},
                                                      {AIEX_ANTHROPIC_MESSAGES, "/2"},
                                                      {AIEX_OLLAMA_CHAT, "/3"},
                                                      {0, NULL}};

static int speaks(const void *config, const char *base, int dialect)
{
    return dialects[((const struct config *)config)->native].dialect == dialect;
}

static const struct aiex_vendor vendor = {.dialects = dialects,
                                          .options = offsetof(struct config, common),
                                          .models_path = "/models",
                                          .models = aiex_provider_openai_models,
                                          .speaks = speaks};

static int create(const struct aiex_host *host, const void *config, void **self,
                  struct aiex_error *err)
{
    return aiex_provider_create(&vendor, host, config, self, err);
}

static const struct aiex_plugin plugin = {.magic = AIEX_ABI_MAGIC,
                                          .struct_size = sizeof(plugin),
                                          .abi_major = AIEX_ABI_MAJOR,
                                          .option_size = sizeof(struct aiex_option),
                                          .name = "provider_fuzzed",
                                          .version = "1",
                                          .summary = "s",
                                          .kind = "provider/1",
                                          .options = options,
                                          .config_size = sizeof(struct config),
                                          .needs = AIEX_NEED_HTTP,
                                          .create = create,
                                          .start = aiex_provider_start,
                                          .handle = aiex_provider_handle,
                                          .destroy = aiex_provider_destroy};

/* ---- Its connection ---- */

static struct {
    const struct aiex_http_handler *handler;
    void *arg;
} requests[3]; /* the list, the chat, a probe that follows a 401 */
static uint64_t n_requests;

static int request(const struct aiex_host *host, const struct aiex_http_request *q,
                   const struct aiex_http_handler *handler, void *arg, uint64_t *ret_id,
                   struct aiex_error *err)
{
    if (n_requests == 3)
        return -1;
    requests[n_requests].handler = handler;
    requests[n_requests].arg = arg;
    *ret_id = ++n_requests;
    return 0;
}

static int hold(const struct aiex_host *host, uint64_t id, int on)
{
    return 0;
}

static int cancel(const struct aiex_host *host, uint64_t id)
{
    requests[id - 1].handler = NULL;
    return 0;
}

static const struct aiex_http http = {sizeof(http), 0, request, hold, cancel};

static void answer(size_t i, int status, const char *type, struct aiex_slice body, size_t step)
{
    const struct aiex_http_header headers[] = {{"content-type", type}, {"retry-after", "1"}};
    int gave_up = 0;

    if (requests[i].handler && status)
        gave_up = requests[i].handler->head(requests[i].arg, status, headers, 2);
    for (size_t at = 0; status && at < body.len && !gave_up && requests[i].handler; at += step) {
        size_t n = body.len - at < step ? body.len - at : step;

        gave_up = requests[i].handler->body(requests[i].arg,
                                            (struct aiex_slice){body.data + at, n});
    }
    if (requests[i].handler)
        requests[i].handler->end(requests[i].arg, gave_up ? AIEX_HTTP_CANCELLED : AIEX_HTTP_OK, 1,
                                 NULL);
    requests[i].handler = NULL;
}

/* ---- One chat ---- */

static uint64_t chat(struct aiex_fake_host *h, void *self, int client, int stream)
{
    static const char *const bodies[] = {
        "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", "{\"input\":\"x\"}",
        "{\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"};
    uint8_t mem[256];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 4);
    aiex_w_key_str(&w, "dialect", aiex_dialect_name(dialects[client].dialect));
    aiex_w_key_str(&w, "model", "m");
    aiex_w_key_bool(&w, "stream", stream);
    aiex_w_key_bin(&w, "body", bodies[client], strlen(bodies[client]));
    return aiex_fake_request(h, &plugin, self, "provider.chat", aiex_written(&w), 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {200, 200, 200, 200, 400, 401, 429, 0};
    struct aiex_slice rest = {data + 4, size - 4};
    struct aiex_fake_host *h;
    struct aiex_fake_pair pairs[] = {{"native", NULL}, {0}};
    int stream, native;
    void *self;
    uint64_t id;

    if (size < 4)
        return 0;
    native = data[0] & 3;
    stream = data[1] & 1;
    n_requests = 0;
    pairs[0].text = natives[native];
    h = aiex_fake_host_new("provider_fuzzed");
    aiex_fake_extension(h, AIEX_HTTP_ID, &http);
    if (aiex_fake_start(h, &plugin, pairs, &self, NULL) != 0)
        abort();
    answer(0, 200, "application/json", rest, 4096);
    if (data[1] & 2)
        aiex_fake_window(h, 64);
    id = chat(h, self, data[0] >> 2 & 3, stream);
    answer(1, statuses[data[2] & 7],
           stream ? aiex_dialect_stream_type(dialects[native].dialect) : "application/json", rest,
           data[3] + 1u);
    while (aiex_fake_resume(h, id) == 1)
        ;
    if (!aiex_fake_answer(h, id))
        abort();
    aiex_fake_stop(h, &plugin, self);
    if (aiex_fake_host_free(h) != 0)
        abort();
    return 0;
}

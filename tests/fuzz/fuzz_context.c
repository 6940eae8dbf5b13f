/* link: aiex_service_context aiex_testkit */
/*
 * fuzz_context.c - a stranger's request to the contexts. The first byte chooses the method, the
 * second how long the request is; the rest stands in a row that the store gives back instead of
 * one that was written. Every request is answered, and nothing is left behind.
 */
#include <aiex/aiex_pack.h>
#include <aiex_fake_host.h>
#include <fake_store.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct aiex_plugin *plugin;
static struct fake_store *store;
static void *self;
static struct aiex_slice row; /* empty = as it was written */

static void answer_row(struct aiex_fake_host *h, const struct aiex_fake_record *call)
{
    static uint8_t mem[70000];
    int is_range = strcmp(call->name, "store.range") == 0;
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    if (is_range)
        aiex_w_array(&w, 1);
    aiex_w_map(&w, 5);
    aiex_w_key_bool(&w, "found", 1);
    aiex_w_key_bool(&w, "end", 1);
    aiex_w_key_int(&w, "version", 1);
    aiex_w_key_bin(&w, "key", row.data, row.len < 100 ? row.len : 100);
    aiex_w_key_bin(&w, "value", row.data, row.len);
    if (is_range) {
        aiex_fake_answer_part(h, call->id, aiex_written(&w));
        aiex_fake_answer_part(h, call->id, row);
        aiex_fake_answer_ok(h, call->id, (struct aiex_slice){NULL, 0});
    } else {
        aiex_fake_answer_ok(h, call->id, aiex_written(&w));
    }
}

static int answer(void *arg, struct aiex_fake_host *h, const struct aiex_fake_record *call)
{
    (void)arg;
    if (strcmp(call->service, "store") != 0)
        aiex_fake_answer_ok(h, call->id, row);
    else if (row.len &&
             (strcmp(call->name, "store.range") == 0 || strcmp(call->name, "store.get") == 0))
        answer_row(h, call);
    else
        fake_store_answer(store, h, call, FATE_GOOD);
    return 0;
}

static void put(struct aiex_fake_host *h, const char *id)
{
    uint8_t mem[256];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 4);
    aiex_w_key_str(&w, "id", id);
    aiex_w_key_str(&w, "kind", "k");
    aiex_w_key_str(&w, "path", "p");
    aiex_w_key_str(&w, "content", "one two");
    aiex_fake_request(h, plugin, self, "context.put", aiex_written(&w), 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const methods[] = {"context.put",      "context.get",     "context.search",
                                          "context.delete",   "context.list",    "context.fresh",
                                          "context.relate",   "context.related", "context.stats",
                                          "context.unrelate", "context.metrics"};
    struct aiex_error err = {""};
    struct aiex_fake_host *h;
    struct aiex_slice request;
    uint64_t id;

    if (size < 2 || size > 32768)
        return 0;
    row = (struct aiex_slice){NULL, 0};
    store = fake_store_new();
    h = aiex_fake_host_new("service_context");
    plugin = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    aiex_fake_on_call(h, answer, NULL);
    if (aiex_fake_start(h, plugin, NULL, &self, &err) != 0)
        abort();
    aiex_fake_run_posts(h);
    put(h, "a");
    put(h, "b");
    request = (struct aiex_slice){data + 2, data[1] < size - 2 ? data[1] : size - 2};
    row = (struct aiex_slice){request.data + request.len, size - 2 - request.len};
    id = aiex_fake_request(h, plugin, self, methods[*data % 11], request, 0);
    aiex_fake_run_posts(h);
    aiex_fake_advance(h, 30000);
    if (!aiex_fake_answer(h, id))
        abort();
    aiex_fake_stop(h, plugin, self);
    fake_store_free(store);
    if (aiex_fake_host_free(h) != 0)
        abort();
    return 0;
}

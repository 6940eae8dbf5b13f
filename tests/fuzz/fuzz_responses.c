/* link: aiex_service_responses aiex_testkit */
/*
 * fuzz_responses.c - a stranger's request to the stored responses, and a store that answers
 * anything: the first byte chooses the method and how the store ends a call, the second how long
 * the request is; the rest is what the store has as head and as pieces. It must answer, and leave
 * nothing.
 */
#include <aiex/aiex_pack.h>
#include <aiex_fake_host.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct aiex_slice said; /* what the store has */
static int how;

/* A head that fits `said` as input and an empty object behind it, or what is said itself. */
static void write_head(struct aiex_writer *w)
{
    uint8_t mem[512];
    struct aiex_writer value;

    aiex_writer_init(&value, mem, sizeof(mem));
    aiex_w_map(&value, 6);
    aiex_w_key_str(&value, "owner", "k1");
    aiex_w_key_str(&value, "previous", how & 16 ? "b" : "");
    aiex_w_key_int(&value, "created", 1795262400000);
    aiex_w_key_uint(&value, "input", said.len);
    aiex_w_key_uint(&value, "response", how & 32 ? 7 : 0);
    aiex_w_key_uint(&value, "crc", 0);
    aiex_w_map(w, 3);
    aiex_w_key_bool(w, "found", 1);
    aiex_w_key_int(w, "version", how & 64 ? (int64_t)said.len : 1);
    if (how & 8)
        aiex_w_key_bin(w, "value", said.data, said.len);
    else
        aiex_w_key_bin(w, "value", mem, value.len);
}

/* As rows with keys: pieces for who reads them, heads at the start. */
static void write_rows(struct aiex_writer *w)
{
    aiex_w_array(w, 2);
    for (int i = 0; i < 2; i++) {
        aiex_w_map(w, 3);
        aiex_w_key_bin(w, "key", i ? "a" : "\xff/", i ? 1 : 2);
        aiex_w_key_bin(w, "value", said.data, i ? said.len : said.len / 2);
        aiex_w_key_int(w, "version", i);
    }
}

static int on_call(void *arg, struct aiex_fake_host *h, const struct aiex_fake_record *call)
{
    static uint8_t mem[300000];
    struct aiex_writer w;

    (void)arg;
    aiex_writer_init(&w, mem, sizeof(mem));
    if (strcmp(call->name, "store.range") == 0) {
        aiex_fake_answer_part(h, call->id, said); /* whatever it is */
        write_rows(&w);
        aiex_fake_answer_part(h, call->id, aiex_written(&w));
        return aiex_fake_answer_ok(h, call->id, said);
    }
    if (strcmp(call->name, "store.get") == 0) {
        write_head(&w);
        return aiex_fake_answer_ok(h, call->id, aiex_written(&w));
    }
    if (said.len % 3 == 0)
        return aiex_fake_answer_error(h, call->id, AIEX_E_CONFLICT, "no", 0, said);
    return aiex_fake_answer_ok(h, call->id, said);
}

/* What comes as a whole map, or the fields that get through to the store. */
static struct aiex_slice write_request(struct aiex_writer *w, struct aiex_slice asked)
{
    if (how & 128)
        return asked;
    aiex_w_map(w, 5);
    aiex_w_key_str(w, "id", "a");
    aiex_w_key_str(w, "previous", how & 16 ? "b" : "");
    aiex_w_str(w, "principal");
    aiex_w_map(w, 1);
    aiex_w_key_str(w, "key", "k1");
    aiex_w_key_bin(w, "input", asked.data, asked.len);
    aiex_w_key_bin(w, "response", "{}", 2);
    return aiex_written(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const methods[] = {
        "responses.put",    "responses.history", "responses.get",  "responses.items",
        "responses.delete", "responses.status",  "service.health", "service.metrics"};
    const struct aiex_plugin *plugin = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    struct aiex_error err = {""};
    struct aiex_fake_host *h;
    struct aiex_slice asked;
    uint8_t mem[1024];
    struct aiex_writer w;
    uint64_t id;
    void *self;

    if (size < 2 || size > 60000)
        return 0;
    how = data[0];
    asked = (struct aiex_slice){data + 2, data[1] < size - 2 ? data[1] : size - 2};
    said = (struct aiex_slice){asked.data + asked.len, size - 2 - asked.len};
    h = aiex_fake_host_new("fuzz");
    aiex_fake_on_call(h, on_call, NULL);
    if (aiex_fake_start(h, plugin, NULL, &self, &err) != 0)
        __builtin_trap();
    aiex_writer_init(&w, mem, sizeof(mem));
    id = aiex_fake_request(h, plugin, self, methods[how & 7], write_request(&w, asked), 0);
    aiex_fake_advance(h, 70000);
    if (!aiex_fake_answer(h, id))
        __builtin_trap();
    aiex_fake_stop(h, plugin, self);
    if (aiex_fake_host_free(h) != 0)
        __builtin_trap();
    return 0;
}

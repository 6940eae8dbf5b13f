/* link: aiex_service_sessions aiex_testkit */
/*
 * fuzz_sessions.c - a stranger's request to the sessions, and a store that answers anything: the
 * first byte chooses the method, the second how long the request is; the rest is what the store
 * says to every call, as part, as row, as event and as end. It must answer, and leave nothing.
 */
#include <aiex/aiex_pack.h>
#include <aiex_fake_host.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct aiex_fake_host *host;
static const struct aiex_plugin *plugin;
static void *self;
static int booted;
static uint8_t owner[512]; /* what the plugin wrote of itself */
static size_t owner_len;
static struct aiex_slice said; /* what the store says */

static void keep_owner(struct aiex_slice body)
{
    struct aiex_slice value = {NULL, 0};
    struct aiex_value v;

    if (aiex_get(body, "operations", &v) != 1 || aiex_get_bytes(v.bytes, "value", &value) != 1 ||
        value.len > sizeof(owner))
        abort();
    memcpy(owner, value.data, value.len);
    owner_len = value.len;
}

static int boot_answer(struct aiex_fake_host *h, const struct aiex_fake_record *call)
{
    uint8_t mem[1024];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 4);
    aiex_w_key_bool(&w, "found", owner_len != 0);
    aiex_w_key_bin(&w, "value", owner, owner_len);
    aiex_w_key_int(&w, "version", 1);
    aiex_w_key_bool(&w, "end", 1);
    if (strcmp(call->name, "store.transact") == 0)
        keep_owner(call->body);
    return aiex_fake_answer_ok(h, call->id, aiex_written(&w));
}

/* {found, end, duplicate, value: what is said}, so that looks get through to it. */
static void answer_wrapped(struct aiex_fake_host *h, uint64_t call)
{
    static uint8_t mem[70000];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_array(&w, 1);
    aiex_w_map(&w, 4);
    aiex_w_key_int(&w, "version", 1);
    aiex_w_key_str(&w, "type", "session.created");
    aiex_w_key_bin(&w, "data", said.data, said.len);
    aiex_w_key_bin(&w, "value", said.data, said.len);
    aiex_fake_answer_part(h, call, aiex_written(&w));
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 3);
    aiex_w_key_bool(&w, "found", 1);
    aiex_w_key_bool(&w, "end", 1);
    aiex_w_key_bin(&w, "value", said.data, said.len);
    aiex_fake_answer_ok(h, call, aiex_written(&w));
}

static int answer(void *arg, struct aiex_fake_host *h, const struct aiex_fake_record *call)
{
    (void)arg;
    if (!booted)
        return boot_answer(h, call);
    if (said.len % 3 == 0) {
        answer_wrapped(h, call->id);
    } else {
        aiex_fake_answer_part(h, call->id, said);
        if (said.len % 3 == 1)
            aiex_fake_answer_ok(h, call->id, said);
        else
            aiex_fake_answer_error(h, call->id, AIEX_E_CONFLICT, "no", 0, said);
    }
    return 0;
}

static void begin(void)
{
    struct aiex_error err;

    host = aiex_fake_host_new("service_sessions");
    plugin = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    aiex_fake_on_call(host, answer, NULL);
    owner_len = 0;
    booted = 0;
    if (aiex_fake_start(host, plugin, NULL, &self, &err) != 0)
        abort();
    aiex_fake_run_posts(host);
    booted = 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const methods[] = {
        "sessions.create",   "sessions.fork",   "sessions.append",  "sessions.touch",
        "sessions.set",      "sessions.close",  "sessions.archive", "sessions.restore",
        "sessions.rollback", "sessions.expire", "sessions.delete",  "sessions.get",
        "sessions.history",  "sessions.find",   "sessions.list",    "sessions.status",
    };
    struct aiex_slice request;
    uint64_t id;

    if (size < 2 || size > 32768)
        return 0;
    begin();
    request = (struct aiex_slice){data + 2, data[1] < size - 2 ? data[1] : size - 2};
    said = (struct aiex_slice){request.data + request.len, size - 2 - request.len};
    id = aiex_fake_request(host, plugin, self, methods[*data % 16], request, 0);
    aiex_fake_advance(host, 30000);
    if (!aiex_fake_answer(host, id))
        abort();
    aiex_fake_stop(host, plugin, self);
    if (aiex_fake_host_free(host) != 0)
        abort();
    return 0;
}

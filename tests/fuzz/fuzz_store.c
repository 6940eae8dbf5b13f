/* link: aiex_store_bdb aiex_testkit */
/*
 * fuzz_store.c - hostile requests to the store, through its descriptor. The first byte chooses the
 * method, the rest is the body. Every request is answered, nothing falls over, and in the end the
 * database is what its indexes say.
 */
#include <aiex/aiex_pack.h>
#include <aiex_fake_host.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct aiex_fake_host *host;
static const struct aiex_plugin *plugin;
static void *self;
static char dir[] = "/tmp/aiex_fuzz_store_XXXXXX";

static const char *const methods[] = {
    "store.append",  "store.transact", "store.read",        "store.get",     "store.range",
    "store.define",  "store.ack",      "store.unsubscribe", "store.compact", "store.erase",
    "store.restore", "store.backups",  "store.shrink",
};

/* The store's threads work on between two inputs, on memory that is theirs. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static void leave(void)
{
    nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void begin(void)
{
    struct aiex_error err = {""};

    host = aiex_fake_host_new("store_bdb");
    if (!mkdtemp(dir) || atexit(leave) != 0)
        abort();
    aiex_fake_data_dir(host, dir);
    plugin = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    if (aiex_fake_start(host, plugin, NULL, &self, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
}

static int is_answered(void *arg)
{
    return aiex_fake_answer(host, *(uint64_t *)arg) != NULL;
}

static void ask(const char *method, struct aiex_slice body)
{
    uint64_t id = aiex_fake_request(host, plugin, self, method, body, 0);

    if (aiex_fake_poll_until(host, is_answered, &id, 20000) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned n;
    const struct aiex_slice nothing = {NULL, 0};
    int64_t faults = -1;

    if (!host)
        begin();
    if (!size)
        return 0;
    ask(methods[data[0] % (sizeof(methods) / sizeof(*methods))],
        (struct aiex_slice){data + 1, size - 1});
    if (++n % 256 == 0) {
        ask("store.verify", nothing);
        aiex_get_int(aiex_fake_last(host, AIEX_FAKE_REPLY)->body, "faults", &faults);
        if (faults != 0)
            abort();
    }
    aiex_fake_forget(host);
    return 0;
}

/* sdk/service/recast.c: what is kept is cast again when a plugin comes up, bounded in bytes and
 * time. */
#include "test.h"

#include <aiex_fake_host.h>
#include <aiex_recast.h>
#include <string.h>

static struct aiex_recast kept;
static int stale; /* events that said something else */

static int start(void *self, struct aiex_error *err)
{
    return aiex_recast_init(&kept, self, 4096, 1000);
}

static int create(const struct aiex_host *host, const void *config, void **ret_self,
                  struct aiex_error *err)
{
    *ret_self = (void *)host;
    return 0;
}

static int handle(void *self, const struct aiex_message *m)
{
    struct aiex_request q = {.struct_size = sizeof(q), .service = "money", .method = m->method};

    if (m->kind == AIEX_MSG_EVENT) {
        size_t before = kept.bytes;

        aiex_recast_event(&kept, m);
        stale += before == kept.bytes;
        return 0;
    }
    q.body = m->body;
    q.trace = m->trace;
    if (strcmp(m->method, "keep") == 0)
        aiex_recast_keep(&kept, &q);
    else
        CU_ASSERT_EQUAL(aiex_recast_send(&kept, &q), 0);
    return 0;
}

static void destroy(void *self)
{
    aiex_recast_done(&kept);
}

static const struct aiex_plugin plugin = {.magic = AIEX_ABI_MAGIC,
                                          .struct_size = sizeof(struct aiex_plugin),
                                          .name = "service_r",
                                          .create = create,
                                          .start = start,
                                          .handle = handle,
                                          .destroy = destroy};

static struct aiex_fake_host *host;
static void *self;

static void begin(void)
{
    stale = 0;
    host = aiex_fake_host_new("r");
    CU_ASSERT_EQUAL_FATAL(aiex_fake_start(host, &plugin, NULL, &self, NULL), 0);
}

static void finish(void)
{
    aiex_fake_stop(host, &plugin, self);
    CU_ASSERT_EQUAL(aiex_fake_host_free(host), 0);
}

static void say(const char *method, const char *text)
{
    struct aiex_writer w;
    uint8_t mem[4096];

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_key_str(&w, "text", text);
    aiex_fake_cast(host, &plugin, self, method, aiex_written(&w));
}

static void happens(const char *topic, const char *type)
{
    struct aiex_writer w;
    uint8_t mem[256];

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "type", type);
    aiex_w_key_str(&w, "subject", "service_money");
    aiex_fake_event(host, &plugin, self, topic, aiex_written(&w));
}

static size_t casts(void)
{
    return aiex_fake_count(host, AIEX_FAKE_CAST);
}

static void test_sent_again(void)
{
    const struct aiex_fake_record *r;
    struct aiex_slice text = {NULL, 0};

    begin();
    say("send", "a");
    say("keep", "b");
    CU_ASSERT_EQUAL(casts(), 1);
    happens("host.plugin", "backoff");
    happens("host.job", "up");
    CU_ASSERT_EQUAL(casts(), 1);
    CU_ASSERT_EQUAL(stale, 2);
    happens("host.plugin", "up");
    CU_ASSERT_EQUAL_FATAL(casts(), 3);
    for (size_t i = 1; i < 3; i++) {
        r = aiex_fake_nth(host, AIEX_FAKE_CAST, i);
        CU_ASSERT_STRING_EQUAL(r->service, "money");
        CU_ASSERT_STRING_EQUAL(r->name, i == 1 ? "send" : "keep");
        CU_ASSERT_EQUAL(aiex_get_str(r->body, "text", &text), 1);
        CU_ASSERT(aiex_slice_is(text, i == 1 ? "a" : "b"));
    }
    happens("host.plugin", "up");
    CU_ASSERT_EQUAL(casts(), 3); /* once */
    finish();
}

static void test_bounds(void)
{
    char large[1500];

    begin();
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = 0;
    for (int i = 0; i < 10; i++)
        say("keep", large);
    CU_ASSERT(kept.bytes <= 4096);
    happens("host.plugin", "up");
    CU_ASSERT_EQUAL(casts(), 2);
    say("keep", "old");
    aiex_fake_advance(host, 900);
    say("keep", "young");
    aiex_fake_advance(host, 200);
    happens("host.plugin", "up");
    CU_ASSERT_EQUAL(casts(), 3);
    CU_ASSERT_EQUAL(kept.bytes, 0);
    say("keep", "left behind"); /* finish() finds no leak */
    finish();
}

const struct test_case tests[] = {
    {"sent_again", test_sent_again},
    {"bounds", test_bounds},
    {0},
};

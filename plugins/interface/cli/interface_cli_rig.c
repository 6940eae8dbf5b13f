/* interface_cli_rig.c - see interface_cli_rig.h. */
#include "interface_cli_rig.h"

#include <stdio.h>

const struct aiex_slice empty = {NULL, 0};

void set_up(struct bench *b, const struct aiex_fake_pair *pairs)
{
    struct aiex_error err = {""};

    b->host = aiex_fake_host_new("interface_cli");
    b->plugin = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    CU_ASSERT_EQUAL_FATAL(aiex_fake_start(b->host, b->plugin, pairs, &b->self, &err), 0);
}

void tear_down(struct bench *b)
{
    aiex_fake_stop(b->host, b->plugin, b->self);
    CU_ASSERT_EQUAL(aiex_fake_host_free(b->host), 0);
}

const struct aiex_fake_pair with_model[] = {{"model", "m1"}, {NULL, NULL}};

static struct aiex_slice question(struct aiex_writer *w, const char *prompt, int stream)
{
    aiex_w_map(w, 2);
    aiex_w_key_str(w, "prompt", prompt);
    aiex_w_key_bool(w, "stream", stream);
    return aiex_written(w);
}

uint64_t ask(struct bench *b, const char *prompt, int stream)
{
    uint8_t mem[512];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    return aiex_fake_request(b->host, b->plugin, b->self, "cli.ask", question(&w, prompt, stream),
                             0);
}

uint64_t last_call(struct bench *b)
{
    const struct aiex_fake_record *r = aiex_fake_last(b->host, AIEX_FAKE_CALL);

    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    return r->id;
}

void say(struct bench *b, uint64_t call, const char *text)
{
    struct aiex_slice part = {(const uint8_t *)text, strlen(text)};

    CU_ASSERT_EQUAL(aiex_fake_answer_part(b->host, call, part), 0);
}

void finish(struct bench *b, uint64_t call)
{
    uint8_t mem[256];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 4);
    aiex_w_key_str(&w, "provider", "provider_offline");
    aiex_w_key_bool(&w, "offline", 1);
    aiex_w_key_int(&w, "cost", 12);
    aiex_w_key_int(&w, "input_tokens", 11);
    CU_ASSERT_EQUAL(aiex_fake_answer_ok(b->host, call, aiex_written(&w)), 0);
}

int slice_is(struct aiex_slice s, const char *text)
{
    if (s.len == strlen(text) && memcmp(s.data, text, s.len) == 0)
        return 1;
    printf("\n'%.*s' is not '%s'\n", (int)s.len, (const char *)s.data, text);
    return 0;
}

struct aiex_slice str_of(struct aiex_slice map, const char *key)
{
    struct aiex_slice s = empty;

    aiex_get_bytes(map, key, &s);
    return s;
}

int part_is(struct bench *b, size_t n, const char *key, const char *text)
{
    const struct aiex_fake_record *r = aiex_fake_nth(b->host, AIEX_FAKE_STREAM, n);

    return r && slice_is(str_of(r->body, key), text);
}

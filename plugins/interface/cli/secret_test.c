/*
 * secret_test.c - `aiex secret` against a scripted host: where the value is read from, and that it
 * is seen nowhere.
 */
#include "test.h"

#include "scripted_host.h"

#include <stdio.h>

#define RUN(as, ret, ...) run_aiex(as, (const char *const[]){__VA_ARGS__, NULL}, ret)
#define MAP(out, ...)     make_map(out, sizeof(out), (const char *const[]){__VA_ARGS__, NULL})

static struct ran ran;

static int has(const char *text, const char *part)
{
    if (strstr(text, part))
        return 1;
    printf("\n'%s' is not in:\n%s\n", part, text);
    return 0;
}

static void script_secret_set(struct peer *p)
{
    struct aiex_slice body = peer_expect_call(p, "host", "host.secret_set"), s;
    char cmdline[4096] = "", path[64];
    struct aiex_writer w;
    uint8_t mem[256];
    FILE *f;

    p->failed |= aiex_get_str(body, "name", &s) != 1 || !aiex_slice_is(s, "openai");
    p->failed |= aiex_get_bytes(body, "value", &s) != 1 || !aiex_slice_is(s, p->arg);
    snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)p->client);
    f = fopen(path, "r");
    p->failed |= !f || fread(cmdline, 1, sizeof(cmdline), f) == 0 ||
                 memmem(cmdline, sizeof(cmdline), p->arg, strlen(p->arg));
    if (f)
        fclose(f);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_bool(&w, "ok", 1);
    aiex_w_str(&w, "used_by");
    aiex_w_array(&w, 1);
    aiex_w_str(&w, "provider_openai");
    peer_end(p, peer_id(p), aiex_written(&w));
}

static void secret_set_reads_standard_input(void)
{
    struct scripted_host *h = scripted_host_new(script_secret_set, "sk-from stdin");
    const struct run_as as = {.socket = scripted_host_path(h), .input = "sk-from stdin\n"};

    RUN(&as, &ran, "secret", "set", "openai");
    CU_ASSERT_EQUAL(ran.code, 0);
    CU_ASSERT_STRING_EQUAL(ran.out, "");
    CU_ASSERT(has(ran.err, "stored openai; write it into a configuration as secret:openai\n"));
    CU_ASSERT(has(ran.err, "told provider_openai\n"));
    CU_ASSERT(scripted_host_free(h));
}

static void secret_set_asks_without_echo(void)
{
    struct scripted_host *h = scripted_host_new(script_secret_set, "sk-typed");
    struct run_as as = {.socket = scripted_host_path(h), .columns = 80, .typed = "sk-typed\n"};

    RUN(&as, &ran, "secret", "set", "openai");
    CU_ASSERT_EQUAL(ran.code, 0);
    CU_ASSERT(has(ran.out, "value of openai: "));
    CU_ASSERT(has(ran.out, "stored openai"));
    CU_ASSERT_PTR_NULL(strstr(ran.out, "sk-typed"));
    CU_ASSERT(scripted_host_free(h));
    as = (struct run_as){.columns = 80, .typed = "half\003\n"}; /* Ctrl-C */
    RUN(&as, &ran, "secret", "set", "openai");
    CU_ASSERT_EQUAL(ran.code, 130);
    CU_ASSERT_PTR_NULL(strstr(ran.out, "half"));
}

static void secret_set_refuses(void)
{
    static char big[12 * 1024 + 2];
    struct run_as as = {0};

    RUN(&as, &ran, "secret", "set", "openai"); /* /dev/null */
    CU_ASSERT_EQUAL(ran.code, 2);
    CU_ASSERT(has(ran.err, "no secret was given; type it, or send it to standard input"));
    memset(big, 'x', sizeof(big) - 1);
    as.input = big;
    RUN(&as, &ran, "secret", "set", "openai");
    CU_ASSERT_EQUAL(ran.code, 1);
    CU_ASSERT(has(ran.err, "the secret is longer than 12288 bytes"));
    RUN(&as, &ran, "secret", "set", "openai", "sk-on-the-command-line");
    CU_ASSERT_EQUAL(ran.code, 2);
    as.input = "\n";
    RUN(&as, &ran, "secret", "set", "openai");
    CU_ASSERT_EQUAL(ran.code, 2);
}

static void script_secret_list(struct peer *p)
{
    static const char *const users[] = {"provider_openai", "provider_openai:work"};
    struct aiex_writer w;
    uint8_t mem[512];

    peer_expect_call(p, "host", "host.secret_list");
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_str(&w, "secrets");
    aiex_w_array(&w, 1);
    aiex_w_map(&w, 5);
    aiex_w_key_str(&w, "name", "openai");
    aiex_w_key_int(&w, "created", 1000);
    aiex_w_key_int(&w, "changed", 0);
    aiex_w_key_bool(&w, "damaged", 0);
    aiex_w_str(&w, "used_by");
    aiex_w_array(&w, 2);
    aiex_w_str(&w, users[0]);
    aiex_w_str(&w, users[1]);
    peer_end(p, peer_id(p), aiex_written(&w));
}

static void secret_list(void)
{
    struct scripted_host *h = scripted_host_new(script_secret_list, NULL);
    struct run_as as = {.socket = scripted_host_path(h), .env = {"TZ=UTC"}};

    RUN(&as, &ran, "secret", "list");
    CU_ASSERT_EQUAL(ran.code, 0);
    CU_ASSERT(has(ran.out, "NAME    CREATED              CHANGED  DAMAGED  USED BY\n"));
    CU_ASSERT(has(ran.out, "openai  1970-01-01 00:00:01  -        no       provider_openai, "
                           "provider_openai:work\n"));
    CU_ASSERT(scripted_host_free(h));
    h = scripted_host_new(script_secret_list, NULL);
    as.socket = scripted_host_path(h);
    RUN(&as, &ran, "secret", "list", "--json");
    CU_ASSERT(has(ran.out, "\"created\": 1000"));
    CU_ASSERT(scripted_host_free(h));
}

static void script_secret_remove(struct peer *p)
{
    int force = -1;

    aiex_get_bool(peer_expect_call(p, "host", "host.secret_remove"), "force", &force);
    p->failed |= force != !!p->arg;
    if (force) {
        uint8_t mem[64];

        peer_end(p, peer_id(p), MAP(mem, "ok", "true"));
    } else {
        peer_error(p, peer_id(p), "conflict", "secret 'openai' is used by provider_openai");
    }
}

static void secret_remove(void)
{
    struct scripted_host *h = scripted_host_new(script_secret_remove, NULL);
    struct run_as as = {.socket = scripted_host_path(h)};

    RUN(&as, &ran, "secret", "remove", "openai");
    CU_ASSERT_EQUAL(ran.code, 1);
    CU_ASSERT(has(ran.err, "secret 'openai' is used by provider_openai (conflict)"));
    CU_ASSERT(scripted_host_free(h));
    h = scripted_host_new(script_secret_remove, "force");
    as.socket = scripted_host_path(h);
    RUN(&as, &ran, "secret", "remove", "openai", "--force");
    CU_ASSERT_EQUAL(ran.code, 0);
    CU_ASSERT(has(ran.err, "removed openai\n"));
    CU_ASSERT(scripted_host_free(h));
}

static void script_secret_rotate(struct peer *p)
{
    struct aiex_slice body = peer_expect_call(p, "host", "host.secret_rotate"), key;
    int has_key = aiex_get_bytes(body, "key", &key) == 1;
    uint8_t mem[256];

    p->failed |= has_key != !!p->arg || (has_key && !aiex_slice_is(key, p->arg));
    peer_end(p, peer_id(p),
             MAP(mem, "ok", "true", "where", has_key ? "$AIEX_MASTER_KEY" : "/data/master.key",
                 "by_hand", has_key ? "true" : "false"));
}

static void secret_rotate(void)
{
    struct scripted_host *h = scripted_host_new(script_secret_rotate, NULL);
    struct run_as as = {.socket = scripted_host_path(h)};

    RUN(&as, &ran, "secret", "rotate");
    CU_ASSERT_EQUAL(ran.code, 0);
    CU_ASSERT(
        has(ran.err, "the vault has a new master key, in /data/master.key; renew your backup\n"));
    CU_ASSERT(scripted_host_free(h));
    h = scripted_host_new(script_secret_rotate, "00ff");
    as.socket = scripted_host_path(h);
    as.input = "00ff\n";
    RUN(&as, &ran, "secret", "rotate", "--key");
    CU_ASSERT_EQUAL(ran.code, 0);
    CU_ASSERT(has(ran.err, "put it into $AIEX_MASTER_KEY before the host starts again\n"));
    CU_ASSERT(scripted_host_free(h));
}

const struct test_case tests[] = {
    {"set_reads_standard_input", secret_set_reads_standard_input},
    {"set_asks_without_echo", secret_set_asks_without_echo},
    {"set_refuses", secret_set_refuses},
    {"list", secret_list},
    {"remove", secret_remove},
    {"rotate", secret_rotate},
    {0},
};

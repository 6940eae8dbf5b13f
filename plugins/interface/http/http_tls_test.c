/* http_tls_test.c - TLS on a listener: handshake, data both ways, reload, and who gets it wrong. */
#include "http_rig_tls.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define H   "HTTP/1.1\r\nHost: localhost\r\n"
#define TLS "tls:127.0.0.1:0"

static struct rig_pair pair, other, ca, signed_pair;

static void make_pairs(void)
{
    if (pair.cert[0])
        return;
    rig_pair_make(&pair, "one.example", NULL);
    rig_pair_make(&other, "two.example", NULL);
    rig_pair_make(&ca, "root", NULL);
    rig_pair_make(&signed_pair, "ada", &ca);
}

static void start(struct rig *r, const char *listen, const char *ca_text)
{
    make_pairs();
    rig_start(r, (struct aiex_fake_pair[]){{"listen", listen},
                                           {"tls_cert", pair.cert},
                                           {"tls_key", pair.key},
                                           {"tls_client_ca", ca_text},
                                           {0}});
}

static int open_tls(struct rig *r, struct client *c, const struct rig_tls *how)
{
    static const struct rig_tls usual;

    client_open(r, c);
    return rig_tls_begin(c, how ? how : &usual);
}

static void answers_under_tls(void)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    const struct aiex_fake_record *call;
    struct response p;
    struct client c;
    struct rig r;

    start(&r, TLS, "");
    for (size_t i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL_FATAL(open_tls(&r, &c, &(struct rig_tls){.max_version = versions[i]}), 1);
        CU_ASSERT_EQUAL(client_ask(&c, "GET /healthz " H "\r\n", "ok"), 200);
        call = chat_call(&c, CHAT_STREAM);
        CU_ASSERT_PTR_NOT_NULL_FATAL(call);
        aiex_fake_answer_part(r.host, call->id, slice_of("data: {}\n\n"));
        CU_ASSERT_TRUE(client_sees(&c, "data: {}\n\n"));
        aiex_fake_answer_ok(r.host, call->id, (struct aiex_slice){0});
        CU_ASSERT_EQUAL(client_response(&c, &p), 200);
        CU_ASSERT_TRUE(p.complete);
        response_done(&p);
        client_close(&c);
    }
    rig_stop(&r);
}

/* More than a record, a socket buffer, a window: both ways. */
static void carries_large_bodies(void)
{
    const size_t n = 3 << 20;
    char *json = malloc(n + 1), *big = malloc(n + 1);
    const struct aiex_fake_record *call;
    struct aiex_slice body = {0};
    struct response p;
    struct client c;
    struct rig r;

    memset(json, ' ', n);
    json[n] = 0;
    memcpy(json, CHAT_UNARY, strlen(CHAT_UNARY));
    memset(big, 'y', n);
    big[n] = 0;
    start(&r, TLS, "");
    CU_ASSERT_EQUAL_FATAL(open_tls(&r, &c, NULL), 1);
    for (int i = 0; i < 2; i++) {
        call = chat_call(&c, json);
        CU_ASSERT_PTR_NOT_NULL_FATAL(call);
        CU_ASSERT_EQUAL(aiex_get_bytes(call->body, "body", &body), 1);
        CU_ASSERT_TRUE(body.len == n && memcmp(body.data, json, n) == 0);
        aiex_fake_answer_part(r.host, call->id, slice_of(big));
        aiex_fake_answer_ok(r.host, call->id, (struct aiex_slice){0});
        CU_ASSERT_EQUAL(client_response(&c, &p), 200);
        CU_ASSERT_TRUE(p.n_body == n && memcmp(p.body, big, n) == 0);
        response_done(&p);
    }
    client_close(&c);
    rig_stop(&r);
    free(json);
    free(big);
}

static void tells_plain_clients(void)
{
    struct client c;
    struct rig r;

    start(&r, TLS, "");
    client_open(&r, &c);
    CU_ASSERT_EQUAL(client_ask(&c, "GET /healthz " H "\r\n", "use https://"), 400);
    CU_ASSERT_TRUE(client_ended(&c));
    client_close(&c);
    rig_stop(&r);
}

static void survives_noise(void)
{
    struct client c;
    struct rig r;

    start(&r, TLS, "");
    for (int i = 0; i < 4; i++) {
        char noise[300];

        memset(noise, 0x41 + i, sizeof(noise));
        noise[0] = 0x16; /* looks like TLS at first */
        client_open(&r, &c);
        client_sendn(&c, noise, i == 3 ? 1 : sizeof(noise));
        if (i == 3)
            shutdown(c.fd, SHUT_WR);
        CU_ASSERT_TRUE(client_ended(&c));
        client_close(&c);
    }
    rig_stop(&r);
}

static void ends_slow_handshakes(void)
{
    struct client c;
    struct rig r;

    start(&r, TLS, "");
    client_open(&r, &c);
    client_sendn(&c, "\x16\x03\x01", 3);
    rig_settle(&r);
    aiex_fake_advance(r.host, 9000);
    rig_settle(&r);
    client_read(&c, 10);
    CU_ASSERT_FALSE(c.ended);
    aiex_fake_advance(r.host, 1001);
    CU_ASSERT_TRUE(client_ended(&c));
    client_close(&c);
    rig_stop(&r);
}

static void drains_handshakes(void)
{
    struct client c;
    struct rig r;

    start(&r, TLS, "");
    client_open(&r, &c);
    CU_ASSERT_EQUAL(aiex_fake_drain(r.host, r.plugin, r.self), 0);
    aiex_fake_advance(r.host, 1001);
    rig_settle(&r);
    CU_ASSERT_EQUAL(aiex_fake_drained(r.host), 1);
    client_close(&c);
    rig_stop(&r);
}

static void takes_new_certificates(void)
{
    struct aiex_error err = {{0}};
    struct client before, after;
    struct rig r;
    char name[64];

    start(&r, TLS, "");
    CU_ASSERT_EQUAL_FATAL(open_tls(&r, &before, NULL), 1);
    rig_tls_server_name(&before, name, sizeof(name));
    CU_ASSERT_STRING_EQUAL(name, "one.example");
    CU_ASSERT_EQUAL(aiex_fake_reload(
                        r.host, r.plugin, r.self,
                        (struct aiex_fake_pair[]){
                            {"listen", TLS}, {"tls_cert", other.cert}, {"tls_key", other.key}, {0}},
                        &err),
                    0);
    CU_ASSERT_EQUAL_FATAL(open_tls(&r, &after, NULL), 1);
    rig_tls_server_name(&after, name, sizeof(name));
    CU_ASSERT_STRING_EQUAL(name, "two.example");
    CU_ASSERT_EQUAL(client_ask(&before, "GET /healthz " H "\r\n", "ok"), 200);
    CU_ASSERT_EQUAL(client_ask(&after, "GET /healthz " H "\r\n", "ok"), 200);
    /* a mismatch changes nothing */
    CU_ASSERT_EQUAL(
        aiex_fake_reload(r.host, r.plugin, r.self,
                         (struct aiex_fake_pair[]){
                             {"listen", TLS}, {"tls_cert", pair.cert}, {"tls_key", other.key}, {0}},
                         &err),
        -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "does not belong to the certificate"));
    client_close(&after);
    CU_ASSERT_EQUAL_FATAL(open_tls(&r, &after, NULL), 1);
    rig_tls_server_name(&after, name, sizeof(name));
    CU_ASSERT_STRING_EQUAL(name, "two.example");
    client_close(&before);
    client_close(&after);
    rig_stop(&r);
}

static void refuses_unusable_texts(void)
{
    const struct {
        const char *cert, *key, *client_ca, *text;
    } t[] = {
        {"", "", "", "set tls_cert = file:/path"},
        {pair.cert, "", "", "set tls_cert"},
        {"nonsense", pair.key, "", "tls_cert is no certificate"},
        {pair.key, pair.key, "", "tls_cert is no certificate"},
        {pair.cert, "nonsense", "", "tls_key is no private key"},
        {pair.cert, pair.cert, "", "tls_key is no private key"},
        {pair.cert, other.key, "", "does not belong"},
        {pair.cert, pair.key, "nonsense", "tls_client_ca is no certificate"},
    };

    make_pairs();
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct aiex_fake_host *h = aiex_fake_host_new("interface_http");
        const struct aiex_plugin *p = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
        struct aiex_fake_pair options[] = {{"listen", TLS},
                                           {"tls_cert", t[i].cert},
                                           {"tls_key", t[i].key},
                                           {"tls_client_ca", t[i].client_ca},
                                           {0}};
        struct aiex_error err = {{0}};
        void *self = NULL;

        CU_ASSERT_EQUAL(aiex_fake_start(h, p, options, &self, &err), -EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, t[i].text));
        CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
    }
}

static void agrees_on_http11(void)
{
    struct client c;
    struct rig r;
    char name[32];

    start(&r, TLS, "");
    CU_ASSERT_EQUAL(open_tls(&r, &c, &(struct rig_tls){.alpn = "\x02h2\x08http/1.1"}), 1);
    rig_tls_protocol(&c, name, sizeof(name));
    CU_ASSERT_STRING_EQUAL(name, "http/1.1");
    client_close(&c);
    CU_ASSERT_EQUAL(open_tls(&r, &c, &(struct rig_tls){.alpn = "\x02h2"}), 0);
    client_close(&c);
    rig_stop(&r);
}

static void refuses_old_versions(void)
{
    struct client c;
    struct rig r;

    make_pairs();
    rig_start(&r, (struct aiex_fake_pair[]){{"listen", TLS},
                                            {"tls_cert", pair.cert},
                                            {"tls_key", pair.key},
                                            {"tls_min_version", "1.3"},
                                            {0}});
    CU_ASSERT_EQUAL(open_tls(&r, &c, &(struct rig_tls){.max_version = TLS1_2_VERSION}), 0);
    client_close(&c);
    CU_ASSERT_EQUAL(open_tls(&r, &c, NULL), 1);
    client_close(&c);
    rig_stop(&r);
}

/* A certificate is a tag, not a key; one that is not ours is refused. */
static void tags_client_certificates(void)
{
    const struct aiex_fake_record *call;
    struct aiex_slice tags = {0};
    struct client c;
    struct rig r;

    make_pairs();
    start(&r, TLS, ca.cert);
    CU_ASSERT_EQUAL_FATAL(open_tls(&r, &c, &(struct rig_tls){.pair = &signed_pair}), 1);
    call = call_for(&c, post_request("/v1/chat/completions",
                                     "x-aiex-tags: client_certificate=eve, a=b\r\n", CHAT_UNARY));
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    CU_ASSERT_EQUAL(aiex_get_whole(call->body, "tags", &tags), 1);
    CU_ASSERT_TRUE(field_is(tags, "client_certificate", "ada"));
    CU_ASSERT_TRUE(field_is(tags, "a", "b"));
    CU_ASSERT_EQUAL(tags.data[0], 0x82);
    client_close(&c);
    CU_ASSERT_EQUAL_FATAL(open_tls(&r, &c, NULL), 1); /* who has none can not say that he has */
    call = call_for(&c, post_request("/v1/chat/completions",
                                     "x-aiex-tags: client_certificate = ada\r\n", CHAT_UNARY));
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    CU_ASSERT_EQUAL(aiex_get_whole(call->body, "tags", &tags), 0);
    client_close(&c);
    CU_ASSERT_EQUAL_FATAL(open_tls(&r, &c, NULL), 1); /* none is fine */
    call = chat_call(&c, CHAT_UNARY);
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    CU_ASSERT_EQUAL(aiex_get_whole(call->body, "tags", &tags), 0);
    client_close(&c);
    open_tls(&r, &c, &(struct rig_tls){.pair = &other});
    client_send(&c, "GET /healthz " H "\r\n");
    CU_ASSERT_TRUE(client_ended(&c));
    CU_ASSERT_TRUE(c.n == 0);
    client_close(&c);
    rig_stop(&r);
}

/* The end is said under TLS, so that nobody can cut an answer unseen. */
static void says_when_it_ends(void)
{
    struct client c;
    struct rig r;

    start(&r, TLS, "");
    CU_ASSERT_EQUAL_FATAL(open_tls(&r, &c, NULL), 1);
    CU_ASSERT_EQUAL(client_ask(&c, "GET /healthz " H "Connection: close\r\n\r\n", "ok"), 200);
    CU_ASSERT_TRUE(client_ended(&c));
    CU_ASSERT_TRUE(rig_tls_closed(&c));
    client_close(&c);
    rig_stop(&r);
}

/* A client that says by close_notify that it leaves, without closing the socket. */
static void notices_close_notify(void)
{
    struct client c;
    struct rig r;

    start(&r, TLS, "");
    CU_ASSERT_EQUAL_FATAL(open_tls(&r, &c, NULL), 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(chat_call(&c, CHAT_UNARY));
    CU_ASSERT_EQUAL(aiex_fake_count(r.host, AIEX_FAKE_CANCEL), 0);
    CU_ASSERT_EQUAL(SSL_shutdown(c.tls), 0); /* said, and not yet answered */
    for (int i = 0; i < 100 && !aiex_fake_count(r.host, AIEX_FAKE_CANCEL); i++)
        aiex_fake_poll(r.host, 20);
    CU_ASSERT_EQUAL(aiex_fake_count(r.host, AIEX_FAKE_CANCEL), 1);
    client_close(&c);
    rig_stop(&r);
}

static void cancels_when_the_client_leaves(void)
{
    struct client c;
    struct rig r;

    start(&r, TLS, "");
    for (int i = 0; i < 2; i++) {
        const struct aiex_fake_record *call;

        CU_ASSERT_EQUAL_FATAL(open_tls(&r, &c, NULL), 1);
        call = chat_call(&c, CHAT_STREAM);
        CU_ASSERT_PTR_NOT_NULL_FATAL(call);
        if (i)
            aiex_fake_answer_part(r.host, call->id, slice_of("data: {}\n\n"));
        client_close(&c);
        rig_settle(&r);
        CU_ASSERT_EQUAL(aiex_fake_count(r.host, AIEX_FAKE_CANCEL), (size_t)i + 1);
    }
    rig_stop(&r);
}

static void serves_both_kinds(void)
{
    struct client c;
    struct rig r;

    start(&r, "127.0.0.1:0, " TLS, "");
    client_open(&r, &c);
    CU_ASSERT_EQUAL(client_ask(&c, "GET /healthz " H "\r\n", "ok"), 200);
    client_close(&c);
    client_open_at(&r, &c, 1);
    CU_ASSERT_EQUAL_FATAL(rig_tls_begin(&c, &(struct rig_tls){0}), 1);
    CU_ASSERT_EQUAL(client_ask(&c, "GET /healthz " H "\r\n", "ok"), 200);
    client_close(&c);
    rig_stop(&r);
}

static void pauses_for_a_slow_client(void)
{
    const size_t n = 64 << 10;
    char *part = malloc(n + 1);
    const struct aiex_fake_record *call;
    struct client c;
    struct rig r;
    int i = 0;

    memset(part, 'z', n);
    part[n] = 0;
    start(&r, TLS, "");
    CU_ASSERT_EQUAL_FATAL(open_tls(&r, &c, NULL), 1);
    call = chat_call(&c, CHAT_STREAM);
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    for (; i < 400 && aiex_fake_uncredited(r.host, call->id) < 256 << 10; i++) {
        aiex_fake_answer_part(r.host, call->id, slice_of(part));
        rig_settle(&r);
    }
    CU_ASSERT_TRUE(i < 400); /* the window fills since nobody reads */
    aiex_fake_answer_ok(r.host, call->id, (struct aiex_slice){0});
    CU_ASSERT_TRUE(client_sees(&c, "\r\n0\r\n\r\n"));
    CU_ASSERT_TRUE(c.n > (size_t)i * n);
    client_close(&c);
    rig_stop(&r);
    free(part);
}

static void survives_every_lack_of_memory(void)
{
    for (size_t n = 1; n < 12; n++) {
        struct client c;
        struct rig r;

        start(&r, TLS, "");
        aiex_fake_fail_alloc(r.host, n);
        if (open_tls(&r, &c, NULL))
            client_send(&c, "GET /healthz " H "\r\n");
        rig_settle(&r);
        aiex_fake_advance(r.host, 200);
        rig_settle(&r);
        CU_ASSERT_TRUE(n > 0);
        client_close(&c);
        rig_stop(&r); /* looks whether something is left */
    }
}

const struct test_case tests[] = {
    {"answers_under_tls", answers_under_tls},
    {"carries_large_bodies", carries_large_bodies},
    {"tells_plain_clients", tells_plain_clients},
    {"survives_noise", survives_noise},
    {"ends_slow_handshakes", ends_slow_handshakes},
    {"drains_handshakes", drains_handshakes},
    {"takes_new_certificates", takes_new_certificates},
    {"refuses_unusable_texts", refuses_unusable_texts},
    {"agrees_on_http11", agrees_on_http11},
    {"refuses_old_versions", refuses_old_versions},
    {"tags_client_certificates", tags_client_certificates},
    {"says_when_it_ends", says_when_it_ends},
    {"notices_close_notify", notices_close_notify},
    {"cancels_when_the_client_leaves", cancels_when_the_client_leaves},
    {"serves_both_kinds", serves_both_kinds},
    {"pauses_for_a_slow_client", pauses_for_a_slow_client},
    {"survives_every_lack_of_memory", survives_every_lack_of_memory},
    {0},
};

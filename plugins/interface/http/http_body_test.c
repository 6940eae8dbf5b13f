/* http_body_test.c - how bodies come and go: compressed both ways, expected, in chunks, too large.
 */
#include "http_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define H "HTTP/1.1\r\nHost: localhost\r\n"

static const struct aiex_slice nothing;

/* Compresses with these window bits (31 = gzip, 15 = zlib, -15 = raw). Free the result. */
static uint8_t *deflated(const void *bytes, size_t n, int bits, size_t *ret_n)
{
    z_stream z = {0};
    uint8_t *out = malloc(n + 1024);

    CU_ASSERT_EQUAL_FATAL(deflateInit2(&z, 9, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)bytes;
    z.avail_in = (uInt)n;
    z.next_out = out;
    z.avail_out = (uInt)(n + 1024);
    CU_ASSERT_EQUAL(deflate(&z, Z_FINISH), Z_STREAM_END);
    *ret_n = z.total_out;
    deflateEnd(&z);
    return out;
}

/* Sends a chat whose body is these bytes. */
static void send_encoded(struct client *c, const char *coding, const void *bytes, size_t n)
{
    char head[256];

    snprintf(head, sizeof(head),
             "POST /v1/chat/completions " H "Content-Encoding: %s\r\nContent-Length: %zu\r\n\r\n",
             coding, n);
    client_send(c, head);
    client_sendn(c, bytes, n);
    rig_settle(c->rig);
}

static char *padded_chat(size_t n)
{
    char *json = malloc(n + 1);

    memset(json, ' ', n);
    json[n] = 0;
    memcpy(json, CHAT_UNARY, strlen(CHAT_UNARY));
    for (size_t i = strlen(CHAT_UNARY); i < n; i++)
        json[i] = " \t\n\r"[(i * 2654435761u) >> 13 & 3];
    return json;
}

/* ---- Compressed requests ---- */

static void takes_compressed_bodies(void)
{
    static const struct {
        const char *coding;
        int bits;
    } t[] = {{"gzip", 31}, {"x-gzip", 31}, {"deflate", 15}, {"deflate", -15}, {"GZIP", 31}};
    static const size_t sizes[] = {28, 300, 16384, 70000, 1 << 20};
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
            char *json = padded_chat(sizes[k]);
            const struct aiex_fake_record *call;
            struct aiex_slice body = {0};
            size_t n;
            uint8_t *small = deflated(json, sizes[k], t[i].bits, &n);

            aiex_fake_forget(r.host);
            send_encoded(&c, t[i].coding, small, n);
            call = wait_for_call(&r, "gateway.chat", 0);
            CU_ASSERT_PTR_NOT_NULL_FATAL(call);
            CU_ASSERT_EQUAL(aiex_get_bytes(call->body, "body", &body), 1);
            CU_ASSERT_TRUE(body.len == sizes[k] && memcmp(body.data, json, body.len) == 0);
            aiex_fake_answer_part(r.host, call->id, slice_of("{}"));
            aiex_fake_answer_ok(r.host, call->id, nothing);
            CU_ASSERT_EQUAL(client_ask(&c, "", "{}"), 200);
            free(json);
            free(small);
        }
    }
    client_close(&c);
    rig_stop(&r);
}

static void takes_compressed_chunks_byte_by_byte(void)
{
    char *json = padded_chat(2000);
    size_t n;
    uint8_t *small = deflated(json, 2000, 31, &n);
    const struct aiex_fake_record *call;
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    client_send(&c, "POST /v1/chat/completions " H
                    "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (size_t i = 0; i < n; i++) {
        client_send(&c, "1\r\n");
        client_sendn(&c, small + i, 1);
        client_send(&c, "\r\n");
    }
    CU_ASSERT_EQUAL(aiex_fake_count(r.host, AIEX_FAKE_CALL), 0);
    client_send(&c, "0\r\n\r\n");
    call = wait_for_call(&r, "gateway.chat", 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    CU_ASSERT_TRUE(field_is(call->body, "body", json));
    client_close(&c);
    rig_stop(&r);
    free(json);
    free(small);
}

/* A small body that would become large is stopped at the limit, not at the end. */
static void stops_bombs(void)
{
    const size_t n = 30 << 20;
    char *zeros = calloc(1, n);
    size_t n_small;
    uint8_t *small = deflated(zeros, n, 31, &n_small);
    struct client c;
    struct rig r;

    rig_start(&r, (struct aiex_fake_pair[]){{"max_body", "100k"}, {0}});
    client_open(&r, &c);
    CU_ASSERT_TRUE(n_small < 40000);
    send_encoded(&c, "gzip", small, n_small);
    CU_ASSERT_EQUAL(client_ask(&c, "", "too large when it is uncompressed"), 413);
    CU_ASSERT_TRUE(client_ended(&c));
    CU_ASSERT_EQUAL(aiex_fake_count(r.host, AIEX_FAKE_CALL), 0);
    client_close(&c);
    rig_stop(&r);
    free(zeros);
    free(small);
}

static void refuses_broken_bodies(void)
{
    static const struct {
        const char *coding;
        int cut, add, flip, status;
        const char *in_body;
    } t[] = {
        {"gzip", 5, 0, -1, 400, "ends too early"},
        {"gzip", 0, 3, -1, 400, "something follows"},
        {"gzip", 0, 0, 0, 400, "not what its Content-Encoding says"},
        {"gzip", 0, 0, 20, 400, "the body"}, /* a check sum or code that does not fit */
        {"deflate", 0, 0, -1, 400, "not what its Content-Encoding says"},
        {"br", 0, 0, -1, 415, "not known here"},
        {"gzip, gzip", 0, 0, -1, 415, "not known here"},
    };
    char *json = padded_chat(500);

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        size_t n;
        uint8_t *small = deflated(json, 500, 31, &n);
        struct client c;
        struct rig r;

        memset(small + n, 'x', 10);
        if (t[i].flip >= 0)
            small[t[i].flip] ^= 0xff;
        rig_start(&r, NULL);
        client_open(&r, &c);
        send_encoded(&c, t[i].coding, small, n - (size_t)t[i].cut + (size_t)t[i].add);
        CU_ASSERT_EQUAL(client_ask(&c, "", t[i].in_body), t[i].status);
        CU_ASSERT_EQUAL(aiex_fake_count(r.host, AIEX_FAKE_CALL), 0);
        client_close(&c);
        rig_stop(&r);
        free(small);
    }
    free(json);
}

static void tells_what_it_decodes(void)
{
    struct response p;
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    send_encoded(&c, "zstd", "x", 1);
    CU_ASSERT_EQUAL(client_response(&c, &p), 415);
    CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "accept-encoding: gzip, deflate"));
    response_done(&p);
    client_close(&c);
    rig_stop(&r);
}

static void takes_no_coding_as_none(void)
{
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    send_encoded(&c, "identity", CHAT_UNARY, strlen(CHAT_UNARY));
    CU_ASSERT_PTR_NOT_NULL(wait_for_call(&r, "gateway.chat", 0));
    client_close(&c);
    rig_stop(&r);
}

static void a_client_may_leave_in_the_middle(void)
{
    char *json = padded_chat(5000);
    size_t n;
    uint8_t *small = deflated(json, 5000, 31, &n);
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    send_encoded(&c, "gzip", small, n);
    client_close(&c);
    client_open(&r, &c);
    client_send(&c, "POST /v1/chat/completions " H
                    "Content-Encoding: gzip\r\nContent-Length: 5000\r\n\r\n");
    client_sendn(&c, small, n / 2);
    client_close(&c);
    rig_stop(&r); /* looks whether something is left */
    CU_ASSERT_TRUE(n > 2);
    free(json);
    free(small);
}

/* ---- Compressed answers ---- */

static size_t inflated(const struct response *p, char *out, size_t size)
{
    z_stream z = {0};
    int r;

    inflateInit2(&z, 31);
    z.next_in = (Bytef *)p->body;
    z.avail_in = (uInt)p->n_body;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)size;
    r = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    return r == Z_STREAM_END ? z.total_out : 0;
}

/* A client whose bodies may hold 0: the response is taken from the bytes themselves. */
static int take_binary(struct client *c, struct response *p)
{
    char *end, *length;

    memset(p, 0, sizeof(*p));
    if (!client_sees(c, "\r\n\r\n"))
        return 0;
    end = strstr(c->in, "\r\n\r\n") + 4;
    memcpy(p->head, c->in, (size_t)(end - c->in));
    sscanf(p->head, "HTTP/1.1 %d", &p->status);
    length = strstr(p->head, "content-length: ");
    p->n_body = length ? (size_t)atol(length + 16) : 0;
    for (int i = 0; i < 100 && c->n < (size_t)(end - c->in) + p->n_body; i++) {
        size_t at = (size_t)(end - c->in);

        aiex_fake_poll(c->rig->host, 20);
        client_read(c, 65536);
        end = c->in + at;
    }
    p->body = malloc(p->n_body + 1);
    memcpy(p->body, end, p->n_body);
    c->n = 0;
    c->in[0] = 0;
    return p->status;
}

static int answer_with(struct rig *r, struct client *c, const char *accept, const char *text,
                       struct response *p)
{
    const struct aiex_fake_record *call;

    aiex_fake_forget(r->host);
    call = call_for(c, post_request("/v1/chat/completions", accept, CHAT_UNARY));
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    aiex_fake_answer_part(r->host, call->id, slice_of(text));
    aiex_fake_answer_ok(r->host, call->id, nothing);
    return take_binary(c, p);
}

static void compresses_when_it_pays(void)
{
    static const struct {
        const char *accept;
        size_t n;
        int noise, packed;
    } t[] = {
        {"accept-encoding: gzip\r\n", 2000, 0, 1},
        {"accept-encoding: br, gzip;q=0.5\r\n", 500000, 0, 1},
        {"accept-encoding: gzip\r\n", 1023, 0, 0},
        {"accept-encoding: gzip\r\n", 1024, 0, 1},
        {"accept-encoding: gzip;q=0\r\n", 2000, 0, 0},
        {"accept-encoding: deflate\r\n", 2000, 0, 0},
        {"", 2000, 0, 0},
        {"accept-encoding: gzip\r\n", (1 << 20) + 1, 0, 0},
        {"accept-encoding: gzip\r\n", 5000, 1, 0},
    };
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        char *text = calloc(1, t[i].n + 1), *back = calloc(1, t[i].n + 1);
        struct response p;
        uint32_t seed = 7;

        for (size_t k = 0; k < t[i].n; k++) {
            seed = seed * 1664525 + 1013904223;
            text[k] = t[i].noise ? (char)(seed >> 24 ? seed >> 24 : 1) : (char)('a' + k % 26);
        }
        CU_ASSERT_EQUAL(answer_with(&r, &c, t[i].accept, text, &p), 200);
        CU_ASSERT_EQUAL(strstr(p.head, "content-encoding: gzip") != NULL, t[i].packed);
        CU_ASSERT_EQUAL(strstr(p.head, "vary: accept-encoding") != NULL, t[i].packed);
        if (t[i].packed)
            CU_ASSERT_EQUAL(inflated(&p, back, t[i].n), t[i].n);
        CU_ASSERT_FATAL(t[i].packed || p.n_body == t[i].n);
        CU_ASSERT_TRUE(memcmp(t[i].packed ? back : p.body, text, t[i].n) == 0);
        CU_ASSERT_TRUE(!t[i].packed || p.n_body < t[i].n);
        response_done(&p);
        free(text);
        free(back);
    }
    client_close(&c);
    rig_stop(&r);
}

static void compresses_only_if_configured(void)
{
    char text[3001];
    struct response p;
    struct client c;
    struct rig r;

    memset(text, 'a', 3000);
    text[3000] = 0;
    rig_start(&r, (struct aiex_fake_pair[]){{"compression", "no"}, {0}});
    client_open(&r, &c);
    CU_ASSERT_EQUAL(answer_with(&r, &c, "accept-encoding: gzip\r\n", text, &p), 200);
    CU_ASSERT_EQUAL(p.n_body, 3000);
    response_done(&p);
    client_close(&c);
    rig_stop(&r);
}

/* A stream is never held back to be packed. */
static void never_compresses_streams(void)
{
    const struct aiex_fake_record *call;
    char part[3001] = "data: ";
    struct response p;
    struct client c;
    struct rig r;

    memset(part + 6, 'a', 2992);
    strcpy(part + 2998, "\n\n");
    rig_start(&r, NULL);
    client_open(&r, &c);
    call = call_for(&c,
                    post_request("/v1/chat/completions", "accept-encoding: gzip\r\n", CHAT_STREAM));
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    aiex_fake_answer_part(r.host, call->id, slice_of(part));
    aiex_fake_answer_ok(r.host, call->id, nothing);
    CU_ASSERT_EQUAL(client_response(&c, &p), 200);
    CU_ASSERT_PTR_NULL(strstr(p.head, "content-encoding"));
    CU_ASSERT_STRING_EQUAL(p.body, part);
    response_done(&p);
    client_close(&c);
    rig_stop(&r);
}

/* ---- Expect, chunks, sizes ---- */

static void refuses_other_expectations(void)
{
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    CU_ASSERT_EQUAL(client_ask(&c,
                               "POST /v1/messages " H "Expect: tea\r\nContent-Length: 5\r\n\r\n",
                               "expectation"),
                    417);
    CU_ASSERT_TRUE(client_ended(&c));
    client_close(&c);
    rig_stop(&r);
}

/* Leave is given only when the body would be taken. */
static void gives_no_leave_for_what_it_refuses(void)
{
    static const struct {
        const char *headers;
        int status;
    } t[] = {
        {"Content-Encoding: br\r\nContent-Length: 5\r\n", 415},
        {"Content-Length: 999999999\r\n", 413},
        {"Origin: https://evil.example\r\nContent-Length: 5\r\n", 403},
    };
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        char request[256];

        client_open(&r, &c);
        snprintf(request, sizeof(request), "POST /v1/messages " H "Expect: 100-continue\r\n%s\r\n",
                 t[i].headers);
        CU_ASSERT_EQUAL(client_ask(&c, request, NULL), t[i].status);
        client_close(&c);
    }
    rig_stop(&r);
}

static void bounds_chunked_bodies(void)
{
    struct client c;
    struct rig r;
    char chunk[1100];

    rig_start(&r, (struct aiex_fake_pair[]){{"max_body", "4k"}, {0}});
    client_open(&r, &c);
    client_send(&c, "POST /api/chat " H "Transfer-Encoding: chunked\r\n\r\n");
    strcpy(chunk, "400\r\n");
    memset(chunk + 5, ' ', 1024);
    strcpy(chunk + 5 + 1024, "\r\n");
    for (int i = 0; i < 5; i++)
        client_send(&c, chunk);
    CU_ASSERT_EQUAL(client_ask(&c, "", "{\"error\":\""), 413);
    CU_ASSERT_TRUE(client_ended(&c));
    client_close(&c);
    rig_stop(&r);
}

static void takes_the_largest_body(void)
{
    const size_t n = (32u << 20) - 8192;
    char *json = padded_chat(n);
    const struct aiex_fake_record *call;
    struct aiex_slice body = {0};
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    call = chat_call(&c, json);
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    CU_ASSERT_EQUAL(call->result, 0);
    CU_ASSERT_EQUAL(aiex_get_bytes(call->body, "body", &body), 1);
    CU_ASSERT_EQUAL(body.len, n);
    client_close(&c);
    rig_stop(&r);
    free(json);
}

/* What was refused lets go of its body, also when the connection lives on. */
static void keeps_no_refused_body(void)
{
    static const char *const wrong[] = {"{\"model\":7", "[]"};
    struct rig r;
    struct client c[3];
    char *json = padded_chat(900000);

    rig_start(&r, (struct aiex_fake_pair[]){{"max_bodies", "1M"}, {0}});
    for (size_t i = 0; i < 3; i++) {
        client_open(&r, &c[i]);
        memcpy(json, i < 2 ? wrong[i] : CHAT_UNARY, strlen(i < 2 ? wrong[i] : CHAT_UNARY));
        send_encoded(&c[i], "identity", json, 900000);
        if (i < 2) {
            CU_ASSERT_EQUAL(client_ask(&c[i], "", "JSON"), 400);
        } else {
            CU_ASSERT_PTR_NOT_NULL(wait_for_call(&r, "gateway.chat", 0));
        }
    }
    for (size_t i = 0; i < 3; i++)
        client_close(&c[i]);
    rig_stop(&r);
    free(json);
}

/* A thousand bodies that are begun and not ended, by whoever can connect, must not eat the memory:
 * together they have a limit, too, compressed ones by what they become. */
static void bounds_all_bodies_together(void)
{
    struct client a, b;
    struct rig r;
    char *json = padded_chat(900000), *half = strdup(json);
    const struct aiex_fake_record *call;
    size_t n;
    uint8_t *small = deflated(json, 900000, 31, &n);

    half[600000] = 0;
    rig_start(&r, (struct aiex_fake_pair[]){{"max_bodies", "1M"}, {0}});
    for (int i = 0; i < 4; i++) {
        aiex_fake_forget(r.host);
        client_open(&r, &a);
        client_open(&r, &b);
        client_send(&a, "POST /v1/chat/completions " H "Content-Length: 900000\r\n\r\n");
        client_send(&a, half);
        rig_settle(&r);
        CU_ASSERT_EQUAL(client_ask(&b, "GET /healthz " H "\r\n", NULL), 200);
        if (i % 2)
            send_encoded(&b, "gzip", small, n);
        else
            send_encoded(&b, "identity", json, 900000);
        CU_ASSERT_EQUAL(client_ask(&b, "", "request bodies"), 503);
        client_close(&b);
        client_open(&r, &b);
        if (i / 2) { /* he leaves, or he ends it: then there is room */
            client_close(&a);
            client_open(&r, &a);
        } else {
            client_send(&a, json + 600000);
            call = wait_for_call(&r, "gateway.chat", 0);
            CU_ASSERT_PTR_NOT_NULL_FATAL(call);
            aiex_fake_answer_error(r.host, call->id, "invalid", "no", 0, nothing);
            CU_ASSERT_EQUAL(client_ask(&a, "", "no"), 400);
        }
        aiex_fake_forget(r.host);
        send_encoded(&b, "gzip", small, n);
        CU_ASSERT_PTR_NOT_NULL(wait_for_call(&r, "gateway.chat", 0));
        client_close(&a);
        client_close(&b);
    }
    rig_stop(&r);
    free(small);
    free(half);
    free(json);
}

static void survives_every_lack_of_memory(void)
{
    char *json = padded_chat(3000), text[3001];
    size_t n_small;
    uint8_t *small = deflated(json, 3000, 31, &n_small);

    memset(text, 'a', 3000);
    text[3000] = 0;
    for (size_t n = 1; n < 24; n++) {
        const struct aiex_fake_record *call;
        struct client c;
        struct rig r;
        char head[256];

        rig_start(&r, NULL);
        aiex_fake_fail_alloc(r.host, n);
        client_open(&r, &c);
        snprintf(head, sizeof(head),
                 "POST /v1/chat/completions " H
                 "Content-Encoding: gzip\r\nAccept-Encoding: gzip\r\n"
                 "Content-Length: %zu\r\n\r\n",
                 n_small);
        client_send(&c, head);
        client_sendn(&c, small, n_small);
        rig_settle(&r);
        call = aiex_fake_last(r.host, AIEX_FAKE_CALL);
        if (call && call->result == 0) {
            aiex_fake_answer_part(r.host, call->id, slice_of(text));
            aiex_fake_answer_ok(r.host, call->id, nothing);
        }
        rig_settle(&r);
        aiex_fake_advance(r.host, 200);
        rig_settle(&r);
        while (client_read(&c, 4096))
            ;
        CU_ASSERT_TRUE(c.ended || c.n > 0 || aiex_fake_count(r.host, AIEX_FAKE_CALL) == 1);
        client_close(&c);
        rig_stop(&r);
    }
    free(json);
    free(small);
}

const struct test_case tests[] = {
    {"takes_compressed_bodies", takes_compressed_bodies},
    {"takes_compressed_chunks_byte_by_byte", takes_compressed_chunks_byte_by_byte},
    {"stops_bombs", stops_bombs},
    {"refuses_broken_bodies", refuses_broken_bodies},
    {"tells_what_it_decodes", tells_what_it_decodes},
    {"takes_no_coding_as_none", takes_no_coding_as_none},
    {"a_client_may_leave_in_the_middle", a_client_may_leave_in_the_middle},
    {"compresses_when_it_pays", compresses_when_it_pays},
    {"compresses_only_if_configured", compresses_only_if_configured},
    {"never_compresses_streams", never_compresses_streams},
    {"refuses_other_expectations", refuses_other_expectations},
    {"gives_no_leave_for_what_it_refuses", gives_no_leave_for_what_it_refuses},
    {"bounds_chunked_bodies", bounds_chunked_bodies},
    {"takes_the_largest_body", takes_the_largest_body},
    {"keeps_no_refused_body", keeps_no_refused_body},
    {"bounds_all_bodies_together", bounds_all_bodies_together},
    {"survives_every_lack_of_memory", survives_every_lack_of_memory},
    {0},
};

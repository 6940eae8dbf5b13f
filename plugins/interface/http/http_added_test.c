/* http_added_test.c - paths of other plugins: who may take which, what they get, what they answer.
 */
#include "http_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define H "HTTP/1.1\r\nHost: localhost\r\n"

static const struct aiex_slice nothing;

struct wanted {
    const char *method, *path, *service, *call, *permission, *instance;
    int stream;
};

/* Registers; the answer. */
static const struct aiex_fake_record *add(struct rig *r, struct wanted w)
{
    uint8_t mem[1024];
    struct aiex_writer m;
    const char *pairs[][2] = {{"method", w.method},         {"path", w.path},
                              {"service", w.service},       {"call", w.call},
                              {"permission", w.permission}, {"instance", w.instance}};
    uint32_t n = 1;
    uint64_t id;

    for (int i = 0; i < 6; i++)
        n += pairs[i][1] != NULL;
    aiex_writer_init(&m, mem, sizeof(mem));
    aiex_w_map(&m, n);
    for (int i = 0; i < 6; i++) {
        if (pairs[i][1])
            aiex_w_key_str(&m, pairs[i][0], pairs[i][1]);
    }
    aiex_w_key_bool(&m, "stream", w.stream);
    id = aiex_fake_request(r->host, r->plugin, r->self, "http.route", aiex_written(&m), 0);
    return aiex_fake_answer(r->host, id);
}

static int is_added(struct rig *r, struct wanted w)
{
    const struct aiex_fake_record *answer = add(r, w);

    return answer && answer->kind == AIEX_FAKE_REPLY;
}

static void refuses_wrong_routes(void)
{
    static const struct {
        struct wanted w;
        const char *code, *text;
    } t[] = {
        {{.method = "GET", .service = "s", .call = "c"}, "invalid", "'path' is required"},
        {{.path = "/ui", .service = "s", .call = "c"}, "invalid", "'method' is required"},
        {{.method = "GET", .path = "/ui", .call = "c"}, "invalid", "'service' is required"},
        {{.method = "GET", .path = "/ui", .service = "s"}, "invalid", "'call' is required"},
        {{.method = "HEAD", .path = "/ui", .service = "s", .call = "c"},
         "invalid",
         "GET, POST, PUT"},
        {{.method = "GET", .path = "ui", .service = "s", .call = "c"}, "invalid", "begin with /"},
        {{.method = "GET", .path = "", .service = "s", .call = "c"}, "invalid", "begin with /"},
        {{.method = "GET", .path = "/u*i", .service = "s", .call = "c"},
         "invalid",
         "at its end only"},
        {{.method = "GET", .path = "/u**", .service = "s", .call = "c"},
         "invalid",
         "at its end only"},
        {{.method = "GET", .path = "/u i", .service = "s", .call = "c"}, "invalid", "printable"},
        {{.method = "GET", .path = "/ui?x=1", .service = "s", .call = "c"}, "invalid", "printable"},
        {{.method = "GET", .path = "/*", .service = "s", .call = "c"}, "invalid", "own"},
        {{.method = "GET", .path = "/", .service = "s", .call = "c"}, "invalid", "own"},
        {{.method = "PUT", .path = "/metrics", .service = "s", .call = "c"}, "invalid", "own"},
        {{.method = "GET", .path = "/v1/ui", .service = "s", .call = "c"}, "invalid", "own"},
        {{.method = "GET", .path = "/v1/*", .service = "s", .call = "c"}, "invalid", "own"},
        {{.method = "POST", .path = "/v1*", .service = "s", .call = "c"}, "invalid", "own"},
        {{.method = "GET", .path = "/v*", .service = "s", .call = "c"}, "invalid", "own"},
        {{.method = "GET", .path = "/ap*", .service = "s", .call = "c"}, "invalid", "own"},
        {{.method = "GET", .path = "/api/ui", .service = "s", .call = "c"}, "invalid", "own"},
        {{.method = "POST", .path = "/chat/completions", .service = "s", .call = "c"},
         "invalid",
         "own"},
        {{.method = "GET", .path = "/models/*", .service = "s", .call = "c"}, "invalid", "own"},
    };
    struct rig r;

    rig_start(&r, NULL);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        const struct aiex_fake_record *answer = add(&r, t[i].w);

        CU_ASSERT_PTR_NOT_NULL_FATAL(answer);
        CU_ASSERT_EQUAL(answer->kind, AIEX_FAKE_FAIL);
        CU_ASSERT_STRING_EQUAL(answer->code, t[i].code);
        CU_ASSERT_PTR_NOT_NULL(strstr(answer->text, t[i].text));
    }
    rig_stop(&r);
}

static void keeps_routes_apart(void)
{
    const struct aiex_fake_record *answer;
    struct response p;
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    CU_ASSERT_TRUE(is_added(
        &r,
        (struct wanted){.method = "GET", .path = "/ui/*", .service = "web", .call = "web.page"}));
    CU_ASSERT_TRUE(is_added(
        &r, (struct wanted){
                .method = "GET", .path = "/ui/deep/*", .service = "web", .call = "web.deep"}));
    CU_ASSERT_TRUE(is_added(
        &r,
        (struct wanted){.method = "GET", .path = "/ui/one", .service = "web", .call = "web.one"}));
    CU_ASSERT_TRUE(is_added(
        &r, (struct wanted){
                .method = "POST", .path = "/ui/one", .service = "other", .call = "other.post"}));
    CU_ASSERT_TRUE(is_added(&r, (struct wanted){.method = "GET",
                                                .path = "/ui/one",
                                                .service = "web",
                                                .call = "web.one"})); /* again */
    answer = add(
        &r, (struct wanted){.method = "GET", .path = "/ui/one", .service = "other", .call = "x"});
    CU_ASSERT_STRING_EQUAL(answer->code, "conflict");
    {
        static const char *const t[][3] = {
            {"GET /ui/", NULL, "web.page"},       {"GET /ui/x/y?q=1", NULL, "web.page"},
            {"GET /ui/deep/x", NULL, "web.deep"}, {"GET /ui/one", NULL, "web.one"},
            {"HEAD /ui/one", NULL, "web.one"},    {"POST /ui/one", NULL, "other.post"}};

        for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
            const struct aiex_fake_record *call;
            char request[128];

            aiex_fake_forget(r.host);
            snprintf(request, sizeof(request), "%s " H "Content-Length: 0\r\n\r\n", t[i][0]);
            client_send(&c, request);
            call = wait_for_call(&r, t[i][2], 0);
            CU_ASSERT_PTR_NOT_NULL_FATAL(call);
            aiex_fake_answer_ok(r.host, call->id, nothing);
            client_close(&c);
            client_open(&r, &c);
        }
    }
    CU_ASSERT_EQUAL(client_ask(&c, "PUT /ui/one " H "\r\n", "GET, HEAD, POST, OPTIONS"), 405);
    client_send(&c, "PUT /ui/one " H "\r\n");
    CU_ASSERT_EQUAL(client_response(&c, &p), 405);
    CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "allow: GET, HEAD, POST, OPTIONS"));
    response_done(&p);
    CU_ASSERT_EQUAL(client_ask(&c, "GET /ui " H "\r\n", "unknown request url"), 404);
    client_close(&c);
    rig_stop(&r);
}

static void has_an_end(void)
{
    char path[32];
    struct rig r;

    rig_start(&r, NULL);
    for (int i = 0; i < 64; i++) {
        snprintf(path, sizeof(path), "/p%d", i);
        CU_ASSERT_TRUE(is_added(
            &r, (struct wanted){.method = "GET", .path = path, .service = "s", .call = "c"}));
    }
    CU_ASSERT_STRING_EQUAL(
        add(&r, (struct wanted){.method = "GET", .path = "/more", .service = "s", .call = "c"})
            ->code,
        "busy");
    rig_stop(&r);
}

/* ---- What the plugin gets and answers ---- */

static struct aiex_slice page_end(int status, const char *type, const char *body)
{
    static uint8_t mem[512];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 4);
    aiex_w_key_int(&w, "status", status);
    aiex_w_key_str(&w, "type", type);
    aiex_w_key_bin(&w, "body", body, strlen(body));
    aiex_w_str(&w, "headers");
    aiex_w_map(&w, 3);
    aiex_w_key_str(&w, "etag", "\"7\"");
    aiex_w_key_str(&w, "Content-Length", "999");
    aiex_w_key_str(&w, "Transfer-Encoding", "chunked");
    return aiex_written(&w);
}

static void passes_requests_to_plugins(void)
{
    const struct aiex_fake_record *call;
    struct aiex_slice headers = {0}, coded = {0};
    struct response p;
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    CU_ASSERT_TRUE(is_added(
        &r,
        (struct wanted){.method = "POST", .path = "/ui/*", .service = "web", .call = "web.page"}));
    call = call_for(&c, post_request("/ui/a%20b?x=1&y=2",
                                     "X-One: 1\r\nx-one: 2\r\nAuthorization: Bearer secret\r\n"
                                     "x-api-key: secret\r\ncookie: a=b\r\n"
                                     "Content-Encoding: identity\r\n",
                                     "any \x01 body"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    CU_ASSERT_STRING_EQUAL(call->service, "web");
    CU_ASSERT_STRING_EQUAL(call->name, "web.page");
    CU_ASSERT_TRUE(aiex_is_map(call->body));
    CU_ASSERT_TRUE(field_is(call->body, "method", "POST"));
    CU_ASSERT_TRUE(field_is(call->body, "path", "/ui/a%20b"));
    CU_ASSERT_TRUE(field_is(call->body, "query", "x=1&y=2"));
    CU_ASSERT_TRUE(field_is(call->body, "body", "any \x01 body"));
    CU_ASSERT_EQUAL(aiex_get_whole(call->body, "principal", &headers), 0);
    CU_ASSERT_EQUAL(aiex_get_whole(call->body, "headers", &headers), 1);
    CU_ASSERT_TRUE(field_is(headers, "x-one", "1"));
    CU_ASSERT_TRUE(field_is(headers, "cookie", "a=b"));
    /* the body comes decoded and in one piece */
    CU_ASSERT_EQUAL(aiex_get_whole(headers, "content-encoding", &coded), 0);
    CU_ASSERT_EQUAL(aiex_get_whole(headers, "content-length", &coded), 0);
    CU_ASSERT_PTR_NULL(memmem(call->body.data, call->body.len, "secret", 6));
    aiex_fake_answer_ok(r.host, call->id, page_end(201, "text/html", "<p>"));
    CU_ASSERT_EQUAL(client_response(&c, &p), 201);
    CU_ASSERT_STRING_EQUAL(p.body, "<p>");
    CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "content-type: text/html\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "content-length: 3\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "etag: \"7\""));
    CU_ASSERT_PTR_NULL(strcasestr(p.head, "999"));
    CU_ASSERT_PTR_NULL(strcasestr(p.head, "transfer-encoding"));
    response_done(&p);
    client_close(&c);
    rig_stop(&r);
}

static void takes_every_kind_of_answer(void)
{
    static const struct {
        const char *part, *code;
        int status;
        const char *in_body;
    } t[] = {
        {NULL, NULL, 200, ""},
        {"piece", NULL, 201, "piece<p>"},
        {NULL, "not_found", 404, "the reason"},
        {"piece", "upstream", 502, "the reason"},
        {NULL, "unavailable", 503, "the reason"},
    };
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    CU_ASSERT_TRUE(is_added(
        &r, (struct wanted){.method = "GET", .path = "/ui", .service = "web", .call = "web.page"}));
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        const struct aiex_fake_record *call = call_for(&c, strdup("GET /ui " H "\r\n"));

        CU_ASSERT_PTR_NOT_NULL_FATAL(call);
        if (t[i].part)
            aiex_fake_answer_part(r.host, call->id, slice_of(t[i].part));
        if (t[i].code)
            aiex_fake_answer_error(r.host, call->id, t[i].code, "the reason", 0, nothing);
        else
            aiex_fake_answer_ok(r.host, call->id,
                                t[i].part ? page_end(201, "text/html", "<p>") : nothing);
        CU_ASSERT_EQUAL(client_ask(&c, "", t[i].in_body), t[i].status);
    }
    client_close(&c);
    rig_stop(&r);
}

static void streams_plugins_answers(void)
{
    struct response p;
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    CU_ASSERT_TRUE(is_added(
        &r,
        (struct wanted){
            .method = "GET", .path = "/tail", .service = "web", .call = "web.tail", .stream = 1}));
    for (int i = 0; i < 2; i++) {
        const struct aiex_fake_record *call;

        client_open(&r, &c);
        call = call_for(&c, strdup("GET /tail " H "\r\n"));
        CU_ASSERT_PTR_NOT_NULL_FATAL(call);
        aiex_fake_answer_part(r.host, call->id, slice_of("data: 1\n\n"));
        CU_ASSERT_TRUE(client_sees(&c, "data: 1\n\n"));
        if (i)
            aiex_fake_answer_error(r.host, call->id, "crashed", "it died", 0, nothing);
        else
            aiex_fake_answer_ok(r.host, call->id, nothing);
        CU_ASSERT_EQUAL(client_response(&c, &p), 200);
        CU_ASSERT_EQUAL(p.complete, !i);
        CU_ASSERT_EQUAL(strstr(p.body, "it died") != NULL, i);
        CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "content-type: text/event-stream"));
        response_done(&p);
        client_close(&c);
    }
    client_open(&r, &c);
    CU_ASSERT_PTR_NOT_NULL(call_for(&c, strdup("GET /tail " H "\r\n")));
    client_close(&c);
    CU_ASSERT_EQUAL(aiex_fake_count(r.host, AIEX_FAKE_CANCEL), 1);
    rig_stop(&r);
}

/* What has no body by its method or status must not bring one: the client would read it as the next
 * answer. */
static void sends_no_body_where_none_may_be(void)
{
    static const struct {
        const char *method, *part;
        int status, stream;
    } t[] = {{"HEAD", "data: 1\n\n", 200, 1}, {"HEAD", NULL, 200, 1}, {"HEAD", "x", 200, 0},
             {"GET", NULL, 304, 0},           {"GET", "x", 304, 0},   {"GET", NULL, 204, 0}};
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    CU_ASSERT_TRUE(is_added(
        &r, (struct wanted){.method = "GET", .path = "/p", .service = "web", .call = "web.page"}));
    CU_ASSERT_TRUE(is_added(
        &r,
        (struct wanted){
            .method = "GET", .path = "/tail", .service = "web", .call = "web.tail", .stream = 1}));
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        const struct aiex_fake_record *call;
        char request[128], *end;

        snprintf(request, sizeof(request), "%s %s " H "\r\n", t[i].method,
                 t[i].stream ? "/tail" : "/p");
        call = call_for(&c, strdup(request));
        CU_ASSERT_PTR_NOT_NULL_FATAL(call);
        if (t[i].part)
            aiex_fake_answer_part(r.host, call->id, slice_of(t[i].part));
        if (!t[i].part || !t[i].stream)
            aiex_fake_answer_ok(r.host, call->id, page_end(t[i].status, "text/html", "<p>"));
        CU_ASSERT_TRUE_FATAL(client_sees(&c, "\r\n\r\n"));
        rig_settle(&r);
        while (client_read(&c, 64))
            ;
        end = strstr(c.in, "\r\n\r\n") + 4;
        CU_ASSERT_EQUAL(atoi(c.in + 9), t[i].status);
        CU_ASSERT_STRING_EQUAL(end, "");
        CU_ASSERT_PTR_NULL(t[i].status == 200 ? NULL : strstr(c.in, "content-length"));
        c.n = 0;
        c.in[0] = 0;
    }
    CU_ASSERT_EQUAL(client_ask(&c, "GET /healthz " H "\r\n", NULL), 200);
    client_close(&c);
    rig_stop(&r);
}

/* Bytes that are no events are broken off without a word of ours among them. */
static void cuts_other_streams(void)
{
    static const uint8_t route[] = "\x86\xa6method\xa3GET\xa4path\xa2/b\xa7service\xa1s\xa4"
                                   "call\xa3s.b\xa6stream\xc3\xa4type\xaa"
                                   "text/plain";
    const struct aiex_fake_record *call;
    struct response p;
    struct client c;
    struct rig r;
    uint64_t id;

    rig_start(&r, NULL);
    id = aiex_fake_request(r.host, r.plugin, r.self, "http.route",
                           (struct aiex_slice){route, sizeof(route) - 1}, 0);
    CU_ASSERT_EQUAL_FATAL(aiex_fake_answer(r.host, id)->kind, AIEX_FAKE_REPLY);
    client_open(&r, &c);
    call = call_for(&c, strdup("GET /b " H "\r\n"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    aiex_fake_answer_part(r.host, call->id, slice_of("bytes"));
    aiex_fake_answer_error(r.host, call->id, "crashed", "it died", 0, nothing);
    CU_ASSERT_TRUE(client_ended(&c));
    CU_ASSERT_EQUAL(client_response(&c, &p), 200);
    CU_ASSERT_FALSE(p.complete);
    CU_ASSERT_STRING_EQUAL(p.body, "bytes");
    CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "content-type: text/plain"));
    response_done(&p);
    client_close(&c);
    rig_stop(&r);
}

static void bounds_plugins_answers(void)
{
    const struct aiex_fake_record *call;
    struct client c;
    struct rig r;
    char big[1500];

    memset(big, 'x', sizeof(big));
    big[sizeof(big) - 1] = 0;
    rig_start(&r, (struct aiex_fake_pair[]){{"max_body", "1k"}, {0}});
    client_open(&r, &c);
    CU_ASSERT_TRUE(is_added(
        &r, (struct wanted){.method = "GET", .path = "/ui", .service = "web", .call = "web.page"}));
    call = call_for(&c, strdup("GET /ui " H "\r\n"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    aiex_fake_answer_part(r.host, call->id, slice_of(big));
    CU_ASSERT_EQUAL(client_ask(&c, "", "too large"), 502);
    CU_ASSERT_EQUAL(aiex_fake_count(r.host, AIEX_FAKE_CANCEL), 1);
    client_close(&c);
    rig_stop(&r);
}

static void asks_for_permission(void)
{
    const struct aiex_fake_record *call;
    struct aiex_slice principal = {0};
    struct aiex_writer w;
    struct client c;
    struct rig r;
    uint8_t mem[64];

    rig_start(&r, NULL);
    client_open(&r, &c);
    CU_ASSERT_TRUE(is_added(&r, (struct wanted){.method = "GET",
                                                .path = "/ui",
                                                .service = "web",
                                                .call = "web.page",
                                                .permission = "admin"}));
    for (int i = 0; i < 2; i++) {
        aiex_fake_forget(r.host);
        client_send(&c, "GET /ui " H "authorization: Bearer k\r\n\r\n");
        call = wait_for_call(&r, "gateway.check", 0);
        CU_ASSERT_PTR_NOT_NULL_FATAL(call);
        CU_ASSERT_TRUE(field_is(call->body, "permission", "admin"));
        if (i) {
            aiex_fake_answer_error(r.host, call->id, "denied", "no admin", 0, nothing);
            CU_ASSERT_EQUAL(client_ask(&c, "", "no admin"), 403);
            continue;
        }
        aiex_writer_init(&w, mem, sizeof(mem));
        aiex_w_map(&w, 1);
        aiex_w_str(&w, "principal");
        aiex_w_map(&w, 1);
        aiex_w_key_str(&w, "key", "k1");
        aiex_fake_answer_ok(r.host, call->id, aiex_written(&w));
        call = wait_for_call(&r, "web.page", 0);
        CU_ASSERT_PTR_NOT_NULL_FATAL(call);
        CU_ASSERT_EQUAL(aiex_get_whole(call->body, "principal", &principal), 1);
        CU_ASSERT_TRUE(field_is(principal, "key", "k1"));
        aiex_fake_answer_ok(r.host, call->id, page_end(200, "text/plain", "in"));
        CU_ASSERT_EQUAL(client_ask(&c, "", "in"), 200);
    }
    client_close(&c);
    rig_stop(&r);
}

/* ---- Leaving ---- */

static void tell(struct rig *r, const char *type, const char *who)
{
    uint8_t mem[128];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "type", type);
    aiex_w_key_str(&w, "subject", who);
    aiex_fake_event(r->host, r->plugin, r->self, "host.plugin", aiex_written(&w));
}

static void forgets_who_has_left(void)
{
    static const struct {
        const char *type, *who;
        int gone;
    } t[] = {
        {"down", "web", 0},   {"starting", "web", 0}, {"up", "web", 0},     {"backoff", "web", 0},
        {"stopped", "we", 0}, {"stopped", "web", 1},  {"failed", "web", 1}, {"stopped", "svc", 0},
    };
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(r.host, AIEX_FAKE_SUBSCRIBE, "host.plugin", 0));
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        client_open(&r, &c);
        CU_ASSERT_TRUE(is_added(&r, (struct wanted){.method = "GET",
                                                    .path = "/ui",
                                                    .service = "svc",
                                                    .call = "web.page",
                                                    .instance = "web"}));
        tell(&r, t[i].type, t[i].who);
        if (t[i].gone) {
            CU_ASSERT_EQUAL(client_ask(&c, "GET /ui " H "\r\n", "unknown request url"), 404);
        } else {
            CU_ASSERT_PTR_NOT_NULL(call_for(&c, strdup("GET /ui " H "\r\n")));
        }
        client_close(&c);
    }
    rig_stop(&r);
}

/* It leaves while its request is half here, or being checked: nobody is called. */
static void survives_leaving_in_the_middle(void)
{
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    CU_ASSERT_TRUE(is_added(
        &r,
        (struct wanted){.method = "POST", .path = "/ui", .service = "web", .call = "web.page"}));
    client_send(&c, "POST /ui " H "Content-Length: 2\r\n\r\nx");
    rig_settle(&r);
    tell(&r, "stopped", "web");
    CU_ASSERT_TRUE(is_added(
        &r, (struct wanted){
                .method = "POST", .path = "/other", .service = "next", .call = "next.page"}));
    CU_ASSERT_EQUAL(client_ask(&c, "y", "has left"), 404);
    CU_ASSERT_EQUAL(aiex_fake_count(r.host, AIEX_FAKE_CALL), 0);
    client_close(&c);
    rig_stop(&r);
}

static void ignores_broken_events(void)
{
    struct rig r;

    rig_start(&r, NULL);
    CU_ASSERT_TRUE(is_added(
        &r, (struct wanted){.method = "GET", .path = "/ui", .service = "web", .call = "web.page"}));
    aiex_fake_event(r.host, r.plugin, r.self, "host.plugin", nothing);
    aiex_fake_event(r.host, r.plugin, r.self, "host.plugin", slice_of("\xc1"));
    CU_ASSERT_STRING_EQUAL(
        add(&r, (struct wanted){.method = "GET", .path = "/ui", .service = "x", .call = "y"})->code,
        "conflict");
    rig_stop(&r);
}

static void survives_every_lack_of_memory(void)
{
    for (size_t n = 1; n < 16; n++) {
        const struct aiex_fake_record *call;
        struct client c;
        struct rig r;

        rig_start(&r, NULL);
        CU_ASSERT_TRUE(is_added(
            &r, (struct wanted){
                    .method = "POST", .path = "/ui", .service = "web", .call = "web.page"}));
        aiex_fake_fail_alloc(r.host, n);
        client_open(&r, &c);
        client_send(&c, "POST /ui " H "Content-Length: 2\r\n\r\nxy");
        rig_settle(&r);
        call = aiex_fake_last(r.host, AIEX_FAKE_CALL);
        if (call && call->result == 0)
            aiex_fake_answer_ok(r.host, call->id, page_end(200, "text/plain", "in"));
        rig_settle(&r);
        aiex_fake_advance(r.host, 200);
        rig_settle(&r);
        client_close(&c);
        rig_stop(&r);
    }
}

const struct test_case tests[] = {
    {"refuses_wrong_routes", refuses_wrong_routes},
    {"keeps_routes_apart", keeps_routes_apart},
    {"has_an_end", has_an_end},
    {"passes_requests_to_plugins", passes_requests_to_plugins},
    {"takes_every_kind_of_answer", takes_every_kind_of_answer},
    {"streams_plugins_answers", streams_plugins_answers},
    {"sends_no_body_where_none_may_be", sends_no_body_where_none_may_be},
    {"cuts_other_streams", cuts_other_streams},
    {"bounds_plugins_answers", bounds_plugins_answers},
    {"asks_for_permission", asks_for_permission},
    {"forgets_who_has_left", forgets_who_has_left},
    {"survives_leaving_in_the_middle", survives_leaving_in_the_middle},
    {"ignores_broken_events", ignores_broken_events},
    {"survives_every_lack_of_memory", survives_every_lack_of_memory},
    {0},
};

/* http_pages_test.c - lists of models in every vendor's form, and the page of metrics. */
#include "http_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define H "HTTP/1.1\r\nHost: localhost\r\n"

static const struct aiex_slice nothing;

/* A local model of which all is known, a far one of which little is. */
static struct aiex_slice model_list(void)
{
    static uint8_t mem[1024];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_str(&w, "models");
    aiex_w_array(&w, 2);
    aiex_w_map(&w, 10);
    aiex_w_key_str(&w, "id", "qwen:7b");
    aiex_w_key_int(&w, "created", 1700000000);
    aiex_w_key_int(&w, "context", 32768);
    aiex_w_key_int(&w, "output", 8192);
    aiex_w_key_int(&w, "bytes", 4700000000);
    aiex_w_key_bool(&w, "loaded", 1);
    aiex_w_key_str(&w, "family", "qwen2");
    aiex_w_key_str(&w, "parameters", "7.6B");
    aiex_w_key_str(&w, "quantization", "Q4_K_M");
    aiex_w_str(&w, "capabilities");
    aiex_w_array(&w, 4);
    aiex_w_str(&w, "chat");
    aiex_w_str(&w, "tools");
    aiex_w_str(&w, "fim");
    aiex_w_str(&w, "from_the_future");
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "id", "far");
    aiex_w_key_str(&w, "provider", "provider_x");
    CU_ASSERT_FALSE_FATAL(w.failed);
    return aiex_written(&w);
}

static void lists_models_in_every_form(void)
{
    static const char far_digest[] = "\"digest\":\"";
    static const struct {
        const char *request, *want[4];
    } t[] = {
        {"GET /v1/models " H "\r\n",
         {"{\"object\":\"list\",\"data\":[{\"id\":\"qwen:7b\",\"object\":\"model\"",
          "\"context_length\":32768,\"max_output_tokens\":8192}",
          "{\"id\":\"far\",\"object\":\"model\",\"created\":0,\"owned_by\":\"provider_x\"}"}},
        {"GET /models " H "\r\n", {"{\"object\":\"list\""}},
        {"GET /v1/models?limit=1000 " H "anthropic-version: 2023-06-01\r\n\r\n",
         {"{\"data\":[{\"type\":\"model\",\"id\":\"qwen:7b\",\"display_name\":\"qwen:7b\","
          "\"created_at\":\"2023-11-14T22:13:20Z\"",
          "\"has_more\":false,\"first_id\":\"qwen:7b\",\"last_id\":\"far\"}"}},
        {"GET /v1/models " H "x-api-key: k\r\n\r\n", {"{\"data\":[{\"type\":\"model\""}},
        {"GET /v1/models/far " H "x-api-key: k\r\n\r\n", {"{\"type\":\"model\",\"id\":\"far\""}},
        {"GET /models/qwen%3A7b " H "\r\n", {"{\"id\":\"qwen:7b\",\"object\":\"model\""}},
        {"GET /api/tags " H "\r\n",
         {"{\"models\":[{\"name\":\"qwen:7b\",\"model\":\"qwen:7b\",\"size\":4700000000,",
          far_digest,
          "\"family\":\"qwen2\",\"families\":[\"qwen2\"],\"parameter_size\":\"7.6B\","
          "\"quantization_level\":\"Q4_K_M\"},\"modified_at\":\"2023-11-14T22:13:20Z\"",
          "\"name\":\"far\""}},
        {"GET /api/ps " H "\r\n",
         {"\"name\":\"qwen:7b\"", "\"expires_at\":\"20", "\"size_vram\":"}},
    };
    struct response p;
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        const struct aiex_fake_record *call;

        aiex_fake_forget(r.host);
        client_send(&c, t[i].request);
        call = wait_for_call(&r, "gateway.models", 0);
        CU_ASSERT_PTR_NOT_NULL_FATAL(call);
        CU_ASSERT_EQUAL(field_is(call->body, "credential", "k"),
                        strstr(t[i].request, "k\r\n") != 0);
        aiex_fake_answer_ok(r.host, call->id, model_list());
        CU_ASSERT_EQUAL(client_response(&c, &p), 200);
        for (int k = 0; k < 4 && t[i].want[k]; k++)
            CU_ASSERT_PTR_NOT_NULL(strstr(p.body, t[i].want[k]));
        if (strstr(t[i].request, "/api/ps"))
            CU_ASSERT_PTR_NULL(strstr(p.body, "far")); /* it is not in memory */
        response_done(&p);
    }
    client_close(&c);
    rig_stop(&r);
}

static void shows_models_to_ollama(void)
{
    static const struct {
        const char *body;
        int status;
        const char *want;
    } t[] = {
        {"{\"model\":\"qwen:7b\"}", 200, "\"capabilities\":[\"completion\",\"tools\",\"insert\"]"},
        {"{\"name\":\"qwen:7b\",\"verbose\":true}", 200, "\"qwen2.context_length\":32768"},
        {"{\"model\":\"far\"}", 200, "\"capabilities\":[\"completion\",\"tools\"]"},
        {"{\"model\":\"none\"}", 404, "{\"error\":\"the model 'none' does not exist\"}"},
    };
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        const struct aiex_fake_record *call = call_for(&c,
                                                       post_request("/api/show", "", t[i].body));

        CU_ASSERT_PTR_NOT_NULL_FATAL(call);
        aiex_fake_answer_ok(r.host, call->id, model_list());
        CU_ASSERT_EQUAL(client_ask(&c, "", t[i].want), t[i].status);
    }
    CU_ASSERT_EQUAL(client_ask(&c, "GET /api/version " H "\r\n", "{\"version\":\"0."), 200);
    client_close(&c);
    rig_stop(&r);
}

/* What a list can not do is said in the asker's dialect. */
static void tells_errors_of_lists(void)
{
    static const char *const t[][2] = {
        {"GET /v1/models " H "\r\n", "{\"error\":{\"message\""},
        {"GET /v1/models " H "anthropic-version: 1\r\n\r\n", "{\"type\":\"error\""},
        {"GET /api/tags " H "\r\n", "{\"error\":\"which key?\"}"},
        {"GET /api/ps " H "\r\n", "{\"error\":\"which key?\"}"},
        {"GET /v1/models/m " H "\r\n", "{\"error\":{\"message\""},
    };
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        aiex_fake_forget(r.host);
        client_send(&c, t[i][0]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(wait_for_call(&r, "gateway.models", 0));
        aiex_fake_answer_error(r.host, wait_for_call(&r, "gateway.models", 0)->id, "denied",
                               "which key?", 0, nothing);
        CU_ASSERT_EQUAL(client_ask(&c, "", t[i][1]), 403);
    }
    client_close(&c);
    rig_stop(&r);
}

/* ---- Preflights ---- */

static void lets_listed_pages_send_vendors_headers(void)
{
    struct response p;
    struct client c;
    struct rig r;

    rig_start(&r, (struct aiex_fake_pair[]){{"cors_origins", "https://app.example"}, {0}});
    client_open(&r, &c);
    client_send(&c, "OPTIONS /v1/messages " H "Origin: https://app.example\r\n"
                    "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: "
                    "anthropic-version,x-api-key,x-stainless-os\r\n\r\n");
    CU_ASSERT_EQUAL(client_response(&c, &p), 204);
    CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "access-control-allow-origin: https://app.example"));
    CU_ASSERT_PTR_NOT_NULL(strstr(
        p.head, "access-control-allow-headers: anthropic-version,x-api-key,x-stainless-os\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "access-control-allow-methods: POST, OPTIONS"));
    response_done(&p);
    client_close(&c);
    rig_stop(&r);
}

/* ---- Metrics ---- */

/* promtool is asked when it is installed. */
static void check_exposition(const char *text)
{
    FILE *tool;

    if (access("/usr/bin/promtool", X_OK) != 0)
        return;
    tool = popen("/usr/bin/promtool check metrics >&2", "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(tool);
    fputs(text, tool);
    CU_ASSERT_EQUAL(pclose(tool), 0);
}

static struct aiex_slice text_end(const char *text)
{
    static uint8_t mem[512];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_key_str(&w, "text", text);
    return aiex_written(&w);
}

static const struct {
    const char *service, *method, *text, *line;
} sources[] = {
    {"host", "host.metrics", "# HELP aiex_x_total X.\n# TYPE aiex_x_total counter\naiex_x_total 5",
     "\naiex_x_total 5\n"},
    {"coordinator", "coordinator.metrics",
     "# HELP aiex_llm_y Y.\n# TYPE aiex_llm_y gauge\naiex_llm_y 6\n", "\naiex_llm_y 6\n"},
    {"gateway", "gateway.metrics", "# HELP aiex_z Z.\n# TYPE aiex_z gauge\naiex_z 7\n",
     "\naiex_z 7\n"},
};

/* All three are asked at once; whoever says nothing is left out. */
static void gathers_metrics(void)
{
    struct response p;
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    client_ask(&c, "GET /healthz " H "\r\n", "ok");
    client_ask(&c, "GET /healthz " H "\r\n", "ok");
    client_ask(&c, "GET /nope " H "\r\n", NULL);
    for (unsigned silent = 0; silent < 8; silent++) {
        aiex_fake_forget(r.host);
        client_send(&c, "GET /metrics " H "\r\n");
        for (size_t i = 0; i < 3; i++) {
            const struct aiex_fake_record *call = wait_for_call(&r, sources[i].method, 0);

            CU_ASSERT_PTR_NOT_NULL_FATAL(call);
            CU_ASSERT_STRING_EQUAL(call->service, sources[i].service);
            CU_ASSERT_EQUAL(call->timeout_ms, 2000);
        }
        aiex_fake_answer_error(r.host, wait_for_call(&r, "host.members", 0)->id, "not_found", "no",
                               0, nothing);
        for (size_t i = 0; i < 3; i++) {
            uint64_t id = wait_for_call(&r, sources[i].method, 0)->id;

            CU_ASSERT_EQUAL(client_read(&c, 100), 0);
            if (silent >> i & 1)
                aiex_fake_answer_error(r.host, id, i ? "timeout" : "not_found", "no", 0, nothing);
            else
                aiex_fake_answer_ok(r.host, id, text_end(sources[i].text));
        }
        CU_ASSERT_EQUAL(client_response(&c, &p), 200);
        CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "content-type: text/plain; version=0.0.4"));
        for (size_t i = 0; i < 3; i++)
            CU_ASSERT_EQUAL(strstr(p.body, sources[i].line) == NULL, silent >> i & 1);
        CU_ASSERT_PTR_NOT_NULL(
            strstr(p.body, "aiex_http_requests_total{route=\"/healthz\",code=\"200\"} 2\n"));
        CU_ASSERT_PTR_NOT_NULL(
            strstr(p.body, "aiex_http_requests_total{route=\"other\",code=\"404\"} 1\n"));
        CU_ASSERT_PTR_NOT_NULL(
            strstr(p.body, "aiex_http_request_duration_seconds_count{route=\"/healthz\"} 2\n"));
        CU_ASSERT_PTR_NOT_NULL(strstr(p.body, "\naiex_http_connections 1\n"));
        if (silent == 0 || silent == 7)
            check_exposition(p.body);
        response_done(&p);
    }
    client_close(&c);
    rig_stop(&r);
}

/* Members of the group are asked one by one, and families of the same name become one. */
static void merges_what_members_give(void)
{
    static const char *const names[] = {"tier_hot", "tier_warm", "store_bdb"};
    static const char *const texts[] = {
        "# HELP aiex_t T.\n# TYPE aiex_t gauge\naiex_t{plugin=\"tier_hot\"} 1\n",
        "# HELP aiex_t T.\n# TYPE aiex_t gauge\naiex_t{plugin=\"tier_warm\"} 2\nbroken line\n",
        "# HELP aiex_kept S.\n# TYPE aiex_kept gauge\naiex_kept{plugin=\"store_bdb\"} 3\n"};
    uint8_t mem[256];
    struct aiex_writer w;
    struct response p;
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    client_send(&c, "GET /metrics " H "\r\n");
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_str(&w, "members");
    aiex_w_array(&w, 3);
    for (int i = 0; i < 3; i++)
        aiex_w_str(&w, names[i]);
    CU_ASSERT_TRUE(field_is(wait_for_call(&r, "host.members", 0)->body, "name", "metrics"));
    aiex_fake_answer_ok(r.host, wait_for_call(&r, "host.members", 0)->id, aiex_written(&w));
    for (size_t i = 0; i < 3; i++) {
        const struct aiex_fake_record *call = wait_for_call(&r, "service.metrics", i);

        CU_ASSERT_PTR_NOT_NULL_FATAL(call);
        CU_ASSERT_STRING_EQUAL(call->service, names[i]);
        aiex_fake_answer_ok(r.host, call->id, text_end(texts[i]));
    }
    for (size_t i = 0; i < 3; i++)
        aiex_fake_answer_error(r.host, wait_for_call(&r, sources[i].method, 0)->id, "timeout", "no",
                               0, nothing);
    CU_ASSERT_EQUAL(client_response(&c, &p), 200);
    CU_ASSERT_PTR_NOT_NULL(strstr(p.body, "# HELP aiex_t T.\n# TYPE aiex_t gauge\n"
                                          "aiex_t{plugin=\"tier_hot\"} 1\n"
                                          "aiex_t{plugin=\"tier_warm\"} 2\n"
                                          "# HELP aiex_kept S.\n# TYPE aiex_kept gauge\n"
                                          "aiex_kept{plugin=\"store_bdb\"} 3\n"));
    CU_ASSERT_PTR_NULL(strstr(p.body, "broken"));
    check_exposition(p.body);
    response_done(&p);
    client_close(&c);
    rig_stop(&r);
}

static int answer_at_once(void *arg, struct aiex_fake_host *h, const struct aiex_fake_record *call)
{
    return aiex_fake_answer_ok(h, call->id, text_end("aiex_nothing 1\n"));
}

static int refuse_call(void *arg, struct aiex_fake_host *h, const struct aiex_fake_record *call)
{
    return -16; /* EBUSY */
}

static void gathers_within_calls(void)
{
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    aiex_fake_on_call(r.host, answer_at_once, NULL);
    CU_ASSERT_EQUAL(client_ask(&c, "GET /metrics " H "\r\n", "aiex_nothing 1"), 200);
    aiex_fake_on_call(r.host, refuse_call, NULL);
    CU_ASSERT_EQUAL(client_ask(&c, "GET /metrics " H "\r\n", "aiex_http_connections 1"), 200);
    client_close(&c);
    rig_stop(&r);
}

static void cancels_the_gathering(void)
{
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    client_send(&c, "GET /metrics " H "\r\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(wait_for_call(&r, "gateway.metrics", 0));
    aiex_fake_answer_ok(r.host, wait_for_call(&r, "host.metrics", 0)->id, text_end("x 1\n"));
    client_close(&c);
    CU_ASSERT_EQUAL(aiex_fake_count(r.host, AIEX_FAKE_CANCEL), 3);
    rig_stop(&r);
}

/* Where keys are demanded, numbers are for those who may see them. */
static void guards_metrics(void)
{
    const struct aiex_fake_record *call;
    struct client c;
    struct rig r;

    rig_start(&r, (struct aiex_fake_pair[]){{"authentication", "required"}, {0}});
    client_open(&r, &c);
    client_send(&c, "GET /metrics " H "authorization: Bearer k\r\n\r\n");
    call = wait_for_call(&r, "gateway.check", 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    CU_ASSERT_TRUE(field_is(call->body, "permission", "usage"));
    CU_ASSERT_TRUE(field_is(call->body, "credential", "k"));
    aiex_fake_answer_error(r.host, call->id, "denied", "not for you", 0, nothing);
    CU_ASSERT_EQUAL(client_ask(&c, "", "not for you"), 403);
    CU_ASSERT_PTR_NULL(aiex_fake_find(r.host, AIEX_FAKE_CALL, "host.metrics", 0));
    client_close(&c);
    rig_stop(&r);
}

static void survives_every_lack_of_memory(void)
{
    for (size_t n = 1; n < 20; n++) {
        struct client c;
        struct rig r;

        rig_start(&r, NULL);
        aiex_fake_on_call(r.host, answer_at_once, NULL);
        aiex_fake_fail_alloc(r.host, n);
        client_open(&r, &c);
        client_send(&c, "GET /metrics " H "\r\n");
        rig_settle(&r);
        aiex_fake_advance(r.host, 200);
        rig_settle(&r);
        while (client_read(&c, 4096))
            ;
        CU_ASSERT_TRUE(c.ended || c.n > 0);
        client_close(&c);
        rig_stop(&r);
    }
}

const struct test_case tests[] = {
    {"lists_models_in_every_form", lists_models_in_every_form},
    {"shows_models_to_ollama", shows_models_to_ollama},
    {"tells_errors_of_lists", tells_errors_of_lists},
    {"lets_listed_pages_send_vendors_headers", lets_listed_pages_send_vendors_headers},
    {"gathers_metrics", gathers_metrics},
    {"merges_what_members_give", merges_what_members_give},
    {"gathers_within_calls", gathers_within_calls},
    {"cancels_the_gathering", cancels_the_gathering},
    {"guards_metrics", guards_metrics},
    {"survives_every_lack_of_memory", survives_every_lack_of_memory},
    {0},
};

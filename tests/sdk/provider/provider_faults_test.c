/*
 * provider_faults_test.c - every client dialect over every vendor dialect, and every way in which a
 * vendor fails: the caller has the right code and reason, nothing broken, and never a clean end.
 */
#include "scripted.h"

#define EACH_PAIR(native, client)                                                                  \
    for (int native = 0; native < N_CHATS; native++)                                               \
        for (int client = 0; client < N_CHATS; client++)

/* Where a test of pairs stands, for whoever reads its failure. */
static void at_pair(int native, int client, int ok, const char *what)
{
    if (!ok)
        fprintf(stderr, "%s: client %s, vendor %s\n", what, scripts[client].dialect,
                scripts[native].dialect);
    CU_ASSERT(ok);
}

/* ---- Good answers ---- */

static void good_streams(void)
{
    EACH_PAIR(native, client)
    {
        const struct aiex_fake_record *r;
        uint64_t id;

        scripted_begin(native, NULL, NULL);
        id = scripted_chat(client, 1);
        CU_ASSERT_PTR_NOT_NULL_FATAL(scripted_request(native));
        scripted_head(native);
        scripted_send(native, scripts[native].start);
        scripted_send(native, scripts[native].text);
        at_pair(native, client, rig_parts_have(id, "hello"), "text at once");
        scripted_send(native, scripts[native].end);
        fake_http_end(scripted_request(native), AIEX_HTTP_OK, 1, NULL);
        r = rig_good(id);
        at_pair(native, client, rig_parts_have(id, scripts[client].whole_end), "end");
        at_pair(native, client,
                rig_number(r, "input_tokens") == 11 && rig_number(r, "output_tokens") == 4 &&
                    rig_truth(r, "estimated") == -1,
                "usage");
        CU_ASSERT(rig_is(r, "model", "m-1") && rig_is(r, "finish", "stop"));
        rig_finish();
    }
}

static void good_documents(void)
{
    EACH_PAIR(native, client)
    {
        const struct aiex_fake_record *r;
        uint64_t id;

        scripted_begin(native, NULL, NULL);
        id = scripted_chat(client, 0);
        fake_http_answer(scripted_request(native), 200, "application/json", scripts[native].whole);
        r = rig_good(id);
        at_pair(native, client, rig_parts_have(id, "hello"), "text");
        at_pair(native, client,
                rig_number(r, "input_tokens") == 11 && rig_number(r, "output_tokens") == 4,
                "usage");
        rig_finish();
    }
}

/* ---- Streams that are not whole ---- */

/* Starts a stream with text, sends `then`, ends it; the record of the failure. */
static const struct aiex_fake_record *fail_after_text(int native, int client, const char *then,
                                                      uint32_t result, const char *code,
                                                      int http_status)
{
    const struct aiex_fake_record *r;
    uint64_t id;

    scripted_begin(native, NULL, NULL);
    id = scripted_chat(client, 1);
    scripted_head(native);
    scripted_send(native, scripts[native].start);
    scripted_send(native, scripts[native].text);
    scripted_send(native, then);
    fake_http_end(scripted_request(native), result, 1, "why");
    r = rig_failed(id, code, http_status);
    at_pair(native, client, !rig_parts_have(id, scripts[client].whole_end), "a clean end");
    at_pair(native, client, rig_parts_have(id, "hello"), "the text before");
    at_pair(native, client, !rig_parts_have(id, "rotten"), "what was broken");
    CU_ASSERT_EQUAL(rig_truth(r, "started"), 1);
    CU_ASSERT(rig_number(r, "input_tokens") > 0 && rig_number(r, "output_tokens") > 0);
    return r;
}

static void cut_streams(void)
{
    EACH_PAIR(native, client)
    {
        CU_ASSERT(rig_is(fail_after_text(native, client, "", AIEX_HTTP_CUT, "upstream", 502),
                         "reason", "stream"));
        rig_finish();
    }
}

static void stalled_streams(void)
{
    EACH_PAIR(native, client)
    {
        CU_ASSERT(rig_is(fail_after_text(native, client, "", AIEX_HTTP_TIMEOUT, "timeout", 504),
                         "reason", "timeout"));
        rig_finish();
    }
}

static void streams_without_an_end(void)
{
    EACH_PAIR(native, client)
    {
        fail_after_text(native, client, "", AIEX_HTTP_OK, "upstream", 502);
        rig_finish();
    }
}

static void malformed_events(void)
{
    EACH_PAIR(native, client)
    {
        const char *broken = scripts[native].broken;

        CU_ASSERT(rig_is(fail_after_text(native, client, broken, AIEX_HTTP_OK, "upstream", 502),
                         "reason", "stream"));
        CU_ASSERT_EQUAL(scripted_request(native)->gave_up, 1);
        rig_finish();
    }
}

static void doubled_starts(void)
{
    for (int client = 0; client < N_CHATS; client++) {
        fail_after_text(2, client, scripts[2].start, AIEX_HTTP_OK, "upstream", 502);
        rig_finish();
    }
}

static void deltas_of_nothing(void)
{
    static const char stray[] =
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":7,"
        "\"delta\":{\"type\":\"text_delta\",\"text\":\"rotten\"}}\n\n";

    for (int client = 0; client < N_CHATS; client++) {
        fail_after_text(2, client, stray, AIEX_HTTP_OK, "upstream", 502);
        rig_finish();
    }
}

static void text_after_the_finish(void)
{
    static const char late[] =
        "data: "
        "{\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
        "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"rotten\"},"
        "\"finish_reason\":null}]}\n\ndata: [DONE]\n\n";

    for (int client = 0; client < N_CHATS; client++) {
        fail_after_text(0, client, late, AIEX_HTTP_OK, "upstream", 502);
        rig_finish();
    }
}

static void tool_arguments_cut_in_half(void)
{
    EACH_PAIR(native, client)
    {
        if (!scripts[native].half_tool)
            continue;
        fail_after_text(native, client, scripts[native].half_tool, AIEX_HTTP_OK, "upstream", 502);
        rig_finish();
    }
}

static void errors_inside_streams(void)
{
    EACH_PAIR(native, client)
    {
        const struct aiex_fake_record *r = fail_after_text(
            native, client, scripts[native].late_error, AIEX_HTTP_OK, "busy", 529);

        at_pair(native, client, rig_is(r, "reason", "overloaded"), "reason");
        at_pair(native, client, rig_has(r, "body", scripts[client].error_shape), "document");
        rig_finish();
    }
}

/* ---- No answer at all ---- */

static void wrong_content_type(void)
{
    EACH_PAIR(native, client)
    {
        uint64_t id;

        scripted_begin(native, NULL, NULL);
        id = scripted_chat(client, 1);
        fake_http_answer(scripted_request(native), 200, "text/html", "<html>sign in</html>");
        rig_failed(id, "upstream", 502);
        CU_ASSERT_EQUAL(aiex_fake_parts(rig.host, id).len, 0);
        rig_finish();
    }
}

static void unasked_encoding(void)
{
    uint64_t id;

    scripted_begin(0, NULL, NULL);
    id = scripted_chat(0, 0);
    fake_http_head(scripted_request(0), 200, JSON "content-encoding: gzip\n");
    scripted_send(0, "\x1f\x8b");
    fake_http_end(scripted_request(0), AIEX_HTTP_OK, 1, NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr(rig_failed(id, "upstream", 502)->text, "encoding"));
    rig_finish();
}

static void slow_first_token(void)
{
    EACH_PAIR(native, client)
    {
        const struct aiex_fake_record *r;
        uint64_t id;

        scripted_begin(native, NULL, NULL);
        id = scripted_call(client, 1, &(struct rig_call){.first_token_ms = 5000});
        CU_ASSERT_EQUAL(scripted_request(native)->q.first_byte_ms, 5000);
        scripted_head(native);
        if (native != 3)
            scripted_send(native, ": still here\n\n");
        aiex_fake_advance(rig.host, 4999);
        CU_ASSERT_PTR_NULL(aiex_fake_answer(rig.host, id));
        aiex_fake_advance(rig.host, 1);
        r = rig_failed(id, "timeout", 504);
        CU_ASSERT(rig_is(r, "reason", "timeout"));
        CU_ASSERT(!scripted_request(native)->open);
        rig_finish();
    }
}

static void first_token_in_time(void)
{
    uint64_t id;

    scripted_begin(0, NULL, NULL);
    id = scripted_call(0, 1, &(struct rig_call){.first_token_ms = 5000});
    scripted_head(0);
    scripted_send(0, scripts[0].start);
    scripted_send(0, scripts[0].text);
    aiex_fake_advance(rig.host, 60000);
    CU_ASSERT_PTR_NULL(aiex_fake_answer(rig.host, id));
    scripted_send(0, scripts[0].end);
    rig_good(id);
    fake_http_end(scripted_request(0), AIEX_HTTP_OK, 1, NULL);
    rig_finish();
}

static void limits_of_the_request(void)
{
    scripted_begin(0, "total_timeout", "20s");
    scripted_call(0, 0, &(struct rig_call){.first_token_ms = 5, .idle_ms = 700, .total_ms = 30000});
    CU_ASSERT_EQUAL(scripted_request(0)->q.idle_ms, 700);
    CU_ASSERT_EQUAL(scripted_request(0)->q.total_ms, 20000);
    CU_ASSERT_EQUAL(scripted_request(0)->q.first_byte_ms, 120000); /* it has no events */
    fake_http_end(scripted_request(0), AIEX_HTTP_CUT, 1, "x");
    scripted_call(0, 0, &(struct rig_call){.idle_ms = 700000, .total_ms = 3000});
    CU_ASSERT_EQUAL(scripted_request(0)->q.idle_ms, 60000);
    CU_ASSERT_EQUAL(scripted_request(0)->q.total_ms, 3000);
    fake_http_end(scripted_request(0), AIEX_HTTP_CUT, 1, "x");
    rig_failed(rig_call(&(struct rig_call){
                   .dialect = "openai.chat", .model = "m", .body = "{}", .idle_ms = -1}),
               "invalid", 400);
    rig_finish();
}

static void before_any_head(void)
{
    static const struct {
        uint32_t result;
        int sent;
        const char *code;
        int http_status, started;
        const char *reason;
    } rows[] = {{AIEX_HTTP_CONNECT, 0, "unavailable", 503, 0, "connect"},
                {AIEX_HTTP_TLS, 0, "unavailable", 503, 0, "tls"},
                {AIEX_HTTP_TIMEOUT, 0, "unavailable", 503, 0, "connect"},
                {AIEX_HTTP_TIMEOUT, 1, "timeout", 504, 1, "timeout"},
                {AIEX_HTTP_CUT, 1, "upstream", 502, 1, "stream"},
                {AIEX_HTTP_MALFORMED, 1, "upstream", 502, 1, "stream"}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        EACH_PAIR(native, client)
        {
            const struct aiex_fake_record *r;
            uint64_t id;

            scripted_begin(native, NULL, NULL);
            id = scripted_chat(client, 1);
            fake_http_end(scripted_request(native), rows[i].result, rows[i].sent, "why");
            r = rig_failed(id, rows[i].code, rows[i].http_status);
            CU_ASSERT_EQUAL(rig_truth(r, "started"), rows[i].started);
            CU_ASSERT(rig_is(r, "reason", rows[i].reason));
            CU_ASSERT_EQUAL(rig_number(r, "input_tokens"), -999);
            rig_finish();
        }
}

/* ---- What vendors say with a status ---- */

static const struct aiex_fake_record *
refused(int native, int client, int status, const char *headers, const char *body, const char *code)
{
    uint64_t id = scripted_chat(client, 1);

    fake_http_head(scripted_request(native), status, headers);
    scripted_send(native, body);
    fake_http_end(scripted_request(native), AIEX_HTTP_OK, 1, NULL);
    CU_ASSERT_EQUAL(aiex_fake_parts(rig.host, id).len, 0);
    return rig_failed(id, code, status);
}

static void too_many_requests(void)
{
    EACH_PAIR(native, client)
    {
        const struct aiex_fake_record *r;

        scripted_begin(native, NULL, NULL);
        r = refused(native, client, 429, JSON "retry-after: 2\n", scripts[native].plain_error,
                    "busy");
        CU_ASSERT_EQUAL(r->retry_after_ms, 2000);
        at_pair(native, client, rig_is(r, "reason", "rate_limit"), "reason");
        at_pair(native, client, rig_has(r, "body", scripts[client].error_shape), "document");
        CU_ASSERT_EQUAL(rig_truth(r, "started"), 0);
        CU_ASSERT_EQUAL(rig_healthy(), 1);
        rig_finish();
    }
}

static void nothing_left_says_when(void)
{
    const struct aiex_fake_record *r;

    scripted_begin(0, NULL, NULL);
    r = refused(0, 0, 429,
                JSON "x-ratelimit-remaining-tokens: 0\nx-ratelimit-reset-tokens: 1m30s\n",
                scripts[0].plain_error, "busy");
    CU_ASSERT_EQUAL(r->retry_after_ms, 90000);
    rig_finish();
}

static void what_is_left_is_told(void)
{
    const struct aiex_fake_record *r;
    uint64_t id;

    scripted_begin(0, NULL, NULL);
    id = scripted_chat(0, 0);
    fake_http_head(scripted_request(0), 200,
                   JSON "x-ratelimit-remaining-requests: 59\nx-ratelimit-remaining-tokens: 1000\n"
                        "x-ratelimit-reset-tokens: 1s\n");
    scripted_send(0, scripts[0].whole);
    fake_http_end(scripted_request(0), AIEX_HTTP_OK, 1, NULL);
    r = rig_good(id);
    CU_ASSERT_EQUAL(rig_number(r, "left_requests"), 59);
    CU_ASSERT_EQUAL(rig_number(r, "left_tokens"), 1000);
    CU_ASSERT_EQUAL(rig_number(r, "reset_ms"), 1000);
    rig_finish();
}

static void faults_of_the_server(void)
{
    EACH_PAIR(native, client)
    {
        scripted_begin(native, NULL, NULL);
        CU_ASSERT(
            rig_is(refused(native, client, 500, "content-type: text/html\n", "<h1>", "upstream"),
                   "reason", "server"));
        refused(native, client, 503, "content-type: text/plain\n", "", "upstream");
        CU_ASSERT_EQUAL(
            refused(native, client, 503, "retry-after: 1\n", "", "busy")->retry_after_ms, 1000);
        refused(native, client, 529, JSON, "", "busy");
        refused(native, client, 504, JSON, "", "timeout");
        rig_finish();
    }
}

static void faults_of_the_client_keep_it_up(void)
{
    EACH_PAIR(native, client)
    {
        const struct aiex_fake_record *r;

        scripted_begin(native, NULL, NULL);
        fake_http_answer(fake_http_find("/models"), 200, "application/json", "{\"data\":[]}");
        r = refused(native, client, 400, JSON, scripts[native].too_long, "invalid");
        at_pair(native, client, rig_is(r, "reason", "context_length"), "context length");
        at_pair(native, client, rig_has(r, "body", scripts[client].error_shape), "document");
        if (scripts[native].filtered) {
            r = refused(native, client, 400, JSON, scripts[native].filtered, "invalid");
            at_pair(native, client, rig_is(r, "reason", "content_filter"), "content filter");
        }
        refused(native, client, 404, JSON, "", "not_found");
        refused(native, client, 403, JSON, "", "denied");
        CU_ASSERT_EQUAL(fake_http_find("/models")->id, 1);
        refused(native, client, 401, JSON, "", "denied");
        CU_ASSERT_EQUAL(rig_healthy(), 1);
        CU_ASSERT(fake_http_find("/models")->id > 1); /* is it the key? */
        rig_finish();
    }
}

static void redirects_are_not_followed(void)
{
    uint64_t id;

    scripted_begin(0, NULL, NULL);
    id = scripted_chat(0, 0);
    fake_http_head(scripted_request(0), 302, "location: http://elsewhere/\n");
    fake_http_end(scripted_request(0), AIEX_HTTP_OK, 1, NULL);
    rig_failed(id, "upstream", 502);
    CU_ASSERT_EQUAL(fake_http.n, 2); /* with the probe */
    rig_finish();
}

static void words_of_a_vendor_are_one_line(void)
{
    char doc[1200] = "{\"error\":{\"message\":\"two\\nlines\\u0007 ", *at = doc + strlen(doc);
    const char *text;

    for (int i = 0; i < 200; i++)
        at = stpcpy(at, "\xc5\xbe");
    strcpy(at, "\",\"type\":\"server_error\"}}");
    for (int shift = 0; shift < 2; shift++) {
        scripted_begin(0, "base_url", shift ? "http://127.0.0.1:90" : "http://127.0.0.1:9");
        text = refused(0, 0, 500, JSON, doc, "upstream")->text;
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "two lines  "));
        for (const char *p = text; *p; p++)
            CU_ASSERT((unsigned char)*p >= 0x20);
        /* no half character at the end, where it was cut */
        CU_ASSERT((unsigned char)text[strlen(text) - 1] < 0xc0);
        rig_finish();
    }
}

const struct test_case tests[] = {
    {"good_streams", good_streams},
    {"good_documents", good_documents},
    {"cut_streams", cut_streams},
    {"stalled_streams", stalled_streams},
    {"streams_without_an_end", streams_without_an_end},
    {"malformed_events", malformed_events},
    {"doubled_starts", doubled_starts},
    {"deltas_of_nothing", deltas_of_nothing},
    {"text_after_the_finish", text_after_the_finish},
    {"tool_arguments_cut_in_half", tool_arguments_cut_in_half},
    {"errors_inside_streams", errors_inside_streams},
    {"wrong_content_type", wrong_content_type},
    {"unasked_encoding", unasked_encoding},
    {"slow_first_token", slow_first_token},
    {"first_token_in_time", first_token_in_time},
    {"limits_of_the_request", limits_of_the_request},
    {"before_any_head", before_any_head},
    {"too_many_requests", too_many_requests},
    {"nothing_left_says_when", nothing_left_says_when},
    {"what_is_left_is_told", what_is_left_is_told},
    {"faults_of_the_server", faults_of_the_server},
    {"faults_of_the_client_keep_it_up", faults_of_the_client_keep_it_up},
    {"redirects_are_not_followed", redirects_are_not_followed},
    {"words_of_a_vendor_are_one_line", words_of_a_vendor_are_one_line},
    {0}};

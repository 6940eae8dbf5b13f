/*
 * provider_openai through its descriptor: a fake host plays callers and clock, a fake
 * aiex.http/1 plays the vendor.
 */
#include <rig.h>

#define CHUNK(text)                                                                                \
    "data: {\"model\":\"m-2024\",\"choices\":[{\"delta\":{\"content\":\"" text                     \
    "\"},\"finish_reason\":null}]}\n\n"
#define LAST                                                                                       \
    "data: {\"model\":\"m-2024\",\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
#define USAGE                                                                                      \
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":4,"               \
    "\"prompt_tokens_details\":{\"cached_tokens\":2}}}\n\n"
#define DONE   "data: [DONE]\n\n"
#define STREAM "content-type: text/event-stream; charset=utf-8\n"

static void begin(const struct aiex_fake_pair *pairs)
{
    static const struct aiex_fake_pair keyed[] = {{"api_key", "sk-secret"}, {0}};

    unsetenv("OPENAI_API_KEY");
    unsetenv("OPENAI_BASE_URL");
    rig_begin(pairs ? pairs : keyed);
}

static uint64_t chat_with(const char *model, const char *json, int stream, int attempt)
{
    return rig_call(&(struct rig_call){.dialect = "openai.chat",
                                       .model = model,
                                       .body = json,
                                       .stream = stream,
                                       .attempt = attempt});
}

static uint64_t chat(int stream)
{
    return chat_with("m",
                     stream ? "{\"model\":\"m\",\"stream\":true,\"messages\":[]}"
                            : "{\"model\":\"m\",\"messages\":[]}",
                     stream, 0);
}

static struct fake_http_request *request(void)
{
    return fake_http_find("/chat/completions");
}

/* ---- Requests ---- */

static void request_looks_right(void)
{
    begin((struct aiex_fake_pair[]){{"api_key", "sk-secret"},
                                    {"base_url", "http://127.0.0.1:9/v1//"},
                                    {"organization", "org-1"},
                                    {"model_prefix", "work/"},
                                    {"verify_tls", "no"},
                                    {"idle_timeout", "7s"},
                                    {0}});
    chat_with("work/m", "{\"model\":\"work/m\",\"n\" : 1}", 0, 0);
    CU_ASSERT_STRING_EQUAL(request()->url, "http://127.0.0.1:9/v1/chat/completions");
    CU_ASSERT_STRING_EQUAL(request()->method, "POST");
    CU_ASSERT_STRING_EQUAL(request()->body, "{\"model\":\"m\",\"n\" : 1}");
    CU_ASSERT_PTR_NOT_NULL(strstr(request()->headers, "authorization: Bearer sk-secret\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(request()->headers, "openai-organization: org-1\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(request()->headers, "content-type: application/json\n"));
    CU_ASSERT_EQUAL(request()->q.idle_ms, 7000);
    CU_ASSERT_EQUAL(request()->q.flags, AIEX_HTTP_NO_VERIFY);
    fake_http_answer(request(), 500, "text/plain", "x");
    rig_finish();
}

static void wrong_requests_are_refused(void)
{
    uint8_t mem[128];
    struct aiex_writer w;
    uint64_t id;

    begin(NULL);
    rig_failed(chat_with("m", "{\"model\":", 0, 0), "invalid", 400);
    rig_failed(chat_with("", "{}", 0, 0), "invalid", 400);
    rig_failed(aiex_fake_request(rig.host, rig.plugin, rig.self, "provider.chat",
                                 (struct aiex_slice){NULL, 0}, 0),
               "invalid", 400);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_key_str(&w, "dialect", "smoke.signals");
    rig_failed(
        aiex_fake_request(rig.host, rig.plugin, rig.self, "provider.chat", aiex_written(&w), 0),
        "invalid", 400);
    id = aiex_fake_request(rig.host, rig.plugin, rig.self, "provider.dance",
                           (struct aiex_slice){NULL, 0}, 0);
    CU_ASSERT_STRING_EQUAL(aiex_fake_answer(rig.host, id)->code, "not_found");
    CU_ASSERT_PTR_NULL(request());
    fake_http.refuse = -ENOMEM;
    rig_failed(chat(0), "unavailable", 503);
    rig_finish();
}

static void options_are_checked(void)
{
    static const struct aiex_fake_pair bad[][2] = {{{"models", "one, two three"}, {0}},
                                                   {{"base_url", "ftp://x"}, {0}},
                                                   {{"api_key", "sk\nx: y"}, {0}},
                                                   {{"models", " , "}, {0}},
                                                   {{"organization", "two words"}, {0}}};

    rig.plugin = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct aiex_error err = {""};

        rig.host = aiex_fake_host_new("provider_openai");
        aiex_fake_extension(rig.host, AIEX_HTTP_ID, &fake_http_table);
        CU_ASSERT_EQUAL(aiex_fake_start(rig.host, rig.plugin, bad[i], &rig.self, &err), -EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, bad[i][0].name));
        CU_ASSERT_PTR_NULL(strstr(err.text, "sk\nx"));
        CU_ASSERT_EQUAL(aiex_fake_host_free(rig.host), 0);
    }
}

/* ---- Unary ---- */

#define UNARY                                                                                      \
    "{\"model\":\"m-2024\",\"choices\":[{\"message\":{\"content\":\"hi\"},\"finish_reason\":"      \
    "\"length\"}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}"

static void unary_answer(void)
{
    const struct aiex_fake_record *r;
    uint64_t id;

    begin(NULL);
    id = chat_with("m", "{\"model\":\"m\"}", 0, 3);
    aiex_fake_set_now(rig.host, 1000000);
    fake_http_head(request(), 200, "content-type: application/json\n");
    fake_http_body(request(), UNARY, strlen(UNARY), 1);
    CU_ASSERT_PTR_NULL(aiex_fake_answer(rig.host, id));
    CU_ASSERT_EQUAL(aiex_fake_count(rig.host, AIEX_FAKE_STREAM), 0);
    fake_http_end(request(), AIEX_HTTP_OK, 1, NULL);
    r = aiex_fake_answer(rig.host, id);
    CU_ASSERT_EQUAL_FATAL(r->kind, AIEX_FAKE_REPLY);
    rig_parts_are(id, UNARY);
    CU_ASSERT_EQUAL(rig_number(r, "input_tokens"), 5);
    CU_ASSERT_EQUAL(rig_number(r, "output_tokens"), 2);
    CU_ASSERT_EQUAL(rig_number(r, "cached_tokens"), -999);
    CU_ASSERT_EQUAL(rig_number(r, "attempts"), 3);
    CU_ASSERT(rig_number(r, "total_ms") >= rig_number(r, "first_ms"));
    CU_ASSERT(rig_is(r, "model", "m-2024") && rig_is(r, "finish", "length"));
    CU_ASSERT(rig_is(r, "provider", "provider_openai"));
    rig_finish();
}

static void unary_respects_the_window(void)
{
    size_t n = 200000;
    char *body = malloc(n + 64);
    uint64_t id;

    begin(NULL);
    aiex_fake_window(rig.host, 70000);
    memcpy(body, "{\"choices\":[{\"t\":\"", 18);
    memset(body + 18, 'x', n);
    strcpy(body + 18 + n, "\"}]}");
    id = chat(0);
    fake_http_answer(request(), 200, "application/json", body);
    CU_ASSERT_PTR_NULL(aiex_fake_answer(rig.host, id));
    CU_ASSERT(aiex_fake_parts(rig.host, id).len < strlen(body));
    while (aiex_fake_resume(rig.host, id) == 1)
        ;
    CU_ASSERT_PTR_NOT_NULL_FATAL(aiex_fake_answer(rig.host, id));
    rig_parts_are(id, body);
    /* and one whose caller leaves while it waits */
    id = chat(0);
    fake_http_answer(request(), 200, "application/json", body);
    CU_ASSERT_PTR_NULL(aiex_fake_answer(rig.host, id));
    CU_ASSERT_EQUAL(aiex_fake_cancel(rig.host, id), 0);
    free(body);
    rig_finish();
}

static void unary_that_is_no_answer(void)
{
    static const struct {
        const char *type, *body;
    } rows[] = {{"text/html", "<html>sign in</html>"},
                {"application/json", "{\"choices\":[{}]"},
                {"application/json", "[]"},
                {"application/json", ""},
                {"application/json", "{\"error\":{\"message\":\"no\"}}"}};

    begin(NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t id = chat(0);

        fake_http_answer(request(), 200, rows[i].type, rows[i].body);
        rig_failed(id, "upstream", i < 4 ? 502 : 500);
        CU_ASSERT_EQUAL(aiex_fake_parts(rig.host, id).len, 0);
    }
    CU_ASSERT(rig_has(aiex_fake_last(rig.host, AIEX_FAKE_FAIL), "body", "\"message\":"));
    rig_finish();
}

/* ---- Errors ---- */

static void error_statuses(void)
{
    static const char doc[] = "{\"error\":{\"message\":\"slow down\"}}";
    const struct aiex_fake_record *r;
    uint64_t id;

    begin(NULL);
    id = chat(1);
    fake_http_head(request(), 429, "content-type: application/json\nretry-after: 2\n");
    fake_http_body(request(), doc, strlen(doc), 3);
    fake_http_end(request(), AIEX_HTTP_OK, 1, NULL);
    r = rig_failed(id, "busy", 429);
    CU_ASSERT_EQUAL(r->retry_after_ms, 2000);
    CU_ASSERT(rig_is(r, "body", doc));
    CU_ASSERT_EQUAL(rig_truth(r, "started"), 0);

    id = chat(1);
    fake_http_answer(request(), 500, "text/html", "<h1>oops</h1>");
    r = rig_failed(id, "upstream", 500);
    CU_ASSERT(!rig_is(r, "body", "<h1>oops</h1>"));
    CU_ASSERT_EQUAL(rig_truth(r, "started"), 1);

    id = chat(0); /* the status counts although its document is cut off */
    fake_http_head(request(), 400, "content-type: application/json\n");
    fake_http_body(request(), "{\"err", 5, 0);
    fake_http_end(request(), AIEX_HTTP_CUT, 1, "closed");
    rig_failed(id, "invalid", 400);
    rig_finish();
}

static void long_error_documents_are_dropped(void)
{
    size_t n = 70000;
    char *body = malloc(n + 1);
    uint64_t id;

    memset(body, ' ', n);
    memcpy(body, "{}", 3);
    body[2] = ' ';
    body[n] = 0;
    begin(NULL);
    id = chat(0);
    fake_http_head(request(), 400, "content-type: application/json\n");
    fake_http_body(request(), body, n, 10000);
    CU_ASSERT(request()->gave_up);
    fake_http_end(request(), AIEX_HTTP_OK, 1, NULL);
    rig_failed(id, "invalid", 400);
    free(body);
    rig_finish();
}

static void broken_connections(void)
{
    static const struct {
        uint32_t result;
        int sent;
        const char *code;
        int http_status, started;
    } rows[] = {{AIEX_HTTP_CONNECT, 0, "unavailable", 503, 0},
                {AIEX_HTTP_TLS, 0, "unavailable", 503, 0},
                {AIEX_HTTP_TIMEOUT, 0, "unavailable", 503, 0},
                {AIEX_HTTP_TIMEOUT, 1, "timeout", 504, 1},
                {AIEX_HTTP_CUT, 1, "upstream", 502, 1},
                {AIEX_HTTP_MALFORMED, 1, "upstream", 502, 1},
                {99, 1, "upstream", 502, 1}};

    begin(NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int stream = 0; stream < 2; stream++) {
            uint64_t id = chat(stream);

            fake_http_end(request(), rows[i].result, rows[i].sent, "why");
            CU_ASSERT_EQUAL(rig_truth(rig_failed(id, rows[i].code, rows[i].http_status), "started"),
                            rows[i].started);
        }
    rig_finish();
}

/* ---- Streams ---- */

static void stream_split_at_every_byte(void)
{
    static const char sent[] = ": hello\n\n" CHUNK("a") CHUNK("\xc5\xbe") LAST USAGE DONE;
    static const char got[] = CHUNK("a") CHUNK("\xc5\xbe") LAST DONE;
    const struct aiex_fake_record *r;

    begin(NULL);
    for (size_t step = 1; step <= sizeof(sent); step++) {
        uint64_t id = chat(1);

        fake_http.n = 2; /* reuse the slot: a run makes hundreds */
        fake_http_head(&fake_http.requests[1], 200, STREAM);
        fake_http_body(&fake_http.requests[1], sent, sizeof(sent) - 1, step);
        fake_http_end(&fake_http.requests[1], AIEX_HTTP_OK, 1, NULL);
        r = aiex_fake_answer(rig.host, id);
        CU_ASSERT_PTR_NOT_NULL_FATAL(r);
        CU_ASSERT_EQUAL(r->kind, AIEX_FAKE_REPLY);
        rig_parts_are(id, got);
        CU_ASSERT_EQUAL(rig_number(r, "input_tokens"), 11);
        CU_ASSERT_EQUAL(rig_number(r, "output_tokens"), 4);
        CU_ASSERT_EQUAL(rig_number(r, "cached_tokens"), 2);
        CU_ASSERT(rig_is(r, "finish", "stop") && rig_is(r, "model", "m-2024"));
        free(fake_http.requests[1].body);
        fake_http.n = 1;
    }
    rig_finish();
}

static void one_read_is_one_part(void)
{
    static const char sent[] = CHUNK("a") CHUNK("b") USAGE LAST DONE;
    uint64_t id;

    begin(NULL);
    id = chat(1);
    fake_http_head(request(), 200, STREAM);
    fake_http_body(request(), sent, sizeof(sent) - 1, 0);
    CU_ASSERT_EQUAL(aiex_fake_count(rig.host, AIEX_FAKE_STREAM), 1);
    rig_parts_are(id, CHUNK("a") CHUNK("b") LAST DONE);
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_answer(rig.host, id)); /* at [DONE], not at the close */
    CU_ASSERT(request()->open);
    fake_http_body(request(), CHUNK("late"), strlen(CHUNK("late")), 0);
    CU_ASSERT(!request()->gave_up);
    rig_parts_are(id, CHUNK("a") CHUNK("b") LAST DONE);
    for (int i = 0; i < 70000 && !request()->gave_up; i += 700)
        fake_http_body(request(), "\n\n\n\n\n\n\n\n", 8, 0);
    fake_http_end(request(), AIEX_HTTP_OK, 1, NULL);
    rig_finish();
}

static void usage_goes_to_who_asked(void)
{
    uint64_t id;

    begin(NULL);
    id = chat_with(
        "m", "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}", 1, 0);
    fake_http_answer(request(), 200, "text/event-stream", CHUNK("a") LAST USAGE DONE);
    rig_parts_are(id, CHUNK("a") LAST USAGE DONE);
    rig_finish();
    begin((struct aiex_fake_pair[]){{"api_key", "k"}, {"stream_usage", "no"}, {0}});
    id = chat(1);
    CU_ASSERT_PTR_NULL(strstr(request()->body, "stream_options"));
    fake_http_answer(request(), 200, "text/event-stream", CHUNK("a") LAST USAGE DONE);
    rig_parts_are(id, CHUNK("a") LAST USAGE DONE);
    rig_finish();
}

static void other_line_ends_become_plain(void)
{
    uint64_t id;

    begin(NULL);
    id = chat(1);
    fake_http_answer(request(), 200, "text/event-stream",
                     "data:{\"choices\":\r\ndata:[{}]}\r\n\r\n:c\r\rdata: {\"choices\":[{"
                     "\"finish_reason\":\"stop\"}]}\r\rdata: [DONE]\r\r");
    rig_parts_are(id, "data: {\"choices\": [{}]}\n\ndata: {\"choices\":[{\"finish_reason\":"
                      "\"stop\"}]}\n\ndata: [DONE]\n\n");
    rig_good(id);
    rig_finish();
}

static void broken_streams_never_end_cleanly(void)
{
    static const struct {
        const char *type, *sent, *parts;
        uint32_t result;
    } rows[] = {
        {"text/event-stream", CHUNK("a") "data: {\"choices\":[}\n\n" DONE, CHUNK("a"),
         AIEX_HTTP_OK},
        {"text/event-stream", "data: oops\n\n" DONE, "", AIEX_HTTP_OK},
        {"text/event-stream", CHUNK("a") LAST, CHUNK("a") LAST, AIEX_HTTP_OK},
        {"text/event-stream", CHUNK("a") "data: [DONE]", CHUNK("a"), AIEX_HTTP_OK},
        {"text/event-stream", CHUNK("a"), CHUNK("a"), AIEX_HTTP_CUT},
        {"text/event-stream", "", "", AIEX_HTTP_OK},
        {"text/event-stream", CHUNK("a") "data: {\"error\":{\"message\":\"x\"}}\n\n" DONE,
         CHUNK("a"), AIEX_HTTP_OK},
        {"text/html", "<html>data: [DONE]\n\n", "", AIEX_HTTP_OK},
        {"application/json", "{\"choices\":[{}]}", "", AIEX_HTTP_OK},
        {"text/event-streams", DONE, "", AIEX_HTTP_OK},
    };

    begin(NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t id = chat(1);
        char head[64];

        snprintf(head, sizeof(head), "content-type: %s\n", rows[i].type);
        fake_http_head(request(), 200, head);
        fake_http_body(request(), rows[i].sent, strlen(rows[i].sent), 0);
        fake_http_end(request(), rows[i].result, 1, "closed");
        CU_ASSERT_EQUAL(rig_truth(rig_failed(id, "upstream", i == 6 ? 500 : 502), "started"), 1);
        rig_parts_are(id, rows[i].parts);
    }
    CU_ASSERT(
        rig_has(aiex_fake_nth(rig.host, AIEX_FAKE_FAIL, 6), "body", "{\"error\":{\"message\":"));
    rig_finish();
}

static void done_may_be_optional(void)
{
    uint64_t id;

    begin((struct aiex_fake_pair[]){{"api_key", "k"}, {"require_done", "no"}, {0}});
    id = chat(1);
    fake_http_answer(request(), 200, "text/event-stream", CHUNK("a") LAST);
    CU_ASSERT_EQUAL(aiex_fake_answer(rig.host, id)->kind, AIEX_FAKE_REPLY);
    rig_parts_are(id, CHUNK("a") LAST DONE);
    id = chat(1);
    fake_http_answer(request(), 200, "text/event-stream", CHUNK("a"));
    rig_failed(id, "upstream", 502);
    rig_finish();
}

static void too_long_an_event(void)
{
    size_t n = 1100000;
    char *body = malloc(n);
    uint64_t id;

    memset(body, 'x', n);
    memcpy(body, CHUNK("a") "data: ", strlen(CHUNK("a")) + 6);
    begin(NULL);
    id = chat(1);
    fake_http_head(request(), 200, STREAM);
    fake_http_body(request(), body, n, 16384);
    fake_http_end(request(), AIEX_HTTP_OK, 1, NULL);
    rig_failed(id, "upstream", 502);
    rig_parts_are(id, CHUNK("a"));
    free(body);
    rig_finish();
}

static void back_pressure(void)
{
    uint64_t id;

    begin(NULL);
    aiex_fake_window(rig.host, strlen(CHUNK("a")));
    id = chat(1);
    fake_http_head(request(), 200, STREAM);
    fake_http_body(request(), CHUNK("a") CHUNK("b"), strlen(CHUNK("a")) * 2, 0);
    CU_ASSERT(request()->paused);
    CU_ASSERT_EQUAL(aiex_fake_resume(rig.host, id), 1);
    CU_ASSERT(!request()->paused);
    fake_http_body(request(), CHUNK("c") LAST DONE, strlen(CHUNK("c") LAST DONE), 0);
    CU_ASSERT(!request()->paused); /* answered: the rest is read to its end */
    CU_ASSERT_EQUAL(aiex_fake_answer(rig.host, id)->kind, AIEX_FAKE_REPLY);
    fake_http_end(request(), AIEX_HTTP_OK, 1, NULL);
    rig_finish();
}

static void caller_leaves(void)
{
    uint64_t before, during;

    begin(NULL);
    before = chat(1);
    CU_ASSERT_EQUAL(aiex_fake_cancel(rig.host, before), 0);
    during = chat(1);
    fake_http_head(request(), 200, STREAM);
    fake_http_body(request(), CHUNK("a"), strlen(CHUNK("a")), 0);
    CU_ASSERT_EQUAL(aiex_fake_cancel(rig.host, during), 0);
    CU_ASSERT_EQUAL(fake_http.cancelled, 2);
    CU_ASSERT_PTR_NULL(aiex_fake_answer(rig.host, during));
    chat(0); /* left open: destroy() drops it */
    aiex_fake_stop(rig.host, rig.plugin, rig.self);
    CU_ASSERT_EQUAL(fake_http.cancelled, 4);           /* with the probe */
    CU_ASSERT_EQUAL(aiex_fake_host_free(rig.host), 1); /* the unanswered request only */
    fake_http_reset();
}

/* ---- Health and models ---- */

static void health_follows_the_probe(void)
{
    begin(NULL);
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(rig.host, AIEX_FAKE_JOIN, "provider", 0));
    CU_ASSERT_EQUAL(rig_healthy(), 1);
    CU_ASSERT_EQUAL(
        rig_number(aiex_fake_answer(rig.host, rig_ask("provider.health")), "checked_ms"), -1);
    fake_http_answer(fake_http_find("/models"), 200, "application/json", "{\"data\":[]}");
    CU_ASSERT_STRING_EQUAL(rig_event(0), "up");
    CU_ASSERT_STRING_EQUAL(aiex_fake_nth(rig.host, AIEX_FAKE_PUBLISH, 0)->subject,
                           "provider_openai");
    CU_ASSERT_EQUAL(fake_http.n, 1);
    CU_ASSERT_EQUAL(aiex_fake_advance(rig.host, 26999), 0); /* 30 s less a tenth of jitter */
    CU_ASSERT_EQUAL(aiex_fake_advance(rig.host, 6001), 1);
    CU_ASSERT_EQUAL(fake_http.n, 2);
    fake_http_answer(fake_http_find("/models"), 401, "application/json", "{}");
    CU_ASSERT_EQUAL(rig_healthy(), 0);
    CU_ASSERT_STRING_EQUAL(rig_event(1), "down");
    CU_ASSERT_EQUAL(aiex_fake_advance(rig.host, 551), 1); /* sooner while it is down */
    fake_http_answer(fake_http_find("/models"), 503, "text/plain", "");
    CU_ASSERT_STRING_EQUAL(rig_event(2), "none"); /* still down: no news */
    CU_ASSERT_EQUAL(aiex_fake_advance(rig.host, 551), 0);
    CU_ASSERT_EQUAL(aiex_fake_advance(rig.host, 550), 1);
    fake_http_answer(fake_http_find("/models"), 404, "text/plain", "");
    CU_ASSERT_EQUAL(rig_healthy(), 1); /* has no list, but is there */
    CU_ASSERT_STRING_EQUAL(rig_event(2), "up");
    rig_finish();
}

static void a_key_that_may_not_list(void)
{
    begin(NULL);
    fake_http_answer(fake_http_find("/models"), 403, "application/json", "{}");
    CU_ASSERT_EQUAL(rig_healthy(), 1);
    CU_ASSERT_EQUAL(rig_truth(rig_good(rig_ask("provider.health")), "healthy"), 1);
    rig_finish();
}

static void chats_tell_about_health(void)
{
    begin(NULL);
    fake_http_answer(fake_http_find("/models"), 200, "application/json", "{\"data\":[]}");
    chat(1);
    fake_http_end(request(), AIEX_HTTP_CONNECT, 0, "refused");
    CU_ASSERT_EQUAL(rig_healthy(), 1);
    chat(1);
    fake_http_end(request(), AIEX_HTTP_CONNECT, 0, "refused");
    CU_ASSERT_EQUAL(rig_healthy(), 0);
    CU_ASSERT_STRING_EQUAL(rig_event(1), "down");
    chat(0);
    fake_http_answer(request(), 200, "application/json", UNARY);
    CU_ASSERT_EQUAL(rig_healthy(), 1);
    CU_ASSERT_STRING_EQUAL(rig_event(2), "up");
    rig_finish();
}

static void no_key_is_unhealthy_and_quiet(void)
{
    struct aiex_error err;
    uint64_t id;

    begin((struct aiex_fake_pair[]){{0}});
    CU_ASSERT_EQUAL(fake_http.n, 0);
    CU_ASSERT_EQUAL(rig_healthy(), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(rig_failed(chat(1), "unavailable", 503)->text, "no api key"));
    id = rig_ask("provider.models");
    CU_ASSERT_EQUAL(rig_truth(aiex_fake_answer(rig.host, id), "complete"), 0);
    CU_ASSERT_EQUAL(aiex_fake_reload(rig.host, rig.plugin, rig.self,
                                     (struct aiex_fake_pair[]){{"api_key", "k"}, {0}}, &err),
                    0);
    CU_ASSERT_EQUAL(fake_http.n, 1); /* the key is tried at once */
    fake_http_answer(fake_http_find("/models"), 200, "application/json", "{\"data\":[]}");
    CU_ASSERT_EQUAL(rig_healthy(), 1);
    CU_ASSERT_EQUAL(aiex_fake_reload(rig.host, rig.plugin, rig.self,
                                     (struct aiex_fake_pair[]){{"api_key", "a b"}, {0}}, &err),
                    -EINVAL);
    chat(0);
    CU_ASSERT_PTR_NOT_NULL(strstr(request()->headers, "Bearer k\n")); /* the old one stays */
    fake_http_end(request(), AIEX_HTTP_CUT, 1, "x");
    rig_finish();
}

static void local_server_needs_no_key(void)
{
    setenv("OPENAI_BASE_URL", "http://127.0.0.1:1234/v1", 1);
    fake_http_reset();
    rig.host = aiex_fake_host_new("provider_openai");
    aiex_fake_extension(rig.host, AIEX_HTTP_ID, &fake_http_table);
    rig.plugin = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    CU_ASSERT_EQUAL_FATAL(aiex_fake_start(rig.host, rig.plugin, NULL, &rig.self, NULL), 0);
    CU_ASSERT_STRING_EQUAL(fake_http.requests[0].url, "http://127.0.0.1:1234/v1/models");
    CU_ASSERT_PTR_NULL(strstr(fake_http.requests[0].headers, "authorization"));
    unsetenv("OPENAI_BASE_URL");
    rig_finish();
}

static void models_are_cached_and_remembered(void)
{
    static const char list[] =
        "{\"data\":[{\"id\":\"a\",\"created\":7,\"owned_by\":\"o\"},{\"no\":1},"
        "{\"id\":\"b\",\"max_model_len\":4096},3]}";
    const struct aiex_fake_record *r;
    uint64_t first, second;

    begin((struct aiex_fake_pair[]){{"api_key", "k"}, {"probe_interval", "0s"}, {0}});
    first = rig_ask("provider.models");
    second = rig_ask("provider.models");
    CU_ASSERT_EQUAL(fake_http.n, 1); /* both wait for the probe that runs */
    CU_ASSERT_EQUAL(aiex_fake_cancel(rig.host, second), 0);
    CU_ASSERT_PTR_NULL(aiex_fake_answer(rig.host, first));
    fake_http_answer(fake_http_find("/models"), 200, "application/json", list);
    r = aiex_fake_answer(rig.host, first);
    CU_ASSERT_EQUAL(rig_n_models(r), 2);
    CU_ASSERT_EQUAL(rig_truth(r, "complete"), 1);
    aiex_fake_advance(rig.host, 59999);
    CU_ASSERT_EQUAL(rig_n_models(aiex_fake_answer(rig.host, rig_ask("provider.models"))), 2);
    CU_ASSERT_EQUAL(fake_http.n, 1);
    aiex_fake_advance(rig.host, 2);
    first = rig_ask("provider.models");
    CU_ASSERT_EQUAL(fake_http.n, 2);
    fake_http_end(fake_http_find("/models"), AIEX_HTTP_CONNECT, 0, "refused");
    r = aiex_fake_answer(rig.host, first);
    CU_ASSERT_EQUAL(rig_n_models(r), 2);
    CU_ASSERT_EQUAL(rig_truth(r, "complete"), 0);
    rig_finish();
}

static void models_may_be_fixed(void)
{
    const struct aiex_fake_record *r;
    struct aiex_value v = {0};
    struct aiex_slice at, id = {0};

    begin((struct aiex_fake_pair[]){
        {"api_key", "k"}, {"models", "one, two ,,three"}, {"model_prefix", "x/"}, {0}});
    r = aiex_fake_answer(rig.host, rig_ask("provider.models"));
    CU_ASSERT_EQUAL_FATAL(aiex_get(r->body, "models", &v), 1);
    CU_ASSERT_EQUAL(v.count, 3);
    at = v.bytes;
    CU_ASSERT_EQUAL(aiex_r_skip(&at), 0);
    CU_ASSERT_EQUAL(aiex_get_str(at, "id", &id), 1);
    CU_ASSERT(aiex_slice_is(id, "x/two"));
    rig_finish();
}

static void memory_is_short(void)
{
    uint64_t id;

    begin(NULL);
    aiex_fake_fail_alloc(rig.host, 1);
    id = chat(1);
    CU_ASSERT_STRING_EQUAL(aiex_fake_answer(rig.host, id)->code, "internal");
    CU_ASSERT_PTR_NULL(request());
    rig_finish();
}

const struct test_case tests[] = {
    {"request_looks_right", request_looks_right},
    {"wrong_requests_are_refused", wrong_requests_are_refused},
    {"options_are_checked", options_are_checked},
    {"unary_answer", unary_answer},
    {"unary_respects_the_window", unary_respects_the_window},
    {"unary_that_is_no_answer", unary_that_is_no_answer},
    {"error_statuses", error_statuses},
    {"long_error_documents_are_dropped", long_error_documents_are_dropped},
    {"broken_connections", broken_connections},
    {"stream_split_at_every_byte", stream_split_at_every_byte},
    {"one_read_is_one_part", one_read_is_one_part},
    {"usage_goes_to_who_asked", usage_goes_to_who_asked},
    {"other_line_ends_become_plain", other_line_ends_become_plain},
    {"broken_streams_never_end_cleanly", broken_streams_never_end_cleanly},
    {"done_may_be_optional", done_may_be_optional},
    {"too_long_an_event", too_long_an_event},
    {"back_pressure", back_pressure},
    {"caller_leaves", caller_leaves},
    {"health_follows_the_probe", health_follows_the_probe},
    {"a_key_that_may_not_list", a_key_that_may_not_list},
    {"chats_tell_about_health", chats_tell_about_health},
    {"no_key_is_unhealthy_and_quiet", no_key_is_unhealthy_and_quiet},
    {"local_server_needs_no_key", local_server_needs_no_key},
    {"models_are_cached_and_remembered", models_are_cached_and_remembered},
    {"models_may_be_fixed", models_may_be_fixed},
    {"memory_is_short", memory_is_short},
    {0}};

/* interface_cli_test.c - the plugin through its descriptor, against the fake host. */
#include "interface_cli_rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void joins_its_names(void)
{
    struct bench b;

    set_up(&b, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(aiex_fake_find(b.host, AIEX_FAKE_JOIN, "cli", 0));
    CU_ASSERT_EQUAL(aiex_fake_find(b.host, AIEX_FAKE_JOIN, "cli", 0)->flags, AIEX_NAME_UNIQUE);
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(b.host, AIEX_FAKE_JOIN, "interface", 0));
    tear_down(&b);
}

static void a_question_becomes_a_chat(void)
{
    static const char expected[] =
        "{\"model\":\"big\\\"\",\"stream\":true,\"stream_options\":{\"include_usage\":true},"
        "\"messages\":[{\"role\":\"system\",\"content\":\"brief\"},"
        "{\"role\":\"user\",\"content\":\"why?\\n\\na.c:\\n````c\\n```\\n````"
        "\\n\\nnotes:\\n```\\nx\\n```\"}]}";
    const struct aiex_fake_record *r;
    struct aiex_writer w;
    uint8_t mem[512];
    int local = 0;
    struct bench b;

    set_up(&b, with_model);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 6);
    aiex_w_key_str(&w, "prompt", "why?");
    aiex_w_key_str(&w, "model", "big\"");
    aiex_w_key_str(&w, "system", "brief");
    aiex_w_key_str(&w, "session", "s1");
    aiex_w_str(&w, "files");
    aiex_w_array(&w, 2);
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "name", "a.c");
    aiex_w_key_str(&w, "text", "```\n"); /* its fence must be longer */
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "name", "notes");
    aiex_w_key_str(&w, "text", "x"); /* without a newline at its end */
    aiex_w_key_int(&w, "history", 0);
    aiex_fake_request(b.host, b.plugin, b.self, "cli.ask", aiex_written(&w), 0);
    aiex_fake_answer_error(b.host, last_call(&b), AIEX_E_UNAVAILABLE, "no sessions", 0, empty);
    CU_ASSERT(part_is(&b, 0, "notice", "no sessions")); /* it is not recorded */
    r = aiex_fake_last(b.host, AIEX_FAKE_CALL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    CU_ASSERT_STRING_EQUAL(r->service, "gateway");
    CU_ASSERT_STRING_EQUAL(r->name, "gateway.chat");
    CU_ASSERT_EQUAL(aiex_get_bool(r->body, "local", &local), 1);
    CU_ASSERT(local);
    CU_ASSERT(slice_is(str_of(r->body, "interface"), "interface_cli"));
    CU_ASSERT(r->parent != 0);
    CU_ASSERT(slice_is(str_of(r->body, "body"), expected));
    CU_ASSERT(slice_is(str_of(r->body, "dialect"), "openai.chat"));
    CU_ASSERT(slice_is(str_of(r->body, "model"), "big\""));
    CU_ASSERT(slice_is(str_of(r->body, "session"), "s1"));
    finish(&b, r->id);
    CU_ASSERT_EQUAL(aiex_fake_count(b.host, AIEX_FAKE_STREAM), 1);
    tear_down(&b);
}

static void the_stream_becomes_parts(void)
{
    const struct aiex_fake_record *end;
    struct aiex_value v;
    int64_t n = 0;
    int offline = 0;
    struct bench b;
    uint64_t id, call;

    set_up(&b, with_model);
    id = ask(&b, "hi", 1);
    call = last_call(&b);
    say(&b, call,
        "data: {\"model\":\"m1-x\",\"choices\":[{\"delta\":{\"role\":\"assistant\","
        "\"content\":\"\"}}]}\n\n");
    say(&b, call,
        "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\ndata: {\"cho");
    say(&b, call, "ices\":[{\"delta\":{\"content\":\"a\\n\\u00e9\"}}]}\n\n");
    say(&b, call,
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,"
        "\"completion_tokens\":5}}\n\ndata: [DONE]\n\n");
    finish(&b, call);
    CU_ASSERT_EQUAL(aiex_fake_count(b.host, AIEX_FAKE_STREAM), 2);
    CU_ASSERT(part_is(&b, 0, "reasoning", "hm"));
    CU_ASSERT(part_is(&b, 1, "text", "a\n\xc3\xa9"));
    end = aiex_fake_answer(b.host, id);
    CU_ASSERT_PTR_NOT_NULL_FATAL(end);
    CU_ASSERT_EQUAL(end->kind, AIEX_FAKE_REPLY);
    CU_ASSERT(slice_is(str_of(end->body, "model"), "m1-x"));
    CU_ASSERT(slice_is(str_of(end->body, "provider"), "provider_offline"));
    CU_ASSERT(slice_is(str_of(end->body, "finish"), "stop"));
    CU_ASSERT_EQUAL(aiex_get_int(end->body, "input_tokens", &n), 1);
    CU_ASSERT_EQUAL(n, 11); /* what the end says counts more than the stream */
    CU_ASSERT_EQUAL(aiex_get_int(end->body, "output_tokens", &n), 1);
    CU_ASSERT_EQUAL(n, 5);
    CU_ASSERT_EQUAL(aiex_get_int(end->body, "cost", &n), 1);
    CU_ASSERT_EQUAL(n, 12);
    CU_ASSERT_EQUAL(str_of(end->body, "id").len, 16);
    CU_ASSERT_EQUAL(aiex_get(end->body, "cached", &v), 1);
    CU_ASSERT_EQUAL(v.type, AIEX_T_NIL); /* nobody told */
    CU_ASSERT_EQUAL(aiex_get_bool(end->body, "offline", &offline), 1);
    CU_ASSERT(offline);
    tear_down(&b);
}

static void without_a_stream_there_is_one_part(void)
{
    struct bench b;
    uint64_t call;

    set_up(&b, with_model);
    ask(&b, "hi", 0);
    call = last_call(&b);
    say(&b, call, "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n");
    say(&b, call, "data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\n\n");
    CU_ASSERT_EQUAL(aiex_fake_count(b.host, AIEX_FAKE_STREAM), 0);
    finish(&b, call);
    CU_ASSERT_EQUAL(aiex_fake_count(b.host, AIEX_FAKE_STREAM), 1);
    CU_ASSERT(part_is(&b, 0, "text", "ab"));
    tear_down(&b);
}

static void streams_that_go_wrong(void)
{
    static const struct {
        const char *bytes, *text;
    } cases[] = {
        {"data: {\"error\":{\"message\":\"over \\\"quota\\\"\"}}\n\n", "over \"quota\""},
        {"data: {\"error\":\"flat\"}\n\n", "flat"},
        {"data: {\"error\":{}}\n\n", "the provider reported an error in its stream"},
        {"data: nonsense\n\n", "the provider sent an event that is no JSON object"},
        {"data: [1]\n\n", "the provider sent an event that is no JSON object"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct aiex_fake_record *end;
        struct bench b;
        uint64_t id;

        set_up(&b, with_model);
        id = ask(&b, "hi", 1);
        say(&b, last_call(&b), cases[i].bytes);
        end = aiex_fake_answer(b.host, id);
        CU_ASSERT_PTR_NOT_NULL_FATAL(end);
        CU_ASSERT_STRING_EQUAL(end->code, AIEX_E_UPSTREAM);
        CU_ASSERT_STRING_EQUAL(end->text, cases[i].text);
        CU_ASSERT_EQUAL(aiex_fake_count(b.host, AIEX_FAKE_CANCEL), 1); /* the chat is dropped */
        tear_down(&b);
    }
}

static void an_end_inside_an_event_is_an_error(void)
{
    struct bench b;
    uint64_t id, call;

    set_up(&b, with_model);
    id = ask(&b, "hi", 1);
    call = last_call(&b);
    say(&b, call, "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"cho");
    finish(&b, call);
    CU_ASSERT_STRING_EQUAL(aiex_fake_answer(b.host, id)->code, AIEX_E_UPSTREAM);
    tear_down(&b);
}

static void errors_of_the_chat_are_passed_on(void)
{
    const struct aiex_fake_record *end;
    struct bench b;
    uint64_t id;

    set_up(&b, with_model);
    id = ask(&b, "hi", 1);
    aiex_fake_answer_error(b.host, last_call(&b), AIEX_E_BUSY, "later", 1500, empty);
    end = aiex_fake_answer(b.host, id);
    CU_ASSERT_PTR_NOT_NULL_FATAL(end);
    CU_ASSERT_STRING_EQUAL(end->code, AIEX_E_BUSY);
    CU_ASSERT_STRING_EQUAL(end->text, "later");
    CU_ASSERT_EQUAL(end->retry_after_ms, 1500);
    tear_down(&b);
}

static void cancel_reaches_the_chat(void)
{
    struct bench b;
    uint64_t id, call;

    set_up(&b, with_model);
    id = ask(&b, "hi", 1);
    call = last_call(&b);
    CU_ASSERT_EQUAL(aiex_fake_cancel(b.host, id), 0);
    CU_ASSERT_EQUAL_FATAL(aiex_fake_count(b.host, AIEX_FAKE_CANCEL), 1);
    CU_ASSERT_EQUAL(aiex_fake_last(b.host, AIEX_FAKE_CANCEL)->id, call);
    tear_down(&b);
}

static void a_slow_caller_holds_the_credit_back(void)
{
    static const char event[] = "data: {\"choices\":[{\"delta\":{\"content\":\"abcdefgh\"}}]}\n\n";
    struct bench b;
    uint64_t id, call;

    set_up(&b, with_model);
    aiex_fake_window(b.host, 10);
    id = ask(&b, "hi", 1);
    call = last_call(&b);
    say(&b, call, event);
    CU_ASSERT_EQUAL(aiex_fake_uncredited(b.host, call), sizeof(event) - 1);
    CU_ASSERT_EQUAL(aiex_fake_resume(b.host, id), 1);
    CU_ASSERT_EQUAL(aiex_fake_uncredited(b.host, call), 0);
    finish(&b, call);
    tear_down(&b);
}

static void without_a_model_the_coordinator_chooses(void)
{
    static const struct aiex_fake_pair none[] = {{"model", ""}, {NULL, NULL}};
    struct bench b;

    for (int i = 0; i < 2; i++) {
        set_up(&b, i ? none : NULL);
        ask(&b, "hi", 1);
        CU_ASSERT_STRING_EQUAL(aiex_fake_last(b.host, AIEX_FAKE_CALL)->name, "gateway.chat");
        CU_ASSERT(slice_is(str_of(aiex_fake_last(b.host, AIEX_FAKE_CALL)->body, "model"), "auto"));
        finish(&b, last_call(&b));
        tear_down(&b);
    }
}

/* The host's own word; what the gateway says has details and passes as it is. */
static void without_a_gateway_the_reason_is_said(void)
{
    static const uint8_t details[] = "\x81\xabhttp_status\xcd\x01\xf7"; /* 503 */
    const struct aiex_slice body = {details, sizeof(details) - 1};
    const struct aiex_fake_record *end;
    struct bench b;
    uint64_t id;

    set_up(&b, with_model);
    id = ask(&b, "hi", 1);
    aiex_fake_answer_error(b.host, last_call(&b), AIEX_E_UNAVAILABLE, "nobody serves 'gateway'", 0,
                           empty);
    end = aiex_fake_answer(b.host, id);
    CU_ASSERT_PTR_NOT_NULL_FATAL(end);
    CU_ASSERT_STRING_EQUAL(end->code, AIEX_E_UNAVAILABLE);
    CU_ASSERT_PTR_NOT_NULL(strstr(end->text, "nobody serves 'gateway'; every question goes"));
    id = ask(&b, "hi", 1);
    aiex_fake_answer_error(b.host, last_call(&b), AIEX_E_UNAVAILABLE, "no provider", 0, body);
    CU_ASSERT_STRING_EQUAL(aiex_fake_answer(b.host, id)->code, AIEX_E_UNAVAILABLE);
    CU_ASSERT_STRING_EQUAL(aiex_fake_answer(b.host, id)->text, "no provider");
    tear_down(&b);
}

static int answer_at_once(void *arg, struct aiex_fake_host *h, const struct aiex_fake_record *call)
{
    struct aiex_slice part = {(const uint8_t *)arg, strlen(arg)};

    aiex_fake_answer_part(h, call->id, part);
    aiex_fake_answer_ok(h, call->id, empty);
    return 0;
}

static void an_answer_inside_the_call_is_fine(void)
{
    static char event[] = "data: {\"choices\":[{\"delta\":{\"content\":\"now\"}}]}\n\n";
    struct bench b;
    uint64_t id;

    set_up(&b, with_model);
    aiex_fake_on_call(b.host, answer_at_once, event);
    id = ask(&b, "hi", 1);
    CU_ASSERT(part_is(&b, 0, "text", "now"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(aiex_fake_answer(b.host, id));
    CU_ASSERT_EQUAL(aiex_fake_answer(b.host, id)->kind, AIEX_FAKE_REPLY);
    tear_down(&b);
}

static void wrong_questions(void)
{
    static const struct {
        uint8_t bytes[32];
        size_t len;
    } cases[] = {
        {{0}, 0},
        {{0x80}, 1},
        {{0x81, 0xa6, 'p', 'r', 'o', 'm', 'p', 't', 0xa0}, 9},
        {{0x81, 0xa6, 'p', 'r', 'o', 'm', 'p', 't', 0x01}, 9},
        {{0x82, 0xa6, 'p', 'r', 'o', 'm', 'p', 't', 0xa1, 'x', 0xa5, 'm', 'o', 'd', 'e', 'l', 0x01},
         17},
        {{0x82, 0xa6, 'p', 'r', 'o', 'm', 'p', 't', 0xa1, 'x', 0xa5, 'f', 'i', 'l', 'e', 's', 0x91,
          0x01},
         18},
    };
    struct bench b;

    set_up(&b, with_model);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct aiex_slice body = {cases[i].bytes, cases[i].len};
        uint64_t id = aiex_fake_request(b.host, b.plugin, b.self, "cli.ask", body, 0);

        CU_ASSERT_PTR_NOT_NULL_FATAL(aiex_fake_answer(b.host, id));
        CU_ASSERT_STRING_EQUAL(aiex_fake_answer(b.host, id)->code, AIEX_E_INVALID);
    }
    CU_ASSERT_EQUAL(aiex_fake_count(b.host, AIEX_FAKE_CALL), 0);
    tear_down(&b);
}

static void too_many_questions_are_refused(void)
{
    static const struct aiex_fake_pair one[] = {
        {"model", "m"}, {"max_questions", "1"}, {NULL, NULL}};
    struct bench b;
    uint64_t first, second;

    set_up(&b, one);
    first = ask(&b, "hi", 1);
    second = ask(&b, "hi", 1);
    CU_ASSERT_PTR_NULL(aiex_fake_answer(b.host, first));
    CU_ASSERT_STRING_EQUAL(aiex_fake_answer(b.host, second)->code, AIEX_E_BUSY);
    finish(&b, last_call(&b));
    second = ask(&b, "hi", 1); /* there is room again */
    CU_ASSERT_PTR_NULL(aiex_fake_answer(b.host, second));
    finish(&b, last_call(&b));
    tear_down(&b);
}

static void drain_waits_for_the_last_question(void)
{
    struct bench b;

    set_up(&b, with_model);
    ask(&b, "hi", 1);
    CU_ASSERT_EQUAL(aiex_fake_drain(b.host, b.plugin, b.self), 0);
    finish(&b, last_call(&b));
    CU_ASSERT_EQUAL(aiex_fake_drained(b.host), 1);
    tear_down(&b);
}

/* ---- The gateway's list ---- */

static size_t registrations(struct bench *b)
{
    size_t n = 0;

    while (aiex_fake_find(b->host, AIEX_FAKE_CAST, "gateway.register", n))
        n++;
    return n;
}

/* At the start, and again when somebody else came up: it may be a gateway with an empty list. */
static void registers_with_the_gateway(void)
{
    static const char *const events[][2] = {
        {"down", "service_gateway"}, {"up", "interface_cli"}, {"up", "service_gateway"}};
    const struct aiex_fake_record *told;
    struct bench b;

    set_up(&b, NULL);
    told = aiex_fake_find(b.host, AIEX_FAKE_CAST, "gateway.register", 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(told);
    CU_ASSERT_STRING_EQUAL(told->service, "gateway");
    CU_ASSERT(slice_is(str_of(told->body, "name"), "interface_cli"));
    CU_ASSERT(slice_is(str_of(told->body, "protocol"), "control"));
    for (int i = 0; i < 3; i++) {
        uint8_t mem[128];
        struct aiex_writer w;

        aiex_writer_init(&w, mem, sizeof(mem));
        aiex_w_map(&w, 2);
        aiex_w_key_str(&w, "type", events[i][0]);
        aiex_w_key_str(&w, "subject", events[i][1]);
        aiex_fake_event(b.host, b.plugin, b.self, "host.plugin", aiex_written(&w));
        CU_ASSERT_EQUAL(registrations(&b), i == 2 ? 2 : 1);
    }
    tear_down(&b);
}

/* ---- Verbs of plugins ---- */

static const char *add_verb(struct bench *b, const char *verb, const char *service)
{
    uint8_t mem[512];
    struct aiex_writer w;
    uint64_t id;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 4);
    aiex_w_key_str(&w, "verb", verb);
    aiex_w_key_str(&w, "service", service);
    aiex_w_key_str(&w, "method", "x.run");
    aiex_w_key_str(&w, "help", "does x");
    id = aiex_fake_request(b->host, b->plugin, b->self, "cli.verb_add", aiex_written(&w), 0);
    return aiex_fake_answer(b->host, id)->code;
}

static uint32_t count_verbs(struct bench *b)
{
    uint64_t id = aiex_fake_request(b->host, b->plugin, b->self, "cli.verbs", empty, 0);
    struct aiex_value v = {0};

    CU_ASSERT_EQUAL_FATAL(aiex_get(aiex_fake_answer(b->host, id)->body, "verbs", &v), 1);
    return v.count;
}

static void verbs_are_added_and_removed(void)
{
    static const uint8_t shout[] = {0x81, 0xa4, 'v', 'e', 'r', 'b', 0xa5, 's', 'h', 'o', 'u', 't'};
    struct aiex_slice body = {shout, sizeof(shout)};
    struct bench b;
    uint64_t id;

    set_up(&b, NULL);
    CU_ASSERT_EQUAL(count_verbs(&b), 0);
    CU_ASSERT_STRING_EQUAL(add_verb(&b, "shout", "x"), "");
    CU_ASSERT_STRING_EQUAL(add_verb(&b, "shout", "x"), ""); /* again, after a restart */
    CU_ASSERT_STRING_EQUAL(add_verb(&b, "shout", "y"), AIEX_E_CONFLICT);
    CU_ASSERT_STRING_EQUAL(add_verb(&b, "status", "x"), AIEX_E_CONFLICT); /* built in */
    CU_ASSERT_STRING_EQUAL(add_verb(&b, "Two Words", "x"), AIEX_E_INVALID);
    CU_ASSERT_STRING_EQUAL(add_verb(&b, "", "x"), AIEX_E_INVALID);
    CU_ASSERT_EQUAL(count_verbs(&b), 1);
    id = aiex_fake_request(b.host, b.plugin, b.self, "cli.verb_remove", body, 0);
    CU_ASSERT_EQUAL(aiex_fake_answer(b.host, id)->kind, AIEX_FAKE_REPLY);
    id = aiex_fake_request(b.host, b.plugin, b.self, "cli.verb_remove", body, 0);
    CU_ASSERT_STRING_EQUAL(aiex_fake_answer(b.host, id)->code, AIEX_E_NOT_FOUND);
    CU_ASSERT_EQUAL(count_verbs(&b), 0);
    tear_down(&b);
}

static void full_register_of_verbs(void)
{
    char verb[16];
    struct bench b;

    set_up(&b, NULL);
    for (int i = 0; i < 128; i++) {
        snprintf(verb, sizeof(verb), "v%d", i);
        CU_ASSERT_STRING_EQUAL(add_verb(&b, verb, "x"), "");
    }
    CU_ASSERT_STRING_EQUAL(add_verb(&b, "one-more", "x"), AIEX_E_BUSY);
    CU_ASSERT_EQUAL(count_verbs(&b), 128);
    tear_down(&b);
}

static void status_health_and_the_unknown(void)
{
    struct bench b;
    int64_t n = -1;
    int healthy = 0;
    uint64_t id;

    set_up(&b, with_model);
    ask(&b, "hi", 1);
    id = aiex_fake_request(b.host, b.plugin, b.self, "interface.status", empty, 0);
    CU_ASSERT_EQUAL(aiex_get_int(aiex_fake_answer(b.host, id)->body, "in_flight", &n), 1);
    CU_ASSERT_EQUAL(n, 1);
    id = aiex_fake_request(b.host, b.plugin, b.self, "interface.health", empty, 0);
    CU_ASSERT_EQUAL(aiex_get_bool(aiex_fake_answer(b.host, id)->body, "healthy", &healthy), 1);
    CU_ASSERT(healthy);
    id = aiex_fake_request(b.host, b.plugin, b.self, "cli.nothing", empty, 0);
    CU_ASSERT_STRING_EQUAL(aiex_fake_answer(b.host, id)->code, AIEX_E_NOT_FOUND);
    finish(&b, last_call(&b));
    tear_down(&b);
}

const struct test_case tests[] = {
    {"joins_its_names", joins_its_names},
    {"a_question_becomes_a_chat", a_question_becomes_a_chat},
    {"the_stream_becomes_parts", the_stream_becomes_parts},
    {"without_a_stream_there_is_one_part", without_a_stream_there_is_one_part},
    {"streams_that_go_wrong", streams_that_go_wrong},
    {"an_end_inside_an_event_is_an_error", an_end_inside_an_event_is_an_error},
    {"errors_of_the_chat_are_passed_on", errors_of_the_chat_are_passed_on},
    {"cancel_reaches_the_chat", cancel_reaches_the_chat},
    {"a_slow_caller_holds_the_credit_back", a_slow_caller_holds_the_credit_back},
    {"without_a_model_the_coordinator_chooses", without_a_model_the_coordinator_chooses},
    {"without_a_gateway_the_reason_is_said", without_a_gateway_the_reason_is_said},
    {"registers_with_the_gateway", registers_with_the_gateway},
    {"an_answer_inside_the_call_is_fine", an_answer_inside_the_call_is_fine},
    {"wrong_questions", wrong_questions},
    {"too_many_questions_are_refused", too_many_questions_are_refused},
    {"drain_waits_for_the_last_question", drain_waits_for_the_last_question},
    {"verbs_are_added_and_removed", verbs_are_added_and_removed},
    {"full_register_of_verbs", full_register_of_verbs},
    {"status_health_and_the_unknown", status_health_and_the_unknown},
    {0},
};

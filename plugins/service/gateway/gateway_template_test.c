/* Chats that name a prompt template. */
#include "gateway_rig.h"
#include "template.h"

#include <aiex_chat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES(text) ((struct aiex_slice){(const uint8_t *)(text), strlen(text)})

/* ---- Into the body ---- */

static void every_dialect_has_its_place(void)
{
    static const struct {
        int dialect;
        const char *body, *want;
    } cases[] = {
        {AIEX_OPENAI_CHAT,
         "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}],\"aiex_template\":{}}",
         "{\"messages\":[{\"role\":\"system\",\"content\":\"a\\\"b\\n\"},{\"role\":\"user\"}],"
         "\"model\":\"m\"}"},
        {AIEX_OPENAI_CHAT, " {\"aiex_template\":{},\"messages\":[]}",
         "{\"messages\":[{\"role\":\"system\",\"content\":\"a\\\"b\\n\"}]}"},
        {AIEX_OLLAMA_CHAT, "{\"messages\":[1 , 2]}",
         "{\"messages\":[{\"role\":\"system\",\"content\":\"a\\\"b\\n\"},1,2]}"},
        {AIEX_OPENAI_RESPONSES, "{\"input\":\"x\"}",
         "{\"instructions\":\"a\\\"b\\n\",\"input\":\"x\"}"},
        {AIEX_OPENAI_RESPONSES, "{\"instructions\":null}", "{\"instructions\":\"a\\\"b\\n\"}"},
        {AIEX_OPENAI_RESPONSES, "{\"instructions\":\"be \\u0041\"}",
         "{\"instructions\":\"a\\\"b\\n\\n\\nbe \\u0041\"}"},
        {AIEX_ANTHROPIC_MESSAGES, "{\"system\":\"s\",\"messages\":[]}",
         "{\"system\":\"a\\\"b\\n\\n\\ns\",\"messages\":[]}"},
        {AIEX_ANTHROPIC_MESSAGES, "{\"system\":[{\"type\":\"text\",\"text\":\"s\"}]}",
         "{\"system\":[{\"type\":\"text\",\"text\":\"a\\\"b\\n\"},{\"type\":\"text\",\"text\":"
         "\"s\"}]}"},
        {AIEX_ANTHROPIC_MESSAGES, "{}", "{\"system\":\"a\\\"b\\n\"}"},
        {AIEX_OLLAMA_GENERATE, "{\"prompt\":\"p\"}", "{\"system\":\"a\\\"b\\n\",\"prompt\":\"p\"}"},
        {AIEX_OPENAI_COMPLETIONS, "{\"prompt\":\"p\"}", "{\"prompt\":\"a\\\"b\\n\\n\\np\"}"},
        {AIEX_OPENAI_COMPLETIONS, "{\"prompt\":[1]}", NULL},
        {AIEX_OPENAI_COMPLETIONS, "{}", NULL},
        {AIEX_OPENAI_CHAT, "{\"messages\":\"x\"}", NULL},
        {AIEX_ANTHROPIC_MESSAGES, "{\"system\":5}", NULL},
        {AIEX_OPENAI_EMBEDDINGS, "{\"input\":\"x\"}", NULL},
    };
    char mem[512];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct aiex_json_out out;
        const char *wrong;

        aiex_jw_init(&out, mem, sizeof(mem) - 1);
        wrong = template_put(cases[i].dialect, BYTES(cases[i].body), BYTES("a\"b\n"), &out);
        CU_ASSERT_EQUAL(wrong == NULL, cases[i].want != NULL);
        mem[out.len] = 0;
        if (cases[i].want)
            CU_ASSERT_STRING_EQUAL(mem, cases[i].want);
    }
}

/* The key is found at any place, and only as a key of the top. */
static void found_wherever_it_stands(void)
{
    struct aiex_json_span v;
    char body[600];

    for (int before = 0; before < 200; before++) {
        snprintf(body, sizeof(body),
                 "{\"a\":\"%*s\",\"aiex_template\":{\"name\":\"n\"},\"b\":\"%*s\"}", before, "",
                 199 - before, "");
        CU_ASSERT(template_wanted(BYTES(body), &v));
        CU_ASSERT_EQUAL(v.type, AIEX_JSON_OBJECT);
    }
    CU_ASSERT_FALSE(template_wanted(BYTES("{\"a\":\"aiex_template\"}"), &v));
    CU_ASSERT_FALSE(template_wanted(BYTES("{\"a\":{\"aiex_template\":{}}}"), &v));
    CU_ASSERT_FALSE(template_wanted(BYTES("{\"aiex_template\":{},\"aiex_template\":{}}"), &v));
    CU_ASSERT_FALSE(template_wanted(BYTES("{\"max_x_\":1}"), &v));
    CU_ASSERT_FALSE(template_wanted(BYTES("aiex_template"), &v));
    CU_ASSERT_FALSE(template_wanted(NOTHING, &v));
}

/* ---- On its way ---- */

static const char with_template[] =
    "{\"messages\":[],\"aiex_template\":{\"name\":\"review\",\"version\":3,\"values\":{\"lang\":"
    "\"C\",\"n\":5,\"deep\":true}}}";

static uint64_t templated(const char *method, const char *body)
{
    return ask(method, "local", "b", 1, "dialect", "s", "openai.chat", "model", "s", "m", "method",
               "s", "chat", "body", "x", BYTES(body), NULL);
}

static const struct aiex_fake_record *question(size_t n)
{
    return aiex_fake_find(h, AIEX_FAKE_CALL, "templates.render", n);
}

static void answer_text(size_t n, const char *said)
{
    uint8_t mem[128];

    CU_ASSERT_EQUAL(
        aiex_fake_answer_ok(h, question(n)->id, pack(mem, sizeof(mem), "text", "s", said, NULL)),
        0);
}

static int body_is(const struct aiex_fake_record *r, const char *want)
{
    struct aiex_slice body = NOTHING;

    return r && aiex_get_bytes(r->body, "body", &body) == 1 && aiex_slice_is(body, want);
}

static void the_text_becomes_the_system_prompt(void)
{
    struct aiex_slice values = NOTHING;
    uint64_t id;

    begin(NULL);
    id = templated("gateway.chat", with_template);
    CU_ASSERT_PTR_NOT_NULL_FATAL(question(0));
    CU_ASSERT_PTR_NULL(made(0));
    CU_ASSERT_EQUAL(question(0)->parent, id);
    CU_ASSERT_STRING_EQUAL(text(question(0)->body, "name"), "review");
    CU_ASSERT_EQUAL(number(question(0)->body, "version"), 3);
    aiex_get_whole(question(0)->body, "values", &values);
    CU_ASSERT_STRING_EQUAL(text(values, "lang"), "C");
    CU_ASSERT_EQUAL(number(values, "n"), 5);
    CU_ASSERT_EQUAL(number(values, "deep"), 1);
    answer_text(0, "Look at C.");
    CU_ASSERT(
        body_is(made(0), "{\"messages\":[{\"role\":\"system\",\"content\":\"Look at C.\"}]}"));
    CU_ASSERT_EQUAL(made(0)->parent, id);
    answer_ok(0);
    settle(0, 1, 1, 1);
    ok(id);
    ok(templated("gateway.submit", with_template) ? ask("gateway.status", NULL) : 0);
    answer_text(1, "aiex_template"); /* a text that says the word is no second template */
    CU_ASSERT(
        body_is(made(1), "{\"messages\":[{\"role\":\"system\",\"content\":\"aiex_template\"}]}"));
    answer_ok(1);
    settle(1, 1, 1, 1);
    CU_ASSERT_EQUAL(gw()->n_renderings, 0);
    finish();
}

static void templates_may_fail(void)
{
    uint64_t id;

    begin(NULL);
    id = templated("gateway.chat", with_template);
    aiex_fake_answer_error(h, question(0)->id, "not_found", "no such template", 0, NOTHING);
    CU_ASSERT_EQUAL(number(failed(id, "not_found"), "http_status"), 404);
    id = templated("gateway.chat", with_template);
    aiex_fake_answer_error(h, question(1)->id, "unavailable", "", 9, NOTHING);
    CU_ASSERT_EQUAL(number(failed(id, "unavailable"), "http_status"), 503);
    id = templated("gateway.chat", with_template);
    aiex_fake_answer_ok(h, question(2)->id, NOTHING);
    failed(id, "invalid");
    id = templated("gateway.chat", "{\"aiex_template\":{\"name\":\"x\"}}"); /* no messages */
    answer_text(3, "x");
    failed(id, "invalid");
    id = templated("gateway.chat", with_template);
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, id), 0);
    CU_ASSERT_EQUAL(gw()->n_renderings, 0);
    failed(templated("gateway.chat", "{\"aiex_template\":5}"), "invalid");
    failed(templated("gateway.chat", "{\"aiex_template\":{}}"), "invalid");
    failed(templated("gateway.chat", "{\"aiex_template\":{\"name\":\"x\",\"version\":-1}}"),
           "invalid");
    failed(templated("gateway.chat", "{\"aiex_template\":{\"name\":\"x\",\"values\":[]}}"),
           "invalid");
    failed(templated("gateway.chat", "{\"aiex_template\":{\"name\":\"x\",\"values\":{\"a\":1.5}}}"),
           "invalid");
    failed(
        templated("gateway.chat", "{\"aiex_template\":{\"name\":\"x\",\"values\":{\"a\":null}}}"),
        "invalid");
    templated("gateway.chat", with_template);
    CU_ASSERT_EQUAL(gw()->n_renderings, 1);
    aiex_fake_cancel(h, aiex_fake_last(h, AIEX_FAKE_CALL)->parent);
    finish();
}

static int answer_inside(void *arg, struct aiex_fake_host *host, const struct aiex_fake_record *r)
{
    uint8_t mem[64];

    if (strcmp(r->name, "templates.render") != 0)
        return 0;
    return aiex_fake_answer_ok(host, r->id, pack(mem, sizeof(mem), "text", "s", "T", NULL));
}

static int refuse_inside(void *arg, struct aiex_fake_host *host, const struct aiex_fake_record *r)
{
    return strcmp(r->name, "templates.render") == 0 ? -12 : 0;
}

static int cancel_inside(void *arg, struct aiex_fake_host *host, const struct aiex_fake_record *r)
{
    return aiex_fake_cancel(host, r->parent);
}

static void answered_inside_the_call(void)
{
    begin(NULL);
    aiex_fake_on_call(h, answer_inside, NULL);
    templated("gateway.chat", with_template);
    CU_ASSERT(body_is(made(0), "{\"messages\":[{\"role\":\"system\",\"content\":\"T\"}]}"));
    answer_ok(0);
    settle(0, 1, 1, 1);
    aiex_fake_on_call(h, refuse_inside, NULL);
    failed(templated("gateway.chat", with_template), "busy");
    aiex_fake_on_call(h, cancel_inside, NULL);
    templated("gateway.chat", with_template);
    CU_ASSERT_EQUAL(gw()->n_renderings, 0);
    finish();
}

static void nobody_looks(void)
{
    begin(NULL);
    ask("gateway.chat", "template", "b", 0, "dialect", "s", "openai.chat", "model", "s", "m",
        "body", "x", BYTES(with_template), NULL); /* the interface has looked and says no */
    CU_ASSERT_PTR_NULL(question(0));
    answer_ok(0);
    settle(0, 1, 1, 1);
    finish();
    begin((struct aiex_fake_pair[]){{"templates", "none"}, {0}});
    templated("gateway.chat", with_template);
    CU_ASSERT_PTR_NULL(question(0));
    CU_ASSERT(body_is(made(0), with_template));
    answer_ok(0);
    settle(0, 1, 1, 1);
    finish();
}

const struct test_case tests[] = {
    {"every_dialect_has_its_place", every_dialect_has_its_place},
    {"found_wherever_it_stands", found_wherever_it_stands},
    {"the_text_becomes_the_system_prompt", the_text_becomes_the_system_prompt},
    {"templates_may_fail", templates_may_fail},
    {"answered_inside_the_call", answered_inside_the_call},
    {"nobody_looks", nobody_looks},
    {0},
};

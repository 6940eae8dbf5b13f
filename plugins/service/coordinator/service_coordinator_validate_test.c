/* Answers that are looked at before they go out, and the one repeat with the fault. */
#include "coordinator_rig.h"
#include "needs.h"
#include "validate.h"

#include <aiex_json.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCHEMA                                                                                     \
    "{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}},\"required\":[\"n\"]}"

static struct aiex_slice slice(const char *text)
{
    return (struct aiex_slice){(const uint8_t *)text, strlen(text)};
}

static const char openai[] =
    "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"response_format\":{\"type\":"
    "\"json_schema\",\"json_schema\":{\"name\":\"a\",\"schema\":" SCHEMA "}},\"tools\":[{\"type\":"
    "\"function\",\"function\":{\"name\":\"f\",\"parameters\":" SCHEMA "}}]}";
static const char responses[] =
    "{\"input\":\"x\",\"text\":{\"format\":{\"type\":\"json_schema\",\"schema\":" SCHEMA
    "}},\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"parameters\":" SCHEMA "}]}";
static const char anthropic[] =
    "{\"messages\":[],\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":" SCHEMA
    "}},\"tools\":[{\"name\":\"f\",\"input_schema\":" SCHEMA "}]}";
static const char ollama[] = "{\"messages\":[{\"role\":\"user\"}],\"format\":" SCHEMA
                             ",\"tools\":[{\"function\":{\"name\":\"f\",\"parameters\":" SCHEMA
                             "}}]}";

static const struct {
    const char *dialect, *request, *answer;
    enum validate level;
    const char *fault; /* NULL = good */
} rows[] = {
    {"openai.chat", openai, "{\"choices\":[{\"message\":{\"content\":\"{\\\"n\\\":1}\"}}]}",
     VALIDATE_TOOLS, NULL},
    {"openai.chat", openai, "{\"choices\":[{\"message\":{\"content\":\"sure: {\"}}]}",
     VALIDATE_JSON, "not JSON"},
    {"openai.chat", openai, "{\"choices\":[{\"message\":{\"content\":\"{\\\"n\\\":\\\"1\\\"}\"}}]}",
     VALIDATE_JSON, NULL},
    {"openai.chat", openai, "{\"choices\":[{\"message\":{\"content\":\"{\\\"n\\\":\\\"1\\\"}\"}}]}",
     VALIDATE_SCHEMA, "at '/n'"},
    {"openai.chat", openai, "{\"choices\":[{\"message\":{\"content\":null,\"refusal\":\"no\"}}]}",
     VALIDATE_TOOLS, NULL},
    {"openai.chat", openai, "{\"choices\":[{\"message\":{\"content\":null}}]}", VALIDATE_JSON,
     "there is no text"},
    {"openai.chat", "{\"messages\":[]}", "{\"choices\":[{\"message\":{\"content\":\"prose\"}}]}",
     VALIDATE_TOOLS, NULL},
    {"openai.chat", openai,
     "{\"choices\":[{\"message\":{\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":"
     "\"{\\\"n\\\":2}\"}}]}}]}",
     VALIDATE_TOOLS, NULL},
    {"openai.chat", openai,
     "{\"choices\":[{\"message\":{\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":"
     "\"{}\"}}]}}]}",
     VALIDATE_TOOLS, "the arguments of the tool 'f'"},
    {"openai.chat", openai,
     "{\"choices\":[{\"message\":{\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":"
     "\"{\"}}]}}]}",
     VALIDATE_TOOLS, "are not JSON"},
    {"openai.chat", openai,
     "{\"choices\":[{\"message\":{\"tool_calls\":[{\"function\":{\"name\":\"g\",\"arguments\":"
     "\"{}\"}}]}}]}",
     VALIDATE_TOOLS, "there is no tool 'g'"},
    {"openai.chat", openai,
     "{\"choices\":[{\"message\":{\"tool_calls\":[{\"function\":{\"name\":\"g\",\"arguments\":"
     "\"{}\"}}]}}]}",
     VALIDATE_SCHEMA, NULL},
    {"openai.responses", responses,
     "{\"output\":[{\"type\":\"reasoning\"},{\"type\":\"message\",\"content\":[{\"type\":"
     "\"output_text\",\"text\":\"{\\\"n\\\":1}\"}]}]}",
     VALIDATE_TOOLS, NULL},
    {"openai.responses", responses,
     "{\"output\":[{\"type\":\"message\",\"content\":[{\"text\":\"{}\"}]}]}", VALIDATE_SCHEMA,
     "does not fit"},
    {"openai.responses", responses,
     "{\"output\":[{\"type\":\"function_call\",\"name\":\"f\",\"arguments\":\"{}\"}]}",
     VALIDATE_TOOLS, "does not fit"},
    {"anthropic.messages", anthropic,
     "{\"content\":[{\"type\":\"text\",\"text\":\"{\\\"n\\\":1}\"}]}", VALIDATE_TOOLS, NULL},
    {"anthropic.messages", anthropic, "{\"content\":[{\"type\":\"text\",\"text\":\"{}\"}]}",
     VALIDATE_SCHEMA, "does not fit"},
    {"anthropic.messages", anthropic,
     "{\"content\":[{\"type\":\"tool_use\",\"name\":\"f\",\"input\":{\"n\":1.5}}]}", VALIDATE_TOOLS,
     "does not fit"},
    {"ollama.chat", ollama, "{\"message\":{\"content\":\"{\\\"n\\\":1}\"}}", VALIDATE_TOOLS, NULL},
    {"ollama.chat", ollama, "{\"message\":{\"content\":\"[]\"}}", VALIDATE_SCHEMA, "does not fit"},
    {"ollama.chat", ollama,
     "{\"message\":{\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{}}}]}}",
     VALIDATE_TOOLS, "does not fit"},
    {"openai.completions", "{\"prompt\":\"x\"}", "{\"choices\":[{\"text\":\"x\"}]}", VALIDATE_TOOLS,
     NULL},
    {"openai.chat", "no json", "{}", VALIDATE_TOOLS, NULL},
    {"openai.chat", openai, "no json", VALIDATE_TOOLS, NULL},
};

static void every_dialect(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char fault[512] = "";
        int good = validate_answer(slice(rows[i].dialect), slice(rows[i].request),
                                   slice(rows[i].answer), rows[i].level, fault, sizeof(fault));

        if (good != !rows[i].fault || (rows[i].fault && !strstr(fault, rows[i].fault))) {
            printf("\nrow %zu: %d '%s'\n", i, good, fault);
            CU_FAIL("another judgement");
        }
    }
}

static void repaired_requests(void)
{
    static const char *const requests[] = {openai, responses, anthropic, ollama};
    struct aiex_slice out;

    for (size_t i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL_FATAL(validate_repair(slice(requests[i]), "a \"quoted\" fault", &out), 0);
        CU_ASSERT_EQUAL(aiex_json_scan(out, 0, NULL, 0, NULL), AIEX_JSON_OBJECT);
        CU_ASSERT_PTR_NOT_NULL(memmem(out.data, out.len, "a \\\"quoted\\\" fault", 18));
        free((void *)out.data);
    }
    CU_ASSERT_EQUAL(validate_repair(slice("{\"prompt\":\"x\"}"), "f", &out), -EINVAL);
    CU_ASSERT_EQUAL(validate_repair(slice("{"), "f", &out), -EINVAL);
}

/* ---- Through the descriptor ---- */

static uint64_t asked(int unary)
{
    return ask(&(struct ask){.model = "m", .body = openai, .unary = unary});
}

static void one(const struct aiex_fake_pair *pairs)
{
    world = (struct world){.providers = {{"provider_a", "provider_openai", 1, {"m"}, NULL}}};
    begin(pairs);
}

static const char good[] = "{\"choices\":[{\"message\":{\"content\":\"{\\\"n\\\":1}\"}}]}";
static const char bad[] = "{\"choices\":[{\"message\":{\"content\":\"{\\\"n\\\":{}}\"}}]}";

static void good_ones_pass_as_they_are(void)
{
    uint64_t id;

    one((struct aiex_fake_pair[]){{"validate", "schema"}, {0}});
    id = asked(1);
    answer_part(0, "{\"choices\":[{\"message\":");
    CU_ASSERT_EQUAL(aiex_fake_parts(h, id).len, 0); /* held back */
    answer_part(0, "{\"content\":\"{\\\"n\\\":1}\"}}]}");
    answer_end(0, 10, 3);
    ended_well(id);
    CU_ASSERT(parts_of(id, good));
    CU_ASSERT_PTR_NULL(made(1));
    id = asked(0);
    CU_ASSERT(made(1)->flags & AIEX_CALL_SPLICE); /* streams are not looked at */
    answer_ok(1);
    finish();
}

static void one_repair(void)
{
    struct aiex_slice body = NOTHING;
    uint64_t id;

    one((struct aiex_fake_pair[]){{"validate", "schema"}, {"price.m", "input=1 output=1"}, {0}});
    id = asked(1);
    answer_part(0, bad);
    answer_end(0, 10, 3);
    CU_ASSERT_PTR_NULL(aiex_fake_answer(h, id));
    CU_ASSERT_PTR_NOT_NULL_FATAL(made(1));
    CU_ASSERT(is(made(1), "model", "m") && aiex_is_map(made(1)->body));
    CU_ASSERT_EQUAL(aiex_get_bytes(made(1)->body, "body", &body), 1);
    CU_ASSERT_PTR_NOT_NULL(memmem(body.data, body.len, "does not fit its schema", 23));
    answer_part(1, good);
    answer_end(1, 20, 3);
    ended_well(id);
    CU_ASSERT(parts_of(id, good));
    CU_ASSERT_EQUAL(number(record_of(0)->body, "cost"), 36); /* both */
    finish();
}

static void no_second_repair(void)
{
    uint64_t id;

    one((struct aiex_fake_pair[]){{"validate", "schema"}, {0}});
    id = asked(1);
    answer_part(0, bad);
    answer_end(0, 10, 3);
    answer_part(1, bad);
    answer_end(1, 10, 3);
    failed(id, "upstream");
    CU_ASSERT_PTR_NOT_NULL(strstr(aiex_fake_answer(h, id)->text, "does not fit its schema"));
    CU_ASSERT_EQUAL(aiex_fake_parts(h, id).len, 0);
    CU_ASSERT_EQUAL(number(aiex_fake_answer(h, id)->body, "http_status"), 502);
    CU_ASSERT_PTR_NULL(made(2));
    finish();
}

static void a_cut_answer_that_was_held_back_is_repeated(void)
{
    uint64_t id;

    one((struct aiex_fake_pair[]){{"alias.v", "a/m | validate=json"}, {0}});
    id = ask(&(struct ask){.model = "v", .body = openai, .unary = 1});
    answer_part(0, "{\"choi");
    answer_error(0, "upstream", "provider_a");
    aiex_fake_advance(h, 300);
    CU_ASSERT_PTR_NOT_NULL_FATAL(made(1));
    answer_part(1, good);
    answer_end(1, 1, 1);
    ended_well(id);
    CU_ASSERT(parts_of(id, good));
    finish();
}

const struct test_case tests[] = {
    {"every_dialect", every_dialect},
    {"repaired_requests", repaired_requests},
    {"good_ones_pass_as_they_are", good_ones_pass_as_they_are},
    {"one_repair", one_repair},
    {"no_second_repair", no_second_repair},
    {"a_cut_answer_that_was_held_back_is_repeated", a_cut_answer_that_was_held_back_is_repeated},
    {0},
};

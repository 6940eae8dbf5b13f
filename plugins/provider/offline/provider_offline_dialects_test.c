/* provider_offline for clients of every chat dialect: the answer is in their own form, marked in
 * the end, and whole. */
#include <rig.h>

#define QUESTION "what does this do? ```c\\nint twice(int a)\\n{\\n    return a * 2;\\n}\\n```"
#define ASK      "\"messages\":[{\"role\":\"user\",\"content\":\"" QUESTION "\"}]"

static const struct {
    const char *dialect, *body, *object, *last;
} rows[] = {
    {"openai.chat", "{" ASK "}", "\"object\":\"chat.completion\"", "data: [DONE]\n\n"},
    {"openai.responses", "{\"input\":\"" QUESTION "\"}", "\"object\":\"response\"",
     "response.completed"},
    {"anthropic.messages", "{\"max_tokens\":64," ASK "}", "\"type\":\"message\"", "message_stop"},
    {"ollama.chat", "{" ASK "}", "\"done_reason\":\"stop\"", "\"done\":true"},
};

static uint64_t chat(size_t i, int stream)
{
    return rig_call(&(struct rig_call){
        .dialect = rows[i].dialect, .model = "any", .body = rows[i].body, .stream = stream});
}

static void check(uint64_t id)
{
    const struct aiex_fake_record *r = rig_good(id);

    CU_ASSERT_EQUAL(rig_truth(r, "offline"), 1);
    CU_ASSERT_EQUAL(rig_truth(r, "estimated"), 1);
    CU_ASSERT(rig_is(r, "model", "aiex-offline") && rig_is(r, "finish", "stop"));
    CU_ASSERT(rig_parts_have(id, "aiex-offline"));
}

static void documents(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t id;

        rig_begin(NULL);
        id = chat(i, 0);
        check(id);
        CU_ASSERT(rig_parts_have(id, rows[i].object));
        CU_ASSERT(rig_parts_have(id, "`twice` is a C function"));
        rig_finish();
    }
}

static void streams(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *mark = i == 3 ? "\n" : "\n\n";
        const struct aiex_fake_record *r;
        uint64_t id;

        rig_begin(NULL);
        aiex_fake_window(rig.host, 1000);
        id = chat(i, 1);
        for (int n = 0; n < 1000 && aiex_fake_resume(rig.host, id) == 1; n++)
            ;
        check(id);
        CU_ASSERT(rig_parts_have(id, rows[i].last));
        for (size_t n = 0; (r = aiex_fake_nth(rig.host, AIEX_FAKE_STREAM, n)) != NULL; n++)
            CU_ASSERT(r->body.len > 2 &&
                      memcmp(r->body.data + r->body.len - strlen(mark), mark, strlen(mark)) == 0);
        rig_finish();
    }
}

static void counts(void)
{
    rig_begin(NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct aiex_fake_record *r = rig_good(
            rig_call(&(struct rig_call){.method = "provider.count",
                                        .dialect = rows[i].dialect,
                                        .model = "any",
                                        .body = rows[i].body}));

        CU_ASSERT(rig_number(r, "input_tokens") > 5);
        CU_ASSERT_EQUAL(rig_truth(r, "exact"), 0);
    }
    rig_failed(
        rig_call(&(struct rig_call){
            .method = "provider.count", .dialect = "openai.chat", .model = "any", .body = "["}),
        "invalid", 400);
    rig_finish();
}

static void what_it_has_not(void)
{
    uint64_t id;

    rig_begin(NULL);
    id = rig_call(&(struct rig_call){
        .dialect = "openai.completions", .model = "any", .body = "{\"prompt\":\"x\"}"});
    CU_ASSERT_STRING_EQUAL(aiex_fake_answer(rig.host, id)->code, "not_found");
    rig_failed(rig_call(&(struct rig_call){.method = "provider.chat",
                                           .dialect = "openai.completions",
                                           .model = "any",
                                           .body = "{\"prompt\":\"x\"}"}),
               "invalid", 400);
    rig_finish();
}

const struct test_case tests[] = {{"documents", documents},
                                  {"streams", streams},
                                  {"counts", counts},
                                  {"what_it_has_not", what_it_has_not},
                                  {0}};

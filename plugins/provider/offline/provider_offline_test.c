/* provider_offline through its descriptor, with the fake host and a folder of its own. */
#include "rig_folder.h"
#include "search.h"
#include "test.h"

#include <aiex/aiex_pack.h>
#include <aiex_fake_host.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct aiex_fake_host *h;
static const struct aiex_plugin *p;
static void *self;
static char root[64];

static void begin(const char *folders)
{
    struct aiex_fake_pair pairs[] = {{"root", folders}, {0}};
    struct aiex_error err = {""};

    h = aiex_fake_host_new("provider_offline");
    p = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    if (aiex_fake_start(h, p, pairs, &self, &err) != 0)
        CU_FAIL_FATAL(err.text);
}

static void finish(void)
{
    aiex_fake_stop(h, p, self);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

static uint64_t chat_raw(const char *json, int stream)
{
    size_t cap = strlen(json) + 256;
    uint8_t *mem = malloc(cap);
    struct aiex_writer w;
    uint64_t id;

    aiex_writer_init(&w, mem, cap);
    aiex_w_map(&w, 5);
    aiex_w_key_str(&w, "dialect", "openai.chat");
    aiex_w_key_str(&w, "model", "any");
    aiex_w_key_bool(&w, "stream", stream);
    aiex_w_key_int(&w, "attempt", 2);
    aiex_w_key_bin(&w, "body", json, strlen(json));
    id = aiex_fake_request(h, p, self, "provider.chat", aiex_written(&w), 0);
    free(mem);
    return id;
}

static uint64_t chat(const char *content, int stream)
{
    char json[8192];

    snprintf(json, sizeof(json), "{\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}",
             content);
    return chat_raw(json, stream);
}

static int says(uint64_t id, const char *what)
{
    struct aiex_slice s = aiex_fake_parts(h, id);

    return memmem(s.data, s.len, what, strlen(what)) != NULL;
}

static void make(const char *name, const char *content)
{
    char path[256];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", root, name);
    f = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(content, f);
    fclose(f);
}

static void folder(const char *name)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", root, name);
    CU_ASSERT_EQUAL(mkdir(path, 0700), 0);
}

static void make_root(void)
{
    strcpy(root, "/tmp/aiex-offline-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(root));
}

/* Runs the slices of a search to their end. */
static const struct aiex_fake_record *settle(uint64_t id)
{
    for (int i = 0; i < 1000 && !aiex_fake_answer(h, id); i++)
        aiex_fake_advance(h, 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(aiex_fake_answer(h, id));
    return aiex_fake_answer(h, id);
}

static void says_what_to_do(void)
{
    const struct aiex_fake_record *r;
    int64_t n = 0;
    int flag = 0;
    uint64_t id;

    begin("");
    id = chat("hello", 0);
    r = aiex_fake_answer(h, id);
    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    CU_ASSERT_EQUAL(r->kind, AIEX_FAKE_REPLY);
    CU_ASSERT(says(id, "No language model is reachable") && says(id, "OPENAI_API_KEY"));
    CU_ASSERT(says(id, "\"model\":\"aiex-offline\"") && says(id, "\"aiex\":{\"offline\":true"));
    CU_ASSERT(says(id, "\"system_fingerprint\":\"aiex-offline\"") && says(id, "\"total_tokens\":"));
    CU_ASSERT(aiex_get_bool(r->body, "offline", &flag) == 1 && flag);
    CU_ASSERT(aiex_get_bool(r->body, "estimated", &flag) == 1 && flag);
    CU_ASSERT(aiex_get_int(r->body, "output_tokens", &n) == 1 && n > 50);
    CU_ASSERT(aiex_get_int(r->body, "attempts", &n) == 1 && n == 2);
    CU_ASSERT(aiex_is_map(r->body));
    finish();
}

static void explains_pasted_code(void)
{
    uint64_t id;

    begin("");
    id = chat("What does this do? ```c\\nint twice(int a)\\n{\\n    return a * 2;\\n}\\n```", 0);
    CU_ASSERT(says(id, "`twice` is a C function"));
    CU_ASSERT(says(id, "return a * 2"));
    CU_ASSERT(!says(id, "OPENAI_API_KEY"));
    id = chat("see ```\\nnothing\\n```", 0);
    CU_ASSERT(says(id, "no definition was found"));
    finish();
}

static void finds_the_name_in_older_messages(void)
{
    uint64_t id;

    begin("");
    id = chat_raw("{\"messages\":[{\"role\":\"user\",\"content\":\"```py\\ndef a(x):\\n    return "
                  "1\\n\\ndef b(y):\\n    return 2\\n```\"},"
                  "{\"role\":\"assistant\",\"content\":\"ok\"},{\"role\":\"user\",\"content\":"
                  "\"and what does `b` return?\"}]}",
                  0);
    CU_ASSERT(says(id, "`b` is a Python function, lines 4 to 5"));
    CU_ASSERT(says(id, "line 1, function `def a(x):`"));
    finish();
}

static void streams_with_back_pressure(void)
{
    char code[6000] = "```c\\nint long_one(void)\\n{\\n";
    struct aiex_slice all;
    uint64_t id;
    int rounds = 0;

    for (int i = 0; i < 50; i++)
        strcat(code, "    call_something_with_a_name(1, 2, 3, 4, 5, 6, 7, 8);\\n");
    strcat(code, "}\\n```");
    begin("");
    aiex_fake_window(h, 1000);
    id = chat(code, 1);
    CU_ASSERT_PTR_NULL(aiex_fake_answer(h, id));
    while (aiex_fake_resume(h, id) == 1)
        rounds++;
    CU_ASSERT(rounds > 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(aiex_fake_answer(h, id));
    all = aiex_fake_parts(h, id);
    CU_ASSERT(all.len > 14 && memcmp(all.data + all.len - 14, "data: [DONE]\n\n", 14) == 0);
    for (size_t i = 0; i < aiex_fake_count(h, AIEX_FAKE_STREAM); i++) {
        struct aiex_slice part = aiex_fake_nth(h, AIEX_FAKE_STREAM, i)->body;

        CU_ASSERT(memcmp(part.data, "data: ", 6) == 0 &&
                  memcmp(part.data + part.len - 2, "\n\n", 2) == 0);
    }
    id = chat(code, 1);
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, id), 0);
    finish();
}

static void json_for_who_asked(void)
{
    uint64_t id;

    begin("");
    id = chat_raw("{\"response_format\":{\"type\":\"json_object\"},\"messages\":[{\"role\":"
                  "\"user\",\"content\":\"x\"}]}",
                  0);
    CU_ASSERT(says(id, "\"content\":\"{\\\"offline\\\":true,\\\"message\\\":\\\""));
    finish();
}

static void wrong_requests(void)
{
    uint64_t id;

    begin("");
    CU_ASSERT_STRING_EQUAL(aiex_fake_answer(h, chat_raw("{", 0))->code, "invalid");
    CU_ASSERT_STRING_EQUAL(aiex_fake_answer(h, chat_raw("{\"messages\":[]}", 1))->code, "invalid");
    id = aiex_fake_request(h, p, self, "provider.chat", (struct aiex_slice){NULL, 0}, 0);
    CU_ASSERT_STRING_EQUAL(aiex_fake_answer(h, id)->code, "invalid");
    id = aiex_fake_request(h, p, self, "provider.dream", (struct aiex_slice){NULL, 0}, 0);
    CU_ASSERT_STRING_EQUAL(aiex_fake_answer(h, id)->code, "not_found");
    aiex_fake_fail_alloc(h, 1);
    CU_ASSERT_STRING_EQUAL(aiex_fake_answer(h, chat("x", 0))->code, "internal");
    finish();
}

static void models_and_health(void)
{
    struct aiex_value v;
    int healthy = 0;
    uint64_t id;

    begin("");
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(h, AIEX_FAKE_JOIN, "provider", 0));
    id = aiex_fake_request(h, p, self, "provider.models", (struct aiex_slice){NULL, 0}, 0);
    CU_ASSERT(aiex_get(aiex_fake_answer(h, id)->body, "models", &v) == 1 && v.count == 1);
    id = aiex_fake_request(h, p, self, "provider.health", (struct aiex_slice){NULL, 0}, 0);
    CU_ASSERT(aiex_get_bool(aiex_fake_answer(h, id)->body, "healthy", &healthy) == 1 && healthy);
    finish();
}

/* ---- Files ---- */

static void finds_files_below_root(void)
{
    char two[160];
    uint64_t id;

    make_root();
    folder("src");
    folder("src/deep");
    folder(".git");
    make("src/deep/tree.c", "/* Walks. */\nvoid walk_tree(int n)\n{\n    walk_tree(n - 1);\n}\n");
    make("src/other.py", "def other():\n    return walk_tree\n");
    make(".git/hidden.c", "void hidden_thing(void)\n{\n}\n");
    make("plain.txt", "void walk_text(void)\n{\n}\n");
    snprintf(two, sizeof(two), "/nowhere/at/all, %s", root);
    begin(two);
    id = chat("What does walk_tree do?", 0);
    settle(id);
    CU_ASSERT(says(id, "`walk_tree` is a C function, lines 2 to 5 of") &&
              says(id, "src/deep/tree.c"));
    CU_ASSERT(says(id, "> Walks."));
    id = chat("Explain src/other.py", 0);
    settle(id);
    CU_ASSERT(says(id, "`other` is a Python function"));
    id = chat("and `hidden_thing`?", 0);
    settle(id);
    CU_ASSERT(!says(id, "is a C function"));
    id = chat("and walk_text()?", 0);
    settle(id);
    CU_ASSERT(says(id, "files below the configured folders") ||
              says(id, "Names of functions and files"));
    finish();
    rig_folder_remove(root);
}

static void follows_no_links_and_ignores_the_odd(void)
{
    char path[256];
    uint64_t id;

    make_root();
    folder("in");
    make("target.c", "void linked_thing(void)\n{\n}\n");
    snprintf(path, sizeof(path), "%s/in/link.c", root);
    CU_ASSERT_EQUAL(symlink("../target.c", path), 0);
    snprintf(path, sizeof(path), "%s/in/loop", root);
    CU_ASSERT_EQUAL(symlink(".", path), 0);
    snprintf(path, sizeof(path), "%s/in/pipe.c", root);
    CU_ASSERT_EQUAL(mkfifo(path, 0600), 0);
    snprintf(path, sizeof(path), "%s/in", root);
    begin(path);
    id = chat("What does linked_thing do?", 0);
    settle(id);
    CU_ASSERT(!says(id, "is a C function"));
    finish();
    rig_folder_remove(root);
}

static void search_works_in_slices(void)
{
    char name[64];
    uint64_t id;

    make_root();
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "f%03d.c", i);
        make(name, "int nothing;\n");
    }
    begin(root);
    id = chat("What does missing_thing do?", 0);
    CU_ASSERT_PTR_NULL(aiex_fake_answer(h, id)); /* not in one go */
    settle(id);
    CU_ASSERT(says(id, "No language model"));
    id = chat("What does missing_thing do?", 0);
    aiex_fake_set_now(h, aiex_fake_host_table(h)->now_ms(aiex_fake_host_table(h)) + SEARCH_MAX_MS);
    settle(id);
    CU_ASSERT(says(id, "stopped at its limits"));
    id = chat("What does missing_thing do?", 0);
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, id), 0); /* frees the timer and the folders */
    chat("What does missing_thing do?", 0);      /* destroy() does, too */
    aiex_fake_stop(h, p, self);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 1);
    rig_folder_remove(root);
}

static void depth_is_limited(void)
{
    char path[200] = "d";
    uint64_t id;

    make_root();
    for (int i = 0; i < 14; i++) {
        folder(path);
        strcat(path, "/d");
    }
    strcpy(strrchr(path, '/'), "/x.c");
    make(path, "void too_deep(void)\n{\n}\n");
    begin(root);
    id = chat("What does too_deep do?", 0);
    settle(id);
    CU_ASSERT(says(id, "stopped at its limits"));
    finish();
    rig_folder_remove(root);
}

static void cancel_it(void *arg, struct aiex_fake_host *host, const struct aiex_fake_record *part)
{
    CU_ASSERT_EQUAL(aiex_fake_cancel(host, part->id), 0);
}

/* In one cell the caller's CANCEL comes inside of stream(). */
static void the_caller_leaves_while_it_is_given_a_part(void)
{
    begin("");
    aiex_fake_on_part(h, cancel_it, NULL);
    for (int stream = 0; stream < 2; stream++)
        CU_ASSERT_PTR_NULL(aiex_fake_answer(h, chat("hello", stream)));
    CU_ASSERT_EQUAL(aiex_fake_count(h, AIEX_FAKE_STREAM), 2);
    finish();
}

const struct test_case tests[] = {
    {"the_caller_leaves_while_it_is_given_a_part", the_caller_leaves_while_it_is_given_a_part},
    {"says_what_to_do", says_what_to_do},
    {"explains_pasted_code", explains_pasted_code},
    {"finds_the_name_in_older_messages", finds_the_name_in_older_messages},
    {"streams_with_back_pressure", streams_with_back_pressure},
    {"json_for_who_asked", json_for_who_asked},
    {"wrong_requests", wrong_requests},
    {"models_and_health", models_and_health},
    {"finds_files_below_root", finds_files_below_root},
    {"follows_no_links_and_ignores_the_odd", follows_no_links_and_ignores_the_odd},
    {"search_works_in_slices", search_works_in_slices},
    {"depth_is_limited", depth_is_limited},
    {0}};

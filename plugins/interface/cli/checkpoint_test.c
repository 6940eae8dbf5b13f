/*
 * checkpoint_test.c - aiex checkpoint, against a scripted host: what it sends (as JSON), what it
 * prints for people and with --json, and its exit codes.
 */
#include "test.h"

#include "json_in.h"
#include "json_out.h"
#include "scripted_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct ran ran;

static int has(const char *text, const char *part)
{
    if (strstr(text, part))
        return 1;
    printf("\n'%s' is not in:\n%s\n", part, text);
    return 0;
}

struct script {
    const char *method, *sent;
    const char *parts[4];
    const char *answer; /* NULL: not found */
};

static struct aiex_slice packed(const char *json)
{
    struct aiex_slice map = {NULL, 0};
    struct aiex_error err;

    if (json_in(json, strlen(json), &map, &err) != 0) {
        fprintf(stderr, "%s: %s\n", json, err.text);
        abort();
    }
    return map;
}

static void check_sent(struct peer *p, struct aiex_slice body, const char *sent)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    json_out(f, body, JSON_LINE);
    fclose(f);
    if (!strstr(text, sent)) {
        printf("\nsent %s\nwant %s\n", text, sent);
        p->failed = 1;
    }
    free(text);
}

static void play(struct peer *p)
{
    const struct script *s = p->arg;

    check_sent(p, peer_expect_call(p, "checkpoints", s->method), s->sent);
    for (const char *const *part = s->parts; *part; part++) {
        struct aiex_slice map = packed(*part);

        peer_part(p, peer_id(p), map.data, map.len);
        free((void *)(uintptr_t)map.data);
    }
    if (s->answer) {
        struct aiex_slice map = packed(s->answer);

        peer_end(p, peer_id(p), map);
        free((void *)(uintptr_t)map.data);
    } else {
        peer_error(p, peer_id(p), "not_found", "there is no checkpoint 'one'");
    }
}

static void run_with(const struct script *s, int code, const char *const *args)
{
    struct scripted_host *h = scripted_host_new(play, (void *)(uintptr_t)s);
    const struct run_as as = {.socket = scripted_host_path(h)};

    run_aiex(&as, args, &ran);
    CU_ASSERT_EQUAL(ran.code, code);
    CU_ASSERT(scripted_host_free(h));
}

#define WITH(script, code, ...)                                                                    \
    run_with(&(script), code, (const char *const[]){"checkpoint", __VA_ARGS__, NULL})

#define ONE                                                                                        \
    "\"name\":\"one\",\"created\":1700000000000,\"kind\":\"full\",\"events\":12,\"rows\":3,"       \
    "\"stored_bytes\":2048,\"new_bytes\":1024,\"parts\":[\"sessions\"],\"tags\":[\"a\",\"b\"],"    \
    "\"description\":\"why\",\"parent\":\"\",\"took_ms\":1500"

static void makes(void)
{
    static const struct script create = {
        "checkpoints.create",
        "{\"description\":\"why\",\"tags\":[\"a\",\"b\"],\"parts\":[\"sessions\",\"table:x\"],"
        "\"full\":true,\"name\":\"one\"}",
        {"{\"phase\":\"events\",\"done\":1,\"total\":2}"},
        "{" ONE "}"};
    static const struct script plain = {"checkpoints.create", "{}", {NULL}, "{" ONE "}"};

    WITH(create, 0, "create", "one", "--description", "why", "--tag", "a,b", "--parts",
         "sessions,table:x", "--full");
    CU_ASSERT_STRING_EQUAL(ran.out, "one\n");
    CU_ASSERT(has(ran.err, "full: 12 events, 3 rows; 1.0K of new files"));
    CU_ASSERT_PTR_NULL(strstr(ran.err, "50 %")); /* no terminal */
    WITH(plain, 0, "create", "--json");
    CU_ASSERT(has(ran.out, "\"name\": \"one\""));
}

static void lists(void)
{
    static const struct script list = {
        "checkpoints.list", "{\"tag\":\"a\"}", {NULL}, "{\"checkpoints\":[{" ONE "}]}"};
    static const struct script show = {
        "checkpoints.show", "{\"name\":\"one\"}", {NULL}, "{" ONE "}"};
    static const struct script none = {"checkpoints.show", "{\"name\":\"one\"}", {NULL}, NULL};

    WITH(list, 0, "list", "--tag", "a");
    CU_ASSERT(has(ran.out, "one   2023-11-14 22:13:20"));
    CU_ASSERT(has(ran.out, "2.0K"));
    WITH(show, 0, "show", "one");
    CU_ASSERT(has(ran.out, "description  why\n"));
    CU_ASSERT(has(ran.out, "tags         a, b\n"));
    WITH(none, 5, "show", "one");
    CU_ASSERT(has(ran.err, "there is no checkpoint 'one'"));
}

#define CHANGE "{\"part\":\"table:x\",\"change\":\"changed\",\"key\":\"k\\u001b[31m\"}"
#define STREAM                                                                                     \
    "{\"part\":\"stream:talk-\",\"change\":\"left\",\"key\":\"talk-1\",\"detail\":\"version 1 "    \
    "then\"}"
#define COUNTS                                                                                     \
    "\"parts\":[{\"part\":\"table:x\",\"changed\":1,\"rolled_back\":2}],\"total\":{\"changed\":"   \
    "1,\"rolled_back\":2"

static void compares(void)
{
    static const struct script compare = {"checkpoints.compare",
                                          "{\"list\":5,\"from\":\"a\",\"to\":\"b\"}",
                                          {CHANGE},
                                          "{\"same\":false," COUNTS "}}"};
    static const struct script same = {
        "checkpoints.compare", "{\"from\":\"a\",\"to\":\"b\"}", {NULL}, "{\"same\":true}"};

    WITH(compare, 0, "compare", "a", "b", "--count", "5");
    CU_ASSERT_STRING_EQUAL(ran.out, "changed  table:x  k[31m\ntable:x: 1 changed, 2 rolled back\n");
    WITH(same, 0, "compare", "a", "b");
    CU_ASSERT(has(ran.err, "they are the same"));
    WITH(compare, 0, "compare", "a", "b", "--count", "5", "--json");
    CU_ASSERT(has(ran.out, "{\"part\":\"table:x\",\"change\":\"changed\""));
    CU_ASSERT(has(ran.out, "\n{\"same\":false"));
}

static void restores(void)
{
    static const struct script dry = {"checkpoints.restore",
                                      "{\"parts\":[\"all\"],\"dry_run\":true,\"name\":\"one\"}",
                                      {CHANGE, STREAM},
                                      "{\"before\":\"\"," COUNTS ",\"left\":1}}"};
    static const struct script done = {
        "checkpoints.restore",
        "{\"keep_added\":true,\"mark\":true,\"backup\":false,\"name\":\"one\"}",
        {"{\"phase\":\"tables\",\"done\":1,\"total\":0}"},
        "{\"before\":\"before-one\",\"restart\":[\"service_x\"]," COUNTS ",\"conflicts\":3}}"};

    WITH(dry, 0, "restore", "one", "--dry-run", "--parts", "all");
    CU_ASSERT(has(ran.out, "left  stream:talk-  talk-1  version 1 then\n"));
    CU_ASSERT(has(ran.err, "nothing was changed"));
    CU_ASSERT(has(ran.err, "API keys without --keys"));
    WITH(done, 1, "restore", "one", "--keep-added", "--mark", "--no-backup");
    CU_ASSERT(has(ran.err, "the way back: aiex checkpoint restore before-one"));
    CU_ASSERT(has(ran.err, "aiex plugin reload service_x"));
    CU_ASSERT(has(ran.err, "3 conflicts: these were not touched"));
}

static void verifies(void)
{
    static const struct script whole = {"checkpoints.verify",
                                        "{\"name\":\"one\"}",
                                        {NULL},
                                        "{\"whole\":true,\"faults\":0,\"chunks\":7}"};
    static const struct script damaged = {
        "checkpoints.verify",
        "{\"name\":\"one\"}",
        {"{\"where\":\"table:x\",\"what\":\"chunk 12 is missing\"}"},
        "{\"whole\":false,\"faults\":1}"};

    WITH(whole, 0, "verify", "one");
    CU_ASSERT(has(ran.err, "'one' is whole: 7 chunks"));
    WITH(damaged, 1, "verify", "one");
    CU_ASSERT_STRING_EQUAL(ran.out, "table:x  chunk 12 is missing\n");
    CU_ASSERT(has(ran.err, "'one' has 1 faults and can not be restored"));
    WITH(damaged, 1, "verify", "one", "--json");
    CU_ASSERT(has(ran.out, "\n{\"whole\":false,\"faults\":1}\n"));
}

static void deletes(void)
{
    static const struct script gone = {
        "checkpoints.delete", "{\"name\":\"one\"}", {NULL}, "{\"chunks\":3,\"bytes\":10}"};
    static const struct script prune = {
        "checkpoints.prune", "{}", {NULL}, "{\"removed\":[\"a\",\"b\"],\"kept\":2,\"bytes\":2048}"};
    static const struct script dry = {"checkpoints.prune",
                                      "{\"dry_run\":true}",
                                      {NULL},
                                      "{\"removed\":[\"a\"],\"kept\":2,\"bytes\":0}"};

    WITH(gone, 0, "delete", "one");
    CU_ASSERT(has(ran.err, "deleted one"));
    WITH(prune, 0, "prune");
    CU_ASSERT_STRING_EQUAL(ran.out, "a\nb\n");
    CU_ASSERT(has(ran.err, "2 stay, 2.0K were freed"));
    WITH(dry, 0, "prune", "-n");
    CU_ASSERT(has(ran.err, "these would go; 2 stay"));
}

/* ---- export, import ---- */

static void play_export(struct peer *p)
{
    static const char *const none[] = {NULL};
    uint8_t end[64];

    peer_expect_call(p, "checkpoints", "checkpoints.export");
    peer_part(p, peer_id(p), "abc", 3);
    peer_part(p, peer_id(p), "def", 3);
    if (p->arg)
        peer_error(p, peer_id(p), "internal", "chunk 12 is damaged");
    else
        peer_end(p, peer_id(p), make_map(end, sizeof(end), none));
}

static void export_with(void *fails, const char *file, int code)
{
    struct scripted_host *h = scripted_host_new(play_export, fails);
    const struct run_as as = {.socket = scripted_host_path(h)};
    const char *const args[] = {"checkpoint", "export", "one", file, NULL};

    run_aiex(&as, args, &ran);
    CU_ASSERT_EQUAL(ran.code, code);
    CU_ASSERT(scripted_host_free(h));
}

static void exports(void)
{
    char dir[] = "/tmp/aiex_cp_XXXXXX", file[64], text[16] = "";
    FILE *f;

    export_with(NULL, NULL, 0);
    CU_ASSERT_STRING_EQUAL(ran.out, "abcdef");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    snprintf(file, sizeof(file), "%s/out", dir);
    export_with(NULL, file, 0);
    f = fopen(file, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL(fread(text, 1, 15, f), 6);
    fclose(f);
    CU_ASSERT_STRING_EQUAL(text, "abcdef");
    CU_ASSERT_EQUAL(unlink(file), 0);
    export_with(dir, file, 1);
    CU_ASSERT(has(ran.err, "chunk 12 is damaged"));
    CU_ASSERT_NOT_EQUAL(access(file, F_OK), 0);
    CU_ASSERT_EQUAL(rmdir(dir), 0); /* nothing else was left there */
}

static void imports(void)
{
    static const struct script import = {
        "checkpoints.import",
        "\"offset\":0,\"data\":\"bytes\",\"end\":true,\"name\":\"two\"}",
        {NULL},
        "{" ONE "}"};
    struct scripted_host *h = scripted_host_new(play, (void *)(uintptr_t)&import);
    const struct run_as as = {.socket = scripted_host_path(h), .input = "bytes"};
    const char *const args[] = {"checkpoint", "import", "-", "--as", "two", NULL};

    run_aiex(&as, args, &ran);
    CU_ASSERT_EQUAL(ran.code, 0);
    CU_ASSERT(scripted_host_free(h));
    CU_ASSERT_STRING_EQUAL(ran.out, "one\n");
    CU_ASSERT(has(ran.err, "aiex checkpoint restore --dry-run one"));
}

static void says_what_is_wrong(void)
{
    static const char *const wrong[][6] = {
        {"checkpoint", "show", NULL},
        {"checkpoint", "compare", "one", NULL},
        {"checkpoint", "restore", "one", "--count", "x", NULL},
        {"checkpoint", "create", "one", "two", NULL},
    };
    const struct run_as as = {0};
    const char *const missing[] = {"checkpoint", "import", "/nowhere/at/all", NULL};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        run_aiex(&as, wrong[i], &ran);
        CU_ASSERT_EQUAL(ran.code, 2);
        CU_ASSERT(ran.err[0] != 0);
    }
    run_aiex(&as, missing, &ran);
    CU_ASSERT_EQUAL(ran.code, 1);
    CU_ASSERT(has(ran.err, "can not read /nowhere/at/all"));
}

const struct test_case tests[] = {
    {"makes", makes},
    {"lists", lists},
    {"compares", compares},
    {"restores", restores},
    {"verifies", verifies},
    {"deletes", deletes},
    {"exports", exports},
    {"imports", imports},
    {"says_what_is_wrong", says_what_is_wrong},
    {0},
};

/*
 * session_test.c - aiex session, against a scripted host: what it sends (as JSON), what it prints
 * for people and with --json.
 */
#include "test.h"

#include "json_in.h"
#include "json_out.h"
#include "scripted_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ran ran;

static int has(const char *text, const char *part)
{
    if (strstr(text, part))
        return 1;
    printf("\n'%s' is not in:\n%s\n", part, text);
    return 0;
}

/* Calls in their order. */
struct script {
    const char *method, *sent, *answer;
};

static void play_one(struct peer *p, const struct script *s)
{
    struct aiex_slice body = peer_expect_call(p, "sessions", s->method), map = {NULL, 0};
    struct aiex_error err;
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    json_out(f, body, JSON_LINE);
    fclose(f);
    if (strcmp(text, s->sent) != 0) {
        printf("\nsent %s\nwant %s\n", text, s->sent);
        p->failed = 1;
    }
    free(text);
    if (json_in(s->answer, strlen(s->answer), &map, &err) != 0) {
        fprintf(stderr, "%s: %s\n", s->answer, err.text);
        abort();
    }
    peer_end(p, peer_id(p), map);
    free((void *)(uintptr_t)map.data);
}

static void play(struct peer *p)
{
    for (const struct script *s = p->arg; s->method; s++)
        play_one(p, s);
}

static void run_with(const struct script *s, const char *const *args)
{
    struct scripted_host *h = scripted_host_new(play, (void *)(uintptr_t)s);
    const struct run_as as = {.socket = scripted_host_path(h)};

    run_aiex(&as, args, &ran);
    CU_ASSERT_EQUAL(ran.code, 0);
    CU_ASSERT(scripted_host_free(h));
}

#define WITH(script, ...) run_with(script, (const char *const[]){__VA_ARGS__, NULL})

#define ROW                                                                                        \
    "\"session\":\"abc\",\"title\":\"A "                                                           \
    "talk\",\"user\":\"ada\",\"project\":\"\",\"state\":\"open\","                                 \
    "\"version\":3,\"messages\":2,\"updated\":1700000000000,\"origin\":\"\""

static void lists(void)
{
    static const struct script list[] = {
        {"sessions.list",
         "{\"user\":\"ada\",\"title\":\"talk\",\"state\":\"open\",\"limit\":1,\"next\":\"t0\"}",
         "{\"sessions\":[{" ROW "}],\"next\":\"t1\"}"},
        {0}};
    static const struct script none[] = {{"sessions.list", "{}", "{\"sessions\":[]}"}, {0}};

    WITH(list, "session", "list", "--user", "ada", "--title", "talk", "--state", "open", "--count",
         "1", "--next", "t0");
    CU_ASSERT(has(ran.out, "A talk"));
    CU_ASSERT(has(ran.out, "2023-11-14 22:13:20"));
    CU_ASSERT(has(ran.err, "there are more: --next t1"));
    WITH(none, "session", "list", "--json");
    CU_ASSERT_STRING_EQUAL(ran.out, "[]\n");
}

#define TALK                                                                                       \
    "{\"session\":\"abc\",\"version\":3,\"next\":\"n\",\"events\":["                               \
    "{\"session\":\"abc\",\"version\":3,\"time\":1700000000000,\"type\":\"session.message\","      \
    "\"data\":{\"role\":\"assistant\",\"content\":\"fine \\u001b[31m\"}},"                         \
    "{\"session\":\"abc\",\"version\":2,\"time\":1700000000000,\"type\":\"session.message\","      \
    "\"data\":{\"role\":\"user\",\"content\":\"how are you\"}}]}"

static void shows(void)
{
    static const struct script show[] = {{"sessions.get", "{\"session\":\"abc\"}", "{" ROW "}"},
                                         {"sessions.history", "{\"session\":\"abc\"}", TALK},
                                         {0}};
    static const struct script old[] = {
        {"sessions.get", "{\"version\":2,\"all\":true,\"session\":\"abc\"}", "{" ROW "}"},
        {"sessions.history", "{\"version\":2,\"all\":true,\"session\":\"abc\"}", TALK},
        {0}};

    WITH(show, "session", "show", "abc");
    CU_ASSERT(has(ran.out, "session: abc, title: A talk, state: open, user: ada, project: , "
                           "version: 3\n\n[2] user, 2023-11-14 22:13:20"));
    CU_ASSERT(has(ran.out, "\nhow are you\n\n[3] assistant, "));
    CU_ASSERT(has(ran.out, "\nfine [31m\n"));
    CU_ASSERT_PTR_NULL(strchr(ran.out, 27));
    CU_ASSERT(has(ran.err, "there are older ones: --next n"));
    WITH(old, "session", "show", "abc", "--version-of", "2", "--all", "--json");
    CU_ASSERT(has(ran.out, "\"session\": {\n"));
    CU_ASSERT(has(ran.out, "\"content\": \"how are you\""));
}

static void makes_and_forks(void)
{
    static const struct script create[] = {
        {"sessions.create",
         "{\"project\":\"p\",\"title\":\"T\",\"ttl_ms\":60000,\"session\":\"my\"}",
         "{\"session\":\"my\"}"},
        {0}};
    static const struct script fork[] = {{"sessions.fork",
                                          "{\"as\":\"new\",\"version\":4,\"session\":\"my\"}",
                                          "{\"session\":\"new\"}"},
                                         {0}};

    WITH(create, "session", "create", "--title", "T", "--project", "p", "--ttl", "1m", "--id",
         "my");
    CU_ASSERT_STRING_EQUAL(ran.out, "my\n");
    WITH(fork, "session", "fork", "my", "--version-of", "4", "--as", "new");
    CU_ASSERT_STRING_EQUAL(ran.out, "new\n");
    WITH(fork, "session", "fork", "my", "--version-of", "4", "--as", "new", "--json");
    CU_ASSERT(has(ran.out, "\"session\": \"new\""));
}

static void changes(void)
{
    static const struct {
        const char *verb, *said;
    } verbs_said[] = {{"close", "closed abc"},
                      {"archive", "archived abc"},
                      {"restore", "restored abc"},
                      {"expire", "expired abc"},
                      {"delete", "deleted abc"}};
    static const struct script back[] = {
        {"sessions.rollback", "{\"session\":\"abc\",\"version\":7}", "{" ROW "}"}, {0}};
    static const struct script due[] = {{"sessions.expire", "{}", "{\"due\":12}"}, {0}};

    for (size_t i = 0; i < sizeof(verbs_said) / sizeof(verbs_said[0]); i++) {
        char method[40];
        const struct script one[] = {{method, "{\"session\":\"abc\"}", "{" ROW "}"}, {0}};

        snprintf(method, sizeof(method), "sessions.%s", verbs_said[i].verb);
        WITH(one, "session", verbs_said[i].verb, "abc");
        CU_ASSERT(has(ran.err, verbs_said[i].said));
        WITH(one, "session", verbs_said[i].verb, "abc", "--json");
        CU_ASSERT(has(ran.out, "\"state\": \"open\""));
    }
    WITH(back, "session", "rollback", "abc", "7");
    CU_ASSERT(has(ran.err, "rolled back abc"));
    WITH(due, "session", "expire");
    CU_ASSERT(has(ran.err, "sessions that expire now: 12"));
}

static void says_what_is_wrong(void)
{
    static const char *const wrong[][6] = {
        {"session", "rollback", "abc", "x", NULL},
        {"session", "rollback", "abc", NULL},
        {"session", "show", NULL},
        {"session", "list", "--count", "x", NULL},
        {"session", "create", "--ttl", "soon", NULL},
        {"session", "show", "abc", "--version", NULL},
    };
    const struct run_as as = {0};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        run_aiex(&as, wrong[i], &ran);
        CU_ASSERT_EQUAL(ran.code, 2);
        CU_ASSERT(ran.err[0] != 0);
    }
}

const struct test_case tests[] = {{"lists", lists},
                                  {"shows", shows},
                                  {"makes_and_forks", makes_and_forks},
                                  {"changes", changes},
                                  {"says_what_is_wrong", says_what_is_wrong},
                                  {0}};

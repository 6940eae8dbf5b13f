/*
 * Tool calls whose fragments come in turn: every client reads them whole and one after the other.
 * A client's bytes are read by going on to openai.chat as if they came from a vendor of that
 * dialect, whose strict order they must have.
 */
#include "answer_run.h"
#include "answer_vendor.h"
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define C(choice) "data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[" choice "]}\n\n"
#define D(delta)  C("{\"index\":0,\"delta\":" delta ",\"finish_reason\":null}")
#define F(why)    C("{\"index\":0,\"delta\":{},\"finish_reason\":\"" why "\"}") "data: [DONE]\n\n"
#define ONE(n, id, name, args)                                                                     \
    "{\"index\":" n ",\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"" name      \
    "\",\"arguments\":\"" args "\"}}"
#define MORE(n, args)           "{\"index\":" n ",\"function\":{\"arguments\":\"" args "\"}}"
#define CALL(n, id, name, args) D("{\"tool_calls\":[" ONE(n, id, name, args) "]}")
#define ARGS(n, args)           D("{\"tool_calls\":[" MORE(n, args) "]}")

static const int clients[] = {AIEX_OPENAI_RESPONSES, AIEX_ANTHROPIC_MESSAGES, AIEX_OLLAMA_CHAT};

#define A   "{\\\"a\\\":1}"
#define B   "{\\\"b\\\":[2]}"
#define NIL "{}"

static const struct {
    const char *name, *stream, *text;
    int n;
    const char *args[3];
} good[] = {
    {"in turn",
     CALL("0", "i", "f", "") CALL("1", "j", "g", "") ARGS("0", "{\\\"a\\\":")
         ARGS("1", "{\\\"b\\\"") ARGS("0", "1") ARGS("1", ":[2") ARGS("1", "]}") ARGS("0", "}")
             F("tool_calls"),
     "",
     2,
     {A, B}},
    {"in one chunk",
     D("{\"tool_calls\":[" ONE("0", "i", "f", "") "," ONE("1", "j", "g", "") "]}")
         D("{\"tool_calls\":[" MORE("0", A) "," MORE("1", B) "]}") F("tool_calls"),
     "",
     2,
     {A, B}},
    {"three, the last one first",
     CALL("0", "i", "f", "{") CALL("1", "j", "g", "{") CALL("2", "k", "h", A)
         ARGS("1", "\\\"b\\\":[2]}") ARGS("0", "\\\"a\\\":1}") F("tool_calls"),
     "",
     3,
     {A, B, A}},
    {"one waits, one goes on when it is its turn",
     CALL("0", "i", "f", "{\\\"a\\\"") CALL("1", "j", "g", "{\\\"b\\\"") ARGS("0", ":1}")
         ARGS("1", ":[2") ARGS("1", "]}") F("tool_calls"),
     "",
     2,
     {A, B}},
    {"one after the other",
     CALL("0", "i", "f", A) CALL("1", "j", "g", B) CALL("2", "k", "h", NIL) F("tool_calls"),
     "",
     3,
     {A, B, NIL}},
    {"the first has no arguments",
     CALL("0", "i", "f", "") CALL("1", "j", "g", B) CALL("2", "k", "h", "") F("tool_calls"),
     "",
     3,
     {NIL, B, NIL}},
    {"its arguments come late",
     CALL("0", "i", "f", "") CALL("1", "j", "g", B) ARGS("0", A) F("tool_calls"),
     "",
     2,
     {A, B}},
    {"text behind them",
     CALL("0", "i", "f", "") CALL("1", "j", "g", B) D("{\"content\":\"t\"}") F("tool_calls"),
     "t",
     2,
     {NIL, B}},
    {"id and name in every delta",
     CALL("0", "i", "f", "{") CALL("1", "j", "g", "{") CALL("0", "i", "f", "\\\"a\\\":1}")
         CALL("1", "j", "g", "\\\"b\\\":[2]}") F("tool_calls"),
     "",
     2,
     {A, B}},
};

static void check_good(size_t at, int client, size_t step)
{
    struct run first = {.client = client, .vendor = AIEX_OPENAI_CHAT, .stream = 1};
    struct run second = {.client = AIEX_OPENAI_CHAT, .vendor = client, .stream = 1};
    static const char *const names[] = {"f", "g", "h"}, *const ids[] = {"i", "j", "k"};
    struct heard h = {.n_calls = -1};

    run_all(&first, good[at].stream, step);
    if (first.result != 0)
        printf("\n%s: %s\n", good[at].name, first.said.fault);
    CU_ASSERT_EQUAL(first.result, 0);
    run_all(&second, first.out, 0);
    CU_ASSERT_EQUAL(second.result, 0);
    CU_ASSERT_EQUAL(heard_stream(second.out, &h), 0);
    CU_ASSERT_EQUAL(h.n_calls, good[at].n);
    for (int i = 0; i < good[at].n && i < h.n_calls; i++) {
        CU_ASSERT_STRING_EQUAL(h.calls[i].name, names[i]);
        CU_ASSERT_STRING_EQUAL(h.calls[i].id, ids[i]);
        CU_ASSERT_STRING_EQUAL(h.calls[i].args, good[at].args[i]);
    }
    CU_ASSERT_STRING_EQUAL(h.text, good[at].text);
    CU_ASSERT_STRING_EQUAL(h.finish, "tool_calls");
    run_free(&first);
    run_free(&second);
}

static void test_every_client_reads_them_in_order(void)
{
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        for (size_t k = 0; k < sizeof(clients) / sizeof(clients[0]); k++)
            for (size_t step = 0; step < 60; step += 7)
                check_good(i, clients[k], step);
}

/* What is whole is not held back, and the open call streams. */
static void test_only_what_must_wait_waits(void)
{
    struct run r = {.client = AIEX_ANTHROPIC_MESSAGES, .vendor = AIEX_OPENAI_CHAT, .stream = 1};
    static const char *const steps[][2] = {
        {CALL("0", "i", "f", "{\\\"a\\\""), "\"partial_json\":\"{\\\"a\\\"\""},
        {CALL("1", "j", "g", "{\\\"b\\\""), NULL},
        {ARGS("0", ":1"), "\"partial_json\":\":1\""},
        {ARGS("0", "}"), "\"partial_json\":\"{\\\"b\\\"\""},
        {ARGS("1", ":[2]}"), "\"partial_json\":\":[2]}\""},
        {CALL("2", "k", "h", "{"), "\"partial_json\":\"{\""}};

    CU_ASSERT_EQUAL_FATAL(run_new(&r), 0);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        size_t before = r.len;

        CU_ASSERT_EQUAL(run_feed(&r, steps[i][0], strlen(steps[i][0])), 0);
        if (steps[i][1])
            CU_ASSERT(r.out && strstr(r.out + before, steps[i][1]) != NULL)
        else
            CU_ASSERT_EQUAL(r.len, before);
    }
    run_free(&r);
}

static void test_faults(void)
{
    static const struct {
        const char *stream, *fault;
    } rows[] = {
        {CALL("0", "i", "f", "{") CALL("1", "j", "g", "{") ARGS("1", "}") F("tool_calls"),
         "before they are whole"},
        {CALL("0", "i", "f", "{") CALL("1", "j", "g", "{") ARGS("0", "}") F("tool_calls"),
         "before they are whole"},
        {CALL("0", "i", "f", "{") CALL("1", "j", "g", "nonsense") ARGS("0", "}") F("tool_calls"),
         "are not JSON"},
        {CALL("0", "i", "f", "{") CALL("1", "j", "g", "{}") CALL("1", "other", "g", "{}"),
         "begins a second time"},
        {CALL("0", "i", "f", "{") CALL("2", "j", "g", "{}"), "where number 1 is due"},
        {CALL("0", "i", "f", "{") CALL("1", "j", "g", "{}") "data: [DONE]\n\n", "without saying"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (size_t k = 0; k < sizeof(clients) / sizeof(clients[0]); k++) {
            struct run r = {.client = clients[k], .vendor = AIEX_OPENAI_CHAT, .stream = 1};

            run_all(&r, rows[i].stream, 0);
            CU_ASSERT_EQUAL(r.result, -EPROTO);
            if (!strstr(r.said.fault, rows[i].fault))
                printf("\nrow %zu: %s\n", i, r.said.fault);
            CU_ASSERT(strstr(r.said.fault, rows[i].fault) != NULL);
            run_free(&r);
        }
}

/* An answer that its limit cut inside of the first call: the others are left out. */
static void test_cut_by_the_limit(void)
{
    static const char stream[] = CALL("0", "i", "f", "{\\\"a\\\"") CALL("1", "j", "g", "{\\\"b")
        ARGS("0", ":") F("length");
    struct run r = {.client = AIEX_ANTHROPIC_MESSAGES, .vendor = AIEX_OPENAI_CHAT, .stream = 1};

    run_all(&r, stream, 0);
    CU_ASSERT_EQUAL(r.result, 0);
    CU_ASSERT(strstr(r.out, "\"max_tokens\"") != NULL);
    CU_ASSERT(strstr(r.out, "\"id\":\"i\"") != NULL);
    CU_ASSERT(strstr(r.out, "\"id\":\"j\"") == NULL);
    run_free(&r);
}

/* `n` chunks of 64 KiB for the second call, while the first one has said `begun`. */
static struct run wait_for(const char *begun, int n)
{
    static char chunk[66000];
    struct run r = {.client = AIEX_ANTHROPIC_MESSAGES, .vendor = AIEX_OPENAI_CHAT, .stream = 1};
    static const char second[] = CALL("1", "j", "g", "{\\\"x\\\":\\\"");

    CU_ASSERT_EQUAL_FATAL(run_new(&r), 0);
    run_feed(&r, begun, strlen(begun));
    run_feed(&r, second, strlen(second));
    snprintf(
        chunk, sizeof(chunk),
        "data: {\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,"
        "\"function\":{\"arguments\":\"%065536d\"}}]}}]}\n\n",
        0);
    for (int i = 0; i < n && r.result == 0; i++)
        run_feed(&r, chunk, strlen(chunk));
    return r;
}

static void test_what_waits_is_bounded(void)
{
    static const char end[] = ARGS("1", "\\\"}") F("tool_calls");
    struct run r = wait_for(CALL("0", "i", "f", "{"), 15);

    CU_ASSERT_EQUAL(r.result, 0);
    run_free(&r);
    r = wait_for(CALL("0", "i", "f", "{"), 17);
    CU_ASSERT_EQUAL(r.result, -EMSGSIZE);
    CU_ASSERT(strstr(r.said.fault, "side by side") != NULL);
    run_free(&r);
    /* a call that has said nothing is taken for one without arguments */
    r = wait_for(CALL("0", "i", "f", ""), 40);
    CU_ASSERT_EQUAL(r.result, 0);
    CU_ASSERT(r.len > 40 * 65536);
    run_feed(&r, end, strlen(end));
    CU_ASSERT_EQUAL(run_close(&r), 0);
    CU_ASSERT(strstr(r.out, "\"message_stop\"") != NULL);
    run_free(&r);
}

static void test_too_many_wait(void)
{
    struct run r = {.client = AIEX_ANTHROPIC_MESSAGES, .vendor = AIEX_OPENAI_CHAT, .stream = 1};
    char call[400];
    int i;

    CU_ASSERT_EQUAL_FATAL(run_new(&r), 0);
    for (i = 0; i <= 1024 && r.result == 0; i++) {
        snprintf(
            call, sizeof(call),
            "data: {\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{"
            "\"index\":%d,\"id\":\"i%d\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]}}]}"
            "\n\n",
            i, i);
        run_feed(&r, call, strlen(call));
    }
    CU_ASSERT_EQUAL(r.result, -EPROTO);
    CU_ASSERT_EQUAL(i, 1025);
    run_free(&r);
}

/* Free text of which nothing was said, before another call. */
static void test_a_custom_call_without_input(void)
{
    struct run r = {.client = AIEX_OPENAI_RESPONSES, .vendor = AIEX_OPENAI_CHAT, .stream = 1};

    r.body = "{\"model\":\"m\",\"input\":\"x\",\"stream\":true,\"tools\":[{\"type\":\"custom\","
             "\"name\":\"f\"}]}";
    run_all(&r,
            CALL("0", "i", "f", "") CALL("1", "j", "f", "{\\\"input\\\":\\\"t\\\"}")
                F("tool_calls"),
            0);
    CU_ASSERT_EQUAL(r.result, 0);
    CU_ASSERT(strstr(r.out, "\"input\":\"\"") != NULL);
    CU_ASSERT(strstr(r.out, "\"input\":\"t\"") != NULL);
    run_free(&r);
}

const struct test_case tests[] = {
    {"every_client_reads_them_in_order", test_every_client_reads_them_in_order},
    {"only_what_must_wait_waits", test_only_what_must_wait_waits},
    {"faults", test_faults},
    {"cut_by_the_limit", test_cut_by_the_limit},
    {"what_waits_is_bounded", test_what_waits_is_bounded},
    {"too_many_wait", test_too_many_wait},
    {"a_custom_call_without_input", test_a_custom_call_without_input},
    {0}};

/*
 * Broken streams: each ends with a sentence, in the same dialect and across, and nothing that
 * looks like an end has been handed out.
 */
#include "answer_run.h"
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define C(choice) "data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[" choice "]}\n\n"
#define D(delta)  C("{\"index\":0,\"delta\":" delta ",\"finish_reason\":null}")
#define F(why)    C("{\"index\":0,\"delta\":{},\"finish_reason\":\"" why "\"}")
#define CALL(n, id, name, args)                                                                    \
    D("{\"tool_calls\":[{\"index\":" n ",\"id\":\"" id "\",\"type\":\"function\",\"function\":{"   \
      "\"name\":\"" name "\",\"arguments\":\"" args "\"}}]}")
#define ARGS(n, args)                                                                              \
    D("{\"tool_calls\":[{\"index\":" n ",\"function\":{\"arguments\":\"" args "\"}}]}")
#define DONE "data: [DONE]\n\n"

#define E(type, rest) "event: " type "\ndata: {\"type\":\"" type "\"" rest "}\n\n"
#define START                                                                                      \
    E("message_start", ",\"message\":{\"id\":\"msg_1\",\"model\":\"m\",\"content\":[],\"usage\":{" \
                       "\"input_tokens\":3,\"output_tokens\":1}}")
#define TEXT0                                                                                      \
    E("content_block_start", ",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}")
#define TD(n, t)                                                                                   \
    E("content_block_delta",                                                                       \
      ",\"index\":" n ",\"delta\":{\"type\":\"text_delta\",\"text\":\"" t "\"}")
#define STOP(n) E("content_block_stop", ",\"index\":" n)
#define TOOL(n)                                                                                    \
    E("content_block_start", ",\"index\":" n ",\"content_block\":{\"type\":\"tool_use\",\"id\":"   \
                             "\"t1\",\"name\":\"f\",\"input\":{}}")
#define JD(n, t)                                                                                   \
    E("content_block_delta", ",\"index\":" n ",\"delta\":{\"type\":\"input_json_delta\","          \
                             "\"partial_json\":\"" t "\"}")
#define END(why)                                                                                   \
    E("message_delta", ",\"delta\":{\"stop_reason\":\"" why "\"},\"usage\":{\"output_tokens\":5}") \
    E("message_stop", "")

#define R(type, n, rest) E(type, ",\"sequence_number\":" n rest)
#define CREATED          R("response.created", "0", ",\"response\":{\"id\":\"r\",\"model\":\"m\"}")
#define ADD(n, i)                                                                                  \
    R("response.output_item.added", n,                                                             \
      ",\"output_index\":" i ",\"item\":{\"id\":\"x\",\"type\":\"message\",\"content\":[]}")
#define RT(n, i, t)                                                                                \
    R("response.output_text.delta", n, ",\"output_index\":" i ",\"delta\":\"" t "\"")
#define ITEM(n, i)                                                                                 \
    R("response.output_item.done", n,                                                              \
      ",\"output_index\":" i ",\"item\":{\"id\":\"x\",\"type\":\"message\",\"content\":[]}")
#define COMPLETED(n)                                                                               \
    R("response.completed", n,                                                                     \
      ",\"response\":{\"id\":\"r\",\"status\":\"completed\",\"output\":[],\"usage\":{\"input_"     \
      "tokens\":3,\"output_tokens\":2}}")

#define L(rest) "{\"model\":\"m\",\"created_at\":\"t\"," rest "}\n"
#define M(text) L("\"message\":{\"role\":\"assistant\",\"content\":\"" text "\"},\"done\":false")

enum { SAME = 1, ACROSS = 2, BOTH = 3 };

static const struct hostile {
    const char *name;
    int vendor, where;
    const char *stream, *fault;
} streams[] = {
    /* openai.chat */
    {"not json", AIEX_OPENAI_CHAT, BOTH, D("{\"content\":\"a\"}") "data: {\"id\":\n\n" DONE,
     "is not JSON"},
    {"not an object", AIEX_OPENAI_CHAT, BOTH, "data: [1]\n\n" DONE, "not an object"},
    {"broken utf-8", AIEX_OPENAI_CHAT, BOTH, D("{\"content\":\"\xc3\"}"), "broken UTF-8"},
    /* like events before, but for the text */
    {"control character in a known shape", AIEX_OPENAI_CHAT, BOTH,
     D("{\"content\":\"a\"}") D("{\"content\":\"b\"}") D("{\"content\":\"\x01\"}"),
     "control character"},
    {"broken utf-8 in a known shape", AIEX_OPENAI_CHAT, BOTH,
     D("{\"content\":\"a\"}") D("{\"content\":\"b\"}") D("{\"content\":\"\xff\"}"), "broken UTF-8"},
    {"unknown escape in a known shape", AIEX_OPENAI_CHAT, BOTH,
     D("{\"content\":\"a\"}") D("{\"content\":\"b\"}") D("{\"content\":\"\\x\"}"),
     "unknown escape"},
    {"open string in a known shape", AIEX_OPENAI_CHAT, BOTH,
     D("{\"content\":\"a\"}") D("{\"content\":\"b\"}") D("{\"content\":\"c\\\"}"), "is not JSON"},
    {"error", AIEX_OPENAI_CHAT, BOTH,
     D("{\"content\":\"a\"}") "data: {\"error\":{\"message\":\"no "
                              "luck\",\"code\":\"server_error\"}}\n\n",
     "the vendor reported an error: no luck"},
    {"error as text", AIEX_OPENAI_CHAT, BOTH, "data: {\"error\":\"no luck\"}\n\n", "no luck"},
    {"no done", AIEX_OPENAI_CHAT, BOTH, D("{\"content\":\"a\"}") F("stop"),
     "the stream ended without data: [DONE]"},
    {"only done", AIEX_OPENAI_CHAT, BOTH, DONE, "the stream was empty"},
    {"done without finish", AIEX_OPENAI_CHAT, BOTH, D("{\"content\":\"a\"}") DONE,
     "without saying why"},
    {"late text", AIEX_OPENAI_CHAT, BOTH,
     D("{\"content\":\"a\"}") F("stop") D("{\"content\":\"b\"}") DONE, "goes on after its end"},
    {"late call", AIEX_OPENAI_CHAT, BOTH,
     D("{\"content\":\"a\"}") F("stop") CALL("0", "i", "f", "{}") DONE, "goes on after its end"},
    {"another finish", AIEX_OPENAI_CHAT, BOTH, D("{\"content\":\"a\"}") F("stop") F("length") DONE,
     "goes on after its end"},
    {"args before call", AIEX_OPENAI_CHAT, BOTH, ARGS("0", "{}") F("tool_calls") DONE,
     "begins without a name"},
    {"call twice", AIEX_OPENAI_CHAT, BOTH,
     CALL("0", "i", "f", "{}") CALL("0", "j", "g", "{}") F("tool_calls") DONE,
     "begins a second time"},
    {"index jumps", AIEX_OPENAI_CHAT, BOTH, CALL("1", "i", "f", "{}") F("tool_calls") DONE,
     "tool call 1 begins where number 0 is due"},
    {"args cut", AIEX_OPENAI_CHAT, BOTH, CALL("0", "i", "f", "{\\\"a\\\":") F("tool_calls") DONE,
     "end before they are whole JSON"},
    {"args cut, then text", AIEX_OPENAI_CHAT, ACROSS,
     CALL("0", "i", "f", "{\\\"a\\\":") D("{\"content\":\"x\"}") F("tool_calls") DONE,
     "end before they are whole JSON"},
    {"args garbage", AIEX_OPENAI_CHAT, BOTH, CALL("0", "i", "f", "{a") F("tool_calls") DONE,
     "tool arguments are not JSON"},
    {"args doubled", AIEX_OPENAI_CHAT, BOTH,
     CALL("0", "i", "f", "{}") ARGS("0", "{}") F("tool_calls") DONE, "tool arguments are not JSON"},
    {"args as object", AIEX_OPENAI_CHAT, BOTH,
     D("{\"tool_calls\":[{\"index\":0,\"id\":\"i\",\"function\":{\"name\":\"f\",\"arguments\":{}}}]"
       "}"),
     "a tool call's arguments is not a string"},
    {"content is a number", AIEX_OPENAI_CHAT, BOTH, D("{\"content\":7}"),
     "content is not a string"},
    {"delta is a string", AIEX_OPENAI_CHAT, BOTH, D("\"x\""), "delta is not an object"},
    {"choices is an object", AIEX_OPENAI_CHAT, BOTH, "data: {\"choices\":{}}\n\n",
     "choices is not an array"},
    {"choice is null twice", AIEX_OPENAI_CHAT, BOTH,
     "data: {\"choices\":[],\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n", "twice"},
    {"index far away", AIEX_OPENAI_CHAT, BOTH, C("{\"index\":9999,\"delta\":{}}"), "index 9999"},
    {"index negative", AIEX_OPENAI_CHAT, BOTH, C("{\"index\":-1,\"delta\":{}}"), "whole number"},
    {"finish of another choice only", AIEX_OPENAI_CHAT, BOTH,
     D("{\"content\":\"a\"}") C("{\"index\":1,\"delta\":{},\"finish_reason\":\"stop\"}") DONE,
     "without saying why"},
    {"another choice only", AIEX_OPENAI_CHAT, ACROSS,
     C("{\"index\":1,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}") DONE,
     "the stream was empty"},
    {"finish error", AIEX_OPENAI_CHAT, BOTH, D("{\"content\":\"a\"}") F("error") DONE,
     "reported an error"},
    /* anthropic */
    {"no start", AIEX_ANTHROPIC_MESSAGES, BOTH, TEXT0 TD("0", "a"), "outside of the message"},
    {"delta before block", AIEX_ANTHROPIC_MESSAGES, BOTH, START TD("0", "a"),
     "content block 0, which is not open"},
    {"two starts", AIEX_ANTHROPIC_MESSAGES, BOTH, START START, "starts a second time"},
    {"two blocks open", AIEX_ANTHROPIC_MESSAGES, BOTH, START TEXT0 TOOL("1"),
     "content block 1 begins inside of block 0"},
    {"block twice", AIEX_ANTHROPIC_MESSAGES, BOTH, START TEXT0 TD("0", "a") TEXT0,
     "content block 0 begins inside of block 0"},
    {"block again", AIEX_ANTHROPIC_MESSAGES, BOTH, START TEXT0 TD("0", "a") STOP("0") TEXT0,
     "content block 0 begins where number 1 is due"},
    {"block jumps", AIEX_ANTHROPIC_MESSAGES, BOTH, START TOOL("1"), "where number 0 is due"},
    {"late delta", AIEX_ANTHROPIC_MESSAGES, BOTH,
     START TEXT0 TD("0", "a") TD("0", "b") STOP("0") TD("0", "c"), "block 0, which is not open"},
    {"stop twice", AIEX_ANTHROPIC_MESSAGES, BOTH, START TEXT0 STOP("0") STOP("0"), "not open"},
    {"thinking in text", AIEX_ANTHROPIC_MESSAGES, BOTH,
     START TEXT0 E("content_block_delta",
                   ",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"x\"}"),
     "a thinking_delta stands inside of a block of kind text"},
    {"json in text", AIEX_ANTHROPIC_MESSAGES, BOTH, START TEXT0 JD("0", "{}"), "of kind text"},
    {"end inside block", AIEX_ANTHROPIC_MESSAGES, BOTH, START TEXT0 TD("0", "a") END("end_turn"),
     "while content block 0 is open"},
    {"stop without delta", AIEX_ANTHROPIC_MESSAGES, BOTH,
     START TEXT0 TD("0", "a") STOP("0") E("message_stop", ""), "without saying why"},
    {"no stop", AIEX_ANTHROPIC_MESSAGES, BOTH, START TEXT0 TD("0", "a") STOP("0"),
     "the stream ended without message_stop"},
    {"tool cut", AIEX_ANTHROPIC_MESSAGES, BOTH,
     START TOOL("0") JD("0", "{\\\"a\\\"") STOP("0") END("tool_use"),
     "end before they are whole JSON"},
    {"error", AIEX_ANTHROPIC_MESSAGES, BOTH,
     START E("error", ",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}"),
     "the vendor reported an error: Overloaded"},
    {"name and type differ", AIEX_ANTHROPIC_MESSAGES, BOTH,
     "event: ping\ndata: {\"type\":\"message_start\",\"message\":{}}\n\n", "is named 'ping'"},
    {"no type", AIEX_ANTHROPIC_MESSAGES, BOTH, "data: {\"a\":1}\n\n", "has no type"},
    {"tool without name", AIEX_ANTHROPIC_MESSAGES, BOTH,
     START E("content_block_start",
             ",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\"}"),
     "has no name"},
    {"text is an array", AIEX_ANTHROPIC_MESSAGES, BOTH,
     START TEXT0 E("content_block_delta",
                   ",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":[]}"),
     "text is not a string"},
    {"tool is no object", AIEX_ANTHROPIC_MESSAGES, ACROSS,
     START TOOL("0") JD("0", "[1]") STOP("0") END("tool_use"), "are not an object"},
    /* responses */
    {"item before start", AIEX_OPENAI_RESPONSES, BOTH, ADD("0", "0"), "before the response"},
    {"two starts", AIEX_OPENAI_RESPONSES, BOTH,
     CREATED R("response.created", "1", ",\"response\":{\"id\":\"r\"}"), "starts a second time"},
    {"number goes back", AIEX_OPENAI_RESPONSES, BOTH, CREATED ADD("3", "0") RT("2", "0", "x"),
     "sequence_number goes from 3 to 2"},
    {"number twice", AIEX_OPENAI_RESPONSES, BOTH,
     CREATED ADD("1", "0") RT("2", "0", "x") RT("3", "0", "y") RT("3", "0", "y"),
     "sequence_number goes from 3 to 3"},
    {"number that is none in a known shape", AIEX_OPENAI_RESPONSES, BOTH,
     CREATED ADD("1", "0") RT("2", "0", "x") RT("3", "0", "y") RT("04", "0", "z"), "is not JSON"},
    {"delta before item", AIEX_OPENAI_RESPONSES, BOTH, CREATED RT("1", "0", "x"),
     "output item 0, which is not open"},
    {"item twice", AIEX_OPENAI_RESPONSES, BOTH, CREATED ADD("1", "0") ADD("2", "0"),
     "output item 0 begins where number 1 is due"},
    {"item jumps", AIEX_OPENAI_RESPONSES, BOTH, CREATED ADD("1", "4"), "where number 0 is due"},
    {"late delta", AIEX_OPENAI_RESPONSES, BOTH,
     CREATED ADD("1", "0") RT("2", "0", "x") ITEM("3", "0") RT("4", "0", "y"), "which is not open"},
    {"item ends twice", AIEX_OPENAI_RESPONSES, BOTH,
     CREATED ADD("1", "0") ITEM("2", "0") ITEM("3", "0"), "which is not open"},
    {"completed too early", AIEX_OPENAI_RESPONSES, BOTH,
     CREATED ADD("1", "0") RT("2", "0", "x") COMPLETED("3"), "while item 0 is open"},
    {"no completed", AIEX_OPENAI_RESPONSES, BOTH, CREATED ADD("1", "0") ITEM("2", "0"),
     "the stream ended without response.completed"},
    {"failed", AIEX_OPENAI_RESPONSES, BOTH,
     CREATED R(
         "response.failed", "1",
         ",\"response\":{\"id\":\"r\",\"error\":{\"code\":\"server_error\",\"message\":\"oh\"}}"),
     "the vendor reported an error: oh"},
    {"error", AIEX_OPENAI_RESPONSES, BOTH,
     CREATED "event: error\ndata: "
             "{\"type\":\"error\",\"code\":\"rate_limit_exceeded\",\"message\":\"slow\"}\n\n",
     "the vendor reported an error: slow"},
    /* ollama */
    {"not json", AIEX_OLLAMA_CHAT, BOTH, M("a") "{\"model\"\n", "is not JSON"},
    {"error", AIEX_OLLAMA_CHAT, BOTH, M("a") "{\"error\":\"out of memory\"}\n", "out of memory"},
    {"no done", AIEX_OLLAMA_CHAT, BOTH, M("a") M("b"), "the stream ended without a line with"},
    {"half a line", AIEX_OLLAMA_CHAT, BOTH, M("a") "{\"model\":\"m\",\"mess", "is not JSON"},
    {"done is a word", AIEX_OLLAMA_CHAT, BOTH, L("\"done\":\"yes\""), "neither true nor false"},
    {"args as string", AIEX_OLLAMA_CHAT, BOTH,
     L("\"message\":{\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}"),
     "are not an object"},
    {"empty", AIEX_OLLAMA_CHAT, BOTH, "", "the stream was empty"},
    {"blank lines", AIEX_OLLAMA_CHAT, BOTH, "\n\n\n", "the stream was empty"},
    {"comments only", AIEX_OPENAI_CHAT, BOTH, ": ping\n\n: ping\n\n", "the stream was empty"},
};

static const char *const ends[] = {"[DONE]", "message_stop", "response.completed",
                                   "response.incomplete", "\"done\":true"};

static void one(const struct hostile *h, int client, size_t step)
{
    struct run r = {.client = client, .vendor = h->vendor, .stream = 1};

    run_all(&r, h->stream, step);
    if (r.result != -EPROTO || !strstr(r.said.fault, h->fault))
        printf("\n%s: %s -> %s: %d '%s'\n", h->name, aiex_dialect_name(h->vendor),
               aiex_dialect_name(client), r.result, r.said.fault);
    CU_ASSERT_EQUAL(r.result, -EPROTO);
    CU_ASSERT(strstr(r.said.fault, h->fault) != NULL);
    CU_ASSERT(!aiex_chat_complete(r.chat));
    for (size_t i = 0; r.result != 0 && i < sizeof(ends) / sizeof(ends[0]); i++)
        CU_ASSERT(strstr(r.out, ends[i]) == NULL);
    CU_ASSERT_EQUAL(run_feed(&r, DONE, 14), -EPROTO);
    CU_ASSERT_EQUAL(run_close(&r), -EPROTO);
    run_free(&r);
}

static void test_each_has_its_fault(void)
{
    for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++)
        for (int client = AIEX_OPENAI_CHAT; client <= AIEX_OLLAMA_CHAT; client++) {
            int where = client == streams[i].vendor ? SAME : ACROSS;

            if (strcmp(streams[i].name, "tool is no object") == 0 && client != AIEX_OLLAMA_CHAT)
                continue;
            if (streams[i].where & where) {
                one(&streams[i], client, 0);
                one(&streams[i], client, 11);
            }
        }
}

static void test_vendor_error_fields(void)
{
    struct run r = {.client = AIEX_OPENAI_CHAT, .vendor = AIEX_ANTHROPIC_MESSAGES, .stream = 1};

    run_all(&r, START E("error", ",\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}"),
            0);
    CU_ASSERT_EQUAL(r.said.vendor_error, 1);
    CU_ASSERT_EQUAL(r.said.error_status, 529);
    CU_ASSERT_EQUAL(r.said.error_reason, AIEX_REASON_OVERLOADED);
    run_free(&r);
}

/* What was whole before the fault has been handed out, the broken event not. */
static void test_good_events_go_out(void)
{
    struct run r = {.client = AIEX_OPENAI_CHAT, .vendor = AIEX_OPENAI_CHAT, .stream = 1};

    run_all(&r, D("{\"content\":\"a\"}") D("{\"content\":\"b\"}") "data: {oops}\n\n" DONE, 0);
    CU_ASSERT_STRING_EQUAL(r.out, D("{\"content\":\"a\"}") D("{\"content\":\"b\"}"));
    run_free(&r);
}

/* Of an event that is half good nothing goes out. */
static void test_half_good_event(void)
{
    for (int client = AIEX_OPENAI_CHAT; client <= AIEX_OLLAMA_CHAT; client++) {
        struct run r = {.client = client, .vendor = AIEX_OPENAI_CHAT, .stream = 1};

        run_all(&r, D("{\"content\":\"good\"}") D("{\"content\":\"half\",\"tool_calls\":[7]}") DONE,
                0);
        CU_ASSERT_EQUAL(r.result, -EPROTO);
        CU_ASSERT(strstr(r.out, "good") != NULL);
        CU_ASSERT(strstr(r.out, "half") == NULL);
        run_free(&r);
    }
}

/* An answer that was cut by a limit may end inside of a tool call, and says so. */
static void test_cut_by_limit(void)
{
    static const char openai[] = D("{\"content\":\"x\"}") CALL("0", "i", "f", "{\\\"a\\\":")
        F("length") DONE;
    static const char anthropic[] = START TOOL("0") JD("0", "{\\\"a\\\":") STOP("0")
        END("max_tokens");
    static const char *const says[] = {[AIEX_OPENAI_CHAT] = "\"finish_reason\":\"length\"",
                                       [AIEX_OPENAI_RESPONSES] = "\"reason\":\"max_output_tokens\"",
                                       [AIEX_ANTHROPIC_MESSAGES] = "\"stop_reason\":\"max_tokens\"",
                                       [AIEX_OLLAMA_CHAT] = "\"done_reason\":\"length\""};

    for (int client = AIEX_OPENAI_CHAT; client <= AIEX_OLLAMA_CHAT; client++) {
        struct run a = {.client = client, .vendor = AIEX_OPENAI_CHAT, .stream = 1};
        struct run b = {.client = client, .vendor = AIEX_ANTHROPIC_MESSAGES, .stream = 1};

        run_all(&a, openai, 0);
        run_all(&b, anthropic, 3);
        CU_ASSERT_EQUAL(a.result, 0);
        CU_ASSERT_EQUAL(b.result, 0);
        CU_ASSERT_EQUAL(a.said.finish, AIEX_FINISH_LENGTH);
        CU_ASSERT(strstr(a.out, says[client]) != NULL);
        CU_ASSERT(strstr(b.out, says[client]) != NULL);
        if (client == AIEX_OPENAI_RESPONSES)
            CU_ASSERT(strstr(a.out, "\"type\":\"function_call\",\"status\":\"incomplete\"") !=
                      NULL);
        if (client == AIEX_OLLAMA_CHAT)
            CU_ASSERT(strstr(a.out, "tool_calls") == NULL);
        run_free(&a);
        run_free(&b);
    }
}

/* What does no harm is no fault. */
static void test_tolerated(void)
{
    static const struct {
        int vendor;
        const char *stream;
    } good[] = {
        {AIEX_OPENAI_CHAT, D("{\"content\":\"a\"}") F("stop") F("stop") DONE DONE "data: x\n\n"},
        {AIEX_OPENAI_CHAT,
         D("{\"role\":\"assistant\",\"content\":\"a\"}")
             D("{\"role\":\"assistant\",\"content\":\"\"}") F("stop") D("{\"content\":\"\"}") DONE},
        {AIEX_OPENAI_CHAT, "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n" D(
                               "{\"content\":\"a\",\"new\":{\"k\":[1]}}") F("eos") DONE},
        {AIEX_OPENAI_CHAT, D("{\"content\":\"a\"}") CALL("0", "i", "f", "{")
                               CALL("0", "i", "f", "}") F("tool_calls") DONE},
        {AIEX_OPENAI_CHAT, "data: "
                           "{\"id\":7,\"error\":\"\",\"choices\":[{\"delta\":{\"content\":\"a\","
                           "\"reasoning\":{\"x\":1}}}]}"
                           "\n\n" F("model_length") DONE},
        {AIEX_OPENAI_CHAT, D("{\"content\":[{\"type\":\"text\",\"text\":\"a\"}]}") F("stop") DONE},
        {AIEX_ANTHROPIC_MESSAGES,
         E("ping", "") START TEXT0 TD("0", "a") STOP("0")
             E("content_block_start", ",\"index\":1,\"content_block\":{\"type\":\"new_thing\"}")
                 E("content_block_delta", ",\"index\":1,\"delta\":{\"type\":\"new_delta\",\"x\":1}")
                     STOP("1") E("new_event", ",\"y\":2") END("end_turn") E("message_stop", "")},
        {AIEX_ANTHROPIC_MESSAGES,
         START TEXT0 TD("0", "a")
             E("content_block_delta",
               ",\"index\":0,\"delta\":{\"type\":\"citations_delta\",\"citation\":{}}") STOP("0")
                 E("message_delta", ",\"delta\":{\"stop_reason\":\"end_turn\"}") END("end_turn")},
        {AIEX_OPENAI_RESPONSES,
         CREATED R("response.queued", "1", "") ADD("2", "0") RT("5", "0", "a")
             R("response.new", "6", ",\"x\":[]") ITEM("7", "0") COMPLETED("8") "data: [DONE]\n\n"},
        {AIEX_OLLAMA_CHAT,
         "\n" M("a") L("\"new\":1") L("\"message\":{\"content\":\"\"},\"done\":true") M("late")},
        {AIEX_OLLAMA_CHAT, M("a") "{\"model\":\"m\",\"done\":true}"},
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        for (int client = AIEX_OPENAI_CHAT; client <= AIEX_OLLAMA_CHAT; client++) {
            struct run r = {.client = client, .vendor = good[i].vendor, .stream = 1};

            run_all(&r, good[i].stream, 5);
            if (r.result != 0)
                printf("\n%zu -> %s: %s\n", i, aiex_dialect_name(client), r.said.fault);
            CU_ASSERT_EQUAL(r.result, 0);
            CU_ASSERT(strstr(r.out, "\"a\"") != NULL);
            CU_ASSERT(aiex_chat_complete(r.chat));
            CU_ASSERT(strstr(r.out, "late") == NULL);
            run_free(&r);
        }
}

static void test_too_large(void)
{
    static const char chunk[1024] = {0};
    int vendors[] = {AIEX_OPENAI_CHAT, AIEX_OLLAMA_CHAT};

    for (int v = 0; v < 2; v++) {
        struct run r = {.client = AIEX_ANTHROPIC_MESSAGES, .vendor = vendors[v], .stream = 1};
        char *part = malloc(sizeof(chunk));
        int i;

        CU_ASSERT_PTR_NOT_NULL_FATAL(part);
        memset(part, 'x', sizeof(chunk));
        CU_ASSERT_EQUAL_FATAL(run_new(&r), 0);
        run_feed(&r, "data: {\"", 8);
        for (i = 0; i < 2000 && run_feed(&r, part, sizeof(chunk)) == 0; i++)
            ;
        CU_ASSERT(i >= 1000 && i < 1100);
        CU_ASSERT_EQUAL(r.result, -EMSGSIZE);
        CU_ASSERT(strstr(r.said.fault, "longer than 1 MiB") != NULL);
        free(part);
        run_free(&r);
    }
}

/* A client that is told the whole answer at its end can be told so much only. */
static void test_endless_answers(void)
{
    static const char *const turns[] = {D("{\"content\":\"x\"}"),
                                        D("{\"reasoning_content\":\"x\"}")};
    struct run big = {.client = AIEX_OPENAI_RESPONSES, .vendor = AIEX_OPENAI_CHAT, .stream = 1};
    struct run many = big;
    char *event = malloc(1000000);
    int i, n;

    CU_ASSERT_PTR_NOT_NULL_FATAL(event);
    CU_ASSERT_EQUAL_FATAL(run_new(&big), 0);
    n = snprintf(event, 1000000,
                 "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%0900000d\"}}]}\n\n",
                 7);
    for (i = 0; i < 100 && run_feed(&big, event, (size_t)n) == 0; i++)
        big.len = 0;
    CU_ASSERT(i > 30 && i < 40);
    CU_ASSERT_EQUAL(big.result, -EMSGSIZE);
    CU_ASSERT(strstr(big.said.fault, "longer than 32 MiB") != NULL);
    run_free(&big);
    free(event);
    CU_ASSERT_EQUAL_FATAL(run_new(&many), 0);
    for (i = 0; i < 20000 && run_feed(&many, turns[i % 2], strlen(turns[i % 2])) == 0; i++)
        many.len = 0;
    CU_ASSERT_EQUAL(i, 16384);
    CU_ASSERT_EQUAL(many.result, -EMSGSIZE);
    run_free(&many);
}

static void test_broken_documents(void)
{
    static const struct {
        int vendor;
        const char *doc, *fault;
    } rows[] = {
        {AIEX_OPENAI_CHAT, "", "the answer is empty"},
        {AIEX_OPENAI_CHAT, "<html>", "the answer is not JSON"},
        {AIEX_OPENAI_CHAT, "{\"model\":1}", "model is not a string"},
        {AIEX_OPENAI_CHAT, "{}", "has no choices"},
        {AIEX_OPENAI_CHAT, "{\"choices\":[]}", "the stream was empty"},
        {AIEX_OPENAI_CHAT, "{\"error\":{\"message\":\"x\"}}", "reported an error: x"},
        {AIEX_OPENAI_CHAT,
         "{\"choices\":[{\"message\":{\"tool_calls\":[{\"id\":\"i\",\"function\":{\"name\":\"f\","
         "\"arguments\":\"{\"}}]},\"finish_reason\":\"tool_calls\"}]}",
         "whole JSON"},
        {AIEX_ANTHROPIC_MESSAGES, "{\"content\":5}", "has no content"},
        {AIEX_ANTHROPIC_MESSAGES, "{\"type\":\"error\",\"error\":{\"message\":\"x\"}}", "error: x"},
        {AIEX_OPENAI_RESPONSES, "{\"status\":\"failed\",\"error\":{\"message\":\"x\"}}",
         "error: x"},
        {AIEX_OPENAI_RESPONSES, "{\"status\":\"completed\"}", "has no output"},
        {AIEX_OLLAMA_CHAT, "{\"message\":{\"content\":\"x\"},\"done\":false}", "that it is done"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int client = AIEX_OPENAI_CHAT; client <= AIEX_OLLAMA_CHAT; client++) {
            struct run r = {.client = client, .vendor = rows[i].vendor};

            run_all(&r, rows[i].doc, 0);
            if (!strstr(r.said.fault, rows[i].fault))
                printf("\n%zu: %s\n", i, r.said.fault);
            CU_ASSERT_EQUAL(r.result, -EPROTO);
            CU_ASSERT(strstr(r.said.fault, rows[i].fault) != NULL);
            CU_ASSERT_EQUAL(r.len, 0);
            run_free(&r);
        }
}

const struct test_case tests[] = {
    {"each_has_its_fault", test_each_has_its_fault},
    {"vendor_error_fields", test_vendor_error_fields},
    {"good_events_go_out", test_good_events_go_out},
    {"half_good_event", test_half_good_event},
    {"cut_by_limit", test_cut_by_limit},
    {"tolerated", test_tolerated},
    {"too_large", test_too_large},
    {"endless_answers", test_endless_answers},
    {"broken_documents", test_broken_documents},
    {0},
};

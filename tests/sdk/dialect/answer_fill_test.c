/*
 * Text between a prefix and a suffix, asked of vendors that have chats only: the task that they are
 * given, and the answer without what models put around it, whole and cut at every place.
 */
#include "answer_run.h"
#include "answer_vendor.h"
#include "test.h"

#include <aiex_json.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const int clients[] = {AIEX_OPENAI_COMPLETIONS, AIEX_OLLAMA_GENERATE};
static const int vendors[] = {AIEX_ANTHROPIC_MESSAGES, AIEX_OPENAI_RESPONSES, AIEX_OPENAI_CHAT,
                              AIEX_OLLAMA_CHAT};

/* The request of a client; texts as JSON string content. */
static const char *body_of(int client, int stream, const char *prefix, const char *suffix)
{
    static char body[1024];

    snprintf(body, sizeof(body),
             "{\"model\":\"asked\",\"prompt\":\"%s\",\"suffix\":\"%s\",\"stream\":%s%s}", prefix,
             suffix, stream ? "true" : "false",
             client == AIEX_OPENAI_COMPLETIONS ? ",\"temperature\":0.2"
                                               : ",\"options\":{\"temperature\":0.2}");
    return body;
}

/* ---- The task ---- */

static void test_the_task(void)
{
    for (size_t i = 0; i < 2; i++)
        for (size_t k = 0; k < sizeof(vendors) / sizeof(vendors[0]); k++) {
            struct run r = {.client = clients[i], .vendor = vendors[k]};
            struct aiex_slice sent;

            r.body = body_of(clients[i], 0, "a\\n\\tif (x == \\\"\\u00e9\\\"", ") {\\n}\\n");
            CU_ASSERT(aiex_dialect_bridges(clients[i], vendors[k]));
            CU_ASSERT_EQUAL_FATAL(run_new(&r), 0);
            sent = aiex_chat_request(r.chat);
            CU_ASSERT_EQUAL(aiex_json_scan(sent, 0, NULL, 0, NULL), AIEX_JSON_OBJECT);
            CU_ASSERT(memmem(sent.data, sent.len,
                             "<prefix>\\na\\n\\tif (x == \\\"\\u00e9\\\"</prefix>\\n"
                             "<suffix>) {\\n}\\n</suffix>\"",
                             71) != NULL);
            CU_ASSERT(memmem(sent.data, sent.len, "\"temperature\":0.2", 17) != NULL);
            CU_ASSERT(memmem(sent.data, sent.len, "\"suffix\"", 8) == NULL);
            run_free(&r);
        }
}

static void test_a_flag_refuses(void)
{
    struct run r = {.client = AIEX_OPENAI_COMPLETIONS,
                    .vendor = AIEX_ANTHROPIC_MESSAGES,
                    .flags = AIEX_CHAT_NO_SUFFIX};

    r.body = body_of(r.client, 0, "a", "b");
    CU_ASSERT_EQUAL(run_new(&r), -ENOTSUP);
    r.body = body_of(r.client, 0, "a", "");
    CU_ASSERT_EQUAL(run_new(&r), 0);
    run_free(&r);
}

/* ---- The answer ---- */

#define FENCE "```"

static const struct {
    const char *prefix, *suffix, *said, *want;
} rows[] = {
    {"a", "b", "x", "x"},
    {"a", "b", "\\nx\\n", "\\nx\\n"},
    {"a\\n", "b", "\\n\\nx\\n", "\\nx\\n"},
    {"a", "\\nb", "\\nx\\n", "\\nx"},
    {"a", "\\nb", "\\nx\\n\\n", "\\nx\\n"},
    {"a\\n", "\\nb", "\\n", ""},
    {"a\\\\n", "\\\\nb", "\\nx\\n", "\\nx\\n"}, /* a backslash and an n */
    {"a", "b", FENCE "\\nx\\n" FENCE, "x"},
    {"a", "b", FENCE "c\\nx\\n  y\\n" FENCE "\\n", "x\\n  y"},
    {"a", "b", "\\n" FENCE "python3\\nx\\n" FENCE "  \\n\\n", "x"},
    {"a", "b", FENCE "c\\n\\nx\\n\\n" FENCE, "\\nx\\n"},
    {"a", "b", FENCE "\\n" FENCE, ""},
    {"a", "b", FENCE "c\\nx", "x"}, /* cut by its limit */
    {"a", "b", FENCE "c\\nx\\n``", "x"},
    {"a", "b", FENCE "md\\n" FENCE "js\\nx\\n" FENCE "\\n" FENCE, FENCE "js\\nx\\n" FENCE},
    {"a", "b", FENCE "\\nx\\n" FENCE "\\ny\\n" FENCE, "x\\n" FENCE "\\ny"},
    {"a", "b", FENCE "`\\nx\\n" FENCE "\\n" FENCE "`", "x\\n" FENCE},
    {"a", "b", FENCE "\\nx " FENCE "\\n" FENCE, "x " FENCE},
    {"a", "b", FENCE "x" FENCE " is code", FENCE "x" FENCE " is code"},
    {"a", "b", FENCE, FENCE},
    {"a", "b", "``", "``"},
    {"a", "b", "`x`\\n" FENCE "\\ny\\n" FENCE, "`x`\\n" FENCE "\\ny\\n" FENCE},
    {"a", "b", "\\u0060``c\\u000ax\\u000A`\\u0060`", "x"},
    {"a", "b", FENCE "c\\n\\u00e9\\\\n\\ud83d\\ude00\\\"\\n" FENCE,
     "\\u00e9\\\\n\\ud83d\\ude00\\\""},
    {"a\\n", "\\nb", FENCE "c\\nx\\n" FENCE, "x"},
    {"a", "b",
     FENCE "a line that is longer than any name of a language that there is, so it is text\\nx\\n",
     FENCE "a line that is longer than any name of a language that there is, so it is text\\nx\\n"},
    {"a", "b",
     FENCE "\\nx\\n" FENCE "                                                                     ",
     "x\\n" FENCE "                                                                     "},
    {"a", "b",
     FENCE "\\nx\\n" FENCE "                                                                   \\n",
     "x\\n" FENCE "                                                                   "},
};

/* Where an escape, or a character, that begins at `at` ends. */
static size_t next(const char *text, size_t at)
{
    if (text[at] == '\\')
        return at + (text[at + 1] == 'u' ? 6 : 2);
    return at + 1;
}

/* `said` in deltas of `step` characters, 0 = one. */
static const char *stream_of(int vendor, const char *said, size_t step)
{
    static char out[65536];
    size_t n = 0, len = strlen(said);

    if (vendor == AIEX_ANTHROPIC_MESSAGES)
        n += (size_t)sprintf(
            out + n,
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":"
            "\"x\",\"model\":\"m\",\"usage\":{\"input_tokens\":3}}}\n\n"
            "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"
            "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n");
    for (size_t at = 0, to; at < len; at = to) {
        to = at;
        for (size_t i = 0; to < len && (!step || i < step); i++)
            to = next(said, to);
        n += (size_t)sprintf(out + n,
                             vendor == AIEX_ANTHROPIC_MESSAGES
                                 ? "event: content_block_delta\ndata: {\"type\":"
                                   "\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
                                   "\"text_delta\",\"text\":\"%.*s\"}}\n\n"
                                 : "data: {\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{"
                                   "\"content\":\"%.*s\"},\"finish_reason\":null}]}\n\n",
                             (int)(to - at), said + at);
    }
    sprintf(
        out + n, "%s",
        vendor == AIEX_ANTHROPIC_MESSAGES
            ? "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
              "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{"
              "\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\n"
              "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
            : "data: {\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":"
              "\"stop\"}]}\n\ndata: [DONE]\n\n");
    return out;
}

static const char *whole_of(int vendor, const char *said)
{
    static char out[2048];

    snprintf(out, sizeof(out),
             vendor == AIEX_ANTHROPIC_MESSAGES
                 ? "{\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[{"
                   "\"type\":\"text\",\"text\":\"%s\"}],\"stop_reason\":\"end_turn\",\"usage\":{"
                   "\"input_tokens\":3,\"output_tokens\":2}}"
                 : "{\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"content\":\"%s\"},"
                   "\"finish_reason\":\"stop\"}]}",
             said);
    return out;
}

/* All the texts of a client's answer, one behind the other. */
static void texts_of(int client, const char *answer, char *out)
{
    const char *key = client == AIEX_OPENAI_COMPLETIONS ? "\"text\":\"" : "\"response\":\"";

    *out = 0;
    while ((answer = strstr(answer, key)) != NULL) {
        size_t from = strlen(key), to = from;

        while (answer[to] != '"')
            to = next(answer, to);
        strncat(out, answer + from, to - from);
        answer += to;
    }
}

static void check(size_t at, int client, int vendor, int stream, const char *bytes, size_t step)
{
    struct run r = {.client = client, .vendor = vendor, .stream = stream};
    char text[4096];

    r.body = body_of(client, stream, rows[at].prefix, rows[at].suffix);
    run_all(&r, bytes, step);
    CU_ASSERT_EQUAL(r.result, 0);
    CU_ASSERT_EQUAL(r.said.finish, AIEX_FINISH_STOP);
    texts_of(client, r.out, text);
    if (strcmp(text, rows[at].want) != 0)
        printf("\nrow %zu, %s, stream %d: '%s' gives '%s'\n", at, aiex_dialect_name(client), stream,
               rows[at].said, text);
    CU_ASSERT_STRING_EQUAL(text, rows[at].want);
    run_free(&r);
}

static void test_nothing_is_put_around_it(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int v = 0; v < 2; v++)
            for (int c = 0; c < 2; c++) {
                int vendor = v ? AIEX_OPENAI_CHAT : AIEX_ANTHROPIC_MESSAGES;

                check(i, clients[c], vendor, 0, whole_of(vendor, rows[i].said), 0);
                for (size_t step = 0; step < 9; step++) {
                    check(i, clients[c], vendor, 1, stream_of(vendor, rows[i].said, step), 0);
                    check(i, clients[c], vendor, 1, stream_of(vendor, rows[i].said, step), 11);
                }
            }
}

/* What can be no fence any more goes out with its delta. */
static void test_little_is_held_back(void)
{
    static const struct {
        const char *delta, *text;
    } steps[] = {{"``", ""},         {"`", ""},       {"c", ""},     {"\\n", ""},
                 {"int x", "int x"}, {";\\n", ";"},   {"y", "\\ny"}, {" `", " `"},
                 {"\\n``", ""},      {"z", "\\n``z"}, {"\\n```", ""}};
    struct run r = {.client = AIEX_OPENAI_COMPLETIONS, .vendor = AIEX_OPENAI_CHAT, .stream = 1};
    char event[256], text[256];

    r.body = body_of(r.client, 1, "a", "b");
    CU_ASSERT_EQUAL_FATAL(run_new(&r), 0);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        size_t before = r.len;

        snprintf(event, sizeof(event),
                 "data: "
                 "{\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"}}]}\n\n",
                 steps[i].delta);
        CU_ASSERT_EQUAL(run_feed(&r, event, strlen(event)), 0);
        texts_of(r.client, r.out ? r.out + before : "", text);
        CU_ASSERT_STRING_EQUAL(text, steps[i].text);
    }
    run_free(&r);
}

/* Without a suffix a fence may well be what was asked for. */
static void test_only_with_a_suffix(void)
{
    struct run r = {.client = AIEX_OPENAI_COMPLETIONS, .vendor = AIEX_OPENAI_CHAT};
    char text[256];

    r.body = body_of(r.client, 0, "a", "");
    run_all(&r, whole_of(r.vendor, FENCE "\\nx\\n" FENCE), 0);
    CU_ASSERT_EQUAL(r.result, 0);
    texts_of(r.client, r.out, text);
    CU_ASSERT_STRING_EQUAL(text, FENCE "\\nx\\n" FENCE);
    run_free(&r);
}

const struct test_case tests[] = {{"the_task", test_the_task},
                                  {"a_flag_refuses", test_a_flag_refuses},
                                  {"nothing_is_put_around_it", test_nothing_is_put_around_it},
                                  {"little_is_held_back", test_little_is_held_back},
                                  {"only_with_a_suffix", test_only_with_a_suffix},
                                  {0}};

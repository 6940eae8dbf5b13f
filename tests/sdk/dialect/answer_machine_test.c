/* The state machine cell by cell, and how it judges tool arguments. */
#include "test.h"

#include <machine.h>
#include <ndjson.h>
#include <aiex_json.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What may follow what: the rows are states, the columns events in their order. */
static const char *const allowed[N_STATES] = {
    /*                    STrSRfBAEbUFxE   start text reasoning signature redacted refusal
                                           begin args end block-end usage finish error END */
    [STATE_NEW] = "10000000001000",      [STATE_IDLE] = "01111110011100",
    [STATE_TEXT] = "01111110011100",     [STATE_REASONING] = "01111110011100",
    [STATE_REFUSAL] = "01111110011100",  [STATE_TOOL] = "01111111101100",
    [STATE_FINISHED] = "00000000011101", [STATE_ENDED] = "11111111111111",
};

static void test_every_cell(void)
{
    for (int s = 0; s < N_STATES; s++)
        for (int e = 0; e < N_EVENTS; e++) {
            if (machine_allows((enum machine_state)s, (enum event_kind)e) != (allowed[s][e] == '1'))
                printf("\nstate %d, event %d\n", s, e);
            CU_ASSERT_EQUAL(machine_allows((enum machine_state)s, (enum event_kind)e),
                            allowed[s][e] == '1');
        }
}

static struct machine m;
static const char *fault;

static int take(enum event_kind kind, int64_t tool, const char *text)
{
    struct event e = {.kind = kind,
                      .tool = tool,
                      .text = {(const uint8_t *)text, strlen(text)},
                      .finish = AIEX_FINISH_STOP};

    fault = NULL;
    return machine_take(&m, &e, &fault);
}

static int finish(int why)
{
    struct event e = {.kind = EVENT_FINISH, .finish = why};

    return machine_take(&m, &e, &fault);
}

static void restart(int strict)
{
    machine_done(&m);
    m.strict = strict;
    take(EVENT_START, 0, "");
}

enum {
    PASS = MACHINE_PASS,
    BLOCK = MACHINE_PASS | MACHINE_CLOSE_BLOCK,
    TOOL = MACHINE_PASS | MACHINE_CLOSE_TOOL
};

static void test_closes_what_is_open(void)
{
    restart(1);
    CU_ASSERT_EQUAL(take(EVENT_TEXT, 0, "a"), PASS);
    CU_ASSERT_EQUAL(take(EVENT_TEXT, 0, "b"), PASS);
    CU_ASSERT_EQUAL(take(EVENT_REASONING, 0, "c"), BLOCK);
    CU_ASSERT_EQUAL(take(EVENT_TOOL_BEGIN, 0, ""), BLOCK);
    CU_ASSERT_EQUAL(take(EVENT_TOOL_ARGS, 0, "{}"), PASS);
    CU_ASSERT_EQUAL(take(EVENT_TOOL_BEGIN, 1, ""), TOOL);
    CU_ASSERT_EQUAL(take(EVENT_TOOL_END, 1, ""), PASS);
    CU_ASSERT_EQUAL(take(EVENT_BLOCK_END, 0, ""), 0);
    CU_ASSERT_EQUAL(take(EVENT_REFUSAL, 0, "x"), PASS);
    CU_ASSERT_EQUAL(finish(AIEX_FINISH_STOP), BLOCK);
    CU_ASSERT_EQUAL(finish(AIEX_FINISH_STOP), 0);
    CU_ASSERT_EQUAL(finish(AIEX_FINISH_LENGTH), -EPROTO);
    CU_ASSERT_EQUAL(take(EVENT_END, 0, ""), PASS);
    CU_ASSERT_EQUAL(take(EVENT_TEXT, 0, "late"), 0);
    machine_done(&m);
}

/* Two calls side by side, as OpenAI's index allows; not where they are written anew. */
static void test_calls_side_by_side(void)
{
    for (int strict = 0; strict < 2; strict++) {
        restart(strict);
        take(EVENT_TOOL_BEGIN, 0, "");
        CU_ASSERT_EQUAL(take(EVENT_TOOL_ARGS, 0, "{"), PASS);
        if (strict) {
            CU_ASSERT_EQUAL(take(EVENT_TOOL_BEGIN, 1, ""), -EPROTO);
            continue;
        }
        CU_ASSERT_EQUAL(take(EVENT_TOOL_BEGIN, 1, ""), TOOL);
        CU_ASSERT_EQUAL(take(EVENT_TOOL_ARGS, 1, "["), PASS);
        CU_ASSERT_EQUAL(take(EVENT_TOOL_ARGS, 0, "}"), PASS);
        CU_ASSERT_EQUAL(take(EVENT_TOOL_ARGS, 0, "}"), -EPROTO);
        CU_ASSERT_EQUAL(take(EVENT_BLOCK_END, 0, ""), PASS);
        CU_ASSERT_EQUAL(take(EVENT_TEXT, 0, "x"), TOOL);
        CU_ASSERT_EQUAL(take(EVENT_TOOL_ARGS, 1, "]"), PASS);
        CU_ASSERT_EQUAL(take(EVENT_TOOL_END, 0, ""), PASS);
        CU_ASSERT_EQUAL(take(EVENT_TOOL_ARGS, 0, " "), -EPROTO);
        CU_ASSERT_EQUAL(finish(AIEX_FINISH_TOOL_CALLS), BLOCK);
    }
    machine_done(&m);
}

static void test_choices_end_together(void)
{
    struct event e = {.kind = EVENT_START, .choice = 2};

    restart(0);
    CU_ASSERT_EQUAL(machine_take(&m, &e, &fault), PASS);
    finish(AIEX_FINISH_STOP);
    CU_ASSERT_EQUAL(take(EVENT_END, 0, ""), -EPROTO);
    e.kind = EVENT_FINISH;
    e.finish = AIEX_FINISH_LENGTH;
    CU_ASSERT_EQUAL(machine_take(&m, &e, &fault), BLOCK & ~MACHINE_CLOSE_BLOCK);
    CU_ASSERT_EQUAL(take(EVENT_END, 0, ""), PASS);
    machine_done(&m);
}

static void test_too_many_calls(void)
{
    int r = 0, i;

    restart(0);
    for (i = 0; i <= MACHINE_MAX_CALLS && r >= 0; i++)
        r = take(EVENT_TOOL_BEGIN, i, "");
    CU_ASSERT_EQUAL(r, -EPROTO);
    CU_ASSERT_EQUAL(i, MACHINE_MAX_CALLS + 1);
    machine_done(&m);
}

/* ---- Arguments ---- */

static const char *const texts[] = {
    "{}",
    "[]",
    "{\"a\":1}",
    " {\"a\" : [1, -0.5, 2e9, 2E+1, 0, -1.5e-3] , \"b\":{}} ",
    "\"x\"",
    "1",
    "-0",
    "10.5",
    "1e5",
    "true",
    "null",
    "false",
    "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"}",
    "[[[]],{\"k\":[{}]}]",
    "\"\xc3\xa9\"",
    /* not whole, or not JSON */
    "",
    "{",
    "{\"a\"",
    "{\"a\":",
    "{\"a\":1",
    "{\"a\":1,",
    "{\"a\":1,}",
    "[1,]",
    "[,1]",
    "{,}",
    "{1:2}",
    "tru",
    "truee",
    "nul",
    "01",
    "1.",
    "1e",
    "1e+",
    "-",
    "+1",
    ".5",
    "\"x",
    "\"\\",
    "\"\\x\"",
    "\"\\u12\"",
    "\"\\u12g4\"",
    "{} {}",
    "{}x",
    "1 2",
    "]",
    "}",
    "{]",
    "[}",
    "\"a\nb\"",
    "{\"a\" 1}",
    "[1 2]",
};

/* The same verdict as the scan of the whole text, however it is cut. */
static void test_flow_agrees_with_scan(void)
{
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct aiex_slice text = {(const uint8_t *)texts[i], strlen(texts[i])};
        int good = aiex_json_scan(text, 0, NULL, 0, NULL) > 0;
        char raw[512];
        struct aiex_json_out w;

        aiex_jw_init(&w, raw, sizeof(raw));
        aiex_jw_escape(&w, texts[i], text.len);
        for (size_t cut = 0; cut <= w.len; cut++) {
            struct flow f = {0};
            int r;

            if (cut && raw[cut - 1] == '\\') /* escapes are not cut; close enough for these texts */
                continue;
            r = flow_feed(&f, (struct aiex_slice){(const uint8_t *)raw, cut});
            r = r ? r : flow_feed(&f, (struct aiex_slice){(const uint8_t *)raw + cut, w.len - cut});
            if ((r == 0 && flow_whole(&f)) != good)
                printf("\n'%s'\n", texts[i]);
            CU_ASSERT_EQUAL(r == 0 && flow_whole(&f), good);
        }
    }
}

static void test_flow_depth(void)
{
    struct flow f = {0};
    int r = 0, n;

    for (n = 0; n < 100 && r == 0; n++)
        r = flow_feed(&f, (struct aiex_slice){(const uint8_t *)"[", 1});
    CU_ASSERT_EQUAL(n, 65);
    CU_ASSERT_EQUAL(r, -EINVAL);
}

/* ---- Lines ---- */

static int on_line(void *arg, struct aiex_slice line, struct aiex_slice raw, int in_place)
{
    char *text = arg;
    size_t n = strlen(text);

    CU_ASSERT(raw.len >= line.len);
    snprintf(text + n, 256 - n, "%s[%.*s]", in_place ? "" : "h", (int)line.len, line.data);
    return line.len == 4 ? -EPROTO : 0;
}

static void test_lines(void)
{
    static const char bytes[] = "a\r\n\n  \nbc\nde";
    struct ndjson lines;

    for (size_t cut = 0; cut <= sizeof(bytes) - 1; cut++) {
        char text[256] = "", plain[256] = "";

        ndjson_init(&lines, 100);
        CU_ASSERT_EQUAL(
            ndjson_feed(&lines, (struct aiex_slice){(const uint8_t *)bytes, cut}, on_line, text),
            0);
        CU_ASSERT_EQUAL(
            ndjson_feed(&lines,
                        (struct aiex_slice){(const uint8_t *)bytes + cut, sizeof(bytes) - 1 - cut},
                        on_line, text),
            0);
        CU_ASSERT_EQUAL(ndjson_pending(&lines), 2);
        CU_ASSERT_EQUAL(ndjson_last(&lines, on_line, text), 0);
        for (size_t i = 0, n = 0; text[i]; i++)
            if (text[i] != 'h')
                plain[n++] = text[i];
        CU_ASSERT_STRING_EQUAL(plain, "[a][bc][de]");
        ndjson_done(&lines);
    }
}

static void test_long_and_refused_lines(void)
{
    struct ndjson lines;
    char text[256] = "";

    ndjson_init(&lines, 4);
    CU_ASSERT_EQUAL(
        ndjson_feed(&lines, (struct aiex_slice){(const uint8_t *)"abc\n", 4}, on_line, text), 0);
    CU_ASSERT_EQUAL(
        ndjson_feed(&lines, (struct aiex_slice){(const uint8_t *)"abcd\n", 5}, on_line, text),
        -EMSGSIZE);
    ndjson_done(&lines);
    ndjson_init(&lines, 4);
    CU_ASSERT_EQUAL(
        ndjson_feed(&lines, (struct aiex_slice){(const uint8_t *)"abcde", 5}, on_line, text),
        -EMSGSIZE);
    ndjson_done(&lines);
    ndjson_init(&lines, 9);
    CU_ASSERT_EQUAL(
        ndjson_feed(&lines, (struct aiex_slice){(const uint8_t *)"abcd\nx\n", 7}, on_line, text),
        -EPROTO);
    ndjson_done(&lines);
}

const struct test_case tests[] = {
    {"every_cell", test_every_cell},
    {"closes_what_is_open", test_closes_what_is_open},
    {"calls_side_by_side", test_calls_side_by_side},
    {"choices_end_together", test_choices_end_together},
    {"too_many_calls", test_too_many_calls},
    {"flow_agrees_with_scan", test_flow_agrees_with_scan},
    {"flow_depth", test_flow_depth},
    {"lines", test_lines},
    {"long_and_refused_lines", test_long_and_refused_lines},
    {0},
};

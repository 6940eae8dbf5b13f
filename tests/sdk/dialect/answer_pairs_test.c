/*
 * Every vendor dialect to every client dialect, with made-up answers: what the model said is
 * what the client reads. A client's bytes are read by going on to openai.chat as if they came
 * from a vendor of that dialect, whose strict order they must have.
 */
#include "answer_run.h"
#include "answer_vendor.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int dialects[] = {AIEX_OPENAI_CHAT, AIEX_OPENAI_RESPONSES, AIEX_ANTHROPIC_MESSAGES,
                               AIEX_OLLAMA_CHAT};
enum { N = 4, SEEDS = 60 };

/* What `said` comes to in a client of openai.chat; joined texts. */
static void check(const struct said *s, const struct heard *h, int tokens)
{
    char text[4096] = "", reasoning[4096] = "";
    int calls = 0;

    for (int i = 0; i < s->n_blocks; i++) {
        const struct said_block *b = &s->blocks[i];
        char all[1024] = "";

        for (int k = 0; k < b->n_pieces; k++)
            strcat(b->kind == SAID_TEXT   ? text
                   : b->kind == SAID_CALL ? all
                                          : reasoning,
                   b->pieces[k]);
        if (b->kind != SAID_CALL)
            continue;
        CU_ASSERT_STRING_EQUAL(h->calls[calls].id, b->id);
        CU_ASSERT_STRING_EQUAL(h->calls[calls].name, b->name);
        if (strstr(all, "u017e") == NULL) /* objects may undo escapes */
            CU_ASSERT_STRING_EQUAL(h->calls[calls].args, all);
        calls++;
    }
    CU_ASSERT_STRING_EQUAL(h->text, text);
    CU_ASSERT_STRING_EQUAL(h->reasoning, reasoning);
    CU_ASSERT_EQUAL(h->n_calls, calls);
    CU_ASSERT_EQUAL(h->n_finish, 1);
    CU_ASSERT(h->done);
    CU_ASSERT_STRING_EQUAL(h->finish, s->finish == AIEX_FINISH_LENGTH ? "length"
                                      : s->finish == AIEX_FINISH_STOP ? "stop"
                                                                      : "tool_calls");
    if (tokens) {
        CU_ASSERT_EQUAL(h->input, s->input);
        CU_ASSERT_EQUAL(h->output, s->output);
    }
}

static void go(const struct said *s, int vendor, int client, int stream, size_t step)
{
    struct run first = {.client = client, .vendor = vendor, .stream = stream};
    struct run second = {.client = AIEX_OPENAI_CHAT, .vendor = client, .stream = stream};
    struct heard h;
    int bad;

    run_all(&first, stream ? vendor_stream(s, vendor) : vendor_whole(s, vendor), step);
    CU_ASSERT_EQUAL(first.result, 0);
    CU_ASSERT_EQUAL(first.said.finish, s->finish);
    CU_ASSERT_EQUAL(first.said.usage.input, s->input);
    CU_ASSERT_EQUAL(first.said.usage.output, s->output);
    if (vendor != AIEX_OLLAMA_CHAT)
        CU_ASSERT_EQUAL(first.said.usage.cache_read, s->cached);
    CU_ASSERT_EQUAL(first.said.usage_estimated, 0);
    run_all(&second, first.out ? first.out : "", 0);
    CU_ASSERT_EQUAL(second.result, 0);
    bad = second.result ? -1 : stream ? heard_stream(second.out, &h) : heard_whole(second.out, &h);
    CU_ASSERT_EQUAL(bad, 0);
    if (bad == 0)
        check(s, &h, 1);
    if (bad || first.result)
        printf("\n%s -> %s: '%s' '%s'\n", aiex_dialect_name(vendor), aiex_dialect_name(client),
               first.said.fault, second.said.fault);
    run_free(&first);
    run_free(&second);
}

static void test_streams(void)
{
    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        struct said s;

        said_make(&s, seed, 1);
        for (int v = 0; v < N; v++)
            for (int c = 0; c < N; c++)
                go(&s, dialects[v], dialects[c], 1, seed % 7 ? seed * 13 % 97 : 0);
    }
}

static void test_documents(void)
{
    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        struct said s;

        said_make(&s, seed, 1);
        for (int v = 0; v < N; v++)
            for (int c = 0; c < N; c++)
                go(&s, dialects[v], dialects[c], 0, seed * 13 % 97);
    }
}

/* Cut at every byte: the same bytes come out, whatever the pieces were. */
static void test_cut_anywhere(void)
{
    struct said s;

    said_make(&s, 5, 1);
    for (int v = 0; v < N; v++)
        for (int c = 0; c < N; c++) {
            struct run whole = {.client = dialects[c], .vendor = dialects[v], .stream = 1};
            size_t len = strlen(vendor_stream(&s, dialects[v]));

            run_all(&whole, vendor_stream(&s, dialects[v]), 0);
            for (size_t at = 1; at < len; at += 3) {
                struct run cut = {.client = dialects[c], .vendor = dialects[v], .stream = 1};
                const char *bytes = vendor_stream(&s, dialects[v]);

                CU_ASSERT_EQUAL_FATAL(run_new(&cut), 0);
                run_feed(&cut, bytes, at);
                run_feed(&cut, bytes + at, len - at);
                run_close(&cut);
                CU_ASSERT_EQUAL(cut.result, 0);
                /* durations are measured */
                if (dialects[c] != AIEX_OLLAMA_CHAT)
                    CU_ASSERT_STRING_EQUAL(cut.out, whole.out);
                run_free(&cut);
            }
            run_free(&whole);
        }
}

/* A stream that just ends is never a clean end, wherever it is cut. */
static void test_early_end(void)
{
    struct said s;

    said_make(&s, 9, 1);
    for (int v = 0; v < N; v++)
        for (int c = 0; c < N; c++) {
            size_t len = strlen(vendor_stream(&s, dialects[v]));

            for (size_t at = 0; at + 2 < len; at += 5) {
                struct run r = {.client = dialects[c], .vendor = dialects[v], .stream = 1};

                CU_ASSERT_EQUAL_FATAL(run_new(&r), 0);
                if (at)
                    run_feed(&r, vendor_stream(&s, dialects[v]), at);
                if (r.result == 0 && !aiex_chat_complete(r.chat))
                    run_close(&r);
                CU_ASSERT(r.result != 0);
                CU_ASSERT(r.said.fault[0] != 0);
                CU_ASSERT(!r.out || (!strstr(r.out, "[DONE]\n") && !strstr(r.out, "message_stop") &&
                                     !strstr(r.out, "response.completed") &&
                                     !strstr(r.out, "\"done\":true")));
                run_free(&r);
            }
        }
}

const struct test_case tests[] = {
    {"streams", test_streams},
    {"documents", test_documents},
    {"cut_anywhere", test_cut_anywhere},
    {"early_end", test_early_end},
    {0},
};

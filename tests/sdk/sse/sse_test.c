/* The splitter gives the same events however the bytes are cut. */
#include "test.h"

#include <aiex_sse.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What was seen, as text: "name|data|plain;" per event. */
struct seen {
    char text[4096];
    size_t len;
    int n, stop_at;
};

static int on_event(void *arg, const struct aiex_sse_event *e)
{
    struct seen *s = arg;

    s->len += (size_t)snprintf(s->text + s->len, sizeof(s->text) - s->len, "%.*s|%.*s;",
                               (int)e->name.len, (const char *)e->name.data, (int)e->data.len,
                               (const char *)e->data.data);
    if (e->plain && (e->raw.len != e->data.len + 8 || memcmp(e->raw.data, "data: ", 6) != 0))
        CU_FAIL("plain, but not in plain form");
    return ++s->n == s->stop_at ? 77 : 0;
}

static struct aiex_slice slice(const char *text, size_t n)
{
    return (struct aiex_slice){(const uint8_t *)text, n};
}

/* Feeds in two pieces cut at `cut`, or byte by byte when cut is negative. */
static int feed(struct aiex_sse *sse, const char *text, long cut, struct seen *seen)
{
    size_t n = strlen(text), step = cut < 0 ? 1 : (size_t)cut;
    int r = 0;

    for (size_t at = 0; at < n && r == 0; at += step, step = cut < 0 ? 1 : n - at)
        r = aiex_sse_feed(sse, slice(text + at, step < n - at ? step : n - at), on_event, seen);
    return r;
}

static const struct {
    const char *text, *events;
    size_t pending;
} table[] = {
    {"data: a\n\ndata: b\n\n", "|a;|b;", 0},
    {"data: a\r\n\r\ndata: b\r\n\r\n", "|a;|b;", 0},
    {"data: a\r\rdata: b\r\r", "|a;|b;", 0},
    {"data: a\n\rdata: b\r\n\n", "|a;|b;", 0},
    {"data: a\rdata: b\n\n", "|a\nb;", 0},
    {"data: a\n\ndata: b\rdata: c\n\ndata: d\n\n", "|a;|b\nc;|d;", 0},
    {"data: a\n\n\rdata: b\n\ndata: c\n\r\n", "|a;|b;|c;", 0},
    {"data:a\ndata: b\ndata:  c\n\n", "|a\nb\n c;", 0},
    {"event: ping\ndata: {}\n\n", "ping|{};", 0},
    {"data: x\nevent: late\n\n", "late|x;", 0},
    {": comment\n\n:\n\ndata: a\n\n", "|a;", 0},
    {"id: 1\nretry: 5\nother: x\ndata: a\n\n", "|a;", 0},
    {"event: lonely\n\ndata: a\n\n", "|a;", 0},
    {"data\n\ndata:\n\ndata: \n\n", "|;|;|;", 0},
    {"datax: no\ndat: no\ndata: a\n\n", "|a;", 0},
    {"\n\n\n\r\n\rdata: a\n\n\n\n", "|a;", 0},
    {"\xef\xbb\xbf"
     "data: a\n\n",
     "|a;", 0},
    {"\xef\xbb"
     "data: a\n\ndata: b\n\n",
     "|b;", 0},
    {"data: whole\n\ndata: cut", "|whole;", 9},
    {"data: whole\n\ndata: no blank line\n", "|whole;", 20},
    {"", "", 0},
};

static void same_events_at_every_cut(void)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        for (long cut = -1; cut <= (long)strlen(table[i].text); cut++) {
            struct aiex_sse sse;
            struct seen seen = {{0}, 0, 0, 0};

            if (cut == 0)
                continue;
            aiex_sse_init(&sse, 64);
            CU_ASSERT_EQUAL(feed(&sse, table[i].text, cut, &seen), 0);
            CU_ASSERT_STRING_EQUAL(seen.text, table[i].events);
            CU_ASSERT_EQUAL(aiex_sse_pending(&sse), table[i].pending);
            aiex_sse_done(&sse);
        }
    }
}

/* What a provider may pass on without a copy. */
static int flags_of(void *arg, const struct aiex_sse_event *e)
{
    *(int *)arg = e->plain | e->in_place << 1;
    return 0;
}

static void plain_and_in_place(void)
{
    static const struct {
        const char *text;
        int flags;
    } rows[] = {{"data: a\n\n", 3},          {"data:a\n\n", 2},  {"data: a\r\n\r\n", 2},
                {": c\ndata: a\n\n", 2},     {"data: a\r\r", 2}, {"data: a\ndata: b\n\n", 0},
                {"event: e\ndata: a\n\n", 2}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t n = strlen(rows[i].text);
        struct aiex_sse sse;
        int flags = -1;

        aiex_sse_init(&sse, 64);
        CU_ASSERT_EQUAL(aiex_sse_feed(&sse, slice(rows[i].text, n), flags_of, &flags), 0);
        CU_ASSERT_EQUAL(flags, rows[i].flags);
        flags = -1;
        CU_ASSERT_EQUAL(aiex_sse_feed(&sse, slice(rows[i].text, 5), flags_of, &flags), 0);
        CU_ASSERT_EQUAL(aiex_sse_feed(&sse, slice(rows[i].text + 5, n - 5), flags_of, &flags), 0);
        CU_ASSERT_EQUAL(flags, rows[i].flags & 1);
        aiex_sse_done(&sse);
    }
}

static void long_events_are_refused(void)
{
    static const char exact[] = "data: 0123456789\n\n"; /* 18 bytes */

    for (long cut = -1; cut <= 18; cut++) {
        struct aiex_sse sse;
        struct seen seen = {{0}, 0, 0, 0};

        if (cut == 0)
            continue;
        aiex_sse_init(&sse, 18);
        CU_ASSERT_EQUAL(feed(&sse, exact, cut, &seen), 0);
        CU_ASSERT_EQUAL(seen.n, 1);
        aiex_sse_done(&sse);
        aiex_sse_init(&sse, 17);
        CU_ASSERT_EQUAL(feed(&sse, exact, cut, &seen), -EMSGSIZE);
        aiex_sse_done(&sse);
    }
}

static void callback_stops_the_feed(void)
{
    struct aiex_sse sse;
    struct seen seen = {{0}, 0, 0, 2};

    aiex_sse_init(&sse, 64);
    CU_ASSERT_EQUAL(feed(&sse, "data: a\n\ndata: b\n\ndata: c\n\n", 27, &seen), 77);
    CU_ASSERT_EQUAL(seen.n, 2);
    aiex_sse_done(&sse);
    aiex_sse_done(&sse);
}

static void many_joined_lines_grow(void)
{
    struct aiex_sse sse;
    int flags = -1;

    aiex_sse_init(&sse, AIEX_SSE_MAX_EVENT);
    for (int i = 0; i < 4000; i++)
        CU_ASSERT_EQUAL(aiex_sse_feed(&sse, slice("data: line\n", 11), flags_of, &flags), 0);
    CU_ASSERT_EQUAL(flags, -1);
    CU_ASSERT_EQUAL(aiex_sse_feed(&sse, slice("\n", 1), flags_of, &flags), 0);
    CU_ASSERT_EQUAL(flags, 0);
    aiex_sse_done(&sse);
}

const struct test_case tests[] = {{"same_events_at_every_cut", same_events_at_every_cut},
                                  {"plain_and_in_place", plain_and_in_place},
                                  {"long_events_are_refused", long_events_are_refused},
                                  {"callback_stops_the_feed", callback_stops_the_feed},
                                  {"many_joined_lines_grow", many_joined_lines_grow},
                                  {0}};

/*
 * request_property_test.c - generated conversations through every pair of chat dialects and back.
 *
 * A conversation that all dialects can say (openai.chat, in the form that our writer gives it) goes
 * to dialect A, from there to B, from there back to openai.chat: it must come back whole.
 */
#include "test.h"

#include "request_rig.h"

#include <stdlib.h>
#include <string.h>

#define ROUNDS 150

static uint64_t state;

static unsigned pick(unsigned n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % n;
}

struct text {
    char data[65536];
    size_t len;
};

static void put(struct text *t, const char *s)
{
    size_t n = strlen(s);

    CU_ASSERT_TRUE_FATAL(t->len + n < sizeof(t->data));
    memcpy(t->data + t->len, s, n + 1);
    t->len += n;
}

/* Escaped for a JSON string; `deep`: for a JSON string inside of one. */
static void put_words(struct text *t, int deep)
{
    static const char *const words[] = {
        "a",   "\\\"q\\\"",      "line\\n", "\\\\ back", "\\u0041", "\xc3\xa9\xe2\x82\xac",
        "/x/", "\\ud83d\\ude00", "{}",      "tab\\t",    "]",       ":,"};
    static const char *const inner[] = {
        "b", "\\\\\\\"q\\\\\\\"", "l\\\\n", "\xf0\x9f\x98\x80", "\\\\\\\\", "{"};

    put(t, "w");
    for (unsigned n = pick(6); n; n--)
        put(t, deep ? inner[pick(6)] : words[pick(12)]);
    put(t, "z");
}

static void put_user(struct text *t)
{
    put(t, "{\"role\":\"user\",\"content\":");
    if (pick(4) == 0) {
        put(t, "[{\"type\":\"text\",\"text\":\"");
        put_words(t, 0);
        put(t, "\"},{\"type\":\"image_url\",\"image_url\":{\"url\":"
               "\"data:image/png;base64,iVBORw0KGgo=\"}}]");
    } else {
        put(t, "\"");
        put_words(t, 0);
        put(t, "\"");
    }
    put(t, "}");
}

static void put_turn(struct text *t, unsigned turn)
{
    unsigned calls = pick(4);
    char id[64];

    put(t, ",{\"role\":\"assistant\",\"content\":");
    if (calls && pick(2)) {
        put(t, "null");
    } else {
        put(t, "\"");
        put_words(t, 0);
        put(t, "\"");
    }
    for (unsigned i = 0; i < calls; i++) {
        put(t, i ? "," : ",\"tool_calls\":[");
        snprintf(id, sizeof(id), "{\"id\":\"c_%u-%u\",\"type\":\"function\",", turn, i);
        put(t, id);
        put(t, pick(2) ? "\"function\":{\"name\":\"f\",\"arguments\":\"{"
                       : "\"function\":{\"name\":\"g-1\",\"arguments\":\"{");
        if (pick(3)) {
            put(t, "\\\"k\\\": [1.50,\\\"");
            put_words(t, 1);
            put(t, "\\\"]");
        }
        put(t, "}\"}}");
    }
    put(t, calls ? "]}" : "}");
    for (unsigned i = 0; i < calls; i++) {
        snprintf(id, sizeof(id), ",{\"role\":\"tool\",\"tool_call_id\":\"c_%u-%u\",\"content\":\"",
                 turn, i);
        put(t, id);
        put_words(t, 0);
        put(t, "\"}");
    }
    put(t, ",");
    put_user(t);
}

static void generate(struct text *t)
{
    t->len = 0;
    put(t, "{\"model\":\"m\",\"stream\":false,\"messages\":[");
    if (pick(2)) {
        put(t, "{\"role\":\"system\",\"content\":\"");
        put_words(t, 0);
        put(t, "\"},");
    }
    put_user(t);
    for (unsigned n = pick(5), i = 0; i < n; i++)
        put_turn(t, i);
    put(t, "],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"");
    put_words(t, 0);
    put(t, "\",\"parameters\":{\"type\":\"object\",\"properties\":{\"k\":{}}}}},{\"type\":"
           "\"function\",\"function\":{\"name\":\"g-1\",\"parameters\":{\"type\":\"object\"}}}],"
           "\"max_tokens\":77");
    put(t, pick(2) ? ",\"temperature\":0.25}" : ",\"top_p\":0.5}");
}

/* One step; the result replaces the text. */
static int step(struct text *t, int client, int vendor)
{
    struct aiex_error err;
    struct aiex_chat c;
    int rc = rig_convert(&c, client, vendor, "m", t->data, t->len, &err);

    if (rc == 0) {
        CU_ASSERT_TRUE_FATAL(c.request_len < sizeof(t->data));
        memcpy(t->data, c.request, c.request_len);
        t->len = c.request_len;
    } else {
        printf("%s\n", err.text);
    }
    rig_done(&c);
    return rc;
}

static int comes_back(const struct text *start, int a, int b)
{
    static struct text t;
    struct aiex_json_span x, y;

    t = *start;
    if (a != AIEX_OPENAI_CHAT && step(&t, AIEX_OPENAI_CHAT, a) != 0)
        return 0;
    if (a != b && step(&t, a, b) != 0)
        return 0;
    if (b != AIEX_OPENAI_CHAT && step(&t, b, AIEX_OPENAI_CHAT) != 0)
        return 0;
    x = rig_span(start->data, start->len);
    y = rig_span(t.data, t.len);
    if (x.type && rig_same(&x, &y))
        return 1;
    printf("%s -> %s:\n%.*s\nbecame\n%.*s\n", aiex_dialect_name(a), aiex_dialect_name(b),
           (int)start->len, start->data, (int)t.len, t.data);
    return 0;
}

static void every_pair(void)
{
    static struct text start;

    for (unsigned i = 0; i < ROUNDS; i++) {
        state = i;
        generate(&start);
        for (int a = AIEX_OPENAI_CHAT; a <= AIEX_OLLAMA_CHAT; a++)
            for (int b = AIEX_OPENAI_CHAT; b <= AIEX_OLLAMA_CHAT; b++)
                CU_ASSERT_TRUE_FATAL(comes_back(&start, a, b));
    }
}

const struct test_case tests[] = {
    {"every pair", every_pair},
    {0},
};

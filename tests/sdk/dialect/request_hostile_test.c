/*
 * request_hostile_test.c - requests that nobody means: cut, of wrong types everywhere, nested,
 * doubled, many. Each is converted to JSON or refused with a sentence, for every pair of dialects.
 */
#include "test.h"

#include "request.h"
#include "request_rig.h"
#include "request_samples.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int is_sentence(const char *text)
{
    size_t n = strlen(text);

    return n > 5 && text[n - 1] != '.' && !strchr(text, '\n');
}

static int holds(int client, int vendor, const char *in, size_t len, int *ret_rc)
{
    struct aiex_error err;
    struct aiex_chat c;
    int rc = rig_convert(&c, client, vendor, "claude-sonnet-4-5", in, len, &err), ok;

    if (rc == 0)
        ok = rig_span(c.request, c.request_len).type == AIEX_JSON_OBJECT;
    else
        ok = (rc == -EINVAL || rc == -ENOTSUP) && is_sentence(err.text) && !c.request;
    if (!ok)
        printf("%s -> %s: %d '%s'\n%.*s\n%.*s\n", aiex_dialect_name(client),
               aiex_dialect_name(vendor), rc, err.text, (int)len, in, (int)c.request_len,
               c.request ? (char *)c.request : "");
    if (ret_rc)
        *ret_rc = rc;
    rig_done(&c);
    return ok;
}

static int holds_everywhere(int client, const char *in, size_t len)
{
    for (int vendor = 1; vendor < AIEX_N_DIALECTS; vendor++)
        if (aiex_dialect_bridges(client, vendor) && !holds(client, vendor, in, len, NULL))
            return 0;
    return 1;
}

/* The samples themselves convert wherever their sort does. */
static void samples(void)
{
    for (int client = 1; client < AIEX_N_DIALECTS; client++) {
        char *in = rig_quotes(request_samples[client]);

        for (int vendor = 1; vendor < AIEX_N_DIALECTS; vendor++) {
            int rc = -1;

            if (!aiex_dialect_bridges(client, vendor))
                continue;
            CU_ASSERT_TRUE(holds(client, vendor, in, strlen(in), &rc));
            CU_ASSERT_EQUAL(rc, 0);
        }
        free(in);
    }
}

static void cut(void)
{
    for (int client = 1; client < AIEX_N_DIALECTS; client++) {
        char *in = rig_quotes(request_samples[client]);
        size_t n = strlen(in);
        int rc;

        for (size_t i = 0; i < n; i++) {
            CU_ASSERT_TRUE_FATAL(holds(client, client, in, i, &rc));
            CU_ASSERT_EQUAL(rc, -EINVAL);
        }
        free(in);
    }
}

struct places {
    struct aiex_json_span at[600];
    size_t n;
};

static void collect(const struct aiex_json_span *whole, struct places *p)
{
    struct aiex_json_span key, value;
    size_t at = 0;

    while (aiex_json_next(whole, &at, &key, &value)) {
        CU_ASSERT_TRUE_FATAL(p->n < 600);
        p->at[p->n++] = value;
        collect(&value, p);
    }
}

/* Every value of every sample becomes every other type. */
static void wrong_types(void)
{
    static const char *const others[] = {"null",
                                         "7",
                                         "-1.5e9",
                                         "\"\"",
                                         "\"x\"",
                                         "[]",
                                         "{}",
                                         "[[]]",
                                         "[{}]",
                                         "[null,7]",
                                         "[\"x\"]",
                                         "true",
                                         "false",
                                         "\"\\ud800\\u0000\"",
                                         "{\"type\":\"text\",\"text\":{}}"};
    static struct places p;

    for (int client = 1; client < AIEX_N_DIALECTS; client++) {
        char *in = rig_quotes(request_samples[client]), *out = malloc(strlen(in) + 64);
        struct aiex_json_span whole = rig_span(in, strlen(in));

        p.n = 0;
        collect(&whole, &p);
        for (size_t i = 0; i < p.n; i++) {
            for (size_t k = 0; k < sizeof(others) / sizeof(others[0]); k++) {
                int n = sprintf(out, "%.*s%s%s", (int)(p.at[i].data - in), in, others[k],
                                p.at[i].data + p.at[i].len);

                CU_ASSERT_TRUE_FATAL(holds_everywhere(client, out, (size_t)n));
            }
        }
        free(in);
        free(out);
    }
}

static char *repeat(const char *head, const char *piece, size_t n, const char *tail)
{
    size_t len = strlen(piece);
    char *text = malloc(strlen(head) + n * len + strlen(tail) + 1), *at = text;

    at = stpcpy(at, head);
    for (size_t i = 0; i < n; i++)
        at = stpcpy(at, piece);
    stpcpy(at, tail);
    return text;
}

static void bounded(void)
{
    static const struct {
        int client;
        const char *head, *piece;
        size_t n;
        const char *tail, *says;
    } t[] = {
        {AIEX_OPENAI_CHAT, "{\"messages\":[", "{\"role\":\"user\"},", 200001, "{}]}", "more than"},
        {AIEX_OPENAI_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":[", "\"a\",", 200001,
         "\"\"]}]}", "more than"},
        {AIEX_OPENAI_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":[", "{},", 200001,
         "{}]}]}", "more than"},
        {AIEX_OPENAI_CHAT, "{\"messages\":[],\"tools\":[", "{},", 200001, "{}]}", "more than"},
        {AIEX_OPENAI_RESPONSES, "{\"input\":[", "{\"type\":\"x\"},", 200001, "{}]}", "more than"},
        {AIEX_OPENAI_CHAT, "{\"messages\":[],\"tools\":[", "{\"name\":\"a\"},", 1025, "{}]}",
         "tools: more than"},
        {AIEX_OPENAI_CHAT, "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[",
         "{\"function\":{\"name\":\"a\"}},", 1025, "{\"function\":{\"name\":\"a\"}}]}]}",
         "tool calls"},
        {AIEX_OPENAI_CHAT, "{\"messages\":", "[", 600, "", "nested too deeply"},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        char *in = repeat(t[i].head, t[i].piece, t[i].n, t[i].tail);
        struct aiex_error err;
        struct aiex_chat c;

        CU_ASSERT_EQUAL(
            rig_convert(&c, t[i].client, AIEX_ANTHROPIC_MESSAGES, "m", in, strlen(in), &err),
            -EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, t[i].says));
        rig_done(&c);
        free(in);
    }
}

/* Contents inside contents are followed a few levels only. */
static void nested_contents(void)
{
    char *head = repeat("{\"messages\":[{\"role\":\"user\",\"content\":",
                        "[{\"type\":\"tool_result\",\"content\":", 100, "[");
    char *in = repeat(head, "}]", 0, "]"), *whole = repeat(in, "}]", 100, "}]}");

    CU_ASSERT_TRUE(holds_everywhere(AIEX_ANTHROPIC_MESSAGES, whole, strlen(whole)));
    free(head);
    free(in);
    free(whole);
}

static void too_large(void)
{
    static const char tail[] = "\"}]}";
    size_t n = AIEX_MAX_BODY - 64;
    char *in = malloc(n + 128);
    struct aiex_error err;
    struct aiex_chat c;
    size_t len = (size_t)sprintf(in, "{\"messages\":[{\"role\":\"user\",\"content\":\"");

    memset(in + len, 'a', n);
    memcpy(in + len + n, tail, sizeof(tail));
    len += n + sizeof(tail) - 1;
    CU_ASSERT_EQUAL(rig_convert(&c, AIEX_OPENAI_CHAT, AIEX_ANTHROPIC_MESSAGES, "m", in, len, &err),
                    -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "too large for the vendor"));
    CU_ASSERT_PTR_NULL(c.request);
    rig_done(&c);
    free(in);
}

const struct test_case tests[] = {
    {"samples", samples},
    {"cut", cut},
    {"wrong types", wrong_types},
    {"bounded", bounded},
    {"nested contents", nested_contents},
    {"too large", too_large},
    {0},
};

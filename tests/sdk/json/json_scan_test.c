/* json_scan_test.c - what is JSON and what is not, and where the fields are. */
#include "test.h"

#include <aiex_json.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Scans a copy that ends exactly where memory ends, so that a sanitizer sees every overrun. */
static int scan_n(const char *text, size_t n, unsigned depth, struct aiex_json_fault *fault)
{
    uint8_t *copy = malloc(n ? n : 1);
    int r;

    memcpy(copy, text, n);
    r = aiex_json_scan((struct aiex_slice){copy, n}, depth, NULL, 0, fault);
    free(copy);
    return r;
}

static int scan(const char *text)
{
    return scan_n(text, strlen(text), 0, NULL);
}

static void accepts(void)
{
    static const struct {
        const char *text;
        int type;
    } good[] = {
        {"null", AIEX_JSON_NULL},
        {" true ", AIEX_JSON_TRUE},
        {"false", AIEX_JSON_FALSE},
        {"0", AIEX_JSON_NUMBER},
        {"-0", AIEX_JSON_NUMBER},
        {"-12.5e+10", AIEX_JSON_NUMBER},
        {"1E3", AIEX_JSON_NUMBER},
        {"1e-3", AIEX_JSON_NUMBER},
        {"\"\"", AIEX_JSON_STRING},
        {"\"a\\\"b\\\\c\\/\\b\\f\\n\\r\\t\\u00e9\"", AIEX_JSON_STRING},
        {"\"\\ud800\"", AIEX_JSON_STRING},
        {"\"\x7f\"", AIEX_JSON_STRING},
        {"\"\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xed\x9f\xbf \xef\xbf\xbf \xf0\x90\x80\x80 "
         "\xf4\x8f\xbf\xbf\"",
         AIEX_JSON_STRING},
        {"[]", AIEX_JSON_ARRAY},
        {"[ ]", AIEX_JSON_ARRAY},
        {"[1,[2,[]],{}]", AIEX_JSON_ARRAY},
        {"{}", AIEX_JSON_OBJECT},
        {"\r\n\t {\"a\" : 1 , \"b\":[{\"c\":null}]}\n", AIEX_JSON_OBJECT},
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        CU_ASSERT_EQUAL(scan(good[i].text), good[i].type);
}

static void refuses_grammar(void)
{
    static const struct {
        const char *text;
        size_t offset;
    } bad[] = {
        {"", 0},
        {" ", 1},
        {"nul", 3},
        {"nulL", 3},
        {"truex", 4},
        {"+1", 0},
        {".5", 0},
        {"1.", 2},
        {"1.e3", 2},
        {"1e", 2},
        {"1e+", 3},
        {"-", 1},
        {"01", 1},
        {"0x10", 1},
        {"NaN", 0},
        {"Infinity", 0},
        {"'a'", 0},
        {"\"abc", 4},
        {"\"\\x\"", 2},
        {"\"\\u12g4\"", 5},
        {"\"\\u12", 5},
        {"\"\\", 2},
        {"\"a\nb\"", 2},
        {"\"a\tb\"", 2},
        {"[", 1},
        {"[1", 2},
        {"[1,", 3},
        {"[1,]", 3},
        {"[,1]", 1},
        {"[1 2]", 3},
        {"[1}", 2},
        {"]", 0},
        {"{", 1},
        {"{\"a\"", 4},
        {"{\"a\":", 5},
        {"{\"a\":1", 6},
        {"{\"a\":1,", 7},
        {"{\"a\":1,}", 7},
        {"{a:1}", 1},
        {"{\"a\" 1}", 5},
        {"{\"a\":1]", 6},
        {"{1:2}", 1},
        {"{\"a\":1}}", 7},
        {"{} {}", 3},
        {"[1]//c", 3},
        {"/**/1", 0},
        {"{\"a\":}", 5},
        {"{,}", 1},
        {"\xef\xbb\xbf{}", 0},
    };
    struct aiex_json_fault fault;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        fault = (struct aiex_json_fault){0};
        CU_ASSERT_EQUAL(scan_n(bad[i].text, strlen(bad[i].text), 0, &fault), -EINVAL);
        CU_ASSERT_EQUAL(fault.offset, bad[i].offset);
        CU_ASSERT_PTR_NOT_NULL_FATAL(fault.reason);
        CU_ASSERT_TRUE(strlen(fault.reason) > 4);
    }
    CU_ASSERT_EQUAL(scan_n("1\0", 2, 0, &fault), -EINVAL);
    CU_ASSERT_EQUAL(scan_n("\"\0\"", 3, 0, &fault), -EINVAL);
    CU_ASSERT_EQUAL(aiex_json_scan((struct aiex_slice){NULL, 0}, 0, NULL, 0, NULL), -EINVAL);
}

static void refuses_broken_utf8(void)
{
    static const char *const bad[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc2",
        "\xc2\x20",
        "\xe0\x80\x80",
        "\xe0\x9f\xbf",
        "\xe1\x80",
        "\xe1\x80\xc0",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf1\x80\x80",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xfe",
        "\xff",
        "\xf0\x90\x80\xc0",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        /* at every distance from the start: before, in and behind a run of 16 bytes */
        for (size_t lead = 0; lead < 40; lead++) {
            char text[64] = "\"";
            struct aiex_json_fault fault;

            memset(text + 1, 'x', lead);
            strcpy(text + 1 + lead, bad[i]);
            strcat(text, "\"");
            CU_ASSERT_EQUAL(scan_n(text, strlen(text), 0, &fault), -EILSEQ);
            CU_ASSERT_EQUAL(fault.offset, 1 + lead);
            CU_ASSERT_STRING_EQUAL(fault.reason, "broken UTF-8");
        }
    }
    CU_ASSERT_TRUE(scan("{\"\xff\":1}") == -EILSEQ);
    CU_ASSERT_TRUE(scan("\xff") == -EINVAL); /* outside strings it is just no value */
}

/* Quotes, backslashes and controls are found wherever they fall in a run of 16 bytes. */
static void finds_specials_at_every_offset(void)
{
    char text[96];

    for (size_t lead = 0; lead < 64; lead++) {
        memset(text, 'y', sizeof(text));
        text[0] = '"';
        text[1 + lead] = '"';
        CU_ASSERT_EQUAL(scan_n(text, lead + 2, 0, NULL), AIEX_JSON_STRING);
        text[1 + lead] = 0x1f;
        text[2 + lead] = '"';
        CU_ASSERT_EQUAL(scan_n(text, lead + 3, 0, NULL), -EINVAL);
        text[1 + lead] = '\\';
        CU_ASSERT_EQUAL(scan_n(text, lead + 3, 0, NULL), -EINVAL);
        text[3 + lead] = '"';
        CU_ASSERT_EQUAL(scan_n(text, lead + 4, 0, NULL), AIEX_JSON_STRING);
    }
}

/* Long strings are stepped over in blocks: everything that ends a block early stands once at each
 * place of several blocks, and the place of the fault is told. */
static void finds_specials_in_long_strings(void)
{
    static const struct {
        const char *special;
        int error;
        size_t fault; /* behind the start of the special */
    } t[] = {
        {"\\n", 0, 0},        {"\\\\", 0, 0},        {"\\\"", 0, 0},      {"\\\\\\\"", 0, 0},
        {"\\u00e9", 0, 0},    {"\xc3\xa9", 0, 0},    {"\\x", -EINVAL, 1}, {"\\u00eg", -EINVAL, 5},
        {"\x1f", -EINVAL, 0}, {"\xc3z", -EILSEQ, 0},
    };
    char text[320];

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        for (size_t lead = 0; lead < 205; lead++) {
            size_t n = strlen(t[i].special), at = 0;
            struct aiex_json_span whole = {AIEX_JSON_ARRAY, text, 222}, item;
            struct aiex_json_fault fault = {0, NULL};

            memset(text, 'y', sizeof(text));
            memcpy(text, "[\"", 2);
            memcpy(text + 2 + lead, t[i].special, n);
            memcpy(text + 219, "\",1]", 4);
            whole.len = 223;
            CU_ASSERT_EQUAL(scan_n(text, 223, 0, &fault),
                            t[i].error ? t[i].error : AIEX_JSON_ARRAY);
            if (t[i].error) {
                CU_ASSERT_EQUAL(fault.offset, 2 + lead + t[i].fault);
                continue;
            }
            CU_ASSERT_TRUE(aiex_json_next(&whole, &at, NULL, &item));
            CU_ASSERT_EQUAL(item.len, 219);
            CU_ASSERT_TRUE(aiex_json_next(&whole, &at, NULL, &item));
            CU_ASSERT_EQUAL(item.type, AIEX_JSON_NUMBER);
            CU_ASSERT_FALSE(aiex_json_next(&whole, &at, NULL, &item));
        }
    }
}

struct seen {
    char text[256];
};

static void note(void *arg, const struct aiex_json_span *key, const struct aiex_json_span *value)
{
    struct seen *s = arg;
    size_t n = strlen(s->text);

    snprintf(s->text + n, sizeof(s->text) - n, "%.*s=%.*s;", (int)key->len, key->data,
             (int)value->len, value->data);
}

static void gives_members(void)
{
    static const char text[] = " {\"a\" : [1, {\"b\":2}] ,\"a\":\"x\", \"c\":{}}",
                      cut[] = "{\"a\":1,\"b\":";
    struct aiex_slice whole = {(const uint8_t *)text, sizeof(text) - 1};
    struct seen seen = {""};
    struct aiex_json_notes notes = {9, 9};

    CU_ASSERT_EQUAL(aiex_json_scan_members(whole, 0, note, &seen, &notes, NULL), AIEX_JSON_OBJECT);
    CU_ASSERT_STRING_EQUAL(seen.text, "\"a\"=[1, {\"b\":2}];\"a\"=\"x\";\"c\"={};");
    CU_ASSERT_TRUE(notes.data_bytes == 0 && notes.surrogates == 0);
    seen.text[0] = 0;
    whole = (struct aiex_slice){(const uint8_t *)cut, sizeof(cut) - 1};
    CU_ASSERT_EQUAL(aiex_json_scan_members(whole, 0, note, &seen, NULL, NULL), -EINVAL);
    CU_ASSERT_STRING_EQUAL(seen.text, "\"a\"=1;");
}

static void tells_data_from_text(void)
{
    char text[3000];
    struct aiex_slice whole = {(const uint8_t *)text, sizeof(text)};
    struct seen seen = {""};
    struct aiex_json_notes notes;

    memset(text, 'A', sizeof(text));
    memcpy(text, "[\"", 2);
    memcpy(text + sizeof(text) - 2, "\"]", 2);
    CU_ASSERT_EQUAL(aiex_json_scan_members(whole, 0, note, &seen, &notes, NULL), AIEX_JSON_ARRAY);
    CU_ASSERT_EQUAL(notes.data_bytes, sizeof(text) - 2);
    text[40] = ' ';
    CU_ASSERT_EQUAL(aiex_json_scan_members(whole, 0, note, &seen, &notes, NULL), AIEX_JSON_ARRAY);
    CU_ASSERT_EQUAL(notes.data_bytes, 0);
    CU_ASSERT_STRING_EQUAL(seen.text, "");
}

/* Found at every place, in blocks and outside of them; mended when lone. */
static void tells_and_mends_surrogates(void)
{
    static const struct {
        const char *in, *out;
        int found;
    } t[] = {
        {"\\ud83d\\ude00", "\\ud83d\\ude00", 1},
        {"\\uD83dx", "\\ufffdx", 1},
        {"\\udc00\\ud800", "\\ufffd\\ufffd", 1},
        {"\\ud800\\n", "\\ufffd\\n", 1},
        {"\\\\ud800", "\\\\ud800", 0},
        {"\\u0d80\\ucd80", "\\u0d80\\ucd80", 0},
        {"\\ufffD", "\\ufffD", 0},
    };
    char text[256], want[256];

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        for (size_t lead = 0; lead < 130; lead++) {
            struct aiex_json_notes notes;
            struct aiex_slice whole = {(const uint8_t *)text, 0};
            struct seen seen = {""};

            whole.len = (size_t)snprintf(text, sizeof(text), "[\"%0*d%s%064d\"]", (int)lead + 1, 0,
                                         t[i].in, 0);
            snprintf(want, sizeof(want), "[\"%0*d%s%064d\"]", (int)lead + 1, 0, t[i].out, 0);
            CU_ASSERT_EQUAL(aiex_json_scan_members(whole, 0, note, &seen, &notes, NULL),
                            AIEX_JSON_ARRAY);
            CU_ASSERT_EQUAL(notes.surrogates, t[i].found);
            aiex_json_mend_surrogates(text, whole.len);
            CU_ASSERT_STRING_EQUAL(text, want);
        }
    }
}

static void limits_depth(void)
{
    static char text[4 * AIEX_JSON_MAX_DEPTH];
    struct aiex_json_fault fault;

    for (unsigned depth = 1; depth <= AIEX_JSON_MAX_DEPTH; depth *= 2) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        CU_ASSERT_EQUAL(scan_n(text, 2 * (size_t)depth, depth, NULL), AIEX_JSON_ARRAY);
        memset(text, '[', depth + 1);
        memset(text + depth + 1, ']', depth + 1);
        CU_ASSERT_EQUAL(scan_n(text, 2 * (size_t)depth + 2, depth, &fault), -E2BIG);
        CU_ASSERT_EQUAL(fault.offset, depth);
    }
    memset(text, '[', sizeof(text));
    CU_ASSERT_EQUAL(scan_n(text, sizeof(text), 0, &fault), -E2BIG);
    CU_ASSERT_EQUAL(fault.offset, AIEX_JSON_DEPTH);
    CU_ASSERT_EQUAL(scan_n(text, sizeof(text), 1u << 31, &fault), -E2BIG);
    CU_ASSERT_EQUAL(fault.offset, AIEX_JSON_MAX_DEPTH);
}

/* The kind of bracket is remembered on every level. */
static void matches_brackets(void)
{
    char text[512] = "";

    for (int i = 0; i < 63; i++)
        strcat(text, i % 3 ? "[" : "{\"k\":");
    strcat(text, "1");
    for (int i = 62; i >= 0; i--)
        strcat(text, i % 3 ? "]" : "}");
    CU_ASSERT_EQUAL(scan(text), AIEX_JSON_OBJECT);
    for (size_t i = strchr(text, '1') - text + 1; i < strlen(text); i++) {
        char was = text[i];

        text[i] = was == ']' ? '}' : ']';
        CU_ASSERT_EQUAL(scan(text), -EINVAL);
        text[i] = was;
    }
}

static int span_is(const struct aiex_json_span *s, int type, const char *text)
{
    return s->type == type && s->len == strlen(text) && memcmp(s->data, text, s->len) == 0;
}

static void notes_fields(void)
{
    static const char text[] = "{\"x\":{\"model\":\"inner\",\"deep\":[[1]]}, \"model\" : "
                               "\"m\\u0031\" ,\"messages\":[ {} , 1 ] "
                               ",\"\\u0073tream\":true,\"n\":-5,\"o\":{ }}";
    struct aiex_json_field f[] = {{.key = "model"}, {.key = "messages"}, {.key = "stream"},
                                  {.key = "n"},     {.key = "o"},        {.key = "absent"}};
    struct aiex_slice body = {(const uint8_t *)text, sizeof(text) - 1};

    CU_ASSERT_EQUAL(aiex_json_scan(body, 0, f, 6, NULL), AIEX_JSON_OBJECT);
    CU_ASSERT_TRUE(span_is(&f[0].value, AIEX_JSON_STRING, "\"m\\u0031\""));
    CU_ASSERT_EQUAL(f[0].seen, 1);
    CU_ASSERT_TRUE(span_is(&f[1].value, AIEX_JSON_ARRAY, "[ {} , 1 ]"));
    CU_ASSERT_TRUE(span_is(&f[2].value, AIEX_JSON_TRUE, "true"));
    CU_ASSERT_TRUE(span_is(&f[3].value, AIEX_JSON_NUMBER, "-5"));
    CU_ASSERT_TRUE(span_is(&f[4].value, AIEX_JSON_OBJECT, "{ }"));
    CU_ASSERT_EQUAL(f[5].seen, 0);
    CU_ASSERT_EQUAL(f[5].value.type, 0);
}

static void counts_repeated_fields(void)
{
    static const char text[] = "{\"a\":1,\"b\":{\"a\":2},\"\\u0061\":[3],\"aa\":4}";
    struct aiex_json_field f[] = {{.key = "a", .seen = 9}, {.key = "b"}};
    struct aiex_slice body = {(const uint8_t *)text, sizeof(text) - 1};

    CU_ASSERT_EQUAL(aiex_json_scan(body, 0, f, 2, NULL), AIEX_JSON_OBJECT);
    CU_ASSERT_EQUAL(f[0].seen, 2);
    CU_ASSERT_TRUE(span_is(&f[0].value, AIEX_JSON_ARRAY, "[3]"));
    CU_ASSERT_EQUAL(f[1].seen, 1);
    CU_ASSERT_TRUE(span_is(&f[1].value, AIEX_JSON_OBJECT, "{\"a\":2}"));
}

static void other_documents_have_no_fields(void)
{
    struct aiex_json_field f = {.key = "a"};
    const char *text = "[{\"a\":1}]";

    CU_ASSERT_EQUAL(
        aiex_json_scan((struct aiex_slice){(const uint8_t *)text, strlen(text)}, 0, &f, 1, NULL),
        AIEX_JSON_ARRAY);
    CU_ASSERT_EQUAL(f.seen, 0);
}

static void every_prefix_is_refused(void)
{
    static const char text[] =
        "{\"a\":[1.5e3,\"\\u00e9\xc3\xa9\",true,null,{\"b\":{}}],\"c\":-0.1}";

    for (size_t n = 0; n < sizeof(text) - 1; n++)
        CU_ASSERT_TRUE(scan_n(text, n, 0, NULL) < 0);
    CU_ASSERT_EQUAL(scan(text), AIEX_JSON_OBJECT);
}

static void tells_line_and_column(void)
{
    struct aiex_slice text = {(const uint8_t *)"ab\ncd\n\ne", 8};
    size_t line, column;

    aiex_json_where(text, 0, &line, &column);
    CU_ASSERT_TRUE(line == 1 && column == 1);
    aiex_json_where(text, 4, &line, &column);
    CU_ASSERT_TRUE(line == 2 && column == 2);
    aiex_json_where(text, 8, &line, &column);
    CU_ASSERT_TRUE(line == 4 && column == 2);
}

const struct test_case tests[] = {
    {"accepts", accepts},
    {"refuses_grammar", refuses_grammar},
    {"refuses_broken_utf8", refuses_broken_utf8},
    {"finds_specials_at_every_offset", finds_specials_at_every_offset},
    {"finds_specials_in_long_strings", finds_specials_in_long_strings},
    {"gives_members", gives_members},
    {"tells_data_from_text", tells_data_from_text},
    {"tells_and_mends_surrogates", tells_and_mends_surrogates},
    {"limits_depth", limits_depth},
    {"matches_brackets", matches_brackets},
    {"notes_fields", notes_fields},
    {"counts_repeated_fields", counts_repeated_fields},
    {"other_documents_have_no_fields", other_documents_have_no_fields},
    {"every_prefix_is_refused", every_prefix_is_refused},
    {"tells_line_and_column", tells_line_and_column},
    {0},
};

/* output_test.c - tables, JSON both ways, values for people, text made harmless. */
#include "test.h"

#include "field.h"
#include "json_in.h"
#include "json_out.h"
#include "screen.h"
#include "table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static char printed[4096];

static FILE *begin_print(void)
{
    memset(printed, 0, sizeof(printed));
    return fmemopen(printed, sizeof(printed), "w");
}

/* ---- Tables ---- */

static const struct table_column columns[] = {
    {"NAME", 0, 0, 1}, {"N", 1, 0, 0}, {"EXTRA", 0, 2, 0}, {"MORE", 0, 1, 1}};

static void print_table(size_t width)
{
    struct table *t = table_new(columns, 4);
    FILE *f = begin_print();

    table_row(t);
    table_set(t, 0, PAINT_NONE, "one\033[1m\n");
    table_set(t, 1, PAINT_NONE, "7");
    table_set(t, 2, PAINT_NONE, "extra");
    table_set(t, 3, PAINT_NONE, "much more text than would fit anywhere");
    table_row(t);
    table_set(t, 0, PAINT_NONE, "zw\xc3\xb6lf-zeichen");
    table_set(t, 1, PAINT_NONE, "1234");
    table_print(t, f, width, 0);
    fclose(f);
    table_free(t);
}

static void tables_are_aligned(void)
{
    print_table(0);
    CU_ASSERT_STRING_EQUAL(printed,
                           "NAME              N  EXTRA  MORE\n"
                           "one[1m            7  extra  much more text than would fit anywhere\n"
                           "zw\xc3\xb6lf-zeichen  1234         \n");
}

static void tables_shrink(void)
{
    print_table(60); /* the highest rank goes first */
    CU_ASSERT_PTR_NULL(strstr(printed, "EXTRA"));
    CU_ASSERT_PTR_NOT_NULL(strstr(printed, "fit anywhere\n"));
    print_table(50); /* what gives is cut while enough of it remains */
    CU_ASSERT_PTR_NOT_NULL(strstr(printed, "7  much more text than would fi\xe2\x80\xa6\n"));
    print_table(30); /* then it goes, too */
    CU_ASSERT_PTR_NULL(strstr(printed, "MORE"));
    CU_ASSERT_PTR_NOT_NULL(strstr(printed, "lf-zeichen  1234\n"));
    print_table(16); /* and what must stay is cut at last */
    CU_ASSERT_STRING_EQUAL(printed, "NAME           N\n"
                                    "one[1m         7\n"
                                    "zw\xc3\xb6lf-zei\xe2\x80\xa6  1234\n");
    print_table(1); /* what is needed stays, however narrow */
    CU_ASSERT_PTR_NOT_NULL(strstr(printed, "NAME"));
}

/* ---- JSON out ---- */

static void writes_every_type(void)
{
    uint8_t mem[512];
    struct aiex_writer w;
    FILE *f = begin_print();

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 9);
    aiex_w_key_str(&w, "s", "a\"\\\n\x7f\xc2\x9b\xff\xc3\xa9");
    aiex_w_key_int(&w, "min", INT64_MIN);
    aiex_w_key_uint(&w, "max", UINT64_MAX);
    aiex_w_key_real(&w, "r", 0.1);
    aiex_w_key_real(&w, "nan", 0.0 / 0.0);
    aiex_w_key_bin(&w, "bin", "\xff\xfe\xfd\xfc", 4);
    aiex_w_str(&w, "list");
    aiex_w_array(&w, 0);
    aiex_w_int(&w, 5); /* a key that is no string */
    aiex_w_nil(&w);
    aiex_w_key_bool(&w, "b", 1);
    CU_ASSERT_EQUAL(json_out(f, aiex_written(&w), JSON_LINE), 0);
    fclose(f);
    CU_ASSERT_STRING_EQUAL(printed,
                           "{\"s\":\"a\\\"\\\\\\n\\u007f\\u009b\xef\xbf\xbd\xc3\xa9\","
                           "\"min\":-9223372036854775808,\"max\":18446744073709551615,"
                           "\"r\":0.1,\"nan\":null,\"bin\":\"base64://79/A==\",\"list\":[],"
                           "\"5\":null,\"b\":true}");
}

static void broken_values_print_nothing(void)
{
    static const uint8_t cut[] = {0x82, 0xa1, 'x', 0x01, 0xa1, 'y'};
    uint8_t deep[40];
    struct aiex_slice value = {cut, sizeof(cut)};
    FILE *f = begin_print();

    memset(deep, 0x91, sizeof(deep));
    CU_ASSERT_EQUAL(json_out(f, value, JSON_LINE), -EPROTO);
    value.data = deep;
    value.len = sizeof(deep);
    CU_ASSERT_EQUAL(json_out(f, value, JSON_LINE), -EPROTO);
    fclose(f);
    CU_ASSERT_STRING_EQUAL(printed, "");
}

/* ---- JSON in ---- */

static void through_and_back(const char *text, const char *expected)
{
    struct aiex_slice map = {NULL, 0};
    struct aiex_error err = {""};
    FILE *f = begin_print();

    CU_ASSERT_EQUAL_FATAL(json_in(text, strlen(text), &map, &err), 0);
    CU_ASSERT(aiex_is_map(map));
    CU_ASSERT_EQUAL(json_out(f, map, JSON_LINE), 0);
    fclose(f);
    CU_ASSERT_STRING_EQUAL(printed, expected);
    free((void *)(uintptr_t)map.data);
}

static void reads_what_it_writes(void)
{
    static const char text[] = "{\"a\":[1,-2,9223372036854775807,18446744073709551615,0.5],"
                               "\"b\":{\"c\":null,\"d\":false},\"e\":\"\xc3\xa9\\n\"}";

    through_and_back(text, text);
    through_and_back(" \n{ } \n", "{}");
    through_and_back("{\"a\":[1e1,1e1,1e1,1e1,1e1,1e1,1e1,1e1]}",
                     "{\"a\":[10,10,10,10,10,10,10,10]}");
    through_and_back("{\"x\":\"\\ud83d\\ude00 }\"}", "{\"x\":\"\xf0\x9f\x98\x80 }\"}");
}

static void refuses_what_is_no_object(void)
{
    static const char *const wrong[] = {"",    "1",          "[]",     "{",
                                        "{}x", "{\"a\":01}", "\"{}\"", "{'a':1}"};
    struct aiex_slice map;
    struct aiex_error err;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        CU_ASSERT_EQUAL(json_in(wrong[i], strlen(wrong[i]), &map, &err), -EINVAL);
}

/* ---- Values for people ---- */

static void values_for_people(void)
{
    static const struct {
        enum field_form form;
        int64_t value;
        const char *text;
    } cases[] = {
        {FIELD_BYTES, 0, "0B"},
        {FIELD_BYTES, 1023, "1023B"},
        {FIELD_BYTES, 1536, "1.5K"},
        {FIELD_BYTES, 12 * 1048576, "12M"},
        {FIELD_BYTES, INT64_MAX, "8.0E"},
        {FIELD_BYTES, -1, "-"},
        {FIELD_DURATION, 999, "999ms"},
        {FIELD_DURATION, 4200, "4.2s"},
        {FIELD_DURATION, 65000, "1m05s"},
        {FIELD_DURATION, 3 * 3600000 + 12 * 60000, "3h12m"},
        {FIELD_DURATION, 49 * 3600000LL, "2d01h"},
        {FIELD_PLAIN, -5, "-5"},
    };
    char text[FIELD_TEXT];

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        uint8_t mem[64];
        struct aiex_writer w;

        aiex_writer_init(&w, mem, sizeof(mem));
        aiex_w_map(&w, 1);
        aiex_w_key_int(&w, "v", cases[i].value);
        field_text(aiex_written(&w), "v", cases[i].form, text);
        CU_ASSERT_STRING_EQUAL(text, cases[i].text);
        field_text(aiex_written(&w), "missing", cases[i].form, text);
        CU_ASSERT_STRING_EQUAL(text, "-");
    }
}

/* ---- Harmless text ---- */

static void controls_are_dropped_across_pieces(void)
{
    static const char text[] = "a\033[31m\tb\r\n\xc2\x9b"
                               "c\xc2\xa9\x07";
    size_t len = sizeof(text) - 1;

    for (size_t cut = 0; cut <= len; cut++) {
        struct cleaner c = {0};
        FILE *f = begin_print();
        size_t dropped = clean_write(&c, f, text, cut);

        dropped += clean_write(&c, f, text + cut, len - cut);
        fclose(f);
        CU_ASSERT_STRING_EQUAL(printed, "a[31m\tb\nc\xc2\xa9");
        CU_ASSERT_EQUAL(dropped, 5);
    }
}

const struct test_case tests[] = {
    {"tables_are_aligned", tables_are_aligned},
    {"tables_shrink", tables_shrink},
    {"writes_every_type", writes_every_type},
    {"broken_values_print_nothing", broken_values_print_nothing},
    {"reads_what_it_writes", reads_what_it_writes},
    {"refuses_what_is_no_object", refuses_what_is_no_object},
    {"values_for_people", values_for_people},
    {"controls_are_dropped_across_pieces", controls_are_dropped_across_pieces},
    {0},
};

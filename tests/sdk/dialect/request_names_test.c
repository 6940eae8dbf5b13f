/* request_names_test.c - names of tools that vendors take, what the answer is told of them, and
 * what response objects repeat. */
#include "test.h"

#include "request_rig.h"

#include <stdlib.h>
#include <string.h>

static int is(struct aiex_slice s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0;
}

static int convert(struct aiex_chat *c, const char *in)
{
    char *body = rig_quotes(in);
    struct aiex_error err;
    int rc = rig_convert(c, AIEX_OPENAI_RESPONSES, AIEX_OPENAI_CHAT, "m", body, strlen(body), &err);

    if (rc != 0)
        puts(err.text);
    free(body);
    return rc;
}

static void told_to_the_answer(void)
{
    struct aiex_chat c;

    CU_ASSERT_EQUAL(
        convert(&c, "{'model':'x','input':'a','tools':[{'type':'function','name':'plain'},"
                    "{'type':'function','name':'dot.ted'},{'type':'custom','name':'p'},"
                    "{'type':'namespace','name':'a','tools':[{'type':'function','name':'b__c'},"
                    "{'type':'custom','name':'d'}]},"
                    "{'type':'namespace','name':'a__b','tools':[{'type':'function','name':'c'}]},"
                    "{'type':'function','name':'mcp__a_very_long_server_name_of_somebody__and_then_"
                    "a_long_tool_name'}]}"),
        0);
    CU_ASSERT_EQUAL_FATAL(c.n_tools, 6);
    CU_ASSERT_TRUE(is(c.tools[0].vendor_name, "dot_ted") && is(c.tools[0].name, "dot.ted"));
    CU_ASSERT_FALSE(c.tools[0].custom);
    CU_ASSERT_TRUE(is(c.tools[1].vendor_name, "p") && c.tools[1].custom);
    CU_ASSERT_TRUE(is(c.tools[2].vendor_name, "a__b__c") && is(c.tools[2].name, "b__c") &&
                   is(c.tools[2].space, "a"));
    CU_ASSERT_TRUE(is(c.tools[3].vendor_name, "a__d") && c.tools[3].custom);
    CU_ASSERT_TRUE(is(c.tools[4].name, "c") && is(c.tools[4].space, "a__b"));
    CU_ASSERT_FALSE(is(c.tools[4].vendor_name, "a__b__c")); /* taken */
    CU_ASSERT_EQUAL(memcmp(c.tools[4].vendor_name.data, "a__b__c_", 8), 0);
    CU_ASSERT_EQUAL(c.tools[5].vendor_name.len, 64);
    CU_ASSERT_TRUE(is(c.model, "x"));
    rig_done(&c);
}

/* The same names lead to the same request, whatever else the request holds. */
static void stable(void)
{
    static const char in[] =
        "{'input':[{'type':'function_call','call_id':'fc|1','name':'x.y','arguments':'{}'},"
        "{'type':'function_call_output','call_id':'fc|1','output':''}]}";
    struct aiex_chat a, b;

    CU_ASSERT_EQUAL(convert(&a, in), 0);
    CU_ASSERT_EQUAL(convert(&b, in), 0);
    CU_ASSERT_EQUAL(a.request_len, b.request_len);
    CU_ASSERT_EQUAL(memcmp(a.request, b.request, a.request_len), 0);
    CU_ASSERT_PTR_NOT_NULL(memmem(a.request, a.request_len, "\"name\":\"x_y\"", 12));
    CU_ASSERT_PTR_NULL(memmem(a.request, a.request_len, "fc|1", 4));
    rig_done(&a);
    rig_done(&b);
}

static void echo(void)
{
    struct aiex_json_span whole, value;
    char object[4096];
    struct aiex_chat c;
    int64_t n;

    CU_ASSERT_EQUAL(convert(&c, "{'input':'a','instructions':'i','tools':[{'type':'web_search'}],"
                                "'max_output_tokens':9,'temperature':null}"),
                    0);
    snprintf(object, sizeof(object), "{%.*s}", (int)c.echo.len, (const char *)c.echo.data);
    whole = rig_span(object, strlen(object));
    CU_ASSERT_EQUAL(whole.type, AIEX_JSON_OBJECT);
    CU_ASSERT_TRUE(aiex_json_find(&whole, "instructions", &value) && aiex_json_is(&value, "i"));
    CU_ASSERT_TRUE(aiex_json_find(&whole, "max_output_tokens", &value));
    CU_ASSERT_TRUE(aiex_json_int(&value, &n) == 0 && n == 9);
    CU_ASSERT_TRUE(aiex_json_find(&whole, "tools", &value) && value.len == 23);
    CU_ASSERT_TRUE(aiex_json_find(&whole, "temperature", &value) && value.len == 3);
    CU_ASSERT_TRUE(aiex_json_find(&whole, "tool_choice", &value) && aiex_json_is(&value, "auto"));
    rig_done(&c);
}

const struct test_case tests[] = {
    {"told to the answer", told_to_the_answer},
    {"stable", stable},
    {"echo", echo},
    {0},
};

/*
 * JSON Schema by cases of our own in the manner of the JSON-Schema-Test-Suite: for each schema
 * values that fit and values that do not. Then faults as people see them, wrong schemas, and
 * bounds.
 */
#include "test.h"

#include <aiex_schema.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

static unsigned fail_at; /* the n-th allocation from now on fails; 0 = none */

void *__wrap_malloc(size_t n)
{
    return fail_at && --fail_at == 0 ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fail_at && --fail_at == 0 ? NULL : __real_calloc(n, size);
}

static struct aiex_slice slice(const char *text)
{
    return (struct aiex_slice){(const uint8_t *)text, strlen(text)};
}

static struct aiex_schema schema;
static struct aiex_schema_fault fault;

static int check(const char *schema_text, const char *json)
{
    if (aiex_schema_read(slice(schema_text), &schema, &fault) != 0) {
        printf("schema %s: at %s: %s\n", schema_text, fault.pointer, fault.text);
        return 1;
    }
    return aiex_schema_check(&schema, slice(json), &fault);
}

/* Values are separated by " ; ". */
struct cases {
    const char *schema, *fit, *misfit;
};

static int run(const char *schema_text, const char *values, int want)
{
    char text[1024], *rest = text, *one;
    int n = 0;

    snprintf(text, sizeof(text), "%s", values);
    while (*values && rest) {
        int r;

        one = rest;
        rest = strstr(one, " ; ");
        if (rest) {
            *rest = 0;
            rest += 3;
        }
        r = check(schema_text, one);
        if (r != want) {
            printf("\n  %s with %s: %d (at '%s': %s)\n", schema_text, one, r, fault.pointer,
                   fault.text);
            CU_FAIL("see above");
        }
        n++;
    }
    return n;
}

static void run_all(const struct cases *t, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int seen = run(t[i].schema, t[i].fit, 0) + run(t[i].schema, t[i].misfit, -EINVAL);

        CU_ASSERT_TRUE(seen > 0);
    }
}

#define RUN(table) run_all(table, sizeof(table) / sizeof((table)[0]))

static void test_any_value(void)
{
    static const struct cases t[] = {
        {"true", "1 ; null ; {\"a\":[]}", ""},
        {"false", "", "1 ; null ; {}"},
        {"{}", "1 ; \"x\" ; []", ""},
        {"{\"type\":\"null\"}", "null", "0 ; \"\" ; false ; [] ; {}"},
        {"{\"type\":\"boolean\"}", "true ; false", "0 ; \"true\" ; null"},
        {"{\"type\":\"integer\"}", "1 ; -3 ; 1.0 ; 1e3 ; 10e-1 ; 123456789012345678901234567890",
         "1.1 ; 1e-1 ; \"1\" ; 0.1e0"},
        {"{\"type\":\"number\"}", "1 ; 1.5 ; -0", "\"1\" ; true"},
        {"{\"type\":\"string\"}", "\"\" ; \"1\"", "1 ; {}"},
        {"{\"type\":\"array\"}", "[] ; [1]", "{} ; \"[]\""},
        {"{\"type\":\"object\"}", "{}", "[] ; null"},
        {"{\"type\":[\"string\",\"null\"]}", "null ; \"a\"", "1 ; []"},
        {"{\"enum\":[1,\"a\",null,[1,2],{\"a\":1,\"b\":2}]}",
         "1 ; 1.0 ; 10e-1 ; \"a\" ; \"\\u0061\" ; null ; [1,2] ; {\"b\":2,\"a\":1.0}",
         "2 ; \"b\" ; [2,1] ; [1,2,3] ; {\"a\":1} ; {\"a\":1,\"b\":3} ; false"},
        {"{\"enum\":[]}", "", "1 ; null"},
        {"{\"const\":{\"a\":[1,{\"b\":false}]}}", "{\"a\":[1.0,{\"b\":false}]}",
         "{\"a\":[1,{\"b\":0}]} ; {\"a\":[1]} ; {}"},
        {"{\"const\":0}", "0 ; -0 ; 0.0 ; 0e5", "false ; \"0\" ; [] ; null"},
        {"{\"const\":false}", "false", "0 ; [] ; null"},
        {"{\"format\":\"email\",\"title\":\"t\",\"x-own\":3}", "\"no mail\"", ""},
    };

    RUN(t);
}

static void test_numbers(void)
{
    static const struct cases t[] = {
        {"{\"minimum\":1.1}", "1.1 ; 2.6 ; \"x\"", "0.6 ; -5"},
        {"{\"minimum\":-2}", "-2 ; -1.9 ; 0", "-2.0001 ; -3"},
        {"{\"maximum\":3}", "3 ; 2.6 ; 3.0 ; -1e9", "3.5 ; 3.00000000000000000001"},
        {"{\"exclusiveMinimum\":1}", "1.0000001 ; 2", "1 ; 0"},
        {"{\"exclusiveMaximum\":1}", "0.999 ; -1", "1.0 ; 2"},
        {"{\"maximum\":9007199254740992}", "9007199254740992", "9007199254740993"},
        {"{\"minimum\":1e400}", "1e401 ; 1.1e400", "1e399 ; 5"},
        {"{\"multipleOf\":2}", "10 ; 0 ; -4 ; \"x\"", "7 ; 1.5"},
        {"{\"multipleOf\":1.5}", "0 ; 4.5", "35"},
        {"{\"multipleOf\":0.01}", "4.02 ; 1 ; 19.99 ; 0.07", "4.025 ; 0.005"},
        {"{\"multipleOf\":0.0001}", "0.0075", "0.00751"},
        {"{\"multipleOf\":1e-8}", "12391239123 ; 1e308", "1e-9"},
        {"{\"multipleOf\":3}", "3e50", "1e50"},
    };

    RUN(t);
}

static void test_strings(void)
{
    static const struct cases t[] = {
        {"{\"minLength\":2}", "\"ab\" ; \"\\u00e9\\n\" ; 1",
         "\"a\" ; \"\" ; \"\xf0\x9f\x92\xa9\" ; "
         "\"\\ud83d\\udca9\""},
        {"{\"maxLength\":2}",
         "\"ab\" ; \"\xf0\x9f\x92\xa9\xf0\x9f\x92\xa9\" ; \"\\ud83d\\udca9x\" ; "
         "\"\\\"\\\\\"",
         "\"abc\" ; \"\\ud83d\\ud83d\\ud83d\""},
        {"{\"maxLength\":2.0}", "\"ab\"", "\"abc\""},
        {"{\"pattern\":\"^a*$\"}", "\"aaa\" ; \"\" ; 5 ; {}", "\"abc\""},
        {"{\"pattern\":\"a+\"}", "\"xxaayy\"", "\"xyz\""},
        {"{\"pattern\":\"^\\\\d{3}$\"}", "\"123\" ; \"\\u0031\\u0032\\u0033\"", "\"12\" ; \"abc\""},
        {"{\"pattern\":\"(?=x)\"}", "\"anything\"", ""},
    };

    RUN(t);
}

static void test_arrays(void)
{
    static const struct cases t[] = {
        {"{\"items\":{\"type\":\"integer\"}}", "[] ; [1,2] ; {\"0\":\"x\"} ; 5", "[1,\"x\"]"},
        {"{\"items\":false}", "[]", "[1]"},
        {"{\"prefixItems\":[{\"type\":\"integer\"},{\"type\":\"string\"}]}",
         "[1,\"a\"] ; [1] ; [] ; [1,\"a\",true]", "[\"a\",1] ; [1,2]"},
        {"{\"prefixItems\":[{},{}],\"items\":{\"type\":\"null\"}}", "[1,2,null] ; [1]", "[1,2,3]"},
        {"{\"minItems\":1}", "[1] ; \"\"", "[]"},
        {"{\"maxItems\":2}", "[1,2] ; []", "[1,2,3]"},
        {"{\"uniqueItems\":true}",
         "[1,2] ; [1,true] ; [0,false] ; [{\"a\":1},{\"a\":2}] ; [[1],[2]] ; [\"1\",1] ; []",
         "[1,1] ; [1,1.0] ; [{\"a\":1,\"b\":2},{\"b\":2,\"a\":1}] ; [\"a\",\"\\u0061\"] ; "
         "[1,2,[3],[3]] "
         "; [null,null]"},
        {"{\"uniqueItems\":false}", "[1,1]", ""},
        {"{\"contains\":{\"minimum\":5}}", "[3,5] ; 1", "[] ; [1,2]"},
    };

    RUN(t);
}

static void test_objects(void)
{
    static const struct cases t[] = {
        {"{\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":\"string\"}}}",
         "{\"a\":1,\"b\":\"x\"} ; {} ; {\"c\":[]} ; [] ; 12", "{\"a\":\"x\"} ; {\"a\":1,\"b\":{}}"},
        {"{\"properties\":{\"f\\noo\\\"\":{\"type\":\"number\"}}}", "{\"f\\noo\\\"\":1}",
         "{\"f\\noo\\\"\":\"1\"} ; {\"\\u0066\\noo\\\"\":\"1\"}"},
        {"{\"properties\":{\"a\":false}}", "{} ; {\"b\":1}", "{\"a\":1}"},
        {"{\"required\":[\"a\",\"b\"]}", "{\"a\":1,\"b\":null} ; [] ; 1", "{\"a\":1} ; {}"},
        {"{\"properties\":{\"a\":{}},\"additionalProperties\":false}", "{\"a\":1} ; {} ; [1]",
         "{\"b\":1} ; {\"a\":1,\"b\":2}"},
        {"{\"properties\":{\"a\":{}},\"patternProperties\":{\"^v\":{}},\"additionalProperties\":"
         "false}",
         "{\"a\":1,\"vx\":2}", "{\"a\":1,\"x\":2}"},
        {"{\"additionalProperties\":{\"type\":\"boolean\"}}", "{\"x\":true}", "{\"x\":1}"},
        {"{\"patternProperties\":{\"f.*o\":{\"type\":\"integer\"}}}", "{\"foo\":1,\"x\":\"y\"}",
         "{\"foo\":\"x\"} ; {\"fooo\":1,\"foo\":\"x\"}"},
        {"{\"propertyNames\":{\"maxLength\":3}}", "{\"abc\":1} ; {}", "{\"abcd\":1}"},
        {"{\"minProperties\":1,\"maxProperties\":2}", "{\"a\":1} ; {\"a\":1,\"b\":2} ; \"\"",
         "{} ; {\"a\":1,\"b\":2,\"c\":3}"},
        /* a key that comes twice: each of its values must fit */
        {"{\"properties\":{\"a\":{\"type\":\"integer\"}}}", "{\"a\":1,\"a\":2}",
         "{\"a\":\"x\",\"a\":2} ; {\"a\":1,\"a\":\"x\"}"},
    };

    RUN(t);
}

static void test_alternatives(void)
{
    static const struct cases t[] = {
        {"{\"anyOf\":[{\"type\":\"integer\"},{\"minimum\":2}]}", "1 ; 2.5 ; 3 ; \"x\"", "1.5"},
        {"{\"oneOf\":[{\"type\":\"integer\"},{\"minimum\":2}]}", "1 ; 2.5", "3 ; 1.5"},
        {"{\"allOf\":[{\"minimum\":2},{\"maximum\":4}]}", "3", "1 ; 5"},
        {"{\"not\":{\"type\":\"integer\"}}", "\"foo\" ; 1.5", "1"},
        {"{\"not\":{\"not\":{\"type\":\"integer\"}}}", "1", "\"x\""},
        {"{\"anyOf\":[true,false]}", "1", ""},
        {"{\"oneOf\":[true,true]}", "", "1"},
        {"{\"type\":\"string\",\"anyOf\":[{\"maxLength\":2},{\"minLength\":4}]}",
         "\"ab\" ; \"abcd\"", "\"abc\" ; 5"},
    };

    RUN(t);
}

static void test_references(void)
{
    static const struct cases t[] = {
        {"{\"properties\":{\"foo\":{\"$ref\":\"#\"}},\"additionalProperties\":false}",
         "{\"foo\":{\"foo\":{}}} ; {}", "{\"bar\":1} ; {\"foo\":{\"bar\":1}}"},
        {"{\"$defs\":{\"n\":{\"type\":\"object\",\"properties\":{\"next\":{\"$ref\":\"#/$defs/n\"},"
         "\"v\":{\"type\":\"integer\"}},\"required\":[\"v\"]}},\"$ref\":\"#/$defs/n\"}",
         "{\"v\":1} ; {\"v\":1,\"next\":{\"v\":2,\"next\":{\"v\":3}}}",
         "{\"v\":1,\"next\":{\"v\":2,\"next\":{}}} ; 5"},
        {"{\"$defs\":{\"tilde~x\":{\"type\":\"integer\"},\"sl/"
         "ash\":{\"type\":\"string\"},\"per%cent\":{"
         "\"const\":1}},\"properties\":{\"a\":{\"$ref\":\"#/$defs/tilde~0x\"},\"b\":{\"$ref\":\"#/"
         "$defs/"
         "sl~1ash\"},\"c\":{\"$ref\":\"#/$defs/per%25cent\"}}}",
         "{\"a\":1,\"b\":\"x\",\"c\":1}", "{\"a\":\"x\"} ; {\"b\":1} ; {\"c\":2}"},
        {"{\"prefixItems\":[{\"type\":\"integer\"},{\"$ref\":\"#/prefixItems/0\"}]}", "[1,2]",
         "[1,\"x\"]"},
        {"{\"$defs\":{\"a\":{\"maxItems\":2}},\"properties\":{\"x\":{\"$ref\":\"#/$defs/"
         "a\",\"minItems\":1}"
         "}}",
         "{\"x\":[1]}", "{\"x\":[]} ; {\"x\":[1,2,3]}"},
        {"{\"definitions\":{\"p\":{\"minimum\":1}},\"items\":{\"$ref\":\"#/definitions/p\"}}",
         "[1,2]", "[0]"},
    };

    RUN(t);
}

/* As structured outputs and tools really use it. */
static void test_a_tool(void)
{
    static const struct cases t[] = {
        {"{\"type\":\"object\",\"properties\":{\"path\":{\"type\":\"string\",\"minLength\":1},"
         "\"edits\":{"
         "\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"line\":{\"type\":"
         "\"integer\","
         "\"minimum\":1},\"text\":{\"type\":[\"string\",\"null\"]}},\"required\":[\"line\","
         "\"text\"],"
         "\"additionalProperties\":false}},\"mode\":{\"enum\":[\"patch\",\"write\"]}},\"required\":"
         "["
         "\"path\",\"edits\",\"mode\"],\"additionalProperties\":false}",
         "{\"path\":\"a.c\",\"edits\":[{\"line\":3,\"text\":null}],\"mode\":\"patch\"} ; "
         "{\"mode\":\"write\",\"edits\":[],\"path\":\"x\"}",
         "{\"path\":\"\",\"edits\":[],\"mode\":\"patch\"} ; "
         "{\"path\":\"a\",\"edits\":[{\"line\":0,\"text\":"
         "\"\"}],\"mode\":\"patch\"} ; {\"path\":\"a\",\"edits\":[],\"mode\":\"delete\"}"},
    };

    RUN(t);
}

static void test_faults_say_where_and_why(void)
{
    static const struct {
        const char *schema, *json, *pointer, *text;
    } t[] = {
        {"{\"type\":\"object\"}", "[1]", "", "expected type \"object\", found [1]"},
        {"{\"properties\":{\"items\":{\"items\":{\"properties\":{\"price\":{\"type\":\"number\"}}}}"
         "}}",
         "{\"items\":[{\"price\":1},{\"price\":\"12\"}]}", "/items/1/price",
         "expected type \"number\", found \"12\""},
        {"{\"required\":[\"a\"]}", "{\"b\":1}", "", "the property \"a\" is missing"},
        {"{\"additionalProperties\":false}", "{\"a/b~c\":1}", "/a~1b~0c",
         "the property \"a/b~c\" is not allowed"},
        {"{\"maximum\":3}", "4", "", "expected at most 3, found 4"},
        {"{\"minItems\":2}", "[1]", "", "expected at least 2 items, found 1"},
        {"{\"enum\":[\"a\",\"b\"]}", "\"c\"", "", "expected one of [\"a\",\"b\"], found \"c\""},
        {"{\"uniqueItems\":true}", "[1,2,1]", "/2",
         "expected different items, found 1 a second time (first at 0)"},
        {"{\"anyOf\":[{\"type\":\"integer\"},{\"properties\":{\"a\":{\"type\":\"null\"}},\"type\":"
         "\"object\"}]}",
         "{\"a\":1}", "/a",
         "fits none of the 2 alternatives; the nearest: expected type \"null\", found 1"},
        {"{\"oneOf\":[true,true]}", "1", "", "fits more than one of the 2 alternatives of oneOf"},
        {"{}", "{\"a\":\n oops}", "", "is no JSON: line 2, column 2"},
        {"{\"const\":1}",
         "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"", "",
         "expected 1, found \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa..."},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        CU_ASSERT_EQUAL(check(t[i].schema, t[i].json), -EINVAL);
        CU_ASSERT_STRING_EQUAL(fault.pointer, t[i].pointer);
        if (strncmp(fault.text, t[i].text, strlen(t[i].text)) != 0)
            CU_FAIL(t[i].text);
    }
    CU_ASSERT_EQUAL(aiex_schema_check(&schema, slice("2"), NULL), -EINVAL);
}

static void test_wrong_schemas(void)
{
    static const struct {
        const char *schema, *pointer, *text;
    } t[] = {
        {"", "", "is no JSON"},
        {"{\"type\":}", "", "is no JSON"},
        {"12", "", "a schema is an object"},
        {"[]", "", "a schema is an object"},
        {"{\"type\":\"strnig\"}", "/type", "expected null, boolean"},
        {"{\"type\":[\"string\",1]}", "/type", "expected null, boolean"},
        {"{\"properties\":{\"a\":{\"minLength\":-1}}}", "/properties/a/minLength", "whole number"},
        {"{\"minItems\":1.5}", "/minItems", "whole number"},
        {"{\"minimum\":\"1\"}", "/minimum", "expected a number"},
        {"{\"multipleOf\":0}", "/multipleOf", "above 0"},
        {"{\"multipleOf\":-2}", "/multipleOf", "above 0"},
        {"{\"required\":[\"a\",1]}", "/required", "array of strings"},
        {"{\"properties\":[]}", "/properties", "object of schemas"},
        {"{\"anyOf\":[]}", "/anyOf", "at least one"},
        {"{\"anyOf\":[{},3]}", "/anyOf/1", "a schema is an object"},
        {"{\"items\":[{}]}", "/items", "a schema is an object"},
        {"{\"uniqueItems\":1}", "/uniqueItems", "true or false"},
        {"{\"pattern\":\"(\"}", "/pattern", "no regular expression"},
        {"{\"pattern\":1}", "/pattern", "no regular expression"},
        {"{\"$ref\":\"#/$defs/none\"}", "/$ref", "nothing stands at '#/$defs/none'"},
        {"{\"$ref\":\"http://example.org/x\"}", "/$ref", "references must be"},
        {"{\"$ref\":5}", "/$ref", "nothing stands"},
        {"{\"const\":1,\"not\":{\"$ref\":\"#/const\"}}", "/not/$ref", "no schema"},
        {"{\"enum\":1}", "/enum", "an array"},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        CU_ASSERT_EQUAL(aiex_schema_read(slice(t[i].schema), &schema, &fault), -EINVAL);
        CU_ASSERT_STRING_EQUAL(fault.pointer, t[i].pointer);
        if (!strstr(fault.text, t[i].text))
            CU_FAIL(t[i].schema);
    }
}

static void test_what_is_not_checked_is_named(void)
{
    CU_ASSERT_EQUAL(
        check("{\"properties\":{\"a\":{\"pattern\":\"(?=x)\"}},\"if\":{}}", "{\"a\":\"y\"}"), 0);
    CU_ASSERT_STRING_EQUAL(schema.unchecked, "/properties/a/pattern, /if");
    CU_ASSERT_EQUAL(check("{\"properties\":{\"if\":{},\"a\":{}}}", "{}"), 0);
    CU_ASSERT_STRING_EQUAL(schema.unchecked, "");
    /* names that an unsupported pattern may mean are not called additional */
    CU_ASSERT_EQUAL(
        check("{\"patternProperties\":{\"^(?!x)\":false},\"additionalProperties\":false}",
              "{\"a\":1}"),
        0);
}

/* Each allocation fails once: said as such, and never taken for a value that fits or does not. */
static void test_no_memory(void)
{
    static const char text[] =
        "{\"properties\":{\"\\u0061\":{\"pattern\":\"^x+$\"},\"b\":{\"enum\":["
        "\"\\u0062\"]}},\"patternProperties\":{\"c\":{}}}";
    static const char json[] = "{\"a\":\"xx\",\"b\":\"b\",\"c\":\"\\u0063\"}";
    unsigned n = 0;
    int r;

    do {
        fail_at = ++n;
        r = aiex_schema_read(slice(text), &schema, &fault);
        if (r == 0)
            r = aiex_schema_check(&schema, slice(json), &fault);
        CU_ASSERT_TRUE(r == 0 || r == -ENOMEM);
    } while (!fail_at && n < 1000);
    CU_ASSERT_EQUAL(r, 0);
    CU_ASSERT_TRUE(n > 10);
    fail_at = 0;
}

static void test_bounds(void)
{
    char *deep = malloc(4 << 20);
    size_t n = 0;

    /* references in a circle, with and without branching */
    CU_ASSERT_EQUAL(check("{\"$ref\":\"#\"}", "1"), -E2BIG);
    CU_ASSERT_EQUAL(check("{\"anyOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#\"},{\"$ref\":\"#\"}]}", "1"),
                    -E2BIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "too large"));
    /* a schema and an instance that are nested too deep */
    for (n = 0; n < 300; n++)
        memcpy(deep + n * 7, "{\"not\":", 7);
    n *= 7;
    memset(deep + n, ' ', 1);
    strcpy(deep + n, "{}");
    n += 2;
    memset(deep + n, '}', 300);
    deep[n + 300] = 0;
    CU_ASSERT_EQUAL(aiex_schema_read(slice(deep), &schema, &fault), -E2BIG);
    memset(deep, '[', 100);
    memset(deep + 100, ']', 100);
    deep[200] = 0;
    CU_ASSERT_EQUAL(check("{\"items\":{\"$ref\":\"#\"}}", deep), -E2BIG);
    /* quadratic work over many items */
    deep[0] = '[';
    for (n = 1; n < (1 << 20); n += 8)
        memcpy(deep + n, n % 16 == 1 ? "\"aaaaa\"," : "1234567,", 8);
    strcpy(deep + n - 1, "]");
    CU_ASSERT_EQUAL(check("{\"uniqueItems\":true}", "[1,2]"), 0);
    CU_ASSERT_EQUAL(check("{\"uniqueItems\":true}", deep), -EINVAL);
    CU_ASSERT_EQUAL(check("{\"maxItems\":10,\"items\":{\"type\":[\"string\",\"integer\"]}}", deep),
                    -EINVAL);
    free(deep);
}

const struct test_case tests[] = {
    {"any value", test_any_value},
    {"numbers", test_numbers},
    {"strings", test_strings},
    {"arrays", test_arrays},
    {"objects", test_objects},
    {"alternatives", test_alternatives},
    {"references", test_references},
    {"a tool", test_a_tool},
    {"faults say where and why", test_faults_say_where_and_why},
    {"wrong schemas", test_wrong_schemas},
    {"what is not checked is named", test_what_is_not_checked_is_named},
    {"no memory", test_no_memory},
    {"bounds", test_bounds},
    {0},
};

/* The pure parts of provider_offline: languages, masks, definitions, explanations, names, shapes.
 */
#include "answer.h"
#include "explain.h"
#include "question.h"
#include "scan.h"
#include "test.h"

#include <aiex_json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TO_END 0xffffu

/* "kind name first-last; " of every definition. */
static void definitions(const char *language, const char *text, const char *expected)
{
    const struct language *l = language_of_word(language, strlen(language));
    char seen[1024] = "";
    struct source s;

    CU_ASSERT_PTR_NOT_NULL_FATAL(l);
    CU_ASSERT_EQUAL(source_init(&s, text, strlen(text), l, "x"), 0);
    for (size_t i = 0; i < s.n_defs; i++)
        snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%s %.*s %zu-%zu; ",
                 s.defs[i].kind, (int)s.defs[i].name_len, text + s.defs[i].name,
                 s.defs[i].first_line, s.defs[i].last_line);
    if (strcmp(seen, expected) != 0)
        fprintf(stderr, "\n%s: got  %s\n", language, seen);
    CU_ASSERT_STRING_EQUAL(seen, expected);
    source_done(&s);
}

static void c_family(void)
{
    definitions(
        "c",
        "#define MAX(a, b) \\\n    ((a) > (b))\nstruct point {\n    int x;\n};\nstruct later;\n"
        "static int add(int a,\n               int b)\n{\n    if (a) {\n        puts(\"}\"); /* } "
        "*/\n"
        "    }\n    return a + b;\n}\nint declared(void);\nint x = call(3);\n"
        "char *name(struct point *p)\n{\n    return p->n;\n}\n",
        "macro MAX 1-2; struct point 3-5; function add 7-14; function name 17-20; ");
    definitions("cpp",
                "namespace a {\nclass B : public C {\npublic:\n    B(int x) : x_(x) {\n    }\n"
                "    int get() const override { return x_; }\n};\n}\nint main() { return 0; }\n"
                "template <class T>\nT *make(T v)\n{\n    return new T(v);\n}\n",
                "namespace a 1-8; class B 2-7; method B 4-5; method get 6-6; function main 9-9; "
                "function make 11-14; ");
    definitions(
        "java",
        "public class A {\n    @Override\n    public int f(int x) throws E {\n        for (;;) {\n"
        "        }\n    }\n    A() {\n    }\n    int y = g(1);\n}\ninterface I {\n}\n",
        "class A 1-10; method f 3-6; method A 7-8; interface I 11-12; ");
}

static void scripts(void)
{
    definitions("py",
                "class A:\n    def f(self,\n          x):\n        \"\"\"def not_me():\"\"\"\n     "
                "   return x\n"
                "\n    async def g(self):\n        pass\n\ndef h(): return 1\nx = 3\n",
                "class A 1-8; function f 2-5; function g 7-8; function h 10-10; ");
    definitions("js",
                "export async function f(a) {\n  if (a) { return `}` }\n}\nconst g = (x) => {\n  "
                "return x\n}\n"
                "class K {\n  run(a) {\n  }\n}\nconst n = 3\nfoo(1)\n",
                "function f 1-3; function g 4-6; class K 7-10; method run 8-9; ");
    definitions("ts",
                "export interface I {\n  a: string\n}\ntype T = string\nclass C {\n"
                "  private go(a: number): void {\n  }\n}\n",
                "interface I 1-3; type T 4-4; class C 5-8; method go 6-7; ");
    definitions("rb", "class A\n  def f(x)\n    if x\n    end\n  end\n  def ok?\n  end\nend\n",
                "class A 1-8; method f 2-5; method ok? 6-7; ");
    definitions("ex",
                "defmodule A.B do\n  @doc \"\"\"\n  x\n  \"\"\"\n  def f(x), do: x\n  defp g do\n  "
                "  1\n  end\nend\n",
                "module A.B 1-9; function f 5-5; private function g 6-8; ");
    definitions("sh", "# c\nsay() {\n  echo \"}\" # }\n}\nfunction two {\n  :\n}\n",
                "function say 2-4; function two 5-7; ");
}

static void compiled(void)
{
    definitions("go",
                "type T struct {\n\tx int\n}\nfunc (t *T) Run(a int) error {\n\treturn "
                "nil\n}\nfunc main() {\n}\n",
                "type T 1-3; function Run 4-6; function main 7-8; ");
    definitions("rs",
                "pub struct P<'a> {\n    x: &'a str,\n}\nimpl<'a> P<'a> {\n    pub(crate) fn "
                "f(&self) -> char {\n"
                "        '{'\n    }\n}\ntrait T {\n    fn g();\n}\nmacro_rules! m {\n}\n",
                "struct P 1-3; impl P 4-8; function f 5-7; trait T 9-11; function g 10-10; macro m "
                "12-13; ");
}

static void broken_code_is_survived(void)
{
    static const char *const texts[] = {"int f(",
                                        "int f(int a) {",
                                        "def f(",
                                        "struct",
                                        "#define",
                                        "\"",
                                        "/*",
                                        "'''",
                                        "`",
                                        "int f(int a) { \" }",
                                        "class A {",
                                        "func (",
                                        "fn",
                                        "def",
                                        "}}}}}}",
                                        "((((((((",
                                        "\xff\xfe int f() {"};
    static const char *const languages[] = {"c",    "cpp", "py", "js", "go", "rs",
                                            "java", "rb",  "ex", "sh", "ts"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        for (size_t k = 0; k < sizeof(languages) / sizeof(languages[0]); k++) {
            char *copy = strndup(texts[i], strlen(texts[i])); /* its end is watched */
            struct source s;
            struct text t;

            text_init(&t, TO_END);
            CU_ASSERT_EQUAL(source_init(&s, copy, strlen(copy),
                                        language_of_word(languages[k], strlen(languages[k])), "x"),
                            0);
            for (size_t d = 0; d < s.n_defs; d++) {
                CU_ASSERT(s.defs[d].end <= s.len && s.defs[d].start <= s.defs[d].body);
                explain_definition(&t, &s, &s.defs[d]);
            }
            source_done(&s);
            text_done(&t);
            free(copy);
        }
}

static void nesting_costs_a_bounded_time(void)
{
    size_t n = SCAN_MAX_BYTES;
    char *text = malloc(n + 1);
    struct source s;

    for (size_t i = 0; i + 8 <= n; i += 8)
        memcpy(text + i, "f(a) {\n ", 8);
    text[n] = 0;
    CU_ASSERT_EQUAL(source_init(&s, text, n, language_of_word("js", 2), "x"), 0);
    CU_ASSERT(s.n_defs > 0 && s.n_defs <= SCAN_MAX_DEFS);
    CU_ASSERT(s.work < 16u * 1024u * 1024u);
    source_done(&s);
    free(text);
}

static void languages_are_guessed(void)
{
    static const struct {
        const char *text, *name;
    } rows[] = {{"#include <stdio.h>\nint main(void) { return 0; }", "C"},
                {"def f(x):\n    return None\n", "Python"},
                {"fn main() { let mut x = 1; }", "Rust"},
                {"package main\nfunc main() { x := 1 }", "Go"},
                {"defmodule A do\nend", "Elixir"},
                {"std::vector<int> v; namespace a {}", "C++"},
                {"public class A { public static void main() {} }", "Java"}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        CU_ASSERT_STRING_EQUAL(language_of_text(rows[i].text, strlen(rows[i].text))->name,
                               rows[i].name);
    CU_ASSERT_PTR_NULL(language_of_text("hello there", 11));
    CU_ASSERT_PTR_NULL(language_of_path("README"));
    CU_ASSERT_PTR_NULL(language_of_path("a.c/README"));
    CU_ASSERT_STRING_EQUAL(language_of_path("a/b.PY")->name, "Python");
}

static void explanation_says_what_is_there(void)
{
    static const char code[] =
        "/* Copies a name.\n * Free it. */\nstatic char *copy_name(const char *from, size_t n)\n{\n"
        "    char *to = malloc(n + 1);\n    if (!to)\n        return NULL;\n"
        "    for (size_t i = 0; i < n; i++)\n        to[i] = from[i];\n"
        "    return to;\n}\n";
    struct source s;
    struct text t;

    text_init(&t, TO_END);
    CU_ASSERT_EQUAL(source_init(&s, code, strlen(code), language_of_word("c", 1), "a.c"), 0);
    CU_ASSERT_EQUAL_FATAL(s.n_defs, 1);
    explain_definition(&t, &s, &s.defs[0]);
    CU_ASSERT_PTR_NOT_NULL(strstr(t.data, "`copy_name` is a C function, lines 3 to 11 of a.c."));
    CU_ASSERT_PTR_NOT_NULL(strstr(t.data, "> Copies a name.\n> Free it.\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(t.data, "`static char *copy_name(const char *from, size_t n)`"));
    CU_ASSERT_PTR_NOT_NULL(strstr(t.data, "Parameters: `const char *from`, `size_t n`\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(t.data, "Calls: `malloc`\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(t.data, "1 `if`, 1 `for`"));
    CU_ASSERT_PTR_NOT_NULL(strstr(t.data, "Returns: `return NULL`, `return to`\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(t.data, "calls `malloc` and never `free`"));
    CU_ASSERT_PTR_NOT_NULL(strstr(t.data, "```c\nstatic char *copy_name"));
    source_done(&s);
    text_done(&t);
}

static void doc_string_and_recursion(void)
{
    static const char code[] = "def fact(n: int = 3, *, d: dict[str, int] = {}) -> int:\n    "
                               "\"\"\"Product of 1..n.\"\"\"\n"
                               "    return n * fact(n - 1)\n";
    struct source s;
    struct text t;

    text_init(&t, TO_END);
    CU_ASSERT_EQUAL(source_init(&s, code, strlen(code), NULL, "x"), 0);
    CU_ASSERT_EQUAL_FATAL(s.n_defs, 1);
    explain_definition(&t, &s, &s.defs[0]);
    CU_ASSERT_PTR_NOT_NULL(strstr(t.data, "> Product of 1..n.\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(t.data, "itself (recursion)"));
    CU_ASSERT_PTR_NOT_NULL(strstr(t.data, "`n: int = 3`, `*`, `d: dict[str, int] = {}`"));
    source_done(&s);
    text_done(&t);
}

/* ---- Questions ---- */

static int ask(struct question *q, const char *json)
{
    struct aiex_error err;

    return question_read(q, (struct aiex_slice){(const uint8_t *)json, strlen(json)}, &err);
}

static void names_of_a_question(void)
{
    static const struct {
        const char *text, *first;
    } rows[] = {{"What does `frob` do with parse_it?", "frob"},
                {"why is parseIt slow", "parseIt"},
                {"explain buf_add() please", "buf_add"},
                {"look at host/base/text.c.", "host/base/text.c"},
                {"what does the function walk do?", "walk"},
                {"what does std::move mean", "std::move"},
                {"how does the tokenizer function work", "tokenizer"}};
    char json[512];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct question q;

        snprintf(json, sizeof(json), "{\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}",
                 rows[i].text);
        CU_ASSERT_EQUAL(ask(&q, json), 0);
        CU_ASSERT(q.n_names > 0);
        CU_ASSERT_STRING_EQUAL(q.names[0], rows[i].first);
        question_done(&q);
    }
}

static void conversation_is_read(void)
{
    struct question q;

    CU_ASSERT_EQUAL(ask(&q, "{\"stream_options\":{\"include_usage\":true},\"tools\":[{}],"
                            "\"response_format\":{\"type\":"
                            "\"json_object\"},\"messages\":[{\"role\":\"system\",\"content\":\"```"
                            "c\\nnot me\\n```\"},"
                            "{\"role\":\"user\",\"content\":\"old ```py\\na = 1\\n``` "
                            "x\"},{\"role\":\"assistant\",\"content\":null},"
                            "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"see "
                            "```c\\nint x;\\n\"},{\"type\":\"image_url\"}]}]}"),
                    0);
    CU_ASSERT_EQUAL(q.n_blocks, 2);
    CU_ASSERT_STRING_EQUAL(q.blocks[0].text, "int x;\n\n");
    CU_ASSERT(q.blocks[0].in_last && !q.blocks[1].in_last);
    CU_ASSERT_STRING_EQUAL(q.blocks[1].language->name, "Python");
    CU_ASSERT_STRING_EQUAL(q.last, "see ");
    CU_ASSERT(q.include_usage && q.wants_json && q.wants_tools);
    question_done(&q);
    CU_ASSERT(ask(&q, "{\"messages\":[]}") < 0);
    question_done(&q);
    CU_ASSERT(ask(&q, "[]") < 0);
    question_done(&q);
    CU_ASSERT(ask(&q, "{") < 0);
    question_done(&q);
    CU_ASSERT_EQUAL(ask(&q, "{\"messages\":[1,{\"role\":2},{\"content\":{}}]}"), 0);
    CU_ASSERT_STRING_EQUAL(q.last, "");
    question_done(&q);
}

/* ---- Shapes ---- */

/* Joins the content deltas of a stream; every event must be JSON. Returns the number of events. */
static int join(const char *wire, char *out, size_t size)
{
    int n = 0;

    *out = 0;
    for (const char *p = wire, *end; *p; p = end + 2, n++) {
        struct aiex_json_field choices = {.key = "choices"};
        struct aiex_json_span choice, delta, content;
        size_t at = 0, len = strlen(out);

        CU_ASSERT_EQUAL_FATAL(strncmp(p, "data: ", 6), 0);
        end = strstr(p, "\n\n");
        CU_ASSERT_PTR_NOT_NULL_FATAL(end);
        if (strncmp(p, "data: [DONE]", 12) == 0)
            continue;
        CU_ASSERT_EQUAL(
            aiex_json_scan((struct aiex_slice){(const uint8_t *)p + 6, (size_t)(end - p - 6)}, 0,
                           &choices, 1, NULL),
            AIEX_JSON_OBJECT);
        if (aiex_json_next(&choices.value, &at, NULL, &choice) &&
            aiex_json_find(&choice, "delta", &delta) && aiex_json_find(&delta, "content", &content))
            CU_ASSERT(aiex_json_text(&content, out + len, size - len) >= 0);
    }
    return n;
}

static void stream_gives_the_text_back(void)
{
    static const char *const texts[] = {
        "", "one two three four five six seven eight nine ten eleven twelve",
        "\xc5\xbe\xc5\xbe\xc5\xbe\xc5\xbe\xc5\xbe\xc5\xbe\xc5\xbe\xc5\xbe\xc5\xbe\xc5\xbe\xc5\xbe"
        "\xc5\xbe\xc5\xbe\xc5\xbe"
        "\xc5\xbe\xc5\xbe\xc5\xbe\xc5\xbe\xc5\xbe\xc5\xbe\xc5\xbe\xc5\xbe\xc5\xbe\xc5\xbe\xc5\xbe"
        "\xc5\xbe\xc5\xbe\xc5\xbe",
        "\xf0\x9f\x90\x8e\xf0\x9f\x90\x8e\xf0\x9f\x90\x8e\xf0\x9f\x90\x8e\xf0\x9f\x90\x8e\xf0\x9f"
        "\x90\x8e\xf0\x9f\x90\x8e"
        "a\xf0\x9f\x90\x8e\xf0\x9f\x90\x8e\xf0\x9f\x90\x8e\xf0\x9f\x90\x8e\xf0\x9f\x90\x8e\xf0\x9f"
        "\x90\x8e\xf0\x9f\x90\x8e",
        "\"quotes\" \\ and\nlines\tand \x01"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        for (int usage = 0; usage < 2; usage++) {
            struct answer a = {.id = 7,
                               .content = texts[i],
                               .content_len = strlen(texts[i]),
                               .include_usage = usage};
            char out[512];
            struct text t;
            int n;

            text_init(&t, TO_END);
            answer_stream(&t, &a);
            n = join(t.data, out, sizeof(out));
            CU_ASSERT_STRING_EQUAL(out, texts[i]);
            CU_ASSERT(n >= 3 + usage + (*texts[i] != 0));
            CU_ASSERT_EQUAL(strstr(t.data, "\"choices\":[],\"usage\":{") != NULL, usage);
            CU_ASSERT_STRING_EQUAL(t.data + t.len - 14, "data: [DONE]\n\n");
            text_done(&t);
        }
}

static void texts_are_bounded(void)
{
    struct text t;

    text_init(&t, 10);
    text_add(&t, "12345678");
    text_add(&t, "90123");
    text_add(&t, "x");
    CU_ASSERT(t.cut);
    CU_ASSERT_STRING_EQUAL(t.data, "12345678");
    text_done(&t);
}

const struct test_case tests[] = {
    {"c_family", c_family},
    {"scripts", scripts},
    {"compiled", compiled},
    {"broken_code_is_survived", broken_code_is_survived},
    {"nesting_costs_a_bounded_time", nesting_costs_a_bounded_time},
    {"languages_are_guessed", languages_are_guessed},
    {"explanation_says_what_is_there", explanation_says_what_is_there},
    {"doc_string_and_recursion", doc_string_and_recursion},
    {"names_of_a_question", names_of_a_question},
    {"conversation_is_read", conversation_is_read},
    {"stream_gives_the_text_back", stream_gives_the_text_back},
    {"texts_are_bounded", texts_are_bounded},
    {0}};

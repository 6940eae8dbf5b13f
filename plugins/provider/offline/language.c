#include "language.h"

#include <string.h>

#define C_CONTROL "if else for while do switch case goto "

static const struct language languages[] = {
    {"C",
     " c h ",
     " // ",
     1,
     "\"'",
     0,
     BY_BRACES,
     SHAPE_TOP,
     " static extern inline ",
     {{"struct", "struct"}, {"union", "union"}, {"enum", "enum"}, {"#define", "macro"}},
     C_CONTROL},
    {"C++",
     " cpp cc cxx hpp hh c++ ",
     " // ",
     1,
     "\"'",
     0,
     BY_BRACES,
     SHAPE_TOP | SHAPE_INSIDE,
     " static extern inline constexpr virtual ",
     {{"class", "class"},
      {"struct", "struct"},
      {"union", "union"},
      {"enum", "enum"},
      {"namespace", "namespace"},
      {"#define", "macro"}},
     C_CONTROL "try catch throw "},
    {"Python",
     " python py py3 pyi ",
     " # ",
     0,
     "\"'",
     1,
     BY_INDENT,
     SHAPE_NONE,
     " async ",
     {{"def", "function"}, {"class", "class"}},
     "if elif else for while try except finally with match case raise "},
    {"JavaScript",
     " javascript js jsx mjs cjs node ",
     " // ",
     1,
     "\"'`",
     0,
     BY_BRACES,
     SHAPE_INSIDE | SHAPE_NO_TYPE,
     " export default async ",
     {{"function", "function"},
      {"function*", "function"},
      {"class", "class"},
      {"const", "function"},
      {"let", "function"},
      {"var", "function"}},
     C_CONTROL "try catch throw "},
    {"TypeScript",
     " typescript ts tsx mts ",
     " // ",
     1,
     "\"'`",
     0,
     BY_BRACES,
     SHAPE_INSIDE | SHAPE_NO_TYPE,
     " export default async abstract declare public private protected static readonly ",
     {{"function", "function"},
      {"class", "class"},
      {"interface", "interface"},
      {"enum", "enum"},
      {"namespace", "namespace"},
      {"const", "function"},
      {"let", "function"},
      {"type", "type"}},
     C_CONTROL "try catch throw "},
    {"Go",
     " go golang ",
     " // ",
     1,
     "\"'`",
     0,
     BY_BRACES,
     SHAPE_NONE,
     " ",
     {{"func", "function"}, {"type", "type"}},
     "if else for switch case select go defer goto "},
    {"Rust",
     " rust rs ",
     " // ",
     1,
     "\"'",
     0,
     BY_BRACES,
     SHAPE_NONE,
     " pub pub(crate) pub(super) async unsafe const default ",
     {{"fn", "function"},
      {"struct", "struct"},
      {"enum", "enum"},
      {"trait", "trait"},
      {"union", "union"},
      {"mod", "module"},
      {"impl", "impl"},
      {"macro_rules!", "macro"}},
     "if else for while loop match "},
    {"Java",
     " java ",
     " // ",
     1,
     "\"'",
     0,
     BY_BRACES,
     SHAPE_INSIDE | SHAPE_NO_TYPE,
     " public private protected static final abstract sealed strictfp ",
     {{"class", "class"}, {"interface", "interface"}, {"enum", "enum"}, {"record", "record"}},
     C_CONTROL "try catch finally throw synchronized "},
    {"Ruby",
     " ruby rb ",
     " # ",
     0,
     "\"'`",
     0,
     BY_END,
     SHAPE_NONE,
     " private public protected ",
     {{"def", "method"}, {"class", "class"}, {"module", "module"}},
     "if elsif else unless case when while until for begin rescue ensure raise "},
    {"Elixir",
     " elixir ex exs ",
     " # ",
     0,
     "\"'",
     1,
     BY_END,
     SHAPE_NONE,
     " ",
     {{"def", "function"},
      {"defp", "private function"},
      {"defmodule", "module"},
      {"defmacro", "macro"},
      {"defmacrop", "private macro"},
      {"defprotocol", "protocol"},
      {"defimpl", "implementation"}},
     "if else unless case cond with for receive try rescue raise "},
    {"shell",
     " shell sh bash zsh ksh ",
     " # ",
     0,
     "\"'`",
     0,
     BY_BRACES,
     SHAPE_TOP | SHAPE_NO_TYPE,
     " ",
     {{"function", "function"}},
     "if elif else for while until case "},
};

#define N (sizeof(languages) / sizeof(languages[0]))

int language_list_has(const char *list, const char *word, size_t len)
{
    for (const char *p = list; (p = strstr(p, " ")) != NULL; p++) {
        size_t n = strcspn(p + 1, " ");

        if (n == len && len && strncmp(p + 1, word, n) == 0)
            return 1;
    }
    return 0;
}

const struct language *language_of_word(const char *word, size_t len)
{
    char low[16];

    if (len >= sizeof(low))
        return NULL;
    for (size_t i = 0; i < len; i++)
        low[i] = (char)(word[i] >= 'A' && word[i] <= 'Z' ? word[i] + 32 : word[i]);
    for (size_t i = 0; i < N; i++)
        if (language_list_has(languages[i].fences, low, len))
            return &languages[i];
    return NULL;
}

const struct language *language_of_path(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot && !strchr(dot, '/') ? language_of_word(dot + 1, strlen(dot + 1)) : NULL;
}

/* Marks that are rare outside of one language; the most points win, the first of equals. */
static const struct {
    const char *language, *mark;
    int points;
} marks[] = {
    {"c", "#include <", 3},
    {"c", "int main(", 2},
    {"c", "->", 1},
    {"c", "#define ", 2},
    {"c", "struct ", 1},
    {"c", "void ", 1},
    {"c", "char *", 2},
    {"c", "int ", 1},
    {"cpp", "std::", 4},
    {"cpp", "template<", 4},
    {"cpp", "template <", 4},
    {"cpp", "::", 1},
    {"cpp", "namespace ", 3},
    {"py", "def ", 2},
    {"py", "self.", 2},
    {"py", "elif ", 3},
    {"py", "import ", 1},
    {"py", "None", 1},
    {"py", "):\n", 3},
    {"py", ":\n    ", 2},
    {"js", "function ", 2},
    {"js", "=> ", 2},
    {"js", "const ", 1},
    {"js", "===", 2},
    {"js", "console.log", 3},
    {"ts", "interface ", 1},
    {"ts", ": string", 3},
    {"ts", ": number", 3},
    {"go", "func ", 3},
    {"go", ":= ", 3},
    {"go", "package ", 2},
    {"rs", "fn ", 3},
    {"rs", "let mut ", 4},
    {"rs", "impl ", 3},
    {"rs", "&self", 3},
    {"java", "public class ", 4},
    {"java", "System.out", 4},
    {"java", "public static ", 3},
    {"rb", "\nend", 2},
    {"rb", "puts ", 3},
    {"rb", "def ", 1},
    {"ex", "defmodule ", 6},
    {"ex", "|> ", 3},
    {"ex", " do\n", 2},
    {"ex", "defp ", 4},
    {"sh", "#!/bin/", 6},
    {"sh", "() {\n", 1},
    {"sh", "fi\n", 2},
    {"sh", "done\n", 2},
    {"sh", "$1", 2},
    {"sh", "echo ", 1},
};

const struct language *language_of_text(const char *text, size_t len)
{
    int points[N] = {0}, best = 1;
    const struct language *winner = NULL;

    if (len > 65536)
        len = 65536;
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
        if (memmem(text, len, marks[i].mark, strlen(marks[i].mark)))
            points[language_of_word(marks[i].language, strlen(marks[i].language)) - languages] +=
                marks[i].points;
    for (size_t i = 0; i < N; i++)
        if (points[i] > best) {
            best = points[i];
            winner = &languages[i];
        }
    return winner;
}

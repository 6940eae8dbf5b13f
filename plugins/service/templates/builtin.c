/*
 * builtin.c - the templates for coding tasks that come with Aiex. A system template of the same
 * name that somebody puts goes before them; to change one here changes what new versions of Aiex
 * bring.
 */
#include "templates.h"

#include <stdlib.h>

const struct builtin builtins[] = {
    {"explain",
     "explains code to a reader of some experience",
     {{"code", "string", NULL, NULL},
      {"language", "string", "", NULL},
      {"level", "choice", "intermediate", "beginner,intermediate,expert"},
      {"question", "string", "", NULL}},
     "Explain the following{{#if language}} {{language}}{{/if}} code to a reader whose experience "
     "is: {{level}}.\n"
     "Begin with one sentence that says what the code is for. Then go through it in the order in "
     "which it runs, and say why it is done this way wherever that is not obvious. Name every "
     "assumption it makes about its input, and every way in which it can fail. Do not repeat the "
     "code line by line.\n"
     "{{#if question}}\n"
     "Answer this question first: {{question}}\n"
     "{{/if}}\n"
     "```{{language}}\n"
     "{{code}}\n"
     "```\n"},
    {"review",
     "reviews a change or a file and lists what is wrong, worst first",
     {{"code", "string", NULL, NULL},
      {"language", "string", "", NULL},
      {"focus", "choice", "all", "all,correctness,security,performance,readability"},
      {"context", "string", "", NULL},
      {"is_diff", "bool", "false", NULL}},
     "Review the following{{#if language}} {{language}}{{/if}} {{#if is_diff}}change{{else}}code"
     "{{/if}} as an experienced colleague would. Focus: {{focus}}.\n"
     "List what you find, worst first. For each: the place (file and line, or the line itself), "
     "what is wrong, an input or a sequence of events that shows it, and the smallest change that "
     "corrects it. Keep mistakes and matters of taste apart. Do not praise, do not describe what "
     "the code does, and if nothing is wrong, say so in one sentence.\n"
     "{{#if context}}\n"
     "What is known about it: {{context}}\n"
     "{{/if}}\n"
     "```{{#if is_diff}}diff{{else}}{{language}}{{/if}}\n"
     "{{code}}\n"
     "```\n"},
    {"gen-tests",
     "writes tests for code",
     {{"code", "string", NULL, NULL},
      {"language", "string", "", NULL},
      {"framework", "string", "", NULL},
      {"existing", "string", "", NULL}},
     "Write tests for the following{{#if language}} {{language}}{{/if}} code{{#if framework}} with "
     "{{framework}}{{/if}}.\n"
     "Test what callers rely on, not how it is done inside: the usual case, every boundary (empty, "
     "one, largest, just beyond), wrong input, and each failure that the code can meet. One "
     "behaviour for each test, with a name that says it. Every test must fail when the behaviour "
     "is broken. No sleeping, no order between tests, no network. Answer with the test file "
     "only.\n"
     "{{#if existing}}\n"
     "These tests exist already; follow their style and do not repeat them:\n"
     "```{{language}}\n"
     "{{existing}}\n"
     "```\n"
     "{{/if}}\n"
     "```{{language}}\n"
     "{{code}}\n"
     "```\n"},
    {"refactor",
     "changes the shape of code without changing what it does",
     {{"code", "string", NULL, NULL},
      {"language", "string", "", NULL},
      {"goal", "string", "easier to read and to change", NULL},
      {"constraints", "string", "", NULL}},
     "Refactor the following{{#if language}} {{language}}{{/if}} code. Goal: {{goal}}.\n"
     "What it does for its callers must not change: same results, same errors, same order of "
     "effects. Keep its names unless one is misleading, keep its formatting, and add no "
     "dependencies. First list in a few lines what you change and why; then give the whole new "
     "code. If the goal is already met, say so and change nothing.\n"
     "{{#if constraints}}\n"
     "Constraints: {{constraints}}\n"
     "{{/if}}\n"
     "```{{language}}\n"
     "{{code}}\n"
     "```\n"},
    {"commit-message",
     "writes the message of a commit from its diff",
     {{"diff", "string", NULL, NULL},
      {"style", "choice", "plain", "plain,conventional"},
      {"intent", "string", "", NULL},
      {"max_subject", "int", "50", NULL}},
     "Write the message of a commit for this diff.\n"
     "{{#if intent}}\n"
     "What its author wanted: {{intent}}\n"
     "{{/if}}\n"
     "Style: {{style}} (plain: `area: what changes`; conventional: `type(scope): what changes` "
     "with "
     "feat, fix, docs, refactor, test, build, chore). The subject has at most {{max_subject}} "
     "characters, is in the imperative and has no full stop. Then an empty line and a body, "
     "wrapped at 72 columns, that says why and what follows from it, not what the diff shows "
     "anyway; leave the body out when the subject says all. Answer with the message only, without "
     "quotes or a code block.\n"
     "\n"
     "```diff\n"
     "{{diff}}\n"
     "```\n"},
    {0},
};

const struct builtin *builtin_find(const char *name)
{
    for (const struct builtin *b = builtins; b->name; b++)
        if (strcmp(b->name, name) == 0)
            return b;
    return NULL;
}

static void write_choices(struct aiex_writer *w, const char *choices)
{
    uint32_t n = 1;

    for (const char *p = choices; *p; p++)
        n += *p == ',';
    aiex_w_str(w, "choices");
    aiex_w_array(w, n);
    while (n--) {
        size_t len = strcspn(choices, ",");

        aiex_w_strn(w, choices, len);
        choices += len + 1;
    }
}

void builtin_write(struct aiex_writer *w, const void *builtin)
{
    const struct builtin *b = builtin;
    uint32_t n = 0;

    while (n < 6 && b->variables[n].name)
        n++;
    aiex_w_map(w, 6);
    aiex_w_key_str(w, "name", b->name);
    aiex_w_key_str(w, "user", "");
    aiex_w_key_int(w, "version", 1);
    aiex_w_key_str(w, "description", b->description);
    aiex_w_key_str(w, "text", b->text);
    aiex_w_str(w, "variables");
    aiex_w_array(w, n);
    for (uint32_t i = 0; i < n; i++) {
        const char *def = b->variables[i].def, *choices = b->variables[i].choices;

        aiex_w_map(w, 3 + (def != NULL) + (choices != NULL));
        aiex_w_key_str(w, "name", b->variables[i].name);
        aiex_w_key_str(w, "type", b->variables[i].type);
        aiex_w_key_bool(w, "required", !def);
        if (def)
            aiex_w_key_str(w, "default", def);
        if (choices)
            write_choices(w, choices);
    }
}

/* verbs_test.c - the verb table walked cell by cell, and what is generated from it. */
#include "test.h"

#include "arguments.h"
#include "complete.h"
#include "man.h"
#include "nearest.h"
#include "outcome.h"
#include "verbs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Help is one line, begins in lower case and does not end in a full stop. */
static int is_help(const char *help)
{
    return *help && *help >= 'a' && *help <= 'z' && !strchr(help, '\n') &&
           help[strlen(help) - 1] != '.' && strlen(help) <= 72;
}

static void every_verb_is_documented(void)
{
    int actions[N_ACTIONS] = {0};

    for (const struct verb *v = verbs; v->path; v++) {
        CU_ASSERT(is_help(v->help));
        CU_ASSERT_PTR_NOT_NULL_FATAL(v->about);
        CU_ASSERT(!*v->about || v->about[strlen(v->about) - 1] == '\n');
        CU_ASSERT_FATAL(v->action < N_ACTIONS);
        actions[v->action]++;
        CU_ASSERT(v->min_words <= v->max_words);
        CU_ASSERT_EQUAL(v->max_words > 0, *v->args != 0);
        CU_ASSERT_EQUAL(v->min_words > 0, *v->args && *v->args != '[');
        CU_ASSERT_EQUAL(v->hint == HINT_CHOICE, v->choices != NULL);
    }
    for (size_t i = 0; i < N_ACTIONS; i++)
        CU_ASSERT_EQUAL(actions[i], 1);
}

static void check_option(const struct verb_option *o)
{
    CU_ASSERT(is_help(o->help));
    CU_ASSERT_EQUAL(o->hint == HINT_CHOICE, o->choices != NULL);
    CU_ASSERT(o->value || o->hint == HINT_NONE);
    CU_ASSERT_EQUAL(strspn(o->name, "abcdefghijklmnopqrstuvwxyz-"), strlen(o->name));
}

/* Among one verb's own options and the global ones. */
static void every_option_is_unique(void)
{
    for (const struct verb_option *o = global_options; o->name; o++)
        check_option(o);
    for (const struct verb *v = verbs; v->path; v++)
        for (const struct verb_option *o = v->options; o->name; o++) {
            check_option(o);
            for (const struct verb_option *other = o + 1; other->name; other++) {
                CU_ASSERT_STRING_NOT_EQUAL(o->name, other->name);
                CU_ASSERT(!o->letter || o->letter != other->letter);
            }
            for (const struct verb_option *other = global_options; other->name; other++) {
                CU_ASSERT_STRING_NOT_EQUAL(o->name, other->name);
                CU_ASSERT(!o->letter || o->letter != other->letter);
            }
        }
}

static void reading_verbs_have_json(void)
{
    static const enum action reading[] = {
        ACTION_ASK,          ACTION_STATUS,        ACTION_MEMORY,        ACTION_PLUGIN_LIST,
        ACTION_PLUGIN_STATS, ACTION_PLUGIN_TRACE,  ACTION_CONFIG_CHECK,  ACTION_CONFIG_SHOW,
        ACTION_EVENTS_TAIL,  ACTION_CALL,          ACTION_VERSION,       ACTION_USAGE,
        ACTION_ROUTE_SHOW,   ACTION_TEMPLATE_LIST, ACTION_TEMPLATE_SHOW, ACTION_TEMPLATE_RENDER,
        ACTION_KEY_LIST,     ACTION_LIMIT_LIST};

    for (size_t i = 0; i < sizeof(reading) / sizeof(*reading); i++)
        for (const struct verb *v = verbs; v->path; v++)
            if (v->action == reading[i])
                CU_ASSERT_PTR_NOT_NULL(verb_option_named(v, "json", 4));
}

static void verbs_are_found(void)
{
    char *list[] = {(char *)(uintptr_t) "plugin", (char *)(uintptr_t) "list"};
    char *noun[] = {(char *)(uintptr_t) "plugin", (char *)(uintptr_t) "plugi"};
    size_t used = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(verb_find(list, 2, &used));
    CU_ASSERT_EQUAL(used, 2);
    CU_ASSERT_PTR_NULL(verb_find(list, 1, &used));
    CU_ASSERT_PTR_NULL(verb_find(noun, 2, &used));
    CU_ASSERT(verb_is_noun("plugin"));
    CU_ASSERT(verb_is_noun("ask"));
    CU_ASSERT_FALSE(verb_is_noun("plug"));
}

static const char *near(const char *typed, const char *a, const char *b)
{
    struct nearest n;

    nearest_init(&n);
    nearest_try(&n, typed, a);
    nearest_try(&n, typed, b);
    return n.word;
}

static void nearest_word(void)
{
    CU_ASSERT_STRING_EQUAL(near("staus", "status", "stop"), "status");
    CU_ASSERT_STRING_EQUAL(near("sotp", "status", "stop"), "stop"); /* a swap is one slip */
    CU_ASSERT_PTR_NULL(near("frobnicate", "status", "stop"));
    CU_ASSERT_PTR_NULL(near("", "a", "b"));
    CU_ASSERT_PTR_NULL(
        near("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "a", "b"));
}

static int parse(struct arguments *a, const char *const *words)
{
    char *argv[16] = {(char *)(uintptr_t) "aiex"};
    int argc = 1;

    while (words[argc - 1]) {
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
        argc++;
    }
    return arguments_parse(a, argc, argv, NULL);
}

#define PARSE(a, ...) parse(a, (const char *const[]){__VA_ARGS__, NULL})

static void arguments_in_every_form(void)
{
    struct arguments a;

    CU_ASSERT_EQUAL(PARSE(&a, "-q", "--socket=/s", "ask", "-jmx", "--file", "1", "-f2", "--", "-z"),
                    0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(a.verb);
    CU_ASSERT_EQUAL(a.verb->action, ACTION_ASK);
    CU_ASSERT_STRING_EQUAL(arguments_value(&a, "socket"), "/s");
    CU_ASSERT_STRING_EQUAL(arguments_value(&a, "model"), "x");
    CU_ASSERT_STRING_EQUAL(arguments_value(&a, "file"), "2"); /* the last of them */
    CU_ASSERT(arguments_has(&a, "json"));
    CU_ASSERT(arguments_has(&a, "quiet"));
    CU_ASSERT_FALSE(arguments_has(&a, "session"));
    CU_ASSERT_EQUAL_FATAL(a.n_words, 1);
    CU_ASSERT_STRING_EQUAL(a.words[0], "-z");
    CU_ASSERT_EQUAL(a.n_uses, 6);
    arguments_done(&a);

    CU_ASSERT_EQUAL(PARSE(&a, "call", "a", "b", "-"), 0); /* a lone dash is a word */
    CU_ASSERT_EQUAL(a.n_words, 3);
    arguments_done(&a);
    CU_ASSERT_EQUAL(PARSE(&a, "later", "--what", "-x"), 0); /* not ours to judge */
    CU_ASSERT_PTR_NULL(a.verb);
    CU_ASSERT_EQUAL(a.n_rest, 3);
    arguments_done(&a);
    CU_ASSERT_EQUAL(PARSE(&a, "status", "--json=x"), -EINVAL);
    arguments_done(&a);
}

static void durations(void)
{
    static const struct {
        const char *text;
        uint32_t ms; /* 0 = refused */
    } cases[] = {
        {"1", 1000},
        {"500ms", 500},
        {"30s", 30000},
        {"2m", 120000},
        {"1h", 3600000},
        {"0", 0},
        {"", 0},
        {"-1", 0},
        {"1.5s", 0},
        {"5d", 0},
        {"+1", 0},
        {" 1", 0},
        {"1193h", 4294800000u},
        {"1194h", 0},
        {"99999999999999999999", 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        uint32_t ms = 0;

        CU_ASSERT_EQUAL(arguments_duration(cases[i].text, &ms, NULL), cases[i].ms ? 0 : -EINVAL);
        CU_ASSERT_EQUAL(ms, cases[i].ms);
    }
}

static void outcomes_are_documented(void)
{
    static const enum outcome all[] = {OUTCOME_OK,      OUTCOME_FAILED, OUTCOME_USAGE,
                                       OUTCOME_NO_HOST, OUTCOME_DENIED, OUTCOME_NOT_FOUND,
                                       OUTCOME_TIMEOUT, OUTCOME_BUSY,   OUTCOME_INTERRUPTED};

    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        CU_ASSERT_EQUAL(outcomes[i].code, all[i]);
        CU_ASSERT_PTR_NOT_NULL(outcomes[i].meaning);
    }
    CU_ASSERT_PTR_NULL(outcomes[sizeof(all) / sizeof(*all)].meaning);
}

/* ---- Generated files ---- */

static int runs(const char *command, const char *path)
{
    char line[512];

    snprintf(line, sizeof(line), "%s %s 2>&1", command, path);
    return system(line);
}

static int is_installed(const char *program)
{
    char line[128];

    snprintf(line, sizeof(line), "command -v %s >/dev/null 2>&1", program);
    return system(line) == 0;
}

/* A shell that is not installed can not be asked; bash always is. */
static void completions_parse(void)
{
    static const char *const shells[] = {"bash", "zsh", "fish"};

    for (size_t i = 0; i < 3; i++) {
        char path[] = "/tmp/aiex-complete-XXXXXX", command[16];
        int fd = mkstemp(path);
        FILE *f = fdopen(fd, "w");

        CU_ASSERT_PTR_NOT_NULL_FATAL(f);
        CU_ASSERT_EQUAL(complete_print(f, shells[i]), 0);
        CU_ASSERT(ftell(f) > 2000);
        fclose(f);
        snprintf(command, sizeof(command), "%s -n", shells[i]);
        if (i == 0 || is_installed(shells[i]))
            CU_ASSERT_EQUAL(runs(command, path), 0);
        unlink(path);
    }
    CU_ASSERT_EQUAL(complete_print(stdout, "tcsh"), -EINVAL);
}

/* Runs the bash completion for a line whose last word is being typed. */
static void complete_line(const char *path, const char *words, char *out, size_t size)
{
    char line[1024];
    size_t n;
    FILE *p;

    snprintf(line, sizeof(line),
             "bash -c 'source %s; COMP_WORDS=(%s); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _aiex; "
             "echo \"${COMPREPLY[*]}\"'",
             path, words);
    p = popen(line, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    n = fread(out, 1, size - 1, p);
    out[n] = 0;
    pclose(p);
}

static void bash_completes(void)
{
    char path[] = "/tmp/aiex-complete-XXXXXX", out[1024];
    int fd = mkstemp(path);
    FILE *f = fdopen(fd, "w");

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    complete_print(f, "bash");
    fclose(f);
    complete_line(path, "aiex st", out, sizeof(out));
    CU_ASSERT_STRING_EQUAL(out, "status stop\n");
    complete_line(path, "aiex plugin re", out, sizeof(out));
    CU_ASSERT_STRING_EQUAL(out, "reload remove\n");
    complete_line(path, "aiex plugin list --na", out, sizeof(out));
    CU_ASSERT_STRING_EQUAL(out, "--names\n");
    complete_line(path, "aiex completion f", out, sizeof(out));
    CU_ASSERT_STRING_EQUAL(out, "fish\n");
    complete_line(path, "aiex status --color a", out, sizeof(out));
    CU_ASSERT_STRING_EQUAL(out, "auto always\n");
    unlink(path);
}

static int check_page(void *arg, const char *page)
{
    char path[] = "/tmp/aiex-man-XXXXXX";
    int fd = mkstemp(path), *n = arg;
    FILE *f = fdopen(fd, "w");
    char line[128];

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL(man_print(f, page), 0);
    fclose(f);
    (*n)++;
    if (is_installed("groff")) {
        /* a warning is any output on standard error */
        snprintf(line, sizeof(line), "test -z \"$(groff -ww -man -Tutf8 %s 2>&1 >/dev/null)\"",
                 path);
        CU_ASSERT_EQUAL(system(line), 0);
    }
    if (is_installed("mandoc"))
        CU_ASSERT_EQUAL(runs("mandoc -T lint -W warning", path), 0);
    unlink(path);
    return 0;
}

static void manual_pages_are_good_roff(void)
{
    int n = 0;

    CU_ASSERT_EQUAL(man_each_page(check_page, &n), 0);
    CU_ASSERT(n > 10);
    CU_ASSERT_EQUAL(man_print(stdout, "aiex-nothing"), -ENOENT);
    CU_ASSERT_EQUAL(man_print(stdout, "other"), -ENOENT);
}

const struct test_case tests[] = {
    {"every_verb_is_documented", every_verb_is_documented},
    {"every_option_is_unique", every_option_is_unique},
    {"reading_verbs_have_json", reading_verbs_have_json},
    {"verbs_are_found", verbs_are_found},
    {"nearest_word", nearest_word},
    {"arguments_in_every_form", arguments_in_every_form},
    {"durations", durations},
    {"outcomes_are_documented", outcomes_are_documented},
    {"completions_parse", completions_parse},
    {"bash_completes", bash_completes},
    {"manual_pages_are_good_roff", manual_pages_are_good_roff},
    {0},
};

#include "arguments.h"

#include "reason.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The walk over argv. */
struct walk {
    struct arguments *a;
    char **argv;
    size_t argc, at;
    struct aiex_error *err;
};

static int add_use(struct walk *w, const struct verb_option *option, const char *value)
{
    w->a->uses[w->a->n_uses].option = option;
    w->a->uses[w->a->n_uses++].value = value;
    return 0;
}

/* The value that follows an option as the next argument. */
static int next_value(struct walk *w, const struct verb_option *option, const char **ret_value)
{
    if (w->at == w->argc)
        return fail(w->err, -EINVAL, "option --%s needs a value, --%s %s", option->name,
                    option->name, option->value);
    *ret_value = w->argv[w->at++];
    return 0;
}

static int is_choice(const char *choices, const char *value)
{
    size_t len = strlen(value);

    while (*choices) {
        size_t n = strcspn(choices, " ");

        if (n == len && memcmp(choices, value, n) == 0)
            return 1;
        choices += n + (choices[n] == ' ');
    }
    return 0;
}

static int use_valued(struct walk *w, const struct verb_option *option, const char *value)
{
    int failed = value ? 0 : next_value(w, option, &value);

    if (failed)
        return failed;
    if (option->hint == HINT_CHOICE && !is_choice(option->choices, value))
        return fail(w->err, -EINVAL, "option --%s '%.64s' is none of: %s", option->name, value,
                    option->choices);
    return add_use(w, option, value);
}

static int take_long(struct walk *w, const char *text)
{
    size_t len = strcspn(text, "=");
    const char *value = text[len] ? text + len + 1 : NULL;
    const struct verb_option *option = verb_option_named(w->a->verb, text, len);
    char name[64];
    const char *near;

    if (!option) {
        snprintf(name, sizeof(name), "%.*s", (int)(len < 60 ? len : 60), text);
        near = verb_nearest_option(w->a->verb, name);
        return fail(w->err, -EINVAL, "unknown option --%s%s%s%s", name,
                    near ? "; did you mean --" : "", near ? near : "", near ? "?" : "");
    }
    if (option->value)
        return use_valued(w, option, value);
    if (value)
        return fail(w->err, -EINVAL, "option --%s takes no value", option->name);
    return add_use(w, option, NULL);
}

static int take_short(struct walk *w, const char *letters)
{
    for (; *letters; letters++) {
        const struct verb_option *option = verb_option_lettered(w->a->verb, *letters);

        if (!option)
            return fail(w->err, -EINVAL, "unknown option -%c", *letters);
        if (option->value)
            return use_valued(w, option, letters[1] ? letters + 1 : NULL);
        add_use(w, option, NULL);
    }
    return 0;
}

/* 1 = it was an option, 0 = it is a word, negative = wrong. A lone "-" is a word. */
static int take_option(struct walk *w)
{
    const char *arg = w->argv[w->at];
    int failed;

    if (arg[0] != '-' || !arg[1])
        return 0;
    w->at++;
    failed = arg[1] == '-' ? take_long(w, arg + 2) : take_short(w, arg + 1);
    return failed ? failed : 1;
}

/* Options before the verb, then the verb. */
static int take_verb(struct walk *w)
{
    size_t used = 0;
    int got = 1;

    while (w->at < w->argc && got == 1)
        got = take_option(w);
    if (got < 0)
        return got;
    w->a->rest = w->argv + w->at;
    w->a->n_rest = w->argc - w->at;
    w->a->verb = verb_find(w->a->rest, w->a->n_rest, &used);
    w->at += used;
    return 0;
}

static int take_words(struct walk *w)
{
    int plain = 0;

    while (w->at < w->argc) {
        int got = 0;

        if (!plain && strcmp(w->argv[w->at], "--") == 0) {
            plain = 1;
            w->at++;
            continue;
        }
        if (!plain)
            got = take_option(w);
        if (got < 0)
            return got;
        if (got == 0)
            w->a->words[w->a->n_words++] = w->argv[w->at++];
    }
    return 0;
}

/* "aiex plugin --help" names no verb, but asks for help about its noun. */
static int take_help_of_noun(struct walk *w)
{
    for (size_t i = 1; i < w->a->n_rest; i++)
        if (strcmp(w->a->rest[i], "--help") == 0 || strcmp(w->a->rest[i], "-h") == 0)
            return add_use(w, verb_option_named(NULL, "help", 4), NULL);
    return 0;
}

int arguments_parse(struct arguments *a, int argc, char **argv, struct aiex_error *err)
{
    struct walk w = {.a = a, .argv = argv + 1, .argc = argc > 0 ? (size_t)argc - 1 : 0, .err = err};
    size_t letters = 1;
    int failed;

    memset(a, 0, sizeof(*a));
    for (size_t i = 0; i < w.argc; i++)
        letters += strlen(w.argv[i]); /* as many options as all of them could hold */
    a->words = calloc(w.argc + 1, sizeof(*a->words));
    a->uses = calloc(letters, sizeof(*a->uses));
    if (!a->words || !a->uses) {
        arguments_done(a);
        return fail(err, -ENOMEM, "out of memory");
    }
    failed = take_verb(&w);
    if (!failed && a->verb)
        failed = take_words(&w);
    else if (!failed && a->n_rest && verb_is_noun(a->rest[0]))
        failed = take_help_of_noun(&w);
    return failed;
}

void arguments_done(struct arguments *a)
{
    free(a->words);
    free(a->uses);
    memset(a, 0, sizeof(*a));
}

static const struct option_use *last_use(const struct arguments *a, const char *name)
{
    for (size_t i = a->n_uses; i > 0; i--)
        if (strcmp(a->uses[i - 1].option->name, name) == 0)
            return &a->uses[i - 1];
    return NULL;
}

int arguments_has(const struct arguments *a, const char *name)
{
    return last_use(a, name) != NULL;
}

const char *arguments_value(const struct arguments *a, const char *name)
{
    const struct option_use *use = last_use(a, name);

    return use ? use->value : NULL;
}

int arguments_check(const struct arguments *a, struct aiex_error *err)
{
    const struct verb *v = a->verb;

    if (a->n_words < v->min_words)
        return fail(err, -EINVAL, "%s needs %s", v->path, v->args);
    if (a->n_words > v->max_words)
        return fail(err, -EINVAL, "%s does not take '%.64s'", v->path, a->words[v->max_words]);
    return 0;
}

int arguments_duration(const char *text, uint32_t *ret_ms, struct aiex_error *err)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    char *end;
    unsigned long long n;

    errno = 0;
    n = strtoull(text, &end, 10);
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
        if (*text >= '0' && *text <= '9' && errno == 0 && strcmp(end, units[i].unit) == 0 &&
            n > 0 && n <= UINT32_MAX / units[i].ms) {
            *ret_ms = (uint32_t)(n * units[i].ms);
            return 0;
        }
    return fail(err, -EINVAL, "time '%.64s' is none; write it as 500ms, 30s, 2m or 1h", text);
}

int arguments_count(const char *text, uint64_t *ret_count, struct aiex_error *err)
{
    char *end;
    unsigned long long n;

    errno = 0;
    n = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || n == 0)
        return fail(err, -EINVAL, "count '%.64s' is not a whole number of 1 or more", text);
    *ret_count = n;
    return 0;
}

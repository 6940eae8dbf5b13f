/* help.c - help for people, from the verb table. */
#include "command.h"

#include "added.h"

static void put_option(FILE *to, const struct verb_option *o)
{
    char text[64];

    snprintf(text, sizeof(text), "--%s%s%s", o->name, o->value ? " " : "",
             o->value ? o->value : "");
    if (o->letter)
        fprintf(to, "  -%c, %-20s  %s\n", o->letter, text, o->help);
    else
        fprintf(to, "      %-20s  %s\n", text, o->help);
}

static void put_options(FILE *to, const char *title, const struct verb_option *options)
{
    if (options->name)
        fprintf(to, "\n%s:\n", title);
    for (; options->name; options++)
        put_option(to, options);
}

/* Paragraphs at most 78 columns wide. */
static void put_wrapped(FILE *to, const char *text)
{
    size_t column = 0;

    while (*text) {
        size_t len = strcspn(text, " \n");

        if (column && column + 1 + len > 78) {
            putc('\n', to);
            column = 0;
        }
        column += (size_t)fprintf(to, "%s%.*s", column ? " " : "", (int)len, text);
        text += len;
        if (*text == '\n') {
            putc('\n', to);
            column = 0;
        }
        text += *text != 0;
    }
}

static void put_verb(FILE *to, const struct verb *v)
{
    fprintf(to, "aiex %s - %s\n\nusage: aiex %s%s%s%s\n", v->path, v->help, v->path,
            v->options->name ? " [OPTION...]" : "", *v->args ? " " : "", v->args);
    if (*v->about) {
        putc('\n', to);
        put_wrapped(to, v->about);
    }
    if (v->hint == HINT_CHOICE)
        fprintf(to, "\n%.*s: %s\n", (int)strcspn(v->args, " "), v->args, v->choices);
    put_options(to, "Options", v->options);
    put_options(to, "Options of every verb", global_options);
}

static int of_noun(const struct verb *v, const char *noun)
{
    return !noun || (strlen(noun) == verb_noun_len(v) && strncmp(noun, v->path, strlen(noun)) == 0);
}

static void put_overview(FILE *to, const char *noun)
{
    fprintf(to, "aiex - talk to an Aiex host\n\nusage: aiex VERB [OPTION...] [ARGUMENT...]\n\n"
                "Verbs:\n");
    for (const struct verb *v = verbs; v->path; v++) {
        char text[64];

        if (!of_noun(v, noun))
            continue;
        snprintf(text, sizeof(text), "%s%s%s", v->path, *v->args ? " " : "", v->args);
        fprintf(to, "  %-28s  %s\n", text, v->help);
    }
}

void help_print(FILE *to, const struct verb *v, const char *noun)
{
    if (v) {
        put_verb(to, v);
        return;
    }
    put_overview(to, noun && verb_is_noun(noun) ? noun : NULL);
    put_options(to, "Options of every verb", global_options);
    fprintf(to, "\nThe socket is --socket, else AIEX_SOCKET, else the one in the default data "
                "folder.\n`aiex help VERB` says more about one verb.\n\nExit codes:\n");
    for (const struct outcome_entry *o = outcomes; o->meaning; o++)
        fprintf(to, "  %3d  %s\n", o->code, o->meaning);
}

enum outcome verb_help(struct command *c)
{
    const struct arguments *a = &c->args;
    const struct verb *v;
    size_t used = 0;
    const char *near;

    if (a->n_words == 0) {
        help_print(stdout, NULL, NULL);
        added_help(c, stdout);
        return OUTCOME_OK;
    }
    v = verb_find(a->words, a->n_words, &used);
    if (v || (a->n_words == 1 && verb_is_noun(a->words[0]))) {
        help_print(stdout, v, a->words[0]);
        return OUTCOME_OK;
    }
    near = verb_nearest(a->words, a->n_words);
    complain(&c->screen, "there is no verb '%.64s%s%.64s'%s%s%s", a->words[0],
             a->n_words > 1 ? " " : "", a->n_words > 1 ? a->words[1] : "",
             near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    return OUTCOME_NOT_FOUND;
}

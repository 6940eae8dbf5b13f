/* man.c - manual pages: aiex(1) and one for every noun, from the verb table. */
#include "man.h"

#include "command.h"

#include <errno.h>

#ifndef AIEX_VERSION
#define AIEX_VERSION "unknown"
#endif

/* Text for roff: no line may begin like a request, and a dash is a dash. */
static void put_text(FILE *to, const char *text)
{
    int line_start = 1;

    for (; *text; text++) {
        if (line_start && (*text == '.' || *text == '\''))
            fputs("\\&", to);
        if (*text == '\\')
            fputs("\\e", to);
        else if (*text == '-')
            fputs("\\-", to);
        else
            putc(*text, to);
        line_start = *text == '\n';
    }
}

static void put_paragraphs(FILE *to, const char *text)
{
    while (*text) {
        size_t len = strcspn(text, "\n");
        char line[1024];

        snprintf(line, sizeof(line), "%.*s", (int)len, text);
        fputs(".PP\n", to);
        put_text(to, line);
        putc('\n', to);
        text += len + (text[len] == '\n');
    }
}

static void put_option(FILE *to, const struct verb_option *o)
{
    fputs(".TP\n", to);
    if (o->letter)
        fprintf(to, "\\fB\\-%c\\fR, ", o->letter);
    fputs("\\fB\\-\\-", to);
    put_text(to, o->name);
    fputs("\\fR", to);
    if (o->value) {
        fputs(" \\fI", to);
        put_text(to, o->value);
        fputs("\\fR", to);
    }
    putc('\n', to);
    put_text(to, o->help);
    if (o->choices)
        fprintf(to, " (%s)", o->choices);
    putc('\n', to);
}

static void put_options(FILE *to, const struct verb_option *options)
{
    for (; options->name; options++)
        put_option(to, options);
}

static void put_usage(FILE *to, const struct verb *v)
{
    fputs("\\fBaiex ", to);
    put_text(to, v->path);
    fputs("\\fR", to);
    if (v->options->name)
        fputs(" [\\fIOPTION\\fR...]", to);
    if (*v->args) {
        fputs(" \\fI", to);
        put_text(to, v->args);
        fputs("\\fR", to);
    }
    putc('\n', to);
}

static void put_title(FILE *to, const char *page, const char *summary)
{
    fputs(".TH \"", to);
    put_text(to, page);
    fprintf(to, "\" 1 \"\" \"aiex " AIEX_VERSION "\" \"Aiex\"\n.SH NAME\n");
    put_text(to, page);
    fputs(" \\- ", to);
    put_text(to, summary);
    putc('\n', to);
}

static void put_exit_codes(FILE *to)
{
    fputs(".SH EXIT STATUS\n", to);
    for (const struct outcome_entry *o = outcomes; o->meaning; o++) {
        fprintf(to, ".TP\n%d\n", o->code);
        put_text(to, o->meaning);
        putc('\n', to);
    }
}

static void put_see_also(FILE *to, const char *page);

static void put_main(FILE *to)
{
    put_title(to, "aiex", "talk to an Aiex host");
    fputs(".SH SYNOPSIS\n\\fBaiex\\fR \\fIVERB\\fR [\\fIOPTION\\fR...] [\\fIARGUMENT\\fR...]\n"
          ".SH DESCRIPTION\n"
          "Asks a running host about itself, steers it, and asks models through it. Data goes to\n"
          "standard output, messages to standard error.\n.SH VERBS\n",
          to);
    for (const struct verb *v = verbs; v->path; v++) {
        fputs(".TP\n", to);
        put_usage(to, v);
        put_text(to, v->help);
        putc('\n', to);
    }
    fputs(".SH OPTIONS OF EVERY VERB\n", to);
    put_options(to, global_options);
    fputs(".SH ENVIRONMENT\n.TP\n\\fBAIEX_SOCKET\\fR\ncontrol socket of the host, unless "
          "\\fB\\-\\-socket\\fR names another\n"
          ".TP\n\\fBXDG_STATE_HOME\\fR, \\fBHOME\\fR\nwhere the default data folder is\n"
          ".TP\n\\fBNO_COLOR\\fR\nno colours when it is set and not empty\n"
          ".SH FILES\n.TP\n\\fI~/.local/state/aiex/run/aiex.sock\\fR\nthe default control socket\n",
          to);
    put_exit_codes(to);
    put_see_also(to, "aiex");
}

static int belongs(const struct verb *v, const char *noun)
{
    return strlen(noun) == verb_noun_len(v) && strncmp(v->path, noun, strlen(noun)) == 0;
}

static int put_noun(FILE *to, const char *page, const char *noun)
{
    const struct verb *first = verbs;
    int alone;

    while (first->path && !belongs(first, noun))
        first++;
    if (!first->path)
        return -ENOENT;
    alone = !strchr(first->path, ' ');
    put_title(to, page, alone ? first->help : "verbs of aiex about one thing");
    fputs(".SH SYNOPSIS\n", to);
    for (const struct verb *v = first; v->path; v++)
        if (belongs(v, noun)) {
            if (v != first)
                fputs(".br\n", to);
            put_usage(to, v);
        }
    fputs(".SH DESCRIPTION\n", to);
    for (const struct verb *v = first; v->path; v++) {
        if (!belongs(v, noun))
            continue;
        fputs(".SS ", to);
        put_text(to, v->path);
        putc('\n', to);
        put_text(to, v->help);
        putc('\n', to);
        put_paragraphs(to, v->about);
        put_options(to, v->options);
    }
    fputs(".SH OPTIONS OF EVERY VERB\n", to);
    put_options(to, global_options);
    put_exit_codes(to);
    put_see_also(to, page);
    return 0;
}

int man_each_page(int (*fn)(void *arg, const char *page), void *arg)
{
    int result = fn(arg, "aiex");

    for (const struct verb *v = verbs; v->path && !result; v++) {
        const struct verb *first = verbs;
        char page[80];

        while (verb_noun_len(first) != verb_noun_len(v) ||
               strncmp(first->path, v->path, verb_noun_len(v)) != 0)
            first++;
        if (first != v)
            continue;
        snprintf(page, sizeof(page), "aiex-%.*s", (int)verb_noun_len(v), v->path);
        result = fn(arg, page);
    }
    return result;
}

struct references {
    FILE *to;
    const char *page;
    const char *between;
};

static int put_reference(void *arg, const char *page)
{
    struct references *r = arg;

    if (strcmp(page, r->page) == 0)
        return 0;
    fprintf(r->to, "%s\\fB", r->between);
    put_text(r->to, page);
    fputs("\\fR(1)", r->to);
    r->between = ",\n";
    return 0;
}

static void put_see_also(FILE *to, const char *page)
{
    struct references r = {to, page, ""};

    fputs(".SH SEE ALSO\n", to);
    man_each_page(put_reference, &r);
    putc('\n', to);
}

int man_print(FILE *to, const char *page)
{
    if (strcmp(page, "aiex") == 0) {
        put_main(to);
        return 0;
    }
    return strncmp(page, "aiex-", 5) == 0 ? put_noun(to, page, page + 5) : -ENOENT;
}

/* ---- aiex man ---- */

struct writing {
    struct command *command;
    const char *dir;
};

static int write_page(void *arg, const char *page)
{
    const struct writing *w = arg;
    char path[1024];
    FILE *f;
    int failed;

    if ((size_t)snprintf(path, sizeof(path), "%s/%s.1", w->dir, page) >= sizeof(path)) {
        complain(&w->command->screen, "the path of page %s is too long", page);
        return -ENAMETOOLONG;
    }
    f = fopen(path, "we");
    failed = !f;
    if (f) {
        man_print(f, page);
        failed = ferror(f) != 0;
        failed |= fclose(f) != 0;
    }
    if (failed)
        complain(&w->command->screen, "can not write %s: %s", path, strerror(errno));
    return failed ? -EIO : 0;
}

enum outcome verb_man(struct command *c)
{
    struct writing w = {c, arguments_value(&c->args, "dir")};
    const char *page = c->args.n_words ? c->args.words[0] : "aiex";

    if (w.dir)
        return man_each_page(write_page, &w) ? OUTCOME_FAILED : OUTCOME_OK;
    if (man_print(stdout, page) == 0)
        return OUTCOME_OK;
    complain(&c->screen, "there is no page '%.64s'; try aiex or aiex-plugin", page);
    return OUTCOME_NOT_FOUND;
}

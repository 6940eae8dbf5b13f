/*
 * added.c - verbs that plugins added.
 *
 * A word that the table does not know is looked up among the verbs that plugins told interface_cli
 * (cli.verb_add). The call gets {argv, cwd, stdin}: argv begins behind the verb and keeps every
 * option, because only the plugin knows them. Its parts {text} go to standard output, {notice} to
 * standard error; the end may carry {exit} for the exit code.
 */
#include "added.h"

#include "field.h"
#include "read_text.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct added {
    const char *wanted; /* NULL = print them all */
    FILE *to;
    char service[64], method[64];
    int found;
};

static void copy(struct aiex_slice map, const char *key, char *out, size_t size)
{
    struct aiex_slice text = {NULL, 0};

    if (aiex_get_str(map, key, &text) == 1)
        snprintf(out, size, "%.*s", (int)(text.len < size ? text.len : size),
                 (const char *)text.data);
}

static int look_at(void *arg, struct aiex_slice verb)
{
    struct added *a = arg;
    char name[64] = "", help[FIELD_TEXT] = "", args[FIELD_TEXT] = "";

    copy(verb, "verb", name, sizeof(name));
    copy(verb, "help", help, sizeof(help));
    copy(verb, "args", args, sizeof(args));
    if (!a->wanted) {
        struct cleaner cleaner = {0};
        char line[700];

        if (!a->found)
            fprintf(a->to, "\nVerbs of plugins:\n");
        a->found = 1;
        snprintf(line, sizeof(line), "  %s%s%-*s  %s\n", name, *args ? " " : "",
                 (int)(strlen(name) < 24 ? 24 - strlen(name) : 1), args, help);
        clean_write(&cleaner, a->to, line, strlen(line));
        return 0;
    }
    if (strcmp(a->wanted, name) != 0)
        return 0;
    copy(verb, "service", a->service, sizeof(a->service));
    copy(verb, "method", a->method, sizeof(a->method));
    a->found = *a->service && *a->method;
    return 1;
}

/* Asks for the verbs without saying anything. 0 = asked. */
static int ask_verbs(struct command *c, struct added *a, uint32_t timeout_ms)
{
    const struct control_request request = {
        .service = "cli", .method = "cli.verbs", .timeout_ms = timeout_ms};
    struct control_end end;
    struct aiex_error err;
    int failed = command_connect(c, &err);

    if (!failed)
        failed = control_call(c->control, &request, NULL, NULL, &end, &err);
    if (failed)
        return failed;
    if (!*end.code)
        field_each_item(end.body, "verbs", look_at, a);
    control_end_done(&end);
    return 0;
}

void added_help(struct command *c, FILE *to)
{
    struct added a = {.to = to};

    ask_verbs(c, &a, ADDED_HELP_TIMEOUT_MS);
}

/* ---- Running one ---- */

struct invocation {
    const struct command *command;
    const char *cwd;
    struct read_text from_stdin;
    int has_stdin;
};

static void pack_invocation(struct aiex_writer *w, const void *arg)
{
    const struct invocation *i = arg;
    const struct arguments *a = &i->command->args;

    aiex_w_map(w, 2 + (uint32_t)i->has_stdin);
    aiex_w_str(w, "argv");
    aiex_w_array(w, (uint32_t)(a->n_rest - 1));
    for (size_t n = 1; n < a->n_rest; n++)
        aiex_w_str(w, a->rest[n]);
    aiex_w_key_str(w, "cwd", i->cwd);
    if (i->has_stdin)
        aiex_w_key_strn(w, "stdin", i->from_stdin.data, i->from_stdin.len);
}

static int on_part(void *arg, struct aiex_slice part)
{
    struct command *c = arg;
    struct cleaner cleaner = {0};
    struct aiex_slice text;

    if (aiex_get_str(part, "text", &text) == 1) {
        if (c->screen.out_terminal)
            clean_write(&cleaner, stdout, text.data, text.len);
        else
            fwrite(text.data, 1, text.len, stdout);
    }
    if (aiex_get_str(part, "notice", &text) == 1)
        notice(&c->screen, "%.*s", (int)(text.len < 2000 ? text.len : 2000),
               (const char *)text.data);
    return fflush(stdout) != 0;
}

static enum outcome run(struct command *c, const struct added *a)
{
    struct invocation with = {.command = c};
    const struct command_call call = {.service = a->service,
                                      .method = a->method,
                                      .pack = pack_invocation,
                                      .pack_arg = &with,
                                      .part = on_part,
                                      .part_arg = c,
                                      .timeout_ms = COMMAND_NO_LIMIT};
    char cwd[4096];
    struct control_end end;
    struct aiex_error err;
    enum outcome outcome;
    int64_t code = 0;

    with.cwd = getcwd(cwd, sizeof(cwd)) ? cwd : "";
    with.has_stdin = !isatty(STDIN_FILENO);
    if (with.has_stdin &&
        read_text(NULL, "standard input", READ_TEXT_TOTAL_BYTES, &with.from_stdin, &err) != 0) {
        complain(&c->screen, "%s", err.text);
        return OUTCOME_FAILED;
    }
    outcome = command_call(c, &call, &end);
    if (outcome == OUTCOME_OK && aiex_get_int(end.body, "exit", &code) == 1 && code >= 0 &&
        code < 256)
        outcome = (enum outcome)code;
    control_end_done(&end);
    free(with.from_stdin.data);
    return outcome;
}

static enum outcome unknown(struct command *c, const char *why)
{
    const struct arguments *a = &c->args;
    const char *near = verb_nearest(a->rest, a->n_rest);
    int noun = verb_is_noun(a->rest[0]);

    if (noun && a->n_rest > 1)
        complain(&c->screen, "unknown verb '%.64s' of %s", a->rest[1], a->rest[0]);
    else if (noun)
        complain(&c->screen, "%s needs a verb", a->rest[0]);
    else
        complain(&c->screen, "unknown verb '%.64s'%s", a->rest[0], why);
    if (near)
        fprintf(stderr, "did you mean `aiex %s`? ", near);
    fprintf(stderr, "`aiex help%s%s` shows what there is\n", noun ? " " : "",
            noun ? a->rest[0] : "");
    return OUTCOME_USAGE;
}

enum outcome verb_added(struct command *c)
{
    struct added a = {.wanted = c->args.rest[0]};
    int failed;

    if (verb_is_noun(a.wanted))
        return unknown(c, "");
    failed = ask_verbs(c, &a, COMMAND_TIMEOUT_MS);
    if (failed == -EINTR)
        return OUTCOME_INTERRUPTED;
    if (!a.found)
        return unknown(c, failed ? "; no host runs that could know verbs of plugins" : "");
    return run(c, &a);
}

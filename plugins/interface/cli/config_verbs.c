/*
 * config_verbs.c - aiex config check, reload and show.
 */
#include "command.h"

#include "field.h"
#include "offline_check.h"

#include <errno.h>
#include <stdlib.h>

/* ---- check ---- */

struct finding {
    struct command *command;
    const char *word;
    enum paint paint;
};

/* A finding is the verb's data, so it goes to standard output. */
static int put_finding(void *arg, struct aiex_slice item)
{
    const struct finding *f = arg;
    int colour = f->command->screen.out_colour;
    struct cleaner cleaner = {0};
    struct aiex_value v;

    if (aiex_r_value(&item, &v) != 0 || v.type != AIEX_T_STR)
        return 0;
    printf("%s%s%s: ", screen_begin(colour, f->paint), f->word, screen_end(colour, f->paint));
    clean_write(&cleaner, stdout, v.bytes.data, v.bytes.len);
    putchar('\n');
    return 0;
}

static uint32_t count_of(struct aiex_slice body, const char *key)
{
    struct aiex_value v;

    return aiex_get(body, key, &v) == 1 && v.type == AIEX_T_ARRAY ? v.count : 0;
}

uint32_t command_put_findings(struct command *c, struct aiex_slice body)
{
    struct finding error = {c, "error", PAINT_RED}, warning = {c, "warning", PAINT_YELLOW};

    field_each_item(body, "errors", put_finding, &error);
    field_each_item(body, "warnings", put_finding, &warning);
    return count_of(body, "errors");
}

static void pack_dir(struct aiex_writer *w, const void *arg)
{
    aiex_w_map(w, arg ? 1 : 0);
    if (arg)
        aiex_w_key_str(w, "dir", arg);
}

static enum outcome check_by_host(struct command *c, const char *dir)
{
    const struct command_call call = {
        .method = "host.config_check", .pack = pack_dir, .pack_arg = dir};
    struct control_end end;
    enum outcome outcome = command_call(c, &call, &end);
    int ok = 0;

    if (outcome != OUTCOME_OK)
        return outcome;
    aiex_get_bool(end.body, "ok", &ok);
    if (command_wants_json(c))
        outcome = command_print_json(c, end.body);
    else
        command_put_findings(c, end.body);
    if (ok && !command_wants_json(c))
        notice(&c->screen, "the configuration is good");
    control_end_done(&end);
    return outcome == OUTCOME_OK && !ok ? OUTCOME_FAILED : outcome;
}

enum outcome verb_config_check(struct command *c)
{
    const char *dir = c->args.n_words ? c->args.words[0] : NULL;
    enum outcome outcome;
    struct aiex_error err;
    char *absolute;

    if (!dir)
        return check_by_host(c, NULL);
    absolute = realpath(dir, NULL);
    if (!absolute) {
        complain(&c->screen, "can not check %s: %s", dir, strerror(errno));
        return errno == ENOENT ? OUTCOME_NOT_FOUND : OUTCOME_FAILED;
    }
    if (command_connect(c, &err) == 0)
        outcome = check_by_host(c, absolute);
    else
        outcome = offline_check(c, absolute);
    free(absolute);
    return outcome;
}

/* ---- reload ---- */

static int put_name(void *arg, struct aiex_slice item)
{
    char text[FIELD_TEXT];

    printf("%s ", (const char *)arg);
    field_value_text(item, FIELD_PLAIN, text);
    clean_write(&(struct cleaner){0}, stdout, text, strlen(text));
    putchar('\n');
    return 0;
}

enum outcome verb_config_reload(struct command *c)
{
    const struct command_call call = {.method = "host.config_reload"};
    static const char *const lists[] = {"changed", "added", "removed"};
    struct control_end end;
    enum outcome outcome;
    uint32_t moved = 0, errors;

    if (arguments_has(&c->args, "dry-run"))
        return check_by_host(c, NULL);
    outcome = command_call(c, &call, &end);
    if (outcome != OUTCOME_OK)
        return outcome;
    errors = count_of(end.body, "errors");
    if (command_wants_json(c)) {
        outcome = command_print_json(c, end.body);
    } else {
        for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
            moved += count_of(end.body, lists[i]);
            field_each_item(end.body, lists[i], put_name, (void *)(uintptr_t)lists[i]);
        }
        command_put_findings(c, end.body);
        if (!moved && !errors)
            notice(&c->screen, "nothing changed");
    }
    control_end_done(&end);
    return outcome == OUTCOME_OK && errors ? OUTCOME_FAILED : outcome;
}

/* ---- show ---- */

enum outcome verb_config_show(struct command *c)
{
    const struct command_call call = {.method = "host.config_show"};
    struct cleaner cleaner = {0};
    struct aiex_slice text;
    struct control_end end;
    enum outcome outcome = command_call(c, &call, &end);

    if (outcome != OUTCOME_OK)
        return outcome;
    if (command_wants_json(c))
        outcome = command_print_json(c, end.body);
    else if (aiex_get_bytes(end.body, "text", &text) == 1)
        clean_write(&cleaner, stdout, text.data, text.len);
    control_end_done(&end);
    return outcome;
}

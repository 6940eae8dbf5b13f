/* template_verbs.c - aiex template: list, show, put, remove and render prompt templates. */
#include "answer_table.h"
#include "json_in.h"
#include "option_fields.h"
#include "read_text.h"

#include <errno.h>
#include <stdlib.h>

static const struct option_field fields[] = {
    {"user", "user", FORM_TEXT},
    {"all", "all", FORM_SWITCH},
    {"version-of", "version", FORM_COUNT},
    {"description", "description", FORM_TEXT},
    {0},
};

static const struct answer_column columns[] = {
    {{"NAME", 0, 0, 1}, "name", CELL_PLAIN},
    {{"SCOPE", 0, 2, 0}, "scope", CELL_PLAIN},
    {{"USER", 0, 3, 1}, "user", CELL_PLAIN},
    {{"VERSION", 1, 0, 0}, "version", CELL_PLAIN},
    {{"BUILT IN", 0, 4, 0}, "builtin", CELL_PLAIN},
    {{"CREATED (UTC)", 0, 5, 0}, "created", CELL_DATE},
    {{"DESCRIPTION", 0, 1, 1}, "description", CELL_PLAIN},
};

/* What the verbs send: the name, options, and for put and render a text or values. */
struct sent {
    const struct command *c;
    struct aiex_slice text;      /* put */
    struct aiex_slice variables; /* put: whole array, or empty */
    struct read_text *files; /* render: of the words behind the name; data NULL = as it stands */
};

static void pack(struct aiex_writer *w, const void *arg)
{
    const struct sent *s = arg;
    const struct arguments *a = &s->c->args;
    uint32_t n = option_fields_count(s->c, fields);

    aiex_w_map(w, n + (a->n_words > 0) + (s->text.data != NULL) + (s->variables.len != 0) +
                      (s->files != NULL));
    option_fields_pack(w, s->c, fields);
    if (a->n_words)
        aiex_w_key_str(w, "name", a->words[0]);
    if (s->text.data)
        aiex_w_key_strn(w, "text", (const char *)s->text.data, s->text.len);
    if (s->variables.len) {
        aiex_w_str(w, "variables");
        aiex_w_raw(w, s->variables.data, s->variables.len);
    }
    if (!s->files)
        return;
    aiex_w_str(w, "values");
    aiex_w_map(w, (uint32_t)a->n_words - 1);
    for (size_t i = 1; i < a->n_words; i++) {
        const char *word = a->words[i], *value = strchr(word, '=') + 1;

        aiex_w_strn(w, word, strcspn(word, "="));
        if (s->files[i].data)
            aiex_w_strn(w, s->files[i].data, s->files[i].len);
        else
            aiex_w_str(w, value);
    }
}

static struct command_call calls(const char *method, const struct sent *sent)
{
    return (struct command_call){
        .service = "templates", .method = method, .pack = pack, .pack_arg = sent};
}

enum outcome verb_template_list(struct command *c)
{
    const struct sent sent = {.c = c};
    const struct command_call call = calls("templates.list", &sent);

    return answer_list(c, &call, "templates", columns, sizeof(columns) / sizeof(*columns));
}

/* Prints the answer as JSON, or its text alone. */
static enum outcome print_text(struct command *c, const struct command_call *call)
{
    struct aiex_slice text = {NULL, 0};
    struct control_end end;
    enum outcome outcome = command_call(c, call, &end);

    if (outcome != OUTCOME_OK)
        return outcome;
    if (command_wants_json(c)) {
        outcome = command_print_json(c, end.body);
    } else if (aiex_get_str(end.body, "text", &text) == 1) {
        struct cleaner cleaner = {0};

        if (c->screen.width)
            clean_write(&cleaner, stdout, text.data, text.len);
        else
            fwrite(text.data, 1, text.len, stdout);
        if (text.len && text.data[text.len - 1] != '\n' && c->screen.width)
            putchar('\n');
    }
    control_end_done(&end);
    return outcome;
}

enum outcome verb_template_show(struct command *c)
{
    const struct sent sent = {.c = c};
    const struct command_call call = calls("templates.show", &sent);
    enum outcome outcome = option_fields_check(c, fields);

    return outcome != OUTCOME_OK ? outcome : print_text(c, &call);
}

enum outcome verb_template_remove(struct command *c)
{
    const struct sent sent = {.c = c};
    const struct command_call call = calls("templates.remove", &sent);

    return answer_done(c, &call, "removed", c->args.words[0]);
}

/* A file, or standard input for "-". 0, or negative errno, said. */
static int read_source(struct command *c, const char *name, struct read_text *ret)
{
    struct aiex_error err;
    int is_input = strcmp(name, "-") == 0;
    int failed = read_text(is_input ? NULL : name, is_input ? "standard input" : name,
                           READ_TEXT_FILE_BYTES, ret, &err);

    if (failed)
        complain(&c->screen, "%s", err.text);
    return failed;
}

/* --variables FILE: {"variables": [...]}. *ret_map is to be freed. */
static int read_variables(struct command *c, struct sent *sent, struct aiex_slice *ret_map)
{
    const char *name = arguments_value(&c->args, "variables");
    struct read_text file = {NULL, 0};
    struct aiex_error err = {""};
    int failed;

    if (!name)
        return 0;
    failed = read_source(c, name, &file);
    if (failed)
        return failed;
    failed = json_in(file.data, file.len, ret_map, &err);
    free(file.data);
    if (!failed && aiex_get_whole(*ret_map, "variables", &sent->variables) != 1) {
        failed = -EINVAL;
        strcpy(err.text, "there is no \"variables\"");
    }
    if (failed)
        complain(&c->screen, "%s: %s", name, err.text);
    return failed;
}

enum outcome verb_template_put(struct command *c)
{
    struct sent sent = {.c = c};
    const struct command_call call = calls("templates.put", &sent);
    struct aiex_slice map = {NULL, 0};
    struct read_text file = {NULL, 0};
    enum outcome outcome;
    int failed = read_source(c, c->args.words[1], &file);

    if (!failed)
        failed = read_variables(c, &sent, &map);
    outcome = outcome_of_input(failed);
    if (!failed) {
        sent.text = (struct aiex_slice){(const uint8_t *)file.data, file.len};
        outcome = answer_done(c, &call, "kept", c->args.words[0]);
    }
    free((void *)(uintptr_t)map.data);
    free(file.data);
    return outcome;
}

static enum outcome read_values(struct command *c, struct read_text *files)
{
    for (size_t i = 1; i < c->args.n_words; i++) {
        const char *word = c->args.words[i], *equal = strchr(word, '=');
        int failed;

        if (!equal || equal == word) {
            complain(&c->screen, "'%s' is not NAME=VALUE", word);
            return OUTCOME_USAGE;
        }
        failed = equal[1] == '@' ? read_source(c, equal + 2, &files[i]) : 0;
        if (failed)
            return outcome_of_input(failed);
    }
    return OUTCOME_OK;
}

enum outcome verb_template_render(struct command *c)
{
    struct sent sent = {.c = c, .files = calloc(c->args.n_words, sizeof(*sent.files))};
    const struct command_call call = calls("templates.render", &sent);
    enum outcome outcome = option_fields_check(c, fields);

    if (!sent.files) {
        complain(&c->screen, "out of memory");
        return OUTCOME_FAILED;
    }
    if (outcome == OUTCOME_OK)
        outcome = read_values(c, sent.files);
    if (outcome == OUTCOME_OK)
        outcome = print_text(c, &call);
    for (size_t i = 1; i < c->args.n_words; i++)
        free(sent.files[i].data);
    free(sent.files);
    return outcome;
}

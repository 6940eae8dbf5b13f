/* key_verbs.c - aiex key and aiex limit: API keys, and limits of users, teams and projects. */
#include "answer_table.h"
#include "money.h"
#include "option_fields.h"

#include <time.h>

static const struct option_field fields[] = {
    {"name", "name", FORM_TEXT},
    {"user", "user", FORM_TEXT},
    {"team", "team", FORM_TEXT},
    {"project", "project", FORM_TEXT},
    {"role", "role", FORM_TEXT},
    {"models", "models", FORM_LIST},
    {"rpm", "rpm", FORM_COUNT},
    {"tpm", "tpm", FORM_COUNT},
    {"concurrency", "concurrency", FORM_COUNT},
    {"budget-day", "budget_day", FORM_MONEY},
    {"budget-month", "budget_month", FORM_MONEY},
    {"soft-percent", "soft_percent", FORM_COUNT},
    {"expires", "expires", FORM_DAY_END},
    {"grace", "grace_ms", FORM_DURATION},
    {0},
};

static const struct answer_column keys[] = {
    {{"ID", 0, 0, 0}, "id", CELL_PLAIN},
    {{"NAME", 0, 0, 1}, "name", CELL_PLAIN},
    {{"PREFIX", 0, 5, 0}, "prefix", CELL_PLAIN},
    {{"USER", 0, 1, 1}, "user", CELL_PLAIN},
    {{"TEAM", 0, 4, 1}, "team", CELL_PLAIN},
    {{"ROLE", 0, 2, 0}, "role", CELL_PLAIN},
    {{"RPM", 1, 6, 0}, "rpm", CELL_LIMIT},
    {{"TPM", 1, 6, 0}, "tpm", CELL_LIMIT},
    {{"SPENT DAY", 1, 2, 0}, "spent_day", CELL_MONEY},
    {{"OF", 1, 3, 0}, "budget_day", CELL_BUDGET},
    {{"SPENT MONTH", 1, 0, 0}, "spent_month", CELL_MONEY},
    {{"OF", 1, 1, 0}, "budget_month", CELL_BUDGET},
    {{"LAST USED (UTC)", 0, 5, 0}, "last_used", CELL_DATE},
    {{"EXPIRES (UTC)", 0, 7, 0}, "expires", CELL_DATE},
    {{"REVOKED", 0, 0, 0}, "revoked", CELL_PLAIN},
};

static const struct answer_column limits[] = {
    {{"SCOPE", 0, 0, 0}, "scope", CELL_PLAIN},
    {{"NAME", 0, 0, 1}, "name", CELL_PLAIN},
    {{"RPM", 1, 3, 0}, "rpm", CELL_LIMIT},
    {{"TPM", 1, 3, 0}, "tpm", CELL_LIMIT},
    {{"CONCURRENCY", 1, 4, 0}, "concurrency", CELL_LIMIT},
    {{"SPENT DAY", 1, 2, 0}, "spent_day", CELL_MONEY},
    {{"OF", 1, 1, 0}, "budget_day", CELL_BUDGET},
    {{"SPENT MONTH", 1, 0, 0}, "spent_month", CELL_MONEY},
    {{"OF", 1, 0, 0}, "budget_month", CELL_BUDGET},
    {{"SOFT %", 1, 5, 0}, "soft_percent", CELL_LIMIT},
};

/* Names of the words that a verb takes. */
struct sent {
    const struct command *c;
    const char *words[2];
};

/* The control socket is the operator's: `local` says so. */
static void pack(struct aiex_writer *w, const void *arg)
{
    const struct sent *s = arg;
    const struct arguments *a = &s->c->args;

    aiex_w_map(w, 2 + (uint32_t)a->n_words + option_fields_count(s->c, fields));
    aiex_w_key_bool(w, "local", 1);
    aiex_w_key_str(w, "interface", "aiex");
    for (size_t i = 0; i < a->n_words; i++)
        aiex_w_key_str(w, s->words[i], a->words[i]);
    option_fields_pack(w, s->c, fields);
}

static struct command_call calls(const char *method, const struct sent *sent)
{
    return (struct command_call){
        .service = "gateway", .method = method, .pack = pack, .pack_arg = sent};
}

/* The secret, on standard output and alone, so that a script can take it. */
static enum outcome print_secret(struct command *c, const char *method, const struct sent *sent)
{
    const struct command_call call = calls(method, sent);
    struct aiex_slice key = {NULL, 0};
    struct control_end end;
    char id[FIELD_TEXT];
    enum outcome outcome = option_fields_check(c, fields);

    if (outcome == OUTCOME_OK)
        outcome = command_call(c, &call, &end);
    if (outcome != OUTCOME_OK)
        return outcome;
    if (command_wants_json(c)) {
        outcome = command_print_json(c, end.body);
    } else if (aiex_get_str(end.body, "key", &key) == 1) {
        struct cleaner cleaner = {0};

        field_text(end.body, "id", FIELD_PLAIN, id);
        clean_write(&cleaner, stdout, key.data, key.len);
        putchar('\n');
        notice(&c->screen, "key %s; its secret is shown this once",
               strcmp(id, "-") ? id : c->args.words[0]);
    } else {
        complain(&c->screen, "%s: the answer has no 'key'; is the service older?", method);
        outcome = OUTCOME_FAILED;
    }
    control_end_done(&end);
    return outcome;
}

/* A day that is over makes a key that was never good; the gateway takes it, for `key set`. */
static int is_over(const char *day)
{
    struct aiex_error err;
    int64_t begin;

    return day && day_read(day, &begin, &err) == 0 && begin / 1000 + 86400 <= (int64_t)time(NULL);
}

enum outcome verb_key_create(struct command *c)
{
    const struct sent sent = {c, {"name", NULL}};
    const char *expires = arguments_value(&c->args, "expires");

    if (!*c->args.words[0]) {
        complain(&c->screen, "the name of the key is empty; say who or what it is for");
        return OUTCOME_USAGE;
    }
    if (is_over(expires)) {
        complain(&c->screen, "--expires: '%s' is over (UTC); the key would never be good", expires);
        return OUTCOME_USAGE;
    }
    return print_secret(c, "gateway.key_create", &sent);
}

enum outcome verb_key_rotate(struct command *c)
{
    const struct sent sent = {c, {"id", NULL}};

    return print_secret(c, "gateway.key_rotate", &sent);
}

enum outcome verb_key_list(struct command *c)
{
    const struct sent sent = {c, {NULL, NULL}};
    const struct command_call call = calls("gateway.key_list", &sent);

    return answer_list(c, &call, "keys", keys, sizeof(keys) / sizeof(*keys));
}

enum outcome verb_key_revoke(struct command *c)
{
    const struct sent sent = {c, {"id", NULL}};
    const struct command_call call = calls("gateway.key_revoke", &sent);

    return answer_done(c, &call, "revoked", c->args.words[0]);
}

/* Something is to change, and it can be read. */
static enum outcome check_changes(struct command *c)
{
    if (option_fields_count(c, fields) > 0)
        return option_fields_check(c, fields);
    complain(&c->screen,
             "nothing to change: give an option, as in --rpm 60; `aiex help %s` has them",
             c->args.verb->path);
    return OUTCOME_USAGE;
}

enum outcome verb_key_set(struct command *c)
{
    const struct sent sent = {c, {"id", NULL}};
    const struct command_call call = calls("gateway.key_set", &sent);
    enum outcome outcome = check_changes(c);

    return outcome != OUTCOME_OK ? outcome : answer_done(c, &call, "changed", c->args.words[0]);
}

enum outcome verb_limit_set(struct command *c)
{
    const struct sent sent = {c, {"scope", "name"}};
    const struct command_call call = calls("gateway.limit_set", &sent);
    enum outcome outcome = check_changes(c);

    return outcome != OUTCOME_OK ? outcome : answer_done(c, &call, "limited", c->args.words[1]);
}

enum outcome verb_limit_list(struct command *c)
{
    const struct sent sent = {c, {NULL, NULL}};
    const struct command_call call = calls("gateway.limit_list", &sent);

    return answer_list(c, &call, "limits", limits, sizeof(limits) / sizeof(*limits));
}

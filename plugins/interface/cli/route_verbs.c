/* route_verbs.c - aiex route show: how one request found its provider, from its usage record. */
#include "answer_table.h"

static void pack_id(struct aiex_writer *w, const void *arg)
{
    const struct command *c = arg;

    aiex_w_map(w, 1);
    aiex_w_key_str(w, "id", c->args.words[0]);
}

static const struct {
    const char *title, *key;
    enum cell_form form;
} lines[] = {
    {"id", "id", CELL_PLAIN},
    {"time", "time", CELL_DATE},
    {"interface", "interface", CELL_PLAIN},
    {"operation", "operation", CELL_PLAIN},
    {"asked for", "asked", CELL_PLAIN},
    {"alias", "alias", CELL_PLAIN},
    {"strategy", "strategy", CELL_PLAIN},
    {"provider", "provider", CELL_PLAIN},
    {"model", "model", CELL_PLAIN},
    {"why", "why", CELL_PLAIN},
    {"cached", "cached", CELL_PLAIN},
    {"result", "code", CELL_RESULT},
    {"finish", "finish", CELL_PLAIN},
    {"input", "input_tokens", CELL_PLAIN},
    {"output", "output_tokens", CELL_PLAIN},
    {"cost", "cost", CELL_MONEY},
    {"first part", "first_ms", CELL_MS},
    {"total", "total_ms", CELL_MS},
};

static const struct answer_column attempts[] = {
    {{"AT", 1, 0, 0}, "at_ms", CELL_MS},        {{"PROVIDER", 0, 0, 1}, "provider", CELL_PLAIN},
    {{"MODEL", 0, 3, 1}, "model", CELL_PLAIN},  {{"TOOK", 1, 0, 0}, "ms", CELL_MS},
    {{"RESULT", 0, 0, 0}, "code", CELL_RESULT}, {{"REASON", 0, 2, 0}, "reason", CELL_PLAIN},
    {{"TEXT", 0, 4, 1}, "text", CELL_PLAIN},    {{"COST", 1, 2, 0}, "cost", CELL_MONEY},
    {{"WHY", 0, 3, 1}, "why", CELL_PLAIN},
};

/* What is empty or not there is left out. */
static void show_line(struct aiex_slice record, size_t i)
{
    struct cleaner cleaner = {0};
    char text[FIELD_TEXT];

    answer_cell(record, lines[i].key, lines[i].form, text);
    if (!*text || strcmp(text, "-") == 0)
        return;
    printf("%-12s", lines[i].title);
    clean_write(&cleaner, stdout, text, strlen(text));
    putchar('\n');
}

enum outcome verb_route_show(struct command *c)
{
    const struct command_call call = {
        .service = "ledger", .method = "ledger.show", .pack = pack_id, .pack_arg = c};
    struct aiex_slice list;
    struct control_end end;
    enum outcome outcome = command_call(c, &call, &end);

    if (outcome != OUTCOME_OK)
        return outcome;
    if (command_wants_json(c)) {
        outcome = command_print_json(c, end.body);
    } else {
        for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
            show_line(end.body, i);
        if (aiex_get_whole(end.body, "attempts", &list) == 1) {
            putchar('\n');
            outcome = answer_table(c, end.body, "attempts", attempts,
                                   sizeof(attempts) / sizeof(*attempts));
        }
    }
    control_end_done(&end);
    return outcome;
}

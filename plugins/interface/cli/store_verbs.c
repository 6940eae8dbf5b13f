/*
 * store_verbs.c - aiex events backup, backups, restore, compact and rewrite: the care of the store
 * as a whole.
 */
#include "answer_table.h"
#include "event_verbs.h"
#include "option_fields.h"

static const struct option_field restore_fields[] = {
    {"to-sequence", "to_sequence", FORM_COUNT},
    {"to-time", "to_time", FORM_MOMENT},
    {"dry-run", "dry_run", FORM_SWITCH},
    {0},
};

static const struct option_field compact_fields[] = {{"forget", "forget", FORM_SWITCH}, {0}};

/* Whatever the verb was given of these, and the path. */
struct body {
    const struct command *command;
    const struct option_field *fields; /* may be NULL */
};

static void pack_body(struct aiex_writer *w, const void *arg)
{
    const struct body *b = arg;
    const struct command *c = b->command;
    uint32_t n = b->fields ? option_fields_count(c, b->fields) : 0;

    aiex_w_map(w, n + (c->args.n_words != 0));
    if (c->args.n_words)
        aiex_w_key_str(w, "path", c->args.words[0]);
    if (b->fields)
        option_fields_pack(w, c, b->fields);
}

static struct command_call call_of(const struct body *b, const char *method)
{
    return (struct command_call){.service = event_store(b->command),
                                 .method = method,
                                 .pack = pack_body,
                                 .pack_arg = b,
                                 .timeout_ms = COMMAND_NO_LIMIT};
}

/* ---- backup and backups ---- */

enum outcome verb_events_backup(struct command *c)
{
    const struct body body = {.command = c};
    const struct command_call call = call_of(&body, "store.backup");

    return answer_done(c, &call, "the store was copied to", c->args.words[0]);
}

static const struct answer_column backup_columns[] = {
    {{"BACKUP", 0, 0, 0}, "path", CELL_PLAIN},
    {{"SEQUENCE", 1, 0, 0}, "sequence", CELL_PLAIN},
    {{"TAKEN", 0, 0, 0}, "time", CELL_DATE},
    {{"BYTES", 1, 2, 0}, "bytes", CELL_PLAIN},
    {{"VERIFIED", 0, 0, 0}, "verified", CELL_PLAIN},
    {{"ENCRYPTED", 0, 1, 0}, "encrypted", CELL_PLAIN},
    {{"LATER POINTS", 0, 0, 0}, "points", CELL_PLAIN},
};

enum outcome verb_events_backups(struct command *c)
{
    const struct body body = {.command = c};
    const struct command_call call = call_of(&body, "store.backups");

    return answer_list(c, &call, "backups", backup_columns,
                       sizeof(backup_columns) / sizeof(*backup_columns));
}

/* ---- restore ---- */

static void tell_restored(struct command *c, struct aiex_slice end)
{
    char time[FIELD_TEXT], sequence[FIELD_TEXT], events[FIELD_TEXT], transactions[FIELD_TEXT];
    int dry = 0;

    aiex_get_bool(end, "dry_run", &dry);
    notice(&c->screen, "the store %s that of sequence %s, %s; %s events and %s transactions %s",
           dry ? "would be" : "is", field_text(end, "sequence", FIELD_PLAIN, sequence),
           field_text(end, "time", FIELD_DATE, time),
           field_text(end, "lost_events", FIELD_PLAIN, events),
           field_text(end, "lost_transactions", FIELD_PLAIN, transactions),
           dry ? "would be lost" : "that came later are not in it");
}

enum outcome verb_events_restore(struct command *c)
{
    const struct body body = {c, restore_fields};
    const struct command_call call = call_of(&body, "store.restore");
    enum outcome outcome = option_fields_check(c, restore_fields);
    struct control_end end;

    if (outcome == OUTCOME_OK)
        outcome = command_call(c, &call, &end);
    if (outcome != OUTCOME_OK)
        return outcome;
    if (command_wants_json(c))
        outcome = command_print_json(c, end.body);
    else
        tell_restored(c, end.body);
    control_end_done(&end);
    return outcome;
}

/* ---- compact and rewrite ---- */

enum outcome verb_events_compact(struct command *c)
{
    const struct body body = {c, compact_fields};
    const struct command_call call = call_of(&body, "store.shrink");
    char freed[FIELD_TEXT], bytes[FIELD_TEXT];
    struct control_end end;
    enum outcome outcome = command_call(c, &call, &end);

    if (outcome != OUTCOME_OK)
        return outcome;
    if (command_wants_json(c))
        outcome = command_print_json(c, end.body);
    else
        notice(&c->screen, "%s were given back, %s are used",
               field_text(end.body, "freed", FIELD_BYTES, freed),
               field_text(end.body, "bytes", FIELD_BYTES, bytes));
    control_end_done(&end);
    return outcome;
}

enum outcome verb_events_rewrite(struct command *c)
{
    const struct body body = {.command = c};
    const struct command_call call = call_of(&body, "store.rewrite");

    return answer_done(c, &call, "the store was written anew", "");
}

/* checkpoint_verbs.c - aiex checkpoint create, list, show, delete, prune and verify. */
#include "checkpoint_verbs.h"

#include "answer_table.h"
#include "json_out.h"
#include "option_fields.h"

#include <inttypes.h>

static const struct option_field fields[] = {
    {"description", "description", FORM_TEXT},
    {"tag", "tags", FORM_LIST},
    {"parts", "parts", FORM_LIST},
    {"full", "full", FORM_SWITCH},
    {"parent", "parent", FORM_TEXT},
    {"dry-run", "dry_run", FORM_SWITCH},
    {0},
};
static const struct option_field list_fields[] = {{"tag", "tag", FORM_TEXT}, {0}};

static const struct answer_column columns[] = {
    {{"NAME", 0, 0, 0}, "name", CELL_PLAIN},
    {{"MADE (UTC)", 0, 0, 0}, "created", CELL_DATE},
    {{"KIND", 0, 2, 0}, "kind", CELL_PLAIN},
    {{"EVENTS", 1, 1, 0}, "events", CELL_PLAIN},
    {{"ROWS", 1, 1, 0}, "rows", CELL_PLAIN},
    {{"SIZE", 1, 0, 0}, "stored_bytes", CELL_BYTES},
    {{"NEW", 1, 3, 0}, "new_bytes", CELL_BYTES},
    {{"PARTS", 0, 5, 1}, "parts", CELL_WORDS},
    {{"TAGS", 0, 4, 1}, "tags", CELL_WORDS},
    {{"DESCRIPTION", 0, 6, 1}, "description", CELL_PLAIN},
};

/* The checkpoint that the first word names, and the options. */
static void pack(struct aiex_writer *w, const void *arg)
{
    const struct command *c = arg;

    aiex_w_map(w, (c->args.n_words > 0) + option_fields_count(c, fields));
    option_fields_pack(w, c, fields);
    if (c->args.n_words)
        aiex_w_key_str(w, "name", c->args.words[0]);
}

static void pack_list(struct aiex_writer *w, const void *arg)
{
    aiex_w_map(w, option_fields_count(arg, list_fields));
    option_fields_pack(w, arg, list_fields);
}

static struct command_call calls(const char *method, struct command *c)
{
    return (struct command_call){.service = CHECKPOINTS,
                                 .method = method,
                                 .pack = pack,
                                 .pack_arg = c,
                                 .timeout_ms = COMMAND_NO_LIMIT};
}

/* ---- Progress ---- */

int checkpoint_progress(struct command *c, struct aiex_slice part)
{
    char phase[32] = "", done[FIELD_TEXT];
    int64_t total = 0, n = 0;

    if (!aiex_is_map(part) || aiex_get_text(part, "phase", phase, sizeof(phase)) != 1)
        return 0;
    if (!c->screen.err_terminal || c->screen.quiet)
        return 1;
    aiex_get_int(part, "total", &total);
    aiex_get_int(part, "done", &n);
    field_text(part, "done", FIELD_PLAIN, done);
    if (total > 0)
        fprintf(stderr, "\r\033[K%s: %" PRId64 " %%", phase, n * 100 / total);
    else
        fprintf(stderr, "\r\033[K%s: %s", phase, done);
    fflush(stderr);
    return 1;
}

void checkpoint_progress_end(struct command *c)
{
    if (c->screen.err_terminal && !c->screen.quiet)
        fputs("\r\033[K", stderr);
}

/* ---- create, list, show ---- */

static int on_progress(void *arg, struct aiex_slice part)
{
    checkpoint_progress(arg, part);
    return 0;
}

static void put_text(struct aiex_slice map, const char *key, enum field_form form)
{
    struct cleaner cleaner = {0};
    char text[FIELD_TEXT];

    field_text(map, key, form, text);
    clean_write(&cleaner, stdout, text, strlen(text));
}

/* Its name, on standard output and alone; what else there is to say, beside it. */
static void tell_made(struct command *c, struct aiex_slice body)
{
    char kind[FIELD_TEXT], events[FIELD_TEXT], rows[FIELD_TEXT], fresh[FIELD_TEXT];

    put_text(body, "name", FIELD_PLAIN);
    putchar('\n');
    fflush(stdout);
    notice(&c->screen, "%s: %s events, %s rows; %s of new files",
           field_text(body, "kind", FIELD_PLAIN, kind),
           field_text(body, "events", FIELD_PLAIN, events),
           field_text(body, "rows", FIELD_PLAIN, rows),
           field_text(body, "new_bytes", FIELD_BYTES, fresh));
}

enum outcome verb_checkpoint_create(struct command *c)
{
    struct command_call call = calls("checkpoints.create", c);
    enum outcome outcome = option_fields_check(c, fields);
    struct control_end end;

    call.part = on_progress;
    call.part_arg = c;
    if (outcome == OUTCOME_OK)
        outcome = command_call(c, &call, &end);
    checkpoint_progress_end(c);
    if (outcome != OUTCOME_OK)
        return outcome;
    if (command_wants_json(c))
        outcome = command_print_json(c, end.body);
    else
        tell_made(c, end.body);
    control_end_done(&end);
    return outcome;
}

enum outcome verb_checkpoint_list(struct command *c)
{
    struct command_call call = calls("checkpoints.list", c);

    call.pack = pack_list;
    return answer_list(c, &call, "checkpoints", columns, sizeof(columns) / sizeof(*columns));
}

static void put_line(struct aiex_slice body, const char *key, enum cell_form form)
{
    struct cleaner cleaner = {0};
    char text[FIELD_TEXT];

    printf("%-13s", key);
    answer_cell(body, key, form, text);
    clean_write(&cleaner, stdout, text, strlen(text));
    putchar('\n');
}

enum outcome verb_checkpoint_show(struct command *c)
{
    static const struct {
        const char *key;
        enum cell_form form;
    } lines[] = {
        {"name", CELL_PLAIN},      {"description", CELL_PLAIN}, {"created", CELL_DATE},
        {"kind", CELL_PLAIN},      {"parent", CELL_PLAIN},      {"parts", CELL_WORDS},
        {"tags", CELL_WORDS},      {"node", CELL_PLAIN},        {"sequence", CELL_PLAIN},
        {"events", CELL_PLAIN},    {"streams", CELL_PLAIN},     {"tables", CELL_PLAIN},
        {"rows", CELL_PLAIN},      {"raw_bytes", CELL_BYTES},   {"stored_bytes", CELL_BYTES},
        {"new_bytes", CELL_BYTES}, {"took_ms", CELL_MS},        {"id", CELL_PLAIN}};
    const struct command_call call = calls("checkpoints.show", c);
    struct control_end end;
    enum outcome outcome = command_call(c, &call, &end);

    if (outcome != OUTCOME_OK)
        return outcome;
    if (command_wants_json(c))
        outcome = command_print_json(c, end.body);
    else
        for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
            put_line(end.body, lines[i].key, lines[i].form);
    control_end_done(&end);
    return outcome;
}

/* ---- delete, prune ---- */

enum outcome verb_checkpoint_delete(struct command *c)
{
    const struct command_call call = calls("checkpoints.delete", c);

    return answer_done(c, &call, "deleted", c->args.words[0]);
}

static int on_removed(void *arg, struct aiex_slice item)
{
    struct cleaner cleaner = {0};
    struct aiex_value v;

    (void)arg;
    if (aiex_r_value(&item, &v) == 0 && v.type == AIEX_T_STR) {
        clean_write(&cleaner, stdout, v.bytes.data, v.bytes.len);
        putchar('\n');
    }
    return 0;
}

enum outcome verb_checkpoint_prune(struct command *c)
{
    const struct command_call call = calls("checkpoints.prune", c);
    struct control_end end;
    enum outcome outcome = command_call(c, &call, &end);
    char kept[FIELD_TEXT], bytes[FIELD_TEXT];

    if (outcome != OUTCOME_OK)
        return outcome;
    if (command_wants_json(c)) {
        outcome = command_print_json(c, end.body);
    } else {
        field_each_item(end.body, "removed", on_removed, NULL);
        fflush(stdout);
        if (arguments_has(&c->args, "dry-run"))
            notice(&c->screen, "these would go; %s stay",
                   field_text(end.body, "kept", FIELD_PLAIN, kept));
        else
            notice(&c->screen, "%s stay, %s were freed",
                   field_text(end.body, "kept", FIELD_PLAIN, kept),
                   field_text(end.body, "bytes", FIELD_BYTES, bytes));
    }
    control_end_done(&end);
    return outcome;
}

/* ---- verify ---- */

static int on_fault(void *arg, struct aiex_slice part)
{
    const struct command *c = arg;

    if (command_wants_json(c)) {
        json_out(stdout, part, JSON_LINE);
    } else {
        put_text(part, "where", FIELD_PLAIN);
        fputs("  ", stdout);
        put_text(part, "what", FIELD_PLAIN);
    }
    putchar('\n');
    return 0;
}

enum outcome verb_checkpoint_verify(struct command *c)
{
    struct command_call call = calls("checkpoints.verify", c);
    char faults[FIELD_TEXT], chunks[FIELD_TEXT];
    struct control_end end;
    enum outcome outcome;
    int whole = 0;

    call.part = on_fault;
    call.part_arg = c;
    outcome = command_call(c, &call, &end);
    if (outcome != OUTCOME_OK)
        return outcome;
    aiex_get_bool(end.body, "whole", &whole);
    if (command_wants_json(c)) {
        json_out(stdout, end.body, JSON_LINE);
        putchar('\n');
    }
    if (whole)
        notice(&c->screen, "'%s' is whole: %s chunks", c->args.words[0],
               field_text(end.body, "chunks", FIELD_PLAIN, chunks));
    else
        complain(&c->screen, "'%s' has %s faults and can not be restored", c->args.words[0],
                 field_text(end.body, "faults", FIELD_PLAIN, faults));
    control_end_done(&end);
    return whole ? OUTCOME_OK : OUTCOME_FAILED;
}

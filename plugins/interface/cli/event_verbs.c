/* event_verbs.c - aiex events read, export, verify and stats: what is in the store, and is it
 * whole? */
#include "event_verbs.h"

#include "answer_table.h"
#include "event_out.h"
#include "json_out.h"
#include "option_fields.h"

#include <errno.h>
#include <inttypes.h>

const char *event_store(const struct command *c)
{
    const char *store = arguments_value(&c->args, "store");

    return store ? store : "store";
}

/* ---- read and export ---- */

static const struct option_field read_fields[] = {
    {"from", "from", FORM_COUNT},
    {"to", "to", FORM_COUNT},
    {"type", "type", FORM_TEXT},
    {"correlation", "correlation", FORM_TEXT},
    {"backwards", "backwards", FORM_SWITCH},
    {"limit", "limit", FORM_COUNT},
    {0},
};

struct reading {
    struct command *command;
    enum event_form form;
    int as_json;
};

static void pack_read(struct aiex_writer *w, const void *arg)
{
    const struct command *c = arg;

    aiex_w_map(w, option_fields_count(c, read_fields) + (c->args.n_words != 0));
    if (c->args.n_words)
        aiex_w_key_str(w, "stream", c->args.words[0]);
    option_fields_pack(w, c, read_fields);
}

static int on_event(void *arg, struct aiex_slice event)
{
    const struct reading *r = arg;

    if (r->as_json)
        event_out_json(stdout, event, r->form);
    else
        event_out_text(stdout, event, r->command->args.n_words != 0);
    return ferror(stdout) != 0;
}

static int on_part(void *arg, struct aiex_slice part)
{
    const struct reading *r = arg;
    int got = event_each(part, on_event, arg);

    if (got == -EPROTO)
        complain(&r->command->screen, "the store sent a part that is no array of events");
    return got ? got : fflush(stdout) != 0;
}

static enum outcome read_events(struct command *c, enum event_form form, int as_json)
{
    struct reading reading = {.command = c, .form = form, .as_json = as_json};
    const struct command_call call = {.service = event_store(c),
                                      .method = "store.read",
                                      .pack = pack_read,
                                      .pack_arg = c,
                                      .part = on_part,
                                      .part_arg = &reading,
                                      .timeout_ms = COMMAND_NO_LIMIT};
    struct control_end end;
    enum outcome outcome = option_fields_check(c, read_fields);

    if (outcome == OUTCOME_OK)
        outcome = command_call(c, &call, &end);
    else
        return outcome;
    control_end_done(&end);
    return outcome;
}

enum outcome verb_events_read(struct command *c)
{
    int all = arguments_has(&c->args, "all");

    if (all == (c->args.n_words != 0)) {
        complain(&c->screen,
                 all ? "--all means every stream; leave out '%s' or --all"
                     : "which stream? name one, or all of them by --all",
                 all ? c->args.words[0] : "");
        return OUTCOME_USAGE;
    }
    return read_events(c, EVENT_SHOWN, command_wants_json(c));
}

enum outcome verb_events_export(struct command *c)
{
    return read_events(c, EVENT_EXACT, 1);
}

/* ---- verify ---- */

static void put_finding(struct aiex_slice finding)
{
    static const char *const keys[] = {"file", "sequence", "what"};
    struct cleaner cleaner = {0};
    char text[FIELD_TEXT];

    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        field_text(finding, keys[i], FIELD_PLAIN, text);
        clean_write(&cleaner, stdout, text, strlen(text));
        fputs(i + 1 < sizeof(keys) / sizeof(*keys) ? "  " : "\n", stdout);
    }
}

static int on_finding(void *arg, struct aiex_slice finding)
{
    const struct command *c = arg;

    if (command_wants_json(c)) {
        json_out(stdout, finding, JSON_LINE);
        putchar('\n');
    } else {
        put_finding(finding);
    }
    return 0;
}

static int on_findings(void *arg, struct aiex_slice part)
{
    struct command *c = arg;
    int got = event_each(part, on_finding, arg);

    if (got == -EPROTO)
        complain(&c->screen, "the store sent a part that is no array of findings");
    return got ? got : fflush(stdout) != 0;
}

enum outcome verb_events_verify(struct command *c)
{
    const struct command_call call = {.service = event_store(c),
                                      .method = "store.verify",
                                      .part = on_findings,
                                      .part_arg = c,
                                      .timeout_ms = COMMAND_NO_LIMIT};
    struct control_end end;
    enum outcome outcome = command_call(c, &call, &end);
    int64_t checked = 0, faults = -1;
    int whole = 1;

    if (outcome != OUTCOME_OK)
        return outcome;
    aiex_get_int(end.body, "checked", &checked);
    aiex_get_int(end.body, "faults", &faults);
    aiex_get_bool(end.body, "whole", &whole);
    if (command_wants_json(c)) {
        json_out(stdout, end.body, JSON_LINE);
        putchar('\n');
    }
    if (faults)
        complain(&c->screen, "%" PRId64 " faults in %" PRId64 " things that were checked%s", faults,
                 checked, whole ? "" : "; the rest was not looked at");
    else
        notice(&c->screen, "%" PRId64 " things were checked and are right", checked);
    control_end_done(&end);
    return faults ? OUTCOME_FAILED : OUTCOME_OK;
}

/* ---- stats ---- */

static int put_number(void *arg, const char *key, struct aiex_slice value)
{
    struct cleaner cleaner = {0};
    char text[FIELD_TEXT];

    (void)arg;
    field_value_text(value, FIELD_PLAIN, text);
    printf("%-14s ", key);
    clean_write(&cleaner, stdout, text, strlen(text));
    putchar('\n');
    return 0;
}

enum outcome verb_events_stats(struct command *c)
{
    const struct command_call call = {.service = event_store(c), .method = "store.status"};
    struct control_end end;
    enum outcome outcome = command_call(c, &call, &end);

    if (outcome != OUTCOME_OK)
        return outcome;
    if (command_wants_json(c))
        outcome = command_print_json(c, end.body);
    else
        field_each(end.body, put_number, NULL);
    control_end_done(&end);
    return outcome;
}

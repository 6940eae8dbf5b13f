/* usage_verbs.c - aiex usage: what was used and spent, as sums or request by request; aiex session
 * usage: what was said in sessions. */
#include "answer_table.h"
#include "json_out.h"
#include "option_fields.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>

static const struct option_field report_fields[] = {
    {"by", "by", FORM_TEXT},
    {"from", "from", FORM_DAY},
    {"to", "to", FORM_DAY_END},
    {"key", "key", FORM_TEXT},
    {"user", "user", FORM_TEXT},
    {"team", "team", FORM_TEXT},
    {"project", "project", FORM_TEXT},
    {"model", "model", FORM_TEXT},
    {"provider", "provider", FORM_TEXT},
    {0},
};

static const struct option_field tail_fields[] = {
    {"count", "limit", FORM_COUNT},    {"follow", "follow", FORM_SWITCH},
    {"key", "key", FORM_TEXT},         {"user", "user", FORM_TEXT},
    {"model", "model", FORM_TEXT},     {"provider", "provider", FORM_TEXT},
    {"failed", "failed", FORM_SWITCH}, {0},
};

static void pack_report(struct aiex_writer *w, const void *arg)
{
    aiex_w_map(w, option_fields_count(arg, report_fields));
    option_fields_pack(w, arg, report_fields);
}

static void pack_tail(struct aiex_writer *w, const void *arg)
{
    aiex_w_map(w, option_fields_count(arg, tail_fields));
    option_fields_pack(w, arg, tail_fields);
}

static const struct answer_column sums[] = {
    {{"REQUESTS", 1, 0, 0}, "requests", CELL_PLAIN},
    {{"FAILED", 1, 2, 0}, "failed", CELL_PLAIN},
    {{"INPUT", 1, 1, 0}, "input_tokens", CELL_PLAIN},
    {{"OUTPUT", 1, 1, 0}, "output_tokens", CELL_PLAIN},
    {{"CACHED", 1, 3, 0}, "cached_tokens", CELL_PLAIN},
    {{"COST", 1, 0, 0}, "cost", CELL_MONEY},
    {{"UNPRICED", 1, 4, 0}, "unpriced", CELL_LIMIT},
};

#define N_SUMS (sizeof(sums) / sizeof(*sums))
#define N_BY   8u
#define N_NAME 200u

/* A column that was asked for, and its title. */
struct by_name {
    char key[N_NAME], title[N_NAME];
};

/* The columns that were asked for; how many. */
static size_t by_columns(const char *by, struct by_name names[N_BY],
                         struct answer_column out[N_BY + N_SUMS])
{
    size_t n = 0;

    while (*by && n < N_BY) {
        size_t len = strcspn(by, ",");
        int cut;

        while (len && *by == ' ') {
            by++;
            len--;
        }
        for (cut = (int)(len < N_NAME ? len : N_NAME - 1); cut && by[cut - 1] == ' ';)
            cut--;
        snprintf(names[n].key, N_NAME, "%.*s", cut, by);
        for (size_t i = 0; i < N_NAME; i++)
            names[n].title[i] = (char)toupper((unsigned char)names[n].key[i]);
        out[n] = (struct answer_column){{names[n].title, 0, 0, 1}, names[n].key, CELL_PLAIN};
        n++;
        by += len + (by[len] == ',');
    }
    return n;
}

/* One verb, two tables: what only the other one has would be ignored. */
static enum outcome refuse_others(struct command *c, const struct option_field *mine,
                                  const struct option_field *theirs, const char *whose)
{
    for (; theirs->option; theirs++) {
        const struct option_field *f = mine;

        while (f->option && strcmp(f->option, theirs->option) != 0)
            f++;
        if (!f->option && arguments_has(&c->args, theirs->option)) {
            complain(&c->screen, "--%s is for `%s` only", theirs->option, whose);
            return OUTCOME_USAGE;
        }
    }
    return option_fields_check(c, mine);
}

/* ---- Sessions ---- */

static const struct option_field session_fields[] = {
    {"by", "by", FORM_TEXT},     {"from", "from", FORM_DAY},    {"to", "to", FORM_DAY_END},
    {"user", "user", FORM_TEXT}, {"model", "model", FORM_TEXT}, {0},
};

static const struct answer_column session_sums[] = {
    {{"MESSAGES", 1, 0, 0}, "messages", CELL_PLAIN},
    {{"ANSWERS", 1, 1, 0}, "answers", CELL_PLAIN},
    {{"FAILED", 1, 2, 0}, "failed", CELL_LIMIT},
    {{"INPUT", 1, 1, 0}, "input_tokens", CELL_PLAIN},
    {{"OUTPUT", 1, 1, 0}, "output_tokens", CELL_PLAIN},
};

static void pack_session_report(struct aiex_writer *w, const void *arg)
{
    aiex_w_map(w, option_fields_count(arg, session_fields));
    option_fields_pack(w, arg, session_fields);
}

enum outcome verb_session_usage(struct command *c)
{
    const struct command_call call = {.service = "session_usage",
                                      .method = "session_usage.report",
                                      .pack = pack_session_report,
                                      .pack_arg = c};
    const char *by = arguments_value(&c->args, "by");
    struct answer_column columns[N_BY + N_SUMS];
    struct by_name names[N_BY] = {0};
    size_t n = by_columns(by ? by : "day", names, columns);
    enum outcome outcome = option_fields_check(c, session_fields);

    memcpy(columns + n, session_sums, sizeof(session_sums));
    return outcome != OUTCOME_OK ? outcome
                                 : answer_list(c, &call, "rows", columns,
                                               n + sizeof(session_sums) / sizeof(*session_sums));
}

/* ---- Of all ---- */

static enum outcome usage_report(struct command *c)
{
    const struct command_call call = {.service = "ledger",
                                      .method = "ledger.report",
                                      .pack = pack_report,
                                      .pack_arg = c,
                                      .timeout_ms = COMMAND_NO_LIMIT};
    const char *by = arguments_value(&c->args, "by");
    struct answer_column columns[N_BY + N_SUMS];
    struct by_name names[N_BY] = {0};
    size_t n = by_columns(by ? by : "", names, columns);
    enum outcome outcome = refuse_others(c, report_fields, tail_fields, "aiex usage tail");

    memcpy(columns + n, sums, sizeof(sums));
    return outcome != OUTCOME_OK ? outcome : answer_list(c, &call, "rows", columns, n + N_SUMS);
}

/* ---- tail ---- */

static void put_cell(struct aiex_slice map, const char *key, enum cell_form form)
{
    struct cleaner cleaner = {0};
    char text[FIELD_TEXT];

    answer_cell(map, key, form, text);
    clean_write(&cleaner, stdout, *text ? text : "-", strlen(*text ? text : "-"));
    fputs("  ", stdout);
}

static void show_record(struct command *c, struct aiex_slice record)
{
    struct aiex_slice who = {NULL, 0};
    char result[FIELD_TEXT];
    int64_t missed = 0;

    if (aiex_get_int(record, "missed", &missed) == 1 && missed > 0)
        notice(&c->screen, "%" PRId64 " records before this one were missed", missed);
    aiex_get_whole(record, "principal", &who);
    put_cell(record, "time", CELL_DATE);
    put_cell(record, "id", CELL_PLAIN);
    put_cell(who, answer_has_text(who, "user") ? "user" : "key", CELL_PLAIN);
    put_cell(record, "provider", CELL_PLAIN);
    put_cell(record, "model", CELL_PLAIN);
    put_cell(record, "input_tokens", CELL_PLAIN);
    put_cell(record, "output_tokens", CELL_PLAIN);
    put_cell(record, "cost", CELL_MONEY);
    put_cell(record, "total_ms", CELL_MS);
    puts(answer_cell(record, "code", CELL_RESULT, result));
}

static int on_record(void *arg, struct aiex_slice record)
{
    struct command *c = arg;

    if (record.len == 0 || !aiex_is_map(record))
        return 0;
    if (command_wants_json(c)) {
        json_out(stdout, record, JSON_LINE);
        putchar('\n');
    } else {
        show_record(c, record);
    }
    return fflush(stdout) != 0;
}

static enum outcome usage_tail(struct command *c)
{
    const struct command_call call = {.service = "ledger",
                                      .method = "ledger.tail",
                                      .pack = pack_tail,
                                      .pack_arg = c,
                                      .part = on_record,
                                      .part_arg = c,
                                      .timeout_ms = COMMAND_NO_LIMIT};
    struct control_end end;
    enum outcome outcome = refuse_others(c, tail_fields, report_fields, "aiex usage");

    if (outcome != OUTCOME_OK)
        return outcome;
    outcome = command_call(c, &call, &end);
    control_end_done(&end);
    return outcome;
}

enum outcome verb_usage(struct command *c)
{
    if (c->args.n_words == 0)
        return usage_report(c);
    if (strcmp(c->args.words[0], "tail") == 0)
        return usage_tail(c);
    complain(&c->screen, "usage does not take '%s'; there is `aiex usage tail`", c->args.words[0]);
    return OUTCOME_USAGE;
}

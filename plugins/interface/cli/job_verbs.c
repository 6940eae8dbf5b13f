/* job_verbs.c - aiex job list and run: what the host does by the clock. */
#include "command.h"

#include "field.h"
#include "table.h"

#include <errno.h>

static const struct job_column {
    struct table_column column;
    const char *key;
    enum field_form form;
} list[] = {
    {{"NAME", 0, 0, 1}, "name", FIELD_PLAIN},
    {{"CRON", 0, 3, 0}, "cron", FIELD_PLAIN},
    {{"ZONE", 0, 6, 0}, "zone", FIELD_PLAIN},
    {{"SERVICE", 0, 5, 1}, "service", FIELD_PLAIN},
    {{"METHOD", 0, 5, 1}, "method", FIELD_PLAIN},
    {{"NEXT", 0, 0, 0}, "next", FIELD_DATE},
    {{"LAST", 0, 2, 0}, "last", FIELD_DATE},
    {{"RUNNING", 0, 4, 0}, "running", FIELD_PLAIN},
    {{"RUNS", 1, 3, 0}, "runs", FIELD_PLAIN},
    {{"FAILURES", 1, 1, 0}, "failures", FIELD_PLAIN},
    {{"SKIPPED", 1, 4, 0}, "skipped", FIELD_PLAIN},
    {{"LAST ERROR", 0, 7, 1}, "last_error", FIELD_PLAIN},
};

#define N_LIST (sizeof(list) / sizeof(*list))

static int add_row(void *arg, struct aiex_slice job)
{
    struct table *t = arg;
    char text[FIELD_TEXT];

    if (table_row(t) != 0)
        return -ENOMEM;
    for (size_t i = 0; i < N_LIST; i++)
        table_set(t, i, PAINT_NONE, field_text(job, list[i].key, list[i].form, text));
    return 0;
}

static enum outcome show_table(struct command *c, struct aiex_slice body)
{
    struct table_column columns[N_LIST];
    struct table *t;
    int failed;

    for (size_t i = 0; i < N_LIST; i++)
        columns[i] = list[i].column;
    t = table_new(columns, N_LIST);
    failed = t ? field_each_item(body, "jobs", add_row, t) : -ENOMEM;
    if (!failed)
        table_print(t, stdout, c->screen.width, c->screen.out_colour);
    else
        complain(&c->screen, "out of memory");
    table_free(t);
    return failed ? OUTCOME_FAILED : OUTCOME_OK;
}

enum outcome verb_job_list(struct command *c)
{
    const struct command_call call = {.method = "host.jobs"};
    struct aiex_slice jobs;
    struct control_end end;
    enum outcome outcome = command_call(c, &call, &end);

    if (outcome != OUTCOME_OK)
        return outcome;
    if (aiex_get_whole(end.body, "jobs", &jobs) != 1) {
        complain(&c->screen, "host.jobs: the answer has no 'jobs'; is the host older?");
        outcome = OUTCOME_FAILED;
    } else if (command_wants_json(c)) {
        outcome = command_print_json(c, jobs);
    } else {
        outcome = show_table(c, end.body);
    }
    control_end_done(&end);
    return outcome;
}

static void pack_name(struct aiex_writer *w, const void *arg)
{
    const struct command *c = arg;

    aiex_w_map(w, 1);
    aiex_w_key_str(w, "name", c->args.words[0]);
}

enum outcome verb_job_run(struct command *c)
{
    const struct command_call call = {.method = "host.job_run", .pack = pack_name, .pack_arg = c};
    struct control_end end;
    enum outcome outcome = command_call(c, &call, &end);

    if (outcome != OUTCOME_OK)
        return outcome;
    if (command_wants_json(c))
        outcome = command_print_json(c, end.body);
    else
        notice(&c->screen, "started %s", c->args.words[0]);
    control_end_done(&end);
    return outcome;
}

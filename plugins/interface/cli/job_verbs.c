/* job_verbs.c - aiex job list and run: what the host does by the clock. */
#include "answer_table.h"

static const struct answer_column list[] = {
    {{"NAME", 0, 0, 1}, "name", CELL_PLAIN},
    {{"CRON", 0, 3, 0}, "cron", CELL_PLAIN},
    {{"ZONE", 0, 6, 0}, "zone", CELL_PLAIN},
    {{"SERVICE", 0, 5, 1}, "service", CELL_PLAIN},
    {{"METHOD", 0, 5, 1}, "method", CELL_PLAIN},
    {{"NEXT", 0, 0, 0}, "next", CELL_LOCAL},
    {{"LAST", 0, 2, 0}, "last", CELL_LOCAL},
    {{"RUNNING", 0, 4, 0}, "running", CELL_PLAIN},
    {{"RUNS", 1, 3, 0}, "runs", CELL_PLAIN},
    {{"FAILURES", 1, 1, 0}, "failures", CELL_PLAIN},
    {{"SKIPPED", 1, 4, 0}, "skipped", CELL_PLAIN},
    {{"LAST ERROR", 0, 7, 1}, "last_error", CELL_PLAIN},
};

enum outcome verb_job_list(struct command *c)
{
    const struct command_call call = {.method = "host.jobs"};

    return answer_list(c, &call, "jobs", list, sizeof(list) / sizeof(*list));
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

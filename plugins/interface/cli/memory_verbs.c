/*
 * memory_verbs.c - aiex memory: is it short, which cell holds how much, who gave back.
 */
#include "answer_table.h"

#include <inttypes.h>

static const struct answer_column cells[] = {
    {{"CELL", 0, 0, 1}, "cell", CELL_PLAIN},
    {{"PID", 1, 1, 0}, "pid", CELL_PLAIN},
    {{"MEMORY", 1, 0, 0}, "bytes", CELL_BYTES},
};

static const struct answer_column users[] = {
    {{"GIVES BACK", 0, 0, 1}, "instance", CELL_PLAIN}, {{"PART", 0, 2, 0}, "part", CELL_PLAIN},
    {{"ORDER", 1, 1, 0}, "order", CELL_PLAIN},         {{"HOLDS", 1, 0, 0}, "bytes", CELL_BYTES},
    {{"MAY HOLD", 1, 3, 0}, "limit", CELL_BYTES},      {{"NOW %", 1, 0, 0}, "percent", CELL_PLAIN},
    {{"GAVE", 1, 0, 0}, "given", CELL_BYTES},
};

static int64_t number(struct aiex_slice body, const char *key)
{
    int64_t n = -1;

    aiex_get_int(body, key, &n);
    return n;
}

static enum paint paint_of(const char *level)
{
    return strcmp(level, "ok") == 0         ? PAINT_GREEN
           : strcmp(level, "elevated") == 0 ? PAINT_YELLOW
                                            : PAINT_RED;
}

static void put_level(struct command *c, struct aiex_slice body)
{
    int64_t used = number(body, "used_percent"), stall = number(body, "stall_percent");
    char level[FIELD_TEXT], by[FIELD_TEXT], limit[FIELD_TEXT];
    int colour = c->screen.out_colour, watched = 1;

    aiex_get_bool(body, "watched", &watched);
    if (!watched) {
        printf("memory is not watched: memory_interval of [host] is 0\n");
        return;
    }
    field_text(body, "level", FIELD_PLAIN, level);
    printf("memory is %s%s%s", screen_begin(colour, paint_of(level)), level,
           screen_end(colour, paint_of(level)));
    if (number(body, "step") > 0)
        printf(", parts up to order %" PRId64 " give back", number(body, "step"));
    if (used >= 0)
        printf("; %" PRId64 " %% of the %s's %s in use", used,
               field_text(body, "limited_by", FIELD_PLAIN, by),
               field_text(body, "limit_bytes", FIELD_BYTES, limit));
    if (stall >= 0)
        printf("; %" PRId64 " %% of the time waited for", stall);
    printf("\n");
}

enum outcome verb_memory(struct command *c)
{
    const struct command_call call = {.method = "host.memory"};
    struct control_end end;
    enum outcome outcome = command_call(c, &call, &end);

    if (outcome != OUTCOME_OK)
        return outcome;
    if (command_wants_json(c)) {
        outcome = command_print_json(c, end.body);
    } else {
        put_level(c, end.body);
        printf("\n");
        outcome = answer_table(c, end.body, "cells", cells, sizeof(cells) / sizeof(*cells));
        printf("\n");
        if (outcome == OUTCOME_OK)
            outcome = answer_table(c, end.body, "users", users, sizeof(users) / sizeof(*users));
    }
    control_end_done(&end);
    return outcome;
}

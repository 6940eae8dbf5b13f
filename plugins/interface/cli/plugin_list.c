/* plugin_list.c - aiex plugin list and the table of aiex plugin stats. */
#include "command.h"

#include "field.h"
#include "table.h"

#include <errno.h>
#include <strings.h>

struct list_column {
    struct table_column column;
    const char *key;
    enum field_form form;
};

static const struct list_column list[] = {
    {{"NAME", 0, 0, 1}, "name", FIELD_PLAIN},
    {{"STATE", 0, 0, 0}, "state", FIELD_PLAIN},
    {{"KIND", 0, 4, 0}, "kind", FIELD_PLAIN},
    {{"VERSION", 0, 7, 0}, "version", FIELD_PLAIN},
    {{"CELL", 0, 5, 1}, "cell", FIELD_PLAIN},
    {{"PID", 1, 2, 0}, "pid", FIELD_PLAIN},
    {{"UP", 1, 3, 0}, "uptime_ms", FIELD_DURATION},
    {{"RESTARTS", 1, 1, 0}, "restarts", FIELD_PLAIN},
    {{"LAST EXIT", 0, 8, 0}, "last_exit", FIELD_PLAIN},
    {{"RSS", 1, 2, 0}, "rss_bytes", FIELD_BYTES},
    {{"CALLS", 1, 6, 0}, "calls", FIELD_PLAIN},
    {{"ERRORS", 1, 6, 0}, "errors", FIELD_PLAIN},
    {{"SUMMARY", 0, 9, 1}, "summary", FIELD_PLAIN},
};

static const struct list_column stats[] = {
    {{"NAME", 0, 0, 1}, "name", FIELD_PLAIN},
    {{"CALLS", 1, 0, 0}, "calls", FIELD_PLAIN},
    {{"ERRORS", 1, 0, 0}, "errors", FIELD_PLAIN},
    {{"CRASHED", 1, 3, 0}, "crashed", FIELD_PLAIN},
    {{"REFUSED", 1, 3, 0}, "refused", FIELD_PLAIN},
    {{"CASTS", 1, 5, 0}, "casts", FIELD_PLAIN},
    {{"IN FLIGHT", 1, 2, 0}, "in_flight", FIELD_PLAIN},
    {{"WAITING", 1, 2, 0}, "waiting", FIELD_PLAIN},
    {{"MEAN US", 1, 1, 0}, "mean_us", FIELD_PLAIN},
    {{"IN", 1, 4, 0}, "bytes_in", FIELD_BYTES},
    {{"OUT", 1, 4, 0}, "bytes_out", FIELD_BYTES},
};

#define COLUMNS_MAX 16

/* One table: what array of the answer, which columns. */
struct listing {
    const char *array;
    const struct list_column *columns;
    size_t n;
    struct table *table;
};

static enum paint paint_of(const char *key, const char *text)
{
    static const struct {
        const char *state;
        enum paint paint;
    } states[] = {
        {"up", PAINT_GREEN},
        {"failed", PAINT_RED},
        {"stopped", PAINT_DIM},
    };

    if (strcmp(key, "state") != 0)
        return PAINT_NONE;
    for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++)
        if (strcasecmp(states[i].state, text) == 0)
            return states[i].paint;
    return PAINT_YELLOW;
}

static int add_row(void *arg, struct aiex_slice plugin)
{
    struct listing *l = arg;
    char text[FIELD_TEXT];

    if (table_row(l->table) != 0)
        return -ENOMEM;
    for (size_t i = 0; i < l->n; i++) {
        field_text(plugin, l->columns[i].key, l->columns[i].form, text);
        table_set(l->table, i, paint_of(l->columns[i].key, text), text);
    }
    return 0;
}

static enum outcome show_table(struct command *c, struct aiex_slice body, struct listing *l)
{
    struct table_column columns[COLUMNS_MAX];
    int failed;

    for (size_t i = 0; i < l->n; i++)
        columns[i] = l->columns[i].column;
    l->table = table_new(columns, l->n);
    failed = l->table ? field_each_item(body, l->array, add_row, l) : -ENOMEM;
    if (!failed)
        table_print(l->table, stdout, c->screen.width, c->screen.out_colour);
    else
        complain(&c->screen, "out of memory");
    table_free(l->table);
    return failed ? OUTCOME_FAILED : OUTCOME_OK;
}

enum outcome plugin_stats_table(struct command *c, struct aiex_slice body)
{
    struct listing l = {"instances", stats, sizeof(stats) / sizeof(*stats), NULL};

    return show_table(c, body, &l);
}

static int put_name(void *arg, struct aiex_slice plugin)
{
    struct cleaner cleaner = {0};
    struct aiex_slice name;

    if (aiex_get_str(plugin, "name", &name) == 1) {
        clean_write(&cleaner, stdout, name.data, name.len);
        putchar('\n');
    }
    return 0;
}

enum outcome verb_plugin_list(struct command *c)
{
    const struct command_call call = {.method = "host.plugins"};
    struct aiex_slice plugins;
    struct listing l = {"plugins", list, sizeof(list) / sizeof(*list), NULL};
    struct control_end end;
    enum outcome outcome = command_call(c, &call, &end);

    if (outcome != OUTCOME_OK)
        return outcome;
    if (aiex_get_whole(end.body, "plugins", &plugins) != 1) {
        complain(&c->screen, "host.plugins: the answer has no 'plugins'; is the host older?");
        outcome = OUTCOME_FAILED;
    } else if (command_wants_json(c)) {
        outcome = command_print_json(c, plugins);
    } else if (arguments_has(&c->args, "names")) {
        field_each_item(end.body, "plugins", put_name, NULL);
    } else {
        outcome = show_table(c, end.body, &l);
    }
    control_end_done(&end);
    return outcome;
}

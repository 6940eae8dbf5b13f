/* reference.c - the option reference, printed from the tables that do the work. */
#include "config/config.h"
#include "config/keys.h"

#include <string.h>

static const char *const type_names[] = {
    [AIEX_OPT_STRING] = "text",        [AIEX_OPT_INT] = "whole number",
    [AIEX_OPT_BOOL] = "yes or no",     [AIEX_OPT_SIZE] = "size",
    [AIEX_OPT_DURATION] = "duration",  [AIEX_OPT_CHOICE] = "choice",
    [AIEX_OPT_SECRET] = "secret text", [AIEX_OPT_REAL] = "number"};

/* Text in a cell of a table: bars would end it. */
static void print_cell(const char *text, FILE *out)
{
    for (; *text; text++) {
        if (*text == '|' || *text == '<')
            fputc('\\', out);
        fputc(*text, out);
    }
}

static void print_limits(const struct aiex_option *o, FILE *out)
{
    struct option_value low = {.whole = o->min, .real = (double)o->min};
    struct option_value high = {.whole = o->max, .real = (double)o->max};
    struct buf b;

    buf_init(&b, 256);
    if (o->type == AIEX_OPT_CHOICE) {
        for (int i = 0; o->choices[i]; i++)
            fprintf(out, "%s`%s`", i ? ", " : ": ", o->choices[i]);
    } else if ((o->min || o->max) && o->type != AIEX_OPT_STRING && o->type != AIEX_OPT_SECRET) {
        if (o->min != INT64_MIN && option_format(o, &low, &b) == 0)
            fprintf(out, ", from %s", (const char *)b.data);
        b.len = 0;
        if (o->max != INT64_MAX && option_format(o, &high, &b) == 0)
            fprintf(out, "%s%s", o->min != INT64_MIN ? " to " : ", to ", (const char *)b.data);
    }
    buf_done(&b);
}

static void print_table(const struct aiex_option *options, FILE *out)
{
    fprintf(out, "| key | value | default | meaning |\n|---|---|---|---|\n");
    for (; options->name; options++) {
        fprintf(out, "| `%s` | %s%s", options->name, type_names[options->type],
                option_is_family(options) ? ", for each key with this prefix" : "");
        print_limits(options, out);
        if (options->flags & AIEX_OPT_REQUIRED)
            fprintf(out, " | required | ");
        else if (options->def && *options->def)
            fprintf(out, " | `%s` | ", options->def);
        else
            fprintf(out, " | | ");
        print_cell(options->help ? options->help : "", out);
        fprintf(out, "%s |\n", options->flags & AIEX_OPT_RELOADABLE ? " (reloadable)" : "");
    }
    fputc('\n', out);
}

void config_reference(struct plugin_info *const *infos, size_t n, FILE *out)
{
    static const struct {
        const char *head, *text;
        const struct aiex_option *keys;
    } sections[] = {
        {"[host]", "The host itself.", host_keys},
        {"[PLUGIN] and [PLUGIN:NAME]",
         "Keys of every instance that belong to the host. `timeout`, `queue`, `priority` and "
         "`workers` are the plugin's when its own table has them.",
         instance_keys},
        {"[cell:NAME]", "A process that instances share by `cell = NAME`.", cell_keys},
        {"[group:NAME]", "Instances that are restarted together.", group_keys},
        {"[job:NAME]", "A call made by the clock.", job_keys}};

    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
        fprintf(out, "## `%s`\n%s\n\n", sections[i].head, sections[i].text);
        print_table(sections[i].keys, out);
    }
    fprintf(out, "## `[settings]` and `[settings:GROUP]`\nFree keys: hot values that plugins read "
                 "by name (`key`, `GROUP.key`).\n\n");
    for (size_t i = 0; i < n; i++) {
        fprintf(out, "## `[%s]`\n", infos[i]->name);
        print_cell(infos[i]->summary, out);
        fprintf(out, " (%s, version %s)\n\n", infos[i]->kind, infos[i]->version);
        if (infos[i]->n_options)
            print_table(infos[i]->options, out);
        else
            fprintf(out, "No options.\n\n");
    }
}

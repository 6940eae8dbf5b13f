/* cells.c - from instances and [cell:NAME] sections to cells. */
#include "config/cells.h"

#include "config/keys.h"
#include "config/sections.h"

#include <string.h>

#define CELL_SECTION "cell:"

static const struct config_section *section_of(const struct config *config, const char *cell)
{
    const struct config_sections *s = config->sections;

    for (size_t i = 0; i < s->n; i++)
        if (strncmp(s->list[i].name, CELL_SECTION, strlen(CELL_SECTION)) == 0 &&
            strcmp(s->list[i].name + strlen(CELL_SECTION), cell) == 0)
            return &s->list[i];
    return NULL;
}

static int owns_cell(const struct config_instance *in)
{
    return strcmp(in->keys.cell, in->name) == 0;
}

static void refuse_misplaced(const struct config_instance *in, struct report *report)
{
    for (size_t i = 0; i < in->section->n; i++) {
        const struct config_pair *p = &in->section->pairs[i];
        unsigned rules = key_rules(p->key);

        /* a key that yielded is the plugin's */
        if ((rules & KEY_YIELDS) && in->info &&
            option_find(in->info->options, sizeof(struct aiex_option), p->key) >= 0)
            continue;
        if (rules & KEY_OWN_CELL)
            report_error(report, p->at, in->name, "%s needs a cell of its own; remove cell = %s",
                         p->key, in->keys.cell);
        else if ((rules & KEY_OF_CELL) && strcmp(in->keys.cell, CONFIG_HOST_CELL) == 0)
            report_error(report, p->at, in->name, "%s does not hold inside the host; remove it",
                         p->key);
        else if (rules & KEY_OF_CELL)
            report_error(report, p->at, in->name,
                         "%s belongs to the shared cell; write it into [cell:%s]", p->key,
                         in->keys.cell);
    }
}

/* The enabled instance that a shared cell was declared with. */
static const struct config_instance *first_of(const struct config *config, const char *cell)
{
    for (size_t i = 0; i < config->n_instances; i++)
        if (config->instances[i].keys.enabled && !strcmp(config->instances[i].keys.cell, cell))
            return &config->instances[i];
    return NULL;
}

/* A cell starts and ends as one: what its first instance says about that holds for all. */
static void refuse_different(const struct config *config, const struct config_instance *in,
                             struct report *report)
{
    static const char *const names[] = {"restart", "group", "max_restarts",
                                        "period",  "start_deadline", "drain_deadline"};
    const struct config_instance *first = first_of(config, in->keys.cell);

    for (size_t i = 0; first && first != in && i < sizeof(names) / sizeof(names[0]); i++) {
        const struct aiex_option *key = &instance_keys[key_find(instance_keys, names[i])];
        const struct config_pair *p = section_get(in->section, names[i]);
        struct option_value a = option_read(key, &in->keys), b = option_read(key, &first->keys);

        if (p && (a.whole != b.whole || (a.text && b.text && strcmp(a.text, b.text) != 0)))
            report_error(report, p->at, in->name,
                         "%s = '%s': cell '%s' starts and ends as one, and [%s] in it says another",
                         p->key, p->text, in->keys.cell, first->name);
    }
}

/* The cell of an enabled instance, made on first use. The section was checked when it was loaded,
 * so what is read again here goes to no report. */
static struct config_cell *cell_of(struct config *config, const struct config_instance *in)
{
    const struct config_section *section = section_of(config, in->keys.cell);
    struct config_keys keys = {.hang_ms = 0};
    struct config_cell *cell;
    struct report known;

    for (size_t i = 0; i < config->n_cells; i++)
        if (strcmp(config->cells[i].name, in->keys.cell) == 0)
            return &config->cells[i];
    report_init(&known);
    keys_fill(cell_keys, section, &keys, &known);
    report_done(&known);
    cell = &config->cells[config->n_cells++];
    *cell = (struct config_cell){.name = in->keys.cell,
                                 .is_shared = 1,
                                 .sandbox = keys.sandbox,
                                 .limit_memory_bytes = keys.limit_memory_bytes,
                                 .limit_files = keys.limit_files,
                                 .limit_threads = keys.limit_threads,
                                 .priority = keys.priority,
                                 .hang_ms = keys.hang_ms,
                                 .at = section ? section->at : in->at};
    return cell;
}

/* What the owner of a cell says goes before its [cell:] section. */
static void take_owner(struct config_cell *cell, const struct config_instance *in)
{
    const struct {
        const char *key;
        int64_t *to, from;
    } fields[] = {{"sandbox", &cell->sandbox, in->keys.sandbox},
                  {"limit_memory", &cell->limit_memory_bytes, in->keys.limit_memory_bytes},
                  {"limit_files", &cell->limit_files, in->keys.limit_files},
                  {"limit_threads", &cell->limit_threads, in->keys.limit_threads},
                  {"hang", &cell->hang_ms, in->keys.hang_ms}};

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (section_get(in->section, fields[i].key))
            *fields[i].to = fields[i].from;
    if (in->keys.priority)
        cell->priority = in->keys.priority;
    cell->is_shared = 0;
}

static void give_back(struct config_keys *keys, const struct config_cell *cell)
{
    keys->sandbox = cell->sandbox;
    keys->limit_memory_bytes = cell->limit_memory_bytes;
    keys->limit_files = cell->limit_files;
    keys->limit_threads = cell->limit_threads;
    keys->priority = cell->priority;
    keys->hang_ms = cell->hang_ms;
}

static void warn_unused(const struct config *config, struct report *report)
{
    const struct config_sections *s = config->sections;

    for (size_t i = 0; i < s->n; i++)
        if (strncmp(s->list[i].name, CELL_SECTION, strlen(CELL_SECTION)) == 0 &&
            !config_find_cell(config, s->list[i].name + strlen(CELL_SECTION)))
            report_warning(report, s->list[i].at, s->list[i].name, "no enabled instance uses it");
}

/* All options of a cell travel in one message (wire/start.h). */
static void check_texts(const struct config *config, const struct config_instance *in,
                        struct report *report)
{
    size_t before = 0, own = 0;

    for (const struct config_instance *it = config->instances; it <= in; it++) {
        before += own;
        own = 0;
        if (it->keys.enabled && strcmp(it->keys.cell, in->keys.cell) == 0)
            for (size_t i = 0; i < it->n_options; i++)
                own += strlen(it->options[i].name) + strlen(it->options[i].text);
    }
    if (before <= CONFIG_CELL_TEXT_MAX && before + own > CONFIG_CELL_TEXT_MAX)
        report_error(report, in->at, in->name,
                     "the options of cell '%s' are %zu bytes long, more than %u together; shorten "
                     "them, or give instances cells of their own",
                     in->keys.cell, before + own, CONFIG_CELL_TEXT_MAX);
}

void cells_complete(struct config *config, struct report *report)
{
    for (size_t i = 0; i < config->n_instances; i++) {
        struct config_instance *in = &config->instances[i];
        struct config_cell *cell;

        if (!owns_cell(in))
            refuse_misplaced(in, report);
        if (in->keys.enabled && strcmp(in->keys.cell, CONFIG_HOST_CELL) != 0)
            refuse_different(config, in, report);
        if (in->keys.enabled)
            check_texts(config, in, report);
        if (!in->keys.enabled || strcmp(in->keys.cell, CONFIG_HOST_CELL) == 0)
            continue;
        cell = cell_of(config, in);
        cell->n_instances++;
        if (owns_cell(in))
            take_owner(cell, in);
    }
    for (size_t i = 0; i < config->n_cells; i++)
        if (config->cells[i].hang_ms == 0)
            config->cells[i].hang_ms = config->host.hang_ms;
    for (size_t i = 0; i < config->n_instances; i++) {
        const struct config_cell *cell = config_find_cell(config, config->instances[i].keys.cell);

        if (cell)
            give_back(&config->instances[i].keys, cell);
        else if (config->instances[i].keys.hang_ms == 0)
            config->instances[i].keys.hang_ms = config->host.hang_ms;
    }
    warn_unused(config, report);
}

/* config.c - asking a configuration, and freeing it. */
#include "config/config.h"

#include "config/sections.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct config_instance *config_find(const struct config *config, const char *instance)
{
    for (size_t i = 0; i < config->n_instances; i++)
        if (strcmp(config->instances[i].name, instance) == 0)
            return &config->instances[i];
    return NULL;
}

const struct config_cell *config_find_cell(const struct config *config, const char *cell)
{
    for (size_t i = 0; i < config->n_cells; i++)
        if (strcmp(config->cells[i].name, cell) == 0)
            return &config->cells[i];
    return NULL;
}

const char *config_effective(const struct config_instance *instance, const char *option)
{
    int at;

    for (size_t i = 0; i < instance->n_options; i++)
        if (strcmp(instance->options[i].name, option) == 0)
            return instance->options[i].text;
    at = instance->info ? option_find(instance->info->options, sizeof(struct aiex_option), option)
                        : -1;
    if (at < 0 || !instance->info->options[at].def ||
        value_is_reference(instance->info->options[at].def))
        return NULL;
    return instance->info->options[at].def;
}

int config_set_text(struct config *config, struct config_option *option, const char *text)
{
    const char *copy = arena_copy(&config->sections->arena, text, strlen(text));

    if (!copy)
        return -ENOMEM;
    option->text = copy;
    return 0;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->n_instances; i++)
        plugin_info_unref(config->instances[i].info);
    if (config->sections)
        sections_done(config->sections);
    free(config->sections);
    free(config);
}

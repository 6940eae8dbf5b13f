/* config.c - defaults, --set, and something plausible for what is required. */
#include "config.h"

#include <string.h>

const struct aiex_option *config_option(const struct aiex_plugin *p, size_t i)
{
    const char *base = (const char *)p->options;
    const struct aiex_option *o;

    if (!base || i >= CONFIG_MAX)
        return NULL;
    o = (const struct aiex_option *)(const void *)(base + i * p->option_size);
    return o->name ? o : NULL;
}

static const char *plausible_text(const char *name)
{
    if (strstr(name, "url"))
        return "http://127.0.0.1:9";
    if (strstr(name, "listen") || strstr(name, "address"))
        return "127.0.0.1:0";
    if (strstr(name, "path") || strstr(name, "dir") || strstr(name, "root"))
        return "/tmp";
    return "check";
}

static const char *plausible(const struct aiex_option *o)
{
    switch (o->type) {
    case AIEX_OPT_BOOL:
        return "no";
    case AIEX_OPT_CHOICE:
        return o->choices && o->choices[0] ? o->choices[0] : "";
    case AIEX_OPT_INT:
    case AIEX_OPT_SIZE:
    case AIEX_OPT_REAL:
        return "1";
    case AIEX_OPT_DURATION:
        return "1s";
    default:
        return plausible_text(o->name);
    }
}

static const char *given(const struct check *c, const char *name)
{
    for (size_t i = 0; i < c->plan->n_sets; i++) {
        if (strcmp(c->plan->sets[i][0], name) == 0)
            return c->plan->sets[i][1];
    }
    return NULL;
}

static int is_option(const struct check *c, const char *name)
{
    const struct aiex_option *o;

    for (size_t i = 0; (o = config_option(c->plugin, i)) != NULL; i++)
        if (strcmp(o->name, name) == 0)
            return 1;
    return 0;
}

void config_with(const struct check *c, const char *name, const char *text,
                 struct config *ret_config)
{
    const struct aiex_option *o;

    memset(ret_config, 0, sizeof(*ret_config));
    for (size_t i = 0; (o = config_option(c->plugin, i)) != NULL; i++) {
        const char *value = name && strcmp(o->name, name) == 0 ? text : given(c, o->name);

        if (!value && (o->flags & AIEX_OPT_REQUIRED))
            value = plausible(o);
        if (value)
            ret_config->pairs[ret_config->n++] = (struct aiex_fake_pair){o->name, value};
    }
    /* a key of a family */
    if (name && !is_option(c, name) && ret_config->n < CONFIG_MAX)
        ret_config->pairs[ret_config->n++] = (struct aiex_fake_pair){name, text};
    /* names that are no options are passed on: keys of families, and what the parser refuses with
     * its sentence */
    for (size_t i = 0; i < c->plan->n_sets && ret_config->n < CONFIG_MAX; i++) {
        if (!is_option(c, c->plan->sets[i][0]))
            ret_config->pairs[ret_config->n++] = (struct aiex_fake_pair){c->plan->sets[i][0],
                                                                         c->plan->sets[i][1]};
    }
}

void config_fill(const struct check *c, struct config *ret_config)
{
    config_with(c, NULL, NULL, ret_config);
}

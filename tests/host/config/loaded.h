/* loaded.h - a configuration from texts of a test, against the sample plugin. */
#ifndef AIEX_TEST_CONFIG_LOADED_H
#define AIEX_TEST_CONFIG_LOADED_H

#include "folder.h"
#include "sample.h"

struct loaded {
    struct config *config;
    struct report report;
    struct plugin_info *info;
};

/* One file named c.ini; plugin NULL = the sample; secret NULL = there is no vault. */
static inline void load_with(struct loaded *l, const char *text, const struct aiex_plugin *plugin,
                             const char *const *env, value_secret_fn secret)
{
    const struct config_load_options options = {.node = "n",
                                                .plugin_dir = ".",
                                                .env = fake_env,
                                                .env_arg = (void *)env,
                                                .secret = secret};
    struct ini ini;

    *l = (struct loaded){0};
    report_init(&l->report);
    ini_init(&ini);
    CU_ASSERT_EQUAL_FATAL(ini_read_bytes(&ini, "c.ini", text, strlen(text), &l->report), 0);
    CU_ASSERT_EQUAL_FATAL(config_load_ini(&ini, ".", &options, &l->config, &l->report), 0);
    ini_done(&ini);
    l->info = sample_info(plugin ? plugin : &sample_plugin);
    CU_ASSERT_PTR_NOT_NULL_FATAL(l->info);
    CU_ASSERT_EQUAL_FATAL(config_validate(l->config, sample_lookup, l->info, &l->report), 0);
}

static inline void load_text(struct loaded *l, const char *text, const struct aiex_plugin *plugin,
                             const char *const *env)
{
    load_with(l, text, plugin, env, NULL);
}

static inline void unload(struct loaded *l)
{
    config_free(l->config);
    plugin_info_unref(l->info);
    report_done(&l->report);
}

#endif

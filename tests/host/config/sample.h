/* sample.h - a plugin's descriptor for tests, and a lookup that knows it by two names. */
#ifndef AIEX_TEST_CONFIG_SAMPLE_H
#define AIEX_TEST_CONFIG_SAMPLE_H

#include "config/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct sample_config {
    const char *base_url, *model, *api_key;
    int64_t timeout_ms, retries, verbose, max_bytes, mode;
    double temperature;
};

static const char *const sample_modes[] = {"fast", "careful", "offline", NULL};

#define SAMPLE_AT(field) offsetof(struct sample_config, field)

static const struct aiex_option sample_options[] = {
    {"base_url", "${SAMPLE_URL:-http://localhost}", "where", AIEX_OPT_STRING, 0, 0, 0, NULL,
     SAMPLE_AT(base_url)},
    {"model", NULL, "which", AIEX_OPT_STRING, AIEX_OPT_REQUIRED | AIEX_OPT_RELOADABLE, 0, 0, NULL,
     SAMPLE_AT(model)},
    {"api_key", "${SAMPLE_KEY}", "key", AIEX_OPT_SECRET, 0, 0, 0, NULL, SAMPLE_AT(api_key)},
    {"timeout", "30s", "limit | of a call", AIEX_OPT_DURATION, AIEX_OPT_RELOADABLE, 1000, 600000,
     NULL, SAMPLE_AT(timeout_ms)},
    {"retries", "2", "again", AIEX_OPT_INT, 0, 0, 10, NULL, SAMPLE_AT(retries)},
    {"verbose", "no", "talk", AIEX_OPT_BOOL, AIEX_OPT_RELOADABLE, 0, 0, NULL, SAMPLE_AT(verbose)},
    {"max_bytes", "64k", "size", AIEX_OPT_SIZE, 0, 1024, 1 << 30, NULL, SAMPLE_AT(max_bytes)},
    {"mode", "fast", "how", AIEX_OPT_CHOICE, 0, 0, 0, sample_modes, SAMPLE_AT(mode)},
    {"temperature", "0.7", "heat", AIEX_OPT_REAL, AIEX_OPT_RELOADABLE, 0, 2, NULL,
     SAMPLE_AT(temperature)},
    {0}};

static inline int sample_create(const struct aiex_host *host, const void *config, void **ret_self,
                                struct aiex_error *err)
{
    return -ENOSYS;
}

static inline int sample_reload(void *self, const void *config, struct aiex_error *err)
{
    return -ENOSYS;
}

static const struct aiex_plugin sample_plugin = {.magic = AIEX_ABI_MAGIC,
                                                 .struct_size = sizeof(struct aiex_plugin),
                                                 .abi_major = AIEX_ABI_MAJOR,
                                                 .abi_minor = AIEX_ABI_MINOR,
                                                 .option_size = sizeof(struct aiex_option),
                                                 .name = "provider_sample",
                                                 .version = "1.0.0",
                                                 .summary = "answers with samples",
                                                 .kind = "provider/1",
                                                 .options = sample_options,
                                                 .config_size = sizeof(struct sample_config),
                                                 .needs = AIEX_NEED_HTTP,
                                                 .create = sample_create,
                                                 .reload = sample_reload};

/* The descriptor as it comes from a probe; NULL when it was refused. */
static inline struct plugin_info *sample_info(const struct aiex_plugin *plugin)
{
    static uint8_t mem[65536];
    struct plugin_info *info = NULL;
    struct aiex_error err = {""};
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    plugin_info_pack(plugin, &w);
    if (plugin_info_unpack(aiex_written(&w), &info, &err) != 0)
        fprintf(stderr, "sample refused: %s\n", err.text);
    return info;
}

/* arg: the info that "provider_sample" and "provider_other" are. */
static inline int sample_lookup(void *arg, const char *plugin, struct plugin_info **ret,
                                struct aiex_error *err)
{
    if (strcmp(plugin, "provider_sick") == 0) {
        (void)snprintf(err->text, sizeof(err->text), "built for plugin ABI 2.0");
        return -EPROTONOSUPPORT;
    }
    if (strcmp(plugin, "provider_sample") != 0 && strcmp(plugin, "provider_other") != 0)
        return -ENOENT;
    *ret = arg;
    return 0;
}

#endif

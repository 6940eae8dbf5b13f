/* link: aiex_config aiex_base */
/*
 * fuzz_ini.c - configuration files from foreign bytes, through everything that config does with
 * them. A byte 0x1e divides the input into two files. Promised: no crash, an error or a sound
 * configuration, shown texts are lines, and a configuration does not differ from itself.
 */
#include "config/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fields {
    const char *text, *secret, *family;
    int64_t n, on, bytes, ms, choice;
    double real;
};

static const char *const words[] = {"one", "two", NULL};

#define AT(field) offsetof(struct fields, field)

static const struct aiex_option options[] = {
    {"text", "${E:-x}", "", AIEX_OPT_STRING, 0, 0, 0, NULL, AT(text)},
    {"secret", "${S}", "", AIEX_OPT_SECRET, 0, 0, 0, NULL, AT(secret)},
    {"f.*", NULL, "", AIEX_OPT_SECRET, 0, 0, 0, NULL, AT(family)},
    {"n", "1", "", AIEX_OPT_INT, AIEX_OPT_RELOADABLE, -5, 100, NULL, AT(n)},
    {"on", "no", "", AIEX_OPT_BOOL, 0, 0, 0, NULL, AT(on)},
    {"bytes", "1k", "", AIEX_OPT_SIZE, 0, 0, 1 << 20, NULL, AT(bytes)},
    {"timeout", "1s", "", AIEX_OPT_DURATION, AIEX_OPT_RELOADABLE, 0, 0, NULL, AT(ms)},
    {"choice", NULL, "", AIEX_OPT_CHOICE, AIEX_OPT_REQUIRED, 0, 0, words, AT(choice)},
    {"real", "0.5", "", AIEX_OPT_REAL, 0, 0, 2, NULL, AT(real)},
    {0}};

static const struct aiex_plugin plugin = {.option_size = sizeof(struct aiex_option),
                                          .abi_major = AIEX_ABI_MAJOR,
                                          .name = "a",
                                          .version = "1",
                                          .summary = "s",
                                          .kind = "service/1",
                                          .options = options,
                                          .config_size = sizeof(struct fields)};

static struct plugin_info *make_info(void)
{
    struct plugin_info *info = NULL;
    struct aiex_writer w;
    uint8_t mem[4096];

    aiex_writer_init(&w, mem, sizeof(mem));
    plugin_info_pack(&plugin, &w);
    if (plugin_info_unpack(aiex_written(&w), &info, NULL) != 0)
        abort();
    return info;
}

static int look_up(void *arg, const char *name, struct plugin_info **ret, struct aiex_error *err)
{
    if (strlen(name) > 2)
        return -ENOENT;
    *ret = arg;
    return 0;
}

static const char *env(void *arg, const char *name)
{
    return strcmp(name, "E") == 0 ? "\xff\n${E}" : strcmp(name, "S") == 0 ? "sekret" : NULL;
}

static void check_sound(const struct config *config)
{
    struct config_diff diff;

    if (config_diff(config, config, &diff) != 0)
        abort();
    for (size_t i = 0; i < diff.n; i++)
        if (diff.changes[i].change != CONFIG_SAME)
            abort();
    config_diff_done(&diff);
    for (size_t i = 0; i < config->n_instances; i++) {
        const struct config_instance *in = &config->instances[i];
        struct option_text *given = calloc(in->n_options + 1, sizeof(*given));
        struct option_values *values = NULL;

        for (size_t k = 0; k < in->n_options; k++)
            given[k] = (struct option_text){in->options[k].name, in->options[k].text};
        /* what the host found sound, the runner takes */
        if (in->keys.enabled &&
            option_values_new(in->info->options, sizeof(struct aiex_option), in->info->config_size,
                              given, in->n_options, &values, NULL) != 0)
            abort();
        option_values_free(values);
        free(given);
    }
}

static void check_shown(const struct config *config)
{
    struct aiex_writer w;
    struct buf b;

    buf_init(&b, 16u << 20);
    (void)config_show(config, NULL, &b);
    for (size_t i = 0; i < b.len; i++)
        if (b.data[i] != '\n' && b.data[i] != '\t' && b.data[i] < 0x20)
            abort();
    buf_done(&b);
    aiex_writer_init(&w, NULL, 0);
    config_pack(config, &w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct plugin_info *info;
    const struct config_load_options load = {.node = "n", .plugin_dir = "/nonexistent", .env = env};
    const uint8_t *cut = size ? memchr(data, 0x1e, size) : NULL;
    struct config *config = NULL;
    struct report report;
    struct ini ini;
    size_t first = cut ? (size_t)(cut - data) : size;

    if (!info)
        info = make_info();
    report_init(&report);
    ini_init(&ini);
    if (ini_read_bytes(&ini, "1.ini", data, first, &report) != 0 ||
        (cut && ini_read_bytes(&ini, "2.ini", cut + 1, size - first - 1, &report) != 0) ||
        config_load_ini(&ini, "/nonexistent", &load, &config, &report) != 0 ||
        config_validate(config, look_up, info, &report) != 0)
        abort();
    if (report.n_errors == 0)
        check_sound(config);
    check_shown(config);
    config_free(config);
    ini_done(&ini);
    report_done(&report);
    return 0;
}

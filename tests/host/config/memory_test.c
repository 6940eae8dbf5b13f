/*
 * memory_test.c - every allocation of the room fails once, in turn. Each run must end
 * with -ENOMEM or do without, leak nothing (the sanitizer tells) and keep its promises.
 */
#include "test.h"

#include "loaded.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t n);

static long left = -1; /* allocations until one fails; below 0: never */

static int fails(void)
{
    return left >= 0 && left-- == 0;
}

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t n)
{
    return fails() ? NULL : __real_realloc(old, n);
}

static const char text[] = "[host]\nnode = n\n[settings]\na = ${NONE:-1}\n[group:g]\n"
                           "[job:j]\ncron = 1\nservice = s\nmethod = m\n"
                           "[provider_sample:x]\nmodel = m\ngroup = g\nwrong = 1\n"
                           "[provider_sample:y]\nmodel = m\nretries = x\nworkers = 2\n";

static const char families[] = "[provider_sample:x]\nalias.a = ${NONE:-1}\nalias.b = 2\n"
                               "alais.c = 3\n[provider_sample:y]\nwrong = 1\n";

static int load(const char *bytes, struct report *report, struct plugin_info *info,
                struct config **ret)
{
    struct ini ini;
    int r;

    ini_init(&ini);
    r = ini_read_bytes(&ini, "m.ini", bytes, strlen(bytes), report);
    if (r == 0)
        r = config_load_ini(&ini, ".", NULL, ret, report);
    ini_done(&ini);
    return r ? r : config_validate(*ret, sample_lookup, info, report);
}

/* Two errors are in the bytes. */
static void every_allocation(const struct aiex_plugin *plugin, const char *bytes)
{
    struct plugin_info *info = sample_info(plugin);
    size_t failed = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(info);
    for (long n = 0;; n++) {
        struct config *config = NULL;
        struct report report;
        int r, reached;

        report_init(&report);
        left = n;
        r = load(bytes, &report, info, &config);
        reached = left < 0;
        left = -1;
        CU_ASSERT(r == 0 || r == -ENOMEM);
        /* errors are counted even when there is no memory for their text */
        CU_ASSERT(r != 0 || report.n_errors == 2);
        failed += r == -ENOMEM;
        config_free(config);
        report_done(&report);
        if (!reached)
            break;
        CU_ASSERT_FATAL(n < 10000);
    }
    CU_ASSERT(failed > 10);
    CU_ASSERT_EQUAL(info->refs, 1);
    plugin_info_unref(info);
}

static void a_configuration(void)
{
    every_allocation(&sample_plugin, text);
}

static void a_family(void)
{
    static const struct aiex_option options[] = {
        {"alias.*", NULL, "", AIEX_OPT_STRING, 0, 0, 0, NULL, 0}, {0}};
    struct aiex_plugin plugin = sample_plugin;

    plugin.options = options;
    every_allocation(&plugin, families);
}

static void a_descriptor(void)
{
    static uint8_t mem[65536];
    struct aiex_writer w;
    size_t failed = 0;

    aiex_writer_init(&w, mem, sizeof(mem));
    plugin_info_pack(&sample_plugin, &w);
    for (long n = 0;; n++) {
        struct plugin_info *info = NULL;
        struct aiex_error err;
        int r, reached;

        left = n;
        r = plugin_info_unpack(aiex_written(&w), &info, &err);
        reached = left < 0;
        left = -1;
        CU_ASSERT_EQUAL(r, reached ? -ENOMEM : 0);
        CU_ASSERT(reached ? info == NULL : info != NULL);
        failed += r != 0;
        plugin_info_unref(info);
        if (!reached)
            break;
        CU_ASSERT_FATAL(n < 100);
    }
    CU_ASSERT_EQUAL(failed, 4); /* object, texts, options, choices */
}

static void a_struct(void)
{
    const struct option_text given[] = {{"model", "m"}};
    size_t failed = 0;

    for (long n = 0;; n++) {
        struct option_values *values = NULL;
        struct aiex_error err = {""};
        int r, reached;

        left = n;
        r = option_values_new(sample_options, sizeof(struct aiex_option),
                              sizeof(struct sample_config), given, 1, &values, &err);
        reached = left < 0;
        left = -1;
        CU_ASSERT_EQUAL(r, reached ? -ENOMEM : 0);
        CU_ASSERT(r == 0 || (*err.text && !values));
        failed += r != 0;
        option_values_free(values);
        if (!reached)
            break;
        CU_ASSERT_FATAL(n < 100);
    }
    CU_ASSERT(failed > 3);
}

static void a_text_to_show(void)
{
    struct loaded l;

    load_text(&l, "[provider_sample:x]\nmodel = m\n", NULL, NULL);
    for (long n = 0;; n++) {
        struct config_diff d;
        struct buf b;
        int shown, compared, reached;

        buf_init(&b, 1 << 20);
        left = n;
        shown = config_show(l.config, NULL, &b);
        compared = config_diff(l.config, l.config, &d);
        reached = left < 0;
        left = -1;
        CU_ASSERT_EQUAL(shown != 0 || compared != 0, reached);
        CU_ASSERT((shown == 0 || shown == -ENOMEM) && (compared == 0 || compared == -ENOMEM));
        if (compared == 0)
            config_diff_done(&d);
        buf_done(&b);
        if (!reached)
            break;
        CU_ASSERT_FATAL(n < 1000);
    }
    unload(&l);
}

const struct test_case tests[] = {{"a configuration", a_configuration},
                                  {"a family", a_family},
                                  {"a descriptor", a_descriptor},
                                  {"a struct", a_struct},
                                  {"a text to show", a_text_to_show},
                                  {0}};

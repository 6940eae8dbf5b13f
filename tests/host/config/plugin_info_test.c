#include "test.h"

#include "config/option.h"
#include "config/plugin_info.h"
#include "sample.h"

#include <stdlib.h>

static uint8_t packed[65536];

static struct aiex_slice pack(const struct aiex_plugin *plugin)
{
    struct aiex_writer w;

    aiex_writer_init(&w, packed, sizeof(packed));
    plugin_info_pack(plugin, &w);
    CU_ASSERT_EQUAL(w.failed, 0);
    return aiex_written(&w);
}

/* From memory that ends with the bytes, so that the sanitizer sees every step too far. */
static int unpack(const void *bytes, size_t n, struct plugin_info **ret, struct aiex_error *err)
{
    uint8_t *exact = malloc(n ? n : 1);
    int r;

    CU_ASSERT_PTR_NOT_NULL_FATAL(exact);
    if (n)
        memcpy(exact, bytes, n);
    r = plugin_info_unpack((struct aiex_slice){exact, n}, ret, err);
    free(exact);
    return r;
}

static void goes_there_and_back(void)
{
    struct aiex_slice s = pack(&sample_plugin);
    struct plugin_info *info = NULL;
    struct aiex_error err = {""};

    CU_ASSERT_EQUAL_FATAL(unpack(s.data, s.len, &info, &err), 0);
    CU_ASSERT_STRING_EQUAL(info->name, "provider_sample");
    CU_ASSERT_STRING_EQUAL(info->version, "1.0.0");
    CU_ASSERT_STRING_EQUAL(info->summary, "answers with samples");
    CU_ASSERT_STRING_EQUAL(info->kind, "provider/1");
    CU_ASSERT_EQUAL(info->needs, AIEX_NEED_HTTP);
    CU_ASSERT_EQUAL(info->abi_major, AIEX_ABI_MAJOR);
    CU_ASSERT_EQUAL(info->config_size, sizeof(struct sample_config));
    CU_ASSERT_EQUAL(info->has_reload, 1);
    CU_ASSERT_EQUAL(info->has_drain, 0);
    CU_ASSERT_EQUAL_FATAL(info->n_options, 9);
    CU_ASSERT_PTR_NULL(info->options[9].name);
    for (size_t i = 0; i < 9; i++) {
        const struct aiex_option *a = &sample_options[i], *b = &info->options[i];

        CU_ASSERT_STRING_EQUAL(a->name, b->name);
        CU_ASSERT_STRING_EQUAL(a->def ? a->def : "-", b->def ? b->def : "-");
        CU_ASSERT_STRING_EQUAL(a->help, b->help);
        CU_ASSERT(a->type == b->type && a->flags == b->flags && a->offset == b->offset &&
                  a->min == b->min && a->max == b->max);
    }
    CU_ASSERT_STRING_EQUAL(info->options[7].choices[2], "offline");
    CU_ASSERT_PTR_NULL(info->options[7].choices[3]);
    CU_ASSERT_PTR_EQUAL(plugin_info_ref(info), info);
    plugin_info_unref(info);
    CU_ASSERT_STRING_EQUAL(info->name, "provider_sample");
    plugin_info_unref(info);
    plugin_info_unref(NULL);
}

static void too_small_memory_is_told(void)
{
    struct aiex_slice s = pack(&sample_plugin);
    struct aiex_writer w;
    uint8_t mem[16];

    aiex_writer_init(&w, mem, sizeof(mem));
    plugin_info_pack(&sample_plugin, &w);
    CU_ASSERT_EQUAL(w.failed, 1);
    CU_ASSERT_EQUAL(w.len, s.len);
}

static void every_cut_is_refused(void)
{
    struct aiex_slice s = pack(&sample_plugin);
    struct plugin_info *info = NULL;
    struct aiex_error err;

    for (size_t n = 0; n < s.len; n++)
        CU_ASSERT_EQUAL(unpack(s.data, n, &info, &err), -EINVAL);
    CU_ASSERT_PTR_NULL(info);
}

/* Every byte, several other values: refused or sound, never more than the bytes. */
static void every_changed_byte_is_survived(void)
{
    static const uint8_t values[] = {0x00, 0x7f, 0x80, 0x8f, 0x9f, 0xbf, 0xc0, 0xc1,
                                     0xc4, 0xcf, 0xd3, 0xd9, 0xdb, 0xdd, 0xdf, 0xff};
    struct aiex_slice s = pack(&sample_plugin);
    static uint8_t copy[65536];
    size_t sound = 0, refused = 0;
    struct aiex_error err;

    for (size_t i = 0; i < s.len; i++)
        for (size_t v = 0; v < sizeof(values); v++) {
            struct plugin_info *info = NULL;

            memcpy(copy, s.data, s.len);
            copy[i] = values[v];
            if (unpack(copy, s.len, &info, &err) != 0) {
                refused++;
                continue;
            }
            sound++;
            CU_ASSERT_EQUAL(option_table_check(info->options, sizeof(struct aiex_option),
                                               info->config_size, &err),
                            0);
            plugin_info_unref(info);
        }
    CU_ASSERT(sound > 0 && refused > sound);
}

static void refuse_text(const char *what, const char *name, const char *version,
                        const char *summary, const char *kind)
{
    struct aiex_plugin p = sample_plugin;
    struct plugin_info *info = NULL;
    struct aiex_error err = {""};
    struct aiex_slice s;

    p.name = name;
    p.version = version;
    p.summary = summary;
    p.kind = kind;
    CU_ASSERT_EQUAL(plugin_info_check(&p, &err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, what));
    s = pack(&p);
    err.text[0] = 0;
    CU_ASSERT_EQUAL(unpack(s.data, s.len, &info, &err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, what));
}

static void hostile_texts_are_refused(void)
{
    char long_text[300];

    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = 0;
    refuse_text("name", "../evil", "1", "s", "provider/1");
    refuse_text("name", "a/b", "1", "s", "provider/1");
    refuse_text("name", "", "1", "s", "provider/1");
    refuse_text("name", long_text, "1", "s", "provider/1");
    refuse_text("version", "a_b", "1\x1b[2J", "s", "provider/1");
    refuse_text("summary", "a_b", "1", "\xff\xfe", "provider/1");
    refuse_text("summary", "a_b", "1", long_text, "provider/1");
    refuse_text("kind", "a_b", "1", "s", "provider");
    refuse_text("kind", "a_b", "1", "s", "provider/");
    refuse_text("kind", "a_b", "1", "s", "provider/1x");
    refuse_text("kind", "a_b", "1", "s", "/1");
}

static void hostile_tables_are_refused(void)
{
    static struct aiex_option table[OPTION_MAX_COUNT + 2];
    static const char *words[OPTION_MAX_CHOICES + 2];
    static char names[OPTION_MAX_COUNT + 1][16];
    struct aiex_plugin p = sample_plugin;
    struct plugin_info *info = NULL;
    struct aiex_error err;
    struct aiex_slice s;

    p.options = table;
    for (size_t i = 0; i <= OPTION_MAX_COUNT; i++) {
        snprintf(names[i], sizeof(names[i]), "o%zu", i);
        table[i] = (struct aiex_option){.name = names[i], .type = AIEX_OPT_INT};
    }
    s = pack(&p);
    CU_ASSERT_EQUAL(unpack(s.data, s.len, &info, &err), -EINVAL);
    CU_ASSERT_STRING_EQUAL(err.text, "options are not a list of at most 256");
    table[OPTION_MAX_COUNT].name = NULL;
    s = pack(&p);
    CU_ASSERT_EQUAL_FATAL(unpack(s.data, s.len, &info, &err), 0);
    plugin_info_unref(info);

    for (size_t i = 0; i <= OPTION_MAX_CHOICES; i++)
        words[i] = "w";
    table[0].type = AIEX_OPT_CHOICE;
    table[0].choices = words;
    s = pack(&p);
    CU_ASSERT_EQUAL(unpack(s.data, s.len, &info, &err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "not a list of at most 64"));
    words[1] = NULL;
    table[1].offset = sizeof(struct sample_config);
    s = pack(&p);
    CU_ASSERT_EQUAL(unpack(s.data, s.len, &info, &err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "does not fit"));
    p.config_size = SIZE_MAX / 2;
    s = pack(&p);
    CU_ASSERT_EQUAL(unpack(s.data, s.len, &info, &err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "config_size"));
}

static void size_of_the_bytes_is_limited(void)
{
    static uint8_t big[PLUGIN_INFO_MAX_BYTES + 1];
    struct plugin_info *info = NULL;
    struct aiex_error err;

    CU_ASSERT_EQUAL(plugin_info_unpack((struct aiex_slice){big, sizeof(big)}, &info, &err),
                    -EINVAL);
    CU_ASSERT_STRING_EQUAL(err.text, "the probe's answer of 262145 bytes is not a descriptor");
}

static void descriptors_are_judged(void)
{
    struct aiex_plugin p = sample_plugin;
    struct plugin_info *info = NULL;
    struct aiex_error err;
    struct aiex_slice s;

    CU_ASSERT_EQUAL(plugin_info_check(&p, &err), 0);
    CU_ASSERT_EQUAL(plugin_info_check(NULL, &err), -EINVAL);
    p.magic = 1;
    CU_ASSERT_EQUAL(plugin_info_check(&p, &err), -EINVAL);
    CU_ASSERT_STRING_EQUAL(err.text, "not an Aiex plugin: magic is 00000001");
    p = sample_plugin;
    p.abi_major = 2;
    p.struct_size = 8; /* not looked at: another major may be laid out in any way */
    CU_ASSERT_EQUAL(plugin_info_check(&p, &err), -EPROTONOSUPPORT);
    CU_ASSERT_STRING_EQUAL(err.text, "built for plugin ABI 2.2, this host speaks 1.2; rebuild it "
                                     "against the installed SDK");
    s = pack(&p);
    CU_ASSERT_EQUAL(unpack(s.data, s.len, &info, &err), -EPROTONOSUPPORT);
    p = sample_plugin;
    p.struct_size = offsetof(struct aiex_plugin, start); /* optional ones may be missing */
    CU_ASSERT_EQUAL(plugin_info_check(&p, &err), 0);
    p.struct_size = offsetof(struct aiex_plugin, create);
    CU_ASSERT_EQUAL(plugin_info_check(&p, &err), -EINVAL);
    p = sample_plugin;
    p.struct_size += 64; /* a later minor */
    p.abi_minor = 7;
    CU_ASSERT_EQUAL(plugin_info_check(&p, &err), 0);
    p = sample_plugin;
    p.create = NULL;
    CU_ASSERT_EQUAL(plugin_info_check(&p, &err), -EINVAL);
    CU_ASSERT_STRING_EQUAL(err.text, "the descriptor has no create()");
    p = sample_plugin;
    p.version = NULL;
    CU_ASSERT_EQUAL(plugin_info_check(&p, &err), -EINVAL);
    CU_ASSERT_STRING_EQUAL(err.text, "the descriptor has no version");
    p = sample_plugin;
    p.config_size = 8;
    CU_ASSERT_EQUAL(plugin_info_check(&p, &err), -EINVAL);
}

const struct test_case tests[] = {
    {"goes there and back", goes_there_and_back},
    {"too small memory is told", too_small_memory_is_told},
    {"every cut is refused", every_cut_is_refused},
    {"every changed byte is survived", every_changed_byte_is_survived},
    {"hostile texts are refused", hostile_texts_are_refused},
    {"hostile tables are refused", hostile_tables_are_refused},
    {"size of the bytes is limited", size_of_the_bytes_is_limited},
    {"descriptors are judged", descriptors_are_judged},
    {0}};

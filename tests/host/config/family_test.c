/* family_test.c - options that take every key with a prefix. */
#include "test.h"

#include "loaded.h"

#define STRIDE sizeof(struct aiex_option)

struct family_config {
    const char *alias, *deep, *key, *mode;
};

static const struct aiex_option options[] = {
    {"alias.*", NULL, "names of models", AIEX_OPT_STRING, AIEX_OPT_RELOADABLE, 0, 0, NULL,
     offsetof(struct family_config, alias)},
    {"alias.deep.*", NULL, "deeper", AIEX_OPT_STRING, 0, 0, 0, NULL,
     offsetof(struct family_config, deep)},
    {"key.*", NULL, "keys", AIEX_OPT_SECRET, 0, 0, 0, NULL, offsetof(struct family_config, key)},
    {"alias.mode", "fast", "not of the family", AIEX_OPT_STRING, 0, 0, 0, NULL,
     offsetof(struct family_config, mode)},
    {0}};

static struct aiex_plugin family_plugin(void)
{
    struct aiex_plugin p = sample_plugin;

    p.options = options;
    p.config_size = sizeof(struct family_config);
    return p;
}

static void load(struct loaded *l, const char *text, const char *const *env)
{
    struct aiex_plugin p = family_plugin();

    load_text(l, text, &p, env);
}

static const char *text_of(struct loaded *l, const char *option)
{
    const char *text = config_effective(&l->config->instances[0], option);

    return text ? text : "(unset)";
}

static void keys_become_one_text_in_order(void)
{
    static const char *const env[] = {"TARGET=openai/gpt-5", NULL};
    struct loaded l;

    load(&l,
         "[provider_sample]\n"
         "alias.b = one, two\talias\n"
         "key.main = ${TARGET}\n"
         "alias.gpt-4.1 = ${TARGET}\n"
         "alias.mode = careful\n"
         "alias.deep.x = y\n"
         "alias.a = last\n",
         env);
    CU_ASSERT(has_errors(&l.report, 0));
    CU_ASSERT_STRING_EQUAL(text_of(&l, "alias.*"),
                           "b\tone, two\talias\ngpt-4.1\topenai/gpt-5\na\tlast\n");
    CU_ASSERT_STRING_EQUAL(text_of(&l, "alias.deep.*"), "x\ty\n");
    CU_ASSERT_STRING_EQUAL(text_of(&l, "key.*"), "main\topenai/gpt-5\n");
    CU_ASSERT_STRING_EQUAL(text_of(&l, "alias.mode"), "careful");
    CU_ASSERT_EQUAL(l.config->instances[0].n_options, 4);
    CU_ASSERT_EQUAL(l.config->instances[0].options[0].at.line, 2);
    unload(&l);
}

static void a_later_file_keeps_the_place(void)
{
    static const char first[] = "[provider_sample]\nalias.a = 1\nalias.b = 2\nalias.c = 3\n";
    static const char second[] = "[provider_sample]\nalias.d = 4\nalias.a = 9\nalias.b =\n";
    const struct config_load_options none = {.node = "n", .plugin_dir = "."};
    struct aiex_plugin p = family_plugin();
    struct loaded l = {0};
    struct ini ini;

    report_init(&l.report);
    ini_init(&ini);
    CU_ASSERT_EQUAL_FATAL(ini_read_bytes(&ini, "1.ini", first, strlen(first), &l.report), 0);
    CU_ASSERT_EQUAL_FATAL(ini_read_bytes(&ini, "2.ini", second, strlen(second), &l.report), 0);
    CU_ASSERT_EQUAL_FATAL(config_load_ini(&ini, ".", &none, &l.config, &l.report), 0);
    ini_done(&ini);
    l.info = sample_info(&p);
    CU_ASSERT_PTR_NOT_NULL_FATAL(l.info);
    CU_ASSERT_EQUAL_FATAL(config_validate(l.config, sample_lookup, l.info, &l.report), 0);
    CU_ASSERT(has_errors(&l.report, 0));
    CU_ASSERT_STRING_EQUAL(text_of(&l, "alias.*"), "a\t9\nc\t3\nd\t4\n");
    unload(&l);
}

static void wrong_keys_have_their_place(void)
{
    static const char *const env[] = {"LINES=a\nb", NULL};
    struct loaded l;

    load(&l,
         "[provider_sample]\n"
         "alias.a = ${LINES}\n"
         "alais.fast = x\n"
         "alias. = x\n"
         "alias = x\n"
         "key.k = literal\n"
         "alias.n = ${NOT_SET}\n",
         env);
    CU_ASSERT(has_line(&l.report,
                       "c.ini:2: [provider_sample] alias.a: a line break in the value; a "
                       "value of alias.* is one line"));
    CU_ASSERT(has_line(&l.report,
                       "c.ini:3: [provider_sample] unknown option 'alais.fast'; did you mean "
                       "'alias.fast'? (options: alias.*, alias.deep.*, key.*, alias.mode)"));
    CU_ASSERT(has_line(&l.report,
                       "c.ini:4: [provider_sample] unknown option 'alias.'; did you mean "
                       "'alias.*'? (options: alias.*, alias.deep.*, key.*, alias.mode)"));
    CU_ASSERT(has_line(&l.report, "c.ini:6: [provider_sample] key.k is written into the file; "
                                  "better is secret:NAME (aiex secret set NAME)"));
    CU_ASSERT(has_line(&l.report, "c.ini:7: [provider_sample] alias.n: environment variable "
                                  "'NOT_SET' is not set; set it or write ${NOT_SET:-text}"));
    CU_ASSERT(has_errors(&l.report, 5));
    unload(&l);
}

/* n keys `alias.kNNNN` of value_bytes each; free() it. */
static char *many(int n, int value_bytes)
{
    const size_t line_bytes = strlen("alias.k0000 = \n") + (size_t)value_bytes;
    const size_t size = 32 + (size_t)n * line_bytes;
    char *text = malloc(size);
    size_t len;

    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    len = (size_t)snprintf(text, size, "[provider_sample]\n");
    for (int i = 0; i < n; i++)
        len += (size_t)snprintf(text + len, size - len, "alias.k%04d = %0*d\n", i, value_bytes, i);
    return text;
}

static void keys_and_bytes_are_bounded(void)
{
    struct loaded l;
    char *text = many(OPTION_FAMILY_KEYS, 4);

    load(&l, text, NULL);
    CU_ASSERT(has_errors(&l.report, 0));
    unload(&l);
    free(text);
    text = many(OPTION_FAMILY_KEYS + 1, 4);
    load(&l, text, NULL);
    CU_ASSERT(has_line(&l.report, "c.ini:1026: [provider_sample] alias.k1024: more than 1024 keys "
                                  "of alias.*; remove some"));
    unload(&l);
    free(text);
    /* a line of 5 + 1 + 1017 + 1 bytes: 64 of them fit exactly */
    text = many(64, 1017);
    load(&l, text, NULL);
    CU_ASSERT(has_errors(&l.report, 0));
    CU_ASSERT_EQUAL(strlen(text_of(&l, "alias.*")), OPTION_FAMILY_BYTES);
    unload(&l);
    free(text);
    text = many(65, 1017);
    load(&l, text, NULL);
    CU_ASSERT(has_line(&l.report, "c.ini:66: [provider_sample] alias.k0064: the keys and values of "
                                  "alias.* are longer than 65536 bytes together"));
    unload(&l);
    free(text);
}

static void a_cell_s_options_are_bounded_together(void)
{
    char *one = many(60, 1017), *text = NULL;
    const char *keys = strchr(one, '\n') + 1;
    struct loaded l;

    CU_ASSERT_FATAL(asprintf(&text,
                             "[provider_sample:a]\ncell = c\n%s[provider_sample:b]\ncell = c\n%s"
                             "[provider_sample:c]\ncell = c\n%s[provider_sample:d]\n%s",
                             keys, keys, keys, keys) > 0);
    load(&l, text, NULL);
    CU_ASSERT(has_line(&l.report, "c.ini:125: [provider_sample:c] the options of cell 'c' are "
                                  "184341 bytes long, more than 131072 together; shorten them, or "
                                  "give instances cells of their own"));
    CU_ASSERT(has_errors(&l.report, 1));
    unload(&l);
    free(one);
    free(text);
}

static void a_plugin_gets_lines(void)
{
    const struct option_text given[] = {{"alias.*", "a\t1\nb\t2 3\n"}};
    struct option_values *values = NULL;
    struct aiex_slice rest, value;
    const struct family_config *c;
    struct aiex_error err;
    const char *at;

    CU_ASSERT_EQUAL_FATAL(option_values_new(options, STRIDE, sizeof(*c), given, 1, &values, &err),
                          0);
    c = option_values_data(values);
    CU_ASSERT_STRING_EQUAL(c->alias, "a\t1\nb\t2 3\n");
    CU_ASSERT_STRING_EQUAL(c->deep, "");
    CU_ASSERT_STRING_EQUAL(c->mode, "fast");
    at = c->alias;
    CU_ASSERT_EQUAL(option_line(&at, &rest, &value), 1);
    CU_ASSERT(rest.len == 1 && *rest.data == 'a' && value.len == 1 && *value.data == '1');
    CU_ASSERT_EQUAL(option_line(&at, &rest, &value), 1);
    CU_ASSERT(rest.len == 1 && *rest.data == 'b' && value.len == 3 &&
              memcmp(value.data, "2 3", 3) == 0);
    CU_ASSERT_EQUAL(option_line(&at, &rest, &value), 0);
    option_values_free(values);
}

#define TWO "[provider_sample]\nalias.a = 1\nalias.b = 2\nkey.k = ${NONE:-sk}\n"

static void change(const char *before, const char *after, enum config_change expected,
                   const char *why)
{
    struct config_diff d;
    struct loaded a, b;

    load(&a, before, NULL);
    load(&b, after, NULL);
    CU_ASSERT_EQUAL_FATAL(config_diff(a.config, b.config, &d), 0);
    CU_ASSERT_EQUAL_FATAL(d.n, 1);
    CU_ASSERT_EQUAL(d.changes[0].change, expected);
    CU_ASSERT_STRING_EQUAL(d.changes[0].why, why);
    config_diff_done(&d);
    unload(&a);
    unload(&b);
}

static void a_reload_sees_a_changed_key(void)
{
    change(TWO, TWO, CONFIG_SAME, "");
    change(TWO, TWO "alias.c = 3\n", CONFIG_OPTIONS, "option alias.*");
    change(TWO, "[provider_sample]\nkey.k = ${NONE:-sk}\n", CONFIG_OPTIONS, "option alias.*");
    change(TWO, TWO "key.l = ${NONE:-sk}\n", CONFIG_REPLACE, "option key.*");
}

static void every_key_is_shown(void)
{
    static uint8_t mem[65536];
    struct aiex_slice all, part, in, kept = {0}, s;
    struct aiex_writer w;
    struct loaded l;
    struct buf b;

    load(&l, TWO, NULL);
    buf_init(&b, 1 << 20);
    CU_ASSERT_EQUAL(config_show(l.config, "provider_sample", &b), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)b.data, "\nalias.a = 1\nalias.b = 2\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)b.data, "\nkey.k = ***\n"));
    CU_ASSERT_PTR_NULL(strstr((const char *)b.data, "sk"));
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)b.data, "\n; alias.deep.* =\n"));
    buf_done(&b);
    aiex_writer_init(&w, mem, sizeof(mem));
    config_pack(l.config, &w);
    CU_ASSERT_EQUAL_FATAL(w.failed, 0);
    all = aiex_written(&w);
    CU_ASSERT_EQUAL(aiex_is_map(all), 1);
    CU_ASSERT_EQUAL(aiex_get_whole(all, "instances", &part), 1);
    CU_ASSERT_EQUAL(aiex_get_whole(part, "provider_sample", &in), 1);
    CU_ASSERT_EQUAL(aiex_get_whole(in, "options", &kept), 1);
    CU_ASSERT(aiex_get_str(kept, "alias.b", &s) == 1 && aiex_slice_is(s, "2"));
    CU_ASSERT(aiex_get_str(kept, "key.k", &s) == 1 && aiex_slice_is(s, "***"));
    CU_ASSERT(aiex_get_str(kept, "alias.mode", &s) == 1 && aiex_slice_is(s, "fast"));
    CU_ASSERT_EQUAL(aiex_get_str(kept, "alias.*", &s), 0);
    unload(&l);
}

static void the_reference_says_what_it_is(void)
{
    struct aiex_plugin p = family_plugin();
    struct plugin_info *info = sample_info(&p);
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);

    CU_ASSERT_PTR_NOT_NULL_FATAL(info);
    config_reference(&info, 1, out);
    fclose(out);
    CU_ASSERT_PTR_NOT_NULL(strstr(
        text,
        "| `alias.*` | text, for each key with this prefix | | names of models (reloadable) |"));
    free(text);
    plugin_info_unref(info);
}

static void refuses_families_that_can_not_be(void)
{
    static const struct {
        struct aiex_option o;
        const char *error;
    } bad[] = {
        {{"a.*", NULL, "", AIEX_OPT_INT, 0, 0, 0, NULL, 0}, "must be a string or a secret"},
        {{"a.*", "x", "", AIEX_OPT_STRING, 0, 0, 0, NULL, 0},
         "can not be required nor have a default"},
        {{"a.*", NULL, "", AIEX_OPT_STRING, AIEX_OPT_REQUIRED, 0, 0, NULL, 0},
         "can not be required nor have a default"},
        {{".*", NULL, "", AIEX_OPT_STRING, 0, 0, 0, NULL, 0}, "option name '.*' is not"},
        {{"a*", NULL, "", AIEX_OPT_STRING, 0, 0, 0, NULL, 0}, "option name 'a*' is not"},
        {{"a.*.b", NULL, "", AIEX_OPT_STRING, 0, 0, 0, NULL, 0}, "option name 'a.*.b' is not"},
    };
    struct aiex_error err;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct aiex_option table[2] = {bad[i].o, {0}};

        CU_ASSERT_EQUAL(option_table_check(table, STRIDE, 64, &err), -EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, bad[i].error));
    }
}

const struct test_case tests[] = {
    {"keys become one text in order", keys_become_one_text_in_order},
    {"a later file keeps the place", a_later_file_keeps_the_place},
    {"wrong keys have their place", wrong_keys_have_their_place},
    {"keys and bytes are bounded", keys_and_bytes_are_bounded},
    {"a cell's options are bounded together", a_cell_s_options_are_bounded_together},
    {"a plugin gets lines", a_plugin_gets_lines},
    {"a reload sees a changed key", a_reload_sees_a_changed_key},
    {"every key is shown", every_key_is_shown},
    {"the reference says what it is", the_reference_says_what_it_is},
    {"refuses families that can not be", refuses_families_that_can_not_be},
    {0}};

/* secret_test.c - `secret:NAME` in a configuration: marks instead of values. */
#include "test.h"

#include "base/err.h"
#include "config/secret_mark.h"
#include "loaded.h"

#define REVISION "00112233445566aa"

static char revision[VALUE_REVISION_TEXT] = REVISION;
static char key_file[64];

/* A vault with "openai" and "pem" in it. */
static int look(void *arg, const char *file, const char *name, char ret[VALUE_REVISION_TEXT],
                struct aiex_error *err)
{
    snprintf(key_file, sizeof(key_file), "%s", file);
    if (strcmp(name, "openai") != 0 && strcmp(name, "pem") != 0)
        return fail(err, -ENOENT, "no secret is named '%s'; store it: aiex secret set %s", name,
                    name);
    memcpy(ret, revision, VALUE_REVISION_TEXT);
    return 0;
}

static void load(struct loaded *l, const char *text)
{
    static const char *const env[] = {"MARK=\x01openai\x01" REVISION, "NAME=openai",
                                      "REF=secret:openai", NULL};

    load_with(l, text, NULL, env, look);
}

#define X "[provider_sample:x]\nmodel = m\n"

static void a_mark_stands_where_the_secret_stood(void)
{
    struct loaded l;
    struct buf b;

    load(&l, "[host]\nmaster_key_file = /keys/${NAME}.key\n" X "api_key = secret:openai\n");
    CU_ASSERT(has_errors(&l.report, 0));
    CU_ASSERT_EQUAL(l.report.n_warnings, 0);
    CU_ASSERT_STRING_EQUAL(config_effective(&l.config->instances[0], "api_key"),
                           "\x01openai\x01" REVISION);
    CU_ASSERT_STRING_EQUAL(key_file, "/keys/openai.key");
    buf_init(&b, 1 << 20);
    CU_ASSERT_EQUAL(config_show(l.config, NULL, &b), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)b.data, "\napi_key = ***\n"));
    CU_ASSERT_PTR_NULL(strchr((const char *)b.data, 1));
    buf_done(&b);
    unload(&l);
}

static void everywhere_else_it_is_refused(void)
{
    struct loaded l;

    load(&l, "[host]\nnode = secret:openai\n"
             "[settings]\nrate = secret:openai\n"
             "[cell:c]\nlimit_files = secret:openai\n"
             "[group:g]\nperiod = secret:openai\n"
             "[job:j]\ncron = secret:openai\nservice = s\nmethod = m\n" X "cell = c\n"
             "base_url = secret:openai\ngroup = secret:openai\n"
             "api_key = secret:nobody\n");
#define WRONG ": 'secret:' can stand only in options of plugins that are secrets, such as api_key"
    CU_ASSERT(has_line(&l.report, "c.ini:2: [host] node" WRONG));
    CU_ASSERT(has_line(&l.report, "c.ini:4: [settings] rate" WRONG));
    CU_ASSERT(has_line(&l.report, "c.ini:6: [cell:c] limit_files" WRONG));
    CU_ASSERT(has_line(&l.report, "c.ini:8: [group:g] period" WRONG));
    CU_ASSERT(has_line(&l.report, "c.ini:10: [job:j] cron" WRONG));
    CU_ASSERT(has_line(&l.report, "c.ini:16: [provider_sample:x] base_url" WRONG));
    CU_ASSERT(has_line(&l.report, "c.ini:17: [provider_sample:x] group" WRONG));
    CU_ASSERT(has_line(&l.report,
                       "c.ini:18: [provider_sample:x] api_key: no secret is named 'nobody'; "
                       "store it: aiex secret set nobody"));
    CU_ASSERT(has_errors(&l.report, 8));
    unload(&l);
}

static void nothing_else_becomes_a_mark(void)
{
    struct loaded l;

    load(&l, X "api_key = ${REF}\n"); /* what comes out is not expanded again */
    CU_ASSERT(has_errors(&l.report, 0));
    CU_ASSERT_STRING_EQUAL(config_effective(&l.config->instances[0], "api_key"), "secret:openai");
    unload(&l);
    load(&l, X "api_key = ${MARK}\n");
    CU_ASSERT(has_line(&l.report, "c.ini:3: [provider_sample:x] api_key: the value holds a control "
                                  "byte, 0x01; values are text"));
    unload(&l);
    load_text(&l, X "api_key = secret:openai\n", NULL, NULL);
    CU_ASSERT(has_line(&l.report,
                       "c.ini:3: [provider_sample:x] api_key: 'secret:openai' can not be "
                       "used here"));
    unload(&l);
}

static void a_plugin_names_no_secret(void)
{
    static const struct aiex_option table[] = {
        {"api_key", "secret:openai", "", AIEX_OPT_SECRET, 0, 0, 0, NULL, 0}, {0}};
    static const struct aiex_option hidden[] = {
        {"api_key", "${REF}", "", AIEX_OPT_SECRET, 0, 0, 0, NULL, 0}, {0}};
    struct aiex_plugin p = sample_plugin;
    struct aiex_error err;
    struct loaded l;

    CU_ASSERT_EQUAL(option_table_check(table, sizeof(table[0]), 64, &err), -EINVAL);
    CU_ASSERT_STRING_EQUAL(err.text,
                           "default of option 'api_key' names a secret; only a configuration may");
    p.options = hidden;
    load_with(&l, "[provider_sample:x]\n", &p, (const char *const[]){"REF=secret:openai", NULL},
              look);
    CU_ASSERT_STRING_EQUAL(config_effective(&l.config->instances[0], "api_key"), "secret:openai");
    unload(&l);
}

static void another_revision_is_a_change(void)
{
    struct config_diff d;
    struct loaded a, b;

    load(&a, X "api_key = secret:openai\n");
    memcpy(revision, "ffffffffffffffff", 16);
    load(&b, X "api_key = secret:openai\n");
    memcpy(revision, REVISION, 16);
    CU_ASSERT_EQUAL_FATAL(config_diff(a.config, b.config, &d), 0);
    CU_ASSERT_EQUAL(d.changes[0].change, CONFIG_REPLACE); /* the sample's key is not reloadable */
    CU_ASSERT_STRING_EQUAL(d.changes[0].why, "option api_key");
    config_diff_done(&d);
    CU_ASSERT_EQUAL_FATAL(config_diff(a.config, a.config, &d), 0);
    CU_ASSERT_EQUAL(d.changes[0].change, CONFIG_SAME);
    config_diff_done(&d);
    unload(&a);
    unload(&b);
}

/* ---- Filling ---- */

static int out_now; /* values that were not given back */

static int value(void *arg, const char *name, char **ret, size_t *ret_len, struct aiex_error *err)
{
    if (strcmp(name, "lost") == 0)
        return fail(err, -ENOENT, "no secret is named 'lost'");
    *ret = strdup(strcmp(name, "pem") ? "sk-openai" : "two\nlines");
    *ret_len = strlen(*ret);
    out_now++;
    return 0;
}

static void value_done(void *text)
{
    free(text);
    out_now--;
}

static void *memory(size_t bytes)
{
    return calloc(1, bytes);
}

static int fill(const char *text, int lines, const char *expected)
{
    const struct secret_fill how = {value, value_done, memory, NULL};
    struct aiex_error err = {""};
    char *filled = NULL;
    int r = secret_mark_fill(text, lines, &how, &filled, &err);
    int same = filled && expected && r == 0 && strcmp(filled, expected) == 0;

    CU_ASSERT_EQUAL(out_now, 0);
    CU_ASSERT(r == 0 || err.text[0]);
    free(filled);
    return r == 0 ? same : r;
}

static int count(void *arg, const char *name)
{
    ++*(int *)arg;
    return 0;
}

static void marks_are_filled(void)
{
#define MARK(name) "\x01" name "\x01" REVISION
    char *renewed = secret_mark_renew("a\t" MARK("openai") "\nb\t" MARK("pem") "\n", "pem",
                                      "0000000000000000");
    int n = 0;

    CU_ASSERT_EQUAL(fill(MARK("openai"), 0, "sk-openai"), 1);
    CU_ASSERT_EQUAL(fill(MARK("pem"), 0, "two\nlines"), 1);
    CU_ASSERT_EQUAL(fill("a\t" MARK("openai") "\nb\tplain\nc\t" MARK("openai") "\n", 1,
                         "a\tsk-openai\nb\tplain\nc\tsk-openai\n"),
                    1);
    CU_ASSERT_EQUAL(fill("a\t" MARK("pem") "\n", 1, NULL), -EINVAL);
    CU_ASSERT_EQUAL(fill("x" MARK("lost"), 0, NULL), -ENOENT);
    CU_ASSERT_EQUAL(fill("no mark", 0, "no mark"), 1);
    CU_ASSERT_EQUAL(fill("\x01torn", 0, "\x01torn"), 1);
    CU_ASSERT_STRING_EQUAL(renewed, "a\t" MARK("openai") "\nb\t\x01pem\x01"
                                                         "0000000000000000\n");
    CU_ASSERT_EQUAL(secret_mark_each(renewed, count, &n), 0);
    CU_ASSERT_EQUAL(n, 2);
    free(renewed);
}

const struct test_case tests[] = {
    {"a mark stands where the secret stood", a_mark_stands_where_the_secret_stood},
    {"everywhere else it is refused", everywhere_else_it_is_refused},
    {"nothing else becomes a mark", nothing_else_becomes_a_mark},
    {"a plugin names no secret", a_plugin_names_no_secret},
    {"another revision is a change", another_revision_is_a_change},
    {"marks are filled", marks_are_filled},
    {0}};

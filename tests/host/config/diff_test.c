#include "test.h"

#include "loaded.h"

#define BASE "[provider_sample:x]\nmodel = m\n"

/* The change of provider_sample:x between two texts, and its reason. */
static enum config_change change_of(const char *before, const char *after,
                                    const struct aiex_plugin *plugin, const char *why)
{
    enum config_change change = CONFIG_SAME;
    struct config_diff d;
    struct loaded a, b;
    int found = 0;

    load_text(&a, before, NULL, NULL);
    load_text(&b, after, plugin, NULL);
    CU_ASSERT(has_errors(&a.report, 0) && has_errors(&b.report, 0));
    CU_ASSERT_EQUAL_FATAL(config_diff(a.config, b.config, &d), 0);
    for (size_t i = 0; i < d.n; i++)
        if (strcmp(d.changes[i].name, "provider_sample:x") == 0) {
            found++;
            change = d.changes[i].change;
            CU_ASSERT_STRING_EQUAL(d.changes[i].why, why);
        }
    CU_ASSERT_EQUAL(found, 1);
    config_diff_done(&d);
    unload(&a);
    unload(&b);
    return change;
}

static void one_instance(void)
{
    struct aiex_plugin stiff = sample_plugin, newer = sample_plugin;

    stiff.reload = NULL;
    newer.version = "1.1.0";
    CU_ASSERT_EQUAL(change_of(BASE, BASE, NULL, ""), CONFIG_SAME);
    CU_ASSERT_EQUAL(change_of(BASE, "[host]\n" BASE "timeout = 30000ms\n", NULL, ""), CONFIG_SAME);
    CU_ASSERT_EQUAL(change_of(BASE "timeout = 60s\n", BASE "timeout = 1m\n", NULL, ""),
                    CONFIG_SAME);
    CU_ASSERT_EQUAL(change_of(BASE, BASE "timeout = 5s\n", NULL, "option timeout"), CONFIG_OPTIONS);
    CU_ASSERT_EQUAL(change_of(BASE, BASE "timeout = 5s\nverbose = yes\n", NULL, "option timeout"),
                    CONFIG_OPTIONS);
    CU_ASSERT_EQUAL(change_of(BASE, BASE "timeout = 5s\n", &stiff, "option timeout"),
                    CONFIG_REPLACE);
    CU_ASSERT_EQUAL(change_of(BASE, BASE "retries = 5\n", NULL, "option retries"), CONFIG_REPLACE);
    CU_ASSERT_EQUAL(change_of(BASE, BASE "timeout = 5s\nretries = 5\n", NULL, "option retries"),
                    CONFIG_REPLACE);
    CU_ASSERT_EQUAL(change_of(BASE, BASE "api_key = ${NONE:-k}\n", NULL, "option api_key"),
                    CONFIG_REPLACE);
    CU_ASSERT_EQUAL(change_of(BASE, BASE "cell = chat\n", NULL, "key cell"), CONFIG_REPLACE);
    CU_ASSERT_EQUAL(change_of(BASE, BASE "plugin = provider_other\n", NULL, "key plugin"),
                    CONFIG_REPLACE);
    CU_ASSERT_EQUAL(change_of(BASE, BASE, &newer, "plugin's version 1.1.0"), CONFIG_REPLACE);
    CU_ASSERT_EQUAL(change_of("", BASE, NULL, ""), CONFIG_ADDED);
    CU_ASSERT_EQUAL(change_of(BASE, "", NULL, ""), CONFIG_REMOVED);
    CU_ASSERT_EQUAL(change_of(BASE, BASE "enabled = no\n", NULL, ""), CONFIG_REMOVED);
    CU_ASSERT_EQUAL(change_of(BASE "enabled = no\n", BASE, NULL, ""), CONFIG_ADDED);
}

static void a_cell_s_limits_replace_all_in_it(void)
{
    CU_ASSERT_EQUAL(change_of(BASE "cell = c\n", "[cell:c]\nlimit_files = 9\n" BASE "cell = c\n",
                              NULL, "key limit_files"),
                    CONFIG_REPLACE);
    CU_ASSERT_EQUAL(change_of(BASE, "[host]\nhang = 3s\n" BASE, NULL, "key hang"), CONFIG_REPLACE);
    CU_ASSERT_EQUAL(change_of(BASE, "[host]\ndefault_timeout = 3s\n" BASE, NULL, ""), CONFIG_SAME);
}

static void order_and_the_rest(void)
{
    struct config_diff d;
    struct loaded a, b;

    load_text(&a,
              "[settings]\na = 1\n[group:g]\n[job:j]\ncron = 1\nservice = s\nmethod = m\n"
              "[provider_sample:gone]\nmodel = m\n[provider_sample:stays]\nmodel = m\n",
              NULL, NULL);
    load_text(&b,
              "[host]\nzygote = no\n[settings]\na = 2\n[group:g]\nmax_restarts = 1\n"
              "[job:j]\ncron = 2\nservice = s\nmethod = m\n"
              "[provider_sample:new]\nmodel = m\n[provider_sample:stays]\nmodel = m\n",
              NULL, NULL);
    CU_ASSERT_EQUAL_FATAL(config_diff(a.config, b.config, &d), 0);
    CU_ASSERT_EQUAL_FATAL(d.n, 3);
    CU_ASSERT_STRING_EQUAL(d.changes[0].name, "provider_sample:new");
    CU_ASSERT_STRING_EQUAL(d.changes[1].name, "provider_sample:stays");
    CU_ASSERT_STRING_EQUAL(d.changes[2].name, "provider_sample:gone");
    CU_ASSERT_EQUAL(d.changes[2].change, CONFIG_REMOVED);
    CU_ASSERT(d.host == 1 && d.settings == 1 && d.groups == 1 && d.jobs == 1);
    config_diff_done(&d);
    CU_ASSERT_EQUAL_FATAL(config_diff(a.config, a.config, &d), 0);
    CU_ASSERT_EQUAL(d.n, 2);
    CU_ASSERT(d.changes[0].change == CONFIG_SAME && d.changes[1].change == CONFIG_SAME);
    CU_ASSERT(d.host == 0 && d.settings == 0 && d.groups == 0 && d.jobs == 0);
    config_diff_done(&d);
    CU_ASSERT_STRING_EQUAL(config_change_name(CONFIG_OPTIONS), "options");
    CU_ASSERT_STRING_EQUAL(config_change_name(CONFIG_REMOVED), "removed");
    unload(&a);
    unload(&b);
}

const struct test_case tests[] = {{"one instance", one_instance},
                                  {"a cell's limits", a_cell_s_limits_replace_all_in_it},
                                  {"order and the rest", order_and_the_rest},
                                  {0}};

#include "test.h"

#include "loaded.h"

static const char *const env[] = {"SAMPLE_KEY=sk-env", "M=medium", NULL};

static void options_are_complete(void)
{
    struct option_text given[16];
    struct option_values *values = NULL;
    const struct sample_config *s;
    struct config_instance *in;
    struct aiex_error err;
    struct loaded l;

    load_text(&l, "[provider_sample:a]\nmodel = ${M}\nretries = 1\n", NULL, env);
    CU_ASSERT(has_errors(&l.report, 0));
    CU_ASSERT_EQUAL(l.report.n_warnings, 0);
    in = config_find(l.config, "provider_sample:a");
    CU_ASSERT_PTR_NOT_NULL_FATAL(in);
    CU_ASSERT_PTR_EQUAL(in->info, l.info);
    /* model, retries, and the two defaults from the environment */
    CU_ASSERT_EQUAL_FATAL(in->n_options, 4);
    CU_ASSERT_STRING_EQUAL(config_effective(in, "model"), "medium");
    CU_ASSERT_STRING_EQUAL(config_effective(in, "base_url"), "http://localhost");
    CU_ASSERT_STRING_EQUAL(config_effective(in, "api_key"), "sk-env");
    CU_ASSERT_STRING_EQUAL(config_effective(in, "timeout"), "30s");
    CU_ASSERT_PTR_NULL(config_effective(in, "nothing"));
    for (size_t i = 0; i < in->n_options; i++)
        given[i] = (struct option_text){in->options[i].name, in->options[i].text};
    CU_ASSERT_EQUAL_FATAL(option_values_new(sample_options, sizeof(struct aiex_option), sizeof(*s),
                                            given, in->n_options, &values, &err),
                          0);
    s = option_values_data(values);
    CU_ASSERT_STRING_EQUAL(s->model, "medium");
    CU_ASSERT_STRING_EQUAL(s->api_key, "sk-env");
    CU_ASSERT_EQUAL(s->retries, 1);
    option_values_free(values);
    unload(&l);
}

static void every_error_has_its_place(void)
{
    struct loaded l;

    load_text(&l,
              "[provider_sample]\n"
              "modle = x\n"
              "timeout = 30 parsecs\n"
              "sandbx = off\n"
              "[provider_sample:key]\n"
              "model = a\n"
              "api_key = sk-literal\n"
              "[provider_sick]\n"
              "[other]\n"
              "plugin = provider_samle\n"
              "[provider_other]\n"
              "model = b\n"
              "mode = ${MODE:-slow}\n"
              "workers = 4\n"
              "workers_max = 2\n",
              NULL, env);
    CU_ASSERT(
        has_line(&l.report, "c.ini:1: [provider_sample] model is required and has no default"));
    CU_ASSERT(has_line(&l.report,
                       "c.ini:2: [provider_sample] unknown option 'modle'; did you mean 'mode'? "
                       "(options: base_url, model, api_key, timeout, retries, verbose, max_bytes, "
                       "mode, temperature)"));
    CU_ASSERT(has_line(&l.report, "c.ini:3: [provider_sample] timeout = '30 parsecs': expected a "
                                  "duration such as 500ms, 30s or 2m, from 1s to 10m"));
    CU_ASSERT(has_line(&l.report,
                       "c.ini:4: [provider_sample] unknown option 'sandbx'; did you mean "
                       "'sandbox'? (options: base_url, model, api_key, timeout, retries, verbose, "
                       "max_bytes, mode, temperature)"));
    CU_ASSERT(has_line(&l.report, "c.ini:7: [provider_sample:key] api_key is written into the "
                                  "file; better is secret:NAME (aiex secret set NAME)"));
    CU_ASSERT(has_line(&l.report, "c.ini:8: [provider_sick] plugin 'provider_sick': built for "
                                  "plugin ABI 2.0"));
    CU_ASSERT(has_line(&l.report, "c.ini:10: [other] no such plugin 'provider_samle' in ."));
    CU_ASSERT(has_line(&l.report, "c.ini:13: [provider_other] mode = 'slow': expected one of fast, "
                                  "careful, offline"));
    CU_ASSERT(has_line(&l.report, "c.ini:15: [provider_other] workers_max = '2': expected at "
                                  "least workers, which is 4"));
    CU_ASSERT_EQUAL(l.report.n_warnings, 1);
    CU_ASSERT(has_errors(&l.report, 8));
    unload(&l);
}

static void a_plugin_with_a_near_name_is_proposed(void)
{
    struct folder f;
    struct loaded l;

    folder_enter(&f);
    folder_write("provider_openai.so", "");
    folder_write("provider_ollama.so", "");
    folder_write("provider_opnai.txt", "");
    load_text(&l, "[provider_opnai]\n[zz]\nplugin = zzzzzzzzz\n", NULL, NULL);
    CU_ASSERT(has_line(&l.report, "c.ini:1: [provider_opnai] no such plugin 'provider_opnai' in .; "
                                  "did you mean 'provider_openai'?"));
    CU_ASSERT(has_line(&l.report, "c.ini:3: [zz] no such plugin 'zzzzzzzzz' in ."));
    unload(&l);
    folder_leave(&f);
}

static void disabled_instances_may_be_incomplete(void)
{
    struct loaded l;

    load_text(&l,
              "[nowhere]\nenabled = no\nkey = ${NOT_SET}\n"
              "[provider_sample]\nenabled = no\napi_key = ${NOT_SET}\n"
              "[provider_other]\nenabled = no\nretries = many\nunknwn = ${NOT_SET}\n",
              NULL, NULL);
    CU_ASSERT(has_line(&l.report, "c.ini:9: [provider_other] retries = 'many': expected a whole "
                                  "number, from 0 to 10"));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(l.report.lines[1].text, "c.ini:10: [provider_other] unknown option 'unknwn'"));
    CU_ASSERT(has_errors(&l.report, 2));
    CU_ASSERT_EQUAL(l.config->n_cells, 0);
    unload(&l);
}

static void shared_keys_go_to_the_plugin_that_has_them(void)
{
    struct loaded l;

    /* the sample has a timeout of its own, but no queue */
    load_text(&l, "[provider_sample]\nmodel = m\ntimeout = 5s\nqueue = 7\npriority = 3\n", NULL,
              NULL);
    CU_ASSERT(has_errors(&l.report, 0));
    CU_ASSERT_EQUAL(l.config->instances[0].keys.timeout_ms, 0);
    CU_ASSERT_EQUAL(l.config->instances[0].keys.queue, 7);
    CU_ASSERT_EQUAL(l.config->instances[0].keys.priority, 3);
    CU_ASSERT_STRING_EQUAL(config_effective(&l.config->instances[0], "timeout"), "5s");
    CU_ASSERT_PTR_NULL(config_effective(&l.config->instances[0], "queue"));
    unload(&l);

    load_text(&l, "[provider_sample]\nmodel = m\nqueue = many\n", NULL, NULL);
    CU_ASSERT(has_line(&l.report, "c.ini:3: [provider_sample] queue = 'many': expected a whole "
                                  "number, from 0 to 1000000"));
    unload(&l);
}

static void an_option_may_not_be_named_as_a_host_key(void)
{
    static const struct aiex_option table[] = {
        {"cell", NULL, "", AIEX_OPT_STRING, 0, 0, 0, NULL, 0}, {0}};
    struct aiex_plugin p = sample_plugin;
    struct loaded l;

    p.options = table;
    load_text(&l, "[provider_sample]\n", &p, NULL);
    CU_ASSERT(has_line(&l.report, "c.ini:1: [provider_sample] plugin 'provider_sample' has an "
                                  "option 'cell', which is a key of the host; it must be renamed "
                                  "in the plugin"));
    unload(&l);
}

static void a_default_from_the_environment_can_be_wrong(void)
{
    static const struct aiex_option table[] = {
        {"n", "${COUNT}", "", AIEX_OPT_INT, 0, 0, 9, NULL, 0}, {0}};
    static const char *const wrong[] = {"COUNT=x", NULL}, *const right[] = {"COUNT=3", NULL},
                             *const empty[] = {"COUNT=", NULL};
    struct aiex_plugin p = sample_plugin;
    struct loaded l;

    p.options = table;
    load_text(&l, "[provider_sample]\n", &p, wrong);
    CU_ASSERT(has_line(&l.report, "c.ini:1: [provider_sample] default '${COUNT}': n = 'x': "
                                  "expected a whole number, from 0 to 9"));
    unload(&l);
    load_text(&l, "[provider_sample]\n", &p, right);
    CU_ASSERT_STRING_EQUAL(config_effective(&l.config->instances[0], "n"), "3");
    unload(&l);
    load_text(&l, "[provider_sample]\n", &p, NULL);
    CU_ASSERT(has_errors(&l.report, 0));
    CU_ASSERT_PTR_NULL(config_effective(&l.config->instances[0], "n"));
    unload(&l);
    load_text(&l, "[provider_sample]\n", &p, empty);
    CU_ASSERT(has_errors(&l.report, 0));
    CU_ASSERT_PTR_NULL(config_effective(&l.config->instances[0], "n"));
    unload(&l);
}

static void cells_are_found(void)
{
    const struct config_cell *cell;
    struct loaded l;

    load_text(&l,
              "[host]\nhang = 2s\n"
              "[cell:chat]\nlimit_memory = 64M\nsandbox = off\nhang = 1s\n"
              "[provider_sample:a]\nmodel = m\ncell = chat\n"
              "[provider_sample:b]\nmodel = m\ncell = chat\n"
              "[provider_sample:c]\nmodel = m\nlimit_files = 50\n"
              "[provider_sample:d]\nmodel = m\ncell = host\ntrust = yes\n",
              NULL, NULL);
    CU_ASSERT(has_errors(&l.report, 0));
    CU_ASSERT_EQUAL_FATAL(l.config->n_cells, 2);
    cell = config_find_cell(l.config, "chat");
    CU_ASSERT_PTR_NOT_NULL_FATAL(cell);
    CU_ASSERT(cell->is_shared == 1 && cell->n_instances == 2 && cell->sandbox == 0);
    CU_ASSERT(cell->limit_memory_bytes == 64 << 20 && cell->hang_ms == 1000);
    CU_ASSERT_EQUAL(config_find(l.config, "provider_sample:b")->keys.hang_ms, 1000);
    CU_ASSERT_EQUAL(config_find(l.config, "provider_sample:b")->keys.sandbox, 0);
    cell = config_find_cell(l.config, "provider_sample:c");
    CU_ASSERT_PTR_NOT_NULL_FATAL(cell);
    CU_ASSERT(cell->is_shared == 0 && cell->limit_files == 50 && cell->hang_ms == 2000);
    CU_ASSERT_PTR_NULL(config_find_cell(l.config, "host"));
    unload(&l);
}

static void keys_of_shared_cells_belong_there(void)
{
    struct loaded l;

    load_text(&l,
              "[provider_sample:a]\nmodel = m\ncell = chat\nlimit_memory = 1G\nworkers = 2\n"
              "[provider_sample:b]\nmodel = m\ncell = host\ntrust = yes\nhang = 1s\n"
              "[cell:nobody]\n",
              NULL, NULL);
    CU_ASSERT(has_line(&l.report, "c.ini:4: [provider_sample:a] limit_memory belongs to the shared "
                                  "cell; write it into [cell:chat]"));
    CU_ASSERT(has_line(&l.report, "c.ini:5: [provider_sample:a] workers needs a cell of its own; "
                                  "remove cell = chat"));
    CU_ASSERT(has_line(&l.report, "c.ini:10: [provider_sample:b] hang does not hold inside the "
                                  "host; remove it"));
    CU_ASSERT(has_line(&l.report, "c.ini:11: [cell:nobody] no enabled instance uses it"));
    CU_ASSERT(has_errors(&l.report, 3));
    unload(&l);
}

static void callers_are_checked(void)
{
    struct loaded l;

    load_text(&l,
              "[provider_sample:a]\nmodel = m\ncallers = host.control, provider_sampl*:b, sevice_*\n"
              "[provider_sample:b]\nmodel = m\ncallers = "
              "a_name_that_is_far_longer_than_the_sixty_three_bytes_of_names_allowed\n",
              NULL, NULL);
    CU_ASSERT(has_line(&l.report, "c.ini:3: [provider_sample:a] callers: no instance fits 'sevice_*'"));
    CU_ASSERT(has_line(&l.report,
                       "c.ini:6: [provider_sample:b] callers: 'a_name_that_is_far_longer_than_the_"
                       "sixty_three_bytes_of_names_allowed' is longer than a name"));
    CU_ASSERT_EQUAL(l.report.n_errors, 1);
    unload(&l);
}

static void topics_are_checked(void)
{
    struct loaded l;

    load_text(&l,
              "[provider_sample:a]\nmodel = m\nreload_on = store.restored, store/lost\n"
              "[provider_sample:b]\nmodel = m\nreload_on = store.restored, host.*\n",
              NULL, NULL);
    CU_ASSERT(has_line(&l.report, "c.ini:3: [provider_sample:a] reload_on: 'store/lost' is no "
                                  "topic; they are words joined by dots, as store.restored"));
    CU_ASSERT_EQUAL(l.report.n_errors, 1);
    unload(&l);
}

static void shared_cell_starts_and_ends_as_one(void)
{
    struct loaded l;

    load_text(&l,
              "[group:g]\n"
              "[provider_sample:a]\nmodel = m\ncell = chat\nmax_restarts = 5\n"
              "[provider_sample:b]\nmodel = m\ncell = chat\ngroup = g\nmax_restarts = 5\nrestart = transient\n"
              "[provider_sample:c]\nmodel = m\ncell = chat\n"
              "[provider_sample:d]\nmodel = m\nrestart = transient\n",
              NULL, NULL);
    CU_ASSERT(has_line(&l.report, "c.ini:9: [provider_sample:b] group = 'g': cell 'chat' starts and ends "
                                  "as one, and [provider_sample:a] in it says another"));
    CU_ASSERT(has_line(&l.report, "c.ini:11: [provider_sample:b] restart = 'transient': cell 'chat' starts "
                                  "and ends as one, and [provider_sample:a] in it says another"));
    CU_ASSERT(has_errors(&l.report, 2));
    unload(&l);
}

const struct test_case tests[] = {
    {"options are complete", options_are_complete},
    {"every error has its place", every_error_has_its_place},
    {"a plugin with a near name is proposed", a_plugin_with_a_near_name_is_proposed},
    {"disabled instances may be incomplete", disabled_instances_may_be_incomplete},
    {"shared keys go to the plugin", shared_keys_go_to_the_plugin_that_has_them},
    {"an option may not be named as a host key", an_option_may_not_be_named_as_a_host_key},
    {"an environment default can be wrong", a_default_from_the_environment_can_be_wrong},
    {"cells are found", cells_are_found},
    {"keys of shared cells belong there", keys_of_shared_cells_belong_there},
    {"callers are checked", callers_are_checked},
    {"topics are checked", topics_are_checked},
    {"shared cell starts and ends as one", shared_cell_starts_and_ends_as_one},
    {0}};

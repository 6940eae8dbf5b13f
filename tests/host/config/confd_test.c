#include "test.h"

#include "folder.h"

static const char *const variables[] = {"MODEL=big", "NODE=n-7", NULL};

static struct config *load(struct report *report)
{
    const struct config_load_options options = {
        .plugin_dir = "lib", .node = "n-1", .env = fake_env, .env_arg = (void *)variables};
    struct config *config = NULL;

    report_init(report);
    CU_ASSERT_EQUAL_FATAL(config_load("conf.d/", &options, &config, report), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(config);
    return config;
}

static const char *option_of(const struct config_instance *in, const char *name)
{
    for (size_t i = 0; i < in->n_options; i++)
        if (strcmp(in->options[i].name, name) == 0)
            return in->options[i].text;
    return "(none)";
}

static void an_empty_folder_is_all_defaults(void)
{
    struct report report;
    struct folder f;
    struct config *c;

    folder_enter(&f);
    c = load(&report);
    CU_ASSERT(has_errors(&report, 0));
    CU_ASSERT_STRING_EQUAL(c->host.node, "n-1");
    CU_ASSERT_STRING_EQUAL(c->host.plugin_dir, "lib");
    CU_ASSERT_EQUAL(c->host.log_level, AIEX_LOG_INFO);
    CU_ASSERT_EQUAL(c->host.log_form, 0);
    CU_ASSERT_EQUAL(c->host.default_timeout_ms, 30000);
    CU_ASSERT_EQUAL(c->host.hang_ms, 500);
    CU_ASSERT_EQUAL(c->host.zygote, 1);
    CU_ASSERT_EQUAL(c->n_instances + c->n_groups + c->n_jobs + c->n_settings, 0);
    config_free(c);
    config_free(NULL);
    report_done(&report);
    folder_leave(&f);
}

static void later_files_override_single_keys(void)
{
    struct report report;
    struct folder f;
    struct config *c;

    folder_enter(&f);
    folder_write("conf.d/10-a.ini", "[host]\nnode = ${NODE}\nlog_level = debug\n"
                                    "[provider_a]\nurl = one\nkeep = me\nretries = 3\n[b]\n");
    folder_write("conf.d/20-b.ini", "[c:x]\nplugin = provider_z\n[provider_a]\nurl = two\n"
                                    "retries =\nnew = 1\n[host]\nlog_level =\n");
    folder_write("conf.d/.hidden.ini", "[bad\n");
    folder_write("conf.d/old.ini~", "[bad\n");
    folder_write("conf.d/old.ini.bak", "[bad\n");
    c = load(&report);
    CU_ASSERT(has_errors(&report, 0));
    CU_ASSERT_STRING_EQUAL(c->host.node, "n-7");
    CU_ASSERT_EQUAL(c->host.log_level, AIEX_LOG_INFO);
    CU_ASSERT_EQUAL_FATAL(c->n_instances, 3);
    CU_ASSERT_STRING_EQUAL(c->instances[0].name, "provider_a");
    CU_ASSERT_STRING_EQUAL(option_of(&c->instances[0], "url"), "two");
    CU_ASSERT_STRING_EQUAL(option_of(&c->instances[0], "keep"), "me");
    CU_ASSERT_STRING_EQUAL(option_of(&c->instances[0], "retries"), "(none)");
    CU_ASSERT_STRING_EQUAL(option_of(&c->instances[0], "new"), "1");
    CU_ASSERT_STRING_EQUAL(c->instances[0].options[0].at.file, "conf.d/20-b.ini");
    CU_ASSERT_EQUAL(c->instances[0].options[0].at.line, 4);
    CU_ASSERT_STRING_EQUAL(c->instances[0].at.file, "conf.d/10-a.ini");
    CU_ASSERT_STRING_EQUAL(c->instances[1].name, "b");
    CU_ASSERT_STRING_EQUAL(c->instances[1].keys.plugin, "b");
    CU_ASSERT_STRING_EQUAL(c->instances[2].name, "c:x");
    CU_ASSERT_STRING_EQUAL(c->instances[2].keys.plugin, "provider_z");
    CU_ASSERT_PTR_EQUAL(config_find(c, "c:x"), &c->instances[2]);
    CU_ASSERT_PTR_NULL(config_find(c, "nobody"));
    config_free(c);
    report_done(&report);
    folder_leave(&f);
}

static void host_keys_are_typed(void)
{
    struct report report;
    struct folder f;
    struct config *c;
    const struct config_keys *k;

    folder_enter(&f);
    folder_write("conf.d/a.ini",
                 "[group:g]\nstrategy = rest_for_one\nmax_restarts = 9\nperiod = 1m\n"
                 "[a:one]\ncell = host\ntrust = yes\nrestart = transient\ngroup = g\n"
                 "max_restarts = 7\nperiod = 10s\nstart_deadline = 2s\ndrain_deadline = 3s\n"
                 "[a:two]\nenabled = no\nspare = 1\nsandbox = off\nlimit_memory = 64M\n"
                 "limit_files = 100\nlimit_threads = 4\nhang = 2s\nworkers_max = 8\n"
                 "[a]\nspeed = fast\n");
    c = load(&report);
    CU_ASSERT(has_errors(&report, 0));
    CU_ASSERT_EQUAL(report.n_warnings, 0);
    CU_ASSERT_EQUAL_FATAL(c->n_groups, 1);
    CU_ASSERT_STRING_EQUAL(c->groups[0].name, "g");
    CU_ASSERT_EQUAL(c->groups[0].strategy, CONFIG_REST_FOR_ONE);
    CU_ASSERT_EQUAL(c->groups[0].max_restarts, 9);
    CU_ASSERT_EQUAL(c->groups[0].period_ms, 60000);
    CU_ASSERT_EQUAL_FATAL(c->n_instances, 3);
    k = &c->instances[0].keys;
    CU_ASSERT_STRING_EQUAL(k->plugin, "a");
    CU_ASSERT_STRING_EQUAL(k->cell, "host");
    CU_ASSERT_STRING_EQUAL(k->group, "g");
    CU_ASSERT(k->trust == 1 && k->enabled == 1 && k->restart == CONFIG_TRANSIENT);
    CU_ASSERT(k->max_restarts == 7 && k->period_ms == 10000);
    CU_ASSERT(k->start_deadline_ms == 2000 && k->drain_deadline_ms == 3000);
    k = &c->instances[1].keys;
    CU_ASSERT_STRING_EQUAL(k->cell, "a:two");
    CU_ASSERT(k->enabled == 0 && k->spare == 1 && k->sandbox == 0 && k->hang_ms == 2000);
    CU_ASSERT(k->limit_memory_bytes == 64 << 20 && k->limit_files == 100 && k->limit_threads == 4);
    k = &c->instances[2].keys;
    CU_ASSERT(k->enabled == 1 && k->trust == 0 && k->restart == CONFIG_PERMANENT);
    CU_ASSERT(k->start_deadline_ms == 10000 && k->drain_deadline_ms == 10000 && k->spare == 0);
    CU_ASSERT(k->sandbox == 1 && k->workers == 1 && k->timeout_ms == 0);
    CU_ASSERT_EQUAL(c->instances[2].n_options, 1);
    config_free(c);
    report_done(&report);
    folder_leave(&f);
}

static void settings_and_jobs(void)
{
    static const struct {
        const char *name;
        int is_whole;
        int64_t whole;
    } expected[] = {{"rate", 1, 100},      {"on", 1, 1},
                    {"wait", 1, 600000},   {"limits.bytes", 1, 10 << 20},
                    {"limits.word", 0, 0}, {"limits.minus", 1, -5}};
    struct report report;
    struct folder f;
    struct config *c;

    folder_enter(&f);
    folder_write("conf.d/a.ini", "[settings]\nrate = 100\non = yes\nwait = 10m\n"
                                 "[settings:limits]\nbytes = 10M\nword = ${MODEL}\nminus = -5\n"
                                 "[job:nightly]\ncron = 0 3 * * *\nservice = store\n"
                                 "method = store.backup\nbody = {\"full\": true}\nmissed = run\n"
                                 "timeout = 5m\n");
    c = load(&report);
    CU_ASSERT(has_errors(&report, 0));
    CU_ASSERT_EQUAL_FATAL(c->n_settings, 6);
    for (size_t i = 0; i < 6; i++) {
        CU_ASSERT_STRING_EQUAL(c->settings[i].name, expected[i].name);
        CU_ASSERT_EQUAL(c->settings[i].is_whole, expected[i].is_whole);
        CU_ASSERT_EQUAL(c->settings[i].whole, expected[i].whole);
    }
    CU_ASSERT_STRING_EQUAL(c->settings[4].text, "big");
    CU_ASSERT_EQUAL_FATAL(c->n_jobs, 1);
    CU_ASSERT_STRING_EQUAL(c->jobs[0].name, "nightly");
    CU_ASSERT_STRING_EQUAL(c->jobs[0].cron, "0 3 * * *");
    CU_ASSERT_STRING_EQUAL(c->jobs[0].zone, "UTC");
    CU_ASSERT_STRING_EQUAL(c->jobs[0].body, "{\"full\": true}");
    CU_ASSERT_EQUAL(c->jobs[0].missed, CONFIG_MISSED_RUN);
    CU_ASSERT_EQUAL(c->jobs[0].timeout_ms, 300000);
    config_free(c);
    report_done(&report);
    folder_leave(&f);
}

static void all_errors_of_all_files_in_one_run(void)
{
    struct report report;
    struct folder f;
    struct config *c;

    folder_enter(&f);
    folder_write("conf.d/10.ini", "lost = 1\n[host]\nlog_level = loud\nnodee = x\nhang = 1ms\n"
                                  "[host:x]\n[group]\n[settings:]\n[cell:host]\n");
    folder_write("conf.d/20.ini", "[a]\nkey = ${NONE}\nfile = file:none\ncell = host\n"
                                  "[b]\ngroup = helpres\nrestart = sometimes\ncell = a b\n"
                                  "[group:helpers]\nstrategy = one_for_al\n");
    folder_write("conf.d/30.ini", "[job:j]\ncron = x\n[x:y:z]\n[c]\nplugin = ../evil\n"
                                  "[cell:shared]\nworkers = 2\n[d]\ntrust = yes\n"
                                  "[e]\nenabled = no\nkey = ${NONE}\n[f#1]\n");
    c = load(&report);
#define A "conf.d/10.ini:"
#define B "conf.d/20.ini:"
#define C "conf.d/30.ini:"
    CU_ASSERT(has_line(&report, A "1: key 'lost' stands before any [section]"));
    CU_ASSERT(has_line(&report, A "3: [host] log_level = 'loud': expected one of debug, info, "
                                  "notice, warn, error"));
    CU_ASSERT(has_line(&report, A "4: [host] unknown option 'nodee'; did you mean 'node'? "
                                  "(options: node, log_level, log_form, plugin_dir, "
                                  "default_timeout, hang, zygote, preload_http, master_key_file, "
                                  "memory_interval, memory_calm, memory_elevated, memory_high, "
                                  "memory_critical, stall_elevated, stall_high, stall_critical, "
                                  "memory_stall_file, memory_info_file, memory_group, audit)"));
    CU_ASSERT(has_line(&report, A "5: [host] hang = '1ms': expected a duration such as 500ms, "
                                  "30s or 2m, from 50ms to 1h"));
    CU_ASSERT(has_line(&report, A "6: [host:x] expected [host]"));
    CU_ASSERT(has_line(&report, A "7: [group] expected [group:name]"));
    CU_ASSERT(has_line(&report, A "8: [settings:] expected [settings] or [settings:name]"));
    CU_ASSERT(has_line(&report, A "9: [cell:host] the host's own process is no cell; see [host]"));
    CU_ASSERT(has_line(&report, B "2: [a] key: environment variable 'NONE' is not set; set it or "
                                  "write ${NONE:-text}"));
    CU_ASSERT(has_line(&report, B "3: [a] file: cannot read 'conf.d/none': No such file or "
                                  "directory"));
    CU_ASSERT(has_line(&report, B "4: [a] cell = host makes a crash of the plugin a crash of the "
                                  "host; allow it with trust = yes, or give it a cell"));
    CU_ASSERT(has_line(&report, B "6: [b] no group 'helpres'; did you mean 'helpers'?"));
    CU_ASSERT(has_line(&report, B "7: [b] restart = 'sometimes': expected one of permanent, "
                                  "transient, temporary"));
    CU_ASSERT(has_line(&report, B "8: [b] cell = 'a b': expected 1 to 63 letters, digits and "
                                  "_ . : -"));
    CU_ASSERT(has_line(&report, B "10: [group:helpers] strategy = 'one_for_al': expected one of "
                                  "one_for_one, rest_for_one, one_for_all; did you mean "
                                  "'one_for_all'?"));
    CU_ASSERT(has_line(&report, C "1: [job:j] service is required and has no default"));
    CU_ASSERT(has_line(&report, C "1: [job:j] method is required and has no default"));
    CU_ASSERT(has_line(&report, C "3: [x:y:z] expected [plugin] or [plugin:name] without further "
                                  ": or #"));
    CU_ASSERT(has_line(&report, C "5: [c] '../evil' is not the name of a plugin (letters, digits, "
                                  "_ and -) nor the absolute path of a .so"));
    CU_ASSERT(has_line(&report, C "7: [cell:shared] unknown option 'workers' (options: hang, "
                                  "sandbox, limit_memory, limit_files, limit_threads, priority)"));
    CU_ASSERT(has_line(&report, C "9: [d] trust = yes does nothing without cell = host"));
    /* the section [f#1] is refused as a head or as an instance, once */
    CU_ASSERT(has_line(&report, C "13: [f#1] expected [plugin] or [plugin:name] without further "
                                  ": or #") ||
              has_line(&report, C "13: '[f#1]' is not a section name: 1 to 63 letters, digits and "
                                  "_ . : -"));
    CU_ASSERT_EQUAL(report.n_warnings, 1);
    CU_ASSERT(has_errors(&report, 22));
    config_free(c);
    report_done(&report);
    folder_leave(&f);
}

static int refuse_job(void *arg, const struct config_job *job, const char **ret_key,
                      struct aiex_error *err)
{
    *(int *)arg += 1;
    *ret_key = "cron";
    (void)snprintf(err->text, sizeof(err->text), "no such minute '%s'", job->cron);
    return -EINVAL;
}

static void jobs_are_judged_by_rooms_above(void)
{
    static const char text[] = "[job:a]\ncron = 99\nservice = s\nmethod = m\n[job:b]\ncron = 1\n";
    int calls = 0;
    const struct config_load_options options = {.check_job = refuse_job, .check_job_arg = &calls};
    struct config *c = NULL;
    struct report report;
    struct ini ini;

    ini_init(&ini);
    report_init(&report);
    CU_ASSERT_EQUAL(ini_read_bytes(&ini, "j.ini", text, sizeof(text) - 1, &report), 0);
    CU_ASSERT_EQUAL_FATAL(config_load_ini(&ini, ".", &options, &c, &report), 0);
    ini_done(&ini);
    CU_ASSERT_EQUAL(calls, 1); /* [job:b] is wrong already */
    CU_ASSERT(has_line(&report, "j.ini:2: [job:a] cron: no such minute '99'"));
    CU_ASSERT(has_errors(&report, 3));
    config_free(c);
    report_done(&report);
}

static void a_missing_folder_is_an_error(void)
{
    struct config *c = NULL;
    struct report report;

    report_init(&report);
    CU_ASSERT_EQUAL_FATAL(config_load("/nonexistent/conf.d", NULL, &c, &report), 0);
    CU_ASSERT(has_line(&report,
                       "/nonexistent/conf.d: cannot read the folder: No such file or directory"));
    CU_ASSERT(has_errors(&report, 1));
    config_free(c);
    report_done(&report);
}

const struct test_case tests[] = {
    {"an empty folder is all defaults", an_empty_folder_is_all_defaults},
    {"later files override single keys", later_files_override_single_keys},
    {"host keys are typed", host_keys_are_typed},
    {"settings and jobs", settings_and_jobs},
    {"all errors of all files in one run", all_errors_of_all_files_in_one_run},
    {"jobs are judged by rooms above", jobs_are_judged_by_rooms_above},
    {"a missing folder is an error", a_missing_folder_is_an_error},
    {0}};

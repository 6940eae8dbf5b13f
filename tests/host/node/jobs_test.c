/*
 * jobs_test.c - jobs with a clock driven by hand, a bus and a service in this process.
 * The file is written by its thread; waiting for it is turning the loop until it is.
 */
#include "node/jobs.h"

#include "node/job_file.h"
#include "test.h"
#include "wire/pack.h"

#include <aiex/aiex_pack.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOON   INT64_C(1767268800000) /* 2026-01-01 12:00:00 UTC */
#define MINUTE INT64_C(60000)

static int64_t wall;
static char dir[64], path[96];

static int64_t wall_ms(void)
{
    return wall;
}

/* A host of its own: loop, bus, inside with jobs and a service "svc" that keeps what it is asked.
 */
struct world {
    struct loop *loop;
    struct hub *hub;
    struct bus *bus;
    struct inside *inside;
    struct node_jobs *jobs;
    struct config config;
    struct config_job sections[4];
    int answers; /* 1: svc answers at once */
    uint64_t asked[32];
    unsigned n_asked, n_cancelled;
    int64_t n_seen; /* field n of the last body */
};

static int on_message(void *arg, const struct aiex_message *m)
{
    struct world *w = arg;

    if (m->kind == AIEX_MSG_CANCEL)
        w->n_cancelled++;
    if (m->kind != AIEX_MSG_REQUEST)
        return 0;
    w->asked[w->n_asked++ % 32] = m->id;
    w->n_seen = -1;
    aiex_get_int(m->body, "n", &w->n_seen);
    if (!strcmp(m->method, "refuse"))
        return endpoint_fail(inside_endpoint(w->inside), m->id, AIEX_E_DENIED, "told to", 0,
                             (struct aiex_slice){0});
    return w->answers ? endpoint_reply(inside_endpoint(w->inside), m->id, (struct aiex_slice){0})
                      : 0;
}

static int after(void *arg)
{
    struct world *w = arg;

    return inside_turn(w->inside) | node_jobs_turn(w->jobs);
}

static void open_world(struct world *w)
{
    struct bus_limits limits = {30000, 64, 64, 65536};

    memset(w, 0, sizeof(*w));
    w->answers = 1;
    w->config.jobs = w->sections;
    w->loop = loop_new();
    w->hub = hub_new(w->loop);
    w->bus = bus_new(&limits, loop_now_ms(w->loop));
    w->inside = inside_new(w->bus, "test");
    w->jobs = node_jobs_new(&(struct node_jobs_options){w->loop, w->inside, path, wall_ms});
    CU_ASSERT_FATAL(w->jobs && inside_add(w->inside, "svc", on_message, w) >= 0);
    hub_after(w->hub, after, w);
}

static void close_world(struct world *w)
{
    node_jobs_free(w->jobs);
    inside_free(w->inside);
    bus_free(w->bus);
    hub_free(w->hub);
    loop_free(w->loop);
}

/* Turns until the file is written and nothing more happens. */
static void settle(struct world *w)
{
    do
        loop_once(w->loop, 0);
    while (!node_jobs_quiet(w->jobs));
    for (int i = 0; i < 4; i++)
        loop_once(w->loop, 0);
}

static void at(struct world *w, int64_t time_ms)
{
    wall = time_ms;
    node_jobs_tick(w->jobs);
    settle(w);
}

static struct config_job *section(struct world *w, const char *name, const char *cron)
{
    struct config_job *job = &w->sections[w->config.n_jobs++];

    *job = (struct config_job){.name = name,
                               .cron = cron,
                               .zone = "",
                               .service = "svc",
                               .method = "work",
                               .body = "",
                               .missed = CONFIG_MISSED_SKIP,
                               .enabled = 1};
    return job;
}

static struct node_job_info info(struct world *w, unsigned i)
{
    struct node_job_info ret = {0};

    CU_ASSERT_EQUAL_FATAL(node_jobs_info(w->jobs, i, &ret), 0);
    return ret;
}

static void begin(void)
{
    snprintf(dir, sizeof(dir), "/tmp/aiex-jobs-XXXXXX");
    CU_ASSERT_FATAL(mkdtemp(dir) != NULL);
    snprintf(path, sizeof(path), "%s/jobs", dir);
    wall = NOON;
}

static void finish(void)
{
    char beside[128];

    snprintf(beside, sizeof(beside), "%s.new", path);
    unlink(beside);
    unlink(path);
    CU_ASSERT_EQUAL(rmdir(dir), 0); /* nothing else was left there */
}

static void runs_when_due_with_its_body(void)
{
    struct world w;

    begin();
    open_world(&w);
    section(&w, "tidy", "* * * * *")->body = "{\"n\": 7}";
    node_jobs_apply(w.jobs, &w.config, 0);
    settle(&w);
    CU_ASSERT_EQUAL(info(&w, 0).next_ms, NOON + MINUTE);
    CU_ASSERT_EQUAL(info(&w, 0).last_ms, 0);
    at(&w, NOON + MINUTE - 1);
    CU_ASSERT_EQUAL(w.n_asked, 0);
    at(&w, NOON + MINUTE + 5);
    CU_ASSERT_EQUAL(w.n_asked, 1);
    CU_ASSERT_EQUAL(w.n_seen, 7);
    CU_ASSERT_EQUAL(info(&w, 0).runs, 1);
    CU_ASSERT_EQUAL(info(&w, 0).last_ms, NOON + MINUTE + 5);
    CU_ASSERT_EQUAL(info(&w, 0).next_ms, NOON + 2 * MINUTE);
    at(&w, NOON + MINUTE + 6);
    CU_ASSERT_EQUAL(w.n_asked, 1);
    close_world(&w);
    finish();
}

static void still_running_is_skipped_and_counted(void)
{
    struct world w;

    begin();
    open_world(&w);
    w.answers = 0;
    section(&w, "tidy", "* * * * *");
    node_jobs_apply(w.jobs, &w.config, 0);
    at(&w, NOON + MINUTE);
    CU_ASSERT_TRUE(info(&w, 0).running);
    CU_ASSERT_EQUAL(node_jobs_run(w.jobs, "tidy"), -EBUSY);
    at(&w, NOON + 2 * MINUTE);
    at(&w, NOON + 3 * MINUTE);
    CU_ASSERT_EQUAL(w.n_asked, 1);
    CU_ASSERT_EQUAL(info(&w, 0).skipped, 2);
    CU_ASSERT_EQUAL(info(&w, 0).last_ms, NOON + MINUTE);
    endpoint_reply(inside_endpoint(w.inside), w.asked[0], (struct aiex_slice){0});
    settle(&w);
    CU_ASSERT_FALSE(info(&w, 0).running);
    at(&w, NOON + 4 * MINUTE);
    CU_ASSERT_EQUAL(w.n_asked, 2);
    close_world(&w);
    finish();
}

static void failure_is_kept_until_the_next_run(void)
{
    struct world w;

    begin();
    open_world(&w);
    section(&w, "tidy", "* * * * *")->method = "refuse";
    section(&w, "nobody", "* * * * *")->service = "missing";
    node_jobs_apply(w.jobs, &w.config, 0);
    at(&w, NOON + MINUTE);
    CU_ASSERT_STRING_EQUAL(info(&w, 0).last_error, "denied: told to");
    CU_ASSERT_EQUAL(info(&w, 0).failures, 1);
    CU_ASSERT_STRING_EQUAL(info(&w, 1).last_error, "unavailable: nobody serves 'missing'");
    w.sections[0].method = "work";
    node_jobs_apply(w.jobs, &w.config, 0);
    at(&w, NOON + 2 * MINUTE);
    CU_ASSERT_STRING_EQUAL(info(&w, 0).last_error, "");
    CU_ASSERT_EQUAL(info(&w, 0).runs, 2);
    CU_ASSERT_EQUAL(info(&w, 0).failures, 1);
    close_world(&w);
    finish();
}

/* Two hosts, one after the other, with a pause between them. */
static void restart(enum config_missed missed, const char *cron, int64_t first_ms, int64_t again_ms,
                    unsigned runs_first, unsigned runs_again)
{
    struct world w;

    begin();
    open_world(&w);
    section(&w, "tidy", cron)->missed = missed;
    node_jobs_apply(w.jobs, &w.config, 0);
    at(&w, first_ms);
    CU_ASSERT_EQUAL(w.n_asked, runs_first);
    close_world(&w);
    wall = again_ms;
    open_world(&w);
    section(&w, "tidy", cron)->missed = missed;
    node_jobs_apply(w.jobs, &w.config, 0);
    at(&w, again_ms);
    CU_ASSERT_EQUAL(w.n_asked, runs_again);
    close_world(&w);
    finish();
}

static void restart_runs_nothing_twice(void)
{
    restart(CONFIG_MISSED_RUN, "* * * * *", NOON + MINUTE, NOON + MINUTE + 100, 1, 0);
    restart(CONFIG_MISSED_SKIP, "* * * * *", NOON + MINUTE, NOON + MINUTE + 100, 1, 0);
}

static void missed_times_are_made_up_for_once_or_not(void)
{
    restart(CONFIG_MISSED_RUN, "0 * * * *", NOON + 60 * MINUTE, NOON + 250 * MINUTE, 1, 1);
    restart(CONFIG_MISSED_SKIP, "0 * * * *", NOON + 60 * MINUTE, NOON + 250 * MINUTE, 1, 0);
    /* it had never run, but the host had seen it before it was due */
    restart(CONFIG_MISSED_RUN, "0 13 * * *", NOON, NOON + 90 * MINUTE, 0, 1);
    restart(CONFIG_MISSED_RUN, "@reboot", NOON, NOON + MINUTE, 1, 1);
}

static void skipped_run_is_not_made_up_for(void)
{
    struct world w;

    begin();
    open_world(&w);
    w.answers = 0;
    section(&w, "tidy", "0 * * * *")->missed = CONFIG_MISSED_RUN;
    node_jobs_apply(w.jobs, &w.config, 0);
    at(&w, NOON + 60 * MINUTE);
    at(&w, NOON + 120 * MINUTE);
    CU_ASSERT_EQUAL(info(&w, 0).skipped, 1);
    close_world(&w);
    wall = NOON + 130 * MINUTE;
    open_world(&w);
    section(&w, "tidy", "0 * * * *")->missed = CONFIG_MISSED_RUN;
    node_jobs_apply(w.jobs, &w.config, 0);
    at(&w, wall);
    CU_ASSERT_EQUAL(w.n_asked, 0);
    close_world(&w);
    finish();
}

static void changed_times_count_from_now(void)
{
    struct world w;

    begin();
    open_world(&w);
    section(&w, "tidy", "0 * * * *")->missed = CONFIG_MISSED_RUN;
    node_jobs_apply(w.jobs, &w.config, 0);
    at(&w, NOON + 60 * MINUTE);
    wall = NOON + 90 * MINUTE;
    w.sections[0].cron = "15 * * * *"; /* 13:15 is past, and was never promised */
    node_jobs_apply(w.jobs, &w.config, 0);
    at(&w, wall);
    CU_ASSERT_EQUAL(w.n_asked, 1);
    CU_ASSERT_EQUAL(info(&w, 0).next_ms, NOON + 135 * MINUTE);
    CU_ASSERT_EQUAL(info(&w, 0).runs, 1);
    w.sections[0].zone = "Asia/Kolkata"; /* half an hour off */
    node_jobs_apply(w.jobs, &w.config, 0);
    CU_ASSERT_EQUAL(info(&w, 0).next_ms, NOON + 105 * MINUTE);
    close_world(&w);
    finish();
}

static void removed_and_disabled_jobs_end_their_run(void)
{
    struct world w;
    struct node_job_info none;

    begin();
    open_world(&w);
    w.answers = 0;
    section(&w, "tidy", "* * * * *");
    section(&w, "other", "* * * * *");
    node_jobs_apply(w.jobs, &w.config, 0);
    at(&w, NOON + MINUTE);
    CU_ASSERT_EQUAL(w.n_asked, 2);
    w.sections[0].enabled = 0;
    w.config.n_jobs = 1;
    node_jobs_apply(w.jobs, &w.config, 0);
    CU_ASSERT_EQUAL(node_jobs_info(w.jobs, 0, &none), -ENOENT);
    CU_ASSERT_EQUAL(node_jobs_run(w.jobs, "tidy"), -ENOENT);
    at(&w, NOON + 2 * MINUTE);
    CU_ASSERT_EQUAL(w.n_asked, 2);
    endpoint_reply(inside_endpoint(w.inside), w.asked[0], (struct aiex_slice){0});
    settle(&w); /* the other's entry leaves with its run still open */
    CU_ASSERT_EQUAL(w.n_cancelled, 0);
    close_world(&w);
    finish();
}

static void run_by_hand(void)
{
    struct world w;

    begin();
    open_world(&w);
    section(&w, "yearly", "@yearly");
    node_jobs_apply(w.jobs, &w.config, 0);
    settle(&w);
    CU_ASSERT_EQUAL(node_jobs_run(w.jobs, "yearly"), 0);
    settle(&w);
    CU_ASSERT_EQUAL(w.n_asked, 1);
    CU_ASSERT_EQUAL(info(&w, 0).last_ms, NOON);
    node_jobs_stop(w.jobs);
    CU_ASSERT_EQUAL(node_jobs_run(w.jobs, "yearly"), -ESHUTDOWN);
    close_world(&w);
    finish();
}

static void new_image_goes_on(void)
{
    struct world w, then;
    struct pack books, endpoint, bus;
    struct doc *doc, *ends, *calls;

    begin();
    open_world(&w);
    w.answers = 0;
    section(&w, "boot", "@reboot");
    section(&w, "tidy", "* * * * *");
    node_jobs_apply(w.jobs, &w.config, 0);
    settle(&w);
    at(&w, NOON + MINUTE);
    CU_ASSERT_EQUAL(w.n_asked, 2);
    CU_ASSERT_TRUE(node_jobs_quiet(w.jobs));
    pack_init(&books, 1 << 20);
    pack_init(&endpoint, 1 << 20);
    pack_init(&bus, 1 << 20);
    node_jobs_save(w.jobs, &books);
    endpoint_save(inside_endpoint(w.inside), &endpoint);
    bus_save(w.bus, &bus);
    CU_ASSERT_EQUAL_FATAL(doc_new(pack_slice(&books), &doc), 0);
    CU_ASSERT_EQUAL_FATAL(doc_new(pack_slice(&endpoint), &ends), 0);
    CU_ASSERT_EQUAL_FATAL(doc_new(pack_slice(&bus), &calls), 0);

    open_world(&then);
    section(&then, "boot", "@reboot");
    section(&then, "tidy", "* * * * *");
    node_jobs_apply(then.jobs, &then.config, 1);
    CU_ASSERT_EQUAL_FATAL(bus_load(then.bus, doc_root(calls)), 0);
    CU_ASSERT_EQUAL_FATAL(endpoint_load(inside_endpoint(then.inside), doc_root(ends)), 0);
    node_jobs_load(then.jobs, doc_root(doc));
    settle(&then);
    CU_ASSERT_TRUE(info(&then, 0).running);
    CU_ASSERT_TRUE(info(&then, 1).running);
    CU_ASSERT_EQUAL(then.n_asked, 0); /* neither is run again */
    endpoint_reply(inside_endpoint(then.inside), w.asked[0], (struct aiex_slice){0});
    endpoint_reply(inside_endpoint(then.inside), w.asked[1], (struct aiex_slice){0});
    settle(&then);
    CU_ASSERT_FALSE(info(&then, 0).running);
    CU_ASSERT_EQUAL(info(&then, 0).runs, 1);
    CU_ASSERT_EQUAL(info(&then, 1).runs, 1);
    at(&then, NOON + 2 * MINUTE);
    CU_ASSERT_EQUAL(then.n_asked, 1);
    close_world(&then);
    close_world(&w);
    doc_free(doc);
    doc_free(ends);
    doc_free(calls);
    pack_done(&books);
    pack_done(&endpoint);
    pack_done(&bus);
    finish();
}

static void wrong_sections_name_their_key(void)
{
    static const struct {
        const char *cron, *zone, *body, *key;
    } wrong[] = {{"61 * * * *", "", "", "cron"},
                 {"* * *", "", "", "cron"},
                 {"0 0 30 2 *", "", "", "cron"},
                 {"* * * * *", "Mars/Olympus", "", "zone"},
                 {"* * * * *", "../../etc/passwd", "", "zone"},
                 {"* * * * *", "", "{", "body"},
                 {"* * * * *", "", "[1]", "body"},
                 {"* * * * *", "", "\"text\"", "body"}};
    struct config_job job = {.name = "j",
                             .cron = "*/5 * * * * *",
                             .zone = "Europe/Prague",
                             .service = "svc",
                             .method = "m",
                             .body = "{\"a\": [1, 2.5, \"x\", null, true]}"};
    struct aiex_error err;
    const char *key;

    CU_ASSERT_EQUAL(node_jobs_check(NULL, &job, &key, &err), 0);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        job.cron = wrong[i].cron;
        job.zone = wrong[i].zone;
        job.body = wrong[i].body;
        err.text[0] = 0;
        CU_ASSERT(node_jobs_check(NULL, &job, &key, &err) < 0);
        CU_ASSERT_STRING_EQUAL(key, wrong[i].key);
        CU_ASSERT(err.text[0] != 0);
    }
}

static void damaged_file_is_read_as_far_as_it_makes_sense(void)
{
    static const char text[] = "tidy\n"
                               "tidy 1 2 UTC\n"
                               "tidy x y UTC * * * * *\n"
                               "tidy -5 2 UTC * * * * *\n"
                               "tidyx 5 6 UTC * * * * *\n"
                               "tidy 7 8 UTC 0 * * * *\n"
                               "tidy 9 10 UTC * * * * *\n"
                               "cut 11 12 UTC * * * *";
    struct job_line line = {.name = "tidy", .zone = "UTC", .cron = "* * * * *"};
    struct job_line cut = {.name = "cut", .zone = "UTC", .cron = "* * * *"};
    struct job_line other = {.name = "tidy", .zone = "Asia/Tokyo", .cron = "* * * * *"};

    CU_ASSERT_EQUAL_FATAL(job_file_find(text, &line), 0);
    CU_ASSERT_EQUAL(line.since_ms, 9);
    CU_ASSERT_EQUAL(line.last_ms, 10);
    CU_ASSERT_EQUAL(job_file_find(text, &cut), -ENOENT);
    CU_ASSERT_EQUAL(job_file_find(text, &other), -ENOENT);
    CU_ASSERT_EQUAL(job_file_find(NULL, &line), -ENOENT);
    CU_ASSERT_EQUAL(job_file_find("", &line), -ENOENT);
}

static void unwritable_folder_does_not_stop_jobs(void)
{
    struct world w;

    begin();
    open_world(&w);
    section(&w, "tidy", "* * * * *");
    CU_ASSERT_EQUAL_FATAL(rmdir(dir), 0);
    node_jobs_apply(w.jobs, &w.config, 0);
    at(&w, NOON + MINUTE);
    CU_ASSERT_EQUAL(w.n_asked, 1);
    CU_ASSERT_EQUAL(info(&w, 0).runs, 1);
    close_world(&w);
    CU_ASSERT_EQUAL(mkdir(dir, 0700), 0);
    finish();
}

const struct test_case tests[] = {
    {"runs when due with its body", runs_when_due_with_its_body},
    {"still running is skipped and counted", still_running_is_skipped_and_counted},
    {"failure is kept until the next run", failure_is_kept_until_the_next_run},
    {"restart runs nothing twice", restart_runs_nothing_twice},
    {"missed times are made up for once, or not", missed_times_are_made_up_for_once_or_not},
    {"skipped run is not made up for", skipped_run_is_not_made_up_for},
    {"changed times count from now", changed_times_count_from_now},
    {"removed and disabled jobs end their run", removed_and_disabled_jobs_end_their_run},
    {"run by hand", run_by_hand},
    {"new image goes on", new_image_goes_on},
    {"wrong sections name their key", wrong_sections_name_their_key},
    {"damaged file is read as far as it makes sense",
     damaged_file_is_read_as_far_as_it_makes_sense},
    {"unwritable folder does not stop jobs", unwritable_folder_does_not_stop_jobs},
    {0},
};

#include "moment.h"
#include "schedule/job.h"
#include "test.h"

#include <string.h>

static struct jobs *jobs;
static struct job_due due[8];

static void add(const char *name, const char *text, enum job_missed missed, int64_t last_s,
                int64_t now_s)
{
    struct cron cron;

    CU_ASSERT_EQUAL_FATAL(cron_parse(text, &cron, NULL), 0);
    CU_ASSERT(jobs_add(jobs, name, &cron, NULL, missed, last_s, now_s) >= 0);
}

static void runs_on_time_and_only_once(void)
{
    int64_t now = moment("2026-01-01 00:00:00");

    jobs = jobs_new(4);
    add("tidy", "0 * * * *", JOB_SKIP, INT64_MIN, now);
    CU_ASSERT_EQUAL(jobs_next(jobs), now + 3600);
    CU_ASSERT_EQUAL(jobs_take_due(jobs, now + 3599, due, 8), 0);
    CU_ASSERT_EQUAL(jobs_take_due(jobs, now + 3600, due, 8), 1);
    CU_ASSERT_EQUAL(due[0].planned_s, now + 3600);
    CU_ASSERT_EQUAL(due[0].late, 0);
    CU_ASSERT_EQUAL(jobs_take_due(jobs, now + 3600, due, 8), 0);
    CU_ASSERT_EQUAL(jobs_next(jobs), now + 7200);
    CU_ASSERT_EQUAL(jobs_take_due(jobs, now + 7200 + JOB_GRACE_S, due, 8), 1);
    CU_ASSERT_EQUAL(due[0].late, 0); /* the loop was busy for a minute */
    jobs_free(jobs);
}

static void missed_times_run_once_or_not(void)
{
    int64_t now = moment("2026-01-05 10:30:00"), last = moment("2026-01-01 10:00:00");
    struct job_info info;

    jobs = jobs_new(4);
    add("make_up", "0 * * * *", JOB_RUN, last, now);
    add("skip", "0 * * * *", JOB_SKIP, last, now);
    CU_ASSERT_EQUAL(jobs_take_due(jobs, now, due, 8), 1);
    CU_ASSERT_EQUAL(jobs_info(jobs, due[0].id, &info), 0);
    CU_ASSERT_STRING_EQUAL(info.name, "make_up");
    CU_ASSERT_EQUAL(due[0].late, 1);
    CU_ASSERT_EQUAL(info.last_s, now);
    CU_ASSERT_EQUAL(jobs_next(jobs), moment("2026-01-05 11:00:00"));
    CU_ASSERT_EQUAL(jobs_take_due(jobs, jobs_next(jobs), due, 8), 2);
    jobs_free(jobs);
}

/* What status stores is enough for the next host to go on. */
static void last_runs_survive_a_restart(void)
{
    int64_t now = moment("2026-01-01 12:00:00");
    struct job_info info;

    jobs = jobs_new(4);
    add("daily", "0 12 * * *", JOB_RUN, moment("2025-12-31 12:00:00"), now - 10);
    CU_ASSERT_EQUAL(jobs_take_due(jobs, now, due, 8), 1);
    CU_ASSERT_EQUAL(jobs_info(jobs, 0, &info), 0);
    jobs_free(jobs);
    jobs = jobs_new(4);
    add("daily", "0 12 * * *", JOB_RUN, info.last_s, now + 5);
    CU_ASSERT_EQUAL(jobs_take_due(jobs, now + 5, due, 8), 0); /* ran already */
    CU_ASSERT_EQUAL(jobs_next(jobs), now + 86400);
    jobs_free(jobs);
}

static void new_job_does_not_make_up(void)
{
    int64_t now = moment("2026-01-01 12:00:01");

    jobs = jobs_new(1);
    add("daily", "0 12 * * *", JOB_RUN, INT64_MIN, now);
    CU_ASSERT_EQUAL(jobs_take_due(jobs, now, due, 8), 0);
    jobs_free(jobs);
}

static void reboot_runs_once_at_start(void)
{
    jobs = jobs_new(1);
    add("warm", "@reboot", JOB_SKIP, 5, 1000);
    CU_ASSERT_EQUAL(jobs_take_due(jobs, 5000, due, 8), 1);
    CU_ASSERT_EQUAL(due[0].late, 0);
    CU_ASSERT_EQUAL(jobs_take_due(jobs, 9000, due, 8), 0);
    CU_ASSERT_EQUAL(jobs_next(jobs), CRON_NEVER);
    jobs_free(jobs);
}

static void clock_set_back_does_not_stop_jobs(void)
{
    int64_t wrong = moment("2031-01-01 00:00:00"), right = moment("2026-01-01 00:00:30");

    jobs = jobs_new(2);
    add("often", "* * * * *", JOB_SKIP, INT64_MIN, wrong);
    CU_ASSERT_EQUAL(jobs_take_due(jobs, wrong + 60, due, 8), 1);
    CU_ASSERT_EQUAL(jobs_take_due(jobs, right, due, 8), 0);
    CU_ASSERT_EQUAL(jobs_take_due(jobs, right + 30, due, 8), 1);
    jobs_free(jobs);
}

static void clock_set_back_a_little_repeats_nothing(void)
{
    int64_t now = moment("2026-01-01 00:00:00");

    jobs = jobs_new(2);
    add("often", "*/5 * * * *", JOB_SKIP, INT64_MIN, now - 1);
    CU_ASSERT_EQUAL(jobs_take_due(jobs, now, due, 8), 1);
    CU_ASSERT_EQUAL(jobs_take_due(jobs, now - 200, due, 8), 0);
    CU_ASSERT_EQUAL(jobs_take_due(jobs, now, due, 8), 0);
    jobs_free(jobs);
}

static void stored_time_in_the_future_is_not_believed(void)
{
    int64_t now = moment("2026-01-01 00:00:00");

    jobs = jobs_new(2);
    add("hourly", "@hourly", JOB_RUN, moment("2040-01-01 00:00:00"), now);
    CU_ASSERT_EQUAL(jobs_next(jobs), now + 3600);
    jobs_free(jobs);
}

static void due_in_portions(void)
{
    char name[8];

    jobs = jobs_new(20);
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "j%d", i);
        add(name, "* * * * *", JOB_SKIP, INT64_MIN, 0);
    }
    CU_ASSERT_EQUAL(jobs_take_due(jobs, 60, due, 8), 8);
    CU_ASSERT_EQUAL(jobs_take_due(jobs, 60, due, 8), 8);
    CU_ASSERT_EQUAL(jobs_take_due(jobs, 60, due, 8), 4);
    jobs_free(jobs);
}

static void refused(void)
{
    struct cron c;
    char name[80];

    CU_ASSERT_PTR_NULL(jobs_new(0));
    CU_ASSERT_PTR_NULL(jobs_new(JOB_MAX + 1));
    CU_ASSERT_EQUAL(cron_parse("@daily", &c, NULL), 0);
    memset(name, 'n', sizeof name);
    name[79] = 0;
    jobs = jobs_new(1);
    CU_ASSERT_EQUAL(jobs_add(jobs, "", &c, NULL, JOB_RUN, 0, 0), -EINVAL);
    CU_ASSERT_EQUAL(jobs_add(jobs, name, &c, NULL, JOB_RUN, 0, 0), -EINVAL);
    CU_ASSERT_EQUAL(jobs_add(jobs, "a", &c, NULL, JOB_RUN, 0, 0), 0);
    CU_ASSERT_EQUAL(jobs_add(jobs, "a", &c, NULL, JOB_RUN, 0, 0), -EEXIST);
    CU_ASSERT_EQUAL(jobs_add(jobs, "b", &c, NULL, JOB_RUN, 0, 0), -ENOSPC);
    CU_ASSERT_EQUAL(jobs_remove(jobs, "b"), -ENOENT);
    CU_ASSERT_EQUAL(jobs_remove(jobs, ""), -ENOENT);
    CU_ASSERT_EQUAL(jobs_remove(jobs, "a"), 0);
    CU_ASSERT_EQUAL(jobs_next(jobs), CRON_NEVER);
    CU_ASSERT_EQUAL(jobs_add(jobs, "b", &c, NULL, JOB_RUN, 0, 0), 0);
    jobs_free(jobs);
    jobs_free(NULL);
}

const struct test_case tests[] = {
    {"runs_on_time_and_only_once", runs_on_time_and_only_once},
    {"missed_times_run_once_or_not", missed_times_run_once_or_not},
    {"last_runs_survive_a_restart", last_runs_survive_a_restart},
    {"new_job_does_not_make_up", new_job_does_not_make_up},
    {"reboot_runs_once_at_start", reboot_runs_once_at_start},
    {"clock_set_back_does_not_stop_jobs", clock_set_back_does_not_stop_jobs},
    {"clock_set_back_a_little_repeats_nothing", clock_set_back_a_little_repeats_nothing},
    {"stored_time_in_the_future_is_not_believed", stored_time_in_the_future_is_not_believed},
    {"due_in_portions", due_in_portions},
    {"refused", refused},
    {0},
};

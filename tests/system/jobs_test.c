/*
 * jobs_test.c - [job:NAME] sections in a running host: every second, over a restart, over
 * a new image of the host, and refused when they are wrong.
 */
#include "rig.h"

#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define HOST_INI "[host]\nnode = test\n[service_faulty]\n"

struct job {
    int found, running;
    int64_t next, last, runs, failures, skipped;
    char last_error[256];
};

static struct job job_of(struct rig *rig, const char *name)
{
    struct answer a = rig_call(rig, "host", "host.jobs", 0, NULL);
    struct job job = {0};
    struct aiex_value list;
    struct aiex_slice at, item, its;

    if (aiex_get(a.body, "jobs", &list) != 1 || list.type != AIEX_T_ARRAY)
        return job;
    at = list.bytes;
    for (uint32_t i = 0; i < list.count; i++) {
        item = at;
        if (aiex_r_skip(&at) != 0)
            break;
        item.len -= at.len;
        if (aiex_get_str(item, "name", &its) != 1 || !aiex_slice_is(its, name))
            continue;
        job.found = 1;
        aiex_get_bool(item, "running", &job.running);
        aiex_get_int(item, "next", &job.next);
        aiex_get_int(item, "last", &job.last);
        aiex_get_int(item, "runs", &job.runs);
        aiex_get_int(item, "failures", &job.failures);
        aiex_get_int(item, "skipped", &job.skipped);
        aiex_get_text(item, "last_error", job.last_error, sizeof(job.last_error));
    }
    return job;
}

struct wanted {
    const char *name;
    int64_t runs, skipped;
    struct job got;
};

static int has_run(struct rig *rig, void *arg)
{
    struct wanted *w = arg;

    w->got = job_of(rig, w->name);
    return w->got.runs >= w->runs && w->got.skipped >= w->skipped;
}

static int64_t wall_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void every_second(void)
{
    struct rig *rig = rig_start(HOST_INI
                                "[job:tick]\ncron = * * * * * *\nservice = service_faulty\n"
                                "method = echo\nbody = {\"n\": 1}\n"
                                "[job:wrong]\ncron = * * * * * *\nservice = service_faulty\n"
                                "method = no_such_method\n");
    struct wanted tick = {.name = "tick", .runs = 2}, wrong = {.name = "wrong", .runs = 2};
    struct answer a;

    CU_ASSERT(rig_until(rig, has_run, &tick));
    CU_ASSERT_EQUAL(tick.got.failures, 0);
    CU_ASSERT_STRING_EQUAL(tick.got.last_error, "");
    CU_ASSERT(wall_ms() - tick.got.last < 2000);
    CU_ASSERT(tick.got.next > tick.got.last && tick.got.next % 1000 == 0);
    CU_ASSERT(rig_until(rig, has_run, &wrong));
    CU_ASSERT_EQUAL(wrong.got.failures, wrong.got.runs);
    CU_ASSERT_PTR_NOT_NULL(strstr(wrong.got.last_error, "not_found: "));
    a = rig_call(rig, "host", "host.jobs", 0, NULL);
    CU_ASSERT_STRING_EQUAL(a.code, "");
    CU_ASSERT_FALSE(rig_host(rig, "host.job_run", "name", "nothing", &a));
    CU_ASSERT_STRING_EQUAL(a.code, "not_found");
    rig_end(rig);
}

/* A stream of the jobs' events of its own: rig_until() drops those of the rig's. */
static struct client *listen_to_jobs(struct rig *rig)
{
    struct client *c = client_open(rig->socket);
    uint8_t mem[64];
    struct aiex_writer w;

    CU_ASSERT_FATAL(c != NULL);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_key_str(&w, "topic", "host.job");
    client_call(c, "host", "host.events", aiex_written(&w), 86400000);
    CU_ASSERT_FATAL(client_send(c) == 0);
    return c;
}

static int heard(struct client *c, const char *type, const char *job)
{
    int64_t until = now_ms() + RIG_WAIT_MS;
    struct aiex_slice its, subject;
    struct frame f;

    while (now_ms() < until && client_next(c, &f, (int)(until - now_ms())) == 1)
        if (f.is_part && aiex_get_str(f.body, "type", &its) == 1 && aiex_slice_is(its, type) &&
            aiex_get_str(f.body, "subject", &subject) == 1 && aiex_slice_is(subject, job))
            return 1;
    return 0;
}

static void by_hand_with_events(void)
{
    struct rig *rig = rig_start(HOST_INI
                                "[job:yearly]\ncron = @yearly\nservice = service_faulty\n"
                                "method = slow\nbody = {\"n\": 300}\n"
                                "[job:bad]\ncron = @yearly\nservice = nobody\nmethod = x\n");
    struct client *events = listen_to_jobs(rig);
    struct answer a;

    CU_ASSERT(rig_host(rig, "host.job_run", "name", "yearly", &a));
    CU_ASSERT_FALSE(rig_host(rig, "host.job_run", "name", "yearly", &a));
    CU_ASSERT_STRING_EQUAL(a.code, "conflict");
    CU_ASSERT(heard(events, "done", "yearly"));
    CU_ASSERT_EQUAL(job_of(rig, "yearly").runs, 1);
    CU_ASSERT(rig_host(rig, "host.job_run", "name", "bad", &a));
    CU_ASSERT(heard(events, "failed", "bad"));
    CU_ASSERT_PTR_NOT_NULL(strstr(job_of(rig, "bad").last_error, "unavailable: "));
    client_close(events);
    rig_end(rig);
}

static void overlapping_runs_are_skipped(void)
{
    struct rig *rig = rig_start(HOST_INI
                                "[job:long]\ncron = * * * * * *\nservice = service_faulty\n"
                                "method = slow\nbody = {\"n\": 2500}\n");
    struct wanted skipped = {.name = "long", .skipped = 2};
    struct client *events = listen_to_jobs(rig);

    CU_ASSERT(rig_until(rig, has_run, &skipped));
    CU_ASSERT(heard(events, "skipped", "long"));
    client_close(events);
    CU_ASSERT_EQUAL(rig_plugin(rig, "service_faulty").in_flight, 1);
    rig_end(rig);
}

static void reload_changes_jobs(void)
{
    struct rig *rig = rig_start(
        HOST_INI "[job:a]\ncron = @yearly\nservice = service_faulty\nmethod = echo\n");
    struct wanted b = {.name = "b", .runs = 1};

    CU_ASSERT(job_of(rig, "a").found);
    rig_write(rig, "20.ini",
              "[job:a]\nenabled = no\n[job:b]\ncron = * * * * * *\nservice = service_faulty\n"
              "method = echo\n");
    rig_reload(rig);
    CU_ASSERT_FALSE(job_of(rig, "a").found);
    CU_ASSERT(rig_until(rig, has_run, &b));
    /* refused whole: b goes on */
    rig_write(rig, "20.ini", "[job:b]\ncron = 99 * * * *\nservice = x\nmethod = y\n");
    rig_reload(rig);
    b.runs = b.got.runs + 1;
    CU_ASSERT(rig_until(rig, has_run, &b));
    rig_end(rig);
}

/* A run that goes on while the host executes a new image ends once, and its time is not run again.
 */
static void new_image_takes_running_jobs_over(void)
{
    struct rig *rig = rig_start(HOST_INI
                                "[job:once]\ncron = @reboot\nservice = service_faulty\n"
                                "method = slow\nbody = {\"n\": 1500}\n"
                                "[job:tick]\ncron = * * * * * *\nservice = service_faulty\n"
                                "method = echo\n");
    struct wanted tick = {.name = "tick", .runs = 1}, once = {.name = "once", .runs = 1};
    struct answer a;

    CU_ASSERT(rig_until(rig, has_run, &tick));
    CU_ASSERT_TRUE(job_of(rig, "once").running);
    CU_ASSERT(rig_host(rig, "host.upgrade", NULL, NULL, &a));
    CU_ASSERT(rig_until(rig, has_run, &once));
    CU_ASSERT_EQUAL(once.got.failures, 0);
    tick.runs = job_of(rig, "tick").runs + 1;
    CU_ASSERT(rig_until(rig, has_run, &tick));
    CU_ASSERT_EQUAL(tick.got.failures, 0);
    CU_ASSERT_EQUAL(job_of(rig, "once").runs, 1);
    rig_end(rig);
}

static void the_file_says_when(void)
{
    struct rig *rig = rig_start(HOST_INI "[job:tick]\ncron = * * * * * *\nzone = Asia/Tokyo\n"
                                         "service = service_faulty\nmethod = echo\n");
    struct wanted tick = {.name = "tick", .runs = 1};
    char path[160], line[256] = "";
    long long since = 0, last = 0;
    struct stat st;
    FILE *f;

    CU_ASSERT(rig_until(rig, has_run, &tick));
    snprintf(path, sizeof(path), "%s/run/jobs", rig->data);
    CU_ASSERT_EQUAL(stat(path, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
    f = fopen(path, "re");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_PTR_NOT_NULL(fgets(line, sizeof(line), f));
    fclose(f);
    CU_ASSERT_EQUAL(sscanf(line, "tick %lld %lld Asia/Tokyo * * * * * *", &since, &last), 2);
    CU_ASSERT(last >= tick.got.last && since > 0 && since < last);
    rig_end(rig);
}

static void wrong_jobs_are_refused_at_their_line(void)
{
    static const struct {
        const char *text, *says;
    } wrong[] = {
        {"cron = 61 * * * *\nservice = x\nmethod = y\n", "10.ini:4: [job:j] cron: "},
        {"cron = @daily\nzone = Mars/Olympus\nservice = x\nmethod = y\n",
         "10.ini:5: [job:j] zone: "},
        {"cron = @daily\nservice = x\nmethod = y\nbody = {\"a\":\n", "10.ini:7: [job:j] body: "},
        {"cron = @daily\nservice = x\nmethod = y\nbody = [1]\n", "10.ini:7: [job:j] body: "},
        {"cron = @daily\nservice = x\n", "10.ini:3: [job:j] method is required"},
    };
    char ini[512], out[2048];

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(ini, sizeof(ini), "[host]\nnode = test\n[job:j]\n%s", wrong[i].text);
        CU_ASSERT_EQUAL(rig_check(ini, NULL, out, sizeof(out)), 2);
        CU_ASSERT_PTR_NOT_NULL(strstr(out, wrong[i].says));
        if (!strstr(out, wrong[i].says))
            printf("\n    instead: %s", out);
    }
}

const struct test_case tests[] = {
    {"every second", every_second},
    {"by hand, with events", by_hand_with_events},
    {"overlapping runs are skipped", overlapping_runs_are_skipped},
    {"reload changes jobs", reload_changes_jobs},
    {"new image takes running jobs over", new_image_takes_running_jobs_over},
    {"the file says when", the_file_says_when},
    {"wrong jobs are refused at their line", wrong_jobs_are_refused_at_their_line},
    {0},
};

/* jobs.c - what a job does when it is due, and what it tells; see jobs.h. */
#include "node/jobs.h"

#include "base/clock.h"
#include "base/log.h"
#include "node/jobs_private.h"
#include "schedule/civil.h"
#include "wire/pack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS   60000 /* longest time without a look at the wall clock */
#define DUE_BATCH 64

/* ---- Telling ---- */

static void tell(struct entry *e, const char *type, const char *code, const char *text, uint64_t ms)
{
    uint8_t mem[700];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 3);
    aiex_w_key_int(&w, "ms", (int64_t)ms);
    aiex_w_key_str(&w, "code", code);
    aiex_w_key_str(&w, "text", text);
    endpoint_publish(e->jobs->endpoint, (unsigned)e->jobs->part,
                     &(struct aiex_event){.struct_size = sizeof(struct aiex_event),
                                          .topic = "host.job",
                                          .type = type,
                                          .subject = e->name,
                                          .data = aiex_written(&w)});
}

static void skip(struct entry *e, int64_t now_ms)
{
    e->skipped++;
    e->since_ms = now_ms; /* a restart does not make up for it */
    e->jobs->dirty = 1;
    log_info("job '%s' is due, but its last run goes on: skipped", e->name);
    tell(e, "skipped", "", "its last run goes on", 0);
}

/* ---- Runs ---- */

void entry_free(struct entry *e)
{
    list_remove(&e->link);
    zone_free(e->zone);
    free(e->body);
    free(e);
}

static void ended(struct entry *e, const char *code, const char *text)
{
    uint64_t ms = loop_now_ms(e->jobs->options.loop) - e->begun_ms;

    e->step = AT_REST;
    e->call = 0;
    e->runs++;
    e->last_error[0] = 0;
    if (code) {
        e->failures++;
        snprintf(e->last_error, sizeof(e->last_error), "%s: %s", code, text ? text : "");
        log_warn("job '%s' failed after %llu ms: %s", e->name, (unsigned long long)ms,
                 e->last_error);
        tell(e, "failed", code, text ? text : "", ms);
    } else {
        log_debug("job '%s' done in %llu ms", e->name, (unsigned long long)ms);
        tell(e, "done", "", "", ms);
    }
    if (e->gone)
        entry_free(e);
}

static void on_answer(void *arg, const struct aiex_answer *answer)
{
    if (answer->kind == AIEX_ANSWER_END)
        ended(arg, answer->code, answer->text);
}

static void call(struct entry *e)
{
    struct node_jobs *jobs = e->jobs;
    struct aiex_request req = {.struct_size = sizeof(req),
                               .service = e->service,
                               .method = e->method,
                               .body = {e->body, e->body_len},
                               .timeout_ms = e->timeout_ms};
    int r;

    e->step = RUNNING;
    e->begun_ms = loop_now_ms(jobs->options.loop);
    r = endpoint_call(jobs->endpoint, (unsigned)jobs->part, &req, on_answer, e, &e->call);
    if (r < 0)
        ended(e, AIEX_E_INTERNAL, strerror(-r));
}

static void want(struct entry *e, int64_t now_ms)
{
    if (e->step != AT_REST) {
        skip(e, now_ms);
        return;
    }
    e->step = DUE;
    e->last_ms = now_ms;
    e->jobs->dirty = 1;
}

static struct entry *entry_of_id(struct node_jobs *jobs, uint32_t id)
{
    list_each (it, &jobs->entries)
        if (list_of(it, struct entry, link)->id == (int)id)
            return list_of(it, struct entry, link);
    return NULL;
}

void jobs_arm(struct node_jobs *jobs)
{
    int64_t now_ms = jobs->options.wall_ms(), next_s = jobs_next(jobs->table), wait_ms = LOOK_MS;

    if (next_s == CRON_NEVER) {
        loop_timer_stop(jobs->timer);
        return;
    }
    if (next_s < (now_ms + LOOK_MS) / 1000)
        wait_ms = next_s * 1000 - now_ms;
    loop_timer_set(jobs->timer, wait_ms > 0 ? (uint64_t)wait_ms : 1, 0);
}

void node_jobs_tick(struct node_jobs *jobs)
{
    int64_t now_ms = jobs->options.wall_ms();
    struct job_due due[DUE_BATCH];
    uint32_t n;

    if (jobs->stopped)
        return;
    do {
        n = jobs_take_due(jobs->table, floor_div(now_ms, 1000), due, DUE_BATCH);
        for (uint32_t i = 0; i < n; i++) {
            struct entry *e = entry_of_id(jobs, due[i].id);

            if (e && due[i].late)
                log_notice("job '%s' makes up for a time that was missed", e->name);
            if (e)
                want(e, now_ms);
        }
    } while (n == DUE_BATCH);
    jobs_arm(jobs);
}

static void on_timer(void *arg)
{
    node_jobs_tick(arg);
}

/* ---- The file ---- */

static void start_written(struct node_jobs *jobs)
{
    list_each_safe (it, next, &jobs->entries) {
        struct entry *e = list_of(it, struct entry, link);

        if (e->step != WRITING)
            continue;
        if (!jobs->stopped)
            call(e);
        else
            e->step = AT_REST;
    }
}

/* Begins to write all lines down; jobs that are due wait for the end of it. */
static void write_lines(struct node_jobs *jobs)
{
    struct buf text;
    int r = 0;

    buf_init(&text, JOB_FILE_MAX);
    list_each (it, &jobs->entries) {
        struct entry *e = list_of(it, struct entry, link);
        struct job_line line = {e->name, e->zone_name, e->cron_text, e->since_ms, e->last_ms};

        if (e->step == DUE)
            e->step = WRITING;
        if (r == 0 && !e->gone)
            r = job_file_add(&text, &line);
    }
    jobs->dirty = 0;
    if (r == 0)
        r = job_file_write(jobs->file, &text);
    buf_done(&text);
    if (r < 0) {
        log_error("the times of jobs can not be written down: %s", strerror(-r));
        start_written(jobs);
    }
}

int node_jobs_turn(struct node_jobs *jobs)
{
    struct aiex_error err = {""};
    int r, did = 0;

    if (job_file_finished(jobs->file, &r, &err)) {
        if (r < 0)
            log_error("the times of jobs can not be written down: %s; jobs run, but a restart may "
                      "run some again",
                      err.text);
        start_written(jobs);
        did = 1;
    }
    if (jobs->dirty && !job_file_busy(jobs->file)) {
        write_lines(jobs);
        did = 1;
    }
    return did;
}

/* ---- Making ---- */

struct node_jobs *node_jobs_new(const struct node_jobs_options *options)
{
    struct node_jobs *jobs = calloc(1, sizeof(*jobs));

    if (!jobs)
        return NULL;
    jobs->options = *options;
    jobs->endpoint = inside_endpoint(options->inside);
    list_init(&jobs->entries);
    jobs->file = job_file_new(options->loop, options->path);
    jobs->options.path = NULL; /* the file has a copy */
    jobs->table = jobs_new(JOB_MAX);
    jobs->timer = loop_timer_new(options->loop, on_timer, jobs);
    jobs->part = inside_add(options->inside, "host.jobs", NULL, jobs);
    if (!jobs->file || !jobs->table || !jobs->timer || jobs->part < 0) {
        node_jobs_free(jobs);
        return NULL;
    }
    return jobs;
}

void node_jobs_free(struct node_jobs *jobs)
{
    if (!jobs)
        return;
    job_file_free(jobs->file);
    while (!list_empty(&jobs->entries)) {
        struct entry *e = list_of(jobs->entries.next, struct entry, link);

        if (e->step == RUNNING)
            endpoint_cancel(jobs->endpoint, e->call);
        entry_free(e);
    }
    jobs_free(jobs->table);
    loop_timer_free(jobs->timer);
    free(jobs);
}

void node_jobs_stop(struct node_jobs *jobs)
{
    jobs->stopped = 1;
    loop_timer_stop(jobs->timer);
}

/* ---- What it tells ---- */

int node_jobs_info(const struct node_jobs *jobs, unsigned i, struct node_job_info *ret)
{
    list_each (it, &jobs->entries) {
        const struct entry *e = list_of(it, struct entry, link);
        struct job_info info;

        if (e->gone || i-- > 0)
            continue;
        *ret = (struct node_job_info){
            .name = e->name,
            .cron = e->cron_text,
            .zone = e->zone_name,
            .service = e->service,
            .method = e->method,
            .last_ms = e->last_ms,
            .running = e->step != AT_REST,
            .runs = e->runs,
            .failures = e->failures,
            .skipped = e->skipped,
            .last_error = e->last_error,
        };
        if (e->id >= 0 && jobs_info(jobs->table, (uint32_t)e->id, &info) == 0 &&
            info.next_s != CRON_NEVER)
            ret->next_ms = info.next_s * 1000;
        return 0;
    }
    return -ENOENT;
}

int node_jobs_run(struct node_jobs *jobs, const char *name)
{
    struct entry *e = entry_find(jobs, name);

    if (!e)
        return -ENOENT;
    if (jobs->stopped)
        return -ESHUTDOWN;
    if (e->step != AT_REST)
        return -EBUSY;
    want(e, jobs->options.wall_ms());
    loop_wake(jobs->options.loop);
    return 0;
}

/* ---- A new image of the host ---- */

int node_jobs_quiet(const struct node_jobs *jobs)
{
    return !jobs->dirty && !job_file_busy(jobs->file);
}

void node_jobs_save(const struct node_jobs *jobs, struct pack *out)
{
    size_t n = 0;

    list_each (it, &jobs->entries)
        n += !list_of(it, struct entry, link)->gone;
    pack_array(out, n);
    list_each (it, &jobs->entries) {
        const struct entry *e = list_of(it, struct entry, link);

        if (e->gone)
            continue;
        pack_map(out, 7);
        pack_key_str(out, "name", e->name);
        pack_key_int(out, "call", e->step == RUNNING ? (int64_t)e->call : 0);
        pack_key_int(out, "begun_ms", (int64_t)e->begun_ms);
        pack_key_int(out, "runs", (int64_t)e->runs);
        pack_key_int(out, "failures", (int64_t)e->failures);
        pack_key_int(out, "skipped", (int64_t)e->skipped);
        pack_key_str(out, "last_error", e->last_error);
    }
}

void node_jobs_load(struct node_jobs *jobs, const void *v)
{
    for (size_t i = 0; i < doc_len(v); i++) {
        doc_value j = doc_at(v, i);
        char name[64];
        struct entry *e = entry_find(jobs, doc_text(doc_get(j, "name"), name, sizeof(name), ""));

        if (!e)
            continue;
        e->call = (uint64_t)doc_int(doc_get(j, "call"), 0);
        e->begun_ms = (uint64_t)doc_int(doc_get(j, "begun_ms"), 0);
        e->runs = (uint64_t)doc_int(doc_get(j, "runs"), 0);
        e->failures = (uint64_t)doc_int(doc_get(j, "failures"), 0);
        e->skipped = (uint64_t)doc_int(doc_get(j, "skipped"), 0);
        doc_text(doc_get(j, "last_error"), e->last_error, sizeof(e->last_error), "");
        if (e->call && endpoint_rebind(jobs->endpoint, e->call, on_answer, e) == 0)
            e->step = RUNNING;
    }
}

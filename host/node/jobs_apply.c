/* jobs_apply.c - from [job:NAME] sections to jobs that run: checked, new, changed, gone. */
#include "node/jobs.h"

#include "base/auto.h"
#include "base/err.h"
#include "base/log.h"
#include "node/jobs_private.h"
#include "schedule/civil.h"

#include <aiex/aiex_message.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX AIEX_MAX_BODY

/* ---- What a section says ---- */

static const char *zone_name_of(const struct config_job *job)
{
    return job->zone[0] ? job->zone : "UTC";
}

/* The JSON text as a msgpack map; *ret is the caller's to free. */
static int body_of(const struct config_job *job, uint8_t **ret, size_t *ret_len,
                   struct aiex_error *err)
{
    const char *text = job->body[0] ? job->body : "{}";
    struct aiex_slice json = {(const uint8_t *)text, strlen(text)};
    size_t size = json.len + 16; /* enough but for many short numbers: then it is made again */
    struct aiex_writer w;

    for (;;) {
        auto_free uint8_t *mem = malloc(size);
        int r;

        if (!mem)
            return fail(err, -ENOMEM, "no memory");
        aiex_writer_init(&w, mem, size);
        r = aiex_message_from_json(NULL, json, &w, err);
        if (r < 0)
            return r;
        if (w.len > BODY_MAX)
            return fail(err, -EMSGSIZE, "is larger than %u bytes", BODY_MAX);
        if (!w.failed) {
            if ((mem[0] & 0xf0) != 0x80 && mem[0] != 0xde && mem[0] != 0xdf)
                return fail(err, -EINVAL, "'%.60s' is not a JSON object; expected {\"key\": value}",
                            text);
            *ret = take(mem);
            *ret_len = w.len;
            return 0;
        }
        size = w.len;
    }
}

int node_jobs_check(void *arg, const struct config_job *job, const char **ret_key,
                    struct aiex_error *err)
{
    auto_free uint8_t *body = NULL;
    struct zone *zone = NULL;
    struct cron cron;
    size_t len;
    int r;

    *ret_key = "cron";
    r = cron_parse(job->cron, &cron, err);
    if (r < 0)
        return r;
    *ret_key = "zone";
    r = zone_open(job->zone, &zone, err);
    zone_free(zone);
    if (r < 0)
        return r;
    *ret_key = "body";
    r = body_of(job, &body, &len, err);
    if (r < 0)
        return r;
    *ret_key = strlen(job->service) > AIEX_MAX_NAME ? "service" : "method";
    if (strlen(job->service) > AIEX_MAX_NAME || strlen(job->method) > AIEX_MAX_NAME)
        return fail(err, -EINVAL, "is longer than %u bytes", AIEX_MAX_NAME);
    return 0;
}

/* ---- Entries ---- */

struct entry *entry_find(const struct node_jobs *jobs, const char *name)
{
    list_each (it, &jobs->entries) {
        struct entry *e = list_of(it, struct entry, link);

        if (!e->gone && !strcmp(e->name, name))
            return e;
    }
    return NULL;
}

/* Puts the entry into the table; it is due behind `behind_ms`, 0 = now. */
static void schedule(struct entry *e, int64_t behind_ms, int may_reboot)
{
    struct node_jobs *jobs = e->jobs;
    int64_t now_s = floor_div(jobs->options.wall_ms(), 1000);

    e->id = -1;
    if (e->cron.reboot && !may_reboot)
        return;
    e->id = jobs_add(jobs->table, e->name, &e->cron, e->zone, e->missed,
                     behind_ms ? floor_div(behind_ms, 1000) : INT64_MIN, now_s);
    if (e->id < 0)
        log_error("job '%s' can not be scheduled: %s", e->name, strerror(-e->id));
}

/* Takes what the section says. 1 = its times changed, 0 = they did not, negative errno: nothing was
 * changed. */
static int entry_set(struct entry *e, const struct config_job *job)
{
    auto_free uint8_t *body = NULL;
    struct aiex_error err = {""};
    struct zone *zone = NULL;
    struct cron cron;
    size_t len = 0;
    int changed, r = cron_parse(job->cron, &cron, &err);

    if (r == 0)
        r = body_of(job, &body, &len, &err);
    if (r == 0)
        r = zone_open(job->zone, &zone, &err);
    if (r < 0) {
        log_error("job '%s': %s; it stays as it was", job->name, err.text);
        return r;
    }
    changed = strcmp(e->cron_text, job->cron) || strcmp(e->zone_name, zone_name_of(job)) ||
              e->missed != (job->missed == CONFIG_MISSED_RUN ? JOB_RUN : JOB_SKIP);
    if (changed)
        jobs_remove(e->jobs->table, e->name); /* it uses the zone */
    if (changed) {
        zone_free(e->zone);
        e->zone = take(zone);
    }
    zone_free(zone);
    e->cron = cron;
    e->missed = job->missed == CONFIG_MISSED_RUN ? JOB_RUN : JOB_SKIP;
    e->timeout_ms = (uint32_t)job->timeout_ms;
    snprintf(e->cron_text, sizeof(e->cron_text), "%s", job->cron);
    snprintf(e->zone_name, sizeof(e->zone_name), "%s", zone_name_of(job));
    snprintf(e->service, sizeof(e->service), "%s", job->service);
    snprintf(e->method, sizeof(e->method), "%s", job->method);
    free(e->body);
    e->body = take(body);
    e->body_len = len;
    return changed;
}

/* A job that this host has not run yet; `text` is the file, NULL = there is none. */
static void add(struct node_jobs *jobs, const struct config_job *job, const char *text,
                int may_reboot)
{
    struct entry *e = calloc(1, sizeof(*e));
    struct job_line line;

    if (!e) {
        log_error("job '%s': no memory", job->name);
        return;
    }
    e->jobs = jobs;
    list_init(&e->link);
    snprintf(e->name, sizeof(e->name), "%s", job->name);
    if (entry_set(e, job) < 0) {
        entry_free(e);
        return;
    }
    line = (struct job_line){.name = e->name, .zone = e->zone_name, .cron = e->cron_text};
    e->since_ms = jobs->options.wall_ms();
    if (job_file_find(text, &line) == 0) {
        e->since_ms = line.since_ms;
        e->last_ms = line.last_ms;
    }
    e->keep = 1;
    list_append(&jobs->entries, &e->link);
    schedule(e, e->last_ms > e->since_ms ? e->last_ms : e->since_ms, may_reboot);
}

static void change(struct entry *e, const struct config_job *job)
{
    e->keep = 1;
    if (entry_set(e, job) != 1)
        return;
    e->since_ms = e->jobs->options.wall_ms();
    schedule(e, 0, 0);
}

static void drop(struct entry *e)
{
    jobs_remove(e->jobs->table, e->name);
    e->id = -1;
    e->gone = 1;
    if (e->step != RUNNING)
        entry_free(e);
}

void node_jobs_apply(struct node_jobs *jobs, const struct config *config, int resumed)
{
    int first = !jobs->applied;
    struct aiex_error err = {""};
    auto_free char *text = first ? job_file_read(jobs->file, &err) : NULL;

    if (err.text[0])
        log_error("the last times of jobs are not known: %s", err.text);
    jobs->applied = 1;
    list_each (it, &jobs->entries)
        list_of(it, struct entry, link)->keep = 0;
    for (size_t i = 0; i < config->n_jobs; i++) {
        struct entry *e = entry_find(jobs, config->jobs[i].name);

        if (!config->jobs[i].enabled)
            continue;
        if (e)
            change(e, &config->jobs[i]);
        else
            add(jobs, &config->jobs[i], text, first && !resumed);
    }
    list_each_safe (it, next, &jobs->entries) {
        struct entry *e = list_of(it, struct entry, link);

        if (!e->keep && !e->gone)
            drop(e);
    }
    jobs->dirty |= !list_empty(&jobs->entries) || text;
    if (!jobs->stopped)
        jobs_arm(jobs);
    loop_wake(jobs->options.loop);
}

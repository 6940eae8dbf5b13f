/*
 * retain.c - checkpoints.prune: which ones the policy keeps.
 *
 * Kept are the newest `keep_last`, the newest one of each of the last `keep_daily` days that have
 * one, of each of the last `keep_weekly` weeks that have one, and all with the tag `keep`. Days and
 * weeks (from Monday) are those of UTC. When the request names a tag, those without it are not
 * looked at: what a clock makes goes, what somebody made stays.
 */
#include "checkpoints.h"

#include <errno.h>
#include <stdlib.h>

#define DAY_MS   86400000ll
#define KEEP_TAG "keep"

struct verdict {
    struct about about;
    int keep;
};

struct pruning {
    struct verdict *all; /* newest first */
    size_t n, kept;
    int dry;
    char tag[MAX_TAG + 1]; /* "" = all */
    size_t chunks;
    int64_t bytes;
};

static int has_tag(const struct about *a, const char *tag)
{
    for (uint32_t i = 0; i < a->n_tags; i++)
        if (strcmp(a->tags[i], tag) == 0)
            return 1;
    return 0;
}

/* 1970-01-01 was a Thursday. */
static int64_t period_of(const struct about *a, int weeks)
{
    int64_t day = a->created / DAY_MS;

    return weeks ? (day + 3) / 7 : day;
}

static void keep_periods(struct pruning *p, int64_t count, int weeks)
{
    int64_t last = -1;

    for (size_t i = 0; i < p->n && count > 0; i++) {
        int64_t period = period_of(&p->all[i].about, weeks);

        if (period == last)
            continue;
        last = period;
        p->all[i].keep = 1;
        count--;
    }
}

static int judge(struct job *j, struct pruning *p)
{
    struct catalog *c = &j->s->catalog;
    const struct config *config = j->s->config;

    p->all = calloc(c->n + 1, sizeof(*p->all));
    if (!p->all)
        return job_errno(j, -ENOMEM, "the list of checkpoints");
    for (size_t i = c->n; i-- > 0;) { /* only the worker changes it */
        struct verdict *v = &p->all[p->n];

        if (p->tag[0] && !has_tag(c->all[i], p->tag))
            continue;
        v->about = *c->all[i];
        v->keep = (int64_t)p->n++ < config->keep_last || has_tag(&v->about, KEEP_TAG);
    }
    keep_periods(p, config->keep_daily, 0);
    keep_periods(p, config->keep_weekly, 1);
    for (size_t i = 0; i < p->n; i++)
        p->kept += (size_t)p->all[i].keep;
    return 0;
}

static void write_pruned(struct aiex_writer *w, const void *arg)
{
    const struct pruning *p = arg;

    aiex_w_map(w, 5);
    aiex_w_key_bool(w, "dry_run", p->dry);
    aiex_w_key_uint(w, "kept", p->kept);
    aiex_w_str(w, "removed");
    aiex_w_array(w, (uint32_t)(p->n - p->kept));
    for (size_t i = 0; i < p->n; i++)
        if (!p->all[i].keep)
            aiex_w_str(w, p->all[i].about.name);
    aiex_w_key_uint(w, "chunks", p->chunks);
    aiex_w_key_int(w, "bytes", p->bytes);
}

int run_prune(struct job *j)
{
    struct pruning p = {0};
    int r = job_bool(j, "dry_run", &p.dry);

    if (r >= 0)
        r = job_text(j, "tag", p.tag, sizeof(p.tag));
    if (r < 0)
        return r;
    r = judge(j, &p);
    for (size_t i = 0; i < p.n && r == 0 && !p.dry; i++)
        if (!p.all[i].keep)
            r = remove_manifest(j, &p.all[i].about);
    if (r == 0 && !p.dry && p.kept < p.n)
        r = catalog_collect(j, &p.chunks, &p.bytes);
    if (r == 0)
        job_done_by(j, write_pruned, &p);
    free(p.all);
    return r;
}

/*
 * report.c - ledger.report: sums of any days by any columns.
 *
 * A day that lies wholly in the asked time is taken from its totals (in memory, or its summary
 * file); of others, and of days with more different rows than `max_rows`, the segment is read. One
 * slice per turn: a day's totals, or half a megabyte of a segment. The result is the same either
 * way.
 */
#include "ledger.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BY_DAY 100 /* besides enum column */
#define BY_TAG 101

struct by {
    int what;
    char name[MAX_COLUMN + 8]; /* as asked for: "user", "tag:team" */
};

struct report {
    struct job job;
    struct by by[MAX_COLUMNS_BY];
    unsigned n_by;
    char filters[N_COLUMNS][MAX_COLUMN + 1]; /* empty = any */
    int64_t from, to;
    int64_t *days;
    size_t n_days, next;
    int64_t day; /* that is being read */
    struct aiex_rlog_cursor c;
    struct table groups;
    uint64_t damaged;
};

/* 0, or -E2BIG: too many groups. */
static int group(struct report *r, const struct facts *f, const struct sums *sums)
{
    struct key k = {.len = 0};
    char day[DAY_TEXT];
    struct row *row;

    for (int c = 0; c < N_COLUMNS; c++)
        if (r->filters[c][0] && !aiex_slice_is(f->columns[c], r->filters[c]))
            return 0;
    for (unsigned i = 0; i < r->n_by; i++) {
        const char *name = r->by[i].name;
        struct aiex_slice value;

        if (r->by[i].what == BY_DAY) {
            day_text(r->day, day);
            value = (struct aiex_slice){(const uint8_t *)day, DAY_TEXT - 1};
        } else if (r->by[i].what == BY_TAG) {
            value = facts_tag(f, (struct aiex_slice){(const uint8_t *)name + 4, strlen(name) - 4});
        } else {
            value = f->columns[r->by[i].what];
        }
        key_add(&k, value.data, value.len);
    }
    row = table_at(&r->groups, k.data, k.len);
    if (!row)
        return r->groups.used < r->groups.max ? -ENOMEM : -E2BIG;
    sums_add(&row->sums, sums);
    return 0;
}

static int add_totals(struct report *r, const struct totals *t)
{
    struct facts f;
    int error = 0;

    for (size_t i = 0; i < t->rows.size && error == 0; i++) {
        const struct row *row = t->rows.slots[i];

        if (row && facts_of_key(row->key, row->len, &f) == 0)
            error = group(r, &f, &row->sums);
    }
    return error;
}

/* From the totals, or opens the segment for reading. */
static int begin_day(struct report *r)
{
    struct ledger *l = r->job.l;
    int64_t begin = r->day * DAY_MS;
    struct day *d = days_find(l, r->day);
    char path[PATH_MAX];
    struct totals t;
    int error, whole;

    if (r->from <= begin && r->to >= begin + DAY_MS) {
        if (d && d->totals.whole)
            return add_totals(r, &d->totals);
        if (!d && days_totals(l, r->day, &t)) {
            whole = t.whole;
            error = whole ? add_totals(r, &t) : 0;
            totals_done(&t);
            if (whole)
                return error;
        }
    }
    days_path(l, r->day, ".log", path, sizeof(path));
    error = aiex_rlog_read(&r->c, path, NULL);
    if (error == -EBADMSG)
        r->damaged++;
    return error == -ENOENT || error == -EBADMSG ? 0 : error;
}

static int read_slice(struct report *r)
{
    uint64_t stop = r->c.at + SLICE_BYTES;
    struct aiex_rlog_item item;
    struct aiex_slice record;
    struct facts f;
    int64_t ms;
    int kind = 0, error = 0;

    while (error == 0 && r->c.at < stop && (kind = aiex_rlog_next(&r->c, &item)) > 0) {
        r->damaged += kind == AIEX_RLOG_HOLE;
        if (kind == AIEX_RLOG_RECORD && days_split(item.body, &ms, &record) == 0 && ms >= r->from &&
            ms < r->to && facts_read(record, &f) == 0) {
            /* the same key as in totals, so that both ways give the same rows */
            error = group(r, &f, &f.sums);
        }
    }
    return kind < 0 ? kind : error;
}

static int by_key(const void *a, const void *b)
{
    const struct row *x = *(struct row *const *)a, *y = *(struct row *const *)b;
    const uint8_t *p = x->key, *q = y->key, *m, *n;
    size_t i, k;

    while (key_next(&p, x->key + x->len, &m, &i) && key_next(&q, y->key + y->len, &n, &k)) {
        int r = memcmp(m, n, i < k ? i : k);

        if (r || i != k)
            return r ? r : i < k ? -1 : 1;
    }
    return 0;
}

struct answer {
    const struct report *r;
    struct row **rows;
    size_t n;
};

static void write_rows(struct aiex_writer *w, const void *arg)
{
    const struct answer *a = arg;

    aiex_w_map(w, 2);
    aiex_w_key_uint(w, "damaged", a->r->damaged);
    aiex_w_str(w, "rows");
    aiex_w_array(w, (uint32_t)a->n);
    for (size_t i = 0; i < a->n; i++) {
        const uint8_t *at = a->rows[i]->key, *end = at + a->rows[i]->len, *text;
        size_t len;

        aiex_w_map(w, a->r->n_by + N_SUMS);
        for (unsigned b = 0; b < a->r->n_by && key_next(&at, end, &text, &len); b++)
            aiex_w_key_strn(w, a->r->by[b].name, (const char *)text, len);
        for (int s = 0; s < N_SUMS; s++)
            aiex_w_key_int(w, sum_names[s], a->rows[i]->sums.v[s]);
    }
}

static int answer(struct report *r)
{
    struct answer a = {.r = r, .rows = calloc(r->groups.used + 1, sizeof(*a.rows))};
    int error;

    if (!a.rows)
        return -ENOMEM;
    for (size_t i = 0; i < r->groups.size; i++)
        if (r->groups.slots[i])
            a.rows[a.n++] = r->groups.slots[i];
    if (a.n)
        qsort(a.rows, a.n, sizeof(*a.rows), by_key);
    error = aiex_reply_by(r->job.l->host, r->job.id, write_rows, &a);
    free(a.rows);
    return error == -ENOMEM ? error : 0;
}

static int refuse(struct report *r, int error)
{
    const struct aiex_host *host = r->job.l->host;

    if (error == -E2BIG)
        aiex_refuse(
            host, r->job.id, AIEX_E_INVALID,
            "the report has more than %u rows; ask for fewer columns, a filter or less time",
            MAX_GROUPS);
    else
        aiex_refuse(host, r->job.id, AIEX_E_INTERNAL, "the report can not be made: %s",
                    strerror(-error));
    return JOB_DONE;
}

static int report_step(struct job *job)
{
    struct report *r = (struct report *)job;
    int error;

    if (r->c.at < r->c.end) {
        error = read_slice(r);
    } else if (r->next < r->n_days) {
        aiex_rlog_read_done(&r->c);
        r->day = r->days[r->next++];
        error = begin_day(r);
    } else {
        error = answer(r);
        if (error == 0)
            return JOB_DONE;
    }
    return error < 0 ? refuse(r, error) : JOB_AGAIN;
}

static void report_free(struct job *job)
{
    struct report *r = (struct report *)job;

    aiex_rlog_read_done(&r->c);
    table_done(&r->groups);
    free(r->days);
    free(r);
}

static int what_is(const char *name)
{
    for (int c = 0; c < N_COLUMNS; c++)
        if (strcmp(name, column_names[c]) == 0)
            return c;
    if (strcmp(name, "day") == 0)
        return BY_DAY;
    return strncmp(name, "tag:", 4) == 0 && name[4] ? BY_TAG : -1;
}

/* "user, model,tag:team" */
static int read_by(struct report *r, struct aiex_slice by, struct aiex_error *err)
{
    const char *at = (const char *)by.data, *end = at + by.len;

    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at)), *stop = comma ? comma : end;
        struct by *b = &r->by[r->n_by];

        while (at < stop && *at == ' ')
            at++;
        while (stop > at && stop[-1] == ' ')
            stop--;
        if (r->n_by == MAX_COLUMNS_BY)
            return aiex_failed(err, -EINVAL, "'by' has more than %u columns", MAX_COLUMNS_BY);
        if ((size_t)(stop - at) >= sizeof(b->name))
            return aiex_failed(err, -EINVAL, "'by' has a name of more than %zu bytes",
                               sizeof(b->name) - 1);
        memcpy(b->name, at, (size_t)(stop - at));
        b->name[stop - at] = 0;
        b->what = what_is(b->name);
        if (b->what < 0)
            return aiex_failed(err, -EINVAL,
                               "'by' has '%.80s'; columns are key, user, team, project, model, "
                               "provider, day, tag:NAME",
                               b->name);
        r->n_by++;
        at = comma ? comma + 1 : end;
    }
    return 0;
}

static int read_question(struct report *r, struct aiex_slice body, struct aiex_error *err)
{
    struct aiex_slice by = {(const uint8_t *)"", 0};

    r->to = INT64_MAX;
    if (aiex_get_str(body, "by", &by) < 0)
        return aiex_failed(err, -EINVAL, "'by' must be names of columns, separated by commas");
    if (aiex_get_int(body, "from", &r->from) < 0 || aiex_get_int(body, "to", &r->to) < 0)
        return aiex_failed(err, -EINVAL, "'from' and 'to' must be milliseconds since 1970");
    for (int c = 0; c < N_COLUMNS; c++)
        if (aiex_get_text(body, column_names[c], r->filters[c], sizeof(r->filters[c])) < 0)
            return aiex_failed(err, -EINVAL, "'%s' must be a text of at most %u bytes",
                               column_names[c], MAX_COLUMN);
    return read_by(r, by, err);
}

/* Leaves the days that the time touches. */
static int choose_days(struct report *r)
{
    size_t n = 0;
    int error = days_list(r->job.l, &r->days, &r->n_days);

    for (size_t i = 0; error == 0 && i < r->n_days; i++)
        if (r->days[i] >= day_of(r->from) && r->days[i] * DAY_MS < r->to)
            r->days[n++] = r->days[i];
    r->n_days = n;
    return error;
}

int report_take(void *self, const struct aiex_message *m)
{
    struct ledger *l = self;
    struct aiex_error err = {""};
    struct report *r;
    int error;

    if (!m->id)
        return 0;
    r = calloc(1, sizeof(*r));
    if (!r)
        return -ENOMEM;
    r->job = (struct job){.l = l, .id = m->id, .step = report_step, .free = report_free};
    table_init(&r->groups, MAX_GROUPS);
    error = read_question(r, m->body, &err);
    if (error == 0)
        error = choose_days(r);
    if (error == 0)
        error = job_begin(&r->job);
    if (error == 0)
        return 0;
    report_free(&r->job);
    if (error == -EINVAL)
        return aiex_refuse(l->host, m->id, AIEX_E_INVALID, "%s", err.text);
    if (error == -EBUSY)
        return aiex_refuse(l->host, m->id, AIEX_E_BUSY,
                           "%u reports and tails are running; try again later", MAX_JOBS);
    return error;
}

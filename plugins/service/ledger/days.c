/*
 * days.c - segments and totals of the days that are written, and the folder they lie in.
 *
 * At most three days are open. Opening one reads its summary, checks that it speaks of this
 * segment, and counts what comes behind. A segment that is no record log any more (its first bytes
 * are damaged) is renamed, never overwritten.
 */
#include "ledger.h"

#include <aiex_file.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void days_path(const struct ledger *l, int64_t number, const char *suffix, char *out, size_t size)
{
    char text[DAY_TEXT];

    day_text(number, text);
    snprintf(out, size, "%s/%s%s", l->host->data_dir, text, suffix);
}

int days_split(struct aiex_slice body, int64_t *ret_ms, struct aiex_slice *ret_record)
{
    uint64_t ms = 0;

    if (body.len < 8)
        return -EBADMSG;
    for (int i = 7; i >= 0; i--)
        ms = ms << 8 | body.data[i];
    *ret_ms = (int64_t)ms;
    *ret_record = (struct aiex_slice){body.data + 8, body.len - 8};
    return 0;
}

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

int days_list(struct ledger *l, int64_t **ret_days, size_t *ret_n)
{
    DIR *dir = opendir(l->host->data_dir);
    int64_t *days = NULL, day;
    size_t n = 0, cap = 0;
    struct dirent *e;

    if (!dir)
        return -errno;
    while ((e = readdir(dir))) {
        if (strlen(e->d_name) != 14 || strcmp(e->d_name + 10, ".log") != 0 ||
            !day_read(e->d_name, &day))
            continue;
        if (n == cap) {
            int64_t *more = realloc(days, (cap = cap ? cap * 2 : 64) * sizeof(*days));

            if (!more) {
                free(days);
                closedir(dir);
                return -ENOMEM;
            }
            days = more;
        }
        days[n++] = day;
    }
    closedir(dir);
    if (n)
        qsort(days, n, sizeof(*days), by_number);
    *ret_days = days;
    *ret_n = n;
    return 0;
}

struct day *days_find(struct ledger *l, int64_t number)
{
    for (unsigned i = 0; i < OPEN_DAYS; i++)
        if (l->days[i] && l->days[i]->number == number)
            return l->days[i];
    return NULL;
}

void days_sum(struct ledger *l, struct day *d, int now)
{
    char path[PATH_MAX];
    struct aiex_error err = {""};

    if (d->log.end == d->summed ||
        (!now && d->log.end < d->summed + (uint64_t)l->config->checkpoint))
        return;
    days_path(l, d->number, ".sum", path, sizeof(path));
    /* without a summary the next start reads the segment: a longer start, nothing lost */
    if (totals_write(&d->totals, path, &err) != 0)
        aiex_logf(l->host, AIEX_LOG_WARN, 0, "%s; the next start reads the day again", err.text);
    d->summed = d->log.end; /* also on failure: tried again a checkpoint later */
}

static void close_day(struct ledger *l, struct day *d)
{
    if (!d)
        return;
    if (d->log.fd > 0)
        days_sum(l, d, 1);
    if (d->dirty)
        aiex_rlog_sync(&d->log);
    aiex_rlog_close(&d->log);
    totals_done(&d->totals);
    free(d);
}

static void see_damage(struct day *d, int kind, const struct aiex_rlog_item *item)
{
    char path[PATH_MAX];
    unsigned long long bytes = item->bytes, at = item->offset;

    days_path(d->l, d->number, ".log", path, sizeof(path));
    if (kind == AIEX_RLOG_TORN) {
        aiex_logf(d->l->host, AIEX_LOG_NOTICE, 0,
                  "segment '%s': the last %llu bytes at %llu are a record that was never finished; "
                  "cut off",
                  path, bytes, at);
        return;
    }
    d->l->holes++;
    aiex_logf(d->l->host, AIEX_LOG_ERROR, 0,
              "segment '%s' is damaged: %llu bytes at %llu are skipped; records may be missing",
              path, bytes, at);
}

/* What this process did not write: when the segment is opened, or from a predecessor that is being
 * replaced and still finishes its work. */
static int see(void *arg, int kind, const struct aiex_rlog_item *item)
{
    struct day *d = arg;
    struct aiex_slice record;
    struct facts f;
    int64_t ms;

    if (kind != AIEX_RLOG_RECORD || days_split(item->body, &ms, &record) != 0 ||
        facts_read(record, &f) != 0) {
        see_damage(d, kind, item);
        return 0;
    }
    if (d->totals.count % 1024 == 0)
        d->l->host->alive(d->l->host);
    recent_add(&d->l->recent, &f, d->number, item->offset);
    if (item->offset < d->counted)
        return 0;
    totals_add(&d->totals, &f, item);
    if (d->live)
        record_spend(d->l, &f, d->number);
    return 0;
}

/* The summary, when it speaks of this segment; else nothing is counted yet. */
static uint64_t begin_totals(struct ledger *l, struct day *d, const char *path)
{
    char sum[PATH_MAX];
    uint64_t size;
    int r;

    days_path(l, d->number, ".sum", sum, sizeof(sum));
    totals_init(&d->totals, (size_t)l->config->max_rows);
    r = totals_read(&d->totals, sum);
    if (r == 0 && totals_fit(&d->totals, path, &size)) {
        d->summed = d->totals.covered;
        return totals_recent_from(&d->totals);
    }
    if (r != -ENOENT)
        aiex_logf(l->host, AIEX_LOG_WARN, 0,
                  "summary '%s' is damaged or of another segment; the day is counted again", sum);
    totals_done(&d->totals);
    totals_init(&d->totals, (size_t)l->config->max_rows);
    return 0;
}

static int open_segment(struct ledger *l, struct day *d, struct aiex_error *err)
{
    char path[PATH_MAX], aside[PATH_MAX + 16];
    uint64_t from;
    int r;

    days_path(l, d->number, ".log", path, sizeof(path));
    from = begin_totals(l, d, path);
    d->counted = d->totals.covered;
    r = aiex_rlog_open(&d->log, path, from, see, d, err);
    if (r == -EBADMSG) {
        snprintf(aside, sizeof(aside), "%s.damaged", path);
        if (rename(path, aside) != 0)
            return r;
        l->holes++;
        aiex_logf(l->host, AIEX_LOG_ERROR, 0,
                  "segment '%s' does not begin as one and was renamed to .damaged; its records are "
                  "not counted",
                  path);
        r = aiex_rlog_open(&d->log, path, 0, see, d, err);
    }
    if (r == 0)
        d->totals.salt = d->log.salt;
    if (r == 0 && !d->totals.covered)
        d->totals.covered = AIEX_RLOG_HEAD;
    return r;
}

/* A free place; the oldest day makes one. */
static unsigned place_for_day(struct ledger *l)
{
    unsigned oldest = 0;

    for (unsigned i = 0; i < OPEN_DAYS; i++) {
        if (!l->days[i])
            return i;
        if (l->days[i]->number < l->days[oldest]->number)
            oldest = i;
    }
    close_day(l, l->days[oldest]);
    l->days[oldest] = NULL;
    return oldest;
}

int days_open(struct ledger *l, int64_t number, struct day **ret_day, struct aiex_error *err)
{
    struct day *d = days_find(l, number);
    int r;

    if (!d) {
        d = calloc(1, sizeof(*d));
        if (!d)
            return aiex_failed(err, -ENOMEM, "no memory for a day");
        d->l = l;
        d->number = number;
        d->live = l->started;
        d->summed = AIEX_RLOG_HEAD;
        r = open_segment(l, d, err);
        if (r < 0) {
            totals_done(&d->totals);
            free(d);
            return r;
        }
        l->days[place_for_day(l)] = d;
    }
    *ret_day = d;
    return 0;
}

int days_totals(struct ledger *l, int64_t number, struct totals *ret_totals)
{
    char path[PATH_MAX];
    uint64_t size;

    totals_init(ret_totals, (size_t)l->config->max_rows);
    days_path(l, number, ".sum", path, sizeof(path));
    if (totals_read(ret_totals, path) == 0) {
        days_path(l, number, ".log", path, sizeof(path));
        if (totals_fit(ret_totals, path, &size) && size == ret_totals->covered)
            return 1;
    }
    totals_done(ret_totals);
    return 0;
}

int days_get(struct ledger *l, const struct place *p, uint8_t **ret_mem,
             struct aiex_slice *ret_record)
{
    const struct day *d = days_find(l, p->day);
    struct aiex_rlog_cursor c = {0};
    struct aiex_rlog_item item;
    char path[PATH_MAX];
    int64_t ms;
    int r;

    if (d) {
        r = aiex_rlog_get(&d->log, p->offset, ret_mem, &item);
    } else {
        days_path(l, p->day, ".log", path, sizeof(path));
        r = aiex_rlog_read(&c, path, NULL);
        if (r == 0)
            r = aiex_rlog_get(&(struct aiex_rlog){.fd = c.fd, .salt = c.salt}, p->offset, ret_mem,
                              &item);
        aiex_rlog_read_done(&c);
    }
    if (r == 0 && (r = days_split(item.body, &ms, ret_record)) != 0)
        free(*ret_mem);
    return r;
}

/* ---- The start ---- */

/* Records of a closed day that recent.c should know. */
static void recall(struct ledger *l, int64_t number, uint64_t from)
{
    struct aiex_rlog_cursor c;
    struct aiex_rlog_item item;
    char path[PATH_MAX];
    int kind;

    days_path(l, number, ".log", path, sizeof(path));
    if (aiex_rlog_read(&c, path, NULL) != 0)
        return;
    c.at = from ? from : c.at;
    while ((kind = aiex_rlog_next(&c, &item)) > 0) {
        struct aiex_slice record;
        struct facts f;
        int64_t ms;

        if (kind == AIEX_RLOG_RECORD && days_split(item.body, &ms, &record) == 0 &&
            facts_read(record, &f) == 0)
            recent_add(&l->recent, &f, number, item.offset);
    }
    aiex_rlog_read_done(&c);
}

/* Adds what one day of this month spent. */
static void add_spent(struct ledger *l, const struct table *day)
{
    for (size_t i = 0; i < day->size; i++) {
        const struct row *from = day->slots[i];
        struct row *to = from ? table_at(&l->spent, from->key, from->len) : NULL;

        if (to)
            sums_add(&to->sums, &from->sums);
    }
}

void days_recount(struct ledger *l, int64_t month)
{
    struct totals t;
    int64_t *list;
    size_t n;

    table_done(&l->spent);
    l->month = month;
    if (days_list(l, &list, &n) != 0)
        return;
    for (size_t i = 0; i < n; i++) {
        const struct day *d = days_find(l, list[i]);

        if (month_of(list[i]) != month)
            continue;
        if (d) {
            add_spent(l, &d->totals.spent);
        } else if (days_totals(l, list[i], &t)) {
            add_spent(l, &t.spent);
            totals_done(&t);
        }
    }
    free(list);
}

/* A day that is over: its summary is enough; without one it is counted again and leaves one. */
static int start_closed(struct ledger *l, int64_t number, int64_t today, struct aiex_error *err)
{
    int in_month = month_of(number) == l->month, recent = number >= today - RECENT_DAYS;
    struct totals t;
    struct day *d;
    int r;

    if (!in_month && !recent)
        return 0;
    if (days_totals(l, number, &t)) {
        if (in_month)
            add_spent(l, &t.spent);
        if (recent)
            recall(l, number, totals_recent_from(&t));
        totals_done(&t);
        return 0;
    }
    r = days_open(l, number, &d, err);
    if (r == 0 && in_month)
        add_spent(l, &d->totals.spent);
    if (r == 0)
        days_sum(l, d, 1);
    return r;
}

static int start_day(struct ledger *l, int64_t number, int64_t today, struct aiex_error *err)
{
    struct day *d;
    int r;

    l->host->alive(l->host);
    if (number > today + 1)
        return 0;
    if (number < today - 1) {
        r = start_closed(l, number, today, err);
    } else {
        r = days_open(l, number, &d, err);
        if (r == 0 && month_of(number) == l->month)
            add_spent(l, &d->totals.spent);
    }
    if (r == -ENOSPC || r == -EDQUOT) {
        record_failing(l, err->text);
        return 0;
    }
    return r;
}

/* Summaries that a crash left half written. */
static void sweep(struct ledger *l)
{
    DIR *dir = opendir(l->host->data_dir);
    struct dirent *e;
    char path[PATH_MAX];

    while (dir && (e = readdir(dir))) {
        size_t n = strlen(e->d_name);

        if (n > 4 && strcmp(e->d_name + n - 4, ".tmp") == 0) {
            snprintf(path, sizeof(path), "%s/%s", l->host->data_dir, e->d_name);
            unlink(path);
        }
    }
    if (dir)
        closedir(dir);
}

int days_start(struct ledger *l, struct aiex_error *err)
{
    int64_t today = day_of(wall_ms()), *list = NULL;
    size_t n = 0;
    int r;

    l->month = month_of(today);
    table_init(&l->spent, SPENT_NAMES);
    sweep(l);
    days_tidy(l);
    r = days_list(l, &list, &n);
    if (r < 0)
        return aiex_failed(err, r, "folder '%.200s' can not be read: %s", l->host->data_dir,
                           strerror(-r));
    for (size_t i = 0; i < n && r == 0; i++)
        r = start_day(l, list[i], today, err);
    free(list);
    for (unsigned i = 0; i < OPEN_DAYS; i++)
        if (l->days[i])
            l->days[i]->live = 1;
    l->started = 1;
    return r;
}

void days_stop(struct ledger *l)
{
    for (unsigned i = 0; i < OPEN_DAYS; i++) {
        close_day(l, l->days[i]);
        l->days[i] = NULL;
    }
    table_done(&l->spent);
}

void days_tidy(struct ledger *l)
{
    int64_t today = day_of(wall_ms()), *list;
    size_t n;

    for (unsigned i = 0; i < OPEN_DAYS; i++)
        if (l->days[i] && l->days[i]->number < today - 1) {
            close_day(l, l->days[i]);
            l->days[i] = NULL;
        }
    if (!l->config->keep_days || l->expired_day == today || days_list(l, &list, &n) != 0)
        return;
    l->expired_day = today;
    for (size_t i = 0; i < n && list[i] <= today - l->config->keep_days; i++) {
        char path[PATH_MAX];

        days_path(l, list[i], ".sum", path, sizeof(path));
        unlink(path);
        days_path(l, list[i], ".log", path, sizeof(path));
        if (unlink(path) == 0)
            aiex_logf(l->host, AIEX_LOG_INFO, 0, "segment '%s' is older than keep_days; removed",
                      path);
    }
    free(list);
}

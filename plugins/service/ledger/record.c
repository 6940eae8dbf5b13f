/*
 * record.c - ledger.record, and what happens when the disk takes nothing.
 *
 * A record is one write(2) before anything else is read. When that fails it is lost: counted,
 * logged, told as event `ledger.alarm`, and the service is unhealthy until the disk takes
 * something again. The caller of a cast can not be told, so nothing is kept back in memory and
 * everybody else is told at once.
 */
#include "ledger.h"

#include <aiex_file.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PROBE 4096u

static void tell(struct ledger *l, const char *type)
{
    uint8_t mem[512];
    struct aiex_writer w;
    struct aiex_event e = {.struct_size = sizeof(e),
                           .topic = "ledger.alarm",
                           .type = type,
                           .subject = l->host->instance};

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 3);
    aiex_w_key_uint(&w, "lost", l->lost);
    aiex_w_key_int(&w, "lost_cost", l->lost_cost);
    aiex_w_key_str(&w, "reason", l->reason);
    e.data = aiex_written(&w);
    l->host->publish(l->host, &e);
    l->lost_told = l->lost;
}

void record_failing(struct ledger *l, const char *why)
{
    if (l->failing)
        return;
    l->failing = 1;
    snprintf(l->reason, sizeof(l->reason), "%s", why);
    aiex_logf(l->host, AIEX_LOG_ERROR, 0,
              "usage can not be written: %s; records are lost until the disk takes them again",
              why);
    tell(l, "lost");
}

static void works_again(struct ledger *l)
{
    if (!l->failing)
        return;
    l->failing = 0;
    l->reason[0] = 0;
    aiex_logf(l->host, AIEX_LOG_NOTICE, 0, "usage is written again; %llu records were lost",
              (unsigned long long)l->lost);
    tell(l, "recovered");
}

static void lose(struct ledger *l, const struct facts *f, const char *why)
{
    l->lost++;
    if (__builtin_add_overflow(l->lost_cost, f->sums.v[SUM_COST], &l->lost_cost))
        l->lost_cost = INT64_MAX;
    record_failing(l, why);
}

void record_retry(struct ledger *l)
{
    static const uint8_t zeros[PROBE];
    struct aiex_slice piece = {zeros, sizeof(zeros)};
    char path[PATH_MAX];
    struct day *d;

    if (!l->failing)
        return;
    if (l->lost != l->lost_told)
        tell(l, "lost");
    snprintf(path, sizeof(path), "%s/probe", l->host->data_dir);
    if (aiex_file_replace(path, &piece, 1, 0, NULL) != 0)
        return;
    unlink(path);
    if (days_open(l, day_of(wall_ms()), &d, NULL) == 0)
        works_again(l);
}

void record_spend(struct ledger *l, const struct facts *f, int64_t day)
{
    int64_t month = month_of(day);

    if (month > l->month) {
        table_done(&l->spent);
        l->month = month;
    }
    if (month == l->month)
        spent_add(&l->spent, f);
    else if (month == month_of(day_of(wall_ms())))
        days_recount(l, month); /* with this one */
}

/* The record's own time, when it can be believed. A time ahead would begin a month too early, and
 * with it forget what was spent in this one. */
static int64_t time_of(const struct facts *f)
{
    int64_t now = wall_ms();

    return f->time >= now - DAY_MS && f->time <= now ? f->time : now;
}

#define KEPT_ALREADY 1

/* With the segment held: nobody appends the same record between the look and the write. */
static int append(struct ledger *l, struct day *d, const struct facts *f, struct aiex_slice record,
                  int64_t ms, struct aiex_rlog_item *ret_item)
{
    uint8_t head[8];
    struct aiex_slice pieces[2] = {{head, sizeof(head)}, record};

    if (recent_has(&l->recent, f))
        return KEPT_ALREADY;
    for (int i = 0; i < 8; i++)
        head[i] = (uint8_t)((uint64_t)ms >> (8 * i));
    *ret_item = (struct aiex_rlog_item){.bytes = AIEX_RLOG_FRAME + sizeof(head) + record.len};
    return aiex_rlog_add(&d->log, pieces, 2, &ret_item->offset, &ret_item->crc);
}

/* 0, KEPT_ALREADY or negative errno with a reason. */
static int keep(struct ledger *l, const struct facts *f, struct aiex_slice record, int64_t ms,
                struct aiex_error *err)
{
    struct aiex_rlog_item item;
    struct day *d;
    int r = days_open(l, day_of(ms), &d, err);

    if (r < 0)
        return r;
    r = aiex_rlog_hold(&d->log); /* takes in what a predecessor kept a moment ago */
    if (r == 0)
        r = append(l, d, f, record, ms, &item);
    aiex_rlog_release(&d->log);
    if (r < 0)
        return aiex_failed(err, r, "a record can not be written: %s", strerror(-r));
    if (r == KEPT_ALREADY)
        return r;
    d->dirty = 1;
    totals_add(&d->totals, f, &item);
    record_spend(l, f, d->number);
    recent_add(&l->recent, f, d->number, item.offset);
    days_sum(l, d, 0);
    return 0;
}

int record_take(void *self, const struct aiex_message *m)
{
    struct ledger *l = self;
    struct aiex_error err = {""};
    struct facts f;
    int r;

    if (facts_read(m->body, &f) != 0 || m->body.len > AIEX_RLOG_MAX_RECORD - 8) {
        if (l->broken++ == 0)
            aiex_logf(
                l->host, AIEX_LOG_ERROR, m->trace,
                "a usage record of %zu bytes is no map of at most 1 MiB; not kept (told once, "
                "ledger.status counts them)",
                m->body.len);
        return aiex_refuse(l->host, m->id, AIEX_E_INVALID,
                           "a usage record is one map of at most 1 MiB");
    }
    r = keep(l, &f, m->body, time_of(&f), &err);
    if (r < 0) {
        lose(l, &f, err.text);
        return aiex_refuse(l->host, m->id, AIEX_E_UNAVAILABLE, "%s", err.text);
    }
    l->duplicates += r == KEPT_ALREADY;
    if (r == KEPT_ALREADY)
        return aiex_reply_done(l->host, m->id);
    l->records++;
    works_again(l);
    if (l->followers)
        jobs_wake(l);
    return aiex_reply_done(l->host, m->id);
}

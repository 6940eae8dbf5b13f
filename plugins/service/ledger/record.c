/*
 * record.c - money of the month, and what happens when the disk takes nothing.
 *
 * A record that can not be written is lost: counted, logged, told as event `ledger.alarm`, and the
 * service is unhealthy until the disk takes something again. The caller of a cast can not be told,
 * so nothing is kept back in memory and everybody else is told at once.
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

void record_works(struct ledger *l)
{
    if (!l->failing)
        return;
    l->failing = 0;
    l->reason[0] = 0;
    aiex_logf(l->host, AIEX_LOG_NOTICE, 0, "usage is written again; %llu records were lost",
              (unsigned long long)l->lost);
    tell(l, "recovered");
}

void record_lost(struct ledger *l, const struct facts *f, const char *why)
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
        record_works(l);
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

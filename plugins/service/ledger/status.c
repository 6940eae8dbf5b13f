/* status.c - ledger.spent, ledger.status, service.health. */
#include "ledger.h"

#include <stdio.h>
#include <string.h>

/* One name with its scope before it: what is in the days, and what is known besides. */
static void write_name(struct aiex_writer *w, const struct ledger *l, const struct day *today,
                       const char *text, const uint8_t *name, size_t len)
{
    const struct row *month = table_find(&l->spent, name, len);
    const struct row *day = today ? table_find(&today->totals.spent, name, len) : NULL;

    aiex_w_map(w, 4);
    aiex_w_key_str(w, "scope", column_names[name[0]]);
    aiex_w_key_strn(w, "name", (const char *)name + 1, len - 1);
    aiex_w_key_int(w, "day",
                   (day ? day->sums.v[SUM_COST] : 0) + money_extra(l, text, PERIOD_DAY, name, len));
    aiex_w_key_int(w, "month",
                   (month ? month->sums.v[SUM_COST] : 0) +
                       money_extra(l, text, PERIOD_MONTH, name, len));
}

static void write_spent(struct aiex_writer *w, const void *arg)
{
    const struct ledger *l = arg;
    int64_t today = day_of(wall_ms());
    const struct day *d = days_find((struct ledger *)(uintptr_t)l, today);
    uint32_t n = (uint32_t)l->spent.used;
    char text[DAY_TEXT];
    const uint8_t *name;
    size_t len;

    day_text(today, text);
    for (size_t at = 0; money_next(l, text, &at, &name, &len);)
        n += !table_find(&l->spent, name, len);
    aiex_w_map(w, 3);
    aiex_w_key_str(w, "day", text);
    aiex_w_key_strn(w, "month", text, 7);
    aiex_w_str(w, "spent");
    aiex_w_array(w, n);
    for (size_t i = 0; i < l->spent.size; i++)
        if (l->spent.slots[i])
            write_name(w, l, d, text, l->spent.slots[i]->key, l->spent.slots[i]->len);
    for (size_t at = 0; money_next(l, text, &at, &name, &len);)
        if (!table_find(&l->spent, name, len))
            write_name(w, l, d, text, name, len);
}

int spent_take(void *self, const struct aiex_message *m)
{
    struct ledger *l = self;
    int64_t month = month_of(day_of(wall_ms()));

    if (!money_known(l))
        return aiex_refuse(l->host, m->id, AIEX_E_BUSY,
                           "what others have spent is being read from the store; ask again");
    if (month > l->month) {
        table_done(&l->spent);
        l->month = month;
    } else if (month < l->month) {
        days_recount(l, month);
    }
    return aiex_reply_by(l->host, m->id, write_spent, l);
}

static int healthy(struct ledger *l, const char **ret_reason)
{
    int r = sync_error(l);

    *ret_reason = "usage is written";
    if (l->failing)
        *ret_reason = l->reason;
    else if (r != 0)
        *ret_reason = "the last fdatasync failed; a loss of power may lose records";
    return !l->failing && r == 0;
}

static void write_status(struct aiex_writer *w, const void *arg)
{
    struct ledger *l = (struct ledger *)(uintptr_t)arg;
    uint64_t unnamed = 0, bytes = 0, rows = 0;
    const char *reason;
    int good = healthy(l, &reason);

    for (unsigned i = 0; i < OPEN_DAYS; i++)
        if (l->days[i]) {
            unnamed += l->days[i]->totals.unnamed;
            bytes += l->days[i]->log.end;
            rows += l->days[i]->totals.rows.used;
        }
    aiex_w_map(w, 14);
    aiex_w_key_bool(w, "healthy", good);
    aiex_w_key_str(w, "store", money_trouble(l));
    aiex_w_key_str(w, "reason", reason);
    aiex_w_key_uint(w, "records", l->records);
    aiex_w_key_uint(w, "duplicates", l->duplicates);
    aiex_w_key_uint(w, "broken", l->broken);
    aiex_w_key_uint(w, "lost", l->lost);
    aiex_w_key_int(w, "lost_cost", l->lost_cost);
    aiex_w_key_uint(w, "holes", l->holes);
    aiex_w_key_uint(w, "unnamed", unnamed);
    aiex_w_key_uint(w, "open_bytes", bytes);
    aiex_w_key_uint(w, "rows", rows);
    aiex_w_key_uint(w, "jobs", l->n_jobs);
    aiex_w_key_int(w, "followers", l->followers);
}

int status_take(void *self, const struct aiex_message *m)
{
    struct ledger *l = self;

    return aiex_reply_by(l->host, m->id, write_status, l);
}

int health_take(void *self, const struct aiex_message *m)
{
    struct ledger *l = self;
    const char *reason;
    int good = healthy(l, &reason);

    return aiex_reply_health(l->host, m->id, good, reason);
}

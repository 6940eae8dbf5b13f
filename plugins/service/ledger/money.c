/* money.c - see money.h. */
#include "money_rows.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- Rows ---- */

size_t seen_key(const struct told *t, uint8_t key[SEEN_KEY])
{
    for (unsigned i = 0; i < SEEN_SALT; i++)
        key[i] = (uint8_t)(t->salt >> (8 * i));
    memcpy(key + SEEN_SALT, t->day_text, PERIOD_DAY);
    memcpy(key + SEEN_SALT + PERIOD_DAY, t->name, t->name_len);
    return SEEN_SALT + PERIOD_DAY + t->name_len;
}

void told_of(const struct row *row, struct told *ret)
{
    ret->salt = 0;
    for (unsigned i = SEEN_SALT; i-- > 0;)
        ret->salt = ret->salt << 8 | row->key[i];
    memcpy(ret->day_text, row->key + SEEN_SALT, PERIOD_DAY);
    ret->day_text[PERIOD_DAY] = 0;
    if (!day_read(ret->day_text, &ret->day))
        ret->day = 0;
    ret->name = row->key + SEEN_SALT + PERIOD_DAY;
    ret->name_len = row->len - SEEN_SALT - PERIOD_DAY;
    ret->cost = row->sums.v[SUM_COST];
}

int money_counts(int64_t day)
{
    int64_t today = day_of(wall_ms());

    return month_of(day) >= month_of(today) || day >= today - 1;
}

static size_t extra_key(const char *period, size_t period_len, const uint8_t *name, size_t len,
                        uint8_t key[SEEN_KEY])
{
    key[0] = (uint8_t)period_len;
    memcpy(key + 1, period, period_len);
    memcpy(key + 1 + period_len, name, len);
    return 1 + period_len + len;
}

static void add_extra(struct money *m, const struct told *t, size_t period_len, int64_t cost)
{
    struct sums more = {{0}};
    uint8_t key[SEEN_KEY];
    size_t len = extra_key(t->day_text, period_len, t->name, t->name_len, key);
    struct row *row = table_at(&m->extra, key, len);

    more.v[SUM_COST] = cost;
    if (row)
        sums_add(&row->sums, &more);
}

/* So much is spent that this ledger's days do not have. */
static void spend_extra(struct money *m, const struct told *t, int64_t cost)
{
    add_extra(m, t, PERIOD_DAY, cost);
    add_extra(m, t, PERIOD_MONTH, cost);
}

/* ---- This ledger's own days ---- */

void own_done(struct own_days *own)
{
    for (size_t i = 0; i < own->n; i++)
        if (own->all[i].totals == &own->all[i].read)
            totals_done(&own->all[i].read);
    free(own->all);
    *own = (struct own_days){NULL, 0};
}

int own_read(struct ledger *l, struct own_days *own)
{
    int64_t *list = NULL;
    size_t n = 0;
    int r = days_list(l, &list, &n);

    *own = (struct own_days){NULL, 0};
    if (r < 0)
        return r;
    own->all = calloc(n + 1, sizeof(*own->all));
    for (size_t i = 0; i < n && own->all; i++) {
        struct own_day *o = &own->all[own->n];
        struct day *d = days_find(l, list[i]);

        if (!money_counts(list[i]))
            continue;
        if (d)
            aiex_rlog_catch_up(&d->log); /* a predecessor may have told what it wrote just now */
        o->day = list[i];
        if (d || days_totals(l, list[i], &o->read))
            o->totals = d ? &d->totals : &o->read;
        own->n++;
    }
    free(list);
    return own->all ? 0 : -ENOMEM;
}

static const struct own_day *own_find(const struct own_days *own, int64_t day)
{
    for (size_t i = 0; i < own->n; i++)
        if (own->all[i].day == day)
            return &own->all[i];
    return NULL;
}

/* The salt, when the segment of that day is this ledger's. */
static int is_own(const struct totals *t, uint64_t salt)
{
    return t && t->salt == salt;
}

int64_t cost_of(const struct table *spent, const void *key, size_t len)
{
    const struct row *row = table_find(spent, key, len);

    return row ? row->sums.v[SUM_COST] : 0;
}

/* ---- What was told ---- */

/* So much was told and is not in the segment: what was found once stays, for what the segment gets
 * later comes on top of it. */
static int64_t note_missing(struct money *m, const struct told *t, int64_t in_segment)
{
    uint8_t key[SEEN_KEY];
    size_t len = seen_key(t, key);
    struct row *row = t->cost > in_segment ? table_at(&m->missing, key, len)
                                           : table_find(&m->missing, key, len);

    if (!row)
        return 0;
    if (t->cost - in_segment > row->sums.v[SUM_COST])
        row->sums.v[SUM_COST] = t->cost - in_segment;
    return row->sums.v[SUM_COST];
}

/* All of `extra`, from all that was told. */
int money_count(struct ledger *l)
{
    struct money *m = &l->money;
    struct own_days own;
    int r = own_read(l, &own);

    if (r < 0)
        return r;
    table_done(&m->extra);
    for (size_t i = 0; i < m->seen.size; i++) {
        const struct own_day *mine;
        struct told t;

        if (!m->seen.slots[i])
            continue;
        told_of(m->seen.slots[i], &t);
        mine = own_find(&own, t.day);
        if (mine && !mine->totals)
            continue; /* its summary could not be written: it is counted, whoever told it */
        if (mine && is_own(mine->totals, t.salt))
            t.cost = note_missing(m, &t, cost_of(&mine->totals->spent, t.name, t.name_len));
        if (t.cost > 0)
            spend_extra(m, &t, t.cost);
    }
    own_done(&own);
    m->grown = m->extra.used != 0;
    return 0;
}

/* Without the rows that count no more. */
static void tidy_table(struct table *rows)
{
    struct table kept;

    table_init(&kept, MONEY_MOST);
    for (size_t i = 0; i < rows->size; i++) {
        const struct row *row = rows->slots[i];
        struct row *to;
        struct told t;

        if (!row)
            continue;
        told_of(row, &t);
        to = money_counts(t.day) ? table_at(&kept, row->key, row->len) : NULL;
        if (to)
            to->sums = row->sums;
    }
    table_done(rows);
    *rows = kept;
}

void money_tidy(struct ledger *l)
{
    struct money *m = &l->money;

    tidy_table(&m->seen);
    tidy_table(&m->missing);
    m->day = day_of(wall_ms());
    if (m->is_live && money_count(l) < 0)
        m->day = 0; /* again with the next tick */
}

static void take(struct ledger *l, const struct told *t)
{
    struct money *m = &l->money;
    const struct day *d = days_find(l, t->day);
    uint8_t key[SEEN_KEY];
    struct row *row = money_counts(t->day) ? table_at(&m->seen, key, seen_key(t, key)) : NULL;
    int64_t before;

    if (!row || t->cost <= row->sums.v[SUM_COST])
        return;
    before = row->sums.v[SUM_COST];
    row->sums.v[SUM_COST] = t->cost;
    if (!m->is_live || is_own(d ? &d->totals : NULL, t->salt))
        return;
    spend_extra(m, t, t->cost - before);
    m->grown = 1;
}

/* 1, or 0: no such row. */
static int read_row(struct aiex_slice *at, struct told *ret, uint8_t name[1 + MAX_COLUMN])
{
    struct aiex_value v, f[5];
    char salt[17];
    size_t len;
    int scope;

    if (aiex_r_value(at, &v) != 0 || v.type != AIEX_T_ARRAY || v.count != 5)
        return 0;
    for (int i = 0; i < 5; i++)
        if (aiex_r_value(at, &f[i]) != 0 || f[i].type != (i < 4 ? AIEX_T_STR : AIEX_T_INT))
            return 0;
    len = f[3].bytes.len;
    for (scope = 0; scope < (int)N_SCOPES; scope++)
        if (aiex_slice_is(f[2].bytes, column_names[scope]))
            break;
    if (f[0].bytes.len != 16 || f[1].bytes.len != PERIOD_DAY || scope == (int)N_SCOPES || !len ||
        len > MAX_COLUMN || f[4].i < 0)
        return 0;
    memcpy(salt, f[0].bytes.data, 16);
    salt[16] = 0;
    memcpy(ret->day_text, f[1].bytes.data, PERIOD_DAY);
    ret->day_text[PERIOD_DAY] = 0;
    ret->salt = strtoull(salt, NULL, 16);
    name[0] = (uint8_t)scope;
    memcpy(name + 1, f[3].bytes.data, len);
    ret->name = name;
    ret->name_len = 1 + len;
    ret->cost = f[4].i;
    return day_read(ret->day_text, &ret->day);
}

void money_take(struct ledger *l, const struct aiex_stored_event *e)
{
    uint8_t name[1 + MAX_COLUMN];
    struct aiex_value list;
    struct told t;

    if (!aiex_slice_is(e->type, "money.spent") || aiex_get(e->data, "spent", &list) != 1 ||
        list.type != AIEX_T_ARRAY)
        return; /* of a later version */
    while (list.count-- && read_row(&list.bytes, &t, name))
        take(l, &t);
}

/* ---- Sums ---- */

int64_t money_extra(const struct ledger *l, const char *period, size_t period_len,
                    const uint8_t *name, size_t len)
{
    uint8_t key[SEEN_KEY];

    return cost_of(&l->money.extra, key, extra_key(period, period_len, name, len, key));
}

int money_next(const struct ledger *l, const char *month, size_t *at, const uint8_t **ret_name,
               size_t *ret_len)
{
    const struct table *t = &l->money.extra;

    while (*at < t->size) {
        const struct row *row = t->slots[(*at)++];

        if (!row || row->key[0] != PERIOD_MONTH || memcmp(row->key + 1, month, PERIOD_MONTH) != 0)
            continue;
        *ret_name = row->key + 1 + PERIOD_MONTH;
        *ret_len = row->len - 1 - PERIOD_MONTH;
        return 1;
    }
    return 0;
}

/* money.c - see money.h. */
#include "ledger.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SALT     8u /* bytes of a segment's salt before a key of `seen` */
#define KEY_MOST (SALT + 1 + PERIOD_DAY + 1 + MAX_COLUMN)
#define ROW_MOST (16u + PERIOD_DAY + MAX_COLUMN + 40u) /* packed */
#define HEAD     16u                                       /* before the rows of an event */

/* ---- Rows ---- */

/* One that was told. */
struct told {
    uint64_t salt;
    int64_t day, cost;
    char day_text[DAY_TEXT];
    const uint8_t *name; /* with its scope before it */
    size_t name_len;
};

static size_t seen_key(const struct told *t, uint8_t key[KEY_MOST])
{
    for (unsigned i = 0; i < SALT; i++)
        key[i] = (uint8_t)(t->salt >> (8 * i));
    memcpy(key + SALT, t->day_text, PERIOD_DAY);
    memcpy(key + SALT + PERIOD_DAY, t->name, t->name_len);
    return SALT + PERIOD_DAY + t->name_len;
}

static void told_of(const struct row *row, struct told *ret)
{
    ret->salt = 0;
    for (unsigned i = SALT; i-- > 0;)
        ret->salt = ret->salt << 8 | row->key[i];
    memcpy(ret->day_text, row->key + SALT, PERIOD_DAY);
    ret->day_text[PERIOD_DAY] = 0;
    if (!day_read(ret->day_text, &ret->day))
        ret->day = 0;
    ret->name = row->key + SALT + PERIOD_DAY;
    ret->name_len = row->len - SALT - PERIOD_DAY;
    ret->cost = row->sums.v[SUM_COST];
}

static int counts(int64_t day)
{
    int64_t today = day_of(wall_ms());

    return month_of(day) >= month_of(today) || day >= today - 1;
}

static size_t extra_key(const char *period, size_t period_len, const uint8_t *name, size_t len,
                        uint8_t key[KEY_MOST])
{
    key[0] = (uint8_t)period_len;
    memcpy(key + 1, period, period_len);
    memcpy(key + 1 + period_len, name, len);
    return 1 + period_len + len;
}

static void add_extra(struct money *m, const struct told *t, size_t period_len, int64_t cost)
{
    struct sums more = {{0}};
    uint8_t key[KEY_MOST];
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

/* Days of this month and yesterday, each with its totals. */
struct own_day {
    int64_t day;
    struct totals read; /* of a day that is not open */
    const struct totals *totals;
};

struct own_days {
    struct own_day *all;
    size_t n;
};

static void own_done(struct own_days *own)
{
    for (size_t i = 0; i < own->n; i++)
        if (own->all[i].totals == &own->all[i].read)
            totals_done(&own->all[i].read);
    free(own->all);
    *own = (struct own_days){NULL, 0};
}

/* 0 or negative errno. */
static int own_read(struct ledger *l, struct own_days *own)
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

        if (!counts(list[i]))
            continue;
        if (d)
            aiex_rlog_catch_up(&d->log); /* a predecessor may have told what it wrote just now */
        o->day = list[i];
        o->totals = d ? &d->totals : &o->read;
        if (d || days_totals(l, list[i], &o->read))
            own->n++;
    }
    free(list);
    return own->all ? 0 : -ENOMEM;
}

static const struct totals *own_totals(const struct own_days *own, int64_t day)
{
    for (size_t i = 0; i < own->n; i++)
        if (own->all[i].day == day)
            return own->all[i].totals;
    return NULL;
}

/* The salt, when the segment of that day is this ledger's. */
static int is_own(const struct totals *t, uint64_t salt)
{
    return t && t->salt == salt;
}

static int64_t sum_of(const struct table *spent, const uint8_t *name, size_t len)
{
    const struct row *row = table_find(spent, name, len);

    return row ? row->sums.v[SUM_COST] : 0;
}

/* ---- What was told ---- */

/* So much was told and is not in the segment: what was found once stays, for what the segment gets
 * later comes on top of it. */
static int64_t note_missing(struct money *m, const struct told *t, int64_t in_segment)
{
    uint8_t key[KEY_MOST];
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
static int count_all(struct ledger *l)
{
    struct money *m = &l->money;
    struct own_days own;
    int r = own_read(l, &own);

    if (r < 0)
        return r;
    table_done(&m->extra);
    for (size_t i = 0; i < m->seen.size; i++) {
        const struct totals *mine;
        struct told t;

        if (!m->seen.slots[i])
            continue;
        told_of(m->seen.slots[i], &t);
        mine = own_totals(&own, t.day);
        if (is_own(mine, t.salt))
            t.cost = note_missing(m, &t, sum_of(&mine->spent, t.name, t.name_len));
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
        to = counts(t.day) ? table_at(&kept, row->key, row->len) : NULL;
        if (to)
            to->sums = row->sums;
    }
    table_done(rows);
    *rows = kept;
}

static void tidy(struct ledger *l)
{
    struct money *m = &l->money;

    tidy_table(&m->seen);
    tidy_table(&m->missing);
    m->day = day_of(wall_ms());
    if (m->is_live && count_all(l) < 0)
        m->day = 0; /* again with the next tick */
}

static void take(struct ledger *l, const struct told *t)
{
    struct money *m = &l->money;
    const struct day *d = days_find(l, t->day);
    uint8_t key[KEY_MOST];
    struct row *row = counts(t->day) ? table_at(&m->seen, key, seen_key(t, key)) : NULL;
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

static int apply(void *arg, const struct aiex_stored_event *e)
{
    struct ledger *l = arg;
    uint8_t name[1 + MAX_COLUMN];
    struct aiex_value list;
    struct told t;

    l->money.events++;
    if (!aiex_slice_is(e->type, "money.spent") || aiex_get(e->data, "spent", &list) != 1 ||
        list.type != AIEX_T_ARRAY)
        return 0; /* of a later version */
    while (list.count-- && read_row(&list.bytes, &t, name))
        take(l, &t);
    return 0;
}

/* What is known stays: the others may not tell it again. */
static void lost(void *arg)
{
    struct ledger *l = arg;

    l->money.events = 0;
    l->money.tell_all = 1;
}

static void live(void *arg)
{
    struct ledger *l = arg;
    struct money *m = &l->money;

    m->is_live = count_all(l) == 0;
    m->tell_days = 1;
}

/* ---- Telling ---- */

/* Events that are being made. */
struct telling {
    struct aiex_decision *decision;
    struct aiex_writer w;
    uint8_t *mem;
    unsigned rows, events;
    int full, error;
};

static void telling_end(struct telling *t)
{
    struct aiex_writer head;
    uint8_t mem[HEAD];
    size_t len;

    if (!t->rows || t->error)
        return;
    aiex_writer_init(&head, mem, sizeof(mem));
    aiex_w_map(&head, 1);
    aiex_w_key(&head, "spent");
    aiex_w_array(&head, t->rows);
    len = head.len; /* right before the rows */
    memcpy(t->mem + sizeof(mem) - len, mem, len);
    t->error = aiex_decide(t->decision, "money.spent",
                           (struct aiex_slice){t->mem + sizeof(mem) - len, len + t->w.len});
    t->full = ++t->events == MONEY_CHANGE;
    t->rows = 0;
}

static void telling_add(struct telling *t, const struct told *row)
{
    char salt[17];

    if (t->full || t->error)
        return;
    if (!t->rows)
        aiex_writer_init(&t->w, t->mem + HEAD, MONEY_ROWS * ROW_MOST);
    snprintf(salt, sizeof(salt), "%016llx", (unsigned long long)row->salt);
    aiex_w_array(&t->w, 5);
    aiex_w_str(&t->w, salt);
    aiex_w_strn(&t->w, row->day_text, PERIOD_DAY);
    aiex_w_str(&t->w, column_names[row->name[0]]);
    aiex_w_strn(&t->w, (const char *)row->name + 1, row->name_len - 1);
    aiex_w_int(&t->w, row->cost);
    if (++t->rows == MONEY_ROWS)
        telling_end(t);
}

/* The rows of a day that have grown since they were told. */
static void tell_day(const struct money *m, struct telling *to, int64_t day,
                     const struct totals *totals)
{
    struct told t = {.salt = totals->salt, .day = day};
    uint8_t key[KEY_MOST];
    size_t len;

    day_text(day, t.day_text);
    for (size_t i = 0; i < totals->spent.size; i++) {
        const struct row *row = totals->spent.slots[i];

        if (!row || !row->sums.v[SUM_COST])
            continue;
        t.name = row->key;
        t.name_len = row->len;
        len = seen_key(&t, key);
        t.cost = row->sums.v[SUM_COST] + sum_of(&m->missing, key, len);
        if (t.cost > sum_of(&m->seen, key, len))
            telling_add(to, &t);
    }
}

static void tell_seen(const struct money *m, struct telling *to)
{
    for (size_t i = 0; i < m->seen.size; i++)
        if (m->seen.slots[i]) {
            struct told t;

            told_of(m->seen.slots[i], &t);
            telling_add(to, &t);
        }
}

static int decide(void *arg, struct aiex_decision *d, struct aiex_error *err)
{
    struct ledger *l = arg;
    struct money *m = &l->money;
    struct telling to = {.decision = d, .mem = malloc(HEAD + MONEY_ROWS * ROW_MOST)};
    struct own_days own = {NULL, 0};
    int r = to.mem ? 0 : -ENOMEM;

    if (r == 0 && m->tell_days)
        r = own_read(l, &own);
    if (r == 0 && m->tell_all)
        tell_seen(m, &to);
    for (size_t i = 0; i < own.n; i++)
        tell_day(m, &to, own.all[i].day, own.all[i].totals);
    for (unsigned i = 0; i < OPEN_DAYS && r == 0 && !m->tell_days; i++)
        if (l->days[i] && counts(l->days[i]->number))
            tell_day(m, &to, l->days[i]->number, &l->days[i]->totals);
    if (r == 0)
        telling_end(&to);
    m->told_whole = r == 0 && !to.full && !to.error;
    own_done(&own);
    free(to.mem);
    r = r ? r : to.error;
    return r < 0 ? aiex_failed(err, -EAGAIN, "what was spent can not be told: %s", strerror(-r))
                 : 0;
}

/* ---- Compaction ---- */

static void write_compact(struct aiex_writer *w, const void *arg)
{
    aiex_w_map(w, 2);
    aiex_w_key_str(w, "stream", MONEY_STREAM);
    aiex_w_key_int(w, "keep_from", *(const int64_t *)arg);
}

static void on_compacted(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct ledger *l = a->owner;

    if (end->code)
        aiex_logf(l->host, AIEX_LOG_INFO, 0,
                  "the stream '" MONEY_STREAM "' could not be compacted; tried again later");
}

/* All that counts stands in the last `n` events. */
static void compact(struct ledger *l, unsigned n)
{
    struct money *m = &l->money;
    struct aiex_fold_state state;
    int64_t from;

    aiex_fold_state(m->fold, &state);
    from = state.version - (int64_t)n + 1;
    if (m->compact.active || from <= 1)
        return;
    m->compact = (struct aiex_ask){.host = l->host,
                                   .service = l->config->store,
                                   .method = "store.compact",
                                   .wait_ms = 5000,
                                   .end = on_compacted,
                                   .owner = l};
    aiex_ask_by(&m->compact, write_compact, &from);
}

static void on_told(void *arg, const struct aiex_fold_end *end)
{
    struct ledger *l = arg;
    struct money *m = &l->money;
    int all = m->tell_all;

    m->is_telling = 0;
    if (end->code)
        return; /* again in a while */
    m->told_ms = l->host->now_ms(l->host);
    if (!m->told_whole)
        m->told_ms = 0; /* the rest with the next tick */
    m->tell_days &= !m->told_whole;
    m->tell_all = 0;
    if (all)
        m->events = end->n_events;
    if (all && m->told_whole && end->n_events)
        compact(l, end->n_events);
}

/* ---- Life ---- */

static int is_on(const struct ledger *l)
{
    return l->config->store[0] && strcmp(l->config->store, "none") != 0;
}

int money_start(struct ledger *l, struct aiex_error *err)
{
    const struct aiex_fold_setting setting = {.host = l->host,
                                              .store = l->config->store,
                                              .stream = MONEY_STREAM,
                                              .apply = apply,
                                              .lost = lost,
                                              .live = live,
                                              .arg = l};
    struct money *m = &l->money;
    int r;

    table_init(&m->seen, MONEY_MOST);
    table_init(&m->missing, MONEY_MOST);
    table_init(&m->extra, MONEY_MOST);
    m->day = day_of(wall_ms());
    m->started_ms = l->host->now_ms(l->host);
    if (!is_on(l))
        return 0;
    r = aiex_fold_new(&setting, &m->fold);
    return r < 0 ? aiex_failed(err, r, "the stream '" MONEY_STREAM "' can not be read: %s",
                               strerror(-r))
                 : 0;
}

void money_stop(struct ledger *l)
{
    struct money *m = &l->money;

    aiex_fold_free(m->fold);
    m->fold = NULL;
    aiex_ask_stop(&m->compact);
    table_done(&m->seen);
    table_done(&m->missing);
    table_done(&m->extra);
}

/* Who asked before has to ask again. */
static void publish_grown(struct ledger *l)
{
    struct aiex_event e = {.struct_size = sizeof(e),
                           .topic = "ledger.spent",
                           .type = "grown",
                           .subject = l->host->instance};

    l->host->publish(l->host, &e);
    l->money.grown = 0;
}

void money_tick(struct ledger *l)
{
    struct money *m = &l->money;
    uint64_t now = l->host->now_ms(l->host);

    if (!m->fold)
        return;
    if (m->day != day_of(wall_ms()))
        tidy(l);
    if (m->is_live && m->grown)
        publish_grown(l);
    if (!m->is_live || m->is_telling ||
        (m->told_ms && now - m->told_ms < (uint64_t)l->config->store_interval))
        return;
    m->tell_all |= m->events >= MONEY_EVENTS;
    m->is_telling = 1; /* it may end before this returns */
    if (aiex_fold_change(m->fold, decide, on_told, l, 0, NULL) < 0)
        m->is_telling = 0;
}

int money_known(const struct ledger *l)
{
    const struct money *m = &l->money;

    return !m->fold || m->is_live ||
           l->host->now_ms(l->host) - m->started_ms >= (uint64_t)l->config->store_wait;
}

/* ---- Sums ---- */

int64_t money_extra(const struct ledger *l, const char *period, size_t period_len,
                    const uint8_t *name, size_t len)
{
    uint8_t key[KEY_MOST];

    return sum_of(&l->money.extra, key, extra_key(period, period_len, name, len, key));
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

const char *money_trouble(const struct ledger *l)
{
    struct aiex_fold_state state;

    if (!l->money.fold)
        return "";
    aiex_fold_state(l->money.fold, &state);
    return state.trouble;
}

/* money_tell.c - see money.h. */
#include "money_rows.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD 16u                                   /* before the rows of an event */
#define ROW  (16u + PERIOD_DAY + MAX_COLUMN + 40u) /* packed, at most */

/* ---- The stream ---- */

static int apply(void *arg, const struct aiex_stored_event *e)
{
    struct ledger *l = arg;

    l->money.events++;
    money_take(l, e);
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

    m->is_live = money_count(l) == 0;
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
        aiex_writer_init(&t->w, t->mem + HEAD, MONEY_ROWS * ROW);
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
    uint8_t key[SEEN_KEY];
    size_t len;

    day_text(day, t.day_text);
    for (size_t i = 0; i < totals->spent.size; i++) {
        const struct row *row = totals->spent.slots[i];

        if (!row || !row->sums.v[SUM_COST])
            continue;
        t.name = row->key;
        t.name_len = row->len;
        len = seen_key(&t, key);
        if (m->seen.used >= MONEY_MOST && !table_find(&m->seen, key, len))
            continue; /* it would be told again and again */
        t.cost = row->sums.v[SUM_COST] + cost_of(&m->missing, key, len);
        if (t.cost > cost_of(&m->seen, key, len))
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
    struct telling to = {.decision = d, .mem = malloc(HEAD + MONEY_ROWS * ROW)};
    struct own_days own = {NULL, 0};
    int r = to.mem ? 0 : -ENOMEM;

    if (r == 0 && m->tell_days)
        r = own_read(l, &own);
    if (r == 0 && m->tell_all)
        tell_seen(m, &to);
    for (size_t i = 0; i < own.n; i++)
        if (own.all[i].totals)
            tell_day(m, &to, own.all[i].day, own.all[i].totals);
    for (unsigned i = 0; i < OPEN_DAYS && r == 0 && !m->tell_days; i++)
        if (l->days[i] && money_counts(l->days[i]->number))
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
        money_tidy(l);
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

const char *money_trouble(const struct ledger *l)
{
    struct aiex_fold_state state;

    if (!l->money.fold)
        return "";
    aiex_fold_state(l->money.fold, &state);
    return state.trouble;
}

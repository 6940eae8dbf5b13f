/* status.c - what the store says of itself: store.status, service.metrics, store.health. */
#include "store.h"

#include <aiex/aiex_pack.h>
#include <aiex_metrics.h>
#include <string.h>

static const char *const phases[] = {"opening", "open", "failed", "closed"};

struct view {
    struct store *s;
    int writes;
    enum phase phase;
    char why[320];
    size_t queued, queued_bytes;
};

static void look(struct store *s, struct view *v)
{
    v->s = s;
    pthread_mutex_lock(&s->writer.lock);
    v->queued = s->writer.n;
    v->queued_bytes = s->writer.bytes;
    pthread_mutex_unlock(&s->writer.lock);
    v->phase = state_now(&s->state);
    v->why[0] = 0;
    v->writes = state_writes(&s->state, v->why, sizeof(v->why)) && v->phase == OPEN;
    if (!v->why[0] && v->phase == OPENING)
        strcpy(v->why, "the database is being opened");
}

/* Everything that is one number, for both; series NULL = for store.status alone. */
struct number {
    const char *name, *series, *type, *help;
    uint64_t value;
};
#define N_NUMBERS 23

static void numbers(const struct view *v, struct number out[N_NUMBERS])
{
    struct store *s = v->s;
    const struct number all[N_NUMBERS] = {
        {"sequence", "aiex_store_sequence", "gauge", "Global number of the last visible event.",
         atomic_load(&s->visible)},
        {"streams", "aiex_store_streams", "gauge", "Streams.", atomic_load(&s->streams)},
        {"tables", "aiex_store_tables", "gauge", "Tables.", tables_count(&s->tables)},
        {"bytes", "aiex_store_bytes", "gauge", "Bytes of the database's files.",
         atomic_load(&s->bytes)},
        {"log_bytes", "aiex_store_log_bytes", "gauge", "Bytes of its log.",
         atomic_load(&s->log_bytes)},
        {"free_bytes", "aiex_store_free_bytes", "gauge", "Bytes that the disk has left.",
         (uint64_t)space_free(&s->space)},
        {"transactions", "aiex_store_transactions_total", "counter", "Transactions that were done.",
         atomic_load(&s->transactions)},
        {"writes", "aiex_store_writes_total", "counter", "Events and rows that were written.",
         atomic_load(&s->writes)},
        {"conflicts", "aiex_store_conflicts_total", "counter",
         "Transactions that were refused because an expectation did not hold.",
         atomic_load(&s->conflicts)},
        {"denied", "aiex_store_denied_total", "counter",
         "Writes that were refused because what they touch is another's.", atomic_load(&s->denied)},
        {"batches", "aiex_store_batches_total", "counter", "Groups of transactions done at once.",
         atomic_load(&s->batches)},
        {"flushes", "aiex_store_flushes_total", "counter", "Times the log was synced.",
         atomic_load(&s->flushes)},
        {"flush_us", NULL, NULL, NULL, atomic_load(&s->flush_us)},
        {"checkpoints", "aiex_store_checkpoints_total", "counter", "Checkpoints of the database.",
         atomic_load(&s->checkpoints)},
        {"reads", "aiex_store_reads_total", "counter", "Requests that read.",
         atomic_load(&s->reads)},
        {"parts", "aiex_store_parts_total", "counter", "Parts of answers to them.",
         atomic_load(&s->parts)},
        {"running", "aiex_store_reads_in_flight", "gauge", "Reads that run now.", s->jobs.n},
        {"consumers", "aiex_store_consumers", "gauge", "Consumers of subscriptions.",
         s->n_consumers},
        {"queued", "aiex_store_queued", "gauge", "Writes that wait for the writer.", v->queued},
        {"queued_bytes", "aiex_store_queued_bytes", "gauge", "Bytes of these.", v->queued_bytes},
        {"epoch", "aiex_store_epoch", "gauge", "Epoch of the writer.", atomic_load(&s->epoch)},
        {"opens", "aiex_store_opens_total", "counter", "Times the database was opened.",
         atomic_load(&s->opens)},
        {"last_backup", NULL, NULL, NULL, atomic_load(&s->last_backup)},
    };

    memcpy(out, all, sizeof(all));
}

static void write_status(struct aiex_writer *w, const void *arg)
{
    const struct view *v = arg;
    struct number all[N_NUMBERS];

    numbers(v, all);
    aiex_w_map(w, N_NUMBERS + 3);
    aiex_w_key_str(w, "phase", phases[v->phase]);
    aiex_w_key_bool(w, "read_only", !v->writes);
    aiex_w_key_str(w, "reason", v->why);
    for (uint32_t i = 0; i < N_NUMBERS; i++)
        aiex_w_key_uint(w, all[i].name, all[i].value);
}

int metrics_take(void *self, const struct aiex_message *m)
{
    struct store *s = self;
    struct number all[N_NUMBERS];
    struct aiex_metrics x;
    struct view v;

    look(s, &v);
    numbers(&v, all);
    aiex_metrics_begin(&x, s->host);
    for (uint32_t i = 0; i < N_NUMBERS; i++)
        if (all[i].series)
            aiex_metrics_one(&x, all[i].series, all[i].type, all[i].help, (double)all[i].value);
    aiex_metrics_one(&x, "aiex_store_flush_seconds_total", "counter", "Time that syncing took.",
                     (double)atomic_load(&s->flush_us) / 1e6);
    aiex_metrics_one(&x, "aiex_store_last_backup_timestamp_seconds", "gauge",
                     "When the last backup was made, since 1970; 0 = never.",
                     (double)atomic_load(&s->last_backup) / 1e3);
    aiex_metrics_one(&x, "aiex_store_read_only", "gauge", "1 while nothing can be written.",
                     !v.writes);
    return aiex_metrics_reply(&x, m->id);
}

int status_take(void *self, const struct aiex_message *m)
{
    struct store *s = self;
    struct view v;

    look(s, &v);
    return aiex_reply_by(s->host, m->id, write_status, &v);
}

int health_take(void *self, const struct aiex_message *m)
{
    struct store *s = self;
    struct view v;

    look(s, &v);
    return aiex_reply_health(s->host, m->id, v.writes, v.writes ? "events are written" : v.why);
}

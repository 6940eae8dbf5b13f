/* status.c - what the store says of itself. */
#include "store.h"

#include <aiex/aiex_pack.h>

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

static void write_status(struct aiex_writer *w, const void *arg)
{
    const struct view *v = arg;
    struct store *s = v->s;
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"sequence", atomic_load(&s->visible)},
        {"streams", atomic_load(&s->streams)},
        {"tables", tables_count(&s->tables)},
        {"bytes", atomic_load(&s->bytes)},
        {"log_bytes", atomic_load(&s->log_bytes)},
        {"free_bytes", (uint64_t)space_free(&s->space)},
        {"transactions", atomic_load(&s->transactions)},
        {"writes", atomic_load(&s->writes)},
        {"conflicts", atomic_load(&s->conflicts)},
        {"batches", atomic_load(&s->batches)},
        {"flushes", atomic_load(&s->flushes)},
        {"flush_us", atomic_load(&s->flush_us)},
        {"checkpoints", atomic_load(&s->checkpoints)},
        {"reads", atomic_load(&s->reads)},
        {"parts", atomic_load(&s->parts)},
        {"running", s->jobs.n},
        {"consumers", s->n_consumers},
        {"queued", v->queued},
        {"queued_bytes", v->queued_bytes},
        {"epoch", atomic_load(&s->epoch)},
        {"opens", atomic_load(&s->opens)},
        {"last_backup", atomic_load(&s->last_backup)},
    };
    const uint32_t n = sizeof(numbers) / sizeof(*numbers);

    aiex_w_map(w, n + 3);
    aiex_w_key_str(w, "phase", phases[v->phase]);
    aiex_w_key_bool(w, "read_only", !v->writes);
    aiex_w_key_str(w, "reason", v->why);
    for (uint32_t i = 0; i < n; i++)
        aiex_w_key_uint(w, numbers[i].name, numbers[i].value);
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

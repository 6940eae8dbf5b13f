/*
 * alarm.c - when nothing can be recorded: who is told, what is counted.
 *
 * The topic `audit.alarm` gets an event when recording stops ("stopped"), each second while acts
 * are lost ("lost"), and when it goes on ("resumed"). Its data: reason, word, lost, refused.
 */
#include "chain.h"

#include <aiex/aiex_pack.h>
#include <aiex_metrics.h>
#include <stdio.h>
#include <string.h>

const char *const state_names[] = {"opening", "ok", "full", "fault", "dead"};

static void publish(struct chain *c, const char *type)
{
    struct aiex_event e = {.struct_size = sizeof(e), .topic = "audit.alarm", .type = type};
    struct aiex_writer w;
    uint8_t mem[640];

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 5);
    aiex_w_key_str(&w, "word", alarm_word(c));
    aiex_w_key_str(&w, "reason", c->reason);
    aiex_w_key_uint(&w, "lost", c->lost);
    aiex_w_key_uint(&w, "lost_must", c->lost_must);
    aiex_w_key_uint(&w, "refused", c->refused);
    e.data = aiex_written(&w);
    c->host->publish(c->host, &e);
}

/* The disk has had something for longer than a caller may wait. */
static int is_hung(struct chain *c)
{
    uint64_t since = __atomic_load_n(&c->log.disk_since, __ATOMIC_ACQUIRE);

    return since && mono_ms(c->host) >= since + (uint64_t)c->config->deadline * 3 / 4;
}

static int is_bad(enum state s, int hung)
{
    return hung || (s != STATE_OK && s != STATE_OPENING);
}

static void tell_change(struct chain *c, int was_bad, int bad)
{
    if (bad) {
        aiex_logf(c->host, AIEX_LOG_ERROR, 0, "nothing is recorded: %s", c->reason);
        publish(c, "stopped");
    } else if (was_bad) {
        aiex_logf(c->host, AIEX_LOG_NOTICE, 0,
                  "acts are recorded again; %llu were lost, %llu refused so far",
                  (unsigned long long)c->lost, (unsigned long long)c->refused);
        publish(c, "resumed");
    }
}

void alarm_look(struct chain *c)
{
    char reason[400];
    uint64_t size, now = mono_ms(c->host);
    enum state state = writer_state(c, reason, &size);
    int hung = is_hung(c), was_bad = is_bad(c->told_state, c->hung), bad = is_bad(state, hung);
    int changed = state != c->told_state || hung != c->hung;

    if (hung)
        snprintf(reason, sizeof(reason), "the disk of '%s' does not answer", c->log.dir);
    strcpy(c->reason, reason);
    c->told_state = state;
    c->hung = hung;
    if (changed && (bad || was_bad)) {
        tell_change(c, was_bad, bad);
        c->told_lost = c->lost + c->refused;
        c->told_ms = now;
    } else if (c->told_lost != c->lost + c->refused && now - c->told_ms >= 1000) {
        publish(c, "lost");
        c->told_lost = c->lost + c->refused;
        c->told_ms = now;
    }
}

const char *alarm_reason(struct chain *c)
{
    return is_bad(c->told_state, c->hung) ? c->reason : NULL;
}

const char *alarm_word(struct chain *c)
{
    return c->hung ? "hung" : c->told_state == STATE_OK ? "slow" : state_names[c->told_state];
}

void alarm_lost(struct chain *c, int must, int refused)
{
    int is_refusal = must && refused;

    c->refused += (uint64_t)is_refusal;
    c->lost += (uint64_t)!is_refusal;
    c->lost_must += (uint64_t)(must && !refused);
    pthread_mutex_lock(&c->writer.lock);
    c->writer.refused += (uint64_t)is_refusal;
    c->writer.lost += (uint64_t)!is_refusal;
    pthread_mutex_unlock(&c->writer.lock);
}

int health_take(void *self, const struct aiex_message *m)
{
    struct chain *c = self;

    alarm_look(c);
    if (alarm_reason(c))
        return aiex_reply_health(c->host, m->id, 0, c->reason);
    return aiex_reply_health(c->host, m->id, 1,
                             c->told_state == STATE_OPENING ? c->reason : "records");
}

struct status {
    struct chain *chain;
    uint64_t size;
};

static void write_status(struct aiex_writer *w, const void *arg)
{
    const struct status *s = arg;
    struct chain *c = s->chain;
    struct aiex_note_key now;
    char key[AIEX_NOTE_KEY];

    keys_current(&c->log, &now);
    aiex_note_key_text(&now, key);
    aiex_w_map(w, 11);
    aiex_w_key_str(w, "state", c->hung ? "hung" : state_names[c->told_state]);
    aiex_w_key_str(w, "reason", c->reason);
    aiex_w_key_str(w, "origin", now.name);
    aiex_w_key_str(w, "key", key);
    aiex_w_key_uint(w, "entries", s->size);
    aiex_w_key_uint(w, "waiting", c->n_waiting);
    aiex_w_key_uint(w, "lost", c->lost);
    aiex_w_key_uint(w, "lost_must", c->lost_must);
    aiex_w_key_uint(w, "refused", c->refused);
    aiex_w_key_uint(w, "last_verified", c->last_verified);
    aiex_w_key_uint(w, "jobs", c->n_jobs);
}

int status_take(void *self, const struct aiex_message *m)
{
    struct status s = {.chain = self};
    char reason[400];

    alarm_look(self);
    writer_state(self, reason, &s.size);
    return aiex_reply_by(s.chain->host, m->id, write_status, &s);
}

int metrics_take(void *self, const struct aiex_message *m)
{
    struct chain *c = self;
    uint64_t entries = 0, batches, flush_us;
    enum state state;
    struct aiex_metrics x;

    alarm_look(c);
    state = writer_state(c, c->reason, &entries);
    pthread_mutex_lock(&c->writer.lock);
    batches = c->writer.commits;
    flush_us = c->writer.commit_us;
    pthread_mutex_unlock(&c->writer.lock);
    const struct {
        const char *name, *type, *help;
        double value;
    } all[] = {
        {"aiex_audit_entries", "gauge", "Entries of the log: the last one's number.",
         (double)entries},
        {"aiex_audit_queued", "gauge", "Acts that wait to be recorded.", (double)c->n_waiting},
        {"aiex_audit_lag_seconds", "gauge", "How long the oldest of these waits.",
         c->oldest ? (double)(mono_ms(c->host) - c->oldest->arrived) / 1e3 : 0},
        {"aiex_audit_lost_total", "counter", "Acts that could not be recorded.", (double)c->lost},
        {"aiex_audit_lost_must_total", "counter", "Of these: of a class that must be.",
         (double)c->lost_must},
        {"aiex_audit_refused_total", "counter", "Acts that were refused because of that.",
         (double)c->refused},
        {"aiex_audit_batches_total", "counter", "Groups of entries synced at once.",
         (double)batches},
        {"aiex_audit_flush_seconds_total", "counter", "Time that syncing took.",
         (double)flush_us / 1e6},
        {"aiex_audit_read_only", "gauge", "1 while nothing can be recorded.",
         c->hung || state != STATE_OK},
    };

    aiex_metrics_begin(&x, c->host);
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        aiex_metrics_one(&x, all[i].name, all[i].type, all[i].help, all[i].value);
    return aiex_metrics_reply(&x, m->id);
}

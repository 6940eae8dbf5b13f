/*
 * aggregate.c - commands on aggregates: load, decide, append, again.
 *
 * A command is a small machine with one call to the store at a time:
 *
 *     snapshot -> events -> decide -> append -> done
 *                   ^                   |
 *                   +--- conflict ------+    (only the events behind the known version)
 *
 * A fault that may pass repeats its step after a pause; an append is repeated with the same ids, so
 * it happens once. All repetitions together are bounded by max_tries.
 */
#include "aiex_events.h"

#include "asking.h"
#include "decision.h"
#include "snapshot.h"

#include <errno.h>
#include <stdio.h>

#define TEXT 128u

struct command {
    struct asking ask;
    struct aiex_aggregates *a;
    struct command *next, **at;
    uint64_t id;
    const struct aiex_aggregate *type;
    char stream[AIEX_STREAM_NAME + 1], correlation[TEXT + 1], causation[TEXT + 1];
    struct aiex_slice body;
    int only_load;
    aiex_command_fn fn;
    void *arg;
    void *state;
    int64_t version, snapshot, sequence; /* of the state, of its snapshot, of the last append */
    int64_t actual;                      /* version that a conflict told, -1 = none */
    struct aiex_decision decision;
    uint32_t tries;
    int maybe; /* an append may have happened */
    struct aiex_error err;
    int broken; /* negative errno of apply() */
};

struct aiex_aggregates {
    struct aiex_aggregates_setting setting;
    struct command *first;
    uint32_t n;
    uint64_t last_id;
};

static void ask_snapshot(void *owner);
static void ask_events(void *owner);
static void ask_append(void *owner);

/* ---- Life ---- */

int aiex_aggregates_new(const struct aiex_aggregates_setting *setting,
                        struct aiex_aggregates **ret_a)
{
    const struct aiex_host *host = setting->host;
    struct aiex_aggregates *a = host->alloc(host, sizeof(*a));

    if (!a)
        return -ENOMEM;
    a->setting = *setting;
    a->setting.store = setting->store ? setting->store : "store";
    a->setting.level = setting->level ? setting->level : "synced";
    a->setting.max_commands = setting->max_commands ? setting->max_commands : 256;
    a->setting.max_tries = setting->max_tries ? setting->max_tries : 10;
    a->setting.timeout_ms = setting->timeout_ms ? setting->timeout_ms : 10000;
    *ret_a = a;
    return 0;
}

static void drop_state(struct command *c)
{
    if (c->state && c->type->done)
        c->type->done(c->state);
    c->ask.host->release(c->ask.host, c->state);
    c->state = NULL;
}

static void command_free(void *owner)
{
    struct command *c = owner;
    const struct aiex_host *host = c->ask.host;

    drop_state(c);
    decision_done(&c->decision);
    host->release(host, (void *)(uintptr_t)c->body.data);
    host->release(host, c);
}

static void unlink_command(struct command *c)
{
    *c->at = c->next;
    if (c->next)
        c->next->at = c->at;
    c->a->n--;
}

void aiex_aggregates_free(struct aiex_aggregates *a)
{
    if (!a)
        return;
    while (a->first) {
        struct command *c = a->first;

        unlink_command(c);
        asking_release(&c->ask);
    }
    a->setting.host->release(a->setting.host, a);
}

uint32_t aiex_commands_running(const struct aiex_aggregates *a)
{
    return a->n;
}

int aiex_command_cancel(struct aiex_aggregates *a, uint64_t id)
{
    struct command *c = a->first;

    while (c && c->id != id)
        c = c->next;
    if (!c)
        return -ENOENT;
    unlink_command(c);
    asking_release(&c->ask);
    return 0;
}

/* ---- Ends ---- */

static void write_snapshot(struct aiex_writer *w, const void *arg)
{
    const struct command *c = arg;
    struct aiex_writer measure;

    aiex_writer_init(&measure, NULL, 0);
    snapshot_write(&measure, c->type, c->state, c->version);
    aiex_w_map(w, 2);
    aiex_w_key_str(w, "level", "written");
    aiex_w_str(w, "operations");
    aiex_w_array(w, 1);
    aiex_w_map(w, 4);
    aiex_w_key_str(w, "op", "put");
    aiex_w_key_str(w, "table", AIEX_SNAPSHOT_TABLE);
    aiex_w_key_bin(w, "key", c->stream, strlen(c->stream));
    aiex_w_str(w, "value");
    aiex_w_bin_head(w, measure.len);
    snapshot_write(w, c->type, c->state, c->version);
}

/* Nobody waits for it: without it the next one reads more events. */
static void save_snapshot(struct command *c)
{
    struct aiex_writer measure;

    if (!c->type->snapshot_every || c->version - c->snapshot < (int64_t)c->type->snapshot_every)
        return;
    aiex_writer_init(&measure, NULL, 0);
    c->type->save(c->state, &measure);
    if (measure.len > AIEX_SNAPSHOT_BYTES) {
        aiex_logf(c->ask.host, AIEX_LOG_WARN, c->ask.trace,
                  "the state of '%.200s' has %zu bytes, more than a snapshot may; every command "
                  "reads all its events",
                  c->stream, measure.len);
        return;
    }
    asking_cast(&c->ask, "store.transact", write_snapshot, c);
}

static void finish(struct command *c, const char *code, const char *text)
{
    const struct aiex_command_end end = {.code = code,
                                         .text = code ? text : "",
                                         .unknown = code && c->maybe,
                                         .version = c->version,
                                         .sequence = c->sequence,
                                         .n_events = code ? 0 : c->decision.n,
                                         .tries = c->tries + 1,
                                         .state = code ? NULL : c->state};

    unlink_command(c);
    if (!code && c->sequence)
        save_snapshot(c);
    c->fn(c->arg, &end);
    asking_release(&c->ask);
}

/* The step did not work: once more after a pause, or that was it. */
static void again(struct command *c, const char *code, const char *text, void (*step)(void *owner))
{
    if (code_is_passing(code) && c->tries + 1 < c->a->setting.max_tries) {
        c->tries++;
        if (asking_later(&c->ask, pause_of(c->tries), step) == 0)
            return;
    }
    finish(c, code, text);
}

static void not_asked(struct command *c, int failed, void (*step)(void *owner))
{
    if (failed == -EMSGSIZE)
        finish(c, AIEX_E_INVALID, "the events are larger than one request may be");
    else
        again(c, AIEX_E_BUSY, "no memory for a call, or too many of them", step);
}

/* ---- The state ---- */

static int fresh_state(struct command *c)
{
    const size_t size = c->type->state_size;

    drop_state(c);
    c->version = c->snapshot = 0;
    c->state = c->ask.host->alloc(c->ask.host, size ? size : 1);
    return c->state ? 0 : -ENOMEM;
}

static void on_snapshot(void *owner, const struct aiex_answer *answer)
{
    struct command *c = owner;
    struct aiex_slice value = {NULL, 0};
    int found = 0, r;

    if (answer->kind != AIEX_ANSWER_END)
        return;
    if (answer->code) {
        again(c, answer->code, answer->text, ask_snapshot);
        return;
    }
    if (aiex_get_bool(answer->body, "found", &found) == 1 && found &&
        aiex_get_bytes(answer->body, "value", &value) == 1) {
        r = snapshot_load(c->ask.host, c->type, value, c->state, &c->version);
        c->snapshot = c->version;
        if (r < 0) {
            aiex_logf(c->ask.host, AIEX_LOG_NOTICE, c->ask.trace,
                      "the snapshot of '%.200s' is left aside (%s); all events are read", c->stream,
                      r == -ENOTSUP ? "its form is not known" : "it can not be read");
            if (fresh_state(c) < 0) {
                finish(c, AIEX_E_BUSY, "no memory for the state");
                return;
            }
        }
    }
    ask_events(c);
}

static void write_get(struct aiex_writer *w, const void *arg)
{
    const struct command *c = arg;

    aiex_w_map(w, 2);
    aiex_w_key_str(w, "table", AIEX_SNAPSHOT_TABLE);
    aiex_w_key_bin(w, "key", c->stream, strlen(c->stream));
}

static void ask_snapshot(void *owner)
{
    struct command *c = owner;
    int failed;

    c->ask.fn = on_snapshot;
    failed = asking_call(&c->ask, "store.get", write_get, c);
    if (failed)
        not_asked(c, failed, ask_snapshot);
}

static int apply(struct command *c, const struct aiex_stored_event *e)
{
    int r;

    if (e->version <= c->version)
        return 0; /* a read that broke off is repeated */
    r = c->type->apply(c->state, e);
    if (r < 0) {
        snprintf(c->err.text, sizeof(c->err.text),
                 "event %lld of '%.200s', type '%.*s', can not be applied: %s",
                 (long long)e->version, c->stream, (int)(e->type.len < 64 ? e->type.len : 64),
                 (const char *)e->type.data, strerror(-r));
        return r;
    }
    c->version = e->version;
    return 0;
}

static void take_part(struct command *c, struct aiex_slice part)
{
    struct aiex_stored_event e;
    struct aiex_value v = {0};
    int broken = aiex_r_value(&part, &v) != 0 || v.type != AIEX_T_ARRAY;

    for (uint32_t i = 0; i < v.count && !broken && !c->broken; i++) {
        struct aiex_slice map = part;

        broken = aiex_r_skip(&part) != 0;
        map.len -= part.len;
        broken = broken || aiex_stored_event_read(map, &e) != 0;
        if (!broken)
            c->broken = apply(c, &e);
    }
    if (broken) {
        c->broken = -EPROTO;
        snprintf(c->err.text, sizeof(c->err.text), "the store sent what is no array of events");
    }
}

static void decide(struct command *c);

static void on_events(void *owner, const struct aiex_answer *answer)
{
    struct command *c = owner;

    if (answer->kind == AIEX_ANSWER_PART) {
        if (!c->broken)
            take_part(c, answer->body);
        return;
    }
    if (c->broken)
        finish(c, AIEX_E_INTERNAL, c->err.text);
    else if (answer->code)
        again(c, answer->code, answer->text, ask_events);
    else
        decide(c);
}

static void write_read(struct aiex_writer *w, const void *arg)
{
    const struct command *c = arg;

    aiex_w_map(w, 2);
    aiex_w_key_str(w, "stream", c->stream);
    aiex_w_key_int(w, "from", c->version + 1);
}

static void ask_events(void *owner)
{
    struct command *c = owner;
    int failed;

    c->ask.fn = on_events;
    failed = asking_call(&c->ask, "store.read", write_read, c);
    if (failed)
        not_asked(c, failed, ask_events);
}

/* ---- The decision ---- */

static const char *code_of(int error)
{
    switch (error) {
    case -EACCES:
        return AIEX_E_DENIED;
    case -ENOENT:
        return AIEX_E_NOT_FOUND;
    case -EEXIST:
        return AIEX_E_CONFLICT;
    case -EAGAIN:
    case -ENOMEM:
        return AIEX_E_BUSY;
    default:
        return AIEX_E_INVALID;
    }
}

static void decide(struct command *c)
{
    int r;

    /* events at the stream's end that were erased are not read, but they count */
    if (c->actual > c->version)
        c->version = c->actual;
    c->actual = -1;
    decision_clear(&c->decision);
    if (c->only_load) {
        finish(c, NULL, NULL);
        return;
    }
    c->err.text[0] = 0;
    r = c->type->validate(c->state, c->body, &c->decision, &c->err);
    if (r < 0)
        finish(c, code_of(r), c->err.text[0] ? c->err.text : strerror(-r));
    else if (c->decision.n == 0)
        finish(c, NULL, NULL);
    else
        ask_append(c);
}

/* ---- The append ---- */

static void write_event(struct aiex_writer *w, const struct command *c, const struct decided *e)
{
    aiex_w_map(w, 3u + (c->correlation[0] != 0) + (c->causation[0] != 0));
    aiex_w_key_str(w, "id", e->id);
    aiex_w_key_str(w, "type", e->type);
    aiex_w_key_bin(w, "data", e->data.data, e->data.len);
    if (c->correlation[0])
        aiex_w_key_str(w, "correlation", c->correlation);
    if (c->causation[0])
        aiex_w_key_str(w, "causation", c->causation);
}

static void write_append(struct aiex_writer *w, const void *arg)
{
    const struct command *c = arg;

    aiex_w_map(w, 4);
    aiex_w_key_str(w, "stream", c->stream);
    aiex_w_key_int(w, "expected", c->version);
    aiex_w_key_str(w, "level", c->a->setting.level);
    aiex_w_str(w, "events");
    aiex_w_array(w, c->decision.n);
    for (uint32_t i = 0; i < c->decision.n; i++)
        write_event(w, c, &c->decision.events[i]);
}

static struct aiex_slice text_slice(const char *text)
{
    struct aiex_slice s = {(const uint8_t *)text, strlen(text)};

    return s;
}

/* What was decided has happened. */
static int apply_decided(struct command *c)
{
    int64_t sequence = c->sequence - c->decision.n;
    int r = 0;

    for (uint32_t i = 0; i < c->decision.n && r == 0; i++) {
        const struct decided *d = &c->decision.events[i];
        const struct aiex_stored_event e = {.stream = text_slice(c->stream),
                                            .id = text_slice(d->id),
                                            .type = text_slice(d->type),
                                            .data = d->data,
                                            .correlation = text_slice(c->correlation),
                                            .causation = text_slice(c->causation),
                                            .version = c->version + 1,
                                            .sequence = ++sequence};

        r = apply(c, &e);
    }
    return r;
}

static void on_conflict(struct command *c, const struct aiex_answer *answer)
{
    c->actual = -1;
    aiex_get_int(answer->body, "version", &c->actual);
    if (c->tries + 1 >= c->a->setting.max_tries) {
        c->maybe = 0; /* another version holds: what was sent before can not happen any more */
        finish(c, AIEX_E_CONFLICT, answer->text);
        return;
    }
    c->tries++;
    c->maybe = 0;
    if (c->actual >= 0 && c->actual < c->version) { /* the stream is not the one of the snapshot */
        if (fresh_state(c) < 0) {
            finish(c, AIEX_E_BUSY, "no memory for the state");
            return;
        }
    }
    if (c->tries < 3 || asking_later(&c->ask, pause_of(c->tries - 2), ask_events) != 0)
        ask_events(c);
}

static void on_append(void *owner, const struct aiex_answer *answer)
{
    struct command *c = owner;
    int unknown = 0;

    if (answer->kind != AIEX_ANSWER_END)
        return;
    if (!answer->code) {
        aiex_get_int(answer->body, "sequence", &c->sequence);
        if (apply_decided(c) < 0)
            finish(c, AIEX_E_INTERNAL, c->err.text);
        else
            finish(c, NULL, NULL);
        return;
    }
    if (strcmp(answer->code, AIEX_E_CONFLICT) == 0) {
        on_conflict(c, answer);
        return;
    }
    aiex_get_bool(answer->body, "unknown", &unknown);
    if (unknown || strcmp(answer->code, AIEX_E_TIMEOUT) == 0 ||
        strcmp(answer->code, AIEX_E_CRASHED) == 0)
        c->maybe = 1;
    again(c, answer->code, answer->text, ask_append);
}

static void ask_append(void *owner)
{
    struct command *c = owner;
    int failed;

    c->ask.fn = on_append;
    failed = asking_call(&c->ask, "store.append", write_append, c);
    if (failed)
        not_asked(c, failed, ask_append);
}

/* ---- Beginning ---- */

static int copy_text(char out[TEXT + 1], const char *text)
{
    if (text && strlen(text) > TEXT)
        return -EINVAL;
    if (text)
        strcpy(out, text);
    return 0;
}

static int fill(struct command *c, const struct aiex_command *from)
{
    const struct aiex_host *host = c->ask.host;
    int n = snprintf(c->stream, sizeof(c->stream), "%s-%s", from->type->name, from->id);

    if (!*from->id || (size_t)n >= sizeof(c->stream) ||
        copy_text(c->correlation, from->correlation) < 0 ||
        copy_text(c->causation, from->causation) < 0)
        return -EINVAL;
    c->type = from->type;
    c->only_load = from->only_load;
    if (from->body.len) {
        uint8_t *copy = host->alloc(host, from->body.len);

        if (!copy)
            return -ENOMEM;
        memcpy(copy, from->body.data, from->body.len);
        c->body.data = copy;
        c->body.len = from->body.len;
    }
    return fresh_state(c);
}

static void link_command(struct aiex_aggregates *a, struct command *c)
{
    c->id = ++a->last_id;
    c->next = a->first;
    c->at = &a->first;
    if (c->next)
        c->next->at = &c->next;
    a->first = c;
    a->n++;
}

int aiex_command_run(struct aiex_aggregates *a, const struct aiex_command *from, aiex_command_fn fn,
                     void *arg, uint64_t *ret_id)
{
    const struct aiex_host *host = a->setting.host;
    struct command *c;
    int r;

    if (a->n >= a->setting.max_commands)
        return -EBUSY;
    c = host->alloc(host, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->ask = (struct asking){.host = host,
                             .service = a->setting.store,
                             .timeout_ms = a->setting.timeout_ms,
                             .trace = from->trace,
                             .free = command_free,
                             .owner = c};
    c->a = a;
    c->fn = fn;
    c->arg = arg;
    c->actual = -1;
    c->decision.host = host;
    c->type = from->type;
    r = fill(c, from);
    if (r < 0) {
        command_free(c);
        return r;
    }
    link_command(a, c);
    if (ret_id)
        *ret_id = c->id;
    if (c->type->snapshot_every)
        ask_snapshot(c);
    else
        ask_events(c);
    return 0;
}

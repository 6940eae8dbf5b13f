/* command_state.c - the state of an aggregate: from its snapshot, and the events behind that. */
#include "command.h"
#include "snapshot.h"

#include <errno.h>
#include <stdio.h>

int ev_command_fresh(struct command *c)
{
    const size_t size = c->type->state_size;

    ev_command_drop_state(c);
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
        ev_command_again(c, answer->code, answer->text, ev_command_load);
        return;
    }
    if (aiex_get_bool(answer->body, "found", &found) == 1 && found &&
        aiex_get_bytes(answer->body, "value", &value) == 1) {
        r = ev_snapshot_load(c->ask.host, c->type, value, c->state, &c->version);
        c->snapshot = c->version;
        if (r < 0) {
            aiex_logf(c->ask.host, AIEX_LOG_NOTICE, c->ask.trace,
                      "the snapshot of '%.200s' is left aside (%s); all events are read", c->stream,
                      r == -ENOTSUP ? "its form is not known" : "it can not be read");
            if (ev_command_fresh(c) < 0) {
                ev_command_end(c, AIEX_E_BUSY, "no memory for the state");
                return;
            }
        }
    }
    ev_command_read(c);
}

static void write_get(struct aiex_writer *w, const void *arg)
{
    const struct command *c = arg;

    aiex_w_map(w, 2);
    aiex_w_key_str(w, "table", AIEX_SNAPSHOT_TABLE);
    aiex_w_key_bin(w, "key", c->stream, strlen(c->stream));
}

void ev_command_load(void *owner)
{
    struct command *c = owner;
    int failed;

    c->ask.fn = on_snapshot;
    failed = ev_asking_call(&c->ask, "store.get", write_get, c);
    if (failed)
        ev_command_not_asked(c, failed, ev_command_load);
}

int ev_command_apply(struct command *c, const struct aiex_stored_event *e)
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
            c->broken = ev_command_apply(c, &e);
    }
    if (broken) {
        c->broken = -EPROTO;
        snprintf(c->err.text, sizeof(c->err.text), "the store sent what is no array of events");
    }
}

static void on_events(void *owner, const struct aiex_answer *answer)
{
    struct command *c = owner;

    if (answer->kind == AIEX_ANSWER_PART) {
        if (!c->broken)
            take_part(c, answer->body);
        return;
    }
    if (c->broken)
        ev_command_end(c, AIEX_E_INTERNAL, c->err.text);
    else if (answer->code)
        ev_command_again(c, answer->code, answer->text, ev_command_read);
    else
        ev_command_decide(c);
}

static void write_read(struct aiex_writer *w, const void *arg)
{
    const struct command *c = arg;

    aiex_w_map(w, 2);
    aiex_w_key_str(w, "stream", c->stream);
    aiex_w_key_int(w, "from", c->version + 1);
}

void ev_command_read(void *owner)
{
    struct command *c = owner;
    int failed;

    c->ask.fn = on_events;
    failed = ev_asking_call(&c->ask, "store.read", write_read, c);
    if (failed)
        ev_command_not_asked(c, failed, ev_command_read);
}

/* command_end.c - how commands end, and when a step is tried again; the snapshot behind the end. */
#include "command.h"
#include "snapshot.h"

#include <errno.h>

static void write_snapshot(struct aiex_writer *w, const void *arg)
{
    const struct command *c = arg;
    struct aiex_writer measure;

    aiex_writer_init(&measure, NULL, 0);
    ev_snapshot_write(&measure, c->type, c->state, c->version);
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
    ev_snapshot_write(w, c->type, c->state, c->version);
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
    ev_asking_cast(&c->ask, "store.transact", write_snapshot, c);
}

void ev_command_end(struct command *c, const char *code, const char *text)
{
    const struct aiex_command_end end = {.code = code,
                                         .text = code ? text : "",
                                         .unknown = code && c->maybe,
                                         .version = c->version,
                                         .sequence = c->sequence,
                                         .n_events = code ? 0 : c->decision.n,
                                         .tries = c->tries + 1,
                                         .state = code ? NULL : c->state};

    ev_command_unlink(c);
    if (!code && c->sequence)
        save_snapshot(c);
    c->fn(c->arg, &end);
    ev_asking_release(&c->ask);
}

/* The step did not work: once more after a pause, or that was it. */
void ev_command_again(struct command *c, const char *code, const char *text,
                      void (*step)(void *owner))
{
    if (ev_code_is_passing(code) && c->tries + 1 < c->a->setting.max_tries) {
        c->tries++;
        if (ev_asking_later(&c->ask, ev_pause_of(c->tries), step) == 0)
            return;
    }
    ev_command_end(c, code, text);
}

void ev_command_not_asked(struct command *c, int failed, void (*step)(void *owner))
{
    if (failed == -EMSGSIZE)
        ev_command_end(c, AIEX_E_INVALID, "the events are larger than one request may be");
    else
        ev_command_again(c, AIEX_E_BUSY, "no memory for a call, or too many of them", step);
}

/* command_append.c - what is to happen, and that it happens once. */
#include "command.h"

#include <errno.h>

static void ask_append(void *owner);

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

void ev_command_decide(struct command *c)
{
    int r;

    /* events at the stream's end that were erased are not read, but they count */
    if (c->actual > c->version)
        c->version = c->actual;
    c->actual = -1;
    ev_decision_clear(&c->decision);
    if (c->only_load) {
        ev_command_end(c, NULL, NULL);
        return;
    }
    c->err.text[0] = 0;
    r = c->type->validate(c->state, c->body, &c->decision, &c->err);
    if (r < 0)
        ev_command_end(c, code_of(r), c->err.text[0] ? c->err.text : strerror(-r));
    else if (c->decision.n == 0)
        ev_command_end(c, NULL, NULL);
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

        r = ev_command_apply(c, &e);
    }
    return r;
}

static void on_conflict(struct command *c, const struct aiex_answer *answer)
{
    c->actual = -1;
    aiex_get_int(answer->body, "version", &c->actual);
    if (c->tries + 1 >= c->a->setting.max_tries) {
        c->maybe = 0; /* another version holds: what was sent before can not happen any more */
        ev_command_end(c, AIEX_E_CONFLICT, answer->text);
        return;
    }
    c->tries++;
    c->maybe = 0;
    if (c->actual >= 0 && c->actual < c->version) { /* the stream is not the one of the snapshot */
        if (ev_command_fresh(c) < 0) {
            ev_command_end(c, AIEX_E_BUSY, "no memory for the state");
            return;
        }
    }
    if (c->tries < 3 || ev_asking_later(&c->ask, ev_pause_of(c->tries - 2), ev_command_read) != 0)
        ev_command_read(c);
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
            ev_command_end(c, AIEX_E_INTERNAL, c->err.text);
        else
            ev_command_end(c, NULL, NULL);
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
    ev_command_again(c, answer->code, answer->text, ask_append);
}

static void ask_append(void *owner)
{
    struct command *c = owner;
    int failed;

    c->ask.fn = on_append;
    failed = ev_asking_call(&c->ask, "store.append", write_append, c);
    if (failed)
        ev_command_not_asked(c, failed, ask_append);
}

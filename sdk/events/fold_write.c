/* fold_write.c - the oldest change: decided on what is known, appended at that version. */
#include "fold.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define MAX_CONFLICTS 10u

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

static struct aiex_slice text_slice(const char *text)
{
    struct aiex_slice s = {(const uint8_t *)text, strlen(text)};

    return s;
}

static void correlation_of(const struct aiex_fold *f, char out[20])
{
    out[0] = 0;
    if (f->first->trace)
        snprintf(out, 20, "%016" PRIx64, f->first->trace);
}

/* What was decided has happened. */
static int apply_decided(struct aiex_fold *f, int64_t last_sequence)
{
    int64_t sequence = last_sequence - f->decision.n;
    char correlation[20];
    int r = 0;

    correlation_of(f, correlation);
    for (uint32_t i = 0; i < f->decision.n && r == 0; i++) {
        const struct decided *d = &f->decision.events[i];
        const struct aiex_stored_event e = {.stream = text_slice(f->setting.stream),
                                            .id = text_slice(d->id),
                                            .type = text_slice(d->type),
                                            .data = d->data,
                                            .correlation = text_slice(correlation),
                                            .version = f->version + 1,
                                            .sequence = ++sequence};

        r = ev_fold_apply(f, &e);
    }
    return r;
}

/* It is stored. What can not be applied now is read again, and told as not known. */
static void on_stored(struct aiex_fold *f, struct aiex_slice body)
{
    int64_t sequence = 0;

    ev_fold_fine(f);
    f->maybe = 0;
    aiex_get_int(body, "sequence", &sequence);
    if (apply_decided(f, sequence) == 0) {
        ev_fold_end(f, NULL, NULL);
        return;
    }
    f->maybe = 1;
    ev_fold_end(f, AIEX_E_INTERNAL, f->err.text);
}

static void on_conflict(struct aiex_fold *f, const struct aiex_answer *answer)
{
    f->maybe = 0; /* another version holds: what was sent before can not happen any more */
    f->actual = -1;
    aiex_get_int(answer->body, "version", &f->actual);
    f->look = 1;
    if (++f->conflicts >= MAX_CONFLICTS)
        ev_fold_end(f, AIEX_E_CONFLICT, answer->text);
    else
        ev_decision_clear(&f->decision);
}

static void on_append(void *owner, const struct aiex_answer *answer)
{
    struct aiex_fold *f = owner;
    int unknown = 0;

    if (answer->kind != AIEX_ANSWER_END)
        return;
    f->doing = IDLE;
    if (!answer->code) {
        on_stored(f, answer->body);
    } else if (strcmp(answer->code, AIEX_E_CONFLICT) == 0) {
        on_conflict(f, answer);
    } else {
        aiex_get_bool(answer->body, "unknown", &unknown);
        f->maybe |= unknown || strcmp(answer->code, AIEX_E_TIMEOUT) == 0 ||
                    strcmp(answer->code, AIEX_E_CRASHED) == 0;
        if (ev_code_is_passing(answer->code))
            ev_fold_failed(f, "written", answer->code, answer->text);
        else
            ev_fold_end(f, answer->code, answer->text);
    }
    ev_fold_go(f);
}

static void write_append(struct aiex_writer *w, const void *arg)
{
    const struct aiex_fold *f = arg;
    char correlation[20];

    correlation_of(f, correlation);
    aiex_w_map(w, 4);
    aiex_w_key_str(w, "stream", f->setting.stream);
    aiex_w_key_int(w, "expected", f->version);
    aiex_w_key_str(w, "level", f->setting.level);
    aiex_w_str(w, "events");
    aiex_w_array(w, f->decision.n);
    for (uint32_t i = 0; i < f->decision.n; i++) {
        const struct decided *e = &f->decision.events[i];

        aiex_w_map(w, 3u + (correlation[0] != 0));
        aiex_w_key_str(w, "id", e->id);
        aiex_w_key_str(w, "type", e->type);
        aiex_w_key_bin(w, "data", e->data.data, e->data.len);
        if (correlation[0])
            aiex_w_key_str(w, "correlation", correlation);
    }
}

/* 1: there is something to append. */
static int decide(struct aiex_fold *f)
{
    struct change *c = f->first;
    int r;

    f->err.text[0] = 0;
    r = c->decide(c->arg, &f->decision, &f->err);
    if (r == 0 && f->decision.n)
        return 1;
    ev_decision_clear(&f->decision);
    if (r < 0)
        ev_fold_end(f, code_of(r), f->err.text[0] ? f->err.text : strerror(-r));
    else
        ev_fold_end(f, NULL, NULL);
    f->more = 1;
    return 0;
}

void ev_fold_write(struct aiex_fold *f)
{
    int r;

    if (!f->decision.n && !decide(f))
        return;
    f->doing = APPENDING;
    f->ask.fn = on_append;
    f->ask.trace = f->first->trace;
    r = ev_asking_call(&f->ask, "store.append", write_append, f);
    if (r == 0)
        return;
    f->doing = IDLE;
    if (r == -EMSGSIZE)
        ev_fold_end(f, AIEX_E_INVALID, "the change is larger than one request may be");
    else
        ev_fold_failed(f, "written", AIEX_E_BUSY, "no memory for a call, or too many of them");
    f->more = 1;
}

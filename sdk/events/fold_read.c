/*
 * fold_read.c - reads what is new.
 *
 * Each read begins with the event that is known already: when another one stands at its place, or
 * none, the stream is not the one that was folded.
 */
#include "fold.h"

#include <errno.h>

static void start_again(struct aiex_fold *f)
{
    aiex_logf(
        f->setting.host, AIEX_LOG_WARN, 0,
        "the stream '%.100s' is not the one that was read before (event %lld is not '%s'): all "
        "of it is read again",
        f->setting.stream, (long long)f->version, f->event);
    f->version = 0;
    f->event[0] = 0;
    f->actual = -1;
    f->live = 0;
    if (f->setting.lost)
        f->setting.lost(f->setting.arg);
}

static void take_event(struct aiex_fold *f, struct aiex_slice map)
{
    struct aiex_stored_event e;

    if (aiex_stored_event_read(map, &e) != 0) {
        f->broken = aiex_failed(&f->err, -EPROTO, "the store sent what is no event");
        return;
    }
    if (!f->checked) {
        f->checked = e.version == f->version && aiex_slice_is(e.id, f->event);
        f->mismatch = !f->checked;
        return;
    }
    f->broken = ev_fold_apply(f, &e);
}

static void take_part(struct aiex_fold *f, struct aiex_slice part)
{
    struct aiex_value v = {0};

    if (aiex_r_value(&part, &v) != 0 || v.type != AIEX_T_ARRAY)
        f->broken = aiex_failed(&f->err, -EPROTO, "the store sent what is no array of events");
    for (uint32_t i = 0; i < v.count && !f->broken && !f->mismatch; i++) {
        struct aiex_slice map = part;

        if (aiex_r_skip(&part) != 0) {
            f->broken = aiex_failed(&f->err, -EPROTO, "the store sent what is no event");
            return;
        }
        map.len -= part.len;
        take_event(f, map);
    }
}

/* Everything is read. */
static void caught_up(struct aiex_fold *f)
{
    ev_fold_fine(f);
    if (f->actual > f->version) { /* events at the stream's end that were erased count, too */
        f->version = f->actual;
        f->event[0] = 0;
    }
    f->actual = -1;
    if (f->live)
        return;
    f->live = 1;
    if (f->setting.live)
        f->setting.live(f->setting.arg);
}

static int is_another(const struct aiex_fold *f)
{
    if (!f->checked)
        return 1;
    return !f->event[0] && f->actual >= 0 && f->actual < f->version;
}

static void on_read(void *owner, const struct aiex_answer *answer)
{
    struct aiex_fold *f = owner;

    if (answer->kind == AIEX_ANSWER_PART) {
        if (!f->broken && !f->mismatch)
            take_part(f, answer->body);
        return;
    }
    f->doing = IDLE;
    if (answer->code || f->broken) {
        f->look = 1;
        ev_fold_failed(f, "read", f->broken ? AIEX_E_INTERNAL : answer->code,
                       f->broken ? f->err.text : answer->text);
    } else if (is_another(f)) {
        f->look = 1;
        start_again(f);
    } else {
        caught_up(f);
    }
    ev_fold_go(f);
}

static void write_read(struct aiex_writer *w, const void *arg)
{
    const struct aiex_fold *f = arg;

    aiex_w_map(w, 2);
    aiex_w_key_str(w, "stream", f->setting.stream);
    aiex_w_key_int(w, "from", f->event[0] ? f->version : f->version + 1);
}

void ev_fold_read(struct aiex_fold *f)
{
    f->doing = READING;
    f->look = 0;
    f->mismatch = f->broken = 0;
    f->checked = !f->event[0];
    f->ask.fn = on_read;
    f->ask.trace = 0;
    if (ev_asking_call(&f->ask, "store.read", write_read, f) == 0)
        return;
    f->look = 1;
    ev_fold_failed(f, "read", AIEX_E_BUSY, "no memory for a call, or too many of them");
}

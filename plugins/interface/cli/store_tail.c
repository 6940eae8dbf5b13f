/*
 * store_tail.c - aiex events tail of stored events: those to come, or from a point on.
 *
 * Without --name it asks again and again for what came behind the last event shown, which leaves
 * nothing behind in the store. With --name it is the consumer of a durable subscription: an event
 * is acknowledged when its line was written out, so the next one with that name goes on there, and
 * an event may be shown twice but never left out. A store that starts anew is waited for.
 */
#include "event_verbs.h"

#include "control_private.h"
#include "event_out.h"
#include "option_fields.h"
#include "reason.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#define LOOK_MS  100  /* between two looks */
#define AGAIN_MS 250  /* until a store that went is asked again */
#define MANY     5000 /* events of one look */

struct tail {
    struct command *command;
    const char *stream, *type, *name;
    struct control *acks; /* a connection of its own: the first one has the open stream */
    int64_t from;         /* next version or sequence */
    int64_t shown;        /* of the part: sequence of the last event */
    uint64_t left;        /* events still wanted; 0 = no limit */
    int full;             /* `left` was reached, or nobody reads */
    int only_look;        /* for the position */
    int waiting;          /* it was said that the store is waited for */
    struct aiex_error err;
};

static const struct option_field tail_fields[] = {{"from", "from", FORM_COUNT}, {0}};

int store_tail_is_meant(const struct command *c)
{
    static const char *const options[] = {"all", "stream", "type", "name", "from", "store"};

    for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
        if (arguments_has(&c->args, options[i]))
            return 1;
    return 0;
}

/* ---- What is asked ---- */

static void pack_filter(struct aiex_writer *w, const struct tail *t)
{
    if (t->stream)
        aiex_w_key_str(w, "stream", t->stream);
    if (t->type && !t->only_look)
        aiex_w_key_str(w, "type", t->type);
}

static void pack_look(struct aiex_writer *w, const struct tail *t)
{
    aiex_w_map(w, 2u + (t->stream != NULL) + (t->type && !t->only_look));
    pack_filter(w, t);
    if (t->only_look)
        aiex_w_key_bool(w, "backwards", 1);
    else
        aiex_w_key_int(w, "from", t->from);
    aiex_w_key_int(w, "limit", t->only_look ? 1 : MANY);
}

static void pack_subscribe(struct aiex_writer *w, const struct tail *t)
{
    int has_from = arguments_has(&t->command->args, "from");

    aiex_w_map(w, 2u + (t->stream != NULL) + (t->type != NULL));
    pack_filter(w, t);
    aiex_w_key_str(w, "name", t->name);
    aiex_w_key_int(w, "from", has_from ? t->from : -1);
}

static void pack_ack(struct aiex_writer *w, const struct tail *t)
{
    aiex_w_map(w, 2);
    aiex_w_key_str(w, "name", t->name);
    aiex_w_key_int(w, "sequence", t->shown);
}

typedef void (*pack_fn)(struct aiex_writer *w, const struct tail *t);

static int refused(struct tail *t, const char *method, const struct control_end *end)
{
    int away = strcmp(end->code, AIEX_E_UNAVAILABLE) == 0 || strcmp(end->code, AIEX_E_CRASHED) == 0;

    return fail(&t->err, away ? -EAGAIN : -EINVAL, "%s: %.400s (%s)", method, end->text, end->code);
}

/* Behind all that was looked at, also when the filter let nothing through, or when the store is an
 * older copy by now. */
static void skip_to_end(struct tail *t, struct aiex_slice end)
{
    int64_t bound = -1;
    int whole = 1;

    if (aiex_get_int(end, "sequence", &bound) == 1 && bound >= 0 &&
        aiex_get_bool(end, "end", &whole) >= 0 && whole)
        t->from = bound + 1;
}

/* One call; its failure is not said. 0, -EAGAIN (the store is away), -EINVAL (refused; t->err),
 * or as control_call(). */
static int ask(struct tail *t, struct control *on, const char *method, pack_fn pack,
               control_part_fn part)
{
    uint8_t mem[1024];
    struct aiex_writer w;
    struct control_request request = {
        .service = event_store(t->command), .method = method, .timeout_ms = INT32_MAX};
    struct control_end end;
    int r;

    aiex_writer_init(&w, mem, sizeof(mem));
    pack(&w, t);
    if (w.failed)
        return fail(&t->err, -EINVAL, "the names are longer than a store takes");
    request.body = aiex_written(&w);
    r = control_call(on, &request, part, t, &end, &t->err);
    if (r == 0 && *end.code)
        r = refused(t, method, &end);
    else if (r == 0 && !t->stream && !t->name && !t->only_look && !t->full)
        skip_to_end(t, end.body);
    control_end_done(&end);
    return r;
}

/* ---- Events ---- */

static int on_event(void *arg, struct aiex_slice event)
{
    struct tail *t = arg;
    int64_t place = 0;

    aiex_get_int(event, "sequence", &t->shown);
    if (aiex_get_int(event, t->stream && !t->name ? "version" : "sequence", &place) == 1)
        t->from = place + 1;
    if (t->only_look)
        return 0;
    if (command_wants_json(t->command))
        event_out_json(stdout, event, EVENT_SHOWN);
    else
        event_out_text(stdout, event, t->stream != NULL);
    return t->left && --t->left == 0;
}

/* The events of a part are written out before they are acknowledged. */
static int on_part(void *arg, struct aiex_slice part)
{
    struct tail *t = arg;
    int got = event_each(part, on_event, t), r = 0;

    if (got == -EPROTO)
        return fail(&t->err, -EPROTO, "the store sent a part that is no array of events");
    if (fflush(stdout) != 0) {
        t->full = 1;
        return 1;
    }
    t->full = got == 1;
    if (t->name)
        r = ask(t, t->acks, "store.ack", pack_ack, NULL);
    if (r == -EAGAIN) /* it went: the subscription ends, too, and shows the event again */
        r = 0;
    return r ? r : t->full;
}

/* ---- Waiting ---- */

static int pause_for(int ms)
{
    if (control_interrupted())
        return -EINTR;
    poll(NULL, 0, ms);
    return control_interrupted() ? -EINTR : 0;
}

static int wait_for_store(struct tail *t)
{
    if (!t->waiting)
        notice(&t->command->screen, "%s; waiting for it", t->err.text);
    t->waiting = 1;
    return pause_for(AGAIN_MS);
}

static int begin_at_end(struct tail *t)
{
    int r;

    t->only_look = 1;
    t->from = 1;
    r = ask(t, t->command->control, "store.read", pack_look, on_part);
    t->only_look = 0;
    return r;
}

static int look_again(struct tail *t)
{
    int r = t->from ? ask(t, t->command->control, "store.read", pack_look, on_part)
                    : begin_at_end(t);

    if (r == -EAGAIN)
        return wait_for_store(t);
    t->waiting = r ? t->waiting : 0;
    return r || t->full ? r : pause_for(LOOK_MS);
}

static int subscribe(struct tail *t)
{
    int r = ask(t, t->command->control, "store.subscribe", pack_subscribe, on_part);

    if (r == -EAGAIN)
        return wait_for_store(t);
    return r;
}

/* ---- The verb ---- */

static int connect_twice(struct tail *t)
{
    char path[1024];
    int r = command_connect(t->command, &t->err);

    if (r || !t->name)
        return r;
    r = control_path(arguments_value(&t->command->args, "socket"), path, sizeof(path), &t->err);
    return r ? r : control_open(path, &t->acks, &t->err);
}

static enum outcome take_options(struct tail *t)
{
    struct command *c = t->command;
    const char *count = arguments_value(&c->args, "count"), *from;
    enum outcome outcome = option_fields_check(c, tail_fields);

    t->stream = arguments_value(&c->args, "stream");
    t->type = arguments_value(&c->args, "type");
    t->name = arguments_value(&c->args, "name");
    from = arguments_value(&c->args, "from");
    if (from && outcome == OUTCOME_OK)
        t->from = strtoll(from, NULL, 10);
    if (from && !t->name && t->from == 0)
        t->from = 1;
    if (c->args.n_words) {
        complain(&c->screen,
                 "topic '%s' is of events that are not stored; it has no --stream, "
                 "--type, --name, --from, --all",
                 c->args.words[0]);
        return OUTCOME_USAGE;
    }
    if (count && arguments_count(count, &t->left, &t->err) != 0) {
        complain(&c->screen, "%s", t->err.text);
        return OUTCOME_USAGE;
    }
    return outcome;
}

enum outcome store_tail(struct command *c)
{
    struct tail t = {.command = c};
    enum outcome outcome = take_options(&t);
    int r;

    if (outcome != OUTCOME_OK)
        return outcome;
    r = connect_twice(&t);
    while (r == 0 && !t.full)
        r = t.name ? subscribe(&t) : look_again(&t);
    control_free(t.acks);
    if (r)
        return command_failed(c, r, &t.err);
    return OUTCOME_OK;
}

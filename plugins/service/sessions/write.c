/*
 * write.c - the transaction of a change, and what its outcome means.
 *
 * One transaction has the condition that the owner's row is ours, the session's row, and the events
 * with the version that their stream must have: all or nothing. The row comes first, so that
 * whatever is refused is refused for the owner or for the stream. Outcomes:
 *
 *     done        the index follows, the caller is answered
 *     duplicate   it was done before: the row is read again and is the answer
 *     conflict    the owner's row is looked at: another's = we are fenced; ours = the stream went
 * on (after an answer that was lost): the row is read and the change made again on top of it,
 * unless the caller expected a version unknown     the caller is told so; before the next write the
 * row is read again else        nothing was done; the caller is told why
 */
#include "sessions.h"

#include <stdio.h>

#define MAX_ROUNDS 3

/* ---- The transaction ---- */

void condition_write(struct aiex_writer *w, const struct sessions *s)
{
    aiex_w_array(w, 1);
    aiex_w_map(w, 3);
    aiex_w_key_str(w, "table", "session_owner");
    aiex_w_key_bin(w, "key", "sessions", strlen("sessions"));
    aiex_w_key_int(w, "version", s->owner_version);
}

void row_put_write(struct aiex_writer *w, const struct row *row)
{
    uint8_t mem[2048];
    struct aiex_writer value;

    aiex_writer_init(&value, mem, sizeof(mem));
    row_write(&value, row);
    aiex_w_map(w, 4);
    aiex_w_key_str(w, "op", "put");
    aiex_w_key_str(w, "table", "session");
    aiex_w_key_bin(w, "key", row->id, strlen(row->id));
    aiex_w_key_bin(w, "value", mem, value.failed ? 0 : value.len);
}

static void write_transact(struct aiex_writer *w, const void *arg)
{
    const struct work *work = arg;
    char stream[MAX_ID + 9];

    event_stream(stream, work->row.id);
    aiex_w_map(w, 2);
    aiex_w_str(w, "conditions");
    condition_write(w, work->s);
    aiex_w_str(w, "operations");
    aiex_w_array(w, 2);
    row_put_write(w, &work->row);
    aiex_w_map(w, 4);
    aiex_w_key_str(w, "op", "append");
    aiex_w_key_str(w, "stream", stream);
    aiex_w_key_int(w, "expected", work->base);
    aiex_w_str(w, "events");
    events_write(w, work);
}

/* ---- Answers ---- */

static void write_row_answer(struct aiex_writer *w, const void *arg)
{
    const struct work *work = arg;

    aiex_w_map(w, ROW_SHOWN + 1);
    row_show(w, &work->row);
    aiex_w_key_bool(w, "duplicate", work->duplicate);
}

void reply_row(struct work *w)
{
    work_reply(w, write_row_answer, w);
}

static void refuse_with(struct work *w, const char *code, const char *text, const char *key,
                        int64_t value)
{
    uint8_t mem[64];
    struct aiex_writer body;

    aiex_writer_init(&body, mem, sizeof(mem));
    aiex_w_map(&body, 1);
    aiex_w_key_int(&body, key, value);
    if (w->id)
        w->s->host->fail(w->s->host, w->id, code, text, 0, aiex_written(&body));
    work_free(w);
}

void refuse_version(struct work *w, const char *text)
{
    char whole[300];

    snprintf(whole, sizeof(whole), "session '%s' has version %lld, not %lld: %s", w->session,
             (long long)w->row.version, (long long)w->expected, text);
    refuse_with(w, AIEX_E_CONFLICT, whole, "version", w->row.version);
}

/* ---- Done ---- */

static void committed(struct work *w)
{
    struct sessions *s = w->s;
    struct entry *e = w->lane ? w->lane->e : NULL;

    s->writes++;
    s->expired += w->act == EXPIRE;
    s->lost += w->act == LOSE;
    if (w->fresh) { /* without memory for it a new one is fetched when it is asked for */
        e = w->fresh;
        w->fresh = NULL;
        if (index_put(&s->index, e) < 0)
            entry_free(&s->index, e);
    } else if (e) {
        entry_update(e, &w->row);
        index_list(&s->index, e);
    }
    if (w->act == DELETE)
        erase_soon(s);
    reply_row(w);
}

static void answer_again(struct work *w)
{
    struct entry *e = index_find(&w->s->index, w->row.id);

    entry_read(e, &w->row);
    if (!w->lane)
        guest_leave(w->s, e);
    if (w->who[0] && strcmp(w->who, w->row.user) != 0)
        work_refuse(w, AIEX_E_CONFLICT, "there is a session '%s' already", w->session);
    else
        reply_row(w);
}

/* Of a repeated request: the session as it is now. */
static void was_done(struct work *w)
{
    w->duplicate = w->ask.tries == 1;
    w->s->duplicates += (uint64_t)w->duplicate;
    strcpy(w->session, w->row.id);
    if (w->lane)
        fetch_again(w, answer_again);
    else
        fetch(w, answer_again);
}

/* ---- Conflicts ---- */

static void went_on(struct work *w)
{
    int64_t used = w->base;

    entry_read(w->lane->e, &w->row);
    if (w->expected >= 0)
        refuse_version(w, "the session has changed since");
    else if (w->row.version == used || w->rounds++ == MAX_ROUNDS)
        work_refuse(w, AIEX_E_CONFLICT, "the store refused the change: %s", w->trouble);
    else
        act_run(w);
}

static void refuse_fenced(struct work *w)
{
    if (w->s->draining && w->id && work_hand_on(w) == 0)
        return;
    work_refuse(w, AIEX_E_CONFLICT,
                "%s (this one had epoch %lld); nothing was changed, ask again, the new owner "
                "answers",
                fenced_by(w->s), (long long)w->s->epoch);
}

static void on_owner(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct work *w = a->arg;
    struct sessions *s = w->s;

    if (end->code) {
        work_fail(w, end, "the change met a conflict, and its reason can not be looked up");
    } else if (!owner_is_mine(s, end->body)) {
        fenced(s);
        refuse_fenced(w);
    } else if (w->probe) {
        work_refuse(w, AIEX_E_CONFLICT, "session '%s' is %s%s", w->session,
                    state_name(w->lane->e->state),
                    w->lane->e->state == DELETED ? "" : "; sessions.restore opens it again");
    } else if (w->lane) {
        fetch_again(w, went_on);
    } else {
        work_refuse(w, AIEX_E_CONFLICT, "there is a session '%s' already (%s)", w->row.id,
                    w->trouble);
    }
}

static void met_conflict(struct work *w, const struct aiex_answer *end)
{
    w->s->conflicts++;
    snprintf(w->trouble, sizeof(w->trouble), "%s", end->text ? end->text : "");
    if (w->fresh)
        entry_free(&w->s->index, w->fresh);
    w->fresh = NULL;
    w->ask.end = on_owner;
    owner_ask(&w->ask);
}

/* ---- Unknown ---- */

static void not_known(struct work *w, const struct aiex_answer *end)
{
    char text[400];

    w->s->unknowns++;
    if (w->lane)
        w->lane->e->unsure = 1;
    snprintf(text, sizeof(text),
             "whether session '%s' was changed is not known (the store: %s, %.150s); %s", w->row.id,
             end->code, end->text ? end->text : "",
             w->has_request ? "ask again with the same 'request'" : "look at its version");
    refuse_with(w, AIEX_E_TIMEOUT, text, "unknown", 1);
}

static void on_end(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct work *w = a->arg;
    int duplicate = 0;

    if (!end->code) {
        aiex_get_bool(end->body, "duplicate", &duplicate);
        if (duplicate)
            was_done(w);
        else
            committed(w);
    } else if (strcmp(end->code, AIEX_E_CONFLICT) == 0) {
        met_conflict(w, end);
    } else if (a->unknown) {
        not_known(w, end);
    } else {
        work_fail(w, end, "nothing was changed");
    }
}

/* ---- Sending ---- */

static void complete_row(struct work *w)
{
    struct row *row = &w->row;

    row->version = w->base + events_count(w);
    row->updated = wall_ms();
    row->rank = index_next_rank(&w->s->index);
    if (w->act == APPEND)
        row->messages += w->n_messages;
    if ((w->act == APPEND || w->act == SET) && (w->given & F_STATE))
        row->state_at = row->version;
    if (!w->request[0])
        random_id(w->request);
}

/* 0, or -1: a new entry is needed and there is no memory. */
static int prepare_entry(struct work *w)
{
    struct entry *e = w->lane ? w->lane->e : NULL;
    struct row now;

    if (w->fresh)
        entry_free(&w->s->index, w->fresh);
    w->fresh = NULL;
    if (e)
        entry_read(e, &now);
    if (e && strcmp(now.title, w->row.title) == 0 && strcmp(now.user, w->row.user) == 0 &&
        strcmp(now.project, w->row.project) == 0 && strcmp(now.origin, w->row.origin) == 0 &&
        strcmp(now.turns, w->row.turns) == 0)
        return 0;
    w->fresh = entry_new(&w->s->index, &w->row);
    return w->fresh ? 0 : -1;
}

void write_send(struct work *w)
{
    complete_row(w);
    if (prepare_entry(w) < 0) {
        work_refuse(w, AIEX_E_BUSY, "no memory for the session");
        return;
    }
    w->ask.method = "store.transact";
    w->ask.part = NULL;
    w->ask.end = on_end;
    ask_by(&w->ask, write_transact, w);
}

/*
 * request_turns.c - puts the turns of a conversation in an order that every vendor takes.
 *
 * Vendors refuse histories that clients produce all the time: results in another order, a user's
 * word or a developer's note between a call and its result, calls that were interrupted and
 * have no result, results whose call was cut away to save room. Afterwards holds: behind each
 * assistant turn with calls stands one user message with a result for each of them, in the
 * order of the calls, and there are no other results. A last turn with calls that nothing follows
 * stays as it is. Ids that are missing (ollama, old function calls) are made from the place in
 * the conversation, so that the same history gives the same request: prompt caches live of it.
 */
#include "request.h"

#include <stdio.h>

#define MAX_CALLS 256 /* of one turn */

/* A call's id as the client says it, and where it was said last. */
struct said {
    struct raw id;
    size_t turn, call;
};

struct turn {
    struct reader *r;
    size_t number;
    struct part *calls[MAX_CALLS], *results[MAX_CALLS];
    struct raw said[MAX_CALLS]; /* ids as the client says them */
    size_t n;
    int doubled;      /* an id was said twice in this turn */
    struct said *ids; /* of all calls so far: a hash table of `n_ids`, a power of two */
    size_t n_ids;
};

static int has_call(const struct message *m)
{
    return count_kind(m->parts, PART_CALL) > 0;
}

static void put_behind(struct message *m, struct part *parts)
{
    *m->end = parts;
    while (*m->end)
        m->end = &(*m->end)->next;
}

/* Assistant messages in a row are one turn when one of them calls. */
static void join_turn(struct message *m)
{
    while (m->next && m->next->role == ROLE_ASSISTANT && (has_call(m) || has_call(m->next))) {
        if (m->next->parts)
            m->next->parts->glued = 0;
        put_behind(m, m->next->parts);
        m->next = m->next->next;
    }
}

static int make_id(struct turn *t, struct part *call)
{
    char id[48];
    int n = snprintf(id, sizeof(id), "call_%zu_%zu", t->number, t->n);
    const char *copy = arena_copy(t->r->c->arena, id, (size_t)n);

    if (!copy)
        return read_fail(t->r, -ENOMEM, "no memory for the request");
    call->id = (struct raw){copy, (size_t)n};
    return 0;
}

/* The place of an id in the table; one with an empty id when it is new. */
static struct said *find_id(struct turn *t, struct raw id)
{
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < id.len; i++)
        h = (h ^ (unsigned char)id.at[i]) * 1099511628211u;
    for (size_t at = (size_t)(h >> 20);; at++) {
        struct said *place = &t->ids[at & (t->n_ids - 1)];

        if (!place->id.len || raw_same(place->id, id))
            return place;
    }
}

/* Notes where the id is said now. 1 when it is new; vendors refuse a second call of the same id. */
static int is_new(struct turn *t, struct raw id)
{
    struct said *place = find_id(t, id);
    int new = !place->id.len;

    if (!new && place->turn == t->number)
        t->doubled = 1;
    else
        *place = (struct said){id, t->number, t->n};
    return new;
}

static int make_ids(struct turn *t)
{
    size_t n = 0;

    for (const struct message *m = t->r->v.messages; m; m = m->next)
        n += count_kind(m->parts, PART_CALL);
    for (t->n_ids = 16; t->n_ids < 2 * n;)
        t->n_ids *= 2;
    t->ids = arena_take(t->r->c->arena, t->n_ids * sizeof(*t->ids));
    return t->ids ? 0 : read_fail(t->r, -ENOMEM, "no memory for the request");
}

static int note_calls(struct turn *t, struct message *m)
{
    int rc = 0;

    t->n = 0;
    t->doubled = 0;
    t->number++;
    for (struct part *p = m->parts; p && rc == 0; p = p->next) {
        if (p->kind != PART_CALL)
            continue;
        if (t->n == MAX_CALLS)
            return read_fail(t->r, -EINVAL, "an assistant turn has more than %d tool calls",
                             MAX_CALLS);
        t->said[t->n] = p->id;
        if (!p->id.len || !is_new(t, p->id))
            rc = make_id(t, p);
        t->results[t->n] = NULL;
        t->calls[t->n++] = p;
    }
    return rc;
}

/* Without an id: the first call of that name that waits, or the first at all. */
static int answers(const struct turn *t, const struct part *result, size_t i)
{
    if (t->results[i])
        return 0;
    if (result->id.len)
        return raw_same(result->id, t->said[i]);
    return !result->name.len || raw_same(result->name, t->calls[i]->name);
}

/* The call that a result belongs to; t->n when there is none. */
static size_t call_of(struct turn *t, const struct part *result)
{
    const struct said *said = result->id.len ? find_id(t, result->id) : NULL;
    size_t i = 0;

    if (said && (!said->id.len || said->turn != t->number))
        return t->n;
    if (said && !t->doubled)
        return t->results[said->call] ? t->n : said->call;
    while (i < t->n && !answers(t, result, i))
        i++;
    return i;
}

static int take_result(struct turn *t, struct part *result)
{
    size_t i = call_of(t, result);

    if (i == t->n)
        return 0;
    t->results[i] = result;
    result->next = NULL;
    result->id = t->calls[i]->id;
    result->name = t->calls[i]->name;
    result->space = t->calls[i]->space;
    return 1;
}

/* A result without a call is something that the user says. */
static struct part *as_text(struct part *result)
{
    struct part *inside = result->inside, *last = inside;

    result->kind = PART_TEXT;
    result->text = RAW("Result of an earlier tool call:");
    while (last && last->next)
        last = last->next;
    if (!last)
        return result;
    last->next = result->next;
    result->next = inside;
    return last;
}

/* Takes the results out of one message; others stay. */
static void take_results(struct turn *t, struct message *m)
{
    struct part **at = &m->parts;

    while (*at) {
        struct part *p = *at, *rest = p->next;

        if (p->kind != PART_RESULT) {
            at = &p->next;
        } else if (take_result(t, p)) {
            *at = rest;
        } else {
            at = &as_text(p)->next;
        }
    }
    m->end = at;
}

static int add_missing(struct turn *t, size_t i)
{
    struct part *none = arena_take(t->r->c->arena, sizeof(*none));
    struct part *text = arena_take(t->r->c->arena, sizeof(*text));

    if (!none || !text)
        return read_fail(t->r, -ENOMEM, "no memory for the request");
    text->kind = PART_TEXT;
    text->text = RAW("The call was interrupted: there is no result.");
    none->kind = PART_RESULT;
    none->is_error = 1;
    none->inside = text;
    none->id = t->calls[i]->id;
    none->name = t->calls[i]->name;
    none->space = t->calls[i]->space;
    t->results[i] = none;
    return 0;
}

/* The message of all results, behind the turn. */
static int put_results(struct turn *t, struct message *turn)
{
    struct message *m = arena_take(t->r->c->arena, sizeof(*m));
    int rc = 0;

    if (!m)
        return read_fail(t->r, -ENOMEM, "no memory for the request");
    m->role = ROLE_USER;
    m->end = &m->parts;
    for (size_t i = 0; i < t->n && rc == 0; i++) {
        if (!t->results[i])
            rc = add_missing(t, i);
        if (rc == 0)
            put_behind(m, t->results[i]);
    }
    m->next = turn->next;
    turn->next = m;
    return rc;
}

/* Everything from `m` to the next assistant message; what held results only goes. */
static struct message **settle_rest(struct turn *t, struct message **at)
{
    while (*at && (*at)->role != ROLE_ASSISTANT) {
        struct message *m = *at;
        int was_empty = !m->parts;

        take_results(t, m);
        if (!m->parts && !was_empty)
            *at = m->next;
        else
            at = &m->next;
    }
    return at;
}

static int settle(struct turn *t)
{
    struct message **at = settle_rest(t, &t->r->v.messages);
    int rc = 0;

    while (*at && rc == 0) {
        struct message *turn = *at, *follows;

        join_turn(turn);
        rc = note_calls(t, turn);
        follows = turn->next;
        at = settle_rest(t, &turn->next);
        if (rc == 0 && t->n && follows) {
            rc = put_results(t, turn);
            if (rc == 0 && at == &turn->next)
                at = &turn->next->next;
        }
    }
    return rc;
}

int turns_settle(struct reader *r)
{
    struct turn *t = arena_raw(r->c->arena, sizeof(*t));
    int rc;

    if (!t)
        return read_fail(r, -ENOMEM, "no memory for the request");
    t->r = r;
    t->number = 0;
    t->n = 0;
    t->doubled = 0;
    rc = make_ids(t);
    return rc == 0 ? settle(t) : rc;
}

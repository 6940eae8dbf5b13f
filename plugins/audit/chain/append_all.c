/*
 * append_all.c - audit.append_all: acts that were gathered for a moment, in one request.
 *
 * Each becomes an op as with audit.append; the request is answered when the last one is through.
 * Its sender keeps them until then (aiex_audit_batch.h), so what is refused here is not counted as
 * lost: it comes again.
 *
 * What comes again may have been recorded meanwhile, its answer lost or late. So a sender numbers
 * its acts, and those that are in the log already are passed over; while one request of a sender is
 * not through, its next one is refused. This is known as long as the process lives.
 */
#include "chain.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ACTS 1024u

struct group {
    struct group *next;
    struct chain *chain;
    struct sender *sender; /* NULL: it does not number its acts */
    uint64_t n_leading;    /* recorded before the first that was not */
    uint64_t id;           /* 0 = a cast, or its caller left */
    uint32_t n_left, n_recorded;
    uint64_t first; /* entry of the first one that was recorded */
    int failed;
    char why[256];
};

static void write_end(struct aiex_writer *w, const void *arg)
{
    const struct group *g = arg;

    aiex_w_map(w, 2);
    aiex_w_key_uint(w, "seq", g->first);
    aiex_w_key_uint(w, "entries", g->n_recorded);
}

static void end(struct group *g)
{
    struct chain *c = g->chain;
    struct group **at = &c->groups;

    while (*at != g)
        at = &(*at)->next;
    *at = g->next;
    if (g->sender) {
        g->sender->open = 0;
        g->sender->next += g->n_leading;
    }
    if (g->failed)
        refuse_act(c, g->id, 0, alarm_word(c), g->why);
    else if (g->id)
        aiex_reply_by(c->host, g->id, write_end, g);
    free(g);
}

void group_done(struct op *op)
{
    struct group *g = op->group;

    if (op->result < 0 && !g->failed) {
        g->failed = 1;
        snprintf(g->why, sizeof(g->why), "%s", op->why);
    } else if (op->result == 0 && g->n_recorded++ == 0) {
        g->first = op->entry.seq;
    }
    g->n_leading += !g->failed;
    if (--g->n_left == 0)
        end(g);
}

void group_left(struct op *op)
{
    struct group *g = op->group;

    if (!g->failed)
        snprintf(g->why, sizeof(g->why), "the audit log is stopping");
    g->failed = 1;
    if (--g->n_left == 0)
        end(g);
}

void group_cancel(struct chain *c, uint64_t id)
{
    for (struct group *g = c->groups; g; g = g->next)
        if (g->id == id)
            g->id = 0; /* what was handed over is recorded all the same */
}

/* ---- Senders ---- */

/* Its place; the one that was used longest ago is forgotten for it. NULL: all are in use. */
static struct sender *find_sender(struct chain *c, const char *by, int64_t nonce)
{
    struct sender *oldest = NULL;

    for (size_t i = 0; i < MAX_SENDERS; i++) {
        struct sender *s = &c->senders[i];

        if (s->nonce == nonce && strcmp(s->by, by) == 0)
            return s;
        if (!s->open && (!oldest || s->used < oldest->used))
            oldest = s;
    }
    if (oldest) {
        *oldest = (struct sender){.nonce = nonce};
        snprintf(oldest->by, sizeof(oldest->by), "%s", by);
    }
    return oldest;
}

/* Takes off the acts that are recorded. 0, or the request is refused or answered. */
static int pass_over(struct chain *c, const struct aiex_message *m, struct group *g,
                     struct aiex_slice *acts)
{
    int64_t nonce = 0, first = 0;
    uint64_t n = 0;

    if (aiex_get_int(m->body, "sender", &nonce) < 0 || aiex_get_int(m->body, "first", &first) < 0 ||
        first < 0)
        return aiex_refuse(c->host, m->id, AIEX_E_INVALID,
                           "fields 'sender' and 'first' are numbers"),
               -1;
    g->sender = nonce ? find_sender(c, m->caller ? m->caller : "", nonce) : NULL;
    if (!g->sender)
        return 0;
    if (g->sender->open)
        return aiex_refuse(c->host, m->id, AIEX_E_BUSY,
                           "the request before this one is not through"),
               -1;
    if ((uint64_t)first < g->sender->next)
        n = g->sender->next - (uint64_t)first;
    if (n >= g->n_left) {
        aiex_reply_by(c->host, m->id, write_end, g);
        return -1;
    }
    for (uint64_t i = 0; i < n; i++)
        aiex_r_skip(acts);
    g->n_left -= (uint32_t)n;
    g->sender->next = (uint64_t)first + n;
    g->sender->used = ++c->sender_uses;
    return 0;
}

/* ---- The request ---- */

static void ops_free(struct op *list)
{
    while (list) {
        struct op *op = list;

        list = op->next;
        op_free(op);
    }
}

/* One op for each act, all of them read before any is handed over. NULL: refused, said. */
static struct op *read_all(struct chain *c, const struct aiex_message *m, struct aiex_slice acts,
                           uint32_t n)
{
    struct op *first = NULL, **end_of = &first;

    for (uint32_t i = 0; i < n; i++) {
        struct aiex_message one = *m;
        struct op *op;

        one.body = acts;
        if (aiex_r_skip(&acts) == 0)
            one.body.len -= acts.len;
        if (!aiex_is_map(one.body)) {
            aiex_refuse(c->host, m->id, AIEX_E_INVALID, "act %u is not a map", i);
            ops_free(first);
            return NULL;
        }
        op = op_new(c, &one, OP_APPEND);
        if (op && append_read(op) != 0) {
            op_free(op);
            op = NULL;
        }
        if (!op) {
            ops_free(first);
            return NULL;
        }
        *end_of = op;
        end_of = &op->next;
    }
    return first;
}

static void hand_over(struct chain *c, struct group *g, struct op *list)
{
    g->next = c->groups;
    c->groups = g;
    if (g->sender)
        g->sender->open = 1;
    while (list) {
        struct op *op = list;

        list = op->next;
        op->next = NULL;
        op->group = g;
        op->id = 0;
        append_push(c, op);
    }
}

int append_all_take(void *self, const struct aiex_message *m)
{
    struct chain *c = self;
    struct aiex_slice acts = {NULL, 0};
    struct aiex_value head = {0};
    struct group *g;
    struct op *list;

    if (!aiex_is_map(m->body) || aiex_get_whole(m->body, "acts", &acts) != 1 ||
        aiex_r_value(&acts, &head) != 0 || head.type != AIEX_T_ARRAY || head.count == 0 ||
        head.count > MAX_ACTS)
        return aiex_refuse(c->host, m->id, AIEX_E_INVALID,
                           "field 'acts' must be an array of 1 to %u acts", MAX_ACTS);
    if (alarm_reason(c)) {
        refuse_act(c, m->id, 0, alarm_word(c), alarm_reason(c));
        return 0;
    }
    g = calloc(1, sizeof(*g));
    if (!g)
        return aiex_refuse(c->host, m->id, AIEX_E_BUSY, "no memory");
    g->chain = c;
    g->id = m->id;
    g->n_left = head.count;
    list = pass_over(c, m, g, &acts) == 0 ? read_all(c, m, acts, g->n_left) : NULL;
    if (!list) {
        free(g);
        return 0;
    }
    hand_over(c, g, list);
    return 0;
}

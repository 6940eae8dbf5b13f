/* check.c - entries one by one: order, bodies, payloads; faults told and drawn together. */
#include "check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Lists of numbers ---- */

int check_list_add(struct check_list *l, uint64_t v)
{
    if (l->n == l->room) {
        size_t room = l->room ? l->room * 2 : 64;
        uint64_t *grown = realloc(l->v, room * sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        l->v = grown;
        l->room = room;
    }
    l->v[l->n++] = v;
    return 0;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

void check_list_sort(struct check_list *l)
{
    if (l->n)
        qsort(l->v, l->n, sizeof(*l->v), compare);
}

int check_list_has(const struct check_list *l, uint64_t v)
{
    return l->n && bsearch(&v, l->v, l->n, sizeof(*l->v), compare) != NULL;
}

/* ---- Faults ---- */

const char *aiex_fault_where(const struct aiex_fault *f, char *out)
{
    if (!f->has_place)
        strcpy(out, "log");
    else if (f->from == f->to)
        snprintf(out, 48, "seq=%" PRIu64, f->from);
    else
        snprintf(out, 48, "%" PRIu64 "..%" PRIu64, f->from, f->to);
    return out;
}

static void tell_held(struct aiex_check *c)
{
    if (!c->has_held)
        return;
    c->has_held = 0;
    for (char *p = c->held_text; *p; p++) /* names in it are strangers' */
        if ((uint8_t)*p < ' ' || *p == 127)
            *p = '?';
    c->faults++;
    c->held.text = c->held_text;
    if (c->faults == AIEX_AUDIT_MAX_FAULT)
        strcpy(c->held_text, "there are more faults, which are counted and not told");
    if (c->faults <= AIEX_AUDIT_MAX_FAULT && c->setup.fault)
        c->setup.fault(c->setup.arg, &c->held);
}

/* The same kind at the next entry makes the held fault longer. */
static int grows(const struct aiex_check *c, const char *kind, int has_place, uint64_t from)
{
    return c->has_held && has_place && c->held.has_place && strcmp(c->held.kind, kind) == 0 &&
           from == c->held.to + 1;
}

void aiex_check_fault(struct aiex_check *c, const char *kind, int has_place, uint64_t from,
                      uint64_t to, const char *format, ...)
{
    va_list args;

    if (grows(c, kind, has_place, from)) {
        c->held.to = to;
        return;
    }
    tell_held(c);
    c->held = (struct aiex_fault){.kind = kind, .has_place = has_place, .from = from, .to = to};
    va_start(args, format);
    vsnprintf(c->held_text, sizeof(c->held_text), format, args);
    va_end(args);
    c->has_held = 1;
}

/* ---- Life ---- */

int aiex_check_new(const struct aiex_check_setup *s, struct aiex_check **ret_check)
{
    struct aiex_check *c = calloc(1, sizeof(*c));

    if (!c)
        return -ENOMEM;
    c->setup = *s;
    if (s->key)
        aiex_check_key(c, s->key);
    if (s->origin)
        snprintf(c->origin, sizeof(c->origin), "%s", s->origin);
    c->next = s->first;
    aiex_tree_init(&c->tree, AIEX_TREE_BLOCK, NULL, NULL);
    *ret_check = c;
    return 0;
}

void aiex_check_free(struct aiex_check *c)
{
    if (!c)
        return;
    aiex_tree_done(&c->tree);
    check_chain_done(c);
    free(c->leaves);
    free(c->covered);
    free(c->heads);
    free(c->missing.v);
    free(c->redactions.v);
    free(c->redacted.v);
    free(c);
}

void aiex_check_key(struct aiex_check *c, const struct aiex_note_key *key)
{
    c->n_keys = 0;
    aiex_check_key_until(c, key, UINT64_MAX);
}

int aiex_check_key_until(struct aiex_check *c, const struct aiex_note_key *key, uint64_t until)
{
    if (c->n_keys == AIEX_AUDIT_KEYS)
        return -E2BIG;
    c->keys[c->n_keys++] = (struct check_key){*key, until};
    return 0;
}

/* ---- Entries ---- */

static void check_payload(struct aiex_check *c, const struct aiex_check_entry *e,
                          const struct aiex_audit_body *b)
{
    uint8_t hash[AIEX_HASH];

    if (!e->has_payload)
        return;
    if (!b->has_commit) {
        aiex_check_fault(c, "payload", 1, e->seq, e->seq,
                         "a payload stands beside an entry that "
                         "has no commitment");
        return;
    }
    aiex_commit_hash(e->salt, e->payload, hash);
    if (memcmp(hash, b->commit, AIEX_HASH) != 0)
        aiex_check_fault(c, "payload", 1, e->seq, e->seq,
                         "the payload is not the one that the entry commits to");
}

/* `seq` is not the next: something is missing, or came twice, or moved. */
static void check_sequence(struct aiex_check *c, uint64_t seq)
{
    if (seq == c->next)
        return;
    if (seq < c->next) {
        aiex_check_fault(c, "sequence", 1, seq, seq,
                         "the entry stands behind entry %" PRIu64 ": doubled or moved",
                         c->next - 1);
        return;
    }
    aiex_check_fault(c, "sequence", 1, c->next, seq - 1, "missing: entry %" PRIu64 " follows", seq);
    if (!c->tree_broken)
        c->broken_at = c->next;
    c->tree_broken = 1;
    c->gap = seq;
    while (c->setup.keep_leaves && c->next < seq && seq - c->next <= 1u << 20)
        if (check_tree_add(c, c->next++, NULL) != 0)
            break;
    c->next = seq;
}

static int note_payload(struct aiex_check *c, const struct aiex_check_entry *e,
                        const struct aiex_audit_body *b)
{
    int r = 0;

    if (b->has_commit && !e->has_payload)
        r = check_list_add(&c->missing, e->seq);
    if (r == 0 && b->redacts >= 0)
        r = check_list_add(&c->redacted, (uint64_t)b->redacts);
    return r;
}

int aiex_check_entry(struct aiex_check *c, const struct aiex_check_entry *e,
                     const struct aiex_audit_body **ret_body)
{
    const char *why = "";
    uint8_t leaf[AIEX_HASH];
    int r = 0, readable, is_behind = e->seq < c->next;

    if (ret_body)
        *ret_body = NULL;
    c->entries++;
    check_sequence(c, e->seq);
    aiex_leaf_hash(e->body, leaf);
    if (e->recorded && memcmp(leaf, e->recorded, AIEX_HASH) != 0) {
        aiex_check_fault(c, "changed", 1, e->seq, e->seq,
                         "the entry is not the one that was recorded");
        memcpy(leaf, e->recorded, AIEX_HASH);
    }
    readable = aiex_audit_body_read(&c->body, e->body, e->encoding, &why) == 0;
    if (readable && ret_body)
        *ret_body = &c->body;
    if (is_behind)
        return 0;
    if (!readable) {
        aiex_check_fault(c, "body", 1, e->seq, e->seq, "not readable: %s", why);
        c->gap = e->seq + 1;
    } else {
        check_payload(c, e, &c->body);
        r = note_payload(c, e, &c->body);
        if (r == 0)
            r = check_chain(c, e->seq, &c->body, leaf);
    }
    if (r == 0)
        r = check_tree_add(c, e->seq, leaf);
    c->next = e->seq + 1;
    return r;
}

int aiex_check_leaf(struct aiex_check *c, uint64_t seq, const uint8_t leaf[AIEX_HASH])
{
    int r = check_tree_add(c, seq, leaf);

    c->next = seq + 1;
    c->gap = seq + 1;
    return r;
}

int aiex_check_hole(struct aiex_check *c, uint64_t seq, const uint8_t *recorded, const char *kind,
                    const char *text)
{
    int r;

    aiex_check_fault(c, kind, 1, seq, seq, "%s", text);
    if (!recorded && !c->tree_broken) {
        c->tree_broken = 1;
        c->broken_at = seq;
    }
    r = check_tree_add(c, seq, recorded);
    c->next = seq + 1;
    c->gap = seq + 1;
    return r;
}

int aiex_check_redaction(struct aiex_check *c, uint64_t seq)
{
    return check_list_add(&c->redactions, seq);
}

int aiex_check_redacted(struct aiex_check *c, uint64_t seq)
{
    return check_list_add(&c->redacted, seq);
}

/* ---- The end ---- */

static void finish_payloads(struct aiex_check *c, int strict)
{
    check_list_sort(&c->redactions);
    check_list_sort(&c->redacted);
    check_list_sort(&c->missing);
    for (size_t i = 0; i < c->missing.n; i++) {
        uint64_t seq = c->missing.v[i];

        if (!check_list_has(&c->redactions, seq))
            aiex_check_fault(c, "payload", 1, seq, seq,
                             "the payload is missing without a redaction");
        else if (strict && !check_list_has(&c->redacted, seq))
            aiex_check_fault(c, "redaction", 1, seq, seq,
                             "the payload is missing and no entry of the log took it away");
    }
    for (size_t i = 0; i < c->redactions.n; i++) {
        uint64_t seq = c->redactions.v[i];

        if (seq >= c->setup.first && seq < c->next && !check_list_has(&c->missing, seq))
            aiex_check_fault(
                c, "redaction", 1, seq, seq,
                "a redaction speaks of an entry whose payload is there, or which had none");
    }
}

void aiex_check_finish(struct aiex_check *c, int strict)
{
    check_chain_finish(c);
    finish_payloads(c, strict);
    check_cover_finish(c);
    tell_held(c);
}

uint64_t aiex_check_entries(const struct aiex_check *c)
{
    return c->entries;
}

uint64_t aiex_check_faults(const struct aiex_check *c)
{
    return c->faults + (uint64_t)c->has_held;
}

uint64_t aiex_check_next(const struct aiex_check *c)
{
    return c->next;
}

uint64_t aiex_check_proven(const struct aiex_check *c, uint8_t root[AIEX_HASH])
{
    memcpy(root, c->proven_root, AIEX_HASH);
    return c->proven;
}

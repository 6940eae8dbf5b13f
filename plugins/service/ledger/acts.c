/*
 * acts.c - model calls, told to the audit log: who asked which model of whom, what it took and
 * cost, and how it ended.
 *
 * The ledger is told of every request anyway, beside the way that the request itself goes; so the
 * audit log costs a request nothing. Names of people stand in the payload, which can be redacted;
 * the actor is the key's id. Hashes of what was asked and answered stand there when the record has
 * them; their salt does not.
 */
#include "ledger.h"

#include <aiex/aiex_pack.h>
#include <stdio.h>

static int is_there(struct aiex_slice s)
{
    return s.len != 0;
}

static void put(struct aiex_writer *w, const char *key, struct aiex_slice s)
{
    if (is_there(s))
        aiex_w_key_strn(w, key, (const char *)s.data, s.len);
}

static void write_call(struct aiex_writer *w, const struct facts *f)
{
    const struct aiex_slice *c = f->columns;

    aiex_w_map(w, 2 + (uint32_t)(f->priced + is_there(f->id) + is_there(f->code) +
                                 is_there(f->operation) + is_there(f->interface) +
                                 is_there(f->hash) + is_there(f->request_hash) +
                                 is_there(f->answer_hash) + is_there(c[COL_USER]) +
                                 is_there(c[COL_TEAM]) + is_there(c[COL_PROJECT])));
    put(w, "id", f->id);
    put(w, "code", f->code);
    put(w, "operation", f->operation);
    put(w, "interface", f->interface);
    put(w, "hash", f->hash);
    put(w, "request_hash", f->request_hash);
    put(w, "answer_hash", f->answer_hash);
    put(w, "user", c[COL_USER]);
    put(w, "team", c[COL_TEAM]);
    put(w, "project", c[COL_PROJECT]);
    aiex_w_key_int(w, "input_tokens", f->sums.v[SUM_INPUT]);
    aiex_w_key_int(w, "output_tokens", f->sums.v[SUM_OUTPUT]);
    if (f->priced)
        aiex_w_key_int(w, "cost", f->sums.v[SUM_COST]);
}

static const char *text_of(struct aiex_slice s, char *out, size_t size, const char *otherwise)
{
    if (!s.len)
        return otherwise;
    snprintf(out, size, "%.*s", (int)s.len, (const char *)s.data);
    return out;
}

void acts_call(struct ledger *l, const struct facts *f, uint64_t trace)
{
    char actor[MAX_COLUMN + 1], provider[MAX_COLUMN + 1], subject[2 * MAX_COLUMN + 2];
    struct aiex_audit_act act = {.type = "model.call", .subject = subject, .trace = trace};
    struct aiex_writer w;
    uint8_t mem[2048];

    if (!l->acts.service[0])
        return;
    act.actor = text_of(f->columns[COL_KEY], actor, sizeof(actor), "anonymous");
    snprintf(subject, sizeof(subject), "%s/%.*s",
             text_of(f->columns[COL_PROVIDER], provider, sizeof(provider), "none"),
             (int)f->columns[COL_MODEL].len, (const char *)f->columns[COL_MODEL].data);
    aiex_writer_init(&w, mem, sizeof(mem));
    write_call(&w, f);
    if (w.len <= sizeof(mem))
        act.payload = aiex_written(&w);
    aiex_audit_batch_add(&l->acts, &act);
}

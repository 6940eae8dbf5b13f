/* owned.c - a write that touches what is another's is refused, before it is queued. */
#include "store.h"

#include <errno.h>

static int deny(struct store *s, const struct aiex_message *m, enum owned kind,
                struct aiex_slice name, struct aiex_error *err)
{
    const char *caller = AIEX_HAS(m, struct aiex_message, caller) ? m->caller : "";
    const struct owner *owner = owners_deny(s->owners, kind, name, caller);

    if (!owner)
        return 0;
    atomic_fetch_add(&s->denied, 1);
    return aiex_failed(err, -EACCES,
                       "%s '%.*s' belongs to %.120s and not to '%.63s'; who shall write to it is "
                       "named in option owner.%s of %s",
                       owned_name(kind), (int)(name.len > 120 ? 120 : name.len),
                       (const char *)name.data, owner->to, caller, owner->key, s->host->instance);
}

static int deny_op(struct store *s, const struct aiex_message *m, const struct op *op,
                   struct aiex_error *err)
{
    if (op->kind == OP_APPEND)
        return deny(s, m, OWNED_STREAM, op->stream, err);
    return deny(s, m, OWNED_TABLE, op->table, err);
}

int write_deny(struct store *s, const struct aiex_message *m, const struct write *w,
               struct aiex_error *err)
{
    int r = 0;

    for (uint32_t i = 0; i < w->n_ops && r == 0; i++)
        r = deny_op(s, m, &w->ops[i], err);
    if (r == 0 && w->kind == &define_kind) {
        const struct table *t = w->arg;

        r = deny(s, m, OWNED_TABLE, (struct aiex_slice){(const uint8_t *)t->name, strlen(t->name)},
                 err);
    }
    if (r == 0 && w->epoch >= 0 && w->owner.len)
        r = deny(s, m, OWNED_EPOCH, w->owner, err);
    return r;
}

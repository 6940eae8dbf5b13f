/*
 * endpoint_save.c - the books of the host's own endpoint, written down for a new image
 * of the host. Calls inside the process do not exist there (its parts do not call each
 * other), so only the remote books travel.
 */
#include "channel/endpoint_private.h"

#include "wire/pack.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int endpoint_quiet(const struct endpoint *ep)
{
    for (unsigned i = 0; i < ep->remote_cap; i++)
        if (ep->remote[i] && ep->remote[i]->id && ep->remote[i]->assembling)
            return 0;
    for (unsigned i = 0; i < ep->n_outs; i++)
        if (ep->outs[i]->live && ep->outs[i]->body.len)
            return 0;
    return 1;
}

static void save_names(const struct endpoint *ep, struct pack *out)
{
    const char *text;
    size_t len, n = 0;

    while (names_out_text(ep->names_out, (unsigned)n, &len))
        n++;
    pack_str(out, "names_out");
    pack_array(out, n);
    for (unsigned i = 0; i < n; i++) {
        text = names_out_text(ep->names_out, i, &len);
        pack_bin(out, text, len);
    }
    pack_str(out, "names_in");
    pack_array(out, NAMES_MAX);
    for (unsigned i = 0; i < NAMES_MAX; i++) {
        text = names_in_text(ep->names_in, i, &len);
        if (text)
            pack_bin(out, text, len);
        else
            pack_nil(out);
    }
}

static void save_served(const struct endpoint *ep, struct pack *out)
{
    size_t n = 0;

    for (unsigned i = 0; i < ep->remote_cap; i++)
        n += ep->remote[i] && ep->remote[i]->id;
    pack_str(out, "served");
    pack_array(out, n);
    for (unsigned i = 0; i < ep->remote_cap; i++) {
        const struct served *s = ep->remote[i];

        if (!s || !s->id)
            continue;
        pack_array(out, 7);
        pack_int(out, (int64_t)s->id);
        pack_bin(out, &s->trace, sizeof(s->trace));
        pack_int(out, s->instance);
        pack_int(out, s->flags);
        pack_int(out, s->window.size);
        pack_int(out, (int64_t)s->window.outstanding);
        pack_int(out, s->window.paused);
    }
}

void endpoint_save(const struct endpoint *ep, struct pack *out)
{
    size_t n = 0;

    for (unsigned i = 0; i < ep->n_outs; i++)
        n += ep->outs[i]->live != 0;
    pack_map(out, 5);
    save_names(ep, out);
    save_served(ep, out);
    pack_str(out, "outs");
    pack_array(out, n);
    for (unsigned i = 0; i < ep->n_outs; i++) {
        const struct out *o = ep->outs[i];

        if (!o->live)
            continue;
        pack_array(out, 6);
        pack_int(out, o->slot);
        pack_int(out, o->generation);
        pack_int(out, o->instance);
        pack_int(out, o->flags);
        pack_int(out, o->window);
        pack_int(out, o->uncredited);
    }
    pack_str(out, "subscriptions");
    pack_array(out, ep->n_subscriptions);
    for (unsigned i = 0; i < ep->n_subscriptions; i++) {
        pack_array(out, 2);
        pack_int(out, ep->subscriptions[i].instance);
        pack_str(out, ep->subscriptions[i].pattern);
    }
}

static int load_names(struct endpoint *ep, doc_value root)
{
    doc_value outs = doc_get(root, "names_out"), ins = doc_get(root, "names_in");
    char copy[NAME_TEXT_MAX], text[NAME_TEXT_MAX];
    size_t len;
    int fresh;

    for (size_t i = 0; i < doc_len(outs); i++) {
        struct aiex_slice s = doc_bytes(doc_at(outs, i));

        if (s.len < 2 || s.len >= sizeof(copy))
            return -EPROTO;
        memcpy(copy, s.data, s.len);
        copy[s.len] = 0;
        if (names_out_get(ep->names_out, copy, copy + strlen(copy) + 1, &fresh, text, &len) != (int)i)
            return -EPROTO;
    }
    for (size_t i = 0; i < doc_len(ins); i++) {
        struct aiex_slice s = doc_bytes(doc_at(ins, i));

        if (s.len && names_in_define(ep->names_in, (unsigned)i, s.data, s.len) < 0)
            return -EPROTO;
    }
    return 0;
}

/* Makes out entries up to a slot, so that it gets the number it had. */
static struct out *out_at(struct endpoint *ep, uint32_t slot)
{
    while (ep->n_outs <= slot) {
        ep->out_free = NULL; /* grow, do not reuse */
        if (!endpoint_out_new(ep))
            return NULL;
    }
    return ep->outs[slot];
}

static int load_outs(struct endpoint *ep, doc_value outs)
{
    for (size_t i = 0; i < doc_len(outs); i++) {
        doc_value v = doc_at(outs, i);

        if (!out_at(ep, (uint32_t)doc_int(doc_at(v, 0), 0) & 0x3fff))
            return -ENOMEM;
    }
    for (unsigned i = 0; i < ep->n_outs; i++)
        ep->outs[i]->live = 0;
    for (size_t i = 0; i < doc_len(outs); i++) {
        doc_value v = doc_at(outs, i);
        struct out *o = ep->outs[(uint32_t)doc_int(doc_at(v, 0), 0) & 0x3fff];

        o->live = 1;
        o->generation = (uint32_t)doc_int(doc_at(v, 1), 0);
        o->instance = (unsigned)doc_int(doc_at(v, 2), 0);
        o->flags = (uint32_t)doc_int(doc_at(v, 3), 0);
        o->window = (uint32_t)doc_int(doc_at(v, 4), 0);
        o->uncredited = (uint32_t)doc_int(doc_at(v, 5), 0);
    }
    ep->out_free = NULL;
    for (unsigned i = 0; i < ep->n_outs; i++)
        if (!ep->outs[i]->live) {
            ep->outs[i]->next_free = ep->out_free;
            ep->out_free = ep->outs[i];
        }
    return 0;
}

int endpoint_load(struct endpoint *ep, const void *root)
{
    doc_value served = doc_get(root, "served"), subs = doc_get(root, "subscriptions");

    if (load_names(ep, root) < 0 || load_outs(ep, doc_get(root, "outs")) < 0)
        return -EPROTO;
    for (size_t i = 0; i < doc_len(served); i++) {
        doc_value v = doc_at(served, i);
        uint32_t id = (uint32_t)doc_int(doc_at(v, 0), 0);
        struct aiex_slice trace = doc_bytes(doc_at(v, 1));
        struct served *s = endpoint_served_at(ep, id);

        if (!s || trace.len != sizeof(s->trace))
            return -EPROTO;
        s->id = id;
        memcpy(&s->trace, trace.data, sizeof(s->trace));
        s->instance = (unsigned)doc_int(doc_at(v, 2), 0);
        s->flags = (uint32_t)doc_int(doc_at(v, 3), 0);
        s->window.size = (uint32_t)doc_int(doc_at(v, 4), 0);
        s->window.outstanding = (uint64_t)doc_int(doc_at(v, 5), 0);
        s->window.paused = (int)doc_int(doc_at(v, 6), 0);
        ep->n_serving++;
    }
    for (size_t i = 0; i < doc_len(subs) && i < SUBSCRIPTIONS_MAX; i++) {
        struct subscription *s = &ep->subscriptions[ep->n_subscriptions++];

        s->instance = (unsigned)doc_int(doc_at(doc_at(subs, i), 0), 0);
        doc_text(doc_at(doc_at(subs, i), 1), s->pattern, sizeof(s->pattern), "");
    }
    return 0;
}

int endpoint_rebind(struct endpoint *ep, uint64_t call, aiex_answer_fn fn, void *arg)
{
    struct out *o = endpoint_out_of(ep, call);

    if (!o)
        return -ENOENT;
    o->fn = fn;
    o->arg = arg;
    return 0;
}

/*
 * request_names.c - names of tools and ids of calls that every vendor takes.
 *
 * Vendors want [a-zA-Z0-9_-], at most 64 of them, each name once. A tool of a namespace gets both
 * names joined by "__"; what is not allowed becomes '_'; what is too long is cut and ends in
 * a hash of the whole. The client's names are kept in chat.tools for the answer.
 */
#include "request.h"

#include <stdio.h>

#define MAX_NAME 64u
#define HASH     9u /* '_' and 8 hex digits */

static uint64_t hash(uint64_t h, struct raw text)
{
    for (size_t i = 0; i < text.len; i++)
        h = (h ^ (unsigned char)text.at[i]) * 1099511628211u;
    return (h ^ 0xff) * 1099511628211u;
}

static int is_allowed(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

struct name {
    char text[MAX_NAME + 1];
    size_t len;
    int cut, changed;
};

static void put(struct name *n, struct raw text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (n->len == MAX_NAME) {
            n->cut = 1;
            return;
        }
        if (!is_allowed(text.at[i]))
            n->changed = 1;
        n->text[n->len++] = is_allowed(text.at[i]) ? text.at[i] : '_';
    }
}

static void end_in_hash(struct name *n, uint64_t h)
{
    if (n->len > MAX_NAME - HASH)
        n->len = MAX_NAME - HASH;
    n->len += (size_t)snprintf(n->text + n->len, HASH + 1, "_%08x", (unsigned)(h >> 32));
}

static uint64_t tool_hash(struct raw space, struct raw name)
{
    return hash(hash(14695981039346656037u, space), name);
}

static void make_name(struct raw space, struct raw name, int unique, struct name *ret)
{
    *ret = (struct name){.len = 0};
    put(ret, space);
    if (space.len)
        put(ret, RAW("__"));
    put(ret, name);
    if (ret->cut || unique)
        end_in_hash(ret, tool_hash(space, name));
}

static int keep(struct reader *r, const struct name *n, struct raw *ret)
{
    const char *copy = arena_copy(r->c->arena, n->text, n->len);

    if (!copy)
        return read_fail(r, -ENOMEM, "no memory for the request");
    *ret = (struct raw){copy, n->len};
    return 0;
}

static int is_taken(const struct conv *v, const struct tool *t, const struct name *n)
{
    struct raw name = {n->text, n->len};

    for (const struct tool *o = v->tools; o && o != t; o = o->next)
        if (raw_same(o->vendor_name, name))
            return 1;
    return 0;
}

static int name_tool(struct reader *r, struct tool *t)
{
    struct name n;

    make_name(t->space, t->name, 0, &n);
    if (is_taken(&r->v, t, &n))
        make_name(t->space, t->name, 1, &n);
    if (!t->space.len && !n.cut && !n.changed && raw_same((struct raw){n.text, n.len}, t->name)) {
        t->vendor_name = t->name;
        return 0;
    }
    return keep(r, &n, &t->vendor_name);
}

const struct tool *names_find(const struct conv *v, struct raw name, struct raw space)
{
    const struct tool *loose = NULL;

    for (const struct tool *t = v->tools; t; t = t->next) {
        if (!raw_same(t->name, name))
            continue;
        if (raw_same(t->space, space))
            return t;
        if (!space.len && !loose)
            loose = t;
    }
    return loose;
}

static struct raw keep_or_fail(struct writer *w, const struct name *n)
{
    struct raw kept = RAW("");

    if (keep(w->r, n, &kept) != 0)
        w->g.error = -ENOMEM;
    return kept;
}

struct raw names_call(struct writer *w, const struct part *call)
{
    const struct tool *t = names_find(w->v, call->name, call->space);
    struct name n;

    if (t)
        return t->vendor_name;
    make_name(call->space, call->name, 0, &n);
    if (!call->space.len && raw_same((struct raw){n.text, n.len}, call->name))
        return call->name;
    return keep_or_fail(w, &n);
}

struct raw names_id(struct writer *w, struct raw id)
{
    struct name n;

    make_name(RAW(""), id, 0, &n);
    if (!n.cut && !n.changed && n.len)
        return id;
    if (!n.cut)
        end_in_hash(&n, tool_hash(RAW(""), id));
    return keep_or_fail(w, &n);
}

/* ---- What the answer must know ---- */

static int plain_text(struct reader *r, struct raw text, struct aiex_slice *ret)
{
    char *copy = arena_raw(r->c->arena, text.len + 4);

    if (!copy)
        return read_fail(r, -ENOMEM, "no memory for the request");
    *ret = (struct aiex_slice){(const uint8_t *)copy, aiex_json_unescape(text.at, text.len, copy)};
    return 0;
}

static int is_renamed(const struct tool *t)
{
    return t->custom || t->space.len || !raw_same(t->name, t->vendor_name);
}

static int tell_answer(struct reader *r)
{
    struct chat_tool *to;
    size_t n = 0;
    int rc = 0;

    for (const struct tool *t = r->v.tools; t; t = t->next)
        n += (size_t)is_renamed(t);
    if (!n)
        return 0;
    r->c->tools = to = arena_take(r->c->arena, n * sizeof(*to));
    if (!to)
        return read_fail(r, -ENOMEM, "no memory for the request");
    for (const struct tool *t = r->v.tools; t && rc == 0; t = t->next) {
        if (!is_renamed(t))
            continue;
        to->custom = t->custom;
        rc = plain_text(r, t->vendor_name, &to->vendor_name);
        if (rc == 0)
            rc = plain_text(r, t->name, &to->name);
        if (rc == 0)
            rc = plain_text(r, t->space, &to->space);
        to++;
        r->c->n_tools++;
    }
    return rc;
}

/* ---- Which tools ---- */

/* anthropic refuses a history with calls when no tools are given: those are then named, and
 * closed. */
static int name_history(struct reader *r)
{
    struct tool *t;
    int rc = 0;

    for (const struct message *m = r->v.messages; m; m = m->next) {
        for (const struct part *p = m->parts; p; p = p->next) {
            if (p->kind != PART_CALL || names_find(&r->v, p->name, p->space))
                continue;
            t = add_tool(r, &rc);
            if (!t)
                return rc;
            t->name = p->name;
            t->space = p->space;
        }
    }
    if (r->v.tools)
        r->v.choice = CHOICE_NONE;
    return 0;
}

int names_settle(struct reader *r)
{
    struct conv *v = &r->v;
    int rc = 0;

    if (v->allowed.type)
        keep_allowed_tools(v);
    if (!v->tools) {
        v->choice = CHOICE_UNSET;
        v->parallel = -1;
        if (r->c->setup.vendor == AIEX_ANTHROPIC_MESSAGES)
            rc = name_history(r);
    }
    if (v->choice == CHOICE_ONE && !names_find(v, v->choice_name, v->choice_space))
        v->choice = CHOICE_AUTO;
    for (struct tool *t = v->tools; t && rc == 0; t = t->next)
        rc = name_tool(r, t);
    return rc == 0 ? tell_answer(r) : rc;
}

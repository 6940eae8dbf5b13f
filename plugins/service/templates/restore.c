/* restore.c - see restore.h. */
#include "restore.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_ID       64u
#define PAGE_CHANGES 500u

enum change { NONE, ADDED, CHANGED, REMOVED, CONFLICT };
static const char *const change_names[] = {"", "added", "changed", "removed", "conflicts"};

struct told {
    char key[MAX_NAME + MAX_USER + 8], detail[80];
    enum change change;
};

struct restoring {
    char id[MAX_ID + 1];
    int64_t n_events;
    struct table then;
    uint64_t used_ms;
    struct told page[PAGE_CHANGES]; /* of the last restore_decide() */
    uint32_t n;
    int more;
};

void restore_done(struct templates *t)
{
    if (!t->restoring)
        return;
    table_done(&t->restoring->then);
    free(t->restoring);
    t->restoring = NULL;
}

void restore_tick(struct templates *t)
{
    if (t->restoring && t->host->now_ms(t->host) >= t->restoring->used_ms + RESTORE_IDLE_MS)
        restore_done(t);
}

/* ---- What was then ---- */

static int take_event(struct templates *t, struct aiex_slice event)
{
    static const char *const types[] = {"template.put",       "template.imported",
                                        "template.removed",   "template.restored",
                                        "template.withdrawn", NULL};
    struct table *then = &t->restoring->then;
    struct aiex_slice type = {NULL, 0}, data = {NULL, 0};
    const char *const *known = types;

    if (aiex_get_str(event, "type", &type) != 1 || aiex_get_bytes(event, "data", &data) < 0)
        return -EBADMSG;
    while (*known && !aiex_slice_is(type, *known))
        known++;
    if (!*known)
        return aiex_slice_is(type, "stream.restored") ? 0 : -ENOTSUP;
    if (then->n > MAX_TEMPLATES || then->bytes > (size_t)t->config->max_bytes)
        return -ENOSPC;
    return table_take(then, data);
}

static int take_events(struct templates *t, const struct aiex_message *m)
{
    struct aiex_value v;
    int r = 0;

    if (aiex_get(m->body, "events", &v) != 1 || v.type != AIEX_T_ARRAY)
        return -EBADMSG;
    for (uint32_t i = 0; i < v.count && r == 0; i++) {
        struct aiex_slice one = v.bytes;

        if (aiex_r_skip(&v.bytes) != 0)
            return -EBADMSG;
        one.len -= v.bytes.len;
        r = take_event(t, one);
    }
    t->restoring->n_events += v.count;
    return r;
}

static int begin_anew(struct templates *t, const char *id)
{
    restore_done(t);
    t->restoring = calloc(1, sizeof(*t->restoring));
    if (!t->restoring)
        return -ENOMEM;
    snprintf(t->restoring->id, sizeof(t->restoring->id), "%s", id);
    return 0;
}

int restore_from_take(void *self, const struct aiex_message *m)
{
    struct templates *t = self;
    char id[MAX_ID + 1] = "";
    int64_t at = -1;
    int r = 0;

    if (!t->fold)
        return aiex_refuse(t->host, m->id, AIEX_E_INVALID,
                           "templates are kept without a store here; put them again");
    if (aiex_get_text(m->body, "restore", id, sizeof(id)) != 1 || !id[0] ||
        aiex_get_int(m->body, "at", &at) != 1 || at < 0)
        return aiex_refuse(t->host, m->id, AIEX_E_INVALID,
                           "'restore' must be a text of 1 to %u bytes and 'at' a number", MAX_ID);
    if (at == 0)
        r = begin_anew(t, id);
    else if (!t->restoring || strcmp(t->restoring->id, id) != 0 || t->restoring->n_events != at)
        return aiex_refuse(t->host, m->id, AIEX_E_CONFLICT,
                           "the events before %lld are not here; begin anew", (long long)at);
    if (r == 0) {
        t->restoring->used_ms = t->host->now_ms(t->host);
        r = take_events(t, m);
    }
    if (r == 0)
        return aiex_reply_done(t->host, m->id);
    restore_done(t);
    return aiex_refuse(t->host, m->id, r == -ENOMEM ? AIEX_E_BUSY : AIEX_E_INVALID,
                       r == -ENOMEM    ? "no memory for the templates of then"
                       : r == -ENOSPC  ? "the templates of then are more than max_bytes allows"
                       : r == -ENOTSUP ? "an event of then is of a later version of Aiex"
                                       : "an event of then can not be read");
}

/* ---- One page ---- */

struct page {
    struct templates *t;
    struct aiex_decision *d;
    const struct aiex_message *m;
    char checkpoint[MAX_ID + 1];
    int dry, keep_added;
    int64_t skip; /* of those that stay as they are: they were told before */
};

struct event {
    const struct page *page;
    const char *mark; /* restored, withdrawn or removed */
    const struct template *of;
    int64_t number;
    struct aiex_slice record; /* restored: the version of then */
};

static void write_event(struct aiex_writer *w, const void *arg)
{
    static const char *const same[] = {"created", "description", "text", "variables"};
    const struct event *e = arg;
    struct aiex_slice value;
    uint32_t n = 5u + (e->number != 0);

    for (size_t i = 0; e->record.len && i < sizeof(same) / sizeof(same[0]); i++)
        n += aiex_get_whole(e->record, same[i], &value) == 1;
    aiex_w_map(w, n);
    aiex_w_key_str(w, "name", e->of->name);
    aiex_w_key_str(w, "user", e->of->user);
    aiex_w_key_bool(w, e->mark, 1);
    aiex_w_key_str(w, "caller", e->page->m->caller ? e->page->m->caller : "");
    aiex_w_key_str(w, "checkpoint", e->page->checkpoint);
    if (e->number)
        aiex_w_key_int(w, "version", e->number);
    for (size_t i = 0; e->record.len && i < sizeof(same) / sizeof(same[0]); i++)
        if (aiex_get_whole(e->record, same[i], &value) == 1) {
            aiex_w_str(w, same[i]);
            aiex_w_raw(w, value.data, value.len);
        }
}

static int decide(const struct page *p, const struct template *of, const char *mark,
                  const struct version *v)
{
    const int is_restored = strcmp(mark, "restored") == 0;
    const struct event e = {
        .page = p,
        .mark = mark,
        .of = of,
        .number = v ? v->number : 0,
        .record = {v && is_restored ? v->record : NULL, v && is_restored ? v->len : 0}};
    struct aiex_slice whole = {NULL, 0};
    char type[32];
    int r = aiex_write_alloc(write_event, &e, &whole);

    snprintf(type, sizeof(type), "template.%s", mark);
    if (r == 0)
        r = aiex_decide(p->d, type, whole);
    free((void *)(uintptr_t)whole.data);
    return r;
}

static int is_same_text(const struct version *a, const struct version *b)
{
    const struct aiex_slice x = {a->record, a->len}, y = {b->record, b->len};
    struct aiex_slice one = {NULL, 0}, other = {NULL, 0};

    aiex_get_str(x, "text", &one);
    aiex_get_str(y, "text", &other);
    return one.len == other.len && (!one.len || memcmp(one.data, other.data, one.len) == 0);
}

/* A version of another history has its number. */
static int is_clash(const struct template *then, const struct template *now)
{
    for (size_t i = 0; then && now && i < then->n; i++) {
        const struct version *v = table_version(now, then->versions[i]->number);

        if (v && !is_same_text(then->versions[i], v))
            return 1;
    }
    return 0;
}

static int has_same_numbers(const struct template *then, const struct template *now)
{
    if (then->n != now->n)
        return 0;
    for (size_t i = 0; i < then->n; i++)
        if (then->versions[i]->number != now->versions[i]->number)
            return 0;
    return 1;
}

static enum change judge(const struct page *p, const struct template *then,
                         const struct template *now)
{
    const size_t n_then = then ? then->n : 0, n_now = now ? now->n : 0;

    if (is_clash(then, now) || (n_then && !now && p->t->table.n >= MAX_TEMPLATES))
        return CONFLICT;
    if (!n_then)
        return n_now && !p->keep_added ? REMOVED : NONE;
    if (!n_now)
        return ADDED;
    return has_same_numbers(then, now) ? NONE : CHANGED;
}

/* What is missing first: meanwhile there is always a version. */
static int decide_versions(const struct page *p, const struct template *then,
                           const struct template *now)
{
    int r = 0;

    for (size_t i = 0; i < then->n && r == 0; i++)
        if (!now || !table_version(now, then->versions[i]->number))
            r = decide(p, then, "restored", then->versions[i]);
    for (size_t i = 0; now && i < now->n && r == 0; i++)
        if (!table_version(then, now->versions[i]->number))
            r = decide(p, now, "withdrawn", now->versions[i]);
    return r;
}

static int64_t latest(const struct template *e)
{
    return e && e->n ? e->versions[e->n - 1]->number : 0;
}

static void tell(const struct page *p, enum change change, const struct template *then,
                 const struct template *now)
{
    const struct template *e = then ? then : now;
    struct told *told = &p->t->restoring->page[p->t->restoring->n++];

    told->change = change;
    snprintf(told->key, sizeof(told->key), "%s%s%s", e->name, e->user[0] ? " of " : "", e->user);
    if (change == CONFLICT)
        snprintf(told->detail, sizeof(told->detail), "its versions are others here");
    else if (change == ADDED)
        snprintf(told->detail, sizeof(told->detail), "version %lld again", (long long)latest(then));
    else if (change == REMOVED)
        snprintf(told->detail, sizeof(told->detail), "made since");
    else
        snprintf(told->detail, sizeof(told->detail), "version %lld -> that of %lld",
                 (long long)latest(now), (long long)latest(then));
}

/* 1: the page is full. */
static int settle(struct page *p, const struct template *then, const struct template *now)
{
    const enum change change = judge(p, then, now);
    const int stays = p->dry || change == CONFLICT;
    int r = 0;

    if (change == NONE || (stays && p->skip-- > 0))
        return 0;
    if (p->t->restoring->n == PAGE_CHANGES)
        return 1;
    if (!stays)
        r = change == REMOVED ? decide(p, now, "removed", NULL) : decide_versions(p, then, now);
    if (r == -E2BIG)
        return 1;
    if (r == 0)
        tell(p, change, then, now);
    return r;
}

static int order(const struct template *a, const struct template *b)
{
    int r = !a ? 1 : !b ? -1 : strcmp(a->name, b->name);

    return r || !a || !b ? r : strcmp(a->user, b->user);
}

/* Both tables are in the same order. */
static int settle_all(struct page *p)
{
    const struct table *then = &p->t->restoring->then, *now = &p->t->table;
    size_t i = 0, k = 0;
    int r = 0;

    while (r == 0 && (i < then->n || k < now->n)) {
        const struct template *a = i < then->n ? then->all[i] : NULL;
        const struct template *b = k < now->n ? now->all[k] : NULL;
        int which = order(a, b);

        r = settle(p, which <= 0 ? a : NULL, which >= 0 ? b : NULL);
        i += which <= 0;
        k += which >= 0;
    }
    return r;
}

static int read_fields(struct page *p, struct aiex_error *err)
{
    const struct restoring *x = p->t->restoring;
    const struct aiex_slice body = p->m->body;
    char id[MAX_ID + 1] = "";
    int64_t n = -1;

    if (aiex_get_text(body, "restore", id, sizeof(id)) != 1 ||
        aiex_get_int(body, "events", &n) != 1 ||
        aiex_get_text(body, "checkpoint", p->checkpoint, sizeof(p->checkpoint)) < 0 ||
        aiex_get_bool(body, "dry_run", &p->dry) < 0 ||
        aiex_get_bool(body, "keep_added", &p->keep_added) < 0 ||
        aiex_get_int(body, "skip", &p->skip) < 0 || p->skip < 0)
        return aiex_failed(err, -EINVAL,
                           "templates.restore takes restore, checkpoint (texts), events, skip "
                           "(numbers), dry_run and keep_added (bools)");
    if (!x || strcmp(x->id, id) != 0 || x->n_events != n)
        return aiex_failed(err, -EEXIST, "the %lld events of then are not here; begin anew",
                           (long long)n);
    return 0;
}

int restore_decide(struct templates *t, const struct aiex_message *m, struct aiex_decision *d,
                   struct aiex_error *err)
{
    struct page p = {.t = t, .d = d, .m = m};
    int r = read_fields(&p, err);

    if (r < 0)
        return r;
    t->restoring->used_ms = t->host->now_ms(t->host);
    t->restoring->n = 0;
    t->restoring->more = 0;
    r = settle_all(&p);
    t->restoring->more = r == 1;
    return r < 0 ? aiex_failed(err, -EAGAIN, "no memory for the changes") : 0;
}

/* ---- The answer ---- */

static void write_page(struct aiex_writer *w, const void *arg)
{
    const struct restoring *x = arg;

    aiex_w_map(w, 2);
    aiex_w_key_bool(w, "more", x->more);
    aiex_w_str(w, "changes");
    aiex_w_array(w, x->n);
    for (uint32_t i = 0; i < x->n; i++) {
        aiex_w_map(w, 3);
        aiex_w_key_str(w, "key", x->page[i].key);
        aiex_w_key_str(w, "change", change_names[x->page[i].change]);
        aiex_w_key_str(w, "detail", x->page[i].detail);
    }
}

void restore_reply(struct templates *t, uint64_t id)
{
    if (!t->restoring) { /* forgotten while it was stored */
        aiex_refuse(t->host, id, AIEX_E_CONFLICT, "the events of then are not here; begin anew");
        return;
    }
    aiex_reply_by(t->host, id, write_page, t->restoring);
    if (!t->restoring->more)
        restore_done(t);
}

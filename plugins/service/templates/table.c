/* table.c - names, owners and versions in memory. */
#include "templates.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int compare(const struct template *e, const char *name, const char *user)
{
    int r = strcmp(e->name, name);

    return r ? r : strcmp(e->user, user);
}

/* Where it stands, or where it belongs. */
static size_t place_of(const struct table *t, const char *name, const char *user)
{
    size_t low = 0, high = t->n;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (compare(t->all[mid], name, user) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct template *table_find(const struct table *t, const char *name, const char *user)
{
    size_t i = place_of(t, name, user);

    return i < t->n && compare(t->all[i], name, user) == 0 ? t->all[i] : NULL;
}

const struct version *table_version(const struct template *e, int64_t number)
{
    if (number == 0)
        return e->n ? e->versions[e->n - 1] : NULL;
    for (size_t i = 0; i < e->n; i++)
        if (e->versions[i]->number == number)
            return e->versions[i];
    return NULL;
}

struct template *table_make(struct table *t, const char *name, const char *user)
{
    size_t i = place_of(t, name, user);
    struct template *e;

    if (i < t->n && compare(t->all[i], name, user) == 0)
        return t->all[i];
    if (t->n == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 64;
        struct template **all = realloc(t->all, cap * sizeof(*all));

        if (!all)
            return NULL;
        t->all = all;
        t->cap = cap;
    }
    e = calloc(1, sizeof(*e));
    if (!e)
        return NULL;
    snprintf(e->name, sizeof(e->name), "%s", name);
    snprintf(e->user, sizeof(e->user), "%s", user);
    memmove(t->all + i + 1, t->all + i, (t->n - i) * sizeof(*t->all));
    t->all[i] = e;
    t->n++;
    return e;
}

void table_drop(struct table *t, struct template *e)
{
    for (size_t i = 0; i < e->n; i++) {
        t->bytes -= e->versions[i]->len;
        free(e->versions[i]);
    }
    e->n = 0;
}

int table_add(struct table *t, struct template *e, int64_t number, struct aiex_slice record)
{
    struct version *v;
    size_t i;

    if (e->n == e->cap) {
        size_t cap = e->cap ? e->cap * 2 : 4;
        struct version **versions = realloc(e->versions, cap * sizeof(*versions));

        if (!versions)
            return -ENOMEM;
        e->versions = versions;
        e->cap = cap;
    }
    v = malloc(sizeof(*v) + record.len);
    if (!v)
        return -ENOMEM;
    v->number = number;
    v->len = record.len;
    memcpy(v->record, record.data, record.len);
    for (i = e->n++; i > 0 && e->versions[i - 1]->number > number; i--)
        e->versions[i] = e->versions[i - 1];
    e->versions[i] = v;
    e->last = number > e->last ? number : e->last;
    t->bytes += record.len;
    return 0;
}

static void withdraw(struct table *t, struct template *e, int64_t number)
{
    for (size_t i = 0; i < e->n; i++)
        if (e->versions[i]->number == number) {
            t->bytes -= e->versions[i]->len;
            free(e->versions[i]);
            e->n--;
            memmove(e->versions + i, e->versions + i + 1, (e->n - i) * sizeof(*e->versions));
            break;
        }
    e->last = number > e->last ? number : e->last;
}

/* What a restore has changed. */
static int take_restored(struct table *t, struct template *e, struct aiex_slice record,
                         int withdrawn)
{
    int64_t number = 0;

    if (aiex_get_int(record, "version", &number) != 1 || number < 1)
        return -EBADMSG;
    if (withdrawn) {
        withdraw(t, e, number);
        return 0;
    }
    return table_version(e, number) ? 0 : table_add(t, e, number, record);
}

int table_take(struct table *t, struct aiex_slice record)
{
    char name[MAX_NAME + 1], user[MAX_USER + 1];
    int64_t number = 0, last = 0;
    int removed = 0, restored = 0, withdrawn = 0;
    struct template *e;

    if (!aiex_is_map(record) || aiex_get_text(record, "name", name, sizeof(name)) != 1 ||
        aiex_get_text(record, "user", user, sizeof(user)) != 1 ||
        aiex_get_bool(record, "removed", &removed) < 0 || aiex_get_int(record, "last", &last) < 0 ||
        aiex_get_bool(record, "restored", &restored) < 0 ||
        aiex_get_bool(record, "withdrawn", &withdrawn) < 0)
        return -EBADMSG;
    e = table_make(t, name, user);
    if (!e)
        return -ENOMEM;
    if (removed) {
        table_drop(t, e);
        e->last = last > e->last ? last : e->last;
        return 0;
    }
    if (restored || withdrawn)
        return take_restored(t, e, record, withdrawn);
    if (aiex_get_int(record, "version", &number) != 1 || number <= e->last)
        return -EBADMSG;
    return table_add(t, e, number, record);
}

int64_t table_next(const struct table *t, const char *name, const char *user)
{
    const struct template *e = table_find(t, name, user);
    int64_t last = e ? e->last : 0;

    return !last && !user[0] && builtin_find(name) ? 2 : last + 1;
}

void table_done(struct table *t)
{
    for (size_t i = 0; i < t->n; i++) {
        table_drop(t, t->all[i]);
        free(t->all[i]->versions);
        free(t->all[i]);
    }
    free(t->all);
    *t = (struct table){.all = NULL};
}

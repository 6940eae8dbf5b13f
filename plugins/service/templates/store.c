/*
 * store.c - all versions in memory, each put and remove one record of `templates.log`.
 *
 * The log is the truth: a start replays it, and so does every request when a predecessor that is
 * being replaced wrote something meanwhile.
 */
#include "templates.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

static int compare(const struct template *e, const char *name, const char *user)
{
    int r = strcmp(e->name, name);

    return r ? r : strcmp(e->user, user);
}

/* Where it stands, or where it belongs. */
static size_t place_of(const struct templates *t, const char *name, const char *user)
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

struct template *store_find(struct templates *t, const char *name, const char *user)
{
    size_t i = place_of(t, name, user);

    return i < t->n && compare(t->all[i], name, user) == 0 ? t->all[i] : NULL;
}

const struct version *store_version(const struct template *e, int64_t number)
{
    if (number == 0)
        return e->n ? e->versions[e->n - 1] : NULL;
    for (size_t i = 0; i < e->n; i++)
        if (e->versions[i]->number == number)
            return e->versions[i];
    return NULL;
}

static struct template *make(struct templates *t, const char *name, const char *user)
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

static void drop_versions(struct templates *t, struct template *e)
{
    for (size_t i = 0; i < e->n; i++) {
        t->bytes -= e->versions[i]->len;
        free(e->versions[i]);
    }
    e->n = 0;
}

static int add_version(struct templates *t, struct template *e, int64_t number,
                       struct aiex_slice record)
{
    struct version *v;

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
    e->versions[e->n++] = v;
    e->last = number;
    t->bytes += record.len;
    return 0;
}

/* One record of the log. 0, -ENOMEM, -EBADMSG. */
static int replay(struct templates *t, struct aiex_slice record)
{
    char name[MAX_NAME + 1], user[MAX_USER + 1];
    int64_t number = 0;
    int removed = 0;
    struct template *e;

    if (!aiex_is_map(record) || aiex_get_text(record, "name", name, sizeof(name)) != 1 ||
        aiex_get_text(record, "user", user, sizeof(user)) != 1 ||
        aiex_get_bool(record, "removed", &removed) < 0)
        return -EBADMSG;
    e = make(t, name, user);
    if (!e)
        return -ENOMEM;
    if (removed) {
        drop_versions(t, e);
        return 0;
    }
    if (aiex_get_int(record, "version", &number) != 1 || number <= e->last)
        return -EBADMSG;
    return add_version(t, e, number, record);
}

static int see(void *arg, int kind, const struct aiex_rlog_item *item)
{
    struct templates *t = arg;
    int r = kind == AIEX_RLOG_RECORD ? replay(t, item->body) : -EBADMSG;

    if (r != -EBADMSG)
        return r;
    if (kind == AIEX_RLOG_TORN) {
        aiex_logf(t->host, AIEX_LOG_NOTICE, 0,
                  "templates.log: the last %llu bytes at %llu were never finished; cut off",
                  (unsigned long long)item->bytes, (unsigned long long)item->offset);
        return 0;
    }
    t->holes++;
    aiex_logf(t->host, AIEX_LOG_ERROR, 0,
              "templates.log is damaged: %llu bytes at %llu are skipped; put those templates again",
              (unsigned long long)item->bytes, (unsigned long long)item->offset);
    return 0;
}

int store_open(struct templates *t, struct aiex_error *err)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/templates.log", t->host->data_dir);
    return aiex_rlog_open(&t->log, path, 0, see, t, err);
}

void store_close(struct templates *t)
{
    if (t->log.fd > 0)
        aiex_rlog_sync(&t->log);
    aiex_rlog_close(&t->log);
    for (size_t i = 0; i < t->n; i++) {
        drop_versions(t, t->all[i]);
        free(t->all[i]->versions);
        free(t->all[i]);
    }
    free(t->all);
    t->all = NULL;
    t->n = t->cap = 0;
}

void store_refresh(struct templates *t)
{
    int r = aiex_rlog_catch_up(&t->log);

    if (r < 0)
        aiex_logf(t->host, AIEX_LOG_WARN, 0, "templates.log can not be read: %s", strerror(-r));
}

int64_t store_next(struct templates *t, const char *name, const char *user)
{
    const struct template *e = store_find(t, name, user);
    int64_t last = e ? e->last : 0;

    return !last && !user[0] && builtin_find(name) ? 2 : last + 1;
}

static int append(struct templates *t, struct aiex_slice record, struct aiex_error *err)
{
    int r = aiex_rlog_add(&t->log, &record, 1, NULL, NULL);

    if (r < 0)
        return aiex_failed(err, r, "the template can not be written: %s", strerror(-r));
    return 0;
}

int store_put(struct templates *t, const char *name, const char *user, int64_t number,
              struct aiex_slice record, struct aiex_error *err)
{
    const struct template *old = store_find(t, name, user);
    struct template *e;
    int r;

    if (old && old->n >= (size_t)t->config->max_versions)
        return aiex_failed(err, -ENOSPC,
                           "the template '%s' has %zu versions, as many as max_versions allows; "
                           "remove it and put it again",
                           name, old->n);
    if (!old && t->n >= MAX_TEMPLATES)
        return aiex_failed(err, -ENOSPC, "there are %zu templates, as many as there may be", t->n);
    if (t->bytes + record.len > (size_t)t->config->max_bytes)
        return aiex_failed(err, -ENOSPC, "all templates together are larger than max_bytes");
    e = make(t, name, user);
    if (!e)
        return aiex_failed(err, -ENOMEM, "no memory for a template");
    r = append(t, record, err);
    if (r < 0)
        return r;
    r = add_version(t, e, number, record);
    return r < 0 ? aiex_failed(err, r, "no memory; the template is there after a restart") : 0;
}

int store_remove(struct templates *t, const char *name, const char *user, struct aiex_error *err)
{
    struct template *e = store_find(t, name, user);
    uint8_t mem[512];
    struct aiex_writer w;
    int r;

    if (!e || !e->n)
        return aiex_failed(err, -ENOENT, "%s has no template '%s' to remove",
                           user[0] ? user : "the system", name);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 3);
    aiex_w_key_str(&w, "name", name);
    aiex_w_key_str(&w, "user", user);
    aiex_w_key_bool(&w, "removed", 1);
    r = append(t, aiex_written(&w), err);
    if (r == 0)
        drop_versions(t, e);
    return r;
}

/*
 * store.c - the file `templates.log`: each put and remove one record of it.
 *
 * Without a store the log is the truth: a start replays it, and so does every request when a
 * predecessor that is being replaced wrote something meanwhile.
 *
 * With one (stored.h) it is a cache of the stream. A record of an event is wrapped: {at, event,
 * record}, its version and id in the stream; a file that was written anew ends with such a wrapper
 * without a record. A bare record behind them is of a time without a store: then it is not known
 * what the stream has.
 */
#include "templates.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* One record of the log. 0, -ENOMEM, -EBADMSG. */
static int replay(struct templates *t, struct aiex_slice record)
{
    struct aiex_slice inner = {NULL, 0};
    struct position at = {.version = 0};

    if (!aiex_is_map(record))
        return -EBADMSG;
    if (aiex_get_int(record, "at", &at.version) != 1 || at.version < 0 ||
        aiex_get_text(record, "event", at.event, sizeof(at.event)) != 1) {
        t->position.version = 0;
        return table_take(&t->table, record);
    }
    t->position = at;
    t->was_cache = 1;
    return aiex_get_bytes(record, "record", &inner) == 1 ? table_take(&t->table, inner) : 0;
}

static int see(void *arg, int kind, const struct aiex_rlog_item *item)
{
    struct templates *t = arg;
    int r;

    if (t->is_open && t->fold)
        return 0; /* the stream tells */
    r = kind == AIEX_RLOG_RECORD ? replay(t, item->body) : -EBADMSG;
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
              "templates.log is damaged: %llu bytes at %llu are skipped; %s",
              (unsigned long long)item->bytes, (unsigned long long)item->offset,
              stored_is_on(t) ? "they are read from the store" : "put those templates again");
    return 0;
}

static void path_of(const struct templates *t, const char *name, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/%s", t->host->data_dir, name);
}

int store_open(struct templates *t, struct aiex_error *err)
{
    char path[PATH_MAX];
    int r;

    path_of(t, "templates.log", path);
    r = aiex_rlog_open(&t->log, path, 0, see, t, err);
    t->is_open = r == 0;
    if (t->holes)
        t->position.version = 0; /* something of what was before it may be missing */
    return r;
}

void store_close(struct templates *t)
{
    if (t->log.fd > 0)
        aiex_rlog_sync(&t->log);
    aiex_rlog_close(&t->log);
    table_done(&t->table);
}

void store_refresh(struct templates *t)
{
    int r = t->fold ? 0 : aiex_rlog_catch_up(&t->log);

    if (r < 0)
        aiex_logf(t->host, AIEX_LOG_WARN, 0, "templates.log can not be read: %s", strerror(-r));
}

static int append(struct templates *t, struct aiex_slice record, struct aiex_error *err)
{
    int r = aiex_rlog_add(&t->log, &record, 1, NULL, NULL);

    if (r < 0)
        return aiex_failed(err, r, "the template can not be written: %s", strerror(-r));
    return 0;
}

int store_check_put(struct templates *t, const char *name, const char *user, size_t len,
                    struct aiex_error *err)
{
    const struct template *old = table_find(&t->table, name, user);

    if (old && old->n >= (size_t)t->config->max_versions)
        return aiex_failed(err, -ENOSPC,
                           "the template '%s' has %zu versions, as many as max_versions allows; "
                           "remove it and put it again",
                           name, old->n);
    if (!old && t->table.n >= MAX_TEMPLATES)
        return aiex_failed(err, -ENOSPC, "there are %zu templates, as many as there may be",
                           t->table.n);
    if (t->table.bytes + len > (size_t)t->config->max_bytes)
        return aiex_failed(err, -ENOSPC, "all templates together are larger than max_bytes");
    return 0;
}

int store_check_remove(struct templates *t, const char *name, const char *user,
                       struct aiex_error *err)
{
    const struct template *e = table_find(&t->table, name, user);

    if (e && e->n)
        return 0;
    return aiex_failed(err, -ENOENT, "%s has no template '%s' to remove",
                       user[0] ? user : "the system", name);
}

int store_write(struct templates *t, struct aiex_slice record, struct aiex_error *err)
{
    int r = append(t, record, err);

    if (r < 0)
        return r;
    r = table_take(&t->table, record);
    return r < 0 ? aiex_failed(err, r, "no memory; the change is there after a restart") : 0;
}

/* ---- As a cache ---- */

struct wrapped {
    const struct position *at;
    struct aiex_slice record; /* empty = none */
};

static void write_wrapped(struct aiex_writer *w, const void *arg)
{
    const struct wrapped *x = arg;

    aiex_w_map(w, 2u + (x->record.len != 0));
    aiex_w_key_int(w, "at", x->at->version);
    aiex_w_key_str(w, "event", x->at->event);
    if (x->record.len)
        aiex_w_key_bin(w, "record", x->record.data, x->record.len);
}

static int add_wrapped(struct templates *t, struct aiex_rlog *log, struct aiex_slice record)
{
    const struct wrapped x = {&t->position, record};
    struct aiex_slice whole = {NULL, 0};
    int r = aiex_write_alloc(write_wrapped, &x, &whole);

    if (r == 0)
        r = aiex_rlog_add(log, &whole, 1, NULL, NULL);
    free((void *)(uintptr_t)whole.data);
    return r;
}

void store_cache(struct templates *t, struct aiex_slice record)
{
    int r = t->stale ? 0 : add_wrapped(t, &t->log, record);

    if (r == 0)
        return;
    t->stale = 1;
    aiex_logf(t->host, AIEX_LOG_WARN, 0, "templates.log can not be written and will be, anew: %s",
              strerror(-r));
}

/* What is said of a template beside its versions: `mark`, and a number. */
static int add_mark(struct aiex_rlog *log, const struct template *e, const char *mark,
                    const char *number)
{
    struct aiex_slice record;
    struct aiex_writer w;
    uint8_t mem[512];

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 4);
    aiex_w_key_str(&w, "name", e->name);
    aiex_w_key_str(&w, "user", e->user);
    aiex_w_key_bool(&w, mark, 1);
    aiex_w_key_int(&w, number, e->last);
    record = aiex_written(&w);
    return aiex_rlog_add(log, &record, 1, NULL, NULL);
}

static int add_template(struct aiex_rlog *log, const struct template *e)
{
    int r = e->n || !e->last ? 0 : add_mark(log, e, "removed", "last");

    for (size_t i = 0; i < e->n && r == 0; i++) {
        struct aiex_slice record = {e->versions[i]->record, e->versions[i]->len};

        r = aiex_rlog_add(log, &record, 1, NULL, NULL);
    }
    /* the highest number belongs to none of its versions: it is not to be used again */
    if (r == 0 && e->n && e->versions[e->n - 1]->number < e->last)
        r = add_mark(log, e, "withdrawn", "version");
    return r;
}

static int write_whole(struct templates *t, struct aiex_rlog *log, const char *fresh,
                       const char *path, struct aiex_error *err)
{
    int r;

    unlink(fresh);
    r = aiex_rlog_open(log, fresh, 0, see, t, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < t->table.n && r == 0; i++) {
        r = add_template(log, t->table.all[i]);
        if (i % 256 == 0)
            t->host->alive(t->host);
    }
    if (r == 0)
        r = add_wrapped(t, log, (struct aiex_slice){NULL, 0});
    if (r == 0 && rename(fresh, path) < 0)
        r = -errno;
    return r < 0 ? aiex_failed(err, r, "%s", strerror(-r)) : 0;
}

void store_cache_anew(struct templates *t)
{
    char path[PATH_MAX], fresh[PATH_MAX];
    struct aiex_rlog log = {.fd = 0};
    struct aiex_error err = {""};

    path_of(t, "templates.log", path);
    path_of(t, "templates.log.new", fresh);
    if (write_whole(t, &log, fresh, path, &err) == 0) {
        aiex_rlog_close(&t->log);
        t->log = log;
        t->stale = 0;
        t->holes = 0;
        return;
    }
    if (!t->stale)
        aiex_logf(t->host, AIEX_LOG_WARN, 0, "templates.log can not be written anew: %s", err.text);
    t->stale = 1;
    aiex_rlog_close(&log);
    unlink(fresh);
}

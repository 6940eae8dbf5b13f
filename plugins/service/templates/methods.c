/* methods.c - list, show, put, remove, render: what callers say, checked, and what they are told.
 */
#include "restore.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Who and what a request is about. */
struct wanted {
    char name[MAX_NAME + 1], user[MAX_USER + 1], scope[16];
    int64_t version;
};

static int is_name(const char *name)
{
    for (const char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("._-", *p))
            return 0;
    return name[0] != 0;
}

static int read_wanted(struct wanted *q, struct aiex_slice body, struct aiex_error *err)
{
    memset(q, 0, sizeof(*q));
    if (aiex_get_text(body, "name", q->name, sizeof(q->name)) != 1 || !is_name(q->name))
        return aiex_failed(err, -EINVAL,
                           "'name' must be letters, digits, '.', '_', '-', at most %u bytes",
                           MAX_NAME);
    if (aiex_get_text(body, "user", q->user, sizeof(q->user)) < 0)
        return aiex_failed(err, -EINVAL, "'user' must be a text of at most %u bytes", MAX_USER);
    if (aiex_get_int(body, "version", &q->version) < 0 || q->version < 0)
        return aiex_failed(err, -EINVAL, "'version' must be a number above 0, or 0 for the latest");
    if (aiex_get_text(body, "scope", q->scope, sizeof(q->scope)) < 0 ||
        (q->scope[0] && strcmp(q->scope, "system") != 0 && strcmp(q->scope, "user") != 0))
        return aiex_failed(err, -EINVAL, "'scope' must be system or user");
    if (strcmp(q->scope, "user") == 0 && !q->user[0])
        return aiex_failed(err, -EINVAL, "scope user needs 'user', whose template it is");
    return 0;
}

/* Whose template put and remove are about. */
static const char *owner(const struct wanted *q)
{
    return strcmp(q->scope, "system") == 0 ? "" : q->user;
}

/* A version that was found; `mem` is to be freed. */
struct found {
    struct aiex_slice record;
    uint8_t *mem;
};

/* 0 with what is built in, stored for the system, or the user's own; -ENOENT, -ENOMEM. */
static int find(struct templates *t, const struct wanted *q, struct found *ret)
{
    const char *users[2] = {q->user, ""};
    const struct builtin *b;
    int begin = !q->user[0] || strcmp(q->scope, "system") == 0;
    int r;

    memset(ret, 0, sizeof(*ret));
    for (int i = begin; i < (strcmp(q->scope, "user") == 0 ? 1 : 2); i++) {
        const struct template *e = table_find(&t->table, q->name, users[i]);
        const struct version *v = e ? table_version(e, q->version) : NULL;

        if (v) {
            ret->record = (struct aiex_slice){v->record, v->len};
            return 0;
        }
        if (e && e->n && users[i][0]) /* the user's own wins; it lacks this version */
            return -ENOENT;
    }
    b = strcmp(q->scope, "user") != 0 && q->version <= 1 ? builtin_find(q->name) : NULL;
    if (!b)
        return -ENOENT;
    r = aiex_write_alloc(builtin_write, b, &ret->record);
    ret->mem = r == 0 ? (uint8_t *)(uintptr_t)ret->record.data : NULL;
    return r;
}

static int refuse(struct templates *t, const struct aiex_message *m, int r,
                  const struct aiex_error *err)
{
    const char *code = r == -EINVAL   ? AIEX_E_INVALID
                       : r == -ENOENT ? AIEX_E_NOT_FOUND
                       : r == -EACCES ? AIEX_E_DENIED
                       : r == -ENOSPC ? AIEX_E_BUSY
                                      : AIEX_E_INTERNAL;

    return aiex_refuse(t->host, m->id, code, "%s", err->text);
}

static int not_found(struct templates *t, const struct aiex_message *m, const struct wanted *q)
{
    if (q->version)
        return aiex_refuse(t->host, m->id, AIEX_E_NOT_FOUND,
                           "the template '%s' has no version %lld", q->name, (long long)q->version);
    return aiex_refuse(t->host, m->id, AIEX_E_NOT_FOUND, "there is no template '%s'", q->name);
}

/* ---- list ---- */

struct listing {
    struct templates *t;
    const char *user;
    int all;
};

static int is_listed(const struct listing *l, const struct template *e)
{
    return e->n && (l->all || !e->user[0] || strcmp(e->user, l->user) == 0);
}

/* Built in and not covered by the system's own. */
static int is_bare(const struct listing *l, const struct builtin *b)
{
    const struct template *e = table_find(&l->t->table, b->name, "");

    return !e || !e->n;
}

static void write_entry(struct aiex_writer *w, const char *name, const char *user, int64_t version,
                        size_t n, int builtin, struct aiex_slice record)
{
    struct aiex_slice description = {(const uint8_t *)"", 0};
    int64_t created = 0;

    aiex_get_str(record, "description", &description);
    aiex_get_int(record, "created", &created);
    aiex_w_map(w, 8);
    aiex_w_key_str(w, "name", name);
    aiex_w_key_str(w, "scope", user[0] ? "user" : "system");
    aiex_w_key_str(w, "user", user);
    aiex_w_key_int(w, "version", version);
    aiex_w_key_uint(w, "versions", n);
    aiex_w_key_bool(w, "builtin", builtin);
    aiex_w_key_strn(w, "description", (const char *)description.data, description.len);
    aiex_w_key_int(w, "created", created);
}

static void write_list(struct aiex_writer *w, const void *arg)
{
    const struct listing *l = arg;
    uint32_t n = 0;

    for (size_t i = 0; i < l->t->table.n; i++)
        n += (uint32_t)is_listed(l, l->t->table.all[i]);
    for (const struct builtin *b = builtins; b->name; b++)
        n += (uint32_t)is_bare(l, b);
    aiex_w_map(w, 1);
    aiex_w_str(w, "templates");
    aiex_w_array(w, n);
    for (const struct builtin *b = builtins; b->name; b++)
        if (is_bare(l, b)) {
            uint8_t mem[256];
            struct aiex_writer d;

            aiex_writer_init(&d, mem, sizeof(mem));
            aiex_w_map(&d, 1);
            aiex_w_key_str(&d, "description", b->description);
            write_entry(w, b->name, "", 1, 1, 1, aiex_written(&d));
        }
    for (size_t i = 0; i < l->t->table.n; i++) {
        const struct template *e = l->t->table.all[i];
        const struct version *v = table_version(e, 0);

        if (is_listed(l, e))
            write_entry(w, e->name, e->user, v->number, e->n, 0,
                        (struct aiex_slice){v->record, v->len});
    }
}

int list_take(void *self, const struct aiex_message *m)
{
    struct templates *t = self;
    char user[MAX_USER + 1] = "";
    struct listing l = {t, user, 0};

    if (aiex_get_text(m->body, "user", user, sizeof(user)) < 0 ||
        aiex_get_bool(m->body, "all", &l.all) < 0)
        return aiex_refuse(t->host, m->id, AIEX_E_INVALID,
                           "templates.list takes user (a text of at most %u bytes) and all (bool)",
                           MAX_USER);
    store_refresh(t);
    return aiex_reply_by(t->host, m->id, write_list, &l);
}

/* ---- show ---- */

int show_take(void *self, const struct aiex_message *m)
{
    struct templates *t = self;
    struct aiex_error err = {""};
    struct wanted q;
    struct found f;
    int r = read_wanted(&q, m->body, &err);

    if (r < 0)
        return refuse(t, m, r, &err);
    store_refresh(t);
    r = find(t, &q, &f);
    if (r == -ENOENT)
        return not_found(t, m, &q);
    if (r == 0 && m->id)
        t->host->reply(t->host, m->id, f.record);
    free(f.mem);
    return r;
}

/* ---- put ---- */

/* Without declarations each name that the text uses is a required text. */
static int gather(void *vars, const char *name, struct aiex_slice *ret_text, int *ret_true)
{
    return variables_find(vars, name) || variables_add(vars, name) == 0;
}

static int check_text(struct aiex_slice text, struct variables *vars, int declared,
                      struct aiex_error *err)
{
    struct syntax_error e = {0};
    int r = syntax_run(text, declared ? variables_value : gather, vars, NULL, &e);

    if (r == -EINVAL)
        return aiex_failed(err, r, "line %zu, column %zu: %s", e.line, e.column, e.text);
    return r;
}

struct record {
    const struct wanted *q;
    int64_t number, created;
    struct aiex_slice text, description, variables; /* variables: whole value, or empty */
    const struct variables *gathered;
    const char *caller; /* NULL = not said */
};

static void write_record(struct aiex_writer *w, const void *arg)
{
    const struct record *r = arg;

    aiex_w_map(w, 7u + (r->caller != NULL));
    if (r->caller)
        aiex_w_key_str(w, "caller", r->caller);
    aiex_w_key_str(w, "name", r->q->name);
    aiex_w_key_str(w, "user", owner(r->q));
    aiex_w_key_int(w, "version", r->number);
    aiex_w_key_int(w, "created", r->created);
    aiex_w_key_strn(w, "description", (const char *)r->description.data, r->description.len);
    aiex_w_key_strn(w, "text", (const char *)r->text.data, r->text.len);
    aiex_w_str(w, "variables");
    if (r->variables.len) {
        aiex_w_raw(w, r->variables.data, r->variables.len);
        return;
    }
    aiex_w_array(w, r->gathered->n);
    for (unsigned i = 0; i < r->gathered->n; i++) {
        aiex_w_map(w, 3);
        aiex_w_key_str(w, "name", r->gathered->v[i].name);
        aiex_w_key_str(w, "type", "string");
        aiex_w_key_bool(w, "required", 1);
    }
}

static int read_record(struct record *rec, struct variables *vars, struct aiex_slice body,
                       struct aiex_error *err)
{
    struct aiex_value v;
    int declared, r;

    rec->description = (struct aiex_slice){(const uint8_t *)"", 0};
    if (aiex_get_str(body, "text", &rec->text) != 1 || !rec->text.len || rec->text.len > MAX_TEXT)
        return aiex_failed(err, -EINVAL, "'text' must be a text of 1 byte to 256 KiB");
    if (aiex_get_str(body, "description", &rec->description) < 0 || rec->description.len > 500)
        return aiex_failed(err, -EINVAL, "'description' must be a text of at most 500 bytes");
    if (aiex_get_whole(body, "variables", &rec->variables) == 1 &&
        aiex_get(body, "variables", &v) == 1 && v.type == AIEX_T_NIL)
        rec->variables.len = 0;
    declared = rec->variables.len != 0;
    if (rec->variables.len > MAX_TEXT)
        return aiex_failed(err, -EINVAL, "'variables' are more than 256 KiB");
    r = variables_read(vars, rec->variables, err);
    return r < 0 ? r : check_text(rec->text, vars, declared, err);
}

/* ---- Changes ---- */

static int make_put(struct templates *t, const struct aiex_message *m, struct aiex_slice *ret,
                    int64_t *ret_number, struct aiex_error *err)
{
    struct variables *vars = calloc(1, sizeof(*vars));
    struct wanted q;
    struct record rec = {.q = &q,
                         .gathered = vars,
                         .created = (int64_t)time(NULL) * 1000,
                         .caller = stored_is_on(t) ? m->caller : NULL};
    int r = vars ? read_wanted(&q, m->body, err) : aiex_failed(err, -ENOMEM, "no memory");

    if (r == 0)
        r = read_record(&rec, vars, m->body, err);
    if (r == 0) {
        rec.number = *ret_number = table_next(&t->table, q.name, owner(&q));
        r = aiex_write_alloc(write_record, &rec, ret);
    }
    free(vars);
    return r == 0 ? store_check_put(t, q.name, owner(&q), ret->len, err) : r;
}

struct removal {
    const struct wanted *q;
    const char *caller;
};

static void write_removal(struct aiex_writer *w, const void *arg)
{
    const struct removal *r = arg;

    aiex_w_map(w, 3u + (r->caller != NULL));
    aiex_w_key_str(w, "name", r->q->name);
    aiex_w_key_str(w, "user", owner(r->q));
    aiex_w_key_bool(w, "removed", 1);
    if (r->caller)
        aiex_w_key_str(w, "caller", r->caller);
}

static int make_removal(struct templates *t, const struct aiex_message *m, struct aiex_slice *ret,
                        struct aiex_error *err)
{
    struct wanted q;
    const struct removal removal = {&q, stored_is_on(t) ? m->caller : NULL};
    const struct template *e;
    int r = read_wanted(&q, m->body, err);

    if (r < 0)
        return r;
    e = table_find(&t->table, q.name, owner(&q));
    if ((!e || !e->n) && !owner(&q)[0] && builtin_find(q.name))
        return aiex_failed(err, -EACCES,
                           "the template '%s' comes with Aiex and can not be removed; put one of "
                           "that name to replace it",
                           q.name);
    r = store_check_remove(t, q.name, owner(&q), err);
    return r < 0 ? r : aiex_write_alloc(write_removal, &removal, ret);
}

int method_record(struct templates *t, const struct aiex_message *m, struct aiex_slice *ret_record,
                  int64_t *ret_number, struct aiex_error *err)
{
    int r = strcmp(m->method, "templates.put") == 0 ? make_put(t, m, ret_record, ret_number, err)
                                                    : make_removal(t, m, ret_record, err);

    if (r < 0) {
        free((void *)(uintptr_t)ret_record->data);
        *ret_record = (struct aiex_slice){NULL, 0};
    }
    return r;
}

static void write_version(struct aiex_writer *w, const void *arg)
{
    aiex_w_map(w, 1);
    aiex_w_key_int(w, "version", *(const int64_t *)arg);
}

int method_reply(struct templates *t, uint64_t id, int is_put, int64_t number)
{
    return is_put ? aiex_reply_by(t->host, id, write_version, &number)
                  : aiex_reply_done(t->host, id);
}

int change_take(void *self, const struct aiex_message *m)
{
    struct templates *t = self;
    struct aiex_error err = {""};
    struct aiex_slice record = {NULL, 0};
    int64_t number = 0;
    int r;

    if (t->fold)
        return kept_add(t, m, NULL);
    if (strcmp(m->method, RESTORE_METHOD) == 0)
        return restore_from_take(self, m); /* which says why not */
    store_refresh(t);
    r = method_record(t, m, &record, &number, &err);
    if (r == 0)
        r = store_write(t, record, &err);
    free((void *)(uintptr_t)record.data);
    if (r < 0)
        return refuse(t, m, r, &err);
    return method_reply(t, m->id, strcmp(m->method, "templates.put") == 0, number);
}

/* ---- render ---- */

/* A refusal with the place in its body, so that editors can show it. */
static int refuse_render(struct templates *t, const struct aiex_message *m, const char *text,
                         const char *variable, size_t line, size_t column)
{
    uint8_t mem[256];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 3);
    aiex_w_key_str(&w, "variable", variable);
    aiex_w_key_uint(&w, "line", line);
    aiex_w_key_uint(&w, "column", column);
    if (m->id)
        t->host->fail(t->host, m->id, AIEX_E_INVALID, text, 0, aiex_written(&w));
    return 0;
}

struct place {
    const char *name;
    struct variables *vars;
    int found;
};

/* Knows all names until the one that is looked for. */
static int until_name(void *arg, const char *name, struct aiex_slice *ret_text, int *ret_true)
{
    struct place *p = arg;

    return strcmp(name, p->name) != 0;
}

/* Where a variable is used first, for messages; 0 when it is not. */
static void first_use(struct aiex_slice text, const char *name, size_t *ret_line,
                      size_t *ret_column)
{
    struct syntax_error e = {0};
    struct place p = {.name = name};

    *ret_line = *ret_column = 0;
    if (name[0] && syntax_run(text, until_name, &p, NULL, &e) == -EINVAL) {
        *ret_line = e.line;
        *ret_column = e.column;
    }
}

struct rendered {
    struct syntax_output out;
    int64_t version;
};

static void write_rendered(struct aiex_writer *w, const void *arg)
{
    const struct rendered *r = arg;

    aiex_w_map(w, 2);
    aiex_w_key_strn(w, "text", r->out.data ? r->out.data : "", r->out.len);
    aiex_w_key_int(w, "version", r->version);
}

static int render(struct templates *t, const struct aiex_message *m, struct aiex_slice record,
                  struct variables *vars, struct rendered *ret)
{
    struct aiex_slice text = {NULL, 0}, declared = {NULL, 0}, values = {NULL, 0};
    struct syntax_error e = {0};
    struct aiex_error err = {""};
    char name[MAX_VARIABLE + 1] = "", why[400];
    size_t line, column;
    int r;

    aiex_get_str(record, "text", &text);
    aiex_get_int(record, "version", &ret->version);
    aiex_get_whole(record, "variables", &declared);
    aiex_get_whole(m->body, "values", &values);
    if (values.len == 1 && *values.data == 0xc0) /* nil */
        values.len = 0;
    r = variables_read(vars, declared, &err);
    if (r == 0)
        r = variables_bind(vars, values, name, &err);
    if (r < 0) {
        first_use(text, name, &line, &column);
        snprintf(why, sizeof(why), line ? "%s (used at line %zu, column %zu)" : "%s", err.text,
                 line, column);
        return refuse_render(t, m, why, name, line, column);
    }
    r = syntax_run(text, variables_value, vars, &ret->out, &e);
    if (r == -EMSGSIZE)
        return aiex_refuse(t->host, m->id, AIEX_E_INVALID,
                           "the rendered text is larger than 1 MiB");
    if (r == -EINVAL) {
        snprintf(why, sizeof(why), "line %zu, column %zu: %s", e.line, e.column, e.text);
        return refuse_render(t, m, why, e.name, e.line, e.column);
    }
    return r < 0 ? r : aiex_reply_by(t->host, m->id, write_rendered, ret);
}

int render_take(void *self, const struct aiex_message *m)
{
    struct templates *t = self;
    struct aiex_error err = {""};
    struct rendered out = {.version = 0};
    struct variables *vars;
    struct wanted q;
    struct found f;
    int r = read_wanted(&q, m->body, &err);

    if (r < 0)
        return refuse(t, m, r, &err);
    store_refresh(t);
    r = find(t, &q, &f);
    if (r == -ENOENT)
        return not_found(t, m, &q);
    vars = calloc(1, sizeof(*vars));
    r = r < 0 || !vars ? -ENOMEM : render(t, m, f.record, vars, &out);
    free(out.out.data);
    free(vars);
    free(f.mem);
    return r;
}

int health_take(void *self, const struct aiex_message *m)
{
    struct templates *t = self;
    const char *reason = "templates are there";
    int healthy = 1;

    if (stored_trouble(t)[0]) {
        healthy = stored_knows(t);
        reason = stored_trouble(t);
    } else if (t->holes && !t->fold) {
        reason = "templates.log was damaged; see the log";
    }
    return aiex_reply_health(t->host, m->id, healthy, reason);
}

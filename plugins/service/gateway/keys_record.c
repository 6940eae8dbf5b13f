/* keys_record.c - keys and limits as msgpack maps: what people send and what the journal holds. */
#include "keys.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *const role_names[N_ROLES] = {"admin", "user", "viewer"};
const char *const scope_names[N_SCOPES] = {"key", "user", "team", "project"};
const char *const permission_names[N_PERMISSIONS] = {"chat", "models", "usage", "admin"};

int role_may(enum role role, enum permission permission)
{
    static const uint8_t may[N_ROLES][N_PERMISSIONS] = {
        /*               chat models usage admin */
        [ROLE_ADMIN] = {1, 1, 1, 1},
        [ROLE_USER] = {1, 1, 1, 0},
        [ROLE_VIEWER] = {0, 1, 1, 0},
    };

    return may[role][permission];
}

int name_index(const char *const *names, size_t n, struct aiex_slice name)
{
    for (size_t i = 0; i < n; i++)
        if (aiex_slice_is(name, names[i]))
            return (int)i;
    return -1;
}

/* ---- Limits ---- */

static const struct {
    const char *name;
    size_t offset;
    int64_t max;
    const char *wrong;
} limit_fields[LIMIT_FIELDS] = {
    {"rpm", offsetof(struct limits, rpm), MAX_LIMIT, "'rpm' is not a number from 0 to 1000000000"},
    {"tpm", offsetof(struct limits, tpm), MAX_LIMIT, "'tpm' is not a number from 0 to 1000000000"},
    {"concurrency", offsetof(struct limits, concurrency), MAX_LIMIT,
     "'concurrency' is not a number from 0 to 1000000000"},
    {"budget_day", offsetof(struct limits, budget_day), MAX_BUDGET,
     "'budget_day' is not a number of micro-dollars from 0 to 1000000000000000"},
    {"budget_month", offsetof(struct limits, budget_month), MAX_BUDGET,
     "'budget_month' is not a number of micro-dollars from 0 to 1000000000000000"},
    {"soft_percent", offsetof(struct limits, soft_percent), 100,
     "'soft_percent' is not a number from 0 to 100"},
};

const char *limits_read(struct aiex_slice body, struct limits *l)
{
    for (size_t i = 0; i < LIMIT_FIELDS; i++) {
        int64_t v = 0;
        int r = aiex_get_int(body, limit_fields[i].name, &v);

        if (r < 0 || v < 0 || v > limit_fields[i].max)
            return limit_fields[i].wrong;
        if (r == 1)
            *(int64_t *)(void *)((char *)l + limit_fields[i].offset) = v;
    }
    return NULL;
}

void limits_write(struct aiex_writer *w, const struct limits *l)
{
    for (size_t i = 0; i < LIMIT_FIELDS; i++)
        aiex_w_key_int(w, limit_fields[i].name,
                       *(const int64_t *)(const void *)((const char *)l + limit_fields[i].offset));
}

void limits_differ(const struct limits *now, const struct limits *then, char *out, size_t size)
{
    size_t n = 0;

    out[0] = 0;
    for (size_t i = 0; i < LIMIT_FIELDS && n < size; i++) {
        const size_t at = limit_fields[i].offset;
        const int64_t a = *(const int64_t *)(const void *)((const char *)now + at);
        const int64_t b = *(const int64_t *)(const void *)((const char *)then + at);

        if (a != b)
            n += (size_t)snprintf(out + n, size - n, "%s%s %lld -> %lld", n ? ", " : "",
                                  limit_fields[i].name, (long long)a, (long long)b);
    }
}

/* ---- What people may set ---- */

/* Printable, or at least no control characters: labels go into logs and metrics. */
static int label_is_bad(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 127)
            return 1;
    return 0;
}

static const char *read_label(struct aiex_slice body, const char *key, char out[MAX_LABEL + 1])
{
    char text[MAX_LABEL + 1];
    int r = aiex_get_text(body, key, text, sizeof(text));

    if (r < 0 || (r == 1 && label_is_bad(text)))
        return "'name', 'user', 'team' and 'project' are texts of at most 63 bytes without control "
               "characters";
    if (r == 1)
        memcpy(out, text, sizeof(text));
    return NULL;
}

static const char *read_models(struct aiex_slice body, struct key_record *r)
{
    static const char wrong[] = "'models' is not an array of patterns, 4096 bytes in all at most";
    struct aiex_value list, item;
    int found = aiex_get(body, "models", &list);
    int64_t len = 0;
    struct aiex_slice at;

    if (found == 0 || (found == 1 && list.type == AIEX_T_NIL))
        return NULL;
    if (found < 0 || list.type != AIEX_T_ARRAY)
        return wrong;
    at = list.bytes;
    for (uint32_t i = 0; i < list.count; i++) {
        if (aiex_r_value(&at, &item) != 0 || item.type != AIEX_T_STR || item.bytes.len == 0 ||
            memchr(item.bytes.data, 0, item.bytes.len) ||
            item.bytes.len >= MAX_PATTERNS - (size_t)len)
            return wrong;
        memcpy(r->models + len, item.bytes.data, item.bytes.len);
        len += (int64_t)item.bytes.len;
        r->models[len++] = 0;
    }
    r->models_len = len;
    return NULL;
}

const char *key_record_read(struct aiex_slice body, struct key_record *r)
{
    struct aiex_slice role = {NULL, 0};
    const char *wrong = read_label(body, "name", r->name);
    int found, index;

    for (int s = SCOPE_USER; s < N_SCOPES && !wrong; s++)
        wrong = read_label(body, scope_names[s], r->label[s]);
    if (!wrong)
        wrong = limits_read(body, &r->limits);
    if (!wrong)
        wrong = read_models(body, r);
    if (wrong)
        return wrong;
    found = aiex_get_str(body, "role", &role);
    index = found == 1 ? name_index(role_names, N_ROLES, role) : (int)r->role;
    if (found < 0 || index < 0)
        return "'role' is not one of admin, user, viewer";
    r->role = index;
    if (aiex_get_int(body, "expires", &r->expires) < 0 || r->expires < 0)
        return "'expires' is not a time in milliseconds since 1970, or 0 for never";
    return NULL;
}

/* ---- The journal's form ---- */

static void write_models(struct aiex_writer *w, const struct key_record *r)
{
    uint32_t n = 0;

    for (int64_t i = 0; i < r->models_len; i++)
        n += r->models[i] == 0;
    aiex_w_str(w, "models");
    aiex_w_array(w, n);
    for (int64_t at = 0; at < r->models_len; at += (int64_t)strlen(r->models + at) + 1)
        aiex_w_str(w, r->models + at);
}

/* An event has a type without saying so. */
static uint32_t note_fields(const struct record_note *note)
{
    return note && note->by ? 2 : note && note->at ? 3 : 1;
}

static void note_write(struct aiex_writer *w, const char *type, const struct record_note *note)
{
    if (note && note->by) {
        aiex_w_key_str(w, "by", note->by);
        aiex_w_key_str(w, "caller", note->caller);
        return;
    }
    aiex_w_key_str(w, "type", type);
    if (note && note->at) {
        aiex_w_key_int(w, "at", note->at);
        aiex_w_key_str(w, "event", note->event);
    }
}

struct aiex_slice limits_record_pack(enum scope scope, struct aiex_slice name,
                                     const struct limits *limits, const struct record_note *note,
                                     void *mem, size_t size)
{
    struct aiex_writer w;

    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, note_fields(note) + 2 + LIMIT_FIELDS);
    note_write(&w, "limits", note);
    aiex_w_key_str(&w, "scope", scope_names[scope]);
    aiex_w_key_strn(&w, "name", (const char *)name.data, name.len);
    limits_write(&w, limits);
    return aiex_written(&w);
}

int limits_record_unpack(struct aiex_slice record, enum scope *ret_scope,
                         struct aiex_slice *ret_name, struct limits *ret)
{
    struct aiex_slice scope = {NULL, 0};
    int s;

    memset(ret, 0, sizeof(*ret));
    if (aiex_get_str(record, "scope", &scope) != 1 || aiex_get_str(record, "name", ret_name) != 1 ||
        ret_name->len == 0 || ret_name->len > MAX_LABEL || limits_read(record, ret))
        return -EINVAL;
    s = name_index(scope_names, N_SCOPES, scope);
    if (s <= SCOPE_KEY)
        return -EINVAL;
    *ret_scope = (enum scope)s;
    return 0;
}

struct aiex_slice key_record_pack(const struct key_record *r, const struct record_note *note,
                                  void *mem, size_t size)
{
    struct aiex_writer w;

    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, note_fields(note) + 13 + LIMIT_FIELDS + (r->old_until != 0));
    note_write(&w, "key", note);
    aiex_w_key_str(&w, "id", r->id);
    aiex_w_key_str(&w, "prefix", r->prefix);
    aiex_w_key_str(&w, "name", r->name);
    for (int s = SCOPE_USER; s < N_SCOPES; s++)
        aiex_w_key_str(&w, scope_names[s], r->label[s]);
    aiex_w_key_str(&w, "role", role_names[r->role]);
    limits_write(&w, &r->limits);
    write_models(&w, r);
    aiex_w_key_int(&w, "created", r->created);
    aiex_w_key_int(&w, "expires", r->expires);
    aiex_w_key_int(&w, "revoked", r->revoked);
    aiex_w_key_int(&w, "old_until", r->old_until);
    aiex_w_key_bin(&w, "hash", r->hash, SECRET_HASH);
    if (r->old_until)
        aiex_w_key_bin(&w, "old_hash", r->old_hash, SECRET_HASH);
    return aiex_written(&w);
}

static int read_hash(struct aiex_slice record, const char *key, uint8_t out[SECRET_HASH])
{
    struct aiex_slice s = {NULL, 0};

    if (aiex_get_bytes(record, key, &s) != 1 || s.len != SECRET_HASH)
        return -EINVAL;
    memcpy(out, s.data, SECRET_HASH);
    return 0;
}

int key_record_unpack(struct aiex_slice record, struct key_record *r)
{
    memset(r, 0, sizeof(*r));
    if (aiex_get_text(record, "id", r->id, sizeof(r->id)) != 1 || strlen(r->id) != KEY_ID ||
        aiex_get_text(record, "prefix", r->prefix, sizeof(r->prefix)) != 1 ||
        key_record_read(record, r) || aiex_get_int(record, "created", &r->created) != 1 ||
        aiex_get_int(record, "revoked", &r->revoked) != 1 ||
        aiex_get_int(record, "old_until", &r->old_until) != 1 ||
        read_hash(record, "hash", r->hash) != 0)
        return -EINVAL;
    return r->old_until ? read_hash(record, "old_hash", r->old_hash) : 0;
}

/*
 * message_check.c - hostile bytes against a table; fills the struct on the way.
 *
 * One walk over the map: every key is looked up in the table, its value is measured,
 * compared with type and limit, and stored. Nested maps are checked with their own table;
 * a reason names the field by its path: "field 'models[3].id' is required".
 */
#include <aiex/aiex_message.h>

#include "message_error.h"

#define MAX_NESTED 8 /* tables within tables; the published kinds need 2 */
#define PATH_BYTES 128

struct check {
    struct aiex_error *err;
    unsigned depth;
    char path[PATH_BYTES]; /* what stands before a field's name: "models[3]." */
};

static const char *const type_names[] = {"nil", "bool", "int",   "uint", "real",
                                         "str", "bin",  "array", "map",  "ext"};

static int check_map(struct check *c, const struct aiex_message_table *t, struct aiex_slice body,
                     void *msg);

static const char *wanted_name(uint32_t field_type)
{
    static const char *const names[] = {"",      "int",          "uint",         "bool",
                                        "real",  "str",          "bin",          "map",
                                        "array", "array of str", "array of map", "any"};

    return names[field_type <= AIEX_F_ANY ? field_type : 0];
}

static int wrong_type(struct check *c, const struct aiex_field *f, const struct aiex_value *v)
{
    return message_error(c->err, "field '%s%s' is %s, expected %s", c->path, f->name,
                         type_names[v->type], wanted_name(f->type));
}

static int is_type(const struct aiex_field *f, const struct aiex_value *v)
{
    switch (f->type) {
    case AIEX_F_INT:
        return v->type == AIEX_T_INT;
    case AIEX_F_UINT:
        return v->type == AIEX_T_UINT || (v->type == AIEX_T_INT && v->i >= 0);
    case AIEX_F_BOOL:
        return v->type == AIEX_T_BOOL;
    case AIEX_F_REAL:
        return v->type == AIEX_T_REAL || v->type == AIEX_T_INT || v->type == AIEX_T_UINT;
    case AIEX_F_STR:
        return v->type == AIEX_T_STR;
    case AIEX_F_BIN:
        return v->type == AIEX_T_BIN || v->type == AIEX_T_STR;
    case AIEX_F_MAP:
        return v->type == AIEX_T_MAP;
    case AIEX_F_ARRAY:
    case AIEX_F_STRS:
    case AIEX_F_MAPS:
        return v->type == AIEX_T_ARRAY;
    default:
        return 1;
    }
}

static int check_number(struct check *c, const struct aiex_field *f, const struct aiex_value *v)
{
    if (f->type == AIEX_F_INT) {
        if (v->i == AIEX_ABSENT_INT || ((f->min || f->max) && v->i < f->min))
            return message_error(c->err, "field '%s%s' is %lld, the least is %lld", c->path,
                                 f->name, (long long)v->i, (long long)f->min);
        if (f->max && v->i > 0 && (uint64_t)v->i > f->max)
            return message_error(c->err, "field '%s%s' is %lld, the limit is %llu", c->path,
                                 f->name, (long long)v->i, (unsigned long long)f->max);
    } else if (f->type == AIEX_F_UINT) {
        uint64_t max = f->max ? f->max : UINT64_MAX - 1;

        if (v->u > max)
            return message_error(c->err, "field '%s%s' is %llu, the limit is %llu", c->path,
                                 f->name, (unsigned long long)v->u, (unsigned long long)max);
    }
    return 0;
}

static int check_length(struct check *c, const struct aiex_field *f, const struct aiex_value *v,
                        size_t whole_bytes)
{
    int by_items = v->type == AIEX_T_ARRAY && f->type != AIEX_F_ANY;
    size_t n = whole_bytes;

    if (by_items)
        n = v->count;
    else if (f->type == AIEX_F_STR || f->type == AIEX_F_BIN)
        n = v->bytes.len;
    if (!f->max || n <= f->max)
        return 0;
    return message_error(c->err, "field '%s%s' has %zu %s, the limit is %llu", c->path, f->name, n,
                         by_items ? "items" : "bytes", (unsigned long long)f->max);
}

static int check_strs(struct check *c, const struct aiex_field *f, struct aiex_slice items,
                      uint32_t n)
{
    struct aiex_value v;

    for (uint32_t i = 0; i < n; i++) {
        if (aiex_r_value(&items, &v) != 0)
            return message_error(c->err, "field '%s%s' ends early", c->path, f->name);
        if (v.type != AIEX_T_STR)
            return message_error(c->err, "field '%s%s[%u]' is %s, expected str", c->path, f->name,
                                 i, type_names[v.type]);
    }
    return 0;
}

/* One nested map; `index` < 0 for a MAP field. */
static int check_nested(struct check *c, const struct aiex_field *f, struct aiex_slice map,
                        long index)
{
    struct check below = {.err = c->err, .depth = c->depth + 1};

    if (below.depth > MAX_NESTED)
        return message_error(c->err, "field '%s%s' is nested too deep", c->path, f->name);
    if (index < 0)
        snprintf(below.path, sizeof(below.path), "%.60s%.60s.", c->path, f->name);
    else
        snprintf(below.path, sizeof(below.path), "%.50s%.50s[%ld].", c->path, f->name, index);
    return check_map(&below, f->sub, map, NULL);
}

static int check_maps(struct check *c, const struct aiex_field *f, struct aiex_slice items,
                      uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct aiex_slice start = items, head = items, one;
        struct aiex_value v;
        int r;

        if (aiex_r_value(&head, &v) != 0 || aiex_r_skip(&items) != 0)
            return message_error(c->err, "field '%s%s' ends early", c->path, f->name);
        if (v.type != AIEX_T_MAP)
            return message_error(c->err, "field '%s%s[%u]' is %s, expected map", c->path, f->name,
                                 i, type_names[v.type]);
        one = (struct aiex_slice){start.data, start.len - items.len};
        r = f->sub ? check_nested(c, f, one, (long)i) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

static void store(const struct aiex_field *f, const struct aiex_value *v, struct aiex_slice whole,
                  void *at)
{
    switch (f->type) {
    case AIEX_F_INT:
        *(int64_t *)at = v->i;
        break;
    case AIEX_F_UINT:
        *(uint64_t *)at = v->u;
        break;
    case AIEX_F_BOOL:
        *(int *)at = (int)v->i;
        break;
    case AIEX_F_REAL:
        *(double *)at = v->type == AIEX_T_REAL   ? v->real
                        : v->type == AIEX_T_UINT ? (double)v->u
                                                 : (double)v->i;
        break;
    case AIEX_F_STR:
    case AIEX_F_BIN:
        *(struct aiex_slice *)at = v->bytes;
        break;
    default:
        *(struct aiex_slice *)at = whole;
        break;
    }
}

static int check_value(struct check *c, const struct aiex_field *f, const struct aiex_value *v,
                       struct aiex_slice whole)
{
    int r;

    if (!is_type(f, v))
        return wrong_type(c, f, v);
    if (f->type == AIEX_F_INT || f->type == AIEX_F_UINT)
        return check_number(c, f, v);
    if (f->type == AIEX_F_BOOL || f->type == AIEX_F_REAL)
        return 0;
    r = check_length(c, f, v, whole.len);
    if (r < 0)
        return r;
    if (f->type == AIEX_F_STRS)
        return check_strs(c, f, v->bytes, v->count);
    if (f->type == AIEX_F_MAPS)
        return check_maps(c, f, v->bytes, v->count);
    if (f->type == AIEX_F_MAP && f->sub)
        return check_nested(c, f, whole, -1);
    return 0;
}

static const struct aiex_field *find_field(const struct aiex_message_table *t,
                                           struct aiex_slice key, size_t *ret_index)
{
    for (size_t i = 0; i < t->n_fields; i++) {
        if (aiex_slice_is(key, t->fields[i].name)) {
            *ret_index = i;
            return &t->fields[i];
        }
    }
    return NULL;
}

/* One pair; sets the field's bit in *seen. A nil value is an absent field. */
static int check_pair(struct check *c, const struct aiex_message_table *t, struct aiex_slice *at,
                      void *msg, uint64_t *seen)
{
    const struct aiex_field *f;
    struct aiex_value key, v;
    struct aiex_slice start, head;
    size_t i = 0;
    int r;

    if (aiex_r_value(at, &key) != 0)
        return message_error(c->err, "the message is not well-formed msgpack");
    if (key.type != AIEX_T_STR)
        return message_error(c->err, "a key in '%s%s' is %s, expected str", c->path, t->name,
                             type_names[key.type]);
    start = head = *at;
    if (aiex_r_skip(at) != 0 || aiex_r_value(&head, &v) != 0)
        return message_error(c->err, "the message is not well-formed msgpack");
    f = find_field(t, key.bytes, &i);
    if (!f)
        return 0;
    if (*seen & (1ull << i))
        return message_error(c->err, "field '%s%s' is there twice", c->path, f->name);
    if (v.type == AIEX_T_NIL && f->type != AIEX_F_ANY)
        return 0;
    *seen |= 1ull << i;
    start.len -= at->len;
    r = check_value(c, f, &v, start);
    if (r < 0)
        return r;
    if (msg)
        store(f, &v, start, (char *)msg + f->offset);
    return 0;
}

static int check_map(struct check *c, const struct aiex_message_table *t, struct aiex_slice body,
                     void *msg)
{
    struct aiex_value map = {.type = AIEX_T_MAP};
    uint64_t seen = 0;

    if (body.len && aiex_r_value(&body, &map) != 0)
        return message_error(c->err, "the message is not well-formed msgpack");
    if (map.type != AIEX_T_MAP)
        return message_error(c->err, "the message is %s, expected map", type_names[map.type]);
    for (uint32_t i = 0; i < map.count; i++) {
        int r = check_pair(c, t, &body, msg, &seen);

        if (r < 0)
            return r;
    }
    if (body.len)
        return message_error(c->err, "%zu bytes follow the message", body.len);
    for (size_t i = 0; i < t->n_fields; i++) {
        if ((t->fields[i].flags & AIEX_F_REQUIRED) && !(seen & (1ull << i)))
            return message_error(c->err, "field '%s%s' is required", c->path, t->fields[i].name);
    }
    return 0;
}

int aiex_message_check(const struct aiex_message_table *t, struct aiex_slice body,
                       struct aiex_error *err)
{
    struct check c = {.err = err};

    return check_map(&c, t, body, NULL);
}

int aiex_message_unpack(const struct aiex_message_table *t, struct aiex_slice body, void *msg,
                        struct aiex_error *err)
{
    struct check c = {.err = err};

    aiex_message_init(t, msg);
    return check_map(&c, t, body, msg);
}

/* tables.c - see tables.h. */
#include "tables.h"

#include "bytes.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdlib.h>

static const char *const type_names[N_FIELD_TYPES] = {"str", "int", "bin"};

const char *field_type_name(enum field_type type)
{
    return type_names[type];
}

void tables_init(struct tables *t)
{
    pthread_rwlock_init(&t->lock, NULL);
}

void tables_clear(struct tables *t)
{
    pthread_rwlock_wrlock(&t->lock);
    while (t->n)
        free(t->all[--t->n]);
    pthread_rwlock_unlock(&t->lock);
}

void tables_done(struct tables *t)
{
    tables_clear(t);
    pthread_rwlock_destroy(&t->lock);
}

uint32_t tables_count(struct tables *t)
{
    uint32_t n;

    pthread_rwlock_rdlock(&t->lock);
    n = t->n;
    pthread_rwlock_unlock(&t->lock);
    return n;
}

struct table *tables_find(struct tables *t, struct aiex_slice name)
{
    struct table *found = NULL;

    pthread_rwlock_rdlock(&t->lock);
    for (uint32_t i = 0; i < t->n && !found; i++)
        if (aiex_slice_is(name, t->all[i]->name))
            found = t->all[i];
    pthread_rwlock_unlock(&t->lock);
    return found;
}

struct table *tables_by_id(struct tables *t, uint32_t id)
{
    struct table *found = NULL;

    pthread_rwlock_rdlock(&t->lock);
    for (uint32_t i = 0; i < t->n && !found; i++)
        if (t->all[i]->id == id)
            found = t->all[i];
    pthread_rwlock_unlock(&t->lock);
    return found;
}

int tables_add(struct tables *t, struct table *table)
{
    int r = -ENOSPC;

    pthread_rwlock_wrlock(&t->lock);
    if (t->n < MAX_TABLES) {
        t->all[t->n++] = table;
        r = 0;
    }
    pthread_rwlock_unlock(&t->lock);
    return r;
}

size_t row_key(const struct table *t, struct aiex_slice key, uint8_t out[ROW_KEY_MAX])
{
    put_be(out, t->id, 4);
    memcpy(out + 4, key.data, key.len);
    return 4 + key.len;
}

size_t field_prefix(const struct table *t, uint32_t index, uint8_t *out)
{
    put_be(out, t->id, 4);
    put_be(out + 4, index, 2);
    return 6;
}

static size_t put_bytes(uint8_t *out, struct aiex_slice s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++) {
        out[n++] = s.data[i];
        if (!s.data[i])
            out[n++] = 255;
    }
    return n;
}

int field_bound(const struct table *t, uint32_t index, const struct aiex_value *v,
                uint8_t out[FIELD_KEY_MAX])
{
    enum field_type type = t->indexes[index].type;
    size_t n = field_prefix(t, index, out);

    if (v->type == AIEX_T_NIL)
        return 0;
    if (type == FIELD_INT) {
        if (v->type != AIEX_T_INT)
            return -EINVAL;
        put_be(out + n, (uint64_t)v->i ^ (uint64_t)1 << 63, 8);
        return (int)n + 8;
    }
    if ((type == FIELD_STR && v->type != AIEX_T_STR) ||
        (v->type != AIEX_T_STR && v->type != AIEX_T_BIN) || v->bytes.len > MAX_FIELD)
        return -EINVAL;
    return (int)(n + put_bytes(out + n, v->bytes));
}

int field_key(const struct table *t, uint32_t index, struct aiex_slice value, struct aiex_slice key,
              uint8_t out[FIELD_KEY_MAX])
{
    struct aiex_value v;
    int found = aiex_get(value, t->indexes[index].field, &v), n;

    if (found <= 0)
        return found == 0 ? 0 : -EINVAL;
    n = field_bound(t, index, &v, out);
    if (n <= 0)
        return n;
    out[n++] = 0;
    out[n++] = 1;
    memcpy(out + n, key.data, key.len);
    return n + (int)key.len;
}

int field_row(const struct table *t, uint32_t index, const uint8_t *key, size_t len,
              struct aiex_slice *ret_key)
{
    size_t at = 6;

    if (t->indexes[index].type == FIELD_INT) {
        at += 8;
    } else {
        while (at + 1 < len && (key[at] || key[at + 1] == 255))
            at += key[at] ? 1 : 2;
    }
    if (at + 2 > len || key[at] != 0 || key[at + 1] != 1)
        return -EBADMSG;
    ret_key->data = key + at + 2;
    ret_key->len = len - at - 2;
    return 0;
}

size_t expiry_key(const struct table *t, uint64_t at_ms, struct aiex_slice key,
                  uint8_t out[FIELD_KEY_MAX])
{
    put_be(out, 0, 4);
    put_be(out + 4, at_ms, 8);
    put_be(out + 12, t->id, 4);
    memcpy(out + 16, key.data, key.len);
    return 16 + key.len;
}

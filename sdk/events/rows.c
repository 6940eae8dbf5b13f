#include "rows.h"

#include <errno.h>

#define EVENT_ROWS 400u /* that one event may put */

struct row *ev_row_find(const struct row_list *l, struct aiex_slice key)
{
    for (uint32_t i = l->n; i-- > 0;)
        if (l->rows[i].key.len == key.len && memcmp(l->rows[i].key.data, key.data, key.len) == 0)
            return &l->rows[i];
    return NULL;
}

static void row_done(const struct aiex_host *host, struct row_list *l, struct row *row)
{
    l->bytes -= row->key.len + row->value.len;
    host->release(host, (void *)(uintptr_t)row->key.data);
}

static struct row *add(const struct aiex_host *host, struct row_list *l)
{
    uint32_t cap = l->cap ? 2 * l->cap : 16;
    struct row *grown;

    if (l->n < l->cap)
        return &l->rows[l->n++];
    grown = host->alloc(host, cap * sizeof(*grown));
    if (!grown)
        return NULL;
    if (l->n)
        memcpy(grown, l->rows, l->n * sizeof(*grown));
    host->release(host, l->rows);
    l->rows = grown;
    l->cap = cap;
    return &l->rows[l->n++];
}

int ev_row_set(const struct aiex_host *host, struct row_list *l, struct aiex_slice key,
               struct aiex_slice value, int exists, int dirty)
{
    uint8_t *mem = host->alloc(host, key.len + value.len + 1);
    struct row *row = ev_row_find(l, key);

    if (mem && row)
        row_done(host, l, row);
    else if (mem)
        row = add(host, l);
    if (!mem || !row) {
        host->release(host, mem);
        return -ENOMEM;
    }
    memcpy(mem, key.data, key.len);
    if (value.len)
        memcpy(mem + key.len, value.data, value.len);
    *row = (struct row){{mem, key.len}, {mem + key.len, value.len}, exists, dirty};
    l->bytes += key.len + value.len;
    return 0;
}

void ev_rows_drop(const struct aiex_host *host, struct row_list *l)
{
    while (l->n)
        row_done(host, l, &l->rows[--l->n]);
}

int ev_rows_commit(struct aiex_rows *r)
{
    int failed = 0;

    for (uint32_t i = 0; i < r->staged.n && !failed; i++) {
        const struct row *row = &r->staged.rows[i];

        failed = ev_row_set(r->host, &r->kept, row->key, row->value, row->exists, 1);
    }
    ev_rows_drop(r->host, &r->staged);
    ev_rows_drop(r->host, &r->needs);
    return failed;
}

uint32_t ev_rows_dirty(const struct aiex_rows *r)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < r->kept.n; i++)
        n += r->kept.rows[i].dirty != 0;
    return n;
}

int ev_rows_full(const struct aiex_rows *r)
{
    return r->kept.n >= AIEX_PROJECTION_ROWS || r->kept.bytes >= AIEX_PROJECTION_BYTES;
}

void ev_rows_done(struct aiex_rows *r)
{
    struct row_list *const lists[] = {&r->kept, &r->staged, &r->needs};

    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        ev_rows_drop(r->host, lists[i]);
        r->host->release(r->host, lists[i]->rows);
        memset(lists[i], 0, sizeof(*lists[i]));
    }
}

/* ---- What a projection calls ---- */

static int is_key(struct aiex_slice key)
{
    return key.len > 0 && key.len <= AIEX_PROJECTION_KEY;
}

int aiex_rows_need(struct aiex_rows *r, struct aiex_slice key)
{
    const struct aiex_slice nothing = {NULL, 0};

    if (!is_key(key))
        return -EINVAL;
    if (ev_row_find(&r->needs, key))
        return 0;
    if (r->needs.n == AIEX_PROJECTION_NEEDS)
        return -E2BIG;
    return ev_row_set(r->host, &r->needs, key, nothing, 0, 0);
}

int aiex_rows_get(const struct aiex_rows *r, struct aiex_slice key, struct aiex_slice *ret_value)
{
    const struct row *row = ev_row_find(&r->staged, key);

    if (!row)
        row = ev_row_find(&r->kept, key);
    if (!row)
        return -EINVAL;
    if (row->exists)
        *ret_value = row->value;
    return row->exists;
}

static int stage(struct aiex_rows *r, struct aiex_slice key, struct aiex_slice value, int exists)
{
    if (!is_key(key))
        return -EINVAL;
    if (r->staged.n >= EVENT_ROWS || r->staged.bytes + key.len + value.len > AIEX_PROJECTION_BYTES)
        return -E2BIG;
    return ev_row_set(r->host, &r->staged, key, value, exists, 1);
}

int aiex_rows_put(struct aiex_rows *r, struct aiex_slice key, struct aiex_slice value)
{
    return stage(r, key, value, 1);
}

int aiex_rows_delete(struct aiex_rows *r, struct aiex_slice key)
{
    const struct aiex_slice nothing = {NULL, 0};

    return stage(r, key, nothing, 0);
}

#include "tape.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct tape *tape_new(size_t max)
{
    struct tape *t = calloc(1, sizeof(*t));

    if (!t)
        return NULL;
    t->refs = 1;
    t->max = max;
    return t;
}

struct tape *tape_ref(struct tape *t)
{
    t->refs++;
    return t;
}

static void drop(struct tape *t)
{
    free(t->data);
    free(t->ends);
    free(t->end);
    t->data = t->end = NULL;
    t->ends = NULL;
    t->len = t->cap = t->n = t->n_cap = t->end_len = 0;
}

void tape_unref(struct tape *t)
{
    if (!t || --t->refs)
        return;
    drop(t);
    free(t);
}

static int give_up(struct tape *t)
{
    drop(t);
    t->over = 1;
    return -ENOSPC;
}

static int grow_data(struct tape *t, size_t need)
{
    size_t cap = t->cap ? t->cap : 1024;
    uint8_t *data;

    if (need <= t->cap)
        return 0;
    while (cap < need)
        cap *= 2;
    data = realloc(t->data, cap);
    if (!data)
        return -ENOMEM;
    t->data = data;
    t->cap = cap;
    return 0;
}

static int grow_ends(struct tape *t)
{
    size_t cap = t->n_cap ? t->n_cap * 2 : 16;
    size_t *ends;

    if (t->n < t->n_cap)
        return 0;
    ends = realloc(t->ends, cap * sizeof(*ends));
    if (!ends)
        return -ENOMEM;
    t->ends = ends;
    t->n_cap = cap;
    return 0;
}

int tape_add(struct tape *t, struct aiex_slice part)
{
    size_t marks = (t->n + 1) * sizeof(*t->ends);

    if (t->over)
        return -ENOSPC;
    if (part.len > t->max || t->len + part.len + marks > t->max ||
        grow_data(t, t->len + part.len) != 0 || grow_ends(t) != 0)
        return give_up(t);
    if (part.len)
        memcpy(t->data + t->len, part.data, part.len);
    t->len += part.len;
    t->ends[t->n++] = t->len;
    return 0;
}

int tape_end(struct tape *t, struct aiex_slice body)
{
    if (t->over)
        return -ENOSPC;
    t->end = malloc(body.len + 1);
    if (!t->end || body.len > t->max)
        return give_up(t);
    if (body.len)
        memcpy(t->end, body.data, body.len);
    t->end_len = body.len;
    return 0;
}

struct aiex_slice tape_part(const struct tape *t, size_t i)
{
    size_t from = i ? t->ends[i - 1] : 0;

    return (struct aiex_slice){t->data ? t->data + from : NULL, t->ends[i] - from};
}

struct aiex_slice tape_whole(const struct tape *t)
{
    return (struct aiex_slice){t->data, t->len};
}

size_t tape_bytes(const struct tape *t)
{
    return sizeof(*t) + t->cap + t->n_cap * sizeof(*t->ends) + t->end_len;
}

/* walk.c - chunks back into values, one chunk in memory. */
#include "checkpoints.h"

#include <errno.h>
#include <stdlib.h>

void walk_begin(struct walk *w, struct chunks *chunks, const struct chunk_list *list)
{
    memset(w, 0, sizeof(*w));
    w->chunks = chunks;
    w->list = list;
}

void walk_done(struct walk *w)
{
    free(w->raw);
    w->raw = NULL;
}

static int open_chunk(struct walk *w, struct aiex_error *err)
{
    const struct chunk_ref *ref = &w->list->all[w->next++];
    int r;

    walk_done(w);
    w->left = (struct aiex_slice){NULL, 0};
    r = chunk_get(w->chunks, ref, &w->raw, err);
    if (r < 0)
        return r;
    w->left = (struct aiex_slice){w->raw, ref->raw};
    w->items = ref->items;
    return 0;
}

const struct chunk_ref *walk_chunk(const struct walk *w)
{
    return !w->left.len && w->next < w->list->n ? &w->list->all[w->next] : NULL;
}

void walk_skip_chunk(struct walk *w)
{
    w->next++;
}

int walk_next(struct walk *w, struct aiex_slice *ret_value, struct aiex_error *err)
{
    struct aiex_slice one;
    int r = 0;

    while (!w->left.len) {
        if (w->items)
            return aiex_failed(err, -EBADMSG, "a chunk has less values than its checkpoint says");
        if (w->next == w->list->n)
            return 0;
        r = open_chunk(w, err);
        if (r < 0)
            return r;
    }
    one = w->left;
    if (!w->items || aiex_r_skip(&w->left) != 0)
        return aiex_failed(err, -EBADMSG, "a chunk has other values than its checkpoint says");
    w->items--;
    one.len -= w->left.len;
    *ret_value = one;
    return 1;
}

/*
 * same.c - did anything change since the parent? For checkpoints that a clock asks for.
 *
 * Rows and heads of streams are cut into chunks by their content, so the same rows are the same
 * names of chunks. Streams that the host writes about itself (that a job ran) are no change: each
 * night would have one.
 */
#include "checkpoints.h"

#include <errno.h>

#define HOSTS "host/"

static int is_same_chunks(const struct chunk_list *a, const struct chunk_list *b)
{
    if (a->n != b->n)
        return 0;
    for (size_t i = 0; i < a->n; i++)
        if (memcmp(a->all[i].hash, b->all[i].hash, CHUNK_HASH) != 0)
            return 0;
    return 1;
}

static int is_same_tables(const struct manifest *a, const struct manifest *b)
{
    if (a->about.n_tables != b->about.n_tables)
        return 0;
    for (int64_t i = 0; i < a->about.n_tables; i++)
        if (strcmp(a->tables[i].name, b->tables[i].name) != 0 ||
            !is_same_chunks(&a->tables[i].chunks, &b->tables[i].chunks))
            return 0;
    return 1;
}

/* The next head that counts. 1, 0 = none, negative. */
static int next_head(struct walk *w, struct aiex_slice *ret, struct aiex_error *err)
{
    struct head head;
    int r;

    while ((r = walk_next(w, ret, err)) == 1) {
        if (head_read(*ret, &head) < 0)
            return -EBADMSG;
        if (head.stream.len < strlen(HOSTS) || memcmp(head.stream.data, HOSTS, strlen(HOSTS)) != 0)
            return 1;
    }
    return r;
}

static int is_same_heads(struct making *k)
{
    struct chunks *chunks = &k->job->s->chunks;
    struct aiex_slice one = {NULL, 0}, other = {NULL, 0};
    struct aiex_error err = {""};
    struct walk a, b;
    int r, s;

    walk_begin(&a, chunks, &k->m->heads);
    walk_begin(&b, chunks, &k->parent->heads);
    do {
        r = next_head(&a, &one, &err);
        s = next_head(&b, &other, &err);
    } while (r == 1 && s == 1 && slice_order(one, other) == 0);
    walk_done(&a);
    walk_done(&b);
    if (r < 0 || s < 0)
        return job_errno(k->job, r < 0 ? r : s, err.text[0] ? err.text : "the list of streams");
    return r == 0 && s == 0;
}

int is_same_state(struct making *k)
{
    if (!k->parent || !is_same_tables(k->m, k->parent))
        return 0;
    return is_same_chunks(&k->m->heads, &k->parent->heads) ? 1 : is_same_heads(k);
}

/*
 * compare.c - checkpoints.compare: what came, changed and went from one checkpoint to another.
 *
 * Rows and streams are sorted in both, so both are walked at once; where both are at the begin of
 * the same chunk it is not even read.
 */
#include "checkpoints.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct side {
    struct walk walk;
    struct aiex_slice value, key;
    int there; /* a value is shown */
};

struct comparison {
    struct job *job;
    struct manifest a, b;
    struct tally tally;
};

/* What is compared: its key in a value, and what to say. */
struct kind_of {
    const char *key; /* field */
    int (*differ)(struct comparison *c, const struct kind_of *kind, const struct side *a,
                  const struct side *b);
    char part[MAX_PART + 1]; /* of a table */
};

/* ---- Both sides at once ---- */

static int advance(struct comparison *c, struct side *s, const char *key)
{
    struct aiex_error err = {""};
    int r = walk_next(&s->walk, &s->value, &err);

    s->there = r == 1;
    if (r < 0)
        return job_errno(c->job, r, err.text);
    if (r == 1 && aiex_get_bytes(s->value, key, &s->key) != 1)
        return job_fail(c->job, AIEX_E_INTERNAL, "a value has no '%s'; see checkpoints.verify",
                        key);
    return 0;
}

static int same_chunk(const struct side *a, const struct side *b)
{
    const struct chunk_ref *x = walk_chunk(&a->walk), *y = walk_chunk(&b->walk);

    return x && y && !a->there && !b->there && memcmp(x->hash, y->hash, CHUNK_HASH) == 0;
}

/* Shows the next value of the sides that show none. */
static int show(struct comparison *c, struct side *a, struct side *b, const char *key)
{
    int r = 0;

    while (same_chunk(a, b)) {
        walk_skip_chunk(&a->walk);
        walk_skip_chunk(&b->walk);
    }
    if (!a->there)
        r = advance(c, a, key);
    if (r == 0 && !b->there)
        r = advance(c, b, key);
    return r;
}

static int compare_lists(struct comparison *c, const struct kind_of *kind,
                         const struct chunk_list *from, const struct chunk_list *to)
{
    struct chunks other = {0}; /* one packs and unpacks beside the other */
    struct side a = {.there = 0}, b = {.there = 0};
    int r;

    other = c->job->s->chunks;
    other.mem = NULL;
    other.mem_size = 0;
    walk_begin(&a.walk, &c->job->s->chunks, from);
    walk_begin(&b.walk, &other, to);
    while ((r = show(c, &a, &b, kind->key)) == 0 && (a.there || b.there)) {
        int order = !a.there ? 1 : !b.there ? -1 : slice_order(a.key, b.key);

        r = kind->differ(c, kind, order <= 0 ? &a : NULL, order >= 0 ? &b : NULL);
        if (r < 0)
            break;
        a.there = order > 0 ? a.there : 0;
        b.there = order < 0 ? b.there : 0;
    }
    walk_done(&a.walk);
    walk_done(&b.walk);
    return r;
}

/* ---- Rows ---- */

static int differ_row(struct comparison *c, const struct kind_of *kind, const struct side *a,
                      const struct side *b)
{
    if (!a)
        return tally_add(&c->tally, kind->part, ADDED, b->key, NULL);
    if (!b)
        return tally_add(&c->tally, kind->part, REMOVED, a->key, NULL);
    if (slice_order(a->value, b->value) == 0)
        return 0;
    return tally_add(&c->tally, kind->part, CHANGED, a->key, NULL);
}

static int compare_table(struct comparison *c, const struct table_part *a,
                         const struct table_part *b)
{
    const struct chunk_list none = {NULL, 0, 0};
    struct kind_of kind = {.key = "key", .differ = differ_row};

    snprintf(kind.part, sizeof(kind.part), "table:%s", a ? a->name : b->name);
    return compare_lists(c, &kind, a ? &a->chunks : &none, b ? &b->chunks : &none);
}

static int compare_tables(struct comparison *c)
{
    int r = 0;

    for (int64_t i = 0; i < c->a.about.n_tables && r == 0; i++)
        r = compare_table(c, &c->a.tables[i], manifest_table(&c->b, c->a.tables[i].name));
    for (int64_t i = 0; i < c->b.about.n_tables && r == 0; i++)
        if (!manifest_table(&c->a, c->b.tables[i].name))
            r = compare_table(c, NULL, &c->b.tables[i]);
    return r;
}

/* ---- Streams ---- */

static int differ_head(struct comparison *c, const struct kind_of *kind, const struct side *a,
                       const struct side *b)
{
    struct head from = {.version = 0}, to = {.version = 0};
    char part[MAX_PART + 1], detail[80];

    (void)kind;
    if ((a && head_read(a->value, &from) < 0) || (b && head_read(b->value, &to) < 0))
        return job_fail(c->job, AIEX_E_INTERNAL,
                        "the list of streams is damaged; see checkpoints.verify");
    stream_part(a ? a->key : b->key, part);
    snprintf(detail, sizeof(detail), "version %lld -> %lld", (long long)from.version,
             (long long)to.version);
    if (!a)
        return tally_add(&c->tally, part, ADDED, b->key, detail);
    if (!b)
        return tally_add(&c->tally, part, REMOVED, a->key, detail);
    if (from.version == to.version && slice_order(from.id, to.id) == 0)
        return 0;
    return tally_add(&c->tally, part, CHANGED, a->key, detail);
}

/* ---- The whole ---- */

static void write_compared(struct aiex_writer *w, const void *arg)
{
    const struct comparison *c = arg;
    int64_t n = 0;

    for (int i = 0; i < N_CHANGES; i++)
        n += c->tally.total[i];
    aiex_w_map(w, TALLY_PAIRS + 3);
    aiex_w_key_str(w, "from", c->a.about.name);
    aiex_w_key_str(w, "to", c->b.about.name);
    aiex_w_key_bool(w, "same", n == 0);
    tally_write(w, &c->tally);
}

int run_compare(struct job *j)
{
    static const struct kind_of streams = {.key = "stream", .differ = differ_head};
    struct comparison c = {.job = j};
    int r = job_manifest(j, "from", &c.a);

    r = r ? r : job_manifest(j, "to", &c.b);
    r = r ? r : tally_begin(&c.tally, j);
    r = r ? r : compare_tables(&c);
    r = r ? r : compare_lists(&c, &streams, &c.a.heads, &c.b.heads);
    r = r < 0 ? job_errno(j, r, "they can not be compared") : job_end_by(j, write_compared, &c);
    tally_done(&c.tally);
    manifest_done(&c.a);
    manifest_done(&c.b);
    return r;
}

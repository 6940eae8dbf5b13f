/* tally.c - what differs or is changed: counted for each part, and named while `list` allows. */
#include "checkpoints.h"

#include <errno.h>
#include <stdlib.h>

#define MAX_TALLY_PARTS 512u
#define OTHERS          "others"

struct tally_part {
    char name[MAX_PART + 1];
    int64_t count[N_CHANGES];
};

static const char *const names[N_CHANGES] = {
    [ADDED] = "added",       [CHANGED] = "changed",         [REMOVED] = "removed",
    [APPENDED] = "appended", [ROLLED_BACK] = "rolled_back", [MARKED] = "marked",
    [LEFT] = "left",         [CONFLICT] = "conflicts",
};

int tally_begin(struct tally *t, struct job *j)
{
    memset(t, 0, sizeof(*t));
    t->job = j;
    t->list = MAX_LISTED;
    if (aiex_get_int(j->body, "list", &t->list) < 0 || t->list < 0 || t->list > 1000000)
        return job_fail(j, AIEX_E_INVALID, "field 'list' must be a number up to 1000000");
    return 0;
}

void tally_done(struct tally *t)
{
    free(t->parts);
    t->parts = NULL;
    t->n = 0;
}

static struct tally_part *part_named(struct tally *t, const char *name)
{
    struct tally_part *all;

    for (size_t i = t->n; i-- > 0;)
        if (strcmp(t->parts[i].name, name) == 0)
            return &t->parts[i];
    if (t->n >= MAX_TALLY_PARTS && strcmp(name, OTHERS) != 0)
        return part_named(t, OTHERS);
    all = realloc(t->parts, (t->n + 1) * sizeof(*all));
    if (!all)
        return NULL;
    t->parts = all;
    memset(&all[t->n], 0, sizeof(*all));
    strncpy(all[t->n].name, name, MAX_PART);
    return &all[t->n++];
}

struct item {
    const char *part, *change, *detail;
    struct aiex_slice key;
};

static int is_text(struct aiex_slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] < 32 || s.data[i] > 126)
            return 0;
    return 1;
}

static void write_item(struct aiex_writer *w, const void *arg)
{
    const struct item *i = arg;

    aiex_w_map(w, i->detail ? 4 : 3);
    aiex_w_key_str(w, "part", i->part);
    aiex_w_key_str(w, "change", i->change);
    aiex_w_str(w, "key");
    if (is_text(i->key))
        aiex_w_strn(w, (const char *)i->key.data, i->key.len);
    else
        aiex_w_bin(w, i->key.data, i->key.len);
    if (i->detail)
        aiex_w_key_str(w, "detail", i->detail);
}

int tally_add(struct tally *t, const char *part, enum change change, struct aiex_slice key,
              const char *detail)
{
    struct tally_part *p = part_named(t, part);
    const struct item item = {part, names[change], detail, key};

    if (!p)
        return job_errno(t->job, -ENOMEM, "the list of parts");
    t->total[change]++;
    if (p->count[change]++ >= t->list)
        return 0;
    return job_say_by(t->job, write_item, &item);
}

static uint32_t count_set(const int64_t *count)
{
    uint32_t n = 0;

    for (int i = 0; i < N_CHANGES; i++)
        n += count[i] != 0;
    return n;
}

static void write_counts(struct aiex_writer *w, const int64_t *count)
{
    for (int i = 0; i < N_CHANGES; i++)
        if (count[i])
            aiex_w_key_int(w, names[i], count[i]);
}

void tally_write(struct aiex_writer *w, const struct tally *t)
{
    aiex_w_str(w, "parts");
    aiex_w_array(w, (uint32_t)t->n);
    for (size_t i = 0; i < t->n; i++) {
        aiex_w_map(w, 1 + count_set(t->parts[i].count));
        aiex_w_key_str(w, "part", t->parts[i].name);
        write_counts(w, t->parts[i].count);
    }
    aiex_w_str(w, "total");
    aiex_w_map(w, count_set(t->total));
    write_counts(w, t->total);
}

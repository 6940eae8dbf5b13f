/* traces.c - sequences of keys: by Zipf's law, printed by a command, from a file. */
#include "measure.h"
#include "policies.h"

#include <math.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add(struct trace *t, uint32_t key)
{
    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 65536;
        t->keys = realloc(t->keys, t->cap * sizeof(*t->keys));
        if (!t->keys)
            give_up("no memory for a trace");
    }
    t->keys[t->n++] = key;
    if (key >= t->n_keys)
        t->n_keys = key + 1;
}

static double chance(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return (double)(*x >> 11) / 9007199254740992.0;
}

void trace_zipf(struct trace *t, const char *name, uint32_t n_keys, double skew, size_t n,
                size_t every, uint32_t scan)
{
    double *sums = malloc(n_keys * sizeof(*sums)), sum = 0;
    uint64_t x = 88172645463325252ull;

    if (!sums)
        give_up("no memory for a trace");
    for (uint32_t i = 0; i < n_keys; i++)
        sums[i] = sum += pow(i + 1, -skew);
    *t = (struct trace){.name = name, .n_keys = n_keys};
    for (size_t i = 0; t->n < n; i++) {
        double at = chance(&x) * sum;
        uint32_t low = 0, high = n_keys - 1;

        while (low < high) {
            uint32_t mid = (low + high) / 2;

            if (sums[mid] < at)
                low = mid + 1;
            else
                high = mid;
        }
        add(t, low);
        if (every && i % every == every - 1)
            for (uint32_t k = 0; k < scan; k++)
                add(t, t->n_keys);
    }
    free(sums);
}

struct word {
    uint32_t number;
    char text[];
};

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct word *)a)->text, ((const struct word *)b)->text);
}

static void add_line(struct trace *t, void **words, const char *line)
{
    struct word *w = malloc(sizeof(*w) + strlen(line) + 1), **found;

    if (!w)
        give_up("no memory for a trace");
    w->number = t->n_keys;
    strcpy(w->text, line);
    found = tsearch(w, words, compare);
    if (!found)
        give_up("no memory for a trace");
    add(t, (*found)->number);
    if (*found != w)
        free(w);
}

static int read_lines(struct trace *t, const char *name, FILE *f)
{
    char line[4096];
    void *words = NULL;

    *t = (struct trace){.name = name};
    while (f && fgets(line, sizeof(line), f)) {
        line[strcspn(line, "\n")] = 0;
        if (*line)
            add_line(t, &words, line);
    }
    tdestroy(words, free);
    return t->n ? 0 : -1;
}

int trace_command(struct trace *t, const char *name, const char *command)
{
    FILE *f = popen(command, "r");
    int r = read_lines(t, name, f);

    if (f)
        pclose(f);
    return r;
}

int trace_file(struct trace *t, const char *path)
{
    const char *slash = strrchr(path, '/');
    FILE *f = fopen(path, "r");
    int r = read_lines(t, slash ? slash + 1 : path, f);

    if (f)
        fclose(f);
    return r;
}

void trace_done(struct trace *t)
{
    free(t->keys);
    memset(t, 0, sizeof(*t));
}

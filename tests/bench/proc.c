/* proc.c - see proc.h. Numbers that a process took with it when it ended are lost. */
#include "proc.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int parent_of(int pid)
{
    char path[64], line[512], *at;
    int parent = -1;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    f = fopen(path, "r");
    if (!f)
        return -1;
    /* the name in brackets may hold anything */
    if (fgets(line, sizeof(line), f) && (at = strrchr(line, ')')))
        sscanf(at + 1, " %*c %d", &parent);
    fclose(f);
    return parent;
}

static int has(const struct tree *tree, int pid)
{
    for (size_t i = 0; i < tree->n; i++)
        if (tree->pids[i] == pid)
            return 1;
    return 0;
}

void tree_of(int root, struct tree *ret)
{
    size_t before;

    *ret = (struct tree){.pids = {root}, .n = 1};
    do { /* children may have smaller numbers than their parents: until nothing is added */
        DIR *dir = opendir("/proc");
        struct dirent *e;

        before = ret->n;
        while (dir && (e = readdir(dir)) && ret->n < TREE_MAX) {
            int pid = isdigit((unsigned char)e->d_name[0]) ? atoi(e->d_name) : 0;

            if (pid && !has(ret, pid) && has(ret, parent_of(pid)))
                ret->pids[ret->n++] = pid;
        }
        if (dir)
            closedir(dir);
    } while (ret->n != before);
}

/* Adds up one thread's counters. */
static void add_thread(int pid, const char *tid, struct tree_cost *cost)
{
    char path[96], line[256];
    unsigned long long v;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", pid, tid);
    f = fopen(path, "r");
    if (f) {
        if (fscanf(f, "%llu", &v) == 1)
            cost->cpu_ns += v;
        fclose(f);
    }
    snprintf(path, sizeof(path), "/proc/%d/task/%s/status", pid, tid);
    f = fopen(path, "r");
    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "voluntary_ctxt_switches: %llu", &v) == 1 ||
            sscanf(line, "nonvoluntary_ctxt_switches: %llu", &v) == 1)
            cost->switches += v;
    if (f)
        fclose(f);
}

/* Sum of the lines that begin with a word, in MB. */
static double sum_mb(int pid, const char *word)
{
    char path[64], line[256];
    double sum = -1, kb;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
    f = fopen(path, "r");
    while (f && fgets(line, sizeof(line), f))
        if (!strncmp(line, word, strlen(word)) && sscanf(line, "%*s %lf", &kb) == 1)
            sum = (sum < 0 ? 0 : sum) + kb;
    if (f)
        fclose(f);
    return sum < 0 ? -1 : sum / 1024;
}

double pss_mb(int pid)
{
    return sum_mb(pid, "Pss:");
}

double private_mb(int pid)
{
    return sum_mb(pid, "Private_");
}

struct tree_cost tree_cost(const struct tree *tree)
{
    struct tree_cost cost = {0};

    for (size_t i = 0; i < tree->n; i++) {
        char path[64];
        struct dirent *e;
        DIR *dir;
        double mb = pss_mb(tree->pids[i]);

        cost.pss_mb += mb > 0 ? mb : 0;
        snprintf(path, sizeof(path), "/proc/%d/task", tree->pids[i]);
        dir = opendir(path);
        while (dir && (e = readdir(dir)))
            if (isdigit((unsigned char)e->d_name[0]))
                add_thread(tree->pids[i], e->d_name, &cost);
        if (dir)
            closedir(dir);
    }
    return cost;
}

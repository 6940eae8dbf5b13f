/*
 * proc.h - what processes cost, from /proc: CPU time, process switches, memory.
 *
 * A tree is a process and everything below it. Cells are children of the host, so the
 * host's tree is all of a deployment. Memory of cells can only be read by root: they
 * are not dumpable.
 */
#ifndef AIEX_BENCH_PROC_H
#define AIEX_BENCH_PROC_H

#include <stddef.h>
#include <stdint.h>

#define TREE_MAX 256

struct tree {
    int pids[TREE_MAX];
    size_t n;
};

struct tree_cost {
    uint64_t cpu_ns;   /* time on a processor, as the scheduler counts it */
    uint64_t switches; /* voluntary and not */
    double pss_mb;     /* 0 when it can not be read */
};

void tree_of(int root, struct tree *ret);
struct tree_cost tree_cost(const struct tree *tree);
/* Proportional set size; -1 when it can not be read. It falls when strangers map the same
 * libraries. */
double pss_mb(int pid);
/* What ending the process would free: its private pages. */
double private_mb(int pid);

#endif

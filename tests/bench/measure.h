/*
 * measure.h - the clock, series of samples and the lines that a benchmark prints.
 *
 * A figure goes to stdout as `name value unit`, nothing else does; what a person may
 * want to know meanwhile goes to stderr through note(). Times are nanoseconds of
 * CLOCK_MONOTONIC.
 */
#ifndef AIEX_BENCH_MEASURE_H
#define AIEX_BENCH_MEASURE_H

#include <stddef.h>
#include <stdint.h>

uint64_t now_ns(void);
void pause_ms(unsigned ms);

struct series {
    double *v;
    size_t n, cap;
};
/* Ends the program when there is no memory, as everything here does. */
void series_add(struct series *s, double value);
/* share 0.5 = the median; 0 for an empty series. Sorts it. */
double series_at(struct series *s, double share);
void series_done(struct series *s);

void row(const char *name, double value, const char *unit);
__attribute__((format(printf, 1, 2))) void note(const char *form, ...);
/* Says why on stderr and ends the program with 1. */
__attribute__((format(printf, 1, 2), noreturn)) void give_up(const char *form, ...);

/* 1 when BENCH_QUICK is set: figures are rough then, but all of them are printed. */
int is_quick(void);
/* The count for a full run, a fraction of it for a quick one. */
long rounds(long full, long quick);
/* Binds the calling thread, and what it starts, to one processor; -1 = to all. */
void bind_cpu(int cpu);

#endif

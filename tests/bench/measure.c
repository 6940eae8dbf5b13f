/* measure.c - see measure.h. */
#include "measure.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void pause_ms(unsigned ms)
{
    nanosleep(&(struct timespec){ms / 1000, (long)(ms % 1000) * 1000000}, NULL);
}

void series_add(struct series *s, double value)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 1024;
        s->v = realloc(s->v, s->cap * sizeof(*s->v));
        if (!s->v)
            give_up("no memory for %zu samples", s->cap);
    }
    s->v[s->n++] = value;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double series_at(struct series *s, double share)
{
    if (!s->n)
        return 0;
    qsort(s->v, s->n, sizeof(*s->v), by_size);
    return s->v[(size_t)(share * (double)(s->n - 1) + 0.5)];
}

void series_done(struct series *s)
{
    free(s->v);
    *s = (struct series){0};
}

void row(const char *name, double value, const char *unit)
{
    printf("%s %.*f %s\n", name,
           value >= 1000  ? 0
           : value >= 10  ? 1
           : value >= 0.1 ? 3
                          : 5,
           value, unit);
    fflush(stdout);
}

void note(const char *form, ...)
{
    va_list args;

    va_start(args, form);
    vfprintf(stderr, form, args);
    va_end(args);
    fputc('\n', stderr);
}

void give_up(const char *form, ...)
{
    va_list args;

    va_start(args, form);
    vfprintf(stderr, form, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

int is_quick(void)
{
    const char *text = getenv("BENCH_QUICK");

    return text && *text && *text != '0';
}

long rounds(long full, long quick)
{
    return is_quick() ? quick : full;
}

void bind_cpu(int cpu)
{
    long n = sysconf(_SC_NPROCESSORS_CONF);
    cpu_set_t set;

    CPU_ZERO(&set);
    for (long i = 0; i < n; i++)
        if (cpu < 0 || i == cpu)
            CPU_SET((size_t)i, &set);
    if (sched_setaffinity(0, sizeof(set), &set) < 0)
        note("can not run on processor %d alone; figures of one core are figures of all", cpu);
}

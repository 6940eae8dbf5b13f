/*
 * policies.h - hit rates of eviction policies on a trace.
 *
 * A trace is a sequence of keys, numbered from 0; a cache holds `room` of them. Each function plays
 * the whole trace and returns the share of look-ups that hit. docs/decisions/016-cache-policy.md
 * has the results and the choice.
 */
#ifndef AIEX_BENCH_POLICIES_H
#define AIEX_BENCH_POLICIES_H

#include <stddef.h>
#include <stdint.h>

struct trace {
    const char *name;
    uint32_t *keys;
    size_t n, cap;
    uint32_t n_keys; /* different ones */
};

/* Least recently used goes. */
double policy_lru(const struct trace *t, uint32_t room);
/* S3-FIFO (Yang et al., SOSP 2023): small queue a tenth, who was used `promote` times there goes to
 * the main queue. */
double policy_s3fifo(const struct trace *t, uint32_t room, unsigned promote);
/* W-TinyLFU (Einziger, Friedman, Manes, ACM TOS 2017): a window of 1 %, a segmented LRU, and a
 * count-min sketch of 4 bits that decides who of two stays; halved every 10 * room look-ups. */
double policy_wtinylfu(const struct trace *t, uint32_t room);
/* Nobody knows the future; this does (Belady): the bound. */
double policy_optimal(const struct trace *t, uint32_t room);

/* ---- traces.c ---- */

/* Keys by Zipf's law; every `every` look-ups a scan of `scan` keys that never come again (0 =
 * none). */
void trace_zipf(struct trace *t, const char *name, uint32_t n_keys, double skew, size_t n,
                size_t every, uint32_t scan);
/* One key per line of what the command prints, or of a file. 0, or -1 when there is nothing. */
int trace_command(struct trace *t, const char *name, const char *command);
int trace_file(struct trace *t, const char *path);
void trace_done(struct trace *t);

#endif

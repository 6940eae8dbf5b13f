/*
 * pressure.h - is memory short, and how far has giving back gone: a state machine without clock or
 * files. The caller reads what the system says and brings the monotonic time.
 *
 * Level: the worst that one of the readings says, by the limits of the configuration. It rises when
 * two readings in a row say so (critical: at once), and falls by one level when all readings have
 * stayed PRESSURE_MARGIN below its limit for `calm_ms`: what moves around a limit makes no noise.
 *
 * Step: who has to give back. Everything that holds memory it could do without has an order from 1
 * (first) to PRESSURE_STEPS (last), and gives back while the step is not below it. The step rises
 * by one each PRESSURE_STEP_MS while the level lasts, as far as the level allows (one table), so
 * those who lose more by it are only asked when the ones before did not suffice; critical asks all
 * at once. It falls the same way, last in, first out.
 *
 * docs/decisions/022-memory-pressure.md says why.
 */
#ifndef AIEX_SCHEDULE_PRESSURE_H
#define AIEX_SCHEDULE_PRESSURE_H

#include <stdint.h>

#define PRESSURE_STEPS   9u
#define PRESSURE_STEP_MS 1000u
#define PRESSURE_MARGIN  3 /* percent points */

enum pressure_level {
    PRESSURE_OK,
    PRESSURE_ELEVATED,
    PRESSURE_HIGH,
    PRESSURE_CRITICAL,
    PRESSURE_LEVELS
};

/* What a level begins at, in percent; [PRESSURE_OK] is not looked at. 0 = never. */
struct pressure_limits {
    int used[PRESSURE_LEVELS];  /* memory that is in use */
    int stall[PRESSURE_LEVELS]; /* time in which something waited for memory */
    uint64_t calm_ms;
};

/* Percent; negative = the system does not say. */
struct pressure_reading {
    int used, stall;
};

/* Zeroed: all is well. */
struct pressure {
    enum pressure_level level;
    unsigned step;
    uint64_t calm_since; /* no reading held the level since then; 0 = one did */
    uint64_t stepped_ms;
    unsigned n_above; /* readings in a row above the level */
};

/* "ok", "elevated", "high", "critical". */
const char *pressure_level_text(enum pressure_level level);
/* 1: level or step changed. */
int pressure_feed(struct pressure *p, const struct pressure_limits *limits,
                  const struct pressure_reading *reading, uint64_t now_ms);

#endif
